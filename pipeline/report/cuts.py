"""Where tracklets were cut because they change person, with what was seen before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.splits import Split, piece_spans
from pipeline.report.evidence import Side, side_of
from pipeline.report.pictures import Album


@dataclass(frozen=True, slots=True)
class CutRow:
    """A row of the table.

    Attributes:
        before: the piece that ends.
        after: the piece that begins.
        time_s: when, source seconds.
        probability: that somebody took over.
        llr: natural-log likelihood ratio of that.
        taken_from: track that was followed as this person before, or -1.
        joined: the association gave both pieces one identity all the same.
    """

    before: Side
    after: Side
    time_s: float
    probability: float
    llr: float
    taken_from: int
    joined: bool


def cut_rows(splits: Sequence[Split], people: Mapping[tuple[str, int], tuple[str, str]], album: Album) -> list[CutRow]:
    """Rows, the least certain cut first.

    Args:
        splits: of the run.
        people: label and anchor of each piece's person, by (camera, local_id).
        album: where pictures come from.
    """
    names = list(piece_spans(splits))
    before_of = dict(zip(names[1:], names))
    rows = []
    for split in sorted(splits, key=lambda item: (item.probability, item.camera, item.new_id)):
        after = (split.camera, split.new_id)
        sides = side_of(before_of[after], people, album), side_of(after, people, album)
        joined = sides[0].label == sides[1].label
        rows.append(CutRow(*sides, split.time_s, split.probability, split.llr, split.taken_from, joined))
    return rows
