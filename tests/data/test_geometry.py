import json
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import UserError
from data.geometry import CameraModel
from data.lens import Lens

K = np.array([[900.0, 0, 640], [0, 910, 360], [0, 0, 1]])
DIST = (-0.31, 0.12, 0.0011, -0.0007, -0.02)
SIZE = (1280, 720)


def looking_down(
    height_m: float = 4.0, pitch_deg: float = 25.0, yaw_deg: float = 30.0
) -> tuple[np.ndarray, np.ndarray]:
    """R and t of a camera above (2, -3) that looks along the yaw, tilted down by the pitch."""
    pitch, yaw = np.radians(pitch_deg), np.radians(yaw_deg)
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), -np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    rotation = np.stack([right, np.cross(forward, right), forward])
    return rotation, -rotation @ np.array([2.0, -3.0, height_m])


def ahead(count: int = 50, seed: int = 0) -> np.ndarray:
    """Ground points in the view of ``looking_down``."""
    random = np.random.default_rng(seed)
    angle = np.radians(30) + random.uniform(-0.4, 0.4, count)
    distance = random.uniform(5, 25, count)
    return np.stack([2 + distance * np.cos(angle), -3 + distance * np.sin(angle)], axis=1)


def models() -> dict[str, CameraModel]:
    rotation, shift = looking_down()
    projection = K @ np.column_stack([rotation, shift])
    return {
        "projection": CameraModel.from_projection(projection, SIZE),
        "negative projection": CameraModel.from_projection(-3.7 * projection),
        "intrinsics": CameraModel.from_intrinsics(K, rotation, shift),
        "lens": CameraModel.from_intrinsics(K, rotation, shift, DIST),
        "homography": CameraModel.from_homography(-0.01 * projection[:, [0, 1, 3]]),
        "homography, size": CameraModel.from_homography(projection[:, [0, 1, 3]], SIZE),
    }


@pytest.mark.parametrize("name", list(models()))
def test_ground_to_image_and_back(name):
    model, ground = models()[name], ahead()
    pixels = model.to_image(ground)
    assert np.isfinite(pixels).all()
    np.testing.assert_allclose(model.to_ground(pixels), ground, atol=1e-6)


def test_projection_agrees_with_opencv():
    rotation, shift = looking_down()
    points = np.column_stack([ahead(), np.random.default_rng(1).uniform(0, 2, 50)])
    for dist in (None, DIST):
        expected, _ = cv2.projectPoints(points, cv2.Rodrigues(rotation)[0], shift, K, np.array(dist or [0.0] * 5))
        got = CameraModel.from_intrinsics(K, rotation, shift, dist).to_image(points)
        np.testing.assert_allclose(got, expected[:, 0], atol=1e-6)


def test_undistortion_agrees_with_opencv():
    lens = Lens.make(K, DIST)
    pixels = np.stack(np.meshgrid(np.linspace(0, 1279, 20), np.linspace(0, 719, 12)), -1).reshape(-1, 2)
    ideal, _ = lens.ideal_pixels(pixels)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-12)
    expected = cv2.undistortPoints(pixels[:, None], K, np.array(DIST), P=K, criteria=criteria)[:, 0]
    np.testing.assert_allclose(ideal, expected, atol=1e-5)
    np.testing.assert_allclose(lens.recorded_pixels(ideal)[0], pixels, atol=1e-7)


def test_points_beyond_the_fold_of_a_lens_are_not_points():
    lens = Lens.make(K, (-0.3, 0, 0, 0, 0))
    assert lens.fold == pytest.approx(1 / 0.9)
    far = np.array([[640 + 900 * 1.2, 360.0], [640 + 900 * 1.0, 360.0]])
    assert np.isnan(lens.recorded_pixels(far)[0]).tolist() == [[True, True], [False, False]]
    beyond = np.array([[640 + 900 * 0.8, 360.0]])
    assert np.isnan(lens.ideal_pixels(beyond)[0]).all(), "the picture of this lens ends at 0.70 focal lengths"


@pytest.mark.parametrize("name", list(models()))
def test_nothing_above_the_horizon(name):
    model = models()[name]
    horizon = 360 - 910 * np.tan(np.radians(25))
    pixels = np.array([[640.0, horizon - 30], [640, -2000], [640, horizon + 60], [640, 719]])
    ground = model.to_ground(pixels)
    assert np.isnan(ground).all(axis=1)[0]
    assert np.isnan(ground).any(axis=1).tolist()[2:] == [False, False]
    assert np.isnan(model.ground_covariance(pixels, np.eye(2))).any(axis=(1, 2)).tolist()[0]
    assert np.hypot(*(ground[2] - (2, -3))) > np.hypot(*(ground[3] - (2, -3)))


