"""How like each person of a frame is to every pose of the last frames, and which ids greedy matching gives for it.

Notebook 09 compares Simple Baselines' four similarities with it, and shows what the length of the queue and the least
similarity of a link do to the ids.
"""

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import WorkbookError
from helpers.notebook.widgets.base import Live, moment, pixels, poses, side_by_side
from helpers.skeleton import LIMBS, N_JOINTS
from helpers.tracking.flow_similarity import SIMILARITIES
from helpers.tracking.matching import greedy

#: Ids up to this are whole numbers to a browser, too.
MOST_ID = 2**53
#: Rows and columns at most: more cells than these cannot be read.
MOST_ROWS, MOST_COLUMNS = 120, 40
_COLOURS = plt.get_cmap("viridis")
#: The three poses of a cell: as remembered, as carried here, and of the person.
OLD, CARRIED, PRESENT, MARK = "#777777", "#e69f00", "#0072b2", "#d55e00"


class SimilarityMatrix(Live):
    """Similarities of a frame's people (columns) with the remembered poses (rows), and the ids they get.

    similarities: name → (R, N) in [0, 1], kept to four digits; ids (R,) ≥ 0 and back (R,) ≥ 1: the track of each row
    and how many frames ago it was. old_xy, carried_xy (R, 15, 2) pixels: the pose as it was found and as the flow
    carries it here (the same where none is given); xy (N, 15, 2): the people; NaN where a joint is absent. queues: the
    length of the queue that goes with a similarity, by name (`SIMILARITIES` of the tracker, else all rows). link: less
    similar pairs are never linked. new: the next free id. Raises WorkbookError for what does not fit.

    The view: similarity (which), queue (rows of so many frames count), link, row and column (the chosen cell).
    `matrix.answer`: pairs, [row, column, id, similarity] in the order in which they are picked, ids (N,) and fresh,
    the people who get a new one. As in `FlowTracker`: of one id's rows the most similar counts, then greedy matching.
    Notebook 09 (SB §3.3).
    """

    kind = "similarity_matrix"
    digits = 4

    def __init__(
        self,
        similarities: Mapping[str, ArrayLike],
        ids: ArrayLike,
        back: ArrayLike,
        old_xy: ArrayLike,
        carried_xy: ArrayLike | None,
        xy: ArrayLike,
        *,
        queues: Mapping[str, int] | None = None,
        link: float = 0.2,
        new: int | None = None,
        title: str = "Similarity matrix",
    ):
        self._xy = _poses(xy, "xy")
        self._old = _poses(old_xy, "old_xy")
        self._carried = self._old if carried_xy is None else _poses(carried_xy, "carried_xy")
        rows, columns = len(self._old), len(self._xy)
        if rows > MOST_ROWS or columns > MOST_COLUMNS or len(self._carried) != rows:
            raise WorkbookError(
                f"similarity matrix: {rows} and {len(self._carried)} poses, {columns} people are given."
            )
        self._ids, self._back = _whole(ids, "ids", rows, 0), _whole(back, "back", rows, 1)
        if not isinstance(similarities, Mapping) or not similarities:
            raise WorkbookError("similarity matrix: there is no similarity to show.")
        self._alike = {str(name): _alike(name, values, (rows, columns)) for name, values in similarities.items()}
        self._names, self._most = list(self._alike), int(self._back.max(initial=1))
        known = dict(SIMILARITIES) if queues is None else _queues(queues)
        reach = [min(max(1, known.get(name, self._most)), self._most) for name in self._names]
        self._new = int(self._ids.max(initial=-1)) + 1 if new is None else _one_new(new, self._ids)
        self._order = np.lexsort((np.arange(rows), self._ids, self._back))
        scene = {
            "names": self._names,
            "alike": list(self._alike.values()),
            "ids": self._ids,
            "back": self._back,
            "order": self._order,
            "most": self._most,
            "reach": reach,
            "new": self._new,
            "old": _short(self._old),
            "carried": None if carried_xy is None else _short(self._carried),
            "xy": _short(self._xy),
            "colours": [to_hex(_COLOURS(x)) for x in np.linspace(0, 1, 64)],
            "poses": {"old": OLD, "carried": CARRIED, "present": PRESENT, "mark": MARK},
        }
        super().__init__(title, scene, self._at_first({"similarity": 0, "queue": reach[0], "link": _share(link)}))

    def _at_first(self, view: dict) -> dict:
        """The view at the pair that is picked first, else at the first cell."""
        pairs = self.answers(view)["pairs"]
        row, column = pairs[0][:2] if pairs else (self._order[0] if len(self._order) else 0, 0)
        return view | {"row": int(row), "column": int(column)}

    def checked(self, view: dict) -> dict:
        queue = view["queue"]
        if moment(self._most + 1, queue, "queue") < 1:
            raise WorkbookError(f"queue {queue}: at least 1 frame is needed.")
        return {
            "similarity": moment(len(self._names), view["similarity"], "similarity"),
            "queue": int(queue),
            "link": _share(view["link"]),
            "row": moment(max(1, len(self._old)), view["row"], "row"),
            "column": moment(max(1, len(self._xy)), view["column"], "column"),
        }

    def answers(self, view: dict) -> dict:
        alike = self._alike[self._names[view["similarity"]]]
        rows = np.flatnonzero(self._back <= view["queue"])
        tracks = np.unique(self._ids[rows])
        best = np.array([rows[self._ids[rows] == t][alike[rows[self._ids[rows] == t]].argmax(0)] for t in tracks], int)
        best = best.reshape(len(tracks), alike.shape[1])
        each = np.take_along_axis(alike, best, 0) if best.size else np.zeros(best.shape)
        found = zip(*greedy(np.where(each > 0, 1 - each, np.inf), 1 - view["link"]), strict=True) if each.size else ()
        pairs = sorted(((t, c) for t, c in found), key=lambda pair: (1 - each[pair], *pair))
        ids = np.full(alike.shape[1], -1)
        for t, c in pairs:
            ids[c] = tracks[t]
        fresh = np.flatnonzero(ids < 0)
        ids[fresh] = self._new + np.arange(len(fresh))
        return {
            "of": [view["similarity"], view["queue"], view["link"]],
            "pairs": [[best[t, c], c, tracks[t], each[t, c]] for t, c in pairs],
            "ids": ids,
            "fresh": fresh,
        }

    # pictures

    def draw(self, view: dict) -> Figure:
        """The rows of the queue as coloured cells with the picked ones in order, and the poses of the chosen cell."""
        view = self.checked(view)
        answer, name = self.answers(view), self._names[view["similarity"]]
        rows = [r for r in self._order if self._back[r] <= view["queue"]]
        high = min(6.0, max(2.2, 0.7 + 0.2 * len(rows)))
        wide = min(3.7, max(1.8, 0.9 + 0.32 * len(self._xy)))
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(wide + 1.2, high), width_ratios=(wide, 1.2), layout="constrained"
        )
        self._draw_matrix(left, view, rows, answer)
        left.set_title(f"{name}\nqueue {view['queue']}, link ≥ {view['link']:g}", fontsize=8)
        if view["row"] < len(self._old) and view["column"] < len(self._xy):
            for xy, colour in zip(self._three(view), (OLD, CARRIED, PRESENT), strict=True):
                _figure(right, xy, colour)
            value = self._alike[name][view["row"], view["column"]]
            right.set_title(f"{self._said(view['row'])}\nperson {view['column']}: {value:.2f}", fontsize=8)
        right.set_aspect("equal", "datalim")
        right.invert_yaxis()
        right.axis("off")
        return figure

    def _draw_matrix(self, axis: Axes, view: dict, rows: list, answer: dict) -> None:
        alike = self._alike[self._names[view["similarity"]]]
        if not rows or not alike.shape[1]:
            axis.text(0.5, 0.5, "nobody to compare", ha="center")
            axis.axis("off")
            return
        axis.imshow(alike[rows], cmap=_COLOURS, vmin=0, vmax=1, aspect="auto")
        if len(rows) * alike.shape[1] <= 160:
            for i, r in enumerate(rows):
                for c, value in enumerate(alike[r]):
                    axis.text(c, i, f"{value:.2f}", ha="center", va="center", fontsize=6, color="wk"[int(value > 0.6)])
        for k, (r, c, _, _) in enumerate(answer["pairs"], 1):
            axis.add_patch(plt.Rectangle((c - 0.5, rows.index(r) - 0.5), 1, 1, fill=False, ec=MARK, lw=2, zorder=3))
            axis.text(c + 0.47, rows.index(r) - 0.1, str(k), color=MARK, fontsize=7, ha="right", weight="bold")
        if view["row"] in rows:
            axis.plot(view["column"] - 0.36, rows.index(view["row"]), "o", color="w", mec="k", ms=4)
        fresh = set(answer["fresh"].tolist())
        names = [f"{c}\n{'new ' if c in fresh else 'id '}{one}" for c, one in enumerate(answer["ids"])]
        axis.set_xticks(range(len(names)), names, fontsize=7)
        axis.set_yticks(range(len(rows)), [self._said(r) for r in rows], fontsize=6 if len(rows) > 14 else 7)

    def _said(self, row: int) -> str:
        return f"k − {self._back[row]}, id {self._ids[row]}"

    def _three(self, view: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._old[view["row"]], self._carried[view["row"]], self._xy[view["column"]]

    def still(self) -> np.ndarray:
        """Every similarity with the queue that goes with it, four at most."""
        reach: list[int] = self.scene["reach"]
        views: list[dict[str, Any]] = [{"similarity": k, "queue": reach[k]} for k in range(min(4, len(self._names)))]
        return side_by_side(pixels(self.draw(self._at_first(self.view | view))) for view in views)


def _figure(axis: Axes, xy: np.ndarray, colour: str) -> None:
    known = np.isfinite(xy).all(-1)
    for a, b in LIMBS:
        if known[a] and known[b]:
            axis.plot(*xy[[a, b]].T, color=colour, lw=1.8)
    axis.plot(*xy[known].T, ".", color=colour, ms=5)


def _short(xy: np.ndarray) -> list[list]:
    return poses(xy, np.isfinite(xy).all(-1))


# what may be given


def _poses(xy, what: str) -> np.ndarray:
    try:
        out = np.array(xy, float)
    except (TypeError, ValueError) as error:
        raise WorkbookError(f"{what}: does not hold numbers of one shape.") from error
    if out.ndim != 3 or out.shape[1:] != (N_JOINTS, 2):
        raise WorkbookError(f"{what}: {out.shape} is not (N, {N_JOINTS}, 2) pixels.")
    return np.where(np.isfinite(out).all(-1, keepdims=True), out, np.nan)


def _whole(values, what: str, rows: int, least: int) -> np.ndarray:
    out = np.asarray(values)
    whole = out.shape == (rows,) and (not out.size or out.dtype.kind in "iu")
    if not whole or (out < least).any():
        raise WorkbookError(f"{what}: {rows} whole numbers ≥ {least} are needed, got {out.tolist()}.")
    if (out > MOST_ID).any():
        raise WorkbookError(f"{what}: {out.max()} is larger than {MOST_ID}.")
    return out.astype(int)


def _queues(queues) -> dict[str, int]:
    if not isinstance(queues, Mapping) or not all(isinstance(n, Integral) for n in queues.values()):
        raise WorkbookError(f"queues {queues}: are not name → whole number of frames.")
    return dict(queues)


def _alike(name, values, shape: tuple[int, int]) -> np.ndarray:
    try:
        out = np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise WorkbookError(f"{name}: does not hold numbers of one shape.") from error
    if out.shape != shape or not ((out >= 0) & (out <= 1)).all():
        raise WorkbookError(f"{name}: {out.shape} similarities are not {shape[0]} × {shape[1]} numbers in [0, 1].")
    return out.round(4)


def _one_new(new, ids: np.ndarray) -> int:
    if type(new) is not int or new < 0 or new <= ids.max(initial=-1):
        raise WorkbookError(f"new {new}: is no free id.")
    return new


def _share(value) -> float:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        raise WorkbookError(f"link {value}: is not between 0 and 1.")
    return round(float(value), 4)
