"""The pipeline from Python: videos by name in, people out; and again without the videos."""

from pathlib import Path

import pytest

from data.errors import UserError
from data.site import Site, load_site
from pipeline import Config, RunResult, associate_run, load_config, track_videos
from tests.pipeline import blocks

OVERRIDES = ("run.device=cpu", "tracker.appearance=always", "run.crops=false")


@pytest.fixture(autouse=True)
def _coloured_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """People are blocks of one colour: no network is needed to find and to know them."""
    monkeypatch.setattr("pipeline.job.opening.build_perceiver", lambda *_: blocks.detect)
    monkeypatch.setattr("pipeline.job.opening.build_embedder", lambda *_: blocks.ColourEmbedder())


@pytest.fixture
def videos(tmp_path: Path) -> dict[str, Path]:
    """Red crosses the hall, then the door; green only the hall."""
    blocks.write_video(tmp_path / "a.mp4", 60, 10, [(0, 0, 50, 2), (1, 5, 55, 2)])
    blocks.write_video(tmp_path / "b.mp4", 60, 10, [(0, 0, 55, 2)])
    return {"hall": tmp_path / "a.mp4", "door": tmp_path / "b.mp4"}


def _cameras(result: RunResult) -> list[list[str]]:
    return sorted(sorted(visit.camera for visit in person.visits) for person in result.global_tracks)


def test_two_videos_give_people_over_both(videos: dict[str, Path], tmp_path: Path) -> None:
    result = track_videos(videos, str(tmp_path / "run"), overrides=OVERRIDES)
    assert _cameras(result) == [["door", "hall"], ["hall"]]
    assert result.folder.root == tmp_path / "run"
    assert {tracklet.camera for tracklet in result.tracklets} == {"hall", "door"}
    assert any(link.decision == "same" for link in result.links)
    assert result.counts["cameras"]["hall"]["frames"] == 60
    assert result.folder.report.exists()


def test_strings_paths_and_configurations_are_all_taken(videos: dict[str, Path], tmp_path: Path) -> None:
    config = load_config([], OVERRIDES)
    patch = tmp_path / "patch.yaml"
    patch.write_text("run: {seed: 5}\n")
    site = Site.blank(["a", "b"])
    first = track_videos([str(path) for path in videos.values()], tmp_path / "1", config=config, limit=20, site=site)
    assert first.counts["cameras"]["b"]["frames"] == 20
    second = track_videos(videos, tmp_path / "2", config=str(patch), overrides=OVERRIDES, limit=1)
    assert load_config([second.folder.config]).run.seed == 5
    with pytest.raises(ValueError, match="give them to load_config"):
        track_videos(videos, tmp_path / "3", config=config, overrides=["run.seed=1"])


def test_without_an_output_a_new_folder_is_made(
    videos: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = track_videos(videos, overrides=OVERRIDES, limit=1)
    assert result.folder.root.parent == Path("runs")
    assert result.folder.report.exists()


def test_a_run_is_associated_anew(videos: dict[str, Path], tmp_path: Path) -> None:
    first = track_videos(videos, tmp_path / "run", overrides=OVERRIDES)
    for path in videos.values():
        path.unlink()
    again = associate_run(str(tmp_path / "run"))
    assert again.global_tracks == first.global_tracks
    clocks = {camera: {"clock": {"status": "common"}} for camera in videos}
    site = Site.model_validate({"cameras": clocks, "default_overlap": "none"})
    apart = associate_run(tmp_path / "run", site=site, overrides=["run.seed=2"])
    assert _cameras(apart) == [["door"], ["hall"], ["hall"]], "nobody is in two places at once"
    assert load_site(apart.folder.site) == site
    assert isinstance(load_config([apart.folder.config]), Config)


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        ({"ha/ll": "a.mp4"}, "cannot name a camera"),
        ({"hall": ""}, "has no path"),
        (["x/a.mp4", "y/a.mp4"], "two cameras are called 'a'"),
        ({"hall": "nowhere.mp4"}, "no file or folder nowhere"),
    ],
)
def test_mistakes_are_one_line(videos: dict[str, str] | list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        track_videos(videos, tmp_path / "run")
    assert not (tmp_path / "run").exists()
