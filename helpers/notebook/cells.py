"""What all notebooks print: versions, their claims, lines of verdicts, notices of what is missing, the record."""

import platform
from collections.abc import Collection, Iterable
from importlib.metadata import version

from IPython.display import Markdown

from helpers import datasets, ledger, papers
from helpers.verdicts import Result


def versions(*packages: str) -> None:
    """Print Python's version and those of packages."""
    print("python", platform.python_version(), "·", " · ".join(f"{p} {version(p)}" for p in packages))


def claims(notebook: str) -> list[dict]:
    """The claims and contradictions that a notebook settles, by its number."""
    return [c for c in papers.claims() if c["notebook"] == notebook]


def claims_table(notebook: str, control: str | dict[str, str] | None = None) -> Markdown:
    """The claims of a notebook with their rules, and the range of every component.

    control: what has to fail, for all claims or for each by its id; without one the column is left out.
    """
    head = ["id", "the paper's statement", "what we measure", "range"] + ["control"] * (control is not None)
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for c in claims(notebook):
        cells = [c["id"], c["statement"], c["rule"], "<br>".join(map(ledger.range_words, c["components"]))]
        if control is not None:
            cells.append(control if isinstance(control, str) else control.get(c["id"], "–"))
        lines.append("| " + " | ".join(cells) + " |")
    return Markdown("\n".join(lines))


def real_sets(dataset: str, found: Collection[str]) -> tuple[str, ...]:
    """The real data sets that a notebook asks for; those that were not found are said in one line each."""
    asked = ("somof", "bonn") if dataset == "puppets" else (dataset,)
    for name in asked:
        if name not in found:
            print(datasets.missing(name))
    return asked


def show(results: Iterable[Result], wanted: Collection[str], data: Iterable[str], digits: int = 2) -> None:
    """Print the lines of some claims on some data sets, one for each component; missing data are said to be so."""
    results = list(results)
    for name in data:
        found = [r for claim in wanted for r in results if (r.claim, r.data) == (claim, name)]
        lines = [line for r in found for line in r.lines(digits)]
        print(*(lines or [datasets.missing(name)]), sep="\n")


def record(notebook: str, results: Iterable[Result], profile: str, dataset: str) -> None:
    """Hand a notebook's results to the driver. Raises AssertionError if a claim of the notebook has none."""
    recorded = ledger.record(notebook, results, profile, dataset)
    settled, mine = {r["claim"] for r in recorded}, {c["id"] for c in claims(notebook[:2])}
    assert settled == mine, f"claims without a result, or of another notebook: {sorted(settled ^ mine)}"
    on = dict.fromkeys(r["data"] for r in recorded)
    print(len(recorded), "results of", len(mine), "claims on", ", ".join(on))
