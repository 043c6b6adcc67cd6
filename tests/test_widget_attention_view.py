"""The attention view driven from Python; tests/browser tries it under the mouse."""

import base64
import json
import re

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import WorkbookError
from helpers.nets import attention
from helpers.notebook.plots import standing_pose
from helpers.notebook.widgets import AttentionView, base
from helpers.notebook.widgets import attention_view as module
from helpers.skeleton import INDEX

matplotlib.use("Agg")
HIP, WRIST, NECK = INDEX["left_hip"], INDEX["left_wrist"], INDEX["head_bottom"]


def window(size=2, seed=0):
    rng = np.random.default_rng(seed)
    xy = standing_pose() + rng.normal(0, 0.02, (size, 15, 2)) + 0.1 * np.arange(size)[:, None, None]
    return 100 * xy, np.ones((size, 15), bool)


ENCODER = attention.pose_attention(attention.seeded(), *window())


def view(size=2, attend=ENCODER, **more):
    if attend is ENCODER:
        more = {"tokens": attention.token_names(size)} | more
    return AttentionView(*window(size), attend, **more)


def constant(weights, **more):
    """A model that attends so whatever it sees."""
    return lambda xy, present: {"weights": weights, "probability": 0.5, **more}


def even(n=30, layers=1, heads=1):
    return np.full((layers, heads, n, n), 1 / n)


def unwrapped(figure):
    return " ".join(figure.get_suptitle().split())


def unpacked(packed):
    whole = np.frombuffer(base64.b64decode(packed["data"]), "<u2").reshape(packed["shape"])
    scales = np.array(packed["scales"], float)
    return whole * (scales if len(scales) == 1 else scales[:, None, None]) / 10_000


# --- numbers --------------------------------------------------------------------------------------------------


def test_what_is_sent_is_what_attend_returned():
    w, said = view(), ENCODER(*window())
    sent = {mode: unpacked(packed) for mode, packed in w.answer["matrices"].items()}
    np.testing.assert_allclose(sent["raw"], said["weights"], atol=5.1e-5)
    np.testing.assert_allclose(sent["rollout"], said["rollout"], atol=5.1e-5)
    for layer in range(2):  # each to four digits of its largest, however small that is
        most = said["value_zeroed"][layer].max()
        np.testing.assert_allclose(sent["zeroed"][layer], said["value_zeroed"][layer], atol=5.1e-5 * most)
    np.testing.assert_allclose(w.answer["effect"][1:], said["effect"][1:], atol=5.1e-5)
    assert w.answer["numbers"] == {"probability": round(said["probability"], 4)} and w.answer["astray"] == 0
    assert w.scene["names"][17] == "right knee (t+1)" and w.scene["tokens"][17] == [1, 1]
    assert w.scene["names"][0] == "[CLS]" and w.answer["effect"][0] is None and None not in w.answer["effect"][1:]


def test_a_matrix_is_that_of_mode_layer_and_head_and_its_lines_in_words_are_its_strongest():
    w, said = view(), ENCODER(*window())
    np.testing.assert_allclose(w.matrix(), said["weights"][0].mean(0), atol=1e-4)
    w.move(layer=1, head=1)
    np.testing.assert_allclose(w.matrix(), said["weights"][1, 1], atol=1e-4)
    w.move(mode="zeroed")
    np.testing.assert_allclose(w.matrix(), said["value_zeroed"][1], atol=1e-4)
    w.move(mode="raw", token=1 + HIP, lines=3)
    row = np.where(np.arange(31) == 1 + HIP, 0, said["weights"][1, 1, 1 + HIP])
    assert [line.split(" → ")[1].split(":")[0] for line in w.partners()] == [
        w.scene["names"][j] for j in np.argsort(-row)[:3]
    ]
    w.move(direction="to")
    assert all(" → left hip (t): " in line for line in w.partners())
    weights = np.eye(30)
    weights[WRIST] = 0
    weights[WRIST, [WRIST, 15 + WRIST, 25]] = 0.5, 0.27, 0.23
    w = view(attend=constant(weights[None, None]))
    assert w.partners() == ["left wrist (t) → left wrist (t+1): 0.270", "left wrist (t) → left elbow (t+1): 0.230"]


