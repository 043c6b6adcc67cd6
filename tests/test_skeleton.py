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


def test_group_means_leave_out_what_is_not_a_number():
    values = np.arange(15.0)
    values[[sk.INDEX["left_hip"], sk.INDEX["left_knee"], sk.INDEX["right_knee"]]] = np.nan
    means = sk.group_means(values)
    assert list(means) == ["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Total"]
    assert means["Hip"] == sk.INDEX["right_hip"] and np.isnan(means["Knee"]) and means["Ankle"] == 2.5
    assert means["Total"] == pytest.approx(np.mean([v for v in values if v == v]))
    assert np.isnan(list(sk.group_means(np.full(15, np.nan)).values())).all()


def test_what_a_source_lacks_is_absent_at_the_origin():
    xy, present = sk.convert(np.full((1, 14, 2), 7.0), np.ones((1, 14), bool), sk.SOMOF)
    nose = sk.INDEX["nose"]
    assert not present[0, nose] and (xy[0, nose] == 0).all() and present.sum() == 14
    assert (xy[present] == 7).all()


def test_limbs_are_a_tree_or_two_that_reach_every_joint():
    reached = {sk.INDEX["nose"]}
    for _ in sk.LIMBS:
        reached |= {j for limb in sk.LIMBS.tolist() for j in limb if reached & set(limb)}
    assert reached == set(range(15)) and len({tuple(sorted(limb)) for limb in sk.LIMBS.tolist()}) == 15
    mirrored = {tuple(sorted(sk.FLIP[limb])) for limb in sk.LIMBS}
    assert mirrored == {tuple(sorted(limb)) for limb in sk.LIMBS.tolist()}


def test_the_sigmas_are_cocos_and_two_of_our_own():
    from pycocotools.cocoeval import Params

    coco = Params("keypoints").kpt_oks_sigmas
    for i, name in enumerate(sk.JOINTS):
        own = {"head_bottom": 0.08, "head_top": 0.06}
        assert sk.OKS_SIGMAS[i] == pytest.approx(own[name] if name in own else coco[sk.COCO.index(name)])
