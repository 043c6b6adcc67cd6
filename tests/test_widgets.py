"""The common base and the sliders, driven from Python; tests/browser tries them under the mouse."""

import base64
import json
import re

import cv2
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from helpers import WorkbookError
from helpers.notebook import plots, widgets
from helpers.notebook.widgets import base
from helpers.people import Video, concatenate, extent_boxes, people

matplotlib.use("Agg")


def flat(t):
    return np.full((4, 4, 3), 40 * t, np.uint8)


def scrub(draw, n, start=0):
    """A slider over frames."""
    return widgets.Sliders(lambda frame: draw(frame), frame=(0, n - 1, 1, start))


def shown(widget):
    """The data of every output that a widget leaves in a notebook."""
    shell, seen = InteractiveShell.instance(), []
    publish, shell.display_pub.publish = shell.display_pub.publish, lambda data, **more: seen.append((data, more))
    try:
        widget._ipython_display_()
    finally:
        shell.display_pub.publish = publish
    return seen


def test_a_moved_slider_changes_the_picture():
    seen = []
    w = scrub(lambda t: seen.append(t) or flat(t), 5, start=1)
    before = w.picture()
    assert w.move(frame=3)["picture"].startswith("data:image/jpeg;base64,") and w.picture() != before and seen == [1, 3]
    w.move(frame=1)
    assert w.picture() == before and seen == [1, 3], "a picture is drawn once and kept"


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: widgets.Sliders(flat), "sliders: no range is given"),
        (lambda: widgets.Sliders(flat, t=(0, 4, 1, 5)), "slider t: 5 is not between 0 and 4"),
        (lambda: widgets.Sliders(flat, t=(0, 4, 0, 2)), "step 0 is not > 0"),
        (lambda: scrub(flat, 5).move(frame=5), "slider frame: 5 is not between 0 and 4."),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(make, message):
    with pytest.raises(WorkbookError, match=re.escape(message)):
        make()


def test_several_sliders_of_both_kinds():
    def draw(threshold, step):
        assert type(threshold) is float and type(step) is int
        figure, axis = plt.subplots()
        axis.plot([threshold, step])
        return figure

    w = widgets.Sliders(draw, threshold=(0.0, 1.0, 0.05, 0.5), step=(0, 3, 1, 0))
    assert w.move(threshold=0.8) != w.move(step=2) and plt.get_fignums() == []
    assert w.move(threshold=1) and w.view == {"threshold": 1, "step": 2}, "a browser says 1 where 1.0 is meant"
    with pytest.raises(KeyError, match="other: a view of this widget holds threshold, step"):
        w.move(other=1)


def test_one_number_that_is_not_whole_makes_a_slider_of_fractions():
    seen = []
    w = widgets.Sliders(lambda a: seen.append(a) or flat(1), a=(0, 4, 0.5, 2))
    w.move(a=1.5)
    assert seen == [2.0, 1.5] and w.view == {"a": 1.5}


def test_a_strip_shows_the_positions_that_it_names_and_else_both_ends_and_the_start():
    def level(strip):
        return strip[0, ::10].tolist()[:3]

    w = widgets.Sliders(lambda a, b: np.full((4, 4, 3), 10 * a + b, np.uint8), a=(0, 4, 1, 2), b=(0, 9, 1, 1))
    assert [v[0] for v in level(w.still())] == [1, 21, 41]
    chosen = widgets.Sliders(w._draw, strip=[{"b": 7}, {"a": 3, "b": 0}], a=(0, 4, 1, 2), b=(0, 9, 1, 1))
    assert [v[0] for v in level(chosen.still())] == [27, 30]


