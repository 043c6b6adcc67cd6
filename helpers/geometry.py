"""Distances and overlaps between people: box IoU, joint distances, PCKh, OKS.

Everything compares N instances with M others at once and returns an (N, M) matrix, ready for
a matcher. Notebook 01 builds PCKh and OKS by hand, notebook 06 IoU and joint distances.
"""

import numpy as np
from numpy.typing import ArrayLike

from helpers.people import People
from helpers.skeleton import OKS_SIGMAS


def box_iou(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """Intersection over union of boxes (N, 4) and (M, 4), x1 y1 x2 y2 in pixels → (N, M) in [0, 1].

    Box edges are continuous coordinates, as in torchvision; Detectron adds 1 px to every side.
    A box with a NaN, and a pair without area, has IoU 0.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    side = np.minimum(a[:, None, 2:], b[:, 2:]) - np.maximum(a[:, None, :2], b[:, :2])
    side = np.fmax(side, 0.0)
    overlap = side[..., 0] * side[..., 1]
    union = _areas(a)[:, None] + _areas(b) - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)


def _areas(box: np.ndarray) -> np.ndarray:
    return (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])


def joint_distances(a: People, b: People) -> np.ndarray:
    """Distance of each joint (N, M, 15) in pixels, NaN where it is missing on a side."""
    distance = np.linalg.norm(a.xy[:, None] - b.xy[None], axis=-1)
    distance[~(a.present[:, None] & b.present[None])] = np.nan
    return distance


def pairwise_distance(a: People, b: People) -> np.ndarray:
    """Mean distance (N, M) in pixels over the joints both have; inf where they share none."""
    common = a.present[:, None] & b.present[None]
    count = common.sum(-1)
    total = (np.linalg.norm(a.xy[:, None] - b.xy[None], axis=-1) * common).sum(-1)
    return np.divide(total, count, out=np.full(count.shape, np.inf), where=count > 0)


def pckh(a: People, b: People, threshold: float = 0.5) -> np.ndarray:
    """Share (N, M) of b's annotated joints that a has within threshold × b's head size.

    b is ground truth with `head` in pixels (0.6 × the head box's diagonal, notebook 01).
    A pose without annotated joints gives 0.
    """
    with np.errstate(invalid="ignore"):
        near = joint_distances(a, b) <= threshold * b.head[:, None]
    return near.sum(-1) / np.maximum(1, b.present.sum(-1))


def oks(a: People, b: People, area: ArrayLike | None = None, sigmas: ArrayLike = OKS_SIGMAS) -> np.ndarray:
    """Object keypoint similarity (N, M) in [0, 1], the mean over b's joints of exp(−d² / 2 area (2σ)²).

    area (M,): pixels² of each b, its box area when not given (COCO takes the segmentation,
    so the convention has to be named with every number). sigmas (15,). A joint of b that a
    lacks counts as 0; a pose b without joints gives 0, and so does one without a positive area.
    """
    area = _areas(b.box) if area is None else np.asarray(area, float)
    area = np.where(area > 0, area, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = joint_distances(a, b) ** 2 / (2 * area[:, None] * (2 * np.asarray(sigmas)) ** 2)
    similarity = np.where(np.isfinite(error), np.exp(-error), 0.0)
    return similarity.sum(-1) / np.maximum(1, b.present.sum(-1))
