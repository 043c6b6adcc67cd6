"""One or two poses whose joints are dragged, while functions in Python say what it means for a number.

Notebook 01 shows PCKh, OKS, AP and MOTA of a frame with it, before they are derived; any function of two poses goes
the same way: a cost, an embedding's distance, a logit.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import WorkbookError
from helpers.notebook import plots
from helpers.notebook.widgets.base import Live, address, pixels, poses, side_by_side
from helpers.people import People, extent_boxes
from helpers.skeleton import INDEX, JOINTS, LIMBS, N_JOINTS

#: A data set's poses that one list can offer and a notebook can store.
MOST_CHOICES = 300
#: What a measure may return for every joint, by name; the first letter tells it from other dicts of numbers.
_NAMES = {spelt: i for i, name in enumerate(JOINTS) for spelt in (name, name.replace("_", " "))}


class PoseEditor(Live):
    """Joints dragged on one or two poses, with the numbers that Python's functions give them.

    given: People or an array (P, 15, 2) in pixels with present (P, 15); P is 1 or 2. The first pose is dragged; the
    second too unless it is `fixed` (a truth). An absent joint is hollow and can be shown: it waits where a standing
    person of that size would have it. names: what the poses are called.
    measures: name → f(xy (P, 15, 2), present (P, 15)) → a number, a text, or a dict of them; a dict by joint name, bool
    (right or wrong) or number, colours the first pose's joints. One that raises says so on its own line.
    around: name → (15,) pixels around the second pose's joints (the only one's where there is one): a limit, drawn as
    circles. hills: the same for a soft similarity exp(−d² / 2 r²).
    choices: People of a data set that can take a pose's place (in the middle of the window where they lie outside),
    called by `choice_names`. image: uint8 H×W×3, whose pixels the poses are given in; window: the part that is shown,
    x1 y1 x2 y2 pixels. strip: pictures for readers without widgets, {joint: (x, y)} of the first pose each (None hides
    the joint), beside that of the start.

    `editor.answer` is {"numbers": {…}, "joints": {measure: (15,)}, "faults": {measure: message}}. Raises WorkbookError
    for poses, sizes and names that do not fit. Notebook 01.
    """

    kind = "pose_editor"

    def __init__(
        self,
        given: People | ArrayLike,
        present: ArrayLike | None = None,
        *,
        measures: Mapping[str, Callable] | None = None,
        fixed: bool = True,
        names: Sequence[str] = ("predicted", "true"),
        around: Mapping[str, ArrayLike] | None = None,
        hills: Mapping[str, ArrayLike] | None = None,
        choices: People | None = None,
        choice_names: Sequence[str] | None = None,
        image: np.ndarray | None = None,
        window: ArrayLike | None = None,
        strip: Sequence[Mapping[str, ArrayLike | None]] = (),
        title: str = "Pose editor",
    ):
        xy, present = _start(given, present)
        self._measures, self._image, self._names = dict(measures or {}), _image(image), list(names[: len(xy)])
        self._rings = _rings(around, "circle") + _rings(hills, "hill")
        self._choices = _choices(choices, choice_names)
        self._window = _window(window, self._image, [xy, *(p for p, _, _ in self._choices)])
        self._choices = [(_inside(p, on, self._window), on, name) for p, on, name in self._choices]
        self._loose = 1 if fixed else len(xy)
        start = {"xy": xy.reshape(-1, 2 * N_JOINTS), "present": present}
        scene = {
            "start": start,
            "names": self._names,
            "loose": self._loose,
            "measures": list(self._measures),
            "rings": [[name, kind, radii] for name, kind, radii in self._rings],
            "choices": [[name, poses(p, np.ones((1, N_JOINTS), bool))[0], on] for p, on, name in self._choices],
            "window": self._window,
            "image": self._backdrop(),
        }
        view = {**start, "pose": 0, "joint": INDEX["right_wrist"]}
        view |= {"ring": 0 if self._rings else -1, "choice": [-1] * len(xy)}
        super().__init__(title, scene, view)
        self._strip = [self._with_joints(self.view, 0, joints) for joints in strip]

    # what the reader changes

    def checked(self, view: dict) -> dict:
        n = len(self._names)
        xy, present = _array(view["xy"], "xy", float), _array(view["present"], "present", bool)
        if xy.size != n * 2 * N_JOINTS or present.shape != (n, N_JOINTS):
            raise WorkbookError(
                f"pose editor: xy {xy.shape} and present {present.shape} do not hold {n} poses of {N_JOINTS} joints."
            )
        _check_places(xy.reshape(n, N_JOINTS, 2), self._window)
        out = {"xy": xy.reshape(n, 2 * N_JOINTS), "present": present}
        out |= {"pose": _one(view["pose"], "pose", 0, self._loose), "joint": _one(view["joint"], "joint", 0, N_JOINTS)}
        out["ring"] = _one(view["ring"], "ring", -1, len(self._rings))
        if not isinstance(view["choice"], (list, tuple)) or len(view["choice"]) != n:
            raise WorkbookError(f"pose editor: choice {view['choice']} does not hold one number for each of {n} poses.")
        return out | {"choice": [_one(k, "choice", -1, len(self._choices)) for k in view["choice"]]}

    def move_joint(self, pose: int, name: str, place: ArrayLike | None) -> dict:
        """Put a joint to place (2,) pixels and show it, or with None hide it; returns the answer. Errors as `move`."""
        return self.move(**self._with_joints(self.view, pose, {name: place}))

    def pick(self, k: int, pose: int = 0) -> dict:
        """Put choice k in a pose's place; returns the answer. Errors as `move`."""
        k, pose = _one(k, "choice", 0, len(self._choices)), _one(pose, "pose", 0, self._loose)
        xy, present, choice = _view_arrays(self.view) + (list(self.view["choice"]),)
        xy[pose], present[pose], choice[pose] = self._choices[k][0][0], self._choices[k][1], k
        return self.move(xy=xy, present=present, choice=choice, pose=pose)

    def _with_joints(self, view: dict, pose: int, joints: Mapping[str, ArrayLike | None]) -> dict:
        """The view with some joints of a pose elsewhere, and shown; None hides one."""
        xy, present = _view_arrays(view)
        pose = _one(pose, "pose", 0, len(xy))
        for name, place in joints.items():
            j = _joint(name)
            present[pose, j] = place is not None
            if place is not None:
                xy[pose, j] = _array(place, f"place of {name}", float)
        return {**view, "xy": xy.reshape(len(xy), -1).tolist(), "present": present.tolist()}

    # what Python says of it

    def answers(self, view: dict) -> dict:
        answer, errors = self._measured(view)
        self._error = errors[0] if errors else None  # so that `move` raises it, while the widget shows the rest
        return answer

    def _measured(self, view: dict) -> tuple[dict, list[Exception]]:
        """What each measure says, and what was raised."""
        xy, present = _view_arrays(view)
        out: dict[str, dict] = {"numbers": {}, "joints": {}, "faults": {}}
        errors = []
        for name, measure in self._measures.items():
            try:
                kind, values = _said(name, measure(xy.copy(), present.copy()))
                out[kind] |= values
            except Exception as error:
                out["faults"][name] = f"{type(error).__name__}: {error}"
                errors.append(error)
        return out, errors

    # pictures

    def draw(self, view: dict) -> np.ndarray:
        return pixels(self._figure(view))

    def still(self) -> np.ndarray:
        return side_by_side(self.draw(view) for view in (self.view, *self._strip))

    def _figure(self, view: dict) -> Figure:
        answer, _ = self._measured(view)
        (x1, y1, x2, y2), rows = self._window, _rows(answer)
        wide, below = 3.2, 0.2 * (1.5 + len(rows))
        high = min(4.5, wide * (y2 - y1) / (x2 - x1))
        figure, (axis, table) = plt.subplots(
            2, 1, figsize=(wide, high + below), height_ratios=(high, below), layout="constrained"
        )
        if self._image is not None:
            h, w = self._image.shape[:2]
            axis.imshow(self._image, extent=(0, w, h, 0), alpha=0.6)
        self._draw_rings(axis, view)
        for pose, (xy, present) in reversed(list(enumerate(zip(*_view_arrays(view), strict=True)))):
            right = next(iter(answer["joints"].values()), None) if pose == 0 else None
            _draw_pose(axis, xy, present, plots.TRACK_COLOURS[pose], right, loose=pose < self._loose)
        axis.set(xlim=(x1, x2), ylim=(y2, y1), aspect="equal")
        axis.axis("off")
        _write_numbers(table, self._names, rows)
        return figure

    def _draw_rings(self, axis: Axes, view: dict) -> None:
        if view["ring"] < 0:
            return
        _, kind, radii = self._rings[view["ring"]]
        xy, present = (a[-1] for a in _view_arrays(view))
        for j in np.flatnonzero(present):
            axis.add_patch(plt.Circle(xy[j], radii[j], color=plots.TRACK_COLOURS[1], alpha=0.25, fill=kind == "circle"))
            if kind == "hill" and j == view["joint"]:  # of the chosen joint: all of them would hide what lies below
                for share in np.linspace(0.25, 2, 8):
                    look: dict[str, Any] = {"color": plots.TRACK_COLOURS[1], "alpha": 0.12, "lw": 0}
                    axis.add_patch(plt.Circle(xy[j], share * radii[j], **look))

    def _backdrop(self) -> dict | None:
        """The part of the image that the window shows, and where it lies."""
        if self._image is None:
            return None
        h, w = self._image.shape[:2]
        x1, y1, x2, y2 = np.clip(np.array([*np.floor(self._window[:2]), *np.ceil(self._window[2:])]), 0, [w, h, w, h])
        part = self._image[int(y1) : int(y2), int(x1) : int(x2)]
        return {"source": address(part, quality=80), "box": [x1, y1, x2, y2]} if part.size else None


