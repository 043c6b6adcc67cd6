"""Power tests of notebook 05: a named fault turns its claims, or their controls, red.

The claims are measured on the shipped predictions of twenty val videos, first healthy, then with one
helper broken. PT-C4 and DT-C1 are contradicted when healthy; that they could hold is shown on scores
made the way ProTracker's seem to be.
"""

import numpy as np
import pytest

from helpers import ledger, puppets, training
from helpers.detections import filters, predicting, stored
from helpers.detections.filters import keep_confident
from helpers.experiments import thresholds
from helpers.experiments.runs import Measured
from helpers.experiments.thresholds import Chosen, Sweep

HOLD = ("PT-C5", "PT-C6", "PT-C11", "DT-C2", "KT-C12")
#: The five logits of KT-T4's probabilities on the tuning videos (notebook 05).
CHOSEN = Chosen(filters.PERSON, filters.LOGIT, (-6.84, 0.33, 2.24, 3.11, 3.49))


@pytest.fixture(scope="module")
def world():
    """Twenty val videos and what the keypoint network found in them."""
    videos = puppets.videos("val", n=20, render=False)
    kept, _ = stored.load(predicting.predictions_file(training.stage_one()["keypoint_rcnn"], "val"))
    return videos, stored.of_videos(kept, [v.name for v in videos])


def verdicts(videos, found, claims=HOLD):
    sweep = Sweep(videos, [found])
    return {claim: thresholds.result(claim, sweep, CHOSEN, "puppets", draws=25).verdict for claim in claims}


def shuffled(found, field, seed=0):
    """Detections above 0.5 with one field dealt out anew: what the notebook's control does."""
    rng, kept = np.random.default_rng(seed), [keep_confident(p, 0.5) for p in found]
    parts = [getattr(p, field) for p in kept]
    values = rng.permutation(np.concatenate([x.ravel() for x in parts]))
    dealt = np.split(values, np.cumsum([x.size for x in parts])[:-1])
    return [p.replace(**{field: d.reshape(x.shape)}) for p, d, x in zip(kept, dealt, parts)]


def test_healthy(world):
    against = ("PT-C4", "DT-C1", "O-25")
    found = verdicts(*world, (*HOLD, *against))
    assert found == dict.fromkeys(HOLD, ledger.HOLDS) | dict.fromkeys(against, ledger.CONTRADICTED)


def test_control_shuffled_logits_make_dropping_lose(world):
    videos, found = world
    found = verdicts(videos, shuffled(found, "joint_score"), ("PT-C11", "KT-C12"))
    assert set(found.values()) == {ledger.CONTRADICTED}


def test_control_shuffled_box_scores_gain_no_precision(world):
    videos, found = world
    rise = [
        Sweep(videos, [p]).at(0.9).precision() - Sweep(videos, [p]).at(0.5).precision()
        for p in (found, shuffled(found, "score"))
    ]
    assert rise[0] > 2 and abs(rise[1]) < 1


def test_rising_mota_could_hold(world):
    """PT-C4 and DT-C1 hold where false alarms score up to 0.95 and right people higher."""
    videos, found = world
    good = [(thresholds.fates(v, p) == thresholds.RIGHT).mean(1) > 0.3 for v, p in zip(videos, found)]
    # In unlabelled frames nothing is known to be right; those people do not count either way.
    made = [p[v.labelled[p.frame]] for v, p in zip(videos, found)]
    good = [g[v.labelled[p.frame]] for v, p, g in zip(videos, found, good)]
    rng = np.random.default_rng(0)
    made = [p.replace(score=np.where(g, 0.99, rng.choice([0.3, 0.7, 0.93], len(p)))) for p, g in zip(made, good)]
    sweep = Sweep(videos, [made], labelled=True)
    made = [thresholds.result(c, sweep, CHOSEN, "puppets", 25).verdict for c in ("PT-C4", "DT-C1")]
    assert made == [ledger.HOLDS] * 2


