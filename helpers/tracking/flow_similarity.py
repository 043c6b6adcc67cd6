"""Simple Baselines' tracker: who of this frame is most like whom of the last frames, poses carried by the flow.

Algorithm 1 after the poses (SB §3.3), which the authors never released. Notebook 09 compares its four similarities:
S_bbox, the boxes' IoU; S_pose, the poses' OKS; S_flow, the OKS with the poses of the frame before, carried here by the
flow; S_multi-flow, the same with the poses of each of the last L_Q frames. What the paper leaves open is a parameter.
"""

from collections.abc import Callable

import numpy as np

from helpers import WorkbookError
from helpers.detections.flow import Neighbours, moved
from helpers.geometry import box_iou, oks
from helpers.people import People, concatenate, nobody
from helpers.tracking.matching import greedy

#: Similarities, and by how many frames their queue reaches back where nothing else is said. The paper calls L_Q the
#: queue's length and gives no number; the first three compare with one frame.
SIMILARITIES = {"bbox": 1, "pose": 1, "flow": 1, "multi-flow": 8}
#: Those whose poses are carried by the flow.
CARRIED = ("flow", "multi-flow")


def most_similar(cost: np.ndarray, limit: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
    """Each column takes its cheapest row: (rows, columns), sorted by row; of several that take the same the cheapest.

    The assignment of a re-implementation, in which nobody gets a second choice. There several people of a frame may
    have one id, which no file of tracks can say; here the others open new tracks.
    """
    cost = np.asarray(cost, float)
    if not cost.size:
        return np.zeros(0, int), np.zeros(0, int)
    best = cost.argmin(0)
    wanted = np.full(cost.shape, np.inf)
    wanted[best, np.arange(cost.shape[1])] = cost[best, np.arange(cost.shape[1])]
    return greedy(wanted, limit)


class FlowTracker:
    """Tracker by box, pose, flow or multi-frame flow similarity to the people of the last frames, greedily.

    similarity: a name in SIMILARITIES; neighbours: where the flow comes from, needed by those in CARRIED only.
    queue: L_Q, how many frames are remembered, None = as SIMILARITIES says; of the remembered poses of one track the
    most similar counts (the paper does not say). link: less similar pairs are never linked, nor are pairs of
    similarity 0; one re-implementation takes 0.2. match: (cost, limit) → rows, columns; the paper says greedily, which
    we read as one to one (`most_similar` is the other reading). OKS is over the joints of the person in this
    frame, of which a carried pose may lack some (those count 0), with COCO's sigmas (`skeleton.OKS_SIGMAS`), and
    its area is the person's box in this frame.

    Every remembered pose is carried one flow further at each step, however long the queue, and a joint that leaves
    the image is forgotten. At most `queue` frames of people are kept, and the image before by the neighbours.
    Raises WorkbookError for an unknown similarity, a missing flow, a queue of less than one frame, or a link that is
    not between 0 and 1.
    """

    def __init__(
        self,
        similarity: str = "multi-flow",
        neighbours: Neighbours | None = None,
        queue: int | None = None,
        link: float = 0.2,
        match: Callable = greedy,
    ):
        if similarity not in SIMILARITIES:
            raise WorkbookError(f"similarity {similarity!r} is unknown; there are {', '.join(SIMILARITIES)}.")
        if similarity in CARRIED and neighbours is None:
            raise WorkbookError(f"similarity {similarity}: needs the flow between frames.")
        self.similarity, self.link, self.match = similarity, link, match
        self.neighbours = neighbours if similarity in CARRIED else None
        self.queue = SIMILARITIES[similarity] if queue is None else queue
        if self.queue < 1:
            raise WorkbookError(f"queue {self.queue}: at least 1 frame is needed.")
        if not 0 <= link <= 1:
            raise WorkbookError(f"link {link}: a similarity between 0 and 1 is needed.")
        self._next_id = 0
        self._known, self._ids, self._age = nobody(), np.zeros(0, int), np.zeros(0, int)

    def step(self, frame_people: People, image: np.ndarray | None = None) -> np.ndarray:
        """Track ids (N,) ≥ 0, all different, of one frame's people; image: uint8 (H, W, 3) RGB where flow is used.

        Raises WorkbookError for a missing image, or one of another size than the one before.
        """
        if self.neighbours is not None:
            self._carry(self.neighbours, image)
        ids = np.full(len(frame_people), -1)
        if len(self._known) and len(ids):
            tracks, alike = self.similarities(frame_people)
            rows, columns = self.match(np.where(alike > 0, 1 - alike, np.inf), 1 - self.link)
            ids[columns] = tracks[rows]
        new = ids < 0
        ids[new] = self._next_id + np.arange(new.sum())
        self._next_id += int(new.sum())
        self._remember(frame_people, ids)
        return ids

    def similarities(self, frame_people: People) -> tuple[np.ndarray, np.ndarray]:
        """Ids (K,) of the remembered tracks and their similarity (K, N) in [0, 1] to the people, M_sim."""
        if self.similarity == "bbox":
            each = box_iou(self._known.box, frame_people.box)
        else:
            each = oks(self._known, frame_people)
        tracks, of = np.unique(self._ids, return_inverse=True)
        alike = np.zeros((len(tracks), len(frame_people)))
        np.maximum.at(alike, of, each)
        return tracks, alike

    @property
    def remembered(self) -> tuple[People, np.ndarray, np.ndarray]:
        """The queue Q: people as they are compared with this frame's, their ids (K,), and how many frames ago."""
        return self._known, self._ids, self._age

    def _carry(self, neighbours: Neighbours, image: np.ndarray | None) -> None:
        if image is None:
            raise WorkbookError(f"similarity {self.similarity}: every frame's image is needed.")
        flow = neighbours.step(image, self)
        if flow is None or not len(self._known):
            return
        xy, inside = moved(flow, self._known.xy)
        self._known = self._known.replace(xy=xy, present=self._known.present & inside)

    def _remember(self, people: People, ids: np.ndarray) -> None:
        old = self._age + 1 < self.queue
        self._known = concatenate([self._known[old], people]) if old.any() else people
        self._ids = np.concatenate([self._ids[old], ids])
        self._age = np.concatenate([self._age[old] + 1, np.zeros(len(ids), int)])
