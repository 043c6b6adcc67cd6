"""The papers as data: schema, golden cells copied by hand from the papers' text, and the 15-joint rule.

A row that was mistyped fails the 15-joint rule or a golden cell; a claim that was lost
or given a malformed rule fails the schema.
"""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import WorkbookError, papers

NEEDS = {"published", "keypoints", "detector", "pose", "flow", "3d", "server", "images", "code"}
CLAIMS = [f"{p}-C{k}" for p, n in dict(PT=12, DT=11, SB=13, LT=10, KT=16).items() for k in range(1, n + 1)]
ODDITIES = sorted([f"O-{k}" for k in range(1, 29)] + ["O-1b", "O-19b"])
TABLES = (
    [f"PT-T{k}" for k in range(1, 6)]
    + [f"DT-T{k}" for k in range(1, 6)]
    + ["DT-X1", "DT-X2"]
    + [f"SB-T{k}" for k in range(1, 9)]
    + [f"LT-T{k}" for k in range(1, 7)]
    + ["LT-X1", "LT-X2"]
    + [f"KT-T{k}" for k in range(1, 7)]
    + ["KT-F4", "KT-F5", "KT-F7"]
)
TEXT_NUMBERS = dict(PT=6, DT=13, SB=9, LT=7, KT=16)


def test_papers_are_the_five():
    assert list(papers.papers()) == ["PT", "DT", "SB", "LT", "KT"]
    for paper in papers.papers().values():
        assert set(paper) == {"id", "name", "title", "venue", "year"} and 2017 <= paper["year"] <= 2020


# ------------------------------------------------------------------- schema


def test_every_claim_and_contradiction_is_there_once():
    ids = [c["id"] for c in papers.claims()]
    assert ids[:62] == CLAIMS and sorted(ids[62:]) == ODDITIES
    assert ids[62:66] == ["O-1", "O-1b", "O-2", "O-3"] and ids[-1] == "O-28"


def well_formed_range(allowed):
    low, high = allowed
    return (
        (low, high) != (None, None)
        and all(v is None or (isinstance(v, (int, float)) and math.isfinite(v)) for v in (low, high))
        and (low is None or high is None or low <= high)
    )


@pytest.mark.parametrize("claim", papers.claims(), ids=lambda c: c["id"])
def test_claim_is_well_formed(claim):
    fields = {"id", "paper", "kind", "statement", "rule", "components", "data", "notebook"}
    odd = claim["id"].startswith("O-")
    assert set(claim) - {"superseded"} == fields | ({"resolution"} if odd else set())
    for field in ("statement", "rule", *(["resolution"] if odd else [])):
        assert isinstance(claim[field], str) and claim[field].strip()
    for field in ("statement", "rule"):
        assert claim[field].endswith(".") and ". " not in claim[field], f"{field} is not one sentence"
    assert claim["kind"] in papers.KINDS and claim["data"] and set(claim["data"]) <= NEEDS
    assert claim["notebook"] in [f"{k:02d}" for k in range(15)]
    assert "server" not in claim["data"]
    if claim["kind"] == "printed":
        assert claim["notebook"] == "02" and set(claim["data"]) <= {"published", "code"}
    if not odd:
        assert claim["id"].startswith(claim["paper"])


@pytest.mark.parametrize("claim", papers.claims(), ids=lambda c: c["id"])
def test_components_are_well_formed(claim):
    names = [c["name"] for c in claim["components"]]
    assert names and len(names) == len(set(names))
    for c in claim["components"]:
        assert set(c) == {"name", "unit", "range", "printed"} and well_formed_range(c["range"])
        assert all(isinstance(c[field], str) and c[field].strip() for field in ("name", "unit"))
        assert c["printed"] is None or math.isfinite(c["printed"])


def test_every_table_is_there_once():
    ids = [t["id"] for t in papers.tables()]
    assert len(ids) == len(set(ids)) and sorted(ids) == sorted(TABLES)


@pytest.mark.parametrize("meta", papers.tables(), ids=lambda t: t["id"])
def test_table_is_well_formed(meta):
    assert set(meta) == {"id", "paper", "title", "source", "data", "cost", "columns", "notes"}
    frame = papers.table(meta["id"])
    assert list(frame.columns) == meta["columns"] and frame.columns.is_unique and len(frame) > 1
    assert meta["id"].startswith(meta["paper"])
    assert set(meta["cost"]) <= NEEDS
    assert ("README" in meta["source"]) == ("-X" in meta["id"])
    numeric = frame.select_dtypes("number")
    assert (numeric.notna().sum() > 0).all()
    assert numeric.empty == (meta["id"] in ("SB-T1", "KT-T1"))


