"""Attention in plain numpy: a tiny reference encoder, and what may be asked of any model's attention.

Notebooks 10 to 12 show attention with the attention view; what they show is what the forward pass used, so the
encoder keeps its weights in the pass itself, with the mask in every layer. As in KeyTrack (KT §3.2) the first token is
classified, layers are those of Vaswani et al. 2017 with the norm after the sum, and an absent token is one that nobody
attends to. Raw weights are no explanation (Jain & Wallace 2019), so two measures stand beside them: rollout (Abnar &
Zuidema 2020) and what zeroed values do to the output (Mohebbi et al. 2023).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from helpers import WorkbookError
from helpers.skeleton import N_JOINTS

#: How far from 1 the sum of a row may be: half precision's sums of sixty weights are within.
ROW_TOLERANCE = 2e-3
#: What is added to the variance in a layer norm, as in torch.
EPSILON = 1e-5


@dataclass(frozen=True)
class Layer:
    """Weights of one encoder layer of width D with I hidden units; matrices map a row x to x @ matrix.T + bias.

    project (3, D, D) and project_bias (3, D): queries, keys, values, the heads one behind another; join (D, D), (D,):
    the heads' mixtures to one row; widen (I, D), (I,) and narrow (D, I), (D,): the feed-forward part with ReLU between;
    norms (2, 2, D): gain and bias of the norm after the attention and after the feed-forward part.
    """

    project: np.ndarray
    project_bias: np.ndarray
    join: np.ndarray
    join_bias: np.ndarray
    widen: np.ndarray
    widen_bias: np.ndarray
    narrow: np.ndarray
    narrow_bias: np.ndarray
    norms: np.ndarray


@dataclass(frozen=True)
class Pass:
    """What one forward pass gave, for T tokens of width D, L layers and H heads; of N masks at once with N before.

    output (T, D); weights (L, H, T, T), row i = what token i attended to, as the pass used them; probability (2,)
    of "not the same" and "the same"; inputs (L, T, D): what went into each layer.
    """

    output: np.ndarray
    weights: np.ndarray
    probability: np.ndarray
    inputs: np.ndarray


def attention_weights(queries: np.ndarray, keys: np.ndarray, present: np.ndarray) -> np.ndarray:
    """softmax(q kᵀ / √d) over the present tokens. queries, keys (…, H, T, d), present (…, T) → (…, H, T, T).

    An absent token is attended by nobody: its column is 0. Without any present token all is 0.
    """
    scores = queries @ keys.swapaxes(-1, -2) / np.sqrt(queries.shape[-1])
    scores = np.where(present[..., None, None, :], scores, -np.inf)
    most = scores.max(-1, keepdims=True)
    raised = np.exp(scores - np.where(np.isfinite(most), most, 0.0))
    total = raised.sum(-1, keepdims=True)
    return np.divide(raised, total, out=raised, where=total > 0)


def run_layer(
    layer: Layer, x: np.ndarray, present: np.ndarray, heads: int, zeroed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """One layer: x (…, T, D), present (…, T) → output (…, T, D) and weights (…, heads, T, T).

    zeroed (…, T) bool: tokens whose value is 0; their queries and keys stay, so the weights do too.
    """
    rows = x[..., None, :, :] @ layer.project.swapaxes(-1, -2) + layer.project_bias[:, None]
    split = rows.reshape(*rows.shape[:-1], heads, -1).swapaxes(-3, -2)
    queries, keys, values = np.moveaxis(split, -4, 0)
    if zeroed is not None:
        values = np.where(zeroed[..., None, :, None], 0.0, values)
    weights = attention_weights(queries, keys, present)
    mixed = (weights @ values).swapaxes(-3, -2)
    x = _normed(x + mixed.reshape(*mixed.shape[:-2], -1) @ layer.join.T + layer.join_bias, layer.norms[0])
    hidden = np.maximum(x @ layer.widen.T + layer.widen_bias, 0)
    return _normed(x + hidden @ layer.narrow.T + layer.narrow_bias, layer.norms[1]), weights


def _normed(x: np.ndarray, norm: np.ndarray) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON) * norm[0] + norm[1]


@dataclass(frozen=True)
class Encoder:
    """Layers, and the two-way classifier of the first token: classify (2, D), classify_bias (2,).

    Raises WorkbookError where the heads do not divide the width.
    """

    layers: tuple[Layer, ...]
    heads: int
    classify: np.ndarray
    classify_bias: np.ndarray

    def __post_init__(self):
        if not self.layers or self.heads < 1 or self.width % self.heads:
            raise WorkbookError(
                f"encoder: {len(self.layers)} layers with {self.heads} heads of width {self.width} cannot be; "
                "at least one layer is needed, and heads that divide the width."
            )

    @property
    def width(self) -> int:
        return self.classify.shape[1]

    def __call__(self, tokens: ArrayLike, present: ArrayLike) -> Pass:
        """tokens (T, D), present (T,) or (N, T) bool → Pass. An absent token may hold NaN; its output means nothing.

        Raises WorkbookError on another width, on no token, and on a present token that is not finite.
        """
        x, present = self._checked(tokens, present)
        weights, inputs = [], []
        for layer in self.layers:
            inputs.append(x)
            x, used = run_layer(layer, x, present, self.heads)
            weights.append(used)
        logits = x[..., 0, :] @ self.classify.T + self.classify_bias
        raised = np.exp(logits - logits.max(-1, keepdims=True))
        return Pass(x, np.stack(weights, -4), raised / raised.sum(-1, keepdims=True), np.stack(inputs, -3))

    def _checked(self, tokens: ArrayLike, present: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        x, known = np.asarray(tokens, float), np.asarray(present, bool)
        if x.shape[1:] != (self.width,) or known.shape[-1:] != x.shape[:1] or not len(x):
            raise WorkbookError(
                f"encoder: expected tokens (T, {self.width}) and present (T,) with T ≥ 1, "
                f"got {x.shape} and {known.shape}."
            )
        wrong = known & ~np.isfinite(x).all(1)
        if wrong.any():
            raise WorkbookError(f"encoder: token {np.argwhere(wrong)[0, -1]} is not finite.")
        return np.broadcast_to(np.where(known[..., None] | np.isfinite(x), x, 0.0), (*known.shape, self.width)), known


def seeded(width: int = 16, layers: int = 2, heads: int = 2, hidden: int = 32, seed: int = 0) -> Encoder:
    """An untrained encoder; for `pose_tokens` its scores spread by about 1.5, so that attention is far from even."""
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        return rng.normal(0, 1 / np.sqrt(shape[-1]), shape)

    def layer() -> Layer:
        project = drawn(3, width, width) * np.array([0.8, 0.8, 1.0])[:, None, None]
        norms = np.stack([np.stack([np.ones(width), np.zeros(width)])] * 2)
        zero = np.zeros(width)
        return Layer(
            project, np.zeros((3, width)), drawn(width, width), zero, drawn(hidden, width), np.zeros(hidden),
            drawn(width, hidden), zero, norms,
        )  # fmt: skip

    return Encoder(tuple(layer() for _ in range(layers)), heads, drawn(2, width), np.zeros(2))


def pose_extent(xy: ArrayLike, present: ArrayLike) -> tuple[np.ndarray, float]:
    """Where poses (W, J, 2) px with present (W, J) begin, (2,) px, and their larger side, ≥ 1 px."""
    known = np.asarray(xy, float)[np.asarray(present, bool)]
    if not len(known):
        return np.zeros(2), 1.0
    return known.min(0), max(float(np.ptp(known, axis=0).max()), 1.0)


def token_names(poses: int, joints: int = N_JOINTS) -> list[str | tuple[int, int]]:
    """What the tokens of `pose_tokens` are, for the attention view: "[CLS]", then (pose, joint)."""
    return ["[CLS]", *((w, j) for w in range(poses) for j in range(joints))]


def pose_tokens(
    xy: ArrayLike, present: ArrayLike, extent: tuple[np.ndarray, float], width: int, seed: int = 0
) -> np.ndarray:
    """Poses (W, J, 2) px with present (W, J) as tokens (1 + W·J, width), a class token first, as KeyTrack's (KT §3.2).

    A joint's token is the sum of where it is in the extent (`pose_extent`; seeded waves instead of a learned table),
    which joint it is and of which pose.
    """
    xy, present = np.asarray(xy, float), np.asarray(present, bool)
    rng = np.random.default_rng(seed)
    poses, joints = present.shape
    waves, kinds, segments = (
        rng.normal(0, 3, (2, width)),
        rng.normal(size=(joints, width)),
        rng.normal(size=(poses, width)),
    )
    low, size = extent
    place = np.sin(np.where(present[..., None], xy - low, 0.0) / size @ waves)
    return np.concatenate([rng.normal(size=(1, width)), (place + kinds + segments[:, None]).reshape(-1, width)])


def pose_attention(
    encoder: Encoder, xy: ArrayLike, present: ArrayLike, seed: int = 0
) -> Callable[[np.ndarray, np.ndarray], dict]:
    """What the attention view asks: (xy (W, 15, 2), present (W, 15)) → weights, rollout, zeroed values, effect.

    xy (W, 15, 2) px, present (W, 15): the poses as given at first. Their extent stays, so that a joint that is hidden
    or moved leaves the other tokens as they are. Tokens are `token_names`; the probability is read from the first,
    which is always there. The form in which a model is shown; a trained one gives the same names (see `AttentionView`).
    """
    extent = pose_extent(xy, present)

    def attend(xy: np.ndarray, present: np.ndarray) -> dict:
        tokens = pose_tokens(xy, present, extent, encoder.width, seed)
        known = np.append(True, np.asarray(present, bool).ravel())
        done = encoder(tokens, known)

        def outputs(layer: int, zeroed: np.ndarray) -> np.ndarray:
            return run_layer(encoder.layers[layer], done.inputs[layer], known, encoder.heads, zeroed)[0]

        return {
            "weights": done.weights,
            "rollout": rollout(done.weights, known),
            "value_zeroed": value_zeroed(outputs, len(encoder.layers), known),
            "effect": removal_effect(lambda left: encoder(tokens, left).probability[:, 1], known, 0),
            "probability": float(done.probability[1]),
        }

    return attend


# --- measures for any model -----------------------------------------------------------------------------------


def checked_weights(weights: ArrayLike, present: ArrayLike) -> np.ndarray:
    """Attention weights (L, H, T, T) of T tokens as floats, once they are what attention can be.

    Rows of absent tokens may sum to anything. Raises WorkbookError on another shape, on NaN, on weights below 0, and on
    a row of a present token that does not sum to 1.
    """
    given, known = np.asarray(weights, float), np.asarray(present, bool)
    if given.ndim != 4 or given.shape[2:] != (len(known),) * 2 or 0 in given.shape:
        raise WorkbookError(
            f"attention weights: expected (layers, heads, {len(known)}, {len(known)}) for {len(known)} tokens, "
            f"got {given.shape}."
        )
    if not np.isfinite(given).all():
        raise WorkbookError(f"attention weights: {_place(~np.isfinite(given))} is not a number.")
    if (given < -ROW_TOLERANCE).any():
        raise WorkbookError(f"attention weights: {_place(given < -ROW_TOLERANCE)} is below 0.")
    sums = given.sum(-1)
    wrong = known & (np.abs(sums - 1) > ROW_TOLERANCE)
    if wrong.any():
        raise WorkbookError(f"attention rows sum to {sums[wrong][0]:.2f}, not to 1: {_place(wrong)}.")
    return given.clip(0, None)


def _place(wrong: np.ndarray) -> str:
    """The first place where something is wrong, in words; layers, heads and tokens are counted from 0."""
    return ", ".join(
        f"{name} {i}" for name, i in zip(("layer", "head", "row", "column"), np.argwhere(wrong)[0], strict=False)
    )


def rollout(weights: ArrayLike, present: ArrayLike | None = None) -> np.ndarray:
    """What reaches each token from each input token through all layers (Abnar & Zuidema 2020): (T, T).

    weights (L, H, T, T); present (T,), all where not given. The heads' mean and the residual count half each, rows are
    divided by their sums, layers multiplied. Rows and columns of absent tokens are 0. Raises as `checked_weights`.
    """
    n = np.shape(weights)[-1] if np.ndim(weights) else 0
    known = np.ones(n, bool) if present is None else np.asarray(present, bool)
    through = np.diag(known.astype(float))
    for layer in checked_weights(weights, known).mean(1):
        mixed = np.where(known[:, None], 0.5 * layer + 0.5 * np.eye(n), 0.0)
        through = np.divide(mixed, mixed.sum(-1, keepdims=True), out=mixed, where=known[:, None]) @ through
    return through


def value_zeroed(outputs: Callable[[int, np.ndarray], ArrayLike], layers: int, present: ArrayLike) -> np.ndarray:
    """How far each token's output of a layer moves when another token's value is zeroed in it: (L, T, T).

    Entry (l, i, j) is the cosine distance (0 … 2) between token i's outputs of layer l with and without the value of
    token j (Mohebbi et al. 2023, before they divide rows by their sums). outputs(layer, zeroed (N, T) bool) → (N, T,
    D): that layer's output for its usual input, N times, with these tokens' values 0. present (T,): absent tokens are
    not asked; their rows and columns are 0.
    """
    known = np.asarray(present, bool)
    one, out = np.eye(len(known), dtype=bool)[known], np.zeros((layers, len(known), len(known)))
    for layer in range(layers):
        usual, *without = _unit(outputs(layer, np.concatenate([np.zeros((1, len(known)), bool), one])))
        # Half the squared distance of unit vectors is 1 − cos, and exactly 0 where nothing moved.
        out[layer][:, known] = ((np.reshape(without, (len(one), *usual.shape)) - usual) ** 2).sum(-1).T / 2
    return np.where(known[:, None], out, 0.0)


def _unit(rows: ArrayLike) -> np.ndarray:
    rows = np.asarray(rows, float)
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)


def removal_effect(probability: Callable[[np.ndarray], ArrayLike], present: ArrayLike, read: int | None) -> np.ndarray:
    """Change of a probability when a token is removed: (T,), 0 for an absent token.

    probability(present (N, T)) → (N,): the model's answers when only these tokens are there. read: the token whose
    output the answer is read from, None where it is read from all. For that one the effect is not defined and NaN:
    masked it would still speak through its residual. Raises WorkbookError where it is absent.
    """
    known = np.asarray(present, bool)
    removed, out = known.copy(), np.zeros(len(known))
    if read is not None:
        if not known[read]:
            raise WorkbookError(f"removal effect: token {read}, from which the answer is read, is absent.")
        removed[read], out[read] = False, np.nan
    left = known & ~np.eye(len(known), dtype=bool)[removed]
    usual, *without = np.asarray(probability(np.concatenate([known[None], left])), float)
    out[removed] = np.array(without) - usual
    return out


def agreement(weights: ArrayLike, effect: ArrayLike, present: ArrayLike) -> float:
    """Spearman's rank correlation of two (T, T) matrices over the ordered pairs of different present tokens.

    How far attention tells what matters; NaN as in `rank_correlation`.
    """
    known = np.asarray(present, bool)
    pairs = known[:, None] & known & ~np.eye(len(known), dtype=bool)
    return rank_correlation(np.asarray(weights)[pairs], np.asarray(effect)[pairs])


def rank_correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's rank correlation of two (N,); NaN where one is the same everywhere, or empty."""
    first, second = _ranks(np.asarray(a, float)), _ranks(np.asarray(b, float))
    if not len(first) or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, equal values sharing their mean rank."""
    _, where, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[where]


def edge_shares(edges: ArrayLike, weight: ArrayLike, n: int) -> np.ndarray:
    """Learned weights of a graph network's edges as attention of one layer and one head: (1, 1, n, n).

    edges (E, 2): to, from (a self loop is (i, i), an undirected edge stands twice); weight (E,). Row i holds the shares
    of what joint i receives: absolute weights divided by their sum. Raises WorkbookError on sizes that do not fit, on
    an edge outside 0 … n − 1, and on a joint that receives nothing.
    """
    edges, weight = np.asarray(edges), np.asarray(weight, float)
    if edges.shape != (len(weight), 2) or not ((edges >= 0) & (edges < n)).all():
        raise WorkbookError(f"edges: expected ({len(weight)}, 2) of 0 … {n - 1} for their weights, got {edges.shape}.")
    strength = np.zeros((n, n))
    np.add.at(strength, tuple(edges.T), np.abs(weight))
    received = strength.sum(-1, keepdims=True)
    if not (received > 0).all():
        raise WorkbookError(f"edges: joint {np.flatnonzero(received[:, 0] <= 0)[0]} receives nothing.")
    return (strength / received)[None, None]
