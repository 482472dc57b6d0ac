"""How far calibrated cameras disagree on where people are: the evidence a calibration is judged by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.geometry import CameraModel
from pipeline.site_calibration.alignment import mutual_nearest, pairs_at_instants
from pipeline.site_calibration.people import places
from pipeline.site_calibration.sightings import Instants

DoubleArray = NDArray[np.float64]

_COARSEST_M = 0.5


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
