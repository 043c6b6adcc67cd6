"""The clip player, driven from Python; tests/browser/test_player.py plays it."""

import json
import re
from dataclasses import replace
from itertools import pairwise

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import WorkbookError, puppets
from helpers.notebook.widgets import Player, base
from helpers.notebook.widgets.lanes import ABSENT, MISSED, NO_ID, UNLABELLED
from helpers.people import Video, concatenate, nobody, people

matplotlib.use("Agg")
SIZE = (160, 90)
#: Two persons (tracks 4 and 7), five frames; person 7 is not in the truth in frame 2.
IDS = {4: [0, 0, 5, None, 6], 7: [1, None, None, 1, 0]}


def standing(x):
    return np.stack([np.full(15, float(x)), np.linspace(70, 20, 15)], -1)


def crowd(rows):
    """People from (frame, x, track); heads are 10 px."""
    frame, x, track = (list(part) for part in zip(*rows, strict=True)) if rows else ([], [], [])
    xy = np.array([standing(v) for v in x]).reshape(-1, 15, 2)
    box = np.array([[v - 8, 15, v + 8, 75] for v in x], float).reshape(-1, 4)
    return people(frame=np.array(frame, int), xy=xy, track=np.array(track, int), box=box, head=np.full(len(rows), 10.0))


TRUTH = crowd([(t, x, who) for who, x in ((4, 40), (7, 110)) for t in range(5) if (who, t) != (7, 2)])
FOUND = crowd(
    [(t, x + 1, ids[t]) for who, x, ids in ((4, 40, IDS[4]), (7, 110, IDS[7])) for t in range(5) if ids[t] is not None]
)


class Frames(list):
    """Pictures of which some cannot be read."""

    def __getitem__(self, t):
        if super().__getitem__(t) is None:
            raise OSError("cannot be read")
        return super().__getitem__(t)


def clip(n=5, frames=None, size=SIZE, labelled=None, truth=TRUTH):
    return Video("clip", size, np.ones(n, bool) if labelled is None else labelled, truth, frames=frames)


def grey(value, size=SIZE):
    return np.full((size[1], size[0], 3), value, np.uint8)


def cells(w):
    return w._sides[0].cells.tolist()


def telling(w):
    return w._telling(w._sides)[1:]


def test_lanes_say_who_was_found_missed_hidden_and_given_which_id():
    w = Player(clip(), FOUND, TRUTH)
    (side,) = w.scene["sides"]
    assert side["who"] == [4, 7]
    assert cells(w) == [[0, 0, 5, MISSED, 6], [1, MISSED, ABSENT, 1, 0]]
    assert w.switches() == [(2, 4, 0, 5), (4, 4, 5, 6), (4, 7, 1, 0)] == w.switches("")
    assert w.answer == {"tracks": {"switches so far": 0, "found": 2, "missed": 0}}
    assert w.move(frame=3) == {"tracks": {"switches so far": 1, "found": 1, "missed": 1}}
    assert w.move(frame=2) == {"tracks": {"switches so far": 1, "found": 1, "missed": 0}}, "hidden is not missed"
    assert w.move(frame=4)["tracks"]["switches so far"] == 3
    w.check(frame=2, person=4)


def test_switches_agree_with_a_count_by_hand_on_a_tracked_puppet_clip():
    from helpers.detections.simulated import simulate_detections
    from helpers.tracking import controls, track
    from helpers.tracking.frame_to_frame import FrameToFrame

    video = puppets.videos("val", n=2, render=False, labelled="all")[1]
    tracked = track(simulate_detections(video, seed=0), FrameToFrame(), len(video))
    perfect = controls.truth_ids(tracked, video.people)
    by_hand = []
    for person in np.unique(video.people.track):
        rows = np.flatnonzero(perfect.track == person)
        rows = rows[np.argsort(tracked.frame[rows])]
        for a, b in pairwise(rows):
            if tracked.track[a] != tracked.track[b]:
                by_hand.append((tracked.frame[b], person, tracked.track[a], tracked.track[b]))
    w = Player(video, {"tracker": tracked, "perfect": perfect}, video.people)
    assert len(by_hand) > 3 and w.switches("tracker") == sorted(by_hand) and w.switches("perfect") == []
    with pytest.raises(KeyError):
        w.switches("other")


