"""From `build/` to the committed files: only `--update` does this, and what cannot be computed here is kept."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path

import nbformat

from helpers import WorkbookError, ledger
from helpers.files import load_json, write_atomically
from helpers.reproduce import comparing, running
from helpers.reproduce.workbook import Notebook, Workbook, read_notebook


def gather_records(book: Workbook, out: Path, missing: Iterable[str]) -> None:
    """Fill `records/` with every notebook's newest record, and write the ledger of them.

    A record is taken from this build where there is one, else from the committed figures; results on
    data that are missing here are always the committed ones. Raises WorkbookError for damaged records,
    naming the first; the others are gathered nevertheless.
    """
    folder, damaged = out / "records", []
    files = {f.name: f for place in (book.figures, out / "figures") for f in sorted(place.glob("*_record.json"))}
    for old in folder.glob("*"):
        if old.name not in files:
            old.unlink()
    for name, file in files.items():
        try:
            rows = record(book, file, missing)
            ledger.check_record(file.name, rows)
            write_atomically(folder / name, dump(rows))
        except WorkbookError as error:
            damaged.append(str(error))
            (folder / name).unlink(missing_ok=True)
    if damaged:
        raise WorkbookError(damaged[0])
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "ledger.json", dump(ledger.ledger(folder)))


def record(book: Workbook, file: Path, missing: Iterable[str]) -> dict:
    """A notebook's record, with the committed results on data that are missing here."""
    new, committed = load_json(file), book.figures / file.name
    with contextlib.suppress(KeyError, TypeError, WorkbookError):
        return comparing.keep_rows(load_json(committed), new, missing) if committed.exists() else new
    return new


def dump(value) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def publish(book: Workbook, out: Path, notebook: Notebook, missing: list[str]) -> list[str]:
    """Copy one finished notebook's outputs, figures and tables to their committed places.

    Returns one line for each thing that was kept because it may show data that are missing here.
    """
    if read_notebook(notebook.path).content != notebook.content:
        return [f"{notebook.path.name}: was edited while it ran and is not published; run it again."]
    kept = []
    new = {f.name: f for f in sorted((out / "figures").glob(f"{notebook.number}_*"))}
    for file in new.values():
        content = _with_kept(book, file, notebook, missing)
        if content is None:
            kept.append(f"{file.name}: kept, it may show {' and '.join(missing)}")
        else:
            if content != file.read_bytes():
                whole = content == (book.figures / file.name).read_bytes()
                kept.append(f"{file.name}: kept {'whole' if whole else 'in part'}, it shows {' and '.join(missing)}")
            _write(book.figures / file.name, content)
    for old in sorted(book.figures.glob(f"{notebook.number}_*")):
        if old.name not in new:
            if missing and any(notebook.on_real_data):
                kept.append(f"{old.name}: kept, not written without {' and '.join(missing)}")
            else:
                old.unlink()
    cells = _publish_outputs(out, notebook, missing)
    return kept + ([f"{notebook.path.name}: {cells} cells keep their outputs"] if cells else [])


def _with_kept(book: Workbook, file: Path, notebook: Notebook, missing: list[str]) -> bytes | None:
    """What a committed file shall hold, None where it must stay."""
    old, new = book.figures / file.name, file.read_bytes()
    if not missing or not old.exists():
        return new
    if file.name.endswith("_record.json"):
        return dump(record(book, file, missing))
    if file.suffix == ".csv":
        return comparing.keep_cells(old.read_text(encoding="utf-8"), new.decode(), missing).encode()
    return None if notebook.file_on_real_data(file.name) else new


def _publish_outputs(out: Path, notebook: Notebook, missing: list[str]) -> int:
    """Put the outputs of the executed notebook into the committed one; returns how many cells keep theirs."""
    executed = nbformat.reads((out / notebook.path.name).read_text(encoding="utf-8"), as_version=4)
    fresh = [cell for cell in executed.cells if cell.cell_type == "code"]
    content, kept = notebook.content, 0
    own = (cell for cell in content.cells if cell.cell_type == "code")
    for cell, new, real in zip(own, fresh, notebook.on_real_data, strict=True):
        if missing and real and cell.outputs:
            kept += cell.outputs != new.outputs
        else:
            cell.outputs = new.outputs
        cell.execution_count = new.execution_count
    running.canonical(content)
    _write(notebook.path, (nbformat.writes(content) + "\n").encode())
    return kept


def publish_ledger(book: Workbook, out: Path) -> None:
    """The ledger beside the figures and in the README."""
    _write(book.figures / "ledger.json", (out / "ledger.json").read_bytes())
    readme = book.root / "README.md"
    text = readme.read_text(encoding="utf-8")
    rows = json.loads((out / "ledger.json").read_bytes())
    _write(readme, ledger.replace_block(text, ledger.readme_block(rows)).encode())


def _write(path: Path, content: bytes) -> None:
    """Write a committed file, and leave it alone where it holds that already."""
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content)
