import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import UserError
from st_model.published import PublishedDistribution, published_distribution
from st_model.scores import JointConstants, st_reid_joint

EIGHT = tuple(f"c{number}" for number in range(1, 9))


@pytest.fixture(scope="module")
def case(golden: Callable[[str], Path]) -> dict[str, np.ndarray]:
    parts = [np.load(golden(name)) for name in ("st_distribution.npz", "st_distribution_duke_o50.npz")]
    return {key: part[key] for part in parts for key in part.files}


def build(case: dict[str, np.ndarray], bins: int, sigma: float) -> PublishedDistribution:
    return published_distribution(case["label"], case["cam"] - 1, case["frame"], EIGHT, bins=bins, sigma_bins=sigma)


@pytest.mark.parametrize(
    ("bins", "sigma", "key"),
    [(5000, 50, "smooth_market_o50"), (3000, 50, "smooth_duke_o50"), (3000, 10, "smooth_duke_o10")],
)
def test_parity_of_the_distribution(case: dict[str, np.ndarray], bins: int, sigma: float, key: str) -> None:
    got = build(case, bins, sigma)
    assert np.abs(got.probability.transpose(1, 0, 2) - case[key]).max() < 1e-12


def test_parity_of_the_raw_histogram(case: dict[str, np.ndarray]) -> None:
    raw = build(case, 5000, 0).probability.transpose(1, 0, 2)
    assert np.argwhere(raw).tolist() == case["raw_index"].tolist()
    assert np.abs(raw[tuple(case["raw_index"].T)] - case["raw_value"]).max() < 1e-12


@pytest.mark.parametrize(
    ("bins", "alpha", "key"),
    [(5000, 5.0, "joint_market"), (3000, 5.0, "joint_duke"), (5000, 2.5, "joint_market_alpha2.5")],
)
def test_parity_of_the_joint_score(case: dict[str, np.ndarray], bins: int, alpha: float, key: str) -> None:
    joint = st_reid_joint(
        case["q_feat"] @ case["g_feat"].T,
        case["q_cam"] - 1,
        case["q_frame"],
        case["g_cam"] - 1,
        case["g_frame"],
        build(case, bins, 50),
        JointConstants(gamma_visual=alpha, gamma_st=alpha),
    )
    assert np.abs(joint - case[key]).max() < 1e-10


def test_parity_of_all_pairs(case: dict[str, np.ndarray]) -> None:
    features, cameras, frames = (
        np.concatenate([case[f"{side}_{name}"] for side in "qg"]) for name in ("feat", "cam", "frame")
    )
    similarity = features @ features.T
    joint = st_reid_joint(similarity, cameras - 1, frames, cameras - 1, frames, build(case, 5000, 50), out=similarity)
    assert joint is similarity
    assert np.abs(joint - case["joint_market_all"]).max() < 1e-10


def distribution(bins: int = 50) -> PublishedDistribution:
    probability = np.random.default_rng(0).random((3, 3, bins))
    probability /= probability.sum(-1, keepdims=True)
    return PublishedDistribution(("a", "b", "c"), probability, None, np.zeros((3, 3)))


def joint_by_loop(similarity: np.ndarray, qc: np.ndarray, qf: np.ndarray, gc: np.ndarray, gf: np.ndarray) -> np.ndarray:
    table = distribution().probability
    out = np.empty_like(similarity)
    for q in range(len(qc)):
        for g in range(len(gc)):
            a, b = (gc[g], qc[q]) if qf[q] > gf[g] else (qc[q], gc[g])
            lag = abs(int(qf[q]) - int(gf[g])) // 100
            known = min(qf[q], gf[g]) >= 0 and min(a, b) >= 0 and lag < table.shape[-1]
            p = table[a, b, lag] if known else 0.0
            out[q, g] = 1 / (1 + np.exp(-5 * similarity[q, g])) / (1 + 2 * np.exp(-5 * p))
    return out


@settings(max_examples=25)
@given(st.integers(0, 1000))
def test_the_joint_score_equals_its_definition_also_for_missing_and_far_frames(seed: int) -> None:
    rng = np.random.default_rng(seed)
    similarity = rng.uniform(-1, 1, (7, 9))
    qc, gc = rng.integers(-1, 3, 7), rng.integers(-1, 3, 9)
    qf, gf = rng.integers(-200, 9000, 7), rng.integers(-200, 9000, 9)
    gf[0] = qf[0]
    want = joint_by_loop(similarity, qc, qf, gc, gf)
    assert np.abs(st_reid_joint(similarity, qc, qf, gc, gf, distribution()) - want).max() < 1e-12
    single = st_reid_joint(similarity.astype(np.float32), qc, qf, gc, gf, distribution())
    assert single.dtype == np.float32
    assert np.abs(single - want).max() < 1e-5


