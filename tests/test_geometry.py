"""Overlaps and distances against torchvision, pycocotools and plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import geometry
from helpers.people import people
from helpers.skeleton import OKS_SIGMAS

seeds = st.integers(0, 2**32 - 1)


def boxes(rng, n):
    corner = rng.uniform(0, 60, (n, 2))
    return np.concatenate([corner, corner + rng.uniform(1, 60, (n, 2))], 1)


def crowd(rng, n, shown=0.7):
    """n random people, some of whose joints are missing."""
    return people(
        xy=rng.uniform(0, 100, (n, 15, 2)),
        present=rng.random((n, 15)) < shown,
        box=boxes(rng, n),
        head=rng.uniform(5, 20, n),
    )


@settings(max_examples=50, deadline=None)
@given(seeds, st.integers(0, 7), st.integers(0, 7))
def test_box_iou_is_torchvisions(seed, n, m):
    torch, ops = pytest.importorskip("torch"), pytest.importorskip("torchvision.ops")
    rng = np.random.default_rng(seed)
    a, b = boxes(rng, n), boxes(rng, m)
    expected = ops.box_iou(torch.tensor(a), torch.tensor(b)).numpy()
    np.testing.assert_allclose(geometry.box_iou(a, b), expected, atol=1e-12)


def test_box_iou_by_hand_and_at_the_edges():
    a = [[0, 0, 10, 10]]
    b = [[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [50, 50, 60, 60], [3, 3, 3, 3], [np.nan] * 4]
    np.testing.assert_allclose(geometry.box_iou(a, b), [[1, 50 / 150, 0, 0, 0, 0]])
    assert geometry.box_iou([[3, 3, 3, 3]], [[3, 3, 3, 3]]) == 0  # 0 / 0
    assert geometry.box_iou(np.zeros((0, 4)), b).shape == (0, 6)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(0, 5), st.integers(0, 5))
def test_distances_and_pckh_are_those_of_plain_loops(seed, n, m):
    rng = np.random.default_rng(seed)
    a, b = crowd(rng, n), crowd(rng, m, 0.4)
    mean, share = geometry.pairwise_distance(a, b), geometry.pckh(a, b)
    assert mean.shape == share.shape == (n, m)
    for i in range(n):
        for k in range(m):
            both = np.flatnonzero(a.present[i] & b.present[k])
            common = [np.hypot(*(a.xy[i, j] - b.xy[k, j])) for j in both]
            assert np.isclose(mean[i, k], np.mean(common)) if common else np.isinf(mean[i, k])
            near = sum(d <= 0.5 * b.head[k] for d in common)
            assert np.isclose(share[i, k], near / max(1, b.present[k].sum()))


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(1, 5), st.integers(1, 5))
def test_oks_is_pycocotools(seed, n, m):
    coco = pytest.importorskip("pycocotools.cocoeval")
    rng = np.random.default_rng(seed)
    a, b = crowd(rng, n, 1), crowd(rng, m)
    b = b.replace(present=b.present | (np.arange(15) == 0))  # without joints COCO has another rule
    a = a.replace(xy=b.xy[rng.integers(0, m, n)] + rng.normal(0, 5, a.xy.shape))
    area = rng.uniform(500, 5000, m)
    evaluation = coco.COCOeval.__new__(coco.COCOeval)
    evaluation.params = coco.Params("keypoints")
    evaluation.params.kpt_oks_sigmas = OKS_SIGMAS

    def flat(p, i):
        return np.concatenate([p.xy[i], 2.0 * p.present[i][:, None]], 1).ravel().tolist()

    def person(p, i):
        return {"keypoints": flat(p, i), "bbox": [0, 0, 1, 1]}

    evaluation._dts = {(1, 1): [person(a, i) | {"score": -i} for i in range(n)]}
    evaluation._gts = {(1, 1): [person(b, k) | {"area": area[k]} for k in range(m)]}
    np.testing.assert_allclose(geometry.oks(a, b, area), evaluation.computeOks(1, 1), atol=1e-9)


def test_oks_by_hand():
    b = people(xy=np.zeros((1, 15, 2)), box=[[0, 0, 20, 50]], present=[np.arange(15) < 2])
    a = b.replace(xy=b.xy + [3.0, 4.0])
    expected = np.mean(np.exp(-25 / (2 * 1000 * (2 * OKS_SIGMAS[:2]) ** 2)))
    assert np.isclose(geometry.oks(a, b).item(), expected)
    nothing = a.replace(present=np.zeros((1, 15), bool))
    assert geometry.oks(nothing, b) == 0 and geometry.oks(b, nothing) == 0


def test_pckh_counts_a_joint_at_exactly_half_a_head():
    truth = people(xy=np.zeros((1, 15, 2)), head=[16.0])
    for reach, threshold in ((8.0, 0.5), (4.0, 0.25)):
        at, beyond = (people(xy=np.full((1, 15, 2), [x, 0.0])) for x in (reach, np.nextafter(reach, 9)))
        assert geometry.pckh(at, truth, threshold) == 1 and geometry.pckh(beyond, truth, threshold) == 0
    assert geometry.pckh(at, truth.replace(head=[np.nan])) == 0
    assert geometry.pckh(at, truth.replace(present=np.zeros((1, 15), bool))) == 0


def test_distances_are_of_the_first_to_the_second():
    """Unequal sides: nothing holds by symmetry."""
    a = people(xy=np.array([[[0.0, 0]], [[3, 4]], [[6, 8]]]) * np.ones((3, 15, 1)), head=[1.0, 1, 1])
    b = people(xy=np.zeros((2, 15, 2)), head=[6.0, 24.0], present=[np.arange(15) < 5, np.arange(15) < 1])
    assert geometry.joint_distances(a, b)[:, 1, 0].tolist() == [0, 5, 10]
    assert np.isnan(geometry.joint_distances(a, b)[2, 1, 1:]).all()
    assert geometry.pckh(a, b).tolist() == [[1, 1], [0, 1], [0, 1]]
    assert geometry.pairwise_distance(a, b).tolist() == [[0, 0], [5, 5], [10, 10]]


def test_oks_without_an_area_or_on_a_chosen_one():
    a = people(xy=np.zeros((1, 15, 2)), box=[[0, 0, 20, 50]])
    for box in ([np.nan] * 4, [0, 0, 0, 50], [20, 0, 0, 50]):
        for b in (a.replace(box=[box]), a.replace(box=[box], xy=a.xy + 1000)):
            assert geometry.oks(a, b) == 0
    assert geometry.oks(a, a) == 1
    moved = a.replace(xy=a.xy + [2.0, 0])
    by_sigmas = geometry.oks(moved, a, [500.0], np.full(15, 0.1)).item()
    assert by_sigmas == pytest.approx(np.exp(-4 / (2 * 500 * 0.2**2)))
