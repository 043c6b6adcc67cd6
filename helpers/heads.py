"""Head sizes for data sets without head boxes, from the two head joints.

PCKh measures every distance in head sizes, 0.6 × the head box's diagonal. SoMoF
has no such boxes and 25 of Bonn's videos lack them, so the size is estimated; notebook 01 compares.
"""

import numpy as np

from helpers.people import People
from helpers.skeleton import INDEX

#: PCKh's head size is this share of the head box's diagonal.
HEAD_SHARE = 0.6
#: Head size / distance head_bottom–head_top in PoseTrack'18: the two joints lie exactly 0.7 diagonals
#: apart in all 14 persons of the public sample.
POSETRACK18_HEAD = HEAD_SHARE / 0.7
#: The same in Bonn: the median over the 9,160 poses that have a head box and both joints is 0.751.
BONN_HEAD = 0.75


def head_sizes(persons: People, share: float) -> np.ndarray:
    """(N,) head sizes in pixels of one video's people: share × distance head_bottom–head_top.

    Where a joint is absent or the two coincide, the median over the person's track; for a
    track that never shows both, the median over the video's tracks (on SoMoF tracks that
    do, this is off by 35 %, and unbiased, where the joints' extent × a constant is off by
    47 % and too small); NaN in a video without any.
    """
    bottom, top = INDEX["head_bottom"], INDEX["head_top"]
    distance = np.linalg.norm(persons.xy[:, bottom] - persons.xy[:, top], axis=-1)
    both = persons.present[:, bottom] & persons.present[:, top] & (distance > 0)
    size = np.where(both, share * distance, np.nan)
    medians = {track: np.median(size[both & (persons.track == track)]) for track in np.unique(persons.track[both])}
    typical = np.median(list(medians.values())) if medians else np.nan
    for i in np.flatnonzero(~both):
        size[i] = medians.get(persons.track[i], typical)
    return size
