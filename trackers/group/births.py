"""New people: from boxes that nobody explains, agreed on by the cameras that should see them.

Every unexplained box is a guess of a place, by its feet, its head and how tall people are. Each guess is carried
through the other cameras: a box that fits speaks for it, and where one should be and is not speaks against it. The best
guesses are taken first; what they used is gone for the others, and nobody is born where somebody stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.records import DoubleArray, IntArray
from trackers.config import GroupConfig
from trackers.group.bodies import Mask, Shapes, project
from trackers.group.evidence import compare, information
from trackers.group.fusion import Eye
from trackers.group.visibility import Visibility, visibility

_STEPS = 4
_FAR_M = 1e3
_NO_ROWS = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Guess:
    """B new people.

    Attributes:
        place: (B, 3) x, y, log height.
        cov: (B, 3, 3).
        odds: (B,) log-odds of existence.
        box: (C, B) row among each camera's ``Boxes``, -1 = none.
        whole: (C, B) whether the box shows the feet.
    """

    place: DoubleArray
    cov: DoubleArray
    odds: DoubleArray
    box: IntArray
    whole: Mask

    def __len__(self) -> int:
        return len(self.place)

    @staticmethod
    def none(cameras: int) -> "Guess":
        """Nobody."""
        return Guess(
            np.zeros((0, 3)),
            np.zeros((0, 3, 3)),
            np.zeros(0),
            np.zeros((cameras, 0), np.int64),
            np.zeros((cameras, 0), bool),
        )

    def select(self, rows: IntArray) -> "Guess":
        """Some of them."""
        return Guess(self.place[rows], self.cov[rows], self.odds[rows], self.box[:, rows], self.whole[:, rows])

    def join(self, other: "Guess") -> "Guess":
        """These, then those."""
        return Guess(
            np.concatenate([self.place, other.place]),
            np.concatenate([self.cov, other.cov]),
            np.concatenate([self.odds, other.odds]),
            np.concatenate([self.box, other.box], axis=1),
            np.concatenate([self.whole, other.whole], axis=1),
        )


def find_births(
    eyes: Sequence[Eye],
    free: Sequence[IntArray],
    people: Sequence[Shapes],
    solid: Mask,
    standing: DoubleArray,
    config: GroupConfig,
) -> Guess:
    """Propose new people.

    Args:
        eyes: the cameras of this instant.
        free: per camera, the rows of its ``Boxes`` that nobody explains.
        people: per camera, the known people, who may hide new ones.
        solid: which of them surely exist.
        standing: (T, 2) where people are already, metres.
        config: settings.
    """
    free = [rows.copy() for rows in free]
    born = Guess.none(len(eyes))
    for _ in range(config.birth_rounds):
        guess = _guess(eyes, free, people, solid, config)
        if not len(guess):
            break
        taken = _take(guess, np.concatenate([standing, born.place[:, :2]]), config)
        if not len(taken):
            break
        born = born.join(guess.select(taken))
        free = [np.setdiff1d(rows, born.box[c]) for c, rows in enumerate(free)]
    return born


def _guess(
    eyes: Sequence[Eye], free: Sequence[IntArray], people: Sequence[Shapes], solid: Mask, config: GroupConfig
) -> Guess:
    """One guess per unexplained box, weighed in all cameras."""
    places, covs, home, seed = [np.zeros((0, 3))], [np.zeros((0, 3, 3))], [_NO_ROWS], [_NO_ROWS]
    for c, eye in enumerate(eyes):
        if not len(free[c]):
            continue
        place, cov, good = locate(eye, free[c], config)
        places.append(place[good])
        covs.append(cov[good])
        seed.append(free[c][good])
        home.append(np.full(int(good.sum()), c))
    place, cov = np.concatenate(places), np.concatenate(covs)
    owner, first = np.concatenate(home), np.concatenate(seed)
    count = len(place)
    box = np.full((len(eyes), count), -1, np.int64)
    whole = np.ones((len(eyes), count), bool)
    odds = np.full(count, config.birth)
    if not count:
        return Guess(place, cov, odds, box, whole)
    for c, eye in enumerate(eyes):
        shapes = project(eye.model, eye.sense.size, place, eye.shared)
        view = visibility(shapes, people[c], solid, False) if config.occlusion else Visibility.full(count)
        boxes = eye.boxes.select(free[c])
        evidence = compare(shapes, cov, view, boxes, eye.sense, config)
        mine = owner == c
        found = np.full(count, -1, np.int64)
        gain = np.zeros(count)
        if len(boxes):
            best = evidence.gain.argmax(axis=1)
            gain = evidence.gain[np.arange(count), best]
            found = np.where((gain > 0) & ~mine, best, -1)
        hit = np.flatnonzero(found >= 0)
        odds += np.log1p(-evidence.detection) * ~mine
        odds[hit] += gain[hit]
        box[c, hit], whole[c, hit] = free[c][found[hit]], evidence.whole[hit, found[hit]]
        box[c, mine] = first[mine]
        odds[mine] += eye.boxes.worth[first[mine]]
        if len(hit):
            inverse = np.linalg.inv(cov[hit])
            matrix, value = information(shapes, evidence, hit, found[hit], place, eye.sense.heights)
            total = inverse + matrix
            new = np.linalg.inv(total)
            place[hit] = np.einsum("tij,tj->ti", new, np.einsum("tij,tj->ti", inverse, place[hit]) + value)
            cov[hit] = new
    return Guess(place, cov, odds, box, whole)


def locate(eye: Eye, rows: IntArray, config: GroupConfig) -> tuple[DoubleArray, DoubleArray, Mask]:
    """Where the person of each box would stand.

    Gauss-Newton on centre, bottom and top, with the usual height as prior.

    Args:
        eye: the camera.
        rows: (M,) rows of its boxes.
        config: settings.

    Returns:
        (M, 3) x, y, log height; (M, 3, 3) covariance; (M,) whether there is such a place.
    """
    boxes = eye.boxes.select(rows)
    height = boxes.seen[:, 3] - boxes.seen[:, 1]
    foot = np.stack([boxes.measured[:, 0], boxes.measured[:, 1] - eye.shared.bottom * height], axis=1)
    foot[:, 0] -= eye.shared.centre * height
    ground = eye.model.to_ground(foot)
    good: Mask = np.all(np.isfinite(ground) & (np.abs(ground) < _FAR_M), axis=1)
    place = np.concatenate(
        [np.where(good[:, None], ground, 0.0), np.full((len(rows), 1), np.log(config.height))], axis=1
    )
    prior = np.diag([0.0, 0.0, config.height_spread**-2])
    prior_value = np.array([0.0, 0.0, config.height_spread**-2 * np.log(config.height)])
    cov: DoubleArray = np.zeros((len(rows), 3, 3))
    for _ in range(_STEPS):
        shapes = project(eye.model, eye.sense.size, place, eye.shared)
        slope = shapes.jacobian / shapes.height[:, None, None]
        innovation = (boxes.measured - shapes.measured) / shapes.height[:, None]
        weight = 1 / (eye.sense.noise**2 + (config.noise_px / shapes.height[:, None]) ** 2)
        if not eye.sense.heights:
            weight[:, 2] = 0.0
        weighted = slope.transpose(0, 2, 1) * weight[:, None]
        # A little ridge keeps what a box cut at the frame cannot tell finite.
        matrix = weighted @ slope + prior + np.diag([1e-2, 1e-2, 0.0])
        cov = np.asarray(np.linalg.inv(matrix), np.float64)
        step = np.einsum("tij,tj->ti", weighted, innovation) + prior_value - np.einsum("ij,tj->ti", prior, place)
        move = np.einsum("tij,tj->ti", cov, step)
        move[:, :2] = np.clip(move[:, :2], -3, 3)
        move[:, 2] = np.clip(move[:, 2], -0.1, 0.1)
        place = np.where(shapes.valid[:, None], place + move, place)
    shapes = project(eye.model, eye.sense.size, place, eye.shared)
    off = np.abs(boxes.measured - shapes.measured).max(axis=1) / shapes.height
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(cov[:, :2, :2])[:, 1], 0))
    good &= (
        shapes.valid & (off < config.birth_misfit) & (spread < config.birth_spread_m) & np.isfinite(place).all(axis=1)
    )
    return place, cov, good


def _take(guess: Guess, standing: DoubleArray, config: GroupConfig) -> IntArray:
    """The best guesses that share no box and stand apart."""
    order = np.argsort(-guess.odds, kind="stable")
    order = order[guess.odds[order] > config.birth_least]
    used: list[set[int]] = [set() for _ in guess.box]
    places = [*standing]
    taken: list[int] = []
    for row in order.tolist():
        column = guess.box[:, row].tolist()
        if any(box in used[c] for c, box in enumerate(column) if box >= 0):
            continue
        here = guess.place[row, :2]
        if places and np.linalg.norm(np.array(places) - here, axis=1).min() < config.least_apart_m:
            continue
        taken.append(row)
        places.append(here)
        for c, box in enumerate(column):
            if box >= 0:
                used[c].add(box)
    return np.array(taken, np.int64)
