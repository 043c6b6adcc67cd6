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


def test_two_views_of_one_widget_stay_together(open_notebook):
    both = open_notebook([SLIDERS, "s", "s"])
    views = both.page.locator(".workbook").locator("visible=true")
    assert views.count() == 2
    for k, key in ((0, "ArrowRight"), (1, "ArrowRight"), (0, "ArrowRight")):
        views.nth(k).locator("input").first.press(key)
        both.page.wait_for_timeout(400)
    assert both.python("s.view['a']") == 6
    assert [views.nth(k).locator("output").first.inner_text() for k in range(2)] == ["6", "6"]
    both.page.wait_for_timeout(3200)
    assert "No answer" not in both.page.locator(".jp-NotebookPanel").inner_text()


KEPT = """
class Kept(Sliders):
    stored = True

Kept(draw, a=(0, 8, 1, 2), b=(0.0, 1.0, 0.5, 0.5), title="kept")
"""


@pytest.fixture(scope="module")
def saved(open_notebook):
    """A notebook with two widgets that was run and saved, as the kernel is about to go."""
    notebook = open_notebook([SLIDERS, "s", KEPT], name="saved.ipynb")
    notebook.page.wait_for_timeout(500)
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    notebook.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    return notebook


def test_a_notebook_that_is_opened_again_shows_stored_forms_instead_of_errors(saved, open_notebook):
    again = open_notebook(saved.path, run=False, name="again.ipynb")
    form = again.page.locator('.workbook[aria-label="kept"]').locator("visible=true")
    form.wait_for(timeout=20_000)
    again.page.wait_for_timeout(1500)
    text = again.page.locator(".jp-NotebookPanel").inner_text()
    assert "Error displaying widget" not in text and "Loading widget" not in text
    pictures = again.page.locator(".jp-OutputArea img").locator("visible=true")
    assert pictures.count() == 2  # the strip of the first, and the picture of the second's form
    form.locator("input").first.press("ArrowRight")
    form.get_by_text("These numbers come from Python").wait_for()


def test_an_untrusted_notebook_shows_its_pictures(saved, open_notebook):
    """A clone is not trusted: no script runs, and no picture inside HTML is shown."""
    text = saved.path.read_text().replace(
        "nine cannot be drawn", "9 cannot be drawn"
    )  # its signature is of other bytes
    (saved.path.parent / "from_elsewhere").mkdir(exist_ok=True)
    path = saved.path.parent / "from_elsewhere" / "clone.ipynb"
    path.write_text(text)
    clone = open_notebook(path, run=False, name="clone.ipynb")
    clone.page.locator(".jp-OutputArea img").first.wait_for()
    assert clone.page.locator(".jp-OutputArea img").locator("visible=true").count() == 2
    assert clone.page.locator(".workbook").count() == 0
    assert clone.page.get_by_text("kept: run the cell in JupyterLab to use it.").count() == 1


def test_a_kernel_that_is_gone_is_said(saved):
    widget = saved.widget("Sliders: a, b")
    saved.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    saved.page.wait_for_timeout(500)
    widget.locator("input").first.press("ArrowRight")
    widget.get_by_text("No answer from the kernel yet.").wait_for(timeout=10_000)
    assert widget.locator("output").first.inner_text() == "4", "the slider moves nevertheless"


def test_redraws_and_round_trips_are_printed(notebook, capsys):
    widget = notebook.widget("Sliders: a, b")
    for _ in range(10):
        widget.locator("input").nth(1).press("ArrowLeft")
        notebook.page.wait_for_timeout(60)
    times = notebook.numbers("Sliders: a, b")
    with capsys.disabled():
        print("\nsliders:", notebook.times("Sliders: a, b"))
    assert len(times["trip"]) >= 3 and len(times["redraw"]) >= 10
