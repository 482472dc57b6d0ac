"""The part of a command line that says which networks to run, and how: as in ``python -m pipeline.run``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.config import Config


def add_network_options(parser: argparse.ArgumentParser, example: str, *, values: bool = True) -> None:
    """Add --config, --device, --offline and key.sub=value.

    Args:
        parser: of the command.
        example: of a value, for the help.
        values: False leaves key.sub=value to the command, which sets ``overrides`` itself.
    """
    parser.add_argument(
        "--config", type=Path, action="append", default=[], metavar="FILE", help="YAML patch; may be given again"
    )
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:<n>")
    parser.add_argument("--offline", action="store_true", help="never fetch weights")
    if values:
        parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help=f"configuration values, as {example}")


def network_config(arguments: argparse.Namespace, overrides: "Sequence[str]" = ()) -> "Config":
    """The configuration those options ask for.

    Args:
        arguments: of a parser that ``add_network_options`` has seen.
        overrides: further values; those of the command line win.

    Raises:
        UserError: as ``pipeline.config.load_config``.
    """
    from pipeline.config import load_config

    values = [*overrides, *arguments.overrides]
    if arguments.device is not None:
        values.append(f"run.device={arguments.device}")
    if arguments.offline:
        values.append("run.offline=true")
    return load_config(arguments.config, values)
