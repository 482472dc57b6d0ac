"""Look at a minute of each video and write a site file with what was found; say which cues will work.

With --site and --detections instead: do the calibrations of a site agree on where people are?
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.errors import UserError
from data.site import load_site, save_site
from data.sources.open import parse_camera_specs
from pipeline.cli import run

_LEAST_SCORE = 0.5
_STEP_S = 0.5


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.check_site", description=__doc__)
    parser.add_argument(
        "videos", nargs="*", metavar="[name=]path", help="video file, folder of pictures, address or webcam number"
    )
    parser.add_argument(
        "--site-out", type=Path, default=Path("site.yaml"), help="the file to write (default site.yaml)"
    )
    parser.add_argument("--site", type=Path, help="calibrated cameras to compare by --detections; nothing is written")
    parser.add_argument(
        "--detections", type=Path, metavar="DIR", help="detections or tracks of them, <camera>.txt, .npz or .json"
    )
    parser.add_argument("--config", type=Path, action="append", default=[], help="YAML patch; may be given again")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override, e.g. run.device=cpu")
    parser.add_argument("--seconds", type=float, default=60.0, help="how much of each to look at (default 60)")
    parser.add_argument(
        "--budget",
        choices=["realtime"],
        help="also propose what this machine can run on these cameras in real time, from a minute's measurement",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing site file")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Look, write and print."""
    arguments = build_parser().parse_args(argv)
    if arguments.site is not None or arguments.detections is not None:
        return _compare(arguments)
    if not arguments.videos:
        raise UserError("give videos to look at, or --site and --detections to compare calibrations")
    if arguments.site_out.exists() and not arguments.overwrite:
        raise UserError(f"{arguments.site_out} exists; choose another --site-out or give --overwrite")
    if not arguments.seconds > 0:
        raise UserError(f"--seconds must be above 0, not {arguments.seconds:g}")
    specs = parse_camera_specs(arguments.videos)

    from data.runtime.choice import Runtimes
    from pipeline.backends.registry import build_detector
    from pipeline.config import load_config
    from pipeline.input.site_survey import cues, look, site_of
    from pipeline.weights.store import WeightStore, default_cache_dir

    config = load_config(arguments.config, arguments.set)
    detector = build_detector(config.detector, config.run.device, WeightStore(offline=config.run.offline))
    looks = [look(spec, config.sources, detector, arguments.seconds) for spec in specs]
    site = site_of(looks)
    try:
        save_site(site, arguments.site_out)
    except OSError as error:
        raise UserError(f"cannot write {arguments.site_out}: {error.strerror}") from None
    for one in looks:
        for line in one.warnings:
            print(f"{one.info.camera}: warning: {line}")
    for line in cues(site):
        print(line)
    if arguments.budget is not None:
        from pipeline.job.request import Videos
        from pipeline.sizing.proposal import propose

        weights = WeightStore(offline=config.run.offline, runtimes=Runtimes(default_cache_dir()))
        for line in propose(Videos(tuple(specs)), site, config, weights).lines():
            print(line)
    print(f"written: {arguments.site_out}; look through it, then give it to pipeline.run --site {arguments.site_out}")
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    if arguments.videos or arguments.site is None or arguments.detections is None:
        raise UserError("calibrations are compared by --site and --detections together, without videos")

    from pipeline.site_calibration.agreement import evidence_lines
    from pipeline.site_calibration.sources import from_boxes

    site, sightings = from_boxes(arguments.detections, load_site(arguments.site), _LEAST_SCORE)
    for line in evidence_lines(site, sightings, _STEP_S):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
