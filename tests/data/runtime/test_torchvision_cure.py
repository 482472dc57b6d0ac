"""torchvision is importable beside any torch, with a working nms."""

import torch

from data.runtime.torchvision_cure import _cpu_nms, ensure_torchvision

BOXES = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
SCORES = torch.tensor([0.5, 0.9, 0.1])


def test_torchvision_and_timm_are_importable():
    torchvision = ensure_torchvision()
    assert ensure_torchvision() is torchvision
    import timm.layers

    assert timm.layers.PatchEmbed
    assert torchvision.ops.nms(BOXES, SCORES, 0.5).tolist() == [1, 2]


def test_own_nms():
    assert _cpu_nms(BOXES, SCORES, 0.5).tolist() == [1, 2]
    assert _cpu_nms(BOXES, SCORES, 0.95).tolist() == [1, 0, 2]
    assert _cpu_nms(BOXES[:0], SCORES[:0], 0.5).tolist() == []
