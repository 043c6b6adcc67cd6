"""Simple Baselines' pose network: a ResNet, two or three transposed convolutions, one 1×1 convolution.

Notebook 08 assembles it (SB §2). At width 64 its weights are those of the released network, name by name;
`load_released` takes them from the files that were published.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from helpers import WorkbookError
from helpers.nets import released
from helpers.nets.resnet import DEPTHS, Body, BodyConfig
from helpers.nets.top_down import FREE_JOINTS, CropConfig, batches, detect, look, losses, taken_over

__all__ = ["FREE_JOINTS", "Config", "batches", "build", "detect", "load_released", "look", "losses", "start_from"]

#: kernel: (padding, output padding) with which a stride of 2 doubles a map exactly.
KERNELS = {2: (0, 0), 3: (1, 1), 4: (1, 0)}
#: Standard deviation of the new layers' first weights.
FIRST_WEIGHTS = 0.001


@dataclass(frozen=True)
class DeconvPoseConfig(CropConfig):
    """What a network is built from; the defaults are the paper's ResNet-50 form.

    deconvolutions: how many, each of `kernel` 2, 3 or 4 and `channels`. Raises WorkbookError for another kernel, and
    for crops that the body does not divide evenly.
    """

    body: BodyConfig = BodyConfig()
    deconvolutions: int = 3
    kernel: int = 4
    channels: int = 256

    def __post_init__(self):
        if self.kernel not in KERNELS or self.deconvolutions < 1:
            raise WorkbookError(
                f"pose network: {self.deconvolutions} deconvolutions of kernel {self.kernel} cannot be; "
                f"kernels are {', '.join(map(str, KERNELS))}, and at least one is needed."
            )
        if min(self.size) < 1 or any(side % self.body.stride for side in self.size):
            raise WorkbookError(
                f"pose network: crops of {self.height} × {self.width} do not divide by the body's {self.body.stride}."
            )

    @property
    def stride(self) -> int:
        """Pixels of the crop between the heatmaps' cells."""
        return self.body.stride // 2**self.deconvolutions


Config = DeconvPoseConfig


def deconvolutions(into: int, channels: int, kernel: int, number: int) -> nn.Sequential:
    """Transposed convolutions, each doubling a map's sides, with normalisation and ReLU, numbered as released."""
    layers: list[nn.Module] = []
    for _ in range(number):
        conv = nn.ConvTranspose2d(into, channels, kernel, 2, *KERNELS[kernel], bias=False)
        nn.init.normal_(conv.weight, std=FIRST_WEIGHTS)
        layers += [conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        into = channels
    return nn.Sequential(*layers)


def last_layer(into: int, joints: int, kernel: int = 1) -> nn.Conv2d:
    """The convolution that says how much each joint is in each cell."""
    conv = nn.Conv2d(into, joints, kernel, padding=kernel // 2)
    nn.init.normal_(conv.weight, std=FIRST_WEIGHTS)
    nn.init.zeros_(conv.bias)
    return conv


class DeconvPose(Body):
    """Crops (N, 3, H, W), normalised → heatmaps (N, joints, H / stride, W / stride), 1 at a joint, 0 far from it."""

    def __init__(self, config: DeconvPoseConfig):
        super().__init__(config.body)
        self.config = config
        self.deconv_layers = deconvolutions(
            self.out_channels[-1], config.channels, config.kernel, config.deconvolutions
        )
        self.final_layer = last_layer(config.channels, config.joints)

    def forward(self, x):
        last = super().forward(x)[str(self.stages - 1)]
        return self.final_layer(self.deconv_layers(last))


def build(config: DeconvPoseConfig) -> DeconvPose:
    """The network with random weights, in evaluation mode."""
    return DeconvPose(config).eval()


def start_from(first: nn.Module | None, config: DeconvPoseConfig) -> nn.Module:
    """The network before training, see `top_down.taken_over`."""
    return taken_over(first, build(config))


def load_released(path: Path | str, height: int = 256, width: int = 192, joints: int | None = None) -> nn.Module:
    """The network of a published file, in evaluation mode: (N, 3, H, W) → (N, joints, H / 4, W / 4).

    Depth, width, deconvolutions, kernel and joints are read off the tensors. height and width of the crops that
    `detect` cuts cannot be; nor can a ResNet with its strides in the first 1 × 1 convolutions ("caffe" style) be told,
    which would give wrong maps here. The released training took blue, green, red. Raises WorkbookError for a file
    that is no such network, naming the tensor, for other joints than asked for, and for crops that do not fit.
    """
    tensors = released.tensors_of(path)
    found = released.outputs(tensors, path, joints)
    body, (number, kernel, channels) = _body_of(tensors, path), _deconvolutions_of(tensors, path)
    config = DeconvPoseConfig(
        height, width, found, bgr=True, body=body, deconvolutions=number, kernel=kernel, channels=channels
    )
    what = f"ResNet-{body.depth} of width {body.width} with {number} deconvolutions of kernel {kernel}"
    with torch.device("meta"):  # no memory for what the file may pretend to be
        model = build(config)
    return released.take(model, tensors, path, what)


def _body_of(tensors: Mapping[str, torch.Tensor], path: Path | str) -> BodyConfig:
    """The ResNet whose blocks the tensors' names count. Raises WorkbookError for none that is known."""
    names = [re.fullmatch(r"layer(\d)\.(\d+)\.conv1\.weight", name) for name in tensors]
    stages = [int(m[1]) for m in names if m]
    repeats = tuple(stages.count(s) for s in range(1, 5))
    kind = Bottleneck if "layer1.0.conv3.weight" in tensors else BasicBlock
    depth = next((d for d, (block, each) in DEPTHS.items() if block is kind and each == repeats), None)
    first = tensors.get("conv1.weight")
    if depth is None:
        raise WorkbookError(f"{path}: is no pose network on a ResNet; {repeats} blocks in its stages are of none.")
    if first is None or first.ndim != 4:
        raise WorkbookError(f"{path}: is no pose network on a ResNet; the tensor conv1.weight is missing.")
    return BodyConfig(depth, len(first))


def _deconvolutions_of(tensors: Mapping[str, torch.Tensor], path: Path | str) -> tuple[int, int, int]:
    """Number, kernel and channels of the transposed convolutions. Raises WorkbookError where there are none."""
    weights = [v for name, v in tensors.items() if re.fullmatch(r"deconv_layers\.\d+\.weight", name) and v.ndim == 4]
    if not weights:
        raise WorkbookError(f"{path}: is no pose network; the tensor deconv_layers.0.weight is missing.")
    return len(weights), weights[0].shape[-1], weights[0].shape[1]
