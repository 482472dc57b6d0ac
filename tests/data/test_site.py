import json
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.site import Site, load_site, save_site

# 500 px focal length, 4 m above (2, -3), 25 degrees down, along y.
PROJECTION = [
    [500.0, 290.0185, -135.2378, 411.0069],
    [0.0, 6.2047, -554.5823, 2236.9433],
    [0.0, 0.9063, -0.4226, 4.4094],
]
HOMOGRAPHY = [[row[0], row[1], row[3]] for row in PROJECTION]
FULL = {
    "cameras": {
        "lobby": {
            "source": "videos/lobby.mp4",
            "fps": 25.0,
            "size": [640, 480],
            "clock": {"status": "common", "offset_s": 1.5, "drift_ppm": 20.0},
            "calibration": {"projection": PROJECTION},
        },
        "gate": {"clock": {"status": "estimated"}, "calibration": {"homography": HOMOGRAPHY}},
        "yard": None,
        "roof": {},
    },
    "overlap": [{"cameras": ["lobby", "yard"], "value": "none"}],
    "groups": [{"name": "front", "cameras": ["lobby", "gate"], "sync_tolerance_s": 0.04}],
}


def write(path: Path, tree: object) -> Path:
    path.write_text(json.dumps(tree))
    return path


@pytest.fixture
def site(tmp_path) -> Site:
    return load_site(write(tmp_path / "site.yaml", FULL))


def changed(**changes: object) -> dict:
    return {**json.loads(json.dumps(FULL)), **changes}


def test_facts(site):
    assert site.fps("lobby") == 25
    assert site.size("lobby") == (640, 480)
    assert site.fps("yard") is None
    assert site.size("yard") is None
    assert site.model("yard") is None
    assert site.model("lobby") is not None


def test_common_times(site):
    times = np.array([0.0, 1e6])
    np.testing.assert_allclose(site.common_times("lobby", times), [1.5, 1e6 + 20 + 1.5], rtol=0, atol=1e-6)
    assert site.common_times("yard", times).tolist() == times.tolist()
    assert site.common_times("yard", times).dtype == np.float64


def test_clocks(site):
    assert site.clocks_common("lobby", "gate")
    assert not site.clocks_common("lobby", "yard")
    assert not site.clocks_common("roof", "yard")
    assert site.clocks_common("yard", "yard")


def test_overlap(site):
    assert site.overlap("lobby", "yard") == site.overlap("yard", "lobby") == "none"
    assert site.overlap("lobby", "gate") == "partial", "one group"
    assert site.overlap("roof", "yard") == "unknown"
    assert site.overlap("yard", "yard") == "partial"


def test_a_group_pair_may_be_declared_otherwise(tmp_path):
    tree = changed(overlap=[{"cameras": ["gate", "lobby"], "value": "none"}], default_overlap="partial")
    site = load_site(write(tmp_path / "s.yaml", tree))
    assert site.overlap("lobby", "gate") == "none"
    assert site.overlap("roof", "yard") == "partial"


def test_blank():
    site = Site.blank(["a", "b"])
    assert list(site.cameras) == ["a", "b"]
    assert site.overlap("a", "b") == "unknown"
    assert not site.clocks_common("a", "b")
    assert site.common_times("a", [3.25]).tolist() == [3.25]


def test_a_camera_that_is_not_listed_is_unknown(site):
    assert site.fps("cellar") is None
    assert site.size("cellar") is None
    assert site.model("cellar") is None
    assert not site.clocks_common("cellar", "lobby")
    assert site.overlap("cellar", "lobby") == "unknown"
    completed = site.completed(["cellar", "lobby"])
    assert list(completed.cameras) == ["lobby", "gate", "yard", "roof", "cellar"]
    assert completed.fps("lobby") == 25
    completed.check_cameras(["cellar"])
    assert Site.blank([]).completed(["a"]) == Site.blank(["a"])


def test_check_cameras(site):
    site.check_cameras(["lobby", "yard"])
    with pytest.raises(UserError, match=r"does not list camera 'loby'; did you mean 'lobby'\?"):
        site.check_cameras(["yard", "loby"])


