"""The similarity matrix, driven from Python: its ids are the tracker's, picked in order; wrong input in sentences."""

import re

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import WorkbookError
from helpers.notebook import plots
from helpers.notebook.widgets import SimilarityMatrix
from helpers.people import people
from helpers.tracking import flow_similarity

matplotlib.use("Agg")
POSE = plots.standing_pose()
#: Two ids, each seen in the last two frames, and three people.
IDS, BACK = [4, 7, 4, 7], [1, 1, 2, 2]
ALIKE = [[0.5, 0.6, 0.0], [0.4, 0.7, 0.1], [0.9, 0.1, 0.0], [0.3, 0.2, 0.15]]


def standing(n):
    return POSE + 120 * np.arange(n)[:, None, None] * [1, 0]


def matrix(alike=None, ids=IDS, back=BACK, n=3, **more):
    alike = {"pose": ALIKE, "multi-flow": ALIKE} if alike is None else alike
    return SimilarityMatrix(alike, ids, back, standing(len(ids)), standing(len(ids)) + 5, standing(n), **more)


def test_the_most_similar_row_of_an_id_counts_and_pairs_are_picked_in_order():
    w = matrix()
    assert w.view["queue"] == 1, "pose similarity looks one frame back"
    assert w.answer["pairs"] == [[1, 1, 7, 0.7], [0, 0, 4, 0.5]] and w.answer["ids"] == [4, 7, 8]
    answer = w.move(queue=2)
    assert answer["pairs"] == [[2, 0, 4, 0.9], [1, 1, 7, 0.7]] and answer["fresh"] == [2]
    answer = w.move(link=0.8)
    assert answer["pairs"] == [[2, 0, 4, 0.9]] and answer["ids"] == [4, 8, 9] and answer["fresh"] == [1, 2]


def test_nothing_alike_is_never_linked():
    w = matrix({"s": [[0.9, 0], [0, 0]]}, ids=[0, 1], back=[1, 1], n=2, link=0)
    assert w.answer["pairs"] == [[0, 0, 0, 0.9]] and w.answer["ids"] == [0, 2]


def test_who_is_taken_leaves_the_second_best():
    w = matrix({"s": [[0.9, 0.8], [0.7, 0.1]]}, ids=[0, 1], back=[1, 1], n=2)
    assert w.answer["pairs"] == [[0, 0, 0, 0.9]] and w.answer["ids"] == [0, 2], "0.1 is less than a link needs"
    assert w.move(link=0.1)["ids"] == [0, 1]


def tracked(alike, ids, back, queue, link, new):
    """The ids that `FlowTracker` gives, with these similarities in place of the boxes'."""
    keep = np.asarray(back) <= queue
    tracker = flow_similarity.FlowTracker("bbox", queue=queue, link=link)
    tracker._known, tracker._ids, tracker._next_id = people(xy=standing(int(keep.sum()))), np.asarray(ids)[keep], new
    tracker._age = np.zeros(int(keep.sum()), int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow_similarity, "box_iou", lambda a, b: np.asarray(alike)[keep])
        return tracker.step(people(xy=standing(np.shape(alike)[1])))


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 6), st.sampled_from([0.0, 0.2, 0.5]), st.booleans())
def test_its_ids_are_the_trackers(seed, rows, n, link, ties):
    rng = np.random.default_rng(seed)
    alike = rng.choice([0, 0.2, 0.5, 0.5, 0.8], (rows, n)) if ties else rng.random((rows, n)).round(4)
    ids, back = rng.integers(0, 5, rows), rng.integers(1, 4, rows)
    w = matrix({"s": alike}, ids, back, n, link=link, new=30)
    for queue in range(1, int(back.max()) + 1):
        if not (back <= queue).any():
            continue
        answer = w.move(queue=queue)
        assert answer["ids"] == tracked(alike, ids, back, queue, link, 30).tolist()
        values = [pair[3] for pair in answer["pairs"]]
        assert values == sorted(values, reverse=True) and all(alike[r, c] == v for r, c, _, v in answer["pairs"])


def test_rows_stand_by_frame_and_by_id():
    w = matrix(ids=[7, 4, 9, 1], back=[2, 2, 1, 1])
    assert w.scene["order"] == [3, 2, 1, 0]
    assert (w.view["row"], w.view["column"]) == (2, 0), "the pair that is picked first"
    w = matrix(ids=[7, 4, 9, 1], back=[2, 2, 1, 1], link=1)
    assert (w.view["row"], w.view["column"]) == (3, 0), "nothing is picked"


