"""Flow and propagation in frames a second, and what chaining saves against the flow of every pair of the queue.

Run `OMP_NUM_THREADS=1 python -m tests.benchmarks.bench_flow`. The bar: DIS and its sampling at the joints, 15 pairs a
second at 640 × 360 on two cores. Multi-frame similarity needs the way from each of the last L_Q frames: chained it
is one flow a step, computed anew it is L_Q.
"""

import time
from itertools import cycle

from helpers import puppets
from helpers.detections import flow
from helpers.opencv import cv2
from helpers.tracking.flow_similarity import SIMILARITIES
from tests.benchmarks.bench_nets import in_turn

BAR, SIZE, CORES = 15, (640, 360), 2
QUEUE = SIMILARITIES["multi-flow"]


def main():
    cv2.setNumThreads(CORES)
    (video,) = puppets.videos("val", n=1, size=SIZE)
    frames, joints = [video.frames[t] for t in range(30, 31 + QUEUE)], puppets.scene_of(video).joints[:, 30:]
    a, b = frames[-2:]
    providers = {name: flow.provider(name) for name in ("dis", "farneback", "zero")}
    providers |= {f"dis, {preset}": flow.Dis(preset) for preset in ("fast", "ultrafast")}

    def anew():
        return [flow.moved(providers["dis"](frames[t], b), joints[:, t])[0] for t in range(QUEUE)]

    memory, images = flow.Neighbours(providers["dis"]), cycle([a, b])
    memory.step(next(images))

    def chained():
        """One step of the tracker: the queue's poses have got to the frame before already."""
        field = memory.step(next(images))
        return [flow.moved(field, joints[:, t])[0] for t in range(QUEUE)]

    def carry(provider):
        return lambda: flow.moved(provider(a, b), joints[:, QUEUE - 1])

    print(f"{len(joints)} people, {SIZE[0]} × {SIZE[1]}, {CORES} cores; bar {BAR} pairs a second with dis")
    for name, seconds in zip(providers, in_turn(*map(carry, providers.values())), strict=True):
        print(
            f"{name:15}{1 / seconds:9.1f} pairs a second, {1 / busy(carry(providers[name])):9.1f} a second of one core"
        )
    one, many, alone = in_turn(chained, anew, lambda: providers["dis"](a, b))
    print(f"queue of {QUEUE}: anew / chained {many / one:.2f}; a step chained / the flow alone {one / alone:.2f}")


def busy(function, repeats: int = 5) -> float:
    """Seconds of the processor, which other work on the machine does not lengthen as it does those of the clock."""
    start = time.process_time()
    for _ in range(repeats):
        function()
    return (time.process_time() - start) / repeats


if __name__ == "__main__":
    main()
