"""Frames per second of the built-in world on one core: ground truth alone, and rendered with six people.

Run `OMP_NUM_THREADS=1 python -m tests.benchmarks.bench_puppets`. The bars are 5,000 and 150 at 320×180.
"""

import time

import cv2

from helpers import puppets


def best(function, repeats=5):
    """Most frames per second of several runs; other work on the machine only ever slows."""
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        frames = function()
        rates.append(frames / (time.perf_counter() - start))
    return max(rates)


def main():
    cv2.setNumThreads(1)
    six = puppets.WorldSettings(people=(6, 6))
    truth = best(lambda: sum(map(len, puppets.videos("train", 20, render=False, labelled="all", settings=six))))
    made = puppets.videos("train", 3, settings=six)
    pixels = best(lambda: sum(1 for video in made for _ in video.frames))
    print(
        f"ground truth {truth:.0f} frames/s ({truth / 5000:.1f}x the bar), rendered {pixels:.0f} ({pixels / 150:.1f}x)"
    )


if __name__ == "__main__":
    main()
