"""Weights by configuration, refused when another's or broken; training that resumes where it stopped."""

import itertools
import json
import lzma
import os
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from safetensors.torch import load as tensors
from safetensors.torch import save as bytes_of
from torch import nn

from helpers import WorkbookError, artefacts, files, making, places, puppets, training, weights
from helpers.detections import predicting, stored
from helpers.nets import keypoint_rcnn, resnet, track_lstm, tubes
from helpers.nets.registry import NETWORKS, module_of
from helpers.people import Video, concatenate, people
from helpers.training import Plan, Recipe, Span, fit, obtain, rate_at, stage_one

RECIPE = Recipe(Span("train", 0, 1), steps=40, rate=0.05, warm_up=5)
CONFIG = {"network": keypoint_rcnn.SLIM, "recipe": RECIPE}


def blank_line() -> nn.Module:
    return nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Dropout(0.2), nn.Linear(4, 1))


def line() -> nn.Module:
    torch.manual_seed(0)
    return blank_line()


def fits_a_sine(model, step):
    x = torch.linspace(-2, 2, 32)[:, None]
    return {"square": ((model(x) - x.sin()) ** 2).mean()}


# --- files --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Net:
    width: int = 3


@dataclass(frozen=True)
class YoungerNet:
    width: int = 3
    depth: int = 2
    body: resnet.BodyConfig = resnet.BodyConfig()


def test_a_new_field_with_its_default_orphans_nothing_and_another_value_does(tmp_path):
    path = weights.save(tmp_path / "a.safetensors.xz", line(), {"network": Net(), "start": ""})
    weights.load(path, blank_line(), {"network": YoungerNet(), "start": ""})  # a class by another name, too
    for other, field in ((YoungerNet(depth=3), "depth"), (YoungerNet(width=4), "width")):
        with pytest.raises(WorkbookError, match=rf"network\.{field} is \d and not \d"):
            weights.load(path, blank_line(), {"network": other, "start": ""})
    with pytest.raises(WorkbookError, match=r"network\.body\.depth is 50 and not 18"):
        weights.load(path, blank_line(), {"network": YoungerNet(body=resnet.BodyConfig(18)), "start": ""})
    with pytest.raises(WorkbookError, match="start is '' and not 'another-0'"):
        weights.load(path, blank_line(), {"network": Net(), "start": "another-0"})
    path = weights.save(path, line(), {"network": YoungerNet(), "start": ""})
    with pytest.raises(WorkbookError, match=r"network\.body"):  # a field that is gone
        weights.load(path, blank_line(), {"network": Net(), "start": ""})


def test_what_is_saved_is_loaded_with_its_facts(tmp_path):
    model = line()
    path = weights.save(tmp_path / "a.safetensors.xz", model, CONFIG, half=False, seed=3, device="cpu")
    other = weights.load(path, blank_line(), CONFIG)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    facts = weights.metadata(path)
    assert facts["seed"] == "3" and facts["date"].startswith("20") and not other.training
    assert json.loads(facts["configuration"]) == weights.spelled_out(CONFIG)
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors.xz"]


def test_half_precision_stores_half_and_loads_float(tmp_path):
    model = line()
    path = weights.save(tmp_path / "a.safetensors.xz", model, CONFIG)
    assert tensors(lzma.decompress(path.read_bytes()))["0.weight"].dtype == torch.float16
    loaded = weights.load(path, blank_line(), CONFIG)[0].weight
    torch.testing.assert_close(loaded, model[0].weight, rtol=1e-3, atol=1e-4)


def test_weights_of_another_configuration_are_refused_by_name(tmp_path):
    path = weights.save(tmp_path / "a.safetensors.xz", line(), CONFIG)
    other = CONFIG | {"network": replace(keypoint_rcnn.SLIM, channels=65)}
    with pytest.raises(WorkbookError, match=r"a\.safetensors\.xz: .*network\.channels is 64 and not 65"):
        weights.load(path, line(), other)


def test_tensors_that_do_not_fit_are_refused_by_name(tmp_path):
    path = weights.save(tmp_path / "a.safetensors.xz", line(), CONFIG)
    with pytest.raises(WorkbookError, match=r"a\.safetensors\.xz: the tensor 3\.weight"):
        weights.load(path, nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Dropout(), nn.Linear(4, 2)), CONFIG)


def test_tensors_besides_the_networks_and_numbers_that_are_none_are_refused(tmp_path):
    good = line().state_dict()
    facts = {"configuration": json.dumps(weights.spelled_out(CONFIG))}
    for change, reason in (
        ({"more": torch.zeros(2)}, "more is missing, not the network's"),
        ({"0.bias": torch.full((4,), float("nan"))}, r"0\.bias is of another kind of number or not finite"),
        ({"0.bias": torch.tensor([0, 0, 0, float("inf")])}, r"0\.bias is of another kind of number or not finite"),
        ({"0.bias": torch.zeros(4, dtype=torch.int32)}, r"0\.bias is of another kind of number"),
    ):
        (tmp_path / "a.xz").write_bytes(weights.packed(bytes_of(good | change, facts)))
        with pytest.raises(WorkbookError, match=rf"a\.xz: the tensor {reason}"):
            weights.load(tmp_path / "a.xz", line(), CONFIG)