def test_a_queue_goes_with_each_similarity():
    alike = dict.fromkeys(("bbox", "multi-flow", "mine"), ALIKE)
    assert matrix(alike).scene["reach"] == [1, 2, 2]
    assert matrix(alike, queues={"bbox": 9, "mine": 1}).scene["reach"] == [2, 2, 1]
    w = matrix(alike)
    four = w.still()
    assert four.shape[1] > 2.8 * matrix({"bbox": ALIKE}).still().shape[1]


def test_nobody_remembered_and_nobody_here():
    w = matrix({"s": np.zeros((0, 2))}, ids=[], back=[], n=2, new=5)
    assert w.answer["ids"] == [5, 6] and w.answer["pairs"] == [] and w.picture()
    w = matrix({"s": np.zeros((4, 0))}, n=0)
    assert w.answer["ids"] == [] and w.picture()


def test_a_cell_shows_the_three_poses():
    w = matrix()
    w.check(row=0, column=2, queue=2, link=0.6)
    same = SimilarityMatrix({"pose": ALIKE}, IDS, BACK, standing(4), None, standing(3))
    assert same.scene["carried"] is None and same.picture() != w.picture()
    gone = standing(4)
    gone[0, 3] = np.nan
    w = SimilarityMatrix({"pose": ALIKE}, IDS, BACK, gone, gone, standing(3))
    assert w.scene["old"][0][6:8] == [None, None] and w.picture()


def test_numbers_are_kept_to_four_digits_for_script_and_python_alike():
    w = matrix({"s": [[0.123456, 0.123449]]}, ids=[0], back=[1], n=2, link=0)
    assert w.scene["alike"] == [[[0.1235, 0.1234]]] and w.answer["pairs"] == [[0, 0, 0, 0.1235]]


@pytest.mark.parametrize(
    "view, sentence",
    [
        ({"similarity": 2}, "similarity 2: is not one of 0 … 1."),
        ({"queue": 0}, "queue 0: at least 1 frame is needed."),
        ({"queue": 3}, "queue 3: is not one of 0 … 2."),
        ({"link": 1.5}, "link 1.5: is not between 0 and 1."),
        ({"link": True}, "link True: is not between 0 and 1."),
        ({"row": 4}, "row 4: is not one of 0 … 3."),
        ({"column": -1}, "column -1: is not one of 0 … 2."),
    ],
)
def test_a_view_that_makes_no_sense_is_a_sentence(view, sentence):
    with pytest.raises(WorkbookError, match=re.escape(sentence)):
        matrix().move(**view)


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: matrix({}), "there is no similarity to show."),
        (lambda: matrix({"s": np.ones((2, 3))}), "s: (2, 3) similarities are not 4 × 3 numbers in [0, 1]."),
        (lambda: matrix({"s": np.full((4, 3), 1.1)}), "s: (4, 3) similarities are not"),
        (lambda: matrix({"s": np.full((4, 3), np.nan)}), "s: (4, 3) similarities are not"),
        (lambda: matrix(ids=[0, 1, -1, 2]), "ids: 4 whole numbers ≥ 0 are needed, got [0, 1, -1, 2]."),
        (lambda: matrix(back=[1, 0, 1, 2]), "back: 4 whole numbers ≥ 1 are needed"),
        (lambda: matrix(back=[1.0, 1, 1, 2]), "back: 4 whole numbers ≥ 1 are needed"),
        (lambda: matrix(new=7), "new 7: is no free id."),
        (lambda: matrix([ALIKE]), "there is no similarity to show."),
        (lambda: matrix({"s": "x"}), "s: does not hold numbers of one shape."),
        (lambda: matrix(queues={"s": "x"}), "queues {'s': 'x'}: are not name → whole number of frames."),
        (lambda: matrix(ids=np.array([2**63, 1, 1, 2], np.uint64)), "ids: 9223372036854775808 is larger than"),
        (lambda: matrix(link=-1), "link -1: is not between 0 and 1."),
        (lambda: matrix(ids=[1] * 200, back=[1] * 200), "200 and 200 poses, 3 people are given."),
        (
            lambda: SimilarityMatrix({"s": ALIKE}, IDS, BACK, POSE, None, standing(3)),
            "old_xy: (15, 2) is not (N, 15, 2) pixels.",
        ),
        (
            lambda: SimilarityMatrix({"s": ALIKE}, IDS, BACK, standing(4), None, [["a"]]),
            "xy: does not hold numbers of one shape.",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(make, sentence):
    with pytest.raises(WorkbookError, match=re.escape(sentence)):
        make()
