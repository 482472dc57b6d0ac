"""Kinds of files people have: all frames, their times and their rate, whatever the codec and the container."""

from fractions import Fraction
from itertools import accumulate

import numpy as np
import pytest

from data.config import SourcesConfig
from data.errors import UserError
from data.sources.base import CameraSpec
from data.sources.open import open_source

KINDS = {
    "bframes.mp4": {"b_frames": 3},
    "10bit422.mov": {"pix_fmt": "yuv422p10le"},
    "prores_alpha.mov": {"codec": "prores_ks", "pix_fmt": "yuva444p10le"},
    "rgba.mov": {"codec": "png", "pix_fmt": "rgba"},
    "grey.mkv": {"codec": "ffv1", "pix_fmt": "gray"},
    "grey16.mkv": {"codec": "ffv1", "pix_fmt": "gray16le"},
    "odd_size.mp4": {"pix_fmt": "yuv444p", "size": (63, 47)},
    "hidden_frames.webm": {"codec": "libvpx", "options": {"auto-alt-ref": "1"}},
    "fragmented.mp4": {"options": {"movflags": "frag_keyframe+empty_moov"}},
    "animation.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "windows.wmv": {"codec": "wmv2"},
    "phone.3gp": {"codec": "mpeg4"},
    "program.mpg": {"codec": "mpeg2video", "fps": 25},
    "broadcast.mxf": {"codec": "mpeg2video", "fps": 25},
    "fast.mp4": {"fps": 120},
}


def read(path, start=0, **settings):
    source = open_source(CameraSpec("cam", str(path)), SourcesConfig(**settings))
    return source, list(source.frames(start))


def times(frames):
    return [(frame.index, frame.time_s) for frame in frames]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_gives_all_frames_at_their_times(make_video, name):
    options = {"fps": 10} | KINDS[name]
    source, frames = read(make_video(name, frames=25, **options))
    fps = options["fps"]
    assert source.info.fps == pytest.approx(fps, rel=1e-3)
    assert [frame.index for frame in frames] == list(range(25))
    assert [frame.time_s for frame in frames] == pytest.approx([number / fps for number in range(25)], abs=0.011)
    assert (source.info.width, source.info.height) == options.get("size", (64, 48))
    levels = [float(frame.image[40:].mean()) for frame in frames]
    assert all(b > a for a, b in zip(levels[::4], levels[4::4], strict=False)), "the pictures in their order"
    assert source.warnings == []


def test_pictures_a_minute_apart_and_a_header_of_other_opinion(make_video):
    source, frames = read(make_video("lapse.mp4", frames=20, fps=1, stamps=[60 * number for number in range(20)]))
    assert source.info.fps == pytest.approx(1 / 60, rel=1e-3)
    assert frames[-1].time_s == pytest.approx(19 * 60)
    assert source.warnings == []


def test_a_phone_with_a_varying_rate_keeps_its_times(make_video):
    rng = np.random.default_rng(0)
    stamps = [0, *accumulate(rng.choice([30, 33, 36, 50], 59).tolist())]
    source, frames = read(make_video("phone.mp4", frames=60, fps=1000, stamps=stamps))
    assert [frame.time_s for frame in frames] == pytest.approx([stamp / 1000 for stamp in stamps], abs=1e-3)
    assert 24 < source.info.fps < 34
    assert source.warnings == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\nhello\n" * 30),
        ("login.mp4", b"<!DOCTYPE html><html><body>Please log in</body></html>" * 20),
        ("packed.mp4", b"PK\x03\x04" + bytes(4000)),
        ("blank.mp4", bytes(100_000)),
        ("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:4,\ngone.ts\n#EXT-X-ENDLIST\n"),
    ],
)
def test_what_is_no_video_is_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=r"no video|not a video") as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


def odd_file(make_video, tmp_path, kind):
    """A file whose reading needs to look ahead, to leave out, or to fit."""
    if kind == "pauses":
        return make_video("a.mkv", frames=60, stamps=[number + 300 * (number > 20) for number in range(60)])
    if kind == "sizes":
        parts = [make_video(f"{size[0]}.ts", frames=30, size=size) for size in ((64, 48), (128, 96))]
    elif kind == "bases":
        parts = [make_video("part.ts", frames=30)] * 2
    else:
        content = bytearray(make_video("whole.ts", frames=60, b_frames=2).read_bytes())
        for at in (0.3, 0.6):
            middle = int(len(content) * at)
            content[middle : middle + 400] = bytes(400)
        (tmp_path / "damaged.ts").write_bytes(content)
        return tmp_path / "damaged.ts"
    (tmp_path / "joined.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    return tmp_path / "joined.ts"


@pytest.mark.parametrize("kind", ["pauses", "sizes", "bases", "damage"])
def test_a_resumed_read_of_an_odd_file_is_the_tail_of_a_full_one(make_video, tmp_path, kind):
    path = odd_file(make_video, tmp_path, kind)
    whole, full = read(path, max_fps=7)
    assert whole.warnings or kind == "damage", "a decoder may conceal it"
    for start in (1, 19, 21, 35, 45):
        source, tail = read(path, start, max_fps=7)
        expected = [frame for frame in full if frame.index >= start]
        assert times(tail) == times(expected)
        assert all((a.image == b.image).all() for a, b in zip(tail, expected, strict=True))
        assert source.warnings == whole.warnings
        assert source.counted == whole.counted


def test_pixels_of_a_stream_without_container_are_made_square(make_video):
    path = make_video("a.h264", frames=8, aspect=Fraction(4, 3), container_format="h264")
    source, frames = read(path)
    assert (source.info.width, source.info.height) == (85, 48)
    assert frames[0].image.shape == (48, 85, 3)
