"""What ships in data/weights and data/predictions: one row per file in data/artefacts.yaml.

A row says how its file is made again (`python -m helpers train|predict ID`) and which SHA-256 it
has. The names are written down; the configuration inside a weight file checks, it does not name.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path

import yaml

from helpers import WorkbookError, places
from helpers.files import write_atomically

ROOT = places.DATA
FILE = ROOT / "artefacts.yaml"


@dataclass(frozen=True)
class Artefact:
    """One file. plan, seed: the network, see `training.stage_one`; sha256 of the file.

    Of predictions besides: the first `videos` of a split; labelled: in their labelled frames
    (of these each `every`-th) or in all; boxes: "own", "truth" or the detector in whose boxes the
    joints were found; frozen: on clips without motion; score_floor: boxes must score more; dense: only in the run of
    neighbouring labelled frames; flow: only the people whom this flow brings from frame to frame besides those in
    the boxes (`predicting.FLOWS`).
    """

    id: str
    kind: str
    plan: str
    seed: int
    sha256: str = ""
    split: str = ""
    videos: int = 0
    labelled: bool = True
    every: int = 1
    boxes: str = "own"
    frozen: bool = False
    score_floor: float = 0.05
    dense: bool = False
    flow: str = ""

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return path_of(self.kind, self.id)


def path_of(kind: str, name: str, data: Path | None = None) -> Path:
    """Where weights or predictions of a name lie below a folder, None = where they ship."""
    return Path(data or ROOT) / kind / (f"{name}.safetensors.xz" if kind == "weights" else f"{name}.npz")


@cache
def rows(file: Path | None = None) -> tuple[Artefact, ...]:
    """All rows. Raises WorkbookError where the list is missing or broken, or a row says what no file can be."""
    file = Path(file or FILE)
    try:
        listed = yaml.safe_load(file.read_text(encoding="utf-8"))
        found = tuple(_row(f"row {n}", fields) for n, fields in enumerate(listed, 1))
        ids = [r.id for r in found]
        if len(set(ids)) < len(ids):
            raise ValueError(f"{max(ids, key=ids.count)} stands there twice")
    except FileNotFoundError:
        raise WorkbookError(f"{file}: is missing; only a clone of the workbook's repository brings it.") from None
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise WorkbookError(f"{file}: is no list of artefacts ({str(error).splitlines()[0]}).") from None
    return found


def _row(where: str, given: dict) -> Artefact:
    """A row whose every field can be. Raises ValueError naming the row and the field."""
    try:
        made = Artefact(**given)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from None
    right = {field.name: type(getattr(made, field.name)) is field.type for field in fields(Artefact)}
    if all(right.values()):
        right |= {
            "id": bool(re.fullmatch(r"[\w-]+", made.id)),
            "kind": made.kind in ("weights", "predictions"),
            "seed": 0 <= made.seed < 10**9,
            "sha256": bool(re.fullmatch("([0-9a-f]{64})?", made.sha256)),
            "videos": made.videos >= (made.kind == "predictions"),
            "every": made.every >= 1,
            "score_floor": 0 <= made.score_floor <= 1,
        }
    wrong = next((name for name, good in right.items() if not good), None)
    if wrong:
        raise ValueError(f"{where}, {made.id}: {wrong} cannot be {getattr(made, wrong)!r}")
    return made


def find(**wanted: object) -> Artefact | None:
    """The row with these fields, or None: find(kind="predictions", plan="tubes-2d-joints", seed=0, …)."""
    return next((row for row in rows() if all(getattr(row, k) == v for k, v in wanted.items())), None)


def row(name: str) -> Artefact:
    """The row of an id. Raises WorkbookError for one that is not listed."""
    found = find(id=name)
    if found is None:
        raise WorkbookError(f"artefact {name!r} is unknown; `python -m helpers predict --list` shows all.")
    return found


def content(path: Path) -> bytes:
    """A file's bytes. Raises WorkbookError if it is missing, or lies among those that ship and is none listed."""
    path = Path(path)
    try:
        found = path.read_bytes()
    except OSError as error:
        raise WorkbookError(f"{path}: is missing." if not path.exists() else f"{path}: {error.strerror}.") from None
    listed = next((r for r in rows() if r.path.resolve() == path.resolve()), None)
    if not listed and path.resolve().parent in [(ROOT / kind).resolve() for kind in ("weights", "predictions")]:
        raise WorkbookError(f"{path}: is no file that data/artefacts.yaml lists.")
    if listed and listed.sha256 != hashlib.sha256(found).hexdigest():
        raise WorkbookError(f"{path}: is not the file that data/artefacts.yaml lists (its SHA-256 differs).")
    return found


def publish(name: str, made: bytes) -> None:
    """Put a file in the place of a row's, and its SHA-256 into the list."""
    with _alone():
        rows.cache_clear()  # another process may have written the list since
        old = row(name)
        write_atomically(old.path, made)
        write([replace(r, sha256=hashlib.sha256(made).hexdigest()) if r == old else r for r in rows()])


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """While it lasts no other process publishes, where the system has such locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    folder = os.open(FILE.parent, os.O_RDONLY)  # the list itself is replaced, its folder stays
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def write(listed: Sequence[Artefact], file: Path | None = None) -> None:
    """Write the list, one line per row, weights first, without the fields that have their default."""
    spare = {f.name: f.default for f in fields(Artefact)}
    lines = [
        yaml.safe_dump(
            {k: v for k, v in asdict(r).items() if v != spare[k]}, default_flow_style=True, sort_keys=False, width=1000
        )
        for r in sorted(listed, key=lambda r: (r.kind != "weights", r.id))
    ]
    header = "# Files that ship: how each is made again (python -m helpers train|predict ID) and its SHA-256.\n"
    write_atomically(file or FILE, (header + "".join(f"- {line}" for line in lines)).encode())
    rows.cache_clear()
