"""What libraries say is told in one line, whatever they say."""

import pytest

from data.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("bad\nand more"), "bad"),
        (ValueError("\n  bad\r\nmore"), "bad"),
        (MemoryError(), "MemoryError"),
        (RuntimeError(" \n"), "RuntimeError"),
        (KeyError("name"), "'name'"),
    ],
)
def test_the_first_line_or_the_kind_of_an_error_that_says_nothing(error: Exception, line: str) -> None:
    assert first_line(error) == line
