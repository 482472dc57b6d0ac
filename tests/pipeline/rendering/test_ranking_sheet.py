"""The picture of a ranking: where things are, and that no text runs into another."""

import numpy as np
import pytest

from data.formats.reid_keypoints import CropSkeletons
from pipeline.rendering import ranking_sheet
from pipeline.rendering.ranking_sheet import QUERY, RIGHT, WRONG, Column, draw_sheet, shortened, text_width

NAMES = ("foreground", "upper_arms_torso")


def column(heading: str, color: tuple[int, int, int], size: tuple[int, int] = (90, 40), masks: bool = True) -> Column:
    image = np.full((*size, 3), 120, np.uint8)
    attention = np.zeros((2, 6, 3), np.float32) if masks else None
    lines = ("id 123456, camera 12", "d 0.53", "a_very_long_name_of_a_picture_that_fits_nowhere.jpg")
    return Column(heading, color, lines, image, CropSkeletons.none(), attention, ("v 1.00, d 0.53", "v 0.00, d none"))


def test_frames_tell_right_from_wrong() -> None:
    columns = [column("query", QUERY), column("1: same", RIGHT), column("2: other", WRONG)]
    sheet = draw_sheet(["a title"], NAMES, columns)
    assert sheet.dtype == np.uint8
    places = [np.flatnonzero((sheet == color).all(axis=2).sum(axis=0) > 50) for color in (QUERY, RIGHT, WRONG)]
    assert all(len(place) for place in places)
    assert places[0].max() < places[1].min()
    assert places[1].max() < places[2].min()


@pytest.mark.parametrize("size", [(90, 40), (40, 300), (900, 20), (1, 1)])
@pytest.mark.parametrize("masks", [True, False])
def test_crops_of_any_shape_fit(size: tuple[int, int], masks: bool) -> None:
    usual = draw_sheet(["a"], NAMES, [column("query", QUERY, masks=masks)])
    assert draw_sheet(["a"], NAMES, [column("query", QUERY, size, masks)]).shape == usual.shape
    without = draw_sheet(["a"], NAMES, [column("query", QUERY, size, masks=False)])
    assert (without.shape[0] < usual.shape[0]) == masks


def test_no_two_texts_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes: list[tuple[int, int, int, int]] = []
    write = ranking_sheet._write

    def noted(sheet, text, left, top, room, color):
        boxes.append((left, top, left + text_width(shortened(text, room)), top + ranking_sheet._LINE))
        write(sheet, text, left, top, room, color)

    monkeypatch.setattr(ranking_sheet, "_write", noted)
    sheet = draw_sheet(["x" * 500, "second line"], NAMES, [column(f"{number}: other", WRONG) for number in range(4)])
    assert len(boxes) == 2 + 2 + 4 * (1 + 3 + 2)
    for number, (x1, y1, x2, y2) in enumerate(boxes):
        assert 0 <= x1 <= x2 <= sheet.shape[1]
        assert 0 <= y1 < y2 <= sheet.shape[0]
        for a1, b1, a2, b2 in boxes[number + 1 :]:
            assert x2 <= a1 or a2 <= x1 or y2 <= b1 or b2 <= y1


def test_long_texts_lose_their_middle() -> None:
    text = "0001_c1s1_000001_00.jpg"
    assert shortened(text, 1000) == text
    short = shortened(text, 100)
    assert text_width(short) <= 100
    assert short.startswith("0001")
    assert short.endswith(".jpg")
    assert "..." in short
    assert shortened("Müller", 1000) == "M?ller"
    assert shortened(text, 2) == ""
