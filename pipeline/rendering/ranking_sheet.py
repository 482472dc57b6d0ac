"""One picture of what one query found: crops with their prompts, and what each embedding saw and how far it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.formats.reid_keypoints import CropSkeletons
from data.records import FloatArray, Image
from pipeline.rendering.crop_pictures import heated, prompted
from pipeline.rendering.palette import INK, PAPER, Rgb

QUERY: Rgb = (40, 90, 200)
RIGHT: Rgb = (20, 140, 60)
WRONG: Rgb = (200, 30, 30)
_SOFT: Rgb = (95, 100, 110)

_CELL, _GAP, _FRAME = 132, 10, 4
_CROP_HEIGHT, _PART_HEIGHT = 184, 120
_TEXT_PX, _LINE = 13, 18
_MARGIN = 14
_ELLIPSIS = "..."


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One crop of the picture.

    Attributes:
        heading: first line.
        color: of the frame and the heading.
        lines: more text under the crop.
        image: (H, W, 3) uint8 RGB.
        skeletons: what the network was prompted with.
        masks: (P, h, w) 0-1, where each embedding looks, or None.
        notes: P texts, one under each embedding.
    """

    heading: str
    color: Rgb
    lines: tuple[str, ...]
    image: Image
    skeletons: CropSkeletons
    masks: FloatArray | None
    notes: tuple[str, ...]


def draw_sheet(title: Sequence[str], part_names: Sequence[str], columns: Sequence[Column]) -> Image:
    """Draw a query and what it found.

    Args:
        title: lines above everything.
        part_names: P names of the embeddings, one row each.
        columns: the query first, then gallery crops; all with or all without masks.

    Returns:
        (H, W, 3) uint8 RGB. No text reaches into another; what is too long is shortened in its middle.
    """
    pictured = columns[0].masks is not None
    names = max(text_width(name) for name in part_names) + _GAP
    top = _MARGIN + len(title) * _LINE + _GAP
    first = top + _LINE + _CROP_HEIGHT + 2 * _FRAME + (len(columns[0].lines) + 1) * _LINE + _GAP
    row = (_PART_HEIGHT if pictured else 0) + _LINE + _GAP
    width = 2 * _MARGIN + names + len(columns) * (_CELL + _GAP) - _GAP
    sheet = np.full((first + len(part_names) * row + _MARGIN, width, 3), PAPER, np.uint8)
    for number, line in enumerate(title):
        _write(sheet, line, _MARGIN, _MARGIN + number * _LINE, width - 2 * _MARGIN, INK if number == 0 else _SOFT)
    for part, name in enumerate(part_names):
        middle = first + part * row + (row - _GAP - _LINE) // 2
        _write(sheet, name, _MARGIN, middle, names - _GAP, INK)
    for number, column in enumerate(columns):
        left = _MARGIN + names + number * (_CELL + _GAP)
        _draw_crop(sheet, column, left, top)
        for part, note in enumerate(column.notes):
            y = first + part * row
            if column.masks is not None:
                height = _fitting(column.image, _CELL, _PART_HEIGHT)
                _paste(sheet, heated(column.image, column.masks[part], height), left, y, _PART_HEIGHT)
                y += _PART_HEIGHT
            _write(sheet, note, left, y, _CELL, INK)
    return sheet


def text_width(text: str) -> int:
    """Width of a line of text, px."""
    import cv2

    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _font_scale(), 1)
    return int(width) + 1


def shortened(text: str, room: int) -> str:
    """The text, or as much of its beginning and end as fits into ``room`` px; letters the font lacks become '?'."""
    text = text.encode("ascii", "replace").decode("ascii")
    if text_width(text) <= room:
        return text
    for kept in range(len(text) - 1, 0, -1):
        shorter = text[: (kept + 1) // 2] + _ELLIPSIS + text[len(text) - kept // 2 :]
        if text_width(shorter) <= room:
            return shorter
    return ""


def _draw_crop(sheet: Image, column: Column, left: int, top: int) -> None:
    _write(sheet, column.heading, left, top, _CELL, column.color)
    height = _fitting(column.image, _CELL - 2 * _FRAME, _CROP_HEIGHT)
    picture = prompted(column.image, column.skeletons, height)
    framed = np.full((picture.shape[0] + 2 * _FRAME, picture.shape[1] + 2 * _FRAME, 3), column.color, np.uint8)
    framed[_FRAME:-_FRAME, _FRAME:-_FRAME] = picture
    _paste(sheet, framed, left, top + _LINE, _CROP_HEIGHT + 2 * _FRAME)
    for number, line in enumerate(column.lines):
        y = top + _LINE + _CROP_HEIGHT + 2 * _FRAME + number * _LINE + _LINE // 4
        _write(sheet, line, left, y, _CELL, INK if number == 0 else _SOFT)


def _fitting(image: Image, width: int, height: int) -> int:
    """Height at which a picture fits into ``width`` x ``height`` px."""
    return max(min(height, int(width * image.shape[0] / image.shape[1])), 1)


def _paste(sheet: Image, picture: Image, left: int, top: int, height: int) -> None:
    """Put a picture into the middle of a cell's upper ``height`` px."""
    picture = picture[:height, :_CELL]
    y, x = top + (height - picture.shape[0]) // 2, left + (_CELL - picture.shape[1]) // 2
    sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture


def _write(sheet: Image, text: str, left: int, top: int, room: int, color: Rgb) -> None:
    import cv2

    origin = (left, top + _TEXT_PX)
    cv2.putText(sheet, shortened(text, room), origin, cv2.FONT_HERSHEY_SIMPLEX, _font_scale(), color, 1, cv2.LINE_AA)


def _font_scale() -> float:
    """Of letters that are ``_TEXT_PX`` high from crown to foot."""
    import cv2

    (_, height), base = cv2.getTextSize("0g", cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)
    return _TEXT_PX / float(height + base)
