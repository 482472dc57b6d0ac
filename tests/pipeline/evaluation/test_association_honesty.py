"""How far a run is right about itself, and the associator without a part of it."""

import numpy as np
import pytest

from data.errors import UserError
from data.records import PartEmbeddings, Tracklet
from pipeline.association.config import AssociateConfig
from pipeline.association.registry import SOURCES
from pipeline.evaluation.association.ablation import ABLATIONS, without
from pipeline.evaluation.association.links import check_links
from pipeline.evaluation.association.reliability_plot import draw_reliability
from pipeline.evaluation.association.scores import Reliability, ReliabilityBin
from pipeline.evaluation.association.truth import TrackletTruth

BINS = (ReliabilityBin(0.0, 0.1, 4, 0.05, 0.0), ReliabilityBin(0.9, 1.0, 40, 0.97, 0.9))


def test_pairs_over_cameras_are_compared_with_what_was_expected():
    people = {("a", 0): 1, ("b", 0): 1, ("b", 1): 2, ("a", 1): 2, ("a", 2): 1}
    labels = {("a", 0): 5, ("b", 0): 5, ("b", 1): 5, ("a", 1): 6, ("a", 2): 7}
    found = check_links(TrackletTruth.of_pure(people), labels, 0.9, 0.4)
    assert (found.found.right, found.found.made, found.found.true) == (1, 2, 3)
    assert found.to_json() == {
        "expected_precision": 0.9, "precision": 0.5, "expected_recall": 0.4, "recall": 0.3333,
    }  # fmt: skip
    assert "50 % of those made are right (90 % were expected)" in found.line()
    nothing = check_links(TrackletTruth.of_pure(people), labels, 0.9, None)
    assert nothing.to_json()["expected_recall"] is None
    assert nothing.line().endswith("33 % of all there are were made (unknown)")


def test_a_plot_is_a_picture_and_the_same_one_each_time(tmp_path):
    for name in ("a.png", "b.png"):
        draw_reliability(Reliability(BINS, 0.06, 0.9, 0.8), tmp_path / name, "site")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    draw_reliability(Reliability((), 0.0, 1.0, 1.0), tmp_path / "empty.png", "nobody")
    with pytest.raises(UserError, match="cannot write the plot"):
        draw_reliability(Reliability(BINS, 0.06, 0.9, 0.8), tmp_path / "no" / "a.png", "site")


def looks():
    vectors = np.zeros((1, 3, 4), np.float16)
    vectors[0, 0, 0] = vectors[0, 1, 1] = 1
    return PartEmbeddings(vectors, np.array([[1.0, 0.25, 0.0]], np.float32), ("a", "b", "c"), ("part",) * 3, "m")


def tracklet(prototypes):
    boxes = np.array([[0, 0, 10, 20]], np.float32)
    rows = np.zeros(1 if prototypes is not None else 0, np.int64)
    return Tracklet("a", 0, np.zeros(1), np.zeros(1, np.int64), boxes, np.ones(1, np.float32), prototypes=prototypes,
                    prototype_rows=rows)  # fmt: skip


def test_without_parts_a_look_is_one_vector_of_what_is_visible():
    whole = without("parts").tracklet(tracklet(looks())).prototypes
    assert whole.vectors.shape == (1, 1, 4)
    np.testing.assert_allclose(whole.vectors[0, 0], np.array([1, 0.25, 0, 0]) / np.hypot(1, 0.25), atol=1e-3)
    assert whole.visibility.tolist() == [[1.0]]


def test_without_visibility_what_is_hidden_stays_hidden():
    seen = without("visibility").tracklet(tracklet(looks())).prototypes
    assert seen.visibility.tolist() == [[1.0, 1.0, 0.0]]
    bare = tracklet(None)
    assert without("visibility").tracklet(bare) is bare


def test_every_part_leaves_something_out_and_nothing_leaves_all():
    plain = AssociateConfig()
    nothing = without("")
    assert nothing.settings(plain) == plain
    assert nothing.cues == SOURCES
    given = tracklet(looks())
    for name in ABLATIONS:
        found = without(name)
        left = found.settings(plain) == plain and found.cues == SOURCES and found.tracklet(given) is given
        assert not left, name
    with pytest.raises(UserError, match="--without speed: there is appearance, camera_means"):
        without("speed")
