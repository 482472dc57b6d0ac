"""Calibrations are judged by the people that several cameras see."""

from dataclasses import replace

import pytest

from data.calibration import Calibration, World
from data.clock import Clock
from data.errors import UserError
from data.site import CameraSite, Site
from pipeline.site_calibration.agreement import evidence_lines
from pipeline.site_calibration.pinhole import Pinhole
from pipeline.site_calibration.sightings import whole_people
from tests.pipeline.site_calibration.scenes import CORNERS, SIZE, scene

TWO = {name: CORNERS[name] for name in ("south", "east")}


def lines(cameras: dict[str, Pinhole], unit_m: float = 1.0) -> list[str]:
    seen = {name: whole_people(times, boxes, SIZE) for name, (times, boxes) in scene(TWO, seconds=60).items()}
    known = {
        name: CameraSite(
            size=SIZE,
            clock=Clock(status="common"),
            calibration=Calibration(K=one.intrinsics.tolist(), R=one.rotation.tolist(), t=one.shift.tolist()),
        )
        for name, one in cameras.items()
    }
    return evidence_lines(Site(cameras=known, world=World(unit_m=unit_m)), seen, 0.5)


def test_true_calibrations_agree():
    said = lines(TWO)
    assert len(said) == 3
    assert not any(line.startswith("warning") for line in said)


def test_half_a_metre_is_warned_of():
    said = lines(TWO | {"east": replace(TWO["east"], y_m=TWO["east"].y_m + 0.5)})
    assert said[-1].startswith("warning: south and east: ")
    assert 0.4 < float(said[-1].partition("chance are ")[2].split()[0]) < 0.65


def test_feet_for_metres_are_warned_of():
    said = lines(TWO, unit_m=1 / 0.3048)
    assert said[0].startswith("warning: south: people are 5.")
    assert "unit_m: 0.3" in said[0]


def test_one_calibration_is_nothing_to_compare():
    with pytest.raises(UserError, match="nothing to compare"):
        lines({"south": TWO["south"]})
