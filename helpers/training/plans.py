"""The networks that the workbook itself trained, and how (notebooks 03 and 04)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from helpers import WorkbookError, puppets, weights
from helpers.nets import inflate, keypoint_rcnn, tubes
from helpers.people import Video
from helpers.training.loop import Recipe


@dataclass(frozen=True)
class Plan:
    """One network of notebooks 03 and 04: what it is, how it is trained, what it starts from.

    network: KeypointRcnnConfig, AveragedConfig or TubeConfig; start: the plan whose weights
    it takes (inflated, where this network looks at clips; of a detector of another kind only
    the body's), None = random ones.
    """

    label: str
    network: object
    recipe: Recipe
    start: Plan | None = None

    @property
    def configuration(self) -> dict:
        """What the weights' name is a hash of."""
        return weights.configuration(network=self.network, recipe=self.recipe)

    @property
    def file(self) -> str:
        """Name of the weights' file."""
        return weights.file_name(self.label, self.configuration)


#: What stands in for COCO: single frames of other puppet videos than the sixty of the training split.
STILLS, TRAIN = "PuppetTrack train, frames of videos 60 to 859 taken singly", "PuppetTrack train"


WIDE = "PuppetTrack train, videos 0 to 859"


SPANS = {STILLS: (60, 860), TRAIN: (0, 60), WIDE: (0, 860)}


#: Networks by size: frame-level keypoint network and tube network. "paper" is as large as the papers' and asks for
#: a GPU; its normalisation learns, too, because here it starts from random weights.
SIZES = {
    "slim": (keypoint_rcnn.SLIM, tubes.SLIM),
    "paper": (replace(keypoint_rcnn.PAPER_R50, frozen_norm=False), replace(tubes.PAPER, frozen_norm=False)),
}


def stage_one(seed: int = 0, size: str = "slim") -> dict[str, Plan]:
    """The networks that ship with the workbook or that its ablations train, by label.

    size: "slim" or "paper", the same plans with the papers' networks. Raises WorkbookError for another.
    """
    if size not in SIZES:
        raise WorkbookError(f"size {size!r} of the networks is unknown; there are {', '.join(SIZES)}.")
    frame, tube = SIZES[size]
    stills = Plan("keypoint_rcnn-stills", frame, Recipe(STILLS, 800, 1200))
    tuned = lambda steps: Recipe(TRAIN, 60, steps, rate=5e-4, seed=seed, start=stills.file)
    middle = Plan("keypoint_rcnn-middle", frame, tuned(900), stills)
    wide = Plan("keypoint_rcnn-wide", frame, Recipe(WIDE, 860, 1500, rate=6e-4, seed=seed, start=middle.file), middle)
    # Another seed for the last stretch, else it would draw the frames of the one before again.
    last = Recipe(WIDE, 860, 900, rate=3e-4, seed=seed + 100, start=wide.file)
    plans = [stills, middle, wide, Plan("keypoint_rcnn", frame, last, wide)]
    for kind, part in (("averaged", replace(frame, frozen_norm=True)), ("averaged_norm", frame)):
        plans.append(Plan(f"{kind}-2d", part, tuned(ABLATION_STEPS), stills))
        plans += [
            Plan(f"{kind}-{scheme}", inflate.AveragedConfig(part, scheme=scheme), tuned(ABLATION_STEPS), stills)
            for scheme in inflate.SCHEMES
        ]
    plans += _detectors(frame, stills, seed) + _bodies(frame, seed) + _tube_networks(tube, seed)
    return {plan.label: plan for plan in plans}


def _detectors(frame, stills: Plan, seed: int) -> list[Plan]:
    """LightTrack's two detectors, with a deformable last stage, and the plain pyramid."""
    recipe = Recipe(TRAIN, 60, DETECTOR_STEPS, seed=seed, start=stills.file)
    deformable = replace(frame.body, deformable=True)
    kinds = (("fpn", "fpn", deformable), ("rfcn", "rfcn", deformable), ("plain", "fpn", frame.body))
    return [
        Plan(f"detector-{kind}", _with_head(frame, head, body, joints=0), recipe, stills) for kind, head, body in kinds
    ]


def _bodies(frame, seed: int) -> list[Plan]:
    """Bodies of several depths, with and without a pyramid, from scratch."""
    recipe = Recipe(STILLS, 800, BACKBONE_STEPS, seed=seed)
    return [
        Plan(f"backbone-{depth}-{head}", _with_head(frame, head, replace(frame.body, depth=depth)), recipe)
        for depth, head in BACKBONES
    ]


def _with_head(frame, head: str, body, **changes):
    """Without a pyramid the body ends after its third stage: the next one is the box head."""
    body = body if head == "fpn" else replace(body, stages=min(body.stages, 3))
    return replace(frame, head=head, body=body, **changes)


def _tube_networks(tube, seed: int) -> list[Plan]:
    """DT-T5: three networks, two starts; and the 2-D one on as many frames a step as the 3-D ones see.

    As in the papers' code the pre-trained ones keep their normalisation as it came; from
    scratch it has to learn.
    """
    flat = tubes.frame_config(tube)
    known = Plan("tubes-stills", flat, Recipe(STILLS, 800, 1200))
    scratch = Recipe(TRAIN, 60, TUBE_STEPS, seed=seed)
    pretrained = replace(scratch, rate=5e-4, start=known.file)
    plans = [known]
    for form, network in (("2d", flat), ("centre", tube), ("mean", replace(tube, scheme="mean"))):
        plans += [
            Plan(f"tubes-{form}-scratch", network, scratch),
            Plan(f"tubes-{form}-pretrained", replace(network, frozen_norm=True), pretrained, known),
        ]
    frames = replace(pretrained, batch=scratch.batch * tube.frames)
    return plans + [Plan("tubes-2d-as_many_frames", replace(flat, frozen_norm=True), frames, known)]


#: Budgets of the ablations, in steps.
ABLATION_STEPS, DETECTOR_STEPS, BACKBONE_STEPS, TUBE_STEPS = 80, 200, 100, 150


#: Depth and head of the networks that compare bodies, all from scratch.
BACKBONES = ((18, "fpn"), (34, "fpn"), (50, "fpn"), (18, "c4"))


def videos_of(split: str, n: int) -> list[Video]:
    """The first n videos of a split; "tune" are videos of the training world that no network has seen."""
    if split == "tune":
        first = max(last for _, last in SPANS.values())
        return puppets.videos("train", n=first + n)[first:]
    return puppets.videos(split, n=n)
