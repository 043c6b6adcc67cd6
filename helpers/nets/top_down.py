"""What all top-down pose networks share: what they are trained on, and people's joints from people's boxes.

A network maps crops (N, 3, H, W) to heatmaps (N, J, H / stride, W / stride); `deconv_pose`, `high_resolution`,
`mobile_pose` and `pyramid_pose` are such networks, and pass this module's functions on as their own (notebook 08).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from helpers import WorkbookError
from helpers.nets import crops, heatmaps
from helpers.nets.sampling import frames_of
from helpers.people import People, Video, concatenate, nobody, people
from helpers.skeleton import COCO, FLIP, N_JOINTS, coco_to_posetrack

#: Mean and standard deviation of ImageNet's red, green and blue, which every input is normalised by.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Augmentation in training (SB §4.1): zoom 1 ± ZOOM, turns of standard deviation TURN degrees in so many of the crops,
#: both cut (at ± ZOOM and twice TURN); half of the crops are mirrored.
ZOOM, TURN, TURNED, MIRRORED = 0.3, 40.0, 0.6, 0.5
#: Joints may be found outside the box, in the part of the crop around it.
FREE_JOINTS = True
#: A person's score is the box's × the mean of those joints' scores that are higher (released code).
JOINT_FLOOR = 0.2


@dataclass(frozen=True)
class CropConfig:
    """What a top-down network sees and says.

    height and width of its crops in pixels; joints: 15 of the workbook, or COCO's 17; sigma of the targets in cells;
    bgr: it was trained on blue, green, red (OpenCV's order), though normalised as red, green, blue.
    """

    height: int = 256
    width: int = 192
    joints: int = N_JOINTS
    sigma: float = 2.0
    bgr: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the crops."""
        return self.height, self.width

    @property
    def stride(self) -> int:
        """Pixels of the crop between the heatmaps' cells."""
        return 4


def flip_of(joints: int) -> np.ndarray:
    """Joint i of a mirrored crop is joint flip[i]. Raises WorkbookError for another number than 15 and 17."""
    if joints == N_JOINTS:
        return FLIP
    if joints != len(COCO):
        raise WorkbookError(f"pose network: {joints} joints are no set that is known; there are 15 and COCO's 17.")
    swapped = [n.replace("right", "?").replace("left", "right").replace("?", "left") for n in COCO]
    return np.array([COCO.index(n) for n in swapped])


def normalised(images: torch.Tensor, bgr: bool = False) -> torch.Tensor:
    """Crops (N, 3, H, W) of red, green, blue in [0, 1] as a network takes them."""
    values = images.flip(1) if bgr else images
    mean, std = (torch.tensor(v, device=images.device).view(3, 1, 1) for v in (MEAN, STD))
    return (values - mean) / std


def batches(videos: Sequence[Video], config: CropConfig, batch: int, seed: int) -> Callable[[int], tuple]:
    """A function step → (crops, targets, weight) of `batch` people in random labelled frames, augmented.

    crops (B, 3, H, W) normalised; targets (B, 15, h, w), weight (B, 15), see `heatmaps.targets`. People are taken
    frame by frame until there are enough; those without a joint or without a box in the image are left out. The
    same step and seed give the same ones. Raises WorkbookError where nobody is left, and for other joints.
    """
    if config.joints != N_JOINTS:
        raise WorkbookError(f"pose network: videos have {N_JOINTS} joints to train on, not {config.joints}.")
    everyone = [usable(video) for video in videos]
    places = [(v, t) for v, some in enumerate(everyone) for t in np.unique(some.frame)]
    if not places:
        raise WorkbookError("pose network: nobody with a joint and a box is labelled in the training videos.")

    def draw(step: int) -> tuple:
        rng = np.random.default_rng([seed, step])
        seen: list[np.ndarray] = []
        there: list[People] = []
        while sum(len(p) for p in there) < batch:
            v, t = places[rng.integers(len(places))]
            seen.append(frames_of(videos[v])[int(t)])
            now = everyone[v].at(t)
            there.append(now.replace(frame=np.full(len(now), len(seen) - 1)))
        return examples(seen, concatenate(there)[:batch], config, rng)

    return draw


def usable(video: Video) -> People:
    """Labelled people with a joint and a box of some area within the image."""
    some = video.people[video.people.present.any(1) & np.isfinite(video.people.box).all(1)]
    inside = np.clip(some.box, 0, np.tile(video.size, 2))
    return some[((inside[:, 2:] - inside[:, :2]) >= 1).all(1)]


def examples(
    frames: Sequence[np.ndarray], some: People, config: CropConfig, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Augmented crops of some people in frames (some.frame counts them) with their targets and weights."""
    n, (height, width) = len(some), config.size
    zoom = np.clip(rng.normal(1, ZOOM, n), 1 - ZOOM, 1 + ZOOM)
    turn = np.clip(rng.normal(0, TURN, n), -2 * TURN, 2 * TURN) * (rng.random(n) < TURNED)
    mirror = torch.from_numpy(rng.random(n) < MIRRORED)
    maps = crops.affines(some.box, config.size, turn, zoom)
    images = crops.warp(crops.stacked(frames, alike=False), some.frame, maps, config.size)
    xy, present = torch.from_numpy(crops.moved(maps, some.xy)).float(), torch.from_numpy(some.present.copy())
    flip, other = torch.from_numpy(flip_of(config.joints)), xy.clone()
    other[..., 0] = width - 1 - xy[..., 0]
    xy = torch.where(mirror[:, None, None], other[:, flip], xy)
    present = torch.where(mirror[:, None], present[:, flip], present)
    images = torch.where(mirror[:, None, None, None], images.flip(-1), images)
    cells = height // config.stride, width // config.stride
    return normalised(images, config.bgr), *heatmaps.targets(xy, present, cells, config.stride, config.sigma)


def taken_over(first: nn.Module | None, model: nn.Module) -> nn.Module:
    """A network before training: all that another one has of the same name and shape; first None: as it is.

    So a network of other joints, or a classifier's body, gives everything but what differs.
    """
    if first is not None:
        stored, wanted = first.state_dict(), model.state_dict()
        fitting = {name: v for name, v in stored.items() if name in wanted and v.shape == wanted[name].shape}
        model.load_state_dict(wanted | fitting)
    return model


def losses(model: nn.Module, images: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> dict:
    """The named losses of one step, whose sum is minimised: the masked mean square."""
    return {"loss": heatmaps.masked_mse(model(images), target, weight)}


@torch.inference_mode()
def heat_of(model: nn.Module, images: torch.Tensor, flip: bool = True, shift: int = 1) -> torch.Tensor:
    """Heatmaps (N, J, h, w) of crops (N, 3, H, W) in [0, 1]; flip: the mean with those of the mirrored crops.

    shift: cells by which the mirrored ones move, see `heatmaps.unflipped`.
    """
    given = normalised(images, model.config.bgr)
    heat = model(given)
    if not flip:
        return heat
    return (heat + heatmaps.unflipped(model(given.flip(-1)), shift, flip_of(model.config.joints))) / 2


def look(
    model: nn.Module, frames: Sequence[np.ndarray], boxes: People, flip: bool = True, shift: int = 1, quarter=True
) -> People:
    """The joints of people in a few frames of one size (boxes.frame counts them), cut and looked at all at once.

    Returns one person a box, xy in pixels of the frames, joint_score the heatmaps' maxima, and score the box's ×
    the mean of the joints' scores above JOINT_FLOOR, at most 1, 0 without any; no tracks, no head sizes. flip,
    shift: see `heat_of`; quarter: see `heatmaps.quarter_offset`.
    """
    if not len(boxes):
        return nobody()
    place, size = next(model.parameters()).device, model.config.size
    maps = crops.affines(boxes.box, size)
    images = crops.warp(crops.stacked(frames).to(place), boxes.frame, maps, size)
    return read(heat_of(model, images, flip, shift), maps, boxes, model.config, quarter)


def read(heat: torch.Tensor, maps: np.ndarray, boxes: People, config: CropConfig, quarter: bool = True) -> People:
    """The people of heatmaps (N, J, h, w) whose crops were cut by maps (N, 2, 3), one a box, as `look` gives them."""
    heat = heat.float()
    cell, score = heatmaps.peaks(heat)
    return placed(heatmaps.quarter_offset(heat, cell) if quarter else cell, score, maps, boxes, config)


def placed(cell: torch.Tensor, score: torch.Tensor, maps: np.ndarray, boxes: People, config: CropConfig) -> People:
    """The people of places (N, J, 2) in cells and of maxima (N, J), see `look`."""
    xy = crops.moved(crops.inverse(maps), cell.cpu().numpy() * float(config.stride))
    value = score.cpu().numpy().astype(float)
    if config.joints == len(COCO):
        xy, value = coco_to_posetrack(xy, value)
    sure = value > JOINT_FLOOR
    mean = np.minimum(1, (value * sure).sum(1) / np.maximum(1, sure.sum(1)))
    return people(frame=boxes.frame, box=boxes.box, score=boxes.score * mean, xy=xy, joint_score=value)


def detect(
    model: nn.Module,
    frames: Sequence[np.ndarray],
    which: Sequence[int] | None = None,
    boxes: People | None = None,
    batch: int = 64,
    **how,
) -> People:
    """The joints of all people of a clip in their boxes, frame after frame (SB §2).

    frames: uint8 H × W × 3 of one size, a lazy sequence is read as it goes; which: only these frame numbers; boxes:
    whose joints; about `batch` people are looked at together, from as many frames as that takes; how: see `look`.
    Raises WorkbookError without boxes: this network finds joints, not people.
    """
    if boxes is None:
        raise WorkbookError("pose network: it finds joints in people's boxes; give boxes, a detector's or the truth's.")
    numbers = np.arange(len(frames)) if which is None else np.unique(np.asarray(which, int))
    wanted = boxes[np.isin(boxes.frame, numbers)]
    found, rows = [], [r for r in wanted.rows_by_frame(len(frames)) if len(r)]
    while rows:
        several = [rows.pop(0)]
        while rows and sum(len(r) for r in several) + len(rows[0]) <= batch:
            several.append(rows.pop(0))
        some = wanted[np.concatenate(several)]
        shown, of = np.unique(some.frame, return_inverse=True)
        seen = look(model, [frames[int(t)] for t in shown], some.replace(frame=of), **how)
        found.append(seen.replace(frame=some.frame))
    return concatenate(found) if found else nobody()
