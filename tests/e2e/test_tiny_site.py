"""The whole way on the generated site `tiny`: render, detect, track, associate, score, with the shipped weights."""

import json
from pathlib import Path

import pytest

from pipeline.backends.config import DetectorConfig, PoseConfig
from pipeline.backends.registry import build_perceiver
from pipeline.cli import run
from pipeline.demo import demo_site
from pipeline.evaluation.perception import score_perceiver, site_frames
from pipeline.folder.run_folder import RunFolder
from pipeline.run import main
from pipeline.weights.store import WeightStore
from tools.evaluate_detector import main as evaluate_detector
from tools.evaluate_synthetic import main as evaluate_synthetic


@pytest.fixture(scope="module")
def tour(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of the tour."""
    out = tmp_path_factory.mktemp("runs") / "a"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MTMCT_CACHE", str(cache))
        assert run(main, _tour(out)) == 0
    return out


def _tour(out: Path) -> list[str]:
    return ["--demo", "tiny", "--output", str(out), "--device", "cpu", "--offline", "run.threads=1"]


def test_a_site_is_made_once(cache: Path) -> None:
    site = cache / "sites" / "tiny-1"
    before = (site / "truth.yaml").stat().st_mtime_ns
    assert demo_site("tiny", cache=cache) == site
    assert (site / "truth.yaml").stat().st_mtime_ns == before
    (site / "truth.yaml").write_text("truth: changed\n")
    demo_site("tiny", cache=cache)
    assert "changed" not in (site / "truth.yaml").read_text()


def test_people_and_skeletons_are_found(cache: Path) -> None:
    config = DetectorConfig(name="person_pose", weights="person_pose_synthetic")
    perceiver = build_perceiver(config, PoseConfig(), "cpu", WeightStore(offline=True), threads=1)
    scores = score_perceiver(perceiver, site_frames(cache / "sites" / "tiny-1", every=5))
    assert scores.people > 20
    assert scores.box_ap50 > 0.9
    assert scores.pose_ap50 > 0.25


def test_identities_hold_over_both_cameras(tour: Path) -> None:
    rows = {row["kind"]: row for row in RunFolder(tour).read_json(RunFolder(tour).metrics)["scores"]}
    assert rows["combined"]["IDF1"] > 0.85
    assert rows["cross_camera"]["IDF1"] > 0.85
    assert rows["cross_camera"]["HOTA"] > 0.65


def test_a_tour_leaves_everything_to_look_at(tour: Path) -> None:
    folder = RunFolder(tour)
    assert folder.report.stat().st_size > 10_000
    assert sorted(path.name for path in (tour / "video").glob("*.mp4")) == ["c1.mp4", "c2.mp4"]
    manifest = folder.read_json(folder.manifest)
    assert manifest["status"] == "complete"
    assert {one["trained_on"] for found in manifest["weights"].values() for one in found} == {"synthetic"}
    assert any("synthetic people" in warning["text"] for warning in manifest["warnings"])


def test_the_same_tour_gives_the_same_bytes(tour: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, _tour(tmp_path / "b")) == 0
    told = capsys.readouterr().out
    assert told.count("CROSS-CAMERA") == 1
    assert str(tmp_path / "b" / "report.html") in told
    names = ["global_tracks.json", "links.jsonl", "metrics.json"]
    for folder in ("tracks", "local_tracks", "tracklets", "crops"):
        names += [str(path.relative_to(tour)) for path in sorted((tour / folder).rglob("*")) if path.is_file()]
    for name in names:
        assert (tour / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_ways_are_compared(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--presets", "tiny", "--ways", "perfect", "--out", str(tmp_path)]
    assert run(evaluate_synthetic, [*arguments, "--set", "reid.name=none", "run.device=cpu"]) == 0
    (trial,) = json.loads((tmp_path / "trials.json").read_text())
    assert trial["way"] == "perfect"
    assert trial["per_camera"]["IDF1"] > 0.8, "boxes of the truth must make tracks of the truth"
    assert "tiny" in capsys.readouterr().out
    assert run(evaluate_synthetic, ["--ways", "=x", "--out", str(tmp_path)]) == 2


def test_detectors_are_scored_by_command(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = cache / "sites" / "tiny-1"
    arguments = ["detector.name=person_pose", "detector.weights=person_pose_synthetic", "run.device=cpu"]
    assert (
        run(evaluate_detector, ["--site", str(site), "--every", "25", "--json", str(tmp_path / "s"), *arguments]) == 0
    )
    assert json.loads((tmp_path / "s").read_text())["pictures"] == 4
    assert run(evaluate_detector, ["--site", str(tmp_path), *arguments]) == 2
    assert "is no synthetic site" in capsys.readouterr().err
