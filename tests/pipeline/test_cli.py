"""What all command lines share."""

import gc
from collections.abc import Iterator, Sequence

import pytest

from pipeline.cli import run

_USUAL = (700, 10, 10)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before, heard = gc.get_threshold(), list(gc.callbacks)
    gc.set_threshold(*_USUAL)
    yield
    gc.set_threshold(*before)
    gc.callbacks[:] = heard


def test_garbage_is_looked_for_as_ever_once_all_is_loaded() -> None:
    """Loading makes many objects and no garbage; what comes after the first search is as the interpreter has it."""
    counted: list[int] = []

    def main(_: Sequence[str] | None) -> int:
        before = [one["collections"] for one in gc.get_stats()]
        kept = [[number] for number in range(100_000)]
        counted.append(sum(one["collections"] for one in gc.get_stats()) - sum(before))
        kept += [[number] for number in range(400_000)]
        assert gc.get_threshold() == _USUAL
        return len(kept) > 0 and 0

    assert run(main, []) == 0
    assert counted == [0]
    assert gc.get_threshold() == _USUAL


def test_command_lines_in_one_process_do_not_keep_the_later_threshold() -> None:
    for _ in range(2):
        assert run(lambda _: 0, []) == 0
    gc.collect()
    assert gc.get_threshold() == _USUAL


def test_who_collects_no_garbage_is_left_alone() -> None:
    gc.set_threshold(0)
    assert run(lambda _: 0, []) == 0
    assert gc.get_threshold()[0] == 0
