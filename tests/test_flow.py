"""Optical flow: every provider on images that are shifted, the exact one against pixels, memory, and bad input."""

import weakref
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.optical_flow import Raft_Small_Weights, raft_small

from helpers import WorkbookError, puppets
from helpers.datasets import bonn
from helpers.detections import flow
from helpers.experiments import flow_error
from helpers.notebook import plots
from helpers.opencv import cv2
from helpers.people import Video, nobody, people
from helpers.puppets.render import owners

FREE = ("dis", "farneback", "zero")


def blobs(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth random image, uint8 (H, W, 3)."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def cut(x: int, y: int) -> tuple[np.ndarray, np.ndarray]:
    """A window of a picture, and the same picture moved x to the right and y down, (160, 200, 3) each."""
    whole = blobs(200, 240)
    return whole[20:180, 20:220], whole[20 - y : 180 - y, 20 - x : 220 - x]


@pytest.fixture(scope="module")
def video():
    return puppets.videos("val", n=1)[0]


@pytest.fixture(scope="module")
def raft():
    try:
        return flow.provider("raft")
    except WorkbookError as error:
        pytest.skip(str(error))


# --- providers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dis", "farneback"])
@settings(max_examples=15, deadline=None)
@given(x=st.integers(-6, 6), y=st.integers(-6, 6))
def test_a_shifted_image_has_the_shift_as_its_flow(name, x, y):
    found = flow.provider(name)(*cut(x, y))
    assert found.shape == (160, 200, 2) and found.dtype == np.float32
    assert np.abs(found[20:-20, 20:-20] - [x, y]).max() < 0.6


def test_raft_sees_the_shift_as_well(raft):
    found = raft(*cut(-4, 5))
    assert found.shape == (160, 200, 2) and found.dtype == np.float32
    assert np.abs(np.median(found[20:-20, 20:-20], (0, 1)) - [-4, 5]).max() < 0.3


@pytest.mark.parametrize("preset", flow.PRESETS)
def test_every_preset_of_dis_works(preset):
    assert np.abs(np.median(flow.Dis(preset)(*cut(3, 1)), (0, 1)) - [3, 1]).max() < 0.3


def test_zero_flow_is_zero():
    found = flow.provider("zero")(*cut(3, 1))
    assert found.shape == (160, 200, 2) and found.dtype == np.float32 and not found.any()


@pytest.mark.parametrize("name", FREE)
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (20, 100), (12, 47), (31, 33)])
def test_small_images_have_flow_as_well(name, size):
    found = flow.provider(name)(blobs(*size), blobs(*size, 1))
    assert found.shape == (*size, 2) and np.isfinite(found).all()


def test_dis_is_the_same_whoever_was_first_and_however_many_threads():
    pairs, threads = [cut(2, 0), cut(-3, 4)], cv2.getNumThreads()
    one = flow.Dis()
    first = [one(*pair) for pair in pairs]
    try:
        cv2.setNumThreads(1)
        again = [one(*pair) for pair in pairs[::-1]][::-1]
    finally:
        cv2.setNumThreads(threads)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("size", [(32, 32767), (40000, 3)])
def test_dis_says_that_an_image_is_too_large(size):
    large = np.zeros((*size, 3), np.uint8)
    with pytest.raises(WorkbookError, match=f"an image of {size[1]} × {size[0]} pixels is too large for DIS"):
        flow.Dis()(large, large)


def test_dis_forgets_a_small_image():
    """Once it was given one, OpenCV's object sees less in every other image."""
    used = flow.Dis()
    used(blobs(40, 40), blobs(40, 40, 1))
    assert np.array_equal(used(*cut(5, 3)), flow.Dis()(*cut(5, 3)))


