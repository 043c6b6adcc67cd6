"""Every measured claim that a notebook has recorded has a power test, and no power test names another."""

import importlib
import json
from pathlib import Path

from helpers import papers
from helpers.places import FIGURES
from tests.power import BROKEN

for file in sorted(Path(__file__).parent.glob("test_power_0*.py")):
    importlib.import_module(f"tests.{file.stem}")  # registers its tests


def measured():
    """Measured claims with a record, as ids."""
    kind = {c["id"]: c["kind"] for c in papers.claims()}
    rows = [row for path in FIGURES.glob("*_record.json") for row in json.loads(path.read_text())["results"]]
    return {row["claim"] for row in rows if kind[row["claim"]] == "measured"}


def test_every_measured_claim_has_a_power_test():
    assert len(measured()) >= 28
    assert not measured() - set(BROKEN)


def test_every_power_test_names_a_claim():
    assert not set(BROKEN) - {c["id"] for c in papers.claims()}