def test_text_numbers_are_there_once():
    for name, count in TEXT_NUMBERS.items():
        for k in range(1, count + 1):
            papers.number(f"{name}-N{k}")
        with pytest.raises(WorkbookError):
            papers.number(f"{name}-N{count + 1}")
    assert papers.number("KT-N3") == 500 and papers.number("LT-N3")["persons"] == 57928


# ------------------------------------------------- golden cells, from the text

GOLDEN = [  # table, column of the label, label, column, printed value
    ("PT-T1", "init", "mean", "mAP Wrist", 42.3),
    ("PT-T1", "init", "center", "mAP Ankle", 45.6),
    ("PT-T2", "threshold", "Dummy tracks", "MOTA Total", 7.1),
    ("PT-T2", "threshold", "0.0", "MOTA Ankle", -28.5),
    ("PT-T2", "threshold", "0.9", "mAP Total", 58.3),
    ("PT-T2", "threshold", "0.95", "Rec", 69),
    ("PT-T3", "method", "Hungarian", "Prec", 77.7),
    ("PT-T3", "method", "Greedy", "MOTA Total", 44.9),
    ("PT-T4", "method", "Pose PCK", "MOTA Total", 43.9),
    ("PT-T4", "method", "CNN cos-dist", "MOTA Head", 57.4),
    ("PT-T5", "method", "Drop threshold=1.95", "MOTA Wrist", 45.6),
    ("PT-T5", "method", "Final model", "MOTP", 34.1),
    ("PT-T5", "method", "PoseTrack CVPR'17", "MOTA Total", 28.2),
    ("DT-T1", "threshold", "0.0, random tracks", "MOTA Total", -10.2),
    ("DT-T1", "threshold", "0.5", "MOTA Shoulder", 66),
    ("DT-T1", "threshold", "0.95", "mAP Total", 60.6),
    ("DT-T1", "threshold", "0.0", "Prec", 83.3),
    ("DT-T2", "method", "Greedy", "MOTA Total", 55.1),
    ("DT-T2", "method", "Hungarian", "MOTA Knee", 53.1),
    ("DT-T3", "method", "LSTM", "MOTA Total", 48.4),
    ("DT-T3", "method", "All combined", "MOTA Wrist", 45.7),
    ("DT-T4", "method", "Final model", "MOTA Hip", 47.2),
    ("DT-T4", "method", "PoseTrack CVPR'17", "Rec", 70.5),
    ("DT-T5", "init", "2D ImNet", "MOTP", 0),
    ("DT-T5", "init", "2D COCO", "MOTA Total", 14.1),
    ("DT-T5", "style", "center", "mAP Total", 16.7),
    ("DT-T5", "style", "mean", "MOTA Wrist", -14.7),
    ("SB-T2", "id", "g", "AP", 60.6),
    ("SB-T2", "id", "b", "deconvolutions", 2),
    ("SB-T2", "id", "h", "width", 288),
    ("SB-T3", "method", "8-stage Hourglass", "AP", 66.9),
    ("SB-T3", "method", "Ours", "AP", 70.4),
    ("SB-T4", "method", "Ours", "AP75", 81.1),
    ("SB-T4", "method", "Mask-RCNN", "APl", 71.4),
    ("SB-T4", "method", "bangbangren*+", "AR", 78.7),
    ("SB-T4", "method", "CPN+", "AP", 73.0),
    ("SB-T5", "id", "a1", "MOTA Total", 57.6),
    ("SB-T5", "id", "b4", "MOTA Total", 61.8),
    ("SB-T5", "id", "b6", "MOTA Total", 62.9),
    ("SB-T5", "id", "c6", "mAP Total", 76.7),
    ("SB-T6", "method", "Ours: ResNet-152", "mAP Head", 81.7),
    ("SB-T6", "method", "PoseFlow (cited)", "mAP Total", 66.5),
    ("SB-T7", "method", "Detect-and-Track (cited)", "Prec", 66.4),
    ("SB-T7", "method", "Ours: ResNet-50", "Rec", 76.0),
    ("SB-T8", "entry", "ML-LAB", "MOTA Total", 41.8),
    ("SB-T8", "entry", "Ours: ResNet152*", "mAP Total", 74.6),
    ("LT-T1", "pairs", "hard negative", "val", 7020),
    ("LT-T1", "pairs", "positive", "train", 56908),
    ("LT-T2", "detector", "FPN", "0.3", 32.2),
    ("LT-T2", "detector", "R-FCN", "0.1", 15.4),
    ("LT-T3", "method", "GT boxes", "MOTA Total", 67.0),
    ("LT-T3", "method", "R-FCN-101", "MOTA Ankle", 47.4),
    ("LT-T4", "method", "Online-DET-MSRA152-5F", "mAP Wrist", 72.1),
    ("LT-T4", "method", "Offline-CPN101", "MOTA Total", 62.4),
    ("LT-T6", "method", "HRNet", "mAP Total", 74.9),
    ("LT-T6", "method", "JointFlow", "fps", 0.2),
    ("LT-T6", "method", "YoloMD-LightTrack-2F", "fps without pose", 59),
    ("LT-T6", "method", "manifold", "mAP Total dropped", 66.7),
    ("LT-T6", "method", "MSRA152-LightTrack-3F", "MOTA Total", 55.1),
    ("KT-T2", "boxes", "Det", "mAP Total", 70.4),
    ("KT-T2", "boxes", "Det + TOKS@0.35", "mAP Hip", 77.1),
    ("KT-F5", "method", "KeyTrack", "AP", 81.6),
    ("KT-F5", "method", "POINet", "MOTA Total", 58.4),
    ("KT-F5", "method", "Miracle", "ensemble", 1),
    ("KT-F5", "method", "HRNet", "AP after drop", 75.0),
    ("KT-T6", "module", "Transformers (x4)", "FLOPs M", 5.84),
    ("KT-T6", "module", "Optical Flow", "FLOPs M", 52700),
    ("KT-T6", "module", "Transformer Matching Network", "parameters M", 0.41),
    ("KT-T1", "method", "ProTracker", "estimation", "3D Mask R-CNN"),
    ("SB-T1", "symbol", "L_Q", "meaning", "length of the queue"),
    ("KT-T5", "element", "A scores", "columns", 30),
]


