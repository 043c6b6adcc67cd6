"""The driver on small notebooks of its own: it never destroys, and never says "unchanged" of what has changed."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers import WorkbookError, reproduce
from helpers.reproduce import comparing, keys, running
from helpers.reproduce.workbook import Workbook, read_notebook

ROOT = Path(__file__).resolve().parent.parent
PARAMETERS = (
    'profile = "laptop"  # laptop or gpu\ndataset = "puppets"  # any\nseeds = [0]  # any\nrate = 0.5\nbudget = None'
)
#: Writes a table that shows the parameters, and a record with one result per data set.
WRITE = """import os, pathlib, json
out = pathlib.Path(os.environ["POSE_WORKBOOK_OUT"])
(out / "{n}_count.csv").write_text(f",data,MOTA\\n0,puppets,{{{value} + sum(seeds)}}\\n")"""
RECORD = """one = dict(estimate={value}, interval=[0.1, 0.3], verdict="holds")
part = dict(one, name="Hungarian minus greedy", unit="MOTA", noise={{"runs": [{value}]}})
row = dict(one, claim="PT-C8", data="puppets", source="network", profile="laptop", n_videos=2, n_seeds=1,
           resampled="videos", components=[part])
(out / "{n}_record.json").write_text(json.dumps({{"notebook": "{n}", "results": [row]}}))"""


def write(book, name, *cells, text="# t"):
    first = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    notebook = new_notebook(cells=[new_markdown_cell(text), first, *map(new_code_cell, cells)])
    for i, cell in enumerate(notebook.cells):
        cell.id = f"{name[:2]}-{i}"
    running.canonical(notebook)
    path = book.root / "notebooks" / f"{name}.ipynb"
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    return path


def counting(number, value="1.5"):
    return WRITE.format(n=number, value=value)


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A workbook of two small notebooks in a folder of its own, without real data."""
    for name in ("notebooks", "figures", "helpers", "data/papers", "data/weights", "data/predictions"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("requirements.txt", "helpers/a.py", "data/papers/p.yaml", "data/weights/w", "data/predictions/p"):
        (tmp_path / name).write_text("x==1\n")
    (tmp_path / "README.md").write_text("top … →\n<!-- ledger -->\n<!-- /ledger -->\nend\n", encoding="utf-8")
    monkeypatch.setenv("POSE_WORKBOOK_DATA", "")
    book = Workbook(tmp_path)
    write(book, "01_one", counting("01"))
    write(book, "02_two", counting("02"), "2 + 2")
    return book


def run(book, *names, **options):
    return reproduce.reproduce(names, book=book, **options)


def committed(book):
    """Every file outside build/, with its content."""
    files = (f for f in book.root.rglob("*") if f.is_file() and book.build not in f.parents)
    return {f.relative_to(book.root).as_posix(): f.read_bytes() for f in files}


def ran(capsys):
    """Names that the closing table does not call unchanged."""
    lines = capsys.readouterr().out.splitlines()
    return [line.split()[0] for line in lines if line[:2].isdigit() and line[2] == "_" and "unchanged" not in line]


# --- what makes a run the same run ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file",
    [
        "helpers/a.py",
        "helpers/b.txt",
        "helpers/c.js",
        "helpers/d.css",
        "data/papers/p.yaml",
        "data/weights/w",
        "data/predictions/p",
        "requirements.txt",
    ],
)
@pytest.mark.parametrize("change", ["digit", "delete"])
def test_the_key_sees_what_is_read(book, file, change):
    book.build.mkdir()
    (book.root / file).write_text("x==1\n")
    times = (book.root / file).stat().st_atime_ns, (book.root / file).stat().st_mtime_ns
    before = keys.shared(book, [])
    assert keys.shared(book, []) == before
    if change == "digit":
        (book.root / file).write_text("x==2\n")  # as long as before, and as old
        os.utime(book.root / file, ns=times)
    else:
        (book.root / file).unlink()
    assert keys.shared(book, []) != before


def test_the_key_sees_python_and_with_other_parameters_what_was_made(book, monkeypatch):
    (book.build / "weights").mkdir(parents=True)
    notebook = read_notebook(book.named("01"))
    runs = [reproduce._Run(book, reproduce.DEFAULTS | more, 1, False) for more in ({}, {"profile": "gpu"})]
    laptop, gpu = (run._key(notebook) for run in runs)
    (book.build / "weights" / "w").write_text("trained")
    assert runs[0]._key(notebook) == laptop and runs[1]._key(notebook) != gpu
    assert runs[1]._key(notebook, made=False) == runs[1]._key(notebook, made=False) != gpu
    monkeypatch.setattr(sys, "version", "4")
    assert runs[0]._key(notebook) != laptop


def test_the_kernel_is_this_python_whatever_lies_on_the_path(book, monkeypatch):
    spec = book.root / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": ["no-such-python", "{connection_file}"], "display_name": "p", "language": "p"}))
    monkeypatch.setenv("JUPYTER_PATH", str(book.root))
    assert run(book, "02", extra={"seeds": [1]}) == 0


