"""The command line as a user meets it: answers, exit status, one sentence where something is wrong."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import evaluation, puppets
from helpers.__main__ import main
from helpers.datasets.posetrack import read_posetrack
from helpers.datasets.posetrack_writing import write_posetrack18
from helpers.tracking import costs, track
from helpers.tracking.frame_to_frame import FrameToFrame

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Ground truth of two short puppet clips, and predictions: the same with jitter and a lost person."""
    root = tmp_path_factory.mktemp("evaluate")
    videos = puppets.videos("val", n=2, render=False)
    rng = np.random.default_rng(0)
    predictions = [v.people[v.people.track > 0] for v in videos]
    predictions = [
        p.replace(xy=p.xy + rng.normal(0, 1, p.xy.shape), joint_score=rng.random(p.xy.shape[:2])) for p in predictions
    ]
    write_posetrack18(root / "gt", videos)
    write_posetrack18(root / "pred", videos, predictions)
    return root, videos, predictions


def run(*arguments, **env):
    return subprocess.run(
        [sys.executable, "-m", "helpers", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **env},
    )


@pytest.mark.parametrize("command", ["", "reproduce", "evaluate", "track", "ledger", "puppets", "fetch"])
def test_help(command):
    done = run(*([command] if command else []), "--help")
    assert done.returncode == 0 and "usage: python -m helpers" in done.stdout


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["evaluate"], ["fetch", "coco"], ["puppets", "x", "--split", "all"]]
)
def test_wrong_usage_exits_with_2(arguments):
    assert run(*arguments).returncode == 2


@pytest.mark.parametrize("compat", [False, True])
def test_evaluate_writes_what_the_evaluator_computes(folders, tmp_path, compat):
    root, videos, predictions = folders
    out = tmp_path / "scores.json"
    done = run("evaluate", root / "gt", root / "pred", "--json", out, *(["--compat", "poseval"] if compat else []))
    assert done.returncode == 0 and "MOTA" in done.stdout, done.stderr
    written = json.loads(out.read_text())
    expected = evaluation.evaluate(videos, predictions, compat).as_json()
    for metric in expected:
        assert written[metric]["total"] == pytest.approx(expected[metric]["total"], abs=1e-6)
        assert set(written[metric]["per_joint"]) == set(expected[metric]["per_joint"])


