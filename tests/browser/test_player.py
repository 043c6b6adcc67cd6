"""The clip player in a browser: played, scrubbed, stepped, pinned; without a kernel, and with one that is gone."""

import statistics

import pytest

CLIP = """
import numpy as np
from helpers import puppets
from helpers.detections.filters import keep_confident
from helpers.detections.simulated import simulate_detections
from helpers.notebook.plots import standing_pose
from helpers.notebook.widgets import Player
from helpers.people import Video, people
from helpers.tracking import controls, track
from helpers.tracking.frame_to_frame import FrameToFrame

video = puppets.videos("val", n=16, labelled="all")[15]
found = keep_confident(simulate_detections(video, seed=0), 0.5, 0.5)
tracked = track(found, FrameToFrame(), len(video))
w = Player(video, {"tracker": tracked, "perfect": controls.truth_ids(found, video.people)}, video.people, title="Two")
"""
SCORED = """
rng = np.random.default_rng(0)
boxes = [np.column_stack([np.tile([20, 20, 60, 60], (12, 1)) + 9 * np.arange(12)[:, None], rng.random(12)])
         for _ in range(len(video))]
scored = tracked.replace(score=rng.random(len(tracked)))
s = Player(video, scored, video.people, boxes={"proposals": boxes}, above={"score": 0.5}, title="Scored")
"""
CROWD = """
n, T = 200, 80
rng = np.random.default_rng(0)
xy = standing_pose() * 0.15 + rng.uniform(0, 1, (n, 1, 1, 2)) * [300, 140] + rng.normal(0, 1, (n, T, 15, 2))
many = people(frame=np.tile(np.arange(T), n), xy=xy.reshape(-1, 15, 2), track=np.repeat(np.arange(n), T))
c = Player(Video("crowd", (320, 180), np.ones(T, bool), many), many, title="Crowd")
"""


@pytest.fixture(scope="module")
def notebook(open_notebook):
    return open_notebook([CLIP, SCORED, CROWD, "w", "s", "c"])


def frame(notebook, label="Two"):
    return notebook.numbers(label)["view"]["frame"]


def settle(notebook, milliseconds=250):
    notebook.page.wait_for_timeout(milliseconds)


def painted(notebook, widget, k=0):
    """PNG of one canvas of a widget."""
    return notebook.pixels(widget.locator("canvas").nth(k))


def press(notebook, widget, *keys):
    widget.focus()
    for key in keys:
        notebook.page.keyboard.press(key)
    settle(notebook)


def test_it_plays_and_pauses_and_python_knows_where(notebook):
    widget = notebook.widget("Two")
    before = painted(notebook, widget)
    press(notebook, widget, "Space")
    settle(notebook, 600)
    first = frame(notebook)
    settle(notebook, 400)
    second = frame(notebook)
    press(notebook, widget, "Space")
    stopped = frame(notebook)
    settle(notebook, 300)
    assert 0 < first < second <= stopped == frame(notebook) < 40, "half speed is twelve frames a second"
    assert notebook.python("w.view['frame']") == stopped and painted(notebook, widget) != before
    assert notebook.python("w.answer") == notebook.numbers("Two")["answer"] and not notebook.errors


def test_it_is_faster_at_twice_the_speed_and_starts_again_at_the_end(notebook):
    widget = notebook.widget("Two")
    press(notebook, widget, "End", "ArrowLeft", "+", "+", "+", "Space")
    settle(notebook, 900)
    press(notebook, widget, "Space")
    assert 20 < frame(notebook) < 70, "from the end over the start, with up to 48 frames a second"
    press(notebook, widget, "End", "ArrowLeft", "l", "Space")
    settle(notebook, 500)
    assert frame(notebook) == notebook.python("len(video)") - 1, "without the loop it stays at the end"
    press(notebook, widget, "l", "-", "-", "Home", "ArrowRight", "ArrowRight", "ArrowLeft")
    assert frame(notebook) == 1 and notebook.python("w.view['frame']") == 1


def test_the_switch_keys_go_where_python_says(notebook):
    widget, switches = notebook.widget("Two"), notebook.python("w.switches('tracker')")
    press(notebook, widget, "Home", "n")
    assert frame(notebook) == switches[0][0]
    press(notebook, widget, "n", "n")
    t, person, before, after = switches[2]
    words = f"switch 3 of {len(switches)}: frame {t}, tracker, person {person} was {before} and is now {after}"
    widget.get_by_text(words, exact=True).wait_for()
    so_far = notebook.python("w.answer['tracker']['switches so far']")
    now = notebook.python("w.answer['tracker']")
    words = f"{now['found']} of {now['found'] + now['missed']} people found, "
    widget.get_by_text(f"tracker: {words}{so_far} of {len(switches)} switches so far").wait_for()
    widget.get_by_text(f"perfect: {words}0 of 0 switches so far").wait_for()
    press(notebook, widget, "p")
    assert frame(notebook) == switches[1][0]
    widget.get_by_role("button", name="next switch (n)").click()
    press(notebook, widget, "Home", "p")
    assert frame(notebook) == switches[-1][0], "before the first comes the last"


