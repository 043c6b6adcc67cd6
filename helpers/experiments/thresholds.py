"""Thresholds between a pose network and its tracker: what they drop, and what AP and MOTA make of it.

Notebook 05 fills PT-T2, DT-T1, PT-T5 and KT-T4 with it. The order is that of Detect-and-Track's code: boxes
are dropped before linking, boxes and joints once more at export (O-24, O-25). Everything is paired: a
video or a run is left out of all thresholds at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from helpers import WorkbookError, evaluation
from helpers.detections.filters import keep_confident
from helpers.experiments import runs
from helpers.experiments.runs import Runs
from helpers.intervals import Weights
from helpers.people import People, Video
from helpers.skeleton import N_JOINTS
from helpers.tracking import track
from helpers.tracking.frame_to_frame import FrameToFrame
from helpers.verdicts import Result

#: Detect-and-Track's code never exports a box scored below this, and never links one smaller (px²).
EXPORT, AREA = 0.5, 50.0

#: The rows of PT-T2, and of KT-T4, whose keypoint scores lie in [0, 1].
BOX, KEYTRACK = (0.0, 0.5, 0.9, 0.95), (0.05, 0.35, 0.5, 0.57, 0.6)


def link(detections: People, video: Video, person: float = 0.0, labelled: bool = False) -> People:
    """The detections that a box threshold lets pass, with the ids of the frame-to-frame tracker.

    labelled: see labelled frames only, for networks that were run on no others.
    """
    which = np.flatnonzero(video.labelled) if labelled else None
    kept = keep_confident(detections, person, -np.inf, AREA)
    if labelled:
        kept = kept[video.labelled[kept.frame]]
    return track(kept, FrameToFrame(), len(video), which=which)


def exported(linked: People, joint: float = -np.inf, export: float = EXPORT) -> People:
    """What of the linked people reaches the evaluation: boxes scored at least `export`, joints at least `joint`."""
    return keep_confident(linked, export, joint)


class Sweep:
    """The same detections at any setting: S lists of V People; every setting is measured once.

    labelled: the detections are of labelled frames only, and only those are linked.
    """

    def __init__(self, videos: Sequence[Video], detections: Sequence[Sequence[People]], labelled: bool = False):
        self.videos, self.detections, self._labelled = videos, detections, labelled
        self._linked: dict[float, list[list[People]]] = {}
        self._measured: dict[tuple, Runs] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Number of runs S and of videos V."""
        return len(self.detections), len(self.videos)

    def linked(self, person: float) -> list[list[People]]:
        """What passes a box threshold, with ids."""
        if person not in self._linked:
            self._linked[person] = [
                [link(p, v, person, self._labelled) for p, v in zip(run, self.videos, strict=True)]
                for run in self.detections
            ]
        return self._linked[person]

    def at(
        self,
        person: float = 0.0,
        joint: float = -np.inf,
        export: float = EXPORT,
        ids: Callable[[People], People] | None = None,
    ) -> Runs:
        """What a setting scores; ids: a control that gives ids in place of the tracker."""
        key = person, joint, export, ids
        if key not in self._measured:
            linked = [[ids(p) if ids else p for p in run] for run in self.linked(person)]
            self._measured[key] = Runs(self.videos, [[exported(p, joint, export) for p in run] for run in linked])
        return self._measured[key]


def shuffled(detections: Sequence[People], field: str, seed: int | np.random.Generator) -> list[People]:
    """Control: the detections scored above 0.5, one field's values dealt out anew over all videos."""
    kept = [keep_confident(p, 0.5) for p in detections]
    values = np.concatenate([getattr(p, field).ravel() for p in kept])
    ends = np.cumsum([getattr(p, field).size for p in kept])[:-1]
    dealt = np.split(np.random.default_rng(seed).permutation(values), ends)
    return [p.replace(**{field: d.reshape(getattr(p, field).shape)}) for p, d in zip(kept, dealt, strict=True)]


