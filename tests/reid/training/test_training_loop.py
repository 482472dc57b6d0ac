"""The loop of every training, on a network of three numbers: what it keeps, skips, chooses and says."""

import json
import logging
import os
import signal
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from data.config import Section
from data.errors import UserError
from data.records import IntArray
from data.training_folder import InterruptedTraining, TrainingFolder
from reid.training.loop import LoopConfig
from reid.training.memory import smaller_batch
from reid.training.scored import Scored, ScoredLoop
from reid.training.selection import SelectConfig

STEPS = 4


class Config(Section):
    rate: float = 0.1
    epochs: int = 3
    test: str = "first"


@dataclass(frozen=True)
class Numbers:
    values: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def first(self, count: int) -> "Numbers":
        return Numbers(self.values[:count])


class Epochs:
    """Four batches of two numbers each, or else."""

    def __init__(self, size: int = 2) -> None:
        self._size = size

    def epoch(self, number: int) -> IntArray:
        return np.random.default_rng(number).permutation(2 * STEPS).reshape(-1, self._size)


class Reader:
    """Numbers are their own rows; ``size`` gives batches of another."""

    closed = False
    size = 0

    def read(self, rows: Sequence[Sequence[int]]) -> Generator[Numbers]:
        for row in rows:
            yield Numbers(torch.tensor(list(range(self.size)) or row).float()[:, None])

    def close(self) -> None:
        self.closed = True


class Line(ScoredLoop[nn.Sequential, Numbers]):
    """Learns to double numbers; ``poison`` and ``room`` make a step or a batch fail."""

    def __init__(
        self, folder: Path, resume: bool = False, tested: bool = True, norm: bool = True, size: int = 2, **changed: Any
    ) -> None:
        settings: dict[str, Any] = {
            "epochs": 3, "save_every": 100, "clip": 0.0, "seed": 1, "accumulate": 1, "ema": 0.0,
        }  # fmt: skip
        select, every = changed.pop("select", SelectConfig(best_on="validation")), changed.pop("evaluate_every", 1)
        config = Config(epochs=changed.get("epochs", 3), test=changed.pop("test", "first"))
        settings |= changed
        torch.manual_seed(0)
        middle = nn.BatchNorm1d(1, affine=False) if norm else nn.Identity()
        model = nn.Sequential(nn.Linear(1, 1), middle, nn.Linear(1, 1))
        kept = TrainingFolder(folder, config, counted="step", resume=resume, may_change=("epochs", "test"))
        optimiser = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
        super().__init__(LoopConfig(**settings), select, every, kept, model, optimiser, Epochs(size), Reader())
        self.has_test = tested
        self.poison: set[int] = set()
        self.room = 1000
        self.worths: Mapping[str, Sequence[float]] = {}
        self.scored: list[tuple[Scored, float]] = []
        self.broken = False
        self.kill_at = -1
        if resume:
            self._restore()

    @property
    def _tested(self) -> bool:
        return self.has_test

    def _begin(self) -> None:
        logging.getLogger(__name__).info("eight numbers")

    def _set_rates(self, epoch: float) -> float:
        return 0.1

    def _learn(self, batch: Numbers, generator: torch.Generator) -> tuple[Tensor, dict[str, float | Tensor]]:
        if len(batch) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore lines")
        if self._step == self.kill_at:
            os.kill(os.getpid(), signal.SIGTERM)
        values = batch.values * float("nan") if self._step in self.poison else batch.values
        loss = (self.model(values) - 2 * batch.values).square().mean()
        return loss, {"half": loss.detach() / 2, "whole": 1.0}

    def _evaluate(self, scored: Scored) -> dict[str, float]:
        if self.broken:
            raise UserError("the test set is gone")
        self.scored.append((scored, float(self.judged[0].weight.detach())))
        worths = self.worths.get(scored, [0.1 * epoch for epoch in range(1, 50)])
        return {"mAP": worths[min(self._epoch, len(worths)) - 1]}

    def _worth(self, scores: Mapping[str, float]) -> float:
        return scores["mAP"]

    def _export(self, path: Path, told: Mapping[str, str]) -> None:
        save_file(dict(self.judged.state_dict()), path, metadata={"told": json.dumps(told)})

    def _load(self, path: Path) -> None:
        self.judged.load_state_dict(load_file(path))

    def _smaller(self, pictures: int) -> str:
        return f"batch.people={pictures}"


def lines(folder: Path, what: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in told if line["what"] == what]


def weight(path: Path) -> float:
    return float(load_file(path)["0.weight"])


def test_the_best_is_chosen_on_what_was_held_out_and_only_that_is_tested(tmp_path: Path) -> None:
    loop = Line(tmp_path)
    loop.worths = {"validation": [0.3, 0.9, 0.5], "test": [0.7]}
    assert loop.run() == {"mAP": 0.7}
    assert [name for name, _ in loop.scored] == ["validation", "validation", "validation", "test"]
    assert [line["mAP"] for line in lines(tmp_path, "validation")] == [0.3, 0.9, 0.5]
    assert weight(tmp_path / "best.safetensors") == loop.scored[1][1] == loop.scored[3][1]
    assert weight(tmp_path / "last.safetensors") == loop.scored[2][1] == float(loop.model[0].weight.detach())
    assert not (tmp_path / "best_on_test.safetensors").exists()


