"""How well a top-down network finds joints in true boxes: SB-T2's question, and what each step of decoding is worth.

Notebook 08 asks it of eight networks, with flip test, shift and quarter offset on and off, beside two answers that
know nothing of the picture: the mean pose in the box, and the joints of the next person.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn

from helpers.detections import predicting
from helpers.evaluation.oks import OksSamples, ap_of_samples, oks_ap, oks_samples
from helpers.experiments import runs
from helpers.geometry import box_iou
from helpers.intervals import Weights
from helpers.nets import crops, heatmaps, top_down
from helpers.nets.sampling import frames_of
from helpers.people import People, Video, concatenate
from helpers.places import BUILD
from helpers.skeleton import N_JOINTS, OKS_SIGMAS
from helpers.training import Plan
from helpers.verdicts import Result

#: Ways to decode, by name: flip test, cells by which the mirrored maps move, quarter offset; the last is the paper's.
DECODINGS: dict[str, tuple[bool, int, bool]] = {
    "highest cell": (False, 0, False),
    "quarter offset": (False, 0, True),
    "flip without shift": (True, 0, False),
    "flip without shift, quarter": (True, 0, True),
    "flip with shift": (True, 1, False),
    "flip with shift, quarter": (True, 1, True),
}
#: What each step adds: a way to decode and the same without the step.
STEPS = {
    "quarter offset": ("flip with shift, quarter", "flip with shift"),
    "flip test with shift": ("flip with shift, quarter", "quarter offset"),
    "shift of one cell": ("flip with shift, quarter", "flip without shift, quarter"),
}
#: People whose crops are held at once.
BATCH = 64


def thinned(video: Video, every: int) -> Video:
    """A video of whose labelled frames only every so manieth is labelled."""
    kept = np.flatnonzero(video.labelled)[::every]
    labelled = np.isin(np.arange(len(video)), kept)
    return replace(video, labelled=labelled, people=video.people[np.isin(video.people.frame, kept)])


def in_true_boxes(model: nn.Module, video: Video, **how: bool | int) -> People:
    """The joints of everyone labelled who has a box of some area in the image, score 1 × their joints' mean.

    how: flip, shift, quarter, see `top_down.look`.
    """
    boxes = top_down.usable(video)
    which = np.unique(boxes.frame)
    return top_down.detect(model, frames_of(video), which, boxes.replace(score=np.ones(len(boxes))), **how)


def found_in_truth(
    plan: Plan, videos: Sequence[Video], device: str | None = None, data: Path = BUILD
) -> tuple[list[Video], list[People]]:
    """What a plan's network finds in the true boxes of the first val videos, and these videos thinned alike.

    From the file that ships, or, where a device is named, trained and run now (`predicting.found_by`).
    """
    found, _ = predicting.found_by(plan, "val", len(videos), device=device, boxes="truth", data=data)
    every = predicting.row_of(plan, "val", len(videos), boxes="truth").every
    return [thinned(v, every) for v in videos], found


def behind_a_detector(model: nn.Module, video: Video, boxes: People, least: float = 0.5) -> People:
    """The joints in a detector's boxes of a video's labelled frames, those scored at least `least` (SB-N6)."""
    kept = boxes[(boxes.score >= least) & video.labelled[boxes.frame]]
    return top_down.detect(model, frames_of(video), np.unique(kept.frame), kept)


def average_precision(videos: Sequence[Video], found: Sequence[People]) -> float:
    """OKS-AP in [0, 1], the mean over the ten thresholds; areas are the true boxes'."""
    return float(oks_ap(videos, found).mean())


# --- what tells networks apart -------------------------------------------------------------------------


