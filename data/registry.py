"""Named components that are imported only when they are chosen."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from data.errors import UserError


def resolve(kind: str, name: str, entries: Mapping[str, str]) -> Any:
    """Import the object registered under a name.

    Args:
        kind: what is looked up, for the error message ("detector").
        name: the key chosen by the user.
        entries: name -> "package.module:attribute".

    Raises:
        UserError: for an unknown name; the message lists what there is.
    """
    target = entries.get(name)
    if target is None:
        near = get_close_matches(name, list(entries), n=1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        raise UserError(f"unknown {kind} '{name}'{hint}; there are: {', '.join(sorted(entries))}")
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)
