"""CLEAR-MOT of joints: MOTA, MOTP, precision, recall and switches (notebook 01 rebuilds them by hand).

Stepping through time happens with all videos and joints side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from helpers.evaluation.assignment import linear_sum_assignment
from helpers.evaluation.pairs import PCKH_THRESHOLD, Pairs, pair_up, ranges
from helpers.people import People, Video
from helpers.skeleton import N_JOINTS


@dataclass(frozen=True)
class MotCounts:
    """Counts per video and joint, each (V, 15); `distance` in head sizes.

    In compat mode `distance` holds what the toolkit sums up: every valid distance once
    more besides the matched ones (O-1b).
    """

    objects: np.ndarray
    misses: np.ndarray
    false_positives: np.ndarray
    switches: np.ndarray
    matches: np.ndarray
    distance: np.ndarray

    def sum(self, weights: np.ndarray | None = None) -> MotCounts:
        """Counts over all videos, (15,) each; weights (V,) as in `average_precision`."""
        w = np.ones(len(self.objects)) if weights is None else np.asarray(weights, float)
        return MotCounts(*(w @ getattr(self, f) for f in self.__dataclass_fields__))


def _ratio(a, b) -> np.ndarray:
    """a / b, NaN where b is 0."""
    return np.divide(a, b, out=np.full(np.shape(b), np.nan), where=np.asarray(b) > 0)


def mota(counts: MotCounts) -> np.ndarray:
    """1 − (misses + false positives + switches) / objects in per cent; NaN without objects."""
    return 100 * (1 - _ratio(counts.misses + counts.false_positives + counts.switches, counts.objects))


def motp(counts: MotCounts) -> np.ndarray:
    """1 − mean matched distance, in per cent; 0 without a match, as the toolkit has it."""
    return np.nan_to_num(100 * (1 - _ratio(counts.distance, counts.matches)), nan=0.0)


def precision(counts: MotCounts) -> np.ndarray:
    """Matches / predicted joints in per cent; NaN without predictions."""
    return 100 * _ratio(counts.matches, counts.matches + counts.false_positives)


def recall(counts: MotCounts) -> np.ndarray:
    """Matches / annotated joints in per cent; NaN without annotations."""
    return 100 * _ratio(counts.matches, counts.objects)


def clear_mot(
    truth: Pairs | Sequence[Video], predictions: Sequence[People] | None = None, compat: bool = False
) -> MotCounts:
    """CLEAR-MOT counts per video and joint. Takes `Pairs`, or videos and their predictions.

    A pair once matched stays together while it is valid; the others are assigned by
    least total distance; an object whose partner differs from its last one counts a
    switch. Track ids may repeat within a frame (the constant-id control needs it).
    """
    pairs = truth if isinstance(truth, Pairs) else pair_up(truth, predictions or [], compat)
    grids = _Grids(pairs)
    state = _MotState(pairs, grids)
    for t in range(grids.n_steps):
        state.step(*grids.at(t))
    counts = state.counts
    if pairs.compat:
        _dummy_objects(pairs, grids, counts)
    return MotCounts(**counts)


class _Grids:
    """Frames as padded grids: at step t the videos still running, their rows and columns."""

    def __init__(self, pairs: Pairs):
        self.pairs = pairs
        n_steps = np.bincount(pairs.video, minlength=pairs.n_videos)
        counted = pairs.step < n_steps[pairs.video] - 1 if pairs.compat else np.ones(len(pairs.video), bool)
        people = [np.bincount(f, minlength=len(pairs.video)) for f in (pairs.truth_frame, pairs.predicted_frame)]
        # The toolkit replaces a frame that is empty on either side by a dummy.
        self.dummy = counted & ((people[0] == 0) | (people[1] == 0)) if pairs.compat else np.zeros(len(counted), bool)
        used = counted & ~self.dummy
        self.n_steps = int(pairs.step[used].max()) + 1 if used.any() else 0
        order = np.flatnonzero(used)
        order = order[np.argsort(pairs.step[order], kind="stable")]  # videos keep their order
        bounds = np.searchsorted(pairs.step[order], np.arange(self.n_steps + 1))
        self.frames = [order[a:b] for a, b in pairwise(bounds)]
        self.start = [
            np.searchsorted(f, np.arange(len(pairs.video) + 1)) for f in (pairs.truth_frame, pairs.predicted_frame)
        ]
        pair_frame = pairs.truth_frame[pairs.truth_row] if len(pairs.truth_row) else np.zeros(0, int)
        self.pair_start = np.searchsorted(pair_frame, np.arange(len(pairs.video) + 1))
        self.slot = [
            np.arange(len(f)) - s[f] if len(f) else np.zeros(0, int)
            for f, s in zip((pairs.truth_frame, pairs.predicted_frame), self.start, strict=True)
        ]
        self.ids = [
            _compact_ids(p.track, pairs.video[f])
            for p, f in ((pairs.truth, pairs.truth_frame), (pairs.predicted, pairs.predicted_frame))
        ]
        self.repeats = _repeats(self.ids[0], pairs.truth_frame) or _repeats(self.ids[1], pairs.predicted_frame)

    def at(self, t: int) -> tuple[np.ndarray, ...]:
        """Videos (A,), ids (A, n) and (A, m), presence (A, n, 15) and (A, m, 15), distances (A, n, m, 15)."""
        p, frames = self.pairs, self.frames[t]
        ids, present, slots = [], [], []
        for side, people in enumerate((p.truth, p.predicted)):
            rows, owner = ranges(self.start[side][frames], self.start[side][frames + 1])
            size = int((self.start[side][frames + 1] - self.start[side][frames]).max(initial=0))
            grid_ids, grid_present = np.full((len(frames), size), -1), np.zeros((len(frames), size, N_JOINTS), bool)
            grid_ids[owner, self.slot[side][rows]] = self.ids[side][rows]
            grid_present[owner, self.slot[side][rows]] = people.present[rows]
            ids.append(grid_ids)
            present.append(grid_present)
            slots.append(size)
        rows, owner = ranges(self.pair_start[frames], self.pair_start[frames + 1])
        distance = np.full((len(frames), *slots, N_JOINTS), np.inf)
        distance[owner, self.slot[0][p.truth_row[rows]], self.slot[1][p.predicted_row[rows]]] = p.distance[rows]
        return p.video[frames], ids[0], ids[1], present[0], present[1], distance


def pair_key(group: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """One whole number for each pair of a group and an id."""
    low = ids.min(initial=0)
    return group * (ids.max(initial=0) - low + 1) + ids - low


def _compact_ids(track, video) -> np.ndarray:
    """Track ids renumbered 0, 1, … within each video."""
    if len(track) == 0:
        return track
    _, row, index = np.unique(pair_key(video, track), return_index=True, return_inverse=True)
    return index - np.searchsorted(video[row], video)  # rows of one video are neighbours


def _repeats(ids, frame) -> bool:
    return len(np.unique(pair_key(frame, ids))) < len(ids)


class _MotState:
    """What the accumulator remembers, for all videos (V) and joints side by side."""

    def __init__(self, pairs: Pairs, grids: _Grids):
        v, j = pairs.n_videos, N_JOINTS
        n_objects, n_hypotheses = (int(i.max(initial=-1)) + 1 for i in grids.ids)
        self.partner = np.full((v, n_objects, j), -1)  # last hypothesis of an object
        self.compat, self.repeats = pairs.compat, grids.repeats
        # Only for the rows that double the toolkit's distances (O-1b):
        self.seen = np.zeros((v, n_hypotheses, j), bool)  # hypothesis was ever matched
        self.owner = np.full((v, n_hypotheses, j), -1)  # object it was last assigned to
        self.counts = {f: np.zeros((v, j)) for f in MotCounts.__dataclass_fields__}

    def step(self, video, object_ids, hypothesis_ids, objects, hypotheses, distance) -> None:
        valid = distance <= PCKH_THRESHOLD
        previous = np.where(objects, self.partner[video[:, None], object_ids], -1)
        kept = self._keep(previous, hypothesis_ids, hypotheses, valid)
        rest = valid & ~kept.any(2)[:, :, None] & ~kept.any(1)[:, None]
        new = _assign(rest, distance, objects, hypotheses) if rest.any() else rest
        a, r, c, j = np.nonzero(new)
        v, o, h = video[a], object_ids[a, r], hypothesis_ids[a, c]
        before = self.partner[v, o, j]
        switch = (before >= 0) & (before != h)
        matched = (kept | new).sum((1, 2))
        total = np.where(kept | new, distance, 0).sum((1, 2))
        if self.compat:
            total += np.where(valid, distance, 0).sum((1, 2))
            self._doubled(total, kept, distance, (a, r, c, j), (v, o, h), before, switch, video, hypothesis_ids)
        self.partner[v, o, j] = h
        counts = self.counts
        counts["objects"][video] += objects.sum(1)
        counts["matches"][video] += matched
        counts["misses"][video] += objects.sum(1) - matched
        counts["false_positives"][video] += hypotheses.sum(1) - matched
        counts["distance"][video] += total
        np.add.at(counts["switches"], (v, j), switch)

    def _keep(self, previous, hypothesis_ids, hypotheses, valid) -> np.ndarray:
        """Pairs that were together before and still are valid (A, n, m, 15)."""
        same = (previous[:, :, None] == hypothesis_ids[:, None, :, None]) & (previous >= 0)[:, :, None]
        if not self.repeats:
            kept = same & valid
            # Two objects may remember one hypothesis; the first in file order keeps it.
            return kept & (np.cumsum(kept, 1) == 1) if (kept.sum(1) > 1).any() else kept
        # With repeated ids the first free hypothesis of that id is tried, object by object.
        kept, free = np.zeros_like(valid), hypotheses.copy()
        for r in range(same.shape[1]):
            candidates = same[:, r] & free
            first = candidates & (np.cumsum(candidates, 1) == 1)
            kept[:, r] = first & valid[:, r]
            free &= ~kept[:, r]
        return kept

    def _doubled(self, total, kept, distance, at, ids, before, switch, video, hypothesis_ids) -> None:
        """Add the toolkit's ASCEND, TRANSFER and MIGRATE rows, then remember the matches."""
        (a, r, c, j), (v, o, h) = at, ids
        ka, _, kc, kj = np.nonzero(kept)
        self.seen[video[ka], hypothesis_ids[ka, kc], kj] = True
        ascend = switch & ~self.seen[v, h, j]
        transfer = (self.owner[v, h, j] >= 0) & (self.owner[v, h, j] != o)
        rows = ascend.astype(int) + transfer + (transfer & (before < 0))
        np.add.at(total, (a, j), rows * distance[a, r, c, j])
        self.seen[v, h, j] = True
        self.owner[v, h, j] = o


