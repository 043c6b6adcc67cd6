"""environment.yml, pyproject.toml and the lock name the same packages; files say nothing they must not."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DIRECT = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
OPTIONAL = PROJECT["optional-dependencies"]["trackers"]
LOCK = dict(line.split("==") for line in (ROOT / "requirements.txt").read_text().split() if "==" in line)


def test_conda_users_get_the_same_packages():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert conda[-1]["pip"] == DIRECT and f"python{PROJECT['requires-python']}" in conda


def test_every_package_says_where_it_is_used():
    for file in ("pyproject.toml", "environment.yml"):
        text = (ROOT / file).read_text()
        for requirement in DIRECT:
            assert re.search(rf"{re.escape(requirement)}[\",]*\s+# \w", text), f"{file}: {requirement} has no comment"


@pytest.mark.parametrize("requirement", DIRECT + OPTIONAL)
def test_the_lock_satisfies(requirement):
    r = Requirement(requirement)
    assert Version(LOCK[r.name]) in r.specifier


def test_the_lock_is_exact_and_names_no_index():
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9._-]+==[^\s;]+( ; .+)?", line), line


def test_an_import_of_helpers_is_a_declared_package():
    names = {"cv2": "opencv-python-headless", "yaml": "pyyaml"}
    direct = {Requirement(r).name for r in PROJECT["dependencies"] + OPTIONAL}
    for file in (ROOT / "helpers").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            modules = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or "helpers"]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            for module in {m.split(".")[0] for m in modules} - sys.stdlib_module_names - {"helpers"}:
                assert names.get(module, module) in direct, f"{file.name} imports {module}"


def test_a_lower_floor_never_imports_a_higher_one():
    floors = [
        "skeleton",
        "people",
        "geometry",
        "datasets",
        "puppets",
        "evaluation",
        "papers",
        "ledger",
        "nets",
        "weights",
        "training",
        "tracking",
        "plots",
        "exercises",
        "widgets",
        "reproduce",
        "__main__",
    ]
    lazily = {("datasets", "puppets")}  # load("puppets") is the one door to all data
    for file in (ROOT / "helpers").rglob("*.py"):
        here = file.relative_to(ROOT / "helpers").parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("helpers"):
                continue
            parts = node.module.split(".")
            for there in [parts[1]] if len(parts) > 1 else [a.name for a in node.names]:
                if there in floors and here in floors and (here, there) not in lazily:
                    assert floors.index(there) <= floors.index(here), f"{file.name} imports {there}"


def test_only_two_helpers_know_jupyter():
    for file in (ROOT / "helpers").rglob("*.py"):
        if file.name not in ("widgets.py", "reproduce.py"):
            assert not re.search(
                r"^\s*(import|from) (IPython|ipywidgets|nb\w+|papermill|jupyter\w*)", file.read_text(), re.M
            ), file


def test_files_carry_no_absolute_paths():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    for name in files:
        if name.endswith((".py", ".md", ".yaml", ".yml", ".toml", ".ipynb", ".json", ".csv", "Makefile")):
            found = re.search(r"(?<![\w.$}])/(work|home|root|tmp)/\w", (ROOT / name).read_text())
            assert not found or name == "tests/test_environment.py", f"{name}: {found.group()}"
