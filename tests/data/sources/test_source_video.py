import gc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from data.config import SourcesConfig
from data.errors import UserError
from data.records import Frame
from data.sources.base import CameraSpec
from data.sources.geometry import ToRgb
from data.sources.open import open_source
from data.sources.opencv import OpenCvSource
from data.sources.video import VideoSource


def read(path: Path, start_index: int = 0, **settings: object) -> tuple[object, list[Frame]]:
    source = open_source(CameraSpec("cam", str(path)), SourcesConfig(**settings))
    frames = list(source.frames(start_index))
    source.close()
    source.close()
    return source, frames


def brightness(frames: list[Frame]) -> list[int]:
    """The numbers written into the pictures."""
    return [round((float(frame.image[40:].mean()) - 20) / 4) for frame in frames]


@pytest.mark.parametrize(
    ("name", "codec", "b_frames"),
    [
        ("a.mp4", "libx264", 0),
        ("b.mp4", "libx264", 2),
        ("c.mkv", "libx264", 2),
        ("d.avi", "mpeg4", 0),
        ("e.ts", "libx264", 2),
    ],
)
def test_frames_times_and_facts(make_video, name, codec, b_frames):
    source, frames = read(make_video(name, codec=codec, b_frames=b_frames))
    assert [frame.index for frame in frames] == list(range(20))
    assert brightness(frames) == pytest.approx(range(20), abs=1)
    assert [frame.time_s for frame in frames] == pytest.approx([n / 10 for n in range(20)], abs=1e-3)
    assert frames[0].image.shape == (48, 64, 3)
    assert frames[0].image.dtype == np.uint8
    assert frames[0].image[12, 8, 0] > 180 > 100 > frames[0].image[12, 8, 2], "RGB, not BGR"
    info = source.info
    assert (info.width, info.height, info.fps, info.frame_count, info.live) == (64, 48, 10, 20, False)
    assert info.timestamps == "container"
    assert source.warnings == []


@pytest.mark.parametrize(
    "settings", [{}, {"max_fps": 4}, {"start_s": 0.45}, {"max_fps": 3, "start_s": 0.3}, {"decoder": "opencv"}]
)
@pytest.mark.parametrize("start", [1, 7, 13, 19, 20])
def test_a_resumed_read_is_the_tail_of_a_full_one(make_video, settings, start):
    path = make_video(b_frames=2)
    _, full = read(path, **settings)
    _, tail = read(path, start, **settings)
    expected = [frame for frame in full if frame.index >= start]
    assert [(frame.index, frame.time_s) for frame in tail] == [(frame.index, frame.time_s) for frame in expected]
    assert all((a.image == b.image).all() for a, b in zip(tail, expected, strict=True))


@pytest.mark.parametrize("rotation", [0, 90, 180])
def test_some_pixels_of_a_frame_are_there_without_the_rest(make_video, monkeypatch, rotation):
    _, frames = read(make_video(frames=3, rotation=rotation))
    whole = [frame.converted() for frame in frames]
    assert {frame.size for frame in frames} == {(64, 48) if rotation != 90 else (48, 64)}
    assert {frame.size for frame in whole} == {frame.size for frame in frames}
    monkeypatch.setattr(ToRgb, "__call__", lambda *_: pytest.fail("nothing has to be converted"))
    for frame, converted in zip(read(make_video(frames=3, rotation=rotation))[1], whole, strict=True):
        width, height = frame.size[0] // 8, frame.size[1] // 8
        few = frame.sampled(width, height)
        assert few.shape == (height, width, 3)
        apart = few.astype(int) - converted.sampled(width, height)
        # Edges of the pattern may fall on either side of a sample.
        assert np.median(np.abs(apart)) <= 6


def test_max_fps_thins_by_time_and_keeps_source_indices(make_video):
    _, frames = read(make_video(frames=30, fps=30), max_fps=10)
    assert [frame.index for frame in frames] == list(range(0, 30, 3))
    _, frames = read(make_video(frames=30, fps=30), max_fps=100)
    assert len(frames) == 30


def test_start_s_skips_but_keeps_source_times(make_video):
    _, frames = read(make_video(), start_s=0.5)
    assert frames[0].index == 5
    assert frames[0].time_s == pytest.approx(0.5)


