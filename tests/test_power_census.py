"""Every measured claim that a notebook has recorded has a power test, and no power test names another."""

import ast
import importlib
import json
from pathlib import Path

from helpers import papers
from helpers.places import FIGURES
from tests.power import BROKEN

for file in sorted(Path(__file__).parent.glob("test_power_*.py")):
    if file.stem != Path(__file__).stem:
        importlib.import_module(f"tests.{file.stem}")  # registers its tests


def measured():
    """Measured claims with a record, as ids."""
    kind = {c["id"]: c["kind"] for c in papers.claims()}
    rows = [row for path in FIGURES.glob("*_record.json") for row in json.loads(path.read_text())["results"]]
    return {row["claim"] for row in rows if kind[row["claim"]] == "measured"}


def test_every_measured_claim_has_a_power_test():
    assert len(measured()) >= 25
    assert not measured() - set(BROKEN)


def test_every_power_test_names_a_claim():
    assert not set(BROKEN) - {c["id"] for c in papers.claims()}


def test_every_power_test_measures_as_the_notebooks_do():
    """Its module calls a function of helpers.experiments; a test with figures of its own proves nothing."""
    for module in {name.rpartition(".")[0] for tests in BROKEN.values() for name in tests}:
        tree = ast.parse((Path(__file__).parents[1] / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
        imports = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "helpers.experiments"]
        measuring = {alias.name for n in imports for alias in n.names}
        calls = [n.func.value for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
        assert measuring & {owner.id for owner in calls if isinstance(owner, ast.Name)}, module
