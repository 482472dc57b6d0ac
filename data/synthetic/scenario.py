"""The description of a generated site: geometry, cameras, people, and how presets are found and checked.

World units are metres, z is up, the floor is z = 0. A preset is one YAML file; ``configs/synthetic`` holds
those that are shipped.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, FiniteFloat, model_validator

from data.clock import ClockStatus
from data.config import Section, validated
from data.errors import UserError
from data.foreign import read_yaml
from data.listing import listed

PRESET_FOLDER = Path(__file__).resolve().parents[2] / "configs" / "synthetic"
FROZEN_FILE = PRESET_FOLDER / "frozen.yaml"

Point2 = tuple[FiniteFloat, FiniteFloat]
Point3 = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
Look = Literal["wall", "wood", "metal", "fabric"]


class Block(Section):
    """An axis-aligned solid: a wall, a pillar, a counter."""

    low: Point3 = Field(description="smallest corner, metres")
    high: Point3 = Field(description="largest corner, metres")
    look: Look = Field("wall", description="which texture it wears")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if any(a >= b for a, b in zip(self.low, self.high)):
            raise ValueError("every coordinate of low must be below that of high")
        return self


class Place(Section):
    """Somewhere people walk to."""

    at: Point2 = Field(description="x, y on the floor, metres")
    kind: Literal["stop", "door"] = Field("stop", description="door: people enter and leave the site here, unseen")


class SyntheticCamera(Section):
    """One camera: where it stands, what it records, and what the site file says of its clock."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$", description="name of its files")
    position: Point3 = Field(description="optical centre, metres")
    target: Point3 = Field(description="point in the middle of the picture, metres")
    hfov_deg: float = Field(78.0, gt=5, lt=140, description="horizontal field of view, degrees")
    fps: float = Field(10.0, gt=0, le=60, description="frames per second")
    offset_s: float = Field(0.0, ge=0, le=600, description="true common time of its first frame, seconds")
    stated_offset_s: float | None = Field(None, description="what site.yaml says of it; None: the truth")
    stated_status: ClockStatus = Field("common", description="clock status in site.yaml")
    crf: int = Field(23, ge=0, le=51, description="H.264 quality: 0 is lossless, 51 the worst")

    @model_validator(mode="after")
    def _looks_somewhere(self) -> Self:
        if self.position == self.target:
            raise ValueError(f"camera '{self.name}': target must be another point than position")
        return self


class ReidSpec(Section):
    """Crops in Market-1501's layout; people of the crops are not those of the videos."""

    train_people: int = Field(4, ge=0, le=5000, description="identities in bounding_box_train")
    test_people: int = Field(4, ge=0, le=5000, description="identities in query and bounding_box_test")
    crops: int = Field(3, ge=2, le=100, description="crops of each person in each camera")
    confusable: bool = Field(True, description="few clothes colours, so that many people look alike")
    occluded_share: float = Field(0.65, ge=0, le=1, description="share of crops with one or two other people")
    textures: bool = Field(False, description="also write the texture of each person, as SAN and SAN-PG learn from")


class Preset(Section):
    """A whole site."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$", description="name of the preset")
    duration_s: float = Field(gt=0, le=3600, description="length of every video, seconds")
    size: tuple[int, int] = Field((960, 540), description="width, height of every video, pixels, even")
    ground: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat] = Field(description="x0 y0 x1 y1 of the floor, m")
    ceiling_m: float = Field(3.2, gt=2.2, le=20, description="height of the ceiling, metres")
    blocks: list[Block] = Field([], description="walls and furniture")
    places: dict[str, Place] = Field(description="where people walk to")
    cameras: Annotated[list[SyntheticCamera], Field(min_length=1, max_length=64)]
    people: int = Field(ge=1, le=200, description="number of people")
    lookalikes: int = Field(0, ge=0, description="how many of them are dressed like another one")
    grouped_share: float = Field(0.3, ge=0, le=1, description="share of people who walk in twos or threes")
    start_inside_share: float = Field(0.6, ge=0, le=1, description="share of people who are inside at the start")
    confusable: bool = Field(False, description="few clothes colours, so that many people look alike")
    routes: list[list[str]] = Field([], description="routes that people take in turn; empty: drawn by the seed")
    groups: list[list[str]] = Field([], description="calibrated overlap groups of site.yaml")
    reid: ReidSpec = ReidSpec()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        width, height = self.size
        if min(width, height) < 64 or width % 2 or height % 2 or max(width, height) > 4096:
            raise ValueError("size must be two even numbers from 64 to 4096")
        names = [camera.name for camera in self.cameras]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two cameras are called '{name}'; give each its own name")
        if self.ground[0] >= self.ground[2] or self.ground[1] >= self.ground[3]:
            raise ValueError("ground must be [x0, y0, x1, y1] with x0 < x1 and y0 < y1")
        if len(self.places) < 2:
            raise ValueError("places: give at least two, or nobody walks anywhere")
        if self.lookalikes >= self.people:
            raise ValueError(f"lookalikes must be below the number of people ({self.people})")
        for route in self.routes:
            if not route:
                raise ValueError("routes: a route without places")
            for place in route:
                if place not in self.places:
                    raise ValueError(f"routes: there is no place '{place}'; there are: {', '.join(self.places)}")
        for group in self.groups:
            for name in group:
                if name not in names:
                    raise ValueError(f"groups: there is no camera '{name}'; there are: {', '.join(names)}")
        return self


def preset_names() -> list[str]:
    """Names of the shipped presets."""
    return [path.stem for path in listed(PRESET_FOLDER, "*.yaml") if path != FROZEN_FILE]


def load_preset(name: str) -> Preset:
    """A shipped preset by name, or one's own by the path of its YAML file.

    Raises:
        UserError: for an unknown name, and for a file that is missing, no YAML, or describes no possible site.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        known = preset_names()
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"
            raise UserError(f"there is no preset '{name}'; {hint} (or give the path of a .yaml file)")
        path = PRESET_FOLDER / f"{name}.yaml"
    tree = read_yaml(path, f"the preset {path}")
    if not isinstance(tree, dict):
        raise UserError(f"the preset {path} must be a mapping that begins with 'name:'")
    return validated(Preset, tree, f"the preset {path}")


def save_preset(preset: Preset, path: Path) -> None:
    """Write a preset; ``load_preset`` gives an equal one back."""
    text = yaml.safe_dump(
        preset.model_dump(mode="json", exclude_defaults=True), sort_keys=False, default_flow_style=None, width=120
    )
    path.write_text(text, encoding="utf-8")


def frozen_hashes(path: Path = FROZEN_FILE) -> dict[str, tuple[int, str]]:
    """Seed and truth hash of every frozen site (training must exclude them).

    Raises:
        UserError: when the list of frozen sites is missing or broken.
    """
    tree = read_yaml(path, f"the frozen sites {path}")
    try:
        return {str(name): (int(entry["seed"]), str(entry["truth"])) for name, entry in tree["sites"].items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(
            f"{path} is no list of frozen sites; expected 'sites:' with 'name: {{seed: , truth: }}'"
        ) from None