@pytest.mark.parametrize("name,by,label,column,value", GOLDEN, ids=lambda v: str(v))
def test_golden_cell(name, by, label, column, value):
    frame = papers.table(name)
    assert frame.loc[frame[by] == label, column].iloc[0] == value


def test_golden_cells_of_tables_without_labels():
    assert papers.table("KT-T3").iloc[2].tolist() == [1, 1, 1, 0, 93.2]
    assert papers.table("KT-T4").iloc[3].tolist() == [0.57, 74.3, 0.8, 66.6]
    assert papers.table("KT-F7").iloc[5].tolist() == [4, 256, 1024, 4, 3.31, 1.1]
    last = papers.table("KT-F4").iloc[-1]
    assert last["method"] == "Optical Flow" and last["IDSW Head"] == 1.3 and last["MOTA Total"] == 66.3
    cell = papers.table("LT-T5").set_index(["detections", "keyframe", "method"])
    assert cell.loc[("GT", "2F", "SC+GCN"), "MOTA MSRA152"] == 78.0
    assert cell.loc[("DET", "8F", "SC"), "MOTA CPN101"] == 58.1
    covered = {t for t, *_ in GOLDEN} | {"KT-T3", "KT-T4", "KT-F7", "KT-F4", "LT-T5"}
    assert covered == {t for t in TABLES if "-X" not in t}


def test_printed_dashes_are_nan():
    assert np.isnan(papers.table("SB-T4").set_index("method").loc["Mask-RCNN", "AR"])
    assert papers.table("PT-T5").iloc[-1][["MOTA Head", "MOTA Ankle"]].isna().all()


def test_rows_repeated_between_papers_agree():
    dt, sb = papers.table("DT-T1").iloc[3], papers.table("SB-T7").iloc[0]
    groups = [f"MOTA {g}" for g in (*papers.GROUPS, "Total")]
    assert dt[groups].tolist() == sb[groups].tolist()
    assert papers.table("PT-T5").iloc[2, 2:].tolist() == papers.table("DT-T4").iloc[0, 2:].tolist()
    assert papers.table("DT-T2").iloc[0, 1:].tolist() == papers.table("DT-T3").iloc[0, 1:].tolist()


