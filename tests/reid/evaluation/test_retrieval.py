"""Scores against a computation without any of our kernels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.formats.reid_keypoints import CropSkeletons
from reid.evaluation.breakdown import breakdown
from reid.evaluation.extract import Features
from reid.evaluation.retrieval import Pairs, Ranking, neighbourhood_for, ranking_of, retrieve
from reid.ranking.rerank import Neighbourhood
from reid.ranking.rules import RULES, Rule
from reid.samples.sources import Sample

NAMES = ("foreground", "head", "legs")


def features(seed: int, count: int, people: int = 4, binary: bool = True, blind: float = 0.4) -> Features:
    rng = np.random.default_rng(seed)
    identities, cameras = rng.integers(0, people, count), rng.integers(1, 4, count)
    looks = np.random.default_rng(7).standard_normal((people, len(NAMES), 8))
    vectors = torch.tensor(looks[identities] + 0.7 * rng.standard_normal((count, len(NAMES), 8)), dtype=torch.float32)
    shown = rng.uniform(0, 1, (count, len(NAMES))) * (rng.uniform(size=(count, len(NAMES))) > blind)
    visibility = torch.tensor(shown, dtype=torch.float32)
    samples = tuple(
        Sample(Path(f"{row:04d}.png"), int(person), int(camera), CropSkeletons.none(), None)
        for row, (person, camera) in enumerate(zip(identities, cameras, strict=True))
    )
    return Features(
        samples, torch.nn.functional.normalize(vectors, dim=-1), visibility > 0 if binary else visibility,
        rng.uniform(0, 1, count), rng.integers(0, 2, count), 0, (),
    )  # fmt: skip


def permuted(found: Features, order: np.ndarray) -> Features:
    return Features(
        tuple(found.samples[row] for row in order), found.vectors[order], found.visibility[order], found.hidden[order],
        found.others[order], 0, (),
    )  # fmt: skip


def by_hand(
    query: Features, gallery: Features, rule: Rule, columns: list[int]
) -> tuple[float, list[float], list[float]]:
    """mAP, CMC and average precisions by loops; a pair without evidence is behind all others, right answers last."""
    precisions, firsts = [], []
    for q, sample in enumerate(query.samples):
        ranked = []
        for g, other in enumerate(gallery.samples):
            right, here = other.identity == sample.identity, other.camera == sample.camera
            if (rule == "market" and right and here) or (rule == "intra" and not here) or (rule == "inter" and here):
                continue
            total = weight = 0.0
            for part in columns:
                product = float(query.visibility[q, part]) * float(gallery.visibility[g, part])
                share = np.sqrt(product)
                total += share * float(np.linalg.norm(query.vectors[q, part] - gallery.vectors[g, part]))
                weight += share
            ranked.append((total / weight, 0, right) if weight > 0 else (np.inf, int(right), right))
        ranked.sort(key=lambda entry: entry[:2])
        places = [place for place, entry in enumerate(ranked) if entry[2]]
        if places:
            precisions.append(float(np.mean([(n + 1) / (place + 1) for n, place in enumerate(places)])))
            firsts.append(places[0])
    curve = [float(np.mean([first < rank for first in firsts])) for rank in (1, 3, 5, 10, 20)]
    return float(np.mean(precisions)), curve, precisions


@settings(max_examples=25)
@given(seed=st.integers(0, 2**31), rule=st.sampled_from(RULES), binary=st.booleans())
def test_scores_equal_a_loop(seed: int, rule: Rule, binary: bool) -> None:
    query, gallery = features(seed, 9, binary=binary), features(seed + 1, 25, binary=binary)
    found = retrieve(query, gallery, NAMES, Ranking(rule, parts=True))
    mean_ap, curve, precisions = by_hand(query, gallery, rule, [0, 1, 2])
    assert found.scores.mean_ap == pytest.approx(mean_ap, abs=1e-6)
    assert [found.scores.rank(rank) for rank in (1, 3, 5, 10, 20)] == pytest.approx(curve)
    own = found.scores.average_precision
    assert own[~np.isnan(own)] == pytest.approx(precisions, abs=1e-6)
    for part, name in enumerate(NAMES):
        single = found.parts[name]
        mean_ap, curve, _ = by_hand(query, gallery, rule, [part])
        assert single.scores.mean_ap == pytest.approx(mean_ap, abs=1e-6)
        assert single.scores.rank(1) == pytest.approx(curve[0])
        shown = torch.cat([query.visibility, gallery.visibility])[:, part] > 0
        assert single.seen == pytest.approx(float(shown.double().mean()))


@settings(max_examples=25)
@given(seed=st.integers(0, 2**31), chunk=st.integers(1, 12), reranked=st.booleans())
def test_neither_chunks_nor_the_order_of_the_gallery_change_scores(seed: int, chunk: int, reranked: bool) -> None:
    query, gallery = features(seed, 9, blind=0.7), features(seed + 1, 25, blind=0.7)
    order = np.random.default_rng(seed).permutation(len(gallery))
    parameters = Neighbourhood(3, 1, 0.3) if reranked else None
    first = retrieve(query, gallery, NAMES, Ranking(parts=True, rerank=parameters))
    for other, size in ((gallery, chunk), (permuted(gallery, order), 256)):
        second = retrieve(query, other, NAMES, Ranking(chunk=size, parts=True, rerank=parameters))
        assert second.pairs["uncomparable"] == first.pairs["uncomparable"]
        pairs = [(first.scores, second.scores)]
        pairs += [(first.parts[name].scores, second.parts[name].scores) for name in NAMES]
        for a, b in pairs:
            assert np.array_equal(a.first_match, b.first_match)
            assert np.allclose(a.average_precision, b.average_precision, equal_nan=True)
            assert np.array_equal(a.cmc, b.cmc, equal_nan=True)


def test_uncomparable_pairs_are_counted() -> None:
    query, gallery = features(1, 5, blind=0.9), features(2, 11, blind=0.5)
    share = np.mean([
        [not (a & b).any() for b in gallery.visibility.numpy()] for a in query.visibility.numpy()
    ])  # fmt: skip
    assert 0 < share < 1
    assert retrieve(query, gallery, NAMES, Ranking()).pairs["uncomparable"] == pytest.approx(share)


def test_nothing_visible_finds_nothing() -> None:
    query, gallery = features(1, 5, blind=1.1), features(2, 30)
    found = retrieve(query, gallery, NAMES, Ranking("all"))
    right = (query.identities[:, None] == gallery.identities).sum(axis=1)
    assert found.pairs["uncomparable"] == 1
    assert found.scores.first_match.tolist() == (30 - right).tolist()
    assert query.without_parts == 5


def test_reranking_helps_and_keeps_what_cannot_be_compared_last() -> None:
    query, gallery = features(3, 20, blind=0.0), features(4, 60, blind=0.0)
    parameters = neighbourhood_for(query, gallery)
    assert parameters is not None
    assert parameters.k1 == 20
    found = retrieve(query, gallery, NAMES, Ranking(rerank=parameters))
    assert found.reranked is not None
    assert found.reranked.mean_ap > found.scores.mean_ap
    blind = features(3, 20, blind=1.1)
    for share in (0.3, 0.0):
        weighted = Neighbourhood(parameters.k1, parameters.k2, share)
        lost = retrieve(blind, gallery, NAMES, Ranking(rerank=weighted)).reranked
        assert lost is not None
        assert lost.cmc[0] == 0
    assert neighbourhood_for(features(3, 2, people=9), features(4, 3, people=9)) is None


def test_the_shown_ranking_is_the_scored_one() -> None:
    query, gallery = features(5, 8), features(6, 25)
    for rule in RULES:
        scores = retrieve(query, gallery, NAMES, Ranking(rule)).scores
        pairs = Pairs(query, gallery)
        for number in range(len(query)):
            order, distances = ranking_of(pairs, query, gallery, rule, number)
            right = np.flatnonzero(gallery.identities[order] == query.identities[number])
            assert (right[0] if len(right) else -1) == scores.first_match[number]
            assert (np.diff(distances[order][np.isfinite(distances[order])]) >= 0).all()
            parts = pairs.parts(number, order[:4])
            apart = torch.linalg.norm(query.vectors[number] - gallery.vectors[order[:4]], dim=-1)
            shown = (query.visibility[number] & gallery.visibility[order[:4]]).numpy()
            assert np.allclose(parts[shown], apart.numpy()[shown], atol=1e-6)
            assert np.isinf(parts[~shown]).all()


def test_every_query_is_in_one_group_of_each_kind() -> None:
    query, gallery = features(8, 30), features(9, 40)
    scores = retrieve(query, gallery, NAMES, Ranking("all")).scores
    groups = breakdown(query, scores)
    for by in ("hidden keypoints", "people"):
        assert sum(group.queries for group in groups if group.by == by) == len(query)
    chosen = (query.hidden > 0.25) & (query.hidden <= 0.5)
    group = next(group for group in groups if group.name == "0.25 to 0.5")
    assert group.queries == chosen.sum()
    assert group.mean_ap == pytest.approx(scores.average_precision[chosen].mean())
    assert group.rank1 == pytest.approx((scores.first_match[chosen] == 0).mean())


def test_what_is_not_known_makes_no_groups() -> None:
    query, gallery = features(8, 6), features(9, 40)
    samples = tuple(replace(sample, keypoints=None) for sample in query.samples)
    bare = replace(query, samples=samples, hidden=np.full(6, np.nan))
    assert breakdown(bare, retrieve(bare, gallery, NAMES, Ranking("all")).scores) == []


def test_queries_are_also_grouped_by_the_data_sets_own_measure() -> None:
    query, gallery = features(8, 6), features(9, 40)
    levels = [0.0, 0.25, 0.26, 0.5, 3.0, None]
    samples = tuple(replace(sample, occlusion=level) for sample, level in zip(query.samples, levels))
    told = replace(query, samples=samples)
    groups = breakdown(told, retrieve(told, gallery, NAMES, Ranking("all")).scores)
    counts = {group.name: group.queries for group in groups if group.by == "occlusion"}
    assert counts == {"none": 1, "up to 0.25": 1, "0.25 to 0.5": 2, "above 0.75": 1, "unknown": 1}
