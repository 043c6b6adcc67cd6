"""The pose editor in a browser: joints dragged, hidden and chosen by mouse, finger and keys, also without kernel."""

import statistics

import numpy as np
import pytest

from helpers.notebook import plots
from helpers.notebook.widgets import PoseEditor
from helpers.skeleton import INDEX

EDITOR = """
import numpy as np
from helpers.notebook import plots
from helpers.notebook.widgets import PoseEditor
from helpers.people import people
from helpers.skeleton import JOINTS

pose = plots.standing_pose()

def distance(xy, present):
    return np.linalg.norm(xy[0] - xy[1], axis=-1).max()

def shown(xy, present):
    return present[0].sum()

def right(xy, present):
    near = np.linalg.norm(xy[0] - xy[1], axis=-1) <= 12
    return {name: near[j] and present[0, j] for j, name in enumerate(JOINTS)}

def bounded(xy, present):
    if xy[0, :, 1].min() < -20:
        raise ValueError("too <b>high</b>")
    return "low enough"

measures = {"distance": distance, "shown": shown, "right": right, "bounded": bounded}
others = people(xy=np.stack([pose + [3, 0], pose[::-1]]), frame=[1, 2], track=[0, 5])
w = PoseEditor(np.stack([pose, pose]), measures=measures, around={"half a head": np.full(15, 12.)},
               hills={"OKS": np.full(15, 8.)}, choices=others, window=(-60, -40, 160, 240), title="Edited")
both = PoseEditor(np.stack([pose, pose + [60, 0]]), measures={"distance": distance}, fixed=False, title="Both")
"""
POSE = plots.standing_pose()


@pytest.fixture(scope="module")
def notebook(open_notebook):
    return open_notebook([EDITOR, "w", "both"])


class Edited:
    """An editor on a page: where its joints are, and what it says."""

    def __init__(self, page, root, label: str):
        self.page, self.root, self.label = page, root, label
        self.canvas = root.locator("canvas")

    def state(self) -> dict:
        source = "l => { const w = workbook.widgets.filter(w => w.label === l && w.root.offsetParent).at(-1);"
        return self.page.evaluate(
            source + " return {view: w.view(), answer: w.answer(), times: w.times}; }", self.label
        )

    def joint(self, name: str, pose: int = 0) -> list[float]:
        j = INDEX[name]
        return self.state()["view"]["xy"][pose][2 * j : 2 * j + 2]

    def at(self, xy, window=(-60, -40, 160, 240)) -> tuple[float, float]:
        """Where a place of the poses lies on the page."""
        box = self.canvas.bounding_box()
        scale = box["width"] / (window[2] - window[0])
        return box["x"] + (xy[0] - window[0]) * scale, box["y"] + (xy[1] - window[1]) * scale

    def drag(self, start, end, steps: int = 8) -> None:
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move(*end, steps=steps)
        mouse.up()
        self.settle()

    def settle(self) -> None:
        self.page.wait_for_timeout(250)

    def reset(self) -> None:
        self.root.get_by_role("button", name="reset").click()
        self.settle()


@pytest.fixture
def edited(notebook):
    notebook.page.keyboard.up("Shift")
    editor = Edited(notebook.page, notebook.widget("Edited"), "Edited")
    editor.reset()
    return editor


def test_a_dragged_joint_moves_the_picture_and_python_answers(notebook, edited):
    before = edited.canvas.screenshot()
    x, y = POSE[INDEX["right_wrist"]]
    edited.drag(edited.at((x, y)), edited.at((x - 30, y - 40)), steps=40)
    state = edited.state()
    np.testing.assert_allclose(edited.joint("right_wrist"), (x - 30, y - 40), atol=0.5)
    assert edited.canvas.screenshot() != before
    assert state["answer"] == notebook.python("w.answer") and notebook.python("w.view['xy']") == state["view"]["xy"]
    assert abs(state["answer"]["numbers"]["distance"] - 50) < 0.6
    assert [j for j, ok in enumerate(state["answer"]["joints"]["right"]) if not ok] == [INDEX["right_wrist"]]
    assert "14 of 15" in edited.root.inner_text() and "low enough" in edited.root.inner_text()
    redraw, trip = (statistics.median(state["times"][name]) for name in ("redraw", "trip"))
    print(f"\npose editor, 40 moves: redraw {redraw:.1f} ms, round trip {trip:.0f} ms (medians)")
    assert not notebook.errors


