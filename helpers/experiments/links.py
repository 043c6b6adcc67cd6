"""Links between frames: which true pairs a cost and a matcher miss, and what that costs in MOTA.

Notebook 06 compares matchers and gaps with it, 07 cost criteria, 13 everything. Differences are
paired: both sides see the same videos, seeds and detections.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from helpers.experiments import runs
from helpers.experiments.runs import Runs
from helpers.intervals import Weights
from helpers.people import People, Video, extent_boxes
from helpers.verdicts import Result

#: A pose needs this many joints to be compared with another.
LEAST_JOINTS = 3


def thin(video: Video, gap: int) -> Video:
    """Every gap-th frame of a video, from the first on, without its pixels; 1 keeps all frames."""
    kept = video.people[video.people.frame % gap == 0]
    kept = kept.replace(frame=kept.frame // gap)
    rest = {"labelled": video.labelled[::gap], "ignore": video.ignore[::gap], "files": video.files[::gap]}
    return replace(video, people=kept, frames=None, **rest)


def labelled_alone(video: Video, found: People) -> tuple[Video, People]:
    """The labelled frames of a video as a video of their own, and what was found in them, without pixels.

    For detections that were made in labelled frames only: their neighbours in time are each other.
    """
    numbers = np.flatnonzero(video.labelled)

    def renumbered(p: People) -> People:
        kept = p[video.labelled[p.frame]]
        return kept.replace(frame=np.searchsorted(numbers, kept.frame))

    short = Video(video.name, video.size, np.ones(len(numbers), bool), renumbered(video.people))
    return short, renumbered(found)


def wrong_links(people: People, gap: int, cost: Callable, match: Callable) -> tuple[int, int]:
    """Of one video's people with true ids: true pairs `gap` frames apart, and how many of them are not linked.

    A true pair is a track that is in frames t and t + gap; it is linked wrongly when
    `match(cost(people at t, people at t + gap))` does not contain it.
    """
    frames = people.by_frame(people.frame.max(initial=-1) + 1)
    pairs = wrong = 0
    for a, b in zip(frames, frames[gap:], strict=False):
        if not len(a) or not len(b):
            continue
        rows, columns = match(cost(a, b))
        true = int(np.isin(a.track, b.track).sum())
        pairs, wrong = pairs + true, wrong + true - int((a.track[rows] == b.track[columns]).sum())
    return pairs, wrong


def link_errors(videos: Sequence[Video], gap: int, cost: Callable, match: Callable) -> np.ndarray:
    """`wrong_links` of the annotated people of each video, (V, 2) int.

    People with at least 3 joints, their boxes the plain extent of their joints.
    """
    out = np.zeros((len(videos), 2), int)
    for v, video in enumerate(videos):
        kept = video.people[video.people.present.sum(1) >= LEAST_JOINTS]
        out[v] = wrong_links(kept.replace(box=extent_boxes(kept.xy, kept.present)), gap, cost, match)
    return out


def link_error_rate(errors: np.ndarray, videos: Weights = None) -> float:
    """Per cent of the true pairs that are linked wrongly; errors (V, 2) of `link_errors`."""
    pairs, wrong = errors.sum(0) if videos is None else np.asarray(videos) @ errors
    return 100 * wrong / pairs if pairs else float("nan")


def link_error_difference(ours: np.ndarray, baseline: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Link error of ours minus the baseline's, in points, with the paired 95 % interval over videos."""
    return runs.estimate(lambda v, _: link_error_rate(ours, v) - link_error_rate(baseline, v), shape=(1, len(ours)))


def compare(
    videos: Sequence[Video],
    detections: Sequence[Sequence[People]],
    methods: dict[str, Callable[[People, Video], People]],
) -> dict[str, Runs]:
    """Every method on the same detections: S lists, one per seed, of V People.

    A method gives the detections of a video their track ids.
    """
    return {
        name: Runs(videos, [[method(d, v) for d, v in zip(found, videos, strict=True)] for found in detections])
        for name, method in methods.items()
    }


def result(claim: str, hungarian: Runs, greedy: Runs, data: str, source: str) -> Result:
    """PT-C8 and DT-C5: MOTA with Hungarian matching minus MOTA with greedy matching."""
    shape = runs.shape_of((hungarian, greedy))
    return runs.result(claim, data, source, lambda v, s: hungarian.mota(v, s) - greedy.mota(v, s), shape)
