import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import UserError
from st_model.build import build_model, count_transitions
from st_model.config import LagModelConfig
from st_model.counts import TransitionCounts, add_counts
from st_model.grid import LagGrid
from st_model.model import TransitionModel, model_from_counts
from st_model.visits import Visits, make_visits

GRID = LagGrid(bin_s=0.5, linear_s=10.0, max_lag_s=4000.0)
COUNT_FIELDS = ("next", "any", "visits", "exits", "overlaps", "walks")


def people(number: int, seed: int, names: tuple[str, ...] = ("a", "b", "c"), first: int = 0) -> Visits:
    """People who walk a -> b (about 20 s) -> c (about 60 s) and sometimes come back into a."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(first, first + number):
        time = rng.uniform(0, 3000)
        for camera, walk in ((0, 20.0), (1, 60.0), (2, 200.0), (0, 0.0)):
            leave = time + rng.uniform(2, 10)
            rows.append((person, names[camera], time, leave))
            if rng.uniform() < 0.2:
                break
            time = leave + walk * rng.lognormal(0, 0.1)
    who, where, enter, leave_ = zip(*rows)
    return make_visits(who, where, enter, leave_, all_cameras=names)


def assert_same(a: TransitionModel, b: TransitionModel) -> None:
    assert a.cameras == b.cameras
    for name in ("next", "any", "exit_probability", "next_counts", "any_counts", "next_bandwidth", "any_bandwidth"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name
    assert a.floor == b.floor


def test_counts_by_hand() -> None:
    visits = make_visits(
        [1, 1, 1, 2, 3, 3],
        ["a", "b", "a", "b", "b", "c"],
        [0, 15, 40, 0, 0, 4],
        [5, 20, 45, 9, 10, 8],
    )
    counts = count_transitions(visits, GRID)
    total = counts.next.sum(-1)
    assert total.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert counts.next[0, 1, GRID.index(10)] == 1
    assert counts.next[1, 0, GRID.index(20)] == 1
    assert counts.any.sum(-1).tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert counts.any[0, 0, GRID.index(35)] == 1
    assert counts.overlaps[1, 2] == 1
    assert counts.overlaps.sum() == 1
    assert counts.visits.tolist() == [2, 3, 1]
    assert counts.exits.tolist() == [1, 1, 1]


def test_densities_integrate_to_one_over_all_targets() -> None:
    model = build_model(people(200, 1), GRID)
    widths = np.diff(GRID.edges_s)
    assert np.allclose((model.next * widths).sum((1, 2)), 1.0, atol=1e-9)
    assert np.allclose((model.any * widths).sum((1, 2)), 1.0, atol=1e-9)
    assert (model.next >= 0).all()


def test_the_peak_is_where_people_arrive_and_the_chain_is_learnt() -> None:
    model = build_model(people(300, 2), GRID)
    a, b, c = model.index(["a", "b", "c"])
    lags = np.arange(1.0, 300.0)
    assert lags[np.argmax(model.log_density(a, b, lags))] == pytest.approx(20, abs=3)
    assert lags[np.argmax(model.log_density(b, c, lags))] == pytest.approx(60, abs=8)
    assert model.log_density(b, c, 60) > model.log_density(b, a, 60) + 3
    assert model.exit_probability[1] == pytest.approx(0.2, abs=0.08)
    assert model.next_counts[0, 1] > 200
    assert model.any_counts[0, 2] > 100


def test_log_density_broadcasts_and_takes_names_or_indices() -> None:
    model = build_model(people(50, 3), GRID)
    grid = model.log_density(np.arange(3)[:, None], np.arange(3), 20.0)
    assert grid.shape == (3, 3)
    assert grid[0, 1] == model.log_density("a", "b", 20.0)
    assert np.array_equal(model.log_density(["a", "b"], "c", [1.0, 2.0]), model.log_density([0, 1], 2, [1.0, 2.0]))
    assert model.log_density(np.zeros(0, int), np.zeros(0, int), np.zeros(0)).shape == (0,)


def test_what_the_model_cannot_know_is_nan_and_what_it_never_saw_is_the_floor() -> None:
    model = build_model(people(50, 3), GRID)
    assert np.isnan(model.log_density(["a", "nowhere"], ["elsewhere", "a"], 5.0)).all()
    assert np.isnan(model.log_density("a", "b", np.nan))
    floor = np.log(model.floor)
    assert model.log_density(0, 1, [-30.0, 1e7]).tolist() == [floor, floor]
    assert model.log_density(0, 1, -0.4) == model.log_density(0, 1, 0.0)
    assert (model.log_density(0, 1, np.geomspace(0.1, 3999, 500)) >= floor).all()
    with pytest.raises(IndexError):
        model.log_density(3, 0, 1.0)


def test_rare_is_not_impossible() -> None:
    model = build_model(people(300, 2), GRID)
    unseen = model.log_density("c", "b", 30.0)
    assert model.next_counts[2, 1] == 0
    assert np.log(model.floor) < unseen < model.log_density("c", "a", 200.0) - 2


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 100))
def test_merging_equals_building_at_once(first: int, second: int, seed: int) -> None:
    one = people(first, seed, ("cam1", "cam2", "cam10"))
    two = people(second, seed + 1, ("cam2", "cam3", "cam10"), first=first)
    columns = [np.concatenate([getattr(v, name) for v in (one, two)]) for name in ("identities", "enter_s", "leave_s")]
    where = np.concatenate([np.array(v.cameras)[v.camera] for v in (one, two)])
    who = np.concatenate([one.identities, two.identities + len(one)])
    both = make_visits(who, where, columns[1], columns[2], all_cameras=one.cameras + two.cameras)
    assert_same(build_model(one, GRID).merged(build_model(two, GRID)), build_model(both, GRID))


def test_soft_weights_merge_exactly() -> None:
    rng = np.random.default_rng(0)

    def part(seed: int, first: int) -> Visits:
        plain = people(30, seed, first=first)
        where = np.array(plain.cameras)[plain.camera]
        weights = np.random.default_rng(seed).uniform(0, 1, len(plain))
        return make_visits(plain.identities + first, where, plain.enter_s, plain.leave_s, weights)

    parts = [part(seed, 1000 * seed) for seed in range(4)]
    models = [build_model(p, GRID) for p in parts]
    orders = [rng.permutation(4) for _ in range(3)]
    results = []
    for order in orders:
        merged = models[order[0]]
        for index in order[1:]:
            merged = merged.merged(models[index])
        results.append(merged)
    assert_same(results[0], results[1])
    assert_same(results[0], results[2])


def test_models_on_different_bins_do_not_merge() -> None:
    with pytest.raises(UserError, match="different lag bins"):
        build_model(people(5, 1), GRID).merged(build_model(people(5, 2), LagGrid()))


@settings(max_examples=15)
@given(st.integers(0, 50), st.sampled_from([0.25, 0.5, 2.0, 64.0]))
def test_scale_of_time(seed: int, scale: float) -> None:
    visits = people(40, seed)
    where = np.array(visits.cameras)[visits.camera]
    scaled = make_visits(visits.identities, where, visits.enter_s * scale, visits.leave_s * scale)
    grid = LagGrid(GRID.bin_s * scale, GRID.linear_s * scale, GRID.max_lag_s * scale)
    plain, other = build_model(visits, GRID), build_model(scaled, grid)
    lags = np.array([1.0, 15.0, 22.0, 100.0, 1000.0, 1e6])
    want = plain.log_density([[0], [1]], [[1], [2]], lags) - np.log(scale)
    assert np.allclose(other.log_density([[0], [1]], [[1], [2]], lags * scale), want, atol=1e-6)


@settings(max_examples=15)
@given(st.integers(0, 50), st.floats(-1e5, 1e6))
def test_shifting_the_clock_changes_nothing(seed: int, shift: float) -> None:
    visits = people(20, seed)
    where = np.array(visits.cameras)[visits.camera]
    moved = make_visits(visits.identities, where, visits.enter_s + shift, visits.leave_s + shift)
    assert np.allclose(build_model(visits, GRID).next, build_model(moved, GRID).next, rtol=0.2, atol=1e-3)
    assert np.array_equal(build_model(visits, GRID).next_counts, build_model(moved, GRID).next_counts)


@given(st.permutations(["x", "y", "z"]))
@settings(max_examples=6)
def test_names_of_cameras_and_people_do_not_matter(names: list[str]) -> None:
    plain, renamed = people(60, 4), people(60, 4, tuple(names), first=500)
    one, two = build_model(plain, GRID), build_model(renamed, GRID)
    order = two.index(names)
    assert np.allclose(one.next, two.next[np.ix_(order, order)], rtol=1e-12)
    assert np.array_equal(one.exit_probability, two.exit_probability[order])


def test_a_symmetric_world_gives_symmetric_tables() -> None:
    rows = [
        (k, c, t, t + 5)
        for k in range(40)
        for c, t in (("a" if k % 2 else "b", 0.0), ("b" if k % 2 else "a", 25.0 + k // 2))
    ]
    who, where, enter, leave = zip(*rows)
    model = build_model(make_visits(who, where, enter, leave), GRID)
    assert np.allclose(model.next[0, 1], model.next[1, 0], rtol=1e-12)
    assert np.allclose(model.next[0, 0], model.next[1, 1], rtol=1e-12)


@pytest.mark.parametrize(
    ("who", "where", "enter"),
    [([], [], []), ([1], ["a"], [0.0]), ([1, 2], ["a", "b"], [0.0, 5.0]), ([1, 1, 1], ["a"] * 3, [0.0, 10.0, 30.0])],
    ids=["nobody", "one visit", "no shared identity", "one camera"],
)
def test_thin_evidence_still_gives_a_usable_model(who: list[int], where: list[str], enter: list[float]) -> None:
    visits = make_visits(who, where, enter, [t + 1 for t in enter], all_cameras=["a", "b"])
    model = build_model(visits, GRID)
    densities = model.log_density([[0], [1]], [[0, 1]], 9.0)
    assert np.isfinite(densities).all()
    assert ((model.exit_probability > 0) & (model.exit_probability < 1)).all()
    if not model.next_counts.sum():
        assert np.allclose(densities, densities[0, 0])


def test_lags_beyond_the_grid_are_counted_but_have_no_density() -> None:
    visits = make_visits([1, 1, 2, 2], ["a", "b", "a", "b"], [0, 1e6, 0, 12], [2, 1e6 + 1, 2, 14])
    model = build_model(visits, GRID)
    assert model.next_counts[0, 1] == 2
    assert model.evidence.next[0, 1, -1] == 1
    assert model.log_density(0, 1, 1e6) == np.log(model.floor)
    assert (model.next[0, 1] * np.diff(GRID.edges_s)).sum() < (model.next[0].sum(0) * np.diff(GRID.edges_s)).sum()


def test_a_fixed_bandwidth_and_floor_are_used() -> None:
    visits = people(100, 5)
    narrow = build_model(visits, GRID, LagModelConfig(bandwidth=0.05))
    wide = build_model(visits, GRID, LagModelConfig(bandwidth=1.0, floor_per_s=1e-3))
    assert narrow.next[0, 1].max() > 2 * wide.next[0, 1].max()
    assert wide.floor == 1e-3
    assert np.all(wide.next_bandwidth == 1.0)


def test_cross_validation_prefers_a_bandwidth_that_fits_new_people() -> None:
    train, test = people(60, 6), people(400, 7)
    rows = np.flatnonzero(test.identities[1:] == test.identities[:-1])
    lags = test.enter_s[rows + 1] - test.leave_s[rows]

    def score(config: LagModelConfig) -> float:
        model = build_model(train, GRID, config)
        return float(model.log_density(test.camera[rows], test.camera[rows + 1], lags).mean())

    chosen = score(LagModelConfig())
    assert chosen > score(LagModelConfig(bandwidth=0.05)) - 0.02
    assert chosen > score(LagModelConfig(bandwidth=1.0)) + 0.3


def test_tables_that_do_not_fit_into_memory_are_refused() -> None:
    grid = LagGrid(bin_s=1e-4, linear_s=1e4, max_lag_s=1e5)
    columns = {name: np.zeros((1, 1, 1)) for name in COUNT_FIELDS}
    counts = TransitionCounts(tuple(f"c{i}" for i in range(50)), grid, **columns)
    with pytest.raises(UserError, match=r"GiB; raise st\.grid\.bin_s"):
        model_from_counts(counts)


def test_scaled_evidence_is_a_weaker_prior() -> None:
    counts = count_transitions(people(50, 8), GRID)
    half = counts.scaled(0.5)
    assert half.next.sum() == counts.next.sum() / 2
    assert add_counts(half, half).next.tolist() == counts.next.tolist()
