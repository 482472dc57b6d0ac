import json

import numpy as np
import pytest

from data.site import load_site
from pipeline.cli import run
from tools.make_site import main

# 500 px focal length, 4 m above (2, -3), 25 degrees down, along y.
PROJECTION = [
    [500.0, 290.0185, -135.2378, 411.0069],
    [0.0, 6.2047, -554.5823, 2236.9433],
    [0.0, 0.9063, -0.4226, 4.4094],
]
K = [[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]
R = [[1.0, 0, 0], [0, -0.42261826, -0.90630779], [0, 0.90630779, -0.42261826]]
T = [-2.0, 2.3573764, 4.4093964]


def call(capsys, *arguments: object) -> tuple[int, str]:
    code = run(main, [str(argument) for argument in arguments])
    return code, capsys.readouterr().err


@pytest.fixture
def files(tmp_path):
    meta, calib = tmp_path / "meta.json", tmp_path / "calib.json"
    meta.write_text(json.dumps({c: {"size": [640, 480], "fps": 4, "length": 9} for c in ("a", "b", "c")}))
    calib.write_text(json.dumps({"a": PROJECTION, "b": PROJECTION}))
    return meta, calib, tmp_path / "site.yaml"


def test_facts_and_calibrations(files, capsys):
    meta, calib, out = files
    code, _ = call(
        capsys, "--meta", meta, "--calib", calib, "--clock", "common", "--overlap", "none", "--group", "--out", out
    )
    assert code == 0
    site = load_site(out)
    assert site.fps("c") == 4
    assert site.size("a") == (640, 480)
    assert site.clocks_common("a", "c")
    assert site.overlap("a", "b") == "partial"
    assert site.overlap("a", "c") == "none"
    assert site.model("a") is not None
    assert site.model("c") is None
    assert site.groups[0].cameras == ["a", "b"]


def test_defaults_claim_nothing(files, capsys):
    meta, _, out = files
    assert call(capsys, "--meta", meta, "--out", out)[0] == 0
    site = load_site(out)
    assert not site.clocks_common("a", "b")
    assert site.overlap("a", "b") == "unknown"


def test_a_size_may_be_told_as_width_and_height(files, capsys):
    meta, _, out = files
    meta.write_text("\ufeff" + json.dumps({"a": {"width": 640, "height": 480, "fps": 4}, "b": {"width": 640}}))
    assert call(capsys, "--meta", meta, "--out", out)[0] == 0
    site = load_site(out)
    assert (site.size("a"), site.size("b")) == ((640, 480), None)


def test_mistakes(files, capsys, tmp_path):
    meta, calib, out = files
    cases = [
        (("--meta", tmp_path / "gone.json", "--out", out), "cannot read"),
        (("--meta", meta, "--group", "--clock", "common", "--out", out), "at least two calibrated cameras"),
        (("--meta", meta, "--calib", calib, "--group", "--out", out), "the clock of camera 'a' is unknown"),
        (("--meta", meta, "--out", tmp_path / "no" / "site.yaml"), "cannot write"),
        (("--meta", meta, "--out", meta), "exists; choose another"),
    ]
    for arguments, message in cases:
        code, error = call(capsys, *arguments)
        assert code == 2
        assert message in error
        assert error.count("\n") == 1
    meta.write_text(json.dumps({"a": {"fps": -4}}))
    assert "cameras.a.fps" in call(capsys, "--meta", meta, "--out", out)[1]
    meta.write_text(json.dumps({"x": {"fps": 4}}))
    assert "calibrates camera 'a'" in call(capsys, "--meta", meta, "--calib", calib, "--out", out)[1]
    meta.write_text("[]")
    assert "one entry per camera" in call(capsys, "--meta", meta, "--out", out)[1]


def test_calibrations_of_every_form_and_another_world(files, capsys):
    meta, calib, out = files
    scale = np.diag([0.01, 0.01, 0.01, 1])
    matrix = np.array(PROJECTION) @ scale
    whole = {"K": K, "R": R, "t": [100 * value for value in T], "size": [640, 480], "fps": 4}
    calib.write_text(json.dumps({"a": matrix.tolist(), "b": matrix[:, [0, 1, 3]].tolist(), "c": whole}))
    arguments = ("--meta", meta, "--calib", calib, "--clock", "common", "--group", "--out", out)
    code, error = call(capsys, *arguments)
    assert code == 2
    assert "--unit-m 0.01" in error
    assert call(capsys, *arguments, "--unit-m", "0.01")[0] == 0
    site = load_site(out)
    for camera in "abc":
        np.testing.assert_allclose(site.model(camera).to_ground([[320, 400]]), [[2, 1.328]], atol=1e-3)
    assert "up must be a direction" in call(capsys, *arguments, "--up", "0", "0", "0", "--overwrite")[1]
    assert "greater than 0" in call(capsys, *arguments, "--unit-m", "0", "--overwrite")[1]
    calib.write_text(json.dumps({"a": "matrix", "b": PROJECTION}))
    assert "cameras.a.calibration.projection" in call(capsys, *arguments, "--overwrite")[1]


@pytest.mark.parametrize("name", ["cmc1", "wildtrackA_noisy"])
def test_real_sets(testdata, tmp_path, capsys, name):
    folder, out = testdata / "scored" / "input" / name, tmp_path / "site.yaml"
    code, _ = call(
        capsys,
        "--meta",
        folder / "meta.json",
        "--calib",
        folder / "calib.json",
        "--clock",
        "common",
        "--group",
        "--out",
        out,
    )
    assert code == 0
    site = load_site(out)
    assert all(site.model(camera) is not None for camera in site.cameras)
