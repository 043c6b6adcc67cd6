"""The attention view: poses side by side, lines from token to token, the matrix beside them, and what zeroed values do.

Notebook 10 shows the learned edges of the graph network with it, notebook 11 the attention of pose entailment. What is
shown is what `attend` says its forward pass used: rows are checked, and attention to absent tokens is reported.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from numpy.typing import ArrayLike

from helpers import WorkbookError
from helpers.nets import attention
from helpers.notebook.plots import joint_colour, stick_figure
from helpers.notebook.widgets.base import Live, poses
from helpers.skeleton import JOINTS, N_JOINTS

#: What a line means, by the name that a view's `mode` holds.
MODES = {"raw": "raw attention", "rollout": "rollout", "zeroed": "values zeroed"}
#: Lines of a row ("from": what a token attends to) and of a column ("to": who attends to it).
LINE_COLOURS = {"from": "#0072b2", "to": "#d55e00"}
#: At most so many lines are drawn: more are a ball of wool.
MOST_LINES = 60
#: Answers that are kept, so that chips and steps back ask no model again.
KEPT = 20
#: First joints of arms and head in the order of joints; legs come first.
PARTS = (6, 12)

Token = str | tuple[int, int]


class AttentionView(Live):
    """Who attends to whom among the joints of W poses, as lines on the poses and as a matrix.

    xy (W, 15, 2) pixels with present (W, 15): a window of poses, usually 2; a joint at NaN counts as absent.
    attend(xy (W, 15, 2), present (W, 15)) is asked anew when a joint is moved or hidden or the people are exchanged; it
    returns a dict:

    - "weights" (L, H, T, T), row i = what token i attended to in the forward pass; rows of present tokens sum to 1;
    - "probability": a number, or numbers by their names;
    - "rollout" (T, T), "value_zeroed" (T, T) or (L, T, T) ≥ 0, "effect" (T,), the change of the (first) probability
      when a token is removed: each may be left out; rollout is then computed, the other two are not shown.

    `helpers.nets.attention` has these measures for any model, and `pose_attention` all of it for the reference encoder.

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
        first = _window("poses", xy, present)
        size = len(first[0])
        self._windows = {"as given": first} | {n: _window(n, *w, size) for n, w in (others or {}).items()}
        self._labels = _labels(labels, size)
        self._tokens = _tokens(tokens, size)
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
        out = view | {name: _whole(view[name], *limit, name) for name, limit in limits.items()}
        for name, known in (("mode", self._modes), ("direction", list(LINE_COLOURS))):
            if view[name] not in known:
                raise WorkbookError(f"attention view: {name} {view[name]!r} is not one of {', '.join(known)}.")
        out["head"] = "mean" if view["head"] == "mean" else _whole(view["head"], 0, heads, "head")
        size = len(self._labels)
        out["moved"] = [_moved(change, size) for change in _listed(view["moved"], 4, "moved")]
        out["hidden"] = [_joint(change, size, "hidden") for change in _listed(view["hidden"], 2, "hidden")]
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
        out = {"raw": weights, "rollout": _array(through, "rollout", (n, n)), "known": known}
        if "value_zeroed" in given:
            out["zeroed"] = _array(given["value_zeroed"], "value_zeroed", (n, n), (len(weights), n, n))
        out["effect"] = _array(given["effect"], "effect", (n,), low=-np.inf) if "effect" in given else None
        out["numbers"] = _numbers(given["probability"])
        out["astray"] = float(weights[:, :, known][..., ~known].sum(-1).max(initial=0.0))
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
            strength = np.abs(said["effect"][known])
            received = (heads * (1 - np.eye(len(known))))[:, :, known].sum(2)[..., known]
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
        matrix, (xy, present) = self._matrix(view), self._poses(view)
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.4), width_ratios=(1.25, 1), layout="constrained")
        self._draw_poses(left, view, matrix, xy, present)
        self._draw_matrix(right, view, matrix)
        numbers = ", ".join(f"{name} {value:.3f}" for name, value in self._attended(view)["numbers"].items())
        figure.suptitle(f"{self._what(view)}: {numbers}", fontsize=10)
        return figure

    def still(self) -> Figure:
        """One column a mode: the strongest lines on the poses, the matrix below."""
        figure, axes = plt.subplots(
            2, len(self._modes), figsize=(3.4 * len(self._modes), 6.2), squeeze=False, layout="constrained"
        )
        for mode, (top, bottom) in zip(self._modes, axes.T, strict=True):
            view = self.view | {"mode": mode}
            matrix = self._matrix(view)
            self._draw_poses(top, view, matrix, *self._poses(view))
            top.set_title(self._what(view), fontsize=9)
            self._draw_matrix(bottom, view, matrix)
        figure.suptitle(self._moral(self.view), fontsize=9)
        return figure

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
        against = {"zeroed": "what zeroed values do", "effect": "what removed joints do to the probability"}
        parts = [f"with {against[name]} {rho:.2f}" for name, rho in found.items() if np.isfinite(rho)]
        return "attention is not explanation" + (": its rank correlation " + ", ".join(parts) if parts else "")

    def _draw_poses(self, axis: Axes, view: dict, matrix: np.ndarray, xy: np.ndarray, present: np.ndarray) -> None:
        given = list(self._windows.values())[view["choice"]]
        middles, (width, height) = _places(*given)
        shown = xy + (middles - _middle(*given))[:, None]
        for w, middle in enumerate(middles):
            stick_figure(axis, shown[w], present[w])
            axis.text(*(middle + (0, 0.62 * height)), self._labels[w], ha="center", va="center", fontsize=8)
        low, high = middles.min(0), middles.max(0)
        special = [i for i, token in enumerate(self._tokens) if isinstance(token, str)]
        across = np.linspace(low[0], high[0], len(special) + 2)[1:-1]
        at = {i: np.array([x, low[1] - 0.66 * height]) for i, x in zip(special, across, strict=True)}
        for i, place in at.items():
            axis.text(*place, self._names[i], ha="center", va="center", fontsize=8, bbox={"fc": ".9", "ec": ".6"})
        at |= {i: shown[t] for i, t in enumerate(self._tokens) if not isinstance(t, str) and present[t]}
        _draw_lines(axis, matrix, self._lines(view), at, LINE_COLOURS[view["direction"]])
        if view["token"] in at:
            axis.plot(*at[view["token"]], "o", ms=13, mfc="none", mec=LINE_COLOURS[view["direction"]], mew=2)
        axis.set(xlim=(low[0] - 0.5 * width, high[0] + 0.5 * width), aspect="equal")
        axis.set_ylim(high[1] + 0.68 * height, low[1] - (0.76 if special else 0.58) * height)
        axis.axis("off")

    def _draw_matrix(self, axis: Axes, view: dict, matrix: np.ndarray) -> None:
        n = len(matrix)
        axis.imshow(matrix, cmap="Blues", vmin=0, vmax=_most(matrix))
        for i in np.flatnonzero(~self._attended(view)["known"]):
            axis.axhspan(i - 0.5, i + 0.5, color=".6", alpha=0.4, lw=0)
            axis.axvspan(i - 0.5, i + 0.5, color=".6", alpha=0.4, lw=0)
        for i in range(1, n):
            wide = _border(self._tokens[i - 1], self._tokens[i])
            if wide:
                axis.axhline(i - 0.5, color=".3", lw=wide)
                axis.axvline(i - 0.5, color=".3", lw=wide)
        colours = [".6" if isinstance(token, str) else joint_colour(JOINTS[token[1]]) for token in self._tokens]
        axis.scatter(np.full(n, -1.1), np.arange(n), 6, colours, "s", clip_on=False)
        axis.scatter(np.arange(n), np.full(n, -1.1), 6, colours, "s", clip_on=False)
        if view["token"] >= 0:
            (axis.axhspan if view["direction"] == "from" else axis.axvspan)(
                view["token"] - 0.5, view["token"] + 0.5, fill=False, ec=LINE_COLOURS[view["direction"]], lw=2
            )
        middles = [np.mean([i for i, t in enumerate(self._tokens) if t[0] == w]) for w in self._shown()]
        words = [self._labels[w] for w in self._shown()]
        below = n - 0.5
        if (effect := self._attended(view)["effect"]) is not None:
            below = _draw_effect(axis, effect)
        axis.set(xlim=(-1.5, n - 0.5), ylim=(below, -1.5), ylabel="from")
        axis.set_xlabel(f"to (white 0, darkest {_most(matrix):.2g})")
        axis.tick_params(length=0)
        axis.set_xticks(middles, words, fontsize=8)
        axis.set_yticks(middles, words, fontsize=8)

    def _shown(self) -> list[int]:
        """The poses of which a joint is a token."""
        return sorted({token[0] for token in self._tokens if not isinstance(token, str)})


