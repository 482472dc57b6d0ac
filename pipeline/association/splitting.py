"""Tracklets that pass from one person to another are cut where that happens.

Where people cross, a tracker may go on with the wrong one. At each crossing the looks of the seconds before and after
are compared: with one another, and with those of whoever else was near. "Somebody took over" is weighed against "one
person all along" by likelihood ratios on a scale that the run itself teaches, without labels: tracklets compared with
themselves where nobody came near, and with others of their frames. How often crossings go wrong is learnt along
(expectation maximisation of one proportion). Pieces are ordinary tracklets: the association may join them again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from data.kernels.parts import embedding_distance
from data.records import DoubleArray, IntArray, PartEmbeddings, Tracklet
from data.splits import Split
from pipeline.association.config import SplitConfig
from pipeline.association.crossings import CameraRows, crossings
from pipeline.association.two_sided import GRID, TwoSided, falling

_LEAST_ROWS = 3
_AT_ONCE_S = 1e-3
_CLEAN_PER_TRACKLET = 8
_STRANGERS = 3
# Tracklets that teach what distances mean, evenly taken: more of them change nothing but the time it takes.
_MOST_TEACHERS = 1000
_EXPECTED_SPREAD = 0.25
# Offset of the mode and the two widths in standard deviations: a normal density.
_NORMAL = (0.0, 1.0, 1.0)
_ROUNDS = 20


@dataclass(frozen=True)
class Scale:
    """What distances of appearance mean here.

    Attributes:
        same: distances of one person, some seconds apart.
        different: of two people.
        outliers: share of distances that say nothing, anywhere between 0 and 2.
    """

    same: TwoSided
    different: TwoSided
    outliers: float

    def llr(self, distance: float) -> float:
        """Natural-log likelihood ratio of "two people"; rises with the distance, 0 where that is NaN."""
        return 0.0 if np.isnan(distance) else float(np.interp(distance, GRID, self._curve))

    @cached_property
    def _curve(self) -> DoubleArray:
        if self.different.mean <= self.same.mean:
            return np.zeros_like(GRID)
        likely = self._log_density(self.same) - self._log_density(self.different)
        return -falling(likely, 0.5 * (self.same.mean + self.different.mean))

    def _log_density(self, regular: TwoSided) -> DoubleArray:
        outlier = np.log(self.outliers / GRID[-1])
        density: DoubleArray = np.logaddexp(np.log1p(-self.outliers) + regular.log_density(GRID), outlier)
        return density


@dataclass(frozen=True, slots=True)
class _Crossing:
    """A crossing and its distances; NaN where there are no looks to compare."""

    tracklet: int
    row: int
    own: float
    before: dict[int, float]
    after: dict[int, float]


def find_splits(tracklets: Sequence[Tracklet], config: SplitConfig) -> list[Split]:
    """Find where tracklets change person.

    Tracklets of camera groups are left alone: their views are held together by the group's tracker.

    Args:
        tracklets: of all cameras, as tracked, each (camera, local_id) once.
        config: settings.

    Returns:
        By camera, tracklet and row.
    """
    if not config.enabled:
        return []
    ordered = sorted(tracklets, key=lambda item: item.key)
    found: list[_Crossing] = []
    same: list[float] = []
    different: list[float] = []
    step = -(-len(ordered) // _MOST_TEACHERS)
    for members in _by_camera(ordered):
        rows = CameraRows.of(ordered, members)
        overlap = rows.overlap()
        for number in members:
            if ordered[number].prototypes is None or ordered[number].group_id >= 0:
                continue
            at = crossings(ordered[number], overlap[number], config.least_iou, config.gap_s)
            found.extend(_measured(ordered, rows, number, at, config))
            if number % step == 0:
                same.extend(_undisturbed(ordered[number], at, config))
                different.extend(_strangers(ordered, rows, number, config))
    if not found:
        return []
    scale = _scale(same, different, config)
    ratios = [_ratio(item, scale, config) for item in found]
    rate = _rate([ratio for ratio, _ in ratios], config)
    prior = np.log(rate) - np.log1p(-rate)
    least = np.log(config.probability) - np.log1p(-config.probability)
    wrong = [(ratio + prior, item, taken) for item, (ratio, taken) in zip(found, ratios) if ratio + prior > least]
    return _named(ordered, _apart(ordered, wrong, config), float(prior))


def _by_camera(tracklets: Sequence[Tracklet]) -> Iterator[list[int]]:
    cameras: dict[str, list[int]] = {}
    for number, tracklet in enumerate(tracklets):
        cameras.setdefault(tracklet.camera, []).append(number)
    return iter(cameras.values())


def _measured(
    tracklets: Sequence[Tracklet], rows: CameraRows, number: int, at: IntArray, config: SplitConfig
) -> Iterator[_Crossing]:
    tracklet = tracklets[number]
    for row in at.tolist():
        if min(row, len(tracklet) - row) < _LEAST_ROWS:
            continue
        time_s = float(tracklet.times_s[row])
        before = _seen_between(tracklet, time_s - config.window_s, time_s)
        after = _seen_between(tracklet, time_s, time_s + config.window_s)
        own = _distance(before, after)
        if np.isnan(own):
            continue
        near = rows.passers(time_s, config.near_s, tracklet.boxes[row - 1], config.near_heights)
        others = [other for other in near.tolist() if other != number]
        yield _Crossing(
            number,
            row,
            own,
            {o: _distance(_seen_between(tracklets[o], time_s - config.window_s, time_s), after) for o in others},
            {o: _distance(before, _seen_between(tracklets[o], time_s, time_s + config.window_s)) for o in others},
        )


def _undisturbed(tracklet: Tracklet, at: IntArray, config: SplitConfig) -> list[float]:
    """Distances of a tracklet to itself across instants at which nobody was near."""
    found = []
    for row in _sample(tracklet):
        time_s = float(tracklet.times_s[row])
        if len(at) and np.abs(tracklet.times_s[at] - time_s).min() < config.near_s:
            continue
        found.append(_across(tracklet, tracklet, time_s, config))
    return [distance for distance in found if not np.isnan(distance)]


def _strangers(tracklets: Sequence[Tracklet], rows: CameraRows, number: int, config: SplitConfig) -> list[float]:
    """Distances to tracklets of the same frames, which are other people."""
    tracklet, found = tracklets[number], []
    for row in _sample(tracklet):
        time_s = float(tracklet.times_s[row])
        present = rows.tracklet[rows.around(time_s, _AT_ONCE_S)]
        others = np.unique(present[present != number])[:_STRANGERS]
        found += [_across(tracklet, tracklets[other], time_s, config) for other in others.tolist()]
    return [distance for distance in found if not np.isnan(distance)]


def _sample(tracklet: Tracklet) -> list[int]:
    count = min(_CLEAN_PER_TRACKLET, len(tracklet) - 1)
    return np.unique(np.linspace(0, len(tracklet) - 1, count + 2)[1:-1].astype(int)).tolist() if count > 0 else []


def _across(a: Tracklet, b: Tracklet, time_s: float, config: SplitConfig) -> float:
    """Distance of one tracklet before an instant and another, or the same, after it."""
    before = _seen_between(a, time_s - config.window_s, time_s)
    return _distance(before, _seen_between(b, time_s, time_s + config.window_s))


def _seen_between(tracklet: Tracklet, start_s: float, end_s: float) -> PartEmbeddings | None:
    """Prototypes that were taken from ``start_s`` on and before ``end_s``."""
    if tracklet.prototypes is None:
        return None
    times_s = tracklet.times_s[tracklet.prototype_rows]
    inside = (times_s >= start_s) & (times_s < end_s)
    return tracklet.prototypes.select(inside) if inside.any() else None


def _distance(a: PartEmbeddings | None, b: PartEmbeddings | None) -> float:
    """Mean of all pairs and of their nearest quarter, half each: the latter forgives a turn, the former an outlier."""
    if a is None or b is None or a.model_id != b.model_id:
        return np.nan
    pairs = embedding_distance(a, b)[0].ravel()
    pairs = np.sort(pairs[~np.isnan(pairs)])
    return float(0.5 * (pairs.mean() + pairs[: -(-len(pairs) // 4)].mean())) if len(pairs) else np.nan


def _scale(same: Sequence[float], different: Sequence[float], config: SplitConfig) -> Scale:
    """Medians and their deviations, which a share of wrong tracklets does not move; few leave it as expected."""
    found = []
    for values, expected in ((np.array(same), config.same_distance), (np.array(different), config.different_distance)):
        spread = _EXPECTED_SPREAD * (config.different_distance - config.same_distance)
        if len(values):
            trust = len(values) / (len(values) + config.expected_pairs)
            median = float(np.median(values))
            deviation = 1.4826 * float(np.median(np.abs(values - median)))
            expected = trust * median + (1 - trust) * expected
            spread = float(np.sqrt(trust * deviation**2 + (1 - trust) * spread**2))
        found.append(TwoSided.of(expected, spread, _NORMAL))
    return Scale(found[0], found[1], config.outliers)


def _ratio(item: _Crossing, scale: Scale, config: SplitConfig) -> tuple[float, int]:
    """Log-likelihood ratio of a wrong crossing, and who is taken for the one who was followed before (or -1)."""
    ratio = scale.llr(item.own)
    giver, best = -1, 0.0
    for others, names in ((item.before, True), (item.after, False)):
        told = {other: -scale.llr(distance) for other, distance in others.items()}
        told = {other: value for other, value in told.items() if not np.isnan(others[other])}
        if not told:
            continue
        share = config.exchange / len(told)
        ratio += float(np.log(1 - config.exchange + share * sum(np.exp(value) for value in told.values())))
        likest = max(told, key=lambda other: (told[other], -other))
        if names and told[likest] > best:
            giver, best = likest, told[likest]
    return ratio, giver


def _rate(ratios: Sequence[float], config: SplitConfig) -> float:
    """Share of crossings that go wrong, by expectation maximisation with a Beta prior."""
    odds = np.exp(np.array(ratios))
    rate = config.wrong_share
    for _ in range(_ROUNDS):
        wrong = rate * odds / (rate * odds + 1 - rate)
        rate = (wrong.sum() + config.wrong_weight * config.wrong_share) / (len(odds) + config.wrong_weight)
    return float(rate)


def _apart(
    tracklets: Sequence[Tracklet], wrong: list[tuple[float, _Crossing, int]], config: SplitConfig
) -> list[tuple[float, _Crossing, int]]:
    """The surest first; no two cuts of a tracklet within ``least_piece_s``."""
    kept: list[tuple[float, _Crossing, int]] = []
    taken: dict[int, list[float]] = {}
    for odds, item, giver in sorted(wrong, key=lambda entry: (-entry[0], entry[1].tracklet, entry[1].row)):
        time_s = float(tracklets[item.tracklet].times_s[item.row])
        times = taken.setdefault(item.tracklet, [])
        if all(abs(time_s - other) >= config.least_piece_s for other in times):
            times.append(time_s)
            kept.append((odds, item, giver))
    return sorted(kept, key=lambda entry: (entry[1].tracklet, entry[1].row))


def _named(tracklets: Sequence[Tracklet], wrong: Sequence[tuple[float, _Crossing, int]], prior: float) -> list[Split]:
    """Cuts with the ids of the pieces they begin.

    An id is the row and the tracklet's own id as one number, so that a cut keeps its name when others come or go: an
    earlier association's ids are inherited by name.
    """
    base: dict[str, int] = {}
    for tracklet in tracklets:
        base[tracklet.camera] = max(base.get(tracklet.camera, 0), tracklet.local_id + 1)
    splits = []
    for odds, item, giver in wrong:
        tracklet = tracklets[item.tracklet]
        splits.append(
            Split(
                camera=tracklet.camera,
                local_id=tracklet.local_id,
                new_id=item.row * base[tracklet.camera] + tracklet.local_id,
                row=item.row,
                time_s=float(tracklet.times_s[item.row]),
                llr=odds - prior,
                probability=float(1 / (1 + np.exp(-odds))),
                taken_from=-1 if giver < 0 else tracklets[giver].local_id,
            )
        )
    return splits
