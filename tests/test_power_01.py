"""Power tests of notebook 01: a named fault in a helper must turn each of its claims and checks red."""

import numpy as np
import pytest

from helpers import evaluation as ev, geometry, ledger, puppets
from helpers.skeleton import GROUPS, INDEX, JOINTS, OKS_SIGMAS
from helpers.tracking import controls, track
from helpers.tracking.detections import keep_confident, simulate_detections
from helpers.tracking.frame_to_frame import FrameToFrame
from tests.test_evaluation import VECTORS, video


@pytest.fixture(scope="module")
def clips():
    return puppets.videos("val", n=8, render=False, labelled="all")


def totals(clips, give, joint=0.0):
    """(errors, objects) a video, both summed over joints, of one way to give ids."""
    kept = [keep_confident(simulate_detections(v, 0), joint=joint) for v in clips]
    c = ev.clear_mot(clips, [give(p, v) for p, v in zip(kept, clips)])
    return (c.misses + c.false_positives + c.switches).sum(1), c.objects.sum(1)


def verdict(claim, a, b):
    """The ledger's verdict on MOTA(a) − MOTA(b), over resampled videos."""
    score = lambda pair, w: 100 * (1 - (w @ pair[0]) / (w @ pair[1]))
    statistic = lambda w, _: score(a, w) - score(b, w)
    n = len(a[0])
    return ledger.Result(claim, "puppets", statistic(np.ones(n), None), ledger.paired_bootstrap(statistic, n), n, 1).verdict


def boxes(p, v):
    return track(p, FrameToFrame(), len(v))


def test_pt_c7_holds_and_a_charged_constant_id_turns_it_red(clips):
    real = totals(clips, boxes)
    assert verdict("PT-C7", totals(clips, lambda p, v: controls.constant_ids(p)), real) == "holds"
    # Fault: the loophole closed, each further person with the same id in a frame is a detection of its own.
    unique = lambda p, v: p.replace(track=np.arange(len(p)))
    assert verdict("PT-C7", totals(clips, unique), real) == "contradicted"


def test_dt_c3_holds_and_ids_that_follow_the_truth_turn_it_red(clips):
    real = totals(clips, boxes, .5)
    assert verdict("DT-C3", real, totals(clips, lambda p, v: controls.random_ids(p, 0), .5)) == "holds"
    # Fault: "random" ids that are secretly the truth's.
    assert verdict("DT-C3", real, totals(clips, lambda p, v: controls.truth_ids(p, v.people), .5)) == "contradicted"


def test_poses_off_by_one_frame_cost_mota(clips):
    def late(p, v):
        """Fault: poses and truth are one frame apart."""
        moved = boxes(p, v)
        return moved.replace(frame=np.minimum(moved.frame + 1, len(v) - 1))[moved.frame < len(v) - 1]
    a, b = totals(clips, late, .5), totals(clips, boxes, .5)
    assert (a[0].sum() - b[0].sum()) / b[1].sum() > .05


def head_ap(clips, export):
    truth = [v.people.replace(joint_score=np.full((len(v.people), 15), .9)) for v in clips]
    ap = ev.average_precision(ev.ap_samples(ev.pair_up(clips, [export(p) for p in truth])))
    return np.nanmean(ap[[INDEX[n] for n in GROUPS["Head"]]])


def shoulder_neck(p, joint="head_bottom"):
    left, right = INDEX["left_shoulder"], INDEX["right_shoulder"]
    both = p.present[:, left] & p.present[:, right] & p.present[:, INDEX[joint]]
    xy = p.xy.copy()
    xy[both, INDEX[joint]] = (p.xy[both, left] + p.xy[both, right]) / 2
    return p.replace(xy=xy)


def test_o_26_holds_and_a_moved_joint_outside_the_head_turns_it_red(clips):
    loss = head_ap(clips, lambda p: p) - head_ap(clips, shoulder_neck)
    assert ledger.verdict(loss, (loss, loss), (.1, None)) == "holds"
    other = head_ap(clips, lambda p: p) - head_ap(clips, lambda p: shoulder_neck(p, "left_wrist"))
    assert abs(other) < loss / 20


def swapped_ids(p):
    return p.replace(track=np.where(p.frame % 2, p.track[::-1], p.track))


def mixed_joints(p):
    return p.replace(xy=p.xy[:, np.roll(np.arange(15), 1)])


@pytest.mark.parametrize("case, fault", [("A identical", swapped_ids), ("A identical", mixed_joints), ("J person missing", mixed_joints)])
def test_a_fault_in_the_predictions_moves_a_vector(case, fault):
    truth, predicted, *expected = VECTORS[case]
    s = ev.evaluate([video(truth)], [fault(predicted)], True)
    assert [s.total(m) for m in ("AP", "MOTA", "precision", "recall")] != pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("factor, off", [(1 / .6, .7), (.34 / .5, .45)])
def test_another_head_size_changes_what_counts(factor, off):
    """Fault: the diagonal without its 0.6, or Iqbal's 0.34: joints `off` head sizes away change sides."""
    truth, *_ = VECTORS["A identical"]
    moved = truth.replace(xy=truth.xy + [off * truth.head[0], 0])
    right, wrong = (ev.evaluate([video(truth.replace(head=truth.head * f))], [moved]).total("recall") for f in (1, factor))
    assert {right, wrong} == {0, 100}


def test_the_eyes_sigma_turns_the_oks_check_red():
    truth, *_ = VECTORS["A identical"]
    one = truth[:1].replace(box=[[0, 0, 150, 100]])
    moved = one.replace(xy=one.xy + [10, 0])
    sigmas = OKS_SIGMAS.copy()
    sigmas[[JOINTS.index("head_bottom"), JOINTS.index("head_top")]] = .025
    assert geometry.oks(moved, one)[0, 0] - geometry.oks(moved, one, sigmas=sigmas)[0, 0] > .02
