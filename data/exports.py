"""What a package exports, imported only when it is asked for (PEP 562)."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, entries: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: its ``__name__``.
        entries: exported name -> module that defines it.
    """

    def find(name: str) -> Any:
        if name not in entries:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(import_module(entries[name]), name)

    def names() -> list[str]:
        return sorted(entries)

    return find, names
