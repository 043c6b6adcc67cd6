"""The 2-D body: a ResNet as in torchvision, with a choice of width, stages, stride and deformable last stage.

Notebooks 03 and 04 put heads on it; `inflate` makes it 3-D. At width 64 its weights are
torchvision's, name by name (DT §3.1, LT §4.1).
"""

from dataclasses import dataclass

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, conv1x1
from torchvision.ops import DeformConv2d

from helpers import WorkbookError

#: depth: (block, blocks of the four stages)
DEPTHS = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


@dataclass(frozen=True)
class BodyConfig:
    """What a body is built from.

    depth: 18, 34, 50, 101 or 152; width: channels of the first stage (ResNet: 64, doubling from
    stage to stage, × 4 in bottlenecks); stages: how many of the four; last_stride: of the
    last stage, 1 keeps the resolution of the one before; deformable: 3×3 convolutions of the
    last stage are deformable ones.
    """

    depth: int = 50
    width: int = 64
    stages: int = 4
    last_stride: int = 2
    deformable: bool = False

    @property
    def stride(self) -> int:
        """Pixels between the cells of the last map."""
        return 2**self.stages * self.last_stride if self.stages > 1 else 4


class DeformableConv(nn.Module):
    """3×3 convolution whose nine samples move by offsets that a second convolution predicts.

    The offsets start at 0, where it is the plain convolution (Dai et al. 2017, eq. 2).
    """

    def __init__(self, into: int, out: int, stride: int):
        super().__init__()
        self.offset = nn.Conv2d(into, 18, 3, stride, 1)
        self.conv = DeformConv2d(into, out, 3, stride, 1, bias=False)
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)

    def forward(self, x):
        return self.conv(x, self.offset(x))


class Body(nn.Module):
    """ResNet up to `stages`: (B, 3, H, W) images → {"0": stride 4, "1": stride 8, …} feature maps.

    `out_channels` lists their channels. Raises WorkbookError for an unknown depth or number of stages.
    """

    def __init__(self, config: BodyConfig):
        super().__init__()
        if config.depth not in DEPTHS or not 1 <= config.stages <= 4:
            raise WorkbookError(
                f"body: depth {config.depth} with {config.stages} stages is unknown; "
                f"depths are {', '.join(map(str, DEPTHS))}, stages 1 to 4."
            )
        block, repeats = DEPTHS[config.depth]
        self.conv1 = nn.Conv2d(3, config.width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(config.width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.out_channels, into = [], config.width
        for s in range(config.stages):
            last = s == config.stages - 1
            stride = 1 if s == 0 else config.last_stride if last else 2
            stage = make_stage(block, into, config.width * 2**s, repeats[s], stride)
            setattr(self, f"layer{s + 1}", stage)
            into = config.width * 2**s * block.expansion
            self.out_channels.append(into)
        self.stages = config.stages
        for conv in [m for m in self.modules() if isinstance(m, nn.Conv2d)]:
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        if config.deformable:
            _deform(getattr(self, f"layer{config.stages}"))

    def forward(self, x) -> dict[str, torch.Tensor]:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        out = {}
        for s in range(self.stages):
            x = out[str(s)] = getattr(self, f"layer{s + 1}")(x)
        return out


def make_stage(block, into: int, planes: int, repeat: int, stride: int) -> nn.Sequential:
    """`repeat` residual blocks, the first with the stride, (B, into, …) → (B, planes · expansion, …)."""
    out, blocks = planes * block.expansion, []
    for i in range(repeat):
        shortcut = None
        if i == 0 and (stride > 1 or into != out):
            shortcut = nn.Sequential(conv1x1(into, out, stride), nn.BatchNorm2d(out))
        blocks.append(block(into, planes, stride if i == 0 else 1, shortcut))
        into = out
    return nn.Sequential(*blocks)


def _deform(stage: nn.Sequential) -> None:
    """Replace every 3×3 convolution of a stage by a deformable one with the same weights."""
    for block in stage:
        for name in ("conv1", "conv2"):
            old = getattr(block, name)
            if old.kernel_size == (3, 3):
                new = DeformableConv(old.in_channels, old.out_channels, old.stride[0])
                new.conv.weight.data.copy_(old.weight.data)
                setattr(block, name, new)
