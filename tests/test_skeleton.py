import numpy as np
import pytest

from helpers import skeleton as sk


def test_the_2017_order_maps_to_the_2018_slots():
    # the published index map, written out by hand
    expected = [16, 14, 12, 11, 13, 15, 10, 8, 6, 5, 7, 9, 1, 0, 2]
    assert sk.joint_map(sk.POSETRACK18).tolist() == expected


@pytest.mark.parametrize("other", [sk.POSETRACK18, sk.COCO, sk.SOMOF, tuple(sk.MPII.values())])
def test_round_trip_keeps_every_shared_joint(other):
    rng = np.random.default_rng(0)
    xy, present = rng.random((4, 15, 2)), rng.random((4, 15)) < 0.7
    there = sk.convert(xy, present, sk.JOINTS, other)
    back, kept = sk.convert(*there, other)
    shared = np.isin(sk.JOINTS, other)
    assert (kept == (present & shared)).all()
    np.testing.assert_array_equal(back[kept], xy[kept])


def test_flip_is_an_involution_that_keeps_the_head():
    assert (sk.FLIP[sk.FLIP] == np.arange(15)).all()
    assert sk.FLIP[12:].tolist() == [12, 13, 14]
    pairs = {tuple(sorted((i, j))) for i, j in enumerate(sk.FLIP) if i != j}
    assert pairs == {(0, 5), (1, 4), (2, 3), (6, 11), (7, 10), (8, 9)}


def test_total_is_the_mean_of_fifteen_joints_not_of_seven_groups():
    values = np.zeros(15)
    values[12:] = 15
    assert sk.group_means(values)["Total"] == pytest.approx(3)
    assert sk.group_means(values)["Head"] == 15


def test_coco_export_puts_the_neck_between_the_shoulders():
    xy, score = np.zeros((17, 2)), np.full(17, 0.5)
    xy[0], xy[5], xy[6] = (50, 30), (60, 60), (40, 60)
    score[5], score[6] = 0.9, 0.7
    out, out_score = sk.coco_to_posetrack(xy, score)
    np.testing.assert_allclose(out[sk.INDEX["head_bottom"]], (50, 60))
    np.testing.assert_allclose(out[sk.INDEX["head_top"]], (50, 0))
    assert out_score[sk.INDEX["head_top"]] == pytest.approx(0.8)


def test_wrong_joint_axis_is_refused():
    with pytest.raises(ValueError, match="expected"):
        sk.convert(np.zeros((2, 16, 2)), np.ones((2, 16), bool), sk.POSETRACK18)
