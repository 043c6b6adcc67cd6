"""The ledger: a verdict with an interval for every published claim and contradiction.

Notebooks measure and `verdicts` judges; this file writes what a notebook recorded and
gathers all records beside the claims of `data/papers`. Notebook 13 reads it as a whole.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from helpers import WorkbookError, papers
from helpers.files import load_json
from helpers.outputs import output
from helpers.places import FIGURES
from helpers.verdicts import CONTRADICTED, HOLDS, UNDECIDED, Result

NOT_TESTABLE = "not testable here"

VERDICTS = (HOLDS, CONTRADICTED, UNDECIDED, NOT_TESTABLE)


def record(notebook: str, results: Iterable[Result], profile: str, dataset: str) -> list[dict]:
    """What a notebook measured, as plain JSON; written as NN_record.json in a driver's run."""
    rows = [_result_json(r, profile) | {"claim": r.claim} for r in results]
    path = output(f"{notebook[:2]}_record.json")
    if path is not None:
        text = json.dumps({"notebook": notebook, "profile": profile, "dataset": dataset, "results": rows}, indent=1)
        path.write_text(text + "\n", encoding="utf-8")
    return rows


def _result_json(r: Result, profile: str) -> dict:
    def number(v):
        return round(float(v), 6) if math.isfinite(v) else None

    return {
        "data": r.data,
        "source": r.source,
        "profile": profile,
        "estimate": number(r.estimate),
        "interval": [number(v) for v in r.interval],
        "n_videos": int(r.n_videos),
        "n_seeds": int(r.n_seeds),
        "verdict": r.verdict,
    }


def overall(results: list[dict]) -> str:
    """One verdict over data sets: at least half of them are decided, and those agree."""
    if not results:
        return NOT_TESTABLE
    decided = [r["verdict"] for r in results if r["verdict"] != UNDECIDED]
    return decided[0] if len(set(decided)) == 1 and 2 * len(decided) >= len(results) else UNDECIDED


def ledger(folder: Path | None = None) -> list[dict]:
    """All claims and contradictions with their results, in the order of data/papers.

    folder: of the records (None = the committed ones; in a driver's run, its newest). Each: id, paper, kind,
    statement, rule, notebook, results, verdict and reason (why not testable here, else "").
    Raises WorkbookError for a record that cannot be read or that names an unknown claim.
    """
    folder = Path(folder or os.environ.get("POSE_WORKBOOK_RECORDS") or FIGURES)
    measured = _records(folder)
    out = []
    for claim in papers.claims():
        results = measured.pop(claim["id"], [])
        row = {k: claim[k] for k in ("id", "paper", "kind", "statement", "rule", "notebook")}
        out.append(
            row | {"results": results, "verdict": overall(results), "reason": "" if results else _why_not(claim)}
        )
    if measured:
        raise WorkbookError(f"{folder}: records name unknown claims {', '.join(sorted(measured))}.")
    return out


def _records(folder: Path) -> dict[str, list[dict]]:
    out: dict[str, list[dict]] = {}
    for path in sorted(folder.glob("*_record.json")):
        content = load_json(path)
        check_record(path.name, content)
        for row in content["results"]:
            out.setdefault(row.pop("claim"), []).append(row)
    return out


def check_record(name: str, content) -> None:
    """Refuse what is no record of a notebook: a WorkbookError names the file, the result and the field."""
    rows = content.get("results") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise WorkbookError(f"{name}: results is missing or is not a list.")

    def number(v):
        return v is None or (isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v))

    fields: dict[str, Callable[[object], bool]] = {
        "claim": lambda v: isinstance(v, str),
        "data": lambda v: isinstance(v, str),
        "estimate": number,
        "interval": lambda v: isinstance(v, list) and len(v) == 2 and all(map(number, v)),
        "n_videos": lambda v: isinstance(v, int),
        "n_seeds": lambda v: isinstance(v, int),
        "verdict": lambda v: v in (HOLDS, CONTRADICTED, UNDECIDED),
    }
    for i, row in enumerate(rows):
        for field, valid in fields.items():
            if not isinstance(row, dict) or field not in row or not valid(row[field]):
                raise WorkbookError(
                    f"{name}: results[{i}].{field} is missing or holds no value that a notebook records."
                )


def _why_not(claim: dict) -> str:
    if claim["data"] == ["server"]:
        return "needs the evaluation server"
    return f"measured by notebook {claim['notebook']}, which has no record yet"


def summary(rows: list[dict]) -> dict[str, dict[str, int]]:
    """paper → verdict → number of claims, and a last row "all"."""
    out: dict[str, dict[str, int]] = {}
    for row in rows:
        for name in (row["paper"], "all"):
            out.setdefault(name, dict.fromkeys(VERDICTS, 0))[row["verdict"]] += 1
    out["all"] = out.pop("all")
    return out


def readme_block(rows: list[dict]) -> str:
    """The ledger as the README shows it: counts a paper, then every decided claim."""
    lines = ["| paper | " + " | ".join(VERDICTS) + " |", "|---|" + "---:|" * len(VERDICTS)]
    for name, counts in summary(rows).items():
        lines.append(f"| {name} | " + " | ".join(str(counts[v]) for v in VERDICTS) + " |")
    lines += ["", "| claim | statement | where | estimate | verdict |", "|---|---|---|---|---|"]
    for row in rows:
        if row["results"] and row["kind"] == "measured":
            data = "<br>".join(where(r) for r in row["results"])
            values = "<br>".join(_estimate(r) for r in row["results"])
            lines.append(f"| {row['id']} | {row['statement']} | {data} | {values} | **{row['verdict']}** |")
    return "\n".join(lines)


def where(result: dict) -> str:
    """The data of a result, marked where an update without them kept an older one."""
    return result["data"] + ("" if result.get("recomputed", True) else " (not recomputed)")


def _estimate(result: dict) -> str:
    if result["estimate"] is None:
        return "–"
    low, high = result["interval"]
    text = f"{result['estimate']:.2f}"
    return text if low is None or low == high else f"{text} [{low:.2f}, {high:.2f}]"


def replace_block(text: str, block: str, name: str = "ledger") -> str:
    """The README's text with the part between its markers replaced. Raises WorkbookError without markers."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise WorkbookError(f"README.md: the markers {start} and {end} must each stand there once.")
    before, rest = text.split(start)
    return f"{before}{start}\n{block}\n{end}{rest.split(end)[1]}"