class PoseRuns:
    """S training runs of one network in the boxes of the same V videos: OKS-AP, and how near each joint comes.

    videos: thinned to the frames that were looked at; found: S lists of V People. Everything is the mean over runs,
    in per cent. Matches are made once.
    """

    def __init__(self, videos: Sequence[Video], found: Sequence[Sequence[People]]):
        self.videos, self.found = videos, found
        self._known: dict[tuple, np.ndarray] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Number of runs S and of videos V."""
        return len(self.found), len(self.videos)

    @cached_property
    def _samples(self) -> list[OksSamples]:
        return [oks_samples(self.videos, run) for run in self.found]

    @cached_property
    def _near(self) -> tuple[np.ndarray, np.ndarray]:
        """Sums (S, V, 15) of the joints' OKS terms, and of annotated joints."""
        sums = np.zeros((2, *self.shape, N_JOINTS))
        for s, run in enumerate(self.found):
            for v, (video, found) in enumerate(zip(self.videos, run, strict=True)):
                term, shown = joint_terms(video, found)
                sums[:, s, v] = (term * shown).sum(0), shown.sum(0)
        return sums[0], sums[1]

    def _runs(self, seeds: Weights) -> np.ndarray:
        return np.ones(self.shape[0]) if seeds is None or self.shape[0] == 1 else np.asarray(seeds, float)

    def by_threshold(self, videos: Weights = None, seeds: Weights = None) -> np.ndarray:
        """AP at each of the ten OKS thresholds (10,)."""
        weights = self._runs(seeds)
        each = [self._ap(run, videos) if w else np.zeros(10) for run, w in enumerate(weights)]
        return 100 * (weights @ each) / weights.sum()

    def ap(self, videos: Weights = None, seeds: Weights = None) -> float:
        """AP as SB-T2 prints it, the mean over the ten thresholds."""
        return float(self.by_threshold(videos, seeds).mean())

    def _ap(self, run: int, videos: Weights) -> np.ndarray:
        key = run, None if videos is None else np.asarray(videos, float).tobytes()
        if key not in self._known:  # several claims leave the same videos out
            self._known[key] = ap_of_samples(self._samples[run], videos)
        return self._known[key]

    def nearness(self, videos: Weights = None, seeds: Weights = None) -> np.ndarray:
        """The mean OKS term of each joint (15,), 100 = exactly there; NaN for a joint that nobody shows."""
        near, shown = self._near
        drawn = np.outer(self._runs(seeds), np.ones(self.shape[1]) if videos is None else videos)
        total = np.tensordot(drawn, shown, 2)
        return 100 * np.tensordot(drawn, near, 2) / np.where(total > 0, total, np.nan)


def joint_terms(video: Video, found: People) -> tuple[np.ndarray, np.ndarray]:
    """exp(−d² / 2 s² κ²) of each joint of the people with a box (N, 15), s² their area, and which are annotated.

    Everyone is judged by the person found in the very box; without one every joint is infinitely far.
    """
    truth, own = matched(video, found)
    area = (truth.box[:, 2:] - truth.box[:, :2]).prod(1)
    off = ((truth.xy - own) ** 2).sum(-1) / (2 * OKS_SIGMAS) ** 2 / (area[:, None] + np.spacing(1)) / 2
    return np.exp(-np.where(np.isfinite(off), off, np.inf)), truth.present


def matched(video: Video, found: People) -> tuple[People, np.ndarray]:
    """People with a usable box, frame after frame, and the joints (N, 15, 2) found in each one's; NaN without any."""
    truth = top_down.usable(video)
    truth = truth[np.argsort(truth.frame, kind="stable")]
    own = np.full(truth.xy.shape, np.nan)
    by_frame = found.rows_by_frame(len(video))
    for t in np.unique(truth.frame):
        here, there = np.flatnonzero(truth.frame == t), by_frame[t]
        if len(there):
            overlap = box_iou(truth.box[here], found.box[there])
            best = overlap.argmax(1)
            own[here] = np.where((overlap.max(1) > 0.5)[:, None, None], found.xy[there][best], np.nan)
    return truth, own


def _minus(better: str, worse: str) -> Callable[..., float]:
    return lambda n, v, s: n[better].ap(v, s) - n[worse].ap(v, s)


#: Claim: for each of its components the rows of SB-T2, the first's AP minus the second's.
PAIRS = {
    "SB-C1": (("a", "b"),),
    "SB-C2": (("a", "c"),),
    "SB-C3": (("e", "a"), ("f", "e")),
    "SB-C4": (("a", "g"), ("h", "a")),
}
#: Claim: (networks by row, video weights, seed weights) → its components, as data/papers says.
MEASURES: dict[str, Callable[..., np.ndarray]] = {
    claim: lambda n, v, s, pairs=pairs: np.array([_minus(*pair)(n, v, s) for pair in pairs])
    for claim, pairs in PAIRS.items()
}


def result(claim: str, networks: dict[str, PoseRuns], source: str = "network") -> Result:
    """A claim's components and their intervals over videos and training runs, on the built-in world."""
    shape = runs.shape_of(networks.values())
    return runs.result(claim, "puppets", source, lambda v, s: MEASURES[claim](networks, v, s), shape)


