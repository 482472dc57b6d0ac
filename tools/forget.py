"""Remove one person from a finished run: vectors, pictures, tracks, places, links, answers and every mention."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.forget",
        description=__doc__,
        epilog="Overlay videos and other pages with pictures are removed, as people cannot be cut out of them: make "
        "them again. What the tool cannot reach is printed.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument("person", type=int, nargs="+", metavar="ID", help="global ids, as the report shows them")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and forget."""
    arguments = build_parser().parse_args(argv)

    from pipeline.folder.run_folder import RunFolder
    from pipeline.folder.writer import only_writer
    from pipeline.job.forgetting import forget

    folder = RunFolder(arguments.run).require()
    out_of_reach: tuple[str, ...] = ()
    with only_writer(folder.root):
        for person in dict.fromkeys(arguments.person):
            found = forget(folder, person)
            out_of_reach = found.out_of_reach
            print(
                f"person {person}: {found.tracklets} tracklets with their vectors, {found.pictures} pictures and "
                f"{found.links} links are gone, and its rows, places and entries in the report"
            )
            for path in found.removed:
                print(f"  removed, make it again if you need it: {path}")
    print("not in reach of this tool:")
    for line in out_of_reach:
        print(f"  {line}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
