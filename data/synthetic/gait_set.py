"""Synthetic gaits: people walking past a depth sensor, in other clothes and with bags, joints measured with error.

Each person walks as ``data.synthetic.gait`` makes them walk, a little differently every time. A bag bends the trunk and
stills the arms, a coat shortens the step and hides hips and knees. Each walk is seen from several sides at once, as in
CASIA-B: six without anything ("nm", the last two for testing), two with a bag ("bg"), two in a coat ("cl").
"""

from dataclasses import dataclass, replace

import numpy as np

from data.records import DoubleArray
from data.skeleton_sequences import JOINTS, Recording, from_coco
from data.synthetic.gait import COCO_JOINTS, pose, stride_m
from data.synthetic.identities import Gait, Identity, make_identities

WALKS = (*(("nm", number) for number in range(6)), ("bg", 0), ("bg", 1), ("cl", 0), ("cl", 1))
_FIRST_TEST_WALK = 4
_DRIFT_S = 0.5
_HIDDEN_BY_COAT = tuple(JOINTS.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("hip", "knee"))
_COAT_NOISE = 1.5


@dataclass(frozen=True, slots=True)
class GaitSetOptions:
    """What is made.

    Attributes:
        people: how many, at least 2.
        seconds: of each walk.
        fps: skeletons per second.
        views_deg: sides each walk is seen from; 0 = the person comes towards the sensor, 90 = walks to the right.
        noise_m: smallest and largest standard deviation of a joint's position, drawn for each recording, metres. Half
            of the variance is new in every frame, half drifts within half a second.
        first_person: number of the first person.
    """

    people: int = 64
    seconds: float = 4.0
    fps: float = 10.0
    views_deg: tuple[int, ...] = (0, 45, 90, 135, 180)
    noise_m: tuple[float, float] = (0.02, 0.05)
    first_person: int = 0


def make_gaits(options: GaitSetOptions, seed: int) -> list[Recording]:
    """Recordings of every person, walk and view; the same seed gives the same numbers.

    Args:
        options: what is made.
        seed: of people, walks and errors.
    """
    rng = np.random.default_rng([seed, 0])
    identities = make_identities(rng, options.people, 0, False)
    made = []
    for number, identity in enumerate(identities):
        rng = np.random.default_rng([seed, 1, number])
        for condition, walk in WALKS:
            joints, times = _walk(rng, _dressed(rng, identity, condition), options)
            for view in options.views_deg:
                noise = rng.uniform(*options.noise_m)
                spread = np.full(len(JOINTS), noise)
                if condition == "cl":
                    spread[list(_HIDDEN_BY_COAT)] *= _COAT_NOISE
                seen = from_view(joints, view) + _errors(rng, len(times), spread, options.fps)
                test = condition != "nm" or walk >= _FIRST_TEST_WALK
                name = f"{'test' if test else 'train'}-{number:03d}-{condition}-{walk:02d}-{view:03d}"
                person = options.first_person + number
                made.append(Recording(seen.astype(np.float32), times, person, condition, view, name))
    return made


def from_view(joints: DoubleArray, view_deg: float) -> DoubleArray:
    """World coordinates of a walk along x (y left, z up) as a sensor sees them: x right, y down, z away. (..., 3)."""
    turn = np.radians(view_deg)
    ahead = np.array([np.sin(turn), 0.0, -np.cos(turn)])
    left = np.array([np.cos(turn), 0.0, np.sin(turn)])
    return np.asarray(joints @ np.stack([ahead, left, np.array([0.0, -1.0, 0.0])]), np.float64)


def _dressed(rng: np.random.Generator, identity: Identity, condition: str) -> Identity:
    """The person as they walk this time."""
    gait = _varied(rng, identity.gait)
    if condition == "bg":
        on_back = rng.uniform() < 0.5
        lean = gait.lean + (0.07 if on_back else 0.02)
        gait = replace(gait, lean=lean, arm=gait.arm * (0.8 if on_back else 0.55), sway=gait.sway * 1.25)
        return replace(identity, bag="backpack" if on_back else "shoulder", gait=gait)
    if condition == "cl":
        gait = replace(
            gait, stride=gait.stride * 0.95, lift=gait.lift * 0.9, arm=gait.arm * 0.8, abduction=gait.abduction + 0.06
        )
        return replace(identity, bottom="coat", gait=gait)
    return replace(identity, gait=gait)


def _varied(rng: np.random.Generator, gait: Gait) -> Gait:
    """Nobody walks twice the same."""

    def about(value: float, spread: float) -> float:
        return value * float(1 + spread * np.clip(rng.normal(), -2, 2))

    return replace(
        gait,
        stride=about(gait.stride, 0.02),
        speed=about(gait.speed, 0.06),
        lift=about(gait.lift, 0.08),
        lean=gait.lean + float(rng.normal(0, 0.01)),
        arm=about(gait.arm, 0.10),
        elbow=about(gait.elbow, 0.08),
        phase=float(rng.uniform()),
    )


def _walk(rng: np.random.Generator, identity: Identity, options: GaitSetOptions) -> tuple[DoubleArray, DoubleArray]:
    """(T, 14, 3) float64 metres, walking along x, and (T,) seconds."""
    times = np.arange(round(options.seconds * options.fps)) / options.fps
    speed = np.full(len(times), identity.gait.speed)
    way = speed * times
    # The pace rises and falls a little over a walk.
    phase = identity.gait.phase + way / stride_m(identity, speed) + 0.01 * np.sin(times + rng.uniform(0, 2 * np.pi))
    places = np.stack([way, np.zeros_like(way)], axis=1)
    joints = pose(identity, places, np.zeros_like(way), phase, speed)[:, list(COCO_JOINTS)]
    return from_coco(joints.astype(np.float32)).astype(np.float64), times


def _errors(rng: np.random.Generator, count: int, spread_m: DoubleArray, fps: float) -> DoubleArray:
    """(T, J, 3) metres: half of the variance white, half a first-order drift."""
    size = (count, len(spread_m), 3)
    stay = float(np.exp(-1 / (_DRIFT_S * fps)))
    drift = np.empty(size)
    drift[0] = rng.normal(size=size[1:])
    pushes = rng.normal(size=size) * np.sqrt(1 - stay**2)
    for row in range(1, count):
        drift[row] = stay * drift[row - 1] + pushes[row]
    return np.asarray(np.sqrt(0.5) * (drift + rng.normal(size=size)) * spread_m[:, None], np.float64)
