"""Verdicts: what intervals say about a claim's ranges.

A claim of data/papers has one component or several, each with a range. It holds only if all components do, and is
contradicted if one of them lies outside beyond chance: an intersection–union test (Berger 1982) with Holm's
correction. Nothing is ever the smallest or largest of several noisy numbers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from helpers import WorkbookError, intervals, papers

HOLDS, CONTRADICTED, UNDECIDED = "holds", "contradicted", "undecided"

#: Where detections or numbers come from, the best first; "published" and "proof" need no detections.
SOURCES = ("ground truth", "network", "real detector", "simulated", "published", "proof")

Interval = tuple[float, float]
Range = Sequence[float | None]  # (low, high), None = unbounded

#: An interval narrower than this many units has no width.
POINT = 1e-9
#: The share of the variance that one video may have.
ONE_VIDEO = 0.8


@dataclass(frozen=True)
class Component:
    """One number that a claim is about, in its unit: estimate and 95 % interval.

    wide: the interval by which it may contradict, at the level that Holm asks of the first of m, 1 − 0.05/m;
    noise: `intervals.noise` of its pseudo-values, {} where nothing was sampled.
    """

    name: str
    estimate: float
    interval: Interval
    wide: Interval
    noise: dict = field(default_factory=dict)

    def verdict(self, allowed: Range) -> str:
        """holds: the 95 % interval lies in the range; contradicted: the wide one wholly outside; else undecided.

        Undecided, too, where one video decides: then no interval knows how often such a video comes.
        """
        if one_decides(self.noise):
            return UNDECIDED
        return verdict(self.estimate, self.interval, allowed, self.wide, bool(self.noise))


def one_decides(noise: dict) -> bool:
    """Whether one video alone makes more than four fifths of the videos' variance (`intervals.noise`)."""
    squares = [v**2 for v in noise.get("videos", ()) if v is not None]
    return bool(squares) and max(squares) > ONE_VIDEO * sum(squares)


def verdict(
    estimate: float, interval: Interval, allowed: Range, wide: Interval | None = None, sampled: bool = True
) -> str:
    """holds if the interval lies in the closed range, contradicted if the wide one is wholly outside, else undecided.

    wide: the interval itself where none is given. NaN anywhere is undecided. So is a sampled interval without any
    width that does not lie well within the range: every video says the same, usually "no difference at all", and what
    is rare they cannot deny. Arithmetic, which is not sampled, has no width and is judged.
    """
    low, high = interval
    wide_low, wide_high = wide or interval
    if not all(map(math.isfinite, (estimate, low, high, wide_low, wide_high))):
        return UNDECIDED
    least = -math.inf if allowed[0] is None else allowed[0]
    most = math.inf if allowed[1] is None else allowed[1]
    if sampled and high - low < POINT:
        return HOLDS if least + POINT < low and high < most - POINT else UNDECIDED
    if least <= low and high <= most:
        return HOLDS
    return CONTRADICTED if wide_high < least or wide_low > most else UNDECIDED


def together(verdicts: Sequence[str]) -> str:
    """The verdict of a claim, from those of its components: all must hold, one alone contradicts."""
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    return HOLDS if set(verdicts) == {HOLDS} else UNDECIDED


def definitions(claim: str) -> list[dict]:
    """The components of a claim as data/papers has them: name, unit, range, printed. WorkbookError: unknown claim."""
    return papers.claim(claim)["components"]


@dataclass(frozen=True)
class Result:
    """One measurement of one claim on one data set.

    claim: id in data/papers; data: "puppets", "somof", "published", …; source: one of `SOURCES`; components: in the
    order of data/papers; n_videos, n_seeds: what was resampled, and resampled: in words.
    Raises WorkbookError for an unknown claim, an unknown source, or another number of components than the claim has.
    """

    claim: str
    data: str
    source: str
    components: tuple[Component, ...]
    n_videos: int = 0
    n_seeds: int = 0
    resampled: str = "videos and training runs"

    def __post_init__(self) -> None:
        defined = definitions(self.claim)
        if len(self.components) != len(defined):
            raise WorkbookError(
                f"{self.claim} on {self.data}: {len(self.components)} components were measured, data/papers has "
                f"{len(defined)}."
            )
        if self.source not in SOURCES:
            raise WorkbookError(f"{self.claim} on {self.data}: source {self.source!r} is none of {', '.join(SOURCES)}.")

    @classmethod
    def exact(
        cls, claim: str, estimates: float | Sequence[float], data: str = "published", source: str = "published"
    ) -> "Result":
        """Arithmetic and properties, one estimate per component: the interval is the estimate itself."""
        values = [float(v) for v in np.atleast_1d(estimates)]
        names = [d["name"] for d in definitions(claim)] + [""] * len(values)  # too many are refused below
        parts = tuple(Component(n, v, (v, v), (v, v)) for n, v in zip(names, values, strict=False))
        return cls(claim, data, source, parts, resampled="nothing")

    @classmethod
    def measured(
        cls, claim: str, data: str, source: str, sample: intervals.Sample, resampled: str | None = None
    ) -> "Result":
        """A sample of the claim's components, with their intervals; resampled: None says it by the source."""
        n_runs, n_videos, n = sample.values.shape
        parts = []
        names = [d["name"] for d in definitions(claim)] + [""] * n  # too many are refused below
        for c in range(n):
            values, estimate = sample.values[..., c], sample.estimate[c]
            ends = (intervals.interval(values, level, estimate) for level in (0.95, 1 - 0.05 / n))
            interval, wide = ((float(low), float(high)) for low, high in ends)
            parts.append(Component(names[c], float(estimate), interval, wide, intervals.noise(values)))
        if resampled is None:
            runs = "draws of simulated noise" if source == "simulated" else "training runs"
            resampled = "videos" if n_runs == 1 else f"videos and {runs}"
        return cls(claim, data, source, tuple(parts), n_videos, n_runs, resampled)

    @property
    def verdicts(self) -> tuple[str, ...]:
        """That of each component."""
        defined = definitions(self.claim)
        return tuple(c.verdict(d["range"]) for c, d in zip(self.components, defined, strict=True))

    @property
    def verdict(self) -> str:
        return together(self.verdicts)

    @property
    def estimate(self) -> float:
        """That of the only component, NaN where there are several."""
        return self.components[0].estimate if len(self.components) == 1 else math.nan

    @property
    def interval(self) -> Interval:
        """That of the only component, NaN where there are several."""
        return self.components[0].interval if len(self.components) == 1 else (math.nan, math.nan)

    def lines(self, digits: int = 2) -> list[str]:
        """Rounded lines, as claim cells print them: one for each component and, of several, the whole's verdict."""
        head, several = f"{self.claim} on {self.data} ({self.source})", len(self.components) > 1
        out = []
        for c, d, v in zip(self.components, definitions(self.claim), self.verdicts, strict=True):
            low, high = (round(end, digits) + 0.0 for end in c.interval)
            spread = "" if low == high else f" [{low:g}, {high:g}]"
            name = f", {c.name}" if several else ""
            out.append(f"{head}{name}: {round(c.estimate, digits) + 0.0:g}{spread} {d['unit']} → {v}")
        return out + [f"{head} → {self.verdict}"] * several
