"""Is the built-in world like the real ones? The same statistics of any videos, side by side.

Compared on the 14 joints that SoMoF and Bonn annotate (no nose), in head sizes that are derived in the same way
for all, 0.6 / 0.7 × the distance head_bottom–head_top, and on 30 consecutive labelled frames, as long as SoMoF's
videos are. Settings were tuned on the training split; notebook 01 reports validation, as a table and a figure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.experiments.links import link_error_rate, link_errors
from helpers.geometry import box_iou
from helpers.heads import POSETRACK18_HEAD, head_sizes
from helpers.people import People, Video, extent_boxes
from helpers.skeleton import INDEX, N_JOINTS
from helpers.tracking.costs import box_cost, joint_distance_cost
from helpers.tracking.matching import hungarian

#: Frames compared per video, and frames over which a link or a slow acceleration spans.
LENGTH, GAPS, SLOW = 30, (1, 2, 4, 8), 8
#: Two people of a frame overlap if their boxes' IoU exceeds this; the camera's motion is common to as many people.
OVERLAP, COMMON = 0.2, 3
_COMPARED = np.arange(N_JOINTS) != INDEX["nose"]
_COSTS = {"box IoU": box_cost, "joint distance": joint_distance_cost}

#: Statistic: the factor by which the built-in world may be larger or smaller than SoMoF, and than Bonn. PoseTrack'18
#: is what the papers are about, so SoMoF's factors are the narrow ones; the two differ from each other up to
#: sixfold. None: Bonn has five such errors in 14,000 pairs, too few to be compared with.
STATISTICS: dict[str, tuple[float, float | None]] = {
    "people per frame": (1.3, 1.3),
    "speed, median (head sizes/frame)": (1.3, 1.5),
    "speed, 90th percentile": (1.5, 2),
    "acceleration, median (head sizes/frame²)": (1.5, 1.6),
    "acceleration, 90th percentile": (1.6, 1.7),
    f"acceleration over {SLOW} frames, median (head sizes)": (1.5, 1.6),
    "common motion, 90th percentile (head sizes/frame)": (1.5, 3),
    "common motion, 99th percentile": (1.6, 3),
    "joints annotated (share)": (1.2, 1.2),
    "joints not annotated (share)": (1.7, 1.7),
    "annotation flips (% of joints per frame)": (2, 2.2),
    "neck to mid-shoulder, median (head lengths)": (1.2, 1.2),
    "neck to mid-shoulder, 95th percentile": (2, 1.4),
    "pairs of people overlapping (share)": (1.5, 1.5),
    "box IoU of pairs, mean": (1.5, 1.5),
    "track length (share of the 30 frames)": (1.1, 1.1),
    "tracks interrupted (%)": (2.5, 3),
    "mislinked by box IoU, 1 frame (%)": (3, None),
    "mislinked by joint distance, 1 frame (%)": (4, 4),
    "mislinked by box IoU, 2 frames (%)": (2, 8),
    "mislinked by joint distance, 2 frames (%)": (2.5, 2.5),
    "mislinked by box IoU, 4 frames (%)": (1.5, 8),
    "mislinked by joint distance, 4 frames (%)": (2.5, 3.5),
    "mislinked by box IoU, 8 frames (%)": (1.5, 2.5),
    "mislinked by joint distance, 8 frames (%)": (2, 3),
}


def statistics(videos: Sequence[Video]) -> dict[str, float]:
    """The statistics named in STATISTICS, of people with at least one joint; link errors of those with three."""
    videos = [middle(replace(v, people=_comparable(v.people))) for v in videos]
    truths = [v.people for v in videos]
    present = np.concatenate([p.present[:, _COMPARED].mean(1) for p in truths]).mean()
    speed = np.concatenate([speeds(p) for p in truths])
    fast, slow = (np.concatenate([accelerations(p, gap) for p in truths]) for gap in (1, SLOW))
    camera = np.concatenate([common_motion(p) for p in truths])
    necks = np.concatenate([neck_lengths(p) for p in truths])
    overlap = np.concatenate([_overlaps(p) for p in truths])
    tracks = [[q.frame for q in _tracks(p)] for p in truths]
    lengths = [len(f) / v.labelled.sum() for v, of in zip(videos, tracks, strict=True) for f in of]
    values = [
        sum(map(len, truths)) / sum(int(v.labelled.sum()) for v in videos),
        *np.quantile(speed, (0.5, 0.9)),
        *np.quantile(fast, (0.5, 0.9)),
        np.median(slow),
        *np.quantile(camera, (0.9, 0.99)),
        present,
        1 - present,
        100 * np.concatenate([flips(p) for p in truths]).mean(),
        *np.quantile(necks, (0.5, 0.95)),
        (overlap > OVERLAP).mean(),
        overlap.mean(),
        np.mean(lengths),
        100 * np.mean([f[-1] - f[0] + 1 > len(f) for of in tracks for f in of]),
        *(link_error_rate(link_errors(videos, gap, cost, hungarian)) for gap in GAPS for cost in _COSTS.values()),
    ]
    return dict(zip(STATISTICS, map(float, values), strict=True))


def middle(video: Video, length: int = LENGTH) -> Video:
    """The middle `length` frames of a video's longest run of labelled frames, as a video without pixels."""
    edges = np.flatnonzero(np.diff(np.r_[False, video.labelled, False].astype(int))).reshape(-1, 2)
    start, end = edges[np.argmax(edges[:, 1] - edges[:, 0])]
    start += max(0, (end - start - length) // 2)
    end = min(end, start + length)
    kept = video.people[(video.people.frame >= start) & (video.people.frame < end)]
    return Video(video.name, video.size, np.ones(end - start, bool), kept.replace(frame=kept.frame - start))


def _comparable(p: People) -> People:
    """Without noses, and with the head sizes that every data set allows."""
    p = p.replace(present=p.present & _COMPARED)
    p = p[p.present.any(1)]
    return p.replace(head=head_sizes(p, POSETRACK18_HEAD))


def _tracks(p: People) -> Iterator[People]:
    """Every track in the order of its frames."""
    for track in np.unique(p.track):
        one = p[p.track == track]
        yield one[np.argsort(one.frame)]


def _spanned(p: People, gap: int, times: int) -> list[People]:
    """The same people `gap` frames apart, `times` + 1 rows of each: lists of equal length."""
    key = {(t, f): i for i, (t, f) in enumerate(zip(p.track.tolist(), p.frame.tolist(), strict=True))}
    rows = [[key.get((t, f + k * gap)) for k in range(times + 1)] for t, f in key]
    whole = np.array([r for r in rows if None not in r], int).reshape(-1, times + 1)
    return [p[column] for column in whole.T]


def speeds(p: People) -> np.ndarray:
    """Mean joint displacement between consecutive frames of each track, in head sizes per frame."""
    a, b = _spanned(p, 1, 1)
    both = a.present & b.present
    moved = (np.linalg.norm(a.xy - b.xy, axis=-1) * both).sum(1) / np.maximum(1, both.sum(1))
    return (moved / a.head)[both.any(1) & (a.head > 0)]


def accelerations(p: People, gap: int = 1) -> np.ndarray:
    """Second differences |x(t) − 2 x(t + gap) + x(t + 2 gap)| of every joint that is there in all three, in head sizes.

    Of what shakes they do not grow with the gap, of what moves smoothly they grow with its square.
    """
    a, b, c = _spanned(p, gap, 2)
    change = np.linalg.norm(a.xy - 2 * b.xy + c.xy, axis=-1) / b.head[:, None]
    return change[a.present & b.present & c.present & (b.head > 0)[:, None]]


def common_motion(p: People) -> np.ndarray:
    """What moves all people alike from one frame to the next, as a camera does: the median of the people's mean
    displacements, in head sizes, of every frame with at least three of them.
    """
    a, b = _spanned(p, 1, 1)
    both = a.present & b.present
    kept = both.any(1) & (a.head > 0)
    a, b, both = a[kept], b[kept], both[kept]
    moved = ((b.xy - a.xy) * both[..., None]).sum(1) / both.sum(1)[:, None] / a.head[:, None]
    shared = [np.median(moved[a.frame == t], 0) for t in np.unique(a.frame) if (a.frame == t).sum() >= COMMON]
    return np.linalg.norm(np.reshape(shared, (-1, 2)), axis=1)


def flips(p: People) -> np.ndarray:
    """Bool (K,): is a joint annotated in one of two consecutive frames of a track and not in the other."""
    a, b = _spanned(p, 1, 1)
    return (a.present != b.present)[:, _COMPARED].ravel()


def neck_lengths(p: People) -> np.ndarray:
    """From head_bottom to the middle of the shoulders, over the distance head_bottom–head_top, where all are there."""
    left, right, bottom, top = (INDEX[name] for name in ("left_shoulder", "right_shoulder", "head_bottom", "head_top"))
    p = p[p.present[:, [left, right, bottom, top]].all(1)]
    length = np.linalg.norm(p.xy[:, top] - p.xy[:, bottom], axis=-1)
    reach = np.linalg.norm((p.xy[:, left] + p.xy[:, right]) / 2 - p.xy[:, bottom], axis=-1)
    return reach[length > 0] / length[length > 0]


def _overlaps(p: People) -> np.ndarray:
    """Box IoU of every two people of a frame."""
    out = [np.zeros(0)]
    for now in p.replace(box=extent_boxes(p.xy, p.present)).by_frame(p.frame.max(initial=-1) + 1):
        iou = box_iou(now.box, now.box)
        out.append(iou[np.triu_indices(len(iou), 1)])
    return np.concatenate(out)


def calibration_table(worlds: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Statistics (rows) of "puppets" and of real sets (columns); for each real set the factor that puppets are above
    (or, below 1, under) it, the factor allowed either way, and whether it is kept.
    """
    table = pd.DataFrame(worlds)
    allowed = dict(zip(("somof", "bonn"), zip(*STATISTICS.values(), strict=True), strict=True))
    for name in table.columns.drop("puppets"):
        ratio, bar = table["puppets"] / table[name], pd.Series(allowed[name], table.index, dtype=float)
        table[f"factor {name}"], table[f"allowed {name}"] = ratio.where(bar.notna()), bar
        table[f"kept {name}"] = ((ratio <= bar) & (ratio >= 1 / bar)) | bar.isna()
    return table


def calibration_figure(table: pd.DataFrame) -> plt.Figure:
    """One row per statistic: how many times what is measured on SoMoF, and on Bonn, the built-in world has."""
    sets = [name for name in ("somof", "bonn") if name in table]
    figure, all_axes = plt.subplots(1, len(sets), figsize=(10, 6.4), sharey=True, layout="constrained", squeeze=False)
    heights = np.arange(len(table))[::-1]
    for axes, name in zip(all_axes[0], sets, strict=True):
        bar, ratio = table[f"allowed {name}"], table[f"factor {name}"]
        axes.barh(heights, bar - 1 / bar, left=1 / bar, height=0.7, color=".9")
        axes.axvline(1, color=".5", lw=1)
        axes.plot(ratio, heights, "o", color="tab:blue", ms=7)
        axes.set_xscale("log", base=2)
        axes.set_xticks([1 / 4, 1 / 2, 1, 2, 4], ["¼", "½", "1", "2", "4"])
        compared = table[f"allowed {name}"].notna()
        kept = int(table.loc[compared, f"kept {name}"].sum())
        axes.set_title(f"puppets ÷ {name}: {kept} of {compared.sum()} within the bar", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    all_axes[0][0].set_yticks(heights, table.index)
    return figure
