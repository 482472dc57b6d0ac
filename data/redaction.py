"""Secrets in addresses are starred out where text leaves the program: logs, errors, manifests, reports."""

import logging
import re
from collections.abc import Mapping
from typing import Any

_STARS = "***"
# user:password@ and token@; a password may hold what an address may not, a slash too.
_USER = re.compile(r"(?<=://)(?:[^/\s'\"]+@|[^/:\s'\"]*:\S*@)")
_SECRET = (
    r"[\w.-]*(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|auth(?:orization)?|sig(?:nature)?|"
    r"credential|session(?:id)?|jwt)[\w.-]*"
)
_QUERY = re.compile(rf"(?i)(?<=[?&;])({_SECRET}|key|pw|pin|user(?:name)?|login)=[^&;#\s'\"]*")


def redact(text: str) -> str:
    """Star out who logs in with what: ``user:password@`` and values like ``?token=`` in addresses.

    Args:
        text: any; what is no address stays as it is.
    """
    return _QUERY.sub(rf"\1={_STARS}", _USER.sub(f"{_STARS}@", text))


def redact_tree(value: Any) -> Any:
    """The same for every text in lists and mappings; keys stay."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redact_tree(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_tree(item) for item in value]
    return value


class RedactingFormatter(logging.Formatter):
    """A formatter whose lines, traces included, hold no secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return redact(super().format(record))
