"""The note that every picture of a tracklet carries: when and where it was taken, and where the heads are."""

import json
from collections.abc import Mapping
from typing import Any

_COMMENT = 0xFE
_JFIF = b"\xff\xe0"


def with_note(jpeg: bytes, note: Mapping[str, Any]) -> bytes:
    """A JPEG file with a JSON comment put in behind its JFIF header (ISO/IEC 10918-1, B.2.4.5)."""
    text = json.dumps(note, separators=(",", ":")).encode()
    place = 4 + int.from_bytes(jpeg[4:6], "big") if jpeg[2:4] == _JFIF else 2
    return jpeg[:place] + bytes([0xFF, _COMMENT]) + (len(text) + 2).to_bytes(2, "big") + text + jpeg[place:]


def read_note(jpeg: bytes) -> dict[str, Any] | None:
    """The note of a crop, or None where the file carries none that can be read."""
    place = 2
    while len(jpeg) >= place + 4 and jpeg[place] == 0xFF and jpeg[place + 1] != 0xDA:
        length = int.from_bytes(jpeg[place + 2 : place + 4], "big")
        if jpeg[place + 1] == _COMMENT:
            try:
                note = json.loads(jpeg[place + 4 : place + 2 + length])
            except ValueError:
                return None
            return note if isinstance(note, dict) else None
        place += 2 + length
    return None
