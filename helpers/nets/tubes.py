"""Detect-and-Track's 3-D Mask R-CNN: tubes of boxes through short clips, and joints in every slice.

Notebook 04 builds its parts by hand (DT §3.2 and the released code). With clips of one frame it is a
frame-level Mask R-CNN on one map, and inflating that one gives the 3-D network's start. `PAPER`
is what the paper describes, `RELEASED` what the authors' code does (O-5, O-6, O-7).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.detection import _utils as detection_utils
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.models.detection.roi_heads import keypoints_to_heatmap
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from helpers import WorkbookError
from helpers.nets import keypoint_rcnn
from helpers.nets.inflate import Windows, fold_time, inflate, inflate_weights, window
from helpers.nets.keypoint_rcnn import SCORE_FLOOR
from helpers.nets.rcnn_parts import BOX_ROI, HEATMAP, KEYPOINT_CONVS, KEYPOINT_ROI, LastMap, StageHead, freeze_norm
from helpers.nets.resnet import Body, BodyConfig
from helpers.nets.sampling import Example, drawn, frames_of, image_tensor
from helpers.nets.tube_geometry import clip_tubes, tube_align, tube_nms, tube_target
from helpers.nets.tube_geometry import tube_iou as tube_iou
from helpers.nets.tube_heads import TubeHead, classification, decode, encode, inside, labels
from helpers.people import People, Video, concatenate, people
from helpers.skeleton import N_JOINTS

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
#: Matching of anchors and of proposals to ground-truth tubes by tube IoU, and the two suppressions.
ANCHOR_POSITIVE, ANCHOR_NEGATIVE, ROI_POSITIVE = 0.7, 0.3, 0.5
PROPOSAL_NMS, DETECTION_NMS = 0.7, 0.5
#: Where the smooth L1 loss turns from square to straight (torchvision's value).
SMOOTH_L1_BETA = 1 / 9
#: Largest number of people kept a clip.
DETECTIONS = 100


@dataclass(frozen=True)
class TubeConfig:
    """What a tube network is built from; the defaults are Detect-and-Track's.

    body up to its last map, whose next stage is the box head; frames T of a clip (odd);
    form ("paper", "released" or "frame") and scheme ("centre" or "mean") of inflation;
    proposal_loss "softmax" or "sigmoid";
    short_side and long_side in pixels; anchor_sizes: square root of the area in pixels;
    anchor_ratios height / width; anchors and rois: sampled a clip in training; proposals kept;
    joint_loss: False trains it to find people alone, its keypoint head stays random.
    """

    body: BodyConfig = BodyConfig(18, stages=3)
    frames: int = 3
    form: str = "paper"
    scheme: str = "centre"
    proposal_loss: str = "softmax"
    short_side: int = 256
    long_side: int = 333
    anchor_sizes: tuple[int, ...] = (64, 128, 256, 512)
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    keypoint_width: int = 512
    joints: int = N_JOINTS
    anchors: int = 256
    rois: int = 512
    proposals: int = 1000
    frozen_norm: bool = True
    joint_loss: bool = True


#: The paper's form: feature stride 8, 3×7×7 first filter, softmax proposals.
PAPER = TubeConfig(BodyConfig(18, stages=3, last_stride=1))
#: The released code's form: stride 16, 1×7×7 first filter, sigmoid proposals (O-5, O-6, O-7).
RELEASED = TubeConfig(form="released", proposal_loss="sigmoid")
#: The paper's form made small enough for a processor core.
SLIM = TubeConfig(
    BodyConfig(18, width=16, stages=3, last_stride=1),
    short_side=180,
    long_side=320,
    anchor_sizes=(24, 48, 96),
    anchor_ratios=(1.0, 2.0, 4.0),
    keypoint_width=48,
    rois=16,
    proposals=100,
    frozen_norm=False,
)
#: Smaller still, for comparisons that take many runs: small frames, stride 16.
NARROW = replace(
    SLIM,
    body=replace(SLIM.body, last_stride=2),
    short_side=108,
    long_side=192,
    anchor_sizes=(14, 28, 56),
    keypoint_width=32,
    rois=8,
    proposals=40,
)


def frame_config(config: TubeConfig) -> TubeConfig:
    """The frame-level twin (T = 1) that a tube network is inflated from."""
    return replace(config, frames=1, form="frame", scheme="centre")


class TubeRcnn(nn.Module):
    """Clips → tubes with joints. In training mode `forward(clips, targets)` gives the losses.

    clips: a list of (3 · T, H, W) in [0, 1]; targets: see `tube_target`.
    """

    def __init__(self, config: TubeConfig):
        super().__init__()
        if config.proposal_loss not in ("softmax", "sigmoid"):
            raise WorkbookError(f"proposal_loss {config.proposal_loss!r} is unknown; there are softmax, sigmoid.")
        if config.frames % 2 == 0:
            raise WorkbookError(f"frames: clips of {config.frames} frames have no centre; an odd number is needed.")
        self.config, form = config, config.form if config.frames > 1 else "frame"
        self.transform = GeneralizedRCNNTransform(
            config.short_side, config.long_side, MEAN * config.frames, STD * config.frames
        )
        body = LastMap(Body(config.body))
        self.body = inflate(body, "centre", form)
        channels, per_place = body.out_channels, len(config.anchor_sizes) * len(config.anchor_ratios)
        self.anchor_generator = AnchorGenerator((config.anchor_sizes,), (config.anchor_ratios,))
        self.head = TubeHead(channels, per_place, 2 if config.proposal_loss == "softmax" else 1, form)
        self.box_head = StageHead(config.body, channels)
        self.box_predictor = FastRCNNPredictor(self.box_head.out_channels, 2)
        self.keypoint_head = inflate(
            KeypointRCNNHeads(channels, (config.keypoint_width,) * KEYPOINT_CONVS),
            "centre",
            "paper" if config.frames > 1 else "frame",
        )
        self.keypoint_predictor = KeypointRCNNPredictor(config.keypoint_width, config.joints)
        self.proposal_coder = detection_utils.BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.box_coder = detection_utils.BoxCoder((10.0, 10.0, 5.0, 5.0))

    def features(self, scaled) -> torch.Tensor:
        clips = scaled.tensors.unflatten(1, (-1, 3)).transpose(1, 2)
        return next(iter(self.body(clips).values()))

    def anchor_tubes(self, scaled, features) -> torch.Tensor:
        """Anchors (K, T, 4), the same box in every frame."""
        anchors = self.anchor_generator(scaled, [features[:, :, 0]])[0]
        return anchors[:, None].expand(-1, self.config.frames, -1)

    def objectness(self, scores) -> torch.Tensor:
        """(B, K, 1 or 2) logits → (B, K) in [0, 1]."""
        return scores.softmax(-1)[..., 1] if scores.shape[-1] == 2 else scores.sigmoid()[..., 0]

    def propose(self, anchors, scores, shifts, sizes) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The best tubes (R, T, 4) of each clip with their objectness (R,), after suppression."""
        tubes_out, scores_out = [], []
        for score, shift, size in zip(self.objectness(scores.detach()), shifts.detach(), sizes, strict=True):
            top = score.topk(min(len(score), (2 if self.training else 1) * self.config.proposals)).indices
            tubes = clip_tubes(decode(self.proposal_coder, shift[top], anchors[top]), size)
            keep = ((tubes[..., 2:] - tubes[..., :2]) >= 1e-3).all(-1).all(-1)
            tubes, score = tubes[keep], score[top][keep]
            kept = tube_nms(tubes, score, PROPOSAL_NMS)[: self.config.proposals]
            tubes_out.append(tubes[kept])
            scores_out.append(score[kept])
        return tubes_out, scores_out

    def classify(self, features, tubes) -> tuple[torch.Tensor, torch.Tensor]:
        """Class logits (N, 2), averaged over time, and shifts of the person class (N, T, 4)."""
        pooled = tube_align(features, tubes, BOX_ROI, self.config.body.stride)
        x = self.box_head(fold_time(pooled))
        logits, shifts = self.box_predictor(x)
        logits, shifts = (v.unflatten(0, (-1, self.config.frames)) for v in (logits, shifts))
        return logits.mean(1), shifts[..., 4:]

    def heatmaps(self, features, tubes) -> torch.Tensor:
        """Keypoint logits (N, T, J, 56, 56)."""
        if sum(map(len, tubes)) == 0:
            return features.new_zeros(0, self.config.frames, self.config.joints, HEATMAP, HEATMAP)
        x = self.keypoint_head(tube_align(features, tubes, KEYPOINT_ROI, self.config.body.stride))
        return self.keypoint_predictor(fold_time(x)).unflatten(0, (-1, self.config.frames))

    def forward(self, clips, targets) -> dict[str, torch.Tensor]:
        scaled, targets = self._scaled(clips, targets)
        features = self.features(scaled)
        anchors = self.anchor_tubes(scaled, features)
        scores, shifts = self.head(features)
        tubes, _ = self.propose(anchors, scores, shifts, scaled.image_sizes)
        samples = [self._sample(tube, wanted) for tube, wanted in zip(tubes, targets, strict=True)]
        losses = self._proposal_losses(anchors, scores, shifts, targets, scaled.image_sizes)
        losses |= self._box_losses(features, samples)
        return losses | ({"loss_keypoint": self._keypoint_loss(features, samples)} if self.config.joint_loss else {})

    def _scaled(self, clips, targets):
        scaled, _ = self.transform(list(clips))
        out = []
        for clip, size, wanted in zip(clips, scaled.image_sizes, targets, strict=True):
            factor = torch.tensor([size[1] / clip.shape[-1], size[0] / clip.shape[-2]], device=clip.device)
            xy = wanted["keypoints"][..., :2] * factor
            out.append(
                {
                    "tubes": wanted["tubes"] * factor.repeat(2),
                    "visible": wanted["visible"],
                    "keypoints": torch.cat([xy, wanted["keypoints"][..., 2:]], -1),
                }
            )
        return scaled, out

    def _proposal_losses(self, anchors, scores, shifts, targets, sizes) -> dict[str, torch.Tensor]:
        sampler = detection_utils.BalancedPositiveNegativeSampler(self.config.anchors, 0.5)
        matcher = detection_utils.Matcher(ANCHOR_POSITIVE, ANCHOR_NEGATIVE, allow_low_quality_matches=True)
        objectness, regression, n = [], [], 0
        for score, shift, wanted, size in zip(scores, shifts, targets, sizes, strict=True):
            label, match = labels(matcher, wanted, anchors)
            label[~inside(anchors[:, 0], size)] = -1  # anchors across the border take no part
            positive, negative = (m[0].bool() for m in sampler([label]))
            sampled = positive | negative
            objectness.append(classification(score[sampled], label[sampled]))
            regression.append(self._smooth(self.proposal_coder, anchors, shift, wanted, match, positive))
            n += int(sampled.sum())
        return {"loss_objectness": torch.cat(objectness).mean(), "loss_rpn_box_reg": sum(regression) / max(n, 1)}

    def _smooth(self, coder, places, shifts, wanted, match, positive) -> torch.Tensor:
        """Smooth L1 over the visible frames of the positive tubes, × 1/T (DT §3.2)."""
        rows = positive.nonzero()[:, 0]
        if len(rows) == 0:
            return shifts.sum() * 0
        goal = encode(coder, wanted["tubes"][match[rows]], places[rows])
        loss = F.smooth_l1_loss(shifts[rows], goal, beta=SMOOTH_L1_BETA, reduction="none").sum(-1)
        return (loss * wanted["visible"][match[rows]]).sum() / self.config.frames

    def _sample(self, tubes, wanted) -> dict:
        """Proposals and ground truth of one clip, a quarter positive, as the box head trains on them."""
        tubes = torch.cat([tubes, wanted["tubes"]]).detach()
        matcher = detection_utils.Matcher(ROI_POSITIVE, ROI_POSITIVE, allow_low_quality_matches=False)
        label, match = labels(matcher, wanted, tubes)
        sampler = detection_utils.BalancedPositiveNegativeSampler(self.config.rois, 0.25)
        rows = torch.where(sum(m[0] for m in sampler([label])))[0]
        return {"tubes": tubes[rows], "label": label[rows], "match": match[rows], "wanted": wanted}

    def _box_losses(self, features, samples) -> dict[str, torch.Tensor]:
        tubes = [s["tubes"] for s in samples]
        logits, shifts = self.classify(features, tubes)
        label = torch.cat([s["label"] for s in samples])
        parts = shifts.split([len(t) for t in tubes])
        regression = sum(
            self._smooth(self.box_coder, s["tubes"], p, s["wanted"], s["match"], s["label"] > 0)
            for s, p in zip(samples, parts, strict=True)
        )
        return {
            "loss_classifier": classification(logits, label).mean(),
            "loss_box_reg": regression / max(len(label), 1),
        }

    def _keypoint_loss(self, features, samples) -> torch.Tensor:
        """Softmax over a heatmap's cells for every visible joint of every slice, not scaled by 1/T."""
        tubes = [s["tubes"][s["label"] > 0] for s in samples]
        heat = self.heatmaps(features, tubes)
        cells, valid = [], []
        for tube, s in zip(tubes, samples, strict=True):
            joints = s["wanted"]["keypoints"][s["match"][s["label"] > 0]]
            cell, inside = keypoints_to_heatmap(joints.flatten(0, 1), tube.flatten(0, 1), HEATMAP)
            cells.append(cell.flatten())
            valid.append(inside.flatten().bool())
        cells, valid = torch.cat(cells), torch.cat(valid)
        if not valid.any():
            return heat.sum() * 0 + features.sum() * 0
        return F.cross_entropy(heat.flatten(0, 2).flatten(1)[valid], cells[valid])