def test_a_view_that_the_browser_sets_is_answered_once_and_by_its_number():
    calls = []
    w = scrub(lambda t: calls.append(t) or flat(t), 5)
    w.set_state({"view": {"frame": 2}, "asked": 7})
    assert w.answer["picture"] == base.address(flat(2), "jpeg", 90) and w.answered == 7 and calls == [0, 2]


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
    pixels = base.pixels(figure())
    assert pixels.dtype == np.uint8 and (pixels[0, 0] == 255).all() and plt.get_fignums() == []


@pytest.mark.parametrize("kind", ["webp", "jpeg", "png"])
def test_an_address_holds_the_picture(kind):
    image = np.full((16, 24, 3), (200, 100, 20), np.uint8)
    head, data = base.address(image, kind, *[95] * (kind != "png")).split(",")
    read = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert head == f"data:image/{kind};base64" and np.abs(read.astype(int) - image).max() < 12


def test_a_check_moves_each_slider_there_and_back(capsys):
    w = widgets.Sliders(lambda a, b: np.full((2, 2, 3), 10 * a + b, np.uint8), a=(0, 4, 1, 2), b=(0, 4, 1, 1))
    w.check(a=0, b=4)
    assert w.view == {"a": 2, "b": 1}, "they stand where they started"
    assert capsys.readouterr().out == "the widget's picture moves, and back\n"
    with pytest.raises(AssertionError, match="a = 2 shows the same picture"):
        w.check(a=2)
    with pytest.raises(KeyError):
        w.check(c=1)


class Drifting(base.Live):
    kind = "sliders"

    def __init__(self):
        self.drawn = 0
        super().__init__("drifting", {"sliders": []}, {"t": 0})

    def draw(self, view):
        self.drawn += 1
        return np.full((2, 2, 3), self.drawn, np.uint8)


def test_a_picture_that_does_not_come_back_fails_the_check():
    with pytest.raises(AssertionError, match="t back at 0"):
        Drifting().check(t=3)


def failing(t):
    if t == 3:
        raise ValueError("three <b>cannot</b> be drawn")
    return flat(t)


def test_a_callback_that_raises_is_shown_and_goes_with_the_next_good_view():
    w = scrub(failing, 5)
    before = w.answer
    w.set_state({"view": {"frame": 3}, "asked": 1})
    assert w.fault == "ValueError: three <b>cannot</b> be drawn" and w.answer == before and w.answered == 1
    w.set_state({"view": {"frame": 2}, "asked": 2})
    assert w.fault == "" and w.answer != before
    with pytest.raises(ValueError, match="three"):
        w.move(frame=3)
    assert w.move(frame=1) and w.fault == ""


@pytest.mark.parametrize("wrong", [{}, {"frame": "a"}, {"frame": None}, {"other": 2}, {"frame": 99}])
def test_a_view_that_makes_no_sense_is_a_fault_and_no_traceback(wrong):
    w = scrub(flat, 5)
    w.set_state({"view": wrong, "asked": 1})
    assert w.fault and w.answered == 1


# --- what is stored in a notebook -----------------------------------------------------------------------------


def test_a_notebook_keeps_pictures_and_a_form_without_kernel_in_the_same_bytes():
    def widget():
        return widgets.Sliders(lambda a: flat(a), a=(0, 4, 1, 2), title="Squares <&>")

    first, second = shown(widget()), shown(widget())
    (strip, strip_more), (form, _), (live, _) = first
    assert base64_png(strip["image/png"]).shape == (4, 3 * 4 + 2 * 6, 3)
    assert strip_more["metadata"]["image/png"]["alt"].startswith("Squares <&>: a widget")
    assert (
        "Squares &lt;&amp;&gt;: run the cell" in form["text/html"]
        and "application/vnd.jupyter.widget-view+json" in live
    )
    assert [data for data, _ in first[:2]] == [data for data, _ in second[:2]]
    assert not re.search(r"0x[0-9a-f]{6}", json.dumps([data["text/plain"] for data, _ in first]))


def base64_png(data):
    data = base64.b64decode(data) if isinstance(data, str) else data
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


