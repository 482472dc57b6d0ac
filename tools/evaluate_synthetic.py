"""Score the pipeline on synthetic sites, over seeds and in several ways.

python -m tools.evaluate_synthetic --presets demo hard --seeds 1 2 3 4 5 --ways shipped perfect --out runs/synthetic
python -m tools.evaluate_synthetic --presets demo --ways shipped real=configs/testdata.yaml --out runs/synthetic
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.cli import run


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate_synthetic", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--presets", nargs="+", default=["demo"], help="sites (default demo)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1], help="seeds of every site (default 1)")
    parser.add_argument(
        "--ways",
        nargs="+",
        default=["shipped", "perfect"],
        metavar="WAY",
        help="shipped: our synthetic weights; perfect: people and skeletons of the truth; NAME=CONFIG.yaml",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder of the runs; complete ones of the same settings and weights stand",
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="key.sub=value", help="configuration values")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run all and print the table."""
    arguments = build_parser().parse_args(argv)
    from data.errors import UserError
    from pipeline.trials.site_trials import parse_way, run_trial, table

    ways = [parse_way(text) for text in arguments.ways]
    trials = [
        run_trial(preset, seed, way, arguments.out, arguments.set)
        for preset in arguments.presets
        for seed in arguments.seeds
        for way in ways
    ]
    try:
        text = json.dumps([asdict(trial) for trial in trials], indent=1) + "\n"
        (arguments.out / "trials.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{arguments.out}: cannot be written ({error.strerror})") from None
    print(table(trials))
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
