"""A small re-identification data set of drawn people, and a small network with random weights."""

import json
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from reid.models.spec import PART_NAMES, ModelSpec
from reid.weights.checkpoints import build_model, save_checkpoint

SPEC = ModelSpec(
    architecture="kpr", backbone="swin", embed_dim=16, depths=(1, 1), heads=(1, 2), height=64, width=32,
    part_names=PART_NAMES["five_v"], prompt_groups="cck6", dim=16, drop_path=0, identities=4,
)  # fmt: skip
_HEIGHT, _WIDTH = 96, 48
_STANDING = np.array([
    (.50, .10), (.53, .08), (.47, .08), (.56, .09), (.44, .09), (.65, .22), (.35, .22), (.70, .38), (.30, .38),
    (.72, .52), (.28, .52), (.60, .52), (.40, .52), (.60, .74), (.40, .74), (.60, .95), (.40, .95),
])  # fmt: skip


def skeleton(shift: float = 0.0) -> list[list[float]]:
    """Keypoints of somebody who stands in the middle of a crop, moved sideways by a share of its width."""
    points = np.concatenate([(_STANDING + np.array([shift, 0])) * (_WIDTH, _HEIGHT), np.full((17, 1), 2)], 1).round(1)
    outside = (points[:, 0] < 0) | (points[:, 0] >= _WIDTH)
    points[outside] = 0
    return [[float(value) for value in point] for point in points]


def picture(identity: int, camera: int, number: int) -> NDArray[np.uint8]:
    """A person in two colours of their own."""
    noise = np.random.default_rng([identity, camera, number]).integers(-25, 25, (_HEIGHT, _WIDTH, 3))
    colours = np.random.default_rng(identity).integers(30, 255, (2, 3))
    image = np.full((_HEIGHT, _WIDTH, 3), 90 + 20 * camera, np.uint8)
    cv2.rectangle(image, (14, 16), (34, 50), colours[0].tolist(), -1)
    cv2.rectangle(image, (17, 50), (31, 93), colours[1].tolist(), -1)
    return (image + noise).clip(0, 255).astype(np.uint8)


def write_site(root: Path, people: int = 5, cameras: int = 2, shots: int = 3) -> Path:
    """Queries and gallery in the layout of a synthetic site; the second picture of each shows somebody else too."""
    told = {}
    for split in ("query", "bounding_box_test"):
        (root / split).mkdir(parents=True)
    for identity in range(1, people + 1):
        for camera in range(1, cameras + 1):
            for number in range(shots):
                split = "query" if number == 0 else "bounding_box_test"
                name = f"{split}/{identity:04d}_c{camera}s1_{number:06d}_00.png"
                cv2.imwrite(str(root / name), picture(identity, camera, number))
                others = [skeleton(0.3)] if (number == 1 or identity == 1) else []
                told[name] = {"positive": skeleton(), "negatives": others}
    (root / "crops_a.json").write_text(json.dumps(told))
    return root


def write_network(path: Path, spec: ModelSpec = SPEC, seed: int = 4) -> Path:
    """A checkpoint whose parts and prompts matter."""
    torch.manual_seed(seed)
    state = build_model(spec).state_dict()
    for name, tensor in state.items():
        if "masks_patch_embed.norm" in name or name.startswith("pixel_classifier.classifier.weight"):
            tensor.copy_(torch.randn_like(tensor))
    save_checkpoint(path, state, spec)
    return path


def write_training_site(root: Path, people: int = 5, cameras: int = 2, shots: int = 2) -> Path:
    """Training crops in the layout of a synthetic site; nobody knows the skeleton of the second person's first."""
    told = {}
    (root / "bounding_box_train").mkdir(parents=True)
    for identity in range(1, people + 1):
        for camera in range(1, cameras + 1):
            for number in range(shots):
                name = f"bounding_box_train/{identity:04d}_c{camera}s1_{number:06d}_00.png"
                cv2.imwrite(str(root / name), picture(identity, camera, number))
                unknown = identity == 2 and number == 0
                told[name] = {"positive": [[0.0] * 3] * 17 if unknown else skeleton(), "negatives": []}
    (root / "crops_a.json").write_text(json.dumps(told))
    return root
