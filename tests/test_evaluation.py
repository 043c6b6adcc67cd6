"""The evaluator against its regression vectors, motmetrics, pycocotools and plain loops."""

import contextlib
import io
import subprocess
import sys

import motmetrics
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from helpers import WorkbookError
from helpers import evaluation as ev
from helpers.evaluation import ap, boxes, higher_order, mot, pairs
from helpers.people import Video, concatenate, nobody, people
from helpers.skeleton import JOINTS, OKS_SIGMAS

HEAD = 0.6 * np.hypot(40, 40)
OFFSETS = np.array([(100, 100), (600, 100), (100, 600), (600, 600), (1100, 100)], float)


def put_everywhere(monkeypatch, name, value):
    """Replace a name in every file of the evaluator that holds it; at least one does."""
    places = [m for m in (ev, ap, higher_order, mot, pairs) if hasattr(m, name)]
    for place in places:
        monkeypatch.setattr(place, name, value)
    assert places, name


# --- the toy of notebook 01, §7 ----------------------------------------------------------------


def toy():
    xy = np.tile(OFFSETS, (6, 1))[:, None] + np.stack([10 * np.arange(15), 7 * np.arange(15)], 1)
    return people(
        frame=np.repeat(np.arange(6), 5),
        xy=xy,
        track=np.tile(np.arange(1, 6), 6),
        head=np.full(30, HEAD),
        joint_score=np.full((30, 15), 0.9),
    )


def extra(score, at=5000.0):
    return people(
        frame=np.arange(6), xy=np.full((6, 15, 2), at), track=np.full(6, 50), joint_score=np.full((6, 15), score)
    )


def with_ids(p, change):
    track = p.track.copy()
    for old, new in change.items():
        track[(p.frame >= 4) & (p.track == old)] = new
    return p.replace(track=track)


def without_joints(p):
    present = p.present.copy()
    present[p.track == 1, :6] = False
    return p.replace(present=present)


DUMMY = people(
    frame=[3], xy=np.zeros((1, 15, 2)), present=[[True] + [False] * 14], track=[0], joint_score=np.full((1, 15), -100.0)
)
COPY = toy()[toy().track == 1].replace(track=np.full(6, 60), joint_score=np.full((6, 15), 0.8))
VECTORS = {  # case: (truth, predictions, AP, MOTA, precision, recall)
    "A identical": (toy(), toy(), 100, 100, 100, 100),
    "B empty frame": (toy(), toy()[toy().frame != 3], 83.333, 90.476, 95.238, 95.238),
    "C dummy frame": (toy(), concatenate([toy()[toy().frame != 3], DUMMY]), 83.333, 79.733, 99.683, 80.000),
    "D empty last frame": (toy(), toy()[toy().frame != 5], 83.333, 100, 100, 100),
    "E shifted": (toy(), toy().replace(xy=toy().xy + [8, 0]), 100, 100, 100, 100),
    "F swapped ids": (toy(), with_ids(toy(), {1: 2, 2: 1}), 100, 92, 100, 100),
    "G new id": (toy(), with_ids(toy(), {1: 77}), 100, 96, 100, 100),
    "H far person, low score": (toy(), concatenate([toy(), extra(0.1)]), 100, 80, 83.333, 100),
    "I far person, high score": (toy(), concatenate([toy(), extra(0.99)]), 83.333, 80, 83.333, 100),
    "J person missing": (toy(), toy()[toy().track != 1], 80, 80, 100, 80),
    "K duplicate": (toy(), concatenate([toy(), COPY]), 100, 80, 83.333, 100),
    "L joints not annotated": (without_joints(toy()), toy(), 94.994, 90, 92, 100),
}


def video(p, n_frames=6, **more):
    return Video("toy", (0, 0), np.ones(n_frames, bool), p, **more)


@pytest.mark.parametrize("case", VECTORS)
def test_vector(case):
    truth, predicted, *expected = VECTORS[case]
    scores = ev.evaluate([video(truth)], [predicted], compat=True)
    assert [scores.total(m) for m in ("AP", "MOTA", "precision", "recall")] == pytest.approx(expected, abs=5e-4)


