"""What is drawn, and where."""

import numpy as np

from pipeline.rendering.draw import Painter, label_tile
from pipeline.rendering.palette import color_of
from pipeline.rendering.scene import Scene

_SIZE = (320, 240)


def _scene(**changes: object) -> Scene:
    given = {
        "ids": np.array([7]),
        "local": np.array([False]),
        "boxes": np.array([[120, 80, 160, 200]], np.float32),
        "dashed": np.array([False]),
    } | changes
    return Scene(**given)  # type: ignore[arg-type]


def _painted(scene: Scene, heading: str = "c  00:00.000") -> np.ndarray:
    image = np.full((_SIZE[1], _SIZE[0], 3), 90, np.uint8)
    Painter(_SIZE, 0.3).paint(image, scene, heading)
    return image


def _in_color(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return (image == np.array(color)).all(axis=2)


def test_a_box_has_the_colour_of_its_identity_on_all_four_sides() -> None:
    hit = _in_color(_painted(_scene()), color_of(7))
    assert hit[80, 125:155].all()
    assert hit[200, 125:155].all()
    assert hit[90:195, 120].all()
    assert hit[90:195, 160].all()
    assert not hit[110:190, 130:150].any(), "the inside stays free"


def test_a_predicted_box_is_dashed() -> None:
    hit = _in_color(_painted(_scene(dashed=np.array([True]))), color_of(7))
    side = hit[85:195, 120]
    assert 0.3 < side.mean() < 0.8
    assert np.abs(np.diff(side.astype(int))).sum() > 6, "many dashes"


def test_a_local_id_is_grey_and_marked() -> None:
    scene = _scene(local=np.array([True]))
    assert scene.label(0) == "~7"
    assert not _in_color(_painted(scene), color_of(7)).any()


def test_boxes_outside_the_frame_and_empty_scenes_draw_nothing_strange() -> None:
    far = _scene(boxes=np.array([[-500, -500, -400, -400]], np.float32))
    assert _painted(far).shape == (240, 320, 3)
    empty = Scene(np.zeros(0, np.int64), np.zeros(0, bool), np.zeros((0, 4), np.float32), np.zeros(0, bool))
    assert (_painted(empty)[60:] == 90).all()


def test_trail_and_skeleton_are_drawn_and_low_confidence_points_are_not() -> None:
    points = np.zeros((1, 17, 3), np.float32)
    points[0, 5], points[0, 6], points[0, 11] = (130, 110, 0.9), (150, 110, 0.9), (130, 150, 0.1)
    trail = np.array([[20, 220], [60, 220], [140, 200]], np.float32)
    image = _painted(_scene(keypoints=points, trails=[trail]))
    hit = _in_color(image, color_of(7))
    assert hit[220, 25:55].mean() > 0.8
    assert hit[110, 134:146].all(), "the shoulder line"
    assert not hit[125:148, 129:132].any(), "no bone to a point nobody trusts"
    plain = np.full((_SIZE[1], _SIZE[0], 3), 90, np.uint8)
    Painter(_SIZE, 0.3, skeletons=False).paint(plain, _scene(keypoints=points), "c")
    assert not _in_color(plain, color_of(7))[110, 134:146].any()


def test_a_scene_scales_as_one() -> None:
    points = np.full((1, 17, 3), 0.5, np.float32)
    half = _scene(keypoints=points, trails=[np.full((2, 2), 8, np.float32)]).scaled(0.5)
    np.testing.assert_allclose(half.boxes, [[60, 40, 80, 100]])
    assert half.keypoints is not None
    np.testing.assert_allclose(half.keypoints[0, 0], [0.25, 0.25, 0.5])
    np.testing.assert_allclose(half.trails[0], 4)


def test_label_tiles_hold_their_text() -> None:
    short, long = label_tile("1", (200, 30, 30), 14.0), label_tile("123456", (200, 30, 30), 14.0)
    assert long.shape[1] > 2 * short.shape[1]
    assert long.shape[0] == short.shape[0]
    letters = ~_in_color(long, (200, 30, 30))[2:-2, 2:-2]
    assert letters.any(axis=0).mean() > 0.5
    assert not letters[:, 0].any()
    assert not letters[:, -1].any()


def test_a_person_of_a_group_shows_where_it_stands_and_how_tall_it_is() -> None:
    stands = np.array([[[240, 210], [240, 90]]], np.float32)
    scene = _scene(stands=stands, heights=np.array([1.738], np.float32))
    assert scene.label(0) == "7  1.74 m"
    hit = _in_color(_painted(scene), color_of(7))
    assert hit[100:200, 240].all(), "a line from the feet to the head"
    assert hit[90, 235:246].all()
    unknown = _scene(stands=np.full((1, 2, 2), np.nan, np.float32), heights=np.array([np.nan], np.float32))
    assert unknown.label(0) == "7"
    assert not _in_color(_painted(unknown), color_of(7))[100:200, 240].any()
    flat = _scene(stands=np.array([[[240, 210], [np.nan, np.nan]]], np.float32))
    assert not _in_color(_painted(flat), color_of(7))[100:200, 240].any(), "no height, no line"
    assert _in_color(_painted(flat), color_of(7))[200:220, 225:256].any(), "but the feet"


def test_where_people_stand_is_scaled_with_the_picture() -> None:
    stands = _scene(stands=np.array([[[240, 210], [240, 90]]], np.float32)).scaled(0.5).stands
    assert stands is not None
    assert stands.tolist() == [[[120, 105], [120, 45]]]