@pytest.mark.parametrize("keep", [0, 4, 40, -1])
def test_a_truncated_file_is_one_sentence(tmp_path, keep):
    path = weights.save(tmp_path / "a.safetensors.xz", line(), CONFIG)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WorkbookError, match=r"a\.safetensors\.xz: is truncated"):
        weights.load(path, line(), CONFIG)


def test_missing_files_and_files_without_configuration(tmp_path):
    with pytest.raises(WorkbookError, match="is missing"):
        weights.load(tmp_path / "none.safetensors", line(), CONFIG)
    (tmp_path / "bare.safetensors").write_bytes(weights.packed(bytes_of(line().state_dict())))
    with pytest.raises(WorkbookError, match="configuration is missing"):
        weights.load(tmp_path / "bare.safetensors", line(), CONFIG)


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
    assert all(b["seconds"] >= a["seconds"] for a, b in itertools.pairwise(log))


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
    assert len(log) == 40 and all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), fresh.parameters(), strict=True)
    )


def test_a_checkpoint_of_another_recipe_or_a_broken_one_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    fit(line(), fits_a_sine, RECIPE, checkpoint=path, every=10)
    with pytest.raises(WorkbookError, match=r"run\.pt: is the checkpoint of another recipe"):
        fit(line(), fits_a_sine, replace(RECIPE, rate=0.1), checkpoint=path)
    with pytest.raises(WorkbookError, match=r"run\.pt: is the checkpoint of another network or start"):
        fit(line(), fits_a_sine, RECIPE, checkpoint=path, origin="another network")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(WorkbookError, match=r"run\.pt: is no readable checkpoint"):
        fit(line(), fits_a_sine, RECIPE, checkpoint=path)


def test_a_checkpoint_that_holds_something_else_is_one_sentence(tmp_path):
    path = tmp_path / "run.pt"
    fit(line(), fits_a_sine, RECIPE, checkpoint=path, every=10)
    good = torch.load(path, weights_only=True)
    changes = [{"model": {"w": torch.zeros(2)}}, {"log": []}, {"log": 3 * good["log"]}, {"log": [{}]}, {"log": 5}]
    lacking = [{k: v for k, v in good.items() if k != field} for field in good]
    for state in [[1], {}, *lacking, *(good | change for change in changes)]:
        torch.save(state, path)
        with pytest.raises(WorkbookError, match=r"run\.pt: is no readable checkpoint \(\w+\); delete it\.$"):
            fit(line(), fits_a_sine, RECIPE, checkpoint=path)


def test_an_interrupted_training_goes_on_only_from_the_same_network_and_start(tmp_path, monkeypatch):
    """The same command after its network's dropout, or the file that it starts from, has changed."""

    def stop(step, row):
        if step == 100:
            raise KeyboardInterrupt

    def begin(plan, **more):
        return obtain(plan, data=tmp_path, again=True, **more)

    plan = replace(stage_one(7)["lstm-box"], label="tried")
    plan = replace(
        plan, recipe=Recipe(Span("train", 0, 2), 102, batch=1), network=track_lstm.LstmConfig(embedding=4, hidden=4)
    )
    plan = replace(plan, start=replace(plan, label="start", recipe=replace(plan.recipe, steps=1)))
    with pytest.raises(KeyboardInterrupt):
        begin(plan, report=stop)
    with pytest.raises(WorkbookError, match=r"tried-7\.pt: is the checkpoint of another network or start"):
        begin(replace(plan, network=replace(plan.network, dropout=0.9)))
    first = training.weight_file(plan.start, tmp_path)
    other, kept = module_of(plan.network).build(plan.network), first.read_bytes()
    weights.save(first, other, plan.start.configuration)
    with pytest.raises(WorkbookError, match=r"tried-7\.pt: is the checkpoint of another network or start"):
        begin(plan)
    first.write_bytes(kept)
    said = []
    begin(plan, report=lambda step, row: said.append(step))
    assert said == [100, 101]


def test_a_loss_that_is_not_finite_stops_in_one_sentence():
    with pytest.raises(WorkbookError, match="loss of step 0 is not finite"):
        fit(line(), lambda m, s: {"bad": m(torch.full((1, 1), float("nan"))).sum()}, RECIPE)


def test_the_rate_warms_up_and_falls():
    rates = [rate_at(RECIPE, s) for s in range(RECIPE.steps)]
    assert rates[0] == pytest.approx(0.01) and max(rates) == rates[4] == pytest.approx(0.05)
    assert all(a >= b for a, b in itertools.pairwise(rates[4:])) and rates[-1] < 0.1 * RECIPE.rate


def test_a_gpu_that_is_not_there_is_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(WorkbookError, match='device "cuda" was asked for but no GPU is found'):
        fit(line(), fits_a_sine, RECIPE, device="cuda")
    with pytest.raises(WorkbookError, match="device 'tpu' is unknown"):
        fit(line(), fits_a_sine, RECIPE, device="tpu")


# --- training-time sampling -----------------------------------------------------------------------


def drawn_by(label, seed, videos, steps=range(40), **changes):
    plan = stage_one(seed)[label]
    network = replace(plan.network, **changes)
    draw = module_of(network).batches(videos, network, 4, plan.recipe.seed)
    return [draw(step) for step in steps]


