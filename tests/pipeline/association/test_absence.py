"""Who was unseen for too long gets a new identity, where that convention is asked for."""

import numpy as np

from data.records import Tracklet
from data.site import Site
from pipeline.association.absence import split_absences
from pipeline.association.table import build_table


def _tracklet(camera: str, local_id: int, start_s: float, end_s: float) -> Tracklet:
    times = np.array([start_s, end_s])
    frames = (times * 10).astype(np.int64)
    return Tracklet(camera, local_id, times, frames, np.ones((2, 4), np.float32), np.ones(2, np.float32))


_COMMON = Site.model_validate({"cameras": {"a": {"clock": {"status": "common"}}, "b": {"clock": {"status": "common"}}}})


def _split(
    tracklets: list[Tracklet], labels: list[int], longest_s: float | None, site: Site
) -> dict[tuple[str, int], int]:
    table = build_table(tracklets, site)
    found = split_absences(table, np.array([labels[tracklets.index(item)] for item in table.tracklets]), longest_s)
    return dict(zip(table.keys, found.tolist(), strict=True))


def test_a_long_absence_parts_and_a_short_one_does_not() -> None:
    visits = [_tracklet("a", 0, 0, 10), _tracklet("a", 1, 12, 20), _tracklet("a", 2, 40, 50)]
    found = _split(visits, [7, 7, 7], 5.0, Site.blank(["a"]))
    assert found["a", 0] == found["a", 1] != found["a", 2]


def test_being_seen_elsewhere_is_no_absence() -> None:
    visits = [_tracklet("a", 0, 0, 10), _tracklet("b", 0, 11, 30), _tracklet("a", 1, 32, 40)]
    assert len(set(_split(visits, [3, 3, 3], 5.0, _COMMON).values())) == 1


def test_a_long_visit_covers_a_short_one_within_it() -> None:
    visits = [_tracklet("a", 0, 0, 100), _tracklet("b", 0, 10, 11), _tracklet("b", 1, 102, 110)]
    assert len(set(_split(visits, [3, 3, 3], 5.0, _COMMON).values())) == 1


def test_without_a_common_clock_nobody_is_parted() -> None:
    visits = [_tracklet("a", 0, 0, 10), _tracklet("b", 0, 500, 510)]
    assert len(set(_split(visits, [1, 1], 5.0, Site.blank(["a", "b"])).values())) == 1


def test_different_people_stay_different_and_none_changes_nothing() -> None:
    visits = [_tracklet("a", 0, 0, 10), _tracklet("a", 1, 11, 20)]
    assert len(set(_split(visits, [4, 2], 5.0, Site.blank(["a"])).values())) == 2
    assert _split(visits, [4, 4], None, Site.blank(["a"])) == {("a", 0): 4, ("a", 1): 4}