# --- decoding ------------------------------------------------------------------------------------------


@torch.inference_mode()
def decodings(model: nn.Module, video: Video) -> dict[str, People]:
    """Everyone's joints by each way of `DECODINGS`, from one look at the crops and one at the mirrored ones."""
    boxes = top_down.usable(video)
    boxes = boxes[np.argsort(boxes.frame, kind="stable")]
    boxes = boxes.replace(score=np.ones(len(boxes)))
    found: dict[str, list[People]] = {name: [] for name in DECODINGS}
    for start in range(0, len(boxes), BATCH):
        some = boxes[start : start + BATCH]
        maps, heat, mirrored = both_ways(model, video, some)
        for name, (flip, shift, quarter) in DECODINGS.items():
            flipped = heatmaps.unflipped(mirrored, shift, top_down.flip_of(model.config.joints))
            seen = (heat + flipped) / 2 if flip else heat
            found[name].append(top_down.read(seen, maps, some, model.config, quarter))
    return {name: concatenate(parts) for name, parts in found.items()}


@torch.inference_mode()
def both_ways(model: nn.Module, video: Video, boxes: People) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    """Maps (N, 2, 3) of some people's crops, their heatmaps (N, J, h, w), and those of the mirrored crops."""
    shown, of = np.unique(boxes.frame, return_inverse=True)
    maps = crops.affines(boxes.box, model.config.size)
    images = crops.stacked([frames_of(video)[int(t)] for t in shown])
    images = crops.warp(images, of, maps, model.config.size)
    return maps, *(top_down.heat_of(model, seen, flip=False) for seen in (images, images.flip(-1)))


def by_decoding(models: Iterable[nn.Module], videos: Sequence[Video]) -> dict[str, PoseRuns]:
    """Training runs of a network in the true boxes of videos, by each way to decode."""
    each = [[decodings(model, video) for video in videos] for model in models]
    return {name: PoseRuns(videos, [[one[name] for one in run] for run in each]) for name in DECODINGS}


def effect(better: PoseRuns, worse: PoseRuns) -> tuple[float, tuple[float, float]]:
    """AP of one way minus the other's, in points, with its paired 95 % interval over videos and runs."""
    return runs.estimate(lambda v, s: better.ap(v, s) - worse.ap(v, s), runs.shape_of((better, worse)))


# --- controls ------------------------------------------------------------------------------------------


def mean_pose(videos: Sequence[Video]) -> np.ndarray:
    """Where each joint lies in its person's box on average (15, 2), (0, 0) the first corner and (1, 1) the last."""
    some = concatenate([top_down.usable(v) for v in videos])
    inside = (some.xy - some.box[:, None, :2]) / (some.box[:, None, 2:] - some.box[:, None, :2])
    return np.where(some.present[..., None], inside, 0).sum(0) / some.present.sum(0)[:, None]


def box_alone(video: Video, pose: np.ndarray) -> People:
    """The control that sees no picture: everybody usable has this pose (15, 2), stretched to the box."""
    boxes = top_down.usable(video)
    xy = boxes.box[:, None, :2] + pose * (boxes.box[:, None, 2:] - boxes.box[:, None, :2])
    ones = np.ones((len(boxes), N_JOINTS))
    return boxes.replace(xy=xy, present=ones > 0, joint_score=ones, score=np.ones(len(boxes)))


def of_the_next(found: People) -> People:
    """The control that sees the wrong picture: each box holds the joints that were found in the next one's."""
    corner, side = found.box[:, None, :2], found.box[:, None, 2:] - found.box[:, None, :2]
    inside = np.roll((found.xy - corner) / np.maximum(side, 1), 1, axis=0)
    return found.replace(
        xy=corner + inside * side, joint_score=np.roll(found.joint_score, 1, axis=0), score=np.roll(found.score, 1)
    )


def cells_alone(video: Video, config: top_down.CropConfig) -> People:
    """The ceiling of a network's cells: everybody's true joints, each rounded to the nearest cell of the own crop."""
    boxes = top_down.usable(video)
    maps = crops.affines(boxes.box, config.size)
    cell = np.floor(crops.moved(maps, np.nan_to_num(boxes.xy)) / config.stride + 0.5)
    xy = crops.moved(crops.inverse(maps), cell * config.stride)
    ones = np.ones((len(boxes), N_JOINTS))
    return boxes.replace(xy=xy, present=ones > 0, joint_score=ones, score=np.ones(len(boxes)))
