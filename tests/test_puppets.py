"""The built-in world: deterministic, labelled like PoseTrack, exact where it says exact, like the real one."""

import cv2
import numpy as np
import pytest

from helpers import WorkbookError, datasets, puppets
from helpers.puppets import WorldSettings, motion, render, scene
from helpers.puppets.statistics import calibration_figure, calibration_table, mislinked, speeds, statistics
from helpers.people import people
from helpers.skeleton import INDEX, JOINTS

SMALL = dict(n=3)


@pytest.fixture(scope="module")
def three():
    return puppets.videos("val", **SMALL)


def test_the_same_call_gives_the_same_world(three):
    again = puppets.videos("val", **SMALL)
    for a, b in zip(three, again):
        assert a.name == b.name and np.array_equal(a.people.xy, b.people.xy)
        assert np.array_equal(a.frames[5], b.frames[5])


def test_a_video_does_not_depend_on_how_many_are_made(three):
    assert np.array_equal(puppets.videos("val", n=1)[0].people.xy, three[0].people.xy)


def test_splits_have_their_sizes_and_share_no_video():
    made = {s: puppets.videos(s, render=False) for s in puppets.SPLITS}
    assert {s: len(v) for s, v in made.items()} == {"train": 60, "val": 50, "test": 50}
    assert len({v.name for vs in made.values() for v in vs}) == 160
    firsts = [tuple(vs[0].people.xy[0].ravel()[:6]) for vs in made.values()]
    assert len(set(firsts)) == 3


def test_ground_truth_without_pixels_is_the_same(three):
    for a, b in zip(three, puppets.videos("val", render=False, **SMALL)):
        assert b.frames is None and np.array_equal(a.people.xy, b.people.xy)


@pytest.mark.parametrize("split", ["train", "val"])
def test_labelled_like_posetrack(split):
    for video in puppets.videos(split, n=4, render=False):
        run = np.flatnonzero(video.labelled)
        middle = np.arange(len(video)) - (len(video) - 30) // 2
        expected = (middle >= 0) & (middle < 30)
        if split == "val":
            expected |= np.arange(len(video)) % 4 == 0
        assert np.array_equal(video.labelled, expected) and set(video.people.frame) <= set(run)
    everywhere = puppets.videos(split, n=1, render=False, labelled="all")[0]
    assert everywhere.labelled.all() and set(everywhere.people.frame) == set(range(len(everywhere)))


def test_people_are_well_formed(three):
    for video in three:
        p, (width, height) = video.people, video.size
        assert p.present.any(1).all() and (p.head > 0).all() and (p.track >= 0).all()
        inside = (p.xy >= 0) & (p.xy <= [width - 1, height - 1])
        assert inside.all(-1)[p.present].all() and (p.xy[~p.present] == 0).all()
        assert len({(f, t) for f, t in zip(p.frame, p.track)}) == len(p)


def test_limbs_keep_their_length_and_feet_stay_above_the_ground():
    rng = np.random.default_rng(0)
    cast = scene.random_people(rng, 12, WorldSettings())
    joints = motion.joints_3d(cast, np.arange(60) / 25)
    for a, b in (("right_hip", "right_knee"), ("left_knee", "left_ankle"), ("right_shoulder", "right_elbow"),
                 ("left_elbow", "left_wrist"), ("head_bottom", "head_top"), ("right_hip", "left_hip")):
        length = np.linalg.norm(joints[:, :, INDEX[a]] - joints[:, :, INDEX[b]], axis=-1)
        np.testing.assert_allclose(length, length[:, :1] * np.ones(60), rtol=1e-9)
    assert joints[..., 1].min() > 0


def test_a_group_moves_alike_side_by_side():
    for seed in range(40):
        cast = scene.random_people(np.random.default_rng(seed), 6, WorldSettings(groups=1.0))
        joints = motion.joints_3d(cast, np.arange(30) / 25)
        same = np.abs(np.diff(joints - joints[:, :, [INDEX["head_bottom"]]], axis=1))
        pairs = [(i, j) for i in range(6) for j in range(i) if np.array_equal(cast.path_phase[i], cast.path_phase[j])]
        assert pairs and all(np.abs(same[i] - same[j]).max() < .1 for i, j in pairs)


# --- visibility against the pixels -----------------------------------------------------------------

def test_visible_joints_are_painted_by_their_own_person(three):
    """The pixel of a present joint shows its person; that of a joint hidden by another shows the other."""
    agree = total = 0
    for video in three:
        s, seen = puppets.scene_of(video), puppets.scene_of(video).visible()
        for t in range(0, len(video), 9):
            shown = render._object(render.owners(s, t))
            for p in range(len(s.joints)):
                for j in range(15):
                    x, y = np.rint(s.joints[p, t, j]).astype(int)
                    if not (0 <= x < video.size[0] and 0 <= y < video.size[1]) or j == INDEX["nose"]:
                        continue
                    if seen[p, t, j]:
                        agree += shown[y, x] == p
                        total += 1
                    elif not s._behind_own_trunk()[p, t, j]:
                        agree += shown[y, x] != p
                        total += 1
    assert total > 1000 and agree / total > .97      # the rest are outlines that pass through the joint's pixel


