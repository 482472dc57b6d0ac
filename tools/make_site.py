"""Write a site file from plain facts: sizes and frame rates (meta.json), projection matrices (calib.json)."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.errors import UserError
from data.formats.meta_in import site_from_meta
from data.site import save_site
from pipeline.cli import run


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.make_site", description=__doc__)
    parser.add_argument("--meta", type=Path, required=True, help="JSON, per camera {size: [width, height], fps: rate}")
    parser.add_argument("--calib", type=Path, help="JSON, per camera a 3x4 projection matrix, world metres to pixels")
    parser.add_argument(
        "--clock",
        choices=("common", "estimated", "unknown"),
        default="unknown",
        help="of all cameras (default unknown)",
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
    site = site_from_meta(arguments.meta, arguments.calib, arguments.clock, arguments.overlap, arguments.group)
    try:
        save_site(site, arguments.out)
    except OSError as error:
        raise UserError(f"cannot write {arguments.out}: {error.strerror}") from None
    print(f"{arguments.out}: {len(site.cameras)} cameras")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
