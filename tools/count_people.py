"""Count people, not tracks: how many were in each camera of a finished run, and when; also as a table of all visits."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli import run

if TYPE_CHECKING:
    from pipeline.review.visits import Visits


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.count_people", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--every", type=float, metavar="S", help="also how many different people in every so many seconds"
    )
    parser.add_argument(
        "--visits", type=Path, metavar="FILE.csv", help="write all visits: who, where, from when to when"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Count, print and write."""
    arguments = build_parser().parse_args(argv)

    from data.atomic import write_text
    from data.errors import UserError
    from pipeline.folder.run_folder import RunFolder
    from pipeline.report.facts import camera_facts, clocks_common
    from pipeline.review.visits import visits_csv, visits_of

    folder = RunFolder(arguments.run).require()
    cameras = list(folder.read_inputs())
    visits = visits_of(folder.read_global_tracks(), cameras)
    common = clocks_common(camera_facts(folder.read_manifest(), cameras, {}))
    for line in _lines(visits, arguments.every, common):
        print(line)
    if arguments.visits is not None:
        try:
            write_text(arguments.visits, visits_csv(visits))
        except OSError as error:
            raise UserError(f"cannot write {arguments.visits}: {error.strerror}; choose another file") from None
        print(arguments.visits)
    return 0


def _lines(visits: "Visits", every_s: float | None, common: bool) -> Iterator[str]:
    import numpy as np

    from pipeline.review.visits import date_text, presence

    rows = [["camera", "people", "visits", "median s"]]
    for number, camera in enumerate(visits.cameras):
        own = visits.camera == number
        stay = f"{np.median((visits.end_s - visits.start_s)[own]):.1f}" if own.any() else "-"
        rows.append([camera, str(len(np.unique(visits.person[own]))), str(own.sum()), stay])
    rows.append(["all", str(len(np.unique(visits.person))), str(len(visits)), ""])
    yield from _table(rows)
    if every_s is None:
        return
    counted = presence(visits, every_s)
    yield ""
    if not common:
        yield "clocks are not known to be common: each camera's own time, and nobody is counted over all"
    rows = [["from", *visits.cameras, *(["all"] if common else [])]]
    for start, by_camera, in_all in zip(counted.start_s, counted.by_camera, counted.in_all, strict=True):
        when = date_text(float(start)) or f"{start:g} s"
        rows.append([when, *map(str, by_camera), *([str(in_all)] if common else [])])
    yield from _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Aligned lines: the first column to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


if __name__ == "__main__":
    sys.exit(run(main))
