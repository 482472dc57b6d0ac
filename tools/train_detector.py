"""Train the small detector with keypoints.

python -m tools.train_detector --config configs/detector/person_pose_synthetic.yaml --out runs/detector
python -m tools.train_detector --config configs/detector/person_pose_synthetic.yaml --out runs/detector --resume
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run


def main(argv: Sequence[str] | None = None) -> int:
    """Train; 0 when training reached its end."""
    parser = argparse.ArgumentParser(prog="python -m tools.train_detector", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="changes to the configuration")
    parser.add_argument("--config", type=Path, required=True, help="a file as configs/detector/*.yaml")
    parser.add_argument("--out", type=Path, required=True, help="folder of the training")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n> (default: auto)")
    parser.add_argument("--resume", action="store_true", help="go on where the training in --out stopped")
    parser.add_argument("--dry-run", action="store_true", help="print the configuration, defaults included, and leave")
    arguments = parser.parse_intermixed_args(argv)

    from pipeline.person_pose.config import load_training

    config = load_training(arguments.config, arguments.overrides)
    if arguments.dry_run:
        import yaml

        print(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), end="")
        return 0

    from data.runtime.torch_device import torch_device
    from pipeline.person_pose.training import Trainer

    weights = Trainer(config, arguments.out, torch_device(arguments.device), arguments.resume).run()
    print(f"weights: {weights}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
