"""Power tests of notebook 05: a named fault turns its claims, or their controls, red.

The claims are measured on the shipped predictions of twenty val videos at thresholds chosen on tuning videos,
first healthy, then with one helper broken.
"""

import numpy as np
import pytest

from helpers import evaluation, puppets, training, verdicts
from helpers.detections import filters, predicting
from helpers.detections.filters import keep_confident
from helpers.experiments import runs, thresholds
from helpers.experiments.thresholds import Sweep, shuffled
from tests.power import everywhere, forgetful, power

#: The five logits of KT-T4's probabilities, as the calibration curve of the tuning videos gives them (notebook 05).
LOGITS = (-6.8, 0.3, 2.2, 3.1, 3.5)
CLAIMS = (*thresholds.MEASURES, "PT-C6", "O-25")


@pytest.fixture(scope="module")
def world():
    """Twenty val videos and what the keypoint network found in them."""
    videos = puppets.videos("val", n=20, render=False)
    return videos, everywhere(videos)


@pytest.fixture(scope="module")
def chosen():
    """Operating points from tuning videos."""
    videos = puppets.videos("tune", n=20, render=False)
    tuning = Sweep(videos, [predicting.found_by(training.stage_one()["keypoint_rcnn"], "tune", 20)[0]])
    boxes = thresholds.choose_boxes(tuning, filters.PERSON, filters.LOGIT)
    return thresholds.choose_keypoints(tuning, boxes, LOGITS)


def measured(world, chosen, claims):
    videos, found = world
    sweep = Sweep(videos, [found])
    return {claim: thresholds.result(claim, sweep, chosen, "puppets", "network") for claim in claims}


def estimates(world, chosen, claim):
    return np.array([c.estimate for c in measured(world, chosen, (claim,))[claim].components])


@pytest.fixture(scope="module")
def healthy(world, chosen):
    """Every claim without a fault."""
    return measured(world, chosen, CLAIMS)


def turned(broken, healthy, claim):
    """Components of a claim that another verdict, or another sign, tells from the healthy ones."""
    pairs = zip(broken[claim].components, healthy[claim].components, strict=True)
    verdict = [a != b for a, b in zip(broken[claim].verdicts, healthy[claim].verdicts, strict=True)]
    return [v or a.estimate * b.estimate <= 0 for v, (a, b) in zip(verdict, pairs, strict=True)]


def test_healthy(healthy, chosen):
    assert healthy["PT-C6"].verdict == verdicts.HOLDS
    assert healthy["DT-C1"].verdicts[1] == verdicts.UNDECIDED  # our network is never as precise as DT's at 0.95
    assert np.isfinite([*chosen.pt_precise[1:], *chosen.pt_lost, chosen.dt_lost]).all()


def test_chosen_thresholds_carry_over_to_other_videos(world, chosen):
    """What was matched on tuning videos is near the printed precision on val."""
    sweep = Sweep(world[0], [world[1]])
    reached = [sweep.at(t, -np.inf, 0.0).precision() for t in chosen.pt_precise[1:]]
    assert np.allclose(reached, thresholds.PT_PRECISION[1:], atol=6)


@power("PT-C11", "KT-C12")
def test_control_shuffled_logits_make_dropping_lose(world, chosen):
    videos, found = world
    broken = measured((videos, shuffled(found, "joint_score", 0)), chosen, ("PT-C11", "KT-C12"))
    assert {r.verdict for r in broken.values()} == {verdicts.CONTRADICTED}


@power("PT-C4")
def test_control_shuffled_box_scores_gain_nothing(world, chosen, healthy):
    """Box thresholds that drop at random gain no precision, and far less MOTA than those that drop the unsure."""
    videos, found = world
    dealt = shuffled(found, "score", 0)
    rise = [Sweep(videos, [p]).at(0.9).precision() - Sweep(videos, [p]).at(0.5).precision() for p in (found, dealt)]
    assert rise[0] > 1 and abs(rise[1]) < 1
    everyone = [p.replace(score=np.random.default_rng(0).permutation(p.score)) for p in found]
    steps = [c.estimate for c in healthy["PT-C4"].components]
    assert (estimates((videos, everyone), chosen, "PT-C4")[1:] < np.array(steps[1:]) - 0.5).all()


@power("PT-C11", "KT-C12")
def test_fault_joint_threshold_keeps_the_low_scored(world, chosen, monkeypatch):
    def wrong(p, joint=-np.inf, export=0.5):
        kept = keep_confident(p, export)
        low = kept.joint_score < joint if np.isfinite(joint) else True
        return kept.replace(present=kept.present & low)

    monkeypatch.setattr(thresholds, "exported", wrong)
    broken = measured(world, chosen, ("PT-C11", "KT-C12"))
    assert {r.verdict for r in broken.values()} == {verdicts.CONTRADICTED}


@power("PT-C11", "PT-C12", "KT-C11", "KT-C12", "KT-C13", "O-25")
def test_fault_joint_threshold_is_ignored(world, chosen, healthy, monkeypatch):
    """No effect at all: none of the claims may hold then."""
    kept = thresholds.exported
    monkeypatch.setattr(thresholds, "exported", lambda p, joint=-np.inf, export=0.5: kept(p, -np.inf, export))
    broken = measured(world, chosen, ("PT-C11", "PT-C12", "KT-C11", "KT-C12", "KT-C13", "O-25"))
    assert all(c.estimate == 0 for r in broken.values() for c in r.components)
    assert verdicts.HOLDS not in {r.verdict for r in broken.values()}
    assert abs(healthy["PT-C12"].components[0].estimate) > 1 and healthy["KT-C11"].estimate > 1


