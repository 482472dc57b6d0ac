"""How well a box speaks for a person: log-likelihood ratios of all people and boxes of one camera.

A pair is compared in centre, bottom and top of the box, each in units of the person's predicted box height, by the
density of the innovation against the density of boxes that are nobody's (Blackman and Popoli, "Design and Analysis of
Modern Tracking Systems", 1999, section 6.2). The miss belongs to the alternative, so that a hidden person who is not
found loses nothing. A box may end above the feet, because something hides them: then centre and top speak alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, FloatArray, IntArray
from trackers.config import GroupConfig
from trackers.group.bodies import BOTTOM, CENTRE, TOP, Shapes, clip, measure
from trackers.group.visibility import Visibility

Mask = NDArray[np.bool_]

_CUT_NOISE = 0.15
_HEIGHT_RANGE = 1.0
_HIDDEN_RANGE = 0.75
_MOST_SEEN = 0.98
_ROBUST = 6.0


@dataclass(frozen=True, slots=True)
class Boxes:
    """The usable detections of one camera.

    Attributes:
        rows: (N,) row of each in the view.
        boxes: (N, 4) xyxy px as detected.
        seen: (N, 4) cut at the frame.
        measured: (N, 3) centre, bottom and top of ``seen``.
        scores: (N,) 0-1.
        worth: (N,) log-likelihood ratio of the score: a person's against nobody's.
    """

    rows: IntArray
    boxes: DoubleArray
    seen: DoubleArray
    measured: DoubleArray
    scores: DoubleArray
    worth: DoubleArray

    def __len__(self) -> int:
        return len(self.rows)

    @staticmethod
    def of(rows: IntArray, boxes: FloatArray, scores: FloatArray, worth: DoubleArray, size: tuple[int, int]) -> "Boxes":
        """Detections ``rows`` of a view."""
        wide = boxes.astype(np.float64)
        seen = clip(wide, size)
        return Boxes(rows, wide, seen, measure(seen), scores.astype(np.float64), worth)

    def select(self, chosen: IntArray | Mask) -> "Boxes":
        """Some of the rows."""
        return Boxes(
            self.rows[chosen],
            self.boxes[chosen],
            self.seen[chosen],
            self.measured[chosen],
            self.scores[chosen],
            self.worth[chosen],
        )


@dataclass(frozen=True, slots=True)
class CameraSense:
    """What is known of a camera as an observer.

    Attributes:
        size: (width, height), px.
        heights: whether tops of boxes speak (False for a ground homography).
        noise: (3,) standard deviation of centre, bottom and top, box heights.
        detection: chance that a wholly visible person is detected, 0-1.
        through: the same of a wholly hidden one, as a share of it: some are seen all the same.
        clutter: boxes per frame that are nobody's.
    """

    size: tuple[int, int]
    heights: bool
    noise: DoubleArray
    detection: float
    through: float
    clutter: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of T people and N boxes of one camera.

    Attributes:
        gain: (T, N) log-likelihood ratio of "this is the person's box" against "it was not detected, the box is
            nobody's"; -inf outside the gate.
        whole: (T, N) whether the feet are taken to be seen.
        distance: (T, N) squared Mahalanobis distance in what speaks.
        innovation: (T, N, 3) box heights.
        spread: (T, 3) variance of the innovation, box heights squared.
        noise: (T, 3) variance of the box alone, box heights squared.
        detection: (T,) chance that the person is detected, given who stands before it.
    """

    gain: DoubleArray
    whole: Mask
    distance: DoubleArray
    innovation: DoubleArray
    spread: DoubleArray
    noise: DoubleArray
    detection: DoubleArray


