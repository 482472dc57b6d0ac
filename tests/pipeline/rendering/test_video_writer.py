"""Videos browsers play, with the times of their source."""

import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from data.errors import UserError
from pipeline.rendering import video_writer
from pipeline.rendering.video_writer import VideoWriter

_OPTIONS: dict[str, Any] = {"crf": 20, "preset": "ultrafast", "queue_frames": 2}


def _write(path: Path, times: list[float], size: tuple[int, int] = (64, 48), **options: Any) -> None:
    with VideoWriter(path, size, 25, **(_OPTIONS | options)) as writer:
        for number, time_s in enumerate(times):
            image = np.full((size[1], size[0], 3), (200, 40, 60), np.uint8)
            image[:, number : number + 4] = (20, 220, 30)
            writer.write(image, time_s)


def _read(path: Path) -> tuple[Any, list[Any]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        facts = (stream.codec_context.name, stream.codec_context.pix_fmt, stream.width, stream.height)
        return facts, list(container.decode(video=0))


def test_uneven_times_survive_exactly(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.08, 0.2, 0.2366, 1.5, 1.533333]
    _write(tmp_path / "sub" / "a.mp4", times)
    facts, frames = _read(tmp_path / "sub" / "a.mp4")
    assert facts == ("h264", "yuv420p", 64, 48)
    np.testing.assert_allclose([float(frame.pts * frame.time_base) for frame in frames], times, atol=1e-5)


def test_colours_survive_and_the_index_comes_first(tmp_path: Path) -> None:
    _write(tmp_path / "a.mp4", [0.0, 0.1])
    _, frames = _read(tmp_path / "a.mp4")
    picture = frames[0].to_ndarray(format="rgb24").astype(int)
    assert np.abs(picture[24, 40] - (200, 40, 60)).max() < 8
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.find(b"moov") < content.find(b"mdat"), "a browser can start before it has all"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_odd_sides_are_padded(tmp_path: Path) -> None:
    _write(tmp_path / "a.mp4", [0.0, 0.1], (63, 47))
    facts, frames = _read(tmp_path / "a.mp4")
    assert facts[2:] == (64, 48)
    picture = frames[0].to_ndarray(format="rgb24").astype(int)
    assert np.abs(picture[47, 40] - (200, 40, 60)).max() < 8, "the last row is repeated: no dark line"
    assert np.abs(picture[20, 40] - (200, 40, 60)).max() < 8


def test_times_that_do_not_rise_are_put_one_tick_later(tmp_path: Path) -> None:
    _write(tmp_path / "a.mp4", [0.0, 0.2, 0.1, 0.2, 0.3])
    _, frames = _read(tmp_path / "a.mp4")
    stamps = [float(frame.pts * frame.time_base) for frame in frames]
    assert len(stamps) == 5
    assert all(a < b for a, b in pairwise(stamps))


def test_an_error_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> None:
        with VideoWriter(tmp_path / "a.mp4", (64, 48), 25, **_OPTIONS) as writer:
            writer.write(np.zeros((48, 64, 3), np.uint8), 0.0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_frame_of_another_size_is_an_error_and_never_blocks(tmp_path: Path) -> None:
    def write_many() -> None:
        with VideoWriter(tmp_path / "a.mp4", (64, 48), 25, **_OPTIONS) as writer:
            for number in range(50):
                writer.write(np.zeros((32, 32, 3), np.uint8), number / 25)

    with pytest.raises(ValueError, match="frame of 32x32 in a video of 64x48"):
        write_many()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*a\.mp4"):
        VideoWriter(tmp_path / "file" / "a.mp4", (64, 48), 25, **_OPTIONS)


def test_without_libx264_mpeg4_is_written_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    with caplog.at_level(logging.WARNING, logger=video_writer.__name__):
        _write(tmp_path / "a.mp4", [0.0, 0.04, 0.3])
    assert "libx264" in caplog.text
    facts, frames = _read(tmp_path / "a.mp4")
    assert facts[0] == "mpeg4"
    np.testing.assert_allclose([float(frame.pts * frame.time_base) for frame in frames], [0.0, 0.04, 0.3], atol=1e-4)
