"""Cost criteria compared: how notebook 07 measures its claims about PT-T4 and DT-T3.

Everything on the same resamples of videos and, where the LSTM is among the costs, of its training runs.
"""

from collections.abc import Sequence

import numpy as np

from helpers.experiments import runs
from helpers.experiments.runs import Runs
from helpers.intervals import Weights
from helpers.verdicts import Result

#: What the papers compare, by the names that the claims are measured under.
SINGLE, ORDER = ("box", "pck", "cnn"), ("cnn", "all", "box", "pck", "lstm")
#: Claim: the ways to link that it is about; PT-C10 takes those that are there.
COMPARED = {"PT-C9": SINGLE, "PT-C10": SINGLE, "DT-C6": ORDER, "DT-C7": ORDER}


def spread(linked: dict[str, Runs], v: Weights = None, s: Weights = None) -> float:
    """PT-C9: the highest minus the lowest MOTA of the single costs."""
    return float(np.ptp([linked[name].mota(v, s) for name in SINGLE]))


def of_detections(way: Runs, v: Weights = None) -> np.ndarray:
    """MOTP, precision and recall (3,), the mean over runs."""
    each = [(way.motp(v, run), way.precision(v, run), way.recall(v, run)) for run in np.eye(way.shape[0])]
    return np.mean(each, 0)


def detections_differ(linked: dict[str, Runs], v: Weights = None, _: Weights = None) -> float:
    """PT-C10: the largest difference in MOTP, precision and recall between the costs; runs are averaged."""
    return float(np.ptp([of_detections(way, v) for way in linked.values()], axis=0).max())


def smallest_step(linked: dict[str, Runs], v: Weights = None, s: Weights = None, order: Sequence[str] = ORDER) -> float:
    """DT-C6: the smallest of the falls of MOTA along an order; not negative where the order is right."""
    levels = np.array([linked[name].mota(v, s) for name in order])
    return float(-np.diff(levels).max())


def sum_minus_best(linked: dict[str, Runs], v: Weights = None, s: Weights = None) -> float:
    """DT-C7: MOTA of the sum of costs minus the best of a single one."""
    return linked["all"].mota(v, s) - max(linked[name].mota(v, s) for name in (*SINGLE, "lstm"))


#: Claim: (ways to link by name, video weights, seed weights) → what data/papers says is measured.
MEASURES = {"PT-C9": spread, "PT-C10": detections_differ, "DT-C6": smallest_step, "DT-C7": sum_minus_best}


def result(claim: str, linked: dict[str, Runs], data: str, source: str) -> Result:
    """A claim's estimate and interval over videos and over the runs of the ways that it compares."""
    compared = {name: linked[name] for name in COMPARED[claim] if name in linked}
    n_runs, n_videos = runs.shape_of(compared.values())
    shape = 1 if MEASURES[claim] is detections_differ else n_runs, n_videos
    return runs.result(claim, data, source, lambda v, s: MEASURES[claim](compared, v, s), shape)
