"""Walking: from a place on a path to 3-D joints, with feet that stay where they touch the ground.

The foot's path in the body frame is linear in the phase while it stands, so that with a phase that advances by
distance / stride it does not slide; the pelvis is as high as both legs allow (an inverted pendulum), and knees follow
by inverse kinematics. Body segments after Winter, "Biomechanics and Motor Control of Human Movement", figure 4.1.
"""

import numpy as np
from numpy.typing import NDArray

from data.synthetic.identities import Identity

DoubleArray = NDArray[np.float64]

JOINTS = (
    "pelvis", "chest", "neck", "head", "head_top", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hand", "right_hand", "left_hip", "right_hip", "left_knee", "right_knee",
    "left_ankle", "right_ankle", "left_heel", "right_heel", "left_toe", "right_toe", "nose", "left_eye", "right_eye",
    "left_ear", "right_ear",
)  # fmt: skip
INDEX = {name: number for number, name in enumerate(JOINTS)}
COCO_JOINTS = tuple(
    INDEX[name]
    for name in (
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
        "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
        "right_ankle",
    )
)  # fmt: skip

# Shares of body height.
_THIGH, _SHANK, _ANKLE = 0.245, 0.240, 0.045
_HEEL_BACK, _TOE_FORE = 0.045, 0.105
_HIP_HALF, _SHOULDER_HALF = 0.052, 0.106
_UPPER_ARM, _FOREARM, _HAND = 0.172, 0.150, 0.085
_CHEST_UP, _SHOULDER_UP, _NECK_UP, _HEAD_UP = 0.20, 0.285, 0.335, 0.408
_HEAD_TOP = 0.062
_REACH = 0.992
_SOFT_M = 0.012
_SLOWEST = 0.45

_PITCH_PHASES = np.array([0.0, 0.09, 0.36, 0.60, 0.72, 0.88, 1.0])
_PITCH_ANGLES = np.radians([17.0, 0.0, 0.0, -32.0, -24.0, 6.0, 17.0])


def stride_m(identity: Identity, speed: DoubleArray) -> DoubleArray:
    """Length of a full cycle at some speeds (metres per second): slow walkers take short steps."""
    full = identity.gait.stride * identity.height
    return full * np.clip(speed / identity.gait.speed, _SLOWEST, 1.15)


