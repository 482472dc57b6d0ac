"""The floor of a camera group from above: where its people walked, where its cameras stand and what they see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.formats.world import WorldPaths, read_world_paths
from data.geometry import CameraModel
from data.records import DoubleArray
from data.site import Group, Site, load_site
from pipeline.folder.run_folder import RunFolder
from pipeline.rendering.palette import color_of, hex_of, text_on
from pipeline.report.labels import Box, place_label, text_width

_WIDTH, _MOST_HEIGHT, _LEAST_HEIGHT = 1160.0, 760.0, 300.0
_MARGIN = 34.0
_LEAST_SIDE_M = 4.0
_FAR_CAMERAS = 2.0
_MOST_POINTS = 60_000
_LEAST_STEP_S = 0.2
_BREAK_S = 2.0
_FIELD_COLUMNS, _FIELD_ROWS = 33, 97
_GRID_PX = 90.0
_STEPS_M = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)


@dataclass(frozen=True, slots=True)
class MapPath:
    """A person's way.

    Attributes:
        label: what the report calls the person.
        anchor: id of the person's card, "" where there is none.
        color: of the line.
        ink: of text on that colour.
        line: SVG path of straight lines, one point per time.
        times: tenths of seconds since the map's start; the first, then the steps, parted by spaces.
    """

    label: str
    anchor: str
    color: str
    ink: str
    line: str
    times: str


@dataclass(frozen=True, slots=True)
class MapCamera:
    """A camera on the map; places are in the map's units.

    Attributes:
        name: of the camera.
        letter: what the report's charts call it.
        place: x, y; None where the calibration does not tell it, or it stands far outside of the map.
        field: corners of the floor it sees, as SVG points; "" for none.
        label: x, y of the left end of its name's baseline, and the box the name fills.
    """

    name: str
    letter: str
    place: tuple[float, float] | None
    field: str
    label: tuple[float, float] | None
    box: Box | None


@dataclass(frozen=True, slots=True)
class MapLine:
    """A line of the grid."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True)
class GroundMap:
    """Everything the template draws of one group.

    Attributes:
        name: of the group.
        width: of the picture, its units are pixels at full size.
        height: likewise.
        cameras: of the group.
        paths: one per person.
        grid: lines at round metres.
        step_m: metres between two of them.
        start_s: common time at which the map's time begins.
        seconds: how long it goes on.
        busy_s: when most people are there, from the map's start.
    """

    name: str
    width: float
    height: float
    cameras: tuple[MapCamera, ...]
    paths: tuple[MapPath, ...]
    grid: tuple[MapLine, ...]
    step_m: float
    start_s: float
    seconds: float
    busy_s: float

    @property
    def boxes(self) -> str:
        """What labels of people must keep clear of, for the script: x1 y1 x2 y2 of each, parted by spaces."""
        return " ".join(f"{value:.0f}" for camera in self.cameras if camera.box for value in camera.box)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """From metres to the map's units; x to the right, y upwards unless the world is mirrored."""

    low: DoubleArray
    high: DoubleArray
    scale: float
    mirrored: bool

    @property
    def height(self) -> float:
        return float((self.high - self.low)[1] * self.scale + 2 * _MARGIN)

    def __call__(self, xy: DoubleArray) -> DoubleArray:
        offset = (np.asarray(xy, np.float64) - self.low) * self.scale
        x = offset[..., 0] + (_WIDTH - (self.high - self.low)[0] * self.scale) / 2
        y = offset[..., 1] + _MARGIN if self.mirrored else self.height - _MARGIN - offset[..., 1]
        return np.stack([x, y], axis=-1)


def ground_maps(folder: RunFolder, letters: Mapping[str, str], anchors: Mapping[int, str]) -> list[GroundMap]:
    """One map for every group of a run that has places.

    Args:
        folder: the run.
        letters: what the report calls each camera.
        anchors: by global id, the id of the person's card.

    Raises:
        UserError: when the site or a file of places is damaged.
    """
    if not folder.site.exists():
        return []
    site = load_site(folder.site)
    maps = []
    for group in site.groups:
        path = folder.world(group.name)
        if path.exists():
            maps.append(ground_map(group, site, read_world_paths(path), letters, anchors))
    return maps


