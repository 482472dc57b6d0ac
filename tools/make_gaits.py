"""Make synthetic skeleton recordings of people walking in changing clothes and with bags, to train gait models on."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.make_gaits",
        description=__doc__,
        epilog="example: python -m tools.make_gaits --out runs/gaits.npz --people 64 --seed 1",
    )
    parser.add_argument("--out", type=Path, required=True, help="file to write, .npz")
    parser.add_argument("--people", type=int, default=64, help="how many (default 64)")
    parser.add_argument("--seed", type=int, default=1, help="of people, walks and errors (default 1)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each of the ten walks (default 4)")
    parser.add_argument("--fps", type=float, default=10.0, help="skeletons per second (default 10)")
    parser.add_argument(
        "--views", type=int, nargs="+", default=[0, 45, 90, 135, 180], metavar="DEG",
        help="sides each walk is seen from; 0: towards the sensor (default 0 45 90 135 180)",
    )  # fmt: skip
    parser.add_argument(
        "--noise", type=float, nargs=2, default=(0.02, 0.05), metavar=("LEAST", "MOST"),
        help="standard deviation of a joint's position, metres (default 0.02 0.05)",
    )  # fmt: skip
    parser.add_argument(
        "--form", choices=("full", "plane", "flat"), default="full",
        help="what cameras leave of the three dimensions, see data/skeleton_forms.py; plane has view 90 only",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Make them."""
    arguments = build_parser().parse_args(argv)
    from data.errors import UserError
    from data.formats.skeleton_recordings import write_recordings
    from data.skeleton_forms import as_seen
    from data.synthetic.gait_set import GaitSetOptions, make_gaits

    least, most = arguments.noise
    if arguments.people < 2 or arguments.seed < 0 or not 0 <= least <= most:
        raise UserError("give at least 2 --people, a --seed from 0 up and a rising --noise")
    if arguments.fps <= 0 or arguments.seconds * arguments.fps < 2:
        raise UserError("--seconds and --fps leave less than two skeletons of a walk")
    if arguments.out.exists() and not arguments.overwrite:
        raise UserError(f"{arguments.out} exists; give another --out, or --overwrite")
    views = (90,) if arguments.form == "plane" else tuple(arguments.views)
    options = GaitSetOptions(arguments.people, arguments.seconds, arguments.fps, views, (least, most))
    recordings = as_seen(make_gaits(options, arguments.seed), arguments.form, arguments.fps)
    write_recordings(arguments.out, recordings, arguments.form)
    print(f"{arguments.out}: {len(recordings)} recordings of {arguments.people} people")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
