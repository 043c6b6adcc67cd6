"""The recipes of CONTRIBUTING, followed with toys: what they name is all that has to be touched."""

import json
import re
import shutil
from dataclasses import FrozenInstanceError, dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from helpers import WorkbookError, datasets, ledger, papers, puppets, weights, worlds
from helpers.__main__ import main
from helpers.datasets.posetrack_writing import write_posetrack18
from helpers.detections import predicting
from helpers.detections.simulated import simulate_detections
from helpers.experiments import runs
from helpers.nets import registry
from helpers.notebook import widgets
from helpers.people import Video, people
from helpers.tracking import on_files, track
from helpers.training import Plan, obtain, weight_file
from helpers.training.loop import Recipe, Span
from tests import mutants

RECIPES = dict(
    re.findall(r"### Add a (\w+(?: set)?)\n(.*?)(?=\n##)", Path("CONTRIBUTING.md").read_text(encoding="utf-8"), re.S)
)


def test_recipes_are_short():
    assert sorted(RECIPES) == ["claim", "data set", "network", "notebook", "tracker", "widget"]
    assert all(len(text.strip().splitlines()) <= 15 for text in RECIPES.values())


# --- a tracker ------------------------------------------------------------------------------------


class LeftToRight:
    """A toy: ids count people from left to right."""

    def __init__(self, match=None, limit=None, memory=None):
        pass

    def step(self, frame_people, image=None):
        return np.argsort(np.argsort(frame_people.box[:, 0], kind="stable"), kind="stable")


class Forgetful:
    """A toy that breaks the contract: everybody is number 0."""

    def __init__(self, match=None, limit=None, memory=None):
        pass

    def step(self, frame_people, image=None):
        return np.zeros(len(frame_people), int)


def _size(thing) -> int:
    """How many numbers an object holds in arrays, anywhere below it."""
    if isinstance(thing, np.ndarray):
        return thing.size
    parts = thing.values() if isinstance(thing, dict) else thing if isinstance(thing, (list, tuple, set)) else None
    if parts is None:
        parts = vars(thing).values() if hasattr(thing, "__dict__") else ()
    return sum(map(_size, parts))


def keeps_the_contract(method):
    """Different ids in each frame; online as at once; a window that does not grow with the video."""
    (video,) = puppets.videos("val", n=1, render=False)
    found = simulate_detections(video, 0)
    make = on_files.tracker_maker(method, "hungarian", np.inf, 1)
    whole = track(found, make(), len(video))
    pairs = np.stack([whole.frame, whole.track], 1)
    half = len(video) // 2
    first = track(found[found.frame < half], make(), half)
    tracker, sizes = make(), []
    for _ in range(30):
        for now in found.by_frame(len(video)):
            tracker.step(now)
        sizes.append(_size(tracker))
    different = len(np.unique(pairs, axis=0)) == len(pairs) and whole.track.min() >= 0
    return different and (first.track == whole.track[whole.frame < half]).all() and sizes[-1] <= 2 * sizes[0] + 100


@pytest.mark.parametrize("method", on_files.TRACKERS)
def test_every_tracker_keeps_the_contract(method):
    assert keeps_the_contract(method)


