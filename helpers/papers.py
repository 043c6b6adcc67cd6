"""The five papers as data: every printed table, claim and contradiction, from data/papers/*.yaml.

Notebook 02 audits the tables; all other notebooks put the printed row beside
their own. Tables keep the printed order of columns and rows; claims carry the
rule by which the ledger judges them.

How the ranges of a claim are chosen. A size where the paper's text names one that is above the noise of a
training run: half to one and a half times what is printed. A direction where the text claims a direction:
"positive" begins at 0.05, half the last printed digit, so that no difference at all is no support. A band
around zero where the text says equal, stable or similar. What is true by construction is a property.
What the paper itself prints lies inside every range with a margin; a rule that was replaced stays beside
the new one as `superseded`.
"""

from __future__ import annotations

import difflib
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import yaml

from helpers import WorkbookError, places

if TYPE_CHECKING:  # the ledger reads claims alone, without pandas
    import pandas as pd

FOLDER = places.PAPERS
FILES = ("protracker", "detect_and_track", "simple_baselines", "lighttrack", "keytrack")
#: printed: arithmetic on the tables; property: true by construction, shown on code; measured: by experiment.
KINDS = ("printed", "property", "measured")
_CLAIM = {"id", "kind", "statement", "rule", "components", "data", "notebook"}
_COMPONENT = {"name", "unit", "range", "printed"}
#: The parts of a paper's file, and what each of their rows must have.
_PARTS = {
    "tables": {"id", "title", "source", "data", "cost", "columns", "rows"},
    "claims": _CLAIM,
    "contradictions": _CLAIM | {"resolution"},
    "numbers": {"id", "value"},
}
#: Joint groups of a printed row, and how many of the 15 joints each of them averages.
GROUPS = {"Head": 3, "Shoulder": 2, "Elbow": 2, "Wrist": 2, "Hip": 2, "Knee": 2, "Ankle": 2}
# The C loader reads the five files in a tenth of the time, but not every build of PyYAML has it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def _read() -> dict[str, dict]:
    """Short name → content of the paper's file. Raises WorkbookError for a missing or broken file."""
    out = {}
    for name in FILES:
        path = FOLDER / f"{name}.yaml"
        try:
            paper = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
            out[paper["id"]] = paper | {part: _rows(paper, part) for part in _PARTS}
        except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split()).rstrip(".")[:200]
            raise WorkbookError(f"{path.name}: cannot be read as a paper's file ({reason}).") from None
    return out


def _rows(paper: dict, part: str) -> list[dict]:
    rows = paper[part]
    if not isinstance(rows, list):
        raise ValueError(f"{part} is not a list")
    for i, row in enumerate(rows):
        lacking = sorted(_PARTS[part] - set(row)) if isinstance(row, dict) else ["all its fields"]
        if lacking:
            raise ValueError(f"{part}[{i}] lacks {', '.join(lacking)}")
        parts = row.get("components", [])
        if not isinstance(parts, list) or any(not isinstance(c, dict) or set(c) != _COMPONENT for c in parts):
            raise ValueError(f"{part}[{i}].components do not each have {', '.join(sorted(_COMPONENT))}")
    return rows


def papers() -> dict[str, dict]:
    """Short name (PT, DT, SB, LT, KT) → id, name, title, venue and year of the paper."""
    return {k: {f: p[f] for f in ("id", "name", "title", "venue", "year")} for k, p in _read().items()}


def tables() -> list[dict]:
    """All tables in the order of the papers, without their rows.

    Each: id, paper, title, source (where it is printed), data, cost (what measuring it
    again needs), columns and notes. Ids with X are README numbers of the released code.
    """
    return [
        {"paper": k, "notes": ""} | {f: deepcopy(v) for f, v in t.items() if f != "rows"}
        for k, p in _read().items()
        for t in p["tables"]
    ]


def table(name: str) -> pd.DataFrame:
    """A table as printed, e.g. `table("DT-T1")`: numbers as float, a dash as NaN, labels as text.

    Raises WorkbookError for an unknown id, naming similar ones.
    """
    import pandas as pd

    found = _find(name, {t["id"]: t for p in _read().values() for t in p["tables"]}, "table")
    return pd.DataFrame([list(map(_cell, row)) for row in found["rows"]], columns=found["columns"])


def _cell(value):
    return float(value) if isinstance(value, (int, float)) else np.nan if value is None else value


def claims() -> list[dict]:
    """All 62 claims in the order of the papers, then all contradictions in the order of their numbers.

    Each: id, paper, kind (of `KINDS`), statement (what the paper's text says), rule, components (a list of
    name, unit, range [low, high] with None = unbounded, and printed, the value of the paper's own rows or
    None), data (what it needs) and notebook; contradictions also have a resolution. superseded, where a rule
    was replaced: a list of date, kind, rule, range, unit, verdict (the old ledger's) and reason.
    """
    return [deepcopy(c) for c in _claims().values()]


@cache
def _claims() -> dict[str, dict]:
    stated = [{"paper": k} | c for k, p in _read().items() for c in p["claims"]]
    odd = [{"paper": k} | c for k, p in _read().items() for c in p["contradictions"]]

    def order(c):
        return (int(c["id"][2:].rstrip("b")), c["id"])

    return {c["id"]: c for c in stated + sorted(odd, key=order)}


def claim(name: str) -> dict:
    """One claim or contradiction, e.g. `claim("PT-C7")`. Raises WorkbookError for an unknown id."""
    return deepcopy(_find(name, _claims(), "claim"))


def number(name: str):
    """The value of a number printed in a paper's text, e.g. `number("KT-N3")` is 500.

    Raises WorkbookError for an unknown id.
    """
    found = {n["id"]: n for p in _read().values() for n in p["numbers"]}
    return deepcopy(_find(name, found, "number")["value"])


def _find(name: str, known: dict[str, dict], what: str) -> dict:
    if name not in known:
        near = difflib.get_close_matches(str(name).upper(), known, n=3) or list(known)[:3]
        raise WorkbookError(f"data/papers: no {what} has the id {name!r}, similar ones are {', '.join(near)}.")
    return known[name]


def pose_rows() -> pd.DataFrame:
    """Every printed row that has all seven joint groups and their Total, across all tables.

    Columns: table, row (its labels), measure (mAP, MOTA or IDSW), Head … Ankle, Total, in
    per cent. A printed row with both mAP and MOTA gives two.
    """
    return _pose_rows().copy()


@cache
def _pose_rows() -> pd.DataFrame:
    import pandas as pd

    out = []
    for t in tables():
        frame = table(t["id"])
        words = frame.select_dtypes(exclude="number").fillna("")
        labels = words.apply(lambda row: " ".join(filter(None, row)), axis=1)
        for measure in ("mAP", "MOTA", "IDSW"):
            names = [f"{measure} {g}" for g in (*GROUPS, "Total")]
            if set(names) <= set(frame.columns):
                values = frame[names].set_axis([*GROUPS, "Total"], axis=1)
                values.insert(0, "measure", measure)
                values.insert(0, "row", labels)
                values.insert(0, "table", t["id"])
                out.append(values.dropna())
    return pd.concat(out, ignore_index=True)


def joint_mean(rows: pd.DataFrame) -> pd.Series:
    """Mean over the 15 joints of rows with the columns Head … Ankle, which is what Total is (per cent)."""
    return sum(rows[g] * n for g, n in GROUPS.items()) / sum(GROUPS.values())
