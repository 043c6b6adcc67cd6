"""Predictions in files: the detections and poses of a network on whole videos, small enough to ship.

The ablations after notebook 03 start from them. A file is an .npz, packed by LZMA. Boxes keep 1/32 pixel; joints are
stored as the cell of the box in which they were read (`keypoint_rcnn.decode`), so they come back exactly where they
were; free ones, which a top-down network may find outside the box, keep 1/16 pixel.
"""

import io
import json
import operator
import zipfile
import zlib
from collections.abc import Sequence
from lzma import LZMAError
from pathlib import Path

import numpy as np

from helpers import WorkbookError, artefacts
from helpers.files import write_atomically
from helpers.people import People, concatenate, people
from helpers.skeleton import N_JOINTS

#: Steps of a pixel in which boxes are kept, of one in which scores are, and of one in which logits are.
BOX_STEPS, SCORE_STEPS, LOGIT_STEPS = 32, 65535, 16
#: The same of free joints: their places, and the heatmaps' maxima.
FREE_STEPS, MAXIMUM_STEPS = 16, 1000
#: No video has more frames, no box lies farther out in pixels.
MOST_FRAMES, FARTHEST = 10_000_000, 10_000_000
#: What a file of free joints has in place of cells, places and logits.
FREE = ("offset", "maximum")
#: What a damaged file makes numpy, zipfile and json raise.
DAMAGES: tuple[type[Exception], ...] = (
    *(OSError, ValueError, LookupError, TypeError, ArithmeticError, AttributeError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, EOFError, LZMAError, zlib.error),
)


def save(path: Path, predictions: dict[str, People], free: bool = False, **facts: object) -> Path:
    """Write each video's predictions, by name, whole or not at all; facts (weights, seed, …) ride along.

    Every joint must be present and lie in its box, as `detect` gives them, or all be absent, as
    a detector without keypoint head gives them; free: joints may lie anywhere. Raises WorkbookError
    otherwise, for numbers that a file cannot hold (NaN, scores beyond [0, 1]) and where it cannot be written.
    """
    write_atomically(path, packed(predictions, facts, Path(path).name, free))
    return Path(path)


def packed(predictions: dict[str, People], facts: dict, name: str = "predictions", free: bool = False) -> bytes:
    """The bytes of the file that `save` writes."""
    found = concatenate(list(predictions.values()))
    _check(name, found)
    numbers = {"frame": found.frame, "box": found.box * BOX_STEPS, "score": found.score * SCORE_STEPS}
    if free and len(found):
        numbers |= _offsets(name, found)
    elif found.present.any():
        numbers |= {"cells": _cells(found.box), "place": np.moveaxis(_places(name, found), 0, -1)}
        numbers["logit"] = (found.joint_score * LOGIT_STEPS).T
    about = {"facts": facts, "videos": {video: len(part) for video, part in predictions.items()}}
    arrays = {field: _planes(np.round(values).astype(np.int64)) for field, values in numbers.items()}
    return _npz(arrays | {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)})


def _check(name: str, found: People) -> None:
    reasons = {
        "a box is not a number or farther than 10,000,000 px": not (np.abs(found.box) <= FARTHEST).all(),
        "a box ends before it begins": (found.box[:, 2:] < found.box[:, :2]).any(),
        "a score is not in [0, 1]": not ((found.score >= 0) & (found.score <= 1)).all(),
        "a joint's score is not finite": not np.isfinite(found.joint_score[found.present]).all(),
        "a frame is not in [0, 10,000,000]": not ((found.frame >= 0) & (found.frame <= MOST_FRAMES)).all(),
    }
    for reason, wrong in reasons.items():
        if wrong:
            raise WorkbookError(f"{name}: {reason}, which a file of predictions cannot hold.")


