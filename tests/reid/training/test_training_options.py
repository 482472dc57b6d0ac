"""Options of ReID training: fixed attention, stripes, triplets, joined data sets, rates, numbers sent elsewhere."""

import json
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from data.errors import UserError
from data.records import EmbedRequest
from reid.embedders.kpr import KprEmbedder
from reid.losses.triplet import part_triplet_loss
from reid.models.part_head import ExternalMasks, stripe_masks
from reid.models.spec import ModelSpec, stripe_names
from reid.ranking.pair_statistics import PairStatistics
from reid.samples.sources import SourceConfig, join, read_source, set_names
from reid.training.config import OptimiserConfig, load_training
from reid.training.engine import Trainer
from reid.training.evaluation import masks_of
from reid.training.schedule import ScheduleConfig, learning_rate
from reid.weights.checkpoints import load_model, read_info, save_checkpoint
from tools.train_reid import main

CONFIG = """
model: {architecture: kpr, backbone: swin, embed_dim: 16, depths: [1, 1], heads: [1, 2], height: 64, width: 32,
        prompt_groups: cck6, dim: 16}
pretrained: none
parts: five_v
train: [{root: %(root)s}]
test: {root: %(root)s}
batch: {people: 3, pictures: 2, workers: 0}
optimiser: {kind: adamw, rate: 0.003}
schedule: {warmup_epochs: 0, minimum: 0.0001}
epochs: 1
precision: fp32
select: {best_on: none}
"""
SKELETON = np.array([
    (.50, .10), (.53, .08), (.47, .08), (.56, .09), (.44, .09), (.65, .22), (.35, .22), (.70, .38), (.30, .38),
    (.72, .52), (.28, .52), (.60, .52), (.40, .52), (.60, .74), (.40, .74), (.60, .95), (.40, .95),
])  # fmt: skip


def make_site(root, people, cameras=(1, 2), described=True, seed=0):
    """A data set of people in two colours; the same person in the same clothes wherever the number is the same."""
    told = {}
    points = np.concatenate([SKELETON * (32, 64), np.full((17, 1), 2)], 1).round(1).tolist()
    for identity in people:
        colours = np.random.default_rng(identity).integers(30, 255, (2, 3))
        for camera in cameras:
            for number in range(3):
                image = np.random.default_rng([identity, camera, number, seed]).integers(80, 110, (64, 32, 3))
                image[10:34, 9:23], image[34:62, 11:21] = colours[0], colours[1]
                split = "bounding_box_train" if identity <= 4 else "query" if number == 0 else "bounding_box_test"
                name = f"{split}/{identity:04d}_c{camera}s1_{number:06d}_00.png"
                (root / split).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / name), image.astype(np.uint8))
                told[name] = {"positive": points, "negatives": []}
    if described:
        (root / "crops_a.json").write_text(json.dumps(told))
    return root


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return make_site(tmp_path_factory.mktemp("site"), range(1, 7))


@pytest.fixture
def config_file(site, tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG % {"root": site})
    return path


def steps(folder, what="train"):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["what"] == what]


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


def test_scoring_gives_crops_their_cameras_tokens(config_file, tmp_path):
    scores = {}
    for use in ("null", "true", "false", "{1: 2, 2: 1}"):
        config = load_training(config_file, ["camera_tokens=true", f"test_cameras={use}", "model.camera_weight=30"])
        scores[use] = Trainer(config, tmp_path / str(len(scores)), "cpu").run()["positive_mean"]
    assert scores["null"] == scores["true"]
    assert len(set(scores.values())) == 3


def test_further_test_sets_are_scored_under_their_own_names(site, config_file, tmp_path):
    other = make_site(tmp_path / "other", range(3, 9))
    changes = ["camera_tokens=true", f"test.root={other}", f"test_also=[{{root: {site}}}]", "test_cameras={1: 2}"]
    config = load_training(config_file, changes)
    assert config.cameras_in(config.test) == {1: 2}
    # The mapping is of the first set's cameras; this one is the training set, whose cameras have tokens.
    assert config.cameras_in(config.test_also[0]) is True
    scores = Trainer(config, tmp_path / "a", "cpu").run()
    assert {"mAP", "rank1", f"mAP_on_{site.name}", f"rank1_on_{site.name}"} <= set(scores)
    alone = Trainer(load_training(config_file, ["camera_tokens=true"]), tmp_path / "b", "cpu").run()
    assert scores[f"mAP_on_{site.name}"] == alone["mAP"]
    with pytest.raises(UserError, match="a data set is tested twice"):
        load_training(config_file, [f"test_also=[{{root: {site}}}]"])


