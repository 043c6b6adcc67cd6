"""Detect-and-Track's tracker: link each frame with the one before, nothing else.

Notebook 06 rebuilds it; ProTracker is the same engine (PT §3, DT §3.2). As in their code there
is no gate: a pair with IoU 0 is linked when nothing better is left.
"""

from collections.abc import Callable

import numpy as np

from helpers import WorkbookError
from helpers.people import People, concatenate, nobody
from helpers.tracking.costs import box_cost
from helpers.tracking.matching import hungarian


class FrameToFrame:
    """Tracker that matches a frame's people with the last detection of every remembered track.

    cost: (previous People, current People) → (N, M); match: (cost, limit) → rows, columns;
    limit: pairs that cost more are never linked, inf = no gate (DT); memory: how many
    frames back a track's last detection may lie, 1 = only the frame before (DT). Ids count
    up from 0; a person that is linked to none opens a new one. It keeps at most `memory`
    frames of people, however long the video. Raises WorkbookError for a memory below 1.
    """

    def __init__(
        self,
        cost: Callable[[People, People], np.ndarray] = box_cost,
        match: Callable = hungarian,
        limit: float = np.inf,
        memory: int = 1,
    ):
        if memory < 1:
            raise WorkbookError(f"tracker: memory {memory} is less than the 1 frame that is needed.")
        self.cost, self.match, self.limit, self.memory = cost, match, limit, memory
        self._next_id = 0
        self._known = nobody()  # last detection of every remembered track
        self._ids = np.zeros(0, int)
        self._age = np.zeros(0, int)  # frames since that detection

    def step(self, frame_people: People, image: np.ndarray | None = None) -> np.ndarray:
        """Track ids (N,) of one frame's people; the image is not used. WorkbookError for a cost of NaN."""
        ids = np.full(len(frame_people), -1)
        linked = np.zeros(len(self._known), bool)
        if len(self._known) and len(ids):
            cost = np.asarray(self.cost(self._known, frame_people))
            if np.isnan(cost).any():
                i, j = np.argwhere(np.isnan(cost))[0]
                raise WorkbookError(
                    f"tracker: frame {frame_people.frame[j]}: the cost of remembered person {i} and "
                    f"detection {j} is not a number."
                )
            rows, columns = self.match(cost, self.limit)
            ids[columns] = self._ids[rows]
            linked[rows] = True
        new = ids < 0
        ids[new] = self._next_id + np.arange(new.sum())
        self._next_id += int(new.sum())
        self._remember(frame_people, ids, ~linked & (self._age + 1 < self.memory))
        return ids

    def _remember(self, people: People, ids: np.ndarray, lost: np.ndarray) -> None:
        if not lost.any():
            self._known, self._ids, self._age = people, ids, np.zeros(len(ids), int)
            return
        self._known = concatenate([self._known[lost], people])
        self._ids = np.concatenate([self._ids[lost], ids])
        self._age = np.concatenate([self._age[lost] + 1, np.zeros(len(ids), int)])


class ConstantVelocity(FrameToFrame):
    """Control: each remembered box is moved on by its track's last displacement before it is compared.

    A track of one frame stays where it is. Memory of one frame, as the tracker beside it.
    """

    def __init__(self, cost: Callable[[People, People], np.ndarray] = box_cost):
        super().__init__(cost)
        self._boxes: dict[int, np.ndarray] = {}

    def step(self, frame_people: People, image: np.ndarray | None = None) -> np.ndarray:
        """Track ids (N,) of one frame's people; the image is not used."""
        ids = super().step(frame_people, image)
        moved = [box + (box - self._boxes.get(i, box)) for i, box in zip(ids.tolist(), frame_people.box, strict=True)]
        self._boxes = dict(zip(ids.tolist(), frame_people.box, strict=True))
        self._known = frame_people.replace(box=np.reshape(moved, (-1, 4)))
        return ids
