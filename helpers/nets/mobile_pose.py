"""LightTrack's fast pose network: MobileNet, whose convolutions are split into one per channel and a 1 × 1 one.

The head is `deconv_pose`'s, as in LightTrack's released code, here with normalisation (LT-T6, the rows YoloMD).
"""

from dataclasses import dataclass

from torch import nn

from helpers import WorkbookError
from helpers.nets.deconv_pose import deconvolutions, last_layer
from helpers.nets.top_down import FREE_JOINTS, CropConfig, batches, detect, look, losses, taken_over

__all__ = ["FREE_JOINTS", "Config", "batches", "build", "detect", "look", "losses", "start_from"]

#: (channels, stride) of the thirteen split convolutions, after a first one of 32 and stride 2.
SPLIT = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
#: Channels of the first convolution.
FIRST = 32


@dataclass(frozen=True)
class MobilePoseConfig(CropConfig):
    """share: of MobileNet's channels that are kept; channels: of the three deconvolutions.

    Raises WorkbookError for crops whose sides are no multiples of 32.
    """

    height: int = 384
    width: int = 288
    share: float = 1.0
    channels: int = 256

    def __post_init__(self):
        if min(self.size) < 1 or any(side % 32 for side in self.size):
            raise WorkbookError(f"pose network: crops of {self.height} × {self.width} do not divide by 32.")


Config = MobilePoseConfig


def _conv(into: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(into, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU6(inplace=True))


class MobilePose(nn.Module):
    """Crops (N, 3, H, W), normalised → heatmaps (N, joints, H / 4, W / 4)."""

    def __init__(self, config: MobilePoseConfig):
        super().__init__()
        self.config, into = config, round(FIRST * config.share)
        layers = [_conv(3, into, 3, 2)]
        for channels, stride in SPLIT:
            out = round(channels * config.share)
            layers += [_conv(into, into, 3, stride, groups=into), _conv(into, out, 1)]
            into = out
        self.body = nn.Sequential(*layers)
        self.deconv_layers = deconvolutions(into, config.channels, 4, 3)
        self.final_layer = last_layer(config.channels, config.joints)

    def forward(self, x):
        return self.final_layer(self.deconv_layers(self.body(x)))


def build(config: MobilePoseConfig) -> MobilePose:
    """The network with random weights, in evaluation mode."""
    return MobilePose(config).eval()


def start_from(first: nn.Module | None, config: MobilePoseConfig) -> nn.Module:
    """The network before training, see `top_down.taken_over`."""
    return taken_over(first, build(config))
