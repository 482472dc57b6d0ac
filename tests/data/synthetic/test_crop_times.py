"""The names of ReID crops tell when their people came by."""

from dataclasses import replace

import numpy as np

from data.formats.reid_names import parse_names
from data.synthetic.training_set import TrainingSet
from data.synthetic.world import World
from st_model.build import build_model
from st_model.sources import GapRule, visits_of_names

RECIPE = TrainingSet(sites=1, frames=2, duration_s=3, size=(320, 180), people=60, test_people=0, crops=2)


def world(seed: int = 1000) -> World:
    return World(RECIPE.preset(0), seed)


def test_everybody_passes_every_camera_on_a_walk() -> None:
    frames = world().crop_frames
    assert frames.shape == (60, 2)
    assert frames.min() >= 1
    lags = frames[:, 1] - frames[:, 0]
    assert (lags > 0).any(), "from the first camera to the second"
    assert (lags < 0).any(), "and back"
    # One distance, walked at everybody's own pace.
    assert 0.1 < np.log(np.abs(lags)).std() < 0.5
    assert np.ptp(frames.min(axis=1)) > 20 * np.median(np.abs(lags)), "people come one after the other"


def test_times_are_the_seeds() -> None:
    assert np.array_equal(world().crop_frames, world().crop_frames)
    assert not np.array_equal(world().crop_frames, world(1001).crop_frames)
    fewer = World(replace(RECIPE, people=30).preset(0), 1000)
    assert fewer.crop_frames.shape == (30, 2)


def test_transit_times_can_be_learnt_from_the_names() -> None:
    names = [
        f"{person + 1:04d}_c{camera + 1}s1_{frame:06d}_00.jpg"
        for person, row in enumerate(world().crop_frames.tolist())
        for camera, frame in enumerate(row)
    ]
    model = build_model(visits_of_names(parse_names(names), GapRule()))
    usual = float(np.median(np.abs(np.diff(world().crop_frames, axis=1)))) / 25
    assert model.log_density("c1", "c2", usual, "any") > model.log_density("c1", "c2", usual + 120, "any") + 2
