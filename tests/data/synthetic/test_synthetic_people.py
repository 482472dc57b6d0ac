"""People: identities, bodies, gait and the crowd."""

from dataclasses import replace

import numpy as np
import pytest

from data.synthetic.body import make_body
from data.synthetic.crowd import STEP_S
from data.synthetic.gait import INDEX, JOINTS, pose, stride_m
from data.synthetic.identities import Identity, make_identities
from data.synthetic.scenario import load_preset
from data.synthetic.texture import PARTS, RECTANGLES, SIZE, paint
from data.synthetic.world import World


@pytest.fixture(scope="module")
def people() -> list[Identity]:
    return make_identities(np.random.default_rng(3), 12, 4, False)


def test_identities_are_seeded_and_numbered(people: list[Identity]) -> None:
    assert make_identities(np.random.default_rng(3), 12, 4, False) == people
    assert make_identities(np.random.default_rng(4), 12, 4, False) != people
    assert [person.person_id for person in people] == list(range(1, 13))


def test_lookalikes_wear_the_same_on_another_body(people: list[Identity]) -> None:
    for person in people[8:]:
        twin = people[person.lookalike_of - 1]
        assert (person.top, person.pattern, person.bottom_colour) == (twin.top, twin.pattern, twin.bottom_colour)
        assert person.gait != twin.gait
    assert all(person.lookalike_of == 0 for person in people[:8])


def test_confusable_people_share_few_colours() -> None:
    crowd = make_identities(np.random.default_rng(1), 60, 0, True)
    tops = np.array([person.top for person in crowd], float)
    far = np.linalg.norm(tops[:, None] - tops[None], axis=2) + np.eye(60) * 999
    assert (far.min(axis=1) < 30).mean() > 0.9


def test_atlas_rectangles_are_disjoint_and_painted(people: list[Identity]) -> None:
    used = np.zeros((SIZE, SIZE), int)
    for left, top, width, height in RECTANGLES.values():
        used[top : top + height, left : left + width] += 1
    assert used.max() == 1
    for person in people:
        colours, labels = paint(person)
        assert colours.shape == (SIZE, SIZE, 3)
        assert labels.max() < len(PARTS)
        assert (labels[used == 1] > 0).all()
        assert (colours == paint(person)[0]).all()


def walk(person: Identity, cycles: float = 2.0, count: int = 240) -> tuple[np.ndarray, np.ndarray]:
    phase = np.linspace(0, cycles, count)
    speed = np.full(count, person.gait.speed)
    x = phase * stride_m(person, speed)
    return phase, pose(person, np.stack([x, np.zeros(count)], axis=1), np.zeros(count), phase, speed)


def test_standing_feet_do_not_slide_and_touch_the_floor(people: list[Identity]) -> None:
    for person in people:
        phase, joints = walk(person)
        for side, shift in (("left", 0.0), ("right", 0.5)):
            flat = ((phase + shift) % 1 > 0.1) & ((phase + shift) % 1 < 0.35)
            moved = np.linalg.norm(np.diff(joints[:, INDEX[f"{side}_ankle"]], axis=0), axis=1)
            assert moved[flat[1:] & flat[:-1]].max() < 1e-9
            sole = np.minimum(joints[:, INDEX[f"{side}_heel"], 2], joints[:, INDEX[f"{side}_toe"], 2])
            assert sole.min() > -0.002
            assert np.abs(sole[flat]).max() < 1e-9
            assert sole.max() > 0.02


def test_bones_keep_their_length(people: list[Identity]) -> None:
    for person in people:
        _, joints = walk(person)
        for a, b in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")):
            for side in ("left", "right"):
                bone = np.linalg.norm(joints[:, INDEX[f"{side}_{a}"]] - joints[:, INDEX[f"{side}_{b}"]], axis=1)
                assert np.ptp(bone) < 0.01 * person.height


def test_walk_is_periodic_and_smooth(people: list[Identity]) -> None:
    _, joints = walk(people[0], cycles=2.0, count=241)
    relative = joints - joints[:, :1] * [1, 1, 0]
    assert np.allclose(relative[0], relative[120], atol=1e-9)
    assert np.abs(np.diff(relative, n=2, axis=0)).max() < 0.02


