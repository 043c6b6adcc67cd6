"""One video's scene: who stands where, what hides what, and the ground truth that follows.

Everything drawn is a capsule (a thick line with round ends) or a quadrilateral, in painter's order
from far to near. The same shapes decide which joint is hidden, so ground truth needs no pixels.
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from helpers import WorkbookError
from helpers.heads import POSETRACK18_HEAD
from helpers.people import BOX_MARGIN, People, extent_boxes, people
from helpers.puppets import camera, motion
from helpers.skeleton import INDEX, N_JOINTS

#: (joint, joint, radius in metres) of a person's round parts; radii are for a height of 1.75.
CAPSULES = (
    ("right_hip", "right_knee", 0.085),
    ("right_knee", "right_ankle", 0.060),
    ("left_hip", "left_knee", 0.085),
    ("left_knee", "left_ankle", 0.060),
    ("right_shoulder", "right_elbow", 0.055),
    ("right_elbow", "right_wrist", 0.045),
    ("left_shoulder", "left_elbow", 0.055),
    ("left_elbow", "left_wrist", 0.045),
    ("right_shoulder", "left_shoulder", 0.075),
    ("right_hip", "left_hip", 0.095),
    ("head_bottom", "head_top", 0.085),
    ("nose", "nose", 0.03),
)
CAPSULE_FROM = np.array([INDEX[a] for a, _, _ in CAPSULES])
CAPSULE_TO = np.array([INDEX[b] for _, b, _ in CAPSULES])
_RADIUS = np.array([r for *_, r in CAPSULES])
TORSO = np.array([INDEX[n] for n in ("right_shoulder", "left_shoulder", "left_hip", "right_hip")])
_HIPS = TORSO[2:]
#: Of the joints behind one's own trunk only these are left out. Among real people who stand alone, head and a
#: foot in view, 12–25 % of the wrists are not annotated but 2–13 % of the shoulders, which annotators infer.
_OWN_TRUNK_HIDES = np.array([INDEX["right_wrist"], INDEX["left_wrist"]])
#: OpenCV paints every pixel that a line's outline touches, half a pixel more than the line is thick.
PAINT_MARGIN = 0.5


@dataclass(frozen=True)
class WorldSettings:
    """What a world is like; the defaults are calibrated on the training split (`statistics`).

    people: fewest and most people of a video; depth: nearest and farthest path centres, metres;
    crowding: 0 spreads people over the view, 1 gathers them in one place; crossing: share of
    people who sweep across the view, the others keep to their place; groups: share of videos
    with a synchronised group; uniform: share of videos where all wear the same;
    occluders: most foreground things; pan, shake, shift, zoom: shares of videos with that camera
    movement; slow: share of videos whose frame rate is halved or cut to a third;
    liveliness: factor on everyone's pace; blur: shutter time as a share of the frame time;
    unsteady: metres by which every joint shakes from frame to frame (standard deviation of the steadiest);
    bridged: frames for which a hidden joint stays annotated between two where it is seen.
    """

    people: tuple[int, int] = (2, 9)
    depth: tuple[float, float] = (4.0, 10.0)
    crowding: float = 0.0
    crossing: float = 0.15
    groups: float = 0.25
    uniform: float = 0.35
    occluders: int = 2
    pan: float = 0.3
    shake: float = 0.3
    shift: float = 0.02
    zoom: float = 0.3
    slow: float = 0.06
    liveliness: float = 0.75
    blur: float = 0.0
    unsteady: float = 0.0037
    bridged: int = 7

    def __post_init__(self):
        if not (np.shape(self.people) == (2,) and 1 <= self.people[0] <= self.people[1]):
            raise WorkbookError(f"puppets: people is (fewest, most), at least 1, got {self.people!r}.")
        for field in fields(self):
            value = getattr(self, field.name)
            try:
                good = bool((np.isfinite(value) & (np.asarray(value) >= 0)).all())
            except TypeError:
                good = False
            if not good or (field.name == "bridged" and not isinstance(value, int)):
                raise WorkbookError(f"puppets: {field.name} needs finite numbers from 0 on, got {value!r}.")


@dataclass(frozen=True)
class Scene:
    """A video's people, things and camera.

    joints (P, T, 15, 2) pixels; depth (P, T, 15) metres; height (P,) metres;
    occluders (K, T, 4, 2) pixels with depth (K, T) metres; camera; look: seed of colours and backdrop;
    bridged: frames for which annotators keep a joint that is hidden.
    """

    joints: np.ndarray
    depth: np.ndarray
    height: np.ndarray
    occluders: np.ndarray
    occluder_depth: np.ndarray
    camera: camera.Camera
    uniform: bool
    blur: float
    look: int
    bridged: int = 0

    @property
    def n_frames(self) -> int:
        return len(self.camera.focal)

    @cached_property
    def distance(self) -> np.ndarray:
        """(P, T) depth by which people are painted: that of their hips."""
        return self.depth[..., _HIPS].mean(-1)

    @cached_property
    def radii(self) -> np.ndarray:
        """(P, T, C) capsule radii in pixels."""
        metres = _RADIUS * (self.height / 1.75)[:, None]
        between = (self.depth[..., CAPSULE_FROM] + self.depth[..., CAPSULE_TO]) / 2
        return metres[:, None] * self.camera.focal[:, None] / between

    @cached_property
    def head(self) -> np.ndarray:
        """(P, T) head sizes in pixels."""
        length = motion.LENGTHS["head"] * (self.height / 1.75)[:, None]
        return POSETRACK18_HEAD * length * self.camera.focal / self.depth[..., INDEX["head_bottom"]]

    def visible(self) -> np.ndarray:
        """(P, T, 15) bool: inside the image, behind nothing nearer, and no wrist behind its own trunk."""
        width, height = self.camera.size
        xy = self.joints
        seen = ((xy >= 0) & (xy <= [width - 1, height - 1])).all(-1) & (self.depth > 0.35)
        seen &= ~self._behind_own_trunk()
        for q in range(len(self.occluders)):
            p, t = np.nonzero(self.distance > self.occluder_depth[q][None])
            seen[p, t] &= ~inside_quad(xy[p, t], self.occluders[q, t])
        return seen & ~self._behind_others(seen)

    def annotated(self) -> np.ndarray:
        """(P, T, 15) bool: visible, or hidden in the image for `bridged` frames at most, which annotators bridge."""
        seen, width = self.visible(), np.array(self.camera.size) - 1
        if not self.bridged:
            return seen
        inside = ((self.joints >= 0) & (self.joints <= width)).all(-1)
        last = np.where(seen, np.arange(seen.shape[1])[None, :, None], -np.inf)
        before = np.maximum.accumulate(last, 1)
        after = np.minimum.accumulate(np.where(seen, last, np.inf)[:, ::-1], 1)[:, ::-1]
        return seen | (inside & (after - before <= self.bridged + 1))

    def _behind_own_trunk(self) -> np.ndarray:
        """(P, T, 15) bool: a wrist farther away than the trunk's middle and within its outline."""
        middle = self.depth[..., TORSO].mean(-1, keepdims=True)
        behind = self.depth > middle + 0.12 * (self.height / 1.75)[:, None, None]
        rows = np.nonzero(behind.any(-1))
        out = np.zeros(behind.shape, bool)
        out[rows] = behind[rows] & self._in_trunk(rows, self.joints[rows])
        return out & np.isin(np.arange(N_JOINTS), _OWN_TRUNK_HIDES)

    def _in_trunk(self, rows, xy) -> np.ndarray:
        """Points (N, 15, 2) in the torso of person and frame rows (N,): a capsule from shoulders to hips."""
        corners = self.joints[rows][:, TORSO]
        radius = 0.16 * (self.height[rows[0]] / 1.75) * self.camera.focal[rows[1]] / self.distance[rows]
        neck, seat = corners[:, :2].mean(1)[:, None], corners[:, 2:].mean(1)[:, None]
        return near_segments(xy, neck, seat, 0.75 * radius[:, None]).any(-1)

    def _behind_others(self, seen) -> np.ndarray:
        hidden = np.zeros(seen.shape, bool)
        if len(self.joints) < 2:
            return hidden
        low = self.joints.min(2) - self.radii.max(-1)[..., None]
        high = self.joints.max(2) + self.radii.max(-1)[..., None]
        # Only pairs whose outlines meet are looked at: person p farther than q.
        meet = ((low[:, None] <= high[None]) & (low[None] <= high[:, None])).all(-1)
        p, q, t = np.nonzero(meet & (self.distance[:, None] > self.distance[None]))
        covered = self.covers(q, t, self.joints[p, t])
        np.logical_or.at(hidden, (p, t), covered)
        return hidden

    def covers(self, q: np.ndarray, t: np.ndarray, xy: np.ndarray) -> np.ndarray:
        """Which points xy (N, K, 2) person q (N,) paints over in frame t (N,)."""
        joints = self.joints[q, t]
        limbs = near_segments(xy, joints[:, CAPSULE_FROM], joints[:, CAPSULE_TO], self.radii[q, t] + PAINT_MARGIN).any(
            -1
        )
        return limbs | inside_quad(xy, joints[:, TORSO])

    def truth(self, frames: np.ndarray) -> People:
        """Ground truth of the given frames (F,): people with at least one visible joint, frame by frame."""
        seen = self.annotated()[:, frames]
        t, p = np.nonzero(seen.any(-1).T)
        present = seen[p, t]
        xy = np.where(present[..., None], self.joints[p, frames[t]], 0.0)
        return people(
            frame=frames[t],
            track=p,
            xy=xy,
            present=present,
            head=self.head[p, frames[t]],
            box=extent_boxes(xy, present, BOX_MARGIN),
        )


