"""Power tests of notebook 01: a named fault in a helper must turn each of its claims and checks red.

The functions built by hand are taken out of the notebook as it is committed, so that what is tested
here is what a reader sees.
"""

import ast
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from helpers import evaluation as ev
from helpers import geometry, ledger, puppets
from helpers.detections.simulated import simulate_detections
from helpers.evaluation import mot
from helpers.experiments import metrics
from helpers.people import concatenate, people
from helpers.skeleton import GROUPS, INDEX, JOINTS, OKS_SIGMAS
from helpers.tracking import controls, track
from helpers.tracking.frame_to_frame import FrameToFrame
from tests.power import power
from tests.test_evaluation import VECTORS, put_everywhere, video


@pytest.fixture(scope="module")
def clips():
    return puppets.videos("val", n=8, render=False, labelled="all")


@pytest.fixture(scope="module")
def ids(clips):
    """What the claims about ids compare, one seed."""
    return metrics.relabelled(clips, [0])


def verdict(claim, compared):
    return metrics.result(claim, compared, "puppets").verdict


def test_claims_hold(clips, ids):
    assert verdict("PT-C7", ids) == verdict("DT-C3", ids) == ledger.HOLDS
    assert metrics.result("O-26", metrics.necks(clips), "puppets").components[0].interval[0] > 1


@power("PT-C7")
def test_fault_one_id_for_all_is_an_id_for_each(clips, monkeypatch):
    monkeypatch.setattr(controls, "constant_ids", lambda p: p.replace(track=np.arange(len(p))))
    assert verdict("PT-C7", metrics.relabelled(clips, [0])) == ledger.CONTRADICTED


@power("DT-C3")
def test_fault_random_ids_are_secretly_the_truths(clips, monkeypatch):
    monkeypatch.setattr(metrics, "WAYS", metrics.WAYS | {"random ids": metrics.WAYS["perfect"]})
    assert verdict("DT-C3", metrics.relabelled(clips, [0])) == ledger.CONTRADICTED


@power("DT-C3")
def test_fault_a_tracker_one_frame_late(clips, monkeypatch):
    step, before = FrameToFrame.step, {}

    def late(self, people, image=None):
        """A frame gets the ids of the frame before it."""
        ids, old = step(self, people, image), before.get(id(self), np.zeros(0, int))
        before[id(self)] = ids
        return np.r_[old, 100_000 + np.arange(len(ids))][: len(ids)]

    monkeypatch.setattr(FrameToFrame, "step", late)
    assert verdict("DT-C3", metrics.relabelled(clips, [0])) == ledger.CONTRADICTED


@power("O-26")
def test_fault_a_joint_outside_the_head_is_moved(clips, monkeypatch):
    healthy = metrics.result("O-26", metrics.necks(clips), "puppets")
    move = metrics.with_shoulder_neck
    monkeypatch.setattr(metrics, "with_shoulder_neck", lambda p: move(p, "left_wrist"))
    broken = metrics.result("O-26", metrics.necks(clips), "puppets")
    assert abs(broken.estimate) < healthy.estimate / 20


@power("O-26")
def test_fault_the_threshold_is_lost(clips, monkeypatch):
    put_everywhere(monkeypatch, "PCKH_THRESHOLD", 3.0)  # everything near is right
    lost = metrics.result("O-26", metrics.necks(clips), "puppets")
    assert lost.estimate < 0.1


@pytest.mark.parametrize(
    "name, value",
    [
        ("PCKH_THRESHOLD", 0.2),
        ("linear_sum_assignment", lambda c: (np.arange(0), np.arange(0))),
        ("_first_best", lambda v, g: np.zeros(0, int)),
    ],
)
def test_a_fault_in_the_evaluator_moves_a_vector(name, value, monkeypatch):
    put_everywhere(monkeypatch, name, value)
    moved = 0
    for _case, (truth, predicted, *expected) in VECTORS.items():
        if name == "linear_sum_assignment":  # two hypotheses within reach, so that a choice has to be made
            predicted = concatenate([predicted, truth.replace(track=truth.track + 70, xy=truth.xy + [1, 0])])
            monkeypatch.undo()
            expected = outcome(truth, predicted)
            put_everywhere(monkeypatch, name, value)
        moved += outcome(truth, predicted) != pytest.approx(expected, abs=5e-4)
    assert moved


def outcome(truth, predicted):
    s = ev.evaluate([video(truth)], [predicted], True)
    return [s.total(m) for m in ("AP", "MOTA", "precision", "recall")]


def swapped_ids(p):
    return p.replace(track=np.where(p.frame % 2, p.track[::-1], p.track))


def mixed_joints(p):
    return p.replace(xy=p.xy[:, np.roll(np.arange(15), 1)])


