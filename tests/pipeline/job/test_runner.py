"""A run as a call: one request, one result; and an earlier run associated anew."""

import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch  # noqa: F401 -- its threads are set where it is loaded

from data.errors import UserError
from data.site import Site, load_site
from data.sources.base import CameraSpec
from pipeline.config import Config, load_config
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.stages import AFTER_TRACKING, RunWarning, Stage, Status, WarningKind
from pipeline.job.preparation import load_job
from pipeline.job.request import DetectionFiles, EarlierRun, RunRequest, Videos
from pipeline.job.runner import run

SITE = Site.model_validate(
    {
        "cameras": {
            camera: {"fps": 10, "size": [200, 100], "clock": {"status": "common"}} for camera in ("hall", "door")
        },
        "default_overlap": "none",
    }
)


@pytest.fixture
def config() -> Config:
    """The defaults."""
    return load_config()


@pytest.fixture
def request_(tmp_path: Path) -> RunRequest:
    """One person through two cameras, as detections with features."""
    folder = tmp_path / "det"
    folder.mkdir()
    person = np.eye(8, dtype=np.float32)[0]
    for camera, start in (("hall", 1), ("door", 41)):
        rows = (f"{start + n},-1,{5 + 2 * n},20,20,60,0.9,-1,-1,-1" for n in range(30))
        (folder / f"{camera}.txt").write_text("\n".join(rows) + "\n")
        np.save(folder / f"{camera}.npy", np.tile(person, (30, 1)))
    return RunRequest(DetectionFiles(folder), tmp_path / "run", SITE)


def test_a_run_gives_what_its_folder_holds(request_: RunRequest, config: Config) -> None:
    result = run(request_, config)
    folder = RunFolder(request_.output)
    assert [person.visits for person in result.global_tracks] == [one.visits for one in folder.read_global_tracks()]
    assert [(link.a, link.b) for link in result.links] == [(link.a, link.b) for link in folder.read_links()]
    assert [tracklet.camera for tracklet in result.tracklets] == ["door", "hall"]
    assert result.counts["cameras"]["hall"]["frames"] == 30
    assert result.counts["association"]["people"] == len(result.global_tracks)
    manifest = folder.read_json(folder.manifest)
    assert manifest["status"] == Status.COMPLETE
    assert manifest["timings"]["wall_s"] > 0
    assert folder.report.exists()


