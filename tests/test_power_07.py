"""Power tests of notebook 07: a named fault in a helper turns the claims, their controls or a link measure red.

The functions that measure the claims run on a small part of the built-in world with the shipped
predictions and networks, first healthy, then with one helper broken.
"""

import numpy as np
import pytest
import torch

from helpers import ledger, training
from helpers.detections import filters, predicting, stored
from helpers.detections.filters import keep_confident
from helpers.experiments import cost_criteria
from helpers.experiments import cost_criteria as combined
from helpers.experiments.runs import Linked
from helpers.nets import track_lstm
from helpers.people import people
from helpers.tracking import appearance, costs, lstm, track
from helpers.tracking.costs import weighted
from helpers.tracking.frame_to_frame import ConstantVelocity, FrameToFrame
from helpers.tracking.matching import hungarian

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def world():
    """6 val videos, their detections in the dense labelled stretch, and the crops' encoder."""
    plan = training.stage_one()["keypoint_rcnn"]
    videos = training.videos_of("val", 6)
    kept, _ = stored.load(predicting.predictions_file(plan, "val"))
    found = [keep_confident(p, filters.PERSON, filters.LOGIT) for p in stored.of_videos(kept, [v.name for v in videos])]
    found = [p[v.labelled[p.frame]] for p, v in zip(found, videos)]
    return videos, found, appearance.CropEncoder(training.obtain(plan).backbone.body, ["layer2"])


def linked(world, make):
    """How well the trackers do that `make(video number)` gives, on labelled frames."""
    videos, found, _ = world
    return Linked(
        videos,
        [[track(d, make(k), len(v), which=np.flatnonzero(v.labelled)) for k, (d, v) in enumerate(zip(found, videos))]],
    )


def rows(world):
    """The rows that PT-C9 and PT-C10 compare."""
    videos, found, encoder = world
    looks = [appearance.look(v.frames, d, encoder)["layer2"] for v, d in zip(videos, found)]
    return {
        "box": linked(world, lambda k: FrameToFrame(costs.box_cost)),
        "pck": linked(world, lambda k: FrameToFrame(costs.pck_cost)),
        "cnn": linked(world, lambda k: FrameToFrame(looks[k])),
    }


@pytest.fixture(scope="module")
def healthy(world):
    return rows(world)


def verdict(claim, ways):
    return cost_criteria.result(claim, ways, "puppets", 200).verdict


def test_healthy(healthy):
    assert verdict("PT-C9", healthy) != ledger.CONTRADICTED
    assert verdict("PT-C10", healthy) != ledger.CONTRADICTED


def test_fault_features_are_those_of_shuffled_people(world, healthy, monkeypatch):
    rng, learn = np.random.default_rng(0), appearance.AppearanceCost.learn
    monkeypatch.setattr(
        appearance.AppearanceCost, "learn", lambda self, p, f: learn(self, p, f[rng.permutation(len(f))])
    )
    broken = rows(world)
    assert broken["cnn"].mota() < healthy["box"].mota() - 5
    assert verdict("PT-C9", broken) == ledger.CONTRADICTED


def test_fault_features_are_those_of_another_frame(world, healthy, monkeypatch):
    """Everybody's crop is cut out of the mirrored image."""
    crops = appearance.crops
    monkeypatch.setattr(appearance, "crops", lambda image, boxes, size: crops(image[:, ::-1], boxes, size))
    assert rows(world)["cnn"].mota() < healthy["cnn"].mota() - 0.3


