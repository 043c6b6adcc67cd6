"""Every malformed input is one sentence that names the file and the field, and nothing stays half-written."""

import copy
import errno
import json
import os
import struct
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import WorkbookError, datasets, files, worlds
from helpers.datasets.bonn import read_bonn
from helpers.datasets.images import read_image
from helpers.datasets.posetrack import read_posetrack, read_posetrack17
from helpers.datasets.posetrack_writing import write_posetrack18
from helpers.datasets.somof import read_somof
from helpers.people import Video, people
from helpers.skeleton import POSETRACK18


def complaint(call, *named) -> str:
    """The one sentence that a call fails with; it names all of `named`."""
    with pytest.raises(WorkbookError) as error:
        call()
    message = str(error.value)
    assert message.endswith(".") and "\n" not in message and ". " not in message, f"one sentence: {message}"
    for name in named:
        assert str(name) in message, f"{name} is not named in: {message}"
    return message


def good18():
    annotation = {
        "image_id": 2,
        "track_id": 4,
        "keypoints": list(range(1, 52)),
        "scores": [0.5] * 17,
        "bbox": [1, 2, 3, 4],
        "bbox_head": [1, 2, 3, 4],
        "score": 0.5,
        "category_id": 1,
        "id": 200,
    }
    images = [
        {
            "id": i,
            "file_name": f"images/val/s/{i:06d}.jpg",
            "is_labeled": True,
            "width": 64,
            "height": 36,
            "ignore_regions_x": [[1, 2, 3]],
            "ignore_regions_y": [[1, 2, 3]],
        }
        for i in (1, 2)
    ]
    second = copy.deepcopy(annotation) | {"track_id": 5, "id": 201}
    return {
        "images": images,
        "annotations": [annotation, second],
        "categories": [{"name": "person", "id": 1, "keypoints": list(POSETRACK18)}],
    }


def good17():
    rect = {
        "x1": [1],
        "y1": [2],
        "x2": [3],
        "y2": [4],
        "track_id": [7],
        "score": [0.5],
        "annopoints": [{"point": [{"id": [3], "x": [5], "y": [6], "score": [0.5]}]}],
    }
    region = {"point": [{"x": [1, 2, 3], "y": [1, 2, 3]}]}
    return {
        "annolist": [
            {"image": [{"name": "images/s/1.jpg"}], "is_labeled": [1], "annorect": [rect], "ignore_regions": [region]}
        ]
    }


def changed(content, *where, to):
    """A copy of the content with one value replaced: where is its path of keys."""
    content = copy.deepcopy(content)
    holder = content
    for key in where[:-1]:
        holder = holder[key]
    if to is KeyError:
        del holder[where[-1]]
    else:
        holder[where[-1]] = to
    return content