def compare(
    shapes: Shapes, cov: DoubleArray, view: Visibility, boxes: Boxes, sense: CameraSense, config: GroupConfig
) -> Evidence:
    """Weigh every pair.

    Args:
        shapes: T predicted people.
        cov: (T, 3, 3) of their (x, y, log height).
        view: what of them is visible.
        boxes: N detections.
        sense: the camera.
        config: the group tracker's settings.
    """
    height = shapes.height
    slope = shapes.jacobian / height[:, None, None]
    noise = sense.noise**2 + (config.noise_px / height[:, None]) ** 2
    noise = noise + _CUT_NOISE**2 * shapes.cut
    noise[:, TOP] += (0.2 * (1 - view.head)) ** 2
    spread = slope @ cov @ slope.transpose(0, 2, 1)
    spread[:, (0, 1, 2), (0, 1, 2)] += noise
    innovation = (boxes.measured[None] - shapes.measured[:, None]) / height[:, None, None]
    open_share = sense.through + (1 - sense.through) * view.share
    detection = np.minimum(sense.detection * open_share, _MOST_SEEN) * (shapes.inside > config.least_inside)
    hidden = np.clip(config.hidden_feet + (1 - config.hidden_feet) * (1 - view.feet), 0, 0.95)
    # Boxes that are nobody's lie anywhere in the frame.
    clutter = np.log(sense.clutter * height**2 / (sense.size[0] * sense.size[1] * _HEIGHT_RANGE))
    speak = [CENTRE, BOTTOM, TOP] if sense.heights else [CENTRE, BOTTOM]
    whole_gain, whole_distance = _density(innovation, spread, speak, config.gate)
    whole_gain = whole_gain + np.log1p(-hidden)[:, None]
    gain, distance, whole = whole_gain, whole_distance, np.ones(whole_gain.shape, bool)
    if sense.heights:
        part_gain, part_distance = _density(innovation, spread, [CENTRE, TOP], config.gate)
        short = (innovation[:, :, BOTTOM] < 0) & (innovation[:, :, BOTTOM] > -_HIDDEN_RANGE)
        part_gain = np.where(short, part_gain + np.log(hidden)[:, None] - np.log(_HIDDEN_RANGE), -np.inf)
        whole = whole_gain >= part_gain
        gain = np.where(whole, whole_gain, part_gain)
        distance = np.where(whole, whole_distance, part_distance)
    with np.errstate(divide="ignore"):
        odds = np.log(detection) - np.log1p(-detection) - clutter
    gain = gain + odds[:, None] + boxes.worth[None]
    gain[~shapes.valid] = -np.inf
    variances = np.diagonal(spread, axis1=1, axis2=2)
    return Evidence(gain, whole, distance, innovation, variances, noise, detection)


def information(
    shapes: Shapes, evidence: Evidence, people: IntArray, chosen: IntArray, places: DoubleArray, heights: bool
) -> tuple[DoubleArray, DoubleArray]:
    """What matched boxes say of their people, in information form about (x, y, log height).

    A box far from where it was expected says less than its noise allows (a robust weight), because boxes have errors of
    a heavier tail than any normal law.

    Args:
        shapes: T people, linearised at ``places``.
        evidence: of all pairs.
        people: (K,) people who are matched.
        chosen: (K,) their boxes.
        places: (T, 3).
        heights: whether tops speak.

    Returns:
        (K, 3, 3) information and (K, 3) information times place.
    """
    slope = shapes.jacobian[people] / shapes.height[people, None, None]
    weight = 1 / evidence.noise[people]
    weight[:, BOTTOM] *= evidence.whole[people, chosen]
    if not heights:
        weight[:, TOP] = 0.0
    weight /= np.maximum(1.0, evidence.distance[people, chosen] / _ROBUST)[:, None]
    weighted = slope.transpose(0, 2, 1) * weight[:, None]
    matrix = weighted @ slope
    target = evidence.innovation[people, chosen] + np.einsum("tij,tj->ti", slope, places[people])
    return matrix, np.einsum("tij,tj->ti", weighted, target)


def _density(
    innovation: DoubleArray, spread: DoubleArray, speak: list[int], gate: float
) -> tuple[DoubleArray, DoubleArray]:
    """Log density of the innovation in some components, -inf beyond the gate; squared distance."""
    part = spread[:, speak][:, :, speak]
    offset = innovation[:, :, speak]
    distance = ((offset @ np.linalg.inv(part)) * offset).sum(axis=2)
    scale = -0.5 * np.log(np.linalg.det(part)) - 0.5 * len(speak) * np.log(2 * np.pi)
    return np.where(distance < gate, scale[:, None] - 0.5 * distance, -np.inf), distance