def test_a_toy_tracker_by_the_recipe(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(on_files.TRACKERS, "left_to_right", LeftToRight)
    monkeypatch.setitem(on_files.TRACKERS, "forgetful", Forgetful)
    assert keeps_the_contract("left_to_right") and not keeps_the_contract("forgetful")
    (video,) = puppets.videos("val", n=1, render=False)
    write_posetrack18(tmp_path / "in", [video])
    assert main(["track", str(tmp_path / "in"), "--method", "left_to_right", "--out", str(tmp_path / "out")]) == 0
    assert "tracks" in capsys.readouterr().out
    assert main(["track", str(tmp_path / "in"), "--method", "right_to_left", "--out", str(tmp_path / "out")]) == 1
    assert "left_to_right" in capsys.readouterr().err


# --- a data set ------------------------------------------------------------------------------------


def read_toy(folder: Path, split: str) -> list[Video]:
    """A toy: one number per line is where somebody stands."""
    xs = [float(line) for line in (folder / f"{split}.txt").read_text().split()]
    xy = np.stack([np.full((15, 2), x) for x in xs])
    box = np.stack([[x - 5, x - 5, x + 5, x + 5] for x in xs])
    everyone = people(
        frame=np.arange(len(xs)), box=box, xy=xy, track=np.zeros(len(xs), int), head=np.full(len(xs), 9.0)
    )
    return [Video("toy", (100, 100), np.ones(len(xs), bool), everyone)]


def test_a_toy_data_set_by_the_recipe(monkeypatch, tmp_path):
    monkeypatch.setenv("POSE_WORKBOOK_DATA", str(tmp_path))
    monkeypatch.setattr(datasets, "NAMES", (*datasets.NAMES, "toy"))
    (tmp_path / "hashes.txt").write_text(f"toy/val.txt {'0' * 64}\n")
    monkeypatch.setattr(datasets, "HASHES", tmp_path / "hashes.txt")
    monkeypatch.setitem(worlds.READERS, "toy", read_toy)
    assert datasets.find("toy") is None and "toy" in datasets.missing("toy")
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "val.txt").write_text("10\n12\n")
    (video,) = worlds.load("toy")
    assert len(video) == 2 and worlds.available("toy") == ["toy"]
    assert not np.isnan(simulate_detections(video, 0).box).any()


# --- a claim ------------------------------------------------------------------------------------


TOYS = [{"name": "toys", "unit": "toys", "range": [1, None], "printed": 2}]


def test_a_toy_claim_by_the_recipe(monkeypatch, tmp_path):
    shutil.copytree(papers.FOLDER, tmp_path / "papers")
    path = tmp_path / "papers" / "protracker.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    pattern = next(c for c in content["claims"] if c["kind"] == "measured")
    content["claims"].append(pattern | {"id": "PT-C99", "statement": "Toys count.", "components": TOYS})
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.setattr(papers, "FOLDER", tmp_path / "papers")
    _forget(monkeypatch)
    monkeypatch.setenv("POSE_WORKBOOK_OUT", str(tmp_path))
    outcome = runs.result("PT-C99", "puppets", "network", lambda v, s: 2.0, (1, 12))
    ledger.record("99_toy", [outcome], "laptop", "puppets")
    (row,) = [row for row in ledger.ledger(tmp_path) if row["id"] == "PT-C99"]
    assert row["verdict"] == "holds" and row["results"][0]["n_videos"] == 12
    _forget(monkeypatch)


def _forget(monkeypatch):
    for name in dir(papers):
        if hasattr(clear := getattr(papers, name), "cache_clear"):
            clear.cache_clear()


# --- a network ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MiddleConfig:
    """A toy that learns where on average people stand, and finds one person there in every frame."""

    joints: int = 15


class Middle(nn.Module):
    """Two numbers, the place of all joints as a share of the image."""

    def __init__(self, config):
        super().__init__()
        self.config, self.place = config, nn.Parameter(torch.zeros(2))

    def forward(self, places):
        return {"loss": ((places - self.place) ** 2).mean()}


def _middle_batches(videos, config, batch, seed):
    people = [v.people[v.people.present.all(1)] for v in videos]
    places = np.concatenate([p.xy.mean(1) / v.size for p, v in zip(people, videos, strict=True)])

    def draw(step):
        rows = np.random.default_rng([seed, step]).integers(len(places), size=batch)
        return [torch.tensor(places[rows], dtype=torch.float32)]

    return draw


def _middle_detect(model, frames, which=None, score_floor=0.0):
    which = np.arange(len(frames)) if which is None else np.asarray(which)
    height, width = frames[0].shape[:2]
    x, y = model.place.detach().numpy() * [width, height]
    box = np.tile([x - 8, y - 8, x + 8, y + 8], (len(which), 1))
    return people(frame=which, box=box, xy=np.tile([x, y], (len(which), 15, 1)), score=np.full(len(which), 0.5))


MIDDLE = SimpleNamespace(
    Config=MiddleConfig,
    build=Middle,
    start_from=lambda first, config: first or Middle(config),
    batches=_middle_batches,
    detect=_middle_detect,
)


