"""The command line that writes parsing labels."""

import sys

import cv2
import numpy as np
import pytest

from data.formats.reid_keypoints import write_keypoint_file
from pipeline.cli import run
from tests.reid.prompts.test_prompts import standing
from tests.tiny_models import constant_network
from tools.make_parsing_labels import main

SEGMENT = {"task": "segment", "names": "{0: 'person'}", "imgsz": "[64, 64]", "author": "Ultralytics"}


def call(capsys, *arguments):
    code = run(main, [str(argument) for argument in arguments])
    done = capsys.readouterr()
    return code, done.out, done.err


@pytest.fixture
def crops(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        path = tmp_path / "crops" / name
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), np.full((64, 32, 3), 90, np.uint8))
        people = np.nan_to_num(np.stack([standing(16, 2, 58), standing(2, 2, 58)]))
        write_keypoint_file(tmp_path / "prompts" / f"{name}_keypoints.json", people, 0)
    return tmp_path / "crops"


@pytest.fixture
def segmentation(tmp_path):
    """One person in the middle of the crop's width, of whom the lower half is seen."""
    output, planes = np.zeros((1, 37, 84), np.float32), np.full((1, 32, 16, 16), -9, np.float32)
    output[0, :6, 3] = [32, 32, 20, 64, 0.9, 1]
    planes[0, 0, 8:] = 9
    return constant_network(tmp_path / "seg.onnx", [1, 3, 64, 64], {"output0": output, "output1": planes}, SEGMENT)


def test_keypoints_and_masks(crops, segmentation, tmp_path, capsys):
    out = tmp_path / "labels"
    given = (crops, "--keypoints", tmp_path / "prompts", "--grid", 16, 8, "--device", "cpu")
    code, told, _ = call(capsys, *given, "--out", out)
    assert code == 0
    assert "2 labels of 36 x 16 x 8, 0 crops left out" in told
    assert "empty: 0" in told
    code, told, _ = call(capsys, *given, "--out", tmp_path / "cut", "--masks", segmentation)
    assert code == 0
    assert "person not found by the segmentation: 0" in told
    whole, cut = np.load(out / "a.npy"), np.load(tmp_path / "cut" / "a.npy")
    assert whole[0].max() > 0.5
    assert not cut[:, :8].any()
    assert np.array_equal(cut[:, 8:, 3:5], whole[:, 8:, 3:5])


def test_mistakes(crops, segmentation, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpifpaf", None)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    out, prompts = tmp_path / "labels", tmp_path / "prompts"
    given = (crops, "--keypoints", prompts)
    cases = [
        ((crops, "--out", out), "give --pifpaf"),
        ((*given, "--out", out, "--grid", 1, 9), "at least 2 rows"),
        ((*given, "--out", out, "--suffix", ".txt"), "ends in .npy"),
        ((crops, "--out", out, "--pifpaf", "x.pt", "--long-edge", 0), "--long-edge 0: OpenPifPaf needs at least 32 px"),
        ((tmp_path / "empty", "--keypoints", prompts, "--out", out), "holds no pictures"),
        ((*given, "--out", tmp_path / "file" / "x"), "cannot write into"),
        ((*given, "--out", out, "--masks", tmp_path / "gone.onnx"), "there is no segmentation export"),
        ((crops, "--out", out, "--pifpaf", tmp_path / "gone.pt"), "there is no file"),
        ((crops, "--out", out, "--pifpaf", segmentation), "run `make pifpaf`"),
    ]
    for arguments, message in cases:
        code, _, error = call(capsys, *arguments)
        assert code == 2, message
        assert message in error
        assert error.strip().splitlines()[-1].startswith("error: ")
    (crops / "c.jpg").write_bytes(b"no picture")
    assert "c.jpg is no picture" in call(capsys, *given, "--out", out)[2]
    code, told, _ = call(capsys, *given, "--out", out, "--overwrite", "--bad-files", "skip")
    assert (code, "2 labels" in told, "1 crops left out" in told) == (0, True, True)
