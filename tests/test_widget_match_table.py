"""The match table, driven from Python: answers by exhaustion, steps by their prices, wrong input in sentences."""

import re
from itertools import combinations, permutations

import matplotlib
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from helpers import WorkbookError
from helpers.notebook import plots
from helpers.notebook.widgets import FramePair, MatchTable, match_table
from helpers.people import nobody, people
from helpers.tracking.matching import hungarian, hungarian_steps

matplotlib.use("Agg")
EXAMPLE = np.array([[1.0, 4, 5, 9], [2, 3, 7, 8], [1, 2, 8, 9], [3, 1, 9, 4]])


def standing(n, tracks=None, apart=60.0):
    """n people side by side; their tracks, or none."""
    if n == 0:
        return nobody()
    xy = plots.standing_pose() * 0.5 + np.stack([apart * np.arange(n), np.zeros(n)], 1)[:, None]
    return people(xy=xy, track=np.full(n, -1) if tracks is None else np.asarray(tracks))


def table(cost=EXAMPLE, **more):
    n, m = np.shape(cost)
    return MatchTable(FramePair(standing(n, range(n)), standing(m, range(m))), np.asarray(cost), **more)


def best_by_exhaustion(cost, allowed):
    """(number, total) of the matching with most allowed pairs, among those the cheapest."""
    n, m = cost.shape
    best = (0, 0.0)
    for k in range(1, min(n, m) + 1):
        for rows in combinations(range(n), k):
            for columns in permutations(range(m), k):
                if allowed[list(rows), list(columns)].all():
                    total = cost[list(rows), list(columns)].sum()
                    best = min(best, (-k, total))
    return -best[0], best[1]


def test_both_matchings_answer_with_totals_and_what_is_right():
    w = table()
    pairs, total = w.answer["Hungarian"]["pairs"], w.answer["Hungarian"]["total"]
    assert total == 13 == sum(EXAMPLE[i, j] for i, j in pairs) and sorted(i for i, _ in pairs) == [0, 1, 2, 3]
    assert w.answer["Hungarian"]["right"] == sum(i == j for i, j in pairs)
    assert w.answer["greedy"] == {"pairs": [[0, 0], [3, 1], [1, 2], [2, 3]], "total": 18, "right": 1}
    assert w.answer["of"] == 4 and w.answer["conflict"] == ""


def test_what_is_forced_forbidden_and_limited_is_the_best_of_what_is_left():
    rng = np.random.default_rng(3)
    for n, m in [(1, 1), (2, 3), (4, 3), (4, 4), (3, 4)] * 4:
        cost = rng.integers(0, 90, (n, m)) / 10.0
        cost[rng.random((n, m)) < 0.2] = rng.choice([np.nan, np.inf])
        known = np.argwhere(np.isfinite(cost)).tolist()
        forced = [known[rng.integers(len(known))]] if known else []
        forbidden = [p for p in known if p not in forced and rng.random() < 0.15]
        limit = float(np.round(rng.uniform(3, 9), 2))
        allowed = np.isfinite(cost) & (cost <= limit)
        for i, j in forbidden:
            allowed[i, j] = False
        for i, j in forced:
            allowed[i], allowed[:, j] = False, False
            allowed[i, j] = True
        answer = table(cost).move(forced=forced, forbidden=forbidden, limit=limit)
        number, total = best_by_exhaustion(cost, allowed)
        pairs = answer["Hungarian"]["pairs"]
        assert len(pairs) == number and np.isclose(answer["Hungarian"]["total"], total)
        assert all(p in pairs and p in answer["greedy"]["pairs"] for p in forced)
        assert not any(p in pairs + answer["greedy"]["pairs"] for p in forbidden)


def test_a_pair_as_dear_as_the_limit_is_allowed():
    assert table(EXAMPLE).move(limit=1.0)["greedy"]["pairs"] == [[0, 0], [3, 1]]


def test_pictures_show_what_a_step_has(monkeypatch):
    """Greedy: the picks so far; Hungarian: what is held, over the reduced costs, and the chain."""
    framed = []
    monkeypatch.setattr(
        match_table, "Rectangle", lambda at, w, h, ec, **_: framed.append((ec, at, w)) or Rectangle(at, w, h)
    )
    w = table()

    def marked(colour, **view):
        framed.clear()
        w.move(**view)
        w.picture()
        return sorted((round(y + side / 2), round(x + side / 2)) for ec, (x, y), side in framed if ec == colour)

    assert marked(match_table.GREEDY, mode="greedy", step=2) == [(0, 0), (3, 1)]
    step = hungarian_steps(EXAMPLE)[5]
    assert marked(match_table.CHAIN, mode="hungarian", step=6) == sorted(map(tuple, step.chain.tolist()))
    held = [(i, j) for i, j in enumerate(step.partner.tolist()) if j >= 0]
    assert marked(match_table.HUNGARIAN, row=1) == held and len(held) == 2


