"""Parts that both Mask R-CNNs are put together from: pyramid, last map, stage as a head, fixed normalisation.

Notebook 03 shows where they stand in the network (DT §3.1), notebook 04 inflates them.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d

from helpers import WorkbookError
from helpers.nets.resnet import DEPTHS, BodyConfig, make_stage

#: Side of the keypoint heatmaps, and of the RoIs that the two heads see (DT §3.1).
HEATMAP, BOX_ROI, KEYPOINT_ROI = 56, 7, 14

KEYPOINT_CONVS = 8


class PyramidBody(nn.Module):
    """Body and feature pyramid: images (B, 3, H, W) → maps of `channels` at strides 4, 8, 16, …"""

    def __init__(self, body: nn.Module, channels: int, extra: bool):
        super().__init__()
        self.body = body
        self.fpn = FeaturePyramidNetwork(body.out_channels, channels)
        self.out_channels, self.extra = channels, extra

    def forward(self, x):
        maps = self.fpn(self.body(x))
        if self.extra:  # the coarsest level only proposes, as in the pyramid paper
            maps["pool"] = F.max_pool2d(list(maps.values())[-1], 1, 2)
        return maps


class LastMap(nn.Module):
    """Body of which only the last, coarsest map is used."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body, self.out_channels = body, body.out_channels[-1]

    def forward(self, x):
        name, value = list(self.body(x).items())[-1]
        return {name: value}


class StageHead(nn.Module):
    """The last ResNet stage run on every RoI, then the mean over its cells: (N, C, 7, 7) → (N, C′)."""

    def __init__(self, config: BodyConfig, into: int):
        super().__init__()
        if config.stages > 3:
            raise WorkbookError(f"body: {config.stages} stages leave none for the box head; 3 are needed.")
        block, repeats = DEPTHS[config.depth]
        planes = config.width * 2**config.stages
        self.stage = make_stage(block, into, planes, repeats[config.stages], 1)
        self.out_channels = planes * block.expansion

    def forward(self, x):
        return self.stage(x).mean((2, 3))


class FrozenBatchNorm3d(FrozenBatchNorm2d):
    """torchvision's fixed scale and shift for clips (B, C, T, H, W)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.flatten(2, 3)).unflatten(2, x.shape[2:4])


def freeze_norm(model: nn.Module) -> None:
    """Batch normalisation becomes a fixed scale and shift, in place, as Detectron's affine layers."""
    kinds = {nn.BatchNorm2d: FrozenBatchNorm2d, nn.BatchNorm3d: FrozenBatchNorm3d}
    for name, module in model.named_children():
        if type(module) in kinds:
            frozen = kinds[type(module)](module.num_features, module.eps)
            frozen.load_state_dict(module.state_dict())
            setattr(model, name, frozen)
        else:
            freeze_norm(module)
