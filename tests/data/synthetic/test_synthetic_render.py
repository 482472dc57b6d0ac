"""Rasteriser, background and truth of a frame, against slow and plain computations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.geometry import CameraModel
from data.synthetic.background import static_view
from data.synthetic.gait import COCO_JOINTS, pose
from data.synthetic.raster import barycentric, rasterise
from data.synthetic.render import Renderer
from data.synthetic.scenario import Preset
from data.synthetic.texture import PARTS
from data.synthetic.world import World


def slow(points: np.ndarray, inverse: np.ndarray, faces: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The depth buffer, triangle by triangle and pixel by pixel, in double."""
    buffer = np.zeros((size[1], size[0]))
    y, x = np.mgrid[0 : size[1], 0 : size[0]] + 0.5
    for face in faces:
        (ax, ay), (bx, by), (cx, cy) = points[face].astype(float)
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area <= 1e-6 or inverse[face].min() <= 0:
            continue
        w0 = ((bx - x) * (cy - y) - (cx - x) * (by - y)) / area
        w1 = ((cx - x) * (ay - y) - (ax - x) * (cy - y)) / area
        w2 = 1 - w0 - w1
        depth = w0 * inverse[face[0]] + w1 * inverse[face[1]] + w2 * inverse[face[2]]
        buffer = np.where((w0 >= 0) & (w1 >= 0) & (w2 >= 0), np.maximum(buffer, depth), buffer)
    return buffer


@settings(max_examples=60)
@given(st.integers(0, 2**31), st.integers(3, 12))
def test_rasteriser_agrees_with_the_plain_loop(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(-12, 44, (count, 2)).astype(np.float32)
    inverse = rng.uniform(0.1, 1, count).astype(np.float32)
    faces = np.array([rng.permutation(count)[:3] for _ in range(12)])
    tile = rasterise(points, inverse, faces, (32, 24))
    got = np.zeros((24, 32))
    if tile is not None:
        high, wide = tile.inverse.shape
        got[tile.top : tile.top + high, tile.left : tile.left + wide] = tile.inverse
        assert ((tile.face >= 0) == (tile.inverse > 0)).all()
    wrong = np.abs(got - slow(points, inverse, faces, (32, 24))) > 1e-3
    assert wrong.mean() < 0.003


def test_shared_edges_leave_no_gap() -> None:
    rng = np.random.default_rng(0)
    side = 9
    grid = np.stack(np.meshgrid(np.linspace(0, 64, side), np.linspace(0, 64, side)), axis=-1)
    grid[1:-1, 1:-1] += rng.uniform(-3, 3, (side - 2, side - 2, 2))
    number = np.arange(side * side).reshape(side, side)
    a, b = number[:-1, :-1].ravel(), number[:-1, 1:].ravel()
    c, d = number[1:, :-1].ravel(), number[1:, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([b, d, c], axis=1)])
    tile = rasterise(grid.reshape(-1, 2).astype(np.float32), np.ones(side * side, np.float32), faces, (64, 64))
    assert tile is not None
    assert (tile.face >= 0).all()


def test_barycentric_is_perspective_correct() -> None:
    points = np.array([[0, 0], [10, 0], [0, 10]], np.float32)
    inverse = np.array([1.0, 0.25, 1.0], np.float32)
    at = np.array([5.0], np.float32)
    weights = barycentric(points, inverse, np.array([[0, 1, 2]]), at, np.zeros(1, np.float32))
    # Half way on the screen between depths 1 and 4 is a fifth of the way in space.
    assert weights[0] == pytest.approx([0.8, 0.2, 0.0], abs=1e-5)


def room(blocks: list[dict[str, object]] | None = None) -> World:
    content = {
        "name": "room",
        "duration_s": 1.0,
        "size": [320, 240],
        "ground": [0, 0, 10, 8],
        "places": {"a": {"at": [2, 2]}, "b": {"at": [8, 6]}},
        "cameras": [{"name": "c1", "position": [0.3, 4, 1.6], "target": [6, 4, 1.0], "hfov_deg": 70}],
        "people": 3,
        "blocks": blocks or [],
    }
    return World(Preset.model_validate(content), 1)


def people_at(world: World, spots: list[tuple[float, float]]) -> np.ndarray:
    zero = np.zeros(1)
    joints = [pose(world.people[row], np.array([spot]), zero + np.pi, zero, zero)[0] for row, spot in enumerate(spots)]
    return np.array(joints, np.float32)


@pytest.fixture(scope="module")
def world() -> World:
    return room()


@pytest.fixture(scope="module")
def renderer(world: World) -> Renderer:
    return world.renderer(0)


def test_one_person_is_wholly_visible(world: World, renderer: Renderer) -> None:
    made = renderer.render(world.people[:1], people_at(world, [(5, 4)]), 0)
    truth = made.truth
    assert truth.ids.tolist() == [1]
    assert truth.visibility[0] == 1
    assert truth.in_frame[0] == pytest.approx(1)
    rows, columns = np.nonzero(made.owners == 1)
    x0, y0, x1, y1 = truth.boxes[0]
    assert np.abs([columns.min() - x0, columns.max() + 1 - x1, rows.min() - y0, rows.max() + 1 - y1]).max() <= 1.01
    assert ((made.parts > 0) == (made.owners > 0)).all()
    assert {PARTS[p] for p in np.unique(made.parts)} >= {"torso", "face", "leg_left", "leg_right", "arm_left"}


