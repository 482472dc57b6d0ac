"""Where names go on a map so that none covers another."""

from collections.abc import Sequence
from typing import NamedTuple

_LETTER, _LINE = 8.4, 17.0
_GAP = 9.0


class Box(NamedTuple):
    """A rectangle, y downwards."""

    x1: float
    y1: float
    x2: float
    y2: float

    def meets(self, other: "Box") -> bool:
        """Whether two rectangles share more than an edge."""
        return self.x1 < other.x2 and other.x1 < self.x2 and self.y1 < other.y2 and other.y1 < self.y2


def text_width(text: str) -> float:
    """A little more than a name takes at the map's size."""
    return _LETTER * len(text) + 4


def place_label(point: tuple[float, float], width: float, taken: Sequence[Box], within: Box) -> Box | None:
    """A free place for a name beside a point, right of it if possible; None where all are taken.

    Args:
        point: what is named.
        width: of the name.
        taken: rectangles to keep clear of.
        within: the name stays inside.
    """
    x, y = point
    for distance in (_GAP, _GAP + _LINE, _GAP + 2 * _LINE):
        lefts = (x + distance, x - distance - width, x - width / 2)
        tops = (y - _LINE / 2, y - _LINE - distance / 2, y + distance / 2)
        beside = [(left, top) for left in lefts[:2] for top in tops]
        for left, top in [*beside, (lefts[2], y - distance - _LINE), (lefts[2], y + distance)]:
            box = Box(left, top, left + width, top + _LINE)
            inside = box.x1 >= within.x1 and box.y1 >= within.y1 and box.x2 <= within.x2 and box.y2 <= within.y2
            if inside and not any(box.meets(other) for other in taken):
                return box
    return None
