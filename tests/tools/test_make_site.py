import json

import pytest

from data.site import load_site
from pipeline.cli import run
from tools.make_site import main

PROJECTION = [[800.0, 0, 320, 100], [0, 800, 240, 3000], [0.001, 0.6, 0.8, 8]]


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
