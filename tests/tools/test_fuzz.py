"""Damaged files of every kind are read or refused in one line."""

import numpy as np
import pytest

from data.errors import UserError
from tools.fuzz import Tally, main
from tools.fuzzing.mutations import mutate
from tools.fuzzing.reader import Reader
from tools.fuzzing.readers import readers

_SLOW = ("mat file", "video")


@pytest.mark.parametrize("name", [name for name in readers() if name not in _SLOW])
def test_a_few_damaged_files_are_no_tracebacks(name: str) -> None:
    assert main(["--readers", name, "--inputs", "6", "--limit-s", "60"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", list(readers()))
def test_many_damaged_files_are_no_tracebacks(name: str) -> None:
    assert main(["--readers", name, "--inputs", "25" if name == "mat file" else "300", "--limit-s", "60"]) == 0


def test_damage_is_drawn_from_the_seed_alone_and_does_damage() -> None:
    content = b'{"a": [1, 2.5, "x"], "b": {"c": null}}'
    first = [mutate(content, np.random.default_rng(seed)) for seed in range(50)]
    assert first == [mutate(content, np.random.default_rng(seed)) for seed in range(50)]
    assert len(set(first) - {content}) > 40


def test_faults_are_counted_and_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def write(folder: object) -> None:
        (folder / "a.txt").write_text("1 2 3")  # type: ignore[operator]

    def read(folder: object) -> None:
        text = (folder / "a.txt").read_text(errors="replace")  # type: ignore[operator]
        if text.startswith("1 2"):
            raise UserError("one\ntwo") if text != "1 2 3" else ValueError("later")
        raise KeyError(text)

    sound = iter([True])

    def first_is_sound(folder: object) -> None:
        if not next(sound, False):
            read(folder)

    monkeypatch.setattr("tools.fuzzing.readers.readers", lambda: {"bad": Reader("a.txt", write, first_is_sound)})
    assert main(["--inputs", "60"]) == 1
    printed = capsys.readouterr().out
    assert "KeyError in test_fuzz.py" in printed
    assert "several lines: one" in printed
    assert Tally().faults == {}


def test_unknown_readers_are_one_line() -> None:
    with pytest.raises(UserError, match="there is no reader 'x'; there are: mot tracks"):
        main(["--readers", "x"])
