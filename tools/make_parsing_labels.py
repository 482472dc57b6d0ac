"""Make the parsing labels that part attention is trained with: 36 confidence fields per crop, as .npy files.

python -m tools.make_parsing_labels Market-1501/bounding_box_train --out Market-1501/masks/own/bounding_box_train \\
    --pifpaf shufflenetv2k16.pt --masks yolo11m-seg.onnx
python -m tools.make_parsing_labels crops --out labels --keypoints prompts --masks yolo11m-seg.onnx

Fields come from an OpenPifPaf network (`make pifpaf`), or are drawn round the skeletons of keypoint files. --masks, an
Ultralytics segmentation export in ONNX, keeps them on the person: without it, an OpenPifPaf label shows the neighbours
too. Make keypoint files with python -m tools.make_keypoint_prompts.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import UserError
from pipeline.cli import run

if TYPE_CHECKING:
    from pipeline.labelling.parsing_labels import Fields


# OpenPifPaf's networks see one field cell in 16 px.
_LEAST_EDGE = 32


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tools.make_parsing_labels",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="folder of crops; sub-folders are searched too")
    parser.add_argument("--out", type=Path, required=True, help="folder of the labels, in the same sub-folders")
    parser.add_argument("--keypoints", type=Path, metavar="PLACE", help="folder of <crop>_keypoints.json")
    parser.add_argument("--pifpaf", metavar="FILE", help="OpenPifPaf checkpoint: fields of the network")
    parser.add_argument("--long-edge", type=int, metavar="PX", help="crops are scaled to this for OpenPifPaf")
    parser.add_argument("--masks", type=Path, metavar="FILE.onnx", help="segmentation export: outlines of people")
    parser.add_argument("--masks-min", type=float, default=0.25, metavar="SCORE", help="people below it do not count")
    parser.add_argument("--grid", type=int, nargs=2, default=(48, 16), metavar=("ROWS", "COLUMNS"), help="of a label")
    parser.add_argument("--suffix", default=".npy", help="replaces the picture's own (default: .npy)")
    parser.add_argument(
        "--bad-files", choices=("fail", "skip"), default="fail", help="what an unreadable picture or keypoint file does"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace labels of an earlier run")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n>")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of the networks; 0 = one per core")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Make labels; prints what was written."""
    arguments = build_parser().parse_args(argv)
    from pipeline.labelling.parsing_labels import make_labels
    from reid.samples.crop_files import CropFolder, CropKeypoints

    if arguments.pifpaf is None and arguments.keypoints is None:
        raise UserError("give --pifpaf (fields of a network) or --keypoints (fields are drawn round skeletons)")
    if min(arguments.grid) < 2:
        raise UserError(f"--grid {arguments.grid[0]} {arguments.grid[1]}: a label has at least 2 rows and 2 columns")
    if arguments.long_edge is not None and arguments.long_edge < _LEAST_EDGE:
        raise UserError(f"--long-edge {arguments.long_edge}: OpenPifPaf needs at least {_LEAST_EDGE} px")
    if not arguments.suffix.endswith(".npy"):
        raise UserError(f"--suffix {arguments.suffix}: a label's name ends in .npy")
    keypoints = None if arguments.keypoints is None else CropKeypoints(arguments.keypoints)
    crops = CropFolder(arguments.folder, keypoints, arguments.bad_files)
    segment = None
    if arguments.masks is not None:
        from pipeline.backends.yolo_seg import YoloSegmenter

        segment = YoloSegmenter(arguments.masks, arguments.device, arguments.threads, arguments.masks_min)
    fields, grid = _fields(arguments), (arguments.grid[0], arguments.grid[1])
    counts = make_labels(crops, arguments.out, fields, grid, segment, arguments.suffix, arguments.overwrite)
    print(f"{counts.crops} labels of 36 x {grid[0]} x {grid[1]}, {len(crops.bad)} crops left out")
    print(f"empty: {len(counts.empty)}")
    if segment is not None:
        print(f"person not found by the segmentation: {len(counts.unmasked)}")
    print(f"written to {arguments.out}")
    return 0


def _fields(arguments: argparse.Namespace) -> "Fields":
    """Where fields come from."""
    if arguments.pifpaf is None:
        from pipeline.labelling.parsing_labels import drawn_fields

        return drawn_fields
    from pipeline.backends.config import PoseConfig
    from pipeline.backends.openpifpaf_net import OpenPifPafNetwork
    from pipeline.weights.store import WeightStore

    size = None if arguments.long_edge is None else (arguments.long_edge, arguments.long_edge)
    config = PoseConfig(name="openpifpaf", weights=arguments.pifpaf, input_size=size)
    weights = WeightStore(offline=True).resolve("pose", arguments.pifpaf, "")
    network = OpenPifPafNetwork(config, weights, arguments.device, arguments.threads)
    return lambda crop, grid: network.confidence_fields(crop.image, grid)


if __name__ == "__main__":
    sys.exit(run(main))
