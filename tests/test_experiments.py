"""What experiments rest on, where values alone show no fault: order, boundaries, seeds, gaps, sampling."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from helpers import WorkbookError
from helpers.detections.filters import LOGIT, PERSON, box_confidence, keep_confident
from helpers.detections.simulated import simulate_detections
from helpers.evaluation.boxes import BoxSamples, precision_recall
from helpers.experiments import cost_criteria, links, metrics, networks, thresholds
from helpers.experiments.networks import BoxRuns
from helpers.experiments.runs import Runs, shape_of
from helpers.experiments.thresholds import Sweep
from helpers.people import Video, concatenate, nobody, people
from helpers.skeleton import INDEX, N_JOINTS
from helpers.tracking import controls, costs, track
from helpers.tracking.frame_to_frame import ConstantVelocity, FrameToFrame
from helpers.tracking.matching import greedy, hungarian
from tests.test_thresholds import scene
from tests.test_tracking import figure, greedy_by_argmin, walkers

# --- matching ---------------------------------------------------------------------------------------


def test_no_allowed_pair_is_given_up_for_a_cheaper_one():
    """Of costs that differ a thousandfold as many pairs are taken as the pattern of allowed ones has room for."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        cost = 10 ** rng.uniform(0, 3, (6, 6))
        cost[rng.random((6, 6)) < 0.55] = np.inf
        room = (maximum_bipartite_matching(csr_array(np.isfinite(cost))) >= 0).sum()
        assert len(hungarian(cost)[0]) == room


def test_a_forbidden_pair_outweighs_five_savings():
    """Six pairs cost 1000 each; giving one of them up would make the other five free."""
    cost = np.full((6, 6), np.inf)
    cost[np.arange(6), np.arange(6)] = 1000
    cost[np.arange(5), np.arange(1, 6)] = 0
    assert hungarian(cost)[1].tolist() == list(range(6))


@pytest.mark.parametrize("n", [5, 20, 40])
def test_greedy_takes_equals_in_row_order(n):
    assert [x.tolist() for x in greedy(np.ones((n, n)))] == [list(range(n))] * 2
    rng = np.random.default_rng(n)
    cost = rng.integers(0, 3, (n, n + 3)).astype(float)
    assert list(zip(*greedy(cost), strict=True)) == greedy_by_argmin(cost, np.inf)
    assert list(zip(*greedy(cost, 1.0), strict=True)) == greedy_by_argmin(cost, 1.0)


@pytest.mark.parametrize("match", [hungarian, greedy])
def test_a_limit_allows_what_it_equals(match):
    cost = np.array([[0.5, 0.7], [0.9, 0.6]])
    assert [x.tolist() for x in match(cost, 0.6)] == [[0, 1], [0, 1]]
    assert [x.tolist() for x in match(cost, 0.5)] == [[0], [0]]
    assert len(match(cost, 0.4)[0]) == len(match(np.zeros((0, 3)))[0]) == 0


# --- costs, trackers and controls -------------------------------------------------------------------


def test_pck_is_strict_at_half_a_head():
    """The head is |head_top − head_bottom| + 1 px, and a joint exactly half of it away is not near."""
    person = figure([0.0])
    head = np.linalg.norm(person.xy[0, INDEX["head_top"]] - person.xy[0, INDEX["head_bottom"]]) + 1
    half = head / 2
    assert costs.pck_cost(person, person.replace(xy=person.xy + [half, 0])) == 1
    assert costs.pck_cost(person, person.replace(xy=person.xy + [half - 1e-6, 0])) == 0


def test_a_lost_track_is_forgotten_oldest_first_and_matched_before_the_new():
    """Remembered people stand before those of the last frame, so among equals the older track goes on."""
    tracker = FrameToFrame(memory=3)
    steps = [people(frame=[t], box=[box]) for t, box in enumerate([[0, 0, 9, 9], [50, 0, 59, 9]])]
    assert [tracker.step(p).tolist() for p in steps] == [[0], [0]]  # no gate
    gated = FrameToFrame(limit=0.5, memory=3)
    assert [gated.step(p).tolist() for p in steps] == [[0], [1]]
    both = people(frame=[2, 2], box=[[50, 0, 59, 9], [0, 0, 9, 9]])
    assert gated.step(both).tolist() == [1, 0]
    assert gated.step(people(frame=[3], box=[[200, 0, 209, 9]])).tolist() == [2]


