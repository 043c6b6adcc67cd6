"""What all drawn widgets share: a scene that the browser draws, a view that the reader changes, numbers from Python.

A canvas in the browser draws (js/, plain ES modules without a build step), and asks Python only for numbers. So a
widget has a Python side that works without a browser: `move` it, look at `answer`, compare `picture()`. In a notebook
it leaves three outputs: its static picture (GitHub, untrusted notebooks), a form that works without a kernel (HTML
export, reopened notebooks), and the live one, which hides the other two and which `reproduce` takes out.
"""

import base64
import functools
import hashlib
import html
import io
import json
import re
import traceback
from collections.abc import Iterable
from numbers import Real
from pathlib import Path
from typing import Any

import anywidget
import matplotlib.pyplot as plt
import numpy as np
import traitlets
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from helpers import WorkbookError
from helpers.opencv import cv2
from helpers.outputs import small_png
from helpers.skeleton import JOINTS, LIMBS

SCRIPTS = Path(__file__).parent / "js"
#: Dots per inch of figures: a text of 9 points is as large as the page's small print.
DPI = 100
#: Bytes that one widget's form without a kernel may add to a notebook; a larger one leaves its picture only.
STORED_LIMIT = 1_400_000


def png(picture) -> bytes:
    """PNG bytes of a Figure (which is closed) or of an uint8 H×W×3 RGB image."""
    if isinstance(picture, np.ndarray):
        return _encoded(picture, ".png")
    buffer = io.BytesIO()
    picture.savefig(buffer, dpi=DPI, format="png", metadata={"Software": None})
    plt.close(picture)
    return buffer.getvalue()


def pixels(picture) -> np.ndarray:
    """uint8 H×W×3 RGB of a Figure (which is closed) or of such an image (copied). Raises WorkbookError for another."""
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3:
        return picture.copy()
    if not isinstance(picture, Figure):
        what = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        raise WorkbookError(f"a widget draws a Figure or an uint8 image (H, W, 3), got {what}.")
    picture.set_dpi(DPI)
    canvas = FigureCanvasAgg(picture)
    canvas.draw()
    image = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    plt.close(picture)
    return image


def address(image: np.ndarray, kind: str = "webp", quality: int = 70) -> str:
    """The data address of an uint8 H×W×3 RGB image as "webp", "jpeg" or "png", as browsers take it."""
    setting = {"webp": [cv2.IMWRITE_WEBP_QUALITY, quality], "jpeg": [cv2.IMWRITE_JPEG_QUALITY, quality], "png": []}[
        kind
    ]
    return f"data:image/{kind};base64,{base64.b64encode(_encoded(image, '.' + kind, setting)).decode()}"


def _encoded(image: np.ndarray, suffix: str, setting: Iterable[int] = ()) -> bytes:
    return cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), list(setting))[1].tobytes()


def side_by_side(images: Iterable[np.ndarray], widest: int = 1000, gap: int = 6) -> np.ndarray:
    """Images (H×W×3 uint8 each) in rows no wider than `widest` pixels where more than one would be, white between."""
    rows: list[list[np.ndarray]] = [[]]
    for image in images:
        if rows[-1] and sum(i.shape[1] + gap for i in rows[-1]) + image.shape[1] > widest:
            rows.append([])
        rows[-1].append(image)
    whole = [_joined(row, 1, gap) for row in rows]
    return _joined(whole, 0, gap)


def _joined(images: list[np.ndarray], axis: int, gap: int) -> np.ndarray:
    """Images behind one another along an axis, filled with white along the other."""
    size = max(image.shape[1 - axis] for image in images)
    parts = []
    for image in images:
        fill = [(0, 0), (0, 0), (0, 0)]
        fill[axis], fill[1 - axis] = (0, gap), (0, size - image.shape[1 - axis])
        parts.append(np.pad(image, fill, constant_values=255))
    joined = np.concatenate(parts, axis=axis)
    return joined[:-gap] if axis == 0 else joined[:, :-gap]


