"""Weights by configuration, refused when another's or broken; training that resumes where it stopped."""

import json
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from helpers import WorkbookError, puppets, training, weights
from helpers.detections import predicting, stored
from helpers.nets import keypoint_rcnn, resnet, tubes
from helpers.training import Recipe, fit, obtain, rate_at, stage_one

RECIPE = Recipe("numbers", videos=1, steps=40, rate=0.05, warm_up=5)
CONFIG = weights.configuration(network=keypoint_rcnn.SLIM, recipe=RECIPE)


def blank_line() -> nn.Module:
    return nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Dropout(0.2), nn.Linear(4, 1))


def line() -> nn.Module:
    torch.manual_seed(0)
    return blank_line()


def fits_a_sine(model, step):
    x = torch.linspace(-2, 2, 32)[:, None]
    return {"square": ((model(x) - x.sin()) ** 2).mean()}


# --- files --------------------------------------------------------------------------------------


def test_a_name_is_a_hash_of_everything_in_the_configuration():
    name = weights.file_name("net", CONFIG)
    assert name == weights.file_name("net", json.loads(json.dumps(CONFIG)))
    others = [
        weights.configuration(network=replace(keypoint_rcnn.SLIM, channels=65), recipe=RECIPE),
        weights.configuration(network=keypoint_rcnn.SLIM, recipe=replace(RECIPE, seed=1)),
        weights.configuration(network=keypoint_rcnn.SLIM),
    ]
    assert len({name, *(weights.file_name("net", c) for c in others)}) == 4


def test_what_is_saved_is_loaded_with_its_facts(tmp_path):
    model = line()
    path = weights.save(tmp_path / "a.safetensors", model, CONFIG, half=False, seed=3, device="cpu")
    other = weights.load(path, blank_line(), CONFIG)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters()))
    facts = weights.metadata(path)
    assert facts["seed"] == "3" and facts["date"].startswith("20") and not other.training
    assert json.loads(facts["configuration"]) == CONFIG
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_half_precision_stores_half_and_loads_float(tmp_path):
    model = line()
    path = weights.save(tmp_path / "a.safetensors", model, CONFIG)
    with safe_open(path, "pt") as file:
        assert file.get_tensor("0.weight").dtype == torch.float16
    loaded = weights.load(path, blank_line(), CONFIG)[0].weight
    torch.testing.assert_close(loaded, model[0].weight, rtol=1e-3, atol=1e-4)


def test_weights_of_another_configuration_are_refused_by_name(tmp_path):
    path = weights.save(tmp_path / "a.safetensors", line(), CONFIG)
    other = weights.configuration(network=replace(keypoint_rcnn.SLIM, channels=65), recipe=RECIPE)
    with pytest.raises(WorkbookError, match=r"a\.safetensors: .*network\.channels is 64 and not 65"):
        weights.load(path, line(), other)


def test_tensors_that_do_not_fit_are_refused_by_name(tmp_path):
    path = weights.save(tmp_path / "a.safetensors", line(), CONFIG)
    with pytest.raises(WorkbookError, match=r"a\.safetensors: the tensor 3\.weight"):
        weights.load(path, nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Dropout(), nn.Linear(4, 2)), CONFIG)


@pytest.mark.parametrize("keep", [0, 4, 40, -1])
def test_a_truncated_file_is_one_sentence(tmp_path, keep):
    path = weights.save(tmp_path / "a.safetensors", line(), CONFIG)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WorkbookError, match=r"a\.safetensors: is truncated"):
        weights.load(path, line(), CONFIG)


