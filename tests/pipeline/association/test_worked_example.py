"""The numbers of the worked example in docs/association.md."""

import math

import numpy as np
import pytest

from pipeline.association.associate import associate
from pipeline.association.config import AssociateConfig
from st_model.build import build_model
from st_model.visits import make_visits


def facing(degrees):
    """A vector of one part whose cosine with ``facing(0)`` is that of the angle."""
    angle = math.radians(degrees)
    return np.array([[[math.cos(angle), math.sin(angle), 0.0, 0.0]]])


@pytest.fixture(scope="module")
def model():
    """200 people went from the hall to the door in about 20 s."""
    lags = np.random.default_rng(0).normal(20, 2, 200)
    enter = np.stack([np.arange(200) * 60.0, np.arange(200) * 60.0 + 5 + lags], 1).ravel()
    return build_model(make_visits(np.repeat(np.arange(200), 2), ["hall", "door"] * 200, enter, enter + 5))


@pytest.mark.parametrize(
    ("times", "door", "cues", "probability", "decision"),
    [
        (False, 0, {"appearance": -0.42, "rivals": 0.43, "prior": -1.33, "worth": 0.53}, 0.312, "uncertain"),
        (False, 1, {"appearance": -1.39, "rivals": 0.38, "prior": -1.33, "worth": 0.93}, 0.198, "uncertain"),
        (
            True,
            0,
            {"appearance": -0.28, "space_time": 4.55, "rivals": -0.00, "prior": -0.90, "worth": -1.35},
            0.882,
            "same",
        ),
        (
            True,
            1,
            {"appearance": -1.20, "space_time": -1.95, "rivals": -1.09, "prior": -0.90, "worth": 2.06},
            0.044,
            "different",
        ),
    ],
)
def test_two_candidates_for_one_person(make, model, times, door, cues, probability, decision):
    tracklets = [
        make.tracklet("hall", 0, 0, 5, prototypes=make.embeddings(facing(0))),
        make.tracklet("door", 0, 25, 30, prototypes=make.embeddings(facing(-50))),
        make.tracklet("door", 1, 300, 305, prototypes=make.embeddings(facing(52))),
    ]
    config = AssociateConfig.model_validate({"appearance": {"camera_mean": False}})
    found = associate(tracklets, make.site("hall", "door"), config, transition=model if times else None)
    link = next(item for item in found.links if item.a == ("hall", 0) and item.b == ("door", door))
    assert link.llr == {name: pytest.approx(value, abs=0.006) for name, value in cues.items()}
    assert link.probability == pytest.approx(probability, abs=0.001)
    assert link.decision == decision
