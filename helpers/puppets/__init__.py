"""PuppetTrack, the built-in world: articulated people with exact ground truth, made on demand.

`videos(split)` gives Videos like any data set's; `flow(video, t)` the exact optical flow; `settings`
make harder or easier worlds. Labelled like PoseTrack: the middle 30 frames of every video, and in
val and test every fourth frame besides. Deterministic from the split and the number
of the video. Notebook 01 compares its statistics with real tracks.
"""

from dataclasses import fields, replace

import numpy as np

from helpers import WorkbookError
from helpers.people import Video
from helpers.puppets.scene import Scene, WorldSettings, random_scene

__all__ = ["SPLITS", "WorldSettings", "flow", "labelled_frames", "scene_of", "videos"]

#: Which edition of the world this is: 2 has necks, unsteady joints and camera pans like real videos.
WORLD = 2

#: split: (number of videos, first sequence number; also what keeps the splits' random numbers apart).
#: "tune" is the training world from video 860 on, which no network of the workbook has seen.
SPLITS = {"train": (60, 100_001), "val": (50, 200_001), "test": (50, 300_001), "tune": (20, 100_861)}
LABELLED_RUN, LABELLED_EVERY = 30, 4
FRAMES = (60, 100)


def videos(
    split: str = "val",
    n: int | None = None,
    first: int = 0,
    size: tuple[int, int] = (320, 180),
    render: bool = True,
    labelled: str = "posetrack",
    settings: WorldSettings = WorldSettings(),
    **overrides,
) -> list[Video]:
    """n videos of a split from number `first` on (the rest where n is None; beyond its size the world goes on).

    Only these are made: a video does not depend on the others.
    size: (width, height) in pixels; render=False leaves the frames out; labelled="all" labels
    every frame instead of PoseTrack's pattern, that is, gives the complete ground truth of the same
    frames; overrides replace single settings, as in videos("val", crowding=0.8, uniform=1.0).
    Raises WorkbookError on an unknown split, pattern or setting.
    """
    if split not in SPLITS:
        raise WorkbookError(f"split {split!r} of puppets is unknown; there are {', '.join(SPLITS)}.")
    if labelled not in ("posetrack", "all"):
        raise WorkbookError(f"labelled {labelled!r} of puppets is unknown; there are posetrack, all.")
    unknown = sorted(set(overrides) - {f.name for f in fields(WorldSettings)})
    if unknown:
        raise WorkbookError(
            f"setting {unknown[0]!r} of puppets is unknown; there are "
            f"{', '.join(f.name for f in fields(WorldSettings))}."
        )
    settings = replace(settings, **overrides)
    count, sequence = SPLITS[split]
    numbers = range(first, count if n is None else first + n)
    world = "train" if split == "tune" else split
    return [_video(world, sequence + i, size, render, labelled, settings) for i in numbers]


def _video(split, sequence, size, render, labelled, settings) -> Video:
    rng = np.random.default_rng(sequence)
    n_frames = int(rng.integers(FRAMES[0], FRAMES[1] + 1))
    scene = random_scene(rng, settings, size, n_frames)
    mask = np.ones(n_frames, bool) if labelled == "all" else labelled_frames(n_frames, split)
    name = f"{sequence:06d}_mpiinew_{split}"
    files = tuple(f"images/{split}/{name}/{t:06d}.jpg" for t in range(n_frames))
    frames = None
    if render:
        from helpers.puppets.render import RenderedFrames

        frames = RenderedFrames(scene)
    return Video(name, size, mask, scene.truth(np.flatnonzero(mask)), frames=frames, files=files)


def labelled_frames(n_frames: int, split: str) -> np.ndarray:
    """(T,) bool: PoseTrack's pattern, the middle 30 frames, in val and test every fourth besides."""
    mask = np.zeros(n_frames, bool)
    mask[_middle(n_frames)] = True
    if split != "train":
        mask[::LABELLED_EVERY] = True
    return mask


def dense_run(video: Video) -> np.ndarray:
    """The frames of PoseTrack's dense labelled run: the thirty in the middle, or all where there are fewer."""
    return _middle(len(video))


def _middle(n_frames: int) -> np.ndarray:
    start = max(0, (n_frames - LABELLED_RUN) // 2)
    return np.arange(start, min(start + LABELLED_RUN, n_frames))


def scene_of(video: Video) -> Scene:
    """The scene behind a rendered puppet video. Raises WorkbookError for any other video."""
    scene = getattr(video.frames, "scene", None)
    if scene is None:
        raise WorkbookError(f"{video.name}: is no rendered puppet video, so it has no scene.")
    return scene


def flow(video: Video, t: int) -> tuple[np.ndarray, np.ndarray]:
    """Exact optical flow of a rendered puppet video from frame t to t + 1; see `render.flow`."""
    from helpers.puppets import render

    return render.flow(scene_of(video), t)
