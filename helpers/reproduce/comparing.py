"""Results beside the committed ones: tables and records cell by cell, pictures by their pixels.

A cell is found by its row's words and its column's heads, so that rows and columns of data that are missing
here can be told from those that have changed, and can be kept.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from helpers import WorkbookError, datasets

TOLERANCE = "one unit of the last printed digit or 1 in 10,000; whole numbers exactly"
PICTURES = "alike: at most 1 % of the pixels differ by more than 16 of 255 grey levels"
KEPT = " (not recomputed)"
_NUMBER = re.compile(r"[-−+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@dataclass
class Table:
    """A csv file as a grid of texts; `cells` finds (row label, column label) → (line, column) in it."""

    lines: list[list[str]]
    cells: dict[tuple[str, str], tuple[int, int]]


def read_table(text: str) -> Table:
    """A table as `save_table` writes it, with any number of header lines."""
    lines = list(csv.reader(io.StringIO(text)))
    heads = 1
    while heads < len(lines) and not any(map(_numeric, lines[heads])):
        heads += 1
    heads = heads if heads < len(lines) else 1
    columns = _distinct([" ".join(filter(None, head)) for head in zip(*lines[:heads], strict=True)])
    rows = _distinct([" ".join(c for c in line if c and not _numeric(c)) for line in lines[heads:]])
    places = {
        (row.replace(KEPT, ""), column.replace(KEPT, "")): (heads + i, j)
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
        if j < len(lines[heads + i])
        and (column != "#0" or not lines[heads + i][j].isdecimal())  # the numbers of lines are no result
    }
    return Table(lines, places)


def _numeric(cell: str) -> bool:
    """A number, alone or at the beginning as in "+0.17 [0.06, 0.26]"."""
    return bool(_NUMBER.match(cell)) or cell in ("–", "nan")


def _distinct(labels: list[str]) -> list[str]:
    """Labels with a count at those that stand there before."""
    seen: Counter[str] = Counter()
    out = []
    for label in labels:
        out.append(f"{label}#{seen[label]}" if seen[label] or not label else label)
        seen[label] += 1
    return out


def values(path: Path) -> dict[tuple[str, str], str]:
    """(row, column) → text of every cell of a csv table or a notebook's record. WorkbookError for a damaged file."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            table = read_table(text)
            return {key: table.lines[i][j].replace(KEPT, "") for key, (i, j) in table.cells.items()}
        return {
            (f"{row['claim']} on {row['data']}", name): json.dumps(value, ensure_ascii=False)
            for row in json.loads(text)["results"]
            for name, value in row.items()
            if name != "recomputed"
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise WorkbookError(f"{path.name}: cannot be compared ({str(error).splitlines()[0].rstrip('.')}).") from None


@dataclass
class Comparison:
    """What is the same, what differs and what could not be computed here; a file each line."""

    files: int = 0
    equal: int = 0
    differ: list[str] = field(default_factory=list)
    pictures: int = 0
    other_pictures: list[str] = field(default_factory=list)
    not_here: list[str] = field(default_factory=list)

    def add_table(self, committed: Path, now: Path, missing: Iterable[str], may_show: bool) -> None:
        """Compare a csv or json file cell by cell.

        missing: names of data that are not found here; cells so labelled are none of the differences. Where
        a table may show such data, neither are cells whose labels name no other data.
        """
        self.files += 1
        old, new = values(committed), values(now)
        not_here: Counter[str] = Counter()
        for key in [*old, *(k for k in new if k not in old)]:
            label, was, is_now = " ".join(key), old.get(key), new.get(key)
            if was is not None and is_now is not None and same(was, is_now):
                self.equal += len(_NUMBER.findall(was))
            elif is_now is None and (name := about(label, missing)):
                not_here[f"cells of {name}"] += 1
            elif may_show and not about(label, found(missing)):
                not_here["cells differ and may show them"] += 1
            else:
                values_of = f"committed {was or 'nothing'}, now {is_now or 'nothing'}"
                self.differ.append(f"{now.name}, row {key[0]}, column {key[1]}: {values_of}")
        self.not_here += [f"{now.name}: {n} {what}" for what, n in not_here.items()]

    def add_picture(self, committed: Path, now: Path) -> None:
        self.pictures += 1
        share = different_pixels(committed, now)
        if share > 0.01:
            self.other_pictures.append(f"{now.name}: {100 * share:.0f} % of the pixels")


def about(label: str, names: Iterable[str]) -> str:
    """The first of these data sets that a label names as a word, or ""."""
    return next((n for n in names if re.search(rf"\b{re.escape(n)}\b", label)), "")


def found(missing: Iterable[str]) -> list[str]:
    return [name for name in datasets.NAMES if name not in missing]


def same(old: str, new: str) -> bool:
    """Whether two cells agree: their words exactly, their numbers within the tolerance."""
    if old == new:
        return True
    a, b = _NUMBER.findall(old), _NUMBER.findall(new)
    return _NUMBER.sub("", old) == _NUMBER.sub("", new) and len(a) == len(b) and all(map(_close, a, b))


def _close(old: str, new: str) -> bool:
    x, y = (float(v.replace("−", "-")) for v in (old, new))
    digits = [len(v.partition(".")[2]) for v in (old, new) if "e" not in v]
    if not any(digits):
        return x == y
    return math.isclose(x, y, rel_tol=1e-4, abs_tol=1.5 * 10.0 ** -max(digits))


def different_pixels(a: Path, b: Path) -> float:
    """Share of the pixels of two PNGs that differ visibly; 1 where the sizes differ or one cannot be read."""
    if a.read_bytes() == b.read_bytes():
        return 0.0
    import cv2

    first, second = (cv2.imdecode(np.frombuffer(f.read_bytes() or b"0", np.uint8), cv2.IMREAD_COLOR) for f in (a, b))
    if first is None or second is None or first.shape != second.shape:
        return 1.0
    return float((np.abs(first.astype(int) - second).max(-1) > 16).mean())


# --- keeping what cannot be computed here ------------------------------------------------------------------


def keep_rows(committed: dict, now: dict, missing: Iterable[str]) -> dict:
    """A record with the committed results of data that are missing here, marked `"recomputed": false`."""

    def key(row):
        return (row["claim"], row["data"])

    here = {key(row) for row in now["results"]}
    kept = [row for row in committed["results"] if about(row["data"], missing) and key(row) not in here]
    if not kept:
        return now
    place = {key(row): i for i, row in reversed([*enumerate(committed["results"])])}
    rows = [*now["results"], *(row | {"recomputed": False} for row in kept)]
    return now | {"results": sorted(rows, key=lambda row: place.get(key(row), len(place)))}


def keep_cells(committed: str, now: str, missing: Iterable[str]) -> str:
    """The committed csv table with new cells wherever a label names data that are found here.

    Rows and columns of missing data are marked. Where the rest of the table has other rows or columns
    than before, all of it stays as it was.
    """
    old, new = read_table(committed), read_table(now)
    absent = old.cells.keys() - new.cells.keys()
    if new.cells.keys() - old.cells.keys() or not all(about(" ".join(key), missing) for key in absent):
        return committed
    for key, (i, j) in new.cells.items():
        if about(" ".join(key), found(missing)):
            row, column = old.cells[key]
            old.lines[row][column] = new.lines[i][j]
    for line in old.lines:
        line[:] = [c + KEPT if c in missing else c for c in line]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(old.lines)
    return out.getvalue()
