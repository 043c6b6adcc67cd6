"""Power tests of notebook 08: a named fault in a helper turns its claims, their numbers or their controls.

The functions that measure the claims run on the shipped predictions of all rows, and, where the fault is in the crops
or in decoding, on rows a and b looked at again in a few frames, first healthy, then with one helper broken.
"""

import numpy as np
import pytest
import torch

from helpers import puppets, training, verdicts
from helpers.detections import predicting
from helpers.evaluation import oks
from helpers.experiments import poses
from helpers.experiments.poses import PoseRuns
from helpers.nets import crops, heatmaps, top_down
from helpers.skeleton import FLIP
from tests.power import power

torch.set_num_threads(1)
ROWS, SEEDS = "abcefgh", 3


@pytest.fixture(scope="module")
def videos():
    return puppets.videos("val", n=20)


def read(videos):
    """Every row that a claim names, all training runs, from the files that ship."""
    out = {}
    for row in ROWS:
        runs = [poses.found_in_truth(training.stage_one(s)[f"deconv-{row}"], videos) for s in range(SEEDS)]
        out[row] = PoseRuns(runs[0][0], [found for _, found in runs])
        out[row].ap()  # matches are made at first use, which has to be before a fault is planted
    return out


@pytest.fixture(scope="module")
def healthy(videos):
    return read(videos)


def steps(claim, networks):
    return np.array([c.estimate for c in poses.result(claim, networks).components])


@pytest.fixture(scope="module")
def looked_at(videos):
    """Rows a and b themselves, and ten videos of which few frames are labelled."""
    models = {row: training.obtain(training.stage_one()[f"deconv-{row}"]) for row in "ab"}
    return models, [poses.thinned(v, 24) for v in videos[:10]]


def look(looked_at):
    models, few = looked_at
    return {row: PoseRuns(few, [[poses.in_true_boxes(m, v) for v in few]]) for row, m in models.items()}


@pytest.fixture(scope="module")
def healthy_look(looked_at):
    return look(looked_at)


def test_healthy(healthy, healthy_look, videos):
    pose = poses.mean_pose(puppets.videos("train", n=20, render=False))
    alone = PoseRuns(healthy["a"].videos, [[poses.box_alone(v, pose) for v in healthy["a"].videos]]).ap()
    assert all(runs.ap() > alone + 10 for runs in healthy.values())
    assert steps("SB-C4", healthy)[0] > 2 and all(runs.shape == (SEEDS, 20) for runs in healthy.values())
    assert healthy_look["a"].ap() > 35 < healthy_look["b"].ap()


@power("SB-C1")
def test_fault_flipped_maps_move_the_wrong_way(looked_at, healthy_look, monkeypatch):
    """At stride 4 that is a cell and three quarters, at stride 2 one and a half of cells half as large."""
    turned = heatmaps.unflipped

    def wrong(heat, shift=1, flip=FLIP):
        back = turned(heat, 0, flip)
        back[..., :-shift] = back[..., shift:].clone()
        return back

    before = steps("SB-C1", healthy_look)
    monkeypatch.setattr(heatmaps, "unflipped", wrong)
    assert steps("SB-C1", look(looked_at)) > before + 3


@power("SB-C1")
def test_fault_joints_come_back_half_a_cell_off(looked_at, healthy_look, monkeypatch):
    """Half a cell of row b is two pixels of the crop, of row a one."""
    before, place = steps("SB-C1", healthy_look), top_down.placed
    monkeypatch.setattr(top_down, "placed", lambda cell, *rest: place(cell + 0.5, *rest))
    assert steps("SB-C1", look(looked_at)) > before + 3


@power("SB-C1")
def test_fault_the_crops_inverse_is_off_by_pixels(looked_at, healthy_look, monkeypatch):
    before, back = {row: r.ap() for row, r in healthy_look.items()}, crops.inverse

    def off(maps):
        out = back(maps)
        out[..., 2] += 2
        return out

    monkeypatch.setattr(crops, "inverse", off)
    monkeypatch.setattr(crops, "warp", lambda images, whose, maps, size: warp(images, whose, maps, size, back))
    after = look(looked_at)
    assert all(after[row].ap() < before[row] - 3 for row in "ab")


