"""The prompt tensor: keypoints drawn as heat-maps, one channel per body region (KPR, ECCV 2024).

Channels: background, other people's keypoints (where the network has that channel), then one per keypoint group. All
rows of a batch are drawn by one scatter on whatever device the keypoints are on.
"""

import torch
from torch import Tensor

from reid.models.spec import PROMPT_GROUPS, PromptGrouping

KEYPOINTS = 17


def draw_prompts(
    targets: Tensor,
    negatives: Tensor,
    negative_rows: Tensor,
    size: tuple[int, int],
    grouping: PromptGrouping,
    use_negatives: bool = True,
    threshold: float = 0.3,
    continuous: bool = False,
) -> Tensor:
    """Draw the prompts of N crops.

    A keypoint is a Gaussian of standard deviation n / 4 and peak 1, cut to an n x n window, n = 2 int(width / 11) + 1,
    centred on the pixel that holds the point. A channel is the maximum over its keypoints; the background is what the
    other channels leave, 1 - sum, not below 0. Points outside the crop are not drawn.

    Args:
        targets: (N, 17, 3) skeleton of the person each crop is about: x, y in pixels of the network's input,
            confidence 0-1. A skeleton without a confident point gives the empty prompt: background everywhere.
        negatives: (M, 17, 3) skeletons of other people, in the pixels of the crop they appear in.
        negative_rows: (M,) int64, the crop each negative belongs to.
        size: (height, width) of the network's input, px.
        grouping: which keypoints share a channel.
        use_negatives: whether there is a channel for the negatives.
        threshold: only points of higher confidence are drawn.
        continuous: draw every point of any confidence, with its confidence as peak, instead of a threshold.

    Returns:
        (N, P, height, width) float32, 0-1.
    """
    height, width = size
    groups = PROMPT_GROUPS[grouping]
    first = 1 + int(use_negatives)
    prompts = torch.zeros(len(targets), first + len(groups), height, width, device=targets.device)

    member = torch.zeros(KEYPOINTS, prompts.shape[1], dtype=torch.bool, device=targets.device)
    for channel, group in enumerate(groups):
        member[list(group), first + channel] = True
    floor = 0.0 if continuous else threshold
    rows, points, channels = torch.nonzero(_drawable(targets, size, floor)[..., None] & member, as_tuple=True)
    chosen = targets[rows, points]
    if use_negatives:
        skeletons, points = torch.nonzero(_drawable(negatives, size, floor), as_tuple=True)
        chosen = torch.cat([chosen, negatives[skeletons, points]])
        channels = torch.cat([channels, torch.ones_like(skeletons)])
        rows = torch.cat([rows, negative_rows[skeletons]])

    radius = width // 11
    offsets = torch.arange(-radius, radius + 1, device=targets.device)
    profile = torch.exp(-0.5 * (offsets.double() / ((2 * radius + 1) / 4)) ** 2)
    y, x = chosen[:, 1].long()[:, None] + offsets, chosen[:, 0].long()[:, None] + offsets
    inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :]
    place = ((rows * prompts.shape[1] + channels)[:, None, None] * height + y[:, :, None]) * width + x[:, None, :]
    value = (profile[:, None] * profile).float().expand(place.shape)
    if continuous:
        value = value * chosen[:, 2, None, None].to(value.dtype).clamp(max=1)
    prompts.view(-1).scatter_reduce_(0, place[inside], value[inside], "amax")
    prompts[:, 0] = (1 - prompts[:, 1:].sum(1)).clamp_(0, 1)
    return prompts


def _drawable(skeletons: Tensor, size: tuple[int, int], floor: float) -> Tensor:
    x, y, confidence = skeletons.unbind(-1)
    return (confidence > floor) & (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
