"""Odd tracklets are carried through: everyone gets an identity, and what says nothing joins nobody."""

from collections.abc import Sequence

import numpy as np
import pytest

from data.records import PartEmbeddings, Tracklet
from data.site import Site
from pipeline.association.associate import Association, associate
from pipeline.association.config import AssociateConfig
from tests.pipeline.association.conftest import embeddings, tracklet

_CAMERAS = ("a", "b")


def _look(person: int, seed: int = 0, size: int = 64) -> PartEmbeddings:
    base = np.random.default_rng(person).standard_normal(size)
    noise = 0.3 * np.random.default_rng([person, seed]).standard_normal((3, 1, size))
    return embeddings((base + noise).astype(np.float32))


def _crowd(people: int = 8) -> list[Tracklet]:
    """Everyone once in each camera, one after the other."""
    return [
        tracklet(camera, person, 20.0 * person + 300 * number, 20.0 * person + 300 * number + 10,
                 prototypes=_look(person, number))
        for number, camera in enumerate(_CAMERAS)
        for person in range(people)
    ]  # fmt: skip


def _associated(tracklets: Sequence[Tracklet]) -> Association:
    site = Site.model_validate(
        {"cameras": {name: {"clock": {"status": "common"}} for name in _CAMERAS}, "default_overlap": "none"}
    )
    found = associate(tracklets, site, AssociateConfig())
    assert set(found.labels) == {item.key for item in tracklets}
    assert sorted(v.local_id for t in found.global_tracks for v in t.visits if v.camera == "a") == sorted(
        item.local_id for item in tracklets if item.camera == "a"
    )
    return found


def _joined(found: Association, people: int = 8) -> int:
    return sum(found.labels["a", person] == found.labels["b", person] for person in range(people))


def test_a_sound_crowd_is_joined() -> None:
    assert _joined(_associated(_crowd())) >= 7


def test_a_tracklet_of_one_frame_is_a_tracklet() -> None:
    found = _associated([*_crowd(), tracklet("a", 90, 900, 900, prototypes=_look(90)), tracklet("b", 91, 950, 950)])
    assert _joined(found) >= 7
    assert found.labels["a", 90] != found.labels["b", 91]


@pytest.mark.parametrize("broken", ["none", "nan", "zero"])
def test_looks_that_say_nothing_join_nobody_and_harm_nobody(broken: str) -> None:
    values = {"nan": np.full((3, 1, 64), np.nan, np.float32), "zero": np.zeros((3, 1, 64), np.float32)}
    looks = (
        None
        if broken == "none"
        else PartEmbeddings(values[broken], np.ones((3, 1), np.float32), ("part0",), ("part",), _look(0).model_id)
    )
    odd = [tracklet(camera, 90 + number, 900 + 40 * number, 910 + 40 * number, prototypes=looks)
           for number, camera in enumerate(_CAMERAS)]  # fmt: skip
    found = _associated([*_crowd(), *odd])
    assert _joined(found) >= 7
    assert found.labels["a", 90] not in {found.labels[key] for key in found.labels if key != ("a", 90)}


def test_people_who_all_look_the_same_are_not_one_person() -> None:
    same = [
        tracklet(item.camera, item.local_id, item.times_s[0], item.times_s[-1], prototypes=_look(0))
        for item in _crowd()
    ]
    found = _associated(same)
    for camera in _CAMERAS:
        assert len({found.labels[key] for key in found.labels if key[0] == camera}) > 4


def test_people_who_never_return_stay_by_themselves() -> None:
    strangers = [
        tracklet(camera, person, 20.0 * person + 300 * number, 20.0 * person + 300 * number + 10,
                 prototypes=_look(person + 100 * number))
        for number, camera in enumerate(_CAMERAS)
        for person in range(12)
    ]  # fmt: skip
    assert len(_associated(strangers).global_tracks) >= 22


def test_one_person_alone_is_one_person() -> None:
    assert len(_associated([tracklet("a", 0, prototypes=_look(0))]).global_tracks) == 1


def test_tracklets_of_one_camera_that_overlap_in_time_are_different_people() -> None:
    """The same box twice, as two tracks: nobody is twice in a camera at once, whatever they look like."""
    twice = [tracklet("a", 90, 900, 910, prototypes=_look(3)), tracklet("a", 91, 905, 915, box=(400, 100, 450, 250),
             prototypes=_look(3))]  # fmt: skip
    found = _associated([*_crowd(), *twice])
    assert found.labels["a", 90] != found.labels["a", 91]
