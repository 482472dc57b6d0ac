"""How alike tracklets appear: one mean vector each to find candidates, prototype pairs to compare them in full."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.kernels.parts import joint_visibility
from data.kernels.vectors import to_unit_length
from data.records import FloatArray, IntArray, PartEmbeddings
from pipeline.association.config import AppearanceConfig
from pipeline.association.table import TrackletTable

_TINY = 1e-6
_BLOCK_FLOATS = 1 << 23
_MOST_HALVES = 400


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Appearance of the F tracklets that one model described, camera means removed.

    Attributes:
        rows: (F,) rows of the tracklet table, rising.
        vectors: (F, P, G, D) float32 prototypes, unit length or zero.
        visibility: (F, P, G) float32, 0 where a tracklet has fewer than G prototypes.
        mean: (F, P, D) float32 visibility-weighted mean of the prototypes, unit length or zero.
        seen: (F, P) float32 visibility of each part in the best quarter of the prototypes.
        holistic: (P,) whether a part describes all that is visible.
        part_names: P names.
        model_id: who made them.
        share_removed: mean share of the camera means that was removed, 0-1.
    """

    rows: IntArray
    vectors: FloatArray
    visibility: FloatArray
    mean: FloatArray
    seen: FloatArray
    holistic: NDArray[np.bool_]
    part_names: tuple[str, ...]
    model_id: str
    share_removed: float

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class PairDistances:
    """Distances of E pairs.

    Attributes:
        distance: (E,) float32 visibility-weighted mean over parts, 0-2; NaN where no part is seen in both.
        visibility: (E,) float32 mean joint visibility of the parts, 0-1.
        parts: (E, P) float32 distance of each part; NaN where it is not seen in both.
        part_weights: (E, P) float32 joint visibility of each part.
    """

    distance: FloatArray
    visibility: FloatArray
    parts: FloatArray
    part_weights: FloatArray

    def select(self, rows: NDArray[np.bool_]) -> "PairDistances":
        """Keep some pairs."""
        return PairDistances(self.distance[rows], self.visibility[rows], self.parts[rows], self.part_weights[rows])


def gather_families(table: TrackletTable, config: AppearanceConfig) -> list[Family]:
    """One ``Family`` per model (and shape of its embeddings), by model id."""
    families: dict[tuple[str, tuple[str, ...], int], list[int]] = {}
    for row, tracklet in enumerate(table.tracklets):
        found = tracklet.prototypes
        if found is not None and len(found) and (found.visibility > 0).any():
            families.setdefault((found.model_id, found.part_names, found.vectors.shape[2]), []).append(row)
    return [_gather(table, np.array(rows, np.int64), config) for _, rows in sorted(families.items())]


