"""What a step of training sees: random frames or clips, half of them mirrored, from the seed and the step's number.

Every network's `batches` draws through here (notebooks 03 and 04).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from helpers import WorkbookError
from helpers.people import Video
from helpers.skeleton import FLIP

#: One image or clip and its targets, drawn or mirrored.
Example = tuple[torch.Tensor, dict[str, torch.Tensor]]


def image_tensor(frame: np.ndarray) -> torch.Tensor:
    """uint8 (H, W, 3) → float (3, H, W) in [0, 1]; a clip (T, H, W, 3) → (3 · T, H, W), frame after frame.

    Raises WorkbookError for another shape or type.
    """
    frame = np.asarray(frame)
    if frame.ndim not in (3, 4) or frame.shape[-1] != 3 or frame.dtype != np.uint8 or 0 in frame.shape:
        raise WorkbookError(f"frames: uint8 of shape (H, W, 3) needed, got {frame.dtype} {frame.shape}.")
    values = torch.from_numpy(np.ascontiguousarray(np.moveaxis(frame, -1, -3)))
    return values.reshape(-1, *frame.shape[-3:-1]).float() / 255


def frames_of(video: Video) -> Sequence[np.ndarray]:
    """A video's frames. Raises WorkbookError for one that has none."""
    if video.frames is None:
        raise WorkbookError(f"{video.name}: frames are missing, so nothing can be detected in it.")
    return video.frames


class Kept(Sequence):
    """A video's frames, of which each is read or drawn once and then kept: 0.2 MB for one of the built-in world."""

    def __init__(self, frames: Sequence[np.ndarray]):
        self._frames, self._known = frames, dict[int, np.ndarray]()
        self.scene = getattr(frames, "scene", None)

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        t = range(len(self))[index]
        if t not in self._known:
            self._known[t] = self._frames[t]
        return self._known[t]


def kept(video: Video) -> Video:
    """The same video, whose frames are kept once they were seen. Raises WorkbookError for one without frames."""
    return replace(video, frames=Kept(frames_of(video)))


def mirrored(image: torch.Tensor, wanted: dict[str, torch.Tensor]) -> Example:
    """Frame or clip (3 · T, H, W) and its target flipped left to right, left joints becoming right ones.

    wanted: "boxes" (n, 4) or "tubes" (n, T, 4), "keypoints" (n, 15, 3) or (n, T, 15, 3), and what has no side.
    """
    width, out = image.shape[-1], dict(wanted)
    for name in out.keys() & {"boxes", "tubes"}:
        out[name] = out[name].clone()
        out[name][..., [0, 2]] = width - out[name][..., [2, 0]]
    out["keypoints"] = wanted["keypoints"][..., FLIP, :].clone()
    out["keypoints"][..., 0] = width - 1 - out["keypoints"][..., 0]
    return image.flip(-1), out


def drawn(
    places: Sequence[tuple[int, int]], example: Callable[[int, int], Example], batch: int, seed: int
) -> Callable[[int], tuple[list, list]]:
    """A function step → (images, targets): `batch` random places (video, frame), half of them mirrored.

    example(video, frame) gives an image with its target. The same step and seed give the same
    ones whatever came before, so training can resume anywhere.
    """

    def draw(step: int) -> tuple[list, list]:
        rng = np.random.default_rng([seed, step])
        chosen = []
        for k in rng.integers(len(places), size=batch):
            one = example(*places[k])
            chosen.append(mirrored(*one) if rng.random() < 0.5 else one)
        return [image for image, _ in chosen], [wanted for _, wanted in chosen]

    return draw