def pose(
    identity: Identity, places: DoubleArray, yaw: DoubleArray, phase: DoubleArray, speed: DoubleArray
) -> DoubleArray:
    """Joints at T instants.

    Args:
        identity: whose.
        places: (T, 2) metres on the floor.
        yaw: (T,) radians, 0 = looking along x.
        phase: (T,) cycles; whole numbers are strikes of the left heel.
        speed: (T,) metres per second; below 0.4 the walk blends into standing.

    Returns:
        (T, 28, 3) float64, metres, in the order of ``JOINTS``.
    """
    tall, gait = identity.height, identity.gait
    walk = np.clip(speed / 0.4, 0, 1)
    walk = walk * walk * (3 - 2 * walk)
    turn = 2 * np.pi * phase
    arm_term, elbow_term, twist_term, lean_term = _perturbations(gait.terms, turn) * walk
    body = np.zeros((len(phase), len(JOINTS), 3))

    stride = stride_m(identity, speed)
    for side, shift, sign in (("left", 0.0, 1.0), ("right", 0.5, -1.0)):
        ankle, pitch = _foot(identity, (phase + shift) % 1.0, stride, walk)
        ankle[:, 1] = sign * gait.width * tall
        ahead = np.stack([np.cos(pitch), np.full_like(pitch, sign * np.sin(gait.toe_out)), np.sin(pitch)], axis=1)
        under = np.stack([np.sin(pitch), np.zeros_like(pitch), -np.cos(pitch)], axis=1) * _ANKLE * tall
        body[:, INDEX[f"{side}_ankle"]] = ankle
        body[:, INDEX[f"{side}_heel"]] = ankle + under - _HEEL_BACK * tall * ahead
        body[:, INDEX[f"{side}_toe"]] = ankle + under + _TOE_FORE * tall * ahead

    twist = walk * gait.twist * np.cos(turn) + twist_term
    sway = walk * gait.sway * tall * np.sin(turn)
    hips = {side: _turned(0.0, sign * _HIP_HALF * tall, -twist) for side, sign in (("left", 1.0), ("right", -1.0))}
    length = _REACH * (_THIGH + _SHANK) * tall
    limits = []
    for side in ("left", "right"):
        ankle = body[:, INDEX[f"{side}_ankle"]]
        flat = np.square(hips[side][:, 0] - ankle[:, 0]) + np.square(hips[side][:, 1] + sway - ankle[:, 1])
        limits.append(ankle[:, 2] + np.sqrt(np.maximum(length**2 - flat, (0.6 * length) ** 2)))
    high = -_SOFT_M * np.logaddexp(-limits[0] / _SOFT_M, -limits[1] / _SOFT_M)
    body[:, INDEX["pelvis"]] = np.stack([np.zeros_like(sway), sway, high], axis=1)
    for side in ("left", "right"):
        hip = hips[side] + body[:, INDEX["pelvis"]]
        body[:, INDEX[f"{side}_hip"]] = hip
        body[:, INDEX[f"{side}_knee"]] = _knee(hip, body[:, INDEX[f"{side}_ankle"]], _THIGH * tall, _SHANK * tall)

    lean = gait.lean * (0.4 + 0.6 * walk) + lean_term
    _trunk(body, tall, lean, twist)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        _arm(body, identity, side, sign, -sign * walk * gait.arm * np.cos(turn) + sign * arm_term, elbow_term, twist)

    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    x, y = body[:, :, 0].copy(), body[:, :, 1].copy()
    body[:, :, 0] = cos * x - sin * y + places[:, :1]
    body[:, :, 1] = sin * x + cos * y + places[:, 1:]
    return body


def _perturbations(terms: tuple[tuple[tuple[float, float], ...], ...], turn: DoubleArray) -> DoubleArray:
    """(4, T) radians: the personal Fourier terms of arm, elbow, twist and lean."""
    weights = np.array(terms)
    angles = turn[None] * np.arange(1, weights.shape[1] + 1)[:, None]
    waves = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    result: DoubleArray = (weights[:, :, :, None] * waves[None]).sum(axis=(1, 2))
    return result


def _foot(
    identity: Identity, phase: DoubleArray, stride: DoubleArray, walk: DoubleArray
) -> tuple[DoubleArray, DoubleArray]:
    """(T, 3) ankle in the body frame, y left open, and (T,) pitch of the foot, toes up positive."""
    tall, gait = identity.height, identity.gait
    duty = gait.duty
    swing = np.clip((phase - duty) / (1 - duty), 0, 1)
    # Cubic Hermite with the stance's own velocity at both ends, so that the foot lands and leaves without a jerk.
    slope = -(1 - duty) / duty
    curve = -0.5 * (1 + 2 * swing) * (1 - swing) ** 2 + 0.5 * swing**2 * (3 - 2 * swing)
    curve = curve + slope * (swing * (1 - swing) ** 2 + swing**2 * (swing - 1))
    place = np.where(phase < duty, 0.5 - phase / duty, curve) * duty * stride * walk
    size = walk * np.clip(stride / (gait.stride * tall), 0, 1)
    pitch = np.interp(phase, _PITCH_PHASES, _PITCH_ANGLES) * size
    lift = gait.lift * tall * np.sin(np.pi * swing) ** 2 * size
    pivot = np.where(pitch > 0, -_HEEL_BACK, _TOE_FORE) * tall
    cos, sin = np.cos(pitch), np.sin(pitch)
    ankle = np.zeros((len(phase), 3))
    ankle[:, 0] = place + pivot - pivot * cos - _ANKLE * tall * sin
    ankle[:, 2] = -pivot * sin + _ANKLE * tall * cos + lift
    return ankle, pitch


