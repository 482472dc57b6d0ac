import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.config import SourcesConfig
from data.errors import UserError
from data.sources.base import CameraSpec
from data.sources.open import is_camera_name, open_source, parse_camera_specs


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
    ("value", "message"), [("cam=", "has no path"), ("", "has no path"), ("视频.mp4", "write name=")]
)
def test_arguments_without_path_or_name(value, message):
    with pytest.raises(UserError, match=message):
        parse_camera_specs([value])


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
