"""The flow field, driven from Python: joints that a flow carries, boxes and errors by hand, bad input."""

import base64
import re

import matplotlib
import numpy as np
import pytest

from helpers import WorkbookError
from helpers.detections.flow import moved
from helpers.notebook.widgets import FlowField

matplotlib.use("Agg")
H, W = 40, 60
IMAGES = np.stack([np.full((H, W, 3), 90, np.uint8), np.full((H, W, 3), 120, np.uint8)])
XY = np.stack([np.stack([10.0 + np.arange(15), 5 + 2.0 * np.arange(15)], 1), np.full((15, 2), 30.0)])


def constant(u, v):
    return np.full((H, W, 2), (u, v), np.float32)


def halves(left=0, right=5):
    """Everything right of column 30 moves otherwise."""
    out = constant(left, 0)
    out[:, 30:] = right, 0
    return out


def field(flows=None, xy=XY, images=IMAGES, **more):
    return FlowField(images, {"moves": constant(3, -2)} if flows is None else flows, xy, **more)


def test_a_flow_carries_every_joint_and_a_box_goes_around_them():
    w = field()
    carried = np.array(w.answer["xy"]).reshape(15, 2)
    np.testing.assert_allclose(carried, XY[0] + [3, -2])
    assert w.answer["inside"] == [True] * 15 and w.answer["flow"] == [3, -2]
    x1, y1, x2, y2 = 13, 3, 27, 31  # 15 % larger than the extent: 7.5 % on every side
    assert w.answer["box"] == pytest.approx([x1 - 1.05, y1 - 2.1, x2 + 1.05, y2 + 2.1])
    assert w.answer["numbers"] == {}, "neither an exact flow nor true places are known"


def test_a_joint_jumps_where_it_crosses_the_edge_of_a_person():
    w = field({"halves": halves(), "exact": halves(0, 4)})
    assert w.drag(1, 4, (29.4, 20))["flow"] == [0, 0]
    answer = w.drag(1, 4, (29.6, 20))
    assert answer["flow"] == [5, 0] and answer["numbers"] == {"end-point error, px": 1}
    assert answer["xy"][8:10] == [34.6, 20] and w.view["person"] == 1


def test_what_leaves_the_frame_and_what_was_never_in_it_is_not_inside():
    w = field({"far": constant(40, 0)})
    assert w.answer["inside"] == [10 + k + 40 < W - 0.5 for k in range(15)]
    xy = XY.copy()
    xy[0, 3] = -7, 10
    w = field(xy=xy, joint=(0, 3))
    assert w.answer["flow"] == [None, None] and not w.answer["inside"][3] and w.answer["xy"][6:8] == [-7, 10]
    assert w.answer["box"][0] == pytest.approx(13 - 0.075 * 14, abs=0.01), "it is no part of the box"
    assert w.picture()


def test_nobody_inside_has_no_box():
    w = field({"away": constant(-200, 0)})
    assert w.answer["box"] == [None] * 4 and w.picture()


def test_errors_are_measured_where_something_is_known():
    after = XY + [3, -1]
    after[0, 5:] = np.nan
    w = field({"moves": constant(3, -2), "none": constant(0, 0), "exact": constant(3, -1)}, after=after)
    expected = {"end-point error, px": 1, "joint off its true place, px": 1, "median of its joints off, px": 1}
    assert w.answer["numbers"] == expected
    far = w.move(provider=1)["numbers"]
    assert far["end-point error, px"] == far["median of its joints off, px"] == pytest.approx(np.sqrt(10), abs=0.01)
    assert w.move(joint=7)["numbers"]["joint off its true place, px"] is None, "nobody knows its true place"
    numbers = w.drag(0, 2, (20, 20))
    assert numbers["numbers"]["joint off its true place, px"] is None, "the true place is that of the joint as it was"
    assert numbers["numbers"]["end-point error, px"] == pytest.approx(np.sqrt(10), abs=0.01)
    assert w.move(provider=2)["numbers"]["end-point error, px"] == 0


def test_the_median_is_of_the_joints_that_are_known():
    after = np.full(XY.shape, np.nan)
    after[0, :4] = XY[0, :4] + [[3, -2], [4, -2], [6, -2], [13, -2]]
    numbers = field(after=after).answer["numbers"]
    assert numbers == {"joint off its true place, px": 0, "median of its joints off, px": 2}


def test_absent_joints_stay_away():
    present = np.ones((2, 15), bool)
    present[0, :5] = False
    w = field(present=present)
    assert w.view["joint"] == 5 and w.view["xy"][0][:10] == [None] * 10 == w.answer["xy"][:10]
    assert w.answer["box"][0] == pytest.approx(18 - 0.075 * 9, abs=0.01) and w.picture()
    with pytest.raises(WorkbookError, match="joint 3: left shoulder|joint 3: .* of person 0 is absent."):
        w.move(joint=3)


