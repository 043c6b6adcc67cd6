"""Readers for PoseTrack'17, '18 and '21, and the writer of the '18 form.

All give `Video`s with ground truth (or predictions) in the 15 evaluated joints. Reading is strict:
whatever the official toolkit would trip over, or would silently misread, is one clear sentence.
Notebook 01 opens the files; the evaluator reads both of its folders here.
"""

from __future__ import annotations

import json
import re
from array import array
from itertools import chain
from pathlib import Path

import numpy as np

from helpers import WorkbookError
from helpers.datasets.files import (
    ImageFiles, check_inside, image_size, load_json, write_atomically)
from helpers.people import People, Video, extent_boxes, nobody, people
from helpers.skeleton import INDEX, JOINTS, N_JOINTS, POSETRACK18, joint_map

#: PoseTrack's boxes are the joints' extent plus this share on every side.
BOX_MARGIN = 0.15
#: PCKh's head size is this share of the head box's diagonal.
HEAD_SHARE = 0.6
#: The official toolkit refuses track ids from here on.
MAX_TRACK = 10_000
#: Image ids of PoseTrack'18 are source·10¹⁰ + sequence·10⁴ + frame.
SOURCES = {"mpii": 1, "bonn": 2, "mpiinew": 3}
SKELETON = ((16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9),
            (8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7))


# ---------------------------------------------------------------- the front doors

def read_posetrack(path, images=None, max_track: int | None = MAX_TRACK) -> list[Video]:
    """Videos of a folder (or one file) in the form of PoseTrack'17 or '18, told apart file by file.

    path: a folder of .json (or, '17 only, .mat) files, one a video, read in the order of
    their names. images: the folder that holds `images/`; None looks beside the
    annotations. max_track: ids from there on are refused; None allows any.
    A file with `annolist` is '17, any other '18. Raises WorkbookError.
    """
    return _read(path, images, max_track)


def read_posetrack18(path, images=None, max_track: int | None = MAX_TRACK) -> list[Video]:
    """Videos of PoseTrack'18 JSON files: ground truth or a submission.

    A joint counts unless x = y = v = 0. `scores` become joint_score, NaN where there are
    none; `score` the person's, 1 where there is none; `bbox_head` the head size 0.6 ×
    diagonal, NaN where there is none; a missing `bbox` is the joints' extent + 15 % a side.
    Persons without any joint are kept, `present` all False. People are in frame order,
    frames in the order of `images`. Arguments and errors as in `read_posetrack`.
    """
    return _read(path, images, max_track, wanted="'18")


def read_posetrack17(path, images=None, max_track: int | None = MAX_TRACK) -> list[Video]:
    """Videos of PoseTrack'17 files, JSON or MATLAB.

    Point ids 0–14 are `skeleton.JOINTS`; there is no person box, so the joints' extent +
    15 % a side stands in. Arguments and errors as in `read_posetrack`.
    """
    return _read(path, images, max_track, wanted="'17")


def read_posetrack21(path, images=None) -> list[Video]:
    """Videos of PoseTrack21: the '18 form, persons with a box only, and track ids of any size."""
    return _read(path, images, None, wanted="'18")


def read_detections(path) -> list[tuple[Video, dict]]:
    """Predictions in PoseTrack'18 form that need no track ids: (video, its JSON content) of every file.

    `people.track` is each person's place among the file's `annotations`, for `with_tracks`;
    track ids that are there are not looked at. Arguments and errors as in `read_posetrack18`.
    """
    out = []
    for file in _files(Path(path)):
        content = load_json(file)
        if not isinstance(content, dict) or "annolist" in content:
            raise WorkbookError(f"{file}: is no file of PoseTrack'18; images, annotations and categories are needed.")
        numbered = [a | {"track_id": k} for k, a in enumerate(_objects(file, content, "annotations"))]
        out.append((_video18(file, content | {"annotations": numbered}, None, None), content))
    return out


