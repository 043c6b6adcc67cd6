"""Exercises: stubs fall back to the reference, and a wrong solution is told what was expected."""

import numpy as np
import pytest

from helpers.notebook import exercises


def test_an_unsolved_exercise_uses_the_reference_and_says_so(capsys):
    reference, stub, own = (lambda x: x + 1), (lambda x: None), (lambda x: x + 2)
    assert exercises.solved_or_reference(stub, reference, 1, name="exercise 1") is reference
    assert "not solved yet" in capsys.readouterr().out
    assert exercises.solved_or_reference(own, reference, 1, name="exercise 1") is own
    assert capsys.readouterr().out == ""
    with pytest.raises(ZeroDivisionError):
        exercises.solved_or_reference(lambda x: x / 0, reference, 1, name="exercise 1")


def test_dots_as_a_body_are_a_stub_too(capsys):
    def stub(x): ...

    assert exercises.solved_or_reference(stub, abs, -1, name="exercise 2") is abs
    assert exercises.solved_or_reference(lambda x: ..., abs, -1, name="exercise 2") is abs
    assert capsys.readouterr().out.count("exercise 2: not solved yet") == 2


def test_zero_and_an_empty_array_are_answers():
    for answer in (0, False, np.zeros(0)):
        own = lambda x: answer
        assert exercises.solved_or_reference(own, abs, -1, name="exercise 3") is own


def test_a_check_names_the_case_and_what_was_expected(capsys):
    cases = {"one": ((1,), 2), "an array": ((np.array([1.0, np.nan]),), [2, np.nan]), "nobody": ((np.zeros(0),), [])}
    exercises.check(lambda x: x + 1, cases)
    assert capsys.readouterr().out == "right: one, an array, nobody\n"
    with pytest.raises(AssertionError, match=r"one: expected 2, got 3"):
        exercises.check(lambda x: x + 2, cases)
    with pytest.raises(AssertionError, match=r"one: expected shape \(\), got \(1,\)"):
        exercises.check(lambda x: np.atleast_1d(x + 1), cases)
    with pytest.raises(AssertionError, match="an array: expected shape"):
        exercises.check(lambda x: x + 1 if np.ndim(x) == 0 else x[:1] + 1, cases)
