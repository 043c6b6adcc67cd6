"""Tubes, boxes through the frames of a clip: their overlap, suppression, pooling, and the ground truth's own.

Notebook 04 rebuilds overlap and suppression by hand (DT §3.2 and the released code).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torchvision.ops import box_iou, roi_align

from helpers.nets.inflate import fold_time
from helpers.people import People
from helpers.skeleton import N_JOINTS


def tube_iou(a: torch.Tensor, b: torch.Tensor, visible: torch.Tensor | None = None) -> torch.Tensor:
    """Mean over time of the boxes' IoU: (N, T, 4) and (M, T, 4) → (N, M) in [0, 1].

    visible (N, T): frames in which a ground-truth tube a exists; the mean is over those.
    """
    per_frame = torch.stack([box_iou(a[:, t], b[:, t]) for t in range(a.shape[1])], -1)
    if visible is None:
        return per_frame.mean(-1)
    weight = visible.to(per_frame)[:, None]
    return (per_frame.nan_to_num() * weight).sum(-1) / weight.sum(-1).clamp(min=1)


def tube_nms(tubes: torch.Tensor, scores: torch.Tensor, threshold: float) -> torch.Tensor:
    """Greedy suppression by tube IoU: indices (K,) of tubes (N, T, 4) that stay, best score first."""
    order = scores.argsort(descending=True, stable=True)
    near = (tube_iou(tubes[order], tubes[order]) > threshold).cpu().numpy()
    gone, kept = np.zeros(len(order), bool), []
    for i in range(len(order)):
        if not gone[i]:
            kept.append(i)
            gone |= near[i]
    return order[kept]


def tube_align(features: torch.Tensor, tubes: list[torch.Tensor], side: int, stride: float) -> torch.Tensor:
    """RoIAlign of every slice: features (B, C, T, h, w), tubes (n, T, 4) a clip → (N, C, T, side, side)."""
    length = features.shape[2]
    boxes = [tube[:, t] for tube in tubes for t in range(length)]
    pooled = roi_align(fold_time(features), boxes, side, 1 / stride, sampling_ratio=2)
    # A clip's boxes come slice by slice; they are wanted tube by tube.
    parts = pooled.split([len(tube) * length for tube in tubes])
    return torch.cat([p.unflatten(0, (length, -1)).transpose(0, 1) for p in parts]).transpose(1, 2)


def clip_tubes(tubes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Tubes (N, T, 4) cut at the borders of an image of size (height, width)."""
    limit = tubes.new_tensor([size[1], size[0]] * 2)
    return torch.minimum(tubes.clamp(min=0), limit)


def tube_target(truth: People, frames: Sequence[int], size: tuple[int, int]) -> dict[str, torch.Tensor]:
    """Ground-truth tubes of a clip: the union of the tracks in its frames (DT's released code).

    size (width, height). tubes (n, T, 4) px, visible (n, T), keypoints (n, T, 15, 3) with
    1 = annotated in the last column. Where a person is absent the nearest visible frame's box
    stands in, so that features can be pooled there; no loss is taken from it.
    """
    limit = np.array([*size, *size], float)
    box = np.clip(truth.box, 0, limit)
    usable = truth[((box[:, 2:] - box[:, :2]) >= 1).all(1) & np.isin(truth.frame, frames)]
    tracks, length = np.unique(usable.track), len(frames)
    tubes = np.zeros((len(tracks), length, 4))
    visible = np.zeros((len(tracks), length), bool)
    keypoints = np.zeros((len(tracks), length, N_JOINTS, 3))
    for i, track in enumerate(tracks):
        for k, t in enumerate(frames):
            here = usable[(usable.track == track) & (usable.frame == t)]
            if len(here):
                tubes[i, k], visible[i, k] = np.clip(here.box[0], 0, limit), True
                keypoints[i, k] = np.c_[here.xy[0], here.present[0]]
        known = np.flatnonzero(visible[i])
        tubes[i] = tubes[i, known[np.abs(np.arange(length)[:, None] - known).argmin(1)]]
    return {
        "tubes": torch.tensor(tubes, dtype=torch.float32),
        "visible": torch.tensor(visible),
        "keypoints": torch.tensor(keypoints, dtype=torch.float32),
    }
