"""Simple Baselines' pose network: a ResNet, two or three transposed convolutions, one 1×1 convolution.

Notebook 08 assembles it (SB §2). At width 64 its weights are those of the released network, name by name;
`load_released` takes them from the files that were published.
"""

from dataclasses import dataclass

from torch import nn

from helpers import WorkbookError
from helpers.nets.resnet import Body, BodyConfig
from helpers.nets.top_down import CropConfig, batches, detect, heat_of, look, losses

__all__ = ["Config", "batches", "build", "detect", "heat_of", "look", "losses", "start_from"]

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


class DeconvPose(Body):
    """Crops (N, 3, H, W), normalised → heatmaps (N, joints, H / stride, W / stride), 1 at a joint, 0 far from it."""

    def __init__(self, config: DeconvPoseConfig):
        super().__init__(config.body)
        self.config, into, layers = config, self.out_channels[-1], []
        padding, more = KERNELS[config.kernel]
        for _ in range(config.deconvolutions):
            layers += [
                nn.ConvTranspose2d(into, config.channels, config.kernel, 2, padding, more, bias=False),
                nn.BatchNorm2d(config.channels),
                nn.ReLU(inplace=True),
            ]
            into = config.channels
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(into, config.joints, 1)
        for layer in [*layers[::3], self.final_layer]:
            nn.init.normal_(layer.weight, std=FIRST_WEIGHTS)
        nn.init.zeros_(self.final_layer.bias)

    def forward(self, x):
        last = super().forward(x)[str(self.stages - 1)]
        return self.final_layer(self.deconv_layers(last))


def build(config: DeconvPoseConfig) -> DeconvPose:
    """The network with random weights, in evaluation mode."""
    return DeconvPose(config).eval()


def start_from(first: nn.Module | None, config: DeconvPoseConfig) -> DeconvPose:
    """The network before training: all that another one has of the same name and shape; first None: random weights.

    So a network of COCO's joints, or a classifier's body, gives all but what it lacks.
    """
    model = build(config)
    if first is not None:
        stored, wanted = first.state_dict(), model.state_dict()
        fitting = {k: v for k, v in stored.items() if k in wanted and v.shape == wanted[k].shape}
        model.load_state_dict(wanted | fitting)
    return model
