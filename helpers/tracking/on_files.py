"""Tracks for the predictions of any pose estimator: PoseTrack'18 files in, the same files with track ids out.

`python -m helpers track` is this. The trackers are online ones, so a file gets the ids that its
frames would have got one by one (notebook 06); the flow tracker sees the images besides, and may add people
whom the detector missed (notebook 09).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers import WorkbookError
from helpers.datasets.images import ImageFiles
from helpers.datasets.posetrack18 import read_detections, with_tracks
from helpers.detections.filters import keep_confident
from helpers.files import write_atomically
from helpers.people import People, Video, concatenate
from helpers.skeleton import joint_map
from helpers.tracking import Tracker, costs, matching, track
from helpers.tracking.frame_to_frame import FrameToFrame

if TYPE_CHECKING:  # they need OpenCV and torch, which tracking by boxes and joints does without
    from helpers.detections.flow import Neighbours, Provider
    from helpers.detections.propagation import Estimate, Propagation, Propagator
    from helpers.tracking.flow_similarity import FlowTracker

#: What `track --method` knows: how a fresh tracker is made of a matching, a limit and a memory. One line per tracker.
TRACKERS: dict[str, Callable[..., Tracker]] = {
    name: partial(FrameToFrame, cost) for name, cost in costs.BY_NAME.items()
}
#: What `--method` knows besides: Simple Baselines' tracker, which needs the images.
FLOW = "flow"


def tracker_maker(method: str, matcher: str, limit: float, memory: int) -> Callable[[], Tracker]:
    """What makes a fresh tracker for every file. Raises WorkbookError for an unknown method or a memory below 1."""
    if method not in TRACKERS:
        raise WorkbookError(f"--method {method}: is unknown; there are {', '.join([*TRACKERS, FLOW])}.")
    if memory < 1:
        raise WorkbookError(f"--memory {memory}: at least 1 frame is needed.")
    return partial(TRACKERS[method], match=getattr(matching, matcher), limit=limit, memory=memory)


@dataclass(frozen=True)
class ByFlow:
    """How `--method flow` tracks a file.

    provider: of the flow; neighbours → a fresh tracker; images: the folder below which the files' images lie, None =
    that of the predictions or one of the folders around it; estimate: the pose network that looks at people who are
    carried where the detector saw nobody, None = nobody is added; settings: how they are carried, None = as usual.
    """

    provider: Provider
    tracker: Callable[[Neighbours], FlowTracker]
    images: Path | None = None
    estimate: Estimate | None = None
    settings: Propagation | None = None

    def run(self, video: Video, kept: People, which: Sequence[int]) -> People:
        """The people with their ids, and after them those that were added; video: with frames.

        One pass over the frames `which`: propagation and similarity share each pair's flow. Raises WorkbookError for
        an image of another size than the file says, or than its first image has where it says none.
        """
        from helpers.detections.flow import Neighbours

        neighbours = Neighbours(self.provider)
        tracker, propagator = self.tracker(neighbours), self._propagator(kept, neighbours)
        rows, ids, added = kept.rows_by_frame(len(video)), np.full(len(kept), -1), []
        for t in map(int, which):
            image, now = _image(video, t), kept[rows[t]]
            if propagator is not None:
                now = concatenate([now, _added(propagator, now, image, t)])
            found, n = tracker.step(now, image), len(rows[t])
            ids[rows[t]] = found[:n]
            added.append(now[n:].replace(track=found[n:]))
        return concatenate([kept.replace(track=ids), *added])

    def _propagator(self, kept: People, neighbours: Neighbours) -> Propagator | None:
        """Where the file's people stay as they are, all of their joints are carried, and all of their boxes stay."""
        from helpers.detections.propagation import Known, Propagation, Propagator

        if self.estimate is None:
            return None
        known = Known(kept.replace(joint_score=np.ones(kept.joint_score.shape)), self.estimate)
        chosen = replace(self.settings or Propagation(), person=-np.inf, detected_first=True, score="joints")
        return Propagator(known, neighbours, chosen)


def _added(propagator: Propagator, now: People, image: np.ndarray, t: int) -> People:
    """Who is carried into frame t, with the joints that are sure enough to be carried on."""
    found = propagator.step(now, image)[propagator.carried]
    found = found.replace(frame=np.full(len(found), t), track=np.full(len(found), -1))
    return keep_confident(found, -np.inf, propagator.settings.joint)


