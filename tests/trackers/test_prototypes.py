"""The online choice of representative looks."""

from pathlib import Path

import numpy as np
import pytest

from data.formats.state import load_state, save_state
from data.records import FloatArray, PartEmbeddings
from trackers.config import LooksConfig
from trackers.prototypes import PrototypeBank

DIM = 6


def directions(angles: list[float] | FloatArray, visibility: float = 1.0) -> PartEmbeddings:
    """One part; looks at angles (degrees) in a plane, so that the distance of two is 1 - cos of their difference."""
    radians = np.radians(np.asarray(angles, np.float64))
    vectors = np.zeros((len(radians), 1, DIM), np.float32)
    vectors[:, 0, 0], vectors[:, 0, 1] = np.cos(radians), np.sin(radians)
    return PartEmbeddings(vectors, np.full((len(radians), 1), visibility, np.float32), ("all",), ("holistic",), "drawn")


def bank(places: int = 4, distance: float = 0.05) -> PrototypeBank:
    return PrototypeBank(LooksConfig(prototypes=places, prototype_distance=distance), directions([0]))


def offer(target: PrototypeBank, angle: float, quality: float = 1.0, row: int = 0, owner: int = 7) -> None:
    target.offer(np.array([owner]), directions([angle]), np.array([quality], np.float32), np.array([row]))


def angles_of(target: PrototypeBank, owner: int = 7) -> list[int]:
    looks, _ = target.take(owner)
    assert looks is not None
    return [round(float(angle)) for angle in np.degrees(np.arctan2(looks.vectors[:, 0, 1], looks.vectors[:, 0, 0]))]


def test_alike_looks_share_one_place_and_the_better_stays() -> None:
    looks = bank()
    offer(looks, 0, 0.6, row=0)
    offer(looks, 5, 0.5, row=1)
    assert angles_of(looks) == [0]
    offer(looks, 5, 0.9, row=2)
    assert angles_of(looks) == [5]
    assert looks.take(7)[1].tolist() == [2]


def test_different_looks_fill_free_places_in_the_order_of_their_rows() -> None:
    looks = bank()
    for row, angle in enumerate([0, 90, 45]):
        offer(looks, angle, row=10 + row)
    assert angles_of(looks) == [0, 90, 45]
    assert looks.take(7)[1].tolist() == [10, 11, 12]


def test_a_more_different_look_drives_out_the_worse_of_the_two_most_alike() -> None:
    looks = bank(places=3, distance=0.001)
    for row, (angle, quality) in enumerate([(0, 1.0), (30, 0.8), (90, 0.9)]):
        offer(looks, angle, quality, row)
    offer(looks, 100, 0.95, 3)
    assert angles_of(looks) == [0, 30, 90], "10 degrees from its neighbour: no gain"
    offer(looks, 150, 0.95, 4)
    assert angles_of(looks) == [0, 90, 150]


def test_much_worse_looks_are_not_taken() -> None:
    looks = bank()
    offer(looks, 0, 1.0)
    offer(looks, 90, 0.3, 1)
    assert angles_of(looks) == [0]


def test_no_evidence_is_no_look() -> None:
    looks = bank()
    looks.offer(np.array([7]), directions([0], visibility=0), np.ones(1, np.float32), np.zeros(1, np.int64))
    assert looks.take(7)[0] is None


def test_looks_without_a_common_part_are_both_kept() -> None:
    vectors = np.zeros((2, 2, DIM), np.float32)
    vectors[0, 0, 0] = vectors[1, 1, 0] = 1
    visibility = np.array([[1, 0], [0, 1]], np.float32)
    both = PartEmbeddings(vectors, visibility, ("upper", "lower"), ("part", "part"), "drawn")
    looks = PrototypeBank(LooksConfig(), both)
    for row in range(2):
        one = np.array([row])
        looks.offer(np.array([7]), both.select(one), np.ones(1, np.float32), one)
    found, _ = looks.take(7)
    assert found is not None
    np.testing.assert_array_equal(found.visibility, visibility)


def test_many_tracklets_do_not_mix_and_places_are_used_again() -> None:
    looks = bank(places=2)
    owners = np.arange(20)
    for angle in (0, 90):
        looks.offer(owners, directions(angle + owners.astype(float)), np.ones(20, np.float32), np.full(20, angle))
    assert angles_of(looks, 3) == [3, 93]
    looks.forget(owners[:10])
    assert looks.take(3)[0] is None
    looks.offer(np.arange(20, 30), directions([45.0] * 10), np.ones(10, np.float32), np.zeros(10, np.int64))
    assert angles_of(looks, 15) == [15, 105]
    assert angles_of(looks, 25) == [45]


def test_merging_keeps_what_is_different_and_moves_the_rows() -> None:
    looks = bank()
    offer(looks, 0, row=0, owner=1)
    offer(looks, 2, 0.9, row=0, owner=2)
    offer(looks, 80, row=1, owner=2)
    looks.merge(source=2, target=1, row_offset=5)
    assert angles_of(looks, 1) == [0, 80]
    assert looks.take(1)[1].tolist() == [0, 6]
    assert looks.take(2)[0] is None


def test_the_batch_gives_what_one_by_one_gives() -> None:
    rng = np.random.default_rng(0)
    together, alone = bank(places=4), bank(places=4)
    for row in range(60):
        owners = rng.permutation(9)[: rng.integers(1, 9)]
        angles = rng.uniform(0, 180, len(owners))
        quality = rng.uniform(0.4, 1, len(owners)).astype(np.float32)
        together.offer(owners, directions(angles), quality, np.full(len(owners), row))
        for owner, angle, value in zip(owners, angles, quality, strict=True):
            offer(alone, angle, value, row, owner)
    for owner in range(9):
        np.testing.assert_array_equal(together.take(owner)[1], alone.take(owner)[1])
        found, expected = together.take(owner)[0], alone.take(owner)[0]
        assert found is not None
        assert expected is not None
        np.testing.assert_array_equal(found.vectors, expected.vectors)


def test_a_checkpoint_keeps_all(tmp_path: Path) -> None:
    path = tmp_path / "bank.npz"
    looks = bank(places=3)
    for row, angle in enumerate([0, 30, 90]):
        offer(looks, angle, 1 - row / 10, row)
    save_state(path, looks.state())
    again = PrototypeBank.from_state(LooksConfig(prototypes=3), load_state(path))
    for target in (looks, again):
        offer(target, 150, 0.95, 3)
    assert angles_of(again) == angles_of(looks)


@pytest.mark.parametrize("count", [1, 16])
def test_the_number_of_prototypes_is_bounded(count: int) -> None:
    looks = bank(places=count)
    for row, angle in enumerate(np.random.default_rng(0).uniform(0, 360, 100)):
        offer(looks, angle, row=row)
    found, rows = looks.take(7)
    assert found is not None
    assert len(found) == len(rows) <= count
    assert len(found) >= min(count, 8)
