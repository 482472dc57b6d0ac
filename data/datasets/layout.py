"""Where in a folder a data set lies, and exactly what of it is missing."""

from collections.abc import Sequence
from pathlib import Path

from data.errors import UserError
from data.listing import contents, listed
from data.names import is_plain_name


def find_root(root: Path, what: str, parts: Sequence[str], below: Sequence[str] = ()) -> Path:
    """The folder that holds a data set's parts: the one given, or one of some below it.

    Args:
        root: given by the user.
        what: the data set in words, for the error.
        parts: files and folders, patterns allowed, that must all be in it.
        below: where else to look, relative to ``root``.

    Raises:
        UserError: there is no such folder; the message says what is missing where most is there.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; give the folder of {what}")
    places = [root, *(root / one for one in below if (root / one).is_dir())]
    lacking = {place: [part for part in parts if not listed(place, part)] for place in places}
    best = min(places, key=lambda place: len(lacking[place]))
    if not lacking[best]:
        return best
    hint = "; files of cameras by themselves are the data set 'site'" if (best / "lengths.json").exists() else ""
    raise UserError(
        f"{root} is not {what}: missing {', '.join(lacking[best])} in {best} (there: {contents(best)}){hint}"
    )


def choose_part(split: str, usual: str, parts: Sequence[str], what: str) -> str:
    """A part of a data set that the user asked for.

    Args:
        split: as asked; "" takes the usual one.
        usual: "" where the user has to choose.
        parts: all there are.
        what: the data set in words, for the error.

    Raises:
        UserError: there is no such part, or none was chosen and several are there.
    """
    chosen = split or usual
    if not chosen and len(parts) == 1:
        return parts[0]
    if chosen not in parts or not is_plain_name(chosen):
        asked = f"no part '{chosen}'" if chosen else "several parts"
        raise UserError(f"{what} has {asked}; choose --split from {', '.join(parts)}")
    return chosen


def check_length(path: Path, last: int, length: int, base: int) -> None:
    """Frames of a file lie in the sequence.

    Args:
        path: the file, for the error.
        last: its last frame, from 0.
        length: frames of the sequence.
        base: what the file counts from.

    Raises:
        UserError: a frame is beyond the end.
    """
    if last >= length:
        raise UserError(
            f"{path}: frame {last + base} is beyond the stated length of {length} frames counted from {base}; is the "
            f"file counted from {1 - base}?"
        )


def choose_names(root: Path, names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The sequences that a user asked for, in the order of the data set.

    Args:
        root: folder of the data set, for the error.
        names: of all its sequences.
        wanted: as asked; none takes all.

    Raises:
        UserError: one is not there.
    """
    strange = [name for name in wanted if name not in names]
    if strange:
        raise UserError(f"{root} has no sequence {strange[0]!r}; it has {', '.join(names)}")
    return [name for name in names if not wanted or name in wanted]
