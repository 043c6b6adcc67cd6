"""Simple Baselines' algorithm 1: people carried by the flow, and who of this frame is whom of the last ones."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import WorkbookError, evaluation, puppets
from helpers.__main__ import main
from helpers.datasets import bonn
from helpers.datasets.posetrack import read_posetrack
from helpers.datasets.posetrack_writing import write_posetrack18
from helpers.detections.flow import Neighbours, provider, zero
from helpers.detections.propagation import Known, Propagation, Propagator, propagate, propagated, united
from helpers.detections.simulated import simulate_detections
from helpers.experiments import propagation as experiment
from helpers.geometry import box_iou
from helpers.nets.sampling import kept
from helpers.opencv import cv2
from helpers.people import Video, concatenate, nobody, people
from helpers.skeleton import JOINTS, N_JOINTS, OKS_SIGMAS
from helpers.tracking import track
from helpers.tracking.flow_similarity import SIMILARITIES, FlowTracker, most_similar

SIZE = 100, 120  # height, width
#: Algorithm 1 as the paper tells it: scores alone decide.
OPEN = {
    "floor": 0.0,
    "most": 8,
    "nms": 0.5,
    "detected_first": False,
    "sure": 0.0,
    "fewest": 3,
    "joint": 0.4,
    "score": "both",
}


def image(value=0, size=SIZE):
    return np.full((*size, 3), value, np.uint8)


def constant(dx, dy=0.0):
    """A provider whose flow is the same everywhere."""
    return lambda a, b: np.broadcast_to(np.float32([dx, dy]), (*a.shape[:2], 2)).copy()


def boxes(*corners, score=0.9, frame=0):
    """Boxes of one frame."""
    return people(
        frame=np.full(len(corners), frame), box=np.reshape(corners, (-1, 4)), score=np.full(len(corners), score)
    )


def grid_pose(image, boxes):
    """An estimator that sees every joint where it should be: on a 5 × 3 grid in the box."""
    u = np.stack(np.meshgrid(np.linspace(0, 1, 3), np.linspace(0, 1, 5)), -1).reshape(-1, 2)
    xy = boxes.box[:, None, :2] + u * (boxes.box[:, None, 2:] - boxes.box[:, None, :2])
    return people(
        frame=boxes.frame, box=boxes.box, score=boxes.score, xy=xy, joint_score=np.full((len(boxes), N_JOINTS), 0.8)
    )


def propagator(flow=constant(0), **chosen):
    return Propagator(grid_pose, Neighbours(flow) if flow else None, Propagation(**OPEN | chosen))


# --- boxes ----------------------------------------------------------------------------------------


def test_three_frames_by_hand():
    """A person moves 5 px to the right each frame; the detector sees it in the first only."""
    one = propagator(constant(5), score="joints")
    assert one.step(boxes([20, 20, 40, 60]), image(0)).box.tolist() == [[20, 20, 40, 60]]
    assert one.carried.tolist() == [False] and one.alone.tolist() == [0]
    second = one.step(nobody(), image(1))  # the grid's extent is the box: 7.5 % of 20 × 40 px on each side
    assert np.allclose(second.box, [[25 - 1.5, 20 - 3, 45 + 1.5, 60 + 3]]) and second.frame.tolist() == [1]
    assert np.isclose(second.score[0], 0.8) and one.carried.tolist() == [True] and one.alone.tolist() == [1]
    third = one.step(nobody(), image(2))
    assert np.allclose(third.box, [[28.5 - 1.725, 17 - 3.45, 51.5 + 1.725, 63 + 3.45]]) and one.alone.tolist() == [2]


@pytest.mark.parametrize(("name", "score"), [("joints", 0.8), ("box", 0.9), ("both", 0.72)])
def test_the_score_of_a_propagated_box(name, score):
    found = grid_pose(None, boxes([20, 20, 40, 60]))
    rows, moved = propagated(found, found.score, constant(1)(image(), image()), Propagation(score=name))
    assert rows.tolist() == [0] and np.allclose(moved.score, score)


def test_a_propagated_box_that_scores_too_low_is_dropped():
    """0.8 × 0.9 = 0.72, then 0.8 × 0.72 = 0.576, then 0.46: a person whom only the flow brings fades."""
    one = propagator(floor=0.5)
    assert [len(one.step(boxes([20, 20, 40, 60]) if not t else nobody(), image(t))) for t in range(4)] == [1, 1, 1, 0]


def test_the_margin_may_be_read_as_15_percent_a_side():
    one = propagator(margin=0.15)
    one.step(boxes([20, 20, 40, 60]), image(0))
    assert np.allclose(one.step(nobody(), image(1)).box, [[17, 14, 43, 66]])


def test_only_sure_joints_are_carried():
    found = grid_pose(None, boxes([20, 20, 40, 60]))
    score = np.where(found.xy[..., 1] > 45, 0.39, 0.4)  # the two lowest rows are unsure
    found, still = found.replace(joint_score=score), constant(0)(image(), image())
    moved = propagated(found, found.score, still, Propagation(joint=0.4, margin=0, score="both"))[1]
    assert np.allclose(moved.box, [[20, 20, 40, 40]]) and np.isclose(moved.score[0], 0.4 * 0.9)
    assert not len(propagated(found, found.score, still, Propagation(joint=0.4, sure=0.5))[0])


def test_joints_that_leave_the_image_are_let_go():
    """A step of 15 px to the left: of the columns at 10, 20 and 30 px two remain, then one, then nobody."""
    one = propagator(constant(-15), margin=0.0)
    one.step(boxes([10, 20, 30, 60]), image(0))
    assert np.allclose(one.step(nobody(), image(1)).box, [[5, 20, 15, 60]])
    assert len(one.step(nobody(), image(2))) == 0  # one column of five joints: a box without a width
    assert len(one.step(nobody(), image(3))) == 0


def test_people_of_few_joints_are_let_go():
    found = grid_pose(None, boxes([10, 20, 30, 60]))
    found = found.replace(present=np.arange(N_JOINTS)[None] < 2)
    still = constant(0)(image(), image())
    assert not len(propagated(found, found.score, still, Propagation(fewest=3))[0])
    assert len(propagated(found, found.score, still, Propagation(fewest=2))[0]) == 1


def test_ghosts_live_at_most_so_long():
    """Without a bound nobody is let go whom the pose network goes on to see."""
    for most in (1, 3):
        one = propagator(most=most)
        lengths = [len(one.step(boxes([20, 20, 40, 60]) if t == 0 else nobody(), image(t))) for t in range(8)]
        assert lengths == [1] * (most + 1) + [0] * (7 - most)


def test_a_detected_box_ends_the_loneliness():
    """The detector sees the person every second frame, from then on less surely than the box that was carried."""
    one = propagator(most=2, score="box", margin=0.0)
    for t in range(6):
        seen = boxes([20, 20, 40, 60], score=0.6 if t else 0.95) if t % 2 == 0 else nobody()
        one.step(seen, image(t))
        assert one.alone.tolist() == [t % 2] and one.carried.tolist() == [t > 0]


def test_of_two_overlapping_boxes_the_surer_stays():
    detected, carried = boxes([0, 0, 10, 10], score=0.6), boxes([0, 0, 10, 9], [50, 50, 60, 60], score=0.7)
    both = concatenate([detected, carried])
    assert united(both, 1, Propagation(**OPEN)).tolist() == [1, 2]
    assert united(both, 1, Propagation(**OPEN | {"detected_first": True})).tolist() == [0, 2]
    assert united(both.replace(score=np.full(3, 0.5)), 1, Propagation(**OPEN)).tolist() == [
        0,
        2,
    ]  # a tie is the detector's
    assert united(both, 1, Propagation(**OPEN | {"nms": 0.95})).tolist() == [0, 1, 2]


def plain_nms(box, score, threshold):
    """The textbook's loop, an independent oracle."""
    left, kept = sorted(range(len(box)), key=lambda i: (-score[i], i)), []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [i for i in left if box_iou(box[[best]], box[[i]])[0, 0] <= threshold]
    return sorted(kept)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.9))