def test_without_a_truth_a_lane_is_a_given_id_and_nothing_is_a_switch():
    w = Player(clip(), FOUND)
    (side,) = w.scene["sides"]
    assert side["who"] == [0, 1, 5, 6] and w.switches() == [] and not w.scene["truth"]
    assert cells(w)[0] == [0, 0, ABSENT, ABSENT, 0] and cells(w)[3] == [ABSENT] * 4 + [6]
    assert w._legend() == "number and colour: the id · dotted: not there"
    w.check(frame=2, person=5)


def test_detections_without_ids_have_no_lane_and_no_switch():
    w = Player(clip(), FOUND.replace(track=np.full(len(FOUND), -1)))
    assert w.scene["sides"][0]["who"] == [] and set(w.scene["sides"][0]["lane"][0]) == {-1}
    assert w._legend() == "", "no lanes"
    w.check(frame=3)
    with_truth = Player(clip(), FOUND.replace(track=np.full(len(FOUND), -1)), TRUTH)
    assert with_truth.answer["tracks"] == {"switches so far": 0, "found": 2, "missed": 0}
    some = crowd([(0, 40, 3), (1, 40, -1), (2, 40, 3), (3, 40, -1), (4, 40, 5)])
    assert with_truth._legend().startswith("grey: found · white: missed") and "switch" not in with_truth._legend()
    assert Player(clip(), some, TRUTH).switches() == [(4, 4, 3, 5)]
    assert cells(with_truth)[0] == [NO_ID] * 3 + [MISSED, NO_ID] and with_truth.switches() == []


def test_frames_that_nobody_labelled_are_neither_missed_nor_hidden():
    labelled = np.array([True, True, False, True, True])
    w = Player(clip(labelled=labelled), FOUND, TRUTH[TRUTH.frame != 2])
    assert cells(w) == [[0, 0, UNLABELLED, MISSED, 6], [1, MISSED, UNLABELLED, 1, 0]]
    assert w.switches() == [(4, 4, 0, 6), (4, 7, 1, 0)] and w._legend().endswith("palest grey: nobody looked")


def test_a_person_without_a_joint_in_the_truth_is_hidden_and_not_missed():
    gone = TRUTH.replace(present=TRUTH.present & ~((TRUTH.track == 4) & (TRUTH.frame == 3))[:, None])
    assert cells(Player(clip(), FOUND, gone))[0][3] == ABSENT


def test_trackers_of_the_same_poses_send_them_once():
    once, twice = Player(clip(), FOUND), Player(clip(), {"a": FOUND, "b": FOUND.replace(track=FOUND.track + 1)})
    assert len(twice.scene["poses"]) == 1 and [s["poses"] for s in twice.scene["sides"]] == [0, 0]
    assert twice.scene["sides"][1]["ids"][0] == [1, 2] and once.scene["poses"] == twice.scene["poses"]
    moved = Player(clip(), {"a": FOUND, "b": FOUND.replace(xy=FOUND.xy + 1)})
    assert [s["poses"] for s in moved.scene["sides"]] == [0, 1]


# --- pictures ------------------------------------------------------------------------------------------------


def test_a_frame_that_cannot_be_read_is_missing_and_the_others_are_shown():
    frames = Frames([grey(0), None, np.zeros((4, 4), np.uint8), grey(90), grey(200)])
    w = Player(clip(frames=frames), FOUND, TRUTH)
    assert [source is None for source in w.scene["frames"]] == [False, True, True, False, False] and w.scene["pictures"]
    w.check(frame=1)
    short = Player(clip(frames=[grey(0)]), nobody())
    assert short.scene["frames"][1:] == [None] * 4


def test_pictures_are_paled_shrunk_and_in_the_size_of_the_video():
    large = Player(clip(frames=[grey(0, (800, 450))] * 5, size=(800, 450)), nobody())
    import base64

    import cv2

    data = base64.b64decode(large.scene["frames"][0].split(",")[1])
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert read.shape == (180, 320, 3) and abs(int(read.mean()) - 128) < 3 and large.scene["size"] == [800, 450]


def test_real_tracks_without_pixels_or_size_are_drawn_on_an_empty_canvas():
    w = Player(clip(size=(0, 0)), FOUND, TRUTH)
    assert w.scene["size"] == [int(np.ceil(1.05 * 111)), int(np.ceil(1.05 * 70))] and not w.scene["pictures"]
    seen = Player(clip(size=(0, 0), frames=[None, *[grey(0)] * 4]), nobody())
    assert seen.scene["size"] == [160, 90]


