"""What a newcomer meets first is well formed and agrees with the code."""

import configparser
import re
from pathlib import Path

import pytest
import yaml

HOME = Path(__file__).resolve().parent.parent
TEMPLATES = sorted((HOME / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def version() -> str:
    parser = configparser.ConfigParser()
    parser.read(HOME / "setup.cfg", encoding="utf-8")
    return parser["metadata"]["version"]


def test_the_citation_names_this_version_and_whom_it_rests_on() -> None:
    citation = yaml.safe_load((HOME / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == version()
    for reference in citation["references"]:
        assert {"type", "title", "authors", "year"} <= set(reference)
        for path in re.findall(r"\b(?:reid|st_model|pipeline|trackers)/[\w/.]*", reference["notes"]):
            assert (HOME / path).exists(), path


def test_the_changelog_ends_with_what_was_released() -> None:
    text = (HOME / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", text, re.MULTILINE)[:2] == ["Unreleased", version()]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_issue_templates_are_forms(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.stem == "config":
        assert form["blank_issues_enabled"] is True
        return
    assert {"name", "description", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_hooks_run_the_tools_of_the_environment() -> None:
    (repository,) = yaml.safe_load((HOME / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    entries = {hook["id"]: hook["entry"] for hook in repository["hooks"]}
    assert {"ruff", "ruff-format", "mypy"} <= set(entries)
    assert all(entry.startswith(".venv/bin/") for entry in entries.values())