def near_segments(xy: np.ndarray, a: np.ndarray, b: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """(N, K, C) bool: point xy (N, K, 2) lies within radius (N, C) of segment a–b (N, C, 2)."""
    along = b - a
    length = np.maximum((along**2).sum(-1), 1e-9)
    dx = xy[:, :, None, 0] - a[:, None, :, 0]
    dy = xy[:, :, None, 1] - a[:, None, :, 1]
    u = np.clip((dx * along[:, None, :, 0] + dy * along[:, None, :, 1]) / length[:, None], 0, 1)
    dx, dy = dx - u * along[:, None, :, 0], dy - u * along[:, None, :, 1]
    return dx * dx + dy * dy <= (radius**2)[:, None]


def inside_quad(xy: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(N, K) bool: points xy (N, K, 2) inside the convex quadrilaterals (N, 4, 2), either orientation."""
    edge = np.roll(corners, -1, 1) - corners
    side = edge[:, None, :, 0] * (xy[:, :, None, 1] - corners[:, None, :, 1]) - edge[:, None, :, 1] * (
        xy[:, :, None, 0] - corners[:, None, :, 0]
    )
    return (side >= 0).all(-1) | (side <= 0).all(-1)


# --- making a scene ------------------------------------------------------------------------------


def random_scene(rng: np.random.Generator, settings: WorldSettings, size: tuple[int, int], n_frames: int) -> Scene:
    """A scene drawn from the settings; the same generator state gives the same scene."""
    step = rng.choice([2, 3]) if rng.random() < settings.slow else 1
    time = np.arange(n_frames) * step / 25
    view = camera.random_camera(rng, n_frames, size, settings.pan, settings.shake, settings.shift, settings.zoom)
    n_people = int(rng.integers(settings.people[0], settings.people[1] + 1))
    cast = random_people(rng, n_people, settings)
    moving = motion.joints_3d(cast, time)
    moving += settings.unsteady * motion.unsteadiness(rng, n_people, n_frames)
    joints, depth = view.project(moving)
    things, thing_depth = _occluders(rng, int(rng.integers(0, settings.occluders + 1)), view, settings)
    return Scene(
        joints,
        depth,
        cast.height,
        things,
        thing_depth,
        view,
        bool(rng.random() < settings.uniform),
        settings.blur,
        int(rng.integers(2**31)),
        settings.bridged,
    )


def random_people(rng: np.random.Generator, n: int, settings: WorldSettings) -> motion.Choreography:
    """n people on closed paths about a common place; with some chance the last ones move as one group."""
    near, far = settings.depth
    middle = rng.uniform(near, far)
    apart, together = rng.uniform(near, far, n), middle + rng.normal(0, 0.5, n)
    z = np.clip((1 - settings.crowding) * apart + settings.crowding * together, near, far)
    width = 0.42 * z
    spread = width * (1 - 0.55 * settings.crowding)
    lane = (rng.permutation(n) + rng.uniform(0.2, 0.8, n)) / n * 2 - 1
    x = lane * spread + rng.uniform(-0.25, 0.25) * width
    action = rng.choice(len(motion.ACTIONS), n, p=[0.28, 0.10, 0.14, 0.10, 0.10, 0.06, 0.08, 0.14])
    pace = settings.liveliness * np.where(action == 1, rng.uniform(1.8, 3.2, n), rng.uniform(0.25, 1.3, n))
    sweeps = rng.random(n) < settings.crossing
    amplitude = np.stack(
        [np.where(sweeps, rng.uniform(0.4, 1.0, n), rng.uniform(0.08, 0.3, n)) * width, rng.uniform(0.15, 0.7, n)], 1
    )
    frequency = np.stack([pace / amplitude[:, 0], pace / amplitude[:, 0] * rng.uniform(0.4, 1.6, n)], 1)
    cast = motion.Choreography(
        np.stack([x, z], 1),
        amplitude,
        frequency,
        rng.uniform(0, 2 * np.pi, (n, 2)),
        rng.normal(1.72, 0.12, n).clip(1.2, 2.05),
        rng.normal(1, 0.05, (n, 4)),
        rng.lognormal(0, 0.5, n),
        action,
        rng.uniform(0.1, 0.35, n),
        rng.uniform(0.5, 1.6, n) * settings.liveliness,
        rng.uniform(0, 2 * np.pi, n),
    )
    return _as_group(rng, cast, n) if rng.random() < settings.groups and n > 2 else cast


def _as_group(rng, cast: motion.Choreography, n: int) -> motion.Choreography:
    """The last k people dance the first of them's dance, side by side: poses that look alike."""
    k = int(rng.integers(2, min(n, 5)))
    leader, rest = n - k, slice(n - k, n)
    copied = {}
    for name in ("path_amplitude", "path_frequency", "path_phase", "action", "rhythm", "beat", "start"):
        value = getattr(cast, name).copy()
        value[rest] = value[leader]
        copied[name] = value
    centre = cast.path_centre.copy()
    centre[rest] = centre[leader] + np.stack([0.75 * (np.arange(k) - (k - 1) / 2), 0.12 * np.arange(k)], 1)
    return replace(cast, path_centre=centre, **copied)


def _occluders(rng, n: int, view: camera.Camera, settings: WorldSettings):
    """Pillars and tables between camera and people, as flat quadrilaterals facing the camera."""
    corners = np.zeros((n, 1, 4, 3))
    for k in range(n):
        z = rng.uniform(0.55, 0.8) * settings.depth[0] if rng.random() < 0.4 else rng.uniform(*settings.depth)
        tall = rng.random() < 0.5
        w, h = (rng.uniform(0.2, 0.45), 3.2) if tall else (rng.uniform(0.8, 1.6), rng.uniform(0.45, 0.85))
        x = rng.uniform(-0.5, 0.5) * z
        corners[k, 0] = [(x - w / 2, h, z), (x + w / 2, h, z), (x + w / 2, 0, z), (x - w / 2, 0, z)]
    if not n:
        return np.zeros((0, len(view.focal), 4, 2)), np.zeros((0, len(view.focal)))
    # Like a person's, a thing's depth is along the camera's axis: a pan does not change who hides whom.
    seen, distance = view.project(np.broadcast_to(corners, (n, len(view.focal), 4, 3)))
    return seen, distance.mean(-1)
