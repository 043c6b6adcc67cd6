"""Articulated people: what each joint angle does over time, and forward kinematics to 3-D joints.

Everything is an array over people (P) and frames (T); lengths are metres, angles radians, time
seconds. World axes: x right, y up, z away from the camera. Notebook 01 shows the world it makes.
"""

from dataclasses import dataclass

import numpy as np

from helpers.skeleton import INDEX, N_JOINTS

#: What a person does besides following the path; "walk" and "run" only follow it.
ACTIONS = ("walk", "run", "stop_and_go", "turn", "crouch", "jump", "wave", "dance")
#: How much of the way along the path stops while the action is on.
_PAUSE = np.array([0, 0, 1, 1, 1, 0.3, 0.7, 0.9])
#: Metres for a person of height 1.75.
LENGTHS = dict(
    thigh=0.44,
    shin=0.43,
    torso=0.50,
    neck=0.02,
    head=0.25,
    shoulder=0.19,
    hip=0.10,
    upper_arm=0.29,
    forearm=0.26,
    ankle=0.08,
)
#: Metres from the neck's base down to a shoulder whose arm hangs, and how much higher it is with the arm up.
SHOULDER_DROP, SHOULDER_LIFT = 0.05, 0.08
_ENDS = [INDEX[f"{side}_{part}"] for side in ("left", "right") for part in ("wrist", "ankle")]
WALK_STRIDE, RUN_STRIDE, RUN_SPEED = 1.45, 2.5, 2.0


@dataclass(frozen=True)
class Choreography:
    """What P people do. path_*: centre (P, 2), amplitude (P, 2), frequency (P, 2) and phase (P, 2) of the
    closed path on the ground (x, z); height (P,) metres; proportions (P, 4) factors of legs, torso, arms,
    shoulders; slope (P,) factor of SHOULDER_DROP; action (P,) index into ACTIONS; rhythm, beat (P,):
    frequencies of the action's on-off switching and of its own movement in hertz; start (P,): phase of both, radians.
    """

    path_centre: np.ndarray
    path_amplitude: np.ndarray
    path_frequency: np.ndarray
    path_phase: np.ndarray
    height: np.ndarray
    proportions: np.ndarray
    slope: np.ndarray
    action: np.ndarray
    rhythm: np.ndarray
    beat: np.ndarray
    start: np.ndarray


def joints_3d(people: Choreography, time: np.ndarray) -> np.ndarray:
    """(P, T, 15, 3) joint positions in metres at times (T,) seconds, feet on the ground y = 0."""
    on = _smooth_switch(people.rhythm[:, None] * time + people.start[:, None] / (2 * np.pi))
    pause = _PAUSE[people.action][:, None]
    # The person's own clock along the path runs slower while the action is on.
    clock = np.cumsum((1 - pause * on) * np.gradient(time), 1) + 100 * people.start[:, None]
    place, velocity = _path(people, clock)
    velocity = velocity * (1 - pause * on)[..., None]
    speed = np.linalg.norm(velocity, axis=-1)
    heading = _heading(people, velocity, speed, on, time)
    travelled = np.cumsum(speed * np.gradient(time), 1)
    angles = _gait(speed, travelled, people.start[:, None])
    _act(angles, people, on, time)
    return _kinematics(people, place, heading, angles)


def unsteadiness(rng: np.random.Generator, n_people: int, n_frames: int) -> np.ndarray:
    """(P, T, 15, 3) of unit size: what no smooth motion explains. Real annotations shake: their second differences
    grow far slower with the gap than those of motion do. Wrists and ankles shake most, and some people more."""
    person = rng.lognormal(0, 0.5, (n_people, 1, 1, 1))
    joint = np.where(np.isin(np.arange(N_JOINTS), _ENDS), 1.5, 1.0)[:, None]
    return person * joint * rng.normal(0, 1, (n_people, n_frames, N_JOINTS, 3))


def _smooth_switch(turns: np.ndarray) -> np.ndarray:
    """0…1 and back once per turn, with short smooth flanks."""
    return 1 / (1 + np.exp(-8 * np.sin(2 * np.pi * turns)))


