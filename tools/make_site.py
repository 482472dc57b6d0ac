"""Write a site file from plain facts (meta.json, calib.json), or from what a public data set says of its cameras."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from data.calibration import World
from data.clock import ClockStatus
from data.config import explain
from data.errors import UserError
from data.formats.meta_in import site_from_meta
from data.site import Site, save_site
from pipeline.cli import run


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.make_site", description=__doc__)
    facts = parser.add_mutually_exclusive_group(required=True)
    facts.add_argument("--meta", type=Path, help="JSON, per camera {size: [width, height], fps: rate}")
    facts.add_argument("--dataset", metavar="NAME", help="a data set as tools.dataset_info names it; with --root")
    parser.add_argument("--root", type=Path, metavar="DIR", help="the folder of --dataset")
    parser.add_argument("--split", default="", help="part of --dataset, where there are several")
    parser.add_argument(
        "--calib",
        type=Path,
        help="JSON, per camera a 3x4 projection matrix (world to pixels), a 3x3 homography (floor to pixels), or an "
        "object with K, R, t and dist",
    )
    parser.add_argument(
        "--unit-m", type=float, default=1.0, help="metres in a unit of their world, 0.001 for millimetres (default 1)"
    )
    parser.add_argument(
        "--up",
        type=float,
        nargs=3,
        default=(0, 0, 1),
        metavar=("X", "Y", "Z"),
        help="the direction away from the floor in their world (default 0 0 1; 0 0 -1 where z is down)",
    )
    parser.add_argument(
        "--ground", type=float, default=0.0, help="where along it the floor lies, in units of their world (default 0)"
    )
    parser.add_argument(
        "--clock",
        choices=("common", "estimated", "unknown"),
        help="of all cameras (default unknown; of a data set as it says)",
    )
    parser.add_argument(
        "--overlap", choices=("none", "partial", "unknown"), default="unknown", help="of all pairs (default unknown)"
    )
    parser.add_argument("--group", action="store_true", help="track all calibrated cameras together on the ground")
    parser.add_argument("--out", type=Path, required=True, help="the site file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file."""
    arguments = build_parser().parse_args(argv)
    if arguments.out.exists() and not arguments.overwrite:
        raise UserError(f"{arguments.out} exists; choose another --out or give --overwrite")
    site = _from_dataset(arguments) if arguments.dataset else _from_meta(arguments)
    try:
        save_site(site, arguments.out)
    except OSError as error:
        raise UserError(f"cannot write {arguments.out}: {error.strerror}") from None
    print(f"{arguments.out}: {len(site.cameras)} cameras")
    return 0


def _from_dataset(arguments: argparse.Namespace) -> Site:
    from data.datasets.registry import read_dataset
    from data.datasets.sites import site_of_dataset

    for name in ("calib", "clock"):
        if getattr(arguments, name) is not None:
            raise UserError(f"--{name} goes with --meta; the data set says it")
    if arguments.root is None:
        raise UserError("--dataset needs --root, its folder")
    dataset = read_dataset(arguments.dataset, arguments.root, arguments.split)
    return site_of_dataset(dataset, arguments.overlap, arguments.group)


def _from_meta(arguments: argparse.Namespace) -> Site:
    try:
        world = World(unit_m=arguments.unit_m, up=list(arguments.up), ground=arguments.ground)
    except ValidationError as error:
        raise UserError(explain(error, World, "--unit-m, --up, --ground")) from None
    clock: ClockStatus = arguments.clock or "unknown"
    return site_from_meta(arguments.meta, arguments.calib, clock, arguments.overlap, arguments.group, world)


if __name__ == "__main__":
    sys.exit(run(main))
