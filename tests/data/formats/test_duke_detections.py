"""Detections of DukeMTMC, from Matlab files of both kinds."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from data.errors import UserError
from data.formats.detections_in import read_detection_folder
from data.formats.duke_detections import read_duke_detections, skeleton_boxes
from data.formats.mat import read_mat

DPM = np.array([[1, 9, 10, 20, 40, 90, 0, 0, 0.7], [1, 3, 11, 20, 40, 90, 0, 0, 0.4]])


def write_hdf5(path: Path, values: np.ndarray, name: str = "detections") -> Path:
    """As Matlab writes version 7.3: a header of 512 bytes, then HDF5 with columns first."""
    h5py = pytest.importorskip("h5py", reason="an extra: pip install h5py")
    with h5py.File(path, "w", userblock_size=512) as file:
        file[name] = values.T
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\x00\x02IM")
    return path


def template(scale: float, left: float, top: float) -> np.ndarray:
    """OpenPose's 18 points of an upright person, whose nose is at a place."""
    xy = [(0, 0), (0, 23), (28, 23), (39, 66), (45, 108), (-28, 23), (-39, 66), (-45, 108), (20, 106), (20, 169)]
    xy += [(20, 231), (-20, 106), (-20, 169), (-20, 231), (5, -7), (-5, -7), (11, -8), (-11, -8)]
    return np.array(xy, float) * scale + [left, top]


def pose_row(frame: int, points: np.ndarray, confidence: float = 0.8) -> np.ndarray:
    shares = np.concatenate([points / [1920, 1080], np.full((18, 1), confidence)], axis=1)
    return np.concatenate([[1, frame], shares.ravel()])


@pytest.mark.parametrize("kind", ["v7", "v7.3"])
def test_dpm_boxes_are_read_from_both_kinds_of_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "camera1.mat"
    if kind == "v7":
        scipy.io.savemat(path, {"detections": DPM})
    else:
        write_hdf5(path, DPM)
    found = read_detection_folder(tmp_path)["camera1"]
    assert (found.frames.tolist(), found.frame_count) == ([2, 8], 9)
    assert found.boxes.tolist() == [[11, 20, 40, 90], [10, 20, 40, 90]]
    assert found.scores.tolist() == pytest.approx([0.4, 0.7])
    assert found.keypoints is None


def test_a_skeleton_gets_a_box_and_cocos_points(tmp_path: Path) -> None:
    """The template itself: 100 by 255 px around it, one px more, a quarter larger."""
    scipy.io.savemat(tmp_path / "camera1.mat", {"detections": pose_row(5, template(1, 600, 300))[None]})
    found = read_duke_detections(tmp_path / "camera1.mat")
    width, height = 101 * 1.25, 256 * 1.25
    expected = [600 - 50 - 101 / 8, 300 - 15 - 256 / 8]
    assert found.boxes[0] == pytest.approx([*expected, expected[0] + width, expected[1] + height], abs=1e-3)
    assert found.keypoints is not None
    named = dict(zip(("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder"), found.keypoints[0]))
    assert named["right_eye"] == pytest.approx([605, 293, 0.8], abs=1e-3)
    assert named["left_ear"] == pytest.approx([589, 292, 0.8], abs=1e-3)
    assert named["left_shoulder"] == pytest.approx([572, 323, 0.8], abs=1e-3)
    assert found.keypoints[0, 16] == pytest.approx([620, 531, 0.8], abs=1e-3), "the right ankle"


def test_the_template_completes_a_body_of_which_half_was_seen() -> None:
    points = template(2, 600, 300)[None]
    whole = skeleton_boxes(points, np.ones((1, 18), bool))
    above = np.ones((1, 18), bool)
    above[:, 8:14] = False
    assert skeleton_boxes(points, above) == pytest.approx(whole)
    few = np.zeros((1, 18), bool)
    few[:, 0] = True
    assert skeleton_boxes(points, few).tolist() == [[0, 0, 0, 0]]
    few[:, 14] = few[:, 15] = True
    level = points.copy()
    level[:, :, 1] = 300
    assert np.isfinite(skeleton_boxes(level, few)).all(), "points of one height say nothing of the scale"


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (DPM[:, :6], "expected rows of camera, frame and a box"),
        (np.where(DPM == 9, 0, DPM), "a frame that is none from 1 on"),
        (np.where(DPM == 9, 9.5, DPM), "a frame that is none from 1 on"),
        (np.where(DPM == 0.7, np.nan, DPM), "row 1 has a number that is not finite"),
        (np.where(DPM == 40, 5, DPM), "2 boxes have right before left"),
        (np.where(DPM == 1, [[2.0], [1.0]], DPM), r"rows of 2 cameras \(1, 2, ...\)"),
    ],
)
def test_broken_files(values: np.ndarray, complaint: str, tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "camera1.mat", {"detections": values})
    with pytest.raises(UserError, match=complaint):
        read_duke_detections(tmp_path / "camera1.mat")
    scipy.io.savemat(tmp_path / "camera1.mat", {"other": DPM})
    with pytest.raises(UserError, match="it lacks 'detections'"):
        read_duke_detections(tmp_path / "camera1.mat")


def test_hdf5_files_point_at_no_others(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="an extra: pip install h5py")
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.arange(4.0).tobytes())
    path = write_hdf5(tmp_path / "a.mat", DPM, "fine")
    with h5py.File(tmp_path / "b.h5", "w") as other:
        other["x"] = DPM
    with h5py.File(path, "r+") as file:
        file["linked"] = h5py.ExternalLink(str(tmp_path / "b.h5"), "x")
        file.create_dataset("outside", (4,), "f8", external=[(str(secret), 0, 32)])
        file["texts"] = np.array([b"a", b"b"])
    assert read_mat(path, ("fine",))["fine"].shape == DPM.shape
    for name in ("linked", "outside", "texts"):
        with pytest.raises(UserError, match=f"variable '{name}' is no plain array of numbers"):
            read_mat(path, (name,))


def test_without_h5py_the_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.formats.mat.find_spec", lambda name: None)
    path = tmp_path / "trainval.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")
    with pytest.raises(
        UserError, match=r"pip install h5py; or load it in Matlab and save\('trainval_v7.mat', 'trainData'"
    ):
        read_mat(path, ("trainData",))
