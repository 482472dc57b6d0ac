"""Why two tracklets of a run were or were not joined, cue by cue, with pictures where the run has them."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli import run

if TYPE_CHECKING:
    from pipeline.folder.run_folder import RunFolder
    from pipeline.report.pairs_page import PairSide
    from pipeline.review.inspection import Candidate, Inspection
    from pipeline.review.replay import Replay


def main(argv: Sequence[str] | None = None) -> int:
    """Look at the pair, print what is known, write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.inspect_link",
        description=__doc__,
        epilog="Of two people, and of a tracklet and a person, the likeliest pair of tracklets is looked at.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the run; nothing else is needed")
    parser.add_argument("a", metavar="A", help="a tracklet, camera:local_id, or a person, its global id")
    parser.add_argument("b", metavar="B", help="the other one")
    parser.add_argument(
        "--corrections",
        type=Path,
        metavar="FILE",
        help="pairs declared the same or different (default: the run's)",
    )
    arguments = parser.parse_args(argv)

    from pipeline.folder.run_folder import RunFolder

    folder = RunFolder(arguments.run).require()
    found, looked = _inspected(folder, arguments)
    print("\n".join(_text(looked, found)))
    page = _page(folder, found, looked)
    if page is not None:
        print(f"pictures: {page}")
    return 0


def _inspected(folder: "RunFolder", arguments: argparse.Namespace) -> "tuple[Replay, Inspection]":
    from data.errors import UserError
    from pipeline.association.corrections import corrections_of_run
    from pipeline.review.inspection import candidate_row, inspect, strongest_pair
    from pipeline.review.replay import replay

    corrections = corrections_of_run(folder.used_corrections, arguments.corrections)
    found = replay(folder, corrections)
    a, b = strongest_pair(found.judgement, found.rows_of(arguments.a), found.rows_of(arguments.b))
    if a == b:
        raise UserError(f"'{arguments.a}' and '{arguments.b}' are the same tracklet; give two")
    looked_at = candidate_row(found.judgement, a, b) is not None
    if not looked_at:
        table = found.judgement.table
        found = replay(folder, corrections, (table.tracklets[a].key, table.tracklets[b].key))
    return found, inspect(found.judgement, found.labels, a, b, looked_at)


def _text(looked: "Inspection", found: "Replay") -> list[str]:
    from pipeline.review.inspection import name_of

    lines = [f"{name_of(side.key)}: {'; '.join(side.lines)}" for side in _sides(looked, found)]
    lines += [looked.verdict, *_facts(looked)]
    if looked.sayings:
        width = max(len(saying.name) for saying in looked.sayings)
        lines.append("natural-log likelihood ratio of one person, by cue:")
        lines += [
            f"  {saying.name.ljust(width)}  {saying.llr:+7.2f}  {saying.saw}".rstrip() for saying in looked.sayings
        ]
        lines.append(f"  {'sum'.ljust(width)}  {looked.log_odds:+7.2f}  probability {looked.probability:.3f}")
    if looked.parts.part_distances:
        lines.append("parts, distance (visibility of both):")
        lines += [
            f"  {name}  {distance:.3f} ({looked.parts.part_visibility.get(name, 0.0):.2f})"
            for name, distance in looked.parts.part_distances.items()
        ]
    return lines


def _facts(looked: "Inspection") -> list[str]:
    """What is known besides the cues."""
    from pipeline.review.inspection import name_of

    lines = []
    if math.isnan(looked.lag_s):
        lines.append("their clocks are not common: no lag is known")
    elif looked.lag_s < 0:
        lines.append(f"the second enters {-looked.lag_s:.2f} s before the first has left")
    else:
        lines.append(f"the second enters {looked.lag_s:.2f} s after the first has left")
    if not looked.sayings and not looked.excluded:
        lines.append("no cue has anything to say of the two: no part was described in both, and no lag counts")
    elif not looked.looked_at and not looked.excluded:
        lines.append("the run did not compare them, as each has enough nearer ones; what follows is what it would see")
    what = "the first and all others of their identity" if looked.joined else "their two identities"
    if looked.group_pairs:
        lines.append(
            f"{what} ({looked.group_sizes[0]} and {looked.group_sizes[1]} tracklets): {looked.group_pairs} pairs are "
            f"known, whose evidence as it adds up comes to a mean of {looked.group_added:.3f}; "
            f"{looked.threshold:g} is asked for"
        )
    if looked.joined and len(looked.chain) > 1:
        steps = [f"{name_of(a)} - {name_of(b)} {probability:.3f}" for a, b, probability in looked.chain]
        lines.append(f"held together by {', '.join(steps)}")
    for key, rivals in zip((looked.a, looked.b), looked.rivals):
        if rivals:
            lines.append(f"runners-up of {name_of(key)}: {', '.join(_rival(rival) for rival in rivals)}")
    return lines


def _rival(rival: "Candidate") -> str:
    from pipeline.review.inspection import name_of

    return f"{name_of(rival.key)} {rival.probability:.3f}{' (joined)' if rival.joined else ''}"


def _sides(looked: "Inspection", found: "Replay") -> "tuple[PairSide, PairSide]":
    from pipeline.report.pairs_page import PairSide
    from pipeline.review.inspection import name_of, place_text

    table, index = found.judgement.table, found.judgement.table.index()

    def side(key: tuple[str, int]) -> PairSide:
        row = index[key]
        return PairSide(key, name_of(key), (f"person {found.global_id(row)}", place_text(table, row)))

    return side(looked.a), side(looked.b)


def _page(folder: "RunFolder", found: "Replay", looked: "Inspection") -> Path | None:
    """Both tracklets side by side; None where the run kept no picture of either."""
    from pipeline.config import load_config
    from pipeline.folder.writer import only_writer
    from pipeline.report.pairs_page import PairSheet, has_pictures, write_pairs

    config = load_config([folder.config]).report
    if not has_pictures(folder, config, (looked.a, looked.b)):
        return None
    sheet = PairSheet(
        title=looked.verdict,
        sides=_sides(looked, found),
        lines=tuple(_facts(looked)),
        llr={saying.name: saying.llr for saying in looked.sayings},
        saw={saying.name: saying.saw for saying in looked.sayings},
    )
    with only_writer(folder.root):
        return write_pairs(folder, config, folder.inspection, "Two tracklets", str(folder.root.name), [sheet])


if __name__ == "__main__":
    sys.exit(run(main))
