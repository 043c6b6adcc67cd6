"""Power tests of notebook 03: a named fault turns its claims, or their control, red.

The functions that measure the claims run on the shipped detections of twenty videos, first healthy,
then with one helper broken. LT-C2 is contradicted when healthy; that it could hold is shown on
detections made to cross as the paper's do.
"""

from dataclasses import replace

import numpy as np
import pytest

from helpers import ledger, puppets, training
from helpers.detections import predicting, stored
from helpers.evaluation import boxes as box_metrics
from helpers.evaluation.boxes import LIGHTTRACK_IOU, BoxSamples, box_samples, precision_recall
from helpers.experiments import networks

SEEDS = 3


@pytest.fixture(scope="module")
def world():
    """Twenty val videos, and the boxes of both detectors and three seeds."""
    videos = puppets.videos("val", n=20, render=False)
    plans = {head: [training.stage_one(s)[f"detector-{head}"] for s in range(SEEDS)] for head in ("fpn", "rfcn")}
    boxes = {
        head: [
            stored.of_videos(stored.load(predicting.predictions_file(p, "val"))[0], [v.name for v in videos])
            for p in some
        ]
        for head, some in plans.items()
    }
    return videos, boxes


def samples(world):
    videos, boxes = world
    return [[box_samples(videos, found, LIGHTTRACK_IOU) for found in boxes[head]] for head in ("fpn", "rfcn")]


def verdicts(pyramid, rfcn):
    n = len(pyramid[0].annotated)
    out = {}
    for claim, measure in (("LT-C1", networks.least_precision_gain), ("LT-C2", networks.least_recall_order)):
        statistic = lambda v, s: measure(pyramid, rfcn, v, s)
        interval = ledger.paired_bootstrap(statistic, n, len(pyramid), draws=40)
        estimate = statistic(np.ones(n), np.ones(len(pyramid)))
        out[claim] = ledger.Result(claim, "puppets", estimate, interval).verdict
    return out


def rises(sample) -> bool:
    """What the notebook's control asserts: precision rises by more than five points from 0.1 to 0.5."""
    low, high = (precision_recall(sample, t)[0] for t in (0.1, 0.5))
    return 100 * (high - low) > 5


def test_healthy(world):
    pyramid, rfcn = samples(world)
    assert verdicts(pyramid, rfcn) == {"LT-C1": ledger.HOLDS, "LT-C2": ledger.CONTRADICTED}
    assert rises(pyramid[0])


def test_fault_boxes_below_the_threshold_are_kept(world, monkeypatch):
    healthy = precision_recall
    monkeypatch.setattr(
        box_metrics, "precision_recall", lambda s, t, w=None: healthy(replace(s, score=-s.score), -t, w)
    )
    assert verdicts(*samples(world))["LT-C1"] == ledger.CONTRADICTED


def test_fault_a_person_may_be_found_twice(world, monkeypatch):
    monkeypatch.setattr(box_metrics, "_hits", lambda overlap, iou: overlap.max(1, initial=0) > iou)
    assert verdicts(*samples(world))["LT-C1"] != ledger.HOLDS


def test_fault_precision_and_recall_exchanged(world, monkeypatch):
    healthy = precision_recall
    monkeypatch.setattr(box_metrics, "precision_recall", lambda s, t, w=None: healthy(s, t, w)[::-1])
    assert verdicts(*samples(world))["LT-C1"] != ledger.HOLDS


def test_fault_scores_out_of_order(world):
    pyramid, _ = samples(world)
    shuffled = np.random.default_rng(0).permutation(pyramid[0].score)
    assert not rises(replace(pyramid[0], score=shuffled))


def test_detections_that_cross_as_printed_hold():
    """R-FCN finds 95 of 100 people above 0.3 and 60 above 0.5, the pyramid 90 and 80, with fewer false boxes."""

    def made(sure, unsure, false):
        score = np.r_[np.full(sure, 0.9), np.full(unsure, 0.35), np.full(false, 0.95)]
        hit = np.r_[np.ones(sure + unsure, bool), np.zeros(false, bool)]
        return BoxSamples(np.tile(np.arange(10), len(score))[: len(score)], score, hit, np.full(10, 10.0))

    pyramid, rfcn = made(80, 10, 5), made(60, 35, 30)
    once = np.ones(10), np.ones(1)
    assert networks.least_precision_gain([pyramid], [rfcn], *once) > 0
    assert networks.least_recall_order([pyramid], [rfcn], *once) == pytest.approx(5)
    assert networks.least_recall_order([rfcn], [pyramid], *once) == pytest.approx(-20)
