"""What it costs to link a person of the previous frame with one of the current frame.

Each cost takes two People and gives an (N, M) matrix, small = similar. Notebook 06 compares box
overlap and joint distance, notebook 07 all of them (PT-T4, DT-T3).
"""

from collections.abc import Callable

import numpy as np

from helpers import WorkbookError
from helpers.geometry import box_iou, joint_distances, oks, pairwise_distance
from helpers.heads import HEAD_SHARE
from helpers.people import People
from helpers.skeleton import INDEX


def box_cost(previous: People, current: People) -> np.ndarray:
    """1 − IoU of the boxes (N, M), in [0, 1] (PT §3, DT §3.2). A box of NaN costs 1."""
    return 1.0 - box_iou(previous.box, current.box)


def pck_cost(previous: People, current: People, threshold: float = 0.5) -> np.ndarray:
    """1 − share of the 15 joints closer than `threshold` head sizes (N, M), in [0, 1] (DT §3.2).

    As in Detect-and-Track's code, not its paper: the share is of *all* joint slots, also those
    that a person lacks (DT: 17 slots, two of them ears that are never there), and the head
    size is |head_top − head_bottom| + 1 px of the previous pose, without PCKh's 0.6.
    """
    top, bottom = INDEX["head_top"], INDEX["head_bottom"]
    head = np.linalg.norm(previous.xy[:, top] - previous.xy[:, bottom], axis=-1) + 1
    with np.errstate(invalid="ignore"):
        near = joint_distances(previous, current) < threshold * head[:, None, None]
    return 1.0 - near.mean(-1)


def joint_distance_cost(previous: People, current: People) -> np.ndarray:
    """Mean distance of the common joints (N, M) in pixels; inf, never linked, without common joints.

    The control that the papers left out. Plain pixels on purpose: divided by the previous
    person's head or box size it links more true pairs wrongly (notebook 06).
    """
    return pairwise_distance(previous, current)


def oks_cost(previous: People, current: People) -> np.ndarray:
    """1 − object keypoint similarity (N, M), in [0, 1], scaled by the current person's box area (SB §3.3)."""
    return 1.0 - oks(previous, current)


#: The costs that need nothing but boxes and joints, as the command line names them.
BY_NAME = {"iou": box_cost, "oks": oks_cost, "keypoints": joint_distance_cost, "pckh": pck_cost}

#: Body height in heads, where the head is not seen.
HEADS_TALL = 7.0


def pck_cost_of_paper(previous: People, current: People, threshold: float = 0.5) -> np.ndarray:
    """1 − share of the *common* joints closer than `threshold` head sizes (N, M), in [0, 1].

    What the papers' PCKh says, as against what the code does (`costs.pck_cost`): joints that one of the
    two lacks do not count, and the head size has PCKh's factor 0.6. Without common joints the cost is 1.
    A person whose head was not found is taken to be seven heads tall.
    """
    top, bottom = INDEX["head_top"], INDEX["head_bottom"]
    length = np.linalg.norm(previous.xy[:, top] - previous.xy[:, bottom], axis=-1)
    seen = previous.present[:, top] & previous.present[:, bottom]
    head = HEAD_SHARE * np.where(seen, length, (previous.box[:, 3] - previous.box[:, 1]) / HEADS_TALL)
    distance = joint_distances(previous, current)
    common = np.isfinite(distance).sum(-1)
    with np.errstate(invalid="ignore"):
        near = (distance < threshold * head[:, None, None]).sum(-1)
    return 1.0 - near / np.maximum(common, 1)


def weighted(costs: dict[str, Callable], weights: dict[str, float]) -> Callable[[People, People], np.ndarray]:
    """The cost Σ weight · cost over named costs, (previous, current) → (N, M); weight 0 leaves one out (DT).

    Raises WorkbookError for a weight that is negative or names no cost, and, when linking, for
    a cost that is no number, with its frame and pair.
    """
    bad = [name for name, weight in weights.items() if name not in costs or not weight >= 0]
    if bad:
        raise WorkbookError(
            f"weights: {bad[0]!r} with {weights[bad[0]]} is no cost with a weight of at least 0; "
            f"there are {', '.join(costs)}."
        )
    used = {name: weight for name, weight in weights.items() if weight > 0}

    def total(previous: People, current: People) -> np.ndarray:
        out = np.zeros((len(previous), len(current)))
        for name, weight in used.items():
            out += weight * _numbers(name, costs[name](previous, current), current)
        return out

    return total


def _numbers(name: str, cost: np.ndarray, current: People) -> np.ndarray:
    if np.isnan(cost).any():
        i, j = np.argwhere(np.isnan(cost))[0]
        raise WorkbookError(f"cost {name!r}: frame {current.frame[j]}, pair ({i}, {j}) is not a number.")
    return cost
