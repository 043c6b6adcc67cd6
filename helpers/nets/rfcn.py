"""R-FCN's head: position-sensitive score maps, pooled over a k × k grid of each box (notebook 03).

The detector that LightTrack compares with the feature pyramid (LT-T2, LT-T3); Dai et al. 2016,
eq. 1 and 2. It fits torchvision's RoI heads in place of RoIAlign and the box head.
"""

import torch
from torch import nn
from torchvision.ops import ps_roi_pool

#: Cells along each side of the grid, and outputs: 2 class scores and 4 regressions a class.
GRID = 7
SCORES, REGRESSIONS = 2, 8


class PositionSensitivePool(nn.Module):
    """Feature maps and boxes → (N, 10): class scores and box regressions of each box.

    Every cell of the grid reads its own map; a box's score is the mean over its cells,
    so nothing has to be computed a box but the pooling.
    """

    def __init__(self, channels: int, stride: int):
        super().__init__()
        self.stride = stride
        self.maps = nn.Conv2d(channels, (SCORES + REGRESSIONS) * GRID**2, 1)
        nn.init.normal_(self.maps.weight, std=0.01)
        nn.init.zeros_(self.maps.bias)

    def forward(self, features: dict[str, torch.Tensor], boxes: list[torch.Tensor], image_sizes):
        maps = self.maps(next(reversed(features.values())))
        return ps_roi_pool(maps, boxes, GRID, 1 / self.stride).mean((2, 3))


class SplitScores(nn.Module):
    """(N, 10) → class scores (N, 2) and regressions (N, 8), as torchvision's box predictor gives them."""

    def forward(self, x):
        return x[:, :SCORES], x[:, SCORES:]