def test_vector_e_motp_is_doubled_only_in_compat_mode():
    truth, predicted, *_ = VECTORS["E shifted"]
    assert ev.evaluate([video(truth)], [predicted], True).total("MOTP") == pytest.approx(52.86, abs=5e-3)
    assert ev.evaluate([video(truth)], [predicted]).total("MOTP") == pytest.approx(100 * (1 - 8 / HEAD), abs=1e-9)


def test_honest_mode_counts_the_empty_and_the_last_frame():
    for case, recall in (("B empty frame", 100 * 5 / 6), ("D empty last frame", 100 * 5 / 6)):
        scores = ev.evaluate([video(VECTORS[case][0])], [VECTORS[case][1]])
        assert [scores.total("MOTA"), scores.total("recall"), scores.total("precision")] == pytest.approx(
            [recall, recall, 100]
        )


def test_honest_mode_charges_predictions_in_a_labelled_frame_without_people():
    truth, predicted = toy()[toy().frame != 2], toy()
    assert ev.evaluate([video(truth)], [predicted]).total("precision") == pytest.approx(100 * 5 / 6)
    assert ev.evaluate([video(truth)], [predicted], True).total("precision") == 100


# --- CLEAR-MOT against motmetrics --------------------------------------------------------------


def random_case(rng, n_frames=8, crowd=5, grid=None, repeated=False):
    """One video of close people; on an integer grid distances tie and touch the threshold."""

    def side(keep, track):
        n = n_frames * crowd
        xy = rng.uniform(0, 30, (n, 15, 2)) if grid is None else rng.integers(0, grid, (n, 15, 2)) * 5.0
        p = people(
            frame=np.repeat(np.arange(n_frames), crowd),
            xy=xy,
            present=rng.random((n, 15)) < 0.8,
            track=track,
            head=np.full(n, 20.0),
            joint_score=rng.random((n, 15)).round(1),
            score=rng.random(n).round(1),
        )
        p = p[(rng.random(n) < keep) & (rng.random(n_frames) < 0.85)[p.frame]]
        return p.replace(box=rng.uniform(0, 20, (len(p), 1)) + np.array([0, 0, 25, 40.0]))

    ids = np.concatenate([rng.permutation(crowd + 2)[:crowd] for _ in range(n_frames)])
    if repeated:
        ids = rng.integers(0, 2, len(ids))
    return side(0.9, np.tile(np.arange(crowd), n_frames)), side(0.8, ids)


def motmetrics_counts(truth, predicted, frames, dummy=None):
    """The same counts from motmetrics, joint by joint; `dummy` frames get the toolkit's stand-in."""
    handler, out = motmetrics.metrics.create(), np.zeros((6, 15))
    names = ["num_objects", "num_misses", "num_false_positives", "num_switches", "num_detections"]
    for j in range(15):
        accumulator = motmetrics.MOTAccumulator(auto_id=True)
        for t in frames:
            g, p = truth.at(t), predicted.at(t)
            if dummy is not None and (len(g) == 0 or len(p) == 0):
                accumulator.update([0], [0], [[np.nan]])
                continue
            g, p = g[g.present[:, j]], p[p.present[:, j]]
            d = np.linalg.norm(g.xy[:, None, j] - p.xy[None, :, j], axis=-1) / g.head[:, None]
            accumulator.update(g.track, p.track, np.where(d <= 0.5, d, np.nan))
        summary = handler.compute(accumulator, metrics=names, return_dataframe=False)
        events = (
            accumulator.events
            if dummy is not None
            else accumulator.mot_events[accumulator.mot_events.Type.isin(["MATCH", "SWITCH"])]
        )
        out[:, j] = [summary[n] for n in names] + [events["D"].sum()]
    return out


def as_rows(counts):
    return np.stack(
        [counts.objects, counts.misses, counts.false_positives, counts.switches, counts.matches, counts.distance]
    )[:, 0]


