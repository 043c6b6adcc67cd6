"""A detector and pose network with known noise, from the ground truth of any video.

Where there are tracks but no images, the association experiments run on these detections. They err as the
workbook's own network does: errors last along a track, hidden people get unsure before they are lost, left and right
are confused, and false people stay for a while beside true ones. `experiments.detector_fit` fits every constant to
what the network found, notebook 01 compares both. Notebooks 01, 05 and 06 measure on them, on puppets and real tracks.
"""

from dataclasses import dataclass, fields
from zlib import crc32

import numpy as np
from scipy.special import expit, logit, ndtri

from helpers import WorkbookError
from helpers.people import BOX_MARGIN, People, Video, concatenate, extent_boxes, nobody, people
from helpers.skeleton import FLIP, GROUPS, JOINTS, N_JOINTS

#: Who is scored lower is not found: the network keeps nobody below.
FLOOR = 0.05


_SHARES = (
    *("missed", "outliers", "mirrored", "swapped", "guessed", "memory", "sure_lasts", "jitter_lasts", "far_lasts"),
    *("box_lasts", "joint_lasts", "lives", "beside"),
)
_SIZES = ("sure_spread", "jitter", "outlier_size", "box_jitter", "false_alarms", "joint_spread")


@dataclass(frozen=True)
class DetectorNoise:
    """How wrong the detections are, fitted to what keypoint_rcnn-0 found in the tune videos (`detector_fit.fitted`).

    sure: log-odds of a fully visible person's score; sure_hidden: what they fall by for one without visible
    joints; sure_spread: their standard deviation. Below `FLOOR` a person is not found. missed: chance of
    being missed besides.
    jitter: standard deviation of a joint in head sizes, times its group's factor (`groups`, in the order
    of the published columns); outliers: share of joints `outlier_size` head sizes off, times that factor;
    mirrored: chance that a joint is taken from the body's other side; swapped: that it is taken from a neighbour
    who is near; guessed: that it is predicted though not annotated; box_jitter: standard deviation of a box's edges,
    as a share of its sides.
    memory: correlation of what lasts from one frame to the next; sure_lasts, jitter_lasts, far_lasts,
    box_lasts, joint_lasts: the share of the variance that lasts, of scores, near errors, far errors (outliers,
    mirrored and swapped joints), boxes and joint scores; the rest is new in every frame.
    false_alarms: mean number per frame; lives: chance that one is still there in the next frame; beside: share
    that lie on a person, the rest lies anywhere; beside_mean, beside_spread: where, mean and standard deviation of
    the middle in that person's sides (x, y) and of the log of the sides' ratio; false_sure: mean log-odds of
    their scores above the floor's.
    joint_right, joint_wrong, joint_guess, joint_false: mean log-odds of the scores of right and wrong joints, of
    guessed ones and of those of false people; joint_spread: their standard deviation. They are probabilities:
    of the joints scored 0.8 as many are right in the network's own output, calibrated.
    """

    sure: float = 5.35
    sure_hidden: float = 13.2
    sure_spread: float = 2.71
    missed: float = 0.0122
    jitter: float = 0.067
    groups: tuple[float, ...] = (0.791, 1.2, 0.985, 1.03, 1.15, 1.15, 0.797)
    outliers: float = 0.0421
    outlier_size: float = 0.917
    mirrored: float = 0.205
    swapped: float = 0.0959
    guessed: float = 1.0
    box_jitter: float = 0.0375
    memory: float = 0.882
    sure_lasts: float = 0.97
    jitter_lasts: float = 0.575
    far_lasts: float = 0.921
    box_lasts: float = 0.917
    joint_lasts: float = 0.944
    false_alarms: float = 2.49
    lives: float = 0.467
    beside: float = 0.725
    beside_mean: tuple[float, ...] = (-0.0534, -0.0116, -0.255, -0.0534)
    beside_spread: tuple[float, ...] = (0.322, 0.0673, 0.775, 0.197)
    false_sure: float = 1.12
    joint_right: float = 2.29
    joint_wrong: float = 0.73
    joint_guess: float = -0.593
    joint_false: float = 0.205
    joint_spread: float = 1.34

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if not (isinstance(value, int | float | tuple) and np.isfinite(value).all()):
                raise WorkbookError(f"noise: {field.name} needs finite numbers, got {value!r}.")
            if (field.name in _SHARES and not 0 <= value <= 1) or (field.name in _SIZES and value < 0):
                raise WorkbookError(f"noise: {field.name} cannot be {value!r}.")

    @property
    def factors(self) -> np.ndarray:
        """The factor of each joint's group (15,)."""
        of_group = dict(zip(GROUPS, self.groups, strict=True))
        return np.array([next(of_group[g] for g, names in GROUPS.items() if j in names) for j in JOINTS])


