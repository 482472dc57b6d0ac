"""Train SAN, or its generator of textures, SAN-PG.

python -m tools.train_san --config configs/san/pg_pit.yaml --out runs/san_pg
python -m tools.make_textures Market-1501/bounding_box_train --weights runs/san_pg/last.safetensors --out textures
python -m tools.train_san --config configs/san/market1501.yaml --out runs/san start=runs/san_pg/last.safetensors
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tools.train_san",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="changes to the configuration")
    parser.add_argument("--config", type=Path, required=True, help="a file as configs/san/*.yaml")
    parser.add_argument("--out", type=Path, required=True, help="folder of the training")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n> (default: auto)")
    parser.add_argument("--resume", action="store_true", help="go on where the training in --out stopped")
    parser.add_argument("--dry-run", action="store_true", help="print the configuration, defaults included, and leave")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Train, and print the last scores; 0 when training reached its end."""
    arguments = build_parser().parse_intermixed_args(argv)
    from reid.training.san_config import load_san_training

    config = load_san_training(arguments.config, arguments.overrides)
    if arguments.dry_run:
        import yaml

        print(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), end="")
        return 0

    from data.runtime.torch_device import torch_device
    from reid.training.san import SanTrainer

    scores = SanTrainer(config, arguments.out, torch_device(arguments.device), arguments.resume).run()
    for name, value in scores.items():
        print(f"{name:30} {value:.4f}")
    print(f"weights: {arguments.out / 'last.safetensors'}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
