"""Every row of one camera, looked up frame by frame."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.geometry import CameraModel
from data.records import FloatArray, IntArray, Tracklet, foot_points
from pipeline.folder.track_files import root_ids
from pipeline.rendering.scene import Scene
from trackers.interpolation import frame_step, interpolate
from trackers.skeleton_gaps import bridge_skeletons

_KEYPOINTS = 17


@dataclass(frozen=True, slots=True)
class _Rows:
    """Columns of one tracklet, gaps filled."""

    code: int
    tracklet: Tracklet


class Timeline:
    """The tracklets of one camera as rows sorted by identity and time.

    Where two tracklets of one identity meet in a frame (duplicate boxes), the better score stays, as in track files.
    """

    def __init__(
        self,
        tracklets: Sequence[Tracklet],
        global_ids: Mapping[tuple[str, int], int],
        *,
        fill_gap_s: float,
        trail_s: float,
        keypoints: bool,
        model: CameraModel | None = None,
    ) -> None:
        """Prepare the rows.

        Args:
            tracklets: of one camera.
            global_ids: by (camera, local_id); a tracklet without one keeps the local id of its chain.
            fill_gap_s: gaps up to this long are bridged, seconds.
            trail_s: length of trails, seconds.
            keypoints: keep skeletons (they take most of the memory).
            model: calibration of the camera, to show where people of a group stand; None shows boxes alone.
        """
        self._trail_s = trail_s
        pieces = list(_pieces(tracklets, global_ids, fill_gap_s))
        codes = _joined([np.full(len(piece.tracklet), piece.code) for piece in pieces], np.int64)
        frames = _joined([piece.tracklet.frames for piece in pieces], np.int64)
        scores = _joined([piece.tracklet.scores for piece in pieces], np.float32)
        order = np.lexsort((-scores, frames, codes))
        first = np.ones(len(order), bool)
        first[1:] = (np.diff(frames[order]) != 0) | (np.diff(codes[order]) != 0)
        order = order[first]
        self._codes, self._frames = codes[order], frames[order]
        self._times = _joined([piece.tracklet.times_s for piece in pieces], np.float64)[order]
        self._boxes = _joined([piece.tracklet.boxes for piece in pieces], np.float32, 4)[order]
        self._dashed = scores[order] == 0
        self._keypoints = _skeletons(pieces, order) if keypoints else None
        self._bridged: NDArray[np.bool_] = np.zeros(len(order), bool)
        if self._keypoints is not None:
            self._keypoints, self._bridged = bridge_skeletons(
                self._keypoints, self._boxes, self._times, self._codes, fill_gap_s, ~self._dashed
            )
        self._model = model
        self._places, self._heights = _places(pieces, order) if model is not None else (None, None)
        self._by_frame = np.argsort(self._frames, kind="stable")
        self._frames_in_order = self._frames[self._by_frame]
        self._times_in_order = self._times[self._by_frame]
        breaks = np.ones(len(order), bool)
        breaks[1:] = (np.diff(self._codes) != 0) | (np.diff(self._times) > max(fill_gap_s, trail_s))
        self._stretch = np.maximum.accumulate(np.where(breaks, np.arange(len(order)), 0)) if len(order) else order

    def scene(self, frame: int) -> Scene:
        """The people of a frame, by identity."""
        low, high = np.searchsorted(self._frames_in_order, (frame, frame + 1))
        rows = self._by_frame[low:high]
        return Scene(
            ids=self._codes[rows] >> 1,
            local=(self._codes[rows] & 1).astype(bool),
            boxes=self._boxes[rows],
            dashed=self._dashed[rows],
            keypoints=None if self._keypoints is None else self._keypoints[rows],
            trails=[self._trail(row) for row in rows] if self._trail_s > 0 else [],
            stands=self._stands(rows),
            heights=None if self._heights is None else self._heights[rows],
        )

    def heads_nearby(self, frame: int, time_s: float, hold_s: float) -> tuple[FloatArray, FloatArray | None]:
        """Rows whose heads may show in a frame: those of the frame, and of people seen shortly before or after.

        A tracker finds people a little late and loses them a little early: who has no row in the frame counts with the
        nearest rows within ``hold_s`` seconds on either side.

        Returns:
            (N, 4) boxes and (N, 17, 3) keypoints, or None where none are kept.
        """
        low, high = np.searchsorted(self._times_in_order, (time_s - hold_s, time_s + hold_s))
        rows = self._by_frame[low:high]
        now = rows[self._frames[rows] == frame]
        others = rows[~np.isin(self._codes[rows], self._codes[now])]
        before, after = others[self._frames[others] < frame], others[self._frames[others] > frame]
        _, last = np.unique(self._codes[before][::-1], return_index=True)
        _, next_ = np.unique(self._codes[after], return_index=True)
        chosen = np.concatenate([now, before[::-1][last], after[next_]])
        if self._keypoints is None:
            return self._boxes[chosen], None
        # A head is only where it was seen: one that was put between two others could miss the face.
        return self._boxes[chosen], np.where(self._bridged[chosen, None, None], np.float32(0), self._keypoints[chosen])

    def _stands(self, rows: IntArray) -> FloatArray | None:
        """Feet and heads of rows by their places on the ground, (M, 2, 2) px."""
        if self._model is None or self._places is None or self._heights is None:
            return None
        places = self._places[rows].astype(np.float64)
        feet = self._model.to_image(places)
        heads = np.full_like(feet, np.nan)
        if self._model.projection is not None:
            heads = self._model.to_image(np.column_stack([places, self._heights[rows]]))
        return np.stack([feet, heads], axis=1).astype(np.float32)

    def _trail(self, row: int) -> FloatArray:
        start = self._stretch[row]
        start += np.searchsorted(self._times[start : row + 1], self._times[row] - self._trail_s)
        return foot_points(self._boxes[start : row + 1])


def _pieces(
    tracklets: Sequence[Tracklet], global_ids: Mapping[tuple[str, int], int], fill_gap_s: float
) -> Iterable[_Rows]:
    """Filled tracklets with a code of their identity: twice the global id, or twice the local id plus 1."""
    roots, step = root_ids(tracklets), frame_step(tracklets)
    for tracklet in tracklets:
        identity = global_ids.get(tracklet.key)
        code = 2 * roots[tracklet.key] + 1 if identity is None else 2 * identity
        yield _Rows(code, interpolate(tracklet, fill_gap_s, step=step))


def _joined(columns: Sequence[np.ndarray], kind: type, *shape: int) -> np.ndarray:
    return np.concatenate(columns).astype(kind, copy=False) if columns else np.zeros((0, *shape), kind)


def _skeletons(pieces: Sequence[_Rows], order: IntArray) -> FloatArray | None:
    """Keypoints in row order, zero where there are none; None where no tracklet has any."""
    columns = [piece.tracklet.keypoints for piece in pieces]
    if all(points is None for points in columns):
        return None
    shape = (_KEYPOINTS, 3)
    filled = [
        np.zeros((len(piece.tracklet), *shape), np.float32) if points is None else points
        for piece, points in zip(pieces, columns, strict=True)
    ]
    return np.asarray(_joined(filled, np.float32, *shape)[order], np.float32)


def _places(pieces: Sequence[_Rows], order: IntArray) -> tuple[FloatArray | None, FloatArray | None]:
    """Places (R, 2) and heights (R,) in row order, NaN where unknown; None where no tracklet has any."""
    tracklets = [piece.tracklet for piece in pieces]
    if all(item.world_xy is None for item in tracklets):
        return None, None
    places = [np.full((len(item), 2), np.nan) if item.world_xy is None else item.world_xy for item in tracklets]
    heights = [np.full(len(item), np.nan) if item.world_height is None else item.world_height for item in tracklets]
    return _joined(places, np.float32, 2)[order], _joined(heights, np.float32)[order]
