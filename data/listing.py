"""What lies in a folder of somebody else's: the one lister of all readers.

Hidden files are no input: ``.DS_Store``, the ``._name`` companions that macOS leaves on foreign disks and in archives
(AppleDouble), and its ``__MACOSX`` folder.
"""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from data.errors import UserError

_WILD = re.compile(r"[*?\[]")
_COMPANIONS = "__MACOSX"


def is_hidden(path: PurePath) -> bool:
    """Whether a file or folder is passed over wherever a folder is listed."""
    return path.name.startswith(".") or path.name == _COMPANIONS


def listed(folder: Path, *patterns: str) -> list[Path]:
    """Files and folders below a folder that fit a pattern, sorted; none where there is no such folder.

    Args:
        folder: where to look; it may itself be hidden.
        patterns: as for ``Path.glob``: ``*.txt`` (``C1.TXT`` too), ``*/gt/gt.txt``, ``**/*`` (links to folders are
            not followed by ``**``).

    Raises:
        UserError: when a folder may not be read.
    """
    return sorted({path for pattern in patterns for path in _fitting(folder, pattern.split("/"))})


def by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    """Files by their names without ending, in the order given.

    Raises:
        UserError: when two have one name.
    """
    found: dict[str, Path] = {}
    for path in paths:
        # macOS writes accents apart from their letters.
        name = unicodedata.normalize("NFC", path.stem)
        first = found.setdefault(name, path)
        if first != path:
            raise UserError(f"{first} and {path.name} are both called '{name}'; rename or remove one")
    return found


def contents(folder: Path, most: int = 6) -> str:
    """The first names in a folder, for errors that say what was found in place of what was looked for."""
    names = [path.name for path in listed(folder, "*")]
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "") or "nothing"


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing, or hidden files only."""
    return not any(True for _ in _entries(folder))


def _fitting(place: Path, parts: Sequence[str]) -> Iterator[Path]:
    if not parts:
        yield place
        return
    head, rest = parts[0], parts[1:]
    if head == "**":
        yield from _fitting(place, rest)
        for entry in _entries(place):
            if entry.is_dir() and not entry.is_symlink():
                yield from _fitting(entry, parts)
    elif _WILD.search(head):
        for entry in _entries(place):
            if _fits(entry, head) and (not rest or entry.is_dir()):
                yield from _fitting(entry, rest)
    elif (place / head).exists():
        yield from _fitting(place / head, rest)


def _fits(entry: Path, pattern: str) -> bool:
    return fnmatchcase(entry.name, pattern) or fnmatchcase(entry.stem + entry.suffix.lower(), pattern)


def _entries(place: Path) -> Iterator[Path]:
    """What is in a folder and not hidden."""
    try:
        with os.scandir(place) as entries:
            found = [Path(place, entry.name) for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UserError(f"cannot list {place}: {error.strerror}") from None
    yield from (path for path in found if not is_hidden(path))
