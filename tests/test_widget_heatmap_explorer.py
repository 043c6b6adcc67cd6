"""The heatmap explorer, driven from Python: a Gaussian between cells, a network's maps, wrong input in sentences."""

import re

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import WorkbookError
from helpers.nets import heatmaps as nets
from helpers.notebook.widgets import HeatmapExplorer

matplotlib.use("Agg")
MAPS = np.random.default_rng(3).random((3, 9, 7)) ** 3


def test_a_rounded_gaussian_keeps_what_rounding_lost():
    w = HeatmapExplorer(start=(6.3, 5.4), stride=4)
    assert w.answer["cell"] == [6, 5] == w.answer["decoded"] and w.answer["value"] == 1
    assert w.answer["differences"] == [0, 0], "its neighbours are equal, so nothing says where the joint is"
    assert w.answer["errors"] == {name: {"cells": 0.5, "pixels": 2} for name in ("highest cell", "quarter offset")}


def test_an_unrounded_gaussian_leans_towards_the_joint():
    answer = HeatmapExplorer(start=(6.3, 5.4), stride=8).move(rounded=False)
    assert answer["cell"] == [6, 5] and answer["decoded"] == [6.25, 5.25] and min(answer["differences"]) > 0
    assert answer["errors"]["highest cell"] == {"cells": 0.5, "pixels": 4}
    far = np.hypot(0.05, 0.15)
    assert answer["errors"]["quarter offset"] == pytest.approx({"cells": far, "pixels": 8 * far}, abs=1e-4)
    ahead, behind = np.exp(-(0.7**2) / 2), np.exp(-(1.3**2) / 2)
    assert answer["differences"][0] == pytest.approx((ahead - behind) * np.exp(-(0.4**2) / 2), abs=1e-4)


@settings(deadline=None, max_examples=60)
@given(st.floats(2.6, 12.4), st.floats(2.6, 8.4), st.floats(0.6, 3))
def test_away_from_the_border_the_offset_never_hurts_an_unrounded_gaussian(x, y, sigma):
    w = HeatmapExplorer(sigma=sigma)
    place = np.round([x, y], 2)
    part = place - np.floor(place + 0.5)
    if (abs(abs(part) - 0.5) < 0.02).any() or (abs(part) < 0.02).any():
        return  # two cells, or two neighbours, are as high
    answer = w.move(x=place[0], y=place[1], rounded=False)
    assert answer["decoded"] == pytest.approx(np.floor(place + 0.5) + 0.25 * np.sign(part))
    far = {name: error["cells"] for name, error in answer["errors"].items()}
    assert far["quarter offset"] <= np.hypot(0.25, 0.25) + 1e-6
    worst = np.sign(part) * np.maximum(abs(part), abs(abs(part) - 0.25))
    assert far["quarter offset"] <= np.hypot(*worst) + 1e-4


def test_noise_moves_the_highest_cell():
    w = HeatmapExplorer(sigma=2, size=(16, 16), start=(8, 8))
    assert w.answer["errors"]["highest cell"]["cells"] == 0
    far = [w.move(x=x, noise=0.4)["errors"]["highest cell"]["cells"] for x in range(3, 13)]
    assert max(far) > 1 and len(set(far)) > 2, "the same noise, another place"
    assert w.move(noise=0)["errors"]["highest cell"]["cells"] == 0
    other = HeatmapExplorer(sigma=2, size=(16, 16), start=(8, 8), seed=1)
    assert (other._noise != w._noise).any() and abs(w._noise.std() - 1) < 0.1


@pytest.mark.parametrize("x, moved", [(1, False), (2, True), (13, True), (14, True), (15, False)])
def test_near_the_border_nothing_is_moved(x, moved):
    answer = HeatmapExplorer(start=(x, 5)).move(x=x - 0.3, y=5.2, rounded=False)
    assert answer["cell"] == [x, 5] and (answer["decoded"] != answer["cell"]) == moved
    assert (answer["differences"] is not None) == moved


def test_maps_are_read_as_networks_are():
    w = HeatmapExplorer(MAPS, ["nose", "neck", "left_hip"], MAPS.shape[0] * [[8.0, 12.0]], stride=2)
    stack = torch.tensor(MAPS)[None]
    cells, values = nets.peaks(stack)
    decoded = nets.quarter_offset(stack, cells)[0].numpy()
    for joint in range(3):
        answer = w.move(joint=joint) if joint else w.answer
        assert answer["cell"] == cells[0, joint].tolist() and answer["decoded"] == decoded[joint].tolist()
        assert answer["value"] == pytest.approx(values[0, joint].item(), abs=1e-4)
        off = np.hypot(*(decoded[joint] - [4, 6]))
        assert answer["errors"]["quarter offset"] == pytest.approx({"cells": off, "pixels": 2 * off}, abs=1e-4)
    assert w.scene["names"] == ["nose", "neck", "left hip"]
    assert w.move(joint=-1)["cell"] == [3, 4], "the Gaussian has the maps' size"
    assert w.heat().shape == (9, 7)


