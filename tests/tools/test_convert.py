"""Tracks through every format and back."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.formats.cvat import read_cvat
from data.formats.mot import MotTable, read_mot
from data.formats.submissions import FORMATS, camera_number
from data.formats.track_sets import CameraTracks
from tools.convert import NAMES, main

TABLE = MotTable.make(
    np.array([0, 0, 1, 4]),
    np.array([3, 8, 3, 3]),
    np.array([[1, 2, 11, 22], [5, 5, 9, 9], [2, 2, 12, 22], [3, 3, 9, 9]]),
)
POINTS = np.random.default_rng(0).uniform(1, 50, (4, 17, 3)).astype(np.float32).round(2)
POINTS[..., 2] = 0.75


def cameras() -> list[CameraTracks]:
    return [
        CameraTracks("camera1", 5, (64, 48), TABLE),
        CameraTracks("camera2", 5, (64, 48), TABLE.select(TABLE.ids == 3)),
    ]


def test_the_command_line_knows_all_formats() -> None:
    assert tuple(FORMATS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_reads_back(name: str, tmp_path: Path) -> None:
    FORMATS[name].write(tmp_path / "out", cameras())
    back = FORMATS[name].read(tmp_path / "out")
    assert [one.name for one in back] == ["camera1", "camera2"]
    for one, expected in zip(back, cameras(), strict=True):
        assert one.length == 5
        np.testing.assert_array_equal(one.table.frames, expected.table.frames)
        np.testing.assert_array_equal(one.table.ids, expected.table.ids)
        np.testing.assert_allclose(one.table.boxes, expected.table.boxes)


@pytest.mark.parametrize(("name", "first"), [("aicity", "1 3 0 1 2 10 20 -1"), ("duke", "1 3 1 1.000 2.000 10.000")])
def test_each_format_counts_frames_its_own_way(name: str, first: str, tmp_path: Path) -> None:
    FORMATS[name].write(tmp_path / "out", cameras())
    assert (tmp_path / "out").read_text().startswith(first)


def test_files_of_the_other_frame_base_are_an_error(tmp_path: Path) -> None:
    FORMATS["aicity"].write(tmp_path / "out", cameras())
    with pytest.raises(UserError, match="the frame is below 1, from which this data set counts"):
        FORMATS["duke"].read(tmp_path / "out")


def test_an_id_twice_in_a_frame_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("1 3 0 1 2 10 20\n1 3 0 1 2 10 20\n")
    with pytest.raises(UserError, match="id 3 is given twice in frame 0 of camera 1"):
        FORMATS["aicity"].read(tmp_path / "out")


def test_keypoints_of_coco_become_those_of_posetrack(tmp_path: Path) -> None:
    tracks = CameraTracks("000001_a", 5, (64, 48), TABLE, POINTS)
    FORMATS["posetrack"].write(tmp_path, [tracks])
    (back,) = FORMATS["posetrack"].read(tmp_path)
    assert back.keypoints is not None
    assert back.skeleton == "posetrack17"
    np.testing.assert_allclose(back.keypoints[:, 5:], POINTS[:, 5:], atol=1e-3)
    assert (back.keypoints[:, 1:3, 2] == 0.75).all(), "both ends of the head are estimated"
    assert not back.keypoints[:, 3:5].any(), "ears are never labelled"


def test_a_pause_in_a_track_stays_a_pause_in_cvat(tmp_path: Path) -> None:
    FORMATS["cvat_video"].write(tmp_path, cameras()[:1])
    text = (tmp_path / "camera1.xml").read_text()
    assert text.count('outside="1"') == 2
    assert read_cvat(tmp_path / "camera1.xml").size == (64, 48)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<a/>", "expected <annotations>"),
        ("<annotations>", "is not valid XML"),
        ('<annotations><image id="0"><box label="person"/></image></annotations>', "no attribute 'track_id'"),
        ('<annotations><track id="0" label="person"><box frame="0"/></track></annotations>', "<box> has no xtl"),
        ('<!DOCTYPE a><annotations/>', "declares a document type"),
    ],
)  # fmt: skip
def test_broken_cvat_files_are_told(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(UserError, match=complaint):
        read_cvat(tmp_path / "a.xml")


def test_other_labels_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = '<box frame="0" xtl="1" ytl="1" xbr="2" ybr="2"/>'
    (tmp_path / "a.xml").write_text(f'<annotations><track id="0" label="car">{box}</track></annotations>')
    assert not len(read_cvat(tmp_path / "a.xml").table)
    assert "1 boxes are not labelled person" in caplog.text


def test_the_command_converts_and_overwrites_only_when_told(tmp_path: Path) -> None:
    FORMATS["mot"].write(tmp_path / "mot", cameras())
    command = [str(tmp_path / "mot"), str(tmp_path / "all.txt"), "--from", "mot", "--to", "aicity"]
    assert main(command) == 0
    with pytest.raises(UserError, match="is there already"):
        main(command)
    assert main([*command, "--overwrite"]) == 0
    assert main([str(tmp_path / "all.txt"), str(tmp_path / "back"), "--from", "aicity", "--to", "mot"]) == 0
    assert len(read_mot(tmp_path / "back" / "camera1.txt", "tracks")) == 4


def test_cameras_need_a_number_where_the_format_has_numbers() -> None:
    assert camera_number("camera_0012") == 12
    with pytest.raises(UserError, match="camera 'hall' has no number"):
        camera_number("hall")