@pytest.mark.parametrize("grid, repeated", [(None, False), (3, False), (5, False), (4, True)])
def test_clear_mot_equals_motmetrics(grid, repeated):
    rng = np.random.default_rng(1)
    for _ in range(12):
        truth, predicted = random_case(rng, grid=grid, repeated=repeated)
        ours = as_rows(ev.clear_mot([video(truth, 8)], [predicted]))
        np.testing.assert_allclose(ours, motmetrics_counts(truth, predicted, range(8)), atol=1e-9)


@pytest.mark.parametrize("grid", [None, 3])
def test_compat_counts_equal_motmetrics_with_the_toolkits_frames(grid):
    rng = np.random.default_rng(2)
    for _ in range(8):
        truth, predicted = random_case(rng, grid=grid)
        frames = np.unique(truth.frame)[:-1]
        ours = as_rows(ev.clear_mot([video(truth, 8)], [predicted], compat=True))
        np.testing.assert_allclose(ours, motmetrics_counts(truth, predicted, frames, dummy=True), atol=1e-9)


def test_videos_do_not_influence_one_another():
    rng = np.random.default_rng(3)
    cases = [random_case(rng, n_frames=n) for n in (3, 8, 1, 6)]
    videos = [video(t, n) for (t, _), n in zip(cases, (3, 8, 1, 6), strict=True)]
    together = ev.clear_mot(videos, [p for _, p in cases])
    for i, (v, (_, p)) in enumerate(zip(videos, cases, strict=True)):
        alone = ev.clear_mot([v], [p])
        for f in ("objects", "misses", "false_positives", "switches", "matches", "distance"):
            np.testing.assert_allclose(getattr(together, f)[i], getattr(alone, f)[0], atol=1e-9)


def test_nothing_at_all():
    scores = ev.evaluate([video(nobody())], [nobody()])
    assert np.isnan(scores.mota).all() and (scores.motp == 0).all() and scores.total("switches") == 0


def test_one_person_frame_and_zero_head_size():
    one = toy()[:1]
    assert ev.evaluate([video(one, 1)], [one]).total("MOTA") == 100
    assert ev.evaluate([video(one.replace(head=[0.0]), 1)], [one]).total("recall") == 0


# --- AP against plain loops ----------------------------------------------------------------------


def loop_matches(g, p):
    """One frame: prediction → its person, and which joints (predictions, people, 15) are close."""
    close, taken = np.zeros((len(p), len(g), 15), bool), {}
    for a, b in np.ndindex(len(p), len(g)):
        d = np.linalg.norm(p.xy[a] - g.xy[b], axis=1) / g.head[b]
        close[a, b] = (d <= 0.5) & p.present[a] & g.present[b]
    pck = close.sum(2) / np.maximum(1, g.present.sum(1))
    for a in range(len(p) if len(g) else 0):
        best = int(np.argmax(pck[a]))
        pck[a, [b for b in range(len(g)) if b != best]] = 0
    for b in range(len(g) if len(p) else 0):
        if pck[:, b].max() > 0:
            taken[int(np.argmax(pck[:, b]))] = b
    return taken, close


def loop_ap(truth, predicted, frames, j, tied_together):
    """The toolkit's AP word by word, one frame and one person at a time."""
    samples, positives = [], 0
    for t in frames:
        g, p = truth.at(t), predicted.at(t)
        positives += int(g.present[:, j].sum())
        taken, close = loop_matches(g, p)
        for a in np.flatnonzero(p.present[:, j]):
            samples.append((p.joint_score[a, j], a in taken and close[a, taken[a], j]))
    scores, labels = np.array(samples, float).T
    order = np.argsort(scores)[::-1]
    scores, labels = scores[order], labels[order]
    hits, n = np.cumsum(labels), np.arange(1, len(labels) + 1)
    if tied_together:
        last = np.r_[scores[1:] != scores[:-1], True]
        hits, n = hits[last], n[last]
    recall, precision = hits / positives, hits / n
    return 100 * sum((recall[i] - (recall[i - 1] if i else 0)) * precision[i:].max() for i in range(len(recall)))