#: Where joints lie in an upright person's box, as shares of its width and height, for guessing.
_TEMPLATE = np.transpose(
    [
        [0.35, 0.38, 0.40, 0.60, 0.62, 0.65, 0.22, 0.25, 0.32, 0.68, 0.75, 0.78, 0.50, 0.50, 0.50],
        [0.95, 0.74, 0.52, 0.52, 0.74, 0.95, 0.52, 0.38, 0.22, 0.22, 0.38, 0.52, 0.16, 0.09, 0.02],
    ]
)


def simulate_detections(video: Video, seed: int, noise: DetectorNoise = DetectorNoise()) -> People:
    """Detections of one video's labelled people, frame by frame in random order, track −1, head NaN.

    Person and joint scores lie in (0, 1) and fall with the error made. Deterministic in video name, seed and
    noise. Raises WorkbookError for people without a head size, in which all errors are measured.
    """
    rng = np.random.default_rng([seed, crc32(video.name.encode()), len(video)])
    truth = video.people[video.people.present.any(1)]
    if not ((truth.head > 0) & np.isfinite(truth.head)).all():
        raise WorkbookError(f"{video.name}: people.head is not known for everybody, and errors are in head sizes.")
    truth = truth.replace(box=_boxes(truth))
    known = truth.present.any(0)  # a data set without noses has no nose to hide or to guess
    hidden = 1 - truth.present[:, known].mean(1) if known.any() else np.zeros(len(truth))
    swing = noise.sure_spread * _lasting(rng, truth, noise.memory, noise.sure_lasts)
    sure = noise.sure - noise.sure_hidden * hidden + swing
    lost = _lasting(rng, truth, noise.memory, 1.0) < ndtri(noise.missed)
    found = _predict(rng, truth, known, noise).replace(score=expit(sure).clip(max=0.9999))
    everyone = concatenate([found[(sure > logit(FLOOR)) & ~lost], _false_alarms(rng, truth, known, video, noise)])
    return everyone[np.lexsort((rng.random(len(everyone)), everyone.frame))]


def _boxes(p: People) -> np.ndarray:
    """Boxes, around the joints where there are none, of a head size at least."""
    box = np.where(np.isfinite(p.box), p.box, extent_boxes(p.xy, p.present, BOX_MARGIN))
    middle, half = (box[:, :2] + box[:, 2:]) / 2, (box[:, 2:] - box[:, :2]) / 2
    half = np.maximum(half, p.head[:, None] / 2)
    return np.concatenate([middle - half, middle + half], 1)


