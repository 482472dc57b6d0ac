"""One instant: which box of which camera is whose, and where that puts everybody.

Cameras are taken in turn. Each is asked with what the motion and all other cameras say, so that in a second round the
first camera profits from the last. In one camera people and boxes are assigned one to one by their log-likelihood
ratios.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from data.geometry import CameraModel
from data.records import DoubleArray, IntArray
from trackers.assignment import assign
from trackers.config import GroupConfig
from trackers.group.bodies import Mask, Shapes, SharedError, project
from trackers.group.evidence import Boxes, CameraSense, Evidence, compare, information
from trackers.group.visibility import Visibility, visibility

_FAINT = 1.0
_REACH_M = 2.5
_NEVER = 1e6


@dataclass(frozen=True, slots=True)
class Eye:
    """A camera at one instant.

    Attributes:
        number: of the camera in its group.
        model: its calibration.
        shared: its own errors.
        sense: what is known of it as an observer.
        boxes: what it detected.
        lag_s: its own time after the instant's, seconds.
    """

    number: int
    model: CameraModel
    shared: SharedError
    sense: CameraSense
    boxes: Boxes
    lag_s: float


@dataclass(frozen=True, slots=True)
class Fusion:
    """T people after one instant of C cameras.

    Attributes:
        place: (T, 3) x, y, log height.
        cov: (T, 3, 3).
        box: (C, T) row among the camera's ``Boxes``, -1 = not detected.
        whole: (C, T) whether the matched box shows the feet.
        gain: (C, T) log-likelihood ratio of the match; 0 without.
        detection: (C, T) chance of being detected.
        innovation: (C, T, 3) of matched boxes against all the rest, box heights; NaN without.
        spread: (C, T, 3) their variances.
        near: per camera, (T, N) largest-first gains of all pairs (to tell what the people explain).
        shapes: per camera, the people at their final places.
        views: per camera, what of them is visible.
    """

    place: DoubleArray
    cov: DoubleArray
    box: IntArray
    whole: Mask
    gain: DoubleArray
    detection: DoubleArray
    innovation: DoubleArray
    spread: DoubleArray
    near: list[DoubleArray]
    shapes: list[Shapes]
    views: list[Visibility]


def fuse(
    place: DoubleArray,
    cov: DoubleArray,
    velocity: DoubleArray,
    solid: Mask,
    handicap: DoubleArray,
    eyes: Sequence[Eye],
    config: GroupConfig,
    familiarity: Sequence[DoubleArray | None],
) -> Fusion:
    """Find everybody in all cameras.

    Args:
        place: (T, 3) predicted x, y, log height.
        cov: (T, 3, 3).
        velocity: (T, 2) metres per second.
        solid: (T,) who surely exists and hides others.
        handicap: (T,) taken from the gain of each person's pairs: the doubtful stand back.
        eyes: the cameras of this instant.
        config: settings.
        familiarity: per camera, (T, N) log-likelihood ratio of the looks, or None.
    """
    count, number = len(place), len(eyes)
    start = np.linalg.inv(cov)
    start_value = np.einsum("tij,tj->ti", start, place)
    matrix, value = np.zeros((number, count, 3, 3)), np.zeros((number, count, 3))
    box = np.full((number, count), -1, np.int64)
    whole = np.ones((number, count), bool)
    gain, detection = np.zeros((number, count)), np.zeros((number, count))
    innovation, spread = np.full((number, count, 3), np.nan), np.full((number, count, 3), np.nan)
    near: list[DoubleArray] = [np.zeros((count, len(eye.boxes))) for eye in eyes]
    shapes: list[Shapes] = [None] * number  # type: ignore[list-item]
    views: list[Visibility] = [None] * number  # type: ignore[list-item]
    for turn in range(config.rounds if number > 1 else 1):
        if turn > 0 and config.exchange:
            taker = exchanged(place, cov, handicap, matrix.sum(axis=0), value.sum(axis=0))
            matrix, value = matrix[:, taker], value[:, taker]
        for c, eye in enumerate(eyes):
            others = start + matrix.sum(axis=0) - matrix[c]
            rest = np.linalg.inv(others)
            where = np.einsum("tij,tj->ti", rest, start_value + value.sum(axis=0) - value[c])
            at = where.copy()
            at[:, :2] += velocity * eye.lag_s
            shapes[c] = project(eye.model, eye.sense.size, at, eye.shared)
            views[c] = visibility(shapes[c], shapes[c], solid, True) if config.occlusion else Visibility.full(count)
            evidence = compare(shapes[c], rest, views[c], eye.boxes, eye.sense, config)
            total = evidence.gain - handicap[:, None]
            looks = familiarity[c]
            if looks is not None:
                total = total + looks
            people, chosen = assign(-np.maximum(total, -1e9), 0.0)
            box[c], whole[c], gain[c] = -1, True, 0.0
            box[c, people], whole[c, people] = chosen, evidence.whole[people, chosen]
            gain[c, people] = total[people, chosen] + handicap[people]
            detection[c], near[c] = evidence.detection, evidence.gain
            innovation[c], spread[c] = np.nan, evidence.spread
            innovation[c, people] = evidence.innovation[people, chosen]
            matrix[c], value[c] = 0.0, 0.0
            matrix[c, people], value[c, people] = _told(shapes[c], evidence, people, chosen, at, where, eye)
    final = np.linalg.inv(start + matrix.sum(axis=0))
    done = np.einsum("tij,tj->ti", final, start_value + value.sum(axis=0))
    return Fusion(done, final, box, whole, gain, detection, innovation, spread, near, shapes, views)


def spared(fusion: Fusion, serial: IntArray, known: Mask) -> DoubleArray:
    """How well each matched box could be explained without its person: (C, T), log-likelihood ratio, 0 = not at all.

    An older person who has no box in that camera could take it. So of two tracks of one person, each with the boxes of
    some cameras, the younger has nothing to live on.
    """
    spared = np.zeros(fusion.box.shape)
    older = serial[:, None] < serial[None]
    for c, found in enumerate(fusion.box):
        mine = np.flatnonzero(found >= 0)
        free = (found < 0) & known
        others = np.where(free[:, None] & older[:, mine], fusion.near[c][:, found[mine]], 0.0)
        spared[c, mine] = np.maximum(others.max(axis=0, initial=0.0), 0.0)
    return np.minimum(spared, np.maximum(fusion.gain, 0.0))


def exchanged(
    place: DoubleArray, cov: DoubleArray, handicap: DoubleArray, matrix: DoubleArray, value: DoubleArray
) -> IntArray:
    """Who takes whose boxes, all cameras at once.

    Cameras that were asked one after the other may have agreed on the wrong one of two people who meet. What all of
    them say of one person is one point with a covariance; the points are assigned anew to where the motion expects
    people.

    Args:
        place: (T, 3) predicted.
        cov: (T, 3, 3).
        handicap: (T,) of the doubtful.
        matrix: (T, 3, 3) information of each person's boxes.
        value: (T, 3) information times place.

    Returns:
        (T,) whose boxes each person takes.
    """
    count = len(place)
    own = np.arange(count)
    found = np.flatnonzero(matrix[:, (0, 1, 2), (0, 1, 2)].sum(axis=1) > 0)
    if len(found) < 2:
        return own
    spread = np.linalg.inv(matrix[found] + np.eye(3) * _FAINT)
    point = np.einsum("kij,kj->ki", spread, value[found] + _FAINT * place[found])
    near = np.linalg.norm(place[:, None, :2] - point[None, :, :2], axis=2) < _REACH_M
    near[found, np.arange(len(found))] = True
    cost = np.full((count, len(found)), _NEVER)
    people, points = np.nonzero(near)
    both = cov[people] + spread[points]
    offset = point[points] - place[people]
    distance = np.einsum("ki,ki->k", offset, np.linalg.solve(both, offset[..., None])[..., 0])
    cost[people, points] = 0.5 * distance + 0.5 * np.log(np.linalg.det(both)) + handicap[people]
    rows, columns = linear_sum_assignment(cost)
    if (cost[rows, columns] >= _NEVER).any():
        return own
    taker = own.copy()
    # Those left without boxes take the empty hands of those who had none.
    free = np.setdiff1d(own, rows)
    taker[rows] = found[columns]
    taker[free] = np.setdiff1d(own, found)
    return taker


def _told(
    shapes: Shapes,
    evidence: Evidence,
    people: IntArray,
    chosen: IntArray,
    at: DoubleArray,
    where: DoubleArray,
    eye: Eye,
) -> tuple[DoubleArray, DoubleArray]:
    """Information of matched boxes about the places at the instant (the camera saw them ``lag_s`` later)."""
    matrix, value = information(shapes, evidence, people, chosen, at, eye.sense.heights)
    return matrix, value + np.einsum("tij,tj->ti", matrix, (where - at)[people])