@settings(deadline=None, max_examples=50)
def test_united_is_the_textbooks_nms(seed, threshold):
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 20, (12, 2))
    some = people(
        frame=np.zeros(12),
        box=np.concatenate([corner, corner + rng.integers(1, 20, (12, 2))], 1),
        score=rng.random(12).round(1),
    )
    kept = united(some, 6, Propagation(**OPEN | {"nms": threshold})).tolist()
    assert kept == plain_nms(some.box, some.score, threshold)


def test_without_a_flow_the_detector_is_alone():
    one = propagator(None, person=0.5)
    assert len(one.step(boxes([20, 20, 40, 60]), image(0))) == 1
    assert len(one.step(boxes([20, 20, 40, 60], score=0.4), image(1))) == 0
    assert len(one.step(nobody(), image(2))) == 0


def test_one_pixel_boxes_and_boxes_outside_are_no_trouble():
    one = propagator(constant(1))
    odd = boxes([10, 10, 10, 10], [-50, -50, -20, -20], [119, 99, 200, 200])
    assert len(one.step(odd, image(0))) == 3
    assert len(one.step(nobody(), image(1))) == 0  # no joint with an extent is left in the image


def test_bad_input_is_one_sentence():
    with pytest.raises(WorkbookError, match="score 'x' is unknown"):
        Propagation(score="x")
    with pytest.raises(WorkbookError, match="at least 2 joints"):
        Propagation(fewest=1)
    with pytest.raises(WorkbookError, match="box 1 is not finite"):
        propagator().step(boxes([0, 0, 1, 1], [0, 0, np.nan, 1]), image())
    one = propagator(zero)
    one.step(boxes([20, 20, 40, 60]), image(0))
    with pytest.raises(WorkbookError, match="size"):
        one.step(nobody(), image(0, (50, 50)))


