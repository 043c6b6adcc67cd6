"""An LSTM reads a track, box by box, and judges which detection goes on with it.

Notebook 07 rebuilds one step by hand. Sizes as in Detect-and-Track (DT §3.2 and its released
settings: embedding 200, hidden 200, 2 layers, dropout .2); its tracker's code was not released.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from helpers import WorkbookError, puppets, weights
from helpers.people import People, Video
from helpers.skeleton import N_JOINTS
from helpers.training.loop import Recipe, fit

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
        """seen (L, N, inputs), the state before → logits (L, N), how well each fits what came before; the state after."""
        out, state = self.lstm(self.dropout(F.relu(self.embed(seen))), state)
        return self.matched(self.dropout(out))[..., 0], state

    def compare(self, state, detections: torch.Tensor):
        """States of N tracks, detections (M, inputs) → logits (N, M), states (layers, N, M, hidden) twice.

        One step of the LSTM, spelled out, without dropout: what depends on a track or on a
        detection alone is computed once and not for every pair.
        """
        x, after = F.relu(self.embed(detections))[None], []
        for k, (h, c) in enumerate(zip(*state)):
            of = lambda name: getattr(self.lstm, f"{name}_l{k}")
            gates = F.linear(x, of("weight_ih"), of("bias_ih")) + F.linear(h, of("weight_hh"), of("bias_hh"))[:, None]
            i, f, g, o = gates.chunk(4, -1)
            c = f.sigmoid() * c[:, None] + i.sigmoid() * g.tanh()
            x = o.sigmoid() * c.tanh()
            after.append((x, c))
        return self.matched(x)[..., 0], tuple(map(torch.stack, zip(*after)))


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


TRAIN = f"PuppetTrack train, stretches of 1 to {LONGEST} frames of true tracks"


STEPS = 3000


def recipe(seed: int = 0) -> Recipe:
    """DT's batch of 20 and ten epochs become a number of steps; AdamW stands in for its plain descent."""
    return Recipe(TRAIN, 60, STEPS, batch=20, rate=1e-3, seed=seed)


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

    def batch(self, size: int, step: int, seed: int):
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


def obtain(seed: int = 0, inputs: str = "box", device: str = "cpu", folder: Path = weights.FOLDER) -> TrackLstm:
    """The trained network: from its file if it is there, else trained now and kept there."""
    config, plan = LstmConfig(inputs), recipe(seed)

    def train(model):
        questions = Questions(puppets.videos("train", n=plan.videos, render=False), inputs)
        place = weights.device(device)
        parts = lambda step: [x.to(place) for x in questions.batch(plan.batch, step, seed)]
        log = fit(model, lambda m, step: {"loss": loss(m, *parts(step))}, plan, device)
        model.cpu()
        stretches = np.array_split([row["loss"] for row in log], 30)
        return {
            "data": plan.data,
            "seed": seed,
            "device": device,
            "minutes": round(log[-1]["seconds"] / 60, 2),
            "log": json.dumps([round(float(s.mean()), 4) for s in stretches]),
        }

    def build():
        torch.manual_seed(seed)
        return TrackLstm(config)

    return weights.train_or_load(f"lstm-{inputs}-{seed}", configuration(seed, inputs), build, train, folder)


def configuration(seed: int = 0, inputs: str = "box") -> dict:
    """What a file's name is a hash of."""
    return weights.configuration(network=LstmConfig(inputs), recipe=recipe(seed))


def weight_file(seed: int = 0, inputs: str = "box", folder: Path = weights.FOLDER) -> Path:
    """Where the trained network is kept."""
    return Path(folder) / weights.file_name(f"lstm-{inputs}-{seed}", configuration(seed, inputs))
