"""Are the joints what their names say? Statistics that bodies obey and wrongly read files do not (notebook 01).

A file that is read in the wrong order has no wrong number in it. What gives it away is anatomy: left and right are
alike, limbs keep their length, heads are on top, knees bend forwards, and the far side of a body is the hidden one.
Bounds were chosen on SoMoF's even-numbered videos, Bonn's training videos and training puppets.

What can be seen: any two joints exchanged, and any reading that mixes sides. All joints mirrored at once leave every
length, height and spread as it was; only who hides behind whom gives that away, so a data set in which far joints
are annotated like near ones could be mirrored without anybody noticing.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from helpers.people import People, Video, concatenate, extent_boxes
from helpers.skeleton import FLIP, INDEX, JOINTS, LIMBS, N_JOINTS

PARTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
#: Neighbours along a body's sides.
LINKS = (("shoulder", "elbow"), ("elbow", "wrist"), ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"))
#: What lies above what in an upright person.
ABOVE = (
    *(("head_top", "nose"), ("nose", "head_bottom"), ("head_top", "head_bottom"), ("head_bottom", "hip")),
    *(("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle")),
)
#: Upright: the joints' extent is this much higher than wide, with this many joints, whatever their names.
UPRIGHT, ENOUGH = 1.5, 8
#: A track must show a pair of joints this often for the spread of their distance to count.
SEEN = 5
#: Knees off the line from hip to ankle by this share of the leg say which way a body faces.
BENT = 0.05

#: Check: (lowest, highest) value of an anatomically right reading.
BOUNDS: dict[str, tuple[float, float]] = {
    "annotated share, left − right, largest": (0.0, 0.05),
    "neck to mid-shoulder / head length, median": (0.1, 0.5),
    **{f"{a} above {b}, share of the upright": (0.9, 1.0) for a, b in ABOVE},
    **{f"{a}–{b}, left / right, median": (0.9, 1 / 0.9) for a, b in LINKS},
    **{f"{a}–{b}, own side nearer than the other, share": (0.6, 1.0) for a, b in LINKS},
    "spread of limbs / of other pairs, medians": (0.0, 0.7),
    "hidden side is the far side, share": (0.6, 1.0),
}


def pooled(videos: Sequence[Video]) -> People:
    """The labelled people of all videos with at least one joint; tracks are numbered anew through the videos."""
    parts, first = [], 0
    for video in videos:
        p = video.people[video.labelled[video.people.frame] & video.people.present.any(1)]
        number = np.unique(p.track, return_inverse=True)[1]
        parts.append(p.replace(track=first + number))
        first += number.max(initial=-1) + 1
    return concatenate(parts)


def exchanged(p: People, a: int, b: int) -> People:
    """The same poses with the names of two joints exchanged."""
    order = np.arange(N_JOINTS)
    order[[a, b]] = b, a
    return reordered(p, order)


def reordered(p: People, order: np.ndarray) -> People:
    """The same poses where joint j is what joint order[j] (15,) was; `skeleton.FLIP` mirrors all of them."""
    return p.replace(xy=p.xy[:, order], present=p.present[:, order])


def misread(p: People, columns: Sequence[str], names: Sequence[str]) -> People:
    """Poses of a file with these columns as a reader sees them that takes the columns for `names`."""
    order = np.arange(N_JOINTS)
    for column, name in zip(columns, names, strict=True):
        order[INDEX[name]] = INDEX[column]
    return reordered(p, order)


def measured(p: People) -> dict[str, float]:
    """The value of every check in BOUNDS; NaN where a data set lacks the joints for it (noses of SoMoF and Bonn)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        values = [
            _asymmetry(p),
            _neck(p),
            *(_above(p, a, b) for a, b in ABOVE),
            *(_median(_length(p, f"left_{a}", f"left_{b}") / _length(p, f"right_{a}", f"right_{b}")) for a, b in LINKS),
            *(_own_side(p, a, b) for a, b in LINKS),
            _unsteadiness(p),
            _far_side_hidden(p),
        ]
    return dict(zip(BOUNDS, map(float, values), strict=True))


def table(readings: dict[str, People]) -> pd.DataFrame:
    """One column of values per reading, and the bounds."""
    bounds = pd.DataFrame(BOUNDS, ["lowest", "highest"]).T
    return pd.DataFrame({name: measured(p) for name, p in readings.items()}).join(bounds)


def violations(p: People) -> list[str]:
    """The checks that a reading fails; a check without joints to look at fails nothing."""
    values = measured(p)
    return [name for name, (low, high) in BOUNDS.items() if values[name] < low or values[name] > high]