@pytest.mark.parametrize("compat", [False, True])
def test_ap_equals_plain_loops(compat):
    rng = np.random.default_rng(4)
    for grid in (None, 3):
        truth, predicted = random_case(rng, grid=grid)
        frames = np.unique(truth.frame) if compat else range(8)
        ours = ev.average_precision(ev.ap_samples(ev.pair_up([video(truth, 8)], [predicted], compat)))
        theirs = [loop_ap(truth, predicted, frames, j, not compat) for j in range(15)]
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_weights_are_repeated_videos():
    rng = np.random.default_rng(5)
    cases = [random_case(rng) for _ in range(3)]
    videos, predicted, weights = [video(t, 8) for t, _ in cases], [p for _, p in cases], np.array([2, 0, 3])
    index = np.repeat(np.arange(3), weights)
    whole, chosen = ev.pair_up(videos, predicted), ev.pair_up([videos[i] for i in index], [predicted[i] for i in index])
    np.testing.assert_allclose(
        ev.average_precision(ev.ap_samples(whole), weights), ev.average_precision(ev.ap_samples(chosen)), atol=1e-9
    )
    np.testing.assert_allclose(
        ev.mota(ev.clear_mot(whole).sum(weights)), ev.mota(ev.clear_mot(chosen).sum()), atol=1e-9
    )


# --- OKS-AP against pycocotools -------------------------------------------------------------------


def coco_ap(truth, predicted, n_frames):
    annotations = [
        dict(
            id=i + 1,
            image_id=int(truth.frame[i]) + 1,
            category_id=1,
            iscrowd=0,
            area=float((truth.box[i, 2] - truth.box[i, 0]) * (truth.box[i, 3] - truth.box[i, 1])),
            bbox=[*truth.box[i, :2], *(truth.box[i, 2:] - truth.box[i, :2])],
            keypoints=np.column_stack([truth.xy[i], 2 * truth.present[i]]).ravel().tolist(),
            num_keypoints=int(truth.present[i].sum()),
        )
        for i in range(len(truth))
    ]
    results = [
        dict(
            image_id=int(predicted.frame[i]) + 1,
            category_id=1,
            score=float(predicted.score[i]),
            keypoints=np.column_stack([predicted.xy[i], np.ones(15)]).ravel().tolist(),
        )
        for i in range(len(predicted))
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = dict(
            images=[dict(id=t + 1) for t in range(n_frames)],
            annotations=annotations,
            categories=[dict(id=1, name="person")],
        )
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(results), "keypoints")
        run.params.kpt_oks_sigmas = OKS_SIGMAS
        run.evaluate(), run.accumulate()
    ap = run.eval["precision"][:, :, 0, 0, 0]
    return np.where(ap > -1, ap, np.nan).mean(1)


@pytest.mark.parametrize("seed", range(10))
def test_oks_ap_equals_pycocotools(seed):
    rng = np.random.default_rng(seed)
    truth, predicted = random_case(rng, crowd=6 if seed % 2 else 1, grid=None if seed < 5 else 4)
    if seed % 3 == 0:  # people without an annotated joint, copies with tied scores
        truth = truth.replace(present=truth.present & (rng.random(len(truth)) < 0.7)[:, None])
        predicted = concatenate([predicted, truth.replace(score=np.full(len(truth), 0.5))])
    else:
        near = truth.xy + rng.normal(0, 2, truth.xy.shape)
        predicted = concatenate([predicted, truth.replace(xy=near, score=rng.random(len(truth)).round(1))])
    np.testing.assert_allclose(ev.oks_ap([video(truth, 8)], [predicted]), coco_ap(truth, predicted, 8), atol=1e-9)


# --- HOTA ------------------------------------------------------------------------------------------