def test_inputs_that_change_while_it_runs_give_no_result(book, capsys):
    file = book.root / "data" / "papers" / "p.yaml"
    run(book, "01")
    before = (book.build / "figures" / "01_count.csv").read_bytes()
    write(book, "01_one", counting("01", "7.5"), f"pathlib.Path({str(file)!r}).write_text('x==9')")
    assert run(book, "01") == 1
    assert "01_one.ipynb: what it reads was changed while it ran; run it again." in capsys.readouterr().out
    assert (book.build / "figures" / "01_count.csv").read_bytes() == before


def test_the_key_sees_real_data_by_content(book, monkeypatch):
    book.build.mkdir()
    folder = book.root / "real" / "somof"
    folder.mkdir(parents=True)
    monkeypatch.setattr(keys.datasets, "find", lambda name: folder if name == "somof" else None)
    (folder / "posetrack_valid_in.json").write_text("[1]")
    before = keys.shared(book, ["somof", "bonn"])
    (folder / "posetrack_valid_in.json").write_text("[2]")
    assert keys.shared(book, ["somof", "bonn"]) != before
    (folder / "posetrack_valid_in.json").write_text("[1]")
    assert keys.shared(book, ["somof", "bonn"]) == before
    (folder / "nowhere").symlink_to(folder / "gone")
    assert keys.shared(book, ["somof", "bonn"]) == before
    (book.build / "hashes.json").write_text("[")
    assert keys.shared(book, ["somof", "bonn"]) == before


def test_the_key_sees_code_parameters_and_the_records_that_are_shown(book):
    def key(*cells, text="# t", parameters=None, common="c"):
        return keys.of_run(read_notebook(write(book, "01_one", *cells, text=text)), parameters or {}, common, records)

    records = book.build / "records"
    records.mkdir(parents=True)
    (records / "02_record.json").write_text("{}")
    plain, showing = key("1"), key("ledger.ledger()")
    assert key("1", text="# other") == plain
    assert len({plain, showing, key("2"), key("1", parameters={"seeds": [1]}), key("1", common="d")}) == 5
    (records / "02_record.json").write_text("[]")
    assert key("1") == plain and key("ledger.ledger()") != showing


@pytest.mark.parametrize(
    "text", ["null", "[]", "{}", "{", '{"key": "k"}', '{"key": "k", "minutes": 1, "outputs": null}']
)
def test_a_damaged_stamp_counts_as_none(book, text):
    book.build.mkdir()
    notebook = read_notebook(book.named("01"))
    (book.build / "01_one.json").write_text(text)
    assert keys.read_stamp(book.build, notebook) == {} and not keys.finished(book.build, notebook, "k")


def test_of_two_that_show_records_the_later_number_runs_first(book):
    for name in ("00_all", "13_board"):
        write(book, name, "ledger.ledger()")
    asked = reproduce._Run(book, dict(reproduce.DEFAULTS), 1, False)
    asked.read(book.notebooks())
    needed = {n: asked._needed(notebook) for n, notebook in asked.notebooks.items()}
    alone = ["01_one", "02_two"]
    assert needed == {"00_all": [*alone, "13_board"], "01_one": [], "02_two": [], "13_board": alone}


# --- comparing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "old, new, digits, equal",
    [
        ("31.9", "31.9", 1, True),
        ("0.123", "0.124", 3, True),
        ("0.123", "0.125", 3, False),
        ("0.1", "0.2", 3, False),
        ("0.1", "0.101", 3, True),
        ("1234.567", "1234.66", 3, True),
        ("1234.567", "1234.70", 3, False),
        ("20", "20.0", 0, True),
        ("20", "21", 0, False),
        ("13894", "13895", 3, False),
        ("13894.0", "13895.0", 3, False),
        ("13894.0", "13894.5", 0, False),
        ("+0.17 [0.06, 0.26]", "+0.18 [0.06, 0.26]", 2, True),
        ("+0.17 [0.06, 0.26]", "+0.17 [0.06, 0.29]", 2, False),
        ("+0.04 [0.00, 0.09]", "+0.04 [-0.01, 0.09]", 2, False),
        ("0.01", "-0.01", 1, False),
        ("0", "0.1", 1, False),
        ("−0.17", "0.17", 2, False),
        ('"holds"', '"undecided"', 6, False),
        ("1.0", "", 1, False),
        ("[1.0, 2.0]", "[1.0]", 6, False),
        ("0.000012", "1.3e-05", 6, True),
    ],
)
def test_numbers_agree_within_the_last_digit_of_their_column(old, new, digits, equal):
    assert comparing.same(old, new, digits) == equal and comparing.same(new, old, digits) == equal


ROWS = ",data,MOTA,switches\n0,puppets,1.5,20\n1,puppets,2.5,30\n2,somof,3.5,40\n3,bonn,4.5,50\n"
COLUMNS = ",puppets,puppets,somof,real clip\n,MOTA,gain,MOTA,MOTA\nbox,1.5,+0.10 [-0.1],2.5,3.5\npck,1.25,–,2.25,3.25\n"
MISSING = ["somof", "real clip"]


def compared(tmp_path, old, new, missing=MISSING, name="05_t.csv"):
    (tmp_path / "old").mkdir(exist_ok=True)
    for path, text in ((tmp_path / "old" / name, old), (tmp_path / name, new)):
        path.write_text(text)
    out = comparing.Comparison()
    out.add_table(tmp_path / "old" / name, tmp_path / name, missing)
    return out


