"""Affine crops of people and the way back, exact both ways; all people of many frames are cut by one warp.

Notebook 08 shows a crop and its inverse (SB §2, and the authors' released settings). Coordinates count from the middle
of the first pixel, as OpenCV's do; a crop's middle is (W / 2, H / 2) in them, as in the released code.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike

from helpers import WorkbookError

#: How much larger than the box, extended to the crop's shape, a crop is (released code).
PADDING = 1.25
#: Sides of a box are at least this long, in pixels: a box of one point still has a crop.
SMALLEST = 1.0


def affines(boxes: ArrayLike, size: tuple[int, int], angle: ArrayLike = 0.0, zoom: ArrayLike = 1.0) -> np.ndarray:
    """Maps (N, 2, 3) from the image's pixels to those of crops, x′ = A [x, y, 1]ᵀ.

    boxes (N, 4) x1 y1 x2 y2; size (height, width) of the crops. A box is extended about its middle to the
    crops' shape and by PADDING; angle (N,) in degrees turns the person clockwise, zoom (N,) > 1 makes the
    crop see more. With s the crop's width / the extended box's and R the turn:

        A = [s R | (W / 2, H / 2) − s R c],   c the box's middle.

    Raises WorkbookError for boxes that are not finite or of another shape.
    """
    boxes, (height, width) = np.asarray(boxes, float), size
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise WorkbookError(f"crops: boxes of shape (N, 4) needed, got {boxes.shape}.")
    if not np.isfinite(boxes).all():
        raise WorkbookError(f"crops: box {int(np.flatnonzero(~np.isfinite(boxes).all(1))[0])} is not finite.")
    sides = np.maximum(np.abs(boxes[:, 2:] - boxes[:, :2]), SMALLEST)
    wide = np.maximum(sides[:, 0], sides[:, 1] * width / height) * PADDING * np.asarray(zoom, float)
    turn = np.broadcast_to(np.deg2rad(angle), wide.shape)
    along, across = np.cos(turn) * width / wide, np.sin(turn) * width / wide
    linear = np.stack([along, -across, across, along], -1).reshape(-1, 2, 2)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    shift = np.array([width / 2, height / 2]) - np.einsum("nij,nj->ni", linear, middle)
    return np.concatenate([linear, shift[..., None]], -1)


def inverse(maps: np.ndarray) -> np.ndarray:
    """The maps (N, 2, 3) back: x = A⁻¹ (x′ − b)."""
    back = np.linalg.inv(maps[..., :2])
    return np.concatenate([back, -back @ maps[..., 2:]], -1)


def moved(maps: np.ndarray, points: ArrayLike) -> np.ndarray:
    """Points (N, …, 2) by the maps (N, 2, 3) of their people."""
    points = np.asarray(points, float)
    flat = points.reshape(len(maps), -1, 2)
    return (np.einsum("nij,nkj->nki", maps[..., :2], flat) + maps[:, None, :, 2]).reshape(points.shape)


def warp(images: torch.Tensor, whose: ArrayLike, maps: np.ndarray, size: tuple[int, int]) -> torch.Tensor:
    """Crops (N, C, height, width) of images (F, C, H, W), bilinear, 0 outside; one call for all.

    whose (N,): which image a crop is of; maps (N, 2, 3) from its pixels to the crop's. The grids of one image's
    people are stacked below each other, so no image is copied.
    """
    (height, width), whose = size, np.asarray(whose, int)
    if not len(whose):
        return images.new_zeros(0, images.shape[1], height, width)
    row, which = _places(whose)
    span = np.maximum(1, [images.shape[-1] - 1, images.shape[-2] - 1])
    to_unit = 2 * inverse(maps) / span[:, None]  # pixels to −1 … 1, as PyTorch counts
    to_unit[..., 2] -= 1
    back = torch.tensor(to_unit, dtype=torch.float32, device=images.device)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    cells = torch.stack([x, y, torch.ones_like(x)], -1).float().to(images.device)
    places = torch.einsum("nij,hwj->nhwi", back, cells)  # (N, height, width, 2)
    frames = np.unique(whose)
    grid = places.new_full((len(frames), int(row.max()) + 1, height, width, 2), 9.0)  # 9: outside, where nobody is
    grid[which, row] = places
    picked = images if len(frames) == len(images) else images[torch.as_tensor(frames, device=images.device)]
    seen = F.grid_sample(picked, grid.flatten(1, 2), align_corners=True)
    return seen.unflatten(2, (-1, height))[which, :, row]


def _places(whose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of every crop: its number among those of the same image, and that image's number among those seen."""
    which = np.unique(whose, return_inverse=True)[1]
    order = np.argsort(which, kind="stable")
    first = np.searchsorted(which[order], np.arange(which.max() + 1))
    row = np.empty(len(whose), int)
    row[order] = np.arange(len(whose)) - first[which[order]]
    return row, which


def stacked(frames: Sequence[np.ndarray], alike: bool = True) -> torch.Tensor:
    """uint8 frames (H, W, 3) → (F, 3, H, W) in [0, 1]. Raises WorkbookError for other arrays.

    alike: frames are of one video, so that two sizes raise it, too; else smaller ones are continued with 0 right and
    below, which is what `warp` sees outside of them anyway.
    """
    frames = [np.asarray(frame) for frame in frames]
    for frame in frames:
        if frame.ndim != 3 or frame.shape[-1] != 3 or frame.dtype != np.uint8 or 0 in frame.shape:
            raise WorkbookError(f"frames: uint8 of shape (H, W, 3) needed, got {frame.dtype} {frame.shape}.")
    sizes = [frame.shape[:2] for frame in frames]
    if alike and len(set(sizes)) > 1:
        small, large = (" × ".join(map(str, size)) for size in (min(sizes), max(sizes)))
        raise WorkbookError(f"frames: all of one video need one size, found {small} and {large}.")
    out = np.zeros((len(frames), *np.max(sizes, 0), 3), np.uint8)
    for space, frame in zip(out, frames, strict=True):
        space[: frame.shape[0], : frame.shape[1]] = frame
    return torch.from_numpy(out).permute(0, 3, 1, 2).float() / 255
