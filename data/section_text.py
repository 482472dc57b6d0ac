"""A configuration section as YAML with a comment on every key, written from its types."""

import inspect
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from data.config import Section

_WIDTH = 120
_COLUMNS = (28, 30)


def commented_yaml(section: Section) -> str:
    """Every key with its value and its description; keys at the top are blocks with a blank line between them.

    The comment of a section is its field's description, else the first paragraph of its class's docstring.

    Raises:
        ValueError: for a key without a description.
    """
    plain = section.model_dump(mode="json")
    fields = type(section).model_fields
    blocks = [list(_lines(name, getattr(section, name), plain[name], fields[name].description, "")) for name in fields]
    return "\n".join(_aligned(block) for block in blocks)


def _lines(key: str, value: Any, plain: Any, description: str | None, indent: str) -> Iterator[tuple[str, str]]:
    """YAML and comment of a key and of all keys below it.

    Args:
        key: its name.
        value: what it holds; sections, and mappings of sections, have keys below.
        plain: the same in types that YAML knows.
        description: of the field.
        indent: spaces before the key.
    """
    if isinstance(value, Section):
        yield f"{indent}{key}:", description or _purpose(type(value))
        for name, field in type(value).model_fields.items():
            yield from _lines(name, getattr(value, name), plain[name], field.description, indent + "  ")
        return
    if not description:
        raise ValueError(f"the key '{key}' has no description")
    if isinstance(value, Mapping) and any(isinstance(item, Section) for item in value.values()):
        yield f"{indent}{key}:", description
        for name, item in value.items():
            yield from _lines(name, item, plain[name], None, indent + "  ")
        return
    text = yaml.safe_dump(plain, default_flow_style=True, width=_WIDTH).removesuffix("\n...\n").strip()
    yield f"{indent}{key}: {text}", description


def _purpose(kind: type[Section]) -> str:
    """The first paragraph of the docstring as a comment: in one line, without full stop and capital."""
    text = " ".join(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].split()).removesuffix(".")
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _aligned(lines: list[tuple[str, str]]) -> str:
    """Comments of a block in one column, where the keys leave room, wrapped."""
    narrowest, widest = _COLUMNS
    column = min(max(narrowest, *(len(text) + 2 for text, _ in lines)), widest)
    block = ""
    for text, comment in lines:
        indent = " " * max(0, len(text) + 2 - column)
        first, *others = textwrap.wrap(comment, _WIDTH - column - 2, initial_indent=indent, break_on_hyphens=False)
        block += f"{text:{column + len(indent)}}# {first.removeprefix(indent)}\n"
        block += "".join(f"{'':{column}}# {part}\n" for part in others)
    return block
