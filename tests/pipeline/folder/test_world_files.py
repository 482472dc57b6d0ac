from dataclasses import replace
from pathlib import Path

import numpy as np

from data.formats.world import read_world_paths
from data.records import Tracklet
from data.site import Site
from pipeline.folder.outcome import Outcome
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.world_files import world_paths, write_world_files

IDENTITY = [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]


def make_site(offset_s: float = 0.0) -> Site:
    known = {"calibration": {"homography": IDENTITY}, "clock": {"status": "common"}}
    late = {**known, "clock": {"status": "common", "offset_s": offset_s}}
    groups = [{"name": "hall", "cameras": ["a", "b"]}, {"name": "yard", "cameras": ["d", "e"]}]
    cameras = {"a": known, "b": late, "c": {}, "d": known, "e": known}
    return Site.model_validate({"cameras": cameras, "groups": groups})


def tracklet(camera: str, local_id: int, frames: list[int], spread: float = 0.04, **changes: object) -> Tracklet:
    """Somebody who walks along x at one metre per frame, four frames a second."""
    count = len(frames)
    number = np.array(frames, np.int64)
    whole = Tracklet(
        camera,
        local_id,
        number / 4,
        number,
        np.tile(np.array([0, 0, 10, 30], np.float32), (count, 1)),
        np.ones(count, np.float32),
        group_id=local_id,
        world_xy=np.stack([number, number * 0], axis=1).astype(np.float32),
        world_cov=np.tile(np.eye(2, dtype=np.float32) * np.float32(spread), (count, 1, 1)),
        world_height=np.full(count, 1.75, np.float32),
    )
    return replace(whole, **changes)


def test_one_row_per_person_and_instant(tmp_path: Path) -> None:
    seen = [tracklet("a", 0, [0, 1, 2]), tracklet("b", 5, [1, 2, 3], spread=0.01), tracklet("a", 1, [2])]
    ids = {("a", 0): 7, ("b", 5): 7, ("a", 1): 3}
    write_world_files(Outcome(RunFolder(tmp_path), make_site(), ("a", "b", "c"), tuple(seen), ids, (), (), 0.0, 0.0))
    assert [path.name for path in sorted((tmp_path / "world").iterdir())] == ["hall.csv"], "yard has no camera here"
    paths = read_world_paths(tmp_path / "world" / "hall.csv")
    assert list(zip(paths.times_s.tolist(), paths.ids.tolist(), strict=True)) == [
        (0.0, 7), (0.25, 7), (0.5, 3), (0.5, 7), (0.75, 7),
    ]  # fmt: skip
    assert paths.cov[:, 0, 0].tolist() == [0.04, 0.01, 0.04, 0.01, 0.01], "the surest place of the instant"
    assert set(paths.heights.tolist()) == {1.75}


def test_clocks_are_brought_together() -> None:
    seen = [tracklet("a", 0, [0, 1]), tracklet("b", 0, [0, 1])]
    ids = {item.key: 1 for item in seen}
    assert len(world_paths(make_site(0.02), make_site(0.02).groups[0], seen, ids, 0.0)) == 2
    late = world_paths(make_site(0.1), make_site(0.1).groups[0], seen, ids, 0.0)
    assert late.times_s.tolist() == [0.0, 0.1, 0.25, 0.35]


def test_short_absences_are_filled_where_the_group_looked() -> None:
    seen = [tracklet("a", 0, [0, 3, 20]), tracklet("b", 1, list(range(30)))]
    ids = {("a", 0): 0, ("b", 1): 1}
    site = make_site()
    paths = world_paths(site, site.groups[0], seen, ids, 0.8)
    mine = paths.select(paths.ids == 0)
    assert (mine.times_s * 4).tolist() == [0, 1, 2, 3, 20]
    np.testing.assert_allclose(mine.xy[:, 0], [0, 1, 2, 3, 20])
    assert len(world_paths(site, site.groups[0], seen, ids, 0.0)) == 33