def decoded(kept, shape):
    """A stored field at every pixel, as js/flow_field.js reads it."""
    if "all" in kept:
        return np.full((*shape, 2), kept["all"])
    steps = np.frombuffer(base64.b64decode(kept["steps"]), np.int8).reshape(-1, kept["wide"], 2)
    y, x = (np.arange(n) // kept["apart"] for n in shape)
    return steps[np.ix_(y, x)] * kept["longest"] / 127


def test_a_small_field_is_stored_pixel_by_pixel():
    rng = np.random.default_rng(0)
    flow = (9 * rng.normal(size=(H, W, 2))).astype(np.float32)
    w = field({"noise": flow, "zero": constant(0, 0), "still": constant(1.5, 2)})
    noise, zero, still = (decoded(kept, (H, W)) for kept in w.scene["fields"])
    np.testing.assert_allclose(noise, flow, atol=abs(flow).max() / 254 + 0.01)
    assert (zero == 0).all() and (still == [1.5, 2]).all()


def test_a_large_field_is_stored_on_a_coarser_grid():
    h, w_ = 360, 640
    flow = np.stack(np.meshgrid(np.arange(w_), np.arange(h)), -1).astype(np.float32) / 64
    flows = {name: flow * k for k, name in enumerate("abcd", 1)}
    images = np.zeros((2, h, w_, 3), np.uint8)
    w = field(flows, images=images)
    assert len(w.without_kernel()) < 150_000
    for kept, given in zip(w.scene["fields"], flows.values(), strict=True):
        off = abs(decoded(kept, (h, w_)) - given)
        assert off.max() <= given.max() / 254 + (kept["apart"] / 2 + 0.5) * given.max() / w_ + 0.01
    assert w.answer["xy"][:2] == pytest.approx(moved(flow, XY[0])[0][0], abs=0.05), "Python reads every pixel"


def test_every_way_to_look_is_a_picture_of_its_own():
    w = field({"a": halves(), "b": constant(2, 2)})
    seen = {w.move(provider=k, show=show) and w.picture() for k in (0, 1) for show in (0, 1, 2)}
    assert len(seen) == 6
    assert w.still().shape[0] > 1.9 * field().still().shape[0]


@pytest.mark.parametrize(
    "view, sentence",
    [
        ({"provider": 1}, "provider 1: is not one of 0 … 0."),
        ({"person": 2}, "person 2: is not one of 0 … 1."),
        ({"joint": 15}, "joint 15: is not one of 0 … 14."),
        ({"whole": 1}, "whole 1: is neither true nor false."),
        ({"show": 3}, "show 3: is not one of 0 … 2."),
        ({"xy": [[1] * 30]}, "xy: 1 poses in place of 2."),
        ({"xy": [[1] * 29, [1] * 30]}, "xy: does not hold numbers of one shape."),
        ({"xy": [[None] * 30] * 2}, "of person 0 is not near the frame."),
        ({"xy": [[1] * 30, [1] * 29 + [999]]}, "of person 1 is not near the frame."),
    ],
)
def test_a_view_that_makes_no_sense_is_a_sentence(view, sentence):
    with pytest.raises(WorkbookError, match=re.escape(sentence)):
        field().move(**view)


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: field({}), "flow field: there is no flow to follow."),
        (lambda: field({"a": constant(0, 0)[:9]}), "flow a: (9, 60, 2) is not (H, W, 2) finite pixels"),
        (lambda: field({"a": constant(0, np.nan)}), "flow a: (40, 60, 2) is not (H, W, 2) finite pixels"),
        (lambda: field(images=IMAGES[:1]), "images: two uint8 frames (H, W, 3) of one size are needed"),
        (lambda: field(images=[IMAGES[0], IMAGES[1, :9]]), "images: two uint8 frames"),
        (lambda: field(images=IMAGES.astype(float)), "images: two uint8 frames"),
        (lambda: field(xy=XY[0]), "xy: (15, 2) is not (N, 15, 2) of 1 … 30 people."),
        (lambda: field(xy=XY[:0]), "xy: (0, 15, 2) is not"),
        (lambda: field(xy=[["a"]]), "xy: does not hold numbers of one shape."),
        (lambda: field(present=[True]), "present: (1,) does not fit xy (2, 15, 2)."),
        (lambda: field(present=np.zeros((2, 15))), "present: nobody has a joint that could be carried."),
        (lambda: field(after=XY[:1]), "after: (1, 15, 2) does not fit xy (2, 15, 2)."),
        (lambda: field([constant(0, 0)]), "flow field: there is no flow to follow."),
        (lambda: field({"a": constant(0, 0).astype(float) + 1e300}), "flow a: (40, 60, 2) is not (H, W, 2) finite"),
        (lambda: field(images=None), "images: two uint8 frames (H, W, 3) of one size are needed, got none."),
        (lambda: field(after="x"), "after: does not hold numbers of one shape."),
        (lambda: field(joint=3), "joint 3: is not (person, joint)."),
        (lambda: field(joint=(np.nan, 0)), "person nan: is not one of 0 … 1."),
        (lambda: field(joint=(0.9, 0.2)), "person 0.9: is not one of 0 … 1."),
        (lambda: field(joint=(3, 0)), "person 3: is not one of 0 … 1."),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(make, sentence):
    with pytest.raises(WorkbookError, match=re.escape(sentence)):
        make()
