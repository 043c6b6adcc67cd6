"""Simulated detections: every constant does what its name says, and together they err as the network does."""

from dataclasses import fields, replace
from functools import cache
from zlib import crc32

import numpy as np
import pytest
from scipy.special import expit, logit, ndtr

from helpers import WorkbookError, datasets, worlds
from helpers.datasets import bonn
from helpers.detections import simulated
from helpers.detections.filters import keep_confident
from helpers.detections.simulated import FLOOR, DetectorNoise, simulate_detections
from helpers.experiments import detection_statistics as statistics
from helpers.experiments import detector_fit, links, metrics, noise_sensitivity
from helpers.geometry import box_iou
from helpers.people import Video, concatenate, nobody, people
from helpers.skeleton import FLIP, INDEX, N_JOINTS
from helpers.tracking import controls, track
from helpers.tracking.frame_to_frame import FrameToFrame
from helpers.tracking.matching import greedy, hungarian
from tests.test_tracking import figure, walkers

#: A detector that makes no error; `mirrored`, `swapped` and the others are put in one by one.
CLEAN = DetectorNoise(
    sure_spread=0, sure_hidden=0, missed=0, jitter=0, outliers=0, mirrored=0, swapped=0, guessed=0, box_jitter=0
)
CLEAN = replace(CLEAN, false_alarms=0, joint_spread=0)


def made(video, seed=0, **noise):
    return simulate_detections(video, seed, replace(CLEAN, **noise))


def standing(n_frames):
    """Four people who do not move."""
    x = np.tile(np.arange(4) * 60.0, n_frames)
    p = figure(x, frame=np.repeat(np.arange(n_frames), 4), track=np.tile(np.arange(4), n_frames))
    return Video("still", (300, 100), np.ones(n_frames, bool), p)


def in_order(found, video):
    """Detections in the order of the truth, by perfect association."""
    known = controls.truth_ids(found, video.people, 5.0)
    return known[np.lexsort((known.track, known.frame))]


# --- what they are -------------------------------------------------------------------------------------


def test_detections_depend_on_seed_name_and_length_alone():
    video = walkers(1, 20)[0]
    found = simulate_detections(video, 3)
    assert not np.array_equal(simulate_detections(video, 4).box[:9], found.box[:9])
    renamed = Video("other", video.size, video.labelled, video.people)
    assert not np.array_equal(simulate_detections(renamed, 3).box[:9], found.box[:9])
    longer = Video(video.name, video.size, np.r_[video.labelled, False], video.people)
    assert not np.array_equal(simulate_detections(longer, 3).box[:9], found.box[:9])
    again = Video(video.name, (1, 1), video.labelled, video.people)
    for field in ("xy", "box", "score", "joint_score", "present", "frame"):
        assert np.array_equal(getattr(simulate_detections(again, 3), field), getattr(found, field))
    assert crc32(b"walk0") == crc32(video.name.encode())  # no hash that changes from run to run


def test_scores_lie_in_the_open_unit_interval_and_nothing_else_is_known():
    found = simulate_detections(walkers(1, 100)[0], 0)
    assert ((found.score > 0) & (found.score < 1)).all() and found.score.min() >= FLOOR
    assert ((found.joint_score > 0) & (found.joint_score < 1))[found.present].all()
    assert (found.track == -1).all() and np.isnan(found.head).all() and np.isfinite(found.box).all()
    assert (found.box[:, 2:] > found.box[:, :2]).all()


def test_detections_come_by_frame_in_random_order_and_without_noise_are_the_truth():
    video = walkers(1, 40)[0]
    clean = made(video)
    assert (np.diff(clean.frame) >= 0).all() and len(clean) == len(video.people)
    assert len({tuple(np.argsort(now.xy[:, 0, 0])) for now in clean.by_frame(40)}) > 10
    exact = in_order(clean, video)
    everybody = video.people[np.lexsort((video.people.track, video.people.frame))]
    assert np.allclose(exact.xy, everybody.xy) and np.array_equal(exact.track, everybody.track)
    assert np.allclose(exact.score, expit(CLEAN.sure)) and np.allclose(exact.joint_score, expit(CLEAN.joint_right))


