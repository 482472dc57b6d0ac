"""The associator's configuration section."""

from pydantic import Field

from data.config import Section


class AppearancePrior(Section):
    """What is expected of a network's distances before a site is seen.

    The defaults are OSNet x0.25's between cameras of Market-1501, with MSMT17 weights, on half of the odd training
    identities; the three ratios did not change between 2 and 190 people.
    """

    different: float = Field(
        0.49, gt=0, le=2, description="mean cosine distance of different people, before camera means are removed"
    )
    same_ratio: float = Field(
        0.42,
        gt=0,
        lt=1,
        description="mean distance of one person between cameras, as a share of that of different people",
    )
    same_spread: float = Field(0.15, gt=0, description="standard deviation of the same, in the same unit")
    different_spread: float = Field(
        0.16, gt=0, description="standard deviation of the distances of different people, in the same unit"
    )
    camera_shift: float = Field(
        0.14,
        ge=0,
        lt=1,
        description="how far a change of camera moves one person's distance, from that of halves of one tracklet (0) "
        "to that of different people (1)",
    )
    strength: float = Field(
        20.0,
        gt=0,
        description="pairs that the prior is worth when a site's own pairs are counted; pairs guessed to be one person "
        "count no more than it, however many",
    )


# Measured on vtest (ten people, one camera; one vector, and by part): distances of different people .73 to .76 and .54
# to .68 before the camera's mean is removed, spread .10 and .12 after it. OSNet's spread, .15 there, is .16 between
# cameras, so these are widened. Those of one person (.36 to .42) say nothing of a change of camera and stay OSNet's.
_OPEN_MODEL_ZOO = {
    "person-reidentification-retail-0277": AppearancePrior(different=0.74, different_spread=0.13),
    "person-reidentification-retail-0288": AppearancePrior(different=0.6, different_spread=0.13),
}


class AppearanceConfig(Section):
    """Distances between tracklets."""

    candidates: int = Field(48, ge=1, description="nearest tracklets that are compared in full, per tracklet")
    prototypes: int = Field(8, ge=1, le=16, description="prototypes per tracklet that are compared, evenly over time")
    best_share: float = Field(
        0.25, gt=0, le=1, description="share of the prototype pairs, nearest first, that half of the distance rests on"
    )
    camera_mean: bool = Field(True, description="remove the mean appearance of each camera first")
    camera_mean_prior: float = Field(
        5.0,
        ge=0,
        description="tracklets of no appearance that shrink a camera's mean, so that few do not define it",
    )
    full_visibility: float = Field(
        0.5,
        gt=0,
        le=1,
        description="joint visibility from which a distance counts in full; below, its evidence shrinks, 0-1",
    )
    outlier: float = Field(
        0.01, gt=0, lt=1, description="probability that one person looks like two: no distance excludes for certain"
    )
    lookalike: float = Field(
        0.0005, gt=0, lt=1, description="probability that two people look like one, before any are seen side by side"
    )
    lookalike_weight: float = Field(1000.0, gt=0, description="pairs seen side by side that this probability is worth")
    match_prior: float = Field(
        0.5, gt=0, lt=1, description="probability that a person is seen by another camera as well, before any evidence"
    )
    return_prior: float = Field(
        0.1, gt=0, lt=1, description="probability that a person comes back into the same camera, before any evidence"
    )
    match_prior_weight: float = Field(4.0, gt=0, description="tracklets that these two probabilities are worth")
    half_gap_s: float = Field(
        2.0, gt=0, description="seconds apart at which halves of a tracklet show how alike one person looks at best"
    )
    priors: dict[str, AppearancePrior] = Field(
        {"default": AppearancePrior(), **_OPEN_MODEL_ZOO},
        description="by a piece of the model id; the longest that fits is taken, else default",
    )


class RerankConfig(Section):
    """k-reciprocal re-ranking: shared neighbours as one more cue."""

    enabled: bool = Field(True, description="use it where the set is large enough")
    min_per_person: float = Field(
        2.5, ge=1, description="tracklets per person, as estimated, from which it is used: with fewer it does not help"
    )
    keep: float = Field(
        0.6, gt=0, le=1, description="share of the other cues' evidence that stays, as neighbours repeat it"
    )
    weight: float = Field(10.0, gt=0, description="log-likelihood ratio between no and all neighbours shared")


class MotionConfig(Section):
    """Fragments of one track in one camera."""

    max_gap_s: float = Field(2.0, ge=0, description="longest gap that is judged by motion, seconds; 0 = off")
    window_s: float = Field(0.6, gt=0, description="velocity is taken over this much of a tracklet's end, seconds")
    position_noise: float = Field(0.25, gt=0, description="deviation from straight motion at once, in box heights")
    position_drift: float = Field(0.35, ge=0, description="what it grows by, box heights per second of gap")
    height_noise: float = Field(0.15, gt=0, description="standard deviation of the log ratio of box heights")
    fragment_prior: float = Field(
        0.2, gt=0, lt=1, description="probability that a track that ends goes on as another one within max_gap_s"
    )
    border_prior: float = Field(
        0.03,
        gt=0,
        lt=1,
        description="the same where it ends, or the other starts, at the edge of the picture",
    )
    bound: float = Field(5.0, gt=0, description="largest log-likelihood ratio, either way")


