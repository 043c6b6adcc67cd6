"""What the metrics themselves reward: ids without tracking, and a joint in another place (notebook 01)."""

from collections.abc import Callable, Sequence

import numpy as np

from helpers.detections.filters import keep_confident
from helpers.detections.simulated import simulate_detections
from helpers.experiments import runs
from helpers.experiments.runs import Runs
from helpers.intervals import Weights
from helpers.people import People, Video
from helpers.skeleton import INDEX, N_JOINTS
from helpers.tracking import controls, track
from helpers.tracking.frame_to_frame import FrameToFrame
from helpers.verdicts import Result

#: Setting: the joint scores that are kept. Way: (detections, video, seed) → with track ids.
SETTINGS = {"everything kept": 0.0, "confident joints": 0.5}
WAYS: dict[str, Callable[[People, Video, int], People]] = {
    "tracker": lambda p, v, s: track(p, FrameToFrame(), len(v)),
    "perfect": lambda p, v, s: controls.truth_ids(p, v.people),
    "one id for all": lambda p, v, s: controls.constant_ids(p),
    "random ids": lambda p, v, s: controls.random_ids(p, s),
}


def relabelled(videos: Sequence[Video], seeds: Sequence[int]) -> dict[tuple[str, str], Runs]:
    """(setting, way): simulated detections, one run per seed, with the ids that the way gives them."""
    found = [[simulate_detections(v, s) for v in videos] for s in seeds]
    out = {}
    for setting, least in SETTINGS.items():
        kept = [[keep_confident(p, joint=least) for p in run] for run in found]
        for way, give in WAYS.items():
            tracked = [
                [give(p, v, s) for p, v in zip(run, videos, strict=True)] for s, run in zip(seeds, kept, strict=True)
            ]
            out[setting, way] = Runs(videos, tracked)
    return out


def with_shoulder_neck(p: People, joint: str = "head_bottom") -> People:
    """The same poses with a joint in the middle of the shoulders, where all three are there."""
    left, right, moved = INDEX["left_shoulder"], INDEX["right_shoulder"], INDEX[joint]
    both = p.present[:, left] & p.present[:, right] & p.present[:, moved]
    xy = p.xy.copy()
    xy[both, moved] = (p.xy[both, left] + p.xy[both, right]) / 2
    return p.replace(xy=xy)


def necks(videos: Sequence[Video]) -> dict[str, Runs]:
    """Perfect predictions: "annotated", and "moved" with the neck in the middle of the shoulders."""
    truth = [v.people.replace(joint_score=np.full((len(v.people), N_JOINTS), 0.9)) for v in videos]
    moved = [with_shoulder_neck(p) for p in truth]
    return {"annotated": Runs(videos, [truth], rank="joint"), "moved": Runs(videos, [moved], rank="joint")}


def _ids_paid(r: dict[tuple[str, str], Runs], v: Weights, s: Weights) -> np.ndarray:
    """PT-C7: MOTA of one id for all minus the tracker's, and what of that is not the tracker's share of switches."""
    tracker, one = (r["everything kept", way] for way in ("tracker", "one id for all"))
    more = one.mota(v, s) - tracker.mota(v, s)
    return np.array([more, more - tracker.switch_share(v, s)])


def _random_ids_cost(r: dict[tuple[str, str], Runs], v: Weights, s: Weights) -> float:
    """DT-C3: MOTA of the tracker minus that of random ids."""
    return r["confident joints", "tracker"].mota(v, s) - r["confident joints", "random ids"].mota(v, s)


def _lost_neck_ap(r: dict[str, Runs], v: Weights, s: Weights) -> float:
    """O-26: AP of the joint itself, which does not depend on how many other head joints a data set has."""
    neck = INDEX["head_bottom"]
    return float(r["annotated"].ap_of_joints(v, s)[neck] - r["moved"].ap_of_joints(v, s)[neck])


#: Claim: (what is compared by name, video weights, seed weights) → a number for each component in data/papers.
MEASURES: dict[str, Callable] = {"PT-C7": _ids_paid, "DT-C3": _random_ids_cost, "O-26": _lost_neck_ap}
#: Claim: where its detections come from; O-26 moves a joint of the annotations themselves.
SOURCES = {"PT-C7": "simulated", "DT-C3": "simulated", "O-26": "ground truth"}


def result(claim: str, compared: dict, data: str) -> Result:
    """A claim's components with their intervals; compared: `relabelled` for PT-C7 and DT-C3, `necks` for O-26."""
    shape = runs.shape_of(compared.values())
    return runs.result(claim, data, SOURCES[claim], lambda v, s: MEASURES[claim](compared, v, s), shape)