def test_raft_is_given_what_torchvision_asks_for(monkeypatch):
    """With random weights, on a size that needs no padding, equal to torchvision's own preparation."""
    torch.manual_seed(0)
    model = raft_small(weights=None).eval()
    monkeypatch.setattr(flow, "_raft_small", lambda: model)
    a, b = blobs(128, 136), blobs(128, 136, 1)
    prepared = Raft_Small_Weights.C_T_V1.transforms()(*(torch.from_numpy(i).permute(2, 0, 1)[None] for i in (a, b)))
    with torch.inference_mode():
        wanted = model(*prepared)[-1][0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(flow.Raft()(a, b), wanted, atol=1e-4)


@pytest.mark.parametrize("size, padded", [((30, 200), (128, 200)), ((129, 135), (136, 136)), ((128, 128), (128, 128))])
def test_raft_pads_below_and_on_the_right(monkeypatch, size, padded):
    seen = []

    def model(a, b, num_flow_updates):
        seen.extend((a, b))
        rows, columns = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in padded), indexing="ij")
        return [torch.zeros(1, 2, *padded), torch.stack([columns, rows])[None]]

    monkeypatch.setattr(flow, "_raft_small", lambda: model)
    a, b = blobs(*size), blobs(*size, 1)
    found = flow.Raft()(a, b)
    assert found.shape == (*size, 2) and found[7, 5].tolist() == [5, 7]
    for tensor, image in zip(seen, (a, b), strict=True):
        assert tensor.shape == (1, 3, *padded)
        back = (tensor[0, :, : size[0], : size[1]].permute(1, 2, 0).numpy() + 1) * 127.5
        np.testing.assert_allclose(back, image, atol=1e-3)
        np.testing.assert_array_equal(tensor[..., -1, 0], tensor[..., size[0] - 1, 0])


def test_raft_without_weights_is_one_sentence_and_downloads_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("POSE_WORKBOOK_DATA", "")
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("a download"))
    with pytest.raises(WorkbookError, match=r"raft_small_C_T_V1.*\(dis, farneback, zero\)\.$"):
        flow.provider("raft")
    path = tmp_path / "hub" / "checkpoints" / "raft_small_C_T_V1-ad48884c.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a file")
    with pytest.raises(WorkbookError, match=r"ad48884c.pth: holds no weights of RAFT-small"):
        flow.provider("raft")


