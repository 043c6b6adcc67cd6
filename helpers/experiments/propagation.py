"""Joint propagation and similarity compared: how notebook 09 measures SB-T5 and its claims.

Two bodies in the boxes of two detectors, people carried by the flow or not, linked by four similarities; all on the
dense labelled runs of the same videos. The people are stored ones, since poses are slow; the flow and the ids are
computed anew. What the thresholds and links are was chosen on the tuning videos, see `sensitivity`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from helpers import puppets
from helpers.detections import predicting
from helpers.detections.filters import keep_confident
from helpers.detections.flow import Neighbours, Provider, provider
from helpers.detections.propagation import Estimate, Known, Propagation, propagate
from helpers.evaluation import assign_poses, pair_up
from helpers.experiments import runs
from helpers.experiments.runs import Runs
from helpers.geometry import box_iou
from helpers.intervals import Weights
from helpers.nets.sampling import frames_of, kept
from helpers.people import People, Video, concatenate
from helpers.tracking.flow_similarity import SIMILARITIES, FlowTracker
from helpers.training import stage_one
from helpers.verdicts import Result

#: SB-T5's blocks: body in place of the paper's, detector in place of the paper's, the weaker one first.
BLOCKS = {"a": ("deconv-a", "detector-rfcn"), "b": ("deconv-a", "detector-fpn"), "c": ("deconv", "detector-fpn")}
#: SB-T5's rows by their ids: block, whether people are carried, similarity.
ROWS = {
    f"{block}{i}": (block, carried, similarity)
    for block in BLOCKS
    for i, (carried, similarity) in enumerate(
        [(False, "bbox"), (False, "pose"), *((True, similarity) for similarity in SIMILARITIES)], 1
    )
}
#: Joints scored lower are dropped before linking and from the result (SB §4.3: 0.4).
JOINT = 0.4
#: Who is linked must be so similar.
LINK = {"bbox": 0.2, "pose": 0.2, "flow": 0.2, "multi-flow": 0.2}


def in_run(video: Video) -> Video:
    """The video of which only the dense run is labelled."""
    labelled = np.isin(np.arange(len(video)), puppets.dense_run(video))
    return replace(video, labelled=labelled, people=video.people[labelled[video.people.frame]])


def together(parts: Iterable[People]) -> People:
    """People of one video in the order of their frames."""
    everyone = concatenate(parts)
    return everyone[np.argsort(everyone.frame, kind="stable")]


def people_of(
    block: str, flow: str = "", seeds: Sequence[int] = (0, 1, 2, 3, 4), n: int = 20, device: str | None = None
) -> list[list[People]]:
    """The people of a block's body in the boxes of its detector's training runs: S lists of n People.

    flow: of `predicting.FLOWS`, whose people come in besides; "": nobody does. device: see `predicting.found_by`.
    """
    body, detector = BLOCKS[block]
    out = []
    for seed in seeds:
        how: dict[str, Any] = dict(boxes=stage_one(seed)[detector], dense=True, device=device)
        parts = [predicting.found_by(stage_one()[body], "val", n, flow=f, **how)[0] for f in dict.fromkeys(("", flow))]
        out.append([together(video) for video in zip(*parts, strict=True)])
    return out


Choice = tuple[str, str, dict]


def linked(
    videos: Sequence[Video],
    people: Mapping[str, Sequence[Sequence[People]]],
    rows: Mapping[str, Choice],
    joint: float = JOINT,
    flow: str | Provider = "dis",
) -> dict[str, Runs]:
    """How well each row links: row → `Runs`, of whose people AP sees all joints and MOTA those scored `joint` or more.

    people: by name S lists of V People; rows: the name of its people, a similarity, and what else the tracker is to
    have; flow: a provider or its name. All rows go through a video's run side by side, so that a pair's flow is
    computed once.
    """
    sure = {name: [[keep_confident(p, -np.inf, joint) for p in run] for run in each] for name, each in people.items()}
    ids: dict[tuple, list[People]] = {(row, s): [] for row, (name, *_) in rows.items() for s in range(len(sure[name]))}
    for v, video in enumerate(videos):
        neighbours, run = Neighbours(_provider(flow, video)), puppets.dense_run(video)
        sides = {
            (row, s): (sure[name][s][v], sure[name][s][v].rows_by_frame(len(video)), np.full(len(sure[name][s][v]), -1))
            for row, (name, *_) in rows.items()
            for s in range(len(sure[name]))
        }
        trackers = {side: _tracker(rows[side[0]], neighbours) for side in sides}
        for t in map(int, run):
            image = frames_of(video)[t]
            for side, (some, by_frame, track) in sides.items():
                track[by_frame[t]] = trackers[side].step(some[by_frame[t]], image)
        for side, (some, _, track) in sides.items():
            ids[side].append(some.replace(track=track))
    return {
        row: Runs(videos, [ids[row, s] for s in range(len(sure[name]))], people[name], rank="joint")
        for row, (name, *_) in rows.items()
    }


def _tracker(row: Choice, neighbours: Neighbours) -> FlowTracker:
    _, similarity, more = row
    return FlowTracker(similarity, neighbours, **{"link": LINK[similarity]} | more)


def table_rows(videos: Sequence[Video], people: Mapping[str, Sequence[Sequence[People]]]) -> dict[str, Runs]:
    """SB-T5's rows; people: by block, alone for those who are not carried, and with "+" for all."""
    return linked(videos, people, {row: (b + "+" * c, s, {}) for row, (b, c, s) in ROWS.items() if b in people})


