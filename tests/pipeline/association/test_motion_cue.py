import numpy as np
import pytest

from data.site import Site
from pipeline.association.config import MotionConfig
from pipeline.association.motion import find_fragments
from pipeline.association.table import build_table

CONFIG = MotionConfig()
WALK = {"velocity": (60.0, 0.0)}


def one(make, second, first=None, config=CONFIG):
    """Log-likelihood ratio and prior of the only pair."""
    before = first or make.tracklet("a", 0, 0, 5, **WALK)
    table = build_table([before, second], Site.blank([]))
    found = find_fragments(table, config)
    assert (found.a.tolist(), found.b.tolist()) == ([0], [1])
    return float(found.llr[0]), float(found.prior[0])


def after(make, gap_s=0.5, shift=0.0, scale=1.0, **more):
    x = 100 + 60 * (5 + gap_s) + shift
    return make.tracklet("a", 1, 5 + gap_s, 9, box=(x, 250 - 150 * scale, x + 50, 250), **{**WALK, **more})


def test_straight_on_speaks_for_it_and_elsewhere_against(make):
    assert one(make, after(make))[0] > 3
    assert one(make, after(make, shift=900))[0] == -CONFIG.bound


def test_evidence_falls_with_error_gap_and_other_height(make):
    straight = one(make, after(make))[0]
    assert straight > one(make, after(make, shift=60))[0] > one(make, after(make, shift=150))[0]
    assert straight > one(make, after(make, gap_s=1.5))[0]
    assert straight > one(make, after(make, scale=0.7))[0]


def test_evidence_is_bounded(make):
    tight = MotionConfig(position_noise=0.001, position_drift=0.0)
    assert one(make, after(make), config=tight)[0] == tight.bound


def test_opposite_ways_do_not_fit(make):
    turned = after(make, velocity=(-60.0, 0.0), shift=120)
    assert one(make, turned)[0] < one(make, after(make))[0] - 2


@pytest.mark.parametrize("gap_s", [2.2, 3.9])
def test_long_gaps_and_other_cameras_are_not_judged(make, gap_s):
    before = make.tracklet("a", 0, 0, 5, **WALK)
    other = make.tracklet("b", 1, 5.3, 9)
    assert len(find_fragments(build_table([before, after(make, gap_s)], Site.blank([])), CONFIG).a) == 0
    assert len(find_fragments(build_table([before, other], Site.blank([])), CONFIG).a) == 0
    assert len(find_fragments(build_table([before, after(make)], Site.blank([])), MotionConfig(max_gap_s=0)).a) == 0
    assert len(find_fragments(build_table([], Site.blank([])), CONFIG).a) == 0


def test_who_walks_out_of_the_picture_is_rarely_a_fragment(make):
    leaving = make.tracklet("a", 0, 0, 5, box=(1569, 100, 1619, 250), **WALK)
    entering = make.tracklet("a", 1, 5.5, 9, box=(1869, 100, 1919, 250), velocity=(-60.0, 0.0))
    inside = one(make, after(make))[1]
    assert one(make, entering, first=leaving)[1] < inside - 1.5


def test_more_candidates_make_each_less_likely(make):
    rows = [make.tracklet("a", 0, 0, 5, **WALK), after(make), make.tracklet("a", 2, 5.6, 9, box=(900, 50, 950, 200))]
    found = find_fragments(build_table(rows, Site.blank([])), CONFIG)
    both = found.prior[found.a == 0]
    np.testing.assert_allclose(both, one(make, after(make))[1] - np.log(2))


def test_an_unknown_picture_size_takes_the_region_of_the_boxes(make):
    before = make.tracklet("a", 0, 0, 5, frame_size=(0, 0), **WALK)
    small = one(make, after(make, frame_size=(0, 0)), first=before)[0]
    assert 0 < small < one(make, after(make))[0]


def test_single_boxes_do(make):
    before = make.tracklet("a", 0, 5, 5)
    assert np.isfinite(one(make, make.tracklet("a", 1, 5.1, 5.1), first=before)[0])
