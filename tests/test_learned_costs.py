"""Crop features, the LSTM cost and weighted sums against oracles, hand examples and each other; bad input."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from torchvision.models import resnet18

from helpers import WorkbookError, puppets, training, weights, worlds
from helpers.detections.filters import keep_confident
from helpers.detections.simulated import simulate_detections
from helpers.experiments import cost_criteria
from helpers.experiments.runs import Runs
from helpers.nets import track_lstm
from helpers.nets.resnet import Body, BodyConfig
from helpers.nets.track_lstm import LstmConfig, TrackLstm
from helpers.people import nobody, people
from helpers.skeleton import INDEX
from helpers.tracking import appearance, costs, track
from helpers.tracking.appearance import AppearanceCost, CropEncoder, cosine_distance
from helpers.tracking.costs import pck_cost_of_paper, weighted
from helpers.tracking.frame_to_frame import ConstantVelocity, FrameToFrame
from helpers.tracking.lstm import LstmTracker

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def body():
    torch.manual_seed(0)
    return Body(BodyConfig(18, width=8, stages=3)).eval()


@pytest.fixture(scope="module")
def clip():
    video = worlds.load("puppets", "val", n=1, labelled="all")[0]
    found = keep_confident(simulate_detections(video, 0), 0.95, 0.5)
    return video, found[found.frame < 12]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return TrackLstm(LstmConfig()).eval()


# --- appearance -----------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 9), st.integers(0, 99))
def test_cosine_distance_is_scipys(n, m, d, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 3, (n, d)), rng.normal(0, 3, (m, d))
    assert np.allclose(cosine_distance(a, b), cdist(a, b, "cosine"))
    assert np.allclose(cosine_distance(7 * a, b), cosine_distance(a, b))


def test_cosine_distance_by_hand():
    a = np.array([[1.0, 0], [0, 0]])
    assert np.allclose(cosine_distance(a, np.array([[3.0, 4], [-2, 0]])), [[0.4, 2], [1, 1]])


def test_a_crop_of_its_own_size_is_the_image():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    flat = np.full((40, 50, 3), 51, np.uint8)
    assert np.allclose(appearance.crops(flat, [[3, 5, 30, 33]], (8, 4)), 0.2)
    step = np.zeros_like(image)
    step[:, 25:] = 255
    crop = appearance.crops(step, [[15, 0, 35, 40]], (4, 4))[0, 0]
    assert (crop[:, 0] == 0).all() and (crop[:, 3] == 1).all()


def test_one_batch_a_frame_is_the_same_as_one_crop_at_a_time(body, clip):
    video, found = clip
    here = found.at(5)
    encoder = CropEncoder(body)
    together = encoder(video.frames[5], here.box)
    for name, channels, cells in (("layer1", 8, 16 * 8), ("layer2", 16, 8 * 4), ("layer3", 32, 4 * 2)):
        assert together[name].shape == (len(here), channels * cells)
        alone = np.concatenate([encoder(video.frames[5], here.box[[i]])[name] for i in range(len(here))])
        assert np.allclose(alone, together[name], atol=1e-4)


def test_the_stages_are_the_bodys_own(body, clip):
    video, found = clip
    boxes = found.at(3).box
    x = appearance.crops(video.frames[3], boxes)
    x = (x - torch.tensor(appearance.MEAN)[:, None, None]) / torch.tensor(appearance.SPREAD)[:, None, None]
    with torch.inference_mode():
        maps = body(x)
    got = CropEncoder(body)(video.frames[3], boxes)
    for stage, name in enumerate(appearance.LAYERS):
        assert np.allclose(got[name], maps[str(stage)].flatten(1), atol=1e-5)


def test_torchvisions_body_gives_what_the_paper_says():
    """DT: 224 × 224, layer3, 256 × 14 × 14 = 50,176 numbers."""
    encoder = CropEncoder(resnet18(), ["layer3"], (224, 224))
    assert encoder(np.zeros((100, 60, 3), np.uint8), np.array([[0, 0, 60.0, 100]]))["layer3"].shape == (1, 50_176)


def test_boxes_without_area_outside_and_nan(body):
    image = np.full((50, 60, 3), 90, np.uint8)
    boxes = np.array([[10, 10, 10, 10.0], [-90, -90, -50, -50], [np.nan] * 4, [5, 5, 30, 40]])
    got = CropEncoder(body)(image, boxes)["layer3"]
    assert np.isfinite(got).all() and not got[2].any() and got[3].any()
    assert np.allclose(cosine_distance(got, got)[2], 1)


def test_unknown_layers_and_people_are_refused(body, clip):
    _, found = clip
    with pytest.raises(WorkbookError, match="layer4"):
        CropEncoder(body, ["layer4"])
    with pytest.raises(WorkbookError, match="frame 1 .*never computed"):
        cost = AppearanceCost()
        cost.learn(found.at(0), np.ones((len(found.at(0)), 3)))
        cost(found.at(0), found.at(1))


def test_weights_that_cannot_be_had_are_one_sentence(monkeypatch, capsys):
    def offline(**_):
        raise OSError("no route")

    monkeypatch.setattr(appearance, "resnet18", offline)
    with pytest.raises(WorkbookError, match="ResNet-18 trained on ImageNet: cannot be fetched"):
        appearance.imagenet_body()
    assert capsys.readouterr().err == ""


# --- PCK of the paper -------------------------------------------------------------------------------


def one_person(shift=0.0, drop=()):
    xy = np.tile(np.arange(15.0)[:, None] * 10, (1, 2))
    xy[INDEX["head_bottom"]], xy[INDEX["head_top"]] = (0, 0), (0, 20)  # 20 px tall: head size 12 px
    present = np.ones(15, bool)
    present[list(drop)] = False
    return people(frame=[0], xy=xy[None] + [shift, 0], present=present[None], box=[[0, 0, 100, 140]])


def test_pck_of_the_paper_by_hand():
    a = one_person()
    assert pck_cost_of_paper(a, one_person(5.9)) == [[0]] and pck_cost_of_paper(a, one_person(6.1)) == [[1]]
    assert costs.pck_cost(a, one_person(10.4)) == [[0]]  # the code: (20 + 1) / 2 = 10.5 px
    # Joints that the second lacks do not count in the paper, and count as wrong in the code.
    assert pck_cost_of_paper(a, one_person(1, drop=[0, 1, 2])) == [[0]]
    assert np.isclose(costs.pck_cost(a, one_person(1, drop=[0, 1, 2])), 3 / 15)
    assert pck_cost_of_paper(a, one_person(drop=range(15))) == [[1]]


def test_without_a_head_a_person_is_seven_heads_tall():
    headless = one_person(drop=[INDEX["head_top"]])  # 140 px: head 20 px, size 12 px
    assert pck_cost_of_paper(headless, one_person(5.9)) == [[0]]
    assert pck_cost_of_paper(headless, one_person(6.1)) == [[1]]


# --- weighted sums ----------------------------------------------------------------------------------


def boxes(*xs, frame=0):
    return people(frame=np.full(len(xs), frame), box=[[x, 0, x + 10, 20] for x in xs])


def test_a_weighted_sum_is_the_sum(clip):
    _, found = clip
    a, b = found.at(2), found.at(3)
    named = {"box": costs.box_cost, "pck": costs.pck_cost}
    assert np.allclose(
        weighted(named, {"box": 2, "pck": 0.5})(a, b), 2 * costs.box_cost(a, b) + 0.5 * costs.pck_cost(a, b)
    )
    assert np.array_equal(weighted(named, {"box": 1, "pck": 0})(a, b), costs.box_cost(a, b))


def test_a_cost_of_weight_nothing_is_not_computed():
    def fail(a, b):
        raise AssertionError("computed")

    assert weighted({"box": costs.box_cost, "dear": fail}, {"box": 1, "dear": 0})(boxes(0), boxes(1)).shape == (1, 1)


def test_a_cost_that_is_no_number_is_refused_with_frame_and_pair():
    def broken(a, b):
        out = np.zeros((len(a), len(b)))
        out[1, 2] = np.nan
        return out

    with pytest.raises(WorkbookError, match=r"'broken': frame 7, pair \(1, 2\) is not a number"):
        weighted({"broken": broken}, {"broken": 1})(boxes(0, 1, frame=6), boxes(0, 1, 2, frame=7))


@pytest.mark.parametrize("bad", [{"boxes": 1}, {"box": -1}, {"box": float("nan")}])
def test_bad_weights_are_refused(bad):
    with pytest.raises(WorkbookError, match="no cost with a weight"):
        weighted({"box": costs.box_cost}, bad)


# --- constant velocity ------------------------------------------------------------------------------


def test_constant_velocity_follows_where_overlap_is_lost():
    """Two people who run past each other, 14 px a frame with boxes 10 px wide, once they have a velocity."""
    at = [(0, 50), (3, 47), (10, 40), (22, 28), (36, 14)]
    runs = [people(frame=np.full(2, t), box=[[x, 0, x + 10, 20] for x in xs]) for t, xs in enumerate(at)]
    steady, moving = FrameToFrame(), ConstantVelocity()

    def follow(tracker):
        return [tracker.step(p).tolist() for p in runs]

    assert follow(moving) == [[0, 1]] * 5
    assert follow(steady)[-1] == [1, 0]


def test_constant_velocity_with_empty_frames():
    tracker = ConstantVelocity()
    assert [tracker.step(p).tolist() for p in (nobody(), boxes(0), nobody(), boxes(0, 5))] == [[], [0], [], [1, 2]]


# --- LSTM -------------------------------------------------------------------------------------------


def step_by_hand(cell, x, h, c):
    """torch.nn.LSTM's documented equations for one layer: weights of (input, forget, cell, output) stacked."""
    w_i, w_h, b_i, b_h = cell
    i, f, g, o = np.split(w_i @ x + b_i + w_h @ h + b_h, 4)

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def test_the_network_is_its_equations(model):
    rng = np.random.default_rng(0)
    seen = rng.random((3, 4)).astype(np.float32)
    with torch.inference_mode():
        logits, (h, c) = model(torch.from_numpy(seen)[:, None])

    def value(name):
        return getattr(model.lstm, name).detach().double().numpy()

    layers = [[value(f"{part}_l{k}") for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")] for k in (0, 1)]
    state = [(np.zeros(200), np.zeros(200)) for _ in layers]
    for x in seen:
        x = np.maximum(0, model.embed.weight.detach().numpy() @ x + model.embed.bias.detach().numpy())
        for k, cell in enumerate(layers):
            state[k] = step_by_hand(cell, x, *state[k])
            x = state[k][0]
    assert np.allclose([s[0] for s in state], h[:, 0], atol=1e-5) and np.allclose(
        [s[1] for s in state], c[:, 0], atol=1e-5
    )
    last = model.matched.weight.detach().numpy() @ x + model.matched.bias.detach().numpy()
    assert np.allclose(last, logits[-1], atol=1e-5)


def test_the_paper_sizes():
    net = TrackLstm(LstmConfig())
    assert (net.embed.out_features, net.lstm.hidden_size, net.lstm.num_layers, net.lstm.dropout) == (200, 200, 2, 0.2)
    assert sum(p.numel() for p in net.parameters()) == 5 * 200 + 2 * (4 * 200 * 400 + 8 * 200) + 201


def test_all_pairs_at_once_are_the_pairs_one_by_one(model):
    seen = torch.rand(4, 3, 4)
    with torch.inference_mode():
        _, state = model(seen[:3])
        logits, after = model.compare(state, seen[3])
        for i in range(3):
            for j in range(3):
                one = tuple(s[:, [i]].contiguous() for s in state)
                logit, then = model(seen[3:, [j]], one)
                assert torch.allclose(logit[0, 0], logits[i, j], atol=1e-5)
                assert torch.allclose(then[0][:, 0], after[0][:, i, j], atol=1e-5)


def test_a_tracks_state_is_that_of_its_boxes_alone(model):
    """However people were shuffled and whoever came and went, a track's state is its own history's."""
    rng = np.random.default_rng(1)
    tracker, history = LstmTracker(model, (100, 100)), {}
    for t in range(6):
        here = boxes(*rng.uniform(0, 80, int(rng.integers(1, 5))), frame=t)
        ids = tracker.step(here)
        history = {i: history.get(i, []) + [box / 100] for i, box in zip(ids.tolist(), here.box, strict=True)}
        for k, i in enumerate(ids.tolist()):
            with torch.inference_mode():
                _, (h, c) = model(torch.tensor(np.array(history[i]), dtype=torch.float32)[:, None])
            assert torch.allclose(tracker._state[0][:, k], h[:, 0], atol=1e-5)
            assert torch.allclose(tracker._state[1][:, k], c[:, 0], atol=1e-5)
    assert len(tracker._ids) == tracker._state[0].shape[1] == len(here)  # bounded by the frame


def test_lstm_tracker_with_empty_frames_and_a_crowd(model):
    tracker = LstmTracker(model, (1000, 20))
    assert [tracker.step(p).tolist() for p in (nobody(), boxes(0), nobody(), boxes(0, 5))] == [[], [0], [], [1, 2]]
    crowd = boxes(*np.linspace(0, 900, 40))
    assert sorted(tracker.step(crowd)) == sorted({*tracker.step(crowd)})


def test_ids_are_unique_and_never_reused(model, clip):
    video, found = clip
    done = track(found, LstmTracker(model, video.size), len(video))
    for t in range(12):
        assert len(set(done.at(t).track)) == len(done.at(t))
    last = {i: done.frame[done.track == i] for i in set(done.track)}
    assert all(np.ptp(f) == len(f) - 1 for f in last.values()), "a deleted track came back"


def test_what_the_network_sees():
    p = people(frame=[0, 0], xy=np.full((2, 15, 2), 50.0), box=[[10, 20, 30, 40], [np.nan] * 4])
    p = p.replace(present=np.array([[True] * 14 + [False], [False] * 15]))
    assert np.allclose(track_lstm.inputs_of(p, (100, 200), "box"), [[0.1, 0.1, 0.3, 0.2], [0] * 4])
    joints = track_lstm.inputs_of(p, (100, 200), "joints")
    assert joints.shape == (2, 49) and np.allclose(joints[0, 4:7], [0.5, 0.25, 1]) and not joints[0, -3:].any()
    with pytest.raises(WorkbookError, match="size is needed"):
        track_lstm.inputs_of(p, (0, 0), "box")
    with pytest.raises(WorkbookError, match="'image' are unknown"):
        LstmConfig("image")


@pytest.fixture(scope="module")
def questions():
    return track_lstm.Questions(puppets.videos("train", n=3, render=False), "box")


def test_questions_have_one_right_answer_that_is_the_next_box(questions):
    videos = puppets.videos("train", n=3, render=False)
    for step in range(20):
        tracks, candidates, same = (x.numpy() for x in questions.batch(20, step, 0))
        assert (np.nansum(same, 0) == 1).all() and len(tracks) <= track_lstm.LONGEST
        right = candidates[np.nanargmax(same, 0), np.arange(20)]
        for b in range(20):
            found = False
            for v in videos:
                scale = np.tile(v.size, 2)
                last = np.flatnonzero(np.isclose(v.people.box / scale, tracks[-1, b], atol=1e-6).all(1))
                for k in last:
                    after = v.people[(v.people.frame == v.people.frame[k] + 1) & (v.people.track == v.people.track[k])]
                    found |= len(after) == 1 and np.allclose(after.box / scale, right[b], atol=1e-6)
            assert found
    assert all(
        np.array_equal(a, b, equal_nan=True)
        for a, b in zip(questions.batch(5, 3, 1), questions.batch(5, 3, 1), strict=True)
    )


def test_the_loss_is_the_mean_cross_entropy_of_those_who_are_there(model):
    tracks, candidates = torch.rand(3, 2, 4), torch.rand(4, 2, 4)
    same = torch.tensor([[1, 0], [0, 1], [0, float("nan")], [float("nan"), float("nan")]])
    with torch.inference_mode():
        got = float(track_lstm.loss(model, tracks, candidates, same))
        each = []
        for k, b in np.argwhere(np.isfinite(same.numpy())):
            logits, _ = model(torch.cat([tracks[:, [b]], candidates[[k]][:, [b]]]))
            p = torch.sigmoid(logits[-1, 0])
            each.append(-torch.log(p if same[k, b] else 1 - p))
    assert np.isclose(got, float(torch.stack(each).mean()), atol=1e-5)


def test_a_short_training_learns_and_is_kept(tmp_path):
    plan = training.stage_one(3)["lstm-box"]
    plan = replace(plan, label="short", recipe=replace(plan.recipe, data=training.Span("train", 0, 3), steps=60))
    first = training.obtain(plan, data=tmp_path)
    facts = weights.metadata(training.weight_file(plan, tmp_path))
    curve = [row["loss"] for row in json.loads(facts["log"])]
    assert facts["seed"] == "3" and "train" in facts["data"] and np.mean(curve[-9:]) < 0.8 * np.mean(curve[:9])
    again = training.load(plan, tmp_path)
    assert all(
        torch.allclose(a, b, atol=1e-3)
        for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_the_shipped_networks_answer_questions_about_videos_they_never_saw():
    held_out = track_lstm.Questions(puppets.videos("val", n=6, render=False, labelled="all"), "box")
    right = []
    for seed in range(2):
        net = training.obtain(training.stage_one(seed)["lstm-box"])
        for step in range(5):
            tracks, candidates, same = held_out.batch(40, step, 9)
            with torch.inference_mode():
                _, state = net(tracks)
                k, b = same.shape
                logits, _ = net(candidates.reshape(1, k * b, -1), tuple(s.repeat(1, k, 1) for s in state))
            best = logits.reshape(k, b).masked_fill(same.isnan(), -1e9).argmax(0)
            right.append((same[best, torch.arange(b)] == 1).float().mean())
    assert np.mean(right) > 0.85


# --- measuring --------------------------------------------------------------------------------------


def test_runs_agree_with_the_evaluator(clip):
    from helpers.evaluation import evaluate

    video, found = clip
    tracked = track(found, FrameToFrame(), len(video))
    ours, theirs = Runs([video], [[tracked]]), evaluate([video], [tracked])
    assert np.isclose(ours.mota(), theirs.total("MOTA"))
    assert np.allclose(cost_criteria.of_detections(ours), [theirs.total(n) for n in ("MOTP", "precision", "recall")])
    assert np.isclose(ours.mot_row()["MOTA Total"], ours.mota())
    assert ours.counts.switches.sum() == theirs.total("switches")
    twice = Runs([video, video], [[tracked] * 2] * 3)
    assert np.isclose(twice.mota(np.array([2, 0]), np.array([0, 3, 0])), ours.mota())
    assert np.allclose(twice.by_video(), ours.mota())
    fewer = tracked[::2]
    both = Runs([video], [[tracked], [fewer]])  # runs are averaged, not pooled, where detections are compared
    each = [cost_criteria.of_detections(Runs([video], [[p]])) for p in (tracked, fewer)]
    assert np.allclose(cost_criteria.of_detections(both), np.mean(each, 0))


class Level:
    """A way to link whose MOTA is given per seed, the same for every video."""

    def __init__(self, *levels):
        self.levels = np.array(levels, float)
        self.shape = len(levels), 8
        self.motp, self.precision, self.recall = (
            lambda v=None, s=None, x=x: x + self.levels[0] / 1000 for x in (80, 70, 60)
        )

    def mota(self, v=None, s=None):
        videos = np.ones(8) if v is None else np.asarray(v)
        unlike = 1 + 1e-6 * videos @ np.arange(8) / videos.sum()  # no two videos are quite the same
        return float(unlike * np.average(self.levels, weights=s if s is not None and len(self.levels) > 1 else None))


@pytest.mark.parametrize(
    "levels, verdicts",
    [
        ((55.4, 55.3, 55.2, 54.2, 48.4), "holds holds holds holds"),  # DT-T3 as printed
        ((55.3, 55.4, 55.2, 55.0, 48.4), "holds holds holds holds"),  # another order of the hand-made costs
        ((55.4, 55.3, 53.4, 54.2, 48.4), "contradicted holds contradicted holds"),  # CNN 2 above box
        ((55.4, 55.7, 55.2, 54.2, 48.4), "holds holds holds contradicted"),  # the sum 0.3 above the best
        ((55.4, 55.3, 55.2, 54.2, 56.4), "holds holds contradicted holds"),  # the LSTM is best
    ],
)
def test_rules_of_the_claims_on_given_levels(levels, verdicts):
    linked = {name: Level(level) for name, level in zip(cost_criteria.ORDER, levels, strict=True)}
    claims = ("PT-C9", "PT-C10", "DT-C6", "DT-C7")
    got = [cost_criteria.result(c, linked, "puppets", "simulated", "cnn").verdict for c in claims]
    assert got == verdicts.split()


def test_training_runs_are_resampled_where_the_lstm_decides():
    linked = {name: Level(level) for name, level in zip(cost_criteria.ORDER, (55.4, 55.3, 55.2, 54.2), strict=False)}
    linked["lstm"] = Level(48, 60, 48)
    result = cost_criteria.result("DT-C6", linked, "puppets", "simulated")
    assert result.n_seeds == 3 and result.verdict == "undecided"
    *hand_made, learned = result.components
    assert all(np.allclose(c.interval, c.estimate) for c in hand_made) and learned.interval[0] < -5