def test_hota_hand_values():
    truth = toy()[toy().frame < 5]
    v = [video(truth, 5)]
    shifted = ev.hota(v, [truth.replace(xy=truth.xy + [0.25 * HEAD, 0])])
    # Similarity 1 − .25/.5001 = .5001 reaches alpha up to .50: 10 of the 19 thresholds.
    assert shifted.hota.mean() == pytest.approx(10 / 19) and shifted.localisation[9].mean() == pytest.approx(
        0.5001, abs=1e-4
    )
    later = truth.replace(track=np.where(truth.frame >= 2, truth.track + 50, truth.track))
    new_ids = ev.hota(v, [later])
    # 2 matches cover 2/5 of the joint length, 3 cover 3/5: AssA = (2·.4 + 3·.6)/5.
    assert new_ids.association.mean() == pytest.approx(0.52) and new_ids.hota.mean() == pytest.approx(np.sqrt(0.52))


def test_hota_empty_frame_is_plain_in_honest_mode_and_the_whole_video_in_compat_mode():
    truth = toy()[toy().frame < 5]
    predicted = truth[truth.frame != 3]
    assert ev.hota([video(truth, 5)], [predicted]).detection.mean() == pytest.approx(0.8)
    assert ev.hota([video(truth, 5)], [predicted], compat=True).detection.mean() == pytest.approx(4 / 9)


def test_hota_compat_video_without_predictions_counts_once():
    truth = toy()
    scores = ev.hota([video(truth), video(truth)], [truth, nobody()], compat=True)
    assert scores.detection.mean() == pytest.approx(0.5)


def test_hota_compat_frame_empty_on_both_sides_charges_the_predictions():
    there = toy()[toy().frame != 2]
    scores = ev.hota([video(there)], [there], compat=True)  # 5 of 6 frames match, a whole video more of FP
    assert scores.detection.mean() == pytest.approx(5 / 10)


def loop_hota(truth, predicted, n_frames, j):
    from scipy.optimize import linear_sum_assignment

    out = []
    for alpha in ev.HOTA_ALPHAS:
        matched, tp = {}, 0
        g_len = {i: int((truth.present[:, j] & (truth.track == i)).sum()) for i in set(truth.track)}
        p_len = {i: int((predicted.present[:, j] & (predicted.track == i)).sum()) for i in set(predicted.track)}
        for t in range(n_frames):
            g, p = truth.at(t), predicted.at(t)
            g, p = g[g.present[:, j]], p[p.present[:, j]]
            s = np.maximum(
                0, 1 - np.linalg.norm(g.xy[:, None, j] - p.xy[None, :, j], axis=-1) / g.head[:, None] / 0.5001
            )
            for r, c in zip(*linear_sum_assignment(-s), strict=True):
                if s[r, c] >= alpha - 1e-12:
                    key = (g.track[r], p.track[c])
                    matched[key], tp = matched.get(key, 0) + 1, tp + 1
        n_g, n_p = truth.present[:, j].sum(), predicted.present[:, j].sum()
        association = sum(m * m / (g_len[a] + p_len[b] - m) for (a, b), m in matched.items()) / max(1, tp)
        out.append(np.sqrt(tp / max(1, n_g + n_p - tp) * association))
    return 100 * np.mean(out)


def test_hota_equals_plain_loops():
    rng = np.random.default_rng(6)
    for _ in range(3):
        truth, predicted = random_case(rng)
        ours = ev.hota([video(truth, 8)], [predicted]).per_joint()
        np.testing.assert_allclose(ours, [loop_hota(truth, predicted, 8, j) for j in range(15)], atol=1e-9)


# --- cleaning, errors, power ------------------------------------------------------------------------


def test_ignore_regions_remove_joints_strictly_inside_on_both_sides():
    region = np.array([(80, 80), (300, 80), (300, 300), (80, 300)], float)  # the whole first person
    v = video(toy(), ignore=[[region]] * 6)
    scores = ev.evaluate([v], [concatenate([toy(), extra(0.9, at=200.0)])])
    assert scores.total("MOTA") == 100 and scores.counts.objects.sum() == 4 * 6 * 15


