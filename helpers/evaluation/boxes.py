"""How good a person detector's boxes are: average precision, precision and recall over score thresholds.

Notebook 03 fills LT-T2 with it (correct = IoU above 0.4 with a box derived from the annotated
joints, LT §4.1) and states person AP at IoU 0.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers.geometry import box_iou
from helpers.people import People, Video

#: LightTrack's thresholds and overlap (LT-T2).
THRESHOLDS, LIGHTTRACK_IOU = (0.1, 0.2, 0.3, 0.4, 0.5), 0.4


@dataclass(frozen=True)
class BoxSamples:
    """P predicted boxes of V videos: video (P,), score (P,), hit (P,) bool; annotated (V,) boxes per video."""

    video: np.ndarray
    score: np.ndarray
    hit: np.ndarray
    annotated: np.ndarray


def box_samples(truth: Sequence[Video], predictions: Sequence[People], iou: float = 0.5) -> BoxSamples:
    """Which predicted boxes in labelled frames are right: best score first, one truth each, IoU > iou.

    Annotated people whose box has no area (one joint) cannot be found and do not count.
    """
    video, score, hit, annotated = [], [], [], []
    for v, (clip, predicted) in enumerate(zip(truth, predictions, strict=True)):
        sides = clip.people.box[:, 2:] - clip.people.box[:, :2]
        real = clip.people[(sides > 0).all(1)]
        real = real[clip.labelled[real.frame]]
        annotated.append(len(real))
        frames = predicted.by_frame(len(clip)), real.by_frame(len(clip))
        for t in np.flatnonzero(clip.labelled):
            found = frames[0][t]
            found = found[np.argsort(-found.score, kind="stable")]
            video.append(np.full(len(found), v))
            score.append(found.score)
            hit.append(_hits(box_iou(found.box, frames[1][t].box), iou))
    return BoxSamples(_joined(video, int), _joined(score, float), _joined(hit, bool), np.array(annotated, float))


def _joined(parts: list[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate(parts).astype(kind) if parts else np.zeros(0, kind)


def _hits(overlap: np.ndarray, iou: float) -> np.ndarray:
    """Rows (n,) of an IoU matrix (n, m) that take a column of their own, in the order given."""
    overlap, out = overlap.copy(), np.zeros(len(overlap), bool)
    for i in range(len(overlap)):
        if overlap.shape[1] and overlap[i].max() > iou:
            out[i] = True
            overlap[:, overlap[i].argmax()] = 0
    return out


def box_average_precision(samples: BoxSamples, weights: np.ndarray | None = None) -> float:
    """Area under the precision envelope in [0, 1], NaN without truth; weights (V,): counts of the videos."""
    w = np.ones(len(samples.annotated)) if weights is None else np.asarray(weights, float)
    positives = w @ samples.annotated
    if positives == 0:
        return float("nan")
    order = np.argsort(-samples.score, kind="stable")
    weight = w[samples.video[order]]
    hits, seen = np.cumsum(weight * samples.hit[order]), np.cumsum(weight)
    precision = np.divide(hits, seen, out=np.zeros(len(hits)), where=seen > 0)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(np.r_[0.0, hits / positives]) * envelope))


def precision_recall(samples: BoxSamples, threshold: float, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Precision and recall in [0, 1] of the boxes that score at least threshold; NaN where undefined."""
    w = np.ones(len(samples.annotated)) if weights is None else np.asarray(weights, float)
    weight = w[samples.video] * (samples.score >= threshold)
    right, predicted, positives = weight @ samples.hit, weight.sum(), w @ samples.annotated
    return float(right / predicted) if predicted else np.nan, float(right / positives) if positives else np.nan
