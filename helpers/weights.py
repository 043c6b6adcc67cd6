"""Weights in files: named by a hash of their configuration, loaded where they exist, else trained.

safetensors only, never pickle; configuration, data, seed, device and date travel in the file's
metadata. Notebooks 03 and 04 load theirs here and always evaluate again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from datetime import date
from pathlib import Path
from urllib.error import URLError

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from helpers import WorkbookError, places

FOLDER = places.WEIGHTS


def configuration(**parts) -> dict:
    """The configuration of a trained network as plain JSON: one entry a part, frozen dataclasses spelled out.

    configuration(network=SLIM, recipe=Recipe(...)) → {"network": {...}, "recipe": {...}}.
    """
    plain = {
        name: {"class": type(part).__name__} | asdict(part) if is_dataclass(part) else part
        for name, part in parts.items()
    }
    return json.loads(json.dumps(plain, sort_keys=True))


def file_name(label: str, config: dict) -> str:
    """`label-0123456789.safetensors`, the digits being the configuration's hash."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
    return f"{label}-{digest[:10]}.safetensors"


def save(path: Path, model: nn.Module, config: dict, half: bool = True, **facts) -> Path:
    """Write a model's weights whole or not at all; floats as half precision unless half=False.

    facts (data, seed, device, minutes, …) go into the metadata as text, with the date.
    """
    path = Path(path)
    tensors = {
        name: (value.half() if half and value.is_floating_point() else value).cpu().contiguous()
        for name, value in model.state_dict().items()
    }
    metadata = {"configuration": json.dumps(config, sort_keys=True), "date": date.today().isoformat()}
    metadata |= {name: str(value) for name, value in facts.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(tensors, partial, metadata)
        os.replace(partial, path)
    except OSError as error:
        raise WorkbookError(f"{path}: cannot be written ({error.strerror}).") from None
    finally:
        partial.unlink(missing_ok=True)
    return path


def metadata(path: Path) -> dict[str, str]:
    """What a weight file says about itself. Raises WorkbookError if it is missing or truncated."""
    return _read(path, tensors=False)[1]


def load(path: Path, model: nn.Module, config: dict) -> nn.Module:
    """Put a file's weights into a model and return it, in evaluation mode.

    Raises WorkbookError for a missing or truncated file, for weights of another
    configuration (naming the first field that differs) and for tensors that do not fit.
    """
    tensors, facts = _read(path)
    try:
        stored = json.loads(facts["configuration"])
    except (KeyError, json.JSONDecodeError):
        raise WorkbookError(f"{path}: the metadata's configuration is missing or no JSON.") from None
    different = _first_difference(stored, config)
    if different:
        field, has, wanted = different
        raise WorkbookError(f"{path}: are weights of another configuration, {field} is {has!r} and not {wanted!r}.")
    expected = model.state_dict()
    for name, value in expected.items():
        if name not in tensors or tensors[name].shape != value.shape:
            raise WorkbookError(f"{path}: the tensor {name} is missing or has another shape.")
    model.load_state_dict({name: tensors[name].to(value.dtype) for name, value in expected.items()})
    return model.eval()


def _read(path: Path, tensors: bool = True) -> tuple[dict, dict]:
    try:
        with safe_open(path, "pt") as file:
            stored = {name: file.get_tensor(name) for name in file.keys()} if tensors else {}
            return stored, file.metadata() or {}
    except FileNotFoundError:
        raise WorkbookError(f"{path}: is missing.") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise WorkbookError(f"{path}: is truncated or no weight file ({error}).") from None


def _first_difference(stored, wanted, field: str = "configuration"):
    if isinstance(stored, dict) and isinstance(wanted, dict):
        for name in sorted(stored.keys() | wanted.keys()):
            found = _first_difference(
                stored.get(name), wanted.get(name), name if field == "configuration" else f"{field}.{name}"
            )
            if found:
                return found
        return None
    return None if stored == wanted else (field, stored, wanted)


def train_or_load(
    label: str, config: dict, build: Callable[[], nn.Module], train: Callable[[nn.Module], dict], folder: Path = FOLDER
) -> nn.Module:
    """The trained network: from its file if there is one, else trained now and kept there.

    train(model) trains in place and returns the facts for the metadata.
    """
    path = Path(folder) / file_name(label, config)
    model = build()
    if path.exists():
        return load(path, model, config)
    facts = train(model)
    save(path, model, config, **facts)
    return model.eval()


def from_torchvision(load_model: Callable[[], nn.Module], what: str) -> nn.Module:
    """A network with torchvision's published weights, fetched on first use.

    load_model: e.g. lambda: keypointrcnn_resnet50_fpn(weights="COCO_V1"). Raises
    WorkbookError in one sentence when they are neither on disk nor to be had.
    """
    try:
        return load_model().eval()
    except (URLError, OSError, RuntimeError) as error:
        raise WorkbookError(
            f"{what}: cannot be fetched without a network ({_reason(error)}); "
            "the workbook's own weights in data/weights need none."
        ) from None


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", error)).splitlines()[0]


def device(name: str) -> torch.device:
    """The device to compute on. Raises WorkbookError for "cuda" where there is no GPU, or an unknown name."""
    if name not in ("cpu", "cuda"):
        raise WorkbookError(f"device {name!r} is unknown; there are cpu, cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise WorkbookError('device "cuda" was asked for but no GPU is found; use device "cpu".')
    return torch.device(name)
