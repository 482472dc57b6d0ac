"""The transition model: how likely a person who left one camera enters another after a given time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import UserError
from data.kernels.checks import one_of
from data.records import DoubleArray, IntArray
from st_model.config import LagModelConfig
from st_model.counts import TransitionCounts, add_counts
from st_model.grid import LagGrid
from st_model.smoothing import choose_bandwidths, smooth_reflecting

Table = Literal["next", "any"]
VERSION = 2
MAX_TABLE_BYTES = 4 * 2**30
_COMMON_BANDWIDTH = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class TransitionModel:
    """Densities of lags per ordered camera pair, and the evidence behind them.

    A lag is the time from leaving camera ``from`` to entering camera ``to``, in seconds; ``from == to`` is re-entry.

    Attributes:
        cameras: C names in natural order; an index into them is a camera everywhere here.
        grid: the B bins of lags; they widen with the lag.
        next: (C, C, B) float64 [from, to], 1/s: density of "the next visit is in ``to`` after this lag", given that
            there is a next visit. Integrated over lags and summed over ``to`` it is 1, less the lags beyond the grid.
        any: (C, C, B) float64 [from, to], 1/s: the same over all later visits of the person, not only the next one.
        exit_probability: (C,) probability that a visit is followed by none.
        next_counts: (C, C) soft counts behind ``next``.
        any_counts: (C, C) soft counts behind ``any``.
        next_bandwidth: (C, C) smoothing of ``next``: standard deviation in log(1 + lag / grid.linear_s), so about the
            relative error of a long lag.
        any_bandwidth: (C, C) smoothing of ``any``.
        floor: lowest density that is ever answered, 1/s.
        evidence: the counts all of this follows from.
        settings: how it follows.
        meta: where the evidence comes from (source, offsets); plain JSON values.
        version: of the file format.
        doubt: (C, C) probability that a lag of one person, from camera to camera, is none the model expects, as a run
            of other people found it; None before any did. It belongs to that run and is in no file.
        stray: probability that such a lag is none of people anywhere either, but as anybody's; of the same run. 1
            before any: a model's own people say nothing of lags they did not have.
    """

    cameras: tuple[str, ...]
    grid: LagGrid
    next: DoubleArray
    any: DoubleArray
    exit_probability: DoubleArray
    next_counts: DoubleArray
    any_counts: DoubleArray
    next_bandwidth: DoubleArray
    any_bandwidth: DoubleArray
    floor: float
    evidence: TransitionCounts
    settings: LagModelConfig
    meta: dict[str, Any]
    version: int = VERSION
    doubt: DoubleArray | None = None
    stray: float = 1.0

    def index(self, names: Sequence[str] | NDArray[np.str_]) -> IntArray:
        """Index of each camera name; -1 for a camera the model does not know."""
        known = {name: number for number, name in enumerate(self.cameras)}
        return np.array([known.get(str(name), -1) for name in np.atleast_1d(np.asarray(names))], np.int64)

    def camera_indices(self, cameras: ArrayLike) -> IntArray:
        """Cameras given as indices (-1 = unknown) or as names, as indices in the same shape.

        Raises:
            IndexError: for an index that is no camera of the model.
        """
        array = np.asarray(cameras)
        if array.dtype.kind in "US":
            return self.index(array.ravel()).reshape(array.shape)
        if array.size and array.dtype.kind not in "iu":
            raise IndexError(f"cameras are integer indices or names, not {array.dtype}")
        if array.size and (array.max() >= len(self.cameras) or array.min() < -1):
            raise IndexError(f"camera indices {array.min()} to {array.max()} in a model of {len(self.cameras)} cameras")
        return array.astype(np.int64)

    def log_density(
        self, from_cameras: ArrayLike, to_cameras: ArrayLike, lag_s: ArrayLike, table: Table = "next"
    ) -> DoubleArray:
        """Natural log of the density of lags, per second, never below the log of ``floor``.

        Args:
            from_cameras: camera left: integer indices (-1 = unknown), or names.
            to_cameras: camera entered, likewise.
            lag_s: seconds from leaving to entering. A lag in [-bin_s, 0) counts as 0 (clock jitter); a more negative
                one, and one beyond the grid, has the floor density.
            table: "next" for consecutive visits, "any" for all pairs.

        Returns:
            float64 in the broadcast shape of the arguments; NaN ("no evidence") where the lag is NaN or a camera
            is unknown.

        Raises:
            IndexError: for a camera index that is no camera of the model.
            UserError: for an unknown table.
        """
        one_of(table, get_args(Table), "a table of a transition model")
        densities = self.next if table == "next" else self.any
        lags = np.asarray(lag_s, np.float64)
        source, target, lag, bins = np.broadcast_arrays(
            self.camera_indices(from_cameras), self.camera_indices(to_cameras), lags, self.grid.index(lags)
        )
        known = (source >= 0) & (target >= 0) & ~np.isnan(lag)
        inside = known & (bins >= 0) & (bins < densities.shape[-1])
        result = np.where(known, np.log(self.floor), np.nan)
        found = densities[source[inside], target[inside], bins[inside]]
        result[inside] = np.log(np.maximum(found, self.floor))
        return result

    def merged(self, other: "TransitionModel") -> "TransitionModel":
        """The model of both bodies of evidence, with this one's settings.

        Exactly the model that one build over all visits gives, as long as the two rest on disjoint people.

        Raises:
            UserError: when the two have different lag bins.
        """
        meta = {**self.meta, "merged": [*self.meta.get("merged", []), other.meta]}
        return model_from_counts(add_counts(self.evidence, other.evidence), self.settings, meta)


def model_from_counts(
    counts: TransitionCounts, settings: LagModelConfig | None = None, meta: dict[str, Any] | None = None
) -> TransitionModel:
    """Smooth and normalise counts.

    density[a, b, k] = P(b | a) f_ab(k) / width(k) with P(b | a) = (n_ab + alpha) / (n_a + alpha C) and
    f_ab = (n_ab KDE_ab + kappa f_all) / (n_ab + kappa): a pair seen rarely leans on all pairs together, smoothed widely
    because their peaks are their own, and these lean on a uniform density.

    Args:
        counts: the evidence.
        settings: priors and bandwidth; None takes the defaults.
        meta: provenance, plain JSON values.

    Raises:
        UserError: when the tables would not fit into memory.
    """
    settings = settings or LagModelConfig()
    cameras, bins = len(counts.cameras), counts.grid.bins
    if 2 * 8 * cameras * cameras * bins > MAX_TABLE_BYTES:
        raise UserError(
            f"transition tables of {cameras} x {cameras} cameras and {bins} bins would take "
            f"{16 * cameras * cameras * bins / 2**30:.1f} GiB; raise st.grid.bin_s or lower st.grid.max_lag_s"
        )
    next_, next_bandwidth = _densities(counts.next, counts.grid, settings)
    any_, any_bandwidth = _densities(counts.any, counts.grid, settings)
    next_counts, any_counts = counts.next.sum(-1), counts.any.sum(-1)
    left = next_counts.sum(1) + counts.exits + settings.exit_prior_visits
    floor = settings.floor_per_s or 1.0 / ((next_counts.sum() + 1.0) * counts.grid.max_lag_s)
    return TransitionModel(
        cameras=counts.cameras,
        grid=counts.grid,
        next=next_,
        any=any_,
        exit_probability=(counts.exits + settings.exit_prior * settings.exit_prior_visits) / left,
        next_counts=next_counts,
        any_counts=any_counts,
        next_bandwidth=next_bandwidth,
        any_bandwidth=any_bandwidth,
        floor=float(floor),
        evidence=counts,
        settings=settings,
        meta=meta or {},
    )


def _densities(counts: DoubleArray, grid: LagGrid, settings: LagModelConfig) -> tuple[DoubleArray, DoubleArray]:
    cameras, bins = counts.shape[0], grid.bins
    totals = counts.sum(-1)
    histograms = counts[..., :bins].reshape(cameras * cameras, bins)
    if settings.bandwidth is not None:
        widths = np.full(len(histograms), max(settings.bandwidth / grid.step, 1.0))
    else:
        widths = choose_bandwidths(histograms, settings.bandwidth_pooling)
    inside = histograms.sum(-1)
    filled = inside > 0
    smoothed = np.zeros_like(histograms)
    smoothed[filled] = smooth_reflecting(histograms[filled], widths[filled])
    pooled = (smoothed.sum(0) + 1.0 / bins) / (inside.sum() + 1.0)
    pooled = smooth_reflecting(pooled[None], np.array([max(_COMMON_BANDWIDTH / grid.step, 1.0)]))[0]
    prior, alpha = settings.lag_prior, settings.transition_prior
    shape = (smoothed + prior * pooled) / (totals.reshape(-1, 1) + prior)
    goes_to = (totals + alpha) / (totals.sum(1, keepdims=True) + alpha * cameras)
    density = shape.reshape(cameras, cameras, bins) * goes_to[..., None] / np.diff(grid.edges_s)
    return density, (widths * grid.step).reshape(cameras, cameras)