def test_missing_files_and_files_without_configuration(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(WorkbookError, match="is missing"):
        weights.load(tmp_path / "none.safetensors", line(), CONFIG)
    save_file(line().state_dict(), tmp_path / "bare.safetensors")
    with pytest.raises(WorkbookError, match="configuration is missing"):
        weights.load(tmp_path / "bare.safetensors", line(), CONFIG)


def test_train_once_then_load(tmp_path):
    calls = []

    def train(model):
        calls.append(1)
        nn.init.constant_(model[0].weight, 2.0)
        return {"seed": 0}

    first = weights.train_or_load("net", CONFIG, line, train, tmp_path)
    second = weights.train_or_load("net", CONFIG, line, train, tmp_path)
    assert calls == [1] and (second[0].weight == 2).all() and not first.training and not second.training


def test_published_weights_without_a_network_are_one_sentence():
    def offline():
        raise URLError("Name or service not known")

    with pytest.raises(WorkbookError, match="^COCO weights: cannot be fetched.*network.*own weights"):
        weights.from_torchvision(offline, "COCO weights")
    assert not weights.from_torchvision(line, "a line").training


# --- training -----------------------------------------------------------------------------------


def test_the_loss_falls_and_the_log_has_every_step():
    log = fit(line(), fits_a_sine, RECIPE)
    assert len(log) == 40 and log[-1]["square"] < 0.5 * log[0]["square"]
    assert all(b["seconds"] >= a["seconds"] for a, b in zip(log, log[1:]))


def test_a_seed_gives_one_result_and_another_seed_another():
    def final(seed):
        model = line()
        fit(model, fits_a_sine, replace(RECIPE, seed=seed))
        return model[0].weight.detach()

    assert torch.equal(final(0), final(0)) and not torch.equal(final(0), final(1))


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(tmp_path):
    class Interrupted(Exception):
        pass

    def stop(step, row):
        if step == 13:
            raise Interrupted

    whole, parts = line(), line()
    fit(whole, fits_a_sine, RECIPE)
    with pytest.raises(Interrupted):
        fit(parts, fits_a_sine, RECIPE, checkpoint=tmp_path / "run.pt", every=5, report=stop)
    fresh = blank_line()
    log = fit(fresh, fits_a_sine, RECIPE, checkpoint=tmp_path / "run.pt", every=5)
    assert len(log) == 40 and all(torch.equal(a, b) for a, b in zip(whole.parameters(), fresh.parameters()))


def test_a_checkpoint_of_another_recipe_or_a_broken_one_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    fit(line(), fits_a_sine, RECIPE, checkpoint=path, every=10)
    with pytest.raises(WorkbookError, match=r"run\.pt: is the checkpoint of another recipe"):
        fit(line(), fits_a_sine, replace(RECIPE, rate=0.1), checkpoint=path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(WorkbookError, match=r"run\.pt: is no readable checkpoint"):
        fit(line(), fits_a_sine, RECIPE, checkpoint=path)


def test_a_loss_that_is_not_finite_stops_in_one_sentence():
    with pytest.raises(WorkbookError, match="loss of step 0 is not finite"):
        fit(line(), lambda m, s: {"bad": m(torch.full((1, 1), float("nan"))).sum()}, RECIPE)


def test_the_rate_warms_up_and_falls():
    rates = [rate_at(RECIPE, s) for s in range(RECIPE.steps)]
    assert rates[0] == pytest.approx(0.01) and max(rates) == rates[4] == pytest.approx(0.05)
    assert all(a >= b for a, b in zip(rates[4:], rates[5:])) and rates[-1] < 0.1 * RECIPE.rate


def test_a_gpu_that_is_not_there_is_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(WorkbookError, match='device "cuda" was asked for but no GPU is found'):
        fit(line(), fits_a_sine, RECIPE, device="cuda")
    with pytest.raises(WorkbookError, match="device 'tpu' is unknown"):
        fit(line(), fits_a_sine, RECIPE, device="tpu")


# --- the workbook's own networks ------------------------------------------------------------------


def test_every_planned_network_has_weights_of_its_own():
    files = [plan.file for seed in range(3) for plan in stage_one(seed).values()]
    shared = [label for label, plan in stage_one(0).items() if plan.file == stage_one(1)[label].file]
    assert sorted(shared) == ["keypoint_rcnn-stills", "tubes-stills"]  # what all seeds start from
    assert len(set(files)) == len(files) - 2 * len(shared)


PLANS = {plan.file: plan for seed in range(3) for plan in stage_one(seed).values()}
SHIPPED = sorted(path for path in weights.FOLDER.glob("*.safetensors") if path.name in PLANS)


def test_some_weights_are_shipped_and_all_are_small():
    assert SHIPPED and sum(p.stat().st_size for p in weights.FOLDER.glob("*")) < 40e6


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_weights_load_and_say_where_they_come_from(path):
    plan = PLANS[path.name]
    model = obtain(plan)
    assert all(torch.isfinite(p).all() for p in model.parameters())
    facts = weights.metadata(path)
    assert facts["data"] == plan.recipe.data and int(facts["seed"]) == plan.recipe.seed
    assert {"device", "date", "minutes", "log"} <= facts.keys()
    curve = [sum(v for k, v in row.items() if k.startswith("loss")) for row in json.loads(facts["log"])]
    # From scratch the loss falls; what goes on from trained weights must not lose what they knew.
    assert min(curve[-5:]) < (1.1 if plan.start else 0.8) * curve[0]


def test_a_plan_trains_what_it_starts_from_first_and_inflates_it(tmp_path, monkeypatch):
    """A tiny chain: frame network on stills, from it a mean-inflated tube network, both kept in files."""
    small = tubes.TubeConfig(
        resnet.BodyConfig(18, width=8, stages=3),
        short_side=90,
        long_side=160,
        anchor_sizes=(24, 64),
        anchor_ratios=(2.0,),
        keypoint_width=8,
        anchors=16,
        rois=8,
        proposals=10,
        frozen_norm=False,
        scheme="mean",
    )
    monkeypatch.setattr(training, "_SPANS", {training.STILLS: (1, 2), training.TRAIN: (0, 1)})
    monkeypatch.setattr(training, "CHECKPOINTS", tmp_path)
    first = training.Plan("first", tubes.frame_config(small), Recipe(training.STILLS, 1, 1, batch=1))
    then = Recipe(training.TRAIN, 1, 1, batch=1, rate=1e-9, start=first.file)
    plan = training.Plan("second", small, then, first)
    model = obtain(plan, folder=tmp_path)
    start = weights.load(tmp_path / first.file, tubes.build(first.network), first.configuration)
    kernel = start.state_dict()["body.body.conv1.weight"] / 3
    assert model.state_dict()["body.body.conv1.weight"].shape[2] == 3
    torch.testing.assert_close(
        model.state_dict()["body.body.conv1.weight"], kernel.expand(-1, -1, 3, -1, -1), atol=1e-3, rtol=1e-2
    )
    assert {p.name for p in tmp_path.glob("*.safetensors")} == {first.file, plan.file}


@pytest.mark.parametrize("label", ["averaged-2d", "averaged-centre", "tubes-2d-pretrained", "tubes-centre-pretrained"])
def test_fixed_normalisation_starts_where_the_learnt_one_ended(label, tmp_path):
    """On a clip that stands still a 2-D and a centre-inflated network find what their start finds."""
    plan = stage_one()[label]
    torch.manual_seed(1)
    source = training._build(plan.start.network)
    weights.save(tmp_path / plan.start.file, source, plan.start.configuration, half=False)
    model = training.begin(plan, tmp_path)
    assert not [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    video = puppets.videos("val", n=1)[0]
    before = predicting.detect(plan.start, source, replace(video, frames=[video.frames[9]]))
    after = predicting.detect(plan, model, replace(video, frames=[video.frames[9]]))
    assert len(after) == len(before) and model.state_dict().keys() == training._build(plan.network).state_dict().keys()
    np.testing.assert_allclose(after.box, before.box, atol=0.05)


def test_a_detector_of_another_kind_takes_the_body_alone(tmp_path):
    plan = stage_one()["detector-rfcn"]
    source = keypoint_rcnn.build(plan.start.network)
    weights.save(tmp_path / plan.start.file, source, plan.start.configuration, half=False)
    body, kept = (m.backbone.body.state_dict() for m in (training.begin(plan, tmp_path), source))
    assert torch.equal(body["layer3.0.conv1.conv.weight"], kept["layer3.0.conv1.weight"])
    assert torch.equal(body["conv1.weight"], kept["conv1.weight"])
    assert not body["layer3.0.conv1.offset.weight"].any()


SPLITS = ("val", "test", "tune", "frozen-val")
PREDICTED = {predicting.predictions_file(plan, split): plan for plan in PLANS.values() for split in SPLITS}
HERE = [path for path in PREDICTED if path.exists()]


def test_the_main_networks_predictions_are_shipped():
    main = stage_one()["keypoint_rcnn"]
    assert {predicting.predictions_file(main, split) for split in ("val", "test", "tune")} <= set(HERE)


def test_shipped_predictions_name_their_weights():
    assert all(stored.load(path)[1]["weights"] == PREDICTED[path].file for path in HERE)


def test_videos_for_tuning_are_seen_by_no_network():
    seen = {v.name for v in puppets.videos("train", n=860, render=False)}
    tuning = training.videos_of("tune", 3)
    assert len(tuning) == 3 and not seen & {v.name for v in tuning}
    assert [v.name for v in training.videos_of("val", 2)] == [v.name for v in puppets.videos("val", n=2)]


def test_frozen_clips_show_one_frame_and_keep_its_number():
    plan, video = stage_one()["tubes-centre-scratch"], puppets.videos("val", n=1)[0]
    torch.manual_seed(0)
    model = tubes.build(plan.network)
    found = predicting.detect_frozen(plan, model, video, [5, 9])
    alone = tubes.detect(model, [video.frames[9]])
    assert set(found.frame) <= {5, 9} and len(found.at(9)) == len(alone)
    np.testing.assert_allclose(found.at(9).box, alone.box)


def test_joints_in_given_boxes_are_kept_with_their_source(tmp_path, monkeypatch):
    plan = stage_one()["keypoint_rcnn"]
    video = puppets.videos("val", n=1)[0]
    given = video.people[np.isin(video.people.frame, [3, 4])]
    given = given[(given.box[:, 2:] - given.box[:, :2] > 1).all(1)]
    path = predicting.predict_in_boxes(plan, [given], "truth", "val", folder=tmp_path)
    kept, facts = stored.load(path)
    assert path.name == f"{Path(plan.file).stem}-truth-val.npz" and facts["boxes"] == "truth"
    assert facts["weights"] == plan.file and "log" in facts["training"]
    np.testing.assert_allclose(kept[video.name].box, given.box, atol=1 / 64)


@pytest.mark.parametrize(
    "path", [p for p in HERE if weights.FOLDER / PREDICTED[p].file in SHIPPED], ids=lambda p: p.stem
)
def test_shipped_predictions_are_the_networks_own(path):
    """The network runs again on three frames of the first and the last video."""
    kept, facts = stored.load(path)
    plan = PREDICTED[path]
    split = next(s for s in SPLITS[::-1] if path.stem == f"{Path(plan.file).stem}-{s}")
    assert int(facts["seed"]) == plan.recipe.seed and facts["date"] and facts["device"]
    videos = training.videos_of(split.removeprefix("frozen-"), len(kept))
    assert [v.name for v in videos] == list(kept)
    model = obtain(plan)
    for video in (videos[0], videos[-1]):
        which = {0, len(video) // 2, len(video) - 1}
        kept = kept[video.name]
        which = sorted(t for t in which if t in kept.frame)
        look = predicting.detect_frozen if split.startswith("frozen") else predicting.detect
        again = look(plan, model, video, which)
        for t in which:
            a, b = again.at(t), kept.at(t)
            sure = lambda p: p[p.score > 0.1]  # at the floor itself rounding may decide
            a, b = sure(a), sure(b)
            assert len(a) == len(b)
            assert np.abs(a.box - b.box).max(initial=0) < 0.1 and np.abs(a.score - b.score).max(initial=0) < 0.01
            assert (np.abs(a.xy - b.xy).max(-1) > 0.1).mean() < 0.01 if len(a) else True  # a tie may move one


def test_paper_sized_plans_are_the_same_plans_with_larger_networks():
    slim, paper = stage_one(), stage_one(size="paper")
    assert slim.keys() == paper.keys() and not {p.file for p in slim.values()} & {p.file for p in paper.values()}
    for label in ("detector-rfcn", "backbone-18-c4", "tubes-mean-pretrained"):
        model = training._build(paper[label].network)
        assert paper[label].recipe.steps == slim[label].recipe.steps
        assert sum(p.numel() for p in model.parameters()) > 8e6
    with pytest.raises(WorkbookError, match="size 'huge' of the networks is unknown; there are slim, paper"):
        stage_one(size="huge")
