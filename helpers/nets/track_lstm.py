"""An LSTM reads a track, box by box, and judges which detection goes on with it.

Notebook 07 rebuilds one step by hand. Sizes as in Detect-and-Track (DT §3.2 and its released
settings: embedding 200, hidden 200, 2 layers, dropout .2); its tracker's code was not released.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from helpers import WorkbookError
from helpers.people import People, Video
from helpers.skeleton import N_JOINTS

#: What the network sees of a person: the box's four numbers (DT), or the joints besides.
WIDTHS = {"box": 4, "joints": 4 + 3 * N_JOINTS}


@dataclass(frozen=True)
class LstmConfig:
    """inputs: "box" or "joints" (box and joints); the sizes are the paper's. Raises WorkbookError for other inputs."""

    inputs: str = "box"
    embedding: int = 200
    hidden: int = 200
    layers: int = 2
    dropout: float = 0.2

    def __post_init__(self):
        if self.inputs not in WIDTHS:
            raise WorkbookError(f"LSTM inputs {self.inputs!r} are unknown; there are {', '.join(WIDTHS)}.")


class TrackLstm(nn.Module):
    """A track's state and a detection → is it the same person? (a logit), and the state if it is.

    A state is a pair (h, c), each (layers, N, hidden).
    """

    def __init__(self, config: LstmConfig):
        super().__init__()
        self.config = config
        self.embed = nn.Linear(WIDTHS[config.inputs], config.embedding)
        self.dropout = nn.Dropout(config.dropout)
        self.lstm = nn.LSTM(config.embedding, config.hidden, config.layers, dropout=config.dropout)
        self.matched = nn.Linear(config.hidden, 1)

    def forward(self, seen: torch.Tensor, state=None):
        """seen (L, N, inputs), state before → logits (L, N), how each fits what came before, and the state after."""
        out, state = self.lstm(self.dropout(F.relu(self.embed(seen))), state)
        return self.matched(self.dropout(out))[..., 0], state

    def compare(self, state, detections: torch.Tensor):
        """States of N tracks, detections (M, inputs) → logits (N, M), states (layers, N, M, hidden) twice.

        One step of the LSTM, spelled out, without dropout: what depends on a track or on a
        detection alone is computed once and not for every pair.
        """
        x, after = F.relu(self.embed(detections))[None], []
        for k, (h, c) in enumerate(zip(*state, strict=True)):
            w_x, w_h, b_x, b_h = self.lstm.all_weights[k]
            gates = F.linear(x, w_x, b_x) + F.linear(h, w_h, b_h)[:, None]
            i, f, g, o = gates.chunk(4, -1)
            c = f.sigmoid() * c[:, None] + i.sigmoid() * g.tanh()
            x = o.sigmoid() * c.tanh()
            after.append((x, c))
        return self.matched(x)[..., 0], tuple(map(torch.stack, zip(*after, strict=True)))


def inputs_of(people: People, size: tuple[int, int], inputs: str) -> np.ndarray:
    """What the LSTM sees of N people, divided by the image's size: (N, 4) boxes, or (N, 49) with the joints.

    A joint is x, y, 1, one that is not there 0, 0, 0; a box of NaN is 0. size (width, height) in
    pixels; raises WorkbookError where it is not known.
    """
    scale = np.asarray(size, float)
    if not (scale > 0).all():
        raise WorkbookError(f"LSTM: the image's size is needed to normalise boxes, got {tuple(size)}.")
    box = np.nan_to_num(people.box / np.tile(scale, 2))
    if inputs == "box":
        return box.astype(np.float32)
    joints = np.concatenate([people.xy / scale, np.ones((len(people), N_JOINTS, 1))], -1) * people.present[..., None]
    return np.concatenate([box, joints.reshape(len(people), -1)], 1).astype(np.float32)


#: Longest stretch of a track that is read before the question, in frames.
LONGEST = 12