def test_known_people_are_not_looked_at_again():
    some = grid_pose(None, boxes([0, 0, 10, 10], [20, 0, 30, 10])).replace(joint_score=np.full((2, N_JOINTS), 0.3))
    asked = []
    known = Known(some, lambda image, new: asked.append(len(new)) or grid_pose(image, new))
    mixed = boxes([40, 0, 50, 10], [20, 0, 30, 10], [0, 0, 10, 10])
    found = known(image(), mixed)
    assert asked == [1] and found.box.tolist() == mixed.box.tolist()
    assert found.joint_score[:, 0].tolist() == [0.8, 0.3, 0.3]
    assert known(image(), mixed.replace(frame=[1, 1, 1])).joint_score[:, 0].tolist() == [0.8] * 3


def test_known_people_who_share_a_box_all_come_back():
    """The whole image as a box in place of none; a third such box is looked at."""
    some = boxes([0, 0, 99, 99], [0, 0, 99, 99]).replace(xy=np.arange(2)[:, None, None] + np.ones((2, N_JOINTS, 2)))
    known = Known(some, grid_pose)
    for _ in range(2):
        found = known(image(), some[[0, 1, 0]])
        assert found.xy[:, 0, 0].tolist() == [1, 2, 0] and found.joint_score[2, 0] == 0.8


# --- a whole video --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clip():
    """Two people who walk towards each other; the detector sees each in most frames."""
    rng, parts = np.random.default_rng(0), []
    for t in range(12):
        there = [[10 + 3 * t, 20, 30 + 3 * t, 60], [80 - 2 * t, 30, 100 - 2 * t, 70]]
        parts.append(boxes(*[b for b in there if rng.random() < 0.7] or there[:1], frame=t))
    return Video("clip", SIZE[::-1], np.ones(12, bool), nobody(), frames=[image(t) for t in range(12)]), concatenate(
        parts
    )


@pytest.mark.parametrize("flow", [None, constant(1, 0)])
def test_a_whole_video_equals_its_frames_one_by_one(clip, flow):
    video, found = clip
    which = range(2, 11)
    offline = propagate(video, found, grid_pose, flow, Propagation(), which)
    online = Propagator(grid_pose, Neighbours(flow) if flow else None)
    steps = concatenate([online.step(found.at(t), video.frames[t]) for t in which])
    for name in ("frame", "box", "score", "xy", "joint_score", "present"):
        assert np.array_equal(getattr(offline, name), getattr(steps, name)), name


def test_poses_without_propagation_are_looked_at_many_frames_at_a_time(clip):
    video, found = clip
    calls = []

    class Both:
        def __call__(self, image, boxes):
            raise AssertionError

        def in_video(self, frames, boxes):
            calls.append(len(boxes))
            return grid_pose(None, boxes)

    assert len(propagate(video, found, Both(), None)) == calls[0] == len(found)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_memory_is_bounded(similarity):
    """The state after 1,000 frames is as large as after 20."""
    neighbours = Neighbours(constant(0))
    one, tracker = Propagator(grid_pose, neighbours), FlowTracker(similarity, neighbours, queue=4)
    sizes = {}
    for t in range(1001):
        now = one.step(boxes([20, 20, 40, 60], [60, 20, 80, 60]), shown := image(t % 7))
        tracker.step(now, shown)
        sizes[t] = len(tracker.remembered[0]), len(one._before), len(one.alone)
    assert sizes[20] == sizes[1000] == (8, 2, 2)


# --- similarities ---------------------------------------------------------------------------------


def person(x, frame=0, width=20.0):
    """One person on a grid, whose left upper corner is at (x, 20)."""
    return grid_pose(None, boxes([x, 20, x + width, 60], frame=frame))


