"""Intervals over videos and training runs, in closed form: nothing is drawn, so no seed can turn a verdict.

A measure of S runs on the same V videos is split by the jackknife into a pseudo-value for each run and video
(Efron and Tibshirani 1993, ch. 11). Their mean is an estimate with crossed random effects: how hard a video is, how
well a training went, and a rest. `experiments.coverage` counts how often the intervals contain the truth; notebook 01
shows it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy.special import stdtrit

from helpers import WorkbookError

#: How often each video (V,) or each run (S,) counts; None is once each.
Weights: TypeAlias = "Sequence[float] | np.ndarray | None"
#: What is measured, given the weights of videos and of runs: one number, or one for each of C components.
Measure = Callable[[Weights, Weights], "float | np.ndarray"]

#: How often a skewness counts that is beyond chance.
_MORE = 4 / 3


class Sample(NamedTuple):
    """A measure on S runs and V videos: estimate (C,) on all of them, pseudo-values (S, V, C)."""

    estimate: np.ndarray
    values: np.ndarray


class Parts(NamedTuple):
    """What the variance of a mean of pseudo-values (…, S, V) is made of, each (…).

    videos: of the mean over videos, the rest's share included; runs: what the runs add, never negative and 0 for one
    run; residual: the variance of the rest, of one pseudo-value (0 for one run: it cannot be told from the videos').
    """

    videos: np.ndarray
    runs: np.ndarray
    residual: np.ndarray


def sample(measure: Measure, shape: tuple[int, int]) -> Sample:
    """Jackknife pseudo-values of a measure on S runs and V videos, shape (S, V); all components at once.

    For run s and video v: V · measure of s − (V − 1) · measure of s without v. With one video there is nothing to leave
    out, and where the measure is not finite there is no pseudo-value: both are NaN, and so is the interval.
    Raises WorkbookError without runs or videos.
    """
    n_runs, n_videos = shape
    if n_runs < 1 or n_videos < 1:
        raise WorkbookError(f"interval: {n_runs} runs and {n_videos} videos; at least one of each is needed.")

    def measured(videos: Weights, run: Weights) -> np.ndarray:
        return np.atleast_1d(np.asarray(measure(videos, run), float))

    estimate = measured(None, None)
    if n_videos == 1:
        return Sample(estimate, np.full((n_runs, 1, len(estimate)), np.nan))
    runs, others = np.eye(n_runs), 1 - np.eye(n_videos)
    whole = np.array([measured(None, run) for run in runs])
    without = np.array([[measured(videos, run) for videos in others] for run in runs])
    with np.errstate(invalid="ignore"):
        values = n_videos * whole[:, None] - (n_videos - 1) * without
    return Sample(estimate, np.where(np.isfinite(values), values, np.nan))


def parts(values: np.ndarray) -> Parts:
    """Components of variance of pseudo-values (…, S, V) by two-way analysis of variance without replication."""
    n_runs, n_videos = values.shape[-2:]
    by_video, by_run = values.mean(-2), values.mean(-1)
    videos = by_video.var(-1, ddof=1) / n_videos
    if n_runs == 1:
        return Parts(videos, np.zeros_like(videos), np.zeros_like(videos))
    rest = values - by_video[..., None, :] - by_run[..., None] + values.mean((-2, -1), keepdims=True)
    residual = (rest**2).sum((-2, -1)) / ((n_runs - 1) * (n_videos - 1))
    # The videos' part holds the rest's share already.
    runs = np.maximum(by_run.var(-1, ddof=1) / n_runs - residual / (n_runs * n_videos), 0)
    return Parts(videos, runs, residual)


def interval(
    values: np.ndarray, level: float = 0.95, estimate: float | np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Low and high end (…) for the mean of pseudo-values (…, S, V), about the estimate where one is given.

    Each part of the variance has its own quantile, and the interval is as many standard errors wide as their mean
    weighted with the parts (Cochran and Cox 1950): for the runs Student's t, with S − 1 degrees of freedom; for
    the videos the wider of Student's t and of Hall's (1992) inversion of it for skew. With one run it speaks of
    further videos and that run alone. NaN where a pseudo-value is, or with fewer than two videos.
    """
    n_runs, n_videos = values.shape[-2:]
    centre = values.mean((-2, -1)) if estimate is None else np.asarray(estimate, float)
    if n_videos < 2:
        return centre * np.nan, centre * np.nan
    of = parts(values)
    error = np.sqrt(of.videos + of.runs)
    of_videos = _quantiles(_skew(values.mean(-2)), n_videos - 1, level)
    of_runs = stdtrit(n_runs - 1, (1 + level) / 2) if n_runs > 1 else 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(error > 0, of.runs / error**2, np.zeros_like(error))
    low, high = (error * ((1 - share) * q + share * of_runs) for q in of_videos)
    return centre - low, centre + high


def _skew(x: np.ndarray) -> np.ndarray:
    """Skewness of the mean of the last axis (…, V), 0 where all are equal.

    That of a heavy-tailed sample is too small, it cannot exceed √V: where it is beyond three standard errors of a
    normal sample's, it counts a third more, with which real differences are covered (`experiments.coverage`).
    """
    n = x.shape[-1]
    away = x - x.mean(-1, keepdims=True)
    scale = (away**2).mean(-1) ** 1.5
    skew = np.where(scale > 0, (away**3).mean(-1) / np.where(scale > 0, scale, 1), 0)
    return skew / np.sqrt(n) * np.where(np.abs(skew) > 3 * np.sqrt(6 / n), _MORE, 1)


def _quantiles(skew: np.ndarray, freedom: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    """How many standard errors the interval reaches down and up; skew: that of the mean."""
    q = stdtrit(freedom, (1 + level) / 2)
    straight = np.abs(skew) < 1e-6
    a = np.where(straight, 1, skew)

    def bent(y: float) -> np.ndarray:
        return np.where(straight, y, 3 / a * (np.cbrt(1 + a * (y - a / 6)) - 1))

    return np.maximum(bent(q), q), np.maximum(-bent(-q), q)


def noise(values: np.ndarray) -> dict:
    """What simulating a measurement again needs, of pseudo-values (S, V): how videos and runs differ from the mean.

    videos: (V,) and runs: (S,), both deviations from the mean; residual: standard deviation of the rest.
    `verdict_errors` draws from it; plain numbers of five digits, for a record.
    """
    mean = values.mean()

    def plain(x: np.ndarray) -> list:
        return [float(f"{v:.5g}") if np.isfinite(v) else None for v in np.ravel(x)]

    residual = np.sqrt(parts(values).residual) if values.shape[1] > 1 else np.nan
    return {
        "videos": plain(values.mean(0) - mean),
        "runs": plain(values.mean(1) - mean),
        "residual": plain(np.asarray(residual))[0],
    }
