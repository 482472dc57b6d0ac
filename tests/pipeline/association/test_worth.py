import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from data.site import Site
from pipeline.association import consequences
from pipeline.association.associate import Association, associate
from pipeline.association.config import AssociateConfig, WorthConfig
from pipeline.association.exclusions import OTHER_CAMERA, SAME_CAMERA, build_exclusions
from pipeline.association.table import build_table
from pipeline.association.worth import find_worth

CONFIG = AssociateConfig()
FACE_VALUE = AssociateConfig.model_validate({"worth": {"keep": 1.0, "decoy_weight": 1e12}})
TOTAL = np.array([-6.0, -2.0, -0.5, 0.5, 2.0, 4.0])


def wrong(shift: float) -> float:
    """Expected number of pairs over even odds that are wrong."""
    return float(expit(-(0.6 * TOTAL[TOTAL > 0] + shift)).sum())


def two_at_once(make: Any, alike: bool, people: int = 16, cameras: int = 3) -> list[Any]:
    """Everybody passes each camera once, two and two at the same time; those two are dressed alike, or they are not."""
    rng = np.random.default_rng(0)
    looks = rng.normal(size=(people, 1, 128))
    if alike:
        looks[1::2] = looks[::2] + 0.2 * rng.normal(size=looks[1::2].shape)
    found = []
    for camera in range(cameras):
        for person in range(people):
            own = looks[person] + 0.6 * rng.normal(size=(1, 128)) + 0.2 * rng.normal(size=(4, 1, 128))
            start, left = 1000.0 * camera + 40.0 * (person // 2), 100 + 300 * (person % 2)
            box = (left, 100, left + 60, 280)
            found.append(
                make.tracklet(f"cam{camera}", person, start, start + 8, prototypes=make.embeddings(own), box=box)
            )
    return found


def untimed(found: Association) -> set[frozenset[tuple[str, int]]]:
    return {frozenset((visit.camera, visit.local_id) for visit in track.visits) for track in found.global_tracks}


def test_without_decoys_a_share_of_the_sum_is_kept():
    found = find_worth(TOTAL, np.zeros(0), 6, WorthConfig())
    assert (found.keep, found.shift, found.decoys) == (0.6, 0.0, 0)
    assert found.log_odds(TOTAL) == pytest.approx(0.6 * TOTAL)
    assert "pairs that cannot be" not in found.line()


@pytest.mark.parametrize("strong", [0, 3, 8])
def test_the_shift_makes_strong_pairs_wrong_as_often_as_decoys_say(strong):
    decoys = np.concatenate([np.ones(strong), -np.ones(60 - strong)])
    found = find_worth(TOTAL, decoys, 100, WorthConfig(decoy_weight=5.0))
    expected = wrong(0.0) / (100 - expit(0.6 * TOTAL).sum()) * 60
    assert wrong(found.shift) == pytest.approx(wrong(0.0) * (strong + 5) / (expected + 5), rel=1e-6)
    assert (found.shift > 0) == (strong < expected)
    assert f"{strong} of 60 pairs that cannot be one person" in found.line()


def test_one_decoy_by_chance_moves_little_and_any_number_is_bounded():
    lone = find_worth(TOTAL, np.array([1.0, *[-1.0] * 30]), 10_000, WorthConfig())
    assert -0.2 < lone.shift < 0
    many = find_worth(TOTAL, np.ones(3000), 10_000, WorthConfig())
    assert many.shift == -4.0


def test_who_is_likelier_stays_likelier():
    worth = find_worth(TOTAL, np.ones(50), 60, WorthConfig())
    assert (np.diff(worth.log_odds(TOTAL)) > 0).all()


def test_strangers_at_once_who_look_alike_take_trust_away(make):
    site = make.site("cam0", "cam1", "cam2", clock="unknown")
    alike = associate(two_at_once(make, alike=True), site, CONFIG).worth
    distinct = associate(two_at_once(make, alike=False), site, CONFIG).worth
    assert alike.decoys == distinct.decoys == 24, "two at once, in each of three cameras"
    assert alike.strong > distinct.strong == 0
    assert alike.shift < 0 < distinct.shift


def test_derived_cues_find_decoys_in_all_that_a_cue_says_of_pairs(make, monkeypatch):
    sizes = set()

    def derive(given, pairs, cues, total):
        sizes.update((len(pairs), len(cue.llr), len(cue.one_visit)) for cue in cues if cue.one_visit is not None)
        return None

    monkeypatch.setattr(consequences, "DERIVED", (derive,))
    found = associate(two_at_once(make, alike=True), make.site("cam0", "cam1", "cam2", clock="unknown"), CONFIG)
    assert found.worth.decoys == 24
    assert len(sizes) > 1, "with decoys and without"
    assert all(len(set(lengths)) == 1 for lengths in sizes)


def test_what_is_said_of_links_forms_no_groups_and_teaches_no_times(make):
    tracklets, _ = make.crowd(20, 3, noise=1.1)
    site = make.site("cam0", "cam1", "cam2")
    said, bold = (associate(tracklets, site, config) for config in (CONFIG, FACE_VALUE))
    assert untimed(said) == untimed(bold)
    assert said.teaching == bold.teaching
    assert [link.probability for link in said.links] != [link.probability for link in bold.links]


def test_cues_and_their_worth_add_up_to_the_printed_probability(make):
    tracklets, _ = make.crowd(8, 3, noise=1.1)
    found = associate(tracklets, Site.blank([]), CONFIG)
    for link in found.links:
        assert expit(sum(link.llr.values())) == pytest.approx(link.probability)
        added = sum(value for name, value in link.llr.items() if name != "worth")
        assert link.llr["worth"] == pytest.approx(found.worth.log_odds(np.array([added]))[0] - added)


def test_times_alone_are_worth_what_they_say(make):
    fragments = [make.tracklet("a", number, 10.0 * number, 10.0 * number + 9.6) for number in range(4)]
    found = associate(fragments, make.site("a"), CONFIG)
    assert found.links, "straight motion speaks"
    assert all("worth" not in link.llr for link in found.links)
    assert found.worth.keep == 1.0, "nothing was compared"


def test_pairs_at_once_are_all_found_and_none_else(make):
    tracklets = two_at_once(make, alike=False, people=6)
    exclusions = build_exclusions(build_table(tracklets, make.site("cam0", "cam1", "cam2")), CONFIG.constraints)
    a, b = np.triu_indices(len(tracklets), 1)
    wanted = np.isin(exclusions.reasons(a, b), (SAME_CAMERA, OTHER_CAMERA))
    found = exclusions.at_once(200, 1000)
    assert list(zip(*(side.tolist() for side in found))) == list(zip(a[wanted].tolist(), b[wanted].tolist()))
    few = exclusions.at_once(200, 2)
    assert 2 <= len(few[0]) <= wanted.sum()
    alone = dataclasses.replace(exclusions, table=build_table(tracklets[:1], make.site("cam0")))
    assert [len(side) for side in alone.at_once(200, 10)] == [0, 0]
