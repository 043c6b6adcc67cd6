"""AP, MOTA, MOTP, precision, recall, identity switches and keypoint HOTA of PoseTrack.

Two modes. *Honest* (default) measures what the metric's definition says. `compat=True`
reproduces the official toolkit (poseval; PoseTrack21's for HOTA) with its documented
quirks (notebook 01, §7 and §9): the last frame of a video is left out of MOT, an empty
frame counts as one miss and one false positive, MOTP counts distances twice, tied
scores enter AP in sorting order. Notebook 01 rebuilds every metric by hand and shows
what each quirk is worth.

The toolkit loops over frames, people and joints. Here all pairs of a ground-truth and
a predicted person in the same frame are laid out once (P pairs × 15 joints), and
CLEAR-MOT steps through time with all videos and joints side by side.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from helpers import WorkbookError
from helpers.people import People, Video, concatenate, nobody
from helpers.skeleton import JOINTS, N_JOINTS, OKS_SIGMAS, POSETRACK18, group_means

#: A joint is correct within this many head sizes (0.6 × head-box diagonal each).
PCKH_THRESHOLD = 0.5
#: Localisation thresholds of HOTA, and the distance at which its similarity reaches 0.
HOTA_ALPHAS = np.arange(0.05, 0.99, 0.05)
HOTA_REACH = 0.5001
#: What the toolkit gives a predicted joint without a score.
MISSING_SCORE = -9999.0
METRICS = ("AP", "MOTA", "MOTP", "precision", "recall", "switches", "HOTA")



def _assignment_solver():
    """scipy's `linear_sum_assignment`, from its extension file alone where that can be found.

    Importing scipy.optimize as a whole takes longer than everything else that the
    evaluate command does.
    """
    if "scipy.optimize" not in sys.modules and (scipy := importlib.util.find_spec("scipy")):
        for file in Path(scipy.origin).parent.glob("optimize/_lsap.*"):
            if file.suffix in (".so", ".pyd"):
                spec = importlib.util.spec_from_file_location("scipy.optimize._lsap", file)
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                return module.linear_sum_assignment
    from scipy.optimize import linear_sum_assignment
    return linear_sum_assignment


linear_sum_assignment = _assignment_solver()


# --- the people of all videos, cleaned and paired ------------------------------------------

@dataclass(frozen=True)
class Pairs:
    """Everything the metrics need of V videos, F evaluated frames in order, P person pairs.

    video, step (F,): the frame's video and its rank among the evaluated frames of that
    video; truth, predicted: all People with `truth_frame`, `predicted_frame` rows into F;
    truth_row, predicted_row (P,): the pair, ordered by frame, prediction, ground truth;
    distance (P, 15): joint distance in head sizes, inf where a joint is missing on a side.
    """

    n_videos: int
    video: np.ndarray
    step: np.ndarray
    truth: People
    truth_frame: np.ndarray
    predicted: People
    predicted_frame: np.ndarray
    truth_row: np.ndarray
    predicted_row: np.ndarray
    distance: np.ndarray
    compat: bool

    @property
    def matches(self) -> np.ndarray:
        """(P, 15) bool: the joint is within PCKH_THRESHOLD."""
        return self.distance <= PCKH_THRESHOLD


def pair_up(truth: Sequence[Video], predictions: Sequence[People], compat: bool = False,
            labelled: bool | None = None) -> Pairs:
    """Clean both sides and measure the distance of every pair (notebook 01, eq. 1).

    labelled: keep the labelled frames (honest mode, and HOTA in both modes), or else the
    frames with ground-truth people, whatever the label says (poseval). Joints strictly inside an ignore region are removed
    on both sides. Raises WorkbookError if the numbers of videos differ, a prediction lies
    outside its video, or a ground-truth person has joints but no head size.
    """
    if len(truth) != len(predictions):
        raise WorkbookError(f"evaluation: {len(truth)} videos but predictions for {len(predictions)}")
    labelled = not compat if labelled is None else labelled
    sides: tuple[list, list] = ([], [])
    frame_rows: tuple[list, list] = ([], [])
    video_of, step_of, n_frames = [], [], 0
    for v, (video, predicted) in enumerate(zip(truth, predictions)):
        kept = np.flatnonzero(video.labelled) if labelled else _peopled(video)
        row = np.full(len(video), -1)
        row[kept] = n_frames + np.arange(len(kept))
        for side, (people, of) in enumerate(((video.people, "ground truth"), (predicted, "prediction"))):
            _check_frames(people, video, of)
            rows = row[people.frame]
            inside = people[rows >= 0]
            inside = inside if not video.ignore else _without_ignored(inside, video)
            sides[side].append(inside)
            frame_rows[side].append(row[inside.frame])
        video_of.append(np.full(len(kept), v))
        step_of.append(np.arange(len(kept)))
        n_frames += len(kept)
    people = [concatenate(s) if s else nobody() for s in sides]
    rows = [np.concatenate(r) if r else np.zeros(0, int) for r in frame_rows]
    # File order within a frame decides between equals, so the sort must be stable.
    orders = [np.argsort(r, kind="stable") for r in rows]
    people = [p[o] for p, o in zip(people, orders)]
    rows = [r[o] for r, o in zip(rows, orders)]
    predicted_row, truth_row = _same_frame(rows[1], rows[0], n_frames)
    return Pairs(len(truth), _join(video_of), _join(step_of), people[0], rows[0], people[1], rows[1],
                 truth_row, predicted_row, _distances(people[0], people[1], truth_row, predicted_row, truth),
                 compat)


def _sum_by(group: np.ndarray, rows: np.ndarray, n_groups: int) -> np.ndarray:
    """Sums (n_groups, K) of the rows (N, K) of each group (N,)."""
    return np.stack([np.bincount(group, column, n_groups) for column in rows.T.astype(float)], 1)


def _join(parts: list) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, int)


def _peopled(video: Video) -> np.ndarray:
    return np.unique(video.people.frame)


def _check_frames(people: People, video: Video, of: str) -> None:
    if len(people) and not (0 <= people.frame.min() and people.frame.max() < len(video)):
        raise WorkbookError(f"{video.name}: frame of a {of} lies outside the video's {len(video)} frames")


def _without_ignored(people: People, video: Video) -> People:
    """Joints strictly inside an ignore region are removed, and then people left without joints."""
    inside = np.zeros(people.present.shape, bool)
    affected = np.zeros(len(people), bool)
    for frame, polygons in enumerate(video.ignore):
        if len(polygons) == 0:
            continue
        rows = np.flatnonzero(people.frame == frame)
        affected[rows] = True
        for polygon in polygons:
            inside[rows] |= strictly_inside(people.xy[rows], polygon)
    present = people.present & ~inside
    return people.replace(present=present)[~affected | present.any(1)]


def strictly_inside(points, polygon) -> np.ndarray:
    """Which points (..., 2) lie inside a closed polygon (K, 2) and not on its border; even-odd rule."""
    points, a = np.asarray(points, float), np.asarray(polygon, float)
    b = np.roll(a, -1, 0)
    x, y = points[..., None, 0], points[..., None, 1]
    side = (b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x - a[:, 0])
    on_line = (side == 0) & (x >= np.minimum(a, b)[:, 0]) & (x <= np.maximum(a, b)[:, 0]) \
        & (y >= np.minimum(a, b)[:, 1]) & (y <= np.maximum(a, b)[:, 1])
    crosses = (a[:, 1] <= y) != (b[:, 1] <= y)
    right = np.where(b[:, 1] > a[:, 1], side > 0, side < 0)
    return ((crosses & right).sum(-1) % 2 == 1) & ~on_line.any(-1)


def _same_frame(first: np.ndarray, second: np.ndarray, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """All index pairs (i, j) with first[i] == second[j], both sorted; ordered by i, then j."""
    start = np.searchsorted(second, np.arange(n_frames + 1))
    size = (start[1:] - start[:-1])[first] if len(first) else np.zeros(0, int)
    i = np.repeat(np.arange(len(first)), size)
    offset = np.arange(len(i)) - np.repeat(np.cumsum(size) - size, size)
    return i, np.repeat(start[first], size) + offset if len(first) else i


def _distances(truth: People, predicted: People, truth_row, predicted_row, videos) -> np.ndarray:
    missing = np.isnan(truth.head) & truth.present.any(1)
    if missing.any():
        raise WorkbookError(f"evaluation: head size (bbox_head) is missing for {missing.sum()} ground-truth people "
                            f"of {', '.join(v.name for v in videos[:3])}{'…' if len(videos) > 3 else ''}")
    difference = truth.xy[truth_row] - predicted.xy[predicted_row]
    with np.errstate(divide="ignore", invalid="ignore"):
        # The same operations in the same order as the toolkit, so that a distance of
        # exactly half a head size falls on the same side.
        distance = np.sqrt(difference[..., 0] ** 2 + difference[..., 1] ** 2) / truth.head[truth_row][:, None]
    both = truth.present[truth_row] & predicted.present[predicted_row]
    return np.where(both & ~np.isnan(distance), distance, np.inf)


# --- average precision (notebook 01, §4) ---------------------------------------------------

@dataclass(frozen=True)
class ApSamples:
    """Every predicted joint as one sample, a list a joint, sorted by falling score.

    video, correct, last: per joint arrays of one length; `last` marks the end of a run of
    tied scores. annotated (V, 15): ground-truth joints a video.
    """

    video: list[np.ndarray]
    correct: list[np.ndarray]
    last: list[np.ndarray]
    annotated: np.ndarray


def assign_poses(pairs: Pairs) -> np.ndarray:
    """The prediction assigned to each pose: (predictions,) row of its ground truth, −1 = none.

    PCK of a pair = matched joints / annotated joints of the ground truth. A prediction
    keeps its best ground truth, a ground truth then takes its best prediction; the first
    wins among equals, and 0 matched joints are no match (notebook 01, §4).
    """
    assigned = np.full(len(pairs.predicted), -1)
    if len(pairs.truth_row) == 0:
        return assigned
    annotated = np.maximum(pairs.truth.present.sum(1), 1)
    pck = pairs.matches.sum(1) / annotated[pairs.truth_row]
    best = _first_best(pck, pairs.predicted_row)
    best = best[pck[best] > 0]
    order = np.lexsort((pairs.predicted_row[best], -pck[best], pairs.truth_row[best]))
    best = best[order]
    winner = best[np.r_[True, pairs.truth_row[best][1:] != pairs.truth_row[best][:-1]]] if len(best) else best
    assigned[pairs.predicted_row[winner]] = pairs.truth_row[winner]
    return assigned


def _first_best(value: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Index of the first maximum in each run of equal `group` (sorted)."""
    start = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    top = np.maximum.reduceat(value, start)
    run = np.repeat(np.arange(len(start)), np.diff(np.r_[start, len(group)]))
    at_top = np.flatnonzero(value == top[run])
    return at_top[np.r_[True, run[at_top][1:] != run[at_top][:-1]]]


