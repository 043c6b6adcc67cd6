"""The static pictures of the attention view: poses with lines from token to token, and the matrix."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from helpers.notebook.plots import joint_colour, stick_figure
from helpers.skeleton import JOINTS

#: Lines of a row ("from": what a token attends to) and of a column ("to": who attends to it).
LINE_COLOURS = {"from": "#0072b2", "to": "#d55e00"}
#: First joints of arms and head in the order of joints; legs come first.
PARTS = (6, 12)

Token = str | tuple[int, int]


@dataclass(frozen=True)
class Shown:
    """What one view shows, of T tokens.

    Tokens with their names, the poses' labels, known (T,): which tokens are there, matrix (T, T), lines (from, to)
    strongest first, the token that is picked (−1 = none) in its direction, effect (T,) or None.
    """

    tokens: list[Token]
    names: list[str]
    labels: list[str]
    known: np.ndarray
    matrix: np.ndarray
    lines: list[tuple[int, int]]
    token: int
    direction: str
    effect: np.ndarray | None


def draw_poses(axis: Axes, shown: Shown, given: tuple, xy: np.ndarray, present: np.ndarray) -> None:
    """Poses xy (W, 15, 2), present (W, 15) side by side where they were given, lines between their tokens."""
    middles, (width, height) = _places(*given)
    xy = xy + (middles - _middle(*given))[:, None]
    for w, middle in enumerate(middles):
        stick_figure(axis, xy[w], present[w])
        axis.text(*(middle + (0, 0.62 * height)), shown.labels[w], ha="center", va="center", fontsize=8)
    low, high = middles.min(0), middles.max(0)
    special = [i for i, token in enumerate(shown.tokens) if isinstance(token, str)]
    across = np.linspace(low[0], high[0], len(special) + 2)[1:-1]
    at = {i: np.array([x, low[1] - 0.66 * height]) for i, x in zip(special, across, strict=True)}
    for i, place in at.items():
        axis.text(*place, shown.names[i], ha="center", va="center", fontsize=8, bbox={"fc": ".9", "ec": ".6"})
    at |= {i: xy[t] for i, t in enumerate(shown.tokens) if not isinstance(t, str) and present[t]}
    _draw_lines(axis, shown, at)
    if shown.token in at:
        axis.plot(*at[shown.token], "o", ms=13, mfc="none", mec=LINE_COLOURS[shown.direction], mew=2)
    axis.set(xlim=(low[0] - 0.5 * width, high[0] + 0.5 * width), aspect="equal")
    axis.set_ylim(high[1] + 0.68 * height, low[1] - (0.76 if special else 0.58) * height)
    axis.axis("off")


def _draw_lines(axis: Axes, shown: Shown, at: dict[int, np.ndarray]) -> None:
    """Curves from token to token, width and alpha by their share of the strongest weight between two tokens."""
    most, colour = strongest_weight(shown.matrix), LINE_COLOURS[shown.direction]
    for i, j in shown.lines:
        share = shown.matrix[i, j] / most
        style = {"connectionstyle": "arc3,rad=0.18", "arrowstyle": "-|>", "mutation_scale": 5 + 4 * share}
        width, alpha = 0.4 + 2.6 * share, 0.35 + 0.6 * share
        axis.add_patch(
            FancyArrowPatch(
                at[i], at[j], color=colour, lw=width, alpha=alpha, shrinkA=2, shrinkB=3, zorder=1.5, **style
            )
        )


def draw_matrix(axis: Axes, shown: Shown) -> None:
    """The matrix: absent tokens grey, lines between poses and parts of the body, the effect in bars below."""
    n, most = len(shown.matrix), strongest_weight(shown.matrix)
    axis.imshow(shown.matrix, cmap="Blues", vmin=0, vmax=most)
    for i in np.flatnonzero(~shown.known):
        axis.axhspan(i - 0.5, i + 0.5, color=".6", alpha=0.4, lw=0)
        axis.axvspan(i - 0.5, i + 0.5, color=".6", alpha=0.4, lw=0)
    for i in range(1, n):
        wide = _border(shown.tokens[i - 1], shown.tokens[i])
        if wide:
            axis.axhline(i - 0.5, color=".3", lw=wide)
            axis.axvline(i - 0.5, color=".3", lw=wide)
    colours = [".6" if isinstance(token, str) else joint_colour(JOINTS[token[1]]) for token in shown.tokens]
    axis.scatter(np.full(n, -1.1), np.arange(n), 6, colours, "s", clip_on=False)
    axis.scatter(np.arange(n), np.full(n, -1.1), 6, colours, "s", clip_on=False)
    if shown.token >= 0:
        span = axis.axhspan if shown.direction == "from" else axis.axvspan
        span(shown.token - 0.5, shown.token + 0.5, fill=False, ec=LINE_COLOURS[shown.direction], lw=2)
    below = n - 0.5 if shown.effect is None else _draw_effect(axis, shown.effect)
    axis.set(xlim=(-1.5, n - 0.5), ylim=(below, -1.5), ylabel="from", xlabel=f"to (white 0, darkest {most:.2g})")
    _name_poses(axis, shown)


def _name_poses(axis: Axes, shown: Shown) -> None:
    """The poses' labels at the middle of their tokens."""
    rows: dict[str, list[int]] = {}
    for i, token in enumerate(shown.tokens):
        if not isinstance(token, str):
            rows.setdefault(shown.labels[token[0]], []).append(i)
    axis.tick_params(length=0)
    for ticks in (axis.set_xticks, axis.set_yticks):
        ticks([float(np.mean(i)) for i in rows.values()], list(rows), fontsize=8)


def strongest_weight(matrix: np.ndarray) -> float:
    """The strongest weight between two tokens sets the scale: what a token keeps to itself would hide the rest."""
    return float(np.where(np.eye(len(matrix), dtype=bool), 0.0, matrix).max()) or 1.0


def _draw_effect(axis: Axes, effect: np.ndarray) -> float:
    """Bars below the columns: how the probability changes without that token. Returns where they end."""
    n, effect = len(effect), np.nan_to_num(effect)  # no bar where it is not defined
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
