"""The attention view: poses side by side, lines from token to token, the matrix beside them, and what zeroed values do.

Notebook 10 shows the learned edges of the graph network with it, notebook 11 the attention of pose entailment. What is
shown is what `attend` says its forward pass used: rows are checked, and attention to absent tokens is reported.
"""

import base64
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import WorkbookError
from helpers.nets import attention
from helpers.notebook.widgets.attention_drawing import LINE_COLOURS, Shown, Token, draw_matrix, draw_poses
from helpers.notebook.widgets.attention_input import (
    array_of,
    effect_of,
    joint_of,
    labels_of,
    listed,
    moved_joint,
    numbers_of,
    tokens_of,
    whole,
    window_of,
)
from helpers.notebook.widgets.base import Live, poses
from helpers.skeleton import JOINTS

#: What a line means, by the name that a view's `mode` holds.
MODES = {"raw": "raw attention", "rollout": "rollout", "zeroed": "values zeroed"}
#: What raw attention is compared with.
AGAINST = {
    "zeroed": "what zeroed values do to this layer's outputs",
    "effect": "what removing a token does to the probability",
}
#: More than this of a row on absent tokens is a mask that leaks.
LEAK = 0.0005
#: At most so many lines are drawn: more are a ball of wool.
MOST_LINES = 60
#: Answers that are kept, so that chips and steps back ask no model again.
KEPT = 20


