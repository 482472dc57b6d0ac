"""The configuration that lies in a published checkpoint, under the present and the older names of its keys."""

from collections.abc import Mapping
from typing import Any


class SavedConfig:
    """A tree of plain values.

    Args:
        tree: as it was saved; empty where nothing was.
    """

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self.tree = tree

    def get(self, *paths: str) -> Any:
        """The first value found under one of the dotted paths, or None."""
        for path in paths:
            node: Any = self.tree
            for key in path.split("."):
                node = node.get(key) if isinstance(node, Mapping) else None
            if node is not None:
                return node
        return None
