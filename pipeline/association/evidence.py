"""Decisions as records that a person can read: links with the evidence of every cue, and global tracks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from data.records import Decision, DoubleArray, GlobalTrack, IntArray, Link, Visit
from pipeline.association.config import AssociateConfig
from pipeline.association.cue import Explanation
from pipeline.association.exclusions import REASONS, Exclusions, MustLink
from pipeline.association.scoring import Scores
from pipeline.association.table import TrackletTable


@dataclass(frozen=True, slots=True, eq=False)
class _Alternatives:
    """Per tracklet, its best candidate and its best one in another identity than that one's.

    Attributes:
        best: (N,) log odds of the best candidate; -inf = none.
        identity: (N,) its identity; -1 = none.
        other: (N,) log odds of the best candidate of any other identity.
    """

    best: DoubleArray
    identity: IntArray
    other: DoubleArray

    def without(self, rows: IntArray, identity: IntArray) -> DoubleArray:
        """Best log odds of each row among candidates outside an identity; -inf = none."""
        return np.where(self.identity[rows] == identity, self.other[rows], self.best[rows])


def make_links(
    table: TrackletTable,
    scores: Scores,
    labels: IntArray,
    exclusions: Exclusions,
    certain: Sequence[MustLink],
    config: AssociateConfig,
) -> tuple[list[Link], DoubleArray]:
    """The links that hold identities together, and the best candidates of every tracklet.

    Args:
        table: the tracklets.
        scores: evidence about candidate pairs.
        labels: (N,) identity of each row.
        exclusions: to say why a good pair was not joined.
        certain: must-links that hold.
        config: settings.

    Returns:
        Links by (a, b), at most N (links_per_tracklet + 1) and one per must-link; and of each its log odds by the cues
        that may teach transit times, (L,).
    """
    candidates, odds, teaching = scores.pairs, scores.stated, scores.teaching
    printed = scores.printed
    joined = labels[candidates.a] == labels[candidates.b]
    rows = np.union1d(
        _best_per_tracklet(candidates.a, candidates.b, odds, config.links_per_tracklet),
        spanning(candidates.a, candidates.b, odds, joined, len(table)),
    )
    margins = _margins(scores, labels, rows)
    links, taught = {}, {}
    first, second = table.earlier_first(candidates.a, candidates.b)
    lags = table.lags_s(first, second)
    blocked = _blocked(table, labels, exclusions, candidates.a[rows], candidates.b[rows])
    for row, margin, against in zip(rows.tolist(), margins.tolist(), blocked):
        probability = float(expit(odds[row]))
        decision: Decision = "same" if joined[row] else "uncertain"
        if not joined[row] and (against or probability < config.different_probability):
            decision = "different"
        explanation = _explain(scores, row)
        a, b = int(first[row]), int(second[row])
        taught[a, b] = float(teaching[row])
        links[a, b] = Link(
            a=table.tracklets[a].key,
            b=table.tracklets[b].key,
            llr={cue.name: float(cue.llr[row]) for cue in printed if not np.isnan(cue.llr[row])},
            part_distances=explanation.part_distances,
            part_visibility=explanation.part_visibility,
            lag_s=float(lags[row]),
            probability=probability,
            decision=decision,
            margin=margin,
            constraint=against,
        )
    for link in certain:
        ends = table.earlier_first(np.array([link.a]), np.array([link.b]))
        a, b = int(ends[0][0]), int(ends[1][0])
        links[a, b] = _certain(table, a, b, float(table.lags_s(*ends)[0]), link.reason, links.get((a, b)))
    order = sorted(links, key=lambda pair: (table.tracklets[pair[0]].key, pair))
    return [links[pair] for pair in order], np.array([taught.get(pair, 0.0) for pair in order])


def _certain(table: TrackletTable, a: int, b: int, lag_s: float, reason: str, found: Link | None) -> Link:
    return Link(
        a=table.tracklets[a].key,
        b=table.tracklets[b].key,
        llr={} if found is None else found.llr,
        part_distances={} if found is None else found.part_distances,
        part_visibility={} if found is None else found.part_visibility,
        lag_s=lag_s,
        probability=1.0,
        decision="same",
        margin=math.inf,
        constraint=reason,
    )


def _explain(scores: Scores, row: int) -> Explanation:
    """What the evidence of a pair rests on, over all cues."""
    distances, visibility = {}, {}
    for cue in scores.cues:
        if cue.explain is not None:
            found = cue.explain(row)
            distances.update(found.part_distances)
            visibility.update(found.part_visibility)
    return Explanation(distances, visibility)


def _best_per_tracklet(a: IntArray, b: IntArray, total: DoubleArray, most: int) -> IntArray:
    """Pairs that are among the best of either of their tracklets."""
    source = np.concatenate([a, b])
    pair = np.tile(np.arange(len(a)), 2)
    order = np.lexsort((pair, -total[pair], source))
    starts = np.searchsorted(source[order], source[order])
    return np.unique(pair[order][np.arange(len(order)) - starts < most])


def spanning(a: IntArray, b: IntArray, total: DoubleArray, joined: NDArray[np.bool_], count: int) -> IntArray:
    """Of the joined pairs, those of a spanning tree of greatest evidence of each identity, rising."""
    order = np.flatnonzero(joined)
    order = order[np.argsort(-total[order], kind="stable")]
    root = list(range(count))

    def find(row: int) -> int:
        while root[row] != row:
            root[row] = root[root[row]]
            row = root[row]
        return row

    kept = []
    for pair in order.tolist():
        x, y = find(int(a[pair])), find(int(b[pair]))
        if x != y:
            root[max(x, y)] = min(x, y)
            kept.append(pair)
    return np.array(sorted(kept), np.int64)


def _margins(scores: Scores, labels: IntArray, rows: IntArray) -> DoubleArray:
    """Log odds of each pair less those of the best alternative of either side: a candidate outside both identities."""
    a, b, odds = scores.pairs.a, scores.pairs.b, scores.stated
    found = _alternatives(a, b, odds, labels)
    left, right = a[rows], b[rows]
    same = labels[left] == labels[right]
    # Of a pair that was not joined, the other side's identity is what an alternative has to differ from.
    outside_left = found.without(left, np.where(same, labels[left], labels[right]))
    outside_right = found.without(right, np.where(same, labels[right], labels[left]))
    return odds[rows] - np.maximum(outside_left, outside_right)


def _alternatives(a: IntArray, b: IntArray, total: DoubleArray, labels: IntArray) -> _Alternatives:
    count = len(labels)
    source, target, odds = np.concatenate([a, b]), np.concatenate([b, a]), np.concatenate([total, total])
    order = np.lexsort((target, -odds, source))
    source, identity, odds = source[order], labels[target[order]], odds[order]
    best, name, other = np.full(count, -np.inf), np.full(count, -1), np.full(count, -np.inf)
    rows, first = np.unique(source, return_index=True)
    best[rows], name[rows] = odds[first], identity[first]
    differs = identity != name[source]
    rows, first = np.unique(source[differs], return_index=True)
    other[rows] = odds[differs][first]
    return _Alternatives(best, name, other)


def _blocked(table: TrackletTable, labels: IntArray, exclusions: Exclusions, a: IntArray, b: IntArray) -> list[str]:
    """Why two identities could not be joined, for each pair: the reason of the first tracklets that exclude."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(labels.max(initial=-1) + 2))
    known: dict[tuple[int, int], str] = {}
    result = []
    for x, y in zip(labels[a].tolist(), labels[b].tolist()):
        if x == y:
            result.append("")
            continue
        pair = (min(x, y), max(x, y))
        if pair not in known:
            left, right = order[starts[pair[0]] : starts[pair[0] + 1]], order[starts[pair[1]] : starts[pair[1] + 1]]
            reasons = exclusions.reasons(np.repeat(left, len(right)), np.tile(right, len(left)))
            known[pair] = REASONS[int(reasons[reasons > 0][0])] if reasons.any() else ""
        result.append(known[pair])
    return result


