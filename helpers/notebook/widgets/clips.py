"""What a clip player is given, checked: frames that may be missing, sizes that may be unknown, boxes with scores."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from helpers import WorkbookError
from helpers.opencv import cv2
from helpers.people import People, Video

#: Frames are stored at most this wide, paled like those of the figures, in a quality at which faults are hard to see.
WIDTH, QUALITY = 320, 60


def excerpt(video: Video, first: int, n: int) -> Video:
    """n frames of a video from `first` on, counted anew from 0. WorkbookError where it has not so many."""
    if n < 1 or not 0 <= first <= len(video) - n:
        raise WorkbookError(f"excerpt: {video.name} has frames 0 … {len(video) - 1}, not {first} … {first + n - 1}.")
    inside = video.people[(video.people.frame >= first) & (video.people.frame < first + n)]
    cut = {
        name: part[first : first + n] for name in ("labelled", "ignore", "files") if len(part := getattr(video, name))
    }
    frames = None if video.frames is None else [frame_of(video, t, None) for t in range(first, first + n)]
    return replace(video, people=inside.replace(frame=inside.frame - first), frames=frames, **cut)


def check_clip(video: Video, sides: Mapping[str, People], truth: People | None) -> None:
    if not len(video):
        raise WorkbookError(f"player: {video.name} has no frames, so there is nothing to play.")
    if not sides:
        raise WorkbookError("player: no people are given, not even nobody.")
    strange = [p for p in (*sides.values(), truth) if p is not None and not isinstance(p, People)]
    if strange:
        raise WorkbookError(f"player: people are given as {type(strange[0]).__name__}, not as People.")
    for name, people in [*sides.items(), ("truth", truth)]:
        outside = [] if people is None else people.frame[(people.frame < 0) | (people.frame >= len(video))]
        if len(outside):
            of = name or "tracked"
            raise WorkbookError(
                f"player: {of} has people in frame {outside[0]}, {video.name} has 0 … {len(video) - 1}."
            )
    if truth is not None and not np.isfinite(truth.head[truth.present.any(1)]).all():
        raise WorkbookError("player: the truth has people without a head size, so nobody can be matched with them.")


def scored_boxes(name: str, rows: Sequence[np.ndarray], n_frames: int) -> list[np.ndarray]:
    """Scored boxes of each frame (n, 5), scores to two digits. Raises WorkbookError for another shape."""
    if len(rows) != n_frames:
        raise WorkbookError(f"boxes {name}: there are {len(rows)} lists of them for {n_frames} frames.")
    out = [np.asarray(part, float).reshape(-1, 5) if np.size(part) == 0 else np.asarray(part, float) for part in rows]
    for t, part in enumerate(out):
        if part.ndim != 2 or part.shape[1] != 5 or not np.isfinite(part).all():
            raise WorkbookError(f"boxes {name}: frame {t} does not hold finite numbers x1 y1 x2 y2 score, (n, 5).")
    return [np.concatenate([part[:, :4].round(1), part[:, 4:].round(2)], 1) for part in out]


def clip_size(video: Video, sides) -> tuple[int, int]:
    """(width, height) that people are drawn in: the video's, its first picture's, or what holds all joints."""
    if min(video.size) > 0:
        return int(video.size[0]), int(video.size[1])
    for t in range(len(video)):
        frame = frame_of(video, t, None)
        if frame is not None:
            return frame.shape[1], frame.shape[0]
    xy = [people.xy[people.present & np.isfinite(people.xy).all(-1)] for people in sides]
    joints = np.concatenate([part.reshape(-1, 2) for part in xy])
    if not len(joints) or (joints.max(0) <= 0).any():
        raise WorkbookError(f"player: {video.name} has no size, no pictures and no joints to tell one.")
    width, height = np.ceil(1.05 * joints.max(0)).astype(int)
    return int(width), int(height)


def frame_of(video: Video, t: int, size: tuple[int, int] | None) -> np.ndarray | None:
    """Frame t in that size; None where it is missing, cannot be read or is no picture."""
    if video.frames is None:
        return None
    try:
        image = np.asarray(video.frames[t])
    except Exception:  # whatever reading a file may raise: this one frame is missing, the clip plays on
        return None
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        return None
    return image if size is None or image.shape[1::-1] == size else cv2.resize(image, size)


def stored_frame(frame: np.ndarray) -> np.ndarray:
    """A frame as it is stored: paled, and shrunk to WIDTH."""
    pale, height = 128 + frame // 2, round(WIDTH * frame.shape[0] / frame.shape[1])
    return cv2.resize(pale, (WIDTH, max(1, height)), interpolation=cv2.INTER_AREA) if pale.shape[1] > WIDTH else pale
