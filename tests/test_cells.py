"""Cells that all notebooks have: the claims table, lines of verdicts, notices of missing data, the record."""

import json
import platform
import re

import matplotlib
import pytest

from helpers import WorkbookError, datasets, papers
from helpers.notebook import cells
from helpers.verdicts import Component, Result


def result(claim, data="puppets", estimate=1.25, interval=(1.0, 1.5)):
    names = [c["name"] for c in papers.claim(claim)["components"]]
    parts = tuple(Component(name, estimate, interval, interval) for name in names)
    return Result(claim, data, "simulated", parts, 3, 2)


def every_claim(notebook):
    return [result(c["id"]) for c in papers.claims() if c["notebook"] == notebook]


def test_versions_are_those_that_are_installed(capsys):
    cells.versions("matplotlib", "numpy")
    line = capsys.readouterr().out
    assert line.startswith(f"python {platform.python_version()} · matplotlib {matplotlib.__version__} · numpy ")
    assert line.count("\n") == 1


def test_the_claims_table_has_every_claim_once_with_its_range():
    rows = cells.claims_table("06", "random").data.splitlines()
    assert (
        rows[0] == "| id | the paper's statement | what we measure | range | control |" and rows[1] == "|---" * 5 + "|"
    )
    assert [row.split(" | ")[0][2:] for row in rows[2:]] == [c["id"] for c in cells.claims("06")] == ["PT-C8", "DT-C5"]
    assert "| Hungarian minus greedy: 0.05 to 0.5 MOTA | random |" in rows[2]
    assert "| Hungarian minus greedy: 0.05 to 0.3 MOTA | random |" in rows[3]


def test_every_component_has_a_line_with_its_range_and_unit():
    (row,) = [r for r in cells.claims_table("04").data.splitlines() if r.startswith("| PT-C3")]
    assert "| centre minus 2-D: at most 0.7 mAP<br>mean minus 2-D: at most 0.7 mAP |" in row


def test_a_control_may_differ_from_claim_to_claim_or_be_left_out():
    rows = cells.claims_table("06", {"DT-C5": "greedy"}).data.splitlines()
    assert rows[2].endswith("| – |") and rows[3].endswith("| greedy |")
    assert cells.claims_table("06").data.splitlines()[1] == "|---" * 4 + "|"


def test_results_are_shown_by_data_set_and_in_the_order_asked_for(capsys):
    both = [result("PT-C8", name, 0.25, (0.1, 0.4)) for name in ("puppets", "somof")]
    results = [both[0], result("DT-C5", estimate=0.1234, interval=(0.1, 0.15)), both[1]]
    cells.show(iter(results), ["DT-C5", "PT-C8"], ["somof", "puppets"])
    assert capsys.readouterr().out.splitlines() == [
        "PT-C8 on somof (simulated): 0.25 [0.1, 0.4] MOTA → holds",
        "DT-C5 on puppets (simulated): 0.12 [0.1, 0.15] MOTA → holds",
        "PT-C8 on puppets (simulated): 0.25 [0.1, 0.4] MOTA → holds",
    ]
    cells.show(results, ["PT-C8"], ["puppets"], digits=1)
    assert capsys.readouterr().out == "PT-C8 on puppets (simulated): 0.2 [0.1, 0.4] MOTA → holds\n"


def test_every_component_of_a_result_is_shown(capsys):
    cells.show([result("PT-C3")], ["PT-C3"], ["puppets"])
    assert [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()] == [
        "PT-C3 on puppets (simulated), centre minus 2-D",
        "PT-C3 on puppets (simulated), mean minus 2-D",
        "PT-C3 on puppets (simulated) → contradicted",
    ]


def test_a_data_set_without_a_result_is_said_to_be_missing(capsys):
    cells.show([result("PT-C8")], ["PT-C8"], ["bonn"])
    assert capsys.readouterr().out == datasets.missing("bonn") + "\n"
    cells.show([], ["PT-C8"], [])
    assert capsys.readouterr().out == ""


def test_real_sets_are_those_asked_for_and_the_missing_ones_are_said(capsys):
    assert cells.real_sets("puppets", ["puppets", "bonn"]) == ("somof", "bonn")
    assert capsys.readouterr().out == datasets.missing("somof") + "\n"
    assert cells.real_sets("posetrack18", {"posetrack18": []}) == ("posetrack18",)
    assert capsys.readouterr().out == ""


def test_the_record_is_written_for_the_driver_and_says_how_much(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("POSE_WORKBOOK_OUT", str(tmp_path))
    cells.record("06_matching", [*every_claim("06"), result("PT-C8", "bonn")], "laptop", "puppets")
    assert capsys.readouterr().out == "3 results of 2 claims on puppets, bonn\n"
    written = json.loads((tmp_path / "06_record.json").read_text())
    assert [r["claim"] for r in written["results"]] == ["PT-C8", "DT-C5", "PT-C8"]


def test_a_claim_without_a_result_or_of_another_notebook_stops_the_record():
    with pytest.raises(AssertionError, match=re.escape("['DT-C5']")):
        cells.record("06_matching", every_claim("06")[:1], "laptop", "puppets")
    with pytest.raises(AssertionError, match=re.escape("['O-26']")):
        cells.record("06_matching", [*every_claim("06"), result("O-26")], "laptop", "puppets")


def test_a_notebook_shows_the_sentence_of_an_error_alone():
    assert WorkbookError("seeds 3: must be a list.")._render_traceback_() == ["seeds 3: must be a list."]