def oks_at(distance, area):
    """OKS of two poses that are a shift apart, by hand."""
    return np.exp(-(distance**2) / (2 * area * (2 * np.asarray(OKS_SIGMAS)) ** 2)).mean()


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [("bbox", 10 / 30), ("pose", oks_at(10, 800)), ("flow", oks_at(4, 800)), ("multi-flow", oks_at(4, 800))],
)
def test_similarities_by_hand(similarity, expected):
    """The person has moved by 10 px, the flow says 6: boxes of 20 × 40 px share 10 of 30 columns."""
    tracker = FlowTracker(similarity, Neighbours(constant(6)))
    tracker.step(person(20), image(0))
    if tracker.neighbours:
        tracker._carry(tracker.neighbours, image(1))
    assert np.allclose(tracker.similarities(person(30))[1], [[expected]])


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_nobody_is_carried_over_a_frozen_frame(similarity):
    """Frames 0, 40, 40, 40 of a camera that writes into one memory: all move by 40 px, once."""
    neighbours, buffer = Neighbours(lambda a, b: (b.astype(np.float32) - a)[..., :2] * [1, 0]), image(0)
    carry, tracker, ids, left = Propagator(grid_pose, neighbours), FlowTracker(similarity, neighbours), [], []
    for value in (0, 40, 40, 40):
        buffer[:] = value
        now = carry.step(boxes([5, 20, 25, 60]) if value == 0 else nobody(), buffer)
        left.append(now.xy[:, :, 0].mean(1).tolist())
        if similarity in ("flow", "multi-flow"):
            ids += tracker.step(now, buffer).tolist()
    assert np.allclose(left, [[15], [55], [55], [55]])
    assert ids in ([0] * 4, [])


def test_multi_flow_chains_the_flows_and_takes_the_most_similar():
    """Two frames back and one frame back, each carried to here: 2 · 6 and 6 px; the nearer pose counts."""
    tracker = FlowTracker("multi-flow", Neighbours(constant(6)), queue=3)
    tracker.step(person(20), image(0))
    tracker.step(person(22), image(1))  # carried 26, seen at 22
    tracker._carry(tracker.neighbours, image(2))  # carried twice 32, carried once 28
    known, ids, age = tracker.remembered
    assert known.xy[:, 0, 0].tolist() == [32, 28] and ids.tolist() == [0, 0] and age.tolist() == [1, 0]
    assert np.allclose(tracker.similarities(person(33))[1], [[oks_at(1, 800)]])


def test_multi_flow_finds_again_who_was_hidden():
    ids = {}
    for similarity in SIMILARITIES:
        tracker = FlowTracker(similarity, Neighbours(constant(6)))
        steps = [person(20), nobody(), person(32)]
        ids[similarity] = [i for t, p in enumerate(steps) for i in tracker.step(p, image(t))]
    assert ids == {"bbox": [0, 1], "pose": [0, 1], "flow": [0, 1], "multi-flow": [0, 0]}


def test_the_queue_forgets():
    for queue, same in ((2, False), (3, True)):
        tracker = FlowTracker("multi-flow", Neighbours(constant(0)), queue=queue)
        ids = [tracker.step(p, image(t)) for t, p in enumerate([person(20), nobody(), nobody(), person(20)])]
        assert (ids[-1][0] == 0) == same


def test_less_similar_than_the_threshold_is_somebody_else():
    for link, same in ((0.3, True), (0.34, False)):
        tracker = FlowTracker("bbox", link=link)
        tracker.step(person(20))
        assert (tracker.step(person(30)).tolist() == [0]) == same
    tracker = FlowTracker("bbox", link=0.0)
    tracker.step(person(20))
    assert tracker.step(person(80)).tolist() == [1]  # nothing in common is never the same


def test_carried_joints_that_leave_the_image_are_forgotten():
    tracker = FlowTracker("flow", Neighbours(constant(-15)))
    tracker.step(person(10), image(0))  # columns at 10, 20, 30 px
    tracker._carry(tracker.neighbours, image(1))
    assert tracker.remembered[0].present.reshape(5, 3).tolist() == [[False, True, True]] * 5


def test_greedy_and_the_other_reading():
    """Both people are most like the first; greedily the second takes what is left, else it opens a track."""
    cost = np.array([[0.1, 0.2], [0.9, 0.7]])
    assert [a.tolist() for a in most_similar(cost)] == [[0], [0]]
    assert [a.tolist() for a in most_similar(cost[:, ::-1])] == [[0], [1]]
    assert [a.tolist() for a in most_similar(cost, 0.05)] == [[], []]
    assert [a.tolist() for a in most_similar(np.zeros((0, 2)))] == [[], []]
    for match, second in ((None, 1), (most_similar, 2)):
        tracker = FlowTracker("bbox", link=0.0, **({"match": match} if match else {}))
        tracker.step(concatenate([person(20), person(36)]))
        assert tracker.step(concatenate([person(20), person(24)])).tolist() == [0, second]