def test_the_strip_shows_the_first_switch_in_frames_before_between_and_after():
    w = Player(clip(), FOUND, TRUTH)
    side, moments, person = w._telling(w._sides)
    assert (moments, person) == ([0, 1, 2, 4], 4) and side.name == ""
    figure = w.still()
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:3] == ["frame 0: person 4 has id 0", "frame 1: person 4 has id 0", "frame 2: person 4 has id 5"]
    assert titles[-1] == "3 switches: a black mark is one"
    legend = "number and colour: the id · black mark: a switch · white: missed · dotted: hidden, not in the truth"
    assert figure.subfigs[-1].get_supxlabel() == legend, "a reader without a page is told what the lanes say"
    assert {text.get_text() for text in figure.axes[-1].texts} == {"0", "1", "5", "6"}, "ids stand there as numbers"
    plt.close(figure)
    gap = crowd([(0, 40, 0), (4, 40, 5)])
    assert telling(Player(clip(), gap, TRUTH)) == ([0, 2, 4], 4)
    assert telling(Player(clip(), nobody(), start=2)) == ([2, 3, 4], None)
    assert telling(Player(clip(3, truth=nobody()), nobody(), start=1)) == ([0, 1, 2], None)


@pytest.mark.parametrize("found", [nobody(), FOUND[:1], FOUND.replace(xy=np.full_like(FOUND.xy, np.nan))])
@pytest.mark.parametrize("truth", [None, TRUTH, nobody()])
def test_nobody_one_and_people_without_places_play(found, truth):
    w = Player(clip(frames=[grey(0)] * 5), found, truth)
    w.move(frame=4)
    assert w.picture() and base.png(w.still()) and json.dumps(w.scene, allow_nan=False)


def test_a_person_alone_is_bright_and_the_others_are_pale():
    w = Player(clip(), FOUND, TRUTH)
    all_seen = base.pixels(w.draw(w.view))
    w.move(person=7)
    alone, figure = base.pixels(w.draw(w.view)), w.draw(w.view)
    assert [text.get_text() for text in figure.axes[0].texts] == ["1"], "only her id stands there"
    plt.close(figure)
    assert (alone != all_seen).any()
    at = np.array([False, True])
    image = w._image(FOUND, np.flatnonzero(FOUND.frame == 0), at, 0)
    scale = image.shape[1] / SIZE[0]
    pale, bright = (image[int(50 * scale), int(x * scale)].astype(int) for x in (41, 111))
    assert np.abs(pale - 245).max() < 80 < np.abs(bright - 245).max()


def test_two_hundred_people_are_drawn_and_too_large_to_store():
    rng = np.random.default_rng(0)
    n, n_frames = 200, 80
    xy = rng.uniform(0, 160, (n, 1, 1, 2)) + rng.uniform(0, 30, (n, n_frames, 15, 2))
    frame, track = np.tile(np.arange(n_frames), n), np.repeat(np.arange(n), n_frames)
    many = people(frame=frame, xy=xy.reshape(-1, 15, 2), track=track, head=np.full(len(frame), 8.0))
    w = Player(clip(n_frames, truth=many), many)
    assert len(w.scene["sides"][0]["who"]) == 200 and w.picture()
    assert ", null);" in w.without_kernel() and len(w.without_kernel()) < 60_000


def test_a_tracked_clip_of_eighty_frames_is_stored_small():
    video = puppets.videos("val", n=16, labelled="all")[15]
    w = Player(video, {"given": video.people, "again": video.people}, video.people)
    assert len(video) > 75 and 100_000 < len(w.without_kernel()) < 500_000 and "render, {" in w.without_kernel()


# --- boxes and scores ----------------------------------------------------------------------------------------

BOXES = [np.array([[0, 0, 10, 10, 0.9], [5, 5, 20, 20, 0.504], [1, 1, 9, 9, 0.2]]), *[np.zeros((0, 5))] * 3, []]


def test_boxes_are_counted_above_a_score_that_the_reader_moves():
    w = Player(clip(), nobody(), boxes={"proposals": BOXES})
    assert w.view["proposals"] == 0.5 and w.answer["proposals"] == 1, "0.504 is stored as 0.5, in Python as in the page"
    assert w.move(proposals=0.1)["proposals"] == 3 and w.move(frame=4)["proposals"] == 0
    w.move(frame=0)
    w.check(proposals=0.95)
    assert Player(clip(), nobody(), boxes={"proposals": BOXES}, above={"proposals": 0.3}).answer["proposals"] == 2


