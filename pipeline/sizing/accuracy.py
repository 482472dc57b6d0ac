"""What the choices have cost on our own sets: figures of whole runs, to be shown beside a proposal."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Config


@dataclass(frozen=True, slots=True)
class Score:
    """One measured way to run.

    Attributes:
        detector: file name of its weights, without the ending.
        reid: the same of the appearance model.
        schedule: detector.schedule.
        idf1: per cent.
        hota: per cent.
        cpu_ms: of the whole run, per frame, start included.
    """

    detector: str
    reid: str
    schedule: str
    idf1: float
    hota: float
    cpu_ms: float


SOURCE = "vtest.avi (PETS09-S2L1, 795 frames of 480x360 at 10 fps), one thread of an AVX-512 processor, 2026-11-28"
_NANO, _RETAIL = "yolox_nano_416x416", "person-reidentification-retail-0288"
SCORES = (
    Score(_NANO, _RETAIL, "every", idf1=92.2, hota=69.6, cpu_ms=53),
    Score(_NANO, _RETAIL, "auto", idf1=91.8, hota=69.1, cpu_ms=31),
)


def score_of(config: Config) -> Score | None:
    """The figures of a way to run, or None where it was never measured."""
    names = Path(config.detector.weights).stem, Path(config.reid.weights).stem, config.detector.schedule
    return next((score for score in SCORES if (score.detector, score.reid, score.schedule) == names), None)