def test_a_toy_network_by_the_recipe(monkeypatch, tmp_path):
    plan = Plan("middle", MiddleConfig(), Recipe(Span("train", 0, 1), steps=60, rate=0.05, warm_up=1))
    with pytest.raises(WorkbookError, match="not registered"):
        obtain(plan, data=tmp_path)
    monkeypatch.setitem(registry.NETWORKS, MiddleConfig, MIDDLE)
    model = obtain(plan, data=tmp_path)
    log = json.loads(weights.metadata(weight_file(plan, tmp_path))["log"])
    assert log[-1]["loss"] < log[0]["loss"] / 2
    torch.testing.assert_close(obtain(plan, data=tmp_path).place, model.place, rtol=1e-3, atol=1e-3)
    (found,), facts = predicting.found_by(plan, "val", 1, device="cpu", data=tmp_path)
    (again,), _ = predicting.found_by(plan, "val", 1, data=tmp_path)
    (video,) = puppets.videos("val", n=1, render=False)
    assert found.frame.tolist() == np.flatnonzero(video.labelled).tolist() and facts["weights"] == plan.name
    assert (found.box == again.box).all()
    longer = replace(plan, recipe=replace(plan.recipe, steps=61))  # what an older plan found is not this one's
    with pytest.raises(WorkbookError, match="does not ship"):
        predicting.found_by(longer, "val", 1, data=tmp_path)
    assert len(predicting.found_by(plan, "val", 2, device="cpu", data=tmp_path)[0]) == 2
    every = len(predicting.found_by(replace(plan, every=4), "val", 1, device="cpu", data=tmp_path)[0][0])
    assert every == (len(found) + 3) // 4


@pytest.mark.parametrize("config", registry.NETWORKS, ids=lambda c: c.__name__)
def test_every_network_has_the_face(config):
    module = registry.NETWORKS[config]
    assert all(callable(getattr(module, name)) for name in ("build", "start_from", "batches"))
    assert hasattr(module, "detect") or hasattr(module, "score")
    with pytest.raises(FrozenInstanceError):
        config.__new__(config).anything = 1


# --- planted faults ------------------------------------------------------------------------------


def test_every_planted_fault_still_stands_where_it_was():
    """`make mutants` can run: each row's old text is there once, a module stays Python, its tests exist."""
    planted = mutants.rows()
    rooms = {path.name for path in Path("helpers").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert len(planted) >= 60 and rooms | {"helpers"} == {mutants.room(row) for row in planted}
    for file, _, name in (test.partition("::") for row in planted for test in row["tests"]):
        assert f"def {name}" in Path(file).read_text(encoding="utf-8")


# --- a widget -------------------------------------------------------------------------------------

COUNTER = """import { button, stage } from "./base.js";

export function render({ model, el }) {
  const more = button("0", "count", () => frame.change({ count: frame.view().count + 1 }));
  const frame = stage(model, el, { label: model.get("title"), draw: view => { more.textContent = view.count; } });
  frame.body.append(more);
  return frame.close;
}
export default { render };
"""


class Counter(widgets.Live):
    """A toy: counts, and Python doubles."""

    kind = "counter"

    def __init__(self):
        super().__init__("a counter", {}, {"count": 0})

    def checked(self, view):
        if not isinstance(view["count"], int):
            raise WorkbookError(f"count: {view['count']} is not a whole number.")
        return view

    def answers(self, view):
        return {"twice": 2 * view["count"]}

    def draw(self, view):
        return np.full((8, 8, 3), view["count"], np.uint8)


@pytest.fixture
def counter(monkeypatch, tmp_path):
    scripts = shutil.copytree(widgets.base.SCRIPTS, tmp_path / "js")
    (scripts / "counter.js").write_text(COUNTER, encoding="utf-8")
    monkeypatch.setattr(widgets.base, "SCRIPTS", scripts)
    widgets.base.script.cache_clear()
    yield Counter()
    widgets.base.script.cache_clear()


def test_a_toy_widget_by_the_recipe(counter, capsys):
    counter.check(count=2)
    assert counter.move(count=3) == {"twice": 6} and counter.view == {"count": 3}
    assert "export function render" in counter._esm and 'from "./base.js"' not in counter._esm
    assert '"count":3' in counter.without_kernel() and "twice" in counter.without_kernel()
    with pytest.raises(WorkbookError, match="count: 1.5 is not a whole number"):
        counter.move(count=1.5)
