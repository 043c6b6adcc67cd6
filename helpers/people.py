"""The one data model: `People`, all person instances of one video, and `Video`.

A detector, a pose network, a refiner and a tracker are functions from People to
People; only arrays travel between them. Notebook 00 walks through one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from dataclasses import replace as dataclass_replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from helpers.skeleton import N_JOINTS

#: PoseTrack's boxes are the joints' extent plus this share on every side.
BOX_MARGIN = 0.15
#: field: (shape after the person axis, dtype, value when not given)
_FIELDS = {
    "frame": ((), np.int64, 0),
    "box": ((4,), np.float64, np.nan),
    "score": ((), np.float64, 1.0),
    "xy": ((N_JOINTS, 2), np.float64, 0.0),
    "joint_score": ((N_JOINTS,), np.float64, 1.0),
    "present": ((N_JOINTS,), np.bool_, False),
    "track": ((), np.int64, -1),
    "head": ((), np.float64, np.nan),
}


@dataclass(frozen=True)
class People:
    """N person instances as arrays that nobody can write into; selecting, joining and replacing give new ones.

    frame (N,) 0-based frame index in the video; box (N, 4) x1 y1 x2 y2 pixels, NaN
    where there is none; score (N,) of the person; xy (N, 15, 2) pixels, joints in
    `skeleton.JOINTS` order; joint_score (N, 15); present (N, 15), annotated or
    predicted; track (N,) identity ≥ 0, −1 = none; head (N,) head size in pixels as
    PCKh uses it, that is 0.6 × the head box's diagonal, NaN in predictions.
    Build one with `people(...)`, which fills what is not given.
    """

    frame: np.ndarray
    box: np.ndarray
    score: np.ndarray
    xy: np.ndarray
    joint_score: np.ndarray
    present: np.ndarray
    track: np.ndarray
    head: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, index) -> People:
        """The instances that a mask, a slice or an index array selects."""
        if isinstance(index, (int, np.integer)):
            index = [index]
        return _frozen({name: getattr(self, name)[index] for name in _FIELDS})

    def replace(self, **arrays) -> People:
        """A copy with some arrays replaced. Raises ValueError as `people` does."""
        return _checked(dataclass_replace(self, **arrays))

    def at(self, frame: int) -> People:
        """The instances of one frame, in their order; for many frames `by_frame` is faster."""
        return self[self.frame == frame]

    def by_frame(self, n_frames: int) -> list[People]:
        """The instances of each frame 0 … n_frames − 1, in their order; people in other frames are left out."""
        return [self[rows] for rows in self.rows_by_frame(n_frames)]

    def rows_by_frame(self, n_frames: int) -> list[np.ndarray]:
        """Rows of the instances of each frame, as in `by_frame`: one sort instead of n_frames looks at all."""
        order = np.argsort(self.frame, kind="stable")
        start = np.searchsorted(self.frame[order], np.arange(n_frames + 1))
        return [order[a:b] for a, b in pairwise(start)]


def people(**arrays) -> People:
    """People from the arrays given, the rest filled: box NaN, score 1, track −1, head NaN.

    `present` defaults to all joints where `xy` is given. At least one array must be
    given, as it sets N; arrays are copied. Raises ValueError on a wrong shape, an unknown
    name, or a value that the field cannot hold (a frame of 0.9).
    """
    unknown = set(arrays) - set(_FIELDS)
    if unknown or not arrays:
        raise ValueError(f"people: unknown or no fields {sorted(unknown)}; known: {', '.join(_FIELDS)}")
    n = len(next(iter(arrays.values())))
    full = {name: np.full((n, *shape), default, dtype) for name, (shape, dtype, default) in _FIELDS.items()}
    if "xy" in arrays and "present" not in arrays:
        full["present"][:] = True
    return _checked(People(**(full | arrays)))


def _checked(p: People) -> People:
    n, out = len(p.frame), {}
    for name, (shape, dtype, _) in _FIELDS.items():
        given = np.asarray(getattr(p, name))
        if given.shape != (n, *shape):
            raise ValueError(f"people.{name}: expected shape {(n, *shape)}, got {given.shape}")
        out[name] = given if _is_frozen(given) and given.dtype == dtype else _cast(name, given, dtype)
    return _frozen(out)


def _cast(name: str, given: np.ndarray, dtype: type) -> np.ndarray:
    """A copy of that type, every value as it was."""
    with np.errstate(invalid="ignore"):
        out = given.astype(dtype)
    if not np.can_cast(given.dtype, dtype, "safe") and not np.array_equal(out, given):
        raise ValueError(f"people.{name}: holds a value that {np.dtype(dtype)} cannot hold")
    return out


def _is_frozen(array: np.ndarray) -> bool:
    owner = array if array.base is None else array.base
    return isinstance(owner, np.ndarray) and not (owner.flags.writeable or array.flags.writeable)


def _frozen(arrays: dict[str, np.ndarray]) -> People:
    for array in arrays.values():
        array.flags.writeable = False
    return People(**arrays)


def nobody() -> People:
    """People without an instance."""
    return people(frame=np.zeros(0, int))


def concatenate(parts: Iterable[People]) -> People:
    """All instances of several People of the same video, in the order given."""
    parts = list(parts)
    if not parts:
        return nobody()
    return _frozen({name: np.concatenate([getattr(p, name) for p in parts]) for name in _FIELDS})


def extent_boxes(xy: ArrayLike, present: ArrayLike, enlarge: float = 0.0) -> np.ndarray:
    """Boxes around the present joints, enlarged by a share of the extent on every side.

    xy (N, 15, 2), present (N, 15) → (N, 4) x1 y1 x2 y2 in pixels; NaN without joints.
    enlarge: 0.15 for PoseTrack'18, 0.1 DT and LT, 0.075 SB.
    """
    xy, present = np.asarray(xy, float), np.asarray(present, bool)
    low = np.where(present[..., None], xy, np.inf).min(-2, initial=np.inf)
    high = np.where(present[..., None], xy, -np.inf).max(-2, initial=-np.inf)
    some = present.any(-1)[..., None]
    margin = enlarge * np.subtract(high, low, out=np.zeros_like(high), where=some)
    return np.where(some, np.concatenate([low - margin, high + margin], -1), np.nan)


@dataclass(frozen=True)
class Video:
    """A video with its ground truth.

    name: sequence name; size: (width, height) in pixels, (0, 0) if unknown;
    labelled (T,) bool, which frames carry annotations; people: the ground truth;
    ignore: for each frame a list of polygons (K, 2) in pixels, or () for none;
    frames: a lazy sequence of T uint8 H×W×3 RGB images, or None without pixels;
    files: the T image file names as the data set writes them, or ().
    """

    name: str
    size: tuple[int, int]
    labelled: np.ndarray
    people: People
    ignore: tuple = ()
    frames: Sequence[np.ndarray] | None = None
    files: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of frames T."""
        return len(self.labelled)
