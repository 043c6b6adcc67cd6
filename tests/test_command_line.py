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
from helpers.datasets.posetrack import read_posetrack, write_posetrack18

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Ground truth of two short puppet clips, and predictions: the same with jitter and a lost person."""
    root = tmp_path_factory.mktemp("evaluate")
    videos = puppets.videos("val", n=2, render=False)
    rng = np.random.default_rng(0)
    predictions = [v.people[v.people.track > 0] for v in videos]
    predictions = [p.replace(xy=p.xy + rng.normal(0, 1, p.xy.shape), joint_score=rng.random(p.xy.shape[:2])) for p in predictions]
    write_posetrack18(root / "gt", videos)
    write_posetrack18(root / "pred", videos, predictions)
    return root, videos, predictions


def run(*arguments, **env):
    return subprocess.run([sys.executable, "-m", "helpers", *map(str, arguments)], capture_output=True, text=True,
                          cwd=ROOT, env={**os.environ, **env})


@pytest.mark.parametrize("command", ["", "reproduce", "evaluate", "ledger", "puppets", "fetch"])
def test_help(command):
    done = run(*([command] if command else []), "--help")
    assert done.returncode == 0 and "usage: python -m helpers" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["dance"], ["evaluate"], ["fetch", "coco"], ["puppets", "x", "--split", "all"]])
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
    code = f"import sys; from helpers.__main__ import main; main(['evaluate', {str(root / 'gt')!r}, {str(root / 'pred')!r}]); " \
           "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0


def one_error(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


def test_differing_frame_counts(folders, tmp_path, capsys):
    root, videos, _ = folders
    short = [replace(v, labelled=v.labelled[:-1], people=v.people[v.people.frame < len(v) - 1], files=v.files[:-1],
                     ignore=v.ignore[:-1]) for v in videos]
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
        assert set(result) >= {"data", "profile", "estimate", "interval", "n_videos", "n_seeds", "verdict"}


def test_ledger_as_text():
    done = run("ledger")
    assert done.returncode == 0 and "PT-C8" in done.stdout and "not testable here" in done.stdout


def test_puppets_exports_a_folder_that_reads_back(tmp_path):
    assert run("puppets", tmp_path / "out", "--videos", 1).returncode == 0
    video, = read_posetrack(tmp_path / "out" / "annotations" / "val")
    expected, = puppets.videos("val", n=1)
    np.testing.assert_allclose(video.people.xy[video.people.present], expected.people.xy[expected.people.present], atol=1e-6)
    assert video.frames[0].shape == (expected.size[1], expected.size[0], 3)
