"""How often intervals contain the truth, counted: simulated designs, and resamples of real per-video differences.

A nominal 95 % interval should contain the truth in 95 % of repetitions; the workbook's bar is 92–97.5 %. Beside
`intervals.interval` two controls that must fail: the percentile bootstrap, which never leaves the range of the few
runs it has seen, and an interval over videos alone. Notebook 01 shows the table and the figure.
"""

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers import intervals
from helpers.detections.filters import keep_confident
from helpers.detections.simulated import simulate_detections
from helpers.experiments import links
from helpers.people import Video
from helpers.tracking import track
from helpers.tracking.costs import pck_cost
from helpers.tracking.frame_to_frame import FrameToFrame
from helpers.tracking.matching import greedy

#: Per cent in which a nominal 95 % interval must contain the truth.
BAND = (92.0, 97.5)
#: Numbers of videos and runs, and the standard deviation of runs, that of videos being 1.
VIDEOS, RUNS, RUN_NOISE = (12, 20, 50), (1, 3, 5, 8), (0.0, 0.5, 1.0)
#: Standard deviation of what is left of a video in a run.
REST = 0.5
_DRAWS = 300


def percentile_bootstrap(values: np.ndarray, draws: int = _DRAWS) -> tuple[np.ndarray, np.ndarray]:
    """Control: the 2.5 and 97.5 % quantiles of means (…) over videos and, independently, runs of values (…, S, V)."""
    n_runs, n_videos = values.shape[-2:]
    rng = np.random.default_rng(0)
    videos, runs = (rng.multinomial(n, np.full(n, 1 / n), draws).T / n for n in (n_videos, n_runs))
    means = np.einsum("...sb,sb->...b", values @ videos, runs)
    low, high = np.quantile(means, [0.025, 0.975], axis=-1)
    return low, high


