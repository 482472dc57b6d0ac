"""Tilt, roll and height of one camera from the heights of people's boxes over the picture.

People of one mean height, upright on a flat floor, make the height of a box a function of where its feet are (Lv,
Zhao and Nevatia, "Camera calibration from video of a walking human", PAMI 2006; here fitted directly to the boxes).
The focal length is all but free in this: it is left to what several cameras see together.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.site_calibration.pinhole import Pinhole
from pipeline.site_calibration.sightings import Sightings

DoubleArray = NDArray[np.float64]

SPREAD = 0.08
_ROLL_SPREAD = np.radians(3.0)
_MOST = 1500
_LOST = 5.0
_SAMPLES = 400


def fit_view(sightings: Sightings, focal: float, mean_height_m: float) -> tuple[Pinhole, float]:
    """The camera at the origin, looking along y, that explains the boxes best.

    Args:
        sightings: of this camera.
        focal: focal length in units of the frame's longer side.
        mean_height_m: of people.

    Returns:
        The camera, and the median deviation of log box heights from what it predicts.
    """
    from scipy.optimize import least_squares

    seen = sightings.thinned(_MOST)
    tall = seen.heights_px
    slope, horizon = _line(seen)
    middle = seen.size[1] / 2
    tilt = np.arctan2(middle - horizon, focal * max(seen.size))
    start = np.array([tilt, 0.0, np.log(np.clip(mean_height_m / max(slope, 1e-3), 1.0, 30.0))])

    def camera(values: DoubleArray) -> Pinhole:
        return Pinhole(seen.size, focal, float(values[0]), float(values[1]), float(np.exp(values[2])))

    def deviations(values: DoubleArray) -> DoubleArray:
        model = camera(values).model
        ground = model.to_ground(seen.feet)
        head = model.to_image(np.column_stack([ground, np.full(len(ground), mean_height_m)]))
        with np.errstate(invalid="ignore", divide="ignore"):
            off = np.log((seen.feet[:, 1] - head[:, 1]) / tall) / SPREAD
        off = np.where(np.isfinite(off), off.clip(-_LOST / SPREAD, _LOST / SPREAD), _LOST / SPREAD)
        return np.append(off, values[1] / _ROLL_SPREAD * np.sqrt(len(tall)) * 0.1)

    found = least_squares(
        deviations,
        start,
        loss="soft_l1",
        x_scale=(0.1, 0.05, 0.2),
        bounds=((-0.3, -0.4, np.log(0.5)), (1.5, 0.4, np.log(60.0))),
        max_nfev=60,
    )
    return camera(found.x), float(np.median(np.abs(deviations(found.x)[:-1]))) * SPREAD


def _line(seen: Sightings) -> tuple[float, float]:
    """Robust height = slope (v - horizon): the line through two sightings that most agree with."""
    rows, tall = seen.feet[:, 1], seen.heights_px
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, len(rows), (2, _SAMPLES))
    apart = np.abs(rows[first] - rows[second]) > 0.05 * seen.size[1]
    first, second = first[apart], second[apart]
    slope = (tall[first] - tall[second]) / (rows[first] - rows[second]) if len(first) else np.zeros(0)
    good = slope > 0.05
    slope = slope[good]
    if not len(slope):
        # Sizes do not change over the picture: a camera that looks steeply down, or people in one place.
        return 1.0, float(np.median(rows - tall))
    horizon = rows[first][good] - tall[first][good] / slope
    off = np.abs(np.log(np.maximum(slope[:, None] * (rows - horizon[:, None]), 1e-3) / tall))
    best = int(np.argmin(np.minimum(off, 2 * SPREAD).sum(axis=1)))
    return float(slope[best]), float(horizon[best])
