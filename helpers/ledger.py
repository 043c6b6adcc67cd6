"""The ledger: a verdict with an interval for every published claim and contradiction.

Notebooks measure and `verdicts` judges; this file writes what a notebook recorded, gathers all records beside the
claims of `data/papers`, and says in words what they come to. Notebook 13 reads it as a whole.
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
from helpers.verdicts import CONTRADICTED, HOLDS, SOURCES, UNDECIDED, Result, together

MIXED, NOT_TESTABLE = "mixed", "not testable here"
VERDICTS = (HOLDS, CONTRADICTED, MIXED, UNDECIDED, NOT_TESTABLE)

#: Sources by what they are worth: the first tier that has results decides. A printed row is evidence for a measured
#: claim, but not a measurement of ours, and simulated detections are only as good as what they imitate.
TIERS = (("ground truth", "network", "real detector", "proof"), ("simulated",), ("published",))
#: What a reader is told of a source.
SOURCE_WORDS = {
    "ground truth": "annotated tracks",
    "network": "the workbook's network",
    "real detector": "a public detector",
    "simulated": "simulated detections",
    "published": "printed numbers",
    "proof": "shown on code",
}


# --- records ---------------------------------------------------------------------------------------------------


def record(notebook: str, results: Iterable[Result], profile: str, dataset: str) -> list[dict]:
    """What a notebook measured, as plain JSON; written as NN_record.json in a driver's run."""
    rows = [_result_json(r, profile) | {"claim": r.claim} for r in results]
    path = output(f"{notebook[:2]}_record.json")
    if path is not None:
        text = json.dumps({"notebook": notebook, "profile": profile, "dataset": dataset, "results": rows}, indent=1)
        path.write_text(text + "\n", encoding="utf-8")
    return rows


def _number(v: float) -> float | None:
    return round(float(v), 6) if math.isfinite(v) else None


def _numbers(of) -> dict:
    """Estimate and interval of a result or of a component."""
    return {"estimate": _number(of.estimate), "interval": [_number(v) for v in of.interval]}


def _result_json(r: Result, profile: str) -> dict:
    defined = papers.claim(r.claim)["components"]
    components = [
        {"name": c.name, "unit": d["unit"], **_numbers(c), "verdict": v, "noise": c.noise}
        for c, d, v in zip(r.components, defined, r.verdicts, strict=True)
    ]
    return {
        "data": r.data,
        "source": r.source,
        "profile": profile,
        **_numbers(r),
        "n_videos": int(r.n_videos),
        "n_seeds": int(r.n_seeds),
        "resampled": r.resampled,
        "verdict": r.verdict,
        "components": components,
    }


def _is_number(v: object) -> bool:
    if isinstance(v, bool) or not isinstance(v, int | float):
        return v is None
    return abs(v) < 1e300  # NaN is not below it either


def _is_text(v: object) -> bool:
    return isinstance(v, str)


def _is_count(v: object) -> bool:
    return isinstance(v, int) and not isinstance(v, bool) and v >= 0


_MEASURED: dict[str, Callable[[object], bool]] = {
    "estimate": _is_number,
    "interval": lambda v: isinstance(v, list) and len(v) == 2 and all(map(_is_number, v)),
    "verdict": lambda v: v in (HOLDS, CONTRADICTED, UNDECIDED),
}
_COMPONENT = _MEASURED | {"name": _is_text, "unit": _is_text}
_RESULT = {"claim": _is_text, "data": _is_text, "source": lambda v: v in SOURCES} | _MEASURED
_RESULT |= {
    "n_videos": _is_count,
    "n_seeds": _is_count,
    "resampled": _is_text,
    "components": lambda v: isinstance(v, list) and bool(v),
}


def check_record(name: str, content) -> None:
    """Refuse what is no record of a notebook: a WorkbookError names the file, the result and the field."""
    rows = content.get("results") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise WorkbookError(f"{name}: results is missing or is not a list.")
    for i, row in enumerate(rows):
        _check_fields(f"{name}: results[{i}]", row, _RESULT)
        for k, component in enumerate(row["components"]):
            _check_fields(f"{name}: results[{i}].components[{k}]", component, _COMPONENT)
            low, high = component["interval"]
            if low is not None and high is not None and low > high:
                raise WorkbookError(f"{name}: results[{i}].components[{k}].interval ends before it begins.")
        if row["verdict"] != together([c["verdict"] for c in row["components"]]):
            raise WorkbookError(f"{name}: results[{i}].verdict is not what its components come to.")


