"""The command line: starts from files without weights, and every mistake is one line and exit code 2."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.formats.mot import read_mot
from pipeline.cli import run
from pipeline.folder.input_files import describe_file
from pipeline.folder.run_folder import RunFolder
from pipeline.job.preparation import check_same_inputs
from pipeline.run import main

_SITE = """
cameras:
  hall: {fps: 10, size: [200, 100], clock: {status: common}}
  door: {fps: 5, size: [200, 100], clock: {status: common}}
default_overlap: none
"""


def _walk(frames: int, start: int, left: float, speed: float) -> str:
    rows = (f"{start + n},-1,{left + speed * n:.2f},20,20,60,0.9,-1,-1,-1" for n in range(frames))
    return "\n".join(rows) + "\n"


@pytest.fixture
def detections(tmp_path: Path) -> Path:
    """One person through hall, then through door, with features that say so; another in hall only."""
    folder = tmp_path / "det"
    folder.mkdir()
    (folder / "hall.txt").write_text(_walk(30, 1, 5, 2) + _walk(30, 1, 150, -1).replace(",20,20,60,", ",25,20,60,"))
    (folder / "door.txt").write_text(_walk(20, 41, 10, 4))
    person, other = np.eye(8, dtype=np.float32)[:2]
    np.save(folder / "hall.npy", np.concatenate([np.tile(person, (30, 1)), np.tile(other, (30, 1))]))
    np.save(folder / "door.npy", np.tile(person, (20, 1)))
    (tmp_path / "site.yaml").write_text(_SITE)
    return folder


def _call(*arguments: object) -> int:
    return run(main, [str(argument) for argument in arguments])


def _warnings(out: Path, camera: str) -> list[str]:
    found = RunFolder(out).read_json(RunFolder(out).manifest)["warnings"]
    return [warning["text"] for warning in found if warning["camera"] == camera]


def test_detections_with_features_become_identities(detections: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert _call("--detections", detections, "--site", tmp_path / "site.yaml", "--output", out) == 0
    hall, door = (read_mot(RunFolder(out).tracks(camera), "tracks") for camera in ("hall", "door"))
    assert len(set(hall.ids)) == 2
    assert len(set(door.ids)) == 1
    manifest = RunFolder(out).read_json(RunFolder(out).manifest)
    assert manifest["status"] == "complete"
    assert manifest["counts"]["cameras"]["hall"]["detections"] == 60
    assert (out / "report.html").exists()


def test_boxes_outside_the_frame_are_counted(detections: Path, tmp_path: Path) -> None:
    text = (detections / "hall.txt").read_text().replace("30,-1,63.00,20", "30,-1,500.00,20")
    (detections / "hall.txt").write_text(text)
    assert _call("--detections", detections, "--site", tmp_path / "site.yaml", "--output", tmp_path / "run") == 0
    assert _warnings(tmp_path / "run", "hall") == ["1 boxes lie outside a picture of 200x100 px: not used"]


def test_tracks_keep_their_local_ids(tmp_path: Path) -> None:
    (tmp_path / "tracks").mkdir()
    (tmp_path / "tracks" / "hall.txt").write_text(re.sub(r"^(\d+),-1,", r"\1,7,", _walk(30, 1, 5, 2), flags=re.M))
    (tmp_path / "site.yaml").write_text(_SITE)
    out = tmp_path / "run"
    assert _call("--tracks", tmp_path / "tracks", "--site", tmp_path / "site.yaml", "--output", out) == 0
    given, kept = (
        read_mot(path, "tracks") for path in (tmp_path / "tracks/hall.txt", RunFolder(out).local_tracks("hall"))
    )
    assert set(kept.ids) == {7}
    np.testing.assert_allclose(kept.boxes, given.boxes, atol=1e-3)
    assert len(set(read_mot(RunFolder(out).tracks("hall"), "tracks").ids)) == 1


def test_dry_run_prints_the_resolved_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert _call("--dry-run", "run.seed=7", "--device", "cpu") == 0
    printed = capsys.readouterr().out
    assert "seed: 7" in printed
    assert "device: cpu" in printed


def test_overrides_may_follow_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    assert _call("--dry-run", "--demo", "run.seed=7") == 0
    printed = capsys.readouterr().out
    assert "seed: 7" in printed
    assert "name: person_pose" in printed


def test_the_demo_says_where_it_cannot_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("MTMCT_CACHE", str(tmp_path / "cache"))
    assert _call("--demo", "tiny", "--output", tmp_path / "run") == 2
    assert "set MTMCT_CACHE" in capsys.readouterr().err


def test_overrides_may_follow_the_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _call("--dry-run", "--videos", "a=x.mp4", "run.seed=7", "b=y.mp4") == 0
    assert "seed: 7" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of --videos, --detections, --tracks or --demo"),
        (["--demo", "--tracks", "x"], "--demo brings its own videos"),
        (["--demo", "dmeo"], "did you mean 'demo'"),
        (["--videos", "a.mp4", "--tracks", "x"], "not videos and tracks"),
        (["--videos", "a/x.mp4", "b/x.mp4"], "x"),
        (["--videos", "a.mp4", "run.sed=1"], "did you mean 'seed'"),
        (["--videos", "a.mp4", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--videos", "a.mp4", "--truth", "nowhere"], "the truth nowhere is not a folder"),
        (["--videos", "a.mp4", "--resume"], "--resume needs"),
        (["--videos", "a.mp4"], "a.mp4"),
        (["--videos", "notes.mp4"], "notes.mp4"),
        (["--videos", "a.mp4", "--limit", "0"], "the limit of frames must be at least 1"),
        (["--detections", "nowhere"], "nowhere"),
        (["--tracks", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.mp4").write_text("no video at all")
    assert _call(*arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert message in error
    assert "\n" not in error


def test_who_resumes_without_inputs_is_told_the_command(
    detections: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    arguments = ["--detections", str(detections), "--site", str(tmp_path / "site.yaml"), "--output", str(out)]
    monkeypatch.setattr("sys.argv", ["/opt/pipeline/run.py", *arguments])
    assert _call(*arguments) == 0
    capsys.readouterr()
    assert _call("--resume", "--output", out) == 2
    command = f"python -m pipeline.run {' '.join(arguments[:4])} --resume --output {out}"
    assert capsys.readouterr().err == f"error: --resume wants the inputs again: {command}\n"


def test_inputs_without_their_option_are_told_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mp4").touch()
    for given in ("a.mp4", "rtsp://camera/1"):
        assert _call(given) == 2
        assert f"--videos {given}" in capsys.readouterr().err
    assert _call("b.mp4") == 2, "nothing tells that it is meant for an input"
    assert "--videos" not in capsys.readouterr().err


def test_nothing_is_written_for_a_mistake(detections: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (detections / "hall.txt").read_text().replace("0.9", "nan", 1)
    (detections / "hall.txt").write_text(text)
    assert _call("--detections", detections, "--site", tmp_path / "site.yaml", "--output", tmp_path / "run") == 2
    assert "hall.txt:1" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_camera_without_frame_rate_is_named(
    detections: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call("--detections", detections, "--output", tmp_path / "run") == 2
    assert "frame rate of camera 'door' is unknown; give --site" in capsys.readouterr().err


def test_a_second_run_needs_overwrite(detections: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--detections", detections, "--site", tmp_path / "site.yaml", "--output", tmp_path / "run"]
    assert _call(*arguments) == 0
    assert _call(*arguments) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert _call(*arguments, "--overwrite") == 0


def _write_video(path: Path, frames: int) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 200, 100, "yuv420p"
        for _ in range(frames):
            image = np.full((100, 200, 3), 90, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())


def test_people_of_files_are_looked_at_in_the_videos(detections: Path, tmp_path: Path) -> None:
    """Boxes come from the files; the crops of the run prove that the pictures come from the videos."""
    for name in ("hall.npy", "door.npy"):
        (detections / name).unlink()
    _write_video(tmp_path / "hall.mp4", 40)
    out = tmp_path / "run"
    arguments = ("--videos", tmp_path / "hall.mp4", "--detections", detections, "--output", out, "reid.name=none")
    assert _call(*arguments) == 0
    assert len(set(read_mot(RunFolder(out).tracks("hall"), "tracks").ids)) == 2
    assert list((out / "crops" / "hall").glob("*.jpg"))
    assert not RunFolder(out).tracks("door").exists()


def _interrupted(out: Path) -> None:
    """Make a complete run look as one that was stopped."""
    folder = RunFolder(out)
    folder.write_json(folder.manifest, folder.read_json(folder.manifest) | {"status": "interrupted"})


def test_detections_beside_videos_are_in_the_manifest_and_stay_the_same(
    detections: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write_video(tmp_path / "hall.mp4", 25)
    out = tmp_path / "run"
    videos = ("--videos", tmp_path / "hall.mp4", "--output", out, "reid.name=none")
    arguments = (*videos, "--detections", detections)
    assert _call(*arguments) == 0
    manifest = RunFolder(out).read_json(RunFolder(out).manifest)
    path = detections / "hall.txt"
    assert manifest["inputs"]["hall"]["detections"] == {"uri": str(path), **describe_file(path)}
    assert "10 detections" in _warnings(out, "hall")[0]
    assert "after frame 25" in _warnings(out, "hall")[0]
    _interrupted(out)
    assert _call(*arguments, "--resume") == 0
    _interrupted(out)
    path.write_text(path.read_text().replace("0.9", "0.8", 1))
    capsys.readouterr()
    assert _call(*arguments, "--resume") == 2
    assert "camera 'hall' is not the input this run began with" in capsys.readouterr().err


def test_a_run_that_began_without_detections_does_not_go_on_with_them(tmp_path: Path) -> None:
    first = {"sha256": "a", "detections": {"sha256": "b"}}
    folder = RunFolder(tmp_path)
    folder.write_json(folder.manifest, {"inputs": {"hall": first}})
    check_same_inputs(folder, {"hall": first | {"uri": "elsewhere"}})
    for other in ({"sha256": "a"}, first | {"detections": {"sha256": "c"}}, first | {"features": {"sha256": "d"}}):
        with pytest.raises(UserError, match="not the input"):
            check_same_inputs(folder, {"hall": other})


def test_a_coco_file_shorter_than_the_video_is_told(tmp_path: Path) -> None:
    (tmp_path / "det").mkdir()
    images = [{"id": number, "file_name": f"{number:06d}.jpg", "width": 200, "height": 100} for number in range(4)]
    (tmp_path / "det" / "hall.json").write_text(json.dumps({"images": images, "annotations": []}))
    _write_video(tmp_path / "hall.mp4", 6)
    out = tmp_path / "run"
    videos = ("--videos", tmp_path / "hall.mp4", "--output", out, "reid.name=none")
    assert _call(*videos, "--detections", tmp_path / "det") == 0
    assert "tells of 4 frames, the video has 6" in _warnings(out, "hall")[0]


def test_a_resumed_run_refuses_other_features(
    detections: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--detections", detections, "--site", tmp_path / "site.yaml", "--output", tmp_path / "run")
    assert _call(*arguments) == 0
    _interrupted(tmp_path / "run")
    np.save(detections / "door.npy", np.ones((20, 8), np.float32))
    assert _call(*arguments, "--resume") == 2
    assert "camera 'door' is not the input" in capsys.readouterr().err


def test_features_do_not_go_with_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write_video(tmp_path / "hall.mp4", 2)
    assert _call("--videos", tmp_path / "hall.mp4", "--features", "x", "--output", tmp_path / "run") == 2
    assert "--features goes with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "message"),
    [(["--features", "x"], "--features goes with"), (["--videos", "other.mp4"], "no detections of camera other")],
)
def test_videos_and_detections_must_go_together(
    detections: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str], message: str
) -> None:
    _write_video(tmp_path / "hall.mp4", 2)
    videos = ["--videos", str(tmp_path / "hall.mp4")] if "--videos" not in extra else []
    assert _call(*videos, *extra, "--detections", detections, "--output", tmp_path / "run") == 2
    assert message in capsys.readouterr().err


def _sampled(folder: Path, camera: str, step: int) -> None:
    """Somebody walks; people were looked for in every so many frames."""
    folder.mkdir(exist_ok=True)
    numbers = range(0, 60, step)
    images = [{"id": n, "file_name": f"{n:06d}.jpg", "width": 200, "height": 100} for n in numbers]
    people = [
        {"id": n, "image_id": n, "category_id": 1, "bbox": [20 + 2 * n, 20, 20, 60], "score": 0.9} for n in numbers
    ]
    content = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "Person"}]}
    (folder / f"{camera}.json").write_text(json.dumps(content))


@pytest.mark.parametrize("with_video", [False, True])
def test_frames_that_nobody_looked_at_end_no_track(tmp_path: Path, with_video: bool) -> None:
    _sampled(tmp_path / "det", "hall", 5)
    start: tuple[object, ...] = ("--detections", tmp_path / "det")
    if with_video:
        _write_video(tmp_path / "hall.mp4", 60)
        start += ("--videos", tmp_path / "hall.mp4")
    else:
        (tmp_path / "site.yaml").write_text("cameras: {hall: {fps: 10, size: [200, 100]}}\n")
        start += ("--site", tmp_path / "site.yaml")
    out = tmp_path / "run"
    assert _call(*start, "--output", out, "reid.name=none", "run.crops=false") == 0
    assert len(RunFolder(out).read_tracklets()) == 1
    assert any("not looked at" in line for line in _warnings(out, "hall"))


def test_videos_of_one_file_that_are_no_cameras_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = [{"id": n, "video_id": n, "frame_id": 0} for n in (1, 2)]
    content = {"images": images, "annotations": [], "videos": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}
    (tmp_path / "det").mkdir()
    (tmp_path / "det" / "hall.json").write_text(json.dumps(content))
    (tmp_path / "site.yaml").write_text("cameras: {hall: {fps: 10, size: [200, 100]}}\n")
    start = ("--detections", tmp_path / "det", "--output", tmp_path / "run")
    assert _call(*start, "--site", tmp_path / "site.yaml") == 2
    assert "hall.json holds the videos a, b" in capsys.readouterr().err
    _write_video(tmp_path / "hall.mp4", 6)
    assert _call(*start, "--videos", tmp_path / "hall.mp4") == 2
    assert "hall.json holds the videos a, b" in capsys.readouterr().err


def test_detections_that_become_no_track_are_told(tmp_path: Path) -> None:
    (tmp_path / "det").mkdir()
    (tmp_path / "det" / "hall.txt").write_text("1,-1,20,20,20,60,0.9\n40,-1,90,20,20,60,0.9\n")
    (tmp_path / "site.yaml").write_text("cameras: {hall: {fps: 10, size: [200, 100]}}\n")
    out = tmp_path / "run"
    assert _call("--detections", tmp_path / "det", "--site", tmp_path / "site.yaml", "--output", out) == 0
    assert "no track came of 2 detections in 40 frames" in _warnings(out, "hall")