def test_a_box_is_the_truths_or_around_the_joints_and_a_head_wide_at_least():
    one = figure([0.0], frame=[0], track=[0]).replace(box=np.full((1, 4), np.nan))
    video = Video("v", (300, 100), np.ones(1, bool), one)
    width = np.ptp(one.xy[0, :, 0])
    assert np.isclose(np.diff(made(video).box[0, [0, 2]]), 1.3 * width)  # no box: 15 % on every side of the joints
    boxed = Video("v", (300, 100), np.ones(1, bool), one.replace(box=[[1, 2, 30, 40]]))
    assert made(boxed).box.tolist() == [[1, 2, 30, 40]]
    single = one.replace(present=np.eye(1, N_JOINTS, 3, dtype=bool))
    assert np.isclose(np.diff(made(Video("v", (300, 100), np.ones(1, bool), single)).box[0, [1, 3]]), 10)


def test_nobody_gives_nobody_and_an_unknown_head_is_one_sentence():
    assert len(simulate_detections(Video("empty", (300, 100), np.ones(4, bool), nobody()), 0)) == 0
    video = walkers(1, 5)[0]
    for head in (np.nan, 0.0):
        wrong = np.where(np.arange(len(video.people)) == 7, head, video.people.head)
        with pytest.raises(WorkbookError, match="walk0: people.head is not known for everybody"):
            simulate_detections(Video("walk0", (300, 100), video.labelled, video.people.replace(head=wrong)), 0)
    bodiless = people(frame=[0], head=[np.nan])  # who has no joint is not looked for
    assert len(simulate_detections(Video("v", (9, 9), np.ones(1, bool), bodiless), 0)) == 0


# --- one constant at a time ---------------------------------------------------------------------------


def test_who_is_missed_stays_missed_and_equally_many_are_in_every_frame():
    video = walkers(1, 1000)[0]
    seen = np.array([np.isin(range(4), now.track) for now in in_order(made(video, missed=0.2), video).by_frame(1000)])
    assert abs(1 - seen.mean() - 0.2) < 0.06
    assert (seen[1:] != seen[:-1]).mean() < 0.15  # 0.32 without memory
    assert len(made(video, missed=1.0)) == 0


def test_the_hidden_get_unsure_and_then_lost():
    video = walkers(1, 800)[0]
    half = video.people.replace(present=video.people.present & (np.arange(15) < 8))
    mixed = concatenate([video.people[video.people.track < 2], half[half.track >= 2]])
    video = Video("mixed", video.size, video.labelled, mixed)
    found = in_order(made(video, sure=2.0, sure_hidden=6.0, sure_spread=2.0), video)
    for rows, mean in ((found.track < 2, 2.0), (found.track >= 2, 2.0 - 6.0 * 7 / 15)):
        share = ndtr((mean - logit(FLOOR)) / 2)  # of a normal number above the floor
        assert abs(rows.sum() / 1600 - share) < 0.06
    visible = found.score[found.track < 2]
    assert abs(np.median(logit(visible)) - 2.0) < 0.2 and visible.min() >= FLOOR


def test_errors_have_the_size_of_their_group_and_last():
    video = walkers(1, 1000)[0]
    everybody = video.people[np.lexsort((video.people.track, video.people.frame))]
    found = in_order(made(video, jitter=0.02, jitter_lasts=0.5, memory=0.8, joint_spread=0.0), video)
    error = ((found.xy - everybody.xy) / 10).reshape(1000, 4, 15, 2)  # the head is 10 px
    ratio = error.std((0, 1, 3)) / (0.02 * np.exp(0.35**2))  # of a log-normal difficulty
    assert np.allclose(ratio, CLEAN.factors, rtol=0.12)
    assert len(set(CLEAN.factors.tolist())) > 3 and CLEAN.factors[INDEX["nose"]] == CLEAN.groups[0]
    for k in (1, 4):
        assert abs(np.corrcoef(error[k:].ravel(), error[:-k].ravel())[0, 1] / (0.5 * 0.8**k) - 1) < 0.2


