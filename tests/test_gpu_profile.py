"""The gpu profile of every notebook that has one of its own runs to its end, in miniature on a processor.

Notebooks that never ask for the profile do in it what they do in the laptop profile, which nbval runs.
One class per notebook, so that two processes share the work.
"""

import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
WALKED = ("01", "03", "04", "07", "08", "09")
#: Two steps per training and two runs; every network and every cell all the same, with a build folder of its own.
PARAMETERS = """profile, budget, seeds = "gpu", 2, seeds[:2]
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from helpers import places
places.BUILD = Path({build!r})"""


def asks_for_the_profile(notebook) -> bool:
    """Whether a cell reads profile or budget for more than to check or to record it."""
    code = [
        c.source for c in notebook.cells if c.cell_type == "code" and "parameters" not in c.metadata.get("tags", [])
    ]
    lines = [line.partition("#")[0] for source in code for line in source.splitlines()]
    elsewhere = [line for line in lines if not re.search(r"\.(checked|record)\(", line)]
    return any(re.search(r"\b(profile|budget)\b", line) for line in elsewhere)


def test_every_notebook_with_a_profile_of_its_own_is_walked():
    asking = [path.stem[:2] for path in sorted(FOLDER.glob("*.ipynb")) if asks_for_the_profile(nbformat.read(path, 4))]
    assert tuple(asking) == WALKED


class _Walk:
    number = ""

    def test_the_gpu_profile_runs_to_its_end(self, monkeypatch, tmp_path):
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        (path,) = FOLDER.glob(f"{self.number}_*.ipynb")
        notebook = nbformat.read(path, 4)
        at = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
        own = PARAMETERS.format(root=str(FOLDER.parent), build=str(tmp_path))
        notebook.cells.insert(at + 1, nbformat.v4.new_code_cell(own))
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(FOLDER)}}).execute()


for _number in WALKED:
    globals()[f"TestNotebook{_number}"] = type(f"TestNotebook{_number}", (_Walk,), {"number": _number})
