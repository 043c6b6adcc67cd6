"""Optical flow behind one face, and joints that move along it (Simple Baselines, section 3.2).

A provider is `flow(a, b) -> (H, W, 2)` float32: where each pixel of image a has moved to in b, in pixels (x, y);
a and b are uint8 (H, W, 3) RGB of one size. The paper takes FlowNet2S, whose weights no package brings; DIS needs
none and is the default here, the built-in world knows the exact flow, zero flow and flow of another place are the
controls. Notebook 09 teaches it and compares them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from helpers import WorkbookError, puppets
from helpers.datasets import data_folders
from helpers.opencv import cv2
from helpers.people import Video

if TYPE_CHECKING:
    from torch import nn

Provider: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray]

#: OpenCV's presets of DIS by name. On 80 pairs of tuning frames (`experiments.flow_error`) the joints that medium
#: carries end 1.1 px off, those of the two faster ones 1.3 and 1.4 px, of 3.0 px that they move.
PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
#: In images lower or narrower than this OpenCV's DIS reads outside its memory; they are padded.
_DIS_LEAST = 32
#: OpenCV's DIS takes no longer side.
_DIS_MOST = 32766
#: What RAFT's correlation pyramid needs of a side: this many pixels at least, and a multiple of 8.
_RAFT_LEAST, _RAFT_STEP = 128, 8


def checked_image(image: np.ndarray) -> np.ndarray:
    """The image itself. Raises WorkbookError unless it is uint8 of shape (H, W, 3), no side 0."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise WorkbookError(f"flow: an image is uint8 of shape (H, W, 3), got {got}.")
    if not image.size:
        raise WorkbookError(f"flow: an image needs pixels, got shape {image.shape}.")
    return image


def checked_pair(a: np.ndarray, b: np.ndarray) -> None:
    """Raises WorkbookError unless both are images, and of one size."""
    if checked_image(a).shape != checked_image(b).shape:
        sizes = " and ".join(f"{image.shape[1]} × {image.shape[0]}" for image in (a, b))
        raise WorkbookError(f"flow: two frames of one video are {sizes} pixels; flow needs frames of one size.")


def _padded(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """At least that high and wide: the last row and column repeated."""
    below, right = max(0, height - image.shape[0]), max(0, width - image.shape[1])
    return cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE) if below or right else image


