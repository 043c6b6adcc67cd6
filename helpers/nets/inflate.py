"""Inflation of 2-D networks to 3-D ones: every convolution gains an extent in time.

Notebook 04 (PT §3.1, DT §3.2). Centre inflation puts the 2-D kernel in the middle
time slice and 0 elsewhere, mean inflation a T-th of it in every slice. ProTracker's form, at the
end of the file, averages the inflated body over time and keeps 2-D heads.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from helpers import WorkbookError
from helpers.nets import keypoint_rcnn
from helpers.nets.keypoint_rcnn import KeypointRcnnConfig
from helpers.nets.sampling import frames_of
from helpers.people import People, Video

SCHEMES = ("centre", "mean")


def paper_extent(name: str, width: int) -> int:
    """DT's paper: the kernel is as long in time as it is wide, but the 7×7 first one is 3×7×7."""
    return min(width, 3)


def released_extent(name: str, width: int) -> int:
    """DT's released code: 1×7×7 first, nothing in time in the first stage, 3 from the second on (O-6)."""
    return 1 if width == 7 or "layer1" in name.split(".") else min(width, 3)


def no_extent(name: str, width: int) -> int:
    """A frame-level network written as a 3-D one: every kernel is one frame long."""
    return 1


#: form: temporal extent of a convolution from its dotted name and its spatial width
FORMS: dict[str, Callable[[str, int], int]] = {"paper": paper_extent, "released": released_extent, "frame": no_extent}


