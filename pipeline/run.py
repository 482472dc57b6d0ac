"""The main job: ``python -m pipeline.run --videos cam1.mp4 cam2.mp4``."""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import UserError

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.job.request import RunRequest, Start

logger = logging.getLogger(__name__)

_DEMO = "demo"
_EPILOG = """
configuration:
  defaults (configs/default.yaml), then every --config file, then key.sub=value arguments, for example
  python -m pipeline.run --videos hall=a.mp4 door=b.mp4 tracker.lost_s=3 run.crops=false

exit code: 0 when the whole job is done, 2 for a mistake you can mend, 130 when stopped (go on with --resume)
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.run",
        description="Track people through several videos: one identity per person over all cameras and over time.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    start = parser.add_argument_group("start from one of")
    start.add_argument(
        "--videos", nargs="+", metavar="[NAME=]PATH", help="video files, image folders, streams, webcams"
    )
    start.add_argument(
        "--detections",
        type=Path,
        metavar="DIR",
        help="<camera>.txt (MOT), .npz, .json (COCO), .mat (DukeMTMC); with --videos, appearance is from the videos",
    )
    start.add_argument("--tracks", type=Path, metavar="DIR", help="<camera>.txt MOT tracks with local ids")
    start.add_argument(
        "--demo",
        nargs="?",
        const=_DEMO,
        metavar="PRESET",
        help="make a synthetic site (tiny, demo, hard or a YAML file), track it with the shipped weights, score it",
    )
    parser.add_argument(
        "--features", type=Path, metavar="DIR", help="<camera>.npy, row for row with the detections or tracks"
    )
    parser.add_argument("--site", type=Path, help="site.yaml: frame rates, clocks, overlap, calibration of the cameras")
    parser.add_argument(
        "--config", type=Path, action="append", default=[], metavar="FILE", help="YAML patch; may be given again"
    )
    parser.add_argument("--output", type=Path, help="run folder (default: runs/<date>-<time>)")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:<n>")
    parser.add_argument("--seed", type=int, help="seed of everything random")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N frames of every camera")
    parser.add_argument("--truth", type=Path, metavar="DIR", help="ground truth to score against: writes metrics.json")
    parser.add_argument(
        "--corrections", type=Path, metavar="FILE", help="pairs declared the same or different by a person"
    )
    parser.add_argument("--save-video", action="store_true", help="render overlay videos into video/")
    parser.add_argument("--anonymize", action="store_true", help="blur heads in videos, crops and the report")
    parser.add_argument("--no-crops", action="store_true", help="keep no pictures of people")
    parser.add_argument("--offline", action="store_true", help="never fetch weights")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run in --output")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier run in --output")
    parser.add_argument(
        "--budget",
        choices=["realtime"],
        help="measure this machine on the videos for a minute and take the most accurate way to run that keeps up with "
        "them (detector's schedule and size, cheaper networks that are at hand, frames per second); kept with --resume",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the resolved configuration and stop")
    parser.add_argument("-v", "--verbose", action="store_true", help="log details")
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="configuration values")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and do the job."""
    arguments = build_parser().parse_intermixed_args(argv)
    if arguments.verbose:
        logging.getLogger().setLevel(logging.DEBUG)
    if arguments.demo and (arguments.videos or arguments.detections or arguments.tracks):
        raise UserError("--demo brings its own videos; leave out --videos, --detections and --tracks")
    config = _config(arguments)
    if arguments.dry_run:
        from pipeline.config import dump_config

        sys.stdout.write(dump_config(config))
        return 0
    request = _demo_request(arguments) if arguments.demo else _request(arguments)
    if arguments.budget is not None:
        from pipeline.sizing.budget import within_budget

        config = within_budget(request, config)
    from data.runtime.stopping import stopped_like_ctrl_c
    from pipeline.job.runner import run

    with stopped_like_ctrl_c():
        result = run(request, config)
    if result.scores is not None:
        print(result.scores.table())
    if arguments.demo:
        from pipeline.demo import describe

        print(describe(result))
    return 0


def _config(arguments: argparse.Namespace) -> "Config":
    """The configuration; values that an option took with its own are taken out of it."""
    from pipeline.config import load_config, split_overrides

    paths, overrides = list(arguments.config), list(arguments.overrides)
    if arguments.demo:
        from pipeline.demo import CONFIG

        named, values = split_overrides([arguments.demo])
        arguments.demo = named[0] if named else _DEMO
        paths, overrides = [CONFIG, *paths], values + overrides
    if arguments.videos:
        arguments.videos, values = split_overrides(arguments.videos)
        overrides += values
    for option, key in (("device", "run.device"), ("seed", "run.seed")):
        if getattr(arguments, option) is not None:
            overrides.append(f"{key}={getattr(arguments, option)}")
    if arguments.no_crops:
        overrides.append("run.crops=false")
    if arguments.offline:
        overrides.append("run.offline=true")
    if arguments.anonymize:
        overrides += ["render.anonymize=true", "report.anonymize=true"]
    return load_config(paths, overrides)


def _demo_request(arguments: argparse.Namespace) -> "RunRequest":
    """What ``--demo`` stands for; what the command line says otherwise stays."""
    from pipeline.demo import demo_request

    tour = demo_request(arguments.demo)
    return replace(
        tour,
        output=arguments.output or tour.output,
        site=arguments.site or tour.site,
        truth=arguments.truth or tour.truth,
        corrections=arguments.corrections,
        limit=arguments.limit,
        resume=arguments.resume,
        overwrite=arguments.overwrite if arguments.output else not arguments.resume,
    )


def _request(arguments: argparse.Namespace) -> "RunRequest":
    from pipeline.job.request import RunRequest, new_output

    start = _start(arguments)
    if arguments.resume and arguments.output is None:
        raise UserError("--resume needs the --output of the interrupted run")
    return RunRequest(
        start=start,
        output=arguments.output or new_output(),
        site=arguments.site,
        truth=arguments.truth,
        corrections=arguments.corrections,
        limit=arguments.limit,
        save_video=arguments.save_video,
        resume=arguments.resume,
        overwrite=arguments.overwrite,
    )


def _start(arguments: argparse.Namespace) -> "Start":
    from data.sources.open import parse_camera_specs
    from pipeline.job.request import DetectionFiles, TrackFiles, Videos

    given = [name for name in ("videos", "detections", "tracks") if getattr(arguments, name)]
    if not given and arguments.resume and arguments.output is not None:
        from pipeline.folder.run_folder import RunFolder
        from pipeline.job.stopping import resume_command

        began = RunFolder(arguments.output).require().read_manifest().get("command")
        command = [str(word) for word in began] if isinstance(began, list) else []
        raise UserError(f"--resume wants the inputs again: {resume_command(arguments.output, command)}")
    if len(given) != 1 and given != ["videos", "detections"]:
        raise UserError(
            "give one of --videos, --detections, --tracks or --demo" + (f", not {' and '.join(given)}" * bool(given))
        )
    if arguments.tracks:
        return TrackFiles(arguments.tracks, arguments.features)
    if not arguments.videos:
        return DetectionFiles(arguments.detections, arguments.features)
    if arguments.features is not None:
        raise UserError("--features goes with --detections or --tracks alone; with --videos appearance is their own")
    return Videos(tuple(parse_camera_specs(arguments.videos)), arguments.detections)


if __name__ == "__main__":
    from pipeline.cli import run as run_cli

    sys.exit(run_cli(main))