Config = TubeConfig


def build(config: TubeConfig) -> TubeRcnn:
    """The network with random weights, in evaluation mode. WorkbookError on an unknown form or loss."""
    model = TubeRcnn(config)
    if config.frozen_norm:
        freeze_norm(model)
    return model.eval()


def inflated(frame_model: TubeRcnn, config: TubeConfig) -> TubeRcnn:
    """The tube network that a frame-level one (`frame_config(config)`) inflates to, all its layers."""
    model = build(config)
    model.load_state_dict(inflate_weights(frame_model.state_dict(), model.state_dict(), config.scheme))
    return model


def start_from(first: TubeRcnn | None, config: TubeConfig) -> TubeRcnn:
    """The network before training: another (None = a random frame-level one) inflated by the scheme, all its layers."""
    return inflated(first or build(frame_config(config)), config)


def batches(videos: Sequence[Video], config: TubeConfig, batch: int, seed: int) -> Callable[[int], tuple]:
    """A function step → (clips, targets): random clips, all frames labelled, half of them mirrored."""
    windows = [Windows(frames_of(video), config.frames) for video in videos]

    def around(v: int, t: int) -> np.ndarray:
        return window(t, config.frames, len(videos[v]))

    places = [(v, t) for v, video in enumerate(videos) for t in range(len(video)) if video.labelled[around(v, t)].all()]

    def example(v: int, t: int) -> Example:
        return image_tensor(windows[v][t]), tube_target(videos[v].people, around(v, t), videos[v].size)

    return drawn(places, example, batch, seed)


