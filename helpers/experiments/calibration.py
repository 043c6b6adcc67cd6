"""Is the built-in world like the real one? The same statistics of any videos, side by side.

The worlds are compared on the 14 joints that SoMoF and Bonn annotate (no nose), and in head sizes that
are derived in the same way for all, 0.6 / 0.7 × the distance head_bottom–head_top. Settings were tuned on
the training split; notebook 01 reports validation, as a table and a figure.
"""

from collections.abc import Sequence
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

#: A statistic of the built-in world may lie this factor outside the range that SoMoF and Bonn span.
FACTOR = 1.5
#: Shares of mislinked people are small and differ tenfold between the real sets; their factor.
LINK_FACTOR = 3.0
GAPS = (1, 4, 8)
#: Two people of a frame overlap if their boxes' IoU exceeds this.
OVERLAP = 0.2
_COMMON = np.arange(N_JOINTS) != INDEX["nose"]
STATISTICS = {
    "people per frame": FACTOR,
    "speed, median (head sizes/frame)": FACTOR,
    "speed, 90th percentile": FACTOR,
    "joints annotated (share)": FACTOR,
    "joints not annotated (share)": FACTOR,
    "pairs of people overlapping (share)": FACTOR,
    "box IoU of pairs, mean": FACTOR,
    "track length (frames)": FACTOR,
    "track length (share of the video)": FACTOR,
    **{
        f"mislinked by {cost}, {gap} frame{'s' * (gap > 1)} (%)": LINK_FACTOR
        for gap in GAPS
        for cost in ("box IoU", "joint distance")
    },
}


def statistics(videos: Sequence[Video]) -> dict[str, float]:
    """The statistics named in STATISTICS, of labelled frames and people with at least one joint."""
    videos = [replace(v, people=_comparable(v.people)) for v in videos]
    truths = [v.people for v in videos]
    labelled = [int(v.labelled.sum()) for v in videos]
    speed = np.concatenate([speeds(p) for p in truths])
    overlap = np.concatenate([_overlaps(p) for p in truths])
    annotated = np.concatenate([p.present[:, _COMMON].mean(1) for p in truths]).mean()
    lengths = [np.unique(p.track, return_counts=True)[1] for p in truths]
    shares = np.concatenate([length / n for length, n in zip(lengths, labelled, strict=True)])
    values = [
        sum(map(len, truths)) / sum(labelled),
        np.median(speed),
        np.quantile(speed, 0.9),
        annotated,
        1 - annotated,
        (overlap > OVERLAP).mean(),
        overlap.mean(),
        np.concatenate(lengths).mean(),
        shares.mean(),
    ]
    linked = (link_errors(videos, gap, cost, hungarian) for gap in GAPS for cost in (box_cost, joint_distance_cost))
    return dict(zip(STATISTICS, map(float, [*values, *map(link_error_rate, linked)]), strict=True))


def _comparable(p: People) -> People:
    """Without noses, and with the head sizes that every data set allows."""
    p = p.replace(present=p.present & _COMMON)
    p = p[p.present.any(1)]
    return p.replace(head=head_sizes(p, POSETRACK18_HEAD))


def speeds(p: People) -> np.ndarray:
    """Mean joint displacement between consecutive frames of each track, in head sizes per frame."""
    order = np.lexsort((p.frame, p.track))
    a, b = p[order[:-1]], p[order[1:]]
    both = a.present & b.present
    together = (a.track == b.track) & (b.frame == a.frame + 1) & both.any(1)
    moved = (np.linalg.norm(a.xy - b.xy, axis=-1) * both).sum(1) / np.maximum(1, both.sum(1))
    return (moved / a.head)[together & (a.head > 0)]


def _overlaps(p: People) -> np.ndarray:
    """Box IoU of every two people of a frame."""
    out = [np.zeros(0)]
    for now in p.replace(box=extent_boxes(p.xy, p.present)).by_frame(p.frame.max(initial=-1) + 1):
        iou = box_iou(now.box, now.box)
        out.append(iou[np.triu_indices(len(iou), 1)])
    return np.concatenate(out)


def calibration_table(worlds: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Statistics (rows) of "puppets" and real data sets (columns), the factor allowed, the factor reached.

    The factor reached is how far the puppets lie outside the range that the real sets span, 1 inside.
    """
    table = pd.DataFrame(worlds)
    real = table.drop(columns="puppets")
    outside = np.maximum(real.min(axis=1) / table["puppets"], table["puppets"] / real.max(axis=1))
    reached = outside.clip(lower=1) if len(real.columns) else np.nan
    return table.assign(factor=reached, allowed=pd.Series(STATISTICS))


def calibration_figure(table: pd.DataFrame) -> plt.Figure:
    """Puppets against the range of the real sets, one row per statistic, in multiples of that range's middle."""
    real = table.drop(columns=["puppets", "factor", "allowed"])
    figure, axes = plt.subplots(figsize=(8, 5.2), layout="constrained")
    for y, name in enumerate(table.index[::-1]):
        low, high = real.loc[name].min(), real.loc[name].max()
        if not low > 0:  # no real data, or none of a rare thing in them: no place on this axis
            continue
        middle, allowed = np.sqrt(low * high), table.loc[name, "allowed"]
        lowest = low / allowed / middle
        axes.barh(y, high * allowed / middle - lowest, left=lowest, height=0.7, color=".93")
        axes.barh(y, max(high - low, 0.02 * middle) / middle, left=low / middle, height=0.7, color=".6")
        axes.plot(table.loc[name, "puppets"] / middle, y, "o", color="tab:blue", ms=8)
    axes.set_yticks(range(len(table)), table.index[::-1])
    axes.set_xscale("log", base=2)
    axes.set_xlabel("multiples of the real sets' middle\n(grey: SoMoF to Bonn, light grey: allowed, blue: puppets)")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