#: What becomes of a predicted joint. LEFT_OUT: of a person who was found, but nobody annotated it.
NOT_COUNTED, RIGHT, MISPLACED, LEFT_OUT, NOBODY = range(5)


def fates(video: Video, detections: People) -> np.ndarray:
    """What becomes of each predicted joint (N, 15): RIGHT is within half a head of its person's joint.

    A detection belongs to the person that AP assigns it, one detection a person; NOBODY:
    it belongs to none. NOT_COUNTED where nothing is predicted, and in frames without labels.
    """
    pairs = evaluation.pair_up([video], [detections.replace(track=np.arange(len(detections)))])
    assigned, row = evaluation.assign_poses(pairs), pairs.predicted.track
    person = np.maximum(assigned, 0)
    annotated = pairs.truth.present[person] if len(pairs.truth) else np.zeros((len(row), N_JOINTS), bool)
    fate = np.where((assigned < 0)[:, None], NOBODY, np.where(annotated, MISPLACED, LEFT_OUT))
    chosen = assigned[pairs.predicted_row] == pairs.truth_row
    hit = np.zeros(fate.shape, bool)
    hit[pairs.predicted_row[chosen]] = pairs.matches[chosen]
    out = np.full(detections.present.shape, NOT_COUNTED)
    out[row] = np.where(pairs.predicted.present, np.where(hit, RIGHT, fate), NOT_COUNTED)
    return out


def left_out(videos: Sequence[Video]) -> np.ndarray:
    """Share (15,) of the labelled people whose joint is not annotated; NaN for joints nobody ever has."""
    present = np.concatenate([v.people.present[v.labelled[v.people.frame]] for v in videos])
    present = present[present.any(1)]
    return np.where(present.any(0), 1 - present.mean(0), np.nan)


def predicted_joints(videos: Sequence[Video], detections: Sequence[People]) -> dict[str, np.ndarray]:
    """Every predicted joint of the labelled frames: its box's score, its own, is it right, fate, joint; (K,).

    Keys: box, score, right, fate, joint. Only the people that are given compete for the
    annotated ones, so give those that are kept.
    """
    parts = []
    for video, p in zip(videos, detections, strict=True):
        fate = fates(video, p)
        row, joint = np.nonzero(fate)
        of_joint = fate[row, joint]
        parts.append((p.score[row], p.joint_score[row, joint], of_joint == RIGHT, of_joint, joint))
    columns = map(np.concatenate, zip(*parts, strict=True))
    return dict(zip(("box", "score", "right", "fate", "joint"), columns, strict=True))


def best_threshold(score: np.ndarray, right: np.ndarray) -> float:
    """The threshold at which the kept joints earn most MOTA: right ones kept minus wrong ones kept.

    score (K,), right (K,) bool; a joint is kept where its score is at least the threshold.
    −inf keeps all, inf drops all where every choice loses.
    """
    order = np.argsort(-np.asarray(score, float), kind="stable")
    ranked = np.asarray(score, float)[order]
    gain = np.cumsum(np.where(np.asarray(right, bool)[order], 1, -1))
    last = np.r_[ranked[1:] != ranked[:-1], True] if len(ranked) else np.zeros(0, bool)
    if not len(ranked) or gain[last].max() <= 0:
        return np.inf
    return float(ranked[last][np.argmax(gain[last])])


