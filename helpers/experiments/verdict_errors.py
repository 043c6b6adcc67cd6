"""How often verdicts are wrong, and how often right, with the workbook's own noise: `python -m helpers errors`.

A record of a measured claim holds, for each component, how its videos and its runs differ. From that we draw data sets
whose truth is set by us, judge them as `verdicts` does, and count: with a component at an end of its range the word
should be neither *holds* nor *contradicted* in more than 5 %, and at what the paper prints *holds* is the power.
As a control, the smallest component in place of all of them, as the workbook once judged, errs far more often.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import WorkbookError, intervals, papers, verdicts
from helpers.files import load_json
from helpers.ledger import check_record
from helpers.places import FIGURES
from helpers.verdicts import Range

#: Per cent of trials in which a verdict may be wrong.
BAR = 5.0
TRIALS = 2000
COLUMNS = (
    "claim", "data", "source", "videos", "runs", "components", "holds at an end", "contradicted at an end", "power",
    "smallest of all: wrong",
)  # fmt: skip


class Ends(NamedTuple):
    """Centred interval ends of N simulated data sets, (N, C) each: 95 % and the wide one of `Component`."""

    low: np.ndarray
    high: np.ndarray
    wide_low: np.ndarray
    wide_high: np.ndarray


def simulated(noise: Sequence[dict], trials: int = TRIALS, seed: int = 0) -> np.ndarray:
    """Pseudo-values (C, N, S, V) about 0, drawn from `intervals.noise` of C components, all of the same size.

    Videos are drawn with replacement from the measured ones, the same for all components; runs are normal with the
    measured covariance; the rest is normal and independent. The rest's share in the measured means is taken off.
    """
    n_runs, n_videos = len(noise[0]["runs"]), len(noise[0]["videos"])
    rng = np.random.default_rng([seed, n_runs, n_videos])
    drawn = rng.integers(n_videos, size=(trials, 1, n_videos))
    weights = rng.normal(size=(trials, n_runs, n_runs))
    out = []
    for one in noise:
        videos, runs, rest = np.array(one["videos"]), np.array(one["runs"]), one["residual"]
        of_videos = _own(videos, rest / np.sqrt(n_runs))[drawn]
        of_runs = (weights @ _own(runs, rest / np.sqrt(n_videos)))[..., None] / np.sqrt(n_runs)
        out.append(of_videos + of_runs + rest * rng.normal(size=(trials, n_runs, n_videos)))
    return np.array(out)


def _own(means: np.ndarray, error: float) -> np.ndarray:
    """Means (M,), less their average, shrunk to the variance that is left when their error's is taken off."""
    if len(means) == 1:
        return np.zeros(1)
    away = means - means.mean()
    spread = away.var()
    return away * np.sqrt(max(means.var(ddof=1) - error**2, 0) / spread) if spread > 0 else away


def ends(values: np.ndarray) -> Ends:
    """Interval ends of simulated values (C, N, S, V)."""
    levels = (0.95, 1 - 0.05 / len(values))
    return Ends(*(end.T for level in levels for end in intervals.interval(values, level)))


def judged(found: Ends, effects: np.ndarray, ranges: Sequence[Range]) -> tuple[np.ndarray, np.ndarray]:
    """Whether each trial holds and whether it is contradicted, (N,) bool each; the truth is effects (C,).

    NaN as an effect: that component lies so far inside its range that it always holds. The same rule as
    `verdicts.verdict` and `verdicts.together`, for all trials at once.
    """
    least, most = (np.array([sign * np.inf if v is None else v for v in side], float)
                   for sign, side in zip((-1, 1), zip(*ranges, strict=True), strict=True))  # fmt: skip
    low, high, wide_low, wide_high = (end + effects for end in found)
    known = np.isfinite(low + high + wide_low + wide_high)
    point = high - low < verdicts.POINT
    well_inside = (low > least + verdicts.POINT) & (high < most - verdicts.POINT)
    inside = known & (low >= least) & (high <= most) & (~point | well_inside)
    outside = known & ((wide_high < least) | (wide_low > most)) & ~point
    outside = outside.any(1)
    return (inside | np.isnan(effects)).all(1) & ~outside, outside


def at_ends(ranges: Sequence[Range], printed: Sequence[float | None]) -> list[np.ndarray]:
    """Truths (C,): one component on an end of its range, the others as printed; and all on their nearest ends."""
    given = np.array([np.nan if p is None else p for p in printed], float)
    out = []
    for c, allowed in enumerate(ranges):
        for end in allowed:
            if end is not None:
                out.append(np.where(np.arange(len(given)) == c, end, given))
    nearest = [_nearest(allowed, p) for allowed, p in zip(ranges, given, strict=True)]
    return [*out, np.array(nearest)] if len(given) > 1 else out


