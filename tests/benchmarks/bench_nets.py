"""The workbook's keypoint R-CNN against torchvision's own of the same size, and the price of a clip's length.

Run `OMP_NUM_THREADS=1 python -m tests.benchmarks.bench_nets`. Inference and a training step may
take 1.05 times as long as torchvision's; both are timed in turn, so other work slows both.
"""

import time
from dataclasses import replace
from statistics import median

import numpy as np
import torch
from torchvision.models import resnet18
from torchvision.models.detection import KeypointRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor

from helpers.nets import inflate, keypoint_rcnn, resnet, tubes
from helpers.skeleton import N_JOINTS

FULL = keypoint_rcnn.KeypointRcnnConfig(resnet.BodyConfig(18), short_side=180, long_side=320, rois=64, proposals=100)


def torchvisions():
    """torchvision's keypoint R-CNN with ResNet-18 and pyramid, the numbers of FULL."""
    backbone = _resnet_fpn_extractor(resnet18(weights=None), 5)
    keypoint_rcnn.freeze_norm(backbone)
    anchors = AnchorGenerator(tuple((s,) for s in FULL.anchor_sizes), (FULL.anchor_ratios,) * 5)
    return KeypointRCNN(
        backbone,
        2,
        FULL.short_side,
        FULL.long_side,
        rpn_anchor_generator=anchors,
        num_keypoints=N_JOINTS,
        rpn_pre_nms_top_n_train=200,
        rpn_post_nms_top_n_train=100,
        rpn_pre_nms_top_n_test=100,
        rpn_post_nms_top_n_test=100,
        box_batch_size_per_image=64,
    )


def in_turn(*functions, repeats=7):
    """Median seconds of each function, called one after the other."""
    seconds = [[] for _ in functions]
    for _ in range(repeats + 1):
        for function, kept in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function()
            kept.append(time.perf_counter() - start)
    return [median(kept[1:]) for kept in seconds]


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (180, 320, 3), dtype=np.uint8) for _ in range(2)]
    images = [keypoint_rcnn.image_tensor(f) for f in frames]
    xy = torch.rand(1, N_JOINTS, 2) * torch.tensor([30.0, 90.0]) + 40
    wanted = [
        {
            "boxes": torch.tensor([[40.0, 40, 70, 130]]),
            "labels": torch.ones(1, dtype=torch.int64),
            "keypoints": torch.cat([xy, torch.ones(1, N_JOINTS, 1)], -1),
        }
    ] * 2
    ours, theirs = keypoint_rcnn.build(FULL), torchvisions().eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    theirs.roi_heads.score_thresh = 0.05

    @torch.inference_mode()
    def reference():
        theirs(images)

    found = in_turn(lambda: keypoint_rcnn.look(ours, frames, keep_heat=False), reference)
    print(f"inference: {found[0]:.3f} s, torchvision {found[1]:.3f} s, {found[0] / found[1]:.3f}x")

    def step(model):
        torch.manual_seed(0)
        sum(model(images, wanted).values()).backward()

    ours.train(), theirs.train()
    found = in_turn(lambda: step(ours), lambda: step(theirs), repeats=4)
    print(f"training step: {found[0]:.3f} s, torchvision {found[1]:.3f} s, {found[0] / found[1]:.3f}x")
    for length in (1, 3, 5):
        config = tubes.frame_config(tubes.SLIM) if length == 1 else replace(tubes.SLIM, frames=length)
        model = tubes.build(config)
        clip = inflate.Windows(frames, length)[0]
        seconds = in_turn(lambda model=model, clip=clip: tubes.look(model, [clip]), repeats=3)[0]
        print(f"tubes of {length} frames: {seconds:.3f} s a frame")


if __name__ == "__main__":
    main()
