"""Heatmap explorer, flow field and similarity matrix in a browser: dragged and walked, with a kernel and without."""

import json

import numpy as np
import pytest

from helpers.notebook import plots
from helpers.notebook.widgets import FlowField, HeatmapExplorer, SimilarityMatrix
from helpers.notebook.widgets.base import script
from tests.browser.conftest import shown

HEAT = """
import numpy as np
from helpers.notebook.widgets import HeatmapExplorer

heat = HeatmapExplorer(np.random.default_rng(0).random((2, 12, 16)) ** 4, ["nose", "left_ankle"],
                       [[20, 30], [np.nan, 0]], title="Heat")
heat.move(joint=-1)
heat
"""
FLOW = """
from helpers.notebook import plots
from helpers.notebook.widgets import FlowField

pose = plots.standing_pose() * 0.6 + [20, 10]
halves = np.zeros((160, 240, 2), np.float32)
halves[:, 120:] = 6, -2
images = np.full((2, 160, 240, 3), 150, np.uint8)
flows = {"dis": halves, "exact": halves + 1, "zero": 0 * halves}
flow = FlowField(images, flows, [pose, pose + [110, 0]], title="Flow")
flow
"""
MATRIX = """
from helpers.notebook.widgets import SimilarityMatrix

alike = [[0.5, 0.6, 0.0], [0.4, 0.7, 0.1], [0.9, 0.1, 0.0], [0.3, 0.2, 0.15]]
stand = lambda n: plots.standing_pose() + 120 * np.arange(n)[:, None, None] * [1, 0]
both = {"pose": alike, "multi-flow": alike}
table = SimilarityMatrix(both, [4, 7, 4, 7], [1, 1, 2, 2], stand(4), stand(4) + 9, stand(3), title="Matrix")
table
"""


STANDING = plots.standing_pose() / 2.5


@pytest.fixture(scope="module")
def notebook(open_notebook):
    notebook = open_notebook([HEAT, FLOW, MATRIX])
    yield notebook
    notebook.close()


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


def agreed(notebook, label, name):
    """What a widget shows, once the browser has heard Python's answer to its last view."""
    for _ in range(50):
        state = notebook.numbers(label)
        if [state["view"], state["answer"]] == notebook.python(f"[{name}.view, {name}.answer]"):
            return state
        notebook.page.wait_for_timeout(100)
    raise AssertionError(f"{label}: browser and Python show different things: {state}")


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
    state = agreed(notebook, "Heat", "heat")
    assert notebook.pixels(widget) != before
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


#: Keep what is drawn on canvases: texts with their place, and rectangles with their size.
SPY = """() => {
  window.drawn = [];
  for (const name of ['fillText', 'fillRect']) {
    const own = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...given) {
      drawn.push([name, ...given]);
      own.apply(this, given);
    };
  }
}"""


def test_arrows_point_to_the_higher_neighbour_and_bars_are_as_long_as_the_values(page):
    heat = np.zeros((1, 9, 9))
    heat[0, 3:6, 4], heat[0, 4, 3:6] = [0.25, 1, 0.5], [0.75, 1, 0.25]  # higher below, and to the left
    widget = shown(page, HeatmapExplorer(heat, ["nose"], [[4, 4]], title="Heat"))
    page.evaluate(SPY)
    for _ in range(2):  # to the Gaussian and back
        page.evaluate("drawn.length = 0")
        widget.press("]")
        page.wait_for_timeout(150)
    drawn = page.evaluate("drawn")
    drawn = drawn[max(k for k, one in enumerate(drawn) if one[:2] == ["fillText", "along x"]) :]
    words = [one[1] for one in drawn if one[0] == "fillText"]
    assert [word for word in words if "¼" in word] == ["−0.500 ← ¼ cell", "+0.250 ↓ ¼ cell"]
    bars = np.array([one[4] for one in drawn if one[0] == "fillRect"])
    room = widget.locator("canvas").nth(1).bounding_box()["height"] - 40 - 34
    assert bars == pytest.approx(room * np.array([0.75, 1, 0.25, 0.25, 1, 0.5]), abs=2)


# --- the flow field -------------------------------------------------------------------------------------------


def joint(widget, j, width=240):
    """Where a joint of the chosen person lies on the page."""
    canvas = widget.locator("canvas").first
    box, xy = canvas.bounding_box(), json.loads(canvas.get_attribute("data-placed"))
    return box["x"] + (xy[2 * j] + 0.5) * box["width"] / width, box["y"] + (xy[2 * j + 1] + 0.5) * box["width"] / width


