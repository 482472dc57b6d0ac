"""What a training leaves behind, and what another process may go on from."""

import json
import logging
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import torch
import yaml

from data.atomic import replacing
from data.config import Section
from data.errors import UserError
from data.training_folder import BEST, CONFIG, LAST, LOG, STATE, TOLD, TrainingFolder, differences


class Batch(Section):
    size: int = 2
    workers: int = 0


class Config(Section):
    rate: float = 0.1
    save_every: int = 10
    batch: Batch = Batch()


MAY_CHANGE = ("save_every", "batch.workers")


def folder(root: Path, config: Config | None = None, **options: Any) -> TrainingFolder:
    settings = {"counted": "step", "may_change": MAY_CHANGE, "data": {"pictures": "abc"}} | options
    return TrainingFolder(root, config or Config(), **settings)


def trained(root: Path, steps: int = 3) -> None:
    training = folder(root)
    with training.writing():
        for step in range(1, steps + 1):
            training.note({"step": step})
        training.save({"step": steps, "weights": torch.arange(1000.0)})


def resumed(root: Path, config: Config | None = None, **options: Any) -> dict[str, Any]:
    with folder(root, config, resume=True, **options).resuming() as state:
        return dict(state)


def steps(root: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (root / LOG).read_text().splitlines()]


def test_the_state_comes_back_and_the_configuration_lies_beside_it(tmp_path: Path) -> None:
    trained(tmp_path)
    state = resumed(tmp_path)
    assert state["step"] == 3
    assert torch.equal(state["weights"], torch.arange(1000.0))
    assert Config.model_validate(yaml.safe_load((tmp_path / CONFIG).read_text())) == Config()


def test_lines_after_the_saved_state_are_dropped(tmp_path: Path) -> None:
    trained(tmp_path)
    folder(tmp_path, resume=True).note({"step": 4})
    with (tmp_path / LOG).open("a") as stream:
        stream.write('no object\n{"epoch": 1}\n{"step": 3, "lo')
    training = folder(tmp_path, resume=True)
    with training.resuming():
        pass
    assert len((tmp_path / LOG).read_text().splitlines()) == 7, "not before the training goes on"
    with training.writing():
        assert steps(tmp_path) == [1, 2, 3]


