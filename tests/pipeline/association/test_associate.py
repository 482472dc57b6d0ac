import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import UserError
from data.site import Site
from pipeline.association.associate import Association, associate
from pipeline.association.config import AssociateConfig, MotionConfig
from st_model.build import build_model
from st_model.visits import make_visits

CONFIG = AssociateConfig()


def people(association: Association) -> set[frozenset[tuple[str, int]]]:
    """Identities as sets of tracklets."""
    return {frozenset((visit.camera, visit.local_id) for visit in track.visits) for track in association.global_tracks}


def truth_sets(truth: dict[tuple[str, int], int]) -> set[frozenset[tuple[str, int]]]:
    return {frozenset(key for key, name in truth.items() if name == person) for person in set(truth.values())}


@pytest.mark.parametrize(("count", "cameras", "visits"), [(2, 2, 1), (6, 3, 1), (12, 4, 2), (40, 2, 1)])
def test_distinct_people_are_recovered_exactly(make, count, cameras, visits):
    tracklets, truth = make.crowd(count, cameras, noise=0.25, visits=visits)
    assert people(associate(tracklets, Site.blank([]), CONFIG)) == truth_sets(truth)


def test_parts_with_partial_visibility_are_recovered(make):
    tracklets, truth = make.crowd(8, 3, noise=0.25, parts=5, visibility=(0.2, 1.0))
    assert people(associate(tracklets, Site.blank([]), CONFIG)) == truth_sets(truth)


def test_hard_people_are_rather_kept_apart_than_mixed(make):
    tracklets, truth = make.crowd(20, 3, noise=1.4)
    found = people(associate(tracklets, Site.blank([]), CONFIG))
    mixed = sum(len({truth[key] for key in group}) > 1 for group in found)
    assert mixed <= 2
    assert len(found) < len(tracklets), "nobody was recognised at all"


@settings(max_examples=15)
@given(order=st.permutations(range(18)), seed=st.integers(0, 3))
def test_order_of_the_input_does_not_matter(make, order, seed):
    tracklets, _ = make.crowd(6, 3, seed=seed, noise=1.1)
    site = Site.blank([])
    a, b = associate(tracklets, site, CONFIG), associate([tracklets[place] for place in order], site, CONFIG)
    assert a.global_tracks == b.global_tracks
    assert repr(a.links) == repr(b.links), "NaN lags differ from themselves, so their text is compared"
    assert a.labels == b.labels
    assert a.calibration == b.calibration


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), noise=st.floats(0.1, 3.0), apart=st.booleans())
def test_identities_partition_the_tracklets_and_break_no_constraint(make, seed, noise, apart):
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(4, 1, 32))
    tracklets = []
    for number in range(14):
        start = float(rng.integers(0, 40))
        vectors = base[rng.integers(4)] + noise * rng.normal(size=(3, 1, 32))
        prototypes = make.embeddings(vectors) if rng.random() < 0.8 else None
        x = 100.0 * number  # nobody lies on anybody: two boxes on one person may be at once
        tracklets.append(
            make.tracklet(
                f"cam{number % 3}", number, start, start + 5, prototypes=prototypes, box=(x, 100, x + 50, 250)
            )
        )
    site = make.site("cam0", "cam1", "cam2", overlap="none" if apart else "unknown")
    found = associate(tracklets, site, CONFIG)
    assert sorted(found.labels) == sorted(item.key for item in tracklets)
    by_key = {item.key: item for item in tracklets}
    for track in found.global_tracks:
        starts = [visit.start_s for visit in track.visits]
        assert starts == sorted(starts)
        assert 0 <= track.confidence <= 1
        for first, second in [(a, b) for i, a in enumerate(track.visits) for b in track.visits[i + 1 :]]:
            a, b = by_key[first.camera, first.local_id], by_key[second.camera, second.local_id]
            shared = min(a.times_s[-1], b.times_s[-1]) - max(a.times_s[0], b.times_s[0])
            if a.camera == b.camera:
                assert shared < 0
            elif apart:
                assert shared <= CONFIG.constraints.sync_slack_s


def test_links_add_up_to_their_probability_and_name_known_tracklets(make):
    tracklets, _ = make.crowd(8, 3, noise=1.0, parts=3, visibility=(0.0, 1.0))
    found = associate(tracklets, Site.blank([]), CONFIG)
    assert found.links
    for link in found.links:
        assert link.a in found.labels
        assert link.b in found.labels
        assert link.probability == pytest.approx(1 / (1 + math.exp(-sum(link.llr.values()))), abs=1e-9)
        assert set(link.part_distances) == set(link.part_visibility)
        assert (link.decision == "same") == (found.labels[link.a] == found.labels[link.b])
        assert math.isnan(link.lag_s) == (link.a[0] != link.b[0])
    assert len(found.links) <= len(tracklets) * (CONFIG.links_per_tracklet + 1)


