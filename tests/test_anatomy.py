"""Joints are what their names say, for every reader; and a reader with two joints exchanged is caught."""

import json
from functools import cache

import numpy as np
import pytest

from helpers import worlds
from helpers.datasets import bonn, somof
from helpers.datasets.posetrack import read_posetrack17, read_posetrack18, read_posetrack21
from helpers.datasets.posetrack_writing import write_posetrack18
from helpers.experiments import anatomy
from helpers.people import people
from helpers.skeleton import FLIP, INDEX, JOINTS, POSETRACK18, SOMOF
from tests.test_datasets import real, sample

#: How the columns of SoMoF look if the file is taken for all left joints, then all right ones.
ONE_SIDE_AFTER_THE_OTHER = ("head_bottom", "head_top") + tuple(
    f"{side}_{part}" for side in ("left", "right") for part in anatomy.PARTS
)
NOSES = {name for name in anatomy.BOUNDS if "nose" in name}
NECK = "neck to mid-shoulder / head length, median"
HIDDEN = "hidden side is the far side, share"


@cache
def poses(name):
    """Validation videos; bounds were chosen on training videos."""
    if name == "puppets":
        return anatomy.pooled(worlds.load(name, "val", n=20, render=False))
    real(name)
    return anatomy.pooled(worlds.load(name, "val"))


@pytest.mark.parametrize("name", ["puppets", "somof", "bonn"])
def test_joints_are_what_their_names_say(name):
    values = anatomy.measured(poses(name))
    assert anatomy.violations(poses(name)) == []
    assert {check for check, value in values.items() if np.isnan(value)} == (set() if name == "puppets" else NOSES)


@pytest.mark.parametrize("name", ["puppets", "somof", "bonn"])
def test_any_two_joints_exchanged_are_noticed(name):
    """All 105 pairs, or 91 where there is no nose."""
    assert poses(name).present.any(0).sum() == (15 if name == "puppets" else 14)
    assert anatomy.undetected(poses(name)) == []


@pytest.mark.parametrize("name", ["puppets", "somof", "bonn"])
def test_all_joints_mirrored_are_noticed_by_the_hidden_side_alone(name):
    mirrored = anatomy.reordered(poses(name), FLIP)
    assert anatomy.violations(mirrored) == [HIDDEN]
    everything = mirrored.replace(present=np.tile(mirrored.present.any(0), (len(mirrored), 1)))
    assert np.isnan(anatomy.measured(everything)[HIDDEN])  # where nothing is hidden, nobody can tell


def test_somof_read_one_side_after_the_other_is_noticed(monkeypatch):
    folder = real("somof")
    monkeypatch.setattr(somof, "SOMOF", ONE_SIDE_AFTER_THE_OTHER)
    wrong = anatomy.pooled(somof.read_somof(folder, "val"))
    same = anatomy.misread(poses("somof"), SOMOF, ONE_SIDE_AFTER_THE_OTHER)
    np.testing.assert_array_equal(wrong.xy, same.xy)
    broken = anatomy.violations(wrong)
    assert NECK in broken and len(broken) >= 5
    assert (np.array(SOMOF) != ONE_SIDE_AFTER_THE_OTHER).sum() == 10


def test_bonn_with_two_ids_exchanged_is_what_the_power_test_exchanges(monkeypatch):
    folder = real("bonn")
    names = dict(bonn.MPII) | {1: bonn.MPII[4], 4: bonn.MPII[1]}  # the knees
    monkeypatch.setattr(bonn, "MPII", names)
    wrong = anatomy.pooled(bonn.read_bonn(folder, "val"))
    same = anatomy.exchanged(poses("bonn"), INDEX["left_knee"], INDEX["right_knee"])
    np.testing.assert_array_equal(wrong.xy, same.xy)
    assert any("own side" in check for check in anatomy.violations(wrong))


def as_posetrack17(video):
    """A video's ground truth as PoseTrack'17 stores it; point ids as published, not as the reader numbers them."""
    ids = {
        "right_ankle": 0,
        "right_knee": 1,
        "right_hip": 2,
        "left_hip": 3,
        "left_knee": 4,
        "left_ankle": 5,
        "right_wrist": 6,
        "right_elbow": 7,
        "right_shoulder": 8,
        "left_shoulder": 9,
        "left_elbow": 10,
        "left_wrist": 11,
        "head_bottom": 12,
        "nose": 13,
        "head_top": 14,
    }
    annolist = []
    for t, now in enumerate(video.people.by_frame(len(video))):
        rects = []
        for i in range(len(now)):
            places = {name: now.xy[i, INDEX[name]].tolist() for name in ids if now.present[i, INDEX[name]]}
            points = [{"id": [ids[name]], "x": [x], "y": [y]} for name, (x, y) in places.items()]
            rects.append({"track_id": [int(now.track[i])], "annopoints": [{"point": points}]})
        image = [{"name": f"images/val/{video.name}/{t:08d}.jpg"}]
        annolist.append({"image": image, "is_labeled": [int(video.labelled[t])], "annorect": rects})
    return {"annolist": annolist}


