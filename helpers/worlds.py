"""Worlds by name, all through one door: `load(name, split)` gives Videos, of puppets or of a real data set."""

from __future__ import annotations

from pathlib import Path

from helpers import WorkbookError
from helpers.datasets import SPLIT_FOLDERS, check_name, find, missing
from helpers.people import Video

SPLITS = ("train", "val", "all")


def load(name: str, split: str = "val", n: int | None = None, **options) -> list[Video]:
    """The videos of a data set, its first n where n is given.

    split: "train", "val" or "all". SoMoF's train is its even-numbered videos and val its
    odd-numbered; Bonn's val is its test folder; PoseTrack's are the official ones.
    options go to the built-in world's `videos`. Raises WorkbookError on an unknown name
    or split, on options a real data set does not have, and where it is missing.
    """
    check_name(name)
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


def _read(name: str, folder: Path, split: str) -> list[Video]:
    from helpers.datasets import bonn, posetrack, somof

    if name == "somof":
        return somof.read_somof(folder, split)
    if name == "bonn":
        return bonn.read_bonn(folder, split)
    reader = getattr(posetrack, f"read_{name}")
    parts = ("train", "val") if split == "all" else (split,)
    return [video for part in parts for video in reader(folder / SPLIT_FOLDERS[name] / part)]
