"""The configuration is typed, complete, and says what is wrong with a patch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
import yaml

from data.config import Section
from data.errors import UserError
from pipeline.config import DEFAULTS, Config, dump_config, load_config


def test_the_default_file_is_the_whole_schema_with_the_defaults() -> None:
    written = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))
    assert written == Config().model_dump(mode="json")


def choices(section: type[Section]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Name, allowed values and description of every key that has a list of values."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from choices(kind)
        literals = [one for one in (kind, *get_args(kind)) if get_origin(one) is Literal]
        yield from ((name, get_args(one), field.description or "") for one in literals)


def test_comments_name_every_choice() -> None:
    found = list(choices(Config))
    assert {"decoder", "precision", "preset", "normalisation"} <= {name for name, _, _ in found}
    missing = [(name, value) for name, values, text in found for value in values if value not in text]
    assert not missing


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:1x"])
def test_an_unknown_device_is_refused_before_anything_is_opened(name: str) -> None:
    """Networks that only a CPU computes never ask for it."""
    with pytest.raises(UserError, match=f"run.device: unknown device '{name}'; there are: auto, cpu, cuda"):
        load_config([], [f"run.device={name}"])
    assert load_config([], ["run.device=cuda:1"]).run.device == "cuda:1"


def test_every_shipped_file_is_a_valid_patch(repository: Path) -> None:
    for path in sorted((repository / "configs").glob("*.yaml")):
        load_config([path])


def test_later_patches_win_and_the_command_line_wins_over_all(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("run: {batch_frames: 3, seed: 5}\n")
    (tmp_path / "b.yaml").write_text("run: {batch_frames: 4}\n")
    config = load_config([tmp_path / "a.yaml", tmp_path / "b.yaml"], ["run.seed=9"])
    assert (config.run.batch_frames, config.run.seed) == (4, 9)


def test_a_resolved_configuration_reads_back_as_itself(tmp_path: Path) -> None:
    config = load_config([], ["run.part_s=7", "run.device=cpu"])
    (tmp_path / "c.yaml").write_text(dump_config(config))
    assert load_config([tmp_path / "c.yaml"]) == config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("run.batch_frame=2", r"unknown key 'run\.batch_frame'; did you mean 'batch_frames'"),
        ("rum.seed=2", r"unknown key 'rum'; did you mean 'run'"),
        ("run.batch_frames=none", r"run\.batch_frames: .*integer.*not 'none'"),
        ("run.batch_frames=0", r"run\.batch_frames: .*greater than or equal to 1, not 0"),
        ("run.batch_frames", "is not an override"),
        ("run.seed=[", "not valid YAML"),
    ],
)
def test_a_wrong_override_is_explained(override: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_config([], [override])
    assert "\n" not in str(caught.value)
    assert "<unicode string>" not in str(caught.value)


@pytest.mark.parametrize("text", ["run: [", "- a\n- b\n", "run: {seed: }x"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"mine\.yaml") as caught:
        load_config([path])
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.yaml: No such file"):
        load_config([tmp_path / "nowhere.yaml"])
