"""A learned cost: an LSTM reads a track, box by box, and judges which detection goes on with it.

Notebook 07 rebuilds one step by hand. Sizes as in Detect-and-Track (DT §3.2 and its released
settings: embedding 200, hidden 200, 2 layers, dropout .2); its tracker's code was not released.
"""

from collections.abc import Callable

import numpy as np
import torch

from helpers.nets.track_lstm import TrackLstm, inputs_of
from helpers.people import People
from helpers.tracking.matching import hungarian


class LstmTracker:
    """Tracker whose cost is minus the LSTM's logit; one state per live track.

    As DT's released description has it: a track that nobody continues is deleted, a matched
    one's state moves on by the detection, a detection left over starts a new track. `cost`
    is the last frame's (N, M), for looking at it.
    """

    def __init__(self, model: TrackLstm, size: tuple[int, int], match: Callable = hungarian):
        self.model, self.size, self.match = model.eval(), size, match
        self._state, self._ids, self._next_id = None, np.zeros(0, int), 0
        self.cost = np.zeros((0, 0))

    @torch.inference_mode()
    def step(self, frame_people: People, image: np.ndarray | None = None) -> np.ndarray:
        """Track ids (N,) of one frame's people; the image is not used."""
        seen = torch.from_numpy(inputs_of(frame_people, self.size, self.model.config.inputs))
        ids = np.full(len(seen), -1)
        self.cost = np.zeros((len(self._ids), len(seen)))
        if not len(seen):
            self._state, self._ids = None, ids
            return ids
        state = torch.zeros(2, self.model.config.layers, len(seen), self.model.config.hidden)
        if len(self._ids):
            logits, after = self.model.compare(self._state, seen)
            self.cost = -logits.double().numpy()
            rows, columns = self.match(self.cost)
            ids[columns] = self._ids[rows]
            for whole, part in zip(state, after, strict=True):
                whole[:, columns] = part[:, rows, columns]
        new = ids < 0
        if new.any():
            state[:, :, new] = torch.stack(self.model(seen[new][None])[1])
        ids[new] = self._next_id + np.arange(new.sum())
        self._next_id += int(new.sum())
        self._state, self._ids = state, ids
        return ids
