"""Figures: people drawn where they are and in their colours, the same bytes every time."""

import io
from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.colors import to_rgb
from PIL import Image

from helpers import outputs, puppets
from helpers.notebook import plots
from helpers.people import Video, nobody, people
from helpers.skeleton import GROUPS, INDEX, LIMBS

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
    assert len({plots.track_colour(i) for i in range(12)}) == 12
    assert plots.track_colour(0) == plots.track_colour(12) != plots.track_colour(-1)
    assert set(plots.GROUP_COLOURS) == set(GROUPS) and len(set(plots.GROUP_COLOURS.values())) == 7


def test_filmstrip_and_frames_without_pixels():
    (video,) = puppets.videos("val", n=1)
    assert len(plots.filmstrip(video, video.people, [0, 4, 8]).axes) == 3
    blind = Video("v", (40, 30), np.ones(2, bool), nobody())
    assert plots.frame_image(blind, 0, nobody()).shape == (30, 40, 3)


def test_forest_shows_published_in_grey_only_where_there_is_one():
    rows = [dict(name="a", estimate=1, low=0, high=2, published=0.5), dict(name="b", estimate=1, low=0, high=2)]
    lines = plots.forest([*rows, rows[1] | {"published": 0.0}], "MOTA").axes[0].lines
    assert sum(line.get_color() == plots.PUBLISHED for line in lines) == 2, "a published zero is a number, too"


def test_figures_are_saved_only_for_the_driver_and_are_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.delenv("POSE_WORKBOOK_OUT", raising=False)
    figure, axis = plt.subplots()
    axis.plot([1, 2])
    outputs.save_figure(figure, "01_x.png")
    monkeypatch.setenv("POSE_WORKBOOK_OUT", str(tmp_path))
    outputs.save_figure(figure, "01_a.png"), outputs.save_figure(figure, "01_b.png")
    assert (tmp_path / "01_a.png").read_bytes() == (tmp_path / "01_b.png").read_bytes()
    assert not (tmp_path / "01_x.png").exists()


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def drawn_figure():
    (video,) = puppets.videos("val", n=1)
    figure = plots.filmstrip(video, video.people, [0, 30])
    figure.axes[0].plot([20, 300], [20, 150], color="red", lw=0.5)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=80, metadata={"Software": None})
    return figure, buffer.getvalue()


def test_a_small_picture_is_a_third_of_the_bytes_and_looks_the_same():
    png = drawn_figure()[1]
    small = outputs.small_png(png)
    assert len(small) < len(png) / 2 and small == outputs.small_png(png)
    off = np.abs(pixels(small) - pixels(png))
    assert off.max() <= 40 and off.mean() < 5
    white = (pixels(png) == 255).all(-1)
    assert white.any() and (pixels(small)[white] == 255).all(), "paper stays white"


def test_a_picture_that_would_grow_stays_as_it_is():
    buffer = io.BytesIO()
    Image.new("1", (3, 3)).save(buffer, "PNG")
    assert outputs.small_png(buffer.getvalue()) == buffer.getvalue()


def test_few_colours_stay_what_they_are():
    image = np.zeros((60, 60, 3), np.uint8)
    image[::2, :, 0], image[:, ::3, 2] = 200, 77
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    assert np.abs(pixels(outputs.small_png(buffer.getvalue())) - image).max() <= 1


def test_figures_in_a_notebook_are_small_pictures_and_outside_nothing_happens(monkeypatch):
    figure = drawn_figure()[0]
    shell = SimpleNamespace(display_formatter=DisplayFormatter(), kernel=None)
    monkeypatch.setattr(plots, "get_ipython", lambda: shell)
    with matplotlib.rc_context():
        plots.style()
    shown = shell.display_formatter.formatters["image/png"](figure)
    assert Image.open(io.BytesIO(shown)).mode == "P"
    monkeypatch.setattr(plots, "get_ipython", lambda: None)
    plots.small_pictures()


def test_the_style_keeps_to_one_size_of_dots():
    with matplotlib.rc_context():
        plots.style()
        assert plt.rcParams["figure.dpi"] == 80 and not plt.rcParams["axes.spines.top"]


@pytest.mark.parametrize("names", [False, True])
def test_a_stick_figure_stands_upright_and_leaves_out_what_is_absent(names):
    axis = plt.figure().gca()
    present = np.arange(15) != INDEX["nose"]
    plots.stick_figure(axis, plots.standing_pose(), present, names=names)
    plots.stick_figure(axis, plots.standing_pose(), present)
    assert axis.yaxis_inverted(), "twice drawn is not upside down"
    dots = [line for line in axis.lines if line.get_marker() == "o"]
    limbs = [line for line in axis.lines if line.get_color() == ".75"]
    assert len(limbs) == 2 * sum(INDEX["nose"] not in limb for limb in LIMBS)
    assert len(dots) == 28 and len(axis.texts) == (14 if names else 0)
    assert not any("nose" in text.get_text() for text in axis.texts)


#: How colours look without red, green or blue cones, on linear RGB (Machado, Oliveira, Fernandes 2009, severity 1).
VISION = {
    "all": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colours, vision):
    """CIELAB of hex codes as somebody sees them (sRGB, D65)."""
    rgb = np.array([to_rgb(c) for c in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = np.clip(linear @ np.array(vision).T, 0, 1) @ to_xyz.T / (0.9505, 1, 1.089)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], -1)


@pytest.mark.parametrize("vision", VISION)
def test_ids_are_told_apart_by_colour_blind_eyes(vision):
    seen = lab(plots.TRACK_COLOURS, VISION[vision])
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1)[np.triu_indices(len(seen), 1)]
    assert apart.min() > 15  # about 2.3 is just noticeable; the colours before these came as near as 2.9
