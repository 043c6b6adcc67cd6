"""The contract of the committed notebooks (CONTRIBUTING.md); nbval runs them, here their form is checked."""

import ast
import base64
import re
import statistics

import nbformat
import pytest

from helpers import ledger, papers, reproduce

PATHS = reproduce.all_notebooks()
LONG = [p for p in PATHS if p.stem != "00_start_here"]


def read(path):
    return nbformat.read(path, as_version=4)


def code(path):
    return [c for c in read(path).cells if c.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def text(path):
    return "\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")


every = pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
long = pytest.mark.parametrize("path", LONG, ids=lambda p: p.stem)


def test_there_are_notebooks():
    assert len(PATHS) >= 4


@every
def test_executed_once_from_top_to_bottom_without_an_error(path):
    cells = [c for c in code(path) if c.source.strip()]
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    assert not [o for c in cells for o in c.outputs if o.output_type == "error"]
    assert not [o for c in cells for o in c.outputs if o.get("name") == "stderr"], "a warning was stored"


@every
def test_stored_in_canonical_form(path):
    notebook = read(path)
    before = nbformat.writes(notebook)
    reproduce.canonical(notebook)
    assert nbformat.writes(notebook) == before, "run `python -m helpers reproduce NUMBER --update`"
    assert path.stat().st_size < 3e6


@every
def test_size_of_cells(path):
    lengths = [len(c.source.splitlines()) for c in code(path)]
    assert max(lengths) <= 40 and statistics.median(lengths) <= 8
    n = len(read(path).cells)
    assert (40 if path.stem == "00_start_here" else 60) <= n <= 120


@every
def test_ideas_are_short(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown" and not re.search(r"^\||<details>", cell.source, re.M):
            assert len(cell.source.split()) <= 160, cell.source[:80]


@every
def test_parameters_are_literals_with_their_allowed_values(path):
    (cell,) = [c for c in code(path) if "parameters" in tags(c)]
    tree = ast.parse(cell.source)
    names = [node.targets[0].id for node in tree.body]
    assert names[:3] == ["profile", "dataset", "seeds"]
    for node in tree.body:
        ast.literal_eval(node.value)
    assert all("#" in line for line in cell.source.splitlines())


@every
def test_a_picture_comes_within_the_first_six_cells(path):
    first = read(path).cells[:6]
    assert any("image/png" in o.get("data", {}) for c in first for o in c.get("outputs", []))


@every
def test_pictures_are_pictures(path):
    for cell in code(path):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                assert base64.b64decode(output.data["image/png"]).startswith(b"\x89PNG")


@long
def test_order_of_a_notebook(path):
    whole = text(path)
    assert read(path).cells[0].source.startswith("# ")
    for heading in ("Claims", "Symbols", "If you are running this live", "What did and did not reproduce"):
        assert re.search(rf"^#+ .*{heading}", whole, re.M | re.I), f"no section {heading!r}"
    assert 2 <= len(re.findall(r"^#+ .*Exercise", whole, re.M)) <= 4
    assert "record(" in "".join(c.source for c in code(path)[-4:]), "no record cell at the end"


@long
def test_hand_built_versions_redefine_no_helper(path):
    source = "\n".join(c.source for c in code(path))
    defined = re.findall(r"^def (\w+)", source, re.M)
    assert any(name.endswith("_by_hand") for name in defined)
    imported = {
        a.asname or a.name
        for c in code(path)
        for node in ast.walk(ast.parse(c.source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("helpers")
        for a in node.names
    }
    assert not imported & set(defined)


@long
def test_claim_cells_are_compared_and_belong_to_this_notebook(path):
    checked = [c for c in code(path) if "nbval-check-output" in tags(c)]
    assert checked and all(c.outputs for c in checked)
    printed = "\n".join(o.get("text", "") for c in checked for o in c.outputs)
    shown = set(re.findall(r"\b(?:[A-Z]{2}-C\d+|O-\d+b?)\b", printed))
    mine = {c["id"] for c in papers.claims() if c["notebook"] == path.stem[:2]}
    assert mine <= shown, f"claims without a checked cell: {sorted(mine - shown)}"


@long
def test_every_claim_of_this_notebook_has_a_result(path):
    mine = {c["id"] for c in papers.claims() if c["notebook"] == path.stem[:2]}
    recorded = {r["id"] for r in ledger.ledger() if r["results"]}
    assert mine <= recorded


@every
def test_nothing_machine_specific_is_stored(path):
    stored = path.read_text()
    assert not re.search(r"model_id|/(home|work|root|tmp)/\w|0x[0-9a-f]{8,}", stored)


@every
def test_root_is_found_from_any_folder(path):
    source = "\n".join(c.source for c in code(path))
    assert "parents" in source or "find_root" in source
