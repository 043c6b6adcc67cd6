"""Images of a data set as a lazy sequence of frames.

Notebook 01 opens its first clip through these.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from helpers import WorkbookError


def check_inside(name: str, path: Path, where: str) -> None:
    """Refuse a file name that leads out of the data set's folder (absolute, or with ..)."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or "\0" in name or ".." in parts or parts[0] == "/" or parts[0].endswith(":"):
        raise WorkbookError(f"{path}: {where} {name!r} leads out of the data set's folder.")


def read_image(path: Path) -> np.ndarray:
    """An image as uint8 H×W×3 RGB. Raises WorkbookError if it is missing or unreadable."""
    from helpers.opencv import cv2

    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise WorkbookError(f"{path}: image cannot be read ({error.strerror}).") from None
    try:
        image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    except cv2.error:  # a header that promises more pixels than OpenCV reads
        image = None
    if image is None:
        raise WorkbookError(f"{path}: is not an image that can be decoded.")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


class ImageFiles(Sequence):
    """Frames as a lazy sequence: each is read from its file when it is asked for.

    Indexing gives uint8 H×W×3 RGB, a slice gives another lazy sequence. A missing or
    unreadable image raises WorkbookError when that frame is accessed, not before.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(Path(p) for p in paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int | slice):
        if isinstance(index, slice):
            return ImageFiles(self.paths[index])
        return read_image(self.paths[index])


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) of an image from its header, without decoding; (0, 0) if unknown."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, Image.DecompressionBombError):  # no image is one of Pillow's OSErrors
        return 0, 0
