"""Heatmap explorer in a browser: dragged, walked, switched, with a kernel and without; the same numbers as Python."""

import json

import numpy as np
import pytest

from helpers.notebook.widgets import HeatmapExplorer
from helpers.notebook.widgets.base import script

HEAT = """
import numpy as np
from helpers.notebook.widgets import HeatmapExplorer

heat = HeatmapExplorer(np.random.default_rng(0).random((2, 12, 16)) ** 4, ["nose", "left_ankle"],
                       [[20, 30], [np.nan, 0]], title="Heat")
heat.move(joint=-1)
heat
"""


@pytest.fixture(scope="module")
def notebook(open_notebook):
    notebook = open_notebook([HEAT])
    yield notebook
    notebook.close()


@pytest.fixture()
def page(browser):
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.failures = []
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    yield page
    page.close()


def shown(page, w):
    """A widget's form without a kernel, on a page of its own."""
    page.set_content(f"<!doctype html><body style='color-scheme: light dark'>{w.without_kernel()}</body>")
    widget = page.locator(".workbook")
    widget.wait_for()
    page.wait_for_timeout(200)
    return widget


def loaded(page, kind):
    """The functions of a widget's script, to be called by name."""
    text = script(kind).replace("export default { render };", "").replace("export function", "function")
    page.add_script_tag(content=text)


def settled(notebook, label, what):
    """Wait until a widget's view and answer are so."""
    notebook.page.wait_for_function(
        "([label, what]) => { const w = window.workbook.widgets.filter(w => w.label === label && w.root.offsetParent)"
        ".at(-1); return w && eval(what)(w.view(), w.answer()); }",
        arg=[label, what],
        timeout=5000,
    )


def timed(notebook, label, capsys):
    with capsys.disabled():
        print(f"\n{label}: {notebook.times(label)}")
    times = notebook.numbers(label)
    assert len(times["trip"]) > 2 and len(times["redraw"]) > 5 and not notebook.errors


# --- the heatmap explorer -------------------------------------------------------------------------------------


def cell(widget, x, y, w=16):
    """Where a place in cells lies on the page, as js/heatmap_explorer.js draws it."""
    box = widget.locator("canvas").first.bounding_box()
    size = (box["width"] - 24) / w
    return box["x"] + 24 + (x + 0.5) * size, box["y"] + (y + 0.5) * size


def test_script_and_python_read_the_same_places(page):
    rng = np.random.default_rng(5)
    maps = rng.normal(size=(40, 12, 16))
    maps[:3] -= 9  # nothing above zero
    truth = np.where(rng.random((40, 1)) < 0.1, np.nan, rng.uniform(0, 50, (40, 2)))
    w = HeatmapExplorer(maps, truth=truth, sigma=1.3, stride=4)
    loaded(page, "heatmap_explorer")
    corners = [{"joint": -1, "x": x, "y": y} for x in (-0.5, 0.5, 2, 7.5, 15.5) for y in (-0.5, 1.5, 11.5)]
    places = [
        {"joint": -1, "x": round(rng.uniform(-0.5, 15.5), 2), "y": round(rng.uniform(-0.5, 11.5), 2)}
        for _ in range(200)
    ]
    views = [v | {"rounded": k % 2 == 0, "noise": 0.1 * (k % 3)} for k, v in enumerate(places + corners + corners)]
    views += [{"joint": k, "x": 3, "y": 3, "rounded": True, "noise": 0} for k in range(len(maps))]
    found = page.evaluate("([scene, views]) => views.map(v => ({ ...readOff(v, scene), heat: 0 }))", [w.scene, views])
    moved = set()
    for view, seen in zip(views, found, strict=True):
        answer = w.answers(w.checked(view))
        assert seen["cell"] == answer["cell"] and seen["decoded"] == answer["decoded"].tolist(), view
        assert seen["differences"] == pytest.approx(answer["differences"], abs=1e-9), view
        for name, error in answer["errors"].items():
            assert seen["errors"][name] == pytest.approx(error, abs=1e-3), view
        moved.add(tuple(np.subtract(seen["decoded"], seen["cell"])))
    assert moved == {(x, y) for x in (-0.25, 0.25) for y in (-0.25, 0.25)} | {(0, 0)} and not page.failures