def test_without_a_test_set_the_best_validation_is_told(tmp_path: Path) -> None:
    loop = Line(tmp_path, tested=False)
    loop.worths = {"validation": [0.3, 0.9, 0.5]}
    assert loop.run() == {"validation_mAP": 0.9}


def test_the_best_on_the_test_set_says_so_in_its_name(tmp_path: Path) -> None:
    loop = Line(tmp_path, select=SelectConfig(best_on="test"))
    loop.worths = {"test": [0.3, 0.9, 0.5]}
    assert loop.run() == {"mAP": 0.5}
    assert weight(tmp_path / "best_on_test.safetensors") == loop.scored[1][1]
    assert not (tmp_path / "best.safetensors").exists()


def test_with_nothing_to_choose_the_test_set_is_only_looked_at(tmp_path: Path) -> None:
    loop = Line(tmp_path, select=SelectConfig(best_on="none"), evaluate_every=2)
    loop.run()
    assert [line["epoch"] for line in lines(tmp_path, "test")] == [2, 3]
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == ["last.safetensors"]


def test_training_ends_when_scorings_are_no_better_for_long(tmp_path: Path) -> None:
    loop = Line(tmp_path, epochs=20, select=SelectConfig(best_on="validation", patience=2))
    loop.worths = {"validation": [0.3, 0.9, 0.5, 0.9, 1.0]}
    loop.run()
    assert len(lines(tmp_path, "validation")) == 4, "as good as before is no better"
    assert len(lines(tmp_path, "train")) == 4 * STEPS
    other = Line(tmp_path / "steady", epochs=6, select=SelectConfig(best_on="validation", patience=2))
    other.run()
    assert len(lines(tmp_path / "steady", "validation")) == 6


def test_a_scoring_that_fails_loses_no_epoch_and_is_made_up_for(tmp_path: Path) -> None:
    whole = Line(tmp_path / "whole")
    whole.run()
    loop = Line(tmp_path / "cut")
    loop.broken = True
    with pytest.raises(UserError, match="the test set is gone"):
        loop.run()
    assert len(lines(tmp_path / "cut", "train")) == STEPS
    Line(tmp_path / "cut", resume=True).run()
    for name in ("log.jsonl", "last.safetensors", "best.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes(), name


def test_a_finished_training_is_neither_scored_nor_logged_again(tmp_path: Path) -> None:
    scores = Line(tmp_path).run()
    log = (tmp_path / "log.jsonl").read_bytes()
    again = Line(tmp_path, resume=True)
    assert again.run() == scores
    assert (tmp_path / "log.jsonl").read_bytes() == log
    assert not again.scored
    longer = Line(tmp_path, resume=True, epochs=4)
    longer.run()
    assert len(lines(tmp_path, "train")) == 4 * STEPS
    assert [name for name, _ in longer.scored] == ["validation", "test"]


@pytest.mark.parametrize("best_on", ["validation", "test", "none"])
def test_a_finished_training_is_scored_anew_on_another_test_set(tmp_path: Path, best_on: str) -> None:
    select = SelectConfig.model_validate({"best_on": best_on})
    Line(tmp_path, select=select).run()
    again = Line(tmp_path, resume=True, select=select, test="second")
    again.worths = {"test": [0.07] * 9}
    assert again.run()["mAP"] == 0.07
    assert [name for name, _ in again.scored] == ["test"]
    assert Line(tmp_path, resume=True, select=select, test="second").run()["mAP"] == 0.07


def test_a_training_that_is_to_end_earlier_than_it_is_is_scored(tmp_path: Path) -> None:
    nothing: dict[str, Any] = {"select": SelectConfig(best_on="none"), "evaluate_every": 0}
    Line(tmp_path, **nothing).run(stop_after=2 * STEPS + 1)
    shorter = Line(tmp_path, resume=True, epochs=1, **nothing)
    assert set(shorter.run()) == {"mAP"}
    assert len(shorter.scored) == 1


def test_steps_that_are_not_finite_leave_no_trace(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loop = Line(tmp_path, ema=0.9)
    loop.poison = {0, 1}
    before = {name: value.clone() for name, value in loop.model.state_dict().items()}
    loop.run(stop_after=2)
    after, averaged = loop.model.state_dict(), loop.judged.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before), "running statistics too"
    assert all(torch.equal(before[name], averaged[name]) for name in before)
    told = lines(tmp_path, "train")
    assert [line["skipped"] for line in told] == [1, 1]
    assert "loss" not in told[0]
    assert caplog.text.count("is not finite at step 0, which is skipped") == 1
    loop = Line(tmp_path, resume=True)
    loop.run()
    assert all(np.isfinite(line["loss"]) for line in lines(tmp_path, "train")[2:])


def test_losses_that_are_never_finite_end_training_in_one_line(tmp_path: Path) -> None:
    loop = Line(tmp_path, epochs=30)
    loop.poison = set(range(5, 1000))
    with pytest.raises(
        UserError, match=r"has not been finite for 21 steps up to step 25: lower optimiser\.rate"
    ) as told:
        loop.run()
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("room", "message"), [(3, r"2 would fit: set batch\.people=2$"), (1, "no smaller one fits")])
def test_a_batch_too_large_for_the_memory_is_one_line_with_one_that_fits(
    tmp_path: Path, room: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Line(tmp_path)
    monkeypatch.setattr(Reader, "size", 8)
    loop.room = room
    with pytest.raises(
        UserError, match=r"out of memory on cpu at step 0, with 8 pictures in a batch; " + message
    ) as told:
        loop.run()
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("fits", "processes", "setting"),
    [
        (32, 1, "batch.people=8 batch.accumulate=2"),
        (9, 1, "batch.people=2 batch.accumulate=8"),
        (4, 1, "batch.people=2 batch.pictures=2 batch.accumulate=16"),
        (3, 1, ""),
        (32, 4, "batch.people=8 batch.accumulate=2"),
        (8, 4, "batch.people=4 batch.pictures=2 batch.accumulate=8"),
        (7, 4, ""),
    ],
)
def test_the_batch_that_is_told_fits_and_its_steps_are_as_large(fits: int, processes: int, setting: str) -> None:
    assert smaller_batch(fits, 16, 4, 1, processes) == setting


