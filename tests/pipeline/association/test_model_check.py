"""A transition model of another place is noticed, told to the user, and does no harm."""

from dataclasses import replace

import numpy as np
import pytest

from data.records import PartEmbeddings, Tracklet
from pipeline.association.associate import Association, associate
from pipeline.association.config import AssociateConfig
from pipeline.association.model_chance import anybody
from st_model.build import build_model
from st_model.config import SpaceTimeConfig
from st_model.fit import sightings_of
from st_model.model import TransitionModel
from st_model.visits import Visits, make_visits

LAGS_S = {("a", "b"): 20.0, ("b", "c"): 60.0}
ALONE = SpaceTimeConfig.model_validate({"self_training": {"rounds": 0}})


def visits(people: int, seed: int) -> Visits:
    """Everybody goes from a to b to c, each way in a time of its own."""
    rng = np.random.default_rng(seed)
    who, where, enter = [], [], []
    for person in range(people):
        time = float(rng.uniform(0, 40 * people))
        for camera, after in (("a", "b"), ("b", "c"), ("c", "")):
            who.append(person)
            where.append(camera)
            enter.append(time)
            time += 5 + LAGS_S.get((camera, after), 0.0) * float(rng.lognormal(0, 0.1))
    return make_visits(who, where, enter, np.array(enter) + 5)


def tracklets(people: int = 30, noise: float = 1.3) -> tuple[list[Tracklet], dict[tuple[str, int], int]]:
    seen = visits(people, 1)
    rng = np.random.default_rng(2)
    looks = rng.normal(size=(people, 64))
    found, truth = [], {}
    for row in range(len(seen)):
        person, camera = int(seen.identities[row]), seen.cameras[seen.camera[row]]
        vector = looks[person] + noise * rng.normal(size=64)
        vector = (vector / np.linalg.norm(vector))[None, None].astype(np.float32)
        times = seen.enter_s[row] + np.arange(0, 5, 0.5)
        x = 60.0 * (person % 20)
        boxes = np.tile(np.array([[x, 100, x + 40, 220]], np.float32), (len(times), 1))
        item = Tracklet(
            camera, person, times, np.rint(times * 10).astype(np.int64), boxes, np.ones(len(times), np.float32),
            prototypes=PartEmbeddings(vector, np.ones((1, 1), np.float32), ("global",), ("holistic",), "osnet"),
            prototype_rows=np.zeros(1, np.int64),
        )  # fmt: skip
        found.append(item)
        truth[item.key] = person
    return found, truth


def errors(found: Association, truth: dict[tuple[str, int], int]) -> int:
    """Pairs of tracklets that were joined or kept apart wrongly."""
    keys = sorted(truth)
    ids = np.array([found.labels[key] for key in keys])
    people = np.array([truth[key] for key in keys])
    return int(np.triu((ids[:, None] == ids) != (people[:, None] == people), 1).sum())


def of(seen: Visits, camera: np.ndarray, enter: np.ndarray) -> TransitionModel:
    names = np.array(seen.cameras)[camera]
    return build_model(make_visits(seen.identities, names, enter, enter + 5, all_cameras=seen.cameras))


def given(name: str) -> TransitionModel:
    seen = visits(60, 7)
    camera, enter = seen.camera, seen.enter_s
    if name == "renamed":
        return of(seen, np.array([2, 0, 1])[camera], enter)
    if name == "clock":
        return of(seen, camera, enter + 150.0 * camera)
    if name == "shuffled":
        return of(seen, camera, enter[np.random.default_rng(0).permutation(len(enter))])
    if name == "empty":
        return build_model(make_visits([], [], [], [], all_cameras=seen.cameras))
    if name == "elsewhere":
        return build_model(replace(seen, cameras=("x", "y", "z")))
    return build_model(seen)


