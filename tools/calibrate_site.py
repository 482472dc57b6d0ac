"""Calibrate overlapping cameras from the people they see: no pattern, no measuring, nobody named.

Needs a common clock and people who walk over ground that several cameras see. Their mean height is assumed: it sets the
scale.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.errors import UserError
from data.site import Site, load_site, save_site
from pipeline.cli import run

EXAMPLES = """examples:
  python -m tools.calibrate_site runs/first --out site.yaml                      # a run's tracklets
  python -m tools.calibrate_site detections --site plain.yaml --out site.yaml    # <camera>.txt and what --site says
  python -m tools.calibrate_site a=a.mp4 b=b.mp4 --out site.yaml                 # videos that begin at one moment
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.calibrate_site",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source", nargs="+", help="a run folder; a folder of detections or tracks (with --site); or [name=]video ..."
    )
    parser.add_argument("--out", type=Path, required=True, help="the site file to write")
    parser.add_argument("--site", type=Path, help="frame rates, sizes and clocks; what else it says is kept")
    parser.add_argument(
        "--height-m", type=float, default=1.7, help="mean height of the people, metres: it sets the scale (default 1.7)"
    )
    parser.add_argument("--group", default="ground", help="name of the group that is made (default ground)")
    parser.add_argument("--min-score", type=float, default=0.5, help="boxes below are not looked at (default 0.5)")
    parser.add_argument("--picture", type=Path, help="PNG to write (default: beside --out)")
    parser.add_argument("--seconds", type=float, default=600.0, help="how much of each video to look at (default 600)")
    parser.add_argument("--config", type=Path, action="append", default=[], help="YAML patch, for the detector")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override, e.g. run.device=cpu")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Estimate, check, write and print."""
    arguments = build_parser().parse_args(argv)
    picture = arguments.picture or arguments.out.with_suffix(".png")
    for path in (arguments.out, picture):
        if path.exists() and not arguments.overwrite:
            raise UserError(f"{path} exists; choose another --out or give --overwrite")
    if not 0.5 <= arguments.height_m <= 2.5:
        raise UserError(f"--height-m must be a person's height in metres, 0.5 to 2.5, not {arguments.height_m:g}")
    if not arguments.seconds > 0:
        raise UserError(f"--seconds must be above 0, not {arguments.seconds:g}")

    from pipeline.site_calibration.estimate import estimate, site_with
    from pipeline.site_calibration.picture import draw

    site, sightings = _sightings(arguments)
    result = estimate(sightings, arguments.height_m)
    try:
        save_site(site_with(result, site, arguments.height_m, arguments.group), arguments.out)
        draw(result, picture)
    except OSError as error:
        raise UserError(f"cannot write {error.filename or arguments.out}: {error.strerror}") from None
    for camera, reason in result.left_out.items():
        print(f"{camera}: not calibrated: {reason}")
    for pair in result.held_out:
        print(
            f"{pair.cameras[0]} and {pair.cameras[1]}: {len(pair.distances_m)} held-out people, "
            f"{pair.median_m:.2f} m apart in the middle, shared offset {pair.common_m:.2f} m"
        )
    print(f"{result.people} people fitted; held-out people {result.error_m:.2f} m apart in the middle")
    print(f"scale: people are taken to be {arguments.height_m:g} m high on average; all lengths follow that")
    print(f"written: {arguments.out}, {picture}")
    return 0


def _sightings(arguments: argparse.Namespace) -> tuple[Site, dict]:
    from pipeline.folder.run_folder import RunFolder
    from pipeline.site_calibration.estimate import STEP_S
    from pipeline.site_calibration.sources import from_boxes, from_run, from_videos

    site = None if arguments.site is None else load_site(arguments.site)
    first = Path(arguments.source[0])
    if len(arguments.source) == 1 and (first / "tracklets").is_dir():
        return from_run(RunFolder(first), site)
    if len(arguments.source) == 1 and first.is_dir():
        if site is None:
            raise UserError(f"frame rates, sizes and clocks of the cameras in {first} are unknown; give --site")
        return from_boxes(first, site, arguments.min_score)

    from data.sources.open import parse_camera_specs
    from pipeline.backends.registry import build_detector
    from pipeline.config import load_config
    from pipeline.weights.store import WeightStore

    specs = parse_camera_specs(arguments.source)
    if len(specs) < 2:
        raise UserError("calibration from people needs at least two cameras that see some of the same ground")
    config = load_config(arguments.config, arguments.set)
    detector = build_detector(config.detector, config.run.device, WeightStore(offline=config.run.offline))
    return from_videos(specs, site, config.sources, detector, arguments.min_score, arguments.seconds, STEP_S)


if __name__ == "__main__":
    sys.exit(run(main))
