"""People a group's tracker followed over overlapping cameras: links that hold, and what revokes them."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from data.records import Link, Tracklet
from data.site import Site
from pipeline.association.associate import associate
from pipeline.association.config import AssociateConfig
from pipeline.association.corrections import Anchor, Correction
from pipeline.association.exclusions import OTHER_PLACE, build_exclusions
from pipeline.association.table import build_table
from pipeline.association.transitions import find_transitions
from st_model.config import SpaceTimeConfig

FPS = 4.0
IDENTITY = [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]
KNOWN = {"calibration": {"homography": IDENTITY}, "clock": {"status": "common"}}
SITE = Site.model_validate(
    {
        "cameras": {"a": KNOWN, "b": KNOWN, "c": KNOWN, "d": KNOWN, "gate": {"clock": {"status": "common"}}},
        "groups": [{"name": "hall", "cameras": ["a", "b"]}, {"name": "yard", "cameras": ["c", "d"]}],
        "default_overlap": "none",
    }
)


def tracklet(camera: str, local_id: int, start: int, stop: int, group_id: int = -1, x: float = 0.0) -> Tracklet:
    """Somebody who stands still at x."""
    frames = np.arange(start, stop)
    boxes = np.tile(np.array([0, 0, 20, 60], np.float32), (len(frames), 1))
    placed = {} if group_id < 0 else {"world_xy": np.tile(np.array([x, 0], np.float32), (len(frames), 1))}
    scores = np.ones(len(frames), np.float32)
    return Tracklet(camera, local_id, frames / FPS, frames, boxes, scores, group_id=group_id, **placed)


def people(tracklets: list[Tracklet], site: Site = SITE, corrections: tuple[Correction, ...] = ()) -> dict:
    return associate(tracklets, site, AssociateConfig(), corrections=corrections).labels


def test_views_of_one_person_are_linked_and_groups_number_their_own() -> None:
    seen = [
        tracklet("a", 0, 0, 40, 0), tracklet("b", 0, 5, 45, 0), tracklet("a", 1, 0, 40, 1, x=9),
        tracklet("c", 0, 0, 40, 0), tracklet("d", 7, 3, 30, 0),
    ]  # fmt: skip
    labels = people(seen)
    assert labels["a", 0] == labels["b", 0]
    assert labels["c", 0] == labels["d", 7]
    assert len({labels["a", 0], labels["a", 1], labels["c", 0]}) == 3
    assert people(seen[::-1]) == labels


def test_a_site_without_the_group_does_not_link() -> None:
    seen = [tracklet("a", 0, 0, 40, 0), tracklet("b", 0, 5, 45, 0)]
    labels = people(seen, SITE.model_copy(update={"groups": []}))
    assert labels["a", 0] != labels["b", 0]


def test_a_correction_revokes_a_link() -> None:
    seen = [tracklet("a", 0, 0, 40, 0), tracklet("b", 0, 5, 45, 0), tracklet("b", 1, 50, 60, 0)]
    box = (0.0, 0.0, 20.0, 60.0)
    places = Anchor(camera="a", time_s=2.0, box=box), Anchor(camera="b", time_s=2.0, box=box)
    labels = people(seen, corrections=(Correction("different", *places),))
    assert labels["a", 0] == labels["b", 1] != labels["b", 0]


@pytest.mark.parametrize("overlap", [0, 10])
def test_one_camera_sees_a_person_once(overlap: int) -> None:
    """What the tracker links against the eyes of a camera is dropped, and said."""
    seen = [tracklet("a", 0, 0, 40, 0), tracklet("a", 1, 40 - overlap, 80, 0), tracklet("b", 0, 5, 45, 0)]
    found = associate(seen, SITE, AssociateConfig())
    apart = found.labels["a", 0] != found.labels["a", 1]
    assert apart == bool(overlap)
    assert any("stay apart although they are linked (group)" in line for line in found.warnings) == bool(overlap)


def test_two_people_of_a_group_at_different_places_are_never_one() -> None:
    def reason(x: float, group_id: int = 1, start: int = 10) -> int:
        pair = [tracklet("a", 0, 0, 40, 0), tracklet("b", 0, start, 90, group_id, x=x)]
        exclusions = build_exclusions(build_table(pair, SITE), AssociateConfig().constraints)
        return int(exclusions.reasons(np.array([0]), np.array([1]))[0])

    assert reason(4.0) == OTHER_PLACE
    assert reason(0.3) == 0, "two tracks of one person"
    assert reason(4.0, start=60) == 0, "later he may be anywhere"
    assert reason(4.0, group_id=0) == 0, "the tracker says that it is one"


def test_the_views_of_a_group_begin_and_end_one_stay() -> None:
    seen = [
        tracklet("a", 0, 0, 40, 0), tracklet("b", 0, 5, 48, 0), tracklet("b", 1, 60, 70, 0),
        tracklet("gate", 0, 90, 99),
    ]  # fmt: skip
    table = build_table(seen, SITE)
    assert table.keys == [("a", 0), ("b", 0), ("b", 1), ("gate", 0)]
    assert table.arrives.tolist() == [True, False, False, True]
    assert table.departs.tolist() == [False, False, True, True]


def test_transit_times_are_learnt_from_the_stay_not_from_each_view() -> None:
    """Forty people walk from the hall to the gate in 20 s; camera a loses sight of them 10 s before they leave."""
    seen, rng = [], np.random.default_rng(0)
    for person in range(40):
        start = person * 400
        leave = start + 80
        come = leave + 80 + int(rng.integers(-4, 5))
        seen += [tracklet("a", person, start, leave - 40, person), tracklet("b", person, start + 8, leave, person)]
        seen += [tracklet("gate", person, come, come + 20)]
    site = SITE.model_copy(update={"groups": SITE.groups[:1]})

    def known(_: object) -> SimpleNamespace:
        links = [
            Link(one.key, other.key, {}, {}, {}, 1.0, 0.99, "same", 1.0)
            for one, other in combinations(seen, 2)
            if one.local_id == other.local_id
        ]
        return SimpleNamespace(links=links, teaching=[3.0] * len(links))

    model = find_transitions(seen, site, SpaceTimeConfig(), known).model
    assert model is not None
    a, b, gate = (model.cameras.index(name) for name in ("a", "b", "gate"))
    assert model.next_counts[a, gate] < 1e-6
    assert 30 < model.next_counts[b, gate] <= 40
    assert model.evidence.visits[[a, b, gate]].tolist() == [0, 40, 40]
