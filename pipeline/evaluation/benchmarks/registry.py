"""The benchmarks by name. A data set of ``data.datasets.registry`` needs one line; rules of its own, one module."""

from collections.abc import Callable

from data.registry import Registry
from pipeline.evaluation.benchmarks.request import BenchmarkRequest
from pipeline.evaluation.benchmarks.result import BenchmarkResult

Score = Callable[[BenchmarkRequest], BenchmarkResult]

_ANY = "pipeline.evaluation.benchmarks.dataset:score"

BENCHMARKS: Registry[Score] = Registry(
    "data set",
    {
        "aicity": "pipeline.evaluation.benchmarks.aicity:score",
        "aicity2025": "pipeline.evaluation.benchmarks.aicity2025:score",
        "campus": _ANY,
        "cmc": _ANY,
        "dukemtmc": "pipeline.evaluation.benchmarks.dukemtmc:score",
        "epfl": _ANY,
        "mot15": _ANY,
        "mot16": _ANY,
        "mot17": _ANY,
        "mot20": _ANY,
        "nlpr_mct": _ANY,
        "posetrack21": "pipeline.evaluation.benchmarks.posetrack21:score",
        "posetrack21_person_search": "pipeline.evaluation.benchmarks.posetrack21_search:score",
        "posetrack21_mot": _ANY,
        "site": _ANY,
        "wildtrack": _ANY,
    },
)
