"""Power tests of notebook 04: a named fault turns its claims, its properties or its control red.

The claims run on the shipped predictions of all nine networks, on six videos, first
healthy, then with one helper broken.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers import evaluation, puppets, training, verdicts
from helpers.experiments import networks, runs
from helpers.nets import inflate, tubes
from tests.power import forgetful, power, shipped

SEEDS = 5
AVERAGED = {style: f"averaged-{style}" for style in networks.STYLES}
TUBES = {f"{style}-{init}": f"tubes-{style}-{init}" for style in networks.STYLES for init in networks.INITS}


@pytest.fixture(scope="module")
def videos():
    return puppets.videos("val", n=6, render=False)


@pytest.fixture(scope="module")
def found(videos):
    """What three runs of every network found, by the names in the claims."""
    return {name: [shipped(label, videos, s) for s in range(SEEDS)] for name, label in (AVERAGED | TUBES).items()}


def measured(videos, found, claim):
    """A claim as the notebook measures it."""
    names = AVERAGED if claim.startswith("PT") else TUBES
    return networks.result(claim, {name: networks.tracked_runs(videos, found[name]) for name in names})


@pytest.fixture(scope="module")
def healthy(videos, found):
    return {claim: measured(videos, found, claim) for claim in ("PT-C1", "PT-C2", "PT-C3", "DT-C8", "DT-C9", "DT-C10")}


def estimates(result):
    return np.array([c.estimate for c in result.components])


def test_healthy(healthy):
    assert all((result.n_videos, result.n_seeds) == (6, SEEDS) for result in healthy.values())
    assert healthy["PT-C2"].verdict != verdicts.CONTRADICTED and (estimates(healthy["DT-C10"]) > 2).all()


@power("PT-C1", "PT-C3")
def test_fault_ap_ranks_the_unsure_first(videos, found, healthy, monkeypatch):
    ranked = runs.box_confidence
    monkeypatch.setattr(runs, "box_confidence", lambda p: ranked(p.replace(score=-p.score)))
    for claim in ("PT-C1", "PT-C3"):
        assert np.abs(estimates(measured(videos, found, claim)) - estimates(healthy[claim])).max() > 0.3, claim


@power("PT-C1", "PT-C2", "PT-C3", "DT-C8", "DT-C9", "DT-C10")
@pytest.mark.parametrize(
    "claim, network, verdict",
    [
        ("PT-C1", "centre", verdicts.CONTRADICTED),
        ("PT-C2", "centre", verdicts.CONTRADICTED),
        ("PT-C2", "mean", verdicts.HOLDS),
        ("PT-C3", "2d", verdicts.CONTRADICTED),
        ("DT-C8", "centre-joints", verdicts.CONTRADICTED),
        ("DT-C9", "centre-joints", verdicts.CONTRADICTED),
    ],
)
def test_fault_one_network_answers_for_another_frame(videos, found, claim, network, verdict):
    """Its clips end too early: everything is found eight frames too late."""
    late = [
        [p.replace(frame=p.frame + 8)[p.frame + 8 < len(v)] for p, v in zip(run, videos, strict=True)]
        for run in found[network]
    ]
    assert measured(videos, found | {network: late}, claim).verdict == verdict


@power("DT-C10")
def test_fault_starts_exchanged(videos, found, healthy):
    """The networks that started without joints in the place of those that started with them."""
    other = {
        f"{k}-{i}": found[f"{k}-{j}"] for k in networks.STYLES for i, j in (("boxes", "joints"), ("joints", "boxes"))
    }
    exchanged = measured(videos, found | other, "DT-C10")
    assert (
        np.allclose(estimates(exchanged), -estimates(healthy["DT-C10"])) and exchanged.verdict == verdicts.CONTRADICTED
    )


@power("DT-C8", "DT-C9", "DT-C10")
@pytest.mark.parametrize("claim", ["DT-C8", "DT-C9", "DT-C10"])
def test_fault_the_evaluator_forgets_false_positives(videos, found, healthy, claim, monkeypatch):
    monkeypatch.setattr(evaluation, "clear_mot", forgetful(evaluation.clear_mot, "false_positives"))
    moved = estimates(measured(videos, found, claim)) - estimates(healthy[claim])
    assert np.abs(moved[1::2]).max() > 1 and (moved[::2] == 0).all()  # MOTA moves, mAP does not


def test_fault_videos_and_predictions_out_of_step(videos, found):
    moved = [[p[p.frame < len(v)] for p, v in zip(run[1:] + run[:1], videos, strict=True)] for run in found["2d"]]
    assert networks.tracked_runs(videos, moved).ap() < 10 < networks.tracked_runs(videos, found["2d"]).ap() - 30


def test_fault_joints_below_the_threshold_are_tracked(videos, found, monkeypatch):
    healthy = networks.tracked_runs(videos, found["2d"]).mota()
    monkeypatch.setattr(networks, "keep_confident", lambda found, person, joint: found)
    assert networks.tracked_runs(videos, found["2d"]).mota() < healthy - 20


def test_fault_mean_in_place_of_centre_breaks_the_property(monkeypatch):
    body = training.obtain(training.stage_one()["keypoint_rcnn"]).backbone.body
    clip = torch.rand(1, 3, 3, 45, 80)

    def change():
        inflated = inflate.inflate(body, "centre")(clip)["2"][0].transpose(0, 1)
        return (inflated - flat).abs().max() / flat.abs().max()

    with torch.inference_mode():
        flat = body(clip[0].transpose(0, 1))["2"]
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


class LateWindows(inflate.Windows):
    """Clips that end, wrongly, eight frames before the one that is asked for."""

    def __getitem__(self, t):
        return super().__getitem__(max(0, t - 8))


def test_fault_clips_end_before_the_frame_that_is_asked_for(monkeypatch):
    """The sliding window keeps the middle slice of a clip around the frame; of an earlier clip boxes lag behind."""
    model, video = training.obtain(training.stage_one()["tubes-centre-joints"]), puppets.videos("val", n=4)[3]
    which = np.flatnonzero(video.labelled)[::6]
    labelled = np.isin(np.arange(len(video)), which)
    part = replace(video, labelled=labelled, people=video.people[labelled[video.people.frame]])

    def reached():
        return evaluation.evaluate([part], [tubes.detect(model, video.frames, which)]).total("AP")

    healthy = reached()
    monkeypatch.setattr(tubes, "Windows", LateWindows)
    assert reached() < healthy
