"""Sliders above a picture, for numbers that are only moved; each picture drawn by the function of the static figure."""

from collections.abc import Callable, Sequence
from numbers import Real

import numpy as np

from helpers import WorkbookError
from helpers.notebook.widgets.base import Live, address, pixels, side_by_side

#: Pictures that a widget keeps, so that a slider moved back and forth is drawn once.
KEPT = 50


class Sliders(Live):
    """Labelled sliders above a picture that `draw(**values)` draws anew while one moves.

    ranges: name=(low, high, step, start); whole numbers give an integer slider. `draw` returns a Figure or an RGB
    image. strip: positions shown side by side where widgets do not live, {"name": value, …} each; without it the first
    slider's lowest, start and highest. Moved from Python: `s.move(name=value)`.
    """

    kind = "sliders"
    stored = False
    digits = 12  # a step may be small

    def __init__(self, draw: Callable, strip: Sequence[dict] | None = None, title: str = "", **ranges: tuple):
        for name, (low, high, step, start) in ranges.items():
            if not all(map(_is_number, (low, high, step, start))) or not (low <= start <= high and step > 0):
                raise WorkbookError(
                    f"slider {name}: {start} is not between {low} and {high}, or step {step} is not > 0."
                )
        self._draw, self._ranges = draw, ranges
        self._drawn: dict[tuple, np.ndarray] = {}
        self._strip = _ends(ranges) if strip is None else strip
        scene = {"sliders": [[name, *r[:3]] for name, r in ranges.items()]}
        view = {name: r[3] for name, r in ranges.items()}
        super().__init__(title or "Sliders: " + ", ".join(ranges).replace("_", " "), scene, view)

    def checked(self, view: dict) -> dict:
        for name, value in view.items():
            low, high, *_ = self._ranges[name]
            if not (_is_number(value) and low <= value <= high):
                raise WorkbookError(f"slider {name}: {value} is not between {low} and {high}.")
        return {name: _typed(value, self._ranges[name]) for name, value in view.items()}

    def draw(self, view: dict) -> np.ndarray:
        values = self.checked(view)
        key = tuple(values.items())
        if key not in self._drawn:
            if len(self._drawn) >= KEPT:
                self._drawn.pop(next(iter(self._drawn)))
            self._drawn[key] = pixels(self._draw(**values))
        return self._drawn[key]

    def answers(self, view: dict) -> dict:
        return {"picture": address(self.draw(view), "jpeg", 90)}

    def still(self) -> np.ndarray:
        return side_by_side(self.draw(self.view | values) for values in self._strip)


def _is_number(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and bool(np.isfinite(value))


def _typed(value, limits: tuple):
    """A whole number where all limits are whole: scripts know only one kind of number."""
    return int(value) if all(isinstance(v, (int, np.integer)) for v in limits) else float(value)


def _ends(ranges: dict) -> list[dict]:
    if not ranges:
        raise WorkbookError("sliders: no range is given, so nothing could be moved.")
    name, (low, high, _, start) = next(iter(ranges.items()))
    return [{name: value} for value in sorted({low, start, high})]
