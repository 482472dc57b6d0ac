"""The command line that writes keypoint files, with tiny networks of known answers."""

import cv2
import numpy as np
import pytest

from data.formats.reid_keypoints import read_keypoint_file
from pipeline.cli import run
from tests.tiny_models import constant_network
from tools.make_keypoint_prompts import main

POSE = {"task": "pose", "names": "{0: 'person'}", "kpt_shape": "[17, 3]", "imgsz": "[64, 64]"}


def call(capsys, *arguments):
    code = run(main, [str(argument) for argument in arguments])
    done = capsys.readouterr()
    return code, done.out, done.err


@pytest.fixture
def crops(tmp_path):
    folder = tmp_path / "crops"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        cv2.imwrite(str(folder / name), np.full((64, 64, 3), 90, np.uint8))
    return folder


@pytest.fixture
def one_pass(tmp_path):
    """A one-pass network that sees one person in the middle and one at the right edge."""
    output = np.zeros((1, 56, 84), np.float32)
    for column, x in ((3, 60), (7, 32)):
        output[0, :5, column] = [x, 32, 8, 60, 0.9]
        points = np.stack([np.full(17, x), np.linspace(5, 60, 17), np.full(17, 0.8)], axis=1)
        output[0, 5:, column] = points.ravel()
    return constant_network(tmp_path / "pose.onnx", ["batch", 3, 64, 64], {"output0": output}, POSE)


def test_one_pass(crops, one_pass, tmp_path, capsys):
    out = tmp_path / "out"
    networks = ("detector.name=yolo_onnx", f"detector.weights={one_pass}", "pose.name=detector", "run.device=cpu")
    code, told, _ = call(capsys, crops, "--out", out, *networks)
    assert code == 0
    assert "2 crops, 4 skeletons, 0 targets by hand" in told
    assert "no target: 0" in told
    crop = read_keypoint_file(out / "b.jpg_keypoints.json", (64, 64))
    assert crop.target[0, 0] == pytest.approx(32, abs=0.1)
    assert crop.negatives[0, 0, 0] == pytest.approx(60, abs=0.1)
    first = (out / "a.jpg_keypoints.json").read_bytes()
    assert call(capsys, crops, "--out", out, *networks)[0] == 2
    assert call(capsys, crops, "--out", out, "--overwrite", *networks)[0] == 0
    assert (out / "a.jpg_keypoints.json").read_bytes() == first


def test_the_crop_as_the_box(crops, tmp_path, capsys):
    along, down = np.zeros((1, 17, 96), np.float32), np.zeros((1, 17, 128), np.float32)
    along[..., 48], down[..., 32] = 0.9, 0.6
    path = constant_network(tmp_path / "n.onnx", ["batch", 3, 64, 48], {"simcc_x": along, "simcc_y": down})
    pose = ("pose.name=topdown_onnx", f"pose.weights={path}", "pose.colour=rgb", "pose.normalisation=imagenet")
    code, told, _ = call(capsys, crops, "--out", tmp_path / "out", "--no-detector", "--device", "cpu", *pose)
    assert code == 0
    assert "2 crops, 2 skeletons" in told
    crop = read_keypoint_file(tmp_path / "out" / "a.jpg_keypoints.json", (64, 64))
    assert crop.target[0] == pytest.approx([32, 5.33, 0.6], abs=0.1)


def test_mistakes(crops, one_pass, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    networks = ("detector.name=yolo_onnx", f"detector.weights={one_pass}", "run.device=cpu")
    out = tmp_path / "out"
    cases = [
        ((tmp_path / "empty", "--out", out, *networks), "holds no pictures"),
        ((tmp_path / "gone", "--out", out, *networks), "is no folder"),
        ((crops, "--out", tmp_path / "file" / "x", *networks), "cannot write into"),
        ((crops, "--out", out, "--no-detector", *networks), "needs a pose estimator of its own"),
        ((crops, "--out", out, *networks, "pose.name=none"), "gives no keypoints"),
        ((crops, "--out", out, "--targets", tmp_path / "gone.csv", *networks), "cannot read"),
        ((crops, "--out", out, *networks, "pose.nam=none"), "pose.nam"),
    ]
    for arguments, message in cases:
        code, _, error = call(capsys, *arguments)
        assert code == 2
        assert message in error
        assert error.strip().splitlines()[-1].startswith("error: ")
    (crops / "c.jpg").write_bytes(b"no picture")
    assert "c.jpg is no picture" in call(capsys, crops, "--out", out, "--overwrite", *networks)[2]
    code, told, error = call(capsys, crops, "--out", out, "--overwrite", "--bad-files", "skip", *networks)
    assert (code, "unreadable: 1" in told) == (0, True)
