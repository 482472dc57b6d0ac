"""Straightforward reference implementations: the published steps in order, with loops and dense matrices.

Written from the papers, at the cost a first implementation has. They check the fast code and are what it is timed
against.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def st_histogram(label: Array, camera: Array, frame: Array, cameras: int, bin_frames: int, bins: int) -> Array:
    """ST-ReID's normalised histogram (C, C, bins) [later, earlier]; cameras from 0."""
    people = int(label.max()) + 1
    total, count = np.zeros((people, cameras)), np.zeros((people, cameras))
    for person, place, when in zip(label, camera, frame):
        total[person, place] += when
        count[person, place] += 1
    mean = total / (count + 1e-7)
    table = np.zeros((cameras, cameras, bins))
    for person in range(people):
        for a in range(cameras):
            for b in range(a + 1, cameras):
                if count[person, a] and count[person, b]:
                    index = int(abs(mean[person, a] - mean[person, b]) / bin_frames)
                    if mean[person, a] > mean[person, b]:
                        table[a, b, index] += 1
                    else:
                        table[b, a, index] += 1
    return table / (table.sum(-1, keepdims=True) + 1e-7)


def st_smoothing(table: Array, sigma: float) -> Array:
    """Parzen smoothing of every camera pair with a dense bins x bins matrix, built anew for each pair by a loop."""
    bins = table.shape[-1]
    reach = int(3 * sigma)
    result = np.zeros_like(table)
    for a in range(table.shape[0]):
        for b in range(table.shape[1]):
            kernel = np.zeros((bins, bins))
            for i in range(bins):
                for j in range(i, min(i + reach + 1, bins)):
                    value = math.exp(-((i - j) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
                    kernel[i, j] = kernel[j, i] = value
            smooth = kernel @ table[a, b]
            result[a, b] = smooth / (smooth.sum() + 1e-7)
    return result


def joint_scores(
    query: Array,
    query_camera: Array,
    query_frame: Array,
    gallery: Array,
    gallery_camera: Array,
    gallery_frame: Array,
    distribution: Array,
    bin_frames: int,
) -> Array:
    """ST-ReID's joint score, one gallery item at a time: (Q, G). ``distribution`` is [later, earlier, bin]."""
    result = np.zeros((len(query), len(gallery)))
    for q in range(len(query)):
        similarity = gallery @ query[q]
        for g in range(len(gallery)):
            lag = int(abs(int(query_frame[q]) - int(gallery_frame[g])) / bin_frames)
            if query_frame[q] > gallery_frame[g]:
                probability = distribution[query_camera[q], gallery_camera[g], lag]
            else:
                probability = distribution[gallery_camera[g], query_camera[q], lag]
            visual = 1 / (1 + math.exp(-5 * similarity[g]))
            result[q, g] = visual / (1 + 2 * math.exp(-5 * probability))
    return result


def k_reciprocal(
    query_gallery: Array, query_query: Array, gallery_gallery: Array, k1: int = 20, k2: int = 6, lambda_: float = 0.3
) -> Array:
    """k-reciprocal re-ranking with dense N x N matrices: (Q, G) float32."""
    queries = len(query_gallery)
    upper = np.concatenate([query_query, query_gallery], axis=1)
    lower = np.concatenate([query_gallery.T, gallery_gallery], axis=1)
    squared = np.concatenate([upper, lower]).astype(np.float32) ** 2
    distance = (squared / squared.max(axis=0)).T
    return k_reciprocal_normalised(distance, queries, k1, k2, lambda_)


def k_reciprocal_normalised(distance: Array, queries: int, k1: int, k2: int, lambda_: float) -> Array:
    """The same for an (N, N) matrix that is already normalised by row."""
    total = len(distance)
    ranks = np.argsort(distance, axis=1, kind="stable").astype(np.int32)

    def mutual(item: int, k: int) -> Array:
        forward = ranks[item, : k + 1]
        return forward[(ranks[forward, : k + 1] == item).any(axis=1)]

    vectors = np.zeros((total, total), np.float32)
    for item in range(total):
        own = mutual(item, k1)
        members = own
        for other in own:
            candidate = mutual(other, int(np.around(k1 / 2)))
            if 3 * len(np.intersect1d(candidate, own)) > 2 * len(candidate):
                members = np.append(members, candidate)
        members = np.unique(members)
        weight = np.exp(-distance[item, members])
        vectors[item, members] = weight / weight.sum()
    if k2 > 1:
        averaged = np.zeros_like(vectors)
        for item in range(total):
            averaged[item] = vectors[ranks[item, :k2]].mean(axis=0)
        vectors = averaged
    owners = [np.flatnonzero(vectors[:, column]) for column in range(total)]
    result = np.zeros((queries, total - queries), np.float32)
    for item in range(queries):
        shared = np.zeros(total, np.float32)
        for column in np.flatnonzero(vectors[item]):
            rows = owners[column]
            shared[rows] += np.minimum(vectors[item, column], vectors[rows, column])
        jaccard = 1 - shared / (2 - shared)
        result[item] = ((1 - lambda_) * jaccard + lambda_ * distance[item])[queries:]
    return result


def evaluate_market(
    distance: Array, query_id: Array, gallery_id: Array, query_camera: Array, gallery_camera: Array, max_rank: int = 50
) -> tuple[Array, float]:
    """CMC and mAP (mean precision at the hits), one query at a time, as the common evaluators do."""
    order = np.argsort(distance, axis=1)
    matches = (gallery_id[order] == query_id[:, None]).astype(np.int32)
    curves, precisions = [], []
    for q in range(len(distance)):
        ranked = order[q]
        keep = ~((gallery_id[ranked] == query_id[q]) & (gallery_camera[ranked] == query_camera[q]))
        hits = matches[q][keep]
        if not hits.any():
            continue
        curve = hits.cumsum()
        curve[curve > 1] = 1
        curves.append(np.pad(curve[:max_rank], (0, max(0, max_rank - len(curve))), mode="edge"))
        running = [x / (i + 1.0) for i, x in enumerate(hits.cumsum())]
        precisions.append((np.asarray(running) * hits).sum() / hits.sum())
    return np.asarray(curves, np.float32).sum(0) / len(curves), float(np.mean(precisions))


def evaluate_trapezoid(
    distance: Array, query_id: Array, gallery_id: Array, query_camera: Array, gallery_camera: Array
) -> tuple[Array, float]:
    """CMC and mAP with the trapezoid rule, junk removed, over all queries (Market-1501's own evaluation)."""
    curve, total = np.zeros(distance.shape[1]), 0.0
    for q in range(len(distance)):
        order = np.argsort(distance[q])
        junk = (gallery_id == -1) | ((gallery_id == query_id[q]) & (gallery_camera == query_camera[q]))
        order = order[~junk[order]]
        places = np.flatnonzero(gallery_id[order] == query_id[q])
        if not len(places):
            continue
        curve[places[0] :] += 1
        for number, place in enumerate(places):
            before = number / place if place else 1.0
            total += (before + (number + 1) / (place + 1)) / 2 / len(places)
    return curve / len(distance), total / len(distance)
