"""Score a detector, and its keypoints, against the truth of annotated pictures or of a synthetic site.

python -m tools.evaluate_detector --site runs/demo_site --every 5 detector.name=person_pose detector.weights=...
python -m tools.evaluate_detector --truth pictures/frames.json --config configs/testdata.yaml
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.cli import run
from tools.result_file import write_result


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate_detector", description=(__doc__ or "").split("\n")[0]
    )
    truth = parser.add_mutually_exclusive_group(required=True)
    truth.add_argument("--truth", type=Path, metavar="JSON", help="COCO keypoint file beside its pictures")
    truth.add_argument("--site", nargs="+", metavar="DIR", help="folders of python -m tools.make_synthetic")
    parser.add_argument("--every", type=int, default=5, help="--site: look at every so many frames (default 5)")
    parser.add_argument("--least-seen", type=float, default=0.3, help="people seen less may be missed (default 0.3)")
    parser.add_argument("--least-height", type=float, default=24.0, help="the same for lower ones, px (default 24)")
    parser.add_argument("--config", type=Path, action="append", default=[], metavar="FILE", help="YAML patch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the scores to a file")
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="configuration values")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Look, score and print."""
    arguments = build_parser().parse_intermixed_args(argv)
    from itertools import chain

    from data.errors import UserError
    from pipeline.backends.registry import build_perceiver
    from pipeline.config import load_config, split_overrides
    from pipeline.evaluation.perception import pictures, score_perceiver, site_frames
    from pipeline.weights.store import WeightStore

    if arguments.every < 1:
        raise UserError(f"--every {arguments.every}: give at least 1")
    sites, overrides = split_overrides(arguments.site or [])
    if arguments.truth is None and not sites:
        raise UserError("--site: name at least one folder of python -m tools.make_synthetic")
    config = load_config(arguments.config, [*overrides, *arguments.overrides])
    store = WeightStore(offline=config.run.offline)
    perceiver = build_perceiver(config.detector, config.pose, config.run.device, store, config.run.threads)
    samples = (
        pictures(arguments.truth)
        if arguments.truth is not None
        else chain.from_iterable(site_frames(Path(site), arguments.every) for site in sites)
    )
    scores = asdict(score_perceiver(perceiver, samples, arguments.least_seen, arguments.least_height))
    for name, value in scores.items():
        print(f"{name:12} {value:.4f}" if isinstance(value, float) else f"{name:12} {value}")
    if arguments.json is not None:
        write_result(arguments.json, scores)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
