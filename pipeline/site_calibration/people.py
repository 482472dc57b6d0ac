"""What a box tells of a person: where they stand, and how surely."""

import numpy as np
from numpy.typing import NDArray

from data.geometry import CameraModel

DoubleArray = NDArray[np.float64]

PIXEL_SHARE = 0.02
"""Standard deviation of a box's edge, as a share of the box's height: what detectors reach on people they see whole."""


def place_covariance(model: CameraModel, feet: DoubleArray, heights_px: DoubleArray) -> DoubleArray:
    """(N, 2, 2) uncertainty in square metres of where people stand, for boxes of these heights in pixels."""
    spread = PIXEL_SHARE * heights_px
    return model.ground_covariance(feet, np.eye(2)) * (spread**2)[:, None, None]


def places(model: CameraModel, feet: DoubleArray, heights_px: DoubleArray, coarsest_m: float) -> DoubleArray:
    """Where people stand, as far as that can be told.

    Args:
        model: the camera.
        feet: (N, 2) pixels.
        heights_px: (N,) of their boxes.
        coarsest_m: places less certain than this (standard deviation along the worst direction) are not given.

    Returns:
        (N, 2) metres; NaN where unknown.
    """
    ground = model.to_ground(feet)
    covariance = place_covariance(model, feet, heights_px)
    with np.errstate(invalid="ignore"):
        half, cross = (covariance[:, 0, 0] + covariance[:, 1, 1]) / 2, covariance[:, 0, 1]
        worst = half + np.hypot((covariance[:, 0, 0] - covariance[:, 1, 1]) / 2, cross)
        ground[~(worst < coarsest_m**2)] = np.nan
    return ground
