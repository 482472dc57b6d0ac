"""No test fails because the machine is slow: none has a deadline of its own or looks at a stopwatch."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).resolve().parent
STOPWATCHES = ("monotonic", "perf_counter", "process_time", "thread_time")


def timed(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of every deadline that is set, and every stopwatch that is read."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from ((node.lineno, "deadline") for entry in node.keywords if entry.arg == "deadline")
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name.removesuffix("_ns") in STOPWATCHES:
            yield node.lineno, name


def test_no_test_is_timed() -> None:
    wrong = [
        f"{path.relative_to(TESTS)}:{line} {what}"
        for path in sorted(TESTS.rglob("*.py"))
        if path != TESTS / "conftest.py"
        for line, what in timed(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "code",
    ["@settings(deadline=None)\ndef f(): ...", "time.process_time()", "perf_counter()", "start = time.monotonic_ns()"],
)
def test_the_test_sees_stopwatches(code: str) -> None:
    assert len(list(timed(ast.parse(code)))) == 1


def test_one_profile_holds_for_all() -> None:
    assert settings().deadline is None
    assert HealthCheck.too_slow in settings().suppress_health_check