#: SB-C13: the networks trained on train and val, and on train alone; of each three training runs.
TRAINED = {"more": "deconv-more", "less": "deconv-a"}


def people_of_test(name: str, seeds: Sequence[int] = (0, 1, 2), device: str | None = None) -> list[list[People]]:
    """What the runs of a network of TRAINED find in the main network's boxes of the first ten test videos."""
    detector = stage_one()["keypoint_rcnn"]
    how: dict[str, Any] = dict(boxes=detector, dense=True, device=device)
    return [predicting.found_by(stage_one(seed)[TRAINED[name]], "test", 10, **how)[0] for seed in seeds]


def trained_rows(videos: Sequence[Video], people: Mapping[str, Sequence[Sequence[People]]]) -> dict[str, Runs]:
    """SB-C13's rows, linked by the flow from frame to frame without propagation; people: by the names of TRAINED."""
    return linked(videos, people, {name: (name, "flow", {}) for name in people})


def _gain(rows: dict[str, Runs], better: str, worse: str, v: Weights, s: Weights) -> list[float]:
    """Of mAP and of MOTA, in points."""
    a, b = rows[better], rows[worse]
    return [a.ap(v, s) - b.ap(v, s), a.mota(v, s) - b.mota(v, s)]


def _similarities(rows: dict[str, Runs], v: Weights, s: Weights) -> list[float]:
    """Flow minus box, flow minus pose, multi-frame flow minus flow: MOTA of the stronger detector."""
    box, pose, flow, several = (rows[f"b{i}"].mota(v, s) for i in (3, 4, 5, 6))
    return [flow - box, flow - pose, several - flow]


def _propagation_and_similarity(rows: dict[str, Runs], v: Weights, s: Weights) -> list[float]:
    without, box, several = (rows[f"b{i}"].mota(v, s) for i in (1, 3, 6))
    return [box - without - 2 * (several - box)]


#: How many points of mAP the detectors may lie apart for SB-C8: twice what the table prints (69.3 against 66.0).
FURTHEST = 6.6


def _across_detectors(n: dict[str, Runs], v: Weights, s: Weights) -> list[float]:
    """SB-C8; NaN where the detectors lie too far apart for propagation to bridge: then its failing says nothing."""
    apart = n["b1"].ap() - n["a1"].ap()
    return _gain(n, "a3", "b1", v, s) if apart <= FURTHEST else [np.nan, np.nan]


#: Claim: (rows by their ids, video weights, run weights) → its components, as data/papers says; for SB-C13 the rows
#: are "more", trained on train and val, and "less".
MEASURES: dict[str, Callable[[dict[str, Runs], Weights, Weights], Sequence[float]]] = {
    "SB-C6": lambda n, v, s: _gain(n, "a3", "a1", v, s) + _gain(n, "b3", "b1", v, s),
    "SB-C7": lambda n, v, s: list(np.subtract(_gain(n, "a3", "a1", v, s), _gain(n, "b3", "b1", v, s))),
    "SB-C8": _across_detectors,
    "SB-C9": _similarities,
    "SB-C11": _propagation_and_similarity,
    "SB-C13": lambda n, v, s: _gain(n, "more", "less", v, s),
}
#: The rows that each measured claim compares.
COMPARED = {
    "SB-C6": ("a1", "a3", "b1", "b3"),
    "SB-C7": ("a1", "a3", "b1", "b3"),
    "SB-C8": ("a1", "a3", "b1"),
    "SB-C9": ("b3", "b4", "b5", "b6"),
    "SB-C11": ("b1", "b3", "b6"),
    "SB-C13": ("more", "less"),
}