def test_round_trip(site, tmp_path):
    path = tmp_path / "again.yaml"
    save_site(site, path)
    assert load_site(path) == site
    first = path.read_bytes()
    save_site(load_site(path), path)
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (changed(camera={}), r"unknown key 'camera'; did you mean 'cameras'\?"),
        ({"cameras": {"a": {"fsp": 3}}}, r"unknown key 'cameras\.a\.fsp'; did you mean 'fps'\?"),
        ({"cameras": {"a": {"clock": {"offset": 3}}}}, r"cameras\.a\.clock\.offset'; did you mean 'offset_s'\?"),
        ({"cameras": {"a": {"calibration": {"Homography": []}}}}, r"did you mean 'homography'\?"),
        (changed(groups=[{"name": "g", "camera": ["a"]}]), r"unknown key 'groups\.0\.camera'|groups\.0\.cameras"),
        (changed(overlap=[{"cameras": ["lobby", "gate"], "values": "none"}]), "values|value"),
        ({"cameras": {"a": {"fps": 0}}}, r"cameras\.a\.fps: .*greater than 0, not 0"),
        ({"cameras": {"a": {"size": [0, 5]}}}, "above 0"),
        ({"cameras": {"a": {"clock": {"status": "maybe"}}}}, r"cameras\.a\.clock\.status"),
        ({"cameras": {"a": {"clock": {"offset_s": float("nan")}}}}, r"offset_s"),
        ({"cameras": {"../a": {}}}, "cannot stand in file names"),
        ({"cameras": {"a": {"calibration": {}}}}, "exactly one of"),
        (
            {"cameras": {"a": {"calibration": {"projection": PROJECTION, "homography": np.eye(3).tolist()}}}},
            "exactly one",
        ),
        ({"cameras": {"a": {"calibration": {"K": np.eye(3).tolist()}}}}, "belong together"),
        ({"cameras": {"a": {"calibration": {"projection": PROJECTION, "dist": [0] * 5}}}}, "dist needs K"),
        ({"cameras": {"a": {"calibration": {"projection": PROJECTION[:2]}}}}, r"calibration\.projection"),
        ({"cameras": {"a": {"calibration": {"homography": np.zeros((3, 3)).tolist()}}}}, "singular"),
        (
            {
                "cameras": {
                    "a": {"calibration": {"K": np.eye(3).tolist(), "R": (2 * np.eye(3)).tolist(), "t": [0, 0, 1]}}
                }
            },
            "not a rotation",
        ),
        (changed(overlap=[{"cameras": ["lobby", "gat"], "value": "none"}]), r"no camera 'gat'; did you mean 'gate'\?"),
        (changed(overlap=[{"cameras": ["gate", "gate"], "value": "none"}]), "paired with itself"),
        (changed(overlap=[{"cameras": ["gate", "yard"], "value": "none"}] * 2), "listed twice"),
        (changed(groups=[{"name": "g", "cameras": ["lobby", "roof"]}]), "'roof' has no calibration"),
        (changed(groups=[{"name": "g", "cameras": ["lobby"]}]), "group 'g' has 1 camera; a group is two or more"),
        (
            changed(groups=[{"name": "../g", "cameras": ["lobby", "gate"]}]),
            "group name '../g' cannot stand in file names",
        ),
        (changed(groups=[{"name": "g", "cameras": ["lobby", "gate"]}] * 2), "two groups are named 'g'"),
        (changed(groups=[{"name": n, "cameras": ["lobby", "gate"]} for n in "gh"]), "in group 'g' and again in 'h'"),
        ([1, 2], "must be a mapping"),
        ({}, r"cameras: Field required"),
        ({"cameras": {"a": {"calibration": {"homography": [[1, 2], [3, 4], [5, 6]]}}}}, r"homography\.0"),
    ],
)
def test_mistakes_are_one_clear_line(tmp_path, tree, message):
    path = write(tmp_path / "site.yaml", tree)
    with pytest.raises(UserError, match=message) as caught:
        load_site(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_group_needs_clocks(tmp_path):
    tree = json.loads(json.dumps(FULL))
    tree["cameras"]["gate"]["clock"]["status"] = "unknown"
    with pytest.raises(UserError, match="the clock of camera 'gate' is unknown"):
        load_site(write(tmp_path / "site.yaml", tree))


def test_files_that_are_no_site(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        load_site(tmp_path / "gone.yaml")
    path = tmp_path / "bad.yaml"
    path.write_text("cameras: [unclosed\n  a: b")
    with pytest.raises(UserError, match="not valid YAML") as caught:
        load_site(path)
    assert "\n" not in str(caught.value)
    path.write_text("!!python/object/apply:os.system ['echo hacked']")
    with pytest.raises(UserError, match="not valid YAML"):
        load_site(path)
