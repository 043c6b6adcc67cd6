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
