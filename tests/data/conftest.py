"""Small videos, made where they are needed."""

from collections.abc import Callable
from fractions import Fraction
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
        codec_options: dict[str, str] | None = None,
        metadata: dict[str, str] | None = None,
        rotation: int = 0,
        matrix: list[int] | None = None,
        aspect: Fraction | None = None,
        container_format: str | None = None,
        pix_fmt: str = "yuv420p",
        draw: Callable[[int, int, int], NDArray[np.uint8]] = picture,
    ) -> Path:
        import av

        path = tmp_path / name
        with av.open(str(path), "w", format=container_format, options=options or {}) as container:
            container.metadata.update(metadata or {})
            stream = container.add_stream(codec, rate=fps, options=codec_options or {})
            stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
            stream.codec_context.gop_size = 10
            if codec in ("libx264", "mpeg4"):
                stream.codec_context.max_b_frames = b_frames
            if rotation:
                stream.set_display_rotation(rotation)
            if matrix is not None:
                stream.set_display_matrix([*matrix[:2], 0, *matrix[2:], 0, 0, 0, 1 << 30])
            if aspect is not None:
                stream.codec_context.sample_aspect_ratio = aspect
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(draw(number, *size), format="rgb24")
                if stamps is not None:
                    frame.pts = stamps[number]
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return make
