"""Readers for PoseTrack'17, '18 and '21: the front doors.

All give `Video`s with ground truth (or predictions) in the 15 evaluated joints. Reading is strict:
whatever the official toolkit would trip over, or would silently misread, is one clear sentence.
Notebook 01 opens the files; the evaluator reads both of its folders here.
"""

from pathlib import Path

from helpers import WorkbookError
from helpers.datasets.posetrack17 import load_mat, video17
from helpers.datasets.posetrack18 import video18
from helpers.datasets.posetrack_common import MAX_TRACK, annotation_files
from helpers.files import load_json
from helpers.people import Video


def read_posetrack(
    path: str | Path, images: str | Path | None = None, max_track: int | None = MAX_TRACK
) -> list[Video]:
    """Videos of a folder (or one file) in the form of PoseTrack'17 or '18, told apart file by file.

    path: a folder of .json (or, '17 only, .mat) files, one a video, read in the order of
    their names. images: the folder that holds `images/`; None looks beside the
    annotations. max_track: ids from there on are refused; None allows any.
    A file with `annolist` is '17, any other '18. Raises WorkbookError.
    """
    return _read(path, images, max_track)


def read_posetrack18(
    path: str | Path, images: str | Path | None = None, max_track: int | None = MAX_TRACK
) -> list[Video]:
    """Videos of PoseTrack'18 JSON files: ground truth or a submission.

    A joint counts unless x = y = v = 0. `scores` become joint_score, NaN where there are
    none; `score` the person's, 1 where there is none; `bbox_head` the head size 0.6 ×
    diagonal, NaN where there is none; a missing `bbox` is the joints' extent + 15 % a side.
    Persons without any joint are kept, `present` all False. People are in frame order,
    frames in the order of `images`. Arguments and errors as in `read_posetrack`.
    """
    return _read(path, images, max_track, wanted="'18")


def read_posetrack17(
    path: str | Path, images: str | Path | None = None, max_track: int | None = MAX_TRACK
) -> list[Video]:
    """Videos of PoseTrack'17 files, JSON or MATLAB.

    Point ids 0–14 are `skeleton.JOINTS`; there is no person box, so the joints' extent +
    15 % a side stands in. Arguments and errors as in `read_posetrack`.
    """
    return _read(path, images, max_track, wanted="'17")


def read_posetrack21(path: str | Path, images: str | Path | None = None) -> list[Video]:
    """Videos of PoseTrack21: the '18 form, persons with a box only, and track ids of any size."""
    return _read(path, images, None, wanted="'18")


def _read(path, images, max_track, wanted=None) -> list[Video]:
    path = Path(path)
    root = _image_root(path, images)
    return [_read_file(file, root, max_track, wanted) for file in annotation_files(path)]


def _image_root(path: Path, images) -> Path | None:
    """The folder that file names like images/val/… start from."""
    if images is not None:
        images = Path(images)
        if not images.is_dir():
            raise WorkbookError(f"{images}: no such folder of images.")
        return images.parent if images.name == "images" else images
    folder = (path.parent if path.is_file() else path).absolute()
    beside = [folder, *folder.parents[:2]]  # as in root/annotations/val
    return next((root for root in beside if (root / "images").is_dir()), None)


def _read_file(path: Path, root: Path | None, max_track, wanted) -> Video:
    if path.suffix == ".mat":
        content, form = {"annolist": load_mat(path)}, "'17"
    else:
        content = load_json(path)
        if not isinstance(content, dict):
            raise WorkbookError(f"{path}: holds a {type(content).__name__} where an object is needed.")
        form = "'17" if "annolist" in content else "'18"
    if wanted not in (None, form):
        field = "annolist" if wanted == "'17" else "images"
        raise WorkbookError(f"{path}: {field} is missing, this is no file of PoseTrack{wanted}.")
    return (video17 if form == "'17" else video18)(path, content, root, max_track)
