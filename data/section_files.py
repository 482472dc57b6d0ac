"""Reads one configuration section from a YAML file, with changes from the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from data.config import Section, explain
from data.errors import UserError

AnySection = TypeVar("AnySection", bound=Section)


def load_section(model: type[AnySection], path: Path, overrides: Sequence[str] = ()) -> AnySection:
    """Read a section.

    Args:
        model: its type.
        path: YAML; keys left out keep their defaults.
        overrides: "key.sub=value" with a YAML value.

    Raises:
        UserError: for a missing or broken file, an unknown key or a value out of range.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{path}: expected keys and values")
    tree = _unshared(tree)
    for override in overrides:
        _set(tree, override)
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise UserError(explain(error, model, str(path))) from None


def _unshared(node: Any) -> Any:
    """A copy without YAML's aliases: a change in one place must not show in another."""
    if isinstance(node, dict):
        return {key: _unshared(value) for key, value in node.items()}
    return [_unshared(value) for value in node] if isinstance(node, list) else node


def _set(tree: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise UserError(f"'{override}' is not key.sub=value")
    *parents, last = key.split(".")
    node = tree
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise UserError(f"'{override}': {parent} holds no keys")
    try:
        node[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(f"'{override}': the value is not valid YAML") from None