@pytest.mark.parametrize("name", [name for name in models() if name != "lens"])
def test_points_behind_the_camera_have_no_picture(name):
    behind = np.array([[2 - 20 * np.cos(np.radians(30)), -3 - 20 * np.sin(np.radians(30))]])
    assert np.isnan(models()[name].to_image(behind)).all()


@pytest.mark.parametrize("name", list(models()))
def test_covariance_is_that_of_many_shaken_pixels(name):
    model, ground = models()[name], ahead(6)
    covariance = np.array([[0.04, 0.01], [0.01, 0.09]])
    pixels = model.to_image(ground)
    random = np.random.default_rng(3)
    shaken = pixels[:, None] + random.multivariate_normal((0, 0), covariance, 4000)
    got = model.ground_covariance(pixels, covariance)
    for row in range(len(pixels)):
        sample = np.cov(model.to_ground(shaken[row]).T)
        np.testing.assert_allclose(got[row], sample, rtol=0.12, atol=0.12 * np.abs(sample).max())
    one = model.ground_covariance(pixels, np.repeat(covariance[None], 6, axis=0))
    np.testing.assert_array_equal(one, got)


@pytest.mark.parametrize("name", ["projection", "negative projection", "intrinsics", "lens"])
def test_heads_tell_heights(name):
    model, ground = models()[name], ahead()
    tall = np.random.default_rng(2).uniform(1.4, 2.0, len(ground))
    heads = model.to_image(np.column_stack([ground, tall]))
    np.testing.assert_allclose(model.heights(ground, heads), tall, atol=1e-6)
    for height in (1.4, 2.0):
        same = model.to_image(np.column_stack([ground, np.full(len(ground), height)]))
        np.testing.assert_allclose(model.to_ground(same, height), ground, atol=1e-6)


@pytest.mark.parametrize("name", ["projection", "lens"])
def test_covariance_on_the_plane_of_heads(name):
    model, ground = models()[name], ahead(4)
    heads = model.to_image(np.column_stack([ground, np.full(len(ground), 1.7)]))
    got = model.ground_covariance(heads, np.eye(2), 1.7)
    step = 1e-3
    columns = [
        (model.to_ground(heads + shift, 1.7) - model.to_ground(heads - shift, 1.7)) / (2 * step)
        for shift in np.eye(2) * step
    ]
    derivative = np.stack(columns, axis=2)
    np.testing.assert_allclose(got, derivative @ derivative.transpose(0, 2, 1), rtol=1e-4)


@pytest.mark.parametrize("name", list(models()))
def test_image_jacobian_is_that_of_small_steps(name):
    model, ground = models()[name], ahead(10)
    points = ground if model.projection is None else np.column_stack([ground, np.linspace(0, 1.8, 10)])
    step = 1e-5
    for axis, shift in enumerate(np.eye(points.shape[1]) * step):
        want = (model.to_image(points + shift) - model.to_image(points - shift)) / (2 * step)
        np.testing.assert_allclose(model.image_jacobian(points)[:, :, axis], want, rtol=1e-4, atol=1e-4)


def test_where_a_camera_is_and_its_hands():
    for name, model in models().items():
        if model.projection is None:
            assert model.centre is None
        else:
            np.testing.assert_allclose(model.centre, (2, -3, 4), atol=1e-9)
        assert not model.mirrored, name
    flipped = models()["intrinsics"].projection @ np.diag([1.0, -1, 1, 1])
    assert CameraModel.from_projection(flipped, SIZE).mirrored
    assert CameraModel.from_homography(flipped[:, [0, 1, 3]], SIZE).mirrored


def test_the_horizon_of_a_level_camera():
    line = models()["intrinsics"].horizon
    level = 360 - 910 * np.tan(np.radians(25))
    np.testing.assert_allclose(line, (0, 1, -level), atol=1e-6)
    np.testing.assert_allclose(models()["homography"].horizon, line, atol=1e-6)


