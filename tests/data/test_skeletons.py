"""Maps between layouts of keypoints."""

import numpy as np
import pytest

from data.skeletons import COCO17, HEAD_BOTTOM, HEAD_TOP, POSETRACK17, convert, with_head_ends


def standing() -> np.ndarray:
    """Somebody upright: ears 0.118 and eyes 0.118 of the height above the shoulders, 1000 px high, top at y = 0."""
    points = np.zeros((17, 3), np.float32)
    points[:, 0] = 300
    points[:, 2] = 0.9
    points[1:5, 1] = 64
    points[5:7, 1] = 182
    points[5:7, 0] = [400, 200]
    return points


def test_the_head_of_an_upright_person_ends_at_the_top_and_at_the_chin() -> None:
    made = with_head_ends(standing()[None])[0]
    assert POSETRACK17.names[1:3] == ("head_bottom", "head_top")
    np.testing.assert_allclose(made[1], [300, 130, 0.9], atol=1e-3)
    np.testing.assert_allclose(made[2], [300, 0, 0.9], atol=1e-3)
    assert 0 < HEAD_BOTTOM < 1 < HEAD_TOP


def test_the_least_sure_point_says_how_sure_the_ends_are() -> None:
    points = standing()
    points[5, 2], points[3, 2] = 0.4, 0.0
    points[3, :2] = 0
    made = with_head_ends(points)
    np.testing.assert_allclose(made[2], [300, 0, 0.4], atol=1e-3)


@pytest.mark.parametrize("lost", [[5], [6], [1, 2, 3, 4]])
def test_nothing_is_estimated_from_nothing(lost: list[int]) -> None:
    points = standing()
    points[lost] = 0
    made = with_head_ends(points[None])
    assert not made[0, 1:3].any()
    assert made[0, 11:, 2].all()


def test_the_way_back_drops_what_was_estimated() -> None:
    points = standing()
    back = convert(with_head_ends(points[None]), POSETRACK17.name, COCO17.name)[0]
    assert not back[1:5].any()
    np.testing.assert_array_equal(back[[0, *range(5, 17)]], points[[0, *range(5, 17)]])
