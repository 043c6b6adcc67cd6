"""Networks compared on the same videos: AP, and MOTA with the plain tracker, over training runs.

Notebooks 03 and 04 fill LT-T2, LT-T3, PT-T1 and DT-T5 with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers.detections.filters import LOGIT, PERSON, keep_confident
from helpers.evaluation.boxes import THRESHOLDS, BoxSamples, precision_recall
from helpers.experiments import runs
from helpers.experiments.runs import Runs
from helpers.intervals import Weights
from helpers.people import People, Video
from helpers.tracking import track
from helpers.tracking.frame_to_frame import FrameToFrame
from helpers.verdicts import Result

INITS, STYLES = ("scratch", "pretrained"), ("2d", "centre", "mean")


def tracked_runs(
    videos: Sequence[Video],
    detections: Sequence[Sequence[People]],
    person: float = PERSON,
    joint: float = LOGIT,
    rank: str = "box",
) -> Runs:
    """What S training runs of one network found in V videos: AP sees all of it, MOTA what was tracked.

    The frame-to-frame tracker sees labelled frames, after people scored below `person` and joints below
    the logit `joint` are dropped. rank as in `Runs` (annotated boxes all score alike: "joint").
    """

    def tracked(found: People, video: Video) -> People:
        kept = keep_confident(found, person, joint)
        kept = kept[video.labelled[kept.frame]]
        return track(kept, FrameToFrame(), len(video), which=np.flatnonzero(video.labelled))

    linked = [[tracked(p, v) for p, v in zip(run, videos, strict=True)] for run in detections]
    return Runs(videos, linked, detections, rank)


@dataclass(frozen=True)
class BoxRuns:
    """The boxes that S training runs of one detector found in the same V videos."""

    samples: Sequence[BoxSamples]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of runs S and of videos V."""
        return len(self.samples), len(self.samples[0].annotated)

    def precision_recall(self, threshold: float, videos: Weights = None, seeds: Weights = None) -> np.ndarray:
        """(precision, recall) in per cent of the boxes that score at least threshold, means over runs."""
        each = [precision_recall(run, threshold, videos) for run in self.samples]
        return 100 * np.average(each, 0, seeds)


def _both(better: Runs, worse: Runs, v: Weights, s: Weights) -> float:
    """The smaller gain of mAP and MOTA, in points."""
    return min(better.ap(v, s) - worse.ap(v, s), better.mota(v, s) - worse.mota(v, s))


def _detector_gains(n: dict[str, BoxRuns], v: Weights, s: Weights) -> dict[float, np.ndarray]:
    """Threshold: (precision, recall) of the pyramid minus those of R-FCN, in points."""
    return {t: n["FPN"].precision_recall(t, v, s) - n["R-FCN"].precision_recall(t, v, s) for t in THRESHOLDS}


def least_precision_gain(n: dict[str, BoxRuns], v: Weights = None, s: Weights = None) -> float:
    """LT-C1: the smallest gain in precision of the pyramid over R-FCN, of all thresholds, in points."""
    return min(precision for precision, _ in _detector_gains(n, v, s).values())


def least_recall_order(n: dict[str, BoxRuns], v: Weights = None, s: Weights = None) -> float:
    """LT-C2: the smallest of R-FCN − pyramid up to 0.3 and pyramid − R-FCN from 0.4, in recall, in points."""
    return min(-recall if t <= 0.3 else recall for t, (_, recall) in _detector_gains(n, v, s).items())


#: Claim: (networks by name, video weights, seed weights) → what data/papers says is measured.
MEASURES = {
    "LT-C1": least_precision_gain,
    "LT-C2": least_recall_order,
    "LT-C3": lambda n, v, s: min(_both(n["truth"], n["fpn"], v, s), _both(n["fpn"], n["rfcn"], v, s)),
    "PT-C1": lambda n, v, s: n["centre"].ap(v, s) - n["2d"].ap(v, s),
    "PT-C2": lambda n, v, s: n["centre"].ap(v, s) - n["mean"].ap(v, s),
    "PT-C3": lambda n, v, s: n["2d"].ap(v, s) - max(n["centre"].ap(v, s), n["mean"].ap(v, s)),
    "DT-C8": lambda n, v, s: min(_both(n[f"centre-{i}"], n[f"2d-{i}"], v, s) for i in INITS),
    "DT-C9": lambda n, v, s: min(_both(n[f"centre-{i}"], n[f"mean-{i}"], v, s) for i in INITS),
    "DT-C10": lambda n, v, s: min(_both(n[f"{k}-pretrained"], n[f"{k}-scratch"], v, s) for k in STYLES),
}


def result(claim: str, networks: dict) -> Result:
    """A claim's estimate and interval over videos and training runs, on the built-in world.

    networks: `BoxRuns` for LT-C1 and LT-C2, else `Runs`, by the names in `MEASURES`.
    """
    shape = runs.shape_of(networks.values())
    return runs.result(claim, "puppets", "network", lambda v, s: MEASURES[claim](networks, v, s), shape)
