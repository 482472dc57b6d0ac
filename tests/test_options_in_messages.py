"""No message names an option that the command lacks which prints it.

A message of a library module is printed by every command that imports it. So it names options that all of them have,
or says whose option it is: ``pipeline.run --resume``. Looked at are the commands of runs and their folders.
"""

import argparse
import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.import_graph import Graph, import_graph

ROOT = Path(__file__).parents[1]
PACKAGES = ("data", "reid", "st_model", "trackers", "pipeline", "tools")
COMMANDS = (
    "pipeline.run", "tools.ask", "tools.convert", "tools.evaluate_tracking", "tools.forget",
    "tools.inspect_link", "tools.render", "tools.report",
)  # fmt: skip
# What is raised when a site or a data set is made or read by name, which these commands do with arguments of their own.
NOT_THEIRS = ("data.synthetic.", "data.datasets.", "data.calibration_checks", "reid.", "st_model.")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
_OWNER = re.compile(r"(pipeline\.run|tools\.\w+|the scoring tools)")


@pytest.fixture(scope="module")
def modules() -> dict[str, ast.Module]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def messages(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of everything that is raised."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            texts = [
                one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)
            ]
            yield node.lineno, " ".join(texts)


def options_of(command: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every option string that the command's parser is given, sub-commands included."""
    found: set[str] = set()
    container = argparse._ActionsContainer
    original = container._add_action

    def noted(self: argparse._ActionsContainer, action: argparse.Action) -> argparse.Action:
        found.update(action.option_strings)
        return original(self, action)

    monkeypatch.setattr(container, "_add_action", noted)
    with pytest.raises(SystemExit):
        importlib.import_module(command).main(["--help"])
    return found


def reached(start: str, graph: Graph) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += graph[name]
    return seen


@pytest.fixture(scope="module")
def imported(modules: dict[str, ast.Module]) -> Graph:
    return import_graph(modules)


def wrong_messages(command: str, trees: dict[str, ast.Module], imported: Graph, options: set[str]) -> list[str]:
    found = []
    for name in sorted(reached(command, imported)):
        if (name in COMMANDS and name != command) or name.startswith(NOT_THEIRS):
            continue
        for line, text in messages(trees[name]):
            strange = [one for one in _OPTION.findall(text) if one not in options]
            if strange and not _OWNER.search(text):
                found.append(f"{name}:{line}: {', '.join(strange)}")
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_no_message_names_an_option_that_its_command_lacks(
    command: str, modules: dict[str, ast.Module], imported: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = options_of(command, monkeypatch)
    assert "--help" in options
    assert not wrong_messages(command, modules, imported, options)


def test_an_option_of_another_command_is_found() -> None:
    told = 'def f():\n    raise ValueError(f"no {1}; --allow-missing scores it as empty")\n'
    trees = {"pipeline.run": ast.parse("import data.a"), "data.a": ast.parse(told)}
    imported = import_graph(trees)
    assert wrong_messages("pipeline.run", trees, imported, {"--help"}) == ["data.a:2: --allow-missing"]
    assert not wrong_messages("pipeline.run", trees, imported, {"--allow-missing"})
    named = {**trees, "data.a": ast.parse(told.replace("--allow", "tools.evaluate --allow"))}
    assert not wrong_messages("pipeline.run", named, imported, {"--help"})
