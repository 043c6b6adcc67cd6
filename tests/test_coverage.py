"""How often intervals contain the truth: the bar holds in every design, and the controls leave it."""

from itertools import product

import numpy as np
import pytest

from helpers import intervals, verdicts
from helpers.experiments import coverage
from helpers.experiments.coverage import BAND, covered, designed, resampled
from helpers.places import FIGURES

LOW, HIGH = BAND


@pytest.mark.parametrize("n_videos", coverage.VIDEOS)
def test_a_nominal_95_per_cent_is_92_to_97_and_a_half_in_every_design(n_videos):
    """Twice the Monte-Carlo error of each share stays inside the bar as well."""
    trials = {12: 40_000, 20: 16_000, 50: 8_000}[n_videos]
    for n_runs, noise in product(coverage.RUNS, coverage.RUN_NOISE):
        share = covered(*designed(n_videos, n_runs, noise, trials))
        error = np.sqrt(share * (100 - share) / trials)
        assert share - 2 * error > LOW and share + 2 * error < HIGH, (n_videos, n_runs, noise, share)


def test_two_runs_are_few_but_enough():
    for noise in (0.1, 0.3, 1.0):
        assert LOW - 0.5 < covered(*designed(24, 2, noise, 4000)) < HIGH


@pytest.mark.parametrize("method", ["percentile bootstrap", "videos alone"])
def test_power_controls_leave_the_band(method):
    """Runs as noisy as videos: neither the old interval nor one over videos alone knows of further runs."""
    for n_videos in coverage.VIDEOS:
        drawn = designed(n_videos, 3, 1.0, 2000)
        assert covered(*drawn, coverage.METHODS[method]) < 87 < LOW < covered(*drawn)


def test_power_the_rest_counted_as_runs_leaves_the_band(monkeypatch):
    """Without taking the rest off the runs' mean square, runs that do not differ widen the interval."""
    split = intervals.parts

    def careless(values):
        of = split(values)
        return of._replace(runs=values.mean(-1).var(-1, ddof=1) / values.shape[-2])

    drawn = designed(12, 3, 0.0, 20_000)
    before = covered(*drawn)
    monkeypatch.setattr(intervals, "parts", careless)
    assert before < HIGH < covered(*drawn)


def test_real_differences_are_covered_better_than_by_the_bootstrap_or_known_not_to_be():
    """A few videos carry most of the difference; a draw of 12 that lacks them is too sure, by any method (`unseen`).

    Twelve are therefore only counted here, not barred. With all videos the bar's 92 % is reached, but where one video
    decides: there is no verdict then.
    """
    populations = coverage.from_table(FIGURES / "01_differences.csv")
    assert len(populations) == 4
    for name, values in populations.items():
        n_runs, n_all = values.shape
        for n_videos, runs in product((12, n_all), (1, n_runs)):
            drawn = resampled(values, n_videos, runs, 2000)
            share = covered(*drawn)
            assert n_videos == 12 or share > covered(*drawn, coverage.percentile_bootstrap) - 2, name
            blind = any(verdicts.one_decides(intervals.noise(run[None])) for run in values)
            assert n_videos == 12 or share > LOW - 1.5 or blind, (name, n_videos, runs, share)


def test_one_run_is_asked_about_itself_alone():
    values, truth = designed(12, 1, 1.0, 5)
    assert values.shape == (5, 1, 12) and len(set(truth)) == 5
    assert np.array_equal(designed(12, 3, 1.0, 5)[1], np.zeros(5))
    population = np.array([[1.0, 3.0], [5.0, 9.0]])
    values, truth = resampled(population, 4, 1, 50)
    assert set(truth) == {2.0, 7.0} and all(
        set(v.ravel()) <= ({1, 3} if t == 2 else {5, 9}) for v, t in zip(values, truth, strict=True)
    )
    assert set(resampled(population, 4, 2, 5)[1]) == {4.5}


def test_the_percentile_bootstrap_is_the_one_by_hand():
    """Two videos, 0 and 1: means 0, 0.5 and 1 with chances 1/4, 1/2, 1/4."""
    low, high = coverage.percentile_bootstrap(np.array([[[0.0, 1.0]], [[2.0, 2.0]]]))
    assert (low.tolist(), high.tolist()) == ([0, 2], [1, 2])
    runs = coverage.percentile_bootstrap(np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert tuple(map(float, runs)) == (0, 1)


def test_what_a_draw_cannot_see():
    assert coverage.unseen(np.zeros((3, 10)), 1) == pytest.approx(50)
    assert coverage.unseen(np.zeros((3, 10)), 2) == pytest.approx(25)


def test_populations_go_round(tmp_path):
    made = {"a, b": np.arange(6.0).reshape(2, 3), "c": np.ones((1, 5))}
    coverage.as_table(made).to_csv(tmp_path / "x.csv")
    read = coverage.from_table(tmp_path / "x.csv")
    assert read.keys() == made.keys() and all(np.array_equal(read[k], made[k]) for k in made)


def test_the_table_has_a_row_per_design_and_the_figure_says_what_came_out(monkeypatch):
    table = coverage.coverage_table({"toy": np.random.default_rng(0).normal(size=(2, 30))}, trials=40)
    assert len(table) == 36 + 4 * 2 and table[list(coverage.METHODS)].isna().sum().sum() == 0
    assert table[table["world"] == "toy"]["videos"].unique().tolist() == [12, 20, 30, 50]
    title = coverage.coverage_figure(table).axes[0].get_title()
    normal = table[table["world"] == "normal"]
    assert f"ours cover {normal['ours'].min():.0f} to {normal['ours'].max():.0f} %" in title