def calibrate(score: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Offset and slope of the most likely curve P(right | score) = σ(offset + slope · score).

    score (K,) unbounded, right (K,) bool. Raises WorkbookError unless right and wrong joints overlap in
    their scores: where a threshold separates them, steeper is always more likely.
    """
    x, y = np.c_[np.ones(len(score)), score], np.asarray(right, bool)
    good, bad = x[y, 1], x[~y, 1]
    if not (good.min(initial=np.inf) < bad.max(initial=-np.inf) and bad.min() < good.max()):
        raise WorkbookError("calibrate: needs right joints and wrong ones whose scores overlap.")

    def loss(w: np.ndarray) -> float:
        return float(np.logaddexp(0, np.where(y, -1, 1) * (x @ w)).mean())

    def slope(w: np.ndarray) -> np.ndarray:
        return x.T @ (expit(x @ w) - y) / len(y)

    def curvature(w: np.ndarray) -> np.ndarray:
        p = expit(x @ w)
        return (x * (p * (1 - p))[:, None]).T @ x / len(y)

    offset, steepness = minimize(loss, np.zeros(2), method="trust-exact", jac=slope, hess=curvature, tol=1e-10).x
    return float(offset), float(steepness)


def score_at(probability: float | np.ndarray, curve: tuple[float, float]) -> float | np.ndarray:
    """The score at which a calibration curve reaches a probability."""
    return (logit(probability) - curve[0]) / curve[1]


def regret(
    sweeps: dict[str, Sweep], thresholds: Sequence[float], folds: Sequence[np.ndarray], joints: dict[str, float]
) -> np.ndarray:
    """MOTA lost (A, B) where network b is run with the box threshold that is best for network a.

    joints: the keypoint threshold of each network. Every fold (V,) of video weights, 0 or 1,
    chooses once and the other videos are scored; the mean over folds. The loss is against
    b's own choice on the same fold, so the diagonal is 0 and a luckier choice is negative.
    """
    scored = {name: [s.at(t, joints[name], 0.0) for t in thresholds] for name, s in sweeps.items()}
    out = np.zeros((len(scored), len(scored)))
    for fold in folds:
        chosen = [int(np.argmax([m.mota(fold) for m in row])) for row in scored.values()]
        for b, row in enumerate(scored.values()):
            reached = np.array([row[k].mota(1 - fold) for k in chosen])
            out[:, b] += (reached[b] - reached) / len(folds)
    return out


#: The precisions that PT-T2 and DT-T1 print, and the recall that their thresholds cost, in points: at 0.9 and at 0.95
#: of PT's network, at 0.95 of DT's. Where a network stands is matched by these, not by the number 0.95. A precision
#: counts as reached with at least half of the recall printed beside it: nobody tracks with less.
PT_PRECISION, DT_PRECISION = (53.0, 67.4, 70.9), (83.3, 88.1)
PT_RECALL, DT_RECALL = (77.6, 72.1, 69.0), (70.8, 66.5)
PT_LOSS, DT_LOSS = (5.5, 8.6), 4.3


@dataclass(frozen=True)
class Chosen:
    """What is chosen for a set of predictions, on tuning videos, before the claims are measured.

    person, joint: box and keypoint threshold. pt_precise, dt_precise: box thresholds that reach the printed
    precisions, PT's with every joint, DT's without those below `joint`; pt_lost, dt_lost: those that lose the
    printed recall. NaN where no threshold does. keypoints: the lowest keypoint threshold of KT-T4, the one that is
    best for MOTA and the highest, in units of the joint scores.
    """

    person: float
    joint: float
    pt_precise: tuple[float, ...] = (np.nan,) * len(PT_PRECISION)
    dt_precise: tuple[float, ...] = (np.nan,) * len(DT_PRECISION)
    pt_lost: tuple[float, ...] = (np.nan,) * len(PT_LOSS)
    dt_lost: float = np.nan
    keypoints: tuple[float, ...] = (np.nan,) * 3


def choose_boxes(tuning: Sweep, person: float, joint: float) -> Chosen:
    """The box thresholds at which a network does what the printed ones do, from its detections in tuning videos."""
    every, sure = operating_curve(tuning), operating_curve(tuning, joint)
    whole, dropped = tuning.at(EXPORT).recall(), tuning.at(EXPORT, joint).recall()
    return Chosen(
        person,
        joint,
        tuple(threshold_at(every, "precision", p, r / 2) for p, r in zip(PT_PRECISION, PT_RECALL, strict=True)),
        tuple(threshold_at(sure, "precision", p, r / 2) for p, r in zip(DT_PRECISION, DT_RECALL, strict=True)),
        tuple(threshold_at(every, "recall", whole - lost) for lost in PT_LOSS),
        threshold_at(sure, "recall", dropped - DT_LOSS),
    )


def choose_keypoints(tuning: Sweep, chosen: Chosen, rows: Sequence[float]) -> Chosen:
    """The same with KT-T4's two ends (rows: in units of the joint scores) and the one between that is best for MOTA."""
    best = max(rows[1:-1], key=lambda j: tuning.at(chosen.person, j).mota())
    return replace(chosen, keypoints=(rows[0], best, rows[-1]))


def operating_curve(sweep: Sweep, joint: float = -np.inf, points: int = 24) -> dict[str, np.ndarray]:
    """Precision and recall (points,) in per cent of box thresholds at even shares of the scores, export included.

    Raises WorkbookError unless there are detections and all their scores lie in [0, 1].
    """
    scores = np.concatenate([p.score for run in sweep.detections for p in run])
    if not len(scores) or not ((scores >= 0) & (scores <= 1)).all():
        raise WorkbookError("operating points: detections are needed, all scored in [0, 1].")
    thresholds = np.unique(np.quantile(scores, np.linspace(0, 0.98, points)))
    found = [[[keep_confident(p, t, joint, AREA) for p in run] for run in sweep.detections] for t in thresholds]
    # Neither depends on ids, so every detection is a track of its own.
    apart = [[[p.replace(track=np.arange(len(p))) for p in run] for run in some] for some in found]
    measured = [Runs(sweep.videos, some) for some in apart]
    return {
        "threshold": thresholds,
        "precision": np.array([m.precision() for m in measured]),
        "recall": np.array([m.recall() for m in measured]),
    }


def threshold_at(curve: dict[str, np.ndarray], measure: str, wanted: float, least_recall: float = 0.0) -> float:
    """The box threshold at which a curve passes a value, between its points in log-odds.

    Precision passes it upwards, recall downwards, the first time that they do. NaN where they never do, or only
    where recall is below `least_recall`.
    """
    kept = curve["recall"] >= least_recall
    ahead, thresholds = curve[measure][kept] - wanted, curve["threshold"][kept]
    steps = np.diff(np.sign(ahead)) * (1 if measure == "precision" else -1)
    if not (steps > 0).any():
        return float("nan")
    k = int(np.argmax(steps > 0))
    share = ahead[k] / (ahead[k] - ahead[k + 1])
    odds = logit(np.clip(thresholds[k : k + 2], 1e-6, 1 - 1e-6))
    return float(expit(odds[0] + share * (odds[1] - odds[0])))


def _steps(levels: Sequence[float]) -> np.ndarray:
    return np.diff(np.asarray(levels, float))


def _boxes(sweep: Sweep, thresholds: Sequence[float], joint: float, measure: Callable[[Runs], float]) -> np.ndarray:
    """A measure at box thresholds that hold for linking and export alike; NaN for a threshold that there is not."""
    return np.array([measure(sweep.at(t, joint, 0.0)) if np.isfinite(t) else np.nan for t in thresholds])


def _box_steps(w: Sweep, joint: float, precise: Sequence[float], v: Weights, s: Weights) -> np.ndarray:
    """PT-C4, DT-C1: what MOTA gains by not tracking what is not exported, and along the matched thresholds."""
    tracked = w.at(EXPORT, joint).mota(v, s) - w.at(0.0, joint).mota(v, s)
    return np.r_[tracked, _steps(_boxes(w, precise, joint, lambda m: m.mota(v, s)))]


def _lost_ap(w: Sweep, joint: float, lost: Sequence[float], v: Weights, s: Weights) -> np.ndarray:
    """PT-C5, DT-C2: what each of the thresholds costs in mAP after the one before, the first after the export's."""
    return -_steps([w.at(EXPORT, joint).ap(v, s), *_boxes(w, lost, joint, lambda m: m.ap(v, s))])


def _dropping(sweep: Sweep, chosen: Chosen) -> tuple[Runs, Runs]:
    """Before and after low-scored keypoints are dropped."""
    return sweep.at(chosen.person), sweep.at(chosen.person, chosen.joint)


def largest_difference(a: Runs, b: Runs) -> float:
    """PT-C6: the largest difference in mAP, precision and recall."""
    return float(np.max([abs(a.ap() - b.ap()), abs(a.precision() - b.precision()), abs(a.recall() - b.recall())]))


def drop_balance(before: Runs, after: Runs, v: Weights = None, s: Weights = None) -> np.ndarray:
    """PT-C11: the gain in MOTA, the gain in precision and the loss of recall."""
    return np.array(
        [
            after.mota(v, s) - before.mota(v, s),
            after.precision(v, s) - before.precision(v, s),
            before.recall(v, s) - after.recall(v, s),
        ]
    )


#: The joint groups that PT-C12 compares ankle and wrist with.
OTHERS = ("Head", "Shoulder", "Elbow", "Hip", "Knee")


def ends_gain_most(before: Runs, after: Runs, v: Weights = None, s: Weights = None) -> np.ndarray:
    """PT-C12: the mean gain of ankle and wrist minus that of each other joint group."""
    first, then = before.mota_of_groups(v, s), after.mota_of_groups(v, s)
    gain = {g: then[g] - first[g] for g in first}
    return np.array([(gain["Ankle"] + gain["Wrist"]) / 2 - gain[g] for g in OTHERS])


def _keypoint_rows(w: Sweep, c: Chosen) -> tuple[Runs, Runs, Runs]:
    """With the lowest keypoint threshold, the best one and the highest."""
    low, best, high = (w.at(c.person, joint) for joint in c.keypoints)
    return low, best, high


def inner_maximum(low: float, best: float, high: float) -> np.ndarray:
    """KT-C12: MOTA at the best threshold minus that at each end."""
    return np.array([best - low, best - high])


def moved_per_switch(low: Runs, best: Runs, v: Weights = None, s: Weights = None) -> np.ndarray:
    """KT-C13: the gain of MOTA minus ten times the change of the share of switches, taken either way."""
    gain = best.mota(v, s) - low.mota(v, s)
    fewer = low.switch_share(v, s) - best.switch_share(v, s)
    return np.array([gain - 10 * fewer, gain + 10 * fewer])


#: Claim: (sweep, chosen, video weights, seed weights) → its components, as data/papers says.
MEASURES: dict[str, Callable[..., np.ndarray]] = {
    "PT-C4": lambda w, c, v, s: _box_steps(w, -np.inf, c.pt_precise, v, s),
    "PT-C5": lambda w, c, v, s: _lost_ap(w, -np.inf, c.pt_lost, v, s),
    "PT-C11": lambda w, c, v, s: drop_balance(*_dropping(w, c), v, s),
    "PT-C12": lambda w, c, v, s: ends_gain_most(*_dropping(w, c), v, s),
    "DT-C1": lambda w, c, v, s: _box_steps(w, c.joint, c.dt_precise, v, s),
    "DT-C2": lambda w, c, v, s: _lost_ap(w, c.joint, [c.dt_lost], v, s),
    "KT-C11": lambda w, c, v, s: -_steps([r.ap(v, s, "joint") for r in _keypoint_rows(w, c)[:2]]),
    "KT-C12": lambda w, c, v, s: inner_maximum(*(r.mota(v, s) for r in _keypoint_rows(w, c))),
    "KT-C13": lambda w, c, v, s: moved_per_switch(*_keypoint_rows(w, c)[:2], v, s),
}


def result(claim: str, sweep: Sweep, chosen: Chosen, data: str, source: str) -> Result:
    """A claim's components on one data set; PT-C6 and O-25 are properties and have no interval."""
    if claim == "PT-C6":
        return Result.exact(claim, largest_difference(sweep.at(0.0), sweep.at(0.5)), data, source)
    if claim == "O-25":
        before, after = _dropping(sweep, chosen)
        return Result.exact(claim, abs(before.ap() - after.ap()), data, source)
    return runs.result(claim, data, source, lambda v, s: MEASURES[claim](sweep, chosen, v, s), sweep.shape)
