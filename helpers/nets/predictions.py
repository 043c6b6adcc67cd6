"""Predictions in files: the detections and poses of a network on whole videos, small enough to ship.

The ablations after notebook 03 start from them. Boxes keep 1/32 pixel; joints are stored as the
cell of the box in which they were read (`keypoint_rcnn.decode`), so they come back exactly where they were.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers import WorkbookError
from helpers.people import People, people
from helpers.skeleton import N_JOINTS

FOLDER = Path(__file__).resolve().parents[2] / "data" / "predictions"
FIELDS = ("frame", "box", "score", "cells", "place", "logit")
#: Steps of a pixel in which boxes are kept, and of one in which scores are.
BOX_STEPS, SCORE_STEPS = 32, 65535


def save(path: Path, predictions: dict[str, People], **facts) -> Path:
    """Write each video's predictions, by name, whole or not at all; facts (weights, seed, …) ride along.

    Every joint must be present and lie in its box, as `detect` gives them, or all be absent, as
    a detector without keypoint head gives them. Raises ValueError otherwise.
    """
    path, arrays = Path(path), {}
    joints = any(found.present.any() for found in predictions.values())
    for name, found in predictions.items():
        stored = {"frame": found.frame.astype(np.uint16),
                  "box": np.round(found.box * BOX_STEPS).astype(np.int16),
                  "score": np.round(found.score * SCORE_STEPS).astype(np.uint16)}
        if joints:
            stored |= {"cells": _cells(found.box).astype(np.uint16), "place": _places(name, found),
                       "logit": found.joint_score.astype(np.float16)}
        arrays |= {f"{name}/{field}": value for field, value in stored.items()}
    facts = np.frombuffer(json.dumps(facts, sort_keys=True).encode(), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.npz")
    np.savez_compressed(partial, facts=facts, **arrays)
    os.replace(partial, path)
    return path


def load(path: Path) -> tuple[dict[str, People], dict]:
    """Predictions by video name, and the facts. Raises WorkbookError for a missing or broken file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(arrays.pop("facts").tobytes())
        names = dict.fromkeys(name.rpartition("/")[0] for name in arrays)
        return {name: _people(**{field: arrays[f"{name}/{field}"] for field in FIELDS
                                 if f"{name}/{field}" in arrays}) for name in names}, facts
    except FileNotFoundError:
        raise WorkbookError(f"{path}: is missing.") from None
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError) as error:
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
    return people(frame=frame, box=box, score=score / SCORE_STEPS, joint_score=logit,
                  xy=xy.reshape(-1, N_JOINTS, 2))


def _sides(box: np.ndarray) -> np.ndarray:
    return np.maximum(box[:, 2:] - box[:, :2], 1)


def _cells(box: np.ndarray) -> np.ndarray:
    """Cells along the sides of a box (N, 2): its whole pixels, as `decode` reads heatmaps."""
    return np.ceil(_sides(box))