def with_tracks(content: dict, tracked: People, place: np.ndarray) -> dict:
    """A file's content with the track ids of `tracked`, everything else as it was.

    place (N,): each person's annotation; annotations of nobody are left out, and joints that
    a person no longer has become 0, 0, 0.
    """
    order, annotations = np.argsort(place), []
    names = content["categories"][0]["keypoints"]
    kept_joints = dict(zip(JOINTS, tracked.present.T))
    for i in order:
        entry = content["annotations"][place[i]] | {"track_id": int(tracked.track[i])}
        points = list(entry["keypoints"])
        for j, name in enumerate(names):
            if name in kept_joints and not kept_joints[name][i]:
                points[3 * j:3 * j + 3] = [0, 0, 0]
        annotations.append(entry | {"keypoints": points})
    return content | {"annotations": annotations}


def _read(path, images, max_track, wanted=None) -> list[Video]:
    path = Path(path)
    root = _image_root(path, images)
    return [_read_file(file, root, max_track, wanted) for file in _files(path)]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise WorkbookError(f"{path}: no such file or folder of annotations.")
    files = sorted([*path.glob("*.json"), *path.glob("*.mat")], key=lambda file: file.name)
    if not files:
        raise WorkbookError(f"{path}: the folder holds no .json file of annotations.")
    return files


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
        content, form = {"annolist": _load_mat(path)}, "'17"
    else:
        content = load_json(path)
        if not isinstance(content, dict):
            raise WorkbookError(f"{path}: holds a {type(content).__name__} where an object is needed.")
        form = "'17" if "annolist" in content else "'18"
    if wanted not in (None, form):
        field = "annolist" if wanted == "'17" else "images"
        raise WorkbookError(f"{path}: {field} is missing, this is no file of PoseTrack{wanted}.")
    return (_video17 if form == "'17" else _video18)(path, content, root, max_track)


def _video(path, root, names, labelled, persons: People, ignore, size, max_track) -> Video:
    for t, name in enumerate(names):
        check_inside(name, path, f"image {t}: file name")
    _check_tracks(path, persons, max_track)
    frames = None
    if root is not None and (root / names[0]).parent.is_dir():
        frames = ImageFiles([root / name for name in names])
        size = size if size != (0, 0) else image_size(frames.paths[0])
    return Video(path.stem, size, labelled, persons, ignore if any(ignore) else (), frames, tuple(names))


def _check_tracks(path, persons: People, max_track) -> None:
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


# ---------------------------------------------------------------- PoseTrack'18

def _video18(path, content, root, max_track) -> Video:
    images, annotations, categories = (_objects(path, content, field)
                                       for field in ("images", "annotations", "categories"))
    names, category = _categories(path, categories)
    file_names = _column(path, images, "images", "file_name", str)
    ids = _column(path, images, "images", "id", int)
    index = {image: t for t, image in enumerate(ids)}
    if not images or len(index) < len(ids):
        raise WorkbookError(f"{path}: images is empty or holds an id twice.")
    for k, a in enumerate(annotations):
        if a.get("category_id", category) != category:
            raise WorkbookError(f"{path}: annotations[{k}].category_id {a['category_id']!r} is unknown; "
                                f"the only category is person, {category!r}.")
    try:
        frame = [index[a["image_id"]] for a in annotations]
    except (KeyError, TypeError):
        raise WorkbookError(_unknown_image(path, annotations, index)) from None
    persons = _persons18(path, annotations, np.array(frame, int), names)
    labelled = _labelled(f"{path}: images", [image.get("is_labeled") for image in images], persons)
    return _video(path, root, file_names, labelled, persons, _ignore18(path, images),
                  _size(path, images[0]), max_track)


def _objects(path, content, field) -> list[dict]:
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