class Questions:
    """Training examples: a person's last L frames, and everyone in the next; who goes on with it?

    videos: with true tracks in consecutive frames. Deterministic in the step and the seed.
    """

    def __init__(self, videos: Sequence[Video], inputs: str):
        self._videos = [_grid(v, inputs) for v in videos]
        rows = []
        for v, (_, there) in enumerate(self._videos):
            age = np.zeros(there.shape, int)  # frames in a row up to this one
            for t in range(len(there)):
                age[t] = there[t] * (1 + (age[t - 1] if t else 0))
            rows += [(v, t, p, age[t, p] - 1) for t, p in np.argwhere(age > 1)]
        self.examples = np.array(rows)  # video, frame of the question, person, frames before it

    def batch(self, size: int, step: int, seed: int) -> tuple:
        """tracks (L, B, inputs), candidates (K, B, inputs), same (K, B) in {0, 1}, NaN = nobody there."""
        rng = np.random.default_rng([seed, step])
        length = int(rng.integers(1, LONGEST + 1))
        fit_in = self.examples[self.examples[:, 3] >= length]
        chosen = fit_in[rng.integers(0, len(fit_in), size)]
        most = max(self._videos[v][1].shape[1] for v in chosen[:, 0])
        width = self._videos[0][0].shape[-1]
        tracks = np.zeros((length, size, width), np.float32)
        candidates, same = np.zeros((most, size, width), np.float32), np.full((most, size), np.nan, np.float32)
        for b, (v, t, p, _) in enumerate(chosen):
            seen, there = self._videos[v]
            tracks[:, b] = seen[t - length : t, p]
            n = there.shape[1]
            candidates[:n, b] = seen[t]
            same[:n, b] = np.where(there[t], np.arange(n) == p, np.nan)
        return tuple(map(torch.from_numpy, (tracks, candidates, same)))


def _grid(video: Video, inputs: str) -> tuple[np.ndarray, np.ndarray]:
    """A video's true people as (T, P, inputs), and who is there (T, P)."""
    names, person = np.unique(video.people.track, return_inverse=True)
    seen = np.zeros((len(video), len(names), WIDTHS[inputs]), np.float32)
    there = np.zeros(seen.shape[:2], bool)
    seen[video.people.frame, person] = inputs_of(video.people, video.size, inputs)
    there[video.people.frame, person] = True
    return seen, there


def loss(model: TrackLstm, tracks: torch.Tensor, candidates: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of matched or unmatched, the mean over all candidates that are there."""
    _, state = model(tracks)
    k, b = same.shape
    pairs = tuple(s.repeat(1, k, 1) for s in state)  # candidate after candidate
    logits, _ = model(candidates.reshape(1, k * b, -1), pairs)
    real = same.flatten().isfinite()
    return F.binary_cross_entropy_with_logits(logits[0][real], same.flatten()[real])


Config = LstmConfig


def build(config: LstmConfig) -> TrackLstm:
    """The network with random weights, in evaluation mode."""
    return TrackLstm(config).eval()


def start_from(first: TrackLstm | None, config: LstmConfig) -> TrackLstm:
    """The network before training: another's weights, or random ones."""
    model = build(config)
    if first is not None:
        model.load_state_dict(first.state_dict())
    return model


def batches(videos: Sequence[Video], config: LstmConfig, batch: int, seed: int) -> Callable[[int], tuple]:
    """A function step → (tracks, candidates, same), see `Questions`."""
    questions = Questions(videos, config.inputs)
    return lambda step: questions.batch(batch, step, seed)


def losses(model: TrackLstm, *questions: torch.Tensor) -> dict[str, torch.Tensor]:
    """The named losses of one step, whose sum is minimised."""
    return {"loss": loss(model, *questions)}


def score(model: TrackLstm, state: tuple, detections: torch.Tensor) -> tuple[torch.Tensor, tuple]:
    """Logits (N, M) that detections (M, inputs) go on with tracks, and the tracks' states if they do."""
    return model.compare(state, detections)
