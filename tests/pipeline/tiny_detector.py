"""A network of our own detector small enough for tests, and a skeleton for its people."""

from pathlib import Path

import numpy as np
import torch

from pipeline.person_pose.files import save_network
from pipeline.person_pose.network import NetworkSpec, PersonPoseNet

TINY = NetworkSpec(stem=4, widths=(8, 8, 8, 8), depths=(1, 1, 1, 1), head=8, height=64, width=96)


def skeleton(box: tuple[float, float, float, float]) -> np.ndarray:
    """17 keypoints spread over a box, all visible."""
    x1, y1, x2, y2 = box
    share = np.linspace(0.1, 0.9, 17)
    return np.column_stack([x1 + (x2 - x1) * share[::-1], y1 + (y2 - y1) * share, np.ones(17)]).astype(np.float32)


def small_weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "w.safetensors"
    save_network(path, PersonPoseNet(TINY), {"note": "random"})
    return path
