"""The three parameters that every notebook has: profile, dataset and seeds, checked before anything is computed."""

import json
import reprlib
from collections.abc import Collection

from helpers import WorkbookError, worlds

PROFILES = ("laptop", "gpu")


def checked(
    profile: str, dataset: str, seeds: list[int] | str, allowed_seeds: Collection[int] | None = None
) -> tuple[str, str, list[int]]:
    """The parameters of a notebook as it was started, or WorkbookError: one sentence that names the wrong one.

    seeds: different integers from 0 on, at least one; also as the text "[0]" that papermill's `-p` hands on.
    allowed_seeds: those for which there is something to show, such as a trained network (None = any).
    Every notebook calls this right after its parameters cell.
    """
    if not isinstance(profile, str) or profile not in PROFILES:  # str, since an array is no answer to `in`
        raise WorkbookError(f"profile {profile!r}: is unknown; choose from {', '.join(PROFILES)}.")
    worlds.available(dataset)
    return profile, dataset, _seeds(seeds, allowed_seeds)


def checked_budget(budget) -> int | None:
    """A number of training steps, or None for all of them. Raises WorkbookError for anything else."""
    if budget is not None and (type(budget) is not int or budget < 1):  # type, since True is an int too
        raise WorkbookError(f"budget {reprlib.repr(budget)}: must be a whole number of steps from 1 on, or None.")
    return budget


def _seeds(seeds, allowed: Collection[int] | None) -> list[int]:
    found = _from_text(seeds)
    if (
        not isinstance(found, list | tuple)
        or not found
        or any(type(s) is not int or s < 0 for s in found)  # type, since True is an int too
        or len(set(found)) < len(found)
        or (allowed is not None and not set(found) <= set(allowed))
    ):
        among = "integers from 0 on" if allowed is None else f"ones of {', '.join(map(str, sorted(allowed)))}"
        raise WorkbookError(f"seeds {reprlib.repr(seeds)}: must be a list of different {among}, at least one.")
    return list(found)


def _from_text(seeds):
    try:
        return json.loads(seeds) if isinstance(seeds, str) else seeds
    except (ValueError, RecursionError):
        return None
