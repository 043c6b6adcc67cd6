"""What holds for every test."""

import sys

import pytest


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    """A figure that one test leaves open is not for the next one to find."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