@pytest.mark.parametrize(
    "case, fault", [("A identical", swapped_ids), ("A identical", mixed_joints), ("J person missing", mixed_joints)]
)
def test_a_fault_in_the_predictions_moves_a_vector(case, fault):
    truth, predicted, *expected = VECTORS[case]
    assert outcome(truth, fault(predicted)) != pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("factor, off", [(1 / 0.6, 0.7), (0.34 / 0.5, 0.45)])
def test_another_head_size_changes_what_counts(factor, off):
    """Fault: the diagonal without its 0.6, or Iqbal's 0.34: joints `off` head sizes away change sides."""
    truth, *_ = VECTORS["A identical"]
    moved = truth.replace(xy=truth.xy + [off * truth.head[0], 0])
    right, wrong = (
        ev.evaluate([video(truth.replace(head=truth.head * f))], [moved]).total("recall") for f in (1, factor)
    )
    assert {right, wrong} == {0, 100}


def test_the_eyes_sigma_turns_the_oks_check_red():
    truth, *_ = VECTORS["A identical"]
    one = truth[:1].replace(box=[[0, 0, 150, 100]])
    moved = one.replace(xy=one.xy + [10, 0])
    sigmas = OKS_SIGMAS.copy()
    sigmas[[JOINTS.index("head_bottom"), JOINTS.index("head_top")]] = 0.025
    assert geometry.oks(moved, one)[0, 0] - geometry.oks(moved, one, sigmas=sigmas)[0, 0] > 0.02


# --- what the notebook builds by hand, against helpers that are broken -----------------------------

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "01_data_and_metrics.ipynb"


@pytest.fixture(scope="module")
def hand():
    """The notebook's own `…_by_hand` functions, and `one_joint`, which feeds two of them."""
    space = {"np": np, "linear_sum_assignment": linear_sum_assignment, "OKS_SIGMAS": OKS_SIGMAS}
    for cell in nbformat.read(NOTEBOOK, 4).cells:
        if cell.cell_type == "code":
            mine = [
                n
                for n in ast.parse(cell.source).body
                if isinstance(n, ast.FunctionDef) and n.name.endswith(("_by_hand", "one_joint"))
            ]
            exec(compile(ast.Module(mine, []), cell.source, "exec"), space)
    return SimpleNamespace(**space)


@pytest.fixture(scope="module")
def noisy(clips):
    """One clip with tracked, noisy detections; everything is kept, so that much goes wrong."""
    clip = clips[1]
    return clip, track(simulate_detections(clip, 0), FrameToFrame(), len(clip))


def poses(n, rng):
    xy = rng.uniform(0, 60, (n, 15, 2))
    return people(
        xy=xy, present=rng.random((n, 15)) < 0.8, head=rng.uniform(20, 60, n), box=np.tile([0.0, 0, 60, 60], (n, 1))
    )


def pckh_agrees(hand, _):
    rng = np.random.default_rng(0)
    found, truth = poses(6, rng).replace(present=np.ones((6, 15), bool)), poses(5, rng)
    known = list(zip(truth.xy, truth.present, truth.head / 0.6, strict=True))
    mine = [[hand.pckh_by_hand(p, *one) for one in known] for p in found.xy]
    return np.allclose(mine, geometry.pckh(found, truth))


def oks_agrees(hand, _):
    rng = np.random.default_rng(0)
    found, truth = poses(6, rng).replace(present=np.ones((6, 15), bool)), poses(5, rng)
    mine = [[hand.oks_by_hand(p, g, v, 3600.0) for g, v in zip(truth.xy, truth.present, strict=True)] for p in found.xy]
    return np.allclose(mine, geometry.oks(found, truth))


def ap_agrees(hand, noisy, joint=INDEX["right_wrist"]):
    clip, found = noisy
    score, right = [], []
    for t in range(len(clip)):
        here, there = found.at(t), clip.people.at(t)
        if len(there) == 0:
            score.extend(here.joint_score[here.present[:, joint], joint])
            right.extend([False] * (len(score) - len(right)))
            continue
        reach = np.linalg.norm(here.xy[:, None] - there.xy, axis=-1) <= 0.5 * there.head[:, None]
        reach &= here.present[:, None] & there.present
        chosen = hand.assign_by_hand(reach.sum(-1) / np.maximum(1, there.present.sum(1)))
        for i in np.flatnonzero(here.present[:, joint]):
            score.append(here.joint_score[i, joint])
            right.append(chosen[i] >= 0 and reach[i, chosen[i], joint])
    annotated = clip.people.present[:, joint].sum()
    mine = hand.average_precision_by_hand(np.array(score), np.array(right), annotated)
    return np.isclose(mine, ev.average_precision(ev.ap_samples(ev.pair_up([clip], [found])))[joint])


