"""HOTA of joints, higher order tracking accuracy, as PoseTrack21 defines it (notebook 01, §9)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers.evaluation.assignment import linear_sum_assignment
from helpers.evaluation.mot import pair_key
from helpers.evaluation.pairs import Pairs, pair_up, sum_by
from helpers.people import People, Video
from helpers.skeleton import N_JOINTS

#: Localisation thresholds of HOTA, and the distance at which its similarity reaches 0.
HOTA_ALPHAS = np.arange(0.05, 0.99, 0.05)
HOTA_REACH = 0.5001


@dataclass(frozen=True)
class Hota:
    """HOTA and its parts, each (19 alphas, 15 joints), shares in [0, 1]."""

    hota: np.ndarray
    detection: np.ndarray
    association: np.ndarray
    localisation: np.ndarray

    def per_joint(self) -> np.ndarray:
        """HOTA of each joint (15,) in per cent, the mean over the thresholds."""
        return 100 * self.hota.mean(0)


def hota(truth: Pairs | Sequence[Video], predictions: Sequence[People] | None = None, compat: bool = False) -> Hota:
    """PoseTrack21's keypoint HOTA over the whole set. Takes `Pairs`, or videos and predictions.

    Similarity 1 − d/0.5001, one Hungarian matching per frame and joint, a true positive
    where it reaches alpha. In compat mode a labelled frame without any predicted person
    adds the whole video's annotated joints as misses (and the reverse), as PoseTrack21's
    code does, and joints at x ≤ 0 or y ≤ 0 do not count.
    """
    pairs = truth if isinstance(truth, Pairs) else pair_up(truth, predictions or [], compat, labelled=True)
    present = [p.present & (p.xy > 0).all(-1) if pairs.compat else p.present for p in (pairs.truth, pairs.predicted)]
    similarity = np.maximum(0, 1 - pairs.distance / HOTA_REACH)
    if pairs.compat:
        similarity = similarity * (present[0][pairs.truth_row] & present[1][pairs.predicted_row])
    pair, joint = _best_matching(pairs, similarity)
    # A match that reaches k thresholds is a true positive at the first k of them.
    reached = np.searchsorted(HOTA_ALPHAS - np.finfo(float).eps, similarity[pair, joint], side="right")
    tp = _at_alphas(joint, reached, N_JOINTS).T
    loc = _at_alphas(joint, reached, N_JOINTS, similarity[pair, joint]).T
    totals = [_joint_totals(pairs, present, side) for side in (0, 1)]
    association = _association(pairs, present, pair, joint, reached) / np.maximum(1, tp)
    detection = tp / np.maximum(1, totals[0] + totals[1] - tp)
    localisation = np.maximum(1e-10, loc) / np.maximum(1e-10, tp)
    return Hota(np.sqrt(detection * association), detection, association, localisation)


def _joint_totals(pairs: Pairs, present, side: int) -> np.ndarray:
    """Joints of one side (15,), counted as the mode counts them.

    In compat mode each frame without people on the other side adds the joints of its
    whole video in place of its own; a video without any on the other side counts plainly.
    """
    if not pairs.compat:
        return present[side].sum(0)
    frame, other = (pairs.truth_frame, pairs.predicted_frame)[:: 1 if side == 0 else -1]
    frames = np.arange(len(pairs.video))
    alone = ~np.isin(frames, other)
    if side == 0:  # a frame empty on both sides counts against the predictions only
        alone &= np.isin(frames, frame)
    a_video = sum_by(pairs.video[frame], present[side], pairs.n_videos)
    nobody_there = ~np.isin(np.arange(pairs.n_videos), pairs.video[other])
    times = np.where(nobody_there, 1, np.bincount(pairs.video[alone], minlength=pairs.n_videos))
    counted = ~alone[frame] & ~nobody_there[pairs.video[frame]]
    return present[side][counted].sum(0) + times @ a_video


def _best_matching(pairs: Pairs, similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair and joint indices of the matching with the greatest total similarity in every frame."""
    pair, joint = np.nonzero(similarity > 0)
    if len(pair) == 0:
        return pair, joint
    frame = pairs.truth_frame[pairs.truth_row[pair]]
    degree = [
        np.bincount(rows[pair] * N_JOINTS + joint)[rows[pair] * N_JOINTS + joint]
        for rows in (pairs.truth_row, pairs.predicted_row)
    ]
    lane = frame * N_JOINTS + joint
    contested = np.bincount(lane, (degree[0] > 1) | (degree[1] > 1))[lane] > 0
    keep = ~contested
    index = np.flatnonzero(contested)
    index = index[np.argsort(lane[index], kind="stable")]
    for group in np.split(index, np.flatnonzero(np.diff(lane[index])) + 1) if len(index) else ():
        rows, r = np.unique(pairs.truth_row[pair[group]], return_inverse=True)
        columns, c = np.unique(pairs.predicted_row[pair[group]], return_inverse=True)
        gain, which = np.zeros((len(rows), len(columns))), np.full((len(rows), len(columns)), -1)
        gain[r, c], which[r, c] = similarity[pair[group], joint[group]], group
        chosen = which[linear_sum_assignment(-gain)]
        keep[chosen[chosen >= 0]] = True
    return pair[keep], joint[keep]


def _at_alphas(group, reached, n_groups: int, weight=None) -> np.ndarray:
    """(n_groups, 19): how many matches (or how much weight) of each group count at each threshold."""
    levels = len(HOTA_ALPHAS) + 1
    counted = np.bincount(group * levels + reached, weight, n_groups * levels).reshape(n_groups, levels)
    return np.cumsum(counted[:, ::-1], 1)[:, -2::-1]


def _association(pairs: Pairs, present, pair, joint, reached) -> np.ndarray:
    """AssA (19, 15), summed over true positives: which share of both tracks each match's pair of ids covers."""
    ids = [
        _whole_set_ids(p.track, pairs.video[f])
        for p, f in ((pairs.truth, pairs.truth_frame), (pairs.predicted, pairs.predicted_frame))
    ]
    length = [sum_by(i, there, int(i.max(initial=-1)) + 1) for i, there in zip(ids, present, strict=True)]
    g, t = ids[0][pairs.truth_row[pair]], ids[1][pairs.predicted_row[pair]]
    key = (joint * (len(length[0]) + 1) + g) * (len(length[1]) + 1) + t
    _, first, both = np.unique(key, return_index=True, return_inverse=True)
    count = _at_alphas(both, reached, len(first))
    lengths = length[0][g[first], joint[first]] + length[1][t[first], joint[first]]
    return sum_by(joint[first], count**2 / np.maximum(1, lengths[:, None] - count), N_JOINTS).T


def _whole_set_ids(track, video) -> np.ndarray:
    return np.unique(pair_key(video, track), return_inverse=True)[1]
