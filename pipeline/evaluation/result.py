"""Scores and how they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.evaluation.clear import ClearTally, clear_tally
from pipeline.evaluation.hota import HotaTally, hota_tally
from pipeline.evaluation.pairs import Compared
from pipeline.evaluation.rules import Rule

RowKind = Literal["sequence", "combined", "cross_camera"]

PERCENTAGES = ("HOTA", "DetA", "AssA", "MOTA", "MOTP", "IDF1", "IDP", "IDR")
COUNTS = ("IDSW", "Frag", "MT", "ML")
_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Tally:
    """Everything counted in one sequence; tallies of several sequences add, which is how they are combined.

    Attributes:
        frames: number of frames.
        truth_boxes: truth that counts.
        predicted_boxes: predictions that are judged.
        hota: detection and association over localisation thresholds.
        clear: events and identities at one threshold.
    """

    frames: int
    truth_boxes: int
    predicted_boxes: int
    hota: HotaTally
    clear: ClearTally

    @staticmethod
    def of(comparison: Compared, iou: float) -> "Tally":
        """Count one sequence after its rule has been applied."""
        return Tally(
            comparison.length,
            len(comparison.truth),
            len(comparison.predictions),
            hota_tally(comparison),
            clear_tally(comparison, iou),
        )

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.frames + other.frames,
            self.truth_boxes + other.truth_boxes,
            self.predicted_boxes + other.predicted_boxes,
            self.hota + other.hota,
            self.clear + other.clear,
        )

    @property
    def is_empty(self) -> bool:
        """Neither truth nor predictions: there is nothing to score."""
        return not self.truth_boxes and not self.predicted_boxes

    def fractions(self) -> dict[str, float]:
        """The measures that are shares, 0-1 (MOTA may be negative); TrackEval's names, HOTA's as means over alpha."""
        means = {name: float(curve.mean()) for name, curve in self.hota.curves().items()}
        return {**means, **self.clear.rates()}

    def counts(self) -> dict[str, int]:
        """The measures that are numbers of something, by TrackEval's names."""
        clear = self.clear
        return {
            "IDSW": clear.switches,
            "Frag": clear.fragments,
            "MT": clear.mostly_tracked,
            "PT": clear.partly_tracked,
            "ML": clear.mostly_lost,
            "TP": clear.matches + clear.switches,
            "FP": clear.false_positives,
            "FN": clear.misses,
            "IDTP": clear.id_true_positives,
            "IDFP": clear.id_false_positives,
            "IDFN": clear.id_misses,
            "truth_boxes": self.truth_boxes,
            "predicted_boxes": self.predicted_boxes,
            "frames": self.frames,
        }


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One line of the table."""

    name: str
    kind: RowKind
    tally: Tally

    def to_json(self) -> dict[str, Any]:
        """Name, kind and measures; shares are fractions, or null where there is nothing to score."""
        shares = {
            name: None if self.tally.is_empty else round(value, _DECIMALS)
            for name, value in self.tally.fractions().items()
        }
        return {"name": self.name, "kind": self.kind, **shares, **self.tally.counts()}

    def cells(self) -> list[str]:
        """Texts of the table's columns, shares in percent."""
        shares, counts = self.tally.fractions(), self.tally.counts()
        texts = ["-" if self.tally.is_empty else f"{100 * shares[name]:.3f}" for name in PERCENTAGES]
        return [self.name, *texts, *(str(counts[name]) for name in COUNTS)]


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """Scores of all sequences.

    Attributes:
        rule: the rule they were scored by.
        rows: one per sequence, then COMBINED (sums over the sequences, not means) where there are several, then
            CROSS-CAMERA where it was asked for.
        warnings: what the reader of the scores must know.
    """

    rule: Rule
    rows: tuple[ScoreRow, ...]
    warnings: tuple[str, ...]

    @property
    def overall(self) -> ScoreRow:
        """The row that stands for the whole: cross-camera, else combined, else the only sequence."""
        return self.rows[-1]

    def to_json(self) -> dict[str, Any]:
        """For ``metrics.json``: shares as fractions rounded to 6 decimals, so the same input gives the same bytes."""
        return {
            "rule": {"rule": self.rule.rule, "min_visibility": self.rule.min_visibility, "iou": self.rule.iou},
            "unit": "fraction",
            "scores": [row.to_json() for row in self.rows],
            "warnings": list(self.warnings),
        }

    def table(self) -> str:
        """The rule and an aligned table, shares in percent."""
        header = ["sequence", *PERCENTAGES, *COUNTS]
        return "\n".join([f"rule: {self.rule}", *align([header, *(row.cells() for row in self.rows)])])


def align(lines: Sequence[Sequence[str]]) -> list[str]:
    """Pad columns to one width: the first to the left, the others to the right."""
    widths = [max(len(text) for text in column) for column in zip(*lines, strict=True)]
    return [
        "  ".join([line[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(line[1:], widths[1:]))])
        for line in lines
    ]
