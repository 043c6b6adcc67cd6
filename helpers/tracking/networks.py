"""Networks compared on the same videos: AP, and MOTA with the plain tracker, over training runs.

Notebooks 03 and 04 fill LT-T3, PT-T1 and DT-T5 with it. Everything is paired: all runs of all
networks see the same videos, and a bootstrap draws videos and runs for all of them at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers import evaluation
from helpers.ledger import Result, paired_bootstrap
from helpers.nets.keypoint_rcnn import box_confidence
from helpers.people import People, Video
from helpers.skeleton import group_means
from helpers.tracking import track
from helpers.tracking.comparison import errors_of, mota
from helpers.tracking.detections import keep_confident
from helpers.tracking.frame_to_frame import FrameToFrame

#: People scored lower and joints with a lower logit are dropped before tracking. Notebook 03 chooses both, for
#: the main network, on videos that no network has seen, and asserts that they are these.
PERSON, LOGIT = 0.5, 2.0


class Runs:
    """What S training runs of one network found in the same V videos, and how good it is.

    detections: S lists of V People. AP ranks joints by their box's score, as Detect-and-Track's
    export does, or with by_box=False by their own (annotated boxes all score alike), and sees
    all of them. MOTA is that of the frame-to-frame tracker on labelled
    frames, after people below `person` and joints below the logit `joint` are dropped. One run
    stands for every seed (boxes from the annotation have no seed).
    """

    def __init__(self, videos: Sequence[Video], detections: Sequence[Sequence[People]], person: float = PERSON,
                 joint: float = LOGIT, by_box: bool = True):
        rank = box_confidence if by_box else lambda found: found
        self.samples = [evaluation.ap_samples(evaluation.pair_up(videos, [rank(p) for p in run])) for run in detections]
        counts = [evaluation.clear_mot(videos, [_tracked(p, v, person, joint) for p, v in zip(run, videos)])
                  for run in detections]
        self.errors = np.stack([errors_of(c) for c in counts])
        self._counts, self._known = counts, {}

    def ap_of_runs(self, videos: np.ndarray | None = None) -> np.ndarray:
        """AP of each run and joint (S, 15) in per cent; videos (V,): how often each counts."""
        key = None if videos is None else np.asarray(videos, float).tobytes()
        if key not in self._known:      # the claims of one notebook draw the same videos again
            self._known[key] = np.array([evaluation.average_precision(s, videos) for s in self.samples])
        return self._known[key]

    def ap(self, videos=None, seeds=None) -> float:
        """mAP in per cent, the mean over runs; seeds (S,): how often each run counts."""
        return float(np.average(np.nanmean(self.ap_of_runs(videos), 1), weights=self._seeds(seeds)))

    def mota(self, videos=None, seeds=None) -> float:
        """MOTA in per cent, pooled over runs."""
        return mota(self.errors, videos, self._seeds(seeds))

    def _seeds(self, seeds) -> np.ndarray:
        return np.ones(len(self.samples)) if seeds is None or len(self.samples) == 1 else seeds

    def row(self) -> dict[str, float]:
        """A row as the papers print it: AP and MOTA by column group, precision and recall; means over runs."""
        whole = [c.sum() for c in self._counts]
        out = {f"mAP {g}": v for g, v in group_means(self.ap_of_runs().mean(0)).items()}
        by_joint = np.mean([evaluation.mota(c) for c in whole], 0)
        out |= {f"MOTA {g}": v for g, v in group_means(by_joint).items()}
        for name, metric in (("MOTP", evaluation.motp), ("Prec", evaluation.precision), ("Rec", evaluation.recall)):
            out[name] = group_means(np.mean([metric(c) for c in whole], 0))["Total"]
        return out


def _tracked(found: People, video: Video, person: float, joint: float) -> People:
    kept = keep_confident(found, person, joint)
    kept = kept[video.labelled[kept.frame]]
    return track(kept, FrameToFrame(), len(video), which=np.flatnonzero(video.labelled))


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