def _path(people: Choreography, clock: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    angle = people.path_frequency[:, None] * clock[..., None] + people.path_phase[:, None]
    amplitude = people.path_amplitude[:, None]
    return (
        people.path_centre[:, None] + amplitude * np.sin(angle),
        amplitude * people.path_frequency[:, None] * np.cos(angle),
    )


def _heading(people: Choreography, velocity, speed, on, time) -> np.ndarray:
    """Direction faced (P, T): the way one goes, or, standing, mostly towards the camera."""
    facing = np.pi + 0.8 * np.sin(people.start)[:, None]
    going = np.unwrap(np.arctan2(velocity[..., 0], velocity[..., 1]), axis=1)
    weight = np.clip(speed / 0.5, 0, 1)[..., None]
    unit = weight * np.stack([np.sin(going), np.cos(going)], -1) + (1 - weight) * np.stack(
        [np.sin(facing), np.cos(facing)], -1
    )
    heading = np.unwrap(np.arctan2(unit[..., 0], unit[..., 1]), axis=1)
    turning = people.action[:, None] == ACTIONS.index("turn")
    return _low_pass(heading, 9) + turning * on * 2 * np.sin(2 * np.pi * 0.3 * time + people.start[:, None])


def _low_pass(x: np.ndarray, width: int) -> np.ndarray:
    padded = np.pad(x, ((0, 0), (width // 2, width // 2)), mode="edge")
    total = np.cumsum(np.pad(padded, ((0, 0), (1, 0))), 1)
    return (total[:, width:] - total[:, :-width]) / width


def _gait(speed, travelled, start) -> dict[str, np.ndarray]:
    """Legs and arms swing with the distance travelled, so that feet do not skate."""
    run = np.clip((speed - 1.6) / (RUN_SPEED - 1.6 + 0.6), 0, 1)
    walk = np.clip(speed / 0.6, 0, 1)
    phase = 2 * np.pi * travelled / (WALK_STRIDE + run * (RUN_STRIDE - WALK_STRIDE)) + start
    swing, a = np.sin(phase), {"spread": np.zeros_like(speed)}
    reach = walk * (0.42 + 0.35 * run)
    a["hip_r"], a["hip_l"] = reach * swing + 0.15 * run, -reach * swing + 0.15 * run
    lift = walk * (0.55 + 0.9 * run)
    a["knee_r"] = 0.08 + lift * np.clip(np.sin(phase + np.pi / 2 + 0.4), 0, 1) + 0.2 * run
    a["knee_l"] = 0.08 + lift * np.clip(-np.sin(phase + np.pi / 2 + 0.4), 0, 1) + 0.2 * run
    a["arm_r"], a["arm_l"] = -reach * 0.9 * swing, reach * 0.9 * swing
    a["elbow_r"], a["elbow_l"] = 0.2 + 1.2 * run + 0.15 * swing, 0.2 + 1.2 * run - 0.15 * swing
    a["out_r"] = a["out_l"] = np.full_like(speed, 0.12)
    a["lean"], a["jump"] = 0.05 * walk + 0.15 * run, 0.05 * run * np.abs(np.sin(phase))
    a["sway"] = 0.02 * np.sin(0.7 * travelled + start)
    a["nod"] = 0.25 * np.sin(0.31 * travelled + 2 * start)
    return a


def _act(a: dict, people: Choreography, on: np.ndarray, time: np.ndarray) -> None:
    """Lay the action over the gait, weighted by how far it is switched on."""
    beat = 2 * np.pi * people.beat[:, None] * time + people.start[:, None]
    s, c, up = np.sin(beat), np.cos(beat), 0.5 - 0.5 * np.cos(beat)
    # An angle without a side is that of both sides.
    poses = {
        "crouch": dict(
            hip_r=1.5 * up, hip_l=1.4 * up, knee_r=2.1 * up, knee_l=2.0 * up, lean=0.6 * up, arm=0.7 * up, elbow=0.5
        ),
        "jump": dict(
            hip=0.7 * (1 - up), knee=1.2 * (1 - up), jump=0.45 * np.clip(s, 0, 1) ** 2, arm=2.2 * up, elbow=0.3
        ),
        "wave": dict(out_r=2.3 + 0.25 * s, elbow_r=0.5 + 0.5 * s, arm_l=0.1 * c),
        "dance": dict(
            out_r=1.3 + 0.9 * s,
            out_l=1.3 - 0.9 * s,
            elbow_r=0.9 + 0.6 * c,
            elbow_l=0.9 - 0.6 * c,
            hip_r=0.5 * np.clip(s, 0, 1),
            hip_l=0.5 * np.clip(-s, 0, 1),
            knee_r=0.9 * np.clip(s, 0, 1),
            knee_l=0.9 * np.clip(-s, 0, 1),
            sway=0.22 * c,
            spread=0.18,
        ),
    }
    for name, pose in poses.items():
        weight = on * (people.action == ACTIONS.index(name))[:, None]
        for angle, value in pose.items():
            for name in (angle,) if angle in a else (f"{angle}_r", f"{angle}_l"):
                a[name] = (1 - weight) * a[name] + weight * value


def _kinematics(people: Choreography, place, heading, a) -> np.ndarray:
    """Joint angles to positions; the lower foot stands on the ground."""
    scale = (people.height / 1.75)[:, None, None]
    leg, trunk, arm, shoulder = (scale * people.proportions[:, i, None, None] for i in range(4))
    zero = np.zeros_like(heading)
    forward = np.stack([np.sin(heading), zero, np.cos(heading)], -1)
    right = np.stack([np.cos(heading), zero, -np.sin(heading)], -1)
    up = np.broadcast_to([0.0, 1.0, 0.0], forward.shape)

    def swung(pitch: np.ndarray, outward: np.ndarray, side: np.ndarray) -> np.ndarray:
        """Unit vector of a limb that hangs down, swung forward and outward."""
        ahead = np.sin(pitch)[..., None] * forward - np.cos(pitch)[..., None] * up
        return np.cos(outward)[..., None] * ahead + np.sin(outward)[..., None] * side

    spine = (
        np.cos(a["lean"])[..., None] * up
        + np.sin(a["lean"])[..., None] * forward
        + np.sin(a["sway"])[..., None] * right
    )
    spine = spine / np.linalg.norm(spine, axis=-1, keepdims=True)
    out = np.zeros((*heading.shape, N_JOINTS, 3))
    neck = LENGTHS["torso"] * trunk * spine
    for s, name, sign in (("r", "right", 1), ("l", "left", -1)):
        side = sign * right
        hip = LENGTHS["hip"] * scale * side
        knee = hip + LENGTHS["thigh"] * leg * swung(a[f"hip_{s}"], a["spread"], side)
        ankle = knee + LENGTHS["shin"] * leg * swung(a[f"hip_{s}"] - a[f"knee_{s}"], 0.3 * a["spread"], side)
        raised = (1 - np.cos(a[f"arm_{s}"]) * np.cos(a[f"out_{s}"])) / 2
        drop = (people.slope[:, None] * SHOULDER_DROP - SHOULDER_LIFT * raised)[..., None]
        joint = neck + LENGTHS["shoulder"] * shoulder * side - drop * scale * spine
        elbow = joint + LENGTHS["upper_arm"] * arm * swung(a[f"arm_{s}"], a[f"out_{s}"], side)
        bent = swung(a[f"arm_{s}"] + a[f"elbow_{s}"], a[f"out_{s}"] * 1.1, side)
        wrist = elbow + LENGTHS["forearm"] * arm * bent
        limbs = {"hip": hip, "knee": knee, "ankle": ankle, "shoulder": joint, "elbow": elbow, "wrist": wrist}
        for part, value in limbs.items():
            out[..., INDEX[f"{name}_{part}"], :] = value
    look = np.cos(a["nod"])[..., None] * forward + np.sin(a["nod"])[..., None] * right
    bottom = neck + LENGTHS["neck"] * scale * spine
    out[..., INDEX["head_bottom"], :] = bottom
    out[..., INDEX["head_top"], :] = bottom + LENGTHS["head"] * scale * spine
    out[..., INDEX["nose"], :] = bottom + LENGTHS["head"] * scale * (0.42 * spine + 0.40 * look)
    lowest = out[..., [INDEX["right_ankle"], INDEX["left_ankle"]], 1].min(-1)
    out[..., 1] += (LENGTHS["ankle"] * scale[..., 0] - lowest + a["jump"])[..., None]
    out[..., [0, 2]] += place[..., None, :]
    return out
