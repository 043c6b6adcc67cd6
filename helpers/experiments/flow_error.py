"""How far flow is off: of all pixels, by region and speed, and of the joints that it carries to the next frame.

The built-in world knows both truths exactly. On the real clip the truth is what was found, or annotated, in the next
frame, so that the pose network's own unsteadiness counts as well. Notebook 09 shows what the tracker needs of flow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np

from helpers import WorkbookError, puppets
from helpers.detections import flow
from helpers.detections.flow import Provider
from helpers.experiments import runs
from helpers.intervals import Weights
from helpers.nets.sampling import frames_of
from helpers.people import People, Video
from helpers.puppets.render import owners
from helpers.puppets.scene import CAPSULES, Scene
from helpers.tracking.controls import truth_ids

#: Where a pixel is: on a person, on the backdrop or a thing; or its target is hidden, or out of the image.
REGIONS = ("people", "background", "occluded")
#: Where the bins of speed begin, pixels per frame.
SPEEDS = (0.0, 1.0, 3.0, 6.0)
#: Worlds that differ in one thing: frames as they are, the shutter open all the time, and the one pair of
#: frames between which the camera shifts suddenly.
CONDITIONS: dict[str, dict] = {"plain": {"shift": 0.0}, "blurred": {"shift": 0.0, "blur": 1.0}}
CONDITIONS["camera shifts"] = {"shift": 1.0}
#: A joint further off than this share of the head is lost, as PCKh counts; and how near, in pixels, another is.
LOST, NEAR = 0.5, 3
#: So many pairs of neighbouring frames of the real clip count as one, as a video does: close frames are alike.
BLOCK = 5

#: What `render.owners` counts of a person: the capsules and the trunk.
_PARTS = len(CAPSULES) + 1
#: The marks of joints in the built-in world.
MARKS = ("hidden next", "beside others", "fast")

#: A provider for a video: the exact flow belongs to one, the others are the same for all.
Maker = Callable[[Video], Provider]


def makers(names: Sequence[str]) -> dict[str, Maker]:
    """Providers by name: those of `flow.PROVIDERS`, "exact", and "shuffled", which is DIS of another place.

    Raises WorkbookError as `flow.provider`.
    """
    dis = _Last(flow.Dis())
    own: dict[str, Provider] = {"dis": dis, "shuffled": flow.Shuffled(dis)}

    def maker(name: str) -> Maker:
        one = own.get(name) or flow.provider(name)
        return lambda _: one

    return {name: flow.PuppetFlow if name == "exact" else maker(name) for name in names}


class _Last:
    """A provider that remembers its last answer: DIS and its control need the same one."""

    def __init__(self, provider: Provider):
        self._provider = provider
        self._pair: tuple[np.ndarray, ...] = ()
        self._flow = np.zeros(0)

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if not self._pair or self._pair[0] is not a or self._pair[1] is not b:
            self._pair, self._flow = (a, b), self._provider(a, b)
        return self._flow


@dataclass(frozen=True)
class Field:
    """End-point errors of one provider: their sums in pixels and how many pixels they are of, (V, regions, speeds)."""

    total: np.ndarray
    count: np.ndarray

    @property
    def n_videos(self) -> int:
        """Number of videos V."""
        return len(self.total)

    def mean(self, videos: Weights = None, region: str | None = None, speed: int | None = None) -> float:
        """Mean end-point error in px of a region, of a bin of `SPEEDS`, or of all; NaN where there is no pixel."""
        kept = slice(None) if region is None else [REGIONS.index(region)]
        bins = slice(None) if speed is None else [speed]
        total, count = (part[:, kept][:, :, bins].sum((1, 2)) for part in (self.total, self.count))
        return _mean_of_videos(total, count, videos)


@dataclass(frozen=True)
class Joints:
    """Joints that were carried along the flow, (N,) each, of V videos.

    video: which; frame: from which one to the next; error: px off in the next frame; speed: px that the joint has
    moved; head: its person's head size, px; marks: what else holds for each, by name, bool.
    """

    n_videos: int
    video: np.ndarray
    frame: np.ndarray
    error: np.ndarray
    speed: np.ndarray
    head: np.ndarray
    marks: dict[str, np.ndarray] = field(default_factory=dict)

    def mean(self, videos: Weights = None, mark: str | None = None) -> float:
        """Mean error in px of the joints that have a mark, or of all; NaN without any."""
        return self._mean(self.error, videos, mark)

    def lost(self, videos: Weights = None, mark: str | None = None) -> float:
        """Per cent of the joints that end further off than half a head."""
        return 100 * self._mean(self.error > LOST * self.head, videos, mark)

    def _mean(self, value: np.ndarray, videos: Weights, mark: str | None) -> float:
        kept = np.ones(len(value), bool) if mark is None else self.marks[mark]
        total, count = (np.bincount(self.video, part * kept, self.n_videos) for part in (value, 1))
        return _mean_of_videos(total, count, videos)


def _mean_of_videos(total: np.ndarray, count: np.ndarray, videos: Weights) -> float:
    """The mean over videos (V,) of each one's mean, those left out that have nothing to count.

    All pixels in one mean would be a mean of the one video whose camera sweeps.
    """
    weights = (count > 0) * (1.0 if videos is None else np.asarray(videos, float))
    return float(weights @ (total / np.maximum(count, 1)) / weights.sum()) if weights.any() else float("nan")


def under(condition: str, n: int = 20, pairs: int = 2, split: str = "val") -> tuple[list[Video], list[np.ndarray]]:
    """Videos of a condition, and for each the frames from which to the next one flow is measured.

    The pairs lie evenly in the labelled run; where the camera shifts it is the one pair at the shift.
    """
    if condition not in CONDITIONS:
        raise WorkbookError(f"condition {condition!r} is unknown; there are {', '.join(CONDITIONS)}.")
    videos = puppets.videos(split, n=n, **CONDITIONS[condition])
    if condition == "camera shifts":
        return videos, [np.array([np.abs(np.diff(puppets.scene_of(v).camera.yaw)).argmax()]) for v in videos]
    return videos, [pairs_in_run(v, pairs) for v in videos]


def pairs_in_run(video: Video, pairs: int) -> np.ndarray:
    """(pairs,) frames of the labelled run, evenly apart, none its last. Raises WorkbookError if it is shorter."""
    begin = puppets.dense_run(video)[:-1]
    if not 1 <= pairs <= len(begin):
        raise WorkbookError(f"{video.name}: has no {pairs} pairs of frames in its labelled run.")
    return np.linspace(begin[0], begin[-1], pairs).round().astype(int)


def compare(
    videos: Sequence[Video], which: Sequence[np.ndarray], flows: dict[str, Maker]
) -> dict[str, tuple[Field, Joints]]:
    """Every provider on the same pairs of frames of rendered puppet videos.

    A joint counts that is seen in the first frame, wherever the next one has it. Its marks: "hidden next" (or out of
    view), "beside others" (somebody else or a thing is painted within 3 px of it), "fast" (it moves 3 px or more).
    """
    shape = (len(videos), len(REGIONS), len(SPEEDS))
    total = {name: np.zeros(shape) for name in flows}
    count = np.zeros(shape)
    carried: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in flows}
    for v, (video, frames) in enumerate(zip(videos, which, strict=True)):
        providers = {name: make(video) for name, make in flows.items()}
        scene, seen_frames = puppets.scene_of(video), frames_of(video)
        for t in frames.tolist():
            a, b, (truth, seen) = seen_frames[t], seen_frames[t + 1], puppets.flow(video, t)
            owner = owners(scene, t)
            cells, joints = _cells(scene, owner, truth, seen), _joints(scene, t, owner)
            count[v] += np.bincount(cells, minlength=count[v].size).reshape(shape[1:])
            for name, provider in providers.items():
                found = provider(a, b)
                off = np.linalg.norm(found - truth, axis=-1).ravel()
                total[name][v] += np.bincount(cells, off, count[v].size).reshape(shape[1:])
                error = np.linalg.norm(flow.moved(found, joints["xy"])[0] - joints["next"], axis=-1)
                carried[name].append({"video": np.full(len(error), v), "frame": np.full(len(error), t), "error": error})
                carried[name][-1] |= joints
    return {name: (Field(total[name], count), _joined(len(videos), carried[name], MARKS)) for name in flows}


def _cells(scene: Scene, owner: np.ndarray, truth: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Of each pixel (H · W,) the number of its region and speed."""
    person = (owner > 0) & (owner <= len(scene.joints) * _PARTS)
    region = np.where(seen, np.where(person, 0, 1), 2)
    speed = np.digitize(np.linalg.norm(truth, axis=-1), SPEEDS[1:])
    return (region * len(SPEEDS) + speed).ravel()