class Kept(base.Live):
    """A widget that can be used without a kernel."""

    kind = "sliders"

    def draw(self, view):
        return flat(view["t"])


def test_a_form_that_is_too_large_leaves_its_pictures_only(monkeypatch):
    w = Kept("Kept </script>", {"sliders": [], "text": "</script><b>"}, {"t": 1})
    assert "</script><b>" not in w.without_kernel() and w.without_kernel().count("</script>") == 1
    assert 'startStored("' in w.without_kernel() and "render, {" in w.without_kernel()
    monkeypatch.setattr(base, "STORED_LIMIT", 100)
    assert "render, {" not in w.without_kernel() and ", null);" in w.without_kernel()
    assert len(w.without_kernel()) < 30_000


def test_a_script_that_would_load_something_is_refused(monkeypatch, tmp_path):
    for name in ("base", "odd"):
        (tmp_path / f"{name}.js").write_text("import { a } from './base.js'" if name == "odd" else "", encoding="utf-8")
    monkeypatch.setattr(base, "SCRIPTS", tmp_path)
    with pytest.raises(ValueError, match="odd.js: import .* is not of the form import"):
        base.script.__wrapped__("odd")


@pytest.mark.parametrize("name", sorted(p.stem for p in base.SCRIPTS.glob("*.js") if p.stem != "base"))
def test_the_stored_form_of_a_script_exports_nothing_and_names_nothing_twice(name):
    w = Kept("kept", {"sliders": []}, {"t": 1})
    w.kind = name
    text = w.without_kernel()
    assert not re.search(r"^\s*(export|import)\b", text, re.M)
    top = re.findall(r"^(?:async )?(?:function|const|let|class) (\w+)", text, re.M)
    assert len(top) == len(set(top)) > 10, sorted(n for n in top if top.count(n) > 1)


def test_what_json_cannot_say_is_none_and_what_nobody_can_say_is_refused():
    value = {"a": np.array([1.234, np.nan]), 2: (np.int64(3), np.float32(0.5), True, None, -np.inf), "s": "x"}
    assert base.plain(value) == {"a": [1.23, None], "2": [3, 0.5, True, None, None], "s": "x"}
    assert isinstance(base.plain(np.array([True]))[0], bool) and base.plain(2.0) == 2
    with pytest.raises(TypeError, match="a widget cannot hold set"):
        base.plain({"a": {1}})


def test_an_absent_joint_and_one_without_a_place_are_none():
    xy = np.arange(12.0).reshape(1, 6, 2)
    xy[0, 1] = np.nan
    present = np.array([[True, True, True, False, True, True]])
    assert base.poses(xy, present) == [[0, 1, None, None, 4, 5, None, None, 8, 9, 10, 11]]
    assert base.poses(np.zeros((0, 6, 2)), np.zeros((0, 6), bool)) == []


@pytest.mark.parametrize("name", sorted(p.stem for p in base.SCRIPTS.glob("*.js") if p.stem != "base"))
def test_a_script_is_one_module_that_loads_nothing(name):
    text = base.script(name)
    assert not re.search(r"^\s*import\b", text, re.M) and "import(" not in text and "http" not in text
    assert text.count("export ") == text.count("\nexport ") == 2 and "export default { render };" in text
    imported = re.findall(r'^import \{([^}]*)\} from "\./base\.js";', (base.SCRIPTS / f"{name}.js").read_text(), re.M)
    given = set(
        re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", (base.SCRIPTS / "base.js").read_text(), re.M)
    )
    assert {n.strip() for part in imported for n in part.split(",") if n.strip()} <= given


