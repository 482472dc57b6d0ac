"""The space-time model's configuration section."""

from pydantic import Field

from data.config import Section


class LagGridConfig(Section):
    """Bins of lags: equal in log(1 + lag / linear_s)."""

    bin_s: float = Field(0.25, gt=0, description="width of the first bin, s")
    linear_s: float = Field(10.0, gt=0, description="bins widen in proportion to the lag from about here on, s")
    max_lag_s: float = Field(86400.0, gt=0, description="lags from here on have the floor density, s")


class LagModelConfig(Section):
    """How counted lags become densities."""

    bandwidth: float | None = Field(
        None, gt=0, description="Gaussian smoothing of log(1 + lag / linear_s); None: by cross-validated likelihood"
    )
    bandwidth_pooling: float = Field(
        20.0, ge=0, description="events by which a camera pair's bandwidth leans on that of all pairs"
    )
    transition_prior: float = Field(
        0.5, gt=0, description="pseudo-visits to every camera, so that an unseen transition is rare, not impossible"
    )
    lag_prior: float = Field(
        2.0, gt=0, description="pseudo-events by which a pair's lag density leans on that of all pairs"
    )
    exit_prior: float = Field(0.5, gt=0, lt=1, description="probability of leaving for good before any evidence")
    exit_prior_visits: float = Field(2.0, gt=0, description="visits that the exit prior is worth")
    floor_per_s: float | None = Field(
        None, gt=0, description="lowest density, 1/s; None: one more event spread over the whole range of lags"
    )


class SelfTrainingConfig(Section):
    """Learning transitions from a run's own links."""

    rounds: int = Field(5, ge=0, le=5, description="rounds of association and fitting; 0 switches it off")
    min_probability: float = Field(0.5, ge=0, le=1, description="links below this probability count nothing")
    prior_events: float = Field(20.0, ge=0, description="events that a given transition model is worth as a prior")
    folds: int = Field(3, ge=2, description="parts of the time line for the held-out likelihood")


class SpaceTimeConfig(Section):
    """Transition times between cameras."""

    model: str | None = Field(None, description="file of a transition model; None runs without, or learns its own")
    grid: LagGridConfig = Field(LagGridConfig(), description="bins of a model that is learnt")
    lags: LagModelConfig = Field(LagModelConfig(), description="how counted lags become densities")
    self_training: SelfTrainingConfig = Field(SelfTrainingConfig(), description="learning from the run's own links")
