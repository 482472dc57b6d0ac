"""The site file: what is known of the cameras before a single frame is seen.

cameras:
  lobby:
    source: videos/lobby.mp4          # optional; path or address
    fps: 25.0                         # needed only where the source does not say (detections, tracks)
    size: [1920, 1080]                # width, height in pixels
    clock: {status: common, offset_s: 0.0, drift_ppm: 0.0}
    calibration: {projection: [[...4], [...4], [...4]]}    # or K, R, t[, dist]; or homography
world: {unit_m: 1.0, up: [0, 0, 1], ground: 0.0}    # of the calibrations; this is the default
default_overlap: unknown              # none, partial or unknown
overlap:
  - {cameras: [lobby, gate], value: none}
groups:                               # calibrated cameras of common clock that are tracked together on the ground
  - {name: hall, cameras: [hall1, hall2], sync_tolerance_s: 0.05}
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from numpy.typing import ArrayLike
from pydantic import BeforeValidator, Field, FiniteFloat, model_validator

from data.calibration import Calibration, World
from data.calibration_checks import check_camera, check_group
from data.clock import Clock
from data.config import Section, validated
from data.errors import UserError
from data.foreign import read_yaml
from data.geometry import CameraModel
from data.names import is_camera_name
from data.records import DoubleArray

OverlapValue = Literal["none", "partial", "unknown"]


class Observed(Section):
    """What ``tools.check_site`` saw; read by people, not by the run."""

    seconds: float = Field(0.0, ge=0, description="seconds of the source that were looked at")
    frames: int = Field(0, ge=0, description="frames that were looked at")
    people_per_frame: float = Field(0.0, ge=0, description="mean number of detected people")
    person_height_px: float | None = Field(None, description="median height of detected people, pixels")
    person_height_p10_px: float | None = Field(None, description="a tenth of them are smaller than this, pixels")
    sharpness: float | None = Field(None, description="median variance of the Laplacian, grey levels 0-255 squared")
    brightness: float | None = Field(None, description="median grey level, 0-255")


class CameraSite(Section):
    """What is known of one camera."""

    source: str | None = Field(None, description="path or address of its video")
    fps: float | None = Field(None, gt=0, le=1000, description="frames per second")
    size: tuple[int, int] | None = Field(None, description="width, height in pixels")
    clock: Clock = Clock()
    calibration: Calibration | None = None
    observed: Observed | None = None

    @model_validator(mode="after")
    def _positive_size(self) -> Self:
        if self.size is not None and min(self.size) < 1:
            raise ValueError("size must be [width, height], both above 0")
        return self


def _or_empty(value: Any) -> Any:
    """A camera of which nothing is known may be written as its name alone."""
    return {} if value is None else value


class OverlapPair(Section):
    """Whether two cameras see some of the same ground."""

    cameras: tuple[str, str]
    value: OverlapValue


class Group(Section):
    """Calibrated cameras of overlapping view that are tracked together on the ground."""

    name: str
    cameras: list[str]
    sync_tolerance_s: float = Field(
        0.05, ge=0, description="frames at most this far apart on the common clock are one instant, seconds"
    )
    area: Annotated[list[tuple[FiniteFloat, FiniteFloat]], Field(min_length=3)] | None = Field(
        None, description="corners of the ground that counts, metres; people outside of it are not written"
    )


@dataclass(frozen=True, slots=True)
class Scope:
    """Cameras that one tracker follows: one by itself, or those of a group.

    Attributes:
        name: of the group, or of the camera.
        cameras: at least one.
        group: None for a camera by itself.
    """

    name: str
    cameras: tuple[str, ...]
    group: Group | None = None


class Site(Section):
    """All cameras of a place. A camera that is not listed is one of which nothing is known."""

    cameras: dict[str, Annotated[CameraSite, BeforeValidator(_or_empty)]]
    world: World = Field(World(), description="of the calibrations: unit, which way is up, where the floor lies")
    default_overlap: OverlapValue = Field("unknown", description="of pairs that are not listed")
    pairs: list[OverlapPair] = Field([], alias="overlap", description="pairs of which the overlap is known")
    groups: list[Group] = Field([], description="cameras that are tracked together on the ground")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for camera in self.cameras:
            if not is_camera_name(camera):
                raise ValueError(f"camera name '{camera}' cannot stand in file names: use letters, digits, _ - .")
        self._check_pairs()
        self._check_groups()
        self._check_calibrations()
        return self

    @staticmethod
    def blank(cameras: Iterable[str]) -> "Site":
        """A site of which nothing but the cameras' names is known."""
        return Site(cameras={camera: CameraSite() for camera in cameras})

    def completed(self, cameras: Iterable[str]) -> "Site":
        """The same site with the cameras it does not list added, as cameras of which nothing is known."""
        added = {camera: CameraSite() for camera in cameras if camera not in self.cameras}
        return self.model_copy(update={"cameras": {**self.cameras, **added}})

    def fps(self, camera: str) -> float | None:
        """Frames per second, or None where the site does not say."""
        return self._camera(camera).fps

    def size(self, camera: str) -> tuple[int, int] | None:
        """(width, height) in pixels, or None where the site does not say."""
        return self._camera(camera).size

    def clock(self, camera: str) -> Clock:
        """How the camera's time relates to the common clock."""
        return self._camera(camera).clock

    def model(self, camera: str) -> CameraModel | None:
        """The calibrated camera, in metres over the floor, or None."""
        found = self._camera(camera)
        return None if found.calibration is None else found.calibration.model(found.size, self.world)

    def common_times(self, camera: str, times_s: ArrayLike) -> DoubleArray:
        """Source seconds of a camera as seconds of the common clock (offset and drift applied), float64."""
        return self.clock(camera).to_common(times_s)

    def clocks_common(self, a: str, b: str) -> bool:
        """Whether times of two cameras can be compared; always for one and the same."""
        return a == b or (self.clock(a).known and self.clock(b).known)

    def overlap(self, a: str, b: str) -> OverlapValue:
        """Whether two cameras see some of the same ground; a camera and itself do, and so do those of one group."""
        if a == b:
            return "partial"
        for pair in self.pairs:
            if set(pair.cameras) == {a, b}:
                return pair.value
        if any(a in group.cameras and b in group.cameras for group in self.groups):
            return "partial"
        return self.default_overlap

    def scopes(self, cameras: Sequence[str]) -> tuple[Scope, ...]:
        """What the trackers of these cameras follow: groups at the place of their first camera, in the given order.

        Cameras of a group that are not among them are left out of it; a group of which one is left stays a group.
        """
        owner = {camera: group for group in self.groups for camera in group.cameras}
        found: dict[str, Scope] = {}
        for camera in cameras:
            group = owner.get(camera)
            if group is None:
                found[f"camera {camera}"] = Scope(camera, (camera,))
            else:
                members = tuple(name for name in cameras if name in group.cameras)
                found.setdefault(f"group {group.name}", Scope(group.name, members, group))
        return tuple(found.values())

    def check_cameras(self, names: Sequence[str]) -> None:
        """Raise ``UserError`` for a camera the site does not list."""
        for name in names:
            if name not in self.cameras:
                near = get_close_matches(name, list(self.cameras), n=1)
                hint = f"; did you mean '{near[0]}'?" if near else ""
                raise UserError(
                    f"the site does not list camera '{name}'{hint} (it lists {', '.join(self.cameras)}); "
                    "name the camera as in the site file (name=path) or add it there"
                )

    def _camera(self, camera: str) -> CameraSite:
        return self.cameras.get(camera) or CameraSite()

    def _check_pairs(self) -> None:
        seen: set[frozenset[str]] = set()
        for pair in self.pairs:
            self._check_known(pair.cameras, "overlap")
            if pair.cameras[0] == pair.cameras[1]:
                raise ValueError(f"overlap: '{pair.cameras[0]}' is paired with itself")
            if frozenset(pair.cameras) in seen:
                raise ValueError(f"overlap: the pair {pair.cameras[0]}, {pair.cameras[1]} is listed twice")
            seen.add(frozenset(pair.cameras))

    def _check_groups(self) -> None:
        owner: dict[str, str] = {}
        names: set[str] = set()
        for group in self.groups:
            if not is_camera_name(group.name):
                raise ValueError(f"group name '{group.name}' cannot stand in file names: use letters, digits, _ - .")
            if group.name in names:
                raise ValueError(f"two groups are named '{group.name}'; give each a name of its own")
            names.add(group.name)
            if len(group.cameras) < 2:
                raise ValueError(
                    f"group '{group.name}' has {len(group.cameras)} camera{'' if len(group.cameras) == 1 else 's'}; a "
                    "group is two or more that see the same ground: leave it out, and the camera is tracked by itself"
                )
            self._check_known(group.cameras, f"group '{group.name}'")
            for camera in group.cameras:
                if camera in owner:
                    raise ValueError(f"camera '{camera}' is in group '{owner[camera]}' and again in '{group.name}'")
                owner[camera] = group.name
                if self.cameras[camera].calibration is None:
                    raise ValueError(f"group '{group.name}': camera '{camera}' has no calibration")
                if not self.cameras[camera].clock.known:
                    raise ValueError(f"group '{group.name}': the clock of camera '{camera}' is unknown")

    def _check_calibrations(self) -> None:
        models: dict[str, CameraModel] = {}
        for camera in self.cameras:
            try:
                model = self.model(camera)
            except UserError as error:
                raise ValueError(f"camera '{camera}': {error}") from None
            if model is not None:
                models[camera] = model
        try:
            for camera, model in models.items():
                check_camera(camera, model, self.size(camera))
            for group in self.groups:
                inside = {camera: models[camera] for camera in group.cameras}
                sizes = {camera: size for camera in group.cameras if (size := self.size(camera)) is not None}
                check_group(group.name, inside, sizes)
        except UserError as error:
            raise ValueError(str(error)) from None

    def _check_known(self, cameras: Iterable[str], where: str) -> None:
        for camera in cameras:
            if camera not in self.cameras:
                near = get_close_matches(camera, list(self.cameras), n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(self.cameras)}"
                raise ValueError(f"{where}: there is no camera '{camera}'; {hint}")


def load_site(path: Path) -> Site:
    """Read a site file.

    Raises:
        UserError: when it is missing, no YAML, has an unknown key (names the nearest) or contradicts itself.
    """
    tree = read_yaml(path, f"the site file {path}")
    if not isinstance(tree, dict):
        raise UserError(f"the site file {path} must be a mapping that begins with 'cameras:'")
    return validated(Site, tree, f"the site file {path}")


def site_text(site: Site) -> str:
    """A site as YAML; ``load_site`` of such a file gives an equal site back."""
    tree = site.model_dump(mode="json", by_alias=True, exclude_none=True)
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)


def save_site(site: Site, path: Path) -> None:
    """Write a site file."""
    path.write_text(site_text(site), encoding="utf-8")