def _unknown_image(path, annotations, index) -> str:
    for k, a in enumerate(annotations):
        value = a.get("image_id")
        if type(value) is not int or value not in index:
            return f"{path}: annotations[{k}].image_id {value!r} is not the id of any image."
    raise AssertionError("unreachable")


def _categories(path, categories) -> tuple[tuple[str, ...], object]:
    """The stored joint names, in their order, and the id of the one category."""
    if len(categories) != 1 or categories[0].get("name") != "person":
        raise WorkbookError(f"{path}: categories must hold exactly one, named person.")
    names = categories[0].get("keypoints")
    if not isinstance(names, list) or len(names) not in (15, 17) or set(JOINTS) - set(map(str, names)):
        count = len(names) if isinstance(names, list) else "no"
        raise WorkbookError(f"{path}: categories[0].keypoints holds {count} names; "
                            "15 or 17 that include the 15 evaluated joints are needed.")
    return tuple(map(str, names)), categories[0].get("id", 1)


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
    persons = people(frame=frame, track=tracks, xy=np.ascontiguousarray(xy), present=present,
                     box=_boxes18(path, annotations, xy, present), joint_score=scores,
                     head=np.where(size > 0, size, np.nan), score=_person_scores(path, annotations))
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
    for i, value in zip(given, lists):
        where = f"{path}: annotations[{i}].{field}"
        if not isinstance(value, list):
            return f"{where} is missing or no list; {count} numbers are needed."
        if len(value) != count:
            return f"{where} holds {len(value)} numbers; {count} are needed."
        for j, number in enumerate(value):
            if not _is_finite(number):
                return f"{where}[{j}] is {str(number)[:40]!r}; a finite number is needed."
    raise AssertionError("unreachable")


def _is_finite(value) -> bool:
    try:
        return isinstance(value, (int, float)) and bool(np.isfinite(float(value)))
    except OverflowError:
        return False


def _boxes18(path, annotations, xy, present) -> np.ndarray:
    box = _numbers(path, annotations, "bbox", 4, optional=True)
    box = np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], 1)
    none = np.isnan(box).any(1)
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
        if not all(v is None or _is_finite(v) for v in value):
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
    i = next(i for i, value in enumerate(values) if not _is_finite(value))
    value = str(values[i])[:40]
    raise WorkbookError(f"{path}: annotations[{i}].score is {value!r}; a finite number is needed.")


def _labelled(where, flags, persons: People) -> np.ndarray:
    """(T,) bool from is_labeled; where that is missing (None), the frames that hold persons."""
    labelled = np.zeros(len(flags), bool)
    labelled[persons.frame] = True
    for t, flag in enumerate(flags):
        if flag not in (None, 0, 1):
            raise WorkbookError(f"{where}[{t}].is_labeled is {flag!r}; true or false is needed.")
        labelled[t] = labelled[t] if flag is None else bool(flag)
    return labelled


def _ignore18(path, images) -> tuple:
    """For each frame a list of polygons (K, 2)."""
    return tuple(_regions(path, t, image.get("ignore_regions_x") or [], image.get("ignore_regions_y") or [])
                 for t, image in enumerate(images))


def _regions(path, t, xs, ys) -> list[np.ndarray]:
    wrong = f"{path}: images[{t}].ignore_regions_x and _y must be lists of polygons of equal length."
    if not (isinstance(xs, list) and isinstance(ys, list) and len(xs) == len(ys)):
        raise WorkbookError(wrong)
    out = []
    for x, y in zip(xs, ys):
        try:
            polygon = np.array([array("d", x), array("d", y)]).T
        except (TypeError, ValueError, OverflowError):
            raise WorkbookError(wrong) from None
        if polygon.ndim != 2 or not np.isfinite(polygon).all():
            raise WorkbookError(wrong)
        if len(polygon):
            out.append(polygon)
    return out


