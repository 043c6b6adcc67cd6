"""Power tests of notebook 06: a named fault in a helper turns the claims or their controls red.

The functions that measure the claims run on a small part of the built-in world, first healthy,
then with one helper broken.
"""

import numpy as np
import pytest

from helpers import ledger, worlds
from helpers.detections.filters import keep_confident
from helpers.detections.simulated import simulate_detections
from helpers.experiments import links
from helpers.experiments import links as comparison
from helpers.tracking import controls, costs, frame_to_frame, matching, track

CLAIMS = ("PT-C8", "DT-C5")


@pytest.fixture(scope="module")
def world():
    """12 videos, every frame labelled, and the confident detections of two seeds."""
    videos = worlds.load("puppets", "val", n=12, render=False, labelled="all")
    return videos, [[keep_confident(simulate_detections(v, s), 0.95, 0.5) for v in videos] for s in (0, 1)]


def measure(world):
    """Hungarian − greedy as the notebook measures it, and the controls' MOTA."""
    videos, detections = world
    tracker = lambda name: frame_to_frame.FrameToFrame(match=getattr(matching, name))
    by = lambda name: lambda d, v: track(d, tracker(name), len(v))
    errors = links.compare(
        videos,
        detections,
        {
            "hungarian": by("hungarian"),
            "greedy": by("greedy"),
            "random": lambda d, v: controls.random_ids(d, 0),
            "constant": lambda d, v: controls.constant_ids(d),
            "perfect": lambda d, v: controls.truth_ids(d, v.people),
        },
    )
    difference = links.mota_difference(errors["hungarian"], errors["greedy"])
    verdicts = {claim: ledger.Result(claim, "puppets", *difference).verdict for claim in CLAIMS}
    return verdicts, {name: links.mota(e) for name, e in errors.items()}


def controls_hold(mota) -> bool:
    """What the notebook's claim cell asserts of the controls."""
    return mota["random"] < mota["hungarian"] - 20 and mota["constant"] > mota["perfect"] > mota["hungarian"]


def test_healthy(world):
    verdicts, mota = measure(world)
    assert ledger.CONTRADICTED not in verdicts.values() and controls_hold(mota)


def permuted(match):
    def faulty(cost, limit=np.inf):
        rows, columns = match(cost, limit)
        return rows, np.roll(columns, 1)

    return faulty


def test_fault_greedy_returns_its_columns_permuted(world, monkeypatch):
    monkeypatch.setattr(matching, "greedy", permuted(matching.greedy))
    verdicts, _ = measure(world)
    assert verdicts["DT-C5"] == ledger.CONTRADICTED  # far more than 0.2


def test_fault_hungarian_returns_its_columns_permuted(world, monkeypatch):
    monkeypatch.setattr(matching, "hungarian", permuted(matching.hungarian))
    verdicts, mota = measure(world)
    assert verdicts == dict.fromkeys(CLAIMS, ledger.CONTRADICTED)


def test_fault_hungarian_maximises(world, monkeypatch):
    healthy = matching.hungarian
    monkeypatch.setattr(matching, "hungarian", lambda cost, limit=np.inf: healthy(-np.asarray(cost)))
    assert measure(world)[0] == dict.fromkeys(CLAIMS, ledger.CONTRADICTED)


def test_fault_ids_are_given_to_the_rows_in_place_of_the_columns(world, monkeypatch):
    class Switched(frame_to_frame.FrameToFrame):
        def step(self, frame_people, image=None):
            return super().step(frame_people, image)[::-1]

    healthy = measure(world)[1]
    monkeypatch.setattr(frame_to_frame, "FrameToFrame", Switched)
    broken = measure(world)[1]
    assert broken["hungarian"] < healthy["hungarian"] - 5


def test_fault_evaluation_forgets_switches(world, monkeypatch):
    healthy = links.clear_mot

    def forgetful(videos, tracked):
        counts = healthy(videos, tracked)
        counts.switches[:] = 0
        return counts

    monkeypatch.setattr(comparison, "clear_mot", forgetful)
    assert not controls_hold(measure(world)[1])


def test_fault_oracle_looks_at_the_wrong_frame(world, monkeypatch):
    healthy = controls.truth_ids
    late = lambda d, truth: healthy(d, truth.replace(frame=truth.frame + 6))
    monkeypatch.setattr(controls, "truth_ids", late)
    assert not controls_hold(measure(world)[1])


def test_fault_detections_do_not_differ_between_the_sides(world):
    """An unpaired comparison is refused where its shape gives it away."""
    errors = np.ones((2, 12, 2, 15))
    with pytest.raises(ValueError, match="paired"):
        links.mota_difference(errors, errors[:1])


# --- the link error of true poses -----------------------------------------------------------------


def advantage(videos):
    """Link error of joint distance minus that of box IoU, eight frames apart, Hungarian."""
    ours, box = (
        links.link_errors(videos, 8, getattr(costs, name), matching.hungarian)
        for name in ("joint_distance_cost", "box_cost")
    )
    return links.link_error_rate(ours) - links.link_error_rate(box)


def test_joint_distance_links_better_than_boxes(world):
    assert advantage(world[0]) < -1


def test_fault_joint_distance_compares_different_joints(world, monkeypatch):
    healthy = costs.joint_distance_cost
    rolled = lambda p: p.replace(xy=np.roll(p.xy, 7, 1), present=np.roll(p.present, 7, 1))
    monkeypatch.setattr(costs, "joint_distance_cost", lambda a, b: healthy(a, rolled(b)))
    assert advantage(world[0]) > 0


def test_fault_joint_distance_is_off_by_one_person(world, monkeypatch):
    healthy = costs.joint_distance_cost
    monkeypatch.setattr(costs, "joint_distance_cost", lambda a, b: np.roll(healthy(a, b), 1, 1))
    assert advantage(world[0]) > 0


def test_fault_links_are_sought_one_frame_too_far(world):
    """An off-by-one gap would give the table other numbers: the measure must notice a single frame."""
    near, far = (links.link_errors(world[0], gap, costs.box_cost, matching.hungarian) for gap in (4, 5))
    assert links.link_error_rate(far) > links.link_error_rate(near) + 0.5
