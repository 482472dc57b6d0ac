"""What would end a training after hours ends it before its first step, in one line and without a folder."""

import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from data.errors import UserError
from data.learning_curves import Curve, draw_curves, read_curves, thinned
from reid.ranking.rules import Rule
from reid.samples.sources import Sample
from reid.training.config import load_training
from reid.training.engine import Trainer
from reid.training.loading import BatchLoader
from reid.training.selection import answered, held_out, queries_and_gallery
from reid.training.writers import TensorboardWriter
from reid.weights.checkpoints import load_model
from tests.tiny_crops import write_site, write_training_site

CONFIG = """
model: {architecture: kpr, backbone: swin, embed_dim: 16, depths: [1, 1], heads: [1, 2], height: 64, width: 32,
        prompt_groups: cck6, dim: 16}
parts: five_v
pretrained: none
train: [{root: %(train)s}]
test: {root: %(test)s}
batch: {people: 3, pictures: 2, workers: 0}
epochs: 1
precision: fp32
select: {share: 0.34}
"""


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return write_training_site(tmp_path / "train", people=6)


@pytest.fixture
def test(tmp_path: Path) -> Path:
    return write_site(tmp_path / "test", people=3)


@pytest.fixture
def config(train: Path, test: Path, tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG % {"train": train, "test": test})
    return path


def refused(config: Path, changes: list[str], out: Path) -> str:
    """The one line a training is refused with; nothing is left behind."""
    with pytest.raises(UserError) as told:
        Trainer(load_training(config, changes), out, "cpu").run()
    assert "\n" not in str(told.value)
    assert not out.exists()
    return str(told.value)


def write_labels(root: Path, fields: int = 36) -> None:
    folder = root / "masks" / "drawn" / "bounding_box_train"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (root / "bounding_box_train").iterdir():
        np.save(folder / f"{path.stem}.npy", np.zeros((fields, 6, 3), np.float32))


def test_the_keypoints_of_the_test_set_are_looked_for_first(config: Path, tmp_path: Path) -> None:
    told = refused(config, ["test.keypoints=pifpaf"], tmp_path / "run")
    assert told.startswith("test query: 6 of 6 crops have no keypoint file; the first would be ")
    assert told.endswith("external_annotation/pifpaf/query/0001_c1s1_000000_00.png_keypoints.json")


def test_the_keypoints_of_the_training_set_are_looked_for_first(config: Path, train: Path, tmp_path: Path) -> None:
    folder = train / "external_annotation" / "pifpaf" / "bounding_box_train"
    folder.mkdir(parents=True)
    changes = ["train.0.keypoints=pifpaf"]
    assert refused(config, changes, tmp_path / "run").startswith("train: 24 of 24 crops have no keypoint file")
    for path in (train / "bounding_box_train").iterdir():
        (folder / f"{path.name}_keypoints.json").write_text("{")
    assert "_keypoints.json" in refused(config, changes, tmp_path / "run")


@pytest.mark.parametrize(("scale", "cure"), [(255.0, "1, divide by 255"), (-3.0, "1"), (1e9, "1")])
def test_labels_that_hold_no_confidences_are_refused(
    scale: float, cure: str, config: Path, train: Path, tmp_path: Path
) -> None:
    write_labels(train)
    path = sorted((train / "masks" / "drawn" / "bounding_box_train").glob("*.npy"))[-1]
    np.save(path, np.ones((36, 6, 3)) * scale)
    told = refused(config, ["train.0.labels=drawn"], tmp_path / "run")
    assert f"{path}: its values go from {min(scale, 0):g} to {max(scale, 0):g}" in told
    assert told.endswith(f"the fields of a parsing label are confidences from 0 to {cure}")


