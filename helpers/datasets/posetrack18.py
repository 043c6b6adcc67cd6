"""PoseTrack'18 and '21 files: JSON with images, annotations and categories."""

from array import array
from itertools import chain
from pathlib import Path

import numpy as np

from helpers import WorkbookError
from helpers.datasets.posetrack_common import annotation_files, ignore_regions, labelled_frames, make_video
from helpers.files import load_json
from helpers.heads import HEAD_SHARE
from helpers.people import BOX_MARGIN, People, Video, extent_boxes, nobody, people
from helpers.skeleton import JOINTS, joint_map


def read_detections(path: str | Path) -> list[tuple[Video, dict]]:
    """Predictions in PoseTrack'18 form that need no track ids: (video, its JSON content) of every file.

    `people.track` is each person's place among the file's `annotations`, for `with_tracks`;
    track ids that are there are not looked at. Arguments and errors as in `read_posetrack18`.
    """
    out = []
    for file in annotation_files(Path(path)):
        content = load_json(file)
        if not isinstance(content, dict) or "annolist" in content:
            raise WorkbookError(f"{file}: is no file of PoseTrack'18; images, annotations and categories are needed.")
        numbered = [a | {"track_id": k} for k, a in enumerate(objects_of(file, content, "annotations"))]
        out.append((video18(file, content | {"annotations": numbered}, None, None), content))
    return out


def with_tracks(content: dict, tracked: People, place: np.ndarray) -> dict:
    """A file's content with the track ids of `tracked`, everything else as it was.

    place (N,): each person's annotation; annotations of nobody are left out, and joints that
    a person no longer has become 0, 0, 0.
    """
    order, annotations = np.argsort(place), []
    names = content["categories"][0]["keypoints"]
    kept_joints = dict(zip(JOINTS, tracked.present.T, strict=True))
    for i in order:
        entry = content["annotations"][place[i]] | {"track_id": int(tracked.track[i])}
        points = list(entry["keypoints"])
        for j, name in enumerate(names):
            if name in kept_joints and not kept_joints[name][i]:
                points[3 * j : 3 * j + 3] = [0, 0, 0]
        annotations.append(entry | {"keypoints": points})
    return content | {"annotations": annotations}


def video18(path: Path, content: dict, root: Path | None, max_track: int | None) -> Video:
    """The video of a file with images, annotations and categories; arguments as in `make_video`."""
    images, annotations, categories = (
        objects_of(path, content, field) for field in ("images", "annotations", "categories")
    )
    names, category = _categories(path, categories)
    file_names = _column(path, images, "images", "file_name", str)
    ids = _column(path, images, "images", "id", int)
    index = {image: t for t, image in enumerate(ids)}
    if not images or len(index) < len(ids):
        raise WorkbookError(f"{path}: images is empty or holds an id twice.")
    for k, a in enumerate(annotations):
        if a.get("category_id", category) != category:
            raise WorkbookError(
                f"{path}: annotations[{k}].category_id {a['category_id']!r} is unknown; "
                f"the only category is person, {category!r}."
            )
    of = _column(path, annotations, "annotations", "image_id", int)
    for k, image in enumerate(of):
        if image not in index:
            raise WorkbookError(f"{path}: annotations[{k}].image_id {image} is not the id of any image.")
    persons = _persons18(path, annotations, np.array([index[image] for image in of], int), names)
    labelled = labelled_frames(f"{path}: images", [image.get("is_labeled") for image in images], persons)
    return make_video(
        path, root, file_names, labelled, persons, _ignore18(path, images), _size(path, images[0]), max_track
    )


def objects_of(path: Path, content: dict, field: str) -> list[dict]:
    """A field that must be a list of objects. Raises WorkbookError."""
    value = content.get(field)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise WorkbookError(f"{path}: {field} is missing or is not a list of objects.")
    return value


def _column(path, items, parent, field, kind) -> list:
    """One field of all items; its type must be exactly `kind` (a bool is no int)."""
    values = [item.get(field) for item in items]
    if set(map(type, values)) - {kind}:
        k = next(k for k, value in enumerate(values) if type(value) is not kind)
        what = "is missing" if field not in items[k] else f"is {values[k]!r}"
        raise WorkbookError(f"{path}: {parent}[{k}].{field} {what}; {kind.__name__} is needed.")
    return values


def _categories(path, categories) -> tuple[tuple[str, ...], object]:
    """The stored joint names, in their order, and the id of the one category."""
    if len(categories) != 1 or categories[0].get("name") != "person":
        raise WorkbookError(f"{path}: categories must hold exactly one, named person.")
    names = categories[0].get("keypoints")
    names = names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []
    if len(names) not in (15, 17) or len(set(names)) < len(names) or set(JOINTS) - set(names):
        raise WorkbookError(
            f"{path}: categories[0].keypoints holds {len(names) or 'no'} names; "
            "15 or 17 different ones that include the 15 evaluated joints are needed."
        )
    return tuple(names), categories[0].get("id", 1)


