"""Match table and plane picker in a browser: hovered, clicked, walked, played; and without a kernel."""

import numpy as np
import pytest

from helpers.notebook import plots
from helpers.notebook.widgets import FramePair, MatchTable, PlanePicker
from helpers.people import people
from helpers.tracking.matching import hungarian, hungarian_steps
from tests.browser.conftest import shown

TABLE = """
import numpy as np
from helpers.notebook import plots
from helpers.notebook.widgets import FramePair, MatchTable, PlanePicker
from helpers.people import people

def standing(n):
    xy = plots.standing_pose() + np.stack([120 * np.arange(n), np.zeros(n)], 1)[:, None]
    return people(xy=xy, track=np.arange(n))

example = np.array([[1., 4, 5, 9], [2, 3, 7, 8], [1, 2, 8, 9], [3, 1, 9, 4]])
pair = FramePair(standing(4), standing(4), names=("frame 1", "frame 2"))
table = MatchTable({"first": pair, "asked": lambda: FramePair(standing(2), standing(3))},
                   {"example": lambda a, b: example[:len(a), :len(b)], "one": lambda a, b: np.ones((len(a), len(b)))},
                   title="Table")
table
"""
PLANE = """
def show(row, column):
    if row == 3 and column < 4:
        raise ValueError("three cannot be shown")
    return np.full((90, 160, 3), int(20 * row + 30 * column), np.uint8), {"sum": row + column}

values = np.add.outer(np.arange(4.), np.arange(5.))
values[0, 4] = np.nan
maps = {"up": values, "down": -values}
plane = PlanePicker(maps, ("r", np.arange(4)), ("c", np.arange(5)), show, (0, 0), title="Plane")
plane
"""


@pytest.fixture(scope="module")
def notebook(open_notebook):
    return open_notebook([TABLE, PLANE])


def places(widget):
    """Where the canvas lies on the page."""
    return widget.locator("canvas").bounding_box()


def cell(widget, row, column, n=4, m=4):
    """Middle of a cell of the matrix, as js/match_table.js lays it out beside the frames."""
    box = places(widget)
    left, top = 0.42 * box["width"] + 24 + 62, 54
    wide, high = box["width"] - left - 4, box["height"] - 58
    return box["x"] + left + (column + 0.5) * wide / m, box["y"] + top + (row + 0.5) * min(high / n, 80)


def settled(notebook, label, what):
    notebook.page.wait_for_function(
        "([label, what]) => { const w = window.workbook.widgets.filter(w => w.label === label && w.root.offsetParent)"
        ".at(-1); return w && eval(what)(w.view(), w.answer()); }",
        arg=[label, what],
        timeout=5000,
    )


def test_hovering_joins_two_people_and_says_their_cost(notebook):
    widget, mouse = notebook.widget("Table"), notebook.page.mouse
    before = notebook.pixels(widget)
    mouse.move(*cell(widget, 2, 3))
    widget.get_by_text("person 2 → 3: example 9.00").wait_for()
    first = notebook.pixels(widget)
    mouse.move(*cell(widget, 1, 1))
    widget.get_by_text("person 1 → 1: example 3.00, the same person").wait_for()
    assert len({before, first, notebook.pixels(widget)}) == 3


def test_clicks_force_forbid_and_free_and_python_answers(notebook):
    widget, mouse = notebook.widget("Table"), notebook.page.mouse
    mouse.click(*cell(widget, 0, 3))
    settled(notebook, "Table", "(v, a) => a.about && a.about[3].length === 1")
    answer = notebook.numbers("Table")["answer"]
    assert [0, 3] in answer["Hungarian"]["pairs"] and answer == notebook.python("table.answer")
    assert notebook.python("table.view['forced']") == [[0, 3]]
    total = widget.locator('table[aria-label="matchings"] tr', has_text="Hungarian").inner_text()
    assert f"{answer['Hungarian']['total']:.1f}" in total or f"{answer['Hungarian']['total']:.2f}" in total
    mouse.click(*cell(widget, 1, 3))
    widget.get_by_text("Column 3 is forced to row 0 and to row 1: it can have only one.").wait_for()
    mouse.click(*cell(widget, 1, 3))
    settled(notebook, "Table", "(v, a) => a.about && a.about[4].length === 1 && !a.conflict")
    mouse.click(*cell(widget, 1, 3))
    notebook.page.keyboard.press("ArrowUp")
    for _ in range(2):
        notebook.page.keyboard.press("Enter")
    settled(notebook, "Table", "(v, a) => a.about && !a.about[3].length && !a.about[4].length")
    assert notebook.python("table.answer['Hungarian']['total']") == 13 and not notebook.errors