def largest_difference(rows: Mapping[str, Runs]) -> float:
    """SB-C10: the largest difference of mAP between the rows of the same people, of what the trackers gave back.

    AP never looks at an id, so it is 0 by construction unless a tracker loses or changes people.
    """
    alike: dict[tuple, list[float]] = {}
    for row, way in rows.items():
        alike.setdefault(ROWS[row][:2], []).append(Runs(way.videos, way.tracked, rank="joint").ap())
    return max(float(np.ptp(values)) for values in alike.values())


def result(claim: str, rows: dict[str, Runs], data: str = "puppets", source: str = "network") -> Result:
    """A claim's components over videos and over the training runs; SB-C10 is a property."""
    if claim == "SB-C10":
        return Result.exact(claim, largest_difference(rows), data, source)
    shape = runs.shape_of(rows[name] for name in COMPARED[claim])
    return runs.result(claim, data, source, lambda v, s: np.array(MEASURES[claim](rows, v, s)), shape)


# --- where propagation helps ----------------------------------------------------------------------

#: A person is fast who moves by more than this share of the head in a frame, overlapped whose box shares more than
#: this IoU with another's, half hidden with fewer annotated joints than these; a camera shifts by more pixels a frame.
FAST, OVERLAPPED, HALF, SHIFT = 0.5, 0.2, 10, 3.0


def cases(video: Video, detected: People) -> dict[str, np.ndarray]:
    """Which of the run's people (N,) are of each case; detected: the people in the detector's boxes.

    A frame's camera shift is taken to be the median movement of its people; blur comes with speed.
    """
    truth = video.people
    best = np.zeros(len(truth))
    overlapped, moves = np.zeros(len(truth), bool), np.full(len(truth), np.nan)
    shift = np.zeros(len(truth))
    for t in np.unique(truth.frame):
        rows = np.flatnonzero(truth.frame == t)
        now, before, there = truth[rows], truth.at(t - 1), detected.at(t)
        if len(there):
            best[rows] = box_iou(now.box, there.box).max(1)
        overlapped[rows] = (box_iou(now.box, now.box) - np.eye(len(now)) > OVERLAPPED).any(1)
        if len(before):
            i, j = np.nonzero(now.track[:, None] == before.track)
            common = now.present[i] & before.present[j]
            step = np.where(common[..., None], now.xy[i] - before.xy[j], np.nan)
            some = common.any(1)
            way = np.nanmedian(step[some], 1)
            moves[rows[i[some]]] = np.linalg.norm(way, axis=1)
            shift[rows] = np.linalg.norm(np.median(way, 0)) if len(way) else 0
    return {
        "everybody": np.ones(len(truth), bool),
        "missed by the detector": best <= 0.5,
        "fast, so blurred": moves > FAST * truth.head,
        "half hidden": truth.present.sum(1) < HALF,
        "beside another person": overlapped,
        "the camera shifts": shift > SHIFT,
    }


def found_joints(video: Video, found: People) -> np.ndarray:
    """Which joints (N, 15) of the video's labelled people are found: in the person's own pose, within half a head."""
    pairs = pair_up([video], [found.replace(track=np.arange(len(found)))])
    assigned = assign_poses(pairs)
    hit = np.zeros((len(pairs.truth), found.present.shape[1]), bool)
    own = assigned[pairs.predicted_row] == pairs.truth_row
    hit[pairs.truth_row[own]] = pairs.matches[own]
    return hit


def recall_by_case(
    videos: Sequence[Video], people: Mapping[str, Sequence[Sequence[People]]], joint: float = JOINT
) -> pd.DataFrame:
    """Per cent of the annotated joints that are found, by case and by name of the people; runs are pooled.

    people: by name S lists of V People, the first name's are those in the detector's boxes.
    """
    first = next(iter(people))
    counts: dict[tuple[str, str], np.ndarray] = {}
    for v, video in enumerate(videos):
        for s in range(len(people[first])):
            of = cases(video, people[first][s][v])
            for name, each in people.items():
                hit = found_joints(video, keep_confident(each[s][v], -np.inf, joint))
                for case, mask in of.items():
                    there = video.people.present[mask]
                    seen = counts.setdefault((case, name), np.zeros(2))
                    seen += [(hit[mask] & there).sum(), there.sum()]
    names = {case: None for case, _ in counts}
    return pd.DataFrame(
        [
            {"case": case, "joints": int(counts[case, first][1])}
            | {name: 100 * counts[case, name][0] / max(1, counts[case, name][1]) for name in people}
            for case in names
        ]
    )