def test_raft_finds_its_weights_in_either_place(monkeypatch, tmp_path):
    model = raft_small(weights=None)
    for home in ("own", "data/torch_home"):
        (tmp_path / home / "hub" / "checkpoints").mkdir(parents=True)
    monkeypatch.setenv("POSE_WORKBOOK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "own"))
    for home in ("data/torch_home", "own"):
        path = tmp_path / home / "hub" / "checkpoints" / "raft_small_C_T_V1-ad48884c.pth"
        torch.save(model.state_dict(), path)
        assert flow.Raft()(*cut(0, 0)).shape == (160, 200, 2)
        path.unlink()


# --- flow that is known ------------------------------------------------------------------------------


def test_the_exact_flow_leads_to_pixels_of_the_same_colour(video):
    """People are painted in flat colours, so where the target is in view it has the colour of the start."""
    exact, scene = flow.PuppetFlow(video), puppets.scene_of(video)
    for t in (20, 21, 40):
        a, b = video.frames[t], video.frames[t + 1]
        field, owner = exact(a, b), owners(scene, t)
        seen = puppets.flow(video, t)[1]
        row, column = np.nonzero((owner > 0) & (owner <= 13 * len(scene.joints)) & seen)
        x, y = np.rint(np.stack([column, row]) + field[row, column].T).astype(int)
        same = (a[row, column] == b[y, x]).all(-1)
        assert len(same) > 500 and same.mean() > 0.98
        still = (a[row, column] == b[row, column]).all(-1)
        assert still.mean() < same.mean()


def test_the_exact_flow_knows_its_frames(video):
    exact = flow.PuppetFlow(video)
    for t in (7, 8, 3, 0, len(video) - 2, 3):
        assert np.array_equal(exact(video.frames[t], video.frames[t + 1]), puppets.flow(video, t)[0])
    last = len(video) - 1
    for a, b in ((4, 6), (4, 4), (5, 4), (last, 0), (last, last)):
        with pytest.raises(WorkbookError, match=f"{video.name}: the images are no frame of this video and the next"):
            exact(video.frames[a], video.frames[b])
    with pytest.raises(WorkbookError, match="no frame"):
        exact(blobs(180, 320), video.frames[1])
    with pytest.raises(WorkbookError, match="no rendered puppet video"):
        flow.PuppetFlow(replace(video, frames=None))


def clip(images, found=None) -> Video:
    height, width = images[0].shape[:2]
    return Video("toy", (width, height), np.ones(len(images), bool), found or nobody(), frames=images)


def test_stored_flow_is_interpolated_to_the_frames():
    images = [blobs(16, 24, seed) for seed in range(3)]
    fields = np.zeros((2, 4, 6, 2), np.float16)
    fields[1] = 3, -2
    fields[1, :, :3, 0] = 5
    known = flow.stored(clip(images), fields)
    assert not known(images[0], images[1]).any()
    found = known(images[1], images[2])
    assert found.shape == (16, 24, 2) and found.dtype == np.float32
    assert found[8, [0, 9, 14, 23], 0].tolist() == [5, 5, 3, 3] and (found[..., 1] == -2).all()
    assert found[8, 11, 0] == 4.25 and found[8, 12, 0] == 3.75  # between the cells' middles, 9.5 and 13.5
    with pytest.raises(WorkbookError, match="toy: 1 fields of flow in place of 2"):
        flow.stored(clip(images), fields[:1])
    with pytest.raises(WorkbookError, match="toy: frames are missing"):
        flow.stored(replace(clip(images), frames=None), fields)


def test_stored_flow_finds_a_pair_wherever_it_was_asked_before_and_equal_pairs_in_order():
    images = [blobs(16, 24, seed) for seed in (0, 1, 2, 0, 1)]
    fields = np.ones((4, 4, 6, 2)) * np.arange(4)[:, None, None, None]
    known = flow.stored(clip(images), fields)
    assert known(images[2], images[3])[0, 0, 0] == 2  # nobody has asked for what is before it
    for _ in range(2):
        assert known(images[1], images[2])[0, 0, 0] == 1  # back, past the end, and the same pair once more
    one = flow.stored(clip(images), fields)
    assert [one(images[t], images[t + 1])[0, 0, 0] for t in range(4)] == [0, 1, 2, 3]


def numbered(a, b):
    """A provider that tells each pixel apart: its flow is the pixel's own place."""
    return np.stack(np.meshgrid(*(np.arange(side, dtype=np.float32) for side in a.shape[1::-1])), -1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 50), st.integers(4, 40), st.integers(4, 40))
def test_shuffled_flow_is_the_same_flow_of_another_place(seed, height, width):
    a, b = blobs(height, width, seed), blobs(height, width, seed + 1)
    found = flow.Shuffled(numbered, seed)(a, b)
    here = numbered(a, b)
    assert np.array_equal(np.unique(found.reshape(-1, 2), axis=0), np.unique(here.reshape(-1, 2), axis=0))
    for axis, side in ((0, width), (1, height)):  # around the edge the way is as long the other way round
        away = np.abs(found - here)[..., axis]
        assert np.minimum(away, side - away).min() >= side // 4


def test_a_pair_is_always_shuffled_the_same_way():
    images, one = [blobs(40, 60, seed) for seed in range(6)], flow.Shuffled(numbered, 0)
    first = [one(a, a) for a in images]
    again = [one(a, a) for a in images[::-1]][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(first[0], other) for other in first[1:])
    assert not np.array_equal(flow.Shuffled(numbered, 1)(images[0], images[0]), first[0])


# --- points that move ------------------------------------------------------------------------------


