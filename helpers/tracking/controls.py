"""Controls for trackers: no tracking at all, chance, and perfect association.

PT-T2's "dummy tracks" and DT-T1's "random tracks" are two of them; KeyTrack's and
Detect-and-Track's oracle is the third. Notebooks 01 and 06 put them beside real trackers.
"""

from collections.abc import Iterator

import numpy as np

from helpers import WorkbookError
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

    Raises WorkbookError if a frame has more people than there are ids to give.
    """
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, high, len(people))
    frames, size = np.unique(people.frame, return_counts=True)
    if unique and size.max(initial=0) > high:
        raise WorkbookError(f"random ids: frame {frames[size.argmax()]} has more people than the {high} ids.")
    for t in frames if unique else ():
        ids[people.frame == t] = rng.choice(high, (people.frame == t).sum(), replace=False)
    return people.replace(track=ids)


def _side_by_side(people: People, truth: People) -> Iterator[tuple[np.ndarray, People, People]]:
    """(rows of the detections, the detections, the people of the truth) of every frame that has both."""
    n_frames = people.frame.max(initial=-1) + 1
    numbered = people.replace(track=np.arange(len(people)))
    for here, there in zip(numbered.by_frame(n_frames), truth.by_frame(n_frames), strict=True):
        if len(here) and len(there):
            yield here.track, here, there


def truth_ids(people: People, truth: People, threshold: float = 0.5) -> People:
    """Perfect association: each detection takes the track of the person whose joints it hits.

    In every frame the one-to-one matching with the most joints within threshold × head size
    of the truth, the nearer ones among equals; a detection that is left over gets an id of
    its own. No tracker can do better on the same detections, but for joints that sit on
    another person's.
    """
    ids = np.full(len(people), -1)
    for which, here, there in _side_by_side(people, truth):
        reach = joint_distances(here, there) / (threshold * there.head[:, None])
        gain = np.where(reach <= 1, 1 + NEARER * (1 - reach), 0).sum(-1)
        rows, columns = hungarian(-gain)  # pairs that hit nothing cost nothing: forbidden, they would leave more pairs
        hit = gain[rows, columns] > 0  # with fewer joints
        ids[which[rows[hit]]] = there.track[columns[hit]]
    alone = ids < 0
    ids[alone] = truth.track.max(initial=-1) + 1 + np.arange(alone.sum())
    return people.replace(track=ids)


def truth_joints(people: People, truth: People, overlap: float = 0.5) -> People:
    """Perfect joints: each detection takes the joints of the person whose box it matches (DT's oracle).

    In every frame the one-to-one matching of least 1 − IoU among pairs with IoU ≥ overlap;
    a detection that is left over keeps its own joints, as the false alarm that it is.
    """
    xy, present = people.xy.copy(), people.present.copy()
    for which, here, there in _side_by_side(people, truth):
        rows, columns = hungarian(1 - box_iou(here.box, there.box), 1 - overlap)
        xy[which[rows]], present[which[rows]] = there.xy[columns], there.present[columns]
    return people.replace(xy=xy, present=present)