class SpaceTimeCueConfig(Section):
    """Lags under a transition model."""

    outlier: float = Field(
        0.1, gt=0, lt=1, description="probability that one person's lag is none that the model expects"
    )
    outlier_events: float = Field(
        10.0, gt=0, description="events from a camera by which a model's lags are doubted: none seen is no evidence"
    )
    doubt_weight: float = Field(
        20.0, gt=0, description="links that these are worth when a run says how often a given model is wrong"
    )
    candidates: int = Field(16, ge=1, description="later tracklets that are compared for their lag, per tracklet")
    least_probability: float = Field(0.02, gt=0, lt=1, description="probability by its lag from which a pair is")


class SplitConfig(Section):
    """Tracklets that change person where people cross are cut there."""

    enabled: bool = Field(True, description="cut them")
    least_iou: float = Field(0.15, gt=0, le=1, description="overlap with another box from which a track may go over")
    gap_s: float = Field(0.5, gt=0, description="the same after a gap in the track longer than this, seconds")
    window_s: float = Field(6.0, gt=0, description="looks this long before and after a crossing are compared, seconds")
    near_s: float = Field(2.0, gt=0, description="others who came near within this time may have swapped, seconds")
    near_heights: float = Field(1.5, gt=0, description="how near: distance of the feet in box heights")
    least_piece_s: float = Field(2.0, ge=0, description="two cuts of one tracklet are at least this far apart, seconds")
    same_distance: float = Field(0.15, ge=0, le=2, description="expected distance of one person's looks, seconds apart")
    different_distance: float = Field(0.45, gt=0, le=2, description="expected distance of two people's looks")
    expected_pairs: float = Field(20.0, gt=0, description="measured distances that these two are worth")
    wrong_share: float = Field(0.05, gt=0, lt=1, description="share of crossings that go wrong, before any is seen")
    wrong_weight: float = Field(20.0, gt=0, description="crossings that this share is worth")
    probability: float = Field(0.5, gt=0, lt=1, description="cut from this probability on: pieces may be joined again")
    exchange: float = Field(0.5, ge=0, lt=1, description="probability that who took over was followed before as well")
    outliers: float = Field(0.02, gt=0, lt=1, description="share of distances of looks that say nothing")


class GaitCueConfig(Section):
    """How people walk, as one more cue; needs keypoints, and calibrated cameras for the plane form."""

    model: str | None = Field(
        None, description="file of a matcher, from tools.train_gait_matcher; null: gait is not looked at"
    )
    keypoint_min: float = Field(0.3, ge=0, lt=1, description="keypoints of this confidence or less are not known")
    least_sequences: int = Field(
        2, ge=1, description="a tracklet with fewer sequences of whole skeletons says nothing of its gait"
    )
    strangest: float = Field(
        3.0,
        gt=1,
        description="on a site whose skeletons vary more than those the matcher learnt from, by this factor, gait says "
        "nothing: its keypoints are not good enough",
    )
    candidates: int = Field(8, ge=1, description="most alike tracklets that are proposed, per tracklet")
    bound: float = Field(3.0, gt=0, description="largest log-likelihood ratio, either way")


class WorthConfig(Section):
    """What added log odds are worth: cues repeat one another."""

    keep: float = Field(0.6, gt=0, le=1, description="share of the added log odds that the printed probability keeps")
    decoy_weight: float = Field(
        30.0,
        gt=0,
        description="impossible pairs over even odds that the expectation of their number is worth",
    )


class ConstraintConfig(Section):
    """What cannot be."""

    dup_s: float = Field(1.0, ge=0, description="overlap in one camera that may be two boxes on one person, seconds")
    dup_iou: float = Field(0.6, gt=0, le=1, description="mean IoU of their boxes above which it is")
    sync_slack_s: float = Field(
        0.2, ge=0, description="overlap in time of cameras without common view that clock errors excuse, seconds"
    )
    apart_m: float = Field(
        1.0, gt=0, description="median distance at once above which two tracks of one group are two people, metres"
    )


class CorrectionConfig(Section):
    """How a person's corrections find their tracklets again."""

    max_gap_s: float = Field(0.5, ge=0, description="a tracklet may miss the corrected instant by this much, seconds")
    min_iou: float = Field(0.3, gt=0, le=1, description="overlap of its box with the corrected one")


class AssociateConfig(Section):
    """Identities over cameras (tools.associate)."""

    appearance: AppearanceConfig = AppearanceConfig()
    rerank: RerankConfig = RerankConfig()
    motion: MotionConfig = MotionConfig()
    split: SplitConfig = SplitConfig()
    worth: WorthConfig = WorthConfig()
    constraints: ConstraintConfig = ConstraintConfig()
    corrections: CorrectionConfig = CorrectionConfig()
    space_time: SpaceTimeCueConfig = Field(SpaceTimeCueConfig(), description="lags under a transition model")
    gait: GaitCueConfig = GaitCueConfig()
    competition: bool = Field(
        True, description="candidates for one place weigh on one another; off only to see what that pays"
    )
    same_probability: float = Field(
        0.3, gt=0, lt=1, description="tracklets are joined from this probability on, by their cues as they add up"
    )
    different_probability: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="pairs of a printed probability below it are different; others that are not joined are uncertain",
    )
    forget_after_s: float | None = Field(
        None,
        gt=0,
        description="s, who was unseen for longer gets a new identity (MOTChallenge's rule); null: never",
    )
    sweeps: int = Field(10, ge=0, description="rounds of local refinement at most")
    links_per_tracklet: int = Field(5, ge=1, description="best candidates of each tracklet that are kept as evidence")
