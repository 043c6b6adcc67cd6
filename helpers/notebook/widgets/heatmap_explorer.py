"""One joint's heatmap on coarse cells: where its maximum lies, where a quarter offset moves it, how far both are off.

Notebook 08 drags the true joint between the cells and sees what rounding loses; the maps of a trained network are
read in the same way.
"""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import WorkbookError
from helpers.notebook.widgets.base import Live, pixels, plain, side_by_side

#: Steps in which a network's map is kept, of its largest number: a script and Python then read the same cells.
STEPS = 32767
#: Sigma and stride are at most so large.
LARGEST = 1e6
#: The most noise that the slider adds, in heights of the Gaussian.
MOST_NOISE = 0.5
_COLOURS = plt.get_cmap("viridis")


class HeatmapExplorer(Live):
    """A Gaussian whose true joint is dragged between the cells, and on request a network's maps beside it.

    heatmaps: (K, H, W) finite numbers, one map a joint, called by `names`; truth (K, 2): where the joints truly are,
    x and y in pixels of the crop (NaN where nobody knows). size: (H, W) cells of the Gaussian, that of the maps where
    there are some; sigma in cells; stride: pixels of the crop a cell. start: the Gaussian's true joint, x and y in
    cells (near the middle where none is given). seed: of the noise. A cell's number times the stride is its place in
    the crop, as in `helpers.nets.heatmaps`, which gives the answers. Raises WorkbookError for what does not fit.
    Notebook 08 (SB §2, §4.1).

    The view: joint (−1 is the Gaussian), x and y (its true joint, cells), rounded (whether the Gaussian stands on the
    nearest cell, as released), noise (its standard deviation, in heights of the Gaussian). `explorer.answer`: cell,
    value, differences (along x and y; None at the border), decoded (cells), and errors: {name: {cells, pixels}}.
    """

    kind = "heatmap_explorer"
    digits = 4

    def __init__(
        self,
        heatmaps: ArrayLike | None = None,
        names: Sequence[str] | None = None,
        truth: ArrayLike | None = None,
        *,
        size: tuple[int, int] = (12, 16),
        sigma: float = 1.0,
        stride: float = 4,
        start: tuple[float, float] | None = None,
        seed: int = 0,
        title: str = "Heatmap explorer",
    ):
        from helpers.nets.heatmaps import QUARTER, SUPPORT

        self._stride, self._sigma = _above_zero(stride, "stride"), _above_zero(sigma, "sigma")
        maps, self._names, self._truth = _maps(heatmaps, names, truth)
        self._size = maps.shape[1:] if len(maps) else _size(size)
        steps = [_in_steps(one) for one in maps]
        self._maps = np.array([whole * step for whole, step in steps]).reshape(-1, *self._size)
        if not isinstance(seed, Integral) or seed < 0:
            raise WorkbookError(f"seed {seed}: is not a whole number from 0 on.")
        self._noise: np.ndarray = np.random.default_rng(seed).normal(size=self._size).round(3)
        scene = {
            "size": self._size,
            "sigma": self._sigma,
            "stride": self._stride,
            "support": SUPPORT,
            "quarter": QUARTER,
            "names": self._names,
            "maps": [whole.ravel() for whole, _ in steps],
            "steps": [step for _, step in steps],
            "truth": self._truth / self._stride,
            "noise": self._noise.ravel(),
            "most": MOST_NOISE,
            "colours": [to_hex(_COLOURS(x)) for x in np.linspace(0, 1, 64)],
        }
        start = ((self._size[1] - 1) // 2 + 0.3, (self._size[0] - 1) // 2 + 0.4) if start is None else start
        start = start.tolist() if isinstance(start, np.ndarray) else start
        if not isinstance(start, (tuple, list)) or len(start) != 2:
            raise WorkbookError(f"start {start}: is not x and y in cells.")
        x, y = start
        view = {"joint": 0 if len(maps) else -1, "x": x, "y": y, "rounded": True, "noise": 0.0}
        super().__init__(title, scene, self.checked(view))

    def checked(self, view: dict) -> dict:
        h, w = self._size
        if not isinstance(view["rounded"], bool):
            raise WorkbookError(f"rounded {view['rounded']}: is neither true nor false.")
        return {
            "joint": _joint(view["joint"], len(self._names)),
            "x": _between(view["x"], "x", -0.5, w - 0.5),
            "y": _between(view["y"], "y", -0.5, h - 0.5),
            "rounded": view["rounded"],
            "noise": _between(view["noise"], "noise", 0, MOST_NOISE),
        }

    def heat(self, view: dict | None = None) -> np.ndarray:
        """(H, W) the map of a view, of the present one without."""
        view = view or self._stand
        if view["joint"] >= 0:
            return self._maps[view["joint"]]
        return self._gaussian(view) + view["noise"] * self._noise

    def _gaussian(self, view: dict) -> np.ndarray:
        """(H, W) the target of the true joint: as networks learn it, or around the very place."""
        import torch

        from helpers.nets.heatmaps import SUPPORT, targets

        place = np.array([view["x"], view["y"]], float)
        if view["rounded"]:
            one = torch.ones((1, 1), dtype=torch.bool)
            return targets(torch.tensor(place)[None, None], one, self._size, 1, self._sigma)[0][0, 0].numpy()
        lines = []
        for n, centre in zip(self._size[::-1], place, strict=True):
            off = np.arange(n) - centre
            lines.append(np.exp(-(off**2) / (2 * self._sigma**2)) * (abs(off) <= SUPPORT * self._sigma))
        return lines[1][:, None] * lines[0]

    def answers(self, view: dict) -> dict:
        import torch

        from helpers.nets.heatmaps import peaks, quarter_offset

        heat = self.heat(view)
        stack = torch.tensor(heat)[None, None]
        cell, value = peaks(stack)
        decoded = quarter_offset(stack, cell)[0, 0].numpy()
        x, y = cell[0, 0].tolist()
        true = self.true(view)
        places = {"highest cell": np.array([x, y], float), "quarter offset": decoded}
        return {
            "cell": [x, y],
            "value": value.item(),
            "differences": _differences(heat, x, y),
            "decoded": decoded,
            "errors": {name: _error(place, true, self._stride) for name, place in places.items()},
        }

    def true(self, view: dict) -> np.ndarray:
        """(2,) where the joint of a view truly is, x and y in cells; NaN where nobody knows."""
        return self._truth[view["joint"]] / self._stride if view["joint"] >= 0 else np.array([view["x"], view["y"]])

    # pictures

    def draw(self, view: dict) -> Figure:
        """The map with the true joint, the highest cell and the decoded place, and the two differences."""
        view = self.checked(view)
        heat, answer, true = self.heat(view), self.answers(view), self.true(view)
        figure, (left, right) = plt.subplots(1, 2, figsize=(3.25, 2.8), width_ratios=(4, 1), layout="constrained")
        left.imshow(heat, cmap=_COLOURS)
        left.plot(*answer["cell"], "s", mfc="none", mec="#d55e00", mew=2, ms=min(14.0, 140 / self._size[1]))
        left.plot(*true, "+", color="w", mew=2, ms=13)
        left.plot(*answer["decoded"], "o", color="#d55e00", mec="w", ms=6)
        left.set_title(f"{self._called(view)}\n{_in_words(answer)}", fontsize=8)
        left.tick_params(labelsize=7)
        right.bar(["x", "y"], answer["differences"] or [0, 0], color="#d55e00")
        right.axhline(0, color="0.4", lw=0.8)
        most = max(answer["value"], 1e-9)
        right.set(ylim=(-most, most), yticks=[0], yticklabels=["0"])
        right.set_title("central\ndifferences", fontsize=7)
        right.tick_params(labelsize=7)
        return figure

    def still(self) -> np.ndarray:
        """The start; of a Gaussian also unrounded and with noise, of maps also the one that is furthest off."""
        if self.view["joint"] < 0:
            others: list[dict[str, Any]] = [{"rounded": False}, {"rounded": False, "noise": 0.3}]
        else:
            off = [self._off(joint) for joint in range(len(self._names))]
            others = [{"joint": int(np.argmax(off))}] if max(off) > off[self.view["joint"]] else []
            others.append({"joint": -1})
        return side_by_side(pixels(self.draw(self.view | other)) for other in [{}, *others])

    def _off(self, joint: int) -> float:
        cells = self.answers(self.view | {"joint": joint})["errors"]["quarter offset"]["cells"]
        return -1.0 if cells is None else cells

    def _called(self, view: dict) -> str:
        if view["joint"] >= 0:
            return self._names[view["joint"]]
        noise = f", noise {view['noise']:g}" if view["noise"] else ""
        return f"Gaussian, {'rounded to a cell' if view['rounded'] else 'not rounded'}{noise}"


def _differences(heat: np.ndarray, x: int, y: int) -> list[float] | None:
    """h(p + 1) − h(p − 1) along x and along y; None where the offset is not taken, within a cell of the border."""
    h, w = heat.shape
    if not (1 < x < w - 1 and 1 < y < h - 1):
        return None
    return [float(heat[y, x + 1] - heat[y, x - 1]), float(heat[y + 1, x] - heat[y - 1, x])]


def _error(place: np.ndarray, true: np.ndarray, stride: float) -> dict:
    far = float(np.hypot(*(place - true)))
    return {"cells": far, "pixels": far * stride} if np.isfinite(far) else {"cells": None, "pixels": None}


def _in_words(answer: dict) -> str:
    def said(name: str) -> str:
        pixels = answer["errors"][name]["pixels"]
        return "–" if pixels is None else f"{pixels:.2f} px"

    return f"off by {said('highest cell')}, with the offset {said('quarter offset')}"


# what may be given


def _maps(heatmaps, names, truth) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Maps (K, H, W), their names and the true places (K, 2), K = 0 where none are given."""
    if heatmaps is None:
        if names is not None or truth is not None:
            raise WorkbookError("heatmap explorer: names and truth belong to heatmaps, and none are given.")
        return np.zeros((0, 1, 1)), [], np.zeros((0, 2))
    maps = _array(heatmaps, "heatmaps")
    if maps.ndim != 3 or not maps.size or not np.isfinite(maps).all():
        raise WorkbookError(f"heatmaps: {maps.shape} are not K maps of H × W finite numbers.")
    names = [f"map {k}" for k in range(len(maps))] if names is None else [str(name) for name in names]
    if len(names) != len(maps):
        raise WorkbookError(f"names: {len(names)} names do not fit {len(maps)} heatmaps.")
    places = np.full((len(maps), 2), np.nan) if truth is None else _array(truth, "truth")
    if places.shape != (len(maps), 2):
        raise WorkbookError(f"truth: {places.shape} is not x and y in pixels for each of {len(maps)} heatmaps.")
    return maps, [name.replace("_", " ") for name in names], places


def _in_steps(one: np.ndarray) -> tuple[np.ndarray, float]:
    """A map as whole numbers of steps, and the step."""
    step = float(f"{abs(one).max() / STEPS:.3e}") or 1.0
    return np.rint(one / step).astype(int), step


def _array(value, what: str) -> np.ndarray:
    try:
        value = value.detach().cpu().numpy() if hasattr(value, "detach") else value
        if np.iscomplexobj(value):
            raise TypeError("complex numbers have no order")
        return np.array(value, float)
    except (TypeError, ValueError) as error:
        raise WorkbookError(f"{what}: does not hold numbers of one shape.") from error


def _size(size) -> tuple[int, int]:
    given = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    if len(given) != 2 or not all(type(n) is int and 1 <= n <= 200 for n in given):
        raise WorkbookError(f"size {size}: is not (height, width) of 1 … 200 cells.")
    return given


def _above_zero(value, what: str) -> float:
    if not _is_number(value) or value <= 0:
        raise WorkbookError(f"{what} {value}: is not a number above 0.")
    if value > LARGEST:
        raise WorkbookError(f"{what} {value:g}: is larger than {LARGEST:,.0f}.")
    return float(plain(float(value), 4))


def _between(value, what: str, low: float, high: float) -> float:
    if not _is_number(value) or not low <= value <= high:
        raise WorkbookError(f"{what} {value}: is not between {low:g} and {high:g}.")
    return float(value)


def _is_number(value) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and bool(np.isfinite(value))


def _joint(value, n: int) -> int:
    """A joint −1 … n − 1."""
    if not _is_number(value) or value not in range(-1, n):
        raise WorkbookError(f"joint {value}: is not one of −1 … {n - 1}.")
    return int(value)
