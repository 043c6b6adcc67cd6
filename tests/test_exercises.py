"""Exercises: a stub falls back to the reference, a wrong solution is told what was expected; each exercise is tried."""

import ast
import html
import re
import textwrap
from functools import partial
from pathlib import Path

import nbformat
import numpy as np
import pytest

from helpers import WorkbookError
from helpers.detections.flow import moved
from helpers.geometry import box_iou, pairwise_distance
from helpers.nets import heatmaps
from helpers.notebook.exercises import NotRight, solve
from helpers.places import NOTEBOOKS
from tests.notebook_code import code_cells, needed

CASES = {"one": ((1,), 2), "an array": ((np.array([1.0, np.nan]),), [2, np.nan]), "nobody": ((np.zeros(0),), [])}


def reference(x):
    return x + 1


def test_a_right_solution_is_taken(capsys):
    def own(x):
        return 1 + x

    assert solve(own, reference, CASES, "exercise 1") is own
    assert capsys.readouterr().out == "exercise 1: right in all 3 cases\n"


def test_a_stub_or_a_forgotten_return_falls_back_with_one_loud_line(capsys):
    def dots(x): ...

    def forgotten(x):
        x + 1

    for attempt in (dots, forgotten, lambda x: ...):
        assert solve(attempt, reference, CASES) is reference
        out = capsys.readouterr().out
        assert out.count("\n") == 1 and "NOT SOLVED YET" in out and "right" not in out


def test_zero_false_and_an_empty_array_are_answers():
    for answer in (0, False, np.zeros(0)):
        assert solve(lambda x, answer=answer: answer, abs, {"x": ((1,), answer)}) is not abs


def test_nothing_in_a_later_case_is_a_wrong_answer():
    with pytest.raises(NotRight, match="two: expected 3, got None, which is not numbers"):
        solve(lambda x: 2 if x == 1 else None, reference, {"one": ((1,), 2), "two": ((2,), 3)})


@pytest.mark.parametrize(
    ("attempt", "sentence"),
    [
        (lambda x: x + 2, r"exercise, one: expected 2, got 3\n  input: x = 1$"),
        (lambda x: np.atleast_1d(x + 1), r"one: expected 2 of shape \(\), got \[2\] of shape \(1,\)"),
        (lambda x: "2", "one: expected 2, got '2', which is not numbers"),
        (lambda x: [[1], [1, 2]], "one: expected 2, got .*, which is not numbers"),
        (lambda x: x + 1 if np.ndim(x) == 0 else x[:1] + 1, r"an array: expected .* shape \(2,\), got .* \(1,\)"),
        (lambda x: x + 1 if np.ndim(x) == 0 else np.nan_to_num(x) + 1, r"an array: .*\n  input: x = \[ ?1., nan\]$"),
        (lambda x: x / 0, "one: ZeroDivisionError in `.*x / 0.*`: division by zero"),
        (lambda: 2, "one: TypeError .* takes 0 positional arguments"),
    ],
)
def test_a_wrong_solution_is_told_in_a_sentence_with_its_input(attempt, sentence):
    with pytest.raises(NotRight) as caught:
        solve(attempt, reference, CASES)
    assert re.search(sentence, str(caught.value)), str(caught.value)
    assert caught.value._render_traceback_() == str(caught.value).splitlines(), "a notebook shows no frames"


def test_differences_up_to_a_millionth_are_right():
    assert solve(lambda x: 1 + 5e-7, abs, {"x": ((1,), 1)})
    with pytest.raises(NotRight):
        solve(lambda x: 1 + 5e-6, abs, {"x": ((1,), 1)})


def test_integers_are_compared_exactly():
    million = 2_000_000
    assert solve(lambda: float(million), abs, {"x": ((), million)})
    for answer in (million + 1, np.array(million + 1)):
        with pytest.raises(NotRight, match="expected 2000000, got 2000001"):
            solve(lambda answer=answer: answer, abs, {"x": ((), million)})