def test_velocity_is_the_tracks_own_and_gone_with_it():
    tracker = ConstantVelocity()
    for t, x in enumerate((0, 10)):
        tracker.step(people(frame=[t], box=[[x, 0, x + 20, 9]]))
    # moved on to 20; a newcomer at 12 overlaps more with where the track was than with where it is going
    ids = tracker.step(people(frame=[2, 2], box=[[8, 0, 28, 9], [22, 0, 42, 9]]))
    assert ids.tolist() == [1, 0]


def test_random_ids_are_those_of_the_seed():
    p = figure(np.arange(40.0), frame=np.repeat(range(4), 10))
    for seed in (0, 7):
        expected = np.random.default_rng(seed).integers(0, 1000, 40)
        assert np.array_equal(controls.random_ids(p, seed).track, expected)
    unique = controls.random_ids(p, 3, high=10, unique=True)
    assert all(sorted(now.track) == list(range(10)) for now in unique.by_frame(4))
    assert len({tuple(now.track) for now in unique.by_frame(4)}) == 4


def test_the_oracle_reaches_exactly_half_a_head_and_prefers_the_nearer():
    truth = figure([0.0, 100.0], frame=[0, 0], track=[4, 9])
    hit, far = figure([5.0], frame=[0]), figure([5.001], frame=[0])  # the head is 10 px
    assert controls.truth_ids(hit, truth).track.tolist() == [4]
    assert controls.truth_ids(far, truth).track.tolist() == [10]
    two = figure([3.0, 1.0, 99.0], frame=[0, 0, 0])
    assert controls.truth_ids(two, truth).track.tolist() == [10, 4, 9]
    assert controls.truth_ids(two.replace(frame=[1, 1, 1]), truth).track.tolist() == [10, 11, 12]


def test_truth_ids_hit_as_many_joints_as_can_be_also_where_that_leaves_somebody_alone():
    """One hits 11 joints of a person and one of another, the other hits five of the first: 11 + 0 > 1 + 5."""
    xy = np.zeros((2, 15, 2))
    xy[0, :, 0], xy[1, :, 0] = 100 * np.arange(15), 100 * np.arange(15) + 50_000
    truth = people(frame=[0, 0], xy=xy, track=[4, 3], head=[20.0, 20.0])
    found = np.full((2, 15, 2), -9_000.0)
    found[0, :11], found[0, 11] = xy[0, :11], xy[1, 11]
    found[1, 10:] = xy[0, 10:]
    assert controls.truth_ids(people(frame=[0, 0], xy=found), truth).track.tolist() == [4, 5]


def test_true_joints_go_to_boxes_that_overlap_by_half():
    truth = figure([0.0], frame=[0]).replace(box=[[0, 0, 30, 10]])
    found = figure([7.0, 7.0], frame=[0, 0]).replace(box=[[10, 0, 40, 10], [11, 0, 41, 10]])  # IoU 1/2 and below
    given = controls.truth_joints(found[:1], truth)
    assert np.array_equal(given.xy, truth.xy)
    assert np.array_equal(controls.truth_joints(found[1:], truth).xy, found.xy[1:])
    assert np.array_equal(found.xy[0], figure([7.0]).xy[0])  # the detections themselves stay as they were


# --- filters ----------------------------------------------------------------------------------------


def test_filters_keep_what_equals_the_threshold():
    joint = np.linspace(0, 1.4, N_JOINTS)
    p = figure([0.0, 50.0, 90.0]).replace(
        score=[0.5, 0.4999, 0.9],
        joint_score=np.tile(joint, (3, 1)),
        box=[[0, 0, 5, 10], [0, 0, 50, 50], [0, 0, 4.9, 10]],
    )
    kept = keep_confident(p, 0.5, joint[4], 50.0)
    assert kept.score.tolist() == [0.5] and kept.present[0].tolist() == [False] * 4 + [True] * 11
    assert keep_confident(p, 0.5).score.tolist() == [0.5, 0.9]
    assert len(keep_confident(p, joint=1.5)) == 0
    unknown = p.replace(joint_score=np.full((3, N_JOINTS), np.nan))
    assert len(keep_confident(unknown, joint=-np.inf)) == 3 and len(keep_confident(unknown, joint=0.0)) == 0
    inverted = p.replace(box=[[9, 9, 0, 0]] * 3)  # two negative sides are no area
    assert len(keep_confident(inverted, area=1.0)) == 0 and (PERSON, LOGIT) == (0.5, 2.0)


