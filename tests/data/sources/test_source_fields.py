"""Interlaced video has no comb, and its frames are those of the decoder."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from data.config import SourcesConfig
from data.records import Frame
from data.sources.base import CameraSpec
from data.sources.fields import FieldOrder, upper_field
from data.sources.open import open_source

_SIZE = (96, 64)
_INTERLACED = {"x264-params": "interlaced=1:tff=1", "crf": "4"}


def _bar(place: int, width: int, height: int) -> np.ndarray:
    image = np.full((height, width, 3), 40, np.uint8)
    image[:, place : place + 20] = 220
    return image


def combed(number: int, width: int, height: int) -> np.ndarray:
    """A bar that has moved 8 px when the lower field is taken."""
    image = _bar(4 * number, width, height)
    image[1::2] = _bar(4 * number + 8, width, height)[1::2]
    return image


def read(path: Path, start: int = 0) -> tuple[list[str], list[Frame]]:
    source = open_source(CameraSpec("cam", str(path)), SourcesConfig())
    return source.warnings, [frame.converted() for frame in source.frames(start)]


def comb(image: np.ndarray) -> float:
    """How far lines differ from those above them."""
    return float(np.abs(np.diff(image.astype(int), axis=0)).mean())


def test_an_interlaced_video_is_shown_field_by_field(make_video: Callable[..., Path]) -> None:
    path = make_video(size=_SIZE, draw=combed, codec_options=_INTERLACED, frames=6)
    warnings, frames = read(path)
    assert [frame.index for frame in frames] == list(range(6))
    for number, frame in enumerate(frames):
        assert frame.image.shape == (64, 96, 3)
        assert comb(frame.image) < 2
        off = np.abs(frame.image.astype(int) - _bar(4 * number, *_SIZE)).mean()
        assert off < 6, "the upper field's instant"
    assert warnings == [
        "its frames are interlaced: pictures are made of one field each, without the comb and half as sharp "
        "from top to bottom"
    ]
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert comb(stored) > 20, "the file itself has one"


def moved(number: int, width: int, height: int) -> np.ndarray:
    """The same bar, at one instant in both fields."""
    return _bar(4 * number, width, height)


def test_whole_pictures_that_are_marked_interlaced_keep_every_line(make_video: Callable[..., Path]) -> None:
    def striped(number: int, width: int, height: int) -> np.ndarray:
        image = moved(number, width, height)
        image[::2, :8] = 220
        return image

    path = make_video(size=_SIZE, draw=striped, codec_options=_INTERLACED, frames=8)
    warnings, frames = read(path)
    assert warnings == ["its frames are marked interlaced but hold whole pictures: every line is used"]
    assert comb(frames[-1].image[:, :8]) > 100, "lines one pixel high are seen"


def test_a_bar_that_comes_late_is_waited_for(make_video: Callable[..., Path]) -> None:
    def late(draw: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        return lambda number, *size: draw(max(number - 60, 0), *size)

    whole = make_video("whole.mp4", size=_SIZE, draw=late(moved), codec_options=_INTERLACED, frames=70)
    assert read(whole)[0] == ["its frames are marked interlaced but hold whole pictures: every line is used"]
    woven = make_video("woven.mp4", size=_SIZE, draw=late(combed), codec_options=_INTERLACED, frames=70)
    assert "one field each" in read(woven)[0][0]


def test_where_nothing_moves_one_field_is_shown_and_the_doubt_is_told(make_video: Callable[..., Path]) -> None:
    path = make_video(size=_SIZE, draw=lambda _, *size: _bar(8, *size), codec_options=_INTERLACED, frames=6)
    (told,) = read(path)[0]
    assert "(too little moves in the first ones to see whether they are)" in told


@pytest.mark.parametrize("bottom_first", [False, True])
def test_noise_alone_does_not_make_fields_one_picture(bottom_first: bool) -> None:
    rng, order = np.random.default_rng(0), FieldOrder()
    for number in range(8):
        first, second = (_bar(4 * number + step, *_SIZE) for step in ((2, 0) if bottom_first else (0, 2)))
        first[1::2] = second[1::2]
        noisy = np.clip(first + rng.normal(0, 12, (64, 96, 1)), 0, 255).astype(np.uint8)
        order.add(av.VideoFrame.from_ndarray(noisy, format="rgb24"))
    assert order.decide() == "apart"


def test_progressive_video_keeps_every_line(make_video: Callable[..., Path]) -> None:
    path = make_video(size=_SIZE, draw=combed, codec_options={"crf": "4"}, frames=3)
    warnings, frames = read(path)
    assert warnings == []
    assert comb(frames[0].image) > 20


def test_a_resumed_pass_shows_the_same_pictures(make_video: Callable[..., Path]) -> None:
    path = make_video(size=_SIZE, draw=combed, codec_options=_INTERLACED, frames=6)
    whole, tail = read(path)[1], read(path, 4)[1]
    assert [frame.index for frame in tail] == [4, 5]
    assert all((a.image == b.image).all() for a, b in zip(whole[4:], tail, strict=True))


def test_frames_that_are_interlaced_later_are_counted(make_video: Callable[..., Path], tmp_path: Path) -> None:
    parts = [
        make_video("plain.ts", size=_SIZE, frames=40, codec_options={"crf": "4"}),
        make_video("fields.ts", size=_SIZE, frames=8, draw=combed, codec_options=_INTERLACED),
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    warnings, frames = read(path)
    assert "8 of 48 frames are marked interlaced" in warnings
    assert comb(frames[-1].image) < 2


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv420p10le", "nv12", "yuyv422", "gray", "rgb24"])
def test_a_field_is_every_second_line_of_every_plane(pixels: str) -> None:
    rows = np.arange(16, dtype=np.uint8)[:, None, None] * 10
    stored = av.VideoFrame.from_ndarray(np.broadcast_to(rows, (16, 64, 3)).copy(), format="rgb24")
    frame = stored.reformat(format=pixels)
    field = upper_field(frame)
    assert (field.width, field.height, field.format.name) == (64, 8, pixels)
    for whole, half in zip(frame.planes, field.planes, strict=True):
        lines = np.frombuffer(whole, np.uint8).reshape(-1, whole.line_size)[::2]
        own = np.frombuffer(half, np.uint8).reshape(-1, half.line_size)
        used = min(whole.line_size, half.line_size)
        np.testing.assert_array_equal(own[: len(lines), :used], lines[: len(own), :used])


@pytest.mark.parametrize("size", [(64, 1), (63, 5), (2, 2)])
def test_odd_sizes_stand(size: tuple[int, int]) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 90, np.uint8), format="rgb24")
    field = upper_field(frame.reformat(format="yuv420p") if size != (63, 5) else frame)
    assert field.height == max(1, size[1] // 2)


@pytest.mark.parametrize(("transfer", "name"), [("smpte2084", "PQ"), ("arib-std-b67", "HLG")])
def test_high_dynamic_range_is_told(make_video: Callable[..., Path], transfer: str, name: str) -> None:
    params = f"colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    path = make_video(frames=3, pix_fmt="yuv420p10le", codec_options={"x264-params": params})
    warnings, _ = read(path)
    assert warnings == [
        f"it has high dynamic range ({name}), which is not mapped: its colours are paler than those of other cameras; "
        "export it in standard range if you can"
    ]
    assert read(make_video("b.mp4", frames=3, pix_fmt="yuv420p10le"))[0] == [], "ten bits alone are none"
