"""The networks that the workbook itself trains, and how (notebooks 03, 04, 07 and 08)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from helpers import WorkbookError
from helpers.nets import deconv_pose, inflate, keypoint_rcnn, track_lstm, tubes
from helpers.nets.resnet import BodyConfig
from helpers.parameters import checked_budget
from helpers.training.loop import Recipe, Span


@dataclass(frozen=True)
class Plan:
    """One network: what it is, how it is trained, what it starts from.

    network: a configuration of `nets.registry`; start: the plan whose weights it takes over,
    None = random ones; variant: a size or budget that is not the shipped one; every: of the
    labelled frames only each so manieth is looked at (with a budget).
    """

    label: str
    network: object
    recipe: Recipe
    start: Plan | None = None
    seed: int = 0
    variant: str = ""
    every: int = 1

    @property
    def name(self) -> str:
        """Of its files; every plan has its own."""
        return "-".join(filter(None, (self.label, self.variant, str(self.seed))))

    @property
    def configuration(self) -> dict:
        """What its weights must have been made from."""
        return {"network": self.network, "recipe": self.recipe, "start": self.start.name if self.start else ""}


#: What stands in for COCO: single frames of other puppet videos than the sixty of the training split.
STILLS, TRAIN, WIDE = Span("train", 60, 860), Span("train", 0, 60), Span("train", 0, 860)
#: Training and validation in one (SB-T8): a fifth more videos, as PoseTrack'17 has (250 and 50), equally many epochs.
MORE, MORE_SHARE = Span("train", 0, 72), 1.2

_PAPER = replace(keypoint_rcnn.PAPER_R50, frozen_norm=False), replace(tubes.PAPER, frozen_norm=False)
_SMALL: dict[str, Any] = {"short_side": 90, "long_side": 160, "keypoint_width": 8, "proposals": 6, "rois": 8}
_MINIATURE = (
    replace(_PAPER[0], body=replace(_PAPER[0].body, width=8), channels=16, box_width=16, **_SMALL),
    replace(_PAPER[1], body=replace(_PAPER[1].body, width=8), anchors=16, **_SMALL),
)

#: Networks by size: the frame-level keypoint network that is shown and tracked with, the frame-level and the tube
#: network that are compared. "slim" compares narrow ones on small frames: what a processor core can train to where
#: more steps no longer help, for every seed. "paper" is as large as the papers' and asks for a GPU; its normalisation
#: learns, too, because here it starts from random weights. "miniature" has the papers' layers with few channels
#: on small frames, to try every step of a paper-sized run on a processor.
SIZES = {
    "slim": (keypoint_rcnn.SLIM, keypoint_rcnn.NARROW, tubes.NARROW),
    "paper": (_PAPER[0], *_PAPER),
    "miniature": (_MINIATURE[0], *_MINIATURE),
}

#: Steps of what the compared networks start from, of the comparisons, and of the LSTM.
START_STEPS, ABLATION_STEPS, NORM_STEPS, DETECTOR_STEPS, BACKBONE_STEPS = 1500, 600, 200, 600, 150
TUBE_STEPS, LSTM_STEPS = 200, 3000

#: Depth and head of the networks that compare bodies, all from scratch.
BACKBONES = ((18, "fpn"), (34, "fpn"), (50, "fpn"), (18, "c4"))


@dataclass(frozen=True)
class PoseScale:
    """Sizes of the pose networks: what SB-T2's rows vary and what they share.

    depths: of the body, three; unit: a third of the tallest crops, in pixels; stages, width: of the body; channels: of
    the deconvolutions; long_width: of the body of the network that is trained longer.
    """

    depths: tuple[int, int, int]
    unit: int
    stages: int
    width: int
    channels: int
    long_width: int


#: Slim ones have half of everything, crops and, without the last stage, strides: their maps have the paper's cells.
POSES = {
    "slim": PoseScale((18, 34, 50), 64, 3, 16, 32, 32),
    "paper": PoseScale((50, 101, 152), 128, 4, 64, 256, 64),
    "miniature": PoseScale((50, 101, 152), 64, 3, 8, 16, 8),
}
#: SB-T2: which of the three depths, height of the crops in units, deconvolutions, kernel.
POSE_ROWS = {
    "a": (0, 2, 3, 4),
    "b": (0, 2, 2, 4),
    "c": (0, 2, 3, 2),
    "d": (0, 2, 3, 3),
    "e": (1, 2, 3, 4),
    "f": (2, 2, 3, 4),
    "g": (0, 1, 3, 4),
    "h": (0, 3, 3, 4),
}
#: Steps of 16 people: of the eight rows, and of the network that others take their poses from.
POSE_STEPS, POSE_ESTIMATOR_STEPS = 1000, 5000


@dataclass(frozen=True)
class Scale:
    """How large a notebook computes: size of its networks, where to train them (None = they ship), budget in steps."""

    size: str = "slim"
    device: str | None = None
    budget: int | None = None

    def plans(self, seed: int = 0) -> dict[str, Plan]:
        """The plans of a seed by label, cut to the budget."""
        return stage_one(seed, self.size, self.budget)

    def few(self, n: int) -> int:
        """So many of n videos: all, or four with a budget."""
        return n if self.budget is None else min(n, 4)


def scale(profile: str, budget: int | None = None) -> Scale:
    """What a notebook's profile means: slim networks that ship, or the papers' sizes, trained now on a GPU.

    With a budget, and no GPU, the gpu profile runs in miniature on the processor. Raises
    WorkbookError for a budget that is no number of steps.
    """
    checked_budget(budget)
    if profile != "gpu":
        return Scale(budget=None)
    here = budget is None or torch.cuda.is_available()
    return Scale(*(("paper", "cuda") if here else ("miniature", "cpu")), budget)


def stage_one(seed: int = 0, size: str = "slim", budget: int | None = None) -> dict[str, Plan]:
    """The networks that ship with the workbook or that its notebooks train, by label.

    size: "slim", or "paper" or "miniature", the same plans with the papers' networks. Raises
    WorkbookError for another. budget: at most so many steps and training videos each.
    """
    if size not in SIZES:
        raise WorkbookError(f"size {size!r} of the networks is unknown; there are {', '.join(SIZES)}.")
    frame, compared, tube = SIZES[size]
    stills = Plan("keypoint_rcnn-stills", frame, Recipe(STILLS, 1200))
    middle = Plan("keypoint_rcnn-middle", frame, _tuned(900, seed), stills, seed)
    wide = Plan("keypoint_rcnn-wide", frame, Recipe(WIDE, 1500, rate=6e-4, seed=seed), middle, seed)
    # Another seed for each later stretch, else it would draw the frames of the one before again.
    late = Plan("keypoint_rcnn-late", frame, Recipe(WIDE, 900, rate=3e-4, seed=seed + 100), wide, seed)
    plans = [stills, middle, wide, late]
    plans += [Plan("keypoint_rcnn", frame, Recipe(WIDE, 900, rate=3e-4, seed=seed + 200), late, seed)]
    start = Plan("compared-stills", compared, Recipe(STILLS, START_STEPS))
    plans += [start]
    for kind, fixed, steps in (("averaged", True, ABLATION_STEPS), ("averaged_norm", False, NORM_STEPS)):
        part = replace(compared, frozen_norm=fixed)
        networks = {"2d": part} | {s: inflate.AveragedConfig(part, scheme=s) for s in inflate.SCHEMES}
        plans += [Plan(f"{kind}-{k}", net, _tuned(steps, seed), start, seed) for k, net in networks.items()]
    plans += _detectors(compared, start, seed) + _bodies(compared, seed) + _tube_networks(tube, seed) + _lstms(seed)
    plans += _poses(POSES[size], seed)
    return {plan.label: _cut(plan, size, budget) for plan in plans}


def _cut(plan: Plan, size: str, budget: int | None) -> Plan:
    """A plan, and those it starts from, with the name of its size and within the budget."""
    start = _cut(plan.start, size, budget) if plan.start else None
    variant = "" if size == "slim" else size
    if budget is None:
        return replace(plan, start=start, variant=variant)
    recipe, span = plan.recipe, plan.recipe.data
    data = replace(span, last=min(span.last, span.first + budget))
    recipe = replace(recipe, data=data, steps=min(recipe.steps, budget), batch=min(recipe.batch, budget))
    return replace(
        plan, recipe=recipe, start=start, variant="-".join(filter(None, (variant, f"budget{budget}"))), every=12
    )


def _tuned(steps: int, seed: int) -> Recipe:
    return Recipe(TRAIN, steps, rate=5e-4, seed=seed)


def _detectors(frame: keypoint_rcnn.KeypointRcnnConfig, stills: Plan, seed: int) -> list[Plan]:
    """LightTrack's two detectors, with a deformable last stage, and the plain pyramid."""
    recipe = Recipe(TRAIN, DETECTOR_STEPS, seed=seed)
    deformable = replace(frame.body, deformable=True)
    kinds = (("fpn", "fpn", deformable), ("rfcn", "rfcn", deformable), ("plain", "fpn", frame.body))
    return [
        Plan(f"detector-{kind}", _with_head(frame, head, body, joints=0), recipe, stills, seed)
        for kind, head, body in kinds
    ]


