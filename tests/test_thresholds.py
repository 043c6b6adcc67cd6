"""Thresholds before tracking and at export, against hand-made scenes, exhaustion and scipy."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, logit

from helpers import WorkbookError, evaluation, papers, puppets, verdicts
from helpers.detections.simulated import simulate_detections
from helpers.experiments import thresholds
from helpers.experiments.thresholds import LEFT_OUT, MISPLACED, NOBODY, NOT_COUNTED, RIGHT, Chosen, Sweep
from helpers.people import Video, concatenate, nobody, people
from helpers.skeleton import INDEX, N_JOINTS

seeds = st.integers(0, 2**32 - 1)
POSE = np.c_[np.arange(N_JOINTS) * 3.0, np.arange(N_JOINTS) * 5.0]


def person(frame, shift=0.0, score=1.0, joint_score=1.0, present=True, **more):
    """One person, the standard pose moved sideways, in a box around it."""
    xy = POSE + (shift, 0)
    return people(
        frame=[frame],
        xy=xy[None],
        box=[[xy[0, 0], 0, xy[-1, 0], 75]],
        score=[score],
        joint_score=np.broadcast_to(joint_score, (1, N_JOINTS)),
        present=np.broadcast_to(present, (1, N_JOINTS)),
        **more,
    )


def scene(n_frames=6, people_a_frame=3, seed=0):
    """A video of people who stand still, and noisy detections of them with informative scores."""
    rng = np.random.default_rng(seed)
    truth = concatenate(
        [
            person(t, 100 * k, track=[k], head=[10.0], present=rng.random(N_JOINTS) < 0.8)
            for t in range(n_frames)
            for k in range(people_a_frame)
        ]
    )
    off = rng.random(truth.present.shape) < 0.3
    found = people(
        frame=truth.frame,
        box=truth.box,
        xy=truth.xy + 40 * off[..., None],
        score=rng.random(len(truth)),
        joint_score=rng.normal(2.0 - 2.0 * off, 1.0),
    )
    return Video("scene", (640, 90), np.ones(n_frames, bool), truth), found


# --- the filters --------------------------------------------------------------------------------


def test_boxes_are_filtered_before_linking_by_score_and_area():
    found = concatenate(
        [person(0, score=0.4), person(0, 100, score=0.6), person(0, 200, score=0.9).replace(box=[[200, 0, 207, 7]])]
    )
    video = Video("v", (640, 90), np.ones(1, bool), nobody())
    assert thresholds.link(found, video, 0.5).score.tolist() == [0.6]  # 49 px² are too few
    assert thresholds.link(found, video, 0.0).score.tolist() == [0.4, 0.6]
    barely = person(0, score=0.5).replace(box=[[0, 0, 5, 10]])  # exactly both thresholds
    assert len(thresholds.link(barely, video, 0.5)) == 1


def test_export_drops_boxes_and_joints_once_more():
    joints = np.zeros(N_JOINTS)
    joints[:3] = 1.94, 1.95, 2.0
    found = concatenate(
        [
            person(0, score=0.49, joint_score=9.0),
            person(0, 100, score=0.5, joint_score=joints),
            person(0, 200, joint_score=0.0),
        ]
    )
    out = thresholds.exported(found, 1.95)
    assert len(out) == 1 and np.flatnonzero(out.present[0]).tolist() == [1, 2]


def test_a_box_that_is_linked_but_not_exported_can_take_the_id():
    """What O-24 is about: at threshold 0 the unsure box takes part in linking, at 0.5 it does not."""
    found = concatenate([person(0, 0), person(1, 2), person(1, 0, score=0.3)])
    video = Video("v", (640, 90), np.ones(2, bool), nobody())

    def ids(t):
        return thresholds.exported(thresholds.link(found, video, t)).track.tolist()

    assert ids(0.0) == [0, 1] and ids(0.5) == [0, 0]


def test_only_labelled_frames_are_linked_when_asked():
    found = concatenate([person(t, t) for t in range(5)])
    video = Video("v", (640, 90), np.array([1, 0, 1, 0, 1], bool), nobody())
    linked = thresholds.link(found, video, labelled=True)
    assert linked.frame.tolist() == [0, 2, 4] and linked.track.tolist() == [0, 0, 0]


@settings(max_examples=20, deadline=None)
@given(seeds, st.floats(0, 1), st.floats(-1, 4))
def test_what_is_exported_shrinks_with_both_thresholds(seed, person_threshold, joint):
    video, found = scene(seed=seed)

    def export(p, j):
        return thresholds.exported(thresholds.link(found, video, p), j, 0.0)

    def count(p, j):
        return export(p, j).present.sum()

    assert count(person_threshold, joint) <= min(count(0.0, joint), count(person_threshold, -np.inf))


# --- fates ---------------------------------------------------------------------------------------


def test_fates_of_a_hand_made_frame():
    nose, ankle, wrist = (INDEX[n] for n in ("nose", "right_ankle", "left_wrist"))
    annotated = np.ones(N_JOINTS, bool)
    annotated[ankle] = False
    truth = person(1, track=[0], head=[10.0], present=annotated)
    video = Video("v", (900, 90), np.array([0, 1], bool), truth)
    predicted = np.ones(N_JOINTS, bool)
    predicted[wrist] = False
    found = concatenate([person(1, 700), person(0), person(1, 4.9, present=predicted)])
    moved = found.xy.copy()
    moved[2, nose] += 30
    found = found.replace(xy=moved)
    fate = thresholds.fates(video, found)
    assert (fate[0] == NOBODY).all() and (fate[1] == NOT_COUNTED).all()
    assert fate[2, ankle] == LEFT_OUT and fate[2, nose] == MISPLACED and fate[2, wrist] == NOT_COUNTED
    assert (fate[2] == RIGHT).sum() == N_JOINTS - 3


def test_fates_without_anybody():
    video, found = scene()
    assert thresholds.fates(video, nobody()).shape == (0, N_JOINTS)
    empty = Video("v", video.size, video.labelled, nobody())
    assert (thresholds.fates(empty, found) == NOBODY).all()


def test_right_joints_are_those_that_ap_calls_correct():
    video, found = scene()
    samples = evaluation.ap_samples(evaluation.pair_up([video], [found]))
    joints = thresholds.predicted_joints([video], [found])
    for j in range(N_JOINTS):
        mine = joints["joint"] == j
        order = np.argsort(-joints["score"][mine])
        assert np.array_equal(joints["right"][mine][order], samples.correct[j])


def test_left_out_counts_labelled_people_who_have_a_joint():
    half = np.arange(N_JOINTS) < 7
    truth = concatenate(
        [person(0, present=half), person(0, 100), person(0, 200, present=False), person(1, present=half)]
    )
    shares = thresholds.left_out([Video("v", (9, 9), np.array([1, 0], bool), truth)])
    assert np.allclose(shares, np.where(half, 0, 0.5))
    never = thresholds.left_out([Video("v", (9, 9), np.ones(2, bool), person(0, present=half))])
    assert np.isnan(never[7:]).all() and (never[:7] == 0).all()


# --- where a threshold belongs ---------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 30))
def test_best_threshold_is_that_of_exhaustion(seed, n):
    rng = np.random.default_rng(seed)
    score, right = np.round(rng.normal(size=n), 1), rng.random(n) < 0.5  # with ties

    def earns(t):
        return (2.0 * right[score >= t] - 1).sum()

    assert earns(thresholds.best_threshold(score, right)) == max(map(earns, [*score, np.inf]))


def test_best_threshold_drops_everything_where_every_choice_loses():
    assert thresholds.best_threshold(np.array([2.0, 1.0]), np.array([False, True])) == np.inf
    assert thresholds.best_threshold(np.zeros(0), np.zeros(0, bool)) == np.inf


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_calibration_is_the_most_likely_curve(seed):
    rng = np.random.default_rng(seed)
    score = rng.normal(1, 2, 300)
    right = rng.random(300) < 1 / (1 + np.exp(0.5 - 0.7 * score))
    assume(0 < right.sum() < 300)

    def loss(w):
        return np.logaddexp(0, -(2 * right - 1) * (w[0] + w[1] * score)).sum()

    assert loss(thresholds.calibrate(score, right)) <= minimize(loss, [0, 0]).fun + 1e-6


def test_calibration_and_its_inverse():
    curve = thresholds.calibrate(np.array([0.0, 0, 0, 0, 1, 1, 1, 1]), np.array([1, 0, 0, 0, 1, 1, 1, 0], bool))
    assert np.allclose(curve, (np.log(1 / 3), 2 * np.log(3)))  # odds 1 : 3 at 0 and 3 : 1 at 1
    assert np.isclose(thresholds.score_at(0.5, curve), 0.5) and np.isclose(thresholds.score_at(0.75, curve), 1)


@pytest.mark.parametrize(
    "score, right",
    [
        (range(3), (1, 1, 1)),  # nothing wrong
        (range(3), (0, 0, 0)),
        (range(4), (0, 0, 1, 1)),  # separable
        (range(4), (1, 1, 0, 0)),
        ((0, 1, 1, 2), (0, 0, 1, 1)),  # they touch: steeper is still likelier
        ((0, 1, 1, 2), (1, 1, 0, 0)),
        ((1, 1, 1, 1), (0, 1, 0, 1)),  # one score: every slope is as likely
        ((), ()),
    ],
)
def test_scores_without_a_most_likely_curve_are_refused(score, right):
    with pytest.raises(WorkbookError, match="whose scores overlap"):
        thresholds.calibrate(np.array(score, float), np.array(right, bool))


def test_barely_overlapping_scores_have_a_curve():
    offset, slope = thresholds.calibrate(np.array([0, 1, 2, 3.0]), np.array([0, 1, 0, 1], bool))
    assert np.isclose(offset, -1.5 * slope) and 0.5 < slope < 2


# --- measuring ------------------------------------------------------------------------------------


def test_a_sweep_measures_what_the_evaluation_does():
    video, found = scene()
    measured = Sweep([video], [[found]]).at(0.3, 1.0, 0.4)
    tracked = thresholds.exported(thresholds.link(found, video, 0.3), 1.0, 0.4)
    scores = evaluation.evaluate([video], [tracked])
    for name in ("mota", "precision", "recall"):
        assert np.isclose(getattr(measured, name)(), scores.total(name))
    assert np.isclose(measured.ap(rank="joint"), scores.total("ap"))
    assert np.isclose(measured.switch_share(), np.mean(100 * scores.switches / scores.counts.sum().objects))
    box = tracked.replace(joint_score=np.repeat(tracked.score[:, None], N_JOINTS, 1))
    assert np.isclose(measured.ap(), evaluation.evaluate([video], [box]).total("ap"))


def test_weights_are_repetitions():
    parts = [scene(seed=s) for s in range(3)]
    videos, found = [v for v, _ in parts], [p for _, p in parts]
    weighted = Sweep(videos, [found]).at(0.0, 1.0)
    order = [0, 2, 2]
    repeated = Sweep([videos[i] for i in order], [[found[i] for i in order]]).at(0.0, 1.0)
    w = np.array([1, 0, 2])
    for name in ("mota", "precision", "recall", "switch_share", "ap"):
        assert np.isclose(getattr(weighted, name)(w), getattr(repeated, name)()), name


def test_seeds_are_weighted_and_joints_without_annotation_left_out():
    video, first = scene()
    _, second = scene(seed=1)
    ankle_less = video.people.replace(present=video.people.present & (np.arange(N_JOINTS) > 0))
    video = Video("v", video.size, video.labelled, ankle_less)
    both = Sweep([video], [[first], [second]]).at()
    alone = [Sweep([video], [[p]]).at() for p in (first, second)]
    assert np.isnan(both.ap_of_joints()[0]) and np.isfinite(both.ap_of_joints()[1:]).all()
    assert np.isclose(both.ap(), np.mean([m.ap() for m in alone]))
    assert np.isclose(both.mota(None, np.array([0, 2])), alone[1].mota())


def test_a_monotone_map_changes_no_curve():
    video, found = scene()
    mapped = found.replace(joint_score=1 / (1 + np.exp(-found.joint_score)))
    for t in (0.0, 1.0, 2.0):
        a, b = (Sweep([video], [[p]]).at(0.0, x) for p, x in ((found, t), (mapped, 1 / (1 + np.exp(-t)))))
        assert all(np.array_equal(c, vars(b.counts)[name]) for name, c in vars(a.counts).items())
        assert a.ap(rank="joint") == b.ap(rank="joint")


def test_regret_of_one_threshold_for_another_network():
    parts = [scene(n_frames=8, seed=s) for s in range(4)]
    videos, found = [v for v, _ in parts], [p.replace(score=np.where(p.score > 0.5, 0.9, 0.4)) for _, p in parts]
    shifted = [p.replace(score=p.score - 0.3) for p in found]  # the same ranking, other numbers
    sweeps = {"a": Sweep(videos, [found]), "b": Sweep(videos, [shifted])}
    grid, half = (0.05, 0.3, 0.5, 0.7), np.array([1, 1, 0, 0.0])
    lost = thresholds.regret(sweeps, grid, [half, 1 - half], {"a": 1.0, "b": 1.0})
    assert lost.shape == (2, 2) and (np.diag(lost) == 0).all()
    all_kept = {n: s.at(0.05, 1.0, 0.0).mota(half) for n, s in sweeps.items()}
    assert np.isclose(all_kept["a"], all_kept["b"])


# --- claims ---------------------------------------------------------------------------------------


class Fixed:
    """A measurement with given numbers."""

    def __init__(self, **values):
        self.__dict__ |= {name: (lambda v=None, s=None, *rank, x=x: x) for name, x in values.items()}


def printed_of(claim):
    return [c["printed"] for c in papers.claim(claim)["components"]]


def test_measures_on_printed_numbers():
    """The printed rows of PT-T2, DT-T1, PT-T5 and KT-T4 give what data/papers calls printed."""
    pt = {0.0: (1.9, 61.0), 0.5: (2.8, 61.0), 0.53: (2.8, 61.0), 0.9: (33.4, 58.3), 0.95: (37.1, 56.3)}
    dt = {0.0: (53.6, 64.1), 0.5: (54.2, 64.1), 0.51: (54.2, 64.1), 0.95: (55.2, 60.6)}
    kt = {0.05: (42.0, 1.0, 81.6), 0.57: (66.6, 0.8, 74.3), 0.6: (66.0, 0.9, 72.8)}

    class Printed:
        def __init__(self, rows):
            self.rows = rows

        def at(self, person=0.0, joint=-np.inf, export=0.5):
            return Fixed(mota=self.rows[person][0], ap=self.rows[person][1])

    class PrintedJoints:
        def at(self, person, joint=-np.inf):
            return Fixed(**dict(zip(("mota", "switch_share", "ap"), kt[joint], strict=True)))

    chosen = Chosen(0.95, 1.95, (0.53, 0.9, 0.95), (0.51, 0.95), (0.9, 0.95), 0.95, (0.05, 0.57, 0.6))
    for claim, sweep in (
        *((c, Printed(pt)) for c in ("PT-C4", "PT-C5")),
        *((c, Printed(dt)) for c in ("DT-C1", "DT-C2")),
        *((c, PrintedJoints()) for c in ("KT-C11", "KT-C12", "KT-C13")),
    ):
        assert np.allclose(thresholds.MEASURES[claim](sweep, chosen, None, None), printed_of(claim)), claim
    groups = ("Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Total")
    before, after = (
        Fixed(mota=m, precision=p, recall=r, mota_of_groups=dict(zip(groups, g, strict=True)))
        for m, p, r, g in (
            (45.0, 75.2, 72.5, (57.2, 63.0, 44.2, 28.2, 50.9, 42.0, 23.0, 45.0)),
            (55.0, 87.9, 66.3, (61.5, 65.2, 57.0, 45.6, 54.0, 52.8, 45.3, 55.0)),
        )
    )
    assert np.allclose(thresholds.drop_balance(before, after), printed_of("PT-C11"))
    assert np.allclose(thresholds.ends_gain_most(before, after), printed_of("PT-C12"))


def test_every_measure_has_the_components_of_its_claim():
    video, found = scene()
    sweep, chosen = Sweep([video, video], [[found, found]]), Chosen(0.5, 1.0, keypoints=(0.0, 1.0, 2.0))
    for claim, measure in thresholds.MEASURES.items():
        assert len(measure(sweep, chosen, None, None)) == len(papers.claim(claim)["components"]), claim


def test_an_end_that_is_best_makes_the_inner_maximum_negative():
    assert thresholds.inner_maximum(5.0, 4.0, 3.0).tolist() == [-1, 1]
    assert thresholds.inner_maximum(1.0, 3.0, 2.0).tolist() == [2, 1]


def test_switches_that_go_with_the_gain_fail_either_way():
    """KT-C13: a change of the share of switches by a tenth of the gain is too much, up or down."""
    low, best = Fixed(mota=40.0, switch_share=3.0), Fixed(mota=50.0, switch_share=1.0)
    assert thresholds.moved_per_switch(low, best).tolist() == [-10, 30]
    assert thresholds.moved_per_switch(Fixed(mota=40.0, switch_share=1.0), Fixed(mota=50.0, switch_share=3.0))[1] == -10


def test_a_threshold_is_found_between_the_points_of_a_curve():
    curve = {"threshold": np.array([0.1, 0.5, 0.9]), "precision": np.array([40.0, 60.0, 80.0])}
    curve["recall"] = np.array([80.0, 70.0, 10.0])
    assert thresholds.threshold_at(curve, "precision", 50.0) == pytest.approx(expit((logit(0.1) + 0) / 2))
    assert thresholds.threshold_at(curve, "precision", 60.0) == pytest.approx(0.5)
    assert np.isnan(thresholds.threshold_at(curve, "precision", 39.0))
    assert np.isnan(thresholds.threshold_at(curve, "precision", 81.0))
    assert 0.5 < thresholds.threshold_at(curve, "recall", 65.0) < 0.9
    assert np.isnan(thresholds.threshold_at(curve, "precision", 75.0, least_recall=35.0))  # precise, but nobody is left
    assert thresholds.threshold_at(curve, "precision", 50.0, least_recall=70.0) < 0.5


def test_chosen_thresholds_do_what_was_wanted_where_they_were_chosen():
    """On the tuning videos themselves the matched thresholds reach the printed precision to a point."""
    parts = [simulated_scene(seed) for seed in range(6)]
    tuning = Sweep([v for v, _ in parts], [[p for _, p in parts]])
    curve = thresholds.operating_curve(tuning)
    wanted = (curve["precision"].min() + curve["precision"].max()) / 2
    at = thresholds.threshold_at(curve, "precision", wanted)
    assert tuning.at(at, -np.inf, 0.0).precision() == pytest.approx(wanted, abs=2)
    assert (np.diff(curve["recall"]) <= 1e-9).all()
    chosen = thresholds.choose_keypoints(tuning, thresholds.choose_boxes(tuning, 0.5, 0.3), (0.0, 0.3, 0.6, 0.95))
    assert chosen.keypoints[0] == 0.0 and chosen.keypoints[2] == 0.95
    best = tuning.at(0.5, chosen.keypoints[1]).mota()
    assert best == max(tuning.at(0.5, j).mota() for j in (0.3, 0.6))


def simulated_scene(seed):
    video = puppets.videos("train", n=1, first=seed, render=False)[0]
    return video, simulate_detections(video, seed)


def test_a_threshold_that_there_is_not_leaves_its_component_undecided():
    video, found = scene()
    sweep = Sweep([video, video, video], [[found, found, found]])
    result = thresholds.result("DT-C1", sweep, Chosen(0.5, 1.0), "puppets", "network")
    assert np.isnan(result.components[1].estimate) and result.verdicts[1] == verdicts.UNDECIDED


def test_result_is_measured_and_exact_where_it_is_a_property():
    video, found = scene()
    sweep = Sweep([video, video], [[found, found]])
    exact = thresholds.result("PT-C6", sweep, Chosen(0.5, 1.0), "puppets", "network")
    assert exact.interval == (exact.estimate, exact.estimate) and exact.verdict == verdicts.HOLDS
    difference = thresholds.result("O-25", sweep, Chosen(0.5, 1.0), "puppets", "network")
    assert difference.estimate == abs(sweep.at(0.5).ap() - sweep.at(0.5, 1.0).ap())
    measured = thresholds.result("PT-C11", sweep, Chosen(0.5, 1.0), "puppets", "network")
    assert measured.n_videos == 2 and len(measured.components) == 3
    assert all(np.allclose(c.interval, c.estimate) for c in measured.components)  # equal videos: no spread


class Recording:
    """A sweep that notes how it is asked; MOTA is what `mota` says of the joint threshold."""

    def __init__(self, mota=lambda joint: 0.0):
        self.asked, self.mota = [], mota

    def at(self, person=0.0, joint=-np.inf, export=0.5):
        self.asked.append((person, joint, export))
        return Fixed(mota=self.mota(joint), recall=70.0)


def test_a_printed_precision_asks_for_half_of_the_recall_beside_it(monkeypatch):
    asked = []
    monkeypatch.setattr(thresholds, "operating_curve", lambda sweep, joint=-np.inf: joint)
    monkeypatch.setattr(thresholds, "threshold_at", lambda *call: asked.append(call) or 0.5)
    thresholds.choose_boxes(Recording(), 0.5, 2.0)
    assert asked == [
        *((-np.inf, "precision", p, r / 2) for p, r in ((53.0, 77.6), (67.4, 72.1), (70.9, 69.0))),
        *((2.0, "precision", p, r / 2) for p, r in ((83.3, 70.8), (88.1, 66.5))),
        *((-np.inf, "recall", pytest.approx(70 - lost)) for lost in (5.5, 8.6)),
        (2.0, "recall", pytest.approx(70 - 4.3)),
    ]


def test_the_best_keypoint_threshold_is_never_an_end():
    for mota in (lambda joint: joint, lambda joint: -joint):
        chosen = thresholds.choose_keypoints(Recording(mota), Chosen(0.5, 1.0), (0.1, 0.2, 0.3, 0.4))
        assert chosen.keypoints[0] == 0.1 and chosen.keypoints[2] == 0.4 and chosen.keypoints[1] in (0.2, 0.3)


def test_detect_and_tracks_steps_are_without_low_scored_joints_and_protrackers_with_them():
    chosen = Chosen(0.5, 1.5, (0.1, 0.2, 0.3), (0.6, 0.7))
    for claim, joint, boxes in (("DT-C1", 1.5, chosen.dt_precise), ("PT-C4", -np.inf, chosen.pt_precise)):
        sweep = Recording()
        thresholds.MEASURES[claim](sweep, chosen, None, None)
        assert sorted(sweep.asked) == sorted([(0.0, joint, 0.5), (0.5, joint, 0.5), *((b, joint, 0.0) for b in boxes)])
