import numpy as np
import pytest

from pipeline.association.space_time import space_time
from pipeline.association.table import build_table
from st_model.build import build_model
from st_model.visits import make_visits


def model(lag_s=20.0, count=100):
    """Everybody goes from a to b in about ``lag_s`` and leaves."""
    lags = np.random.default_rng(0).normal(lag_s, 0.5, count)
    who = np.repeat(np.arange(count), 2)
    enter = np.stack([np.arange(count) * 60.0, np.arange(count) * 60.0 + 5 + lags], 1).ravel()
    return build_model(make_visits(who, ["a", "b"] * count, enter, enter + 5))


def prepare(make, tracklets, site):
    return space_time(build_table(tracklets, site), model(), 6.0, 2.0)


def llr(make, second, site=None):
    found = prepare(make, [make.tracklet("a", 0, 0, 5), second], site or make.site("a", "b", "c"))
    return float(found.llr(np.array([0]), np.array([1]))[0])


def test_the_usual_lag_speaks_for_it_and_others_against(make):
    assert llr(make, make.tracklet("b", 0, 25, 30)) > 0.5
    assert llr(make, make.tracklet("b", 0, 300, 310)) < -2


@pytest.mark.parametrize(
    ("second", "site"),
    [
        (("b", 25), {"clock": "unknown"}),
        (("b", 25), {"overlap": "unknown"}),
        (("b", 25), {"overlap": "partial"}),
        (("c", 25), {}),
        (("a", 6), {}),
    ],
    ids=["no common clock", "overlap unknown", "overlapping", "camera unknown to the model", "a fragment"],
)
def test_it_is_silent_where_a_lag_means_nothing(make, second, site):
    camera, start = second
    found = prepare(
        make,
        [make.tracklet("a", 0, 0, 5), make.tracklet(camera, 1, start, start + 5)],
        make.site("a", "b", "c", **site),
    )
    assert np.isnan(found.llr(np.array([0]), np.array([1]))).all()
    assert found.orders([[0, 1]]).tolist() == [0.0]


def test_return_into_one_camera_speaks(make):
    assert llr(make, make.tracklet("a", 1, 30, 40)) < 0


def test_order_counts_consecutive_visits_only(make):
    tracklets = [make.tracklet("a", 0, 0, 5), make.tracklet("b", 0, 25, 30), make.tracklet("a", 1, 200, 205)]
    found = prepare(make, tracklets, make.site("a", "b"))
    table = found.table
    rows = {key: row for row, key in enumerate(table.keys)}
    first, second, third = rows["a", 0], rows["b", 0], rows["a", 1]
    steps = found.llr(np.array([first, second]), np.array([second, third]))
    np.testing.assert_allclose(found.orders([[third, first, second], [first]]), [steps.sum(), 0.0])


def test_likely_pairs_are_later_and_fit_best(make):
    tracklets = [make.tracklet("a", n, 100 * n, 100 * n + 5) for n in range(4)]
    tracklets += [make.tracklet("b", n, 100 * n + 25, 100 * n + 30) for n in range(4)]
    found = prepare(make, tracklets, make.site("a", "b"))
    pairs = list(zip(*(rows.tolist() for rows in found.likely(1))))
    assert {(n, n + 4) for n in range(4)} <= set(pairs)
    assert all(found.table.start_s[a] < found.table.start_s[b] for a, b in pairs)


def test_alone_is_leaving_for_the_earlier_and_coming_new_for_the_later(make):
    found = prepare(make, [make.tracklet("a", 0, 0, 5), make.tracklet("b", 0, 25, 30)], make.site("a", "b"))
    leaves, new = found.alone(np.array([0, 1]), np.array([1, 0]))
    assert leaves < 0.05
    assert new < 0.05
    assert found.leaves[1] > 0.95
    assert found.comes_new[0] > 0.95
