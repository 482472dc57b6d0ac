import doctest
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import UserError
from reid.ranking import metrics
from reid.ranking.metrics import Convention, RetrievalEvaluator, RetrievalScores, evaluate_blocks
from reid.ranking.rules import Rule
from reid.ranking.single_shot import SingleShotCmc
from tools.benchmarks.references import evaluate_market, evaluate_trapezoid

Case = dict[str, np.ndarray]


def score(
    case: Case,
    convention: Convention = "standard",
    max_rank: int | None = 50,
    rule: Rule = "market",
    junk_id: int | None = -1,
) -> RetrievalScores:
    evaluator = RetrievalEvaluator(case["q_pid"], case["g_pid"], case["q_cam"], case["g_cam"], rule, junk_id)
    evaluator.add(0, case["dist"])
    return evaluator.scores(convention, max_rank)


def random_case(queries: int, gallery: int, seed: int, ids: int = 6, levels: int | None = None) -> Case:
    rng = np.random.default_rng(seed)
    distance = rng.random((queries, gallery))
    return {
        "dist": distance if levels is None else np.floor(distance * levels),
        "q_pid": rng.integers(0, ids + 1, queries),
        "q_cam": rng.integers(0, 3, queries),
        "g_pid": rng.integers(-1, ids, gallery),
        "g_cam": rng.integers(0, 3, gallery),
    }


@pytest.fixture(scope="module")
def case(golden: Callable[[str], Path]) -> Case:
    with np.load(golden("cmc_map.npz")) as archive:
        return dict(archive)


def test_parity_of_the_standard_convention(case: Case) -> None:
    for junk_id, key in ((None, "torchreid"), (-1, "torchreid_nojunk")):
        got = score(case, junk_id=junk_id)
        assert got.mean_ap == pytest.approx(float(case[f"{key}_map"]), abs=1e-9)
        assert np.abs(got.cmc - case[f"{key}_cmc"]).max() < 1e-6


def test_parity_of_the_trapezoid_convention(case: Case) -> None:
    got = score(case, "trapezoid", None)
    assert got.mean_ap == pytest.approx(float(case["streid_map"]), abs=1e-9)
    assert np.abs(got.cmc - case["streid_cmc"]).max() < 1e-9
    assert np.abs(np.nan_to_num(got.average_precision) - case["streid_ap_per_query"]).max() < 1e-9
    assert got.queries == 40
    assert got.unmatched == 40 - int(case["streid_valid"])


def test_parity_of_single_shot_draws(case: Case) -> None:
    kept = case["g_pid"] >= 0
    shots = SingleShotCmc(case["q_pid"], case["g_pid"][kept], case["q_cam"], case["g_cam"][kept])
    for block in np.array_split(case["dist"][:, kept], 3):
        shots.add(block)
    assert np.abs(shots.curve() - case["torchreid_cuhk03_cmc_seed0"]).max() < 1e-6
    assert score(case).mean_ap == pytest.approx(float(case["torchreid_cuhk03_map"]), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("default", "market"),
        ("motchallenge", "market"),
        ("mot_intra_video", "intra"),
        ("mot_inter_video", "inter"),
        ("mot_inter_intra_video", "all"),
    ],
)
def test_parity_of_the_rules(golden: Callable[[str], Path], name: str, rule: Rule) -> None:
    with np.load(golden("misc_distance_loss_rank.npz")) as archive:
        given_ = {
            key: archive[f"rank/in_{theirs}"]
            for key, theirs in (
                ("dist", "dist"),
                ("q_pid", "q_pids"),
                ("g_pid", "g_pids"),
                ("q_cam", "q_camids"),
                ("g_cam", "g_camids"),
            )
        }
        want = {key: archive[f"rank/{name}_{key}"] for key in ("cmc", "mAP", "AP")}
    got = score(given_, max_rank=20, rule=rule, junk_id=None)
    filled = np.flatnonzero(want["cmc"])[-1] + 1
    assert got.mean_ap == pytest.approx(float(want["mAP"]), abs=1e-9)
    assert np.abs(got.cmc[:filled] - want["cmc"][:filled]).max() < 1e-6
    precision = got.average_precision
    assert np.abs(precision[~np.isnan(precision)] - want["AP"]).max() < 1e-9