def _gather(table: TrackletTable, rows: IntArray, config: AppearanceConfig) -> Family:
    chosen = [_spread(table.tracklets[row].prototypes, config.prototypes) for row in rows]
    example = chosen[0]
    most, parts, dim = max(len(item) for item in chosen), len(example.part_names), example.vectors.shape[2]
    vectors = np.zeros((len(rows), parts, most, dim), np.float32)
    visibility = np.zeros((len(rows), parts, most), np.float32)
    for place, item in enumerate(chosen):
        vectors[place, :, : len(item)] = item.vectors.transpose(1, 0, 2)
        visibility[place, :, : len(item)] = np.nan_to_num(item.visibility.T)
    np.nan_to_num(vectors, copy=False, posinf=0.0, neginf=0.0)
    to_unit_length(vectors, _TINY)
    # Before the camera's mean is taken away: nothing less a mean would look like every other nothing.
    visibility[~vectors.any(axis=-1)] = 0.0
    share = 0.0
    if config.camera_mean:
        share = _remove_camera_means(vectors, visibility, table.camera[rows], config.camera_mean_prior)
    visibility[~vectors.any(axis=-1)] = 0.0
    mean = np.matmul(visibility[:, :, None], vectors)[:, :, 0]
    to_unit_length(mean, _TINY)
    best = -(-most // 4)
    return Family(
        rows=rows,
        vectors=vectors,
        visibility=visibility,
        mean=mean,
        seen=np.sort(visibility, axis=-1)[:, :, -best:].mean(axis=-1),
        holistic=np.array([kind == "holistic" for kind in example.part_kinds]),
        part_names=example.part_names,
        model_id=example.model_id,
        share_removed=share,
    )


def _spread(prototypes: PartEmbeddings | None, most: int) -> PartEmbeddings:
    """At most ``most`` prototypes, evenly over their order."""
    assert prototypes is not None
    if len(prototypes) <= most:
        return prototypes
    return prototypes.select(np.linspace(0, len(prototypes) - 1, most).round().astype(np.int64))


def _remove_camera_means(vectors: FloatArray, visibility: FloatArray, camera: IntArray, prior: float) -> float:
    """Subtract n / (n + prior) of the mean appearance of each camera, n its tracklets; returns the mean share, 0-1.

    The mean holds what the camera and the network have in common for everybody. Of few tracklets it holds the people
    themselves, and its removal would turn them away from one another; hence the prior.
    """
    weight = visibility.sum(axis=-1)
    mean = np.matmul(visibility[:, :, None], vectors)[:, :, 0]
    np.divide(mean, weight[..., None], out=mean, where=weight[..., None] > _TINY)
    described = (weight > _TINY).astype(np.float32)
    shares = []
    for number in np.unique(camera):
        members = camera == number
        count = described[members].sum(axis=0)
        total = mean[members].sum(axis=0)
        removed = total / np.maximum(count + prior, _TINY)[:, None]
        vectors[members] -= np.where(visibility[members, ..., None] > 0, removed[None, :, None], 0.0)
        shares.append(np.full(members.sum(), (count / np.maximum(count + prior, _TINY)).mean()))
    to_unit_length(vectors, _TINY)
    return float(np.concatenate(shares).mean())


def nearest_pairs(family: Family, count: int) -> tuple[IntArray, IntArray]:
    """Candidate pairs: each tracklet with its nearest ``count`` by mean appearance; all pairs of a small set.

    Returns:
        Places in the family (not rows of the table), a < b, sorted, each pair once.
    """
    total = len(family)
    if total - 1 <= count:
        a, b = np.triu_indices(total, 1)
        return a.astype(np.int64), b.astype(np.int64)
    root = np.sqrt(family.seen)
    flat = np.ascontiguousarray((family.mean * root[..., None]).reshape(total, -1))
    found = []
    step = max(1, _BLOCK_FLOATS // total)
    for start in range(0, total, step):
        stop = min(start + step, total)
        weight = root[start:stop] @ root.T
        similarity = flat[start:stop] @ flat.T
        np.divide(similarity, weight, out=similarity, where=weight > _TINY)
        similarity[weight <= _TINY] = -np.inf
        similarity[np.arange(stop - start), np.arange(start, stop)] = -np.inf
        near = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        usable = np.isfinite(np.take_along_axis(similarity, near, axis=1))
        own = np.broadcast_to(np.arange(start, stop)[:, None], near.shape)
        low, high = np.minimum(own, near)[usable], np.maximum(own, near)[usable]
        found.append(low * np.int64(total) + high)
    codes = np.unique(np.concatenate(found))
    return codes // total, codes % total


def compare(family: Family, a: IntArray, b: IntArray, best_share: float) -> PairDistances:
    """Distances of pairs of places.

    Per part, half the distance of the mean vectors and half the mean of the nearest ``best_share`` of the prototype
    pairs in which it is seen: the first is steadier, the second survives prototypes of somebody else. On Market-1501
    with a quarter of foreign prototypes the two together had a higher AUC than either.

    Memory is bounded by chunks; the result does not depend on them.
    """
    pairs, parts = len(a), len(family.part_names)
    result = np.empty((pairs, parts), np.float32)
    per_pair = 2 * family.vectors[0].size
    step = max(1, _BLOCK_FLOATS // max(per_pair, 1))
    for start in range(0, pairs, step):
        left, right = a[start : start + step], b[start : start + step]
        result[start : start + step] = _part_distances(family, left, right, best_share)
    weights = joint_visibility(family.seen[a], family.seen[b], family.holistic)
    weights[np.isnan(result)] = 0.0
    total = weights.sum(axis=1)
    distance = np.full(pairs, np.nan, np.float32)
    np.divide((weights * np.nan_to_num(result)).sum(axis=1), total, out=distance, where=total > _TINY)
    result[weights <= _TINY] = np.nan
    return PairDistances(distance, total / max(parts, 1), result, weights)


def _part_distances(family: Family, a: IntArray, b: IntArray, best_share: float) -> FloatArray:
    """(E, P) float32; NaN where a part is not seen in both."""
    mean = 1.0 - (family.mean[a] * family.mean[b]).sum(axis=-1)
    between = 1.0 - np.matmul(family.vectors[a], family.vectors[b].swapaxes(-1, -2))
    both = (family.visibility[a] > 0)[..., None] & (family.visibility[b] > 0)[..., None, :]
    flat = np.where(both, between, np.inf).reshape(*both.shape[:2], -1)
    flat.sort(axis=-1)
    number = both.reshape(flat.shape).sum(axis=-1)
    kept = np.ceil(number * best_share).astype(np.int64)
    sums = np.cumsum(np.where(np.isfinite(flat), flat, 0.0), axis=-1)
    nearest = np.take_along_axis(sums, np.maximum(kept - 1, 0)[..., None], axis=-1)[..., 0] / np.maximum(kept, 1)
    return np.where(number > 0, 0.5 * (mean + nearest), np.nan).astype(np.float32)


def halves(family: Family, table: TrackletTable, gap_s: float, best_share: float) -> FloatArray:
    """Distance between the first and the last prototypes of tracklets that have some ``gap_s`` apart, (H,).

    A few hundred tracklets are enough, taken evenly.
    """
    first, last, visibility_first, visibility_last = [], [], [], []
    for place in np.linspace(0, len(family) - 1, min(len(family), _MOST_HALVES)).astype(np.int64):
        tracklet = table.tracklets[family.rows[place]]
        used = _spread_rows(tracklet.prototype_rows, family.vectors.shape[2])
        if len(used) < 2 or used[-1] >= len(tracklet):
            continue
        times = tracklet.times_s[used]
        middle = 0.5 * (times[0] + times[-1])
        early, late = times <= middle - gap_s / 2, times >= middle + gap_s / 2
        if early.any() and late.any():
            seen = family.visibility[place].copy()
            seen[:, len(used) :] = 0
            first.append(place)
            visibility_first.append(np.where(_padded(early, seen.shape[1]), seen, 0))
            last.append(place)
            visibility_last.append(np.where(_padded(late, seen.shape[1]), seen, 0))
    if not first:
        return np.zeros(0, np.float32)
    places = np.array(first + last)
    visibility = np.stack(visibility_first + visibility_last)
    vectors = np.where(visibility[..., None] > 0, family.vectors[places], 0.0).astype(np.float32)
    mean = np.matmul(visibility[:, :, None], vectors)[:, :, 0]
    to_unit_length(mean, _TINY)
    parted = Family(
        np.arange(len(places)),
        vectors,
        visibility,
        mean,
        visibility.max(axis=-1),
        family.holistic,
        family.part_names,
        family.model_id,
        family.share_removed,
    )
    count = len(first)
    distance = compare(parted, np.arange(count), np.arange(count, 2 * count), best_share).distance
    return distance[~np.isnan(distance)]


def _spread_rows(rows: IntArray, most: int) -> IntArray:
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]


def _padded(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    result = np.zeros(width, bool)
    result[: len(mask)] = mask
    return result
