import numpy as np
import pytest

from pipeline.association.config import AssociateConfig, ConstraintConfig, SpaceTimeCueConfig
from pipeline.association.cue import CueInput
from pipeline.association.exclusions import build_exclusions
from pipeline.association.space_time import space_time, space_time_source
from pipeline.association.table import build_table
from st_model.build import build_model
from st_model.visits import make_visits, visits_from_rows


def model(lag_s=20.0, count=100):
    """Everybody goes from a to b in about ``lag_s`` and leaves."""
    lags = np.random.default_rng(0).normal(lag_s, 0.5, count)
    who = np.repeat(np.arange(count), 2)
    enter = np.stack([np.arange(count) * 60.0, np.arange(count) * 60.0 + 5 + lags], 1).ravel()
    return build_model(make_visits(who, ["a", "b"] * count, enter, enter + 5))


def prepare(make, tracklets, site):
    return space_time(build_table(tracklets, site), model(), SpaceTimeCueConfig(), 2.0)


def llr(make, second, site=None):
    found = prepare(make, [make.tracklet("a", 0, 0, 5), second], site or make.site("a", "b", "c"))
    return float(found.llr(np.array([0]), np.array([1]))[0])


def test_the_usual_lag_speaks_for_it_and_others_against(make):
    assert llr(make, make.tracklet("b", 0, 25, 30)) > 0.5
    assert llr(make, make.tracklet("b", 0, 300, 310)) < -1.5


@pytest.mark.parametrize(
    ("second", "site"),
    [
        (("b", 25), {"clock": "unknown"}),
        (("c", 25), {}),
        (("a", 6), {}),
    ],
    ids=["no common clock", "camera unknown to the model", "a fragment"],
)
def test_it_is_silent_where_a_lag_means_nothing(make, second, site):
    camera, start = second
    found = prepare(
        make,
        [make.tracklet("a", 0, 0, 5), make.tracklet(camera, 1, start, start + 5)],
        make.site("a", "b", "c", **site),
    )
    assert np.isnan(found.llr(np.array([0]), np.array([1]))).all()


def test_gaps_that_the_model_joined_into_one_visit_say_nothing(make):
    """Charging them would be of the wrong sign: seconds apart in one camera it is mostly the same person."""
    times = np.arange(0, 400, 15.0)
    joined = build_model(visits_from_rows([0] * len(times), ["a"] * len(times), times, gap_s=20.0))
    tracklets = [make.tracklet("a", 0, 0, 5), make.tracklet("a", 1, 15, 20), make.tracklet("a", 2, 60, 65)]
    found = space_time(build_table(tracklets, make.site("a")), joined, SpaceTimeCueConfig(), 2.0)
    ratio = found.llr(np.array([0, 0]), np.array([1, 2]))
    assert np.isnan(ratio[0])
    assert np.isfinite(ratio[1])


@pytest.mark.parametrize("overlap", ["none", "unknown", "partial"])
def test_lags_speak_whatever_is_declared_of_the_views(make, overlap):
    assert llr(make, make.tracklet("b", 0, 25, 30), make.site("a", "b", "c", overlap=overlap)) > 0.5


def test_both_views_at_once_speak_where_that_was_seen_before(make):
    """Of the model's people none was in both views at once; of others everybody was."""
    a, b = make.tracklet("a", 0, 0, 5), make.tracklet("b", 0, 2, 7)
    who = np.repeat(np.arange(100), 2)
    enter = np.stack([np.arange(100) * 60.0, np.arange(100) * 60.0 + 2], 1).ravel()
    together = build_model(make_visits(who, ["a", "b"] * 100, enter, enter + 5))
    later = [make.tracklet("b", number, 500 + 60 * number, 505 + 60 * number) for number in range(1, 10)]
    table = build_table([a, b, *later], make.site("a", "b", overlap="unknown"))
    rows = table.index()
    pair = np.array([rows["a", 0]]), np.array([rows["b", 0]])
    known, unknown = (space_time(table, item, SpaceTimeCueConfig(), 2.0).llr(*pair)[0] for item in (together, model()))
    assert known > 1.0
    assert unknown < -1.0


def test_a_model_of_few_events_is_doubted(make):
    """One person who took 20 s says little about others, for or against."""
    few = build_model(make_visits([0, 0], ["a", "b"], [0.0, 25.0], [5.0, 30.0]))
    tracklets = [make.tracklet("a", 0, 0, 5), make.tracklet("b", 0, 25, 30), make.tracklet("b", 1, 300, 310)]
    table = build_table(tracklets, make.site("a", "b"))
    rows = table.index()
    pairs = np.array([rows["a", 0]] * 2), np.array([rows["b", 0], rows["b", 1]])
    usual, unusual = space_time(table, few, SpaceTimeCueConfig(), 2.0).llr(*pairs)
    assert 0 < usual < 2
    assert -0.2 < unusual < 0


def test_no_lag_excludes(make):
    config = SpaceTimeCueConfig()
    assert llr(make, make.tracklet("b", 0, 80000, 80010)) >= np.log(config.outlier) - 1e-9


def test_the_ratio_is_expected_against_all_visits_of_that_lag(make):
    """k(lag) T / M: what one person's visits give per second against what anybody's do."""
    tracklets = [make.tracklet("a", 0, 0, 5)] + [make.tracklet("b", n, 25 + 100 * n, 30 + 100 * n) for n in range(10)]
    found = prepare(make, tracklets, make.site("a", "b"))
    rows = found.table.index()
    density = found.model.log_density(["a"], ["b"], [20.0], "any")
    wanted = density[0] + np.log(found.later[0]) + np.log(930.0) - np.log(found.expected[0])
    ratio = float(found.llr(np.array([rows["a", 0]]), np.array([rows["b", 0]]))[0])
    assert ratio == pytest.approx(wanted + np.log1p(-found.outlier[0]), abs=0.01)


def test_likely_pairs_are_later_and_fit_best(make):
    tracklets = [make.tracklet("a", n, 100 * n, 100 * n + 5) for n in range(4)]
    tracklets += [make.tracklet("b", n, 100 * n + 25, 100 * n + 30) for n in range(4)]
    found = prepare(make, tracklets, make.site("a", "b"))
    pairs = list(zip(*(rows.tolist() for rows in found.likely(-4.0, 1))))
    assert {(n, n + 4) for n in range(4)} <= set(pairs)
    assert all(found.table.start_s[a] < found.table.start_s[b] for a, b in pairs)


def test_a_model_of_other_cameras_says_nothing(make):
    table = build_table([make.tracklet("x", 0, 0, 5), make.tracklet("y", 0, 25, 30)], make.site("x", "y"))
    given = CueInput(table, build_exclusions(table, ConstraintConfig()), AssociateConfig(), model())
    assert space_time_source(given) is None