@pytest.fixture(scope="module")
def alone(make):
    items, truth = tracklets()
    site = make.site("a", "b", "c", overlap="unknown")
    return items, truth, site, errors(associate(items, site, AssociateConfig()), truth)


def test_a_model_of_this_place_is_used_and_helps(alone):
    items, truth, site, before = alone
    found = associate(items, site, AssociateConfig(), transit=ALONE, given=given("right"))
    assert found.transitions.summary()["given_model"]["fits"] is True
    assert found.transitions.summary()["given_model"]["gain_nats_per_visit"] > 0
    assert found.warnings == []
    assert errors(found, truth) < before / 2


@pytest.mark.parametrize("name", ["renamed", "clock", "shuffled", "empty", "elsewhere"])
def test_a_model_of_another_place_does_no_harm(alone, name):
    items, truth, site, before = alone
    found = associate(items, site, AssociateConfig(), transit=ALONE, given=given(name))
    assert errors(found, truth) <= before


@pytest.mark.parametrize("name", ["renamed", "clock"])
def test_a_model_of_another_place_is_noticed_and_the_run_learns_its_own(alone, name):
    items, truth, site, before = alone
    found = associate(items, site, AssociateConfig(), transit=SpaceTimeConfig(), given=given(name))
    assert "not of this place" in found.warnings[0]
    summary = found.transitions.summary()
    assert summary["given_model"]["fits"] is False
    assert summary["learnt_from_this_run"]
    assert errors(found, truth) < before / 2


def test_people_who_come_back_at_any_time_are_not_taken_for_people_who_come_back_soon(alone, make):
    """What is known of any place is believed of a run that shows it only."""
    soon, _, site, _ = alone
    rng = np.random.default_rng(5)
    moved = {item.key: rng.uniform(0, 1200) - item.times_s[0] for item in soon}
    any_time = [replace(item, times_s=item.times_s + moved[item.key]) for item in soon]
    strays = [
        associate(items, site, AssociateConfig(), transit=ALONE, given=given("empty")).transitions.model.stray
        for items in (soon, any_time)
    ]
    assert strays[0] < 0.2
    assert strays[1] > 0.8


def test_a_model_that_names_other_cameras_is_not_used(alone):
    items, _, site, _ = alone
    found = associate(items, site, AssociateConfig(), transit=ALONE, given=given("elsewhere"))
    assert found.warnings == ["the transition model knows none of these cameras: it is not used"]
    assert found.transitions.model is None


def test_one_clock_that_is_off_is_named_and_the_rest_goes_on_to_count(alone):
    items, truth, site, before = alone
    off = [replace(item, times_s=item.times_s + 400.0 * (item.camera == "c")) for item in items]
    found = associate(off, site, AssociateConfig(), transit=ALONE, given=given("right"))
    doubt = found.transitions.model.doubt
    assert doubt[0, 1] < 0.3
    assert doubt[1, 2] > 0.5
    assert any("b > c" in line or "not of this place" in line for line in found.warnings)
    assert errors(found, truth) <= before


def test_a_camera_the_model_lacks_is_named(alone):
    items, truth, site, before = alone
    seen = visits(60, 7)
    two = seen.camera < 2
    model = build_model(
        make_visits(
            seen.identities[two], np.array(seen.cameras)[seen.camera[two]], seen.enter_s[two], seen.leave_s[two]
        )
    )
    found = associate(items, site, AssociateConfig(), transit=ALONE, given=model)
    assert "does not know c" in found.warnings[0]
    assert errors(found, truth) <= before


def test_whoever_enters_after_somebody_left_is_a_link_of_nothing_else():
    sightings = sightings_of(["a", "b", "b", "a"], [0.0, 8.0, 50.0, 300.0], [5.0, 9.0, 55.0, 305.0], [])
    links = anybody(sightings, 100.0)
    assert set(zip(links.earlier.tolist(), links.later.tolist())) == {(0, 1), (0, 2), (1, 2)}
    assert not links.other_llr.any()