def test_the_boxs_score_for_every_joint():
    p = figure([0.0, 1.0]).replace(score=[0.2, 0.7], joint_score=np.ones((2, N_JOINTS)))
    assert np.array_equal(box_confidence(p).joint_score, [[0.2] * N_JOINTS, [0.7] * N_JOINTS])


# --- links ------------------------------------------------------------------------------------------


def crossing():
    """Two people, labelled in frames 0, 2, 3 and 6; they have changed places from frame 3 on."""
    frames, xs = [0, 2, 3, 6], [(0, 50), (0, 50), (50, 0), (50, 0)]
    parts = [figure(x, frame=[t] * 2, track=[0, 1]) for t, x in zip(frames, xs, strict=True)]
    return Video("crossing", (99, 99), np.isin(np.arange(7), frames), concatenate(parts))


def test_link_errors_count_pairs_exactly_a_gap_apart():
    video, found = crossing(), {}
    for gap in (1, 2, 3, 4, 6, 7):
        found[gap] = links.link_errors([video], gap, costs.box_cost, hungarian)[0].tolist()
    assert found == {1: [2, 2], 2: [2, 0], 3: [4, 2], 4: [2, 2], 6: [2, 2], 7: [0, 0]}
    alone = video.people[(video.people.frame != 2) | (video.people.track == 0)]
    assert links.wrong_links(alone, 2, costs.box_cost, hungarian) == (1, 0)
    none = links.link_errors([video, video], 3, costs.box_cost, lambda cost: (np.zeros(0, int),) * 2)
    assert none.tolist() == [[4, 4]] * 2
    assert links.link_error_rate(none) == 100 and links.link_error_rate(none, [0, 0]) != 0
    assert links.link_error_rate(np.array([[4, 1], [4, 3]]), [1, 0]) == 25


def test_link_errors_need_three_joints():
    video = crossing()
    for n, pairs in ((3, 2), (2, 0)):
        few = video.people.replace(present=video.people.present & (np.arange(N_JOINTS) < n))
        part = Video("few", (9, 9), video.labelled, few)
        assert links.link_errors([part], 1, costs.joint_distance_cost, hungarian)[0, 0] == pairs


def test_a_thinned_video_keeps_labels_ignore_regions_and_file_names():
    video = crossing()
    video = Video("v", (9, 9), video.labelled, video.people, tuple(range(7)), None, tuple("abcdefg"))
    half = links.thin(video, 2)
    assert half.labelled.tolist() == [True, True, False, True] and half.people.frame.tolist() == [0, 0, 1, 1, 3, 3]
    assert half.ignore == (0, 2, 4, 6) and half.files == tuple("aceg") and half.name == "v"
    assert links.thin(video, 1).people.frame.tolist() == video.people.frame.tolist()


def test_labelled_frames_alone_are_numbered_anew():
    video = crossing()
    found = figure(np.zeros(7), frame=np.arange(7))
    short, part = links.labelled_alone(video, found)
    assert short.people.frame.tolist() == [0, 0, 1, 1, 2, 2, 3, 3] and part.frame.tolist() == [0, 1, 2, 3]
    assert len(short) == 4 and short.labelled.all() and short.name == "crossing"


def test_differences_of_link_errors_are_paired():
    ours = np.array([[10, 1], [10, 5], [10, 9]])
    estimate_, (low, high) = links.link_error_difference(ours, ours - [0, 1])
    assert np.allclose([estimate_, low, high], 10)


# --- runs and claims --------------------------------------------------------------------------------


def test_methods_are_compared_run_by_run():
    videos = walkers(2)
    found = [[simulate_detections(v, s) for v in videos] for s in (0, 1)]
    runs = links.compare(videos, found, {"perfect": lambda d, v: controls.truth_ids(d, v.people)})["perfect"]
    for s in (0, 1):
        alone = Runs(videos, [[controls.truth_ids(d, v.people) for d, v in zip(found[s], videos, strict=True)]])
        assert np.isclose(runs.mota(None, np.eye(2)[s]), alone.mota())
        assert np.allclose(runs.counts.switches[s], alone.counts.switches[0])
    result = links.result("PT-C8", runs, runs, "puppets", "simulated")
    assert (result.estimate, result.interval, result.n_videos, result.n_seeds) == (0, (0, 0), 2, 2)


@pytest.mark.filterwarnings("error")
def test_nothing_found_has_no_precision_and_no_warning():
    videos = walkers(2)
    none = Runs(videos, [[nobody()] * 2])
    assert np.isnan(none.precision()) and none.recall() == none.mota() == none.switch_share() == 0


