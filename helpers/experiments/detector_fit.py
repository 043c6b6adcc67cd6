"""Every constant of the simulated detector, from what a network found (notebook 01).

`fitted` reads each constant off directly, in closed form or by one likelihood; nothing is tuned to a verdict. The
constants of `simulated.DetectorNoise` are `fitted(*network("tune"))`; a test compares them. Print it and copy it there
when network or world change.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import log_ndtr, logit, ndtri
from scipy.stats import multivariate_normal

from helpers import WorkbookError, artefacts, puppets, training
from helpers.detections.filters import PERSON
from helpers.detections.predicting import found_by
from helpers.detections.simulated import FLOOR, DetectorNoise
from helpers.experiments import detection_statistics as found_in
from helpers.experiments.detection_statistics import AT, NEAR, OVERLAP, RIGHT, Joints, Matched
from helpers.geometry import box_iou
from helpers.people import People, Video
from helpers.skeleton import GROUPS, INDEX

#: Lags whose correlations say how long errors last, and how much of them does.
SHORT, LONG = 1, 8
#: A robust standard deviation of normal numbers from their median absolute deviation, and of two from their length's.
MAD, RAYLEIGH = 1.4826, np.sqrt(2 * np.log(2))


def network(split: str, most: int = 20) -> tuple[list[Video], list[People]]:
    """The first videos of a split of puppets with what keypoint_rcnn-0 found there, joint scores as probabilities.

    most: at most so many, of those that ship. The calibration is that of the tune videos, for every split. Raises
    WorkbookError where no predictions are listed.
    """
    parts = {}
    for name in {split, "tune"}:
        plan = training.stage_one()["keypoint_rcnn"]
        of = {"plan": plan.label, "seed": plan.seed, "split": name, "frozen": False, "boxes": "own"}
        row = artefacts.find(kind="predictions", **of)
        if row is None:
            raise WorkbookError(f"{artefacts.FILE}: the predictions of {plan.name} for {name} are not listed.")
        n = min(row.videos, most)
        parts[name] = puppets.videos(name, n=n, render=False), found_by(plan, name, n)[0]
    return parts[split][0], found_in.calibrated(*parts[split], by=parts["tune"])


def fitted(videos: Sequence[Video], detections: Sequence[People]) -> DetectorNoise:
    """The constants that a network's detections show.

    detections: everything scored `FLOOR` or more, their joint scores probabilities (`calibrated`). Raises
    WorkbookError where they are too few.
    """
    every, kept = found_in.matched(videos, detections, 0.0), found_in.matched(videos, detections, PERSON)
    j = found_in.joints(kept)
    near = found_in.near_errors(j)
    first, later = (found_in.correlation(near, kept, k) for k in (SHORT, LONG))
    memory = (later / first) ** (1 / (LONG - SHORT))
    constants: dict[str, Any] = {
        "memory": memory,
        **_people_found(every, memory),
        **_near(j, first / memory),
        **_far(j, kept, memory),
        **_boxes(kept, memory),
        **_false_people(every, videos),
        **_joint_scores(j, kept, memory),
    }
    if not all(np.isrealobj(value) and np.isfinite(value).all() for value in constants.values()):
        raise WorkbookError("noise: too few detections to fit it to.")
    return DetectorNoise(**{name: _rounded(value) for name, value in constants.items()})


def _rounded(value: Any) -> Any:
    """Three significant digits, of which the third is noise."""
    return tuple(float(f"{v:.3g}") for v in value) if isinstance(value, tuple) else float(f"{value:.3g}")


def _lasts(correlation: float, memory: float) -> float:
    return float(np.clip(correlation / memory, 0, 1))


def _log_odds(score: np.ndarray) -> np.ndarray:
    return logit(np.clip(score, 1e-4, 1 - 1e-4))


def _people_found(m: Matched, memory: float) -> dict[str, float]:
    """Scores that fall as people get hidden, and nobody below the floor: a Tobit model."""
    share, got = found_in.hidden(m), m.of >= 0
    score = _log_odds(m.found.score)[m.of]

    def loss(w: np.ndarray) -> float:
        mean, spread = w[0] - w[1] * share, np.exp(w[2])
        seen = -0.5 * ((score - mean) / spread) ** 2 - w[2]
        return -np.where(got, seen, log_ndtr((logit(FLOOR) - mean) / spread)).sum()

    sure, falls, spread = minimize(loss, [5.0, 10.0, 0.7], method="Nelder-Mead", options={"maxiter": 2000}).x
    rest = np.where(got, score - sure + falls * share, np.nan)
    whole = share == 0
    return {
        "sure": sure,
        "sure_hidden": falls,
        "sure_spread": float(np.exp(spread)),
        "sure_lasts": _lasts(found_in.correlation(rest, m, SHORT), memory),
        "missed": float(((~got & whole).sum() + 0.5) / (whole.sum() + 1)),
    }


def _near(j: Joints, lasts: float) -> dict:
    """Size of the errors of right joints, by joint group."""
    columns = [[INDEX[name] for name in names] for names in GROUPS.values()]
    size = [np.median(j.off[:, c][j.right[:, c]]) / RAYLEIGH for c in columns]
    jitter = float(np.average(size, weights=[len(c) for c in columns]))
    return {"jitter": jitter, "groups": tuple(float(s / jitter) for s in size), "jitter_lasts": lasts}


def _far(j: Joints, m: Matched, memory: float) -> dict[str, float]:
    """Joints far off: the body's other side's, a neighbour's, and others.

    Outliers' sizes are those of a two-dimensional normal number of which only what is beyond NEAR is seen.
    """
    known = np.isfinite(j.off)
    side = (j.apart > NEAR + AT) & known
    beside = (j.near_by < 1) & (j.near_by > NEAR + AT) & known
    rest = j.wrong & ~j.mirrored & ~j.swapped
    size = np.sqrt((np.median(j.off[rest]) ** 2 - NEAR**2) / (2 * np.log(2)))
    seen = np.exp(-(NEAR**2) / (2 * size**2))
    return {
        "mirrored": float(j.mirrored[side].mean()),
        "swapped": float((j.neighbour < AT)[beside].mean()),
        "outliers": float(rest.sum() / known.sum() / seen),
        "outlier_size": float(size),
        "far_lasts": _lasts(_latent(j.wrong[known].mean(), found_in.lasting(j.wrong, known, m, SHORT)), memory),
        "guessed": float(j.guessed.sum() / (np.isnan(j.off) & j.known)[m.of >= 0].sum()),
    }


def _latent(chance: float, again: float) -> float:
    """Correlation of two normal numbers that both fall below a threshold so often: chance × again."""
    at = np.full(2, ndtri(chance))

    def both(r: float) -> float:
        return multivariate_normal.cdf(at, cov=[[1, r], [r, 1]]) - chance * again

    return float(brentq(both, 0.0, 0.9999))


def _boxes(m: Matched, memory: float) -> dict[str, float]:
    """Edges of the boxes against the truth's, in its sides."""
    got = m.of >= 0
    sides = np.maximum(np.tile(m.truth.box[:, 2:] - m.truth.box[:, :2], 2), 1)
    off = np.where(got[:, None], (m.found.box[m.of] - m.truth.box) / sides, np.nan)
    a, b = m.found_twice(SHORT)
    size, change = (float(MAD * np.nanmedian(np.abs(x))) for x in (off, off[b] - off[a]))
    return {"box_jitter": size, "box_lasts": _lasts(1 - (change / size) ** 2 / 2, memory)}


