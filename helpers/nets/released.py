"""Weights that authors published as PyTorch files, put into the workbook's networks (notebook 08).

A file holds a dictionary of tensors, alone or under "state_dict", its names with or without the "module." that
training on several GPUs leaves. Nothing but tensors and plain values is read from it.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from helpers import WorkbookError

#: Files of PyTorch before 0.4.1 lack this counter, which no result depends on.
COUNTER = "num_batches_tracked"


def tensors_of(path: Path | str) -> dict[str, torch.Tensor]:
    """A file's tensors by their names. Raises WorkbookError where it is missing or holds anything else."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WorkbookError(f"{path}: is missing.") from None
    except Exception as error:  # torch raises many kinds for a damaged file
        raise WorkbookError(f"{path}: is no readable file of PyTorch weights ({type(error).__name__}).") from None
    content = content.get("state_dict", content) if isinstance(content, Mapping) else content
    tensors = isinstance(content, Mapping) and all(isinstance(v, torch.Tensor) for v in content.values())
    if not tensors or not content:
        raise WorkbookError(f"{path}: holds no dictionary of tensors, alone or under state_dict.")
    odd = next((name for name, value in content.items() if not _plain(value)), None)
    if odd is not None:
        raise WorkbookError(f"{path}: the tensor {odd} holds no plain real numbers, or none at all.")
    return {str(name).removeprefix("module."): value for name, value in content.items()}


def _plain(value: torch.Tensor) -> bool:
    """Real numbers, at least one, each of which is stored."""
    dense = value.layout is torch.strided and not (value.is_meta or value.is_quantized)
    return (
        dense
        and not (value.is_complex() or value.dtype is torch.bool)
        and 0 < value.nbytes <= value.untyped_storage().nbytes()
    )


def take(model: nn.Module, tensors: Mapping[str, torch.Tensor], path: Path | str, what: str) -> nn.Module:
    """The model, in evaluation mode, with exactly these tensors; `what` names the network they should be of.

    A model on the meta device gets its memory when all shapes are right. Raises WorkbookError naming the first tensor
    that is missing, of another shape, not finite as the model's numbers, a negative variance or too many.
    """
    wanted = model.state_dict()
    given = {name: _fitting(name, value, tensors, path, what) for name, value in wanted.items()}
    more = sorted(tensors.keys() - wanted.keys())
    if more:
        raise WorkbookError(f"{path}: is no {what}; it has no tensor {more[0]}.")
    if any(value.is_meta for value in wanted.values()):
        model.to_empty(device="cpu")
    model.load_state_dict(given)
    return model.eval()


def _fitting(name: str, wanted: torch.Tensor, tensors: Mapping[str, torch.Tensor], path, what: str) -> torch.Tensor:
    """The file's tensor as one like `wanted`, of which only shape and kind are looked at. Errors as in `take`."""
    last = name.rsplit(".", 1)[-1]
    if name not in tensors:
        if last == COUNTER:
            return torch.zeros(wanted.shape, dtype=wanted.dtype)
        raise WorkbookError(f"{path}: is no {what}; the tensor {name} is missing.")
    if tensors[name].shape != wanted.shape:
        sizes = [" × ".join(map(str, tensor.shape)) for tensor in (tensors[name], wanted)]
        raise WorkbookError(f"{path}: is no {what}; the tensor {name} is {sizes[0]}, not {sizes[1]}.")
    has = tensors[name].to(wanted.dtype)
    if not torch.isfinite(has).all():
        raise WorkbookError(f"{path}: the tensor {name} is not finite.")
    if last == "running_var" and (has < 0).any():
        raise WorkbookError(f"{path}: the tensor {name} holds negative variances.")
    return has


def outputs(tensors: Mapping[str, torch.Tensor], path: Path | str, joints: int | None) -> int:
    """How many joints the last layer finds. Raises WorkbookError where it is missing, or finds another number."""
    last = tensors.get("final_layer.weight")
    if last is None or last.ndim != 4:
        raise WorkbookError(f"{path}: is no pose network; the tensor final_layer.weight is missing.")
    if joints not in (None, len(last)):
        raise WorkbookError(f"{path}: is a network of {len(last)} joints, not of {joints}.")
    return len(last)