def _size(path, image) -> tuple[int, int]:
    size = image.get("width", 0), image.get("height", 0)
    if any(type(side) is not int or side < 0 for side in size):
        raise WorkbookError(f"{path}: images[0].width and height must be whole numbers of pixels.")
    return size


# ---------------------------------------------------------------- PoseTrack'17

def _video17(path, content, root, max_track) -> Video:
    entries = _objects(path, content, "annolist")
    if not entries:
        raise WorkbookError(f"{path}: annolist is empty.")
    names, rows, ignore = [], [], []
    for t, entry in enumerate(entries):
        where = f"{path}: annolist[{t}]"
        names.append(_name17(where, entry))
        rows += [_person17(f"{where}.annorect[{k}]", t, rect)
                 for k, rect in enumerate(_many(entry.get("annorect"))) if rect]
        ignore.append(_ignore17(where, entry))
    persons = _persons17(rows)
    labelled = _labelled(f"{path}: annolist", [_one(entry.get("is_labeled")) for entry in entries], persons)
    return _video(path, root, names, labelled, persons, tuple(ignore), (0, 0), max_track)


def _one(value):
    """The scalar inside the one-element lists of the '17 form; None for an empty one."""
    while isinstance(value, list):
        if len(value) > 1:
            return value
        value = value[0] if value else None
    return value


def _many(value) -> list:
    return value if isinstance(value, list) else [] if value is None else [value]


def _name17(where, entry) -> str:
    image = _one(entry.get("image"))
    name = _one(image.get("name")) if isinstance(image, dict) else None
    if not isinstance(name, str):
        raise WorkbookError(f"{where}.image.name is missing or is no text.")
    return name


def _person17(where, t, rect) -> dict:
    if not isinstance(rect, dict):
        raise WorkbookError(f"{where} is not an object.")
    track = _one(rect.get("track_id"))
    if type(track) is not int or not 0 <= track < 2**63:
        raise WorkbookError(f"{where}.track_id is {track!r}; a whole number of 0 or more is needed.")
    xy, present = np.zeros((N_JOINTS, 2)), np.zeros(N_JOINTS, bool)
    joint_score = np.full(N_JOINTS, np.nan)
    for holder in _many(rect.get("annopoints")):
        for point in _many(holder.get("point") if isinstance(holder, dict) else holder):
            joint = _joint17(where, point, present)
            xy[joint] = _number17(where, point, "x"), _number17(where, point, "y")
            joint_score[joint] = _number17(where, point, "score", np.nan)
            present[joint] = True
    corners = [_number17(where, rect, side, np.nan) for side in ("x1", "y1", "x2", "y2")]
    head = HEAD_SHARE * float(np.hypot(corners[2] - corners[0], corners[3] - corners[1]))
    return {"frame": t, "track": track, "xy": xy, "present": present, "joint_score": joint_score,
            "head": head if head > 0 else np.nan, "score": _number17(where, rect, "score", 1.0)}


def _joint17(where, point, present) -> int:
    joint = _one(point.get("id")) if isinstance(point, dict) else None
    if type(joint) is not int or not 0 <= joint < N_JOINTS:
        raise WorkbookError(f"{where}.annopoints: point id {joint!r} is not one of 0–14.")
    if present[joint]:
        raise WorkbookError(f"{where}.annopoints: point id {joint} occurs twice.")
    return joint


def _number17(where, holder, field, default=None) -> float:
    value = _one(holder.get(field))
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not _is_finite(value):
        raise WorkbookError(f"{where}: {field} is {value!r}; a finite number is needed.")
    return float(value)


def _persons17(rows: list[dict]) -> People:
    if not rows:
        return nobody()
    arrays = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return people(box=extent_boxes(arrays["xy"], arrays["present"], BOX_MARGIN), **arrays)


