"""Training end to end on a handful of drawn people."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from data.errors import UserError
from reid.embedders.kpr import KprEmbedder
from reid.losses.attention import attention_loss
from reid.models.spec import ModelSpec
from reid.samples.part_labels import label_masks
from reid.samples.sources import SourceConfig, join, read_source
from reid.training.config import load_training
from reid.training.dataset import CropDataset, collate
from reid.training.engine import Trainer
from reid.weights.checkpoints import build_model, load_model
from reid.weights.pretrained import load_backbone
from tools.train_reid import main

TEMPLATE = np.array([
    (.50, .10), (.53, .08), (.47, .08), (.56, .09), (.44, .09), (.65, .22), (.35, .22), (.70, .38), (.30, .38),
    (.72, .52), (.28, .52), (.60, .52), (.40, .52), (.60, .74), (.40, .74), (.60, .95), (.40, .95),
])  # fmt: skip
CONFIG = """
model: {architecture: kpr, backbone: swin, embed_dim: 16, depths: [1, 1], heads: [1, 2], height: 64, width: 32,
        prompt_groups: cck6, dim: 16, drop_path: 0.3}
pretrained: none
parts: five_v
train: [{root: %(root)s}]
test: {root: %(root)s}
batch: {people: 3, pictures: 2, workers: 0}
augment: {occlude: 0.5, flip: 0.5, jitter: 0.5, drop_some: 0.3}
optimiser: {kind: adamw, rate: 0.003}
schedule: {warmup_epochs: 0, minimum: 0.0001}
epochs: 2
precision: fp32
select: {best_on: none}
"""


def draw_person(identity, camera, number):
    """A crop of a person in two colours, and the skeleton."""
    rng = np.random.default_rng([identity, camera, number])
    colours = np.random.default_rng(identity).integers(30, 255, (2, 3))
    image = np.full((96, 48, 3), 90 + 20 * camera, np.uint8)
    cv2.rectangle(image, (14, 16), (34, 50), colours[0].tolist(), -1)
    cv2.rectangle(image, (17, 50), (31, 93), colours[1].tolist(), -1)
    noise = rng.integers(-10, 10, image.shape)
    points = np.concatenate([TEMPLATE * (48, 96), np.full((17, 1), 2)], 1)
    return (image + noise).clip(0, 255).astype(np.uint8), points.round(1).tolist()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """8 people, 2 cameras, 3 pictures each per camera; half for training."""
    root = tmp_path_factory.mktemp("crops")
    told = {}
    for identity in range(1, 9):
        for camera in (1, 2):
            for number in range(3):
                image, points = draw_person(identity, camera, number)
                split = "bounding_box_train" if identity <= 4 else "query" if number == 0 else "bounding_box_test"
                name = f"{split}/{identity:04d}_c{camera}s1_{number:06d}_00.jpg"
                (root / split).mkdir(exist_ok=True)
                cv2.imwrite(str(root / name), image)
                told[name] = {"positive": points, "negatives": [points] if number == 1 else []}
    (root / "crops_a.json").write_text(json.dumps(told))
    return root


@pytest.fixture
def config_file(site, tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG % {"root": site})
    return path


def numbers(folder: Path, what: str) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["what"] == what]


def test_samples_are_listed(site):
    data = read_source(SourceConfig(root=site))
    assert (len(data.train), len(data.query), len(data.gallery)) == (24, 8, 16)
    assert data.train[0].identity == 1
    assert data.train[0].skeletons((48, 96)).target.any()
    both, people, cameras = join([data.train, data.train])
    assert (len(both), people, cameras) == (48, 8, (1, 2, 1, 2))
    assert sorted({sample.identity for sample in both}) == list(range(8))


def test_a_wrong_layout_says_what_it_found(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(UserError, match=r"missing bounding_box_train.*found: images"):
        read_source(SourceConfig(root=tmp_path))
    for split in ("bounding_box_train", "query", "bounding_box_test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "noname.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="does not start with"):
        read_source(SourceConfig(root=tmp_path))


def test_crops_are_read_with_their_labels(site):
    data = read_source(SourceConfig(root=site))
    crop = CropDataset(data.train, (48, 24), "five_v")[1]
    assert crop.crop.image.shape == (48, 24, 3)
    assert crop.parts.shape == (5, 48, 24)
    assert crop.parts[1, 14, 12] > 128  # the upper torso
    assert crop.silhouette[20, 12] == 255
    assert crop.silhouette[0, 0] == 0
    assert crop.silhouette[0, 23] == 0
    assert crop.crop.target[0, :2] == pytest.approx([12, 4.8])
    batch = collate([CropDataset(data.train, (48, 24), "five_v")[row] for row in range(3)])
    assert batch.negatives.shape == (3, 1, 17, 3)
    assert not batch.negatives[0].any()


def test_broken_pictures_fail_or_are_replaced(site, tmp_path):
    samples = list(read_source(SourceConfig(root=site)).train)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8nothing")
    samples[0] = replace(samples[0], path=broken)
    with pytest.raises(UserError, match=r"broken\.jpg is no picture"):
        CropDataset(samples, (48, 24), "five_v")[0]
    instead = CropDataset(samples, (48, 24), "five_v", "replace")[0]
    assert np.array_equal(instead.crop.image, CropDataset(samples, (48, 24), "five_v")[1].crop.image)
    alone = [replace(samples[0], identity=99), *samples[1:]]
    with pytest.raises(UserError, match="no crop of the person"):
        CropDataset(alone, (48, 24), "five_v", "replace")[0]
    labelled = replace(samples[1], labels=tmp_path / "none.npy")
    with pytest.raises(UserError, match=r"none\.npy"):
        CropDataset([labelled], (48, 24), "five_v")[0]
    np.save(tmp_path / "flat.npy", np.zeros((35, 3, 3)))
    with pytest.raises(UserError, match="36 fields"):
        CropDataset([replace(samples[1], labels=tmp_path / "flat.npy")], (48, 24), "five_v")[0]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_picture_ends_a_training_in_one_line(config_file, site, tmp_path, workers):
    broken = tmp_path / "broken"
    shutil.copytree(site, broken)
    for path in (broken / "bounding_box_train").iterdir():
        path.write_bytes(b"nothing")
    changes = [f"batch.workers={workers}", f"train=[{{root: {broken}}}]", "test=null"]
    with pytest.raises(UserError, match=r"\.jpg is no picture that can be decoded$") as caught:
        Trainer(load_training(config_file, changes), tmp_path / "run", "cpu").run()
    assert "\n" not in str(caught.value)


def test_a_network_learns_and_is_written(config_file, tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["--config", str(config_file), "--out", str(out), "epochs=8", "--no-tensorboard", "--device", "cpu"]
    calm = ["augment.occlude=0", "augment.erase=0", "augment.jitter=0", "evaluate_every=4"]
    calm += ["select.best_on=test", "test_prompts=both"]
    assert main(arguments + calm) == 0
    steps = numbers(out, "train")
    assert steps[-1]["step"] == len(steps)
    for name in ("loss", "attention"):
        assert np.mean([step[name] for step in steps[-4:]]) < 0.9 * np.mean([step[name] for step in steps[:4]])
    scores = numbers(out, "test")
    assert {"mAP", "rank1", "mAP_without_prompts"} <= set(scores[-1])
    assert "mAP" in capsys.readouterr().out
    model, info = load_model(out / "last.safetensors")
    assert info.spec.identities == 4
    assert info.provenance["epochs"] == "8"
    assert load_model(out / "best_on_test.safetensors")[1].provenance["mAP"]
    assert KprEmbedder(out / "last.safetensors", "cpu", 4).dim == 16
    assert not model.training
    with pytest.raises(UserError, match="--resume"):
        main(arguments)


def test_a_resumed_training_continues_identically(config_file, tmp_path):
    config = load_training(config_file, ["augment.erase=0.5", "freeze_prompts=1"])
    Trainer(config, tmp_path / "whole", "cpu").run()
    Trainer(config, tmp_path / "cut", "cpu").run(stop_after=3)
    for stop in (2, None):
        Trainer(config, tmp_path / "cut", "cpu", resume=True).run(stop_after=stop)
    assert (tmp_path / "whole" / "log.jsonl").read_bytes() == (tmp_path / "cut" / "log.jsonl").read_bytes()
    assert (tmp_path / "whole" / "last.safetensors").read_bytes() == (
        tmp_path / "cut" / "last.safetensors"
    ).read_bytes()


def test_a_log_that_breaks_off_does_not_stop_a_resumption(config_file, tmp_path):
    config = load_training(config_file, ["test=null", "epochs=1"])
    for name, stop in (("whole", None), ("cut", 1)):
        Trainer(config, tmp_path / name, "cpu").run(stop_after=stop)
    with (tmp_path / "cut" / "log.jsonl").open("a") as log:
        log.write('{"what": "train", "step": 2, "epo')
    Trainer(config, tmp_path / "cut", "cpu", resume=True).run()
    assert (tmp_path / "whole" / "log.jsonl").read_bytes() == (tmp_path / "cut" / "log.jsonl").read_bytes()


def drawn_losses(trainer, labelled):
    """The losses of the first batch, where only some of its crops have part masks."""
    batch = replace(next(trainer._loader.read([list(range(6))])).on("cpu"), labelled=torch.tensor(labelled))
    torch.manual_seed(0)
    trainer.model.eval()
    output = trainer._forward(batch)
    return trainer._losses(output, batch, torch.Generator()), output, batch


def test_crops_without_a_label_teach_no_attention(config_file, site, tmp_path, caplog):
    trainer = Trainer(load_training(config_file, ["test=null"]), tmp_path / "a", "cpu")
    some = [True, False, True, True, False, True]
    (_, log), output, batch = drawn_losses(trainer, some)
    rows = [row for row, known in enumerate(some) if known]
    labels = label_masks(batch.parts[rows], output.pixel_logits.shape[2:]).argmax(1)
    assert float(log["attention"]) == pytest.approx(attention_loss(output.pixel_logits[rows], labels).item(), rel=1e-5)
    (whole, told), _, _ = drawn_losses(trainer, [True] * 6)
    assert told["attention"] != log["attention"]
    (bare, told), _, _ = drawn_losses(trainer, [False] * 6)
    assert "attention" not in told
    assert (whole - bare).item() == pytest.approx(
        0.35 * float(drawn_losses(trainer, [True] * 6)[0][1]["attention"]), rel=1e-3
    )

    told = json.loads((site / "crops_a.json").read_text())
    for row, facts in enumerate(told.values()):
        facts["positive"] = facts["positive"] if row % 3 else [[0, 0, 0]] * 17
    half = tmp_path / "half"
    shutil.copytree(site, half)
    (half / "crops_a.json").write_text(json.dumps(told))
    crops = CropDataset(read_source(SourceConfig(root=half), "train").train, (48, 24), "five_v")
    assert [crops[row].labelled for row in range(4)] == [False, True, True, False]
    np.save(tmp_path / "label.npy", np.ones((36, 6, 3), np.float32))
    assert CropDataset([replace(crops.samples[0], labels=tmp_path / "label.npy")], (48, 24), "five_v")[0].labelled
    config = load_training(config_file, ["test=null", f"train=[{{root: {half}}}]"])
    Trainer(config, tmp_path / "b", "cpu").run()
    lines = [record.message for record in caplog.records if "neither a parsing label" in record.message]
    assert len(lines) == 1
    drawn = Trainer(config, tmp_path / "c", "cpu")._sampler.epoch(0)
    without = sum(not crops[int(row)].labelled for row in drawn.ravel())
    assert without
    assert f"of {drawn.size} crops drawn in the first epoch, {without} have neither" in lines[0]


def test_frozen_prompts_keep_still(config_file, tmp_path):
    config = load_training(config_file, ["freeze_prompts=1", "epochs=1", "test=null"])
    trainer = Trainer(config, tmp_path / "a", "cpu")
    prompts = trainer.model.backbone_appearance_feature_extractor.masks_patch_embed
    before = [parameter.clone() for parameter in prompts.parameters()]
    trainer.run()
    assert all(torch.equal(a, b) for a, b in zip(before, prompts.parameters()))


def test_resume_needs_the_same_training(config_file, tmp_path):
    config = load_training(config_file, ["epochs=1", "test=null"])
    with pytest.raises(UserError, match="no training to resume"):
        Trainer(config, tmp_path / "a", "cpu", resume=True)
    Trainer(config, tmp_path / "a", "cpu").run(stop_after=1)
    with pytest.raises(UserError, match=r"trained with optimiser\.rate=0\.003, not 0\.1"):
        Trainer(load_training(config_file, ["optimiser.rate=0.1", "test=null"]), tmp_path / "a", "cpu", resume=True)
    Trainer(load_training(config_file, ["epochs=1", "test=null", "save_every=7"]), tmp_path / "a", "cpu", resume=True)
    with pytest.raises(UserError, match="holds a training already"):
        Trainer(config, tmp_path / "a", "cpu")
    state = tmp_path / "a" / "state.pt"
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"state\.pt is damaged"):
        Trainer(config, tmp_path / "a", "cpu", resume=True)


def test_configurations(config_file, repository, monkeypatch):
    for path in sorted((repository / "configs" / "reid").glob("*.yaml")):
        config = load_training(path)
        assert config.spec(5, 2).part_names
    with pytest.raises(UserError, match="did you mean 'optimiser'"):
        load_training(config_file, ["optimizer.rate=1"])
    with pytest.raises(UserError, match=r"key\.sub=value"):
        load_training(config_file, ["epochs"])
    with pytest.raises(UserError, match="at least one data set"):
        load_training(config_file, ["train=[]"])
    with pytest.raises(UserError, match="cannot read"):
        load_training(config_file.with_name("none.yaml"))
    monkeypatch.setenv("MTMCT_DATA", str(config_file.parent))
    assert SourceConfig(root=Path(config_file.name)).folder == config_file


MICROSOFT = {
    "stages.": "layers.",
    ".attn.w_msa.": ".attn.",
    ".ffn.layers.0.0.": ".mlp.fc1.",
    ".ffn.layers.1.": ".mlp.fc2.",
    "patch_embed.projection.": "patch_embed.proj.",
}


def microsoft_names(state):
    """A Swin state dict under the names and in the merging order of Microsoft's release."""
    out = {}
    for name, tensor in state.items():
        if ".downsample." in name:
            groups = tensor.view(*tensor.shape[:-1], -1, 4).transpose(-1, -2)
            tensor = groups[..., [0, 2, 1, 3], :].reshape(tensor.shape)
        for old, new in MICROSOFT.items():
            name = name.replace(old, new)
        out[name] = tensor
    return {name: tensor for name, tensor in out.items() if name[:5] not in ("norm0", "norm1")} | {
        "head.weight": torch.zeros(3, 3)
    }


