"""Train the small detector with keypoints.

python -m tools.train_detector --config configs/detector/person_pose_synthetic.yaml --out runs/detector
python -m tools.train_detector --config configs/detector/person_pose_synthetic.yaml --out runs/detector --resume
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from data.errors import UserError
from pipeline.cli import run
from tools.training_options import check_out, run_training, tell_preview, training_parser

if TYPE_CHECKING:
    from pipeline.detector_training.training import Trainer
    from reid.training.ranks import Ranks
    from reid.training.writers import ScalarWriter


def main(argv: Sequence[str] | None = None) -> int:
    """Train; 0 when training reached its end."""
    parser = training_parser("train_detector", __doc__ or "", "configs/detector/*.yaml")
    arguments = parser.parse_intermixed_args(argv)
    check_out(arguments, arguments.dry_run)

    from pipeline.detector_training.config import load_training

    config = load_training(arguments.config, arguments.overrides)
    if arguments.dry_run:
        from pipeline.detector_training.training import preview

        return tell_preview(preview(config))

    def build(device: str, writer: "ScalarWriter", ranks: "Ranks") -> "Trainer":
        from pipeline.detector_training.training import Trainer

        if ranks.count > 1:
            raise UserError("the detector is trained by one process: start it without torchrun")
        return Trainer(config, arguments.out, device, arguments.resume, writer)

    return run_training(arguments, config, build)


if __name__ == "__main__":
    sys.exit(run(main))