@power("PT-C4", "PT-C5", "DT-C1", "DT-C2")
def test_fault_box_threshold_is_ignored(world, chosen, monkeypatch):
    """Estimates of exactly 0: nothing is gained or lost any more, and nothing holds."""
    linked, kept = thresholds.link, thresholds.exported
    monkeypatch.setattr(thresholds, "link", lambda p, v, person=0.0, labelled=False: linked(p, v, 0.0, labelled))
    monkeypatch.setattr(thresholds, "exported", lambda p, joint=-np.inf, export=0.5: kept(p, joint, 0.5))
    broken = measured(world, chosen, ("PT-C4", "PT-C5", "DT-C1", "DT-C2"))
    assert all(c.estimate == 0 for r in broken.values() for c in r.components if np.isfinite(c.estimate))
    assert verdicts.HOLDS not in {r.verdict for r in broken.values()}


@power("PT-C6")
def test_fault_box_threshold_is_turned_round(world, chosen, monkeypatch):
    linked = thresholds.link

    def wrong(p, v, person=0.0, labelled=False):
        return linked(p[p.score <= 1.01 - person], v, 0.0, labelled)

    monkeypatch.setattr(thresholds, "link", wrong)
    assert measured(world, chosen, ("PT-C6",))["PT-C6"].verdict == verdicts.CONTRADICTED


@power("PT-C6")
def test_fault_export_keeps_unsure_boxes(world, chosen, monkeypatch):
    """Without O-24's filter at export the rows 0 and 0.5 are no longer the same."""
    kept = thresholds.exported
    monkeypatch.setattr(thresholds, "exported", lambda p, joint=-np.inf, export=0.5: kept(p, joint, 0.0))
    assert measured(world, chosen, ("PT-C6",))["PT-C6"].verdict == verdicts.CONTRADICTED


@power("PT-C5", "DT-C2", "O-25")
def test_fault_ap_ignores_the_scores(world, chosen, healthy, monkeypatch):
    monkeypatch.setattr(runs, "box_confidence", lambda p: p.replace(joint_score=np.ones_like(p.joint_score)))
    for claim in ("PT-C5", "DT-C2", "O-25"):
        before = [c.estimate for c in healthy[claim].components]
        assert np.abs(estimates(world, chosen, claim) - before).max() > 0.5, claim


@power("PT-C11", "PT-C12", "KT-C12")
def test_fault_evaluation_forgets_false_positives(world, chosen, healthy, monkeypatch):
    monkeypatch.setattr(evaluation, "clear_mot", forgetful(evaluation.clear_mot, "false_positives"))
    broken = measured(world, chosen, ("PT-C11", "PT-C12", "KT-C12"))
    assert broken["PT-C11"].verdict == verdicts.CONTRADICTED
    assert all(any(turned(broken, healthy, claim)) for claim in broken)


@power("PT-C4")
def test_fault_evaluation_forgets_misses(world, chosen, healthy, monkeypatch):
    """Then dropping boxes costs nothing, and the step to the highest precision is larger than it is."""
    monkeypatch.setattr(evaluation, "clear_mot", forgetful(evaluation.clear_mot, "misses"))
    assert estimates(world, chosen, "PT-C4")[2] > healthy["PT-C4"].components[2].estimate + 0.3


@power("PT-C4", "DT-C1", "KT-C13")
def test_fault_evaluation_forgets_switches(world, chosen, healthy, monkeypatch):
    """Tracking unsure boxes that are not exported costs nothing then; both components of KT-C13 are MOTA's gain."""
    monkeypatch.setattr(evaluation, "clear_mot", forgetful(evaluation.clear_mot, "switches"))
    for claim in ("PT-C4", "DT-C1"):
        without, before = estimates(world, chosen, claim)[0], healthy[claim].components[0].estimate
        assert abs(without) < 0.02 < before, claim
    fewer, more = estimates(world, chosen, "KT-C13")
    assert fewer == pytest.approx(more)
    assert abs(healthy["KT-C13"].components[0].estimate - healthy["KT-C13"].components[1].estimate) > 1


@power("KT-C11")
def test_fault_scores_are_dealt_out_anew(world, chosen, healthy):
    """AP that loses points with joints dropped at random: the fall is no longer that of good scores."""
    videos, found = world
    dealt = estimates((videos, shuffled(found, "joint_score", 0)), chosen, "KT-C11")
    assert dealt[0] > healthy["KT-C11"].estimate + 3


def test_fault_fates_are_of_the_wrong_frame(world):
    """One half of the calibration curve runs away when joints are compared with a later frame."""
    videos, found = world[0][:6], [keep_confident(p, 0.5) for p in world[1][:6]]
    healthy = thresholds.predicted_joints(videos, found)
    late = thresholds.predicted_joints(
        videos, [p[p.frame >= 6].replace(frame=p.frame[p.frame >= 6] - 6) for p in found]
    )
    assert abs(thresholds.score_at(0.5, thresholds.calibrate(healthy["score"], healthy["right"])) - 2.2) < 1
    assert late["right"].mean() < healthy["right"].mean() - 0.2
