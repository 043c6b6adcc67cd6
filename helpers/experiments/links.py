"""Trackers and links compared on the same people: what they link wrongly, and what that costs in MOTA.

Notebook 06 compares matchers and gaps with it, 07 cost criteria, 13 everything. Differences are
paired: both sides see the same videos, seeds and detections.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from helpers.evaluation.mot import MotCounts, clear_mot
from helpers.ledger import paired_bootstrap
from helpers.people import People, Video, extent_boxes

#: A pose needs this many joints to be compared with another.
LEAST_JOINTS = 3


def thin(video: Video, gap: int) -> Video:
    """Every gap-th frame of a video, from the first on, without its pixels; 1 keeps all frames."""
    kept = video.people[video.people.frame % gap == 0]
    return Video(
        video.name,
        video.size,
        video.labelled[::gap],
        kept.replace(frame=kept.frame // gap),
        ignore=video.ignore[::gap],
        files=video.files[::gap],
    )


def labelled_alone(video: Video, found: People) -> tuple[Video, People]:
    """The labelled frames of a video as a video of their own, and what was found in them, without pixels.

    For detections that were made in labelled frames only: their neighbours in time are each other.
    """
    numbers = np.flatnonzero(video.labelled)
    place = lambda p: p[video.labelled[p.frame]].replace(
        frame=np.searchsorted(numbers, p.frame[video.labelled[p.frame]])
    )
    short = Video(video.name, video.size, np.ones(len(numbers), bool), place(video.people))
    return short, place(found)


def link_errors(videos: Sequence[Video], gap: int, cost: Callable, match: Callable) -> np.ndarray:
    """How many true pairs `gap` frames apart there are and how many are not linked: (V, 2) int.

    Every labelled frame t is matched with frame t + gap, all people with at least 3 joints,
    boxes the plain extent of their joints. A true pair is a track that is in both; it is
    linked wrongly when `match(cost(people at t, people at t + gap))` does not contain it.
    """
    out = np.zeros((len(videos), 2), int)
    for v, video in enumerate(videos):
        kept = video.people[video.people.present.sum(1) >= LEAST_JOINTS]
        kept = kept.replace(box=extent_boxes(kept.xy, kept.present))
        frames = {t: kept.at(t) for t in np.unique(kept.frame)}
        for t in frames.keys() & {t - gap for t in frames}:
            a, b = frames[t], frames[t + gap]
            rows, columns = match(cost(a, b))
            pairs = np.isin(a.track, b.track).sum()
            out[v] += pairs, pairs - (a.track[rows] == b.track[columns]).sum()
    return out


def link_error_rate(errors: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Per cent of the true pairs that are linked wrongly; errors (V, 2) of `link_errors`, weights (V,)."""
    pairs, wrong = errors.sum(0) if weights is None else weights @ errors
    return 100 * wrong / pairs if pairs else float("nan")


def link_error_difference(ours: np.ndarray, baseline: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Link error of ours minus the baseline's, in points, with the paired 95 % interval over videos."""
    difference = lambda w, _=None: link_error_rate(ours, w) - link_error_rate(baseline, w)
    return difference(np.ones(len(ours))), paired_bootstrap(difference, len(ours))


def mot_errors(videos: Sequence[Video], tracked: Sequence[People]) -> np.ndarray:
    """Errors (misses, false positives and switches together) and objects of every joint: (V, 2, 15)."""
    return errors_of(clear_mot(videos, tracked))


def errors_of(counts: MotCounts) -> np.ndarray:
    """`mot_errors` of what was counted already."""
    return np.stack([counts.misses + counts.false_positives + counts.switches, counts.objects], 1)


def mota(errors: np.ndarray, videos: np.ndarray | None = None, seeds: np.ndarray | None = None) -> float:
    """MOTA in per cent, the mean over joints with ground truth, of errors (S, V, 2, 15) pooled over seeds.

    videos (V,), seeds (S,): how often each counts in a bootstrap resample.
    """
    errors = errors if errors.ndim == 4 else errors[None]
    seeds = np.ones(len(errors)) if seeds is None else seeds
    videos = np.ones(errors.shape[1]) if videos is None else videos
    wrong, objects = np.tensordot(np.outer(seeds, videos), errors, 2)
    some = objects > 0
    return float(100 * (1 - wrong[some] / objects[some]).mean()) if some.any() else float("nan")


def mota_difference(ours: np.ndarray, baseline: np.ndarray) -> tuple[float, tuple[float, float]]:
    """MOTA of ours minus the baseline's, with the paired 95 % interval over videos and seeds.

    Both are errors (S, V, 2, 15): the same S seeds of detections on the same V videos.
    Raises ValueError if the shapes differ.
    """
    if ours.shape != baseline.shape:
        raise ValueError(f"mota_difference: the sides are not paired, {ours.shape} and {baseline.shape}")
    difference = lambda v=None, s=None: mota(ours, v, s) - mota(baseline, v, s)
    return difference(), paired_bootstrap(difference, ours.shape[1], ours.shape[0])


def compare(
    videos: Sequence[Video],
    detections: Sequence[Sequence[People]],
    methods: dict[str, Callable[[People, Video], People]],
) -> dict[str, np.ndarray]:
    """Errors (S, V, 2, 15) of every method on the same detections: S lists, one a seed, of V People.

    A method gives the detections of a video their track ids.
    """
    return {
        name: np.stack(
            [mot_errors(videos, [method(d, v) for d, v in zip(found, videos, strict=True)]) for found in detections]
        )
        for name, method in methods.items()
    }
