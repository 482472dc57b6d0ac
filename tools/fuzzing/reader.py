"""A reader of files from outside, and how a sound file for it is written."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Write = Callable[[Path], None]
Read = Callable[[Path], object]


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader.

    Attributes:
        file: path of the file that is damaged, below an empty folder.
        write: writes a sound file there, and what has to lie beside it; given the folder.
        read: reads it; given the folder.
    """

    file: str
    write: Write
    read: Read
