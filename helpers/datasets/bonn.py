"""Reader for Bonn Multi-Person PoseTrack (Iqbal, Milan and Gall, CVPR 2017), the benchmark's ancestor.

60 videos with every frame labelled, 14 joints, identities, real occlusions; one clip has its images.
`python -m helpers fetch bonn` downloads it; the notebooks from 05 on repeat their experiments on it.
"""

import zipfile
from pathlib import Path

import numpy as np

from helpers import WorkbookError
from helpers.datasets import find, missing
from helpers.datasets.images import ImageFiles, image_size
from helpers.files import load_annolist, load_json
from helpers.heads import BONN_HEAD, HEAD_SHARE, head_sizes
from helpers.people import BOX_MARGIN, People, Video, extent_boxes, nobody, people
from helpers.skeleton import INDEX, MPII, N_JOINTS, coco_to_posetrack

FOLDERS = {"train": ("train",), "val": ("test",), "all": ("train", "test")}


def read_bonn(folder: str | Path, split: str = "all") -> list[Video]:
    """The videos of `annolist/{train,test}/annolist.mat`; split "val" is the data set's test folder.

    A joint is present where it is annotated *and* flagged visible. Bonn also places occluded
    joints, PoseTrack does not annotate them, and Bonn's own evaluator skips them; with the
    visible ones 10.3 of 14 joints per person count, as in SoMoF (10.4), with all 13.3.
    A person whose joints are all occluded in a frame (101 of 14,574 poses) stays, with
    `present` all False and a box of NaN. The track is the row. Head size: 0.6 × diagonal
    of `head_rect`; in the 25 videos without one 0.75 × distance head_bottom–head_top
    (`heads.head_sizes`, there of all annotated joints). Frames come from `videos/<name>/`
    where that is there. Raises WorkbookError.
    """
    folder = Path(folder)
    if split not in FOLDERS:
        raise WorkbookError(f"{folder}: split {split!r} is unknown; train, val and all are there.")
    videos = []
    for name in FOLDERS[split]:
        path = folder / "annolist" / name / "annolist.mat"
        videos += [_video(folder, path, entry) for entry in load_annolist(path).ravel()]
    return videos


def _video(folder: Path, path: Path, entry) -> Video:
    try:
        name, cells = str(entry["name"][0]), entry["annopoints"]
        frames, rows = cells.shape[1], []
        for frame, row in np.ndindex(cells.shape[::-1]):  # frame by frame
            if cells[row, frame].size:
                rows.append((frame, row, *_person(cells[row, frame][0, 0])))
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise WorkbookError(f"{path}: annolist has an unknown structure ({error}).") from None
    files = tuple(f"videos/{name}/{t + 1:05d}.jpg" for t in range(frames))
    images = ImageFiles([folder / file for file in files]) if (folder / "videos" / name).is_dir() else None
    size = image_size(images.paths[0]) if images else (0, 0)
    return Video(name, size, np.ones(frames, bool), _people(rows), frames=images, files=files)


def _person(cell):
    """Joints (15, 2), annotated and visible (15,), and head size of one cell."""
    xy, annotated, visible = np.zeros((N_JOINTS, 2)), np.zeros(N_JOINTS, bool), np.zeros(N_JOINTS, bool)
    for point in cell["point"].ravel():
        joint = INDEX[MPII[int(point["id"].item())]]
        xy[joint] = point["x"].item(), point["y"].item()
        annotated[joint], visible[joint] = True, point["is_visible"].item() > 0
    if not np.isfinite(xy).all():
        raise ValueError("a coordinate that is not finite")
    rect = cell["head_rect"].ravel().astype(float)
    head = HEAD_SHARE * np.hypot(rect[2] - rect[0], rect[3] - rect[1]) if rect.size == 4 else np.nan
    return xy, annotated, visible, head


