"""The tracker's configuration section."""

from typing import Literal

from pydantic import Field

from data.config import Section


class MotionConfig(Section):
    """How boxes move between frames."""

    speed: float = Field(0.6, gt=0, description="usual speed of a person, box heights per second (standard deviation)")
    speed_memory_s: float = Field(4.0, gt=0, description="seconds over which a person keeps a velocity")
    growth: float = Field(0.08, gt=0, description="usual change of a box's sides, box heights per second")
    growth_memory_s: float = Field(0.5, gt=0, description="seconds over which a box keeps growing or shrinking")
    noise: float = Field(0.05, gt=0, description="error of a detected box, box heights (standard deviation)")
    score_noise: float = Field(1.0, ge=0, description="how much larger the error of a box of score 0 is; 1 = twice")


class AssociationConfig(Section):
    """Which detection belongs to which track."""

    score_high: float = Field(0.4, ge=0, le=1, description="detections from this score on take part in every stage")
    score_low: float = Field(0.1, ge=0, le=1, description="detections below this score are not used at all")
    gate: float = Field(16.0, gt=0, description="largest squared Mahalanobis distance between centres")
    min_iou: float = Field(0.1, ge=0, le=1, description="least overlap of the boxes, each grown by the uncertainty")
    buffer: float = Field(1.0, ge=0, description="growth of boxes on each side, standard deviations of the position")
    max_cost: float = Field(0.8, gt=0, description="dearest pair of the first stage")
    max_cost_low: float = Field(0.5, gt=0, description="dearest pair of the low-score stage, 1 - IoU")
    max_cost_tentative: float = Field(0.7, gt=0, description="dearest pair of a track that is not confirmed yet")
    appearance_weight: float = Field(0.7, ge=0, description="how much a stranger's looks cost and familiar ones save")
    pose_weight: float = Field(0.0, ge=0, le=1, description="share of the skeletons (1 - OKS) in the motion cost, 0-1")
    refind_evidence: float = Field(0.15, ge=0, le=1, description="familiarity that brings a lost track back, 0-1")


class LooksConfig(Section):
    """What the tracker remembers of how people look."""

    stale_s: float = Field(0.3, gt=0, description="an appearance older than this is renewed, seconds")
    memory_s: float = Field(2.0, gt=0, description="seconds over which older looks fade")
    same_distance: float = Field(
        0.12,
        ge=0,
        le=2,
        description="first guess of the distance of a person to himself; the run's own distances are learnt",
    )
    other_distance: float = Field(0.4, ge=0, le=2, description="first guess of the distance of two people")
    guess_pairs: float = Field(20.0, gt=0, description="measured pairs that weigh as much as the first guess")
    prototypes: int = Field(16, ge=1, le=16, description="representative appearances kept per tracklet")
    prototype_distance: float = Field(0.05, ge=0, le=2, description="looks closer than this share one prototype")


class LifeConfig(Section):
    """When tracks begin and end."""

    score_new: float = Field(0.6, ge=0, le=1, description="least score of a detection that starts a track")
    duplicate_iou: float = Field(0.7, gt=0, le=1, description="a box that overlaps a used one by more starts no track")
    confirm_hits: int = Field(2, ge=1, description="detections before a track is confirmed")
    confirm_s: float = Field(0.25, ge=0, description="seconds before a track is confirmed")
    coast_s: float = Field(2.0, gt=0, description="a track unseen for longer is only found by appearance, seconds")
    exit_share: float = Field(
        0.5, ge=0, le=1, description="an unseen track with less of its box in the frame ends, 0-1"
    )