def test_script_and_python_carry_the_same_joints(page):
    rng = np.random.default_rng(2)
    xy = np.round(rng.uniform(-8, [68, 48], (4, 15, 2)), 1)
    xy[0, :4] = [[2.5, 3.5], [3.5, 2.5], [0.5, 1.5], [-0.5, 39.5]]  # halves go to the even pixel
    present, after = rng.random((4, 15)) < 0.8, np.where(rng.random((4, 15, 1)) < 0.7, xy + 2, np.nan)
    present[0, :4] = present[:, 14] = True
    flows = {name: rng.normal(scale=9, size=(40, 60, 2)) for name in ("noise", "exact")} | {
        "still": np.ones((40, 60, 2))
    }
    w = FlowField(np.zeros((2, 40, 60, 3), np.uint8), flows, xy, present, after)
    loaded(page, "flow_field")
    views = [
        w.view | {"provider": provider, "person": person, "joint": int(joint)}
        for provider in range(3)
        for person in range(4)
        for joint in np.flatnonzero(present[person])[:9:3]
    ]
    found = page.evaluate(
        "([scene, views]) => { const f = scene.fields.map(fieldOf); return views.map(v => followed(v, scene, f)); }",
        [w.scene, views],
    )
    step = max(abs(flow).max() for flow in flows.values()) / 254 + 0.06
    for view, seen in zip(views, found, strict=True):
        answer = w.answers(w.checked(view))
        near = [a for a, b in zip(seen["inside"], answer["inside"].tolist(), strict=True) if a != b]
        assert len(near) <= 1, "a joint at the very edge may fall on either side"
        assert seen["xy"] == pytest.approx(answer["xy"], abs=2 * step)
        if not near:
            box = seen["box"] or [np.nan] * 4
            assert box == pytest.approx(answer["box"], abs=2 * step, nan_ok=True)
            for name, value in answer["numbers"].items():
                value = None if value is None or np.isnan(value) else pytest.approx(value, abs=3 * step)
                assert seen["numbers"][name] == value, (view["provider"], name)
    assert not page.failures


def test_script_and_python_colour_a_flow_alike(page):
    flow = np.random.default_rng(4).normal(scale=4, size=(30, 40, 2)).astype(np.float32)
    w = FlowField(np.zeros((2, 30, 40, 3), np.uint8), {"noise": flow}, [STANDING / 4])
    loaded(page, "flow_field")
    colours = page.evaluate(
        "([scene, flow]) => { const hex = h => [1, 3, 5].map(i => parseInt(h.slice(i, i + 2), 16));"
        "return flow.map(v => colourOf(v, scene.fastest, scene.wheel.map(hex))); }",
        [w.scene, flow.reshape(-1, 2).tolist()],
    )
    expected = plots.flow_image(flow, float(np.hypot(*flow.reshape(-1, 2).T).max())).reshape(-1, 3)
    assert abs(np.array(colours) - expected).max() < 12 and np.ptp(expected, 0).min() > 100


def test_a_joint_is_dragged_across_the_edge_and_python_answers(notebook, capsys):
    widget, mouse = notebook.widget("Flow"), notebook.page.mouse
    before, j = notebook.pixels(widget), notebook.python("flow.view['joint']")
    x, y = joint(widget, j)
    scale = widget.locator("canvas").first.bounding_box()["width"] / 240
    mouse.move(x, y)
    mouse.down()
    for k in range(1, 11):
        mouse.move(x + 9 * k * scale, y)
        notebook.page.wait_for_timeout(30)
    mouse.up()
    settled(notebook, "Flow", "(v, a) => a.flow[0] === 6 && a.flow[1] === -2 && a.of[2 * a.joint] > 120")
    assert agreed(notebook, "Flow", "flow")["view"]["xy"][0][2 * j] > 120 and notebook.pixels(widget) != before
    widget.get_by_text("dis carries it by 6.0, −2.0 px").wait_for()
    assert "1.41" in widget.locator("table").inner_text()
    widget.get_by_role("radio", name="flow: zero").click()
    settled(notebook, "Flow", "(v, a) => a.provider === 2 && a.flow[0] === 0")
    widget.get_by_role("button", name="as it was").click()
    settled(notebook, "Flow", "(v, a) => a.provider === 0 && a.flow[0] === 0")
    timed(notebook, "Flow", capsys)