def test_moved_by_hand():
    field = np.zeros((3, 4, 2), np.float32)
    field[1, 2] = 1, -1
    field[2, 3] = 0.6, 0
    xy = [[2.4, 0.6], [2.6, 1.0], [-1, 1], [np.nan, 0], [3.2, 2.4], [3.6, 1], [-0.4, -0.4]]
    found, inside = flow.moved(field, xy)
    wanted = [[3.4, -0.4], [2.6, 1.0], [-1, 1], [np.nan, 0], [3.8, 2.4], [3.6, 1], [-0.4, -0.4]]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert inside.tolist() == [True, True, False, False, False, False, True]


coordinates = st.floats(-3, 12) | st.sampled_from([np.nan, np.inf, -np.inf, -0.5, 0.5, 7.5])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(coordinates, coordinates), max_size=6), st.integers(0, 9))
def test_moved_one_point_at_a_time(points, seed):
    field = np.random.default_rng(seed).normal(0, 3, (6, 8, 2)).astype(np.float32)
    xy = np.array(points, float).reshape(-1, 2)
    before = xy.copy()
    found, inside = flow.moved(field, xy)
    assert np.array_equal(xy, before, equal_nan=True) and found.shape == xy.shape and inside.shape == xy.shape[:-1]
    for (x, y), to, within in zip(points, found, inside, strict=True):
        if not (np.isfinite([x, y]).all() and 0 <= round(x) < 8 and 0 <= round(y) < 6):
            assert np.array_equal(to, [x, y], equal_nan=True) and not within
            continue
        assert np.allclose(to, np.add((x, y), field[round(y), round(x)]))
        assert within == (0 <= round(to[0]) < 8 and 0 <= round(to[1]) < 6)


def test_moved_keeps_any_shape():
    field = np.full((6, 8, 2), 2, np.float32)
    for shape in ((2,), (0, 2), (3, 15, 2)):
        xy, inside = flow.moved(field, np.ones(shape))
        assert xy.shape == shape and inside.shape == shape[:-1] and (xy == 3).all() and inside.all()


# --- neighbours --------------------------------------------------------------------------------------


def test_neighbours_online_are_the_pairs_offline():
    images, dis = [cut(x, 0)[1] for x in (0, 2, 5, 4)], flow.Dis()
    memory = flow.Neighbours(flow.Dis())
    online = [memory.step(image) for image in images]
    assert online[0] is None
    for t, field in enumerate(online[1:]):
        assert np.array_equal(field, dis(images[t], images[t + 1]))


def test_neighbours_compute_a_pair_once():
    images, calls = [blobs(40, 60, seed) for seed in range(4)], []

    def counted(a, b):
        calls.append((a, b))
        return flow.zero(a, b)

    memory, consumers = flow.Neighbours(counted), (object(), object(), object())
    assert [memory.step(images[0], who) for who in consumers] == [None] * 3
    for image in images[1:]:
        first, *others = [memory.step(image, who) for who in consumers]
        assert all(field is first for field in others)
    assert len(calls) == 3
    assert all(np.array_equal(a, images[t]) and b is images[t + 1] for t, (a, b) in enumerate(calls))


def test_neighbours_see_through_a_camera_that_reuses_its_memory():
    memory, buffer = flow.Neighbours(lambda a, b: b.astype(np.float32) - a), np.zeros((4, 5, 3), np.uint8)
    one, other = object(), object()
    assert memory.step(buffer, one) is None and memory.step(buffer, other) is None
    buffer[:] = 7
    assert (memory.step(buffer, one) == 7).all()
    buffer[:] = 9
    assert (memory.step(buffer, other) == 2).all()


@pytest.mark.parametrize("consumers", [(None,), ("one",), ("one", "other", "third")])
def test_a_frozen_frame_has_no_flow(consumers):
    """It comes as the same object, whose content is the same: who asks for the second time asks for the next step."""
    memory, buffer = flow.Neighbours(lambda a, b: b.astype(np.float32) - a), np.zeros((4, 5, 3), np.uint8)
    for value, wanted in ((0, None), (40, 40), (40, 0), (40, 0)):
        buffer[:] = value
        found = [memory.step(buffer, who) for who in consumers]
        assert all(field is None if wanted is None else (field == wanted).all() for field in found)
        assert all(field is found[0] for field in found)