# what may be given


def _start(given, present) -> tuple[np.ndarray, np.ndarray]:
    """xy (P, 15, 2), finite, and present (P, 15) of one or two poses."""
    if isinstance(given, People):
        given, present = given.xy, given.present
    xy = _array(given, "poses", float)
    if xy.ndim != 3 or xy.shape[1:] != (N_JOINTS, 2):
        raise WorkbookError(f"pose editor: poses of shape {xy.shape} are not (P, {N_JOINTS}, 2).")
    if not 1 <= len(xy) <= 2:
        raise WorkbookError(f"pose editor: {len(xy)} poses are given, one or two are edited; offer others as choices.")
    present = np.ones(xy.shape[:2], bool) if present is None else _array(present, "present", bool)
    if present.shape != xy.shape[:2]:
        raise WorkbookError(f"pose editor: present {present.shape} does not fit poses {xy.shape}.")
    return _placed(xy, present)


def _placed(xy: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses whose joints without a finite place are absent, and whose absent joints lie where they might be shown."""
    present = present & np.isfinite(xy).all(-1)
    standing, xy = plots.standing_pose(), xy.copy()
    for pose, on in zip(xy, present, strict=True):
        centre, scale = np.array([50.0, 100.0]), 1.0
        to = centre
        if on.any():
            centre, to = standing[on].mean(0), pose[on].mean(0)
            spread = [np.linalg.norm(p[on] - m) for p, m in ((standing, centre), (pose, to))]
            scale = spread[1] / spread[0] if min(spread) > 0 else scale
        pose[~on] = (standing[~on] - centre) * scale + to
    return xy, present


def _image(image) -> np.ndarray | None:
    if image is None:
        return None
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise WorkbookError(f"pose editor: an image {image.shape} of {image.dtype} is not uint8 H×W×3.")
    return image


def _rings(given, kind: str) -> list[tuple[str, str, np.ndarray]]:
    out = []
    for name, radii in (given or {}).items():
        radii = _array(radii, name, float)
        if radii.shape != (N_JOINTS,) or not (np.isfinite(radii) & (radii >= 0)).all():
            raise WorkbookError(f"pose editor: {name} does not hold {N_JOINTS} radii in pixels, none negative or NaN.")
        out.append((name, kind, radii))
    return out


def _choices(choices: People | None, names) -> list[tuple[np.ndarray, list[bool], str]]:
    """Poses (1, 15, 2), their presence and their names."""
    if choices is None:
        return []
    if not 1 <= len(choices) <= MOST_CHOICES:
        raise WorkbookError(f"pose editor: {len(choices)} poses to choose from, 1 to {MOST_CHOICES} can be offered.")
    names = names or [f"frame {f}, track {t}" for f, t in zip(choices.frame, choices.track, strict=True)]
    if len(names) != len(choices):
        raise WorkbookError(f"pose editor: {len(names)} names for {len(choices)} poses to choose from.")
    xy, present = _placed(choices.xy, choices.present)
    return [(xy[i : i + 1], present[i].tolist(), str(name)) for i, name in enumerate(names)]


def _window(window, image, places: Sequence[np.ndarray]) -> list[float]:
    """The part that is shown, x1 y1 x2 y2: the image, or the poses' extent with a margin."""
    if window is not None:
        box = _array(window, "window", float)
        if box.shape != (4,) or not np.isfinite(box).all() or not (box[2:] > box[:2]).all():
            raise WorkbookError(f"pose editor: window {window} is not x1 y1 x2 y2 in pixels with x1 < x2 and y1 < y2.")
    elif image is not None:
        box = np.array([0, 0, image.shape[1], image.shape[0]], float)
    else:
        points = np.concatenate([p.reshape(1, -1, 2) for p in places], 1)
        box = extent_boxes(points, np.ones(points.shape[:2], bool), enlarge=0.2)[0]
        box += np.array([-1, -1, 1, 1]) * np.maximum(0, 20 - (box[2:] - box[:2]).min())  # a pose in one point
    return box.round(1).tolist()


def _inside(xy: np.ndarray, present: Sequence[bool], window: Sequence[float]) -> np.ndarray:
    """A pose (1, 15, 2) whose centre lies in the window; one from elsewhere is put into its middle."""
    centre, low, high = xy[0, present].mean(0) if any(present) else xy[0].mean(0), window[:2], window[2:]
    inside = (centre >= low).all() and (centre <= high).all()
    return xy if inside else xy - centre + np.add(low, high) / 2


# what a view may hold


def _array(value, what: str, kind: type) -> np.ndarray:
    try:
        return np.array(value, kind)
    except (TypeError, ValueError) as error:
        raise WorkbookError(f"pose editor: {what} does not hold numbers of one shape.") from error


def _view_arrays(view: dict) -> tuple[np.ndarray, np.ndarray]:
    return np.array(view["xy"], float).reshape(-1, N_JOINTS, 2), np.array(view["present"], bool)


def _check_places(xy: np.ndarray, window: Sequence[float]) -> None:
    """A joint may lie up to twice the window's size outside it: beyond nobody would find it again."""
    low, high = np.array(window[:2]), np.array(window[2:])
    reach = 2 * (high - low)
    wrong = ~((xy >= low - reach) & (xy <= high + reach)).all(-1)  # NaN is wrong, too
    if wrong.any():
        pose, j = np.argwhere(wrong)[0]
        place = " ".join(f"{v:g}" for v in xy[pose, j])
        raise WorkbookError(f"pose editor: {JOINTS[j]} of pose {pose} at ({place}) is no place near the window.")


def _one(value, what: str, low: int, end: int) -> int:
    if (
        isinstance(value, (bool, np.bool_))
        or not isinstance(value, (int, float, np.number))
        or value not in range(low, end)
    ):
        raise WorkbookError(f"pose editor: {what} {value} is not one of {low} … {end - 1}.")
    return int(value)


def _joint(name: str) -> int:
    if name not in _NAMES:
        raise WorkbookError(f"pose editor: {name!r} is no joint; there are {', '.join(JOINTS)}.")
    return _NAMES[name]


# what a measure may say


def _said(name: str, value) -> tuple[str, dict]:
    """("numbers", rows of the table) or ("joints", {name: (15,) with None}) of what a measure returned."""
    if not isinstance(value, Mapping):
        return "numbers", {name: _number(name, value)}
    if value and set(value) <= set(_NAMES):
        row: list = [None] * N_JOINTS
        for joint, number in value.items():
            row[_NAMES[joint]] = _number(name, number)
        return "joints", {name: row}
    return "numbers", {f"{name}: {key}": _number(name, number) for key, number in value.items()}


def _number(name: str, value):
    value = value.item() if isinstance(value, (np.generic, np.ndarray)) and np.size(value) == 1 else value
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()  # one number of another library, a logit say
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise TypeError(f"{name} returned {type(value).__name__}, where a number, a text or a dict of them is shown")
    return value


# static pictures


def _draw_pose(axis: Axes, xy, present, colour: str, values, loose: bool) -> None:
    """Limbs in the pose's colour, joints in their group's; crosses where a value says wrong, hollow where absent."""
    for a, b in LIMBS:
        if present[a] and present[b]:
            axis.plot(*xy[[a, b]].T, color=colour, lw=2.5 if loose else 1.5, zorder=2)
    for j, name in enumerate(JOINTS):
        if present[j]:
            axis.plot(*xy[j], "o", color=plots.joint_colour(name) if loose else colour, ms=6 if loose else 3, zorder=3)
            if values is not None and values[j] is False:
                axis.plot(*xy[j], "x", color="#d55e00", ms=11, mew=2.5, zorder=4)
        elif loose:
            axis.plot(*xy[j], "o", mfc="none", mec="0.4", ms=6, zorder=3)


def _rows(answer: dict) -> list[tuple[str, str]]:
    """What the measures say, as texts."""
    rows = [(name, _text(value)) for name, value in answer["numbers"].items()]
    rows += [(name, _right(values)) for name, values in answer["joints"].items()]
    return rows + [(name, text[:32]) for name, text in answer["faults"].items()]


def _write_numbers(axis: Axes, names: Sequence[str], rows: Sequence[tuple[str, str]]) -> None:
    """The poses' names in their colours, and below them what the measures say."""
    axis.axis("off")
    axis.set(xlim=(0, 1), ylim=(len(rows) + 1, 0))
    for i, name in enumerate(names):
        axis.text(0.5 * i, 0.1, f"— {name}", color=plots.TRACK_COLOURS[i], va="top", weight="bold")
    for k, (name, text) in enumerate(rows):
        axis.text(0, k + 1.1, name, va="top")
        axis.text(1, k + 1.1, text, va="top", ha="right", weight="bold")


def _text(value) -> str:
    return "–" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def _right(values: Sequence) -> str:
    known = [v for v in values if v is not None]
    if all(isinstance(v, bool) for v in known):
        return f"{sum(known)} of {len(known)}"
    return f"{min(known):.2f} … {max(known):.2f}" if known else "–"
