"""Sites of the tour in the cache: made once, made anew when what is there would not do."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from data.errors import UserError
from data.synthetic.export import VERSION
from data.synthetic.scenario import Preset, frozen_hashes, load_preset, save_preset
from pipeline import demo
from pipeline.demo import demo_site


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders that were made; nothing is rendered."""
    folders: list[Path] = []

    def make(preset: Preset, seed: int, out: Path, **_: Any) -> dict[str, Any]:
        folders.append(out)
        (out / "video").mkdir(parents=True, exist_ok=True)
        for camera in preset.cameras:
            (out / "video" / f"{camera.name}.mp4").touch()
        frozen_seed, truth = frozen_hashes().get(preset.name, (None, ""))
        told = {"generator": VERSION, "truth": truth if seed == frozen_seed else "of its own"}
        (out / "truth.yaml").write_text(yaml.safe_dump(told))
        return told

    monkeypatch.setattr(demo, "make_site", make)
    return folders


def test_a_site_is_made_when_it_is_absent_or_incomplete(tmp_path: Path, made: list[Path]) -> None:
    site = demo_site("tiny", cache=tmp_path)
    assert demo_site("tiny", cache=tmp_path) == site
    assert made == [site]
    next((site / "video").iterdir()).unlink()
    demo_site("tiny", cache=tmp_path)
    assert len(made) == 2
    (site / "truth.yaml").write_text((site / "truth.yaml").read_text().replace(str(VERSION), str(VERSION + 1)))
    demo_site("tiny", cache=tmp_path)
    assert len(made) == 3, "another generator may draw other pictures of the same truth"


def test_a_preset_of_ones_own_may_change_and_leaves_the_shipped_one_alone(tmp_path: Path, made: list[Path]) -> None:
    path = tmp_path / "own.yaml"
    shipped = load_preset("tiny")
    save_preset(shipped.model_copy(update={"people": 2}), path)
    first = demo_site(str(path), cache=tmp_path)
    save_preset(shipped.model_copy(update={"people": 3}), path)
    second = demo_site(str(path), cache=tmp_path)
    assert len({first, second, demo_site("tiny", cache=tmp_path)}) == 3
    assert demo_site(str(path), cache=tmp_path) == second
    assert len(made) == 3


def test_a_machine_that_computes_other_digits_still_gets_a_site(
    tmp_path: Path, made: list[Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(demo, "frozen_hashes", lambda: {"tiny": (1, "of another machine")})
    assert demo_site("tiny", cache=tmp_path) == made[0]
    assert "cannot be compared" in caplog.text


def test_what_is_wrong_is_told(tmp_path: Path, made: list[Path]) -> None:
    with pytest.raises(UserError, match="from 0 up"):
        demo_site("tiny", seed=-1, cache=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="set MTMCT_CACHE"):
        demo_site("tiny", cache=tmp_path / "file")
    assert not made
