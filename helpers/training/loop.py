"""One plain training loop for every network: a budget in steps, a seed, a loss log, resumable.

A network brings a function that gives its losses for a step; everything random is drawn from the
seed and the step's number, so an interrupted run ends where an uninterrupted one does. Notebooks
03 and 04 show its curves.
"""

import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from helpers import WorkbookError
from helpers.files import write_atomically
from helpers.weights import device as find_device

#: Gradients are cut to this norm; the rate falls along a cosine to this share of its peak.
LARGEST_NORM, LAST_SHARE = 10.0, 0.02


@dataclass(frozen=True)
class Span:
    """Which videos of PuppetTrack a network is trained on: first to last (not included) of a split."""

    split: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"PuppetTrack {self.split}, videos {self.first} to {self.last - 1}"


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    data: on which videos; steps; batch: frames or clips per step; rate: highest learning rate
    (AdamW), reached after warm_up steps; seed of everything random.
    """

    data: Span
    steps: int
    batch: int = 4
    rate: float = 1e-3
    warm_up: int = 50
    decay: float = 1e-4
    seed: int = 0


def rate_at(recipe: Recipe, step: int) -> float:
    """Learning rate of a 0-based step: linear warm-up, then a cosine."""
    if step < recipe.warm_up:
        return recipe.rate * (step + 1) / recipe.warm_up
    done = (step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
    return recipe.rate * (LAST_SHARE + (1 - LAST_SHARE) * (1 + math.cos(math.pi * done)) / 2)


def fit(
    model: nn.Module,
    losses: Callable[[nn.Module, int], dict[str, torch.Tensor]],
    recipe: Recipe,
    device: str = "cpu",
    checkpoint: Path | None = None,
    every: int = 100,
    report: Callable[[int, dict], None] | None = None,
    origin: str = "",
) -> list[dict[str, float]]:
    """Train in place; returns the log, one {loss: value, …, "seconds"} per step, seconds since the start.

    losses(model, step) gives named losses whose sum is minimised. With a checkpoint file the
    run is saved every `every` steps and taken up from there; origin says what, besides the recipe, it
    must have been made from. On a GPU it runs in mixed precision. Raises WorkbookError where a loss is not
    finite, the checkpoint is broken or of another recipe or origin, or no GPU is there for device="cuda".
    """
    place = find_device(device)
    model.to(place).train()
    optimiser = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], recipe.rate, weight_decay=recipe.decay
    )
    made_from = {"recipe": repr(recipe), "network or start": origin}
    log = _resume(checkpoint, model, optimiser, made_from, recipe.steps)
    before, start = log[-1]["seconds"] if log else 0.0, time.monotonic()
    for step in range(len(log), recipe.steps):
        torch.manual_seed(recipe.seed * 1_000_003 + step)  # samplers and dropout, the same after a resume
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
            _save(Path(checkpoint), model, optimiser, made_from, log)
    model.eval()
    return log


def _save(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, made_from: dict, log: list) -> None:
    content = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(), "log": log} | made_from, content)
    write_atomically(path, content.getvalue())


def _resume(path, model, optimiser, made_from: dict, steps: int) -> list[dict[str, float]]:
    if path is None or not Path(path).exists():
        return []
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        another = next((part for part, value in made_from.items() if state[part] != value), None)
        if another is None:
            model.load_state_dict(state["model"])
            optimiser.load_state_dict(state["optimiser"])
            if not 0 < len(state["log"]) <= steps or not math.isfinite(state["log"][-1]["seconds"]):
                raise ValueError("log")
    except Exception as error:  # torch raises many kinds for a damaged file
        raise WorkbookError(f"{path}: is no readable checkpoint ({type(error).__name__}); delete it.") from None
    if another:
        raise WorkbookError(f"{path}: is the checkpoint of another {another}; delete it or name another file.")
    return state["log"]
