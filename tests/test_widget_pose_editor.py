"""The pose editor, driven from Python; tests/browser/test_pose_editor.py drags its joints."""

import ast
import re
from itertools import pairwise

import matplotlib
import numpy as np
import pytest

from helpers import WorkbookError, places
from helpers.notebook import plots
from helpers.notebook.widgets import PoseEditor, base
from helpers.people import nobody, people
from helpers.skeleton import INDEX, JOINTS
from tests import notebook_code

matplotlib.use("Agg")

STANDING = plots.standing_pose()
TWO = np.stack([STANDING, STANDING + [4, 0]])
WRIST = INDEX["right_wrist"]


def distances(xy, present):
    """Mean distance of the joints that both poses have."""
    return np.linalg.norm(xy[0] - xy[1], axis=-1)[present.all(0)].mean()


def right(xy, present):
    near = np.linalg.norm(xy[0] - xy[1], axis=-1) <= 10
    return {name: near[j] & present[0, j] for j, name in enumerate(JOINTS)}


def editor(**more):
    return PoseEditor(TWO, **({"measures": {"distance": distances, "right": right}} | more))


def test_measures_follow_a_joint_that_is_moved():
    w = editor()
    assert w.answer == {"numbers": {"distance": 4}, "joints": {"right": [True] * 15}, "faults": {}}
    x, y = TWO[1, WRIST]
    answer = w.move_joint(0, "right_wrist", (x + 34, y))
    assert answer["numbers"]["distance"] == (14 * 4 + 34) / 15 and answer == w.answer
    assert [JOINTS[j] for j, ok in enumerate(answer["joints"]["right"]) if not ok] == ["right_wrist"]
    assert w.view["xy"][0][2 * WRIST : 2 * WRIST + 2] == [x + 34, y]
    assert w.move(xy=TWO)["numbers"]["distance"] == 4, "arrays (P, 15, 2) are taken, too"
    with pytest.raises(WorkbookError, match="'wrist' is no joint; there are right_ankle"):
        w.move_joint(0, "wrist", (1, 2))


def test_a_hidden_joint_is_not_present_and_moving_it_shows_it():
    w = editor()
    present = np.ones((2, 15), bool)
    present[0, WRIST] = False
    answer = w.move(present=present)
    assert answer["joints"]["right"][WRIST] is False and answer["numbers"]["distance"] == 4
    w.move_joint(0, "right wrist", STANDING[WRIST])
    assert w.move_joint(0, "nose", None)["joints"]["right"][INDEX["nose"]] is False
    assert w.view["present"][0][WRIST] is True and w.answer["joints"]["right"][WRIST] is True


def test_the_picture_moves_with_joint_presence_circles_and_choice(capsys):
    data = people(xy=np.stack([STANDING * [1.1, 1], STANDING[::-1]]), frame=[3, 4], track=[7, 8])
    w = editor(around={"half a head": np.full(15, 9.0)}, hills={"OKS": np.full(15, 4.0)}, choices=data)
    hidden = np.ones((2, 15), bool)
    hidden[0, 3] = False
    w.check(xy=TWO + np.array([[[6.0, 3]], [[0, 0]]]), present=hidden, ring=1)
    w.check(ring=-1)
    w.move(ring=1)
    w.check(joint=3)  # the hill stands at the chosen joint
    assert [c[0] for c in w.scene["choices"]] == ["frame 3, track 7", "frame 4, track 8"]
    before = w.picture()
    w.pick(1)
    np.testing.assert_allclose(np.reshape(w.view["xy"][0], (15, 2)), STANDING[::-1])
    assert w.view["choice"] == [1, -1] and w.picture() != before
    with pytest.raises(WorkbookError, match="choice 2 is not one of 0 … 1"):
        w.pick(2)
    with pytest.raises(WorkbookError, match="pose 1 is not one of 0 … 0"):
        w.pick(1, pose=1)
    assert np.array_equal(w.scene["window"], PoseEditor(TWO, choices=data).scene["window"])


def test_a_picture_crosses_the_joint_that_is_wrong_and_fills_circles_but_no_hills():
    def wrong(name):
        return {"right": lambda xy, present: dict.fromkeys(JOINTS, True) | {name: False}}

    assert editor(measures=wrong("nose")).picture() != editor(measures=wrong("left_knee")).picture()
    hidden = np.ones((2, 15), bool)
    hidden[1, WRIST] = False  # the chosen joint, where the hill would stand
    width = {"r": np.full(15, 9.0)}
    filled, rims = (PoseEditor(TWO, hidden, **kind).picture() for kind in ({"around": width}, {"hills": width}))
    assert filled != rims


def test_a_dict_is_by_joint_only_where_all_its_names_are_joints():
    w = PoseEditor(STANDING[None], measures={"m": lambda xy, present: {"nose": 1.5, "left wrist": 2, "sum": 3.5}})
    assert w.answer["numbers"] == {"m: nose": 1.5, "m: left wrist": 2, "m: sum": 3.5} and not w.answer["joints"]
    w = PoseEditor(STANDING[None], measures={"m": lambda xy, present: {"nose": 1.5, "left wrist": 2}})
    row = w.answer["joints"]["m"]
    assert row[INDEX["nose"]] == 1.5 and row[INDEX["left_wrist"]] == 2 and row.count(None) == 13
    assert not w.answer["numbers"] and w.picture()