def read(folder: Path, content, reader=read_posetrack):
    (folder / "clip.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return lambda: reader(folder)


def test_what_the_cases_below_start_from_is_good(tmp_path):
    assert len(read(tmp_path, good18())()[0].people) == 2
    assert len(read(tmp_path, good17())()[0].people) == 1


# ---------------------------------------------------------------- files and folders


@pytest.mark.parametrize("text", ["", "{", '{"images": [', "\x00", "[" * 100_000, json.dumps(good18())[:-40]])
def test_truncated_or_wrong_json(tmp_path, text):
    complaint(read(tmp_path, text), "clip.json", "JSON")


@pytest.mark.parametrize("content", [[], 3, None, "text"])
def test_json_that_is_no_object(tmp_path, content):
    complaint(read(tmp_path, json.dumps(content)), "clip.json", "object")


def test_json_that_is_no_utf8(tmp_path):
    (tmp_path / "clip.json").write_bytes(b'{"images": "\xff"}')
    complaint(lambda: read_posetrack(tmp_path), "clip.json", "JSON")


def test_a_damaged_matlab_file(tmp_path):
    (tmp_path / "clip.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(300))
    complaint(lambda: read_posetrack(tmp_path), "clip.mat", "MATLAB")


def test_empty_and_missing_folders(tmp_path):
    complaint(lambda: read_posetrack(tmp_path), tmp_path, ".json")
    complaint(lambda: read_posetrack(tmp_path / "none"), tmp_path / "none")
    read(tmp_path, good18())
    complaint(lambda: read_posetrack(tmp_path, images=tmp_path / "none"), tmp_path / "none", "images")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied")

    call = read(tmp_path, good18())
    monkeypatch.setattr(Path, "read_bytes", refuse)
    complaint(call, "clip.json", "Permission denied")


# ---------------------------------------------------------------- PoseTrack'18

A, B = ("annotations", 0), ("annotations", 1)
NUMBERS = list(range(1, 52))


@pytest.mark.parametrize(
    "where, value, named",
    [
        (("images",), KeyError, "images"),
        (("annotations",), {}, "annotations"),
        (("categories",), KeyError, "categories"),
        (("images",), [], "images"),
        (("images", 1, "id"), 1, "id"),  # twice
        (("images", 1, "id"), "2", "images[1].id"),
        (("images", 0, "file_name"), KeyError, "images[0].file_name"),
        (("images", 0, "file_name"), 3, "images[0].file_name"),
        (("images", 1, "is_labeled"), "yes", "images[1].is_labeled"),
        (("images", 0, "width"), 3.5, "width"),
        (("images", 1, "ignore_regions_x"), [[1, 2]], "images[1].ignore_regions"),
        (("images", 1, "ignore_regions_y"), [[1, 2, float("nan")]], "images[1].ignore_regions"),
        (("images", 1, "ignore_regions_y"), [], "images[1].ignore_regions"),
        (("images", 1, "ignore_regions_x"), [1, 2, 3], "images[1].ignore_regions"),
        (("categories", 0, "name"), "car", "categories"),
        (("categories",), [], "categories"),
        (("categories", 0, "keypoints"), list(POSETRACK18[:16]), "categories[0].keypoints holds 16"),
        (("categories", 0, "keypoints"), ["x", *POSETRACK18[1:]], "categories[0].keypoints"),
        (("categories", 0, "keypoints"), KeyError, "categories[0].keypoints"),
        ((*B, "category_id"), 2, "annotations[1].category_id 2"),  # an unknown category
        ((*B, "image_id"), 3, "annotations[1].image_id 3"),
        ((*B, "image_id"), KeyError, "annotations[1].image_id"),
        ((*B, "image_id"), [2], "annotations[1].image_id"),
        ((*B, "track_id"), 4, "track_id 4"),  # a duplicate in one frame
        ((*B, "track_id"), KeyError, "annotations[1].track_id is missing"),
        ((*B, "track_id"), 1.5, "annotations[1].track_id is 1.5"),  # no integer
        ((*B, "track_id"), 1.0, "annotations[1].track_id is 1.0"),
        ((*B, "track_id"), True, "annotations[1].track_id is True"),
        ((*B, "track_id"), "4", "annotations[1].track_id is '4'"),
        ((*B, "track_id"), -1, "annotations[1].track_id is -1"),
        ((*B, "track_id"), 10_000, "track_id 10000"),
        ((*B, "track_id"), 10**30, "annotations[1].track_id"),
        ((*B, "keypoints"), KeyError, "annotations[1].keypoints"),
        # 16 keypoints
        ((*B, "keypoints"), NUMBERS[:48], "annotations[1].keypoints holds 48 numbers; 51 are needed"),
        ((*B, "keypoints"), NUMBERS[:45], "annotations[1].keypoints holds 45"),
        ((*B, "keypoints"), [], "annotations[1].keypoints holds 0"),
        ((*B, "keypoints"), "x" * 51, "annotations[1].keypoints"),
        ((*B, "keypoints", 7), float("nan"), "annotations[1].keypoints[7] is 'nan'"),
        ((*B, "keypoints", 7), float("inf"), "annotations[1].keypoints[7] is 'inf'"),
        ((*B, "keypoints", 8), 10**400, "annotations[1].keypoints[8]"),
        ((*B, "keypoints", 8), "8", "annotations[1].keypoints[8]"),
        ((*B, "keypoints", 8), None, "annotations[1].keypoints[8]"),
        ((*B, "keypoints", 8), [8], "annotations[1].keypoints[8]"),
        ((*B, "bbox"), [1, 2, 3], "annotations[1].bbox holds 3"),
        ((*B, "bbox_head"), [1, 2, 3, float("nan")], "annotations[1].bbox_head[3]"),
        ((*B, "bbox_head"), 3, "annotations[1].bbox_head"),
        ((*B, "scores"), [0.5] * 16, "annotations[1].scores"),
        ((*B, "scores", 2), float("nan"), "annotations[1].scores"),
        ((*B, "scores", 2), "1", "annotations[1].scores"),
        ((*B, "scores"), "1", "annotations[1].scores"),
        ((*B, "score"), float("inf"), "annotations[1].score"),
        ((*B, "score"), None, "annotations[1].score"),
        (A, 3, "annotations"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_posetrack18_fields(tmp_path, where, value, named):
    complaint(read(tmp_path, changed(good18(), *where, to=value)), "clip.json", named)


def test_negative_coordinates_are_no_error(tmp_path):
    content = changed(good18(), *A, "keypoints", 0, to=-12.5)
    assert read(tmp_path, content)()[0].people.xy.min() == -12.5


# ---------------------------------------------------------------- PoseTrack'17

RECT = ("annolist", 0, "annorect", 0)
POINT = (*RECT, "annopoints", 0, "point", 0)


@pytest.mark.parametrize(
    "where, value, named",
    [
        (("annolist",), [], "annolist"),
        (("annolist",), 3, "annolist"),
        (("annolist", 0, "image"), KeyError, "annolist[0].image.name"),
        (("annolist", 0, "image", 0, "name"), [3], "annolist[0].image.name"),
        (("annolist", 0, "is_labeled"), [2], "annolist[0].is_labeled is 2"),
        (("annolist", 0, "annorect", 0), 3, "annolist[0].annorect[0]"),
        ((*RECT, "track_id"), KeyError, "annolist[0].annorect[0].track_id"),
        ((*RECT, "track_id"), [1.5], "annolist[0].annorect[0].track_id is 1.5"),
        ((*RECT, "track_id"), [-1], "annolist[0].annorect[0].track_id is -1"),
        ((*RECT, "track_id"), [10_000], "track_id 10000"),
        ((*RECT, "x1"), ["1"], "annolist[0].annorect[0]: x1"),
        ((*RECT, "score"), [float("nan")], "annolist[0].annorect[0]: score"),
        ((*POINT, "id"), [15], "annolist[0].annorect[0].annopoints: point id 15"),
        ((*POINT, "id"), KeyError, "annolist[0].annorect[0].annopoints"),
        ((*POINT, "x"), KeyError, "annolist[0].annorect[0]: x"),
        ((*POINT, "y"), [float("inf")], "annolist[0].annorect[0]: y"),
        (("annolist", 0, "ignore_regions", 0, "point", 0, "x"), [1, 2], "annolist[0].ignore_regions"),
        (("annolist", 0, "ignore_regions", 0, "point"), [3], "annolist[0].ignore_regions"),
    ],
)
def test_posetrack17_fields(tmp_path, where, value, named):
    complaint(read(tmp_path, changed(good17(), *where, to=value), read_posetrack17), "clip.json", named)


def test_posetrack17_duplicates(tmp_path):
    content = good17()
    content["annolist"][0]["annorect"] *= 2
    complaint(read(tmp_path, content), "clip.json", "track_id 7")
    content = good17()
    content["annolist"][0]["annorect"][0]["annopoints"][0]["point"] *= 2
    complaint(read(tmp_path, content), "clip.json", "point id 3 occurs twice")


# ---------------------------------------------------------------- any damage at all


def places(content, path=()):
    """Every path of keys into a JSON value."""
    if not isinstance(content, (dict, list)):
        return
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        yield (*path, key)
        yield from places(value, (*path, key))


junk = st.recursive(
    st.sampled_from(
        [KeyError, None, True, -1, 0, 3, 1.5, 10**30, 10**400, float("nan"), float("-inf"), "", "text", "../x", [], {}]
    ),
    lambda inner: st.lists(inner.filter(lambda v: v is not KeyError), max_size=3),
    max_leaves=4,
)


@pytest.mark.parametrize("good", [good18(), good17()], ids=["18", "17"])
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_one_damaged_value_is_read_or_complained_about(tmp_path_factory, good, data):
    """Whatever value is replaced by whatever: no other exception than the one sentence."""
    where = data.draw(st.sampled_from(list(places(good))))
    folder = tmp_path_factory.getbasetemp()
    call = read(folder, changed(good, *where, to=data.draw(junk)))
    try:
        [video] = call()
    except WorkbookError:
        complaint(call, "clip.json")
    else:
        assert np.isfinite(video.people.xy).all() and (video.people.track >= 0).all()


# ---------------------------------------------------------------- images


@pytest.mark.parametrize("name", ["../x.jpg", "images/../../x.jpg", "/x.jpg", "..\\x.jpg", "C:\\x.jpg", ""])
@pytest.mark.parametrize(
    "content, where", [(good18(), ("images", 1, "file_name")), (good17(), ("annolist", 0, "image", 0, "name"))]
)
def test_a_file_name_that_leads_out_of_the_folder(tmp_path, content, where, name):
    complaint(read(tmp_path, changed(content, *where, to=name)), "clip.json", repr(name))


def test_an_image_that_promises_too_many_pixels(tmp_path):
    """A PNG of 60,000 × 60,000 pixels in its header, and nearly none in its data."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")
    (tmp_path / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    complaint(lambda: read_image(tmp_path / "large.png"), "large.png", "decoded")


def test_an_image_that_is_missing_or_unreadable(tmp_path):
    (tmp_path / "images/val/s").mkdir(parents=True)
    (tmp_path / "images/val/s/000002.jpg").write_bytes(b"no picture")
    [video] = read(tmp_path, good18())()  # reading the annotations asks for no image
    complaint(lambda: video.frames[0], "000001.jpg")
    complaint(lambda: video.frames[1], "000002.jpg", "decoded")
    (tmp_path / "images/val/s/000002.jpg").write_bytes(b"")
    complaint(lambda: video.frames[1], "000002.jpg")


# ---------------------------------------------------------------- the other data sets


def test_unknown_names_splits_and_options():
    for call in (datasets.find, datasets.missing, worlds.load, worlds.available):
        complaint(partial(call, "posetrack19"), "'posetrack19'", "somof, bonn")
    complaint(lambda: worlds.load("somof", "test"), "'test'", "train, val, all")
    complaint(lambda: worlds.load("bonn", size=(1, 1)), "bonn", "size")


def test_a_data_set_that_is_not_found(monkeypatch):
    monkeypatch.setenv("POSE_WORKBOOK_DATA", "")
    complaint(lambda: worlds.load("somof"), "somof", "python -m helpers fetch somof")
    complaint(lambda: worlds.available("posetrack18"), "posetrack18", "data/posetrack18")


@pytest.mark.parametrize(
    "name, value, named",
    [
        ("in", "{", "posetrack_valid_in.json"),
        ("in", "{}", "posetrack_valid_in.json"),
        ("out", "[]", "posetrack_valid_out.json"),
        ("out", "[1, 2]", "different numbers of videos"),
        ("masks_in", "[[[1]]]", "masks_in"),
        ("in", "[[]]", "posetrack_valid video 0: in"),
        ("frames_in", "[[]]", "frames_in"),
        ("frames_in", "[[5]]", "frames_in"),
    ],
)
def test_somof_fields(tmp_path, name, value, named):
    content = {
        "in": [[[[1.0] * 28] * 16]],
        "out": [[[[1.0] * 28] * 14]],
        "masks_in": [[[[1] * 14] * 16]],
        "masks_out": [[[[1] * 14] * 14]],
        "frames_in": [["images/train/s/000001.jpg"] * 16],
    }
    for part, value_ in content.items():
        (tmp_path / f"posetrack_valid_{part}.json").write_text(json.dumps(value_))
    assert len(read_somof(tmp_path)) == 1
    (tmp_path / f"posetrack_valid_{name}.json").write_text(value)
    complaint(lambda: read_somof(tmp_path), tmp_path, named)
    complaint(lambda: read_somof(tmp_path, "test"), "'test'")


def test_bonn_files(tmp_path):
    from scipy.io import savemat

    path = tmp_path / "annolist/test/annolist.mat"
    complaint(lambda: read_bonn(tmp_path, "val"), path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 200)
    complaint(lambda: read_bonn(tmp_path, "val"), path, "MATLAB")
    savemat(path, {"other": 1})
    complaint(lambda: read_bonn(tmp_path, "val"), path, "annolist")
    savemat(path, {"annolist": [{"name": "clip"}]})
    complaint(lambda: read_bonn(tmp_path, "val"), path, "annolist")
    complaint(lambda: read_bonn(tmp_path, "test"), "'test'")


# ---------------------------------------------------------------- writing


def video(name="clip", n=1, **arrays):
    arrays = {"frame": [0], "track": [0], "xy": np.ones((1, 15, 2))} | arrays
    return Video(name, (0, 0), np.ones(n, bool), people(**arrays))


@pytest.mark.parametrize(
    "bad, named",
    [
        (video(track=[-1]), "people.track"),
        (video(frame=[1]), "people.frame"),
        (video(xy=np.full((1, 15, 2), np.nan)), "people.xy"),
        (video(score=[np.inf]), "people.score"),
        (video(name="../clip"), "../clip"),
        (video(name=""), "video name"),
        (Video("clip", (0, 0), np.ones(2, bool), video().people, files=("a.jpg",)), "1 file names"),
        (Video("clip", (0, 0), np.ones(1, bool), video().people, files=("../a.jpg",)), "../a.jpg"),
    ],
)
def test_what_cannot_be_written_writes_nothing(tmp_path, bad, named):
    complaint(lambda: write_posetrack18(tmp_path / "out", [bad]), tmp_path / "out", named)
    assert list(tmp_path.iterdir()) == []


def test_predictions_for_another_number_of_videos(tmp_path):
    complaint(lambda: write_posetrack18(tmp_path, [video()], []), tmp_path, "predictions")
    complaint(lambda: write_posetrack18(tmp_path, [video()], write_images=True), tmp_path, "no frames")


class FullDisk:
    """A file on a disk without room: the first bytes still go in."""

    def __init__(self, path, mode):
        self.file = open(path, mode)  # noqa: SIM115

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, content):
        self.file.write(content[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def refuse(*_, **__):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@pytest.mark.parametrize(
    "what, by, said", [("open", FullDisk, "No space left on device"), ("open", refuse, "Permission denied")]
)
@pytest.mark.parametrize("older", [None, b"as it was"])
def test_no_room_or_no_permission_leaves_nothing_half_written(tmp_path, monkeypatch, what, by, said, older):
    target = tmp_path / "clip.json"
    if older:
        target.write_bytes(older)
    monkeypatch.setattr(files, what, by, raising=False)
    complaint(lambda: write_posetrack18(tmp_path, [video()]), target, said)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == (["clip.json"] if older else [])
    assert older is None or target.read_bytes() == older


def test_a_refused_rename_removes_the_temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", refuse)
    complaint(lambda: write_posetrack18(tmp_path, [video()]), "clip.json", "Permission denied")
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_removes_the_temporary(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_posetrack18(tmp_path, [video()])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    complaint(lambda: write_posetrack18(tmp_path / "file/out", [video()]), "clip.json")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full: not on this system")
def test_a_disk_that_is_really_full(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "open", lambda path, mode: open("/dev/full", mode), raising=False)  # noqa: SIM115
    complaint(lambda: files.write_atomically(tmp_path / "a.json", b"x"), "a.json", "No space left")
    assert list(tmp_path.iterdir()) == []
