"""Predictions in files: the detections and poses of a network on whole videos, small enough to ship.

The ablations after notebook 03 start from them. A file is an .npz, packed by LZMA. Boxes keep 1/32 pixel; joints are stored as the
cell of the box in which they were read (`keypoint_rcnn.decode`), so they come back exactly where they were.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from lzma import LZMAError
from pathlib import Path

import numpy as np

from helpers import WorkbookError, places
from helpers.people import People, concatenate, people
from helpers.skeleton import N_JOINTS

FOLDER = places.PREDICTIONS
#: Steps of a pixel in which boxes are kept, of one in which scores are, and of one in which logits are.
BOX_STEPS, SCORE_STEPS, LOGIT_STEPS = 32, 65535, 16


def save(path: Path, predictions: dict[str, People], **facts) -> Path:
    """Write each video's predictions, by name, whole or not at all; facts (weights, seed, …) ride along.

    Every joint must be present and lie in its box, as `detect` gives them, or all be absent, as
    a detector without keypoint head gives them. Raises ValueError otherwise.
    """
    path, found = Path(path), concatenate(list(predictions.values()))
    arrays = {
        "frame": found.frame.astype(np.uint16),
        "box": np.round(found.box * BOX_STEPS).astype(np.int16),
        "score": np.round(found.score * SCORE_STEPS).astype(np.uint16),
    }
    if found.present.any():
        arrays |= {
            "cells": _cells(found.box).astype(np.uint16),
            "place": _places(path.name, found),
            "logit": np.round(found.joint_score * LOGIT_STEPS).astype(np.int16),
        }
    about = {"facts": facts, "videos": {name: len(part) for name, part in predictions.items()}}
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    _write(partial, arrays)
    os.replace(partial, path)
    return path


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """An .npz packed by LZMA, a fifth smaller than numpy's own; `np.load` reads it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
        for name, values in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # without a date: the same bytes every time
            entry.compress_type = zipfile.ZIP_LZMA
            with file.open(entry, "w") as member:
                np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)


def load(path: Path) -> tuple[dict[str, People], dict]:
    """Predictions by video name, and the facts. Raises WorkbookError for a missing or broken file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(arrays.pop("about").tobytes())
        ends = np.cumsum([0, *about["videos"].values()])
        found = _people(**arrays)
        return {name: found[a:b] for name, a, b in zip(about["videos"], ends, ends[1:])}, about["facts"]
    except FileNotFoundError:
        raise WorkbookError(f"{path}: is missing.") from None
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError, LZMAError) as error:
        kind = type(error).__name__
        raise WorkbookError(f"{path}: is truncated or no file of predictions ({kind}).") from None


def of_videos(predictions: dict[str, People], names: Sequence[str]) -> list[People]:
    """The predictions of these videos in their order. Raises WorkbookError for a video without any."""
    unknown = [name for name in names if name not in predictions]
    if unknown:
        raise WorkbookError(f"predictions: the video {unknown[0]} is not among them.")
    return [predictions[name] for name in names]


def _places(name: str, found: People) -> np.ndarray:
    """The cell of its box in which each joint lies (N, 15, 2)."""
    cells = _cells(found.box)[:, None]
    place = np.floor((found.xy - found.box[:, None, :2]) / _sides(found.box)[:, None] * cells)
    if not found.present.all() or (place < 0).any() or (place >= cells).any():
        raise ValueError(f"predictions of {name}: a joint is absent or outside its box")
    return place.astype(np.uint16)


def _people(frame, box, score, cells=None, place=None, logit=None) -> People:
    box = box.astype(float) / BOX_STEPS
    if place is None:
        return people(frame=frame, box=box, score=score / SCORE_STEPS)
    step = _sides(box) / cells
    xy = box[:, None, :2] + (place + 0.5) * step[:, None]
    return people(
        frame=frame, box=box, score=score / SCORE_STEPS, joint_score=logit / LOGIT_STEPS, xy=xy.reshape(-1, N_JOINTS, 2)
    )


def _sides(box: np.ndarray) -> np.ndarray:
    return np.maximum(box[:, 2:] - box[:, :2], 1)


def _cells(box: np.ndarray) -> np.ndarray:
    """Cells along the sides of a box (N, 2): its whole pixels, as `decode` reads heatmaps."""
    return np.ceil(_sides(box))
