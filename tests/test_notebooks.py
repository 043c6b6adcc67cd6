"""The contract of the committed notebooks (CONTRIBUTING.md); nbval runs them, here their form is checked."""

import ast
import base64
import re
import statistics

import nbformat
import pytest

from helpers import WorkbookError, ledger, papers, parameters, places, reproduce
from helpers.notebook import widgets
from tests import notebook_code, prose

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


def test_the_notebooks_are_numbered_without_a_gap():
    assert [p.stem[:2] for p in PATHS] == [f"{k:02}" for k in range(len(PATHS))] and LONG


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
    assert path.stat().st_size < 1.5e6


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


def setup_cell(path):
    """The cell after the parameters, which papermill's own parameters follow."""
    cells = code(path)
    return cells[next(i for i, c in enumerate(cells) if "parameters" in tags(c)) + 1].source


@every
def test_parameters_are_checked_before_anything_is_computed(path):
    source, after = setup_cell(path).split("profile, dataset, seeds = parameters.checked(profile, dataset, seeds")
    assert all(isinstance(n, ast.Import | ast.ImportFrom) for n in ast.parse(source).body[2:] if not is_root(n))
    assert all(isinstance(n, ast.Expr) for n in ast.parse(f"f(1{after}").body), "then settings, nothing computed"


def is_root(node):
    return "root" in ast.unparse(node)


@every
def test_the_root_is_found_from_any_folder_inside_and_said_in_a_sentence_outside(path, tmp_path, monkeypatch):
    source = setup_cell(path)
    finding = source[: source.index("sys.path.insert")]
    for folder in (path.parent, places.ROOT, places.ROOT / "tests", places.ROOT / "data" / "papers"):
        monkeypatch.chdir(folder)
        space = {}
        exec(finding, space)
        assert space["root"] == places.ROOT
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match="is not inside the workbook's folder"):
        exec(finding, {})


@every
def test_a_wrong_parameter_is_one_sentence(path):
    line = next(x for x in setup_cell(path).splitlines() if "parameters.checked" in x)
    good = {"profile": "laptop", "dataset": "puppets", "seeds": "[0]"}
    space = {"parameters": parameters} | good
    exec(line, space)
    assert space["seeds"] == [0], "papermill's -p hands a list on as text"
    for name, value in (("profile", "lap"), ("dataset", "pupets"), ("seeds", []), ("seeds", 3), ("seeds", [-1])):
        with pytest.raises(WorkbookError, match=value if isinstance(value, str) else "seeds"):
            exec(line, {"parameters": parameters} | good | {name: value})


@pytest.mark.parametrize(("number", "known"), [("03", 5), ("04", 5), ("05", 3), ("07", 5), ("08", 3)])
def test_seeds_of_networks_that_are_not_shipped_are_refused(number, known):
    (path,) = [p for p in PATHS if p.stem.startswith(number)]
    line = next(x for x in setup_cell(path).splitlines() if "parameters.checked" in x)
    space = {"parameters": parameters, "profile": "laptop", "dataset": "puppets", "seeds": list(range(known))}
    exec(line, dict(space))
    with pytest.raises(WorkbookError, match="seeds"):
        exec(line, space | {"seeds": [known]})


@every
def test_imports_stand_in_one_cell_but_for_what_a_cell_is_checked_against(path):
    for cell in code(path):
        modules = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Import | ast.ImportFrom)]
        if cell.source != setup_cell(path):
            assert not [n for n in modules if not (getattr(n, "module", "") or "").startswith(("torchvision", "scipy"))]


@every
def test_no_name_of_the_helpers_is_given_to_something_else(path):
    """An imported module or function that a later cell rebinds breaks the cells after it."""
    imported = set()
    for cell in code(path):
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("helpers"):
                imported |= notebook_code.defined(node)
            elif not isinstance(node, ast.Import | ast.ImportFrom) and "parameters.checked" not in ast.unparse(node):
                assert not imported & notebook_code.defined(node, comprehensions=False), ast.unparse(node)[:80]


@every
def test_lines_of_code_are_readable(path):
    assert not [line for c in code(path) for line in c.source.splitlines() if len(line) > 120]


@every
def test_widgets_are_moved_there_and_back(path):
    """After a run they stand where they started (`check` sees to that), and nothing else moves them."""
    source = "\n".join(c.source for c in code(path))
    made = re.findall(rf"^(\w+) = (?:{'|'.join(widgets.__all__)})\(", source, re.M)
    assert made and all(f"{name}.check(" in source for name in made) and ".move(" not in source


@every
def test_pictures_have_few_bytes(path):
    """In 256 colours: without it a picture of a frame takes three times as much."""
    pictures = [o.data["image/png"] for c in code(path) for o in c.outputs if "image/png" in o.get("data", {})]
    assert all(base64.b64decode(p)[25] == 3 for p in pictures), "a palette, kind of colour 3 in the header"


@long
def test_measured_numbers_and_verdicts_of_conclusions_are_computed(path):
    """Nobody types them, so each stands in an output of this notebook, that of the cell which computes it."""
    for cell in prose.last_section(read(path).cells):
        typed = prose.typed(cell)
        assert not prose.measured_numbers(typed), (prose.measured_numbers(typed), typed[:200])
        assert not prose.verdicts(typed), (prose.verdicts(typed), typed[:200])


@long
def test_conclusions_tell_every_claim_of_the_notebook(path):
    shown = " ".join(prose.shown(cell) for cell in prose.last_section(read(path).cells))
    untold = {c["id"] for c in papers.claims() if c["notebook"] == path.stem[:2]} - set(prose.ID.findall(shown))
    assert not untold, f"claims of which the last section says nothing: {sorted(untold)}"
