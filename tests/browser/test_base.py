"""The common base in a browser: keys, a slider under the mouse, a callback that raises, a kernel that is gone."""

import pytest

SLIDERS = """
import numpy as np
from helpers.notebook.widgets import Sliders

def draw(a, b):
    if a == 9:
        raise ValueError("nine cannot be drawn")
    image = np.full((120, 300, 3), 240, np.uint8)
    image[20:40, 20 * a : 20 * a + 20] = (200, 30, int(250 * b))
    return image

s = Sliders(draw, a=(0, 10, 1, 3), b=(0.0, 1.0, 0.1, 0.5))
"""


@pytest.fixture(scope="module")
def notebook(open_notebook):
    return open_notebook([SLIDERS, "s"])


def test_a_slider_follows_the_mouse_and_python_follows_the_slider(notebook):
    widget, mouse = notebook.widget("Sliders: a, b"), notebook.page.mouse
    before = notebook.pixels(widget)
    track = widget.locator("input").first.bounding_box()
    mouse.move(track["x"] + 0.3 * track["width"], track["y"] + 8)
    mouse.down()
    seen = set()
    for share in (0.4, 0.5, 0.6):
        mouse.move(track["x"] + share * track["width"], track["y"] + 8)
        notebook.page.wait_for_timeout(200)
        seen.add(notebook.pixels(widget))
    mouse.up()
    notebook.page.wait_for_timeout(200)
    state = notebook.numbers("Sliders: a, b")
    assert len(seen) == 3 and before not in seen, "the picture moves while the mouse is down"
    assert notebook.python("s.view") == state["view"] == {"a": 6, "b": 0.5}
    assert notebook.python("s.answer") == state["answer"] and state["trip"] and not notebook.errors


def test_what_a_callback_raises_stands_in_the_widget_until_the_next_good_view(notebook):
    widget, keyboard = notebook.widget("Sliders: a, b"), notebook.page.keyboard
    widget.locator("input").first.focus()
    keyboard.press("End")
    keyboard.press("ArrowLeft")
    widget.get_by_text("ValueError: nine cannot be drawn").wait_for()
    keyboard.press("ArrowLeft")
    widget.get_by_text("ValueError: nine cannot be drawn").wait_for(state="detached")
    assert notebook.python("s.view['a']") == 8


def test_the_live_widget_hides_its_stored_forms(notebook):
    notebook.page.wait_for_timeout(500)
    outputs = notebook.page.locator(".jp-OutputArea-child").locator("visible=true")
    assert outputs.count() == 1 and "run the cell" not in outputs.first.inner_text()
