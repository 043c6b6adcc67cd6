"""The plane picker, driven from Python: cells and numbers, kept pictures, NaN cells, wrong input in sentences."""

import re

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import WorkbookError
from helpers.notebook.widgets import PlanePicker
from helpers.notebook.widgets.base import address

matplotlib.use("Agg")
ROWS, COLUMNS = ("box score", np.array([0.0, 0.5, 0.9])), ("logit", np.array([-2.0, 0, 2, 4]))
VALUES = np.arange(12.0).reshape(3, 4)


def flat(row, column):
    return np.full((8, 12, 3), int(100 * row + 10 * column + 60), np.uint8), {"row": row, "column": column}


def picker(values=VALUES, rows=ROWS, columns=COLUMNS, show=flat, start=(0.5, 0), **more):
    return PlanePicker(values, rows, columns, show, start, **more)


def test_a_cell_gives_its_picture_and_its_numbers():
    w = picker()
    assert w.view == {"values": 0, "row": 1, "column": 1}
    assert w.answer["numbers"] == {"row": 0.5, "column": 0} and w.answer["cell"] == [1, 1]
    answer = w.move(row=2, column=3)
    assert answer["numbers"] == {"row": 0.9, "column": 4}
    assert answer["picture"] == address(flat(0.9, 4)[0], "jpeg", 88)


def test_a_cell_is_asked_for_once(monkeypatch):
    seen = []
    w = picker(show=lambda r, c: seen.append((r, c)) or flat(r, c))
    w.check(row=2, column=3)
    assert seen == [(0.5, 0), (0.9, 0), (0.5, 4)]
    monkeypatch.setattr("helpers.notebook.widgets.plane_picker.KEPT", 3)
    w.move(row=0, column=0)
    w.move(row=0, column=1)
    assert len(w._shown) == 3 and len(seen) == 5


def test_several_values_move_the_map_and_a_figure_is_a_picture_too():
    def figure(row, column):
        drawn, axis = plt.subplots()
        axis.plot([row, column])
        return drawn, {}

    w = picker({"MOTA, %": VALUES, "mAP, %": -VALUES}, show=figure)
    w.check(values=1, row=0)
    assert plt.get_fignums() == [] and len(w.scene["colours"]) == 64


def test_marks_stand_between_the_cells_and_at_the_edge():
    w = picker(marks={"paper": (0.7, 1.5), "beyond": (0.95, -np.inf), "cell": (0.5, 2)})
    assert w.scene["marks"] == {"paper": [1.5, 1.75], "beyond": [2, 0], "cell": [1, 2]} and w.picture()


@pytest.mark.parametrize("shape", [(1, 4), (3, 1), (1, 1)])
def test_one_row_or_one_column(shape):
    rows, columns = (ROWS[0], ROWS[1][: shape[0]]), (COLUMNS[0], COLUMNS[1][: shape[1]])
    w = picker(VALUES[: shape[0], : shape[1]], rows, columns, start=(0, -2))
    assert w.picture() and len(w.still())


def test_cells_without_a_number_are_none_and_can_be_picked():
    values = VALUES.copy()
    values[0, 0], values[2, 3] = np.nan, np.inf
    w = picker(values)
    assert len(w.still()) > 1.8 * len(picker(values, start=(0.9, 2)).still()), "infinity is not the best"
    assert w.scene["values"]["value"][0][0] is None and w.scene["values"]["value"][2][3] is None
    assert w.move(row=0, column=0)["numbers"] and w.picture()
    assert len(picker(np.full((3, 4), np.nan)).still()), "a plane of which nothing is known"


def test_the_strip_shows_the_best_cell_too():
    assert len(picker().still()) > 1.8 * len(picker(start=(0.9, 4)).still())


def test_what_show_raises_is_a_fault():
    def broken(row, column):
        if row > 0.6:
            raise ValueError("no such threshold")
        return flat(row, column)

    w = picker(show=broken)
    w.set_state({"view": w.view | {"row": 2}, "asked": 1})
    assert w.fault == "ValueError: no such threshold" and w.answered == 1 and w.answer["cell"] == [1, 1]
    w.move(row=0)
    assert w.fault == ""


@pytest.mark.parametrize(
    "view, sentence",
    [
        ({"row": 3}, "row 3: is not one of 0 … 2."),
        ({"column": -1}, "column -1: is not one of 0 … 3."),
        ({"column": 1.5}, "column 1.5: is not one of 0 … 3."),
        ({"row": "1"}, "row 1: is not one of 0 … 2."),
        ({"row": np.nan}, "row nan: is not one of 0 … 2."),
        ({"values": 1}, "values 1: is not one of 0 … 0."),
    ],
)
def test_a_view_that_makes_no_sense_is_a_sentence(view, sentence):
    with pytest.raises(WorkbookError, match=re.escape(sentence)):
        picker().move(**view)


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: picker({}), "there are no values to show"),
        (lambda: picker(VALUES.T), "value: 4 × 3 values do not fit 3 × 4 cells."),
        (lambda: picker(rows=("box score", [0.5, 0.0, 0.9])), "box score: the values of an axis are rising numbers"),
        (lambda: picker(columns=("logit", [0, 1, 2, np.nan])), "logit: the values of an axis are rising numbers"),
        (lambda: picker(VALUES[:0], rows=("box score", [])), "box score: the values of an axis are rising numbers"),
        (lambda: picker(start=(0.6, 0)), "box score: start 0.6 is not one of [0.0, 0.5, 0.9]."),
        (lambda: picker(marks={"paper": (np.nan, 0)}), "box score: a mark cannot stand at nan."),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(make, sentence):
    with pytest.raises(WorkbookError, match=re.escape(sentence)):
        make()


def test_every_cell_has_a_picture_of_its_own():
    def show(row, column):
        return np.full((4, 4, 3), int(50 * row + 3 * column), np.uint8), {}

    w = PlanePicker(np.zeros((2, 2)), ("r", [0, 1]), ("c", [0, 1]), show, (0, 0))
    assert [w.shown(r, c)[0][0, 0, 0] for r in (0, 1) for c in (0, 1)] == [0, 3, 50, 53]
    assert w.scene["names"] == ["value"]
