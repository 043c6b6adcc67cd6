"""Which data sets there are, and in which folder a real one lies (`helpers.worlds` loads them).

Real data sets are looked for in $POSE_WORKBOOK_DATA, or else in `data/`; one that is missing is one line
of notice, never a failure (notebook 00 shows it).
"""

import logging
import os
from functools import cache
from pathlib import Path

from helpers import WorkbookError
from helpers.places import DATA

NAMES = ("puppets", "somof", "bonn", "posetrack17", "posetrack18", "posetrack21")

#: The folder that holds the annotations, one folder per split.
SPLIT_FOLDERS = {"posetrack17": "annotations", "posetrack18": "annotations", "posetrack21": "posetrack_data"}

#: SHA-256 of every file that `python -m helpers fetch` brings.
HASHES = Path(__file__).with_name("hashes.txt")


def data_folders() -> list[Path]:
    """Folders that are searched for data sets, in order, absolute.

    `data/` of the workbook, or, when it is set, even to nothing, what $POSE_WORKBOOK_DATA names
    (several, separated as in PATH).
    """
    value = os.environ.get("POSE_WORKBOOK_DATA")
    if value is None:
        return [DATA]
    return [Path(folder).expanduser().absolute() for folder in value.split(os.pathsep) if folder]


def fetched_files(name: str) -> dict[str, str]:
    """File below the data set's folder → SHA-256 of every file that fetch brings; empty for other data sets."""
    lines = (line.split() for line in HASHES.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {path.removeprefix(f"{name}/"): digest for path, digest in lines if path.startswith(f"{name}/")}


def find(name: str) -> Path | None:
    """The folder of a real data set, None where it is not found or not whole. WorkbookError on an unknown name.

    A folder of $POSE_WORKBOOK_DATA that is not there is one line on standard error.
    """
    check_name(name)
    for folder in data_folders():
        if not folder.is_dir():
            _complain(folder)
        elif (marks := _marks(name)) and all(os.path.exists(folder / name / mark) for mark in marks):
            return folder / name
    return None


def missing(name: str) -> str:
    """One line that says what is missing and how to get it. WorkbookError on an unknown name."""
    check_name(name)
    marks = _marks(name)
    if name in SPLIT_FOLDERS:
        return (
            f"{name}: not found, left out; put its {marks[0]}/ and images/ into data/{name}, "
            "or name the folder above it in POSE_WORKBOOK_DATA"
        )
    there = max((sum(os.path.exists(f / name / mark) for mark in marks) for f in data_folders()), default=0)
    state = f"only {there} of its {len(marks)} files are there" if there else "not found"
    return f"{name}: {state}, left out; get it with: python -m helpers fetch {name}"


def _marks(name: str) -> list[str]:
    """What a data set's folder must hold to count as found."""
    return [SPLIT_FOLDERS[name]] if name in SPLIT_FOLDERS else list(fetched_files(name))


@cache
def _complain(folder: Path) -> None:
    if "POSE_WORKBOOK_DATA" in os.environ:
        logging.getLogger(__name__).warning("POSE_WORKBOOK_DATA: %s is no folder, left out.", folder)


def check_name(name: str) -> None:
    if not isinstance(name, str) or name not in NAMES:
        raise WorkbookError(f"data set {name!r} is unknown; there are {', '.join(NAMES)}.")