def _assign(rest, distance, objects, hypotheses) -> np.ndarray:
    """Least-distance assignment of the remaining valid pairs, in every video and joint.

    Where no object and no hypothesis has a choice the pairs simply match. Otherwise scipy
    solves the matrix that motmetrics would build, so that ties fall alike.
    """
    choice = (rest.sum(2) > 1).any(1) | (rest.sum(1) > 1).any(1)
    new = rest & ~choice[:, None, None]
    for a, j in np.argwhere(choice):
        rows, columns = np.flatnonzero(objects[a, :, j]), np.flatnonzero(hypotheses[a, :, j])
        valid = rest[a][np.ix_(rows, columns, [j])][..., 0]
        cost = distance[a][np.ix_(rows, columns, [j])][..., 0]
        forbidden = 2 * min(cost.shape) * (cost[valid].max() + 1) + 1
        r, c = linear_sum_assignment(np.where(valid, cost, forbidden))
        good = valid[r, c]
        new[a, rows[r[good]], columns[c[good]], j] = True
    return new


def _dummy_objects(pairs: Pairs, grids: _Grids, counts: dict) -> None:
    """The toolkit's stand-in for a frame empty on a side: one miss and one false positive per joint."""
    videos = pairs.video[grids.dummy]
    for name in ("objects", "misses", "false_positives"):
        np.add.at(counts[name], videos, 1)