@pytest.fixture(scope="module")
def small_videos():
    """Three videos of six frames whose pixels say which video and frame they are; frames 1 to 3 are labelled."""
    truth = puppets.videos("train", n=1, render=False)[0].people
    truth = truth[truth.frame == truth.frame[0]]
    out = []
    for v in range(3):
        frames = [np.full((18, 32, 3), 20 * v + t, np.uint8) for t in range(6)]
        frames = [np.concatenate([f[:, :16], f[:, 16:] + 100], 1) for f in frames]  # the right half is brighter
        people = concatenate([truth.replace(frame=np.full(len(truth), t)) for t in range(1, 4)])
        people = people.replace(box=np.tile([2.0, 2, 10, 12], (len(people), 1)))
        out.append(Video(f"v{v}", (32, 18), np.isin(np.arange(6), [1, 2, 3]), people, frames=frames))
    return out


def what(image, t=0):
    """(video, frame, mirrored?) of an image drawn from `small_videos`, of its t-th frame."""
    left, right = (int(torch.round(255 * image[3 * t, 0, k])) for k in (0, -1))
    low = min(left, right)
    return low // 20, low % 20, left > right


@pytest.mark.parametrize("label", ["keypoint_rcnn", "averaged-centre", "tubes-centre-boxes", "tubes-2d-boxes"])
def test_training_draws_labelled_frames_alike_and_mirrors_half_of_them(label, small_videos):
    config = stage_one()[label].network
    length = getattr(config, "frames", 1)
    seen = [what(image, length // 2) for images, _ in drawn_by(label, 0, small_videos) for image in images]
    labelled = {2} if label == "tubes-centre-boxes" else {1, 2, 3}  # clips all of whose frames are labelled
    assert {(v, t) for v, t, _ in seen} == {(v, t) for v in range(3) for t in labelled}
    assert 0.35 < np.mean([m for *_, m in seen]) < 0.65
    for images, targets in drawn_by(label, 0, small_videos, range(5)):
        for image, wanted in zip(images, targets, strict=True):
            assert image.shape[0] == 3 * length
            box = next(wanted[k] for k in ("boxes", "tubes") if k in wanted).reshape(-1, 4)[0].tolist()
            assert box == ([22, 2, 30, 12] if what(image)[2] else [2, 2, 10, 12])
            assert [what(image, t)[1] for t in range(length)] == [
                what(image, length // 2)[1] + t - length // 2 for t in range(length)
            ]


def test_runs_do_not_share_their_data_and_a_step_does_not_depend_on_the_one_before(small_videos):
    """Seed and step are two numbers: seed 1 at step 0 is not seed 0 at step 1."""
    for label in ("keypoint_rcnn", "tubes-2d-boxes", "averaged-mean"):
        runs = [
            [tuple(map(what, images)) for images, _ in drawn_by(label, seed, small_videos, range(12))]
            for seed in range(3)
        ]
        assert len({batch for run in runs for batch in run}) == 36
        alone = drawn_by(label, 1, small_videos, [7])[0][0]
        assert tuple(map(what, alone)) == runs[1][7]


def test_the_lstms_runs_do_not_share_their_data_either():
    videos = puppets.videos("train", n=2, render=False)
    runs = [drawn_by("lstm-box", seed, videos, range(12)) for seed in range(3)]
    firsts = [tracks.numpy().tobytes() for run in runs for tracks, *_ in run]
    assert len(set(firsts)) == 36
    lengths = {len(tracks) for run in runs for tracks, *_ in run}
    assert max(lengths) <= 12 and len(lengths) > 5


def test_questions_read_only_frames_in_a_row():
    """A person who leaves and comes back has two tracks to read, none across the gap."""
    here = [*range(13), 20, 21]
    box = np.array([[t, 0.0, t + 10, 20] for t in here])
    video = Video("v", (100, 50), np.ones(22, bool), people(frame=here, box=box, track=[4] * 15))
    questions = track_lstm.Questions([video], "box")
    assert questions.examples[:, [1, 3]].tolist() == [*([t, t] for t in range(1, 13)), [21, 1]]
    for step in range(30):
        tracks, candidates, same = questions.batch(3, step, 0)
        last = tracks[-1, :, 0] * 100
        assert ((candidates[0, :, 0] * 100 - last).round() == 1).all() and (same == 1).all()


def test_a_plan_trains_on_its_own_videos(monkeypatch):
    asked = []

    def videos(split, n, first=0, **_):
        asked.append((split, first, first + n))
        return []

    monkeypatch.setattr(puppets, "videos", videos)
    monkeypatch.setattr(keypoint_rcnn, "batches", lambda videos, network, batch, seed: (batch, seed))
    plans = stage_one(2)
    drawn = [training.batches(plans[f"keypoint_rcnn{part}"]) for part in ("-stills", "-middle", "-wide", "-late", "")]
    assert asked == [("train", 60, 860), ("train", 0, 60), *[("train", 0, 860)] * 3]
    assert drawn == [(4, 0), (4, 2), (4, 2), (4, 102), (4, 202)]  # a later stretch draws other frames


def test_the_warm_up_ends_at_the_peak_and_the_cosine_at_its_share():
    recipe = replace(RECIPE, rate=1.0, warm_up=4, steps=12)
    rates = [rate_at(recipe, step) for step in range(13)]
    assert rates[:5] == pytest.approx([0.25, 0.5, 0.75, 1, 1])
    assert rates[8] == pytest.approx(0.51) and rates[12] == pytest.approx(0.02)


def test_a_resumed_run_begins_at_the_step_after_the_checkpoint(tmp_path):
    seen = []

    def losses(model, step):
        seen.append(step)
        if step == 7 and len(seen) == 8:
            raise KeyboardInterrupt
        return fits_a_sine(model, step)

    short = replace(RECIPE, steps=10)
    with pytest.raises(KeyboardInterrupt):
        fit(line(), losses, short, checkpoint=tmp_path / "run.pt", every=3)
    log = fit(blank_line(), losses, short, checkpoint=tmp_path / "run.pt", every=3)
    assert seen == [*range(8), *range(6, 10)] and len(log) == 10


def test_what_a_network_draws_differs_from_step_to_step_and_from_seed_to_seed():
    drawn = []

    def losses(model, step):
        drawn.append(torch.rand(1).item())
        return fits_a_sine(model, step)

    for seed in (0, 1):
        fit(line(), losses, replace(RECIPE, steps=5, seed=seed))
    assert len(set(drawn)) == 10


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    found = people(frame=[0], box=[[0, 0, 5, 6]], score=[0.5])
    monkeypatch.setattr(files.os, "replace", full)
    for write in (
        lambda: weights.save(tmp_path / "w.xz", line(), CONFIG),
        lambda: stored.save(tmp_path / "p.npz", {"a": found}),
        lambda: fit(line(), fits_a_sine, RECIPE, checkpoint=tmp_path / "run.pt", every=5),
    ):
        with pytest.raises(WorkbookError, match=r"cannot be written \(No space left on device\)\.$"):
            write()
    assert not list(tmp_path.iterdir())


# --- the workbook's own networks ------------------------------------------------------------------


def test_every_network_has_the_same_face():
    for config, module in NETWORKS.items():
        assert module.Config is config and module_of(config()) is module
        assert all(callable(getattr(module, name)) for name in ("build", "start_from", "batches"))
        assert hasattr(module, "detect") != hasattr(module, "score")
    with pytest.raises(WorkbookError, match=r"network Net is not registered in helpers/nets/registry\.py"):
        module_of(Net())


def test_every_planned_network_has_a_name_of_its_own():
    plans = [plan for seed in range(3) for plan in stage_one(seed).values()]
    shared = [label for label, plan in stage_one(0).items() if plan.name == stage_one(1)[label].name]
    assert sorted(shared) == ["compared-stills", "keypoint_rcnn-stills", "tubes-boxes", "tubes-joints"]  # starts of all
    assert len({plan.name for plan in plans}) == len(plans) - 2 * len(shared)
    assert all(plan == other for plan in plans for other in plans if plan.name == other.name)


def test_a_budget_cuts_the_whole_chain_and_names_it():
    plan, whole = stage_one(0, "miniature", 3)["keypoint_rcnn"], stage_one(0)["keypoint_rcnn"]
    assert plan.name == "keypoint_rcnn-miniature-budget3-0" and plan.start.start.start.name.endswith(
        "-middle-miniature-budget3-0"
    )
    assert (plan.recipe.steps, plan.recipe.batch, plan.recipe.data) == (3, 3, Span("train", 0, 3))
    assert plan.start.start.start.start.recipe.data == Span("train", 60, 63) and whole.recipe.steps == 900
    assert training.scale("laptop", 3) == training.Scale() and training.scale("gpu") == training.Scale("paper", "cuda")
    for wrong in (0, "2", 1.5, True):
        with pytest.raises(WorkbookError, match=r"^budget .*: must be a whole number of steps from 1 on, or None\.$"):
            training.scale("gpu", wrong)


ROWS = artefacts.rows()
WEIGHTS = [row for row in ROWS if row.kind == "weights"]
PREDICTIONS = [row for row in ROWS if row.kind == "predictions"]


def test_every_file_has_a_row_and_every_row_a_file():
    there = [path for folder in (places.WEIGHTS, places.PREDICTIONS) for path in folder.iterdir()]
    assert sorted(there) == sorted(row.path for row in ROWS) and len({row.id for row in ROWS}) == len(ROWS)
    assert sum(path.stat().st_size for path in there) < 36e6


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_says_what_its_file_says(row):
    plan = making.plan_of(row)
    artefacts.content(row.path)  # the SHA-256
    assert row.id.startswith(plan.name) and row.seed == plan.seed
    if row.kind == "weights":
        facts = weights.metadata(row.path)
        assert row.id == plan.name and facts["data"] == str(plan.recipe.data) and int(facts["seed"]) == plan.recipe.seed
        return
    kept, facts = stored.load(row.path)
    assert facts["weights"] == plan.name and facts["seed"] == plan.recipe.seed and "log" in facts["training"]
    assert facts["score_floor"] == row.score_floor and facts.get("boxes", "own") == row.boxes
    videos = puppets.videos(row.split, n=row.videos, render=False)
    assert list(kept) == [v.name for v in videos]
    for video in videos:
        found = kept[video.name]
        assert (found.score >= row.score_floor - 1e-5).all()
        frames = np.flatnonzero(video.labelled) if row.labelled else np.arange(len(video))
        assert set(found.frame) <= set(frames[:: row.every])


@pytest.mark.parametrize("row", WEIGHTS, ids=lambda row: row.id)
def test_shipped_weights_load_and_have_learnt(row):
    plan = making.plan_of(row)
    model = obtain(plan)
    assert all(torch.isfinite(p).all() for p in model.parameters())
    facts = weights.metadata(row.path)
    assert {"device", "date", "minutes", "log"} <= facts.keys()
    curve = [sum(v for k, v in part.items() if k.startswith("loss")) for part in json.loads(facts["log"])]
    # From scratch the loss falls; what goes on from trained weights must not lose what they knew.
    assert min(curve[-5:]) < (1.1 if plan.start else 0.8) * curve[0]


def test_a_shipped_file_that_was_changed_is_one_sentence(tmp_path, monkeypatch):
    row = replace(PREDICTIONS[0])
    path = tmp_path / "changed.npz"
    content = bytearray(row.path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(artefacts.Artefact, "path", property(lambda self: path if self == row else tmp_path / self.id))
    with pytest.raises(WorkbookError, match=r"changed\.npz: is not the file that data/artefacts\.yaml lists"):
        stored.load(path)


def test_a_broken_list_of_artefacts_is_one_sentence(tmp_path):
    for text in ("- {id: a, kind: weights}", "- 3", "x: [", "- {id: a, colour: 3}", "\xff"):
        (tmp_path / "artefacts.yaml").write_text(text, encoding="latin-1")
        with pytest.raises(WorkbookError, match=r"artefacts\.yaml: is no list of artefacts \(.*\)\.$"):
            artefacts.rows(tmp_path / "artefacts.yaml")
    with pytest.raises(WorkbookError, match="artefact 'a-0' is unknown"):
        artefacts.row("a-0")
    with pytest.raises(WorkbookError, match=r"none\.yaml: is missing; only a clone"):
        artefacts.rows(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"seed": "0"}, "seed cannot be '0'"),
        ({"seed": True}, "seed cannot be True"),
        ({"seed": -1}, "seed cannot be -1"),
        ({"plan": ["p"]}, "plan cannot be"),
        ({"kind": "prediction"}, "kind cannot be 'prediction'"),
        ({"videos": -1}, "videos cannot be -1"),
        ({"every": 0}, "every cannot be 0"),
        ({"score_floor": 1.5}, r"score_floor cannot be 1\.5"),
        ({"sha256": "abc"}, "sha256 cannot be 'abc'"),
        ({"sha256": None}, "sha256 cannot be None"),
        ({"id": "../../x"}, r"id cannot be '\.\./\.\./x'"),
        ({"id": 5}, "id cannot be 5"),
        ({"colour": 3}, ".*unexpected keyword argument 'colour'"),
    ],
)
def test_a_row_that_no_file_can_have_is_named(tmp_path, change, reason):
    good = {"id": "a-0-val", "kind": "predictions", "plan": "a", "seed": 0, "videos": 1}
    (tmp_path / "a.yaml").write_text(json.dumps([good, good | {"id": "b"} | change]))
    with pytest.raises(WorkbookError, match=rf"^\S+a\.yaml: is no list of artefacts \(row 2(, \S+)?: {reason}.*\)\.$"):
        artefacts.rows(tmp_path / "a.yaml")


def test_an_id_stands_once_and_brackets_without_end_are_one_sentence(tmp_path):
    row = {"id": "a-0", "kind": "weights", "plan": "a", "seed": 0}
    for text, reason in ((json.dumps([row, row]), "a-0 stands there twice"), ("[" * 3000, "maximum recursion")):
        (tmp_path / "a.yaml").write_text(text)
        with pytest.raises(WorkbookError, match=rf"a\.yaml: is no list of artefacts \({reason}"):
            artefacts.rows(tmp_path / "a.yaml")


@pytest.fixture
def own_list(tmp_path, monkeypatch, request):
    """A data folder of its own: two rows of predictions and their files' folder."""
    request.addfinalizer(artefacts.rows.cache_clear)
    monkeypatch.setattr(artefacts, "FILE", tmp_path / "artefacts.yaml")
    monkeypatch.setattr(artefacts, "ROOT", tmp_path)
    artefacts.write([artefacts.Artefact(f"{k}-0-val", "predictions", k, 0, "", "val", 1) for k in "ab"])
    return tmp_path


def test_a_file_that_ships_must_be_listed(own_list, monkeypatch):
    for inside in ("weights/c-0.safetensors.xz", "predictions/c-0-val.npz"):
        (own_list / inside).parent.mkdir()
        (own_list / inside).write_bytes(b"anything")
        monkeypatch.chdir(own_list)
        for path in (own_list / inside, Path(inside)):
            with pytest.raises(WorkbookError, match=r"c-0.*: is no file that data/artefacts\.yaml lists\.$"):
                artefacts.content(path)
    (own_list / "c-0-val.npz").write_bytes(b"of my own")
    assert artefacts.content(own_list / "c-0-val.npz") == b"of my own"


def test_two_processes_that_publish_keep_each_others_sha(own_list):
    """Both have read the list before either writes; and nobody writes while another one does."""
    for name in "ab":
        before = artefacts.rows()
        artefacts.publish(f"{name}-0-val", name.encode())
        if name == "a":
            listed = artefacts.FILE.read_text()
            artefacts.write(before)
            artefacts.rows()  # what the other process still has in its cache
            artefacts.FILE.write_text(listed)
    assert [artefacts.content(row.path) for row in artefacts.rows()] == [b"a", b"b"]


def test_a_list_is_written_by_one_process_at_a_time(own_list, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def write(rows):
        folder = os.open(own_list, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(folder)
        written.append(rows)

    written = []
    monkeypatch.setattr(artefacts, "write", write)
    artefacts.publish("a-0-val", b"a")
    assert written


def small_plan(monkeypatch):
    """A tiny chain: frame network on stills, from it a mean-inflated tube network."""
    small = tubes.TubeConfig(
        resnet.BodyConfig(18, width=8, stages=3),
        short_side=90,
        long_side=160,
        anchor_sizes=(24, 64),
        anchor_ratios=(2.0,),
        keypoint_width=8,
        anchors=16,
        rois=8,
        proposals=5,
        frozen_norm=False,
        scheme="mean",
    )
    first = Plan("first", tubes.frame_config(small), Recipe(Span("train", 1, 2), 1, batch=1))
    plan = Plan("second", small, Recipe(Span("train", 0, 1), 1, batch=1, rate=1e-9), first)
    monkeypatch.setattr(making, "stage_one", lambda seed=0: {"first": first, "second": plan})
    return plan


def test_a_plan_trains_what_it_starts_from_first_and_inflates_it(tmp_path, monkeypatch):
    plan = small_plan(monkeypatch)
    model = obtain(plan, data=tmp_path)
    start = training.load(plan.start, tmp_path)
    kernel = start.state_dict()["body.body.conv1.weight"] / 3
    assert model.state_dict()["body.body.conv1.weight"].shape[2] == 3
    torch.testing.assert_close(
        model.state_dict()["body.body.conv1.weight"], kernel.expand(-1, -1, 3, -1, -1), atol=1e-3, rtol=1e-2
    )
    assert {p.name for p in (tmp_path / "weights").iterdir()} == {"first-0.safetensors.xz", "second-0.safetensors.xz"}
    assert not (tmp_path / "checkpoints").exists()


def test_train_and_predict_make_a_row_from_nothing(tmp_path, monkeypatch, request):
    """Trained, predicted, published and listed with its SHA-256, all in a folder of its own."""
    small_plan(monkeypatch)
    request.addfinalizer(artefacts.rows.cache_clear)
    data, build, said = tmp_path / "data", tmp_path / "build", []
    rows = [
        artefacts.Artefact("second-0", "weights", "second", 0),
        artefacts.Artefact("second-0-val", "predictions", "second", 0, "", "val", 1, every=20, score_floor=0.3),
    ]
    artefacts.write(rows, data / "artefacts.yaml")
    read = artefacts.rows.__wrapped__
    monkeypatch.setattr(artefacts, "FILE", data / "artefacts.yaml")
    monkeypatch.setattr(artefacts, "ROOT", data)
    monkeypatch.setattr(making, "BUILD", build)
    with pytest.raises(WorkbookError, match="weights are missing; train them first: python -m helpers train second-0"):
        making.predict(["second-0-val"], say=said.append)
    making.train(["second-0"], update=True, say=said.append)
    making.predict([], update=True, say=said.append)
    listed = read(data / "artefacts.yaml")
    assert [replace(r, sha256="") for r in listed] == rows and all(len(r.sha256) == 64 for r in listed)
    kept, facts = stored.load(listed[1].path)
    assert facts["weights"] == "second-0" and facts["score_floor"] == 0.3 and len(kept) == 1
    assert listed[1].path == data / "predictions" / "second-0-val.npz" and listed[0].path.exists()
    assert len(said) == 3
    making.train([], missing=True, say=said.append)
    making.predict([], missing=True, say=said.append)
    assert len(said) == 3, "made again"


@pytest.mark.parametrize(
    "command, names, more, sentence",
    [
        ("train", ["lstm-box-0", "nope-0"], {}, "network 'nope-0' is unknown"),
        ("train", ["lstm-box-0"], {"device": "mps"}, "device 'mps' is unknown"),
        ("train", ["lstm-box-0", "lstm-box-99"], {"update": True}, r"lstm-box-99: is not in data/artefacts\.yaml, so"),
        ("predict", ["keypoint_rcnn-0-val", "nope"], {}, "artefact 'nope' is unknown"),
        ("predict", ["keypoint_rcnn-0-val", "lstm-box-0"], {}, "artefact lstm-box-0: holds weights"),
        ("predict", ["keypoint_rcnn-0-val"], {"device": "mps"}, "device 'mps' is unknown"),
    ],
)
def test_everything_asked_for_is_checked_before_anything_starts(tmp_path, monkeypatch, command, names, more, sentence):
    begun = []
    monkeypatch.setattr(making, "BUILD", tmp_path)
    monkeypatch.setattr(making, "obtain", lambda plan, *_, **__: begun.append(plan.name))
    monkeypatch.setattr(making.predicting, "predict", lambda row, *_: begun.append(row.id))
    make = getattr(making, command)
    with pytest.raises(WorkbookError, match=sentence):
        make(names, say=lambda _: None, **more)
    assert not begun
    make(names[:1] * 2, say=lambda _: None)
    assert begun == names[:1]  # asked for twice, made once


def test_without_the_list_nothing_is_trained(tmp_path, monkeypatch, request):
    request.addfinalizer(artefacts.rows.cache_clear)
    artefacts.rows.cache_clear()
    monkeypatch.setattr(artefacts, "FILE", tmp_path / "artefacts.yaml")
    monkeypatch.setattr(making, "obtain", None)
    with pytest.raises(WorkbookError, match=r"artefacts\.yaml: is missing; only a clone of the workbook"):
        making.train(["lstm-box-3"])


@pytest.mark.parametrize("name", ["keypoint_rcnn-²", "keypoint_rcnn-00", "lstm-box-" + 25 * "9", "x-" + 5000 * "9", ""])
def test_a_name_without_a_seed_is_one_sentence(name):
    with pytest.raises(WorkbookError, match="^network '.{0,80}' is unknown; a plan's label and a seed of at most nine"):
        making.plan_named(name)
    assert making.plan_named("lstm-box-999999999").recipe.seed == 999_999_999


def test_the_commands_say_what_they_need(capsys):
    from helpers.__main__ import main

    assert main(["predict", "--list"]) == 0 and len(capsys.readouterr().out.splitlines()) == len(ROWS)
    for words, sentence in (
        (["predict"], "names or --all are needed"),
        (["train", "keypoint_rcnn-0", "--all"], "names or --all are needed"),
        (["train", "yolo-0"], "network 'yolo-0' is unknown"),
        (["train", "yolo"], "network 'yolo' is unknown"),
        (["predict", "keypoint_rcnn-0"], "holds weights; `python -m helpers train keypoint_rcnn-0` makes them"),
        (["predict", "detector-fpn-0-val"], "train them first: python -m helpers train detector-fpn-0"),
    ):
        assert main(words) == 1
        error = capsys.readouterr().err
        assert sentence in error and error.startswith("error: ") and error.count("\n") == 1


@pytest.mark.parametrize("label", ["averaged-2d", "averaged-centre", "tubes-2d-joints", "tubes-centre-joints"])
def test_fixed_normalisation_starts_where_the_learnt_one_ended(label, tmp_path):
    """On a clip that stands still a 2-D and a centre-inflated network find what their start finds."""
    plan = stage_one()[label]
    plan = replace(plan, start=replace(plan.start, label="made"))
    torch.manual_seed(1)
    source = module_of(plan.start.network).build(plan.start.network)
    weights.save(artefacts.path_of("weights", "made-0", tmp_path), source, plan.start.configuration, half=False)
    model = training.begin(plan, tmp_path)
    assert not [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    video = puppets.videos("val", n=1)[0]
    before = predicting.detect(plan.start, source, replace(video, frames=[video.frames[9]]))
    after = predicting.detect(plan, model, replace(video, frames=[video.frames[9]]))
    built = module_of(plan.network).build(plan.network)
    assert len(after) == len(before) and model.state_dict().keys() == built.state_dict().keys()
    np.testing.assert_allclose(after.box, before.box, atol=0.05)


def test_a_detector_of_another_kind_takes_the_body_alone():
    plan = stage_one()["detector-rfcn"]
    source = keypoint_rcnn.build(plan.start.network)
    body, kept = (m.backbone.body.state_dict() for m in (keypoint_rcnn.start_from(source, plan.network), source))
    assert torch.equal(body["layer3.0.conv1.conv.weight"], kept["layer3.0.conv1.weight"])
    assert torch.equal(body["conv1.weight"], kept["conv1.weight"])
    assert not body["layer3.0.conv1.offset.weight"].any()


def test_a_network_of_the_same_kind_takes_everything_but_only_of_the_same_kind():
    config = replace(keypoint_rcnn.SLIM, short_side=90, long_side=160)
    source = keypoint_rcnn.build(config)
    for kind, same in ((config, True), (replace(config, frozen_norm=True), True), (replace(config, head="c4"), False)):
        taken = keypoint_rcnn.start_from(source, kind).state_dict()
        part = "roi_heads.keypoint_head.0.weight"
        assert torch.equal(taken[part], source.state_dict()[part]) == same
        assert torch.equal(taken["backbone.body.bn1.weight"], source.state_dict()["backbone.body.bn1.weight"])


def test_videos_for_tuning_are_seen_by_no_network():
    spans = {plan.recipe.data for seed in range(3) for plan in stage_one(seed).values()}
    assert max(span.last for span in spans) == 860 and {span.split for span in spans} == {"train"}
    tuning = puppets.videos("tune", n=1, render=False)[0]
    assert tuning.name == puppets.videos("train", n=1, first=860, render=False)[0].name


def test_frozen_clips_show_one_frame_and_keep_its_number():
    plan, video = stage_one()["tubes-centre-boxes"], puppets.videos("val", n=1)[0]
    torch.manual_seed(0)
    model = tubes.build(plan.network)
    found = predicting.detect_frozen(plan, model, video, [5, 9])
    alone = tubes.detect(model, [video.frames[9]])
    assert set(found.frame) <= {5, 9} and len(found.at(9)) == len(alone)
    np.testing.assert_allclose(found.at(9).box, alone.box)


def test_more_videos_than_ship_and_unknown_predictions_are_one_sentence():
    plan = stage_one()["keypoint_rcnn"]
    for asked, name in ((dict(split="val", n=101), "keypoint_rcnn-0-val"), (dict(split="train", n=1), "-train")):
        with pytest.raises(WorkbookError, match=rf"{name}.* videos does not ship; name a device to make it"):
            predicting.found_by(plan, **asked)
    found, _ = predicting.found_by(plan, "val", 3)
    assert len(found) == 3
    with pytest.raises(WorkbookError, match="lstm-box-0: this network links people and finds none"):
        predicting.detect(stage_one()["lstm-box"], None, None)


def test_joints_in_given_boxes_are_kept_with_their_source(tmp_path):
    plan = stage_one()["keypoint_rcnn"]
    video = puppets.videos("val", n=1)[0]
    given = predicting.true_boxes("val", 1)[0]
    given = given[np.isin(given.frame, [3, 4, 8])]
    given = given.replace(score=np.linspace(0, 1, len(given)))
    row = artefacts.Artefact("some", "predictions", "keypoint_rcnn", 0, "", "val", 1, boxes="truth", score_floor=0.1)
    kept, facts = stored.load(predicting.predict(row, plan, data=tmp_path, boxes=[given]))
    given = given[(given.score > 0.1) & video.labelled[given.frame]]
    assert facts["weights"] == plan.name and "log" in facts["training"] and facts["boxes"] == "truth"
    np.testing.assert_allclose(kept[video.name].box, given.box, atol=1 / 64)
    np.testing.assert_allclose(kept[video.name].score, given.score, atol=1e-4)


SHIPPED = [row for row in PREDICTIONS if making.plan_of(row).name in {w.id for w in WEIGHTS}]
OWN = [row for row in SHIPPED if not row.dense]
#: Of dense runs, which are looked at as wholes, those in the boxes of a detector's first training run.
RUNS = [row for row in SHIPPED if row.dense and row.boxes.endswith("-0")]


@pytest.mark.parametrize("row", OWN, ids=lambda row: row.id)
def test_shipped_predictions_are_the_networks_own(row):
    """The network runs again on a frame of the first and of the last video."""
    kept, plan = stored.load(row.path)[0], making.plan_of(row)
    model, boxes = obtain(plan), making._boxes(row)
    for k, video in ((k, puppets.videos(row.split, n=1, first=k)[0]) for k in (0, row.videos - 1)):
        there = np.unique(kept[video.name].frame)
        t = int(there[len(there) // 2])
        if boxes is not None:
            given = boxes[k][(boxes[k].frame == t) & (boxes[k].score > row.score_floor)]
            a = predicting.detect(plan, model, video, [t], boxes=given)
        else:
            a = (predicting.detect_frozen if row.frozen else predicting.detect)(plan, model, video, [t])
        a, b = (
            p[p.score > row.score_floor + 0.05] for p in (a, kept[video.name].at(t))
        )  # rounding decides at the floor
        assert len(a) == len(b) > 0
        assert np.abs(a.box - b.box).max() < 0.1 and np.abs(a.score - b.score).max() < 0.01
        assert (np.abs(a.xy - b.xy).max(-1) > 0.1).mean() < 0.01  # a tie may move one


@pytest.mark.parametrize("row", RUNS, ids=lambda row: row.id)
def test_shipped_dense_runs_are_the_networks_own(row):
    """The first video's run again, with whom a flow brings besides."""
    kept, plan = stored.load(row.path)[0], making.plan_of(row)
    (video,), boxes = puppets.videos(row.split, n=1), making._boxes(row)
    known = [one[0] for one in predicting._known(row, plan, "cpu", places.BUILD, boxes)] if row.flow else []
    found = predicting._in_run(row, obtain(plan), video, boxes[0], known)
    there = kept[video.name]
    assert found.frame.tolist() == there.frame.tolist() and set(found.frame) <= set(puppets.dense_run(video))
    assert (
        np.abs(found.box - there.box).max(initial=0) < 0.1 and np.abs(found.score - there.score).max(initial=0) < 0.01
    )
    assert (np.abs(found.xy - there.xy).max(-1) > 0.6).sum() <= 0.01 * found.present.size  # a tie may move one


def test_paper_sized_plans_are_the_same_plans_with_larger_networks():
    slim, paper = stage_one(), stage_one(size="paper")
    assert slim.keys() == paper.keys()
    assert {p.name for p in slim.values()} & {p.name for p in paper.values()} == set()
    for label in ("detector-rfcn", "backbone-18-c4", "tubes-mean-joints"):
        model = module_of(paper[label].network).build(paper[label].network)
        assert paper[label].recipe.steps == slim[label].recipe.steps
        assert sum(p.numel() for p in model.parameters()) > 8e6
    with pytest.raises(WorkbookError, match="size 'huge' of the networks is unknown; there are slim, paper"):
        stage_one(size="huge")
