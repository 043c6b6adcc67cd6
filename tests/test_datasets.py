"""Readers and the writer: round trips, hand-made files, and the published counts where real data is found."""

import json
import os

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from helpers import WorkbookError, datasets, places, worlds
from helpers.datasets import bonn
from helpers.datasets.bonn import read_bonn
from helpers.datasets.images import image_size
from helpers.datasets.posetrack import read_posetrack, read_posetrack17, read_posetrack18, read_posetrack21
from helpers.datasets.posetrack_writing import write_posetrack18
from helpers.datasets.somof import read_somof
from helpers.heads import head_sizes
from helpers.people import People, Video, extent_boxes, nobody, people
from helpers.skeleton import INDEX, JOINTS, MPII, POSETRACK18


def real(name):
    """The folder of a real data set, or a skip that says what is missing."""
    folder = datasets.find(name)
    if folder is None:
        pytest.skip(datasets.missing(name))
    return folder


def sample():
    for folder in datasets.data_folders():
        if (folder / "posetrack18_sample").is_dir():
            return folder / "posetrack18_sample"
    pytest.skip("posetrack18_sample: not found, left out")


# ---------------------------------------------------------------- PoseTrack'18, both ways

coordinates = st.floats(-500, 4000, allow_nan=False, width=64) | st.just(0.0)


@st.composite
def some_people(draw, frames=4):
    """People with unique tracks per frame, any joints (also none, also at the origin)."""
    tracks = [(t, k) for t in range(frames) for k in draw(st.sets(st.integers(0, 9999), max_size=3))]
    n = len(tracks)

    def numbers(shape, values):
        return np.array(draw(st.lists(values, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))).reshape(
            shape
        )

    if n == 0:
        return nobody()
    present = numbers((n, 15), st.booleans())
    xy = numbers((n, 15, 2), coordinates) * present[..., None]
    box = np.sort(numbers((n, 2, 2), coordinates), 1).reshape(n, 4)
    head = numbers((n,), st.floats(0.1, 500) | st.just(np.nan))
    return people(
        frame=[t for t, _ in tracks],
        track=[k for _, k in tracks],
        xy=xy,
        present=present,
        box=np.where(numbers((n, 1), st.booleans()), box, np.nan),
        head=head,
        score=numbers((n,), st.floats(-10, 10)),
        joint_score=numbers((n, 15), st.floats(-5, 5)),
    )


