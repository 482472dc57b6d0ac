"""Whether two skeletons are one person, found twice."""

import numpy as np

from data.kernels.keypoints import same_person

SEEN = 0.3


def person(seed: int, at: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = rng.uniform((0, 0), (40, 120), (17, 2)) + at
    return np.concatenate([points, np.full((17, 1), 0.9)], axis=1).astype(np.float32)


def test_a_shifted_twin_is_the_same_person_and_a_neighbour_is_not() -> None:
    one, twin, neighbour = person(1), person(1, (0.5, -0.5)), person(2, (30, 0))
    found = same_person(np.stack([one, neighbour]), np.stack([one, twin, neighbour]), SEEN)
    assert found.tolist() == [[True, True, False], [False, False, True]]


def test_what_the_person_did_not_show_does_not_count() -> None:
    half, whole = person(1), person(1)
    half[11:, 2] = SEEN
    whole[11:, :2] += 50
    assert same_person(half[None], whole[None], SEEN).all()


def test_half_a_second_skeleton_is_enough() -> None:
    whole, half = person(1), person(1)
    half[11:] = 0
    assert same_person(whole[None], half[None], SEEN).all()
    half[:11, :2] += 10
    assert not same_person(whole[None], half[None], SEEN).any()


def test_a_person_without_keypoints_has_no_second_skeleton() -> None:
    unseen = person(1)
    unseen[:, 2] = SEEN
    assert not same_person(unseen[None], unseen[None], SEEN).any()


def test_nobody_is_compared_with_nobody() -> None:
    none = np.zeros((0, 17, 3), np.float32)
    assert same_person(none, person(1)[None]).shape == (0, 1)
    assert same_person(person(1)[None], none).shape == (1, 0)
