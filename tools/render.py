"""Draw the overlay videos of a finished run: a second decode pass, no network needed."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and render."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.render",
        description=__doc__,
        epilog="Options are those of the section render, for example render.crf=20 render.skeletons=false.",
    )
    parser.add_argument("run", type=Path, help="folder of the run; its videos must still be where they were")
    parser.add_argument("--cameras", nargs="+", metavar="NAME", help="only these cameras (default: all)")
    parser.add_argument("--anonymize", action="store_true", help="blur every known head")
    parser.add_argument("--mosaic", action="store_true", help="also one video that tiles all cameras by common time")
    parser.add_argument("--overwrite", action="store_true", help="replace videos that are there already")
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="configuration values")
    arguments = parser.parse_intermixed_args(argv)

    from data.errors import UserError
    from pipeline.config import load_config
    from pipeline.folder.run_folder import RunFolder
    from pipeline.folder.writer import only_writer
    from pipeline.rendering.overlay import render_run

    overrides = list(arguments.overrides)
    if arguments.cameras:
        # --cameras takes all that follows; a camera's name never holds '='.
        overrides += [value for value in arguments.cameras if "=" in value]
        arguments.cameras = [value for value in arguments.cameras if "=" not in value]
    overrides += ["render.anonymize=true"] * arguments.anonymize + ["render.mosaic=true"] * arguments.mosaic
    folder = RunFolder(arguments.run).require()
    config = load_config([folder.config] if folder.config.exists() else [], overrides).render
    with only_writer(folder.root):
        paths = render_run(folder, config, arguments.cameras or None, overwrite=arguments.overwrite)
    for path in paths:
        print(path)
    wanted = arguments.cameras or list(folder.read_inputs())
    missing = [camera for camera in wanted if folder.video(camera) not in paths]
    if missing:
        raise UserError(f"no overlay video of {', '.join(missing)}: see the warnings above")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
