"""The wheel, built and used in a clean environment from another folder: no torch, no Jupyter, no repository."""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

import helpers
from helpers import ledger, puppets
from helpers.__main__ import main
from helpers.datasets.posetrack_writing import write_posetrack18
from tests.test_platforms import ROOT, uv

CONTENTS = ("helpers", "data/papers", "figures/*_record.json", "pyproject.toml", "setup.py", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy of the tracked and new files, beside what an older build left of a module deleted since."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("source")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *CONTENTS], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    for name in filter(lambda name: (ROOT / name).exists(), listed):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "build/lib/helpers").mkdir(parents=True)
    (folder / "build/lib/helpers/deleted.py").touch()
    uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "-o", "wheels", folder=folder)
    return next((folder / "wheels").glob("*.whl"))


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory):
    """run(*arguments): the installed command in a folder of its own."""
    folder = tmp_path_factory.mktemp("elsewhere")
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    uv("venv", "--python", sys.executable, "venv", folder=folder)
    uv("pip", "install", "--python", folder / "venv", "-c", ROOT / "requirements.txt", wheel, folder=folder)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "POSE_WORKBOOK"))}

    def run(*arguments, program="pose-tracking-workbook"):
        command = [scripts / program, *arguments]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    folder = tmp_path_factory.mktemp("annotations")
    write_posetrack18(folder, puppets.videos("val", n=2, render=False))
    return folder


def test_it_holds_every_file_of_helpers_the_papers_and_the_records(wheel):
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("helpers/")}
    expected = {file.relative_to(ROOT).as_posix() for file in (ROOT / "helpers").rglob("*.py")}
    expected |= {f"helpers/published/{file.name}" for file in (ROOT / "data" / "papers").glob("*.yaml")}
    expected |= {f"helpers/records/{file.name}" for file in (ROOT / "figures").glob("*_record.json")}
    scripts = (ROOT / "helpers" / "notebook" / "widgets" / "js").iterdir()
    expected |= {file.relative_to(ROOT).as_posix() for file in scripts}
    assert inside == expected | {"helpers/datasets/hashes.txt"}


def test_the_version_stands_in_one_place(wheel, run):
    assert run("--version").stdout == helpers.__version__ + "\n" and f"-{helpers.__version__}-" in wheel.name
    for file in ("pyproject.toml", "CITATION.cff", "README.md", "setup.py"):
        assert helpers.__version__ not in (ROOT / file).read_text(), file


def test_it_brings_neither_torch_nor_jupyter(run):
    there = "import importlib.util as u; print([m for m in {} if u.find_spec(m)])"
    wanted = ("torch", "pandas", "cv2", "matplotlib", "IPython", "papermill", "helpers")
    assert run("-c", there.format(wanted), program="python").stdout == "['helpers']\n"


def test_evaluate_and_track_give_the_repositorys_numbers(run, truth, tmp_path):
    done = run("track", truth, "--method", "keypoints", "--out", tmp_path / "installed")
    assert done.returncode == 0, done.stderr
    assert main(["track", str(truth), "--method", "keypoints", "--out", str(tmp_path / "here")]) == 0
    done = run("evaluate", truth, tmp_path / "installed", "--json", tmp_path / "installed.json")
    assert done.returncode == 0, done.stderr
    assert main(["evaluate", str(truth), str(tmp_path / "here"), "--json", str(tmp_path / "here.json")]) == 0
    assert (tmp_path / "installed.json").read_bytes() == (tmp_path / "here.json").read_bytes()


def test_ledger_prints_the_published_verdicts(run):
    done = run("ledger", "--json")
    assert json.loads(done.stdout) == ledger.ledger(), done.stderr


def test_python_m_helpers_is_the_same_command(run):
    assert run("-m", "helpers", "--version", program="python").stdout == helpers.__version__ + "\n"


def test_what_is_not_there_is_one_sentence(run):
    done = run("reproduce", "06")
    assert done.returncode == 1 and done.stderr.endswith(
        "notebooks: is missing; reproduce works inside a clone of the workbook's repository.\n"
    )
    assert done.stderr.count("\n") == 1
    done = run("puppets", "out", "--videos", "1")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        "error: OpenCV: is not installed; pip install opencv-python brings it.",
    )


def test_a_missing_package_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert main(["puppets", "nowhere"]) == 1
    assert capsys.readouterr().err == (
        "error: puppets: needs tqdm, which is not installed; "
        "pip install '.[notebooks]' in a clone of the workbook brings it.\n"
    )