def ground_map(
    group: Group, site: Site, paths: WorldPaths, letters: Mapping[str, str], anchors: Mapping[int, str]
) -> GroundMap:
    """The map of one group; see ``ground_maps``."""
    models = {camera: model for camera in group.cameras if (model := site.model(camera)) is not None}
    sheet = _sheet(paths, models, {camera: site.size(camera) for camera in models})
    start_s = float(paths.times_s[0]) if len(paths) else 0.0
    seconds = float(paths.times_s[-1]) - start_s if len(paths) else 0.0
    lines, step_m = _grid(sheet)
    return GroundMap(
        name=group.name,
        width=_WIDTH,
        height=round(sheet.height, 1),
        cameras=tuple(_cameras(models, site, sheet, letters)),
        paths=tuple(_paths(paths, sheet, anchors, start_s)),
        grid=tuple(lines),
        step_m=step_m,
        start_s=start_s,
        seconds=seconds,
        busy_s=_busy_s(paths) - start_s if len(paths) else 0.0,
    )


def _sheet(paths: WorldPaths, models: Mapping[str, CameraModel], sizes: Mapping[str, tuple[int, int] | None]) -> _Sheet:
    """Room for all places and for the cameras that are not far from them."""
    points = paths.xy
    centres = np.array([model.centre[:2] for model in models.values() if model.centre is not None]).reshape(-1, 2)
    if not len(points):
        # Nobody walked: show what the cameras see nearest.
        feet = [
            model.to_ground([[size[0] / 2, size[1]]]) for camera, model in models.items() if (size := sizes[camera])
        ]
        points = np.concatenate([np.zeros((0, 2)), *feet])
        points = points[np.isfinite(points).all(axis=1)]
        points = points if len(points) else np.zeros((1, 2))
    low, high = points.min(axis=0), points.max(axis=0)
    reach = np.maximum((high - low).max() * _FAR_CAMERAS, _LEAST_SIDE_M)
    near = centres[((centres > low - reach) & (centres < high + reach)).all(axis=1)]
    points = np.concatenate([points, near])
    low, high = points.min(axis=0), points.max(axis=0)
    short = np.maximum(_LEAST_SIDE_M - (high - low), 0) / 2
    low, high = low - short, high + short
    scale = min((_WIDTH - 2 * _MARGIN) / (high - low)[0], (_MOST_HEIGHT - 2 * _MARGIN) / (high - low)[1])
    missing = max(_LEAST_HEIGHT - 2 * _MARGIN - (high - low)[1] * scale, 0.0) / scale / 2
    grow = np.array([0.0, missing])
    mirrored = sum(model.mirrored for model in models.values()) * 2 > len(models)
    return _Sheet(low - grow, high + grow, float(scale), mirrored)


def _grid(sheet: _Sheet) -> tuple[list[MapLine], float]:
    """Lines at round metres over the whole sheet."""
    step = next((step for step in _STEPS_M if step * sheet.scale >= _GRID_PX), _STEPS_M[-1])
    corners = (np.array([[0.0, 0.0], [_WIDTH, sheet.height]]) - sheet(np.zeros(2))) / sheet.scale
    lines = []
    for axis in (0, 1):
        low, high = sorted(corners[:, axis] * (1 if axis == 0 or sheet.mirrored else -1))
        for number in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1):
            value = number * step
            x, y = sheet(np.array([value, value])).round(1).tolist()
            if axis == 0:
                lines.append(MapLine(x, 0.0, x, round(sheet.height, 1)))
            else:
                lines.append(MapLine(0.0, y, _WIDTH, y))
    return lines, step