def test_errors_fade_with_the_frames_that_are_not_labelled():
    """Of two frames five apart the correlation is memory⁵, whether the frames between are labelled or not."""
    frame, track = (x.ravel() for x in np.meshgrid(np.arange(0, 15000, 5), np.arange(4), indexing="ij"))
    sparse = people(frame=frame, track=track)
    last = simulated._lasting(np.random.default_rng(0), sparse, 0.9, 1.0).reshape(3000, 4)
    assert abs(np.corrcoef(last[1:].ravel(), last[:-1].ravel())[0, 1] - 0.9**5) < 0.03
    assert abs(last.std() - 1) < 0.05


def test_outliers_are_as_many_and_as_far_as_they_say():
    video = walkers(1, 800)[0]
    everybody = video.people[np.lexsort((video.people.track, video.people.frame))]
    found = in_order(made(video, outliers=0.1, outlier_size=0.3, groups=(1,) * 7), video)
    off = np.linalg.norm(found.xy - everybody.xy, axis=-1) / 10
    assert abs((off > 0).mean() - 0.1) < 0.025
    assert abs(np.sqrt((off[off > 0] ** 2).mean() / 2) / 0.3 - 1) < 0.1


def test_mirrored_joints_are_the_bodys_other_side():
    video = walkers(1, 500)[0]
    everybody = video.people[np.lexsort((video.people.track, video.people.frame))]
    assert np.allclose(in_order(made(video, mirrored=1.0), video).xy, everybody.xy[:, FLIP])
    found = in_order(made(video, mirrored=0.3), video)
    mirrored = (found.xy == everybody.xy[:, FLIP]).all(-1)[:, :12]
    assert (mirrored | (found.xy == everybody.xy).all(-1)[:, :12]).all() and abs(mirrored.mean() - 0.3) < 0.04
    again = mirrored.reshape(500, 4, 12)
    assert (again[1:] & again[:-1]).sum() / again[:-1].sum() > 0.6  # 0.3 without memory
    hidden = everybody.replace(present=everybody.present & (np.arange(15) != INDEX["left_knee"]))
    alone = in_order(made(Video("h", (9, 9), video.labelled, hidden), mirrored=1.0), video)
    knee = INDEX["right_knee"]
    assert np.array_equal(alone.xy[:, knee], everybody.xy[:, knee])  # there is no other side to see


def test_joints_are_taken_from_a_neighbour_within_a_head():
    near = concatenate([figure([0.0, 9.0], frame=[t, t], track=[0, 1]) for t in range(30)])
    video = Video("near", (300, 100), np.ones(30, bool), near)
    first = made(video, swapped=1.0).xy[:, 0, 0].reshape(30, 2)
    assert np.array_equal(np.sort(first, 1), [[0, 9]] * 30)  # they have exchanged all their joints
    assert np.allclose(made(video, swapped=1.0).joint_score, expit(CLEAN.joint_wrong))
    apart = near.replace(xy=near.xy + np.tile([0.0, 2], 30)[:, None, None] * [1, 0])  # 11 px: too far
    for people_, mixed in ((near, True), (apart, False)):
        found = made(Video("v", (300, 100), np.ones(30, bool), people_), swapped=0.5)
        whole = np.isclose(np.ptp(found.xy - figure([0.0]).xy, axis=1), 0).all(-1)
        assert whole.all() != mixed


def test_what_is_not_annotated_is_guessed_if_the_data_set_ever_has_it():
    video = walkers(1, 50)[0]
    hurt = video.people.replace(present=video.people.present & (np.arange(15) != 3))
    hidden = hurt.replace(present=hurt.present | ((np.arange(15) == 3) & (hurt.frame == 0)[:, None]))
    found = made(Video("x", (300, 100), video.labelled, hidden), guessed=0.6, joint_guess=-1.0)
    late = found[found.frame > 0]
    assert abs(late.present[:, 3].mean() - 0.6) < 0.12
    assert np.allclose(late.joint_score[late.present[:, 3], 3], expit(-1))
    assert not made(Video("x", (300, 100), video.labelled, hurt), guessed=1.0).present[:, 3].any()


def test_boxes_err_by_shares_of_their_sides():
    video = walkers(1, 1000)[0]
    boxed = video.people.replace(box=video.people.xy[:, 0].repeat(2, 0).reshape(-1, 4) + [0, 0, 20, 50])
    video = Video("v", (300, 100), video.labelled, boxed)
    everybody = boxed[np.lexsort((boxed.track, boxed.frame))]
    found = in_order(made(video, box_jitter=0.05, box_lasts=1.0, memory=0.9), video)
    off = (found.box - everybody.box) / [20, 50, 20, 50]
    assert np.allclose(off.std(0), 0.05, rtol=0.2)
    steps = off.reshape(1000, 4, 4)
    assert abs(np.corrcoef(steps[1:].ravel(), steps[:-1].ravel())[0, 1] - 0.9) < 0.04


