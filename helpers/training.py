"""One plain training loop for every network: a budget in steps, a seed, a loss log, resumable.

A network brings a function that gives its losses for a step; everything random is drawn from the
seed and the step's number, so an interrupted run ends where an uninterrupted one does. Notebooks
03 and 04 show its curves. At the end: the networks that the workbook itself trained, and how.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import torch
from torch import nn

from helpers import WorkbookError, puppets, weights
from helpers.nets import inflate, keypoint_rcnn, predictions, tubes
from helpers.people import People, Video, concatenate
from helpers.weights import device as find_device

#: What is trained or predicted here, as against what ships in data/.
BUILD = Path(__file__).resolve().parent.parent / "build"
CHECKPOINTS = BUILD / "checkpoints"
#: Gradients are cut to this norm; the rate falls along a cosine to this share of its peak.
LARGEST_NORM, LAST_SHARE = 10.0, 0.02


@dataclass(frozen=True)
class Recipe:
    """How a network was trained.

    data: which frames, in words; videos: how many; steps; batch: frames or clips a step;
    rate: highest learning rate (AdamW), reached after warm_up steps; seed; start: file
    name of the weights it started from, "" = from scratch.
    """

    data: str
    videos: int
    steps: int
    batch: int = 4
    rate: float = 1e-3
    warm_up: int = 50
    decay: float = 1e-4
    seed: int = 0
    start: str = ""


def rate_at(recipe: Recipe, step: int) -> float:
    """Learning rate of a 0-based step: linear warm-up, then a cosine."""
    if step < recipe.warm_up:
        return recipe.rate * (step + 1) / recipe.warm_up
    done = (step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
    return recipe.rate * (LAST_SHARE + (1 - LAST_SHARE) * (1 + math.cos(math.pi * done)) / 2)


def fit(model: nn.Module, losses: Callable[[nn.Module, int], dict[str, torch.Tensor]], recipe: Recipe,
        device: str = "cpu", checkpoint: Path | None = None, every: int = 100,
        report: Callable[[int, dict], None] | None = None) -> list[dict[str, float]]:
    """Train in place; returns the log, one {loss: value, …, "seconds"} a step, seconds since the start.

    losses(model, step) gives named losses whose sum is minimised. With a checkpoint file the
    run is saved every `every` steps and taken up from there. On a GPU it runs in mixed
    precision. Raises WorkbookError where a loss is not finite, the checkpoint is of another
    recipe, or no GPU is there for device="cuda".
    """
    place = find_device(device)
    model.to(place).train()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], recipe.rate,
                                  weight_decay=recipe.decay)
    log = _resume(checkpoint, model, optimiser, recipe, place)
    before, start = log[-1]["seconds"] if log else 0.0, time.monotonic()
    for step in range(len(log), recipe.steps):
        torch.manual_seed(recipe.seed * 1_000_003 + step)      # samplers and dropout, the same after a resume
        for group in optimiser.param_groups:
            group["lr"] = rate_at(recipe, step)
        with torch.autocast(place.type, torch.bfloat16, enabled=place.type == "cuda"):
            parts = losses(model, step)
            total = sum(parts.values())
        if not torch.isfinite(total):
            raise WorkbookError(f"training: the loss of step {step} is not finite; a smaller rate may help.")
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), LARGEST_NORM)
        optimiser.step()
        row = {name: float(value.detach()) for name, value in parts.items()}
        log.append(row | {"seconds": before + time.monotonic() - start})
        if report:
            report(step, log[-1])
        if checkpoint and (step + 1) % every == 0:
            _save(Path(checkpoint), model, optimiser, recipe, log)
    model.eval()
    return log


def _save(path: Path, model, optimiser, recipe, log) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(), "recipe": repr(recipe),
                "log": log}, partial)
    os.replace(partial, path)


def _resume(path, model, optimiser, recipe, place) -> list[dict[str, float]]:
    if path is None or not Path(path).exists():
        return []
    try:
        state = torch.load(path, map_location=place, weights_only=True)
    except Exception as error:      # torch raises many kinds for a damaged file
        raise WorkbookError(f"{path}: is no readable checkpoint ({type(error).__name__}).") from None
    if state["recipe"] != repr(recipe):
        raise WorkbookError(f"{path}: is the checkpoint of another recipe; delete it or name another file.")
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return state["log"]


# --- the workbook's own stage-one networks ------------------------------------------------------

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
_SPANS = {STILLS: (60, 860), TRAIN: (0, 60), WIDE: (0, 860)}


#: Networks by size: frame-level keypoint network and tube network. "paper" is as large as the papers' and asks for
#: a GPU; its normalisation learns, too, because here it starts from random weights.
SIZES = {"slim": (keypoint_rcnn.SLIM, tubes.SLIM),
         "paper": (replace(keypoint_rcnn.PAPER_R50, frozen_norm=False), replace(tubes.PAPER, frozen_norm=False))}


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
        plans += [Plan(f"{kind}-{scheme}", inflate.AveragedConfig(part, scheme=scheme), tuned(ABLATION_STEPS), stills)
                  for scheme in inflate.SCHEMES]
    plans += _detectors(frame, stills, seed) + _bodies(frame, seed) + _tube_networks(tube, seed)
    return {plan.label: plan for plan in plans}


def _detectors(frame, stills: Plan, seed: int) -> list[Plan]:
    """LightTrack's two detectors, with a deformable last stage, and the plain pyramid."""
    recipe = Recipe(TRAIN, 60, DETECTOR_STEPS, seed=seed, start=stills.file)
    deformable = replace(frame.body, deformable=True)
    kinds = (("fpn", "fpn", deformable), ("rfcn", "rfcn", deformable), ("plain", "fpn", frame.body))
    return [Plan(f"detector-{kind}", _with_head(frame, head, body, joints=0), recipe, stills)
            for kind, head, body in kinds]


