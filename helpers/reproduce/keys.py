"""What makes a run the same run: one hash over all that a notebook reads, and what was written when it ended."""

import contextlib
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from helpers import datasets
from helpers.files import write_atomically
from helpers.reproduce.workbook import Notebook, Workbook

#: Below the workbook's root, and which files there; what a run may make itself is in `MADE`.
READ = [("helpers", f"*.{kind}") for kind in ("py", "txt", "js", "css")]
READ += [("requirements.txt", "*"), ("data/artefacts.yaml", "*")]
READ += [(f"data/{part}", "*") for part in ("papers", "predictions", "weights")]
MADE = [("build/predictions", "*"), ("build/weights", "*")]


def shared(book: Workbook, data: Iterable[str]) -> str:
    """Hash of what every notebook reads: Python, packages, helpers, papers, networks, predictions, these real data.

    By content, always; only real data are read again just where a size or a time has changed.
    """
    packages = sorted({f"{d.name} {d.version}" for d in metadata.distributions()})
    digest = hashlib.sha256(json.dumps([sys.version, packages, of_files(book, READ)]).encode())
    store = book.build / "hashes.json"
    known, seen = _known(store), {}
    for name, file in _real(data):
        status = file.stat()
        entry = known.get(str(file))
        if not isinstance(entry, list) or entry[:2] != [status.st_size, status.st_mtime_ns]:
            entry = [status.st_size, status.st_mtime_ns, content(file)]
        seen[str(file)] = entry
        digest.update(f"{name} {entry[2:]}".encode())
    if seen != known:
        write_atomically(store, json.dumps(seen).encode())
    return digest.hexdigest()


def of_files(book: Workbook, places: Iterable[tuple[str, str]]) -> str:
    """Hash over names and content of the files in folders of the workbook that match a pattern."""
    files = (f for place, pattern in places for f in _sorted(book.root / place, pattern))
    named = [[f.relative_to(book.root).as_posix(), content(f)] for f in files]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def _real(names: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """(name under which it counts, file) of the real data sets that are found."""
    for name in names:
        if folder := datasets.find(name):
            yield from ((f"{name}/{file.relative_to(folder).as_posix()}", file) for file in _sorted(folder))


def _sorted(folder: Path, pattern: str = "*") -> list[Path]:
    """The files in a folder or the one file itself; links that lead nowhere are no files."""
    return sorted(f for f in ([folder] if folder.is_file() else folder.rglob(pattern)) if f.is_file())


def _known(store: Path) -> dict:
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(store.read_bytes())
        return known if isinstance(known, dict) else {}
    return {}


def of_run(notebook: Notebook, parameters: dict, common: str, records: Path) -> str:
    """Key of one run: its code (not its text), parameters, what all share, and the records that it shows."""
    cells = [c for c in notebook.content.cells if c.cell_type == "code"]
    code = [[c.source, c.metadata.get("tags", [])] for c in cells]
    digest = hashlib.sha256(
        json.dumps([notebook.name, code, sorted(parameters.items()), common], default=repr).encode()
    )
    if notebook.reads_records:
        for file in _sorted(records):
            digest.update(f"{file.name} {content(file)}".encode())
    return digest.hexdigest()


def content(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# --- what was written when a run ended ---------------------------------------------------------------


def write_stamp(out: Path, notebook: Notebook, key: str, minutes: float, files: Iterable[Path]) -> None:
    outputs = {file.relative_to(out).as_posix(): content(file) for file in files}
    stamp = {"key": key, "minutes": minutes, "outputs": outputs}
    write_atomically(out / f"{notebook.name}.json", json.dumps(stamp, indent=1).encode())


def read_stamp(out: Path, notebook: Notebook) -> dict:
    """What `write_stamp` wrote (key, minutes, outputs), or {} where there is none that can be used."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        stamp = json.loads((out / f"{notebook.name}.json").read_bytes())
        return {"key": str(stamp["key"]), "minutes": float(stamp["minutes"]), "outputs": dict(stamp["outputs"].items())}
    return {}


def finished(out: Path, notebook: Notebook, key: str) -> bool:
    """The notebook has run to its end with this key, and what it wrote is still there unchanged."""
    stamp = read_stamp(out, notebook)
    with contextlib.suppress(OSError):
        return stamp.get("key") == key and all(content(out / f) == h for f, h in stamp["outputs"].items())
    return False
