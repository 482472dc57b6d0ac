"""Reads one configuration section from a YAML file, with changes from the command line."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from data.config import Section, validated
from data.errors import UserError
from data.foreign import parse_yaml, read_yaml

AnySection = TypeVar("AnySection", bound=Section)

_BASE = "base"


def load_section(model: type[AnySection], path: Path, overrides: Sequence[str] = ()) -> AnySection:
    """Read a section.

    Args:
        model: its type.
        path: YAML; keys left out keep their defaults, or what the file named by ``base`` has, which lies beside.
        overrides: "key.sub=value" with a YAML value.

    Raises:
        UserError: for a missing or broken file, an unknown key or a value out of range, and files that are one
            another's base.
    """
    tree = _read_tree(path, ())
    for override in overrides:
        merge(tree, parse_override(override))
    return validated(model, tree, str(path))


def _read_tree(path: Path, above: tuple[Path, ...]) -> dict[Any, Any]:
    """The tree of a file, put over that of its base; ``above`` are the files whose base it is."""
    if path.resolve() in above:
        raise UserError(f"{path}: base leads back to this file")
    tree = read_yaml(path) or {}
    if not isinstance(tree, dict):
        raise UserError(f"{path}: expected keys and values")
    tree = _unshared(tree)
    base = tree.pop(_BASE, None)
    if base is None:
        return tree
    if not isinstance(base, str):
        raise UserError(f"{path}: base: name one YAML file, not {base!r}")
    whole = _read_tree(path.parent / base, (*above, path.resolve()))
    merge(whole, tree)
    return whole


def _unshared(node: Any) -> Any:
    """A copy without YAML's aliases: a change in one place must not show in another."""
    if isinstance(node, dict):
        return {key: _unshared(value) for key, value in node.items()}
    return [_unshared(value) for value in node] if isinstance(node, list) else node


def parse_override(override: str) -> dict[str, Any]:
    """The patch that "key.sub=value" stands for.

    Raises:
        UserError: when it is none, or its value is no YAML.
    """
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        cure = "write key.sub=value, for example run.batch_frames=16"
        if os.path.exists(override) or "://" in override:
            cure = f"inputs follow their option: --videos {override}"
        raise UserError(f"'{override}' is not an override; {cure}")
    value = parse_yaml(text, f"the value of override '{override}'")
    for name in reversed(key.strip().split(".")):
        value = {name: value}
    patch: dict[str, Any] = value
    return patch


def merge(tree: dict[Any, Any], patch: Mapping[Any, Any]) -> None:
    """Change a tree in place; mappings are merged, entries of a list are named by their number from 0, else replaced.

    Raises:
        UserError: when a list has no entry of that number.
    """
    for key, value in patch.items():
        there = tree.get(key)
        if isinstance(value, dict) and isinstance(there, dict):
            merge(there, value)
        elif isinstance(there, list) and _is_numbered(value):
            entries = dict(enumerate(there))
            numbered = {int(number): entry for number, entry in value.items()}
            absent = [number for number in numbered if number not in entries]
            if absent:
                last = f"0 to {len(there) - 1}" if there else "none"
                raise UserError(f"{key} has no entry {absent[0]} to change; there are: {last}")
            merge(entries, numbered)
            tree[key] = list(entries.values())
        else:
            tree[key] = value


def _is_numbered(patch: Any) -> bool:
    """Whether a patch came from ``key.0.sub=value``."""
    return isinstance(patch, dict) and bool(patch) and all(isinstance(key, str) and key.isdecimal() for key in patch)
