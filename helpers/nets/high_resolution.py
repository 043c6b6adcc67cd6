"""The high-resolution network that KeyTrack takes its poses from: branches of four strides that keep exchanging maps.

At 48 channels its weights are those of the released network, name by name (KT §5; 63.6 M
parameters). An image classifier's backbone of that name has a larger last exchange, and so other weights.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from helpers import WorkbookError
from helpers.nets import released
from helpers.nets.deconv_pose import last_layer
from helpers.nets.resnet import make_stage
from helpers.nets.top_down import FREE_JOINTS, CropConfig, batches, detect, look, losses, taken_over

__all__ = ["FREE_JOINTS", "Config", "batches", "build", "detect", "load_released", "look", "losses", "start_from"]

#: Exchanges in the stages of two, three and four branches; residual blocks of each branch between two exchanges.
EXCHANGES, BLOCKS = (1, 4, 3), 4
#: Channels of the stem, in which the sides are quartered.
STEM = 64


@dataclass(frozen=True)
class HighResolutionConfig(CropConfig):
    """channels: of the branch at a quarter of the crop's sides; each coarser one has twice as many.

    Raises WorkbookError for crops whose sides are no multiples of 32.
    """

    height: int = 384
    width: int = 288
    sigma: float = 3.0
    channels: int = 48

    def __post_init__(self):
        if min(self.size) < 1 or any(side % 32 for side in self.size):
            raise WorkbookError(f"pose network: crops of {self.height} × {self.width} do not divide by 32.")


Config = HighResolutionConfig


def _conv(into: int, out: int, stride: int = 1, relu: bool = True) -> nn.Sequential:
    layers = [nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))


class Exchange(nn.Module):
    """Residual blocks in every branch, then each map becomes the sum of all, brought to its size.

    Maps (N, channels · 2ⁱ, h / 2ⁱ, w / 2ⁱ), a list of them → the same, or only the finest ones: `out` of them.
    """

    def __init__(self, channels: list[int], out: int):
        super().__init__()
        self.branches = nn.ModuleList(make_stage(BasicBlock, c, c, BLOCKS, 1) for c in channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self._way(channels, source, target) for source in range(len(channels)))
            for target in range(out)
        )

    @staticmethod
    def _way(channels: list[int], source: int, target: int) -> nn.Module:
        """From one branch's size to another's: strided convolutions down, a 1 × 1 one and copies up."""
        into, out = channels[source], channels[target]
        if source == target:
            return nn.Identity()
        if source > target:
            conv = nn.Conv2d(into, out, 1, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(out), nn.Upsample(scale_factor=2 ** (source - target)))
        steps = [_conv(into, into, 2) for _ in range(target - source - 1)]
        return nn.Sequential(*steps, _conv(into, out, 2, relu=False))

    def forward(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        seen = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        sums = (sum(way(x) for way, x in zip(ways, seen, strict=True)) for ways in self.fuse_layers)
        return [torch.relu(total) for total in sums]


class HighResolution(nn.Module):
    """Crops (N, 3, H, W), normalised → heatmaps (N, joints, H / 4, W / 4)."""

    def __init__(self, config: HighResolutionConfig):
        super().__init__()
        self.config, into = config, [STEM * Bottleneck.expansion]
        self.conv1, self.bn1 = nn.Conv2d(3, STEM, 3, 2, 1, bias=False), nn.BatchNorm2d(STEM)
        self.conv2, self.bn2 = nn.Conv2d(STEM, STEM, 3, 2, 1, bias=False), nn.BatchNorm2d(STEM)
        self.layer1 = make_stage(Bottleneck, STEM, STEM, 4, 1)
        for k, number in enumerate(EXCHANGES):
            channels = [config.channels * 2**i for i in range(k + 2)]
            ways = [_conv(a, b) if a != b else nn.Identity() for a, b in zip(into, channels, strict=False)]
            coarser = nn.Sequential(_conv(into[-1], channels[-1], 2))
            last = k == len(EXCHANGES) - 1
            modules = [Exchange(channels, 1 if last and n == number - 1 else len(channels)) for n in range(number)]
            setattr(self, f"transition{k + 1}", nn.ModuleList([*ways, coarser]))
            setattr(self, f"stage{k + 2}", nn.Sequential(*modules))
            into = channels
        self.final_layer = last_layer(config.channels, config.joints)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        maps = [self.layer1(torch.relu(self.bn2(self.conv2(x))))]
        for k in range(len(EXCHANGES)):
            *ways, coarser = getattr(self, f"transition{k + 1}")
            maps = [way(x) for way, x in zip(ways, maps, strict=True)] + [coarser(maps[-1])]
            maps = getattr(self, f"stage{k + 2}")(maps)
        return self.final_layer(maps[0])


def build(config: HighResolutionConfig) -> HighResolution:
    """The network with random weights, in evaluation mode."""
    return HighResolution(config).eval()


def start_from(first: nn.Module | None, config: HighResolutionConfig) -> nn.Module:
    """The network before training, see `top_down.taken_over`."""
    return taken_over(first, build(config))


def load_released(path: Path | str, height: int = 384, width: int = 288, joints: int | None = None) -> nn.Module:
    """The network of a published file, in evaluation mode; channels and joints are read off the tensors.

    height and width: of the crops that `detect` cuts. Raises WorkbookError as `deconv_pose.load_released` does.
    """
    tensors = released.tensors_of(path)
    found = released.outputs(tensors, path, joints)
    config = HighResolutionConfig(height, width, found, channels=tensors["final_layer.weight"].shape[1])
    return released.take(build(config), tensors, path, f"high-resolution network of {config.channels} channels")
