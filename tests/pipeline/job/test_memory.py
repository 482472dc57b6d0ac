"""What a run holds does not grow with its length: tracklets leave memory with their part, pictures with their batch."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.records import Tracks
from data.site import CameraSite, Site
from data.sources.base import CameraSpec
from pipeline.config import Config, load_config
from pipeline.folder.store import TrackletStore
from pipeline.input.base import PerceivedInput
from pipeline.input.batching import Batching
from pipeline.input.detections import DetectionInput
from pipeline.input.perception import Perceived, look_at
from pipeline.input.schedule import Schedule
from pipeline.input.videos import VideoInput, open_sources
from pipeline.job.job import Job
from pipeline.job.preparation import prepare_folder
from pipeline.job.tracking import track
from reid.embedders.base import Embedder
from tests.pipeline import blocks

FPS = 10
FRAMES = 600
EARLY, LATE = 250, 580


@pytest.fixture
def config() -> Config:
    """Parts of four seconds."""
    return load_config([], ["run.part_s=4", "run.device=cpu", "detector.schedule=auto"])


@pytest.fixture
def traced() -> Iterator[None]:
    """Memory is counted by Python's own allocators, NumPy's arrays included."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


def _write_walkers(folder: Path) -> Site:
    """Somebody new every three seconds, who crosses the picture in six; each looks like himself."""
    rng = np.random.default_rng(0)
    rows, looks = [], []
    for frame in range(FRAMES):
        for person in range(max(frame // 30 - 1, 0), frame // 30 + 1):
            left = 10 * (frame - 30 * person)
            if left < 600:
                look = np.random.default_rng(person).normal(size=256)
                rows.append((frame + 1, -1, left, 100 + 100 * (person % 2), 30, 80, 0.9))
                looks.append(look + 0.1 * rng.normal(size=256))
    np.savetxt(folder / "hall.txt", rows, delimiter=",", fmt="%g")
    np.save(folder / "hall.npy", np.array(looks, np.float32))
    return Site(cameras={"hall": CameraSite(size=(640, 480), fps=FPS)})


def _held(
    source: PerceivedInput, site: Site, root: Path, config: Config, embedder: Embedder | None = None
) -> tuple[int, int, int]:
    """Bytes held early and late in a run, and how many of its tracklets lie in parts."""
    held: list[int] = []

    def listen(item: Perceived, tracks: Tracks) -> None:
        if len(held) < 2 and item.view.frame_index >= (EARLY, LATE)[len(held)]:
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])

    folder = prepare_folder(root, config, site, overwrite=False, resume=False)
    job = Job(folder, config, site, source.describe())
    try:
        track(job, source, embedder, resume=False, listener=listen)
    finally:
        source.close()
    early, late = held
    return early, late, len(folder.read_tracklets())


def test_people_who_come_and_go_leave_no_memory_behind(tmp_path: Path, config: Config, traced: None) -> None:
    site = _write_walkers(tmp_path)
    source = DetectionInput(tmp_path, None, site, Batching(), None)
    early, late, tracklets = _held(source, site, tmp_path / "run", config)
    assert tracklets > 15
    assert late - early < 30_000


def test_memory_of_tracklets_that_never_leave_would_be_noticed(
    tmp_path: Path, config: Config, traced: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the test before stands for."""
    kept: list[Any] = []
    add: Callable[..., None] = TrackletStore.add
    monkeypatch.setattr(TrackletStore, "add", lambda store, tracklet: (kept.append(tracklet), add(store, tracklet))[1])
    site = _write_walkers(tmp_path)
    early, late, _ = _held(DetectionInput(tmp_path, None, site, Batching(), None), site, tmp_path / "run", config)
    assert late - early > 30_000


def test_pictures_leave_memory_whether_they_are_looked_at_or_not(tmp_path: Path, config: Config, traced: None) -> None:
    blocks.write_video(tmp_path / "hall.mp4", FRAMES, FPS, [(0, 20, 90, 2), (1, 270, 340, 2), (2, 400, 470, 2)])
    site = Site.blank(["hall"])
    sources = open_sources([CameraSpec("hall", str(tmp_path / "hall.mp4"))], config.sources)
    schedule = Schedule(config.detector.pace)
    source = VideoInput(sources, config.sources, Batching(4), look_at(blocks.detect), site, None, schedule=schedule)
    early, late, _ = _held(source, site, tmp_path / "run", config, blocks.ColourEmbedder())
    picture = blocks.SIZE[0] * blocks.SIZE[1] * 3
    assert late - early < 30 * picture, "those that wait in queues, which are bounded"
