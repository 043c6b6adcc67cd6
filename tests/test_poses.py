"""What tells pose networks apart: AP of chosen videos and runs, joints by themselves, ways to decode, controls."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from helpers import WorkbookError, puppets
from helpers.evaluation.oks import ap_of_samples, oks_ap, oks_samples
from helpers.experiments import poses
from helpers.experiments.poses import PoseRuns
from helpers.nets import deconv_pose, top_down
from helpers.nets.resnet import BodyConfig
from helpers.people import Video, nobody, people
from helpers.skeleton import N_JOINTS, OKS_SIGMAS


@pytest.fixture(scope="module")
def videos():
    return [poses.thinned(v, 24) for v in puppets.videos("val", n=4, render=False)]


def shaken(videos, spread, seed=0, lost=0.0):
    """Joints off by so many per cent of the square root of their box's area; a share is lost far away."""
    rng, out = np.random.default_rng(seed), []
    for video in videos:
        p = top_down.usable(video)
        side = np.sqrt((p.box[:, 2:] - p.box[:, :2]).prod(1))[:, None, None]
        off = rng.normal(0, spread, p.xy.shape) * side
        off[rng.random(p.xy.shape[:2]) < lost] = 10_000
        score = rng.random(len(p))
        out.append(p.replace(xy=np.nan_to_num(p.xy) + off, present=np.ones(p.present.shape, bool), score=score))
    return out


def test_samples_of_all_videos_are_the_metric_and_a_video_left_out_is_one_not_given(videos):
    found = shaken(videos, 0.05)
    samples = oks_samples(videos, found)
    whole = oks_ap(videos, found)
    np.testing.assert_array_equal(ap_of_samples(samples), whole)
    assert 0.05 < whole.mean() < 0.95
    without = [ap_of_samples(samples, 1 - one) for one in np.eye(4)]
    for k, ap in enumerate(without):
        rest = [i for i in range(4) if i != k]
        np.testing.assert_allclose(ap, oks_ap([videos[i] for i in rest], [found[i] for i in rest]), atol=1e-12)


def test_a_video_that_counts_twice_is_there_twice(videos):
    found = shaken(videos, 0.05)
    twice = ap_of_samples(oks_samples(videos, found), [2, 1, 0, 1])
    order = [0, 0, 1, 3]
    given = oks_ap([videos[i] for i in order], [found[i] for i in order])
    assert np.abs(twice - given).max() < 0.02  # equal scores stand in another order
    assert np.isnan(ap_of_samples(oks_samples(videos, found), [0, 0, 0, 0])).all()


def test_two_people_by_hand():
    """One is exactly right, one wholly wrong; the surer one decides what precision is on the way."""
    xy = np.zeros((2, N_JOINTS, 2))
    truth = people(frame=[0, 0], box=[[0, 0, 10, 10], [50, 0, 60, 10]], xy=xy + [[[5, 5]], [[55, 5]]])
    video = Video("two", (90, 90), np.ones(1, bool), truth)
    wrong = truth.xy + np.array([[[0, 0]], [[0, 900]]])
    for scores, expected in (([0.9, 0.1], 51 / 101), ([0.1, 0.9], 51 / 101 / 2)):
        runs = PoseRuns([video], [[truth.replace(xy=wrong, score=scores)]])
        assert runs.by_threshold() == pytest.approx(np.full(10, 100 * expected))
    assert runs.nearness() == pytest.approx(np.full(N_JOINTS, 50))
    nothing = PoseRuns([video], [[nobody()]])
    assert nothing.ap() == 0 and nothing.nearness() == pytest.approx(np.zeros(N_JOINTS))


def test_nearness_is_the_term_of_the_metric_and_counts_annotated_joints_only():
    truth = people(frame=[0], box=[[0, 0, 20, 20]], xy=np.zeros((1, N_JOINTS, 2)))
    truth = truth.replace(present=np.arange(N_JOINTS)[None] < 3)
    video = Video("one", (90, 90), np.ones(1, bool), truth)
    xy = np.zeros((1, N_JOINTS, 2))
    xy[0, 1] = [3, 4]
    near = PoseRuns([video], [[truth.replace(xy=xy)]]).nearness()
    assert near[:3] == pytest.approx([100, 100 * np.exp(-25 / (2 * 400 * (2 * OKS_SIGMAS[1]) ** 2)), 100])
    assert np.isnan(near[3:]).all()