def test_between_two_looks_people_are_on_the_line_between_them() -> None:
    looks = [0, 2, 3, 6, 12]
    seen = [tracklet("a", 0, looks), tracklet("b", 1, looks), tracklet("a", 2, [3, 6])]
    site = make_site(0.02)
    paths = world_paths(site, site.groups[0], seen, {("a", 0): 0, ("b", 1): 0, ("a", 2): 1}, 0.8)
    mine, other = paths.select(paths.ids == 0), paths.select(paths.ids == 1)
    np.testing.assert_allclose(mine.times_s, np.array([0, 1, 2, 3, 4, 5, 6, 12]) / 4 + 0.01)
    np.testing.assert_allclose(mine.xy[:, 0], [0, 1, 2, 3, 4, 5, 6, 12], err_msg="12: too long after 6")
    np.testing.assert_allclose(other.xy[:, 0], [3, 4, 5, 6], err_msg="nothing before the first look or after the last")


def test_who_stood_in_one_place_is_there_between_two_looks_at_a_resting_picture() -> None:
    site, walks = make_site(), tracklet("a", 0, [0, 8, 20, 21])
    stands = replace(walks, world_xy=np.zeros((4, 2), np.float32))
    paths = world_paths(site, site.groups[0], [stands], {("a", 0): 0}, 1.0)
    assert (paths.times_s * 4).tolist() == [*range(9), 20, 21], "2 s are filled, 3 s are not"
    paths = world_paths(site, site.groups[0], [walks], {("a", 0): 0}, 1.0)
    assert (paths.times_s * 4).tolist() == [0, 8, 20, 21]


def test_where_nothing_is_to_be_filled_no_instant_is_added() -> None:
    site, seen = make_site(), [tracklet("a", 0, [0, 1, 3, 6])]
    paths = world_paths(site, site.groups[0], seen, {("a", 0): 0}, 0.0)
    assert (paths.times_s * 4).tolist() == [0, 1, 3, 6]


def test_frames_that_are_never_used_are_no_instants() -> None:
    """A video of which every third frame is used."""
    site, seen = make_site(), [tracklet("a", 0, [0, 3, 9]), tracklet("a", 1, [6])]
    paths = world_paths(site, site.groups[0], seen, {("a", 0): 0, ("a", 1): 1}, 2.0)
    assert (paths.select(paths.ids == 0).times_s * 4).tolist() == [0, 3, 6, 9]


def test_rows_without_a_place_are_passed_over() -> None:
    lost = np.array([[0, 0], [np.nan, np.nan]], np.float32)
    seen = [
        tracklet("a", 0, [0, 1], world_xy=lost),
        tracklet("b", 1, [0], world_xy=None, world_cov=None, world_height=None),
        tracklet("a", 2, [5], world_cov=None, world_height=None),
        tracklet("c", 3, [0]),
    ]
    site = make_site()
    paths = world_paths(site, site.groups[0], seen, {item.key: item.local_id for item in seen}, 1.0)
    assert paths.ids.tolist() == [0, 2]
    assert np.isnan(paths.heights[1])


def test_the_order_of_tracklets_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    seen = [tracklet("ab"[n % 2], n, sorted(rng.choice(40, 12, replace=False).tolist())) for n in range(12)]
    ids = {item.key: item.local_id // 3 for item in seen}
    site = make_site()
    one, other = (world_paths(site, site.groups[0], side, ids, 0.6) for side in (seen, seen[::-1]))
    np.testing.assert_array_equal(one.xy, other.xy)
    np.testing.assert_array_equal(one.ids, other.ids)
    pairs = set(zip(one.times_s.tolist(), one.ids.tolist(), strict=True))
    assert len(pairs) == len(one)


def test_a_run_in_which_nobody_was_placed(tmp_path: Path) -> None:
    write_world_files(Outcome(RunFolder(tmp_path), make_site(), ("a",), (), {}, (), (), 1.0, 0.0))
    assert len(read_world_paths(tmp_path / "world" / "hall.csv")) == 0
