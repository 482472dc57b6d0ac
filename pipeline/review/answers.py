"""What a person answered about pairs of tracklets, and the corrections that follow."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from data.errors import UserError
from pipeline.association.corrections import Anchor, Correction, anchor_of
from pipeline.review.inspection import name_of
from pipeline.review.replay import Replay

Kind = Literal["same", "different"]

_KINDS: dict[str, Kind | None] = {
    "y": "same", "yes": "same", "n": "different", "no": "different", "s": None, "skip": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What two rows of the table are to the person who was asked."""

    a: int
    b: int
    kind: Kind


def is_answer(word: str) -> bool:
    """Whether a word is one of y, n, s, yes, no, skip."""
    return word.lower() in _KINDS


def answer_of(word: str, a: int, b: int) -> Answer | None:
    """An answer about two rows; None for a skip."""
    kind = _KINDS[word.lower()]
    return None if kind is None else Answer(a, b, kind)


def read_answers(lines: Iterable[str], found: Replay) -> list[Answer]:
    """Answers, one a line, as ``lobby:3 gate:7 y``; empty lines and those that begin with # say nothing.

    Raises:
        UserError: for a line that is none, and for tracklets that the run does not have.
    """
    answers = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = line.split()
        if len(words) != 3 or not is_answer(words[2]):
            raise UserError(f"answers, line {number}: '{line.strip()}' is not like: lobby:3 gate:7 y")
        rows = [found.rows_of(name) for name in words[:2]]
        if len(rows[0]) != 1 or len(rows[1]) != 1:
            raise UserError(
                f"answers, line {number}: '{line.strip()}' names a person of several tracklets; give tracklets"
            )
        a, b = int(rows[0][0]), int(rows[1][0])
        if a == b:
            raise UserError(f"answers, line {number}: '{line.strip()}' is about one tracklet; give two")
        answer = answer_of(words[2], a, b)
        answers += [] if answer is None else [answer]
    return answers


def corrections_of(answers: Sequence[Answer], found: Replay) -> list[Correction]:
    """Answers as corrections, without those that were given before.

    Raises:
        UserError: for a tracklet that no box of its own tells from another one.
    """
    table, declared = found.judgement.table, found.judgement.declared
    known: dict[tuple[int, int], Kind] = dict.fromkeys(declared.same, "same")
    known.update(dict.fromkeys(declared.different, "different"))
    corrections = []
    for answer in answers:
        pair = (min(answer.a, answer.b), max(answer.a, answer.b))
        if known.get(pair) != answer.kind:
            known[pair] = answer.kind
            names = [name_of(table.tracklets[row].key) for row in (answer.a, answer.b)]
            places = _anchor(found, answer.a), _anchor(found, answer.b)
            corrections.append(Correction(answer.kind, *places, f"asked: {names[0]} and {names[1]}"))
    return corrections


def _anchor(found: Replay, row: int) -> Anchor:
    table = found.judgement.table
    anchor = anchor_of(table, row, found.judgement.config.corrections)
    if anchor is None:
        name = name_of(table.tracklets[row].key)
        raise UserError(f"no box of {name} tells it from another tracklet that lies on it: it cannot be corrected")
    return anchor
