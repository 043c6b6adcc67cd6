"""What the flow tracker costs: frames a second with DIS and propagation, and what chaining and batching save.

Run `OMP_NUM_THREADS=2 python -m tests.benchmarks.bench_flow_tracker`. The bar: FRAMES_A_SECOND at 640 × 360 on two
cores, flow, propagation, poses and ids together. A queue of L_Q frames needs one flow a frame where the carried poses
are kept, and L_Q where every remembered frame is compared with this one.
"""

from collections import deque

import numpy as np
import torch

from helpers import puppets
from helpers.detections.flow import Neighbours, provider
from helpers.detections.propagation import Estimator, Propagation, Propagator, propagate
from helpers.nets import deconv_pose
from helpers.people import Video
from helpers.tracking.flow_similarity import SIMILARITIES, FlowTracker
from helpers.training import stage_one
from tests.benchmarks.bench_nets import in_turn

FRAMES_A_SECOND, FRAMES = 15, 20


def per_pair(dis, frames):
    """A flow from every remembered frame to this one."""
    queue = deque(maxlen=SIMILARITIES["multi-flow"])
    for image in frames:
        for before in queue:
            dis(before, image)
        queue.append(image)


def chained(dis, frames):
    """A flow from the frame before, along which everything that is remembered is carried."""
    neighbours = Neighbours(dis)
    for image in frames:
        neighbours.step(image)


def main():
    torch.set_num_threads(2)
    torch.manual_seed(0)
    (made,) = puppets.videos("val", n=1, size=(640, 360), labelled="all")
    truth = made.people[(made.people.frame < FRAMES) & np.isfinite(made.people.box).all(1)]
    frames = [made.frames[t] for t in range(FRAMES)]
    video = Video(made.name, made.size, np.ones(FRAMES, bool), truth, frames=frames)
    boxes = truth.replace(score=np.ones(len(truth)))
    look, dis = Estimator(deconv_pose.build(stage_one()["deconv-a"].network)), provider("dis")

    def online():
        neighbours = Neighbours(dis)
        carry, tracker = Propagator(look, neighbours, Propagation()), FlowTracker(neighbours=neighbours)
        for t in range(FRAMES):
            tracker.step(carry.step(boxes.at(t), frames[t]), frames[t])

    def one_by_one():
        return [look(frames[t], boxes.at(t)) for t in range(FRAMES)]

    whole, chain, pairs = in_turn(online, lambda: chained(dis, frames), lambda: per_pair(dis, frames))
    at_once, each = in_turn(lambda: propagate(video, boxes, look, None), one_by_one)
    print(f"{len(truth) / FRAMES:.1f} people a frame, 640 × 360, two cores")
    print(f"flow, propagation, poses and ids: {FRAMES / whole:.0f} frames a second; bar {FRAMES_A_SECOND}")
    print(f"flow's share {chain / whole:.2f}; chained / a flow for every remembered frame {chain / pairs:.2f}")
    print(f"poses of all frames at once / frame by frame {at_once / each:.2f}")


if __name__ == "__main__":
    main()