def test_the_lanes_are_dragged_through_and_a_row_is_pinned(notebook):
    widget, mouse = notebook.widget("Two"), notebook.page.mouse
    press(notebook, widget, "Home", "Escape")
    lanes = widget.locator("canvas").nth(1)
    box, before = lanes.bounding_box(), painted(notebook, widget)
    row = box["y"] + 2.5 * 18
    mouse.move(box["x"] + 0.3 * box["width"], row)
    settle(notebook)
    assert painted(notebook, widget, 2) != before and notebook.python("w.view['person']") is None, "hovering isolates"
    mouse.down()
    seen = []
    for share in (0.4, 0.6, 0.8):
        mouse.move(box["x"] + share * box["width"], row)
        settle(notebook, 80)
        seen.append(frame(notebook))
    mouse.up()
    settle(notebook)
    view = notebook.python("w.view")
    assert seen == sorted(set(seen)) and abs(seen[-1] - 0.8 * 79) < 5
    assert view == {"frame": seen[-1], "person": None}, "a drag moves through time alone"
    mouse.click(box["x"] + 0.8 * box["width"], row)
    settle(notebook)
    assert notebook.python("w.view['person']") == notebook.python("w.scene['sides'][0]['who'][2]")
    widget.press("Escape")
    settle(notebook)
    assert notebook.python("w.view['person']") is None


def test_a_click_on_a_person_isolates_that_person_in_both_pictures(notebook):
    widget, mouse = notebook.widget("Two"), notebook.page.mouse
    press(notebook, widget, "Home")
    mouse.move(5, 5)
    settle(notebook)
    others = painted(notebook, widget, 2)
    x, y = notebook.python("tracked.xy[tracked.frame == 0][1][tracked.present[tracked.frame == 0][1]][0].tolist()")
    picture = widget.locator("canvas").first
    box = picture.bounding_box()
    picture.click(position={"x": x * box["width"] / 320, "y": y * box["height"] / 180})
    mouse.move(5, 5)
    settle(notebook)
    who = notebook.python("int(controls.truth_ids(tracked, video.people).track[tracked.frame == 0][1])")
    assert notebook.python("w.view['person']") == who == notebook.numbers("Two")["view"]["person"]
    assert painted(notebook, widget, 2) != others
    has = notebook.python("int(tracked.track[tracked.frame == 0][1])")
    widget.get_by_text(f"tracker: frame 0, person {who}: has id {has} · perfect: frame 0, person {who}: has").wait_for()
    press(notebook, widget, "ArrowDown")
    following = notebook.python(f"(lambda k: k[(k.index({who}) + 1) % len(k)])(w.scene['sides'][0]['who'])")
    assert notebook.python("w.view['person']") == following
    press(notebook, widget, "Escape")


def test_python_moves_the_player_too(notebook):
    widget = notebook.widget("Two")
    before = painted(notebook, widget)
    notebook.python("w.move(frame=40, person=None)")
    settle(notebook)
    assert frame(notebook) == 40 and painted(notebook, widget) != before


def test_a_score_hides_boxes_people_and_their_part_of_the_lanes(notebook):
    widget = notebook.widget("Scored")
    before = [painted(notebook, widget, k) for k in (0, 1)]
    inputs = widget.locator("input")
    inputs.nth(2).focus()
    for _ in range(2):
        notebook.page.keyboard.press("PageUp")
    inputs.nth(1).fill("0.9")
    settle(notebook)
    view, answer = notebook.python("s.view"), notebook.python("s.answer")
    assert view == notebook.numbers("Scored")["view"] and view["score"] > 0.6 and view["proposals"] == 0.9
    widget.get_by_text(f"0.90: {answer['proposals']} of 12 proposals").wait_for()
    assert all(painted(notebook, widget, k) != old for k, old in enumerate(before))
    switches = notebook.python("s.switches()")
    press(notebook, widget, "n")
    assert frame(notebook, "Scored") == switches[0][0], "switches of those above the score"


def test_a_key_on_the_slider_steps_and_space_still_plays(notebook):
    widget = notebook.widget("Two")
    press(notebook, widget, "Home")
    widget.locator("input").first.focus()
    notebook.page.keyboard.press("ArrowRight")
    settle(notebook)
    assert frame(notebook) == 1
    notebook.page.keyboard.press(" ")
    settle(notebook, 500)
    notebook.page.keyboard.press(" ")
    assert frame(notebook) > 1


@pytest.mark.parametrize("label", ["Two", "Crowd"])
def test_a_frame_is_drawn_within_sixteen_milliseconds(notebook, label, capsys):
    widget = notebook.widget(label)
    press(notebook, widget, "Home", "+", "Space")
    settle(notebook, 2500)
    press(notebook, widget, "Space", "-")
    times = sorted(notebook.numbers(label)["redraw"][-40:])
    with capsys.disabled():
        print(f"\nplayer {label}: redraw median {statistics.median(times):.1f}, p95 {times[37]:.1f} ms", end="")
    assert len(times) == 40


def test_it_plays_without_a_kernel(notebook, browser):
    form = notebook.python("w.without_kernel()")
    assert len(form) < 600_000
    page = browser.new_page(viewport={"width": 900, "height": 700})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_content(f"<!doctype html><body>{form}</body>")
    widget = page.locator(".workbook")
    widget.wait_for()
    widget.focus()
    state = "() => window.workbook.widgets[0].view()"
    start = page.evaluate(state)["frame"]
    before = widget.locator("canvas").first.screenshot()
    page.keyboard.press("Space")
    page.wait_for_timeout(700)
    page.keyboard.press("Space")
    assert page.evaluate(state)["frame"] != start and widget.locator("canvas").first.screenshot() != before
    page.keyboard.press("Home")
    page.keyboard.press("n")
    widget.get_by_text("switch 1 of").wait_for()
    assert page.evaluate(state)["frame"] == notebook.python("w.switches('tracker')[0][0]") and not errors
    assert "kernel" not in widget.inner_text() and "Python" not in widget.inner_text(), "it needs none and says nothing"
    page.close()


def test_it_plays_on_when_the_kernel_is_gone(notebook):
    widget = notebook.widget("Two")
    notebook.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    press(notebook, widget, "Home", "Space")
    settle(notebook, 600)
    press(notebook, widget, "Space", "n")
    assert frame(notebook) > 0
    widget.get_by_text("switch ", exact=False).first.wait_for()
