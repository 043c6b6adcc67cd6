"""The attention view under mouse and keys, with the reference encoder on two puppet poses."""

import json

import pytest

# A demonstration notebook: one person at two moments, a second to exchange, and the reference encoder.
IMPORTS = """
import numpy as np
from helpers import puppets
from helpers.nets import attention
from helpers.notebook.widgets import AttentionView
"""
POSES = """
video = puppets.videos("val", n=1, first=2, render=False, labelled="all")[0]
now, later = video.people.at(20), video.people.at(24)
def window(i, j):
    return np.stack([now.xy[i], later.xy[j]]), np.stack([now.present[i], later.present[j]])
"""
WIDGET = """
attend = attention.pose_attention(attention.seeded(), *window(2, 2))
w = AttentionView(*window(2, 2), attend, attention.token_names(2), {"another person": window(2, 5)},
                  title="Attention, reference encoder")
w.check(mode="rollout", layer=1, head=0, token=20, choice=1)
w
"""
# Layers and heads as many as KeyTrack's.
LARGE = """
large = attention.pose_attention(attention.seeded(32, 4, 4, 32), *window(2, 2))
def two_numbers(xy, present):
    said = large(xy, present)
    return said | {"probability": {"match": said["probability"], "no match": 1 - said["probability"]}}
big = AttentionView(*window(2, 2), two_numbers, attention.token_names(2), title="Attention with a class token")
big
"""
CELLS = [IMPORTS, POSES, WIDGET, LARGE]
NAME = "Attention, reference"
BIG = "Attention with a class"


@pytest.fixture(scope="module")
def notebook(open_notebook):
    return open_notebook(CELLS)


@pytest.fixture
def widget(notebook):
    """The reference encoder's view where it stood at first."""
    found = notebook.widget(NAME)
    notebook.page.mouse.move(5, 5)
    start = {"mode": "raw", "layer": 0, "head": "mean", "token": -1, "partner": -1, "direction": "from", "lines": 12}
    assert notebook.python(f"bool(w.move(**{start}, choice=0, moved=[], hidden=[]))")
    found.focus()
    settled(notebook)
    return found


def settled(notebook, name=NAME, variable="w"):
    """Wait until Python has answered the last question, and the browser has drawn it."""
    for _ in range(50):
        notebook.page.wait_for_timeout(60)
        state = notebook.numbers(name)
        if notebook.python(f"{variable}.view") == state["view"]:
            notebook.page.wait_for_timeout(60)
            return notebook.numbers(name)
    raise AssertionError("the browser's view never came to Python")


def place(widget, token):
    """Where a token stands on the page."""
    canvas = widget.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box, at = canvas.bounding_box(), json.loads(canvas.get_attribute("data-placed"))[token]
    return box["x"] + at[0], box["y"] + at[1]


def heard(widget):
    """The strongest partners in words, and the line that is read out."""
    return widget.get_by_role("listitem").all_inner_texts(), widget.locator(".workbook-help[role=status]").inner_text()


def spelt(lines):
    """Names and numbers to two digits: small numbers are written with two in the browser."""
    return [(line.split(": ")[0], round(float(line.split(": ")[1]), 2)) for line in lines]


def test_the_words_are_pythons_numbers_in_every_mode_layer_and_head(notebook, widget):
    keyboard, seen = notebook.page.keyboard, set()
    for keys in ([], "m", "m", "l", "m", "e", "e", "d"):
        for key in keys:
            keyboard.press(key)
        state = settled(notebook)
        lines, _ = heard(widget)
        assert spelt(lines) == spelt(notebook.python("w.partners()")[:8]) and len(lines) == 8, state["view"]
        seen.add(notebook.pixels(widget))
    assert len(seen) == 8, "every step is another picture"
    keyboard.press("ArrowDown")
    settled(notebook)
    assert spelt(heard(widget)[0]) == spelt(notebook.python("w.partners()")[:8])


def test_a_joint_that_is_pointed_at_shows_its_row_and_a_click_keeps_it(notebook, widget):
    mouse, before = notebook.page.mouse, notebook.pixels(widget)
    mouse.move(*place(widget, 19))
    notebook.page.wait_for_timeout(100)
    lines, read = heard(widget)
    assert lines and all(line.startswith("left hip (t+1) →") for line in lines) and "row sum 1.00" in read
    assert notebook.pixels(widget) != before and notebook.numbers(NAME)["view"]["token"] == -1
    mouse.move(5, 5)
    notebook.page.wait_for_timeout(100)
    assert not heard(widget)[1].startswith("left hip")
    mouse.click(*place(widget, 19))
    mouse.move(5, 5)
    state = settled(notebook)
    assert state["view"]["token"] == 19 and heard(widget)[1].startswith("left hip (t+1)")
    widget.get_by_role("radio", name="direction: attended by").click()
    settled(notebook)
    assert all("→ left hip (t+1)" in line for line in heard(widget)[0])


