"""The matrix of a few crops."""

import cv2
import numpy as np
import pytest

from data.errors import UserError
from data.records import PartEmbeddings
from reid.ranking.similarity import Similarity, cell_text, compare, draw_matrix, draw_parts, legend, shortened


def embeddings():
    """Two crops of one look, one of another, one that shows other parts only."""
    vectors = np.zeros((4, 2, 3), np.float32)
    vectors[:2, 0, 0] = vectors[2, 0, 1] = vectors[3, 1, 2] = 1
    visibility = np.array([[1, 0], [0.25, 0], [1, 0], [0, 1]], np.float32)
    return PartEmbeddings(vectors, visibility, ("head", "feet"), ("part", "part"), "m")


def test_numbers_of_the_matrix():
    found = compare(embeddings())
    assert found.distance[0, 1] == pytest.approx(0, abs=1e-6)
    assert found.distance[0, 2] == pytest.approx(1)
    assert np.isnan(found.distance[0, 3])
    assert found.shared[0, 1] == pytest.approx(0.25)
    assert found.span == pytest.approx((0, 1))
    assert [cell_text(found, 0, column) for column in range(4)] == [
        ("same", "crop"), ("0.00", "25 %"), ("1.00", "50 %"), ("none", "0 %"),
    ]  # fmt: skip
    assert "closest 0.00, farthest 1.00" in legend(found)[0]


def test_colours_tell_near_from_far():
    colors = compare(embeddings()).colors()
    assert colors[0][0] == colors[0][3] == colors[3][1] == (228, 228, 231)
    near, far = (sum(colors[0][column]) for column in (1, 2))
    assert near < far
    assert colors[1][0] == colors[0][1]


def test_nothing_to_compare():
    alone = Similarity(np.full((2, 2), np.nan, np.float32), np.zeros((2, 2), np.float32))
    assert alone.span is None
    assert "closest" not in legend(alone)[0]
    assert {color for row in alone.colors() for color in row} == {(228, 228, 231)}


@pytest.mark.parametrize("count", [2, 3])
def test_the_matrix_shows_crops_along_both_sides(tmp_path, count):
    crops = [np.full((60, 30, 3), color, np.uint8) for color in ((250, 0, 0), (0, 250, 0), (0, 0, 250))][:count]
    found = Similarity(np.full((count, count), 0.5, np.float32), np.ones((count, count), np.float32))
    draw_matrix(found, crops, [f"$crop_{n}.jpg" for n in range(count)], "title", tmp_path / "m.png")
    picture = cv2.imread(str(tmp_path / "m.png"))[..., ::-1]
    centres = []
    for crop in crops:
        same = (np.abs(picture.astype(int) - crop[0, 0]) < 4).all(axis=-1).astype(np.uint8)
        number, _, stats, places = cv2.connectedComponentsWithStats(same)
        large = [row for row in range(1, number) if stats[row, cv2.CC_STAT_AREA] > 2000]
        assert len(large) == 2  # above the cells, and beside them
        centres.append(sorted(places[large].tolist()))
    beside, above = (np.array([centre[side] for centre in centres]) for side in (0, 1))
    assert np.ptp(beside[:, 0]) < 1
    assert np.ptp(above[:, 1]) < 1
    assert (np.diff(beside[:, 1]) > 100).all()
    assert (np.diff(above[:, 0]) > 80).all()
    draw_matrix(found, crops, [f"$crop_{n}.jpg" for n in range(count)], "title", tmp_path / "again.png")
    assert (tmp_path / "m.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_texts_do_not_overlap(tmp_path, monkeypatch):
    """Every text of the largest table, and of the parts, keeps clear of every other."""
    import reid.ranking.similarity as module

    kept = []
    monkeypatch.setattr(module, "_save", lambda axes, path: kept.append(axes))
    crop = np.full((60, 30, 3), 90, np.uint8)
    names = [f"{'long_name_' * 12}{number}.jpg" for number in range(12)]
    found = Similarity(np.full((12, 12), 0.555, np.float32), np.ones((12, 12), np.float32))
    draw_matrix(found, [crop] * 12, names, "kpr-swin-0123456789ab: 12 crops", tmp_path / "m.png")
    small = Similarity(found.distance[:2, :2], found.shared[:2, :2])
    draw_matrix(small, [crop] * 2, names[:2], "parts5:osnet_x0_25_msmt17_dyn@61b26041: 2 crops", tmp_path / "m.png")
    titles = ["prompts", "all parts", "foreground", "upper_arms_torso", "lower_arms_torso", "right_foot"]
    draw_parts([[crop] * 6] * 12, [["100 %"] * 6] * 12, titles, tmp_path / "p.png")
    for axes in kept:
        renderer = axes.figure.canvas.get_renderer()
        width, height = axes.figure.canvas.get_width_height()
        boxes = np.array([text.get_window_extent(renderer).extents for text in axes.texts])
        assert boxes[:, :2].min() >= 0
        assert (boxes[:, 2:] <= (width, height)).all()
        low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
        high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
        overlap = ((high - low) > 0).all(axis=-1)
        np.fill_diagonal(overlap, False)
        assert not overlap.any(), [axes.texts[row].get_text() for row in np.nonzero(overlap)[0][:4]]


def test_names_fit():
    assert shortened("short.jpg") == "short.jpg"
    long = shortened("a" * 50 + "b" * 50 + ".jpg")
    assert len(long) <= 60
    assert long.startswith("aaa")
    assert long.endswith(".jpg")


def test_an_unwritable_place(tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        draw_parts([[np.zeros((4, 4, 3), np.uint8)]], [["x"]], ["t"], tmp_path / "gone" / "p.png")
