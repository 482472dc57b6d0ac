"""How much of this machine some cameras take: the whole of perception and tracking, on their own pictures."""

import time
from contextlib import closing
from dataclasses import dataclass

from data.errors import UserError
from data.runtime.cores import cores_for
from data.runtime.stage_clock import StageClock
from data.runtime.threads import limited_libraries
from data.site import Site
from pipeline.config import Config
from pipeline.input.videos import VideoInput
from pipeline.job.opening import open_input
from pipeline.job.poses_on_demand import PosesOnDemand
from pipeline.job.request import Videos
from pipeline.job.tracking_stage import TrackingStage
from pipeline.weights.store import WeightStore
from trackers.registry import build_tracker

_WARMING = 2


@dataclass(frozen=True, slots=True)
class Load:
    """What a second of video costs.

    Attributes:
        cores: processor seconds per second of video, all cameras together; decoding included.
        looked: share of the frames that were looked at, 0-1.
        video_s: seconds of video that were measured.
    """

    cores: float
    looked: float
    video_s: float


def measure(
    videos: Videos, site: Site | None, config: Config, weights: WeightStore, video_s: float, wall_s: float
) -> Load:
    """Track the beginning of some cameras and throw the tracks away.

    The first two batches, a single instant and a full one, warm the networks up and do not count. Processor time is
    counted, not the wall's, so that other programs on the machine change little.

    Args:
        videos: the cameras; ``sources.start_s`` says where people walk.
        site: as of the run, or None.
        config: how to run.
        weights: where networks come from.
        video_s: seconds of video to measure at most.
        wall_s: seconds to take at most; at least one batch is measured.

    Raises:
        UserError: for input or weights that cannot be opened, for live cameras, and for cameras with fewer than three
            batches of frames.
    """
    with limited_libraries(cores_for(config.run.threads)):
        opened = open_input(videos, site, None, config, weights)
        with closing(opened.source):
            # Of a live camera what is too slow is lost, so that every way would seem to keep up.
            live = opened.source.live if isinstance(opened.source, VideoInput) else []
            if live:
                raise UserError(
                    f"camera '{live[0]}' is live, which cannot be measured: record some minutes of each camera, give "
                    "the files to tools.check_site --budget, and run with the overrides it proposes"
                )
            scopes = [
                build_tracker(scope, opened.site, config.tracker) for scope in opened.site.scopes(opened.source.cameras)
            ]
            clock = StageClock()
            poses = None if opened.estimator is None else PosesOnDemand(opened.estimator, clock)
            stage = TrackingStage(scopes, opened.embedder, None, lambda _: None, clock, None, poses)
            began_s = last_s = used_s = 0.0
            seen = before = 0
            started, cpu_s = time.monotonic(), time.process_time()
            for number, batch in enumerate(opened.source.batches(dict(stage.last_frame), StageClock())):
                stage.process(batch.instants)
                last_s = batch.instants[-1][-1].common_s
                if number < _WARMING:
                    began_s, before, cpu_s = last_s, _total(stage, "frames"), time.process_time()
                    continue
                used_s, seen = time.process_time() - cpu_s, _total(stage, "frames") - before
                if last_s - began_s >= video_s or time.monotonic() - started >= wall_s:
                    break
    if not seen or last_s <= began_s:
        raise UserError("the videos are too short to be measured; leave out --budget")
    return Load(used_s / (last_s - began_s), _total(stage, "looks") / _total(stage, "frames"), last_s - began_s)


def _total(stage: TrackingStage, what: str) -> int:
    return sum(counts[what] for counts in stage.counts.values())