def _ignore17(where, entry) -> list[np.ndarray]:
    out = []
    for region in _many(entry.get("ignore_regions")):
        points = _many(region.get("point")) if isinstance(region, dict) else [None]
        if not all(isinstance(p, dict) for p in points):
            raise WorkbookError(f"{where}.ignore_regions must hold polygons of x and y.")
        x, y = ([v for p in points for v in map(_one, _many(p.get(axis)))] for axis in "xy")
        if len(x) != len(y) or not all(map(_is_finite, x + y)):
            raise WorkbookError(f"{where}.ignore_regions: x and y must be finite and of equal length.")
        if x:
            out.append(np.array([x, y], float).T)
    return out


def _load_mat(path) -> list[dict]:
    from scipy.io import loadmat

    try:
        content = loadmat(path, simplify_cells=True)
    except OSError as error:
        raise WorkbookError(f"{path}: cannot be read ({error.strerror}).") from None
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise WorkbookError(f"{path}: is not a valid MATLAB file ({error}).") from None
    if "annolist" not in content:
        raise WorkbookError(f"{path}: annolist is missing.")
    return _many(_plain(content["annolist"]))


def _plain(value):
    """MATLAB values as JSON has them: lists, dicts, text, and whole doubles as int."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (np.ndarray, list)):
        return [_plain(item) for item in (value.ravel() if isinstance(value, np.ndarray) else value)]
    if isinstance(value, np.generic):
        value = value.item()
    return int(value) if isinstance(value, float) and value.is_integer() else value


# ---------------------------------------------------------------- writing

def write_posetrack18(folder, videos, predictions=None, write_images: bool = False) -> list[Path]:
    """Write videos as PoseTrack'18 JSON, one file a video, which the official toolkit reads.

    predictions: one People a video to write in place of the ground truth, with joint
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
            _write_images(_write_root(folder), video, names)
    return written


def _write_root(folder: Path) -> Path:
    return folder.parent.parent if folder.parent.name == "annotations" else folder


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
    if len(persons) == 0:
        return
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
    images = [{"has_no_densepose": True, "is_labeled": labelled[t], "file_name": name, "nframes": len(video),
               "frame_id": ids[t], "vid_id": video.name.split("_")[0], "id": ids[t]}
              for t, name in enumerate(names)]
    for image, polygons in zip(images, video.ignore):
        image["ignore_regions_x"] = [polygon[:, 0].tolist() for polygon in polygons]
        image["ignore_regions_y"] = [polygon[:, 1].tolist() for polygon in polygons]
    if video.size != (0, 0):
        for image in images:
            image["width"], image["height"] = map(int, video.size)
    category = {"supercategory": "person", "id": 1, "name": "person",
                "keypoints": list(POSETRACK18), "skeleton": [list(limb) for limb in SKELETON]}
    return {"categories": [category], "images": images,
            "annotations": _annotations18(persons[np.argsort(persons.frame, kind="stable")], ids, predicted)}


def _image_ids(video: Video, names, position) -> list[int]:
    """Official image ids where the video is named like an official sequence, else by position."""
    parts = re.fullmatch(r"(\d{6})_(mpii|bonn|mpiinew)_\w+", video.name)
    numbers = [int(stem) if (stem := Path(name).stem).isdigit() else -1 for name in names]
    if parts and len(set(numbers)) == len(numbers) and 0 <= min(numbers) and max(numbers) < 10**4:
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
        out.append({"id": ids[frame] * 100 + int(i - first[i]), "image_id": ids[frame], "category_id": 1,
                    "track_id": int(persons.track[i]), "keypoints": keypoints[i].ravel().tolist(),
                    "scores": _scores18(scores[i], persons.joint_score[i]) if predicted else []})
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
    import cv2

    if video.frames is None:
        raise WorkbookError(f"{root}: video {video.name} has no frames to write.")
    for name, frame in zip(names, video.frames):
        ok, content = cv2.imencode(Path(name).suffix, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        if not ok:
            raise WorkbookError(f"{root / name}: the image cannot be encoded.")
        write_atomically(root / name, content.tobytes())