def warp(images, whose, maps, size, inverse):
    """`crops.warp` with the true inverse: what is seen stays right, what is found does not."""
    span = torch.tensor([images.shape[-1] - 1, images.shape[-2] - 1]) / 2
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    cells = torch.stack([x, y, torch.ones_like(x)], -1).float()
    places = torch.einsum("nij,hwj->nhwi", torch.tensor(inverse(maps)).float(), cells) / span - 1
    return torch.nn.functional.grid_sample(images[torch.tensor(np.array(whose))], places, align_corners=True)


@power("SB-C2", "SB-C3", "SB-C4")
def test_fault_every_row_reads_the_same_file(videos, healthy, monkeypatch):
    """As if deconvolutions, kernel, depth and size were ignored: all differences vanish."""
    row_of = predicting.row_of

    def ignorant(plan, *rest, **more):
        return row_of(training.stage_one(plan.seed)["deconv-g"], *rest, **more)

    monkeypatch.setattr(predicting, "row_of", ignorant)
    monkeypatch.setattr(predicting, "_made_by", lambda plan, path: True)
    same = read(videos)
    for claim in poses.PAIRS:
        assert np.allclose(steps(claim, same), 0)
        assert claim == "SB-C2" or poses.result(claim, same).verdict != verdicts.HOLDS
    for claim in ("SB-C2", "SB-C3", "SB-C4"):
        assert np.abs(steps(claim, healthy)).min() > 0.1


@power("SB-C2", "SB-C4")
def test_fault_the_similaritys_sigmas_are_half_as_wide(healthy, monkeypatch):
    coco = oks._coco_oks
    monkeypatch.setattr(oks, "_coco_oks", lambda predicted, truth, sigmas: coco(predicted, truth, sigmas / 2))
    broken = {row: PoseRuns(r.videos, r.found) for row, r in healthy.items()}
    for claim in ("SB-C2", "SB-C4"):
        assert np.abs(steps(claim, broken) - steps(claim, healthy)).max() > 0.5, claim


@power("SB-C3", "SB-C4")
def test_fault_joints_of_the_next_person(healthy):
    """The notebook's control: right boxes, somebody else's joints."""
    ruined = {
        row: PoseRuns(r.videos, [[poses.of_the_next(p) for p in run] for run in r.found]) for row, r in healthy.items()
    }
    assert all(ruined[row].ap() < healthy[row].ap() / 2 for row in ROWS)
    assert all(poses.result(claim, ruined).verdict != verdicts.HOLDS for claim in ("SB-C1", "SB-C3", "SB-C4"))
    assert steps("SB-C4", ruined)[0] < steps("SB-C4", healthy)[0] - 2


@power("SB-C2", "SB-C3")
def test_fault_video_weights_are_ignored(healthy, monkeypatch):
    """Then no video makes a difference, and the interval has lost what the videos add to it."""
    counted, claims = poses.ap_of_samples, ("SB-C2", "SB-C3")
    before = [c for claim in claims for c in poses.result(claim, healthy).components]
    monkeypatch.setattr(poses, "ap_of_samples", lambda samples, videos=None: counted(samples))
    broken = {row: PoseRuns(r.videos, r.found) for row, r in healthy.items()}
    after = [c for claim in claims for c in poses.result(claim, broken).components]
    for right, wrong in zip(before, after, strict=True):
        assert np.ptp(wrong.noise["videos"]) < 1e-6 < 1 < np.ptp(right.noise["videos"])


def test_control_networks_of_equal_quality_are_not_told_apart(healthy):
    """Six rows that are row a with joints shaken alike, run by run: no step holds, and kernels do not contradict."""
    base, videos = healthy["a"].found[0], healthy["a"].videos

    def shaken(rng):
        size = np.exp(rng.normal(0, 0.1)) * 0.02
        out = []
        for found in base:
            side = np.sqrt((found.box[:, 2:] - found.box[:, :2]).prod(1))[:, None, None]
            out.append(found.replace(xy=found.xy + rng.normal(0, size, found.xy.shape) * side))
        return out

    rng = np.random.default_rng(0)
    equal = {row: PoseRuns(videos, [shaken(rng) for _ in range(SEEDS)]) for row in ROWS}
    for claim in poses.PAIRS:
        found = poses.result(claim, equal)
        assert found.verdict != (verdicts.CONTRADICTED if claim == "SB-C2" else verdicts.HOLDS), claim
        assert all(c.interval[0] < 0 < c.interval[1] for c in found.components), claim