def plain(value: Any, digits: int = 2) -> Any:
    """What JSON can say: arrays as lists, NaN and infinity as None, numbers to that many digits behind the point and at
    least as many figures. Raises TypeError for what JSON cannot say.
    """
    if isinstance(value, dict):
        return {str(k): plain(v, digits) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v, digits) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), digits)
    if isinstance(value, np.generic):
        return plain(value.item(), digits)
    if isinstance(value, float):
        return _rounded(value, digits) if np.isfinite(value) else None
    if value is None or isinstance(value, (str, bool, int)):
        return value
    raise TypeError(f"a widget cannot hold {type(value).__name__}")


def _rounded(value: float, digits: int) -> float | int:
    figures = digits - 1 - int(np.floor(np.log10(abs(value)))) if value else 0
    short = round(value, max(digits, figures))
    return int(short) if short == int(short) else short


def poses(xy: np.ndarray, present: np.ndarray) -> list[list]:
    """Poses (N, J, 2) with presence (N, J) as the scripts draw them: 2·J numbers each, None where a joint is absent."""
    known = np.asarray(present, bool)[..., None] & np.isfinite(xy)
    return plain(np.where(known.all(-1, keepdims=True), xy, np.nan).reshape(len(xy), 2 * np.shape(xy)[1]), 1)


def look() -> dict:
    """Names, limbs and colours that every scene needs: those of the plots."""
    from helpers.notebook import plots

    return {
        "joints": [name.replace("_", " ") for name in JOINTS],
        "limbs": LIMBS.tolist(),
        "joint_colours": [plots.joint_colour(name) for name in JOINTS],
        "track_colours": plots.TRACK_COLOURS,
    }


@functools.cache
def script(name: str) -> str:
    """One ES module of js/base.js and a widget's own file, whose imports are already there; without a name base.js."""
    shared = re.sub(r"^export ", "", (SCRIPTS / "base.js").read_text(encoding="utf-8"), flags=re.M)
    if not name:
        return shared
    own = (SCRIPTS / f"{name}.js").read_text(encoding="utf-8")
    joined = shared + re.sub(r'^import [^;]*? from "\./base\.js";\n', "", own, flags=re.M)
    if left := re.search(r"^\s*import\b.*", joined, re.M):
        raise ValueError(f'{name}.js: {left.group().strip()} is not of the form import {{ … }} from "./base.js";')
    return joined


@functools.cache
def styles() -> str:
    return (SCRIPTS / "widgets.css").read_text(encoding="utf-8")


