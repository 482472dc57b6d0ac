"""What the command lines of trainings share: options, where numbers go, and how a training is run to its end."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from data.config import Section
from data.errors import UserError

if TYPE_CHECKING:
    from data.training_preview import Preview
    from reid.training.ranks import Ranks
    from reid.training.writers import ScalarWriter

    Build = Callable[[str, ScalarWriter, Ranks], "Training"]


class Training(Protocol):
    """Something that can be trained."""

    def run(self) -> dict[str, float]:
        """Train to the end; the last scores."""
        ...


def training_parser(tool: str, description: str, configs: str) -> argparse.ArgumentParser:
    """The command line of a training.

    Args:
        tool: its name.
        description: what it does, and after an empty line examples.
        configs: where its configurations lie, as a pattern.
    """
    summary, _, examples = description.partition("\n\n")
    parser = argparse.ArgumentParser(
        prog=f"python -m tools.{tool}",
        description=summary,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="changes to the configuration")
    parser.add_argument("--config", type=Path, required=True, help=f"a file as {configs}")
    parser.add_argument("--out", type=Path, help="folder of the training")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n> (default: auto)")
    parser.add_argument("--resume", action="store_true", help="go on where the training in --out stopped")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the configuration, check it and the data, and leave"
    )
    add_writer_options(parser)
    return parser


def add_writer_options(parser: argparse.ArgumentParser) -> None:
    """Let a command line say where numbers go."""
    parser.add_argument("--no-tensorboard", action="store_true", help="write no TensorBoard files")
    parser.add_argument("--wandb", metavar="PROJECT", help="also send the numbers to this Weights & Biases project")


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Let a command line look at a training before it is begun."""
    parser.add_argument(
        "--dry-run", action="store_true", help="print the configuration, check it and the data, and leave"
    )


def check_out(arguments: argparse.Namespace, *instead: bool) -> None:
    """Make sure that a training has a folder, unless one of these other things is to be done instead.

    Raises:
        UserError: when it has none.
    """
    if arguments.out is None and not any(instead):
        raise UserError("--out is missing: name the folder of the training")


def tell_preview(preview: "Preview") -> int:
    """Print how a training would run, and what was found; the exit code.

    Raises:
        UserError: when it could not run.
    """
    import yaml

    print(yaml.safe_dump(preview.tree, sort_keys=False), end="")
    print("".join(f"# {line}\n" for line in preview.facts), end="")
    if preview.problems:
        more = f" (and {len(preview.problems) - 1} more)" if len(preview.problems) > 1 else ""
        raise UserError(f"{preview.problems[0]}{more}")
    return 0


def run_training(arguments: argparse.Namespace, config: Section, build: "Build") -> int:
    """Train, and print the last scores; the exit code.

    Args:
        arguments: with ``out``, ``device``, ``resume`` and those of ``add_writer_options``.
        config: the training.
        build: makes it, given torch device, writer and processes.

    Raises:
        UserError: when the device, the data or the folder do not fit, or the training fails.
    """
    import logging
    import os

    from data.runtime.torch_device import torch_device
    from data.training_folder import CURVES, LAST
    from reid.training.ranks import Ranks
    from reid.training.writers import ScalarWriter, WandbWriter, Writers, tensorboard_writer

    device = arguments.device
    if device in ("auto", "cuda") and "LOCAL_RANK" in os.environ:
        from torch import cuda

        device = f"cuda:{os.environ['LOCAL_RANK']}" if cuda.is_available() or device == "cuda" else "cpu"
    device = torch_device(device)
    ranks = Ranks.of_torchrun()
    if not ranks.leads:
        logging.getLogger().setLevel(logging.WARNING)
    writers: list[ScalarWriter] = []
    if ranks.leads and arguments.wandb:
        writers.append(WandbWriter(arguments.wandb, arguments.out, config.model_dump(mode="json")))
    if ranks.leads and not arguments.no_tensorboard and (tensorboard := tensorboard_writer(arguments.out)) is not None:
        writers.append(tensorboard)
    writer = Writers(writers)
    try:
        scores = build(device, writer, ranks).run()
    finally:
        writer.close()
        ranks.leave()
    if ranks.leads:
        for name, value in scores.items():
            print(f"{name:30} {value:.4f}")
        print(f"weights: {arguments.out / LAST}; curves: {arguments.out / CURVES}")
    return 0