def _planes(values: np.ndarray) -> np.ndarray:
    """Integers (…) as bytes (1, 2, 4 or 8, …), as few as hold them all: alike bytes side by side pack well."""
    kinds = (np.dtype(f"<i{n}") for n in (1, 2, 4, 8))
    fits = next(k for k in kinds if (values >= np.iinfo(k).min).all() and (values <= np.iinfo(k).max).all())
    return np.moveaxis(np.ascontiguousarray(values.astype(fits))[..., None].view(np.uint8), -1, 0)


def _unplaned(planes: np.ndarray) -> np.ndarray:
    together = np.ascontiguousarray(np.moveaxis(planes, 0, -1))
    return together.view(f"<i{len(planes)}")[..., 0]


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    """An .npz packed by LZMA; `np.load` reads it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as file:
        for name, values in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # without a date: the same bytes every time
            entry.compress_type = zipfile.ZIP_LZMA
            with file.open(entry, "w") as member:
                np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)
    return out.getvalue()


def load(path: Path) -> tuple[dict[str, People], dict]:
    """Predictions by video name, and the facts. WorkbookError for a missing or broken file or what `save` refuses."""
    content = artefacts.content(path)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(arrays.pop("about").tobytes())
        if arrays["frame"].ndim > 1:
            arrays = {name: _unplaned(values) for name, values in arrays.items()}
            arrays |= {name: np.moveaxis(arrays[name], -1, 0) for name in {"place", "logit", *FREE} & arrays.keys()}
        counts, facts = [*map(operator.index, about["videos"].values())], dict(about["facts"])
        found = _people(**arrays)
        if sum(counts) != len(found) or min(counts, default=0) < 0:
            raise ValueError("counts")
    except DAMAGES as error:
        kind = type(error).__name__
        raise WorkbookError(f"{path}: is truncated or no file of predictions ({kind}).") from None
    _check(str(path), found)
    ends = np.cumsum([0, *counts])
    return {name: found[a:b] for name, a, b in zip(about["videos"], ends[:-1], ends[1:], strict=True)}, facts


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
        raise WorkbookError(f"{name}: a joint is absent or outside its box, which a file of predictions cannot hold.")
    return place


def _offsets(name: str, found: People) -> dict[str, np.ndarray]:
    """Free joints from the first corner of their box as it is stored, and the heatmaps' maxima, joint by joint."""
    if not found.present.all() or not (np.abs(found.xy) <= FARTHEST).all():
        raise WorkbookError(f"{name}: a joint is absent or nowhere, which a file of predictions cannot hold.")
    corner = np.round(found.box[:, None, :2] * BOX_STEPS) / BOX_STEPS
    offset, maximum = (found.xy - corner) * FREE_STEPS, found.joint_score * MAXIMUM_STEPS
    return {"offset": np.moveaxis(offset, 0, -1), "maximum": maximum.T}


def _people(frame, box, score, cells=None, place=None, logit=None, offset=None, maximum=None) -> People:
    box, score = box.astype(float) / BOX_STEPS, score / SCORE_STEPS
    if offset is not None:
        xy = box[:, None, :2] + offset / FREE_STEPS
        return people(frame=frame, box=box, score=score, joint_score=maximum / MAXIMUM_STEPS, xy=xy)
    if place is None:
        return people(frame=frame, box=box, score=score)
    if not ((cells >= 1).all() and (place >= 0).all() and (place < cells[:, None]).all()):
        raise ValueError("cells")
    step = _sides(box) / cells
    xy = box[:, None, :2] + (place + 0.5) * step[:, None]
    return people(frame=frame, box=box, score=score, joint_score=logit / LOGIT_STEPS, xy=xy.reshape(-1, N_JOINTS, 2))


def _sides(box: np.ndarray) -> np.ndarray:
    return np.maximum(box[:, 2:] - box[:, :2], 1)


def _cells(box: np.ndarray) -> np.ndarray:
    """Cells along the sides of a box (N, 2): its whole pixels, as `decode` reads heatmaps."""
    return np.ceil(_sides(box))
