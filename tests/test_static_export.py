"""What a reader without kernel sees of every widget: pictures with words, in the notebooks and in their HTML."""

import re

import nbformat
import pytest
from nbconvert import HTMLExporter

from helpers import reproduce

PATHS = reproduce.all_notebooks()
FORM = re.compile(r'data-workbook="(\w+)"')


def forms(notebook):
    """(cell, place of the output) of the stored form of every widget."""
    for cell in notebook.cells:
        for i, output in enumerate(cell.get("outputs", ())):
            if FORM.search(output.get("data", {}).get("text/html", "")):
                yield cell, i


def shows_a_widget(cell):
    """Whether a code cell ends with a widget, by the check that stands in every such cell."""
    return cell.cell_type == "code" and re.search(r"^\w+\.check\(", cell.source, re.M)


@pytest.fixture(scope="module", params=PATHS, ids=lambda p: p.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def test_every_widget_leaves_a_picture_and_a_form(notebook):
    cells = {cell.id for cell, _ in forms(notebook)}
    assert cells == {cell.id for cell in notebook.cells if shows_a_widget(cell)} and cells
    for cell, i in forms(notebook):
        picture = cell.outputs[i - 1]
        assert "image/png" in picture.data and len(picture.metadata["image/png"]["alt"]) > 5, cell.source
        assert "application/vnd.jupyter.widget-view+json" not in str(cell.outputs)


def test_no_output_is_the_raw_text_of_a_widget(notebook):
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            text = output.get("data", {}).get("text/plain", "")
            assert not re.search(r"(Slider|Image|VBox|Widget)\(|object at 0x", text), cell.source


def test_the_html_export_shows_the_pictures_and_carries_the_forms(notebook):
    html, _ = HTMLExporter().from_notebook_node(notebook)
    stored = list(forms(notebook))
    for cell, i in stored:
        picture = html.find("".join(cell.outputs[i - 1].data["image/png"].split())[:2000])
        assert -1 < picture < html.find(FORM.search(cell.outputs[i].data["text/html"]).group()), cell.source
    assert len(set(FORM.findall(html))) == len(stored) and html.count("startStored(") >= len(stored)
    assert not re.search(r">\s*(Error displaying|Loading) widget", html) and not re.search(
        r'src="https?://(?!cdnjs|cdn)', html
    )
