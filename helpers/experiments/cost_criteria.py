"""Cost criteria compared: how notebook 07 measures its claims about PT-T4 and DT-T3.

Everything on the same videos and, where the LSTM is among the costs, on its training runs. A claim is about several
differences of MOTA, each with an interval of its own; where a cost needs pixels that are missing, its differences
are NaN, so that the claim cannot hold there, but one of the others may contradict it.
"""

from collections.abc import Sequence

import numpy as np

from helpers import WorkbookError
from helpers.experiments import runs
from helpers.experiments.runs import Runs
from helpers.intervals import Weights
from helpers.verdicts import Result

#: What the papers compare, by the names that the claims are measured under.
SINGLE, ORDER = ("box", "pck", "cnn"), ("cnn", "all", "box", "pck", "lstm")
#: Claim: its components, MOTA of the first minus that of the second.
PAIRS: dict[str, tuple[tuple[str, str], ...]] = {
    "PT-C9": (("box", "pck"), ("cnn", "box"), ("cnn", "pck")),
    "DT-C6": (("pck", "box"), ("cnn", "box"), ("all", "box"), ("lstm", "box")),
}


def differences(
    linked: dict[str, Runs], pairs: Sequence[tuple[str, str]], v: Weights = None, s: Weights = None
) -> np.ndarray:
    """MOTA of the first minus the second of each pair of ways to link; NaN where one of them is not there."""
    level = {name: linked[name].mota(v, s) for name in {n for pair in pairs for n in pair} & set(linked)}
    return np.array([level.get(a, np.nan) - level.get(b, np.nan) for a, b in pairs])


def of_detections(way: Runs, v: Weights = None) -> np.ndarray:
    """MOTP, precision and recall (3,), the mean over runs."""
    each = [(way.motp(v, run), way.precision(v, run), way.recall(v, run)) for run in np.eye(way.shape[0])]
    return np.mean(each, 0)


def detections_differ(linked: dict[str, Runs], v: Weights = None) -> float:
    """PT-C10: the largest difference in MOTP, precision and recall between the costs; runs are averaged."""
    return float(np.ptp([of_detections(way, v) for way in linked.values()], axis=0).max())


def result(claim: str, linked: dict[str, Runs], data: str, source: str, best: str = "") -> Result:
    """A claim's components over videos and over the runs of the ways that it compares; PT-C10 is a property.

    best: for DT-C7, the single cost that was best on tuning videos. Raises WorkbookError where that is missing.
    """
    if claim == "PT-C10":
        return Result.exact(claim, detections_differ({n: linked[n] for n in SINGLE if n in linked}), data, source)
    if claim == "DT-C7" and best not in linked:
        raise WorkbookError("DT-C7: best must name the single cost that was best on tuning videos.")
    pairs = PAIRS.get(claim, (("all", best),))
    compared = [linked[name] for name in {n for pair in pairs for n in pair} & set(linked)]
    return runs.result(claim, data, source, lambda v, s: differences(linked, pairs, v, s), runs.shape_of(compared))
