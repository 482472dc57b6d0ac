"""Make Occluded-PoseTrack-ReID out of PoseTrack21: person crops, and the keypoints of everybody in them.

PoseTrack21's folder holds posetrack_data/{train,val}/*.json and images/; the crops are written to
occluded_posetrack_reid/ in it. Put the published {train,val}_dataset_sampling.json there first to get the published
set.

    python -m tools.make_occluded_posetrack datasets/PoseTrack21
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from pipeline.cli import run

_SHOWN = 10


def main(argv: Sequence[str] | None = None) -> int:
    """Make both splits and print what was made."""
    from data.datasets.occluded_posetrack_making import Sampling, make_occluded_posetrack

    parser = argparse.ArgumentParser(
        prog="python -m tools.make_occluded_posetrack",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("root", type=Path, help="PoseTrack21's folder, or the folder above it")
    parser.add_argument(
        "--sampling",
        choices=get_args(Sampling),
        default="auto",
        help="who becomes a crop: the published files, the rules behind them, or files where there are any (auto)",
    )
    parser.add_argument(
        "--bad-images", choices=("fail", "skip"), default="fail", help="frames that cannot be read (default: fail)"
    )
    parser.add_argument("--workers", type=int, default=4, help="threads that read and write pictures (default: 4)")
    parser.add_argument("--overwrite", action="store_true", help="replace crops that were made before")
    arguments = parser.parse_args(argv)

    made = make_occluded_posetrack(
        arguments.root, arguments.sampling, arguments.bad_images == "skip", arguments.overwrite, arguments.workers
    )
    for split, found in made.items():
        print(f"{split}: {found.crops} crops of {found.people} people")
        for line in found.lost[:_SHOWN]:
            print(f"  {line}")
        if len(found.lost) > _SHOWN:
            print(f"  ... and {len(found.lost) - _SHOWN} more")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