def test_moved_hidden_and_exchanged_poses_are_what_attend_sees():
    seen = []

    def attend(xy, present):
        seen.append((xy.copy(), present.copy()))
        xy[:], present[:] = 0, False  # what a model does to its input stays with it
        return {"weights": even(), "probability": {"match": 0.25, "no match": 0.75}}

    other = window(seed=5)
    w = view(attend=attend, others={"another": other})
    w.move(moved=[[1, HIP, 7, 8.5]], hidden=[[0, NECK]])
    xy, present = window()
    xy[1, HIP] = 7, 8.5
    present[0, NECK] = False
    np.testing.assert_array_equal(seen[-1][0], xy)
    np.testing.assert_array_equal(seen[-1][1], present)
    w.move(choice=1, moved=[], hidden=[])
    np.testing.assert_array_equal(seen[-1][0], other[0])
    asked = len(seen)
    for changes in ({"choice": 0}, {"choice": 1}, {"token": 3}, {"mode": "rollout"}, {"direction": "to"}):
        w.move(**changes)
    assert len(seen) == asked, "what was answered once is kept"
    assert w.answer["numbers"] == {"match": 0.25, "no match": 0.75}


def test_hiding_a_joint_moves_the_reference_encoder_as_removing_it_said():
    w = view()
    start, effect = w.answer["numbers"]["probability"], w.answer["effect"][16 + WRIST]
    w.move(hidden=[[1, WRIST]])
    assert w.answer["numbers"]["probability"] == pytest.approx(start + effect, abs=2e-4)
    assert w.answer["known"][16 + WRIST] == 0 and sum(w.answer["known"]) == 30
    assert (unpacked(w.answer["matrices"]["raw"])[..., 16 + WRIST] == 0).all()


def test_agreement_is_the_rank_correlation_by_layer_and_head_the_mean_last():
    said, known = ENCODER(*window()), np.ones(31, bool)
    found = view().answer["agreement"]
    for layer in range(2):
        heads = [*said["weights"][layer], said["weights"][layer].mean(0)]
        for h, matrix in enumerate(heads):
            rho = attention.agreement(matrix, said["value_zeroed"][layer], known)
            assert found["zeroed"][layer][h] == pytest.approx(rho, abs=1e-4)
            received = matrix.sum(0) - np.diag(matrix)
            rho = attention.rank_correlation(received[1:], np.abs(said["effect"][1:]))
            assert found["effect"][layer][h] == pytest.approx(rho, abs=1e-4)
    plain = view(attend=constant(even()))
    assert plain.answer["agreement"] == {} and plain.answer["effect"] is None


def test_attention_to_absent_tokens_is_reported():
    """A mask that is forgotten in the second layer: a row of thirty gives 1/30 to the hidden joint."""
    xy, present = window()
    present[0, 3] = False
    weights = np.zeros((2, 1, 30, 30))
    weights[0][:, :, present.ravel()], weights[1] = 1 / 29, 1 / 30
    w = AttentionView(xy, present, constant(weights))
    assert w.answer["astray"] == pytest.approx(1 / 30, abs=1e-4)
    weights[0, 0, 3] = 1 / 30  # what an absent token attends to is nobody's concern
    sound = AttentionView(xy, present, constant(weights[:1]))
    assert sound.answer["astray"] == 0
    warning = "Up to 0.033 of a row goes to absent tokens: the mask is not in every layer."
    assert warning in unwrapped(w.still()) and warning in unwrapped(w.draw(w.view))
    assert "absent" not in unwrapped(sound.still()) + unwrapped(sound.draw(w.view))
    plt.close("all")


# --- pictures -------------------------------------------------------------------------------------------------


def test_every_part_of_a_view_moves_the_picture(capsys):
    w = view(others={"another": window(seed=5)})
    w.check(
        mode="rollout", layer=1, head=1, token=20, lines=3, choice=1, moved=[[1, HIP, 30.0, 60.0]], hidden=[[0, WRIST]]
    )
    w.move(token=21)
    w.check(direction="to")
    shown = w.picture()
    w.move(mode="zeroed")
    assert w.picture() != shown and plt.get_fignums() == []
    assert "the widget's picture moves" in capsys.readouterr().out


