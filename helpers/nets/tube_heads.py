"""The proposal head of tubes, their matching to ground truth and what it is trained by (notebook 04, DT §3.2)."""

import torch
import torch.nn.functional as F
from torch import nn

from helpers.nets.inflate import inflate
from helpers.nets.tube_geometry import tube_iou


class TubeHead(nn.Module):
    """Proposal head: features (B, C, T, h, w) → class scores averaged over time and 4 shifts a slice.

    Scores (B, hwA, 1 or 2) and shifts (B, hwA, T, 4), anchors in torchvision's order.
    """

    def __init__(self, channels: int, anchors: int, classes: int, form: str):
        super().__init__()
        layers = nn.ModuleDict(
            {
                "conv": nn.Conv2d(channels, channels, 3, padding=1),
                "scores": nn.Conv2d(channels, anchors * classes, 1),
                "shifts": nn.Conv2d(channels, anchors * 4, 1),
            }
        )
        for layer in layers.values():
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        self.layers, self.anchors = inflate(layers, "centre", form), anchors

    def forward(self, features):
        x = F.relu(self.layers["conv"](features))
        scores = self.layers["scores"](x).mean(2).unflatten(1, (self.anchors, -1))
        shifts = self.layers["shifts"](x).unflatten(1, (self.anchors, 4))
        return scores.permute(0, 3, 4, 1, 2).flatten(1, 3), shifts.permute(0, 4, 5, 1, 3, 2).flatten(1, 3)


def encode(coder, wanted: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Shifts (N, T, 4) from tubes `places` to tubes `wanted`, by a box coder."""
    return coder.encode_single(wanted.reshape(-1, 4), places.reshape(-1, 4)).view_as(wanted)


def decode(coder, shifts: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Tubes (N, T, 4) that shifts lead to from tubes `places`."""
    return coder.decode_single(shifts.reshape(-1, 4), places.reshape(-1, 4)).view_as(places)


def inside(boxes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(N,) bool: boxes within an image of size (height, width)."""
    limit = boxes.new_tensor([size[1], size[0]])
    return (boxes[:, :2] >= 0).all(1) & (boxes[:, 2:] <= limit).all(1)


def labels(matcher, wanted: dict[str, torch.Tensor], places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """1 person, 0 background, −1 left out, and the matched ground truth (0 where none), each (K,)."""
    if len(wanted["tubes"]) == 0:
        nothing = torch.zeros(len(places), dtype=torch.int64, device=places.device)
        return nothing, nothing
    match = matcher(tube_iou(wanted["tubes"], places, wanted["visible"]))
    label = (match >= 0).long()
    label[match == matcher.BETWEEN_THRESHOLDS] = -1
    return label, match.clamp(min=0)


def classification(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Softmax loss of (K, 2) or sigmoid loss of (K, 1) logits, one value each."""
    if logits.shape[-1] == 2:
        return F.cross_entropy(logits, label, reduction="none")
    return F.binary_cross_entropy_with_logits(logits[:, 0], label.to(logits), reduction="none")
