import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from data.datasets.gait_layouts import GAIT_LAYOUTS
from data.errors import UserError
from data.folder_lock import locked_folder
from data.formats.skeleton_recordings import write_recordings
from data.skeleton_sequences import SkeletonSequences, cut
from data.synthetic.gait_set import GaitSetOptions, make_gaits
from data.training_folder import InterruptedTraining
from reid.gait.config import GaitConfig, Layout
from reid.gait.evaluation import match_conditions, recognition_scores
from reid.gait.experiment import evaluate_gait, train_gait
from reid.gait.features import extract, sequence_features
from reid.gait.files import load_encoder, load_recognition, read_encoder_info
from reid.gait.losses import neighbour_contrast
from reid.gait.recognition import classes_of
from reid.gait.spec import tasks_of
from reid.gait.tasks import following, task_pair
from reid.gait.training import apply_gradients, train_encoder
from tools.evaluate_gait import main as evaluate_command

FEW = GaitSetOptions(people=4, seconds=2.0, views_deg=(90,), noise_m=(0.0, 0.01))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gaits") / "skeletons.npz"
    write_recordings(path, make_gaits(FEW, 1), "full")
    return path


@pytest.fixture(scope="module")
def sequences() -> SkeletonSequences:
    return cut([item for item in make_gaits(FEW, 1) if item.name.startswith("train")], 4, "gaits")


def config(recordings: Path, **changes: object) -> GaitConfig:
    return GaitConfig.model_validate(
        {
            "data": {"root": recordings, "frames": 4},
            "encoder": {"epochs": 2, "batch": 64},
            "recognition": {"epochs": 30, "rate": 0.01},
            **changes,
        }
    )


