import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.association.config import ConstraintConfig
from pipeline.association.exclusions import (
    DECLARED,
    NONE,
    OTHER_CAMERA,
    SAME_CAMERA,
    MustLink,
    build_exclusions,
    join,
    must_links,
)
from pipeline.association.table import build_table

CONFIG = ConstraintConfig()


def reason(tracklets, site, declared=()):
    """Why rows 0 and 1 cannot be one person."""
    exclusions = build_exclusions(build_table(tracklets, site), CONFIG, declared)
    a, b = np.array([0]), np.array([1])
    assert exclusions.reasons(a, b) == exclusions.reasons(b, a)
    return int(exclusions.reasons(a, b)[0])


@pytest.mark.parametrize(
    ("second", "wanted"),
    [
        ({"start_s": 5, "end_s": 15}, SAME_CAMERA),
        ({"start_s": 10, "end_s": 15, "box": (130, 100, 180, 250)}, SAME_CAMERA),
        ({"start_s": 10.1, "end_s": 15}, NONE),
        ({"start_s": 9.5, "end_s": 15, "box": (102, 100, 152, 250)}, NONE),
        ({"start_s": 9.5, "end_s": 15, "box": (130, 100, 180, 250)}, SAME_CAMERA),
        ({"start_s": 8.5, "end_s": 15, "box": (102, 100, 152, 250)}, SAME_CAMERA),
    ],
    ids=["long overlap", "one instant", "after", "brief duplicate", "brief, boxes apart", "duplicate for too long"],
)
def test_one_camera(make, second, wanted):
    tracklets = [make.tracklet("a", 0, 0, 10), make.tracklet("a", 1, **second)]
    assert reason(tracklets, make.site("a", clock="unknown")) == wanted


@pytest.mark.parametrize(
    ("clock", "overlap", "start_s", "wanted"),
    [
        ("common", "none", 5, OTHER_CAMERA),
        ("estimated", "none", 5, OTHER_CAMERA),
        ("unknown", "none", 5, NONE),
        ("common", "partial", 5, NONE),
        ("common", "unknown", 5, NONE),
        ("common", "none", 9.9, NONE),
        ("common", "none", 20, NONE),
    ],
)
def test_two_cameras_exclude_only_where_that_is_known(make, clock, overlap, start_s, wanted):
    tracklets = [make.tracklet("a", 0, 0, 10), make.tracklet("b", 0, start_s, 25)]
    assert reason(tracklets, make.site("a", "b", clock=clock, overlap=overlap)) == wanted


def test_a_clock_offset_moves_the_constraint(make):
    tracklets = [make.tracklet("a", 0, 0, 10), make.tracklet("b", 0, 0, 10)]
    site = make.site("a", "b")
    moved = site.model_copy(deep=True)
    clock = moved.cameras["b"].clock.model_copy(update={"offset_s": 60.0})
    cameras = {**moved.cameras, "b": moved.cameras["b"].model_copy(update={"clock": clock})}
    assert reason(tracklets, site) == OTHER_CAMERA
    assert reason(tracklets, moved.model_copy(update={"cameras": cameras})) == NONE


def test_declared_different(make):
    tracklets = [make.tracklet("a", 0, 0, 10), make.tracklet("b", 0, 50, 60)]
    assert reason(tracklets, make.site("a", "b"), [(0, 1)]) == DECLARED


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), overlap=st.sampled_from(["none", "unknown"]))
def test_possible_counts_what_reasons_allow(make, seed, overlap):
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, 60, 12)
    lengths = rng.integers(1, 15, 12)
    tracklets = [
        make.tracklet("ab"[number % 2], number, start, start + length, box=(90 * number, 0, 90 * number + 50, 100))
        for number, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist()))
    ]
    exclusions = build_exclusions(build_table(tracklets, make.site("a", "b", overlap=overlap)), CONFIG)
    table = exclusions.table
    a, b = np.repeat(np.arange(12), 12), np.tile(np.arange(12), 12)
    free = ((exclusions.reasons(a, b) == NONE) & (a != b)).reshape(12, 12)
    for camera in range(2):
        np.testing.assert_array_equal(exclusions.possible()[:, camera], free[:, table.camera == camera].sum(axis=1))
    together = {(min(x, y), max(x, y)) for x, y in zip(*(rows.tolist() for rows in exclusions.seen_together(12)))}
    wanted = {(x, y) for x, y in zip(a.tolist(), b.tolist()) if x < y and exclusions.reasons(a, b)[x * 12 + y] == 1}
    assert together == wanted


def test_cuts_and_groups_are_must_links(make):
    tracklets = [
        make.tracklet("a", 0, 0, 10),
        make.tracklet("a", 1, 10.1, 20, continues=0),
        make.tracklet("b", 5, 0, 10, group_id=7),
        make.tracklet("c", 6, 0, 10, group_id=7),
        make.tracklet("c", 8, 30, 40, continues=99),
    ]
    table = build_table(tracklets, make.site("a", "b", "c", overlap="partial", group="bc"))
    assert must_links(table) == [MustLink(0, 1, "continues"), MustLink(2, 3, "group")]


def test_join_drops_a_group_link_against_time_and_keeps_a_declared_one(make):
    tracklets = [make.tracklet("a", 0, 0, 10, group_id=1), make.tracklet("a", 1, 5, 15, group_id=1)]
    exclusions = build_exclusions(build_table(tracklets, make.site("a", group="a")), CONFIG)
    atoms, kept, dropped = join(must_links(exclusions.table), exclusions)
    assert atoms == [[0], [1]]
    assert kept == []
    assert [reason for _, reason in dropped] == ["seen at once in one camera"]
    atoms, kept, dropped = join(must_links(exclusions.table, [(0, 1)]), exclusions)
    assert atoms == [[0, 1]]
    assert [link.reason for link in kept] == ["declared", "group"]
    assert dropped == []


def test_declared_different_outweighs_a_cut_and_a_declared_same(make):
    tracklets = [make.tracklet("a", 0, 0, 10), make.tracklet("a", 1, 11, 20, continues=0)]
    table = build_table(tracklets, make.site("a"))
    exclusions = build_exclusions(table, CONFIG, [(0, 1)])
    atoms, _, dropped = join(must_links(table, [(0, 1)]), exclusions)
    assert atoms == [[0], [1]]
    assert len(dropped) == 2
