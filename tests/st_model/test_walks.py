from itertools import product

import numpy as np
import pytest
from scipy import stats

from st_model.arrivals import log_arrival_rate
from st_model.background import Background
from st_model.matching import match
from st_model.passages import Passages, passage
from st_model.walks import DIM, PRIOR, count_walks, pair_walk, walk_moments, walk_vectors, walked_back


def boxes(x: np.ndarray, height: float = 100.0) -> np.ndarray:
    return np.stack([x - 20, np.full(len(x), 200 - height), x + 20, np.full(len(x), 200.0)], axis=1).astype(np.float32)


def walks(count: int, seed: int = 0) -> np.ndarray:
    """Who walks faster arrives sooner, who leaves on the left enters on the right."""
    rng = np.random.default_rng(seed)
    pace, side = rng.normal(-1.0, 0.2, count), rng.uniform(0.2, 0.8, count)
    z = np.stack([3 - pace, side, np.ones(count), pace, 1 - side, np.zeros(count), pace], axis=1)
    return z + 0.02 * rng.standard_normal(z.shape)


def test_a_passage_is_measured_in_shares_of_the_picture_and_body_heights() -> None:
    times = np.arange(0, 4, 0.1)
    found = passage(times, boxes(100 + 50 * times), (400, 400))
    assert found.enter[0] == pytest.approx([0.25, 0.5])
    assert found.leave[0, 0] == pytest.approx((100 + 50 * 3.9) / 400, abs=1e-4)
    assert np.exp(found.log_pace[0]) == pytest.approx(0.5, rel=1e-3)


def test_a_halt_does_not_slow_the_pace() -> None:
    times = np.arange(0, 8, 0.1)
    walked = np.where(times < 4, 50 * times, 200.0)
    assert np.exp(passage(times, boxes(100 + walked), (400, 400)).log_pace[0]) == pytest.approx(0.5, rel=1e-2)


def test_without_the_size_of_the_picture_nothing_is_known() -> None:
    times = np.arange(0, 4, 0.1)
    assert not passage(times, boxes(times), (0, 0)).known.any()
    assert not passage(times[:1], boxes(times[:1]), (400, 400)).known.any(), "one box has no pace"


def test_the_predictive_density_of_the_lag_integrates_to_one_and_is_the_marginal() -> None:
    walk = PRIOR.with_walks(walk_moments(walks(20), np.ones(20)))
    grid = np.tile(walk.mean, (4001, 1))
    grid[:, 0] = np.linspace(-30, 40, 4001)
    assert np.trapezoid(np.exp(walk.log_lag_density(grid)), grid[:, 0]) == pytest.approx(1.0, abs=1e-2)
    freedom = walk.freedom - DIM + 1
    shape = walk.scatter * (1 + 1 / walk.weight) / freedom
    expected = stats.multivariate_t(walk.mean, shape, df=freedom).logpdf(grid[:5])
    assert walk.log_density(grid[:5]) == pytest.approx(expected)


def test_learning_in_two_steps_is_learning_at_once() -> None:
    z = walks(12)
    first, second = (walk_moments(part, np.ones(6)) for part in (z[:6], z[6:]))
    steps, once = PRIOR.with_walks(first).with_walks(second), PRIOR.with_walks(walk_moments(z, np.ones(12)))
    assert steps.mean == pytest.approx(once.mean)
    assert steps.scatter == pytest.approx(once.scatter)
    assert once.divergence(once) == pytest.approx(0.0, abs=1e-8)
    assert once.divergence(PRIOR) > 0


def test_place_and_pace_tell_walks_apart_once_they_were_seen() -> None:
    walk = PRIOR.with_walks(walk_moments(walks(30), np.ones(30)))
    true, wrong = walks(10, seed=1), walks(10, seed=1)
    wrong[:, 4:] = wrong[::-1, 4:]
    given = [walk.log_density(z) - walk.log_lag_density(z) for z in (true, wrong)]
    assert given[0].mean() > given[1].mean() + 2


def test_the_way_back_speaks_where_few_came() -> None:
    table = count_walks(np.zeros(20, int), np.ones(20, int), walks(20), np.ones(20), 2)
    back = pair_walk(table, 1, 0)
    assert back is not None
    assert back.mean[1] == pytest.approx(1 - 0.5, abs=0.15)
    assert walked_back(walked_back(table[0, 1])) == pytest.approx(table[0, 1])
    few = count_walks(np.zeros(2, int), np.ones(2, int), walks(2), np.ones(2), 2)
    assert pair_walk(few, 0, 1) is None


def test_moments_add_exactly_and_unknown_walks_do_not_count() -> None:
    z = walks(40)
    source, target, one = np.zeros(40, int), np.ones(40, int), np.full(40, 0.3)
    parts = [count_walks(source[rows], target[rows], z[rows], one[rows], 2) for rows in (slice(0, 13), slice(13, 40))]
    assert (parts[0] + parts[1] == count_walks(source, target, z, one, 2)).all()
    unknown = walk_vectors(np.ones(3), Passages.unknown(3), Passages.unknown(3))
    assert not count_walks(np.zeros(3, int), np.ones(3, int), unknown, np.ones(3), 2).any()


def test_soft_matching_is_close_to_the_sum_over_all_matchings() -> None:
    rng = np.random.default_rng(0)
    left, right = (side.ravel() for side in np.meshgrid(range(3), range(3), indexing="ij"))
    log_weights = rng.normal(0, 1.5, 9)
    table, total, sums = np.exp(log_weights).reshape(3, 3), 0.0, np.zeros((3, 3))
    for choice in product([-1, 0, 1, 2], repeat=3):
        taken = [c for c in choice if c >= 0]
        if len(set(taken)) == len(taken):
            weight = np.prod([table[row, c] for row, c in enumerate(choice) if c >= 0])
            total += weight
            for row, c in enumerate(choice):
                if c >= 0:
                    sums[row, c] += weight
    found = match(left, right, log_weights, 3, 3)
    assert found.probability == pytest.approx((sums / total).ravel(), abs=0.06)
    assert found.log_total == pytest.approx(np.log(total), abs=0.1)
    sums_left = np.bincount(left, found.probability)
    assert sums_left + found.unmatched_left == pytest.approx(np.ones(3), abs=1e-4)


def test_nobody_to_match() -> None:
    none = np.zeros(0, np.int64)
    found = match(none, none, np.zeros(0), 2, 0)
    assert found.unmatched_left.tolist() == [1.0, 1.0]
    assert found.log_total == 0.0


def test_the_background_is_a_density_that_knows_its_two_doors() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(np.repeat([[0.1, 0.5, -1], [0.9, 0.5, -1]], 100, axis=0), 0.03)
    background = Background.of(values)
    probe = np.array([[0.1, 0.5, -1.0], [0.5, 0.5, -1.0], [np.nan, 0, 0]])
    found = background.log_density(probe)
    assert found[0] > found[1] + 2
    assert np.isnan(found[2])


def test_arrivals_in_bursts_have_an_uneven_rate_and_even_ones_have_not() -> None:
    rng = np.random.default_rng(0)
    bursts = np.concatenate([start + rng.uniform(0, 20, 30) for start in (100, 700, 1500)])
    assert np.ptp(log_arrival_rate(rng.uniform(0, 2000, 90))) < 0.7
    assert log_arrival_rate(bursts).mean() > np.log(90 / 1500) + 1
    assert log_arrival_rate(np.array([3.0])).tolist() == [0.0]
