"""Progress goes by what is done: a guess that was wrong is dropped, and the end is the end."""

import logging

import pytest

from data.runtime.progress import Progress


def _last(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.messages[-1].partition(",")[0]


@pytest.fixture(autouse=True)
def _plain_lines(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    caplog.set_level(logging.INFO)


@pytest.mark.parametrize("guess", [100, 480, 10**9, None])
def test_at_the_end_all_is_done_whatever_was_expected(guess: int | None, caplog: pytest.LogCaptureFixture) -> None:
    with Progress("tracking", "frame", guess) as progress:
        progress.advance(480)
        progress.finish()
    assert _last(caplog) == "480 of 480 frames"


def test_more_than_was_expected_is_no_share_of_it(caplog: pytest.LogCaptureFixture) -> None:
    with Progress("tracking", "frame", 100) as progress:
        progress.advance(101)
    assert _last(caplog) == "101 frames"


def test_what_stops_early_says_what_is_left(caplog: pytest.LogCaptureFixture) -> None:
    with Progress("tracking", "frame", 100) as progress:
        progress.advance(40)
    assert _last(caplog) == "40 of 100 frames"


def test_a_bar_does_not_stand_at_its_end_while_work_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Progress("tracking", "frame", 100) as progress:
        progress.advance(150)
    assert "100%" not in capsys.readouterr().err
    with Progress("tracking", "frame", 100) as progress:
        progress.advance(50)
        progress.finish()
    assert "50/50" in capsys.readouterr().err
