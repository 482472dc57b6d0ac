"""Score a gait model: rank-n and nAUC of each test, and nearest neighbours between conditions.

python -m tools.evaluate_gait runs/reverse
python -m tools.evaluate_gait runs/reverse data.root=other/gaits.npz --confusion
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run
from tools.gait_scores import print_confusion, print_scores
from tools.result_file import write_result


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate_gait",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="folder of a model that tools.train_gait made")
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="other data than it was trained with")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the scores (shares)")
    parser.add_argument("--confusion", action="store_true", help="print who was taken for whom")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n> (default: auto)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Score it; the scores of its training, in its folder, stay what they are."""
    arguments = build_parser().parse_intermixed_args(argv)
    from data.runtime.torch_device import torch_device
    from reid.gait.experiment import evaluate_gait

    found = evaluate_gait(arguments.model, arguments.overrides, torch_device(arguments.device))
    print_scores(found)
    if arguments.json is not None:
        write_result(arguments.json, found.plain())
    if arguments.confusion:
        print_confusion(found)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
