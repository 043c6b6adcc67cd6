"""Average precision by object keypoint similarity (OKS), as COCO counts it (notebook 01)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from helpers.people import People, Video
from helpers.skeleton import OKS_SIGMAS

OKS_THRESHOLDS, RECALL_LEVELS = np.linspace(0.5, 0.95, 10), np.linspace(0, 1, 101)
MOST_DETECTIONS = 20


def oks_ap(truth: Sequence[Video], predictions: Sequence[People], sigmas: ArrayLike = OKS_SIGMAS) -> np.ndarray:
    """Average precision at the ten OKS thresholds (10,), shares in [0, 1]; AP is their mean.

    COCO's rules: a frame's predictions, at most 20, take ground truths greedily in order
    of person score; OKS² areas are those of the ground-truth boxes; people without an
    annotated joint are neither demanded nor counted against a prediction. NaN without
    ground truth. Every labelled frame counts. Equal to pycocotools (SB-T2, notebook 08).
    """
    score, hit, ignored, demanded = [], [], [], 0
    for video, predicted in zip(truth, predictions, strict=True):
        frames = video.people.by_frame(len(video)), predicted.by_frame(len(video))
        for frame in np.flatnonzero(video.labelled):
            gt, pr = frames[0][frame], frames[1][frame]
            pr = pr[np.argsort(-pr.score, kind="stable")[:MOST_DETECTIONS]]
            gt = gt[np.argsort(~gt.present.any(1), kind="stable")]
            demanded += int(gt.present.any(1).sum())
            matched, ignore = _match_by_oks(_coco_oks(pr, gt, np.asarray(sigmas)), ~gt.present.any(1))
            score.append(pr.score)
            hit.append(matched)
            ignored.append(ignore)
    if demanded == 0:
        return np.full(len(OKS_THRESHOLDS), np.nan)
    order = np.argsort(-np.concatenate(score), kind="stable")
    hit, ignored = np.concatenate(hit, 1)[:, order], np.concatenate(ignored, 1)[:, order]
    return np.array([_interpolated_area(h[~i], demanded) for h, i in zip(hit, ignored, strict=True)])


def _coco_oks(predicted: People, truth: People, sigmas) -> np.ndarray:
    """OKS (M, N) over the joints annotated in the truth; without any, distance to its doubled box."""
    area = (truth.box[:, 2] - truth.box[:, 0]) * (truth.box[:, 3] - truth.box[:, 1])
    difference = predicted.xy[:, None] - truth.xy[None]
    size = truth.box[:, 2:] - truth.box[:, :2]
    low, high = (truth.box[:, :2] - size)[:, None], (truth.box[:, 2:] + size)[:, None]
    outside = np.maximum(0, low - predicted.xy[:, None]) + np.maximum(0, predicted.xy[:, None] - high)
    nobody_annotated = ~truth.present.any(1)
    difference = np.where(nobody_annotated[:, None, None], outside, difference)
    error = (difference**2).sum(-1) / (2 * sigmas) ** 2 / (area + np.spacing(1))[:, None] / 2
    used = truth.present | nobody_annotated[:, None]
    return (np.exp(-error) * used).sum(-1) / np.maximum(1, used.sum(-1))


def _match_by_oks(oks: np.ndarray, ignore: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per threshold and prediction: matched a demanded person; matched one that does not count."""
    hit, ignored = np.zeros((2, len(OKS_THRESHOLDS), len(oks)), bool)
    for k, threshold in enumerate(OKS_THRESHOLDS):
        free = np.ones(oks.shape[1], bool)
        for i, row in enumerate(oks):
            # Demanded people come before the others, however similar those are; the last wins a tie.
            for group in (~ignore, ignore):
                candidates = np.flatnonzero(free & group & (row >= min(threshold, 1 - 1e-10)))
                if len(candidates):
                    best = candidates[::-1][np.argmax(row[candidates][::-1])]
                    free[best] = False
                    (ignored if ignore[best] else hit)[k, i] = True
                    break
    return hit, ignored


def _interpolated_area(hit: np.ndarray, demanded: int) -> float:
    """Mean over 101 recall levels of the best precision at that recall or beyond."""
    found = np.cumsum(hit)
    precision = np.maximum.accumulate((found / (np.arange(len(hit)) + 1 + np.spacing(1)))[::-1])[::-1]
    at = np.searchsorted(found / demanded, RECALL_LEVELS, side="left")
    return float(np.r_[precision, 0.0][np.minimum(at, len(hit))].mean())
