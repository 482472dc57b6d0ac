"""Draw the texture of every picture in a folder of people, by SAN-PG: what SAN is trained on.

python -m tools.make_textures Market-1501/bounding_box_train --weights san_pg.safetensors --out Market-1501/textures

A texture is the colour of the whole body surface, unwrapped into a square of 256x256 px. It lies at the picture's path
below --out, as a PNG file.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tools.make_textures",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="folder of pictures of people; sub-folders are searched too")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help="SAN-PG, or SAN with its decoder")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the textures")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n> (default: auto)")
    parser.add_argument("--batch", type=int, default=64, metavar="N", help="pictures per run (default: 64)")
    parser.add_argument(
        "--bad-files", choices=("fail", "skip"), default="fail", help="what a picture that cannot be read does"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace textures of an earlier run")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Draw textures and write them."""
    arguments = build_parser().parse_args(argv)
    from data.errors import UserError
    from data.output_folder import prepare_folder
    from data.runtime.torch_device import torch_device
    from reid.embedders.textures import texture_paths, write_textures
    from reid.samples.crop_files import CropFolder, crop_names
    from reid.weights.san import load_san

    if arguments.batch < 1:
        raise UserError(f"--batch {arguments.batch}: give at least 1")
    names = crop_names(arguments.folder, arguments.out)
    prepare_folder(arguments.out, texture_paths(names, arguments.out), arguments.overwrite)
    crops = CropFolder(arguments.folder, bad_files=arguments.bad_files, names=names)
    model, _ = load_san(arguments.weights, decoder=True)
    count = write_textures(model.to(torch_device(arguments.device)), crops, arguments.out, arguments.batch)
    print(f"{arguments.out}: {count} textures, {len(crops.bad)} pictures left out")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