def test_boxes_hold_the_person_and_nothing_else():
    model, ground = models()["lens"], ahead(20)
    boxes = model.person_boxes(ground, 1.8, 0.25)
    thick = np.random.default_rng(0)
    angle, level = thick.uniform(0, 2 * np.pi, (2, 4000))
    for row, (x, y) in enumerate(ground):
        body = np.column_stack([x + 0.25 * np.cos(angle), y + 0.25 * np.sin(angle), 1.8 * level / (2 * np.pi)])
        seen = model.to_image(body)
        extent = np.concatenate([seen.min(axis=0), seen.max(axis=0)])
        np.testing.assert_allclose(boxes[row], extent, atol=0.02 * (boxes[row, 3] - boxes[row, 1]))
    pole = model.person_boxes(ground, np.full(20, 1.8), 0.0)
    np.testing.assert_allclose(pole[:, 3], model.to_image(ground)[:, 1], atol=1e-9)


@pytest.mark.parametrize("name", list(models()))
def test_visible_ground_is_what_the_frame_shows(name):
    model = models()[name]
    polygon = model.visible_ground(SIZE, reach_m=30.0)
    random = np.random.default_rng(0)
    points = np.array([2.0, -3]) + random.uniform(-40, 40, (3000, 2))
    pixels = model.to_image(points)
    with np.errstate(invalid="ignore"):
        shown = ((pixels >= 0) & (pixels <= SIZE)).all(axis=1)
    distance = (points - (2, -3)) @ (np.cos(np.radians(30)), np.sin(np.radians(30)))
    # Depth counts from the plane through the camera's centre, which meets the ground behind the camera's foot.
    depth_m = distance + 4.0 * np.tan(np.radians(25))
    inside = np.array([cv2.pointPolygonTest(polygon.astype(np.float32), tuple(point), False) > 0 for point in points])
    assert (inside != (shown & (depth_m < 30.0))).mean() < 0.003
    assert shown.any()


def test_a_frame_full_of_sky_shows_no_ground():
    rotation, shift = looking_down(pitch_deg=-40)
    assert CameraModel.from_intrinsics(K, rotation, shift).visible_ground(SIZE).shape == (0, 2)


def test_a_left_handed_world_is_seen_when_the_size_is_known():
    rotation, shift = looking_down()
    projection = K @ np.column_stack([rotation, shift]) @ np.diag([1.0, -1, 1, 1])
    model = CameraModel.from_projection(projection, SIZE)
    ground = ahead() * (1, -1)
    np.testing.assert_allclose(model.to_ground(model.to_image(ground)), ground, atol=1e-6)


def test_a_camera_that_looks_straight_down_has_no_horizon():
    rotation = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
    projection = K @ np.column_stack([rotation, [0, 0, 5.0]])
    for model in (CameraModel.from_projection(projection), CameraModel.from_homography(projection[:, [0, 1, 3]])):
        np.testing.assert_allclose(model.to_ground([[640, 360], [1540, 360]]), [[0, 0], [5, 0]], atol=1e-9)


def test_empty_input():
    model = models()["lens"]
    assert model.to_ground(np.zeros((0, 2))).shape == (0, 2)
    assert model.to_image(np.zeros((0, 3))).shape == (0, 2)
    assert model.ground_covariance(np.zeros((0, 2)), np.eye(2)).shape == (0, 2, 2)


def test_mistakes():
    rotation, shift = looking_down()
    with pytest.raises(UserError, match="no heights"):
        CameraModel.from_homography(np.eye(3)).to_image([[0, 0, 1]])
    flat = CameraModel.from_homography(np.eye(3))
    for call in (
        lambda: flat.to_ground([[0, 0]], 1.7),
        lambda: flat.heights([[0, 0]], [[0, 0]]),
        lambda: flat.person_boxes([[0, 0]], 1.7, 0.3),
    ):
        with pytest.raises(UserError, match="no heights"):
            call()
    with pytest.raises(UserError, match="coefficients"):
        Lens.make(K, [0.1, 0.2])
    with pytest.raises(UserError, match="singular"):
        CameraModel.from_homography(np.ones((3, 3)))
    with pytest.raises(UserError, match="not a rotation"):
        CameraModel.from_intrinsics(K, -rotation, shift)
    with pytest.raises(UserError, match="not a camera matrix"):
        CameraModel.from_intrinsics(np.zeros((3, 3)), rotation, shift)
    with pytest.raises(UserError, match="NaN"), np.errstate(invalid="ignore"):
        CameraModel.from_projection(np.full((3, 4), np.nan))


@settings(max_examples=60)
@given(st.floats(2, 12), st.floats(8, 70), st.floats(-180, 180), st.floats(4, 40), st.floats(-0.3, 0.3))
def test_any_sensible_camera_goes_there_and_back(height, pitch, yaw, distance, side):
    rotation, shift = looking_down(height, pitch, yaw)
    angle = np.radians(yaw) + side
    ground = np.array([[2 + distance * np.cos(angle), -3 + distance * np.sin(angle)]])
    model = CameraModel.from_intrinsics(K, rotation, shift)
    pixels = model.to_image(ground)
    if np.isfinite(pixels).all():
        np.testing.assert_allclose(model.to_ground(pixels), ground, atol=1e-5)


