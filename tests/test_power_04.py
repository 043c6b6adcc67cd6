"""Power tests of notebook 04: a named fault turns its claims, its properties or its control red.

The claims run on the shipped predictions of ProTracker's three networks, on six videos with few
draws, first healthy, then with one helper broken or the networks spoilt.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers import evaluation, puppets, training
from helpers.detections import filters, predicting
from helpers.experiments import networks
from helpers.experiments.runs import Runs
from helpers.nets import inflate, tubes

VIDEOS, SEEDS = 6, 3


@pytest.fixture(scope="module")
def world():
    """Six val videos, and what three runs of the 2-D, centre and mean network found in them."""
    videos = puppets.videos("val", n=VIDEOS, render=False)
    found = {
        k: [predicting.found_by(training.stage_one(s)[f"averaged-{k}"], "val", VIDEOS)[0] for s in range(SEEDS)]
        for k in networks.STYLES
    }
    return videos, found


def gap(world):
    """PT-C2's estimate: mAP of centre minus mean."""
    videos, found = world
    return networks.MEASURES["PT-C2"]({k: Runs(videos, some) for k, some in found.items()}, None, None)


def spoilt(detections):
    """Every other person lost, as a much worse network would."""
    return [[p[np.arange(len(p)) % 2 == 0] for p in run] for run in detections]


def test_a_spoilt_mean_network_makes_pt_c2_hold_and_a_spoilt_centre_network_contradicts_it(world):
    videos, found = world
    for name, sign in (("mean", 1), ("centre", -1)):
        runs = {k: Runs(videos, spoilt(some) if k == name else some) for k, some in found.items()}
        result = networks.result("PT-C2", runs, VIDEOS, SEEDS, draws=40)
        assert sign * result.interval[0] > 0 and sign * result.interval[1] > 0


def test_fault_networks_exchanged(world):
    videos, found = world
    healthy = gap(world)
    wrong = gap((videos, {**found, "centre": found["mean"], "mean": found["centre"]}))
    assert wrong == pytest.approx(-healthy) and healthy != 0


def test_fault_videos_and_predictions_out_of_step(world):
    videos, found = world
    moved = [[p[p.frame < len(v)] for p, v in zip(run[1:] + run[:1], videos)] for run in found["2d"]]
    assert Runs(videos, moved).ap() < 10 < Runs(videos, found["2d"]).ap() - 30


def test_fault_the_larger_gain_is_reported_for_the_smaller(world, monkeypatch):
    """DT-C8 and C9 ask for mAP and MOTA; with max in place of min a network that is better in one passes."""
    videos, found = world
    good, bad = Runs(videos, found["2d"]), Runs(videos, spoilt(found["2d"]), person=0.99)
    named = {f"{k}-{i}": good for k in networks.STYLES for i in networks.INITS} | {"2d-scratch": bad}
    assert networks.MEASURES["DT-C8"](named, None, None) == 0  # pre-trained: no gain at all
    monkeypatch.setattr(networks, "min", max, raising=False)
    assert networks.MEASURES["DT-C8"](named, None, None) > 0


def test_fault_joints_below_the_threshold_are_tracked(world, monkeypatch):
    videos, found = world
    healthy = Runs(videos, found["2d"]).mota()
    monkeypatch.setattr(networks, "keep_confident", lambda found, person, joint: found)
    assert Runs(videos, found["2d"]).mota() < healthy - 20


def test_fault_ap_of_the_tracked_joints_in_place_of_all(world, monkeypatch):
    """AP sees all detections; handing it what the tracker kept would change it by points."""
    videos, found = world
    whole = Runs(videos, found["2d"]).ap()
    kept = [[p[p.score >= filters.PERSON] for p in run] for run in found["2d"]]
    assert abs(Runs(videos, kept).ap() - whole) > 0.5


def test_fault_mean_in_place_of_centre_breaks_the_property(monkeypatch):
    body = training.obtain(training.stage_one()["keypoint_rcnn"]).backbone.body
    clip = torch.rand(1, 3, 3, 45, 80)
    with torch.inference_mode():
        flat = body(clip[0].transpose(0, 1))["2"]
        change = lambda: (
            (inflate.inflate(body, "centre")(clip)["2"][0].transpose(0, 1) - flat).abs().max() / flat.abs().max()
        )
        assert change() < 1e-5
        healthy = inflate.inflate_kernel
        monkeypatch.setattr(inflate, "inflate_kernel", lambda kernel, extent, scheme: healthy(kernel, extent, "mean"))
        assert change() > 0.1


def test_fault_absent_frames_count_in_tube_overlap():
    truth = torch.tensor([[[0, 0, 10, 10.0]] * 3])
    left = torch.tensor([[[0, 0, 10, 10.0], [0, 0, 10, 10.0], [50, 50, 60, 60.0]]])
    visible = torch.tensor([[True, True, False]])
    assert tubes.tube_iou(truth, left, visible).item() == 1
    assert tubes.tube_iou(truth, left).item() == pytest.approx(2 / 3)


def test_fault_clips_end_before_the_frame_that_is_asked_for(monkeypatch):
    """The sliding window keeps the middle slice of a clip around the frame; of an earlier clip boxes lag behind."""
    plan = training.stage_one()["tubes-centre-pretrained"]
    model, video = training.obtain(plan), puppets.videos("val", n=4)[3]
    which = np.flatnonzero(video.labelled)[::6]
    part = lambda: evaluation.evaluate([_only(video, which)], [tubes.detect(model, video.frames, which)]).total("AP")
    healthy = part()
    monkeypatch.setattr(tubes, "Windows", lambda frames, length: _Late(frames, length))
    assert part() < healthy


class _Late(inflate.Windows):
    """Clips that end, wrongly, eight frames before the one that is asked for."""

    def __getitem__(self, t):
        return super().__getitem__(max(0, t - 8))


def _only(video, which):
    labelled = np.isin(np.arange(len(video)), which)
    return replace(video, labelled=labelled, people=video.people[labelled[video.people.frame]])