def test_keys_move_a_joint_or_the_person(notebook):
    widget, keyboard = notebook.widget("Flow"), notebook.page.keyboard
    start = notebook.python("flow.view")
    widget.focus()
    for key in ("p", "]", "w", "Shift+ArrowLeft", "ArrowDown", "c", "f"):
        keyboard.press(key)
    settled(notebook, "Flow", "(v, a) => v.whole && v.show === 1 && a.provider === 1 && a.person === 1")
    view = notebook.python("flow.view")
    moved = np.subtract(view["xy"][1], start["xy"][1]).reshape(15, 2)
    np.testing.assert_allclose(moved, np.tile([-10, 1], (15, 1)), atol=1e-6)
    assert view["xy"][0] == start["xy"][0] and view["joint"] == (start["joint"] + 1) % 15
    keyboard.press("w")
    keyboard.press("ArrowRight")
    settled(notebook, "Flow", "(v, a) => !v.whole && JSON.stringify(a.of) === JSON.stringify(v.xy[1])")
    again = np.subtract(notebook.python("flow.view['xy'][1]"), view["xy"][1]).reshape(15, 2)
    assert (again != 0).sum() == 1 and again[view["joint"], 0] == pytest.approx(1)
    keyboard.press("r")
    settled(notebook, "Flow", "(v, a) => v.show === 0 && v.person === 0")


def test_without_a_kernel_a_person_is_dragged_and_the_stored_flow_read(page):
    world: dict = {}
    exec("import numpy as np\n" + FLOW.strip().rsplit("\n", 1)[0], world)
    widget = shown(page, world["flow"])
    widget.get_by_text("dis carries it by 0.0, 0.0 px").wait_for()
    widget.get_by_role("radio", name="drag: whole person").click()
    x, y = joint(widget, world["flow"].view["joint"])
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 200, y + 10, steps=3)
    page.mouse.up()
    widget.get_by_text("dis carries it by 6.0, −2.0 px").wait_for()
    for name in ("show: colours", "show: frame only", "flow: exact"):
        before = widget.screenshot()
        widget.get_by_role("radio", name=name).click()
        page.wait_for_timeout(100)
        assert widget.screenshot() != before
    widget.get_by_text("exact carries it by 7.0, −1.0 px").wait_for()
    assert "Python" not in widget.locator(".workbook-note").inner_text() and not page.failures


def test_of_two_joints_in_reach_the_nearer_one_is_taken(page):
    pose = np.full((15, 2), np.nan)
    pose[[3, 9]] = [[60, 40], [63, 40]]
    w = FlowField(np.full((2, 90, 160, 3), 99, np.uint8), {"a": np.ones((90, 160, 2))}, [pose], title="Flow")
    widget = shown(page, w)
    box = widget.locator("canvas").first.bounding_box()
    scale = box["width"] / 160
    for x, j in ((60.9, 3), (62.1, 9)):
        assert 2.1 * scale < 13  # both are in reach
        page.mouse.click(box["x"] + (x + 0.5) * scale, box["y"] + 40.5 * scale)
        widget.get_by_text(f"{w.scene['look']['joints'][j]} at ").wait_for(timeout=2000)
    assert not page.failures


# --- the similarity matrix ------------------------------------------------------------------------------------


def square(widget, i, c, rows, people=3):
    """Middle of a cell, row i from above, as js/similarity_matrix.js lays it out."""
    box = widget.locator("canvas").first.bounding_box()
    wide, high = (box["width"] - 96) / people, min(34, max(13, 440 / rows))
    return box["x"] + 92 + (c + 0.5) * wide, box["y"] + 40 + (i + 0.5) * high


def test_script_and_python_give_the_same_ids(page):
    rng = np.random.default_rng(7)
    loaded(page, "similarity_matrix")
    for n in range(60):
        rows, people = int(rng.integers(0, 14)), int(rng.integers(0, 7))
        alike = rng.choice([0, 0.2, 0.3, 0.7, 0.7], (rows, people)) if n % 3 == 0 else rng.random((rows, people))
        ids, back = rng.integers(0, 5, rows), rng.integers(1, 5, rows)
        pose = np.tile(STANDING, (rows, 1, 1)), np.tile(STANDING, (people, 1, 1))
        w = SimilarityMatrix({"s": alike}, ids, back, pose[0], None, pose[1], link=float(rng.choice([0, 0.2, 0.3])))
        views = [w.view | {"queue": queue} for queue in range(1, w.scene["most"] + 1)]
        found = page.evaluate("([scene, views]) => views.map(v => assigned(v, scene))", [w.scene, views])
        for view, seen in zip(views, found, strict=True):
            answer = w.answers(w.checked(view))
            assert seen["ids"] == answer["ids"].tolist() and seen["fresh"] == answer["fresh"].tolist()
            assert seen["pairs"] == [[int(r), int(c), int(t), float(v)] for r, c, t, v in answer["pairs"]]
    assert not page.failures