def test_uncertain_pairs_are_listed_and_not_joined(make):
    rng = np.random.default_rng(5)
    found = []
    for noise in np.linspace(0.6, 1.6, 11):
        person = rng.normal(size=(1, 1, 256))
        a = make.tracklet("a", prototypes=make.embeddings(person + noise * rng.normal(size=(1, 1, 256))))
        b = make.tracklet("b", prototypes=make.embeddings(person + noise * rng.normal(size=(1, 1, 256))))
        result = associate([a, b], Site.blank([]), CONFIG)
        found.append((result.links[0].decision, len(result.global_tracks)))
    assert ("uncertain", 2) in found
    assert ("same", 1) in found
    assert ("different", 2) in found
    assert ("uncertain", 1) not in found


def test_two_tracklets_rest_on_the_prior(make):
    person = np.random.default_rng(0).normal(size=(2, 1, 512))
    alike = make.embeddings(person[:1] + 0.2 * np.random.default_rng(1).normal(size=(3, 1, 512)))
    a, b = make.tracklet("a", prototypes=make.embeddings(person[:1])), make.tracklet("b", prototypes=alike)
    other = make.tracklet("b", prototypes=make.embeddings(person[1:]))
    assert len(associate([a, b], Site.blank([]), CONFIG).global_tracks) == 1
    assert len(associate([a, other], Site.blank([]), CONFIG).global_tracks) == 2


def test_no_tracklets():
    found = associate([], Site.blank([]), CONFIG)
    assert found == Association((), (), (), {}, {}, [])


def test_no_tracklets_with_a_model(make):
    model = build_model(make_visits([0, 0], ["a", "b"], [0.0, 10.0], [1.0, 11.0]))
    assert associate([], make.site("a", "b"), CONFIG, transition=model).global_tracks == ()


def test_one_tracklet_is_sure_of_itself(make):
    (track,) = associate([make.tracklet()], Site.blank([]), CONFIG).global_tracks
    assert track.confidence == 1.0
    assert track.global_id == 1


def test_without_embeddings_nobody_is_joined_across_cameras(make):
    tracklets = [make.tracklet("a", 0, 0, 5), make.tracklet("b", 0, 10, 15), make.tracklet("a", 1, 60, 70)]
    found = associate(tracklets, make.site("a", "b"), CONFIG)
    assert len(found.global_tracks) == 3
    assert found.calibration == {}


def test_one_camera_joins_the_visits_of_one_person(make):
    tracklets, truth = make.crowd(5, 1, noise=0.2, visits=3)
    assert people(associate(tracklets, Site.blank([]), CONFIG)) == truth_sets(truth)


def test_a_fragment_is_joined_by_motion_alone(make):
    first = make.tracklet("a", 0, 0, 5, velocity=(40, 0))
    going_on = make.tracklet("a", 1, 5.3, 9, box=(312, 100, 362, 250), velocity=(40, 0))
    elsewhere = make.tracklet("a", 1, 5.3, 9, box=(1400, 600, 1450, 750), velocity=(40, 0))
    assert len(associate([first, going_on], Site.blank([]), CONFIG).global_tracks) == 1
    assert len(associate([first, elsewhere], Site.blank([]), CONFIG).global_tracks) == 2
    off = CONFIG.model_copy(update={"motion": MotionConfig(max_gap_s=0)})
    assert len(associate([first, going_on], Site.blank([]), off).global_tracks) == 2


def test_different_models_are_not_compared_and_said_so_once(make):
    person = np.random.default_rng(0).normal(size=(1, 1, 64))
    a = make.tracklet("a", prototypes=make.embeddings(person, model="one"))
    b = make.tracklet("b", prototypes=make.embeddings(person, model="two"))
    c = make.tracklet("c", prototypes=make.embeddings(person, model="two"))
    found = associate([a, b, c], Site.blank([]), CONFIG)
    assert people(found) == {frozenset({a.key}), frozenset({b.key, c.key})}
    assert len(found.warnings) == 1
    assert "one (1 tracklets), two (2 tracklets)" in found.warnings[0]
    assert {"one", "two"} <= set(found.calibration)


def test_broken_embeddings_are_no_evidence(make):
    tracklets, truth = make.crowd(4, 2, noise=0.2)
    broken = tracklets[0].prototypes
    broken = dataclasses.replace(broken, vectors=np.full_like(broken.vectors, np.nan))
    tracklets[0] = dataclasses.replace(tracklets[0], prototypes=broken)
    found = associate(tracklets, Site.blank([]), CONFIG)
    alone = [track for track in found.global_tracks if len(track.visits) == 1]
    assert {(track.visits[0].camera, track.visits[0].local_id) for track in alone} == {
        tracklets[0].key,
        next(key for key, name in truth.items() if name == truth[tracklets[0].key] and key != tracklets[0].key),
    }


