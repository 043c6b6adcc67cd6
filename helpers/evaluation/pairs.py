"""The people of all videos, cleaned and paired: every pair of a true and a predicted person of the same frame.

All metrics start here (notebook 01, §2): P pairs × 15 joints, laid out once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from helpers import WorkbookError
from helpers.people import People, Video, concatenate

#: A joint is correct within this many head sizes (0.6 × head-box diagonal each).
PCKH_THRESHOLD = 0.5
#: What the toolkit gives a predicted joint without a score.
MISSING_SCORE = -9999.0


@dataclass(frozen=True)
class Pairs:
    """Everything the metrics need of V videos, F evaluated frames in order, P person pairs.

    video, step (F,): the frame's video and its rank among the evaluated frames of that
    video; truth, predicted: all People with `truth_frame`, `predicted_frame` rows into F;
    truth_row, predicted_row (P,): the pair, ordered by frame, prediction, ground truth;
    distance (P, 15): joint distance in head sizes, inf where a joint is missing on a side.
    """

    n_videos: int
    video: np.ndarray
    step: np.ndarray
    truth: People
    truth_frame: np.ndarray
    predicted: People
    predicted_frame: np.ndarray
    truth_row: np.ndarray
    predicted_row: np.ndarray
    distance: np.ndarray
    compat: bool

    @property
    def matches(self) -> np.ndarray:
        """(P, 15) bool: the joint is within PCKH_THRESHOLD."""
        return self.distance <= PCKH_THRESHOLD


def pair_up(
    truth: Sequence[Video], predictions: Sequence[People], compat: bool = False, labelled: bool | None = None
) -> Pairs:
    """Clean both sides and measure the distance of every pair (notebook 01, eq. 1).

    labelled: keep the labelled frames (honest mode, and HOTA in both modes), or else the
    frames with ground-truth people, whatever the label says (poseval). Joints strictly inside
    an ignore region are removed on both sides. Raises WorkbookError if the numbers of videos
    differ, a person lies outside the video, or one of the ground truth has joints but no head size.
    """
    if len(truth) != len(predictions):
        raise WorkbookError(f"evaluation: there are {len(truth)} videos but predictions for {len(predictions)}.")
    labelled = not compat if labelled is None else labelled
    sides: tuple[list, list] = ([], [])
    frame_rows: tuple[list, list] = ([], [])
    video_of, step_of, n_frames = [], [], 0
    for v, (video, predicted) in enumerate(zip(truth, predictions, strict=True)):
        kept = np.flatnonzero(video.labelled) if labelled else peopled(video)
        row = np.full(len(video), -1)
        row[kept] = n_frames + np.arange(len(kept))
        for side, (people, of) in enumerate(((video.people, "ground truth"), (predicted, "predictions"))):
            _check_frames(people, video, of)
            inside = people[row[people.frame] >= 0]
            inside = inside if not video.ignore else _without_ignored(inside, video)
            if of == "ground truth":
                _check_heads(inside, video)
            sides[side].append(inside)
            frame_rows[side].append(row[inside.frame])
        video_of.append(np.full(len(kept), v))
        step_of.append(np.arange(len(kept)))
        n_frames += len(kept)
    (gt, gt_frame), (pr, pr_frame) = (_in_frame_order(*side) for side in zip(sides, frame_rows, strict=True))
    predicted_row, truth_row = _same_frame(pr_frame, gt_frame, n_frames)
    distance = _distances(gt[truth_row], pr[predicted_row])
    video, step = _join(video_of), _join(step_of)
    return Pairs(len(truth), video, step, gt, gt_frame, pr, pr_frame, truth_row, predicted_row, distance, compat)


def _in_frame_order(parts: list[People], rows: list[np.ndarray]) -> tuple[People, np.ndarray]:
    """All people of one side and their frames. File order within a frame decides between equals: a stable sort."""
    frame = _join(rows)
    order = np.argsort(frame, kind="stable")
    return concatenate(parts)[order], frame[order]


def sum_by(group: np.ndarray, rows: np.ndarray, n_groups: int) -> np.ndarray:
    """Sums (n_groups, K) of the rows (N, K) of each group (N,)."""
    return np.stack([np.bincount(group, column, n_groups) for column in rows.T.astype(float)], 1)


def _join(parts: list) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, int)


def peopled(video: Video) -> np.ndarray:
    """Numbers of the frames that hold ground-truth people."""
    return np.unique(video.people.frame)


def _check_frames(people: People, video: Video, of: str) -> None:
    if len(people) and (people.frame.min() < 0 or people.frame.max() >= len(video)):
        raise WorkbookError(f"{video.name}: a frame of the {of} lies outside the video's {len(video)} frames.")


def _check_heads(people: People, video: Video) -> None:
    missing = people[np.isnan(people.head) & people.present.any(1)]
    if len(missing):
        raise WorkbookError(
            f"{video.name}: the head size (bbox_head) is missing for {len(missing)} people of the ground truth, "
            f"the first in frame {missing.frame[0]} with track id {missing.track[0]}."
        )


def _without_ignored(people: People, video: Video) -> People:
    """Joints strictly inside an ignore region are removed, and then people left without joints."""
    inside = np.zeros(people.present.shape, bool)
    affected = np.zeros(len(people), bool)
    for polygons, rows in zip(video.ignore, people.rows_by_frame(len(video.ignore)), strict=True):
        affected[rows] = len(polygons) > 0
        for polygon in polygons:
            inside[rows] |= strictly_inside(people.xy[rows], polygon)
    present = people.present & ~inside
    return people.replace(present=present)[~affected | present.any(1)]


def strictly_inside(points: ArrayLike, polygon: ArrayLike) -> np.ndarray:
    """Which points (..., 2) lie inside a closed polygon (K, 2) and not on its border; even-odd rule."""
    points, a = np.asarray(points, float), np.asarray(polygon, float)
    b = np.roll(a, -1, 0)
    x, y = points[..., None, 0], points[..., None, 1]
    side = (b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x - a[:, 0])
    on_line = (
        (side == 0)
        & (x >= np.minimum(a, b)[:, 0])
        & (x <= np.maximum(a, b)[:, 0])
        & (y >= np.minimum(a, b)[:, 1])
        & (y <= np.maximum(a, b)[:, 1])
    )
    crosses = (a[:, 1] <= y) != (b[:, 1] <= y)
    right = np.where(b[:, 1] > a[:, 1], side > 0, side < 0)
    return ((crosses & right).sum(-1) % 2 == 1) & ~on_line.any(-1)


def _same_frame(first: np.ndarray, second: np.ndarray, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """All index pairs (i, j) with first[i] == second[j], both sorted; ordered by i, then j."""
    start = np.searchsorted(second, np.arange(n_frames + 1))
    j, i = ranges(start[first], start[first + 1])
    return i, j


def ranges(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The integers of all [start, stop) joined, and which range each belongs to."""
    size = stop - start
    owner = np.repeat(np.arange(len(start)), size)
    return np.arange(len(owner)) - np.repeat(np.cumsum(size) - size, size) + start[owner], owner


def _distances(truth: People, predicted: People) -> np.ndarray:
    """Joint distances (P, 15) of P pairs in head sizes, inf where a joint is missing on a side."""
    difference = truth.xy - predicted.xy
    with np.errstate(divide="ignore", invalid="ignore"):
        # The same operations in the same order as the toolkit, so that a distance of
        # exactly half a head size falls on the same side.
        distance = np.sqrt(difference[..., 0] ** 2 + difference[..., 1] ** 2) / truth.head[:, None]
    return np.where(truth.present & predicted.present & ~np.isnan(distance), distance, np.inf)
