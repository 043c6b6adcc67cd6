"""Average precision by object keypoint similarity (OKS), as COCO counts it (notebook 01)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from helpers.people import People, Video
from helpers.skeleton import OKS_SIGMAS

OKS_THRESHOLDS, RECALL_LEVELS = np.linspace(0.5, 0.95, 10), np.linspace(0, 1, 101)
MOST_DETECTIONS = 20


@dataclass(frozen=True)
class OksSamples:
    """What AP counts of K predictions in V videos: `hit` and `ignored` (10, K) at each OKS threshold.

    hit: it matched a person who is demanded; ignored: one who does not count. video, score (K,): whose it is and how
    sure; demanded (V,): people with an annotated joint.
    """

    video: np.ndarray
    score: np.ndarray
    hit: np.ndarray
    ignored: np.ndarray
    demanded: np.ndarray


def oks_ap(truth: Sequence[Video], predictions: Sequence[People], sigmas: ArrayLike = OKS_SIGMAS) -> np.ndarray:
    """Average precision at the ten OKS thresholds (10,), shares in [0, 1]; AP is their mean.

    COCO's rules: a frame's predictions, at most 20, take ground truths greedily in order
    of person score; OKS² areas are those of the ground-truth boxes; people without an
    annotated joint are neither demanded nor counted against a prediction. NaN without
    ground truth. Every labelled frame counts. Equal to pycocotools (SB-T2, notebook 08).
    """
    return ap_of_samples(oks_samples(truth, predictions, sigmas))


def oks_samples(truth: Sequence[Video], predictions: Sequence[People], sigmas: ArrayLike = OKS_SIGMAS) -> OksSamples:
    """The matches behind `oks_ap`, which are made once; any choice of videos is then counted from them."""
    score, hit, ignored, of, demanded = [np.zeros(0)], [], [], [np.zeros(0, int)], np.zeros(len(truth))
    for k, (video, predicted) in enumerate(zip(truth, predictions, strict=True)):
        rows = video.people.rows_by_frame(len(video)), predicted.rows_by_frame(len(video))
        for frame in np.flatnonzero(video.labelled):
            gt, pr = video.people[rows[0][frame]], predicted[rows[1][frame]]
            pr = pr[np.argsort(-pr.score, kind="stable")[:MOST_DETECTIONS]]
            gt = gt[np.argsort(~gt.present.any(1), kind="stable")]
            demanded[k] += gt.present.any(1).sum()
            matched, ignore = _match_by_oks(_coco_oks(pr, gt, np.asarray(sigmas)), ~gt.present.any(1))
            score.append(pr.score)
            of.append(np.full(len(pr), k))
            hit.append(matched)
            ignored.append(ignore)
    none = np.zeros((len(OKS_THRESHOLDS), 0), bool)
    hits, ignores = (np.concatenate([none, *some], 1) for some in (hit, ignored))
    return OksSamples(np.concatenate(of), np.concatenate(score), hits, ignores, demanded)


def ap_of_samples(samples: OksSamples, videos: Sequence[float] | np.ndarray | None = None) -> np.ndarray:
    """AP at the ten thresholds (10,) in [0, 1]; videos (V,): how often each counts, None = once. NaN without people."""
    drawn = np.ones(len(samples.demanded)) if videos is None else np.asarray(videos, float)
    demanded = float(drawn @ samples.demanded)
    if demanded == 0:
        return np.full(len(OKS_THRESHOLDS), np.nan)
    order = np.argsort(-samples.score, kind="stable")
    weight, hit, ignored = drawn[samples.video[order]], samples.hit[:, order], samples.ignored[:, order]
    return np.array([_interpolated_area(h[~i], weight[~i], demanded) for h, i in zip(hit, ignored, strict=True)])


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


def _interpolated_area(hit: np.ndarray, weight: np.ndarray, demanded: float) -> float:
    """Mean over 101 recall levels of the best precision at that recall or beyond; weight: how often each counts."""
    found = np.cumsum(hit * weight)
    precision = np.maximum.accumulate((found / (np.cumsum(weight) + np.spacing(1)))[::-1])[::-1]
    at = np.searchsorted(found / demanded, RECALL_LEVELS, side="left")
    return float(np.r_[precision, 0.0][np.minimum(at, len(hit))].mean())
