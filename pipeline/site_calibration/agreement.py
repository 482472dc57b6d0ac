"""How far calibrated cameras disagree on where people are: the evidence a calibration is judged by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.geometry import CameraModel
from data.site import Site
from pipeline.site_calibration.alignment import mutual_nearest, pairs_at_instants
from pipeline.site_calibration.people import places
from pipeline.site_calibration.sightings import Instants, Sightings, at_instants

DoubleArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_COARSEST_M = 0.5
_SHARED_M = 0.4
_WIDEST_M, _STEP_M, _NEAR_M = 1.5, 0.1, 0.3
_LEAST_PEOPLE = 20
_LOW_SHARES = (0.0, 0.02, 0.04)
_LOW_SAID = 0.015
_SMALL_M, _TALL_M = 1.4, 2.1


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two cameras' places of the people both see.

    Attributes:
        cameras: names of a and b.
        distances_m: (N,) float64, between a's and b's place of each person.
        offset_m: (2,) float64, the median of b's place minus a's: what all share is a wrong calibration.
    """

    cameras: tuple[str, str]
    distances_m: DoubleArray
    offset_m: DoubleArray

    @property
    def median_m(self) -> float:
        """Median distance."""
        return float(np.median(self.distances_m))

    @property
    def common_m(self) -> float:
        """Length of the shared offset."""
        return float(np.hypot(*self.offset_m))


def disagreements(instants: Instants, models: Sequence[CameraModel], gate_m: float) -> list[Disagreement]:
    """Compare every two cameras on people whom both put within ``gate_m`` of one place at one instant.

    Args:
        instants: what was seen.
        models: of its cameras.
        gate_m: people farther apart are not taken for one.

    Returns:
        Pairs with at least one person in common.
    """
    ground = [places(model, seen.feet, seen.heights_px, _COARSEST_M) for model, seen in zip(models, instants.sightings)]
    found = []
    for a in range(len(models)):
        for b in range(a + 1, len(models)):
            rows_a, rows_b = (np.flatnonzero(np.isfinite(ground[c]).all(axis=1)) for c in (a, b))
            of_a, of_b = ground[a][rows_a], ground[b][rows_b]
            pairs = pairs_at_instants(instants.instant[a][rows_a], instants.instant[b][rows_b])
            near = mutual_nearest(of_a, of_b, pairs, gate_m)
            if len(near):
                off = of_b[pairs[1][near]] - of_a[pairs[0][near]]
                names = (instants.cameras[a], instants.cameras[b])
                found.append(Disagreement(names, np.linalg.norm(off, axis=1), np.median(off, axis=0)))
    return found


def evidence_lines(site: Site, sightings: Mapping[str, Sightings], step_s: float) -> list[str]:
    """What people say of a site's calibrations, a line each, ready to print; warnings begin so.

    Args:
        site: with calibrations.
        sightings: per camera, on the common clock.
        step_s: seconds between the instants that are compared.

    Raises:
        UserError: when fewer than two cameras are calibrated and saw people.
    """
    models = {
        camera: model for camera, seen in sightings.items() if len(seen) and (model := site.model(camera)) is not None
    }
    if len(models) < 2:
        raise UserError("fewer than two cameras are calibrated and saw people: nothing to compare")
    lines = [_height_line(camera, model, sightings[camera]) for camera, model in models.items()]
    low, pairs = _without_low_boxes(at_instants({camera: sightings[camera] for camera in models}, step_s), models)
    if low >= _LOW_SAID:
        lines.append(f"boxes end {100 * low:.0f} % of their height below the feet (in all cameras; taken out here)")
    for pair in pairs:
        wrong = pair.people >= _LEAST_PEOPLE and pair.offset_m > _SHARED_M
        lines.append(
            f"{'warning: ' if wrong else ''}{pair.cameras[0]} and {pair.cameras[1]}: {pair.people:.0f} people over "
            f"chance are {pair.offset_m:.2f} m apart in one direction"
            + ("; one of the calibrations, or a clock, is off by that" if wrong else "")
        )
    return lines


