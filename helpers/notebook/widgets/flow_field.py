"""Two frames with the flow between them: a joint or a person is dragged, and the flow carries it into the next frame.

Notebook 09 shows with it what Simple Baselines' joint propagation does, where it fails, and what each provider of
flow says of one pixel.
"""

import base64
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import WorkbookError
from helpers.detections.flow import moved
from helpers.notebook import plots
from helpers.notebook.widgets.base import Live, address, moment, pixels, poses, side_by_side
from helpers.opencv import cv2
from helpers.people import extent_boxes
from helpers.skeleton import JOINTS, LIMBS, N_JOINTS

#: Cells of a stored field at most, and of all fields together: what a notebook can hold.
MOST_CELLS, MOST_CELLS_IN_ALL = 160 * 90, 30_000
#: No flow is as long as this: what a number of 32 bits holds, with room for a sum.
MOST_PIXELS = 1e30
#: Frames are stored no wider than this many pixels.
WIDEST = 420
#: A box around propagated joints is 15 % larger than their extent, half of it on either side (SB §3.2).
ENLARGE = 0.075
MOST_PEOPLE = 30
SHOWN = ("arrows", "colours", "frame only")


class FlowField(Live):
    """Joints of frame k − 1 that are dragged, and where a flow carries them in frame k.

    images: two uint8 (H, W, 3) RGB frames; flows: name → (H, W, 2) pixels, where each pixel of the first frame moves;
    xy (N, 15, 2) pixels, present (N, 15): the people of the first frame; after (N, 15, 2): where their joints truly
    are in the second, NaN where nobody knows. exact: which flow is the true one; the others' end-point error is
    measured from it. joint: (person, joint) chosen at first. Raises WorkbookError for what does not fit.

    The view: provider (which flow), person and joint (the chosen ones), xy (N, 30) where they are, whole (whether the
    person is dragged as one), show (0 arrows, 1 colours, 2 frame only). `field.answer`: xy (30,) and inside (15,) of
    the person as carried (`helpers.detections.flow.moved`), box (4,) around the joints inside, +15 %, flow (2,) at the
    joint, numbers. Without a kernel the script reads the flow from a coarser grid in steps of 1/127 of the longest
    vector. Notebook 09 (SB §3.2).
    """

    kind = "flow_field"

    def __init__(
        self,
        images: ArrayLike,
        flows: Mapping[str, ArrayLike],
        xy: ArrayLike,
        present: ArrayLike | None = None,
        after: ArrayLike | None = None,
        *,
        exact: str = "exact",
        joint: tuple[int, int] | None = None,
        title: str = "Flow field",
    ):
        self._images = _images(images)
        if not isinstance(flows, Mapping) or not flows:
            raise WorkbookError("flow field: there is no flow to follow.")
        self._flows = {str(name): _flow(name, flow, self._images[0].shape) for name, flow in flows.items()}
        self._names, self._exact = list(self._flows), self._flows.get(exact)
        self._present, start = _people(xy, present)
        self._after = _after(after, start.shape)
        self._start = poses(start, self._present)
        person, chosen = np.argwhere(self._present)[0].tolist() if joint is None else _pair(joint)
        h, w = self._images[0].shape[:2]
        scene = {
            "size": [w, h],
            "images": [_address(image) for image in self._images],
            "names": self._names,
            "exact": self._names.index(exact) if exact in self._flows else -1,
            "fields": self._stored(),
            "xy": self._start,
            "after": poses(self._after, np.isfinite(self._after).all(-1)),
            "enlarge": ENLARGE,
            "shown": SHOWN,
            "fastest": self._fastest(),
            "wheel": _wheel(),
        }
        view = {"provider": 0, "person": person, "joint": chosen, "xy": self._start, "whole": False, "show": 0}
        super().__init__(title, scene, self.checked(view))

    def _stored(self) -> list[dict[str, Any]]:
        """Each field on a coarser grid, in whole numbers of steps; one that is the same everywhere has no cells."""
        h, w = self._images[0].shape[:2]
        many = [name for name, flow in self._flows.items() if np.ptp(flow, (0, 1)).any()]
        most = min(MOST_CELLS, MOST_CELLS_IN_ALL // max(1, len(many)))
        apart = next(s for s in range(1, max(h, w) + 1) if -(-h // s) * -(-w // s) <= most)
        rows, columns = (np.minimum(np.arange(0, n, apart) + apart // 2, n - 1) for n in (h, w))
        out = []
        for name, flow in self._flows.items():
            longest = float(abs(flow).max())
            if name not in many:
                out.append({"apart": apart, "all": flow[0, 0].astype(float).round(4).tolist()})
                continue
            steps = np.rint(flow[np.ix_(rows, columns)] / longest * 127).astype(np.int8)
            text = base64.b64encode(steps.tobytes()).decode()
            out.append({"apart": apart, "wide": len(columns), "longest": longest, "steps": text})
        return out

    # what a reader changes

    def checked(self, view: dict) -> dict:
        person = moment(len(self._start), view["person"], "person")
        joint = moment(N_JOINTS, view["joint"], "joint")
        if not self._present[person, joint]:
            raise WorkbookError(f"joint {joint}: {JOINTS[joint]} of person {person} is absent.")
        if not isinstance(view["whole"], bool):
            raise WorkbookError(f"whole {view['whole']}: is neither true nor false.")
        return {
            "provider": moment(len(self._names), view["provider"], "provider"),
            "person": person,
            "joint": joint,
            "xy": self._places(view["xy"]),
            "whole": view["whole"],
            "show": moment(len(SHOWN), view["show"], "show"),
        }

    def _places(self, given) -> list[list]:
        """(N, 30) places of the joints that are present, none further away than the frame is large."""
        try:
            xy = np.array(given, float).reshape(-1, N_JOINTS, 2)
        except (TypeError, ValueError) as error:
            raise WorkbookError("xy: does not hold numbers of one shape.") from error
        if xy.shape != (*self._present.shape, 2):
            raise WorkbookError(f"xy: {len(xy)} poses in place of {len(self._present)}.")
        size = np.array(self._images[0].shape[1::-1])
        near = ((xy >= -size) & (xy <= 2 * size)).all(-1)  # NaN is not
        if (self._present & ~near).any():
            person, joint = np.argwhere(self._present & ~near)[0]
            raise WorkbookError(f"xy: {JOINTS[joint]} of person {person} is not near the frame.")
        return poses(xy, self._present)

    def drag(self, person: int, joint: int, place: ArrayLike) -> dict:
        """Put a joint to place (2,) pixels of the first frame; returns the answer. Errors as `move`."""
        xy = np.array(self._stand["xy"], float).reshape(-1, N_JOINTS, 2)
        xy[moment(len(xy), person, "person"), moment(N_JOINTS, joint, "joint")] = place
        return self.move(xy=poses(xy, self._present), person=person, joint=joint)

    # what Python says of it

    def answers(self, view: dict) -> dict:
        xy, inside, box = self._carried(view)
        person, joint = view["person"], view["joint"]
        before = np.array(view["xy"][person], float).reshape(-1, 2)
        here = inside[joint] or (xy[joint] != before[joint]).any()
        at = xy[joint] - before[joint]
        return {
            "provider": view["provider"],
            "person": person,
            "joint": joint,
            "of": view["xy"][person],
            "xy": poses(xy[None], self._present[person][None])[0],
            "inside": inside,
            "box": box,
            "flow": at if here else [None, None],
            "numbers": self._numbers(view, xy, inside),
        }

    def _carried(self, view: dict, name: str | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The chosen person in the second frame: joints (15, 2), inside (15,), the box around those (4,)."""
        person = view["person"]
        before = np.array(view["xy"][person], float).reshape(-1, 2)
        xy, inside = moved(self._flows[name or self._names[view["provider"]]], before)
        return xy, inside, extent_boxes(xy[None], inside[None], ENLARGE)[0]

    def _numbers(self, view: dict, xy: np.ndarray, inside: np.ndarray) -> dict:
        """End-point error at the joint; and how far the joints that nobody dragged land from where they truly are."""
        person, joint = view["person"], view["joint"]
        out: dict[str, float | None] = {}
        if self._exact is not None:
            place = np.array(view["xy"][person], float).reshape(-1, 2)[joint]
            true = moved(self._exact, place)[0]
            out["end-point error, px"] = float(np.hypot(*(xy[joint] - true)))
        far = np.hypot(*(xy - self._after[person]).T)
        still = np.array(view["xy"][person]) == np.array(self._start[person])
        far[~(inside & still.reshape(-1, 2).all(-1))] = np.nan
        if np.isfinite(self._after[person]).any():
            out["joint off its true place, px"] = float(far[joint])
            out["median of its joints off, px"] = float(np.median(some)) if len(some := far[np.isfinite(far)]) else None
        return out

    # pictures

    def draw(self, view: dict) -> Figure:
        """Frame k − 1 with the flow and the joints, frame k with where they are carried."""
        view = self.checked(view)
        xy, inside, box = self._carried(view)
        h, w = self._images[0].shape[:2]
        figure, axes = plt.subplots(1, 2, figsize=(8, 8 * h / (2 * w) + 0.35), layout="constrained")
        for axis, image in zip(axes, self._images, strict=True):
            axis.imshow(128 + image // 2)
            axis.set(xlim=(-0.5, w - 0.5), ylim=(h - 0.5, -0.5))
            axis.axis("off")
        self._draw_flow(axes[0], view)
        colour = plots.TRACK_COLOURS[view["person"] % len(plots.TRACK_COLOURS)]
        before = np.array(view["xy"][view["person"]], float).reshape(-1, 2)
        _pose(axes[0], before, self._present[view["person"]], colour)
        _pose(axes[1], xy, inside, colour)
        axes[1].plot(*self._after[view["person"]].T, "o", mfc="none", mec="k", ms=6)
        j = view["joint"]
        axes[0].plot(*before[j], "o", mfc="none", mec="#d55e00", mew=2, ms=11)
        axes[1].plot(*np.stack([before[j], xy[j]]).T, "-", color="#d55e00", lw=2)
        if np.isfinite(box).all():
            axes[1].add_patch(plt.Rectangle(box[:2], *(box[2:] - box[:2]), fill=False, ec=colour, lw=1.5))
        words = [f"{name} {value:.2f}" for name, value in self._numbers(view, xy, inside).items() if _known(value)]
        axes[0].set_title(f"frame k − 1, {self._names[view['provider']]}", fontsize=9)
        axes[1].set_title("frame k: " + ("; ".join(words[:2]) or JOINTS[j].replace("_", " ")), fontsize=9)
        return figure

    def _draw_flow(self, axis: Axes, view: dict) -> None:
        flow = self._flows[self._names[view["provider"]]]
        h, w = flow.shape[:2]
        if SHOWN[view["show"]] == "arrows":
            y, x = np.mgrid[h // 24 : h : max(1, h // 12), w // 40 : w : max(1, w // 20)]
            look: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.003}
            axis.quiver(x, y, *flow[y, x].transpose(2, 0, 1), **look)
        elif SHOWN[view["show"]] == "colours":
            axis.imshow(plots.flow_image(flow, self._fastest()), alpha=0.7)

    def _fastest(self) -> float:
        return max(float(np.hypot(*flow.reshape(-1, 2).T).max()) for flow in self._flows.values()) or 1.0

    def still(self) -> np.ndarray:
        """The start by every flow, three at most."""
        some = range(min(3, len(self._names)))
        return side_by_side((pixels(self.draw(self.view | {"provider": k})) for k in some), widest=800)


def _known(value) -> bool:
    return value is not None and bool(np.isfinite(value))


def _wheel(directions: int = 120) -> list[str]:
    """Colours of the longest vectors, by their direction, in equal steps from the right downwards."""
    turns = np.arange(directions) * 2 * np.pi / directions
    return [
        to_hex(colour / 255) for colour in plots.flow_image(np.stack([np.cos(turns), np.sin(turns)], -1)[None], 1)[0]
    ]


def _pose(axis: Axes, xy: np.ndarray, present: np.ndarray, colour: str) -> None:
    for a, b in LIMBS:
        if present[a] and present[b]:
            axis.plot(*xy[[a, b]].T, color=colour, lw=2)
    for j in np.flatnonzero(present):
        axis.plot(*xy[j], "o", color=plots.joint_colour(JOINTS[j]), ms=3.5)


# what may be given


def _images(images) -> list[np.ndarray]:
    pair = [np.asarray(image) for image in images] if np.iterable(images) else []
    fitting = len(pair) == 2 and pair[0].shape == pair[1].shape
    if not fitting or any(i.dtype != np.uint8 or i.ndim != 3 or i.shape[2] != 3 or not i.size for i in pair):
        got = ", ".join(f"{i.dtype} {i.shape}" for i in pair)
        raise WorkbookError(f"images: two uint8 frames (H, W, 3) of one size are needed, got {got or 'none'}.")
    return pair


def _address(image: np.ndarray) -> str:
    h, w = image.shape[:2]
    if w > WIDEST:
        image = cv2.resize(image, (WIDEST, max(1, round(h * WIDEST / w))), interpolation=cv2.INTER_AREA)
    return address(image, quality=55)


def _flow(name, flow, shape: tuple) -> np.ndarray:
    flow = np.asarray(flow)
    fits = flow.shape == (*shape[:2], 2) and flow.dtype.kind in "fiu" and (abs(flow.astype(float)) < MOST_PIXELS).all()
    if not fits:  # NaN is below nothing
        raise WorkbookError(f"flow {name}: {flow.shape} is not (H, W, 2) finite pixels of frames {shape[:2]}.")
    return flow.astype(np.float32)


def _pair(joint) -> tuple:
    """Person and joint, whose numbers the view checks."""
    joint = joint.tolist() if isinstance(joint, np.ndarray) else joint
    if not isinstance(joint, (tuple, list)) or len(joint) != 2:
        raise WorkbookError(f"joint {joint}: is not (person, joint).")
    return tuple(joint)


def _people(xy, present) -> tuple[np.ndarray, np.ndarray]:
    """present (N, 15) and xy (N, 15, 2), kept to tenths of a pixel as a reader drags them."""
    try:
        xy = np.array(xy, float)
    except (TypeError, ValueError) as error:
        raise WorkbookError("xy: does not hold numbers of one shape.") from error
    if xy.ndim != 3 or xy.shape[1:] != (N_JOINTS, 2) or not 1 <= len(xy) <= MOST_PEOPLE:
        raise WorkbookError(f"xy: {xy.shape} is not (N, {N_JOINTS}, 2) of 1 … {MOST_PEOPLE} people.")
    on = np.ones(xy.shape[:2], bool) if present is None else np.asarray(present)
    if on.shape != xy.shape[:2]:
        raise WorkbookError(f"present: {on.shape} does not fit xy {xy.shape}.")
    on = on.astype(bool) & np.isfinite(xy).all(-1)
    if not on.any():
        raise WorkbookError("present: nobody has a joint that could be carried.")
    return on, xy


def _after(after, shape: tuple) -> np.ndarray:
    try:
        out = np.full(shape, np.nan) if after is None else np.array(after, float)
    except (TypeError, ValueError) as error:
        raise WorkbookError("after: does not hold numbers of one shape.") from error
    if out.shape != shape:
        raise WorkbookError(f"after: {out.shape} does not fit xy {shape}.")
    return np.where(np.isfinite(out).all(-1, keepdims=True), out, np.nan)
