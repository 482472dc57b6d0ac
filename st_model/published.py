"""The distribution of ST-ReID as published, in frames.

Wang, Lai, Huang & Xie, "Spatial-Temporal Person Re-identification", AAAI 2019. It is for retrieval and parity: one time
per identity and camera, probabilities per bin. The pipeline uses ``st_model.model``.
"""

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import UserError
from data.kernels.checks import indices
from data.records import DoubleArray, IntArray

logger = logging.getLogger(__name__)

BIN_FRAMES = 100
SIGMA_BINS = 50.0
_EPSILON = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class PublishedDistribution:
    """Probability of a lag bin per ordered camera pair.

    Attributes:
        cameras: C names.
        probability: (C, C, B) float64 [from, to]; a pair's bins sum to about 1, to 0 where no identity was in both.
        histogram: (C, C, B) float64 raw counts, or None when only the smoothed table was given.
        overflow: (C, C) counts of lags beyond the last bin, which are in no bin.
        bin_frames: bin width in frames.
        sigma_bins: standard deviation of the Gaussian, in bins; 0 = not smoothed.
        meta: provenance (source, offsets), plain JSON values.
    """

    cameras: tuple[str, ...]
    probability: DoubleArray
    histogram: DoubleArray | None
    overflow: DoubleArray
    bin_frames: int = BIN_FRAMES
    sigma_bins: float = SIGMA_BINS
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> DoubleArray:
        """(C, C) identities behind each pair; zeros where only the smoothed table is known."""
        if self.histogram is None:
            return np.zeros(self.probability.shape[:2])
        totals: DoubleArray = self.histogram.sum(-1) + self.overflow
        return totals

    def merged(self, other: "PublishedDistribution") -> "PublishedDistribution":
        """Distribution of both bodies of evidence (disjoint people), with this one's smoothing.

        Raises:
            UserError: when cameras or bins differ, or raw counts are not known.
        """
        if self.histogram is None or other.histogram is None:
            raise UserError("a distribution without raw counts cannot be merged; build it again from its rows")
        if self.cameras != other.cameras or self.bin_frames != other.bin_frames:
            raise UserError(
                f"distributions of cameras {', '.join(self.cameras)} in bins of {self.bin_frames} frames and "
                f"{', '.join(other.cameras)} in bins of {other.bin_frames} cannot be merged"
            )
        bins = max(self.histogram.shape[-1], other.histogram.shape[-1])
        histogram = np.zeros((*self.histogram.shape[:2], bins))
        for part in (self.histogram, other.histogram):
            histogram[..., : part.shape[-1]] += part
        meta = {**self.meta, "merged": [*self.meta.get("merged", []), other.meta]}
        return from_histogram(
            self.cameras, histogram, self.overflow + other.overflow, self.bin_frames, self.sigma_bins, meta
        )


