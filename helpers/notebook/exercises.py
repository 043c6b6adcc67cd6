"""Exercises: an unsolved stub falls back to the reference and says so, so a notebook always runs.

The pattern, in every notebook: a stub; a folded cell with the reference, the cases and `solve`; and hints that
unfold one after the other in the Markdown below, where they can also be read without a kernel.
"""

import inspect
import reprlib
import traceback
from collections.abc import Callable
from copy import deepcopy

import numpy as np

from helpers import WorkbookError


class NotRight(AssertionError):
    """What is wrong with a solution; a notebook shows this text alone, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


def solve(attempt: Callable, reference: Callable, cases: dict[str, tuple], name: str = "exercise") -> Callable:
    """The reader's function if it is right, the reference as long as it returns nothing (None or ...).

    cases: what is tried → (arguments, expected), at least one. Integers are compared exactly, other numbers and
    arrays to 1e-6, a NaN equals a NaN; where many answers are right, expected is a function from the answer to a
    complaint, "" if there is none, whose docstring says what form an answer has. Raises NotRight for the first
    case that fails, with its input, and WorkbookError without cases.
    """
    if not cases:
        raise WorkbookError(f"{name}: cases is empty, there is nothing to try.")
    for case, (arguments, expected) in cases.items():
        answer, wrong = _answer(attempt, arguments)
        if (answer is None or answer is ...) and not wrong and case == next(iter(cases)):
            called = getattr(attempt, "__name__", "the attempt")  # a partial has no name
            print(f"{name}: NOT SOLVED YET, {called} returns nothing; the reference is used from here on")
            return reference
        wrong = wrong or (_complaint(answer, expected) if callable(expected) else _difference(answer, expected))
        if wrong:
            names = inspect.signature(reference).parameters
            given = ", ".join(f"{k} = {_short(v)}" for k, v in zip(names, arguments, strict=False))
            raise NotRight(f"{name}, {case}: {wrong}\n  input: {given or 'none'}")
    print(f"{name}: right in all {len(cases)} cases")
    return attempt


def _answer(attempt: Callable, arguments: tuple) -> tuple[object, str]:
    """What the attempt returns for a copy of the arguments, and where it raises if it does."""
    try:
        return attempt(*deepcopy(arguments)), ""
    except Exception as error:
        *_, where = traceback.extract_tb(error.__traceback__)[:2]  # the attempt's own line, not numpy's
        return None, f"{type(error).__name__} in `{where.line}`: {error}"


def _complaint(answer, judge: Callable) -> str:
    try:
        return judge(answer)
    except Exception:  # a wrong form fails anywhere
        return f"expected {judge.__doc__}, got {_short(answer)}"


def _difference(answer, expected) -> str:
    expected = np.asarray(expected)
    try:
        given = np.asarray(answer.detach() if hasattr(answer, "detach") else answer)  # a tensor may have a gradient
    except (ValueError, RuntimeError, TypeError):  # rows of unequal length, a list of tensors with gradients
        given = np.asarray(None)
    if given.dtype.kind not in "biuf":
        return f"expected {_short(expected)}, got {_short(answer)}, which is not numbers"
    if given.shape != expected.shape:
        return f"expected {_short(expected)} of shape {expected.shape}, got {_short(given)} of shape {given.shape}"
    tolerance = 1e-6 if "f" in given.dtype.kind + expected.dtype.kind else 0
    if not np.allclose(given, expected, rtol=tolerance, atol=tolerance, equal_nan=True):
        return f"expected {_short(expected)}, got {_short(given)}"
    return ""


def _short(value) -> str:
    if isinstance(value, np.ndarray | np.generic):
        return " ".join(np.array2string(np.asarray(value), separator=", ", threshold=40, precision=4).split())
    return reprlib.repr(value)
