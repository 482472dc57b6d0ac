"""Frame rates, times and frame numbers of files that are not as their headers say."""

import itertools
from fractions import Fraction

import cv2
import numpy as np
import pytest

from data.config import SourcesConfig
from data.errors import UserError
from data.sources.base import CameraSpec, file_and_stream
from data.sources.open import open_source, parse_camera_specs


def read(path, **settings):
    source = open_source(CameraSpec("cam", str(path)), SourcesConfig(**settings))
    return source, list(source.frames())


def steps(count: int, *pauses: tuple[int, int]) -> list[int]:
    """Stamps in tenths of a second, with pauses of so many tenths before some frames."""
    extra = dict(pauses)
    return list(itertools.accumulate(1 + extra.get(number, 0) for number in range(count)))


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "flv"])
def test_pauses_leave_the_rate_alone_and_are_told(make_video, ending):
    stamps = steps(60, (20, 750), (40, 36_000))
    source, frames = read(make_video(f"a.{ending}", frames=60, stamps=stamps))
    assert source.info.fps == pytest.approx(10, rel=0.01)
    assert frames[-1].time_s == pytest.approx(5.9 + 75 + 3600, abs=0.01)
    told = next(line for line in source.warnings if "pauses" in line)
    assert "75.10 s before frame 20" in told
    assert "3600.10 s before frame 40" in told


