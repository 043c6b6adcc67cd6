"""Tracks for the predictions of any pose estimator: PoseTrack'18 files in, the same files with track ids out.

`python -m helpers track` is this. The trackers are online ones, so a file gets the ids that its
frames would have got one by one (notebook 06).
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from helpers import WorkbookError
from helpers.datasets.posetrack18 import read_detections, with_tracks
from helpers.detections.filters import keep_confident
from helpers.files import write_atomically
from helpers.people import Video
from helpers.tracking import Tracker, costs, matching, track
from helpers.tracking.frame_to_frame import FrameToFrame

#: What `track --method` knows: how a fresh tracker is made of a matching, a limit and a memory. One line per tracker.
TRACKERS: dict[str, Callable[..., Tracker]] = {
    name: partial(FrameToFrame, cost) for name, cost in costs.BY_NAME.items()
}


def tracker_maker(method: str, matcher: str, limit: float, memory: int) -> Callable[[], Tracker]:
    """What makes a fresh tracker for every file. Raises WorkbookError for an unknown method or a memory below 1."""
    if method not in TRACKERS:
        raise WorkbookError(f"--method {method}: is unknown; there are {', '.join(TRACKERS)}.")
    if memory < 1:
        raise WorkbookError(f"--memory {memory}: at least 1 frame is needed.")
    return partial(TRACKERS[method], match=getattr(matching, matcher), limit=limit, memory=memory)


def track_files(
    predictions: Path, out: Path, tracker: Callable[[], Tracker], person: float = -np.inf, joint: float = -np.inf
) -> list[tuple[Path, int, int]]:
    """Track every file of a folder: (path written, people, track ids) of each.

    tracker() makes a fresh tracker for every file. People scored below `person` and joints
    scored below `joint` are left out of the output, too. Frames that a file says are not
    labelled, and that hold nobody, are skipped, not taken for empty. Raises WorkbookError if out is the
    folder that is read, or a file is no PoseTrack'18 one.
    """
    predictions, out, done = Path(predictions), Path(out), []
    source = predictions if predictions.is_dir() else predictions.parent
    if out.resolve() == source.resolve():
        raise WorkbookError(f"{out}: is the folder that is read; another one is needed for the tracks.")
    for video, content in read_detections(predictions):
        kept = keep_confident(video.people, person, joint)
        tracked = track(kept, tracker(), len(video), which=_frames(video, content))
        path = out / f"{video.name}.json"
        write_atomically(path, json.dumps(with_tracks(content, tracked, kept.track), allow_nan=False).encode())
        done.append((path, len(kept), len(np.unique(tracked.track))))
    return done


def _frames(video: Video, content: dict) -> np.ndarray:
    """The frames to step through; without a flag a frame counts, also if it is empty."""
    skipped = [image.get("is_labeled") in (False, 0) for image in content["images"]]
    return np.flatnonzero(~np.array(skipped, bool) | np.isin(np.arange(len(video)), video.people.frame))