def _cameras(
    models: Mapping[str, CameraModel], site: Site, sheet: _Sheet, letters: Mapping[str, str]
) -> list[MapCamera]:
    """Cameras with their names where they cover no other's."""
    places: dict[str, tuple[float, float] | None] = {}
    for camera, model in models.items():
        x, y = (np.nan, np.nan) if model.centre is None else sheet(model.centre[:2]).round(1).tolist()
        places[camera] = (x, y) if 0 <= x <= _WIDTH and 0 <= y <= sheet.height else None
    taken = [Box(place[0] - 7, place[1] - 7, place[0] + 7, place[1] + 7) for place in places.values() if place]
    found = []
    for camera, model in models.items():
        place, size = places[camera], site.size(camera)
        label = None
        if place is not None:
            label = place_label(place, text_width(camera), taken, Box(0, 0, _WIDTH, sheet.height))
            if label is not None:
                taken.append(label)
        found.append(
            MapCamera(
                name=camera,
                letter=letters.get(camera, ""),
                place=place,
                field="" if size is None else _field(model, size, sheet),
                label=None if label is None else (label.x1 + 2, label.y2 - 4),
                box=label,
            )
        )
    return found


def _field(model: CameraModel, size: tuple[int, int], sheet: _Sheet) -> str:
    """The floor a camera sees, up to a little beyond the sheet."""
    columns, rows = np.linspace(0, size[0], _FIELD_COLUMNS), np.linspace(size[1], 0, _FIELD_ROWS)
    pixels = np.stack(np.meshgrid(columns, rows, indexing="ij"), axis=-1)
    ground = model.to_ground(pixels.reshape(-1, 2)).reshape(_FIELD_COLUMNS, _FIELD_ROWS, 2)
    reach = 3 * (sheet.high - sheet.low).max()
    seen = (np.abs(ground - (sheet.low + sheet.high) / 2) < reach).all(axis=2)
    near = [(column, int(np.argmax(seen[column]))) for column in range(_FIELD_COLUMNS) if seen[column].any()]
    # Rows go up the picture, away from the camera, until the horizon or the reach.
    far = [(column, first + int(np.argmin(np.append(seen[column, first:], False))) - 1) for column, first in near]
    corners = sheet(ground[tuple(np.array([*near, *far[::-1]]).T)]) if near else np.zeros((0, 2))
    return " ".join(f"{x:.0f},{y:.0f}" for x, y in corners.tolist())


def _paths(paths: WorldPaths, sheet: _Sheet, anchors: Mapping[int, str], start_s: float) -> list[MapPath]:
    """Ways of all people, thinned evenly in time so that the page stays small."""
    step_s = max(_LEAST_STEP_S, _LEAST_STEP_S * len(paths) / _MOST_POINTS)
    xy = sheet(paths.xy)
    found = []
    for person in np.unique(paths.ids).tolist():
        rows = np.flatnonzero(paths.ids == person)
        rows = rows[_thinned(paths.times_s[rows], step_s)]
        tenths = np.round((paths.times_s[rows] - start_s) * 10).astype(np.int64)
        breaks = np.append(True, np.diff(paths.times_s[rows]) > _BREAK_S)
        points = [
            f"{'M' if new else 'L'}{x:.1f} {y:.1f}"
            for new, (x, y) in zip(breaks.tolist(), xy[rows].tolist(), strict=True)
        ]
        color = color_of(person)
        found.append(
            MapPath(
                label=str(person),
                anchor=anchors.get(person, ""),
                color=hex_of(color),
                ink=hex_of(text_on(color)),
                line="".join(points),
                times=" ".join(map(str, np.diff(tenths, prepend=0).tolist())),
            )
        )
    return found


def _thinned(times_s: DoubleArray, step_s: float) -> Sequence[int]:
    """Rows at least a step apart, the last one always among them."""
    kept: list[int] = []
    last = -np.inf
    for row, time_s in enumerate(times_s.tolist()):
        if time_s - last >= step_s - 1e-6 or row == len(times_s) - 1:
            kept.append(row)
            last = time_s
    return kept


def _busy_s(paths: WorldPaths) -> float:
    """The first moment with the most people."""
    times, counts = np.unique(paths.times_s, return_counts=True)
    return float(times[np.argmax(counts)])
