"""Power tests of notebook 05: a named fault turns its claims, or their controls, red.

The claims are measured on the shipped predictions of twenty val videos, first healthy, then with one
helper broken. PT-C4 and DT-C1 are contradicted when healthy; that they could hold is shown on scores
made the way ProTracker's seem to be.
"""

import numpy as np
import pytest

from helpers import evaluation, ledger, puppets
from helpers.detections import filters
from helpers.detections.filters import keep_confident
from helpers.experiments import runs, thresholds
from helpers.experiments.thresholds import Chosen, Sweep, shuffled
from tests.power import everywhere, forgetful, power

HOLD = ("PT-C5", "PT-C6", "PT-C11", "DT-C2", "KT-C12")
#: The five logits of KT-T4's probabilities on the tuning videos (notebook 05).
CHOSEN = Chosen(filters.PERSON, filters.LOGIT, (-6.84, 0.33, 2.24, 3.11, 3.49))


@pytest.fixture(scope="module")
def world():
    """Twenty val videos and what the keypoint network found in them."""
    videos = puppets.videos("val", n=20, render=False)
    return videos, everywhere(videos)


def measured(videos, found, claims):
    sweep = Sweep(videos, [found])
    return {claim: thresholds.result(claim, sweep, CHOSEN, "puppets", "network") for claim in claims}


def verdicts(videos, found, claims=HOLD):
    return {claim: result.verdict for claim, result in measured(videos, found, claims).items()}


@pytest.fixture(scope="module")
def healthy(world):
    """Results of the claims that are undecided or against the papers, without a fault."""
    return measured(*world, ("PT-C4", "DT-C1", "O-25", "PT-C12", "KT-C11", "KT-C13"))


def test_healthy(world, healthy):
    assert verdicts(*world) == dict.fromkeys(HOLD, ledger.HOLDS)
    assert {healthy[claim].verdict for claim in ("PT-C4", "DT-C1", "O-25")} == {ledger.CONTRADICTED}
    assert healthy["PT-C12"].verdict == healthy["KT-C11"].verdict == ledger.UNDECIDED
    assert healthy["KT-C13"].verdict != ledger.HOLDS


@power("PT-C11", "KT-C12")
def test_control_shuffled_logits_make_dropping_lose(world):
    videos, found = world
    found = verdicts(videos, shuffled(found, "joint_score", 0), ("PT-C11", "KT-C12"))
    assert set(found.values()) == {ledger.CONTRADICTED}


def test_control_shuffled_box_scores_gain_no_precision(world):
    videos, found = world
    rise = [
        Sweep(videos, [p]).at(0.9).precision() - Sweep(videos, [p]).at(0.5).precision()
        for p in (found, shuffled(found, "score", 0))
    ]
    assert rise[0] > 2 and abs(rise[1]) < 1


def test_rising_mota_could_hold(world):
    """PT-C4 and DT-C1 hold where false alarms score up to 0.95 and right people higher."""
    videos, found = world
    good = [(thresholds.fates(v, p) == thresholds.RIGHT).mean(1) > 0.3 for v, p in zip(videos, found, strict=True)]
    # In unlabelled frames nothing is known to be right; those people do not count either way.
    made = [p[v.labelled[p.frame]] for v, p in zip(videos, found, strict=True)]
    good = [g[v.labelled[p.frame]] for v, p, g in zip(videos, found, good, strict=True)]
    rng = np.random.default_rng(0)
    made = [
        p.replace(score=np.where(g, 0.99, rng.choice([0.3, 0.7, 0.93], len(p))))
        for p, g in zip(made, good, strict=True)
    ]
    sweep = Sweep(videos, [made], labelled=True)
    made = [thresholds.result(c, sweep, CHOSEN, "puppets", "simulated").verdict for c in ("PT-C4", "DT-C1")]
    assert made == [ledger.HOLDS] * 2


@power("PT-C11", "KT-C12")
def test_fault_joint_threshold_keeps_the_low_scored(world, monkeypatch):
    def turned(p, joint=-np.inf, export=0.5):
        kept = keep_confident(p, export)
        low = kept.joint_score < joint if np.isfinite(joint) else True
        return kept.replace(present=kept.present & low)

    monkeypatch.setattr(thresholds, "exported", turned)
    assert set(verdicts(*world, ("PT-C11", "KT-C12")).values()) == {ledger.CONTRADICTED}


