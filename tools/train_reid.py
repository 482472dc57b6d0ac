"""Train a KPR or BPBReID network.

python -m tools.train_reid --config configs/reid/kpr_small_synthetic.yaml --out runs/kpr_small epochs=30
python -m tools.train_reid --config configs/reid/kpr_small_synthetic.yaml --out runs/kpr_small epochs=30 --resume
python -m tools.train_reid --config configs/reid/kpr_small_synthetic.yaml --batch-picture batch.png
torchrun --nproc-per-node 2 -m tools.train_reid --config configs/reid/kpr_small_synthetic.yaml --out runs/kpr_small
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from data.errors import UserError
from pipeline.cli import run
from tools.training_options import check_out, run_training, tell_preview, training_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Train, and print the last scores; 0 when training reached its end."""
    parser = training_parser("train_reid", __doc__ or "", "configs/reid/*.yaml")
    parser.add_argument(
        "--batch-picture", type=Path, metavar="FILE",
        help="draw the first batch as the network would see it, with prompts and part labels, and leave",
    )  # fmt: skip
    arguments = parser.parse_intermixed_args(argv)
    draws = arguments.batch_picture is not None
    check_out(arguments, arguments.dry_run, draws)
    if arguments.dry_run and draws:
        raise UserError("--dry-run and --batch-picture: give one of them")

    from reid.training.config import load_training

    config = load_training(arguments.config, arguments.overrides)
    if arguments.dry_run:
        from reid.training.preview import preview

        return tell_preview(preview(config))

    if draws:
        from pipeline.rendering.batch_sheet import write_batch
        from reid.training.first_batch import first_batch

        batch = first_batch(config)
        write_batch(arguments.batch_picture, batch, 2 * config.batch.pictures)
        print(f"{arguments.batch_picture}: {len(batch)} crops, prompts on the left, part labels on the right")
        return 0

    from reid.training.engine import Trainer

    return run_training(
        arguments,
        config,
        lambda device, writer, ranks: Trainer(config, arguments.out, device, arguments.resume, writer, ranks),
    )


if __name__ == "__main__":
    sys.exit(run(main))
