"""Exercises: an unsolved stub falls back to the reference and says so, so a notebook always runs.

Notebook 00 shows the pattern: stub, `solved_or_reference`, `check` with answers worked out by hand, and
hints that unfold one after the other in the Markdown below, where they can also be read without a kernel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def solved_or_reference(attempt: Callable, reference: Callable, *probe, name: str) -> Callable:
    """The reader's function, or the reference while the attempt returns None (or ...) for the probe.

    probe: arguments to try the attempt on. A solution that raises shows its own error.
    """
    answer = attempt(*probe)
    if answer is None or answer is ...:
        print(f"{name}: not solved yet, the reference is used")
        return reference
    return attempt


def check(solution: Callable, cases: dict[str, tuple]) -> None:
    """Try a solution on named cases and print their names; raises AssertionError for the first that fails.

    cases: name → (arguments, expected); numbers and arrays are compared to 1e-6, a NaN equals a NaN.
    """
    for name, (arguments, expected) in cases.items():
        given, expected = np.asarray(solution(*arguments)), np.asarray(expected)
        if given.shape != expected.shape:
            raise AssertionError(f"{name}: expected shape {expected.shape}, got {given.shape}")
        if not np.allclose(given, expected, rtol=1e-6, atol=1e-6, equal_nan=True):
            raise AssertionError(f"{name}: expected {expected.tolist()}, got {given.tolist()}")
    print(f"right: {', '.join(cases)}")