@settings(max_examples=40)
@given(st.integers(1, 12), st.integers(1, 60), st.integers(0, 10_000), st.booleans())
def test_both_conventions_equal_their_definition(queries: int, gallery: int, seed: int, single: bool) -> None:
    data = random_case(queries, gallery, seed)
    if single:
        data["dist"] = data["dist"].astype(np.float32)
    args = (data["dist"], data["q_pid"], data["g_pid"], data["q_cam"], data["g_cam"])
    cmc, mean_ap = evaluate_trapezoid(*args)
    got = score(data, "trapezoid", None)
    assert got.mean_ap == pytest.approx(mean_ap, abs=1e-12)
    assert np.allclose(got.cmc, cmc)
    standard = score(data, junk_id=None)
    if standard.queries:
        cmc, mean_ap = evaluate_market(*args, max_rank=gallery)
        assert standard.mean_ap == pytest.approx(mean_ap, abs=1e-12)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.sampled_from(["market", "intra", "inter", "all"]))
def test_equal_distances_rank_by_position(seed: int, rule: Rule) -> None:
    data = random_case(8, 40, seed, levels=3)
    tied, plain = score(data, rule=rule), dict(data)
    plain["dist"] = data["dist"] + np.arange(40) * 1e-6
    untied = score(plain, rule=rule)
    assert np.array_equal(tied.cmc, untied.cmc)
    assert np.array_equal(tied.average_precision, untied.average_precision, equal_nan=True)


@settings(max_examples=15)
@given(st.permutations(range(50)), st.integers(0, 100))
def test_the_order_of_the_gallery_does_not_matter_without_ties(order: list[int], seed: int) -> None:
    data = random_case(6, 50, seed)
    mixed = {**data, "dist": data["dist"][:, order], "g_pid": data["g_pid"][order], "g_cam": data["g_cam"][order]}
    assert np.array_equal(score(data).cmc, score(mixed).cmc, equal_nan=True)
    assert score(data).mean_ap == pytest.approx(score(mixed).mean_ap, nan_ok=True)


@settings(max_examples=10)
@given(st.integers(0, 100), st.floats(0.01, 100))
def test_a_monotone_change_of_distances_changes_nothing(seed: int, factor: float) -> None:
    data = random_case(6, 50, seed)
    squashed = {**data, "dist": np.log1p(factor * data["dist"])}
    assert np.array_equal(score(data).average_precision, score(squashed).average_precision, equal_nan=True)


def test_blocks_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_case(40, 90, 3)
    whole = score(data)
    monkeypatch.setattr("reid.ranking.metrics._BLOCK_CELLS", 90 * 4)
    evaluator = RetrievalEvaluator(data["q_pid"], data["g_pid"], data["q_cam"], data["g_cam"])
    pieces = [(start, data["dist"][start : start + 7]) for start in (35, 28, 21, 14, 7, 0)]
    got = evaluate_blocks(evaluator, pieces).scores()
    assert got.mean_ap == whole.mean_ap
    assert np.array_equal(got.cmc, whole.cmc)


def test_the_input_is_not_changed() -> None:
    data = random_case(5, 30, 1)
    before = data["dist"].copy()
    score(data)
    assert np.array_equal(before, data["dist"])


def test_a_query_without_a_match_is_left_out_or_counts_as_nothing() -> None:
    data = {
        "dist": np.array([[0.1, 0.2], [0.1, 0.2]]),
        "q_pid": np.array([1, 9]),
        "q_cam": np.array([0, 0]),
        "g_pid": np.array([1, 2]),
        "g_cam": np.array([1, 1]),
    }
    standard, trapezoid = score(data), score(data, "trapezoid")
    assert (standard.mean_ap, standard.queries, standard.unmatched) == (1.0, 1, 1)
    assert (trapezoid.mean_ap, trapezoid.queries, trapezoid.unmatched) == (0.5, 2, 1)
    assert np.isnan(standard.average_precision[1])
    assert standard.rank(1) == 1.0
    assert trapezoid.rank(10) == 0.5