def ap_samples(pairs: Pairs) -> ApSamples:
    """Label and sort every predicted joint; a joint its ground truth lacks is a false positive."""
    assigned = assign_poses(pairs)
    correct = np.zeros((len(pairs.predicted), N_JOINTS), bool)
    chosen = assigned[pairs.predicted_row] == pairs.truth_row if len(pairs.truth_row) else np.zeros(0, bool)
    correct[pairs.predicted_row[chosen]] = pairs.matches[chosen]
    score = np.where(np.isnan(pairs.predicted.joint_score), MISSING_SCORE, pairs.predicted.joint_score)
    video = pairs.video[pairs.predicted_frame]
    out: tuple[list, list, list] = ([], [], [])
    for j in range(N_JOINTS):
        rows = np.flatnonzero(pairs.predicted.present[:, j])
        # The toolkit's own sort, ties included: numpy's default, reversed.
        order = rows[np.argsort(score[rows, j])[::-1]]
        ends = np.ones(len(order), bool)
        if not pairs.compat and len(order):
            ends[:-1] = score[order[1:], j] != score[order[:-1], j]
        for store, values in zip(out, (video[order], correct[order, j], ends)):
            store.append(values)
    return ApSamples(*out, _sum_by(pairs.video[pairs.truth_frame], pairs.truth.present, pairs.n_videos))