def test_front_person_hides_the_one_behind(world: World, renderer: Renderer) -> None:
    spots = [(3.0, 4.0), (5.0, 4.05)]
    made = renderer.render(world.people[:2], people_at(world, spots), 0)
    visibility = dict(zip(made.truth.ids.tolist(), made.truth.visibility.tolist()))
    alone = renderer.render(world.people[1:2], people_at(room(), [(0, 0), spots[1]])[1:], 0)
    assert visibility[1] == 1
    if 2 in visibility:
        assert visibility[2] < 0.6
    share = np.count_nonzero(made.owners == 2) / np.count_nonzero(alone.owners == 2)
    assert visibility.get(2, 0.0) == pytest.approx(share, abs=0.03)


def test_hidden_and_absent_keypoints(world: World, renderer: Renderer) -> None:
    facing = renderer.render(world.people[:1], people_at(world, [(5, 4)]), 0).truth.keypoints[0]
    assert (facing[:5, 2] == 1).all()
    turned = np.array([pose(world.people[0], np.array([[5.0, 4.0]]), np.zeros(1), np.zeros(1), np.zeros(1))[0]])
    away = renderer.render(world.people[:1], turned.astype(np.float32), 0).truth.keypoints[0]
    assert (away[:3, 2] == 0.5).all()
    close = renderer.render(world.people[:1], people_at(world, [(1.4, 4)]), 0).truth.keypoints[0]
    assert (close[15:, 2] == 0).all()
    assert (close[15:, :2] == 0).all()


def test_keypoints_project_as_the_site_file_says(world: World, renderer: Renderer) -> None:
    camera = world.camera(0)
    model = CameraModel.from_intrinsics(camera.intrinsics, camera.rotation, camera.shift, None)
    ground = np.array([[5.0, 4.0], [6.0, 3.0], [4.0, 4.5]])
    pixels, depth = camera.project(np.column_stack([ground, np.zeros(3)]))
    assert (depth > 0).all()
    assert np.allclose(model.to_image(ground), pixels, atol=1e-6)
    assert np.allclose(model.to_ground(pixels), ground, atol=1e-6)
    flat = np.column_stack([ground, np.ones(3)]) @ camera.homography().T
    assert np.allclose(flat[:, :2] / flat[:, 2:], pixels, atol=1e-6)
    joints = people_at(world, [(5, 4)])
    points = renderer.render(world.people[:1], joints, 0).truth.keypoints[0]
    assert np.allclose(points[:, :2], camera.project(joints[0][list(COCO_JOINTS)])[0], atol=1e-3)


def test_blocks_hide_people() -> None:
    counter = room([{"low": [3.0, 2.0, 0], "high": [3.4, 6.0, 1.0], "look": "wood"}])
    made = counter.renderer(0).render(counter.people[:1], people_at(counter, [(4.2, 4)]), 0)
    assert 0.2 < made.truth.visibility[0] < 0.8
    assert (made.truth.keypoints[0][15:, 2] == 0.5).all()
    wall = room([{"low": [3.0, 0.0, 0], "high": [3.4, 8.0, 3.2]}])
    assert len(wall.renderer(0).render(wall.people[:1], people_at(wall, [(4.2, 4)]), 0).truth.ids) == 0


def test_same_frame_same_pixels_and_noise_moves(world: World, renderer: Renderer) -> None:
    joints = people_at(world, [(5, 4), (6, 5)])
    first = renderer.render(world.people[:2], joints, 3).image
    assert (first == renderer.render(world.people[:2], joints, 3).image).all()
    assert (first == room().renderer(0).render(world.people[:2], joints, 3).image).all()
    assert (first != renderer.render(world.people[:2], joints, 4).image).any()


def test_nobody_leaves_the_scene_as_it_is(world: World, renderer: Renderer) -> None:
    empty = renderer.render([], np.zeros((0, 28, 3), np.float32), 0)
    assert len(empty.truth.ids) == 0
    assert empty.truth.keypoints.shape == (0, 17, 3)
    assert not empty.owners.any()


def test_person_behind_or_beside_the_camera_is_not_drawn(world: World, renderer: Renderer) -> None:
    made = renderer.render(world.people[:2], people_at(world, [(-1.0, 4), (0.3, 7.5)]), 0)
    assert len(made.truth.ids) == 0


def test_ray_cast_agrees_with_the_projection() -> None:
    world = room([{"low": [5.0, 3.0, 0], "high": [6.0, 5.0, 1.2], "look": "wood"}])
    camera = world.camera(0)
    view = static_view(camera, world.geometry, world.materials)
    corner, depth = camera.project(np.array([[5.0, 4.0, 0.6], [3.0, 4.0, 0.0]]))
    for (x, y), far in zip(corner, depth):
        assert 1 / view.inverse[int(y), int(x)] == pytest.approx(far, rel=0.03)
    assert view.floor[int(corner[1, 1]), int(corner[1, 0])] == 255
    assert view.floor[int(corner[0, 1]), int(corner[0, 0])] == 0


def test_a_camera_may_look_straight_down() -> None:
    overhead = {"name": "top", "position": [5, 4, 3.0], "target": [5, 4, 0], "hfov_deg": 90}
    world = room()
    preset = Preset.model_validate(world.preset.model_dump() | {"cameras": [overhead], "ceiling_m": 4.0})
    world = World(preset, 1)
    world.check()
    points = np.array([[5.0, 4.0, 0.0], [6.0, 4.0, 0.0], [5.0, 5.0, 0.0]])
    pixels, depth = world.camera(0).project(points)
    # One metre at three metres' distance is a third of the focal length; the world's y is up in the picture.
    assert np.allclose(pixels, [[160, 120], [160 + 160 / 3, 120], [160, 120 - 160 / 3]])
    assert np.allclose(depth, 3.0)
    made = world.renderer(0).render(world.people[:1], people_at(world, [(5.3, 4.2)]), 0)
    assert made.truth.ids.tolist() == [1]
    assert made.truth.visibility[0] == 1
