import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.config import SourcesConfig
from data.errors import UserError
from data.names import is_camera_name
from data.sources.base import CameraSpec
from data.sources.open import camera_specs, open_source, parse_camera_specs


def write_picture(path):
    import cv2
    import numpy as np

    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize(
    ("value", "camera", "uri"),
    [
        ("videos/lobby.mp4", "lobby", "videos/lobby.mp4"),
        ("door=videos/lobby.mp4", "door", "videos/lobby.mp4"),
        ("cam-1.b=x.mp4", "cam-1.b", "x.mp4"),
        ("my video (1).mp4", "my_video_1_", "my video (1).mp4"),
        ("0", "webcam0", "0"),
        ("desk=0", "desk", "0"),
        ("rtsp://host:554/live/stream1", "stream1", "rtsp://host:554/live/stream1"),
        ("http://host/video.mjpg?user=a&x=1", "video", "http://host/video.mjpg?user=a&x=1"),
        ("gate=http://host/video?user=a", "gate", "http://host/video?user=a"),
        ("rtsp://10.0.0.1", "10.0.0.1", "rtsp://10.0.0.1"),
        ("a=b=c.mp4", "a", "b=c.mp4"),
        ("folder/x=1.mp4", "x_1", "folder/x=1.mp4"),
    ],
)
def test_specs(value, camera, uri):
    assert parse_camera_specs([value]) == [CameraSpec(camera, uri)]


def test_a_file_whose_name_holds_an_equals_sign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "take=2.mp4").touch()
    assert parse_camera_specs(["take=2.mp4"]) == [CameraSpec("take_2", "take=2.mp4")]
    assert parse_camera_specs(["cam=take=2.mp4"]) == [CameraSpec("cam", "take=2.mp4")]


def test_a_folder_is_called_by_its_own_name(tmp_path, monkeypatch):
    folder = tmp_path / "hall.north"
    folder.mkdir()
    assert parse_camera_specs([str(folder) + "/"])[0].camera == "hall.north"
    monkeypatch.chdir(folder)
    assert parse_camera_specs(["."])[0].camera == "hall.north"


