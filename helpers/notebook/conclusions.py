"""Computed text: numbers and verdicts of a sentence come from what was measured, so that none can disagree with it.

The last section of every notebook is made of these. A sentence that is true for one verdict only is handed to
`told` under that verdict's name; one that is true whatever came out may stand in plain Markdown.
"""

import math
import re
from collections.abc import Iterable

from IPython.display import Markdown

from helpers import ledger, papers
from helpers.verdicts import Result


def say(*paragraphs: str) -> Markdown:
    """Paragraphs as a notebook shows them; empty ones are left out, an indented line continues the one before."""
    return Markdown("\n\n".join(re.sub(r"\s*\n[ \t]+", " ", p.strip()) for p in paragraphs if p))


def rounded(number: float, digits: int = 1) -> str:
    """A number with so many digits at most, without a minus before zero: -0.04 → "0"."""
    return f"{round(float(number), digits) + 0.0:g}" if math.isfinite(number) else "no number"


def ranged(estimate: float, interval: Iterable[float], digits: int = 1) -> str:
    """An estimate with its interval: "5.8 [4.9, 7.1]"; without one where it has no width or there is no number."""
    ends = [rounded(v, digits) for v in interval]
    point = len(set(ends)) == 1 or not math.isfinite(estimate)
    return rounded(estimate, digits) + ("" if point else f" [{', '.join(ends)}]")


def listed(names: Iterable[str], none: str = "none") -> str:
    """["a", "b", "c"] → "a, b and c"."""
    *first, last = list(names) or [none]
    return f"{', '.join(first)} and {last}" if first else last


def ahead(points: float, unit: str = "MOTA", digits: int = 1) -> str:
    """What comes before "another": 1.26 → "1.3 MOTA ahead of", -0.2 → "0.2 MOTA behind", 0.01 → "level with"."""
    size = rounded(abs(points), digits)
    return "level with" if size == "0" else f"{size} {unit} {'ahead of' if points > 0 else 'behind'}"


def told(results: Iterable[Result], claim: str, digits: int = 1, **because: str) -> str:
    """What became of one claim: its verdict and statement, why, and every data set with every component.

    because: sentences by verdict (holds, contradicted, undecided, mixed); the one that came out is added.
    Claims that are printed or a property are not said to hold "here". Raises TypeError for a word that is no verdict.
    """
    if unknown := set(because) - set(ledger.VERDICTS):
        raise TypeError(f"told: {', '.join(sorted(unknown))} is no verdict.")
    mine, stated = [r for r in results if r.claim == claim], papers.claim(claim)
    if not mine:
        return f"**{claim}: not measured**, its data are missing. {stated['statement']}"
    verdict = ledger.overall([{"verdict": r.verdict, "source": r.source} for r in mine])
    words = ledger.verdict_words(stated, verdict)
    head = f"**{claim}: {words}.** {stated['statement']} {because.get(verdict, '')}".rstrip()
    return "\n".join([head, "", *(_found(r, stated, digits) for r in mine)])


def _found(result: Result, stated: dict, digits: int) -> str:
    """One line of a list: data and source, the verdict on them and all components, with the printed values."""
    parts, components = [], stated["components"]
    for c, d, verdict in zip(result.components, components, result.verdicts, strict=True):
        number = f"{ranged(c.estimate, c.interval, digits)} {d['unit']}"
        number += "" if d["printed"] is None else f" (printed {rounded(d['printed'], 2)})"
        several = f"{d['name']}: {number}, {ledger.verdict_words(stated, verdict)}"
        parts.append(several if len(components) > 1 else number)
    place = f"{result.data}, {ledger.SOURCE_WORDS[result.source]}"
    return f"- {place} ({ledger.verdict_words(stated, result.verdict)}): {'; '.join(parts)}"
