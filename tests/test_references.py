"""What comments and documents refer to is in the repository, or is a paper."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_architecture import HOME, MAY_IMPORT, relative, texts

FOLDERS = "|".join(("docs", "examples", *MAY_IMPORT))
NAMED_FILE = re.compile(
    rf"(?<![\w/.<>{{}}*+-])(?:(?:{FOLDERS})/[\w/.-]*\w\.(?:md|py|ya?ml|json|safetensors)\b|[A-Z][\w-]*\.(?:md|cff)\b)"
)
UNNAMED_DOCUMENT = re.compile(
    r"\bDESIGN\b(?!\.md)|\([Ss]pecs?(?: section)? \d|\([Ss]pecs?: [A-Z][\w-]* \d|\b[Ss]pec section"
    r"|\bsections? [\d.]+ of (?:the|our) (?:design|spec)"
)
MADE_BY_THE_COMMAND_SHOWN = {"configs/synthetic/heldout6.yaml"}


def absent(text: str, home: Path) -> Iterator[tuple[int, str]]:
    """Line and words of every reference to a file or document of ours that the repository does not hold."""
    for match in NAMED_FILE.finditer(text):
        if not (home / match[0]).exists() and match[0] not in MADE_BY_THE_COMMAND_SHOWN:
            yield text[: match.start()].count("\n") + 1, match[0]
    for match in UNNAMED_DOCUMENT.finditer(text):
        yield text[: match.start()].count("\n") + 1, match[0]


def test_what_is_referred_to_is_here() -> None:
    """Tests are left out: they name files that they make themselves."""
    wrong = [
        f"{relative(path)}:{line} {words}"
        for path in texts()
        if not relative(path).startswith("tests/")
        for line, words in absent(path.read_text(encoding="utf-8"), HOME)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "as in DESIGN.md",
        "see `docs/nowhere.md`",
        "(DESIGN 5.3)",
        "which parts can be seen (spec section 2.9)",
        "query, to item i (specs 2.1, step 2)",
        "of the lag bin (specs: ST-ReID 1.3)",
        "Spec section 2.2, one after the other",
        "section 5 of the design",
    ],
)
def test_the_test_sees_absent_documents(text: str) -> None:
    assert [line for line, _ in absent(f"first line\n{text}", HOME)] == [2]


def test_the_test_lets_papers_and_names_pass() -> None:
    text = "Zhong et al., CVPR 2017, section 3.2; docs/architecture.md; the spec of a camera; f(specs: Sequence[Spec])"
    assert list(absent(text, HOME)) == []


def test_every_room_is_in_the_architecture_with_its_own_words() -> None:
    """A row per package: its folder, and the first line of its docstring."""
    text = (HOME / "docs" / "architecture.md").read_text(encoding="utf-8")
    lacking = []
    for path in sorted(path for package in MAY_IMPORT for path in (HOME / package).rglob("__init__.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        row = f"| `{relative(path.parent)}/` | {docstring.splitlines()[0].replace('``', '`')} |"
        if row not in text:
            lacking.append(row)
    assert not lacking, "\n".join(lacking)