def test_everyone_is_judged_by_the_pose_of_the_very_box(videos):
    video = videos[0]
    mixed = shaken([video], 0.0)[0]
    mixed = mixed[np.random.default_rng(1).permutation(len(mixed))]
    truth, own = poses.matched(video, mixed)
    assert (np.diff(truth.frame) >= 0).all()
    np.testing.assert_allclose(own[truth.present], truth.xy[truth.present], atol=1e-9)
    first = video.people.frame[0]
    _, missing = poses.matched(video, mixed[mixed.frame != first])
    assert np.isnan(missing[truth.frame == first]).all() and np.isfinite(missing[truth.frame != first]).all()
    _, elsewhere = poses.matched(video, mixed.replace(box=mixed.box + 5_000))
    assert np.isnan(elsewhere).all(), "somebody in the frame is not yet in the box"


def test_runs_are_averaged_and_one_run_stands_for_all(videos):
    good, bad = shaken(videos, 0.02), shaken(videos, 0.08, 1)
    both = PoseRuns(videos, [good, bad])
    alone = [PoseRuns(videos, [one]).ap() for one in (good, bad)]
    assert both.shape == (2, 4) and both.ap() == pytest.approx(np.mean(alone)) and alone[0] > alone[1] + 20
    assert [both.ap(None, s) for s in np.eye(2)] == pytest.approx(alone)
    assert both.nearness(None, [0, 1]) == pytest.approx(PoseRuns(videos, [bad]).nearness())
    assert PoseRuns(videos, [good]).ap(None, [0, 0, 1]) == pytest.approx(alone[0])
    ahead, (low, high) = poses.effect(PoseRuns(videos, [good]), PoseRuns(videos, [bad]))
    assert ahead == pytest.approx(alone[0] - alone[1]) and low < ahead < high


def test_claims_compare_the_rows_that_they_name(videos):
    """Rows whose AP differ by known steps come out with these steps, in the claims' order."""
    spread = dict(a=0.05, b=0.052, c=0.051, e=0.045, f=0.04, g=0.06, h=0.047)
    rows = {row: PoseRuns(videos, [shaken(videos, s, k) for k in range(2)]) for row, s in spread.items()}
    ap = {row: runs.ap() for row, runs in rows.items()}
    expected = {
        "SB-C1": [ap["a"] - ap["b"]],
        "SB-C2": [ap["a"] - ap["c"]],
        "SB-C3": [ap["e"] - ap["a"], ap["f"] - ap["e"]],
        "SB-C4": [ap["a"] - ap["g"], ap["h"] - ap["a"]],
    }
    for claim, steps in expected.items():
        found = poses.result(claim, rows)
        assert [c.estimate for c in found.components] == pytest.approx(steps)
        assert (found.data, found.source, found.n_videos, found.n_seeds) == ("puppets", "network", 4, 2)
    with pytest.raises(WorkbookError, match="the sides are not paired"):
        poses.result("SB-C1", rows | {"b": PoseRuns(videos[:3], [shaken(videos[:3], 0.05)])})


class Dots(nn.Module):
    """No network: every heatmap is the crop's red channel, pooled, and heavier on the right."""

    def __init__(self, stride=4):
        super().__init__()
        body = BodyConfig(18, stages=4)
        number = {4: 3, 8: 2}[stride]
        self.config = deconv_pose.Config(64, 64, body=body, deconvolutions=number)
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        cells = nn.functional.avg_pool2d(x[:, :1] - x[:, :1].amin((2, 3), keepdim=True), self.config.stride)
        return (cells * torch.linspace(0.5, 1.5, cells.shape[-1])).expand(-1, N_JOINTS, -1, -1)


def test_ways_to_decode_are_those_of_look_from_two_passes():
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (80, 90, 3), dtype=np.uint8) for _ in range(3)]
    box = np.array([[5.0, 5, 60, 70], [20, 10, 80, 60], [1, 1, 40, 40]])
    truth = people(frame=[2, 0, 0], box=box, xy=np.full((3, N_JOINTS, 2), 30.0))
    video = Video("noise", (90, 80), np.ones(3, bool), truth, frames=frames)
    calls, model = [], Dots()
    model.register_forward_hook(lambda *_: calls.append(1))
    found = poses.decodings(model, video)
    assert len(calls) == 2 and list(found) == list(poses.DECODINGS)
    for name, (flip, shift, quarter) in poses.DECODINGS.items():
        one = poses.in_true_boxes(model, video, flip=flip, shift=shift, quarter=quarter)
        np.testing.assert_allclose(found[name].xy, one.xy, atol=1e-3)
        np.testing.assert_allclose(found[name].score, one.score, atol=1e-5)
        assert found[name].frame.tolist() == [0, 0, 2]
    several = poses.by_decoding([model, model], [video])
    assert several["quarter offset"].shape == (2, 1)


def test_every_step_differs_in_what_its_name_says_alone():
    """The flip test is added with its shift; quarter offsets stay where they are not the step."""
    differ = {}
    for step, pair in poses.STEPS.items():
        with_it, without = (dict(zip(("flip", "shift", "quarter"), poses.DECODINGS[way], strict=True)) for way in pair)
        differ[step] = {name: (with_it[name], without[name]) for name in with_it if with_it[name] != without[name]}
    assert differ == {
        "quarter offset": {"quarter": (True, False)},
        "flip test with shift": {"flip": (True, False), "shift": (1, 0)},
        "shift of one cell": {"shift": (1, 0)},
    }