def test_maps_may_come_from_a_network_that_learns():
    maps = torch.from_numpy(MAPS.copy()).requires_grad_()
    assert HeatmapExplorer(maps).answer == HeatmapExplorer(MAPS).answer


def test_what_a_script_reads_is_the_map():
    w = HeatmapExplorer(MAPS * 7.3)
    kept = np.array(w.scene["maps"]) * np.array(w.scene["steps"])[:, None]
    np.testing.assert_allclose(kept.reshape(MAPS.shape), MAPS * 7.3, atol=7.3 / 32767)
    assert (kept.reshape(MAPS.shape) == np.stack([w.heat(w.view | {"joint": k}) for k in range(3)])).all()


def test_a_place_that_nobody_knows_has_no_error():
    w = HeatmapExplorer(MAPS, truth=[[1, 1], [np.nan, 3], [2, 2]])
    assert w.move(joint=1)["errors"]["highest cell"] == {"cells": None, "pixels": None}
    assert w.picture() and w.move(joint=0)["errors"]["highest cell"]["cells"] is not None


def test_a_map_without_anything_above_zero_is_read_at_its_first_cell():
    w = HeatmapExplorer(np.zeros((1, 6, 6)), truth=[[0, 0]])
    assert w.answer["cell"] == [0, 0] == w.answer["decoded"] and w.picture()
    assert HeatmapExplorer(-MAPS).answer["cell"] == [0, 0]


def test_the_strip_shows_the_worst_map_and_the_gaussian():
    truth = 4 * nets.peaks(torch.tensor(MAPS)[None])[0][0].numpy().astype(float)
    far = truth.copy()
    far[2] += 20
    one = HeatmapExplorer(MAPS[:1], truth=truth[:1]).still()
    three = HeatmapExplorer(MAPS, truth=far).still()
    assert three.shape[1] > 1.4 * one.shape[1]
    assert HeatmapExplorer(MAPS).still().shape == one.shape, "without a truth none is the worst"
    assert HeatmapExplorer().still().shape[1] <= 1000


@pytest.mark.parametrize(
    "view, sentence",
    [
        ({"joint": 3}, "joint 3: is not one of −1 … 2."),
        ({"joint": 0.5}, "joint 0.5: is not one of −1 … 2."),
        ({"joint": True}, "joint True: is not one of −1 … 2."),
        ({"x": 7}, "x 7: is not between -0.5 and 6.5."),
        ({"y": np.nan}, "y nan: is not between -0.5 and 8.5."),
        ({"x": "a"}, "x a: is not between"),
        ({"rounded": 1}, "rounded 1: is neither true nor false."),
        ({"noise": 0.6}, "noise 0.6: is not between 0 and 0.5."),
    ],
)
def test_a_view_that_makes_no_sense_is_a_sentence(view, sentence):
    with pytest.raises(WorkbookError, match=re.escape(sentence)):
        HeatmapExplorer(MAPS, start=(3, 3)).move(**view)


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: HeatmapExplorer(MAPS[0]), "heatmaps: (9, 7) are not K maps of H × W finite numbers."),
        (lambda: HeatmapExplorer(MAPS * np.nan), "heatmaps: (3, 9, 7) are not K maps"),
        (lambda: HeatmapExplorer([["a"]]), "heatmaps: does not hold numbers of one shape."),
        (lambda: HeatmapExplorer(MAPS, ["nose"]), "names: 1 names do not fit 3 heatmaps."),
        (lambda: HeatmapExplorer(MAPS, truth=[[1, 2]]), "truth: (1, 2) is not x and y in pixels for each of 3"),
        (lambda: HeatmapExplorer(truth=[[1, 2]]), "names and truth belong to heatmaps, and none are given."),
        (lambda: HeatmapExplorer(sigma=0), "sigma 0: is not a number above 0."),
        (lambda: HeatmapExplorer(stride=np.inf), "stride inf: is not a number above 0."),
        (lambda: HeatmapExplorer(size=(12,)), "size (12,): is not (height, width) of 1 … 200 cells."),
        (lambda: HeatmapExplorer(sigma=1e300), "sigma 1e+300: is larger than 1,000,000."),
        (lambda: HeatmapExplorer(seed=-1), "seed -1: is not a whole number from 0 on."),
        (lambda: HeatmapExplorer(start=(1,)), "start (1,): is not x and y in cells."),
        (lambda: HeatmapExplorer(MAPS * 1j), "heatmaps: does not hold numbers of one shape."),
        (lambda: HeatmapExplorer(start=(40, 2)), "x 40: is not between -0.5 and 15.5."),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(make, sentence):
    with pytest.raises(WorkbookError, match=re.escape(sentence)):
        make()
