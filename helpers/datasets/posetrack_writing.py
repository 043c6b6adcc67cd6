"""Writer of the PoseTrack'18 form, ground truth or submissions."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from helpers import WorkbookError
from helpers.datasets.images import check_inside
from helpers.datasets.posetrack_common import SKELETON, SOURCES
from helpers.files import write_atomically
from helpers.heads import HEAD_SHARE
from helpers.people import People, Video, extent_boxes
from helpers.skeleton import INDEX, POSETRACK18, joint_map


def write_posetrack18(
    folder: str | Path, videos: Iterable[Video], predictions: Sequence[People] | None = None, write_images: bool = False
) -> list[Path]:
    """Write videos as PoseTrack'18 JSON, one file per video, which the official toolkit reads.

    predictions: one People per video to write in place of the ground truth, with joint
    scores (official submission form). Absent joints are written 0, 0, 0; a present one has
    v = 1, so that it survives at (0, 0). A head size becomes a square `bbox_head` of that
    diagonal / 0.6. write_images: frames too, under `images/` of the data set's root, which
    is two levels above a folder annotations/val and else the folder itself.
    Every file is written whole or not at all. Returns the paths of the JSON files.
    Raises WorkbookError: unsafe name, missing track id, coordinate that is not finite, disk.
    """
    folder, videos = Path(folder), list(videos)
    if predictions is not None and len(predictions) != len(videos):
        raise WorkbookError(f"{folder}: predictions for {len(predictions)} of {len(videos)} videos given.")
    written = []
    for position, video in enumerate(videos, start=1):
        persons = video.people if predictions is None else predictions[position - 1]
        names = _file_names(folder, video)
        _check_writable(folder, video, persons, names)
        content = _content18(video, persons, names, position, predictions is not None)
        written.append(folder / f"{video.name}.json")
        write_atomically(written[-1], json.dumps(content, allow_nan=False).encode())
        if write_images:
            root = folder.parent.parent if folder.parent.name == "annotations" else folder
            _write_images(root, video, names)
    return written


def _file_names(folder: Path, video: Video) -> tuple[str, ...]:
    split = f"{folder.name}/" if folder.parent.name == "annotations" else ""
    return video.files or tuple(f"images/{split}{video.name}/{t:06d}.jpg" for t in range(len(video)))


def _check_writable(folder, video: Video, persons: People, names) -> None:
    path = folder / f"{video.name}.json"
    if Path(video.name).name != video.name or video.name in ("", ".", ".."):
        raise WorkbookError(f"{folder}: the video name {video.name!r} cannot be a file name.")
    if len(names) != len(video):
        raise WorkbookError(f"{path}: the video has {len(video)} frames but {len(names)} file names.")
    for name in names:
        check_inside(name, path, "file name")
    if len(persons):
        _check_persons(path, video, persons)


def _check_persons(path: Path, video: Video, persons: People) -> None:
    if persons.frame.min() < 0 or persons.frame.max() >= len(video):
        raise WorkbookError(f"{path}: people.frame lies outside the video's {len(video)} frames.")
    if (persons.track < 0).any():
        raise WorkbookError(f"{path}: people.track holds -1; every person needs a track id.")
    if not np.isfinite(persons.xy[persons.present]).all():
        raise WorkbookError(f"{path}: people.xy holds a coordinate that is not finite.")
    if not np.isfinite(persons.score).all() or np.isinf(persons.joint_score).any():
        raise WorkbookError(f"{path}: people.score or joint_score holds a value that is not finite.")


def _content18(video: Video, persons: People, names, position, predicted) -> dict:
    ids = _image_ids(video, names, position)
    labelled = video.labelled.tolist()
    images = [
        {
            "has_no_densepose": True,
            "is_labeled": labelled[t],
            "file_name": name,
            "nframes": len(video),
            "frame_id": ids[t],
            "vid_id": video.name.split("_")[0],
            "id": ids[t],
        }
        for t, name in enumerate(names)
    ]
    for image, polygons in zip(images, video.ignore, strict=False):  # () where nothing is
        image["ignore_regions_x"] = [polygon[:, 0].tolist() for polygon in polygons]
        image["ignore_regions_y"] = [polygon[:, 1].tolist() for polygon in polygons]
    if video.size != (0, 0):
        for image in images:
            image["width"], image["height"] = map(int, video.size)
    category = {
        "supercategory": "person",
        "id": 1,
        "name": "person",
        "keypoints": list(POSETRACK18),
        "skeleton": [list(limb) for limb in SKELETON],
    }
    return {
        "categories": [category],
        "images": images,
        "annotations": _annotations18(persons[np.argsort(persons.frame, kind="stable")], ids, predicted),
    }


def _image_ids(video: Video, names, position) -> list[int]:
    """Official image ids where the video is named like an official sequence, else by position."""
    parts = re.fullmatch(r"(\d{6})_(mpii|bonn|mpiinew)_\w+", video.name)
    numbers = [int(stem) if (stem := Path(name).stem).isdigit() else -1 for name in names]
    if parts and len(set(numbers)) == len(numbers) and min(numbers) >= 0 and max(numbers) < 10**4:
        base = SOURCES[parts[2]] * 10**10 + int(parts[1]) * 10**4
        return [base + number for number in numbers]
    return [position * 10**7 + t for t in range(len(names))]


def _annotations18(persons: People, ids, predicted) -> list[dict]:
    stored = joint_map(POSETRACK18)
    keypoints = np.zeros((len(persons), len(POSETRACK18), 3))
    keypoints[:, stored, :2] = np.where(persons.present[..., None], persons.xy, 0.0)
    keypoints[:, stored, 2] = persons.present
    scores = np.zeros((len(persons), len(POSETRACK18)))
    scores[:, stored] = persons.joint_score
    boxes = np.concatenate([persons.box[:, :2], persons.box[:, 2:] - persons.box[:, :2]], 1)
    heads = _head_boxes(persons)
    first = np.searchsorted(persons.frame, persons.frame)
    out = []
    for i, frame in enumerate(persons.frame.tolist()):
        out.append(
            {
                "id": ids[frame] * 100 + int(i - first[i]),
                "image_id": ids[frame],
                "category_id": 1,
                "track_id": int(persons.track[i]),
                "keypoints": keypoints[i].ravel().tolist(),
                "scores": _scores18(scores[i], persons.joint_score[i]) if predicted else [],
            }
        )
        if predicted:
            out[-1]["score"] = float(persons.score[i])
        for field, values in (("bbox", boxes[i]), ("bbox_head", heads[i])):
            if np.isfinite(values).all():
                out[-1][field] = values.tolist()
    return out


def _scores18(scores, joint_score) -> list:
    """The 17 stored scores; null for an unknown one, empty where all are."""
    if np.isnan(joint_score).all():
        return []
    return [None if np.isnan(score) else float(score) for score in scores]


def _head_boxes(persons: People) -> np.ndarray:
    """(N, 4) x, y, w, h of a square whose diagonal is head size / 0.6; NaN where that is unknown.

    It lies around the head joints, or in the middle of the box's top edge where none is
    present. Only its diagonal matters to PCKh.
    """
    side = persons.head / HEAD_SHARE / np.sqrt(2)
    joints = [INDEX[name] for name in ("head_bottom", "nose", "head_top")]
    present = persons.present[:, joints]
    around = extent_boxes(persons.xy[:, joints], present)
    centre = (around[:, :2] + around[:, 2:]) / 2
    top = np.stack([(persons.box[:, 0] + persons.box[:, 2]) / 2, persons.box[:, 1]], 1)
    centre = np.where(present.any(1)[:, None], centre, np.nan_to_num(top))
    return np.concatenate([centre - side[:, None] / 2, side[:, None], side[:, None]], 1)


def _write_images(root: Path, video: Video, names) -> None:
    from helpers.opencv import cv2

    if video.frames is None:
        raise WorkbookError(f"{root}: video {video.name} has no frames to write.")
    for name, frame in zip(names, video.frames, strict=True):
        ok, content = cv2.imencode(Path(name).suffix, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        if not ok:
            raise WorkbookError(f"{root / name}: the image cannot be encoded.")
        write_atomically(root / name, content.tobytes())
