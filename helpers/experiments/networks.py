"""Networks compared on the same videos: AP, and MOTA with the plain tracker, over training runs.

Notebooks 03 and 04 fill LT-T2, LT-T3, PT-T1 and DT-T5 with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from helpers import papers
from helpers.detections.filters import LOGIT, PERSON, keep_confident
from helpers.evaluation.boxes import THRESHOLDS, BoxSamples, precision_recall
from helpers.experiments import runs
from helpers.experiments.runs import Runs
from helpers.intervals import Weights
from helpers.people import People, Video
from helpers.tracking import track
from helpers.tracking.frame_to_frame import FrameToFrame
from helpers.verdicts import Result

#: What a network of DT-T5 starts from, trained equally long: people alone (the paper's ImageNet) or their joints
#: besides (COCO); and what it is.
INITS, STYLES = ("boxes", "joints"), ("2d", "centre", "mean")
#: A run whose measure is below this share of the median of its network's runs has collapsed.
COLLAPSED = 0.25


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


def collapsed(measures: np.ndarray) -> np.ndarray:
    """(S,) bool: runs that found hardly anything, by one number of each, such as mAP.

    The notebooks stop at one: it would have to be left out of every side of a comparison, for a network that finds
    nobody has a better MOTA than one that finds somebody.
    """
    measures = np.asarray(measures, float)
    return measures < COLLAPSED * np.median(measures)


def _both(better: Runs, worse: Runs, v: Weights, s: Weights) -> list[float]:
    """The gains of mAP and of MOTA, in points."""
    return [better.ap(v, s) - worse.ap(v, s), better.mota(v, s) - worse.mota(v, s)]


def _gains(n: dict[str, Runs], pairs: Sequence[tuple[str, str]], v: Weights, s: Weights) -> np.ndarray:
    """The gains of mAP and of MOTA of each pair's first network over its second."""
    return np.concatenate([_both(n[a], n[b], v, s) for a, b in pairs])


def detector_gains(n: dict[str, BoxRuns], v: Weights = None, s: Weights = None) -> np.ndarray:
    """(5, 2): precision and recall of the pyramid minus those of R-FCN at LT-T2's thresholds, in points."""
    return np.array([n["FPN"].precision_recall(t, v, s) - n["R-FCN"].precision_recall(t, v, s) for t in THRESHOLDS])


#: LT-C2 is about these of the thresholds.
_RECALL_AT = [THRESHOLDS.index(t) for t in (0.1, 0.2, 0.3, 0.5)]

#: Claim: (networks by name, video weights, seed weights) → its components, as data/papers says.
MEASURES: dict[str, Callable[..., np.ndarray]] = {
    "LT-C1": lambda n, v, s: detector_gains(n, v, s)[:, 0],
    "LT-C2": lambda n, v, s: detector_gains(n, v, s)[_RECALL_AT, 1],
    "LT-C3": lambda n, v, s: _gains(n, [("truth", "fpn"), ("fpn", "rfcn")], v, s),
    "PT-C1": lambda n, v, s: np.array([n["centre"].ap(v, s) - n["2d"].ap(v, s)]),
    "PT-C2": lambda n, v, s: np.array([n["centre"].ap(v, s) - n["mean"].ap(v, s)]),
    "PT-C3": lambda n, v, s: np.array([n[k].ap(v, s) - n["2d"].ap(v, s) for k in ("centre", "mean")]),
    "DT-C8": lambda n, v, s: _gains(n, [(f"centre-{i}", f"2d-{i}") for i in INITS], v, s),
    "DT-C9": lambda n, v, s: _gains(n, [(f"centre-{i}", f"mean-{i}") for i in INITS], v, s),
    "DT-C10": lambda n, v, s: _gains(n, [(f"{k}-joints", f"{k}-boxes") for k in ("2d", "centre")], v, s),
}


def result(claim: str, networks: dict) -> Result:
    """A claim's components and their intervals over videos and training runs, on the built-in world.

    networks: `BoxRuns` for LT-C1 and LT-C2, else `Runs`, by the names in `MEASURES`.
    """
    shape = runs.shape_of(networks.values())
    return runs.result(claim, "puppets", "network", lambda v, s: MEASURES[claim](networks, v, s), shape)


#: Claim: the rows of DT-X2 that its components compare, (start, style) of the better and of the other.
_RETRAINED = {
    "DT-C8": [((start, "3D center"), (start, "2D")) for start in ("ImNet", "COCO")],
    "DT-C10": [(("COCO", style), ("ImNet", style)) for style in ("2D", "3D center")],
}


def retrained(claim: str) -> Result:
    """DT-C8 or DT-C10 by the authors' own retrainings, the README's numbers (DT-X2): evidence, not ours.

    Two trainings of one network are averaged; there is no interval.
    """
    rows = papers.table("DT-X2").query("network == 'ResNet-18'")
    level = rows.groupby(["init", "style"])[["mAP Total", "MOTA Total"]].mean()
    gains = [level.loc[better] - level.loc[other] for better, other in _RETRAINED[claim]]
    return Result.exact(claim, np.concatenate(gains).tolist(), "README, retrained", "published")