@given(st.integers(0, 2**32 - 1), st.sampled_from(list(SIMILARITIES)), st.sampled_from(["greedy", "argmax"]))
@settings(deadline=None, max_examples=40)
def test_ids_are_all_different_and_follow_their_people(seed, similarity, match):
    """People in another order get the same ids in that order, up to the names of the new ones."""
    rng = np.random.default_rng(seed)
    frames = [
        grid_pose(
            None, boxes(*np.concatenate([c := rng.uniform(0, 60, (n, 2)), c + 20 + rng.uniform(0, 20, (n, 2))], 1))
        )
        for n in rng.integers(0, 5, 6)
    ]
    orders = [rng.permutation(len(p)) for p in frames]
    kind = {} if match == "greedy" else {"match": most_similar}
    plain, mixed = (FlowTracker(similarity, Neighbours(constant(1)), link=0.1, **kind) for _ in range(2))
    names = {}
    for t, (p, order) in enumerate(zip(frames, orders, strict=True)):
        a, b = plain.step(p, image(t))[order], mixed.step(p[order], image(t))
        assert len(set(b.tolist())) == len(b) and (b >= 0).all()
        assert all(names.setdefault(i, j) == j for i, j in zip(a.tolist(), b.tolist(), strict=True))


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_tracked_video_equals_its_frames_one_by_one(clip, similarity):
    video, found = clip
    found = grid_pose(None, found)
    offline = track(found, FlowTracker(similarity, Neighbours(constant(1))), len(video), video.frames)
    online = FlowTracker(similarity, Neighbours(constant(1)))
    assert offline.track.tolist() == [i for t in range(12) for i in online.step(found.at(t), video.frames[t])]


def test_bad_trackers_are_one_sentence():
    for arguments, message in (
        (("x",), "'x' is unknown"),
        (("flow",), "needs the flow"),
        (("bbox", None, 0), "at least 1 frame"),
        *((("bbox", None, 1, link), "between 0 and 1 is needed") for link in (-1, 1.1, np.nan, np.inf)),
    ):
        with pytest.raises(WorkbookError, match=message):
            FlowTracker(*arguments)
    tracker = FlowTracker("flow", Neighbours(zero))
    with pytest.raises(WorkbookError, match="image is needed"):
        tracker.step(person(20))
    tracker.step(person(20), image(0))
    with pytest.raises(WorkbookError, match="size"):
        tracker.step(person(20), image(0, (50, 50)))


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The first frames of a puppet video as `python -m helpers puppets` exports it, and predictions of it."""
    root = tmp_path_factory.mktemp("puppets")
    (video,) = puppets.videos("val", n=1)
    start = (len(video) - puppets.LABELLED_RUN) // 2
    chosen = range(start, start + 8)
    shown = Video(
        video.name,
        video.size,
        np.ones(8, bool),
        (some := video.people[np.isin(video.people.frame, chosen)]).replace(frame=some.frame - start),
        frames=[video.frames[t] for t in chosen],
        files=video.files[:8],
    )
    write_posetrack18(root / "annotations" / "val", [shown], write_images=True)
    guessed = simulate_detections(shown, 0)
    guessed = guessed.replace(track=np.arange(len(guessed)))
    write_posetrack18(root / "predictions", [shown], [guessed])
    return root


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_the_command_gives_the_ids_that_single_steps_give(exported, tmp_path, similarity):
    out = tmp_path / "out"
    command = ["track", str(exported / "predictions"), "--method", "flow", "--similarity", similarity]
    assert main([*command, "--out", str(out), "--queue", "3", "--link", ".3"]) == 0
    (truth,) = read_posetrack(exported / "annotations" / "val")
    (before,), (after,) = read_posetrack(exported / "predictions"), read_posetrack(out)
    assert np.array_equal(before.people.xy, after.people.xy) and len(after.people)
    tracker = FlowTracker(similarity, Neighbours(provider("dis")), queue=3, link=0.3)
    ids = [tracker.step(after.people.at(t), truth.frames[t]) for t in range(len(truth))]
    assert np.concatenate(ids).tolist() == after.people.track.tolist()


class Looks:
    """A pose network's stand-in on the command line: every joint in its place on a grid, seen surely."""

    def __init__(self, model):
        assert model == "a network"

    def __call__(self, image, boxes):
        return grid_pose(image, boxes)