@pytest.mark.parametrize(
    "forced, sentence",
    [
        ([[0, 1], [0, 2]], "Row 0 is forced to column 1 and to column 2: it can have only one."),
        ([[0, 1], [3, 1]], "Column 1 is forced to row 0 and to row 3: it can have only one."),
        ([[1, 1]], "Row 1 and column 1 have no cost, so they cannot be forced."),
    ],
)
def test_a_conflict_is_one_sentence_and_matches_nobody(forced, sentence):
    cost = EXAMPLE.copy()
    cost[1, 1] = np.inf
    answer = table(cost).move(forced=forced)
    assert answer["conflict"] == sentence and answer["Hungarian"]["pairs"] == answer["greedy"]["pairs"] == []


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (3, 6), (6, 3), (5, 1)])
def test_every_step_has_valid_prices_that_pay_for_what_is_matched(shape):
    rng = np.random.default_rng(sum(shape))
    for _ in range(20):
        cost = rng.random(shape)
        steps, rows, columns = hungarian_steps(cost), *hungarian(cost)
        assert [s.kind for s in steps] == ["search", "prices", "shift"] * min(shape)
        for k, step in enumerate(steps):
            reduced = cost - step.u[:, None] - step.v
            held = np.flatnonzero(step.partner >= 0)
            assert (reduced > -1e-12).all() and np.allclose(reduced[held, step.partner[held]], 0)
            assert len(held) == k // 3 + (step.kind == "shift")
            if step.kind != "search":
                assert np.allclose(reduced[tuple(step.chain.T)], 0)
            if step.kind == "shift":
                assert {(i, step.partner[i]) for i, _ in step.chain} == set(map(tuple, step.chain))
                assert np.isclose(step.u.sum() + step.v.sum(), cost[held, step.partner[held]].sum())
            first = 0 if shape[0] <= shape[1] else 1
            assert step.searching == k // 3 == step.chain[0, first]
        assert np.array_equal(step.partner[rows], columns)


def test_forbidden_pairs_have_a_price_in_the_steps():
    w = table([[1.0, np.nan], [np.nan, 5]])
    assert w.answer["full"] == [[1, 14], [14, 5]] and w.answer["steps"][-1]["partner"] == [0, 1]
    assert hungarian_steps([[np.inf, np.nan]]) == []


def test_views_move_the_picture_and_back(capsys):
    table().check(mode="hungarian", row=2, column=3, forced=[[0, 3]], forbidden=[[1, 1]], limit=4.5)
    w = table()
    w.move(mode="hungarian")
    w.check(step=8)
    w.move(mode="greedy")
    w.check(step=3)
    assert capsys.readouterr().out.count("and back") == 3


@pytest.mark.parametrize(
    "view, sentence",
    [
        ({"pair": 1}, "pair 1: is not one of 0 … 0."),
        ({"cost": "a"}, "cost a: is not one of 0 … 0."),
        ({"mode": "both"}, "mode 'both': is not one of answers, greedy, hungarian."),
        ({"row": 4}, "row 4: is not one of 0 … 3."),
        ({"column": None}, "column None: is not one of 0 … 3."),
        ({"row": float("nan")}, "row nan: is not one of 0 … 3."),
        ({"step": 1}, "step 1: is not one of 0 … 0."),
        ({"mode": "hungarian", "step": 13}, "step 13: is not one of 0 … 12."),
        ({"forced": [0, 1]}, "forced: [0, 1] is not a list of pairs [row, column]."),
        ({"forced": [[0, 1, 2]]}, "is not a list of pairs"),
        ({"forbidden": [[0, 9]]}, "column 9: is not one of 0 … 3."),
        ({"forced": [[1, 1]], "forbidden": [[1, 1]]}, "pair [1, 1]: is forced and forbidden at once."),
        ({"limit": "x"}, "limit: 'x' is neither a number nor None."),
    ],
)
def test_a_view_that_makes_no_sense_is_a_sentence(view, sentence):
    w = table()
    with pytest.raises(WorkbookError, match=re.escape(sentence)):
        w.move(**view)
    w.set_state({"view": w.view | view, "asked": 1})
    assert sentence in w.fault and w.answered == 1


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: MatchTable({}, EXAMPLE), "without a pair of frames and a cost there is nothing to match"),
        (lambda: MatchTable(FramePair(standing(1), standing(1)), {}), "there is nothing to match"),
        (
            lambda: MatchTable(FramePair(standing(3), standing(4)), EXAMPLE),
            "cost 'cost': 4 × 4 numbers do not fit 3 × 4",
        ),
        (lambda: table(start=(4, 0)), "row 4: is not one of 0 … 3."),
        (
            lambda: MatchTable(
                FramePair(standing(1), standing(1), (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8))),
                np.ones((1, 1)),
            ),
            "images: (4, 4, 3) and (4, 5, 3) are not two RGB pictures of one size.",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(make, sentence):
    with pytest.raises(WorkbookError, match=re.escape(sentence)):
        make()