def test_steps_play_and_what_they_match_is_what_python_says(notebook):
    widget, keyboard = notebook.widget("Table"), notebook.page.keyboard
    widget.get_by_role("radio", name="show: Hungarian").click()
    widget.focus()
    before = notebook.pixels(widget)
    keyboard.press(" ")
    settled(notebook, "Table", "(v, a) => v.mode === 'hungarian' && v.step >= 2")
    keyboard.press(" ")
    assert notebook.pixels(widget) != before
    keyboard.press("End")
    widget.get_by_text("matched 13.0, prices 13.0").wait_for()
    keyboard.press(",")
    widget.get_by_text("together they are 13.0").wait_for()
    widget.get_by_role("radio", name="show: greedy").click()
    widget.get_by_role("button", name="one step on").click()
    widget.get_by_text("Pick 1: the cheapest pair that is left, 0 with 0").wait_for()
    widget.get_by_role("radio", name="show: both").click()


def test_other_frames_come_from_python_and_the_cursor_stays_inside(notebook):
    widget = notebook.widget("Table")
    widget.focus()
    for _ in range(5):
        notebook.page.keyboard.press("ArrowDown")
    widget.locator("select").select_option("1")
    settled(notebook, "Table", "(v, a) => a.pair && v.pair === 1")
    assert notebook.python("table.view['row']") == notebook.numbers("Table")["view"]["row"] < 2
    widget.get_by_role("radio", name="cost: one").click()
    settled(notebook, "Table", "(v, a) => v.cost === 1 && a.about[1] === 1")
    assert notebook.python("table.answer['Hungarian']['total']") == 2
    widget.locator("select").select_option("0")
    widget.get_by_role("radio", name="cost: example").click()


def plane_cell(widget, row, column, n=4, m=5):
    box = places(widget)
    wide, high = (box["width"] - 128) / m, (box["height"] - 54) / n
    return box["x"] + 52 + (column + 0.5) * wide, box["y"] + 12 + (n - row - 0.5) * high


def test_a_cell_of_the_plane_is_dragged_and_walked_to(notebook):
    widget, mouse = notebook.widget("Plane"), notebook.page.mouse
    before = notebook.pixels(widget)
    mouse.move(*plane_cell(widget, 0, 1))
    widget.get_by_text("r 0, c 1: up 1, down −1").wait_for()
    mouse.down()
    mouse.move(*plane_cell(widget, 2, 3))
    settled(notebook, "Plane", "(v, a) => a.cell[0] === 2 && a.cell[1] === 3")
    mouse.up()
    assert notebook.python("plane.answer['numbers']") == {"sum": 5} == notebook.numbers("Plane")["answer"]["numbers"]
    assert notebook.pixels(widget) != before
    widget.focus()
    notebook.page.keyboard.press("ArrowUp")
    widget.get_by_text("ValueError: three cannot be shown").wait_for()
    notebook.page.keyboard.press("ArrowDown")
    notebook.page.keyboard.press("ArrowLeft")
    settled(notebook, "Plane", "(v, a) => a.cell[0] === 2 && a.cell[1] === 2")
    assert notebook.python("plane.view") == {"values": 0, "row": 2, "column": 2} and not notebook.errors


def test_round_trips_and_redraws_are_counted_and_printed(notebook):
    for label in ("Table", "Plane"):
        times = notebook.numbers(label)
        trip, redraw = np.median(times["trip"]), np.median(times["redraw"])
        print(f"{label}: redraw {redraw:.1f} ms, round trip {trip:.0f} ms (medians)")
        assert len(times["trip"]) > 2 and len(times["redraw"]) > 5


