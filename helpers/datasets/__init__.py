"""Data sets by name, all through one door: `load(name, split)` gives Videos.

The built-in world is always there; real data sets are looked for in $POSE_WORKBOOK_DATA, then in
`data/`, and one that is missing is one line of notice, never a failure (notebook 00 shows it).
"""

from __future__ import annotations

import os
from pathlib import Path

from helpers import WorkbookError
from helpers.places import ROOT

NAMES = ("puppets", "somof", "bonn", "posetrack17", "posetrack18", "posetrack21")

#: The folder that holds the annotations, one folder a split.
SPLIT_FOLDERS = {"posetrack17": "annotations", "posetrack18": "annotations", "posetrack21": "posetrack_data"}

#: What a data set's folder must hold to count as found.
_MARKS = {"somof": "posetrack_valid_in.json", "bonn": "annolist", **SPLIT_FOLDERS}


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
    check_name(name)
    mark = _MARKS.get(name)
    found = (folder / name for folder in data_folders() if mark and (folder / name / mark).exists())
    return next(found, None)


def missing(name: str) -> str:
    """One line that says what is missing and how to get it. WorkbookError on an unknown name."""
    check_name(name)
    if name in ("somof", "bonn"):
        return f"{name}: not found, left out; get it with: python -m helpers fetch {name}"
    folder = _MARKS.get(name, "files")
    return (
        f"{name}: not found, left out; put its {folder}/ and images/ into data/{name}, "
        "or name the folder above it in POSE_WORKBOOK_DATA"
    )


def check_name(name: str) -> None:
    if name not in NAMES:
        raise WorkbookError(f"data set {name!r} is unknown; there are {', '.join(NAMES)}.")