def _joints(scene: Scene, t: int, owner: np.ndarray) -> dict[str, np.ndarray]:
    """Everybody's joints that are seen in frame t: where they are, where they go, and what marks them."""
    visible = scene.visible()
    person, joint = np.nonzero(visible[:, t])
    xy, after = scene.joints[person, t, joint], scene.joints[person, t + 1, joint]
    speed = np.linalg.norm(after - xy, axis=-1)
    return {
        "xy": xy,
        "next": after,
        "speed": speed,
        "head": scene.head[person, t],
        "hidden next": ~visible[person, t + 1, joint],
        "beside others": _beside_others(owner, np.rint(xy).astype(int), person),
        "fast": speed >= SPEEDS[2],
    }


def _beside_others(owner: np.ndarray, pixel: np.ndarray, person: np.ndarray) -> np.ndarray:
    """(N,) bool: within 3 px of a joint somebody else or a thing is painted."""
    out = np.zeros(len(pixel), bool)
    for i, (x, y) in enumerate(pixel):
        window = owner[max(0, y - NEAR) : y + NEAR + 1, max(0, x - NEAR) : x + NEAR + 1]
        out[i] = ((window[window > 0] - 1) // _PARTS != person[i]).any()
    return out


def _joined(n_videos: int, parts: list[dict[str, np.ndarray]], marks: Sequence[str]) -> Joints:
    names = ("video", "frame", "error", "speed", "head", *marks)
    whole = {name: np.concatenate([part[name] for part in parts]) for name in names}
    video, frame, error, speed, head = (whole[name] for name in names[:5])
    return Joints(n_videos, video, frame, error, speed, head, {mark: whole[mark] for mark in marks})


def further(
    videos: Sequence[Video], make: Maker, reach: Sequence[int] = (1, 2, 4, 8), chained: bool = True
) -> dict[int, Joints]:
    """Joints carried over 1 … max(reach) frames: by each pair's flow in turn, or by the flow straight from the first.

    Multi-frame similarity needs the way from each frame of its queue; the paper does not say which of the two it
    takes. From the first labelled frame of the run on; a joint counts that is seen in both frames, and one whose
    place the chain has lost stays where it was last. The exact flow knows no way but the chained one.
    """
    rows: dict[int, list[dict[str, np.ndarray]]] = {k: [] for k in reach}
    for v, video in enumerate(videos):
        provider, scene, frames = make(video), puppets.scene_of(video), frames_of(video)
        visible, t = scene.visible(), int(pairs_in_run(video, 1)[0])
        first = last = frames[t]
        xy = scene.joints[:, t]
        for k in range(1, max(reach) + 1):
            if chained or k in reach:
                now = frames[t + k]
                xy = flow.moved(provider(last if chained else first, now), xy if chained else scene.joints[:, t])[0]
                last = now
            if k in reach:
                seen = np.nonzero(visible[:, t] & visible[:, t + k])
                rows[k].append(_off(v, t, xy[seen], scene.joints[:, t][seen], scene.joints[:, t + k][seen]))
                rows[k][-1]["head"] = scene.head[seen[0], t]
    return {k: _joined(len(videos), parts, ()) for k, parts in rows.items()}


def _off(v: int, t: int, xy: np.ndarray, start: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    error, speed = (np.linalg.norm(truth - of, axis=-1) for of in (xy, start))
    return {"video": np.full(len(xy), v), "frame": np.full(len(xy), t), "error": error, "speed": speed}


def field_rows(errors: dict[str, tuple[Field, Joints]]) -> list[dict]:
    """Mean end-point error in px, with its interval over videos, of every provider, region and bin of speed."""
    ends = (*(f"{low:g} to {high:g} px" for low, high in pairwise(SPEEDS)), f"{SPEEDS[-1]:g} px and more")
    parts: list[tuple[str, str | None, int | None]] = [("all", None, None), *((name, name, None) for name in REGIONS)]
    parts += [(name, None, i) for i, name in enumerate(ends)]
    return [
        {"flow": name, "pixels": part, **_estimated(partial(of.mean, region=region, speed=speed), len(of.total))}
        for name, (of, _) in errors.items()
        for part, region, speed in parts
    ]


def joint_rows(errors: dict[str, Joints], lost: bool = False) -> list[dict]:
    """The same of carried joints: their mean error in px, or the per cent lost, of all and of those with a mark."""
    rows = []
    for name, of in errors.items():
        measure = of.lost if lost else of.mean
        for mark in (None, *of.marks):
            rows.append({"flow": name, "joints": mark or "all", **_estimated(partial(measure, mark=mark), of.n_videos)})
    return rows


def gain(ours: Joints | Field, baseline: Joints | Field, part: str | None = None) -> dict[str, float]:
    """Mean error of the baseline minus ours, in px, on the same joints or pixels, with the paired interval over videos.

    part: a mark of the joints or a region of the pixels; None: all.
    """
    return _estimated(lambda v: baseline.mean(v, part) - ours.mean(v, part), ours.n_videos)


def beside(name: str, other: str, n: int = 8) -> list[dict]:
    """Mean errors of two providers in px, on one pair of frames of each of n videos, and what the first has less.

    By region of the pixels and at the joints; value, low and high are of the second one's error minus the first one's.
    Raises WorkbookError as `flow.provider`.
    """
    made = compare(*under("plain", n=n, pairs=1), makers((other, name)))
    parts: list[tuple[str, int, str | None]] = [(f"pixels: {region}", 0, region) for region in REGIONS]
    return [
        {"where": where, **{way: made[way][k].mean(None, part) for way in (other, name)}}
        | gain(made[name][k], made[other][k], part)
        for where, k, part in [*parts, ("joints", 1, None)]
    ]


def _estimated(measure: Callable[[Weights], float], n_videos: int) -> dict[str, float]:
    value, (low, high) = runs.estimate(lambda v, _: measure(v), (1, n_videos))
    return {"value": value, "low": low, "high": high}


# --- the real clip ------------------------------------------------------------------------------------


def on_clip(
    clip: Video, people: dict[str, People], flows: dict[str, Provider], least: float = 0.3
) -> dict[str, dict[str, Joints]]:
    """How far joints that were carried along the flow are from the same person's in the next frame of a real clip.

    people: whose joints, by name: what was found, or `clip.people` for what was annotated; the answer has for each
    every flow's errors. Who is the same is known from the annotation (`controls.truth_ids`); joints scored below
    least are left out. Five pairs of frames in a row count as one video, so an interval speaks of further moments of
    this clip. Raises WorkbookError for a clip without frames.
    """
    frames, truth = frames_of(clip), clip.people.by_frame(len(clip))
    known = {name: _identified(who, clip.people).by_frame(len(clip)) for name, who in people.items()}
    carried: dict[str, dict] = {name: {one: [] for one in flows} for name in people}
    for t in range(len(clip) - 1):
        a, b = frames[t], frames[t + 1]
        fields = {one: provider(a, b) for one, provider in flows.items()}
        for name, of in known.items():
            joints = _same_joints(of[t], of[t + 1], truth[t], least)
            where = joints | {part: np.full(len(joints["xy"]), v) for part, v in (("video", t // BLOCK), ("frame", t))}
            for one, found in fields.items():
                error = np.linalg.norm(flow.moved(found, joints["xy"])[0] - joints["next"], axis=-1)
                carried[name][one].append(where | {"error": error})
    blocks = (len(clip) - 2) // BLOCK + 1
    return {name: {one: _joined(blocks, parts, ()) for one, parts in of.items()} for name, of in carried.items()}


def _identified(people: People, truth: People) -> People:
    """People with their true tracks, −1 for who is nobody's."""
    ids = truth_ids(people, truth)
    return ids.replace(track=np.where(np.isin(ids.track, truth.track), ids.track, -1))


def _same_joints(before: People, after: People, truth: People, least: float) -> dict[str, np.ndarray]:
    """Joints (N, 2) of people who are in both frames, and where they are in the second one."""
    same = (before.track[:, None] == after.track) & (before.track >= 0)[:, None]
    i, j = np.nonzero(same)
    sure = [p.present[rows] & (p.joint_score[rows] >= least) for p, rows in ((before, i), (after, j))]
    row, joint = np.nonzero(sure[0] & sure[1])
    xy, to = before.xy[i[row], joint], after.xy[j[row], joint]
    head = dict(zip(truth.track.tolist(), truth.head.tolist(), strict=True))
    heads = np.array([head.get(track, np.nan) for track in before.track[i[row]].tolist()])
    return {"xy": xy, "next": to, "speed": np.linalg.norm(to - xy, axis=-1), "head": heads}
