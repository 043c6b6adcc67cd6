"""PoseTrack'17 files: an annolist, as JSON or MATLAB."""

from pathlib import Path

import numpy as np

from helpers import WorkbookError
from helpers.datasets.posetrack18 import is_finite, objects_of
from helpers.datasets.posetrack_common import labelled_frames, make_video
from helpers.files import load_annolist
from helpers.heads import HEAD_SHARE
from helpers.people import BOX_MARGIN, People, Video, extent_boxes, nobody, people
from helpers.skeleton import N_JOINTS


def video17(path: Path, content: dict, root: Path | None, max_track: int | None) -> Video:
    """The video of a file with an `annolist`; arguments as in `make_video`."""
    entries = objects_of(path, content, "annolist")
    if not entries:
        raise WorkbookError(f"{path}: annolist is empty.")
    names, rows, ignore = [], [], []
    for t, entry in enumerate(entries):
        where = f"{path}: annolist[{t}]"
        names.append(_name17(where, entry))
        rows += [
            _person17(f"{where}.annorect[{k}]", t, rect) for k, rect in enumerate(_many(entry.get("annorect"))) if rect
        ]
        ignore.append(_ignore17(where, entry))
    persons = _persons17(rows)
    labelled = labelled_frames(f"{path}: annolist", [_one(entry.get("is_labeled")) for entry in entries], persons)
    return make_video(path, root, names, labelled, persons, tuple(ignore), (0, 0), max_track)


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
    return {
        "frame": t,
        "track": track,
        "xy": xy,
        "present": present,
        "joint_score": joint_score,
        "head": head if head > 0 else np.nan,
        "score": _number17(where, rect, "score", 1.0),
    }


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
    if isinstance(value, bool) or not is_finite(value):
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
        points: list = _many(region.get("point")) if isinstance(region, dict) else [None]
        if not all(isinstance(p, dict) for p in points):
            raise WorkbookError(f"{where}.ignore_regions must hold polygons of x and y.")
        x, y = ([v for p in points for v in map(_one, _many(p.get(axis)))] for axis in "xy")
        if len(x) != len(y) or not all(map(is_finite, x + y)):
            raise WorkbookError(f"{where}.ignore_regions: x and y must be finite and of equal length.")
        if x:
            out.append(np.array([x, y], float).T)
    return out


def load_mat(path: Path) -> list[dict]:
    """The annolist of a MATLAB file as JSON would have it. Raises WorkbookError."""
    return _many(_plain(load_annolist(path, simplify_cells=True)))


def _plain(value):
    """MATLAB values as JSON has them: lists, dicts, text, and whole doubles as int."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (np.ndarray, list)):
        return [_plain(item) for item in (value.ravel() if isinstance(value, np.ndarray) else value)]
    if isinstance(value, np.generic):
        value = value.item()
    return int(value) if isinstance(value, float) and value.is_integer() else value
