"""Data sets by name, all through one door: `load(name, split)` gives Videos.

The built-in world is always there; real data sets are looked for in $POSE_WORKBOOK_DATA, then in
`data/`, and one that is missing is one line of notice, never a failure (notebook 00 shows it).
"""

from __future__ import annotations

import os
from pathlib import Path

from helpers import WorkbookError
from helpers.people import Video

NAMES = ("puppets", "somof", "bonn", "posetrack17", "posetrack18", "posetrack21")
SPLITS = ("train", "val", "all")
ROOT = Path(__file__).resolve().parents[2]
#: The folder that holds the annotations, one folder a split.
_SPLIT_FOLDERS = {"posetrack17": "annotations", "posetrack18": "annotations", "posetrack21": "posetrack_data"}
#: What a data set's folder must hold to count as found.
_MARKS = {"somof": "posetrack_valid_in.json", "bonn": "annolist", **_SPLIT_FOLDERS}


def data_folders() -> list[Path]:
    """Folders that are searched for data sets, in order.

    $POSE_WORKBOOK_DATA (several, separated as in PATH) replaces the rest when it is set,
    even to nothing; else `data/` of the workbook and, where it exists, `shared/realdata`
    beside the checkout.
    """
    value = os.environ.get("POSE_WORKBOOK_DATA")
    if value is not None:
        return [Path(folder) for folder in value.split(os.pathsep) if folder]
    beside = ROOT.parent / "shared" / "realdata"
    return [ROOT / "data"] + ([beside] if beside.is_dir() else [])


def find(name: str) -> Path | None:
    """The folder of a real data set, None where it is not found. WorkbookError on an unknown name."""
    _check_name(name)
    mark = _MARKS.get(name)
    found = (folder / name for folder in data_folders() if mark and (folder / name / mark).exists())
    return next(found, None)


def missing(name: str) -> str:
    """One line that says what is missing and how to get it. WorkbookError on an unknown name."""
    _check_name(name)
    if name in ("somof", "bonn"):
        return f"{name}: not found, left out; get it with: python -m helpers fetch {name}"
    folder = _MARKS.get(name, "files")
    return (f"{name}: not found, left out; put its {folder}/ and images/ into data/{name}, "
            "or name the folder above it in POSE_WORKBOOK_DATA")


def load(name: str, split: str = "val", n: int | None = None, **options) -> list[Video]:
    """The videos of a data set, its first n where n is given.

    split: "train", "val" or "all". SoMoF's train is its even-numbered videos and val its
    odd-numbered; Bonn's val is its test folder; PoseTrack's are the official ones.
    options go to the built-in world's `videos`. Raises WorkbookError on an unknown name
    or split, on options a real data set does not have, and where it is missing.
    """
    _check_name(name)
    if name == "puppets":
        from helpers import puppets
        return puppets.videos(split, n=n, **options)
    if split not in SPLITS:
        raise WorkbookError(f"split {split!r} of {name} is unknown; there are {', '.join(SPLITS)}.")
    if options:
        raise WorkbookError(f"{name} is not rendered, so it has no option {sorted(options)[0]}.")
    folder = find(name)
    if folder is None:
        raise WorkbookError(missing(name) + ".")
    return _read(name, folder, split)[:n]


def available(dataset: str) -> list[str]:
    """The data sets an experiment runs on that needs only keypoints.

    "puppets" gives the built-in world and whichever of somof and bonn are found; another
    name gives itself. Raises WorkbookError if that is unknown or not found.
    """
    if dataset == "puppets":
        return ["puppets"] + [name for name in ("somof", "bonn") if find(name)]
    if find(dataset) is None:
        raise WorkbookError(missing(dataset) + ".")
    return [dataset]


def _check_name(name: str) -> None:
    if name not in NAMES:
        raise WorkbookError(f"data set {name!r} is unknown; there are {', '.join(NAMES)}.")


def _read(name: str, folder: Path, split: str) -> list[Video]:
    from helpers.datasets import bonn, posetrack, somof

    if name == "somof":
        return somof.read_somof(folder, split)
    if name == "bonn":
        return bonn.read_bonn(folder, split)
    reader = getattr(posetrack, f"read_{name}")
    parts = ("train", "val") if split == "all" else (split,)
    return [video for part in parts for video in reader(folder / _SPLIT_FOLDERS[name] / part)]
