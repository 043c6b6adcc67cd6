"""Costs added up, the paper's form of PCK, a control that moves boxes on, and how notebook 07 measures its claims.

The sum is Detect-and-Track's "all combined" (DT-T3), whose weights the paper does not give. PT-T4 and DT-T3
are compared over videos and, for the LSTM, training runs: everything on the same resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from helpers import WorkbookError, evaluation
from helpers.geometry import joint_distances
from helpers.ledger import Result, paired_bootstrap
from helpers.people import People, Video
from helpers.skeleton import INDEX, group_means
from helpers.tracking.comparison import errors_of, mota
from helpers.tracking.frame_to_frame import FrameToFrame

#: Head size over the distance from head_top to head_bottom (PCKh), and body height in heads where the head is not seen.
PCKH_FACTOR, HEADS_TALL = 0.6, 7.0


def pck_cost_of_paper(previous: People, current: People, threshold: float = 0.5) -> np.ndarray:
    """1 − share of the *common* joints closer than `threshold` head sizes (N, M), in [0, 1].

    What the papers' PCKh says, as against what the code does (`costs.pck_cost`): joints that one of the
    two lacks do not count, and the head size has PCKh's factor 0.6. Without common joints the cost is 1.
    A person whose head was not found is taken to be seven heads tall.
    """
    top, bottom = INDEX["head_top"], INDEX["head_bottom"]
    length = np.linalg.norm(previous.xy[:, top] - previous.xy[:, bottom], axis=-1)
    seen = previous.present[:, top] & previous.present[:, bottom]
    head = PCKH_FACTOR * np.where(seen, length, (previous.box[:, 3] - previous.box[:, 1]) / HEADS_TALL)
    distance = joint_distances(previous, current)
    common = np.isfinite(distance).sum(-1)
    with np.errstate(invalid="ignore"):
        near = (distance < threshold * head[:, None, None]).sum(-1)
    return 1.0 - near / np.maximum(common, 1)


def weighted(costs: dict[str, Callable], weights: dict[str, float]) -> Callable[[People, People], np.ndarray]:
    """The cost Σ weight · cost over named costs, (previous, current) → (N, M); weight 0 leaves one out (DT).

    Raises WorkbookError for a weight that is negative or names no cost, and, when linking, for
    a cost that is no number, with its frame and pair.
    """
    bad = [name for name, weight in weights.items() if name not in costs or not weight >= 0]
    if bad:
        raise WorkbookError(f"weights: {bad[0]!r} with {weights[bad[0]]} is no cost with a weight of at least 0; "
                            f"there are {', '.join(costs)}.")
    used = {name: weight for name, weight in weights.items() if weight > 0}

    def total(previous: People, current: People) -> np.ndarray:
        out = np.zeros((len(previous), len(current)))
        for name, weight in used.items():
            out += weight * _numbers(name, costs[name](previous, current), current)
        return out

    return total


def _numbers(name: str, cost: np.ndarray, current: People) -> np.ndarray:
    if np.isnan(cost).any():
        i, j = np.argwhere(np.isnan(cost))[0]
        raise WorkbookError(f"cost {name!r}: frame {current.frame[j]}, pair ({i}, {j}) is not a number.")
    return cost


class ConstantVelocity(FrameToFrame):
    """Control: each remembered box is moved on by its track's last displacement before it is compared.

    A track of one frame stays where it is. Memory of one frame, as the tracker beside it.
    """

    def __init__(self, cost: Callable[[People, People], np.ndarray] | None = None):
        super().__init__(*[cost] if cost else [])
        self._boxes: dict[int, np.ndarray] = {}

    def step(self, frame_people: People, image: np.ndarray | None = None) -> np.ndarray:
        """Track ids (N,) of one frame's people; the image is not used."""
        ids = super().step(frame_people, image)
        moved = [box + (box - self._boxes.get(i, box)) for i, box in zip(ids.tolist(), frame_people.box)]
        self._boxes = dict(zip(ids.tolist(), frame_people.box))
        self._known = frame_people.replace(box=np.reshape(moved, (-1, 4)))
        return ids


# --- measuring ------------------------------------------------------------------------------------

class Linked:
    """How well one way to link does: S runs on the same V videos. One run stands for every seed.

    errors (S, V, 2, 15) as in `comparison`; `row()` gives the numbers that the papers print.
    """

    def __init__(self, videos: Sequence[Video], runs: Sequence[Sequence[People]]):
        self._counts = [evaluation.clear_mot(videos, tracked) for tracked in runs]
        self.errors = np.stack([errors_of(c) for c in self._counts])

    def mota(self, videos=None, seeds=None) -> float:
        """MOTA in per cent, pooled over runs; videos (V,), seeds (S,): how often each counts."""
        return mota(self.errors, videos, None if len(self.errors) == 1 else seeds)

    def by_video(self) -> np.ndarray:
        """MOTA of each video (V,), pooled over runs."""
        return np.array([mota(self.errors[:, [v]]) for v in range(self.errors.shape[1])])

    def of_detections(self, videos=None) -> np.ndarray:
        """MOTP, precision and recall (3,) in per cent, means over joints and runs."""
        whole = [c.sum(videos) for c in self._counts]
        measures = (evaluation.motp, evaluation.precision, evaluation.recall)
        return np.array([np.mean([np.nanmean(measure(c)) for c in whole]) for measure in measures])

    def switches(self) -> float:
        """Identity switches, all joints, the mean over runs."""
        return float(np.mean([c.switches.sum() for c in self._counts]))

    def row(self) -> dict[str, float]:
        """A row as in PT-T4 and DT-T3: MOTA by column group, MOTP, precision, recall."""
        by_joint = np.mean([evaluation.mota(c.sum()) for c in self._counts], 0)
        out = {f"MOTA {group}": value for group, value in group_means(by_joint).items()}
        return out | dict(zip(("MOTP", "Prec", "Rec"), self.of_detections()))


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
