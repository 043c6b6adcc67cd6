"""Average precision of joints, as PoseTrack counts it (notebook 01 rebuilds it by hand)."""

from dataclasses import dataclass

import numpy as np

from helpers.evaluation.pairs import MISSING_SCORE, Pairs, sum_by
from helpers.skeleton import N_JOINTS


@dataclass(frozen=True)
class ApSamples:
    """Every predicted joint as one sample, a list per joint, sorted by falling score.

    video, correct, last: per joint arrays of one length; `last` marks the end of a run of
    tied scores. annotated (V, 15): ground-truth joints per video.
    """

    video: list[np.ndarray]
    correct: list[np.ndarray]
    last: list[np.ndarray]
    annotated: np.ndarray


def assign_poses(pairs: Pairs) -> np.ndarray:
    """The prediction assigned to each pose: (predictions,) row of its ground truth, −1 = none.

    PCK of a pair = matched joints / annotated joints of the ground truth. A prediction
    keeps its best ground truth, a ground truth then takes its best prediction; the first
    wins among equals, and 0 matched joints are no match (notebook 01, §4).
    """
    assigned = np.full(len(pairs.predicted), -1)
    if len(pairs.truth_row) == 0:
        return assigned
    annotated = np.maximum(pairs.truth.present.sum(1), 1)
    pck = pairs.matches.sum(1) / annotated[pairs.truth_row]
    best = _first_best(pck, pairs.predicted_row)
    best = best[pck[best] > 0]
    order = np.lexsort((pairs.predicted_row[best], -pck[best], pairs.truth_row[best]))
    best = best[order]
    winner = best[np.r_[True, pairs.truth_row[best][1:] != pairs.truth_row[best][:-1]]] if len(best) else best
    assigned[pairs.predicted_row[winner]] = pairs.truth_row[winner]
    return assigned


def _first_best(value: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Index of the first maximum in each run of equal `group` (sorted)."""
    start = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    top = np.maximum.reduceat(value, start)
    run = np.repeat(np.arange(len(start)), np.diff(np.r_[start, len(group)]))
    at_top = np.flatnonzero(value == top[run])
    return at_top[np.r_[True, run[at_top][1:] != run[at_top][:-1]]]


def ap_samples(pairs: Pairs) -> ApSamples:
    """Label and sort every predicted joint; a joint its ground truth lacks is a false positive."""
    assigned = assign_poses(pairs)
    correct = np.zeros((len(pairs.predicted), N_JOINTS), bool)
    chosen = assigned[pairs.predicted_row] == pairs.truth_row if len(pairs.truth_row) else np.zeros(0, bool)
    correct[pairs.predicted_row[chosen]] = pairs.matches[chosen]
    score = np.where(np.isnan(pairs.predicted.joint_score), MISSING_SCORE, pairs.predicted.joint_score)
    video = pairs.video[pairs.predicted_frame]
    out: tuple[list, list, list] = ([], [], [])
    for j in range(N_JOINTS):
        rows = np.flatnonzero(pairs.predicted.present[:, j])
        # The toolkit's own sort, ties included: numpy's default, reversed.
        order = rows[np.argsort(score[rows, j])[::-1]]
        ends = np.ones(len(order), bool)
        if not pairs.compat and len(order):
            ends[:-1] = score[order[1:], j] != score[order[:-1], j]
        for store, values in zip(out, (video[order], correct[order, j], ends), strict=True):
            store.append(values)
    return ApSamples(*out, sum_by(pairs.video[pairs.truth_frame], pairs.truth.present, pairs.n_videos))


def average_precision(samples: ApSamples, weights: np.ndarray | None = None) -> np.ndarray:
    """AP of each joint (15,) in per cent: the area under the precision envelope (notebook 01, eq. 3).

    weights (V,): how often each video counts, None = once each.
    NaN for a joint that is predicted but never annotated, 0 for one never predicted.
    """
    w = np.ones(len(samples.annotated)) if weights is None else np.asarray(weights, float)
    positives = w @ samples.annotated
    return np.array(
        [_area(w[samples.video[j]], samples.correct[j], samples.last[j], positives[j]) for j in range(N_JOINTS)]
    )


def _area(weight, correct, last, positives) -> float:
    if len(weight) == 0 or weight.sum() == 0:
        return 0.0
    if positives == 0:
        return float("nan")
    hits, samples = np.cumsum(weight * correct)[last], np.cumsum(weight)[last]
    precision = np.divide(hits, samples, out=np.zeros(len(hits)), where=samples > 0)
    recall = np.r_[0.0, hits / positives]
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(100 * np.sum(np.diff(recall) * envelope))
