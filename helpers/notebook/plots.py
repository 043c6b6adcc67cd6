"""Figures that several notebooks draw, in one style: stick figures, film strips, estimates with intervals.

Every figure function returns the Figure. Colours are the same everywhere: one per joint group, one per
track; what a paper printed is grey, what was measured here is coloured.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from IPython.core.pylabtools import print_figure
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from helpers.opencv import cv2
from helpers.outputs import small_png
from helpers.people import People, Video
from helpers.skeleton import GROUPS, INDEX, JOINTS, LIMBS

#: Grey of everything a paper printed.
PUBLISHED = "0.6"

OURS = "tab:blue"

GROUP_COLOURS = dict(
    zip(GROUPS, ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aa3377", "#000000"), strict=True)
)

#: Colours of track ids: seven of Okabe and Ito and five as far from them and one another, also to colour-blind eyes.
TRACK_COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00",
    "#f0e442", "#7000d0", "#00ffa0", "#a00000", "#a070ff", "#704070",
)  # fmt: skip
_TRACKS = [to_rgb(code) for code in TRACK_COLOURS]

_RIM = (25, 25, 25)

_GROUP_OF = {joint: group for group, joints in GROUPS.items() for joint in joints}


def joint_colour(name: str) -> str:
    """Colour code of a joint: that of its group."""
    return GROUP_COLOURS[_GROUP_OF[name]]


def style() -> None:
    """The workbook's look: small fonts, no top and right frame, layouts that fit, pictures of few bytes."""
    spines = {f"axes.spines.{side}": False for side in ("top", "right")}
    sizes = {"figure.dpi": 80, "savefig.dpi": 100, "font.size": 9}
    plt.rcParams.update({**sizes, **spines, "figure.constrained_layout.use": True})
    small_pictures()


def small_pictures() -> None:
    """Figures that a notebook shows are stored in 256 colours, as in figures/; nothing outside a notebook."""
    shell = get_ipython()
    if shell is not None and hasattr(shell, "kernel"):
        plt.switch_backend(plt.get_backend())  # the inline backend registers its own pictures when it is loaded
        shell.display_formatter.formatters["image/png"].for_type(
            Figure, lambda figure: small_png(print_figure(figure, "png"))
        )


def track_colour(track: int) -> tuple[float, float, float]:
    """RGB in [0, 1] of a track id; −1 (no track) is grey."""
    return _TRACKS[track % len(_TRACKS)] if track >= 0 else (0.7, 0.7, 0.7)


def draw_people(
    image: np.ndarray, people: People, scale: int = 1, thickness: int = 2, boxes: bool = False, colour_by: str = "track"
) -> np.ndarray:
    """A copy of an uint8 H×W×3 image, enlarged `scale` times, with stick figures, dark at the rim.

    colour_by: "track", a person's colour is its identity, or "group", a joint's colour is its joint
    group and limbs are grey. Raises ValueError on another choice.
    """
    if colour_by not in ("track", "group"):
        raise ValueError(f"draw_people: colour_by is 'track' or 'group', got {colour_by!r}")
    out = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    for i in range(len(people)):
        person = _rgb(track_colour(int(people.track[i])) if colour_by == "track" else (0.85, 0.85, 0.85))
        points = np.rint(np.where(people.present[i, :, None], people.xy[i], 0) * scale).astype(int).tolist()
        # The rim first: a figure stays readable on any backdrop and in front of another figure.
        for width, rim in ((thickness + 2, _RIM), (thickness, None)):
            for a, b in LIMBS:
                if people.present[i, a] and people.present[i, b]:
                    cv2.line(out, points[a], points[b], rim or person, width, cv2.LINE_AA)
            for j in np.flatnonzero(people.present[i]):
                joint = person if colour_by == "track" else _rgb(to_rgb(joint_colour(JOINTS[j])))
                cv2.circle(out, points[j], width, rim or joint, -1, cv2.LINE_AA)
        if boxes and np.isfinite(people.box[i]).all():
            x1, y1, x2, y2 = np.rint(people.box[i] * scale).astype(int).tolist()
            cv2.rectangle(out, (x1, y1), (x2, y2), person, 1)
    return out


def _rgb(colour: Sequence[float]) -> tuple[int, ...]:
    return tuple(int(255 * c) for c in colour)


def canvas(size: tuple[int, int], grey: int = 245) -> np.ndarray:
    """An empty image (width, height) to draw stick figures on, for tracks without pixels."""
    return np.full((size[1], size[0], 3), grey, np.uint8)