def _lasting(
    rng: np.random.Generator, p: People, memory: float, lasts: float, shape: tuple[int, ...] = ()
) -> np.ndarray:
    """Standard normal numbers (N, *shape), of whose variance the share `lasts` changes slowly along each track."""
    order = np.lexsort((p.frame, p.track))
    track, frame = p.track[order], p.frame[order]
    start = np.r_[True, track[1:] != track[:-1]] if len(p) else np.zeros(0, bool)
    place = np.arange(len(p)) - np.flatnonzero(start)[np.cumsum(start) - 1] if len(p) else np.zeros(0, int)
    kept = np.where(start, 0.0, memory ** np.diff(frame, prepend=0).clip(min=0)).reshape(-1, *[1] * len(shape))
    slow = rng.normal(size=(len(p), *shape)) * np.sqrt(1 - kept**2)
    for k in range(1, place.max(initial=0) + 1):  # all tracks at once
        rows = np.flatnonzero(place == k)
        slow[rows] += kept[rows] * slow[rows - 1]
    out = np.empty_like(slow)
    out[order] = slow
    return np.sqrt(lasts) * out + np.sqrt(1 - lasts) * rng.normal(size=out.shape)


def _predict(rng: np.random.Generator, truth: People, known: np.ndarray, noise: DetectorNoise) -> People:
    """One noisy pose for each person, without a score of its own."""
    n, joints = len(truth), (len(truth), N_JOINTS)

    def lasting(share: float, *shape: int) -> np.ndarray:
        return _lasting(rng, truth, noise.memory, share, shape)

    def happens(chance: float | np.ndarray) -> np.ndarray:
        """What befalls a joint, half of it the whole body's fate; it lasts."""
        mixed = np.sqrt(0.5) * (lasting(noise.far_lasts, 1) + lasting(noise.far_lasts, N_JOINTS))
        return mixed < ndtri(np.minimum(chance, 1.0))

    spread = noise.jitter * noise.factors * rng.lognormal(0, 0.35, (n, 1))
    far = happens(noise.outliers * noise.factors / noise.factors.mean())
    reach = np.where(far, noise.outlier_size, spread)[..., None]
    error = np.where(far[..., None], lasting(noise.far_lasts, N_JOINTS, 2), lasting(noise.jitter_lasts, N_JOINTS, 2))
    mirrored = happens(noise.mirrored) & truth.present & truth.present[:, FLIP]
    place = np.where(mirrored[..., None], truth.xy[:, FLIP], truth.xy)
    place = _from_neighbours(place, happens(noise.swapped), truth)
    xy = place + reach * error * truth.head[:, None, None]
    off = np.linalg.norm(xy - truth.xy, axis=-1) / truth.head[:, None]
    guess = ~truth.present & known & (rng.random(joints) < noise.guessed)
    guesses = _in_box(truth.box, _TEMPLATE + 0.06 * lasting(noise.far_lasts, N_JOINTS, 2))
    wrong = np.clip(2 * off, 0, 1)  # half a head off is wrong
    sure = np.where(guess, noise.joint_guess, noise.joint_right + wrong * (noise.joint_wrong - noise.joint_right))
    sure += noise.joint_spread * np.sqrt(0.5) * (lasting(noise.joint_lasts, 1) + lasting(noise.joint_lasts, N_JOINTS))
    sides = np.tile(truth.box[:, 2:] - truth.box[:, :2], 2)
    box = truth.box + noise.box_jitter * sides * lasting(noise.box_lasts, 4)
    return _detections(truth.frame, np.where(guess[..., None], guesses, xy), truth.present | guess, sure, box)