def test_neighbours_remember_one_image():
    memory, seen = flow.Neighbours(flow.zero), []
    for t in range(20):
        image = np.full((8, 8, 3), t, np.uint8)
        seen.append(weakref.ref(image))
        memory.step(image)
        del image
    assert sum(one() is not None for one in seen) == 1


def test_neighbours_refuse_another_size_and_stay_where_they_were():
    memory, images = flow.Neighbours(flow.zero), [blobs(40, 60, seed) for seed in range(2)]
    memory.step(images[0])
    with pytest.raises(WorkbookError, match="two frames of one video are 60 × 40 and 40 × 40 pixels"):
        memory.step(images[0][:, :40])
    assert memory.step(images[1]).shape == (40, 60, 2)


# --- bad input -----------------------------------------------------------------------------------------

GOOD = blobs(40, 60)
WRONG = {
    "float": GOOD / 255,
    "grey": GOOD[..., 0],
    "four channels": np.zeros((40, 60, 4), np.uint8),
    "a clip": GOOD[None],
    "empty": np.zeros((0, 60, 3), np.uint8),
    "none": None,
    "a list": GOOD.tolist(),
}


@pytest.mark.parametrize("name", [*FREE, "shuffled", "exact", "stored"])
def test_every_provider_refuses_wrong_images(name, video):
    known = {"exact": flow.PuppetFlow(video), "shuffled": flow.Shuffled(flow.Dis())}
    known["stored"] = flow.stored(clip([GOOD, GOOD]), np.zeros((1, 4, 6, 2)))
    of = known.get(name) or flow.provider(name)
    for image in WRONG.values():
        for pair in ((image, GOOD), (GOOD, image)):
            with pytest.raises(WorkbookError, match="^flow: an image"):
                of(*pair)
    with pytest.raises(WorkbookError, match="60 × 40 and 60 × 39 pixels; flow needs frames of one size"):
        of(GOOD, GOOD[:39])


@pytest.mark.parametrize("image", WRONG.values(), ids=WRONG.keys())
def test_raft_and_neighbours_refuse_wrong_images(image, monkeypatch):
    monkeypatch.setattr(flow, "_raft_small", lambda: None)
    with pytest.raises(WorkbookError, match="^flow: an image"):
        flow.Raft()(GOOD, image)
    with pytest.raises(WorkbookError, match="^flow: an image"):
        flow.Neighbours(flow.zero).step(image)


def test_unknown_names_and_wrong_shapes_are_one_sentence():
    with pytest.raises(WorkbookError, match="provider 'flownet' is unknown; there are dis, farneback, raft, zero"):
        flow.provider("flownet")
    with pytest.raises(WorkbookError, match="preset 'slow' of DIS is unknown; there are ultrafast, fast, medium"):
        flow.Dis("slow")
    for field, xy in ((np.zeros((4, 5)), [[1, 1]]), (np.zeros((4, 5, 3)), [[1, 1]]), (np.zeros((4, 5, 2)), [1, 1, 1])):
        with pytest.raises(WorkbookError, match="points"):
            flow.moved(field, xy)


# --- how far it is off ---------------------------------------------------------------------------------


def three_four(exact):
    return lambda a, b: exact(a, b) + np.float32([3, 4])


@pytest.fixture(scope="module")
def measured():
    videos, which = flow_error.under("plain", n=2, pairs=2)
    flows = flow_error.makers(["exact", "zero"]) | {"off": lambda v: three_four(flow.PuppetFlow(v))}
    return videos, which, flow_error.compare(videos, which, flows)


