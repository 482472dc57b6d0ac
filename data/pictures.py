"""Picture files: which they are, and reading one."""

from pathlib import Path

import numpy as np

from data.errors import UserError
from data.listing import is_hidden
from data.records import Image

PICTURE_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"


def is_picture(path: Path) -> bool:
    """Whether a file's name has the ending of a picture, and is no hidden one."""
    return path.suffix.lower() in PICTURE_ENDINGS and not is_hidden(path)


def read_picture(path: Path) -> Image:
    """(H, W, 3) uint8 RGB.

    Raises:
        UserError: when the file is absent, no picture, or a JPEG that breaks off (OpenCV would fill it up with grey).
    """
    import cv2

    try:
        raw = np.fromfile(path, np.uint8)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    content = raw.tobytes()
    if content.startswith(_JPEG_START) and content.rfind(_JPEG_END) < content.rfind(_JPEG_SCAN):
        raise UserError(f"{path} is a JPEG that breaks off before its end")
    try:
        picture = cv2.imdecode(raw, cv2.IMREAD_COLOR) if len(raw) else None
    except cv2.error:
        picture = None
    if picture is None:
        raise UserError(f"{path} is no picture that can be decoded")
    return np.ascontiguousarray(picture[..., ::-1])
