"""Files in and out: strict JSON, writing that never leaves half a file.

Whatever is wrong with a file becomes one sentence (`WorkbookError`) that names the file and the
field. Notebook 01 opens its first clip through these.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from helpers import WorkbookError


def load_json(path: str | Path) -> Any:
    """The content of a JSON file. Raises WorkbookError if it is missing, truncated or no JSON."""
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise WorkbookError(f"{path}: cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise WorkbookError(f"{path}: is not valid JSON ({error}).") from None


def load_annolist(path: Path, simplify_cells: bool = False) -> Any:
    """The annolist of a MATLAB file; simplify_cells as in scipy's loadmat. Raises WorkbookError as `load_json` does."""
    from scipy.io import loadmat

    try:
        return loadmat(path, simplify_cells=simplify_cells)["annolist"]
    except OSError as error:
        raise WorkbookError(f"{path}: cannot be read ({error.strerror}).") from None
    except KeyError:
        raise WorkbookError(f"{path}: annolist is missing.") from None
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise WorkbookError(f"{path}: is not a valid MATLAB file ({error}).") from None


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write a file whole or not at all: a temporary beside it is renamed when complete.

    Raises WorkbookError where the system refuses (no permission, disk full); the
    temporary is removed and an older file of that name is left as it was.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            file.write(content)
        os.replace(part, path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # a folder that may not be written holds no temporary either
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise WorkbookError(f"{path}: cannot be written ({error.strerror}).") from None
        raise