def test_fault_cosine_forgets_to_normalise(world, healthy, monkeypatch):
    """How strong somebody's features are must not matter; without the division it decides."""
    rng, learn = np.random.default_rng(0), appearance.AppearanceCost.learn
    monkeypatch.setattr(
        appearance.AppearanceCost,
        "learn",
        lambda self, p, f: learn(self, p, f * rng.uniform(0.2, 5, (len(f), 1)).astype(f.dtype)),
    )
    assert np.isclose(rows(world)["cnn"].mota(), healthy["cnn"].mota(), atol=0.01)
    monkeypatch.setattr(appearance, "unit", lambda vectors: vectors)
    broken = rows(world)
    assert broken["cnn"].mota() < healthy["box"].mota() - 5 and verdict("PT-C9", broken) == ledger.CONTRADICTED


def test_fault_the_sum_ignores_its_weights(world, healthy, monkeypatch):
    rng = np.random.default_rng(0)
    noise = lambda a, b: 10 * rng.random((len(a), len(b)))
    named, shares = {"box": costs.box_cost, "noise": noise}, {"box": 1.0, "noise": 0.0}
    alone = linked(world, lambda k: FrameToFrame(weighted(named, shares)))
    assert alone.mota() == healthy["box"].mota()
    weighted = weighted
    monkeypatch.setattr(combined, "weighted", lambda c, w: weighted(c, dict.fromkeys(w, 1.0)))
    assert linked(world, lambda k: FrameToFrame(weighted(named, shares))).mota() < alone.mota() - 5


def lstm_level(world, net):
    return linked(world, lambda k: lstm.LstmTracker(net, world[0][k].size)).mota()


def test_the_shipped_lstm_follows_people(world, healthy):
    assert lstm_level(world, track_lstm.obtain(0)) > healthy["box"].mota() - 8


def test_fault_lstm_is_untrained(world, healthy):
    torch.manual_seed(0)
    assert lstm_level(world, track_lstm.TrackLstm(track_lstm.LstmConfig())) < healthy["box"].mota() - 10


def test_fault_lstm_matches_on_plus_the_logit(world, healthy):
    net = track_lstm.obtain(0)
    flipped = linked(world, lambda k: lstm.LstmTracker(net, world[0][k].size, lambda cost: hungarian(-cost)))
    assert flipped.mota() < healthy["box"].mota() - 10


def test_fault_lstm_boxes_are_not_normalised(world, healthy):
    net = track_lstm.obtain(0)
    level = linked(world, lambda k: lstm.LstmTracker(net, (1, 1))).mota()
    assert level < healthy["box"].mota() - 10


def test_fault_pck_has_no_head_size(world, healthy, monkeypatch):
    """A head of nothing: no joint is ever near, and all pairs are equal."""
    pck = costs.pck_cost
    monkeypatch.setattr(costs, "pck_cost", lambda a, b: pck(a, b, 1e-6))
    broken = rows(world)
    assert verdict("PT-C9", broken) == ledger.CONTRADICTED


def test_fault_a_cost_moves_joints(world, healthy, monkeypatch):
    """PT-C10 notices a row whose detections are not those of the others."""
    videos, found, _ = world
    fewer = [p.replace(present=p.present & (p.joint_score > 4)) for p in found]
    broken = healthy | {"pck": Linked(videos, [[track(d, FrameToFrame(), len(v)) for d, v in zip(fewer, videos)]])}
    assert verdict("PT-C10", broken) == ledger.CONTRADICTED


def test_fault_velocity_points_backwards(monkeypatch):
    at = [(0, 50), (3, 47), (10, 40), (22, 28), (36, 14)]
    runs = [people(frame=np.full(2, t), box=[[x, 0, x + 10, 20] for x in xs]) for t, xs in enumerate(at)]
    last = lambda tracker: [tracker.step(p).tolist() for p in runs][-1]
    assert last(ConstantVelocity()) == [0, 1]

    class Backwards(ConstantVelocity):
        def step(self, frame_people, image=None):
            before = dict(self._boxes)
            ids = super().step(frame_people, image)
            back = [before.get(i, box) for i, box in zip(ids.tolist(), frame_people.box)]
            self._known = frame_people.replace(box=np.array(back))
            return ids

    assert last(Backwards()) == [1, 0]
