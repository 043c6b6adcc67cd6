"""Optical flow: every provider on an image that is shifted, the exact one on shapes that are warped, and bad input."""

import numpy as np
import pytest

from helpers import WorkbookError, puppets
from helpers.detections import flow
from helpers.opencv import cv2


def blobs(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth random image, uint8 (H, W, 3)."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


@pytest.mark.parametrize("name", ["dis", "farneback"])
@pytest.mark.parametrize("shift", [(3, 0), (0, -2), (-4, 5)])
def test_a_shifted_image_has_the_shift_as_its_flow(name, shift):
    whole = blobs(200, 240)
    x, y = shift
    a, b = whole[20:180, 20:220], whole[20 - y : 180 - y, 20 - x : 220 - x]
    found = flow.provider(name)(a, b)
    assert found.shape == (160, 200, 2) and found.dtype == np.float32
    assert np.abs(found[20:-20, 20:-20] - shift).max() < 0.5


def test_moved_by_hand():
    field = np.zeros((3, 4, 2), np.float32)
    field[1, 2] = 1, -1
    xy, inside = flow.moved(field, [[2.4, 0.6], [2.6, 1.0], [-1, 1], [np.nan, 0]])
    np.testing.assert_allclose(xy, [[3.4, -0.4], [2.6, 1.0], [-1, 1], [np.nan, 0]])
    assert inside.tolist() == [True, True, False, False]


def test_the_exact_flow_knows_its_frames():
    (video,) = puppets.videos("val", n=1)
    exact = flow.PuppetFlow(video)
    for t in (7, 8, 3):
        assert np.array_equal(exact(video.frames[t], video.frames[t + 1]), puppets.flow(video, t)[0])
    for a, b in ((4, 6), (len(video) - 1, 0)):
        with pytest.raises(WorkbookError, match="no frame of this video and the next"):
            exact(video.frames[a], video.frames[b])


def test_neighbours_compute_a_pair_once():
    images, calls = [blobs(40, 60, seed) for seed in range(4)], []

    def counted(a, b):
        calls.append((a, b))
        return flow.zero(a, b)

    memory = flow.Neighbours(counted)
    assert memory.step(images[0]) is None and memory.step(images[0]) is None
    for image in images[1:]:
        assert memory.step(image) is memory.step(image)
    assert len(calls) == 3
    assert all(np.array_equal(a, images[t]) and b is images[t + 1] for t, (a, b) in enumerate(calls))
    with pytest.raises(WorkbookError, match="60 × 40 and 40 × 40"):
        memory.step(images[0][:, :40])
