"""Names that come from files and end up in paths."""

import re
import unicodedata

_FORBIDDEN = set('/\\:*?"<>|')
_LONGEST_BYTES = 200
_UNFIT = re.compile(r"\x00+")

CAMERA_NAMES = f"letters, digits, '_', '-' and '.', not beginning with '.', at most {_LONGEST_BYTES} bytes"


def is_plain_name(name: object) -> bool:
    """Whether a text can be one part of a path on every system and leads nowhere else.

    No separators, no control characters, not hidden, no "..", and short enough that an ending still fits.
    """
    return (
        isinstance(name, str)
        and 0 < len(name.encode("utf-8", "surrogatepass")) <= _LONGEST_BYTES
        and not name.startswith(".")
        and name == name.strip()
        and name.isprintable()
        and not _FORBIDDEN.intersection(name)
    )


def is_camera_name(name: object) -> bool:
    """Whether a name can stand in file names and be written without quotes, as ``CAMERA_NAMES`` says.

    Letters and digits are those of any script, with the marks that belong to them.
    """
    return is_plain_name(name) and isinstance(name, str) and not _is_mark(name[0]) and all(map(_fits, name))


def camera_name_from(text: str) -> str:
    """The name nearest to a text: what does not fit becomes '_', accents are one with their letters (NFC)."""
    joined = unicodedata.normalize("NFC", text)
    return _UNFIT.sub("_", "".join(one if _fits(one) else "\0" for one in joined)).lstrip(".")


def _fits(character: str) -> bool:
    return character.isalnum() or character in "_-." or _is_mark(character)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")
