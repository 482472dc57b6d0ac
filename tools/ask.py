"""Ask a person about the links whose answers would change most; answers go into the run's corrections.

An answer is y (one person), n (two people) or s (skip: ask again another time). Answers come from the terminal or, one
line a pair, from --answers: `camera:local_id camera:local_id y`. Then `python -m tools.associate RUN` goes by them.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import UserError
from pipeline.cli import run

if TYPE_CHECKING:
    from pipeline.folder.run_folder import RunFolder
    from pipeline.review.answers import Answer
    from pipeline.review.questions import Question
    from pipeline.review.replay import Replay


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.ask", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the run; nothing else is needed")
    parser.add_argument("--count", type=int, default=10, metavar="N", help="questions at most (default 10)")
    parser.add_argument("--list", action="store_true", help="only list them, and write the page")
    parser.add_argument("--answers", metavar="FILE", help="take answers from a file, or from standard input with -")
    parser.add_argument(
        "--corrections", type=Path, metavar="FILE", help="where answers go (default: corrections.yaml of the run)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """List, show, ask, keep."""
    arguments = build_parser().parse_args(argv)
    if arguments.count < 1:
        raise UserError(f"--count must be at least 1, got {arguments.count}")

    from pipeline.association.corrections import corrections_of_run, write_corrections
    from pipeline.folder.run_folder import RunFolder
    from pipeline.folder.writer import only_writer
    from pipeline.review.answers import corrections_of, read_answers
    from pipeline.review.questions import find_questions
    from pipeline.review.replay import replay

    folder = RunFolder(arguments.run).require()
    path = arguments.corrections or folder.corrections
    known = corrections_of_run(path)
    found = replay(folder, known)
    if arguments.answers is not None:
        answers = read_answers(_lines(arguments.answers), found)
    else:
        questions = find_questions(found.judgement, found.labels, arguments.count)
        if not questions:
            print("nothing to ask: no answer would change who is who")
            return 0
        print("\n".join(_listed(questions, found)))
        page = _page(folder, questions, found)
        if page is not None:
            print(f"pictures: {page}")
        answers = [] if arguments.list else _from_terminal(questions, found)
    fresh = corrections_of(answers, found)
    if fresh:
        with only_writer(folder.root):
            write_corrections(path, [*known, *fresh])
        option = "" if arguments.corrections is None else f" --corrections {path}"
        print(f"{len(fresh)} answers are in {path}; run python -m tools.associate {folder.root}{option}")
    elif not arguments.list:
        print("no new answers")
    return 0


def _listed(questions: "Sequence[Question]", found: "Replay") -> list[str]:
    return [f"{number:2d}. {_sentence(question, found)}" for number, question in enumerate(questions, 1)]


def _sentence(question: "Question", found: "Replay") -> str:
    from pipeline.review.inspection import name_of

    tracklets = found.judgement.table.tracklets
    state = "joined" if question.joined else "apart"
    changes = question.if_different if question.joined else question.if_same
    return (
        f"{name_of(tracklets[question.a].key)} and {name_of(tracklets[question.b].key)}: {state}, one person with "
        f"{question.probability:.2f}; '{'no' if question.joined else 'yes'}' changes {changes} pairs, "
        f"expected {question.value:.1f}"
    )


def _from_terminal(questions: "Sequence[Question]", found: "Replay") -> "list[Answer]":
    """Answers so far at the end of the input or of the questions."""
    from pipeline.review.answers import answer_of, is_answer
    from pipeline.review.inspection import name_of

    answers: list[Answer] = []
    tracklets = found.judgement.table.tracklets
    for number, question in enumerate(questions, 1):
        a, b = name_of(tracklets[question.a].key), name_of(tracklets[question.b].key)
        word = ""
        while not is_answer(word):
            print(f"{number}. Are {a} and {b} one person? [y/n/s] ", end="", flush=True)
            line = sys.stdin.readline()
            if not line:
                print()
                return answers
            word = line.strip()
        answer = answer_of(word, question.a, question.b)
        answers += [] if answer is None else [answer]
    return answers


def _lines(source: str) -> list[str]:
    if source == "-":
        return sys.stdin.read().splitlines()
    from data.foreign import read_text

    return read_text(Path(source), what=f"the answers {source}").splitlines()


def _page(folder: "RunFolder", questions: "Sequence[Question]", found: "Replay") -> Path | None:
    """All pairs with their pictures; None where the run kept none of any."""
    from pipeline.config import load_config
    from pipeline.folder.writer import only_writer
    from pipeline.report.pairs_page import PairSheet, PairSide, has_pictures, write_pairs
    from pipeline.review.inspection import name_of, place_text

    table, config = found.judgement.table, load_config([folder.config]).report
    rows = [row for question in questions for row in (question.a, question.b)]
    if not has_pictures(folder, config, [table.tracklets[row].key for row in rows]):
        return None

    def side(row: int) -> PairSide:
        key = table.tracklets[row].key
        return PairSide(key, name_of(key), (f"person {found.global_id(row)}", place_text(table, row)))

    sheets = [
        PairSheet(f"{number}. One person?", (side(question.a), side(question.b)), (_sentence(question, found),))
        for number, question in enumerate(questions, 1)
    ]
    intro = f"Answer with python -m tools.ask {folder.root}"
    with only_writer(folder.root):
        return write_pairs(folder, config, folder.questions, "Are these one person?", intro, sheets)


if __name__ == "__main__":
    sys.exit(run(main))