def _check_fields(where: str, row: object, fields: dict[str, Callable[[object], bool]]) -> None:
    for field, valid in fields.items():
        if not isinstance(row, dict) or field not in row or not valid(row[field]):
            raise WorkbookError(f"{where}.{field} is missing or holds no value that a notebook records.")


# --- the ledger ------------------------------------------------------------------------------------------------


def ledger(folder: Path | None = None) -> list[dict]:
    """All claims and contradictions with their results, in the order of data/papers.

    folder: of the records (None = the committed ones; in a driver's run, its newest). Each: id, paper, kind,
    statement, rule, components (their definitions), notebook, results, verdict, source (whose results decided),
    reason (why not testable here, else "") and superseded (rules that were replaced). Raises WorkbookError for a
    record that cannot be read, names an unknown claim or measured other components than data/papers has.
    """
    folder = Path(folder or os.environ.get("POSE_WORKBOOK_RECORDS") or FIGURES)
    measured = _records(folder)
    out = []
    for claim in papers.claims():
        results = measured.pop(claim["id"], [])
        defined = [(c["name"], c["unit"]) for c in claim["components"]]
        if any([(c["name"], c["unit"]) for c in r["components"]] != defined for r in results):
            raise WorkbookError(
                f"{folder}: results of {claim['id']} have other components than data/papers, run notebook "
                f"{claim['notebook']} again."
            )
        row = {k: claim[k] for k in ("id", "paper", "kind", "statement", "rule", "components", "notebook")}
        source = ", ".join(dict.fromkeys(r["source"] for r in deciding(results)))
        row |= {"results": results, "verdict": overall(results), "source": source}
        row |= {"reason": "" if results else _why_not(claim), "superseded": claim.get("superseded", [])}
        out.append(row)
    if measured:
        raise WorkbookError(f"{folder}: records name unknown claims {', '.join(sorted(measured))}.")
    return out


def _records(folder: Path) -> dict[str, list[dict]]:
    """Claim → its results, without what only the study of errors needs."""
    out: dict[str, list[dict]] = {}
    for path in sorted(folder.glob("*_record.json")):
        content = load_json(path)
        check_record(path.name, content)
        for row in content["results"]:
            for component in row["components"]:
                component.pop("noise", None)
            out.setdefault(row.pop("claim"), []).append(row)
    return out


def _why_not(claim: dict) -> str:
    return f"measured by notebook {claim['notebook']}, which has no record yet"


def deciding(results: list[dict]) -> list[dict]:
    """The results of the best tier of `TIERS` that has any."""
    return next((best for tier in TIERS if (best := [r for r in results if r["source"] in tier])), [])


def overall(results: list[dict]) -> str:
    """One verdict over data sets and sources, given their verdict and source.

    The best tier of `TIERS` that has results decides, if at least half of them are decided and those agree. Decided
    results that disagree, within that tier or of another one with its verdict, make it mixed.
    """
    if not results:
        return NOT_TESTABLE
    best = deciding(results)
    decided = [r["verdict"] for r in best if r["verdict"] != UNDECIDED]
    if not decided or (len(set(decided)) == 1 and 2 * len(decided) < len(best)):
        return UNDECIDED
    return decided[0] if len({r["verdict"] for r in results} - {UNDECIDED}) == 1 else MIXED


def is_oddity(row: dict) -> bool:
    """Whether a row is a contradiction or oddity found in a paper (O-…), and no claim of it."""
    return row["id"].startswith("O-")


def summary(rows: list[dict]) -> dict[str, dict[str, int]]:
    """Kind → verdict → number of claims of the papers, and a last row "oddities" that counts those apart."""
    out = {name: dict.fromkeys(VERDICTS, 0) for name in ("measured", "printed", "property", "oddities")}
    for row in rows:
        out["oddities" if is_oddity(row) else row["kind"]][row["verdict"]] += 1
    return out


# --- in words --------------------------------------------------------------------------------------------------


def range_words(component: dict) -> str:
    """A component of a claim with its range and unit, e.g. "gain in MOTA: 5 to 15 MOTA"."""
    low, high = component["range"]
    if low is None:
        text = f"at most {high:g}"
    elif high is None:
        text = f"at least {low:g}"
    else:
        text = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"{component['name']}: {text} {component['unit']}"


def verdict_words(row: dict, verdict: str | None = None) -> str:
    """A verdict as a reader is told it: what we measured holds *here*, a replication is no proof."""
    verdict = verdict or row["verdict"]
    words = {HOLDS: "holds", CONTRADICTED: "does not hold"}
    here = " here" if row["kind"] == "measured" else ""
    return words[verdict] + here if verdict in words else verdict