def test_one_callback_that_raises_has_its_own_line(edited):
    x, y = POSE[INDEX["head_top"]]
    edited.drag(edited.at((x, y)), edited.at((x, y - 35)))
    assert "bounded: ValueError: too <b>high</b>" in edited.root.inner_text()
    assert abs(edited.state()["answer"]["numbers"]["distance"] - 35) < 1, "the other measures still answer"
    edited.reset()
    assert "ValueError" not in edited.root.inner_text()


def test_shift_and_limbs_move_a_whole_pose(edited):
    page, nose = edited.page, POSE[INDEX["nose"]]
    page.keyboard.down("Shift")
    edited.drag(edited.at(nose), edited.at(nose + [20, 10]))
    page.keyboard.up("Shift")
    moved = np.reshape(edited.state()["view"]["xy"][0], (15, 2)) - POSE
    np.testing.assert_allclose(moved, np.tile([20, 10], (15, 1)), atol=0.6)
    shin = (POSE[INDEX["right_ankle"]] + POSE[INDEX["right_knee"]]) / 2 + [20, 10]
    edited.drag(edited.at(shin), edited.at(shin - [20, 10]))
    np.testing.assert_allclose(np.reshape(edited.state()["view"]["xy"][0], (15, 2)), POSE, atol=1)
    assert np.array_equal(np.reshape(edited.state()["view"]["xy"][1], (15, 2)), POSE), "a fixed pose stays"


def test_keys_choose_move_hide_and_reset(notebook, edited):
    keyboard = edited.page.keyboard
    edited.page.mouse.click(*edited.at(POSE[INDEX["nose"]]))
    for key in ("]", "ArrowRight", "Shift+ArrowDown", "ArrowUp"):
        keyboard.press(key)
    np.testing.assert_allclose(edited.joint("head_top"), POSE[INDEX["head_top"]] + [1, 9])
    keyboard.press("h")
    edited.settle()
    assert edited.state()["answer"]["numbers"]["shown"] == 14 == notebook.python("w.answer")["numbers"]["shown"]
    assert edited.root.get_by_role("button", name="show head top").get_attribute("aria-pressed") == "false"
    keyboard.press("Delete")
    keyboard.press("[")
    keyboard.press("2")
    assert edited.root.get_by_text("true is fixed.").count() and edited.state()["view"]["pose"] == 0
    keyboard.press("c")
    assert edited.state()["view"]["ring"] == 1
    keyboard.press("c")
    assert edited.state()["view"]["ring"] == -1
    keyboard.press("c")
    assert edited.state()["view"]["ring"] == 0
    keyboard.press("r")
    edited.settle()
    assert notebook.python("w.answer")["numbers"]["shown"] == 15 and edited.joint("head_top") == [50, 4]


def test_tab_goes_from_joint_to_joint_and_then_on(edited):
    edited.page.mouse.click(*edited.at(POSE[INDEX["nose"]]))
    edited.page.keyboard.press("Tab")
    assert edited.state()["view"]["joint"] == INDEX["head_top"]
    edited.page.keyboard.press("Shift+Tab")
    assert edited.state()["view"]["joint"] == INDEX["nose"]
    for _ in range(2):
        edited.page.keyboard.press("Tab")
    assert edited.page.evaluate("() => document.activeElement.tagName") != "CANVAS", "the last joint's Tab goes on"


def test_double_click_and_legend_hide_a_joint(edited):
    before = edited.canvas.screenshot()
    edited.page.mouse.dblclick(*edited.at(POSE[INDEX["left_wrist"]]))
    edited.settle()
    assert edited.state()["view"]["present"][0][INDEX["left_wrist"]] is False
    assert edited.state()["answer"]["numbers"]["shown"] == 14 and edited.canvas.screenshot() != before
    edited.root.get_by_role("button", name="show left wrist").click()
    edited.settle()
    assert edited.state()["answer"]["numbers"]["shown"] == 15


