"""Costs added up, the paper's form of PCK, a control that moves boxes on, and how notebook 07 measures its claims.

The sum is Detect-and-Track's "all combined" (DT-T3), whose weights the paper does not give. PT-T4 and DT-T3
are compared over videos and, for the LSTM, training runs: everything on the same resamples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.experiments.runs import Linked
from helpers.ledger import Result, paired_bootstrap

#: What the papers compare, by the names that the claims are measured under.
SINGLE, ORDER = ("box", "pck", "cnn"), ("cnn", "all", "box", "pck", "lstm")


def _spread(linked, v, s) -> float:
    levels = [linked[name].mota(v, s) for name in SINGLE]
    return max(levels) - min(levels)


def _detections_differ(linked, v, s) -> float:
    return float(np.ptp([linked[name].of_detections(v) for name in SINGLE if name in linked], axis=0).max())


def smallest_step(linked: dict[str, Linked], v=None, s=None, order: Sequence[str] = ORDER) -> float:
    """The smallest of the falls of MOTA along an order; not negative where the order is right."""
    levels = np.array([linked[name].mota(v, s) for name in order])
    return float(-np.diff(levels).max())


#: Claim: (ways to link by name, video weights, seed weights) → what data/papers says is measured.
MEASURES = {
    "PT-C9": _spread,
    "PT-C10": _detections_differ,
    "DT-C6": smallest_step,
    "DT-C7": lambda n, v, s: n["all"].mota(v, s) - max(n[name].mota(v, s) for name in (*SINGLE, "lstm")),
}


def result(claim: str, linked: dict[str, Linked], data: str, draws: int = 1000) -> Result:
    """A claim's estimate and interval over videos and, where the LSTM is among them, its training runs.

    linked: by the names in ORDER; PT-C10 takes those of SINGLE that are there.
    """
    measure = lambda v=None, s=None: MEASURES[claim](linked, v, s)
    shapes = [way.errors.shape for way in linked.values()]
    n_seeds = max(shape[0] for shape in shapes) if claim.startswith("DT") else 1
    interval = paired_bootstrap(measure, shapes[0][1], n_seeds, draws)
    return Result(claim, data, measure(), interval, shapes[0][1], n_seeds)


def difference(ours: Linked, baseline: Linked) -> tuple[float, tuple[float, float]]:
    """MOTA of ours minus the baseline's and its paired 95 % interval over videos and runs."""
    measure = lambda v=None, s=None: ours.mota(v, s) - baseline.mota(v, s)
    n_seeds = max(len(ours.errors), len(baseline.errors))
    return measure(), paired_bootstrap(measure, ours.errors.shape[1], n_seeds)
