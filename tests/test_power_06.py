"""Power tests of notebook 06: a named fault in a helper turns the claims or their controls red.

The functions that measure the claims run on a small part of the built-in world, first healthy,
then with one helper broken.
"""

import numpy as np
import pytest

from helpers import evaluation, ledger, worlds
from helpers.detections.filters import keep_confident
from helpers.detections.simulated import simulate_detections
from helpers.experiments import links
from helpers.tracking import controls, costs, matching, track
from helpers.tracking.frame_to_frame import FrameToFrame
from tests.power import forgetful, power

CLAIMS = ("PT-C8", "DT-C5")
WAYS = {
    "random": lambda d, v: controls.random_ids(d, 0),
    "constant": lambda d, v: controls.constant_ids(d),
    "perfect": lambda d, v: controls.truth_ids(d, v.people),
}


@pytest.fixture(scope="module")
def world():
    """12 videos, every frame labelled, and the confident detections of two seeds."""
    videos = worlds.load("puppets", "val", n=12, render=False, labelled="all")
    return videos, [[keep_confident(simulate_detections(v, s), 0.95, 0.5) for v in videos] for s in (0, 1)]


def by(name):
    """Frame to frame with a matcher, looked up when it is run."""
    return lambda d, v: track(d, FrameToFrame(match=getattr(matching, name)), len(v))


def judged(claim, runs):
    return links.result(claim, runs["hungarian"], runs["greedy"], "puppets", "simulated").verdict


def measure(world, ways=()):
    """Verdicts as the notebook measures them, and the MOTA of the matchers and of more ways."""
    runs = links.compare(*world, {"hungarian": by("hungarian"), "greedy": by("greedy")} | {w: WAYS[w] for w in ways})
    verdicts = {claim: judged(claim, runs) for claim in CLAIMS}
    return verdicts, {name: run.mota() for name, run in runs.items()}


def controls_hold(mota) -> bool:
    """What the notebook's claim cell asserts of the controls."""
    return mota["random"] < mota["hungarian"] - 20 and mota["constant"] > mota["perfect"] > mota["hungarian"]


@pytest.fixture(scope="module")
def healthy(world):
    return measure(world, WAYS)


def test_healthy(healthy):
    verdicts, mota = healthy
    assert ledger.CONTRADICTED not in verdicts.values() and controls_hold(mota)


def permuted(match):
    def faulty(cost, limit=np.inf):
        rows, columns = match(cost, limit)
        return rows, np.roll(columns, 1)

    return faulty


@power("DT-C5")
def test_fault_greedy_returns_its_columns_permuted(world, monkeypatch):
    monkeypatch.setattr(matching, "greedy", permuted(matching.greedy))
    assert measure(world)[0]["DT-C5"] == ledger.CONTRADICTED  # far more than 0.2


@power("PT-C8", "DT-C5")
def test_fault_hungarian_returns_its_columns_permuted(world, monkeypatch):
    monkeypatch.setattr(matching, "hungarian", permuted(matching.hungarian))
    assert measure(world)[0] == dict.fromkeys(CLAIMS, ledger.CONTRADICTED)


@power("PT-C8", "DT-C5")
def test_fault_hungarian_maximises(world, monkeypatch):
    match = matching.hungarian
    monkeypatch.setattr(matching, "hungarian", lambda cost, limit=np.inf: match(-np.asarray(cost)))
    assert measure(world)[0] == dict.fromkeys(CLAIMS, ledger.CONTRADICTED)


def test_fault_ids_are_given_in_the_reversed_order(world, healthy, monkeypatch):
    step = FrameToFrame.step
    monkeypatch.setattr(FrameToFrame, "step", lambda self, people, image=None: step(self, people, image)[::-1])
    assert measure(world)[1]["hungarian"] < healthy[1]["hungarian"] - 5


def test_fault_evaluation_forgets_switches(world, monkeypatch):
    monkeypatch.setattr(evaluation, "clear_mot", forgetful(evaluation.clear_mot, "switches"))
    assert not controls_hold(measure(world, WAYS)[1])


def test_fault_oracle_looks_at_the_wrong_frame(world, monkeypatch):
    right = controls.truth_ids
    monkeypatch.setattr(controls, "truth_ids", lambda d, truth: right(d, truth.replace(frame=truth.frame + 6)))
    assert not controls_hold(measure(world, WAYS)[1])


# --- the link error of true poses -----------------------------------------------------------------


def advantage(videos):
    """Link error of joint distance minus that of box IoU, eight frames apart, Hungarian."""
    ours, box = (
        links.link_errors(videos, 8, getattr(costs, name), matching.hungarian)
        for name in ("joint_distance_cost", "box_cost")
    )
    return links.link_error_difference(ours, box)[0]


def test_joint_distance_links_better_than_boxes(world):
    assert advantage(world[0]) < -1


def test_fault_joint_distance_compares_different_joints(world, monkeypatch):
    cost = costs.joint_distance_cost

    def rolled(a, b):
        return cost(a, b.replace(xy=np.roll(b.xy, 7, 1), present=np.roll(b.present, 7, 1)))

    monkeypatch.setattr(costs, "joint_distance_cost", rolled)
    assert advantage(world[0]) > 0


def test_fault_joint_distance_is_off_by_one_person(world, monkeypatch):
    cost = costs.joint_distance_cost
    monkeypatch.setattr(costs, "joint_distance_cost", lambda a, b: np.roll(cost(a, b), 1, 1))
    assert advantage(world[0]) > 0


def test_fault_links_are_sought_one_frame_too_far(world):
    """An off-by-one gap would give the table other numbers: the measure must notice a single frame."""
    near, far = (links.link_errors(world[0], gap, costs.box_cost, matching.hungarian) for gap in (4, 5))
    assert links.link_error_rate(far) > links.link_error_rate(near) + 0.5