def test_rows_of_missing_data_are_no_difference(tmp_path):
    without = ROWS.replace("2,somof,3.5,40\n3,", "2,")
    same = compared(tmp_path, ROWS, without)
    assert (same.equal, same.differ, same.not_here) == (6, [], ["05_t.csv: 3 cells of somof"])
    assert len(compared(tmp_path, ROWS, without, missing=[]).differ) == 3
    other = compared(tmp_path, ROWS, without.replace("30", "31").replace("4.5", "4.7"))
    assert other.equal == 4 and other.differ == [
        "05_t.csv, row puppets#1, column switches: committed 30, now 31",
        "05_t.csv, row bonn, column MOTA: committed 4.5, now 4.7",
    ]
    assert "now nothing" in compared(tmp_path, ROWS, ROWS[: ROWS.index("3,bonn")]).differ[0]
    assert "committed nothing" in compared(tmp_path, ROWS[: ROWS.index("3,bonn")], ROWS).differ[0]


def test_columns_of_missing_data_are_no_difference(tmp_path):
    without = ",puppets,puppets\n,MOTA,gain\nbox,1.5,+0.10 [-0.1]\npck,1.25,–\n"
    same = compared(tmp_path, COLUMNS, without)
    assert same.equal == 4 and not same.differ and len(same.not_here) == 2
    assert "column puppets gain" in compared(tmp_path, COLUMNS, without.replace("0.10", "0.20")).differ[0]


def test_a_table_that_names_missing_data_may_show_them_in_other_cells_too(tmp_path):
    old, new = ",puppets,factor,somof\nspeed,1.5,1.25,1.0\n", ",puppets,factor,somof\nspeed,1.75,,\n"
    maybe = compared(tmp_path, old, new)
    assert len(maybe.differ) == 1 and "column puppets" in maybe.differ[0]
    assert maybe.not_here == ["05_t.csv: 1 cells differ and may show them", "05_t.csv: 1 cells of somof"]
    assert len(compared(tmp_path, old.replace("somof", "all"), new.replace("somof", "all")).differ) == 3
    assert comparing.keep_cells(old, new, MISSING) == old.replace("1.5", "1.75").replace(
        "somof", "somof" + comparing.KEPT
    )
    assert comparing.keep_cells(old.replace("somof", "all"), new, MISSING) == new


@pytest.mark.parametrize(
    "old, new, equal, close, differ",
    [
        (",a\nx,0.1\ny,0.123\n", ",a\nx,0.101\ny,0.123\n", 1, 1, 0),
        (",a\nx,0.1\ny,0.123\n", ",a\nx,0.2\ny,0.123\n", 1, 0, 1),  # the column has three digits
        (",a\n1,5.25\n2,6.25\n", ",a\n1,5.25\n3,6.25\n", 3, 0, 1),  # an index that counts something
        (",a\n0,5.25\n1,6.25\n", ",a\n0,5.25\n1,6.25\n", 2, 0, 0),
        (",a\nx,1.5\n", ",a\nx,1.5,9\n", 1, 0, 1),  # a cell beyond the header
        (",a,b\nx,1.5,2.5\n", ",b,a\nx,2.5,1.5\n", 2, 0, 1),
        (",a\nx,1.5\ny,2.5\n", ",a\ny,2.5\nx,1.5\n", 2, 0, 1),
    ],
)
def test_every_cell_and_its_place_counts(tmp_path, old, new, equal, close, differ):
    found = compared(tmp_path, old, new, missing=[])
    assert (found.equal, found.close, len(found.differ)) == (equal, close, differ)


def test_records_are_compared_by_claim_and_data(tmp_path):
    row = dict(claim="PT-C4", data="puppets", estimate=-3.95, interval=[-4.7, None], n_videos=20, verdict="holds")
    row |= dict(source="network", components=[dict(name="step", estimate=-3.95, noise={"runs": [1]})])
    other = row | {"data": "somof", "estimate": 1.0}
    old, new = (json.dumps({"results": rows}) for rows in ([row, other], [row]))
    same = compared(tmp_path, old, new, name="05_record.json")
    assert not same.differ and same.equal >= 3 and same.not_here == ["05_record.json: 8 cells of somof"]
    turned = compared(tmp_path, old, new.replace("holds", "undecided"), name="05_record.json")
    assert turned.differ == [
        '05_record.json, row PT-C4 on puppets (network), column verdict: committed "holds", now "undecided"'
    ]
    twice, other = (json.dumps({"profile": p, "results": [row | {"estimate": e}, row]}) for p, e in ("a1", "b2"))
    found = compared(tmp_path, twice, other, name="05_record.json").differ
    assert found == [
        '05_record.json, row record, column profile: committed "a", now "b"',
        '05_record.json, row PT-C4 on puppets (network), column estimate: committed "1", now "2"',
    ]
    noisier = compared(tmp_path, old, old.replace('"runs": [1]', '"runs": [2]'), name="05_record.json")
    assert not noisier.differ and not noisier.not_here
    simulated = compared(tmp_path, new, new.replace('"network"', '"simulated"'), name="05_record.json").differ
    assert len(simulated) == 16 and "row PT-C4 on puppets (simulated)" in simulated[-1]
    with pytest.raises(WorkbookError, match="05_record.json: cannot be compared"):
        compared(tmp_path, old, '{"results": [1]}', name="05_record.json")