def average_precision(samples: ApSamples, weights: np.ndarray | None = None) -> np.ndarray:
    """AP of each joint (15,) in per cent: the area under the precision envelope (notebook 01, eq. 3).

    weights (V,): how often each video counts (a bootstrap resample), None = once each.
    NaN for a joint that is predicted but never annotated, 0 for one never predicted.
    """
    w = np.ones(len(samples.annotated)) if weights is None else np.asarray(weights, float)
    positives = w @ samples.annotated
    return np.array([_area(w[samples.video[j]], samples.correct[j], samples.last[j], positives[j])
                     for j in range(N_JOINTS)])


def _area(weight, correct, last, positives) -> float:
    if len(weight) == 0 or weight.sum() == 0:
        return 0.0
    if positives == 0:
        return float("nan")
    hits, samples = np.cumsum(weight * correct)[last], np.cumsum(weight)[last]
    precision = np.divide(hits, samples, out=np.zeros(len(hits)), where=samples > 0)
    recall = np.r_[0.0, hits / positives]
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(100 * np.sum(np.diff(recall) * envelope))


# --- CLEAR-MOT, per joint and video (notebook 01, §5) -----------------------------------------

@dataclass(frozen=True)
class MotCounts:
    """Counts a video and joint, each (V, 15); `distance` in head sizes.

    In compat mode `distance` holds what the toolkit sums up: every valid distance once
    more besides the matched ones (O-1b).
    """

    objects: np.ndarray
    misses: np.ndarray
    false_positives: np.ndarray
    switches: np.ndarray
    matches: np.ndarray
    distance: np.ndarray

    def sum(self, weights: np.ndarray | None = None) -> "MotCounts":
        """Counts over all videos, (15,) each; weights (V,) as in `average_precision`."""
        w = np.ones(len(self.objects)) if weights is None else np.asarray(weights, float)
        return MotCounts(*(w @ getattr(self, f) for f in self.__dataclass_fields__))