def frame_image(video: Video, t: int, people: People, scale: int = 1) -> np.ndarray:
    """Frame t, paled, with the people of that frame drawn in; an empty canvas where a video has no pixels."""
    image = 128 + video.frames[t] // 2 if video.frames is not None else canvas(video.size)
    return draw_people(image, people.at(t), scale, thickness=scale + 1)


def filmstrip(video: Video, people: People, frames: Sequence[int], scale: int = 2) -> Figure:
    """A row of frames with their people drawn in."""
    figure, axes = plt.subplots(1, len(frames), figsize=(3.1 * len(frames), 2.1), squeeze=False, layout="constrained")
    for axis, t in zip(axes[0], frames, strict=True):
        axis.imshow(frame_image(video, t, people, scale))
        axis.set_title(f"frame {t}", fontsize=9)
        axis.axis("off")
    return figure


def stick_figure(axis: Axes, xy: np.ndarray, present: np.ndarray, names: bool = False) -> None:
    """One pose (15, 2) into an axis, joints coloured by group, y downwards."""
    for a, b in LIMBS:
        if present[a] and present[b]:
            axis.plot(*xy[[a, b]].T, color=".75", lw=2, zorder=1)
    for j in np.flatnonzero(present):
        axis.plot(*xy[j], "o", color=joint_colour(JOINTS[j]), ms=8, zorder=2)
        if names:
            left = JOINTS[j].startswith("right")  # the person's right is on our left
            axis.annotate(
                f"{j} {JOINTS[j]}",
                xy[j],
                textcoords="offset points",
                fontsize=7,
                xytext=(-8 if left else 8, -3),
                ha="right" if left else "left",
            )
    axis.set_aspect("equal")
    if not axis.yaxis_inverted():
        axis.invert_yaxis()
    axis.axis("off")


def standing_pose() -> np.ndarray:
    """(15, 2) joints of an upright person in a 100 × 200 box, for drawings."""
    out = np.zeros((len(JOINTS), 2))
    for name, (x, y) in {
        "ankle": (12, 190),
        "knee": (13, 148),
        "hip": (10, 105),
        "wrist": (46, 92),
        "elbow": (34, 72),
        "shoulder": (20, 46),
    }.items():
        out[INDEX[f"right_{name}"]], out[INDEX[f"left_{name}"]] = (50 - x, y), (50 + x, y)
    out[INDEX["head_bottom"]], out[INDEX["nose"]], out[INDEX["head_top"]] = (50, 34), (53, 20), (50, 4)
    return out


def forest(rows: Sequence[dict], label: str, zero: float | None = 0.0) -> Figure:
    """Estimates with their intervals, one per row, and what was published beside them in grey.

    rows: dicts with name, estimate, low, high and, where printed, published.
    """
    figure, axis = plt.subplots(figsize=(7, 0.6 + 0.36 * len(rows)), layout="constrained")
    for y, row in enumerate(reversed(rows)):
        axis.plot([row["low"], row["high"]], [y, y], color=OURS, lw=2.5, solid_capstyle="round")
        axis.plot(row["estimate"], y, "o", color=OURS, ms=7)
        if row.get("published") is not None:
            axis.plot(row["published"], y, "D", color=PUBLISHED, ms=7, zorder=0)
    if zero is not None:
        axis.axvline(zero, color=".8", zorder=-1)
    axis.set_yticks(range(len(rows)), [row["name"] for row in reversed(rows)])
    axis.set_xlabel(label + "   (blue: ours with 95 % interval, grey: published)")
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def flow_image(flow: np.ndarray, longest: float) -> np.ndarray:
    """Flow (H, W, 2) px in the usual colours (Baker et al., IJCV 2011), uint8 (H, W, 3).

    Direction is the hue, length the saturation: white stands still, what moves `longest` px or more is full.
    """
    import torch
    from torchvision.utils import flow_to_image

    length = np.linalg.norm(flow, axis=-1, keepdims=True) / longest
    kept = np.nan_to_num(flow / longest / np.maximum(length, 1))
    ruler = np.full((1, *kept.shape[1:]), np.sqrt(0.5))  # a row of full length: torchvision scales by the longest
    both = torch.from_numpy(np.concatenate([ruler, kept]).astype(np.float32))
    return np.ascontiguousarray(flow_to_image(both.permute(2, 0, 1)).permute(1, 2, 0).numpy()[1:])


def flow_wheel(radius: int = 40) -> np.ndarray:
    """The key to `flow_image`: the colour of every direction and length, uint8 (2 · radius + 1, 2 · radius + 1, 3)."""
    steps = np.arange(-radius, radius + 1, dtype=float)
    return flow_image(np.stack(np.meshgrid(steps, steps), -1), radius)