def test_no_query_with_a_match_has_no_score() -> None:
    data = random_case(3, 10, 0)
    data["q_pid"][:] = 99
    got = score(data)
    assert np.isnan(got.mean_ap)
    assert np.isnan(got.cmc).all()
    shots = SingleShotCmc(data["q_pid"], data["g_pid"], data["q_cam"], data["g_cam"])
    shots.add(data["dist"])
    assert np.isnan(shots.curve()).all()


def test_infinite_distances_rank_behind_finite_ones_but_before_what_is_left_out() -> None:
    data = {
        "dist": np.array([[0.5, np.inf, np.inf, 0.7]]),
        "q_pid": np.array([1]),
        "q_cam": np.array([0]),
        "g_pid": np.array([2, 1, 1, 2]),
        "g_cam": np.array([1, 0, 1, 1]),
    }
    assert score(data).average_precision.tolist() == [pytest.approx(1 / 3)]


def test_nan_and_wrong_shapes_are_refused() -> None:
    data = random_case(5, 10, 0)
    evaluator = RetrievalEvaluator(data["q_pid"], data["g_pid"], data["q_cam"], data["g_cam"])
    data["dist"][3, 4] = np.nan
    data["g_pid"][4] = 2
    with pytest.raises(UserError, match="query 3 hold NaN"):
        RetrievalEvaluator(data["q_pid"], data["g_pid"], data["q_cam"], data["g_cam"]).add(0, data["dist"])
    with pytest.raises(UserError, match="do not fit"):
        evaluator.add(0, np.zeros((5, 9)))
    with pytest.raises(UserError, match="do not fit"):
        evaluator.add(3, np.zeros((5, 10)))
    with pytest.raises(UserError, match="no distances yet"):
        evaluator.scores()
    with pytest.raises(UserError, match="every item needs both"):
        RetrievalEvaluator(data["q_pid"], data["g_pid"], data["q_cam"][:3], data["g_cam"])


def test_the_examples_are_true():
    assert doctest.testmod(metrics).attempted > 0
    assert not doctest.testmod(metrics).failed


@pytest.mark.parametrize("rule", ["changed_clothes", "same_clothes"])
@settings(max_examples=20)
@given(seed=st.integers(0, 2**31))
def test_rules_of_clothes_equal_a_loop_over_the_gallery(rule: Rule, seed: int) -> None:
    data = random_case(6, 40, seed)
    rng = np.random.default_rng(seed)
    clothes = rng.integers(0, 3, 6), rng.integers(0, 3, 40)
    evaluator = RetrievalEvaluator(
        data["q_pid"], data["g_pid"], data["q_cam"], data["g_cam"], rule, clothes=(clothes[0], clothes[1])
    )
    evaluator.add(0, data["dist"])
    found = evaluator.scores()
    for query in range(6):
        ranked = []
        for row in np.argsort(data["dist"][query], kind="stable"):
            mine = data["g_pid"][row] == data["q_pid"][query]
            dressed = clothes[1][row] == clothes[0][query]
            here = data["g_cam"][row] == data["q_cam"][query]
            if data["g_pid"][row] != -1 and not (mine and (here or dressed == (rule == "changed_clothes"))):
                ranked.append(bool(mine))
        hits = np.flatnonzero(ranked)
        wanted = np.mean((np.arange(len(hits)) + 1) / (hits + 1)) if len(hits) else np.nan
        assert found.average_precision[query] == pytest.approx(wanted, nan_ok=True)


def test_a_rule_of_clothes_needs_clothes() -> None:
    with pytest.raises(UserError, match="changed_clothes needs to know who wears what"):
        score(random_case(2, 5, 0), rule="changed_clothes")
