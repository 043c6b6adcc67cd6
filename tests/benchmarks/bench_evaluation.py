"""How fast the evaluator is, on 10 videos × 60 frames × 6 people, and that time grows linearly.

Run `python -m tests.benchmarks.bench_evaluation`. The official toolkit takes 1.9 s for
AP, 3.8 s for MOT and 1.3 s to load on the same data and two cores.
"""

import subprocess
import sys
import tempfile
import time

import numpy as np

from helpers import evaluation
from helpers.datasets.posetrack_writing import write_posetrack18
from helpers.people import Video, people

OFFICIAL_AP, OFFICIAL_MOT, OFFICIAL_LOAD = 1.9, 3.8, 1.3


def noisy_set(n_videos=10, n_frames=60, n_people=6, seed=0):
    """Random walks, 20 % joints missing, and predictions with jitter, misses and clutter."""
    rng = np.random.default_rng(seed)
    truth, predictions = [], []
    for v in range(n_videos):
        n = n_frames * n_people
        frame, track = np.repeat(np.arange(n_frames), n_people), np.tile(np.arange(n_people), n_frames)
        centre = rng.uniform(0, 1000, (n_people, 2)) + np.cumsum(rng.normal(0, 5, (n_frames, n_people, 2)), 0)
        xy = centre.reshape(n, 1, 2) + rng.uniform(-60, 60, (n, 15, 2))
        gt = people(frame=frame, track=track, xy=xy, present=rng.random((n, 15)) > 0.2, head=np.full(n, 24.0))
        seen = rng.random(n) > 0.1
        pr = people(
            frame=frame,
            track=track + 50 * (rng.random(n) < 0.03),
            xy=xy + rng.normal(0, 5, xy.shape),
            present=rng.random((n, 15)) > 0.1,
            joint_score=rng.random((n, 15)),
        )[seen]
        truth.append(Video(f"{v:06d}_mpii_val", (0, 0), np.ones(n_frames, bool), gt))
        predictions.append(pr)
    return truth, predictions


def best(function, repeats=7):
    """Shortest of several runs in seconds; other work on the machine only ever adds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    truth, predictions = noisy_set()
    ap = best(lambda: evaluation.average_precision(evaluation.ap_samples(evaluation.pair_up(truth, predictions, True))))
    mot = best(lambda: evaluation.clear_mot(truth, predictions, True))
    both = best(lambda: evaluation.evaluate(truth, predictions, True))
    print(f"AP {ap * 1e3:.1f} ms, {OFFICIAL_AP / ap:.0f}x; MOT {mot * 1e3:.1f} ms, {OFFICIAL_MOT / mot:.0f}x")
    times = (OFFICIAL_AP + OFFICIAL_MOT) / both
    print(f"everything, HOTA included: {both * 1e3:.1f} ms, {times:.0f}x the official AP + MOT")
    with tempfile.TemporaryDirectory() as folder:
        write_posetrack18(f"{folder}/truth", truth)
        write_posetrack18(f"{folder}/predictions", truth, predictions)
        command = [sys.executable, "-m", "helpers", "evaluate", f"{folder}/truth", f"{folder}/predictions"]
        whole = best(lambda: subprocess.run(command, check=True, capture_output=True), 5)
    official = OFFICIAL_AP + OFFICIAL_MOT + OFFICIAL_LOAD
    print(
        f"the whole command: {whole:.2f} s, {official / whole:.0f}x the official {official:.1f} s without its start-up"
    )
    for n in (60, 120, 240, 480):
        seconds = best(lambda n=n: evaluation.evaluate(*noisy_set(4, n)), 3)
        print(f"4 videos x {n} frames: {seconds / n * 1e3:.3f} ms a frame")


if __name__ == "__main__":
    main()
