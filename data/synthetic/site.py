"""Geometry of a site: solid blocks, what blocks a line of sight, and where one can walk."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.synthetic.scenario import Preset

DoubleArray = NDArray[np.float64]
FloatArray = NDArray[np.float32]

CELL_M = 0.2
BODY_M = 0.32
_HEAD_M = 2.0
FLOOR, CEILING, NOTHING = -1, -2, -3


@dataclass(frozen=True)
class Geometry:
    """Solid blocks on a floor.

    Attributes:
        lows: (B, 3) float64, smallest corners, metres.
        highs: (B, 3) float64, largest corners, metres.
        ground: x0, y0, x1, y1 of the walkable rectangle, metres.
        ceiling: height, metres.
    """

    lows: DoubleArray
    highs: DoubleArray
    ground: tuple[float, float, float, float]
    ceiling: float

    @staticmethod
    def of(preset: Preset) -> "Geometry":
        """The geometry of a preset."""
        lows = np.array([block.low for block in preset.blocks], np.float64).reshape(-1, 3)
        highs = np.array([block.high for block in preset.blocks], np.float64).reshape(-1, 3)
        return Geometry(lows, highs, preset.ground, preset.ceiling_m)

    def blocked(self, origin: DoubleArray, targets: DoubleArray) -> NDArray[np.bool_]:
        """Whether a block lies between a point and each target.

        Args:
            origin: (3,) metres.
            targets: (N, 3) metres.
        """
        way = targets - origin
        way = np.where(np.abs(way) < 1e-9, 1e-9, way)
        result = np.zeros(len(targets), bool)
        for low, high in zip(self.lows, self.highs):
            first, second = (low - origin) / way, (high - origin) / way
            enter = np.minimum(first, second).max(axis=1)
            leave = np.maximum(first, second).min(axis=1)
            result |= (enter < leave) & (leave > 1e-6) & (enter < 1 - 1e-6)
        return result

    def cast(self, origin: FloatArray, rays: FloatArray) -> tuple[FloatArray, NDArray[np.int16], NDArray[np.int8]]:
        """Where rays end.

        Args:
            origin: (3,) float32.
            rays: (N, 3) float32, any length.

        Returns:
            (N,) float32 multiple of the ray at the hit; (N,) int16 block, or FLOOR, CEILING, NOTHING; (N,) int8 axis of
            the face that was hit.
        """
        rays = np.where(np.abs(rays) < 1e-7, np.float32(1e-7), rays)
        best = np.full(len(rays), np.inf, np.float32)
        block = np.full(len(rays), NOTHING, np.int16)
        axis = np.full(len(rays), 2, np.int8)
        for kind, height in ((FLOOR, 0.0), (CEILING, self.ceiling)):
            far = (np.float32(height) - origin[2]) / rays[:, 2]
            nearer = (far > 0) & (far < best)
            best[nearer], block[nearer] = far[nearer], kind
        inverse = (1 / rays).astype(np.float32)
        for index in range(len(self.lows)):
            enter = np.full(len(rays), -np.inf, np.float32)
            leave = np.full(len(rays), np.inf, np.float32)
            side = np.zeros(len(rays), np.int8)
            for k in range(3):
                first = np.float32(self.lows[index, k] - origin[k]) * inverse[:, k]
                second = np.float32(self.highs[index, k] - origin[k]) * inverse[:, k]
                near = np.minimum(first, second)
                later = near > enter
                side[later] = k
                np.maximum(enter, near, out=enter)
                np.minimum(leave, np.maximum(first, second), out=leave)
            hit = (enter < leave) & (enter > 1e-4) & (enter < best)
            best[hit], block[hit], axis[hit] = enter[hit], index, side[hit]
        return best, block, axis

    @cached_property
    def walkable(self) -> NDArray[np.bool_]:
        """(rows, columns) bool: cells of ``CELL_M`` where a body's centre may be; row is y, column is x."""
        x0, y0, x1, y1 = self.ground
        columns, rows = max(1, round((x1 - x0) / CELL_M)), max(1, round((y1 - y0) / CELL_M))
        x = x0 + (np.arange(columns) + 0.5) * CELL_M
        y = y0 + (np.arange(rows) + 0.5) * CELL_M
        inside_x = (x > x0 + BODY_M) & (x < x1 - BODY_M)
        inside_y = (y > y0 + BODY_M) & (y < y1 - BODY_M)
        free = inside_y[:, None] & inside_x[None, :]
        for low, high in zip(self.lows, self.highs):
            if low[2] < _HEAD_M:
                in_x = (x > low[0] - BODY_M) & (x < high[0] + BODY_M)
                in_y = (y > low[1] - BODY_M) & (y < high[1] + BODY_M)
                free &= ~(in_y[:, None] & in_x[None, :])
        return free

    def cells(self, points: DoubleArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of the cells of (N, 2) points, clipped to the grid."""
        rows, columns = self.walkable.shape
        column = np.floor((points[:, 0] - self.ground[0]) / CELL_M).astype(np.int64)
        row = np.floor((points[:, 1] - self.ground[1]) / CELL_M).astype(np.int64)
        return np.clip(row, 0, rows - 1), np.clip(column, 0, columns - 1)

    def centres(self, cells: NDArray[np.int64]) -> DoubleArray:
        """(N, 2) metres of the centres of flat cell indices."""
        row, column = np.divmod(cells, self.walkable.shape[1])
        return np.stack([self.ground[0] + (column + 0.5) * CELL_M, self.ground[1] + (row + 0.5) * CELL_M], axis=1)

    def clear_way(self, start: DoubleArray, ends: DoubleArray) -> NDArray[np.bool_]:
        """Whether one can walk straight from (2,) start to each of (N, 2) ends."""
        steps = max(2, int(np.ceil(np.linalg.norm(ends - start, axis=1).max(initial=0) / (CELL_M / 2))))
        share = np.linspace(0, 1, steps)[None, :, None]
        points = start + share * (ends[:, None] - start)
        rows, columns = self.cells(points.reshape(-1, 2))
        return np.asarray(self.walkable[rows, columns].reshape(len(ends), steps).all(axis=1), bool)


class Routes:
    """Shortest walkable paths to the places of a site (Dijkstra on an 8-connected grid, then shortened by sight)."""

    def __init__(self, geometry: Geometry, places: dict[str, DoubleArray]) -> None:
        """Search from every place.

        Args:
            geometry: the site.
            places: (2,) metres by name.

        Raises:
            UserError: for a place inside a block or outside the ground, or without a way from the first place.
        """
        from scipy.sparse.csgraph import dijkstra

        self._geometry = geometry
        self._names = list(places)
        self._goals = np.array([places[name] for name in self._names])
        rows, columns = geometry.cells(self._goals)
        free = geometry.walkable
        x0, y0, x1, y1 = geometry.ground
        for name, goal, row, column in zip(self._names, self._goals, rows, columns):
            if not (x0 < goal[0] < x1 and y0 < goal[1] < y1) or not free[row, column]:
                raise UserError(
                    f"the place '{name}' at {goal.tolist()} is inside a block or off the floor (a body needs "
                    f"{BODY_M} m); move it"
                )
        cells = rows * free.shape[1] + columns
        self._distance, self._before = dijkstra(_grid_graph(free), indices=cells, return_predecessors=True)
        lost = np.flatnonzero(~np.isfinite(self._distance[0, cells]))
        if len(lost):
            raise UserError(
                f"nobody can walk from '{self._names[0]}' to '{self._names[lost[0]]}': no way between the blocks is "
                f"{2 * BODY_M} m wide; open one or move the place"
            )

    def path(self, start: DoubleArray, place: str) -> DoubleArray:
        """(K, 2) corners of the way from (2,) start to a place, its end included, the start not."""
        goal = self._names.index(place)
        before = self._before[goal]
        cell = self._nearest(start, goal)
        chain = [cell]
        while before[chain[-1]] >= 0:
            chain.append(int(before[chain[-1]]))
        points = self._geometry.centres(np.array(chain))
        points[-1] = self._goals[goal]
        corners, here, first = [], start, 0
        while first < len(points):
            seen = np.flatnonzero(self._geometry.clear_way(here, points[first:]))
            first += int(seen[-1]) if len(seen) else 0
            here = points[first]
            corners.append(here)
            first += 1
        return np.array(corners)

    def distance(self, start: str, end: str) -> float:
        """Metres between two places."""
        row, column = self._geometry.cells(self._goals[self._names.index(end)][None])
        return float(self._distance[self._names.index(start), row[0] * self._geometry.walkable.shape[1] + column[0]])

    def _nearest(self, start: DoubleArray, goal: int) -> int:
        """The cell to start from: one's own, or the nearest from which the goal can be reached."""
        row, column = self._geometry.cells(start[None])
        cell = int(row[0] * self._geometry.walkable.shape[1] + column[0])
        if np.isfinite(self._distance[goal, cell]):
            return cell
        reach = np.flatnonzero(np.isfinite(self._distance[goal]))
        gaps = np.square(self._geometry.centres(reach) - start).sum(axis=1)
        return int(reach[np.argmin(gaps)])


def _grid_graph(free: NDArray[np.bool_]):  # type: ignore[no-untyped-def]
    """Sparse graph of free cells, edges to the eight neighbours in metres."""
    from scipy.sparse import coo_matrix

    number = np.arange(free.size).reshape(free.shape)
    starts, ends, lengths = [], [], []
    rows, columns = free.shape
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a = (slice(0, rows - down), slice(max(0, -right), columns - max(0, right)))
        b = (slice(down, rows), slice(max(0, right), columns + min(0, right)))
        both = free[a] & free[b]
        starts.append(number[a][both])
        ends.append(number[b][both])
        lengths.append(np.full(int(both.sum()), CELL_M * np.hypot(down, right)))
    rows_of, columns_of = np.concatenate(starts + ends), np.concatenate(ends + starts)
    return coo_matrix((np.concatenate(lengths + lengths), (rows_of, columns_of)), shape=(free.size,) * 2).tocsr()
