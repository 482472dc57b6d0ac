"""Gait as a cue: what it joins, what it parts and what it says nothing of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.records import Tracklet
from data.site import Site
from pipeline.association.associate import associate
from pipeline.association.config import AssociateConfig, GaitCueConfig
from pipeline.association.cue import Cue, CueInput
from pipeline.association.exclusions import build_exclusions
from pipeline.association.gait_cue import gait_source
from pipeline.association.table import build_table
from tests.walkers import camera_at, people, seen, site_of, walk
from tools.train_gait_matcher import main as train

WALKERS = people(8)


@pytest.fixture(scope="module")
def matcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("matcher") / "plane.safetensors"
    assert train(["--out", str(path), "--people", "30"]) == 0
    return path


@pytest.fixture(scope="module")
def site() -> Site:
    return site_of({"a": camera_at((0, -6, 2.5), (0, 0, 1)), "b": camera_at((1, 7, 3), (0, 0, 1))})


@pytest.fixture(scope="module")
def tracklets(site: Site) -> list[Tracklet]:
    """Everybody walks past both cameras, the second time from the right; nobody at once."""
    found = []
    for number, person in enumerate(WALKERS):
        for camera, start, yaw in (("a", (-2.0, 0.0), 0.0), ("b", (2.5, 0.0), np.pi)):
            model = site.model(camera)
            assert model is not None
            times, joints = walk(person, 3, start, yaw)
            begin = 20.0 * number + (10.0 if camera == "b" else 0.0)
            found.append(seen(camera, number, model, times, joints, noise_px=3.0, start_s=begin))
    return found


def config(matcher: Path | None, **changes: object) -> AssociateConfig:
    gait = GaitCueConfig.model_validate({"model": None if matcher is None else str(matcher), **changes})
    return AssociateConfig(gait=gait)


def measured(tracklets: list[Tracklet], site: Site, settings: AssociateConfig) -> tuple[Cue, np.ndarray, np.ndarray]:
    table = build_table(tracklets, site)
    exclusions = build_exclusions(table, settings.constraints)
    source = gait_source(CueInput(table, exclusions, settings, site=site))
    assert source is not None
    a, b = np.triu_indices(len(table), 1)
    cue = source.measure(a, b)
    assert isinstance(cue, Cue)
    who = np.array([tracklet.local_id for tracklet in table.tracklets])
    return cue, who[a], who[b]


def test_it_joins_one_person_and_parts_two(tracklets: list[Tracklet], site: Site, matcher: Path) -> None:
    cue, first, second = measured(tracklets, site, config(matcher))
    same = first == second
    assert np.median(cue.llr[same]) > 1
    assert np.median(cue.llr[~same]) < -1
    assert np.abs(cue.llr).max() <= 3
    table = build_table(tracklets, site)
    settings = config(matcher)
    source = gait_source(CueInput(table, build_exclusions(table, settings.constraints), settings, site=site))
    assert source is not None
    proposed = set(zip(*(rows.tolist() for rows in source.propose()), strict=True))
    pairs = [(row, row + len(WALKERS)) for row in range(len(WALKERS))]
    assert sum(pair in proposed for pair in pairs) >= len(WALKERS) - 1


def test_people_are_found_again_by_gait_alone(tracklets: list[Tracklet], site: Site, matcher: Path) -> None:
    def joined(settings: AssociateConfig) -> tuple[int, int]:
        labels = associate(tracklets, site, settings).labels
        right = sum(labels["a", number] == labels["b", number] for number in range(len(WALKERS)))
        return right, len(set(labels.values()))

    assert joined(config(None)) == (0, 2 * len(WALKERS))
    right, people_found = joined(config(matcher))
    assert right >= len(WALKERS) // 2
    assert people_found >= len(WALKERS)


def test_it_says_nothing_of_who_cannot_be_lifted(tracklets: list[Tracklet], site: Site, matcher: Path) -> None:
    one = tracklets[1]
    assert one.keypoints is not None
    short = replace(
        one, times_s=one.times_s[:6], frames=one.frames[:6], boxes=one.boxes[:6], scores=one.scores[:6],
        keypoints=one.keypoints[:6],
    )  # fmt: skip
    given = [replace(tracklets[0], keypoints=None), short, *tracklets[2:]]
    cue, first, second = measured(given, site, config(matcher))
    silent = np.isnan(cue.llr)
    assert np.array_equal(silent, (first == 0) | (second == 0))
    assert cue.facts["left_out"] == {"no keypoints": 1, "shorter than 0.5 s": 1}


def test_without_calibration_or_matcher_there_is_no_cue(tracklets: list[Tracklet], site: Site, matcher: Path) -> None:
    table = build_table(tracklets, site)
    exclusions = build_exclusions(table, config(matcher).constraints)
    assert gait_source(CueInput(table, exclusions, config(None), site=site)) is None
    for site_of_none in (Site.blank(["a", "b"]), None):
        silent = gait_source(CueInput(table, exclusions, config(matcher), site=site_of_none))
        assert silent is not None
        cue = silent.measure(*(np.array([row]) for row in (0, 1)))
        assert not cue.speaks.any()
        assert "gait says nothing: 0 tracklets show theirs" in cue.warnings[0]


def test_bad_keypoints_silence_it_with_a_warning(tracklets: list[Tracklet], site: Site, matcher: Path) -> None:
    rng = np.random.default_rng(0)
    spoilt = []
    for item in tracklets:
        assert item.keypoints is not None
        points = item.keypoints.copy()
        # As of a network that sees everybody otherwise: joints off by a fixed way in each tracklet.
        points[..., :2] += rng.normal(0, 25, (1, 17, 2))
        spoilt.append(replace(item, keypoints=points))
    cue, _, _ = measured(spoilt, site, config(matcher))
    assert np.isnan(cue.llr).all()
    assert "gait is left out" in cue.warnings[0]
    loud, _, _ = measured(spoilt, site, config(matcher, strangest=1e6))
    assert np.isfinite(loud.llr).any()
