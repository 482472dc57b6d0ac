"""Make a synthetic multi-camera site with perfect truth: videos, ground truth, keypoints, calibration, ReID crops."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.make_synthetic", description=__doc__)
    parser.add_argument("--preset", required=True, help="tiny, demo, hard, heldout1..5, or a YAML file of your own")
    parser.add_argument("--seed", type=int, default=1, help="of people, walks, colours and cameras (default 1)")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--overwrite", action="store_true", help="replace a site that was made before")
    parser.add_argument("--no-video", action="store_true", help="leave out the videos; the truth is the same")
    parser.add_argument("--masks", action="store_true", help="part and instance masks too, two PNG files per frame")
    parser.add_argument("--no-reid", action="store_true", help="leave out the ReID crops")
    parser.add_argument("--textures", action="store_true", help="also the texture of each person of the crops (SAN)")
    parser.add_argument("--workers", type=int, help="processes (default: one per core, at most one per camera)")
    parser.add_argument(
        "--device",
        default="cpu",
        help="where people are drawn: auto (a GPU where there is one), cpu, cuda or cuda:<n>; the truth is the same "
        "(default: cpu)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Make the site."""
    arguments = build_parser().parse_args(argv)
    from data.errors import UserError
    from data.runtime.torch_device import torch_device
    from data.synthetic.export import make_site
    from data.synthetic.scenario import load_preset

    if arguments.seed < 0:
        raise UserError(f"--seed {arguments.seed}: give a whole number from 0 up")
    if arguments.workers is not None and arguments.workers < 1:
        raise UserError(f"--workers {arguments.workers}: give at least 1")
    preset = load_preset(arguments.preset)
    if arguments.textures:
        preset = preset.model_copy(update={"reid": preset.reid.model_copy(update={"textures": True})})
    truth = make_site(
        preset,
        arguments.seed,
        arguments.out,
        video=not arguments.no_video,
        masks=arguments.masks,
        reid=not arguments.no_reid,
        overwrite=arguments.overwrite,
        workers=arguments.workers,
        device=torch_device(arguments.device),
    )
    for name, told in truth["cameras"].items():
        print(
            f"{name}: {told['frames']} frames, {told['boxes']} boxes of {told['people']} people, {told['crops']} crops"
        )
    print(f"{arguments.out}: {truth['people']} people, truth {truth['truth'][:16]}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