def test_one_measure_that_raises_leaves_the_others():
    def high(xy, present):
        if xy[0, WRIST, 1] < 50:
            raise ValueError("too <high>")
        return {"wrist": xy[0, WRIST, 1], "told": "low"}

    w = PoseEditor(STANDING[None], measures={"high": high, "first": lambda xy, present: xy[0, 0, 0]})
    assert w.answer["numbers"] == {"high: wrist": 92, "high: told": "low", "first": 38}
    with pytest.raises(ValueError, match="too <high>"):
        w.move_joint(0, "right_wrist", (10, 20))
    assert w.answer == {"numbers": {"first": 38}, "joints": {}, "faults": {"high": "ValueError: too <high>"}}
    assert w.fault == "" and w.picture()
    w.move_joint(0, "right_wrist", (10, 90))
    assert not w.answer["faults"]


@pytest.mark.parametrize("value", [np.ones(3), {"a": [1, 2]}, {1}, object()])
def test_what_no_table_can_show_is_that_measures_fault(value):
    w = PoseEditor(STANDING[None], measures={"odd": lambda xy, present: value, "fine": lambda xy, present: 1})
    assert w.answer["numbers"] == {"fine": 1}
    assert w.answer["faults"]["odd"].startswith("TypeError: odd returned ")


def test_numbers_of_other_libraries_and_none_are_shown():
    torch = pytest.importorskip("torch")
    given = {"logit": torch.tensor(0.5), "one": np.array([2.5]), "nan": np.nan, "none": None, "yes": np.bool_(True)}
    w = PoseEditor(STANDING[None], measures={k: (lambda xy, present, v=v: v) for k, v in given.items()})
    assert w.answer["numbers"] == {"logit": 0.5, "one": 2.5, "nan": None, "none": None, "yes": True}
    assert not w.answer["faults"] and w.picture()


def test_a_measure_cannot_change_the_poses_of_the_next():
    def spoils(xy, present):
        xy[:], present[:] = 0, False
        return 0

    w = editor(measures={"spoils": spoils, "distance": distances})
    assert w.answer["numbers"] == {"spoils": 0, "distance": 4}


def test_an_absent_joint_waits_where_a_standing_person_has_it():
    xy, present = 2 * STANDING[None] + 30, np.ones((1, 15), bool)
    xy[0, WRIST] = np.nan
    present[0, INDEX["nose"]] = False
    w = PoseEditor(xy, present)
    assert [JOINTS[j] for j, on in enumerate(w.view["present"][0]) if not on] == ["right_wrist", "nose"]
    got = np.reshape(w.view["xy"][0], (15, 2))
    np.testing.assert_allclose(got, 2 * STANDING + 30, atol=0.01)
    nothing = PoseEditor(np.zeros((1, 15, 2)), np.zeros((1, 15), bool))
    np.testing.assert_allclose(np.reshape(nothing.view["xy"][0], (15, 2)), STANDING)
    assert not any(nothing.view["present"][0]) and nothing.picture()
    one = PoseEditor(np.full((1, 15, 2), 5.0), np.arange(15)[None] == WRIST)
    assert np.isfinite(one.view["xy"]).all() and one.picture()
    x1, y1, x2, y2 = PoseEditor(np.full((1, 15, 2), 5.0)).scene["window"]
    assert min(x2 - x1, y2 - y1) >= 20 and x1 < 5 < x2 and y1 < 5 < y2, "a pose in one point can be seen"


def test_a_pose_of_another_place_is_offered_in_the_middle_of_the_window():
    far = people(xy=STANDING[None] + 5000)
    w = PoseEditor(TWO, window=(0, 0, 100, 200), choices=far, fixed=False)
    assert w.pick(0, pose=1) is not None and w.view["pose"] == 1
    middle = np.reshape(w.view["xy"][1], (15, 2)).mean(0)
    np.testing.assert_allclose(middle, (50, 100), atol=0.01)


def test_the_backdrop_is_the_part_that_the_window_shows():
    image = np.zeros((120, 160, 3), np.uint8)
    image[20:60, 30:90] = (200, 30, 30)
    w = PoseEditor(STANDING[None] / 4, image=image, window=(29.5, 20, 90, 60))
    assert w.scene["image"]["box"] == [29, 20, 90, 60] and len(w.without_kernel()) < 60_000
    outside = PoseEditor(STANDING[None], image=image, window=(200, 0, 300, 100))
    assert outside.scene["image"] is None and outside.picture()
    assert PoseEditor(STANDING[None], image=image).scene["window"] == [0, 0, 160, 120]