class AttentionView(Live):
    """Who attends to whom among the joints of W poses, as lines on the poses and as a matrix.

    xy (W, 15, 2) pixels with present (W, 15): a window of poses, usually 2; a joint at NaN counts as absent.
    attend(xy (W, 15, 2), present (W, 15)) is asked anew when a joint is moved or hidden or the people are exchanged; it
    returns a dict:

    - "weights" (L, H, T, T), row i = what token i attended to in the forward pass; rows of present tokens sum to 1;
    - "probability": a number, or numbers by their names;
    - "rollout" (T, T), "value_zeroed" (T, T) or (L, T, T) ≥ 0, "effect" (T,), the change of the (first) probability
      when a token is removed (NaN for the token that is read): each may be left out; rollout is then computed, the
      other two are not shown.

    `helpers.nets.attention` has these measures for any model, and `pose_attention` all of it for the reference encoder,
    whose tokens are `attention.token_names(W)`.

    tokens: which (pose, joint) each of the T tokens is, or the name of a special one ("[CLS]"); by default all joints
    of the first pose, then of the next. labels: what the W poses are called, "t", "t+1" … others: {name: (xy,
    present)}, windows of the same size to exchange for the first ("another person").

    Notebook 11 gives the current pose first and labels ("t", "t−1"). Notebook 10 gives one pose and
    `attention.edge_shares(edges, weights, 15)`, or several such stacked as layers, as "weights" of a constant attend.

    Raises WorkbookError for sizes that do not fit, poses without a joint, and for what attend returns where it cannot
    be attention: NaN, rows that do not sum to 1, another number of tokens.
    """

    kind = "attention_view"
    digits = 4

    def __init__(
        self,
        xy: ArrayLike,
        present: ArrayLike,
        attend: Callable[[np.ndarray, np.ndarray], Mapping],
        tokens: Sequence[Token] | None = None,
        others: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
        labels: Sequence[str] | None = None,
        title: str = "Attention between joints",
    ):
        first = window_of("poses", xy, present)
        size = len(first[0])
        self._windows = {"as given": first} | {n: window_of(n, *w, size) for n, w in (others or {}).items()}
        self._labels = labels_of(labels, size)
        self._tokens = tokens_of(tokens, size)
        self._names = [self._name(token) for token in self._tokens]
        self._attend = attend
        self._known: dict[str, dict[str, Any]] = {}
        self._shape: tuple[int, ...] = ()
        start = {"choice": 0, "moved": [], "hidden": []}
        shown = self._attended(start)
        self._shape = shown["raw"].shape[:2]
        self._modes = [mode for mode in MODES if mode in shown]
        scene = {
            "windows": [[name, poses(*window)] for name, window in self._windows.items()],
            "labels": self._labels,
            "tokens": [list(t) if isinstance(t, tuple) else t for t in self._tokens],
            "names": self._names,
            "layers": self._shape[0],
            "heads": self._shape[1],
            "modes": [[mode, MODES[mode]] for mode in self._modes],
            "start": shown["numbers"],
            "most_lines": MOST_LINES,
            "against": AGAINST,
            "leak": LEAK,
        }
        view = {"mode": "raw", "layer": 0, "head": "mean", "token": -1, "partner": -1, "direction": "from", "lines": 12}
        self._parts = list(view | start)
        super().__init__(title, scene, view | start)

    def _name(self, token: Token) -> str:
        if isinstance(token, str):
            return token
        joint = JOINTS[token[1]].replace("_", " ")
        return f"{joint} ({self._labels[token[0]]})" if len(self._labels) > 1 else joint

    # what a view may hold

    def checked(self, view: dict) -> dict:
        if set(view) != set(self._parts):
            raise WorkbookError(f"attention view: a view holds {', '.join(self._parts)}, got {', '.join(view)}.")
        layers, heads = self._shape
        limits = {
            "layer": (0, layers), "token": (-1, len(self._tokens)), "partner": (-1, len(self._tokens)),
            "lines": (1, MOST_LINES + 1), "choice": (0, len(self._windows)),
        }  # fmt: skip
        out = view | {name: whole(view[name], *limit, name) for name, limit in limits.items()}
        for name, known in (("mode", self._modes), ("direction", list(LINE_COLOURS))):
            if view[name] not in known:
                raise WorkbookError(f"attention view: {name} {view[name]!r} is not one of {', '.join(known)}.")
        out["head"] = "mean" if view["head"] == "mean" else whole(view["head"], 0, heads, "head")
        size = len(self._labels)
        out["moved"] = [moved_joint(change, size) for change in listed(view["moved"], 4, "moved")]
        out["hidden"] = [joint_of(change, size, "hidden") for change in listed(view["hidden"], 2, "hidden")]
        return out

    # what Python says

    def _poses(self, view: dict) -> tuple[np.ndarray, np.ndarray]:
        """The window of a view, joints moved and hidden: xy (W, 15, 2), present (W, 15)."""
        xy, present = (a.copy() for a in list(self._windows.values())[view["choice"]])
        for w, j, x, y in view["moved"]:
            xy[w, j] = x, y
        for w, j in view["hidden"]:
            present[w, j] = False
        return xy, present

    def _attended(self, view: dict) -> dict[str, Any]:
        """What attend says of a view's poses, checked: arrays by mode, "effect", "numbers", "agreement", "astray"."""
        key = json.dumps([view["choice"], view["moved"], view["hidden"]])
        if key not in self._known:
            xy, present = self._poses(view)
            if not present.any():
                raise WorkbookError("attention view: no joint is there, so nothing attends.")
            said = self._said(self._attend(xy, present.copy()), present)
            if len(self._known) >= KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[key] = said
        return self._known[key]

    def _said(self, given: Any, present: np.ndarray) -> dict[str, Any]:
        if not isinstance(given, Mapping) or not {"weights", "probability"} <= set(given):
            raise WorkbookError('attention view: attend must return a dict with "weights" and "probability".')
        n = len(self._tokens)
        known = np.array([isinstance(t, str) or present[t] for t in self._tokens], bool)
        weights = attention.checked_weights(given["weights"], known)
        if self._shape not in ((), weights.shape[:2]):
            raise WorkbookError(f"attention view: {weights.shape[:2]} layers and heads now, {self._shape} before.")
        through = given["rollout"] if "rollout" in given else attention.rollout(weights, known)
        out = {"raw": weights, "rollout": array_of(through, "rollout", (n, n)), "known": known}
        if "value_zeroed" in given:
            out["zeroed"] = array_of(given["value_zeroed"], "value_zeroed", (n, n), (len(weights), n, n))
        out["effect"] = effect_of(given["effect"], n) if "effect" in given else None
        out["numbers"] = numbers_of(given["probability"])
        out["astray"] = float(weights[:, :, known][..., ~known].sum(-1).max(initial=0.0))
        out["compared"] = 0 if out["effect"] is None else int((known & ~np.isnan(out["effect"])).sum())
        out["agreement"] = self._agreement(out)
        return out | {mode: _rounded(out[mode]) for mode in MODES if mode in out}

    @staticmethod
    def _agreement(said: dict[str, Any]) -> dict[str, list[list[float]]]:
        """Rank correlations of raw attention by layer and head, the heads' mean last.

        zeroed: with what zeroed values do, over pairs; effect: of what a token receives from the others with how much
        the probability changes without it, over tokens.
        """
        raw, known = said["raw"], said["known"]
        heads = np.concatenate([raw, raw.mean(1, keepdims=True)], 1)
        out = {}
        if "zeroed" in said:
            zeroed = np.broadcast_to(said["zeroed"], raw.shape[:1] + raw.shape[2:])
            out["zeroed"] = [
                [attention.agreement(m, z, known) for m in layer] for layer, z in zip(heads, zeroed, strict=True)
            ]
        if said["effect"] is not None:
            asked = known & ~np.isnan(said["effect"])
            strength = np.abs(said["effect"][asked])
            received = (heads * (1 - np.eye(len(known))))[:, :, known].sum(2)[..., asked]
            out["effect"] = [[attention.rank_correlation(r, strength) for r in layer] for layer in received]
        return out

    def answers(self, view: dict) -> dict:
        said = self._attended(view)
        return {
            "matrices": {mode: _packed(said[mode]) for mode in self._modes},
            "known": said["known"].astype(int),
            "effect": said["effect"],
            "numbers": said["numbers"],
            "agreement": said["agreement"],
            "compared": said["compared"],
            "astray": said["astray"],
        }

    def matrix(self) -> np.ndarray:
        """The (T, T) matrix that the present view shows: its mode, layer and head."""
        return self._matrix(self.view)

    def _matrix(self, view: dict) -> np.ndarray:
        said = self._attended(view)[view["mode"]]
        if view["mode"] == "raw":
            layer = said[view["layer"]]
            return layer.mean(0) if view["head"] == "mean" else layer[view["head"]]
        return said[view["layer"]] if said.ndim == 3 else said

    def partners(self) -> list[str]:
        """The lines of the present view in words, strongest first: "left wrist (t) → left elbow (t+1): 0.23"."""
        matrix = self._matrix(self.view)
        return [f"{self._names[i]} → {self._names[j]}: {matrix[i, j]:.3f}" for i, j in self._lines(self.view)]

    def _lines(self, view: dict) -> list[tuple[int, int]]:
        return _strongest(self._matrix(view), view, self._attended(view)["known"])

    # the static pictures

    def draw(self, view: dict) -> Figure:
        view = self.checked(view)
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.4), width_ratios=(1.25, 1), layout="constrained")
        self._draw_into(left, right, view)
        numbers = ", ".join(f"{name} {value:.3f}" for name, value in self._attended(view)["numbers"].items())
        figure.suptitle(f"{self._what(view)}: {numbers}{self._warning(view)}", fontsize=10)
        return figure

    def still(self) -> Figure:
        """One column a mode: the strongest lines on the poses, the matrix below."""
        columns = len(self._modes)
        size = (3.4 * columns, 6.2)
        figure, axes = plt.subplots(2, columns, figsize=size, squeeze=False, layout="constrained")
        for mode, (top, bottom) in zip(self._modes, axes.T, strict=True):
            view = self.view | {"mode": mode}
            self._draw_into(top, bottom, view)
            top.set_title(self._what(view), fontsize=9)
        # As wide as its columns: a longer line would be cut.
        words = textwrap.fill(self._moral(self.view) + self._warning(self.view), 44 * columns)
        figure.suptitle(words, fontsize=9)
        return figure

    def _draw_into(self, upon: Axes, beside: Axes, view: dict) -> None:
        said = self._attended(view)
        shown = Shown(
            self._tokens, self._names, self._labels, said["known"], self._matrix(view), self._lines(view),
            view["token"], view["direction"], said["effect"],
        )  # fmt: skip
        draw_poses(upon, shown, list(self._windows.values())[view["choice"]], *self._poses(view))
        draw_matrix(beside, shown)

    def _what(self, view: dict) -> str:
        """Mode, layer and head in words."""
        words = MODES[view["mode"]]
        if view["mode"] == "rollout" or self._attended(view)[view["mode"]].ndim == 2:
            return words
        words += f", layer {view['layer'] + 1}"
        if view["mode"] == "zeroed" or self._shape[1] == 1:
            return words
        return words + (", mean of heads" if view["head"] == "mean" else f", head {view['head'] + 1}")

    def _moral(self, view: dict) -> str:
        place = view["layer"], -1 if view["head"] == "mean" else view["head"]
        found = {name: rows[place[0]][place[1]] for name, rows in self._attended(view)["agreement"].items()}
        n = self._attended(view)["compared"]
        # Ranks without any relation agree by less than this in 19 of 20 cases.
        chance = f" ({n} tokens; below {1.96 / np.sqrt(n - 1):.2f} is chance)" if n > 1 else ""
        parts = [f"with {AGAINST[name]}: {rho:.2f}" for name, rho in found.items() if np.isfinite(rho)]
        parts = [part + (chance if AGAINST["effect"] in part else "") for part in parts]
        words = f" Rank agreement ({self._what(view | {'mode': 'raw'})}) " + "; ".join(parts) + "." if parts else ""
        return "Attention alone does not say what matters." + words

    def _warning(self, view: dict) -> str:
        """What the widget says, too, where the mask leaks; else nothing."""
        astray = self._attended(view)["astray"]
        if astray <= LEAK:
            return ""
        return f" Up to {astray:.3f} of a row goes to absent tokens: the mask is not in every layer."


