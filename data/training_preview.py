"""What can be told of a training before its first step: how it would run, and whether everything it needs is there."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from data.errors import UserError

_Result = TypeVar("_Result")


@dataclass(slots=True, eq=False)
class Preview:
    """What was found so far.

    Attributes:
        tree: the configuration, every default filled in.
        facts: what was found, a line each.
        problems: what would end the training, a line each.
    """

    tree: dict[str, Any]
    facts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def attempt(self, step: Callable[[], _Result]) -> _Result | None:
        """What a step of the preparation gives; None where it would end the training, which becomes a problem."""
        try:
            return step()
        except UserError as error:
            self.problems.append(str(error))
            return None
