"""What the readers of PoseTrack'17 and '18 share: a Video from what a file holds, and its checks."""

from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers import WorkbookError
from helpers.datasets.images import ImageFiles, check_inside, image_size
from helpers.people import People, Video

#: The official toolkit refuses track ids from here on.
MAX_TRACK = 10_000
#: Image ids of PoseTrack'18 are source·10¹⁰ + sequence·10⁴ + frame.
SOURCES = {"mpii": 1, "bonn": 2, "mpiinew": 3}
SKELETON = (
    (16, 14),
    (14, 12),
    (17, 15),
    (15, 13),
    (12, 13),
    (6, 12),
    (7, 13),
    (6, 7),
    (6, 8),
    (7, 9),
    (8, 10),
    (9, 11),
    (2, 3),
    (1, 2),
    (1, 3),
    (2, 4),
    (3, 5),
    (4, 6),
    (5, 7),
)


def make_video(
    path: Path,
    root: Path | None,
    names: Sequence[str],
    labelled: np.ndarray,
    persons: People,
    ignore: tuple,
    size: tuple[int, int],
    max_track: int | None,
) -> Video:
    """A video of what a file holds, with its images where root has them; `max_track` as in `read_posetrack`."""
    for t, name in enumerate(names):
        check_inside(name, path, f"image {t}: file name")
    check_tracks(path, persons, max_track)
    frames = None
    if root is not None and (root / names[0]).parent.is_dir():
        frames = ImageFiles([root / name for name in names])
        size = size if size != (0, 0) else image_size(frames.paths[0])
    return Video(path.stem, size, labelled, persons, ignore if any(ignore) else (), frames, tuple(names))


def check_tracks(path: Path, persons: People, max_track: int | None) -> None:
    """Refuse an id from max_track on, and one that stands twice in a frame."""
    if len(persons) == 0:
        return
    largest = int(persons.track.max())
    if max_track is not None and largest >= max_track:
        raise WorkbookError(f"{path}: track_id {largest} is not below {max_track}.")
    pairs = np.stack([persons.frame, persons.track], 1)
    order = np.lexsort(pairs.T)
    same = (np.diff(pairs[order], axis=0) == 0).all(1)
    if same.any():
        frame, track = pairs[order][:-1][same][0]
        raise WorkbookError(f"{path}: track_id {track} occurs more than once in image {frame}.")


def labelled_frames(where: str, flags: Sequence, persons: People) -> np.ndarray:
    """(T,) bool from is_labeled; where that is missing (None), the frames that hold persons."""
    labelled = np.zeros(len(flags), bool)
    labelled[persons.frame] = True
    for t, flag in enumerate(flags):
        if flag not in (None, 0, 1):
            raise WorkbookError(f"{where}[{t}].is_labeled is {flag!r}; true or false is needed.")
        labelled[t] = labelled[t] if flag is None else bool(flag)
    return labelled


def ignore_regions(path: Path, t: int, xs: object, ys: object) -> list[np.ndarray]:
    """Polygons (K, 2) in pixels of image t from the lists of their x and of their y."""
    wrong = f"{path}: images[{t}].ignore_regions_x and _y must be lists of polygons of equal length."
    if not (isinstance(xs, list) and isinstance(ys, list) and len(xs) == len(ys)):
        raise WorkbookError(wrong)
    out = []
    for x, y in zip(xs, ys, strict=True):
        try:
            polygon = np.array([array("d", x), array("d", y)]).T
        except (TypeError, ValueError, OverflowError):
            raise WorkbookError(wrong) from None
        if polygon.ndim != 2 or not np.isfinite(polygon).all():
            raise WorkbookError(wrong)
        if len(polygon):
            out.append(polygon)
    return out


def annotation_files(path: Path) -> list[Path]:
    """The files of a folder by name, one per video; a .mat beside a .json of that name is the same video."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise WorkbookError(f"{path}: no such file or folder of annotations.")
    matlab = [file for file in path.glob("*.mat") if not file.with_suffix(".json").exists()]  # no twins
    files = sorted([*path.glob("*.json"), *matlab], key=lambda file: file.name)
    if not files:
        raise WorkbookError(f"{path}: the folder holds no .json file of annotations.")
    return files
