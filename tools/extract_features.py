"""Describe a folder of crops: vectors and visibilities of every part, in one npz file.

python -m tools.extract_features crops --out crops.npz --keypoints prompts reid.name=kpr reid.weights=kpr.safetensors
python -m tools.extract_features crops --out crops.npz --masks --keypoints prompts reid.name=osnet_parts

The entries of the file are described in data/formats/part_features.py; numpy.load reads it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli import run
from tools.network_options import add_network_options, network_config

if TYPE_CHECKING:
    from pipeline.config import Config
    from reid.samples.crop_files import CropFolder


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tools.extract_features",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="folder of crops; sub-folders are searched too")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.npz", help="file to write")
    parser.add_argument(
        "--keypoints",
        type=Path,
        metavar="PLACE",
        help="folder of <crop>_keypoints.json, or a synthetic site's folder of crops_<camera>.json",
    )
    parser.add_argument("--masks", action="store_true", help="also write where each part looked (kpr, osnet_parts)")
    parser.add_argument(
        "--bad-files", choices=("fail", "skip"), default="fail", help="what an unreadable picture or keypoint file does"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier file")
    add_network_options(parser, "reid.name=kpr reid.weights=kpr.safetensors")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Describe crops and write the file."""
    arguments = build_parser().parse_intermixed_args(argv)
    from data.errors import UserError
    from data.folder_lock import locked_file
    from data.output_folder import prepare_folder
    from reid.samples.crop_files import CropFolder, CropKeypoints

    config = network_config(arguments)
    if arguments.out.suffix != ".npz":
        raise UserError(f"--out {arguments.out}: give a file that ends in .npz")
    keypoints = None if arguments.keypoints is None else CropKeypoints(arguments.keypoints)
    crops = CropFolder(arguments.folder, keypoints, arguments.bad_files)
    prepare_folder(arguments.out.absolute().parent, [arguments.out], arguments.overwrite)
    with locked_file(arguments.out.absolute(), "--out"):
        _describe(arguments, config, crops)
    return 0


def _describe(arguments: argparse.Namespace, config: "Config", crops: "CropFolder") -> None:
    from data.errors import UserError
    from data.formats.part_features import write_part_features
    from pipeline.backends.registry import build_embedder
    from pipeline.weights.store import WeightStore
    from reid.embedders.extraction import extract_features

    weights = WeightStore(offline=config.run.offline)
    embedder = build_embedder(
        config.reid, config.run.device, weights, arguments.keypoints is not None, config.run.threads
    )
    if embedder is None:
        raise UserError("reid.name=none describes nothing; name an appearance model")
    features = extract_features(crops, embedder, config.reid.batch, arguments.masks)
    write_part_features(arguments.out, features)
    made = features.embeddings
    print(f"{len(features)} crops, {len(crops.bad)} left out")
    print(f"{len(made.part_names)} parts of {made.vectors.shape[2]} numbers: {', '.join(made.part_names)}")
    print(f"no part visible: {int((made.visibility.max(axis=1) == 0).sum())}")
    print(f"model: {made.model_id}")
    print(f"written to {arguments.out}")


if __name__ == "__main__":
    sys.exit(run(main))