def test_a_joints_score_falls_with_its_error():
    video = standing(300)
    everybody = video.people[np.lexsort((video.people.track, video.people.frame))]
    found = in_order(made(video, jitter=0.15, joint_right=2.0, joint_wrong=-1.0), video)
    off = np.linalg.norm(found.xy - everybody.xy, axis=-1) / 10
    assert np.allclose(logit(found.joint_score), np.where(off < 0.5, 2 - 6 * off, -1), atol=1e-6)
    mixed = in_order(made(video, joint_spread=0.7), video)
    assert abs(logit(mixed.joint_score).std() - 0.7) < 0.05


# --- people who are not there ----------------------------------------------------------------------------


def test_false_alarms_are_as_many_as_they_say_in_labelled_frames():
    video = walkers(1, 2000)[0]
    labelled = np.arange(2000) % 2 == 0
    half = Video("half", video.size, labelled, video.people[labelled[video.people.frame]])
    for lives in (0.0, 0.5, 0.9):
        ghosts = made(half, missed=1.0, false_alarms=2.0, lives=lives)
        assert labelled[ghosts.frame].all() and abs(len(ghosts) / 1000 - 2.0) < 0.3
        first = (ghosts.frame < 100).sum() / 50
        assert 1.0 < first < 3.2  # from the first frame on
    assert len(made(half, missed=1.0)) == 0


def test_false_alarms_live_on_as_often_as_they_say():
    video = standing(600)
    for lives in (0.0, 0.5, 0.8):
        ghosts = made(video, missed=1.0, false_alarms=0.5, lives=lives)
        m = statistics.Matched(video.people, ghosts, np.full(len(video.people), -1), np.full(len(ghosts), -1))
        _, still = statistics.false_people(m)
        assert abs((still[np.isfinite(still)] >= 0.5).mean() - lives) < 0.1


def test_false_alarms_lie_beside_people_and_move_with_them():
    video = walkers(1, 400)[0]
    boxed = video.people.replace(box=np.hstack([video.people.xy.min(1), video.people.xy.max(1)]))
    video = Video("v", (300, 100), video.labelled, boxed)
    where: dict = {"beside_mean": (0.25, 0, 0, 0), "beside_spread": (0, 0, 0, 0)}
    ghosts = made(video, missed=1.0, false_alarms=1.0, lives=0.9, beside=1.0, **where)
    off = made(video, missed=1.0, false_alarms=1.0, lives=0.9, beside=1.0, jitter=0.1, **where).xy - ghosts.xy
    assert np.allclose(off.std((0, 2)), 0.1 * 10 * CLEAN.factors, rtol=0.2)  # with a network's errors
    truth = video.people.by_frame(400)
    iou = [box_iou(ghosts.box[[i]], truth[ghosts.frame[i]].box).max() for i in range(len(ghosts))]
    assert min(iou) > 0.75 / 1.25 - 1e-9  # a quarter of the width aside, in every frame of its life
    far = made(video, missed=1.0, false_alarms=1.0, beside=0.0)
    iou = [box_iou(far.box[[i]], truth[far.frame[i]].box).max() for i in range(len(far))]
    assert np.mean(np.array(iou) > 0.1) < 0.7
    assert np.isclose(np.mean(logit(far.score) - logit(FLOOR)), CLEAN.false_sure, rtol=0.25)
    low, high = ghosts.box[:, None, :2] - 1e-9, ghosts.box[:, None, 2:] + 1e-9
    assert ((ghosts.xy >= low) & (ghosts.xy <= high)).all()  # it sees the joints inside its box


# --- the statistics, by hand ----------------------------------------------------------------------------