def test_a_pose_is_picked_from_the_data_set(notebook, edited):
    edited.root.locator("select").select_option(label="frame 2, track 5")
    edited.settle()
    np.testing.assert_allclose(np.reshape(edited.state()["view"]["xy"][0], (15, 2)), POSE[::-1])
    edited.root.get_by_role("button", name="previous pose of the data set").click()
    edited.settle()
    assert edited.state()["view"]["choice"] == [0, -1] == notebook.python("w.view['choice']")
    assert notebook.python("w.answer")["numbers"]["distance"] == 3


def test_hovering_names_a_joint(edited):
    edited.page.mouse.move(*edited.at((-50, 230)))
    edited.settle()
    before = edited.canvas.screenshot()
    edited.page.mouse.move(*edited.at(POSE[INDEX["left_knee"]]))
    edited.settle()
    assert edited.canvas.screenshot() != before


def test_both_poses_move_where_none_is_fixed(notebook):
    both = Edited(notebook.page, notebook.widget("Both"), "Both")
    window, nose = notebook.python("both.scene['window']"), POSE[INDEX["nose"]] + [60, 0]
    both.drag(both.at(nose, window), both.at(nose + [10, 0], window))
    assert abs(both.joint("nose", 1)[0] - nose[0] - 10) < 0.6 and both.state()["view"]["pose"] == 1
    notebook.page.keyboard.press("1")
    notebook.page.keyboard.press("ArrowLeft")
    both.settle()
    assert both.joint("nose")[0] == POSE[INDEX["nose"], 0] - 1
    assert notebook.python("both.answer")["numbers"]["distance"] == both.state()["answer"]["numbers"]["distance"] > 70


@pytest.fixture(scope="module")
def alone(browser):
    """The form without a kernel on a page that is touched; its numbers are those that Python gave once."""
    w = PoseEditor(
        np.stack([POSE, POSE]), measures={"first": lambda xy, present: xy[0, 0, 0]}, window=(-60, -40, 160, 240),
        around={"half a head": np.full(15, 12.0)}, title="Alone",
    )  # fmt: skip
    context = browser.new_context(has_touch=True, viewport={"width": 700, "height": 900})
    page = context.new_page()
    page.set_content(f"<body>{w.without_kernel()}</body>")
    page.locator(".workbook canvas").wait_for()
    yield Edited(page, page.locator(".workbook"), "Alone")
    context.close()


def test_without_a_kernel_joints_move_and_old_numbers_are_called_old(alone):
    assert "38.00" in alone.root.inner_text() and "Old numbers" not in alone.root.inner_text()
    before, (x, y) = alone.canvas.screenshot(), POSE[INDEX["left_ankle"]]
    alone.drag(alone.at((x, y)), alone.at((x + 40, y)))
    assert abs(alone.joint("left_ankle")[0] - x - 40) < 0.6 and alone.canvas.screenshot() != before
    text = alone.root.inner_text()
    assert "Old numbers, not of these poses." in text and "run the cell" in text and "38.00" in text
    alone.reset()
    assert "Old numbers" not in alone.root.inner_text(), "after a reset they are right again"


def test_a_finger_drags_a_joint_and_taps_twice_to_hide_it(alone):
    alone.reset()
    x, y = alone.at(POSE[INDEX["right_elbow"]])
    touch = alone.page.context.new_cdp_session(alone.page)
    for kind, k in (("touchStart", 0), *(("touchMove", k) for k in range(5, 45, 5)), ("touchEnd", None)):
        points = [] if k is None else [{"x": x - k, "y": y + k}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    alone.settle()
    assert alone.joint("right_elbow")[0] < POSE[INDEX["right_elbow"], 0] - 10
    alone.reset()
    for _ in range(2):
        alone.page.touchscreen.tap(x, y)
    alone.settle()
    assert alone.state()["view"]["present"][0][INDEX["right_elbow"]] is False
