import numpy as np
import pytest

from data.errors import UserError
from data.formats.tracks_in import read_track_folder
from data.site import CameraSite, Site

SITE = Site(cameras={"a": CameraSite(fps=10, size=(640, 480)), "b": CameraSite(fps=5)})
ROWS = [
    (5, 7, 10, 20, 5, 6, 0.5),
    (1, 7, 1, 2, 3, 4, 0.9),
    (5, 0, 30, 40, 7, 8, 0.7),
    (2, 7, 5, 6, 7, 8, 0.8),
]


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(str(value) for value in row) + ",-1,-1,-1\n" for row in rows))


def test_one_tracklet_per_id(tmp_path):
    write(tmp_path / "a.txt", ROWS)
    write(tmp_path / "b.txt", ROWS[:1])
    found = read_track_folder(tmp_path, SITE)
    assert [(one.camera, one.local_id) for one in found["a"]] == [("a", 0), ("a", 7)]
    seven = found["a"][1]
    assert seven.frames.tolist() == [0, 1, 4]
    assert seven.times_s.tolist() == [0, 0.1, 0.4]
    assert seven.times_s.dtype == np.float64
    assert seven.boxes.tolist() == [[1, 2, 4, 6], [5, 6, 12, 14], [10, 20, 15, 26]]
    assert seven.boxes.dtype == np.float32
    assert seven.scores == pytest.approx([0.9, 0.8, 0.5])
    assert seven.frame_size == (640, 480)
    assert seven.prototypes is None
    assert found["b"][0].times_s.tolist() == [0.8]
    assert found["b"][0].frame_size == (0, 0)


def test_prototypes_are_the_best_rows_of_even_runs(tmp_path):
    random = np.random.default_rng(0)
    rows = [(frame + 1, 3, 1, 1, 5, 5, round(random.uniform(), 4)) for frame in range(160)]
    shuffled = random.permutation(160)
    write(tmp_path / "tracks" / "a.txt", [rows[row] for row in shuffled])
    features = np.eye(160, dtype=np.float32)
    (tmp_path / "feat").mkdir()
    np.save(tmp_path / "feat" / "a.npy", features[shuffled])
    (tracklet,) = read_track_folder(tmp_path / "tracks", SITE)["a"]
    scores = np.array([row[6] for row in rows])
    expected = [10 * run + int(np.argmax(scores[10 * run : 10 * run + 10])) for run in range(16)]
    assert tracklet.prototype_rows.tolist() == expected
    assert tracklet.prototypes.vectors[:, 0].argmax(axis=1).tolist() == expected
    assert tracklet.prototypes.model_id == "file:feat"
    assert tracklet.prototypes.visibility.tolist() == [[1]] * 16


def test_short_tracks_and_rows_without_evidence(tmp_path):
    write(tmp_path / "a.txt", [*ROWS, (9, 8, 1, 1, 2, 2, 0.5)])
    features = np.array([[1, 0], [0, 0], [0, 1], [np.nan, 1], [0, 0]], np.float32)
    np.save(tmp_path / "a.npy", features)
    zero, seven, eight = read_track_folder(tmp_path, SITE)["a"]
    assert zero.prototype_rows.tolist() == [0]
    assert seven.prototype_rows.tolist() == [2], "the rows of frames 1 and 2 hold no evidence"
    assert len(eight.prototypes) == 0
    assert eight.prototypes.vectors.shape == (0, 1, 2)


def test_a_given_feature_folder(tmp_path):
    write(tmp_path / "a.txt", ROWS)
    with pytest.raises(UserError, match="there is no"):
        read_track_folder(tmp_path, SITE, tmp_path / "f")
    (tmp_path / "f").mkdir()
    np.save(tmp_path / "f" / "a.npy", np.ones((4, 3)))
    assert read_track_folder(tmp_path, SITE, tmp_path / "f")["a"][0].prototypes is not None


def test_what_cannot_be_used_is_dropped_with_a_warning(tmp_path, caplog):
    write(tmp_path / "a.txt", [*ROWS, (6, 7, 1, 1, 0, 4, 0.5), (7, 9, 1, 1, 5, 0, 0.5), (8, 7, 1, 1, 5, 5, -1)])
    found = read_track_folder(tmp_path, SITE)["a"]
    assert [one.local_id for one in found] == [0, 7]
    assert found[1].scores[-1] == 1
    assert "a: 2 boxes without area were dropped" in caplog.text


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS, ROWS[0]], r"a\.txt:5: id 7 is given twice in frame 5"),
        ([(1, -1, 1, 1, 2, 2, 0.5)], "needs an id"),
        ([(1, 1, 1, 1, 2, 2, "nan")], "not a finite number"),
    ],
)
def test_broken_files(tmp_path, rows, message):
    write(tmp_path / "a.txt", rows)
    with pytest.raises(UserError, match=message):
        read_track_folder(tmp_path, SITE)


def test_mistakes(tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        read_track_folder(tmp_path / "gone", SITE)
    with pytest.raises(UserError, match=r"holds no <camera>\.txt"):
        read_track_folder(tmp_path, SITE)
    write(tmp_path / "a.txt", ROWS)
    with pytest.raises(UserError, match=r"frame rate of camera 'a' is unknown; give --site"):
        read_track_folder(tmp_path, Site.blank([]))
    with pytest.raises(UserError, match="frame rate of camera 'a' is unknown"):
        read_track_folder(tmp_path, Site.blank(["a"]))
    write(tmp_path / "c.txt", ROWS)
    with pytest.raises(UserError, match="does not list camera 'c'"):
        read_track_folder(tmp_path, SITE)


def test_empty_file(tmp_path):
    (tmp_path / "a.txt").touch()
    assert read_track_folder(tmp_path, SITE) == {"a": []}


def test_real_tracks(testdata):
    site = Site(cameras={camera: CameraSite(fps=20, size=(320, 240)) for camera in ("cam1", "cam2")})
    found = read_track_folder(testdata / "scored" / "input" / "nlpr_half1" / "tracks", site)
    assert {camera: len(one) for camera, one in found.items()} == {"cam1": 28, "cam2": 27}
    for tracklets in found.values():
        for one in tracklets:
            assert (np.diff(one.frames) > 0).all()
            assert (one.times_s == one.frames / 20).all()


def test_boxes_outside_the_picture_of_the_site_file_are_told(tmp_path, caplog):
    write(tmp_path / "a.txt", [*ROWS, (6, 7, 700, 20, 5, 6, 0.5)])
    read_track_folder(tmp_path, SITE)
    assert "a: 1 of 5 boxes lie outside a picture of 640x480 px" in caplog.text
    caplog.clear()
    write(tmp_path / "a.txt", ROWS)
    write(tmp_path / "b.txt", [(6, 7, 700, 20, 5, 6, 0.5)])
    read_track_folder(tmp_path, SITE)
    assert "lie outside" not in caplog.text