# --- inference -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class TubeDetection:
    """What the network saw in one clip, in the clip's pixels: n tubes of T boxes.

    proposals (R, T, 4) best first, objectness (R,); tubes (n, T, 4), score (n,);
    xy (n, T, 15, 2), logit and probability (n, T, 15).
    """

    proposals: np.ndarray
    objectness: np.ndarray
    tubes: np.ndarray
    score: np.ndarray
    xy: np.ndarray
    logit: np.ndarray
    probability: np.ndarray


@torch.inference_mode()
def look(
    model: TubeRcnn, clips: Sequence[np.ndarray], score_floor: float = SCORE_FLOOR, centre_only: bool = False
) -> list[TubeDetection]:
    """Run the network on clips (uint8 T × H × W × 3), one TubeDetection a clip.

    centre_only: joints are read from the centre slice alone; xy and the rest then have T = 1.
    """
    if not len(clips):
        return []
    device = next(model.parameters()).device
    images = [image_tensor(c).to(device) for c in clips]
    if any(len(im) != 3 * model.config.frames for im in images):
        raise WorkbookError(f"clips: of {model.config.frames} frames needed, as `Windows` gives them.")
    scaled, _ = model.transform(images)
    features = model.features(scaled)
    scores, shifts = model.head(features)
    anchors = model.anchor_tubes(scaled, features)
    proposals, objectness = model.propose(anchors, scores, shifts, scaled.image_sizes)
    logits, shifts = model.classify(features, proposals)
    found = _final(model, proposals, logits, shifts, scaled.image_sizes, score_floor)
    heat = model.heatmaps(features, [tubes for tubes, _ in found]).split([len(s) for _, s in found])
    out = []
    for i, (tubes, score) in enumerate(found):
        size, original = scaled.image_sizes[i], images[i].shape[-2:]
        factor = torch.tensor([size[1] / original[1], size[0] / original[0]] * 2, device=device)
        tubes = tubes / factor
        middle = slice(model.config.frames // 2, model.config.frames // 2 + 1) if centre_only else slice(None)
        maps, boxes = heat[i][:, middle], tubes[:, middle]
        joints = keypoint_rcnn.decode(maps.flatten(0, 1).float(), boxes.flatten(0, 1).float())
        read = [v.unflatten(0, maps.shape[:2]) for v in joints]
        values = (proposals[i] / factor, objectness[i], tubes, score, *read)
        out.append(TubeDetection(*(v.float().cpu().numpy() for v in values)))
    return out


def _final(model, proposals, logits, shifts, sizes, score_floor):
    """Final tubes (n, T, 4) and scores (n,) of each clip."""
    out, counts = [], [len(p) for p in proposals]
    for tubes, logit, shift, size in zip(proposals, logits.split(counts), shifts.split(counts), sizes, strict=True):
        score = logit.softmax(-1)[:, 1]
        tubes = clip_tubes(decode(model.box_coder, shift, tubes), size)
        keep = (score > score_floor) & ((tubes[..., 2:] - tubes[..., :2]) >= 1e-2).all(-1).all(-1)
        tubes, score = tubes[keep], score[keep]
        kept = tube_nms(tubes, score, DETECTION_NMS)[:DETECTIONS]
        out.append((tubes[kept], score[kept]))
    return out


def detect(
    model: TubeRcnn,
    frames: Sequence[np.ndarray],
    which: Sequence[int] | None = None,
    batch: int = 4,
    score_floor: float = SCORE_FLOOR,
) -> People:
    """All people of a video by a sliding window, of each clip the centre frame (DT §3.2).

    As `keypoint_rcnn.detect`: score is the tube's, joint_score the heatmap logit.
    """
    windows = Windows(frames, model.config.frames)
    numbers = list(range(len(windows)) if which is None else map(int, which))
    parts = []
    for start in range(0, len(numbers), batch):
        some = numbers[start : start + batch]
        for t, found in zip(some, look(model, [windows[t] for t in some], score_floor, centre_only=True), strict=True):
            frame, box = np.full(len(found.score), t), found.tubes[:, model.config.frames // 2]
            joints = {"xy": found.xy[:, 0], "joint_score": found.logit[:, 0]}
            parts.append(people(frame=frame, box=box, score=found.score, **joints))
    return concatenate(parts)