def _grey(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    checked_pair(a, b)
    return [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (a, b)]


class Dis:
    """Dense inverse search (Kroeger et al., ECCV 2016) as OpenCV has it: fast, no weights; preset: one of `PRESETS`."""

    def __init__(self, preset: str = "medium"):
        if preset not in PRESETS:
            raise WorkbookError(f"flow: preset {preset!r} of DIS is unknown; there are {', '.join(PRESETS)}.")
        self._preset = PRESETS[preset]

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if max(checked_image(a).shape) > _DIS_MOST:
            raise WorkbookError(f"flow: an image of {a.shape[1]} × {a.shape[0]} pixels is too large for DIS.")
        before, after = (_padded(image, _DIS_LEAST, _DIS_LEAST) for image in _grey(a, b))
        height, width = a.shape[:2]
        # Made anew: a small image lowers the finest scale of OpenCV's object for good.
        search = cv2.DISOpticalFlow_create(self._preset)
        return np.ascontiguousarray(search.calc(before, after, None)[:height, :width])


class Farneback:
    """Farnebäck's polynomial expansion (SCIA 2003) as OpenCV has it; no weights.

    levels of the pyramid, each half as large; window: pixels that are averaged; neighbours: pixels of an expansion,
    whose Gaussian has the standard deviation spread.
    """

    def __init__(
        self, levels: int = 5, window: int = 15, iterations: int = 3, neighbours: int = 5, spread: float = 1.2
    ):
        self._how = (0.5, levels, window, iterations, neighbours, spread, 0)

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return cv2.calcOpticalFlowFarneback(*_grey(a, b), None, *self._how)


class Raft:
    """RAFT-small of torchvision (Teed and Deng, ECCV 2020), trained on FlyingChairs and FlyingThings.

    updates: how often the flow is refined. The weights `C_T_V1` are looked for where torchvision keeps them
    (`TORCH_HOME`) and in `torch_home` of the data folders; nothing is downloaded. Raises WorkbookError without them.
    """

    def __init__(self, updates: int = 12):
        self._model, self._updates = _raft_small(), updates

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        import torch

        checked_pair(a, b)
        height, width = a.shape[:2]
        sides = [max(_RAFT_LEAST, -(-side // _RAFT_STEP) * _RAFT_STEP) for side in (height, width)]
        pair = np.stack([_padded(image, *sides) for image in (a, b)])
        seen = torch.from_numpy(pair).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.inference_mode():
            found = self._model(seen[:1], seen[1:], num_flow_updates=self._updates)[-1][0]
        return np.ascontiguousarray(found.permute(1, 2, 0).numpy()[:height, :width])


def _raft_small() -> nn.Module:
    import torch
    from torchvision.models.optical_flow import Raft_Small_Weights, raft_small

    weights = Raft_Small_Weights.C_T_V1
    name = weights.url.rsplit("/", 1)[1]
    homes = [Path(torch.hub.get_dir()), *(folder / "torch_home" / "hub" for folder in data_folders())]
    path = next((file for home in homes if (file := home / "checkpoints" / name).is_file()), None)
    if path is None:
        others = ", ".join(other for other in PROVIDERS if other != "raft")
        raise WorkbookError(
            f"flow: the weights of RAFT are not found; put {weights.url} into {homes[0] / 'checkpoints'}, "
            f"or take a provider without weights ({others})."
        )
    model = raft_small(weights=None)
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises whatever its reader stumbles over
        raise WorkbookError(f"{path}: holds no weights of RAFT-small ({type(error).__name__}).") from None
    return model.eval()


def zero(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Control: nothing has moved."""
    checked_pair(a, b)
    return np.zeros((*a.shape[:2], 2), np.float32)


#: What makes a provider, by name; `dis` is the default everywhere.
PROVIDERS: dict[str, Callable[[], Provider]] = {"dis": Dis, "farneback": Farneback, "raft": Raft, "zero": lambda: zero}


def provider(name: str) -> Provider:
    """A provider by its name in `PROVIDERS`.

    Raises WorkbookError for an unknown name, and for RAFT where its weights are not found.
    """
    if name not in PROVIDERS:
        raise WorkbookError(f"flow: provider {name!r} is unknown; there are {', '.join(PROVIDERS)}.")
    return PROVIDERS[name]()


class KnownFlow:
    """Flow that is known beforehand: fields(t) (H, W, 2) px leads from frame t of a video to the next.

    It recognises by their pixels which frames it is given. Of several equal pairs it takes the first one after its
    last answer, then from the start, so all are right that are asked for from frame 0 on in order. Every frame up to
    the one found is looked at once. Raises WorkbookError for a video without frames, and when called with images
    that are no frame of it and the next one.
    """

    def __init__(self, video: Video, fields: Callable[[int], np.ndarray]):
        if video.frames is None:
            raise WorkbookError(f"{video.name}: frames are missing, so none can be recognised.")
        self._name, self._frames, self._fields = video.name, video.frames, fields
        self._prints, self._next = [b""] * len(video), 0

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        checked_pair(a, b)
        wanted, last = [_fingerprint(a), _fingerprint(b)], len(self._prints) - 1
        for t in ((self._next + k) % last for k in range(last)):  # a video is mostly gone through in order
            if self._print(t) == wanted[0] and self._print(t + 1) == wanted[1]:
                self._next = (t + 1) % last
                return self._fields(t)
        raise WorkbookError(f"{self._name}: the images are no frame of this video and the next one.")

    def _print(self, t: int) -> bytes:
        self._prints[t] = self._prints[t] or _fingerprint(self._frames[t])
        return self._prints[t]


class PuppetFlow(KnownFlow):
    """Oracle: the exact flow of a rendered puppet video, see `puppets.flow`; WorkbookError for any other video."""

    def __init__(self, video: Video):
        puppets.scene_of(video)
        super().__init__(video, lambda t: puppets.flow(video, t)[0])


def stored(video: Video, fields: np.ndarray) -> KnownFlow:
    """Flow computed before, (T − 1, h, w, 2) px of the video's own frames, on a grid that may be coarser.

    It is interpolated between the grid's cells. Raises WorkbookError for another number of fields.
    """
    if len(fields) != len(video) - 1:
        raise WorkbookError(f"{video.name}: {len(fields)} fields of flow in place of {len(video) - 1}.")
    return KnownFlow(video, lambda t: cv2.resize(fields[t].astype(np.float32), video.size))


def _fingerprint(image: np.ndarray) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


class Shuffled:
    """Control: a provider's flow, but of another place: rolled by at least a quarter of the image in both directions.

    Its vectors are as long as the true ones, and a camera's movement of the whole image stays nearly what it is.
    The offset depends on the seed and on image a alone, so a pair always gets the same flow.
    """

    def __init__(self, provider: Provider, seed: int = 0):
        self._provider, self._seed = provider, seed

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        field = self._provider(a, b)
        rng = np.random.default_rng([self._seed, *_fingerprint(a)])
        low, high = (np.array(field.shape[:2]) * share // 4 for share in (1, 3))
        return np.roll(field, rng.integers(low, high + 1), (0, 1))


def moved(flow: np.ndarray, xy: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Points xy (…, 2) px, each plus the flow (H, W, 2) at its nearest pixel, and whether it is inside (…) bool.

    A point outside the image, or not finite, stays where it is and is not inside; one that lands outside has
    moved and is not inside either. Raises WorkbookError for another shape.
    """
    xy = np.array(xy, float)
    if np.ndim(flow) != 3 or np.shape(flow)[2] != 2 or xy.shape[-1:] != (2,):
        raise WorkbookError(f"flow: (H, W, 2) and points (…, 2) are needed, got {np.shape(flow)} and {xy.shape}.")
    start = _within(xy, flow)
    column, row = np.rint(xy[start]).astype(int).T
    xy[start] += flow[row, column]
    return xy, start & _within(xy, flow)


def _within(xy: np.ndarray, flow: np.ndarray) -> np.ndarray:
    pixel = np.rint(xy)
    return ((pixel >= 0) & (pixel < [flow.shape[1], flow.shape[0]])).all(-1)


class Neighbours:
    """The flow from each image of a video to the next, online: it remembers one image and one field.

    Joint propagation and flow similarity share it, so that a pair's flow is computed once.
    """

    def __init__(self, provider: Provider):
        self._provider = provider
        self._given: np.ndarray | None = None
        self._image: np.ndarray | None = None
        self._flow: np.ndarray | None = None
        self._taken: list[object] = []

    def step(self, image: np.ndarray, who: object = None) -> np.ndarray | None:
        """Flow (H, W, 2) from the image of the step before to this one; None at the first.

        who: the object that asks. One that has not yet taken the last step, and comes with that step's very same
        image object, shares its flow; everyone else, and None, begins the next step, also where the camera stands
        still. Raises WorkbookError for what is no image, and for a frame of another size than the one before.
        """
        shares = image is self._given and who is not None and all(who is not one for one in self._taken)
        if shares and np.array_equal(checked_image(image), self._image):
            self._taken.append(who)
            return self._flow
        field = None if self._image is None else self._provider(self._image, image)
        # A copy: cameras write the next image into the same memory.
        self._image, self._given, self._flow, self._taken = checked_image(image).copy(), image, field, [who]
        return field
