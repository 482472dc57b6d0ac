"""The whole configuration: typed sections of every package, YAML patches and command-line overrides."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, Field

from data.config import Section, SourcesConfig, validated
from data.errors import UserError
from data.foreign import read_yaml
from data.runtime.device_names import card_of
from data.section_files import merge, parse_override
from pipeline.association.config import AssociateConfig
from pipeline.backends.config import DetectorConfig, PoseConfig
from pipeline.rendering.config import RenderConfig
from pipeline.report.config import ReportConfig
from reid.config import ReidConfig
from st_model.config import SpaceTimeConfig
from trackers.config import TrackerConfig

DEFAULTS = Path(__file__).resolve().parent.parent / "configs" / "default.yaml"


def _known_device(device: str) -> str:
    try:
        card_of(device)
    except UserError as error:
        raise ValueError(str(error)) from None
    return device


class RunConfig(Section):
    """How the job is run."""

    device: Annotated[str, AfterValidator(_known_device)] = Field(
        "auto", description="auto, cpu, cuda or cuda:<n>; auto takes a GPU where there is one"
    )
    seed: int = Field(0, ge=0, description="seed of everything random")
    threads: int = Field(
        0, ge=0, description="CPU cores all networks together may use; 0 = all, and never more than there are"
    )
    offline: bool = Field(False, description="never fetch weights; say what is missing instead")
    batch_frames: int = Field(8, ge=1, description="frames of all cameras that are looked at together")
    batch_window_s: float = Field(1.0, gt=0, description="a batch never spans more than this, seconds of video time")
    queue_batches: int = Field(2, ge=1, description="perceived batches that may wait for the tracker")
    part_s: float = Field(
        60.0, gt=0, description="seconds of video time after which tracklets and progress are made durable"
    )
    private: bool = Field(True, description="what is written into the run folder is for its owner only (0600)")
    crops: bool = Field(True, description="keep at most 4 pictures per tracklet for the report")
    interpolate_s: float = Field(
        1.0,
        ge=0,
        description="gaps up to this long are filled in the track files, seconds, and up to 2.5 s where the person "
        "stood; 0 = none",
    )
    smooth_s: float = Field(
        0.25,
        ge=0,
        description="boxes in the track files are averaged over this (standard deviation), seconds; 0 = off",
    )


class Config(Section):
    """Everything a run can be told; ``configs/default.yaml`` shows it with comments."""

    run: RunConfig = RunConfig()
    sources: SourcesConfig = SourcesConfig()
    detector: DetectorConfig = DetectorConfig()
    pose: PoseConfig = PoseConfig()
    reid: ReidConfig = ReidConfig()
    tracker: TrackerConfig = TrackerConfig()
    st: SpaceTimeConfig = SpaceTimeConfig()
    associate: AssociateConfig = AssociateConfig()
    render: RenderConfig = RenderConfig()
    report: ReportConfig = ReportConfig()


def load_config(paths: Sequence[Path] = (), overrides: Sequence[str] = ()) -> Config:
    """Compose the configuration: defaults, then each file, then each override.

    Args:
        paths: YAML patches; a later one wins.
        overrides: "key.sub=value" with a YAML value.

    Raises:
        UserError: for a missing or broken file, an unknown key (names the nearest real one) or a value out of range.
    """
    tree = _read(DEFAULTS)
    where = str(DEFAULTS)
    for path in paths:
        merge(tree, _read(path))
        where = str(path)
    for override in overrides:
        merge(tree, parse_override(override))
        where = "the command line"
    return validated(Config, tree, f"configuration (last patch: {where})")


def split_overrides(values: Sequence[str]) -> tuple[list[str], list[str]]:
    """An option that takes all that follows takes configuration values too: what it is meant for, and those.

    Args:
        values: of the option; "section.key=value" is told by the name of the section.
    """
    sections = tuple(f"{name}." for name in Config.model_fields)
    overrides = [value for value in values if value.startswith(sections) and "=" in value]
    return [value for value in values if value not in overrides], overrides


def dump_config(config: Config) -> str:
    """The resolved configuration as YAML."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _read(path: Path) -> dict[str, Any]:
    tree = read_yaml(path, f"the configuration {path}")
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UserError(f"the configuration {path} must be a mapping of sections, not {type(tree).__name__}")
    return tree
