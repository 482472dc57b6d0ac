"""A budget takes the first way to run that fits, says what it tried, and keeps it with the run."""

from dataclasses import replace
from pathlib import Path

import pytest

import pipeline.sizing.proposal as proposals
from data.errors import UserError
from data.site import CameraSite, Observed, Site
from data.sources.base import CameraSpec, FrameSource
from data.weight_records import InputOptions, WeightRecord, file_sha256
from pipeline.backends.perceiver import BoxPerceiver
from pipeline.config import Config, load_config
from pipeline.folder.run_folder import RunFolder
from pipeline.job import opening
from pipeline.job.request import DetectionFiles, RunRequest, Videos
from pipeline.run import main as run_main
from pipeline.sizing.accuracy import SCORES, score_of
from pipeline.sizing.budget import within_budget
from pipeline.sizing.candidates import candidates
from pipeline.sizing.measure import Load, measure
from pipeline.weights.store import WeightStore
from tests.pipeline import blocks
from tools.check_site import main as check_site


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    """A cache that holds the two cheap detectors."""
    records = {}
    for name, side, backend in (("yolox_nano_416x416", 416, "yolox_onnx"), ("yolo11n_int8_320", 320, "yolo_onnx")):
        path = tmp_path / f"{name}.onnx"
        path.write_text(name)
        records[name] = WeightRecord(
            kinds=("detector",), backends=(backend,), file=path.name, sha256=file_sha256(path),
            licence="none", input=InputOptions(input_size=(side, side)), trained_on="real", how="made here",
        )  # fmt: skip
    return WeightStore(tmp_path, offline=True, records=records)


def _changes(config: Config, store: WeightStore, person_share: float | None = None) -> list[tuple[str, ...]]:
    return [way.changes for way in candidates(config, store, person_share)]


def test_ways_begin_with_the_configuration_and_end_with_fewer_frames(store: WeightStore) -> None:
    ways = list(candidates(load_config(), store, None))
    assert ways[0].changes == ()
    assert ways[0].config == load_config()
    assert ways[1].changes == ("detector.schedule=auto",)
    assert "detector.input_size=[480, 480]" in ways[2].changes
    assert ways[-1].config.sources.max_fps == 5
    assert ways[-1].config.detector.name == "yolo_onnx"
    assert ways[-1].config.pose.name == "none", "a cheap detector gives no skeletons"


def test_the_changes_are_overrides_that_lead_to_the_same_configuration(store: WeightStore) -> None:
    for way in candidates(load_config(), store, None):
        assert load_config([], way.changes) == way.config


def test_input_in_which_small_people_vanish_is_not_tried(store: WeightStore) -> None:
    all_of_them = _changes(load_config(), store)
    small = _changes(load_config(), store, 0.04)
    assert any("input_size=[320" in change for changes in all_of_them for change in changes)
    assert not any("input_size=[320" in change for changes in small for change in changes)
    assert not any("yolo11n_int8_320" in change for changes in small for change in changes)
    assert any("yolox_nano_416x416" in change for changes in small for change in changes)


def test_a_damaged_file_and_an_empty_cache_offer_nothing(store: WeightStore) -> None:
    (store.cache_dir / "yolox_nano_416x416.onnx").write_text("something else")
    (store.cache_dir / "yolo11n_int8_320.onnx").unlink()
    assert not any("weights" in change for changes in _changes(load_config(), store) for change in changes)


def _loads(monkeypatch: pytest.MonkeyPatch, cores: list[float | UserError]) -> None:
    rest = iter(cores)

    def measured(*_: object) -> Load:
        found = next(rest)
        if isinstance(found, UserError):
            raise found
        return Load(found, 0.5, 8.0)

    monkeypatch.setattr(proposals, "measure", measured)
    monkeypatch.setattr(proposals, "cores_for", lambda _: 2)


_VIDEOS = Videos((CameraSpec("a", "a.mp4"),))


