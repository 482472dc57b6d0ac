"""Pictures go into a network's input and boxes come back to where they were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.backends.crops import cut, points_back, windows
from pipeline.backends.letterbox import letterbox
from pipeline.backends.selection import best_rows, clean


@settings(max_examples=50)
@given(st.integers(1, 300), st.integers(1, 300), st.booleans())
def test_a_box_survives_the_way_there_and_back(height: int, width: int, centred: bool) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    canvas, place = letterbox(image, 64, 96, centred)
    assert canvas.shape == (64, 96, 3)
    box = np.array([[0, 0, width, height]], np.float32)
    inside = box * place.gain + np.array([place.left, place.top] * 2)
    assert (inside >= -1e-3).all()
    assert (inside[:, [2, 3]] <= [96.001, 64.001]).all()
    np.testing.assert_allclose(place.boxes_back(inside.astype(np.float32)), box, atol=1e-2)


@pytest.mark.parametrize(("centred", "left"), [(True, 16), (False, 0)])
def test_the_padding_is_grey_and_where_the_network_expects_it(centred: bool, left: int) -> None:
    image = np.full((40, 20, 3), 200, np.uint8)
    canvas, place = letterbox(image, 64, 64, centred)
    columns = np.flatnonzero((canvas == 200).all(axis=(0, 2)))
    assert (columns[0], columns[-1]) == (left, left + 31)
    assert (place.left, place.top) == (left, 0)
    assert set(np.unique(canvas)) == {114, 200}


def test_nan_scores_never_pass_and_the_order_is_stable() -> None:
    scores = np.array([0.5, np.nan, 0.9, 0.5, 0.05], np.float32)
    np.testing.assert_array_equal(best_rows(scores, 0.1), [2, 0, 3])


def test_boxes_are_clipped_and_what_is_no_box_goes() -> None:
    boxes = np.array(
        [[-5, -5, 30, 40], [200, 10, 220, 20], [np.nan, 0, 5, 5], [10, 10, 9, 30], [0, 0, 31, 41], [50, 5, 1e30, 50]],
        np.float32,
    )
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 2.0], np.float32)
    found, rows = clean(boxes, scores, 100, 60, 0.6, 10)
    np.testing.assert_array_equal(rows, [5, 0])
    np.testing.assert_array_equal(found.boxes, [[50, 5, 100, 50], [0, 0, 30, 40]])
    np.testing.assert_allclose(found.scores, [1.0, 0.9])
    assert len(clean(boxes, scores, 100, 60, 0.6, 1)[0]) == 1
    assert len(clean(boxes[:0], scores[:0], 100, 60, 0.6, 10)[0]) == 0


@settings(max_examples=50)
@given(st.floats(-50, 150), st.floats(-50, 150), st.floats(1, 120), st.floats(1, 120))
def test_a_window_holds_its_box_in_the_crops_aspect(x: float, y: float, width: float, height: float) -> None:
    box = np.array([[x, y, x + width, y + height]], np.float32)
    window = windows(box, 1.1, 0.75)[0]
    assert (window[:2] <= box[0, :2] + 1e-3).all()
    assert (window[2:] >= box[0, 2:] - 1e-3).all()
    np.testing.assert_allclose((window[2] - window[0]) / (window[3] - window[1]), 0.75, rtol=1e-4)
    corners = np.array([[[0, 0, 1], [1, 1, 1]]], np.float32)
    np.testing.assert_allclose(points_back(corners, window[None])[0, :, :2].ravel(), window, atol=1e-3)


@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_a_crop_shows_the_region_at_any_scale(scale: float) -> None:
    rows, columns = np.mgrid[:160, :200]
    image = np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    side = 20 * scale
    region = np.array([[60.0, 40.0, 60 + side, 40 + side]], np.float32)
    crop = cut(image, region, 20, 20)[0].astype(float)
    expected = 60 + (np.arange(20) + 0.5) * scale - 0.5
    np.testing.assert_allclose(crop[10, 2:-2, 0], expected[2:-2], atol=1.1)
    np.testing.assert_allclose(crop[2:-2, 10, 1], expected[2:-2] - 20, atol=1.1)


def test_outside_the_frame_a_crop_is_black() -> None:
    image = np.full((50, 50, 3), 255, np.uint8)
    regions = np.array([[-25, 0, 25, 50], [100, 100, 150, 150]], np.float32)
    crops = cut(image, regions, 10, 10)
    assert (crops[0, :, :4] == 0).all()
    assert (crops[0, :, 6:] == 255).all()
    assert (crops[1] == 0).all()