def test_evaluate_imports_no_torch(folders):
    root, *_ = folders
    code = (
        "import sys; from helpers.__main__ import main; "
        f"main(['evaluate', {str(root / 'gt')!r}, {str(root / 'pred')!r}]); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0


def one_error(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


def test_differing_frame_counts(folders, tmp_path, capsys):
    root, videos, _ = folders
    short = [
        replace(
            v,
            labelled=v.labelled[:-1],
            people=v.people[v.people.frame < len(v) - 1],
            files=v.files[:-1],
            ignore=v.ignore[:-1],
        )
        for v in videos
    ]
    write_posetrack18(tmp_path, short, [v.people for v in short])
    error = one_error(capsys, "evaluate", root / "gt", tmp_path)
    assert f"{videos[0].name}.json" in error and "frames" in error


def test_missing_prediction_file_and_folder(folders, tmp_path, capsys):
    root, videos, _ = folders
    (tmp_path / "empty").mkdir()
    assert f"{videos[0].name}.json" in one_error(capsys, "evaluate", root / "gt", tmp_path / "empty")
    assert "nowhere" in one_error(capsys, "evaluate", root / "gt", tmp_path / "nowhere")
    assert "empty" in one_error(capsys, "evaluate", tmp_path / "empty", root / "pred")


def test_json_that_cannot_be_written(folders, capsys):
    root, *_ = folders
    assert "/dev/null" in one_error(capsys, "evaluate", root / "gt", root / "pred", "--json", "/dev/null/x.json")


def test_ledger_json_is_a_list_of_claims():
    done = run("ledger", "--json")
    rows = json.loads(done.stdout)
    assert done.returncode == 0 and len(rows) >= 90
    assert all(set(r) >= {"id", "paper", "kind", "statement", "rule", "results", "verdict"} for r in rows)
    for result in (r for row in rows for r in row["results"]):
        assert set(result) >= {"data", "source", "profile", "estimate", "interval", "n_videos", "n_seeds", "verdict"}
        assert all(set(c) == {"name", "unit", "estimate", "interval", "verdict"} for c in result["components"])


def test_ledger_as_text():
    done = run("ledger")
    assert done.returncode == 0 and "PT-C8" in done.stdout and "not testable here" in done.stdout
    assert "tracker minus random ids: " in done.stdout and "\nmeasured: " in done.stdout


def test_puppets_exports_a_folder_that_reads_back(tmp_path):
    assert run("puppets", tmp_path / "out", "--videos", 1).returncode == 0
    (video,) = read_posetrack(tmp_path / "out" / "annotations" / "val")
    (expected,) = puppets.videos("val", n=1)
    np.testing.assert_allclose(
        video.people.xy[video.people.present], expected.people.xy[expected.people.present], atol=1e-6
    )
    assert video.frames[0].shape == (expected.size[1], expected.size[0], 3)


# --- track ----------------------------------------------------------------------------------------


@pytest.fixture
def untracked(folders, tmp_path):
    """The predictions' folder without track ids, as a pose estimator would write it."""
    root, _, _ = folders
    folder = tmp_path / "untracked"
    folder.mkdir()
    for file in (root / "pred").glob("*.json"):
        content = json.loads(file.read_text())
        for a in content["annotations"]:
            del a["track_id"]
        (folder / file.name).write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("method", ["iou", "oks", "keypoints", "pckh"])
def test_track_then_evaluate(folders, untracked, tmp_path, method, capsys):
    root, *_ = folders
    out = tmp_path / "tracked"
    assert main(["track", str(untracked), "--method", method, "--out", str(out)]) == 0
    assert main(["evaluate", str(root / "gt"), str(out), "--json", str(tmp_path / "s.json")]) == 0
    assert json.loads((tmp_path / "s.json").read_text())["MOTA"]["total"] > 75
    for file in untracked.glob("*.json"):  # nothing but the ids is new
        before, after = json.loads(file.read_text()), json.loads((out / file.name).read_text())
        for a in after["annotations"]:
            assert a.pop("track_id") >= 0
        assert before == after


def test_track_gives_the_ids_that_single_steps_give(folders, untracked, tmp_path):
    out = tmp_path / "tracked"
    main(["track", str(untracked), "--method", "oks", "--out", str(out), "--memory", "3", "--limit", ".9"])
    for video in read_posetrack(out):
        tracker = FrameToFrame(costs.oks_cost, limit=0.9, memory=3)
        frames = np.flatnonzero(video.labelled)
        ids = np.concatenate([tracker.step(video.people.at(t)) for t in frames])
        assert np.array_equal(ids, video.people.track)


def test_track_leaves_out_what_is_not_sure(untracked, tmp_path):
    out = tmp_path / "tracked"
    main(["track", str(untracked), "--method", "iou", "--out", str(out), "--joint", ".5"])
    for file in untracked.glob("*.json"):
        before, after = (json.loads((folder / file.name).read_text()) for folder in (untracked, out))
        scores = np.array([a["scores"] for a in after["annotations"]])
        points = np.array([a["keypoints"] for a in after["annotations"]]).reshape(len(scores), -1, 3)
        stored = (points != 0).any(-1)
        assert (scores[stored] >= 0.5).all() and stored.any(1).all()
        assert stored.sum() < sum(np.count_nonzero(a["keypoints"][2::3]) for a in before["annotations"])


def test_an_empty_frame_breaks_a_track_and_an_unlabelled_one_does_not(untracked, tmp_path):
    file = next(iter(sorted(untracked.glob("*.json"))))
    content = json.loads(file.read_text())
    one = content["annotations"][0]
    images = content["images"][:3]
    two = [one | {"image_id": images[0]["id"]}, one | {"image_id": images[2]["id"]}]
    for flag, expected in ((True, [0, 1]), (False, [0, 0])):
        images[1]["is_labeled"] = flag
        alone = tmp_path / f"alone_{flag}"
        alone.mkdir()
        (alone / "v.json").write_text(json.dumps(content | {"images": images, "annotations": two}))
        main(["track", str(alone), "--method", "iou", "--out", str(tmp_path / f"out_{flag}")])
        after = json.loads((tmp_path / f"out_{flag}" / "v.json").read_text())
        assert [a["track_id"] for a in after["annotations"]] == expected


def test_track_refuses_in_one_sentence(untracked, tmp_path, capsys):
    method = ["--method", "iou", "--out"]
    assert main(["track", str(tmp_path / "nowhere"), *method, str(tmp_path / "o")]) == 1
    assert "no such file or folder" in capsys.readouterr().err
    assert main(["track", str(untracked), *method, str(untracked)]) == 1
    assert "is the folder that is read" in capsys.readouterr().err
    assert main(["track", str(untracked), *method, str(tmp_path / "o"), "--memory", "0"]) == 1
    assert "at least 1 frame" in capsys.readouterr().err
    (untracked / "broken.json").write_text('{"annolist": []}')
    assert main(["track", str(untracked), *method, str(tmp_path / "o")]) == 1
    assert "no file of PoseTrack'18" in capsys.readouterr().err


def test_track_then_evaluate_on_a_real_clip(tmp_path, capsys):
    from helpers.datasets import bonn

    if (real_clip := bonn.real_clip()) is None:
        pytest.skip(bonn.missing_clip())
    clip, found = real_clip
    write_posetrack18(tmp_path / "gt", [clip])
    write_posetrack18(tmp_path / "pred", [clip], [found.replace(track=np.arange(len(found)))])
    assert main(["track", str(tmp_path / "pred"), "--method", "iou", "--out", str(tmp_path / "out")]) == 0
    assert main(["evaluate", str(tmp_path / "gt"), str(tmp_path / "out"), "--json", str(tmp_path / "s.json")]) == 0
    direct = evaluation.evaluate([clip], [track(found, FrameToFrame(), len(clip))])
    assert json.loads((tmp_path / "s.json").read_text())["MOTA"]["total"] == pytest.approx(
        direct.total("MOTA"), abs=0.2
    )
    assert direct.total("MOTA") > 50


# --- whatever happens ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error, status, words",
    [
        (KeyboardInterrupt(), 130, "interrupted; nothing was written."),
        (MemoryError(), 1, "ledger: there is not enough memory for all of it at once."),
        (OSError(28, "No space left on device", "x.json"), 1, "x.json: No space left on device."),
    ],
    ids=["interrupted", "memory", "disk"],
)
def test_what_stops_a_command_is_one_sentence(monkeypatch, capsys, error, status, words):
    from helpers import ledger

    def stops():
        raise error

    monkeypatch.setattr(ledger, "ledger", stops)
    assert main(["ledger"]) == status
    assert capsys.readouterr().err == f"error: {words}\n"


def test_letters_that_a_terminal_lacks_are_written_as_codes():
    done = run("track", "nowhere…", "--method", "iou", "--out", "x", PYTHONIOENCODING="ascii", PYTHONUTF8="1")
    assert done.returncode == 1 and done.stderr == "error: nowhere\\u2026: no such file or folder of annotations.\n"
    assert run("ledger", PYTHONIOENCODING="ascii").returncode == 0


@pytest.mark.parametrize("value", ["[1", "(" * 300, "[" * 3000, "{1, 2}", "9" * 5000, "three", "-1"])
def test_a_parameter_that_cannot_be_meant_is_one_sentence(capsys, value):
    assert "seeds" in one_error(capsys, "reproduce", "02", "--set", f"seeds={value}")
    assert "--set seeds" in one_error(capsys, "reproduce", "02", "--set", "seeds")
