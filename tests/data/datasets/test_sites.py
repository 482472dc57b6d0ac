"""Site files of data sets: what a run needs to start from one."""

import json
from pathlib import Path

import numpy as np
import pytest

from data.datasets.dukemtmc import FPS, STARTS
from data.datasets.registry import read_dataset
from data.datasets.sites import site_of_dataset
from data.errors import UserError
from data.site import load_site
from pipeline.cli import run
from tests.pipeline.evaluation.miniatures import MINIATURES, put
from tools import make_site


def test_dukes_cameras_start_at_their_own_frames(tmp_path: Path) -> None:
    """Frame f of camera c is frame f + start(c) - 1 of all, so both are one second of the common clock."""
    MINIATURES["dukemtmc"](tmp_path)
    site = site_of_dataset(read_dataset("dukemtmc", tmp_path), "unknown", grouped=False)
    instant = 60000
    seconds = [
        site.common_times(f"camera{camera}", [(instant - start) / FPS])[0] for camera, start in enumerate(STARTS, 1)
    ]
    assert seconds == pytest.approx([(instant - 1) / FPS] * 8)
    assert (site.size("camera3"), site.clocks_common("camera1", "camera8")) == ((1920, 1080), True)


def test_calibrated_cameras_can_form_a_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    MINIATURES["aicity"](tmp_path / "root")
    out = tmp_path / "site.yaml"
    arguments = ["--dataset", "aicity", "--root", str(tmp_path / "root"), "--out", str(out)]
    assert run(make_site.main, arguments) == 0
    site = load_site(out)
    assert (site.fps("camera_0001"), site.groups) == (30.0, [])
    assert site.model("camera_0002") is not None
    assert run(make_site.main, [*arguments, "--overwrite", "--group"]) == 0
    assert load_site(out).groups[0].cameras == ["camera_0001", "camera_0002"]
    matrix = json.dumps({"camera projection matrix": np.zeros((3, 4)).tolist()})
    put(tmp_path / "root" / "val" / "scene_1" / "camera_0001" / "calibration.json", matrix)
    assert run(make_site.main, [*arguments, "--overwrite"]) == 2
    assert "camera_0001" in capsys.readouterr().err


def test_sequences_by_themselves_have_no_common_clock(tmp_path: Path) -> None:
    MINIATURES["mot17"](tmp_path)
    site = site_of_dataset(read_dataset("mot17", tmp_path), "unknown", grouped=False)
    assert not site.clock("MOT17-02-SDP").known
    with pytest.raises(UserError, match=r"a group needs two calibrated cameras; .* has 0"):
        site_of_dataset(read_dataset("mot17", tmp_path), "unknown", grouped=True)


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "site.yaml")
    assert run(make_site.main, ["--dataset", "wildtrack", "--out", out]) == 2
    assert "--dataset needs --root" in capsys.readouterr().err
    arguments = ["--dataset", "wildtrack", "--root", str(tmp_path), "--out", out]
    assert run(make_site.main, [*arguments, "--clock", "common"]) == 2
    assert "--clock goes with --meta" in capsys.readouterr().err
    assert run(make_site.main, arguments) == 2
    assert "is not WILDTRACK" in capsys.readouterr().err


def test_the_real_wildtrack_is_the_site_prepared_of_it(testdata: Path, tmp_path: Path) -> None:
    scored = testdata / "scored" / "input" / "wildtrackA"
    outs = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    common = ["--group", "--out"]
    given = ["--meta", str(scored / "meta.json"), "--calib", str(scored / "calib.json"), "--clock", "common"]
    read = ["--dataset", "wildtrack", "--root", str(testdata / "wildtrack")]
    assert [run(make_site.main, [*one, *common, str(out)]) for one, out in zip((given, read), outs, strict=True)] == [
        0,
        0,
    ]
    prepared, told = (load_site(out) for out in outs)
    assert sorted(told.groups[0].cameras) == sorted(prepared.groups[0].cameras)
    for camera in prepared.cameras:
        assert told.fps(camera) == prepared.fps(camera)
        models = [site.model(camera) for site in (told, prepared)]
        assert models[0] is not None
        assert models[1] is not None
        points = np.array([[0.0, 0.0, 0.0], [3.0, 9.0, 1.7], [6.0, 20.0, 0.0]])
        np.testing.assert_allclose(models[0].to_image(points), models[1].to_image(points), atol=1e-6)