def standing(n):
    xy = plots.standing_pose() + np.stack([120 * np.arange(n), np.zeros(n)], 1)[:, None]
    return people(xy=xy, track=np.arange(n))


def test_without_a_kernel_the_table_is_hovered_and_played_and_says_what_it_cannot(page):
    pair = FramePair(standing(4), standing(4))
    costs = {"example": np.arange(16.0).reshape(4, 4), "nothing": np.full((4, 4), np.nan)}
    w = MatchTable({"first": pair, "asked": lambda: pair}, costs, title="Table")
    widget = shown(page, w)
    page.mouse.move(*cell(widget, 1, 2))
    widget.get_by_text("person 1 → 2: example 6.00").wait_for()
    page.mouse.click(*cell(widget, 1, 2))
    widget.get_by_text("To force or forbid a pair run the cell").wait_for()
    assert widget.locator("option").nth(1).is_disabled() and widget.get_by_label("limit").is_disabled()
    widget.get_by_role("radio", name="show: Hungarian").click()
    widget.focus()
    page.keyboard.press("End")
    widget.get_by_text("matched 30.0, prices 30.0").wait_for()
    widget.get_by_role("radio", name="cost: nothing").click()
    page.mouse.move(*cell(widget, 1, 2))
    widget.get_by_text("person 1 → 2: nothing –").wait_for()
    assert not page.failures


def test_what_a_step_changes_is_said(page):
    """The trap of notebook 06, a pair that may not be matched, and two matchings that are as cheap."""
    costs = {"trap": np.array([[0.1, 0.2], [0.2, 0.9]]), "gate": np.array([[1, np.nan], [np.nan, np.nan]])}
    widget = shown(
        page, MatchTable(FramePair(standing(2), standing(2)), costs | {"tie": np.ones((2, 2))}, title="Table")
    )
    widget.get_by_role("radio", name="show: Hungarian").click()
    widget.focus()
    said = []
    for _ in range(6):
        page.keyboard.press(".")
        page.wait_for_timeout(60)
        said.append(widget.locator(".workbook-words").nth(1).inner_text())
    assert said[0] == "The row 0 looks for a partner. The cheapest chain: 0 with 0."
    assert said[3] == "The row 1 looks for a partner. The cheapest chain: 1 with 0, then 0 with 1."
    assert said[5] == "The chain is taken, 0 with 0 let go: matched 0.40, prices 0.40."
    before = widget.screenshot()
    page.wait_for_timeout(1000)
    assert widget.screenshot() != before, "what was let go flashes and fades"
    widget.get_by_role("radio", name="cost: gate").click()
    widget.focus()
    page.keyboard.press("End")
    widget.get_by_text("1 with 1 may not be matched: it counts as 2.00 and is dropped at the end.").wait_for()
    widget.get_by_role("radio", name="cost: tie").click()
    widget.focus()
    page.keyboard.press("End")
    words = widget.locator(".workbook-words").nth(1).inner_text()
    same = hungarian_steps(np.ones((2, 2)))[-1].partner.tolist() == hungarian(np.ones((2, 2)))[1].tolist()
    assert ("Several matchings are as cheap" in words) == (not same) and not page.failures


def test_a_finger_looks_first_and_narrow_pages_stack(browser):
    page = browser.new_page(viewport={"width": 420, "height": 1200}, has_touch=True)
    widget = shown(page, MatchTable(FramePair(standing(3), standing(3)), np.arange(9.0).reshape(3, 3), title="Table"))
    box = places(widget)
    assert box["height"] > 2 * 0.4 * box["width"] + 200, "the matrix stands below the frames"
    target = box["x"] + box["width"] - 40, box["y"] + box["height"] - 30
    page.touchscreen.tap(*target)
    widget.get_by_text("person 2 → 2").wait_for()
    assert "run the cell" not in widget.inner_text()
    page.touchscreen.tap(*target)
    widget.get_by_text("To force or forbid a pair run the cell").wait_for()
    page.close()