class GroupConfig(Section):
    """People on the ground, seen by several calibrated cameras."""

    speed: float = Field(0.8, gt=0, description="usual speed of a person, m/s per axis (standard deviation)")
    speed_memory_s: float = Field(4.0, gt=0, description="seconds over which a person keeps a velocity")
    height: float = Field(1.7, gt=0, description="usual height of a person, metres")
    height_spread: float = Field(0.08, gt=0, description="standard deviation of the log of the height")
    noise: float = Field(0.035, gt=0, description="error of a box's centre, bottom and top, box heights")
    noise_px: float = Field(1.5, ge=0, description="the part of it that does not shrink with the box, px")
    shared_error: float = Field(0.05, ge=0, description="first guess of a camera's own error, box heights; 0 = none")
    gate: float = Field(16.0, gt=0, description="largest squared Mahalanobis distance of a box from a person")
    rounds: int = Field(2, ge=1, description="how often the cameras of an instant are gone through")
    exchange: bool = Field(True, description="between rounds, what all cameras say of a person is assigned anew")
    occlusion: bool = Field(True, description="a person behind another is not expected to be detected")
    heads: bool = Field(True, description="tops of boxes speak; else the feet alone")
    hidden_feet: float = Field(
        0.05, gt=0, lt=1, description="share of boxes that end above the feet for no known cause"
    )
    least_inside: float = Field(0.15, ge=0, le=1, description="a box with less of it in the frame is not expected")
    detection: float = Field(0.9, gt=0, lt=1, description="first guess of the chance to detect a visible person")
    through: float = Field(0.1, gt=0, le=1, description="the same of a hidden person, as a share of it")
    clutter: float = Field(0.5, gt=0, description="first guess of the boxes per frame that are nobody's")
    evidence_s: float = Field(0.4, gt=0, description="what frames say is independent after this many seconds")
    birth_least: float = Field(-6.0, description="log-odds below which a guess is not followed")
    birth_rounds: int = Field(4, ge=1, description="how often new people are looked for in what is left")
    birth_misfit: float = Field(0.15, gt=0, description="a box further from any person's shape is nobody, box heights")
    birth_spread_m: float = Field(1.5, gt=0, description="a box whose place is vaguer starts nobody, metres")
    birth: float = Field(-5.0, description="log-odds of a new person before any box speaks")
    doubt: float = Field(0.1, gt=0, lt=1, description="a person less probable than this is forgotten or lost")
    fading: float = Field(0.3, ge=0, description="log-odds a person loses per second without evidence")
    confirm: float = Field(0.9, gt=0, lt=1, description="probability from which a person is reported")
    least_apart_m: float = Field(0.35, ge=0, description="nobody is born nearer than this to somebody, metres")
    looks: float = Field(0.4, ge=0, description="most that looks say of a box, log-likelihood ratio; 0 = nothing")
    newcomers_per_m2: float = Field(0.02, gt=0, description="how many new people a lost one may be taken for, per m2")
    shown_inside: float = Field(
        0.3, ge=0, le=1, description="an undetected person is written with this much in the frame"
    )
    shown_spread_m: float = Field(0.6, ge=0, description="and while its place is known this well, metres; 0 = never")
    shown_found: float = Field(
        0.5, ge=0, le=1, description="and where the camera detected this share of those it should have; walls hide"
    )
    settle_s: float = Field(
        3.0, ge=0, description="rows are written so much later, smoothed with what came since, seconds"
    )


class TrackerConfig(Section):
    """One identity per person inside one camera."""

    name: str = Field("hungarian", description="key of the tracker registry")
    appearance: Literal["demand", "always"] = Field(
        "demand",
        description="which rows get an embedding: demand (new, ambiguous, stale) or always (all in use)",
    )
    lost_s: float = Field(8.0, gt=0, description="a track unseen for longer is closed, seconds")
    max_gap_s: float = Field(3.0, gt=0, description="a longer gap between two frames closes all tracks, seconds")
    show_lost_s: float = Field(
        0.0, ge=0, description="live overlays show an unseen track where it is predicted for this long, seconds"
    )
    emit_s: float = Field(2.0, gt=0, description="seconds between two snapshots of a growing tracklet")
    max_tracklet_s: float = Field(
        60.0, gt=0, description="a longer tracklet is cut and continued by the next piece, seconds"
    )
    motion: MotionConfig = MotionConfig()
    association: AssociationConfig = AssociationConfig()
    looks: LooksConfig = LooksConfig()
    life: LifeConfig = LifeConfig()
    group: GroupConfig = GroupConfig()
