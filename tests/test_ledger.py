"""Records and the README's ledger."""

import json

import pytest

from helpers import WorkbookError, ledger, outputs, papers
from helpers.verdicts import Component, Result, verdict


def measured(verdict):
    return {"verdict": verdict}


@pytest.mark.parametrize(
    "found, expected",
    [
        ([], "not testable here"),
        (["holds", "undecided"], "holds"),
        (["holds", "contradicted"], "undecided"),
        (["contradicted", "undecided"], "contradicted"),
        (["undecided"], "undecided"),
        (["undecided", "undecided", "holds"], "undecided"),
        (["undecided", "holds", "holds"], "holds"),
    ],
)
def test_overall(found, expected):
    assert ledger.overall([measured(v) for v in found]) == expected


def test_record_and_ledger_go_round(tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_WORKBOOK_OUT", str(tmp_path))
    claim = next(c for c in papers.claims() if c["kind"] == "measured")
    component = Component("", 1.5, (1.0, 2.0), (1.0, 2.0))
    result = Result(claim["id"], "puppets", "network", (component,), 20, 3)
    ledger.record("06_matching", [result], "laptop", "puppets")
    rows = {r["id"]: r for r in ledger.ledger(tmp_path)}
    result = rows[claim["id"]]["results"][0]
    assert result["estimate"] == 1.5 and result["n_seeds"] == 3 and result["profile"] == "laptop"
    assert result["verdict"] == verdict(1.5, (1.0, 2.0), claim["components"][0]["range"])
    assert len(rows) == len(papers.claims()) and {r["verdict"] for r in rows.values()} <= set(ledger.VERDICTS)
    json.dumps(list(rows.values()), allow_nan=False)


def test_outside_the_driver_nothing_is_written(monkeypatch):
    monkeypatch.delenv("POSE_WORKBOOK_OUT", raising=False)
    assert outputs.output("01_x.csv") is None


def test_a_broken_or_unknown_record_is_named(tmp_path):
    (tmp_path / "01_record.json").write_text("{")
    with pytest.raises(WorkbookError, match="01_record.json"):
        ledger.ledger(tmp_path)
    row = {"claim": "XX-C1", "data": "puppets", "estimate": 1, "interval": [0, 2], "n_videos": 1, "n_seeds": 1}
    row["verdict"] = "holds"
    (tmp_path / "01_record.json").write_text(json.dumps({"results": [row]}))
    with pytest.raises(WorkbookError, match=r"XX-C1\.$"):
        ledger.ledger(tmp_path)
    (tmp_path / "01_record.json").unlink()
    assert not any(r["results"] for r in ledger.ledger(tmp_path))
    for content in (b"[]", b"null", b"{}", b'{"results": 1}', b'{"results": [1]}', b"\xff\xfe"):
        (tmp_path / "01_record.json").write_bytes(content)
        with pytest.raises(WorkbookError, match=r"01_record.json: .*\.$"):
            ledger.ledger(tmp_path)
    wrong = dict(claim=1, data=None, estimate="1", interval=[1], n_videos="2", n_seeds=None, verdict="perhaps")
    for field, value in [*wrong.items(), ("interval", [float("nan"), 1]), ("estimate", True)]:
        for damaged in (row | {field: value}, {k: v for k, v in row.items() if k != field}):
            (tmp_path / "01_record.json").write_text(json.dumps({"results": [row, damaged]}))
            with pytest.raises(WorkbookError, match=rf"01_record.json: results\[1\].{field} "):
                ledger.ledger(tmp_path)


def test_records_are_gathered_in_the_order_of_the_notebooks_and_of_their_results(tmp_path):
    row = {"claim": "PT-C4", "estimate": 1, "interval": [0, 2], "n_videos": 1, "n_seeds": 1, "verdict": "holds"}
    for number, names in (("02", ["d", "a"]), ("10", ["c"]), ("01", ["b", "e"])):
        rows = [row | {"data": name} for name in names]
        (tmp_path / f"{number}_record.json").write_text(json.dumps({"results": rows}))
    found = next(r for r in ledger.ledger(tmp_path) if r["id"] == "PT-C4")
    assert [r["data"] for r in found["results"]] == ["b", "e", "d", "a", "c"]


def test_a_driver_names_the_records_to_show(tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_WORKBOOK_RECORDS", str(tmp_path))
    assert not any(r["results"] for r in ledger.ledger())
    monkeypatch.delenv("POSE_WORKBOOK_RECORDS")
    assert any(r["results"] for r in ledger.ledger())


def test_the_readme_marks_what_was_not_computed_again():
    row = {"data": "somof", "estimate": 1, "interval": [0, 2], "verdict": "holds"}
    claim = dict(id="PT-C4", paper="PT", kind="measured", statement="S.", verdict="holds", results=[row])
    assert "| somof |" in ledger.readme_block([claim])
    claim["results"] = [row | {"recomputed": False}]
    assert "| somof (not recomputed) |" in ledger.readme_block([claim])


def test_readme_and_ledger_json_show_the_records():
    root = ledger.FIGURES.parent
    rows = ledger.ledger()
    text = (root / "README.md").read_text()
    assert ledger.replace_block(text, ledger.readme_block(rows)) == text, "run `make tables`"
    assert json.loads((ledger.FIGURES / "ledger.json").read_text()) == rows, "run `make tables`"
    with pytest.raises(WorkbookError):
        ledger.replace_block("no markers", "x")
