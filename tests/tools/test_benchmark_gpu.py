"""The benchmark of a GPU runs on the CPU too, and sees where results differ."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from data.synthetic.video import VideoWriter
from tools.benchmarks import base, gpu

CAMERAS, ROUNDS = 2, 2


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the jobs read; the network takes noise for people at a low threshold."""
    monkeypatch.setenv(base.THREADS, "1")
    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / "noise.mp4", 10.0, (96, 64), 20) as writer:
        for _ in range(ROUNDS):
            writer.write(rng.integers(0, 256, (64, 96, 3), dtype=np.uint8))
    gpu.prepare(tmp_path, tmp_path / "noise.mp4", (90, 160), ROUNDS, gpu._SMALL)
    return tmp_path


def networks(home: Path, precision: str, compared: str = "") -> float:
    return gpu.networks(str(home), CAMERAS, ROUNDS, precision, 1e-4, compared)()


def test_people_found_again_by_fp32_are_counted_and_others_are_not(home: Path) -> None:
    assert networks(home, "auto") == 1.0
    with np.load(home / "auto.npz") as found:
        known = dict(found)
    assert len(known["counts"]) == CAMERAS * ROUNDS
    assert len(known["boxes"]) == known["counts"].sum() > 0
    assert networks(home, "fp32", str(home / "auto.npz")) > 0.95
    for changed in ({"boxes": known["boxes"] + 500}, {"vectors": -known["vectors"]}):
        np.savez(home / "other.npz", **{**known, **changed})
        assert networks(home, "fp32", str(home / "other.npz")) < 0.05


def test_the_stages_of_both_networks_are_told(home: Path) -> None:
    networks(home, "auto")
    spent = json.loads((home / "auto.json").read_text())
    assert spent["detect"]["items"] == CAMERAS * ROUNDS
    assert spent["describe"]["items"] > 0
    assert "detect" in gpu.stages(home / "auto.json")


def test_a_whole_run_counts_the_frames_of_all_cameras(home: Path) -> None:
    assert gpu.whole(str(home), CAMERAS, ROUNDS, str(home / "run"))() == CAMERAS * ROUNDS
    assert "perceive" in gpu.stages(home / "run" / "manifest.json")


def test_what_it_wrote_goes_when_the_benchmark_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_the_end: list[Callable[[], None]] = []
    monkeypatch.setattr(
        "atexit.register", lambda work, *given, **named: at_the_end.append(partial(work, *given, **named))
    )
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("pipeline.demo.demo_site", lambda _: tmp_path / "site")
    monkeypatch.setattr("data.listing.listed", lambda *_: [tmp_path / "a.mp4"])
    monkeypatch.setattr(gpu, "prepare", lambda home, *_: (home / "frames.mp4").touch())
    assert gpu.cases(quick=True)
    assert [file.name for file in tmp_path.rglob("*.mp4")] == ["frames.mp4"], "it is there for the cases"
    for work in at_the_end:
        work()
    assert list(tmp_path.iterdir()) == []