def test_a_training_is_neither_overwritten_nor_made_up(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no training to resume: there is no state\.pt"):
        folder(tmp_path, resume=True)
    trained(tmp_path)
    with pytest.raises(UserError, match="holds a training already"):
        folder(tmp_path)
    again = folder(tmp_path, overwrite=True)
    (tmp_path / BEST).touch()
    assert steps(tmp_path) == [1, 2, 3], "nothing is lost before the new training begins"
    with again.writing():
        assert steps(tmp_path) == []
        assert not (tmp_path / STATE).exists()
        assert not (tmp_path / BEST).exists(), "weights of another training"


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"rate": 0.2}, {}, r"trained with rate=0\.1, not 0\.2; give the same"),
        ({"batch": Batch(size=3, workers=4)}, {}, r"trained with batch\.size=2, not 3; give"),
        ({"rate": 0.2, "batch": Batch(size=3)}, {}, r"with rate=0\.1, not 0\.2 \(and other batch\.size\); give"),
        ({}, {"data": {"pictures": "abd"}}, "other pictures"),
        ({}, {"data": {"network": "new"}}, "other network"),
    ],
)
def test_another_training_is_not_resumed(
    tmp_path: Path, change: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    trained(tmp_path)
    with pytest.raises(UserError, match=message):
        resumed(tmp_path, Config(**change), **options)


def test_what_may_change_may_change_and_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trained(tmp_path)
    caplog.set_level("INFO")
    assert resumed(tmp_path, Config(save_every=1, batch=Batch(workers=4)))["step"] == 3
    assert [record.message for record in caplog.records] == [
        "goes on with save_every=1, which was 10",
        "goes on with batch.workers=4, which was 0",
    ]
    assert resumed(tmp_path, Config(batch=Batch(size=3)), may_change=("batch",))["step"] == 3
    assert resumed(tmp_path, Config(batch=Batch(size=3)), may_change=("*.size",))["step"] == 3


def test_differences_are_named_by_their_place() -> None:
    before = {"a": 1, "b": [{"c": 1}, {"c": 2}], "d": None, "gone": 1}
    after = {"a": 1, "b": [{"c": 1}, {"c": 3}], "d": {"e": 1}, "came": 2}
    assert differences(before, after) == [
        ("b.1.c", 2, 3), ("d", None, {"e": 1}), ("gone", 1, None), ("came", None, 2),
    ]  # fmt: skip
    assert differences({"a": [1]}, {"a": [1, 2]}) == [("a", [1], [1, 2])]
    assert not differences(before, before)


def test_a_key_that_came_later_has_its_default_in_an_old_state(tmp_path: Path) -> None:
    trained(tmp_path)
    state = torch.load(tmp_path / STATE, weights_only=True)
    torch.save(state | {"config": '{"rate": 0.1}'}, tmp_path / STATE)
    assert resumed(tmp_path)["step"] == 3
    torch.save(state | {"config": '{"speed": 0.1}'}, tmp_path / STATE)
    with pytest.raises(UserError, match=r"trained by another version.* unknown key 'speed'"):
        resumed(tmp_path)


def shortened(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("no state")


def a_flipped_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    place = content.index(torch.tensor(500.0).numpy().tobytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


def another_archive(path: Path) -> None:
    with ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", "cos\nsystem\n.")


def another_state(path: Path) -> None:
    torch.save({"step": 1}, path)


def a_list(path: Path) -> None:
    torch.save([1], path)


DAMAGES = (shortened, emptied, text, a_flipped_bit, another_archive, another_state, a_list)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_a_damaged_state_is_one_helpful_line(tmp_path: Path, damage: Any) -> None:
    trained(tmp_path)
    damage(tmp_path / STATE)
    with pytest.raises(UserError, match=r"state\.pt is damaged, or no state of this training .*another folder") as told:
        resumed(tmp_path)
    assert "\n" not in str(told.value)
    assert steps(tmp_path) == [1, 2, 3]


def test_a_state_that_does_not_fit_is_told_the_same_way(tmp_path: Path) -> None:
    trained(tmp_path)
    network = torch.nn.Linear(2, 2)
    with pytest.raises(UserError, match="is damaged"), folder(tmp_path, resume=True).resuming() as state:
        network.load_state_dict({"weight": state["weights"]})


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write to .*choose another folder"):
        folder(tmp_path / "file" / "inside").writing().__enter__()


def test_two_trainings_do_not_write_into_one_folder(tmp_path: Path) -> None:
    late = folder(tmp_path)
    first = folder(tmp_path)
    with first.writing():
        first.note({"step": 1})
        with pytest.raises(UserError, match="being written by another process"), late.writing():
            pass
        first.save({"step": 1})
    with pytest.raises(UserError, match="holds a training already"), late.writing():
        pass
    assert steps(tmp_path) == [1]


def test_only_the_leading_process_writes(tmp_path: Path) -> None:
    follower = folder(tmp_path / "run", leads=False)
    with follower.writing():
        follower.note({"step": 1})
        follower.save({"step": 1})
    assert not (tmp_path / "run").exists()


def test_what_is_said_is_kept_without_secrets(tmp_path: Path) -> None:
    trained(tmp_path)
    logger = logging.getLogger("data.training_folder")
    training = folder(tmp_path, resume=True)
    with training.writing():
        logger.warning("from rtsp://me:secret@camera")
    logger.warning("afterwards")
    told = (tmp_path / TOLD).read_text()
    assert "WARNING from rtsp://***@camera" in told
    assert "afterwards" not in told


def test_files_are_readable_as_others_that_the_user_makes(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    trained(tmp_path)
    training = folder(tmp_path, resume=True)
    with training.writing(), training.storing(), replacing(training.last) as temporary:
        save_file({"a": torch.zeros(1)}, temporary)
    (tmp_path / "usual").touch()
    usual = (tmp_path / "usual").stat().st_mode
    for name in (CONFIG, LOG, TOLD, STATE, LAST):
        assert (tmp_path / name).stat().st_mode == usual, name


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left"),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos"), "the disk is full or fails"),
    ],
)
def test_a_full_disk_keeps_the_state_from_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    trained(tmp_path)

    def full(_state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(UserError, match=rf"{reason}.*--resume"):
        folder(tmp_path, resume=True).save({"step": 4})
    assert resumed(tmp_path)["step"] == 3
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_disk_that_fills_up_within_an_epoch_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    training = folder(tmp_path)
    with training.writing():
        monkeypatch.setattr(Path, "open", full)
        with pytest.raises(UserError, match=r"No space left on device\); make room and start again") as told:
            training.note({"step": 1})
        with pytest.raises(UserError, match="No space left"), training.storing():
            full()
    assert "\n" not in str(told.value)
