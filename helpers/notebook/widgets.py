"""Sliders that redraw a picture, for reading live; each drawn by the function that drew the static figure.

An Image widget fed with PNG bytes, because it can be driven from Python and tested; `interact` and
`Output` cannot. Everything that matters is also a static figure.
"""

import io
from collections.abc import Callable

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np

from helpers import WorkbookError


def png(picture) -> bytes:
    """PNG bytes of a Figure (which is closed) or of an uint8 H×W×3 RGB image."""
    if isinstance(picture, np.ndarray):
        from helpers.opencv import cv2

        return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    buffer = io.BytesIO()
    picture.savefig(buffer, dpi=80, format="png", metadata={"Software": None})
    plt.close(picture)
    return buffer.getvalue()


class Sliders(ipywidgets.VBox):
    """Labelled sliders above a picture that `draw(**values)` draws anew whenever one moves.

    ranges: name=(low, high, step, start); whole numbers give an integer slider. `draw`
    returns a Figure or an RGB image. Moved from Python: `s.move(name=value)`.
    """

    def __init__(self, draw: Callable, **ranges: tuple):
        self._draw = draw
        self.sliders = {name: _slider(name, *r) for name, r in ranges.items()}
        self.picture = ipywidgets.Image(format="png")
        super().__init__([*self.sliders.values(), self.picture])
        for slider in self.sliders.values():
            slider.observe(self._redraw, "value")
        self._redraw()

    def _redraw(self, _=None) -> None:
        self.picture.value = png(self._draw(**{name: s.value for name, s in self.sliders.items()}))

    def move(self, **values) -> bytes:
        """Set sliders and return the new picture's bytes. Raises KeyError for an unknown slider."""
        for name, value in values.items():
            self.sliders[name].value = value
        return self.picture.value

    def check(self, **values) -> None:
        """Move sliders there and back, one by one. Raises AssertionError unless the picture changes, and back."""
        shown = self.picture.value
        for name, value in values.items():
            start = self.sliders[name].value
            assert self.move(**{name: value}) != shown, f"{name} = {value} shows the same picture"
            assert self.move(**{name: start}) == shown, f"{name} back at {start} shows another picture"
        print("the sliders move the picture, and back")


def _slider(name, low, high, step, start):
    whole = all(isinstance(v, (int, np.integer)) for v in (low, high, step, start))
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    return kind(
        value=start,
        min=low,
        max=high,
        step=step,
        description=name.replace("_", " "),
        continuous_update=False,
        style={"description_width": "initial"},
    )


def scrub(draw: Callable[[int], object], n: int, start: int = 0, label: str = "frame") -> Sliders:
    """A slider over 0 … n − 1 above the picture `draw(t)`. WorkbookError without anything to draw."""
    if n < 1:
        raise WorkbookError(f"scrub: n {n} leaves no {label} to draw, it must be at least 1.")
    return Sliders(lambda **v: draw(v[label]), **{label: (0, n - 1, 1, start)})
