from pathlib import Path

import numpy as np
import pytest

from data.clock import Clock
from data.formats.tracklets import write_tracklets
from data.records import Tracklet
from data.site import CameraSite, Site, load_site, save_site
from pipeline.cli import run
from tests.pipeline.site_calibration.scenes import CORNERS, SIZE, scene
from tools.calibrate_site import main

FPS = 2.0
TWO = {name: CORNERS[name] for name in ("south", "east")}


def call(capsys, *arguments: object) -> tuple[int, str, str]:
    code = run(main, [str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def write_site(path: Path, status: str = "common", **more: object) -> Path:
    cameras = {name: CameraSite(clock=Clock(status=status), fps=FPS, size=SIZE) for name in TWO}
    save_site(Site(cameras=cameras).model_copy(update=more), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Detections of two cameras."""
    made = tmp_path_factory.mktemp("detections")
    for name, (times, boxes) in scene(TWO, seconds=60, fps=FPS).items():
        lines = [
            f"{round(time * FPS) + 1},-1,{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},0.9,-1,-1,-1"
            for time, (x1, y1, x2, y2) in zip(times, boxes)
        ]
        (made / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return made


def test_detections_become_a_site_with_a_group_and_a_picture(folder, tmp_path, capsys):
    site, out = write_site(tmp_path / "plain.yaml"), tmp_path / "site.yaml"
    code, said, _ = call(capsys, folder, "--site", site, "--out", out, "--group", "hall")
    assert code == 0
    assert "east and south: " in said
    assert "1.7 m high on average" in said
    made = load_site(out)
    assert made.groups[0].name == "hall"
    assert made.model("south") is not None
    assert (tmp_path / "site.png").read_bytes()[:4] == b"\x89PNG"
    first = out.read_bytes()
    assert call(capsys, folder, "--site", site, "--out", out)[0] == 2, "it is not overwritten"
    assert call(capsys, folder, "--site", site, "--out", out, "--group", "hall", "--overwrite")[0] == 0
    assert out.read_bytes() == first


def test_a_run_s_tracklets(tmp_path, capsys):
    (tmp_path / "run" / "tracklets").mkdir(parents=True)
    write_site(tmp_path / "run" / "site.yaml")
    tracklets = []
    for name, (times, boxes) in scene(TWO, seconds=60, fps=FPS).items():
        # Ids do not matter: the rows of every other frame are one tracklet each.
        for number in range(2):
            first = np.flatnonzero(np.diff(times, prepend=-1.0) > 0)
            rows = first[number::2]
            tracklets.append(_tracklet(name, number, times[rows], boxes[rows]))
        rest = np.setdiff1d(np.arange(len(times)), first)
        tracklets += [_tracklet(name, 10 + row, times[[row]], boxes[[row]]) for row in rest]
    write_tracklets(tmp_path / "run" / "tracklets" / "part-0-0.parquet", tracklets)
    code, said, error = call(capsys, tmp_path / "run", "--out", tmp_path / "site.yaml")
    assert code == 0, error
    assert "people fitted" in said


def _tracklet(camera: str, local_id: int, times: np.ndarray, boxes: np.ndarray) -> Tracklet:
    return Tracklet(
        camera=camera,
        local_id=local_id,
        times_s=times,
        frames=np.round(times * FPS).astype(np.int64),
        boxes=boxes.astype(np.float32),
        scores=np.ones(len(times), np.float32),
        frame_size=SIZE,
    )


def test_mistakes(folder, tmp_path, capsys):
    site, out = write_site(tmp_path / "plain.yaml"), tmp_path / "site.yaml"
    blind = write_site(tmp_path / "clocks.yaml", status="unknown")
    cases = [
        ((folder,), "give --site"),
        ((folder, "--site", blind), "the clock of camera 'east' is unknown"),
        ((folder, "--site", site, "--height-m", "170"), "0.5 to 2.5"),
        ((folder, "--site", site, "--seconds", "0"), "--seconds must be above 0"),
        ((folder, "--site", site, "--min-score", "0.95"), "too few people"),
        ((tmp_path / "a.mp4",), "at least two cameras"),
        ((tmp_path / "a.mp4", tmp_path / "b.mp4", "--set", "detector.nam=x"), "name"),
        ((tmp_path, "--site", site), "holds no <camera>.txt"),
    ]
    for arguments, message in cases:
        code, _, error = call(capsys, *arguments, "--out", out)
        assert code == 2
        assert message in error
        assert error.count("\n") == 1
    assert not out.exists()