def test_variable_frame_rate_keeps_exact_times(make_video):
    stamps = [0, 1, 2, 7, 8, 20, 21, 22, 30, 31]
    _, frames = read(make_video("v.mkv", frames=10, stamps=stamps))
    assert [frame.time_s for frame in frames] == pytest.approx([stamp / 10 for stamp in stamps], abs=1e-3)


def test_times_count_from_the_first_frame(make_video):
    _, frames = read(make_video("late.ts", frames=5, stamps=[50, 51, 52, 53, 54]))
    assert frames[0].time_s == 0
    assert frames[-1].time_s == pytest.approx(0.4)


def test_avi_with_b_frames_has_no_usable_timestamps(make_video):
    path = make_video("b.avi", b_frames=2)
    source, frames = read(path)
    assert source.info.timestamps == "fps"
    assert [frame.time_s for frame in frames] == [n / 10 for n in range(20)]
    assert brightness(frames) == list(range(20))
    assert any("do not rise" in line for line in source.warnings)
    resumed, tail = read(path, 15)
    assert resumed.info.timestamps == "fps"
    assert [frame.time_s for frame in tail] == [n / 10 for n in range(15, 20)]


def test_real_street_video_with_timestamps_that_run_backwards(testdata):
    source = open_source(CameraSpec("vtest", str(testdata / "pets09" / "vtest.avi")), SourcesConfig())
    assert source.info.timestamps == "fps"
    assert (source.info.width, source.info.height, source.info.fps, source.info.frame_count) == (480, 360, 10, 795)
    frames = [(frame.index, frame.time_s) for frame in source.frames()]
    assert frames == [(n, n / 10) for n in range(795)]
    assert len(source.warnings) == 1


def test_real_phone_video_has_container_times(testdata):
    source = open_source(CameraSpec("d", str(testdata / "epfl_lab" / "Double1.mp4")), SourcesConfig(max_fps=10))
    frames = list(source.frames())
    assert source.info.timestamps == "container"
    assert source.info.wall_clock_start_s == pytest.approx(1593425930)
    assert source.info.fps == pytest.approx(29.97)
    assert frames[1].time_s == pytest.approx(frames[1].index / 29.97, abs=1e-6)
    assert source.warnings == []


@pytest.mark.parametrize("rotation", [0, 90])
def test_a_picture_is_freed_when_nobody_holds_it_and_not_when_the_collector_comes_round(make_video, rotation):
    import av

    path = make_video("a.mp4", frames=40, rotation=rotation)
    source = open_source(CameraSpec("a", str(path)), SourcesConfig())
    gc.collect()
    gc.disable()
    try:
        for frame in source.frames():
            frame.sampled(16, 12), frame.image
        alive = sum(isinstance(one, av.VideoFrame) for one in gc.get_objects())
    finally:
        gc.enable()
        source.close()
    assert alive < 5


@pytest.mark.parametrize(("rotation", "size"), [(90, (48, 64)), (-90, (48, 64)), (180, (64, 48))])
def test_rotation_is_honoured(make_video, rotation, size):
    source, frames = read(make_video("r.mp4", frames=2, rotation=rotation))
    assert (source.info.width, source.info.height) == size
    assert frames[0].image.shape[1::-1] == size
    _, plain = read(make_video("p.mp4", frames=2))
    assert (frames[0].image == np.rot90(plain[0].image, rotation // 90)).all()


def test_creation_time_gives_the_wall_clock(make_video):
    source, _ = read(make_video(metadata={"creation_time": "2024-05-01T12:00:00.000000Z"}))
    assert source.info.wall_clock_start_s == 1714564800
    source, _ = read(make_video("z.mp4", metadata={"creation_time": "1970-01-01T00:00:00.000000Z"}))
    assert source.info.wall_clock_start_s is None


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_file_cut_off_keeps_what_decodes_and_says_where(make_video, name):
    path = make_video(name, frames=60, options={"movflags": "faststart"} if name.endswith("mp4") else {})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.6) + 1])
    source, frames = read(path)
    assert 5 < len(frames) < 60
    assert brightness(frames)[:20] == list(range(20))
    line = next(line for line in source.warnings if "cut off" in line)
    assert f"frame {frames[-1].index + 1} " in line or f"frame {frames[-1].index + 2} " in line
    resumed, tail = read(path, 5)
    assert [frame.time_s for frame in tail] == [frame.time_s for frame in frames[5:]]
    assert resumed.warnings == source.warnings


