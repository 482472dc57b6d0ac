"""Train a gait model: its encoders, without labels, and the network that recognises people by their features.

python -m tools.train_gait --config configs/gait/synthetic.yaml --out runs/reverse model=reverse
python -m tools.train_gait --config configs/gait/synthetic.yaml --out runs/sc --encoder ENCODER.safetensors level=sc
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run
from tools.gait_scores import print_scores
from tools.training_options import add_dry_run, check_out, tell_preview


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tools.train_gait",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="changes to the configuration")
    parser.add_argument("--config", type=Path, required=True, help="a file as configs/gait/*.yaml")
    parser.add_argument("--out", type=Path, help="folder of the model")
    parser.add_argument(
        "--encoder", type=Path, action="append", default=[], metavar="FILE",
        help="finished encoder; only recognition is trained; given three times for rev_rec_plus: reverse, prediction, "
        "sorting",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n> (default: auto)")
    parser.add_argument("--resume", action="store_true", help="go on with the encoders' trainings in --out")
    parser.add_argument("--overwrite", action="store_true", help="replace a model in --out")
    add_dry_run(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Train, and print the scores."""
    arguments = build_parser().parse_intermixed_args(argv)
    from data.errors import UserError
    from data.section_files import load_section
    from reid.gait.config import GaitConfig

    check_out(arguments, arguments.dry_run)
    config = load_section(GaitConfig, arguments.config, arguments.overrides)
    if arguments.resume and (arguments.overwrite or arguments.encoder):
        raise UserError("--resume goes on with encoders in --out: leave --overwrite and --encoder out")
    if arguments.dry_run:
        from reid.gait.experiment import preview_gait

        return tell_preview(preview_gait(config, arguments.encoder))
    from data.runtime.torch_device import torch_device
    from reid.gait.experiment import train_gait

    found = train_gait(
        config,
        arguments.out,
        torch_device(arguments.device),
        arguments.resume,
        arguments.overwrite,
        arguments.encoder,
    )
    if config.recognition.select_on_test:
        print("chosen on the test set: these figures are too good (recognition.select_on_test)")
    print_scores(found)
    print(f"model: {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