def test_a_cell_of_the_matrix_is_read_out(notebook, widget):
    grid = widget.locator("canvas").nth(1)
    grid.scroll_into_view_if_needed()
    box = grid.bounding_box()
    size = (box["width"] - 50) / 31
    notebook.page.mouse.move(box["x"] + 44 + 3.5 * size, box["y"] + 44 + 21.5 * size)
    notebook.page.wait_for_timeout(100)
    value = notebook.python("float(w.matrix()[21, 3])")
    read = heard(widget)[1]
    assert "left ankle (t+1) → right hip (t): " in read
    assert float(read.split("right hip (t): ")[1].split(";")[0]) == pytest.approx(value, abs=6e-3)


def test_a_dragged_joint_moves_weights_and_probability_live(notebook, widget):
    mouse, start = notebook.page.mouse, settled(notebook)
    x, y = place(widget, 22)
    mouse.move(x, y)
    mouse.down()
    probabilities = set()
    for step in range(1, 7):
        mouse.move(x - 8 * step, y - 5 * step)
        notebook.page.wait_for_timeout(120)
        probabilities.add(notebook.numbers(NAME)["answer"]["numbers"]["probability"])
    mouse.up()
    state = settled(notebook)
    assert len(probabilities) >= 4, "numbers follow while the mouse is down"
    ((pose, joint, *at),) = state["view"]["moved"]
    assert (pose, joint) == (1, 6) and state["answer"] == notebook.python("w.answer") != start["answer"]
    moved = f"(lambda xy, p: (xy.__setitem__((1, 6), {at}), attend(xy, p)['probability'])[1])(*window(2, 2))"
    assert state["answer"]["numbers"]["probability"] == pytest.approx(notebook.python(moved), abs=1e-4)
    assert spelt(heard(widget)[0]) == spelt(notebook.python("w.partners()")[:8])
    notebook.page.keyboard.press("Shift+ArrowRight")
    assert settled(notebook)["view"]["moved"][0][2] > at[0]
    widget.get_by_role("button", name="put all joints back").click()
    assert settled(notebook)["answer"] == start["answer"]


def test_people_are_exchanged_and_a_joint_hidden(notebook, widget):
    start = settled(notebook)
    widget.get_by_role("radio", name="people: another person").click()
    state = settled(notebook)
    other = notebook.python("attend(*window(2, 5))['probability']")
    assert state["answer"]["numbers"]["probability"] == pytest.approx(other, abs=1e-4)
    assert state["answer"]["numbers"] != start["answer"]["numbers"]
    notebook.page.mouse.dblclick(*place(widget, 19))
    state = settled(notebook)
    assert state["view"]["hidden"] == [[1, 3]] and state["answer"]["known"][19] == 0
    assert all("left hip (t+1)" not in line for line in heard(widget)[0])
    widget.focus()
    notebook.page.keyboard.press("h")
    assert settled(notebook)["view"]["hidden"] == []


def test_what_attend_raises_is_shown_and_the_picture_stays(notebook):
    widget, keyboard = notebook.widget(BIG), notebook.page.keyboard
    before = settled(notebook, BIG, "big")["answer"]
    x, y = place(widget, 13)
    mouse = notebook.page.mouse
    mouse.move(x, y)
    mouse.down()
    notebook.python("big.__dict__.update(_attend=lambda *_: (_ for _ in ()).throw(ValueError('no model'))) or 1")
    mouse.move(x + 20, y - 10, steps=3)
    mouse.up()
    widget.get_by_text("ValueError: no model").wait_for()
    assert notebook.numbers(BIG)["answer"] == before
    notebook.python("big.__dict__.update(_attend=two_numbers) or 1")
    widget.focus()
    keyboard.press("r")
    widget.get_by_text("ValueError: no model").wait_for(state="detached")


def test_four_layers_of_four_heads_are_fast_and_small(notebook, capsys):
    widget, mouse = notebook.widget(BIG), notebook.page.mouse
    x, y = place(widget, 20)
    mouse.move(x, y)
    mouse.down()
    for step in range(40):
        mouse.move(x + step % 9, y - step)
        notebook.page.wait_for_timeout(25)
    mouse.up()
    settled(notebook, BIG, "big")
    stored = notebook.python("len(big.without_kernel())")
    asked = notebook.python(
        "(lambda t, _, u: 1000 * (u() - t))((n := __import__('time').perf_counter)(), two_numbers(*window(2, 2)), n)"
    )
    with capsys.disabled():
        print(f"\n{BIG} token: {notebook.times(BIG)}, of which attend {asked:.0f} ms; {stored} bytes stored")
        print(f"{NAME} encoder: {notebook.times(NAME)}")
    assert stored < 500_000 and not notebook.errors


