"""Controls for trackers: no tracking at all, chance, and perfect association.

PT-T2's "dummy tracks" and DT-T1's "random tracks" are two of them; KeyTrack's and
Detect-and-Track's oracle is the third. Notebooks 01 and 06 put them beside real trackers.
"""

from __future__ import annotations

import numpy as np

from helpers.geometry import box_iou, joint_distances
from helpers.people import People
from helpers.tracking.matching import hungarian

#: What a joint's nearness adds to a hit: decides between equals, never outweighs a joint.
NEARER = 1e-3


def constant_ids(people: People) -> People:
    """Everyone gets track 0, which MOTA of that time never counted as a switch (PT-T2 "dummy tracks").

    The same id twice in a frame: the evaluation takes it, today's readers refuse it.
    """
    return people.replace(track=np.zeros(len(people), int))


def random_ids(people: People, seed: int, high: int = 1000, unique: bool = False) -> People:
    """Uniform track ids below `high` (DT-T1 "random tracks": 0 … 999); unique: no id twice in a frame.

    Raises ValueError if a frame has more people than there are ids to give.
    """
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, high, len(people))
    for t in np.unique(people.frame) if unique else ():
        now = people.frame == t
        ids[now] = rng.choice(high, now.sum(), replace=False)
    return people.replace(track=ids)


def truth_ids(people: People, truth: People, threshold: float = 0.5) -> People:
    """Perfect association: each detection takes the track of the person whose joints it hits.

    In every frame the one-to-one matching with the most joints within threshold × head size
    of the truth, the nearer ones among equals; a detection that is left over gets an id of
    its own. No tracker can do better on the same detections, but for joints that sit on
    another person's.
    """
    ids = np.full(len(people), -1)
    for t in np.intersect1d(people.frame, truth.frame):
        here, there = np.flatnonzero(people.frame == t), np.flatnonzero(truth.frame == t)
        reach = joint_distances(people[here], truth[there]) / (threshold * truth.head[there][:, None])
        gain = np.where(reach <= 1, 1 + NEARER * (1 - reach), 0).sum(-1)
        rows, columns = hungarian(np.where(gain > 0, -gain, np.inf))
        ids[here[rows]] = truth.track[there[columns]]
    alone = ids < 0
    ids[alone] = truth.track.max(initial=-1) + 1 + np.arange(alone.sum())
    return people.replace(track=ids)


def truth_joints(people: People, truth: People, overlap: float = 0.5) -> People:
    """Perfect joints: each detection takes the joints of the person whose box it matches (DT's oracle).

    In every frame the one-to-one matching of least 1 − IoU among pairs with IoU ≥ overlap;
    a detection that is left over keeps its own joints, as the false alarm that it is.
    """
    xy, present = people.xy.copy(), people.present.copy()
    for t in np.intersect1d(people.frame, truth.frame):
        here, there = np.flatnonzero(people.frame == t), np.flatnonzero(truth.frame == t)
        rows, columns = hungarian(1 - box_iou(people.box[here], truth.box[there]), 1 - overlap)
        xy[here[rows]], present[here[rows]] = truth.xy[there[columns]], truth.present[there[columns]]
    return people.replace(xy=xy, present=present)
