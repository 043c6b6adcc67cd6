"""A detector and pose network with known noise, from the ground truth of any video.

Where there are tracks but no images, the association experiments run on these detections: misses,
false alarms, duplicates, jitter, joints taken from a neighbour, and joints predicted where the annotators
left them out. Notebooks 01, 05 and 06 measure on them, on puppets and on real tracks alike.
"""

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from scipy.signal import lfilter
from scipy.special import expit, ndtr

from helpers.people import BOX_MARGIN, People, Video, concatenate, extent_boxes, nobody, people
from helpers.skeleton import GROUPS, JOINTS, N_JOINTS


@dataclass(frozen=True)
class DetectorNoise:
    """How wrong the detections are. Chosen on training puppets so that frame-to-frame box tracking comes near
    DT-T1. People and joints below 0.5 dropped, mAP, MOTA, precision and recall are 71, 58, 84, 75 on the
    training puppets, 61, 52, 83, 70 on SoMoF and 61, 49, 82, 69 on Bonn (val); DT-T1 prints 64, 54, 83, 71.

    missed: chance that a fully visible person is missed; missed_hidden: added chance for one with no
    visible joint, in proportion between; false_alarms: mean number per frame; duplicates: chance of
    a second detection; jitter: standard deviation of a joint in head sizes, times the joint
    group's factor; outliers: share of joints four times as far off; swapped: chance that a joint is
    taken from a neighbour who is near; guessed: chance that a joint is predicted though not annotated.
    """

    missed: float = 0.03
    missed_hidden: float = 0.5
    false_alarms: float = 0.7
    duplicates: float = 0.02
    jitter: float = 0.15
    outliers: float = 0.1
    swapped: float = 0.25
    guessed: float = 0.7


#: Ends of limbs are harder: factors of the jitter, in the order of the published column groups.
GROUP_FACTOR = {"Head": 0.7, "Shoulder": 0.8, "Elbow": 1.2, "Wrist": 1.7, "Hip": 1.2, "Knee": 1.3, "Ankle": 1.7}

_FACTOR = np.array([next(GROUP_FACTOR[g] for g, names in GROUPS.items() if j in names) for j in JOINTS])

#: Mean log-odds of the score of a fully visible person.
SURE = 6.0

#: Correlation from one labelled frame to the next of whether a person is missed, and of its score.
PERSISTENCE = 0.95


#: Where joints lie in an upright person's box, as shares of its width and height, for guessing.
_TEMPLATE = np.transpose(
    [
        [0.35, 0.38, 0.40, 0.60, 0.62, 0.65, 0.22, 0.25, 0.32, 0.68, 0.75, 0.78, 0.50, 0.50, 0.50],
        [0.95, 0.74, 0.52, 0.52, 0.74, 0.95, 0.52, 0.38, 0.22, 0.22, 0.38, 0.52, 0.16, 0.09, 0.02],
    ]
)


def simulate_detections(video: Video, seed: int, noise: DetectorNoise = DetectorNoise()) -> People:
    """Detections of one video's labelled people, frame by frame in random order, track −1, head NaN.

    Person and joint scores lie in (0, 1) and fall with the error made. Boxes are the predicted
    joints' extent with 15 % on every side. Deterministic in video name, seed and noise.
    """
    rng = np.random.default_rng([seed, crc32(video.name.encode()), len(video)])
    truth = video.people[video.people.present.any(1)]
    hidden = 1 - truth.present.mean(1)
    seen = truth[ndtr(_lasting_normal(rng, truth)) >= noise.missed + noise.missed_hidden * hidden]
    found = _predict(rng, seen, truth, noise)
    again = rng.random(len(seen)) < noise.duplicates
    twice = _predict(rng, seen[again], truth, noise)
    twice = twice.replace(score=0.9 * twice.score, joint_score=0.8 * twice.joint_score)
    everyone = concatenate([found, twice, _false_alarms(rng, truth, video, noise)])
    return everyone[np.lexsort((rng.random(len(everyone)), everyone.frame))]


def _lasting_normal(rng: np.random.Generator, p: People) -> np.ndarray:
    """Normal numbers (N,) that change slowly along each track: who is missed stays so for a while."""
    out = np.zeros(len(p))
    for identity in np.unique(p.track):
        rows = np.flatnonzero(p.track == identity)
        rows = rows[np.argsort(p.frame[rows], kind="stable")]
        steps = rng.normal(0, np.sqrt(1 - PERSISTENCE**2), len(rows))
        steps[0] = rng.normal()
        out[rows] = lfilter([1], [1, -PERSISTENCE], steps)
    return out


