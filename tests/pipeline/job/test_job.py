"""A whole run on a world of coloured blocks: identities over cameras, same bytes twice, and after a kill."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from data.errors import UserError
from data.formats.mot import read_mot, write_mot
from data.records import Tracks
from data.site import Site
from data.sources.open import parse_camera_specs
from pipeline.config import Config, load_config
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.stages import RunWarning, Status, WarningKind
from pipeline.input.batching import Batching
from pipeline.input.perception import Perceived, look_at
from pipeline.input.schedule import Schedule
from pipeline.input.videos import VideoInput, open_sources
from pipeline.job.completion import complete
from pipeline.job.job import Job
from pipeline.job.preparation import check_same_inputs, load_job, prepare_folder
from pipeline.job.request import EarlierRun, RunRequest
from pipeline.job.runner import run
from pipeline.job.stopping import InterruptedRun
from pipeline.job.tracking import track
from tests.pipeline import blocks


class Killed(Exception):
    """Stands for a kill -9: nothing is cleaned up."""


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two cameras of different rates; red and green appear in both, blue in one."""
    folder = tmp_path_factory.mktemp("videos")
    blocks.write_video(folder / "hall.mp4", 80, 10, [(0, 0, 60, 2), (1, 5, 70, 2)])
    blocks.write_video(folder / "door.mp4", 160, 20, [(1, 0, 120, 1), (0, 20, 150, 1), (2, 40, 160, 1)])
    return [str(folder / "hall.mp4"), str(folder / "door.mp4")]


@pytest.fixture
def config() -> Config:
    """Small parts and batches, so that a short video has many of both."""
    return load_config([], ["run.part_s=1.5", "tracker.appearance=always", "run.device=cpu"])


def _run(videos: list[str], root: Path, config: Config, *, resume: bool = False, listener: Any = None) -> Job:
    specs = parse_camera_specs(videos)
    site = Site.blank([spec.camera for spec in specs])
    schedule = Schedule(config.detector.pace) if config.detector.schedule == "auto" else None
    sources = open_sources(specs, config.sources)
    source = VideoInput(sources, config.sources, Batching(4), look_at(blocks.detect), site, None, schedule=schedule)
    try:
        folder = prepare_folder(root, config, site, overwrite=False, resume=resume)
        job = Job(folder, config, site, source.describe())
        job.write_manifest(Status.RUNNING)
        track(job, source, blocks.ColourEmbedder(), resume=resume, listener=listener)
        job.write_manifest(Status.TRACKED)
    finally:
        source.close()
    complete(job)
    return job


def _scheduled(config: Config, schedule: Literal["every", "auto"]) -> Config:
    return config.model_copy(update={"detector": config.detector.model_copy(update={"schedule": schedule})})