def _one_decides(values: np.ndarray) -> np.ndarray:
    """Where `verdicts.one_decides`, of simulated values (C, N, S, V): (N, C)."""
    by_video = values.mean(-2)
    squares = (by_video - by_video.mean(-1, keepdims=True)) ** 2
    return (squares.max(-1) > verdicts.ONE_VIDEO * squares.sum(-1)).T


def _nearest(allowed: Range, value: float) -> float:
    known = [end for end in allowed if end is not None]
    return min(known, key=lambda end: abs(end - np.nan_to_num(value)), default=np.nan)


def smallest_is_wrong(values: np.ndarray, ranges: Sequence[Range]) -> float:
    """Control, per cent: at the ends, the percentile interval of the smallest excess over the end decides.

    values (C, N, S, V) about 0. With all components exactly on the end of a one-sided range, *contradicted* is wrong
    where the range lies above it and *holds* where it lies below; NaN for ranges of other kinds and single ones.
    """
    sides = {(low is None, high is None) for low, high in ranges}
    if len(values) < 2 or sides not in ({(False, True)}, {(True, False)}):
        return float("nan")
    _, high = _smallest(values[:, :200])
    return float(100 * (high < 0).mean())


def _smallest(values: np.ndarray, draws: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval (N,) of the smallest of C means, of values (C, N, S, V)."""
    *_, n_runs, n_videos = values.shape
    rng = np.random.default_rng(0)
    videos, runs = (rng.multinomial(n, np.full(n, 1 / n), draws).T / n for n in (n_videos, n_runs))
    means = np.einsum("...sb,sb->...b", values @ videos, runs).min(0)
    low, high = np.quantile(means, [0.025, 0.975], axis=-1)
    return low, high


def errors_of(claim: str, result: dict, trials: int = TRIALS) -> dict:
    """A row of `error_table` for one result of a record, shares in per cent."""
    defined = papers.claim(claim)["components"]
    ranges, printed = [d["range"] for d in defined], [d["printed"] for d in defined]
    values = simulated([c["noise"] for c in result["components"]], trials)
    found = Ends(*(np.where(_one_decides(values), np.nan, end) for end in ends(values)))  # such a one is never decided
    truths = at_ends(ranges, printed)
    shares = np.array([[100 * v.mean() for v in judged(found, effects, ranges)] for effects in truths])
    given = np.array([np.nan if p is None else p for p in printed], float)
    power = float("nan") if np.isnan(given).all() else 100 * judged(found, given, ranges)[0].mean()
    numbers = (*shares.max(0), power, smallest_is_wrong(values, ranges))
    row = (claim, *(result[k] for k in ("data", "source", "n_videos", "n_seeds")), len(defined), *numbers)
    return dict(zip(COLUMNS, row, strict=True))


def too_often(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `error_table` whose verdict is wrong more often than the bar allows."""
    return table[table[["holds at an end", "contradicted at an end"]].max(axis=1) > BAR]


def error_table(folder: Path = FIGURES, trials: int = TRIALS) -> pd.DataFrame:
    """One row for every recorded result of videos; columns `COLUMNS`, shares in %.

    They are NaN where a component was not measured, so that nothing can be simulated. Raises WorkbookError for a
    broken record, and where there is no result of videos at all.
    """
    rows = []
    for path in sorted(folder.glob("*_record.json")):
        content = load_json(path)
        check_record(path.name, content)
        for i, result in enumerate(content["results"]):
            if not result["n_videos"]:
                continue
            if all(_simulable(c.get("noise"), f"{path.name}: results[{i}]", result) for c in result["components"]):
                rows.append(errors_of(result["claim"], result, trials))
            else:
                known = (result["claim"], *(result[k] for k in ("data", "source", "n_videos", "n_seeds")))
                rows.append(dict(zip(COLUMNS, (*known, len(result["components"])), strict=False)))
    if not rows:
        raise WorkbookError(f"{folder}: no record holds a result of videos, run the notebooks first.")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _simulable(noise: object, where: str, result: dict) -> bool:
    """Whether a component's noise can be simulated: it is there and without a None. WorkbookError for nonsense."""
    if not noise:
        return False
    try:
        parts = {k: np.ravel(np.array(noise[k], float)) for k in ("videos", "runs", "residual")}  # type: ignore[index]
        sizes = [len(v) for v in parts.values()]
        wrong = sizes != [result["n_videos"], result["n_seeds"], 1] or (parts["residual"] < 0).any()
        wrong |= any(np.isinf(v).any() for v in parts.values())
    except (TypeError, ValueError, KeyError):
        wrong = True
    if wrong:
        raise WorkbookError(f"{where}: noise holds no value that a notebook records.")
    return all(np.isfinite(v).all() for v in parts.values())