def assert_same(got: People, expected: People):
    for field in ("frame", "track", "present", "xy"):
        np.testing.assert_array_equal(getattr(got, field), getattr(expected, field), err_msg=field)
    np.testing.assert_allclose(got.head, expected.head, rtol=1e-9)
    # A box that is not written, or has no area, is read as the joints' extent.
    without = ~(expected.box[:, 2:] > expected.box[:, :2]).all(1)
    np.testing.assert_allclose(got.box[~without], expected.box[~without], rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(got.box[without], extent_boxes(expected.xy, expected.present, 0.15)[without])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("posetrack18")


@given(some_people())
@settings(max_examples=60, deadline=None)
def test_ground_truth_is_read_as_it_was_written(folder, truth):
    write_posetrack18(folder, [Video("000007_mpii_train", (320, 180), np.array([1, 0, 1, 1], bool), truth)])
    [video] = read_posetrack18(folder)
    assert_same(video.people, truth)
    assert video.size == (320, 180) and video.labelled.tolist() == [True, False, True, True]
    assert np.isnan(video.people.joint_score).all() and (video.people.score == 1).all()


@given(some_people(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_predictions_are_read_as_they_were_written(folder, predicted, random):
    video = Video("000007_mpii_train", (0, 0), np.ones(4, bool), nobody())
    order = list(range(len(predicted)))
    random.shuffle(order)  # people come back in frame order whatever order they are written in
    write_posetrack18(folder, [video], [predicted[np.array(order, int)]])
    got = read_posetrack18(folder)[0].people
    expected = predicted[np.array(order, int)]
    expected = expected[np.argsort(expected.frame, kind="stable")]
    assert_same(got, expected)
    np.testing.assert_array_equal(got.joint_score, expected.joint_score)
    np.testing.assert_array_equal(got.score, expected.score)


def one_person(**arrays):
    xy = np.arange(30, dtype=float).reshape(1, 15, 2) + 100
    return people(**{"frame": [0], "track": [3], "xy": xy, "head": [12.0], "score": [0.5]} | arrays)


def test_the_written_file_has_the_official_form(tmp_path):
    """Against the published format, without the reader."""
    present = np.ones((1, 15), bool)
    present[0, INDEX["left_knee"]] = False
    video = Video(
        "000342_bonn_test",
        (0, 0),
        np.array([True, False]),
        one_person(present=present, frame=[1]),
        ignore=([np.array([[1.0, 2], [3, 4], [5, 6]])], []),
    )
    [path] = write_posetrack18(tmp_path / "annotations/val", [video])
    assert path == tmp_path / "annotations/val/000342_bonn_test.json"
    content = json.loads(path.read_text())
    [category] = content["categories"]
    assert category["name"] == "person" and category["keypoints"] == list(POSETRACK18)
    first, second = content["images"]
    assert first["file_name"] == "images/val/000342_bonn_test/000000.jpg"
    assert (first["id"], second["id"]) == (20003420000, 20003420001) and first["frame_id"] == first["id"]
    assert (first["vid_id"], first["nframes"]) == ("000342", 2)
    assert first["is_labeled"] is True and second["is_labeled"] is False
    assert (first["ignore_regions_x"], first["ignore_regions_y"]) == ([[1, 3, 5]], [[2, 4, 6]])
    [a] = content["annotations"]
    assert (a["id"], a["image_id"], a["track_id"], a["category_id"], a["scores"]) == (
        2000342000100,
        20003420001,
        3,
        1,
        [],
    )
    points = np.array(a["keypoints"]).reshape(17, 3)
    assert points[POSETRACK18.index("nose")].tolist() == [126, 127, 1]  # joint 13 of the 15
    assert not points[[3, 4, POSETRACK18.index("left_knee")]].any()  # the ears, and what is absent
    assert np.hypot(*a["bbox_head"][2:]) * 0.6 == pytest.approx(12)
    x, y, w, h = a["bbox_head"]
    centre = np.mean([[124, 125], [128, 129]], 0)  # of head_bottom, nose and head_top
    np.testing.assert_allclose([x + w / 2, y + h / 2], centre)


def test_head_box_stands_on_the_box_when_the_head_joints_are_absent(tmp_path):
    present = np.ones((1, 15), bool)
    present[0, [INDEX[j] for j in ("nose", "head_bottom", "head_top")]] = False
    video = Video("v", (0, 0), np.ones(1, bool), one_person(present=present, box=[[10, 20, 50, 90]]))
    [path] = write_posetrack18(tmp_path, [video])
    x, y, w, h = json.loads(path.read_text())["annotations"][0]["bbox_head"]
    assert (x + w / 2, y + h / 2) == pytest.approx((30, 20)) and w == h


def test_unknown_joint_scores_come_back_unknown(tmp_path):
    video = Video("v", (0, 0), np.ones(1, bool), nobody())
    some = np.full((1, 15), 0.25)
    some[0, 4] = np.nan
    for joint_score in (some, np.full((1, 15), np.nan)):
        write_posetrack18(tmp_path, [video], [one_person(joint_score=joint_score)])
        np.testing.assert_array_equal(read_posetrack18(tmp_path)[0].people.joint_score, joint_score)


def test_images_are_written_and_read_lazily(tmp_path):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (3, 36, 64, 3), dtype=np.uint8)
    video = Video("000001_mpii_val", (0, 0), np.ones(3, bool), one_person(), frames=frames)
    files = tuple(f"images/val/000001_mpii_val/{t:06d}.png" for t in range(3))
    for names in (files, ()):  # PNG is exact; without names JPEG is written
        video = Video(video.name, (0, 0), video.labelled, video.people, frames=frames, files=names)
        write_posetrack18(tmp_path / "annotations/val", [video], write_images=True)
        [got] = read_posetrack18(tmp_path / "annotations/val")
        assert got.size == (64, 36) and len(got.frames) == 3 and got.frames[2].dtype == np.uint8
        if names:
            np.testing.assert_array_equal(got.frames[1], frames[1])
            np.testing.assert_array_equal(got.frames[1:][0], frames[1])
            # where the images lie can also be said
            [got] = read_posetrack18(tmp_path / "annotations/val", images=tmp_path / "images")
            np.testing.assert_array_equal(got.frames[0], frames[0])
    assert (tmp_path / "images/val/000001_mpii_val/000002.jpg").exists()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_image_sizes_come_from_the_header(tmp_path, suffix):
    cv2.imwrite(str(tmp_path / f"a{suffix}"), np.zeros((37, 123, 3), np.uint8))
    assert image_size(tmp_path / f"a{suffix}") == (123, 37)
    (tmp_path / f"b{suffix}").write_bytes((tmp_path / f"a{suffix}").read_bytes()[:14])
    assert image_size(tmp_path / f"b{suffix}") == (0, 0) == image_size(tmp_path / "none")


def content18(names=POSETRACK18, n=1, **annotation):
    """A file of one person in frame 1 of 2, joint j of `names` at (10 j + 1, 10 j + 2)."""
    keypoints = [v for j in range(len(names)) for v in (10 * j + 1, 10 * j + 2, 1)]
    return {
        "images": [
            {"id": 5, "file_name": "images/val/s/000000.jpg"},
            {"id": 2, "file_name": "images/val/s/000001.jpg"},
        ],
        "annotations": [{"image_id": 2, "track_id": 4, "keypoints": keypoints} | annotation],
        "categories": [{"name": "person", "id": 1, "keypoints": list(names)}],
    }


def read18(tmp_path, content, **options):
    (tmp_path / "s.json").write_text(json.dumps(content))
    return read_posetrack18(tmp_path / "s.json", **options)[0]


@pytest.mark.parametrize("names", [POSETRACK18, JOINTS, tuple(sorted(JOINTS)), tuple(reversed(POSETRACK18))])
def test_joints_are_mapped_by_name_in_any_order(tmp_path, names):
    video = read18(tmp_path, content18(names, scores=[j / 100 for j in range(len(names))]))
    for joint, name in enumerate(JOINTS):
        j = names.index(name)
        assert video.people.xy[0, joint].tolist() == [10 * j + 1, 10 * j + 2]
        assert video.people.joint_score[0, joint] == j / 100
    assert video.people.frame.tolist() == [1] and video.labelled.tolist() == [False, True]


def test_a_joint_is_absent_only_at_zero_zero_zero(tmp_path):
    keypoints = [0.0] * 51
    keypoints[0:3], keypoints[15:18], keypoints[18:21] = [0, 0, 1], [7, 0, 0], [-3, -4, 0]
    p = read18(tmp_path, content18(keypoints=keypoints)).people
    assert {JOINTS[j] for j in np.flatnonzero(p.present[0])} == {"nose", "left_shoulder", "right_shoulder"}
    assert p.xy[0, INDEX["right_shoulder"]].tolist() == [-3, -4], "negative coordinates are legal"


def test_what_an_annotation_lacks_is_filled(tmp_path):
    p = read18(tmp_path, content18()).people
    np.testing.assert_array_equal(p.box, extent_boxes(p.xy, p.present, 0.15))
    assert np.isnan(p.head[0]) and np.isnan(p.joint_score).all() and p.score[0] == 1
    given = {"scores": 0.7, "score": 0.25, "bbox": [1, 2, 10, 20], "bbox_head": [0, 0, 30, 40]}
    p = read18(tmp_path, content18(**given)).people
    assert p.box[0].tolist() == [1, 2, 11, 22] and p.head[0] == 30 and p.score[0] == 0.25  # 0.6 × 50
    assert np.isnan(p.joint_score).all()
    assert np.isnan(read18(tmp_path, content18(bbox_head=[7, 7, 0, 0])).people.head[0])
    p = read18(tmp_path, content18(keypoints=[0] * 51, bbox=[1, 2, 10, 20])).people
    assert len(p) == 1 and not p.present.any() and p.box[0].tolist() == [1, 2, 11, 22]
    for box in ([0, 0, 0, 0], [30, 2, -10, 20], [30, 40, -10, -20], [1, 2, 10, 0], None):
        p = read18(tmp_path, content18(bbox=box)).people
        np.testing.assert_array_equal(p.box, extent_boxes(p.xy, p.present, 0.15))


def test_posetrack21_has_track_ids_of_any_size_and_persons_with_a_box_only(tmp_path):
    content = content18(keypoints=[0] * 51, bbox=[1, 2, 10, 20], track_id=123456, person_id=9)
    (tmp_path / "s.json").write_text(json.dumps(content))
    assert read_posetrack21(tmp_path)[0].people.track.tolist() == [123456]
    with pytest.raises(WorkbookError, match="track_id 123456 is not below 10000"):
        read_posetrack18(tmp_path)


# ---------------------------------------------------------------- PoseTrack'17


def content17():
    """Two frames as PoseTrack'17 writes them; frame 0 is not labelled."""
    points = [
        {"id": [13], "x": [31.5], "y": [-2.0], "score": [0.5], "is_visible": [1]},
        {"id": [0], "x": [11], "y": [82]},
    ]
    rect = {
        "x1": [10],
        "y1": [20],
        "x2": [40],
        "y2": [60],
        "track_id": [7],
        "score": [0.75],
        "annopoints": [{"point": points}],
    }
    frame = {"image": [{"name": "images/bonn/s/00000001.jpg"}], "imgnum": [1], "is_labeled": [0], "annorect": []}
    region = [{"point": [{"x": [1, 2, 3], "y": [4, 5, 6]}]}]
    return {
        "annolist": [
            frame,
            frame
            | {
                "image": [{"name": "images/bonn/s/00000002.jpg"}],
                "imgnum": [2],
                "is_labeled": [1],
                "ignore_regions": region,
                "annorect": [rect, {"track_id": [8], "x1": [0], "y1": [0], "x2": [3], "y2": [4], "annopoints": []}],
            },
        ]
    }


def matlab(value):
    """The same as MATLAB has it: doubles, lists of structs as struct arrays."""
    if isinstance(value, dict):
        return {name: matlab(item) for name, item in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        names = sorted({name for item in value for name in item})
        array = np.empty(len(value), [(name, object) for name in names])
        for i, item in enumerate(value):
            for name in names:
                array[i][name] = matlab(item.get(name, []))
        return array
    return np.array(value, float) if isinstance(value, list) else value


@pytest.mark.parametrize("form", [".json", ".mat"])
@pytest.mark.parametrize("read", [read_posetrack, read_posetrack17])
def test_posetrack17_by_hand(tmp_path, form, read):
    path = tmp_path / f"s{form}"
    path.write_text(json.dumps(content17())) if form == ".json" else savemat(path, matlab(content17()))
    [video] = read(path)
    assert video.name == "s" and video.labelled.tolist() == [False, True]
    assert video.files == ("images/bonn/s/00000001.jpg", "images/bonn/s/00000002.jpg")
    p = video.people
    assert p.frame.tolist() == [1, 1] and p.track.tolist() == [7, 8] and p.score.tolist() == [0.75, 1]
    assert {JOINTS[j] for j in np.flatnonzero(p.present[0])} == {"nose", "right_ankle"}
    assert not p.present[1].any()
    assert p.xy[0, 13].tolist() == [31.5, -2] and p.xy[0, 0].tolist() == [11, 82]
    assert p.joint_score[0, 13] == 0.5 and np.isnan(p.joint_score[0, 0])
    np.testing.assert_allclose(p.head, [30, 3])  # 0.6 × the diagonals 50 and 5
    assert [len(regions) for regions in video.ignore] == [0, 1]
    assert video.ignore[1][0].tolist() == [[1, 4], [2, 5], [3, 6]]


def test_a_matlab_file_with_a_single_frame_and_point(tmp_path):
    content = {"annolist": content17()["annolist"][1:]}
    content["annolist"][0]["annorect"] = content["annolist"][0]["annorect"][:1]
    content["annolist"][0]["annorect"][0]["annopoints"][0]["point"] = [{"id": [14], "x": [5], "y": [6]}]
    savemat(tmp_path / "s.mat", matlab(content))
    [video] = read_posetrack17(tmp_path)
    assert len(video) == 1 and video.people.xy[video.people.present].tolist() == [[5, 6]]


def test_forms_are_told_apart_and_files_read_by_name(tmp_path):
    (tmp_path / "b.json").write_text(json.dumps(content17()))
    (tmp_path / "a.json").write_text(json.dumps(content18()))
    assert [(v.name, v.people.track[0]) for v in read_posetrack(tmp_path)] == [("a", 4), ("b", 7)]
    with pytest.raises(WorkbookError, match=r"b\.json: images is missing"):
        read_posetrack18(tmp_path)
    with pytest.raises(WorkbookError, match=r"a\.json: annolist is missing"):
        read_posetrack17(tmp_path)


# ---------------------------------------------------------------- head sizes, SoMoF and Bonn, made by hand


def test_head_sizes_by_hand():
    xy, present = np.zeros((5, 15, 2)), np.zeros((5, 15), bool)
    pair = [INDEX["head_bottom"], INDEX["head_top"]]
    for i, length in ((0, 10), (1, 30), (3, 60)):
        xy[i, pair[0]], xy[i, pair[1]], present[i, pair] = (5, 5), (5, 5 - length), True
    p = people(frame=np.arange(5), track=[0, 0, 0, 1, 2], xy=xy, present=present)
    # track 0: 5, 15 and their median 10; track 1: 30; track 2 never shows its head: median of 10 and 30
    assert head_sizes(p, 0.5).tolist() == [5, 15, 10, 30, 20]
    assert np.isnan(head_sizes(p[4], 0.5)).all()


def test_a_missing_head_is_the_median_of_its_track_and_a_missing_track_the_median_of_tracks():
    lengths = {0: (10, 30, 100, None), 1: (2, 4, 40, 60), 2: (600, 800, None), 3: (None,), 4: (0,)}
    rows = [(track, length) for track, values in lengths.items() for length in values]
    xy, present = np.zeros((len(rows), 15, 2)), np.ones((len(rows), 15), bool)
    for i, (_, length) in enumerate(rows):
        xy[i, INDEX["head_top"]] = (0, length or 0)
        present[i, INDEX["head_top"]] = length is not None
    size = head_sizes(people(frame=np.arange(len(rows)), track=[t for t, _ in rows], xy=xy, present=present), 1)
    # medians 30, 22 and 700 of the tracks; those of tracks 3 and 4, which never show a head, are 30
    assert size.tolist() == [10, 30, 100, 30, 2, 4, 40, 60, 600, 800, 700, 30, 30]


def somof_files(folder):
    """Two videos: in the first, two rows and one of them gone for good after frame 16."""
    videos = {"in": [], "out": [], "masks_in": [], "masks_out": [], "frames_in": []}
    for number in range(2):
        xy = np.arange(2 * 30 * 28, dtype=float).reshape(2, 30, 28) + 1
        mask = np.ones((2, 30, 14))
        mask[1, 16:] = 0
        mask[0, 3, 1] = 0
        videos["in"].append(xy[:, :16].tolist())
        videos["out"].append(xy[:, 16:].tolist())
        videos["masks_in"].append(mask[:, :16].tolist())
        videos["masks_out"].append(mask[:, 16:].tolist())
        folder_in = f"images/train/00000{number}_mpii_train"
        videos["frames_in"].append([f"{folder_in}/{t:06d}.jpg" for t in range(40, 56)])
    folder.mkdir()
    for name, content in videos.items():
        (folder / f"posetrack_valid_{name}.json").write_text(json.dumps(content))


def test_somof_by_hand(tmp_path):
    somof_files(tmp_path / "somof")
    videos = read_somof(tmp_path / "somof")
    assert [v.name for v in videos] == ["000000_mpii_train", "000001_mpii_train"]
    v = videos[0]
    assert len(v) == 30 and v.labelled.all() and len(v.files) == 30
    assert v.files[29] == "images/train/000000_mpii_train/000069.jpg"
    assert len(v.people) == 46 and (np.diff(v.people.frame) >= 0).all()
    assert (v.people.track == 1).sum() == 16 and v.people.at(16).track.tolist() == [0]
    first = v.people[0]
    # the columns as the files have them, written out: side by side, not one side after the other
    columns = {"head_bottom": 0, "head_top": 1} | {
        f"{side}_{part}": 2 + 2 * k + right
        for k, part in enumerate(("shoulder", "elbow", "wrist", "hip", "knee", "ankle"))
        for right, side in enumerate(("left", "right"))
    }
    for name, j in columns.items():
        assert first.xy[0, INDEX[name]].tolist() == [2 * j + 1, 2 * j + 2]
    assert not first.present[0, INDEX["nose"]]
    assert not v.people.at(3).present[0, INDEX["head_top"]]
    np.testing.assert_allclose(v.people.head, 0.6 / 0.7 * np.sqrt(8))
    assert [v.name for part in ("train", "val") for v in read_somof(tmp_path / "somof", part)] == [
        v.name for v in videos
    ]


def bonn_files(folder):
    """One video a folder: two rows, three frames; row 1 is absent from frame 1 and has no head box."""
    for name in ("train", "test"):
        cells = np.empty((2, 3), object)
        for row, frame in np.ndindex(2, 3):
            point = np.empty((1, len(MPII)), [(f, object) for f in ("x", "y", "id", "is_visible")])
            for k, joint in enumerate(MPII):
                point[0, k] = (100.0 * row + joint, 10.0 * frame + 2 * joint, joint, float(joint != 3))
            rect = np.array([[0, 0, 30.0, 40]]) if row == 0 else np.zeros((0, 0))
            cells[row, frame] = {"point": point, "head_rect": rect}
        cells[1, 1] = np.zeros((1, 0))
        entry = np.empty((1, 1), [(f, object) for f in ("num_frames", "name", "annopoints")])
        entry[0, 0] = (3, name + "_clip", cells)
        (folder / "annolist" / name).mkdir(parents=True)
        savemat(folder / "annolist" / name / "annolist.mat", {"annolist": entry})


def test_bonn_by_hand(tmp_path):
    bonn_files(tmp_path)
    assert [v.name for v in read_bonn(tmp_path)] == ["train_clip", "test_clip"]
    [v] = read_bonn(tmp_path, "val")
    assert v.name == "test_clip" and len(v) == 3 and v.frames is None
    assert v.files == tuple(f"videos/test_clip/0000{k}.jpg" for k in (1, 2, 3))
    assert v.people.frame.tolist() == [0, 0, 1, 2, 2] and v.people.track.tolist() == [0, 1, 0, 0, 1]
    p = v.people[1]
    for joint, name in MPII.items():
        if joint != 3:
            assert p.xy[0, INDEX[name]].tolist() == [100 + joint, 2 * joint]
    assert not p.present[0, [INDEX["nose"], INDEX[MPII[3]]]].any() and p.present.sum() == 13
    np.testing.assert_allclose(v.people.head, [30, 0.75 * np.sqrt(5), 30, 30, 0.75 * np.sqrt(5)])


# ---------------------------------------------------------------- the real files, where they are found


def test_the_official_sample():
    videos = read_posetrack18(sample() / "annotations/val")
    assert [(v.name[:6], len(v.people)) for v in videos] == [("003418", 1), ("009473", 2), ("012834", 11)]
    for v in videos:
        assert v.size == (1920, 1080) and v.frames[0].shape == (1080, 1920, 3) and v.labelled.all()
        assert image_size(v.frames.paths[0]) == v.size
        # PoseTrack's own boxes are the rule that stands in where they are missing
        joints = extent_boxes(v.people.xy, v.people.present, 0.15)
        np.testing.assert_allclose(v.people.box, joints, atol=1e-5)
        bottom, top = v.people.xy[:, INDEX["head_bottom"]], v.people.xy[:, INDEX["head_top"]]
        np.testing.assert_allclose(v.people.head, 0.6 / 0.7 * np.linalg.norm(bottom - top, axis=1), rtol=1e-3)
    p = videos[0].people
    assert p.present.sum() == 11 and p.box[0].tolist() == [214.25, 15, 214.25 + 1358.5, 1107]
    assert p.xy[0, INDEX["nose"]].tolist() == [621, 471]
    assert p.head[0] == pytest.approx(0.6 * np.hypot(296, 237))


def test_somof_has_the_published_counts():
    folder = real("somof")
    videos = read_somof(folder)
    assert len(videos) == 104 and all(len(v) == 30 for v in videos)
    assert sum(len(v.people) for v in videos) == 16_529
    rows = json.loads((folder / "posetrack_valid_in.json").read_text())
    assert sum(map(len, rows)) == 605  # 34 of them without a single joint
    assert sum(len(np.unique(v.people.track)) for v in videos) == 571
    assert all((v.people.head > 0).all() and np.isfinite(v.people.box).all() for v in videos)
    train, val = (worlds.load("somof", split) for split in ("train", "val"))
    assert len(train) == len(val) == 52 and not {v.name for v in train} & {v.name for v in val}


def detected(**changes):
    """One frame of a real pose file, a sure and an unsure person."""
    points = [[10.0 * k, 5.0 * k, 0.5] for k in range(17)]
    sure = {"bbox_xywh": [1, 2, 30, 40], "score": 0.9, "keypoints_coco17": points}
    return [{"frame": 3, "detections": [sure | changes, sure | {"score": 0.29}]}]


def test_real_poses_by_hand(tmp_path):
    file = tmp_path / "poses.json"
    file.write_text(json.dumps(detected()))
    found = bonn.read_poses(file)
    assert len(found) == 1 and found.frame.tolist() == [3] and found.box.tolist() == [[1, 2, 31, 42]]
    assert found.xy[0, INDEX["left_shoulder"]].tolist() == [50, 25]
    assert found.xy[0, INDEX["head_bottom"]].tolist() == [55, 27.5]  # middle of the shoulders
    assert not found.present[0, INDEX["nose"]] and found.present[0].sum() == 14
    for least, n in ((0.0, 2), (0.29, 2), (0.2901, 1), (0.9, 1), (0.91, 0)):  # as much as it takes is enough
        assert len(bonn.read_poses(file, least)) == n


@pytest.mark.parametrize(
    "content",
    ["{", '[{"frame": 1}]', json.dumps(detected(keypoints_coco17=[[1, 2]])), json.dumps(detected(bbox_xywh="far"))],
)
def test_damaged_real_poses_are_one_sentence(tmp_path, content):
    (tmp_path / "poses.json").write_text(content)
    with pytest.raises(WorkbookError, match="poses.json"):
        bonn.read_poses(tmp_path / "poses.json")


def fetched(name, folder):
    """A folder with links to exactly the files that fetch brings of a real data set."""
    source = real(name)
    for file in datasets.fetched_files(name):
        (folder / name / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / name / file).symlink_to(source / file)
    return folder / name


def test_with_exactly_the_fetched_files_only_the_clips_detections_are_missing(tmp_path, monkeypatch):
    folders = [fetched(name, tmp_path) for name in ("somof", "bonn")]
    monkeypatch.setenv("POSE_WORKBOOK_DATA", str(tmp_path))
    assert [datasets.find(name) for name in ("somof", "bonn")] == folders
    assert worlds.available("puppets") == ["puppets", "somof", "bonn"]
    assert [len(worlds.load(name, "all")) for name in ("somof", "bonn")] == [104, 60]
    assert bonn.real_clip() is None
    assert bonn.missing_clip().startswith("bonn: bonn/derived/060470979_poses.json not found, left out")
    derived = folders[1] / "derived" / f"{bonn.CLIP}_poses.json"
    derived.parent.mkdir()
    derived.write_text(json.dumps(detected()))
    clip, found = bonn.real_clip(0.0)
    assert clip.name == bonn.CLIP and len(clip) == 41 and len(found) == 2 and len(bonn.real_clip()[1]) == 1


@pytest.mark.parametrize("name", ["somof", "bonn"])
def test_a_data_set_that_is_not_whole_is_not_found(tmp_path, monkeypatch, name):
    monkeypatch.setenv("POSE_WORKBOOK_DATA", str(tmp_path))
    files = [tmp_path / name / file for file in datasets.fetched_files(name)]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert datasets.find(name) == tmp_path / name
    files[-1].unlink()
    files[-1].symlink_to(tmp_path / "nowhere")  # a dangling link is no file
    assert datasets.find(name) is None and worlds.available("puppets") == ["puppets"]
    assert f"{name}: only {len(files) - 1} of its {len(files)} files are there" in datasets.missing(name)
    assert bonn.real_clip() is None and bonn.missing_clip() == datasets.missing("bonn")


def test_bonn_has_the_published_counts():
    real("bonn")
    videos = worlds.load("bonn", "all")
    assert (len(videos), sum(map(len, videos)), sum(len(v.people) for v in videos)) == (60, 3092, 14_574)
    assert sum(len(np.unique(v.people.track)) for v in videos) == 315
    everyone = np.concatenate([v.people.present for v in videos])
    assert everyone.sum() == 150_437 and (~everyone.any(1)).sum() == 101
    assert all((v.people.head > 0).all() for v in videos)
    [clip] = [v for v in videos if v.name == "060470979"]
    if clip.frames is not None:
        assert clip.size == (960, 540) and len(clip.frames) == 41 and clip.frames[40].shape == (540, 960, 3)


# ---------------------------------------------------------------- data sets by name


def test_the_search_path_is_replaced_by_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_WORKBOOK_DATA", "")
    assert datasets.data_folders() == [] and worlds.available("puppets") == ["puppets"]
    assert datasets.find("somof") is None
    somof_files(tmp_path / "somof")
    monkeypatch.setenv("POSE_WORKBOOK_DATA", os.pathsep.join([str(tmp_path / "nowhere"), str(tmp_path)]))
    assert datasets.find("somof") == tmp_path / "somof"
    assert worlds.available("puppets") == ["puppets", "somof"] and worlds.available("somof") == ["somof"]
    assert [v.name for v in worlds.load("somof", "val")] == ["000001_mpii_train"]
    assert len(worlds.load("somof", "all", n=1)) == 1
    monkeypatch.delenv("POSE_WORKBOOK_DATA")
    assert datasets.data_folders() == [places.ROOT / "data"]


def test_named_folders_are_absolute_and_one_that_is_not_there_is_one_line(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    somof_files(tmp_path / "mine" / "somof")
    for value in ("mine", "~/mine", f"../{tmp_path.name}/mine"):
        monkeypatch.setenv("POSE_WORKBOOK_DATA", value)
        folder = datasets.find("somof")
        assert folder.is_absolute() and folder.samefile(tmp_path / "mine" / "somof")
        assert all(f.is_absolute() for f in datasets.data_folders())
    assert not caplog.records
    (tmp_path / "file").touch()
    monkeypatch.setenv("POSE_WORKBOOK_DATA", os.pathsep.join(["file", "nowhere", "mine"]))
    for _ in range(2):
        assert datasets.find("somof") == tmp_path / "mine" / "somof"
    assert [r.getMessage() for r in caplog.records] == [
        f"POSE_WORKBOOK_DATA: {tmp_path / name} is no folder, left out." for name in ("file", "nowhere")
    ]


def test_posetrack_is_found_in_its_own_layout(tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_WORKBOOK_DATA", str(tmp_path))
    videos = [Video(f"00000{k}_mpii_val", (0, 0), np.ones(1, bool), one_person()) for k in range(2)]
    for k, split in enumerate(("train", "val")):
        write_posetrack18(tmp_path / "posetrack18/annotations" / split, videos[k : k + 1])
        write_posetrack18(tmp_path / "posetrack21/posetrack_data" / split, videos[k : k + 1])
    for name in ("posetrack18", "posetrack21"):
        assert [v.name for v in worlds.load(name, "val")] == ["000001_mpii_val"]
        assert [v.name for v in worlds.load(name, "all")] == [v.name for v in videos]
    assert datasets.find("posetrack17") is None


def test_every_notice_is_one_line_without_a_place_on_this_machine():
    for name in datasets.NAMES[1:]:
        notice = datasets.missing(name)
        assert notice.startswith(f"{name}: ") and "\n" not in notice and str(places.ROOT) not in notice


def test_the_built_in_world_names_its_own_splits():
    for split in ("all", "training"):
        with pytest.raises(
            WorkbookError, match=f"split '{split}' of puppets is unknown; there are train, val, test, tune"
        ):
            worlds.load("puppets", split)
    with pytest.raises(WorkbookError, match="split 'tune' of somof is unknown; there are train, val, all"):
        worlds.load("somof", "tune")
    assert [len(worlds.load("puppets", "tune", n=k, render=False)) for k in (0, 1)] == [0, 1]


# ---------------------------------------------------------------- order and boundaries


def crowd18(frames, **annotation):
    """A file of one person per entry of `frames` (image 5 is frame 0, image 2 frame 1), in that order."""
    content = content18()
    one = content["annotations"][0] | annotation
    content["annotations"] = [one | {"image_id": (5, 2)[t], "track_id": k} for k, t in enumerate(frames)]
    return content


def test_people_of_a_frame_keep_the_order_of_the_file(tmp_path):
    frames = np.random.default_rng(0).integers(0, 2, 300)
    p = read18(tmp_path, crowd18(frames.tolist())).people
    assert p.track.tolist() == [k for t in (0, 1) for k in range(300) if frames[k] == t]
    video = Video("s", (0, 0), np.ones(2, bool), nobody())
    shuffled = p[np.random.default_rng(1).permutation(300)]
    [path] = write_posetrack18(tmp_path / "out", [video], [shuffled])
    written = json.loads(path.read_text())["annotations"]
    assert [a["track_id"] for a in written] == [int(k) for t in (0, 1) for k in shuffled.track[shuffled.frame == t]]
    later = int((frames == 0).sum())  # they are numbered anew in every frame
    assert [a["id"] % 100 for a in written[:2] + written[later : later + 2]] == [0, 1, 0, 1]


@pytest.mark.parametrize("track, fine", [(0, True), (9_999, True), (10_000, False), (-1, False)])
def test_track_ids_end_where_the_toolkit_ends(tmp_path, track, fine):
    content = content18(track_id=track)
    if fine:
        assert read18(tmp_path, content).people.track.tolist() == [track]
        return
    with pytest.raises(WorkbookError, match="track_id"):
        read18(tmp_path, content)


def test_a_track_twice_in_a_frame_is_refused_and_in_two_frames_is_not(tmp_path):
    content = crowd18([0, 1, 1])
    for tracks, fine in (((3, 3, 4), True), ((4, 3, 3), False)):
        for a, track in zip(content["annotations"], tracks, strict=True):
            a["track_id"] = track
        if fine:
            assert read18(tmp_path, content).people.track.tolist() == [3, 3, 4]
            continue
        with pytest.raises(WorkbookError, match="track_id 3 occurs more than once in image 1"):
            read18(tmp_path, content)


def test_a_flag_of_a_frame_wins_over_whether_it_holds_people(tmp_path):
    for flags, expected in (((None, None), [False, True]), ((True, False), [True, False]), ((0, None), [False, True])):
        content = content18()
        for image, flag in zip(content["images"], flags, strict=True):
            image |= {} if flag is None else {"is_labeled": flag}
        assert read18(tmp_path, content).labelled.tolist() == expected


def test_ids_of_images_are_official_only_where_every_number_fits(tmp_path):
    for name, last, official in (
        ("000007_mpii_val", 9_999, True),
        ("000007_mpii_val", 10_000, False),
        ("000007_bonn_val", 0, True),
        ("000007_other_val", 5, False),
        ("000007_mpii_val", 3, False),  # the other frame's number
    ):
        files = tuple(f"images/val/s/{t:06d}.jpg" for t in (3 if official is False and last == 3 else 1, last))
        [path] = write_posetrack18(tmp_path, [Video(name, (0, 0), np.ones(2, bool), nobody(), files=files)])
        ids = [image["id"] for image in json.loads(path.read_text())["images"]]
        source = 2 if "bonn" in name else 1
        base = source * 10**10 + 7 * 10**4
        assert ids == ([base + 1, base + last] if official else [10**7, 10**7 + 1])


def test_a_matlab_twin_of_a_json_file_is_not_a_second_video(tmp_path):
    (tmp_path / "clip.json").write_text(json.dumps(content18()))
    (tmp_path / "clip.mat").write_bytes(b"what the toolkit's converter leaves")
    assert [v.name for v in read_posetrack(tmp_path)] == ["clip"]


def test_a_file_name_with_a_nul_is_refused(tmp_path):
    content = content18()
    content["images"][0]["file_name"] = "images/val/s/0\x00.jpg"
    with pytest.raises(WorkbookError, match="image 0: file name"):
        read18(tmp_path, content)


@pytest.mark.parametrize("name", [POSETRACK18[0], {"a": 1}])
def test_keypoint_names_are_different_texts(tmp_path, name):
    content = content18()
    content["categories"][0]["keypoints"][3] = name  # the place of an ear
    with pytest.raises(WorkbookError, match="keypoints"):
        read18(tmp_path, content)
