"""Figures: people drawn where they are and in their colours, the same bytes every time."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from helpers import outputs, puppets
from helpers.notebook import plots
from helpers.people import Video, nobody, people
from helpers.skeleton import GROUPS, INDEX

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_people_are_drawn_where_they_are_in_their_tracks_colour():
    xy = np.full((1, 15, 2), [30.0, 20.0])
    image = plots.draw_people(plots.canvas((60, 40)), people(xy=xy, track=[3]))
    assert tuple(image[20, 30]) == tuple(int(255 * c) for c in plots.track_colour(3))
    assert (image[:10] == 245).all()
    absent = people(xy=xy, present=np.zeros((1, 15), bool))
    assert (plots.draw_people(plots.canvas((60, 40)), absent) == 245).all()


def test_joints_are_drawn_in_the_colour_of_their_group_when_asked():
    xy = np.array([[[10.0 + 20 * j, 20.0] for j in range(15)]])
    image = plots.draw_people(plots.canvas((320, 40)), people(xy=xy, track=[3]), colour_by="group")
    for group, joints in GROUPS.items():
        for joint in joints:
            expected = tuple(int(255 * c) for c in to_rgb(plots.GROUP_COLOURS[group]))
            assert tuple(image[20, 10 + 20 * INDEX[joint]]) == expected
    with pytest.raises(ValueError, match="colour_by"):
        plots.draw_people(image, nobody(), colour_by="person")


@pytest.mark.filterwarnings("error")  # a warning would be stored in the notebook
def test_absent_joints_may_hold_anything():
    xy = np.full((1, 15, 2), np.nan)
    xy[0, 0] = 30, 20
    ankle = people(xy=xy, present=np.arange(15)[None] == 0, track=[1])
    image = plots.draw_people(plots.canvas((60, 40)), ankle)
    assert (image[20, 30] != 245).any() and (image[:12] == 245).all()


def test_drawing_leaves_the_image_alone_and_enlarges():
    image = plots.canvas((60, 40))
    out = plots.draw_people(image, people(xy=np.full((1, 15, 2), 10.0)), scale=2)
    assert (image == 245).all() and out.shape == (80, 120, 3)
    plots.draw_people(image, people(xy=np.full((1, 15, 2), 10.0)))
    assert (image == 245).all(), "drawn into at scale 1"


def test_colours_differ_between_tracks_and_groups():
    assert len({plots.track_colour(i) for i in range(16)}) == 16
    assert plots.track_colour(0) == plots.track_colour(16) != plots.track_colour(-1)
    assert set(plots.GROUP_COLOURS) == set(GROUPS) and len(set(plots.GROUP_COLOURS.values())) == 7


def test_filmstrip_and_frames_without_pixels():
    (video,) = puppets.videos("val", n=1)
    assert len(plots.filmstrip(video, video.people, [0, 4, 8]).axes) == 3
    blind = Video("v", (40, 30), np.ones(2, bool), nobody())
    assert plots.frame_image(blind, 0, nobody()).shape == (30, 40, 3)


def test_forest_shows_published_in_grey_only_where_there_is_one():
    rows = [dict(name="a", estimate=1, low=0, high=2, published=0.5), dict(name="b", estimate=1, low=0, high=2)]
    lines = plots.forest(rows, "MOTA").axes[0].lines
    assert sum(line.get_color() == plots.PUBLISHED for line in lines) == 1


def test_figures_are_saved_only_for_the_driver_and_are_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.delenv("POSE_WORKBOOK_OUT", raising=False)
    figure, axis = plt.subplots()
    axis.plot([1, 2])
    outputs.save_figure(figure, "01_x.png")
    monkeypatch.setenv("POSE_WORKBOOK_OUT", str(tmp_path))
    outputs.save_figure(figure, "01_a.png"), outputs.save_figure(figure, "01_b.png")
    assert (tmp_path / "01_a.png").read_bytes() == (tmp_path / "01_b.png").read_bytes()
    assert not (tmp_path / "01_x.png").exists()