# --- what is drawn --------------------------------------------------------------------------------------------


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


def _most(matrix: np.ndarray) -> float:
    """The strongest weight between two tokens sets the scale: what a token keeps to itself would hide the rest."""
    return float(np.where(np.eye(len(matrix), dtype=bool), 0.0, matrix).max()) or 1.0


def _draw_lines(axis: Axes, matrix: np.ndarray, lines: list, at: dict[int, np.ndarray], colour: str) -> None:
    """Curves from token to token, width and alpha by their share of the strongest weight between two tokens."""
    most = _most(matrix)
    for i, j in lines:
        share = matrix[i, j] / most
        style = {"connectionstyle": "arc3,rad=0.18", "arrowstyle": "-|>", "mutation_scale": 5 + 4 * share}
        width, alpha = 0.4 + 2.6 * share, 0.35 + 0.6 * share
        axis.add_patch(
            FancyArrowPatch(
                at[i], at[j], color=colour, lw=width, alpha=alpha, shrinkA=2, shrinkB=3, zorder=1.5, **style
            )
        )


def _draw_effect(axis: Axes, effect: np.ndarray) -> float:
    """Bars below the columns: how the probability changes without that token. Returns where they end."""
    n = len(effect)
    high, most = 0.1 * n + 0.5, max(float(np.abs(effect).max()), 1e-9)
    base = n + high
    colours = [LINE_COLOURS["to" if value < 0 else "from"] for value in effect]
    axis.bar(np.arange(n), -high * effect / most, bottom=base, color=colours, width=0.9)
    axis.text(0, base + high, f"probability without it: ±{most:.2g}", fontsize=7, va="top")
    return base + 1.6 * high