def test_a_nearer_person_and_a_pillar_hide_and_a_farther_one_does_not():
    view = scene.camera.Camera(np.zeros(2), np.zeros(2), np.full(2, 320.0), (320, 180))
    cast = scene.random_people(np.random.default_rng(1), 2, WorldSettings(groups=0))
    still = motion.Choreography(**{**{f: getattr(cast, f) for f in cast.__dataclass_fields__},
                                   "path_centre": np.array([[0, 4.0], [0, 6.0]]), "path_amplitude": np.full((2, 2), 1e-6),
                                   "action": np.zeros(2, int)})
    joints, depth = view.project(motion.joints_3d(still, np.arange(2) / 25))
    none = np.zeros((0, 2, 4, 2))
    alone = scene.Scene(joints, depth, still.height, none, np.zeros(0), view, False, 0.0, 0)
    hips = [INDEX["left_hip"], INDEX["right_hip"]]
    assert not alone.visible()[1, :, hips].any() and alone.visible()[0, :, INDEX["head_top"]].all()
    pillar = np.broadcast_to(np.array([(100, 0), (220, 0), (220, 179), (100, 179)], float), (1, 2, 4, 2))
    behind = scene.Scene(joints, depth, still.height, pillar, np.array([2.0]), view, False, 0.0, 0)
    assert not behind.visible().any()


# --- pixels and flow ----------------------------------------------------------------------------------

def test_frames_are_lazy_uint8_images(three):
    frame = three[0].frames[-1]
    assert frame.shape == (180, 320, 3) and frame.dtype == np.uint8 and len(three[0].frames) == len(three[0])
    assert len(three[0].frames[2:5]) == 3 and not np.array_equal(three[0].frames[0], three[0].frames[20])
    with pytest.raises(IndexError):
        three[0].frames[len(three[0])]


def test_blur_mixes_moments():
    sharp, blurred = (puppets.videos("val", n=1, settings=WorldSettings(blur=b, shake=1.0))[0].frames[30] for b in (0.0, .8))
    assert np.array_equal(sharp.shape, blurred.shape) and (sharp != blurred).mean() > .05


def test_flow_carries_visible_joints_onto_themselves():
    error = []
    for video in puppets.videos("val", n=4, labelled="all"):
        s, p = puppets.scene_of(video), video.people
        for t in range(0, len(video) - 1, 13):
            field, _ = puppets.flow(video, t)
            shown = render._object(render.owners(s, t))
            for i in np.flatnonzero(p.frame == t):
                for j in np.flatnonzero(p.present[i]):
                    x, y = np.rint(p.xy[i, j]).astype(int)
                    limb = JOINTS[j] not in ("nose",) and shown[y, x] == p.track[i]
                    if limb:
                        error.append(np.abs(field[y, x] - (s.joints[p.track[i], t + 1, j] - p.xy[i, j])).max())
    assert len(error) > 300 and np.quantile(error, .95) < 1.0     # a pixel beside the joint turns with its limb


def test_flow_warps_the_next_frame_onto_this_one():
    video = puppets.videos("val", n=1, settings=WorldSettings(pan=1.0, shake=1.0))[0]
    for t in (10, 40):
        field, valid = puppets.flow(video, t)
        grid = np.stack(np.meshgrid(np.arange(320), np.arange(180)), -1).astype(np.float32)
        back = cv2.remap(video.frames[t + 1], grid + field, None, cv2.INTER_LINEAR)
        difference = np.abs(back.astype(int) - video.frames[t]).mean(-1)
        unmoved = np.abs(video.frames[t + 1].astype(int) - video.frames[t]).mean(-1)
        assert np.median(difference[valid]) < 6 and difference[valid].mean() < .6 * unmoved[valid].mean()
    with pytest.raises(IndexError):
        puppets.flow(video, len(video) - 1)


def test_flow_of_an_unrendered_video_is_refused():
    with pytest.raises(WorkbookError, match="no rendered puppet video"):
        puppets.flow(puppets.videos("val", n=1, render=False)[0], 0)


@pytest.mark.parametrize("arguments", [dict(split="dance"), dict(labelled="some")])
def test_unknown_choices_are_named(arguments):
    with pytest.raises(WorkbookError, match="dance|some"):
        puppets.videos(**arguments)


# --- the same statistics as the real world ------------------------------------------------------------

def test_statistics_by_hand():
    xy = np.zeros((4, 15, 2))
    xy[1], xy[3] = [3, 4], [100, 0]
    p = people(frame=[0, 1, 0, 1], track=[0, 0, 1, 1], xy=xy, head=[10.0] * 4)
    assert sorted(speeds(p)) == [.5, 10.0]
    far = people(frame=[0, 0, 1, 1], track=[0, 1, 0, 1], xy=np.array([0, 50, 45, 4.0])[:, None, None] * np.ones((4, 15, 2)))
    assert mislinked([far], 1, lambda a, b: np.abs(a.xy[:, None, 0, 0] - b.xy[None, :, 0, 0])) == 1.0


def test_calibration_table_and_figure():
    stats = statistics(puppets.videos("val", n=4, render=False))
    table = calibration_table({"puppets": stats, "real": {k: v * 2 for k, v in stats.items()}})
    np.testing.assert_allclose(table["factor"][table["puppets"] > 0], 2)
    assert calibration_figure(table).axes
    assert calibration_table({"puppets": stats})["factor"].isna().all()


def test_the_world_lies_within_its_factor_of_the_real_ones():
    if not (datasets.find("somof") and datasets.find("bonn")):
        pytest.skip(datasets.missing("somof"))
    worlds = {"puppets": statistics(puppets.videos("val", render=False))}
    worlds |= {name: statistics(datasets.load(name, "all")) for name in ("somof", "bonn")}
    table = calibration_table(worlds)
    assert (table["factor"] <= table["allowed"]).all(), table
    assert worlds["somof"]["mislinked by box IoU, 1 frame (%)"] == pytest.approx(.82, abs=.01)
