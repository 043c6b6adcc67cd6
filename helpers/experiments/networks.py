"""Networks compared on the same videos: AP, and MOTA with the plain tracker, over training runs.

Notebooks 03 and 04 fill LT-T3, PT-T1 and DT-T5 with it. Everything is paired: all runs of all
networks see the same videos, and a bootstrap draws videos and runs for all of them at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.evaluation.boxes import THRESHOLDS, BoxSamples, precision_recall
from helpers.experiments.runs import Runs
from helpers.ledger import Result, paired_bootstrap


def _both(better: Runs, worse: Runs, v, s) -> float:
    """The smaller gain of mAP and MOTA, in points."""
    return min(better.ap(v, s) - worse.ap(v, s), better.mota(v, s) - worse.mota(v, s))


INITS, STYLES = ("scratch", "pretrained"), ("2d", "centre", "mean")


#: Claim: (networks by name, video weights, seed weights) → what data/papers says is measured.
MEASURES = {
    "PT-C1": lambda n, v, s: n["centre"].ap(v, s) - n["2d"].ap(v, s),
    "PT-C2": lambda n, v, s: n["centre"].ap(v, s) - n["mean"].ap(v, s),
    "PT-C3": lambda n, v, s: n["2d"].ap(v, s) - max(n["centre"].ap(v, s), n["mean"].ap(v, s)),
    "DT-C8": lambda n, v, s: min(_both(n[f"centre-{i}"], n[f"2d-{i}"], v, s) for i in INITS),
    "DT-C9": lambda n, v, s: min(_both(n[f"centre-{i}"], n[f"mean-{i}"], v, s) for i in INITS),
    "DT-C10": lambda n, v, s: min(_both(n[f"{k}-pretrained"], n[f"{k}-scratch"], v, s) for k in STYLES),
    "LT-C3": lambda n, v, s: min(_both(n["truth"], n["fpn"], v, s), _both(n["fpn"], n["rfcn"], v, s)),
}


def result(claim: str, networks: dict[str, Runs], n_videos: int, n_seeds: int, draws: int = 300) -> Result:
    """A claim's estimate and interval over videos and training runs, on the built-in world."""
    measure = lambda v=None, s=None: MEASURES[claim](networks, v, s)
    interval = paired_bootstrap(measure, n_videos, n_seeds, draws)
    return Result(claim, "puppets", measure(), interval, n_videos, n_seeds)


def over_seeds(
    runs: Sequence[BoxSamples], threshold: float, videos: np.ndarray | None = None, seeds: np.ndarray | None = None
) -> np.ndarray:
    """(precision, recall) in per cent, mean over training runs; weights of videos and of runs."""
    return 100 * np.average([precision_recall(run, threshold, videos) for run in runs], 0, seeds)


def least_precision_gain(pyramid: Sequence[BoxSamples], rfcn: Sequence[BoxSamples], videos=None, seeds=None) -> float:
    """LT-C1: the smallest gain in precision of the pyramid over R-FCN, of all thresholds, in points."""
    gains = [over_seeds(pyramid, t, videos, seeds) - over_seeds(rfcn, t, videos, seeds) for t in THRESHOLDS]
    return min(gain[0] for gain in gains)


def least_recall_order(pyramid: Sequence[BoxSamples], rfcn: Sequence[BoxSamples], videos=None, seeds=None) -> float:
    """LT-C2: the smallest of R-FCN − pyramid up to 0.3 and pyramid − R-FCN from 0.4, in recall, in points."""
    gains = [over_seeds(pyramid, t, videos, seeds) - over_seeds(rfcn, t, videos, seeds) for t in THRESHOLDS]
    return min(-gain[1] if t <= 0.3 else gain[1] for gain, t in zip(gains, THRESHOLDS))