def read_from_file(form, folder, videos, a=None, b=None):
    """Videos written in a form, with the names of two joints exchanged in the file, and read again."""
    names = dict(zip(JOINTS, JOINTS, strict=True)) | ({a: b, b: a} if a else {})
    if form == "'17":
        order = [INDEX[names[j]] for j in JOINTS]
        for video in videos:
            p = video.people.replace(xy=video.people.xy[:, order], present=video.people.present[:, order])
            changed = as_posetrack17(type(video)(video.name, video.size, video.labelled, p))
            (folder / f"{video.name}.json").write_text(json.dumps(changed))
        return anatomy.pooled(read_posetrack17(folder))
    for path in write_posetrack18(folder, videos):
        content = json.loads(path.read_text())
        content["categories"][0]["keypoints"] = [names.get(name, name) for name in POSETRACK18]
        path.write_text(json.dumps(content))
    return anatomy.pooled((read_posetrack18 if form == "'18" else read_posetrack21)(folder))


@pytest.mark.parametrize("form", ["'17", "'18", "'21"])
def test_files_of_posetrack_are_read_by_name(tmp_path, form):
    videos = worlds.load("puppets", "val", n=20, render=False)
    read = read_from_file(form, tmp_path, videos)
    np.testing.assert_allclose(read.xy, poses("puppets").xy * poses("puppets").present[..., None], atol=1e-9)
    assert anatomy.violations(read) == []
    for a, b in (("left_knee", "right_knee"), ("head_top", "head_bottom"), ("left_wrist", "left_ankle")):
        assert anatomy.violations(read_from_file(form, tmp_path, videos, a, b))


def test_the_official_sample_is_read_rightly_as_far_as_14_people_can_say():
    p = anatomy.pooled(read_posetrack18(sample() / "annotations/val"))
    values = anatomy.measured(p)
    assert len(p) == 14 and 0.1 < values[NECK] < 0.5
    assert all(values[name] > 0.8 for name in values if "above" in name)
    assert all(values[name] > 0.5 for name in values if "own side" in name)


def test_a_pose_by_hand():
    """One upright body of stated lengths: every value can be worked out on paper."""
    x = {"shoulder": 10, "elbow": 12, "wrist": 14, "hip": 6, "knee": 6, "ankle": 6}
    y = {"shoulder": 24, "elbow": 40, "wrist": 55, "hip": 60, "knee": 90, "ankle": 120}
    at = {f"{side}_{part}": (sign * x[part], y[part]) for part in x for side, sign in (("right", -1), ("left", 1))}
    at |= {"head_top": (0, 0), "nose": (0, 12), "head_bottom": (0, 20)}
    xy = np.array([[at[name] for name in JOINTS]] * 6, float)
    p = people(frame=np.arange(6), track=np.zeros(6, int), xy=xy)
    values = anatomy.measured(p)
    assert values[NECK] == pytest.approx(4 / 20)
    assert values["annotated share, left − right, largest"] == 0
    assert all(v == 1 for name, v in values.items() if "above" in name or "own side" in name or "left / right" in name)
    present = p.present.copy()
    present[:3, INDEX["left_wrist"]] = False
    values = anatomy.measured(p.replace(present=present))
    assert values["annotated share, left − right, largest"] == pytest.approx(0.5)
    assert "annotated share, left − right, largest" in anatomy.violations(p.replace(present=present))
    bent = xy.copy()
    bent[:, [INDEX["left_knee"], INDEX["right_knee"]], 0] += 10  # both knees to the image's right: she faces there
    hidden = p.replace(xy=bent, present=present)
    assert anatomy.measured(hidden)[HIDDEN] == 1
    assert anatomy.measured(anatomy.reordered(hidden, FLIP))[HIDDEN] == 0


def test_nobody_fails_no_check():
    empty = anatomy.pooled([])
    assert len(empty) == 0 and set(anatomy.table({"nobody": poses("puppets")}).columns) == {
        "nobody",
        "lowest",
        "highest",
    }