def mot_agrees(hand, noisy):
    clip, found = noisy
    counts = ev.clear_mot([clip], [found])
    mine = [hand.clear_mot_by_hand(hand.one_joint(clip, found, j)) for j in (0, 6, 13)]
    return all(getattr(counts, k)[0, j] == n for j, m in zip((0, 6, 13), mine, strict=True) for k, n in m.items())


def hota_agrees(hand, noisy):
    clip, found = noisy
    whole, places = ev.hota([clip], [found]), ((0, 0), (6, 9), (13, 18))
    mine = [hand.hota_by_hand(hand.one_joint(clip, found, j), ev.HOTA_ALPHAS[a]) for j, a in places]
    return np.allclose(mine, [(whole.detection[a, j], whole.association[a, j]) for j, a in places])


def vectors_agree(*_):
    scores = [ev.evaluate([video(truth)], [found], True) for truth, found, *_ in VECTORS.values()]
    ours = [[s.total(m) for m in ("AP", "MOTA", "precision", "recall")] for s in scores]
    return np.allclose(ours, [expected for _, _, *expected in VECTORS.values()], rtol=0, atol=5e-4)


CHECKS = pckh_agrees, oks_agrees, ap_agrees, mot_agrees, hota_agrees, vectors_agree


@pytest.mark.parametrize("check", CHECKS)
def test_checks_are_green_without_a_fault(check, hand, noisy):
    assert check(hand, noisy)


def seven_groups(per_joint):
    """Fault: Total as the mean of the seven groups."""
    groups = {g: np.nanmean(np.asarray(per_joint)[[INDEX[n] for n in names]]) for g, names in GROUPS.items()}
    return groups | {"Total": np.mean(list(groups.values()))}


def without_envelope(weight, correct, last, positives):
    """Fault: the area under the raw precision, not under its envelope."""
    hits, samples = np.cumsum(weight * correct)[last], np.cumsum(weight)[last]
    return 100 * np.sum(np.diff(np.r_[0, hits / positives]) * hits / samples)


def shared_people(pairs):
    """Fault: several predictions may be assigned to one person."""
    assigned = np.full(len(pairs.predicted), -1)
    near = pairs.matches.sum(1) > 0
    assigned[pairs.predicted_row[near]] = pairs.truth_row[near]
    return assigned


def no_partner_stays(self, previous, hypothesis_ids, hypotheses, valid):
    """Fault: every frame is matched afresh."""
    return np.zeros_like(valid)


def one_track(track, video):
    """Fault: all track ids are one."""
    return np.zeros(len(track), int)


full = geometry.joint_distances
eyes = np.where(np.isin(np.arange(15), (INDEX["head_bottom"], INDEX["head_top"])), 0.025, OKS_SIGMAS)
FAULTS = {
    "PCKh within 0.6 head sizes": (pckh_agrees, geometry.pckh, "__defaults__", (0.6,)),
    "head size without its 0.6": (pckh_agrees, geometry, "joint_distances", lambda a, b: 0.6 * full(a, b)),
    "OKS with k = sigma": (oks_agrees, geometry.oks, "__defaults__", (None, OKS_SIGMAS / 2)),
    "OKS with the eyes' sigma": (oks_agrees, geometry.oks, "__defaults__", (None, eyes)),
    "AP within 0.6 head sizes": (ap_agrees, "evaluator", "PCKH_THRESHOLD", 0.6),
    "AP without the envelope": (ap_agrees, "evaluator", "_area", without_envelope),
    "AP with people shared": (ap_agrees, "evaluator", "assign_poses", shared_people),
    "MOTA within 0.6 head sizes": (mot_agrees, "evaluator", "PCKH_THRESHOLD", 0.6),
    "partners do not stay together": (mot_agrees, mot._MotState, "_keep", no_partner_stays),
    "HOTA reaches a whole head size": (hota_agrees, "evaluator", "HOTA_REACH", 1.0),
    "HOTA takes all tracks for one": (hota_agrees, "evaluator", "_whole_set_ids", one_track),
    "Total of seven groups": (vectors_agree, "evaluator", "group_means", seven_groups),
    "an empty frame is not stood in for": (vectors_agree, "evaluator", "_dummy_objects", lambda *_: None),
    "no switch is ever seen": (vectors_agree, "evaluator", "_compact_ids", one_track),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_helper_turns_its_check_red(fault, hand, noisy, monkeypatch):
    check, place, name, broken = FAULTS[fault]
    if place == "evaluator":
        put_everywhere(monkeypatch, name, broken)
    else:
        monkeypatch.setattr(place, name, broken)
    assert not check(hand, noisy)