def load_scored(testdata, name):
    folder = testdata / "scored"
    matrices = json.loads((folder / "input" / name / "calib.json").read_text())
    sizes = {
        camera: tuple(meta["size"])
        for camera, meta in json.loads((folder / "input" / name / "meta.json").read_text()).items()
    }
    truth = name.removesuffix("_noisy")
    world = np.loadtxt(folder / "gt" / f"{truth}_world" / "world.txt", delimiter=",")
    where = {(int(row[0]), int(row[1])): row[7:9] for row in world}
    return matrices, sizes, where, folder / "gt" / truth


@pytest.mark.parametrize(("name", "median_m"), [("wildtrackA", 0.25), ("cmc1", 0.35), ("cmc2", 0.35)])
def test_feet_of_real_people_stand_where_the_truth_says(testdata, name, median_m):
    matrices, sizes, where, truth = load_scored(testdata, name)
    for camera, matrix in matrices.items():
        rows = np.loadtxt(truth / f"{camera}.txt", delimiter=",")
        left, top, width, height = rows[:, 2:6].T
        feet = np.stack([left + width / 2, top + height], axis=1)
        inside = (left > 0) & (top + height < sizes[camera][1] - 2) & (left + width < sizes[camera][0])
        known = np.array([(int(row[0]), int(row[1])) in where for row in rows])
        use = inside & known
        expected = np.array([where[int(row[0]), int(row[1])] for row in rows[use]])
        with_size = CameraModel.from_projection(matrix, sizes[camera])
        got = with_size.to_ground(feet[use])
        error = np.hypot(*(got - expected).T)
        assert np.nanmedian(error) < median_m, (camera, np.nanmedian(error))
        assert np.isfinite(got).mean() > 0.99
        np.testing.assert_array_equal(got, CameraModel.from_projection(matrix).to_ground(feet[use]))


def read_xml(path, tag):
    return np.array([float(text) for text in ElementTree.parse(path).getroot().find(tag).text.split()])


def test_wildtrack_intrinsics_and_extrinsics_give_its_projection(testdata):
    folder = testdata / "wildtrack" / "calibrations"
    matrices = json.loads((testdata / "scored" / "input" / "wildtrackA" / "calib.json").read_text())
    names = ["CVLab1", "CVLab2", "CVLab3", "CVLab4", "IDIAP1", "IDIAP2", "IDIAP3"]
    for camera, name in zip(matrices, names, strict=True):
        intrinsic = ElementTree.parse(folder / "intrinsic_zero" / f"intr_{name}.xml").getroot()
        camera_matrix = np.array([float(text) for text in intrinsic.find("camera_matrix/data").text.split()]).reshape(
            3, 3
        )
        rotation, _ = cv2.Rodrigues(read_xml(folder / "extrinsic" / f"extr_{name}.xml", "rvec"))
        shift = read_xml(folder / "extrinsic" / f"extr_{name}.xml", "tvec") / 100
        pixels = np.array([[200.0, 900], [960, 700], [1700, 1000]])
        a = CameraModel.from_intrinsics(camera_matrix, rotation, shift).to_ground(pixels)
        b = CameraModel.from_projection(matrices[camera], (1920, 1080)).to_ground(pixels)
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_wildtrack_lenses(testdata):
    folder = testdata / "wildtrack" / "calibrations"
    pixels = np.stack(np.meshgrid(np.linspace(0, 1919, 40), np.linspace(0, 1079, 24)), -1).reshape(-1, 2)
    for path in sorted((folder / "intrinsic_original").glob("*.xml")):
        root = ElementTree.parse(path).getroot()
        camera_matrix = np.array([float(text) for text in root.find("camera_matrix/data").text.split()]).reshape(3, 3)
        dist = [float(text) for text in root.find("distortion_coefficients/data").text.split()]
        lens = Lens.make(camera_matrix, dist)
        ideal, _ = lens.ideal_pixels(pixels)
        real = np.isfinite(ideal).all(axis=1)
        # The published coefficients fold back before the farthest corners of two cameras.
        assert real.mean() > 0.97, path.name
        np.testing.assert_allclose(lens.recorded_pixels(ideal[real])[0], pixels[real], atol=1e-6)
