"""People carried on by the flow: Simple Baselines' algorithm 1 up to the poses, frame after frame (notebook 09).

A detector misses people whom it saw a frame before. Each joint of theirs is moved by the optical flow, a box is drawn
around where the joints have got to, and the boxes that are not yet the detector's own go to the pose network as well
(SB §3.1 and §3.3). What the paper leaves open is a field of `Propagation`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torchvision.ops import nms

from helpers import WorkbookError
from helpers.detections.flow import Neighbours, Provider, moved
from helpers.geometry import box_iou
from helpers.nets import top_down
from helpers.nets.sampling import frames_of
from helpers.people import People, Video, concatenate, extent_boxes, nobody, people

#: A pose estimator: (image, boxes) → one person a box, in their order.
Estimate = Callable[[np.ndarray, People], People]

#: The score of a propagated box: the mean score of the joints that were carried, the score of the box before, or both.
SCORES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "joints": lambda joints, box: joints,
    "box": lambda joints, box: box,
    "both": lambda joints, box: joints * box,
}


@dataclass(frozen=True)
class Propagation:
    """What algorithm 1 leaves open, or fixes to a value that depends on the networks.

    Those in `experiments.propagation.MOVED` were chosen on the tuning videos (`experiments.propagation.sensitivity`),
    by MOTA; those of the propagation with the detector's threshold raised to 0.85, where it misses people, as the
    compared detectors do. floor, detected_first, sure and fewest are not moved there, nor is a tracker's match.

    person: the detector's boxes scored lower are dropped first (SB §4.3: 0.5, which is best here, too). joint: joints
    scored lower are not carried (SB's 0.4 drops them from the result; whether before the propagation is not said;
    here it leaves boxes around heads alone, which the whole person's box does not suppress). margin: what the box is
    larger than the carried joints' extent, on each side; the paper's "15 %" is read as in its training boxes, 15 % in
    all and 7.5 % a side. score: see SCORES; nobody says it, two re-implementations differ; with the joints' score
    nobody is carried for long. floor: propagated boxes scored lower are dropped (the paper does not say whether its
    0.5 is for them, too). nms: of two boxes that overlap more (IoU) the one scored lower goes; as low as it is
    because the pose in a box beside a detected person slides over to that person. detected_first: the detector's
    boxes all stay, and propagated ones go that overlap one of them. sure: people whose carried joints score less on
    average are not carried (one re-implementation: 0.7). fewest: nor are those of whom fewer joints remain in the
    image, so someone who leaves it is let go. most: a person is carried over at most so many frames in a row without
    any box of the detector there; without a bound nobody is ever let go whom the network sees in the background.
    """

    person: float = 0.5
    joint: float = 0.2
    margin: float = 0.075
    score: str = "box"
    floor: float = 0.5
    nms: float = 0.1
    detected_first: bool = True
    sure: float = 0.0
    fewest: int = 3
    most: int = 8

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            raise WorkbookError(f"propagation: score {self.score!r} is unknown; there are {', '.join(SCORES)}.")
        if self.fewest < 2 or self.most < 1:
            raise WorkbookError("propagation: fewest must be at least 2 joints, and most at least 1 frame.")


class Estimator:
    """A top-down network that looks at people's boxes: one call a frame, or `in_video` many frames at once.

    model: see `top_down`; how: flip, shift, quarter, see `top_down.look`.
    """

    def __init__(self, model: nn.Module, **how):
        self.model, self.how = model, how

    def __call__(self, image: np.ndarray, boxes: People) -> People:
        """One person a box, in their order, whose joints are in pixels of the image."""
        if not len(boxes):
            return nobody()
        found = top_down.look(self.model, [image], boxes.replace(frame=np.zeros(len(boxes))), **self.how)
        return found.replace(frame=boxes.frame)

    def in_video(self, frames: Sequence[np.ndarray], boxes: People) -> People:
        """The same for the boxes of a whole video, frame after frame, cut and looked at many frames at a time."""
        return top_down.detect(self.model, frames, np.unique(boxes.frame), boxes, **self.how)


class Known:
    """An estimator that knows the joints of some boxes already and asks another one for the rest.

    found: people of one video, whose boxes are told by frame and corners; a known person comes back as it was, and
    people of one box come back one after the other.
    """

    def __init__(self, found: People, otherwise: Estimate):
        self._found, self._otherwise = found, otherwise
        self._rows: dict[tuple, list[int]] = {}
        for i, (t, box) in enumerate(zip(found.frame, found.box, strict=True)):
            self._rows.setdefault(_key(t, box), []).append(i)

    def __call__(self, image: np.ndarray, boxes: People) -> People:
        keys = [_key(t, b) for t, b in zip(boxes.frame, boxes.box, strict=True)]
        left = {key: list(self._rows.get(key, ())) for key in keys}
        rows = np.array([left[key].pop(0) if left[key] else -1 for key in keys], int)
        new = rows < 0
        parts = concatenate([self._found[rows[~new]], self._otherwise(image, boxes[new])])
        return parts[np.argsort(np.concatenate([np.flatnonzero(~new), np.flatnonzero(new)]))]


def _key(frame: int, box: np.ndarray) -> tuple:
    return int(frame), *box.tolist()


class Propagator:
    """Algorithm 1's boxes and poses, online: `step` gives the people of each frame, detected or carried.

    estimate: see `Estimate`; neighbours: where the flow comes from, None = nobody is carried, which is the same
    without propagation. Only the people of the frame before are remembered. After a step `carried` (N,) says
    who of the people comes from a propagated box, `alone` (N,) for how many frames in a row already no box of the
    detector was where the person is, and `box_score` (N,) what the boxes scored, without the joints.
    """

    def __init__(self, estimate: Estimate, neighbours: Neighbours | None, settings: Propagation = Propagation()):
        self.estimate, self.neighbours, self.settings = estimate, neighbours, settings
        self._before, self._next = nobody(), 0
        self.carried, self.alone, self.box_score = np.zeros(0, bool), np.zeros(0, int), np.zeros(0)

    def step(self, frame_boxes: People, image: np.ndarray) -> People:
        """The people of one frame: the detector's boxes and the propagated ones that NMS leaves, with their joints.

        frame_boxes: boxes with scores; joints, if they have some, are not looked at. image: uint8 (H, W, 3) RGB. The
        people's frame is the boxes', where there are none the one after the last. Detected people come first,
        each group in its order. Raises WorkbookError for images of two sizes, or a box that is no number.
        """
        now = int(frame_boxes.frame[0]) if len(frame_boxes) else self._next
        flow = self.neighbours.step(image, self) if self.neighbours else None
        detected = frame_boxes[frame_boxes.score >= self.settings.person]
        boxes, alone = self._propagated(flow, image.shape, now)
        both = concatenate([detected, boxes])
        kept = united(both, len(detected), self.settings)
        alone = np.concatenate([np.zeros(len(detected), int), _unseen(boxes, detected, alone, self.settings.nms)])
        self.carried, self.alone, self.box_score = (kept >= len(detected)), alone[kept], both.score[kept]
        self._before, self._next = self.estimate(image, both[kept]), now + 1
        return self._before

    def _propagated(self, flow: np.ndarray | None, shape: tuple[int, ...], now: int) -> tuple[People, np.ndarray]:
        """Boxes of the people before, where they have got to, and for how many frames nobody has seen them."""
        if flow is None or not len(self._before):
            return nobody(), np.zeros(0, int)
        rows, boxes = propagated(self._before, self.box_score, flow, self.settings)
        boxes = boxes.replace(box=np.clip(boxes.box, 0, [shape[1], shape[0]] * 2), frame=np.full(len(boxes), now))
        alone = self.alone[rows] + 1
        good = (alone <= self.settings.most) & (boxes.score >= self.settings.floor)
        good &= (boxes.box[:, 2:] > boxes.box[:, :2]).all(1)
        return boxes[good], alone[good]


def propagated(
    before: People, box_score: np.ndarray, flow: np.ndarray, settings: Propagation
) -> tuple[np.ndarray, People]:
    """Which of the people of the frame before are carried, as row numbers, and their boxes in this frame.

    before: people with joints; box_score (N,): of their boxes, without the joints; flow (H, W, 2) px from that frame
    to this one. A joint is carried if it is sure enough, lies in the image and stays there; the rest is dropped.
    The boxes keep the carried joints; none is cut to the image.
    """
    xy, inside = moved(flow, before.xy)
    carried = before.present & (before.joint_score >= settings.joint) & inside
    count = carried.sum(1)
    mean = np.where(carried, before.joint_score, 0).sum(1) / np.maximum(count, 1)
    rows = np.flatnonzero((count >= settings.fewest) & (mean >= settings.sure))
    score = np.clip(SCORES[settings.score](mean, box_score), 0, 1)[rows]
    boxes = extent_boxes(xy[rows], carried[rows], settings.margin)
    return rows, people(frame=before.frame[rows], box=boxes, score=score, xy=xy[rows], present=carried[rows])


def united(boxes: People, n_detected: int, settings: Propagation) -> np.ndarray:
    """Rows (K,), in order, that non-maximum suppression leaves; the first n_detected boxes are the detector's.

    Among equal scores the earlier box stays. Raises WorkbookError for a box that is no number.
    """
    if not np.isfinite(boxes.box).all():
        raise WorkbookError(f"propagation: box {int(np.argwhere(~np.isfinite(boxes.box))[0, 0])} is not finite.")
    rank, detected = np.empty(len(boxes)), np.arange(len(boxes)) < n_detected
    rank[np.argsort(-boxes.score, kind="stable")] = -np.arange(len(boxes))
    if not settings.detected_first:
        return _suppressed(boxes.box, rank, settings.nms)
    free = ~detected & ~(box_iou(boxes.box, boxes.box[detected]) > settings.nms).any(1)
    more = np.flatnonzero(free)[_suppressed(boxes.box[free], rank[free], settings.nms)]
    return np.concatenate([np.flatnonzero(detected), more])


def _suppressed(box: np.ndarray, rank: np.ndarray, overlap: float) -> np.ndarray:
    kept = nms(torch.from_numpy(box.copy()), torch.from_numpy(rank), overlap)
    return np.sort(kept.numpy())


def _unseen(boxes: People, detected: People, alone: np.ndarray, overlap: float) -> np.ndarray:
    """Frames in a row without a detected box there: 0 for a propagated box that one of the detector's overlaps."""
    seen = (box_iou(boxes.box, detected.box) > overlap).any(1) if len(boxes) else np.zeros(0, bool)
    return np.where(seen, 0, alone)


def in_order(propagator: Propagator, video: Video, boxes: People, which: Sequence[int]) -> Iterator[People]:
    """The people of the frames `which` of a video, one frame after the other; boxes: of the whole video."""
    frames, by_frame = frames_of(video), boxes.by_frame(len(video))
    for t in map(int, which):
        now = propagator.step(by_frame[t], frames[t])
        yield now.replace(frame=np.full(len(now), t))


def propagate(
    video: Video,
    boxes: People,
    estimate: Estimate,
    provider: Provider | None,
    settings: Propagation = Propagation(),
    which: Sequence[int] | None = None,
) -> People:
    """The people of a video by algorithm 1: the same as `Propagator` frame by frame, in the frames' order.

    boxes: a detector's, of the whole video; provider: of the flow, None = no propagation, and an estimator that can
    then looks at many frames at once; which: only these frames, in order, as if the others did not exist.
    """
    numbers = np.arange(len(video)) if which is None else np.asarray(which, int)
    if provider is None and hasattr(estimate, "in_video"):
        by_frame = boxes.by_frame(len(video))
        good = [by_frame[t][by_frame[t].score >= settings.person] for t in numbers]
        return estimate.in_video(frames_of(video), concatenate([p[united(p, len(p), settings)] for p in good]))
    propagator = Propagator(estimate, Neighbours(provider) if provider else None, settings)
    return concatenate(list(in_order(propagator, video, boxes, numbers)))
