"""Convert tracks of a run or in a format to another: MOTChallenge, AI City, DukeMTMC, PoseTrack21, COCO, CVAT."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import UserError
from data.listing import is_empty
from pipeline.cli import run

if TYPE_CHECKING:
    from data.formats.track_sets import CameraTracks

NAMES = ("mot", "aicity", "duke", "posetrack", "coco", "cvat_video", "cvat_images")
_RUN = "run"
_WITH_PICTURES = ("posetrack", "coco")
_EPILOG = """\
mot, posetrack, coco, cvat_video and cvat_images are folders of one file per camera; aicity and duke are one text file
for all cameras, which they know by number. Frames count from 1 in mot and duke, from 0 in aicity and CVAT.
A run gives its boxes with global ids, its skeletons, and the places of its camera groups.

examples:
  python -m tools.convert runs/mine track1.txt --from run --to aicity
  python -m tools.convert runs/posetrack21 submission --from run --to posetrack --dataset PoseTrack21
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
    parser.add_argument("--from", dest="source", choices=(_RUN, *NAMES), required=True, help="format of the input")
    parser.add_argument("--to", dest="target", choices=NAMES, required=True, help="format of the output")
    parser.add_argument(
        "--dataset",
        type=Path,
        metavar="ROOT",
        help="PoseTrack21's folder: posetrack and coco files then have the ids and names of its pictures",
    )
    parser.add_argument(
        "--keypoint-min",
        type=float,
        default=0.0,
        metavar="C",
        help="leave out joints of a run less sure (0-1)",
    )
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
    if arguments.dataset is not None and arguments.target not in _WITH_PICTURES:
        raise UserError(f"--dataset names pictures, and {arguments.target} has none; it goes with posetrack and coco")
    if arguments.source == _RUN:
        cameras = _run_tracks(arguments.input, arguments.keypoint_min)
    else:
        cameras = FORMATS[arguments.source].read(arguments.input)
    if arguments.dataset is not None:
        cameras = [_with_pictures(one, arguments.dataset) for one in cameras]
    if target.one_file:
        output.parent.mkdir(parents=True, exist_ok=True)
    target.write(output, cameras)
    rows = sum(len(one.table) for one in cameras)
    print(f"{output}: {rows} boxes of {len(cameras)} cameras as {arguments.target}")
    return 0


def _run_tracks(root: Path, keypoint_min: float) -> list["CameraTracks"]:
    from pipeline.folder.run_folder import RunFolder
    from pipeline.folder.run_tracks import read_run_tracks

    return read_run_tracks(RunFolder(root), keypoint_min)


def _with_pictures(tracks: "CameraTracks", root: Path) -> "CameraTracks":
    """The tracks with the names of the data set's pictures, one for each of theirs."""
    from data.datasets.posetrack21 import read_picture_names

    names = read_picture_names(root, tracks.name)
    if tracks.length > len(names):
        raise UserError(
            f"{tracks.name} has {tracks.length} frames and {len(names)} pictures in {root}: that is another video"
        )
    return replace(tracks, length=len(names), pictures=names)


if __name__ == "__main__":
    sys.exit(run(main))