def _in_box(box: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Places in shares of a box's sides (…, 15, 2) as pixels."""
    return box[:, None, :2] + (box[:, 2:] - box[:, :2])[:, None] * places


def _from_neighbours(xy: np.ndarray, drawn: np.ndarray, truth: People) -> np.ndarray:
    """Where drawn (N, 15), joints that lie within a head size of a neighbour's same joint are the neighbour's."""
    out = xy.copy()
    for here in truth.rows_by_frame(truth.frame.max(initial=-1) + 1):
        if len(here) < 2:
            continue
        me = truth[here]
        distance = np.linalg.norm(me.xy[None] - me.xy[:, None], axis=-1) / me.head[:, None, None]
        other = ~np.eye(len(here), dtype=bool)[..., None]
        distance = np.where(other & me.present[None] & me.present[:, None], distance, np.inf)
        taken = (distance.min(1) < 1.0) & drawn[here]
        out[here] = np.where(taken[..., None], me.xy[distance.argmin(1), np.arange(N_JOINTS)], out[here])
    return out


def _false_alarms(
    rng: np.random.Generator, truth: People, known: np.ndarray, video: Video, noise: DetectorNoise
) -> People:
    """People that are not there. Each stays for a while, most beside a true person, with whom it moves."""
    frames = np.flatnonzero(video.labelled)
    if len(truth) == 0:
        return nobody()
    births = rng.poisson(noise.false_alarms * np.where(np.arange(len(frames)), 1 - noise.lives, 1.0))
    born = np.repeat(np.arange(len(frames)), births)
    life = rng.geometric(max(1 - noise.lives, 1e-6), len(born)).clip(max=len(frames) - born)
    anchor = _someone(rng, truth, frames[born])
    beside = (rng.random(len(born)) < noise.beside) & (truth.frame[anchor] == frames[born])
    shift = rng.normal(noise.beside_mean, noise.beside_spread, (len(born), 4))
    corner = truth.xy[truth.present]
    elsewhere = rng.uniform(corner.min(0), corner.max(0), (len(born), 2))
    sure = logit(FLOOR) + rng.exponential(noise.false_sure, len(born))
    alarm = np.repeat(np.arange(len(born)), life)  # one row per frame of each life
    age = np.arange(len(alarm)) - np.repeat(np.cumsum(life) - life, life)
    frame = frames[born[alarm] + age]
    model = truth[_same_person(truth, anchor[alarm], frame)]
    sides = model.box[:, 2:] - model.box[:, :2]
    centre = np.where(beside[alarm, None], (model.box[:, :2] + model.box[:, 2:]) / 2, elsewhere[alarm])
    centre = centre + np.where(beside[alarm, None], shift[alarm, :2] * sides, 0)
    half = sides * np.exp(np.where(beside[alarm, None], shift[alarm, 2:], 0)) / 2
    box = np.concatenate([centre - half, centre + half], 1)
    box += noise.box_jitter * np.tile(2 * half, 2) * rng.normal(size=box.shape)
    inside = np.clip(model.xy, box[:, None, :2], box[:, None, 2:])  # it sees the joints of whoever is in its box
    xy = np.where((beside[alarm, None] & model.present)[..., None], inside, _in_box(box, _TEMPLATE))
    xy += (noise.jitter * noise.factors * model.head[:, None])[..., None] * rng.normal(size=xy.shape)
    joint = noise.joint_false + noise.joint_spread * rng.normal(size=(len(alarm), N_JOINTS))
    return _detections(frame, xy, np.tile(known, (len(alarm), 1)), joint, box).replace(score=expit(sure)[alarm])


def _someone(rng: np.random.Generator, truth: People, frames: np.ndarray) -> np.ndarray:
    """A row of the truth for each frame, drawn among the people there; among all where nobody is."""
    rows = truth.rows_by_frame(max(frames.max(initial=0), truth.frame.max()) + 1)
    anywhere = np.arange(len(truth))
    return np.array([rng.choice(rows[t] if len(rows[t]) else anywhere) for t in frames], int)


def _same_person(truth: People, rows: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """The row of the same person in other frames; the row itself where that person is not there."""
    place = {key: i for i, key in enumerate(zip(truth.track.tolist(), truth.frame.tolist(), strict=True))}
    wanted = zip(truth.track[rows].tolist(), frames.tolist(), rows.tolist(), strict=True)
    return np.array([place.get((track, frame), row) for track, frame, row in wanted], int)


def _detections(
    frame: np.ndarray, xy: np.ndarray, present: np.ndarray, joint_sure: np.ndarray, box: np.ndarray
) -> People:
    xy = np.where(present[..., None], xy, 0.0)
    joint_score = np.where(present, expit(joint_sure).clip(0.001, 0.999), 0)
    return people(frame=frame, xy=xy, present=present, box=box, joint_score=joint_score)
