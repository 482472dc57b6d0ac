import numpy as np
import pytest

from data.records import Tracklet
from data.site import Site
from pipeline.association.associate import Association, associate
from pipeline.association.config import AssociateConfig
from pipeline.association.transitions import Transitions, find_transitions
from pipeline.association.walk import passages_of
from st_model.build import build_model
from st_model.config import SpaceTimeConfig
from st_model.visits import make_visits


def crossing(camera: str, number: int, start_s: float, pace: float, left: float, to: float) -> Tracklet:
    """A person 60 px high who walks down a picture of 320 x 240, from ``left`` to ``to`` in shares of its width."""
    length = 150.0
    seconds = length / (60 * pace)
    times = start_s + np.arange(0, seconds, 0.1)
    share = (times - start_s) / seconds
    x, y = 320 * (left + (to - left) * share), 80 + length * share
    boxes = np.stack([x - 12, y - 60, x + 12, y], axis=1).astype(np.float32)
    frames = np.rint(times * 10).astype(np.int64)
    return Tracklet(camera, number, times, frames, boxes, np.ones(len(times), np.float32), frame_size=(320, 240))


def street(people: int, seed: int, linked: bool = True) -> tuple[list[Tracklet], dict[tuple[str, int], int]]:
    rng = np.random.default_rng(seed)
    tracklets, truth = [], {}
    strangers = rng.permutation(people)
    for person in range(people):
        pace, side = float(rng.lognormal(np.log(0.5), 0.2)), float(rng.uniform(0.15, 0.85))
        start = float(rng.uniform(0, 150 * people))
        first = crossing("a", person, start, pace, side, side)
        lag = 20 / pace * float(rng.lognormal(0, 0.04))
        if linked:
            second = crossing("b", person, float(first.times_s[-1]) + lag, pace, 1 - side, 0.5)
        else:
            second = crossing("b", person, float(rng.uniform(0, 150 * people)), pace, float(rng.uniform(0.1, 0.9)), 0.5)
        tracklets += [first, second]
        truth[first.key], truth[second.key] = person, person if linked else people + int(strangers[person])
    return tracklets, truth


def linked(tracklets: list[Tracklet], site: Site) -> tuple[Association, Transitions]:
    def under(model):
        return associate(tracklets, site, AssociateConfig(), transition=model)

    found = find_transitions(tracklets, site, SpaceTimeConfig(), under)
    return under(found.model), found


@pytest.mark.parametrize("overlap", ["none", "unknown"])
def test_people_nobody_could_recognise_are_found_again_by_their_walk(make, overlap) -> None:
    tracklets, truth = street(40, 0)
    found, transitions = linked(tracklets, make.site("a", "b", overlap=overlap))
    pairs = [track.visits for track in found.global_tracks if len(track.visits) > 1]
    right = sum(len({truth[visit.camera, visit.local_id] for visit in visits}) == 1 for visits in pairs)
    assert right >= 34
    assert len(pairs) - right <= 1
    assert transitions.learnt
    assert "a > b" in transitions.summary()["times_only"]
    assert any("walk" in link.llr and "space_time" in link.llr for link in found.links)


@pytest.mark.parametrize("seed", range(3))
def test_strangers_stay_strangers_and_the_user_is_told(make, seed, caplog) -> None:
    tracklets, _ = street(30, seed, linked=False)
    found, transitions = linked(tracklets, make.site("a", "b"))
    assert all(len(track.visits) == 1 for track in found.global_tracks)
    assert transitions.model is None
    assert "times alone link nobody" in caplog.text


def test_unknown_clocks_link_nobody(make) -> None:
    tracklets, _ = street(40, 0)
    found, _ = linked(tracklets, make.site("a", "b", clock="unknown"))
    assert all(len(track.visits) == 1 for track in found.global_tracks)


def test_one_person_only_and_a_camera_the_site_lacks(make) -> None:
    tracklets, _ = street(1, 0)
    found, _ = linked(tracklets, make.site("a", "b"))
    assert len(found.global_tracks) == 2, "one walk teaches nothing"
    tracklets, _ = street(40, 0)
    found, _ = linked(tracklets, make.site("a"))
    assert all(len(track.visits) == 1 for track in found.global_tracks), "the clock of b is not known"


def walkers_model(seed: int, late_s: float = 0.0):
    """What other people of the same street teach, the clock of b ``late_s`` late."""
    tracklets, truth = street(30, seed)
    who = [truth[item.key] for item in tracklets]
    enter = np.array([item.times_s[0] + late_s * (item.camera == "b") for item in tracklets])
    stay = np.array([item.times_s[-1] - item.times_s[0] for item in tracklets])
    cameras = [item.camera for item in tracklets]
    return build_model(make_visits(who, cameras, enter, enter + stay, passages=passages_of(tracklets)))


def test_walks_learnt_from_labels_link_people_nobody_could_recognise(make):
    tracklets, truth = street(12, 0)
    site, fixed = make.site("a", "b"), SpaceTimeConfig.model_validate({"self_training": {"rounds": 0}})
    found = associate(tracklets, site, AssociateConfig(), transit=fixed, given=walkers_model(5))
    pairs = [track.visits for track in found.global_tracks if len(track.visits) > 1]
    assert len(pairs) >= 10
    assert all(len({truth[visit.camera, visit.local_id] for visit in visits}) == 1 for visits in pairs)


def test_a_labelled_model_of_other_clocks_is_not_used_and_the_user_is_told(make):
    tracklets, truth = street(12, 0)
    site, fixed = make.site("a", "b"), SpaceTimeConfig.model_validate({"self_training": {"rounds": 0}})
    found = associate(tracklets, site, AssociateConfig(), transit=fixed, given=walkers_model(5, late_s=500.0))
    assert "the transition model is not used" in found.warnings[0]
    assert found.transitions.summary()["given_model"]["fits"] is False
    # What the run's own times find in its place is right.
    people = [{truth[visit.camera, visit.local_id] for visit in track.visits} for track in found.global_tracks]
    assert all(len(one) == 1 for one in people)
