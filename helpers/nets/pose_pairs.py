"""Pairs of true poses, alike or not, as LightTrack's graph network is trained and tested on (LT §4.1, LT-T1).

Notebook 10 counts them and draws some of each kind.
"""

from collections.abc import Sequence

import numpy as np
import torch

from helpers import WorkbookError
from helpers.geometry import box_iou
from helpers.people import People, Video, concatenate
from helpers.skeleton import N_JOINTS

#: People of one frame whose boxes overlap at least so much are a hard negative.
HARD_IOU = 0.2
#: Where a joint is put that is not there, in shares of the box: its middle.
MISSING = 0.5
#: What the released code enlarges boxes by, in all, before it counts pixels from their corner.
ENLARGED = 0.2
KINDS = ("positive", "hard", "other")


def inputs_of(people: People, paper: bool = True) -> np.ndarray:
    """What the graph network sees of N people: (N, 15, 2) float32.

    paper: joints in shares of the box, 0 to 1 within it, one that is missing in its middle; a box without area gives
    the middle throughout. Else, as released, whole pixels from the enlarged box's corner, a missing joint at
    the image's own (0, 0).
    """
    corner, side = people.box[:, :2], people.box[:, 2:] - people.box[:, :2]
    there = people.present[..., None]
    if paper:
        share = (people.xy - corner[:, None]) / np.where(side > 0, side, np.nan)[:, None]
        return np.where(there & np.isfinite(share), share, MISSING).astype(np.float32)
    origin = np.trunc(np.maximum(corner - side * ENLARGED / 2, 0))
    return np.nan_to_num(np.trunc(np.where(there, people.xy, 0)) - origin[:, None]).astype(np.float32)


def pairs_of(people: People) -> dict[str, np.ndarray]:
    """Rows (K, 2) of a video's people in pairs, by `KINDS`: the same person one frame later; two people of one frame
    whose boxes overlap, either way round; two others of one frame.
    """
    row = {(t, i): k for k, (t, i) in enumerate(zip(people.frame.tolist(), people.track.tolist(), strict=True))}
    later = [(k, row[t + 1, i]) for (t, i), k in row.items() if i >= 0 and (t + 1, i) in row]
    found: dict[str, list] = {"positive": later, "hard": [], "other": []}
    for t in np.unique(people.frame):
        rows = np.flatnonzero(people.frame == t)
        different = people.track[rows][:, None] != people.track[rows]
        near = box_iou(people.box[rows], people.box[rows]) >= HARD_IOU
        found["hard"] += rows[np.argwhere(different & near)].tolist()
        found["other"] += rows[np.argwhere(different & ~near)].tolist()
    return {kind: np.array(pairs, int).reshape(-1, 2) for kind, pairs in found.items()}


class Pairs:
    """Pairs of many videos' true people: `inputs` (P, 15, 2) and `rows`, by kind (K, 2) of them.

    paper: see `inputs_of`. least: people whose box has a side of so many pixels or less are left out; the released
    code took 100 in videos about 1280 pixels wide. Raises WorkbookError where there is no pair of a kind.
    """

    def __init__(self, videos: Sequence[Video], paper: bool = True, least: float = 0.0):
        kept, begin = [], 0
        found: dict[str, list[np.ndarray]] = {kind: [np.zeros((0, 2), int)] for kind in KINDS}
        for video in videos:
            large = ((video.people.box[:, 2:] - video.people.box[:, :2]) > least).all(1)
            some = video.people[large & video.people.present.any(1)]
            for kind, rows in pairs_of(some).items():
                found[kind].append(rows + begin)
            kept.append(some)
            begin += len(some)
        self.rows = {kind: np.concatenate(rows) for kind, rows in found.items()}
        self.inputs = inputs_of(concatenate(kept), paper) if kept else np.zeros((0, N_JOINTS, 2), np.float32)
        empty = [kind for kind, rows in self.rows.items() if not len(rows)]
        if empty:
            raise WorkbookError(f"pose pairs: there is no {empty[0]} pair in {len(videos)} videos.")

    def batch(self, size: int, step: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(poses, poses, same): half are positive, a quarter hard negatives; the same ones for one step and seed."""
        rng = np.random.default_rng([seed, step])
        counts = {"positive": size - size // 2, "hard": size // 2 - size // 4, "other": size // 4}
        drawn = [self.rows[kind][rng.integers(0, len(self.rows[kind]), n)] for kind, n in counts.items()]
        a, b = np.concatenate(drawn).T
        same = (np.arange(size) < counts["positive"]).astype(np.float32)
        return torch.from_numpy(self.inputs[a]), torch.from_numpy(self.inputs[b]), torch.from_numpy(same)
