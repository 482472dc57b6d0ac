"""Training of SAN and SAN-PG, and the textures in between."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from pydantic import ValidationError

from data.errors import UserError
from reid.samples.textures import TextureFolder, read_texture, texture_picture, texture_target
from reid.training.san import SanTrainer
from reid.training.san_config import SanAugmentConfig, SanTrainConfig, load_san_training
from reid.training.san_data import augmented
from reid.training.san_sets import san_data
from reid.training.schedule import ScheduleConfig, learning_rate
from reid.training.selection import SelectConfig
from reid.weights.san import load_san
from tools.make_textures import main as make_textures
from tools.train_san import main as train

SMALL = {"height": 64, "width": 32, "blocks": [1, 1, 1, 1], "channels": 8, "dim": 16}
COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40))


def write(path: Path, picture: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1].astype(np.uint8))
    return path


def make_site(root: Path, shots: int = 2) -> Path:
    """People in one colour each, whose textures are of that colour."""
    rng = np.random.default_rng(0)
    for person, colour in enumerate(COLOURS, 1):
        write(root / "textures" / f"{person:04d}.png", np.full((64, 64, 3), colour))
        for camera, folder in ((1, "bounding_box_train"), (2, "bounding_box_train"), (1, "query"),
                               (2, "bounding_box_test")):  # fmt: skip
            for shot in range(shots):
                picture = rng.integers(90, 140, (60, 30, 3))
                picture[6:54, 8:22] = colour
                write(root / folder / f"{person:04d}_c{camera}s1_{shot:06d}_00.png", picture)
    return root


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("site"))


def config_of(site: Path, **changed: Any) -> SanTrainConfig:
    tree: dict[str, Any] = {
        "model": SMALL, "train": [{"root": str(site)}], "epochs": 3, "evaluate_every": 0,
        "batch": {"people": 2, "pictures": 2, "workers": 0}, "pretrained": "none", "select": {"best_on": "none"},
    }  # fmt: skip
    return SanTrainConfig.model_validate(tree | changed)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_training_learns_all_four_losses_and_keeps_both_halves(site: Path, tmp_path: Path) -> None:
    rates = {"rate": 0.003, "decoder_rate": 0.003}
    schedule = {"kind": "steps", "warmup_epochs": 0, "milestones": []}
    batch = {"people": 4, "pictures": 2, "workers": 0}
    config = config_of(site, test={"root": str(site)}, optimiser=rates, schedule=schedule, epochs=12, batch=batch)
    config = config.model_copy(update={"select": SelectConfig(best_on="test")})
    scores = SanTrainer(config, tmp_path / "run", "cpu").run()
    log = [line for line in lines(tmp_path / "run") if line["what"] == "train"]
    assert {"identity", "triplet", "reconstruction", "decoder_triplet"} <= set(log[0])
    for name in ("identity", "reconstruction"):
        assert np.mean([line[name] for line in log[-4:]]) < 0.95 * np.mean([line[name] for line in log[:4]])
    total = sum(log[0][name] for name in ("identity", "triplet", "reconstruction", "decoder_triplet"))
    assert log[0]["loss"] == pytest.approx(total, rel=1e-5)
    assert scores["rank1"] > 0.9
    _, info = load_san(tmp_path / "run" / "best_on_test.safetensors")
    assert info.spec.decoder
    assert info.provenance["people"] == "real"


def test_the_decoder_changes_what_the_encoder_learns(site: Path, tmp_path: Path) -> None:
    """One step from the same weights on the same batch; without weight on its losses a decoder changes nothing."""
    states = {}
    for name, changed in (
        ("alone", {"model": SMALL | {"decoder": False}}),
        ("idle", {"loss": {"reconstruction": 0.0, "decoder_triplet": 0.0}}),
        ("joint", {}),
    ):
        trainer = SanTrainer(config_of(site, **changed), tmp_path / name, "cpu")
        trainer.run(stop_after=1)
        states[name] = trainer.model.encoder.state_dict()
        assert (trainer.model.decoder is None) == (name == "alone")

    def same(a: str, b: str) -> bool:
        return all(torch.allclose(states[a][key], states[b][key], atol=1e-7) for key in states[a])

    assert same("alone", "idle")
    assert not same("alone", "joint")


def test_an_interrupted_training_goes_on_to_the_same_bytes(site: Path, tmp_path: Path) -> None:
    config = config_of(site, save_every=2)
    SanTrainer(config, tmp_path / "whole", "cpu").run()
    assert SanTrainer(config, tmp_path / "cut", "cpu").run(stop_after=3) == {}
    assert not (tmp_path / "cut" / "last.safetensors").exists()
    torch.manual_seed(99)  # Whatever else the process draws must not matter.
    SanTrainer(config, tmp_path / "cut", "cpu", resume=True).run()
    for name in ("log.jsonl", "last.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes(), name
    with pytest.raises(UserError, match="trained with seed=0, not 1"):
        SanTrainer(config_of(site, seed=1), tmp_path / "cut", "cpu", resume=True)


def test_a_generator_draws_textures_that_train_san(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From pairs to SAN-PG, to textures of other pictures, to SAN that begins with it."""
    pairs = [{"root": str(site), "images": "bounding_box_train"}]
    tree: dict[str, Any] = {
        "model": SMALL, "pairs": pairs, "test_pairs": pairs[0], "epochs": 36, "pretrained": "none",
        "augment": {"shift": 0.0, "flip": 0.0, "erase": 0.0},
        "optimiser": {"rate": 0.003, "decoder_rate": 0.003, "decoder_constant": False},
        "batch": {"people": 4, "pictures": 2, "workers": 0},
        "schedule": {"kind": "cosine", "warmup_epochs": 0, "minimum": 1e-4}, "select": {"best_on": "none"},
    }  # fmt: skip
    file = tmp_path / "pg.yaml"
    file.write_text(yaml.safe_dump(tree))
    assert train(["--config", str(file), "--out", str(tmp_path / "pg"), "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert float(out.split()[1]) < 0.3
    weights = tmp_path / "pg" / "last.safetensors"
    drawn = tmp_path / "drawn"
    asked = [str(site / "query"), "--weights", str(weights), "--out", str(drawn), "--device", "cpu"]
    assert make_textures(asked) == 0
    textures = np.stack(
        [cv2.imread(str(drawn / f"{person:04d}_c1s1_000000_00.png"))[..., ::-1] for person in (1, 2, 3, 4)]
    )
    assert textures.shape == (4, 256, 256, 3)
    apart = np.abs(textures.mean((1, 2))[:, None] - COLOURS).mean(axis=2)
    assert np.diag(apart).mean() < 0.6 * apart[~np.eye(4, dtype=bool)].mean()
    with pytest.raises(UserError, match="give another --out, or --overwrite"):
        make_textures(asked)
    assert make_textures([*asked, "--overwrite", "--batch", "3"]) == 0
    assert make_textures([str(site / "bounding_box_train"), *asked[1:4], str(tmp_path / "more"), *asked[5:]]) == 0
    config = config_of(site, start=str(weights), train=[{"root": str(site), "textures": str(tmp_path / "more")}])
    trainer = SanTrainer(config, tmp_path / "san", "cpu")
    begun = load_san(weights, decoder=True)[0].state_dict()
    own = trainer.model.state_dict()
    assert all(torch.equal(own[name], begun[name]) for name in own if not name.startswith("encoder.classifier."))
    assert trainer.model.spec.identities == 4


def test_a_texture_folder_that_lacks_some_pictures_is_told(site: Path, tmp_path: Path) -> None:
    for name in ("0001", "0002_c1s1_000001", "0003_c2s1_000000_00"):
        write(tmp_path / "some" / f"{name}.png", np.zeros((64, 64, 3)))
    config = config_of(site, train=[{"root": str(site), "textures": str(tmp_path / "some")}])
    with pytest.raises(
        UserError, match=r"lacks the textures of 10 of 16 pictures, first '0002_c1s1_000000_00'; make them with"
    ):
        SanTrainer(config, tmp_path / "run", "cpu")
    with pytest.raises(UserError, match=r"is no folder of textures; `python -m tools"):
        SanTrainer(config_of(site, train=[{"root": str(site), "textures": "absent"}]), tmp_path / "run", "cpu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no textures"):
        TextureFolder(tmp_path / "empty")
    write(tmp_path / "some" / "more" / "0001.png", np.zeros((64, 64, 3)))
    with pytest.raises(UserError, match="two textures of the name '0001'"):
        TextureFolder(tmp_path / "some")
    assert not (tmp_path / "run").exists()
    alone = config_of(site, train=[{"root": str(site), "textures": "absent"}], model=SMALL | {"decoder": False})
    SanTrainer(alone, tmp_path / "alone", "cpu")


def test_textures_of_a_wrong_shape_are_told_and_small_ones_grow(site: Path, tmp_path: Path) -> None:
    long = write(tmp_path / "long.png", np.zeros((128, 64, 3)))
    with pytest.raises(UserError, match=r"long\.png is 64x128 px; a texture is a square, of 256x256 px"):
        read_texture(long)
    small = read_texture(write(tmp_path / "small.png", np.full((64, 64, 3), (250, 10, 20))))
    assert small.shape == (256, 256, 3)
    assert small[100, 100].tolist() == [250, 10, 20]
    for person in range(1, 5):
        write(tmp_path / "wrong" / f"{person:04d}.png", np.zeros((60, 30, 3)))
    config = config_of(site, train=[{"root": str(site), "textures": str(tmp_path / "wrong")}])
    with pytest.raises(UserError, match=r"\.png is 30x60 px; a texture is a square"):
        SanTrainer(config, tmp_path / "run", "cpu").run()


def test_people_with_one_picture_are_counted(site: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = make_site(tmp_path / "site", shots=1)
    for path in (root / "bounding_box_train").glob("000[12]_c2*"):
        path.unlink()
    trainer = SanTrainer(config_of(root, epochs=1), tmp_path / "run", "cpu")
    assert "2 of 4 people have a single picture" in caplog.text
    trainer.run()
    assert all(np.isfinite(line["loss"]) for line in lines(tmp_path / "run"))
    caplog.clear()
    SanTrainer(config_of(site), tmp_path / "other", "cpu")
    assert "single picture" not in caplog.text


def test_textures_survive_the_way_there_and_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    target = texture_target(levels)
    assert (float(target.min()), float(target.max())) == (-1.0, 1.0)
    assert np.array_equal(texture_picture(target)[0, ..., 0], levels[0, 0].numpy())
    beyond = texture_picture(torch.tensor([-1.4, 1.4, 0.0]).view(1, 3, 1, 1))
    assert beyond.ravel().tolist() == [0, 255, 128]


def test_augmentation_shifts_mirrors_and_erases_by_its_generator() -> None:
    images = torch.randint(0, 256, (12, 3, 64, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def run(**steps: float) -> torch.Tensor:
        config = SanAugmentConfig(**({"shift": 0.0, "flip": 0.0, "erase": 0.0} | steps))
        return augmented(images, config, torch.Generator().manual_seed(1))

    plain = run()
    assert torch.equal(run(shift=0.5, flip=0.5, erase=0.5), run(shift=0.5, flip=0.5, erase=0.5))
    assert torch.equal(run(flip=1.0), plain.flip(3))
    assert not torch.allclose(run(shift=1.0), plain)
    erased = run(erase=1.0)
    gone = (erased != plain).any(1).flatten(1).float().mean(1)
    assert ((gone > 0.01) & (gone < 0.45)).all()
    assert torch.allclose(erased[:, 0][erased[:, 0] != plain[:, 0]], torch.tensor(0.485))


def test_the_rates_are_the_published_ones() -> None:
    config = SanTrainConfig.model_validate({"train": [{"root": "x"}]})

    def rate(epoch: int) -> float:
        return learning_rate(config.schedule, config.optimiser.rate, config.epochs, epoch)

    assert rate(0) == pytest.approx(8e-6)
    assert rate(1) / rate(0) == pytest.approx(1.259, abs=1e-3)
    assert rate(20) == rate(59) == pytest.approx(8e-4)
    assert rate(60) == pytest.approx(4e-4)
    assert rate(319) == pytest.approx(8e-4 / 2**7)
    linear = ScheduleConfig(kind="steps", warmup_epochs=20)
    assert learning_rate(linear, 8e-4, 320, 10) == pytest.approx((8e-6 + 8e-4) / 2)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, "train, pairs: name ReID data sets"),
        ({"train": [{"root": "x"}], "pairs": [{"root": "x"}]}, "train, pairs: name ReID data sets"),
        ({"pairs": [{"root": "x"}], "model": {"decoder": False}}, "SAN-PG is nothing without"),
        ({"train": [{"root": "x"}], "model": {"dim": None}}, "the plain encoder"),
        ({"pairs": [{"root": "x"}], "test": {"root": "x"}}, "train is scored by test, pairs by test_pairs"),
        ({"train": [{"root": "x"}], "test_pairs": {"root": "x"}}, "train is scored by test, pairs by test_pairs"),
    ],
)
def test_configurations_that_contradict_themselves(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SanTrainConfig.model_validate(tree)


def test_weights_of_another_size_are_told(site: Path, tmp_path: Path) -> None:
    SanTrainer(config_of(site, epochs=1), tmp_path / "a", "cpu").run()
    start = str(tmp_path / "a" / "last.safetensors")
    with pytest.raises(UserError, match=r"start: .* is of another size: .* tensors differ"):
        SanTrainer(config_of(site, start=start, model=SMALL | {"channels": 16}), tmp_path / "b", "cpu")
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "resnet.pth")
    with pytest.raises(UserError, match=r"pretrained is not set: .*resnet50-0676ba61\.pth"):
        SanTrainer(config_of(site, pretrained=None), tmp_path / "e", "cpu")
    with pytest.raises(UserError, match=r"is no resnet50 of this size: .* tensors missing"):
        SanTrainer(config_of(site, pretrained=str(tmp_path / "resnet.pth")), tmp_path / "c", "cpu")
    state = load_san(Path(start))[0].encoder.backbone.state_dict()
    torch.save({"state_dict": {f"module.{name}": tensor + 1 for name, tensor in state.items()}}, tmp_path / "own.pth")
    trainer = SanTrainer(config_of(site, pretrained=str(tmp_path / "own.pth")), tmp_path / "d", "cpu")
    first = trainer.model.encoder.backbone.conv1.weight
    assert torch.equal(first, state["conv1.weight"] + 1)


def test_every_shipped_configuration_is_sound(repository: Path) -> None:
    files = sorted((repository / "configs" / "san").glob("*.yaml"))
    assert len(files) >= 6
    for file in files:
        load_san_training(file)


def test_two_copies_of_pairs_are_not_trained_on_together(site: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(site, tmp_path / "copied")
    pairs = [{"root": str(root), "images": "bounding_box_train"} for root in (site, copied)]
    both = config_of(site, train=[], pairs=pairs, select={"best_on": "validation", "share": 0.3})
    with pytest.raises(UserError, match=r"pairs\.0 and pairs\.1 hold the same pictures, as 0001_c1"):
        san_data(both)
    for path in (copied / "bounding_box_train").iterdir():
        cv2.imwrite(str(path), cv2.imread(str(path)) // 2)
    assert len(san_data(both).judged["validation"]) > 0, "other pictures of the same names are others"
