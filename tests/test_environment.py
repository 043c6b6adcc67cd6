"""The same packages wherever they are named, no import that runs upward, files that say nothing they must not."""

import ast
import graphlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import helpers

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DIRECT = [r for group in (PROJECT["dependencies"], *EXTRAS.values()) for r in group if PROJECT["name"] not in r]
LOCK = dict(line.split(" ;")[0].split("==") for line in (ROOT / "requirements.txt").read_text().splitlines())


def test_conda_users_get_the_same_packages():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert conda[-1]["pip"] == DIRECT and f"python{PROJECT['requires-python']}" in conda


def test_every_package_says_where_it_is_used():
    for file in ("pyproject.toml", "environment.yml"):
        text = (ROOT / file).read_text()
        for requirement in DIRECT:
            assert re.search(rf"{re.escape(requirement)}[\",]*\s+# \w", text), f"{file}: {requirement} has no comment"


@pytest.mark.parametrize("requirement", DIRECT)
def test_the_lock_satisfies(requirement):
    r = Requirement(requirement)
    assert Version(LOCK[r.name]) in r.specifier


def test_the_lock_is_exact_and_names_no_index():
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9._-]+==[^\s;]+( ; .+)?", line), line


def imported(file):
    """(module, name) of every import of a file, also inside functions; name is None for `import module`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: relative imports hide where a module lies"
            yield from ((node.module, alias.name) for alias in node.names)


def test_an_import_of_helpers_is_a_declared_package():
    names = {"cv2": "opencv-python", "yaml": "pyyaml", "PIL": "pillow", "IPython": "ipython"}
    direct = {Requirement(r).name for r in DIRECT} - {Requirement(r).name for r in EXTRAS["test"]}
    for file in (ROOT / "helpers").rglob("*.py"):
        modules = {module.split(".")[0] for module, _ in imported(file)} - sys.stdlib_module_names - {"helpers"}
        assert {names.get(m, m.replace("_", "-")) for m in modules} <= direct, file.name


def arrows(package):
    """Module → the modules of the same package that it imports, by their dotted names."""
    parts = {file: file.relative_to(package.parent).with_suffix("").parts for file in package.rglob("*.py")}
    modules = {".".join(p).removesuffix(".__init__"): file for file, p in parts.items()}
    out = {}
    for module, file in modules.items():
        pairs = [(m, n) for m, n in imported(file) if m.split(".")[0] == package.name]
        out[module] = {f"{m}.{n}" if f"{m}.{n}" in modules else m for m, n in pairs} - {module}
    return out


def faults(package, table):
    """What is wrong with a package, in words, after the table of its floors in a docstring (highest first)."""
    rows = re.findall(r"^ {4} ?(\d+)  (.+)$", table, re.M)
    floor = {room: int(number) for number, rooms in rows for room in rooms.split()}
    graph = arrows(package)
    room = {module: (module.split(".") + [""])[1] for module in graph}  # "": the package itself, which is under all
    floor[""] = 0
    for module, targets in graph.items():
        if room[module] not in floor:
            yield f"{module}: {room[module]} has no floor"
            continue
        for target in targets:
            here, there = room[module], room[target]
            if here != there and floor.get(there, 99) >= floor[here]:
                yield f"{module} imports {target}, which is not below it"
    for lost in floor.keys() - set(room.values()):
        yield f"{lost}: has a floor, but no file"
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield f"a circle: {' → '.join(error.args[1])}"


def test_no_import_runs_upward_and_every_file_has_a_room():
    assert list(faults(ROOT / "helpers", helpers.__doc__)) == []


TABLE = """A made-up house::

    10  attic
     2  bath  hall
     1  cellar
"""


@pytest.mark.parametrize(
    "file, text, fault",
    [
        ("hall.py", "from house import cellar\nimport house.cellar", None),
        ("hall.py", "from house import bath", "house.hall imports house.bath, which is not below it"),
        ("cellar.py", "import house.attic", "house.cellar imports house.attic, which is not below it"),
        (
            "cellar.py",
            "def f():\n    from house.bath.tub import x",
            "house.cellar imports house.bath.tub, which is not",
        ),
        ("__init__.py", "from house import cellar", "house imports house.cellar, which is not below it"),
        ("shed.py", "", "house.shed: shed has no floor"),
        ("bath/tap.py", "from house.bath import tub", "a circle: "),
    ],
)
def test_a_fault_of_the_house_is_found(tmp_path, file, text, fault):
    house = tmp_path / "house"
    (house / "bath").mkdir(parents=True)
    for name in ("__init__", "attic", "hall", "cellar", "bath/__init__", "bath/tub", "bath/tap"):
        (house / f"{name}.py").write_text("")
    (house / "bath" / "tub.py").write_text("from house.bath import tap\n")
    (house / file).write_text(text)
    found = list(faults(house, TABLE))
    assert (found == []) if fault is None else (len(found) == 1 and found[0].startswith(fault))


def test_no_file_of_helpers_is_longer_than_400_lines():
    for file in (ROOT / "helpers").rglob("*.py"):
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 400, file


def test_only_two_rooms_know_jupyter():
    for file in (ROOT / "helpers").rglob("*.py"):
        if not {"notebook", "reproduce", "reproduce.py"} & set(file.relative_to(ROOT / "helpers").parts):
            for module, _ in imported(file):
                assert not re.match(r"IPython|ipywidgets|nb\w+|papermill|jupyter", module), file


@pytest.mark.parametrize(
    "module, sentence",
    [
        (
            "raise ImportError('libGL.so.1: cannot open shared object file')",
            "error: OpenCV: cannot be imported (libGL.so.1: cannot open shared object file); install the system's "
            "library (Debian, Ubuntu: apt-get install libgl1 libglib2.0-0), or install opencv-python-headless "
            "in place of opencv-python.\n",
        ),
        ("raise ModuleNotFoundError()", "error: OpenCV: is not installed; pip install opencv-python brings it.\n"),
    ],
)
def test_a_missing_library_of_opencv_is_one_sentence_with_both_remedies(tmp_path, module, sentence):
    (tmp_path / "cv2.py").write_text(module)
    done = subprocess.run(
        [sys.executable, "-m", "helpers", "puppets", tmp_path / "out", "--videos", "1"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, sentence)


def test_files_carry_no_absolute_paths():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    for name in files:
        if name.endswith((".py", ".md", ".yaml", ".yml", ".toml", ".ipynb", ".json", ".csv", "Makefile", "run")):
            found = re.search(r"(?<![\w.$}])/(?:work|home|root|tmp)/\w", (ROOT / name).read_text(encoding="utf-8"))
            assert not found, f"{name}: {found.group()}"
