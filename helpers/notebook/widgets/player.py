"""The clip player: frames with people and their ids, and below one lane per person, coloured by the id given.

A black mark in a lane is a switch (twelve colours repeat, so the ids stand there as numbers). It is a whole person's,
matched anew in each frame; MOTA counts joint by joint and keeps old pairs (notebook 01 prints both). Notebook 00 plays
a tracker beside perfect ids, 03 proposals and detections above a score, 04 the tubes of a clip. Plays without a kernel
once stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers import WorkbookError
from helpers.notebook import plots
from helpers.notebook.widgets.base import Live, address, moment, poses
from helpers.notebook.widgets.clips import QUALITY, check_clip, clip_size, frame_of, scored_boxes, stored_frame
from helpers.notebook.widgets.lanes import ABSENT, MISSED, NO_ID, UNLABELLED, Lanes, lanes_of, runs, said_of, true_boxes
from helpers.opencv import cv2
from helpers.people import People, Video
from helpers.skeleton import INDEX

#: Frames before and after, of which a scored person's boxes are drawn thin: all of a tube of three frames.
TRAIL = 2
#: More lanes than these are too low for numbers.
READABLE = 30
LAYER_COLOURS = ("#ffffff", "#e69f00", "#56b4e9")


class Player(Live):
    """A clip that plays, with the people of one tracker or of several side by side, and their identity lanes.

    video: its frames are shown, or an empty canvas without. tracked: People, or {name: People} side by side. truth:
    people with head sizes; with it a lane is a true person (matched in each frame as `controls.truth_ids` does; with
    a slider for scores by score, as COCO's evaluation does), else a given id. boxes: {name: for each frame (n, 5) x1
    y1 x2 y2 score}, each a layer with a slider for its score. above: where these sliders stand at first, 0.5 unless
    named; "score" adds one for the people, who are then drawn with their boxes, and thin with those of the same id two
    frames around. start: the first frame shown.

    The view holds frame, person (whom a click pins: a true track, or an id without truth; None for nobody) and each
    slider. Raises WorkbookError, with one sentence, for what cannot be shown. Notebooks 00, 01, 03, 04.
    """

    kind = "player"

    def __init__(
        self,
        video: Video,
        tracked: Mapping[str, People] | People,
        truth: People | None = None,
        boxes: Mapping[str, Sequence[np.ndarray]] | None = None,
        above: Mapping[str, float] | None = None,
        start: int = 0,
        title: str = "",
    ):
        sides = dict(tracked) if isinstance(tracked, Mapping) else {"": tracked}
        check_clip(video, sides, truth)
        self._video = video
        self._layers = {name: scored_boxes(name, rows, len(video)) for name, rows in (boxes or {}).items()}
        self._limits = dict.fromkeys(self._layers, 0.5) | dict(above or {})
        _check_names(self._limits, self._layers)
        self._size = clip_size(video, sides.values())
        self._sides = [lanes_of(video, name, people, truth, "score" in self._limits) for name, people in sides.items()]
        self._true_boxes = [[]] * len(video) if truth is None else true_boxes(truth, len(video))
        self._known = sorted({int(w) for side in self._sides for w in side.who})
        view = self.checked({"frame": start, "person": None} | self._limits)
        super().__init__(title or f"Player: {video.name}", self._scene(truth is not None), view)

    def switches(self, name: str | None = None) -> list[tuple[int, int, int, int]]:
        """(frame, true person, id before, id after) of one tracker's switches, by frame; none without a truth.

        name: the first one's where it is not given. With a slider for people's scores those of the people above it.
        Raises KeyError for an unknown name.
        """
        by_name = {side.name: side for side in self._seen(self.view)}
        return by_name[self._sides[0].name if name is None else name].switches

    def _seen(self, view: dict) -> list[Lanes]:
        """The sides with the people whom a view shows."""
        return [side.above(view["score"]) if "score" in view else side for side in self._sides]

    # what a view may hold, what it says, how it is drawn

    def checked(self, view: dict) -> dict:
        names = {"frame", "person", *self._limits}
        if set(view) != names:
            raise WorkbookError(f"player: a view holds {', '.join(sorted(names))}, got {', '.join(map(str, view))}.")
        person = view["person"]
        if person is not None and (not _is_number(person) or person not in self._known):
            raise WorkbookError(f"person {person}: is nobody of this clip, who are {_few(self._known)}.")
        for name in self._limits:
            if not _is_number(view[name]) or not 0 <= view[name] <= 1:
                raise WorkbookError(f"{name} {view[name]}: is not a threshold between 0 and 1.")
        person = None if person is None else int(person)
        return view | {"frame": moment(len(self._video), view["frame"]), "person": person}

    def answers(self, view: dict) -> dict:
        """Of each tracker: switches up to this frame, people found and missed; of each layer: boxes above its score."""
        t, out = view["frame"], {}
        for side in self._seen(view):
            now = side.cells[:, t]
            out[side.name or "tracks"] = {
                "switches so far": sum(switch[0] <= t for switch in side.switches),
                "found": int((now >= NO_ID).sum()),
                "missed": int((now == MISSED).sum()),
            }
        return out | {name: int((rows[t][:, 4] > view[name]).sum()) for name, rows in self._layers.items()}

    def draw(self, view: dict) -> Figure:
        """The pictures of the view's frame, and the lanes below."""
        sides = self._seen(view)
        heights = [self._size[1] / self._size[0] * 4.8, *self._lanes_height()]
        figure = plt.figure(figsize=(5 * len(sides), sum(heights) + 0.7), layout="none")
        axes = figure.subplots(len(heights), len(sides), squeeze=False, height_ratios=heights)
        for (above, *below), side in zip(axes.T, sides, strict=True):
            self._picture(above, side, view)
            above.set_title(_titled(side, view["frame"]), fontsize=9)
            for axis in below:
                self._lanes(axis, side, [view["frame"]], alone=view["person"])
        inch = 1 / figure.get_figheight()
        figure.text(0.5, 0.03 * inch, self._legend(), ha="center", va="bottom", fontsize=6.5)
        figure.subplots_adjust(0.07, 0.6 * inch, 0.99, 1 - 0.25 * inch, wspace=0.12, hspace=0.15)
        return figure

    def still(self) -> Figure:
        """Frames around the first switch, its person alone in full colour, above the lanes of all."""
        sides = self._seen(self.view)
        shown, moments, person = self._telling(sides)
        heights = [0.35 + self._size[1] / self._size[0] * 9.8 / max(3, len(moments)), *self._lanes_height()]
        figure = plt.figure(figsize=(10, sum(heights)), layout="constrained")
        above, *below = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axis, t in zip(above.subplots(1, max(3, len(moments))), moments, strict=False):
            self._picture(axis, shown, self.view | {"frame": t, "person": person})
            axis.set_title(f"frame {t}{said_of(shown, t, person)}", fontsize=9)
        for axis in above.axes[len(moments) :]:
            axis.axis("off")
        for part in below:
            for axis, side in zip(part.subplots(1, len(sides), squeeze=False)[0], sides, strict=True):
                self._lanes(axis, side, moments if side is shown else [], marked=person)
            part.supxlabel(self._legend(), fontsize=7)
        return figure

    def _telling(self, sides: list[Lanes]) -> tuple[Lanes, list[int], int | None]:
        """Which side, frames and person show what the clip is about: all of a short one, else the first switch."""
        n, start = len(self._video), self.view["frame"]
        if n <= 3:
            return sides[0], list(range(n)), None
        for side in sides:
            for t, person, *_ in side.switches:
                before = int(np.flatnonzero(side.row(person)[:t] >= 0)[-1])
                between = (before + t) // 2 if t - before > 1 else max(0, before - 2)
                return side, sorted({before, between, t, min(n - 1, t + 2)}), person
        return sides[0], sorted({min(n - 1, start + k * (n // 4)) for k in range(3)}), None

    # pictures

    def _legend(self) -> str:
        """What lanes are made of, in one line; "" without lanes."""
        sides, truth = self._sides, self.scene["truth"]
        named = any((side.people.track >= 0).any() for side in sides)
        parts = {
            "number and colour: the id" if named else "grey: found": True,
            "black mark: a switch": named and truth,
            "white: missed": truth,
            "dotted: hidden, not in the truth" if truth else "dotted: not there": True,
            "palest grey: nobody looked": any((side.empty == UNLABELLED).any() for side in sides),
        }
        return " · ".join(words for words, shown in parts.items() if shown) if any(len(s.who) for s in sides) else ""

    def _lanes_height(self) -> list[float]:
        """Inches for the lanes of the side that has most, so that hundreds fit on a page; [] without lanes."""
        most = max(len(side.who) for side in self._sides)
        return [0.75 + min(4.0, 0.16 * most)] if most else []

    def _picture(self, axis: Axes, side: Lanes, view: dict) -> None:
        t, person = view["frame"], view["person"]
        rows = np.flatnonzero(side.people.frame == t)
        who = np.append(side.who, -1)[side.lane[rows]]
        bright = np.full(len(rows), True) if person is None else (who == person) & (side.lane[rows] >= 0)
        axis.imshow(self._image(side.people, rows, bright, t), extent=(0, *self._size, 0))
        for name, colour in zip(self._layers, LAYER_COLOURS, strict=False):
            boxes = self._layers[name][t]
            _rectangles(axis, boxes[boxes[:, 4] > view[name], :4], colour, 0.8)
        missed = [box for who, *box in self._true_boxes[t] if person in (None, who) and side.row(who)[t] == MISSED]
        _rectangles(axis, np.array(missed).reshape(-1, 4), "0.3", 1, "--")
        for i in rows[bright]:
            self._plate(axis, side, i, view)
        axis.set(xlim=(0, self._size[0]), ylim=(self._size[1], 0))
        axis.axis("off")

    def _image(self, people: People, rows: np.ndarray, bright: np.ndarray, t: int) -> np.ndarray:
        """Frame t enlarged, with some people; those who are not bright shine through only."""
        frame, scale = frame_of(self._video, t, self._size), max(1, round(640 / self._size[0]))
        plain = plots.canvas(self._size) if frame is None else 128 + frame // 2
        image = cv2.resize(plain, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        known = people.replace(present=people.present & np.isfinite(people.xy).all(-1))
        if not bright.all():
            image = cv2.addWeighted(image, 0.8, _over(image, known[rows], scale), 0.2, 0)
        return _over(image, known[rows[bright]], scale)

    def _plate(self, axis: Axes, side: Lanes, i: int, view: dict) -> None:
        """The id at a person's head; with scores also the boxes."""
        people, track = side.people, int(side.people.track[i])
        colour = plots.track_colour(track)
        if "score" in view:
            same = (people.track == track) & (np.abs(people.frame - view["frame"]) <= TRAIL) & (track >= 0)
            _rectangles(axis, people.box[same], colour, 0.6)
            _rectangles(axis, people.box[i : i + 1], colour, 1.6)
        place = _head(people, i)
        if track >= 0 and place is not None:
            look = {"facecolor": colour, "edgecolor": "none", "pad": 1}
            ink = "black" if _is_light(colour) else "white"
            axis.text(*place, str(track), color=ink, fontsize=8, weight="bold", ha="center", va="bottom", bbox=look)

    def _lanes(
        self, axis: Axes, side: Lanes, moments: list[int], alone: int | None = None, marked: int | None = None
    ) -> None:
        """The lanes of one side; the frames shown are framed, in one person's row if marked; alone: others are pale."""
        row: dict[int | None, int] = {int(who): y for y, who in enumerate(side.who)}
        bars = [(row[int(who)], *run) for who, ids in zip(side.who, side.cells, strict=True) for run in runs(ids)]
        y, begin, end, ids = np.array(bars).reshape(-1, 4).T
        pale = np.where(np.isin(y, [row.get(alone, -1)]) | (alone is None), 1, 0.25)
        shapes = np.stack([begin, y + 0.12, end, y + 0.12, end, y + 0.88, begin, y + 0.88], 1)
        faces = [
            (*_filled(track), alpha * (track not in (MISSED, ABSENT))) for track, alpha in zip(ids, pale, strict=True)
        ]
        rims = [("0.55" if track == MISSED else "none") for track in ids]
        axis.add_collection(PolyCollection(shapes.reshape(-1, 4, 2), facecolors=faces, edgecolors=rims, linewidths=0.6))
        _numbered(axis, bars if len(side.who) <= READABLE else [], len(self._video) / 30)
        gone = ids == ABSENT
        axis.hlines(y[gone] + 0.5, begin[gone], end[gone], color="0.6", ls=":", lw=1)
        t, at = np.array([(t, row[who]) for t, who, *_ in side.switches]).reshape(-1, 2).T
        axis.vlines(t, at, at + 1, color="k", lw=2)
        top, high = (0, len(side.who)) if marked is None else (row[marked], 1)
        for t in moments:
            axis.add_patch(plt.Rectangle((t, top), 1, high, fill=False, ec="k", lw=1))
        axis.set(xlim=(0, len(self._video)), ylim=(len(side.who), 0), xlabel="frame")
        step = max(1, len(side.who) // 20)
        axis.set_yticks(np.arange(0, len(side.who), step) + 0.5, side.who[::step])
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_ylabel("true person" if self.scene["truth"] else "id")
        axis.set_title(_counted(side), fontsize=9)

    # what the script draws

    def _scene(self, with_truth: bool) -> dict:
        frames = [frame_of(self._video, t, self._size) for t in range(len(self._video))]
        if self._video.frames is not None and not any(frame is not None for frame in frames):
            raise WorkbookError(
                f"player: no frame of {self._video.name} is a picture, uint8 (H, W, 3); give frames=None."
            )
        distinct: list[People] = []
        places = [_place(distinct, side.people) for side in self._sides]
        scored = "score" in self._limits
        return {
            "size": self._size,
            "pictures": any(frame is not None for frame in frames),
            "frames": [None if frame is None else address(stored_frame(frame), "webp", QUALITY) for frame in frames],
            "truth": with_truth,
            "true": self._true_boxes,
            "trail": TRAIL,
            "poses": [_poses(people, len(self._video), scored) for people in distinct],
            "sides": [_sent(side, k, len(self._video)) for side, k in zip(self._sides, places, strict=True)],
            "layers": [
                [name, colour, [rows.round(2) for rows in self._layers[name]]]
                for name, colour in zip(self._layers, LAYER_COLOURS, strict=False)
            ],
            "sliders": list(self._limits),
        }


def _check_names(limits: Mapping[str, float], layers: Mapping) -> None:
    if len(layers) > len(LAYER_COLOURS):
        raise WorkbookError(f"player: {len(layers)} layers of boxes, at most {len(LAYER_COLOURS)} can be told apart.")
    unknown = [name for name in limits if name not in {*layers, "score"} or name in ("frame", "person")]
    if unknown or "score" in layers:
        raise WorkbookError(f"player: {(*unknown, 'score')[0]} is not the name of a layer of boxes.")


def _filled(track: int) -> tuple[float, float, float]:
    """RGB of a stretch of a lane in the static picture; frames that nobody labelled are nearly white."""
    return (0.93, 0.93, 0.93) if track == UNLABELLED else plots.track_colour(int(track))


# --- small things --------------------------------------------------------------------------------------------


def _place(distinct: list[People], people: People) -> int:
    """Where people's poses stand in the list, which keeps equal ones once: trackers differ by ids only."""
    for k, known in enumerate(distinct):
        fields = ("frame", "xy", "present", "box", "score")
        if all(np.array_equal(getattr(known, f), getattr(people, f), equal_nan=True) for f in fields):
            return k
    distinct.append(people)
    return len(distinct) - 1


def _poses(people: People, n_frames: int, scored: bool) -> dict:
    """Joints of each frame's people; boxes and scores where they are drawn."""
    rows = people.rows_by_frame(n_frames)
    out: dict[str, list] = {"xy": [poses(people.xy[r], people.present[r]) for r in rows]}
    if scored:
        out |= {"box": [people.box[r].round(1) for r in rows], "score": [people.score[r].round(2) for r in rows]}
    return out


def _sent(side: Lanes, poses_at: int, n_frames: int) -> dict:
    rows = side.people.rows_by_frame(n_frames)
    return {
        "name": side.name,
        "poses": poses_at,
        "ids": [side.people.track[r] for r in rows],
        "lane": [side.lane[r] for r in rows],
        "who": side.who,
        "empty": side.empty,
    }


def _over(image: np.ndarray, people: People, scale: int) -> np.ndarray:
    """People drawn into an image that is already enlarged."""
    return plots.draw_people(image, people.replace(xy=people.xy * scale), thickness=scale + 1)


def _rectangles(axis: Axes, boxes: np.ndarray, colour, width: float, style: str = "-") -> None:
    for x1, y1, x2, y2 in boxes[np.isfinite(boxes).all(1)]:
        axis.add_patch(plt.Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=colour, lw=width, ls=style))


def _head(people: People, i: int) -> tuple[float, float] | None:
    """Where a plate stands: at the head, else at the highest joint, else on the box; None without any."""
    known = people.present[i] & np.isfinite(people.xy[i]).all(-1)
    heads = [INDEX[name] for name in ("head_top", "nose", "head_bottom") if known[INDEX[name]]]
    if known.any():
        j = heads[0] if heads else int(np.where(known, people.xy[i, :, 1], np.inf).argmin())
        return float(people.xy[i, j, 0]), float(people.xy[i, j, 1]) - 4
    box = people.box[i]
    return (float(box[[0, 2]].mean()), float(box[1])) if np.isfinite(box).all() else None


def _is_light(colour: tuple[float, float, float]) -> bool:
    return float(np.dot(colour, (0.299, 0.587, 0.114))) > 0.55


def _is_number(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and np.isfinite(value)


def _counted(side: Lanes) -> str:
    """What the lanes show; of detections without ids only who is found."""
    n, words = len(side.switches), "grey: found"
    if (side.people.track >= 0).any():
        words = f"{n} switch{'es' * (n != 1)}" + ": a black mark is one" * bool(n)
    return f"{side.name}: " * bool(side.name) + words


def _numbered(axis: Axes, bars: list[tuple[int, int, int, int]], least: float) -> None:
    """The ids in the lanes' stretches that are wide enough: colours repeat, numbers do not."""
    for y, begin, end, track in bars:
        if track >= 0 and end - begin >= least * (0.4 + 0.6 * len(str(track))):
            ink = "black" if _is_light(plots.track_colour(track)) else "white"
            axis.text(begin + 0.2 * least, y + 0.52, str(track), color=ink, fontsize=6, va="center", clip_on=True)


def _titled(side: Lanes, t: int) -> str:
    so_far = f", {sum(switch[0] <= t for switch in side.switches)} switches so far"
    return f"{side.name}, " * bool(side.name) + f"frame {t}" + so_far * bool((side.people.track >= 0).any())


def _few(values: list[int]) -> str:
    return ", ".join(map(str, values[:8])) + " …" * (len(values) > 8) if values else "nobody"