# --- what is sent ---------------------------------------------------------------------------------------------


def _strongest(matrix: np.ndarray, view: dict, known: np.ndarray) -> list[tuple[int, int]]:
    """The (from, to) of a view's lines, strongest first: one token's row or column, or all; none of absent tokens."""
    off = np.where(known[:, None] & known & ~np.eye(len(matrix), dtype=bool), matrix, 0.0)
    if view["token"] >= 0:
        kept = np.zeros_like(off)
        one = (view["token"], slice(None)) if view["direction"] == "from" else (slice(None), view["token"])
        kept[one] = off[one]
        off = kept
    order = np.argsort(-off.round(7), axis=None, kind="stable")[: view["lines"]]
    return [(int(k // len(off)), int(k % len(off))) for k in order if off.flat[k] > 0]


def _scales(values: np.ndarray) -> list[str]:
    """What 10,000 steps of an array are: 1 for weights of heads, else the largest number of each layer, or of all."""
    if values.ndim == 4:
        return ["1"]
    layers = values if values.ndim == 3 else values[None]
    return [f"{float(layer.max(initial=0.0)) or 1.0:.3g}" for layer in layers]


def _steps(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An array ≥ 0 in whole steps, and how much each is."""
    unit = np.array([float(scale) / 10_000 for scale in _scales(values)])
    unit = unit[:, None, None] if values.ndim == 3 else unit
    return np.rint(values / unit), unit


def _rounded(values: np.ndarray) -> np.ndarray:
    """An array ≥ 0 as it is sent, so that the browser and the pictures say the same."""
    steps, unit = _steps(values)
    return steps * unit


def _packed(values: np.ndarray) -> dict:
    """An array ≥ 0 in few bytes: steps of 16 bits, and how much 10,000 of them are, for all or for each layer."""
    data = base64.b64encode(_steps(values)[0].astype("<u2").tobytes()).decode()
    return {"scales": _scales(values), "shape": list(values.shape), "data": data}