def test_a_partial_that_returns_nothing_is_not_solved_and_a_tensor_with_a_gradient_is_an_answer(capsys):
    assert solve(partial(lambda x: None), reference, CASES) is reference
    assert "NOT SOLVED YET" in capsys.readouterr().out
    torch = pytest.importorskip("torch")
    assert solve(lambda: torch.ones(2, requires_grad=True), reference, {"x": ((), [1, 1])}) is not reference
    with pytest.raises(NotRight, match=r"expected \[1, 1\]"):
        solve(lambda: torch.zeros(2, requires_grad=True), reference, {"x": ((), [1, 1])})


def test_an_exercise_without_cases_is_refused():
    with pytest.raises(WorkbookError, match="exercise 9: cases is empty"):
        solve(reference, reference, {}, "exercise 9")


def test_a_solution_that_spoils_its_input_spoils_no_other_case():
    def spoils(x):
        x += 1
        return x

    shared = np.zeros(2)
    solve(spoils, lambda x: x + 1, {"first": ((shared,), [1, 1]), "again": ((shared,), [1, 1])})
    assert (shared == 0).all()


def test_where_many_answers_are_right_a_judge_decides():
    def even(answer):
        """an even number"""
        return "" if answer % 2 == 0 else f"{answer} is odd"

    assert solve(lambda: 4, lambda: 2, {"any": ((), even)})
    with pytest.raises(NotRight, match="any: 5 is odd\n  input: none"):
        solve(lambda: 5, lambda: 2, {"any": ((), even)})
    with pytest.raises(NotRight, match=r"any: expected an even number, got \[\]"):
        solve(list, lambda: 2, {"any": ((), even)})


# --- the exercises of the notebooks: the reference passes, plausible wrong answers do not ---------------


def with_one_slip(k, T=20, back=True, late=0):
    matrix = np.array([[0.1, 0.9], [0.9, 0.1]])
    end = 5 + k + late if back else T
    return [([0, 1], [1, 0] if 5 <= t < end else [0, 1], matrix) for t in range(T)]


def traps(n, m):
    cost = np.ones((n, n))
    for i in range(0, 2 * m, 2):
        cost[i : i + 2, i : i + 2] = [[0, 0.01], [0.01, 1]]
    return cost


def all_the_way(fields, xy, kept):
    there = np.ones(len(xy), bool)
    for field in fields:
        xy, inside = moved(field, xy)
        there = kept(there, inside)
    return xy, there