def _knee(hip: DoubleArray, ankle: DoubleArray, thigh: float, shank: float) -> DoubleArray:
    """(T, 3) knees that bend forward."""
    way = ankle - hip
    far = np.minimum(np.linalg.norm(way, axis=1), (thigh + shank) * 0.9999)
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    along = (thigh**2 - shank**2 + far**2) / (2 * far)
    out = np.sqrt(np.maximum(thigh**2 - along**2, 0))
    front = np.array([1.0, 0.0, 0.0]) - way * way[:, :1]
    front /= np.linalg.norm(front, axis=1, keepdims=True)
    result: DoubleArray = hip + along[:, None] * way + out[:, None] * front
    return result


def _turned(x: float, y: float, angle: DoubleArray) -> DoubleArray:
    """(T, 3): a fixed offset turned about the vertical."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([x * cos - y * sin, x * sin + y * cos, np.zeros_like(angle)], axis=1)


def _trunk(body: DoubleArray, tall: float, lean: DoubleArray, twist: DoubleArray) -> None:
    """Fill chest, neck, head and shoulders above the pelvis."""
    pelvis = body[:, INDEX["pelvis"]]
    up = np.stack([np.sin(lean), np.zeros_like(lean), np.cos(lean)], axis=1)
    for name, share in (("chest", _CHEST_UP), ("neck", _NECK_UP)):
        body[:, INDEX[name]] = pelvis + share * tall * up
    shoulders = pelvis + _SHOULDER_UP * tall * up
    for side, sign in (("left", 1.0), ("right", -1.0)):
        body[:, INDEX[f"{side}_shoulder"]] = shoulders + _turned(0.0, sign * _SHOULDER_HALF * tall, twist)
    # The head looks ahead whatever the trunk does.
    head = body[:, INDEX["neck"]] + np.array([0.012, 0.0, _HEAD_UP - _NECK_UP]) * tall
    offsets = {
        "head": (0.0, 0.0, 0.0), "head_top": (-0.008, 0.0, _HEAD_TOP), "nose": (0.060, 0.0, -0.010),
        "left_eye": (0.050, 0.019, 0.008), "right_eye": (0.050, -0.019, 0.008), "left_ear": (-0.004, 0.044, 0.0),
        "right_ear": (-0.004, -0.044, 0.0),
    }  # fmt: skip
    for name, offset in offsets.items():
        body[:, INDEX[name]] = head + np.array(offset) * tall


def _arm(
    body: DoubleArray,
    identity: Identity,
    side: str,
    sign: float,
    swing: DoubleArray,
    bend: DoubleArray,
    twist: DoubleArray,
) -> None:
    """Fill elbow, wrist and hand: positive swing is forward."""
    tall, gait = identity.height, identity.gait
    spread = sign * gait.abduction * (0.8 + 0.4 * identity.bulk)
    flex = np.clip(gait.elbow * (0.55 + 0.9 * np.clip(0.5 + swing, 0, 1)) + bend, 0.05, 1.6)
    shoulder = body[:, INDEX[f"{side}_shoulder"]]

    def way(angle: DoubleArray, out: float) -> DoubleArray:
        x, y, z = np.sin(angle), np.full_like(angle, np.sin(out)), -np.cos(angle)
        cos, sin = np.cos(twist), np.sin(twist)
        made = np.stack([cos * x - sin * y, sin * x + cos * y, z], axis=1)
        normal: DoubleArray = made / np.linalg.norm(made, axis=1, keepdims=True)
        return normal

    elbow = shoulder + _UPPER_ARM * tall * way(swing, spread)
    wrist = elbow + _FOREARM * tall * way(swing + flex, 0.25 * spread)
    body[:, INDEX[f"{side}_elbow"]] = elbow
    body[:, INDEX[f"{side}_wrist"]] = wrist
    body[:, INDEX[f"{side}_hand"]] = wrist + _HAND * tall * way(swing + 0.8 * flex, 0.0)
