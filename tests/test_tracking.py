"""Matchers against brute force, costs against plain loops, tracker and controls on hand-made scenes."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import WorkbookError, evaluation, puppets
from helpers.detections.filters import box_confidence, keep_confident
from helpers.detections.simulated import simulate_detections
from helpers.evaluation import clear_mot
from helpers.experiments import links, networks
from helpers.experiments.runs import Runs, difference
from helpers.people import Video, concatenate, nobody, people
from helpers.skeleton import INDEX, N_JOINTS
from helpers.tracking import controls, costs, track
from helpers.tracking.frame_to_frame import FrameToFrame
from helpers.tracking.matching import greedy, hungarian

seeds = st.integers(0, 2**32 - 1)
small = st.integers(0, 5)


def best_by_brute_force(cost, limit):
    """(pairs, total) of the best matching: most allowed pairs first, then least cost."""
    if cost.shape[0] > cost.shape[1]:
        cost = cost.T
    n, m = cost.shape
    best = (0, 0.0)
    for columns in permutations(range(m + n), n):  # a column ≥ m leaves the row out
        chosen = [cost[i, c] for i, c in enumerate(columns) if c < m]
        if all(np.isfinite(chosen)) and all(v <= limit for v in chosen):
            best = max(best, (len(chosen), -sum(chosen)))
    return best[0], -best[1]


def greedy_by_argmin(cost, limit):
    cost, pairs = np.where(np.isnan(cost), np.inf, cost).copy(), []
    while cost.size and np.isfinite(cost.min()) and cost.min() <= limit:
        r, c = np.unravel_index(cost.argmin(), cost.shape)
        pairs.append((r, c))
        cost[r], cost[:, c] = np.inf, np.inf
    return sorted(pairs)


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(0, 4), st.integers(0, 4), st.sampled_from([np.inf, 0.6, 0.2]), st.booleans())
def test_matchers_are_those_of_brute_force(seed, n, m, limit, holes):
    rng = np.random.default_rng(seed)
    cost = np.round(rng.random((n, m)), 1)  # with ties
    if holes:
        cost[rng.random((n, m)) < 0.3] = rng.choice([np.nan, np.inf])
    for match in (hungarian, greedy):
        rows, columns = match(cost, limit)
        assert list(rows) == sorted(set(rows)) and len(set(columns)) == len(columns)
        assert (cost[rows, columns] <= limit).all() and np.isfinite(cost[rows, columns]).all()
    assert list(zip(*greedy(cost, limit), strict=True)) == greedy_by_argmin(cost, limit)
    rows, columns = hungarian(cost, limit)
    pairs, total = best_by_brute_force(cost, limit)
    assert len(rows) == pairs and np.isclose(cost[rows, columns].sum(), total)


def test_where_greedy_is_worse():
    cost = np.array([[0.1, 0.2], [0.2, 0.9]])
    assert cost[greedy(cost)].sum() == 1.0 and np.isclose(cost[hungarian(cost)].sum(), 0.4)


def test_negative_costs_and_forbidden_pairs():
    cost = np.array([[-5.0, np.inf], [-9.0, -1.0]])
    rows, columns = hungarian(cost)
    assert list(rows) == [0, 1] and list(columns) == [0, 1]  # both pairs, not the −9 alone


def figure(x, n=1, **arrays):
    """n equal people, 20 × 40 px, their joints on a grid, shifted by x."""
    grid = np.stack(np.meshgrid(np.arange(3) * 10.0, np.arange(5) * 10.0), -1).reshape(15, 2)
    xy = np.repeat(grid[None], n, 0) + np.reshape(x, (-1, 1, 1)) * [1.0, 0.0]
    box = np.concatenate([xy.min(1), xy.max(1)], 1)
    return people(xy=xy, box=box, head=np.full(len(xy), 10.0), **arrays)


@settings(max_examples=30, deadline=None)
@given(seeds, small, small)
def test_costs_are_those_of_plain_loops(seed, n, m):
    rng = np.random.default_rng(seed)
    a, b = (people(xy=rng.uniform(0, 30, (k, 15, 2)), present=rng.random((k, 15)) < 0.6) for k in (n, m))
    pck, distance = costs.pck_cost(a, b), costs.joint_distance_cost(a, b)
    for i in range(n):
        head = np.hypot(*(a.xy[i, INDEX["head_top"]] - a.xy[i, INDEX["head_bottom"]])) + 1
        for k in range(m):
            common = np.flatnonzero(a.present[i] & b.present[k])
            d = {j: np.hypot(*(a.xy[i, j] - b.xy[k, j])) for j in common}
            assert np.isclose(pck[i, k], 1 - sum(v < 0.5 * head for v in d.values()) / 15)
            assert np.isclose(distance[i, k], np.mean(list(d.values()))) if d else np.isinf(distance[i, k])


def test_box_cost_by_hand():
    np.testing.assert_allclose(costs.box_cost(figure(0), figure([0, 10, 100])), [[0, 2 / 3, 1]])


def scene(*frames):
    return concatenate([figure(x, frame=np.full(len(x), t)) for t, x in enumerate(frames) if len(x)])


def test_frame_to_frame_links_by_overlap_and_opens_new_tracks():
    tracked = track(scene([0, 50], [52, 3], [6, 54, 200]), FrameToFrame(), 3)
    assert tracked.track.tolist() == [0, 1, 1, 0, 0, 1, 2]


def test_without_a_gate_a_stranger_inherits_the_track():
    assert track(scene([0], [500]), FrameToFrame(), 2).track.tolist() == [0, 0]  # IoU 0, as in DT
    assert track(scene([0], [500]), FrameToFrame(limit=0.99), 2).track.tolist() == [0, 1]


def test_memory_is_counted_in_frames():
    lost = scene([0, 100], [100], [100], [100, 0])
    ids = {m: track(lost, FrameToFrame(limit=0.99, memory=m), 4).track.tolist() for m in (1, 2, 3)}
    assert ids[1] == ids[2] == [0, 1, 1, 1, 1, 2] and ids[3] == [0, 1, 1, 1, 1, 0]
    with pytest.raises(WorkbookError, match="memory 0"):
        FrameToFrame(memory=0)


def test_memory_is_bounded():
    tracker, rng = FrameToFrame(limit=0.5, memory=4), np.random.default_rng(0)
    sizes = []
    for _ in range(300):
        tracker.step(figure(rng.uniform(0, 5000, 6)))
        sizes.append(len(tracker._known))
    assert max(sizes) <= 4 * 6 and max(sizes[:100]) == max(sizes[200:])


def test_people_of_a_video_keep_their_order():
    p = scene([0, 50], [], [50, 0])
    shuffled = np.array([3, 0, 2, 1])
    assert track(p, FrameToFrame(), 4).track.tolist() == [0, 1, 2, 3]  # an empty frame forgets
    assert track(p[shuffled], FrameToFrame(), 4).track.tolist() == [2, 0, 3, 1]
    assert len(track(nobody(), FrameToFrame(), 5)) == 0
    with pytest.raises(WorkbookError, match="frame 2"):
        track(p, FrameToFrame(), 2)


def test_step_gets_the_image_of_its_frame():
    class Remembers:
        seen = []

        def step(self, frame_people, image=None):
            self.seen.append((len(frame_people), image))
            return np.arange(len(frame_people))

    track(scene([0], [], [0, 50]), Remembers(), 3, frames="abc")
    assert Remembers.seen == [(1, "a"), (0, "b"), (2, "c")]


def test_controls():
    p = scene([0, 50, 90], [0, 50], list(range(0, 900, 50)))
    assert set(controls.constant_ids(p).track) == {0}
    random = controls.random_ids(p, 1, high=18, unique=True)
    assert all(len(set(random.at(t).track)) == len(random.at(t)) for t in range(3))
    assert (controls.random_ids(p, 1).track == controls.random_ids(p, 1).track).all()
    assert (controls.random_ids(p, 1).track != controls.random_ids(p, 2).track).any()
    with pytest.raises(WorkbookError, match="frame 2 has more people than the 17 ids"):
        controls.random_ids(p, 1, high=17, unique=True)


def test_truth_ids_follow_the_joints_and_the_rest_stays_alone():
    truth = scene([0, 100], [4, 104]).replace(track=[7, 3, 7, 3])
    found = scene([101, 1, 300], [105, 2, 104])
    # 105 and 104 hit the same person, the nearer one has it
    assert controls.truth_ids(found, truth).track.tolist() == [3, 7, 8, 9, 7, 3]


def walkers(n_videos=3, n_frames=12, seed=0):
    """Videos of four people on random walks, half a head size a frame."""
    rng = np.random.default_rng(seed)
    out = []
    for v in range(n_videos):
        x = np.cumsum(rng.normal(0, 5, (n_frames, 4)), 0) + np.arange(4) * 60
        p = scene(*x)
        p = p.replace(track=np.tile(np.arange(4), n_frames))
        out.append(Video(f"walk{v}", (300, 100), np.ones(n_frames, bool), p))
    return out


def test_oracle_association_makes_no_switches_and_is_not_beaten():
    videos = walkers()
    found = [keep_confident(simulate_detections(v, 0), 0.5, 0.5) for v in videos]
    perfect = Runs(videos, [[controls.truth_ids(d, v.people) for d, v in zip(found, videos, strict=True)]])
    for cost in (costs.box_cost, costs.pck_cost, costs.joint_distance_cost):
        tracked = [track(d, FrameToFrame(cost), len(v)) for d, v in zip(found, videos, strict=True)]
        assert Runs(videos, [tracked]).mota() < perfect.mota()
    constant = clear_mot(videos, [controls.constant_ids(d) for d in found])
    assert constant.switches.sum() == 0
    random = Runs(videos, [[controls.random_ids(d, 0) for d in found]])
    assert random.mota() < perfect.mota() - 20


def test_keep_confident_and_nobody():
    p = figure([0, 50]).replace(score=[0.4, 0.9], joint_score=np.tile(np.linspace(0, 0.98, 15), (2, 1)))
    kept = keep_confident(p, 0.5, 0.5)
    assert len(kept) == 1 and kept.present.sum() == 7
    assert len(keep_confident(p, 0, 0.99)) == 0


def test_thinned_video():
    video = walkers(1, 9)[0]
    thinned = links.thin(video, 4)
    assert len(thinned) == 3 and thinned.people.frame.max() == 2
    assert np.array_equal(thinned.people.at(2).xy, video.people.at(8).xy)


def test_link_errors_by_hand():
    """Two people 50 px apart who swap places between frames 1 and 2."""
    p = scene([0, 50], [0, 50], [50, 0]).replace(track=[0, 1] * 3)
    video = [Video("swap", (0, 0), np.ones(3, bool), p)]

    def count(gap):
        return links.link_errors(video, gap, costs.box_cost, hungarian).tolist()

    assert count(1) == [[4, 2]] and count(2) == [[2, 2]] and count(3) == [[0, 0]]
    few = [Video("few", (0, 0), np.ones(3, bool), p.replace(present=np.tile(np.arange(15) < 2, (6, 1))))]
    assert links.link_errors(few, 1, costs.box_cost, hungarian).tolist() == [[0, 0]]


class Counted(Runs):
    """Runs whose errors are given: (S, V), out of 100 objects of every joint."""

    def __init__(self, errors):
        errors = np.repeat(np.asarray(errors, float)[..., None], 15, 2)
        nothing = np.zeros_like(errors)
        super().__init__([None] * errors.shape[1], [[None] * errors.shape[1]] * len(errors))
        self.counts = evaluation.MotCounts(nothing + 100, errors, nothing, nothing, nothing, nothing)


def test_differences_are_paired():
    hard = np.random.default_rng(0).uniform(0, 80, (3, 20))  # videos differ far more than the two sides
    better, worse = Counted(hard), Counted(hard + 1)
    assert np.allclose(np.r_[difference(better, worse)], 1)
    assert np.isclose(better.mota(), 100 - hard.mean())
    low, high = difference(better, Counted(hard[::-1]))[1]
    assert low < -1 and high > 1  # other runs beside each other: nothing cancels
    for unpaired in (hard[:2], hard[:, :19]):
        with pytest.raises(WorkbookError, match="not paired"):
            difference(better, Counted(unpaired))


def test_one_run_stands_for_every_seed_and_several_are_drawn():
    alone, several = Counted([[10.0, 20, 30]]), Counted([[10.0, 20, 30], [40, 50, 60]])
    assert np.allclose([alone.mota(None, [0, 7]), alone.mota(), several.mota(None, [0, 7])], [80, 80, 50])
    estimate, (low, high) = difference(several, alone)
    assert np.isclose(estimate, -15) and np.allclose([low, high], -15 + 12.7062 * np.array([-15, 15]))  # t, two runs
    assert np.allclose(several.by_video(), [75, 65, 55])


def test_a_run_of_too_few_videos_is_refused():
    videos = walkers(2)
    with pytest.raises(WorkbookError, match="a run has 1 videos in place of 2"):
        Runs(videos, [[nobody(), nobody()], [nobody()]])
    with pytest.raises(WorkbookError, match="a run has 1 videos in place of 2"):
        Runs(videos, [[nobody()] * 2], [[nobody()]])


def test_mota_is_that_of_the_evaluation():
    videos = walkers()
    tracked = [track(simulate_detections(v, 0), FrameToFrame(), len(v)) for v in videos]
    assert np.isclose(Runs(videos, [tracked]).mota(), evaluation.evaluate(videos, tracked).total("MOTA"))


# --- networks compared ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_world():
    """Four val videos and two runs of simulated detections, joints scored by their detector."""
    videos = puppets.videos("val", n=4, render=False)
    return videos, [[simulate_detections(v, seed) for v in videos] for seed in (0, 1)]


def test_a_tracker_shown_some_frames_takes_them_for_neighbours():
    box = np.array([[0, 0, 10, 10.0]])
    found = people(frame=[0, 4, 6, 8], box=np.repeat(box, 4, 0))
    assert track(found, FrameToFrame(), 9).track.tolist() == [0, 1, 2, 3]
    assert track(found, FrameToFrame(), 9, which=[0, 4, 8]).track.tolist() == [0, 0, -1, 0]


def test_networks_are_measured_as_evaluate_does(small_world):
    videos, runs = small_world
    whole = networks.tracked_runs(videos, runs, 0.5, 0.3)
    for rank in ("box", "joint"):
        ranked = [[box_confidence(p) if rank == "box" else p for p in run] for run in runs]
        expected = np.mean([evaluation.evaluate(videos, run).total("AP") for run in ranked])
        assert (
            networks.tracked_runs(videos, runs, 0.5, 0.3, rank).ap() == whole.ap(rank=rank) == pytest.approx(expected)
        )
    tracked = []
    for run in runs:
        kept = [keep_confident(p, 0.5, 0.3) for p in run]
        kept = [p[v.labelled[p.frame]] for p, v in zip(kept, videos, strict=True)]
        ids = [
            track(p, FrameToFrame(), len(v), which=np.flatnonzero(v.labelled))
            for p, v in zip(kept, videos, strict=True)
        ]
        tracked.append(evaluation.evaluate(videos, ids))
    row = whole.row()
    assert row["MOTA Total"] == pytest.approx(np.mean([s.mota for s in tracked]))  # the runs have the same objects
    assert whole.mota() == pytest.approx(row["MOTA Total"]) and row["mAP Total"] == whole.ap()
    assert row["Rec"] == pytest.approx(np.mean([s.recall for s in tracked]))


def test_weights_choose_videos_and_runs(small_world):
    videos, runs = small_world
    of = networks.tracked_runs
    both, second = of(videos, runs, 0.5, 0.3), of(videos, runs[1:], 0.5, 0.3)
    assert both.ap(None, [0, 1]) == second.ap() and both.mota(None, [0, 1]) == second.mota(None, [7, 7])
    part = of(videos[:2], [run[:2] for run in runs], 0.5, 0.3)
    for name in ("ap", "mota", "precision", "recall", "motp", "switch_share"):
        assert getattr(both, name)(np.array([1, 1, 0, 0])) == pytest.approx(getattr(part, name)())


def test_a_row_is_the_mean_of_the_runs_and_a_metric_pools_their_counts(small_world):
    """Two runs of different size: one of them lost most of its people."""
    videos, (first, second) = small_world
    few = [p[::9] for p in second]
    both, alone = Runs(videos, [first, few]), [Runs(videos, [run]) for run in (first, few)]
    rows = [runs.row() for runs in alone]
    assert both.row() == pytest.approx({name: (rows[0][name] + rows[1][name]) / 2 for name in rows[0]})
    a, b = (runs.totals() for runs in alone)
    right, wrong = a.matches + b.matches, a.false_positives + b.false_positives
    assert both.precision() == pytest.approx(np.mean(100 * right / (right + wrong)))
    assert abs(both.precision() - both.row()["Prec"]) > 0.1 and abs(both.motp() - both.row()["MOTP"]) > 0.01


@pytest.mark.parametrize("predicted", [True, False])
def test_a_joint_that_nobody_annotated_in_the_drawn_videos_is_left_out_of_ap(predicted):
    """Tops of heads stand in the second video alone, predicted in the first or not; noses stand nowhere."""
    top, nose = INDEX["head_top"], INDEX["nose"]
    there = np.ones((2, N_JOINTS), bool)
    there[:, nose] = there[0, top] = False
    videos = [
        Video(v.name, v.size, v.labelled, v.people.replace(present=v.people.present & joints))
        for v, joints in zip(walkers(2), there, strict=True)
    ]
    found = [v.people.replace(joint_score=np.full((len(v.people), N_JOINTS), 0.9)) for v in videos]
    if predicted:
        found[0] = found[0].replace(present=found[0].present | (np.arange(N_JOINTS) == top))
    ours, first, both = Runs(videos, [found], rank="joint"), np.array([2, 0]), np.array([1, 1])
    assert np.flatnonzero(np.isnan(ours.ap_of_joints(first))).tolist() == sorted([nose, top])
    assert np.flatnonzero(np.isnan(ours.ap_of_joints(both))).tolist() == [nose]
    assert ours.ap(first) == 100 and (ours.ap(both) < 100) == predicted


def test_a_network_is_no_better_than_itself(small_world):
    runs = networks.tracked_runs(*small_world, 0.5, 0.3)
    same = dict.fromkeys(("2d", "centre", "mean", "truth", "fpn", "rfcn"), runs)
    same |= {f"{style}-{init}": runs for style in networks.STYLES for init in networks.INITS}
    for claim in [claim for claim in networks.MEASURES if claim not in ("LT-C1", "LT-C2")]:
        result = networks.result(claim, same)
        assert all(c.estimate == 0 and c.interval == (0, 0) for c in result.components), claim
        assert (result.n_videos, result.n_seeds) == (4, 2) and result.source == "network"


def test_each_claim_about_inflation_turns_with_the_networks_it_names(small_world):
    """Worse detections (half the people lost) in place of one network turn just the components that name it."""
    videos, runs = small_world
    good = networks.tracked_runs(videos, runs, 0.5, 0.3)
    bad = networks.tracked_runs(videos, [[p[::2] for p in run] for run in runs], 0.5, 0.3)
    every = ["2d", "centre", "mean", "truth", "fpn", "rfcn"]
    every += [f"{style}-{init}" for style in networks.STYLES for init in networks.INITS]
    signs = {
        ("PT-C1", "centre"): [-1],
        ("PT-C2", "mean"): [1],
        ("PT-C3", "mean"): [0, -1],
        ("DT-C8", "2d-boxes"): [1, 1, 0, 0],
        ("DT-C9", "mean-joints"): [0, 0, 1, 1],
        ("DT-C10", "centre-boxes"): [0, 0, 1, 1],
        ("DT-C10", "2d-joints"): [-1, -1, 0, 0],
        ("LT-C3", "rfcn"): [0, 0, 1, 1],
        ("LT-C3", "fpn"): [1, 1, -1, -1],
    }
    for (claim, worse), expected in signs.items():
        given = {name: bad if name == worse else good for name in every}
        assert np.sign([c.estimate for c in networks.result(claim, given).components]).tolist() == expected, claim


def test_a_collapsed_run_is_found_by_a_fixed_rule():
    assert networks.collapsed([40.0, 41.0, 0.0, 38.0, 9.0]).tolist() == [False, False, True, False, True]
    assert not networks.collapsed([40.0, 12.0]).any() and not networks.collapsed([0.0, 0.0]).any()


# --- trackers of a library -------------------------------------------------------------------------


@pytest.fixture
def crossing():
    """Two people who walk past each other, 3 px a frame; the first is missed in frame 15."""
    pytest.importorskip("trackers", reason="the optional package trackers is not installed")
    boxes, frames, who = [], [], []
    for t in range(24):
        for i, x in enumerate((3 * t, 100 - 3 * t)):
            if (t, i) != (15, 0):
                boxes.append([x, 100 * i, x + 40, 100 * i + 90])
                frames.append(t)
                who.append(i)
    return people(frame=frames, box=np.array(boxes, float), score=np.full(len(boxes), 0.9)), np.array(who)


@pytest.mark.parametrize("name", ["SORT", "ByteTrack", "OC-SORT"])
def test_a_library_tracker_keeps_who_is_missed_once(crossing, name):
    from helpers.tracking.library import track_with_library

    found, who = crossing
    tracked = track_with_library(found, name, 24)
    assert len(set(tracked.track[who == 0])) == 1 and len(set(tracked.track[who == 1])) == 1
    plain = track(found, FrameToFrame(), 24)
    assert len(set(plain.track[who == 0])) > 1  # one frame of memory loses it


def test_ids_of_a_library_tracker_are_never_shared(crossing):
    from helpers.tracking.library import track_with_library

    videos = puppets.videos("val", n=1, render=False)
    found = simulate_detections(videos[0], 0)
    tracked = track_with_library(found, "ByteTrack", len(videos[0]))
    assert (tracked.track >= 0).all()
    assert all(len(set(tracked.at(t).track)) == len(tracked.at(t)) for t in np.unique(found.frame))
    some = np.flatnonzero(videos[0].labelled)
    partly = track_with_library(found, "SORT", len(videos[0]), which=some)
    assert np.array_equal(partly.track >= 0, np.isin(found.frame, some))


def test_unknown_library_tracker_is_one_sentence(monkeypatch):
    from helpers.tracking import library

    with pytest.raises(WorkbookError, match="tracker 'DeepSORT' is unknown"):
        library.track_with_library(nobody(), "DeepSORT", 1)
    monkeypatch.setitem(__import__("sys").modules, "trackers", None)
    with pytest.raises(WorkbookError, match="optional package trackers is not installed"):
        library.track_with_library(nobody(), "SORT", 1)


def test_true_joints_on_matched_boxes_alone():
    truth = simulate_detections(puppets.videos("val", n=1, render=False)[0], 1).at(40)[:2]
    moved = truth.replace(xy=truth.xy + 7, box=truth.box + 1)
    false = moved[:1].replace(box=moved.box[:1] + 5000)
    found = controls.truth_joints(concatenate([moved, false]), truth)
    np.testing.assert_array_equal(found.xy[:2], truth.xy)
    np.testing.assert_array_equal(found.present[:2], truth.present)
    np.testing.assert_array_equal(found.xy[2], false.xy[0])


def test_the_oracles_order(small_world):
    """Perfect joints and ids beat perfect ids, which beat the tracker (DT's README: 55.2, 57.6, 82.9)."""
    videos, runs = small_world
    kept = [keep_confident(p, 0.5, 0.3) for p in runs[0]]
    plain = [track(p, FrameToFrame(), len(v)) for p, v in zip(kept, videos, strict=True)]
    ids = [controls.truth_ids(p, v.people) for p, v in zip(kept, videos, strict=True)]
    joints = [
        controls.truth_ids(controls.truth_joints(p, v.people), v.people) for p, v in zip(kept, videos, strict=True)
    ]
    levels = [Runs(videos, [t]).mota() for t in (plain, ids, joints)]
    assert levels[0] < levels[1] < levels[2] - 5


# --- bad input ------------------------------------------------------------------------------------


def side_by_side(n_people, frames, step=2.0):
    """n people side by side in the given frames, boxes 8 × 20 px."""
    left = np.arange(n_people) * 10.0
    boxes = [np.stack([left + step * t, 0 * left, left + step * t + 8, 0 * left + 20], 1) for t in frames]
    return people(frame=np.repeat(frames, n_people), box=np.concatenate(boxes))


@pytest.mark.parametrize("frames, tracks", [([3, 4, 5], 1), ([0, 1, 4, 5], 2), ([0, 1, 2], 1), ([5], 1), ([], 0)])
@pytest.mark.parametrize("memory, together", [(1, False), (3, True)])
def test_frames_without_detections_at_start_middle_and_end(frames, tracks, memory, together):
    found = side_by_side(1, frames) if frames else nobody()
    ids = track(found, FrameToFrame(memory=memory), 8).track
    assert len(set(ids)) == (min(tracks, 1) if together else tracks)


def test_two_hundred_people():
    found = side_by_side(200, range(4), step=1.0)
    ids = track(found, FrameToFrame(), 4).track.reshape(4, 200)
    assert (ids == ids[0]).all() and len(set(ids[0])) == 200


@pytest.mark.parametrize("match", [hungarian, greedy])
def test_identical_boxes_are_linked_the_same_way_every_time(match):
    found = people(frame=np.repeat(range(5), 6), box=np.tile([3.0, 3, 9, 9], (30, 1)))
    first = track(found, FrameToFrame(match=match), 5).track
    assert all(np.array_equal(first, track(found, FrameToFrame(match=match), 5).track) for _ in range(5))
    assert len(set(first)) == 6


def test_boxes_without_area_are_tracked_like_any():
    found = people(frame=[0, 0, 1, 1], box=[[5.0, 5, 5, 5], [50, 50, 60, 60], [5, 5, 5, 5], [51, 50, 61, 60]])
    assert track(found, FrameToFrame(), 2).track.tolist() == [0, 1, 0, 1]
    assert (
        len(
            keep_confident(
                found.replace(xy=np.zeros((4, 15, 2)), present=np.ones((4, 15), bool)), joint=-np.inf, area=50
            )
        )
        == 2
    )


def test_a_cost_that_is_not_a_number_is_refused_with_frame_and_pair():
    def broken(a, b):
        return np.array([[0.0, 1], [1, np.nan]])

    with pytest.raises(WorkbookError, match="frame 1: the cost of remembered person 1 and detection 1"):
        track(side_by_side(2, range(2)), FrameToFrame(broken), 2)


def test_labelled_frames_alone():
    video = puppets.videos("val", n=1, render=False)[0]
    found = simulate_detections(video, 0)
    short, part = links.labelled_alone(video, found)
    numbers = np.flatnonzero(video.labelled)
    assert len(short) == len(numbers) and short.labelled.all()
    for k in (0, 7, len(numbers) - 1):
        np.testing.assert_array_equal(short.people.at(k).xy, video.people.at(numbers[k]).xy)
        np.testing.assert_array_equal(part.at(k).box, found.at(numbers[k]).box)
