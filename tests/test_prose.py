"""The rule for conclusions notices typed numbers and verdicts; ids, places and printed values are none."""

import pytest

from tests import prose

HEADING = {"cell_type": "markdown", "source": "# What did and did not reproduce, and why\n\nComputed from this run."}
RECORD = {"cell_type": "code", "source": 'cells.record("05_thresholds", results, profile, dataset)', "outputs": []}


def markdown(source):
    return {"cell_type": "markdown", "source": source}


def code(source):
    return {"cell_type": "code", "source": source, "outputs": []}


def found(cell):
    typed = prose.typed(cell)
    return prose.measured_numbers(typed) + prose.verdicts(typed)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("The gain is 5.8 MOTA.", "5.8"),
        ("It loses -2.6 to −3.1 points.", "-2.6"),
        ("But 21 of the frames go wrong with all four (PT-C4).", "21"),
        ("Of 1,656 frames few have an error.", "1,656"),
        ("About 27 % are memory.", "27"),
        ("It gains a third of a point.", "third"),
        ("The first step is a tenth.", "tenth"),
        ("The LSTM is about two points behind.", "two points"),
        ("It is Twice as good.", "Twice"),
        ("PT-C4 holds here.", "holds"),
        ("This is contradicted by all worlds.", "contradicted"),
        ("PT-C8 stays undecided on Bonn.", "undecided"),
        ("The order was not reproduced.", "not reproduced"),
        ("PT-T2 prints 7.1 and ours is 7.2.", "7.2"),
        ("Printed is 7.1.", "7.1"),
    ],
)
def test_what_is_typed_is_found_in_markdown_and_in_strings(text, fault):
    assert fault in found(markdown(text))
    assert fault in found(code(f"say(told(results, 'PT-C8'), f'''{{gain:.1f}} and\n  {text}''')"))
    assert fault in found(code(f"say(told(results, 'PT-C8', holds={text!r}))"))


@pytest.mark.parametrize("source", ["say(f'A gain of {5.8}.')", "gain = 5.8\nsay(f'A gain of {gain}.')"])
def test_a_number_that_only_looks_computed_is_found(source):
    assert found(code(source)) == ["5.8"]


@pytest.mark.parametrize(
    "text",
    [
        "O-17 and O-18 need LightTrack's network (notebook 10), PT-C4 the thresholds; see notebooks 07, 10, 11.",
        "Trackers that remember come in notebooks 09 to 11, as section 8 and equation (4) say.",
        "PT-T2 prints 7.1 against 1.9, DT-C3 53.6 and -10.2.",
        "MOTA of 2017 does not see it in PoseTrack'18; a 2-D and a 3-D network, R50, `radius=0.5`, $k/15$.",
        "One id for everybody, four costs, the first of three frames.",
        "[results](https://example.org/2.5) stand elsewhere",
    ],
)
def test_ids_places_years_and_printed_values_are_not(text):
    assert not found(markdown(text))


def test_what_is_computed_is_not_typed():
    cell = code(
        "gain = table.loc['memory of 30 frames', 'MOTA'] - 12.5\n"
        "say(f'''The gain is {gain:.3f}, {table.loc['row 7']} of {rounded(100 * share, 2)} %.''')"
    )
    assert not found(cell)


def test_the_last_section_goes_from_its_heading_to_the_record():
    early = markdown("Here 5.8 may stand.")
    last = code("say(f'{gain}')")
    assert prose.last_section([early, HEADING, last, RECORD]) == [HEADING, last]
    assert not found(HEADING)


def test_shown_is_what_a_reader_sees():
    assert prose.shown(markdown("PT-C4 …")) == "PT-C4 …"
    output = {"output_type": "execute_result", "data": {"text/markdown": "**PT-C4 holds here.**"}}
    assert "PT-C4" in prose.shown(code("say()") | {"outputs": [output]}) and prose.shown(code("'PT-C4'")) == ""
