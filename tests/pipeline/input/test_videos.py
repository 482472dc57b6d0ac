"""What videos as an input tell: sizes that disagree with the site file, and how many frames are to come."""

from dataclasses import replace
from pathlib import Path

import pytest

from data.config import SourcesConfig
from data.records import Detections
from data.runtime.stage_clock import StageClock
from data.site import CameraSite, Site
from data.sources.base import CameraSpec
from pipeline.input.batching import Batching
from pipeline.input.videos import VideoInput, open_sources
from tests.pipeline import blocks


@pytest.mark.parametrize(("said", "told"), [("nothing", False), ("the same", False), ("turned", True)])
def test_a_size_of_the_site_file_that_the_pictures_have_not_is_told(said: str, told: bool, tmp_path: Path) -> None:
    blocks.write_video(tmp_path / "hall.mp4", 3, 10, [])
    sources = open_sources([CameraSpec("hall", str(tmp_path / "hall.mp4"))], SourcesConfig())
    width, height = sources["hall"].info.width, sources["hall"].info.height
    assert width != height
    size = {"nothing": None, "the same": (width, height), "turned": (height, width)}[said]
    site = Site(cameras={"hall": CameraSite(size=size)})
    lines = VideoInput(sources, SourcesConfig(), Batching(), lambda frames: [], site, None).warnings["hall"]
    sources["hall"].close()
    expected = f"its pictures are {width}x{height} px, the site file says {height}x{width}: a calibration holds for"
    assert [line.startswith(expected) and line.endswith("mend cameras.hall.size") for line in lines] == [True] * told


@pytest.mark.parametrize(("max_fps", "start_s", "limit"), [(None, 0.0, None), (4.0, 0.0, None), (4.0, 1.0, 20)])
def test_no_frame_is_awaited_that_is_left_out(
    max_fps: float | None, start_s: float, limit: int | None, tmp_path: Path
) -> None:
    blocks.write_video(tmp_path / "hall.mp4", 30, 10, [])
    config = SourcesConfig(max_fps=max_fps, start_s=start_s)
    sources = open_sources([CameraSpec("hall", str(tmp_path / "hall.mp4"))], config)
    source = VideoInput(
        sources,
        config,
        Batching(),
        lambda frames: [(Detections.empty(), None)] * len(frames),
        Site.blank(["hall"]),
        limit,
    )
    expected = source.total_frames()
    given = sum(len(batch.instants) for batch in source.batches({"hall": -1}, StageClock()))
    source.close()
    assert expected == given > 0


def test_once_a_video_was_read_its_count_is_awaited_and_not_its_headers(tmp_path: Path) -> None:
    blocks.write_video(tmp_path / "hall.mp4", 30, 10, [])
    config = SourcesConfig()
    sources = open_sources([CameraSpec("hall", str(tmp_path / "hall.mp4"))], config)
    sources["hall"].info = replace(sources["hall"].info, frame_count=10**12)
    source = VideoInput(
        sources, config, Batching(), lambda frames: [(Detections.empty(), None)] * len(frames),
        Site.blank(["hall"]), None,
    )  # fmt: skip
    assert source.total_frames() == 10**12
    assert sum(len(batch.instants) for batch in source.batches({"hall": -1}, StageClock())) == 30
    assert source.total_frames() == 30
    source.close()