def confidences(scores: Scores, labels: IntArray, certain: Iterable[MustLink]) -> DoubleArray:
    """Lowest probability of the links that hold each identity together; 1 for a single tracklet, (identities,)."""
    links = list(certain)
    candidates = scores.pairs
    a = np.concatenate([candidates.a, [link.a for link in links]]).astype(np.int64)
    b = np.concatenate([candidates.b, [link.b for link in links]]).astype(np.int64)
    odds = np.concatenate([scores.stated, np.full(len(links), np.inf)])
    kept = spanning(a, b, odds, labels[a] == labels[b], len(labels))
    result = np.ones(int(labels.max(initial=-1)) + 1)
    np.minimum.at(result, labels[a[kept]], expit(odds[kept]))
    return result


def global_tracks(
    table: TrackletTable, labels: IntArray, ids: Sequence[int], confidence: DoubleArray
) -> list[GlobalTrack]:
    """Identities as records, by global id; visits in time within a time line, time lines by their first camera."""
    visits: list[list[Visit]] = [[] for _ in ids]
    for row in np.lexsort((np.arange(len(table)), table.start_s, table.domain)).tolist():
        tracklet = table.tracklets[row]
        visit = Visit(tracklet.camera, tracklet.local_id, float(table.start_s[row]), float(table.end_s[row]))
        visits[labels[row]].append(visit)
    tracks = [GlobalTrack(ids[name], tuple(found), float(confidence[name])) for name, found in enumerate(visits)]
    return sorted(tracks, key=lambda track: track.global_id)
