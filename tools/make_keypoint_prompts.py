"""Find the skeletons in a folder of crops, and write them as the keypoint files of re-identification data sets.

python -m tools.make_keypoint_prompts Market-1501/query --out Market-1501/external_annotation/own/query
python -m tools.make_keypoint_prompts crops --out prompts --no-detector pose.name=movenet
python -m tools.make_keypoint_prompts crops --out prompts --overwrite --targets prompts/targets.csv

targets.csv in --out lists the target of every crop; correct its column "index" (from 0, -1 for nobody) and give it back
with --targets.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run
from tools.network_options import add_network_options, network_config


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tools.make_keypoint_prompts",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="folder of crops; sub-folders are searched too")
    parser.add_argument("--out", type=Path, required=True, help="folder of the files, in the same sub-folders")
    parser.add_argument("--targets", type=Path, metavar="CSV", help="targets chosen by hand: columns name, index")
    parser.add_argument(
        "--no-detector", action="store_true", help="take the crop itself for the box, instead of looking for people"
    )
    parser.add_argument("--bad-files", choices=("fail", "skip"), default="fail", help="what an unreadable picture does")
    parser.add_argument("--overwrite", action="store_true", help="replace files of an earlier run")
    add_network_options(parser, "pose.name=openpifpaf pose.weights=shufflenetv2k16.pt")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Find skeletons, choose targets, write files; prints what was found."""
    arguments = build_parser().parse_intermixed_args(argv)
    from pipeline.labelling.keypoint_prompts import make_prompts, open_look, read_targets
    from pipeline.weights.store import WeightStore
    from reid.samples.crop_files import CropFolder, crop_names

    config = network_config(arguments)
    names = crop_names(arguments.folder, leave_out=arguments.out)
    crops = CropFolder(arguments.folder, bad_files=arguments.bad_files, names=names)
    chosen = None if arguments.targets is None else read_targets(arguments.targets)
    look, batch = open_look(config, WeightStore(offline=config.run.offline), arguments.no_detector)
    counts = make_prompts(crops, arguments.out, look, batch, config.pose.keypoint_min, chosen, arguments.overwrite)
    print(f"{counts.crops} crops, {counts.skeletons} skeletons, {counts.by_hand} targets by hand")
    for note, found in counts.notes.items():
        print(f"{note}: {len(found)}")
    print(f"unreadable: {len(crops.bad)}")
    print(f"written to {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
