"""Notebooks as a reader has them: run to the end in JupyterLab, then used."""

import time

import pytest

from tests.browser.conftest import ROOT


def run(open_notebook, capsys, number):
    """A notebook that has run to its end, without an error in its page; prints how long that took."""
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    begun = time.perf_counter()
    notebook = open_notebook(path)
    with capsys.disabled():
        print(f"\n{path.stem}: run in JupyterLab in {time.perf_counter() - begun:.0f} s")
    assert not notebook.errors
    return notebook


@pytest.mark.parametrize("number", ["00", "01", "05", "06"])
def test_run(open_notebook, capsys, number):
    run(open_notebook, capsys, number)
