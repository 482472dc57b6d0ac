"""What a newcomer meets first is well formed and agrees with the code."""

import configparser
import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import pipeline
from data.records import GlobalTrack, Visit

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


def documents() -> list[Path]:
    return [*sorted(HOME.glob("*.md")), *sorted((HOME / "docs").rglob("*.md"))]


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a document: lower case, hyphens for spaces, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(path: Path, text: str) -> list[str]:
    """Links of a document at ``path`` to files that are not there, or to headings that the file does not have."""
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", text)
    dead = []
    for name, anchor in links:
        target = path.parent / name if name else path
        if not target.exists():
            dead.append(name)
        elif anchor and anchor not in anchors(target.read_text(encoding="utf-8") if name else text):
            dead.append(f"{name}#{anchor}")
    return dead


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    assert dead_links(path, path.read_text(encoding="utf-8")) == []


def test_the_test_sees_dead_links() -> None:
    there = "# One: a `b`\n[here](#one-a-b) [whole](docs/limits.md)"
    text = f"{there} [gone](#two) [absent](nowhere.md) [changed](docs/limits.md#nothing)"
    assert dead_links(HOME / "README.md", text) == ["#two", "nowhere.md", "docs/limits.md#nothing"]


def test_the_readme_is_a_front_door() -> None:
    text = (HOME / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 160
    assert "make demo" in text
    pictures = [HOME / link for link in re.findall(r"!\[.+?\]\((.+?)\)", text)]
    assert pictures
    assert all(path.stat().st_size < 400_000 for path in pictures)


def test_the_python_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (HOME / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    signature = inspect.signature(pipeline.track_videos)
    people = (GlobalTrack(7, (Visit("hall", 0, 1.5, 2.5), Visit("door", 3, 9.0, 12.0)), 0.9),)

    def track(*values: object, **options: object) -> SimpleNamespace:
        signature.bind(*values, **options)
        return SimpleNamespace(global_tracks=people)

    monkeypatch.setattr(pipeline, "track_videos", track)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == "7 [('hall', 1.5, 2.5), ('door', 9.0, 12.0)]\n"
