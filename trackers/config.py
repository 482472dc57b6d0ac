"""The tracker's configuration section."""

from typing import Literal

from pydantic import Field

from data.config import Section


class MotionConfig(Section):
    """How boxes move between frames."""

    speed: float = Field(0.6, gt=0, description="typical speed of a person, box heights per second (standard deviation)")
    speed_memory_s: float = Field(2.0, gt=0, description="seconds after which a person's velocity is forgotten")
    growth: float = Field(0.3, gt=0, description="typical change of a box's sides, box heights per second")
    growth_memory_s: float = Field(0.5, gt=0, description="seconds after which a change of the sides is forgotten")
    noise: float = Field(0.05, gt=0, description="error of a detected box, box heights (standard deviation)")
    score_noise: float = Field(1.0, ge=0, description="error of a box of score 0, relative to a sure one, minus 1")


class TrackerConfig(Section):
    """Single-scope tracking."""

    name: str = Field("hungarian", description="key of the tracker registry")
    appearance: Literal["demand", "always"] = Field("demand", description="")
    score_low: float = 0.1
    score_high: float = 0.5
    score_new: float = 0.6
    gate: float = Field(16.0)
    buffer: float = Field(1.0, description="margin in position std")
    min_iou: float = 0.1
    app_weight: float = 0.4
    limit: float = 0.9
    limit_low: float = 0.5
    limit_tent: float = 0.7
    low_max_lost_s: float = 0.2
    low_app: float = 0.0
    lost_penalty: float = 0.0
    dup_iou: float = 0.7
    confirm_hits: int = 2
    confirm_s: float = 0.15
    tentative_gap_s: float = 0.1
    max_lost_s: float = 1.0
    refind_s: float = 5.0
    refind_gate: float = 25.0
    refind_z: float = -0.2
    refind_limit: float = 0.5
    exit_share: float = 0.5
    ema_s: float = 1.0
    stale_s: float = 0.5
    prior_same: float = 0.12
    prior_diff: float = 0.4
    prior_n: float = 20
    front_weight: float = 1.0
    max_gap_s: float = 3.0
    motion: MotionConfig = MotionConfig()
