"""Overlay videos of a finished run."""

import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from data.errors import UserError
from pipeline.folder.input_files import describe_input
from pipeline.folder.run_folder import RunFolder
from pipeline.rendering import mosaic
from pipeline.rendering.config import RenderConfig
from pipeline.rendering.mosaic import mosaic_path
from pipeline.rendering.overlay import render_run
from pipeline.rendering.palette import color_of
from pipeline.rendering.video_writer import VideoWriter
from tools.render import main

_FAST: dict[str, Any] = {"preset": "ultrafast", "crf": 12}


def _frames(path: Path) -> tuple[list[float], list[np.ndarray]]:
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
    return [float(frame.pts * frame.time_base) for frame in decoded], [
        frame.to_ndarray(format="rgb24") for frame in decoded
    ]


def _render(folder: RunFolder, **options: Any) -> list[Path]:
    return render_run(folder, RenderConfig(**(_FAST | options)))


def _near(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return np.abs(image.astype(int) - np.array(color)).max(axis=2) < 60


def test_every_camera_gets_a_video_with_the_boxes_of_its_people(make_run: Any) -> None:
    folder = make_run()
    paths = _render(folder)
    assert [path.name for path in paths] == ["hall.mp4", "door.mp4"]
    times, images = _frames(paths[0])
    assert len(images) == 120
    np.testing.assert_allclose(times, np.arange(120) / 10, atol=1e-4)
    tracklet = next(tracklet for tracklet in folder.read_tracklets() if tracklet.camera == "hall")
    person = next(p for p in folder.read_global_tracks() if any(v.local_id == tracklet.local_id for v in p.visits))
    middle = len(tracklet) // 2
    x1, y1, _, y2 = np.round(tracklet.boxes[middle]).astype(int)
    side = images[int(tracklet.frames[middle])][y1 + 5 : y2 - 5, x1 - 2 : x1 + 3]
    assert _near(side, color_of(person.global_id)).any(axis=1).mean() > 0.8


def _write_matroska(path: Path, images: list[np.ndarray], times: list[float]) -> None:
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.height, stream.width, stream.pix_fmt = *images[0].shape[:2], "yuvj420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for image, time_s in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_a_night_without_frames_is_shown_in_seconds_and_told(make_run: Any, world_of: Any) -> None:
    world = world_of(1, ("hall",), 2.0)
    folder = make_run(world)
    times = [0.0, 0.1, 43_200.1, 43_200.2, 43_204.0, 90_000.0]
    _write_matroska(make_run.video("hall"), [world.image("hall", number / 10) for number in range(6)], times)
    manifest = folder.read_manifest()
    manifest["inputs"]["hall"].update(describe_input(make_run.video("hall")))
    folder.write_json(folder.manifest, manifest)
    (path,) = _render(folder, longest_pause_s=5)
    shown, images = _frames(path)
    np.testing.assert_allclose(shown, [0, 0.1, 5.1, 5.2, 9.0, 14.0], atol=1e-3)
    headings = [image[: world.size[1] // 8] for image in images]
    assert _near(headings[2], (255, 255, 255)).sum() > 1.5 * _near(headings[1], (255, 255, 255)).sum(), "a remark"
    path = _render(folder, longest_pause_s=5, mosaic=True, mosaic_fps=2)[-1]
    shown, _ = _frames(path)
    assert 14 <= shown[-1] <= 17


def test_uneven_frame_times_are_kept(make_run: Any, world_of: Any) -> None:
    world = world_of(1, ("hall",), 2.0)
    folder = make_run(world)
    times = [0.0, 0.1, 0.25, 0.3, 0.9, 1.0]
    with VideoWriter(make_run.video("hall"), world.size, 10, crf=20, preset="ultrafast", queue_frames=2) as writer:
        for time_s in times:
            writer.write(world.image("hall", time_s), time_s)
    with pytest.raises(UserError, match="is not the video this run saw"):
        _render(folder)
    manifest = folder.read_json(folder.manifest)
    manifest["inputs"]["hall"].update(describe_input(make_run.video("hall")))
    folder.write_json(folder.manifest, manifest)
    (path,) = _render(folder)
    np.testing.assert_allclose(_frames(path)[0], times, atol=1e-3)


def test_only_the_frames_the_run_looked_at_are_shown(make_run: Any) -> None:
    folder = make_run()
    folder.write_json(folder.progress, {"complete": True, "last_frame": {"hall": 30, "door": 119}})
    hall, door = _render(folder)
    assert len(_frames(hall)[0]) == 31
    assert len(_frames(door)[0]) == 120
    folder.config.write_text("sources: {max_fps: 5, start_s: 2.0}\n")
    folder.progress.unlink()
    times, _ = _frames(_render(folder)[0])
    np.testing.assert_allclose(times, np.arange(50) / 5, atol=1e-3)


def test_anonymised_videos_show_no_head_and_keep_the_rest(make_run: Any, world_of: Any) -> None:
    folder = make_run(world_of(2, ("hall",)))
    options = {"trail_s": 0.0, "skeletons": False, "crf": 5}
    clear = _frames(_render(folder, **options)[0])[1]
    blurred = _frames(_render(folder, anonymize=True, **options)[0])[1]
    tracklet = folder.read_tracklets()[0]
    assert tracklet.keypoints is not None
    checked = 0
    for row in range(2, len(tracklet) - 2, 5):
        frame = int(tracklet.frames[row])
        x, y = np.round(tracklet.keypoints[row, 0, :2]).astype(int)
        if not (6 < x < 314):
            continue
        change = np.abs(clear[frame].astype(int) - blurred[frame]).max(axis=2)
        assert (change[y - 3 : y + 4, x - 3 : x + 4] > 12).mean() > 0.5
        assert (change[:20] > 40).mean() < 0.02
        assert (change[round(float(tracklet.boxes[row, 3])) + 4 :] > 40).mean() < 0.02
        checked += 1
    assert checked >= 3


def test_a_camera_whose_video_is_gone_is_skipped_with_a_warning(
    make_run: Any, world_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    folder = make_run(world_of(2, seconds=1.0))
    make_run.video("hall").unlink()
    with caplog.at_level(logging.WARNING):
        paths = _render(folder)
    assert [path.name for path in paths] == ["door.mp4"]
    assert caplog.text.count("hall: no overlay video") == 1
    make_run.video("door").unlink()
    caplog.clear()
    with pytest.raises(UserError, match=r"no overlay video could be made.*hall.*; .*door"):
        _render(folder)
    assert not caplog.messages, "the error says it all"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"live": True}, "was live"),
        ({"uri": ""}, "names no video"),
    ],
)
def test_what_cannot_be_played_again_is_said(make_run: Any, change: dict[str, Any], message: str) -> None:
    folder = make_run(videos=False, crops=False)
    manifest = folder.read_json(folder.manifest)
    for described in manifest["inputs"].values():
        described.update(change)
    folder.write_json(folder.manifest, manifest)
    with pytest.raises(UserError, match=message):
        _render(folder)


