"""The space-time model's configuration section."""

from pydantic import Field

from data.config import Section


class LagGridConfig(Section):
    """Bins of a model that is learnt, equal in log(1 + lag / linear_s)."""

    bin_s: float = Field(0.25, gt=0, description="s, width of the first bin")
    linear_s: float = Field(10.0, gt=0, description="s, bins widen in proportion to the lag from about here on")
    max_lag_s: float = Field(86400.0, gt=0, description="s, lags from here on have the floor density")


class LagModelConfig(Section):
    """How counted lags become densities."""

    bandwidth: float | None = Field(
        None, gt=0, description="Gaussian smoothing of log(1 + lag / linear_s); null: by cross-validated likelihood"
    )
    bandwidth_pooling: float = Field(
        20.0, ge=0, description="events by which a camera pair's bandwidth leans on that of all pairs"
    )
    transition_prior: float = Field(
        0.5, gt=0, description="pseudo-visits to every camera: an unseen transition is rare, not impossible"
    )
    lag_prior: float = Field(
        2.0, gt=0, description="pseudo-events by which a pair's lag density leans on that of all pairs"
    )
    exit_prior: float = Field(0.5, gt=0, lt=1, description="probability of leaving for good before any evidence")
    exit_prior_visits: float = Field(2.0, gt=0, description="visits that the exit prior is worth")
    floor_per_s: float | None = Field(
        None, gt=0, description="1/s, lowest density; null: one more event spread over the whole range of lags"
    )


class SelfTrainingConfig(Section):
    """Learning from the run's own links."""

    rounds: int = Field(
        5,
        ge=0,
        le=5,
        description="rounds of association and fitting, kept while the held-out likelihood rises; 0 = off",
    )
    min_probability: float = Field(0.5, ge=0, le=1, description="links below this probability count nothing")
    prior_events: float = Field(20.0, ge=0, description="events that a given transition model is worth as a prior")
    folds: int = Field(3, ge=2, description="parts of the time line for the held-out likelihood")


class TimesOnlyConfig(Section):
    """Learning from times, places and paces where nobody has a look."""

    enabled: bool = Field(True, description="look for ways between cameras where no other cue teaches")
    longest_s: float = Field(1800.0, gt=1, description="s, walks take no longer")
    min_gain: float = Field(
        5.0, ge=0, description="evidence that a way needs over chance, nats, and the log of the camera pairs on top"
    )


class SpaceTimeConfig(Section):
    """When and where: transition times between cameras."""

    model: str | None = Field(
        None, description="file of a transition model (tools.build_st_model); null runs without, or learns its own"
    )
    grid: LagGridConfig = LagGridConfig()
    lags: LagModelConfig = LagModelConfig()
    self_training: SelfTrainingConfig = SelfTrainingConfig()
    times_only: TimesOnlyConfig = TimesOnlyConfig()
