"""Pseudo-values and intervals: against formulas, scipy's t test, and values worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from helpers import WorkbookError, intervals
from helpers.intervals import interval, parts, sample


def mean_of(data):
    """The weighted mean of data (S, V) as a measure."""

    def measure(videos, runs):
        videos = np.ones(data.shape[1]) if videos is None else videos
        runs = np.ones(data.shape[0]) if runs is None else runs
        return runs @ data @ videos / (np.sum(runs) * np.sum(videos))

    return measure


def test_pseudo_values_of_a_mean_are_the_data():
    data = np.random.default_rng(0).normal(size=(3, 7))
    whole, values = sample(mean_of(data), data.shape)
    assert whole == pytest.approx([data.mean()]) and values.shape == (3, 7, 1)
    assert np.allclose(values[..., 0], data)


def test_pseudo_values_of_a_ratio_linearise_it():
    """Σy/Σx over 40 videos: the interval is that of the delta method, (y − r x)/mean x."""
    rng = np.random.default_rng(1)
    x = rng.uniform(8, 12, 40)
    y = 2 * x + rng.normal(0, 1, 40)

    def ratio(videos, runs):
        w = np.ones(40) if videos is None else videos
        return w @ y / (w @ x)

    whole, values = sample(ratio, (1, 40))
    r = y.sum() / x.sum()
    assert whole == pytest.approx([r])
    assert np.allclose(values[0, :, 0] - r, (y - r * x) / x.mean(), atol=0.02)


def test_all_components_are_measured_at_once():
    data, calls = np.random.default_rng(2).normal(size=(2, 5)), []

    def measure(videos, runs):
        calls.append(1)
        return np.array([mean_of(data)(videos, runs), 3 * mean_of(data)(videos, runs)])

    whole, values = sample(measure, (2, 5))
    assert len(calls) == 1 + 2 * (1 + 5)  # all of it, each run, each run without each video
    assert whole.shape == (2,) and np.allclose(values[..., 1], 3 * values[..., 0])


def test_what_is_left_out_is_one_video_of_one_run():
    seen = []

    def measure(videos, runs):
        seen.append((videos, runs))
        return 0.0

    sample(measure, (3, 4))
    assert seen[0] == (None, None)
    assert all(runs.sum() == 1 and (videos is None or sorted(videos) == [0, 1, 1, 1]) for videos, runs in seen[1:])


def test_without_skew_one_run_gives_students_interval():
    x = np.array([-3.0, -1.0, 0.5, 2.0, 3.5, 5.0, 7.0])
    x = np.r_[x, 2 * x.mean() - x]  # symmetric
    low, high = interval(x[None])
    expected = stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    for level in (0.5, 0.975):
        expected = stats.ttest_1samp(x, 0).confidence_interval(level)
        assert interval(x[None], level) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_the_interval_lies_about_the_estimate():
    x = np.random.default_rng(3).normal(size=(3, 9))
    low, high = interval(x)
    assert interval(x, estimate=x.mean() + 5) == pytest.approx((low + 5, high + 5))


def test_skew_reaches_further_to_its_own_side_and_never_less_than_student():
    x = np.r_[np.zeros(19), 10.0]
    error, q = x.std(ddof=1) / np.sqrt(20), stats.t.ppf(0.975, 19)
    low, high = interval(x[None])
    assert low == pytest.approx(x.mean() - q * error)
    a = 4 / 3 * stats.skew(x) / np.sqrt(20)  # far beyond chance
    bent = 3 / a * (np.cbrt(1 + a * (-q - a / 6)) - 1)  # Hall (1992), g⁻¹(−q)
    assert high == pytest.approx(x.mean() - bent * error) and high > x.mean() + 1.5 * q * error
    mirrored = interval(-x[None])
    assert mirrored == pytest.approx((-high, -low))


def test_parts_are_those_of_the_analysis_of_variance():
    """Worked out by hand: rows 1 2 3 and 3 4 8; mean squares of videos 6.5, runs 13.5, rest 1.5."""
    x = np.array([[1.0, 2, 3], [3, 4, 8]])
    of = parts(x)
    assert of.videos == pytest.approx(6.5 / 6) and of.residual == pytest.approx(1.5)
    assert of.runs == pytest.approx((13.5 - 1.5) / 6)


def test_each_part_has_its_own_quantile():
    x = np.array([[1.0, 2, 3], [3, 4, 5]])  # runs differ by exactly 2, no rest: parts 1/3 and 1
    low, high = interval(x)
    q = (stats.t.ppf(0.975, 2) / 3 + stats.t.ppf(0.975, 1)) / (4 / 3)
    assert (high - low) / 2 == pytest.approx(q * np.sqrt(4 / 3), abs=1e-5) and (low + high) / 2 == pytest.approx(3)


def test_runs_that_differ_less_than_by_chance_add_nothing():
    x = np.array([[1.0, 2, 6], [3, 4, 2]])
    assert parts(x).runs == 0
    assert interval(x) == pytest.approx(interval(x.mean(0, keepdims=True)))


def test_of_one_run_the_interval_is_about_that_run():
    x = np.random.default_rng(4).normal(size=(1, 12))
    assert parts(x).runs == 0 and interval(x + 100) == pytest.approx(np.add(interval(x), 100))


def test_many_samples_at_once_are_as_one_by_one():
    x = np.random.default_rng(5).gamma(1, size=(6, 3, 8))
    low, high = interval(x, 0.9)
    assert [(a, b) for a, b in zip(low, high, strict=True)] == [pytest.approx(interval(one, 0.9)) for one in x]


def test_equal_everywhere_has_no_width():
    for shape in ((1, 5), (3, 5)):
        assert interval(np.zeros(shape)) == (0, 0)
        assert interval(np.full(shape, 2.5)) == pytest.approx((2.5, 2.5))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_gives_no_interval(bad):
    whole, values = sample(lambda v, s: bad if v is not None and v[2] == 0 else 1.0, (2, 4))
    assert whole == [1] and np.isnan(interval(values[..., 0], estimate=whole[0])).all()
    whole, values = sample(lambda v, s: bad, (2, 4))
    assert np.isnan(interval(values[..., 0], estimate=whole[0])).all()


@pytest.mark.filterwarnings("error")
def test_one_video_gives_no_interval_and_none_is_refused():
    whole, values = sample(lambda v, s: 7.0, (2, 1))
    assert whole == [7] and np.isnan(interval(values[..., 0], estimate=whole[0])).all()
    assert intervals.noise(values[..., 0]) == {"videos": [None], "runs": [None, None], "residual": None}
    for shape in ((0, 3), (3, 0)):
        with pytest.raises(WorkbookError, match=r"interval: . runs and . videos; .*\.$"):
            sample(lambda v, s: 0.0, shape)


def test_noise_is_what_videos_and_runs_differ_by():
    x = np.array([[1.0, 2, 3], [3, 4, 8]])
    noise = intervals.noise(x)
    assert noise["videos"] == [-1.5, -0.5, 2] and noise["runs"] == [-1.5, 1.5]
    assert noise["residual"] == pytest.approx(np.sqrt(1.5), abs=1e-4)
    assert intervals.noise(x[:1])["residual"] == 0


def test_skew_within_chance_counts_once():
    x = np.r_[np.arange(10.0), 14.0, 20.0]
    assert 0 < stats.skew(x) < 3 * np.sqrt(6 / 12)
    a, q = stats.skew(x) / np.sqrt(12), stats.t.ppf(0.975, 11)
    bent = 3 / a * (np.cbrt(1 + a * (-q - a / 6)) - 1)
    assert interval(x[None])[1] == pytest.approx(x.mean() - bent * x.std(ddof=1) / np.sqrt(12), abs=1e-6)
