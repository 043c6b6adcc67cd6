"""Weights in files: checked against their configuration when loaded.

safetensors only, never pickle, packed by xz; configuration, data, seed, device and date travel in
the file's metadata. Notebooks 03, 04 and 07 load theirs here and always evaluate again.
"""

import json
import lzma
from collections.abc import Callable
from dataclasses import MISSING, asdict, fields, is_dataclass
from datetime import date
from pathlib import Path
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_of
from safetensors.torch import save as bytes_of
from torch import nn

from helpers import WorkbookError, artefacts
from helpers.files import write_atomically

#: Half-precision numbers are pairs of bytes: their places are told apart, which packs them a sixth smaller.
PACKING = [{"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 0, "lp": 1, "pb": 1}]


def spelled_out(config: dict) -> dict:
    """A configuration as plain JSON: {"network": SLIM, "start": "name", …}, frozen dataclasses as their fields."""
    return json.loads(json.dumps(config, sort_keys=True, default=asdict))


def save(path: Path, model: nn.Module, config: dict, half: bool = True, **facts: object) -> Path:
    """Write a model's weights whole or not at all; floats as half precision unless half=False.

    config: see `spelled_out`; facts (data, seed, device, minutes, …) go into the metadata as text,
    with the date. Raises WorkbookError where the file cannot be written.
    """
    tensors = {
        name: (value.half() if half and value.is_floating_point() else value).cpu().contiguous()
        for name, value in model.state_dict().items()
    }
    about = {"configuration": json.dumps(spelled_out(config), sort_keys=True), "date": date.today().isoformat()}
    about |= {name: str(value) for name, value in facts.items()}
    write_atomically(path, packed(bytes_of(tensors, about)))
    return Path(path)


def packed(plain: bytes) -> bytes:
    """A safetensors file, packed."""
    return lzma.compress(plain, filters=PACKING)


def metadata(path: Path) -> dict[str, str]:
    """What a weight file says about itself. Raises WorkbookError if it is missing or truncated."""
    return _read(path)[1]


def load(path: Path, model: nn.Module, config: dict) -> nn.Module:
    """Put a file's weights into a model and return it, in evaluation mode.

    Raises WorkbookError for a missing or truncated file, for weights of another
    configuration (naming the first field that differs) and for tensors that are not exactly the
    model's, or not finite. A field that the file does not know, because it is younger, must have its default.
    """
    tensors, facts = _read(path)
    try:
        stored = json.loads(facts["configuration"])
    except (KeyError, ValueError):
        raise WorkbookError(f"{path}: the metadata's configuration is missing or no JSON.") from None
    parts = {name: fields(part) for name, part in config.items() if is_dataclass(part)}
    defaults = {name: {f.name: f.default for f in part if f.default is not MISSING} for name, part in parts.items()}
    different = _first_difference(stored, spelled_out(config), spelled_out(defaults))
    if different:
        field, has, wanted = different
        raise WorkbookError(f"{path}: are weights of another configuration, {field} is {has!r} and not {wanted!r}.")
    expected = model.state_dict()
    for name in {**expected, **tensors}:
        has, wanted = tensors.get(name), expected.get(name)
        if has is None or wanted is None or has.shape != wanted.shape:
            raise WorkbookError(f"{path}: the tensor {name} is missing, not the network's or has another shape.")
        if has.is_floating_point() != wanted.is_floating_point() or not has.isfinite().all():
            raise WorkbookError(f"{path}: the tensor {name} is of another kind of number or not finite.")
    model.load_state_dict({name: tensors[name].to(value.dtype) for name, value in expected.items()})
    return model.eval()


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    content = artefacts.content(path)
    try:
        plain = lzma.decompress(content)
        header = json.loads(plain[8 : 8 + int.from_bytes(plain[:8], "little")])
        return tensors_of(plain), header.get("__metadata__", {})
    except (SafetensorError, lzma.LZMAError, EOFError, ValueError, KeyError, AttributeError, MemoryError) as error:
        raise WorkbookError(f"{path}: is truncated or no weight file ({type(error).__name__}).") from None


def _first_difference(stored, wanted, defaults, name: str = "") -> tuple[str, object, object] | None:
    """(field, stored, wanted) of the first field that differs; one that is not stored is taken from the defaults."""
    if not (isinstance(stored, dict) and isinstance(wanted, dict)):
        return None if stored == wanted else (name or "configuration", stored, wanted)
    defaults = defaults if isinstance(defaults, dict) else {}
    for field in sorted(stored.keys() | wanted.keys()):
        spare = defaults.get(field)
        inner = f"{name}.{field}" if name else field
        found = _first_difference(stored.get(field, spare), wanted.get(field), spare, inner)
        if found:
            return found
    return None


def from_torchvision(load_model: Callable[[], nn.Module], what: str) -> nn.Module:
    """A network with torchvision's published weights, fetched on first use.

    load_model: e.g. lambda: keypointrcnn_resnet50_fpn(weights="COCO_V1"). Raises
    WorkbookError in one sentence when they are neither on disk nor to be had.
    """
    try:
        return load_model().eval()
    except (URLError, OSError, RuntimeError) as error:
        reason = str(getattr(error, "reason", error)).splitlines()[0]
        raise WorkbookError(
            f"{what}: cannot be fetched without a network ({reason}); "
            "the workbook's own weights in data/weights need none."
        ) from None


def device(name: str) -> torch.device:
    """The device to compute on. Raises WorkbookError for "cuda" where there is no GPU, or an unknown name."""
    if name not in ("cpu", "cuda"):
        raise WorkbookError(f"device {name!r} is unknown; there are cpu, cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise WorkbookError('device "cuda" was asked for but no GPU is found; use device "cpu".')
    return torch.device(name)