def test_people_below_the_score_are_not_drawn():
    scored = FOUND.replace(score=np.where(FOUND.track == 0, 0.9, 0.3))
    w = Player(clip(), scored, above={"score": 0.5})
    assert w.scene["poses"][0]["score"][0] == [0.9, 0.3] and w.scene["poses"][0]["box"][0][0] == [33, 15, 49, 75]
    w.check(score=0.1, frame=2)
    assert "box" not in Player(clip(), scored).scene["poses"][0]


@pytest.mark.parametrize("score", [0.0, 0.2, 0.4, 0.6, 0.8, 0.95])
def test_lanes_above_a_score_are_those_of_the_instances_above_it_alone(score):
    from helpers.detections.simulated import simulate_detections
    from helpers.tracking import track
    from helpers.tracking.frame_to_frame import FrameToFrame

    video = puppets.videos("val", n=2, render=False, labelled="all")[1]
    tracked = track(simulate_detections(video, seed=0), FrameToFrame(), len(video))
    w = Player(video, tracked, video.people, above={"score": 0})
    kept = Player(video, tracked[tracked.score.round(2) > score], video.people, above={"score": 0})
    w.move(score=score)
    assert w.switches() == kept.switches() and w._seen(w.view)[0].cells.tolist() == cells(kept)


def test_of_two_instances_on_a_person_the_surer_one_is_in_the_lane_although_it_is_farther():
    near, far = TRUTH[:1].replace(track=np.array([1])), TRUTH[:1].replace(track=np.array([2]), xy=TRUTH.xy[:1] + 2)
    both = concatenate([far.replace(score=np.array([0.9])), near.replace(score=np.array([0.4]))])
    assert cells(Player(clip(), both, TRUTH))[0][0] == 1
    w = Player(clip(), both, TRUTH, above={"score": 0.1})
    assert cells(w)[0][0] == 2 and w.answer["tracks"]["found"] == 1


# --- what makes no sense ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Player(clip(0), FOUND), "player: clip has no frames, so there is nothing to play."),
        (lambda: Player(clip(), {}), "player: no people are given, not even nobody."),
        (lambda: Player(clip(), [1]), "player: people are given as list, not as People."),
        (lambda: Player(clip(), {"a": 3}), "player: people are given as int, not as People."),
        (lambda: Player(clip(4), FOUND), "player: tracked has people in frame 4, clip has 0 … 3."),
        (lambda: Player(clip(4), {"a": nobody()}, TRUTH), "player: truth has people in frame 4, clip has 0 … 3."),
        (lambda: Player(clip(), crowd([(-1, 3, 0)])), "player: tracked has people in frame -1, clip has 0 … 4."),
        (
            lambda: Player(clip(), FOUND, FOUND.replace(head=np.full(len(FOUND), np.nan))),
            "player: the truth has people without a head size, so nobody can be matched with them.",
        ),
        (
            lambda: Player(clip(size=(0, 0)), nobody()),
            "player: clip has no size, no pictures and no joints to tell one.",
        ),
        (lambda: Player(clip(), FOUND, start=5), "frame 5: is not one of 0 … 4."),
        (lambda: Player(clip(), FOUND, boxes={"b": BOXES[:2]}), "boxes b: there are 2 lists of them for 5 frames."),
        (
            lambda: Player(clip(), FOUND, boxes={"b": [np.zeros((2, 4))] * 5}),
            "boxes b: frame 0 does not hold finite numbers x1 y1 x2 y2 score, (n, 5).",
        ),
        (lambda: Player(clip(), FOUND, boxes={"b": [np.full((1, 5), np.nan)] * 5}), "boxes b: frame 0 does not hold"),
        (lambda: Player(clip(), FOUND, boxes={"score": BOXES}), "player: score is not the name of a layer of boxes."),
        (lambda: Player(clip(), FOUND, boxes={"frame": BOXES}), "player: frame is not the name of a layer of boxes."),
        (lambda: Player(clip(), FOUND, above={"c": 0.1}), "player: c is not the name of a layer of boxes."),
        (lambda: Player(clip(), FOUND, above={"score": 1.5}), "score 1.5: is not a threshold between 0 and 1."),
        (lambda: Player(clip(), FOUND, boxes=dict.fromkeys("abcd", BOXES)), "player: 4 layers of boxes, at most 3"),
        (lambda: Player(clip(), FOUND, TRUTH).move(person=5), "person 5: is nobody of this clip, who are 4, 7."),
        (lambda: Player(clip(), nobody()).move(person=5), "person 5: is nobody of this clip, who are nobody."),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(make, message):
    with pytest.raises(WorkbookError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"frame": "a"}, "frame a: is not one of 0 … 4."),
        ({"frame": None}, "frame None: is not one of 0 … 4."),
        ({"frame": 1.5}, "frame 1.5: is not one of 0 … 4."),
        ({"frame": float("nan")}, "frame nan: is not one of 0 … 4."),
        ({"person": "a"}, "person a: is nobody of this clip"),
        ({"person": True}, "person True: is nobody of this clip"),
        ({"person": [4]}, "person [4]: is nobody of this clip"),
        ({"score": None}, "score None: is not a threshold"),
        ({"score": float("nan")}, "score nan: is not a threshold"),
        ({"other": 1}, "a view of this widget holds frame, person, score, not"),
    ],
)
def test_what_a_browser_may_send_is_checked(change, message):
    w = Player(clip(), FOUND, TRUTH, above={"score": 0.1})
    w.set_state({"view": w.view | change, "asked": 1})
    assert message in w.fault and w.answered == 1
    w.set_state({"view": {"frame": 1, "person": 4, "score": 0}, "asked": 2})
    assert w.fault == "" and w.answer["tracks"]["found"] == 1