def published_distribution(
    identities: ArrayLike,
    cameras: ArrayLike,
    frames: ArrayLike,
    camera_names: tuple[str, ...],
    bin_frames: int = BIN_FRAMES,
    bins: int | None = None,
    sigma_bins: float = SIGMA_BINS,
    meta: dict[str, Any] | None = None,
) -> PublishedDistribution:
    """Distribution of labelled detections, exactly as published.

    Every identity has one time per camera, the mean of its frames; every two cameras it was in give one lag, counted
    from the camera of the smaller mean to that of the larger. Equal means count from the camera of the lower index to
    that of the higher; the published divisor (count + 1e-7) makes the camera with more detections the later one.

    Args:
        identities: (N,) integers or strings.
        cameras: (N,) integer index into ``camera_names``.
        frames: (N,) frame on the common time line; a negative one is missing and its row is left out with a warning.
        camera_names: C names.
        bin_frames: bin width in frames.
        bins: B; None takes as many as the longest lag needs.
        sigma_bins: Gaussian smoothing in bins; 0 does not smooth.
        meta: provenance, plain JSON values.

    Raises:
        UserError: when columns differ in length, a camera is none of the named ones, or bins have no width or number.
    """
    if bin_frames < 1 or (bins is not None and bins < 1) or not 0 <= sigma_bins < np.inf:
        raise UserError(
            f"bins of {bin_frames} frames, {bins} of them, smoothed by {sigma_bins}: a distribution needs bin_frames "
            "and bins of 1 or more, and a finite sigma_bins of 0 or more"
        )
    count = len(camera_names)
    who, frame = np.asarray(identities), np.asarray(frames)
    camera = indices(cameras, count, "camera indices")
    if frame.size and frame.dtype.kind not in "iuf":
        raise UserError(f"frames are numbers, not {frame.dtype}")
    if not len(who) == len(camera) == len(frame):
        raise UserError(f"columns differ in length: {len(who)} identities, {len(camera)} cameras, {len(frame)} frames")
    present = frame >= 0
    if not present.all():
        logger.warning("%d of %d detections have no frame and are left out", int((~present).sum()), len(present))
        who, camera, frame = who[present], camera[present], frame[present]
    means = _mean_frames(np.unique(who, return_inverse=True)[1].astype(np.int64), camera, frame, count)
    sources, targets, lags = _directed_lags(means)
    index = np.floor(lags / bin_frames).astype(np.int64)
    size = bins if bins is not None else max(1, int(index.max(initial=0)) + 1)
    inside = index < size
    if not inside.all():
        logger.warning("%d lags lie beyond the last of %d bins and count in none", int((~inside).sum()), size)
    flat = (sources[inside] * count + targets[inside]) * size + index[inside]
    histogram = np.bincount(flat, minlength=count * count * size).astype(np.float64).reshape(count, count, size)
    beyond = np.bincount(sources[~inside] * count + targets[~inside], minlength=count * count)
    overflow = beyond.astype(np.float64).reshape(count, count)
    return from_histogram(camera_names, histogram, overflow, bin_frames, sigma_bins, meta or {})


def from_histogram(
    cameras: tuple[str, ...],
    histogram: DoubleArray,
    overflow: DoubleArray,
    bin_frames: int,
    sigma_bins: float,
    meta: dict[str, Any],
) -> PublishedDistribution:
    """Normalise, smooth and normalise again, with the published epsilons."""
    probability = histogram / (histogram.sum(-1, keepdims=True) + _EPSILON)
    if sigma_bins > 0:
        probability = smooth_published(probability, sigma_bins)
    return PublishedDistribution(cameras, probability, histogram, overflow, bin_frames, sigma_bins, meta)


def smooth_published(probability: DoubleArray, sigma_bins: float) -> DoubleArray:
    """Parzen smoothing along the bins, cut off at 3 sigma, zeros beyond both ends, then normalised: (C, C, B)."""
    from scipy.ndimage import correlate1d

    reach = int(np.floor(3 * sigma_bins))
    taps = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (taps / sigma_bins) ** 2) / (sigma_bins * np.sqrt(2 * np.pi))
    smoothed = np.zeros_like(probability)
    filled = probability.any(axis=-1)
    if filled.any():
        rows = correlate1d(probability[filled], kernel, axis=-1, mode="constant")
        smoothed[filled] = rows / (rows.sum(-1, keepdims=True) + _EPSILON)
    return smoothed


def _mean_frames(identities: IntArray, cameras: IntArray, frames: NDArray[Any], count: int) -> DoubleArray:
    """(I, C) mean frame of each identity in each camera, NaN where it was never seen."""
    people = int(identities.max(initial=-1)) + 1
    flat = identities * count + cameras
    number = np.bincount(flat, minlength=people * count)
    total = np.bincount(flat, frames.astype(np.float64), people * count)
    mean = np.where(number > 0, total / (number + _EPSILON), np.nan)
    return mean.reshape(people, count)


def _directed_lags(means: DoubleArray) -> tuple[IntArray, IntArray, DoubleArray]:
    """Source camera, target camera and lag of every identity seen in both cameras of an unordered pair."""
    first, second = np.triu_indices(means.shape[1], 1)
    difference = means[:, first] - means[:, second]
    row, pair = np.nonzero(~np.isnan(difference))
    lag = difference[row, pair]
    first_later = lag > 0
    targets = np.where(first_later, first[pair], second[pair])
    sources = np.where(first_later, second[pair], first[pair])
    return sources, targets, np.abs(lag)
