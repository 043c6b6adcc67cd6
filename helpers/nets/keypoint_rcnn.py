"""Frame-level Mask R-CNN for keypoints on torchvision's parts, and its detector variants.

Notebook 03 rebuilds the proposals, RoIAlign and the keypoint loss by hand. Paper-sized it is
Detect-and-Track's 2-D model (DT §3), `SLIM` trains on a laptop's processor.
R-FCN and deformable bodies are LightTrack's detectors (LT-T2).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.detection import FasterRCNN, KeypointRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from helpers import WorkbookError
from helpers.nets.rcnn_parts import (
    BOX_ROI,
    HEATMAP,
    KEYPOINT_CONVS,
    KEYPOINT_ROI,
    LastMap,
    PyramidBody,
    StageHead,
    freeze_norm,
)
from helpers.nets.resnet import Body, BodyConfig
from helpers.nets.rfcn import PositionSensitivePool, SplitScores
from helpers.nets.sampling import Example, drawn, frames_of, image_tensor
from helpers.people import People, Video, concatenate, people
from helpers.skeleton import N_JOINTS

HEADS = ("fpn", "c4", "rfcn")

#: Detections with a lower score are left out (DT's released code).
SCORE_FLOOR = 0.05


@dataclass(frozen=True)
class KeypointRcnnConfig:
    """What a frame-level network is built from; the defaults are the paper's ResNet-50 form.

    head: "fpn" (feature pyramid), "c4" (one map, the last stage run on every RoI) or "rfcn"
    (position-sensitive pooling); channels of the pyramid; short_side and long_side the frames
    are scaled to, in pixels; anchor_sizes: square root of the area, one a pyramid level or all
    on the one map; anchor_ratios height / width; box_width of the two box layers;
    keypoint_width of the eight convolutions; joints: 0 leaves the keypoint head out;
    proposals kept and RoIs sampled an image in training; frozen_norm: normalisation is a
    fixed scale and shift (for bodies that come trained).
    """

    body: BodyConfig = BodyConfig()
    head: str = "fpn"
    channels: int = 256
    short_side: int = 800
    long_side: int = 1333
    anchor_sizes: tuple[int, ...] = (32, 64, 128, 256, 512)
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    box_width: int = 1024
    keypoint_width: int = 512
    joints: int = N_JOINTS
    proposals: int = 1000
    rois: int = 512
    frozen_norm: bool = True


Config = KeypointRcnnConfig

SLIM_BODY = BodyConfig(18, width=32, stages=3)

#: Trains in minutes on one processor core: half-width ResNet-18 up to its third stage, 64-channel pyramid.
SLIM = KeypointRcnnConfig(
    SLIM_BODY,
    channels=64,
    short_side=180,
    long_side=320,
    anchor_sizes=(24, 48, 96),
    anchor_ratios=(1.0, 2.0, 4.0),
    box_width=128,
    keypoint_width=64,
    proposals=100,
    rois=48,
    frozen_norm=False,
)
#: Smaller still, for comparisons that take many runs: quarter-width body on small frames.
NARROW = replace(
    SLIM,
    body=replace(SLIM_BODY, width=16),
    channels=32,
    short_side=108,
    long_side=192,
    anchor_sizes=(14, 28, 56),
    box_width=64,
    keypoint_width=32,
    proposals=60,
    rois=24,
)

#: The model behind 55.2 MOTA (DT-T1 to DT-T3), and its ResNet-50 form.
PAPER = KeypointRcnnConfig(BodyConfig(101))

PAPER_R50 = KeypointRcnnConfig(BodyConfig(50))


def build(config: KeypointRcnnConfig) -> FasterRCNN:
    """The network with random weights, in evaluation mode.

    Built of torchvision's Faster or Keypoint R-CNN; in training mode it maps images and
    targets to a dictionary of losses. Raises WorkbookError for an unknown head.
    """
    if config.head not in HEADS:
        raise WorkbookError(f"head {config.head!r} of the network is unknown; there are {', '.join(HEADS)}.")
    body = Body(config.body)
    pyramid = config.head == "fpn"
    levels = len(body.out_channels)
    extra = pyramid and len(config.anchor_sizes) == levels + 1
    backbone = PyramidBody(body, config.channels, extra) if pyramid else LastMap(body)
    sizes = tuple((s,) for s in config.anchor_sizes) if pyramid else (config.anchor_sizes,)
    if len(sizes) != (levels + extra if pyramid else 1):
        raise WorkbookError(f"anchor_sizes: {len(sizes)} given for {levels} pyramid levels.")
    names = [str(s) for s in range(levels)] if pyramid else [str(levels - 1)]
    pool = partial(MultiScaleRoIAlign, names, sampling_ratio=2)
    parts = dict(
        backbone=backbone,
        num_classes=None,
        min_size=config.short_side,
        max_size=config.long_side,
        rpn_anchor_generator=AnchorGenerator(sizes, (config.anchor_ratios,) * len(sizes)),
        rpn_pre_nms_top_n_train=2 * config.proposals,
        rpn_post_nms_top_n_train=config.proposals,
        rpn_pre_nms_top_n_test=config.proposals,
        rpn_post_nms_top_n_test=config.proposals,
        box_batch_size_per_image=config.rois,
        **_box_parts(config, backbone, pool),
    )
    if config.joints == 0:
        model = FasterRCNN(**parts)
    else:
        head = KeypointRCNNHeads(backbone.out_channels, (config.keypoint_width,) * KEYPOINT_CONVS)
        predictor = KeypointRCNNPredictor(config.keypoint_width, config.joints)
        model = KeypointRCNN(
            **parts, keypoint_roi_pool=pool(output_size=KEYPOINT_ROI), keypoint_head=head, keypoint_predictor=predictor
        )
    if config.head == "rfcn":  # torchvision's constructor takes no other pooling than RoIAlign
        model.roi_heads.box_roi_pool = PositionSensitivePool(backbone.out_channels, config.body.stride)
    if config.frozen_norm:
        freeze_norm(model)
    model.config = config
    return model.eval()


def start_from(first: nn.Module | None, config: KeypointRcnnConfig) -> nn.Module:
    """The network before training: all weights of one of the same kind (its normalisation may be fixed now).

    Of a network of another kind the body alone, whose plain convolutions deformable ones take
    over; their offsets start at 0, as they were made. first None: random weights.
    """
    model = build(config)
    if first is None:
        return model
    alike = replace(config, frozen_norm=first.config.frozen_norm) == first.config
    stored, wanted = first.state_dict(), model.state_dict()
    for name, value in wanted.items():
        if alike or name.startswith("backbone.body."):
            wanted[name] = stored.get(name, stored.get(name.replace(".conv.weight", ".weight"), value))
    model.load_state_dict(wanted)
    return model


def _box_parts(config, backbone, pool) -> dict:
    parts = {"box_roi_pool": pool(output_size=BOX_ROI)}
    if config.head == "rfcn":
        return parts | {"box_head": nn.Identity(), "box_predictor": SplitScores()}
    stage = StageHead(config.body, backbone.out_channels) if config.head == "c4" else None
    head = stage or TwoMLPHead(backbone.out_channels * BOX_ROI**2, config.box_width)
    width = stage.out_channels if stage else config.box_width
    return parts | {"box_head": head, "box_predictor": FastRCNNPredictor(width, 2)}


def target(truth: People, size: tuple[int, int]) -> dict[str, torch.Tensor]:
    """Ground truth of one frame as torchvision takes it; people whose box has no area are left out.

    size (width, height), to which boxes are clipped. boxes (n, 4), labels (n,) ones,
    keypoints (n, 15, 3) with 1 = annotated in the last column.
    """
    limit = np.array([*size, *size], float)
    box = np.clip(truth.box, 0, limit)
    keep = ((box[:, 2:] - box[:, :2]) >= 1).all(1)
    keypoints = np.concatenate([truth.xy, truth.present[..., None]], -1)[keep]
    return {
        "boxes": torch.tensor(box[keep], dtype=torch.float32).reshape(-1, 4),
        "labels": torch.ones(int(keep.sum()), dtype=torch.int64),
        "keypoints": torch.tensor(keypoints, dtype=torch.float32).reshape(-1, N_JOINTS, 3),
    }


def labelled_frames(
    videos: Sequence[Video], frames: Sequence[Sequence[np.ndarray]], batch: int, seed: int
) -> Callable[[int], tuple]:
    """A function step → (images, targets) of random labelled frames; frames: what the network sees of each video."""
    places = [(v, int(t)) for v, video in enumerate(videos) for t in np.flatnonzero(video.labelled)]

    def example(v: int, t: int) -> Example:
        return image_tensor(frames[v][t]), target(videos[v].people.at(t), videos[v].size)

    return drawn(places, example, batch, seed)


def batches(videos: Sequence[Video], config: KeypointRcnnConfig, batch: int, seed: int) -> Callable[[int], tuple]:
    """A function step → (images, targets): labelled frames at random, half of them mirrored."""
    return labelled_frames(videos, list(map(frames_of, videos)), batch, seed)


def decode(heat: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Joints from the heatmaps of RoIs, as Detect-and-Track's released code reads them.

    heat (N, J, 56, 56) logits, boxes (N, 4) pixels → xy (N, J, 2) pixels, the logit at the
    maximum (N, J), unbounded, and the spatial softmax's probability there (N, J). A map is
    resized (bicubic) to the box's size in whole pixels; its maximum + 0.5 is the joint.
    """
    n, joints = heat.shape[:2]
    xy = heat.new_zeros(n, joints, 2)
    logit, probability = heat.new_zeros(2, n, joints)
    if joints == 0:
        return xy, logit, probability
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)
    for i, (w, h) in enumerate(sides.ceil().int().tolist()):
        resized = F.interpolate(heat[i : i + 1], (h, w), mode="bicubic", align_corners=False)[0].flatten(1)
        logit[i], place = resized.max(1)
        probability[i] = torch.exp(logit[i] - resized.logsumexp(1))
        cell = torch.stack([place % w, place // w], -1) + 0.5
        xy[i] = boxes[i, :2] + cell * sides[i] / sides[i].ceil()
    return xy, logit, probability


@dataclass(frozen=True)
class Detection:
    """What the network saw in one frame, all in the frame's pixels and on the processor.

    proposals (R, 4) best first with objectness (R,) in [0, 1]; boxes (n, 4), score (n,);
    xy (n, 15, 2), logit and probability (n, 15), heat (n, 15, 56, 56) logits; without a
    keypoint head these are empty.
    """

    proposals: np.ndarray
    objectness: np.ndarray
    boxes: np.ndarray
    score: np.ndarray
    xy: np.ndarray
    logit: np.ndarray
    probability: np.ndarray
    heat: np.ndarray


@torch.inference_mode()
def look(
    model: nn.Module,
    frames: Sequence[np.ndarray],
    boxes: Sequence[np.ndarray] | None = None,
    score_floor: float = SCORE_FLOOR,
    keep_heat: bool = True,
) -> list[Detection]:
    """Run the network on a few frames (uint8 H × W × 3, any sizes) at once, one Detection a frame.

    boxes: a (n, 4) array a frame to find the joints in, in place of the network's own
    detections (score 1 then). score_floor: detections below are left out.
    """
    device = next(model.parameters()).device
    images = [image_tensor(f).to(device) for f in frames]
    if not images:
        return []
    sizes = [im.shape[-2:] for im in images]
    scaled, _ = model.transform(images)
    features = model.backbone(scaled.tensors)
    proposals, objectness = _propose(model, scaled, features)
    factors = [
        torch.tensor([s[1] / o[1], s[0] / o[0]] * 2, device=device)
        for s, o in zip(scaled.image_sizes, sizes, strict=True)
    ]
    if boxes is None:
        found, scores = _detect_boxes(model, features, proposals, scaled.image_sizes, score_floor)
    else:
        found = [
            torch.tensor(np.asarray(b), dtype=torch.float32, device=device).reshape(-1, 4) * f
            for b, f in zip(boxes, factors, strict=True)
        ]
        scores = [b.new_ones(len(b)) for b in found]
    heat = heatmaps(model, features, found, scaled.image_sizes)
    places, boxes_out = ([(v / f).cpu().numpy() for v, f in zip(vs, factors, strict=True)] for vs in (proposals, found))
    out = []
    for i, part in enumerate(heat.float().split([len(b) for b in found])):
        xy, logit, probability = decode(part, found[i].float() / factors[i])
        kept = part if keep_heat else part[:0]
        arrays = [v.cpu().numpy() for v in (scores[i], xy, logit, probability, kept)]
        out.append(Detection(places[i], objectness[i].cpu().numpy(), boxes_out[i], *arrays))
    return out


def _propose(model, images, features):
    """The proposals (R, 4) and their objectness in [0, 1], a list of each, an entry a frame."""
    rpn, maps = model.rpn, list(features.values())
    logits, shifts = rpn.head(maps)
    anchors = rpn.anchor_generator(images, maps)
    per_level = [v[0].numel() for v in logits]
    logits = torch.cat([_anchor_by_anchor(v, 1) for v in logits], 1).flatten(1)
    shifts = torch.cat([_anchor_by_anchor(v, 4) for v in shifts], 1).reshape(-1, 4)
    boxes = rpn.box_coder.decode(shifts, anchors).view(len(anchors), -1, 4)
    return rpn.filter_proposals(boxes, logits, images.image_sizes, per_level)


def _anchor_by_anchor(maps: torch.Tensor, each: int) -> torch.Tensor:
    """(B, A · each, h, w) → (B, hwA, each), anchors in torchvision's order."""
    apart = maps.view(len(maps), -1, each, *maps.shape[-2:])
    return apart.permute(0, 3, 4, 1, 2).reshape(len(maps), -1, each)


def _detect_boxes(model, features, proposals, sizes, score_floor):
    heads = model.roi_heads
    pooled = heads.box_head(heads.box_roi_pool(features, proposals, sizes))
    logits, shifts = heads.box_predictor(pooled)
    heads.score_thresh = score_floor
    boxes, scores, _ = heads.postprocess_detections(logits, shifts, proposals, sizes)
    return boxes, scores


def heatmaps(model: nn.Module, features: dict, boxes: list[torch.Tensor], sizes: list) -> torch.Tensor:
    """Keypoint logits (N, J, 56, 56) of boxes in the scaled images; J = 0 without a keypoint head."""
    heads, n = model.roi_heads, sum(map(len, boxes))
    if not heads.has_keypoint() or n == 0:
        joints = heads.keypoint_predictor.kps_score_lowres.out_channels if heads.has_keypoint() else 0
        return boxes[0].new_zeros(n, joints, HEATMAP, HEATMAP)
    return heads.keypoint_predictor(heads.keypoint_head(heads.keypoint_roi_pool(features, boxes, sizes)))


def as_people(frame: int, found: Detection) -> People:
    """One frame's detections as People, joint_score = logit; no joints without a keypoint head."""
    joints = dict(xy=found.xy, joint_score=found.logit) if found.xy.shape[1] else {}
    return people(frame=np.full(len(found.boxes), frame), box=found.boxes, score=found.score, **joints)


def detect(
    model: nn.Module,
    frames: Sequence[np.ndarray],
    which: Sequence[int] | None = None,
    batch: int = 4,
    score_floor: float = SCORE_FLOOR,
    boxes: People | None = None,
) -> People:
    """All people of a clip, frame by frame (DT §3.1): People with box, score, xy and joint_score.

    frames: uint8 H × W × 3, a lazy sequence is read as it goes; which: only these frame
    numbers. score is the box's, joint_score the raw heatmap logit (unbounded; 1.95 is one
    head's threshold, not another's). boxes: find the joints in these people's boxes instead.
    """
    numbers = list(range(len(frames)) if which is None else map(int, which))
    parts = []
    for start in range(0, len(numbers), batch):
        some = numbers[start : start + batch]
        given = None if boxes is None else [boxes.at(t).box for t in some]
        found = look(model, [frames[t] for t in some], given, score_floor, keep_heat=False)
        parts += [as_people(t, f) for t, f in zip(some, found, strict=True)]
    out = concatenate(parts)
    return out if boxes is None else out.replace(score=concatenate([boxes.at(t) for t in numbers]).score)