def test_people_of_the_clip_only_are_sent_in_the_order_of_their_frames():
    shuffled = concatenate([FOUND[FOUND.frame == t] for t in (3, 0, 4, 1, 2)])
    a, b = Player(clip(), FOUND, TRUTH), Player(clip(), shuffled, TRUTH)
    assert cells(a) == cells(b)
    assert a.scene["poses"][0]["xy"][0][0][:2] == [41, 70] and len(b.scene["poses"][0]["xy"]) == 5


def test_an_excerpt_counts_its_frames_anew():
    from helpers.notebook.widgets.clips import excerpt

    video = clip(frames=Frames([grey(0), grey(10), None, grey(30), grey(40)]), labelled=np.array([1, 1, 0, 1, 0], bool))
    part = excerpt(video, 1, 3)
    assert len(part) == 3 and part.labelled.tolist() == [True, False, True] and part.size == SIZE
    assert [None if f is None else int(f[0, 0, 0]) for f in part.frames] == [10, None, 30]
    assert sorted(zip(part.people.frame.tolist(), part.people.track.tolist(), strict=True)) == [
        (0, 4), (0, 7), (1, 4), (2, 4), (2, 7),
    ]  # fmt: skip
    assert excerpt(clip(), 4, 1).frames is None
    for first, n in ((3, 3), (-1, 2), (0, 0)):
        with pytest.raises(WorkbookError, match="excerpt: clip has frames 0 … 4, not"):
            excerpt(clip(), first, n)


def test_any_id_below_zero_is_none():
    clip_ = clip()
    w = Player(clip_, FOUND.replace(track=np.full(len(FOUND), -2)), TRUTH)
    same = Player(clip_, FOUND.replace(track=np.full(len(FOUND), NO_ID)), TRUTH)
    assert w.answer == same.answer and w.answer["tracks"]["found"] > 0


def test_frames_of_which_none_is_a_picture_are_refused():
    with pytest.raises(WorkbookError, match="no frame of clip is a picture"):
        Player(replace(clip(), frames=[np.zeros((20, 30)) for _ in range(len(clip()))]), FOUND, TRUTH)


def test_scores_that_a_slider_cannot_tell_apart_are_paired_in_their_order():
    """0.701 stands after 0.699: to two digits they are equal, and the slider knows no more."""
    found = crowd([(0, 41, 3), (0, 40, 8)]).replace(score=[0.699, 0.701])
    one = crowd([(0, 40, 4)])
    w = Player(clip(1, truth=one), found, one, above={"score": 0.5})
    assert cells(w) == [[3]]


def test_scores_of_boxes_keep_two_digits():
    boxes = [np.array([[1, 1, 9, 9, 0.53], [1, 1, 9, 9, 0.51]])] * 5
    w = Player(clip(), FOUND, TRUTH, boxes={"proposals": boxes}, above={"proposals": 0.52})
    assert w.answer["proposals"] == 1


def test_trackers_that_differ_by_scores_alone_keep_theirs():
    other = FOUND.replace(score=np.linspace(0.1, 0.9, len(FOUND)))
    w = Player(clip(), {"a": FOUND, "b": other}, TRUTH, above={"score": 0.5})
    assert len(w.scene["poses"]) == 2 and w.answer["a"] != w.answer["b"]
    same = Player(clip(), {"a": FOUND, "b": FOUND.replace(track=FOUND.track[::-1])}, TRUTH)
    assert len(same.scene["poses"]) == 1
