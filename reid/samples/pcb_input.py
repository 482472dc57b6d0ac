"""Picture files as PCB takes them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from data.pictures import read_picture
from data.records import Image

if TYPE_CHECKING:
    from torch import Tensor

_READERS = 4


def resize(picture: Image) -> "Tensor":
    """(H, W, 3) uint8 RGB -> (3, 384, 192) float32 0-1, see ``resize_bytes``."""
    return resize_bytes(picture).float() / 255


def resize_bytes(picture: Image) -> "Tensor":
    """(H, W, 3) uint8 RGB -> (3, 384, 192) uint8: bicubic, antialiased, as PIL does."""
    import torch

    from reid.models.pcb import HEIGHT, WIDTH

    planes = torch.from_numpy(picture).permute(2, 0, 1)[None]
    return torch.nn.functional.interpolate(planes, (HEIGHT, WIDTH), mode="bicubic", antialias=True)[0]


def batches(parts: Sequence[Sequence[Path]]) -> Iterator["Tensor"]:
    """Resized pictures of each part, (len(part), 3, 384, 192) float32 0-1; the next is read while one is used."""
    import torch

    def load(part: Sequence[Path]) -> "Tensor":
        return torch.stack([resize(read_picture(path)) for path in part])

    with ThreadPoolExecutor(_READERS) as pool:
        waiting = [pool.submit(load, part) for part in parts[:2]]
        for number in range(len(parts)):
            ready = waiting.pop(0).result()
            if number + 2 < len(parts):
                waiting.append(pool.submit(load, parts[number + 2]))
            yield ready