def test_the_strip_shows_every_position_and_the_editor_stays_where_it_is():
    w = editor(measures={}, strip=[{"right_wrist": (80, 20)}, {"nose": None, "head_top": (10, 0)}])
    view, strip = w.view, w.still()
    wide = base.pixels(w.draw(w.view)).shape[1]
    assert strip.shape[1] == 3 * wide + 2 * 6 and w.view == view
    parts = [strip[:, k * (wide + 6) : k * (wide + 6) + wide] for k in range(3)]
    assert not any(np.array_equal(a, b) for a, b in pairwise(parts))


VIEWS = [
    ({"xy": None}, "do not hold 2 poses"),
    ({"xy": "abc"}, "xy does not hold numbers of one shape"),
    ({"xy": [[1, 2]]}, "do not hold 2 poses of 15 joints"),
    ({"xy": TWO * np.nan}, "right_ankle of pose 0 at (nan nan) is no place near the window"),
    ({"xy": TWO + 1e6}, "is no place near the window"),
    ({"present": [[True] * 15]}, "do not hold 2 poses"),
    ({"present": "abc"}, "pose editor"),
    ({"pose": 1}, "pose 1 is not one of 0 … 0"),
    ({"joint": 15}, "joint 15 is not one of 0 … 14"),
    ({"joint": True}, "joint True is not one of 0 … 14"),
    ({"joint": 1.5}, "joint 1.5 is not one of"),
    ({"joint": "nose"}, "joint nose is not one of"),
    ({"ring": 0}, "ring 0 is not one of -1 … -1"),
    ({"choice": [0, 0]}, "choice 0 is not one of -1 … -1"),
    ({"choice": 3}, "choice 3 does not hold one number for each of 2 poses"),
    ({"choice": [None, 0]}, "choice None is not one of"),
]


@pytest.mark.parametrize("change, message", VIEWS)
def test_a_view_that_makes_no_sense_is_a_sentence(change, message):
    w = editor()
    view = w.view
    with pytest.raises(WorkbookError, match=re.escape(message)):
        w.move(**change)
    assert w.view == view
    if "xy" not in change or not isinstance(change["xy"], np.ndarray):
        w.set_state({"view": {**view, **change}, "asked": 1})
        assert message in w.fault and w.answered == 1


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: PoseEditor(nobody()), "0 poses are given, one or two are edited; offer others as choices."),
        (lambda: PoseEditor(people(xy=np.zeros((200, 15, 2)))), "200 poses are given"),
        (lambda: PoseEditor(STANDING), "poses of shape (15, 2) are not (P, 15, 2)."),
        (lambda: PoseEditor(np.zeros((1, 17, 2))), "poses of shape (1, 17, 2)"),
        (lambda: PoseEditor([[1, 2], [3]]), "poses does not hold numbers of one shape"),
        (lambda: PoseEditor(TWO, np.ones((1, 15))), "present (1, 15) does not fit poses (2, 15, 2)."),
        (lambda: PoseEditor(TWO, image=np.zeros((4, 4))), "an image (4, 4) of float64 is not uint8 H×W×3."),
        (lambda: PoseEditor(TWO, window=(0, 0, 0, 9)), "window (0, 0, 0, 9) is not x1 y1 x2 y2"),
        (lambda: PoseEditor(TWO, window=(0, 0, np.nan, 9)), "is not x1 y1 x2 y2"),
        (lambda: PoseEditor(TWO, around={"r": [1, 2]}), "r does not hold 15 radii in pixels"),
        (lambda: PoseEditor(TWO, hills={"r": -np.ones(15)}), "none negative or NaN"),
        (lambda: PoseEditor(TWO, choices=nobody()), "0 poses to choose from, 1 to 300 can be offered."),
        (lambda: PoseEditor(TWO, choices=people(xy=TWO), choice_names=["a"]), "1 names for 2 poses to choose from."),
        (lambda: PoseEditor(TWO, strip=[{"ear": (1, 2)}]), "'ear' is no joint"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(make, message):
    with pytest.raises(WorkbookError, match=re.escape(message)):
        make()


def test_two_hundred_poses_can_be_chosen_from():
    rng = np.random.default_rng(0)
    w = PoseEditor(TWO, choices=people(xy=rng.uniform(0, 300, (200, 15, 2)), present=rng.random((200, 15)) < 0.5))
    assert len(w.scene["choices"]) == 200 and len(w.without_kernel()) < 120_000
    assert w.pick(199) is not None


def test_what_notebook_01s_measures_read_stays_what_it_is():
    """They are asked after the whole notebook has run: a name that a later cell binds again would break them."""
    cells = notebook_code.code_cells(places.ROOT / "notebooks" / "01_data_and_metrics.ipynb")
    (made,) = [i for i, c in enumerate(cells) if "= PoseEditor(" in c.source]
    names = notebook_code.read(cells[made - 1].source)
    assert {"evaluation", "geometry", "clip"} < names, "the cell above the editor's holds the measures"
    for cell in cells[made + 1 :]:
        bound = {n for s in ast.parse(cell.source).body for n in notebook_code.defined(s, comprehensions=False)}
        assert not names & bound, names & bound


def test_a_circle_may_have_no_radius():
    w = PoseEditor(np.stack([plots.standing_pose()] * 2), around={"none": np.zeros(15)})
    assert w.scene["rings"][0][2] == [0] * 15
