"""Every notebook's gpu profile runs to its end, in miniature on a processor: all networks trained."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
#: Two steps per training; every network and every cell all the same, with a build folder of its own.
PARAMETERS = """profile, budget = "gpu", 2
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from helpers import places
places.BUILD = Path({build!r})"""


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_gpu_profile_runs_to_its_end(path, monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(path, 4)
    at = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    notebook.cells.insert(
        at + 1, nbformat.v4.new_code_cell(PARAMETERS.format(root=str(FOLDER.parent), build=str(tmp_path)))
    )
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(FOLDER)}}).execute()