def _ratio(a, b) -> np.ndarray:
    """a / b, NaN where b is 0."""
    return np.divide(a, b, out=np.full(np.shape(b), np.nan), where=np.asarray(b) > 0)


def mota(counts: MotCounts) -> np.ndarray:
    """1 − (misses + false positives + switches) / objects in per cent; NaN without objects."""
    return 100 * (1 - _ratio(counts.misses + counts.false_positives + counts.switches, counts.objects))


def motp(counts: MotCounts) -> np.ndarray:
    """1 − mean matched distance, in per cent; 0 without a match, as the toolkit has it."""
    return np.nan_to_num(100 * (1 - _ratio(counts.distance, counts.matches)), nan=0.0)


def precision(counts: MotCounts) -> np.ndarray:
    """Matches / predicted joints in per cent; NaN without predictions."""
    return 100 * _ratio(counts.matches, counts.matches + counts.false_positives)


def recall(counts: MotCounts) -> np.ndarray:
    """Matches / annotated joints in per cent; NaN without annotations."""
    return 100 * _ratio(counts.matches, counts.objects)


def clear_mot(truth, predictions=None, compat: bool = False) -> MotCounts:
    """CLEAR-MOT counts per video and joint. Takes `Pairs`, or videos and their predictions.

    A pair once matched stays together while it is valid; the others are assigned by
    least total distance; an object whose partner differs from its last one counts a
    switch. Track ids may repeat within a frame (the constant-id control needs it).
    """
    pairs = truth if isinstance(truth, Pairs) else pair_up(truth, predictions, compat)
    grids = _Grids(pairs)
    state = _MotState(pairs, grids)
    for t in range(grids.n_steps):
        state.step(*grids.at(t))
    counts = state.counts
    if pairs.compat:
        _dummy_objects(pairs, grids, counts)
    return MotCounts(**counts)


class _Grids:
    """Frames as padded grids: at step t the videos still running, their rows and columns."""

    def __init__(self, pairs: Pairs):
        self.pairs = pairs
        n_steps = np.bincount(pairs.video, minlength=pairs.n_videos)
        counted = pairs.step < n_steps[pairs.video] - 1 if pairs.compat else np.ones(len(pairs.video), bool)
        people = [np.bincount(f, minlength=len(pairs.video)) for f in (pairs.truth_frame, pairs.predicted_frame)]
        # The toolkit replaces a frame that is empty on either side by a dummy.
        self.dummy = counted & ((people[0] == 0) | (people[1] == 0)) if pairs.compat else np.zeros(len(counted), bool)
        used = counted & ~self.dummy
        self.n_steps = int(pairs.step[used].max()) + 1 if used.any() else 0
        # place[f]: row of frame f among the used frames of its step; videos keep their order
        self.frames = [[] for _ in range(self.n_steps)]
        order = np.flatnonzero(used)
        order = order[np.argsort(pairs.step[order], kind="stable")]
        bounds = np.searchsorted(pairs.step[order], np.arange(self.n_steps + 1))
        self.frames = [order[bounds[t]:bounds[t + 1]] for t in range(self.n_steps)]
        self.start = [np.searchsorted(f, np.arange(len(pairs.video) + 1))
                      for f in (pairs.truth_frame, pairs.predicted_frame)]
        pair_frame = pairs.truth_frame[pairs.truth_row] if len(pairs.truth_row) else np.zeros(0, int)
        self.pair_start = np.searchsorted(pair_frame, np.arange(len(pairs.video) + 1))
        self.slot = [np.arange(len(f)) - s[f] if len(f) else np.zeros(0, int)
                     for f, s in zip((pairs.truth_frame, pairs.predicted_frame), self.start)]
        self.ids = [_compact_ids(p.track, pairs.video[f])
                    for p, f in ((pairs.truth, pairs.truth_frame), (pairs.predicted, pairs.predicted_frame))]
        self.repeats = any(_repeats(i, f) for i, f in zip(self.ids, (pairs.truth_frame, pairs.predicted_frame)))

    def at(self, t: int):
        """Videos (A,), ids (A, n) and (A, m), presence (A, n, 15) and (A, m, 15), distances (A, n, m, 15)."""
        p, frames = self.pairs, self.frames[t]
        place = np.arange(len(frames))
        ids, present, slots = [], [], []
        for side, people in enumerate((p.truth, p.predicted)):
            rows, owner = _ranges(self.start[side][frames], self.start[side][frames + 1])
            size = int((self.start[side][frames + 1] - self.start[side][frames]).max(initial=0))
            grid_ids, grid_present = np.full((len(frames), size), -1), np.zeros((len(frames), size, N_JOINTS), bool)
            grid_ids[owner, self.slot[side][rows]] = self.ids[side][rows]
            grid_present[owner, self.slot[side][rows]] = people.present[rows]
            ids.append(grid_ids), present.append(grid_present), slots.append(size)
        rows, owner = _ranges(self.pair_start[frames], self.pair_start[frames + 1])
        distance = np.full((len(frames), *slots, N_JOINTS), np.inf)
        distance[place[owner], self.slot[0][p.truth_row[rows]], self.slot[1][p.predicted_row[rows]]] = p.distance[rows]
        return p.video[frames], ids[0], ids[1], present[0], present[1], distance


