import numpy as np

from data.records import GlobalTrack, Visit
from data.site import Site
from pipeline.association.associate import associate
from pipeline.association.config import AssociateConfig
from pipeline.association.inherit import inherit_ids
from pipeline.association.table import build_table


def table(make, lengths):
    return build_table(
        [make.tracklet("a", number, 100 * number, 100 * number + length) for number, length in enumerate(lengths)],
        Site.blank([]),
    )


def old(global_id, *visits):
    return GlobalTrack(global_id, tuple(Visit("a", row, 0.0, length) for row, length in visits), 1.0)


def test_new_ids_follow_first_appearance(make):
    assert inherit_ids(table(make, [5, 5, 5]), np.array([1, 0, 1]), None) == [2, 1]


def test_most_shared_time_wins(make):
    """Old 7 was rows 0 and 1; they part, and the longer piece keeps the id."""
    found = inherit_ids(table(make, [10, 30, 5]), np.array([0, 1, 2]), [old(7, (0, 10), (1, 30)), old(9, (2, 5))])
    assert found == [10, 7, 9]


def test_the_best_sum_not_the_best_single_match(make):
    previous = [old(1, (0, 10), (1, 9)), old(2, (2, 8))]
    assert inherit_ids(table(make, [10, 9, 8]), np.array([0, 1, 0]), previous) == [2, 1]


def test_an_id_is_never_given_twice_and_fresh_ones_are_higher(make):
    found = inherit_ids(table(make, [5, 5, 5, 5]), np.array([0, 1, 2, 3]), [old(40, (1, 5)), old(3, (99, 5))])
    assert found == [41, 40, 42, 43]


def test_id_zero_is_valid_and_instants_count(make):
    assert inherit_ids(table(make, [0]), np.array([0]), [old(0, (0, 0))]) == [0]


def test_nothing_to_name(make):
    assert inherit_ids(table(make, []), np.zeros(0, int), [old(3, (0, 5))]) == []


def test_a_run_that_is_associated_again_keeps_its_ids(make):
    tracklets, _ = make.crowd(6, 3, noise=0.3)
    site, config = Site.blank([]), AssociateConfig()
    first = associate(tracklets, site, config)
    renamed = [GlobalTrack(track.global_id * 10, track.visits, track.confidence) for track in first.global_tracks]
    again = associate(tracklets, site, config, previous=renamed)
    assert again.labels == {key: name * 10 for key, name in first.labels.items()}
