from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logit

from pipeline.association.associate import associate
from pipeline.association.config import AssociateConfig
from pipeline.association.exclusions import MustLink
from pipeline.association.expectation import NOTHING, expect, pairs_over_cameras


class Table:
    """Of a tracklet table what is asked here."""

    def __init__(self, camera):
        self.camera = camera

    def __len__(self):
        return len(self.camera)


def case(cameras, pairs):
    """A table of these cameras, and scores of pairs (row, row, probability)."""
    columns = np.array(pairs, float).reshape(-1, 3).T
    rows = SimpleNamespace(a=columns[0].astype(np.int64), b=columns[1].astype(np.int64))
    return Table(np.array(cameras)), SimpleNamespace(pairs=rows, stated=logit(columns[2]))


def test_probabilities_of_pairs_over_cameras_are_added_by_hand():
    table, scores = case([0, 1, 1, 0], [(0, 1, 0.8), (0, 2, 0.3), (2, 3, 0.5), (0, 3, 0.9)])
    found = expect(table, scores, np.array([0, 0, 1, 0]), [])
    assert (found.made, found.unknown) == (1, 1), "1 and 3 are joined by way of 0, and no cue spoke of them"
    assert found.precision == pytest.approx(0.8)
    assert found.recall == pytest.approx(0.8 / 1.6), "a pair of one camera counts nowhere"


def test_must_links_are_right_whatever_the_evidence_says():
    table, scores = case([0, 1, 1], [(0, 1, 0.2)])
    certain = [MustLink(1, 0, "declared"), MustLink(0, 2, "declared")]
    found = expect(table, scores, np.array([0, 0, 0]), certain)
    assert (found.made, found.right, found.true) == (2, 2.0, 2.0)
    assert found.recall is None, "of other pairs nothing is known"
    assert found.to_json()["expected_recall"] is None
    assert "2 pairs of tracklets joined over cameras, for certain; no others could be" in found.line()
    table, scores = case([0, 1, 1, 1], [(0, 1, 0.2), (0, 3, 0.5)])
    found = expect(table, scores, np.array([0, 0, 0, 1]), certain)
    assert (found.compared, found.recall) == (1, pytest.approx(2 / 2.5))


def test_without_links_nothing_is_claimed():
    table, scores = case([0, 1], [])
    found = expect(table, scores, np.array([0, 1]), [])
    assert found == NOTHING
    assert found.line() == "no tracklets of two cameras were joined"
    assert (found.precision, found.recall) == (1.0, None)


def test_pairs_of_one_camera_are_none_over_cameras():
    assert pairs_over_cameras(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 2, 2])) == 2


def test_people_who_are_told_apart_easily_are_expected_right_and_look_alikes_less(make):
    easy, hard = (
        associate(make.crowd(30, 3, noise=noise)[0], make.site("cam0", "cam1", "cam2"), AssociateConfig()).expectation
        for noise in (0.3, 2.6)
    )
    assert easy.precision > 0.95
    assert easy.recall > 0.95
    assert hard.right / max(hard.true, 1e-9) < easy.recall - 0.1
