"""Compare 2 to 12 crops of people: how alike they are, and what a part-based network looks at.

python -m tools.reid_demo a.jpg b.jpg c.jpg --keypoints prompts --weights kpr.safetensors --out demo
python -m tools.reid_demo crops --no-prompts --weights kpr.safetensors --out demo
python -m tools.reid_demo crops --weights kpr.safetensors --out demo --no-detector pose.name=movenet

Without --keypoints a pose network looks at every crop; the person whose head is nearest the top centre is the target,
everybody else a negative prompt. Look at index.html in --out.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import UserError
from pipeline.cli import run
from tools.network_options import add_network_options, network_config

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.weights.store import WeightStore
    from reid.samples.crop_files import Crop

logger = logging.getLogger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tools.reid_demo",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="crops, or a folder of them; also key.sub=value, as reid.batch=8"
    )
    parser.add_argument("--weights", required=True, metavar="FILE", help="of the appearance model (reid.weights)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the page and the pictures")
    prompts = parser.add_mutually_exclusive_group()
    prompts.add_argument(
        "--keypoints",
        type=Path,
        metavar="PLACE",
        help="folder of <crop>_keypoints.json, or a synthetic site's folder of crops_<camera>.json",
    )
    prompts.add_argument("--no-prompts", action="store_true", help="no keypoints, no pose network")
    parser.add_argument(
        "--no-detector", action="store_true", help="take the crop itself for the box, instead of looking for people"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier demo")
    add_network_options(parser, "reid.batch=8", values=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Read crops, find their prompts, describe and compare them."""
    arguments = build_parser().parse_intermixed_args(argv)
    from pipeline.backends.registry import build_embedder
    from pipeline.config import Config
    from pipeline.report.crop_comparison import PAGE, write_demo
    from pipeline.weights.store import WeightStore

    sections = tuple(f"{name}." for name in Config.model_fields)
    arguments.overrides = [value for value in arguments.images if value.startswith(sections) and "=" in value]
    paths = [Path(value) for value in arguments.images if value not in arguments.overrides]
    # The file named says which back-end it is for; a configuration's own back-end is that of its own weights.
    config = network_config(arguments, ["reid.name=auto", f"reid.weights={json.dumps(arguments.weights)}"])
    crops = _read(_pictures(paths, arguments.out), arguments.keypoints)
    weights = WeightStore(offline=config.run.offline)
    if arguments.keypoints is None and not arguments.no_prompts:
        crops = _with_skeletons(crops, config, weights, arguments.no_detector)
    has_poses = any(crop.skeletons is not None for crop in crops)
    embedder = build_embedder(config.reid, config.run.device, weights, has_poses, config.run.threads)
    if embedder is None:
        raise UserError("reid.name=none describes nothing; leave it at auto")
    similarity = write_demo(crops, embedder, arguments.out, arguments.overwrite)
    span = similarity.span
    print(f"{len(crops)} crops, model {embedder.model_id}")
    print("no two crops have a part in common" if span is None else f"distances {span[0]:.2f} to {span[1]:.2f}")
    print(f"look at {arguments.out / PAGE}")
    return 0


def _pictures(paths: Sequence[Path], out: Path) -> list[Path]:
    """The pictures named, and those of the folders named; what an earlier demo wrote is none of them."""
    from reid.samples.crop_files import crop_names

    found: list[Path] = []
    for path in paths:
        found += [path / name for name in crop_names(path, leave_out=out)] if path.is_dir() else [path]
    return found


def _read(paths: Sequence[Path], place: Path | None) -> "list[Crop]":
    from pipeline.report.crop_comparison import LEAST, MOST
    from reid.samples.crop_files import CropKeypoints, read_crop

    if not LEAST <= len(paths) <= MOST:
        raise UserError(f"{len(paths)} crops are named; the matrix is drawn for {LEAST} to {MOST}")
    keypoints = None if place is None else CropKeypoints(place)
    crops = [read_crop(path.parent, path.name, keypoints) for path in paths]
    if keypoints is not None:
        keypoints.tell(len(crops))
    return crops


def _with_skeletons(crops: "Sequence[Crop]", config: "Config", weights: "WeightStore", whole: bool) -> "list[Crop]":
    """Let a pose network look at the crops."""
    from dataclasses import replace

    from pipeline.labelling.keypoint_prompts import crop_skeletons, open_look
    from reid.samples.crop_files import named

    look, _ = open_look(config, weights, whole)
    found = look([crop.image for crop in crops])
    least = config.pose.keypoint_min
    made = [
        replace(crop, skeletons=crop_skeletons(crop, poses, least)) for crop, poses in zip(crops, found, strict=True)
    ]
    nobody = [crop.name for crop in made if crop.skeletons is None or not crop.skeletons.target.any()]
    if nobody:
        logger.warning("no target is found in %d of %d crops: %s", len(nobody), len(made), named(nobody))
    return made


if __name__ == "__main__":
    sys.exit(run(main))