def test_errors_of_flow_that_is_off_by_a_known_length(measured):
    videos, which, errors = measured
    exact, zero, off = (errors[name][0] for name in ("exact", "zero", "off"))
    assert exact.mean() == 0
    for region in (None, *flow_error.REGIONS):
        for speed in (None, *range(len(flow_error.SPEEDS))):
            if not np.isnan(off.mean(None, region, speed)):
                assert off.mean(None, region, speed) == pytest.approx(5, abs=1e-4)
    assert (exact.count.sum((1, 2)) == 2 * 320 * 180).all()
    fields = [[puppets.flow(v, int(t)) for t in frames] for v, frames in zip(videos, which, strict=True)]
    lengths = np.array([np.mean([np.linalg.norm(f, axis=-1) for f, _ in of]) for of in fields])
    np.testing.assert_allclose([zero.mean([1, 0]), zero.mean([0, 1])], lengths, rtol=1e-4)
    assert zero.mean() == pytest.approx(lengths.mean(), rel=1e-4)
    hidden = sum((~seen).sum() for of in fields for _, seen in of)
    assert exact.count[:, flow_error.REGIONS.index("occluded")].sum() == hidden
    assert 1 < zero.mean(speed=1) < 3 < zero.mean(speed=2) < 6 and zero.mean(speed=0) < 1


