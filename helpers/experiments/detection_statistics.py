"""Are simulated detections like a network's? Statistics of detections against the truth (notebook 01)."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import rankdata

from helpers.detections.filters import PERSON, keep_confident
from helpers.experiments.thresholds import calibrate, predicted_joints
from helpers.geometry import box_iou
from helpers.people import People, Video, concatenate
from helpers.skeleton import FLIP, GROUPS, INDEX, N_JOINTS
from helpers.tracking.matching import hungarian

#: A detection is right if its box and a person's, matched one to one, have this IoU; it overlaps from OVERLAP on.
RIGHT, OVERLAP = 0.5, 0.2
#: A joint is right within this many head sizes.
NEAR = 0.5
#: A wrong joint within this many head sizes of another true joint was taken from there.
AT = 0.3
#: Who has fewer joints hidden than this share is hardly hidden.
CLEAR = 0.15

#: Statistic: the factor by which simulated detections may differ from the network's, up or down.
BARS = {
    "people half hidden that are missed (share)": 1.5,
    "spells of misses that last one frame (share)": 1.7,
    "length of such a spell, mean (frames)": 1.7,
    "false people per frame, all scores": 1.5,
    "… still there in the next frame (share)": 1.3,
    "… that overlap a person found (share)": 1.3,
    "false people among those scored 0.5 or more (share)": 2.5,
    "1 − box IoU with oneself in the next frame, median": 1.5,
    "… the worst twentieth": 1.5,
    "joint error, median (head sizes)": 1.3,
    "joints more than half a head off (share)": 1.5,
    "errors of right joints, correlation with the next frame's": 1.3,
    "… four frames later": 1.5,
    "wrong joints that are wrong in the next frame, too (share)": 1.3,
    "wrong joints that are on the body's other side (share)": 1.4,
    "error of right joints, wrist / shoulder": 1.3,
    "… knee / head": 1.3,
    "people found, hardly hidden, that score 0.95 or more (share)": 1.3,
    "score of false people, median": 1.5,
    "a person found scores more than a false one (share)": 1.1,
    "log-odds of scores, correlation with the next frame's": 1.2,
    "right joints that score 0.5 or more (share)": 1.15,
    "wrong joints that score 0.5 or more (share)": 1.3,
    "joints not annotated that score 0.5 or more (share)": 1.4,
    "a right joint scores more than a wrong one (share)": 1.2,
    "joints scored 0.55 to 0.85 that are right (share)": 1.3,
}


@dataclass(frozen=True)
class Matched:
    """Detections and the truth of several videos, and who is whom.

    truth (N,) and found (M,) of all videos, frames numbered on through the videos with a gap between them;
    of (N,): the detection of each person, −1 = missed; whose (M,): its person, −1 = false.
    """

    truth: People
    found: People
    of: np.ndarray
    whose: np.ndarray

    def after(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the truth and of the same people k frames later."""
        t = self.truth
        now = pd.MultiIndex.from_arrays([t.track, t.frame])
        later = now.get_indexer(pd.MultiIndex.from_arrays([t.track, t.frame + k]))
        there = np.flatnonzero(later >= 0)
        return there, later[there]

    def found_twice(self, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """`after`, where both were found."""
        a, b = self.after(k)
        both = (self.of[a] >= 0) & (self.of[b] >= 0)
        return a[both], b[both]


def matched(videos: Sequence[Video], detections: Sequence[People], least: float = PERSON) -> Matched:
    """People scored `least` or more in labelled frames against those who have a joint there."""
    truths, founds, first, person = [], [], 0, 0
    for video, p in zip(videos, detections, strict=True):
        kept = p[(p.score >= least) & video.labelled[p.frame]]
        truth = video.people[video.people.present.any(1) & video.labelled[video.people.frame]]
        founds.append(kept.replace(frame=kept.frame + first))
        truths.append(truth.replace(frame=truth.frame + first, track=truth.track + person))
        first, person = first + len(video) + 100, person + truth.track.max(initial=0) + 1
    truth, found = concatenate(truths), concatenate(founds)
    of, whose = np.full(len(truth), -1), np.full(len(found), -1)
    for a, b in zip(truth.rows_by_frame(first), found.rows_by_frame(first), strict=True):
        if len(a) and len(b):
            i, j = hungarian(1 - box_iou(truth.box[a], found.box[b]), 1 - RIGHT)
            of[a[i]], whose[b[j]] = b[j], a[i]
    return Matched(truth, found, of, whose)


def as_probabilities(detections: Sequence[People], curve: tuple[float, float]) -> list[People]:
    """Detections whose joint scores are made probabilities of being right by a curve of `thresholds.calibrate`."""
    return [p.replace(joint_score=expit(curve[0] + curve[1] * p.joint_score)) for p in detections]


def calibrated(
    videos: Sequence[Video], detections: Sequence[People], by: tuple[Sequence[Video], Sequence[People]] | None = None
) -> list[People]:
    """`as_probabilities`, by the curve of the joints of these detections, or of others' of the same network."""
    on, found = by or (videos, detections)
    joints = predicted_joints(on, [keep_confident(p, PERSON, -np.inf) for p in found])
    return as_probabilities(detections, calibrate(joints["score"], joints["right"]))


@dataclass(frozen=True)
class Joints:
    """Errors of the joints of the people who were found, rows as in `Matched.truth`; NaN where there is none.

    error (N, 15, 2) and off (N, 15) in head sizes; score (N, 15) of every predicted joint; mirror, neighbour (N, 15):
    how far the prediction is from the same joint of the body's other side, and of the nearest other person.
    apart, near_by: how far these two are from the true joint. known (15,): joints that the data set has.
    """

    error: np.ndarray
    off: np.ndarray
    score: np.ndarray
    mirror: np.ndarray
    neighbour: np.ndarray
    apart: np.ndarray
    near_by: np.ndarray
    known: np.ndarray

    @property
    def wrong(self) -> np.ndarray:
        return self.off > NEAR

    @property
    def right(self) -> np.ndarray:
        return self.off <= NEAR

    @property
    def guessed(self) -> np.ndarray:
        """Predicted though not annotated, of the joints that the data set has."""
        return np.isnan(self.off) & np.isfinite(self.score) & self.known

    @property
    def mirrored(self) -> np.ndarray:
        return self.wrong & (self.mirror < AT)

    @property
    def swapped(self) -> np.ndarray:
        return self.wrong & (self.neighbour < AT) & ~self.mirrored


def joints(m: Matched) -> Joints:
    """The joints of matched people."""
    rows = np.flatnonzero(m.of >= 0)
    t, p = m.truth[rows], m.found[m.of[rows]]
    shown = t.present & p.present
    others = _nearest_other(m.truth)[rows]

    def far(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> np.ndarray:
        return _full(len(m.truth), rows, np.linalg.norm(a - b, axis=-1) / t.head[:, None], where)

    paired = t.present & t.present[:, FLIP] & (np.arange(N_JOINTS) != FLIP)
    crowded = t.present & np.isfinite(others[..., 0])
    return Joints(
        error=_full(len(m.truth), rows, (p.xy - t.xy) / t.head[:, None, None], shown[..., None]),
        off=far(p.xy, t.xy, shown),
        score=_full(len(m.truth), rows, p.joint_score, p.present),
        mirror=far(p.xy, t.xy[:, FLIP], shown & paired),
        neighbour=far(p.xy, others, shown & crowded),
        apart=far(t.xy[:, FLIP], t.xy, paired),
        near_by=far(others, t.xy, crowded),
        known=m.truth.present.any(0),
    )


def _full(n: int, rows: np.ndarray, values: np.ndarray, where: np.ndarray) -> np.ndarray:
    out = np.full((n, *values.shape[1:]), np.nan)
    out[rows] = np.where(where, values, np.nan)
    return out


def _nearest_other(truth: People) -> np.ndarray:
    """For each joint the nearest same joint of another person in the frame (N, 15, 2); NaN without any."""
    out = np.full((len(truth), N_JOINTS, 2), np.nan)
    for here in truth.rows_by_frame(truth.frame.max(initial=-1) + 1):
        if len(here) > 1:
            me = truth[here]
            distance = np.linalg.norm(me.xy[:, None] - me.xy[None], axis=-1)
            distance[~np.broadcast_to(me.present[None], distance.shape)] = np.inf
            distance[np.arange(len(here)), np.arange(len(here))] = np.inf
            nearest = distance.argmin(1)
            some = np.isfinite(distance.min(1))
            out[here] = np.where(some[..., None], me.xy[nearest, np.arange(N_JOINTS)], np.nan)
    return out


def correlation(values: np.ndarray, m: Matched, k: int) -> float:
    """Correlation of numbers (N, …) of the people with the same people's k frames later, NaN left out."""
    a, b = m.after(k)
    x, y = values[a], values[b]
    both = np.isfinite(x) & np.isfinite(y)
    return float(np.corrcoef(x[both], y[both])[0, 1])


def near_errors(j: Joints) -> np.ndarray:
    """Errors (N, 15, 2) of the right joints."""
    return np.where(j.right[..., None], j.error, np.nan)


def lasting(state: np.ndarray, known: np.ndarray, m: Matched, k: int = 1) -> float:
    """Of what is true of the people (N, …), the share that still is k frames later, where both are known."""
    a, b = m.after(k)
    both = known[a] & known[b] & state[a]
    return float(state[b][both].mean())


def hidden(m: Matched) -> np.ndarray:
    """Share (N,) of each person's joints, of those that the data set has, that are not annotated."""
    return 1 - m.truth.present[:, m.truth.present.any(0)].mean(1)


def spells(m: Matched) -> np.ndarray:
    """Lengths of the runs of consecutive frames in which a person was missed."""
    order = np.lexsort((m.truth.frame, m.truth.track))
    track, frame, missed = m.truth.track[order], m.truth.frame[order], m.of[order] < 0
    run = np.isin(frame - 1, frame) | np.isin(frame + 1, frame)  # a lone labelled frame says nothing of spells
    missed &= run
    goes_on = np.r_[False, (track[1:] == track[:-1]) & (np.diff(frame) == 1) & missed[:-1]]
    begins = missed & ~goes_on
    return np.bincount((np.cumsum(begins) - 1)[missed]) if missed.any() else np.zeros(0, int)


def false_people(m: Matched, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Of each false detection: the largest box IoU with those right, and with those false k frames later.

    (M,) each; NaN for right ones, the second also where nothing is labelled k frames later.
    """
    n_frames = max(m.truth.frame.max(initial=0), m.found.frame.max(initial=0)) + k + 1
    rows, seen = m.found.rows_by_frame(n_frames), np.isin(np.arange(n_frames), m.truth.frame)
    overlap, still = np.full((2, len(m.found)), np.nan)
    for t in range(n_frames - k):
        false, right = (rows[t][side] for side in (m.whose[rows[t]] < 0, m.whose[rows[t]] >= 0))
        later = rows[t + k][m.whose[rows[t + k]] < 0]
        overlap[false] = box_iou(m.found.box[false], m.found.box[right]).max(1, initial=0)
        if seen[t + k]:
            still[false] = box_iou(m.found.box[false], m.found.box[later]).max(1, initial=0)
    return overlap, still


def _above(a: np.ndarray, b: np.ndarray) -> float:
    """How often a number of a is larger than one of b: the area under the ROC curve."""
    ranks = rankdata(np.r_[a, b])[: len(a)]
    return float((ranks.sum() - len(a) * (len(a) + 1) / 2) / (len(a) * len(b)))


def statistics(videos: Sequence[Video], detections: Sequence[People]) -> dict[str, float]:
    """The statistics named in BARS, of detections whose joint scores are probabilities."""
    kept, every = matched(videos, detections), matched(videos, detections, 0.0)
    j, overlap_still = joints(kept), false_people(every)
    false, runs = every.whose < 0, spells(kept)
    a, b = kept.found_twice()
    herself = np.array([box_iou(kept.found.box[[x]], kept.found.box[[y]]).item() for x, y in kept.of[np.c_[a, b]]])
    near = near_errors(j)
    clear = (every.of >= 0) & (hidden(every) < CLEAR)
    score = np.where(kept.of >= 0, logit(kept.found.score.clip(1e-4, 1 - 1e-4))[kept.of], np.nan)
    typical = {
        g: np.nanmedian(j.off[:, [INDEX[n] for n in names]][j.right[:, [INDEX[n] for n in names]]])
        for g, names in GROUPS.items()
    }
    sure = {name: j.score[which] >= 0.5 for name, which in (("r", j.right), ("w", j.wrong), ("g", j.guessed))}
    middling = np.isfinite(j.off) & (np.abs(j.score - 0.7) < 0.15)
    values = [
        (kept.of < 0)[np.abs(hidden(kept) - 0.5) < 0.25].mean(),
        (runs == 1).mean(),
        runs.mean(),
        false.sum() / sum(int(v.labelled.sum()) for v in videos),
        (overlap_still[1][np.isfinite(overlap_still[1])] >= RIGHT).mean(),
        (overlap_still[0][false] > OVERLAP).mean(),
        (kept.whose < 0).mean(),
        1 - np.median(herself),
        1 - np.quantile(herself, 0.05),
        np.nanmedian(j.off),
        j.wrong.sum() / np.isfinite(j.off).sum(),
        correlation(near, kept, 1),
        correlation(near, kept, 4),
        lasting(j.wrong, np.isfinite(j.off), kept),
        j.mirrored.sum() / j.wrong.sum(),
        typical["Wrist"] / typical["Shoulder"],
        typical["Knee"] / typical["Head"],
        (every.found.score[every.of[clear]] >= 0.95).mean(),
        np.median(every.found.score[false]),
        _above(every.found.score[~false], every.found.score[false]),
        correlation(score, kept, 1),
        sure["r"].mean(),
        sure["w"].mean(),
        sure["g"].mean(),
        _above(j.score[j.right], j.score[j.wrong]),
        j.right[middling].mean(),
    ]
    return dict(zip(BARS, map(float, values), strict=True))


def beyond(values: dict[str, float], network: dict[str, float]) -> dict[str, float]:
    """The statistics whose bar is broken, with the factor reached; what is not a number breaks it, too."""
    factor = {name: float(np.exp(np.abs(np.log(values[name] / network[name])))) for name in BARS}
    return {name: reached for name, reached in factor.items() if not reached <= BARS[name]}


def comparison(columns: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Statistics side by side: columns by name, "network" among them; the bar, and the farthest factor simulated.

    Simulated columns are those whose names begin with "simulated".
    """
    table = pd.DataFrame(columns)
    simulated = table[[name for name in table if name.startswith("simulated")]]
    factor = np.exp(np.log(simulated.div(table["network"], axis=0)).abs())
    return table.assign(bar=pd.Series(BARS), farthest=factor.max(axis=1, skipna=False))


def comparison_figure(table: pd.DataFrame) -> plt.Figure:
    """Every column as a factor of the network's, one row per statistic; grey: what the bar allows."""
    figure, axes = plt.subplots(figsize=(8.5, 6.6), layout="constrained")
    rows = np.arange(len(table))[::-1]
    axes.barh(rows, table.bar - 1 / table.bar, left=1 / table.bar, height=0.8, color=".92")
    axes.axvline(1, color=".6", lw=1)
    for name, marker in zip(table.columns.drop(["network", "bar", "farthest"]), "sov^D<>", strict=False):
        factor = (table[name] / table.network).clip(1 / 8, 8)  # a zero stands at the left end
        axes.plot(factor, rows, marker, label=name, ms=6, color="tab:red" if name == "real clip" else None, alpha=0.8)
    axes.set_yticks(rows, table.index)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("multiples of the network's (grey: allowed of simulated detections)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8)
    return figure