def test_other_failures_are_no_lack_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Line(tmp_path)
    monkeypatch.setattr(loop, "_learn", lambda *_: (_ for _ in ()).throw(RuntimeError("a mistake of ours")))
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        loop.run()


def test_a_signal_ends_the_step_at_work_and_saves(tmp_path: Path) -> None:
    Line(tmp_path / "whole").run()
    loop = Line(tmp_path / "cut")
    loop.kill_at = 5
    with pytest.raises(InterruptedTraining, match=r"stopped after step 6, saved in .*cut; go on with --resume$"):
        loop.run()
    assert loop._loader.closed, "workers are let go before the process ends"  # type: ignore[attr-defined]
    assert len(lines(tmp_path / "cut", "train")) == 6
    assert (tmp_path / "cut" / "curves.png").stat().st_size > 1000
    Line(tmp_path / "cut", resume=True).run()
    for name in ("log.jsonl", "last.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes(), name


def test_gradients_of_several_batches_make_one_step(tmp_path: Path) -> None:
    """Without the norm, whose statistics are a batch's, two batches of two are one of four."""
    nothing = SelectConfig(best_on="none")
    one = Line(tmp_path / "one", epochs=1, norm=False, size=4, select=nothing)
    several = Line(tmp_path / "several", epochs=1, norm=False, accumulate=2, select=nothing)
    for loop in (one, several):
        loop.run()
    assert one.model[0].weight.item() == pytest.approx(several.model[0].weight.item(), rel=1e-5)
    untouched = Line(tmp_path / "untouched", norm=False)
    assert untouched.model[0].weight.item() != pytest.approx(one.model[0].weight.item(), rel=1e-3)
    assert len(lines(tmp_path / "several", "train")) == 2
    loop = Line(tmp_path / "rest", epochs=1, accumulate=3)
    loop.run()
    assert len(lines(tmp_path / "rest", "train")) == 2, "the rest of an epoch is a step too"


def test_an_average_of_the_weights_is_scored_written_and_resumed(tmp_path: Path) -> None:
    plain = Line(tmp_path / "plain")
    plain.run()
    whole = Line(tmp_path / "whole", ema=0.5)
    whole.run()
    assert torch.equal(plain.model[0].weight, whole.model[0].weight), "training is the same"
    assert weight(tmp_path / "whole" / "last.safetensors") == float(whole.judged[0].weight)
    assert whole.scored[0][1] != plain.scored[0][1]
    Line(tmp_path / "cut", ema=0.5).run(stop_after=6)
    Line(tmp_path / "cut", ema=0.5, resume=True).run()
    for name in ("log.jsonl", "last.safetensors", "best.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes(), name


def test_the_log_of_a_step_holds_what_was_told_of_it(tmp_path: Path) -> None:
    Line(tmp_path, accumulate=2).run(stop_after=1)
    line = lines(tmp_path, "train")[0]
    assert line["half"] == pytest.approx(line["loss"] / 2)
    assert (line["whole"], line["rate"], line["step"], line["epoch"]) == (1.0, 0.1, 1, 0)
    assert line["gradient_norm"] > 0


def test_progress_tells_epoch_loss_and_rate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Line(tmp_path).run()
    told = next(record.message for record in caplog.records if record.message.startswith("12 of 12 steps"))
    assert "epoch 3 of 3, loss " in told
    assert told.endswith("rate 0.1")
    assert "eight numbers" in (tmp_path / "log.txt").read_text()


def test_patience_needs_something_to_wait_for() -> None:
    with pytest.raises(ValueError, match="best_on: none leaves nothing to wait for"):
        SelectConfig(best_on="none", patience=3)
