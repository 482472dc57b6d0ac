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


SOURCE = "vtest.avi (PETS09-S2L1, 795 frames of 480x360 at 10 fps), one thread of a busy AVX-512 processor, 2026-11-28"
_NANO, _V8, _V11 = "yolox_nano_416x416", "yolov8n_int8_640", "yolo11n_int8_320"
_RETAIL, _BEST, _OSNET = (
    "person-reidentification-retail-0288",
    "person-reidentification-retail-0277",
    "osnet_x0_25_msmt17_dyn",
)
SCORES = (
    Score(_NANO, _RETAIL, "every", idf1=92.2, hota=69.6, cpu_ms=47),
    Score(_NANO, _RETAIL, "auto", idf1=91.1, hota=68.8, cpu_ms=35),
    Score(_V11, _RETAIL, "auto", idf1=91.0, hota=68.6, cpu_ms=34),
    Score(_V8, _RETAIL, "auto", idf1=93.2, hota=71.3, cpu_ms=48),
    Score(_V8, _BEST, "every", idf1=92.6, hota=70.6, cpu_ms=122),
    Score(_V8, _BEST, "auto", idf1=92.9, hota=71.2, cpu_ms=84),
    Score(_V8, _OSNET, "every", idf1=93.2, hota=71.1, cpu_ms=101),
    Score(_V8, _OSNET, "auto", idf1=93.6, hota=71.5, cpu_ms=69),
)


def score_of(config: Config) -> Score | None:
    """The figures of a way to run, or None where it was never measured."""
    names = Path(config.detector.weights).stem, Path(config.reid.weights).stem, config.detector.schedule
    return next((score for score in SCORES if (score.detector, score.reid, score.schedule) == names), None)
