"""Pixels on demand: backdrop, people and things in painter's order, and the exact optical flow.

A frame is drawn when it is asked for and not kept. The flow of a pixel is that of the shape painted
there: the backdrop moves by a homography, a capsule with its two ends, a quadrilateral with its corners.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from helpers.opencv import cv2
from helpers.puppets.scene import CAPSULE_FROM, CAPSULE_TO, CAPSULES, TORSO, Scene
from helpers.skeleton import INDEX

#: How much larger than a frame the backdrop is.
_BACKDROP = 2.4
_SHIFT = 3  # OpenCV draws at 1/8 pixel
_BLUR_SAMPLES = 5
#: Which colour of a person's outfit each capsule takes: 0 trousers, 1 shirt, 2 skin, 3 shoes.
_CLOTH = [0, 0, 0, 0, 1, 2, 1, 2, 1, 0, 2, 2]
_LEFT, _RIGHT = (2, 3, 6, 7), (0, 1, 4, 5)
_SHOULDERS, _PELVIS, _HEAD, _NOSE, _TRUNK = 8, 9, 10, 11, len(CAPSULES)
_FEET = {1: INDEX["right_ankle"], 3: INDEX["left_ankle"]}


class RenderedFrames(Sequence):
    """The frames of a scene, each drawn when asked for: uint8 H×W×3 RGB."""

    def __init__(self, scene: Scene):
        self.scene = scene

    def __len__(self) -> int:
        return self.scene.n_frames

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        t = range(len(self))[index]
        return draw(self.scene, t) if not self.scene.blur else _blurred(self.scene, t)


def draw(scene: Scene, t: int, ahead: float = 0.0) -> np.ndarray:
    """One frame, uint8 H×W×3; `ahead` (0…1) moves everything towards the next frame, for motion blur."""
    size = scene.camera.size
    counts = len(scene.joints), len(scene.occluders)
    background, outfits, things = _looks(scene.look, *counts, scene.uniform, size)
    image = cv2.warpPerspective(
        background, _homography(scene, t, ahead), size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    for kind, k in painters_order(scene, t):
        if kind == "thing":
            _fill(image, _between(scene.occluders[k], t, ahead), things[k])
        else:
            joints = _between(scene.joints[k], t, ahead)
            _draw_person(image, joints, scene.radii[k, t], scene.depth[k, t], outfits[k])
    return image


def painters_order(scene: Scene, t: int) -> list[tuple[str, int]]:
    """People ("person", p) and occluders ("thing", k) of a frame from far to near."""
    both = [(-d, "person", p) for p, d in enumerate(scene.distance[:, t])]
    both += [(-d, "thing", k) for k, d in enumerate(scene.occluder_depth[:, t])]
    return [(kind, k) for _, kind, k in sorted(both)]


def _between(points: np.ndarray, t: int, ahead: float) -> np.ndarray:
    if not ahead or t + 1 >= len(points):
        return points[t]
    return (1 - ahead) * points[t] + ahead * points[t + 1]


def _blurred(scene: Scene, t: int) -> np.ndarray:
    samples = [draw(scene, t, scene.blur * k / _BLUR_SAMPLES).astype(np.uint16) for k in range(_BLUR_SAMPLES)]
    return (sum(samples) // _BLUR_SAMPLES).astype(np.uint8)


def _homography(scene: Scene, t: int, ahead: float = 0.0) -> np.ndarray:
    """Backdrop pixels → frame pixels."""
    width, height = scene.camera.size
    size = int(_BACKDROP * width), int(_BACKDROP * height)
    h = scene.camera.background(1.15 * width, size)
    if not ahead or t + 1 >= len(h):
        return h[t]
    return (1 - ahead) * h[t] / h[t][2, 2] + ahead * h[t + 1] / h[t + 1][2, 2]


def _fixed(points) -> np.ndarray:
    """Pixels as OpenCV's fixed-point integers."""
    return np.rint(np.asarray(points) * (1 << _SHIFT)).astype(np.int32)


def _fill(image, corners, colour) -> None:
    cv2.fillConvexPoly(image, _fixed(corners), colour, cv2.LINE_8, _SHIFT)


def _line(image, a, b, radius, colour) -> None:
    cv2.line(image, a, b, colour, max(1, round(2 * radius)), cv2.LINE_8, _SHIFT)


