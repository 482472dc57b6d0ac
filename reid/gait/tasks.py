"""What an encoder reads and what it should write of it: three tasks that teach how people move without labels."""

import torch
from torch import Tensor

from reid.gait.spec import Task


def following(followed: Tensor) -> Tensor:
    """Row of the sequence after each one in its recording, (N,); the last of a recording is followed by itself.

    Args:
        followed: (N - 1,) bool, whether rows i and i + 1 follow one another.
    """
    rows = torch.arange(len(followed) + 1, device=followed.device)
    rows[:-1] += followed
    return rows


def task_pair(task: Task, points: Tensor, after: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Input and target of a batch.

    Args:
        task: reverse writes a sequence backwards, prediction the next one of the recording, sorting shuffled frames in
            order. In the published code the next sequence may be another person's, and rev_rec_plus trains
            all three encoders to reverse.
        points: (3, N, f, J) the sequences.
        after: (3, N, f, J) those that follow them.
        generator: on the CPU; shuffles the frames of each sequence for sorting, alike on all axes.

    Returns:
        What is read and what should be written, (3, N, f, J) each.
    """
    if task == "reverse":
        return points, points.flip(2)
    if task == "prediction":
        return points, after
    _, count, frames, joints = points.shape
    order = torch.rand(count, frames, generator=generator).argsort(1).to(points.device)
    shuffled = points.gather(2, order[None, :, :, None].expand(len(points), -1, -1, joints))
    return shuffled, points
