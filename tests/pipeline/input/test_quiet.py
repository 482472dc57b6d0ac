from pathlib import Path

import numpy as np
import pytest

from data.clock import Clock
from data.formats.detections_in import read_detection_folder
from data.runtime.stage_clock import StageClock
from data.site import Site
from pipeline.config import load_config
from pipeline.folder.stages import Status
from pipeline.input.batching import Batching
from pipeline.input.detections import DetectionInput
from pipeline.input.quiet import walked_frames
from pipeline.job.job import Job
from pipeline.job.preparation import prepare_folder
from pipeline.job.tracking import track

RATE = 10.0


def write(folder: Path, **seen: list[int]) -> Path:
    """Somebody walks through cameras in the frames given, from 0."""
    folder.mkdir(exist_ok=True)
    for camera, frames in seen.items():
        rows = "".join(f"{frame + 1},-1,{100 + 3 * (frame % 50)},50,20,60,0.9\n" for frame in frames)
        (folder / f"{camera}.txt").write_text(rows)
    return folder


def make_site(grouped: bool = False, **offsets: float) -> Site:
    homography = [[100.0, 0, 0], [0, 100.0, 0], [0, 0, 1]]
    cameras = {
        name: {
            "fps": RATE,
            "size": [400, 200],
            "clock": {"status": "common", "offset_s": offsets.get(name, 0.0)},
            **({"calibration": {"homography": homography}} if grouped else {}),
        }
        for name in ("a", "b")
    }
    groups = [{"name": "hall", "cameras": ["a", "b"]}] if grouped else []
    return Site.model_validate({"cameras": cameras, "groups": groups})


def walked(folder: Path, site: Site, quiet_s: float = 20.0) -> dict[str, list[tuple[int, int]]]:
    found = read_detection_folder(folder)
    rates, counts = dict.fromkeys(found, RATE), {camera: one.frame_count for camera, one in found.items()}
    ranges: dict[str, list[range]] = {}
    for scope in site.scopes(tuple(found)):
        ranges |= walked_frames(found, scope, site, rates, counts, quiet_s)
    return {camera: [(one.start, one.stop) for one in own] for camera, own in ranges.items()}


def test_frames_are_walked_until_nobody_has_been_there_for_a_while(tmp_path: Path) -> None:
    write(tmp_path, a=[5, 6, 1000, 1150, 90000])
    assert walked(tmp_path, make_site()) == {"a": [(0, 207), (990, 1351), (89990, 90001)]}


def test_short_pauses_are_walked(tmp_path: Path) -> None:
    write(tmp_path, a=[0, 150, 300])
    assert walked(tmp_path, make_site()) == {"a": [(0, 301)]}


def test_cameras_by_themselves_pause_by_themselves(tmp_path: Path) -> None:
    write(tmp_path, a=[0, 5000], b=[2500, 5000])
    assert walked(tmp_path, make_site()) == {
        "a": [(0, 201), (4990, 5001)],
        "b": [(0, 1), (2490, 2701), (4990, 5001)],
    }


def test_cameras_of_a_group_are_walked_together_on_the_common_clock(tmp_path: Path) -> None:
    write(tmp_path, a=[0, 5000], b=[2500, 5000])
    late = make_site(grouped=True, b=30.0)
    assert walked(tmp_path, late) == {
        "a": [(0, 201), (2790, 3001), (4990, 5001)],
        "b": [(0, 1), (2490, 2701), (4690, 4901), (4990, 5001)],
    }


def test_an_infinite_patience_walks_every_frame(tmp_path: Path) -> None:
    write(tmp_path, a=[5, 90000])
    assert walked(tmp_path, make_site(), np.inf) == {"a": [(0, 90001)]}


def test_source_times_are_those_of_the_common_clock_back_again() -> None:
    clock = Clock(status="common", offset_s=12.5, drift_ppm=300.0)
    times = np.array([-1.0, 0.0, 1e6])
    assert clock.to_source(clock.to_common(times)) == pytest.approx(times)


def test_frame_numbers_like_clock_times_are_few_frames(tmp_path: Path) -> None:
    source = DetectionInput(
        write(tmp_path, a=[1_700_000_000, 1_700_000_001]), None, make_site(), Batching(), None, quiet_s=20.0
    )
    batches = list(source.batches({"a": -1}, StageClock()))
    frames = [item.view.frame_index for batch in batches for instant in batch.instants for item in instant]
    assert source.total_frames() == len(frames) == 13
    assert (frames[0], frames[-1]) == (0, 1_700_000_001)
    resumed = [
        i.view.frame_index for b in source.batches({"a": 1_700_000_000}, StageClock()) for n in b.instants for i in n
    ]
    assert resumed == [1_700_000_001]
    assert any("begin with frame 1700000001" in line for line in source.warnings["a"])


def test_what_is_tracked_is_what_walking_every_frame_tracks(tmp_path: Path) -> None:
    """Pauses shorter and longer than a lost track lives, beside a camera that pauses elsewhere."""
    pauses = [*range(30), *range(60, 90), *range(200, 230), *range(2000, 2030), *range(2100, 2130)]
    boxes = write(tmp_path / "det", a=pauses, b=[frame + 700 for frame in pauses])
    found = {}
    for quiet_s in (22.0, np.inf):
        config = load_config([], ["reid.name=none", "run.device=cpu"])
        source = DetectionInput(boxes, None, make_site(), Batching(), None, quiet_s)
        folder = prepare_folder(tmp_path / f"run{quiet_s}", config, make_site(), overwrite=False, resume=False)
        job = Job(folder, config, make_site(), source.describe())
        job.write_manifest(Status.RUNNING)
        track(job, source, None, resume=False)
        found[quiet_s] = (job.counts["cameras"], [_plain(one) for one in folder.read_tracklets()])
    (few, quick), (all_, slow) = found.values()
    assert quick == slow
    assert len(quick) > 4
    assert few["a"]["frames"] < all_["a"]["frames"]
    assert {**few["a"], "frames": 0, "looks": 0} == {**all_["a"], "frames": 0, "looks": 0}


def _plain(tracklet) -> tuple:
    return tracklet.camera, tracklet.local_id, tracklet.frames.tolist(), tracklet.boxes.tolist()