def write_stamps(path, stamps, fps=10):
    """A Matroska file with these stamps in tenths, rising or not."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        packets = []
        for number in range(len(stamps)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 4 * number, np.uint8), format="rgb24")
            packets += stream.encode(frame)
        packets += stream.encode()
        for packet, stamp in zip(packets, stamps, strict=True):
            packet.pts = packet.dts = stamp
            packet.time_base = Fraction(1, 10)
            packet.stream = stream
            container.mux(packet)


@pytest.mark.parametrize("at", [2, 17, 38])
def test_a_doubled_stamp_is_mended_and_a_later_pause_kept(tmp_path, at):
    stamps = [number + (300 if number >= 20 else 0) for number in range(40)]
    right = [stamp / 10 for stamp in stamps]
    stamps[at] = stamps[at - 1]
    write_stamps(tmp_path / "a.mkv", stamps)
    source, frames = read(tmp_path / "a.mkv")
    assert source.info.timestamps == "container"
    assert [frame.time_s for frame in frames] == pytest.approx(right, abs=2e-3)
    assert any("1 timestamps were missing or wrong" in line for line in source.warnings)
    assert not any("cut off" in line for line in source.warnings)


@pytest.mark.parametrize(("name", "fmt", "codec"), [("a.h264", "h264", "libx264"), ("a.m4v", "m4v", "mpeg4")])
def test_a_stream_without_a_container_has_the_rate_of_its_own_headers(make_video, name, fmt, codec):
    source, frames = read(make_video(name, frames=12, fps=15, codec=codec, container_format=fmt))
    assert source.info.fps == 15
    assert [frame.time_s for frame in frames] == pytest.approx([number / 15 for number in range(12)])
    assert not any("assumed" in line for line in source.warnings)


def test_a_rate_that_nothing_tells_is_assumed_and_said(make_video):
    path = make_video("a.mjpeg", frames=4, fps=15, codec="mjpeg", container_format="mjpeg", pix_fmt="yuvj420p")
    source, _ = read(path, image_fps=12)
    assert source.info.fps == 12
    assert any("12 fps assumed" in line for line in source.warnings)


@pytest.mark.parametrize("start", [36_000, 17_000_000_000])
def test_a_recording_whose_stamps_begin_late_is_not_cut_off(make_video, start):
    path = make_video("late.mkv", frames=20, stamps=[start + number for number in range(20)])
    source, frames = read(path)
    assert frames[-1].time_s == pytest.approx(1.9, abs=2e-3)
    assert source.info.frame_count == 20
    assert source.warnings == []


def test_a_counter_of_a_transport_stream_that_wraps_goes_on(make_video):
    first = (1 << 33) / 90_000 - 2
    stamps = [round(first * 10) + number for number in range(40)]
    _, frames = read(make_video("wrap.ts", frames=40, stamps=stamps))
    assert [frame.time_s for frame in frames] == pytest.approx([number / 10 for number in range(40)], abs=2e-3)


def test_what_is_filled_in_behind_or_before_a_transport_stream_is_no_cut(make_video):
    content = make_video("a.ts", frames=20).read_bytes()
    for name, more in {"behind.ts": content + bytes(5000), "before.ts": b"HTTP/1.1 200 OK" * 20 + content}.items():
        path = make_video(name, frames=1)
        path.write_bytes(more)
        assert read(path)[0].warnings == []
    path.write_bytes(content[:-100])
    assert any("within a packet" in line for line in read(path)[0].warnings)


def numbered_by_opencv(path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    found = []
    while True:
        taken, image = capture.read()
        if not taken:
            return found
        found.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize(
    ("ending", "codec"), [("mkv", "libx264"), ("ts", "libx264"), ("avi", "mpeg4"), ("flv", "libx264")]
)
def test_damaged_files_are_numbered_as_opencv_numbers_them(make_video, tmp_path, ending, codec, b_frames):
    def noise(number, width, height):
        image = np.random.default_rng(number).integers(0, 255, (height, width, 3), np.uint8)
        image[: height // 2] = 10 + 4 * number
        return image

    whole = make_video(f"a.{ending}", frames=60, codec=codec, b_frames=b_frames, draw=noise).read_bytes()
    path = tmp_path / f"damaged.{ending}"
    for seed, at in enumerate((0.3, 0.6)):
        content = bytearray(whole)
        middle = int(len(content) * at)
        content[middle : middle + 1500] = np.random.default_rng(seed).integers(0, 255, 1500, np.uint8).tobytes()
        path.write_bytes(content)
        source, frames = read(path)
        theirs = numbered_by_opencv(path)
        if source.counted != len(theirs):
            assert len(theirs) < frames[-1].index, "OpenCV stops at data it cannot read; until there numbers agree"
        same = [
            np.abs(frame.image.astype(int) - theirs[frame.index]).mean() < 4
            for frame in frames
            if frame.index < len(theirs)
        ]
        assert np.mean(same) > 0.9


def test_a_file_that_begins_amid_pictures_is_numbered_from_the_first_that_decodes(make_video, tmp_path):
    content = make_video("a.ts", frames=60, options={}).read_bytes()
    path = tmp_path / "late.ts"
    path.write_bytes(content[: 188 * 3] + content[len(content) // 3 // 188 * 188 :])
    source, frames = read(path)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert source.counted == len(frames) < 60


def two_streams(path):
    import av

    with av.open(str(path), "w") as container:
        streams = []
        for size in ((64, 48), (32, 24)):
            stream = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            streams.append(stream)
        for number in range(5):
            for stream in streams:
                level = 40 * number + (0 if stream is streams[0] else 20)
                image = np.full((stream.height, stream.width, 3), level, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode())


def test_several_video_streams_are_told_and_can_be_named(tmp_path):
    path = tmp_path / "dash.mkv"
    two_streams(path)
    source, frames = read(path)
    assert (source.info.width, len(frames)) == (64, 5)
    assert any("holds 2 video streams, the first is taken; FILE#2 names another" in line for line in source.warnings)
    first, second = parse_camera_specs([f"{path}#1", f"{path}#2"])
    assert (first.camera, second.camera) == ("dash_1", "dash_2")
    source = open_source(second, SourcesConfig())
    assert source.info.width == 32
    assert source.warnings == []
    assert round(float(next(source.frames()).image.mean())) == pytest.approx(20, abs=3)
    with pytest.raises(UserError, match=r"there is no video stream 3, the last is 2"):
        read(f"{path}#3")


def test_a_file_whose_name_ends_like_a_stream_is_that_file(tmp_path, make_video):
    path = make_video("a.mp4", frames=3)
    other = tmp_path / "a.mp4#2"
    other.write_bytes(path.read_bytes())
    assert file_and_stream(str(other)) == (other, None)
    assert len(read(other)[1]) == 3


def test_covers_are_no_videos(tmp_path, make_video):
    import av

    path = tmp_path / "covered.mp4"
    with av.open(str(make_video("a.mp4", frames=4))) as given, av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        stream = container.add_stream_from_template(given.streams.video[0])
        image = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux(cover.encode(image))
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    source, frames = read(path)
    assert (source.info.width, len(frames)) == (64, 4)
    assert source.warnings == []
