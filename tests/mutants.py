"""Do the tests notice? One-line faults of tests/mutants.yaml are planted one by one, each in a copy of the tree.

`make mutants` runs it; it is no part of `make test`. A row names a file, one line's old and new text, and the
tests that should turn red. A fault is *killed* if they do; tests that hang are counted apart, and those that are
all skipped, as the widgets' scripts' are where no browser is installed, count for nothing. The command fails below
90 %, in all or in any room with at least ten faults.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
ROWS = Path(__file__).with_name("mutants.yaml")
#: What a copy of the tree holds, and what it only points to.
COPIED, LINKED = ("helpers", "tests"), ("data", "figures", "notebooks")
#: Seconds after which a test run counts as hanging, and the share of faults that must be noticed.
PATIENCE, BAR = 300, 0.9


def rows(file: Path = ROWS) -> list[dict]:
    """The planted faults. Raises ValueError for one whose old text does not stand in its file exactly once."""
    out = yaml.safe_load(file.read_text(encoding="utf-8"))
    for row in out:
        text = (ROOT / row["file"]).read_text(encoding="utf-8")
        if text.count(row["old"]) != 1:
            raise ValueError(f"{row['file']}: {row['old']!r} stands there {text.count(row['old'])} times, not once.")
        if row["file"].endswith(".py"):
            ast.parse(text.replace(row["old"], row["new"]))
    return out


def room(row: dict) -> str:
    """The room of a fault: the folder below helpers, or helpers itself."""
    parts = Path(row["file"]).parts
    return parts[1] if len(parts) > 2 else "helpers"


def notices(row: dict | None, tests: tuple[str, ...]) -> str:
    """What the tests say in a copy of the tree with the fault planted (None: without any).

    SURVIVED, killed, hung, or skipped where none of them ran.
    """
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        _plant(row, tree)
        command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider"]
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run([*command, *tests], cwd=tree, env=environment, capture_output=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return "hung"
        if done.returncode not in (0, 1):
            raise RuntimeError(
                f"pytest {' '.join(tests)} ended with {done.returncode}:\n{done.stdout.decode()[-2000:]}"
            )
        if done.returncode:
            return "killed"
        return "SURVIVED" if b" passed" in done.stdout else "skipped"


def _plant(row: dict | None, tree: Path) -> None:
    """A copy of what the tests need, with the fault in it."""
    for name in COPIED:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in LINKED:
        (tree / name).symlink_to(ROOT / name)
    for file in ROOT.iterdir():
        if file.is_file() and file.name != ".git":
            shutil.copy(file, tree)
    if row is not None:
        path = tree / row["file"]
        path.write_text(path.read_text(encoding="utf-8").replace(row["old"], row["new"]), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Plant the faults, print who noticed; 0 if enough are noticed everywhere, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=main.__doc__)
    parser.add_argument("rooms", nargs="*", help="only these rooms; none = all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--rows", type=Path, default=ROWS, help="another file of faults")
    chosen = parser.parse_args(arguments)
    planted = [row for row in rows(chosen.rows) if not chosen.rooms or room(row) in chosen.rooms]
    if not planted:
        parser.error(f"no faults in {', '.join(chosen.rooms)}")
    with ThreadPoolExecutor(chosen.jobs) as pool:
        sets = sorted({tuple(row["tests"]) for row in planted})
        before = list(pool.map(lambda tests: notices(None, tests), sets))
        if red := [" ".join(t) for t, said in zip(sets, before, strict=True) if said not in ("SURVIVED", "skipped")]:
            print(f"red without any fault: {'; '.join(red)}")
            return 1
        said = []
        for row, what in zip(planted, pool.map(lambda r: notices(r, tuple(r["tests"])), planted), strict=True):
            said.append(what)
            print(f"{what:9} {row['file']}: {row['old'].strip()} → {row['new'].strip()}", flush=True)
    return _report(planted, said)


def _report(planted: list[dict], said: list[str]) -> int:
    print(f"\n{'room':14}{'killed':>8}{'hung':>6}{'of':>5}")
    enough = True
    for name in [*sorted({room(row) for row in planted}), "all"]:
        tried = [(row, what) for row, what in zip(planted, said, strict=True) if what != "skipped"]
        of_room = [what for row, what in tried if name in ("all", room(row))]
        print(f"{name:14}{of_room.count('killed'):8}{of_room.count('hung'):6}{len(of_room):5}")
        noticed = len(of_room) - of_room.count("SURVIVED")
        enough &= noticed >= BAR * len(of_room) or (name != "all" and len(of_room) < 10)
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
