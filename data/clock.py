"""How a camera's own time relates to the time the cameras share."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from data.config import Section
from data.records import DoubleArray

ClockStatus = Literal["common", "estimated", "unknown"]


class Clock(Section):
    """Maps source time to common time: common = offset_s + source * (1 + drift_ppm / 1e6)."""

    status: ClockStatus = Field(
        "unknown",
        description="common: offset and drift are exact; estimated: they are close (a container's wall clock, a fit); "
        "unknown: times of this camera say nothing about other cameras",
    )
    offset_s: float = Field(0.0, allow_inf_nan=False, description="common time at source time 0, seconds")
    drift_ppm: float = Field(
        0.0, gt=-1e5, lt=1e5, description="how much too slow the source clock runs, parts per million"
    )

    @property
    def known(self) -> bool:
        """Whether times can be compared with those of other cameras."""
        return self.status != "unknown"

    def to_common(self, times_s: ArrayLike) -> DoubleArray:
        """Source seconds to common seconds, float64, any shape."""
        return self.offset_s + np.asarray(times_s, np.float64) * (1.0 + self.drift_ppm * 1e-6)

    def to_source(self, common_s: ArrayLike) -> DoubleArray:
        """Common seconds to source seconds, float64, any shape."""
        return (np.asarray(common_s, np.float64) - self.offset_s) / (1.0 + self.drift_ppm * 1e-6)
