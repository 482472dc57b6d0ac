"""A hall with walking people seen by calibrated cameras: made boxes for tests of the group tracker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data.geometry import CameraModel
from data.records import Detections, Tracklet, Tracks, View
from trackers.config import TrackerConfig
from trackers.group.bodies import SharedError, project
from trackers.group.tracker import GroupTracker
from trackers.group.visibility import visibility

SIZE = (1280, 720)
EXACT = SharedError(0.0, 0.0, 0.0, 0.36)
Path = NDArray[np.float64]


def camera(place: tuple[float, float, float], target: tuple[float, float, float] = (4.0, 4.0, 1.0)) -> CameraModel:
    """A camera that stands at a place and looks at another, z up, metres."""
    eye, aim = np.array(place), np.array(target)
    forward = (aim - eye) / np.linalg.norm(aim - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    intrinsics = np.array([[800.0, 0, SIZE[0] / 2], [0, 800.0, SIZE[1] / 2], [0, 0, 1]])
    return CameraModel.from_intrinsics(intrinsics, rotation, -rotation @ eye)


CORNERS = {
    "east": camera((12.0, 4.0, 3.0)),
    "north": camera((4.0, 12.0, 3.0)),
    "south": camera((4.0, -4.0, 3.0)),
    "west": camera((-4.0, 4.0, 3.0)),
}


def walk(*stops: tuple[float, float], steps: int) -> Path:
    """A path through some places at even speed: (steps, 2) metres."""
    corners = np.array(stops)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], steps)
    return np.stack([np.interp(at, along, corners[:, axis]) for axis in (0, 1)], axis=1)


@dataclass
class Hall:
    """What the cameras detect of people on their paths.

    Attributes:
        paths: (T, 2) metres for each person; NaN while absent.
        cameras: by name.
        fps: of all cameras.
        noise: of box edges, box heights.
        miss: share of visible people who are not detected.
        clutter: false boxes per camera and frame.
        hides: a person less visible than this is not detected.
        shared: errors of a camera's boxes, by name.
    """

    paths: Sequence[Path]
    cameras: Mapping[str, CameraModel] = field(default_factory=lambda: CORNERS)
    fps: float = 5.0
    noise: float = 0.01
    miss: float = 0.0
    clutter: float = 0.0
    hides: float = 0.3
    shared: Mapping[str, SharedError] = field(default_factory=dict)

    def __len__(self) -> int:
        return max(len(path) for path in self.paths)

    def views(self, frame: int) -> list[View]:
        """The views of one frame."""
        here = np.array([path[frame] if frame < len(path) else (np.nan, np.nan) for path in self.paths])
        here = here[np.isfinite(here).all(axis=1)]
        places = np.concatenate([here, np.full((len(here), 1), np.log(1.7))], axis=1)
        views = []
        for number, (name, model) in enumerate(self.cameras.items()):
            rng = np.random.default_rng((frame, number))
            shapes = project(model, SIZE, places, self.shared.get(name, EXACT))
            open_share = visibility(shapes, shapes, np.ones(len(here), bool), same=True).share
            found = (shapes.inside > 0.5) & (rng.random(len(here)) >= self.miss) & (open_share >= self.hides)
            boxes = shapes.boxes + rng.normal(0, self.noise, (len(here), 4)) * shapes.height[:, None]
            boxes = [*np.clip(boxes[found], 0, [*SIZE, *SIZE])]
            for _ in range(rng.poisson(self.clutter)):
                height = rng.uniform(80, 300)
                x, y = rng.uniform(0, SIZE[0] - height * 0.4), rng.uniform(0, SIZE[1] - height)
                boxes.append(np.array([x, y, x + height * 0.4, y + height]))
            table = np.array(boxes, np.float32).reshape(-1, 4)
            scores = np.full(len(table), 0.9, np.float32)
            detections = Detections(table, scores, np.zeros(len(table), np.int64))
            views.append(View(name, frame, frame / self.fps, SIZE, detections))
        return views


@dataclass
class WorldRows:
    """Places that were written, one per person and instant: time_s, group_id, xy, cov, height."""

    time_s: NDArray[np.float64]
    group_id: NDArray[np.int64]
    xy: NDArray[np.float64]
    cov: NDArray[np.float64]
    height: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.time_s)

    @staticmethod
    def of(closed: Sequence[Tracklet]) -> "WorldRows":
        """The places of tracklets of cameras that tick together; the views of one instant agree."""
        rows: dict[tuple[float, int], tuple[NDArray, NDArray, float]] = {}
        for item in closed:
            assert item.world_xy is not None
            assert item.world_cov is not None
            assert item.world_height is not None
            for row, time_s in enumerate(item.times_s.tolist()):
                place = (item.world_xy[row], item.world_cov[row], float(item.world_height[row]))
                other = rows.setdefault((time_s, item.group_id), place)
                assert (other[0] == place[0]).all()
        keys = sorted(rows)
        return WorldRows(
            np.array([time_s for time_s, _ in keys]),
            np.array([who for _, who in keys], np.int64),
            np.array([rows[key][0] for key in keys], np.float64).reshape(-1, 2),
            np.array([rows[key][1] for key in keys], np.float64).reshape(-1, 2, 2),
            np.array([rows[key][2] for key in keys]),
        )


@dataclass
class Watched:
    """What a tracker said of a hall."""

    tracks: list[list[Tracks]]
    closed: list[Tracklet]

    @property
    def world(self) -> WorldRows:
        """Where people stood."""
        return WorldRows.of(self.closed)


def watch(hall: Hall, config: TrackerConfig | None = None, tracker: GroupTracker | None = None) -> Watched:
    """Run a tracker over a hall."""
    tracker = tracker or GroupTracker("hall", hall.cameras, config or TrackerConfig())
    tracks, closed = [], []
    for frame in range(len(hall)):
        found, events = tracker.commit(tracker.propose(hall.views(frame)), [None] * len(hall.cameras))
        tracks.append(found)
        closed += [event.tracklet for event in events if event.kind == "closed"]
    closed += [event.tracklet for event in tracker.flush() if event.kind == "closed"]
    return Watched(tracks, closed)


def ids_along(world: WorldRows, path: Path, fps: float, reach_m: float = 0.5) -> list[int]:
    """Id of the nearest settled place at each frame of a path, -1 where none is within reach."""
    frames = np.round(world.time_s * fps).astype(int)
    ids = []
    for frame, place in enumerate(path):
        rows = np.flatnonzero(frames == frame)
        away = np.linalg.norm(world.xy[rows] - place, axis=1)
        ids.append(int(world.group_id[rows[away.argmin()]]) if len(rows) and away.min() < reach_m else -1)
    return ids