@pytest.mark.parametrize("n, m", [(0, 0), (0, 3), (3, 0), (1, 1), (1, 4)])
def test_few_people_or_nobody(n, m):
    w = table(np.arange(float(n * m)).reshape(n, m))
    assert len(w.answer["Hungarian"]["pairs"]) == min(n, m) and w.picture() and len(w.still())
    with pytest.raises(WorkbookError):
        w.move(forced=[[0, 4]])


def test_two_hundred_people_are_drawn_without_numbers_and_without_steps():
    rng = np.random.default_rng(0)
    w = table(rng.random((200, 200)))
    assert w.answer["steps"] == [] and len(w.answer["Hungarian"]["pairs"]) == 200 and w.picture()
    assert len(w.without_kernel()) < 1_000_000


def test_people_without_joints_or_a_box():
    seen = standing(3, range(3))
    gone = seen.replace(xy=np.full_like(seen.xy, np.nan), present=np.zeros_like(seen.present))
    w = MatchTable(FramePair(seen, gone), np.full((3, 3), np.nan))
    assert w.answer["Hungarian"]["pairs"] == [] and w.picture()
    assert w.scene["pairs"][0]["people"][1]["boxes"] == [[None] * 4] * 3


def test_people_of_a_track_are_the_same_and_those_without_are_not_known():
    before, after = standing(3, [5, -1, 7]), standing(2, [7, -1])
    w = MatchTable(FramePair(before, after), np.zeros((3, 2)))
    assert w.scene["pairs"][0]["truth"] == [[2, 0]] and w.answer["of"] == 1


def test_frames_are_asked_for_when_they_are_chosen_and_once():
    asked = []

    def later():
        asked.append(1)
        return FramePair(standing(2), standing(3), names=("late", "later"))

    w = MatchTable(
        {"first": FramePair(standing(4), standing(4)), "second": later},
        {
            "corner": lambda a, b: np.add.outer(a.xy[:, 0, 0], b.xy[:, 0, 0]),
            "same": lambda a, b: np.ones((len(a), len(b))),
        },
    )
    w.move(row=3, column=3, forced=[[0, 1]])
    assert not asked and "costs" not in w.scene["pairs"][1] and "pair" not in w.answer
    answer = w.move(pair=1, cost=1)
    assert asked == [1] and answer["pair"]["names"] == ["late", "later"] and answer["Hungarian"]["total"] == 2
    assert (w.view["row"], w.view["column"], w.view["forced"]) == (1, 2, []), "what is not there is not pointed at"
    w.move(cost=0)
    assert asked == [1]


def test_frames_that_cannot_be_had_are_a_fault_in_the_widget():
    def broken():
        raise OSError("the frame is gone")

    w = MatchTable({"first": FramePair(standing(1), standing(1)), "second": broken}, np.ones((1, 1)))
    w.set_state({"view": w.view | {"pair": 1}, "asked": 1})
    assert w.fault == "OSError: the frame is gone" and w.answered == 1
    w.move(pair=0)
    assert w.fault == ""


def test_several_costs_have_each_its_answer_in_the_scene():
    pair = FramePair(standing(4, range(4)), standing(4, range(4)))
    w = MatchTable(pair, {"example": EXAMPLE, "truth": 1 - np.eye(4)})
    solved = w.scene["pairs"][0]["solved"]
    assert [s["Hungarian"]["right"] for s in solved] == [w.answer["Hungarian"]["right"], 4]
    assert w.move(cost=1)["Hungarian"] == solved[1]["Hungarian"]


def test_images_are_stored_small():
    image = np.full((180, 320, 3), 200, np.uint8)
    w = MatchTable(FramePair(standing(2), standing(2), (image, image)), np.eye(2))
    assert w.scene["pairs"][0]["size"] == [320, 180] and w.scene["pairs"][0]["images"][0].startswith("data:image/webp")


def test_twenty_people_have_steps_and_twenty_one_have_none():
    for n, some in ((20, True), (21, False)):
        w = table(np.random.default_rng(0).random((n, n)))
        w.move(mode="hungarian")
        assert bool(w.answer["steps"]) == some


def test_a_cost_is_sent_with_four_digits():
    assert "0.1234" in str(table(np.array([[0.12344, 1.0], [1.0, 0.5]])).scene)
