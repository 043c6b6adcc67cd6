"""AP, MOTA, MOTP, precision, recall, identity switches and keypoint HOTA of PoseTrack.

Two modes. *Honest* (default) measures what the metric's definition says. `compat=True`
reproduces the official toolkit (poseval; PoseTrack21's for HOTA) with its documented
quirks (notebook 01, §7 and §9): the last frame of a video is left out of MOT, an empty
frame counts as one miss and one false positive, MOTP counts distances twice, tied
scores enter AP in sorting order. Notebook 01 rebuilds every metric by hand and shows
what each quirk is worth.

The toolkit loops over frames, people and joints. Here all pairs of a ground-truth and
a predicted person in the same frame are laid out once (P pairs × 15 joints), and
CLEAR-MOT steps through time with all videos and joints side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from helpers.evaluation.ap import ApSamples, ap_samples, assign_poses, average_precision
from helpers.evaluation.higher_order import HOTA_ALPHAS, HOTA_REACH, Hota, hota
from helpers.evaluation.mot import MotCounts, clear_mot, mota, motp, precision, recall
from helpers.evaluation.oks import oks_ap
from helpers.evaluation.pairs import MISSING_SCORE, PCKH_THRESHOLD, Pairs, pair_up, peopled, strictly_inside
from helpers.people import People, Video
from helpers.skeleton import JOINTS, POSETRACK18, group_means

__all__ = [
    "HOTA_ALPHAS", "HOTA_REACH", "METRICS", "MISSING_SCORE", "PCKH_THRESHOLD", "ApSamples", "Hota", "MotCounts",
    "Pairs", "Scores", "ap_samples", "assign_poses", "average_precision", "clear_mot", "evaluate", "hota", "mota",
    "motp", "oks_ap", "pair_up", "precision", "recall", "strictly_inside",
]  # fmt: skip
METRICS = ("AP", "MOTA", "MOTP", "precision", "recall", "switches", "HOTA")


@dataclass(frozen=True)
class Scores:
    """All metrics of a set of videos, (15,) each in `skeleton.JOINTS` order, per cent; switches counted."""

    ap: np.ndarray
    mota: np.ndarray
    motp: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    switches: np.ndarray
    hota: np.ndarray
    counts: MotCounts = field(repr=False)

    def total(self, name: str) -> float:
        """The printed Total: the mean of the 15 joints, NaN skipped; for switches the sum."""
        return float(self.switches.sum()) if name == "switches" else self.groups(name)["Total"]

    def groups(self, name: str) -> dict[str, float]:
        """Head … Ankle and Total, as the papers' tables print them."""
        return group_means(getattr(self, name.lower()))

    def as_json(self) -> dict:
        """`{"AP": {"per_joint": {name: value}, "total": value}, …}`, PoseTrack'18 names; NaN as None."""
        order = [n for n in POSETRACK18 if n in JOINTS]
        out = {}
        for name in METRICS:
            values = dict(zip(JOINTS, getattr(self, name.lower()).tolist(), strict=True))
            out[name] = {
                "per_joint": {n: _number(values[n]) for n in order},
                "total": _number(self.total(name.lower())),
            }
        return out


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value


def evaluate(truth: Sequence[Video], predictions: Sequence[People], compat: bool = False) -> Scores:
    """All metrics of predictions, one People per video. See `pair_up` for what is raised."""
    pairs = pair_up(truth, predictions, compat)
    counts = clear_mot(pairs)
    whole = counts.sum()
    same_frames = not compat or all(np.array_equal(np.flatnonzero(v.labelled), peopled(v)) for v in truth)
    of_joints = hota(pairs) if same_frames else hota(truth, predictions, compat)
    return Scores(
        average_precision(ap_samples(pairs)),
        mota(whole),
        motp(whole),
        precision(whole),
        recall(whole),
        whole.switches,
        of_joints.per_joint(),
        counts,
    )