def test_a_speed_on_the_edge_of_two_bins_is_in_the_faster_one():
    speed = np.array([0, 1, 2.9, 3, 5.9, 6, 9])
    truth = np.stack([speed, 0 * speed], -1)[None]
    owner, seen = np.array([[0, 1, 13, 14, 0, 1, 0]]), np.arange(7)[None] < 6
    cells = flow_error._cells(SimpleNamespace(joints=[0]), owner, truth, seen)
    assert (cells // len(flow_error.SPEEDS)).tolist() == [1, 0, 0, 1, 1, 0, 2]
    assert (cells % len(flow_error.SPEEDS)).tolist() == [0, 1, 1, 2, 2, 3, 3]


def test_the_last_answer_is_of_both_images():
    asked, (a, b, c) = [], [blobs(16, 24, seed) for seed in range(3)]

    def spy(one, other):
        asked.append((one, other))
        return flow.zero(one, other) + len(asked)

    last = flow_error._Last(spy)
    assert [last(*pair)[0, 0, 0] for pair in ((a, b), (a, b), (a, c), (b, c), (a, b))] == [1, 1, 2, 3, 4]


def test_joints_that_flow_carries(measured):
    videos, which, errors = measured
    exact, zero = errors["exact"][1], errors["zero"][1]
    np.testing.assert_allclose(zero.error, zero.speed)
    assert exact.mean() < 0.4 < zero.mean() and exact.lost() <= zero.lost()
    n = [sum(puppets.scene_of(v).visible()[:, t].sum() for t in w) for v, w in zip(videos, which, strict=True)]
    assert np.bincount(exact.video).tolist() == n
    assert (zero.error[zero.marks["fast"]] >= 3).all() and (zero.error[~zero.marks["fast"]] < 3).all()


def test_means_are_of_videos_and_weights_count():
    joints = flow_error.Joints(
        3, np.array([0, 0, 0, 1]), np.zeros(4, int), np.array([1.0, 2, 3, 8]), np.zeros(4), np.full(4, 10.0), {}
    )
    assert joints.mean() == 5 and joints.mean([1, 0, 1]) == 2 and joints.mean([3, 1, 0]) == 3.5
    assert joints.lost() == 50 and np.isnan(joints.mean([0, 0, 1]))
    baseline = replace(joints, error=joints.error + [1, 1, 1, 3])
    assert flow_error.gain(joints, baseline)["value"] == 2


def test_joints_that_are_carried_further(measured):
    videos = measured[0]
    exact = flow_error.further(videos, flow.PuppetFlow, (1, 3))
    still = flow_error.further(videos, lambda _: flow.zero, (1, 3), chained=False)
    assert exact[1].mean() < exact[3].mean() < still[3].mean() / 2
    for k, of in still.items():
        np.testing.assert_allclose(of.error, of.speed)
        both = []
        for video in videos:
            seen, t = puppets.scene_of(video).visible(), int(flow_error.pairs_in_run(video, 1)[0])
            both.append((seen[:, t] & seen[:, t + k]).sum())
        assert np.bincount(of.video).tolist() == both
    asked = []

    def spy(a, b):
        asked.append((a, b))
        return np.float32([1, 0]) + flow.zero(a, b)

    steps = flow_error.further(videos[:1], lambda _: spy, (1, 3))
    assert len(asked) == 3 and asked[0][1] is asked[1][0] and asked[1][1] is asked[2][0]
    straight = flow_error.further(videos[:1], lambda _: spy, (1, 3), chained=False)
    assert len(asked) == 5 and asked[3][0] is asked[4][0] and np.array_equal(asked[4][1], asked[2][1])
    np.testing.assert_allclose(steps[1].error, straight[1].error)
    assert not np.allclose(steps[3].error, straight[3].error)  # three steps of one pixel, or one


def test_a_joint_beside_others_by_hand():
    owner = np.zeros((20, 20), np.int32)
    owner[10, 10], owner[10, 14], owner[2, 2], owner[2, 5] = 1, 14, 14, 13  # person 0, person 1, person 1, person 0
    pixel = np.array([[10, 10], [14, 10], [2, 2], [11, 10]])
    assert flow_error._beside_others(owner, pixel, np.array([0, 1, 1, 0])).tolist() == [False, False, True, True]


def test_the_camera_shifts_where_it_says():
    videos, which = flow_error.under("camera shifts", n=3)
    for video, (t,) in zip(videos, which, strict=True):
        yaw = puppets.scene_of(video).camera.yaw
        assert abs(yaw[t + 1] - yaw[t]) > 0.06
    plain, which = flow_error.under("plain", n=2, pairs=30 - 1)
    for video, frames in zip(plain, which, strict=True):
        run = np.flatnonzero(video.labelled & np.roll(video.labelled, -1))  # two labelled frames in a row
        assert set(frames) <= set(run) and len(set(frames)) == 29
        assert np.abs(np.diff(puppets.scene_of(video).camera.yaw)).max() < 0.06
    with pytest.raises(WorkbookError, match="condition 'fog' is unknown"):
        flow_error.under("fog")
    with pytest.raises(WorkbookError, match="no 30 pairs"):
        flow_error.under("plain", n=1, pairs=30)


def test_joints_on_a_clip_by_hand():
    """Two people walk 2 px to the right; the second changes its place among the rows and its joint 3 is unsure."""
    xy = np.stack([np.zeros((15, 2)) + [10, 10], np.zeros((15, 2)) + [40, 20]]) + np.arange(15)[:, None]
    truth = people(
        frame=[0, 0, 1, 1], track=[4, 9, 4, 9], xy=np.concatenate([xy, xy + [2, 0]]), head=[10.0, 20, 10, 20]
    )
    toy = clip([blobs(50, 80, seed) for seed in range(2)], truth)
    score = np.ones((4, 15))
    score[2, 3] = 0.2
    found = truth[[0, 1, 3, 2]].replace(track=np.full(4, -1), joint_score=score, head=np.full(4, np.nan))
    flows = {"zero": flow.zero, "right": lambda a, b: flow.zero(a, b) + np.float32([2, 0])}
    errors = flow_error.on_clip(toy, {"found": found, "annotated": truth}, flows)
    assert len(errors["found"]["zero"].error) == 29 and len(errors["annotated"]["zero"].error) == 30
    for of in errors.values():
        assert (of["zero"].error == 2).all() and (of["right"].error == 0).all()
        assert sorted(set(of["zero"].head)) == [10, 20] and (of["zero"].speed == 2).all()
    with pytest.raises(WorkbookError, match="toy: frames are missing"):
        flow_error.on_clip(replace(toy, frames=None), {}, flows)


def test_rows_have_an_interval_for_everything(measured):
    errors = measured[2]
    rows = flow_error.field_rows(errors)
    assert len(rows) == 3 * (1 + 3 + 4) and {"flow", "pixels", "value", "low", "high"} == set(rows[0])
    joints = flow_error.joint_rows({name: of for name, (_, of) in errors.items()})
    assert [r["joints"] for r in joints[:4]] == ["all", *flow_error.MARKS]
    assert all(r["low"] <= r["value"] <= r["high"] for r in rows if r["pixels"] in ("all", "people", "background"))


# --- the real clip ------------------------------------------------------------------------------------


def test_real_flow_by_hand(tmp_path, monkeypatch):
    file = tmp_path / "flow.npz"
    np.savez(file, flow=np.full((2, 3, 4, 2), 1.5, np.float16))
    assert bonn.read_flow(file).shape == (2, 3, 4, 2)
    bad = np.full((2, 3, 4, 2), np.nan)
    for content in ({"other": np.zeros((2, 3, 4, 2))}, {"flow": np.zeros((2, 3, 4))}, {"flow": bad}, {"flow": "far"}):
        np.savez(file, **content)
        with pytest.raises(WorkbookError, match="flow.npz"):
            bonn.read_flow(file)
    file.write_bytes(b"PK broken")
    with pytest.raises(WorkbookError, match="flow.npz: holds no array named flow"):
        bonn.read_flow(file)
    monkeypatch.setenv("POSE_WORKBOOK_DATA", "")
    assert bonn.real_flow() is None and "fetch bonn" in bonn.missing_clip(bonn.FLOW)


def test_flow_carries_real_joints_most_of_the_way():
    """Between the clip's 10th and 11th image annotated joints move 6.5 px; RAFT and DIS leave 1.4 px (medians)."""
    real, fields = bonn.real_clip(), bonn.real_flow()
    if real is None or fields is None:
        pytest.skip(bonn.missing_clip(bonn.FLOW))
    video, found = real
    flows = {"zero": flow.zero, "raft": flow.stored(video, fields), "dis": flow.Dis()}
    frames = [video.frames[t] for t in (9, 10)]
    at = {name: one(*frames) for name, one in flows.items()}
    errors = flow_error.on_clip(
        replace(video, labelled=np.ones(11, bool)),
        {"found": found[found.frame < 11], "annotated": video.people[video.people.frame < 11]},
        {name: lambda a, b, field=field: field for name, field in at.items()},
    )

    def median(whose, name):
        of = errors[whose][name]
        return np.median(of.error[of.frame == 9])

    assert median("annotated", "zero") == pytest.approx(6.5, abs=0.1)
    assert median("annotated", "raft") < 1.6 and median("annotated", "dis") < 1.6
    assert median("found", "zero") == pytest.approx(6.8, abs=0.1) and median("found", "raft") < 2.4


# --- colours --------------------------------------------------------------------------------------------


def test_flow_has_the_usual_colours():
    field = np.zeros((2, 5, 2))
    field[0] = [(0, 0), (5, 0), (10, 0), (40, 0), (np.nan, 0)]
    colours = plots.flow_image(field, 10).astype(int)
    assert colours.shape == (2, 5, 3) and (colours[1] > 250).all() and (colours[0, 4] > 250).all()
    assert (colours[0, 2] == colours[0, 3]).all() and colours[0, 2, 0] > 250  # to the right is red, no more than full
    assert colours[0, 2, 1:].max() < colours[0, 1, 1:].min() < 250
    wheel = plots.flow_wheel(20)
    assert wheel.shape == (41, 41, 3) and (wheel[20, 20] > 250).all()
    assert len({tuple(wheel[y, x]) for y, x in ((0, 20), (40, 20), (20, 0), (20, 40))}) == 4


def test_two_providers_beside_each_other():
    rows = {row["where"]: row for row in flow_error.beside("exact", "zero", n=2)}
    assert list(rows) == ["pixels: people", "pixels: background", "pixels: occluded", "joints"]
    pixels = [rows[where] for where in list(rows)[:3]]
    assert all(row["exact"] == 0 and row["value"] == row["zero"] > 0 for row in pixels)
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows.values())
    assert rows["joints"]["value"] == pytest.approx(rows["joints"]["zero"] - rows["joints"]["exact"])
