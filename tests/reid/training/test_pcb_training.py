import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from data.errors import UserError
from data.pictures import read_picture
from data.runtime.torchvision_cure import ensure_torchvision
from reid.embedders.pcb import extract
from reid.models.pcb import PCB
from reid.samples.pcb_input import resize
from reid.samples.sources import Sample
from reid.training.data import TrainingData
from reid.training.erasing import erase_rectangles
from reid.training.pcb import (
    PcbTrainer,
    PcbTrainingConfig,
    augment_pictures,
    predictions,
    strip_loss,
)
from reid.weights.pcb import load_pcb, read_told, save_pcb
from st_model.files import load_published
from tools.evaluate_st_reid import main as evaluate
from tools.train_pcb import main as train


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reid.models.pcb.HEIGHT", 64)
    monkeypatch.setattr("reid.models.pcb.WIDTH", 32)


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ResNet of an eighth of the width and a quarter of the depth in place of ResNet-50."""
    ensure_torchvision()
    from timm.models.resnet import Bottleneck, ResNet

    def create(name: str, pretrained: bool, num_classes: int, global_pool: str) -> ResNet:
        assert name == "resnet50"
        widths = (8, 16, 32, 64)
        return ResNet(Bottleneck, (1, 1, 1, 1), num_classes, channels=widths, global_pool=global_pool)

    monkeypatch.setattr("timm.create_model", create)
    monkeypatch.setattr("reid.models.pcb.CHANNELS", 256)


def write_market(root: Path, folder: str, people: range, shots: int = 3) -> list[Path]:
    """Pictures of people in clothes of their own colours."""
    (root / folder).mkdir(parents=True)
    paths = []
    for person in people:
        rng = np.random.default_rng(person)
        colours = rng.integers(30, 225, (2, 3))
        for camera in (1, 2):
            for shot in range(shots):
                picture = np.full((64, 32, 3), 128) + rng.integers(-20, 20, (64, 32, 3))
                picture[8:32, 8:24], picture[32:60, 10:22] = colours[0], colours[1]
                name = f"{person:04d}_c{camera}s1_{500 * person + 300 * camera + 10 * shot:06d}_00.png"
                paths.append(root / folder / name)
                cv2.imwrite(str(paths[-1]), picture.astype(np.uint8))
    return paths


@pytest.mark.usefixtures("small_network")
def test_training_learns_and_writes_what_it_promises(tmp_path: Path) -> None:
    write_market(tmp_path, "bounding_box_train", range(1, 4), shots=1)
    output = tmp_path / "run"
    settings = [
        "workers=0",
        "epochs=3",
        "batch=8",
        "save_every=2",
        "backbone_rate=0.002",
        "heads_rate=0.01",
        "erase=0.0",
    ]
    arguments = [str(tmp_path), "--dataset", "market", "--output", str(output), "pretrained=none"]
    arguments += ["--no-tensorboard", "--device", "cpu"]
    assert train([*arguments, *settings]) == 0
    log = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    assert [(line["step"], line["epoch"]) for line in log] == [(1, 0), (2, 1), (3, 2)]
    assert log[-1]["loss"] < log[0]["loss"]
    assert {"accuracy", "rate", "gradient_norm"} <= set(log[0])
    assert sorted(path.name for path in output.glob("*.safetensors")) == [
        "last.safetensors",
        "pcb_002.safetensors",
    ]
    assert load_published(output / "st_distribution.npz").counts.tolist() == [[0, 3], [0, 0]]
    assert (output / "st_distribution.png").stat().st_size > 1000
    assert load_pcb(output / "last.safetensors").identities == 3
    with pytest.raises(UserError, match="exists; give another --out"):
        train([*arguments, *settings])
    with pytest.raises(UserError, match="settings: unknown key 'epoch'"):
        train([*arguments, "--overwrite", "epoch=3"])
    for wrong, message in (("epochs", "is not an override"), ("epochs=[", "the value of override 'epochs=\\['")):
        with pytest.raises(UserError, match=message):
            train([*arguments, "--overwrite", wrong])
    with pytest.raises(UserError, match="unknown device 'gpu'"):
        train([*arguments, "--overwrite", "--device", "gpu"])
    nothing = [str(tmp_path), "--dataset", "market", "--output", str(tmp_path / "none"), "--resume"]
    with pytest.raises(UserError, match=r"none holds no training to resume: there is no state\.pt"):
        train(nothing)
    assert not (tmp_path / "none").exists()
    save_pcb(PCB(9), tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="knows 9 identities"):
        train([*arguments, "--overwrite", "--weights", str(tmp_path / "other.safetensors")])
    with pytest.raises(UserError, match="--weights and pretrained both say"):
        train([*arguments, "--overwrite", "--weights", str(tmp_path / "other.safetensors"), "pretrained=resnet.pth"])
    with pytest.raises(UserError, match="give one of them"):
        train([*arguments, "--overwrite", "--resume"])
    with pytest.raises(UserError, match=r"trained with erase=0\.0, not 0\.5"):
        train([*arguments, *settings, "--resume", "erase=0.5"])
    assert train([*arguments, *settings, "--resume", "epochs=4"]) == 0
    assert len((output / "log.jsonl").read_text().splitlines()) == 4


@pytest.mark.usefixtures("small_network")
def test_a_training_begins_with_a_file_that_is_named_and_asks_no_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_market(tmp_path, "bounding_box_train", range(1, 3), shots=1)
    arguments = [str(tmp_path), "--dataset", "market", "--output", str(tmp_path / "run"), "epochs=1", "batch=4"]
    with pytest.raises(
        UserError, match=r"pretrained is not set: name the file resnet50 starts from: resnet50-0676ba61"
    ):
        train(arguments)
    with pytest.raises(UserError, match=r"absent\.pth is not here"):
        train([*arguments, "pretrained=absent.pth"])
    assert not (tmp_path / "run").exists()
    torch.manual_seed(5)
    known = {name: torch.randn_like(value) if value.is_floating_point() else value
             for name, value in PCB(2).backbone.state_dict().items()}  # fmt: skip
    known = {name: value.abs() if name.endswith("running_var") else value for name, value in known.items()}
    torch.save(known | {"fc.weight": torch.zeros(1000, 8)}, tmp_path / "imagenet.pth")
    begun: list[dict[str, torch.Tensor]] = []

    def run(trainer: PcbTrainer) -> dict[str, float]:
        begun.append(dict(trainer.model.backbone.state_dict()))
        return {}

    monkeypatch.setattr(PcbTrainer, "run", run)
    switches = ["--no-tensorboard", "--device", "cpu", "workers=0"]
    assert train([*arguments, *switches, f"pretrained={tmp_path / 'imagenet.pth'}"]) == 0
    assert all(torch.equal(begun[0][name], value) for name, value in known.items() if "num_batches" not in name)


def learnt(paths: Sequence[Path]) -> TrainingData:
    """Pictures as a training set, people numbered as they come."""
    names = [path.name[:4] for path in paths]
    known = sorted(set(names))
    samples = [Sample(path, known.index(name), 0, None, None) for path, name in zip(paths, names, strict=True)]
    return TrainingData(samples, (0,) * len(samples), len(known), (1,), None, None)


class Killed(Exception):
    """Stands for a kill -9."""


@pytest.mark.usefixtures("small_network")
def test_a_dry_run_counts_and_checks_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_market(tmp_path, "bounding_box_train", range(1, 4))
    look = [str(tmp_path), "--dataset", "market", "--dry-run"]
    assert train([*look, "pretrained=none", "epochs=3"]) == 0
    told = capsys.readouterr().out
    assert "epochs: 3" in told
    assert told.endswith("# train: 18 pictures of 3 people from 2 cameras\n")
    assert [path.name for path in tmp_path.iterdir()] == ["bounding_box_train"]
    with pytest.raises(UserError, match="pretrained is not set"):
        train(look)
    with pytest.raises(UserError, match="--out is missing"):
        train([*look[:3], "pretrained=none"])


def test_an_interrupted_training_goes_on_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_market(tmp_path, "bounding_box_train", range(1, 3), shots=1)
    settings = ["workers=0", "epochs=3", "batch=2", "save_every=2", "drop_every=2", "heads_rate=0.01", "jitter=0.1"]

    def arguments(name: str) -> list[str]:
        output = str(tmp_path / name)
        switches = ["pretrained=none", "--no-tensorboard"]
        return [str(tmp_path), "--dataset", "market", "--output", output, *switches, *settings]

    assert train(arguments("whole")) == 0
    steps = 0
    real_loss = strip_loss

    def killing(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps == 4:  # In the middle of the second epoch.
            raise Killed
        return real_loss(logits, labels)

    with monkeypatch.context() as patch:
        patch.setattr("reid.training.pcb.strip_loss", killing)
        with pytest.raises(Killed):
            train(arguments("cut"))
    assert not (tmp_path / "cut" / "last.safetensors").exists()
    torch.manual_seed(99)  # Whatever else the process draws must not matter.
    assert train([*arguments("cut"), "--resume"]) == 0
    for name in ("log.jsonl", "pcb_002.safetensors", "last.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes(), name


@pytest.mark.usefixtures("small_network")
def test_the_best_weights_are_those_of_held_out_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_market(tmp_path, "bounding_box_train", range(1, 7), shots=2)
    for folder, shots in (("query", 1), ("bounding_box_test", 2)):
        write_market(tmp_path, folder, range(20, 23), shots=shots)
    output = tmp_path / "run"
    arguments = [str(tmp_path), "--dataset", "market", "--no-tensorboard", "--device", "cpu", "--out", str(output)]
    settings = ["pretrained=none", "workers=0", "epochs=3", "batch=4", "heads_rate=0.01", "evaluate_every=1"]
    chosen = [*settings, "select.best_on=validation", "select.share=0.4", f"test.root={tmp_path}"]
    assert train([*arguments, *chosen, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "# train: 16 pictures of 4 people from 2 cameras\n# validation: 4 queries\n# test: 6 queries\n" in told
    with pytest.raises(UserError, match=r"leaves 1 of 6 identities, fewer than one batch of 2; train on all"):
        train([*arguments, *settings, "select.best_on=validation", "select.share=0.9", "--dry-run"])
    assert train([*arguments, *chosen]) == 0
    log = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    scored = [line for line in log if line["what"] == "validation"]
    assert [line["epoch"] for line in scored] == [1, 2, 3]
    (tested,) = [line for line in log if line["what"] == "test"]
    assert f"mAP{tested['mAP']:34.4f}".split() == capsys.readouterr().out.splitlines()[0].split()
    header = read_told(output / "best.safetensors")
    best = max(scored, key=lambda line: line["mAP"])
    assert (header["epochs"], header["chosen_on"]) == (str(best["epoch"]), "validation")
    assert load_pcb(output / "best.safetensors").identities == 4
    with pytest.raises(UserError, match=r"trained with select\.best_on=validation, not none"):
        train([*arguments, *settings, "--resume"])


@pytest.mark.usefixtures("small_network")
def test_resuming_needs_the_same_training(tmp_path: Path) -> None:
    paths = write_market(tmp_path, "train", range(1, 3), shots=1)
    config = PcbTrainingConfig(epochs=1, batch=4, workers=0)
    with pytest.raises(UserError, match=r"no training to resume: there is no state\.pt"):
        PcbTrainer(PCB(2), learnt(paths), config, tmp_path / "run", resume=True)
    PcbTrainer(PCB(2), learnt(paths), config, tmp_path / "run").run()
    for model, order, message in ((PCB(2), paths[::-1], "other pictures"), (PCB(2, True), paths, "other network")):
        with pytest.raises(UserError, match=message):
            PcbTrainer(model, learnt(order), config, tmp_path / "run", resume=True)
    with pytest.raises(UserError, match="holds a training already"):
        PcbTrainer(PCB(2), learnt(paths), config, tmp_path / "run")
    changed = config.model_copy(update={"save_every": 3})
    PcbTrainer(PCB(2), learnt(paths), changed, tmp_path / "run", resume=True).run()
    state = tmp_path / "run" / "state.pt"
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"state\.pt is damaged"):
        PcbTrainer(PCB(2), learnt(paths), config, tmp_path / "run", resume=True)
    PcbTrainer(PCB(2), learnt(paths), config, tmp_path / "run", overwrite=True).run()
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 1


@pytest.mark.usefixtures("small_network")
def test_the_same_seed_trains_the_same_network(tmp_path: Path) -> None:
    paths = write_market(tmp_path, "train", range(1, 3), shots=1)
    config = PcbTrainingConfig(epochs=1, batch=4, heads_rate=0.01, workers=0)
    states = []
    for number in range(2):
        torch.manual_seed(5)
        trainer = PcbTrainer(PCB(2), learnt(paths), config, tmp_path / str(number))
        trainer.run()
        states.append(trainer.model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values()))


def test_folders_are_searched_with_published_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("query", "gallery"):
        write_market(tmp_path, folder, range(1, 5), shots=1)
    write_market(tmp_path, "learn", range(20, 23), shots=1)
    torch.manual_seed(0)
    save_pcb(PCB(4), tmp_path / "pcb.safetensors")
    arguments = [f"--{name}={tmp_path / name}" for name in ("query", "gallery", "learn")]
    assert evaluate([*arguments, "--weights", str(tmp_path / "pcb.safetensors"), "--k1", "4", "--k2", "2"]) == 0
    out = capsys.readouterr().out
    assert "8 queries, 8 gallery pictures; transition times from 3 other identities" in out
    with pytest.raises(UserError, match="give the network with --weights"):
        evaluate(arguments)


def test_descriptors_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    paths = write_market(tmp_path, "p", range(1, 3), shots=1)
    torch.manual_seed(0)
    model = PCB(2)
    one, many = extract(model, paths, size=1), extract(model, paths, size=3)
    assert one.shape == (4, 12288)
    assert np.allclose(one, many, atol=1e-5)
    assert np.allclose(np.linalg.norm(one, axis=1), 1, atol=1e-5)


def test_pictures_that_cannot_be_read_are_user_errors(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    for name, message in (("x.jpg", "no picture that can be decoded"), ("absent.jpg", "cannot read")):
        with pytest.raises(UserError, match=message):
            read_picture(tmp_path / name)


def test_resizing_is_pils_bicubic() -> None:
    from PIL import Image

    picture = np.random.default_rng(0).integers(0, 256, (57, 31, 3)).astype(np.uint8)
    want = np.asarray(Image.fromarray(picture).resize((32, 64), Image.Resampling.BICUBIC))
    got = resize(picture).permute(1, 2, 0).numpy() * 255
    assert np.abs(got - want).max() <= 1.01
    assert np.abs(got - want).mean() < 0.1


def test_the_loss_is_the_sum_over_strips() -> None:
    logits, labels = torch.randn(6, 5, 4), torch.tensor([0, 1, 2, 3, 0])
    want = sum(float(torch.nn.functional.cross_entropy(strip, labels)) for strip in logits)
    assert float(strip_loss(logits, labels)) == pytest.approx(want, rel=1e-6)
    sure = torch.zeros(6, 1, 4)
    sure[:, 0, 2] = 1.0
    assert predictions(sure).tolist() == [2]


def test_erasing_covers_a_rectangle_of_the_published_size() -> None:
    generator = torch.Generator().manual_seed(0)
    images = erase_rectangles(torch.ones(200, 3, 96, 48), 1.0, generator)
    gone = (images[:, 0] == 0).float().mean((1, 2))
    assert ((gone > 0.015) & (gone < 0.42)).all()
    untouched = erase_rectangles(torch.ones(20, 3, 96, 48), 0.0, generator)
    assert (untouched == 1).all()
    some = (erase_rectangles(torch.ones(400, 3, 96, 48), 0.5, generator)[:, 0] == 0).any(2).any(1)
    assert 0.4 < some.float().mean() < 0.6


def test_augmentation_mirrors_and_jitters_by_its_generator() -> None:
    images = torch.rand(40, 3, 96, 48)
    config = PcbTrainingConfig(erase=0.0, jitter=0.1)
    first, second = (augment_pictures(images, config, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    plain = augment_pictures(images, PcbTrainingConfig(erase=0.0, flip=0.0), torch.Generator().manual_seed(1))
    mirrored = augment_pictures(images, PcbTrainingConfig(erase=0.0, flip=1.0), torch.Generator().manual_seed(1))
    assert torch.equal(plain.flip(3), mirrored)
    assert 0 < (first - plain).abs().mean() < 2


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 pictures of 1 people are no training set for a network that knows 1"):
        PcbTrainer(PCB(1), learnt([tmp_path / "0001.png"]), PcbTrainingConfig(), tmp_path)


def test_a_header_without_what_was_told_is_read_as_before(tmp_path: Path) -> None:
    model = PCB(2, True)
    save_file(model.state_dict(), tmp_path / "old.safetensors", metadata={"mtmct_pcb": "activation"})
    assert load_pcb(tmp_path / "old.safetensors").activation
    assert read_told(tmp_path / "old.safetensors") == {}
    for entry in ("[", '{"variant": "other", "told": {}}', "[1]"):
        save_file(model.state_dict(), tmp_path / "odd.safetensors", metadata={"mtmct_pcb": entry})
        with pytest.raises(UserError, match="is no PCB checkpoint of this project"):
            load_pcb(tmp_path / "odd.safetensors")
        with pytest.raises(UserError, match="is no PCB checkpoint of this project"):
            read_told(tmp_path / "odd.safetensors")
