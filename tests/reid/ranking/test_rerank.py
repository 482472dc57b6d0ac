from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import UserError
from reid.ranking.neighbours import nearest, unit_rows
from reid.ranking.rerank import (
    Neighbourhood,
    auto_neighbourhood,
    rerank_distances,
    rerank_features,
    rerank_rows,
    rerank_similarity,
    rerank_square,
)
from tools.benchmarks.references import k_reciprocal, k_reciprocal_normalised

PUBLISHED = [(20, 6, 0.3), (20, 1, 0.3), (7, 3, 0.5), (10, 6, 0.0), (15, 4, 1.0)]


def features(count: int, dim: int, seed: int, ids: int | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    people = ids or max(2, count // 6)
    centres = rng.standard_normal((people, dim))
    return (centres[np.arange(count) % people] + 0.7 * rng.standard_normal((count, dim))).astype(np.float32)


def euclid(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = unit_rows(a).astype(np.float64), unit_rows(b).astype(np.float64)
    return np.sqrt(np.maximum(2 - 2 * a @ b.T, 0))


@pytest.mark.parametrize(("k1", "k2", "lambda_"), PUBLISHED)
def test_parity_with_the_published_code(golden: Callable[[str], Path], k1: int, k2: int, lambda_: float) -> None:
    with np.load(golden("k_reciprocal.npz")) as case:
        got = rerank_distances(case["q_g"], case["q_q"], case["g_g"], Neighbourhood(k1, k2, lambda_))
        assert np.abs(got - case[f"out_k1={k1}_k2={k2}_lambda={lambda_}"]).max() < 1e-5


def test_parity_of_the_similarity_variant(golden: Callable[[str], Path]) -> None:
    with np.load(golden("k_reciprocal.npz")) as case, np.load(golden("st_distribution.npz")) as scores:
        joint = rerank_similarity(scores["joint_market_all"], 12)
        assert np.abs(joint - case["st_out_k1=20_k2=6_lambda=0.3"]).max() < 1e-5
        assert np.abs(rerank_similarity(case["st2_scores_all"], 60) - case["st2_out"]).max() < 1e-5


@pytest.mark.parametrize(
    ("k1", "k2", "lambda_", "key"), [(20, 6, 0.3, "out_k20_k6_l03"), (10, 3, 0.5, "out_k10_k3_l05")]
)
def test_parity_of_features_and_distances(
    golden: Callable[[str], Path], k1: int, k2: int, lambda_: float, key: str
) -> None:
    with np.load(golden("misc_distance_loss_rank.npz")) as case:
        rows, want = case["rerank/in_feat"], case[f"rerank/{key}"]
    parameters = Neighbourhood(k1, k2, lambda_)
    distance = np.sqrt(np.maximum(2 - 2 * rows @ rows.T, 0))
    dense = rerank_distances(distance[:10, 10:], distance[:10, :10], distance[10:, 10:], parameters)
    sparse = rerank_features(rows[:10], rows[10:], parameters).matrix()
    assert np.abs(dense - want).max() < 1e-5
    assert np.abs(sparse - want).max() < 1e-5


@settings(max_examples=30)
@given(
    st.integers(1, 6),
    st.integers(1, 40),
    st.integers(0, 1000),
    st.integers(1, 25),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_sparse_and_dense_equal_the_definition_at_any_size(
    queries: int, gallery: int, seed: int, k1: int, k2: int, lambda_: float
) -> None:
    rows = features(queries + gallery, 8, seed)
    q, g = rows[:queries], rows[queries:]
    parameters = Neighbourhood(k1, k2, lambda_)
    qg, qq, gg = euclid(q, g), euclid(q, q), euclid(g, g)
    want = k_reciprocal(qg, qq, gg, k1, k2, lambda_)
    assert np.abs(rerank_distances(qg, qq, gg, parameters) - want).max() < 1e-5
    assert np.abs(rerank_features(q, g, parameters).matrix() - want).max() < 2e-5


@settings(max_examples=15)
@given(st.permutations(range(30)), st.integers(0, 100))
def test_permuting_the_gallery_permutes_the_result(order: list[int], seed: int) -> None:
    rows = features(36, 8, seed)
    q, g = rows[:6], rows[6:]
    plain = rerank_features(q, g, Neighbourhood(8, 3, 0.3)).matrix()
    mixed = rerank_features(q, g[order], Neighbourhood(8, 3, 0.3)).matrix()
    assert np.abs(plain[:, order] - mixed).max() < 1e-6


@settings(max_examples=15)
@given(st.integers(0, 100), st.sampled_from([1e-3, 0.5, 40.0]))
def test_scaling_all_distances_changes_nothing(seed: int, scale: float) -> None:
    rows = features(30, 8, seed)
    parts = euclid(rows[:5], rows[5:]), euclid(rows[:5], rows[:5]), euclid(rows[5:], rows[5:])
    plain = rerank_distances(*parts)
    assert np.abs(plain - rerank_distances(*(part * scale for part in parts))).max() < 1e-6


def test_lambda_one_keeps_the_original_ranks() -> None:
    rows = features(60, 16, 3)
    got = rerank_features(rows[:10], rows[10:], Neighbourhood(lambda_=1.0)).matrix()
    assert np.array_equal(np.argsort(got, 1), np.argsort(euclid(rows[:10], rows[10:]), 1))


def test_the_result_comes_in_blocks_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = features(300, 16, 4)
    reranked = rerank_features(rows[:100], rows[100:])
    whole = reranked.matrix()
    monkeypatch.setattr("reid.ranking.rerank._BLOCK_CELLS", 200 * 7)
    blocks = list(reranked.blocks())
    assert len(blocks) >= 100 // 7
    assert [start for start, _ in blocks] == np.cumsum([0] + [len(block) for _, block in blocks])[:-1].tolist()
    assert np.abs(np.concatenate([block for _, block in blocks]) - whole).max() < 1e-6
    monkeypatch.setattr("reid.ranking.rerank._BLOCK_TERMS", 1)
    assert np.abs(np.concatenate([block for _, block in reranked.blocks()]) - whole).max() < 1e-6


def test_small_search_blocks_give_the_same_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = unit_rows(features(6000, 8, 5))
    ranks, similarities, least = nearest(rows, 21)
    monkeypatch.setattr("reid.ranking.neighbours._BLOCK_CELLS", 6000 * 50)
    monkeypatch.setattr("reid.ranking.neighbours._PAIR_CELLS", 999)
    again = nearest(rows, 21)
    assert np.array_equal(ranks, again[0])
    sample = np.arange(0, 6000, 500)
    full = rows[sample].astype(np.float64) @ rows.T.astype(np.float64)
    assert np.array_equal(ranks[sample], np.argsort(-full.astype(np.float32), axis=1, kind="stable")[:, :21])
    assert np.allclose(least[sample], full.min(1), atol=1e-6)
    assert np.allclose(similarities[sample], -np.sort(-full, axis=1)[:, :21], atol=1e-6)


@pytest.mark.parametrize("count", [500, 5000])
def test_numpy_and_torch_give_the_same_ranks(count: int) -> None:
    rows = unit_rows(features(count, 32, 6))
    rows[7] = rows[3]
    rows[11] = rows[3]
    here, there = nearest(rows, 21), nearest(rows, 21, device="cpu")
    assert np.array_equal(here[0], there[0])
    assert np.array_equal(here[1], there[1])


@pytest.mark.gpu
def test_the_gpu_gives_the_same_ranks() -> None:
    rows = unit_rows(features(20_000, 512, 7))
    here, there = nearest(rows, 21), nearest(rows, 21, device="cuda")
    assert np.array_equal(here[0], there[0])
    assert np.array_equal(here[1], there[1])


def test_repeated_items_rank_by_index_on_every_device() -> None:
    rows = unit_rows(np.tile(features(10, 8, 8), (9, 1)))
    for device in ("numpy", "cpu"):
        ranks = nearest(rows, 9, device)[0]
        assert ranks[4].tolist() == [4 + 10 * n for n in range(9)]
        assert ranks[84].tolist() == [4 + 10 * n for n in range(9)]


def test_all_items_equal() -> None:
    rows = np.ones((50, 4), np.float32)
    got = rerank_features(rows[:5], rows[5:], Neighbourhood(5, 2, 0.3)).matrix()
    assert np.isfinite(got).all()


def test_faiss_finds_nearly_the_same_neighbours() -> None:
    pytest.importorskip("faiss")
    rows = unit_rows(features(4000, 32, 9))
    exact, near = nearest(rows, 21), nearest(rows, 21, search="faiss")
    assert np.mean([len(np.intersect1d(a, b)) for a, b in zip(exact[0], near[0])]) > 18
    assert np.array_equal(near[0], nearest(rows, 21, search="faiss")[0])
    assert (near[2] >= exact[2] - 1e-6).all()


def test_faiss_with_very_few_items() -> None:
    pytest.importorskip("faiss")
    rows = unit_rows(features(5, 8, 9))
    assert np.array_equal(np.sort(nearest(rows, 5, search="faiss")[0], axis=1), np.tile(np.arange(5), (5, 1)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(bad: float) -> None:
    rows = features(20, 4, 1)
    rows[13, 2] = bad
    with pytest.raises(UserError, match="1 of 15 feature rows hold NaN or infinity, first row 8"):
        rerank_features(rows[:5], rows[5:])


def test_a_zero_feature_is_far_from_everything() -> None:
    rows = features(30, 8, 1)
    rows[10] = 0
    got = rerank_features(rows[:5], rows[5:], Neighbourhood(4, 2)).matrix()
    assert np.isfinite(got).all()
    assert (got[:, 5] > got.min(axis=1)).all()


def test_wrong_widths_and_parameters_are_refused() -> None:
    with pytest.raises(UserError, match="query features have 4 columns, gallery features 5"):
        rerank_features(np.ones((2, 4)), np.ones((2, 5)))
    for k1, k2, lambda_ in ((0, 1, 0.3), (1, 0, 0.3), (5, 2, 1.2), (5, 2, -0.1)):
        with pytest.raises(UserError, match="re-ranking needs"):
            Neighbourhood(k1, k2, lambda_)


def test_rows_that_come_by_block_equal_a_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    distance = rng.random((80, 80))
    want = k_reciprocal_normalised(distance / distance.max(1, keepdims=True), 20, 10, 3, 0.3)
    monkeypatch.setattr("reid.ranking.rerank._BLOCK_CELLS", 80 * 9)
    got = rerank_rows(lambda a, b: distance[a:b], 20, 80, Neighbourhood(10, 3, 0.3)).matrix()
    assert np.abs(got - want).max() < 1e-5


def square(count: int = 40, seed: int = 0) -> np.ndarray:
    rows = features(count, 8, seed)
    distance = euclid(rows, rows)
    np.fill_diagonal(distance, 0)
    return distance


def test_tracklets_are_symmetric_and_permute() -> None:
    distance = square()
    got = rerank_square(distance, Neighbourhood(5, 2))
    order = np.random.default_rng(1).permutation(len(distance))
    assert np.array_equal(got, got.T)
    assert np.all(np.diag(got) == 0)
    assert (
        np.abs(got[np.ix_(order, order)] - rerank_square(distance[np.ix_(order, order)], Neighbourhood(5, 2))).max()
        < 1e-6
    )


def test_tracklets_without_evidence_stay_without() -> None:
    distance = square()
    distance[3, :] = distance[:, 3] = np.nan
    distance[5, 6] = distance[6, 5] = np.nan
    got = rerank_square(distance, Neighbourhood(5, 2))
    off = ~np.eye(40, dtype=bool)
    assert np.array_equal(np.isnan(got), np.isnan(distance) & off)
    others = np.delete(np.arange(40), 3)
    apart = rerank_square(distance[np.ix_(others, others)], Neighbourhood(5, 2))
    assert np.allclose(got[np.ix_(others, others)], apart, atol=1e-6, equal_nan=True)


def test_re_ranking_tracklets_helps_where_neighbours_agree() -> None:
    people = np.arange(60) % 12
    rows = features(60, 16, 2, ids=12)
    distance = euclid(rows, rows)

    def mean_precision(matrix: np.ndarray) -> float:
        total = []
        for item in range(60):
            order = np.argsort(matrix[item], kind="stable")
            hits = (people[order] == people[item])[order != item]
            places = np.flatnonzero(hits)
            total.append(np.mean((np.arange(len(places)) + 1) / (places + 1)))
        return float(np.mean(total))

    parameters = auto_neighbourhood(60, 5.0)
    assert parameters is not None
    assert mean_precision(rerank_square(distance, parameters)) > mean_precision(distance) + 0.02


@pytest.mark.parametrize(
    ("count", "per_person", "want"),
    [
        (1000, 1.0, None),
        (1000, 1.4, None),
        (1000, 2.0, (2, 1)),
        (1000, 3.0, (3, 2)),
        (1000, 4.4, (4, 2)),
        (1000, 10.0, (10, 3)),
        (20_000, 25.0, (20, 6)),
        (5, 2.0, None),
        (6, 2.0, (2, 1)),
        (25, 10.0, None),
        (0, 3.0, None),
    ],
)
def test_the_rule_for_small_sets(count: int, per_person: float, want: tuple[int, int] | None) -> None:
    got = auto_neighbourhood(count, per_person)
    assert (None if got is None else (got.k1, got.k2)) == want