def _bodies(frame, seed: int) -> list[Plan]:
    """Bodies of several depths, with and without a pyramid, from scratch."""
    recipe = Recipe(STILLS, 800, BACKBONE_STEPS, seed=seed)
    return [Plan(f"backbone-{depth}-{head}", _with_head(frame, head, replace(frame.body, depth=depth)), recipe)
            for depth, head in BACKBONES]


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
        plans += [Plan(f"tubes-{form}-scratch", network, scratch),
                  Plan(f"tubes-{form}-pretrained", replace(network, frozen_norm=True), pretrained, known)]
    frames = replace(pretrained, batch=scratch.batch * tube.frames)
    return plans + [Plan("tubes-2d-as_many_frames", replace(flat, frozen_norm=True), frames, known)]


#: Budgets of the ablations, in steps.
ABLATION_STEPS, DETECTOR_STEPS, BACKBONE_STEPS, TUBE_STEPS = 80, 200, 100, 150
#: Depth and head of the networks that compare bodies, all from scratch.
BACKBONES = ((18, "fpn"), (34, "fpn"), (50, "fpn"), (18, "c4"))


def begin(plan: Plan, folder: Path = weights.FOLDER) -> nn.Module:
    """The network before its first step. WorkbookError where the weights it starts from are missing."""
    torch.manual_seed(plan.recipe.seed)
    if plan.start is None:
        return _at_random(plan.network)
    first = weights.load(folder / plan.start.file, _build(plan.start.network), plan.start.configuration)
    if isinstance(plan.network, inflate.AveragedConfig):
        return inflate.averaged(first, plan.network)
    if isinstance(plan.network, tubes.TubeConfig) and plan.network.frames > 1:
        return tubes.inflated(first, plan.network)
    if plan.network == plan.start.network:
        return first
    if plan.network == replace(plan.start.network, frozen_norm=True):
        keypoint_rcnn.freeze_norm(first)
        return first
    return _with_body(_build(plan.network), first)


def _at_random(network) -> nn.Module:
    """Random weights; a tube network's are inflated by its scheme from random frame-level ones."""
    if isinstance(network, tubes.TubeConfig):
        return tubes.inflated(tubes.build(tubes.frame_config(network)), network)
    return _build(network)


def _with_body(model: nn.Module, first: nn.Module) -> nn.Module:
    """A detector of another kind takes over the body alone; deformable convolutions take the plain ones."""
    stored, wanted = first.backbone.body.state_dict(), model.backbone.body.state_dict()
    for name, value in wanted.items():
        source = stored.get(name, stored.get(name.replace(".conv.weight", ".weight")))
        wanted[name] = value if source is None else source      # offsets start at 0, as they were made
    model.backbone.body.load_state_dict(wanted)
    return model


