"""How well a top-down network finds joints in true boxes: SB-T2's question, and what each step of decoding is worth.

Notebook 08 asks it of eight networks, with flip test, shift and quarter offset on and off.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import nn

from helpers.evaluation.oks import oks_ap
from helpers.nets import top_down
from helpers.nets.sampling import frames_of
from helpers.people import People, Video


def thinned(video: Video, every: int) -> Video:
    """A video of whose labelled frames only every so manieth is labelled."""
    kept = np.flatnonzero(video.labelled)[::every]
    labelled = np.isin(np.arange(len(video)), kept)
    return replace(video, labelled=labelled, people=video.people[np.isin(video.people.frame, kept)])


def in_true_boxes(model: nn.Module, video: Video, **how: bool | int) -> People:
    """The joints of everyone labelled who has a box of some area in the image, score 1 × their joints' mean.

    how: flip, shift, quarter, see `top_down.look`.
    """
    boxes = top_down.usable(video)
    which = np.unique(boxes.frame)
    return top_down.detect(model, frames_of(video), which, boxes.replace(score=np.ones(len(boxes))), **how)


def average_precision(videos: Sequence[Video], found: Sequence[People]) -> float:
    """OKS-AP in [0, 1], the mean over the ten thresholds; areas are the true boxes'."""
    return float(oks_ap(videos, found).mean())