def over_videos_alone(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Control: the interval of the mean of the runs, as if these runs were all there are."""
    return intervals.interval(values.mean(-2, keepdims=True))


METHODS: dict[str, Callable] = {
    "ours": intervals.interval,
    "percentile bootstrap": percentile_bootstrap,
    "videos alone": over_videos_alone,
}


def covered(values: np.ndarray, truth: np.ndarray, method: Callable = intervals.interval) -> float:
    """Per cent of trials whose interval contains the truth (N,); values (N, S, V)."""
    held = []
    for block in np.array_split(np.arange(len(values)), 1 + values.size // 500_000):
        low, high = method(values[block])
        held.append((low <= truth[block]) & (truth[block] <= high))
    return float(100 * np.concatenate(held).mean())


def designed(n_videos: int, n_runs: int, run_noise: float, trials: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Normal values (N, S, V) with crossed effects of videos (1), runs (run_noise) and a rest (0.5); truth (N,).

    The truth is that of further videos and runs, 0. One run says nothing of others: its interval, and so its truth,
    is about further videos seen by this run.
    """
    rng = np.random.default_rng([seed, n_videos, n_runs, round(100 * run_noise)])
    runs = run_noise * rng.normal(size=(trials, n_runs, 1))
    values = rng.normal(size=(trials, 1, n_videos)) + runs + REST * rng.normal(size=(trials, n_runs, n_videos))
    return values, runs[:, 0, 0] if n_runs == 1 else np.zeros(trials)


def resampled(
    population: np.ndarray, n_videos: int, n_runs: int, trials: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Values (N, S, V) drawn with replacement from a population (R, W) of runs and videos; truth (N,).

    The truth is the population's mean; for one run, the mean over videos of that run.
    """
    rng = np.random.default_rng([seed, n_videos, n_runs])
    runs = rng.integers(len(population), size=(trials, n_runs, 1))
    values = population[runs, rng.integers(population.shape[1], size=(trials, 1, n_videos))]
    truth = population.mean(1)[runs[:, 0, 0]] if n_runs == 1 else np.full(trials, population.mean())
    return values, truth


def differences(videos: Sequence[Video], seeds: Sequence[int] = (0, 1, 2)) -> dict[str, np.ndarray]:
    """Populations (R, W): pseudo-values of two differences of MOTA on simulated detections, one run for each seed.

    PCK − box overlap as costs, and Hungarian − greedy matching: most videos do not care, and a few decide the mean.
    """
    found = [[keep_confident(simulate_detections(v, s), 0.95, 0.5) for v in videos] for s in seeds]
    made = {
        "box": lambda p, v: track(p, FrameToFrame(), len(v)),
        "pck": lambda p, v: track(p, FrameToFrame(pck_cost), len(v)),
        "greedy": lambda p, v: track(p, FrameToFrame(match=greedy), len(v)),
    }
    linked = links.compare(videos, found, made)
    out = {}
    for name, (a, b) in {"PCK − box": ("pck", "box"), "Hungarian − greedy": ("box", "greedy")}.items():
        ours, theirs = linked[a], linked[b]
        measure = lambda v, s, a=ours, b=theirs: a.mota(v, s) - b.mota(v, s)  # noqa: E731
        out[name] = intervals.sample(measure, ours.shape).values[..., 0]
    return out


def as_table(populations: dict[str, np.ndarray]) -> pd.DataFrame:
    """Populations as columns (name, run), one row per video; shorter ones end in NaN. `from_table` reads it."""
    columns = {(name, run): pd.Series(x) for name, values in populations.items() for run, x in enumerate(values)}
    return pd.DataFrame(columns).rename_axis("video")


def from_table(file: Path) -> dict[str, np.ndarray]:
    """Populations (R, W) of a csv that `as_table` made."""
    table = pd.read_csv(file, header=[0, 1], index_col=0)
    return {str(name): table[name].dropna().to_numpy().T for name in dict.fromkeys(table.columns.get_level_values(0))}


def unseen(population: np.ndarray, n_videos: int, few: int = 5) -> float:
    """Per cent of draws that hold none of a few given videos, such as the five that carry most of a difference.

    Such a draw looks like that of a smaller difference, and no method can tell from it alone.
    """
    return 100 * (1 - few / population.shape[1]) ** n_videos


def coverage_table(populations: dict[str, np.ndarray] | None = None, trials: int = 4000) -> pd.DataFrame:
    """Per cent covered by every method, one row per design: the normal ones, then each population's.

    Columns: world, videos, runs, run noise (NaN for populations), unseen (NaN for normal ones) and one for each of
    `METHODS`, the bootstrap on a quarter of the trials. A population of W videos is drawn from 12, 20, 50 and W at a
    time, with one run and with all of its own.
    """
    rows = []
    for case in product(VIDEOS, RUNS, RUN_NOISE):
        rows.append(["normal", *case, np.nan, *_by_method(*designed(*case, trials))])
    for name, values in (populations or {}).items():
        n_runs, n_videos = values.shape
        for drawn in product(sorted({*VIDEOS, n_videos}), sorted({1, n_runs})):
            shares = _by_method(*resampled(values, *drawn, trials))
            rows.append([name, *drawn, np.nan, unseen(values, drawn[0]), *shares])
    return pd.DataFrame(rows, columns=["world", "videos", "runs", "run noise", "unseen", *METHODS])


def _by_method(values: np.ndarray, truth: np.ndarray) -> list[float]:
    few = {percentile_bootstrap: slice(None, None, 4)}
    return [covered(values[few.get(m, slice(None))], truth[few.get(m, slice(None))], m) for m in METHODS.values()]


def coverage_figure(table: pd.DataFrame) -> Figure:
    """`coverage_table` as dots beside the band; one row per world, videos and runs, with all its run noises."""
    keys = list(zip(table["world"], table["videos"], table["runs"], strict=True))
    names = list(dict.fromkeys(keys))
    figure, axis = plt.subplots(figsize=(8, 1.3 + 0.16 * len(names)), layout="constrained")
    axis.axvspan(*BAND, color="0.9", zorder=0)
    for name, (marker, colour) in zip(METHODS, (("o", "tab:blue"), ("x", "tab:red"), ("+", "tab:orange")), strict=True):
        axis.plot(table[name], [-names.index(key) for key in keys], marker, color=colour, ms=5, label=name, alpha=0.8)
    axis.set_yticks(-np.arange(len(names)), [f"{world}, {v} videos × {s} runs" for world, v, s in names], fontsize=7)
    normal = table[table["world"] == "normal"]
    low, high, old = normal["ours"].min(), normal["ours"].max(), normal["percentile bootstrap"].min()
    axis.set(xlabel="% of intervals that contain the truth; grey: the bar, 92–97.5 %")
    title = f"Normal effects: ours cover {low:.0f} to {high:.0f} %, the percentile bootstrap from {old:.0f} % on"
    real = table[table["world"] != "normal"]["ours"]
    if len(real):
        title += f"\nDifferences of real tracks: ours {real.min():.0f} to {real.max():.0f} %: few videos decide them"
    axis.set_title(title, fontsize=10)
    axis.legend(loc="lower left")
    return figure