@pytest.mark.parametrize("form", ["solider", "microsoft", "larger window"])
def test_backbone_files_are_taken_over(tmp_path, form):
    spec = ModelSpec(
        architecture="kpr", backbone="swin", embed_dim=16, depths=(1, 1), heads=(1, 2), prompt_groups="cck6"
    )
    torch.manual_seed(0)
    source = build_model(spec.model_copy(update={"window": 9}) if form == "larger window" else spec)
    torch.manual_seed(1)
    target = build_model(spec)
    wanted = source.backbone_appearance_feature_extractor.model.state_dict()
    if form == "solider":
        torch.save({"teacher": {"backbone." + name: tensor for name, tensor in wanted.items()}}, tmp_path / "a.pth")
    else:
        torch.save({"model": microsoft_names(wanted)}, tmp_path / "a.pth")
    load_backbone(target.backbone_appearance_feature_extractor, spec, tmp_path / "a.pth")
    got = target.backbone_appearance_feature_extractor.model.state_dict()
    for name, tensor in wanted.items():
        if name.startswith(("stages", "patch_embed")) and tensor.shape == got[name].shape:
            assert torch.equal(got[name], tensor), name
    tables = [name for name in got if "bias_table" in name]
    assert all(got[name].shape == (169, heads) for name, heads in zip(tables, (1, 2)))
    with pytest.raises(UserError, match="no swin of this size"):
        load_backbone(
            build_model(spec.model_copy(update={"depths": (1, 2)})).backbone_appearance_feature_extractor,
            spec, tmp_path / "a.pth",
        )  # fmt: skip