def _predict(rng: np.random.Generator, seen: People, truth: People, noise: DetectorNoise) -> People:
    """One noisy pose for each person seen."""
    n = len(seen)
    difficulty = rng.lognormal(0, 0.35, (n, 1))
    far = np.where(rng.random((n, N_JOINTS)) < noise.outliers, 4.0, 1.0)
    spread = noise.jitter * _FACTOR * difficulty * far
    error = rng.normal(0, 1, (n, N_JOINTS, 2)) * spread[..., None]
    xy = seen.xy + error * seen.head[:, None, None]
    off = np.linalg.norm(error, axis=-1)
    xy, off = _swap(rng, xy, off, seen, truth, noise)
    known = truth.present.any(0)  # a data set without noses has no nose to guess
    guess = ~seen.present & known & (rng.random((n, N_JOINTS)) < noise.guessed)
    low, size = seen.box[:, None, :2], (seen.box[:, 2:] - seen.box[:, :2])[:, None]
    guesses = low + size * (_TEMPLATE + rng.normal(0, 0.06, (n, N_JOINTS, 2)))
    xy = np.where(guess[..., None], guesses, xy)
    own = 0.92 - 0.55 * off + rng.normal(0, 0.13, (n, N_JOINTS))
    score = np.where(guess, rng.normal(0.42, 0.16, (n, N_JOINTS)), own)
    present = seen.present | guess
    # Person scores are those of a softmax: nearly all close to 1, and 0.95 is where choices are made.
    sure = SURE - 4 * (1 - seen.present.mean(1)) + 1.2 * _lasting_normal(rng, seen)
    person = expit(sure - (difficulty[:, 0] - 1) + rng.normal(0, 0.5, n))
    return _detections(seen.frame, xy, present, score, person)


def _swap(
    rng: np.random.Generator, xy: np.ndarray, off: np.ndarray, seen: People, truth: People, noise: DetectorNoise
) -> tuple[np.ndarray, np.ndarray]:
    """Joints that lie within a head size of a neighbour's same joint sometimes are the neighbour's."""
    drawn = rng.random((len(seen), N_JOINTS)) < noise.swapped
    everybody = truth.by_frame(truth.frame.max(initial=-1) + 1)
    for t in np.unique(seen.frame):
        here, others = np.flatnonzero(seen.frame == t), everybody[t]
        me = seen[here]
        distance = np.linalg.norm(others.xy[None] - me.xy[:, None], axis=-1) / me.head[:, None, None]
        valid = others.present[None] & me.present[:, None] & (others.track != me.track[:, None])[..., None]
        distance = np.where(valid, distance, np.inf)
        nearest = distance.argmin(1)  # (people here, 15)
        taken = (distance.min(1) < 1.0) & drawn[here]
        shift = others.xy[nearest, np.arange(N_JOINTS)] - me.xy
        xy[here] += np.where(taken[..., None], shift, 0.0)
        off[here] *= np.where(taken, 0.4, 1.0)  # a neighbour's joint looks as good as one's own
    return xy, off


def _false_alarms(rng: np.random.Generator, truth: People, video: Video, noise: DetectorNoise) -> People:
    """Poses of people of the video put elsewhere."""
    frames = np.flatnonzero(video.labelled)
    frames = np.repeat(frames, rng.poisson(noise.false_alarms, len(frames)))
    if len(truth) == 0:
        return nobody()
    model = truth[rng.integers(0, len(truth), len(frames))]
    corner = truth.xy[truth.present]
    place = rng.uniform(corner.min(0), corner.max(0), (len(frames), 2))
    middle = (model.box[:, :2] + model.box[:, 2:]) / 2
    xy = model.xy + (place - middle)[:, None]
    score = rng.normal(0.40, 0.17, (len(frames), N_JOINTS))
    return _detections(frames, xy, model.present, score, expit(rng.normal(0, 2, len(frames))))


def _detections(
    frame: np.ndarray, xy: np.ndarray, present: np.ndarray, joint_score: np.ndarray, score: np.ndarray
) -> People:
    xy = np.where(present[..., None], xy, 0.0)
    return people(
        frame=frame,
        xy=xy,
        present=present,
        box=extent_boxes(xy, present, BOX_MARGIN),
        joint_score=np.where(present, joint_score.clip(0.01, 0.99), 0),
        score=score.clip(0.001, 0.999),
    )