@dataclass(frozen=True, slots=True)
class SharedOffset:
    """The one shift between two cameras' places that most people share.

    Attributes:
        cameras: names of a and b.
        people: pairs of sightings with this shift, over what chance gives.
        offset_m: length of the shift.
    """

    cameras: tuple[str, str]
    people: float
    offset_m: float


def shared_offsets(instants: Instants, models: Sequence[CameraModel]) -> list[SharedOffset]:
    """The shift that most pairs of people of one instant agree on, over the same with one camera's time shifted.

    Who is who is not decided: in a crowd the nearest is often another.
    """
    ground = [places(model, seen.feet, seen.heights_px, _COARSEST_M) for model, seen in zip(models, instants.sightings)]
    steps = np.arange(-_WIDEST_M, _WIDEST_M + 1e-9, _STEP_M)
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    count = len(instants.times_s)
    found = []
    for a in range(len(models)):
        for b in range(a + 1, len(models)):
            rows_a, rows_b = (np.flatnonzero(np.isfinite(ground[c]).all(axis=1)) for c in (a, b))
            of_a, of_b = ground[a][rows_a], ground[b][rows_b]
            numbers = (instants.instant[a][rows_a], instants.instant[b][rows_b])
            votes = [
                _votes(of_a, of_b, pairs_at_instants(numbers[0], (numbers[1] + count * k // 5) % count), grid)
                for k in range(5)
            ]
            chance = np.mean(votes[1:], axis=0)
            excess = votes[0] - chance
            best = int(np.argmax(excess / np.sqrt(chance + 4.0)))
            names = (instants.cameras[a], instants.cameras[b])
            found.append(SharedOffset(names, float(excess[best]), float(np.hypot(*grid[best]))))
    return found


def _votes(a: DoubleArray, b: DoubleArray, pairs: tuple[IntArray, IntArray], grid: DoubleArray) -> DoubleArray:
    """How many pairs are apart by each shift of the grid, (G,)."""
    off = b[pairs[1]] - a[pairs[0]]
    off = off[np.abs(off).max(axis=1, initial=0.0) < _WIDEST_M + _NEAR_M]
    near = np.linalg.norm(off[:, None] - grid[None], axis=2) < _NEAR_M
    return np.asarray(near.sum(axis=0), np.float64)


def _without_low_boxes(instants: Instants, models: Mapping[str, CameraModel]) -> tuple[float, list[SharedOffset]]:
    """The share of their height by which all boxes end too low, and the offsets that are left without it.

    Cameras that face one another put people apart by the sum of what this makes: it is the detector's, not theirs.
    """
    best: tuple[float, float, list[SharedOffset]] | None = None
    for low in _LOW_SHARES:
        lifted = [
            replace(seen, feet=seen.feet - np.stack([0 * seen.heights_px, low * seen.heights_px], axis=1))
            for seen in instants.sightings
        ]
        found = shared_offsets(replace(instants, sightings=tuple(lifted)), list(models.values()))
        weight = np.array([max(pair.people, 0.0) for pair in found])
        apart = float(weight @ [pair.offset_m for pair in found] / max(weight.sum(), 1e-9))
        # Nothing is taken out that does not bring people together by a step.
        if best is None or apart < best[0] - _STEP_M / 2:
            best = apart, low, found
    assert best is not None
    return best[1:]


def _height_line(camera: str, model: CameraModel, seen: Sightings) -> str:
    if model.projection is None:
        return f"{camera}: a homography, heights are not known; feet alone are used"
    tall = float(np.nanmedian(model.heights(model.to_ground(seen.feet), seen.heads)))
    if _SMALL_M < tall < _TALL_M:
        return f"{camera}: people are {tall:.2f} m high in the middle"
    return (
        f"warning: {camera}: people are {tall:.2f} m high in the middle; if its world has another unit, write "
        f"'world: {{unit_m: {1.7 / tall:.2g}}}' into the site file (0.3048 for feet)"
    )
