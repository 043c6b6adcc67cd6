"""What a notebook's text says in numbers: the rule that measured numbers in conclusions are computed, not typed."""

import ast
import json
import re
from collections.abc import Iterator

from helpers import papers

HEADING = re.compile(r"^#+ .*What did and did not reproduce", re.M)
ID = re.compile(r"\b(?:[A-Z]{2}-[CTFNX]\d+|O-\d+b?)\b")
#: What is no measured number: code, links, formulas, places in the workbook, years.
_PLACES = r"(?:notebooks?|sections?|exercises?|equations?|chapters?) \(?\d+(?:(?:,| and| to| …) \d+)*\)?"
_ASIDE = re.compile(rf"```.*?```|`[^`]*`|\]\([^)]*\)|\$[^$]*\$|\b{_PLACES}|\b(?:19|20)\d\d\b", re.S | re.I)
#: Digits that are no part of a word or of an id: "PT-C4", "2-D" and "PoseTrack'18" have none.
_DIGITS = re.compile(r"(?<![\w.,'’-])[-−+±]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w'’]|-\w|[.,]\d)")
_COUNT = "one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|fifty|hundred"
#: The same in words: fractions, and a number word before a unit.
_WORDS = re.compile(
    r"\b(?:half|halves|thirds?|quarters?|fifths?|sixths?|tenths?|hundredths?|twice|dozens|tens|hundreds"
    rf"|(?:{_COUNT})(?: and a half)? (?:points?|per cent|percent|times|MOTA|mAP))\b",
    re.I,
)
_VERDICT = re.compile(
    r"\b(?:holds?|held|contradict(?:s|ed)|undecided|(?:not )?reproduced?s?|confirms?|refute[sd]?)\b", re.I
)


def last_section(cells: list) -> list:
    """The conclusions of a notebook: the cells from their heading to the end, without the one that records."""
    first = max(i for i, c in enumerate(cells) if c["cell_type"] == "markdown" and HEADING.search(c["source"]))
    return [c for c in cells[first:] if c["cell_type"] == "markdown" or "cells.record(" not in c["source"]]


def shown(cell) -> str:
    """The text of a cell as a reader sees it."""
    if cell["cell_type"] == "markdown":
        return cell["source"]
    return " ".join(o.get("text", "") + o.get("data", {}).get("text/markdown", "") for o in cell["outputs"])


def typed(cell) -> str:
    """What a person typed into the text that a cell shows: Markdown, or the strings of a code cell.

    What an f-string computes, how it is formatted, and keys in square brackets are not typed text; a number that
    is put in, or given a name, without computing anything is.
    """
    markdown = cell["cell_type"] == "markdown"
    text = HEADING.sub("", cell["source"]) if markdown else " ".join(_strings(ast.parse(cell["source"])))
    return " ".join(text.split())


def _strings(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    if isinstance(node, ast.FormattedValue | ast.Assign) and not any(
        isinstance(n, ast.Name) for n in ast.walk(node.value)
    ):
        yield ast.unparse(node.value)
    for field, child in ast.iter_fields(node):
        if field != "format_spec" and not (isinstance(node, ast.Subscript) and field == "slice"):
            for one in child if isinstance(child, list) else [child]:
                if isinstance(one, ast.AST):
                    yield from _strings(one)


def measured_numbers(text: str) -> list[str]:
    """Numbers in a text, in digits or words, that are neither ids nor places nor printed by a paper.

    A printed number has to stand in the claim, table or number whose id the same text names.
    """
    printed = {abs(n) for name in ID.findall(text) for n in _printed(name)}
    plain = _ASIDE.sub(" ", text)
    digits = [n for n in _DIGITS.findall(plain) if abs(as_float(n)) not in printed]
    return digits + _WORDS.findall(plain)


def as_float(number: str) -> float:
    return float(number.replace("−", "-").replace("±", "").replace(",", ""))


def _printed(name: str) -> list[float]:
    known = {c["id"]: c for c in papers.claims()}
    if name in known:
        entry = known[name]["statement"]
    elif name in {t["id"] for t in papers.tables()}:
        entry = " ".join(map(str, papers.table(name).to_numpy().ravel()))
    else:
        entry = json.dumps(papers.number(name))
    return [as_float(n) for n in re.findall(r"\d+(?:\.\d+)?", entry)]


def verdicts(text: str) -> list[str]:
    """Words that say how a claim came out."""
    return _VERDICT.findall(_ASIDE.sub(" ", text))
