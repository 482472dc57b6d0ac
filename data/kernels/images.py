"""Array kernels that turn pictures into the input of a network."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Image = NDArray[np.uint8]

_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
_IMAGENET_STD = np.array([0.229, 0.224, 0.225])


def scale_and_shift(normalisation: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Factor and offset per RGB channel: network input = pixel * factor + offset.

    Args:
        normalisation: "0-255", "0-1", "imagenet" or "half", see ``data.weight_records``.

    Raises:
        ValueError: for another name.
    """
    mean, deviation, span = np.zeros(3), np.ones(3), 255.0
    if normalisation == "0-255":
        span = 1.0
    elif normalisation == "imagenet":
        mean, deviation = _IMAGENET_MEAN, _IMAGENET_STD
    elif normalisation == "half":
        mean, deviation = np.full(3, 0.5), np.full(3, 0.5)
    elif normalisation != "0-1":
        raise ValueError(f"unknown normalisation '{normalisation}'")
    return (1.0 / (span * deviation)).astype(np.float32), (-mean / deviation).astype(np.float32)


def to_blob(images: NDArray[np.uint8], colour: str, normalisation: str, channels_first: bool = True) -> FloatArray:
    """Prepare a batch of pictures for a network.

    Args:
        images: (N, H, W, 3) uint8 RGB.
        colour: "rgb" or "bgr", the order the network wants.
        normalisation: see ``scale_and_shift``; the factors stay with their colours when the order changes.
        channels_first: (N, 3, H, W) instead of (N, H, W, 3).

    Returns:
        float32, C-contiguous.
    """
    factor, offset = scale_and_shift(normalisation)
    count, height, width, _ = images.shape
    shape = (count, 3, height, width) if channels_first else (count, height, width, 3)
    blob = np.empty(shape, np.float32)
    for channel in range(3):
        source = channel if colour == "rgb" else 2 - channel
        target = blob[:, channel] if channels_first else blob[..., channel]
        np.multiply(images[..., source], factor[source], out=target, dtype=np.float32)
        if offset[source]:
            target += offset[source]
    return blob
