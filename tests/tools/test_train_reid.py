"""What the training command tells before it trains."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from data.errors import UserError
from data.runtime.cores import helpers, usable_cores
from reid.samples.sources import SourceConfig, read_source
from reid.training.batch import TrainBatch
from reid.training.config import load_training
from reid.training.engine import Trainer
from reid.training.first_batch import augmented, first_batch
from tests.tiny_crops import write_site
from tools.train_reid import main

CONFIG = """
model: {{architecture: kpr, backbone: swin, embed_dim: 16, depths: [1, 1], heads: [1, 2], height: 64, width: 32,
        prompt_groups: cck6, dim: 16}}
pretrained: none
parts: five_v
train: [{{root: {root}}}]
test: {{root: {root}}}
batch: {{people: 2, pictures: 2, workers: 0}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    root = write_site(tmp_path / "site")
    (root / "bounding_box_train").symlink_to(root / "bounding_box_test")
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG.format(root=root))
    return path


def dry_run(config: Path, *changes: str) -> int:
    return main(["--config", str(config), "--out", str(config.parent / "out"), "--dry-run", *changes])


def test_a_dry_run_tells_the_network_as_the_data_make_it(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dry_run(config, "camera_tokens=true", "train.0.keypoints=null") == 0
    text = capsys.readouterr().out
    model = yaml.safe_load(text)["model"]
    assert model["part_names"] == ["head", "upper_arms_torso", "lower_arms_torso", "legs", "feet"]
    assert (model["identities"], model["cameras"]) == (3, 2), "two people choose the best weights"
    assert "# validation: 2 of the people of train, 4 queries" in text
    assert "# starts from random weights\n# train: 20 crops of 5 people from 2 cameras\n# test: 10 queries, 20" in text
    assert not (config.parent / "out").exists()
    assert dry_run(config, "parts=stripes", "stripes=1", "select.best_on=none") == 0
    text = capsys.readouterr().out
    assert yaml.safe_load(text)["model"]["part_names"] == ["stripe_1"]
    assert yaml.safe_load(text)["model"]["identities"] == 5
    assert "validation" not in text.rpartition("seed:")[2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("train.0.root=elsewhere",), r"there is no folder elsewhere in .*MTMCT_DATA.*is not set$"),
        (("test.root=elsewhere", "pretrained=null"), r"pretrained is not set.*\(and 1 more\)"),
        (("batch.people=6",), r"5 identities, fewer than one batch of 6"),
        (("batch.people=4",), r"validation leaves 3 of 5 identities, fewer than one batch of 4"),
        (("test.keypoints=absent",), r"test query: 10 of 10 crops have no keypoint file"),
    ],
)
def test_a_dry_run_names_what_is_missing(
    config: Path, monkeypatch: pytest.MonkeyPatch, changes: tuple[str, ...], message: str
) -> None:
    monkeypatch.delenv("MTMCT_DATA", raising=False)
    with pytest.raises(UserError, match=message):
        dry_run(config, *changes)


def test_a_look_at_a_training_needs_no_folder(config: Path) -> None:
    assert main(["--config", str(config), "--dry-run"]) == 0
    with pytest.raises(UserError, match="--out is missing: name the folder of the training"):
        main(["--config", str(config)])
    with pytest.raises(UserError, match="--dry-run and --batch-picture: give one of them"):
        main(["--config", str(config), "--dry-run", "--batch-picture", "batch.png"])


def test_a_training_without_its_backbone_does_not_begin(config: Path) -> None:
    with pytest.raises(UserError, match="pretrained is not set"):
        main(["--config", str(config), "--out", str(config.parent / "out"), "--no-tensorboard", "pretrained=null"])


def test_a_missing_root_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTMCT_DATA", str(tmp_path))
    with pytest.raises(UserError, match=rf"no folder Market in .*, nor in {tmp_path} \(MTMCT_DATA\)"):
        read_source(SourceConfig(root=Path("Market")))
    with pytest.raises(UserError, match=rf"no folder {tmp_path}/Market$"):
        read_source(SourceConfig(root=tmp_path / "Market"))


def test_no_more_helpers_than_cores() -> None:
    assert helpers(0) == 0
    assert helpers(10_000) == usable_cores() >= 1


def test_the_first_batch_is_drawn_as_the_training_sees_it(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = tmp_path / "batch.png"
    changes = ["augment.occlude=0.8", "select.best_on=none", "epochs=1"]
    assert main(["--config", str(config), *changes, "--batch-picture", str(picture)]) == 0
    assert picture.stat().st_size > 1000
    seen: list[TrainBatch] = []

    def spying(*told: Any) -> TrainBatch:
        seen.append(augmented(*told))
        return seen[-1]

    monkeypatch.setattr("reid.training.engine.augmented", spying)
    Trainer(load_training(config, changes), tmp_path / "out", "cpu").run(stop_after=1)
    drawn = first_batch(load_training(config, changes))
    for name in ("images", "parts", "targets", "negatives", "identities"):
        assert torch.equal(getattr(seen[0], name), getattr(drawn, name)), name
    assert drawn.negatives[:, -1].any()
