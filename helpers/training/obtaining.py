"""How a plan's network is obtained: from its file where there is one, else trained now (notebooks 03, 04, 07, 08)."""

import hashlib
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from helpers import artefacts, puppets, weights
from helpers.nets.registry import module_of
from helpers.places import BUILD
from helpers.training.loop import fit
from helpers.training.plans import Plan
from helpers.weights import device as find_device


def weight_file(plan: Plan, data: Path = BUILD) -> Path:
    """Where the plan's weights are: among those that ship, or else below `data`."""
    shipped = artefacts.path_of("weights", plan.name)
    return shipped if shipped.exists() else artefacts.path_of("weights", plan.name, data)


def standing(plan: Plan, data: Path = BUILD) -> bool:
    """Whether the plan's weights ship, or lie below `data` and were trained in the present edition of the world."""
    path = weight_file(plan, data)
    if not path.exists() or path == artefacts.path_of("weights", plan.name):
        return path.exists()
    return weights.metadata(path).get("worlds", "1").split(", ")[-1] == str(puppets.WORLD)


def begin(plan: Plan, data: Path = BUILD) -> nn.Module:
    """The network before its first step. WorkbookError where the weights it starts from are missing."""
    torch.manual_seed(plan.recipe.seed)
    first = load(plan.start, data) if plan.start else None
    return module_of(plan.network).start_from(first, plan.network)


def load(plan: Plan, data: Path = BUILD) -> nn.Module:
    """The plan's trained network from its file. WorkbookError where there is none, or of another configuration."""
    return weights.load(weight_file(plan, data), module_of(plan.network).build(plan.network), plan.configuration)


def batches(plan: Plan) -> Callable[[int], tuple]:
    """A function step → what the plan's network sees in that step of its training."""
    span, recipe = plan.recipe.data, plan.recipe
    videos = puppets.videos(span.split, n=span.last - span.first, first=span.first)
    return module_of(plan.network).batches(videos, plan.network, recipe.batch, recipe.seed)


def obtain(plan: Plan, device: str = "cpu", data: Path = BUILD, report=None, again: bool = False) -> nn.Module:
    """The plan's trained network: from its file if it is there, else trained now and kept below `data`.

    What it starts from is obtained first; checkpoints stand in build/, so that a training that
    was interrupted goes on. again: train even where there is a file.
    """
    if standing(plan, data) and not again:
        return load(plan, data)
    if plan.start is not None:
        obtain(plan.start, device, data, report)
    model, place, draw = begin(plan, data), find_device(device), batches(plan)
    losses = getattr(module_of(plan.network), "losses", lambda model, *parts: model(*parts))
    checkpoint = data / "checkpoints" / f"{plan.name}.pt"
    first = hashlib.sha256(artefacts.content(weight_file(plan.start, data)) if plan.start else b"").hexdigest()
    origin = [weights.spelled_out(plan.configuration), first, puppets.WORLD]
    more = {"report": report, "origin": json.dumps(origin)}
    log = fit(model, lambda m, step: losses(m, *_to(place, draw(step))), plan.recipe, device, checkpoint, **more)
    about: dict[str, Any] = {
        "data": plan.recipe.data,
        "seed": plan.recipe.seed,
        "device": device,
        **_worlds(plan, data),
    }
    about |= {"minutes": round(log[-1]["seconds"] / 60, 1), "log": json.dumps(_thinned(log))}
    path = artefacts.path_of("weights", plan.name, data)
    weights.save(path, model, plan.configuration, **about)
    checkpoint.unlink(missing_ok=True)
    return weights.load(path, module_of(plan.network).build(plan.network), plan.configuration)  # as all later calls


def _worlds(plan: Plan, data: Path) -> dict[str, str]:
    """Which worlds the network saw: the present one, and before it those of the weights it started from."""
    seen = weights.metadata(weight_file(plan.start, data)).get("worlds", "1") if plan.start else ""
    return {"worlds": ", ".join(dict.fromkeys([*filter(None, seen.split(", ")), str(puppets.WORLD)]))}


def _to(place: torch.device, parts):
    """Tensors, and lists and dictionaries of them, on a device."""
    if isinstance(parts, dict):
        return {name: value.to(place) for name, value in parts.items()}
    return parts.to(place) if isinstance(parts, torch.Tensor) else [_to(place, part) for part in parts]


def _thinned(log: list[dict], points: int = 60) -> list[dict]:
    """The training curve as means over `points` stretches of steps, four digits each."""
    edges = [round(i * len(log) / points) for i in range(points + 1)]
    stretches = [(a, log[a:b]) for a, b in pairwise(edges) if b > a]
    return [
        {"step": a} | {name: float(f"{sum(row[name] for row in rows) / len(rows):.4g}") for name in rows[0]}
        for a, rows in stretches
    ]
