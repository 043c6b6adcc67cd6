"""A trained network run over videos: what it finds, kept in files (notebooks 03 to 07)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
from torch import nn

from helpers import WorkbookError, weights
from helpers.detections import stored as predictions
from helpers.nets import inflate, keypoint_rcnn, tubes
from helpers.people import People, Video, concatenate
from helpers.places import BUILD
from helpers.training.obtaining import obtain
from helpers.training.plans import Plan, videos_of
from helpers.weights import device as find_device


def detect(plan: Plan, model: nn.Module, video: Video, which: Sequence[int] | None = None) -> People:
    """What a plan's network finds in some frames of a video (None = all), in clips where it needs them."""
    if isinstance(plan.network, tubes.TubeConfig):
        return tubes.detect(model, video.frames, which)
    clips = isinstance(plan.network, inflate.AveragedConfig)
    frames = inflate.Windows(video.frames, plan.network.frames) if clips else video.frames
    return keypoint_rcnn.detect(model, frames, which=which)


def detect_frozen(plan: Plan, model: nn.Module, video: Video, which: Sequence[int]) -> People:
    """`detect` with every frame taken for a video of its own, so that a clip is that frame repeated: no motion."""
    alone = [(t, detect(plan, model, replace(video, frames=[video.frames[t]]))) for t in map(int, which)]
    return concatenate([found.replace(frame=np.full(len(found), t)) for t, found in alone])


def predict(
    plan: Plan,
    split: str,
    n: int,
    labelled: bool = False,
    device: str = "cpu",
    frozen: bool = False,
    weights_folder: Path = weights.FOLDER,
    folder: Path = predictions.FOLDER,
) -> Path:
    """Run the plan's network on a split's first n videos, or their labelled frames; keep what it finds.

    frozen: on clips without motion, see `detect_frozen`. The file says which weights, data,
    device and score floor; see `nets.predictions`.
    """
    model = obtain(plan, device, weights_folder).to(find_device(device))
    look = detect_frozen if frozen else detect
    found = {
        v.name: look(plan, model, v, np.flatnonzero(v.labelled) if labelled else range(len(v)))
        for v in videos_of(split, n)
    }
    name = f"frozen-{split}" if frozen else split
    return predictions.save(
        predictions_file(plan, name, folder), found, **_facts(plan, split, n, device, weights_folder)
    )


def predict_in_boxes(
    plan: Plan,
    boxes: Sequence[People],
    source: str,
    split: str,
    device: str = "cpu",
    weights_folder: Path = weights.FOLDER,
    folder: Path = predictions.FOLDER,
) -> Path:
    """Joints that the plan's network finds in given boxes, one People a video of the split; kept as `predict` does.

    source: where the boxes come from, a word for the file's name ("truth", a detector's).
    """
    model = obtain(plan, device, weights_folder).to(find_device(device))
    found = {
        v.name: keypoint_rcnn.detect(model, v.frames, which=np.unique(given.frame), boxes=given)
        for v, given in zip(videos_of(split, len(boxes)), boxes)
    }
    facts = _facts(plan, split, len(boxes), device, weights_folder) | {"boxes": source}
    return predictions.save(predictions_file(plan, f"{source}-{split}", folder), found, **facts)


def _facts(plan: Plan, split: str, n: int, device: str, weights_folder: Path) -> dict:
    trained = weights.metadata(weights_folder / plan.file)
    return dict(
        weights=plan.file,
        seed=plan.recipe.seed,
        data=f"PuppetTrack {split}, first {n} videos",
        device=device,
        date=date.today().isoformat(),
        score_floor=keypoint_rcnn.SCORE_FLOOR,
        training={name: trained[name] for name in ("minutes", "device", "log") if name in trained},
    )


def predictions_file(plan: Plan, split: str, folder: Path = predictions.FOLDER) -> Path:
    """Where the plan's predictions on a split are kept."""
    return folder / f"{Path(plan.file).stem}-{split}.npz"


def found_by(
    plan: Plan, split: str, n: int, frozen: bool = False, device: str | None = None
) -> tuple[list[People], dict]:
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