def test_the_first_way_that_leaves_a_fifth_of_the_machine_free_is_proposed(
    store: WeightStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _loads(monkeypatch, [3.0, 1.7, 1.5, 0.1])
    found = proposals.propose(_VIDEOS, None, load_config(), store)
    assert [tried.load.cores for tried in found.tried] == [3.0, 1.7, 1.5]
    assert found.fits
    assert found.chosen.changes[-1] == "detector.input_size=[480, 480]"
    assert any("not measured on our sets" in line for line in found.lines())


def test_one_core_is_half_of_two(store: WeightStore, monkeypatch: pytest.MonkeyPatch) -> None:
    _loads(monkeypatch, [1.5, 0.7])
    monkeypatch.setattr(proposals, "cores_for", lambda _: 1)
    assert len(proposals.propose(_VIDEOS, None, load_config(), store).tried) == 2


def test_where_nothing_fits_the_cheapest_is_taken_and_it_is_said(
    store: WeightStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _loads(monkeypatch, [9.0, 4.0, *[5.0] * 20])
    found = proposals.propose(_VIDEOS, None, load_config(), store)
    assert not found.fits
    assert found.chosen.changes == ("detector.schedule=auto",)
    assert any("nothing keeps up" in line for line in found.lines())


def test_a_way_that_cannot_be_opened_is_left_out_but_the_configured_one_must(
    store: WeightStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _loads(monkeypatch, [3.0, UserError("no such network"), 1.0])
    assert len(proposals.propose(_VIDEOS, None, load_config(), store).tried) == 2
    _loads(monkeypatch, [UserError("no such network")])
    with pytest.raises(UserError, match="no such network"):
        proposals.propose(_VIDEOS, None, load_config(), store)


def test_small_people_that_the_survey_saw_bound_the_input(store: WeightStore, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Observed(seconds=60, frames=60, people_per_frame=2, person_height_px=60, person_height_p10_px=40)
    site = Site(cameras={"a": CameraSite(size=(1000, 500), observed=seen)})
    _loads(monkeypatch, [9.0] * 20)
    found = proposals.propose(_VIDEOS, site, load_config(), store)
    assert not any("320" in change for tried in found.tried for change in tried.candidate.changes)


def test_a_load_is_measured_on_the_cameras_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks.write_video(tmp_path / "hall.mp4", 60, 10, [(0, 20, 60, 2)])
    monkeypatch.setattr(
        opening,
        "build_perceiver",
        lambda *_: BoxPerceiver(lambda images: [people for people, _ in blocks.detect(images)]),
    )
    monkeypatch.setattr(opening, "build_embedder", lambda *_: blocks.ColourEmbedder())
    videos = Videos((CameraSpec("hall", str(tmp_path / "hall.mp4")),))
    store = WeightStore(tmp_path, offline=True)
    every = measure(videos, None, load_config(), store, 4.0, 60.0)
    assert (every.looked, every.cores > 0) == (1.0, True)
    assert 3.0 < every.video_s < 5.0
    assert measure(videos, None, load_config([], ["detector.schedule=auto"]), store, 4.0, 60.0).looked < 0.8
    blocks.write_video(tmp_path / "short.mp4", 3, 10, [])
    with pytest.raises(UserError, match="too short"):
        measure(Videos((CameraSpec("s", str(tmp_path / "short.mp4")),)), None, load_config(), store, 4.0, 60.0)


@pytest.fixture
def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A video of blocks, and back-ends that see them; every other way than the schedule takes too much."""
    monkeypatch.setenv("MTMCT_CACHE", str(tmp_path / "cache"))
    blocks.write_video(tmp_path / "hall.mp4", 60, 10, [(0, 20, 60, 2)])
    monkeypatch.setattr(
        opening,
        "build_perceiver",
        lambda *_: BoxPerceiver(lambda images: [people for people, _ in blocks.detect(images)]),
    )
    monkeypatch.setattr(opening, "build_embedder", lambda *_: blocks.ColourEmbedder())

    def loads(*arguments: object) -> Load:
        config = arguments[2]
        assert isinstance(config, Config)
        return Load(0.5 if config.detector.schedule == "auto" else 9.0, 0.5, 4.0)

    monkeypatch.setattr(proposals, "measure", loads)
    monkeypatch.setattr(proposals, "cores_for", lambda _: 2)
    return tmp_path / "hall.mp4"


def test_a_run_within_a_budget_keeps_the_choice_in_its_folder(
    hall: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    command = ["--videos", str(hall), "--output", str(tmp_path / "run"), "--budget", "realtime"]
    assert run_main(command) == 0
    assert load_config([tmp_path / "run" / "config.yaml"]).detector.schedule == "auto"
    assert "budget: take detector.schedule=auto" in caplog.messages
    folder = RunFolder(tmp_path / "run")
    counts = folder.read_json(folder.manifest)["counts"]["cameras"]["hall"]
    assert counts["looks"] < counts["frames"] == 60
    monkeypatch.setattr(proposals, "measure", lambda *_: pytest.fail("nothing is measured"))
    caplog.clear()
    assert run_main([*command, "--resume", "detector.schedule=every"]) == 0
    (line,) = (message for message in caplog.messages if message.startswith("budget:"))
    assert "goes on as it began, nothing is measured: config.yaml stands" in line
    assert load_config([tmp_path / "run" / "config.yaml"]).detector.schedule == "auto"


def test_check_site_proposes_what_a_budget_would_take(
    hall: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = lambda images: [people for people, _ in blocks.detect(images)]  # noqa: E731
    monkeypatch.setattr("pipeline.backends.registry.build_detector", lambda *_: detector)
    assert check_site(["--site-out", str(tmp_path / "site.yaml"), "--budget", "realtime", str(hall)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "budget: take detector.schedule=auto" in printed
    assert any(line.startswith("budget: 9.00 of 2 cores") and line.endswith("as configured") for line in printed)
    assert (tmp_path / "site.yaml").is_file()


def test_cameras_of_very_different_rates_share_one_budget(hall: Path, tmp_path: Path) -> None:
    blocks.write_video(tmp_path / "slow.mp4", 12, 2, [(1, 4, 12, 8)])
    blocks.write_video(tmp_path / "fast.mp4", 180, 30, [(2, 60, 180, 1)])
    names = ("hall", "slow", "fast")
    videos = Videos(tuple(CameraSpec(name, str(tmp_path / f"{name}.mp4")) for name in names))
    config = load_config([], ["detector.schedule=auto"])
    load = measure(videos, None, config, WeightStore(tmp_path, offline=True), 4.0, 60.0)
    assert 3.0 < load.video_s < 5.0, "seconds of video, not frames of the fastest camera"
    assert 0 < load.looked < 1


def test_live_cameras_cannot_be_measured(hall: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = opening.open_sources

    def as_if_live(*arguments: object) -> dict[str, FrameSource]:
        sources = opened(*arguments)  # type: ignore[arg-type]
        for source in sources.values():
            source.info = replace(source.info, live=True)
        return sources

    monkeypatch.setattr(opening, "open_sources", as_if_live)
    videos = Videos((CameraSpec("hall", str(hall)),))
    with pytest.raises(UserError, match="camera 'hall' is live, which cannot be measured: record"):
        measure(videos, None, load_config(), WeightStore(tmp_path, offline=True), 4.0, 60.0)


def test_a_run_that_goes_on_keeps_what_was_proposed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    kept = load_config([], ["detector.schedule=auto", "sources.max_fps=5"])
    from pipeline.config import dump_config

    folder.config.write_text(dump_config(kept))
    folder.manifest.write_text("{}")
    assert within_budget(RunRequest(_VIDEOS, tmp_path, resume=True), load_config()) == kept


def test_a_budget_needs_videos(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give --videos alone"):
        within_budget(RunRequest(DetectionFiles(tmp_path), tmp_path / "out"), load_config())


def test_figures_are_found_by_what_was_run() -> None:
    score = SCORES[0]
    config = load_config([], [f"detector.weights=x/{score.detector}.onnx", f"reid.weights=y/{score.reid}.xml"])
    assert score_of(config) == score
    assert score_of(load_config()) is None