def two_people(hits, n_frames=8):
    """Two people who stand still 100 px apart and one detection for each (person, frame) in `hits`, in place."""
    frame, track = (x.ravel() for x in np.meshgrid(np.arange(n_frames), np.arange(2), indexing="ij"))
    truth = figure(track * 100.0, frame=frame, track=track)
    video = Video("two", (300, 100), np.ones(n_frames, bool), truth)
    found = figure([100.0 * k for k, _ in hits], frame=[t for _, t in hits])
    return video, found[np.argsort(found.frame, kind="stable")]


def test_spells_are_runs_of_consecutive_misses():
    hits = [(0, t) for t in (0, 2, 5, 6, 7)] + [(1, t) for t in range(7)]  # 0 misses 1, and 3 and 4; 1 misses 7
    video, found = two_people(hits)
    m = statistics.matched([video], [found])
    assert sorted(statistics.spells(m).tolist()) == [1, 1, 2] and (m.of < 0).sum() == 4
    twice = statistics.matched([video, video], [found, found])  # nothing runs on from one video into the next
    assert sorted(statistics.spells(twice).tolist()) == [1, 1, 1, 1, 2, 2]
    sparse = Video("sparse", video.size, np.arange(8) % 4 == 0, video.people[video.people.frame % 4 == 0])
    assert len(statistics.spells(statistics.matched([sparse], [nobody()]))) == 0  # lone frames say nothing
    assert len(statistics.spells(statistics.matched([video], [video.people]))) == 0


def test_people_are_matched_at_half_a_box_and_from_the_least_score_on():
    video, found = two_people([(0, 0), (1, 0)], 1)
    third, more = (found.replace(box=found.box + [x, 0, x, 0]) for x in (6.6, 6.7))  # IoU .504 and .498
    score = found.replace(score=[0.5, 0.49])
    for detections, rows in ((third, [0, 1]), (more, [-1, -1]), (score, [0, -1])):
        assert statistics.matched([video], [detections]).of.tolist() == rows
    unlabelled = Video("no", video.size, np.zeros(1, bool), video.people)
    assert len(statistics.matched([unlabelled], [found]).found) == 0


def test_false_people_are_those_without_a_person_and_are_followed_by_overlap():
    video, found = two_people([(0, t) for t in range(4)], 4)
    ghost = figure([15.0, 15.0, 200.0], frame=[0, 1, 3])  # overlaps person 0 by 5 of 20 px
    m = statistics.matched([video], [concatenate([found, ghost])], 0.0)
    overlap, still = statistics.false_people(m)
    assert (m.whose < 0).sum() == 3 and np.isnan(overlap[m.whose >= 0]).all()
    assert np.allclose(overlap[m.whose < 0], [5 / 35, 5 / 35, 0])
    assert np.array_equal(still[m.whose < 0], [1, 0, np.nan], equal_nan=True)  # frame 4 does not exist


def test_joints_are_told_apart_by_where_they_came_from():
    video, found = two_people([(0, 0), (1, 0)], 1)
    xy = found.xy.copy()
    knee, other, wrist = INDEX["left_knee"], INDEX["right_knee"], INDEX["left_wrist"]
    xy[0, knee] = video.people.xy[0, other]
    xy[0, wrist] = video.people.xy[1, wrist] + [2.9, 0]
    xy[1, wrist] += [5.0, 0]  # half a head: right
    xy[1, knee] += [5.1, 0]
    j = statistics.joints(statistics.matched([video], [found.replace(xy=xy)]))
    assert j.wrong.sum() == 3 and j.right.sum() == 27 and not j.guessed.any()
    assert np.argwhere(j.mirrored).tolist() == [[0, knee]] and np.argwhere(j.swapped).tolist() == [[0, wrist]]
    assert np.isclose(j.off[1, wrist], 0.5) and np.isclose(j.near_by[0, wrist], 10) and np.isnan(j.mirror[:, 13]).all()
    hidden = video.people.replace(present=video.people.present & [[j != knee for j in range(15)], [True] * 15])
    part = statistics.joints(statistics.matched([Video("h", (9, 9), video.labelled, hidden)], [found]))
    assert np.argwhere(part.guessed).tolist() == [[0, knee]]