def _build(network) -> nn.Module:
    makers = {keypoint_rcnn.KeypointRcnnConfig: keypoint_rcnn.build, inflate.AveragedConfig: inflate.build,
              tubes.TubeConfig: tubes.build}
    return makers[type(network)](network)


def batches(plan: Plan) -> Callable[[int], tuple]:
    """A function step → (images or clips, targets) of the plan's data."""
    first, last = _SPANS[plan.recipe.data]
    videos = puppets.videos("train", n=last)[first:]
    if isinstance(plan.network, tubes.TubeConfig):
        return tubes.clip_batches(videos, plan.network.frames, plan.recipe.batch, plan.recipe.seed)
    if isinstance(plan.network, inflate.AveragedConfig):
        videos = [replace(v, frames=inflate.Windows(v.frames, plan.network.frames)) for v in videos]
    return keypoint_rcnn.frame_batches(videos, plan.recipe.batch, plan.recipe.seed)


def obtain(plan: Plan, device: str = "cpu", folder: Path = weights.FOLDER, report=None) -> nn.Module:
    """The plan's trained network: from its file if it is there, else trained, with checkpoints in build/."""
    if plan.start is not None and not (folder / plan.file).exists():
        obtain(plan.start, device, folder, report)

    def train(model):
        place, draw = find_device(device), batches(plan)
        to = lambda parts: [{k: v.to(place) for k, v in p.items()} if isinstance(p, dict) else p.to(place)
                            for p in parts]
        log = fit(model, lambda m, step: m(*map(to, draw(step))), plan.recipe, device,
                  CHECKPOINTS / f"{plan.file}.pt", report=report)
        return {"data": plan.recipe.data, "seed": plan.recipe.seed, "device": device,
                "minutes": round(log[-1]["seconds"] / 60, 1), "log": json.dumps(_thinned(log))}

    trained = (folder / plan.file).exists()
    make = lambda: _build(plan.network) if trained else begin(plan, folder)
    return weights.train_or_load(plan.label, plan.configuration, make, train, folder)


def _thinned(log: list[dict], points: int = 60) -> list[dict]:
    """The training curve as means over `points` stretches of steps, rounded."""
    edges = [round(i * len(log) / points) for i in range(points + 1)]
    stretches = [(a, log[a:b]) for a, b in zip(edges, edges[1:]) if b > a]
    return [{"step": a} | {name: round(sum(row[name] for row in rows) / len(rows), 4) for name in rows[0]}
            for a, rows in stretches]


def detect(plan: Plan, model: nn.Module, video: Video, which: Sequence[int] | None = None) -> People:
    """What a plan's network finds in some frames of a video (None = all), in clips where it needs them."""
    if isinstance(plan.network, tubes.TubeConfig):
        return tubes.detect(model, video.frames, which)
    clips = isinstance(plan.network, inflate.AveragedConfig)
    frames = inflate.Windows(video.frames, plan.network.frames) if clips else video.frames
    return keypoint_rcnn.detect(model, frames, which=which)


def videos_of(split: str, n: int) -> list[Video]:
    """The first n videos of a split; "tune" are videos of the training world that no network has seen."""
    if split == "tune":
        first = max(last for _, last in _SPANS.values())
        return puppets.videos("train", n=first + n)[first:]
    return puppets.videos(split, n=n)


def detect_frozen(plan: Plan, model: nn.Module, video: Video, which: Sequence[int]) -> People:
    """`detect` with every frame taken for a video of its own, so that a clip is that frame repeated: no motion."""
    alone = [(t, detect(plan, model, replace(video, frames=[video.frames[t]]))) for t in map(int, which)]
    return concatenate([found.replace(frame=np.full(len(found), t)) for t, found in alone])


