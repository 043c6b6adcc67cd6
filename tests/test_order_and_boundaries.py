"""Faults that values alone do not show, across the rooms: order, boundaries, sampling, what a cache is keyed by."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers import artefacts, evaluation, papers
from helpers.artefacts import Artefact
from helpers.datasets.posetrack18 import with_tracks
from helpers.experiments import calibration
from helpers.experiments.thresholds import Sweep
from helpers.nets import tubes
from helpers.nets.resnet import Body, BodyConfig
from helpers.nets.track_lstm import LONGEST, Questions
from helpers.notebook import plots
from helpers.people import Video, people
from helpers.skeleton import INDEX, JOINTS, N_JOINTS
from helpers.tracking.costs import pck_cost_of_paper
from tests.test_thresholds import scene


def walker(n_frames, step=5.0, frames=None, track=0):
    """One person, two joints 10 px apart, `step` pixels further in every frame."""
    frames = np.arange(n_frames) if frames is None else np.asarray(frames)
    xy = np.zeros((len(frames), N_JOINTS, 2))
    xy[..., 0] = 20 + step * frames[:, None] + np.arange(N_JOINTS)
    xy[:, INDEX["head_top"], 1] = -10
    box = np.stack([xy[..., 0].min(1), np.full(len(frames), -10.0), xy[..., 0].max(1), np.zeros(len(frames))], 1)
    return people(frame=frames, xy=xy, box=box, head=np.full(len(frames), 10.0), track=np.full(len(frames), track))


def test_a_sweep_tells_export_thresholds_apart():
    video, found = scene()
    sweep = Sweep([video], [[found]])
    low, high = sweep.at(0.0, -np.inf, 0.0).counts, sweep.at(0.0, -np.inf, 0.95).counts
    assert high.misses.sum() > low.misses.sum()


def test_speeds_are_between_consecutive_frames_alone():
    assert len(calibration.speeds(walker(0, frames=[0, 4]))) == 0
    assert len(calibration.speeds(walker(0, frames=[0, 1, 4, 5]))) == 2


def test_a_joint_half_a_head_away_is_not_near_in_the_papers_words():
    here = walker(1)
    top, bottom = INDEX["head_top"], INDEX["head_bottom"]
    length = np.linalg.norm(here.xy[0, top] - here.xy[0, bottom])
    away = here.replace(xy=here.xy + [[[0.5 * 0.6 * length, 0]]])
    nearer = here.replace(xy=here.xy + [[[0.499 * 0.6 * length, 0]]])
    assert pck_cost_of_paper(here, nearer)[0, 0] == 0
    exactly = here.replace(xy=np.zeros_like(here.xy))
    exactly = exactly.replace(xy=exactly.xy + np.where(np.arange(N_JOINTS) == top, 10.0, 0.0)[None, :, None] * [0, 1])
    moved = exactly.replace(xy=exactly.xy + [[[3.0, 0.0]]])  # 0.5 · 0.6 · 10 px, exactly
    assert pck_cost_of_paper(exactly, moved)[0, 0] == 1
    assert pck_cost_of_paper(here, away)[0, 0] >= 0


def test_hota_counts_a_similarity_at_its_threshold():
    """A similarity of 0.9 reaches the eighteenth threshold, whose float is a hair above 0.9."""
    truth = walker(1)
    moved = truth.replace(xy=truth.xy + [[[0.1 * evaluation.HOTA_REACH * 10, 0]]])
    hota = evaluation.hota([Video("v", (500, 500), np.ones(1, bool), truth)], [moved])
    joint_first = hota.detection if len(hota.detection) == N_JOINTS else hota.detection.T
    assert (joint_first[0] > 0).sum() == 18  # the first joint, at 20 px


def test_annotations_keep_their_order_in_the_file():
    names = list(JOINTS)
    entries = [{"image_id": i, "keypoints": [1.0] * 45, "mark": i} for i in (1, 0)]
    content = {"categories": [{"keypoints": names}], "annotations": entries}
    tracked = walker(2).replace(track=[7, 8])  # frame 0 is the file's second entry
    out = with_tracks(content, tracked, np.array([1, 0]))
    assert [(a["mark"], a["track_id"]) for a in out["annotations"]] == [(1, 8), (0, 7)]


def test_stretches_have_every_length_up_to_the_longest():
    video = Video("v", (400, 100), np.ones(40, bool), walker(40))
    questions = Questions([video], "box")
    assert {len(questions.batch(2, step, 0)[0]) for step in range(300)} == set(range(1, LONGEST + 1))


def test_a_quarter_of_the_sampled_tubes_is_positive():
    config = replace(tubes.SLIM, rois=16)
    model = tubes.build(config)
    tube = torch.tensor([[10.0, 10.0, 50.0, 90.0]]).expand(config.frames, 4)
    away = tube + torch.tensor([100.0, 0.0, 100.0, 0.0])
    wanted = {
        "tubes": tube[None].clone(),
        "visible": torch.ones(1, config.frames, dtype=torch.bool),
        "keypoints": torch.zeros(1, config.frames, N_JOINTS, 3),
    }
    proposals = torch.cat([tube[None].repeat(20, 1, 1), away[None].repeat(20, 1, 1)])
    sampled = model._sample(proposals, wanted)
    assert len(sampled["label"]) == 16 and int((sampled["label"] > 0).sum()) == 4


@pytest.mark.parametrize(("last", "sides"), [(1, (16, 8, 8)), (2, (16, 8, 4))])
def test_only_the_last_stage_keeps_the_resolution(last, sides):
    body, x = Body(BodyConfig(18, width=8, stages=3, last_stride=last)).eval(), torch.zeros(1, 3, 64, 64)
    x = body.maxpool(body.relu(body.bn1(body.conv1(x))))
    for s, side in enumerate(sides):
        x = getattr(body, f"layer{s + 1}")(x)
        assert x.shape[-1] == side


def test_drawn_boxes_grow_with_the_picture():
    one = walker(1).replace(box=[[5, 5, 20, 20]], track=[0])
    image = plots.draw_people(plots.canvas((40, 40)), one.replace(present=np.zeros((1, N_JOINTS))), 2, boxes=True)
    assert (image[40, 40] != 245).any() and (image[5, 5] == 245).all()


def test_weights_stand_before_predictions_in_the_list(tmp_path):
    rows = [
        Artefact("a", "predictions", "p", 0, "0" * 64, "val", 1),
        Artefact("b", "weights", "p", 0, "0" * 64),
        Artefact("A", "weights", "p", 0, "0" * 64),
    ]
    artefacts.write(rows, tmp_path / "list.yaml")
    text = (tmp_path / "list.yaml").read_text()
    assert text.index("id: A") < text.index("id: b") < text.index("id: a,")


def test_every_claim_of_the_papers_has_one_place():
    ids = [claim["id"] for claim in papers.claims()]
    assert len(ids) == len(set(ids))
