"""Train a KPR or BPBReID network.

python -m tools.train_reid --config configs/reid/kpr_small_synthetic.yaml --out runs/kpr_small epochs=30
python -m tools.train_reid --config configs/reid/kpr_small_synthetic.yaml --out runs/kpr_small epochs=30 --resume
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.errors import UserError
from pipeline.cli import run


def main(argv: Sequence[str] | None = None) -> int:
    """Train, and print the last scores; 0 when training reached its end."""
    parser = argparse.ArgumentParser(prog="python -m tools.train_reid", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="changes to the configuration")
    parser.add_argument("--config", type=Path, required=True, help="a file as configs/reid/*.yaml")
    parser.add_argument("--out", type=Path, required=True, help="folder of the training")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n> (default: auto)")
    parser.add_argument("--resume", action="store_true", help="go on where the training in --out stopped")
    parser.add_argument(
        "--dry-run", action="store_true",
        help="print the configuration, defaults included, check data and weights, and leave",
    )  # fmt: skip
    parser.add_argument("--no-tensorboard", action="store_true", help="write no TensorBoard files")
    parser.add_argument("--wandb", metavar="PROJECT", help="also send the numbers to this Weights & Biases project")
    arguments = parser.parse_intermixed_args(argv)

    from reid.training.config import load_training

    config = load_training(arguments.config, arguments.overrides)
    if arguments.dry_run:
        import yaml

        from reid.training.preview import preview

        told = preview(config)
        print(yaml.safe_dump(told.tree, sort_keys=False), end="")
        print("\n".join(f"# {line}" for line in told.facts))
        if told.problems:
            more = f" (and {len(told.problems) - 1} more)" if len(told.problems) > 1 else ""
            raise UserError(f"{told.problems[0]}{more}")
        return 0

    from data.runtime.torch_device import torch_device
    from reid.training.engine import Trainer
    from reid.training.writers import ScalarWriter, WandbWriter, Writers, tensorboard_writer

    writers: list[ScalarWriter] = []
    if arguments.wandb:
        writers.append(WandbWriter(arguments.wandb, arguments.out, config.model_dump(mode="json")))
    if not arguments.no_tensorboard and (tensorboard := tensorboard_writer(arguments.out)) is not None:
        writers.append(tensorboard)
    writer = Writers(writers)
    try:
        trainer = Trainer(config, arguments.out, torch_device(arguments.device), arguments.resume, writer)
        scores = trainer.run()
    finally:
        writer.close()
    for name, value in scores.items():
        print(f"{name:30} {value:.4f}")
    print(f"weights: {arguments.out / 'last.safetensors'}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
