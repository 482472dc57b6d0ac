from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.records import Detections, Image
from data.site import load_site
from pipeline.cli import run
from tools.check_site import main


@pytest.fixture
def folders(tmp_path) -> list[str]:
    random = np.random.default_rng(0)
    for name in ("north", "south"):
        (tmp_path / name).mkdir()
        for number in range(3):
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), random.integers(0, 255, (120, 160, 3), np.uint8))
    return [f"n={tmp_path / 'north'}", str(tmp_path / "south")]


@pytest.fixture
def people(monkeypatch) -> None:
    """A detector that sees one person of 90 px."""

    def detect(images: Sequence[Image]) -> list[Detections]:
        box = np.array([[10, 20, 40, 110]], np.float32)
        return [Detections(box, np.array([0.9], np.float32), np.zeros(1, np.int64)) for _ in images]

    import pipeline.backends.registry as registry

    monkeypatch.setattr(registry, "build_detector", lambda *_, **__: detect)


def call(*arguments: str) -> int:
    return run(main, list(arguments))


@pytest.mark.usefixtures("people")
def test_a_site_is_written_and_cues_are_printed(folders, tmp_path, capsys):
    out = tmp_path / "site.yaml"
    assert call(*folders, "--site-out", str(out), "--set", "sources.image_fps=2") == 0
    printed = capsys.readouterr().out
    assert "appearance: works" in printed
    assert "clocks: not known to be common" in printed
    assert "n: warning: no seqinfo.ini" in printed
    assert "--site" in printed.splitlines()[-1], "what to do with it"
    site = load_site(out)
    assert list(site.cameras) == ["n", "south"]
    assert site.fps("n") == 2
    assert site.size("south") == (160, 120)
    assert site.cameras["n"].observed.person_height_px == 90
    assert site.cameras["n"].source == folders[0].partition("=")[2]
    assert call(*folders, "--site-out", str(out)) == 2, "it is not overwritten"
    assert call(*folders, "--site-out", str(out), "--overwrite") == 0


@pytest.mark.usefixtures("people")
def test_mistakes(folders, tmp_path, capsys):
    out = str(tmp_path / "site.yaml")
    cases = [
        ([str(tmp_path / "gone.mp4")], "there is no file or folder"),
        ([folders[1], folders[1]], "two cameras are called"),
        ([folders[1], "--seconds", "0"], "--seconds must be above 0"),
        ([folders[1], "--set", "sources.max_fsp=2"], "max_fps"),
        ([folders[1], "--config", str(tmp_path / "no.yaml")], "no.yaml"),
    ]
    for arguments, message in cases:
        assert call(*arguments, "--site-out", out) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("error: ") == 1
    assert not Path(out).exists()
    assert call(folders[1], "--site-out", str(tmp_path / "no" / "site.yaml")) == 2
    assert "cannot write" in capsys.readouterr().err


def test_calibrations_are_compared_by_site_and_detections_together(tmp_path, capsys):
    cases = [
        ([], "give videos to look at"),
        (["--site", str(tmp_path / "site.yaml")], "--site and --detections together"),
        (["a.mp4", "--site", "s.yaml", "--detections", str(tmp_path)], "without videos"),
    ]
    for arguments, message in cases:
        assert call(*arguments) == 2
        assert message in capsys.readouterr().err
