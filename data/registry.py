"""Named components that are imported only when they are chosen."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Generic, TypeVar

from data.errors import UserError

T = TypeVar("T")


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


class Registry(dict[str, str], Generic[T]):
    """Components of one kind: name -> "package.module:attribute". Adding one is one module and one line."""

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        """Name the components.

        Args:
            kind: what they are, for the error message ("detector").
            entries: name -> "package.module:attribute"; each is a ``T``.
        """
        super().__init__(entries)
        self.kind = kind

    def load(self, name: str, others: tuple[str, ...] = ()) -> T:
        """Import a component.

        Args:
            name: the key chosen by the user.
            others: names that mean something without being a component, for the error message.

        Raises:
            UserError: for an unknown name; the message lists what there is.
        """
        found: T = resolve(self.kind, name, {**dict.fromkeys(others, ""), **self})
        return found