def _people(rows):
    if not rows:
        return nobody()
    frame, track, xy, annotated, visible, head = map(np.array, zip(*rows, strict=True))
    everything = people(frame=frame, track=track, xy=xy, present=annotated)
    head = np.where(np.isnan(head), head_sizes(everything, BONN_HEAD), head)
    return everything.replace(
        present=visible, head=head, xy=np.where(visible[..., None], xy, 0.0), box=extent_boxes(xy, visible, BOX_MARGIN)
    )


#: The clip with images, and the score below which what a detector found in it is left out.
CLIP, LEAST_SCORE = "060470979", 0.3
FLOW = "raft_flow.npz"


def real_clip(least_score: float = LEAST_SCORE) -> tuple[Video, People] | None:
    """The clip `CLIP` and what a real detector and a real pose network found in it; None where that is missing.

    From `derived/<clip>_poses.json`, which no public source has: people scored least_score or more,
    17 COCO keypoints made 15 joints as LightTrack does (`skeleton.coco_to_posetrack`); the nose,
    which Bonn does not annotate, is left out; joint_score is the heatmap's maximum.
    Raises WorkbookError for a damaged file.
    """
    folder = find("bonn")
    if folder is None or not _derived(folder).exists():
        return None
    clip = next(video for video in read_bonn(folder, "val") if video.name == CLIP)
    return clip, read_poses(_derived(folder), least_score)


def real_flow() -> np.ndarray | None:
    """RAFT's flow of the clip from each frame to the next; None where it is missing.

    From `derived/<clip>_raft_flow.npz`, which no public source has: (T − 1, 135, 240, 2) in pixels of the full
    frames, a cell for 4 × 4 of them. `detections.flow.stored` makes a provider of it.
    Raises WorkbookError for a damaged file.
    """
    folder = find("bonn")
    if folder is None or not _derived(folder, FLOW).exists():
        return None
    return read_flow(_derived(folder, FLOW))


def missing_clip(what: str = "poses.json") -> str:
    """One line that says what is missing where `real_clip`, or `real_flow` (what: `FLOW`), gives None."""
    if find("bonn") is None:
        return missing("bonn")
    return f"bonn: {_derived(Path('bonn'), what).as_posix()} not found, left out; no public source has it"


def _derived(folder: Path, what: str = "poses.json") -> Path:
    return folder / "derived" / f"{CLIP}_{what}"


def read_flow(path: Path) -> np.ndarray:
    """What is in the file of flow; see `real_flow`."""
    try:
        with np.load(path) as content:
            flow = content["flow"]
    except (KeyError, OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise WorkbookError(f"{path}: holds no array named flow ({type(error).__name__}).") from None
    if flow.ndim != 4 or flow.shape[-1] != 2 or flow.dtype.kind != "f" or not np.isfinite(flow).all():
        raise WorkbookError(f"{path}: flow is finite and (frames, height, width, 2), got {flow.dtype} {flow.shape}.")
    return flow


def read_poses(path: Path, least_score: float = LEAST_SCORE) -> People:
    """What is in the file of detections; see `real_clip`."""
    try:
        rows = [(f["frame"], d) for f in load_json(path) for d in f["detections"] if d["score"] >= least_score]
        coco = np.array([d["keypoints_coco17"] for _, d in rows], float).reshape(-1, 17, 3)
        corner, sides = np.split(np.array([d["bbox_xywh"] for _, d in rows], float).reshape(-1, 4), 2, 1)
        frame, score = [t for t, _ in rows], [d["score"] for _, d in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise WorkbookError(f"{path}: has an unknown structure ({error}).") from None
    xy, joint_score = coco_to_posetrack(coco[..., :2], coco[..., 2])
    present = np.ones(joint_score.shape, bool)
    present[:, INDEX["nose"]] = False
    box = np.hstack([corner, corner + sides])
    return people(frame=frame, box=box, score=score, xy=xy, present=present, joint_score=joint_score)
