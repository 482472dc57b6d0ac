"""What is learnt of each camera on the run: errors its boxes share, their noise, and how well it detects.

A camera's calibration is off by a little, and a detector ends its boxes too low or too high: all boxes of the camera
are wrong alike, so averaging over frames does not help and agreement between frames proves nothing. These shared errors
are kept apart from the noise of single boxes and estimated from what the other cameras say of the same people.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray
from trackers.config import GroupConfig
from trackers.group.bodies import SharedError
from trackers.group.evidence import CameraSense
from trackers.group.fusion import Eye, Fusion

_WIDTH_BY_HEIGHT = 0.36
_SHARED_FLOOR = 0.02
_SHARED_DRIFT_PER_S = 2e-4
_CLEAR = 0.7
_DARK = 0.2
_FIRST_HIDDEN = 30.0
_LEAST_THROUGH = 0.02
_FIRST_PAIRS, _MOST_PAIRS = 60.0, 2000.0
_LEAST_NOISE, _MOST_NOISE = 0.015, 0.12
_MEMORY_FRAMES = 200.0
_LEAST_CLUTTER = 0.1
_LEAST_DETECTION, _MOST_DETECTION = 0.3, 0.97
_SCORE_EDGES = np.array([0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.985, 0.995])
_SCORE_FIRST = 30.0
_MOST_WORTH = 2.5


class Senses:
    """The observers of a group, camera by camera."""

    def __init__(self, cameras: int, heights: Sequence[bool], config: GroupConfig) -> None:
        self._config = config
        self._heights = [tall and config.heads for tall in heights]
        self._shared = np.zeros((cameras, 3))
        self._shared_var = np.full((cameras, 3), config.shared_error**2)
        self._width = np.full(cameras, _WIDTH_BY_HEIGHT)
        self._squares = np.full((cameras, 3), config.noise**2)
        self._pairs = np.full(cameras, _FIRST_PAIRS)
        self._expected = np.full(cameras, _FIRST_PAIRS)
        self._hits = np.full(cameras, _FIRST_PAIRS * config.detection)
        self._hidden = np.full(cameras, _FIRST_HIDDEN)
        self._hidden_hits = np.full(cameras, _FIRST_HIDDEN * config.through)
        self._clutter = np.full(cameras, config.clutter)
        self._frames = np.full(cameras, 10.0)
        middle = np.concatenate([[0.0], _SCORE_EDGES, [1.0]])
        middle = (middle[1:] + middle[:-1]) / 2
        self._scores = np.stack([middle, 1 - middle])
        self._scores *= _SCORE_FIRST / self._scores.sum(axis=1, keepdims=True)

    def shared(self, camera: int) -> SharedError:
        """The camera's own errors as known now."""
        centre, bottom, top = self._shared[camera].tolist()
        return SharedError(centre, bottom, top, float(self._width[camera]))

    def sense(self, camera: int, size: tuple[int, int]) -> CameraSense:
        """The camera as an observer."""
        noise = np.clip(np.sqrt(self._squares[camera]), _LEAST_NOISE, _MOST_NOISE)
        return CameraSense(
            size=size,
            heights=self._heights[camera],
            noise=np.sqrt(noise**2 + self._shared_var[camera]),
            detection=float(np.clip(self._hits[camera] / self._expected[camera], _LEAST_DETECTION, _MOST_DETECTION)),
            through=float(np.clip(self._hidden_hits[camera] / self._hidden[camera], _LEAST_THROUGH, 1.0)),
            clutter=max(float(self._clutter[camera]), _LEAST_CLUTTER),
        )

    def worth(self, scores: NDArray[np.floating]) -> DoubleArray:
        """Log-likelihood ratio of each score: a person's against nobody's."""
        share = self._scores / self._scores.sum(axis=1, keepdims=True)
        ratio = np.clip(np.log(share[0] / share[1]), -_MOST_WORTH, _MOST_WORTH)
        return np.asarray(ratio[np.searchsorted(_SCORE_EDGES, scores)], np.float64)

    def learn(
        self,
        eyes: Sequence[Eye],
        fusion: Fusion,
        sure: NDArray[np.bool_],
        free: Sequence[NDArray[np.int64]],
        elapsed_s: float,
    ) -> None:
        """Take one instant.

        Args:
            eyes: its cameras.
            fusion: what was found.
            sure: (T,) people whose existence is beyond doubt.
            free: per camera, rows of its ``Boxes`` that nobody explains.
            elapsed_s: since the last instant.
        """
        fresh = min(1.0, elapsed_s / self._config.evidence_s)
        others = (fusion.box >= 0).sum(axis=0)
        for c, eye in enumerate(eyes):
            camera = eye.number
            shapes, view, found = fusion.shapes[c], fusion.views[c], fusion.box[c]
            clear = sure & (view.share > _CLEAR) & (shapes.inside > _CLEAR)
            self._learn_detection(camera, fusion.detection[c][clear], found[clear] >= 0, fresh)
            dark = sure & (view.share < _DARK) & (shapes.inside > _CLEAR)
            self._learn_through(camera, found[dark] >= 0, fresh)
            certain = clear & (found >= 0) & fusion.whole[c] & ~shapes.cut.any(axis=1) & (others >= 2)
            self._learn_errors(camera, fusion.innovation[c][certain], fusion.spread[c][certain], fresh)
            boxes = eye.boxes.boxes[found[certain]]
            if len(boxes):
                ratio = np.median((boxes[:, 2] - boxes[:, 0]) / (boxes[:, 3] - boxes[:, 1]))
                self._width[camera] += fresh * (float(ratio) - self._width[camera]) / 20
            self._frames[camera] = min(self._frames[camera] + fresh, _MEMORY_FRAMES)
            self._clutter[camera] += fresh * (len(free[c]) - self._clutter[camera]) / self._frames[camera]
            self._learn_scores(0, eye.boxes.scores[found[sure & (found >= 0)]], fresh)
            self._learn_scores(1, eye.boxes.scores[free[c]], fresh)

    def state(self) -> dict[str, Any]:
        """Plain values and arrays, for a checkpoint."""
        return {name: np.array(getattr(self, f"_{name}")) for name in _LEARNT}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        for name in _LEARNT:
            setattr(self, f"_{name}", np.array(state[name]))

    def _learn_detection(self, camera: int, chance: DoubleArray, hit: NDArray[np.bool_], fresh: float) -> None:
        self._expected[camera] += fresh * len(chance)
        self._hits[camera] += fresh * float(hit.sum())
        if self._expected[camera] > _MOST_PAIRS:
            self._hits[camera] *= _MOST_PAIRS / self._expected[camera]
            self._expected[camera] = _MOST_PAIRS

    def _learn_through(self, camera: int, hit: NDArray[np.bool_], fresh: float) -> None:
        self._hidden[camera] += fresh * len(hit)
        self._hidden_hits[camera] += fresh * float(hit.sum())
        if self._hidden[camera] > _MOST_PAIRS:
            self._hidden_hits[camera] *= _MOST_PAIRS / self._hidden[camera]
            self._hidden[camera] = _MOST_PAIRS

    def _learn_errors(self, camera: int, innovation: DoubleArray, spread: DoubleArray, fresh: float) -> None:
        if not len(innovation):
            return
        alone = np.clip(self._squares[camera], _LEAST_NOISE**2, _MOST_NOISE**2)
        weight = 1 / spread
        seen = (weight * innovation).sum(axis=0) / weight.sum(axis=0)
        variance = (1 / weight.sum(axis=0) + _SHARED_FLOOR**2) / fresh
        if self._config.shared_error > 0:
            gain = self._shared_var[camera] / (self._shared_var[camera] + variance)
            self._shared[camera] += gain * seen
            self._shared_var[camera] = (1 - gain) * self._shared_var[camera] + _SHARED_DRIFT_PER_S**2
        # Innovations hold the others' doubt as well: what exceeds it is the box's own noise.
        excess = np.maximum(innovation**2 - (spread - alone), _LEAST_NOISE**2).mean(axis=0)
        self._pairs[camera] = min(self._pairs[camera] + fresh * len(innovation), _MOST_PAIRS)
        share = fresh * len(innovation) / self._pairs[camera]
        self._squares[camera] += min(share, 1.0) * (np.minimum(excess, _MOST_NOISE**2) - self._squares[camera])

    def _learn_scores(self, kind: int, scores: DoubleArray, fresh: float) -> None:
        counts = np.bincount(np.searchsorted(_SCORE_EDGES, scores), minlength=len(_SCORE_EDGES) + 1)
        self._scores[kind] += fresh * counts
        total = self._scores[kind].sum()
        if total > _MOST_PAIRS:
            self._scores[kind] *= _MOST_PAIRS / total


_LEARNT = (
    "shared",
    "shared_var",
    "width",
    "squares",
    "pairs",
    "expected",
    "hits",
    "hidden",
    "hidden_hits",
    "clutter",
    "frames",
    "scores",
)