def test_a_picture_marks_the_picked_token_the_absent_ones_and_the_effect():
    w = view()
    poses, matrix = w.draw(w.view).axes
    picked = w.draw(w.view | {"token": 3}).axes[0]
    assert [line.get_markersize() for line in picked.lines].count(13) == 1
    assert [line.get_markersize() for line in poses.lines].count(13) == 0
    hidden = w.draw(w.view | {"hidden": [[0, WRIST]]}).axes[1]
    assert len(hidden.patches) == len(matrix.patches) + 2 and len(matrix.patches) == 31
    bars = [bar.get_height() for bar in matrix.patches]
    assert bars[0] == 0 and all(bars[1:]), "no bar for the token that is read"
    without = view(attend=constant(even())).draw(w.view).axes[1]
    assert len(without.patches) == 0 and matrix.get_ylim()[0] > without.get_ylim()[0] == 29.5
    plt.close("all")


def test_the_strip_has_a_column_for_each_mode_and_says_what_attention_is_not():
    strip = view().still()
    titles = [axis.get_title() for axis in strip.axes if axis.get_title()]
    assert titles == ["raw attention, layer 1, mean of heads", "rollout", "values zeroed, layer 1"]
    w = view()
    zeroed, effect = (w.answer["agreement"][name][0][-1] for name in ("zeroed", "effect"))
    # 1.96 / √29 = 0.364 for the thirty tokens but the one that is read
    assert unwrapped(strip) == (
        "Attention alone does not say what matters. Rank agreement (raw attention, layer 1, mean of heads) with what "
        f"zeroed values do to this layer's outputs: {zeroed:.2f}; with what removing a token does to the probability: "
        f"{effect:.2f} (30 tokens; below 0.36 is chance)."
    )
    w.move(hidden=[[0, j] for j in range(13)])
    assert "(17 tokens; below 0.49 is chance)" in unwrapped(w.still())
    assert unwrapped(view(attend=constant(even())).still()) == "Attention alone does not say what matters."
    width = strip.canvas.get_renderer().width
    assert strip._suptitle.get_window_extent().width < width
    two = view(attend=constant(even())).still()
    assert [axis.get_title() for axis in two.axes if axis.get_title()] == ["raw attention, layer 1", "rollout"]
    plt.close("all")


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_windows_of_any_size(size):
    w = view(size)
    assert len(w.scene["tokens"]) == 15 * size + 1 and np.isfinite(base.pixels(w.draw(w.view))).all()
    assert w.scene["labels"][-1] == ("t" if size == 1 else f"t+{size - 1}")
    assert w.scene["names"][4] == ("left hip" if size == 1 else "left hip (t)")
    assert len(w.still().axes) and base.png(w.still())


def test_learned_edges_of_a_graph_network():
    """One pose, one layer, one head; what the knee hears of the hip is a line from the knee."""
    edges = [(j, j) for j in range(15)] + [(1, 2)]
    shares = attention.edge_shares(edges, [1.0] * 15 + [-3.0], 15)
    w = view(1, constant(shares))
    assert w.partners() == ["right knee → right hip: 0.750"] and w.scene["modes"] == [
        ["raw", "raw attention"],
        ["rollout", "rollout"],
    ]


def test_special_tokens_and_few_tokens():
    tokens = ["[CLS]", (1, WRIST), (0, HIP)]
    weights = np.array([[[[0.2, 0.5, 0.3], [0.1, 0.9, 0], [1, 0, 0]]]])
    w = view(attend=constant(weights, effect=[0, 0.125, -0.25]), tokens=tokens, labels=("now", "before"))
    assert w.partners()[:2] == ["left hip (now) → [CLS]: 1.000", "[CLS] → left wrist (before): 0.500"]
    w.move(hidden=[[0, HIP]])
    assert w.answer["known"] == [1, 1, 0], "a special token is always there"
    one = view(attend=constant(np.ones((1, 1, 1, 1)), value_zeroed=[[0.5]]), tokens=[(0, 3)])
    assert one.partners() == [] and one.answer["agreement"] == {"zeroed": [[None, None]]} and one.picture()


def test_absent_joints_and_an_absent_pose_are_drawn_without_them():
    xy, present = window()
    present[1] = False
    xy[0, 4] = np.nan
    w = AttentionView(xy, present, ENCODER, attention.token_names(2))
    assert sum(w.answer["known"]) == 15 and w.scene["windows"][0][1][1] == [None] * 30
    assert w.picture() and w.still()
    plt.close("all")