def test_knees_bend_forward_and_arms_swing_against_legs(people: list[Identity]) -> None:
    _, joints = walk(people[0])
    hip, knee, ankle = (joints[:, INDEX[f"left_{name}"], 0] for name in ("hip", "knee", "ankle"))
    assert (knee > (hip + ankle) / 2 - 1e-6).all()
    wrist = joints[:, INDEX["left_wrist"], 0] - joints[:, 0, 0]
    assert np.corrcoef(wrist, ankle - joints[:, 0, 0])[0, 1] < -0.5


def test_standing_is_still(people: list[Identity]) -> None:
    zeros = np.zeros(5)
    joints = pose(people[1], np.zeros((5, 2)), zeros, np.linspace(0, 1, 5), zeros)
    assert np.abs(joints - joints[:1]).max() < 1e-9
    assert joints[0, INDEX["head_top"], 2] == pytest.approx(people[1].height, rel=0.06)


def test_body_is_closed_outward_and_as_tall_as_told(people: list[Identity]) -> None:
    for person in people:
        body = make_body(person)
        _, joints = walk(person, count=5)
        vertices, normals = body.vertices(joints[2].astype(np.float32))
        assert vertices.dtype == np.float32
        assert np.isfinite(vertices).all()
        assert np.isfinite(normals).all()
        assert vertices[:, 2].min() > -0.02
        assert vertices[:, 2].max() == pytest.approx(person.height, rel=0.07)
        a, b, c = (vertices[body.faces[:, k]].astype(float) for k in range(3))
        # Faces are clockwise from outside, so the signed volume of a closed outward surface is negative.
        volume = -np.einsum("fi,fi->f", a - a.mean(axis=0), np.cross(b - a.mean(axis=0), c - a.mean(axis=0))).sum() / 6
        assert 0.03 < volume < 0.16
        assert body.uv.min() >= 0
        assert body.uv.max() < SIZE


def test_girth_widens_the_body(people: list[Identity]) -> None:
    joints = walk(people[0], count=3)[1][1].astype(np.float32)
    thin = make_body(replace(people[0], bulk=0.85)).vertices(joints)[0]
    wide = make_body(replace(people[0], bulk=1.25)).vertices(joints)[0]
    assert np.ptp(wide[:, 1]) > np.ptp(thin[:, 1])


@pytest.fixture(scope="module")
def demo() -> World:
    return World(load_preset("demo"), 1)


def test_nobody_jumps_or_walks_through_walls(demo: World) -> None:
    motion = demo.motion
    both = motion.present[1:] & motion.present[:-1]
    step = np.linalg.norm(np.diff(motion.places, axis=0), axis=2)[both]
    assert step.max() < 2.5 * STEP_S
    turn = np.abs(np.diff(motion.yaw, axis=0))[both]
    assert turn.max() < 3.0 * STEP_S
    rows, columns = demo.geometry.cells(motion.places[motion.present])
    assert demo.geometry.walkable[rows, columns].all()


def test_people_keep_apart(demo: World) -> None:
    motion = demo.motion
    gap = np.linalg.norm(motion.places[:, :, None] - motion.places[:, None], axis=3)
    both = motion.present[:, :, None] & motion.present[:, None] & ~np.eye(gap.shape[1], dtype=bool)
    assert np.percentile(gap[both], 0.5) > 0.3


def test_nobody_appears_in_view(demo: World) -> None:
    motion = demo.motion
    rows, columns = demo.geometry.cells(motion.places.reshape(-1, 2))
    seen = demo.seen_ground[:, rows, columns].reshape(-1, *motion.present.shape).any(axis=0)
    came = motion.present[1:] & ~motion.present[:-1]
    left = ~motion.present[1:] & motion.present[:-1]
    assert came.sum() > 0
    assert not seen[1:][came].any()
    assert not seen[:-1][left].any()


def test_cross_camera_association_is_a_real_task(demo: World) -> None:
    motion = demo.motion
    rows, columns = demo.geometry.cells(motion.places.reshape(-1, 2))
    seen = demo.seen_ground[:, rows, columns].reshape(-1, *motion.present.shape) & motion.present
    assert (seen.any(axis=1).sum(axis=0) >= 2).sum() >= 4
    out_of_all = seen.any(axis=0)
    assert (out_of_all[:-1] & ~out_of_all[1:]).sum() >= 4


def test_skeletons_at_any_time(demo: World) -> None:
    joints, present = demo.joints(np.array([0.0, 0.033, 7.77, 1e6]))
    assert joints.shape == (4, 8, len(JOINTS), 3)
    assert present.shape == (4, 8)
    assert np.isfinite(joints).all()