# --------------------------------------------------------------- 15 joints


def test_total_is_the_mean_of_15_joints_in_every_row():
    rows = papers.pose_rows()
    assert len(rows) == 78 and rows.table.nunique() == 14
    error = (papers.joint_mean(rows) - rows.Total).abs()
    assert (error < 0.1 + 1e-9).all(), rows[error >= 0.1]


def test_mean_of_7_groups_is_not_the_total():
    rows = papers.pose_rows()
    error = (rows[list(papers.GROUPS)].mean(axis=1) - rows.Total).abs()
    assert (error > 0.1 + 1e-9).sum() == 65


@settings(deadline=None)
@given(st.integers(0, 77), st.sampled_from(list(papers.GROUPS)), st.sampled_from([-1, 1]))
def test_a_slip_of_two_points_in_any_cell_breaks_the_rule(row, group, sign):
    rows = papers.pose_rows().iloc[[row]].copy()
    rows[group] += 2 * sign
    assert abs(papers.joint_mean(rows) - rows.Total).iloc[0] > 0.1


def test_joint_mean_of_a_row_by_hand():
    row = pd.DataFrame([dict(Head=10.0, Shoulder=0.0, Elbow=0.0, Wrist=0.0, Hip=0.0, Knee=0.0, Ankle=15.0)])
    assert papers.joint_mean(row).iloc[0] == (3 * 10 + 2 * 15) / 15


def test_switches_are_all_that_differs_within_a_block_of_keytrack():
    frame = papers.table("KT-F4")
    total = (frame["MOTA Total"] + frame["IDSW Total"]).groupby(frame["boxes"], sort=False)
    assert (total.max() - total.min()).round(6).le(0.2).all() and total.ngroups == 3


# ------------------------------------------------------------------ reading


def test_unknown_ids_name_similar_ones():
    for read, wrong, near in (
        (papers.table, "DT-T11", "DT-T1"),
        (papers.claim, "pt-c7", "PT-C7"),
        (papers.number, "KT-N33", "KT-N3"),
    ):
        with pytest.raises(WorkbookError, match=near):
            read(wrong)


def test_what_a_caller_changes_does_not_stay():
    papers.claim("O-1")["components"][0]["range"].append(7)
    papers.claims()[0]["data"].clear()
    changed = papers.table("DT-T1")
    changed.loc[0, "Prec"] = 0
    rows = papers.pose_rows()
    rows.loc[0, "Total"] = -1
    papers.tables()[0]["columns"].clear()
    assert papers.claim("O-1")["components"][0]["range"] == [0, 0] and papers.claims()[0]["data"]
    assert papers.pose_rows().loc[0, "Total"] > 0
    assert papers.table("DT-T1").loc[0, "Prec"] == 83.3 and papers.tables()[0]["columns"]


WHOLE = (papers.FOLDER / "lighttrack.yaml").read_text(encoding="utf-8")
BROKEN = ["id: [", "", "- 1", None, "id: LT", "\xff", WHOLE.replace("claims:", "claim:", 1)]
BROKEN += [WHOLE.replace("components:", "components: 1  #", 1), WHOLE.replace(", printed: 2.5", "", 1)]
BROKEN += [WHOLE.replace("rule:", "rules:", 1), WHOLE.replace("contradictions:", "contradictions: 3\nothers:", 1)]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_broken_file_is_named_in_one_sentence(tmp_path, monkeypatch, text):
    for name in papers.FILES:
        (tmp_path / f"{name}.yaml").write_bytes((papers.FOLDER / f"{name}.yaml").read_bytes())
    broken = tmp_path / "lighttrack.yaml"
    broken.unlink() if text is None else broken.write_bytes(text.encode("latin-1" if text == "\xff" else "utf-8"))
    monkeypatch.setattr(papers, "FOLDER", tmp_path)
    papers._read.cache_clear()
    try:
        with pytest.raises(WorkbookError, match=r"^lighttrack.yaml: .*\.$"):  # . is no new line
            papers.table("LT-T1")
    finally:
        papers._read.cache_clear()