def test_no_part_in_common_is_no_evidence(make):
    person = np.random.default_rng(0).normal(size=(1, 2, 64))
    upper, lower = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    a = make.tracklet("a", prototypes=make.embeddings(person, upper))
    b = make.tracklet("b", prototypes=make.embeddings(person, lower))
    found = associate([a, b], Site.blank([]), CONFIG)
    assert len(found.global_tracks) == 2
    assert found.links == ()


def test_the_prior_alone_joins_nobody(make):
    """Parts that are hardly seen say next to nothing, and two people with nobody else about are not one for that."""
    people_apart = np.random.default_rng(0).normal(size=(2, 1, 2, 64))
    hardly = np.array([[0.02, 0.02]])
    a, b = (make.tracklet(name, prototypes=make.embeddings(look, hardly)) for name, look in zip("ab", people_apart))
    found = associate([a, b], Site.blank([]), CONFIG)
    assert len(found.global_tracks) == 2
    (link,) = found.links
    assert abs(link.llr["appearance"]) < 0.5
    assert link.decision == "uncertain"


@pytest.mark.parametrize("twice", [True, False])
def test_broken_input_is_named(make, twice):
    if twice:
        with pytest.raises(UserError, match="two tracklets of camera 'a' have local id 0"):
            associate([make.tracklet(), make.tracklet()], Site.blank([]), CONFIG)
    else:
        empty = dataclasses.replace(make.tracklet(), times_s=np.zeros(0))
        with pytest.raises(UserError, match="tracklet 0 of camera 'a' has no rows"):
            associate([empty], Site.blank([]), CONFIG)


def _transits(make, lag_s: float, people_count: int = 12, every_s: float = 40.0):
    """Everybody walks from a to b in ``lag_s``."""
    found = []
    for person in range(people_count):
        start = every_s * person
        found.append(make.tracklet("a", person, start, start + 5))
        found.append(make.tracklet("b", person, start + 5 + lag_s, start + 10 + lag_s))
    return found


def test_a_transition_model_joins_by_lag_alone(make):
    lags = np.random.default_rng(0).normal(20, 0.5, 200)
    who = np.repeat(np.arange(200), 2)
    enter = np.stack([np.arange(200) * 60.0, np.arange(200) * 60.0 + 5 + lags], 1).ravel()
    model = build_model(make_visits(who, ["a", "b"] * 200, enter, enter + 5))
    tracklets = _transits(make, 20.0)
    with_model = associate(tracklets, make.site("a", "b"), CONFIG, transition=model)
    assert people(with_model) == {frozenset({("a", person), ("b", person)}) for person in range(12)}
    assert all("space_time" in link.llr for link in with_model.links)
    without_clock = associate(tracklets, make.site("a", "b", clock="unknown"), CONFIG, transition=model)
    assert len(without_clock.global_tracks) == 24
    views_overlap = associate(tracklets, make.site("a", "b", overlap="unknown"), CONFIG, transition=model)
    assert people(views_overlap) == people(with_model), "how far views overlap is learnt, not assumed"


def test_an_impossible_lag_outweighs_a_fair_likeness(make):
    lags = np.random.default_rng(0).normal(20, 0.5, 200)
    who = np.repeat(np.arange(200), 2)
    enter = np.stack([np.arange(200) * 60.0, np.arange(200) * 60.0 + 5 + lags], 1).ravel()
    model = build_model(make_visits(who, ["a", "b"] * 200, enter, enter + 5))
    rng = np.random.default_rng(3)
    person = rng.normal(size=(1, 1, 256))
    seen = [make.embeddings(person + 0.75 * rng.normal(size=(1, 1, 256))) for _ in range(2)]
    a = make.tracklet("a", 0, 0, 5, prototypes=seen[0])
    site = make.site("a", "b")
    right = associate([a, make.tracklet("b", 0, 25, 30, prototypes=seen[1])], site, CONFIG, transition=model)
    wrong = associate([a, make.tracklet("b", 0, 400, 405, prototypes=seen[1])], site, CONFIG, transition=model)
    assert len(right.global_tracks) == 1
    assert len(wrong.global_tracks) == 2


@pytest.mark.slow
def test_three_thousand_tracklets_become_their_people(make):
    tracklets, truth = make.crowd(250, 6, noise=0.6, visits=2, parts=2, dim=128)
    found = associate(tracklets, Site.blank([]), CONFIG)
    wanted = truth_sets(truth)
    assert len(people(found) & wanted) > 0.9 * len(wanted)


def test_without_competition_rivals_are_not_counted(make):
    tracklets, _ = make.crowd(20, 2, noise=0.8)
    alone = CONFIG.model_copy(update={"competition": False})
    links = [associate(tracklets, Site.blank([]), option).links for option in (CONFIG, alone)]
    assert all("rivals" in link.llr for link in links[0] if not link.constraint)
    assert not any("rivals" in link.llr for link in links[1])
