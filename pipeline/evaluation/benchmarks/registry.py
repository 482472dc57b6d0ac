"""The benchmarks by name; adding one is one module and one line."""

from collections.abc import Callable
from dataclasses import replace

from data.registry import Registry
from pipeline.evaluation.benchmarks.boxes import score_mot, score_site
from pipeline.evaluation.benchmarks.request import BenchmarkRequest
from pipeline.evaluation.benchmarks.result import BenchmarkResult
from pipeline.evaluation.rules import Rule

Score = Callable[[BenchmarkRequest], BenchmarkResult]

BENCHMARKS: Registry[Score] = Registry(
    "benchmark",
    {
        "mot15": "pipeline.evaluation.benchmarks.registry:mot15",
        "mot16": "pipeline.evaluation.benchmarks.registry:mot16",
        "mot17": "pipeline.evaluation.benchmarks.registry:mot17",
        "mot20": "pipeline.evaluation.benchmarks.registry:mot20",
        "posetrack21": "pipeline.evaluation.benchmarks.posetrack21:score",
        "posetrack21_mot": "pipeline.evaluation.benchmarks.registry:posetrack21_mot",
        "dukemtmc": "pipeline.evaluation.benchmarks.duke:score",
        "wildtrack": "pipeline.evaluation.benchmarks.wildtrack:score",
        "aicity": "pipeline.evaluation.benchmarks.aicity:score",
        "nlpr_mct": "pipeline.evaluation.benchmarks.registry:nlpr_mct",
        "cmc": "pipeline.evaluation.benchmarks.registry:cmc",
        "site": "pipeline.evaluation.benchmarks.registry:site",
    },
)


def mot15(request: BenchmarkRequest) -> BenchmarkResult:
    """MOT15: predictions on ignored truth are false."""
    return score_mot(request, "mot15", Rule("mot15"))


def mot16(request: BenchmarkRequest) -> BenchmarkResult:
    """MOT16, by the rule of MOT17."""
    return score_mot(request, "mot16", Rule("mot17"))


def mot17(request: BenchmarkRequest) -> BenchmarkResult:
    """MOT17: pedestrians count, predictions on distractors are taken back."""
    return score_mot(request, "mot17", Rule("mot17"))


def mot20(request: BenchmarkRequest) -> BenchmarkResult:
    """MOT20, by the rule of MOT17."""
    return score_mot(request, "mot20", Rule("mot17"))


def posetrack21_mot(request: BenchmarkRequest) -> BenchmarkResult:
    """Boxes of PoseTrack21: ``posetrack_mot/mot/<split>/<video>/gt/gt.txt``."""
    folder = request.root / "posetrack_mot" / "mot" / (request.split or "val")
    return score_mot(request, "posetrack21_mot", Rule("mot15"), folder)


def nlpr_mct(request: BenchmarkRequest) -> BenchmarkResult:
    """NLPR_MCT as ``<camera>.txt``: MCTA and identities over cameras."""
    return score_site(request, "nlpr_mct", Rule())


def cmc(request: BenchmarkRequest) -> BenchmarkResult:
    """Curtin CMC as ``<camera>.txt``: boxes are projected from 3-D, so hidden people are don't-care."""
    return score_site(request, "cmc", replace(Rule(), min_visibility=0.25))


def site(request: BenchmarkRequest) -> BenchmarkResult:
    """Any cameras of one site as ``<camera>.txt``."""
    return score_site(request, "site", Rule())
