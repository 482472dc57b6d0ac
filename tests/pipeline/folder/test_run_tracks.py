"""What a run says of each frame, read back from its folder."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.formats.mot import MotTable, write_mot
from data.formats.world import WorldPaths, write_world_paths
from data.records import GlobalTrack, Tracklet, Visit
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.run_tracks import read_run_tracks
from tools.convert import main

SITE = """
cameras:
  cam1: {clock: {status: common, offset_s: 2.0}, size: [640, 480], calibration: {homography: [[50, 0, 0], [0, 50, 0], [0, 0, 1]]}}
  cam2: {clock: {status: common}, size: [640, 480], calibration: {homography: [[50, 0, 0], [0, 50, 0], [0, 0, 1]]}}
  cam3: {}
groups:
  - {name: hall, cameras: [cam1, cam2]}
"""  # noqa: E501


def tracklet(local_id: int, frames: list[int], left: float) -> Tracklet:
    """Ten frames a second; the joints of frame f lie at x = left + f."""
    count = np.array(frames)
    points = np.ones((len(count), 17, 3), np.float32)
    points[..., 0] = (left + count)[:, None]
    points[..., 2] = 0.5 + 0.01 * count[:, None]
    boxes = np.stack([left + count, 0 * count, left + count + 20, 0 * count + 50], axis=1).astype(np.float32)
    return Tracklet("cam1", local_id, count / 10, count, boxes, np.full(len(count), 0.9, np.float32), points)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Person 7 in frames 0, 1 and 4 of cam1, then as another tracklet; frames 2 and 3 were filled in."""
    run = RunFolder(tmp_path)
    run.tracklets.mkdir()
    parts = [tracklet(0, [0, 1, 4], 100), tracklet(3, [30, 31], 200)]
    run.write_part(0.0, 0, parts)
    run.write_global_tracks([GlobalTrack(7, (Visit("cam1", 0, 0.0, 0.4), Visit("cam1", 3, 3.0, 3.1)), 0.9)])
    run.site.write_text(SITE)
    run.config.write_text("run: {interpolate_s: 1.0}\ndetector: {of_another_version: 1}\n")
    inputs = {"cam1": {"frames": 40, "width": 640, "height": 480}, "cam2": {"frames": 40}, "cam3": {}}
    run.write_json(run.manifest, {"inputs": inputs})
    frames = np.array([0, 1, 2, 3, 4, 30, 31])
    table = MotTable.make(frames, np.full(7, 7), np.tile([1.0, 2, 3, 4], (7, 1)))
    run.tracks("x").parent.mkdir()
    write_mot(run.tracks("cam1"), table)
    for empty in ("cam2", "cam3"):
        write_mot(run.tracks(empty), MotTable.empty())
    times = np.array([2.0, 2.1, 2.4, 5.02])
    xy = np.array([[0.0, 1], [1, 1], [4, 1], [9, 9]])
    whose = np.array([7, 7, 7, 7])
    write_world_paths(run.world("hall"), WorldPaths.make(times, whose, xy, np.tile(np.eye(2), (4, 1, 1)), np.ones(4)))
    return run


def test_boxes_are_those_of_the_track_files_and_cameras_without_people_stay(folder: RunFolder) -> None:
    first, second, third = read_run_tracks(folder)
    assert (first.name, first.length, first.size) == ("cam1", 40, (640, 480))
    assert first.table.boxes[:, 0].tolist() == [1.0] * 7
    assert (len(second.table), second.length, second.keypoints) == (0, 40, None)
    assert (third.length, third.places) == (0, None)


def test_skeletons_have_global_ids_and_short_gaps_are_bridged(folder: RunFolder) -> None:
    points = read_run_tracks(folder)[0].keypoints
    assert points is not None
    np.testing.assert_allclose(points[:, 0, 0], [100, 101, 102, 103, 104, 230, 231], atol=1e-4)
    np.testing.assert_allclose(points[2:4, 0, 2], 0.51, atol=1e-6)
    folder.config.write_text("run: {interpolate_s: 0.2}\n")
    unfilled = read_run_tracks(folder)[0].keypoints
    assert unfilled is not None
    assert unfilled[:, 0, 2].astype(bool).tolist() == [True, True, False, False, True, True, True]


def test_unsure_joints_are_left_out_when_asked(folder: RunFolder) -> None:
    """Confidence is .5 in frame 0 and rises by .01."""
    points = read_run_tracks(folder, keypoint_min=0.505)[0].keypoints
    assert points is not None
    assert points[:, 0].any(axis=1).tolist() == [False, True, True, True, True, True, True]


def test_nothing_is_filled_between_two_people(folder: RunFolder) -> None:
    table = MotTable.make(np.arange(5), np.array([7, 7, 8, 8, 7]), np.tile([1.0, 2, 3, 4], (5, 1)))
    write_mot(folder.tracks("cam1"), table)
    points = read_run_tracks(folder)[0].keypoints
    assert points is not None
    assert points[:, 0, 2].astype(bool).tolist() == [True, True, False, False, True]


def test_places_are_those_of_the_instant(folder: RunFolder) -> None:
    """Common time is two seconds later; nobody knows a place between the instants, and 20 ms off is the same one."""
    places = read_run_tracks(folder)[0].places
    assert places is not None
    assert places[[0, 1, 4]].tolist() == [[0, 1], [1, 1], [4, 1]]
    assert np.isnan(places[[2, 3, 6]]).all()
    assert places[5].tolist() == [9, 9]


def test_a_run_is_handed_in_with_its_places(folder: RunFolder, tmp_path: Path) -> None:
    """AI City's rows: camera, id, frame from 0, box, place; -1 -1 where nobody knows."""
    out = tmp_path / "track1.txt"
    assert main([str(folder.root), str(out), "--from", "run", "--to", "aicity"]) == 0
    rows = [line.split() for line in out.read_text().splitlines()]
    assert [row[:3] for row in rows[:2]] == [["1", "7", "0"], ["1", "7", "1"]]
    assert [row[7:] for row in rows[:3]] == [["0.0000", "1.0000"], ["1.0000", "1.0000"], ["-1.0000", "-1.0000"]]


def test_half_a_run_is_one_line(folder: RunFolder) -> None:
    folder.tracks("cam2").unlink()
    with pytest.raises(UserError, match=r"cam2\.txt is missing: the run did not get that far"):
        read_run_tracks(folder)


@pytest.mark.parametrize("text", ["run: 3", "[]", "run: {interpolate_s: -1}", "run: {interpolate_s: .nan}", "a: ["])
def test_a_configuration_that_is_none_is_one_line(folder: RunFolder, text: str) -> None:
    folder.config.write_text(text)
    with pytest.raises(UserError, match=r"config\.yaml"):
        read_run_tracks(folder)