@power("PT-C11", "PT-C12", "KT-C11", "KT-C12", "O-25")
def test_fault_joint_threshold_is_ignored(world, healthy, monkeypatch):
    """Estimates of exactly 0: the ranges of PT-C12, KT-C11 and O-25 allow that, so the estimate must tell it."""
    kept = thresholds.exported
    monkeypatch.setattr(thresholds, "exported", lambda p, joint=-np.inf, export=0.5: kept(p, -np.inf, export))
    claims = ("PT-C11", "PT-C12", "KT-C11", "KT-C12", "O-25")
    assert [result.estimate for result in measured(*world, claims).values()] == [0] * 5
    assert healthy["PT-C12"].estimate > 1 and healthy["KT-C11"].estimate > 0.05


@power("PT-C5", "DT-C2")
def test_fault_box_threshold_is_ignored(world, monkeypatch):
    """Estimates of exactly 0: nothing is gained or lost any more."""
    linked = thresholds.link
    monkeypatch.setattr(thresholds, "link", lambda p, v, person=0.0, labelled=False: linked(p, v, 0.0, labelled))
    assert [result.estimate for result in measured(*world, ("PT-C5", "DT-C2")).values()] == [0, 0]


@power("PT-C6")
def test_fault_box_threshold_is_turned_round(world, monkeypatch):
    linked = thresholds.link

    def turned(p, v, person=0.0, labelled=False):
        return linked(p[p.score <= 1.01 - person], v, 0.0, labelled)

    monkeypatch.setattr(thresholds, "link", turned)
    assert verdicts(*world, ("PT-C6",))["PT-C6"] == ledger.CONTRADICTED


@power("PT-C6")
def test_fault_export_keeps_unsure_boxes(world, monkeypatch):
    """Without O-24's filter at export the rows 0 and 0.5 are no longer the same."""
    kept = thresholds.exported
    monkeypatch.setattr(thresholds, "exported", lambda p, joint=-np.inf, export=0.5: kept(p, joint, 0.0))
    assert verdicts(*world, ("PT-C6",))["PT-C6"] == ledger.CONTRADICTED


@power("O-25")
def test_fault_joints_are_ranked_by_their_own_score(world, monkeypatch):
    """O-25 turns round with the ranking: the verdict depends on what AP sorts by."""
    monkeypatch.setattr(runs, "box_confidence", lambda found: found)
    assert verdicts(*world, ("O-25",))["O-25"] == ledger.HOLDS


@power("PT-C11", "PT-C12", "KT-C12")
def test_fault_evaluation_forgets_false_positives(world, monkeypatch):
    monkeypatch.setattr(evaluation, "clear_mot", forgetful(evaluation.clear_mot, "false_positives"))
    assert set(verdicts(*world, ("PT-C11", "PT-C12", "KT-C12")).values()) == {ledger.CONTRADICTED}


@power("PT-C4", "DT-C1", "KT-C13")
def test_fault_evaluation_forgets_misses(world, healthy, monkeypatch):
    """Then dropping boxes costs nothing, and MOTA moves more than it does."""
    monkeypatch.setattr(evaluation, "clear_mot", forgetful(evaluation.clear_mot, "misses"))
    broken = measured(*world, ("PT-C4", "DT-C1", "KT-C13"))
    assert broken["DT-C1"].verdict == broken["KT-C13"].verdict == ledger.HOLDS
    assert healthy["PT-C4"].estimate < 0 < broken["PT-C4"].estimate


@power("KT-C13")
def test_fault_evaluation_forgets_switches(world, monkeypatch):
    monkeypatch.setattr(evaluation, "clear_mot", forgetful(evaluation.clear_mot, "switches"))
    assert measured(*world, ("KT-C13",))["KT-C13"].estimate == np.inf


@power("KT-C11")
def test_fault_scores_are_dealt_out_anew(world, healthy):
    """AP that loses points with a joint's threshold of no meaning: the fall is no longer that of good scores."""
    videos, found = world
    dealt = measured(videos, shuffled(found, "joint_score", 0), ("KT-C11",))["KT-C11"]
    assert dealt.verdict == ledger.HOLDS and dealt.estimate > healthy["KT-C11"].estimate + 1


def test_fault_fates_are_of_the_wrong_frame(world):
    """One half of the calibration curve runs away when joints are compared with a later frame."""
    videos, found = world[0][:6], [keep_confident(p, 0.5) for p in world[1][:6]]
    healthy = thresholds.predicted_joints(videos, found)
    late = thresholds.predicted_joints(
        videos, [p[p.frame >= 6].replace(frame=p.frame[p.frame >= 6] - 6) for p in found]
    )
    assert abs(thresholds.score_at(0.5, thresholds.calibrate(healthy["score"], healthy["right"])) - 2.2) < 1
    assert late["right"].mean() < healthy["right"].mean() - 0.2