def test_a_complete_run_is_declared_and_reported_once(
    request_: RunRequest, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    written = RunFolder.write_json

    def note(self: RunFolder, path: Path, value: dict) -> None:
        told.extend([value["status"]] if path == self.manifest else [])
        written(self, path, value)

    monkeypatch.setattr(RunFolder, "write_json", note)
    monkeypatch.setattr("pipeline.job.completion.write_report", lambda *_: told.append("report"))
    run(request_, config)
    assert told == [Status.RUNNING, Status.TRACKED, Status.COMPLETE, "report"]


def test_what_times_could_say_is_told_where_clocks_are_unknown(
    request_: RunRequest, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    told = "times of different cameras took no part"
    run(request_, config)
    assert "1 person, 1 of them in several cameras" in caplog.text
    assert told not in caplog.text
    site = {"cameras": {"hall": {"fps": 10}, "door": {"fps": 10}}}
    run(replace(request_, site=Site.model_validate(site), overwrite=True), config)
    assert told in caplog.text


def test_videos_that_cannot_be_drawn_are_a_warning_of_a_complete_run(request_: RunRequest, config: Config) -> None:
    """Detections have no video: there is nothing to draw into."""
    result = run(replace(request_, save_video=True), config)
    assert [warning.kind for warning in result.warnings] == [WarningKind.VIDEO]
    folder = result.folder
    manifest = folder.read_json(folder.manifest)
    assert manifest["status"] == Status.COMPLETE
    assert [RunWarning.from_json(value) for value in manifest["warnings"]] == list(result.warnings)
    assert "no overlay video could be made" in folder.report.read_text()
    assert folder.log.read_text().count("no overlay video") == 1


def test_an_earlier_run_is_associated_with_other_settings_and_clocks(request_: RunRequest, config: Config) -> None:
    first = run(request_, config)
    assert len(first.global_tracks) == 1
    far = {"clock": {"status": "common", "offset_s": -3.5}}
    site = Site.model_validate({"cameras": {"hall": {"clock": {"status": "common"}}, "door": far}, "overlap": [
        {"cameras": ["hall", "door"], "value": "none"}]})  # fmt: skip
    again = RunRequest(EarlierRun(), request_.output, site)
    second = run(again, load_config([first.folder.config], ["run.seed=3"]))
    assert len(second.global_tracks) == 2, "nobody is in two places at once"
    assert load_site(first.folder.site) == site
    assert load_config([first.folder.config]).run.seed == 3
    third = run(replace(again, site=None), load_config([first.folder.config]))
    assert third.global_tracks == second.global_tracks, "without another site, its own stands"


def test_what_association_warned_of_and_spent_is_told_anew(request_: RunRequest, config: Config) -> None:
    folder = run(request_, config).folder
    manifest = folder.read_json(folder.manifest)
    given = [RunWarning(kind, kind.value, "hall") for kind in WarningKind]
    folder.write_json(folder.manifest, manifest | {"warnings": [warning.to_json() for warning in given]})
    job = load_job(folder, config)
    assert [warning.kind for warning in job.warnings] == [
        WarningKind.INPUT, WarningKind.WEIGHTS, WarningKind.TRACKING, WarningKind.FORGOTTEN,
    ]  # fmt: skip
    assert Stage.TRACK in job.clock.summary()
    assert not set(job.clock.summary()) & set(AFTER_TRACKING)


def test_a_manifest_of_another_version_is_refused(request_: RunRequest, config: Config) -> None:
    folder = run(request_, config).folder
    manifest = folder.read_json(folder.manifest)
    folder.write_json(folder.manifest, manifest | {"version": 1, "warnings": {"hall": ["a line"]}})
    with pytest.raises(UserError, match=r"manifest\.json is of another version"):
        run(RunRequest(EarlierRun(), folder.root), config)


def test_a_folder_without_tracklets_is_no_earlier_run(tmp_path: Path, config: Config) -> None:
    with pytest.raises(UserError, match="is not a run folder"):
        run(RunRequest(EarlierRun(), tmp_path), config)


def test_an_unfinished_run_is_not_associated(request_: RunRequest, config: Config) -> None:
    folder = run(request_, config).folder
    manifest = json.loads(folder.manifest.read_text())
    folder.write_json(folder.manifest, manifest | {"status": Status.INTERRUPTED.value})
    with pytest.raises(UserError, match=r"finish it with `pipeline\.run --resume`, or end it .* --end`"):
        run(RunRequest(EarlierRun(), folder.root), config)
    with pytest.raises(UserError, match=r"nothing of the run in .* is durable yet"):
        run(RunRequest(EarlierRun(end=True), folder.root), config)


def test_mistakes_are_told_before_anything_is_opened(tmp_path: Path, config: Config) -> None:
    videos = Videos((CameraSpec("hall", "nowhere.mp4"),))
    with pytest.raises(UserError, match="the limit of frames must be at least 1"):
        run(RunRequest(videos, tmp_path / "run", limit=0), config)
    with pytest.raises(UserError, match="is not a folder"):
        run(RunRequest(videos, tmp_path / "run", truth=tmp_path / "gone"), config)
    with pytest.raises(UserError, match=r"nowhere\.mp4"):
        run(RunRequest(videos, tmp_path / "run"), config)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("asked", [0, 1, 3, 64])
def test_more_threads_than_cores_are_told_and_the_cores_are_taken(
    request_: RunRequest, config: Config, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setattr("data.runtime.threads.set_torch_threads", given.append)
    result = run(request_, config.model_copy(update={"run": config.run.model_copy(update={"threads": asked})}))
    told = [warning.text for warning in result.warnings if "run.threads" in warning.text]
    assert told == (["run.threads=64: this process may use 3 core(s), and takes these"] if asked == 64 else [])
    assert given[0] == {0: 3, 1: 1, 3: 3, 64: 3}[asked]
    manifest = json.loads(RunFolder(request_.output).manifest.read_text())
    assert [one["text"] for one in manifest["warnings"] if "run.threads" in one["text"]] == told


def test_a_run_leaves_the_threads_of_its_host_as_they_were(request_: RunRequest, config: Config) -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(5)
        run(request_, config)
        assert cv2.getNumThreads() == 5
        with pytest.raises(UserError):
            run(replace(request_, resume=True, limit=3), config)
        assert cv2.getNumThreads() == 5
    finally:
        cv2.setNumThreads(before)