def undetected(p: People) -> list[tuple[str, str]]:
    """The pairs of joints, of those that the data set has, whose exchange fails no check that p itself passes."""
    there, before = np.flatnonzero(p.present.any(0)), set(violations(p))
    pairs = [(a, b) for a in there for b in there if a < b]
    return [(JOINTS[a], JOINTS[b]) for a, b in pairs if set(violations(exchanged(p, a, b))) <= before]


def _at(p: People, name: str) -> np.ndarray:
    """Places (N, 2) of a joint, NaN where it is absent; of both sides' middle where the name has no side."""
    if name in PARTS:
        return (_at(p, f"left_{name}") + _at(p, f"right_{name}")) / 2
    j = INDEX[name]
    return np.where(p.present[:, j, None], p.xy[:, j], np.nan)


def _length(p: People, a: str, b: str) -> np.ndarray:
    return np.linalg.norm(_at(p, a) - _at(p, b), axis=1)


def _median(values: np.ndarray) -> np.float64:
    known = values[np.isfinite(values)]
    return np.median(known) if len(known) else np.float64(np.nan)


def _share(true: np.ndarray, known: np.ndarray) -> float:
    return float(true[known].mean()) if known.any() else np.nan


def _asymmetry(p: People) -> float:
    share = p.present.mean(0)
    return float(np.abs(share - share[FLIP]).max())


def _neck(p: People) -> float:
    return _median(_length(p, "head_bottom", "shoulder") / _length(p, "head_bottom", "head_top"))


def _above(p: People, a: str, b: str) -> float:
    sides = np.diff(extent_boxes(p.xy, p.present).reshape(-1, 2, 2), axis=1)[:, 0]
    upright = (sides[:, 1] > UPRIGHT * sides[:, 0]) & (p.present.sum(1) >= ENOUGH)
    down = (_at(p, b) - _at(p, a))[:, 1]
    return _share(down > 0, upright & np.isfinite(down))


def _own_side(p: People, a: str, b: str) -> float:
    """How often two limbs from left to left and right to right are shorter together than crossed ones."""
    own = _length(p, f"left_{a}", f"left_{b}") + _length(p, f"right_{a}", f"right_{b}")
    crossed = _length(p, f"left_{a}", f"right_{b}") + _length(p, f"right_{a}", f"left_{b}")
    return _share(own < crossed, np.isfinite(own + crossed))


def _unsteadiness(p: People) -> float:
    """Spread over time, in head lengths, of the limbs' lengths against that of all other distances between joints."""
    first, second = np.triu_indices(N_JOINTS, 1)
    tracks, number = np.unique(p.track, return_inverse=True)
    head = pd.Series(_length(p, "head_bottom", "head_top")).groupby(number).median().to_numpy()[number, None]
    distance = np.linalg.norm(p.xy[:, first] - p.xy[:, second], axis=-1) / np.where(head > 0, head, np.nan)
    known = p.present[:, first] & p.present[:, second] & np.isfinite(distance)
    of_track = csr_array((np.ones(len(p)), (number, np.arange(len(p)))), (len(tracks), len(p)))
    n, total, squares = (of_track @ np.where(known, distance**k, 0) for k in range(3))
    spread = np.where(n >= SEEN, np.sqrt(np.maximum(squares / n - (total / n) ** 2, 0)), np.nan)
    typical = np.array([_median(column) for column in spread.T])
    limb = np.isin(first * N_JOINTS + second, np.sort(LIMBS, 1) @ [N_JOINTS, 1])
    return _median(typical[limb]) / _median(typical[~limb])


def _far_side_hidden(p: People) -> float:
    """How often the side with fewer annotated joints is the one that the body turns away.

    Knees bend forwards, whichever side they are on, and a body that faces the image's right shows its right
    side. The one check that sees when *all* joints are mirrored.
    """
    ahead = np.zeros(len(p))
    for side in ("left", "right"):
        hip, knee, ankle = (_at(p, f"{side}_{name}") for name in ("hip", "knee", "ankle"))
        leg, bend = ankle - hip, knee - hip
        off_line = (bend[:, 0] * leg[:, 1] - bend[:, 1] * leg[:, 0]) / (leg**2).sum(1)
        ahead += np.nan_to_num(off_line, posinf=0, neginf=0)
    left, right = (p.present[:, [INDEX[f"{side}_{part}"] for part in PARTS]].sum(1) for side in ("left", "right"))
    return _share((ahead > 0) == (right > left), (np.abs(ahead) > BENT) & (left != right))