def test_pictures_are_compared_square_by_square(tmp_path):
    import cv2

    image = np.full((50, 40, 3), 200, np.uint8)
    for name, change, where in (
        ("a", 0, np.s_[:0]),
        ("faint", 60, np.s_[:]),
        ("six", 90, np.s_[49, 32:38]),
        ("seven", 61, np.s_[49, 32:39, 1]),
    ):
        image_now = image.copy()
        image_now[where] -= np.uint8(change)
        cv2.imwrite(str(tmp_path / f"{name}.png"), image_now)
    (tmp_path / "no.png").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "small.png"), image[1:])
    out = comparing.Comparison()
    for name in ("a", "faint", "six", "seven", "no", "small"):
        out.add_picture(tmp_path / "a.png", tmp_path / f"{name}.png")
    assert (out.equal_pictures, out.alike_pictures) == (1, 2)
    assert out.other_pictures == ["seven.png", "no.png", "small.png"]


def test_what_a_reader_would_see_looks_different_and_another_palette_does_not(tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    from helpers import outputs

    def draw(name, bar=55, title="55.0", line=True):
        figure, axes = plt.subplots(figsize=(9, 4))
        axes.bar([0, 1, 2], [50, 60, bar], width=0.15)
        axes.plot(range(10), [30 + 9 * np.sin(i) for i in range(10)], linewidth=1, visible=line)
        axes.set_title(f"MOTA {title}")
        outputs.save_figure(figure, name)
        plt.close(figure)
        return tmp_path / name

    monkeypatch.setenv("POSE_WORKBOOK_OUT", str(tmp_path))
    first = draw("first.png")
    for i, change in enumerate((dict(bar=50), dict(title="55.2"), dict(line=False))):
        assert comparing.looks_different(first, draw(f"{i}.png", **change))
    monkeypatch.setattr(outputs, "small_png", lambda picture: picture)
    whole = draw("whole.png")
    assert whole.read_bytes() != first.read_bytes() and not comparing.looks_different(first, whole)


# --- which cells may show real data --------------------------------------------------------------------------


def test_what_comes_from_real_data_is_found_from_the_code(book):
    cells = [
        "from helpers.datasets import bonn, somof",
        "world = {n: n for n in worlds.available(dataset)}",
        "save_figure(fig, '05_a.png')",
        "best = max(world)",
        "for name in best: save_figure(name, '05_b.png')",
        "best = 1",
        "save_figure(best, '05_c.png')",
        "out.append(world)",
        "save_table(out, '05_d.csv')",
        "%matplotlib inline\nsave_figure(name, '05_e.png')",
    ]
    notebook = read_notebook(write(book, "05_real", *cells))
    assert notebook.on_real_data == [False, False, True, False, True, True, False, False, True, True, False]
    shows = {name: notebook.file_on_real_data(f"05_{name}") for name in ("a.png", "b.png", "c.png", "d.csv", "e.png")}
    assert shows == {"a.png": False, "b.png": True, "c.png": False, "d.csv": True, "e.png": False}
    assert notebook.file_on_real_data("05_made_up_name.png")
    assert not read_notebook(book.named("01")).file_on_real_data("01_made_up_name.png")


def test_which_real_data_are_missing(book, monkeypatch):
    assert reproduce.missing_here("puppets") == ["somof", "bonn", "real clip"]
    assert reproduce.missing_here("somof") == ["somof"]
    monkeypatch.setattr(reproduce.datasets, "find", lambda name: book.root / name)
    assert reproduce.missing_here("puppets") == reproduce.missing_here("bonn") == ["real clip"]
    (book.root / "bonn" / "derived").mkdir(parents=True)
    (book.root / "bonn" / "derived" / f"{reproduce.bonn.CLIP}_poses.json").touch()
    assert reproduce.missing_here("puppets") == []


def test_this_workbook_can_be_read():
    book = Workbook()
    notebooks = [read_notebook(path) for path in book.notebooks()]
    assert [n.number for n in notebooks if n.reads_records] == ["00"]
    assert all({"profile", "dataset", "seeds"} <= set(n.parameters) for n in notebooks)
    assert {n.number for n in notebooks if any(n.on_real_data)} >= {"01", "05", "06", "07"}
    assert not any(any(n.on_real_data) for n in notebooks if n.number in ("02", "04"))


# --- runs ----------------------------------------------------------------------------------------------


def test_a_run_writes_to_build_alone_and_goes_on_where_it_ended(book, capsys):
    before = committed(book)
    run(book)
    assert ran(capsys) == ["01_one", "02_two"] and committed(book) == before
    assert (book.build / "figures" / "01_count.csv").read_text() == ",data,MOTA\n0,puppets,1.5\n"
    assert len(json.loads((book.build / "ledger.json").read_text())) > 90
    assert not list(book.build.glob("staging-*"))
    write(book, "01_one", counting("01"), text="# other words")
    run(book)
    assert ran(capsys) == []
    (book.build / "figures" / "02_count.csv").write_text("edited by hand")
    write(book, "01_one", counting("01", "2.5"))
    run(book)
    assert ran(capsys) == ["01_one", "02_two"]
    run(book, "02", extra={"seeds": [7]})
    assert ran(capsys) == ["02_two"]
    assert next(book.build.glob("seeds=_7_-*/figures/02_count.csv")).read_text() == ",data,MOTA\n0,puppets,8.5\n"
    run(book)
    assert ran(capsys) == []


def test_what_shows_the_records_of_others_runs_after_them_and_again_when_they_change(book, capsys):
    show = 'files = sorted(pathlib.Path(os.environ["POSE_WORKBOOK_RECORDS"]).glob("*"))  # as ledger.ledger() does\n'
    show += '(out / "00_shown.csv").write_text("a,b\\n" + "".join(f"{f.name},{len(f.read_text())}\\n" for f in files))'
    write(book, "00_all", counting("00"), show)
    write(book, "01_one", counting("01"), RECORD.format(n="01", value=0.2))
    run(book, jobs=2)
    first = (book.build / "figures" / "00_shown.csv").read_text()
    assert "01_record.json" in first and json.loads((book.build / "ledger.json").read_text())
    capsys.readouterr()
    write(book, "01_one", counting("01"), RECORD.format(n="01", value=0.25))
    run(book, jobs=1)
    assert ran(capsys) == ["00_all", "01_one"] and (book.build / "figures" / "00_shown.csv").read_text() != first


def test_different_numbers_are_said_and_fail_the_command(book, capsys):
    run(book, "01", update=True)
    assert (
        run(book, "01") == 0 and "1 numbers equal to the digit, 0 within tolerance, 0 differ" in capsys.readouterr().out
    )
    (book.figures / "01_count.csv").write_text(",data,MOTA\n0,puppets,7.5\n")
    assert run(book, "01") == 1
    assert "DIFFERENT: 01_count.csv, row puppets, column MOTA: committed 7.5, now 1.5" in capsys.readouterr().out
    assert run(book, "01", extra={"seeds": [1]}) == 0 and "not compared" in capsys.readouterr().out


# --- what goes wrong ------------------------------------------------------------------------------------


def test_each_failure_is_one_line_and_the_others_run(book, capsys):
    run(book)
    capsys.readouterr()
    write(book, "01_one", counting("01", "9.9"), "1 / 0")
    write(book, "03_dies", "import os; os._exit(1)")
    write(book, "04_foreign", counting("05"))
    write(book, "05_folder", counting("05"), '(out / "05_more").mkdir()')
    write(book, "06_record", counting("06"), RECORD.format(n="06", value='"high"'))
    assert run(book) == 1
    lines = {line[:2]: line for line in capsys.readouterr().out.splitlines() if line[2:3] == "_"}
    assert "cell 3 raised ZeroDivisionError: division by zero" in lines["01"] and "failed" not in lines["02"]
    assert "its kernel died" in lines["03"] and "must start with 04_" in lines["04"] and "05_more" in lines["05"]
    assert "06_record.json: results[0].estimate" in lines["06"]
    assert (book.build / "figures" / "01_count.csv").read_text().endswith("1.5\n")
    assert not list(book.build.glob("staging-*")) and not list((book.build / "figures").glob("05*"))


def test_damaged_notebooks_and_two_of_one_number_are_named_and_the_others_run(book, capsys):
    good = (book.root / "notebooks" / "01_one.ipynb").read_text()
    bad = {
        "03_conflict": ("<<<<<<< HEAD\n" + good).encode(),
        "04_empty": b"",
        "05_utf16": good.encode("utf-16"),
        "06_null": b'{"cells": null, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
        "07_cut": good.encode()[:200],
        "02_two-Copy1": good.encode(),
    }
    for name, content in bad.items():
        (book.root / "notebooks" / f"{name}.ipynb").write_bytes(content)
    (book.figures / "09_record.json").write_text('{"results": [{}]}')
    before = committed(book)
    assert run(book, update=True) == 1
    out = capsys.readouterr().out
    assert "\n09_record.json: results[0].claim is missing" in out
    lines = {line.split()[0]: line for line in out.splitlines() if line[2:3] == "_"}
    assert lines["01_one"].endswith("–") and committed(book).items() - before.items()
    for name in [*bad, "02_two"]:
        assert f"failed  {name}.ipynb: " in lines[name] and lines[name].endswith(".")
        assert committed(book)[f"notebooks/{name}.ipynb"] == before[f"notebooks/{name}.ipynb"]


@pytest.mark.parametrize(
    "arguments, names",
    [
        (dict(names=["07"]), "'07'"),
        (dict(profile="huge"), "profile 'huge'"),
        (dict(extra={"profile": "huge"}), "profile 'huge'"),
        (dict(dataset="coco"), "coco"),
        (dict(extra={"dataset": "posetrack18"}), "posetrack18: not found"),
        (dict(extra={"sedes": [1]}), "sedes"),
        *((dict(extra={"seeds": s}), "seeds") for s in (3, [], [-1], None, ["a"], "[1", {1, 2}, [0, 0])),
        *((dict(extra={"budget": b}), "budget") for b in ("abc", -1, 0, True, [1], 1.5)),
        (dict(extra={"rate": "fast"}), "rate = 'fast'"),
        (dict(extra={"rate": True}), "rate = True"),
        (dict(jobs=0), "--jobs 0"),
        (dict(jobs=65), "--jobs 65"),
        (dict(update=True, profile="gpu"), "--update"),
    ],
    ids=str,
)
def test_bad_requests_are_refused_before_anything_runs(book, arguments, names):
    with pytest.raises(WorkbookError, match=names):
        reproduce.reproduce(**arguments, book=book)
    assert not book.build.exists()


def test_update_refuses_other_defaults_and_a_data_folder_that_is_not_there(book, monkeypatch):
    path = write(book, "02_two", counting("02"))
    path.write_text(path.read_text().replace('profile = \\"laptop', 'profile = \\"gpu'))
    with pytest.raises(WorkbookError, match="02_two.ipynb: its own defaults are not profile = 'laptop'"):
        run(book, update=True)
    monkeypatch.setenv("POSE_WORKBOOK_DATA", "/nowhere")
    with pytest.raises(WorkbookError, match="POSE_WORKBOOK_DATA: .*nowhere is no folder"):
        run(book, "01", update=True)
    assert not book.build.exists()


def test_parameters_that_look_alike_have_folders_of_their_own(book):
    texts = ["a b", "a/b", "a" * 200, "a" * 201]
    folders = [reproduce._Run(book, reproduce.DEFAULTS | {"x": text}, 1, False).out for text in texts]
    assert len(set(folders)) == 4 and {f.parent for f in folders} == {book.build}
    assert reproduce._Run(book, reproduce.DEFAULTS | {"profile": "gpu"}, 1, False).out == book.build / "profile=gpu"


def test_without_notebooks_there_is_nothing_to_run(tmp_path):
    with pytest.raises(WorkbookError, match="holds no notebooks"):
        run(Workbook(tmp_path))


def test_disk_full_while_publishing_is_one_sentence(book, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "01_count.csv")

    monkeypatch.setattr(running, "_publish", full)
    assert run(book, "01") == 1
    assert "01_count.csv cannot be written (No space left on device)." in capsys.readouterr().out
    assert not list(book.build.glob("staging-*"))


def test_what_nobody_thought_of_is_one_sentence_too(book, monkeypatch, capsys):
    async def strange(*_):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(running, "run", strange)
    assert run(book) == 1
    assert capsys.readouterr().out.count("cannot be run (RuntimeError two lines).") == 2


def test_a_second_run_at_the_same_time_is_refused(book):
    book.build.mkdir()
    with reproduce._one_run_at_a_time(book), pytest.raises(WorkbookError, match="another run"):
        run(book)


def test_data_folders_reach_the_kernel_whole(book, monkeypatch):
    monkeypatch.chdir(book.root)
    monkeypatch.setenv("POSE_WORKBOOK_DATA", f"mine{os.pathsep}/other")
    passed = running._environment(book.build, book.build)["POSE_WORKBOOK_DATA"]
    assert passed == f"{book.root / 'mine'}{os.pathsep}/other"


# --- a run that is killed ----------------------------------------------------------------------------------

SLOW = 'import os, pathlib, time\n(pathlib.Path.cwd().parent / "pid").write_text(str(os.getpid()))\ntime.sleep(90)'


def started(book):
    """The command with --update in a process of its own."""
    code = (
        "import sys, pathlib; from helpers import __main__, reproduce; "
        f"book = reproduce.Workbook(pathlib.Path({str(book.root)!r})); reproduce.Workbook = lambda: book; "
        "sys.exit(__main__.main(['reproduce', '--update']))"
    )
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    # A shell's job in the background, as some CI runs the tests, has its children ignore Ctrl-C.
    heard = {"preexec_fn": _hear_signals} if os.name == "posix" else {}
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, **pipes, **heard)


