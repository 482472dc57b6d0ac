"""Labels stay inside the frame and off one another."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data.kernels.boxes import intersections
from pipeline.rendering.labels import place_labels

_FRAME = (640, 360)


@st.composite
def _scenes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    count = draw(st.integers(1, 14))
    values = [
        (
            draw(st.floats(-60, 680)), draw(st.floats(-60, 400)), draw(st.floats(4, 200)), draw(st.floats(4, 300)),
            draw(st.floats(10, 60)), draw(st.floats(10, 24)),
        )
        for _ in range(count)
    ]  # fmt: skip
    x, y, width, height, label_width, label_height = np.array(values, np.float32).T
    return np.stack([x, y, x + width, y + height], axis=1), np.stack([label_width, label_height], axis=1)


@settings(max_examples=60)
@given(_scenes())
def test_labels_are_inside_the_frame_and_apart(scene: tuple[np.ndarray, np.ndarray]) -> None:
    boxes, sizes = scene
    panel = np.array([[0, 0, 120, 24]], np.float32)
    corners = place_labels(boxes, sizes, _FRAME, panel)
    rectangles = np.concatenate([corners, corners + sizes], axis=1)
    assert (corners >= 0).all()
    assert (rectangles[:, 2:] <= np.array(_FRAME) + 1e-3).all()
    every = np.concatenate([panel, rectangles])
    overlap = intersections(every, every)
    np.fill_diagonal(overlap, 0)
    assert overlap.max() < 1


def test_a_lone_label_sits_on_its_box() -> None:
    boxes, sizes = np.array([[100, 100, 150, 250]], np.float32), np.array([[30, 16]], np.float32)
    np.testing.assert_allclose(place_labels(boxes, sizes, _FRAME), [[100, 84]])


def test_a_label_at_the_upper_border_moves_below_or_beside() -> None:
    boxes, sizes = np.array([[0, 0, 100, 200]], np.float32), np.array([[30, 16]], np.float32)
    panel = np.array([[0, 0, 200, 40]], np.float32)
    (corner,) = place_labels(boxes, sizes, _FRAME, panel)
    assert not intersections(np.array([[*corner, *(corner + sizes[0])]], np.float32), panel).any()


def test_no_boxes_no_labels() -> None:
    assert place_labels(np.zeros((0, 4), np.float32), np.zeros((0, 2), np.float32), _FRAME).shape == (0, 2)


def test_a_label_larger_than_the_frame_starts_at_the_origin() -> None:
    boxes, sizes = np.array([[5, 5, 9, 9]], np.float32), np.array([[900, 500]], np.float32)
    np.testing.assert_allclose(place_labels(boxes, sizes, _FRAME), [[0, 0]])