def test_values_that_are_cut_are_counted(
    config: Path, train: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_labels(train)
    folder = train / "masks" / "drawn" / "bounding_box_train"
    first, second, third, *_ = sorted(folder.glob("*.npy"))
    for path, value in ((first, 1.2), (second, np.nan), (third, 1.0 + 1e-6)):
        fields = np.full((36, 6, 3), 0.5)
        fields[3, 2, 1] = value
        np.save(path, fields)
    Trainer(load_training(config, ["train.0.labels=drawn", "select.best_on=none"]), tmp_path / "run", "cpu")
    (told,) = [line for line in caplog.messages if "cut to 0 to 1" in line]
    assert told.startswith("train: 2 of 24 parsing labels that were looked at hold values outside 0 to 1, or NaN")
    assert told.endswith(str(first))


def test_labels_that_are_absent_or_of_another_size_are_told(config: Path, train: Path, tmp_path: Path) -> None:
    changes = ["train.0.labels=drawn"]
    assert refused(config, changes, tmp_path / "run").startswith("train: 24 of 24 crops have no parsing label")
    write_labels(train, fields=35)
    assert "a parsing label has 36 fields, not the shape (35, 6, 3)" in refused(config, changes, tmp_path / "run")
    write_labels(train)
    Trainer(load_training(config, changes), tmp_path / "run", "cpu")


def test_files_that_are_to_be_replaced_are_counted(
    config: Path, train: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_labels(train)
    (train / "masks/drawn/bounding_box_train/0003_c1s1_000001_00.npy").unlink()
    changes = ["train.0.labels=drawn", "batch.bad_files=replace"]
    Trainer(load_training(config, changes), tmp_path / "run", "cpu").run()
    assert "train: 1 of 24 crops have no parsing label; the first would be" in caplog.text


def test_a_data_set_named_twice_is_told(config: Path, train: Path, tmp_path: Path) -> None:
    told = refused(config, [f"train=[{{root: {train}}}, {{root: {train}/}}]"], tmp_path / "run")
    assert told == f"train.0 and train.1 are one data set, {train}: each of its people would be two"


def test_a_test_set_without_a_right_answer_is_told(config: Path, test: Path, tmp_path: Path) -> None:
    for path in (test / "bounding_box_test").iterdir():
        path.rename(path.with_name("9" + path.name[1:]))
    told = refused(config, [], tmp_path / "run")
    assert told.startswith("test: none of the 6 queries has a right answer among the 12 gallery crops (rule market)")


def test_people_of_whom_there_is_one_picture_are_counted(
    config: Path, train: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures = sorted((train / "bounding_box_train").iterdir())
    for path in pictures:
        if path.name[:4] in ("0001", "0002") and "_c1s1_000000" not in path.name:
            path.unlink()
    Trainer(load_training(config, ["select.best_on=none"]), tmp_path / "run", "cpu")
    assert "2 of 6 people have a single picture" in caplog.text
    for path in pictures:
        if "_c1s1_000000" not in path.name:
            path.unlink(missing_ok=True)
    assert "nobody has a second picture" in refused(config, [], tmp_path / "other")


def test_copies_of_one_data_set_are_not_trained_on_together(config: Path, train: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(train, copy)
    both = [f"train=[{{root: {train}}}, {{root: {copy}}}]"]
    told = refused(config, both, tmp_path / "run")
    assert told.startswith("train.0 and train.1 hold the same pictures, as ")
    for path in (copy / "bounding_box_train").iterdir():
        cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    trainer = Trainer(load_training(config, both), tmp_path / "run", "cpu")
    assert trainer.spec.identities == 8, "other pictures of the same names are other people"


def test_a_batch_is_not_larger_than_what_validation_leaves(config: Path, tmp_path: Path) -> None:
    told = refused(config, ["batch.people=5"], tmp_path / "run")
    assert told.startswith("validation leaves 4 of 6 identities, fewer than one batch of 5; lower batch.people")


def test_people_held_out_who_are_seen_by_one_camera_only_are_told(config: Path, train: Path, tmp_path: Path) -> None:
    for path in (train / "bounding_box_train").iterdir():
        if "_c2" in path.name:
            path.unlink()
    assert "no picture of the identities held out finds another of its person" in refused(config, [], tmp_path / "run")


def test_a_backbone_file_of_another_architecture_is_told(config: Path, tmp_path: Path) -> None:
    torch.save({"model": {"conv1.weight": torch.zeros(3, 3)}}, tmp_path / "resnet.pth")
    told = refused(config, [f"pretrained={tmp_path / 'resnet.pth'}"], tmp_path / "run")
    assert "no swin of this size" in told


def test_the_state_of_another_architecture_is_not_taken_up(config: Path, tmp_path: Path) -> None:
    Trainer(load_training(config), tmp_path / "run", "cpu").run(stop_after=1)
    with pytest.raises(UserError, match=r"was trained with model\.dim=16, not 32; give the same"):
        Trainer(load_training(config, ["model.dim=32"]), tmp_path / "run", "cpu", resume=True)


def test_what_was_not_learnt_from_may_change_and_other_pictures_may_not(
    config: Path, train: Path, tmp_path: Path
) -> None:
    Trainer(load_training(config), tmp_path / "run", "cpu").run(stop_after=1)
    moved = tmp_path / "moved"
    shutil.copytree(train, moved)
    changes = [f"train.0.root={moved}", "epochs=2", "test=null", "test_prompts=both", "batch.workers=1"]
    Trainer(load_training(config, changes), tmp_path / "run", "cpu", resume=True)
    next((moved / "bounding_box_train").glob("0001_c2*")).unlink()
    with pytest.raises(UserError, match="was trained with other pictures"):
        Trainer(load_training(config, changes), tmp_path / "run", "cpu", resume=True)


def test_the_best_is_chosen_on_people_nobody_learnt_from(config: Path, tmp_path: Path) -> None:
    trainer = Trainer(load_training(config, ["epochs=2", "evaluate_every=1"]), tmp_path / "run", "cpu")
    validation = trainer._data.validation
    assert validation is not None
    judged = {sample.path for sample in (*validation.query, *validation.gallery)}
    learnt = {sample.path for sample in trainer._data.train}
    assert not {path.name[:4] for path in judged} & {path.name[:4] for path in learnt}
    assert len({path.name[:4] for path in judged | learnt}) == 6
    scores = trainer.run()
    assert set(scores) >= {"mAP", "rank1"}
    info = load_model(tmp_path / "run" / "best.safetensors")[1]
    assert info.spec.identities == 4
    assert info.provenance["chosen_on"] == "validation"
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["what"] for line in lines if line["what"] != "train"] == ["validation", "validation", "test"]


@pytest.mark.parametrize(
    ("prompts", "names"),
    [("with", {"mAP"}), ("without", {"mAP_without_prompts"}), ("both", {"mAP", "mAP_without_prompts"})],
)
def test_scoring_with_and_without_prompts_is_a_switch(
    config: Path, tmp_path: Path, prompts: str, names: set[str]
) -> None:
    scores = Trainer(load_training(config, [f"test_prompts={prompts}"]), tmp_path / "run", "cpu").run()
    assert {name for name in scores if name.startswith("mAP")} == names


def test_identities_are_held_out_of_every_set_by_the_seed_alone() -> None:
    identities, sets = np.repeat(np.arange(60), 3), np.repeat([0, 1], [120, 60])
    first = held_out(identities, sets, 0.1, seed=1)
    assert first.tolist() == held_out(identities, sets, 0.1, seed=1).tolist()
    assert first.tolist() != held_out(identities, sets, 0.1, seed=2).tolist()
    assert (len(first), (first < 40).sum()) == (6, 4)
    assert len(held_out(np.arange(3), np.zeros(3, np.int64), 0.1, seed=1)) == 2, "one person is no search"


def crops(*facts: tuple[int, ...]) -> list[Sample]:
    """Crops of identity, camera and perhaps clothes."""
    return [Sample(Path("x"), one[0], one[1], None, None, None, one[2] if len(one) > 2 else None) for one in facts]


def test_each_camera_sees_a_query_whose_answer_another_has() -> None:
    samples = crops((1, 1), (1, 1), (1, 2), (2, 1), (2, 1), (3, 1), (3, 2))
    queries, gallery = queries_and_gallery(samples, "market")
    assert (queries.tolist(), gallery.tolist()) == ([2], [1, 4]), "1 in camera 2 is found in camera 1"
    assert queries_and_gallery(samples, "all")[0].tolist() == [0, 2, 3]


def test_queries_with_an_answer_are_those_the_rule_leaves_one() -> None:
    pairs = crops((1, 1), (1, 2), (2, 1))
    rules: tuple[Rule, ...] = ("market", "inter", "intra", "all")
    assert [answered(pairs, pairs[:1], rule).tolist() for rule in rules] == [[1], [1], [0], [0, 1]]
    dressed = crops((1, 1, 7), (1, 2, 7), (1, 2, 8))
    assert answered(dressed, dressed[:1], "changed_clothes").tolist() == [2]
    assert answered(dressed, dressed[:1], "same_clothes").tolist() == [1]
    with pytest.raises(UserError, match="clothes"):
        answered(pairs, pairs, "changed_clothes")


class Squares(torch.utils.data.Dataset[int]):
    def __getitem__(self, index: int) -> int:
        if index == 13:
            raise UserError("13 cannot be read")
        return index * index


def test_workers_outlive_a_signal_to_the_whole_group() -> None:
    loader = BatchLoader(Squares(), tuple, 1, torch.device("cpu"))
    rows = [[row] for row in range(12)]
    batches = loader.read(rows)
    found = [next(batches)]
    (worker,) = multiprocessing.active_children()
    for sent in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(worker.pid or 0, sent)
    found += list(batches)
    assert found == [(row * row,) for row in range(12)]
    assert worker.is_alive()
    loader.close()
    worker.join()
    assert worker.exitcode == 0


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_come_in_order_from_epoch_to_epoch_and_draw_nothing(workers: int) -> None:
    loader = BatchLoader(Squares(), tuple, workers, torch.device("cpu"))
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert list(loader.read([[1, 2], [3]])) == [(1, 4), (9,)]
    assert list(loader.read([[5, 4]])) == [(25, 16)]
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(UserError, match="13 cannot be read"):
        list(loader.read([[1], [2, 13]]))
    assert list(loader.read([[6]])) == [(36,)]
    loader.close()
    assert not multiprocessing.active_children()
    assert list(loader.read([[7]])) == [(49,)]
    loader.close()


def test_learning_curves_are_drawn_from_the_log_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    lines = [{"what": "train", "step": step, "epoch": 0, "loss": 1 / step, "rate": 0.1} for step in range(1, 1001)]
    lines += [{"what": "validation", "step": 1000, "epoch": 1, "mAP": 0.5}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"what": "tra')
    curves = read_curves(tmp_path)
    assert [(curve.name, len(curve.x)) for curve in curves] == [("loss", 1000), ("rate", 1000), ("validation mAP", 1)]
    short = thinned(curves[0], 10)
    assert short.x.tolist() == [50.5 + 100 * row for row in range(10)]
    assert short.y[0] == pytest.approx(np.mean(1 / np.arange(1, 101)))
    steady = Curve("x", np.arange(7.0), np.ones(7))
    assert thinned(steady, 3).y.tolist() == [1, 1, 1]
    assert draw_curves(tmp_path) == tmp_path / "curves.png"
    image = cv2.imread(str(tmp_path / "curves.png"))
    assert image is not None
    assert image.std() > 10
    with pytest.raises(UserError, match="holds no log of a training"):
        read_curves(tmp_path / "absent")
    (tmp_path / "log.jsonl").write_text("")
    assert draw_curves(tmp_path) is None


def test_steps_taken_again_are_once_in_tensorboard(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    writer = TensorboardWriter(tmp_path)
    assert not (tmp_path / "tensorboard").exists(), "a training that cannot begin leaves nothing"
    for step in (1, 2, 3):
        writer.add_scalar("loss", 1.0, step)
    writer.close()
    again = TensorboardWriter(tmp_path)
    for step in (2, 3, 4):
        again.add_scalar("loss", 2.0, step)
    again.close()
    read = accumulators.EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    assert [(event.step, event.value) for event in read.Scalars("loss")] == [(1, 1), (2, 2), (3, 2), (4, 2)]


def test_a_test_set_that_is_learnt_from_is_told(
    config: Path, train: Path, test: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load = load_training(config, ["select.best_on=none"])
    for path in (*(test / "query").iterdir(), *(test / "bounding_box_test").iterdir()):
        cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    Trainer(load, tmp_path / "a", "cpu")
    assert "are the same ones" not in caplog.text, "names alone tell nothing"
    for folder in ("query", "bounding_box_test"):
        shutil.rmtree(test / folder)
        shutil.copytree(train / "bounding_box_train", test / folder)
    Trainer(load, tmp_path / "b", "cpu")
    (told,) = [line for line in caplog.messages if "are the same ones" in line]
    assert told.startswith("test: 48 of its 48 pictures have the names of training pictures")
    assert told.endswith("its scores are too good")
