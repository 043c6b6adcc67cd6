"""Results beside the committed ones: tables and records cell by cell, pictures by their pixels.

A cell is found by its row's words and its column's heads, so that rows and columns of data that are missing
here can be told from those that have changed, and can be kept.
"""

import csv
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np

from helpers import WorkbookError, datasets

TOLERANCE = "one unit of the last digit of its column or 1 in 10,000; whole numbers and signs exactly"
PICTURES = "alike: in no square of 8×8 pixels more than 6 differ by more than 60 of 255 grey levels"
RECORD_DIGITS = 6  # as `ledger.record` rounds
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
    body, width = lines[heads:], max(map(len, lines), default=0)
    padded = (line + [""] * (width - len(line)) for line in lines[:heads])
    columns = _distinct([" ".join(filter(None, head)) for head in zip(*padded, strict=True)])
    rows = _distinct([" ".join(c for c in line if c and not _numeric(c)) for line in body])
    counted = [line[:1] for line in body] == [[str(i)] for i in range(len(body))]
    places = {
        (row.replace(KEPT, ""), column.replace(KEPT, "")): (heads + i, j)
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
        if j < len(body[i]) and not (counted and j == 0 and column == "#0")  # the numbers of lines are no result
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
        record = json.loads(text)
        results = record.pop("results")
        for row in results:  # noise is what simulations draw from, no result
            row["components"] = [{k: v for k, v in c.items() if k != "noise"} for c in row["components"]]
        rows = ["record", *_distinct([f"{row['claim']} on {row['data']} ({row['source']})" for row in results])]
        return {
            (row, name): json.dumps(value, ensure_ascii=False)
            for row, fields in zip(rows, [record, *results], strict=True)
            for name, value in fields.items()
            if name != "recomputed"
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise WorkbookError(f"{path.name}: cannot be compared ({str(error).splitlines()[0].rstrip('.')}).") from None


@dataclass
class Comparison:
    """What is the same, what differs and what could not be computed here; a file each line."""

    files: int = 0
    equal: int = 0
    close: int = 0
    differ: list[str] = field(default_factory=list)
    equal_pictures: int = 0
    alike_pictures: int = 0
    other_pictures: list[str] = field(default_factory=list)
    not_here: list[str] = field(default_factory=list)

    def add_table(self, committed: Path, now: Path, missing: Iterable[str]) -> None:
        """Compare a csv or json file cell by cell.

        missing: names of data that are not found here; cells so labelled are none of the differences. In
        a table that names such data anywhere, neither are cells whose labels name no other data.
        """
        self.files += 1
        old, new = values(committed), values(now)
        digits = decimals(old) if committed.suffix == ".csv" else defaultdict(lambda: RECORD_DIGITS)
        may_show = committed.suffix == ".csv" and about(committed.read_text(encoding="utf-8"), missing)
        not_here: Counter[str] = Counter()
        for key in [*old, *(k for k in new if k not in old)]:
            label, was, is_now = " ".join(key), old.get(key), new.get(key)
            if was is not None and is_now is not None and same(was, is_now, digits[key[1]]):
                equal = [x == y for x, y in zip(_numbers(was), _numbers(is_now), strict=True)]
                self.equal += sum(equal)
                self.close += len(equal) - sum(equal)
            elif was is not None and (name := about(label, missing)):
                not_here[f"cells of {name}"] += 1
            elif may_show and not about(label, found(missing)):
                not_here["cells differ and may show them"] += 1
            else:
                values_of = f"committed {was or 'nothing'}, now {is_now or 'nothing'}"
                self.differ.append(f"{now.name}, row {key[0]}, column {key[1]}: {values_of}")
        if [key for key in old if key in new] != [key for key in new if key in old]:
            self.differ.append(f"{now.name}: its rows or columns stand in another order")
        self.not_here += [f"{now.name}: {n} {what}" for what, n in not_here.items()]

    def add_picture(self, committed: Path, now: Path) -> None:
        if committed.read_bytes() == now.read_bytes():
            self.equal_pictures += 1
        elif looks_different(committed, now):
            self.other_pictures.append(now.name)
        else:
            self.alike_pictures += 1


def about(label: str, names: Iterable[str]) -> str:
    """The first of these data sets that a label names as a word, or ""."""
    return next((n for n in names if re.search(rf"\b{re.escape(n)}\b", label)), "")


def found(missing: Iterable[str]) -> list[str]:
    return [name for name in datasets.NAMES if name not in missing]


def decimals(cells: dict[tuple[str, str], str]) -> dict[str, int]:
    """Column → the most decimals that a fraction in it has: files drop the zeros at a number's end."""
    out = dict.fromkeys((column for _, column in cells), 0)
    for (_, column), text in cells.items():
        fractions = [-int(v.as_tuple().exponent) for v in _numbers(text) if not _whole(v)]
        out[column] = max(out[column], *fractions, 0)
    return out


def _numbers(text: str) -> list[Decimal]:
    return [Decimal(v.replace("−", "-")) for v in _NUMBER.findall(text)]


def _whole(value: Decimal) -> bool:
    return value == value.to_integral_value()


def same(old: str, new: str, digits: int) -> bool:
    """Whether two cells agree: their words exactly, their numbers within the tolerance of a column's digits."""
    a, b = _numbers(old), _numbers(new)
    return (
        _NUMBER.sub("", old) == _NUMBER.sub("", new)
        and len(a) == len(b)
        and all(_close(x, y, digits) for x, y in zip(a, b, strict=True))
    )


def _close(x: Decimal, y: Decimal, digits: int) -> bool:
    if x == y:
        return True
    if x * y <= 0 or not digits or (_whole(x) and _whole(y)):
        return False
    return abs(x - y) <= max(Decimal(1).scaleb(-digits), max(abs(x), abs(y)) / 10_000)


def looks_different(a: Path, b: Path) -> bool:
    """Whether two PNGs differ visibly somewhere, or in size, or one cannot be read.

    Counted in squares: a line that is gone or another digit are few pixels of a picture, but most of a
    square. Two palettes of 256 colours, which `outputs.small_png` gives each picture, differ by less.
    """
    import cv2

    first, second = (cv2.imdecode(np.frombuffer(f.read_bytes() or b"0", np.uint8), cv2.IMREAD_COLOR) for f in (a, b))
    if first is None or second is None or first.shape != second.shape:
        return True
    differ = (np.abs(first.astype(int) - second).max(-1) > 60).astype(int)
    height, width = differ.shape
    squares = np.add.reduceat(np.add.reduceat(differ, np.arange(0, height, 8), 0), np.arange(0, width, 8), 1)
    return bool((squares > 6).any())


# --- keeping what cannot be computed here ------------------------------------------------------------------


def keep_rows(committed: dict, now: dict, missing: Iterable[str]) -> dict:
    """A record with the committed results of data that are missing here, marked `"recomputed": false`."""

    def key(row):
        return (row["claim"], row["data"], row["source"])

    here = {key(row) for row in now["results"]}
    kept = [row for row in committed["results"] if about(row["data"], missing) and key(row) not in here]
    if not kept:
        return now
    place = {key(row): i for i, row in reversed([*enumerate(committed["results"])])}
    rows = [*now["results"], *(row | {"recomputed": False} for row in kept)]
    return now | {"results": sorted(rows, key=lambda row: place.get(key(row), len(place)))}


def keep_cells(committed: str, now: str, missing: Iterable[str]) -> str:
    """The committed csv table with new cells wherever a label names data that are found here, and none that are not.

    Cells that name missing data, such as the heads of columns and rows, are marked. Where the rest of the table
    has other rows or columns than before, all of it stays as it was. A table that names no missing data is new.
    """
    if not about(committed, missing):
        return now
    old, new = read_table(committed), read_table(now)
    absent = old.cells.keys() - new.cells.keys()
    if new.cells.keys() - old.cells.keys() or not all(about(" ".join(key), missing) for key in absent):
        return committed
    for key, (i, j) in new.cells.items():
        if about(" ".join(key), found(missing)) and not about(" ".join(key), missing):
            row, column = old.cells[key]
            old.lines[row][column] = new.lines[i][j]
    for line in old.lines:
        line[:] = [c + KEPT if about(c, missing) and not c.endswith(KEPT) else c for c in line]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(old.lines)
    return out.getvalue()