def test_no_address_is_opened_because_a_folder_names_it(make_run: Any) -> None:
    folder = make_run(videos=False, crops=False)
    manifest = folder.read_json(folder.manifest)
    for described in manifest["inputs"].values():
        described["uri"] = "http://127.0.0.1:9/a.mp4"
    folder.write_json(folder.manifest, manifest)
    with pytest.raises(UserError, match="none is opened because a run folder names it"):
        _render(folder)


def test_a_name_that_leads_out_of_the_folder_is_refused(make_run: Any) -> None:
    folder = make_run(crops=False)
    manifest = folder.read_json(folder.manifest)
    manifest["inputs"] = {"../../evil": manifest["inputs"]["hall"]}
    folder.write_json(folder.manifest, manifest)
    with pytest.raises(UserError, match="cannot stand in file names"):
        _render(folder)


def test_without_identities_local_ids_are_drawn(make_run: Any, world_of: Any, caplog: pytest.LogCaptureFixture) -> None:
    folder = make_run(world_of(2, seconds=1.0), identities=False)
    with caplog.at_level(logging.WARNING):
        assert len(_render(folder)) == 2
    assert "local ids" in caplog.text


def test_a_run_without_a_single_tracklet_is_still_rendered(make_run: Any, world_of: Any) -> None:
    folder = make_run(world_of(0, ("hall",), 1.0))
    (path,) = _render(folder)
    assert len(_frames(path)[0]) == 10


def test_nothing_is_replaced_unless_told(make_run: Any) -> None:
    folder = make_run()
    folder.video("door").parent.mkdir()
    folder.video("door").write_bytes(b"mine")
    with pytest.raises(UserError, match="--overwrite"):
        render_run(folder, RenderConfig(), overwrite=False)
    assert not folder.video("hall").exists()
    assert folder.video("door").read_bytes() == b"mine"


def test_clear_lines_for_wrong_names_and_places(make_run: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run folder"):
        render_run(RunFolder(tmp_path), RenderConfig())
    folder = make_run(crops=False)
    with pytest.raises(UserError, match="no camera 'hal'; there are: hall, door"):
        render_run(folder, RenderConfig(), ["hal"])
    (folder.root / "video").write_text("a file")
    with pytest.raises(UserError, match="cannot write"):
        _render(folder)


def test_the_mosaic_shows_the_same_instant_of_every_camera(
    make_run: Any, world_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    world = world_of(2, ("hall", "door", "stairs"), 3.0)
    folder = make_run(world)
    folder.site.write_text(
        "cameras:\n  hall: {clock: {status: common}}\n  stairs: {clock: {status: common}}\n"
        "  door: {clock: {status: common, offset_s: 2.0}}\n"
    )
    with caplog.at_level(logging.WARNING):
        path = _render(folder, mosaic=True, mosaic_width=640, mosaic_fps=10)[-1]
    assert caplog.text == ""
    assert path == mosaic_path(folder)
    times, images = _frames(path)
    assert images[0].shape == (360, 640, 3)
    assert times[-1] == pytest.approx(4.9, abs=0.11)
    dark = [_near(image[20:170, 330:630], (24, 24, 27)).mean() > 0.9 for image in images]
    assert dark[5]
    assert not dark[25], "door begins two seconds later"
    hall_dark = [_near(image[20:170, 10:310], (24, 24, 27)).mean() > 0.9 for image in images]
    assert not hall_dark[5]
    assert hall_dark[-1], "hall has ended by then"


def test_without_a_common_clock_the_mosaic_says_so(
    make_run: Any, world_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    folder = make_run(world_of(2, seconds=1.0))
    with caplog.at_level(logging.WARNING, logger=mosaic.__name__):
        assert _render(folder, mosaic=True)[-1].name == "+mosaic.mp4"
    assert "not common" in caplog.text


def test_the_command_line(make_run: Any, world_of: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_run(world_of(2, seconds=1.0))
    assert main([str(folder.root), "--cameras", "door", "render.preset=ultrafast"]) == 0
    assert capsys.readouterr().out.split() == [str(folder.video("door"))]
    assert not folder.video("hall").exists()
    with pytest.raises(UserError, match="--overwrite"):
        main([str(folder.root)])
    make_run.video("hall").unlink()
    with pytest.raises(UserError, match="no overlay video of hall"):
        main([str(folder.root), "--overwrite", "render.preset=ultrafast"])
