"""Joint sets, limbs, flips and conversions between the formats.

Everything in the workbook is stored in the 15 joints that PoseTrack evaluates,
in the order of PoseTrack'17. The other formats are converted
on reading and on writing. Notebook 01 draws the joint sets.
"""

import numpy as np
from numpy.typing import ArrayLike

# fmt: off
#: The 15 evaluated joints in PoseTrack'17 order, under their PoseTrack'18 names.
JOINTS = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
    "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow",
    "left_wrist", "head_bottom", "nose", "head_top",
)
#: The 17 stored names of PoseTrack'18 and '21 (ears are never annotated).
POSETRACK18 = (
    "nose", "head_bottom", "head_top", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle",
)
COCO = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle",
)
#: The columns of SoMoF's files: PoseTrack'18 without nose and ears, sides alternating (`experiments.anatomy` tests it).
SOMOF = (
    "head_bottom", "head_top", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee",
    "left_ankle", "right_ankle",
)
#: MPII joint ids, as the Bonn files and many PoseTrack'17 tools write them.
MPII = {
    0: "right_ankle", 1: "right_knee", 2: "right_hip", 3: "left_hip", 4: "left_knee",
    5: "left_ankle", 8: "head_bottom", 9: "head_top", 10: "right_wrist", 11: "right_elbow",
    12: "right_shoulder", 13: "left_shoulder", 14: "left_elbow", 15: "left_wrist",
}
N_JOINTS = len(JOINTS)
INDEX = {name: i for i, name in enumerate(JOINTS)}

#: Column groups of every published table; Head is three joints, the others two.
GROUPS = {
    "Head": ("head_top", "head_bottom", "nose"),
    "Shoulder": ("left_shoulder", "right_shoulder"),
    "Elbow": ("left_elbow", "right_elbow"),
    "Wrist": ("left_wrist", "right_wrist"),
    "Hip": ("left_hip", "right_hip"),
    "Knee": ("left_knee", "right_knee"),
    "Ankle": ("left_ankle", "right_ankle"),
}

LIMBS = np.array([(INDEX[a], INDEX[b]) for a, b in (
    ("right_ankle", "right_knee"), ("right_knee", "right_hip"), ("right_hip", "left_hip"),
    ("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("right_wrist", "right_elbow"),
    ("right_elbow", "right_shoulder"), ("right_shoulder", "head_bottom"),
    ("head_bottom", "left_shoulder"), ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"), ("right_shoulder", "right_hip"),
    ("left_shoulder", "left_hip"), ("head_bottom", "nose"), ("nose", "head_top"),
)])

# fmt: on
#: Joint i of a mirrored image is joint FLIP[i] of the original; head joints stay.
FLIP = np.array([INDEX[n.replace("right", "?").replace("left", "right").replace("?", "left")] for n in JOINTS])

#: OKS constants: COCO's, with 0.08 and 0.06 for head_bottom and head_top, which
#: COCO does not have; the eyes' 0.025 that some tools re-use is far too strict.
OKS_SIGMAS = np.array(
    [0.089, 0.087, 0.107, 0.107, 0.087, 0.089, 0.062, 0.072, 0.079, 0.079, 0.072, 0.062, 0.080, 0.026, 0.060]
)


def joint_map(source: tuple[str, ...], target: tuple[str, ...] = JOINTS) -> np.ndarray:
    """Where each target joint stands in the source: (len(target),) ints, −1 = it has none."""
    return np.array([source.index(n) if n in source else -1 for n in target])


def convert(
    xy: ArrayLike, present: ArrayLike, source: tuple[str, ...], target: tuple[str, ...] = JOINTS
) -> tuple[np.ndarray, np.ndarray]:
    """Joints of one set as joints of another, by name; what the target lacks is dropped.

    xy: (..., S, 2) pixels; present: (..., S) bool. Returns xy (..., T, 2) and
    present (..., T); joints that the source lacks are absent, at (0, 0).
    Raises ValueError if the joint axis does not fit the source set.
    """
    xy, present = np.asarray(xy, float), np.asarray(present, bool)
    if xy.shape[-2:] != (len(source), 2) or present.shape != xy.shape[:-1]:
        raise ValueError(
            f"joints: expected (..., {len(source)}, 2) and (..., {len(source)}), got {xy.shape} and {present.shape}"
        )
    index = joint_map(source, target)
    has = index >= 0
    out = np.where(has[:, None], xy[..., index, :], 0.0)
    return out, present[..., index] & has


def coco_to_posetrack(xy: ArrayLike, score: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """COCO 17 predictions as the 15 joints, the way Detect-and-Track exports them (O-26).

    The neck (head_bottom) is the shoulders' mid-point, head_top is 2·nose − neck;
    both take the mean of the shoulders' scores. xy: (..., 17, 2); score: (..., 17).
    Returns xy (..., 15, 2), score (..., 15).
    """
    xy, score = np.asarray(xy, float), np.asarray(score, float)
    index = joint_map(COCO)
    out, out_score = xy[..., index, :], score[..., index]
    left, right, nose = (COCO.index(n) for n in ("left_shoulder", "right_shoulder", "nose"))
    neck = (xy[..., left, :] + xy[..., right, :]) / 2
    out[..., INDEX["head_bottom"], :] = neck
    out[..., INDEX["head_top"], :] = 2 * xy[..., nose, :] - neck
    derived = [INDEX["head_bottom"], INDEX["head_top"]]
    out_score[..., derived] = ((score[..., left] + score[..., right]) / 2)[..., None]
    return out, out_score


def group_means(per_joint: ArrayLike) -> dict[str, float]:
    """Means of a (15,) array over the published joint groups, and Total over all 15.

    Total is the mean of the 15 joints, not of the seven groups; NaN joints are skipped.
    """
    per_joint = np.asarray(per_joint, float)
    groups = {g: per_joint[[INDEX[n] for n in names]] for g, names in GROUPS.items()} | {"Total": per_joint}
    return {g: float(np.nanmean(v)) if np.isfinite(v).any() else float("nan") for g, v in groups.items()}