def _bodies(frame: keypoint_rcnn.KeypointRcnnConfig, seed: int) -> list[Plan]:
    """Bodies of several depths, with and without a pyramid, from scratch."""
    recipe = Recipe(STILLS, BACKBONE_STEPS, seed=seed)
    return [
        Plan(f"backbone-{depth}-{head}", _with_head(frame, head, replace(frame.body, depth=depth)), recipe, seed=seed)
        for depth, head in BACKBONES
    ]


def _with_head(frame: keypoint_rcnn.KeypointRcnnConfig, head: str, body, **changes):
    """Without a pyramid the body ends after its third stage: the next one is the box head."""
    body = body if head == "fpn" else replace(body, stages=min(body.stages, 3))
    return replace(frame, head=head, body=body, **changes)


def _tube_networks(tube: tubes.TubeConfig, seed: int) -> list[Plan]:
    """DT-T5: three networks, two starts; and the 2-D one on as many frames per step as the 3-D ones see.

    Both starts are trained equally long on the same stills, one to find people ("boxes", in the place of
    ImageNet), the other their joints besides ("joints", in the place of COCO): the paper's contrast. As in the
    papers' code the normalisation stays as it came.
    """
    flat = tubes.frame_config(tube)
    starts = {
        "boxes": Plan("tubes-boxes", replace(flat, joint_loss=False), Recipe(STILLS, START_STEPS)),
        "joints": Plan("tubes-joints", flat, Recipe(STILLS, START_STEPS)),
    }
    recipe = replace(_tuned(TUBE_STEPS, seed), batch=2)
    plans = list(starts.values())
    for form, network in (("2d", flat), ("centre", tube), ("mean", replace(tube, scheme="mean"))):
        fixed = replace(network, frozen_norm=True)
        plans += [Plan(f"tubes-{form}-{name}", fixed, recipe, start, seed) for name, start in starts.items()]
    frames = replace(recipe, batch=recipe.batch * tube.frames)
    return plans + [Plan("tubes-2d-as_many_frames", replace(flat, frozen_norm=True), frames, starts["joints"], seed)]


