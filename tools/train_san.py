"""Train SAN, or its generator of textures, SAN-PG.

python -m tools.train_san --config configs/san/pg_pit.yaml --out runs/san_pg
python -m tools.make_textures Market-1501/bounding_box_train --weights runs/san_pg/last.safetensors --out textures
python -m tools.train_san --config configs/san/market1501.yaml --out runs/san start=runs/san_pg/last.safetensors
"""

import sys
from collections.abc import Sequence

from pipeline.cli import run
from tools.training_options import check_out, run_training, tell_preview, training_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Train, and print the last scores; 0 when training reached its end."""
    parser = training_parser("train_san", __doc__ or "", "configs/san/*.yaml")
    arguments = parser.parse_intermixed_args(argv)
    check_out(arguments, arguments.dry_run)
    from reid.training.san_config import load_san_training

    config = load_san_training(arguments.config, arguments.overrides)
    if arguments.dry_run:
        from reid.training.preview import preview_san

        return tell_preview(preview_san(config))

    from reid.training.san import SanTrainer

    return run_training(
        arguments,
        config,
        lambda device, writer, ranks: SanTrainer(config, arguments.out, device, arguments.resume, writer, ranks),
    )


if __name__ == "__main__":
    sys.exit(run(main))
