"""Check, renew or extend the list of frozen synthetic sites, which no training may see.

python -m tools.freeze_sites --check
python -m tools.freeze_sites --draw heldout6 --seed 9006 --watched 2,0,1 --out configs/synthetic/heldout6.yaml
python -m tools.freeze_sites --write --add heldout6=9006
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.freeze_sites",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    job = parser.add_mutually_exclusive_group(required=True)
    job.add_argument("--check", action="store_true", help="compute all hashes anew; exit code 1 when one differs")
    job.add_argument("--write", action="store_true", help="write the hashes of now into the list")
    job.add_argument("--draw", metavar="NAME", help="draw a site at random and write its preset to --out")
    parser.add_argument("--list", type=Path, help="the list of frozen sites (default configs/synthetic/frozen.yaml)")
    parser.add_argument("--workers", type=int, help="processes for --check and --write (default: one per core)")
    parser.add_argument(
        "--add", action="append", default=[], metavar="NAME=SEED", help="freeze this preset too (with --write)"
    )
    drawing = parser.add_argument_group("with --draw")
    drawing.add_argument("--seed", type=int, help="of the geometry; take one that no training has used")
    drawing.add_argument("--rooms", type=int, help="rooms in a row (default: as many as --watched has numbers)")
    drawing.add_argument("--watched", default="2,0,1", help="cameras of each room, 0 for a blind area (default 2,0,1)")
    drawing.add_argument("--people", type=int, default=8, help="number of people (default 8)")
    drawing.add_argument("--duration", type=float, default=20.0, help="seconds (default 20)")
    drawing.add_argument("--out", type=Path, help="the preset's file, which must be new")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Do what is asked; 1 when a checked hash differs."""
    arguments = build_parser().parse_args(argv)
    if arguments.draw is not None:
        return _draw(arguments)
    from data.errors import UserError
    from data.synthetic.freeze import recompute, write_frozen
    from data.synthetic.scenario import FROZEN_FILE

    if arguments.workers is not None and arguments.workers < 1:
        raise UserError(f"--workers {arguments.workers}: give at least 1")
    if arguments.add and not arguments.write:
        raise UserError("--add goes with --write")
    path = arguments.list or FROZEN_FILE
    sites = recompute(path, _seeds(arguments.add), arguments.workers)
    wrong = [site for site in sites if site.differs]
    for site in wrong:
        print(
            f"{site.name} (seed {site.seed}): the list says {site.stated or 'nothing'}, the preset gives {site.truth}"
        )
    if arguments.write:
        write_frozen(sites, path)
        print(f"{path}: {len(sites)} frozen sites, {len(wrong)} new hashes")
        return 0
    print(f"{path}: {len(sites)} frozen sites, {len(wrong)} differ")
    return 1 if wrong else 0


def _seeds(added: Sequence[str]) -> dict[str, int]:
    from data.errors import UserError

    seeds = {}
    for text in added:
        name, _, seed = text.partition("=")
        if not seed.isdecimal():
            raise UserError(f"--add {text}: give NAME=SEED, as heldout6=9006")
        seeds[name] = int(seed)
    return seeds


def _draw(arguments: argparse.Namespace) -> int:
    from data.errors import UserError
    from data.synthetic.freeze import Drawing, draw

    for name in ("seed", "out"):
        if getattr(arguments, name) is None:
            raise UserError(f"--draw needs --{name}")
    try:
        watched = tuple(int(number) for number in arguments.watched.split(","))
    except ValueError:
        raise UserError(f"--watched {arguments.watched}: give one number for each room, as 2,0,1") from None
    rooms = len(watched) if arguments.rooms is None else arguments.rooms
    drawing = Drawing(arguments.draw, arguments.seed, rooms, watched, arguments.people, arguments.duration)
    preset = draw(drawing, arguments.out)
    print(f"{arguments.out}: {len(preset.cameras)} cameras, {len(preset.blocks)} blocks, {preset.people} people")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
