"""Draw one person of a finished run in every camera that saw them, side by side, into one picture."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.draw_person", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the run; its videos must still be where they were")
    parser.add_argument("--person", type=int, metavar="ID", help="global id (default: who was in the most cameras)")
    parser.add_argument("--height", type=int, default=360, metavar="PX", help="of the picture (default 360)")
    parser.add_argument("--anonymize", action="store_true", help="blur every known head")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="picture to write (.jpg, .png)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and draw."""
    arguments = build_parser().parse_args(argv)

    import cv2

    from data.errors import UserError
    from pipeline.config import load_config
    from pipeline.folder.run_folder import RunFolder
    from pipeline.rendering.person_strip import draw_person

    if arguments.height < 32:
        raise UserError(f"--height must be at least 32, not {arguments.height}")
    folder = RunFolder(arguments.run).require()
    overrides = ["render.anonymize=true"] * arguments.anonymize
    config = load_config([folder.config] if folder.config.exists() else [], overrides).render
    picture = draw_person(folder, config, arguments.person, arguments.height)
    try:
        written = cv2.imwrite(str(arguments.out), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    except cv2.error:
        written = False
    if not written:
        raise UserError(f"cannot write {arguments.out}; name a .jpg or .png file in a folder that exists")
    print(arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
