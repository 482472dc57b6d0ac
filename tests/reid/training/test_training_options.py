"""Options of ReID training: fixed attention, stripes, triplets, joined data sets, rates, numbers sent elsewhere."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from data.errors import UserError
from data.records import EmbedRequest
from reid.embedders.kpr import KprEmbedder
from reid.losses.triplet import part_triplet_loss
from reid.models.part_head import ExternalMasks, stripe_masks
from reid.models.spec import ModelSpec, stripe_names
from reid.samples.sources import SourceConfig, join, read_source
from reid.training.config import OptimiserConfig, load_training
from reid.training.engine import Trainer
from reid.training.evaluation import masks_of
from reid.training.schedule import ScheduleConfig, learning_rate
from reid.weights.checkpoints import load_model, read_info, save_checkpoint
from tests.reid.training.option_site import make_site, steps
from tools.train_reid import main


def test_stripes_divide_the_height():
    masks = stripe_masks(torch.zeros(2, 3, 10, 4), 3)
    assert masks.shape == (2, 4, 10, 4)
    assert not masks[:, 0].any()
    assert torch.equal(masks.sum(1), torch.ones(2, 10, 4))
    rows = masks[0, 1:, :, 0].argmax(0).tolist()
    assert rows == [0] * 3 + [1] * 4 + [2] * 3  # bounds at round(10/3) and round(20/3)


def test_a_network_of_stripes_is_trained_and_used(config_file, tmp_path):
    changes = [
        "parts=stripes", "stripes=4", "test_features=[conct]", "augment.flip=0.5", "augment.occlude=0.5",
        "loss.weights={parts: {identity: 1.0}}",
    ]  # fmt: skip
    trainer = Trainer(load_training(config_file, changes), tmp_path / "run", "cpu")
    untouched = trainer.model.pixel_classifier.classifier.weight.clone()
    scores = trainer.run()
    assert scores["uncomparable"] == 0
    assert torch.equal(untouched, trainer.model.pixel_classifier.classifier.weight)
    logged = steps(tmp_path / "run")[-1]
    assert "parts_identity" in logged
    assert not {"attention", "parts_triplet", "globl_identity"} & set(logged)
    model, info = load_model(tmp_path / "run" / "last.safetensors")
    assert info.spec.part_names == stripe_names(4)
    images = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        out = model(images, kinds=("parts",))
        bands = out.features.unflatten(2, (4, -1)).mean((3, 4)).transpose(1, 2)
        wanted = model.parts_after_pooling_dim_reduce(bands)
    assert torch.allclose(out.embeddings["parts"], wanted, atol=1e-5)
    embedder = KprEmbedder(tmp_path / "run" / "last.safetensors", "cpu", 4, "fp32")
    frame = np.random.default_rng(0).integers(0, 255, (80, 60, 3), dtype=np.uint8)
    request = EmbedRequest(frame, np.float32([[5, 5, 40, 70]]), None, np.zeros((0, 17, 3), np.float32))
    found = embedder([request])[0]
    assert found.part_names == ("foreground", *stripe_names(4))
    assert (found.visibility == 1).all()


def test_attention_can_be_fixed_to_the_labels(config_file, tmp_path):
    config = load_training(config_file, ["model.learnable_attention=false"])
    trainer = Trainer(config, tmp_path / "run", "cpu")
    seen = []
    describe = trainer.model.describe

    def watched(features, external, *rest, **options):
        seen.append(external)
        return describe(features, external, *rest, **options)

    trainer.model.describe = watched
    trainer.run()
    assert all(isinstance(external, ExternalMasks) and external.use == "fixed" for external in seen)
    assert all(external.masks.shape[1:] == (6, 16, 8) for external in seen)
    # The labels tell a drawn person from the background.
    assert seen[-1].masks[0, 0, 0, 0] > 0.9 > seen[-1].masks[0, 0, 6, 4]
    assert all("attention" not in step for step in steps(tmp_path / "run"))
    with pytest.raises(UserError, match="parsing labels"):
        KprEmbedder(tmp_path / "run" / "last.safetensors", "cpu", 4)


def test_fixed_attention_needs_labels_or_keypoints(tmp_path, config_file):
    bare = make_site(tmp_path / "bare", range(1, 7), described=False)
    changes = ["model.learnable_attention=false", f"train=[{{root: {bare}}}]"]
    with pytest.raises(UserError, match=r"0001_c1.*neither a parsing label nor keypoints.*fixed masks"):
        Trainer(load_training(config_file, changes), tmp_path / "run", "cpu")
    with pytest.raises(UserError, match="visibility masks"):
        Trainer(
            load_training(config_file, ["label_use.test=visibility", f"test={{root: {bare}}}"]), tmp_path / "b", "cpu"
        )


@pytest.mark.parametrize("use", ["soft", "hard", "visibility"])
def test_labels_mask_in_training_and_in_scoring(config_file, tmp_path, use):
    changes = [f"label_use={{train: {use}, test: {use}}}", "loss.use_visibility=true", "augment.erase=0"]
    plain = Trainer(load_training(config_file, changes[1:]), tmp_path / "plain", "cpu")
    masked = Trainer(load_training(config_file, changes), tmp_path / "masked", "cpu")
    scores = plain.run(), masked.run()
    first = [steps(tmp_path / name)[0] for name in ("plain", "masked")]
    assert first[0]["loss"] != first[1]["loss"]
    assert first[0]["attention"] == first[1]["attention"]
    assert scores[0]["positive_mean"] != scores[1]["positive_mean"]


def test_options_that_exclude_each_other(config_file):
    for changes, message in (
        (["label_use.test=soft", "parts=stripes"], "label_use"),
        (["label_use.train=hard", "model.learnable_attention=false"], "label_use"),
        (["test_features=[conct, parts]"], "conct is longer"),
        (["test_features=[parts, foreg, parts]"], "each kind counts once"),
        (["model.stripes=true"], "learnable_attention"),
    ):
        with pytest.raises(UserError, match=message):
            load_training(config_file, changes)
    assert masks_of(None, None, None) is None
    assert not ModelSpec(
        architecture="bpbreid", backbone="resnet50", stripes=True, learnable_attention=False
    ).needs_masks


def test_random_max_min_takes_the_largest_or_the_smallest_distance():
    rng = torch.Generator().manual_seed(3)
    embeddings, identities = torch.randn(8, 3, 4, generator=rng), torch.arange(8) // 4
    by_hand = torch.stack([torch.cdist(embeddings[:, part], embeddings[:, part]) for part in range(3)])
    losses = set()
    for seed in range(6):
        result = part_triplet_loss(
            embeddings, identities, combine="random_max_min", generator=torch.Generator().manual_seed(seed)
        )
        coin = torch.rand(8, 8, generator=torch.Generator().manual_seed(seed)) < 0.5
        mixed = torch.where(coin, by_hand.amax(0), by_hand.amin(0))
        same = identities[:, None] == identities
        positive = mixed.masked_fill(~same | torch.eye(8, dtype=torch.bool), -torch.inf).amax(1)
        negative = mixed.masked_fill(same, torch.inf).amin(1)
        assert float(result.loss) == pytest.approx(float((positive - negative + 0.3).relu().mean()), abs=1e-5)
        losses.add(round(float(result.loss), 6))
    assert len(losses) > 3


@pytest.mark.parametrize("combine", ["max", "min", "max_min", "random_max_min"])
def test_every_part_triplet_can_be_trained_and_repeated(config_file, tmp_path, combine):
    config = load_training(config_file, [f"loss.combine={combine}", "test=null"])
    mean = load_training(config_file, ["test=null"])
    for name, one in (("a", config), ("b", config), ("mean", mean)):
        Trainer(one, tmp_path / name, "cpu").run(stop_after=1)
    losses = {name: steps(tmp_path / name)[0]["parts_triplet"] for name in ("a", "b", "mean")}
    assert losses["a"] == losses["b"]
    assert losses["a"] != losses["mean"]


def test_data_sets_stay_apart_when_joined(site, tmp_path, config_file):
    # The second set has the same numbers of people and cameras, and one camera more.
    other = make_site(tmp_path / "other", range(1, 7), cameras=(1, 2, 3), seed=1)
    parts = [read_source(SourceConfig(root=root)).train for root in (site, other)]
    samples, people, cameras = join(parts)
    assert (people, cameras) == (8, (1, 2, 1, 2, 3))
    for field in ("identity", "camera"):
        first, second = (
            {getattr(sample, field) for sample in samples if root in sample.path.parents} for root in (site, other)
        )
        assert not first & second
        assert len(first | second) == (people if field == "identity" else len(cameras))
    changes = [f"train=[{{root: {site}}}, {{root: {other}}}]", "camera_tokens=true", "batch.people=4", "test=null"]
    trainer = Trainer(load_training(config_file, changes), tmp_path / "run", "cpu")
    assert (trainer.spec.identities, trainer.spec.cameras) == (8, 5)
    drawn = trainer._sampler.epoch(0)
    roots = np.array([site in sample.path.parents for sample in trainer._data.train])
    assert drawn.shape[1] == 4 * 2
    used = roots[np.concatenate([trainer._sampler.epoch(number) for number in range(3)])]
    assert used.any()
    assert not used.all()
    assert any(0 < batch.sum() < len(batch) for batch in used)
    trainer.run()
    info = read_info(tmp_path / "run" / "last.safetensors")
    assert (info.spec.identities, info.cameras) == (8, cameras)


@pytest.mark.parametrize("start", ["published", "silent"])
def test_a_training_begins_with_silent_prompts(config_file, tmp_path, start):
    trainer = Trainer(load_training(config_file, [f"prompt_start={start}"]), tmp_path / "run", "cpu")
    tokenizer = trainer.model.backbone_appearance_feature_extractor.masks_patch_embed
    assert bool(tokenizer.norm.weight.any()) == (start == "published")
    assert bool(tokenizer.projection.weight.any()) == (start == "silent")
    images = torch.rand(1, 3, 64, 32)
    prompts = torch.rand(1, trainer.spec.prompt_channels, 64, 32)
    model = trainer.model.eval()
    with torch.no_grad():
        assert torch.equal(model.feature_map(images, prompts), model.feature_map(images))
    trainer.run(stop_after=2)
    assert tokenizer.norm.weight.any()
    assert tokenizer.projection.weight.any()


def test_weights_say_which_people_they_know(site, tmp_path, config_file):
    real = make_site(tmp_path / "real", range(1, 7), described=False, seed=1)
    for roots, people in (((site,), "synthetic"), ((real,), "real"), ((real, site), "real and synthetic")):
        train = ", ".join(f"{{root: {root}}}" for root in roots)
        out = tmp_path / people
        Trainer(load_training(config_file, [f"train=[{train}]", "test=null"]), out, "cpu").run()
        assert read_info(out / "last.safetensors").provenance["people"] == people


def test_weights_say_what_the_network_they_began_with_knew(tmp_path, config_file, caplog):
    shape = Trainer(load_training(config_file), tmp_path / "shape", "cpu")
    begun, written = tmp_path / "begun.safetensors", tmp_path / "written.safetensors"
    config = load_training(config_file, [f"pretrained={begun}"])
    for said, people in (
        ({"people": "real", "licence": "HL3"}, "real and synthetic"),
        ({"people": "synthetic"}, "synthetic"),
        ({}, "real and synthetic"),
    ):
        save_checkpoint(begun, shape.model.state_dict(), shape.spec, said)
        trainer = Trainer(config, tmp_path / "run", "cpu")
        trainer._export(written, {})
        told = read_info(written).provenance
        assert (told["people"], told.get("licence")) == (people, said.get("licence"))
    trainer.run(stop_after=1)
    begun.unlink()
    Trainer(config, tmp_path / "run", "cpu", resume=True)
    assert "will not say what they began with" in caplog.text


def test_rates_can_differ(config_file, tmp_path):
    changes = ["optimiser.kind=sgd", "optimiser.bias_factor=2", "optimiser.backbone_factor=0", "test=null"]
    config = load_training(config_file, changes)
    trainer = Trainer(config, tmp_path / "run", "cpu")
    before = {name: tensor.clone() for name, tensor in trainer.model.named_parameters()}
    trainer.run(stop_after=1)
    moved = {name for name, tensor in trainer.model.named_parameters() if not torch.equal(before[name], tensor)}
    assert moved
    assert not [name for name in moved if name.startswith("backbone")]
    rates = [group["lr"] for group in trainer._optimiser.param_groups]
    assert rates == pytest.approx([0.006, 0.003, 0.0])
    plain = Trainer(load_training(config_file, ["optimiser.decay_all=false"]), tmp_path / "plain", "cpu")
    decays = [group["weight_decay"] for group in plain._optimiser.param_groups]
    assert decays == [OptimiserConfig().weight_decay, 0.0]


def test_the_least_rate_may_be_a_share():
    config = ScheduleConfig(warmup_epochs=5, minimum_share=0.01)
    rates = [learning_rate(config, 2e-4, 100, epoch) for epoch in (0, 5, 100)]
    assert rates == pytest.approx([2e-6, 2e-4, 2e-6])


def test_a_state_from_before_an_option_was_added_goes_on(config_file, tmp_path):
    config = load_training(config_file, ["test=null"])
    Trainer(config, tmp_path / "run", "cpu").run(stop_after=1)
    path = tmp_path / "run" / "state.pt"
    state = torch.load(path, weights_only=True)
    tree = json.loads(state["config"])
    for key in ("stripes", "label_use", "test_features"):
        del tree[key]
    del tree["loss"]["combine"], tree["schedule"]["minimum_share"], tree["optimiser"]["bias_factor"]
    torch.save(state | {"config": json.dumps(tree)}, path)
    Trainer(config, tmp_path / "run", "cpu", resume=True).run()
    with pytest.raises(UserError, match=r"loss\.combine=mean, not max"):
        Trainer(load_training(config_file, ["test=null", "loss.combine=max"]), tmp_path / "run", "cpu", resume=True)


class FakeWandb:
    """Keeps what Weights & Biases would be told."""

    def __init__(self):
        self.started, self.logged, self.finished = [], [], 0

    def init(self, **options):
        self.started.append(options)
        return SimpleNamespace(log=lambda numbers, step: self.logged.append((step, numbers)), finish=self._finish)

    def _finish(self):
        self.finished += 1


def test_numbers_go_to_wandb_and_a_resumed_training_goes_on_in_its_run(config_file, tmp_path, monkeypatch):
    out = tmp_path / "run"
    arguments = ["--config", str(config_file), "--out", str(out), "--device", "cpu", "--wandb", "people"]
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"--wandb needs the package wandb \(pip install wandb\)"):
        main(arguments)
    assert not out.exists()
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    assert main([*arguments, "--no-tensorboard"]) == 0
    assert fake.started[0]["project"] == "people"
    assert fake.started[0]["config"]["epochs"] == 1
    trained = [(step, numbers["train/loss"]) for step, numbers in fake.logged if "train/loss" in numbers]
    assert trained == [(line["step"], line["loss"]) for line in steps(out)]
    assert any("test/ssmd" in numbers for _, numbers in fake.logged)
    assert fake.finished == 1
    refused = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", refused)
    with pytest.raises(UserError, match="--resume"):
        main(arguments)
    assert refused.started == []
    monkeypatch.setitem(sys.modules, "wandb", fake)
    state = torch.load(out / "state.pt", weights_only=True)
    torch.save(state | {"epoch": 0, "batch": 0}, out / "state.pt")
    assert main([*arguments, "--resume"]) == 0
    assert fake.started[1]["id"] == fake.started[0]["id"]
    assert list((out / "tensorboard").iterdir())
