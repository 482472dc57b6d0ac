"""Make pictures to train on from random synthetic sites: frames with boxes and keypoints, and ReID crops."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.make_training_set", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--sites", type=int, default=24, help="random sites (default 24)")
    parser.add_argument("--seed", type=int, default=1000, help="of the first site; the others follow (default 1000)")
    parser.add_argument("--frames", type=int, default=30, help="pictures per camera (default 30)")
    parser.add_argument("--people", type=int, default=0, help="identities per site with ReID crops (default 0: none)")
    parser.add_argument("--test-people", type=int, default=0, help="identities per site in query and gallery")
    parser.add_argument("--crops", type=int, default=4, help="ReID crops of a person in each camera (default 4)")
    parser.add_argument("--textures", action="store_true", help="also the texture of each person of the crops (SAN)")
    parser.add_argument(
        "--occluded", type=float, default=0.65, metavar="SHARE", help="of the crops with other people (default 0.65)"
    )
    parser.add_argument("--workers", type=int, help="processes (default: one per core)")
    parser.add_argument(
        "--device",
        default="cpu",
        help="where people are drawn: auto (a GPU where there is one), cpu, cuda or cuda:<n>; the truth is the same "
        "(default: cpu)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Make the pictures."""
    arguments = build_parser().parse_args(argv)
    from data.errors import UserError
    from data.runtime.torch_device import torch_device
    from data.synthetic.training_set import TrainingSet, make_training_set

    for name, least in (("sites", 1), ("seed", 0), ("frames", 0), ("people", 0), ("test_people", 0), ("crops", 2)):
        if getattr(arguments, name) < least:
            raise UserError(f"--{name.replace('_', '-')} {getattr(arguments, name)}: give at least {least}")
    if arguments.workers is not None and arguments.workers < 1:
        raise UserError(f"--workers {arguments.workers}: give at least 1")
    if not arguments.frames + arguments.people + arguments.test_people:
        raise UserError("--frames 0 without --people makes nothing; give one of them")
    recipe = TrainingSet(
        sites=arguments.sites,
        seed=arguments.seed,
        frames=arguments.frames,
        people=arguments.people,
        test_people=arguments.test_people,
        crops=arguments.crops,
        textures=arguments.textures,
        occluded_share=arguments.occluded,
    )
    people = make_training_set(recipe, arguments.out, arguments.workers, torch_device(arguments.device))
    print(f"{arguments.out}: {people} people in the frames of {arguments.sites} sites")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