WRONG = {
    "left_to_right": [
        lambda boxes: (boxes[:, 0] + boxes[:, 2]).argsort(),  # who comes first, not the place of each
        lambda boxes: boxes[:, 0].argsort().argsort(),  # by the left edge
    ],
    "saving": [lambda n: (n - 1) * n * 2 / 5, lambda n: (n - 1) ** 2 / 2, lambda n: 2 * n],
    "crossing": [
        lambda k, T=20: with_one_slip(k, T, back=False),  # never exchanged back
        lambda k, T=20: with_one_slip(k, T, late=1),  # one frame too many
        lambda k, T=20: with_one_slip(k, T - 1),
    ],
    "change_in_errors": [lambda q: -q, lambda q: 1 - q, lambda q: q - (1 - q)],
    "smudged": [
        lambda six, total, group: (14 * total - sum(2 * v for v in six.values())) / 2,  # every group two joints
        lambda six, total, group: 7 * total - sum(six.values()),  # a mean of groups
        lambda six, total, group: 15 * total - sum((3 if g == "Head" else 2) * v for g, v in six.items()),
    ],
    "are_swapped": [
        lambda mota, precision, recall: recall * (2 - 100 / precision) < mota,  # impossible is not yet swapped
        lambda mota, precision, recall: precision < recall,
    ],
    "graph_parameters": [
        lambda joints=15, width=64, out=128, parts=3: 22_786,
        lambda joints=15, width=64, out=128, parts=3: (
            2 * joints + 2 * parts * joints**2 + (3 + width + 1) * parts * width + (width + 1) * out  # no shifts
        ),
    ],
    "better_anchors": [
        lambda: ((24, 48, 96), (1 / 2, 1 / 3, 1 / 4.5)),  # w / h
        lambda: ((32, 64, 128), (0.5, 1, 2)),  # the paper's
        lambda: ((24, 48, 96), (2.0, 3.0)),
        lambda: "24 48 96",
    ],
    "peak_probability": [lambda heat: 1 / np.exp(heat).sum(), lambda heat: np.exp(heat.max()) / np.exp(heat).sum()],
    "share_left": [
        lambda T, K: np.convolve(np.ones(T), np.ones(K) / K, "full"),
        lambda T, K: np.r_[2 / 3, np.ones(T - 2), 2 / 3],
        lambda T, K: np.convolve(np.ones(T), np.ones(K) / K, "same"),
    ],
    "overlap_of": [
        lambda truth, tube, visible: (truth == tube).all(1).mean(),
        lambda truth, tube, visible: (truth == tube).all(1)[visible].mean(),
    ],
    "worth_keeping": [lambda s: 0.5, lambda s: 0.5 + s / 2, lambda s: 1 / (1 - s) if s < 1 else 1.0],
    "disagreement": [
        lambda n: ([True] * n, 5),  # loses MOTA, too
        lambda n: ([True] * 5 + [False] * 20, 5),  # costs no AP
        lambda n: ([True] * 5 + [False, True] * 20, 5),  # more right ones than there are
        lambda n: (True, 5),
        lambda n: [True] * 5,
    ],
    "best_cut": [
        lambda score, right: score[right].min(),  # the last right one
        lambda score, right: score[: np.argmin(right)].min() if not right.all() else score.min(),  # the first loss
        lambda score, right: score[np.argmax(np.cumsum(2.0 * right - 1))],  # as if it were sorted
    ],
    "gated_greedy": [
        lambda cost, limit: tuple(np.array([[0], [0]]) if limit < 1 else np.array([[0, 1], [0, 1]])),
        lambda cost, limit: tuple(np.array(np.nonzero(np.asarray(cost) <= limit))),  # no row struck out
    ],
    "ruin": [np.eye, lambda n: traps(n, 1), lambda n: 9 * traps(n, 1), lambda n: traps(4, 2)],
    "overlap_after": [lambda share: np.maximum(0, 1 - share), lambda share: (1 - share) / (1 + share)],
    "pooled": [
        lambda features, channels: features.reshape(len(features), -1, channels).mean(1),  # cell after cell
        lambda features, channels: features.reshape(len(features), channels, -1).sum(-1),
    ],
    "soft_pck": [
        lambda d, h: 1 - np.nanmean(2 ** -((d / (0.5 * h)) ** 2)),  # divided by those that are there
        lambda d, h: 1 - np.nansum(2 ** -((d / h) ** 2)) / 15,
        lambda d, h: 1 - np.nansum(2 ** -(d / (0.5 * h))) / 15,  # without the square
    ],
    "head_parameters": [
        lambda into, channels, kernel, number, joints: (
            into * channels * kernel**2 * number + 2 * channels * number + (channels + 1) * joints  # always from `into`
        ),
        lambda into, channels, kernel, number, joints: (
            (into + (number - 1) * channels) * channels * kernel**2 + (channels + 1) * joints  # no normalisation
        ),
        lambda into, channels, kernel, number, joints: (
            (into + (number - 1) * channels) * channels * kernel**2 + 3 * channels * number + (channels + 1) * joints
        ),  # a bias in every block
    ],
    "off_after_flip": [
        lambda stride, shift: (shift - (stride - 1) / stride) / 2,  # in cells
        lambda stride, shift: shift * stride - (stride - 1),  # of the mirrored maps alone
        lambda stride, shift: ((stride - 1) / stride - shift) / 2 * stride,  # to the left
    ],
    "vertex": [
        lambda left, top, right: (right - left) / (2 * (2 * top - left - right)),  # without logarithms
        lambda left, top, right: np.log(right / left) / (2 * np.log(top) - np.log(left * right)),  # without the half
        lambda left, top, right: 0.25 * np.sign(right - left),
    ],
    "own_decoder": [
        lambda heat: heatmaps.peaks(heat)[0],
        lambda heat: heatmaps.quarter_offset(heat, heatmaps.peaks(heat)[0]),
        lambda heat: heatmaps.peaks(heat)[0].flip(-1),  # y first
        lambda heat: heatmaps.peaks(heat)[0][:, 0],
    ],
    "chained": [
        lambda fields, xy: (xy + sum((moved(f, xy)[0] - xy for f in fields), 0 * xy), np.ones(len(xy), bool)),
        lambda fields, xy: all_the_way(fields, xy, lambda before, inside: before),  # nobody is ever lost
        lambda fields, xy: all_the_way(fields[::-1], xy, lambda before, inside: before & inside),
    ],
    "trusted": [
        lambda forward, backward, xy, limit: (
            moved(forward, xy)[1]
            & (np.linalg.norm(moved(forward, xy)[0] + moved(backward, xy)[0] - 2 * xy, axis=1) <= limit)  # at the start
        ),
        lambda forward, backward, xy, limit: (
            np.linalg.norm(moved(backward, moved(forward, xy)[0])[0] - xy, axis=1) <= limit  # outside, too
        ),
        lambda forward, backward, xy, limit: np.linalg.norm(moved(forward, xy)[0] - xy, axis=1) <= limit,
    ],
    "similarity": [
        lambda known, now: 1 - box_iou(known.box, now.box),  # a cost
        lambda known, now: box_iou(now.box, known.box),  # the other way round
        lambda known, now: -pairwise_distance(known, now),
    ],
}


