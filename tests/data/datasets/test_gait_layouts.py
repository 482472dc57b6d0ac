"""A folder of each published layout is written and read."""

import json
from pathlib import Path

import numpy as np
import pytest

from data.datasets.gait_layouts import GAIT_LAYOUTS
from data.errors import UserError
from data.formats.skeleton_recordings import write_recordings
from data.skeleton_sequences import JOINTS, Recording

FRAMES = 6


def write_part(folder: Path, prefix: str, name: str, joints: int, people: dict[int, list[int]]) -> np.ndarray:
    """Three axes and the people's numbers; what was written, (n, f, J, 3)."""
    folder.mkdir(parents=True, exist_ok=True)
    count = sum(map(len, people.values()))
    points = np.random.default_rng(len(prefix) + joints).normal(size=(count, FRAMES, joints, 3))
    for axis, letter in enumerate("xyz"):
        np.save(folder / f"{prefix}_{letter}_{name}_{FRAMES}.npy", points[..., axis].ravel())
    (folder / f"ids_{name}_{FRAMES}.json").write_text(json.dumps(people))
    return points


def write_set(place: Path, name: str, joints: int) -> np.ndarray:
    write_part(place / f"{name}_test_npy_data", "t_source", name, joints, {2: [0, 1], 5: [2]})
    return write_part(place / f"{name}_train_npy_data", "source", name, joints, {5: [0, 1, 2], 2: [3, 4]})


@pytest.mark.parametrize(
    ("layout", "name", "joints"),
    [("biwi", "BIWI", 20), ("kgbd", "KGBD", 20), ("ks20", "KS20", 25), ("kinectreid", "KinectReID", 20)],
)
def test_kinect_sets(tmp_path: Path, layout: str, name: str, joints: int) -> None:
    points = write_set(tmp_path / name / "6", name, joints)
    for root in (tmp_path, tmp_path / name, tmp_path / name / "6"):
        splits = GAIT_LAYOUTS[layout](root, FRAMES, None)
        assert splits.train.points == pytest.approx(points, abs=1e-6)
        assert splits.train.people.tolist() == [5, 5, 5, 2, 2]
        assert splits.train.followed.tolist() == [True, True, False, True]
        assert splits.tests[name].people.tolist() == [2, 2, 5]


def test_ias_has_two_tests(tmp_path: Path) -> None:
    place = tmp_path / "IAS" / "6"
    write_part(place / "IAS_train_npy_data", "source", "IAS", 20, {0: [0, 1]})
    for name in ("IAS-A", "IAS-B"):
        write_part(place / "IAS_test_npy_data", "t_source", name, 20, {0: [0]})
    assert list(GAIT_LAYOUTS["ias"](tmp_path, FRAMES, None).tests) == ["IAS-A", "IAS-B"]


@pytest.mark.parametrize(("layout", "name", "joints"), [("ks20", "KS20", 25), ("casia_b", "CASIA_B", 14)])
def test_views_have_folders(tmp_path: Path, layout: str, name: str, joints: int) -> None:
    points = write_set(tmp_path / name / "6" / "view_3", name, joints)
    splits = GAIT_LAYOUTS[layout](tmp_path, FRAMES, 3)
    expected = points - points[:, :, :1] if layout == "casia_b" else points
    assert splits.train.points == pytest.approx(expected, abs=1e-5)
    with pytest.raises(UserError, match="view_4"):
        GAIT_LAYOUTS[layout](tmp_path, FRAMES, 4)


def test_casia_b_matches_conditions(tmp_path: Path) -> None:
    place = tmp_path / "CASIA_B_match" / "6"
    write_part(place / "CASIA_B_train_npy_data", "source", "CASIA_B", 14, {0: [0, 1]})
    with pytest.raises(UserError, match="nm, cl, bg"):
        GAIT_LAYOUTS["casia_b"](tmp_path, FRAMES, None)
    for name in ("nm", "bg"):
        write_part(place / "CASIA_B_test_npy_data" / name, "t_source", "CASIA_B", 14, {0: [0]})
    splits = GAIT_LAYOUTS["casia_b"](tmp_path, FRAMES, None)
    assert list(splits.tests) == ["nm", "bg"]
    assert not splits.tests["nm"].points[:, :, 0].any()


