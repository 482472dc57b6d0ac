"""What is scored, and how: one request for every benchmark."""

from dataclasses import dataclass
from pathlib import Path

from data.datasets.layout import choose_names


@dataclass(frozen=True, slots=True)
class BenchmarkRequest:
    """What a benchmark is asked.

    Attributes:
        dataset: its name.
        root: folder of the data set as published.
        pred: run folder, or folder or file of predictions.
        split: part of the data set; "" is the benchmark's usual one.
        sequences: names to score; empty takes all.
        allow_missing: score sequences without predictions as empty.
        min_visibility: truth less visible is don't-care, 0-1; None is the benchmark's usual one.
        places: truth of places on the ground in metres, for a site.
        ground_m: distance below which two places may be one person; None is the benchmark's usual one.
        fps: frames per second of the truth; None takes that of the run's cameras.
        keypoint_min: joints of a run of less confidence are not there, 0-1.
        seed: of resampling.
    """

    dataset: str
    root: Path
    pred: Path
    split: str = ""
    sequences: tuple[str, ...] = ()
    allow_missing: bool = False
    min_visibility: float | None = None
    places: Path | None = None
    ground_m: float | None = None
    fps: float | None = None
    keypoint_min: float = 0.0
    seed: int = 0

    def choose(self, names: list[str]) -> list[str]:
        """The sequences to score among those there are.

        Raises:
            UserError: one that was asked for is not there.
        """
        return choose_names(self.root, names, self.sequences)