def test_fault_joint_threshold_keeps_the_low_scored(world, monkeypatch):
    def turned(p, setting):
        kept = keep_confident(p, setting.export)
        low = kept.joint_score < setting.joint if np.isfinite(setting.joint) else True
        return kept.replace(present=kept.present & low)

    monkeypatch.setattr(thresholds, "exported", turned)
    assert set(verdicts(*world, ("PT-C11", "KT-C12")).values()) == {ledger.CONTRADICTED}


def test_fault_joint_threshold_is_ignored(world, monkeypatch):
    """Estimates of exactly 0, which the notebook's claim cell refuses."""
    healthy = thresholds.exported
    everything = lambda p, s: healthy(p, thresholds.Setting(s.person, -np.inf, s.export))
    monkeypatch.setattr(thresholds, "exported", everything)
    sweep = Sweep(world[0], [world[1]])
    assert [thresholds.MEASURES[c](sweep, CHOSEN, None, None) for c in ("PT-C11", "KT-C12", "O-25")] == [0, 0, 0]


def test_fault_box_threshold_is_ignored(world, monkeypatch):
    """Estimates of exactly 0, which the notebook's claim cell refuses."""
    healthy = thresholds.link
    ignorant = lambda p, v, person=0.0, labelled=False: healthy(p, v, 0.0, labelled)
    monkeypatch.setattr(thresholds, "link", ignorant)
    sweep = Sweep(world[0], [world[1]])
    assert [thresholds.MEASURES[c](sweep, CHOSEN, None, None) for c in ("PT-C5", "DT-C2")] == [0, 0]


def test_fault_box_threshold_is_turned_round(world, monkeypatch):
    healthy = thresholds.link
    turned = lambda p, v, person=0.0, labelled=False: healthy(p[p.score <= 1.01 - person], v, 0.0, labelled)
    monkeypatch.setattr(thresholds, "link", turned)
    assert verdicts(*world)["PT-C6"] == ledger.CONTRADICTED


def test_fault_export_keeps_unsure_boxes(world, monkeypatch):
    """Without O-24's filter at export the rows 0 and 0.5 are no longer the same."""
    healthy = thresholds.exported
    unsure = lambda p, s: healthy(p, thresholds.Setting(s.person, s.joint, 0.0))
    monkeypatch.setattr(thresholds, "exported", unsure)
    assert verdicts(*world, ("PT-C6",))["PT-C6"] == ledger.CONTRADICTED


def test_fault_joints_are_ranked_by_their_own_score(world, monkeypatch):
    """O-25 turns round with the ranking: the verdict depends on what AP sorts by."""
    healthy = Measured._ap
    own = lambda self, run, videos, rank: healthy(self, run, videos, "joint")
    monkeypatch.setattr(Measured, "_ap", own)
    assert verdicts(*world, ("O-25",))["O-25"] == ledger.HOLDS


def test_fault_evaluation_forgets_false_positives(world, monkeypatch):
    healthy = thresholds.evaluation.clear_mot

    def forgetful(*sides):
        counts = healthy(*sides)
        counts.false_positives[:] = 0
        return counts

    monkeypatch.setattr(thresholds.evaluation, "clear_mot", forgetful)
    found = verdicts(*world, ("PT-C11", "KT-C12"))
    assert set(found.values()) == {ledger.CONTRADICTED}


def test_fault_fates_are_of_the_wrong_frame(world):
    """One half of the calibration curve runs away when joints are compared with a later frame."""
    videos, found = world[0][:6], [keep_confident(p, 0.5) for p in world[1][:6]]
    right = lambda p: thresholds.predicted_joints(videos, p)
    healthy = right(found)
    late = right([p[p.frame >= 6].replace(frame=p.frame[p.frame >= 6] - 6) for p in found])
    assert abs(thresholds.score_at(0.5, thresholds.calibrate(healthy["score"], healthy["right"])) - 2.2) < 1
    assert late["right"].mean() < healthy["right"].mean() - 0.2
