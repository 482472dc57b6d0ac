"""Costs of track-detection pairs, and who may start a track."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from data.kernels.boxes import iou_matrix
from data.records import FloatArray
from trackers.config import AssociationConfig, LifeConfig, MotionConfig
from trackers.costs import add_pose, buffered_iou, certainty, clear_share, height_ratio, pair_costs, pose_distance
from trackers.lifecycle import starters
from trackers.motion import MotionModel

Make = Callable[..., Any]


def boxes_of(*rows: list[float]) -> FloatArray:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_without_a_margin_it_is_the_plain_overlap() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 100, (9, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 60, (9, 2))], axis=1).astype(np.float32)
    np.testing.assert_allclose(buffered_iou(boxes[:4], boxes, np.zeros(4)), iou_matrix(boxes[:4], boxes), atol=1e-6)


def test_a_margin_grows_both_boxes() -> None:
    tracks, boxes = boxes_of([0, 0, 40, 100], [0, 0, 40, 100]), boxes_of([50, 0, 90, 100])
    grown = iou_matrix(boxes_of([-10, -10, 50, 110]), boxes_of([40, -10, 100, 110]))[0, 0]
    np.testing.assert_allclose(buffered_iou(tracks, boxes, np.array([10.0, 2.0]))[:, 0], [grown, 0], rtol=1e-6)


def test_no_tracks_or_no_boxes() -> None:
    model = MotionModel(MotionConfig())
    none, some = boxes_of(), boxes_of([0, 0, 40, 100])
    empty = model.start(none, np.zeros(0, np.float32))
    one = model.start(some, np.ones(1, np.float32))
    assert pair_costs(model, empty, some, AssociationConfig()).motion.shape == (0, 1)
    assert pair_costs(model, one, none, AssociationConfig()).motion.shape == (1, 0)
    assert clear_share(none).shape == (0,)


def test_the_gate_forbids_what_nobody_can_walk(person: Make) -> None:
    model = MotionModel(MotionConfig())
    motion = model.predict(model.start(boxes_of(person(300)), np.ones(1, np.float32)), 0.1)
    boxes = boxes_of(person(300), person(330), person(400), person(900))
    pairs = pair_costs(model, motion, boxes, AssociationConfig())
    assert pairs.possible.tolist() == [[True, True, False, False]]
    assert pairs.motion[0, 0] == pytest.approx(0, abs=1e-6)
    later = model.predict(motion, 1.5)
    assert pair_costs(model, later, boxes, AssociationConfig()).possible.tolist() == [[True, True, True, False]]


def test_another_height_costs_more_than_the_same_one_as_far_away(person: Make) -> None:
    tracks = boxes_of(person(300, 400, 120))
    ratios = height_ratio(tracks, boxes_of(person(300, 400, 120), person(300, 400, 60), [0, 0, 0, 0]))
    np.testing.assert_allclose(ratios, [[1, 0.5, 0]])


def test_only_people_in_front_cover(person: Make) -> None:
    boxes = boxes_of(person(300, 400, 120), person(300, 430, 120), person(800))
    np.testing.assert_allclose(clear_share(boxes), [0.25, 1, 1], atol=1e-6)


def test_pose_distance_is_no_evidence_without_a_skeleton(person: Make) -> None:
    figure = np.ones((2, 17, 3), np.float32)
    figure[..., 0] = np.linspace(280, 320, 17)
    figure[..., 1] = np.linspace(290, 395, 17)
    figure[1] = 0
    distance = pose_distance(figure, figure, boxes_of(person(300), person(300)), "coco17")
    assert distance[0, 0] == pytest.approx(0)
    assert np.isnan(distance[0, 1])
    assert np.isnan(distance[1]).all()
    model = MotionModel(MotionConfig())
    motion = model.start(boxes_of(person(300), person(310)), np.ones(2, np.float32))
    pairs = pair_costs(model, motion, boxes_of(person(302), person(900)), AssociationConfig())
    mixed = add_pose(pairs, np.array([[1.0, 1.0], [np.nan, np.nan]]), 0.5)
    assert mixed.motion[0, 0] == pytest.approx((1 + pairs.motion[0, 0]) / 2)
    np.testing.assert_array_equal(mixed.motion[1], pairs.motion[1])
    assert mixed.motion[0, 1] == np.inf


class TestStarters:
    def test_left_over_and_confident(self, person: Make) -> None:
        boxes = boxes_of(person(100), person(300), person(500))
        found = starters(
            boxes, np.array([0.9, 0.8, 0.3], np.float32), np.array([True, False, False]), LifeConfig(score_new=0.5)
        )
        assert found.tolist() == [1]

    def test_a_second_box_of_a_tracked_or_a_new_person_starts_nothing(self, person: Make) -> None:
        boxes = boxes_of(person(100), person(102), person(300), person(301), person(500))
        used = np.array([True, False, False, False, False])
        found = starters(boxes, np.full(5, 0.9, np.float32), used, LifeConfig(duplicate_iou=0.7))
        assert found.tolist() == [2, 4]

    def test_nobody(self) -> None:
        assert starters(boxes_of(), np.zeros(0, np.float32), np.zeros(0, bool), LifeConfig()).tolist() == []


def test_certainty_is_the_root_of_how_boxes_are_grown() -> None:
    model = MotionModel(MotionConfig())
    motion = model.start(boxes_of([0, 0, 40, 100], [0, 0, 40, 100], [0, 0, 20, 50]), np.ones(3, np.float32))
    np.testing.assert_allclose(certainty(motion, np.array([10.0, 22.0, 5.0])), [1, np.sqrt(1.2 / 1.44), 1])
    np.testing.assert_allclose(certainty(motion, np.full(3, 0.0)), 1)
    assert certainty(motion.select(np.zeros(0, np.int64)), np.zeros(0)).shape == (0,)
    assert certainty(motion.select(np.array([1])), np.array([50.0])).tolist() == [1.0]


def test_who_was_just_seen_has_the_better_claim_than_who_is_lost() -> None:
    """A box half-way between the two: the lost one's box, grown, overlaps it more, but he could be anywhere by now."""
    model = MotionModel(MotionConfig())
    lost = model.start(boxes_of([300, 100, 340, 200]), np.ones(1, np.float32))
    seen = model.start(boxes_of([324, 100, 364, 200]), np.ones(1, np.float32))
    tracks = model.predict(model.predict(lost, 0.9).append(seen), 0.1)
    box = boxes_of([312, 100, 352, 200])
    overlap = buffered_iou(tracks.boxes(), box, tracks.position_std())[:, 0]
    assert overlap[0] > overlap[1]
    cost = pair_costs(model, tracks, box, AssociationConfig()).motion[:, 0]
    assert cost[1] < cost[0]
