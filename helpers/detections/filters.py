"""Filters: which detections and joints go on to the tracker and to the evaluation (notebook 05)."""

import numpy as np

from helpers.people import People
from helpers.skeleton import N_JOINTS


def keep_confident(detections: People, person: float = 0.0, joint: float = 0.0, area: float = 0.0) -> People:
    """Drop people scored below `person` or with a box below `area` px², and joints scored below `joint`.

    Who has no joint left goes too. −inf keeps joints that have no score.
    """
    sides = (detections.box[:, 2:] - detections.box[:, :2]).clip(min=0)
    kept = detections[(detections.score >= person) & ~(sides.prod(1) < area)]
    if joint > -np.inf:
        kept = kept.replace(present=kept.present & (kept.joint_score >= joint))
    return kept[kept.present.any(1)]


def box_confidence(found: People) -> People:
    """Every joint's score replaced by its box's: what Detect-and-Track's export hands to AP."""
    return found.replace(joint_score=np.repeat(found.score[:, None], N_JOINTS, 1))


#: People scored lower and joints with a lower logit are dropped before tracking. Notebook 03 chooses both, for
#: the main network, on videos that no network has seen, and asserts that they are these.
PERSON, LOGIT = 0.5, 2.0