def test_the_command_adds_whom_the_detector_missed(exported, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("helpers.detections.propagation.Estimator", Looks)
    monkeypatch.setattr("helpers.__main__._pose_network", lambda name: "a network")
    (file,) = (exported / "predictions").glob("*.json")
    content = json.loads(file.read_text())
    images = [image["id"] for image in content["images"]]
    gone = [a for a in content["annotations"] if a["image_id"] not in images[3:5]]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / file.name).write_text(json.dumps(content | {"annotations": gone}))
    more = ["--frames", str(exported), "--propagate", "--pose-weights", "deconv-0", "--similarity", "bbox"]
    assert main(["track", str(tmp_path / "in"), "--method", "flow", *more, "--out", str(tmp_path / "out")]) == 0
    after = json.loads((tmp_path / "out" / file.name).read_text())["annotations"]
    assert [{k: v for k, v in a.items() if k != "track_id"} for a in after[: len(gone)]] == [
        {k: v for k, v in a.items() if k != "track_id"} for a in gone
    ]
    added = after[len(gone) :]
    assert {a["image_id"] for a in added} >= set(images[3:5]) and len({a["id"] for a in after}) == len(after)
    (video,) = read_posetrack(tmp_path / "out")  # a whole file: ids, boxes, joints and scores can be read
    carried = video.people[video.people.frame == 4]
    assert len(carried) and np.isfinite(carried.box).all() and (carried.joint_score == 0.8).all()
    known = {a["track_id"] for a in after[: len(gone)] if a["image_id"] == images[2]}
    same = [a["track_id"] in known for a in added if a["image_id"] == images[3]]
    assert np.mean(same) > 0.7  # of boxes around the joints, which the detector's are not quite


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--flow", "x"], "provider 'x' is unknown"),
        (["--similarity", "x"], "'x' is unknown"),
        (["--queue", "0"], "at least 1 frame"),
        (["--memory", "2"], "--memory: --method flow has no use for it"),
        (["--propagate"], "--propagate: goes together with --pose-weights"),
        (["--pose-weights", "deconv-0"], "--propagate: goes together with --pose-weights"),
        (["--propagate", "--pose-weights", "nothing"], "'nothing': is neither a file nor a network of the workbook"),
        (["--propagate", "--pose-weights", ""], "'': is neither a file nor a network of the workbook"),
        (["--propagate", "--pose-weights", "."], ".: is no readable file of PyTorch weights"),
        (["--propagate", "--pose-weights", "nowhere/weights"], "nowhere/weights: is missing"),
        (["--propagate", "--pose-weights", "keypoint_rcnn-0"], "keypoint_rcnn-0: does not find the joints of a"),
        (["--propagate", "--pose-weights", "lstm-box-0"], "lstm-box-0: does not find the joints of a person's box"),
        (["--link", "nan"], "link nan: a similarity between 0 and 1 is needed"),
        (["--person", "nan"], "--person nan: a number is needed"),
        (["--joint", "nan"], "--joint nan: a number is needed"),
        (["--propagate", "--pose-weights", "nothing.pth"], "nothing.pth: is missing"),
        (["--propagate", "--pose-weights", "deconv-77"], "deconv-77: is not there"),
        (["--frames", "nowhere"], "--frames nowhere: is no folder"),
    ],
)
def test_the_command_refuses_in_one_sentence(exported, tmp_path, capsys, options, sentence):
    command = ["track", str(exported / "predictions"), "--method", "flow", "--out", str(tmp_path / "out")]
    assert main([*command, *options]) == 1
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_command_needs_images_of_one_size(exported, tmp_path, capsys):
    (file,) = (exported / "predictions").glob("*.json")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / file.name).write_bytes(file.read_bytes())
    command = ["track", str(tmp_path / "in"), "--method", "flow", "--out", str(tmp_path / "out")]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "000000.jpg is not in" in said and "--frames" in said
    for i, name in enumerate(sorted((exported / "images").rglob("*.jpg"))):
        target = tmp_path / name.relative_to(exported)
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), np.zeros((64 + (i == 2), 96, 3), np.uint8))
    second = json.loads(file.read_text())["images"][2]["file_name"]
    for size, wrong in (((320, 180), "frame 0, "), ((96, 64), f"frame 2, {second}, is 96 × 65 pixels in place of")):
        _of_size(tmp_path / "in" / file.name, size)
        assert main(command) == 1
        said = capsys.readouterr().err
        assert f"{file.stem}: {wrong}" in said and f"in place of {size[0]} × {size[1]};" in said and "--frames" in said
    _of_size(tmp_path / "in" / file.name, (0, 0))
    assert main(command) == 1 and f"{second}, is 96 × 65 pixels in place of 96 × 64" in capsys.readouterr().err
    assert main(["track", str(tmp_path / "in"), "--method", "iou", "--flow", "dis", "--out", str(tmp_path / "o")]) == 1
    assert "--flow: --method iou has no use for it" in capsys.readouterr().err


