"""Tracks through every format and back."""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import UserError
from data.formats.cvat import read_cvat
from data.formats.mot import MotTable, read_mot
from data.formats.submissions import FORMATS, camera_number
from data.formats.track_sets import CameraTracks, PictureName
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
    with pytest.raises(UserError, match=r"id 3 is twice in frame 0 \(from 0\) of camera1"):
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


def keyframe(frame: int, left: float, outside: int = 0) -> str:
    corners = f'xtl="{left}" ytl="0" xbr="{left + 10}" ybr="20"'
    return f'<box frame="{frame}" outside="{outside}" keyframe="1" occluded="0" {corners}/>'


def cvat(tmp_path: Path, *boxes: str, size: int = 12) -> CameraTracks:
    meta = f"<meta><task><size>{size}</size></task></meta>"
    track = f'<track id="4" label="person">{"".join(boxes)}</track>'
    (tmp_path / "a.xml").write_text(f"<annotations>{meta}{track}</annotations>")
    return FORMATS["cvat_video"].read(tmp_path)[0]


def test_boxes_between_keyframes_are_on_the_line_until_outside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Keyframes 0, 4 and 9; outside in 6 to 8; the last one stays until the end of the task."""
    found = cvat(tmp_path, keyframe(0, 0), keyframe(4, 8), keyframe(6, 8, outside=1), keyframe(9, 50))
    assert found.table.frames.tolist() == [0, 1, 2, 3, 4, 5, 9, 10, 11]
    assert found.table.boxes[:, 0].tolist() == [0, 2, 4, 6, 8, 8, 50, 50, 50]
    assert "4 boxes between keyframes were filled in" in caplog.text
    assert "2 boxes after the last keyframe of a track not ended there were filled in" in caplog.text


def test_a_box_for_every_frame_needs_no_filling(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = cvat(tmp_path, *(keyframe(frame, frame) for frame in range(3)), keyframe(3, 3, outside=1))
    assert found.table.frames.tolist() == [0, 1, 2]
    assert found.length == 12
    assert "filled in" not in caplog.text


def test_keyframes_that_stand_for_too_much_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="stand for more than 20000000 boxes"):
        cvat(tmp_path, keyframe(0, 0), size=10**12)
    with pytest.raises(UserError, match="track 4 has two boxes in a frame"):
        cvat(tmp_path, keyframe(0, 0), keyframe(0, 5))


def test_places_on_the_ground_go_with_the_rows(tmp_path: Path) -> None:
    places = np.array([[1.25, 2], [np.nan, np.nan], [-1, 3], [4, 5]])
    tracks = [replace(cameras()[0], places=places), cameras()[1]]
    FORMATS["aicity"].write(tmp_path / "all.txt", tracks)
    lines = (tmp_path / "all.txt").read_text().splitlines()
    assert [line.split()[-2:] for line in lines[:2]] == [["1.2500", "2.0000"], ["-1.0000", "-1.0000"]]
    for name in ("duke", "aicity"):
        FORMATS[name].write(tmp_path / name, FORMATS["aicity"].read(tmp_path / "all.txt"))
        first, second = FORMATS[name].read(tmp_path / name)
        assert first.places is not None
        np.testing.assert_allclose(first.places, places)
        assert second.places is None


def test_pictures_keep_their_ids_and_names(tmp_path: Path) -> None:
    names = tuple(PictureName(700 + frame, f"images/val/000001_a/{frame:06d}.jpg") for frame in range(5))
    tracks = [CameraTracks("000001_a", 5, (64, 48), TABLE, POINTS, pictures=names)]
    for source, target in (("posetrack", "coco"), ("coco", "posetrack")):
        FORMATS[source].write(tmp_path / f"from_{source}", tracks)
        FORMATS[target].write(tmp_path / f"to_{target}", FORMATS[source].read(tmp_path / f"from_{source}"))
        (back,) = FORMATS[target].read(tmp_path / f"to_{target}")
        assert back.pictures == names


EXACT = {name: 0.0 if name != "aicity" else 0.5 for name in NAMES}


@st.composite
def many_tracks(draw: st.DrawFn) -> list[CameraTracks]:
    """One or two cameras; people who come and go; corners in eighths of a px, at least 2 px apart."""
    made = []
    for number in range(1, draw(st.integers(1, 2)) + 1):
        length = draw(st.integers(1, 9))
        keys = draw(st.sets(st.tuples(st.integers(0, length - 1), st.integers(0, 4)), min_size=1, max_size=12))
        frames, ids = np.array(sorted(keys)).T
        corner = st.tuples(st.integers(0, 400), st.integers(0, 400), st.integers(16, 400), st.integers(16, 400))
        sides = np.array([draw(corner) for _ in keys]) / 8
        sides[:, 2:] += sides[:, :2]
        made.append(CameraTracks(f"camera{number}", length, (64, 48), MotTable.make(frames, ids, sides)))
    return made


def assert_same(found: list[CameraTracks], expected: list[CameraTracks], tolerance: float) -> None:
    assert [one.name for one in found] == [one.name for one in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.table.frames, other.table.frames)
        np.testing.assert_array_equal(one.table.ids, other.table.ids)
        np.testing.assert_allclose(one.table.boxes, other.table.boxes, atol=tolerance + 1e-3)


@settings(max_examples=3)
@given(tracks=many_tracks())
def test_every_format_goes_into_every_other_and_back(tracks: list[CameraTracks]) -> None:
    """Frames, ids and boxes are those that were there; whole px where a format writes whole px."""
    with TemporaryDirectory() as folder:
        for first in NAMES:
            FORMATS[first].write(Path(folder) / first, tracks)
            read = FORMATS[first].read(Path(folder) / first)
            assert_same(read, tracks, 2 * EXACT[first])
            for second in NAMES:
                place = Path(folder) / f"{first}_{second}"
                FORMATS[second].write(place, read)
                assert_same(FORMATS[second].read(place), tracks, 2 * EXACT[first] + 2 * EXACT[second])


def test_boxes_without_area_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "out").write_text("1 3 0 1 2 10 0 5 6\n1 4 0 1 2 10 20 7 8\n")
    (found,) = FORMATS["aicity"].read(tmp_path / "out")
    assert found.table.ids.tolist() == [4]
    assert found.places is not None
    assert found.places.tolist() == [[7, 8]]
    assert "1 boxes of camera1 without area were left out" in caplog.text


def test_lists_of_labels_beside_tracks_are_no_tracks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    FORMATS["mot"].write(tmp_path, cameras())
    (tmp_path / "labels.txt").write_text("person\n")
    assert [one.name for one in FORMATS["mot"].read(tmp_path)] == ["camera1", "camera2"]
    assert "labels.txt holds no row of 6 or more numbers and is passed over" in caplog.text


def test_files_that_may_count_from_one_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    FORMATS["duke"].write(tmp_path / "out", cameras())
    FORMATS["aicity"].read(tmp_path / "out")
    assert "nobody is in frame 0; AI City counts from 0: does this file count from 1?" in caplog.text


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


LARGE = np.array([504403158265495553, 504403158265495555])


@pytest.mark.parametrize("name", ["mot", "duke", "coco", "cvat_video", "cvat_images"])
def test_ids_of_64_bits_are_not_rounded(name: str, tmp_path: Path) -> None:
    table = MotTable.make(np.array([0, 0]), LARGE, TABLE.boxes[:2])
    FORMATS[name].write(tmp_path / "out", [CameraTracks("camera1", 1, (64, 48), table)])
    if name == "duke":
        assert all(str(number) in (tmp_path / "out").read_text() for number in LARGE)
        return
    (back,) = FORMATS[name].read(tmp_path / "out")
    assert back.table.ids.tolist() == LARGE.tolist()


@pytest.mark.parametrize("name", ["coco", "cvat_images", "posetrack"])
def test_formats_that_tell_of_every_frame_refuse_clock_times(name: str, tmp_path: Path) -> None:
    table = replace(TABLE, frames=TABLE.frames + 1_700_000_000)
    with pytest.raises(UserError, match="has 1700000005 frames, and this format tells of each; number them anew"):
        FORMATS[name].write(tmp_path / "out", [CameraTracks("camera1", 1_700_000_005, (64, 48), table)])


def test_coco_keeps_frames_whose_pictures_have_other_names(tmp_path: Path) -> None:
    names = tuple(PictureName(9 - n, "x.jpg") for n in range(5))
    FORMATS["coco"].write(tmp_path / "out", [replace(cameras()[0], pictures=names)])
    (back,) = FORMATS["coco"].read(tmp_path / "out")
    assert back.table.frames.tolist() == TABLE.frames.tolist()
    assert back.pictures == names


def _two_videos(path: Path) -> None:
    """Videos 'door' and 'hall' in one COCO file; person 3 walks through both."""
    images = [(1, "hall", 1), (2, "door", 1), (3, "hall", 2)]
    numbers = {"door": 1, "hall": 2}
    tree = {
        "videos": [{"id": number, "name": name} for name, number in numbers.items()],
        "categories": [{"id": 1, "name": "person"}],
        "images": [
            {
                "id": i,
                "video_id": numbers[video],
                "frame_id": frame,
                "file_name": f"{frame}.jpg",
                "width": 640,
                "height": 480,
            }
            for i, video, frame in images
        ],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "bbox": [10 * i, 20, 30, 40], "track_id": 3}
            for i, _, _ in images
        ],
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(tree))


def test_a_coco_file_of_several_videos_is_several_cameras(tmp_path: Path) -> None:
    _two_videos(tmp_path / "in" / "all.json")
    assert main([str(tmp_path / "in"), str(tmp_path / "out"), "--from", "coco", "--to", "mot"]) == 0
    rows = {path.stem: path.read_text().splitlines() for path in (tmp_path / "out").iterdir()}
    assert {camera: [row.split(",")[:3] for row in own] for camera, own in rows.items()} == {
        "door": [["1", "3", "20.000"]],
        "hall": [["1", "3", "10.000"], ["2", "3", "30.000"]],
    }
    _two_videos(tmp_path / "in" / "again.json")
    with pytest.raises(UserError, match=r"again\.json and .*all\.json both hold camera 'door'; remove one"):
        main([str(tmp_path / "in"), str(tmp_path / "other"), "--from", "coco", "--to", "mot"])