@settings(max_examples=15)
@given(st.integers(0, 100))
def test_swapping_query_and_gallery_transposes_the_score_unless_frames_tie(seed: int) -> None:
    rng = np.random.default_rng(seed)
    similarity = rng.uniform(-1, 1, (6, 8))
    qc, gc = rng.integers(0, 3, 6), rng.integers(0, 3, 8)
    frames = rng.permutation(6000)[:14]
    forth = st_reid_joint(similarity, qc, frames[:6], gc, frames[6:], distribution())
    back = st_reid_joint(similarity.T.copy(), gc, frames[6:], qc, frames[:6], distribution())
    assert np.array_equal(forth, back.T)


@settings(max_examples=20)
@given(st.permutations(range(60)))
def test_the_order_of_detections_does_not_matter(order: list[int]) -> None:
    rng = np.random.default_rng(1)
    label, camera, frame = rng.integers(0, 8, 60), rng.integers(0, 3, 60), rng.integers(0, 5000, 60)
    rows = np.array(order)
    plain = published_distribution(label, camera, frame, ("a", "b", "c"), sigma_bins=3)
    mixed = published_distribution(label[rows], camera[rows], frame[rows], ("a", "b", "c"), sigma_bins=3)
    assert np.array_equal(plain.probability, mixed.probability)


def test_a_detection_given_twice_moves_only_the_mean() -> None:
    once = published_distribution([1, 1, 1], [0, 0, 1], [0, 100, 1000], ("a", "b"), sigma_bins=0)
    twice = published_distribution([1, 1, 1, 1], [0, 0, 0, 1], [0, 100, 100, 1000], ("a", "b"), sigma_bins=0)
    assert np.flatnonzero(once.probability[0, 1]).tolist() == [9]
    assert np.flatnonzero(twice.probability[0, 1]).tolist() == [9]
    assert once.counts.tolist() == twice.counts.tolist() == [[0, 1], [0, 0]]


def test_missing_frames_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        got = published_distribution([1, 1, 1], [0, 1, 1], [0, 500, -1], ("a", "b"), sigma_bins=0)
    assert got.counts[0, 1] == 1
    assert "1 of 3 detections have no frame" in caplog.text


def test_lags_beyond_the_last_bin_overflow(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        got = published_distribution([1, 1, 2, 2], [0, 1, 0, 1], [0, 150, 0, 99_050], ("a", "b"), bins=10)
    assert got.overflow[0, 1] == 1
    assert got.counts[0, 1] == 2
    assert got.probability[0, 1].sum() == pytest.approx(1, abs=1e-5)
    assert "1 lags lie beyond" in caplog.text


def test_bins_follow_the_longest_lag_when_not_given() -> None:
    assert published_distribution([1, 1], [0, 1], [0, 99_050], ("a", "b")).probability.shape == (2, 2, 991)


@pytest.mark.parametrize(
    ("who", "camera"), [([], []), ([1], [0]), ([1, 1], [0, 0]), ([1, 2], [0, 1])],
    ids=["nothing", "seen once", "one camera", "no shared identity"],
)  # fmt: skip
def test_no_pair_gives_an_all_zero_table(who: list[int], camera: list[int]) -> None:
    got = published_distribution(who, camera, np.arange(len(who)), ("a", "b"), bins=4)
    assert not got.probability.any()
    similarity = np.array([[0.5]])
    joint = st_reid_joint(similarity, np.array([0]), np.array([5]), np.array([1]), np.array([1]), got)
    assert joint[0, 0] == pytest.approx(1 / (1 + np.exp(-2.5)) / 3)


def test_merging_equals_building_at_once() -> None:
    rng = np.random.default_rng(3)
    label, camera, frame = rng.integers(0, 40, 300), rng.integers(0, 3, 300), rng.integers(0, 50_000, 300)
    first = label < 15
    names = ("a", "b", "c")
    parts = [published_distribution(label[s], camera[s], frame[s], names) for s in (first, ~first)]
    whole = published_distribution(label, camera, frame, names)
    merged = parts[0].merged(parts[1])
    assert np.array_equal(merged.histogram, whole.histogram)
    assert np.array_equal(merged.probability, whole.probability)


def test_what_cannot_be_merged_is_refused() -> None:
    table = published_distribution([1, 1], [0, 1], [0, 500], ("a", "b"))
    with pytest.raises(UserError, match="without raw counts"):
        table.merged(distribution())
    with pytest.raises(UserError, match="cannot be merged"):
        table.merged(published_distribution([1, 1], [0, 1], [0, 500], ("a", "c")))
    with pytest.raises(UserError, match="differ in length"):
        published_distribution([1], [0, 1], [0, 500], ("a", "b"))
    with pytest.raises(UserError, match="where 0 to 1 are there"):
        published_distribution([1], [2], [0], ("a", "b"))