class Live(anywidget.AnyWidget):
    """A widget drawn by js/`kind`.js.

    scene: what is drawn, fixed by Python. view: where the reader stands, changed in the browser or by `move`.
    answer: what Python says of that view (`answers`). A kind says what a view may hold (`checked`), what is answered,
    and how the static picture is drawn (`draw`). title: what is heard by those who do not see it.
    """

    kind = ""
    #: Whether it can be used without a kernel; if not, only its pictures are stored.
    stored = True
    #: Digits behind the point that numbers of scene, view and answer keep on their way to the browser.
    digits = 2
    title = traitlets.Unicode().tag(sync=True)
    scene = traitlets.Dict().tag(sync=True)
    view = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)
    fault = traitlets.Unicode().tag(sync=True)
    asked = traitlets.Int().tag(sync=True)
    answered = traitlets.Int().tag(sync=True)
    stored_id = traitlets.Unicode().tag(sync=True)

    def __init__(self, title: str, scene: dict, view: dict):
        self._esm, self._css = script(self.kind), styles()
        self._error: Exception | None = None
        super().__init__(title=title, scene=plain(scene | {"look": look()}, self.digits), view=plain(view, self.digits))
        self._stand = self._asked_of = self.view  # the last view that made sense, and the last one that was answered
        self.answer = plain(self.answers(self.view), self.digits)
        self.observe(self._moved, ["view", "asked"])

    # what a kind of widget says of itself

    def answers(self, view: dict) -> dict:
        """Numbers of a view, by what a reader calls them."""
        return {}

    def checked(self, view: dict) -> dict:
        """The view as it shall stand. Raises WorkbookError where it makes no sense."""
        return view

    def draw(self, view: dict):
        """The picture of a view: a Figure or an uint8 H×W×3 RGB image."""
        raise NotImplementedError

    def still(self):
        """The picture or strip of pictures for readers without widgets."""
        return self.draw(self.view)

    # driven from Python and from the browser

    def move(self, **changes) -> dict:
        """Change the view as a reader would; returns the answer.

        Raises KeyError for what a view does not hold, WorkbookError for what makes no sense there, and whatever a
        callback raises.
        """
        unknown = sorted(set(changes) - set(self._stand))
        if unknown:
            raise KeyError(f"{unknown[0]}: a view of this widget holds {', '.join(self._stand)}")
        view = plain(self.checked({**self._stand, **changes}), self.digits)
        if view == self.view:
            self._answer()  # nothing is told of a view that stays, but what was raised before may be raised again
        self.view = view
        if self._error:
            raise self._error
        return self.answer

    def picture(self) -> bytes:
        """PNG bytes of the present view."""
        return png(self.draw(self._stand))

    def check(self, **changes) -> None:
        """Make changes one by one and take them back. Raises AssertionError unless the picture changes, and back."""
        shown = self.picture()
        for name, value in changes.items():
            start = self._stand[name]
            self.move(**{name: value})
            assert self.picture() != shown, f"{name} = {value} shows the same picture"
            self.move(**{name: start})
            assert self.picture() == shown, f"{name} back at {start} shows another picture"
        print("the widget's picture moves, and back")

    def _moved(self, _=None) -> None:
        """Answer the view, once: a question from the browser changes both its number and the view."""
        with self.hold_sync():
            if self._asked_of != self.view:
                self._answer()
            self.answered = self.asked

    def _answer(self) -> None:
        """Answer the view; what a callback raises is shown in the widget."""
        self._error, self._asked_of = None, self.view
        try:
            if set(self.view) != set(self._stand):
                raise WorkbookError(
                    f"a view of this widget holds {', '.join(self._stand)}, not {', '.join(self.view)}."
                )
            view = self.checked(self.view)
            self.answer = plain(self.answers(view), self.digits)
            self._stand, self.fault = plain(view, self.digits), ""
        except Exception as error:
            self._error = error
            wordy = isinstance(error, WorkbookError)
            self.fault = str(error) if wordy else "".join(traceback.format_exception_only(error)).strip()

    # in a notebook

    def __repr__(self) -> str:
        return self.title

    def _ipython_display_(self) -> None:
        words = f"{self.title}: a widget, live in JupyterLab; here its pictures."
        strip = small_png(png(self.still()))
        form = self.without_kernel()
        display({"image/png": strip, "text/plain": words}, raw=True, metadata={"image/png": {"alt": words}})
        display({"text/html": form, "text/plain": words}, raw=True)
        display(self._repr_mimebundle_()[0] | {"text/plain": words}, raw=True)

    def without_kernel(self) -> str:
        """HTML of the form that works without a kernel; only a sentence where that is larger than STORED_LIMIT."""
        state = {name: getattr(self, name) for name in ("title", "scene", "view", "answer")}
        data = json.dumps(state, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
        self.stored_id = hashlib.blake2b((self.kind + data).encode(), digest_size=6).hexdigest()
        place = f'<div data-workbook="{self.stored_id}">'
        words = f"{html.escape(self.title)}: run the cell in JupyterLab to use it."
        small = self.stored and len(data) <= STORED_LIMIT
        own = script(self.kind if small else "")
        own = re.sub(r"^export (default .*;\n)?", "", own, flags=re.M)
        start = f'startStored("{self.stored_id}", {f"render, {data}" if small else "null"});'
        return (
            f"{place}<small>{words}</small></div>\n<style>{styles()}</style>\n"
            f'<script type="module">\n{own}\n{start}\n</script>'
        )


def moment(n: int, t: int, what: str = "frame") -> int:
    """A whole number 0 … n − 1. Raises WorkbookError for another."""
    if isinstance(t, bool) or not isinstance(t, Real) or not 0 <= t < n or t != int(t):
        raise WorkbookError(f"{what} {t}: is not one of 0 … {n - 1}.")
    return int(t)
