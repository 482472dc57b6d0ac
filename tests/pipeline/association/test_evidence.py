import math

import numpy as np
import pytest

from data.site import Site
from pipeline.association.associate import associate
from pipeline.association.config import AssociateConfig
from pipeline.association.evidence import spanning

CONFIG = AssociateConfig()


def test_the_spanning_tree_takes_the_strongest_links():
    a, b = np.array([0, 0, 1, 3]), np.array([1, 2, 2, 4])
    total = np.array([1.0, 5.0, 3.0, 2.0])
    assert spanning(a, b, total, np.array([True, True, True, False]), 5).tolist() == [1, 2]


def test_confidence_is_that_of_the_weakest_link_that_is_needed(make):
    tracklets, _ = make.crowd(3, 3, noise=0.8)
    found = associate(tracklets, Site.blank([]), CONFIG)
    probability = {frozenset((link.a, link.b)): link.probability for link in found.links}
    for track in found.global_tracks:
        keys = [(visit.camera, visit.local_id) for visit in track.visits]
        own = [probability.get(frozenset((x, y))) for x in keys for y in keys if x < y]
        if len(keys) == 2:
            assert track.confidence == pytest.approx(own[0])
        elif len(keys) == 1:
            assert track.confidence == 1.0
        else:
            assert track.confidence in [pytest.approx(value) for value in own if value is not None]


def test_lags_and_order_of_a_link(make):
    person = np.random.default_rng(0).normal(size=(1, 1, 64))
    a = make.tracklet("b", 0, 0, 5, prototypes=make.embeddings(person))
    b = make.tracklet("a", 0, 25, 30, prototypes=make.embeddings(person))
    (link,) = associate([a, b], make.site("a", "b"), CONFIG).links
    assert (link.a, link.b) == (("b", 0), ("a", 0))
    assert link.lag_s == pytest.approx(20.0)
    assert link.margin == math.inf


def test_margin_is_the_lead_over_the_best_other_person(make):
    rng = np.random.default_rng(0)
    base = rng.normal(size=(2, 1, 1, 64))
    tracklets = [
        make.tracklet(camera, number, 100 * number, 100 * number + 9, prototypes=make.embeddings(base[number]))
        for camera in ("a", "b")
        for number in (0, 1)
    ]
    found = associate(tracklets, Site.blank([]), CONFIG)
    total = {(link.a, link.b): sum(link.llr.values()) for link in found.links}
    link = next(link for link in found.links if (link.a, link.b) == (("a", 0), ("b", 0)))
    assert link.decision == "same"
    others = [value for pair, value in total.items() if (("a", 0) in pair) != (("b", 0) in pair)]
    assert link.margin == pytest.approx(total[("a", 0), ("b", 0)] - max(others))


def test_why_a_good_pair_was_not_joined(make):
    person = np.random.default_rng(0).normal(size=(1, 1, 64))
    near = person + 0.3 * np.random.default_rng(1).normal(size=(1, 1, 64))
    tracklets = [
        make.tracklet("a", 0, 0, 10, prototypes=make.embeddings(person)),
        make.tracklet("a", 1, 5, 15, box=(900, 100, 950, 250), prototypes=make.embeddings(near)),
        make.tracklet("b", 0, 0, 10, prototypes=make.embeddings(person)),
    ]
    found = associate(tracklets, Site.blank([]), CONFIG)
    assert found.labels["a", 0] == found.labels["b", 0]
    link = next(link for link in found.links if {link.a, link.b} == {("a", 1), ("b", 0)})
    assert (link.decision, link.constraint) == ("different", "seen at once in one camera")


def test_cuts_and_groups_are_links_of_probability_one(make):
    tracklets = [
        make.tracklet("a", 0, 0, 10, group_id=3),
        make.tracklet("a", 1, 10.1, 20, continues=0),
        make.tracklet("b", 0, 0, 10, group_id=3),
    ]
    found = associate(tracklets, make.site("a", "b", overlap="partial", group="ab"), CONFIG)
    (track,) = found.global_tracks
    assert track.confidence == 1.0
    assert sorted(link.constraint for link in found.links) == ["continues", "group"]


def test_part_evidence_names_the_parts_seen(make):
    look = np.random.default_rng(0).normal(size=(1, 3, 16))
    seen = np.array([[1.0, 0.5, 0.0]])
    tracklets = [make.tracklet(camera, prototypes=make.embeddings(look, seen)) for camera in "ab"]
    (link,) = associate(tracklets, Site.blank([]), CONFIG).links
    assert list(link.part_distances) == ["part0", "part1"]
    assert link.part_visibility == {"part0": pytest.approx(1.0), "part1": pytest.approx(0.5)}
