"""Which texture belongs to which picture of a person, and reading them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.errors import UserError
from data.listing import listed
from data.pictures import is_picture, read_picture
from data.records import Image
from reid.models.san_spec import TEXTURE_SIZE
from reid.samples.crops import resize_crop

if TYPE_CHECKING:
    from torch import Tensor


class TextureFolder:
    """A folder of textures, its sub-folders included.

    The texture of a picture has the picture's name, whatever its ending; or the longest part of that name that ends
    before an underscore, so that ``0007.png`` may serve ``0007_c1s1_000001_00.jpg`` and all others of person 7 (the
    pictures of PIT, of which ten share a texture, and those of synthetic sites).

    Args:
        folder: where they are.

    Raises:
        UserError: when there is no such folder, no picture in it, or two of one name.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UserError(
                f"{folder} is no folder of textures; `python -m tools.make_textures PICTURES --out {folder}` makes one"
            )
        self.folder = folder
        self._paths: dict[str, Path] = {}
        for path in [path for path in listed(folder, "**/*") if is_picture(path)]:
            first = self._paths.setdefault(path.stem, path)
            if first != path:
                raise UserError(f"{folder} holds two textures of the name '{path.stem}': {first} and {path}")
        if not self._paths:
            raise UserError(f"{folder} holds no textures")

    def find(self, pictures: Sequence[Path]) -> list[Path]:
        """The texture of each picture.

        Raises:
            UserError: when some have none.
        """
        found = [self._find(picture.stem) for picture in pictures]
        lacking = [picture for picture, path in zip(pictures, found, strict=True) if path is None]
        if lacking:
            raise UserError(
                f"{self.folder} lacks the textures of {len(lacking)} of {len(pictures)} pictures, first "
                f"'{lacking[0].stem}'; make them with `python -m tools.make_textures {lacking[0].parent} --out "
                f"{self.folder}`"
            )
        return [path for path in found if path is not None]

    def _find(self, name: str) -> Path | None:
        while name:
            if name in self._paths:
                return self._paths[name]
            name = name.rpartition("_")[0]
        return None


def read_texture(path: Path) -> Image:
    """(256, 256, 3) uint8 RGB; smaller and larger squares are resized (the published ones are 64 x 64).

    Raises:
        UserError: when the file cannot be read, or is not square and so no texture.
    """
    texture = read_picture(path)
    if texture.shape[0] != texture.shape[1]:
        raise UserError(f"{path} is {texture.shape[1]}x{texture.shape[0]} px; a texture is a square, of 256x256 px")
    size = (TEXTURE_SIZE, TEXTURE_SIZE)
    return texture if texture.shape[:2] == size else resize_crop(texture, size)


def planes(images: Iterable[Image]) -> "Tensor":
    """N pictures of one size (h, w, 3) -> (N, 3, h, w), uint8."""
    import torch

    return torch.from_numpy(np.stack(list(images))).permute(0, 3, 1, 2).contiguous()


def texture_target(textures: "Tensor") -> "Tensor":
    """(N, 3, h, w) uint8 -> float32, black -1 and white 1: what a decoder is to draw."""
    return textures.float() / 127.5 - 1


def texture_picture(drawn: "Tensor") -> Image:
    """(N, 3, h, w) as a decoder draws -> (N, h, w, 3) uint8 RGB; what lies beyond black and white is cut."""
    levels = ((drawn.float() + 1) * 127.5).round().clamp(0, 255).byte()
    made: Image = levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return made
