"""Records, the verdict over sources, and the ledger in words."""

import json
from itertools import permutations

import numpy as np
import pytest

from helpers import WorkbookError, intervals, ledger, outputs, papers
from helpers.verdicts import CONTRADICTED, HOLDS, UNDECIDED, Component, Result


def part(name="precision 53 to 67.4", unit="MOTA", estimate=1.0, interval=(0.5, 2.0), verdict=HOLDS):
    return dict(name=name, unit=unit, estimate=estimate, interval=list(interval), verdict=verdict)


def result(verdict=HOLDS, source="network", data="puppets", claim="PT-C8", **fields):
    (defined, *_) = papers.claim(claim)["components"]
    one = part(defined["name"], defined["unit"], verdict=verdict)
    row = dict(data=data, source=source, n_videos=20, n_seeds=3, resampled="videos", verdict=verdict, components=[one])
    return row | {"estimate": one["estimate"], "interval": one["interval"]} | fields


def stored(folder, *rows, claim="PT-C8", name="06_record.json"):
    (folder / name).write_text(json.dumps({"results": [{"claim": claim} | row for row in rows]}))


def the(rows, claim):
    return next(r for r in rows if r["id"] == claim)


# --- one verdict over sources ------------------------------------------------------------------------------


def found_by(*found):
    return [{"source": source, "verdict": verdict} for source, verdict in found]


@pytest.mark.parametrize("order", permutations(range(3)))
@pytest.mark.parametrize(
    "found, expected",
    [
        ([("network", HOLDS)] * 3, HOLDS),
        ([("network", HOLDS), ("network", UNDECIDED), ("network", UNDECIDED)], UNDECIDED),
        ([("network", HOLDS), ("network", HOLDS), ("network", UNDECIDED)], HOLDS),
        ([("network", CONTRADICTED), ("ground truth", UNDECIDED), ("simulated", UNDECIDED)], CONTRADICTED),
        ([("network", HOLDS), ("real detector", CONTRADICTED), ("network", UNDECIDED)], "mixed"),
        ([("network", HOLDS), ("simulated", CONTRADICTED), ("simulated", UNDECIDED)], "mixed"),
        ([("network", UNDECIDED), ("simulated", HOLDS), ("simulated", HOLDS)], UNDECIDED),
        ([("ground truth", HOLDS), ("simulated", UNDECIDED), ("simulated", UNDECIDED)], HOLDS),
        ([("simulated", HOLDS), ("simulated", HOLDS), ("published", CONTRADICTED)], "mixed"),
        ([("simulated", UNDECIDED), ("published", HOLDS), ("published", HOLDS)], UNDECIDED),
        ([("published", HOLDS)] * 3, HOLDS),
        ([("proof", HOLDS), ("proof", HOLDS), ("simulated", HOLDS)], HOLDS),
    ],
)
def test_the_best_source_decides_whatever_the_order(found, expected, order):
    assert ledger.overall(found_by(*(found[k] for k in order))) == expected


def test_two_that_disagree_are_mixed_however_many_are_undecided():
    rest = [("network", UNDECIDED)] * 5
    assert ledger.overall(found_by(("network", HOLDS), ("ground truth", CONTRADICTED), *rest)) == "mixed"


def test_real_detections_decide_before_simulated_ones_and_those_before_print():
    four = found_by(("published", HOLDS), ("simulated", HOLDS), ("real detector", HOLDS), ("network", UNDECIDED))
    assert ledger.deciding(four) == four[2:] and ledger.deciding(four[:2]) == four[1:2]
    assert ledger.deciding([]) == [] and ledger.overall([]) == "not testable here"


# --- records -----------------------------------------------------------------------------------------------


def measured(claim="PT-C11", estimates=(10.0, 12.0, 6.0), data="puppets"):
    noise = {"videos": [0.1, -0.1], "runs": [0.0], "residual": 0.0}
    names = [c["name"] for c in papers.claim(claim)["components"]]
    parts = (Component(n, e, (e - 1, e + 1), (e - 2, e + 2), noise) for n, e in zip(names, estimates, strict=True))
    return Result(claim, data, "network", tuple(parts), 20, 3)


