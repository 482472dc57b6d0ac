"""Heads are blurred beyond recovery, and nothing else is touched."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.rendering.anonymize import blur_regions, head_regions, shift_regions, skeleton_regions

_JOINTS = np.array([
    (.50, .07), (.56, .055), (.44, .055), (.62, .065), (.38, .065), (.74, .19), (.26, .19), (.84, .34), (.16, .34),
    (.82, .48), (.18, .48), (.64, .52), (.36, .52), (.66, .75), (.34, .75), (.68, .97), (.32, .97),
], np.float32)  # fmt: skip


def _skeleton(box: np.ndarray, confidence: float = 0.9) -> np.ndarray:
    low, sides = box[:2], box[2:] - box[:2]
    return np.column_stack([low + _JOINTS * sides, np.full(17, confidence)]).astype(np.float32)


def _noise(height: int = 400, width: int = 300) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _mask(region: np.ndarray, shape: tuple[int, int], grow: float = 0.0) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    dx, dy = np.abs(x - region[0]), np.abs(y - region[1])
    if region[4]:
        return (dx / (region[2] + grow)) ** 2 + (dy / (region[3] + grow)) ** 2 <= 1
    return (dx <= region[2] + grow) & (dy <= region[3] + grow)


@pytest.mark.parametrize("with_keypoints", [True, False])
def test_the_head_changes_and_the_rest_does_not(with_keypoints: bool) -> None:
    boxes = np.array([[80, 40, 200, 360]], np.float32)
    keypoints = _skeleton(boxes[0])[None] if with_keypoints else None
    (region,) = head_regions(boxes, keypoints, 0.3)
    assert region[4] == with_keypoints
    image, before = _noise(), _noise()
    blur_regions(image, [region])
    inside, near = _mask(region, (400, 300), -2), _mask(region, (400, 300), 3)
    assert (image[inside] != before[inside]).any(axis=1).mean() > 0.95
    assert (image[~near] == before[~near]).all()
    assert image[inside].std() < 0.25 * before[inside].std(), "what is left is nearly flat"


def test_the_region_covers_the_face_with_a_margin() -> None:
    boxes = np.array([[80, 40, 200, 360]], np.float32)
    keypoints = _skeleton(boxes[0])[None]
    (region,) = head_regions(boxes, keypoints, 0.3)
    mask = _mask(region, (400, 300))
    for x, y in keypoints[0, :5, :2]:
        for dx, dy in ((0, 0), (6, 0), (-6, 0), (0, 8), (0, -8)):
            assert mask[round(float(y)) + dy, round(float(x)) + dx]
    assert not mask[200:, :].any(), "the body below stays"


@pytest.mark.parametrize(
    ("head", "ellipses", "reason"),
    [
        ({}, 0, "no confident keypoint"),
        ({0: (5.0, 5.0, 0.9)}, 1, "a head far outside the box may be another's"),
        ({0: (140.0, 350.0, 0.9)}, 1, "a head at the feet may be a mistake"),
        ({0: (140.0, 60.0, 0.2)}, 0, "nobody trusts this point"),
    ],
)
def test_without_a_head_in_its_place_the_top_of_the_box_is_blurred_as_well(
    head: dict[int, tuple[float, float, float]], ellipses: int, reason: str
) -> None:
    boxes = np.array([[80, 40, 200, 360]], np.float32)
    keypoints = np.zeros((1, 17, 3), np.float32)
    for joint, point in head.items():
        keypoints[0, joint] = point
    band, *others = head_regions(boxes, keypoints, 0.3)
    assert band[4] == 0, reason
    assert [other[4] for other in others] == [1] * ellipses
    x, y, half_width, half_height = band[:4]
    assert (x - half_width, x + half_width) == (80, 200)
    assert y - half_height <= 40
    assert 40 + 0.2 * 320 <= y + half_height <= 40 + 0.27 * 320


def test_a_box_round_a_lone_head_is_blurred_where_the_face_is() -> None:
    boxes = np.array([[434, 61, 465, 115]], np.float32)
    keypoints = np.zeros((1, 17, 3), np.float32)
    keypoints[0, :3] = ((445, 101, 1), (456, 88, 1), (439, 94, 1))
    regions = head_regions(boxes, keypoints, 0.3)
    covered = np.any([_mask(region, (200, 500)) for region in regions], axis=0)
    assert covered[88:110, 438:458].all()


def test_someone_near_who_is_cut_off_gets_a_larger_band() -> None:
    (tall, near) = head_regions(np.array([[0, 0, 100, 300], [0, 0, 280, 300]], np.float32), None, 0.3)
    assert 2 * near[3] > 2.0 * (2 * tall[3])


def test_what_is_left_is_a_few_dozen_numbers() -> None:
    """Two faces that differ in every pixel, but not in the mean of any cell, come out the same."""
    region = np.array([150, 100, 48, 48, 1], np.float32)
    one = np.full((400, 300, 3), 128, np.uint8)
    other = one.copy()
    checks = (np.indices((400, 300)).sum(axis=0) % 2).astype(bool)
    other[checks], other[~checks] = 28, 228
    blur_regions(one, [region])
    blur_regions(other, [region])
    inside = _mask(region, (400, 300), -2)
    assert np.abs(one[inside].astype(int) - other[inside].astype(int)).max() <= 2


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.floats(-400, 700), st.floats(-400, 700), st.floats(0, 900), st.floats(0, 900), st.sampled_from([0, 1])
        ),
        max_size=6,
    )
)
def test_any_region_is_borne(regions: list[tuple[float, ...]]) -> None:
    image = _noise(60, 80)
    blur_regions(image, np.array(regions, np.float32).reshape(-1, 5))
    assert image.shape == (60, 80, 3)


def test_skeletons_without_a_box_count_and_regions_move_with_a_crop() -> None:
    box = np.array([80, 40, 200, 360], np.float32)
    stray = np.stack([_skeleton(box), np.zeros((17, 3), np.float32)])
    regions = skeleton_regions(stray, 0.3)
    assert regions.shape == (1, 5)
    np.testing.assert_allclose(regions[0, :2], _skeleton(box)[:5, :2].mean(axis=0), rtol=1e-5)
    moved = shift_regions(regions, 80, 40, 0.5)
    np.testing.assert_allclose(moved[0, :4], [(regions[0, 0] - 80) / 2, (regions[0, 1] - 40) / 2, *regions[0, 2:4] / 2])
    assert moved[0, 4] == 1


def test_no_rows_no_regions() -> None:
    assert head_regions(np.zeros((0, 4), np.float32), np.zeros((0, 17, 3), np.float32), 0.3).shape == (0, 5)
    assert skeleton_regions(np.zeros((0, 17, 3), np.float32), 0.3).shape == (0, 5)