def _persons18(path, annotations, frame, names) -> People:
    """All annotations of a file as arrays at once, which is what makes reading fast."""
    n, k = len(annotations), len(names)
    if n == 0:
        return nobody()
    tracks = _column(path, annotations, "annotations", "track_id", int)
    if min(tracks) < 0 or max(tracks) >= 2**63:
        bad = next(i for i, t in enumerate(tracks) if not 0 <= t < 2**63)
        raise WorkbookError(f"{path}: annotations[{bad}].track_id is {tracks[bad]}; 0 or more is needed.")
    points = _numbers(path, annotations, "keypoints", 3 * k).reshape(n, k, 3)
    order = joint_map(names)
    points = points[:, order]
    xy, present = points[..., :2], (points != 0).any(-1)
    head = _numbers(path, annotations, "bbox_head", 4, optional=True)
    size = HEAD_SHARE * np.hypot(head[:, 2], head[:, 3])
    scores = _scores(path, annotations, k)[:, order]
    persons = people(
        frame=frame,
        track=tracks,
        xy=np.ascontiguousarray(xy),
        present=present,
        box=_boxes18(path, annotations, xy, present),
        joint_score=scores,
        head=np.where(size > 0, size, np.nan),
        score=_person_scores(path, annotations),
    )
    return persons[np.argsort(frame, kind="stable")]


def _numbers(path, annotations, field, count, optional=False) -> np.ndarray:
    """A list of `count` finite numbers from every annotation: (N, count).

    Optional fields give NaN rows where they are missing, null or empty.
    """
    lists = [a.get(field) for a in annotations]
    given = list(range(len(lists)))
    if optional:
        given = [i for i, value in enumerate(lists) if not (value is None or value == [])]
        lists = [lists[i] for i in given]
    try:
        if set(map(type, lists)) - {list} or set(map(len, lists)) - {count}:
            raise TypeError
        # array refuses text and null, which numpy would quietly turn into numbers
        flat = np.frombuffer(array("d", chain.from_iterable(lists)))
        if not np.isfinite(flat).all():
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise WorkbookError(_bad_numbers(path, lists, given, field, count)) from None
    if len(lists) == len(annotations):
        return flat.reshape(-1, count)
    out = np.full((len(annotations), count), np.nan)
    out[given] = flat.reshape(-1, count)
    return out


def _bad_numbers(path, lists, given, field, count) -> str:
    for i, value in zip(given, lists, strict=True):
        where = f"{path}: annotations[{i}].{field}"
        if not isinstance(value, list):
            return f"{where} is missing or no list; {count} numbers are needed."
        if len(value) != count:
            return f"{where} holds {len(value)} numbers; {count} are needed."
        for j, number in enumerate(value):
            if not is_finite(number):
                return f"{where}[{j}] is {str(number)[:40]!r}; a finite number is needed."
    raise AssertionError("unreachable")


def is_finite(value: object) -> bool:
    """A number that is neither infinite nor NaN."""
    try:
        return isinstance(value, (int, float)) and bool(np.isfinite(float(value)))
    except OverflowError:
        return False


def _boxes18(path, annotations, xy, present) -> np.ndarray:
    """A box that is missing, or has no width or height, is the joints' extent."""
    box = _numbers(path, annotations, "bbox", 4, optional=True)
    none = ~(box[:, 2:] > 0).all(1)
    box = np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], 1)
    return np.where(none[:, None], extent_boxes(xy, present, BOX_MARGIN), box) if none.any() else box


def _scores(path, annotations, k) -> np.ndarray:
    """(N, k) joint scores, NaN where the list is missing, empty or one number only, or holds null."""
    lists = [a.get("scores") for a in annotations]
    try:
        if set(map(type, lists)) == {list} and set(map(len, lists)) == {k}:
            flat = np.frombuffer(array("d", chain.from_iterable(lists)))
            if np.isfinite(flat).all():
                return flat.reshape(-1, k)
    except (TypeError, OverflowError):
        pass
    out = np.full((len(annotations), k), np.nan)
    for i, value in enumerate(lists):
        if value is None or value == [] or isinstance(value, (int, float)):
            continue
        if not isinstance(value, list) or len(value) != k:
            raise WorkbookError(f"{path}: annotations[{i}].scores must be a list of {k} numbers, or empty.")
        if not all(v is None or is_finite(v) for v in value):
            raise WorkbookError(f"{path}: annotations[{i}].scores holds something else than finite numbers.")
        out[i] = [np.nan if v is None else v for v in value]
    return out


def _person_scores(path, annotations) -> np.ndarray:
    values = [a.get("score", 1.0) for a in annotations]
    try:
        scores = np.array(array("d", values))
        if np.isfinite(scores).all():
            return scores
    except (TypeError, OverflowError):
        pass
    i = next(i for i, value in enumerate(values) if not is_finite(value))
    value = str(values[i])[:40]
    raise WorkbookError(f"{path}: annotations[{i}].score is {value!r}; a finite number is needed.")


def _ignore18(path, images) -> tuple:
    """For each frame a list of polygons (K, 2)."""
    return tuple(
        ignore_regions(path, t, image.get("ignore_regions_x") or [], image.get("ignore_regions_y") or [])
        for t, image in enumerate(images)
    )


def _size(path, image) -> tuple[int, int]:
    size = image.get("width", 0), image.get("height", 0)
    if any(type(side) is not int or side < 0 for side in size):
        raise WorkbookError(f"{path}: images[0].width and height must be whole numbers of pixels.")
    return size
