"""Fetches the two real data sets that a reader can still obtain: SoMoF and Bonn.

`python -m helpers fetch somof bonn`. Every file is checked against its SHA-256 (`hashes.txt`), and
the files land where the readers look for them. Notebook 00 says what they add.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from helpers import WorkbookError
from helpers.datasets import data_folders, fetched_files

_RAW, _PAGE = "https://raw.githubusercontent.com", "https://github.com"
#: Repository, commit and folder that a data set's files come from.
SOURCES = {
    "somof": (
        "vita-epfl/decoupled-pose-prediction",
        "40a5ba161161758b0553951c4dc47a6c5d03c4bd",
        "posetrack/somof_data_posetrack",
    ),
    "bonn": (
        "umariqb/PoseTrack-CVPR2017",
        "30b0a6d2fae3912240ca0a8cbd71ed3ccabf9229",
        "data/bonn-multiperson-posetrack",
    ),
}


def fetch(names: Sequence[str], folder: str | Path | None = None) -> list[Path]:
    """Download data sets ("somof", "bonn") into folder/<name>; returns these folders.

    folder: None is the first of the data search path. Files that are there already and
    whole are kept. Raises WorkbookError on an unknown name, without a network, on a file
    whose hash is not the expected one (it is removed), and where writing is refused.
    """
    for name in names:
        if name not in SOURCES:
            raise WorkbookError(f"data set {name!r} cannot be fetched; there are {', '.join(SOURCES)}.")
    if folder is None:
        folder = next(iter(data_folders()), None)
        if folder is None:
            raise WorkbookError("POSE_WORKBOOK_DATA names no folder to download into.")
    return [_fetch(name, Path(folder) / name) for name in names]


def _fetch(name: str, folder: Path) -> Path:
    import pooch
    from tqdm import tqdm

    repository, commit, source = SOURCES[name]
    # one retry: a broken connection is the usual reason for a wrong hash too
    store = pooch.create(
        folder, f"{_RAW}/{repository}/{commit}/{source}/", registry=fetched_files(name), retry_if_failed=1
    )
    pooch.get_logger().setLevel(logging.ERROR)  # the bar says it all
    for file in tqdm(store.registry, desc=name, unit="file"):
        try:
            store.fetch(file)
        except ValueError:
            raise WorkbookError(
                f"{folder / file}: the download's SHA-256 is not the expected one; it was removed, try again later."
            ) from None
        except OSError as error:  # requests' errors are OSErrors too
            page = f"{_PAGE}/{repository}/tree/{commit}/{source}"
            raise WorkbookError(_explain(error, folder, file, page)) from None
    return folder


def _explain(error: OSError, folder: Path, file: str, page: str) -> str:
    from requests.exceptions import RequestException

    if isinstance(error, RequestException):
        return (
            f"{file}: could not be downloaded ({type(error).__name__}); "
            f"take the files by hand from {page} and put them into {folder}."
        )
    cause = error.__cause__ or error  # pooch wraps a refused folder into a text of its own
    return f"{folder / file}: cannot be written ({getattr(cause, 'strerror', None) or cause})."