def _ranges(start, stop) -> tuple[np.ndarray, np.ndarray]:
    """The integers of all [start, stop) joined, and which range each belongs to."""
    size = stop - start
    owner = np.repeat(np.arange(len(start)), size)
    return np.arange(len(owner)) - np.repeat(np.cumsum(size) - size, size) + start[owner], owner


def _key(group, ids) -> np.ndarray:
    """One whole number for each pair of a group and an id."""
    low = ids.min(initial=0)
    return group * (ids.max(initial=0) - low + 1) + ids - low


def _compact_ids(track, video) -> np.ndarray:
    """Track ids renumbered 0, 1, … within each video."""
    if len(track) == 0:
        return track
    _, row, index = np.unique(_key(video, track), return_index=True, return_inverse=True)
    return index - np.searchsorted(video[row], video)      # rows of one video are neighbours


def _repeats(ids, frame) -> bool:
    return len(np.unique(_key(frame, ids))) < len(ids)


class _MotState:
    """What the accumulator remembers, for all videos (V) and joints side by side."""

    def __init__(self, pairs: Pairs, grids: _Grids):
        v, j = pairs.n_videos, N_JOINTS
        n_objects, n_hypotheses = (int(i.max(initial=-1)) + 1 for i in grids.ids)
        self.partner = np.full((v, n_objects, j), -1)       # last hypothesis of an object
        self.compat, self.repeats = pairs.compat, grids.repeats
        # Only for the rows that double the toolkit's distances (O-1b):
        self.seen = np.zeros((v, n_hypotheses, j), bool)    # hypothesis was ever matched
        self.owner = np.full((v, n_hypotheses, j), -1)      # object it was last assigned to
        self.counts = {f: np.zeros((v, j)) for f in MotCounts.__dataclass_fields__}

    def step(self, video, object_ids, hypothesis_ids, objects, hypotheses, distance) -> None:
        valid = distance <= PCKH_THRESHOLD
        previous = np.where(objects, self.partner[video[:, None], object_ids], -1)
        kept = self._keep(previous, hypothesis_ids, hypotheses, valid)
        rest = valid & ~kept.any(2)[:, :, None] & ~kept.any(1)[:, None]
        new = _assign(rest, distance, objects, hypotheses) if rest.any() else rest
        a, r, c, j = np.nonzero(new)
        v, o, h = video[a], object_ids[a, r], hypothesis_ids[a, c]
        before = self.partner[v, o, j]
        switch = (before >= 0) & (before != h)
        matched = (kept | new).sum((1, 2))
        total = np.where(kept | new, distance, 0).sum((1, 2))
        if self.compat:
            total += np.where(valid, distance, 0).sum((1, 2))
            self._doubled(total, kept, distance, (a, r, c, j), (v, o, h), before, switch, video, hypothesis_ids)
        self.partner[v, o, j] = h
        counts = self.counts
        counts["objects"][video] += objects.sum(1)
        counts["matches"][video] += matched
        counts["misses"][video] += objects.sum(1) - matched
        counts["false_positives"][video] += hypotheses.sum(1) - matched
        counts["distance"][video] += total
        np.add.at(counts["switches"], (v, j), switch)

    def _keep(self, previous, hypothesis_ids, hypotheses, valid) -> np.ndarray:
        """Pairs that were together before and still are valid (A, n, m, 15)."""
        same = (previous[:, :, None] == hypothesis_ids[:, None, :, None]) & (previous >= 0)[:, :, None]
        if not self.repeats:
            kept = same & valid
            # Two objects may remember one hypothesis; the first in file order keeps it.
            return kept & (np.cumsum(kept, 1) == 1) if (kept.sum(1) > 1).any() else kept
        # With repeated ids the first free hypothesis of that id is tried, object by object.
        kept, free = np.zeros_like(valid), hypotheses.copy()
        for r in range(same.shape[1]):
            candidates = same[:, r] & free
            first = candidates & (np.cumsum(candidates, 1) == 1)
            kept[:, r] = first & valid[:, r]
            free &= ~kept[:, r]
        return kept

    def _doubled(self, total, kept, distance, at, ids, before, switch, video, hypothesis_ids) -> None:
        """Add the toolkit's ASCEND, TRANSFER and MIGRATE rows, then remember the matches."""
        (a, r, c, j), (v, o, h) = at, ids
        ka, _, kc, kj = np.nonzero(kept)
        self.seen[video[ka], hypothesis_ids[ka, kc], kj] = True
        ascend = switch & ~self.seen[v, h, j]
        transfer = (self.owner[v, h, j] >= 0) & (self.owner[v, h, j] != o)
        rows = ascend.astype(int) + transfer + (transfer & (before < 0))
        np.add.at(total, (a, j), rows * distance[a, r, c, j])
        self.seen[v, h, j] = True
        self.owner[v, h, j] = o


