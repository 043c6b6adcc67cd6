"""Power tests: a named fault in a helper must turn a claim's verdict, or its estimate, as the notebook measures it.

`power` registers which claims a test breaks; tests/test_power_census.py checks that none is missing.
"""

from helpers import training
from helpers.detections import predicting

#: Claim: names of the tests that break it.
BROKEN: dict[str, list[str]] = {}


def power(*claims):
    """Decorator of a test: it plants a fault that must turn these claims."""

    def register(test):
        for claim in claims:
            BROKEN.setdefault(claim, []).append(f"{test.__module__}.{test.__name__}")
        return test

    return register


def shipped(label, videos, seed=0):
    """What a network that ships found in the first val videos, one People per video."""
    return predicting.found_by(training.stage_one(seed)[label], "val", len(videos))[0]


def everywhere(videos, boxes="own"):
    """What the main network found in every frame of val videos, or in the boxes of a detector or of the truth."""
    return predicting.found_by(training.stage_one()["keypoint_rcnn"], "val", len(videos), boxes=boxes)[0]


def forgetful(counting, what):
    """CLEAR-MOT that forgets one kind of error."""

    def broken(*sides):
        counts = counting(*sides)
        getattr(counts, what)[:] = 0
        return counts

    return broken