def _lstms(seed: int) -> list[Plan]:
    """DT's batch of 20 and ten epochs become a number of steps; AdamW stands in for its plain descent."""
    recipe = Recipe(TRAIN, LSTM_STEPS, batch=20, seed=seed)
    return [Plan(f"lstm-{k}", track_lstm.LstmConfig(k), recipe, None, seed) for k in track_lstm.WIDTHS]


def _poses(sizes: PoseScale, seed: int) -> list[Plan]:
    """SB-T2's eight rows from scratch, equally long; row a's on a fifth more videos; a wider one trained longer."""
    compared, more, longer = (
        Recipe(data, steps, batch=16, rate=2e-3, seed=seed)
        for data, steps in ((TRAIN, POSE_STEPS), (MORE, round(MORE_SHARE * POSE_STEPS)), (WIDE, POSE_ESTIMATOR_STEPS))
    )
    networks = {row: _pose_network(sizes, *varied) for row, varied in POSE_ROWS.items()}
    wide = replace(networks["a"].body, width=sizes.long_width)
    channels = sizes.channels * sizes.long_width // sizes.width
    plans = [Plan(f"deconv-{row}", network, compared, seed=seed) for row, network in networks.items()]
    plans += [Plan("deconv-more", networks["a"], more, seed=seed)]
    return plans + [Plan("deconv", replace(networks["a"], body=wide, channels=channels), longer, seed=seed)]


def _pose_network(sizes: PoseScale, depth: int, units: int, deconvolutions: int, kernel: int):
    """One row's; the targets' sigma is a 32nd of the map's height, as released (2 at 64 × 48, 3 at 96 × 72)."""
    body, height = BodyConfig(sizes.depths[depth], sizes.width, sizes.stages), units * sizes.unit
    sigma = height * 2**deconvolutions / body.stride / 32
    return deconv_pose.DeconvPoseConfig(
        height,
        height * 3 // 4,
        sigma=sigma,
        body=body,
        deconvolutions=deconvolutions,
        kernel=kernel,
        channels=sizes.channels,
    )
