"""What an attention view is given and sent, checked: windows of poses, tokens, arrays of a model, changes of a view."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from helpers import WorkbookError
from helpers.notebook.widgets.attention_drawing import Token
from helpers.skeleton import N_JOINTS


def window_of(what: str, xy: ArrayLike, present: ArrayLike, size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Copies of xy (W, 15, 2) and present (W, 15), joints that are nowhere absent."""
    xy, present = np.array(xy, float), np.array(present, bool)
    known = size or (len(xy) if xy.ndim else 0)
    if xy.shape != (known, N_JOINTS, 2) or present.shape != (known, N_JOINTS) or not known:
        raise WorkbookError(
            f"attention view, {what}: expected xy ({size or 'W'}, {N_JOINTS}, 2) and present "
            f"({size or 'W'}, {N_JOINTS}), got {xy.shape} and {present.shape}."
        )
    present &= np.isfinite(xy).all(-1)
    if not present.any():
        raise WorkbookError(f"attention view, {what}: no joint is there, so nothing attends.")
    return xy, present


def labels_of(labels: Sequence[str] | None, size: int) -> list[str]:
    out = ["t", *(f"t+{w}" for w in range(1, size))] if labels is None else [str(label) for label in labels]
    if len(out) != size:
        raise WorkbookError(f"attention view: {len(out)} labels do not name {size} poses.")
    return out


def tokens_of(tokens: Sequence[Token] | None, size: int) -> list[Token]:
    if tokens is None:
        return [(w, j) for w in range(size) for j in range(N_JOINTS)]
    out: list[Token] = [t if isinstance(t, str) else joint_of(t, size, "tokens") for t in tokens]  # type: ignore[misc]
    if not out or len(set(out)) < len(out):
        raise WorkbookError("attention view, tokens: at least one is needed, and none twice.")
    return out


def array_of(values: ArrayLike, what: str, *shapes: tuple[int, ...]) -> np.ndarray:
    """Finite floats of one of the shapes, none below 0 (but for rounding)."""
    given = np.asarray(values, float)
    if given.shape not in shapes:
        raise WorkbookError(f"attention view, {what}: expected {' or '.join(map(str, shapes))}, got {given.shape}.")
    if not np.isfinite(given).all() or (given < -1e-6).any():
        raise WorkbookError(f"attention view, {what}: holds NaN, infinity or a number below 0.")
    return given.clip(0, None)


def effect_of(values: ArrayLike, n: int) -> np.ndarray:
    """Floats (n,), NaN where an effect is not defined."""
    given = np.asarray(values, float)
    if given.shape != (n,):
        raise WorkbookError(f"attention view, effect: expected ({n},), got {given.shape}.")
    if np.isinf(given).any():
        raise WorkbookError("attention view, effect: holds infinity.")
    return given


def numbers_of(probability: Any) -> dict[str, float]:
    given = probability if isinstance(probability, Mapping) else {"probability": probability}
    out = {}
    for name, value in given.items():
        if np.ndim(value) or not np.isfinite(float(value)):
            raise WorkbookError(f"attention view: {name} is no finite number.")
        out[str(name)] = float(value)
    return out


def whole(value: Any, low: int, high: int, what: str) -> int:
    """A whole number low … high − 1."""
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not (number and low <= value < high and value == int(value)):
        raise WorkbookError(f"attention view: {what} {value!r} is not one of {low} … {high - 1}.")
    return int(value)


def listed(values: Any, size: int, what: str) -> list[list]:
    if not isinstance(values, (list, tuple)) or not all(
        isinstance(v, (list, tuple)) and len(v) == size for v in values
    ):
        raise WorkbookError(f"attention view: {what} is a list of {size} numbers each, got {values!r}.")
    return [list(v) for v in values]


def joint_of(value: Any, size: int, what: str) -> tuple[int, int]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise WorkbookError(f"attention view, {what}: expected (pose, joint), got {value!r}.")
    return whole(value[0], 0, size, f"{what}: pose"), whole(value[1], 0, N_JOINTS, f"{what}: joint")


def moved_joint(value: list, size: int) -> list:
    if not all(isinstance(v, (int, float)) and np.isfinite(v) for v in value[2:]):
        raise WorkbookError(f"attention view, moved: {value[2:]} is no place.")
    return [*joint_of(value[:2], size, "moved"), *map(float, value[2:])]
