"""The built-in world: deterministic, labelled like PoseTrack, exact where it says so, like the real one."""

import cv2
import numpy as np
import pandas as pd
import pytest

from helpers import WorkbookError, datasets, puppets, worlds
from helpers.experiments.calibration import (
    STATISTICS,
    accelerations,
    calibration_figure,
    calibration_table,
    common_motion,
    speeds,
    statistics,
)
from helpers.experiments.links import link_errors
from helpers.people import Video, people
from helpers.puppets import motion, render, scene
from helpers.puppets.scene import WorldSettings
from helpers.skeleton import INDEX, JOINTS
from helpers.tracking.matching import hungarian

SMALL = dict(n=3)


def objects(owner):
    """Owner codes → −1 backdrop, or the number of the person or thing, each of 12 capsules and a trunk."""
    return np.where(owner > 0, (owner - 1) // 13, -1)


@pytest.fixture(scope="module")
def three():
    return puppets.videos("val", **SMALL)


def test_the_same_call_gives_the_same_world(three):
    again = puppets.videos("val", **SMALL)
    for a, b in zip(three, again, strict=True):
        assert a.name == b.name and np.array_equal(a.people.xy, b.people.xy)
        assert np.array_equal(a.frames[5], b.frames[5])


def test_a_video_does_not_depend_on_how_many_are_made(three):
    for alone in (puppets.videos("val", n=1, first=2), puppets.videos("val", first=2, n=1, render=False)):
        assert [v.name for v in alone] == [three[2].name]
        assert np.array_equal(alone[0].people.xy, three[2].people.xy)
    assert len(puppets.videos("val", first=48, render=False)) == 2
    assert puppets.videos("val", n=0) == puppets.videos("val", first=50) == []


def test_only_the_videos_asked_for_are_made(monkeypatch):
    made = []
    monkeypatch.setattr(puppets, "random_scene", lambda *args: made.append(args) or scene.random_scene(*args))
    puppets.videos("tune", n=2, first=1, render=False)
    assert len(made) == 2


def test_backdrops_of_a_training_split_are_painted_once_each(monkeypatch):
    painted = []
    paint = render._backdrop
    monkeypatch.setattr(render, "_backdrop", lambda *args: painted.append(args) or paint(*args))
    made = puppets.videos("train", n=60, size=(32, 18), people=(1, 1))
    for _ in range(2):
        for video in made:
            video.frames[0]
    assert len(painted) == 60


def test_tune_is_the_training_world_from_video_860_on():
    tune, train = puppets.videos("tune", n=2), puppets.videos("train", first=860, n=2)
    assert [v.name for v in tune] == ["100861_mpiinew_train", "100862_mpiinew_train"] == [v.name for v in train]
    for a, b in zip(tune, train, strict=True):
        assert a.files == b.files and np.array_equal(a.labelled, b.labelled)
        assert np.array_equal(a.people.xy, b.people.xy) and np.array_equal(a.frames[7], b.frames[7])


def test_splits_have_their_sizes_and_share_no_video():
    made = {s: puppets.videos(s, render=False) for s in puppets.SPLITS}
    assert {s: len(v) for s, v in made.items()} == {"train": 60, "val": 50, "test": 50, "tune": 20}
    assert len({v.name for vs in made.values() for v in vs}) == 180
    whole = {s: puppets.videos(s, render=False, labelled="all") for s in puppets.SPLITS}
    assert len({v.people.xy.tobytes() for vs in whole.values() for v in vs}) == 180


@pytest.mark.parametrize(
    "split, first, name, counts, sums, pixels",
    [
        ("train", 7, "100008_mpiinew_train", (98, 30, 255, 3008), (789495.349, 3176.215, 137808.620), (144.38, 47.66)),
        ("val", 0, "200001_mpiinew_val", (78, 42, 210, 2887), (792965.973, 2450.144, 118858.211), (125.53, 46.10)),
        ("test", 7, "300008_mpiinew_test", (97, 48, 308, 2752), (635676.048, 4579.060, 153107.036), (147.35, 50.67)),
        ("tune", 0, "100861_mpiinew_train", (63, 30, 156, 2143), (613838.288, 1877.185, 89960.137), (136.63, 49.62)),
    ],
)
def test_the_world_is_the_one_that_the_shipped_networks_know(split, first, name, counts, sums, pixels):
    """Weights, predictions and tables belong to exactly these videos: a change of the world orphans them."""
    [video] = puppets.videos(split, n=1, first=first)
    p = video.people
    assert video.name == name and (len(video), video.labelled.sum(), len(p), p.present.sum()) == counts
    assert [p.xy.sum(), p.head.sum(), np.nansum(p.box)] == pytest.approx(sums, abs=1e-3)
    assert [video.frames[len(video) // 2].mean(), video.frames[0].std()] == pytest.approx(pixels, abs=0.02)


def test_ground_truth_without_pixels_is_the_same(three):
    for a, b in zip(three, puppets.videos("val", render=False, **SMALL), strict=True):
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


def test_the_complete_ground_truth_holds_the_labelled_one(three):
    for part, whole in zip(three, puppets.videos("val", labelled="all", **SMALL), strict=True):
        same = whole.people[part.labelled[whole.people.frame]]
        assert np.array_equal(same.xy, part.people.xy) and np.array_equal(same.track, part.people.track)


def test_overrides_are_settings():
    by_name, by_settings = (
        puppets.videos("val", n=1, people=(3, 3))[0],
        puppets.videos("val", n=1, settings=WorldSettings(people=(3, 3)))[0],
    )
    assert np.array_equal(by_name.people.xy, by_settings.people.xy) and set(by_name.people.track) <= {0, 1, 2}


def test_crossing_people_sweep_farther():
    swept = []
    for crossing in (0.0, 1.0):
        cast = scene.random_people(np.random.default_rng(1), 40, WorldSettings(crossing=crossing, groups=0))
        x = motion.joints_3d(cast, np.arange(100) / 25)[:, :, INDEX["head_top"], 0]
        swept.append(np.ptp(x, axis=1).mean())
    assert swept[1] > 1.3 * swept[0]


def test_people_are_well_formed(three):
    for video in three:
        p, (width, height) = video.people, video.size
        assert p.present.any(1).all() and (p.head > 0).all() and (p.track >= 0).all()
        inside = (p.xy >= 0) & (p.xy <= [width - 1, height - 1])
        assert inside.all(-1)[p.present].all() and (p.xy[~p.present] == 0).all()
        assert len({(f, t) for f, t in zip(p.frame, p.track, strict=True)}) == len(p)


def test_head_size_is_that_of_posetrack18(three):
    """The two head joints lie 0.7 head-box diagonals apart, the head size is 0.6 of them."""
    ends = [INDEX["head_top"], INDEX["head_bottom"]]
    for video in three:
        p = video.people[video.people.present[:, ends].all(1)]
        apart = np.linalg.norm(p.xy[:, ends[0]] - p.xy[:, ends[1]], axis=-1)
        assert np.median(p.head / apart) == pytest.approx(0.6 / 0.7, rel=0.05)


def test_limbs_keep_their_length_and_feet_stay_above_the_ground():
    rng = np.random.default_rng(0)
    cast = scene.random_people(rng, 12, WorldSettings())
    joints = motion.joints_3d(cast, np.arange(60) / 25)
    for a, b in (
        ("right_hip", "right_knee"),
        ("left_knee", "left_ankle"),
        ("right_shoulder", "right_elbow"),
        ("left_elbow", "left_wrist"),
        ("head_bottom", "head_top"),
        ("right_hip", "left_hip"),
    ):
        length = np.linalg.norm(joints[:, :, INDEX[a]] - joints[:, :, INDEX[b]], axis=-1)
        np.testing.assert_allclose(length, length[:, :1] * np.ones(60), rtol=1e-9)
    assert joints[..., 1].min() > 0


def test_a_group_moves_alike_side_by_side():
    for seed in range(40):
        cast = scene.random_people(np.random.default_rng(seed), 6, WorldSettings(groups=1.0))
        joints = motion.joints_3d(cast, np.arange(30) / 25)
        same = np.abs(np.diff(joints - joints[:, :, [INDEX["head_bottom"]]], axis=1))
        phase = cast.path_phase
        pairs = [(i, j) for i in range(6) for j in range(i) if np.array_equal(phase[i], phase[j])]
        assert pairs and all(np.abs(same[i] - same[j]).max() < 0.1 for i, j in pairs)


# --- visibility against the pixels -----------------------------------------------------------------


@pytest.fixture(scope="module")
def crowd():
    """Everything that can hide or move at once."""
    return puppets.videos(
        "train", n=12, crowding=0.5, crossing=0.6, occluders=3, pan=1.0, shake=1.0, shift=0.3, zoom=1.0
    )


def test_id_maps_show_what_is_painted(crowd):
    for video in crowd[:4]:
        s = puppets.scene_of(video)
        _, outfits, things = render._looks(s.look, len(s.joints), len(s.occluders), s.uniform, s.camera.size)
        image, owner = video.frames[20], render.owners(s, 20)
        shown = objects(owner)
        for p, outfit in enumerate(outfits):
            nose = tuple(0.6 * c for c in outfit[2])
            colours = np.rint([*outfit, nose]).astype(int)
            nearest = np.abs(image[shown == p][:, None].astype(int) - colours).max(-1).min(-1)
            assert (nearest <= 1).all()
        for k, colour in enumerate(things):
            assert (image[shown == len(outfits) + k] == colour).all()


def test_visibility_agrees_with_the_painters_id_map(crowd):
    """A hidden joint's pixel is not wholly inside its person; a visible one's shows it, within 2 pixels.

    Shapes are decided below a pixel and painted in whole ones, so outlines may differ by that much.
    """
    exact, total, near, hidden = 0, 0, 0, 0
    for video in crowd:
        s = puppets.scene_of(video)
        seen, own = s.visible(), s._behind_own_trunk()
        inside = ((s.joints >= 0) & (s.joints <= np.array(video.size) - 1)).all(-1)
        for t in range(0, len(video), 9):
            shown = np.pad(objects(render.owners(s, t)), 2, constant_values=-9)
            for p, j in zip(*np.nonzero(inside[:, t] & ~own[:, t]), strict=True):
                x, y = np.rint(s.joints[p, t, j]).astype(int) + 2
                if seen[p, t, j]:
                    exact, total = exact + (shown[y, x] == p), total + 1
                    near += (shown[y - 2 : y + 3, x - 2 : x + 3] == p).any()
                else:
                    hidden += 1
                    around = shown[y - 1 : y + 2, x - 1 : x + 2]
                    assert (around[around > -9] != p).any()
    assert total > 3000 and hidden > 300 and near / total > 0.998 and exact / total > 0.98


def test_own_trunk_hides_wrists_only(crowd):
    behind = np.concatenate([puppets.scene_of(v)._behind_own_trunk().reshape(-1, 15) for v in crowd])
    assert {JOINTS[j] for j in np.flatnonzero(behind.any(0))} == {"left_wrist", "right_wrist"}


def test_a_nearer_person_and_a_pillar_hide_and_a_farther_one_does_not():
    view = scene.camera.Camera(np.zeros(2), np.zeros(2), np.full(2, 320.0), (320, 180))
    cast = scene.random_people(np.random.default_rng(1), 2, WorldSettings(groups=0))
    still = motion.Choreography(
        **{
            **{f: getattr(cast, f) for f in cast.__dataclass_fields__},
            "path_centre": np.array([[0, 4.0], [0, 6.0]]),
            "path_amplitude": np.full((2, 2), 1e-6),
            "action": np.zeros(2, int),
        }
    )
    joints, depth = view.project(motion.joints_3d(still, np.arange(2) / 25))
    none = np.zeros((0, 2, 4, 2))
    alone = scene.Scene(joints, depth, still.height, none, np.zeros(0), view, False, 0.0, 0)
    hips = [INDEX["left_hip"], INDEX["right_hip"]]
    assert not alone.visible()[1, :, hips].any() and alone.visible()[0, :, INDEX["head_top"]].all()
    pillar = np.broadcast_to(np.array([(100, 0), (220, 0), (220, 179), (100, 179)], float), (1, 2, 4, 2))
    behind = scene.Scene(joints, depth, still.height, pillar, np.full((1, 2), 2.0), view, False, 0.0, 0)
    assert not behind.visible().any()
    between = scene.Scene(joints, depth, still.height, pillar, np.full((1, 2), 5.0), view, False, 0.0, 0)
    assert np.array_equal(between.visible()[0], alone.visible()[0]) and not between.visible()[1].any()


def test_a_pan_does_not_change_who_hides_whom():
    """A thing's depth turns with the camera like a person's: a still pair keeps its order in every frame."""
    turned = scene.camera.Camera(np.linspace(-0.4, 0.4, 9), np.zeros(9), np.full(9, 320.0), (320, 180))
    _, depth = scene._occluders(np.random.default_rng(3), 4, turned, WorldSettings())
    assert depth.shape == (4, 9) and (np.ptp(depth, axis=1) > 0).any()
    spot = np.broadcast_to(np.array([1.0, 0, 5.0]), (1, 9, 1, 3))
    _, there = turned.project(spot)
    quad = np.broadcast_to(np.array([[0.8, 1, 4.8], [1.2, 1, 4.8], [1.2, 0, 4.8], [0.8, 0, 4.8]]), (1, 9, 4, 3))
    assert (turned.project(quad)[1].mean(-1) < there[..., 0]).all()


# --- pixels and flow ----------------------------------------------------------------------------------


def test_frames_are_lazy_uint8_images(three):
    frame = three[0].frames[-1]
    assert frame.shape == (180, 320, 3) and frame.dtype == np.uint8 and len(three[0].frames) == len(three[0])
    assert len(three[0].frames[2:5]) == 3 and not np.array_equal(three[0].frames[0], three[0].frames[20])
    with pytest.raises(IndexError):
        three[0].frames[len(three[0])]


def test_blur_mixes_moments():
    sharp, blurred = (puppets.videos("val", n=1, blur=b, shake=1.0)[0].frames[30] for b in (0.0, 0.8))
    assert np.array_equal(sharp.shape, blurred.shape) and (sharp != blurred).mean() > 0.05


def test_flow_carries_visible_joints_onto_themselves(crowd):
    """At the pixel of a joint that shows a shape the joint is an end of, flow is the joint's own motion."""
    error = []
    for video in crowd:
        s = puppets.scene_of(video)
        seen = s.visible()
        for t in range(0, len(video) - 1, 9):
            field, owner = puppets.flow(video, t)[0], render.owners(s, t)
            for p, j in zip(*np.nonzero(seen[:, t]), strict=True):
                x, y = np.rint(s.joints[p, t, j]).astype(int)
                part = (owner[y, x] - 1) % render._PARTS
                ends = scene.TORSO if part == render._TRUNK else (scene.CAPSULE_FROM[part], scene.CAPSULE_TO[part])
                if objects(owner[y, x]) == p and j in ends:
                    error.append(np.abs(field[y, x] - (s.joints[p, t + 1, j] - s.joints[p, t, j])).max())
    error = np.array(error)  # a pixel is up to .7 beside its joint, and turns with its limb
    assert len(error) > 3000 and (error < 1).mean() > 0.998 and error.max() < 2.5


def test_flow_of_a_shape_is_exact_at_its_ends():
    s = puppets.scene_of(puppets.videos("train", n=1)[0])
    for part in range(render._PARTS):
        ends = scene.TORSO if part == render._TRUNK else [scene.CAPSULE_FROM[part], scene.CAPSULE_TO[part]]
        before, after = s.joints[0, 10, ends], s.joints[0, 11, ends]
        np.testing.assert_allclose(render._shape_flow(s, 10, 1 + part, before), after - before, atol=1e-3)


def test_flow_of_a_ball_moves_and_grows_it():
    before, after = np.array([[5.0, 5.0]] * 2), np.array([[7.0, 4.0]] * 2)
    moved = render._capsule_flow(before, after, 2.0, 3.0, np.array([[5.0, 5.0], [6.0, 5.0]]))
    np.testing.assert_allclose(moved, [[2, -1], [2.5, -1]])


@pytest.mark.parametrize("camera", [dict(pan=1.0), dict(shake=1.0), dict(zoom=1.0)])
def test_flow_warps_the_next_frame_onto_this_one(camera):
    still = dict(pan=0.0, shake=0.0, shift=0.0, zoom=0.0)
    for video in puppets.videos("val", n=2, **(still | camera)):
        field, valid = puppets.flow(video, 40)
        assert 0.8 < valid.mean() < 1
        grid = np.stack(np.meshgrid(np.arange(320), np.arange(180)), -1).astype(np.float32)
        back = cv2.remap(video.frames[41], grid + field, None, cv2.INTER_LINEAR)
        difference = np.abs(back.astype(int) - video.frames[40]).mean(-1)
        backdrop = valid & (render.owners(puppets.scene_of(video), 40) == 0)
        # What remains is resampling: the backdrop's own noise, interpolated twice.
        assert difference[backdrop].mean() < 6 and np.median(difference[valid & ~backdrop]) < 1


def test_flow_of_a_still_world_is_zero_and_sees_everything():
    still = dict(pan=0.0, shake=0.0, shift=0.0, zoom=0.0, people=(1, 1), liveliness=1e-9, groups=0.0, unsteady=0.0)
    field, valid = puppets.flow(puppets.videos("val", n=1, **still)[0], 7)
    assert np.abs(field).max() < 0.1 and valid.mean() > 0.99


def test_flow_across_the_camera_s_sudden_shift_is_exact():
    """One frame jumps by tens of pixels, those around it do not; the flow knows, of all that is seen."""
    still = dict(pan=0.0, shake=0.0, zoom=0.0)
    video = puppets.videos("train", n=1, shift=1.0, **still)[0]
    yaw = puppets.scene_of(video).camera.yaw
    (cut,) = np.flatnonzero(np.diff(yaw))
    before, at = (np.abs(puppets.flow(video, t)[0][..., 0]) for t in (cut - 1, cut))
    assert np.median(before) < 1e-6 and 20 < np.median(at) < 120
    s = puppets.scene_of(video)
    jump = np.linalg.norm(s.joints[:, cut + 1] - s.joints[:, cut], axis=-1)
    assert np.median(jump) > 20
    field, valid = puppets.flow(video, cut)
    grid = np.stack(np.meshgrid(np.arange(320), np.arange(180)), -1).astype(np.float32)
    back = cv2.remap(video.frames[cut + 1], grid + field, None, cv2.INTER_LINEAR)
    assert np.abs(back.astype(int) - video.frames[cut]).mean(-1)[valid].mean() < 6


def test_flow_mask_leaves_out_what_gets_covered():
    """With a still camera the backdrop stays: it is in view in the next frame just where it still shows."""
    still = dict(pan=0.0, shake=0.0, shift=0.0, zoom=0.0, occluders=0, crossing=1.0)
    covered = 0
    for video in puppets.videos("train", n=3, **still):
        s = puppets.scene_of(video)
        for t in range(0, 50, 10):
            _, valid = puppets.flow(video, t)
            now, then = (render.owners(s, i) == 0 for i in (t, t + 1))
            assert np.array_equal(valid[now], then[now])
            covered += (now & ~then).sum()
    assert covered > 100


def test_flow_needs_a_next_frame(three):
    with pytest.raises(IndexError):
        puppets.flow(three[0], len(three[0]) - 1)


def test_flow_of_an_unrendered_video_is_refused():
    with pytest.raises(WorkbookError, match="no rendered puppet video"):
        puppets.flow(puppets.videos("val", n=1, render=False)[0], 0)


@pytest.mark.parametrize("arguments", [dict(split="dance"), dict(labelled="some"), dict(crowd=0.5)])
def test_unknown_choices_are_named(arguments):
    with pytest.raises(WorkbookError, match="dance|some|'crowd'"):
        puppets.videos(**arguments)


# --- the same statistics as the real world ------------------------------------------------------------


def test_statistics_by_hand():
    xy = np.zeros((4, 15, 2))
    xy[1], xy[3] = [3, 4], [100, 0]
    p = people(frame=[0, 1, 0, 1], track=[0, 0, 1, 1], xy=xy, head=[10.0] * 4)
    assert sorted(speeds(p)) == [0.5, 10.0]
    far = people(
        frame=[0, 0, 1, 1], track=[0, 1, 0, 1], xy=np.array([0, 50, 45, 4.0])[:, None, None] * np.ones((4, 15, 2))
    )
    errors = link_errors(
        [Video("far", (0, 0), np.ones(2, bool), far)],
        1,
        lambda a, b: np.abs(a.xy[:, None, 0, 0] - b.xy[None, :, 0, 0]),
        hungarian,
    )
    assert errors.tolist() == [[2, 2]]


def test_calibration_is_two_sided_against_each_real_set():
    stats = statistics(puppets.videos("val", n=4, render=False))
    assert list(stats) == list(STATISTICS)
    assert stats["joints annotated (share)"] + stats["joints not annotated (share)"] == pytest.approx(1)
    ours = dict.fromkeys(stats, 3.0)
    table = calibration_table({"puppets": ours, "somof": dict.fromkeys(stats, 2.0), "bonn": dict.fromkeys(stats, 60.0)})
    bar = pd.Series({name: factor for name, (factor, _) in STATISTICS.items()})
    assert (table["factor somof"] == 1.5).all() and table["kept somof"].equals(bar >= 1.5)
    assert not table["kept bonn"][table["allowed bonn"].notna()].any()  # twenty times too low is as wrong as too high
    assert len(calibration_figure(table).axes) == 2
    alone = calibration_table({"puppets": ours})
    assert list(alone) == ["puppets"]


def test_the_world_lies_within_its_factors_of_each_real_set():
    if not (datasets.find("somof") and datasets.find("bonn")):
        pytest.skip(datasets.missing("somof"))
    measured = {"puppets": statistics(puppets.videos("val", render=False))}
    measured |= {name: statistics(worlds.load(name, "all")) for name in ("somof", "bonn")}
    table = calibration_table(measured)
    assert table["kept somof"].all() and table["kept bonn"].all(), table
    links = [
        measured["somof"][f"mislinked by {cost}, {gap} frame{'s' * (gap > 1)} (%)"]
        for gap in (1, 4, 8)
        for cost in ("box IoU", "joint distance")
    ]
    assert links == pytest.approx([0.82, 0.03, 7.74, 2.10, 15.0, 7.11], abs=0.01)
    steady = dict(measured)
    steady["puppets"] = statistics(puppets.videos("val", render=False, unsteady=0.0, bridged=0, pan=0.0))
    kept = calibration_table(steady)["kept somof"]
    assert not kept["acceleration, median (head sizes/frame²)"] and not kept["common motion, 99th percentile"]


def test_what_shakes_does_not_grow_with_the_gap_and_what_moves_does():
    t = np.arange(60)
    shaken = np.random.default_rng(0).normal(0, 1, (60, 15, 2))
    thrown = np.repeat((0.5 * t**2)[:, None, None] * [1.0, 0.0], 15, 1)
    for xy, growth in ((shaken, 1), (thrown, 64)):
        p = people(frame=t, track=np.zeros(60, int), xy=xy).replace(head=np.ones(60))
        one, eight = (np.median(accelerations(p, gap)) for gap in (1, 8))
        assert eight / one == pytest.approx(growth, rel=0.1)


def test_common_motion_is_the_camera_s():
    rng = np.random.default_rng(0)
    own = np.cumsum(rng.normal(0, 0.05, (5, 40, 1, 2)), 1) + rng.uniform(0, 50, (5, 1, 15, 2))
    pan = np.cumsum(np.full((40, 1, 2), [0.6, 0.8]), 0)
    t, who = np.divmod(np.arange(200), 5)
    p = people(frame=t, track=who, xy=(own + pan)[who, t]).replace(head=np.full(200, 2.0))
    assert np.median(common_motion(p)) == pytest.approx(0.5, abs=0.05) and len(common_motion(p)) == 39
    assert len(common_motion(p[who < 2])) == 0  # two people may walk the same way


def test_hidden_joints_are_bridged_between_two_that_are_seen():
    for video in puppets.videos("val", n=3, labelled="all"):
        scene = puppets.scene_of(video)
        seen, annotated = scene.visible(), scene.annotated()
        assert (annotated | ~seen).all() and (annotated & ~seen).any()
        for gone in np.argwhere(annotated & ~seen)[::50]:
            p, t, j = gone
            around = seen[p, max(0, t - 7) : t + 8, j]
            middle = min(t, 7)
            before, after = np.flatnonzero(around[:middle]), np.flatnonzero(around[middle + 1 :])
            assert len(before) and len(after) and (middle - before[-1]) + after[0] <= 7


@pytest.mark.parametrize("wrong", [3, (5, 2), (0, 4), (1, 2, 3)])
def test_a_wrong_number_of_people_is_one_sentence(wrong):
    with pytest.raises(WorkbookError, match="fewest, most"):
        puppets.videos("val", n=1, people=wrong)
