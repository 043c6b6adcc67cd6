"""Reader for SoMoF: real PoseTrack'18 tracks, repacked as 104 videos of 30 consecutive frames.

No images and no head boxes, but identities and 14 joints, and a reader can really download them
(`python -m helpers fetch somof`). The notebooks from 05 on repeat their experiments on these.
"""

from pathlib import Path

import numpy as np

from helpers import WorkbookError
from helpers.files import load_json
from helpers.heads import POSETRACK18_HEAD, head_sizes
from helpers.people import BOX_MARGIN, Video, extent_boxes, people
from helpers.skeleton import SOMOF, convert

FRAMES_IN, FRAMES_OUT = 16, 14


def read_somof(folder: str | Path, split: str = "all") -> list[Video]:
    """The 104 videos of `posetrack_valid_*.json`, the 16 given and the 14 following frames joined.

    split: "train" is the even-numbered videos, "val" the odd-numbered, "all" every one:
    a fixed rule, so that what is tuned on one half is reported on the other. The columns of a
    row are `skeleton.SOMOF`, left and right in turn: the files do not say so, bodies do (notebook 01).
    A joint is present where its mask says so; a person without any is absent from the frame.
    The track is the row in the file. Boxes are the joints' extent + 15 % on every side as in
    PoseTrack'18; head sizes are estimated, 0.6/0.7 × distance head_bottom–head_top
    (`heads.head_sizes`). All frames are labelled. Raises WorkbookError.
    """
    folder = Path(folder)
    start = {"train": 0, "val": 1, "all": 0}.get(split)
    if start is None:
        raise WorkbookError(f"{folder}: split {split!r} is unknown; train, val and all are there.")
    parts = [
        _lists(folder / f"posetrack_valid_{name}.json") for name in ("in", "out", "masks_in", "masks_out", "frames_in")
    ]
    if len(set(map(len, parts))) != 1:
        raise WorkbookError(f"{folder}: the posetrack_valid files hold different numbers of videos.")
    numbers = range(start, len(parts[0]), 1 if split == "all" else 2)
    return [_video(folder, number, *(part[number] for part in parts)) for number in numbers]


def _lists(path: Path) -> list:
    content = load_json(path)
    if not isinstance(content, list) or not content:
        raise WorkbookError(f"{path}: is not a list of videos.")
    return content


def _video(folder, number, xy_in, xy_out, masks_in, masks_out, frames) -> Video:
    where = f"{folder}: posetrack_valid video {number}"
    k = len(SOMOF)
    xy = np.hstack([_array(where, "in", xy_in, FRAMES_IN, 2 * k), _array(where, "out", xy_out, FRAMES_OUT, 2 * k)])
    masks = ("masks_in", masks_in, FRAMES_IN), ("masks_out", masks_out, FRAMES_OUT)
    mask = np.hstack([_array(where, *of, k) for of in masks]) > 0
    # frame by frame, and within a frame in the order of the rows
    frame, row = np.nonzero(mask.any(-1).T)
    xy, present = convert(xy.reshape(*mask.shape, 2)[row, frame], mask[row, frame], SOMOF)
    persons = people(
        frame=frame,
        track=row,
        xy=np.where(present[..., None], xy, 0.0),
        present=present,
        box=extent_boxes(xy, present, BOX_MARGIN),
    )
    files = _file_names(where, frames)
    return Video(
        files[0].split("/")[-2],
        (0, 0),
        np.ones(FRAMES_IN + FRAMES_OUT, bool),
        persons.replace(head=head_sizes(persons, POSETRACK18_HEAD)),
        files=files,
    )


def _array(where, field, value, frames, numbers) -> np.ndarray:
    try:
        array = np.array(value, float)
        if array.shape[1:] != (frames, numbers) or not np.isfinite(array).all():
            raise ValueError
    except (TypeError, ValueError):
        shape = f"[person][{frames}][{numbers}]"
        raise WorkbookError(f"{where}: {field} is not {shape} finite numbers.") from None
    return array


def _file_names(where, frames) -> tuple[str, ...]:
    """The 16 file names and the 14 that follow, counted on: the frames are consecutive."""
    try:
        stem, last = frames[-1].rsplit("/", 1)
        following = [f"{stem}/{int(last[:-4]) + t:06d}.jpg" for t in range(1, FRAMES_OUT + 1)]
        return (*map(str, frames), *following)
    except (AttributeError, IndexError, TypeError, ValueError):
        raise WorkbookError(f"{where}: frames_in is not a list of image file names.") from None
