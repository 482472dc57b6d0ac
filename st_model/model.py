"""The transition model: how likely a person who left one camera enters another after a given time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import UserError
from data.records import DoubleArray, IntArray
from st_model.config import LagModelConfig
from st_model.counts import LagCounts, TransitionCounts, add_counts
from st_model.smoothing import choose_bandwidths, smooth_reflecting

Table = Literal["next", "any"]
VERSION = 1
MAX_TABLE_BYTES = 4 * 2**30
_SHORTEST_RANGE_BINS = 60


@dataclass(frozen=True, slots=True, eq=False)
class TransitionModel:
    """Densities of lags per ordered camera pair, and the evidence behind them.

    A lag is the time from leaving camera ``from`` to entering camera ``to``, in seconds; ``from == to`` is re-entry.

    Attributes:
        cameras: C names in natural order; an index into them is a camera everywhere here.
        bin_s: bin width in seconds; bin k holds lags in [k, k + 1) bin_s.
        next: (C, C, B) float64 [from, to], 1/s: density of "the next visit is in ``to`` after this lag", given that
            there is a next visit. Summed over ``to`` and bins and times bin_s it is at most 1 (less the lags beyond the
            last bin).
        any: (C, C, B) float64 [from, to], 1/s: the same over all later visits of the person, not only the next one.
        exit_probability: (C,) probability that a visit is followed by none.
        next_counts: (C, C) soft counts behind ``next``.
        any_counts: (C, C) soft counts behind ``any``.
        next_bandwidth_s: (C, C) smoothing of ``next``, standard deviation in seconds.
        any_bandwidth_s: (C, C) smoothing of ``any``.
        floor: lowest density that is ever answered, 1/s.
        evidence: the counts all of this follows from.
        settings: how it follows.
        meta: where the evidence comes from (source, offsets); plain JSON values.
        version: of the file format.
    """

    cameras: tuple[str, ...]
    bin_s: float
    next: DoubleArray
    any: DoubleArray
    exit_probability: DoubleArray
    next_counts: DoubleArray
    any_counts: DoubleArray
    next_bandwidth_s: DoubleArray
    any_bandwidth_s: DoubleArray
    floor: float
    evidence: TransitionCounts
    settings: LagModelConfig
    meta: dict[str, Any]
    version: int = VERSION

    @property
    def range_s(self) -> float:
        """Lags from here on have the floor density."""
        return self.next.shape[-1] * self.bin_s

    def index(self, names: Sequence[str] | NDArray[np.str_]) -> IntArray:
        """Index of each camera name; -1 for a camera the model does not know."""
        known = {name: number for number, name in enumerate(self.cameras)}
        return np.array([known.get(str(name), -1) for name in np.atleast_1d(np.asarray(names))], np.int64)

    def log_density(
        self, from_cameras: ArrayLike, to_cameras: ArrayLike, lag_s: ArrayLike, table: Table = "next"
    ) -> DoubleArray:
        """Natural log of the density of lags, per second, never below the log of ``floor``.

        Args:
            from_cameras: camera left: integer indices (-1 = unknown), or names.
            to_cameras: camera entered, likewise.
            lag_s: seconds from leaving to entering. A lag in [-bin_s, 0) counts as 0 (clock jitter); a more negative
                one, and one beyond the last bin, has the floor density.
            table: "next" for consecutive visits, "any" for all pairs.

        Returns:
            float64 in the broadcast shape of the arguments; NaN ("no evidence") where the lag is NaN or a camera
            is unknown.

        Raises:
            IndexError: for a camera index beyond the model's cameras.
        """
        densities = self.next if table == "next" else self.any
        source, target, lag = np.broadcast_arrays(
            self.camera_indices(from_cameras), self.camera_indices(to_cameras), np.asarray(lag_s, np.float64)
        )
        known = (source >= 0) & (target >= 0) & ~np.isnan(lag)
        bins = lag_bins(lag, self.bin_s)
        inside = known & (bins >= 0) & (bins < densities.shape[-1])
        result = np.where(known, np.log(self.floor), np.nan)
        found = densities[source[inside], target[inside], bins[inside]]
        result[inside] = np.log(np.maximum(found, self.floor))
        return result

    def merged(self, other: "TransitionModel") -> "TransitionModel":
        """The model of both bodies of evidence, with this one's settings.

        Exactly the model that one build over all visits gives, as long as the two rest on disjoint people.
        """
        meta = {**self.meta, "merged": [*self.meta.get("merged", []), other.meta]}
        return model_from_counts(add_counts(self.evidence, other.evidence), self.settings, meta)

    def camera_indices(self, cameras: ArrayLike) -> IntArray:
        """Indices of cameras given as indices (returned as they are) or as names (-1 = unknown), in the same shape."""
        array = np.asarray(cameras)
        if array.dtype.kind in "US":
            return self.index(array.ravel()).reshape(array.shape)
        if array.size and (array.max() >= len(self.cameras) or array.min() < -1):
            raise IndexError(f"camera index {array.max()} in a model of {len(self.cameras)} cameras")
        return array.astype(np.int64)


def lag_bins(lags_s: DoubleArray, bin_s: float) -> IntArray:
    """Bin of each lag: k for [k, k + 1) bin_s, 0 also for [-bin_s, 0) (clock jitter), -1 below that and for NaN.

    A millionth of a bin is forgiven, so that a lag of whole bins does not fall below its edge by rounding.
    """
    position = np.floor(np.nan_to_num(lags_s, nan=-np.inf) / bin_s + 1e-6)
    position = np.clip(position, -2, 2**53)
    bins: IntArray = np.where(position == -1, 0, position).astype(np.int64)
    return np.maximum(bins, -1)


def model_from_counts(
    counts: TransitionCounts,
    settings: LagModelConfig,
    meta: dict[str, Any],
    bandwidths_s: tuple[DoubleArray, DoubleArray] | None = None,
) -> TransitionModel:
    """Smooth and normalise counts.

    density[a, b, k] = P(b | a) f_ab(k) / bin_s with P(b | a) = (n_ab + alpha) / (n_a + alpha C) and
    f_ab = (n_ab KDE_ab + kappa f_all) / (n_ab + kappa): a pair seen rarely leans on all pairs together, which lean on a
    uniform density.

    Args:
        counts: the evidence.
        settings: priors, range and bandwidth.
        meta: provenance, plain JSON values.
        bandwidths_s: (C, C) bandwidths of ``next`` and ``any`` that were chosen before; None chooses them here.

    Raises:
        UserError: when the tables would not fit into memory.
    """
    cameras = len(counts.cameras)
    bins = _range_bins(counts, settings)
    if 2 * 8 * cameras * cameras * bins > MAX_TABLE_BYTES:
        raise UserError(
            f"transition tables of {cameras} x {cameras} cameras and {bins} bins would take "
            f"{16 * cameras * cameras * bins / 2**30:.1f} GiB; raise bin_s or set st.lags.max_lag_s"
        )
    chosen = bandwidths_s or (None, None)
    next_, next_bandwidth = _densities(counts.next, cameras, bins, counts.bin_s, settings, chosen[0])
    any_, any_bandwidth = _densities(counts.any, cameras, bins, counts.bin_s, settings, chosen[1])
    next_counts = counts.next.totals(cameras)
    left = next_counts.sum(1) + counts.exits + settings.exit_prior_visits
    floor = settings.floor_per_s or 1.0 / ((next_counts.sum() + 1.0) * bins * counts.bin_s)
    return TransitionModel(
        cameras=counts.cameras,
        bin_s=counts.bin_s,
        next=next_,
        any=any_,
        exit_probability=(counts.exits + settings.exit_prior * settings.exit_prior_visits) / left,
        next_counts=next_counts,
        any_counts=counts.any.totals(cameras),
        next_bandwidth_s=next_bandwidth,
        any_bandwidth_s=any_bandwidth,
        floor=float(floor),
        evidence=counts,
        settings=settings,
        meta=meta,
    )


def _range_bins(counts: TransitionCounts, settings: LagModelConfig) -> int:
    if settings.max_lag_s is not None:
        return max(1, int(np.ceil(settings.max_lag_s / counts.bin_s)))
    longest = max(counts.next.bins.max(initial=0), counts.any.bins.max(initial=0))
    return max(_SHORTEST_RANGE_BINS, int(longest) + 1)


def _densities(
    lags: LagCounts,
    cameras: int,
    bins: int,
    bin_s: float,
    settings: LagModelConfig,
    bandwidths_s: DoubleArray | None,
) -> tuple[DoubleArray, DoubleArray]:
    histograms = lags.dense(cameras, bins).reshape(cameras * cameras, bins)
    if bandwidths_s is not None:
        widths = bandwidths_s.reshape(-1) / bin_s
    elif settings.bandwidth_s is not None:
        widths = np.full(len(histograms), max(settings.bandwidth_s / bin_s, 1.0))
    else:
        widths = choose_bandwidths(histograms, settings.bandwidth_pooling)
    inside = histograms.sum(-1)
    smoothed = np.zeros_like(histograms)
    filled = inside > 0
    smoothed[filled] = smooth_reflecting(histograms[filled], widths[filled])
    pooled = (smoothed.sum(0) + 1.0 / bins) / (inside.sum() + 1.0)
    totals = lags.totals(cameras)
    prior = settings.lag_prior
    shape = (smoothed + prior * pooled) / (totals.reshape(-1, 1) + prior)
    goes_to = (totals + settings.transition_prior) / (
        totals.sum(1, keepdims=True) + settings.transition_prior * cameras
    )
    density = shape.reshape(cameras, cameras, bins) * (goes_to / bin_s)[..., None]
    return density, (widths * bin_s).reshape(cameras, cameras)