# --- the choices ----------------------------------------------------------------------------------

#: What is moved alone in the sensitivity figure, and over which values. Those of the propagation, then the trackers'.
MOVED: dict[str, tuple] = {
    "person": (0.3, 0.5, 0.7, 0.85),
    "joint": (0.0, 0.2, 0.4),
    "margin": (0.075, 0.15),
    "score": ("joints", "box", "both"),
    "nms": (0.1, 0.3, 0.5),
    "most": (1, 2, 8),
}
LINKED: dict[str, tuple] = {
    "joint drop": (0.2, 0.3, 0.4, 0.5, 0.6),
    "link": (0.05, 0.1, 0.2, 0.4, 0.6),
    "queue": (1, 2, 4, 8, 16),
}


def _provider(flow: str | Provider, video: Video) -> Provider:
    return predicting.flow_of(flow, video) if isinstance(flow, str) else flow


class _Once:
    """DIS, which looks at each pair of images once: what is moved alone leaves the flow as it is."""

    def __init__(self) -> None:
        self._provider = provider("dis")
        self._known: dict[tuple[int, int], np.ndarray] = {}

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        pair = hash(a.tobytes()), hash(b.tobytes())
        if pair not in self._known:
            self._known[pair] = self._provider(a, b)
        return self._known[pair]


def carried(
    video: Video, boxes: People, known: People, estimate: Estimate, flow: str | Provider | None, settings: Propagation
) -> People:
    """The people of a video's dense run by algorithm 1, where those in the boxes are known already."""
    of_video = _provider(flow, video) if flow else None
    return propagate(video, boxes, Known(known, estimate), of_video, settings, puppets.dense_run(video))


def sensitivity(
    videos: Sequence[Video],
    boxes: Sequence[People],
    estimate: Estimate,
    settings: Propagation = Propagation(),
    similarity: str = "multi-flow",
    moved: Mapping[str, tuple] = MOVED | LINKED,
) -> pd.DataFrame:
    """mAP and MOTA on tuning videos with each parameter moved alone, and which value is in use.

    boxes: of a detector, one People a video; moved: names and values, see MOVED and LINKED. The first row, "nobody
    carried", is the same without propagation.
    """
    videos, flow, start = [kept(v) for v in videos], _Once(), min([settings.person, *moved.get("person", ())])
    known = [_looked_at(v, b, estimate, start) for v, b in zip(videos, boxes, strict=True)]

    def people_by(chosen: Propagation, by: Provider | None = flow) -> list[People]:
        return [carried(v, b, k, estimate, by, chosen) for v, b, k in zip(videos, boxes, known, strict=True)]

    def row(name: str, value: Any, in_use: bool, people: list[People], drop: float = JOINT, **more: Any) -> dict:
        way = linked(videos, {"": [people]}, {"": ("", similarity, more)}, drop, flow)[""]
        return {"parameter": name, "value": value, "in use": in_use, "mAP": way.ap(), "MOTA": way.mota()}

    cache: dict[Propagation, list[People]] = {}
    used = {"joint drop": JOINT, "link": LINK[similarity], "queue": SIMILARITIES[similarity]}
    out = [row("nobody carried", "", False, people_by(settings, None))]
    for name, values in moved.items():
        for value in values:
            chosen = replace(settings, **{name: value}) if name in MOVED else settings
            if chosen not in cache:
                cache[chosen] = people_by(chosen)
            in_use = value == (getattr(settings, name) if name in MOVED else used[name])
            more = {name: value} if name in ("link", "queue") else {}
            out.append(row(name, value, in_use, cache[chosen], value if name == "joint drop" else JOINT, **more))
    return pd.DataFrame(out)


def _looked_at(video: Video, boxes: People, estimate: Any, person: float) -> People:
    """The people in the boxes of the dense run."""
    given = boxes[np.isin(boxes.frame, puppets.dense_run(video)) & (boxes.score >= person)]
    return estimate.in_video(frames_of(video), given[np.argsort(given.frame, kind="stable")])
