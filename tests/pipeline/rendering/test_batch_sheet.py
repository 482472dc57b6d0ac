"""A training batch as a picture."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from data.errors import UserError
from pipeline.rendering.batch_sheet import draw_batch, write_batch
from pipeline.rendering.palette import color_of
from reid.training.batch import TrainBatch


def batch_of(count: int, parts: int = 2) -> TrainBatch:
    masks = torch.zeros(count, parts, 48, 24)
    masks[:, :1, :24] = 1
    targets = torch.zeros(count, 17, 3)
    targets[:, 0] = torch.tensor([12.0, 6.0, 1.0])
    return TrainBatch(
        torch.full((count, 3, 48, 24), 0.5), masks, torch.zeros(count, 48, 24), targets, torch.zeros(count, 0, 17, 3),
        torch.arange(count) // 2, torch.zeros(count, dtype=torch.int64), torch.ones(count, dtype=torch.bool),
    )  # fmt: skip


def test_every_crop_has_its_prompts_and_its_parts() -> None:
    sheet = draw_batch(batch_of(6), columns=4)
    width, height = 2 * 96 + 6, 192 + 8 + 6
    assert sheet.shape == (2 * height + 6, 4 * width + 6, 3)
    for number in range(6):
        top, left = 6 + number // 4 * height, 6 + number % 4 * width
        cell = sheet[top : top + 200, left : left + 192]
        assert cell[0, 0].tolist() == list(color_of(number // 2))
        plain, parts = cell[8:, :96], cell[8:, 96:]
        assert (np.ptp(plain.astype(int), axis=2) > 40).any()
        assert np.ptp(plain[150].astype(int), axis=1).max() == 0
        assert np.ptp(parts[50].astype(int), axis=1).min() > 20
        assert np.ptp(parts[180].astype(int), axis=1).max() == 0
    assert (sheet[height + 6 :, 6 + 2 * width :] == 255).all()


def test_stripes_have_no_masks_to_draw(tmp_path: Path) -> None:
    path = tmp_path / "batch.png"
    write_batch(path, batch_of(2, parts=0))
    assert cv2.imread(str(path)).shape[:2] == (212, 1590)
    with pytest.raises(UserError, match=r"name a \.png or \.jpg file"):
        write_batch(tmp_path / "batch.txt", batch_of(2))
    with pytest.raises(UserError, match=r"cannot write .*batch\.png/batch\.png"):
        write_batch(path / "batch.png", batch_of(2))