def test_compat_a_frame_that_ignore_regions_empty_becomes_a_dummy():
    everything = np.array([(-10, -10), (2000, -10), (2000, 2000), (-10, 2000)], float)
    v = video(toy(), ignore=[[], [], [everything], [], [], []])
    scores = ev.evaluate([v], [toy()], compat=True)  # 4 frames of 5 people and one dummy object
    assert scores.total("MOTA") == pytest.approx(100 * (1 - 2 / 21)) and scores.total("AP") == 100
    assert ev.evaluate([v], [toy()]).total("MOTA") == 100


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_strictly_inside_agrees_with_opencv(seed):
    import cv2

    rng = np.random.default_rng(seed)
    polygon = rng.integers(0, 20, (rng.integers(3, 8), 2)).astype(np.float32)
    hull = cv2.convexHull(polygon)[:, 0]
    points = rng.integers(-2, 22, (40, 2)).astype(float)
    expected = [cv2.pointPolygonTest(hull, p.astype(np.float32).tolist(), False) > 0 for p in points]
    if cv2.contourArea(hull) > 0:
        assert ev.strictly_inside(points, hull).tolist() == expected


def test_errors_name_the_video_and_the_field():
    with pytest.raises(WorkbookError, match=r"toy: a frame of the (ground truth|predictions) lies"):
        ev.evaluate([video(toy(), 5)], [toy()])
    with pytest.raises(WorkbookError, match="head size"):
        ev.evaluate([video(toy().replace(head=np.full(30, np.nan)))], [toy()])
    with pytest.raises(WorkbookError, match="1 videos but predictions for 2"):
        ev.evaluate([video(toy())], [toy(), toy()])


def test_json_form():
    out = ev.evaluate([video(toy())], [toy()]).as_json()
    assert list(out) == ["AP", "MOTA", "MOTP", "precision", "recall", "switches", "HOTA"]
    assert set(out["AP"]["per_joint"]) == set(JOINTS) and out["switches"]["total"] == 0 and out["AP"]["total"] == 100


@pytest.mark.parametrize("name, value", [("PCKH_THRESHOLD", 0.6), ("HOTA_REACH", 1.0), ("MISSING_SCORE", 2.0)])
def test_power_a_wrong_constant_changes_the_result(name, value, monkeypatch):
    far = toy().replace(xy=toy().xy + [0.55 * HEAD, 0], joint_score=np.full((30, 15), 0.5))
    near = toy().replace(xy=toy().xy + [0.1 * HEAD, 0], track=toy().track + 50, joint_score=np.full((30, 15), np.nan))
    before = ev.evaluate([video(toy())], [concatenate([far, near])]).as_json()
    put_everywhere(monkeypatch, name, value)
    assert ev.evaluate([video(toy())], [concatenate([far, near])]).as_json() != before


def test_importing_the_evaluator_does_not_import_torch():
    code = "import sys, helpers.evaluation; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# --- order and boundaries ---------------------------------------------------------------------------


def test_people_of_a_frame_keep_the_order_of_the_file():
    """Many people, frames in any order: an unstable sort would exchange some."""
    rng = np.random.default_rng(0)
    sides = [people(frame=rng.integers(0, 5, n), track=np.arange(n), head=np.ones(n)) for n in (300, 200)]
    p = ev.pair_up([video(sides[0], 5)], [sides[1]])
    for side, people_there, frame in zip(
        sides, (p.truth, p.predicted), (p.truth_frame, p.predicted_frame), strict=True
    ):
        assert people_there.track.tolist() == [k for t in range(5) for k in range(len(side)) if side.frame[k] == t]
        assert frame.tolist() == people_there.frame.tolist()
    expected = [
        (a, b)
        for t in range(5)
        for a in np.flatnonzero(sides[1].frame == t)
        for b in np.flatnonzero(sides[0].frame == t)
    ]
    assert list(zip(p.predicted.track[p.predicted_row], p.truth.track[p.truth_row], strict=True)) == expected


