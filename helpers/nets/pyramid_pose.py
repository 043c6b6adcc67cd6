"""LightTrack's other pose network: a cascaded pyramid that mines each person's hardest joints.

A feature pyramid says where the joints are at four strides; a second network refines all four maps together, and its
loss counts only the joints that are furthest off (LT-T4 and LT-T5, the rows CPN101; SB-T3). As in LightTrack's released
code, but one sigma for the targets of all levels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import Bottleneck

from helpers import WorkbookError
from helpers.nets.deconv_pose import last_layer
from helpers.nets.heatmaps import hard_joints_mse, masked_mse
from helpers.nets.resnet import Body, BodyConfig
from helpers.nets.top_down import FREE_JOINTS, CropConfig, batches, detect, look, taken_over

__all__ = ["FREE_JOINTS", "Config", "batches", "build", "detect", "look", "losses", "start_from"]

#: Of 15 joints that many count in the refined loss (LT §4.2); of COCO's 17 it was 8.
HARDEST = 7


@dataclass(frozen=True)
class PyramidPoseConfig(CropConfig):
    """body: a ResNet of four stages; channels of the pyramid. Raises WorkbookError for crops it does not divide."""

    height: int = 384
    width: int = 288
    sigma: float = 3.0
    body: BodyConfig = BodyConfig(101)
    channels: int = 256

    def __post_init__(self):
        if min(self.size) < 1 or any(side % self.body.stride for side in self.size):
            raise WorkbookError(
                f"pose network: crops of {self.height} × {self.width} do not divide by the body's {self.body.stride}."
            )


Config = PyramidPoseConfig


def _conv(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def _refiner(into: int, channels: int) -> Bottleneck:
    """A residual block of half as many channels inside."""
    shortcut = nn.Sequential(nn.Conv2d(into, channels, 1, bias=False), nn.BatchNorm2d(channels))
    return Bottleneck(into, channels // 4, downsample=shortcut if into != channels else None, base_width=128)


class PyramidPose(nn.Module):
    """Crops (N, 3, H, W), normalised → heatmaps (N, joints, H / 4, W / 4), those of the refining network."""

    def __init__(self, config: PyramidPoseConfig):
        super().__init__()
        self.config, channels, self.body = config, config.channels, Body(config.body)
        into = self.body.out_channels
        self.lateral = nn.ModuleList(_conv(c, channels) for c in into)
        self.merge = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in into[1:])
        self.before = nn.ModuleList(_conv(channels, channels) for _ in into)
        self.levels = nn.ModuleList(last_layer(channels, config.joints, 3) for _ in into)
        self.refine = nn.ModuleList(
            nn.Sequential(*(_refiner(channels, channels) for _ in range(i))) for i in range(len(into))
        )
        self.together = _refiner(len(into) * channels, channels)
        self.final_layer = last_layer(channels, config.joints, 3)

    def both(self, x: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """The pyramid's heatmaps, a map of the finest level's size for each, and the refined ones."""
        maps = [conv(m) for conv, m in zip(self.lateral, self.body(x).values(), strict=True)]
        for i in reversed(range(len(maps) - 1)):
            maps[i] = maps[i] + self.merge[i](_resized(maps[i + 1], maps[i]))
        says = [
            _resized(out(before(m)), maps[0]) for out, before, m in zip(self.levels, self.before, maps, strict=True)
        ]
        refined = [_resized(blocks(m), maps[0]) for blocks, m in zip(self.refine, maps, strict=True)]
        return says, self.final_layer(self.together(torch.cat(refined, 1)))

    def forward(self, x):
        return self.both(x)[1]


def _resized(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


def build(config: PyramidPoseConfig) -> PyramidPose:
    """The network with random weights, in evaluation mode."""
    return PyramidPose(config).eval()


def start_from(first: nn.Module | None, config: PyramidPoseConfig) -> nn.Module:
    """The network before training, see `top_down.taken_over`."""
    return taken_over(first, build(config))


def losses(model: nn.Module, images: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> dict:
    """The pyramid's mean error, weighed as so many joints as are mined, and the refined one of the hardest joints."""
    says, refined = model.both(images)
    over_levels = torch.stack([masked_mse(heat, target, weight) for heat in says]).mean()
    return {
        "loss_pyramid": over_levels * HARDEST / model.config.joints,
        "loss_refined": hard_joints_mse(refined, target, weight, HARDEST),
    }