def inflate_kernel(kernel: torch.Tensor, extent: int, scheme: str) -> torch.Tensor:
    """(O, I, k, k) → (O, I, extent, k, k): centre or mean (DT §3.2). WorkbookError on another scheme."""
    if scheme not in SCHEMES:
        raise WorkbookError(f"inflation scheme {scheme!r} is unknown; there are {', '.join(SCHEMES)}.")
    if scheme == "mean":
        return kernel[:, :, None].repeat(1, 1, extent, 1, 1) / extent
    out = kernel.new_zeros(*kernel.shape[:2], extent, *kernel.shape[2:])
    out[:, :, extent // 2] = kernel
    return out


def inflate(network: nn.Module, scheme: str = "centre", form: str = "paper") -> nn.Module:
    """A copy of a 2-D convolutional network that maps clips (B, C, T, H, W); T stays what it is.

    Stride 1 and zero padding in time. Normalisation, pooling and deformable convolution act
    on every frame alone. Raises WorkbookError on an unknown scheme or form.
    """
    if form not in FORMS:
        raise WorkbookError(f"inflation form {form!r} is unknown; there are {', '.join(FORMS)}.")
    return _inflated(deepcopy(network), "", scheme, FORMS[form])


def _inflated(module: nn.Module, name: str, scheme: str, extent) -> nn.Module:
    if isinstance(module, nn.Conv2d):
        return _inflated_conv(module, extent(name, module.kernel_size[0]), scheme)
    if isinstance(module, nn.BatchNorm2d):
        new = nn.BatchNorm3d(module.num_features, module.eps, module.momentum).train(module.training)
        new.load_state_dict(module.state_dict())
        return new
    children = {child: value for child, value in module._modules.items() if value is not None}
    if children and type(module).__name__ != "DeformableConv":
        for child, value in children.items():
            setattr(module, child, _inflated(value, f"{name}.{child}", scheme, extent))
        return module
    return module if isinstance(module, (nn.ReLU, nn.Identity, nn.Dropout)) else PerFrame(module)


def _inflated_conv(conv: nn.Conv2d, extent: int, scheme: str) -> nn.Conv3d:
    new = nn.Conv3d(
        conv.in_channels,
        conv.out_channels,
        (extent, *conv.kernel_size),
        (1, *conv.stride),
        (extent // 2, *conv.padding),
        (1, *conv.dilation),
        conv.groups,
        conv.bias is not None,
    )
    with torch.no_grad():
        new.weight.copy_(inflate_kernel(conv.weight, extent, scheme))
        if conv.bias is not None:
            new.bias.copy_(conv.bias)
    return new


class PerFrame(nn.Module):
    """A 2-D module applied to every frame of a clip (B, C, T, H, W) on its own."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, clip):
        return unfold_time(self.module(fold_time(clip)), clip.shape[2])


def fold_time(clip: torch.Tensor) -> torch.Tensor:
    """(B, C, T, H, W) → (B · T, C, H, W), frames of a clip side by side."""
    return clip.transpose(1, 2).flatten(0, 1)


def unfold_time(frames: torch.Tensor, length: int) -> torch.Tensor:
    """(B · T, C, …) → (B, C, T, …), the inverse of `fold_time`."""
    return frames.unflatten(0, (-1, length)).transpose(1, 2)


def inflate_weights(
    frame_weights: dict[str, torch.Tensor], like: dict[str, torch.Tensor], scheme: str
) -> dict[str, torch.Tensor]:
    """The weights of a frame-level network for its clip-level twin, whose kernels are longer in time.

    Kernels of one time slice (or none) are inflated to the length that `like` has; the rest
    is copied. Raises WorkbookError for a tensor that is missing or fits in no way.
    """
    out = {}
    for name, wanted in like.items():
        value = frame_weights.get(name)
        if value is not None and wanted.ndim == 5 and value.shape != wanted.shape:
            value = inflate_kernel(value[:, :, 0] if value.ndim == 5 else value, wanted.shape[2], scheme)
        if value is None or value.shape != wanted.shape:
            raise WorkbookError(f"inflation: the tensor {name} is missing or has another shape.")
        out[name] = value
    return out


class Windows(Sequence):
    """Clips of `length` frames centred on each frame of a video, as uint8 (length, H, W, 3), read lazily.

    Beyond the ends the nearest frame is repeated, so a video shorter than a clip, even of one
    frame, gives whole clips (DT's released code).
    """

    def __init__(self, frames: Sequence[np.ndarray], length: int):
        self.frames, self.length = frames, length

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, t: int) -> np.ndarray:  # type: ignore[override]
        return np.stack([self.frames[i] for i in window(t, self.length, len(self))])


def window(t: int, length: int, n_frames: int) -> np.ndarray:
    """Frame numbers (length,) of the clip centred on frame t, the nearest frame where the video ends."""
    if not 0 <= t < n_frames:
        raise IndexError(f"frame {t} of {n_frames}")
    return np.clip(t + np.arange(length) - length // 2, 0, n_frames - 1)


# --- ProTracker's form: inflated body, mean over time, 2-D heads -------------------------------


@dataclass(frozen=True)
class AveragedConfig:
    """ProTracker's 3-D network: frame-level parts, clip length, scheme and form of inflation (PT-T1)."""

    frame: KeypointRcnnConfig = KeypointRcnnConfig()
    frames: int = 3
    scheme: str = "centre"
    form: str = "paper"


Config = AveragedConfig


class AveragedBody(nn.Module):
    """An inflated body whose maps are averaged over time: (B, 3 · T, H, W) → the 2-D body's maps."""

    def __init__(self, body: nn.Module, config: AveragedConfig):
        super().__init__()
        self.body, self.out_channels = inflate(body, config.scheme, config.form), body.out_channels

    def forward(self, clip):
        clip = clip.unflatten(1, (-1, 3)).transpose(1, 2)
        return {name: value.mean(2) for name, value in self.body(clip).items()}


def averaged(model: nn.Module, config: AveragedConfig) -> nn.Module:
    """ProTracker's clip-level network from a frame-level one of `keypoint_rcnn.build(config.frame)`.

    It takes what `Windows` gives; heads are copies of the frame-level ones.
    """
    model = deepcopy(model)
    if config.frame.frozen_norm:
        keypoint_rcnn.freeze_norm(model)
    model.backbone.body = AveragedBody(model.backbone.body, config)
    model.transform.image_mean = list(model.transform.image_mean) * config.frames
    model.transform.image_std = list(model.transform.image_std) * config.frames
    model.config = config
    return model.eval()


def build(config: AveragedConfig) -> nn.Module:
    """ProTracker's network with random weights (a frame-level one, inflated), in evaluation mode."""
    return averaged(keypoint_rcnn.build(config.frame), config)


def start_from(first: nn.Module | None, config: AveragedConfig) -> nn.Module:
    """The network before training: a frame-level one inflated, or one with random weights."""
    return build(config) if first is None else averaged(first, config)


def batches(videos: Sequence[Video], config: AveragedConfig, batch: int, seed: int) -> Callable[[int], tuple]:
    """A function step → (clips, targets): clips around random labelled frames and the centre frame's targets."""
    clips = [Windows(frames_of(v), config.frames) for v in videos]
    return keypoint_rcnn.labelled_frames(videos, clips, batch, seed)


def detect(model: nn.Module, frames: Sequence[np.ndarray], which: Sequence[int] | None = None, **more: Any) -> People:
    """All people of a video by a sliding window, as `keypoint_rcnn.detect`."""
    return keypoint_rcnn.detect(model, Windows(frames, model.config.frames), which, **more)