def test_cells_queue_and_least_similarity_are_followed_by_python(notebook, capsys):
    widget, mouse = notebook.widget("Matrix"), notebook.page.mouse
    before = notebook.pixels(widget)
    widget.get_by_text("k−1, id 7 with person 1: pose 0.70, picked as number 1. New ids: person 2 → 8.").wait_for()
    mouse.click(*square(widget, 0, 1, 2))
    widget.get_by_text("k−1, id 4 with person 1: pose 0.60, person 1 is picked by id 7 before.").wait_for()
    widget.get_by_role("radio", name="similarity: multi-flow").click()
    settled(notebook, "Matrix", "(v, a) => v.queue === 2 && a.pairs[0][0] === 2")
    state = agreed(notebook, "Matrix", "table")
    seen = json.loads(widget.locator("canvas").first.get_attribute("data-seen"))
    assert seen == [state["answer"][part] for part in ("pairs", "ids", "fresh")]
    mouse.move(*square(widget, 0, 0, 4))
    widget.get_by_text("k−1, id 4 with person 0: multi-flow 0.50, k−2 is the most similar row of id 4.").wait_for()
    track = widget.get_by_label("least similarity").bounding_box()
    mouse.move(track["x"] + 0.2 * track["width"], track["y"] + 8)
    mouse.down()
    for share in (0.4, 0.6, 0.8):
        mouse.move(track["x"] + share * track["width"], track["y"] + 8)
        notebook.page.wait_for_timeout(60)
    mouse.up()
    state = agreed(notebook, "Matrix", "table")
    assert 0.75 < state["view"]["link"] < 0.85 and state["answer"]["fresh"] == [1, 2]
    assert notebook.pixels(widget) != before
    timed(notebook, "Matrix", capsys)


def test_keys_walk_cells_and_change_the_queue(notebook):
    widget, keyboard = notebook.widget("Matrix"), notebook.page.keyboard
    widget.get_by_role("button", name="as it was").click()
    widget.focus()
    for key in ("+", "ArrowDown", "ArrowDown", "ArrowRight"):
        keyboard.press(key)
    settled(notebook, "Matrix", "(v, a) => v.queue === 2 && v.row === 3 && v.column === 2")
    keyboard.press("-")
    settled(notebook, "Matrix", "(v, a) => v.queue === 1 && v.row === 1")
    keyboard.press("s")
    settled(notebook, "Matrix", "(v, a) => v.queue === 2 && v.similarity === 1")
    assert agreed(notebook, "Matrix", "table")["answer"]["of"] == [1, 2, 0.2]


def test_without_a_kernel_ids_follow_and_nobody_is_drawn(page):
    world: dict = {"np": np, "plots": plots}
    exec(MATRIX.strip().rsplit("\n", 1)[0], world)
    widget = shown(page, world["table"])
    widget.get_by_role("radio", name="similarity: multi-flow").click()
    widget.get_by_text("k−1, id 7 with person 1: multi-flow 0.70, picked as number 2.").wait_for()
    widget.get_by_label("least similarity").focus()
    page.keyboard.press("End")
    widget.get_by_text("less than a link needs. New ids: person 0 → 8, person 1 → 9, person 2 → 10.").wait_for()
    assert "Python" not in widget.locator(".workbook-note").inner_text()
    for rows, people, said in ((0, 2, "New ids: person 0 → 0, person 1 → 1."), (2, 0, "")):
        pose = [np.tile(STANDING, (n, 1, 1)) for n in (rows, people)]
        w = SimilarityMatrix({"s": np.zeros((rows, people))}, [0, 1][:rows], [1, 1][:rows], pose[0], None, pose[1])
        widget = shown(page, w)
        assert widget.locator(".workbook-words").inner_text() == said
        widget.press("ArrowDown")
    assert not page.failures


def test_a_similarity_of_zero_is_less_than_any_link_needs(page):
    pose = np.tile(STANDING, (1, 1, 1))
    widget = shown(page, SimilarityMatrix({"s": np.zeros((1, 1))}, [0], [1], pose, None, pose, link=0.0))
    widget.get_by_text("s 0.00, less than a link needs. New ids: person 0 → 1.").wait_for(timeout=2000)


# --- all three ------------------------------------------------------------------------------------------------

SMALL = {
    "heat": lambda: HeatmapExplorer(title="Heat"),
    "flow": lambda: FlowField(np.full((2, 90, 160, 3), 99, np.uint8), {"a": np.ones((90, 160, 2))}, [STANDING]),
    "matrix": lambda: SimilarityMatrix({"s": np.ones((2, 2))}, [0, 1], [1, 1], *[np.tile(STANDING, (2, 1, 1))] * 3),
}


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