def test_the_shape_is_that_of_the_side_with_several_runs():
    videos = walkers(2)
    one, two = (Runs(videos, [[nobody()] * 2] * n) for n in (1, 2))
    assert shape_of([one, two]) == shape_of([two, one]) == (2, 2) and shape_of([one]) == (1, 2)


def test_trackers_see_labelled_frames_and_ap_sees_everything():
    video = walkers(1, 12)[0]
    labelled = np.arange(12) % 3 == 0
    part = Video("part", video.size, labelled, video.people[labelled[video.people.frame]])
    found = video.people.replace(score=np.full(48, 0.6), joint_score=np.full((48, N_JOINTS), 2.0))
    sure = networks.tracked_runs([part], [[found]])
    assert sure.mota() == 100 and sure.ap() == 100  # scores that equal the thresholds are kept
    assert networks.tracked_runs([part], [[found]], joint=2.01).recall() == 0
    assert networks.tracked_runs([part], [[found]], joint=2.01).ap() == 100
    assert networks.tracked_runs([part], [[found]], person=0.61).recall() == 0


def test_boxes_of_runs_are_averaged_by_their_weights():
    one, two = (BoxSamples(np.zeros(4, int), np.full(4, 0.5), np.arange(4) < n, np.array([4.0])) for n in (1, 3))
    runs = BoxRuns([one, two])
    assert runs.shape == (2, 1)
    assert runs.precision_recall(0.5).tolist() == [50, 50] and precision_recall(one, 0.5) == (0.25, 0.25)
    assert runs.precision_recall(0.5, None, [0, 2]).tolist() == [75, 75]


def test_ids_without_tracking_are_of_their_seed(monkeypatch):
    videos, drawn, draw = walkers(2), [], controls.random_ids
    monkeypatch.setattr(controls, "random_ids", lambda p, seed: drawn.append(seed) or draw(p, seed))
    runs = metrics.relabelled(videos, [4, 5])
    assert sorted(drawn) == [4] * 4 + [5] * 4  # two videos in two settings
    found = [keep_confident(simulate_detections(v, 5), joint=0.5) for v in videos]
    expected = Runs(videos, [[controls.random_ids(p, 5) for p in found]]).counts.switches[0]
    assert np.array_equal(runs["confident joints", "random ids"].counts.switches[1], expected)
    tracked = Runs(videos, [[track(p, FrameToFrame(), len(v)) for p, v in zip(found, videos, strict=True)]])
    assert np.isclose(runs["confident joints", "tracker"].mota(None, [0, 1]), tracked.mota())
    assert metrics.result("DT-C3", runs, "puppets").n_seeds == 2


def test_the_neck_is_the_middle_of_both_shoulders():
    p = figure([0.0, 50.0])
    lacking = p.replace(present=p.present & ~((np.arange(2) == 1)[:, None] & (np.arange(15) == INDEX["left_shoulder"])))
    moved = metrics.with_shoulder_neck(lacking)
    neck = INDEX["head_bottom"]
    middle = (p.xy[0, INDEX["left_shoulder"]] + p.xy[0, INDEX["right_shoulder"]]) / 2
    assert np.array_equal(moved.xy[0, neck], middle) and np.array_equal(moved.xy[1], p.xy[1])
    assert np.array_equal(np.delete(moved.xy[0], neck, 0), np.delete(p.xy[0], neck, 0))


def test_regret_is_scored_where_nothing_was_chosen():
    videos, found = [], []
    for seed in range(4):
        video, p = scene(n_frames=6, seed=seed)
        wrong = np.random.default_rng(seed).random(len(p)) < 0.5  # and scored lower, in each video by another margin
        score = np.clip(p.score * 0.5 + (0.1 + 0.1 * seed) * ~wrong + 0.1, 0, 1)
        videos.append(video)
        found.append(
            p.replace(xy=p.xy + 900 * wrong[:, None, None], score=score, joint_score=np.full((len(p), 15), 2.0))
        )
    sweeps = {"a": Sweep(videos, [found]), "b": Sweep(videos, [[p.replace(score=p.score**2) for p in found]])}
    grid, folds = (0.1, 0.3, 0.5, 0.7), [np.array([1, 0, 1, 0.0]), np.array([0, 1, 1, 0.0]), np.array([1, 0, 0, 0.0])]

    def by_hand(scored_on):
        mota = {n: [s.at(t, 1.0, 0.0) for t in grid] for n, s in sweeps.items()}
        out = np.zeros((2, 2))
        for fold in folds:
            best = {n: int(np.argmax([m.mota(fold) for m in row])) for n, row in mota.items()}
            for i, a in enumerate(sweeps):
                for j, b in enumerate(sweeps):
                    lost = mota[b][best[b]].mota(scored_on(fold)) - mota[b][best[a]].mota(scored_on(fold))
                    out[i, j] += lost / len(folds)
        return out

    lost = thresholds.regret(sweeps, grid, folds, {"a": 1.0, "b": 1.0})
    assert np.allclose(lost, by_hand(lambda fold: 1 - fold))
    assert not np.allclose(lost, by_hand(lambda fold: fold))