def test_people_without_joints_stay_except_in_frames_with_a_region():
    """They need no head size either."""
    nothing = people(frame=[0, 1], present=np.zeros((2, 15), bool), track=[0, 0])
    region = np.array([(0, 0), (9, 0), (9, 9)], float)
    p = ev.pair_up([video(nothing, 2, ignore=[[], [region]])], [nothing])
    assert p.truth.frame.tolist() == p.predicted.frame.tolist() == [0]


def test_what_only_videos_without_weight_predict_is_never_predicted():
    samples = ev.ap_samples(ev.pair_up([video(toy())], [toy()]))
    assert (ev.average_precision(samples, [0]) == 0).all() and (ev.average_precision(samples, [1]) == 100).all()


def test_hota_compat_leaves_out_joints_on_the_image_s_edge():
    edge = people(frame=[0], xy=np.full((1, 15, 2), [0.0, 5.0]), track=[0], head=[9.0])
    inside = edge.replace(xy=edge.xy + [1e-9, 0])
    for p, compat, right in ((edge, False, 1), (edge, True, 0), (inside, True, 1)):
        assert ev.hota([video(p, 1)], [p], compat).detection.mean() == right


def test_a_joint_at_exactly_half_a_head_is_correct_in_every_metric():
    truth = people(frame=[0], xy=np.zeros((1, 15, 2)), track=[0], head=[16.0])
    for x, right in ((8.0, 100), (np.nextafter(8.0, 9), 0)):
        scores = ev.evaluate([video(truth, 1)], [truth.replace(xy=np.full((1, 15, 2), [x, 0.0]))])
        assert scores.total("AP") == scores.total("recall") == scores.total("precision") == right


@pytest.mark.parametrize("k", [0, 7, 9, 18])
def test_hota_reaches_a_threshold_from_just_above_it(k):
    truth = people(frame=[0], xy=np.zeros((1, 15, 2)), track=[0], head=[1.0])
    for more, reached in ((1e-9, k + 1), (-1e-9, k)):
        far = (1 - 0.05 * (k + 1) - more) * 0.5001
        got = ev.hota([video(truth, 1)], [truth.replace(xy=np.full((1, 15, 2), [far, 0.0]))])
        assert (got.detection.mean(1) == (np.arange(19) < reached)).all()


def test_the_first_of_equal_predictions_and_of_equal_people_takes_the_other():
    one = people(frame=[0], xy=np.zeros((1, 15, 2)), track=[0], head=[1.0])
    many = concatenate([one.replace(track=[k]) for k in range(40)])
    assigned = ap.assign_poses(ev.pair_up([video(one, 1)], [many]))
    assert assigned.tolist() == [0] + [-1] * 39
    assert ap.assign_poses(ev.pair_up([video(many, 1)], [one])).tolist() == [0]
    far = one.replace(xy=one.xy + 9)
    assert ap.assign_poses(ev.pair_up([video(one, 1)], [far])).tolist() == [-1]


@pytest.mark.parametrize("place", [0, 5, 19, 20, 29])
def test_of_tied_poses_the_first_twenty_of_a_frame_count(place):
    truth = people(frame=[0], xy=np.zeros((1, 15, 2)), track=[0], box=[[0, 0, 40, 40]])
    found = people(frame=np.zeros(30, int), xy=np.full((30, 15, 2), 500.0))
    xy = found.xy.copy()
    xy[place] = 0
    got = ev.oks_ap([video(truth, 1)], [found.replace(xy=xy)])
    np.testing.assert_allclose(got, coco_ap(truth, found.replace(xy=xy), 1))
    assert got == pytest.approx(1 / (place + 1) if place < 20 else 0)


def test_tied_poses_of_many_frames_are_ranked_in_file_order():
    truth = people(frame=np.arange(60), xy=np.zeros((60, 15, 2)), box=np.tile([0, 0, 40.0, 40], (60, 1)))
    found = truth.replace(xy=np.where(np.arange(60)[:, None, None] % 3 == 0, 500.0, truth.xy))
    np.testing.assert_allclose(ev.oks_ap([video(truth, 60)], [found]), coco_ap(truth, found, 60))