def _false_people(m: Matched, videos: Sequence[Video]) -> dict:
    false = m.whose < 0
    still = found_in.false_people(m)[1]
    overlap, off = _against_nearest(m)
    beside = overlap > OVERLAP
    middle = np.median(off[beside], 0)
    return {
        "false_alarms": float(false.sum() / sum(int(v.labelled.sum()) for v in videos)),
        "lives": float((still[np.isfinite(still)] >= RIGHT).mean()),
        "beside": float(beside.mean()),
        "beside_mean": tuple(middle.tolist()),
        "beside_spread": tuple((MAD * np.median(np.abs(off[beside] - middle), 0)).tolist()),
        "false_sure": float((_log_odds(m.found.score[false]) - logit(FLOOR)).mean()),
    }


def _against_nearest(m: Matched) -> tuple[np.ndarray, np.ndarray]:
    """Of every false detection (F,): IoU with the person whose box overlaps most, and where it is from there (F, 4).

    The second: middle in that box's sides, and log of the sides' ratio.
    """
    n_frames = m.truth.frame.max(initial=0) + 1
    overlap, off = [], []
    for here, there in zip(m.truth.rows_by_frame(n_frames), m.found.rows_by_frame(n_frames), strict=True):
        false = there[m.whose[there] < 0]
        if len(here) and len(false):
            iou = box_iou(m.found.box[false], m.truth.box[here])
            a, b = (box.reshape(-1, 2, 2) for box in (m.found.box[false], m.truth.box[here[iou.argmax(1)]]))
            size = np.maximum(b[:, 1] - b[:, 0], 1)
            overlap.append(iou.max(1))
            off.append(np.hstack([(a.mean(1) - b.mean(1)) / size, np.log(np.maximum(a[:, 1] - a[:, 0], 1) / size)]))
    return np.concatenate(overlap), np.concatenate(off)


def _joint_scores(j: Joints, m: Matched, memory: float) -> dict[str, float]:
    """Means of right, wrong and guessed joints; a right one's falls on the way to half a head off (`simulated`)."""
    score = _log_odds(j.score)
    right, wrong, guess = (float(score[which].mean()) for which in (j.right, j.wrong, j.guessed))
    on_the_way = float(np.minimum(1, j.off[j.right] / NEAR).mean())
    best = (right - on_the_way * wrong) / (1 - on_the_way)
    rest = score - np.where(j.guessed, guess, best + np.minimum(1, j.off / NEAR) * (wrong - best))
    of_false = _log_odds(m.found.joint_score[m.whose < 0][m.found.present[m.whose < 0]])
    return {
        "joint_right": best,
        "joint_wrong": wrong,
        "joint_guess": guess,
        "joint_false": float(of_false.mean()),
        "joint_spread": float(np.nanstd(rest)),
        "joint_lasts": _lasts(found_in.correlation(rest, m, SHORT), memory),
    }