def _hear_signals():
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def gone(pid):
    """Whether no such process runs; one that has ended and whose parent has not asked yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(condition, seconds=40):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc which processes run")
@pytest.mark.parametrize("names", ["SIGKILL", "SIGTERM", "SIGINT SIGINT", "SIGHUP SIGTERM SIGINT"])
def test_a_killed_run_leaves_no_kernel_and_the_next_goes_on(book, names, capsys):
    write(book, "02_two", counting("02"), SLOW)
    before = committed(book)
    process = started(book)
    pid, stamp = book.root / "pid", book.build / "01_one.json"
    assert until(lambda: pid.exists() and pid.read_text() and stamp.exists())
    for name in names.split():
        process.send_signal(getattr(signal, name))
        time.sleep(0.03)
    try:
        error = process.communicate(timeout=15)[1].decode()
    finally:
        process.kill()
    assert process.returncode == (-signal.SIGKILL if names == "SIGKILL" else 130)
    assert names == "SIGKILL" or error.splitlines()[-1] == (
        "error: interrupted; finished notebooks are kept, run the same command to go on."
    )
    assert until(lambda: all(gone(int(p)) for p in pid.read_text().split()), 1 if names == "SIGKILL" else 5)
    pid.unlink()
    assert committed(book) == before
    write(book, "02_two", counting("02"))
    run(book)
    assert ran(capsys) == ["02_two"] and not list(book.build.glob("staging-*"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_signal_while_a_kernel_starts_is_one_sentence(book):
    process = started(book)
    assert until(lambda: list(book.build.glob("staging-*")))
    time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=30)[1].decode()
    assert process.returncode == 130 and "Traceback" not in error and error.endswith("to go on.\n")


# --- --update -----------------------------------------------------------------------------------------------


def test_update_twice_changes_nothing_the_second_time(book, monkeypatch):
    write(book, "02_two", counting("02"), "import ipywidgets\nprint('a')\nprint('b')\nipywidgets.IntSlider()")
    (book.figures / "02_old.png").write_bytes(b"stale")
    (book.figures / "03_of_another.png").write_bytes(b"fine")

    def across(source, target, move=os.replace):
        if Path(source).parent != Path(target).parent and book.figures in Path(target).parents:
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(target))
        move(source, target)

    monkeypatch.setattr(os, "replace", across)
    assert run(book, update=True) == 0
    first = committed(book)
    assert (
        b'execution_count": 3' in first["notebooks/02_two.ipynb"] and b"model_id" not in first["notebooks/02_two.ipynb"]
    )
    assert first["figures/01_count.csv"].endswith(b"1.5\n") and b"| claims, measured here |" in first["README.md"]
    assert "figures/02_old.png" not in first and "figures/03_of_another.png" in first
    write(book, "02_new", "1").unlink()
    assert run(book, update=True, fresh=True) == 0 and committed(book) == first


def test_a_notebook_that_is_edited_while_it_runs_is_left_alone(book, capsys):
    edit = 'path = pathlib.Path("01_one.ipynb")\npath.write_text(path.read_text().replace("# t", "# edited meanwhile"))'
    path = write(book, "01_one", counting("01"), edit)
    run(book, "01", update=True)
    assert "01_one.ipynb: was edited while it ran" in capsys.readouterr().out
    assert "# edited meanwhile" in path.read_text() and not (book.figures / "01_count.csv").exists()


def test_update_publishes_of_other_notebooks_only_what_is_current(book):
    code = RECORD.replace("_record.json", '_" "record.json')  # a notebook that is not taken for one that shows records
    write(book, "01_one", counting("01"), code.format(n="01", value=0.2))
    run(book, update=True)
    good = committed(book)
    for last in ("1", "1 / 0"):
        write(book, "01_one", counting("01"), code.format(n="01", value=0.77))
        run(book, "01")  # a trial, in build/ alone
        run(book, "02")
        assert '"estimate": 0.77' in (book.build / "ledger.json").read_text()
        (book.root / "notebooks" / "01_one.ipynb").write_bytes(good["notebooks/01_one.ipynb"])
        run(book, "02", update=True)
        assert committed(book) == good
        path = write(book, "01_one", counting("01"), code.format(n="01", value=0.77), last)
        run(book, "02" if last == "1" else "01", update=True)
        assert committed(book) == good | {"notebooks/01_one.ipynb": path.read_bytes()}
    assert '"estimate": 0.2' in (book.build / "ledger.json").read_text()


def test_a_cell_whose_code_has_changed_does_not_keep_the_outputs_of_the_old_code(book, monkeypatch):
    def git(*arguments):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=book.root, check=True)

    path = write(book, "05_real", counting("05"), "somof = 1\nprint('old', somof)", "print('same', somof)")
    run(book, "05", update=True)
    path.write_text(path.read_text().replace("same 1", "with data 1"))
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "with data")
    path.write_text(path.read_text().replace("print('old'", "print('new'"))
    monkeypatch.setattr(reproduce, "missing_here", lambda _: ["somof"])
    assert run(book, "05", update=True) == 0
    text = path.read_text()
    assert "new 1" in text and "old 1" not in text and "with data 1" in text


@pytest.mark.parametrize("fault", ["no markers", "no file", "no room"])
def test_what_cannot_be_published_is_one_sentence_and_nothing_changes(book, capsys, monkeypatch, fault):
    readme = book.root / "README.md"
    if fault == "no markers":
        readme.write_text("plain")
    elif fault == "no file":
        readme.unlink()
    else:
        monkeypatch.setattr("shutil.disk_usage", lambda _: type("", (), {"free": 9}))
    before = committed(book)
    assert run(book, update=True) == 1 and committed(book) == before
    out = capsys.readouterr().out
    assert "\n01_one" in out and out.endswith(".\n") and ("has no room" in out or "\nREADME.md: " in out)


def test_update_without_the_data_keeps_what_it_cannot_compute(book, capsys, monkeypatch):
    real = 'found = ["somof"] if os.environ["POSE_WORKBOOK_DATA"] else []\n'
    tables = """rows = "".join(f"{i},{d},{i}.5\\n" for i, d in enumerate(["puppets", *found]))