def test_correlation_and_lasting_pair_a_person_with_herself_k_frames_later():
    video, _ = two_people([(0, 0)])
    m = statistics.matched([video], [video.people])
    rng = np.random.default_rng(0)
    values = rng.normal(size=16)
    x = values.reshape(8, 2)
    for k in (1, 3):
        assert np.isclose(statistics.correlation(values, m, k), np.corrcoef(x[k:].ravel(), x[:-k].ravel())[0, 1])
    state = np.array([1, 1, 0, 0, 1, 1, 1, 0] * 2, bool).reshape(2, 8).T.ravel()  # the same for both
    assert np.isclose(statistics.lasting(state, np.ones(16, bool), m), 3 / 5)
    known = np.ones(16, bool)
    known[[2, 3]] = False  # frame 1
    assert np.isclose(statistics.lasting(state, known, m), 2 / 3)


def test_a_bar_is_two_sided_and_a_missing_number_breaks_it():
    network = dict.fromkeys(statistics.BARS, 1.0)
    names = list(statistics.BARS)
    factor = statistics.BARS[names[0]]
    for value, broken in ((factor, 0), (1 / factor, 0), (factor * 1.01, 1), (0.99 / factor, 1), (np.nan, 1)):
        assert len(statistics.beyond(network | {names[0]: value}, network)) == broken
    table = statistics.comparison({"network": network, "real clip": network, "simulated, x": network | {names[0]: 0.5}})
    assert table.farthest[names[0]] == 2 and (table.farthest[1:] == 1).all()
    assert all(1 < factor <= 2.5 for factor in statistics.BARS.values())
    assert len(statistics.comparison_figure(table).axes[0].lines) == 3  # the network's line and two columns


# --- what verdicts owe to the noise -----------------------------------------------------------------


def test_every_constant_is_halved_and_doubled_once():
    made = noise_sensitivity.variants()
    names = [field.name for field in fields(DetectorNoise)]
    assert len(made) == 1 + 2 * len(names) and {constant for constant, _ in made} == {"none", *names}
    for (constant, change), noise in made.items():
        differ = {name for name in names if getattr(noise, name) != getattr(DetectorNoise(), name)}
        assert differ <= {constant} and (differ or constant in ("none", "guessed")), (constant, change)
    assert made["jitter", "doubled"].jitter == 2 * DetectorNoise().jitter
    assert made["groups", "halved"].groups == tuple(g / 2 for g in DetectorNoise().groups)
    p, q = DetectorNoise().memory, made["memory", "doubled"].memory
    assert np.isclose(q / (1 - q), 2 * p / (1 - p))


def test_sensitivity_compares_every_change_with_the_fitted_noise(monkeypatch):
    """With a measure that is the jitter itself: what is reported can be said beforehand."""

    def measured(videos, noise, data):
        verdict = "holds" if noise.jitter > 1.5 * DetectorNoise().jitter else "undecided"
        return dict.fromkeys(noise_sensitivity.CLAIMS, (100 * noise.jitter, verdict))

    monkeypatch.setattr(noise_sensitivity, "results", measured)
    table = noise_sensitivity.sensitivity({"a": [], "b": []})
    assert len(table) == 2 * len(noise_sensitivity.variants())
    moved = table[table["verdicts moved"] != "–"]
    assert set(moved.index) == {("a", "jitter", "doubled"), ("b", "jitter", "doubled")}
    largest = noise_sensitivity.largest_changes(table).loc[("b", "DT-C5")]
    assert (largest.constant, largest.change, largest["verdicts moved"]) == ("jitter", "doubled", 1)
    assert np.isclose(largest["moves it by"], 100 * DetectorNoise().jitter) and largest.verdict == "undecided"


def test_results_are_those_of_the_experiments():
    videos = walkers(3, 20)
    got = noise_sensitivity.results(videos, DetectorNoise(), "puppets")
    ids = metrics.relabelled(videos, [0])
    for claim in ("PT-C7", "DT-C3"):
        r = metrics.result(claim, ids, "puppets")
        assert got[claim] == (r.components[0].estimate, r.verdict)
    sure = [[keep_confident(simulate_detections(v, 0), 0.5, 0.5) for v in videos]]
    ways = {m.__name__: lambda d, v, m=m: track(d, FrameToFrame(match=m), len(v)) for m in (hungarian, greedy)}
    matched = links.compare(videos, sure, ways)
    r = links.result("PT-C8", matched["hungarian"], matched["greedy"], "puppets", "simulated")
    assert got["PT-C8"] == (r.components[0].estimate, r.verdict)


