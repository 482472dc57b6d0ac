"""Write configs/default.yaml from the typed sections, which are where every key, default and description lives."""

import argparse
import sys
from collections.abc import Sequence

from pipeline.cli import run

HEADING = """\
# The whole configuration schema with its defaults. Every other file is a patch on this one, and the command line
# (key.sub=value) a patch on that. Units are in the names (_s seconds, _px pixels, _m metres) or in the comment.
# Written by python -m tools.write_default_config from the typed sections in <package>/config.py: change those.

"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    return argparse.ArgumentParser(prog="python -m tools.write_default_config", description=__doc__)


def default_text() -> str:
    """What the file holds."""
    from data.section_text import commented_yaml
    from pipeline.config import Config

    return HEADING + commented_yaml(Config())


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file."""
    build_parser().parse_args(argv)
    from pipeline.config import DEFAULTS

    DEFAULTS.write_text(default_text(), encoding="utf-8")
    print(DEFAULTS)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
