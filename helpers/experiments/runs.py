"""Runs compared: how good S runs on the same V videos are, and how a measure of them becomes a result.

A run is one training run, or one seed of simulated detections. Every experiment measures with `Runs`, and
everything is paired: a measure leaves the same video or run out of all that is compared at once.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import numpy as np

from helpers import WorkbookError, evaluation, intervals
from helpers.detections.filters import box_confidence
from helpers.intervals import Measure, Weights
from helpers.people import People, Video
from helpers.skeleton import N_JOINTS, group_means
from helpers.verdicts import Result


def _mean(values: np.ndarray) -> float:
    """The mean over the joints where there is a number; NaN without any."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


class Runs:
    """AP and CLEAR-MOT of S runs on the same V videos, all in per cent and means over the joints.

    tracked: S lists of V People, whose ids MOTA sees. found: what AP ranks, where it is more than what
    was tracked. rank: AP ranks a joint by its "box"'s score, as Detect-and-Track's export does, or by
    that of the "joint". One run stands for every seed. A metric pools: counts are summed over runs and videos
    before a ratio is taken (AP alone has no counts, it is the mean over runs). A row of a table is the mean
    of the runs' own rows, since a paper prints one network.
    Raises WorkbookError where a run has not one People per video.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        tracked: Sequence[Sequence[People]],
        found: Sequence[Sequence[People]] | None = None,
        rank: str = "box",
    ):
        self.videos, self.tracked, self.rank = videos, tracked, rank
        self._found = tracked if found is None else found
        self._samples: dict[tuple[int, str], evaluation.ApSamples] = {}
        self._known: dict[tuple, np.ndarray] = {}
        for run in (*self.tracked, *self._found):
            if len(run) != len(videos):
                raise WorkbookError(f"runs: a run has {len(run)} videos in place of {len(videos)}.")

    @property
    def shape(self) -> tuple[int, int]:
        """Number of runs S and of videos V."""
        return len(self.tracked), len(self.videos)

    @cached_property
    def counts(self) -> evaluation.MotCounts:
        """Counts of every run, video and joint, (S, V, 15) each."""
        # All runs at once, as if they were other videos: the evaluation steps through time only once.
        counts = evaluation.clear_mot([*self.videos] * self.shape[0], [p for run in self.tracked for p in run])
        return evaluation.MotCounts(
            **{name: value.reshape(*self.shape, N_JOINTS).astype(float) for name, value in vars(counts).items()}
        )

    @cached_property
    def _errors(self) -> np.ndarray:
        """Errors of all kinds, and objects: (S, V, 2, 15)."""
        c = self.counts
        return np.stack([c.misses + c.false_positives + c.switches, c.objects], 2)

    def _run_weights(self, seeds: Weights) -> np.ndarray:
        n = self.shape[0]
        return np.ones(n) if seeds is None or n == 1 else np.asarray(seeds, float)

    def _weights(self, videos: Weights, seeds: Weights) -> np.ndarray:
        return np.outer(self._run_weights(seeds), np.ones(self.shape[1]) if videos is None else videos)

    def totals(self, videos: Weights = None, seeds: Weights = None) -> evaluation.MotCounts:
        """Counts of the joints, (15,) each, over runs and videos."""
        weights = self._weights(videos, seeds)
        return evaluation.MotCounts(**{name: np.tensordot(weights, c, 2) for name, c in vars(self.counts).items()})

    def mota(self, videos: Weights = None, seeds: Weights = None) -> float:
        """MOTA; NaN where nobody is annotated."""
        wrong, objects = np.tensordot(self._weights(videos, seeds), self._errors, 2)
        some = objects > 0
        return float(100 * (1 - wrong[some] / objects[some]).mean()) if some.any() else float("nan")

    def by_video(self) -> np.ndarray:
        """MOTA of each video (V,)."""
        return np.array([self.mota(one) for one in np.eye(self.shape[1])])

    def precision(self, videos: Weights = None, seeds: Weights = None) -> float:
        """Share of the exported joints that are right."""
        return _mean(evaluation.precision(self.totals(videos, seeds)))

    def recall(self, videos: Weights = None, seeds: Weights = None) -> float:
        """Share of the annotated joints that are found."""
        return _mean(evaluation.recall(self.totals(videos, seeds)))

    def motp(self, videos: Weights = None, seeds: Weights = None) -> float:
        """How near the right joints are."""
        return _mean(evaluation.motp(self.totals(videos, seeds)))

    def switch_share(self, videos: Weights = None, seeds: Weights = None) -> float:
        """Identity switches as a share of the annotated joints, as KT-T4 prints them."""
        whole = self.totals(videos, seeds)
        return _mean(100 * whole.switches / np.where(whole.objects > 0, whole.objects, np.nan))

    def mota_of_groups(self, videos: Weights = None, seeds: Weights = None) -> dict[str, float]:
        """MOTA of Head … Ankle and Total."""
        return group_means(evaluation.mota(self.totals(videos, seeds)))

    def ap(self, videos: Weights = None, seeds: Weights = None, rank: str | None = None) -> float:
        """mAP; rank as in the class, if another one is wanted."""
        return group_means(self.ap_of_joints(videos, seeds, rank))["Total"]

    def ap_of_joints(self, videos: Weights = None, seeds: Weights = None, rank: str | None = None) -> np.ndarray:
        """AP of each joint (15,), the mean over runs; NaN for joints that nobody annotated in the videos that count."""
        weights, rank = self._run_weights(seeds), rank or self.rank
        runs = [self._ap(run, videos, rank) if w else np.zeros(N_JOINTS) for run, w in enumerate(weights)]
        drawn = np.ones(self.shape[1]) if videos is None else videos
        annotated = drawn @ self._ranked(0, rank).annotated > 0
        return np.where(annotated, weights @ runs / weights.sum(), np.nan)

    def _ap(self, run: int, videos: Weights, rank: str) -> np.ndarray:
        key = rank, run, None if videos is None else np.asarray(videos, float).tobytes()
        if key not in self._known:  # several claims leave the same videos out
            self._known[key] = np.nan_to_num(evaluation.average_precision(self._ranked(run, rank), videos))
        return self._known[key]

    def _ranked(self, run: int, rank: str) -> evaluation.ApSamples:
        if (run, rank) not in self._samples:
            people = [box_confidence(p) if rank == "box" else p for p in self._found[run]]
            self._samples[run, rank] = evaluation.ap_samples(evaluation.pair_up(self.videos, people))
        return self._samples[run, rank]

    def mot_row(self) -> dict[str, float]:
        """A row as PT-T4 and DT-T3 print it: MOTA by column group, MOTP, precision, recall; means over runs."""
        rows = []
        for run in np.eye(self.shape[0]):
            row = {f"MOTA {group}": value for group, value in self.mota_of_groups(None, run).items()}
            measures = (("MOTP", self.motp), ("Prec", self.precision), ("Rec", self.recall))
            rows.append(row | {name: measure(None, run) for name, measure in measures})
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def row(self) -> dict[str, float]:
        """A row as PT-T2 and DT-T1 print it: AP, too."""
        return {f"mAP {group}": value for group, value in group_means(self.ap_of_joints()).items()} | self.mot_row()


def shape_of(compared: Iterable) -> tuple[int, int]:
    """Number of runs S and of videos V of what is compared, each with a `shape`; one run stands for all seeds.

    Raises WorkbookError where the videos, or the runs where there are several, are not the same number.
    """
    shapes = [one.shape for one in compared]
    n_runs, n_videos = np.max(shapes, 0).tolist()
    if any(videos != n_videos or runs not in (1, n_runs) for runs, videos in shapes):
        raise WorkbookError(f"runs: the sides are not paired, (runs, videos) are {shapes}.")
    return n_runs, n_videos


def estimate(measure: Measure, shape: tuple[int, int]) -> tuple[float, tuple[float, float]]:
    """A measure of one component and its paired 95 % interval over S runs and V videos, shape (S, V)."""
    whole, values = intervals.sample(measure, shape)
    low, high = intervals.interval(values[..., 0], estimate=whole[0])
    return float(whole[0]), (float(low), float(high))


def result(
    claim: str, data: str, source: str, measure: Measure, shape: tuple[int, int], resampled: str | None = None
) -> Result:
    """A claim's measure, one number per component, on one data set; source, resampled: as in `Result`."""
    return Result.measured(claim, data, source, intervals.sample(measure, shape), resampled)


def difference(
    ours: Runs, baseline: Runs, metric: Callable[[Runs, Weights, Weights], float] = Runs.mota
) -> tuple[float, tuple[float, float]]:
    """A metric of ours minus the baseline's, in points, and its paired 95 % interval over videos and runs."""
    return estimate(lambda v, s: metric(ours, v, s) - metric(baseline, v, s), shape_of((ours, baseline)))
