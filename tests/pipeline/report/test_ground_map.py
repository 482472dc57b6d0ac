"""The map of a group's floor: everything in its place, no name on another, small enough for a hundred people."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.formats.world import WorldPaths, write_world_paths
from data.records import GlobalTrack, Visit
from data.site import Site, save_site
from pipeline.folder.run_folder import RunFolder
from pipeline.report.config import ReportConfig
from pipeline.report.ground_map import GroundMap, ground_map
from pipeline.report.labels import Box, place_label, text_width
from pipeline.report.page import write_report

SIZE = (640, 480)


def camera(x: float, y: float, heading: float, mirrored: bool = False) -> dict:
    """A camera three metres up that looks half a radian down; heading 0 is north (along y), a quarter turn west.

    A mirrored world is the same floor with y the other way round.
    """
    sin, cos = np.sin(heading), np.cos(heading)
    right, ahead = np.array([cos, sin, 0]), np.array([-sin * 0.8776, cos * 0.8776, -0.4794])
    rotation = np.stack([right, np.cross(ahead, right), ahead])
    whole = np.column_stack([rotation, -rotation @ np.array([x, y, 3.0])])
    if mirrored:
        whole = whole @ np.diag([1, -1, 1, 1])
    projection = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]) @ whole
    return {
        "size": list(SIZE),
        "fps": 4.0,
        "calibration": {"projection": projection.tolist()},
        "clock": {"status": "common"},
    }


def make_site(mirrored: bool = False) -> Site:
    places = {"north": (0, -8, 0.0), "west": (8, 0, np.pi / 2), "long_name": (0.2, -8, 0.1)}
    cameras = {name: camera(*place, mirrored=mirrored) for name, place in places.items()}
    return Site.model_validate({"cameras": cameras, "groups": [{"name": "hall", "cameras": list(cameras)}]})


SITE = make_site()


def some_paths(people: int, seconds: float = 60.0, seed: int = 0) -> WorldPaths:
    rng = np.random.default_rng(seed)
    times, ids = (grid.ravel() for grid in np.meshgrid(np.arange(0, seconds, 0.1), np.arange(people), indexing="ij"))
    start, velocity = rng.uniform(-5, 5, (people, 2)), rng.normal(0, 0.05, (people, 2))
    xy = start[ids] + velocity[ids] * times[:, None]
    return WorldPaths.make(times, ids, xy, np.tile(np.eye(2), (len(ids), 1, 1)), np.full(len(ids), 1.7))


def made(paths: WorldPaths, site: Site = SITE) -> GroundMap:
    return ground_map(site.groups[0], site, paths, {"north": "A"}, {0: "person-0"})


def numbers(text: str) -> np.ndarray:
    return np.array([float(value) for value in re.findall(r"-?[\d.]+", text)])


def test_ways_lie_on_the_sheet_and_keep_their_times() -> None:
    found = made(some_paths(5))
    assert [path.label for path in found.paths] == ["0", "1", "2", "3", "4"]
    assert (found.paths[0].anchor, found.paths[1].anchor) == ("person-0", "")
    for path in found.paths:
        points = numbers(path.line).reshape(-1, 2)
        times = np.cumsum(numbers(path.times))
        assert len(points) == len(times)
        assert times[0] == 0
        assert times[-1] == 599
        assert (points >= 0).all()
        assert (points <= [found.width, found.height]).all()
    assert found.seconds == pytest.approx(59.9)


def test_north_is_up_and_cameras_see_ahead() -> None:
    still = WorldPaths.make([0, 0], [0, 1], [[0, -1], [0, 4]], np.tile(np.eye(2), (2, 1, 1)), [1.7, 1.7])
    found = made(still)
    (_, south), (_, north) = (numbers(path.line) for path in found.paths)
    assert north < south
    by_name = {entry.name: entry for entry in found.cameras}
    place = by_name["north"].place
    assert place is not None
    field = np.array([[float(value) for value in corner.split(",")] for corner in by_name["north"].field.split()])
    assert (field[:, 1] < place[1]).all(), "all of its floor lies north of it"
    assert by_name["north"].letter == "A"


def test_a_mirrored_floor_plan_is_shown_as_it_is_walked() -> None:
    straight = some_paths(3)
    flipped = WorldPaths(straight.times_s, straight.ids, straight.xy * [1, -1], straight.cov, straight.heights)
    for one, other in zip(made(straight).paths, made(flipped, make_site(mirrored=True)).paths, strict=True):
        np.testing.assert_allclose(numbers(one.line), numbers(other.line), atol=0.11)


def test_no_camera_name_covers_another() -> None:
    boxes = [entry.box for entry in made(some_paths(5)).cameras if entry.box]
    assert len(boxes) == 3
    assert not any(a.meets(b) for number, a in enumerate(boxes) for b in boxes[:number])


@given(st.lists(st.tuples(st.floats(0, 400), st.floats(0, 300)), min_size=1, max_size=30))
def test_names_never_meet(points: list[tuple[float, float]]) -> None:
    sheet = Box(0, 0, 400, 300)
    taken: list[Box] = []
    for number, point in enumerate(points):
        box = place_label(point, text_width(str(number)), taken, sheet)
        if box is not None:
            assert not any(box.meets(other) for other in taken)
            assert box.x1 >= 0
            assert box.y2 <= 300
            taken.append(box)
    assert taken


def test_a_way_breaks_where_nobody_was_seen() -> None:
    paths = some_paths(1)
    torn = paths.select((paths.times_s < 10) | (paths.times_s > 20))
    (path,) = made(torn).paths
    assert path.line.count("M") == 2


def test_a_hundred_people_for_half_an_hour_stay_small() -> None:
    found = made(some_paths(100, 300.0))
    size = sum(len(path.line) + len(path.times) for path in found.paths)
    assert size < 3e6
    assert sum(path.times.count(" ") for path in found.paths) < 70_000


def test_a_group_in_which_nobody_walked() -> None:
    found = made(WorldPaths.empty())
    assert found.paths == ()
    assert found.seconds == 0
    assert all(entry.field for entry in found.cameras)


def test_the_page_shows_the_map(tmp_path) -> None:
    folder = RunFolder(tmp_path)
    folder.tracklets.mkdir()
    save_site(SITE, folder.site)
    write_world_paths(folder.world("hall"), some_paths(100, 20.0))
    folder.write_global_tracks([GlobalTrack(n, (Visit("north", n, 0.0, 20.0),), 1.0) for n in range(100)])
    text = write_report(folder, ReportConfig()).read_text(encoding="utf-8")
    assert text.count('class="way"') == 100
    assert '<a href="#ground">' in text
    assert text.count("<script>") == 1
    assert "http://www.w3.org/2000/svg" in text
    assert not re.search(r'(src|href)="http', text), "nothing is fetched"
    folder.world("hall").unlink()
    assert 'class="card floor"' not in write_report(folder, ReportConfig()).read_text(encoding="utf-8")