def test_a_detectors_boxes_count_from_a_half_and_in_labelled_frames():
    frames = [np.zeros((80, 90, 3), np.uint8)] * 3
    truth = people(frame=[0], box=[[0, 0, 9, 9]], xy=np.zeros((1, N_JOINTS, 2)))
    video = Video("dark", (90, 80), np.array([1, 0, 1], bool), truth, frames=frames)
    boxes = people(frame=[0, 0, 1, 2], box=[[5, 5, 40, 60]] * 4, score=[0.5, 0.49, 0.9, 0.8])
    found = poses.behind_a_detector(Dots(), video, boxes)
    assert found.frame.tolist() == [0, 2] and found.xy.shape == (2, N_JOINTS, 2)
    assert len(poses.behind_a_detector(Dots(), video, boxes, least=0.95)) == 0


def test_the_mean_pose_is_the_mean_of_those_who_show_a_joint_and_fills_other_boxes():
    box = np.array([[0.0, 0, 10, 20], [100, 100, 120, 110]])
    place = np.array([[0.2, 0.5], [0.4, 0.9]])
    xy = box[:, None, :2] + np.repeat(place[:, None], N_JOINTS, 1) * (box[:, None, 2:] - box[:, None, :2])
    present = np.ones((2, N_JOINTS), bool)
    present[1, 0] = False
    video = Video("two", (200, 200), np.ones(1, bool), people(frame=[0, 0], box=box, xy=xy, present=present))
    pose = poses.mean_pose([video])
    assert pose[0] == pytest.approx([0.2, 0.5]) and pose[1:] == pytest.approx(np.full((14, 2), [0.3, 0.7]))
    put = poses.box_alone(video, pose)
    assert put.xy[1, 3] == pytest.approx([106, 107]) and put.present.all() and put.frame.tolist() == [0, 0]


def test_joints_of_the_next_person_land_in_this_ones_box():
    box = np.array([[0.0, 0, 10, 10], [50, 50, 90, 70]])
    xy = np.stack([np.full((N_JOINTS, 2), 2.5), np.full((N_JOINTS, 2), [80.0, 60])])
    found = people(frame=[0, 1], box=box, xy=xy, score=[0.1, 0.9])
    other = poses.of_the_next(found)
    assert other.xy[0, 0] == pytest.approx([7.5, 5]) and other.xy[1, 0] == pytest.approx([60, 55])
    assert other.score.tolist() == [0.9, 0.1] and (other.box == box).all()


def test_a_joint_is_rounded_to_the_cells_of_its_own_crop():
    """A box of 40 × 30 px becomes a crop of 64 × 48 with 1.28 px a pixel: cells of 4 px are 3.125 px of the image."""
    xy = np.full((1, N_JOINTS, 2), [103.0, 52.0])
    video = Video("one", (200, 200), np.ones(1, bool), people(frame=[0], box=[[90, 40, 120, 80]], xy=xy))
    config = deconv_pose.Config(64, 48, body=BodyConfig(18, width=8, stages=3), deconvolutions=2)
    assert config.stride == 4
    put = poses.cells_alone(video, config)
    middle = np.array([105.0, 60.0])
    assert put.xy[0, 0] == pytest.approx(middle + (np.array([5, 5]) * 4 - [24, 32]) / 1.28)
    finer = poses.cells_alone(video, replace(config, deconvolutions=3))
    assert np.abs(finer.xy - xy).max() <= 2 / 1.28 / 2 < np.abs(put.xy - xy).max() <= 4 / 1.28 / 2


def test_the_box_alone_finds_some_and_the_next_person_fewer(videos):
    """What a table of true boxes starts from: not zero."""
    pose = poses.mean_pose(puppets.videos("train", n=8, render=False))
    alone = PoseRuns(videos, [[poses.box_alone(v, pose) for v in videos]]).ap()
    right = shaken(videos, 0.01)
    next_ones = PoseRuns(videos, [[poses.of_the_next(p) for p in right]]).ap()
    assert PoseRuns(videos, [right]).ap() > 90 > alone + 40 > 45 and next_ones < 30


def test_thinning_takes_every_so_manieth_labelled_frame():
    video = puppets.videos("val", n=1, render=False)[0]
    few = poses.thinned(video, 5)
    kept = np.flatnonzero(video.labelled)[::5]
    assert np.flatnonzero(few.labelled).tolist() == kept.tolist() and set(few.people.frame) <= set(kept)
    assert replace(few, labelled=video.labelled, people=video.people).labelled.sum() == video.labelled.sum()