def test_pictures_of_a_strip_stand_beside_one_another_and_wrap_where_they_are_wide():
    a, b = np.zeros((4, 400, 3), np.uint8), np.full((6, 500, 3), 9, np.uint8)
    strip = base.side_by_side([a, b, a])
    assert (
        strip.shape == (6 + 6 + 4, 400 + 6 + 500, 3) and (strip[:4, :400] == 0).all() and (strip[:6, 406:] == 9).all()
    )
    assert (strip[4:12, :400] == 255).all() and (strip[12:, :400] == 0).all() and (strip[12:, 400:] == 255).all()
    wide = np.zeros((2, 1200, 3), np.uint8)
    assert base.side_by_side([wide, wide]).shape == (10, 1200, 3) and base.side_by_side([a]).shape == a.shape


# --- what holds for every widget ------------------------------------------------------------------------------

POSE = plots.standing_pose()
TWO = people(
    xy=np.stack([POSE, POSE + [60, 0]]),
    track=[0, 1],
    head=[20.0, 20.0],
    box=extent_boxes(np.stack([POSE] * 2), np.ones((2, 15), bool)),
)
CLIP = concatenate([TWO.replace(frame=np.full(2, t)) for t in range(3)])
EVEN = {"weights": np.full((1, 2, 30, 30), 1 / 30), "probability": 0.5}
#: A small one of every kind, by what the recipe in CONTRIBUTING asks for; and a change that shows.
EXAMPLES = {
    "Sliders": (lambda: scrub(flat, 5), {"frame": 3}),
    "Player": (
        lambda: widgets.Player(Video("clip", (200, 220), np.ones(3, bool), CLIP), CLIP, CLIP),
        {"frame": 2, "person": 1},
    ),
    "PoseEditor": (
        lambda: widgets.PoseEditor(TWO, measures={"shown": lambda xy, present: present.sum()}),
        {"xy": np.stack([POSE + 5, POSE + [60, 0]])},
    ),
    "MatchTable": (lambda: widgets.MatchTable(widgets.FramePair(TWO, TWO), np.eye(2)), {"forced": [[0, 0]]}),
    "PlanePicker": (
        lambda: widgets.PlanePicker(
            np.eye(2), ("a", [1, 2]), ("b", [3, 4]), lambda a, b: (flat(a), {"sum": a + b}), (1, 3)
        ),
        {"row": 1},
    ),
    "AttentionView": (
        lambda: widgets.AttentionView(np.stack([POSE, POSE]), np.ones((2, 15), bool), lambda *_: EVEN),
        {"token": 4},
    ),
    "FlowField": (
        lambda: widgets.FlowField([flat(2)] * 2, {"here": np.eye(4)[..., None] * [1.0, 2.0]}, [POSE / 60]),
        {"show": 1},
    ),
    "SimilarityMatrix": (
        lambda: widgets.SimilarityMatrix({"pose": [[0.9, 0.3]]}, [4], [1], [POSE], None, TWO.xy),
        {"column": 1},
    ),
    "HeatmapExplorer": (lambda: widgets.HeatmapExplorer(np.eye(5)[None] + 0.1, ["nose"], [[9, 9]]), {"joint": -1}),
}
every = pytest.mark.parametrize("name", EXAMPLES)


def test_every_widget_has_an_example():
    kinds = {
        n for n in widgets.__all__ if isinstance(thing := getattr(widgets, n), type) and issubclass(thing, base.Live)
    }
    assert set(EXAMPLES) == kinds - {"Live"}
    assert {getattr(widgets, n).kind for n in EXAMPLES} == {p.stem for p in base.SCRIPTS.glob("*.js")} - {"base"}


@every
def test_its_picture_moves_and_comes_back(name, capsys):
    make, changes = EXAMPLES[name]
    make().check(**changes)
    with pytest.raises(KeyError, match="other: a view of this widget holds"):
        make().move(other=1)
    assert plt.get_fignums() == []


