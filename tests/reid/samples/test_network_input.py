"""Crops and skeletons become one network input, whether they come from files or out of frames."""

import numpy as np
import pytest
import torch

from data.formats.reid_keypoints import CropSkeletons
from reid.models.spec import ModelSpec
from reid.samples.device_input import device_input
from reid.samples.network_input import into_input, network_input

SPEC = ModelSpec(architecture="kpr", backbone="swin", prompt_groups="cck8", negatives=True, height=64, width=32)


def skeleton(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    points = rng.uniform((0, 0), (width - 1, height - 1), (17, 2))
    return np.concatenate([points, np.full((17, 1), 0.9)], axis=1).astype(np.float32)


def test_a_crop_from_a_file_and_one_out_of_a_frame_are_prepared_alike() -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (200, 160, 3), dtype=np.uint8)
    x1, y1, x2, y2 = region = (20, 30, 70, 150)
    target, other = skeleton(rng, x2 - x1, y2 - y1), skeleton(rng, x2 - x1, y2 - y1)
    crop = CropSkeletons(target, other[None])
    from_file = network_input([frame[y1:y2, x1:x2]], [crop], SPEC)
    corner = np.array([x1, y1, 0], np.float32)
    one = np.zeros(1, np.int64)
    from_frame = device_input(
        [torch.from_numpy(frame)], one, np.array([region]), (target + corner)[None], (other + corner)[None], one, SPEC
    )
    assert from_file.images.shape == from_frame.images.shape == (1, 3, 64, 32)
    assert torch.equal(from_file.images, from_frame.images)
    assert from_file.prompts is not None
    assert from_frame.prompts is not None
    assert torch.equal(from_file.prompts, from_frame.prompts)


def test_crops_of_any_size_with_any_number_of_people_go_together() -> None:
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (height, 40, 3), dtype=np.uint8) for height in (50, 90, 130)]
    people = [
        None,
        CropSkeletons(skeleton(rng, 40, 90), np.zeros((0, 17, 3), np.float32)),
        CropSkeletons(skeleton(rng, 40, 130), np.stack([skeleton(rng, 40, 130)] * 2)),
    ]
    together = network_input(images, people, SPEC)
    assert together.prompts is not None
    for row, (image, one) in enumerate(zip(images, people)):
        alone = network_input([image], [one], SPEC)
        assert alone.prompts is not None
        assert torch.equal(alone.images[0], together.images[row])
        assert torch.equal(alone.prompts[0], together.prompts[row])
    assert torch.equal(together.prompts[0, 0], torch.ones(64, 32)), "nobody: background everywhere"


def test_keypoints_on_a_pixel_stay_on_it() -> None:
    middle = np.array([[[45.0, 45.0, 0.5]] * 17], np.float32)
    scaled = into_input(middle, np.array([[0, 0, 90, 90]]), (384, 128))
    assert scaled[0, 0].tolist() == [64.0, 192.0, 0.5]


@pytest.mark.parametrize(("threshold", "continuous"), [(0.3, False), (0.6, False), (0.3, True)])
def test_prompts_are_drawn_by_the_networks_own_rule(threshold: float, continuous: bool) -> None:
    spec = SPEC.model_copy(update={"prompt_threshold": threshold, "prompt_continuous": continuous})
    image, target = np.zeros((64, 32, 3), np.uint8), np.zeros((17, 3), np.float32)
    target[0], target[5], target[9] = (16, 20, 0.1), (16, 40, 0.4), (8, 50, 0.9)
    crop = CropSkeletons(target, np.zeros((0, 17, 3), np.float32))
    given = network_input([image], [crop], spec)
    assert given.prompts is not None
    peaks = [float(given.prompts[0, 2 + channel].max()) for channel in (0, 3, 1)]
    wanted = [0.1, 0.4, 0.9] if continuous else [float(point > threshold) for point in (0.1, 0.4, 0.9)]
    assert peaks == pytest.approx(wanted)
    corners, rows = np.array([[0, 0, 32, 64]]), np.zeros(1, np.int64)
    none = (np.zeros((0, 17, 3), np.float32), np.zeros(0, np.int64))
    framed = device_input([torch.from_numpy(image)], rows, corners, target[None], *none, spec)
    assert framed.prompts is not None
    assert torch.equal(framed.prompts, given.prompts)