def test_thirty_one_tokens_in_four_layers_of_four_heads_are_small():
    tokens = ["[CLS]", *((w, j) for w in range(2) for j in range(15))]
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(31), (4, 4, 31))
    more = {"value_zeroed": 0.01 * rng.random((4, 31, 31)), "effect": rng.normal(size=31), "rollout": weights[0, 0]}
    w = view(attend=constant(weights, **more), tokens=tokens)
    assert len(w.without_kernel()) < 150_000
    np.testing.assert_allclose(unpacked(w.answer["matrices"]["zeroed"]), more["value_zeroed"], atol=1e-6)


# --- what goes wrong ------------------------------------------------------------------------------------------

GOOD, TOKENS = window(), attention.token_names(2)
NAN = np.where(np.arange(30) == 4, np.nan, even())


def poses_with(xy=None, present=None):
    return lambda: AttentionView(
        GOOD[0] if xy is None else xy, GOOD[1] if present is None else present, ENCODER, TOKENS
    )


def saying(**said):
    return lambda: view(attend=lambda xy, present: {"weights": even(), "probability": 0.5} | said)


@pytest.mark.parametrize(
    "make, message",
    [
        (poses_with(xy=GOOD[0][0]), "poses: expected xy (W, 15, 2) and present (W, 15), got (15, 2) and (2, 15)."),
        (poses_with(xy=np.zeros((0, 15, 2)), present=np.zeros((0, 15))), "poses: expected xy (W, 15, 2)"),
        (poses_with(present=GOOD[1][:1]), "got (2, 15, 2) and (1, 15)."),
        (poses_with(present=np.zeros((2, 15))), "attention view, poses: no joint is there, so nothing attends."),
        (poses_with(xy=np.full((2, 15, 2), np.nan)), "attention view, poses: no joint is there"),
        (lambda: view(others={"B": window(3)}), "view, B: expected xy (2, 15, 2) and present (2, 15), got (3"),
        (lambda: view(labels=("t",)), "attention view: 1 labels do not name 2 poses."),
        (lambda: view(tokens=[]), "attention view, tokens: at least one is needed, and none twice."),
        (lambda: view(tokens=[(0, 1), (0, 1)]), "none twice"),
        (lambda: view(tokens=[(0, 15)]), "attention view: tokens: joint 15 is not one of 0 … 14."),
        (lambda: view(tokens=[(2, 1)]), "attention view: tokens: pose 2 is not one of 0 … 1."),
        (lambda: view(tokens=[7]), "attention view, tokens: expected (pose, joint), got 7."),
        (lambda: view(attend=lambda xy, present: even()), 'attend must return a dict with "weights" and'),
        (lambda: view(attend=lambda xy, present: {"weights": even()}), 'with "weights" and "probability".'),
        (saying(weights=NAN), "attention weights: layer 0, head 0, row 0, column 4 is not a number."),
        (saying(weights=0.83 * even()), "attention rows sum to 0.83, not to 1: layer 0, head 0, row 0."),
        (saying(weights=even(15)), "expected (layers, heads, 30, 30) for 30 tokens, got (1, 1, 15, 15)."),
        (saying(weights=even()[0]), "got (1, 30, 30)."),
        (saying(rollout=np.eye(15)), "attention view, rollout: expected (30, 30), got (15, 15)."),
        (saying(value_zeroed=even()), "value_zeroed: expected (30, 30) or (1, 30, 30), got (1, 1, 30, 30)."),
        (saying(value_zeroed=-np.eye(30)), "value_zeroed: holds NaN, infinity or a number below 0."),
        (saying(value_zeroed=NAN[0]), "value_zeroed: holds NaN"),
        (saying(effect=np.zeros(15)), "attention view, effect: expected (30,), got (15,)."),
        (saying(effect=np.full(30, np.inf)), "view, effect: holds infinity."),
        (saying(probability=np.nan), "attention view: probability is no finite number."),
        (saying(probability={"match": [0.5, 0.5]}), "attention view: match is no finite number."),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_said_in_a_sentence(make, message):
    with pytest.raises(WorkbookError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"layer": 2}, "layer 2 is not one of 0 … 1."),
        ({"layer": "mean"}, "layer 'mean' is not one of 0 … 1."),
        ({"head": 2}, "head 2 is not one of 0 … 1."),
        ({"head": None}, "head None is not one of 0 … 1."),
        ({"head": True}, "head True is not one of"),
        ({"mode": "gradient"}, "mode 'gradient' is not one of raw, rollout, zeroed."),
        ({"mode": ["raw"]}, "mode ['raw'] is not one of"),
        ({"direction": "across"}, "direction 'across' is not one of from, to."),
        ({"token": 31}, "token 31 is not one of -1 … 30."),
        ({"token": 1.5}, "token 1.5 is not one of"),
        ({"token": np.nan}, "token nan is not one of"),
        ({"partner": -2}, "partner -2 is not one of"),
        ({"lines": 0}, "lines 0 is not one of 1 … 60."),
        ({"choice": 1}, "choice 1 is not one of 0 … 0."),
        ({"moved": [[0, 1, 5]]}, "moved is a list of 4 numbers each, got [[0, 1, 5]]."),
        ({"moved": 3}, "moved is a list of 4 numbers each, got 3."),
        ({"moved": [[0, 1, np.nan, 5]]}, "attention view, moved: [nan, 5] is no place."),
        ({"moved": [[0, 1, "a", 5]]}, "attention view, moved: ['a', 5] is no place."),
        ({"moved": [[2, 1, 5, 5]]}, "moved: pose 2 is not one of 0 … 1."),
        ({"hidden": [[0, 15]]}, "hidden: joint 15 is not one of 0 … 14."),
        ({"hidden": [0, 15]}, "hidden is a list of 2 numbers each"),
        ({"hidden": [[w, j] for w in range(2) for j in range(15)]}, "no joint is there, so nothing attends."),
    ],
)
def test_a_view_that_makes_no_sense_is_a_sentence_and_a_fault(changes, message):
    w = view()
    before = w.answer
    with pytest.raises(WorkbookError, match=re.escape(message)):
        w.move(**changes)
    try:
        sent = json.loads(json.dumps(w.view | changes, allow_nan=False))
    except ValueError:
        return  # a browser has no NaN to send
    w = view()
    w.set_state({"view": sent, "asked": 3})
    assert message in w.fault and w.answer == before and w.answered == 3


