"""Pictures whose size is not the one the site file gives their camera."""

from pathlib import Path

import pytest

from data.config import SourcesConfig
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
    lines = VideoInput(sources, 1, Batching(), lambda frames: [], site, None).warnings["hall"]
    sources["hall"].close()
    expected = f"its pictures are {width}x{height} px, the site file says {height}x{width}: a calibration holds for"
    assert [line.startswith(expected) and line.endswith("mend cameras.hall.size") for line in lines] == [True] * told