def _of_size(file, size):
    """The file, as if its images were so large."""
    content = json.loads(file.read_text())
    images = [image | dict(zip(("width", "height"), size, strict=True)) for image in content["images"]]
    file.write_text(json.dumps(content | {"images": images}))


def test_joints_without_scores_cannot_be_chosen_by_score(exported, tmp_path, capsys):
    """Else the file would lose everybody, and say nothing."""
    (file,) = (exported / "predictions").glob("*.json")
    content = json.loads(file.read_text())
    bare = [a | {"scores": []} for a in content["annotations"]]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / file.name).write_text(json.dumps(content | {"annotations": bare}))
    command = ["track", str(tmp_path / "in"), "--method", "iou", "--out", str(tmp_path / "out")]
    assert main([*command, "--joint", "0.5"]) == 1
    assert f"{file.stem}: has no joint scores, so --joint 0.5 cannot choose" in capsys.readouterr().err
    assert main(command) == 0


def test_each_file_is_told_as_soon_as_it_is_written(exported, tmp_path, capsys):
    """The second one's image is missing: what is said of the first stays."""
    (file,) = (exported / "predictions").glob("*.json")
    content = json.loads(file.read_text())
    gone = [image | {"file_name": f"gone/{i}.jpg"} for i, image in enumerate(content["images"])]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text(file.read_text())
    (tmp_path / "in" / "b.json").write_text(json.dumps(content | {"images": gone}))
    command = ["track", str(tmp_path / "in"), "--method", "flow", "--frames", str(exported)]
    assert main([*command, "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    assert said.out.startswith(str(tmp_path / "out" / "a.json")) and "gone/0.jpg" in said.err


def test_the_real_clip(tmp_path):
    """A real detector's people on a real video: the flow finds everyone again, boxes do not."""
    if (real := bonn.real_clip()) is None or real[0].frames is None:
        pytest.skip(bonn.missing_clip())
    clip, found = real
    write_posetrack18(tmp_path / "in", [clip], [found.replace(track=np.arange(len(found)))])
    root = clip.frames.paths[0].parents[len(Path(clip.files[0]).parents) - 1]
    switches = {}
    for similarity in SIMILARITIES:
        out = tmp_path / similarity
        command = ["track", str(tmp_path / "in"), "--method", "flow", "--similarity", similarity, "--out", str(out)]
        assert main([*command, "--frames", str(root)]) == 0
        (video,) = read_posetrack(out)
        switches[similarity] = evaluation.clear_mot([clip], [video.people]).switches.sum()
    assert switches["multi-flow"] < switches["bbox"]


def test_oks_is_over_the_joints_and_the_area_of_the_person_in_this_frame():
    """Two people 3 px away: one four times as large now without joint 0, one a quarter as large, who lacks joint 14.

    Of the first joints 0 and 1 were lost before; of the second none.
    """
    joint, sigma = np.arange(N_JOINTS), 2 * np.asarray(OKS_SIGMAS)
    before = grid_pose(None, boxes([20, 20, 40, 60], [60, 20, 100, 100]))
    before = before.replace(present=np.stack([joint > 1, joint >= 0]))
    now = before.replace(xy=before.xy + [3, 0], present=np.stack([joint > 0, joint < 14]), box=before.box[::-1])
    large, small = (np.exp(-9 / (2 * area * sigma**2)) for area in (3200, 800))
    for similarity in ("pose", "flow"):
        tracker = FlowTracker(similarity, Neighbours(zero))
        tracker.step(before, image())
        alike = tracker.similarities(now)[1]
        assert np.allclose(np.diag(alike), [large[2:].sum() / 14, small[:14].sum() / 14])


def test_people_who_are_added_are_as_the_files_other_annotations(exported, tmp_path, monkeypatch):
    """Sparse ids, another category id, people scored 0.01; one joint that the network does not see."""

    class Unsure(Looks):
        def __call__(self, image, boxes):
            found = super().__call__(image, boxes)
            return found.replace(joint_score=np.where(np.arange(N_JOINTS) == 4, 0.1, found.joint_score))

    monkeypatch.setattr("helpers.detections.propagation.Estimator", Unsure)
    monkeypatch.setattr("helpers.__main__._pose_network", lambda name: "a network")
    (file,) = (exported / "predictions").glob("*.json")
    content = json.loads(file.read_text())
    first = [a for a in content["annotations"] if a["image_id"] == content["images"][0]["id"]]
    first = sorted(first, key=lambda a: -sum(v > 0 for v in a["keypoints"]))[:2]
    first = [a | {"id": name, "category_id": 3, "score": 0.01} for a, name in zip(first, (7, 90), strict=True)]
    category = content["categories"][0] | {"id": 3}
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / file.name).write_text(json.dumps(content | {"annotations": first, "categories": [category]}))
    more = ["--frames", str(exported), "--propagate", "--pose-weights", "deconv-0", "--out", str(tmp_path / "out")]
    assert main(["track", str(tmp_path / "in"), "--method", "flow", *more]) == 0
    after = json.loads((tmp_path / "out" / file.name).read_text())["annotations"]
    added = after[2:]
    assert [a["id"] for a in after] == [7, 90, *range(91, 91 + len(added))]
    assert {a["image_id"] for a in added} >= {image["id"] for image in content["images"][1:3]}
    assert {a["category_id"] for a in after} == {3}
    weak = category["keypoints"].index(JOINTS[4])
    assert all(a["keypoints"][3 * weak : 3 * weak + 3] == [0, 0, 0] and sum(a["keypoints"]) > 0 for a in added)


def test_a_score_or_an_overlap_that_is_just_the_threshold_is_kept():
    """A propagated box that scores just the floor, and one that overlaps the detector's by just the threshold."""
    first, half = boxes([20, 20, 40, 60], score=0.5), boxes([20, 20, 40, 40], score=0.9, frame=1)
    for floor, n in ((0.5, 1), (0.501, 0)):
        one = propagator(score="box", floor=floor)
        one.step(first, image(0))
        assert len(one.step(nobody(), image(1))) == n
    for overlap, n in ((0.5, 2), (0.499, 1)):
        one = propagator(score="box", nms=overlap, detected_first=True, margin=0.0)
        one.step(first, image(0))
        assert len(one.step(half, image(1))) == n
        if n == 2:
            assert one.alone.tolist() == [0, 1]  # the detector's box is not where the carried person is


def test_without_a_flow_overlapping_boxes_are_suppressed_alike_at_once_and_one_by_one(clip):
    video, found = clip
    twice = concatenate([found, found.replace(box=found.box + 1, score=0.9 * found.score)])
    settings = Propagation(**OPEN)

    class AtOnce:
        def __call__(self, image, boxes):
            return grid_pose(image, boxes)

        def in_video(self, frames, boxes):
            return grid_pose(None, boxes)

    at_once, one_by_one = (propagate(video, twice, one, None, settings) for one in (AtOnce(), grid_pose))
    assert len(at_once) < len(twice) and np.array_equal(at_once.box, one_by_one.box)


def test_a_kept_video_draws_each_frame_once():
    video, drawn = puppets.videos("val", n=1)[0], []

    class Counted(list):
        scene = puppets.scene_of(video)

        def __getitem__(self, t):
            drawn.append(t)
            return video.frames[t]

    held = kept(replace(video, frames=Counted(video.frames[:3])))
    assert held.frames[1] is held.frames[1] and held.frames[-1] is held.frames[2] and drawn == [1, 2]
    assert all(np.array_equal(a, b) for a, b in zip(held.frames[:3], video.frames[:3], strict=True))
    assert drawn == [1, 2, 0] and len(held.frames) == 3 and puppets.scene_of(held) is Counted.scene


def test_what_is_moved_alone_stands_beside_nobody_carried():
    """The first row is the boxes alone; the value in use has the same result under every name."""

    class Grid:
        def __call__(self, image, boxes):
            return grid_pose(image, boxes)

        def in_video(self, frames, boxes):
            return grid_pose(None, boxes)

    video = experiment.in_run(puppets.videos("val", n=1)[0])
    found = video.people[::2].replace(score=np.ones(len(video.people[::2])))
    table = experiment.sensitivity([video], [found], Grid(), moved={"nms": (0.1, 0.9), "queue": (1, 8)})
    assert table.parameter.tolist() == ["nobody carried", "nms", "nms", "queue", "queue"]
    assert table["in use"].tolist() == [False, True, False, False, True]
    used, alone = table[table["in use"]], propagate(video, found, Grid(), None, Propagation(), puppets.dense_run(video))
    assert used.MOTA.nunique() == 1
    row = experiment.linked([video], {"": [[alone]]}, {"": ("", "multi-flow", {})})[""]
    assert table.mAP[0] == row.ap() and table.MOTA[0] == row.mota()
