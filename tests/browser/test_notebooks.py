"""Notebooks as a reader has them: run to the end in JupyterLab, then played, dragged, moved and clicked."""

import time

import pytest

from helpers.skeleton import INDEX
from tests.browser.conftest import ROOT
from tests.browser.test_pose_editor import Edited


@pytest.fixture
def run(open_notebook, capsys):
    """run("05"): a notebook that has run to its end, without an error in its page; prints how long that took."""
    opened = []

    def run(number):
        (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
        begun = time.perf_counter()
        opened.append(open_notebook(path))
        with capsys.disabled():
            print(f"\n{path.stem}: run in JupyterLab in {time.perf_counter() - begun:.0f} s")
        assert not opened[-1].errors
        return opened[-1]

    yield run
    for notebook in opened:
        notebook.close()


def changes(notebook, label, act):
    """Do something to a widget; its picture must be another afterwards. Returns what it shows then."""
    widget = notebook.widget(label)
    before = notebook.pixels(widget)
    act(widget)
    notebook.page.wait_for_timeout(700)
    assert notebook.pixels(widget) != before, f"{label}: the same picture"
    return notebook.numbers(label)


def say(capsys, notebook, *labels):
    with capsys.disabled():
        for label in labels:
            print(f"  {label}: {notebook.times(label)}")


def test_00_plays_and_stops_at_switches(run, capsys):
    notebook = run("00")
    label = "The clip, tracked from frame to frame"
    start = notebook.numbers(label)["view"]["frame"]

    def play(widget):
        widget.focus()
        notebook.page.keyboard.press(" ")
        notebook.page.wait_for_timeout(900)
        notebook.page.keyboard.press(" ")

    assert changes(notebook, label, play)["view"]["frame"] > start
    switches = notebook.python("player.switches()")
    at = changes(notebook, label, lambda widget: notebook.page.keyboard.press("n"))["view"]["frame"]
    assert at in [frame for frame, *_ in switches] and notebook.python("player.view['frame']") == at
    both = changes(notebook, "The tracker beside perfect ids", lambda widget: widget.press("End"))
    assert both["answer"] == notebook.python("live.answer")
    assert both["answer"]["tracker"]["switches so far"] == len(switches)
    say(capsys, notebook, label, "The tracker beside perfect ids")


def test_01_a_joint_is_dragged_and_the_numbers_are_those_of_python(run, capsys):
    notebook = run("01")
    widget, mouse = notebook.widget("Drag a joint"), notebook.page.mouse
    edited, window = Edited(notebook.page, widget, "Drag a joint"), notebook.python("drag.scene['window']")
    before, pixels = edited.state()["answer"], notebook.pixels(widget)
    x, y = edited.at(edited.joint("right_wrist"), window)
    mouse.move(x, y)
    mouse.down()
    for k in range(1, 41):
        mouse.move(x + 2 * k, y + k)
        notebook.page.wait_for_timeout(25)
    mouse.up()
    notebook.page.wait_for_timeout(700)
    after, j = edited.state(), INDEX["right_wrist"]
    assert after["answer"] == notebook.python("drag.answer") != before and notebook.pixels(widget) != pixels
    assert after["view"]["xy"][0][2 * j : 2 * j + 2] == notebook.python(f"drag.view['xy'][0][{2 * j}:{2 * j + 2}]")
    assert after["answer"]["numbers"]["frame: MOTA"] < before["numbers"]["frame: MOTA"]
    lanes = changes(notebook, "Who is who", lambda widget: widget.press("n"))
    assert lanes["view"]["frame"] in [frame for frame, *_ in notebook.python("lanes.switches(list(sides)[0])")]
    slid = changes(notebook, "Sliders: threshold", lambda widget: widget.locator("input").first.press("End"))
    assert slid["view"] == {"threshold": 0.95} and slid["answer"] == notebook.python("live.answer")
    say(capsys, notebook, "Drag a joint", "Who is who", "Sliders: threshold")


def test_05_a_cell_is_clicked_and_the_frame_is_another(run, capsys):
    notebook = run("05")

    def click(widget):
        box = widget.locator("canvas").first.bounding_box()
        for share in (0.3, 0.5, 0.6):
            notebook.page.mouse.click(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
            notebook.page.wait_for_timeout(400)

    start = notebook.numbers("Both thresholds")["view"]
    seen = changes(notebook, "Both thresholds", click)
    assert seen["view"] != start and seen["answer"] == notebook.python("plane.answer")
    say(capsys, notebook, "Both thresholds")


def test_06_pairs_are_forced_and_the_steps_play(run, capsys):
    notebook = run("06")

    def force(widget):
        widget.focus()
        for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
            notebook.page.keyboard.press(key)

    forced = changes(notebook, "Matching, played", force)
    assert len(forced["view"]["forced"]) == 1 and forced["view"]["forced"] == notebook.python("played.view['forced']")
    assert forced["view"]["forced"][0] in forced["answer"]["Hungarian"]["pairs"]
    assert forced["answer"] == notebook.python("played.answer")

    def play(widget):
        widget.get_by_role("radio", name="show: Hungarian").click()
        widget.focus()
        notebook.page.keyboard.press(" ")
        notebook.page.wait_for_timeout(1500)
        notebook.page.keyboard.press(" ")

    assert changes(notebook, "Matching, played", play)["view"]["step"] >= 1
    say(capsys, notebook, "Matching, played")
