"""A plane of two quantities as a heat map: pick a cell and see what Python shows of it beside.

Notebook 05 picks the box and the keypoint threshold and sees the frame that they leave; a measure over two settings
of any other experiment fits as well.
"""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_hex

from helpers import WorkbookError
from helpers.notebook.widgets.base import Live, address, moment, pixels, side_by_side

#: Pictures that a widget keeps, so that a cell picked again is not drawn again.
KEPT = 200
_COLOURS = plt.get_cmap("viridis")


class PlanePicker(Live):
    """A heat map over (row, column) beside the picture and the numbers of the cell that is picked.

    values: (R, C) numbers, or several by name with their units ("MOTA, %"), of which one is shown; NaN where nothing
    was measured. rows, columns: (name with unit, rising values). show(row value, column value) → (Figure or uint8
    H×W×3 RGB image, {name: number}); its pictures are kept. start: (row value, column value), both of the plane.
    marks: places by name, also between cells ("paper": (0.95, 1.95)). Raises WorkbookError for what does not fit.

    The view: values (which of them), row, column (index of the cell).
    """

    kind = "plane_picker"
    digits = 4

    def __init__(
        self,
        values: np.ndarray | dict[str, np.ndarray],
        rows: tuple[str, np.ndarray],
        columns: tuple[str, np.ndarray],
        show: Callable,
        start: tuple[float, float],
        marks: dict[str, tuple[float, float]] | None = None,
        title: str = "Plane picker",
    ):
        self._rows, self._columns = _axis(rows), _axis(columns)
        shape = len(self._rows[1]), len(self._columns[1])
        named = values if isinstance(values, dict) else {"value": values}
        if not named:
            raise WorkbookError("plane picker: there are no values to show.")
        self._values = {name: _fitting(name, v, shape) for name, v in named.items()}
        self._marks = {
            name: (_place(self._rows, r), _place(self._columns, c)) for name, (r, c) in (marks or {}).items()
        }
        self._show, self._shown = show, {}  # type: ignore[var-annotated]
        scene = {
            "values": self._values,
            "names": list(self._values),
            "rows": [self._rows[0], self._rows[1]],
            "columns": [self._columns[0], self._columns[1]],
            "marks": self._marks,
            "colours": [to_hex(_COLOURS(x)) for x in np.linspace(0, 1, 64)],
        }
        row, column = (_index(axis, x) for axis, x in zip((self._rows, self._columns), start, strict=True))
        super().__init__(title, scene, {"values": 0, "row": row, "column": column})

    def checked(self, view: dict) -> dict:
        size = {"values": len(self._values), "row": len(self._rows[1]), "column": len(self._columns[1])}
        return {name: moment(n, view[name], name) for name, n in size.items()}

    def shown(self, row: int, column: int) -> tuple[np.ndarray, dict]:
        """Picture (uint8 H×W×3 RGB) and numbers of a cell, asked for once."""
        cell = row, column
        if cell not in self._shown:
            if len(self._shown) >= KEPT:
                self._shown.pop(next(iter(self._shown)))
            picture, numbers = self._show(float(self._rows[1][row]), float(self._columns[1][column]))
            self._shown[cell] = pixels(picture), numbers
        return self._shown[cell]

    def answers(self, view: dict) -> dict:
        """{"cell": [row, column], "numbers": {…}, "picture": address} of the cell."""
        cell = view["row"], view["column"]
        picture, numbers = self.shown(*cell)
        return {"cell": cell, "numbers": numbers, "picture": address(picture, "jpeg", 88)}

    def draw(self, view: dict):
        """The picture of the cell, and where it lies on the heat map."""
        picture, numbers = self.shown(view["row"], view["column"])
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.4), width_ratios=(3, 2.4), layout="constrained")
        left.imshow(picture)
        left.axis("off")
        left.set_title(", ".join(f"{name} {value:.4g}" for name, value in numbers.items()), fontsize=9)
        name, values = list(self._values.items())[view["values"]]
        (row_name, row_values), (column_name, column_values) = self._rows, self._columns
        right.patch.set(facecolor="0.9", edgecolor="0.6", hatch="////")  # seen where there is no number
        heat = right.imshow(values, origin="lower", aspect="auto", cmap=_COLOURS)
        figure.colorbar(heat, ax=right, label=name)
        for mark, (r, c) in self._marks.items():
            right.plot(c, r, "*", color="w", mec="k", ms=11)
            right.annotate(
                mark, (c, r), (0, -7), textcoords="offset points", color="w", fontsize=8, ha="center", va="top"
            )
        right.plot(view["column"], view["row"], "s", mfc="none", mec="#d55e00", mew=2.5, ms=12)
        for ticks, labels in ((right.set_xticks, column_values), (right.set_yticks, row_values)):
            some = range(0, len(labels), -(-len(labels) // 10))
            ticks(some, [f"{labels[k]:g}" for k in some])
        at = values[view["row"], view["column"]]
        right.set(xlabel=column_name, ylabel=row_name, title=f"{name}: {at:.4g}" if np.isfinite(at) else f"{name}: –")
        return figure

    def still(self):
        """The start, and the best cell of the first values where that is another."""
        first = next(iter(self._values.values()))
        views = [self.view]
        if np.isfinite(first).any():
            row, column = (int(i) for i in np.unravel_index(np.nanargmax(first), first.shape))
            views += [self.view | {"row": row, "column": column}] * (
                (row, column) != (self.view["row"], self.view["column"])
            )
        return side_by_side(pixels(self.draw(view)) for view in views)


def _axis(axis: tuple[str, np.ndarray]) -> tuple[str, np.ndarray]:
    name, values = axis[0], np.asarray(axis[1], float)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all() or not (np.diff(values) > 0).all():
        raise WorkbookError(f"{name}: the values of an axis are rising numbers, got {values.tolist()}.")
    return name, values


def _fitting(name: str, values, shape: tuple[int, int]) -> np.ndarray:
    values = np.asarray(values, float)
    if values.shape != shape:
        got, wanted = (" × ".join(map(str, s)) for s in (values.shape, shape))
        raise WorkbookError(f"{name}: {got} values do not fit {wanted} cells.")
    return np.where(np.isfinite(values), values, np.nan)


def _place(axis: tuple[str, np.ndarray], value: float) -> float:
    """Where a value lies between the cells, as an index; what is beyond the ends stands at the end."""
    if np.isnan(value):
        raise WorkbookError(f"{axis[0]}: a mark cannot stand at nan.")
    return float(np.interp(value, axis[1], np.arange(len(axis[1]))))


def _index(axis: tuple[str, np.ndarray], value: float) -> int:
    name, values = axis
    nearest = int(np.abs(values - value).argmin())
    if not np.isclose(values[nearest], value):
        raise WorkbookError(f"{name}: start {value} is not one of {values.tolist()}.")
    return nearest
