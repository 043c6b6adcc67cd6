"""Today's box trackers from the `trackers` library, beside the papers': SORT, ByteTrack, OC-SORT.

Notebook 06 puts them into its table: what a motion model and a memory are worth on the same detections.
They are online; only the id of a track's first box comes a frame late, as the library confirms a track
with its second box.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from helpers import WorkbookError
from helpers.people import People

NAMES = {"SORT": "SORTTracker", "ByteTrack": "ByteTrackTracker", "OC-SORT": "OCSORTTracker"}


def track_with_library(
    people: People, name: str, n_frames: int, which: Sequence[int] | None = None, **settings
) -> People:
    """The people of one video with the track ids of a library's tracker, which sees boxes and scores alone.

    name: one of `NAMES`; settings: of its constructor, its own defaults but that a track shows
    its id at every box (`minimum_consecutive_frames` 1), because everyone here needs one;
    which as in `track`. Who is in no track gets an id of its own. Raises WorkbookError for an unknown
    name, or where the optional package `trackers` is not installed.
    """
    tracker, detections = _make(name, {"minimum_consecutive_frames": 1} | settings)
    ids, first = np.full(len(people), -1), []
    frames = people.replace(track=np.arange(len(people))).by_frame(n_frames)
    for t in range(n_frames) if which is None else which:
        now = frames[t]
        out = tracker.update(detections(xyxy=now.box, confidence=now.score, class_id=now.track))
        ids[out.class_id] = out.tracker_id
        young = [track for track in tracker.tracks if track.tracker_id < 0]
        first += [
            (track, row)
            for row in out.class_id[out.tracker_id < 0]
            for track in young
            if np.allclose(track.get_state_bbox(), people.box[row], atol=1e-3)
        ]
    for track, row in first:  # tracks that were confirmed in the meantime
        ids[row] = track.tracker_id
    alone = (ids < 0) & (np.ones(len(ids), bool) if which is None else np.isin(people.frame, which))
    ids[alone] = ids.max(initial=-1) + 1 + np.arange(alone.sum())
    return people.replace(track=ids)


def _make(name: str, settings: dict) -> tuple[Any, type]:
    if name not in NAMES:
        raise WorkbookError(f"tracker {name!r} is unknown; there are {', '.join(NAMES)}.")
    try:
        import trackers
        from supervision import Detections
    except ImportError:
        raise WorkbookError(f"tracker {name!r}: the optional package trackers is not installed.") from None
    return getattr(trackers, NAMES[name])(**settings), Detections
