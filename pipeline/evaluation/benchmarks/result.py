"""What a benchmark gives: tables, the figures that stand for it, and what the reader must know."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.records import DoubleArray
from pipeline.evaluation.bootstrap import Interval, bootstrap
from pipeline.evaluation.result import COUNTS, PERCENTAGES, Tally, align

_DECIMALS = 6
Cell = float | int | str | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of figures.

    Attributes:
        title: what they are of.
        columns: names of all columns; the first holds names.
        rows: floats are fractions and shown in percent; None has no value.
        bars: columns worth a bar each in a plot.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    bars: tuple[str, ...] = ()

    def texts(self) -> list[list[str]]:
        """Header and rows as shown."""
        return [list(self.columns), *([show(cell) for cell in row] for row in self.rows)]


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """Scores of one data set.

    Attributes:
        dataset: its name.
        rules: in words, by what rules it was scored.
        tables: the first has one row per sequence or camera.
        figures: the ones that stand for the whole, fractions.
        intervals: 95 % intervals of some of them.
        units: what was resampled for the intervals, in words.
        warnings: what the reader of the scores must know.
        curves: figures over localisation thresholds, by name; may be empty.
    """

    dataset: str
    rules: str
    tables: tuple[Table, ...]
    figures: dict[str, float]
    intervals: dict[str, Interval] = field(default_factory=dict)
    units: str = ""
    warnings: tuple[str, ...] = ()
    curves: dict[str, DoubleArray] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Fractions rounded to 6 decimals, so the same input gives the same bytes."""
        return {
            "dataset": self.dataset,
            "rules": self.rules,
            "unit": "fraction",
            "figures": {name: _rounded(value) for name, value in self.figures.items()},
            "intervals": {name: [_rounded(low), _rounded(high)] for name, (low, high) in self.intervals.items()},
            "interval_units": self.units,
            "tables": [
                {
                    "title": table.title,
                    "rows": [dict(zip(table.columns, map(_rounded, row), strict=True)) for row in table.rows],
                }
                for table in self.tables
            ],
            "warnings": list(self.warnings),
        }

    def text(self) -> str:
        """Rules, tables in percent, figures with their intervals."""
        blocks = [f"{self.dataset}: {self.rules}"]
        blocks += ["\n".join([table.title, *align(table.texts())]) for table in self.tables]
        lines = []
        for name, value in self.figures.items():
            low_high = self.intervals.get(name)
            range_ = f"  [{100 * low_high[0]:.1f}, {100 * low_high[1]:.1f}]" if low_high else ""
            lines.append(f"{name}  {100 * value:.2f}{range_}")
        if self.intervals:
            lines.append(f"[95 % intervals over {self.units}]")
        return "\n\n".join([*blocks, "\n".join(lines)])


def show(cell: Cell) -> str:
    """Text of a cell."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return "-"
    return f"{100 * cell:.2f}" if isinstance(cell, float) else str(cell)


def tally_table(title: str, named: Sequence[tuple[str, Tally]]) -> Table:
    """HOTA, CLEAR and identity measures, one row each."""
    rows = []
    for name, tally in named:
        shares, counts = tally.fractions(), tally.counts()
        cells: list[Cell] = [None if tally.is_empty else shares[column] for column in PERCENTAGES]
        rows.append((name, *cells, *(counts[column] for column in COUNTS)))
    return Table(title, ("name", *PERCENTAGES, *COUNTS), tuple(rows), ("HOTA", "IDF1", "MOTA"))


def sequence_intervals(tallies: Sequence[Tally], names: Sequence[str], seed: int) -> dict[str, Interval]:
    """Intervals of combined figures when sequences are resampled; empty for a single one."""
    if len(tallies) < 2:
        return {}

    def measure(weights: np.ndarray) -> dict[str, float]:
        drawn = [tally for tally, times in zip(tallies, weights) for _ in range(times)]
        fractions = sum(drawn[1:], start=drawn[0]).fractions()
        return {name: fractions[name] for name in names}

    return bootstrap(len(tallies), measure, seed)


def _rounded(cell: Cell) -> Cell:
    if isinstance(cell, float):
        return None if np.isnan(cell) else round(cell, _DECIMALS)
    return cell
