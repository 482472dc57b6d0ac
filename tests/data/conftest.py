"""Small videos, made where they are needed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

MakeVideo = Callable[..., Path]


def picture(number: int, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """A flat grey that says its number (steps of 4) with a bright square that moves."""
    image = np.full((height, width, 3), 20 + 4 * (number % 50), np.uint8)
    image[8:24, 4 + number % 30 : 16 + number % 30] = (250, 40, 40)
    return image


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Writes a video of ``picture(0..frames-1)`` and returns its path."""

    def make(
        name: str = "a.mp4",
        frames: int = 20,
        fps: int = 10,
        codec: str = "libx264",
        size: tuple[int, int] = (64, 48),
        b_frames: int = 0,
        stamps: list[int] | None = None,
        options: dict[str, str] | None = None,
        metadata: dict[str, str] | None = None,
        rotation: int = 0,
    ) -> Path:
        import av

        path = tmp_path / name
        with av.open(str(path), "w", options=options or {}) as container:
            container.metadata.update(metadata or {})
            stream = container.add_stream(codec, rate=fps)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.codec_context.gop_size = 10
            if codec in ("libx264", "mpeg4"):
                stream.codec_context.max_b_frames = b_frames
            if rotation:
                stream.set_display_rotation(rotation)
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
                if stamps is not None:
                    frame.pts = stamps[number]
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return make
