"""Benchmark of scoring tracks of MOT17's size, beside TrackEval in an environment of its own."""

from importlib import import_module

from tools.benchmarks.base import Case, Contender, Job
from tools.benchmarks.tracking_reference import check, scenes

_TRACKEVAL = ("trackeval==1.3.0",)


def ours(sequences: int, frames: int, people: int) -> Job:
    """Read and score all sequences, and combine them."""
    from pipeline.evaluation.evaluate import evaluate_folders

    import_module("scipy.optimize")
    folder, _ = scenes(sequences, frames, people)

    def job() -> float:
        shares = evaluate_folders(folder / "gt", folder / "pred" / "tracker").overall.tally.fractions()
        return check(shares["HOTA"], shares["MOTA"], shares["IDF1"])

    return job


def cases(quick: bool) -> list[Case]:
    """All cases; small ones when quick."""
    size = {"sequences": 2, "frames": 80, "people": 8} if quick else {"sequences": 7, "frames": 760, "people": 21}
    theirs = Contender("TrackEval 1.3.0", "tools.benchmarks.tracking_reference:reference", size, packages=_TRACKEVAL)
    name = f"tracks scored, {size['sequences']} sequences of {size['frames']} frames, {size['people']} people"
    return [Case(name, Contender("ours", "tools.benchmarks.tracking:ours", size), (theirs,), "10x", 1e-9)]