def _results(root: Path) -> dict[str, bytes]:
    """Everything the promise of identical bytes covers."""
    names = ["global_tracks.json", "links.jsonl", "site.yaml", "config.yaml"]
    paths = [root / name for name in names]
    for folder in ("tracklets", "tracks", "local_tracks", "crops"):
        paths += [path for path in sorted((root / folder).rglob("*")) if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def test_people_keep_one_id_over_cameras(videos: list[str], tmp_path: Path, config: Config) -> None:
    job = _run(videos, tmp_path / "run", config)
    people = job.folder.read_global_tracks()
    cameras = sorted(tuple(sorted({visit.camera for visit in person.visits})) for person in people)
    assert cameras == [("door",), ("door", "hall"), ("door", "hall")]
    hall, door = (read_mot(job.folder.tracks(camera), "tracks") for camera in ("hall", "door"))
    assert set(hall.ids) < set(door.ids)
    assert hall.frames.max() < 80
    assert door.frames.max() < 160
    assert job.counts["cameras"]["door"]["frames"] == 160


def test_the_same_run_twice_gives_the_same_bytes(videos: list[str], tmp_path: Path, config: Config) -> None:
    _run(videos, tmp_path / "a", config)
    _run(videos, tmp_path / "b", config)
    assert _results(tmp_path / "a") == _results(tmp_path / "b")


class _Countdown:
    """Stands for the signals received: none until it was asked so often."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_a_stopped_run_ends_where_it_is(
    videos: list[str], tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _run(videos, tmp_path / "whole", config).folder
    monkeypatch.setattr("pipeline.job.tracking.stop_signals", lambda *_: nullcontext(_Countdown(25)))
    with pytest.raises(InterruptedRun, match="--end"):
        _run(videos, tmp_path / "stopped", config)
    folder = RunFolder(tmp_path / "stopped")
    # Input that is gone is not missed.
    result = run(RunRequest(EarlierRun(end=True), folder.root), config)
    assert folder.read_manifest()["status"] == Status.COMPLETE
    assert not folder.checkpoint.exists()
    assert result.global_tracks
    assert any("ended with what was tracked" in warning.text for warning in result.warnings)
    frames = {camera: described["frames"] for camera, described in folder.read_inputs().items()}
    assert 0 < frames["hall"] < 80
    assert frames["hall"] < frames["door"] < 160
    of_whole = {tracklet.key: tracklet for tracklet in whole.read_tracked()}
    tracked = folder.read_tracked()
    assert max(tracklet.times_s[-1] for tracklet in tracked) > 2
    for tracklet in tracked:
        assert np.array_equal(tracklet.boxes, of_whole[tracklet.key].boxes[: len(tracklet)])
        assert folder.crop(*tracklet.key, 0).exists()
    before = _results(folder.root)
    run(RunRequest(EarlierRun(end=True), folder.root), config)
    assert _results(folder.root) == before, "what has ended cannot end again"


@pytest.mark.parametrize(
    ("kill_at", "schedule"), [(3, "every"), (37, "every"), (120, "every"), (200, "every"), (37, "auto"), (60, "auto")]
)
def test_a_killed_run_resumes_to_the_same_bytes(
    videos: list[str], tmp_path: Path, config: Config, kill_at: int, schedule: Literal["every", "auto"]
) -> None:
    config = _scheduled(config, schedule)
    _run(videos, tmp_path / "whole", config)
    seen: list[int] = []

    def kill(item: Perceived, tracks: Tracks) -> None:
        seen.append(item.view.frame_index)
        if len(seen) == kill_at:
            raise Killed

    with pytest.raises(Killed):
        _run(videos, tmp_path / "killed", config, listener=kill)
    resumed: list[tuple[str, int]] = []
    _run(
        videos, tmp_path / "killed", config, resume=True,
        listener=lambda item, tracks: resumed.append((item.view.camera, item.view.frame_index)),
    )  # fmt: skip
    assert _results(tmp_path / "whole") == _results(tmp_path / "killed")
    if kill_at > 100:
        assert len(resumed) < 240, "a late kill must not start from the first frame"


def test_between_looks_people_are_carried_and_told_apart_from_detected_ones(
    videos: list[str], tmp_path: Path, config: Config
) -> None:
    every = _run(videos, tmp_path / "every", config)
    auto = _run(videos, tmp_path / "auto", _scheduled(config, "auto"))
    counts = auto.counts["cameras"]["door"]
    assert (counts["frames"], every.counts["cameras"]["door"]["looks"]) == (160, 160)
    assert 0 < counts["looks"] < 160
    assert len(auto.folder.read_global_tracks()) == len(every.folder.read_global_tracks()) == 3
    rows, all_rows = (read_mot(job.folder.tracks("door"), "tracks") for job in (auto, every))
    assert len(rows.frames) >= 0.97 * len(all_rows.frames)
    detected = sum(len(tracklet) for tracklet in auto.folder.read_tracklets() if tracklet.camera == "door")
    assert (rows.scores > 0).sum() == detected < len(rows.frames)


def test_who_rests_keeps_his_track_though_networks_hardly_see_him(tmp_path: Path) -> None:
    blocks.write_video(tmp_path / "hall.mp4", 200, 10, [(0, 0, 200, 0)])
    pace = ["detector.schedule=auto", "detector.pace.rest_after_s=3", "run.part_s=1.5", "run.device=cpu"]
    seldom = load_config([], pace)
    job = _run([str(tmp_path / "hall.mp4")], tmp_path / "seldom", seldom)
    often = _run([str(tmp_path / "hall.mp4")], tmp_path / "often", load_config([], [*pace, "detector.pace.same_s=0.1"]))
    counts, all_counts = job.counts["cameras"]["hall"], often.counts["cameras"]["hall"]
    assert counts["looks"] < all_counts["looks"] - 4
    assert counts["embeddings"] < all_counts["embeddings"]
    assert counts["detections"] == counts["looks"]
    rows, all_rows = (read_mot(one.folder.tracks("hall"), "tracks") for one in (job, often))
    assert rows.frames.tolist() == all_rows.frames.tolist()
    assert rows.frames[-1] - rows.frames[0] == len(rows.frames) - 1
    assert len(job.folder.read_global_tracks()) == 1

    def kill(item: Perceived, tracks: Tracks) -> None:
        if item.view.frame_index > 120 and item.repeated:
            raise Killed

    with pytest.raises(Killed):
        _run([str(tmp_path / "hall.mp4")], tmp_path / "killed", seldom, listener=kill)
    _run([str(tmp_path / "hall.mp4")], tmp_path / "killed", seldom, resume=True)
    assert _results(tmp_path / "killed") == _results(tmp_path / "seldom")


def test_association_again_changes_nothing_and_needs_no_video(
    videos: list[str], tmp_path: Path, config: Config
) -> None:
    job = _run(videos, tmp_path / "run", config)
    before = _results(tmp_path / "run")
    again = load_job(job.folder, config)
    complete(again)
    assert _results(tmp_path / "run") == before
    manifest = job.folder.read_json(job.folder.manifest)
    assert manifest["timings"]["stages"]["track"]["items"] == 240
    assert manifest["timings"]["stages"]["associate"]["items"] == 1
    assert manifest["counts"]["cameras"]["hall"]["frames"] == 80


def test_a_video_without_people_is_a_complete_run(tmp_path: Path, config: Config) -> None:
    blocks.write_video(tmp_path / "empty.mp4", 20, 10, [])
    job = _run([str(tmp_path / "empty.mp4")], tmp_path / "run", config)
    assert job.folder.read_global_tracks() == []
    assert job.folder.tracks("empty").read_text() == ""
    assert job.folder.read_links() == []
    manifest = job.folder.read_json(job.folder.manifest)
    nobody = RunWarning(WarningKind.TRACKING, "nobody was detected", "empty")
    assert (manifest["status"], manifest["warnings"]) == ("complete", [nobody.to_json()])
    assert job.folder.report.exists()


def test_truth_is_scored(videos: list[str], tmp_path: Path, config: Config) -> None:
    job = _run(videos, tmp_path / "run", config)
    truth = tmp_path / "truth"
    truth.mkdir()
    for camera in job.cameras:
        write_mot(truth / f"{camera}.txt", read_mot(job.folder.tracks(camera), "tracks"), "gt")
    complete(job, truth=truth)
    scores = job.folder.read_json(job.folder.metrics)
    assert scores["scores"][-1]["kind"] == "cross_camera"
    assert scores["scores"][-1]["IDF1"] == 1.0


def test_what_is_left_of_an_earlier_association_is_not_taken_for_this_one(
    videos: list[str], tmp_path: Path, config: Config
) -> None:
    job = _run(videos, tmp_path / "run", config)
    job.folder.write_json(job.folder.metrics, {"scores": []})
    again = load_job(job.folder, config)
    complete(again)
    assert not job.folder.metrics.exists()
    assert not any(warning.kind == WarningKind.VIDEO for warning in again.warnings), "there is none"
    job.folder.video("hall").parent.mkdir()
    job.folder.claim(job.folder.video("hall")).write_bytes(b"drawn")
    once_more = load_job(job.folder, config)
    complete(once_more)
    (told,) = [warning.text for warning in once_more.warnings if warning.kind == WarningKind.VIDEO]
    assert "drawn before this association" in told
    assert not any(warning.kind == WarningKind.PAGES for warning in once_more.warnings), "there is none"
    for page in (job.folder.questions, job.folder.inspection):
        job.folder.write_text(page, "<html>")
    last = load_job(job.folder, config)
    complete(last)
    pages = [warning.text for warning in last.warnings if warning.kind == WarningKind.PAGES]
    assert ["questions.html" in pages[0], "inspection.html" in pages[1]] == [True, True]
    assert pages[0] in job.folder.report.read_text()


def test_other_videos_cannot_be_resumed(videos: list[str], tmp_path: Path, config: Config) -> None:
    job = _run(videos, tmp_path / "run", config)
    other = {camera: dict(found) for camera, found in job.inputs.items()}
    other["hall"]["sha256"] = "0" * 64
    with pytest.raises(UserError, match="camera 'hall' is not the input"):
        check_same_inputs(job.folder, other)


def test_a_folder_with_results_is_kept(videos: list[str], tmp_path: Path, config: Config) -> None:
    _run(videos, tmp_path / "run", config)
    site = Site.blank(["a"])
    with pytest.raises(UserError, match="--overwrite, --resume or another --output"):
        prepare_folder(tmp_path / "run", config, site, overwrite=False, resume=False)
    with pytest.raises(UserError, match=r"another configuration \(.*run\.part_s.*resume with its config\.yaml"):
        prepare_folder(tmp_path / "run", load_config([], ["run.part_s=3"]), site, overwrite=False, resume=True)
    prepare_folder(tmp_path / "run", config, site, overwrite=True, resume=False)
    assert not (tmp_path / "run" / "global_tracks.json").exists()


@pytest.mark.parametrize("instead", ["", "    rest_s: 1.5\n    gone_s: 1.0\n"])
def test_a_folder_of_a_version_with_other_settings_is_told_so(tmp_path: Path, config: Config, instead: str) -> None:
    """Its own config.yaml would not help: this version fills in what is absent there."""
    folder = prepare_folder(tmp_path / "run", config, Site.blank(["a"]), overwrite=False, resume=False)
    folder.write_text(folder.manifest, "{}")
    settings = folder.config.read_text()
    line = "    rest_s: 1.5\n"
    assert line in settings
    folder.write_text(folder.config, settings.replace(line, instead))
    with pytest.raises(UserError, match=r"another version of this program.*pace\.(rest|gone)_s.*that version"):
        prepare_folder(tmp_path / "run", config, Site.blank(["a"]), overwrite=False, resume=True)


def test_a_folder_of_something_else_is_never_cleared(tmp_path: Path, config: Config) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="bears no mark of a run"):
        prepare_folder(tmp_path, config, Site.blank(["a"]), overwrite=True, resume=False)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path, config: Config) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to"):
        prepare_folder(tmp_path / "file" / "run", config, Site.blank(["a"]), overwrite=False, resume=False)
