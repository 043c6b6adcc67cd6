"""The driver on tiny notebooks: parameters, resume, staging, failures, canonical rewriting."""

import errno
import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers import WorkbookError, ledger, reproduce

PARAMETERS = 'profile = "laptop"  # laptop or gpu\ndataset = "puppets"  # puppets, somof, bonn\nseeds = [0]  # any\n'
WRITE = """import os, pathlib
out = pathlib.Path(os.environ["POSE_WORKBOOK_OUT"])
(out / "{n}_count.csv").write_text(f"{{seeds}}\\n")"""


def write(folder, name, *cells):
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# t"),
            new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
            *map(new_code_cell, cells),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture
def workbook(tmp_path, monkeypatch):
    """A workbook of two small notebooks in a folder of its own, run in this process."""
    for name in ("notebooks", "figures", "build"):
        (tmp_path / name).mkdir()
    (tmp_path / "requirements.txt").write_text("x==1\n")
    (tmp_path / "README.md").write_text("top\n<!-- ledger -->\n<!-- /ledger -->\nend\n")
    monkeypatch.setattr(reproduce, "ROOT", tmp_path)
    for constant, folder in (("NOTEBOOKS", "notebooks"), ("FIGURES", "figures"), ("BUILD", "build")):
        monkeypatch.setattr(reproduce, constant, tmp_path / folder)
    monkeypatch.setattr(reproduce, "ProcessPoolExecutor", InThisProcess)
    monkeypatch.setenv("POSE_WORKBOOK_OUT", "")
    write(tmp_path / "notebooks", "01_one", WRITE.format(n="01"))
    write(tmp_path / "notebooks", "02_two", WRITE.format(n="02"), "2 + 2")
    return tmp_path


class InThisProcess:
    """Stands in for the process pool, so that the folders above are the ones used."""

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, *arguments):
        from concurrent.futures import Future

        future = Future()
        future.set_result(function(*arguments))
        return future


def ran(capsys):
    """Names that the closing table does not call unchanged."""
    lines = capsys.readouterr().out.strip().splitlines()
    return [line.split()[0] for line in lines if line[:2].isdigit() and "unchanged" not in line]


def test_runs_publishes_and_resumes(workbook, capsys):
    assert reproduce.reproduce() == 0
    assert ran(capsys) == ["01_one", "02_two"]
    assert (workbook / "figures" / "01_count.csv").read_text() == "[0]\n"
    assert "| paper |" in (workbook / "README.md").read_text()
    assert json.loads((workbook / "figures" / "ledger.json").read_text())
    reproduce.reproduce()
    assert ran(capsys) == []
    (workbook / "figures" / "02_count.csv").write_text("edited by hand")
    reproduce.reproduce()
    assert ran(capsys) == ["02_two"]
    write(workbook / "notebooks", "01_one", WRITE.format(n="01") + "\n# changed")
    reproduce.reproduce()
    assert ran(capsys) == ["01_one"]
    reproduce.reproduce(["02"], extra={"seeds": [7]})
    assert ran(capsys) == ["02_two"] and (workbook / "figures" / "02_count.csv").read_text() == "[7]\n"


def test_a_failure_is_one_line_keeps_old_figures_and_the_rest_runs(workbook, capsys):
    reproduce.reproduce()
    write(workbook / "notebooks", "01_one", WRITE.format(n="01").replace("{seeds}", "new"), "1 / 0")
    assert reproduce.reproduce() == 1
    out = capsys.readouterr().out
    assert "ZeroDivisionError" in out and "01_one" in out
    assert (workbook / "figures" / "01_count.csv").read_text() == "[0]\n"
    assert not list((workbook / "build").glob("*.staging"))


def test_files_a_notebook_no_longer_writes_disappear(workbook):
    reproduce.reproduce()
    (workbook / "figures" / "02_old.csv").write_text("stale")
    reproduce.reproduce(fresh=True)
    assert not (workbook / "figures" / "02_old.csv").exists() and (workbook / "figures" / "01_count.csv").exists()


def test_a_foreign_file_name_is_refused(workbook, capsys):
    write(workbook / "notebooks", "01_one", WRITE.format(n="02"))
    assert reproduce.reproduce(["01"]) == 1 and "must start with 01_" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, names",
    [
        (dict(names=["07"]), "'07'"),
        (dict(profile="huge"), "'huge'"),
        (dict(dataset="coco"), "coco"),
        (dict(extra={"sedes": [1]}), "sedes"),
        (dict(jobs=0), "--jobs 0"),
        (dict(update=True, profile="gpu"), "--update"),
    ],
)
def test_bad_requests_are_refused_before_anything_runs(workbook, arguments, names):
    with pytest.raises(WorkbookError, match=names):
        reproduce.reproduce(**arguments)
    assert not list((workbook / "figures").iterdir())


def test_update_twice_changes_nothing_the_second_time(workbook):
    write(
        workbook / "notebooks",
        "02_two",
        WRITE.format(n="02"),
        "import ipywidgets\nprint('a')\nprint('b')\nipywidgets.IntSlider()",
    )
    reproduce.reproduce(update=True)
    first = (workbook / "notebooks" / "02_two.ipynb").read_bytes()
    assert b"execution_count" in first and b"model_id" not in first and b"iopub" not in first
    reproduce.reproduce(update=True)
    assert (workbook / "notebooks" / "02_two.ipynb").read_bytes() == first


def test_disk_full_while_publishing_is_one_sentence(workbook, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "figures/01_count.csv")

    monkeypatch.setattr(reproduce, "_publish", full)
    assert reproduce.reproduce(["01"]) == 1
    assert "No space left" in capsys.readouterr().out and not list((workbook / "figures").glob("01_*"))


def test_a_notebook_waits_for_what_it_shows(workbook, monkeypatch):
    monkeypatch.setattr(reproduce, "NEEDS", {"01": ("02",)})
    order = []
    monkeypatch.setattr(reproduce, "run_notebook", lambda path, *_: order.append(path.stem) or "failed on purpose")
    reproduce.reproduce()
    assert order == ["02_two", "01_one"]


def test_a_second_run_at_the_same_time_is_refused(workbook):
    with reproduce._one_run_at_a_time(), pytest.raises(WorkbookError, match="another run"):
        reproduce.reproduce()


def test_needs_name_notebooks_that_exist():
    assert {n for pair in reproduce.NEEDS.items() for n in (pair[0], *pair[1])} <= {
        p.stem[:2] for p in reproduce.all_notebooks()
    }
    assert ledger.FIGURES == reproduce.FIGURES
