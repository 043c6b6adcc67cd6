"""Identity lanes of the clip player: for every true person the id that was given to it, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from helpers.geometry import pckh
from helpers.people import BOX_MARGIN, People, Video, extent_boxes
from helpers.tracking.controls import truth_ids

#: What a lane says where no id ≥ 0 stands: found without an id, missed, not in the truth, nobody looked.
NO_ID, MISSED, ABSENT, UNLABELLED = -1, -2, -3, -4
STATES = {NO_ID: "without id", MISSED: "missed", ABSENT: "hidden", UNLABELLED: "not labelled"}


@dataclass(frozen=True)
class Lanes:
    """One picture with its lanes.

    who (L,) the person of each lane; lane (N,) of each instance, −1 on nobody's; empty (L, T) what the lanes say of
    the frames in which nobody is found.
    """

    name: str
    people: People
    who: np.ndarray
    lane: np.ndarray
    empty: np.ndarray

    def above(self, score: float) -> Lanes:
        """The side with the people above a score."""
        keep = self.people.score.round(2) > score
        return replace(self, people=self.people[keep], lane=self.lane[keep])

    @cached_property
    def cells(self) -> np.ndarray:
        """(L, T) the id in each frame of each lane, or what stands in its place."""
        cells, mine = self.empty.copy(), self.lane >= 0
        cells[self.lane[mine], self.people.frame[mine]] = self.people.track[mine]
        return cells

    @cached_property
    def switches(self) -> list[tuple[int, int, int, int]]:
        """(frame, person, id before, id after) of every change, by frame."""
        out = []
        for person, ids in zip(self.who, self.cells, strict=True):
            known = np.flatnonzero(ids >= 0)
            changes = np.flatnonzero(np.diff(ids[known])) + 1
            out += [(int(known[i]), int(person), int(ids[known[i - 1]]), int(ids[known[i]])) for i in changes]
        return sorted(out)

    def row(self, person: int) -> np.ndarray:
        """(T,) the lane of one person."""
        return self.cells[int(np.searchsorted(self.who, person))]


def lanes_of(video: Video, name: str, people: People, truth: People | None, scored: bool) -> Lanes:
    """Lanes of one tracker: of the true persons, or without a truth of its own ids; an id below 0 is none."""
    people = people.replace(track=np.maximum(people.track, NO_ID))
    if truth is None:
        who = np.unique(people.track[people.track >= 0])
        owner, empty = people.track, np.full((len(who), len(video)), ABSENT)
    else:
        truth = truth[truth.present.any(1) & (truth.track >= 0)]
        who = np.unique(truth.track)
        owner = _by_score(people, truth) if scored else truth_ids(people, truth).track
        empty = np.full((len(who), len(video)), UNLABELLED)
        labelled = np.asarray(video.labelled, bool) | np.isin(np.arange(len(video)), truth.frame)
        empty[:, labelled] = ABSENT
        empty[np.searchsorted(who, truth.track), truth.frame] = MISSED
    lane = np.where(np.isin(owner, who), np.searchsorted(who, owner), -1)
    return Lanes(name, people, who, lane, empty)


def _by_score(people: People, truth: People) -> np.ndarray:
    """(N,) the true track whose joints an instance hits, −1 for none: in the order of scores each takes the best left.

    So does COCO's evaluation (AP here goes by the best PCKh instead). A lower score never changes what a higher one
    got, so one pairing serves all thresholds.
    """
    owner = np.full(len(people), -1)
    order = np.argsort(-people.score.round(2), kind="stable")
    for t in np.unique(people.frame):
        rows, there = order[people.frame[order] == t], truth.at(t)
        shares = pckh(people[rows], there)
        for row, share in zip(rows, shares, strict=True):
            if share.max(initial=0) > 0:
                best = share.argmax()
                owner[row], shares[:, best] = there.track[best], 0
    return owner


def true_boxes(truth: People, n_frames: int) -> list[list]:
    """[true person, x1, y1, x2, y2] of each frame, to show where a missed one is."""
    box = extent_boxes(truth.xy, truth.present & np.isfinite(truth.xy).all(-1), BOX_MARGIN).round()
    known = np.isfinite(box).all(1) & (truth.track >= 0)
    truth, box = truth[known], box[known]
    return [[[int(truth.track[i]), *map(float, box[i])] for i in rows] for rows in truth.rows_by_frame(n_frames)]


def said_of(side: Lanes, t: int, person: int | None) -> str:
    """What a frame says of the person who is shown alone."""
    if person is None:
        return ""
    now = int(side.row(person)[t])
    return f": person {person} " + STATES.get(now, f"has id {now}")


def runs(ids: np.ndarray) -> list[tuple[int, int, int]]:
    """(first frame, frame after the last, id) of every stretch of one id."""
    edges = [0, *(np.flatnonzero(np.diff(ids)) + 1), len(ids)]
    return [(int(a), int(b), int(ids[a])) for a, b in pairwise(edges)]
