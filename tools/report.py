"""Write the report of a run again, from what its folder holds; no video needed."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.report",
        description=__doc__,
        epilog="Options are those of the section report, for example report.max_links=1000.",
    )
    parser.add_argument("run", type=Path, help="folder of the run; its report.html is replaced")
    parser.add_argument("--anonymize", action="store_true", help="blur heads in the page's pictures")
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="configuration values")
    arguments = parser.parse_intermixed_args(argv)

    from pipeline.config import load_config
    from pipeline.folder.run_folder import RunFolder
    from pipeline.folder.writer import only_writer
    from pipeline.report.page import write_report

    overrides = [*arguments.overrides, *(["report.anonymize=true"] * arguments.anonymize)]
    folder = RunFolder(arguments.run).require()
    config = load_config([folder.config] if folder.config.exists() else [], overrides).report
    with only_writer(folder.root):
        print(write_report(folder, config))
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