def test_own_recordings_make_a_test_of_each_condition(tmp_path: Path) -> None:
    def walk(person: int, condition: str, name: str, view: int = 90) -> Recording:
        points = np.random.default_rng(person + 1).normal(size=(12, len(JOINTS), 3)).astype(np.float32)
        return Recording(points, np.arange(12.0), person, condition, view, name)

    walks = [
        walk(0, "nm", "train-0"),
        walk(1, "", "b"),
        walk(0, "nm", "test-0"),
        walk(1, "bg", "c"),
        walk(1, "nm", "d", 0),
    ]
    path = tmp_path / "skeletons.npz"
    write_recordings(path, walks, "full")
    for root in (path, tmp_path):
        splits = GAIT_LAYOUTS["recordings"](root, FRAMES, None)
        assert np.unique(splits.train.recordings).size == 3
        assert {name: test.people[0] for name, test in splits.tests.items()} == {"bg": 1, "nm": 0}
    assert np.unique(GAIT_LAYOUTS["recordings"](path, FRAMES, 90).train.recordings).size == 2
    with pytest.raises(UserError, match="of view 45"):
        GAIT_LAYOUTS["recordings"](path, FRAMES, 45)
    write_recordings(path, [walk(-1, "nm", "a")], "full")
    with pytest.raises(UserError, match="of nobody"):
        GAIT_LAYOUTS["recordings"](path, FRAMES, None)


def biwi(place: Path) -> tuple[Path, Path]:
    folder = place / "BIWI_train_npy_data"
    return folder / "source_y_BIWI_6.npy", folder / "ids_BIWI_6.json"


def test_wrong_folders_are_explained(tmp_path: Path) -> None:
    read = GAIT_LAYOUTS["biwi"]
    with pytest.raises(UserError, match=r"no BIWI/6/\*_train_npy_data below it; there is nothing"):
        read(tmp_path, FRAMES, None)
    write_set(tmp_path / "BIWI" / "8", "BIWI", 20)
    with pytest.raises(UserError, match="there are BIWI"):
        read(tmp_path, FRAMES, None)
    with pytest.raises(UserError, match="BIWI has no views"):
        read(tmp_path, FRAMES, 1)


def test_wrong_files_are_explained(tmp_path: Path) -> None:
    read = GAIT_LAYOUTS["biwi"]

    def spoil(step: int, words: str) -> None:
        place = tmp_path / str(step) / "BIWI" / "6"
        write_set(place, "BIWI", 20)
        axis, ids = biwi(place)
        if step == 0:
            axis.unlink()
        elif step == 1:
            np.save(axis, np.zeros(7))
        elif step == 2:
            np.save(axis, np.zeros(3 * 6 * 20))
        elif step == 3:
            np.save(axis, np.full(5 * 6 * 20, np.nan))
        elif step == 4:
            np.save(axis, np.array({0: [1]}, object), allow_pickle=True)
        elif step == 5:
            ids.write_text(json.dumps({5: [0, 99]}))
        elif step == 6:
            ids.write_text("[1, 2]")
        elif step == 7:
            ids.unlink()
        elif step == 8:
            ids.rename(ids.with_suffix(".npy"))
        elif step == 9:
            ids.write_text("{}")
        elif step == 10:
            axis.write_bytes(b"\x93NUMPY broken")
        with pytest.raises(UserError, match=words):
            read(tmp_path / str(step), FRAMES, None)

    for step, words in enumerate(
        ("cannot read", "no sequences of 6 frames of 20 joints", "have 5, 3, 5 sequences", "no numbers",
         "holds objects", "sequence 99", "lists of sequence numbers", "there is no", "tools.import_checkpoint",
         "to anybody", "damaged")
    ):  # fmt: skip
        spoil(step, words)
