"""Worlds by name, all through one door: `load(name, split)` gives Videos, of puppets or of a real data set."""

from collections.abc import Callable
from pathlib import Path

from helpers import WorkbookError, puppets
from helpers.datasets import SPLIT_FOLDERS, check_name, find, missing, posetrack
from helpers.datasets.bonn import read_bonn
from helpers.datasets.somof import read_somof
from helpers.people import Video

SPLITS = ("train", "val", "all")


def load(name: str, split: str = "val", n: int | None = None, **options) -> list[Video]:
    """The videos of a data set, its first n where n is given.

    split: "train", "val" or "all"; the built-in world has its own (`puppets.SPLITS`). SoMoF's train is
    its even-numbered videos and val its odd-numbered; Bonn's val is its test folder; PoseTrack's are the
    official ones. options go to the built-in world's `videos`. Raises WorkbookError on an unknown name
    or split, on options a real data set does not have, and where it is missing.
    """
    check_name(name)
    if name == "puppets":
        return puppets.videos(split, n=n, **options)
    if split not in SPLITS:
        raise WorkbookError(f"split {split!r} of {name} is unknown; there are {', '.join(SPLITS)}.")
    if options:
        raise WorkbookError(f"{name} is not rendered, so it has no option {min(options)}.")
    folder = find(name)
    if folder is None:
        raise WorkbookError(missing(name) + ".")
    return READERS[name](folder, split)[:n]


def available(dataset: str) -> list[str]:
    """The data sets an experiment runs on that needs only keypoints.

    "puppets" gives the built-in world and whichever of somof and bonn are found; another
    name gives itself. Raises WorkbookError if that is unknown or not found.
    """
    check_name(dataset)
    if dataset == "puppets":
        return ["puppets"] + [name for name in ("somof", "bonn") if find(name)]
    if find(dataset) is None:
        raise WorkbookError(missing(dataset) + ".")
    return [dataset]


def _parts(name: str, read: Callable[..., list[Video]]) -> Callable[[Path, str], list[Video]]:
    """A reader of PoseTrack's splits, of which each has a folder of annotations."""

    def read_split(folder: Path, split: str) -> list[Video]:
        parts = ("train", "val") if split == "all" else (split,)
        return [video for part in parts for video in read(folder / SPLIT_FOLDERS[name] / part)]

    return read_split


READERS: dict[str, Callable[[Path, str], list[Video]]] = {
    "somof": read_somof,
    "bonn": read_bonn,
    "posetrack17": _parts("posetrack17", posetrack.read_posetrack17),
    "posetrack18": _parts("posetrack18", posetrack.read_posetrack18),
    "posetrack21": _parts("posetrack21", posetrack.read_posetrack21),
}
