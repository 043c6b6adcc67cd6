"""Trackers: each one a `step(frame_people, image) -> ids`, run over a video as a fold.

Any object with such a step is a tracker; it sees one frame after the other and keeps a bounded
window, so it works online. Notebook 06 starts with the simplest, notebook 13 compares them all.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from helpers import WorkbookError
from helpers.people import People


class Tracker(Protocol):
    """What `track` needs: called once a frame, in order, also for frames without people."""

    def step(self, frame_people: People, image: np.ndarray | None = None) -> np.ndarray:
        """Track ids (N,) ≥ 0, all different, of one frame's N people."""


def track(
    people: People, tracker: Tracker, n_frames: int, frames: Sequence | None = None, which: Sequence[int] | None = None
) -> People:
    """The people of one video with the track ids that the tracker gives them, in the same order.

    tracker: a fresh one for every video. frames: images, given to `step` where the tracker
    needs them. which: only these frame numbers, in order, as if the others did not exist;
    people in the others keep no id (−1). Raises WorkbookError for people outside the
    n_frames frames.
    """
    if len(people) and not 0 <= people.frame.min() <= people.frame.max() < n_frames:
        raise WorkbookError(f"track: frame {people.frame.max()} lies outside the video's {n_frames} frames.")
    order = np.argsort(people.frame, kind="stable")
    ordered, ids = people[order], np.full(len(people), -1)
    start = np.searchsorted(ordered.frame, np.arange(n_frames + 1))
    for t in range(n_frames) if which is None else which:
        now = slice(start[t], start[t + 1])
        ids[order[now]] = tracker.step(ordered[now], None if frames is None else frames[t])
    return people.replace(track=ids)