# --- like the network's ------------------------------------------------------------------------------


@cache
def tuned():
    return detector_fit.network("tune")


@cache
def validated():
    return detector_fit.network("val")


@cache
def of_the_network(n=None):
    return statistics.statistics(*(part[:n] for part in validated()))


def test_the_constants_are_what_the_fit_gives():
    again = detector_fit.fitted(*tuned())
    for field in fields(DetectorNoise):
        ours, theirs = getattr(DetectorNoise(), field.name), getattr(again, field.name)
        assert np.allclose(ours, theirs, rtol=0.02, atol=1e-3), f"{field.name}: the fit gives {again}"


def test_the_fit_finds_the_constants_of_detections_made_with_others():
    """Detections made with a known noise, on puppets: what was put in comes out."""
    put_in = replace(
        DetectorNoise(),
        sure=4.0,
        sure_hidden=8.0,
        sure_spread=1.5,
        jitter=0.1,
        mirrored=0.1,
        memory=0.8,
        lives=0.7,
        false_alarms=1.5,
        joint_right=2.5,
        joint_wrong=0.0,
        outliers=0.08,
        box_jitter=0.02,
        joint_guess=-1.5,
        joint_spread=0.7,
        false_sure=0.5,
        box_lasts=0.5,
    )
    videos = worlds.load("puppets", "train", n=24, render=False)
    out = detector_fit.fitted(videos, [simulate_detections(v, 0, put_in) for v in videos])
    near = {"groups", "beside_mean", "beside_spread", "missed", "swapped", "joint_false"}
    for field in fields(DetectorNoise):
        if field.name not in near:
            wanted, got = getattr(put_in, field.name), getattr(out, field.name)
            assert abs(got - wanted) <= 0.25 * abs(wanted) + 0.05, f"{field.name}: {wanted} came out as {got}"
    assert np.allclose(out.groups, put_in.groups, rtol=0.2)


def simulated_statistics(name):
    if name == "puppets":
        videos = validated()[0]
    elif datasets.find(name) is None:
        pytest.skip(datasets.missing(name))
    else:
        videos = worlds.load(name, "val", n=26)
    return statistics.statistics(videos, [simulate_detections(v, 0) for v in videos])


@pytest.mark.parametrize("name", ["puppets", "somof", "bonn"])
def test_simulated_detections_err_as_the_network_does(name):
    """Fitted on the tune videos, compared with the network's validation videos, two-sided."""
    beyond = statistics.beyond(simulated_statistics(name), of_the_network())
    assert len(statistics.BARS) >= 10 and not beyond


@pytest.mark.parametrize(
    "changes, broken",
    [
        ({"jitter_lasts": 0.0}, "errors of right joints, correlation with the next frame's"),
        ({"lives": 0.0}, "… still there in the next frame (share)"),
        ({"beside": 0.0}, "… that overlap a person found (share)"),
        ({"sure_lasts": 0.0}, "log-odds of scores, correlation with the next frame's"),
        ({"box_lasts": 0.0, "box_jitter": 0.07}, "1 − box IoU with oneself in the next frame, median"),
        ({"mirrored": 0.0}, "wrong joints that are on the body's other side (share)"),
        ({"groups": (1.0,) * 7}, "… knee / head"),
        ({"joint_wrong": -1.0}, "wrong joints that score 0.5 or more (share)"),
        ({"false_sure": 3.0}, "score of false people, median"),
    ],
)
def test_each_old_simplification_breaks_a_bar(changes, broken):
    videos = validated()[0][:8]
    noise = replace(DetectorNoise(), **changes)
    values = statistics.statistics(videos, [simulate_detections(v, 0, noise) for v in videos])
    assert broken in statistics.beyond(values, of_the_network(8))


def test_the_real_clip_has_the_same_statistics():
    clip = bonn.real_clip()
    if clip is None:
        pytest.skip(bonn.missing_clip())
    videos, found = [clip[0]], [clip[1]]
    values = statistics.statistics(videos, statistics.calibrated(videos, found))
    assert list(values) == list(statistics.BARS) and np.isfinite(list(values.values())).all()
    assert values["wrong joints that are on the body's other side (share)"] < 0.1
    assert values["errors of right joints, correlation with the next frame's"] > 0.5