def _assign(rest, distance, objects, hypotheses) -> np.ndarray:
    """Least-distance assignment of the remaining valid pairs, in every video and joint.

    Where no object and no hypothesis has a choice the pairs simply match. Otherwise scipy
    solves the matrix that motmetrics would build, so that ties fall alike.
    """
    choice = (rest.sum(2) > 1).any(1) | (rest.sum(1) > 1).any(1)
    new = rest & ~choice[:, None, None]
    for a, j in np.argwhere(choice):
        rows, columns = np.flatnonzero(objects[a, :, j]), np.flatnonzero(hypotheses[a, :, j])
        valid = rest[a][np.ix_(rows, columns, [j])][..., 0]
        cost = distance[a][np.ix_(rows, columns, [j])][..., 0]
        forbidden = 2 * min(cost.shape) * (cost[valid].max() + 1) + 1
        r, c = linear_sum_assignment(np.where(valid, cost, forbidden))
        good = valid[r, c]
        new[a, rows[r[good]], columns[c[good]], j] = True
    return new


def _dummy_objects(pairs: Pairs, grids: _Grids, counts: dict) -> None:
    """The toolkit's stand-in for a frame empty on a side: one miss and one false positive a joint."""
    videos = pairs.video[grids.dummy]
    for name in ("objects", "misses", "false_positives"):
        np.add.at(counts[name], videos, 1)


# --- HOTA for keypoints (notebook 01, §6) ------------------------------------------------------

@dataclass(frozen=True)
class Hota:
    """HOTA and its parts, each (19 alphas, 15 joints), shares in [0, 1]."""

    hota: np.ndarray
    detection: np.ndarray
    association: np.ndarray
    localisation: np.ndarray

    def per_joint(self) -> np.ndarray:
        """HOTA of each joint (15,) in per cent, the mean over the thresholds."""
        return 100 * self.hota.mean(0)


def hota(truth, predictions=None, compat: bool = False) -> Hota:
    """PoseTrack21's keypoint HOTA over the whole set. Takes `Pairs`, or videos and predictions.

    Similarity 1 − d/0.5001, one Hungarian matching a frame and joint, a true positive
    where it reaches alpha. In compat mode a labelled frame without any predicted person
    adds the whole video's annotated joints as misses (and the reverse), as PoseTrack21's
    code does, and joints at x ≤ 0 or y ≤ 0 do not count.
    """
    pairs = truth if isinstance(truth, Pairs) else pair_up(truth, predictions, compat, labelled=True)
    present = [p.present & (p.xy > 0).all(-1) if pairs.compat else p.present for p in (pairs.truth, pairs.predicted)]
    similarity = np.maximum(0, 1 - pairs.distance / HOTA_REACH)
    if pairs.compat:
        similarity = similarity * (present[0][pairs.truth_row] & present[1][pairs.predicted_row])
    pair, joint = _best_matching(pairs, similarity)
    # A match that reaches k thresholds is a true positive at the first k of them.
    reached = np.searchsorted(HOTA_ALPHAS - np.finfo(float).eps, similarity[pair, joint], side="right")
    tp = _at_alphas(joint, reached, N_JOINTS).T
    loc = _at_alphas(joint, reached, N_JOINTS, similarity[pair, joint]).T
    totals = [_joint_totals(pairs, present, side) for side in (0, 1)]
    association = _association(pairs, present, pair, joint, reached) / np.maximum(1, tp)
    detection = tp / np.maximum(1, totals[0] + totals[1] - tp)
    localisation = np.maximum(1e-10, loc) / np.maximum(1e-10, tp)
    return Hota(np.sqrt(detection * association), detection, association, localisation)


def _joint_totals(pairs: Pairs, present, side: int) -> np.ndarray:
    """Joints of one side (15,), counted as the mode counts them.

    In compat mode each frame without people on the other side adds the joints of its
    whole video in place of its own; a video without any on the other side counts plainly.
    """
    if not pairs.compat:
        return present[side].sum(0)
    frame, other = (pairs.truth_frame, pairs.predicted_frame)[::1 if side == 0 else -1]
    frames = np.arange(len(pairs.video))
    alone = ~np.isin(frames, other)
    if side == 0:       # a frame empty on both sides counts against the predictions only
        alone &= np.isin(frames, frame)
    a_video = _sum_by(pairs.video[frame], present[side], pairs.n_videos)
    nobody_there = ~np.isin(np.arange(pairs.n_videos), pairs.video[other])
    times = np.where(nobody_there, 1, np.bincount(pairs.video[alone], minlength=pairs.n_videos))
    counted = ~alone[frame] & ~nobody_there[pairs.video[frame]]
    return present[side][counted].sum(0) + times @ a_video