def where(result: dict) -> str:
    """Data and source of a result in words, marked where an update without the data kept an older one."""
    kept = "" if result.get("recomputed", True) else " (not recomputed)"
    return f"{result['data']}{kept}, {SOURCE_WORDS[result['source']]}"


def values(result: dict) -> list[str]:
    """Every component of a result with its number, interval and unit, e.g. "gain: 1.20 [0.80, 1.70] MOTA"."""
    return [f"{c['name']}: {_estimate(c)} {c['unit']}" for c in result["components"]]


def _estimate(component: dict) -> str:
    if component["estimate"] is None:
        return "–"
    low, high = component["interval"]
    text = f"{component['estimate']:.2f}"
    if low is None or high is None:
        return f"{text} (no interval)"
    return text if low == high else f"{text} [{low:.2f}, {high:.2f}]"


def sampled(result: dict) -> str:
    """What was resampled, in words; "" for what is exact."""
    if not result["n_videos"]:
        return ""
    runs = f" × {result['n_seeds']} runs" if result["n_seeds"] > 1 else ""
    return f"{result['n_videos']} videos{runs}; resampled: {result['resampled']}"


_HEADS = ("hold", "do not hold", "mixed", "undecided", "not testable here")
_KIND_WORDS = {
    "measured": "claims, measured here",
    "printed": "claims, arithmetic on printed numbers",
    "property": "claims, properties shown on code",
    "oddities": "oddities found in the papers (*hold*: they are there)",
}


def readme_block(rows: list[dict]) -> str:
    """The ledger as the README shows it: counts by kind, then every measured claim with what decided it."""
    lines = ["| | " + " | ".join(_HEADS) + " |", "|---|" + "---:|" * len(_HEADS)]
    for kind, counts in summary(rows).items():
        lines.append(f"| {_KIND_WORDS[kind]} | " + " | ".join(str(counts[v]) for v in VERDICTS) + " |")
    lines += ["", "| claim | the paper says | measured here, with 95 % intervals | verdict |", "|---|---|---|---|"]
    for row in rows:
        if row["results"] and row["kind"] == "measured":
            told = "<br>".join(_told(row, r) for r in row["results"])
            lines.append(f"| {row['id']} | {row['statement']} | {told} | **{verdict_words(row)}** |")
    return "\n".join(lines)


def _told(row: dict, result: dict) -> str:
    """A result of the deciding sources with its numbers, another one with its verdict."""
    deciding = result["source"] in row["source"].split(", ")
    text = "; ".join(values(result)) if deciding else verdict_words(row, result["verdict"])
    return f"*{where(result)}*: {text}"


def document(rows: list[dict]) -> str:
    """The whole ledger in Markdown: every claim with its components, results and the rules that were replaced."""
    lines = ["# The ledger, whole", "", "Written by `python -m helpers reproduce --update`; how to read it: README.md."]
    for row in rows:
        lines += ["", f"## {row['id']}: {verdict_words(row)}", "", row["statement"], ""]
        lines += [f"*{row['kind']}, notebook {row['notebook']}.* {row['rule']}", ""]
        for c in row["components"]:
            lines.append(f"- {range_words(c)}" + ("" if c["printed"] is None else f" (printed: {c['printed']:g})"))
        lines += ["", f"Not testable here: {row['reason']}."] if row["reason"] else _table(row)
        for old in row["superseded"]:
            lines += ["", _replaced(old)]
    return "\n".join(lines) + "\n"


def _table(row: dict) -> list[str]:
    """All results of a claim, a line for each component and one for what they come to."""
    lines = ["", "| where | component | estimate | verdict |", "|---|---|---|---|"]
    for r in row["results"]:
        place = "; ".join(filter(None, (where(r), sampled(r))))
        for c in r["components"]:
            cells = place, c["name"], f"{_estimate(c)} {c['unit']}", verdict_words(row, c["verdict"])
            lines.append("| " + " | ".join(cells) + " |")
        if len(r["components"]) > 1:
            lines.append(f"| {place} | all of them | | **{verdict_words(row, r['verdict'])}** |")
    return lines


def _replaced(old: dict) -> str:
    low, high = ("…" if v is None else f"{v:g}" for v in old["range"])
    rule = f"{old['rule']} Range [{low}, {high}] {old['unit']}, {old['kind']}, verdict *{old['verdict']}*."
    return f"Replaced on {old['date']}: {rule} {old['reason']}"


def replace_block(text: str, block: str, name: str = "ledger") -> str:
    """The README's text with the part between its markers replaced. Raises WorkbookError without markers."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise WorkbookError(f"README.md: the markers {start} and {end} must each stand there once.")
    before, rest = text.split(start)
    return f"{before}{start}\n{block}\n{end}{rest.split(end)[1]}"
