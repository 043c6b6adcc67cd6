"""The reference attention: one layer by hand in numbers, torch's own layers as oracle, masks, and the measures."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch import nn

from helpers import WorkbookError
from helpers.nets import attention
from helpers.nets.attention import Encoder, Layer


def by_hand():
    """Two tokens of width 2: queries are the tokens with their halves exchanged, keys the tokens themselves."""
    eye, zero, norm = np.eye(2), np.zeros(2), np.stack([np.ones(2), np.zeros(2)])
    layer = Layer(
        np.stack([eye[::-1], eye, 0.5 * eye]), np.array([[0, 0], [0, 0], [1, 0.0]]), eye, zero, eye, zero,
        2 * eye, zero, np.stack([norm, norm]),
    )  # fmt: skip
    return Encoder((layer,), 1, np.array([[0, 0], [np.log(3), 0]]), np.zeros(2))


def test_one_layer_in_numbers():
    """Tokens (2, 0) and (0, 2). Query 0 is (0, 2): scores 0 and 4 / √2 = 2.8284 to the two keys, so the weights are
    1 / (1 + e^2.8284) = 0.0558 and 0.9442. Values are half a token and (1, 0): (2, 0) and (1, 1). Their mixture is
    (1.0558, 0.9442); with the token (3.0558, 0.9442), normed (1, −1). Of that the hidden units are (1, 0), twice that
    added is (3, −1), normed (1, −1); the classifier sees 0 and ln 3, so 1/4 and 3/4."""
    encoder, tokens, both = by_hand(), np.array([[2, 0], [0, 2.0]]), np.ones(2, bool)
    done = encoder(tokens, both)
    assert done.weights.shape == (1, 1, 2, 2)
    np.testing.assert_allclose(done.weights[0, 0], [[0.0558, 0.9442], [0.9442, 0.0558]], atol=5e-5)
    # Token 1: 0.9442 · (2, 0) + 0.0558 · (1, 1) + (0, 2) = (1.9442, 2.0558), normed (−1, 1).
    np.testing.assert_allclose(done.output, [[1, -1], [-1, 1]], atol=2e-3)
    np.testing.assert_allclose(done.probability, [0.25, 0.75], atol=1e-3)
    np.testing.assert_array_equal(done.inputs, tokens[None])
    alone = encoder(tokens, [True, False])
    np.testing.assert_array_equal(alone.weights[0, 0], [[1, 0], [1, 0]])


def test_measures_in_numbers():
    """Rollout of one layer: half the weights and half the identity. Values zeroed: outputs (1, 0) and (0, 2) become
    (1, 1) and (0, 1) without token 1, so token 0 moves by 1 − cos 45° = 0.2929 and token 1, now shorter, by 0."""
    weights = np.array([[[[0.2, 0.8], [0.6, 0.4]], [[0.4, 0.6], [1.0, 0.0]]]])
    np.testing.assert_allclose(attention.rollout(weights), [[0.65, 0.35], [0.4, 0.6]])
    twice = attention.rollout(np.concatenate([weights, weights]))
    np.testing.assert_allclose(twice, [[0.5625, 0.4375], [0.5, 0.5]])
    outputs = {(0, 0): [[1, 0], [0, 2]], (1, 0): [[-1, 0], [0, 2]], (0, 1): [[1, 1], [0, 1]]}
    moved = attention.value_zeroed(lambda layer, zeroed: [outputs[tuple(z)] for z in zeroed.astype(int)], 1, [1, 1])
    np.testing.assert_allclose(moved[0], [[2, 1 - np.sqrt(0.5)], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(
        attention.removal_effect(lambda left: left @ [0.5, -0.2, 9] + 0.1, [True, True, False], None), [-0.5, 0.2, 0]
    )
    read = attention.removal_effect(lambda left: left @ [0.5, -0.2, 9] + 0.1, [True, True, False], 0)
    np.testing.assert_allclose(read, [np.nan, 0.2, 0])


def oracle(encoder, tokens, present):
    """The same layers in torch: outputs after each, and weights of each head from its own attention."""
    x, mask = torch.tensor(tokens)[None], ~torch.tensor(present)[None]
    weights, outputs = [], []
    for layer in encoder.layers:
        hidden = len(layer.widen)
        theirs = nn.TransformerEncoderLayer(encoder.width, encoder.heads, hidden, 0.0, batch_first=True).double().eval()
        gains, shifts = layer.norms[:, 0], layer.norms[:, 1]
        ours = {
            "self_attn.in_proj_weight": layer.project.reshape(-1, encoder.width),
            "self_attn.in_proj_bias": layer.project_bias.ravel(),
            "self_attn.out_proj.weight": layer.join, "self_attn.out_proj.bias": layer.join_bias,
            "linear1.weight": layer.widen, "linear1.bias": layer.widen_bias,
            "linear2.weight": layer.narrow, "linear2.bias": layer.narrow_bias,
            "norm1.weight": gains[0], "norm1.bias": shifts[0], "norm2.weight": gains[1], "norm2.bias": shifts[1],
        }  # fmt: skip
        theirs.load_state_dict({name: torch.tensor(value) for name, value in ours.items()})
        with torch.no_grad():
            weights.append(theirs.self_attn(x, x, x, mask, average_attn_weights=False)[1][0].numpy())
            x = theirs(x, src_key_padding_mask=mask)
        outputs.append(x[0].numpy())
    return np.stack(weights), outputs


def noisy(seed=0, width=8, layers=2, heads=2):
    """A seeded encoder in which no bias is 0 and no gain 1, so that none may be forgotten."""
    rng = np.random.default_rng(seed + 100)
    drawn = attention.seeded(width, layers, heads, 12, seed)
    biases = ("project_bias", "join_bias", "widen_bias", "narrow_bias", "norms")

    def moved(layer):
        return replace(layer, **{n: getattr(layer, n) + rng.normal(0, 0.3, getattr(layer, n).shape) for n in biases})

    return replace(drawn, layers=tuple(map(moved, drawn.layers)), classify_bias=rng.normal(size=2))


MASKS = [np.ones(6, bool), np.array([1, 0, 1, 1, 0, 1], bool), np.array([0, 1, 1, 0, 1, 1], bool)]


@pytest.mark.parametrize("present", MASKS, ids=["all", "two absent", "first absent"])
@pytest.mark.parametrize("layers, heads", [(1, 1), (2, 2), (3, 4)])
def test_torch_computes_the_same(present, layers, heads):
    encoder, tokens = noisy(3, 8, layers, heads), np.random.default_rng(1).normal(size=(6, 8))
    done = encoder(tokens, present)
    weights, outputs = oracle(encoder, tokens, present)
    np.testing.assert_allclose(done.weights, weights, atol=1e-9)
    np.testing.assert_allclose(done.output, outputs[-1], atol=1e-6)
    np.testing.assert_allclose(done.inputs[1:], np.reshape(outputs[:-1], (layers - 1, 6, 8)), atol=1e-6)
    logits = torch.tensor(encoder.classify @ outputs[-1][0] + encoder.classify_bias)
    np.testing.assert_allclose(done.probability, F.softmax(logits, -1).numpy(), atol=1e-6)


def test_the_heads_mixture_is_torchs_scaled_dot_product_attention():
    rng, present = np.random.default_rng(0), np.array([1, 1, 0, 1, 1], bool)
    q, k, v = rng.normal(size=(3, 2, 5, 4))
    theirs = F.scaled_dot_product_attention(*map(torch.tensor, (q, k, v)), attn_mask=torch.tensor(present)[None, None])
    np.testing.assert_allclose(attention.attention_weights(q, k, present) @ v, theirs.numpy(), atol=1e-9)


def test_values_zeroed_in_torch_are_values_zeroed():
    """Independent: torch's weights, values with a row of zeros, torch's norms and linear maps."""
    encoder, present = noisy(2), MASKS[1]
    tokens = np.random.default_rng(5).normal(size=(6, 8))
    done = encoder(tokens, present)
    ours = attention.value_zeroed(
        lambda n, j: attention.run_layer(encoder.layers[n], done.inputs[n], present, 2, j)[0], 2, present
    )
    for number, (layer, x) in enumerate(zip(encoder.layers, done.inputs, strict=True)):
        x, w = torch.tensor(x), {n: torch.tensor(getattr(layer, n)) for n in Layer.__dataclass_fields__}

        def through(values, x=x, w=w, number=number):
            heads = [torch.tensor(done.weights[number, h]) @ values[:, 4 * h : 4 * h + 4] for h in range(2)]
            y = F.layer_norm(x + F.linear(torch.cat(heads, 1), w["join"], w["join_bias"]), (8,), *w["norms"][0])
            z = F.linear(F.relu(F.linear(y, w["widen"], w["widen_bias"])), w["narrow"], w["narrow_bias"])
            return F.layer_norm(y + z, (8,), *w["norms"][1])

        values = F.linear(x, w["project"][2], w["project_bias"][2])
        for j in np.flatnonzero(present):
            without = values.clone()
            without[j] = 0
            moved = 1 - F.cosine_similarity(through(without), through(values), dim=1).numpy()
            np.testing.assert_allclose(ours[number, present, j], moved[present], atol=1e-9)
    assert (
        (ours[:, ~present] == 0).all()
        and (ours[:, :, ~present] == 0).all()
        and (ours[:, present][:, :, present] > 0).any()
    )


# --- masks and properties -------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_an_absent_token_is_attended_in_no_layer_and_changes_nothing(layers):
    encoder, present = noisy(layers=layers), MASKS[1]
    tokens = np.random.default_rng(0).normal(size=(6, 8))
    other = np.where(present[:, None], tokens, 50.0)
    blank = np.where(present[:, None], tokens, np.nan)
    done = encoder(tokens, present)
    assert (done.weights[:, :, :, ~present] == 0).all() and (done.weights[..., present] > 0).all()
    for changed in (encoder(other, present), encoder(blank, present)):
        np.testing.assert_array_equal(changed.output[present], done.output[present])
        np.testing.assert_array_equal(changed.weights[:, :, present], done.weights[:, :, present])
    fewer = encoder(tokens[present], np.ones(4, bool))
    np.testing.assert_allclose(fewer.output, done.output[present], atol=1e-9)


@given(seed=st.integers(0, 10**6), layers=st.integers(1, 3), n=st.integers(1, 7), data=st.data())
@settings(max_examples=40, deadline=None)
def test_properties(seed, layers, n, data):
    rng, encoder = np.random.default_rng(seed), noisy(seed, layers=layers)
    present = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    present[rng.integers(n)] = True
    tokens, order = rng.normal(size=(n, 8)), rng.permutation(n)
    done, permuted = encoder(tokens, present), encoder(tokens[order], present[order])
    np.testing.assert_allclose(done.weights.sum(-1), 1)
    np.testing.assert_allclose(permuted.output, done.output[order], atol=1e-9)
    np.testing.assert_allclose(permuted.weights, done.weights[:, :, order][..., order], atol=1e-9)
    through = attention.rollout(done.weights, present)
    np.testing.assert_allclose(through.sum(-1), present)
    assert (through[:, ~present] == 0).all() and (through >= 0).all()
    np.testing.assert_allclose(attention.rollout(permuted.weights, present[order]), through[order][:, order], atol=1e-9)
    identity = np.broadcast_to(np.eye(n), (layers, 2, n, n))
    np.testing.assert_allclose(attention.rollout(identity), np.eye(n))
    np.testing.assert_allclose(attention.rollout(identity, present), np.diag(present.astype(float)))


def test_no_token_at_all_is_attended_by_nobody():
    done = noisy()(np.zeros((3, 8)), np.zeros(3, bool))
    assert (done.weights == 0).all() and np.isfinite(done.output).all()


def test_pose_attention_gives_what_the_view_asks_and_every_part_moves_it():
    rng, present = np.random.default_rng(0), np.ones((2, 15), bool)
    present[0, 3] = present[1, 7] = False
    xy = rng.uniform(0, 100, (2, 15, 2))
    xy[0, 3] = np.nan
    attend = attention.pose_attention(attention.seeded(), xy, present)
    shown, known = attend(xy, present), np.append(True, present.ravel())
    assert shown["weights"].shape == (2, 2, 31, 31) and shown["value_zeroed"].shape == (2, 31, 31)
    assert len(attention.token_names(2)) == 31 and attention.token_names(2)[:2] == ["[CLS]", (0, 0)]
    assert (shown["weights"][..., ~known] == 0).all() and (shown["value_zeroed"][..., ~known] == 0).all()
    np.testing.assert_allclose(shown["rollout"], attention.rollout(shown["weights"], known))
    assert np.isnan(shown["effect"][0]) and (np.delete(shown["effect"], 0) != 0).sum() == 28
    assert (shown["effect"][~known] == 0).all()
    for i in np.flatnonzero(known)[1:]:
        fewer = known.copy()
        fewer[i] = False
        without = attend(xy, fewer[1:].reshape(2, 15))["probability"]
        assert shown["effect"][i] == pytest.approx(without - shown["probability"]) and 0 < without < 1
    moved = xy.copy()
    moved[1, 4] += 5
    assert np.abs(attend(moved, present)["weights"] - shown["weights"]).max() > 1e-4
    assert np.abs(attend(xy[::-1], present[::-1])["weights"] - shown["weights"]).max() > 1e-2
    extent = attention.pose_extent(xy, present)
    twice = attention.pose_tokens(np.stack([moved[1]] * 2), present[[1, 1]], extent, 16)
    assert np.abs(twice[1:16] - twice[16:]).max() > 0.1, "the same pose twice is two poses"
    tokens = attention.pose_tokens(xy + 30, present, attention.pose_extent(xy + 30, present), 16)
    np.testing.assert_allclose(tokens, attention.pose_tokens(xy, present, extent, 16), atol=1e-9)
    nobody = np.zeros((2, 15), bool)
    assert np.isfinite(tokens).all()
    assert attention.pose_tokens(xy, nobody, attention.pose_extent(xy, nobody), 16).shape == (31, 16)


def test_a_hidden_joint_leaves_the_other_tokens_and_an_absent_first_joint_the_probability():
    xy, present = np.random.default_rng(1).uniform(0, 100, (2, 15, 2)), np.ones((2, 15), bool)
    extent, usual = attention.pose_extent(xy, present), np.arange(31)
    tokens = attention.pose_tokens(xy, present, extent, 16)
    for w, j in (np.argwhere(xy == edge)[0, :2] for edge in (*xy.min((0, 1)), *xy.max((0, 1)))):
        hidden = present.copy()
        hidden[w, j] = False
        others = usual != 1 + 15 * w + j
        np.testing.assert_array_equal(attention.pose_tokens(xy, hidden, extent, 16)[others], tokens[others])
    present[0, 0] = False
    encoder = attention.seeded()
    attend, left = attention.pose_attention(encoder, xy, present), np.append(True, present.ravel())
    tokens = attention.pose_tokens(xy, present, attention.pose_extent(xy, present), 16)
    alone = encoder(tokens[left], np.ones(30, bool)).probability[1]
    assert attend(np.where(present[..., None], xy, 7e3), present)["probability"] == pytest.approx(alone)


@given(seed=st.integers(0, 10**6), n=st.integers(3, 8))
@settings(max_examples=30, deadline=None)
def test_agreement_is_spearmans_over_pairs_of_different_present_tokens(seed, n):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 5, (n, n)) / 4, rng.integers(0, 5, (n, n)) / 4
    present = np.arange(n) != 1
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j and 1 not in (i, j)]
    first, second = [a[p] for p in pairs], [b[p] for p in pairs]
    if len(set(first)) > 1 and len(set(second)) > 1:
        assert attention.agreement(a, b, present) == pytest.approx(spearmanr(first, second).statistic)
    assert attention.agreement(a, -a, present) == pytest.approx(-1) or len(set(first)) == 1


def test_agreement_of_nothing_is_not_a_number():
    eye = np.eye(3)
    assert np.isnan(attention.agreement(eye, eye, [True] * 3)) and np.isnan(attention.agreement([[1]], [[1]], [True]))


def test_edges_of_a_graph_network_in_numbers():
    """Joint 0 hears itself with 1 and joint 1 with −3: shares 1/4 and 3/4."""
    shares = attention.edge_shares([(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)], [1, -3, 2, 2, 0.1], 3)
    np.testing.assert_allclose(shares, [[[[0.25, 0.75, 0], [0, 0.5, 0.5], [0, 0, 1]]]])
    np.testing.assert_allclose(
        attention.edge_shares([(0, 0), (0, 1), (0, 1), (1, 1)], [1, 1, 2, 5], 2)[0, 0, 0], [0.25, 0.75]
    )


EVEN = np.full((2, 1, 3, 3), 1 / 3)


def with_value(at, value):
    out = EVEN.copy()
    out[at] = value
    return out


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: attention.rollout(EVEN[0]), "expected (layers, heads, 3, 3) for 3 tokens, got (1, 3, 3)."),
        (lambda: attention.rollout(1.0), "for 0 tokens, got ()."),
        (lambda: attention.rollout(EVEN[:0]), "got (0, 1, 3, 3)."),
        (lambda: attention.rollout(EVEN, [True] * 4), "for 4 tokens, got (2, 1, 3, 3)."),
        (lambda: attention.rollout(with_value((1, 0, 2, 1), np.nan)), "row 2, column 1 is not a number."),
        (lambda: attention.rollout(with_value((0, 0, 1, 2), -0.2)), "layer 0, head 0, row 1, column 2 is below 0."),
        (lambda: attention.rollout(with_value((1, 0, 2, 1), 0.16)), "sum to 0.83, not to 1: layer 1, head 0, row 2."),
        (lambda: noisy()(np.zeros((3, 7)), np.ones(3)), "(T, 8) and present (T,) with T ≥ 1, got (3, 7) and (3,)."),
        (lambda: noisy()(np.zeros((3, 8)), np.ones(2)), "got (3, 8) and (2,)."),
        (lambda: noisy()(np.zeros((0, 8)), np.ones(0)), "got (0, 8) and (0,)."),
        (lambda: noisy()(np.diag([1, np.nan, 1, 1, 1, 1, 1, 1]), np.ones(8)), "encoder: token 1 is not finite."),
        (lambda: attention.removal_effect(len, [0, 1], 0), "token 0, from which the answer is read, is absent."),
        (lambda: attention.seeded(8, 2, 3), "encoder: 2 layers with 3 heads of width 8 cannot be"),
        (lambda: attention.seeded(8, 0, 2), "encoder: 0 layers with 2 heads of width 8 cannot be"),
        (lambda: attention.edge_shares([(0, 3)], [1], 3), "edges: expected (1, 2) of 0 … 2 for their"),
        (lambda: attention.edge_shares([(0, 0)], [1, 2], 1), "edges: expected (2, 2) of 0 … 0"),
        (lambda: attention.edge_shares([(0, 0), (1, 1)], [1, 0], 2), "edges: joint 1 receives nothing."),
    ],
)  # fmt: skip
def test_what_cannot_be_attention_is_said_in_a_sentence(make, message):
    with pytest.raises(WorkbookError, match=re.escape(message)):
        make()


def test_rows_of_absent_tokens_may_be_zero_and_half_precision_is_precise_enough():
    present, rows = np.array([True, False, True]), np.array([[0.5, 0, 0.5], [0, 0, 0], [0.25, 0, 0.75]])
    np.testing.assert_allclose(
        attention.rollout(rows[None, None], present), [[0.75, 0, 0.25], [0, 0, 0], [0.125, 0, 0.875]]
    )
    tokens = np.random.default_rng(0).normal(size=(6, 8))
    used = noisy()(tokens, MASKS[0]).weights
    np.testing.assert_allclose(attention.rollout(used.astype(np.float16)), attention.rollout(used), atol=2e-3)
    assert (attention.rollout(EVEN, [True, True, False])[:, 2] == 0).all(), "also where the model forgot its mask"
    with pytest.raises(WorkbookError, match=r"sum to 0\.00"):
        attention.rollout(rows[None, None])
