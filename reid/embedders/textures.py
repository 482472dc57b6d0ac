"""Textures of people in picture files, drawn by SAN-PG or by a SAN that kept its decoder."""

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from data.atomic import write_bytes
from data.errors import UserError
from data.records import Image
from reid.models.spec import IMAGENET_MEAN, IMAGENET_STD
from reid.samples.crop_files import CropFolder
from reid.samples.crops import resize_crop
from reid.samples.network_input import normalise
from reid.samples.textures import planes, texture_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reid.models.san import SAN


def texture_paths(names: "Sequence[str]", out: Path) -> list[Path]:
    """Where the texture of each picture goes: its path, ending in .png, below another folder.

    Args:
        names: of the pictures below their folder, with slashes.
        out: folder of the textures.

    Raises:
        UserError: when two pictures differ in their endings only.
    """
    paths = [out / PurePosixPath(name).with_suffix(".png") for name in names]
    known: dict[Path, str] = {}
    for name, path in zip(names, paths, strict=True):
        if known.setdefault(path, name) != name:
            raise UserError(f"{known[path]} and {name} would have one texture, {path}; rename one of them")
    return paths


def draw_textures(model: "SAN", pictures: "Sequence[Image]") -> Image:
    """Textures of N pictures, (N, 256, 256, 3) uint8 RGB.

    Args:
        model: with its decoder, in evaluation mode.
        pictures: (h, w, 3) uint8 RGB, of any sizes.
    """
    import torch

    spec = model.spec
    images = planes(resize_crop(picture, (spec.height, spec.width)) for picture in pictures)
    device = next(model.parameters()).device
    with torch.inference_mode():
        return texture_picture(model.textures(normalise(images.to(device).float() / 255, IMAGENET_MEAN, IMAGENET_STD)))


def write_textures(model: "SAN", crops: CropFolder, out: Path, batch: int = 64) -> int:
    """Draw and write the textures of all pictures of a folder that can be read, see ``texture_paths``.

    Returns:
        How many were written.

    Raises:
        UserError: when a picture cannot be read (see ``CropFolder``), or a file cannot be written.
    """
    import cv2

    written = 0
    for portion in crops.batches(batch):
        textures = draw_textures(model, [crop.image for crop in portion])
        for path, texture in zip(texture_paths([crop.name for crop in portion], out), textures, strict=True):
            try:
                write_bytes(path, cv2.imencode(".png", texture[..., ::-1])[1].tobytes(), durable=False)
            except OSError as error:
                raise UserError(f"cannot write {path}: {error.strerror}") from None
            written += 1
    crops.tell()
    return written