@pytest.mark.parametrize(
    ("change", "message"),
    [("test_also=[{root: x}]", "test_also: .* no first one"), ("select.best_on=test", "best_on: test needs a test")],
)
def test_nothing_is_scored_without_a_first_test_set(config_file, change, message):
    load_training(config_file, [change])
    with pytest.raises(UserError, match=message):
        load_training(config_file, ["test=null", change])


def test_a_mapping_of_cameras_is_for_test_sets_of_its_kind(config_file, site):
    config = load_training(config_file, ["camera_tokens=true", "test_cameras={1: 2}"])
    moved = config.test.model_copy(update={"root": site.parent})
    assert config.cameras_in(moved) == {1: 2}
    assert not config.cameras_in(config.test.model_copy(update={"kind": "ltcc"}))


def test_test_sets_in_folders_of_one_name_are_told_apart_by_the_folders_above(config_file, tmp_path):
    roots = [make_site(tmp_path / name / "reid", range(5, 9)) for name in ("a", "b", "c")]
    also = ", ".join(f"{{root: {root}}}" for root in roots[1:])
    changes = [f"train.0.root={make_site(tmp_path / 'learnt', range(1, 5))}", f"test.root={roots[0]}"]
    scores = Trainer(load_training(config_file, [*changes, f"test_also=[{also}]"]), tmp_path / "run", "cpu").run()
    assert {name for name in scores if name.startswith("mAP")} == {"mAP", "mAP_on_b/reid", "mAP_on_c/reid"}
    assert set_names([*roots, tmp_path / "learnt"]) == ["a/reid", "b/reid", "c/reid", "learnt"]
    assert set_names(roots[:1] * 2) == ["reid", "reid"]


@pytest.mark.parametrize("best_on", ["none", "validation", "test"])
def test_a_finished_training_scores_a_test_that_changed(config_file, tmp_path, caplog, best_on):
    learnt = make_site(tmp_path / "learnt", range(1, 5))
    tests = [make_site(tmp_path / name, range(5, 9), cameras) for name, cameras in (("a", (1, 2)), ("b", (1, 2, 3)))]
    changes = [f"train.0.root={learnt}", f"select.best_on={best_on}", "select.share=0.5", "batch.people=2", "epochs=2"]

    def scores(folder, test, *more, resume=True):
        config = load_training(config_file, [*changes, f"test.root={test}", *more])
        return Trainer(config, tmp_path / folder, "cpu", resume).run()

    first = scores("run", tests[0], resume=False)
    assert scores("run", tests[0]) == first
    assert scores("run", tests[1]) == scores("other", tests[1], resume=False) != first
    assert not caplog.records or "nothing to learn" not in caplog.text
    assert scores("run", tests[0], "epochs=1") == first
    assert "2 epochs are done; epochs=1 leaves nothing to learn" in caplog.text


def test_patience_needs_scorings_to_count(config_file):
    changes = ["select.best_on=validation", "select.patience=2"]
    assert load_training(config_file, [*changes, "evaluate_every=1"]).select.patience == 2
    with pytest.raises(UserError, match="evaluate_every=0 scores only at the end"):
        load_training(config_file, [*changes, "evaluate_every=0"])


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


def test_statistics_of_pairs():
    ids, cameras = np.array([1, 2, 3]), np.array([1, 1, 1])
    gallery_ids, gallery_cameras = np.array([1, 1, 2, 9]), np.array([1, 2, 2, 1])
    distances = np.array([[0.1, 0.2, 0.9, 1.1], [1.0, 1.2, 0.4, np.inf], [np.inf] * 4], np.float32)
    found = {}
    for rule in ("market", "all"):
        pairs = PairStatistics(ids, gallery_ids, cameras, gallery_cameras, rule)
        pairs.add(0, distances[:2])
        pairs.add(2, distances[2:])
        found[rule] = pairs.summary()
    assert found["market"]["positive_mean"] == pytest.approx(0.3)
    assert found["all"]["positive_mean"] == pytest.approx((0.1 + 0.2 + 0.4) / 3)
    negatives = np.array([0.9, 1.1, 1.0, 1.2])
    for name, value in (("negative_mean", negatives.mean()), ("negative_std", negatives.std())):
        assert found["market"][name] == pytest.approx(value)
    gap = negatives.mean() - 0.3
    assert found["market"]["ssmd"] == pytest.approx(gap / np.sqrt(negatives.var() + np.var([0.2, 0.4])), rel=1e-5)
    assert found["market"]["uncomparable"] == pytest.approx(5 / 12)
    assert found["market"]["uncomparable_queries"] == pytest.approx(1 / 3)
    empty = PairStatistics(ids, np.array([7]), cameras, np.array([1]), "inter")
    empty.add(0, np.ones((3, 1), np.float32))
    assert empty.summary() == {"uncomparable": 0.0, "uncomparable_queries": 1.0}


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
