"""Several processes that train together take the steps of one with the whole batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from data.errors import UserError
from reid.training.config import load_training
from reid.training.engine import Trainer
from reid.training.ranks import Ranks
from reid.training.sampler import IdentityBatches
from tests.tiny_crops import write_training_site

CONFIG = """
model: {architecture: kpr, backbone: swin, embed_dim: 16, depths: [1, 1], heads: [1, 2], height: 64, width: 32,
        prompt_groups: cck6, dim: 16, drop_path: 0.0}
parts: five_v
pretrained: none
train: [{root: %(root)s}]
batch: {people: 4, pictures: 2, workers: 0}
augment: {occlude: 0, shift_px: 0, erase: 0}
loss: {use_visibility: true}
optimiser: {kind: sgd, rate: 0.01, clip: 1.0}
schedule: {warmup_epochs: 0, minimum: 0.01}
epochs: 1
precision: fp32
select: {best_on: none}
"""


def lines(folder: Path) -> list[dict[str, float]]:
    told = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "what"} for line in told]


def test_two_processes_take_the_steps_of_one(tmp_path: Path, repository: Path) -> None:
    """Batch norms, triplets over the whole batch, crops without a label and visible parts included."""
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG % {"root": write_training_site(tmp_path / "site", people=5)})
    Trainer(load_training(path), tmp_path / "one", "cpu").run()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "tools.train_reid", "--config", str(path), "--out", str(tmp_path / "two"), "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [*command, "--no-tensorboard"], cwd=repository, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    one, two = lines(tmp_path / "one"), lines(tmp_path / "two")
    assert [line["step"] for line in one] == [line["step"] for line in two], "one process writes"
    assert len(one) == 2
    assert one[0] == pytest.approx(two[0], rel=1e-5), "losses, accuracies and the norm of the gradient"
    # A step of weights that differ in their last bits may choose other triplets, a little.
    assert one[1] == pytest.approx(two[1], rel=2e-3)
    first, second = (load_file(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    assert list(first) == list(second)
    for name, value in first.items():
        assert torch.allclose(value.float(), second[name].float(), rtol=1e-3, atol=2e-5), name
    assert ended.stdout.count("weights: ") == 1
    assert ended.stderr.count("crops of 5 people") == 1


def test_processes_share_the_people_of_a_batch_without_repeats() -> None:
    identities = np.repeat(np.arange(9), 3)
    batches = IdentityBatches(identities, people=4, pictures=2, seed=0).epoch(0).tolist()
    ranks = [Ranks(number, 4) for number in range(4)]
    for batch in batches:
        shares = [rank.own(batch) for rank in ranks]
        assert [row for share in shares for row in share] == batch
        people = [set(identities[share].tolist()) for share in shares]
        assert [len(one) for one in people] == [1, 1, 1, 1]
        assert len(set.union(*people)) == 4
    assert Ranks().own(batches[0]) == batches[0]


def test_random_numbers_differ_between_processes_and_one_process_draws_as_ever() -> None:
    salts = [Ranks(number, 3).salt for number in range(3)]
    assert len(set(salts)) == 3
    assert salts[0] == Ranks().salt == ()
    assert [Ranks(number, 3).leads for number in range(3)] == [True, False, False]


def test_a_batch_that_cannot_be_divided_is_told() -> None:
    with pytest.raises(UserError, match=r"batch\.people=5 cannot be divided among 2 processes"):
        Ranks(0, 2).check_batch(5)
    Ranks().check_batch(5)


def test_processes_that_do_not_find_one_another_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match=r"the 2 processes do not find one another .* start them by torchrun"):
        Ranks.of_torchrun()