def test_a_view_with_more_or_less_is_a_fault():
    w = view()
    w.set_state({"view": {"token": 3}, "asked": 1})
    assert "a view of this widget holds mode, layer, head" in w.fault


def test_an_attend_that_raises_or_changes_its_size_leaves_the_picture():
    broken = []

    def attend(xy, present):
        if broken == ["raises"]:
            raise RuntimeError("out of memory")
        return {"weights": even(30, 1, 2 if broken else 1), "probability": 0.5}

    w = view(attend=attend)
    before = w.answer
    broken.append("size")
    w.set_state({"view": w.view | {"moved": [[0, 0, 1, 1]]}, "asked": 1})
    assert "(1, 2) layers and heads now, (1, 1) before." in w.fault and w.answer == before
    broken[:] = ["raises"]
    w.set_state({"view": w.view | {"moved": [[0, 0, 2, 2]]}, "asked": 2})
    assert w.fault == "RuntimeError: out of memory" and w.answer == before
    w.set_state({"view": w.view | {"moved": []}, "asked": 3})
    assert w.fault == ""


def test_few_answers_are_kept(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 3)
    w = view(attend=constant(even()))
    for x in range(6):
        w.move(moved=[[0, 0, x, 0]])
    assert len(w._known) == 3


def test_another_hidden_joint_is_another_question():
    asked = []
    w = view(attend=lambda xy, present: asked.append(present.copy()) or {"weights": even(), "probability": 0.5})
    before = len(asked)
    w.move(hidden=[[0, HIP]])
    w.move(hidden=[[0, WRIST]])
    w.move(hidden=[[1, WRIST]])
    w.move(hidden=[[0, HIP]])
    seen = [np.argwhere(~present).tolist() for present in asked[before:]]
    assert seen == [[[0, HIP]], [[0, WRIST]], [[1, WRIST]]], "asked anew for each, and not twice for the same"
