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
    return {str(name).removeprefix("module."): value for name, value in content.items()}


def take(model: nn.Module, tensors: Mapping[str, torch.Tensor], path: Path | str, what: str) -> nn.Module:
    """The model, in evaluation mode, with exactly these tensors; `what` names the network they should be of.

    Raises WorkbookError naming the first tensor that is missing, of another shape, not finite or too many.
    """
    wanted = model.state_dict()
    for name, value in wanted.items():
        if name not in tensors and name.rsplit(".", 1)[-1] == COUNTER:
            continue
        if name not in tensors:
            raise WorkbookError(f"{path}: is no {what}; the tensor {name} is missing.")
        has = tensors[name]
        if has.shape != value.shape:
            sizes = " × ".join(map(str, has.shape)), " × ".join(map(str, value.shape))
            raise WorkbookError(f"{path}: is no {what}; the tensor {name} is {sizes[0]}, not {sizes[1]}.")
        if not torch.isfinite(has).all():
            raise WorkbookError(f"{path}: the tensor {name} is not finite.")
    more = sorted(tensors.keys() - wanted.keys())
    if more:
        raise WorkbookError(f"{path}: is no {what}; it has no tensor {more[0]}.")
    model.load_state_dict(wanted | {name: tensors[name].to(wanted[name].dtype) for name in tensors})
    return model.eval()


def outputs(tensors: Mapping[str, torch.Tensor], path: Path | str, joints: int | None) -> int:
    """How many joints the last layer finds. Raises WorkbookError where it is missing, or finds another number."""
    last = tensors.get("final_layer.weight")
    if last is None or last.ndim != 4:
        raise WorkbookError(f"{path}: is no pose network; the tensor final_layer.weight is missing.")
    if joints not in (None, len(last)):
        raise WorkbookError(f"{path}: is a network of {len(last)} joints, not of {joints}.")
    return len(last)