@pytest.fixture(scope="module")
def trained(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "reverse"
    train_gait(config(recordings), out)
    return out


def test_a_model_knows_its_people_again(trained: Path) -> None:
    told = json.loads((trained / "scores.json").read_text())
    assert sorted(told["recognition"]) == ["bg", "cl", "nm"]
    assert told["recognition"]["nm"]["rank1"] > 0.6
    assert np.sum(told["recognition"]["nm"]["confusion"]) == told["matching"]["nm-nm"]["probes"]


def test_training_lowers_the_loss_and_keeps_the_best_on_what_was_held_out(trained: Path) -> None:
    log = [json.loads(line) for line in (trained / "encoders/reverse/log.jsonl").read_text().splitlines()]
    assert log[-1]["written"] < log[0]["written"]
    info = read_encoder_info(trained / "encoders/reverse/best.safetensors")
    best = min(log, key=lambda line: line["validation"])
    assert info.provenance["epoch"] == str(best["epoch"])
    assert info.spec.locality
    assert load_recognition(trained / "recognition.safetensors")[1].provenance["chosen_on"] == "validation"


def test_a_saved_model_scores_as_it_did(trained: Path) -> None:
    told = json.loads((trained / "scores.json").read_text())
    assert json.loads(json.dumps(evaluate_gait(trained).plain())) == told


def test_scores_on_other_data_leave_those_of_the_training(trained: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in sorted(trained.rglob("*")) if path.is_file()}
    write_recordings(tmp_path / "skeletons.npz", make_gaits(FEW, 2), "full")
    given = [str(trained), f"data.root={tmp_path / 'skeletons.npz'}", "--json", str(tmp_path / "other.json")]
    assert evaluate_command([*given, "--device", "cpu"]) == 0
    told = json.loads((tmp_path / "other.json").read_text())
    assert told != json.loads((trained / "scores.json").read_text())
    assert {path: path.read_bytes() for path in sorted(trained.rglob("*")) if path.is_file()} == before


def test_a_resumed_training_gives_the_same_bytes(
    recordings: Path, sequences: SkeletonSequences, tmp_path: Path
) -> None:
    whole = config(recordings, encoder={"epochs": 2, "batch": 64})
    train_encoder(sequences, "sorting", whole, tmp_path / "whole")

    class Interrupted(Exception):
        pass

    from data.training_folder import TrainingFolder

    saved, saves = TrainingFolder.save, []

    def save_once(self: TrainingFolder, state: dict[str, object]) -> None:
        if saves:
            raise Interrupted
        saved(self, state)
        saves.append(1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingFolder, "save", save_once)
        with pytest.raises(Interrupted):
            train_encoder(sequences, "sorting", whole, tmp_path / "broken")
    train_encoder(sequences, "sorting", whole, tmp_path / "broken", resume=True)
    for name in ("best.safetensors", "last.safetensors", "log.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes(), name


def test_a_signal_ends_the_epoch_at_work_and_saves(
    sequences: SkeletonSequences, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_encoder(sequences, "reverse", config(recordings), tmp_path / "whole")

    def stopping(model: torch.nn.Module, *rest: Any) -> None:
        apply_gradients(model, *rest)
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr("reid.gait.training.apply_gradients", stopping)
        with pytest.raises(InterruptedTraining, match="stopped after epoch 1, saved in"):
            train_encoder(sequences, "reverse", config(recordings), tmp_path / "cut")
    train_encoder(sequences, "reverse", config(recordings), tmp_path / "cut", resume=True)
    for name in ("log.jsonl", "last.safetensors", "best.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes(), name
    assert (tmp_path / "cut" / "curves.png").stat().st_size > 1000


def test_recognition_alone_is_trained_on_finished_encoders(trained: Path, recordings: Path, tmp_path: Path) -> None:
    encoder = trained / "encoders/reverse/best.safetensors"
    before = encoder.read_bytes()
    quick = {"epochs": 2, "standardise": True}
    train_gait(config(recordings, level="sc", recognition=quick), tmp_path / "sc", encoders=[encoder])
    assert encoder.read_bytes() == before
    assert not (tmp_path / "sc" / "encoders").exists()
    network, info = load_recognition(tmp_path / "sc" / "recognition.safetensors")
    assert network.mean.any()
    assert (info.level, info.features) == ("sc", 4 * 768)
    evaluate_gait(tmp_path / "sc")
    with pytest.raises(UserError, match="takes encoders of reverse, prediction, sorting"):
        train_gait(config(recordings, model="rev_rec_plus"), tmp_path / "plus", encoders=[encoder])
    assert not (tmp_path / "plus").exists(), "nothing is written before the checks"


def test_two_tasks_side_by_side(recordings: Path, tmp_path: Path) -> None:
    quick = {"encoder": {"epochs": 1, "batch": 64}, "recognition": {"epochs": 1}}
    train_gait(config(recordings, model="reverse+sorting", **quick), tmp_path / "two")
    assert sorted(path.name for path in (tmp_path / "two" / "encoders").iterdir()) == ["reverse", "sorting"]
    network, info = load_recognition(tmp_path / "two" / "recognition.safetensors")
    assert (info.model, info.features) == ("reverse+sorting", 2 * 768)
    assert network.hidden.in_features == 2 * 768
    assert [tasks_of(model) for model in ("reverse", "prediction+sorting", "rev_rec_plus")] == [
        ("reverse",), ("prediction", "sorting"), ("reverse", "prediction", "sorting"),
    ]  # fmt: skip


def test_recognition_refuses_other_encoders(trained: Path, recordings: Path, tmp_path: Path) -> None:
    encoder = tmp_path / "mine.safetensors"
    encoder.write_bytes((trained / "encoders/reverse/best.safetensors").read_bytes())
    quick = config(recordings, recognition={"epochs": 1})
    train_gait(quick, tmp_path / "model", encoders=[encoder])
    encoder.write_bytes((trained / "encoders/reverse/last.safetensors").read_bytes())
    model = load_encoder(encoder)
    with torch.no_grad():
        model.output_bias += 1
    from reid.gait.files import save_encoder

    save_encoder(encoder, model, {})
    with pytest.raises(UserError, match="not those given"):
        evaluate_gait(tmp_path / "model")
    encoder.unlink()
    with pytest.raises(UserError, match="is gone"):
        evaluate_gait(tmp_path / "model")


def test_choosing_on_the_test_is_said_in_the_file(trained: Path, recordings: Path, tmp_path: Path) -> None:
    chosen = config(recordings, recognition={"epochs": 1, "select_on_test": True})
    train_gait(chosen, tmp_path / "model", encoders=[trained / "encoders/reverse/best.safetensors"])
    assert load_recognition(tmp_path / "model/recognition.safetensors")[1].provenance["chosen_on"] == "the test set"


def test_a_model_is_not_overwritten(trained: Path, recordings: Path) -> None:
    with pytest.raises(UserError, match="holds a gait model already"):
        train_gait(config(recordings), trained)


def test_a_finished_model_resumed_is_the_same(trained: Path, recordings: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(trained, copy)
    (copy / "scores.json").unlink()
    train_gait(config(recordings), copy, resume=True)
    for name in ("recognition.safetensors", "scores.json", "encoders/reverse/best.safetensors"):
        assert (copy / name).read_bytes() == (trained / name).read_bytes(), name
    with pytest.raises(UserError, match="was trained with seed=0, not 1"):
        train_gait(config(recordings, seed=1), copy, resume=True)


def test_a_model_on_given_encoders_is_no_training_to_resume(trained: Path, recordings: Path, tmp_path: Path) -> None:
    encoders = [trained / "encoders/reverse/best.safetensors"]
    train_gait(config(recordings, recognition={"epochs": 1}), tmp_path / "model", encoders=encoders)
    with pytest.raises(UserError, match="holds no training to resume: no encoder has a state"):
        train_gait(config(recordings), tmp_path / "model", resume=True)


def test_two_trainings_do_not_write_one_model(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    with locked_folder(out, "--out"), pytest.raises(UserError, match="is being written by another process"):
        train_gait(config(recordings), out)
    assert not out.exists()


def test_sequences_of_another_length_are_refused(trained: Path) -> None:
    with pytest.raises(UserError, match="the encoder takes 4 and 14"):
        evaluate_gait(trained, ["data.frames=6"])


def test_too_few_sequences_are_refused(recordings: Path, sequences: SkeletonSequences, tmp_path: Path) -> None:
    one_each = sequences.select(np.unique(sequences.people, return_index=True)[1])
    with pytest.raises(UserError, match="4 to learn from and 0 to judge by"):
        train_encoder(one_each, "reverse", config(recordings), tmp_path / "a")


def test_strangers_are_refused() -> None:
    assert classes_of(np.array([7, 3, 7]), (3, 7), "test").tolist() == [1, 0, 1]
    with pytest.raises(UserError, match="1 people that the training lacks, first 5"):
        classes_of(np.array([7, 5]), (3, 7), "test")


def test_three_encoders_stand_side_by_side_on_each_axis(trained: Path, sequences: SkeletonSequences) -> None:
    encoder = load_encoder(trained / "encoders/reverse/best.safetensors")
    few = sequences.select(np.arange(5))
    alone, thrice = extract([encoder], few), extract([encoder] * 3, few)
    assert alone.shape == (5, 4, 768)
    assert torch.equal(thrice.view(5, 4, 3, 3, 256)[:, :, :, 1], alone.view(5, 4, 3, 256))
    y_of_frame_2 = sequence_features(alone)[:, 4 * 256 + 2 * 256 : 4 * 256 + 3 * 256]
    assert torch.equal(y_of_frame_2, alone[:, 2, 256:512])


def test_tasks_write_what_they_promise() -> None:
    points = torch.arange(3 * 4 * 5 * 2, dtype=torch.float32).view(3, 4, 5, 2)
    rows = following(torch.tensor([True, False, True]))
    assert rows.tolist() == [1, 1, 3, 3]
    after = points[:, rows]
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(task_pair("reverse", points, after, generator)[1], points.flip(2))
    read, wanted = task_pair("prediction", points, after, generator)
    assert torch.equal(read, points)
    assert torch.equal(wanted[:, 0], points[:, 1])
    assert torch.equal(wanted[:, 1], points[:, 1])
    read, wanted = task_pair("sorting", points, after, generator)
    assert torch.equal(wanted, points)
    assert not torch.equal(read, points)
    assert torch.equal(read.sort(2)[0], points)
    # All axes are shuffled alike.
    assert torch.equal(read[0] - read[1], points[0] - points[1])


def test_pairs_of_two_recordings_are_not_drawn_together() -> None:
    vectors = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    paired = torch.tensor([True, True, False, True])
    before = neighbour_contrast(vectors, paired, 0.1)
    assert torch.equal(neighbour_contrast(vectors, torch.zeros(4, dtype=torch.bool), 0.1), torch.zeros(3))
    lonely = torch.tensor([True, True, False, False])
    moved = vectors.clone()
    moved[:, 3:] += 3
    assert torch.equal(neighbour_contrast(vectors, lonely, 0.1), neighbour_contrast(moved, lonely, 0.1))
    assert not torch.equal(before, neighbour_contrast(moved, paired, 0.1))


def test_scores_of_a_recognition_network() -> None:
    scores = np.array([[3.0, 1, 0], [0, 1, 3], [2, 0, 1], [0, 0.5, 4]])
    found = recognition_scores(scores, np.array([0, 1, 2, 2]))
    assert found.rank.tolist() == [0.5, 1, 1]
    assert found.confusion.tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 1]]
    right, wrong = [3, 1, 1, 4], [1, 0, 0, 3, 2, 0, 0, 0.5]
    pairs = [(a > b) + 0.5 * (a == b) for a in right for b in wrong]
    assert found.nauc == pytest.approx(np.mean(pairs))


def test_matching_leaves_out_the_sequence_and_what_shares_skeletons_with_it() -> None:
    probe = torch.tensor([[0.0], [0.1], [5.0], [0.3], [9.0]])
    people = np.array([1, 1, 1, 2, 3])
    assert match_conditions(probe, people, probe, people, np.zeros(4, bool)) == (pytest.approx(2 / 3), 3)
    followed = np.array([True, True, False, False])
    # Row 0 may no longer find row 1, nor row 2; row 1 has only itself and its neighbours.
    assert match_conditions(probe, people, probe, people, followed) == (0.0, 2)
    assert match_conditions(probe[:1], people[:1], probe[3:], people[3:])[1] == 0


def test_figures_are_those_recorded(golden: Callable[[str], Path]) -> None:
    with np.load(golden("cage.npz")) as recorded:
        logits = recorded["rn_logits"].reshape(40, 6, 7).mean(axis=1)
        found = recognition_scores(logits, recorded["rn_labels"])
    assert found.rank == pytest.approx([0.925, 1, 1, 1, 1, 1, 1], abs=1e-9)
    assert found.nauc == pytest.approx(0.989375, abs=1e-9)


def test_every_layout_can_be_asked_for() -> None:
    assert get_args(Layout) == tuple(GAIT_LAYOUTS)
