"""A crop described together with its mirror image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from data.errors import UserError
from data.formats.reid_keypoints import CropSkeletons
from data.skeletons import COCO17
from reid.evaluation.crops import LabelledCrop
from reid.evaluation.mirrored import Mirrored, mirrored
from reid.models.part_head import MaskUse
from reid.samples.sources import Sample


class Sides:
    """Mean colour of the left and of the right half; dark halves are not visible."""

    model_id = "sides"
    labels: MaskUse | None = None
    part_names = ("left_half", "right_half", "nose_side")

    def describe(self, crops: Sequence[LabelledCrop]) -> tuple[Tensor, Tensor]:
        vectors, seen = [], []
        for crop in crops:
            half = crop.image.shape[1] // 2
            colours = [crop.image[:, :half].mean((0, 1)), crop.image[:, half:].mean((0, 1))]
            nose = np.array([1.0, crop.skeletons.target[0, 0], 0])
            vectors.append(np.stack([*colours, nose]))
            seen.append([colour.sum() > 0 for colour in colours] + [True])
        found = torch.from_numpy(np.stack(vectors)).float()
        return torch.nn.functional.normalize(found, dim=-1), torch.tensor(seen)

    def attention(self, crops: Sequence[LabelledCrop]) -> Tensor | None:
        return None


def crop_of(image: np.ndarray) -> LabelledCrop:
    target = np.zeros((17, 3), np.float32)
    target[0] = (1, 2, 1)
    target[5] = (2, 4, 0.5)
    sample = Sample(Path("a.png"), 1, 1, None, None)
    return LabelledCrop(sample, image, CropSkeletons(target, target[None].copy()))


def test_left_and_right_change_places_in_pixels_and_keypoints() -> None:
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    crop = crop_of(image)
    turned = mirrored(crop)
    assert np.array_equal(turned.image, image[:, ::-1])
    assert turned.skeletons.target[0].tolist() == [4, 2, 1]
    assert turned.skeletons.target[COCO17.mirror[5]].tolist() == [3, 4, 0.5]
    assert not turned.skeletons.target[5].any()
    assert np.array_equal(turned.skeletons.negatives[0], turned.skeletons.target)
    again = mirrored(turned)
    assert np.array_equal(again.image, image)
    assert np.array_equal(again.skeletons.target, crop.skeletons.target)


def test_a_crop_and_its_mirror_image_are_described_alike() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(1, 255, (4, 6, 3)).astype(np.uint8)
    crop = crop_of(image)
    both = Mirrored(Sides())
    vectors, seen = both.describe([crop, mirrored(crop)])
    assert seen.all()
    assert torch.allclose(vectors.norm(dim=-1), torch.ones(2, 3))
    # The left half of the mirror image shows what was right, and counts as the right half.
    assert torch.allclose(vectors[0, :2], vectors[1, [1, 0]], atol=1e-6)
    alone, _ = Sides().describe([crop])
    other, _ = Sides().describe([mirrored(crop)])
    assert torch.allclose(vectors[0, 0], torch.nn.functional.normalize(alone[0, 0] + other[0, 1], dim=-1), atol=1e-6)
    assert torch.allclose(vectors[0, 2], torch.nn.functional.normalize(alone[0, 2] + other[0, 2], dim=-1), atol=1e-6)


def test_what_is_not_seen_adds_nothing() -> None:
    image = np.full((4, 6, 3), 9, np.uint8)
    image[:, 3:] = 0
    vectors, seen = Mirrored(Sides()).describe([crop_of(image)])
    assert seen[0].tolist() == [True, False, True]
    alone, _ = Sides().describe([crop_of(image)])
    assert torch.allclose(vectors[0, 0], alone[0, 0])


def test_networks_that_use_labels_are_refused() -> None:
    needy = Sides()
    needy.labels = "fixed"
    with pytest.raises(UserError, match="sides uses parsing labels"):
        Mirrored(needy)
