"""What it saves to cut and look at all people of many frames at once, against a loop over people.

Run `OMP_NUM_THREADS=1 python -m tests.benchmarks.bench_pose`. The bars: at once nothing takes longer. On one core
most time goes into the network's products, which a batch does not make fewer; OpenCV's crops stand beside ours.
"""

import numpy as np
import torch

from helpers import puppets
from helpers.nets import crops, deconv_pose, top_down
from helpers.opencv import cv2
from helpers.training import stage_one
from tests.benchmarks.bench_nets import in_turn

BAR = 1.0


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    (video,) = puppets.videos("val", n=1)
    boxes = top_down.usable(video)
    boxes = boxes[np.isin(boxes.frame, np.unique(boxes.frame)[:10])]
    frames, of = np.unique(boxes.frame, return_inverse=True)
    seen, some = [video.frames[int(t)] for t in frames], boxes.replace(frame=of)
    model = deconv_pose.build(stage_one()["deconv"].network)
    size = model.config.size
    maps = crops.affines(boxes.box, size)

    def cut_at_once():
        return crops.warp(crops.stacked(seen), of, maps, size)

    def cut_one_by_one():
        return [crops.warp(crops.stacked([seen[t]]), [0], maps[i : i + 1], size) for i, t in enumerate(of)]

    def cut_by_opencv():
        return [cv2.warpAffine(seen[t], m, size[::-1], flags=cv2.INTER_LINEAR) for t, m in zip(of, maps, strict=True)]

    def one_by_one():
        return [
            top_down.look(model, [seen[int(p.frame[0])]], p.replace(frame=[0]))
            for p in map(some.__getitem__, range(len(some)))
        ]

    cut, loop, opencv = in_turn(cut_at_once, cut_one_by_one, cut_by_opencv)
    poses, each = in_turn(lambda: top_down.look(model, seen, some), one_by_one)
    print(f"{len(boxes)} people of {len(seen)} frames, {video.size[0]} × {video.size[1]}, one core; bar {BAR}")
    print(f"crops at once / one by one {cut / loop:.2f}, OpenCV's / ours {opencv / cut:.2f}")
    print(f"poses at once / one by one {poses / each:.2f}, crops' share of them {cut / poses:.2f}")
    print(f"people a second {len(boxes) / poses:.0f}")


if __name__ == "__main__":
    main()
