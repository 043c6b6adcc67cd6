"""From `build/` to the committed files: only `--update` does this, and what cannot be computed here is kept."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import nbformat

from helpers import WorkbookError, ledger
from helpers.files import load_json, write_atomically
from helpers.reproduce import comparing, running
from helpers.reproduce.workbook import Notebook, Workbook, read_notebook


def gather_records(book: Workbook, out: Path, missing: Iterable[str], current: Iterable[str]) -> None:
    """Fill `records/` with every notebook's newest record, and write the ledger of them.

    A record is taken from this build for notebooks whose numbers are in `current`, else from the committed
    figures; results on data that are missing here are always the committed ones. Raises WorkbookError for
    damaged records, naming the first; the others are gathered nevertheless.
    """
    folder, damaged = out / "records", []
    files = {f.name: f for f in sorted(book.figures.glob("*_record.json"))}
    files |= {f.name: f for f in sorted((out / "figures").glob("*_record.json")) if f.name[:2] in current}
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
    content, kept, edited = notebook.content, 0, _edited(notebook)
    own = (cell for cell in content.cells if cell.cell_type == "code")
    for cell, new, real in zip(own, fresh, notebook.on_real_data, strict=True):
        if missing and real and cell.outputs and cell.id not in edited:
            kept += cell.outputs != new.outputs
        else:
            cell.outputs = new.outputs
        cell.execution_count = new.execution_count
    running.canonical(content)
    _write(notebook.path, (nbformat.writes(content) + "\n").encode())
    return kept


def _edited(notebook: Notebook) -> set[str]:
    """Ids of cells with other code than in git's last commit: the outputs that they still hold are of that code."""
    name = f"HEAD:./{notebook.path.name}"
    try:
        shown = subprocess.run(["git", "show", name], cwd=notebook.path.parent, capture_output=True, check=True).stdout
        before = {cell.id: cell.source for cell in nbformat.reads(shown.decode(), as_version=4).cells}
    except (OSError, subprocess.CalledProcessError, ValueError, AttributeError):
        return set()  # no git, no clone, or a notebook that is new in it
    return {cell.id for cell in notebook.content.cells if before.get(cell.id, cell.source) != cell.source}


def check(book: Workbook, out: Path) -> None:
    """Raise WorkbookError where README.md has no place for the ledger, or no room is left for what is published."""
    _readme(book, "")
    needed = sum(f.stat().st_size for f in [*out.glob("*.ipynb"), *(out / "figures").glob("*")])
    if shutil.disk_usage(book.figures).free < needed:
        raise WorkbookError(f"{book.figures.name}/: has no room for {needed / 1e6:.1f} MB; nothing was published.")


def publish_ledger(book: Workbook) -> None:
    """The ledger of the committed records: whole beside the figures, as data and in words, and short in the README."""
    rows = ledger.ledger(book.figures)
    _write(book.figures / "ledger.json", dump(rows))
    _write(book.figures / "LEDGER.md", ledger.document(rows).encode())
    _write(book.root / "README.md", _readme(book, ledger.readme_block(rows)).encode())


def _readme(book: Workbook, block: str) -> str:
    try:
        return ledger.replace_block((book.root / "README.md").read_text(encoding="utf-8"), block)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not in UTF-8"
        raise WorkbookError(f"README.md: cannot be read ({reason}); the ledger stands in it.") from None


def _write(path: Path, content: bytes) -> None:
    """Write a committed file, and leave it alone where it holds that already."""
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content)
