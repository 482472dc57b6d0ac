"""Score a run or predictions by the rules of a public benchmark: a table, JSON, one self-contained page."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import UserError
from pipeline.cli import run
from tools.network_options import add_network_options, network_config
from tools.result_file import write_result

if TYPE_CHECKING:
    from pipeline.evaluation.benchmarks.result import BenchmarkResult

_PERSON_SEARCH = "posetrack21_person_search"
_STARTS = ("--videos", "--detections", "--tracks", "--demo")
_EPILOG = """
examples:
  python -m tools.evaluate --dataset posetrack21 --root PoseTrack21 --pred predictions/val
  python -m tools.evaluate --dataset posetrack21 --root PoseTrack21 --run runs/pt --pipeline configs/posetrack21.yaml
  python -m tools.evaluate --dataset wildtrack --root WILDTRACK --run runs/mine --html scores.html
  python -m tools.evaluate --dataset site --root cmc1 --places cmc1_world --run runs/new \\
      --pipeline configs/testdata.yaml -- --detections boxes --site site.yaml

With --pipeline, the run is made first: `pipeline.run --config FILE --output RUN` with the arguments after `--`; where
these do not say what it starts from, it starts from the pictures of the data set. For person search people are found
and described without tracks; after `--` may follow --device, --offline, --overwrite and key.sub=value.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--dataset",
        required=True,
        metavar="NAME",
        help="mot15, mot16, mot17, mot20, posetrack21, posetrack21_mot, posetrack21_person_search, dukemtmc, "
        "wildtrack, aicity, aicity2025, nlpr_mct, cmc, campus, epfl, or site: any cameras with one <camera>.txt each",
    )
    parser.add_argument("--root", type=Path, required=True, help="the data set's folder, as published")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--run", type=Path, help="a run folder")
    given.add_argument("--pred", type=Path, help="a folder or file of predictions in the benchmark's format")
    parser.add_argument("--pipeline", type=Path, metavar="FILE", help="make the run first, with this configuration")
    parser.add_argument("--split", default="", help="part of the data set (default: the one usually reported)")
    parser.add_argument("--sequences", nargs="+", default=(), metavar="NAME", help="score only these")
    parser.add_argument(
        "--allow-missing", action="store_true", help="score sequences without predictions as empty, and say so"
    )
    parser.add_argument("--min-visibility", type=float, metavar="V", help="truth less visible (0-1) is don't-care")
    parser.add_argument("--places", type=Path, metavar="DIR", help="truth of places on the ground in metres, of a site")
    parser.add_argument("--ground", type=float, metavar="METRES", help="distance that makes a match on the ground")
    parser.add_argument("--fps", type=float, help="frames per second of the truth of places")
    parser.add_argument(
        "--keypoint-min",
        type=float,
        default=0.0,
        metavar="C",
        help="joints of a run less sure than this (0-1) are not there (posetrack21; default 0: all are)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the intervals (default 0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores (fractions)")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the page")
    parser.add_argument("pipeline_arguments", nargs="*", metavar="-- ARGUMENT", help="of pipeline.run, for --pipeline")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run where asked, score and print."""
    arguments = build_parser().parse_args(argv)
    if arguments.pipeline is not None and arguments.dataset == _PERSON_SEARCH:
        _describe(arguments)
    elif arguments.pipeline is not None:
        _make_run(arguments)
    elif arguments.pipeline_arguments:
        raise UserError(f"{arguments.pipeline_arguments[0]!r} is an argument of pipeline.run; give --pipeline FILE too")
    result = _score(arguments)
    _write(arguments, result)
    for line in result.warnings:
        print(f"note: {line}", file=sys.stderr)
    print(result.text())
    return 0


def _write(arguments: argparse.Namespace, result: "BenchmarkResult") -> None:
    """JSON and page; before anything is printed, because a reader of the text may close the pipe."""
    if arguments.json is not None:
        write_result(arguments.json, result.to_json())
    if arguments.html is not None:
        from pipeline.evaluation.benchmarks.page import write_page

        try:
            write_page(arguments.html, result)
        except OSError as error:
            raise UserError(f"{error.filename}: cannot be written ({error.strerror}); give another file") from None


def _make_run(arguments: argparse.Namespace) -> None:
    from pipeline import run as pipeline_run

    if arguments.run is None:
        raise UserError("--pipeline makes a run: give its folder with --run")
    options = ["--config", str(arguments.pipeline), "--output", str(arguments.run), *arguments.pipeline_arguments]
    if not any(option in _STARTS for option in arguments.pipeline_arguments):
        from pipeline.evaluation.benchmarks.pictures import video_arguments

        options += video_arguments(arguments.dataset, arguments.root, arguments.split, arguments.sequences)
    if pipeline_run.main(options) != 0:
        raise UserError(f"{arguments.run} was not finished, so it is not scored")


def _describe(arguments: argparse.Namespace) -> None:
    """Find and describe the people of person search: no tracks are made of single pictures."""
    from pipeline.evaluation.benchmarks.search_features import describe_search_set

    if arguments.run is None:
        raise UserError("--pipeline makes what is scored: give its folder with --run")
    parser = argparse.ArgumentParser(prog=f"python -m tools.evaluate --dataset {_PERSON_SEARCH} ... --")
    add_network_options(parser, "reid.name=osnet_onnx")
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier call made")
    given = ["--config", str(arguments.pipeline), *arguments.pipeline_arguments]
    options = parser.parse_intermixed_args(given)
    describe_search_set(arguments.root, network_config(options), arguments.run, options.overwrite)


def _score(arguments: argparse.Namespace) -> "BenchmarkResult":
    from pipeline.evaluation.benchmarks.registry import BENCHMARKS
    from pipeline.evaluation.benchmarks.request import BenchmarkRequest

    score = BENCHMARKS.load(arguments.dataset)
    if not arguments.root.is_dir():
        raise UserError(f"{arguments.root} is not a folder; give the folder of {arguments.dataset}")
    return score(
        BenchmarkRequest(
            dataset=arguments.dataset,
            root=arguments.root,
            pred=arguments.run or arguments.pred,
            split=arguments.split,
            sequences=tuple(arguments.sequences),
            allow_missing=arguments.allow_missing,
            min_visibility=arguments.min_visibility,
            places=arguments.places,
            ground_m=arguments.ground,
            fps=arguments.fps,
            keypoint_min=arguments.keypoint_min,
            seed=arguments.seed,
        )
    )


if __name__ == "__main__":
    sys.exit(run(main))