def test_an_avi_cut_off_says_so(make_video):
    path = make_video("a.avi", frames=60, codec="mpeg4")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.6)])
    source, frames = read(path)
    assert 0 < len(frames) < 60
    assert any("cut off" in line for line in source.warnings)


def test_damage_in_the_middle_is_counted_and_times_stay(make_video):
    path = make_video(frames=60)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = np.random.default_rng(1).integers(0, 255, 400, np.uint8).tobytes()
    path.write_bytes(content)
    source, frames = read(path)
    assert 40 < len(frames) < 60
    assert any("damaged frames" in line for line in source.warnings)
    assert [frame.time_s for frame in frames][-5:] == pytest.approx([5.5, 5.6, 5.7, 5.8, 5.9])
    assert source.counted == frames[-1].index + 1 < 60, "what the decoder gives no picture for has no number"


def test_long_gaps_are_told(make_video):
    source, _ = read(make_video("g.mkv", frames=6, stamps=[0, 1, 2, 30, 31, 32]))
    assert source.warnings == ["pauses without frames: 2.80 s before frame 3"]


def test_pictures_of_another_size_are_fitted_into_the_largest_of_equally_common_ones(make_video, tmp_path):
    small, large = make_video("s.ts", frames=5), make_video("l.ts", frames=5, size=(128, 96))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    source, frames = read(joined)
    assert {frame.image.shape for frame in frames} == {(96, 128, 3)}
    assert len(frames) >= 9
    assert all(a.time_s < b.time_s for a, b in pairwise(frames))
    assert sum("size changes" in line for line in source.warnings) == 1


def test_a_new_time_base_goes_on_rising(make_video, tmp_path):
    part = make_video("p.ts", frames=50).read_bytes()
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part + part)
    source, frames = read(joined)
    times = np.array([frame.time_s for frame in frames])
    assert source.info.timestamps == "container"
    assert (np.diff(times) > 0.05).all()
    assert (np.diff(times) < 0.25).all()
    assert any("did not rise" in line for line in source.warnings)
    _, tail = read(joined, 70)
    assert [frame.time_s for frame in tail] == list(times[70:])


def test_opencv_decodes_the_same_pictures(make_video):
    path = make_video()
    source, frames = read(path, decoder="opencv")
    _, expected = read(path)
    assert isinstance(source, OpenCvSource)
    assert source.info.timestamps == "fps"
    assert [frame.index for frame in frames] == list(range(20))
    assert brightness(frames) == brightness(expected)
    assert frames[0].image[12, 8, 0] > 180, "RGB, not BGR"


def test_opencv_takes_over_where_pyav_fails(make_video, monkeypatch):
    from data.sources.container import Unreadable

    def fail(*_: object) -> None:
        raise Unreadable("no")

    path = make_video()
    monkeypatch.setattr(VideoSource, "__init__", fail)
    source, frames = read(path)
    assert isinstance(source, OpenCvSource)
    assert len(frames) == 20
    assert any("OpenCV" in line for line in source.warnings)
    with pytest.raises(UserError, match="not a video"):
        read(path, decoder="pyav")


@pytest.mark.parametrize("decoder", ["auto", "pyav", "opencv"])
@pytest.mark.parametrize("content", [b"", b"this is not a video\n" * 100, bytes(range(256)) * 40])
def test_a_file_that_is_no_video(tmp_path, decoder, content):
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a video that can be read") as caught:
        read(path, decoder=decoder)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_an_mp4_cut_off_before_its_index(make_video):
    path = make_video(frames=60)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.6)])
    with pytest.raises(UserError, match="cut off before its index"):
        read(path)


def test_a_text_file_is_no_video(tmp_path):
    path = tmp_path / "readme.txt"
    path.write_text("hello\n" * 50)
    with pytest.raises(UserError):
        read(path)


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match="there is no file or folder"):
        read(tmp_path / "gone.mp4")


def test_sound_only(tmp_path):
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(UserError, match="no video stream"):
        read(path)


def test_a_video_without_a_frame(make_video):
    path = make_video("empty.mkv", frames=1)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"\x1f\x43\xb6\x75")])
    with pytest.raises(UserError, match=r"holds no frame|not a video"):
        read(path)


def test_closing_stops_a_pass(make_video):
    source = open_source(CameraSpec("cam", str(make_video())), SourcesConfig())
    frames = source.frames()
    next(frames)
    source.close()
    assert list(frames) == []
