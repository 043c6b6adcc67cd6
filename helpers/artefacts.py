"""What ships in data/weights and data/predictions: one row per file in data/artefacts.yaml.

A row says how its file is made again (`python -m helpers train|predict ID`) and which SHA-256 it
has. The names are written down; the configuration inside a weight file checks, it does not name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
    joints were found; frozen: on clips without motion; score_floor: boxes must score more.
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

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return path_of(self.kind, self.id)


def path_of(kind: str, name: str, data: Path | None = None) -> Path:
    """Where weights or predictions of a name lie below a folder, None = where they ship."""
    return Path(data or ROOT) / kind / (f"{name}.safetensors.xz" if kind == "weights" else f"{name}.npz")


@cache
def rows(file: Path | None = None) -> tuple[Artefact, ...]:
    """All rows. Raises WorkbookError where the list cannot be read or a row has a field that is not known."""
    try:
        listed = yaml.safe_load(Path(file or FILE).read_text(encoding="utf-8"))
        return tuple(Artefact(**row) for row in listed)
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise WorkbookError(f"{file or FILE}: is no list of artefacts ({str(error).splitlines()[0]}).") from None


def find(**wanted: object) -> Artefact | None:
    """The row with these fields, or None: find(kind="predictions", plan="tubes-2d-scratch", seed=0, …)."""
    return next((row for row in rows() if all(getattr(row, k) == v for k, v in wanted.items())), None)


def row(name: str) -> Artefact:
    """The row of an id. Raises WorkbookError for one that is not listed."""
    found = find(id=name)
    if found is None:
        raise WorkbookError(f"artefact {name!r} is unknown; `python -m helpers predict --list` shows all.")
    return found


def content(path: Path) -> bytes:
    """A file's bytes. Raises WorkbookError if it is missing, or a shipped one that is not the one listed."""
    path = Path(path)
    try:
        found = path.read_bytes()
    except OSError as error:
        raise WorkbookError(f"{path}: is missing." if not path.exists() else f"{path}: {error.strerror}.") from None
    listed = next((r for r in rows() if r.path == path), None)
    if listed and listed.sha256 != hashlib.sha256(found).hexdigest():
        raise WorkbookError(f"{path}: is not the file that data/artefacts.yaml lists (its SHA-256 differs).")
    return found


def publish(name: str, made: bytes) -> None:
    """Put a file in the place of a row's, and its SHA-256 into the list."""
    old = row(name)
    write_atomically(old.path, made)
    write([replace(r, sha256=hashlib.sha256(made).hexdigest()) if r == old else r for r in rows()])


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