def test_a_person_shows_what_each_candidate_costs(page):
    cost = np.arange(9.0).reshape(3, 3)
    w = MatchTable(FramePair(standing(3), standing(3)), {"c": cost, "d": -cost}, title="Table")
    widget = shown(page, w)
    box, before = places(widget), widget.screenshot()
    scale = 0.42 * box["width"] / w.scene["pairs"][0]["size"][0]
    page.mouse.move(box["x"] + scale * (120 + 50), box["y"] + 18 + scale * 100)
    widget.get_by_text("person 1 of before").wait_for()
    rows = widget.locator('table[aria-label="candidates"] tr').all_inner_texts()
    assert [r.split() for r in rows[1:4]] == [
        ["0", "3.00", "−3.00"],
        ["1", "◥", "4.00", "−4.00"],
        ["2", "5.00", "−5.00"],
    ]
    assert [int(r.split("→")[1]) for r in rows[4:]] == [dict(w.answer[m]["pairs"])[1] for m in ("Hungarian", "greedy")]
    widget.get_by_role("radio", name="cost: d").click()
    page.mouse.move(box["x"] + scale * (120 + 50), places(widget)["y"] + 18 + scale * 100)
    widget.get_by_text("person 1 of before").wait_for()
    first = widget.locator('table[aria-label="candidates"] tr').nth(1)
    assert first.inner_text().split() == ["2", "5.00", "−5.00"], "the cheapest by the chosen cost comes first"
    assert widget.screenshot() != before and not page.failures


@pytest.mark.parametrize("n, m", [(0, 0), (0, 2), (3, 0), (1, 1), (200, 200)])
def test_nobody_one_person_and_two_hundred_are_drawn(page, n, m):
    cost = np.random.default_rng(0).random((n, m))
    few = [standing(k) if k else standing(1)[:0] for k in (n, m)]
    widget = shown(page, MatchTable(FramePair(*few), cost, title="Table"))
    widget.focus()
    for key in ("ArrowDown", "ArrowRight", "Enter", ".", ".", " "):
        page.keyboard.press(key)
        page.wait_for_timeout(40)
    said = widget.inner_text()
    assert ("Nobody to match" in said) == (not n or not m) and ("Steps are shown up to 20" in said) == (n == 200)
    redraw = page.evaluate("() => window.workbook.widgets[0].times.redraw")
    print(f"{n} × {m}: redraw {np.median(redraw):.1f} ms (median), first {redraw[0]:.0f} ms")
    assert not page.failures


def test_without_a_kernel_the_plane_is_read_and_its_maps_exchanged(page):
    values = np.add.outer(np.arange(4.0), np.arange(5.0))
    w = PlanePicker(
        {"up": values, "down": -values}, ("r", np.arange(4)), ("c", np.arange(5)),
        lambda r, c: (np.zeros((9, 9, 3), np.uint8), {"sum": r + c}), (1, 1), {"here": (2.5, 9)}, title="Plane",
    )  # fmt: skip
    widget = shown(page, w)
    page.mouse.move(*plane_cell(widget, 3, 4))
    widget.get_by_text("r 3, c 4: up 7, down −7").wait_for()
    before = widget.screenshot()
    widget.get_by_role("radio", name="values: down").click()
    page.wait_for_timeout(100)
    assert widget.screenshot() != before and "2" in widget.locator(".workbook-numbers").inner_text()
    page.mouse.click(*plane_cell(widget, 3, 4))
    widget.get_by_text("These numbers come from Python").wait_for()
    assert not page.failures


@pytest.mark.parametrize("width", [60, 127, 260])
def test_a_narrow_page_does_not_hang(page, width):
    values = np.add.outer(np.arange(9.0), np.arange(10.0))
    plane = PlanePicker(
        values, ("r", np.arange(9)), ("c", np.arange(10)), lambda r, c: (np.zeros((9, 16, 3), np.uint8), {}), (0, 0)
    )
    table = MatchTable(FramePair(standing(6), standing(6)), np.random.default_rng(0).random((6, 6)), title="Table")
    for widget in (plane, table):
        found = shown(page, widget)
        page.evaluate("w => { document.body.style.width = w + 'px'; }", width)
        page.wait_for_timeout(200)
        drawn = int(found.get_attribute("data-drawn"))
        found.press("ArrowRight")
        page.wait_for_timeout(200)
        assert int(found.get_attribute("data-drawn")) > drawn and not page.failures
        page.evaluate("() => { document.body.style.width = ''; }")
