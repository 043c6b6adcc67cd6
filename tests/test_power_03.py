"""Power tests of notebook 03: a named fault in a helper turns its claims, or their control, red.

The functions that measure the claims run on the shipped detections, of twenty videos for LT-C1 and LT-C2 and
of eight for LT-C3, first healthy, then with one helper broken.
"""

from dataclasses import replace

import numpy as np
import pytest

from helpers import evaluation, puppets, verdicts
from helpers.detections.filters import keep_confident
from helpers.evaluation import boxes as box_metrics
from helpers.evaluation.boxes import LIGHTTRACK_IOU, BoxSamples, box_samples, precision_recall
from helpers.experiments import networks
from helpers.experiments.networks import BoxRuns
from tests.power import everywhere, forgetful, power, shipped

SEEDS = 5


@pytest.fixture(scope="module")
def videos():
    return puppets.videos("val", n=20, render=False)


@pytest.fixture(scope="module")
def boxes(videos):
    """The boxes of both detectors, three seeds."""
    return {
        name: [shipped(f"detector-{head}", videos, s) for s in range(SEEDS)]
        for name, head in (("FPN", "fpn"), ("R-FCN", "rfcn"))
    }


@pytest.fixture(scope="module")
def behind(videos):
    """The joints that one network finds in the boxes of both detectors and in the annotated ones."""
    few = videos[:8]
    sources = {"truth": ["truth"]} | {k: [f"detector-{k}-{s}" for s in range(SEEDS)] for k in ("fpn", "rfcn")}
    return few, {name: [everywhere(few, source) for source in some] for name, some in sources.items()}


def samples(videos, boxes):
    return {
        name: BoxRuns([box_samples(videos, found, LIGHTTRACK_IOU) for found in runs]) for name, runs in boxes.items()
    }


@pytest.fixture(scope="module")
def healthy(videos, boxes):
    return samples(videos, boxes)


def verdict(claim, detectors):
    return networks.result(claim, detectors).verdict


def behind_detectors(behind):
    """LT-C3 as the notebook measures it."""
    videos, found = behind
    runs = {name: networks.tracked_runs(videos, some, rank="joint") for name, some in found.items()}
    return networks.result("LT-C3", runs)


def estimates(result):
    return np.array([c.estimate for c in result.components])


def rises(sample) -> bool:
    """What the notebook's control asserts: precision rises by more than five points from 0.1 to 0.5."""
    low, high = (precision_recall(sample, t)[0] for t in (0.1, 0.5))
    return 100 * (high - low) > 5


def test_healthy(healthy, behind):
    gains = networks.detector_gains(healthy)
    assert gains.shape == (5, 2) and rises(healthy["FPN"].samples[0])
    assert np.allclose(estimates(networks.result("LT-C1", healthy)), gains[:, 0])
    assert np.allclose(estimates(networks.result("LT-C2", healthy)), gains[[0, 1, 2, 4], 1])
    assert behind_detectors(behind).verdict != verdicts.CONTRADICTED


@power("LT-C1")
def test_fault_boxes_below_the_threshold_are_kept(healthy, monkeypatch):
    before = networks.detector_gains(healthy)[:, 0]
    monkeypatch.setattr(
        networks, "precision_recall", lambda s, t, w=None: precision_recall(replace(s, score=-s.score), -t, w)
    )
    assert np.abs(networks.detector_gains(healthy)[:, 0] - before).max() > 3


@power("LT-C1", "LT-C2")
def test_fault_a_person_may_be_found_twice(videos, boxes, healthy, monkeypatch):
    before = networks.detector_gains(healthy)
    monkeypatch.setattr(box_metrics, "_hits", lambda overlap, iou: overlap.max(1, initial=0) > iou)
    assert np.abs(networks.detector_gains(samples(videos, boxes)) - before).max() > 2


@power("LT-C1", "LT-C2")
def test_fault_precision_and_recall_exchanged(healthy, monkeypatch):
    before = networks.detector_gains(healthy)
    monkeypatch.setattr(networks, "precision_recall", lambda s, t, w=None: precision_recall(s, t, w)[::-1])
    assert np.allclose(networks.detector_gains(healthy), before[:, ::-1])
    assert np.abs(before[:, 0] - before[:, 1]).max() > 1


@power("LT-C1", "LT-C2")
def test_control_a_detector_is_not_better_than_itself(healthy):
    same = {"FPN": healthy["FPN"], "R-FCN": healthy["FPN"]}
    assert networks.result("LT-C1", same).verdict == networks.result("LT-C2", same).verdict == verdicts.UNDECIDED


@power("LT-C3")
def test_fault_joints_are_not_filtered(behind, monkeypatch):
    before = estimates(behind_detectors(behind))
    monkeypatch.setattr(networks, "keep_confident", lambda found, person, joint: keep_confident(found, person, -np.inf))
    assert np.abs(estimates(behind_detectors(behind)) - before)[1::2].max() > 1  # MOTA's components


@power("LT-C3")
def test_fault_the_evaluator_forgets_misses(behind, monkeypatch):
    before = estimates(behind_detectors(behind))
    monkeypatch.setattr(evaluation, "clear_mot", forgetful(evaluation.clear_mot, "misses"))
    assert np.abs(estimates(behind_detectors(behind)) - before)[1::2].max() > 1


def test_fault_scores_out_of_order(healthy):
    straight = healthy["FPN"].samples[0]
    shuffled = np.random.default_rng(0).permutation(straight.score)
    assert not rises(replace(straight, score=shuffled))


def test_detections_that_cross_as_printed_hold():
    """R-FCN finds 95 of 100 people above 0.3 and 60 above 0.5, the pyramid 90 and 80, with fewer false boxes."""

    def made(sure, unsure, false):
        score = np.r_[np.full(sure, 0.9), np.full(unsure, 0.35), np.full(false, 0.95)]
        hit = np.r_[np.ones(sure + unsure, bool), np.zeros(false, bool)]
        return BoxRuns([BoxSamples(np.tile(np.arange(10), len(score))[: len(score)], score, hit, np.full(10, 10.0))])

    pyramid, rfcn = made(80, 10, 5), made(60, 35, 30)
    right = networks.detector_gains({"FPN": pyramid, "R-FCN": rfcn})
    assert (right[:, 0] > 0).all() and right[:, 1] == pytest.approx([-5, -5, -5, 20, 20])
