"""Trials on synthetic sites: what is run, what is read again, and the table."""

from pathlib import Path

import pytest

from data.errors import UserError
from data.weight_records import file_sha256
from pipeline.config import Config, dump_config
from pipeline.folder.run_folder import RunFolder
from pipeline.job.request import RunRequest, Videos
from pipeline.job.stopping import InterruptedRun
from pipeline.trials import site_trials
from pipeline.trials.site_trials import PERFECT, SHIPPED, Trial, parse_way, run_trial, table


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[RunRequest]:
    """What was asked for; nothing is tracked."""
    calls: list[RunRequest] = []
    (tmp_path / "w.onnx").write_bytes(b"first")
    site = tmp_path / "tiny-1"
    (site / "video").mkdir(parents=True)
    (site / "video" / "c1.mp4").touch()

    def pipeline(request: RunRequest, config: Config) -> None:
        calls.append(request)
        folder = RunFolder(request.output)
        folder.root.mkdir(exist_ok=True, parents=True)
        folder.config.write_text(dump_config(config))
        weights = {
            "reid": [{"name": "w", "path": str(tmp_path / "w.onnx"), "sha256": file_sha256(tmp_path / "w.onnx")}]
        }
        whole = {"version": 2, "inputs": {}, "counts": {}, "warnings": [], "timings": {"wall_s": 1.0, "stages": {}}}
        folder.write_json(folder.manifest, {**whole, "status": "complete", "weights": weights})
        score = {"HOTA": 0.5, "IDF1": 0.1 * len(calls)}
        folder.write_json(folder.metrics, {"scores": [{"kind": "sequence", **score}]})

    monkeypatch.setattr(site_trials, "run", pipeline)
    monkeypatch.setattr(site_trials, "demo_site", lambda *_: site)
    return calls


def test_a_complete_run_stands_until_something_changes(tmp_path: Path, runs: list[RunRequest]) -> None:
    out, way = tmp_path / "out", parse_way(SHIPPED)
    first = run_trial("tiny", 1, way, out)
    assert run_trial("tiny", 1, way, out) == first
    assert len(runs) == 1
    changed = run_trial("tiny", 1, way, out, ["tracker.lost_s=9"])
    assert len(runs) == 2, "other settings"
    assert changed.per_camera["IDF1"] == 0.2
    (tmp_path / "w.onnx").write_bytes(b"second")
    run_trial("tiny", 1, way, out, ["tracker.lost_s=9"])
    assert len(runs) == 3, "other weights"
    run_trial("tiny", 1, parse_way(PERFECT), out)
    perfect, shipped = runs[-1].start, runs[0].start
    assert isinstance(perfect, Videos)
    assert isinstance(shipped, Videos)
    assert perfect.detections is not None
    assert shipped.detections is None


@pytest.mark.parametrize("error", [UserError, InterruptedRun])
def test_a_run_that_was_not_completed_has_no_scores(
    tmp_path: Path, runs: list[RunRequest], monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def fail(*_: object) -> None:
        raise error("stopped")

    monkeypatch.setattr(site_trials, "run", fail)
    with pytest.raises(error):
        run_trial("tiny", 1, parse_way(SHIPPED), tmp_path / "out")


def test_the_table_has_mean_and_deviation() -> None:
    trials = [
        Trial("tiny", seed, "shipped", {"HOTA": value, "IDF1": 1.0}, {"HOTA": 0.0, "IDF1": 0.5})
        for seed, value in ((1, 0.4), (2, 0.6))
    ]
    assert "50.0 ± 14.1" in table(trials)
    assert "100.0 ± 0.0" in table(trials)