def test_without_a_kernel_all_but_new_numbers_works(notebook, widget, browser):
    page = browser.new_page(viewport={"width": 1000, "height": 1100})
    page.set_content(f"<body>{notebook.python('w.without_kernel()')}</body>")
    widget = page.locator(".workbook")
    widget.get_by_role("listitem").first.wait_for()
    partners = notebook.python("w.partners()")
    assert spelt(heard(widget)[0]) == spelt(partners[:8])
    page.mouse.move(*place(widget, 19))
    page.wait_for_timeout(100)
    assert heard(widget)[1].startswith("left hip (t+1): row sum 1.00")
    for name in ("show: rollout", "show: values zeroed", "show: raw attention", "layer: 2", "head: 1"):
        before = widget.screenshot()
        widget.get_by_role("radio", name=name).click()
        page.wait_for_timeout(100)
        assert widget.screenshot() != before and "Python" not in widget.locator(".workbook-note").inner_text()
    x, y = place(widget, 22)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y)
    page.mouse.up()
    page.wait_for_timeout(100)
    assert place(widget, 22) == pytest.approx((x + 30, y), abs=0.5), "the joint follows, only its numbers do not"
    widget.get_by_text("These numbers come from Python").wait_for()
    page.close()


def test_the_words_of_modes_and_what_attention_does_not_say(notebook, widget):
    words = {"show: rollout": ("takes from", "gives to"), "show: values zeroed": ("is moved by", "moves")}
    for name, pair in ({"show: raw attention": ("attends to", "attended by")} | words).items():
        widget.get_by_role("radio", name=name).click()
        notebook.page.wait_for_timeout(100)
        chips = widget.get_by_role("radiogroup", name="direction").get_by_role("radio")
        assert tuple(chips.all_inner_texts()) == pair
        assert [one.get_attribute("aria-label") for one in chips.all()] == [f"direction: {word}" for word in pair]
    settled(notebook)
    moral = notebook.python("w._moral(w.view)")
    assert "(30 tokens; below 0.36 is chance)." in moral and moral in widget.inner_text()
    widget.focus()
    notebook.page.keyboard.press("ArrowDown")
    settled(notebook)
    assert heard(widget)[1].startswith("[CLS]") and heard(widget)[1].endswith("without it probability –")


def test_in_a_dark_page_captions_are_light_and_follow_the_system(notebook, widget, browser):
    page = browser.new_page(viewport={"width": 1000, "height": 1100}, color_scheme="dark")
    page.set_content(f"<body style='color-scheme: light dark'>{notebook.python('w.without_kernel()')}</body>")
    widget = page.locator(".workbook")
    widget.get_by_role("listitem").first.wait_for()
    page.wait_for_timeout(200)
    assert page.evaluate(LIGHTEST) > 240, "the captions are as light as CanvasText on a dark page"
    page.emulate_media(color_scheme="light")
    page.wait_for_timeout(200)
    assert page.evaluate(LIGHTEST) < 60, "and dark on a light one, without a hand on it"
    page.close()


# The lightest red of what is opaque in the captions above the columns, beside the scale and above the joints' colours.
LIGHTEST = """() => {
  const canvas = document.querySelectorAll('.workbook canvas')[1], dense = devicePixelRatio;
  const { data } = canvas.getContext('2d').getImageData(80 * dense, 8 * dense, canvas.width - 86 * dense, 26 * dense);
  let lightest = 0;
  for (let k = 0; k < data.length; k += 4) if (data[k + 3] > 200) lightest = Math.max(lightest, data[k]);
  return lightest;
}"""
ONE = """
xy, present = window(2, 2)
edges = [(j, j) for j in range(15)] + [(1, 2), (2, 1), (2, 8), (8, 2)]
shares = attention.edge_shares(edges, [1.0] * 15 + [3.0] * 4, 15)
AttentionView(xy[:1], present[:1], lambda *_: {"weights": shares, "probability": 0.5}, title="Edges")
"""
MANY = """
xy = np.stack([now.xy[i] for i in (1, 2, 4, 5, 8)]); present = np.stack([now.present[i] for i in (1, 2, 4, 5, 8)])
present[1] = False
AttentionView(xy, present, attend, attention.token_names(5), title="Window of five")
"""


@pytest.mark.parametrize("source, joints, lines", [(ONE, 15, 4), (MANY, 76, 8)], ids=["one pose", "five poses"])
def test_windows_of_other_sizes_are_drawn(browser, source, joints, lines):
    world: dict = {}
    *before, last = source.strip().split("\n")
    exec("\n".join([IMPORTS, POSES, WIDGET.split("w = ")[0], *before]), world)
    page = browser.new_page(viewport={"width": 1000, "height": 1100})
    errors: list = []
    page.on("pageerror", lambda error: errors.append(error))
    page.set_content(f"<body>{eval(last, world).without_kernel()}</body>")
    widget = page.locator(".workbook")
    widget.get_by_role("listitem").first.wait_for()
    placed = json.loads(widget.locator("canvas").first.get_attribute("data-placed"))
    assert len(placed) == joints and widget.get_by_role("listitem").count() == lines and not errors
    box = widget.locator("canvas").first.bounding_box()
    assert all(0 <= p[0] <= box["width"] and 0 <= p[1] <= box["height"] for p in placed if p)
    page.close()