# --- boxes ------------------------------------------------------------------------------------------


def with_boxes(box, score=None, frame=None):
    n = len(box)
    score, frame = np.ones(n) if score is None else score, np.zeros(n, int) if frame is None else frame
    return people(frame=frame, box=np.array(box, float), score=score)


def test_a_box_must_overlap_by_more_than_the_threshold():
    truth, half = with_boxes([[0, 0, 10, 20]]), with_boxes([[0, 0, 10, 10]])
    for iou, right in ((0.49, True), (0.5, False)):
        assert boxes.box_samples([video(truth, 1)], [half], iou).hit.tolist() == [right]


def test_each_annotated_box_is_found_once_by_the_surest_the_first_of_equals():
    one = [0, 0, 10, 10]
    tied = boxes.box_samples([video(with_boxes([one]), 1)], [with_boxes([one] * 40)])
    assert tied.hit.tolist() == [True] + [False] * 39
    near, truth = [0, 0, 10, 9], with_boxes([one, [0, 0, 10, 8]])
    samples = boxes.box_samples([video(truth, 1)], [with_boxes([one, near, near], [0.1, 0.3, 0.2])], 0.5)
    assert samples.score.tolist() == [0.3, 0.2, 0.1] and samples.hit.tolist() == [True, True, False]
    ranked = boxes.box_samples([video(truth, 1)], [with_boxes([one] * 40, frame=np.arange(40) % 1)])
    assert ranked.hit.sum() == 2


def test_unlabelled_frames_and_boxes_without_an_area_do_not_count():
    truth = with_boxes([[0, 0, 10, 10], [5, 5, 5, 9], [0, 0, 10, 10]], frame=[0, 0, 1])
    labelled = Video("v", (0, 0), np.array([True, False]), truth)
    samples = boxes.box_samples([labelled], [with_boxes([[0, 0, 10, 10]] * 2, frame=[0, 1])])
    assert samples.annotated.tolist() == [1] and samples.hit.tolist() == [True] and samples.video.tolist() == [0]
    nothing = boxes.box_samples([labelled], [nobody()])
    assert boxes.box_average_precision(nothing) == 0 and boxes.precision_recall(nothing, 0.1)[1] == 0
    assert np.isnan(boxes.precision_recall(nothing, 0.1)[0])
    nobody_there = boxes.box_samples([Video("v", (0, 0), np.ones(1, bool), nobody())], [with_boxes([[0, 0, 1, 1]])])
    assert np.isnan(boxes.box_average_precision(nobody_there)) and np.isnan(boxes.precision_recall(nobody_there, 0)[1])


def test_precision_and_recall_take_scores_from_the_threshold_on_and_weights_repeat_videos():
    one, far = [0, 0, 10, 10], [50, 50, 60, 60]
    videos = [video(with_boxes([one, far]), 1), video(with_boxes([one]), 1), video(with_boxes([one]), 1)]
    found = [with_boxes([one, [20, 0, 30, 9]], [0.5, 0.25]), with_boxes([far], [0.75]), nobody()]
    samples = boxes.box_samples(videos, found)
    assert boxes.precision_recall(samples, 0.5) == (1 / 2, 1 / 4)
    assert boxes.precision_recall(samples, np.nextafter(0.5, 1)) == (0, 0)
    weights = [2, 1, 3]
    index = np.repeat(np.arange(3), weights)
    repeated = boxes.box_samples([videos[i] for i in index], [found[i] for i in index])
    for threshold in (0.1, 0.5):
        whole = boxes.precision_recall(samples, threshold, weights)
        assert whole == pytest.approx(boxes.precision_recall(repeated, threshold))
    # ranked: wrong at .75, right twice at .5, wrong twice at .25; 8 are annotated
    assert boxes.box_average_precision(samples, weights) == pytest.approx(2 / 8 * 2 / 3)
    assert boxes.box_average_precision(repeated) == pytest.approx(2 / 8 * 2 / 3)
