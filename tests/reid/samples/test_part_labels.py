"""Parsing labels, against the originals' target masks."""

import hashlib

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from reid.models.spec import PART_NAMES
from reid.samples.part_labels import LIMBS, PART_FIELDS, fields_from_keypoints, group_fields, label_masks

TEMPLATE = np.array([
    (.50, .10), (.53, .08), (.47, .08), (.56, .09), (.44, .09), (.65, .22), (.35, .22), (.70, .38), (.30, .38),
    (.72, .52), (.28, .52), (.60, .52), (.40, .52), (.60, .74), (.40, .74), (.60, .95), (.40, .95),
])  # fmt: skip
PLACED = (("0", 1.0, (0, 0)), ("1", 1.0, (0, 0)), ("2m", 1.0, (0, 0)), ("3", 0.9, (-0.2, 0.1)))


def pseudo_fields(row):
    """Labels of a sample by the rule of tests/golden/README.md, (36, 17, 9)."""
    key, scale, shift = PLACED[row]
    seed = int.from_bytes(hashlib.sha256(f"golden:kp:{key}".encode()).digest()[:4], "big")
    points = TEMPLATE * scale + shift + 0.01 * np.random.RandomState(seed).standard_normal((17, 2))
    centres = np.concatenate([points, [(points[a] + points[b]) / 2 for a, b in LIMBS]])
    y, x = (np.arange(17) + 0.5) / 17, (np.arange(9) + 0.5) / 9
    across = ((x[None] - centres[:, :1]) / 0.16)[:, None] ** 2
    down = ((y[None] - centres[:, 1:]) / 0.07)[:, :, None] ** 2
    fields = np.exp(-0.5 * (across + down))
    if row == 1:
        fields[13:21] *= 0.2
    return fields.astype(np.float32)


@pytest.mark.parametrize(
    ("case", "grouping", "size"),
    [
        ("kpr_swin_tiny_256x128_k5", "five_v", (256, 128)),
        ("inputs_384x128_k8", "eight", (384, 128)),
        ("bpbreid_resnet50_256x128_k5", "five_v", (256, 128)),
        ("bpbreid_hrnet32_384x128_k8", "eight", (384, 128)),
    ],
)
def test_labels_agree_with_the_original(golden, case, grouping, size):
    want = np.load(golden(f"{case}.npz"))["input/target_masks"]
    quarter = (size[0] // 4, size[1] // 4)
    for row in range(4):
        parts = torch.from_numpy(group_fields(pseudo_fields(row), grouping))[None]
        if not case.startswith("bpbreid"):
            parts = F.interpolate(parts, size, mode="bilinear", align_corners=False)
        else:
            parts = F.interpolate(parts, quarter, mode="nearest")
        got = label_masks(parts, quarter)[0].numpy()
        assert got.shape == want[row].shape
        assert np.abs(got - want[row]).max() <= 2e-5


def test_groupings_fit_their_names():
    for grouping, members in PART_FIELDS.items():
        assert len(members) == len(PART_NAMES[grouping])
        assert all(0 <= field < 36 for part in members for field in part)


def test_fields_of_a_skeleton_follow_its_limbs():
    keypoints = np.concatenate([TEMPLATE * (64, 128), np.full((17, 1), 0.9)], 1).astype(np.float32)
    keypoints[15, 2] = 0.1
    fields = fields_from_keypoints(keypoints, (128, 64), (64, 32))
    assert fields.shape == (36, 64, 32)
    assert fields.max() <= 1
    for point in range(17):
        row, column = np.unravel_index(fields[point].argmax(), (64, 32))
        if point == 15:
            assert not fields[point].any()
        else:
            assert np.hypot(column * 2 + 1 - keypoints[point, 0], row * 2 + 1 - keypoints[point, 1]) < 2
    assert not fields[17].any()  # left ankle to left knee
    masks = label_masks(torch.from_numpy(group_fields(fields, "eight"))[None])[0]
    winner = masks.argmax(0)
    middle = int(0.37 * 64), 16
    assert int(winner[middle]) == 1 + PART_NAMES["eight"].index("torso")
    assert int(winner[int(0.09 * 64), 16]) == 1 + PART_NAMES["eight"].index("head")
    assert int(winner[2, 2]) == 0
    assert torch.allclose(masks.sum(0), torch.ones(64, 32))


def test_no_skeleton_is_all_background():
    fields = fields_from_keypoints(np.zeros((17, 3), np.float32), (128, 64), (16, 8))
    assert not fields.any()
    assert (label_masks(torch.from_numpy(group_fields(fields, "five_v"))[None]).argmax(1) == 0).all()


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="36 fields"):
        group_fields(np.zeros((35, 4, 4), np.float32), "eight")