def _best_matching(pairs: Pairs, similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair and joint indices of the matching with the greatest total similarity in every frame."""
    pair, joint = np.nonzero(similarity > 0)
    if len(pair) == 0:
        return pair, joint
    frame = pairs.truth_frame[pairs.truth_row[pair]]
    degree = [np.bincount(rows[pair] * N_JOINTS + joint)[rows[pair] * N_JOINTS + joint]
              for rows in (pairs.truth_row, pairs.predicted_row)]
    lane = frame * N_JOINTS + joint
    contested = np.bincount(lane, (degree[0] > 1) | (degree[1] > 1))[lane] > 0
    keep = ~contested
    index = np.flatnonzero(contested)
    index = index[np.argsort(lane[index], kind="stable")]
    for group in np.split(index, np.flatnonzero(np.diff(lane[index])) + 1) if len(index) else ():
        rows, r = np.unique(pairs.truth_row[pair[group]], return_inverse=True)
        columns, c = np.unique(pairs.predicted_row[pair[group]], return_inverse=True)
        gain, which = np.zeros((len(rows), len(columns))), np.full((len(rows), len(columns)), -1)
        gain[r, c], which[r, c] = similarity[pair[group], joint[group]], group
        chosen = which[linear_sum_assignment(-gain)]
        keep[chosen[chosen >= 0]] = True
    return pair[keep], joint[keep]


def _at_alphas(group, reached, n_groups: int, weight=None) -> np.ndarray:
    """(n_groups, 19): how many matches (or how much weight) of each group count at each threshold."""
    levels = len(HOTA_ALPHAS) + 1
    counted = np.bincount(group * levels + reached, weight, n_groups * levels).reshape(n_groups, levels)
    return np.cumsum(counted[:, ::-1], 1)[:, -2::-1]


def _association(pairs: Pairs, present, pair, joint, reached) -> np.ndarray:
    """AssA (19, 15), summed over true positives: which share of both tracks each match's pair of ids covers."""
    ids = [_whole_set_ids(p.track, pairs.video[f]) for p, f in
           ((pairs.truth, pairs.truth_frame), (pairs.predicted, pairs.predicted_frame))]
    length = [_sum_by(i, there, int(i.max(initial=-1)) + 1) for i, there in zip(ids, present)]
    g, t = ids[0][pairs.truth_row[pair]], ids[1][pairs.predicted_row[pair]]
    key = (joint * (len(length[0]) + 1) + g) * (len(length[1]) + 1) + t
    _, first, both = np.unique(key, return_index=True, return_inverse=True)
    count = _at_alphas(both, reached, len(first))
    lengths = length[0][g[first], joint[first]] + length[1][t[first], joint[first]]
    return _sum_by(joint[first], count ** 2 / np.maximum(1, lengths[:, None] - count), N_JOINTS).T


def _whole_set_ids(track, video) -> np.ndarray:
    return np.unique(_key(video, track), return_inverse=True)[1]


# --- OKS average precision, COCO's definition ------------------------------------------------

OKS_THRESHOLDS = np.linspace(.5, .95, 10)
RECALL_LEVELS = np.linspace(0, 1, 101)
MOST_DETECTIONS = 20


def oks_ap(truth: Sequence[Video], predictions: Sequence[People], sigmas=OKS_SIGMAS) -> np.ndarray:
    """Average precision at the ten OKS thresholds (10,), shares in [0, 1]; AP is their mean.

    COCO's rules: a frame's predictions, at most 20, take ground truths greedily in order
    of person score; OKS² areas are those of the ground-truth boxes; people without an
    annotated joint are neither demanded nor counted against a prediction. NaN without
    ground truth. Every labelled frame counts. Equal to pycocotools (SB-T2, notebook 08).
    """
    score, hit, ignored, demanded = [], [], [], 0
    for video, predicted in zip(truth, predictions, strict=True):
        for frame in np.flatnonzero(video.labelled):
            gt, pr = video.people.at(frame), predicted.at(frame)
            pr = pr[np.argsort(-pr.score, kind="stable")[:MOST_DETECTIONS]]
            gt = gt[np.argsort(~gt.present.any(1), kind="stable")]
            demanded += int(gt.present.any(1).sum())
            matched, ignore = _match_by_oks(_coco_oks(pr, gt, np.asarray(sigmas)), ~gt.present.any(1))
            score.append(pr.score), hit.append(matched), ignored.append(ignore)
    if demanded == 0:
        return np.full(len(OKS_THRESHOLDS), np.nan)
    order = np.argsort(-np.concatenate(score), kind="stable")
    hit, ignored = np.concatenate(hit, 1)[:, order], np.concatenate(ignored, 1)[:, order]
    return np.array([_interpolated_area(h[~i], demanded) for h, i in zip(hit, ignored)])


def _coco_oks(predicted: People, truth: People, sigmas) -> np.ndarray:
    """OKS (M, N) over the joints annotated in the truth; without any, distance to its doubled box."""
    area = (truth.box[:, 2] - truth.box[:, 0]) * (truth.box[:, 3] - truth.box[:, 1])
    difference = predicted.xy[:, None] - truth.xy[None]
    size = truth.box[:, 2:] - truth.box[:, :2]
    low, high = (truth.box[:, :2] - size)[:, None], (truth.box[:, 2:] + size)[:, None]
    outside = np.maximum(0, low - predicted.xy[:, None]) + np.maximum(0, predicted.xy[:, None] - high)
    nobody_annotated = ~truth.present.any(1)
    difference = np.where(nobody_annotated[:, None, None], outside, difference)
    error = (difference ** 2).sum(-1) / (2 * sigmas) ** 2 / (area + np.spacing(1))[:, None] / 2
    used = truth.present | nobody_annotated[:, None]
    return (np.exp(-error) * used).sum(-1) / np.maximum(1, used.sum(-1))


def _match_by_oks(oks: np.ndarray, ignore: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per threshold and prediction: matched a demanded person; matched one that does not count."""
    hit, ignored = np.zeros((2, len(OKS_THRESHOLDS), len(oks)), bool)
    for k, threshold in enumerate(OKS_THRESHOLDS):
        free = np.ones(oks.shape[1], bool)
        for i, row in enumerate(oks):
            # Demanded people come before the others, however similar those are; the last wins a tie.
            for group in (~ignore, ignore):
                candidates = np.flatnonzero(free & group & (row >= min(threshold, 1 - 1e-10)))
                if len(candidates):
                    best = candidates[::-1][np.argmax(row[candidates][::-1])]
                    free[best] = False
                    (ignored if ignore[best] else hit)[k, i] = True
                    break
    return hit, ignored


def _interpolated_area(hit: np.ndarray, demanded: int) -> float:
    """Mean over 101 recall levels of the best precision at that recall or beyond."""
    found = np.cumsum(hit)
    precision = np.maximum.accumulate((found / (np.arange(len(hit)) + 1 + np.spacing(1)))[::-1])[::-1]
    at = np.searchsorted(found / demanded, RECALL_LEVELS, side="left")
    return float(np.r_[precision, 0.0][np.minimum(at, len(hit))].mean())


# --- everything at once --------------------------------------------------------------------

@dataclass(frozen=True)
class Scores:
    """All metrics of a set of videos, (15,) each in `skeleton.JOINTS` order, per cent; switches counted."""

    ap: np.ndarray
    mota: np.ndarray
    motp: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    switches: np.ndarray
    hota: np.ndarray
    counts: MotCounts = field(repr=False)

    def total(self, name: str) -> float:
        """The printed Total: the mean of the 15 joints, NaN skipped; for switches the sum."""
        return float(self.switches.sum()) if name == "switches" else self.groups(name)["Total"]

    def groups(self, name: str) -> dict[str, float]:
        """Head … Ankle and Total, as the papers' tables print them."""
        return group_means(getattr(self, name.lower()))

    def as_json(self) -> dict:
        """`{"AP": {"per_joint": {name: value}, "total": value}, …}`, PoseTrack'18 names; NaN as None."""
        order = [n for n in POSETRACK18 if n in JOINTS]
        out = {}
        for name in METRICS:
            values = dict(zip(JOINTS, getattr(self, name.lower()).tolist()))
            out[name] = {"per_joint": {n: _number(values[n]) for n in order}, "total": _number(self.total(name.lower()))}
        return out


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value


def evaluate(truth: Sequence[Video], predictions: Sequence[People], compat: bool = False) -> Scores:
    """All metrics of predictions, one People a video. See `pair_up` for what is raised."""
    pairs = pair_up(truth, predictions, compat)
    counts = clear_mot(pairs)
    whole = counts.sum()
    same_frames = not compat or all(np.array_equal(np.flatnonzero(v.labelled), _peopled(v)) for v in truth)
    of_joints = hota(pairs) if same_frames else hota(truth, predictions, compat)
    return Scores(average_precision(ap_samples(pairs)), mota(whole), motp(whole), precision(whole),
                  recall(whole), whole.switches, of_joints.per_joint(), counts)
