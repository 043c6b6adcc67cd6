"""One plain training loop for every network: a budget in steps, a seed, a loss log, resumable.

A network brings a function that gives its losses for a step; everything random is drawn from the
seed and the step's number, so an interrupted run ends where an uninterrupted one does. Notebooks
03 and 04 show its curves. At the end: the networks that the workbook itself trained, and how.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from helpers import puppets, weights
from helpers.nets import inflate, keypoint_rcnn, tubes
from helpers.places import BUILD
from helpers.training.loop import fit
from helpers.training.plans import SPANS, Plan
from helpers.weights import device as find_device

CHECKPOINTS = BUILD / "checkpoints"


def begin(plan: Plan, folder: Path = weights.FOLDER) -> nn.Module:
    """The network before its first step. WorkbookError where the weights it starts from are missing."""
    torch.manual_seed(plan.recipe.seed)
    if plan.start is None:
        return _at_random(plan.network)
    first = weights.load(folder / plan.start.file, build_network(plan.start.network), plan.start.configuration)
    if isinstance(plan.network, inflate.AveragedConfig):
        return inflate.averaged(first, plan.network)
    if isinstance(plan.network, tubes.TubeConfig) and plan.network.frames > 1:
        return tubes.inflated(first, plan.network)
    if plan.network == plan.start.network:
        return first
    if plan.network == replace(plan.start.network, frozen_norm=True):
        keypoint_rcnn.freeze_norm(first)
        return first
    return _with_body(build_network(plan.network), first)


def _at_random(network) -> nn.Module:
    """Random weights; a tube network's are inflated by its scheme from random frame-level ones."""
    if isinstance(network, tubes.TubeConfig):
        return tubes.inflated(tubes.build(tubes.frame_config(network)), network)
    return build_network(network)


def _with_body(model: nn.Module, first: nn.Module) -> nn.Module:
    """A detector of another kind takes over the body alone; deformable convolutions take the plain ones."""
    stored, wanted = first.backbone.body.state_dict(), model.backbone.body.state_dict()
    for name, value in wanted.items():
        source = stored.get(name, stored.get(name.replace(".conv.weight", ".weight")))
        wanted[name] = value if source is None else source  # offsets start at 0, as they were made
    model.backbone.body.load_state_dict(wanted)
    return model


def build_network(network) -> nn.Module:
    makers = {
        keypoint_rcnn.KeypointRcnnConfig: keypoint_rcnn.build,
        inflate.AveragedConfig: inflate.build,
        tubes.TubeConfig: tubes.build,
    }
    return makers[type(network)](network)


def batches(plan: Plan) -> Callable[[int], tuple]:
    """A function step → (images or clips, targets) of the plan's data."""
    first, last = SPANS[plan.recipe.data]
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
        to = lambda parts: [
            {k: v.to(place) for k, v in p.items()} if isinstance(p, dict) else p.to(place) for p in parts
        ]
        log = fit(
            model,
            lambda m, step: m(*map(to, draw(step))),
            plan.recipe,
            device,
            CHECKPOINTS / f"{plan.file}.pt",
            report=report,
        )
        return {
            "data": plan.recipe.data,
            "seed": plan.recipe.seed,
            "device": device,
            "minutes": round(log[-1]["seconds"] / 60, 1),
            "log": json.dumps(_thinned(log)),
        }

    trained = (folder / plan.file).exists()
    make = lambda: build_network(plan.network) if trained else begin(plan, folder)
    return weights.train_or_load(plan.label, plan.configuration, make, train, folder)


def _thinned(log: list[dict], points: int = 60) -> list[dict]:
    """The training curve as means over `points` stretches of steps, rounded."""
    edges = [round(i * len(log) / points) for i in range(points + 1)]
    stretches = [(a, log[a:b]) for a, b in zip(edges, edges[1:]) if b > a]
    return [
        {"step": a} | {name: round(sum(row[name] for row in rows) / len(rows), 4) for name in rows[0]}
        for a, rows in stretches
    ]