def exercises() -> dict[str, tuple[Path, str]]:
    """Name of each stub → its notebook and the cell with its reference and cases."""
    out = {}
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        for cell in code_cells(path):
            for name in re.findall(r"solve\((\w+), \1_reference\b", cell.source):
                out[name] = path, cell
    return out


ALL = exercises()


def test_every_exercise_is_tried():
    stubs = sum(cell.source.count("# your solution") for path in NOTEBOOKS.glob("*.ipynb") for cell in code_cells(path))
    assert set(ALL) == set(WRONG) and len(ALL) == stubs


@pytest.mark.parametrize("name", WRONG)
def test_the_reference_is_right_and_plausible_wrong_answers_are_not(name, capsys):
    path, cell = ALL[name]
    space = {"__name__": "notebook"}
    exec(needed(path, cell.source), space)
    capsys.readouterr()
    exec(cell.source, space)
    assert "NOT SOLVED YET" in capsys.readouterr().out, "the stub is not empty"
    space[name] = space[f"{name}_reference"]
    exec(cell.source, space)
    assert "right in all" in capsys.readouterr().out
    for k, wrong in enumerate(WRONG[name]):
        space[name] = wrong
        with pytest.raises(NotRight):
            exec(cell.source, space)
            raise ValueError(f"{name}: wrong answer {k} was accepted")


@pytest.mark.parametrize("name", WRONG)
def test_the_solution_is_out_of_sight_and_can_be_read_without_a_kernel(name):
    path, cell = ALL[name]
    assert cell.metadata.get("jupyter", {}).get("source_hidden"), "the cell with the reference is folded"
    lines = cell.source.splitlines()
    (function,) = [n for n in ast.parse(cell.source).body if getattr(n, "name", "") == f"{name}_reference"]
    body = textwrap.dedent("\n".join(lines[function.body[0].lineno - 1 : function.end_lineno]))
    texts = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"]
    assert any(f"<summary>Solution</summary><pre>{html.escape(body, quote=False)}</pre>" in t for t in texts)
