"""Convert tracks between formats: MOTChallenge, AI City, DukeMTMC, PoseTrack21, COCO, CVAT."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.errors import UserError
from data.listing import is_empty
from pipeline.cli import run

NAMES = ("mot", "aicity", "duke", "posetrack", "coco", "cvat_video", "cvat_images")
_EPILOG = """\
mot, posetrack, coco, cvat_video and cvat_images are folders of one file per camera; aicity and duke are one text file
for all cameras, which they know by number. Frames count from 1 in mot and duke, from 0 in aicity and CVAT.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.convert",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", type=Path, help="folder or file to read")
    parser.add_argument("output", type=Path, help="folder or file to write")
    parser.add_argument("--from", dest="source", choices=NAMES, required=True, help="format of the input")
    parser.add_argument("--to", dest="target", choices=NAMES, required=True, help="format of the output")
    parser.add_argument("--overwrite", action="store_true", help="write where something lies already")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Read and write."""
    from data.formats.submissions import FORMATS

    arguments = build_parser().parse_args(argv)
    output: Path = arguments.output
    taken = output.exists() and (output.is_file() or not is_empty(output))
    if taken and not arguments.overwrite:
        raise UserError(f"{output} is there already; give another output or --overwrite")
    target = FORMATS[arguments.target]
    cameras = FORMATS[arguments.source].read(arguments.input)
    if target.one_file:
        output.parent.mkdir(parents=True, exist_ok=True)
    target.write(output, cameras)
    rows = sum(len(one.table) for one in cameras)
    print(f"{output}: {rows} boxes of {len(cameras)} cameras as {arguments.target}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
