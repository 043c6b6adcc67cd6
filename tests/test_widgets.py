"""Sliders: moved from Python they change the picture, and they leave no figure open."""

import cv2
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import WorkbookError
from helpers.notebook import widgets

matplotlib.use("Agg")


def test_a_moved_slider_changes_the_picture():
    seen = []
    w = widgets.scrub(lambda t: seen.append(t) or np.full((4, 4, 3), 40 * t, np.uint8), 5, start=1)
    before = w.picture.value
    assert w.move(frame=3) != before and seen == [1, 3] and w.sliders["frame"].max == 4


def test_nothing_to_draw_is_said_in_a_sentence():
    with pytest.raises(WorkbookError, match="scrub: n 0 leaves no frame to draw, it must be at least 1."):
        widgets.scrub(lambda t: None, 0)


def test_several_sliders_of_both_kinds():
    def draw(threshold, step):
        figure, axis = plt.subplots()
        axis.plot([threshold, step])
        return figure

    w = widgets.Sliders(draw, threshold=(0.0, 1.0, 0.05, 0.5), step=(0, 3, 1, 0))
    assert w.move(threshold=0.8) != w.move(step=2) and plt.get_fignums() == []
    with pytest.raises(KeyError):
        w.move(other=1)


def test_a_slider_moved_by_hand_redraws_too_and_to_the_same_bytes():
    w = widgets.scrub(lambda t: np.full((4, 4, 3), 40 * t, np.uint8), 5)
    first = w.picture.value
    w.sliders["frame"].value = 2
    assert w.picture.value != first
    w.sliders["frame"].value = 0
    assert w.picture.value == first


def test_png_keeps_the_colours_of_an_image_and_is_the_same_for_the_same_figure():
    image = np.zeros((3, 5, 3), np.uint8)
    image[..., 0] = 200  # red
    read = cv2.imdecode(np.frombuffer(widgets.png(image), np.uint8), cv2.IMREAD_COLOR)
    assert read.shape == (3, 5, 3) and (read == (0, 0, 200)).all()  # OpenCV reads blue first

    def figure():
        figure, axis = plt.subplots()
        axis.plot([1, 2, 0])
        return figure

    assert widgets.png(figure()) == widgets.png(figure()) and plt.get_fignums() == []


def test_whole_ranges_give_whole_numbers():
    w = widgets.Sliders(lambda a, b: np.zeros((2, 2, 3), np.uint8), a=(0, 4, 1, 2), b=(0.0, 1.0, 0.1, 0.5))
    assert type(w.sliders["a"].value) is int and type(w.sliders["b"].value) is float
    assert [s.description for s in w.children[:2]] == ["a", "b"] and w.children[2] is w.picture
    mixed = widgets.Sliders(lambda a: np.zeros((2, 2, 3), np.uint8), a=(0, 4, 0.5, 2))
    mixed.move(a=1.5)
    assert mixed.sliders["a"].value == 1.5, "one number that is not whole makes a slider of fractions"


def test_a_check_moves_each_slider_there_and_back(capsys):
    w = widgets.Sliders(lambda a, b: np.full((2, 2, 3), 10 * a + b, np.uint8), a=(0, 4, 1, 2), b=(0, 4, 1, 1))
    w.check(a=0, b=4)
    assert (w.sliders["a"].value, w.sliders["b"].value) == (2, 1), "they stand where they started"
    assert capsys.readouterr().out == "the sliders move the picture, and back\n"
    with pytest.raises(AssertionError, match="a = 2 shows the same picture"):
        w.check(a=2)
    with pytest.raises(KeyError):
        w.check(c=1)


def test_a_picture_that_does_not_come_back_fails_the_check():
    drawn = []

    def draw(t):
        drawn.append(t)
        return np.full((2, 2, 3), len(drawn), np.uint8)

    with pytest.raises(AssertionError, match="frame back at 0"):
        widgets.scrub(draw, 5).check(frame=3)
