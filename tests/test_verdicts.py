"""Verdicts: one interval against a range, several components together, and what a result says of itself."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import WorkbookError, intervals, papers, verdicts
from helpers.verdicts import CONTRADICTED, HOLDS, UNDECIDED, Component, Result, together, verdict

number = st.floats(-100, 100)


@pytest.mark.parametrize(
    "interval, allowed, expected",
    [
        ((1, 2), (0, None), HOLDS),
        ((-2, -1), (0, None), CONTRADICTED),
        ((-1, 1), (0, None), UNDECIDED),
        ((0, 0.2), (0, 0.2), HOLDS),
        ((0.1, 0.3), (0, 0.2), UNDECIDED),
        ((0.3, 0.4), (0, 0.2), CONTRADICTED),
        ((5, 5), (None, None), HOLDS),
        ((0, 2), (0, None), HOLDS),
        ((-2, 0), (0, None), UNDECIDED),
        ((-2, 0), (None, 0), HOLDS),
        ((0, 2), (None, 0), UNDECIDED),
        ((0.2, 0.4), (0, 0.2), UNDECIDED),
        ((-0.2, 0), (0, 0.2), UNDECIDED),
        ((1, float("inf")), (0, None), UNDECIDED),
        ((float("nan"), 1), (0, None), UNDECIDED),
    ],
)
def test_verdict(interval, allowed, expected):
    assert verdict(np.mean(interval), interval, allowed) == expected


@given(number, number, number, number)
def test_a_verdict_is_never_both(a, b, c, d):
    interval, allowed = tuple(sorted((a, b))), tuple(sorted((c, d)))
    inside = all(allowed[0] <= v <= allowed[1] for v in interval)
    assert (verdict(a, interval, allowed, sampled=False) == HOLDS) == inside


@pytest.mark.parametrize(
    "point, allowed, sampled, expected",
    [
        (0, (0, None), True, UNDECIDED),  # the same in every video is not "more"
        (0, (0, None), False, HOLDS),  # arithmetic may lie on the end
        (0, (0, 0), False, HOLDS),
        (0.2, (-0.2, 0.2), True, UNDECIDED),
        (1e-12, (0, None), True, UNDECIDED),  # rounding is no width
        (-1e-12, (0, None), True, UNDECIDED),
        (0, (-0.2, 0.2), True, HOLDS),  # no difference at all is within a difference of 0.2
        (0, (1, None), True, UNDECIDED),  # what is rare is not denied by its absence
        (0, (1, None), False, CONTRADICTED),
    ],
)
def test_no_width_on_the_end_of_a_range_decides_nothing(point, allowed, sampled, expected):
    assert verdict(point, (point, point), allowed, sampled=sampled) == expected


def test_the_wide_interval_contradicts_and_the_narrow_one_holds():
    assert verdict(-1, (-2, -0.1), (0, None)) == CONTRADICTED
    assert verdict(-1, (-2, -0.1), (0, None), wide=(-2.5, 0.1)) == UNDECIDED
    assert verdict(1, (0.1, 2), (0, None), wide=(-0.1, 2.2)) == HOLDS
    assert verdict(1, (0.1, 2), (0, None), wide=(math.nan, 2)) == UNDECIDED


def test_all_components_must_hold_and_one_contradicts():
    assert together([HOLDS, HOLDS]) == HOLDS and together([HOLDS]) == HOLDS
    assert together([HOLDS, UNDECIDED]) == UNDECIDED
    assert together([HOLDS, UNDECIDED, CONTRADICTED]) == CONTRADICTED
    assert together([]) == UNDECIDED


@pytest.fixture()
def two(monkeypatch):
    """A claim with two components."""
    steps = [{"name": name, "unit": "points", "range": [0, None], "printed": 1} for name in ("first", "second")]
    monkeypatch.setattr(verdicts, "definitions", lambda claim: steps)


def measured(*gains, spread=1.0, n=20):
    """Components whose values are gains ± spread in n videos."""
    values = np.array(gains) + spread * np.resize([-1, 1], n)[None, :, None]
    return intervals.Sample(np.array(gains, float), values)


def test_components_are_judged_one_by_one(two):
    assert Result.measured("PT-C4", "puppets", "network", measured(1, 2)).verdict == HOLDS
    assert Result.measured("PT-C4", "puppets", "network", measured(1, 0.1)).verdicts == (HOLDS, UNDECIDED)
    assert Result.measured("PT-C4", "puppets", "network", measured(1, -2)).verdict == CONTRADICTED


def test_one_of_several_contradicts_at_holms_level_alone(two):
    """−0.5 ± a standard error of 0.2294: 2.18 of them, between the t quantiles 2.09 (95 %) and 2.43 (97.5 %)."""
    both = Result.measured("PT-C4", "puppets", "network", measured(1, -0.5))
    assert both.components[1].interval[1] < 0 < both.components[1].wide[1] and both.verdict == UNDECIDED
    assert both.components[1].wide[1] == pytest.approx(-0.5 + 0.229416 * 2.433440, abs=1e-5)


def test_one_component_contradicts_at_95_per_cent():
    one = Result.measured("PT-C8", "puppets", "network", measured(-0.5))
    assert one.components[0].interval == one.components[0].wide and one.verdict == CONTRADICTED


def test_what_was_resampled_is_said():
    values = np.zeros((3, 5, 1)) + np.arange(5)[:, None]
    several = intervals.Sample(np.zeros(1), values)
    alone = intervals.Sample(np.zeros(1), values[:1])
    said = [
        Result.measured("PT-C8", "puppets", source, sample).resampled
        for source, sample in (("simulated", several), ("network", several), ("network", alone))
    ]
    assert said == ["videos and draws of simulated noise", "videos and training runs", "videos"]
    result = Result.measured("PT-C8", "puppets", "network", several, "videos and clips")
    assert (result.n_videos, result.n_seeds, result.resampled) == (5, 3, "videos and clips")
    assert result.components[0].noise["videos"] == [-2, -1, 0, 1, 2]


def test_arithmetic_has_no_width_and_may_lie_on_the_end():
    claim = next(c["id"] for c in papers.claims() if len(verdicts.definitions(c["id"])) == 1)
    low, high = verdicts.definitions(claim)[0]["range"]
    end = high if low is None else low
    result = Result.exact(claim, end)
    assert result.interval == (end, end) and result.verdict == HOLDS and result.source == "published"


def test_a_result_says_each_component_with_its_unit(two):
    result = Result.measured("PT-C4", "bonn", "simulated", measured(1, 0.1))
    assert result.lines() == [
        "PT-C4 on bonn (simulated), first: 1 [0.52, 1.48] points → holds",
        "PT-C4 on bonn (simulated), second: 0.1 [-0.38, 0.58] points → undecided",
        "PT-C4 on bonn (simulated) → undecided",
    ]
    assert math.isnan(result.estimate) and all(map(math.isnan, result.interval))


def test_a_result_of_another_shape_or_source_is_refused(two):
    with pytest.raises(WorkbookError, match=r"1 components were"):
        Result.measured("PT-C4", "bonn", "simulated", measured(1))
    with pytest.raises(WorkbookError, match=r"PT-C4 on bonn: 3 components were measured, data/papers has 2\.$"):
        Result("PT-C4", "bonn", "network", (Component("", 1, (1, 1), (1, 1)),) * 3)
    with pytest.raises(WorkbookError, match=r"source 'guess' is none of ground truth, .*\.$"):
        Result.measured("PT-C4", "bonn", "guess", measured(1, 1))


def test_what_one_video_decides_is_undecided():
    """30 videos: 3 in one of them, or 3 and −3 in two, and 0 ± 0.1 in all others; equal videos are none of these."""
    values = np.resize([-0.1, 0.1], 30)
    values[0] = 3
    one = intervals.Sample(np.zeros(1) + 9, 9 + values[None, :, None])
    assert Result.measured("DT-C5", "somof", "simulated", one).verdict == UNDECIDED
    values[1] = -3
    two = intervals.Sample(np.zeros(1) + 9, 9 + values[None, :, None])
    assert Result.measured("DT-C5", "somof", "simulated", two).verdict == CONTRADICTED
    assert not verdicts.one_decides(intervals.noise(np.zeros((1, 9)))) and not verdicts.one_decides({})
