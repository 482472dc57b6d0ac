"""How the gait commands print what they found."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reid.gait.experiment import GaitScores

_RANKS = (1, 5, 10)


def print_scores(found: "GaitScores") -> None:
    """A line per test, and one per pair of conditions that were matched."""
    for name, told in found.recognition.items():
        ranks = "  ".join(f"rank-{n} {100 * told.rank[n - 1]:5.1f}" for n in _RANKS if n <= len(told.rank))
        print(f"{name:16} {ranks}  nAUC {100 * told.nauc:5.1f}  of {int(told.confusion.sum())} sequences")
    for name, (rank1, count) in found.matching.items():
        print(f"{name:16} nearest {100 * rank1:5.1f}  of {count} probes")


def print_confusion(found: "GaitScores") -> None:
    """A row per person: sequences taken for each person of the training."""
    for name, told in found.recognition.items():
        print(f"{name}: rows are who it was, columns who it was taken for")
        width = max(len(str(person)) for person in found.people) + 1
        print(" " * 8 + "".join(f"{person:>{width}}" for person in found.people))
        for person, row in zip(found.people, told.confusion.tolist(), strict=True):
            print(f"{person:>8}" + "".join(f"{count or '.':>{width}}" for count in row))
