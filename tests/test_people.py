import numpy as np
import pytest

from helpers.people import concatenate, extent_boxes, nobody, people


def test_what_is_not_given_is_filled():
    p = people(frame=[0, 1], xy=np.ones((2, 15, 2)))
    assert p.present.all() and (p.track == -1).all() and np.isnan(p.head).all()


def test_selecting_and_joining_give_back_the_same_people():
    p = people(frame=[0, 1, 1], track=[3, 4, 5])
    again = concatenate([p[p.frame == 1], p[p.frame == 0]])
    assert again.track.tolist() == [4, 5, 3] and len(p[0]) == 1 and len(concatenate([])) == 0
    assert p.at(1).track.tolist() == [4, 5] and len(nobody().at(0)) == 0


def test_replace_returns_a_new_one():
    p = people(frame=[0])
    assert p.replace(track=[7]).track[0] == 7 and p.track[0] == -1


@pytest.mark.parametrize(
    "arrays", [dict(frame=[0], xy=np.ones((1, 16, 2))), dict(frames=[0]), {}, dict(frame=[0, 1], track=[0])]
)
def test_wrong_shapes_and_names_are_refused(arrays):
    with pytest.raises(ValueError, match="people"):
        people(**arrays)


def test_posetrack18_boxes_are_the_extent_and_15_percent_a_side():
    # the official sample annotation: extent 371..1416 × 141..981
    xy = np.zeros((1, 15, 2))
    present = np.zeros((1, 15), bool)
    xy[0, :2], present[0, :2] = [(371, 141), (1416, 981)], True
    x1, y1, x2, y2 = extent_boxes(xy, present, 0.15)[0]
    np.testing.assert_allclose([x1, y1, x2 - x1, y2 - y1], [214.25, 15, 1358.5, 1092])
    assert np.isnan(extent_boxes(xy, ~present & present)).all()


def owned(n=4):
    """People and the caller's own arrays that they were made of."""
    arrays = {
        "frame": np.arange(n),
        "box": np.ones((n, 4)),
        "score": np.ones(n),
        "xy": np.ones((n, 15, 2)),
        "joint_score": np.ones((n, 15)),
        "present": np.ones((n, 15), bool),
        "track": np.arange(n),
        "head": np.ones(n),
    }
    return people(**arrays), arrays


MADE = {
    "people": lambda p: p,
    "mask": lambda p: p[p.frame < 3],
    "slice": lambda p: p[1:3],
    "number": lambda p: p[1],
    "indices": lambda p: p[np.array([0, 1])],
    "replace": lambda p: p.replace(track=p.track + 1, xy=p.xy[:, :, ::-1]),
    "at": lambda p: p.at(1),
    "by_frame": lambda p: p.by_frame(4)[1],
    "concatenate": lambda p: concatenate([p, p]),
    "concatenate one": lambda p: concatenate([p]),
}


@pytest.mark.parametrize("how", MADE)
def test_nobody_can_write_into_people(how):
    made = MADE[how](owned()[0])
    for name in owned()[1]:
        with pytest.raises(ValueError, match="read-only"):
            getattr(made, name)[:1] = 0


@pytest.mark.parametrize("view", [lambda a: a, lambda a: a[:], lambda a: a[::-1][::-1], lambda a: frozen_view(a)])
def test_people_do_not_change_with_the_arrays_they_were_made_of(view):
    _, arrays = owned()
    made = people(**{name: view(array) for name, array in arrays.items()})
    replaced = made.replace(**{name: view(array) for name, array in arrays.items()})
    before = {name: array.copy() for name, array in arrays.items()}
    for array in arrays.values():
        array[...] = 7
    for name, values in before.items():
        assert np.array_equal(getattr(made, name), values) and np.array_equal(getattr(replaced, name), values)


def frozen_view(array):
    view = array[:]
    view.flags.writeable = False
    return view


def test_what_is_frozen_already_is_not_copied():
    p, _ = owned()
    assert np.shares_memory(p.replace(track=[4, 5, 6, 7]).xy, p.xy) and np.shares_memory(p[1:].xy, p.xy)


@pytest.mark.parametrize(
    "arrays",
    [
        dict(frame=[0.9]),
        dict(frame=[np.nan]),
        dict(frame=[2**63]),
        dict(track=np.array([1.5])),
        dict(xy=np.ones((1, 15, 2)), present=np.full((1, 15), 0.5)),
        dict(xy=np.ones((1, 15, 2)), present=np.full((1, 15), 2)),
    ],
)
def test_a_value_that_would_be_cut_off_is_refused(arrays):
    with pytest.raises(ValueError, match=f"people.{list(arrays)[-1]}: holds a value"):
        people(**arrays)


def test_values_of_another_type_that_fit_are_taken():
    p = people(frame=np.array([2.0]), xy=np.ones((1, 15, 2), np.float32), present=np.ones((1, 15), np.uint8))
    assert p.frame.tolist() == [2] and p.frame.dtype == np.int64 and p.xy.dtype == float and p.present.all()


@pytest.mark.parametrize("n", [0, 1, 40])
def test_by_frame_is_at_of_every_frame(n):
    rng = np.random.default_rng(n)
    p = people(frame=rng.integers(0, 6, n), track=np.arange(n))
    parts = p.by_frame(5)
    assert len(parts) == 5 and nobody().by_frame(0) == []
    for t, part in enumerate(parts):
        assert part.track.tolist() == [i for i in range(n) if p.frame[i] == t] == p.at(t).track.tolist()


def test_the_margin_is_a_share_of_its_own_side():
    xy, present = np.zeros((2, 15, 2)), np.zeros((2, 15), bool)
    xy[:, :3], present[:, :3] = [(10, 100), (30, 140), (20, 120)], True
    xy[1, 3] = (-500, 900)  # a joint that is absent does not count
    assert extent_boxes(xy, present, 0.1).tolist() == [[8, 96, 32, 144]] * 2
    assert extent_boxes(xy, present).tolist() == [[10, 100, 30, 140]] * 2
    present[0, 1:3] = False
    assert extent_boxes(xy, present, 0.1)[0].tolist() == [10, 100, 10, 100]
    assert extent_boxes(xy[:0], present[:0], 0.1).shape == (0, 4)


def test_joining_keeps_the_order_of_every_array():
    parts = [people(frame=[f], track=[f + 1], score=[f / 10], head=[f + 2.0]) for f in (2, 0, 1)]
    p = concatenate(iter(parts))
    assert p.frame.tolist() == [2, 0, 1] and p.track.tolist() == [3, 1, 2] and p.head.tolist() == [4, 2, 3]
