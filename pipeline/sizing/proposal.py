"""The most accurate way to run that keeps up with the cameras on this machine."""

import time
from dataclasses import dataclass

from data.errors import UserError
from data.runtime.cores import cores_for
from data.site import Site
from pipeline.config import Config
from pipeline.job.request import Videos
from pipeline.sizing.accuracy import SOURCE, Score, score_of
from pipeline.sizing.candidates import Candidate, candidates
from pipeline.sizing.measure import Load, measure
from pipeline.weights.store import WeightStore

# What the machine is not asked for: peaks, writing, other programs.
_SPARE = 0.2
_VIDEO_S = 8.0
_WALL_S = 60.0
_LEAST_WALL_S = 6.0


@dataclass(frozen=True, slots=True)
class Tried:
    """A way to run and what it takes."""

    candidate: Candidate
    load: Load


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was found.

    Attributes:
        cores: processor cores the run may use.
        tried: in the order they were measured, the proposed one last.
    """

    cores: int
    tried: tuple[Tried, ...]

    @property
    def chosen(self) -> Candidate:
        """The proposal: the first that fits, or the cheapest."""
        if self.fits:
            return self.tried[-1].candidate
        return min(self.tried, key=lambda tried: tried.load.cores).candidate

    @property
    def fits(self) -> bool:
        """Whether it keeps up with the cameras."""
        return fits(self.tried[-1].load, self.cores)

    def lines(self) -> list[str]:
        """What to print: every way that was measured, the choice, and what it has cost elsewhere."""
        lines = []
        for tried in self.tried:
            what = " ".join(tried.candidate.changes) or "as configured"
            load = tried.load
            lines.append(
                f"budget: {load.cores:.2f} of {self.cores} cores, {load.looked:.0%} of frames looked at: {what}"
            )
        if not self.fits:
            lines.append(
                "budget: nothing keeps up with these cameras on this machine; the cheapest way is too slow too"
            )
        lines.append(f"budget: take {' '.join(self.chosen.changes) or 'the configuration as it is'}")
        known = score_of(self.chosen.config)
        lines.append(f"budget: {_in_words(known) if known else 'its accuracy was not measured on our sets'}")
        return lines


def fits(load: Load, cores: int) -> bool:
    """Whether a load leaves a fifth of the cores free."""
    return load.cores <= (1 - _SPARE) * cores


def propose(videos: Videos, site: Site | None, config: Config, weights: WeightStore) -> Proposal:
    """Measure ways to run for about a minute, from the most accurate on, until one fits.

    Args:
        videos: the cameras.
        site: as of the run, or None; the heights of people that ``tools.check_site`` saw bound the detector's input.
        config: as configured.
        weights: where networks come from.

    Raises:
        UserError: where even the configured networks cannot be opened, and for recordings too short to measure.
    """
    cores = cores_for(config.run.threads)
    ways = list(candidates(config, weights, None if site is None else _person_share(site)))
    ends = time.monotonic() + _WALL_S
    tried: list[Tried] = []
    for number, way in enumerate(ways):
        wall_s = max((ends - time.monotonic()) / (len(ways) - number), _LEAST_WALL_S)
        try:
            tried.append(Tried(way, measure(videos, site, way.config, weights, _VIDEO_S, wall_s)))
        except UserError:
            if not way.changes:
                raise
            continue
        if fits(tried[-1].load, cores):
            break
    return Proposal(cores, tuple(tried))


def _person_share(site: Site) -> float | None:
    """Height of the smallest people that any camera often sees, as a share of the longer side of its picture."""
    shares = [
        camera.observed.person_height_p10_px / max(camera.size)
        for camera in site.cameras.values()
        if camera.size and camera.observed is not None and camera.observed.person_height_p10_px is not None
    ]
    return min(shares, default=None)


def _in_words(score: Score) -> str:
    return f"IDF1 {score.idf1:.1f}, HOTA {score.hota:.1f} at {score.cpu_ms:.0f} CPU-ms a frame on {SOURCE}"
