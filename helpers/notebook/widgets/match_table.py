"""A cost matrix beside the two frames that it is about: pairs are hovered, forced and forbidden, algorithms played.

Greedy and Hungarian matching (`helpers.tracking.matching`) answer side by side. Notebook 06 builds them by hand and
plays the Hungarian algorithm with its prices; notebook 07 puts several costs on the same two frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import ConnectionPatch, Rectangle

from helpers import WorkbookError
from helpers.notebook import plots
from helpers.notebook.widgets.base import Live, address, moment, pixels, poses, side_by_side
from helpers.people import People, extent_boxes
from helpers.tracking.matching import filled, greedy, hungarian, hungarian_steps

#: Colours of both matchings, of the truth and of what is just being looked at; each has a shape of its own as well.
HUNGARIAN, GREEDY, TRUTH, CHAIN = "#0072b2", "#e69f00", "#009e73", "#d55e00"
#: With more people than this the cells have no numbers, and no steps are kept.
READABLE = 20
MODES = ("answers", "greedy", "hungarian")
_NOTHING: dict = {"forced": [], "forbidden": [], "limit": None}


@dataclass(frozen=True)
class FramePair:
    """Two frames whose people are to be matched: N people before, M after, and two uint8 H×W×3 RGB images or None.

    People of the same `track` ≥ 0 are known to be the same; where the truth is not known, tracks are −1.
    names: of the two frames.
    """

    before: People
    after: People
    images: tuple[np.ndarray, np.ndarray] | None = None
    names: tuple[str, str] = ("before", "after")


class MatchTable(Live):
    """Two frames with their people numbered, and what each pair costs; greedy and Hungarian matching answer.

    pairs: one FramePair, or several by name, of which a function without arguments is asked only when it is chosen
    (and needs a kernel). costs: a function (People, People) → (N, M), an array, or several by name, with their units
    in the name. NaN and infinite costs are never matched. start: the pair (row, column) that is joined at first.
    Raises WorkbookError for costs or images that do not fit, and without pairs or costs.

    The view: pair, cost (which of them), mode ("answers", "greedy", "hungarian" play), step, row, column (the pair
    under the cursor), limit (no dearer pair is matched; None = none), forced and forbidden (lists of [row, column]).
    The reader's cursor and steps stay in the browser, as no number of Python's depends on them.
    """

    kind = "match_table"
    digits = 4

    def __init__(
        self,
        pairs: FramePair | dict[str, FramePair | Callable[[], FramePair]],
        costs: Callable | np.ndarray | dict[str, Callable | np.ndarray],
        start: tuple[int, int] = (0, 0),
        strip: Sequence[dict] | None = None,
        title: str = "Match table",
    ):
        self._pairs = pairs if isinstance(pairs, dict) else {"": pairs}
        self._costs = costs if isinstance(costs, dict) else {"cost": costs}
        if not self._pairs or not self._costs:
            raise WorkbookError("match table: without a pair of frames and a cost there is nothing to match.")
        self._known: dict[int, _Matter] = {}
        self._strip = strip
        kept = [self._matter(i).scene() if isinstance(p, FramePair) else {} for i, p in enumerate(self._pairs.values())]
        scene = {
            "pairs": [{"name": name} | one for name, one in zip(self._pairs, kept, strict=True)],
            "costs": list(self._costs),
            "colours": {"hungarian": HUNGARIAN, "greedy": GREEDY, "truth": TRUTH, "chain": CHAIN},
            "readable": READABLE,
        }
        view = {"pair": 0, "cost": 0, "mode": "answers", "step": 0, "row": start[0], "column": start[1]} | _NOTHING
        self._matter(0).cell(*start)
        super().__init__(title, scene, view)

    def _matter(self, i: int) -> "_Matter":
        """A pair of frames with its costs, asked for once."""
        if i not in self._known:
            pair = list(self._pairs.values())[i]
            self._known[i] = _Matter(pair if isinstance(pair, FramePair) else pair(), self._costs)
        return self._known[i]

    def checked(self, view: dict) -> dict:
        pair, cost = moment(len(self._pairs), view["pair"], "pair"), moment(len(self._costs), view["cost"], "cost")
        if view["mode"] not in MODES:
            raise WorkbookError(f"mode {view['mode']!r}: is not one of {', '.join(MODES)}.")
        matter = self._matter(pair)
        row, column = matter.cell(view["row"], view["column"])
        limit = _limit(view["limit"])
        forced, forbidden = (matter.cells(view[name], name) for name in ("forced", "forbidden"))
        both = [cell for cell in forced if cell in forbidden]
        if both:
            raise WorkbookError(f"pair {both[0]}: is forced and forbidden at once.")
        of = {"pair": pair, "cost": cost, "row": row, "column": column}
        view = view | of | {"forced": forced, "forbidden": forbidden, "limit": limit}
        last = matter.last_step(view)
        return view | {"step": moment(last + 1, view["step"], "step")}

    def move(self, **changes) -> dict:
        """As every widget's; another pair of frames begins at its first step, with nothing forced or forbidden."""
        fresh: dict = {}
        if changes.get("pair", self.view["pair"]) != self.view["pair"]:
            n, m = self._matter(moment(len(self._pairs), changes["pair"], "pair")).shape
            row, column = min(self.view["row"], max(n - 1, 0)), min(self.view["column"], max(m - 1, 0))
            fresh = _NOTHING | {"step": 0, "row": row, "column": column}
        return super().move(**(fresh | changes))

    def answers(self, view: dict) -> dict:
        """{"greedy", "Hungarian": {"pairs", "total", "right"}, "of": known pairs, "conflict", …} of a view."""
        matter = self._matter(view["pair"])
        about = [view[name] for name in ("pair", "cost", "limit", "forced", "forbidden")]
        given = {} if isinstance(list(self._pairs.values())[view["pair"]], FramePair) else {"pair": matter.scene()}
        return {"about": about} | matter.solved(view) | given

    def draw(self, view: dict):
        """The numbered people of both frames, the pair under the cursor joined, beside the matrix with its answers."""
        return _picture(self._matter(view["pair"]), view, list(self._costs))

    def still(self):
        """The view and the Hungarian algorithm half way, or as `strip` has it: [{"cost": 1}, …]."""
        last = self._matter(self.view["pair"]).last_step(self.view | {"mode": "hungarian"})
        strip = [{}, {"mode": "hungarian", "step": (last + 1) // 2}] if self._strip is None else self._strip
        return side_by_side(pixels(self.draw(self.view | changes)) for changes in strip[: 1 if last == 0 else None])


class _Matter:
    """What is known of one pair of frames: people, costs, truth."""

    def __init__(self, pair: FramePair, costs: dict[str, Callable | np.ndarray]):
        self.pair, self.shape = pair, (len(pair.before), len(pair.after))
        self.costs = [self._fitting(name, cost) for name, cost in costs.items()]
        track = pair.before.track
        self.truth = np.argwhere((track[:, None] == pair.after.track) & (track[:, None] >= 0))
        self.boxes = [_boxes(p) for p in (pair.before, pair.after)]
        self.size = self._size()

    def _fitting(self, name: str, cost) -> np.ndarray:
        matrix = np.asarray(cost(self.pair.before, self.pair.after) if callable(cost) else cost, float)
        if matrix.shape != self.shape:
            got, wanted = (" × ".join(map(str, shape)) for shape in (matrix.shape, self.shape))
            raise WorkbookError(f"cost {name!r}: {got} numbers do not fit {wanted} people.")
        return matrix

    def _size(self) -> tuple[int, int]:
        """(width, height) px of the images; without them of what holds all boxes."""
        if self.pair.images is None:
            corners = np.concatenate([b[np.isfinite(b).all(1), 2:] for b in self.boxes])
            width, height = np.ceil(corners.max(0, initial=40) * 1.05).astype(int).tolist()
            return width, height
        first, second = (np.shape(image) for image in self.pair.images)
        if first != second or len(first) != 3:
            raise WorkbookError(f"images: {first} and {second} are not two RGB pictures of one size.")
        return first[1], first[0]

    def cell(self, row, column) -> tuple[int, int]:
        """A row and a column that are there, or 0 where there is nobody."""
        n, m = (max(size, 1) for size in self.shape)
        return moment(n, row, "row"), moment(m, column, "column")

    def cells(self, pairs, what: str) -> list[list[int]]:
        if not isinstance(pairs, (list, tuple)) or not all(isinstance(p, (list, tuple)) and len(p) == 2 for p in pairs):
            raise WorkbookError(f"{what}: {pairs!r} is not a list of pairs [row, column].")
        if len(pairs) and not all(self.shape):
            raise WorkbookError(f"{what}: there is nobody to pair.")
        return [list(self.cell(*p)) for p in pairs]

    def constrained(self, view: dict) -> np.ndarray:
        """The cost with inf for what may not be matched: above the limit, forbidden, or beside a forced pair."""
        cost = self.costs[view["cost"]]
        cost = np.where(
            np.isfinite(cost) & (cost <= (np.inf if view["limit"] is None else view["limit"])), cost, np.inf
        )
        for i, j in view["forbidden"]:
            cost[i, j] = np.inf
        for i, j in view["forced"]:
            cost[i], cost[:, j] = np.inf, np.inf
            cost[i, j] = self.costs[view["cost"]][i, j]
        return cost

    def conflict(self, view: dict) -> str:
        """One sentence where the forced pairs cannot stand together, else ""."""
        for k, (i, j) in enumerate(view["forced"]):
            if not np.isfinite(self.costs[view["cost"]][i, j]):
                return f"Row {i} and column {j} have no cost, so they cannot be forced."
            for a, b in view["forced"][:k]:
                if a == i:
                    return f"Row {i} is forced to column {b} and to column {j}: it can have only one."
                if b == j:
                    return f"Column {j} is forced to row {a} and to row {i}: it can have only one."
        return ""

    def solved(self, view: dict) -> dict:
        """Both matchings, their totals and how many known pairs they have; the steps; or a conflict."""
        conflict = self.conflict(view)
        nobody = np.zeros(0, int), np.zeros(0, int)
        cost = self.constrained(view)
        both = {"greedy": greedy, "Hungarian": hungarian}
        out: dict = {name: self._said(view, nobody if conflict else match(cost)) for name, match in both.items()}
        steps = [] if conflict or max(self.shape) > READABLE else hungarian_steps(cost)
        full = filled(cost)[0] if steps and not np.isfinite(cost).all() else []
        told = {"of": len(self.truth), "conflict": conflict, "steps": [s._asdict() for s in steps], "full": full}
        return out | told

    def _said(self, view: dict, matching: tuple[np.ndarray, np.ndarray]) -> dict:
        rows, columns = matching
        cost = self.costs[view["cost"]][rows, columns]
        order = np.argsort(cost, kind="stable")  # as greedy picks them
        known = {tuple(p) for p in self.truth.tolist()}
        pairs = np.stack([rows, columns], 1)[order].tolist()
        return {"pairs": pairs, "total": float(cost.sum()), "right": sum(tuple(p) in known for p in pairs)}

    def last_step(self, view: dict) -> int:
        """Number of steps that a mode has."""
        if view["mode"] == "answers" or self.conflict(view):
            return 0
        if view["mode"] == "greedy":
            return len(greedy(self.constrained(view))[0])
        return len(hungarian_steps(self.constrained(view))) if max(self.shape) <= READABLE else 0

    def scene(self) -> dict:
        """What the browser draws without asking: people, images, costs and their plain answers."""
        images = self.pair.images
        plain = [self.solved(_NOTHING | {"cost": c}) for c in range(len(self.costs))]
        sides = zip((self.pair.before, self.pair.after), self.boxes, strict=True)
        return {
            "names": list(self.pair.names),
            "size": list(self.size),
            "people": [{"poses": poses(p.xy, p.present), "boxes": np.round(boxes)} for p, boxes in sides],
            "images": None if images is None else [address(image) for image in images],
            "costs": self.costs,
            "truth": self.truth,
            "solved": plain,
        }


def _boxes(p: People) -> np.ndarray:
    """(N, 4) px, NaN where a person has neither a box nor joints."""
    return np.where(np.isfinite(p.box), p.box, extent_boxes(p.xy, p.present, 0.1))


def _limit(value) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise WorkbookError(f"limit: {value!r} is neither a number nor None.")
    return float(value)


# --- the static picture ---------------------------------------------------------------------------------------


def _picture(matter: _Matter, view: dict, names: list[str]):
    """Figure: both frames left, the matrix right; in the modes that play, what stands after `step` steps."""
    stand = _standing(matter, view)
    figure = plt.figure(figsize=(9.6, 4.4), layout="none")
    frames = [figure.add_axes((0.01, bottom, 0.4, 0.42)) for bottom in (0.52, 0.02)]
    ids = np.arange(matter.shape[0]), _owners(stand["pairs"], matter.shape[1])
    for axis, people, which, name, k in zip(
        frames, (matter.pair.before, matter.pair.after), ids, matter.pair.names, (0, 1), strict=True
    ):
        image = plots.canvas(matter.size) if matter.pair.images is None else matter.pair.images[k]
        width, height = matter.size
        scale = int(np.clip(960 // width, 1, 3))
        axis.imshow(plots.draw_people(image, people.replace(track=which), scale), extent=(0, width, height, 0))
        for i, (x1, y1, x2, _) in enumerate(matter.boxes[k]):
            if np.isfinite(x1):
                axis.text((x1 + x2) / 2, y1, str(i), ha="center", va="bottom", fontsize=9, color="w", weight="bold",
                          bbox={"facecolor": "0.1", "alpha": 0.8, "pad": 1, "lw": 0}, clip_on=True)  # fmt: skip
        axis.set(title=name, xticks=[], yticks=[])
    axis = figure.add_axes((0.49, 0.06, 0.5, 0.72))
    _matrix(axis, matter, view, stand)
    axis.set(xlabel=f"{matter.pair.names[1]}: person", ylabel=f"{matter.pair.names[0]}: person")
    axis.xaxis.set_label_position("top")
    figure.text(0.49, 0.975, _headline(matter, view, stand, names[view["cost"]]), va="top", fontsize=9)
    _join(figure, frames, matter, view)
    return figure


def _standing(matter: _Matter, view: dict) -> dict:
    """What a mode shows after its step: {"pairs" (K, 2), "cost" (N, M), "u", "v", "step", "solved"}."""
    solved = matter.solved(view)
    pairs, cost = np.array(solved["Hungarian"]["pairs"], int).reshape(-1, 2), matter.costs[view["cost"]]
    out = {"pairs": pairs, "cost": cost, "u": None, "v": None, "step": None, "solved": solved}
    if view["mode"] == "greedy":
        out["pairs"] = np.array(solved["greedy"]["pairs"], int).reshape(-1, 2)[: view["step"]]
    if view["mode"] == "hungarian" and solved["steps"]:
        first = {"u": np.zeros(len(cost)), "v": np.zeros(cost.shape[1]), "partner": np.full(len(cost), -1)}
        step = solved["steps"][view["step"] - 1] if view["step"] else first
        rows = np.flatnonzero(step["partner"] >= 0)
        full = solved["full"] if len(solved["full"]) else cost
        out |= {"pairs": np.stack([rows, step["partner"][rows]], 1), "step": step, "u": step["u"], "v": step["v"]}
        out["cost"] = full - step["u"][:, None] - step["v"]
    return out


def _owners(pairs: np.ndarray, m: int) -> np.ndarray:
    """The row that each of m columns belongs to, −1 = none."""
    owner = np.full(m, -1)
    owner[pairs[:, 1]] = pairs[:, 0]
    return owner


def _matrix(axis: Axes, matter: _Matter, view: dict, stand: dict) -> None:
    n, m = matter.shape
    if not n or not m:
        axis.text(0.5, 0.5, "nobody to match", ha="center", transform=axis.transAxes)
        axis.set(xticks=[], yticks=[])
        return
    cost = stand["cost"]
    axis.imshow(np.where(np.isfinite(cost), cost, np.nan), cmap="Greys_r", alpha=0.5, aspect="auto")
    for (i, j), value in np.ndenumerate(cost) if max(n, m) <= READABLE else ():
        axis.text(j, i, number(value), ha="center", va="center", fontsize=8)
    for shown, side, colour in _marks(matter, view, stand):
        for i, j in shown:
            axis.add_patch(Rectangle((j - side / 2, i - side / 2), side, side, fill=False, ec=colour, lw=2))
    for i, j in view["forbidden"]:
        axis.plot([j - 0.4, j + 0.4], [i - 0.4, i + 0.4], color="k", lw=1.5)
    for i, j in view["forced"]:
        axis.plot(j - 0.38, i, "s", color="k", ms=6)
    axis.xaxis.tick_top()
    if max(n, m) <= READABLE:
        u = [""] * n if stand["u"] is None else [f"  u {number(x)}" for x in stand["u"]]
        v = [""] * m if stand["v"] is None else [f"\nv {number(x)}" for x in stand["v"]]
        axis.set_yticks(range(n), [f"{i}{price}" for i, price in enumerate(u)])
        axis.set_xticks(range(m), [f"{j}{price}" for j, price in enumerate(v)])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _marks(matter: _Matter, view: dict, stand: dict):
    """(pairs, side of the frame, colour) of what is framed; the truth inside, so that nothing hides another."""
    yield matter.truth, 0.6, TRUTH
    if view["mode"] != "greedy":
        yield stand["pairs"], 0.94, HUNGARIAN
    if view["mode"] == "greedy":
        yield stand["pairs"], 0.78, GREEDY
    elif view["mode"] == "answers":
        yield np.array(stand["solved"]["greedy"]["pairs"], int).reshape(-1, 2), 0.78, GREEDY
    if view["mode"] == "hungarian" and stand["step"] and "chain" in stand["step"]:
        yield stand["step"]["chain"], 0.86, CHAIN


def _headline(matter: _Matter, view: dict, stand: dict, name: str) -> str:
    """Totals in words; in the modes that play, of the step."""
    solved = stand["solved"]
    if solved["conflict"]:
        return solved["conflict"]
    if view["mode"] == "hungarian" and stand["u"] is not None:
        total = (stand["cost"] + stand["u"][:, None] + stand["v"])[tuple(stand["pairs"].T)].sum()
        prices = stand["u"].sum() + stand["v"].sum()
        return (
            f"{name}, reduced by the prices. Step {view['step']} of {len(solved['steps'])}, matched (blue): "
            f"{number(total)}\nsum of the prices: {number(prices)}"
        )
    right = f", right {{right}} of {solved['of']}" if solved["of"] else ""
    words = {"greedy": "orange", "Hungarian": "blue"}
    lines = [
        f"{which} ({colour}): total {number(solved[which]['total'])}{right.format(**solved[which])}"
        for which, colour in words.items()
    ]
    if view["mode"] == "greedy":
        return f"{name}. Greedy, {view['step']} picks of {len(solved['greedy']['pairs'])}\n{lines[0]}"
    return f"{name}{', truth green' if solved['of'] else ''}\n" + "\n".join(lines)


def _join(figure, frames: list[Axes], matter: _Matter, view: dict) -> None:
    """A line between the two people under the cursor."""
    n, m = matter.shape
    if view["row"] >= n or view["column"] >= m:
        return
    ends = [matter.boxes[k][i] for k, i in ((0, view["row"]), (1, view["column"]))]
    if np.isfinite(ends).all():
        a, b = (((x1 + x2) / 2, (y1 + y2) / 2) for x1, y1, x2, y2 in ends)
        line = ConnectionPatch(a, b, "data", "data", axesA=frames[0], axesB=frames[1], color=CHAIN, lw=2)
        figure.add_artist(line)


def number(value: float) -> str:
    """Three figures at most, "–" for what is no number; without a minus before zero."""
    if not np.isfinite(value):
        return "–"
    return (
        f"{value + 0:.0f}" if abs(value) >= 100 else f"{round(value, 2) + 0:.2f}" if abs(value) < 10 else f"{value:.1f}"
    )
