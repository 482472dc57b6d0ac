"""Detections of every frame become those of the frames that the schedule looks at, by pictures drawn from the truth."""

from pathlib import Path

import numpy as np
import pytest

from data.formats.coco import write_coco
from data.formats.detections_in import read_detection_folder
from data.formats.mot import MotTable, write_mot
from data.records import DoubleArray
from data.site import Site, save_site
from data.synthetic.drawn import DrawnCamera
from pipeline.cli import run
from pipeline.trials.thinning import thinned
from tools.thin_detections import main

FRAMES, FPS, SIZE = 100, 10.0, (640, 360)
# Walks in at the right after frame 40; stands at the left all the time.
WALKER, STANDING = 4, 9


def truth_of(shift: int = 0) -> MotTable:
    frames = np.arange(FRAMES)
    walks = frames[frames >= 40 + shift]
    start: DoubleArray = np.stack([600.0 - 8 * (walks - walks[0]), np.full(len(walks), 120.0)], axis=1)
    boxes = np.concatenate(
        [np.tile([40.0, 100, 90, 240], (FRAMES, 1)), np.concatenate([start, start + np.array([50, 140])], axis=1)]
    )
    ids = np.repeat([STANDING, WALKER], [FRAMES, len(walks)])
    return MotTable.make(np.concatenate([frames, walks]), ids, boxes, np.ones(len(boxes), np.float32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for camera, shift in (("a", 0), ("b", 30)):
        for kind in ("gt", "det"):
            (tmp_path / kind).mkdir(exist_ok=True)
            write_mot(tmp_path / kind / f"{camera}.txt", truth_of(shift))
    cameras = {name: {"size": SIZE, "fps": FPS} for name in ("a", "b")}
    save_site(Site.model_validate({"cameras": cameras}), tmp_path / "site.yaml")
    return tmp_path


def call(folder: Path, *extra: object, output: str = "thin") -> int:
    given = ["--site", folder / "site.yaml", "--gt", folder / "gt", "--detections", folder / "det"]
    return run(main, [str(word) for word in (*given, "--output", folder / output, *extra)])


def looks(folder: Path, camera: str = "a", output: str = "thin") -> list[int]:
    given = read_detection_folder(folder / output)[camera]
    return [frame for frame in range(given.frame_count) if given.looks_at(frame)]


def test_frames_are_kept_where_somebody_comes_and_few_where_nothing_moves(folder: Path) -> None:
    assert call(folder) == 0
    looked = np.array(looks(folder))
    still = looked[(looked > 10) & (looked < 40)]
    assert np.diff(still).min() == 9, "who stands still is looked at every 0.9 s"
    assert {40, 41, 42} <= set(looked.tolist()), "somebody comes in"
    assert len(looked) < 70
    other = np.array(looks(folder, "b"))
    assert np.diff(other[(other > 10) & (other < 70)]).min() == 9, "cameras without a group are apart"


def test_the_people_of_a_kept_frame_are_kept_and_the_others_are_not_known(folder: Path) -> None:
    call(folder)
    before, after = read_detection_folder(folder / "det")["a"], read_detection_folder(folder / "thin")["a"]
    assert not after.looks_at(35)
    for frame in looks(folder):
        np.testing.assert_allclose(after.boxes[after.rows(frame)], before.boxes[before.rows(frame)], atol=1e-3)
        np.testing.assert_allclose(after.scores[after.rows(frame)], before.scores[before.rows(frame)], atol=1e-6)


def test_the_cameras_of_a_group_are_looked_at_together(folder: Path) -> None:
    plain = {
        "size": SIZE, "fps": FPS, "clock": {"status": "common"},
        "calibration": {"homography": [[50.0, 0, 0], [0, 50, 0], [0, 0, 1]]},
    }  # fmt: skip
    cameras = dict.fromkeys(("a", "b"), plain)
    site = Site.model_validate({"cameras": cameras, "groups": [{"name": "hall", "cameras": ["a", "b"]}]})
    save_site(site, folder / "site.yaml")
    call(folder)
    assert looks(folder) == looks(folder, "b")


def test_a_moving_camera_is_looked_at_in_every_frame(folder: Path) -> None:
    call(folder, "--moving", "a")
    assert len(looks(folder)) == FRAMES
    assert len(looks(folder, "b")) < FRAMES


def test_settings_of_the_schedule_are_taken_and_the_same_input_gives_the_same_bytes(folder: Path) -> None:
    call(folder)
    call(folder, output="again")
    call(folder, "detector.pace.floor_s=0.3", output="often")
    assert (folder / "thin" / "a.json").read_bytes() == (folder / "again" / "a.json").read_bytes()
    assert len(looks(folder, output="often")) > len(looks(folder))


def test_mistakes_are_told_in_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folder, "--moving", "c") == 2
    assert "--moving names 'c'; the cameras are a, b" in capsys.readouterr().err
    assert not (folder / "thin").exists()
    assert call(folder) == 0
    assert call(folder) == 2
    assert "exists; choose another --output" in capsys.readouterr().err
    given = ["--site", folder / "site.yaml", "--gt", folder / "gt", "--detections", folder / "thin"]
    assert run(main, [str(word) for word in (*given, "--output", folder / "twice")]) == 2
    assert "give detections of all" in capsys.readouterr().err
    save_site(Site.model_validate({"cameras": {"a": {"size": SIZE}, "b": {"size": SIZE}}}), folder / "site.yaml")
    assert call(folder, "--overwrite") == 2
    assert "no fps of camera 'a'" in capsys.readouterr().err
    (folder / "gt" / "a.txt").unlink()
    cameras = {name: {"size": SIZE, "fps": FPS} for name in ("a", "b")}
    save_site(Site.model_validate({"cameras": cameras}), folder / "site.yaml")
    assert call(folder, "--overwrite") == 2
    assert "a.txt" in capsys.readouterr().err


def test_a_drawn_frame_is_the_same_wherever_reading_begins_and_shows_people_where_they_are() -> None:
    drawn = DrawnCamera("a", Path("a.txt"), truth_of(), SIZE, FPS, FRAMES)
    late = next(drawn.frames(50))
    whole = list(drawn.frames())
    np.testing.assert_array_equal(late.image, whole[50].image)
    assert late.image.shape == (SIZE[1], SIZE[0], 3)
    assert (late.index, late.time_s, len(whole)) == (50, 5.0, FRAMES)
    moved = np.abs(whole[50].image.astype(int) - whole[45].image).max(axis=2) > 20
    rows, columns = np.nonzero(moved)
    assert columns.min() >= 600 - 80 - 8
    assert 120 - 8 <= rows.min() < rows.max() <= 260 + 8


def test_frames_keep_their_numbers_where_the_first_is_not_looked_at(folder: Path) -> None:
    given = read_detection_folder(folder / "det")["a"]
    (folder / "late").mkdir()
    write_coco(folder / "late" / "a.json", thinned(given, np.array([1, 4, 9]), SIZE))
    assert looks(folder, output="late") == [1, 4, 9]