def _places(xy: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Where poses stand, four in a row: middles (W, 2) and the (width, height) of the largest pose with its margin."""
    low, high = _boxes(xy, present)
    width, height = np.nanmax(high - low, axis=0)
    width, height = max(1.3 * width, 0.8 * height, 1.0), max(height, 0.4 * width, 1.0)
    index = np.arange(len(xy))
    return np.stack([index % 4 * width, index // 4 * 1.4 * height], 1), (width, height)


def _boxes(xy: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners (W, 2) of each pose; NaN where no joint is there."""
    some = present.any(1)[:, None]
    low = np.where(present[..., None], xy, np.inf).min(1)
    high = np.where(present[..., None], xy, -np.inf).max(1)
    return np.where(some, low, np.nan), np.where(some, high, np.nan)


def _middle(xy: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Middle (W, 2) of each pose, 0 where no joint is there."""
    low, high = _boxes(xy, present)
    return np.nan_to_num((low + high) / 2)


def _border(before: Token, after: Token) -> float:
    """Width of the line between two tokens of the matrix: another pose, another part of the body, or none."""
    if isinstance(before, str) or isinstance(after, str) or before[0] != after[0]:
        return 1.5
    return 0.5 if np.searchsorted(PARTS, before[1], "right") != np.searchsorted(PARTS, after[1], "right") else 0.0


def _scale(values: np.ndarray) -> str:
    """The unit in which numbers of an array are sent, in ten-thousandths; 1 for what is at most 1 and not all small."""
    most = float(values.max(initial=0.0))
    return "1" if 0.05 <= most <= 1 else f"{most or 1:.3g}"


def _rounded(values: np.ndarray) -> np.ndarray:
    """An array ≥ 0 as it is sent, so that the browser and the pictures say the same."""
    unit = float(_scale(values)) / 10_000
    return np.rint(values / unit) * unit


def _packed(values: np.ndarray) -> dict:
    """An array ≥ 0 in few bytes: 16 bits a number, in ten-thousandths of `scale`."""
    scale = _scale(values)
    whole = np.rint(values / float(scale) * 10_000).astype("<u2")
    return {"scale": scale, "shape": list(values.shape), "data": base64.b64encode(whole.tobytes()).decode()}


# --- what is taken in -----------------------------------------------------------------------------------------


def _window(what: str, xy: ArrayLike, present: ArrayLike, size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
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


def _labels(labels: Sequence[str] | None, size: int) -> list[str]:
    out = ["t", *(f"t+{w}" for w in range(1, size))] if labels is None else [str(label) for label in labels]
    if len(out) != size:
        raise WorkbookError(f"attention view: {len(out)} labels do not name {size} poses.")
    return out


def _tokens(tokens: Sequence[Token] | None, size: int) -> list[Token]:
    if tokens is None:
        return [(w, j) for w in range(size) for j in range(N_JOINTS)]
    out: list[Token] = [t if isinstance(t, str) else _joint(t, size, "tokens") for t in tokens]  # type: ignore[misc]
    if not out or len(set(out)) < len(out):
        raise WorkbookError("attention view, tokens: at least one is needed, and none twice.")
    return out


def _array(values: ArrayLike, what: str, *shapes: tuple[int, ...], low: float = 0.0) -> np.ndarray:
    """Finite floats of one of the shapes, none below `low` (but for rounding)."""
    given = np.asarray(values, float)
    if given.shape not in shapes:
        raise WorkbookError(f"attention view, {what}: expected {' or '.join(map(str, shapes))}, got {given.shape}.")
    if not np.isfinite(given).all() or (given < low - 1e-6).any():
        raise WorkbookError(f"attention view, {what}: holds NaN, infinity or a number below {low:g}.")
    return given.clip(low, None)


def _numbers(probability: Any) -> dict[str, float]:
    given = probability if isinstance(probability, Mapping) else {"probability": probability}
    out = {}
    for name, value in given.items():
        if np.ndim(value) or not np.isfinite(float(value)):
            raise WorkbookError(f"attention view: {name} is no finite number.")
        out[str(name)] = float(value)
    return out


def _whole(value: Any, low: int, high: int, what: str) -> int:
    """A whole number low … high − 1."""
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not (number and low <= value < high and value == int(value)):
        raise WorkbookError(f"attention view: {what} {value!r} is not one of {low} … {high - 1}.")
    return int(value)


def _listed(values: Any, size: int, what: str) -> list[list]:
    if not isinstance(values, (list, tuple)) or not all(
        isinstance(v, (list, tuple)) and len(v) == size for v in values
    ):
        raise WorkbookError(f"attention view: {what} is a list of {size} numbers each, got {values!r}.")
    return [list(v) for v in values]


def _joint(value: Any, size: int, what: str) -> tuple[int, int]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise WorkbookError(f"attention view, {what}: expected (pose, joint), got {value!r}.")
    return _whole(value[0], 0, size, f"{what}: pose"), _whole(value[1], 0, N_JOINTS, f"{what}: joint")


def _moved(value: list, size: int) -> list:
    if not all(isinstance(v, (int, float)) and np.isfinite(v) for v in value[2:]):
        raise WorkbookError(f"attention view, moved: {value[2:]} is no place.")
    return [*_joint(value[:2], size, "moved"), *map(float, value[2:])]