def _image(video: Video, t: int) -> np.ndarray:
    """The image of a frame; joints and flow are in pixels of one size, which is the file's."""
    image = video.frames[t]  # type: ignore[index]
    if image.shape[1::-1] != video.size:
        sizes = [f"{width} × {height}" for width, height in (image.shape[1::-1], video.size)]
        raise WorkbookError(
            f"{video.name}: frame {t}, {video.files[t]}, is {sizes[0]} pixels in place of {sizes[1]}; flow needs the "
            "file's own images, frames of one size, and --frames DIR says where they are."
        )
    return image


def track_files(
    predictions: Path,
    out: Path,
    tracker: Callable[[], Tracker] | ByFlow,
    person: float = -np.inf,
    joint: float = -np.inf,
) -> Iterator[tuple[Path, int, int]]:
    """Track every file of a folder: (path written, people, track ids) of each as soon as it is written.

    tracker() makes a fresh tracker for every file; or how the flow tracks it. People scored below `person` and joints
    scored below `joint` are left out of the output, too. Frames that a file says are not
    labelled, and that hold nobody, are skipped, not taken for empty; flow then reaches over them. Raises WorkbookError
    if out is the folder that is read, a file is no PoseTrack'18 one or has no scores for `joint`, or images that are
    needed are missing.
    """
    predictions, out = Path(predictions), Path(out)
    source = predictions if predictions.is_dir() else predictions.parent
    if out.resolve() == source.resolve():
        raise WorkbookError(f"{out}: is the folder that is read; another one is needed for the tracks.")
    for video, content in read_detections(predictions):
        _check_scores(video, joint)
        kept, which = keep_confident(video.people, person, joint), _frames(video, content)
        if isinstance(tracker, ByFlow):
            tracked = tracker.run(_with_images(video, source, tracker.images), kept, which)
            content = content | {"annotations": content["annotations"] + _annotations(tracked[len(kept) :], content)}
        else:
            tracked = track(kept, tracker(), len(video), which=which)
        first = len(content["annotations"]) - (len(tracked) - len(kept))
        place = np.concatenate([kept.track, np.arange(first, len(content["annotations"]))])
        path = out / f"{video.name}.json"
        write_atomically(path, json.dumps(with_tracks(content, tracked, place), allow_nan=False).encode())
        yield path, len(tracked), len(np.unique(tracked.track))


def _check_scores(video: Video, joint: float) -> None:
    """Joints without scores would all be dropped."""
    scores = video.people.joint_score[video.people.present]
    if joint > -np.inf and len(scores) and np.isnan(scores).all():
        raise WorkbookError(f"{video.name}: has no joint scores, so --joint {joint:g} cannot choose among its joints.")


def _with_images(video: Video, source: Path, images: Path | None) -> Video:
    """The video with its frames, whose files' names count from `images`, from the source or from a folder around it."""
    source = source.absolute()
    roots = [images] if images is not None else [source, *source.parents[:3]]
    root = next((root for root in roots if (root / video.files[0]).is_file()), None)
    if root is None:
        where = f"{images}" if images is not None else f"{source} and the folders around it"
        raise WorkbookError(f"{video.name}: the image {video.files[0]} is not in {where}; --frames DIR says where.")
    frames = ImageFiles([root / name for name in video.files])
    return replace(video, frames=frames, size=video.size if all(video.size) else frames[0].shape[1::-1])


def _annotations(added: People, content: dict) -> list[dict]:
    """People whom the file lacks, as its other annotations are, with new ids."""
    names = content["categories"][0]["keypoints"]
    images = [image["id"] for image in content["images"]]
    first = 1 + max([a["id"] for a in content["annotations"] if type(a.get("id")) is int], default=0)
    points, scores = np.zeros((len(added), len(names), 3)), np.zeros((len(added), len(names)))
    order = joint_map(tuple(names))
    points[:, order, :2], points[:, order, 2] = np.where(added.present[..., None], added.xy, 0), added.present
    scores[:, order] = added.joint_score
    corner, sides = added.box[:, :2], added.box[:, 2:] - added.box[:, :2]
    return [
        {
            "id": first + i,
            "image_id": images[added.frame[i]],
            "category_id": content["categories"][0].get("id", 1),
            "keypoints": points[i].ravel().tolist(),
            "scores": scores[i].tolist(),
            "score": float(added.score[i]),
            "bbox": [*corner[i].tolist(), *sides[i].tolist()],
        }
        for i in range(len(added))
    ]


def _frames(video: Video, content: dict) -> np.ndarray:
    """The frames to step through; without a flag a frame counts, also if it is empty."""
    skipped = [image.get("is_labeled") in (False, 0) for image in content["images"]]
    return np.flatnonzero(~np.array(skipped, bool) | np.isin(np.arange(len(video)), video.people.frame))