@pytest.mark.parametrize("value", ["../x=a.mp4", ".hidden=a.mp4", "a b=a.mp4", "=a.mp4", "a/b=a.mp4", "..=a.mp4"])
def test_names_that_do_not_fit_into_file_names(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mp4").touch()
    with pytest.raises(UserError, match="cannot name a camera"):
        parse_camera_specs([value])


@pytest.mark.parametrize(
    ("value", "message"), [("cam=", "has no path"), ("", "has no path"), ("http://()", "write name=")]
)
def test_arguments_without_path_or_name(value, message):
    with pytest.raises(UserError, match=message):
        parse_camera_specs([value])


@pytest.mark.parametrize(
    ("value", "camera"),
    [
        ("视频.mp4", "视频"),
        ("Überwachung Süd.mp4", "Überwachung_Süd"),
        ("Cafe\u0301.mp4", "Café"),
        ("камера-1.mkv", "камера-1"),
        ("क्या.mp4", "क्या"),
        ("كاميرا 2.avi", "كاميرا_2"),
    ],
)
def test_names_of_other_scripts_stay_readable(value, camera):
    assert parse_camera_specs([value]) == [CameraSpec(camera, value)]
    assert is_camera_name(camera)
    assert parse_camera_specs([f"{camera}=x.mp4"]) == [CameraSpec(camera, "x.mp4")]
    assert len(parse_camera_specs(["视频1.mp4", "录像1.mp4"])) == 2


def test_names_that_are_too_long_are_told_before_any_work(tmp_path):
    assert is_camera_name("x" * 200)
    with pytest.raises(UserError, match=r"cannot name a camera.*at most 200 bytes.*write name=path"):
        parse_camera_specs([f"{'x' * 247}.mp4"])
    with pytest.raises(UserError, match="at most 200 bytes"):
        parse_camera_specs([f"{'视' * 70}=a.mp4"])
    with pytest.raises(UserError, match="there is no file or folder"):
        open_source(CameraSpec("c", str(tmp_path / ("x" * 400))), SourcesConfig())
    assert parse_camera_specs([f"c={'x' * 247}.mp4"])[0].camera == "c"


@pytest.mark.parametrize(("value", "message"), [("a\udce9.mp4", "is not UTF-8"), ("c=a\nb.mp4", "a control character")])
def test_names_that_no_report_can_hold(value, message):
    with pytest.raises(UserError, match=message) as caught:
        parse_camera_specs([value])
    assert str(caught.value).isprintable()


def test_names_that_differ_in_case_only():
    with pytest.raises(UserError, match=r"two cameras are called 'Hall' and 'hall'"):
        parse_camera_specs(["Hall.mp4", "b/hall.mp4"])
    with pytest.raises(UserError, match="two cameras"):
        camera_specs({"Hall": "a.mp4", "hall": "b.mp4"})


def test_what_exists_on_disk_is_meant_before_webcams_and_addresses(tmp_path, monkeypatch, make_video):
    monkeypatch.chdir(tmp_path)
    make_video("a.mp4", frames=3)
    for name in ("0", "2024-05-01T12:30:00.mp4", "http:a.mp4"):
        (tmp_path / name).write_bytes((tmp_path / "a.mp4").read_bytes())
    (tmp_path / "0000").mkdir()
    write_picture(tmp_path / "0000" / "1.png")
    (tmp_path / "rtsp:" / "host").mkdir(parents=True)
    write_picture(tmp_path / "rtsp:" / "host" / "1.png")
    values = ["0000", "0", "2024-05-01T12:30:00.mp4", "http:a.mp4", "rtsp://host"]
    specs = parse_camera_specs(values)
    assert [spec.camera for spec in specs] == ["0000", "0", "2024-05-01T12_30_00", "http_a", "host"]
    assert [len(list(open_source(spec, SourcesConfig()).frames())) for spec in specs] == [1, 3, 3, 3, 1]
    assert [len(list(open_source(spec, SourcesConfig(decoder="opencv")).frames())) for spec in specs[1:4]] == [3, 3, 3]
    monkeypatch.chdir(tmp_path / "0000")
    assert [spec.camera for spec in parse_camera_specs(["0", "rtsp://host"])] == ["webcam0", "host"]


def test_links_to_nothing_and_pipes_are_told(tmp_path, make_video):
    (tmp_path / "link.mp4").symlink_to(tmp_path / "gone.mp4")
    with pytest.raises(UserError, match=r"a link to nothing \(.*gone\.mp4\)"):
        open_source(CameraSpec("c", str(tmp_path / "link.mp4")), SourcesConfig())
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(UserError, match="a pipe or device"):
        open_source(CameraSpec("c", str(tmp_path / "pipe.mp4")), SourcesConfig())
    (tmp_path / "good.mp4").symlink_to(make_video("a.mp4", frames=2))
    assert len(list(open_source(CameraSpec("c", str(tmp_path / "good.mp4")), SourcesConfig()).frames())) == 2


def test_a_single_picture_is_no_video(tmp_path):
    write_picture(tmp_path / "1.png")
    with pytest.raises(UserError, match=r"1\.png is a single picture; give the folder it lies in"):
        open_source(CameraSpec("c", str(tmp_path / "1.png")), SourcesConfig())


def test_paths_that_a_shell_or_a_browser_wrote(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.mp4").touch()
    assert parse_camera_specs(["hall=~/a.mp4"]) == [CameraSpec("hall", str(tmp_path / "a.mp4"))]
    with pytest.raises(UserError, match="give its path without file://"):
        open_source(CameraSpec("c", f"file://{tmp_path}/a.mp4"), SourcesConfig())
    with pytest.raises(UserError, match=r"there is no file or folder \*\.mp4"):
        parse_camera_specs(["*.mp4"])
    with pytest.raises(UserError, match="no camera answers"):
        open_source(CameraSpec("c", "9" * 20), SourcesConfig())
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    assert parse_camera_specs([".."])[0].camera == tmp_path.name


def test_a_folder_of_videos_is_told(tmp_path, make_video):
    make_video("a.mp4", frames=1)
    with pytest.raises(
        UserError, match=r"holds no pictures.*but videos such as a\.mp4: give these one by one, or all as .*/\*\.mp4"
    ):
        open_source(CameraSpec("c", str(tmp_path)), SourcesConfig())


def test_two_cameras_of_one_name():
    with pytest.raises(UserError, match=r"two cameras are called 'cam'.*other=b/cam\.mp4"):
        parse_camera_specs(["a/cam.mp4", "b/cam.mp4"])
    with pytest.raises(UserError, match="two cameras"):
        parse_camera_specs(["x=a.mp4", "x=b.mp4"])
    assert len(parse_camera_specs(["a/cam.mp4", "other=b/cam.mp4"])) == 2


@given(st.text(max_size=12).filter(lambda text: "=" not in text and "/" not in text and "\0" not in text))
def test_every_default_name_is_safe(stem):
    try:
        (spec,) = parse_camera_specs([f"folder-that-is-not-there/{stem}.mp4"])
    except UserError:
        return
    assert is_camera_name(spec.camera)
    assert os.sep not in spec.camera


def test_passwords_are_not_shown():
    with pytest.raises(UserError) as caught:
        open_source(CameraSpec("c", "rtsp://me:secret@127.0.0.1:9/x"), SourcesConfig())
    assert "secret" not in str(caught.value)


def test_unknown_kind_of_address():
    with pytest.raises(UserError, match="known are http"):
        open_source(CameraSpec("c", "gopher://host/x"), SourcesConfig())