def test_shuffled_values_are_the_same_values_elsewhere():
    found = [scene(seed=s)[1] for s in range(3)]
    sure = [keep_confident(p, 0.5) for p in found]
    dealt = thresholds.shuffled(found, "joint_score", 0)
    before, after = (np.concatenate([p.joint_score.ravel() for p in some]) for some in (sure, dealt))
    assert not np.array_equal(before, after) and np.array_equal(np.sort(before), np.sort(after))
    assert [len(p) for p in dealt] == [len(p) for p in sure]
    other = thresholds.shuffled(found, "score", 1)
    assert all(np.array_equal(a.joint_score, b.joint_score) for a, b in zip(other, sure, strict=True))


def test_what_one_id_gains_beyond_the_switches_is_told_apart():
    videos = walkers(2)
    runs = metrics.relabelled(videos, [4, 5])
    tracker, one = (runs["everything kept", way] for way in ("tracker", "one id for all"))
    more, rest = (c.estimate for c in metrics.result("PT-C7", runs, "puppets").components)
    assert np.isclose(more, one.mota() - tracker.mota()) and np.isclose(more - rest, tracker.switch_share())
    assert metrics.result("PT-C7", runs, "puppets").source == "simulated"


def test_the_neck_itself_is_measured():
    p = figure([0.0, 50.0]).replace(track=np.arange(2), head=np.full(2, 30.0))
    video = Video("one", (200, 300), np.ones(1, bool), p)
    necks = metrics.necks([video])
    lost = metrics.MEASURES["O-26"](necks, None, None)
    moved = necks["annotated"].ap_of_joints() - necks["moved"].ap_of_joints()
    assert lost == moved[INDEX["head_bottom"]] and np.delete(moved, INDEX["head_bottom"]).max() == 0
    assert metrics.SOURCES["O-26"] == "ground truth"


def test_every_pair_of_costs_is_a_component_and_missing_ones_are_no_number():
    videos = walkers(2)
    found = [[simulate_detections(v, 0) for v in videos]]
    ways = {"good": lambda d, v: controls.truth_ids(d, v.people), "bad": lambda d, v: controls.random_ids(d, 0)}
    good, bad = links.compare(videos, found, ways).values()
    gap = good.mota() - bad.mota()
    linked = {"box": good, "pck": bad, "cnn": good}
    assert np.allclose(cost_criteria.differences(linked, cost_criteria.PAIRS["PT-C9"]), [gap, 0, gap])
    short = cost_criteria.result("PT-C9", {"box": good, "pck": bad}, "somof", "simulated")
    assert np.isclose(short.components[0].estimate, gap) and np.isnan(short.components[1].estimate)
    assert cost_criteria.result("PT-C9", {"box": good, "pck": good}, "somof", "simulated").verdict == "undecided"
    linked |= {"all": bad, "lstm": bad}
    sums = [cost_criteria.result("DT-C7", linked, "puppets", "network", best).estimate for best in ("box", "pck")]
    assert np.allclose(sums, [-gap, 0])
    with pytest.raises(WorkbookError, match="DT-C7: best"):
        cost_criteria.result("DT-C7", linked, "puppets", "network")


def test_the_authors_own_retrainings_are_evidence_as_printed():
    by_hand = {"DT-C8": [2.75, 2.4, 3.2, 2.0], "DT-C10": [5.6, 11.5, 6.05, 11.1]}  # two rows are means of two runs
    for claim, gains in by_hand.items():
        result = networks.retrained(claim)
        assert np.allclose([c.estimate for c in result.components], gains)
        assert (result.source, result.verdict, result.n_seeds) == ("published", "holds", 0)