def test_a_dragged_joint_is_followed_by_python(notebook, capsys):
    widget, mouse = notebook.widget("Heat"), notebook.page.mouse
    before = notebook.pixels(widget)
    widget.get_by_role("radio", name="Gaussian: not rounded").click()
    mouse.move(*cell(widget, 7, 5))
    mouse.down()
    for x in np.linspace(6, 9.3, 12):
        mouse.move(*cell(widget, x, 4.4))
        notebook.page.wait_for_timeout(25)
    mouse.up()
    settled(notebook, "Heat", "(v, a) => !v.rounded && a.cell[0] === 9 && a.cell[1] === 4 && a.decoded[0] === 9.25")
    state = notebook.numbers("Heat")
    assert state["answer"] == notebook.python("heat.answer") and notebook.pixels(widget) != before
    cells, decoded, errors = json.loads(widget.locator("canvas").first.get_attribute("data-seen"))
    assert (cells, decoded) == (state["answer"]["cell"], state["answer"]["decoded"])
    for name, error in state["answer"]["errors"].items():
        assert errors[name] == pytest.approx(error, abs=1e-3)
    off = f"{state['answer']['errors']['quarter offset']['pixels']:.2f} px"
    assert off in widget.locator(".workbook-words").inner_text()
    timed(notebook, "Heat", capsys)


def test_keys_move_the_joint_and_choose_the_map(notebook):
    widget, keyboard = notebook.widget("Heat"), notebook.page.keyboard
    widget.get_by_role("button", name="as it was").click()
    widget.focus()
    for key in ("ArrowRight", "ArrowDown", "Shift+ArrowLeft", "u"):
        keyboard.press(key)
    settled(notebook, "Heat", "(v, a) => v.x === 6.4 && v.y === 5.5 && v.rounded === false && a.cell[0] === 6")
    assert notebook.python("heat.view") == {"joint": -1, "x": 6.4, "y": 5.5, "rounded": False, "noise": 0}
    keyboard.press("]")
    settled(notebook, "Heat", "(v, a) => v.joint === 0")
    keyboard.press("ArrowLeft")
    widget.get_by_text("Only the Gaussian's joint is dragged").wait_for()
    widget.get_by_label("map", exact=True).select_option("1")
    widget.get_by_text("left ankle: highest cell").wait_for()
    settled(notebook, "Heat", "(v, a) => v.joint === 1 && a.errors['highest cell'].cells === null")
    assert "–" in widget.locator("table").inner_text()
    widget.focus()
    keyboard.press("]")
    settled(notebook, "Heat", "(v, a) => v.joint === -1")


def test_without_a_kernel_the_joint_is_dragged_and_noise_added(page):
    w = HeatmapExplorer(sigma=2, title="Heat")
    widget = shown(page, w)
    widget.get_by_text("True joint at 7.30, 5.40: highest cell 7, 5, 2.00 px off; the neighbours are equal").wait_for()
    page.mouse.move(*cell(widget, 7, 5))
    page.mouse.down()
    page.mouse.move(*cell(widget, 30, 9.2), steps=3)
    page.mouse.up()
    widget.get_by_text("True joint at 15.50, 9.20").wait_for()
    before = widget.screenshot()
    widget.get_by_label("noise", exact=True).focus()
    page.keyboard.press("End")
    page.wait_for_timeout(100)
    assert "0.50" in widget.locator("output").inner_text() and widget.screenshot() != before
    widget.focus()
    page.keyboard.press("r")
    widget.get_by_text("True joint at 7.30, 5.40").wait_for()
    assert "Python" not in widget.locator(".workbook-note").inner_text() and not page.failures


# --- all three ------------------------------------------------------------------------------------------------

SMALL = {"heat": lambda: HeatmapExplorer(title="Heat")}


@pytest.mark.parametrize("name", SMALL)
def test_a_dark_page_and_a_narrow_one_are_followed(page, name):
    page.emulate_media(color_scheme="light")
    widget = shown(page, SMALL[name]())
    bright = widget.screenshot()
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(150)
    assert widget.screenshot() != bright
    for width in (60, 300):
        page.evaluate("w => { document.body.style.width = w + 'px'; }", width)
        page.wait_for_timeout(100)
        drawn = int(widget.get_attribute("data-drawn"))
        widget.press("ArrowRight")
        page.wait_for_timeout(100)
        assert int(widget.get_attribute("data-drawn")) > drawn and not page.failures
    canvases = widget.locator("canvas")
    assert all(canvases.nth(k).get_attribute("aria-label") for k in range(canvases.count()))
