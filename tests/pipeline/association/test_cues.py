"""A cue is a value: a new kind of evidence needs no change to what goes over cues."""

import ast
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import pipeline
import st_model
from data.records import IntArray
from pipeline.association import appearance_cue, consequences, motion, neighbourhood, space_time, walk, worth
from pipeline.association.associate import associate
from pipeline.association.config import AssociateConfig
from pipeline.association.cue import Cue, CueInput
from pipeline.association.registry import SOURCES

CONFIG = AssociateConfig()


@dataclass(frozen=True)
class Badges:
    """People wear a number, which is the last digit of the local id; half of the cameras cannot read it."""

    given: CueInput
    teaches: bool

    def propose(self) -> tuple[IntArray, IntArray]:
        badge = self._badges()
        a, b = np.triu_indices(len(badge), 1)
        same = badge[a] == badge[b]
        return a[same], b[same]

    def measure(self, a: IntArray, b: IntArray) -> Cue:
        badge = self._badges()
        unread = np.array([tracklet.camera == "blind" for tracklet in self.given.table.tracklets])
        llr = np.where(badge[a] == badge[b], 6.0, -6.0)
        llr[unread[a] | unread[b]] = np.nan
        return Cue("badge", llr, evident=True, teaches=self.teaches)

    def _badges(self) -> IntArray:
        return np.array([tracklet.local_id % 10 for tracklet in self.given.table.tracklets])


def with_badges(teaches=True):
    return (*SOURCES, lambda given: Badges(given, teaches))


def walkers(make, cameras=("a", "b")):
    return [
        make.tracklet(camera, number, 100 * number + 20 * place, 100 * number + 20 * place + 5)
        for place, camera in enumerate(cameras)
        for number in range(4)
    ]


def test_a_new_cue_joins_people_nothing_else_speaks_of(make):
    tracklets, site = walkers(make), make.site("a", "b")
    assert len(associate(tracklets, site, CONFIG).global_tracks) == 8
    found = associate(tracklets, site, CONFIG, cues=with_badges())
    assert {tuple(sorted(key for key in found.labels if key[1] == number)) for number in range(4)} == {
        tuple((visit.camera, visit.local_id) for visit in track.visits) for track in found.global_tracks
    }


def test_the_report_prints_it_and_the_total_holds_it(make):
    found = associate(walkers(make), make.site("a", "b"), CONFIG, cues=with_badges())
    link = next(link for link in found.links if link.a[1] == link.b[1])
    assert link.llr["badge"] == 6.0
    assert link.probability == pytest.approx(1 / (1 + np.exp(-sum(link.llr.values()))))


def test_no_evidence_is_no_link(make):
    found = associate(walkers(make, ("a", "blind")), make.site("a", "blind"), CONFIG, cues=with_badges())
    assert found.links == ()
    assert len(found.global_tracks) == 8


@pytest.mark.parametrize("teaches", [True, False])
def test_what_may_teach_transit_times_is_told_by_the_cue(make, teaches):
    found = associate(walkers(make), make.site("a", "b"), CONFIG, cues=with_badges(teaches))
    for link, taught in zip(found.links, found.teaching, strict=True):
        rest = sum(value for name, value in link.llr.items() if name != "badge")
        assert taught == pytest.approx(rest + (link.llr["badge"] if teaches else 0.0))


def test_it_is_evidence_when_appearance_is_calibrated(make):
    """Badges tell who is who where appearance hardly does, so what distances mean is learnt better."""
    tracklets, _ = make.crowd(8, 2, noise=1.6)
    alone = associate(tracklets, make.site("cam0", "cam1"), CONFIG)
    both = associate(tracklets, make.site("cam0", "cam1"), CONFIG, cues=with_badges())
    (model,) = (name for name in alone.calibration if name != "rerank")
    assert both.calibration[model]["match"] > alone.calibration[model]["match"]


def test_a_cue_may_be_left_out(make):
    tracklets, _ = make.crowd(6, 2, noise=0.25)
    without = tuple(build for build in SOURCES if build is not appearance_cue.appearance_source)
    assert len(associate(tracklets, make.site("cam0", "cam1"), CONFIG).global_tracks) == 6
    assert len(associate(tracklets, make.site("cam0", "cam1"), CONFIG, cues=without).global_tracks) == 12


def test_selected_pairs_keep_what_is_known_of_them():
    cue = Cue("any", np.array([1.0, 2.0, np.nan]), one_visit=np.array([True, False, False]), prior_odds=np.arange(3.0))
    kept = cue.select(np.array([True, False, True]))
    assert kept.one_visit.tolist() == [True, False]
    assert kept.prior_odds.tolist() == [0.0, 2.0]
    assert replace(kept, name="other").speaks.tolist() == [True, False]


def test_no_module_asks_for_a_cue_by_name():
    """Names are for the report: nothing compares with one or looks one up."""
    names = {module.NAME for module in (appearance_cue, motion, neighbourhood, space_time, walk)}
    names |= {consequences.RIVALS, consequences.PRIOR, worth.NAME}
    for package in (pipeline, st_model):
        for path in sorted(Path(package.__file__).parent.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                asked = [*node.comparators, node.left] if isinstance(node, ast.Compare) else []
                asked += [node.slice] if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) else []
                found = [item.value for item in asked if isinstance(item, ast.Constant) and item.value in names]
                assert not found, f"{path}:{node.lineno} asks for the cue {found}"