def test_record_and_ledger_go_round(tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_WORKBOOK_OUT", str(tmp_path))
    single = Result.measured("PT-C8", "somof", "simulated", intervals.sample(lambda v, s: 0.25, (2, 5)))
    (whole, one) = ledger.record("06_matching", [measured(), single], "laptop", "puppets")
    assert whole["estimate"] is None and whole["interval"] == [None, None] and one["estimate"] == 0.25
    assert whole["components"][1]["noise"]["videos"] == [0.1, -0.1]
    rows = ledger.ledger(tmp_path)
    (kept,) = the(rows, "PT-C11")["results"]
    assert kept["source"] == "network" and kept["n_seeds"] == 3 and kept["profile"] == "laptop"
    assert kept["resampled"] == "videos and training runs" and kept["verdict"] == HOLDS
    assert [c["estimate"] for c in kept["components"]] == [10, 12, 6] and "noise" not in kept["components"][0]
    assert kept["components"][0]["interval"] == [9, 11] and kept["components"][0]["unit"] == "MOTA"
    assert len(rows) == len(papers.claims()) and {r["verdict"] for r in rows} <= set(ledger.VERDICTS)
    json.dumps(rows, allow_nan=False)


def test_a_row_of_the_ledger_has_its_definitions_source_and_replaced_rules(tmp_path):
    stored(tmp_path, result(), result(CONTRADICTED, "simulated", "bonn"))
    row = the(ledger.ledger(tmp_path), "PT-C8")
    fields = "id paper kind statement rule components notebook results verdict source reason superseded"
    assert list(row) == fields.split()
    assert row["verdict"] == "mixed" and row["source"] == "network" and row["reason"] == ""
    assert row["components"][0]["range"] == [0.05, 0.5] and row["superseded"][0]["verdict"] == "holds"
    empty = the(ledger.ledger(tmp_path), "PT-C1")
    assert empty["superseded"] == [] and empty["verdict"] == "not testable here" and "notebook 04" in empty["reason"]
    assert "notebook 09" in the(ledger.ledger(tmp_path), "SB-C13")["reason"]


def test_not_a_number_is_recorded_as_none():
    (row,) = ledger.record("06_matching", [measured(estimates=(10.0, np.nan, 6.0))], "laptop", "puppets")
    assert row["components"][1]["estimate"] is None and row["components"][1]["interval"] == [None, None]
    assert row["verdict"] == UNDECIDED


def test_outside_the_driver_nothing_is_written(monkeypatch):
    monkeypatch.delenv("POSE_WORKBOOK_OUT", raising=False)
    assert outputs.output("01_x.csv") is None


def test_a_broken_or_unknown_record_is_named(tmp_path):
    (tmp_path / "01_record.json").write_text("{")
    with pytest.raises(WorkbookError, match="01_record.json"):
        ledger.ledger(tmp_path)
    stored(tmp_path, result(), claim="XX-C1", name="01_record.json")
    with pytest.raises(WorkbookError, match=r"XX-C1\.$"):
        ledger.ledger(tmp_path)
    (tmp_path / "01_record.json").unlink()
    assert not any(r["results"] for r in ledger.ledger(tmp_path))
    for content in (b"[]", b"null", b"{}", b'{"results": 1}', b'{"results": [1]}', b"\xff\xfe"):
        (tmp_path / "01_record.json").write_bytes(content)
        with pytest.raises(WorkbookError, match=r"01_record.json: .*\.$"):
            ledger.ledger(tmp_path)


WRONG = dict(
    claim=1,
    data=None,
    source="a friend",
    estimate="1",
    interval=[1],
    n_videos="2",
    n_seeds=None,
    resampled=3,
    verdict="perhaps",
    components=[],
)


@pytest.mark.parametrize(
    "field, value", [*WRONG.items(), ("interval", [float("nan"), 1]), ("estimate", True), ("verdict", "mixed")]
)
def test_a_wrong_field_of_a_record_is_named(tmp_path, field, value):
    row = {"claim": "PT-C8"} | result()
    for damaged in (row | {field: value}, {k: v for k, v in row.items() if k != field}):
        (tmp_path / "01_record.json").write_text(json.dumps({"results": [row, damaged]}))
        with pytest.raises(WorkbookError, match=rf"01_record.json: results\[1\].{field} .*\.$"):
            ledger.ledger(tmp_path)


@pytest.mark.parametrize("field, value", dict(name=1, unit=None, estimate="1", interval=[1], verdict="perhaps").items())
def test_a_wrong_field_of_a_component_is_named(tmp_path, field, value):
    good = result()["components"][0]
    for damaged in (good | {field: value}, {k: v for k, v in good.items() if k != field}):
        stored(tmp_path, result(components=[good, damaged]), name="01_record.json")
        with pytest.raises(WorkbookError, match=rf"results\[0\].components\[1\].{field} "):
            ledger.ledger(tmp_path)


def test_a_verdict_that_its_components_do_not_come_to_is_refused(tmp_path):
    stored(tmp_path, result(UNDECIDED) | {"verdict": HOLDS})
    with pytest.raises(WorkbookError, match=r"results\[0\].verdict"):
        ledger.ledger(tmp_path)


def test_a_result_of_a_rule_that_has_changed_since_is_refused(tmp_path):
    for changed in ([part("another name")], [part("Hungarian minus greedy", "furlongs")], [part(), part()]):
        stored(tmp_path, result(components=changed))
        with pytest.raises(WorkbookError, match="PT-C8 have other components .* run notebook 06 again"):
            ledger.ledger(tmp_path)


def test_records_are_gathered_in_the_order_of_the_notebooks_and_of_their_results(tmp_path):
    for number, names in (("02", ["d", "a"]), ("10", ["c"]), ("01", ["b", "e"])):
        stored(tmp_path, *(result(data=name) for name in names), name=f"{number}_record.json")
    assert [r["data"] for r in the(ledger.ledger(tmp_path), "PT-C8")["results"]] == ["b", "e", "d", "a", "c"]


def test_a_driver_names_the_records_to_show(tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_WORKBOOK_RECORDS", str(tmp_path))
    assert not any(r["results"] for r in ledger.ledger())
    monkeypatch.delenv("POSE_WORKBOOK_RECORDS")
    assert any(r["results"] for r in ledger.ledger())


# --- in words ----------------------------------------------------------------------------------------------


def test_claims_are_counted_by_kind_and_oddities_apart(tmp_path):
    stored(tmp_path, result())
    counts = ledger.summary(ledger.ledger(tmp_path))
    assert list(counts) == ["measured", "printed", "property", "oddities"]
    kinds = [c["kind"] for c in papers.claims() if not c["id"].startswith("O-")]
    assert {name: sum(counts[name].values()) for name in papers.KINDS} == {k: kinds.count(k) for k in papers.KINDS}
    assert sum(counts["oddities"].values()) == 30
    assert counts["measured"] == dict.fromkeys(ledger.VERDICTS, 0) | {
        HOLDS: 1,
        "not testable here": kinds.count("measured") - 1,
    }


def test_ranges_are_told_in_words():
    for limits, text in (
        ([0, None], "a: at least 0 %"),
        ([None, 0.7], "a: at most 0.7 %"),
        ([2, 2], "a: 2 %"),
        ([-1, 1.5], "a: -1 to 1.5 %"),
    ):
        assert ledger.range_words({"name": "a", "unit": "%", "range": limits}) == text


def test_every_number_has_its_unit_and_its_source_in_words(tmp_path):
    stored(tmp_path, result(), result(CONTRADICTED, "simulated", "bonn"))
    block = ledger.readme_block(ledger.ledger(tmp_path))
    (line,) = [row for row in block.splitlines() if row.startswith("| PT-C8 |")]
    assert "*puppets, the workbook's network*: Hungarian minus greedy: 1.00 [0.50, 2.00] MOTA" in line
    # Another source than the deciding one has its verdict here, and its numbers in the whole ledger.
    assert "*bonn, simulated detections*: does not hold here |" in line and line.endswith("| **mixed** |")
    assert "DT-C5" not in block and "O-1 " not in block
    assert block.splitlines()[0] == "| | hold | do not hold | mixed | undecided | not testable here |"
    assert "| claims, measured here | 0 | 0 | 1 | 0 |" in block


def test_a_replication_says_here_and_arithmetic_does_not():
    row = dict(kind="measured", verdict=HOLDS)
    assert ledger.verdict_words(row) == "holds here" and ledger.verdict_words(row, CONTRADICTED) == "does not hold here"
    printed = dict(kind="printed", verdict=CONTRADICTED)
    assert ledger.verdict_words(printed) == "does not hold" and ledger.verdict_words(printed, UNDECIDED) == "undecided"


def test_the_whole_ledger_has_every_component_and_every_replaced_rule(tmp_path):
    stored(tmp_path, result(n_seeds=1), result(CONTRADICTED, "simulated", "bonn"))
    rows = ledger.ledger(tmp_path)
    text = ledger.document(rows)
    for row in rows:
        section = text.split(f"\n## {row['id']}: ")[1].split("\n## ")[0]
        assert row["statement"] in section and row["rule"] in section
        assert all(ledger.range_words(c) in section for c in row["components"])
        assert all(old["rule"] in section and old["reason"] in section for old in row["superseded"])
    where = "puppets, the workbook's network; 20 videos; resampled: videos"
    assert f"| {where} | Hungarian minus greedy | 1.00 [0.50, 2.00] MOTA | holds here |" in text
    assert "bonn, simulated detections; 20 videos × 3 runs; resampled: videos" in text
    assert "(printed: 0.1)" in text and "Not testable here: measured by notebook" in text
    stored(tmp_path, *ledger.record("x", [measured()], "laptop", ""))
    assert "| all of them | | **holds here** |" in ledger.document(ledger.ledger(tmp_path))


def test_the_readme_marks_what_was_not_computed_again(tmp_path):
    stored(tmp_path, result(data="somof"))
    assert "*somof, the workbook's network*" in ledger.readme_block(ledger.ledger(tmp_path))
    stored(tmp_path, result(data="somof", recomputed=False))
    assert "*somof (not recomputed), the workbook's network*" in ledger.readme_block(ledger.ledger(tmp_path))


def test_readme_and_ledger_show_the_records():
    root = ledger.FIGURES.parent
    rows = ledger.ledger()
    text = (root / "README.md").read_text(encoding="utf-8")
    assert ledger.replace_block(text, ledger.readme_block(rows)) == text, "run `make tables`"
    assert json.loads((ledger.FIGURES / "ledger.json").read_text()) == rows, "run `make tables`"
    assert (ledger.FIGURES / "LEDGER.md").read_text(encoding="utf-8") == ledger.document(rows), "run `make tables`"
    assert "(figures/LEDGER.md)" in text
    with pytest.raises(WorkbookError):
        ledger.replace_block("no markers", "x")
