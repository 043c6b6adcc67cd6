"""Computed text: what a sentence says of a number and of a verdict is what was measured."""

import pytest

from helpers import papers
from helpers.notebook.conclusions import ahead, listed, ranged, rounded, say, told
from helpers.verdicts import Component, Result

NAN = float("nan")


def result(claim, verdict, data="puppets", source="network", estimate=0.17, interval=(0.06, 0.26), first=None):
    """A result whose verdict, and that of its first component, is given; its components lie one apart."""
    n = len(papers.claim(claim)["components"])
    parts = tuple(Component("", estimate + k, tuple(v + k for v in interval), (0, 0)) for k in range(n))
    judged = {
        "verdict": property(lambda self: verdict),
        "verdicts": property(lambda self: (first or verdict, *[verdict] * (n - 1))),
    }
    return type("Judged", (Result,), judged)(claim, data, source, parts)


def test_paragraphs_are_joined_and_continued_lines_are_one():
    text = say("One\n    line,  kept.", "", "Two\n\n- a\n- b", "a {x}\n\n        b").data
    assert text == "One line,  kept.\n\nTwo\n\n- a\n- b\n\na {x} b"


@pytest.mark.parametrize(
    ("number", "digits", "text"),
    [
        (-0.04, 1, "0"),
        (0.05, 1, "0.1"),
        (12.0, 1, "12"),
        (-2.345, 2, "-2.35"),
        (1656, 0, "1656"),
        (NAN, 1, "no number"),
    ],
)
def test_numbers_are_rounded_and_have_no_empty_digits(number, digits, text):
    assert rounded(number, digits) == text


def test_an_interval_is_shown_where_there_is_one():
    assert ranged(5.84, (4.91, 7.06)) == "5.8 [4.9, 7.1]" and ranged(2, (2, 2)) == "2"
    assert ranged(0.01, (-0.02, 0.04)) == "0" and ranged(0.01, (-0.02, 0.04), 2) == "0.01 [-0.02, 0.04]"
    assert ranged(NAN, (NAN, 1)) == "no number"


def test_lists_are_sentences():
    assert [listed(x) for x in ("", "a", "ab", "abc")] == ["none", "a", "a and b", "a, b and c"]
    assert listed([], "nowhere") == "nowhere" and listed(iter("ab")) == "a and b"


def test_who_is_ahead_follows_the_sign():
    assert [ahead(x) for x in (1.26, -0.2, 0.04, -0.04)] == [
        "1.3 MOTA ahead of",
        "0.2 MOTA behind",
        "level with",
        "level with",
    ]
    assert ahead(0.04, "mAP", 2) == "0.04 mAP ahead of"


@pytest.mark.parametrize(
    ("verdict", "words"), [("holds", "holds here"), ("contradicted", "does not hold here"), ("undecided", "undecided")]
)
def test_a_claim_is_told_with_its_verdict_statement_and_numbers(verdict, words):
    because = {"holds": "Since A.", "contradicted": "Since B."}
    lines = told([result("PT-C8", verdict), result("DT-C5", "holds")], "PT-C8", 2, **because).splitlines()
    stated = papers.claim("PT-C8")["statement"]
    assert lines[0] == f"**PT-C8: {words}.** {stated} {because.get(verdict, '')}".rstrip()
    assert lines[1:] == ["", f"- puppets, the workbook's network ({words}): 0.17 [0.06, 0.26] MOTA (printed 0.1)"]


def test_every_component_is_told_on_every_data_set_with_its_own_name_and_number():
    both = [
        result("PT-C11", "holds", estimate=7),
        result("PT-C11", "undecided", "bonn", "simulated", NAN, first="contradicted"),
    ]
    first, second = told(both, "PT-C11").splitlines()[2:]
    assert first == (
        "- puppets, the workbook's network (holds here): gain in MOTA: 7 [0.1, 0.3] MOTA (printed 10), holds here; "
        "gain in precision: 8 [1.1, 1.3] points (printed 12.7), holds here; "
        "loss of recall: 9 [2.1, 2.3] points (printed 6.2), holds here"
    )
    assert second.startswith(
        "- bonn, simulated detections (undecided): gain in MOTA: no number MOTA (printed 10), does not "
    )


def test_what_is_printed_does_not_hold_here_but_holds():
    text = told([result("O-4", "holds", "published", "published", 4.01, (4.01, 4.01))], "O-4")
    assert text.startswith("**O-4: holds.**") and "- published, " in text and "(holds): 4" in text


def test_the_headline_is_the_ledgers():
    best, other = result("PT-C8", "undecided"), result("PT-C8", "holds", "bonn", "simulated")
    assert told([best, other, result("DT-C5", "holds")], "PT-C8").startswith("**PT-C8: undecided.**")
    opposite = [result("PT-C8", "contradicted"), other, result("DT-C5", "holds")]
    assert told(opposite, "PT-C8", mixed="They differ.").splitlines()[0].endswith("They differ.")
    assert told(opposite, "PT-C8").startswith("**PT-C8: mixed.**")


def test_a_claim_without_data_and_a_word_that_is_no_verdict_are_said():
    assert told([], "PT-C8").startswith("**PT-C8: not measured**")
    with pytest.raises(TypeError, match="hold is no verdict"):
        told([], "PT-C8", hold="Since A.")