def _parts(depth) -> tuple[int, ...]:
    """A person's capsules and the trunk from back to front, by the joints' depth (15,)."""
    far, near = (_LEFT, _RIGHT) if depth[INDEX["left_hip"]] > depth[INDEX["right_hip"]] else (_RIGHT, _LEFT)
    head = (_HEAD, _NOSE) if depth[INDEX["nose"]] < depth[INDEX["head_top"]] else (_NOSE, _HEAD)
    return (*far, _PELVIS, _SHOULDERS, _TRUNK, *head, *near)


def _draw_person(image, joints, radii, depth, outfit) -> None:
    points = _fixed(np.clip(joints, -2000, 4000)).tolist()
    for part in _parts(depth):
        if part == _TRUNK:
            _fill(image, joints[TORSO], outfit[1])
            continue
        colour = tuple(0.6 * c for c in outfit[2]) if part == _NOSE else outfit[_CLOTH[part]]
        a, b = points[CAPSULE_FROM[part]], points[CAPSULE_TO[part]]
        _line(image, a, b, radii[part], colour)
        if part in _FEET:
            _line(image, points[_FEET[part]], points[_FEET[part]], 0.9 * radii[part], outfit[3])
        elif part == _HEAD:  # hair: the upper quarter, inside the head's capsule
            _line(image, [(3 * b[i] + a[i]) // 4 for i in (0, 1)], b, radii[part], outfit[4])


# --- colours and the backdrop ---------------------------------------------------------------------


# Training draws frames of random videos: all sixty of the training split stay painted (1 MB each at 320 × 180).
@lru_cache(maxsize=64)
def _looks(look: int, n_people: int, n_things: int, uniform: bool, size):
    """Backdrop image, outfits (trousers, shirt, skin, shoes, hair) and colours of things."""
    rng = np.random.default_rng(look)
    background = _backdrop(rng, (int(_BACKDROP * size[0]), int(_BACKDROP * size[1])))
    kit = [tuple(rng.integers(20, 236, 3).tolist()) for _ in range(2)]
    outfits = []
    for _ in range(n_people):
        own = [tuple(rng.integers(20, 236, 3).tolist()) for _ in range(2)]
        tone = rng.uniform(0.35, 1)
        skin = tuple((tone * np.array([235, 190, 160])).tolist())
        hair = tuple((rng.uniform(0.1, 0.8) * np.array([150, 110, 70])).tolist())
        outfits.append((*(kit if uniform else own), skin, (40, 35, 35), hair))
    return background, outfits, [tuple(rng.integers(50, 200, 3).tolist()) for _ in range(n_things)]


def _backdrop(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A cluttered wall and floor: gradients, boxes, circles, stripes and noise, all from the generator."""
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    wall, floor = rng.integers(90, 210, (2, 3))
    horizon = int(height * rng.uniform(0.5, 0.56))
    shade = np.linspace(0.8, 1.1, height)[:, None, None]
    image[:horizon] = np.clip(wall * shade[:horizon], 0, 255)
    image[horizon:] = np.clip(floor * shade[horizon:], 0, 255)
    for _ in range(int(rng.integers(40, 110))):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, int(0.95 * horizon)))
        w, h = (int(v) for v in rng.integers(width // 60, width // 9, 2))
        colour = tuple(rng.integers(30, 230, 3).tolist())
        if rng.random() < 0.6:
            cv2.rectangle(image, (x, y), (x + w, min(y + h, horizon)), colour, -1)
        else:
            cv2.circle(image, (x, y), w // 2, colour, -1)
    for x in rng.integers(0, width, 12):
        cv2.line(image, (int(x), horizon), (int(2 * x - width / 2), height), tuple((0.85 * floor).tolist()), 2)
    noise = cv2.resize(rng.normal(0, 12, (height // 2, width // 2)).astype(np.float32), (width, height))
    return np.clip(cv2.GaussianBlur(image, (3, 3), 0) + noise[..., None], 0, 255).astype(np.uint8)


# --- optical flow ------------------------------------------------------------------------------------


def flow(scene: Scene, t: int) -> tuple[np.ndarray, np.ndarray]:
    """Exact forward flow t → t+1: (H, W, 2) float32 pixels, and (H, W) bool where the target is in view.

    In view: inside the image and not painted over in frame t+1, be it by another part of the same
    person. False too where the backdrop's image ends and its mirror is shown, which moves otherwise.
    With motion blur it is the flow of the moments the shutter opens. Raises IndexError for the last frame.
    """
    if not 0 <= t < scene.n_frames - 1:
        raise IndexError(f"flow: frame {t} of {scene.n_frames} has no next frame")
    width, height = scene.camera.size
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float64)
    to_backdrop = np.linalg.inv(_homography(scene, t))
    out = _through(_homography(scene, t + 1) @ to_backdrop, grid) - grid
    owner, after = owners(scene, t), owners(scene, t + 1)
    for shape in np.unique(owner[owner > 0]):
        mask = owner == shape
        out[mask] = _shape_flow(scene, t, int(shape), grid[mask])
    landed = np.rint(grid + out).astype(int)
    inside = ((landed >= 0) & (landed < [width, height])).all(-1)
    source = _through(to_backdrop, grid)
    edge = [_BACKDROP * width - 1, _BACKDROP * height - 1]
    inside &= (owner > 0) | ((source >= 0) & (source <= edge)).all(-1)
    landed = np.clip(landed, 0, [width - 1, height - 1])
    return out.astype(np.float32), inside & (after[landed[..., 1], landed[..., 0]] == owner)


_PARTS = len(CAPSULES) + 1  # capsules, then the torso


def owners(scene: Scene, t: int) -> np.ndarray:
    """(H, W) int32: what is painted where: 0 backdrop, then 1 + object · 13 + part; people before things."""
    width, height = scene.camera.size
    image = np.zeros((height, width), np.int32)
    for kind, k in painters_order(scene, t):
        if kind == "thing":
            _fill(image, scene.occluders[k, t], 1 + (len(scene.joints) + k) * _PARTS)
            continue
        points, first = _fixed(np.clip(scene.joints[k, t], -2000, 4000)).tolist(), 1 + k * _PARTS
        for part in _parts(scene.depth[k, t]):
            if part == _TRUNK:
                _fill(image, scene.joints[k, t][TORSO], first + part)
            else:
                _line(
                    image, points[CAPSULE_FROM[part]], points[CAPSULE_TO[part]], scene.radii[k, t, part], first + part
                )
    return image


def _shape_flow(scene: Scene, t: int, shape: int, xy: np.ndarray) -> np.ndarray:
    """Flow (N, 2) of pixels (N, 2) that belong to one shape."""
    k, part = divmod(shape - 1, _PARTS)
    if k >= len(scene.joints):
        thing = scene.occluders[k - len(scene.joints)]
        return _quad_flow(thing[t], thing[t + 1], xy)
    before, after = scene.joints[k, t], scene.joints[k, t + 1]
    if part == _TRUNK:
        return _quad_flow(before[TORSO], after[TORSO], xy)
    ends, radii = [CAPSULE_FROM[part], CAPSULE_TO[part]], scene.radii[k, :, part]
    return _capsule_flow(before[ends], after[ends], radii[t], radii[t + 1], xy)


def _quad_flow(before, after, xy) -> np.ndarray:
    area = cv2.contourArea(before.astype(np.float32))
    h = cv2.findHomography(before, after)[0] if area > 2 else None
    if h is None:  # seen from the side a torso is a line: it moves with its middle
        return np.broadcast_to(after.mean(0) - before.mean(0), xy.shape)
    return _through(h, xy) - xy


def _capsule_flow(before, after, radius, radius_after, xy) -> np.ndarray:
    """Along the axis by its two ends, across it by the radius; beyond an end with that end."""
    axis, axis_after = before[1] - before[0], after[1] - after[0]
    length, length_after = max(np.linalg.norm(axis), 1e-6), max(np.linalg.norm(axis_after), 1e-6)
    if length == 1e-6:  # a ball, like the nose, has no axis to turn with
        return after[0] + radius_after / radius * (xy - before[0]) - xy
    e, e_after = axis / length, axis_after / length_after
    along, across = (xy - before[0]) @ e, (xy - before[0]) @ [-e[1], e[0]]
    scale = radius_after / radius
    u = np.clip(along / length, 0, 1)
    beyond = (along - u * length) * scale
    normal = np.array([-e_after[1], e_after[0]])
    return after[0] + (u * length_after + beyond)[:, None] * e_after + (scale * across)[:, None] * normal - xy


def _through(h: np.ndarray, xy: np.ndarray) -> np.ndarray:
    points = np.concatenate([xy, np.ones((*xy.shape[:-1], 1))], -1) @ h.T
    return points[..., :2] / points[..., 2:]