(out / "05_real.csv").write_text(",data,MOTA\\n" + rows)
(out / "05_real.png").write_bytes(b"with" if found else b"without")
if found: (out / "05_only.png").write_bytes(b"with")
print(found)"""
    record = RECORD.format(n="05", value=0.2).replace("[row]", "[row | {'data': d} for d in ['puppets', *found]]")
    plain = '(out / "05_plain.png").write_bytes(b"PLAIN")'
    path = write(book, "05_real", counting("05"), real, tables, record, plain)
    monkeypatch.setenv("POSE_WORKBOOK_DATA", str(book.root))
    monkeypatch.setattr(reproduce, "missing_here", lambda _: [])
    assert run(book, "05", update=True) == 0
    with_data = committed(book)
    monkeypatch.setenv("POSE_WORKBOOK_DATA", "")
    monkeypatch.setattr(reproduce, "missing_here", lambda _: ["somof"])
    capsys.readouterr()
    assert run(book, "05", fresh=True) == 0 and committed(book) == with_data
    out = capsys.readouterr().out
    assert "05_real.csv: 2 cells of somof" in out and "05_only.png: not written" in out and "fetch somof" in out
    ledger = (book.build / "ledger.json").read_text()
    assert '"recomputed": false' in ledger and '"somof"' in ledger
    write(book, "05_real", counting("05"), real, tables, record.replace("0.2", "0.25"), plain.replace("PLAIN", "NEW"))
    path.write_text(path.read_text().replace('"outputs": []', '"outputs": []'))
    assert run(book, "05", update=True) == 0
    now = committed(book)
    assert now["figures/05_real.csv"].decode() == ",data,MOTA\n0,puppets,0.5\n1,somof (not recomputed),1.5\n"
    assert now["figures/05_real.png"] == now["figures/05_only.png"] == b"with" and now["figures/05_plain.png"] == b"NEW"
    rows = json.loads(now["figures/05_record.json"])["results"]
    assert [(r["data"], r["estimate"], r.get("recomputed")) for r in rows] == [
        ("puppets", 0.25, None),
        ("somof", 0.2, False),
    ]
    assert "somof (not recomputed)" in now["README.md"].decode()
    assert run(book, "05", update=True, fresh=True) == 0 and committed(book) == now
    assert "05_only.png: kept" in capsys.readouterr().out
    monkeypatch.setenv("POSE_WORKBOOK_DATA", str(book.root))
    monkeypatch.setattr(reproduce, "missing_here", lambda _: [])
    run(book, "05", update=True, fresh=True)
    assert committed(book)["figures/05_real.csv"] == with_data["figures/05_real.csv"]


def test_kept_columns_stay_where_they_are():
    new = ",puppets,puppets\n,MOTA,gain\nbox,1.75,+0.10 [-0.1]\npck,1.25,–\n"
    kept = comparing.keep_cells(COLUMNS, new, MISSING)
    expected = COLUMNS.replace("somof", "somof (not recomputed)").replace("real clip", "real clip (not recomputed)")
    assert kept == expected.replace("1.5,", "1.75,") and comparing.keep_cells(kept, new, MISSING) == kept
    assert comparing.keep_cells(COLUMNS, COLUMNS.replace("1.5,", "1.75,"), []) == COLUMNS.replace("1.5,", "1.75,")
    assert comparing.keep_cells(COLUMNS, new.replace("pck", "oks"), MISSING) == COLUMNS  # other rows: all is kept


def test_what_names_missing_data_is_kept_and_marked_wherever_it_stands():
    old = 'name,MOTA\n"puppets, 1 frame",1.5\n"somof, 1 frame",2.5\n'
    kept = comparing.keep_cells(old, 'name,MOTA\n"puppets, 1 frame",1.75\n', ["somof"])
    assert kept == old.replace("1.5", "1.75").replace("somof, 1 frame", "somof, 1 frame (not recomputed)")
    old, new = ",puppets MOTA,somof MOTA\nbox,1.5,2.5\n", ",puppets MOTA,somof MOTA\nbox,1.75,\n"
    kept = comparing.keep_cells(old, new, ["somof"])
    assert kept == ",puppets MOTA,somof MOTA (not recomputed)\nbox,1.75,2.5\n"
    assert comparing.keep_cells(kept, new, ["somof"]) == kept
    crossed = ",puppets\npuppets,1.5\nsomof,2.5\n"
    assert comparing.keep_cells(crossed, crossed.replace("2.5", "9.5"), ["somof"]).endswith("(not recomputed),2.5\n")


@pytest.mark.parametrize("published", ["puppets", "somof"])
def test_a_table_that_names_no_missing_data_is_published_whoever_wrote_it(book, capsys, monkeypatch, published):
    """Both tables have names that no cell writes in full, so the code alone says they may show real data."""
    save = 'somof = 1\nfor k in "a": (out / f"01_{k}.csv").write_text(",data,MOTA\\n" + "0,DATA,1.5\\n")'
    write(book, "01_one", counting("01"), save.replace("DATA", published))
    monkeypatch.setattr(reproduce, "missing_here", lambda _: ["somof"])
    run(book, "01", update=True)
    write(book, "01_one", counting("01"), save.replace("DATA", "puppets").replace("1.5", "7.5"))
    assert run(book, "01") == 1
    run(book, "01", update=True)
    assert ("7.5" in (book.figures / "01_a.csv").read_text()) == (published == "puppets")
    assert ("01_a.csv: kept whole, it shows somof" in capsys.readouterr().out) == (published == "somof")


def test_another_locale(book):
    code = (
        "import sys, pathlib; from helpers import reproduce; "
        f"sys.exit(reproduce.reproduce(['01'], update=True, book=reproduce.Workbook(pathlib.Path({str(book.root)!r}))))"
    )
    write(book, "01_one", counting("01"), "'é →'", text="…")
    latin = os.environ | {
        "PYTHONUTF8": "0",
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "latin-1:backslashreplace",
    }
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=latin, capture_output=True)
    assert done.returncode == 0, done.stderr
    text = (book.root / "README.md").read_text(encoding="utf-8")
    assert text.startswith("top … →") and "PT-C8" not in text.split("<!-- /ledger -->")[1]
    assert "é →" in (book.root / "notebooks" / "01_one.ipynb").read_text(encoding="utf-8")
