"""Runs compared: S runs on the same V videos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers import evaluation
from helpers.detections.filters import LOGIT, PERSON, box_confidence, keep_confident
from helpers.experiments.links import errors_of, mota
from helpers.people import People, Video
from helpers.skeleton import N_JOINTS, group_means
from helpers.tracking import track
from helpers.tracking.frame_to_frame import FrameToFrame


class Linked:
    """How well one way to link does: S runs on the same V videos. One run stands for every seed.

    errors (S, V, 2, 15) as in `comparison`; `row()` gives the numbers that the papers print.
    """

    def __init__(self, videos: Sequence[Video], runs: Sequence[Sequence[People]]):
        self._counts = [evaluation.clear_mot(videos, tracked) for tracked in runs]
        self.errors = np.stack([errors_of(c) for c in self._counts])

    def mota(self, videos=None, seeds=None) -> float:
        """MOTA in per cent, pooled over runs; videos (V,), seeds (S,): how often each counts."""
        return mota(self.errors, videos, None if len(self.errors) == 1 else seeds)

    def by_video(self) -> np.ndarray:
        """MOTA of each video (V,), pooled over runs."""
        return np.array([mota(self.errors[:, [v]]) for v in range(self.errors.shape[1])])

    def of_detections(self, videos=None) -> np.ndarray:
        """MOTP, precision and recall (3,) in per cent, means over joints and runs."""
        whole = [c.sum(videos) for c in self._counts]
        measures = (evaluation.motp, evaluation.precision, evaluation.recall)
        return np.array([np.mean([np.nanmean(measure(c)) for c in whole]) for measure in measures])

    def switches(self) -> float:
        """Identity switches, all joints, the mean over runs."""
        return float(np.mean([c.switches.sum() for c in self._counts]))

    def row(self) -> dict[str, float]:
        """A row as in PT-T4 and DT-T3: MOTA by column group, MOTP, precision, recall."""
        by_joint = np.mean([evaluation.mota(c.sum()) for c in self._counts], 0)
        out = {f"MOTA {group}": value for group, value in group_means(by_joint).items()}
        return out | dict(zip(("MOTP", "Prec", "Rec"), self.of_detections()))


class Runs:
    """What S training runs of one network found in the same V videos, and how good it is.

    detections: S lists of V People. AP ranks joints by their box's score, as Detect-and-Track's
    export does, or with by_box=False by their own (annotated boxes all score alike), and sees
    all of them. MOTA is that of the frame-to-frame tracker on labelled
    frames, after people below `person` and joints below the logit `joint` are dropped. One run
    stands for every seed (boxes from the annotation have no seed).
    """

    def __init__(
        self,
        videos: Sequence[Video],
        detections: Sequence[Sequence[People]],
        person: float = PERSON,
        joint: float = LOGIT,
        by_box: bool = True,
    ):
        rank = box_confidence if by_box else lambda found: found
        self.samples = [evaluation.ap_samples(evaluation.pair_up(videos, [rank(p) for p in run])) for run in detections]
        counts = [
            evaluation.clear_mot(videos, [_tracked(p, v, person, joint) for p, v in zip(run, videos)])
            for run in detections
        ]
        self.errors = np.stack([errors_of(c) for c in counts])
        self._counts, self._known = counts, {}

    def ap_of_runs(self, videos: np.ndarray | None = None) -> np.ndarray:
        """AP of each run and joint (S, 15) in per cent; videos (V,): how often each counts."""
        key = None if videos is None else np.asarray(videos, float).tobytes()
        if key not in self._known:  # the claims of one notebook draw the same videos again
            self._known[key] = np.array([evaluation.average_precision(s, videos) for s in self.samples])
        return self._known[key]

    def ap(self, videos=None, seeds=None) -> float:
        """mAP in per cent, the mean over runs; seeds (S,): how often each run counts."""
        return float(np.average(np.nanmean(self.ap_of_runs(videos), 1), weights=self._seeds(seeds)))

    def mota(self, videos=None, seeds=None) -> float:
        """MOTA in per cent, pooled over runs."""
        return mota(self.errors, videos, self._seeds(seeds))

    def _seeds(self, seeds) -> np.ndarray:
        return np.ones(len(self.samples)) if seeds is None or len(self.samples) == 1 else seeds

    def row(self) -> dict[str, float]:
        """A row as the papers print it: AP and MOTA by column group, precision and recall; means over runs."""
        whole = [c.sum() for c in self._counts]
        out = {f"mAP {g}": v for g, v in group_means(self.ap_of_runs().mean(0)).items()}
        by_joint = np.mean([evaluation.mota(c) for c in whole], 0)
        out |= {f"MOTA {g}": v for g, v in group_means(by_joint).items()}
        for name, metric in (("MOTP", evaluation.motp), ("Prec", evaluation.precision), ("Rec", evaluation.recall)):
            out[name] = group_means(np.mean([metric(c) for c in whole], 0))["Total"]
        return out


def _tracked(found: People, video: Video, person: float, joint: float) -> People:
    kept = keep_confident(found, person, joint)
    kept = kept[video.labelled[kept.frame]]
    return track(kept, FrameToFrame(), len(video), which=np.flatnonzero(video.labelled))


class Measured:
    """AP and CLEAR-MOT of S runs on the same V videos at one setting. people: S lists of V People, linked.

    AP ranks a joint by its box's score, as Detect-and-Track's export does, or by its own.
    Every number is in per cent, a mean over the joints that are annotated at all; videos
    (V,) and seeds (S,) say how often each counts in a bootstrap resample.
    """

    def __init__(self, videos: Sequence[Video], people: Sequence[Sequence[People]]):
        # All runs at once, as if they were other videos: the evaluation steps through time only once.
        counts = evaluation.clear_mot([v for _ in people for v in videos], [p for run in people for p in run])
        self.counts = {
            name: getattr(counts, name).reshape(len(people), len(videos), N_JOINTS)
            for name in evaluation.MotCounts.__dataclass_fields__
        }
        self._videos, self._people = videos, people
        self._samples, self._known = {}, {}

    def ap_of_joints(self, videos=None, seeds=None, rank: str = "box") -> np.ndarray:
        """AP of each joint (15,), the mean over runs; NaN for joints that nobody annotated."""
        n = len(self._people)
        seeds = np.ones(n) if seeds is None else np.asarray(seeds, float)
        runs = [self._ap(run, videos, rank) if seeds[run] else np.zeros(N_JOINTS) for run in range(n)]
        annotated = self.counts["objects"].sum((0, 1)) > 0
        return np.where(annotated, seeds @ runs / seeds.sum(), np.nan)

    def _ap(self, run: int, videos, rank: str) -> np.ndarray:
        key = rank, run, None if videos is None else np.asarray(videos, float).tobytes()
        if key not in self._known:  # several claims draw the same videos
            self._known[key] = np.nan_to_num(evaluation.average_precision(self._ranked(run, rank), videos))
        return self._known[key]

    def _ranked(self, run: int, rank: str):
        if (run, rank) not in self._samples:
            people = self._people[run]
            if rank == "box":
                people = [p.replace(joint_score=np.repeat(p.score[:, None], N_JOINTS, 1)) for p in people]
            self._samples[run, rank] = evaluation.ap_samples(evaluation.pair_up(self._videos, people))
        return self._samples[run, rank]

    def totals(self, videos=None, seeds=None) -> evaluation.MotCounts:
        """Counts of the joints (15,) over runs and videos."""
        runs, n = self.counts["objects"].shape[:2]
        seeds, videos = (np.ones(m) if w is None else w for m, w in ((runs, seeds), (n, videos)))
        weights = np.outer(seeds, videos)
        return evaluation.MotCounts(**{name: np.tensordot(weights, c, 2) for name, c in self.counts.items()})

    def ap(self, videos=None, seeds=None, rank: str = "box") -> float:
        """mAP."""
        return float(np.nanmean(self.ap_of_joints(videos, seeds, rank)))

    def mota(self, videos=None, seeds=None) -> float:
        """MOTA."""
        return float(np.nanmean(evaluation.mota(self.totals(videos, seeds))))

    def precision(self, videos=None, seeds=None) -> float:
        """Share of exported joints that are right."""
        return _mean(evaluation.precision(self.totals(videos, seeds)))

    def recall(self, videos=None, seeds=None) -> float:
        """Share of annotated joints that are found."""
        return _mean(evaluation.recall(self.totals(videos, seeds)))

    def switches(self, videos=None, seeds=None) -> float:
        """Switches as a share of the annotated joints, as KT-T4 prints them."""
        whole = self.totals(videos, seeds)
        return _mean(100 * whole.switches / np.where(whole.objects > 0, whole.objects, np.nan))

    def mota_of_groups(self, videos=None, seeds=None) -> dict[str, float]:
        """MOTA of Head … Ankle and Total."""
        return group_means(evaluation.mota(self.totals(videos, seeds)))

    def row(self) -> dict[str, float]:
        """A row as PT-T2 and DT-T1 print it."""
        out = {f"mAP {g}": value for g, value in group_means(self.ap_of_joints()).items()}
        out |= {f"MOTA {g}": value for g, value in self.mota_of_groups().items()}
        motp = _mean(evaluation.motp(self.totals()))
        return out | {"MOTP": motp, "Prec": self.precision(), "Rec": self.recall()}


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values))
