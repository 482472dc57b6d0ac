"""Score tracks: HOTA, CLEAR and identity measures, per camera, combined, across cameras, on the ground in metres."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.errors import UserError
from pipeline.cli import run
from pipeline.evaluation.evaluate import EvaluationOptions, evaluate_folders
from pipeline.evaluation.evaluate_ground import GroundResult, evaluate_ground
from pipeline.evaluation.result import EvaluationResult
from pipeline.evaluation.rules import RULE_NAMES
from tools.result_file import write_result


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.evaluate_tracking", description=__doc__)
    parser.add_argument(
        "--gt", type=Path, required=True, help="truth: <sequence>/gt/gt.txt or <camera>.txt; with --ground <group>.txt"
    )
    parser.add_argument("--pred", type=Path, required=True, help="predictions: <sequence>.txt, or a run folder")
    parser.add_argument(
        "--cross-camera", action="store_true", help="also join all cameras: an id must agree across them"
    )
    parser.add_argument(
        "--rule",
        choices=RULE_NAMES,
        help="which truth counts (default: rule.json beside the truth, else mot17 for <sequence>/gt/gt.txt and plain "
        "for <camera>.txt). mot17: pedestrians of flag 1; predictions on distractors are taken back. mot15: flag 1; "
        "predictions on flag 0 are false. plain: flag 1; any other truth is don't-care",
    )
    parser.add_argument(
        "--min-visibility", type=float, metavar="V", help="plain: truth less visible than this (0-1) is don't-care"
    )
    parser.add_argument("--iou", type=float, help="overlap that makes a match in CLEAR and identity (default 0.5)")
    parser.add_argument("--sequences", nargs="+", default=(), metavar="NAME", help="score only these")
    parser.add_argument(
        "--allow-missing", action="store_true", help="score sequences without a file of predictions as empty"
    )
    parser.add_argument(
        "--ground",
        type=float,
        metavar="METRES",
        help="score places on the ground (world/<group>.csv of a run) against truth in metres (rows "
        "frame,id,-1,-1,-1,-1,flag,x,y); a match is less than this apart, usually 1.0",
    )
    parser.add_argument(
        "--fps", type=float, help="with --ground: frames per second of the truth (default: that of the run's cameras)"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write the scores (fractions) to a file, or in place of the table to - (stdout)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Score and print."""
    arguments = build_parser().parse_args(argv)
    result = _on_ground(arguments) if arguments.ground is not None else _in_pictures(arguments)
    if arguments.json is not None:
        write_result(arguments.json, result.to_json())
    if arguments.json != Path("-"):
        print(result.table())
    return 0


def _on_ground(arguments: argparse.Namespace) -> GroundResult:
    boxes_only = ("cross_camera", "rule", "min_visibility", "iou", "sequences", "allow_missing")
    for name in boxes_only:
        if getattr(arguments, name):
            raise UserError(f"--{name.replace('_', '-')} is about boxes in pictures; leave it out with --ground")
    return evaluate_ground(arguments.gt, arguments.pred, arguments.ground, arguments.fps)


def _in_pictures(arguments: argparse.Namespace) -> EvaluationResult:
    if arguments.fps is not None:
        raise UserError("--fps goes with --ground")
    options = EvaluationOptions(
        rule=arguments.rule,
        min_visibility=arguments.min_visibility,
        iou=arguments.iou,
        cross_camera=arguments.cross_camera,
        sequences=tuple(arguments.sequences),
        allow_missing=arguments.allow_missing,
    )
    return evaluate_folders(arguments.gt, arguments.pred, options)


if __name__ == "__main__":
    sys.exit(run(main))
