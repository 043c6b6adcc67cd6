"""Joints as heatmaps and back: Gaussian targets, masked losses, flip test, maximum and quarter offset.

Notebook 08 builds each by hand (SB §2 and §4.1, and the authors' released settings). A cell's number times the
stride is its place in the crop, without a half pixel, as in the released code.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike

from helpers.skeleton import FLIP

#: Targets end at so many sigmas.
SUPPORT = 3
#: How far a maximum moves towards its higher neighbour, in cells.
QUARTER = 0.25


def targets(
    xy: torch.Tensor, present: torch.Tensor, size: tuple[int, int], stride: float, sigma: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a network should say, and where it counts.

    xy (N, J, 2) pixels of the crops, present (N, J) bool; size (h, w) of the maps, stride pixels a cell, sigma in
    cells. Returns heat (N, J, h, w) in [0, 1], 0 beyond SUPPORT sigmas along either axis,

        t(x, y) = exp(−((x − m_x)² + (y − m_y)²) / 2σ²),   m = ⌊xy / stride + ½⌋,

    and weight (N, J): 1, or 0 for joints that are not present or whose whole Gaussian lies outside.
    """
    cell = torch.floor(torch.nan_to_num(xy) / stride + 0.5)
    lines, reach = [], SUPPORT * sigma
    for axis, n in enumerate((size[1], size[0])):
        off = torch.arange(n, device=xy.device) - cell[..., axis, None]
        lines.append(torch.exp(-(off**2) / (2 * sigma**2)) * (off.abs() <= reach))
    heat = lines[1][..., :, None] * lines[0][..., None, :]
    weight = present & (heat.flatten(2).amax(-1) > 0)
    return heat * weight[..., None, None], weight.to(heat.dtype)


def masked_mse(heat: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """L = ½ mean (w (h − t))² over people, joints and cells; those that do not count are 0, but in the mean."""
    return 0.5 * ((heat - target).square().mean((2, 3)) * weight.square()).mean()


def hard_joints_mse(heat: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, hardest: int) -> torch.Tensor:
    """`masked_mse` over each person's `hardest` joints only, those with the largest error (CPN's online mining)."""
    each = 0.5 * (heat - target).square().mean((2, 3)) * weight.square()
    return each.topk(min(hardest, each.shape[1]), 1).values.mean()


def unflipped(heat: torch.Tensor, shift: int = 1, flip: ArrayLike = FLIP) -> torch.Tensor:
    """Heatmaps (N, J, h, w) of a mirrored crop as those of the crop itself; joint i is joint flip[i] there.

    Columns turn round, left and right joints change places, and everything moves right by `shift` cells; the first
    ones stay. Pixel x of W comes to W − 1 − x, so its cell x / s to (W − 1 − x) / s, which turns back into
    x / s − (s − 1) / s: at stride s = 4 three quarters of a cell too far left, at 2 a half.
    """
    back = heat.flip(-1)[:, torch.as_tensor(np.asarray(flip), device=heat.device)]
    if shift:
        back[..., shift:] = back[..., :-shift].clone()
    return back


def peaks(heat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The highest cell (N, J, 2) as whole numbers (x, y), and its value (N, J); cell (0, 0) where none is above 0."""
    score, place = heat.flatten(2).max(-1)
    cell = torch.stack([place % heat.shape[-1], place // heat.shape[-1]], -1)
    return cell * (score > 0)[..., None], score


def quarter_offset(heat: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
    """Cells (N, J, 2) → places (N, J, 2) in cells, each moved by ¼ towards its higher neighbour along x and along y.

    p + ¼ sign(h(p + 1) − h(p − 1)) along each axis, where both coordinates of p have 1 < p < size − 1 (released
    code); near the border a cell stays as it is.
    """
    h, w = heat.shape[-2:]
    flat, (x, y) = heat.flatten(2), cell.unbind(-1)
    inside = (x > 1) & (x < w - 1) & (y > 1) & (y < h - 1)
    at = torch.where(inside, y * w + x, torch.full_like(x, min(w + 1, h * w - 1)))

    def slope(step: int) -> torch.Tensor:
        ahead, behind = ((at + s).clamp(0, h * w - 1) for s in (step, -step))
        return torch.sign(flat.gather(-1, ahead[..., None]) - flat.gather(-1, behind[..., None]))[..., 0]

    off = torch.stack([slope(1), slope(w)], -1) * inside[..., None]
    return cell + QUARTER * off
