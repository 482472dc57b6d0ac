"""A training batch as one picture: what the network sees, its prompts, and the parts it is to learn."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.atomic import replacing
from data.errors import UserError
from data.formats.reid_keypoints import CropSkeletons
from data.records import Image
from pipeline.rendering.crop_pictures import prompted, scaled, tinted
from pipeline.rendering.palette import PAPER, color_of

if TYPE_CHECKING:
    from reid.training.batch import TrainBatch

_HEIGHT, _GAP, _BAND = 192, 6, 8


def draw_batch(batch: "TrainBatch", columns: int = 8) -> Image:
    """Draw every crop of a batch with its prompts (others' skeletons with crosses), beside it its part masks.

    Args:
        batch: augmented, not normalised.
        columns: crops side by side; people, a band in one colour above each of their crops, fill rows in order.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    pictures = (batch.images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    cells = []
    for row, image in enumerate(pictures):
        skeletons = CropSkeletons(batch.targets[row].cpu().numpy(), batch.negatives[row].cpu().numpy())
        parts = batch.parts[row].cpu().numpy()
        beside = tinted(image, parts, _HEIGHT) if len(parts) else scaled(image, _HEIGHT)
        pair = np.concatenate([prompted(image, skeletons, _HEIGHT), beside], 1)
        band = np.full((_BAND, pair.shape[1], 3), color_of(int(batch.identities[row])), np.uint8)
        cells.append(np.concatenate([band, pair]))
    height, width = cells[0].shape[0] + _GAP, cells[0].shape[1] + _GAP
    lines = -(-len(cells) // columns)
    sheet = np.full((lines * height + _GAP, columns * width + _GAP, 3), PAPER, np.uint8)
    for number, cell in enumerate(cells):
        top, left = _GAP + number // columns * height, _GAP + number % columns * width
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return sheet


def write_batch(path: Path, batch: "TrainBatch", columns: int = 8) -> None:
    """Write the picture of a batch.

    Args:
        path: a .png or .jpg file.
        batch: see ``draw_batch``.
        columns: see ``draw_batch``.

    Raises:
        UserError: when it cannot be written there.
    """
    import cv2

    try:
        written, encoded = cv2.imencode(path.suffix, draw_batch(batch, columns)[..., ::-1])
    except cv2.error:
        written = False
    if not written:
        raise UserError(f"{path}: name a .png or .jpg file")
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(encoded.tobytes())
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