def predict(plan: Plan, split: str, n: int, labelled: bool = False, device: str = "cpu", frozen: bool = False,
            weights_folder: Path = weights.FOLDER, folder: Path = predictions.FOLDER) -> Path:
    """Run the plan's network on a split's first n videos, or their labelled frames; keep what it finds.

    frozen: on clips without motion, see `detect_frozen`. The file says which weights, data,
    device and score floor; see `nets.predictions`.
    """
    model = obtain(plan, device, weights_folder).to(find_device(device))
    look = detect_frozen if frozen else detect
    found = {v.name: look(plan, model, v, np.flatnonzero(v.labelled) if labelled else range(len(v)))
             for v in videos_of(split, n)}
    name = f"frozen-{split}" if frozen else split
    return predictions.save(predictions_file(plan, name, folder), found, **_facts(plan, split, n, device, weights_folder))


def predict_in_boxes(plan: Plan, boxes: Sequence[People], source: str, split: str, device: str = "cpu",
                     weights_folder: Path = weights.FOLDER, folder: Path = predictions.FOLDER) -> Path:
    """Joints that the plan's network finds in given boxes, one People a video of the split; kept as `predict` does.

    source: where the boxes come from, a word for the file's name ("truth", a detector's).
    """
    model = obtain(plan, device, weights_folder).to(find_device(device))
    found = {v.name: keypoint_rcnn.detect(model, v.frames, which=np.unique(given.frame), boxes=given)
             for v, given in zip(videos_of(split, len(boxes)), boxes)}
    facts = _facts(plan, split, len(boxes), device, weights_folder) | {"boxes": source}
    return predictions.save(predictions_file(plan, f"{source}-{split}", folder), found, **facts)


def _facts(plan: Plan, split: str, n: int, device: str, weights_folder: Path) -> dict:
    trained = weights.metadata(weights_folder / plan.file)
    return dict(weights=plan.file, seed=plan.recipe.seed, data=f"PuppetTrack {split}, first {n} videos",
                device=device, date=date.today().isoformat(), score_floor=keypoint_rcnn.SCORE_FLOOR,
                training={name: trained[name] for name in ("minutes", "device", "log") if name in trained})


def predictions_file(plan: Plan, split: str, folder: Path = predictions.FOLDER) -> Path:
    """Where the plan's predictions on a split are kept."""
    return folder / f"{Path(plan.file).stem}-{split}.npz"


def found_by(plan: Plan, split: str, n: int, frozen: bool = False,
             device: str | None = None) -> tuple[list[People], dict]:
    """What a plan's network found in the labelled frames of a split's first n videos, and the file's facts.

    From the file that ships or was made here before; else, where a device is named, the
    network is trained and run on it now, and kept in build/. Raises WorkbookError otherwise.
    """
    name = f"frozen-{split}" if frozen else split
    paths = [predictions_file(plan, name, folder) for folder in (predictions.FOLDER, BUILD / "predictions")]
    path = next((p for p in paths if p.exists()), None)
    if path is None:
        if device is None:
            raise WorkbookError(f"{paths[0]}: is missing; the gpu profile trains the network and makes it.")
        path = predict(plan, split, n, True, device, frozen, BUILD / "weights", BUILD / "predictions")
    stored, facts = predictions.load(path)
    return predictions.of_videos(stored, [v.name for v in videos_of(split, n)]), facts


def main() -> None:
    """Train one network of `stage_one`, or take an interrupted training up again; then predict, if asked."""
    parser = argparse.ArgumentParser(prog="python -m helpers.training", description=main.__doc__)
    parser.add_argument("label", choices=sorted(stage_one()))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--predict", nargs=2, metavar=("SPLIT", "VIDEOS"), help="keep its predictions, too")
    parser.add_argument("--labelled", action="store_true", help="predict in labelled frames only")
    arguments = parser.parse_args()
    plan = stage_one(arguments.seed)[arguments.label]
    if arguments.device == "cpu":
        torch.set_num_threads(1)

    def report(step, row):
        if step % 20 == 0:
            values = ", ".join(f"{name.removeprefix('loss_')} {value:.3f}" for name, value in row.items())
            print(f"{plan.label} {arguments.seed}, step {step} of {plan.recipe.steps}: {values}", flush=True)

    obtain(plan, arguments.device, report=report)
    print(weights.FOLDER / plan.file)
    if arguments.predict:
        split, n = arguments.predict
        print(predict(plan, split, int(n), arguments.labelled, arguments.device))


if __name__ == "__main__":
    main()