@every
def test_what_a_browser_sends_is_answered_or_a_fault(name):
    make, _ = EXAMPLES[name]
    w = make()
    start, number = w.view, 0
    for key in start:
        for wrong in (None, "a", [], {}, -1, 1e9, 0.5, [[0]], [None], True):
            number += 1
            w.set_state({"view": start | {key: wrong}, "asked": number})
            assert w.answered == number and isinstance(w.fault, str)
    w.set_state({"view": {}, "asked": number + 1})
    assert w.fault and w.answered == number + 1
    w.set_state({"view": start, "asked": number + 2})
    assert w.fault == "" and w.answer == make().answer, "a good view is answered as ever"
    json.dumps([w.scene, w.view, w.answer], allow_nan=False)


@every
def test_it_leaves_the_same_bytes_and_nothing_without_words(name):
    make, _ = EXAMPLES[name]
    (strip, more), (form, _), (live, _) = shown(make())
    again = shown(make())
    assert strip == again[0][0] and form == again[1][0] and len(more["metadata"]["image/png"]["alt"]) > 4
    assert base64_png(strip["image/png"]).size and "model_id" in str(live)
    assert form["text/html"].count("<script") == form["text/html"].count("</script>") == 1


# --- views and answers that went wrong before -----------------------------------------------------------------


def test_what_was_raised_is_raised_again_for_the_same_view():
    w = scrub(failing, 5)
    for _ in range(2):
        with pytest.raises(ValueError, match="three"):
            w.move(frame=3)
    w.set_state({"view": {"nothing": 1}, "asked": 1})
    assert w.fault == "a view of this widget holds frame, not nothing."
    assert w.move(frame=2) and w.fault == "" and w.view == {"frame": 2}, "it goes on from the last view that made sense"


def test_a_question_from_the_browser_is_answered_once():
    class Counting(Kept):
        asked_for = 0

        def answers(self, view):
            self.asked_for += 1
            return {"twice": 2 * view["t"]}

    w = Counting("counting", {"sliders": []}, {"t": 0})
    for k, state in enumerate(({"view": {"t": 3}, "asked": 1}, {"view": {"t": 4}, "asked": 2}), 2):
        w.set_state(state)
        assert (w.asked_for, w.answered) == (k, state["asked"])
    w.set_state({"asked": 3, "view": {"t": 4}})
    assert (w.asked_for, w.answered, w.answer) == (3, 3, {"twice": 8})


def test_small_numbers_keep_their_figures():
    given = [0.013, 0.00456, 1e-5, 12.3456, 0.0, -0.002]
    assert base.plain(given) == [0.013, 0.0046, 1e-5, 12.35, 0, -0.002] and base.plain(1e300) == 1e300
    rate = []
    w = widgets.Sliders(lambda rate_: rate.append(rate_) or flat(1), rate_=(0.001, 0.004, 0.0005, 0.002))
    assert w.scene["sliders"] == [["rate_", 0.001, 0.004, 0.0005]]
    w.move(rate_=0.0035)
    assert rate == [0.002, 0.0035]


def test_a_drawing_function_may_use_its_image_again():
    image = np.zeros((4, 4, 3), np.uint8)

    def draw(t):
        image[:] = 50 * t
        return image

    w = scrub(draw, 5)
    first = w.picture()
    w.move(frame=4)
    w.move(frame=0)
    assert w.picture() == first


@pytest.mark.parametrize("drawn", [None, 0.5, np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_what_is_no_picture_is_said_to_be_none(drawn):
    with pytest.raises(WorkbookError, match="a widget draws a Figure or an uint8 image"):
        scrub(lambda t: drawn, 5)


@pytest.mark.parametrize("wrong", ["a", None, np.nan, [1], True])
def test_a_slider_takes_numbers_only(wrong):
    with pytest.raises(WorkbookError, match="slider frame"):
        scrub(flat, 5).move(frame=wrong)


def test_two_widgets_of_one_title_have_ids_of_their_own():
    first, second = (Kept("kept", {"sliders": [], "n": n}, {"t": 1}) for n in (1, 2))
    assert first.without_kernel() != second.without_kernel() and first.stored_id != second.stored_id
