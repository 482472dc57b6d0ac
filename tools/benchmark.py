"""Measure our code beside straightforward references: wall time, CPU time and peak memory, on the same input."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from data.registry import resolve
from pipeline.cli import run
from tools.result_file import write_result

if TYPE_CHECKING:
    from tools.benchmarks.base import Case, Contender, Measurement

BENCHMARKS = {
    "st": "tools.benchmarks.space_time:cases",
    "rerank": "tools.benchmarks.reranking:cases",
    "eval": "tools.benchmarks.evaluation:cases",
    "tracking": "tools.benchmarks.tracking:cases",
    "pipeline": "tools.benchmarks.whole:pipeline_cases",
    "runtimes": "tools.benchmarks.runtimes:cases",
    "cameras": "tools.benchmarks.whole:camera_cases",
    "kpr": "tools.benchmarks.kpr:cases",
    "gpu": "tools.benchmarks.gpu:cases",
    "trackers": "tools.benchmarks.single_camera:cases",
}

_ON_SETS = "trackers"


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.benchmark", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"benchmarks: {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="small inputs: does it run, and do results agree?")
    parser.add_argument("--ours-only", action="store_true", help="leave out the references")
    parser.add_argument("--threads", type=int, default=1, help="threads of the array libraries (default 1)")
    parser.add_argument(
        "--sets", nargs="+", type=Path, default=[], metavar="FOLDER",
        help="benchmark trackers: your own sets, each a folder with det/, meta.json and gt/",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks; 1 when a result differs from its reference."""
    arguments = build_parser().parse_args(argv)
    selected = [resolve("benchmark", name, BENCHMARKS) for name in arguments.names]
    if arguments.sets and arguments.names != [_ON_SETS]:
        raise UserError(f"--sets is of the benchmark '{_ON_SETS}' alone")
    given = {"folders": arguments.sets} if arguments.sets else {}
    print(f"{os.cpu_count()} cores, {arguments.threads} thread(s); the machine's load now: {os.getloadavg()[0]:.1f}")
    print(f"{'':34s} {'wall s':>9s} {'CPU s':>9s} {'peak MiB':>9s} {'(base)':>8s}")
    records: list[dict[str, Any]] = []
    measured: list[tuple[Contender, Measurement]] = []
    agree = True
    for cases in selected:
        for case in cases(arguments.quick, **given):
            agree &= _run_case(case, arguments, records, measured)
    if arguments.json is not None:
        write_result(arguments.json, records)
    return 0 if agree else 1


def _run_case(
    case: "Case",
    arguments: argparse.Namespace,
    records: list[dict[str, Any]],
    measured: list[tuple["Contender", "Measurement"]],
) -> bool:
    from tools.benchmarks.base import measure

    print(case.name + (f"   [aim: {case.aim}]" if case.aim else ""), flush=True)
    ours = measure(case.ours, arguments.threads)
    _print_line(case.ours, ours)
    records.append({"case": case.name, "label": case.ours.label, **asdict(ours)})
    agree = True
    for contender in () if arguments.ours_only else case.references:
        # A reference of several cases is measured once.
        before = [found for known, found in measured if known is contender]
        theirs = before[0] if before else measure(contender, arguments.threads)
        measured.append((contender, theirs))
        _print_line(contender, theirs)
        records.append({"case": case.name, "label": contender.label, **asdict(theirs)})
        memory = theirs.peak_mib / ours.peak_mib
        if case.ours.operations and contender.operations:
            share = case.ours.operations / contender.operations
            print(f"    share of its rate: wall {share * theirs.wall_s / ours.wall_s:.1%}, "
                  f"CPU {share * theirs.cpu_s / ours.cpu_s:.1%}", flush=True)  # fmt: skip
            continue
        print(f"    ratio: wall {theirs.wall_s / ours.wall_s:.1f}x, CPU {theirs.cpu_s / ours.cpu_s:.1f}x, "
              f"peak memory {memory:.1f}x", flush=True)  # fmt: skip
        if case.tolerance is not None:
            difference = abs(theirs.check - ours.check) / max(abs(theirs.check), 1e-300)
            if difference > case.tolerance:
                agree = False
                print(f"    DIFFERENT RESULTS: {ours.check!r} and {theirs.check!r}", flush=True)
    return agree


def _print_line(contender: "Contender", m: "Measurement") -> None:
    told = "" if contender.score is None else f"   {contender.score()}"
    if contender.items:
        told += f"   {contender.items / m.wall_s:.1f} a second, {1000 * m.cpu_s / contender.items:.1f} CPU ms each"
    if contender.operations:
        told += f"   {contender.operations / m.wall_s / 1e12:.2f} Tflop/s"
    if contender.items and m.thirds_mib:
        told += f"   MiB by thirds of the time: {', '.join(f'{mib:.0f}' for mib in m.thirds_mib)}"
    figures = f"{m.wall_s:9.3f} {m.cpu_s:9.3f} {m.peak_mib:9.0f} {m.base_mib:8.0f}"
    print(f"  {contender.label:32s} {figures}{told}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
