"""MOTChallenge's ``seqinfo.ini``: what a sequence is called, how long, how fast and how large it is."""

import configparser
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data.errors import UserError, first_line
from data.foreign import read_text

SEQUENCE_FILE = "seqinfo.ini"


@dataclass(frozen=True, slots=True)
class SequenceInfo:
    """Facts about a sequence.

    Attributes:
        length: number of frames.
        fps: frames per second; NaN where the file does not say.
        size: (width, height) px; (0, 0) where it does not say.
        pictures: name of the folder of its pictures.
    """

    length: int
    fps: float = math.nan
    size: tuple[int, int] = (0, 0)
    pictures: str = "img1"


def read_sequence_section(path: Path) -> Mapping[str, str] | None:
    """What the file says, by names in small letters ("seqlength"); None where there is none.

    Raises:
        UserError: it is no such file.
    """
    if not path.exists():
        return None
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(path))
    except configparser.Error as error:
        line = first_line(error)
        raise UserError(f"{path} is not a readable {SEQUENCE_FILE} ({line}); mend or remove it") from None
    return dict(parser["Sequence"]) if parser.has_section("Sequence") else {}


def read_sequence_info(path: Path) -> SequenceInfo | None:
    """Read the file; None where there is none.

    Raises:
        UserError: it has no readable length, or a number in it is none.
    """
    section = read_sequence_section(path)
    if section is None:
        return None
    try:
        length, fps = int(section["seqlength"]), float(section.get("framerate", "nan"))
        size = (int(section.get("imwidth", "0")), int(section.get("imheight", "0")))
    except (KeyError, ValueError) as error:
        raise UserError(f"{path}: no readable seqLength ({first_line(error)}); mend or remove it") from None
    if length < 0 or min(size) < 0 or fps <= 0:
        raise UserError(f"{path}: a length, frame rate or size in it is negative; mend it")
    return SequenceInfo(length, fps, size, section.get("imdir", "img1"))
