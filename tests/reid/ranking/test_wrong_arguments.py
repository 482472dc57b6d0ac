"""What a caller may get wrong is one line: an answer that means nothing must not look like one."""

import numpy as np
import pytest
import torch

from data.errors import UserError
from data.kernels.checks import indices, integers, matrix
from data.kernels.parts import joint_visibility
from reid.losses.triplet import part_triplet_loss
from reid.models.part_head import part_visibility
from reid.ranking.metrics import RetrievalEvaluator, retrieval_scores
from reid.ranking.pair_statistics import PairStatistics
from reid.ranking.rerank import (
    Neighbourhood,
    rerank_distances,
    rerank_features,
    rerank_rows,
    rerank_similarity,
    rerank_square,
)
from reid.ranking.single_shot import SingleShotCmc

IDS = (np.array([1, 2]), np.array([1, 2, 3]), np.array([1, 1]), np.array([2, 2, 2]))
APART = np.arange(6.0).reshape(2, 3)
SQUARE = np.abs(np.subtract.outer(np.arange(5.0), np.arange(5.0))) / 5


def evaluator(**options):
    return RetrievalEvaluator(*IDS, **options)


def added(distances):
    filled = evaluator()
    filled.add(0, distances)
    return filled


WRONG = {
    "an unknown rule": (lambda: evaluator(rule="markt"), "all, changed_clothes, same_clothes, not 'markt'"),
    "an unknown rule of pairs": (lambda: PairStatistics(*IDS, rule="none"), "one of market"),
    "identities with fractions": (lambda: RetrievalEvaluator(IDS[0] + 0.5, *IDS[1:]), "query identities must be"),
    "cameras by name": (lambda: RetrievalEvaluator(*IDS[:3], np.array(["a"] * 3)), "gallery cameras must be"),
    "identities in a table": (lambda: RetrievalEvaluator(IDS[0][:, None], *IDS[1:]), "query identities must be"),
    "an unknown convention": (lambda: added(APART).scores("voc"), "one of standard, trapezoid"),
    "a curve without ranks": (lambda: added(APART).scores(max_rank=0), "at least one rank"),
    "rank 0": (lambda: added(APART).scores().rank(0), "count from 1"),
    "complex distances": (lambda: added(APART * 1j), "real numbers"),
    "distances as text": (lambda: added(APART.astype(str)), "real numbers"),
    "NaN distances": (lambda: added(APART * np.nan), "query 0 hold NaN"),
    "a NaN in one ranking": (lambda: evaluator().ranking(0, APART[0] * np.nan), "hold NaN"),
    "a ranking of another length": (lambda: evaluator().ranking(0, APART[0, :2]), r"shape \(3\)"),
    "queries before the first": (lambda: evaluator().add(-1, APART), "from query -1 on"),
    "clothes of others": (
        lambda: evaluator(rule="changed_clothes", clothes=(IDS[0], IDS[1][:2])),
        "clothes of 2 queries and 2 gallery items, of which there are 2 and 3",
    ),
    "a single shot without all cameras": (lambda: SingleShotCmc(*IDS[:3], IDS[3][:1]), "an identity and a camera"),
    "a single shot of names": (lambda: SingleShotCmc(IDS[0].astype(str), *IDS[1:]), "query identities must be"),
    "a single shot of nothing": (lambda: SingleShotCmc(*IDS, draws=0), "1 or more"),
    "a single shot with NaN": (lambda: SingleShotCmc(*IDS).add(APART * np.nan), "hold NaN"),
    "a single shot of another shape": (lambda: SingleShotCmc(*IDS).add(APART.T), r"shape \(any, 3\)"),
    "a single shot of too many": (lambda: SingleShotCmc(*IDS).add(np.zeros((3, 3))), "more than the 2 queries"),
    "half a neighbourhood": (lambda: Neighbourhood(k1=0), "k1 >= 1"),
    "a weight of NaN": (lambda: Neighbourhood(lambda_=float("nan")), "0 <= lambda <= 1"),
    "similarities above 1": (lambda: rerank_similarity(SQUARE * 2, 2), "at most 1, not 1.6"),
    "similarities that are not square": (lambda: rerank_similarity(SQUARE[:4], 2), "are square"),
    "no queries": (lambda: rerank_similarity(SQUARE, 0), "0 queries among 5"),
    "nothing but queries": (lambda: rerank_similarity(SQUARE, 5), "5 queries among 5"),
    "negative distances": (lambda: rerank_distances(-SQUARE[:2, 2:], SQUARE[:2, :2], SQUARE[2:, 2:]), "not negative"),
    "blocks that do not fit": (lambda: rerank_distances(SQUARE[:2, 2:], SQUARE, SQUARE[2:, 2:]), r"shape \(2, 2\)"),
    "rows of another width": (lambda: rerank_rows(lambda a, b: SQUARE[a:b, :4], 2, 5), r"shape \(5, 5\)"),
    "one set that is not square": (lambda: rerank_square(SQUARE[:4], Neighbourhood(2, 1)), r"shape \(4, 4\)"),
    "one set with negative distances": (lambda: rerank_square(-SQUARE, Neighbourhood(2, 1)), "not negative"),
    "features without a gallery": (lambda: rerank_features(SQUARE, SQUARE[:0]), "5 queries among 5"),
    "features in a cube": (lambda: rerank_features(SQUARE[None], SQUARE), "query features must be"),
    "features with NaN": (lambda: rerank_features(SQUARE * np.nan, SQUARE), "NaN"),
    "an unknown combination": (
        lambda: part_triplet_loss(torch.ones(4, 1, 2), torch.arange(4) // 2, combine="median"),
        "one of mean, max, min",
    ),
    "an unknown mode of a network": (lambda: part_visibility(torch.ones(1, 2, 3, 3), "soft"), "binary, continuous"),
    "an unknown mode of a distance": (
        lambda: joint_visibility(np.ones((1, 2)), np.ones((1, 2)), np.zeros(2, bool), "soft"),
        "continuous, binary",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_nonsense_is_told(what):
    call, message = WRONG[what]
    with pytest.raises(UserError, match=message):
        call()


def test_whole_numbers_and_truth_values_are_distances_too():
    want = retrieval_scores(APART, *IDS)
    for kind in (np.int64, np.uint8, np.float16, np.float32):
        assert retrieval_scores(APART.astype(kind), *IDS).mean_ap == want.mean_ap
    assert np.array_equal(evaluator().ranking(0, APART[0].astype(int)), evaluator().ranking(0, APART[0]))
    far = np.array([[True, False, True], [False, False, True]])
    assert retrieval_scores(far, *IDS).mean_ap == retrieval_scores(far.astype(float), *IDS).mean_ap


def test_rounding_of_unit_vectors_is_no_mistake():
    rows = np.random.default_rng(0).standard_normal((9, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scores = rows @ rows.T
    np.fill_diagonal(scores, 1.0005)
    got = rerank_similarity(scores, 3, Neighbourhood(4, 2))
    assert np.isfinite(got).all()
    assert np.array_equal(got, rerank_similarity(np.minimum(scores, 1), 3, Neighbourhood(4, 2)))
    square = np.maximum(1 - scores, 0)
    square[0, 1] = square[1, 0] = -1e-6
    assert np.isfinite(rerank_square(square, Neighbourhood(4, 2))).all()


def test_checks_of_arrays():
    assert integers([], "ids").dtype == np.int64
    assert integers(np.array([3, 4], np.uint16), "ids").tolist() == [3, 4]
    assert indices([-1, 2], 3, "cameras", least=-1).tolist() == [-1, 2]
    for bad in ([-1], [3], [-2]):
        with pytest.raises(UserError, match="cameras run from"):
            indices(bad, 3, "cameras", least=0 if bad == [-1] else -1)
    with pytest.raises(UserError, match=r"shape \(any, 2\)"):
        matrix(np.zeros((2, 3)), (None, 2), "points")
    exact = np.zeros((2, 2), np.float32)
    assert matrix(exact, (2, 2), "x") is exact
