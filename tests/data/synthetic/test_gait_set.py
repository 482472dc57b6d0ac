import numpy as np

from data.skeleton_sequences import JOINTS, centred
from data.synthetic.gait_set import GaitSetOptions, from_view, make_gaits

FEW = GaitSetOptions(people=3, seconds=3.0, views_deg=(0, 90))
STILL = GaitSetOptions(people=3, seconds=3.0, views_deg=(0, 90), noise_m=(0.0, 0.0))


def test_the_same_seed_gives_the_same_walks_and_another_one_others() -> None:
    first, again, other = make_gaits(FEW, 1), make_gaits(FEW, 1), make_gaits(FEW, 2)
    assert all(np.array_equal(a.points, b.points) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].points, other[0].points)
    assert len(first) == 3 * 10 * 2
    assert len({item.name for item in first}) == len(first)


def test_a_person_does_not_change_with_the_number_of_people() -> None:
    few, more = make_gaits(FEW, 1), make_gaits(GaitSetOptions(people=5, seconds=3.0, views_deg=(0, 90)), 1)
    assert all(np.array_equal(a.points, b.points) for a, b in zip(few, more[: len(few)], strict=True))


def test_who_comes_towards_the_sensor_gets_nearer_and_shows_the_left_side_at_the_right() -> None:
    walks = {(item.view_deg, item.name[-6:-4]): item.points for item in make_gaits(STILL, 1)[:2]}
    (towards,) = (points for (view, _), points in walks.items() if view == 0)
    (across,) = (points for (view, _), points in walks.items() if view == 90)
    hips = towards[:, JOINTS.index("left_hip")]
    assert hips[-1, 2] < hips[0, 2] - 1
    assert (towards[:, JOINTS.index("left_shoulder"), 0] > towards[:, JOINTS.index("right_shoulder"), 0]).all()
    assert across[-1, JOINTS.index("head"), 0] > across[0, JOINTS.index("head"), 0] + 1
    assert (towards[:, JOINTS.index("head"), 1] < towards[:, JOINTS.index("left_ankle"), 1]).all()


def test_views_keep_distances() -> None:
    points = np.random.default_rng(0).normal(size=(5, 3))
    seen = from_view(points, 30)
    assert np.allclose(np.linalg.norm(seen[0] - seen[1]), np.linalg.norm(points[0] - points[1]))


def test_errors_are_as_large_as_asked_for() -> None:
    noisy = make_gaits(GaitSetOptions(people=3, seconds=30.0, views_deg=(0,), noise_m=(0.04, 0.04)), 1)
    clean = make_gaits(GaitSetOptions(people=3, seconds=30.0, views_deg=(0,), noise_m=(0.0, 0.0)), 1)
    errors = {}
    for condition in ("nm", "cl"):
        # The first walk of a person is drawn before any error is, so that both have the same.
        first = next(row for row, item in enumerate(noisy) if item.condition == condition)
        errors[condition] = noisy[first].points - clean[first].points
    assert abs(float(errors["nm"].std()) - 0.04) < 0.003


def test_conditions_change_how_people_walk() -> None:
    walks = make_gaits(STILL, 1)

    def elbows(condition: str) -> float:
        about = [centred(item.points) for item in walks if item.condition == condition and item.view_deg == 0]
        wrists = [JOINTS.index("left_wrist"), JOINTS.index("right_wrist")]
        return float(np.mean([points[:, wrists, 2].std(axis=0).mean() for points in about]))

    assert elbows("bg") < 0.9 * elbows("nm")
