"""Ultralytics exports are decoded without the package, in all their layouts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from data.errors import UserError
from data.kernels.boxes import iou_matrix
from data.records import Image
from data.weight_records import ResolvedWeights
from pipeline.backends.config import DetectorConfig, PoseConfig
from pipeline.backends.yolo import YoloNetwork, describe, open_onnx, open_tflite
from pipeline.backends.yolox import YoloxDetector
from pipeline.weights.store import WeightStore
from tests.tiny_models import constant_network

ANCHORS = 64 + 16 + 4
DETECT = {"task": "detect", "names": "{0: 'dog', 1: 'person'}", "imgsz": "[64, 64]", "author": "Ultralytics"}
POSE = {"task": "pose", "names": "{0: 'person'}", "kpt_shape": "[17, 3]", "imgsz": "[64, 64]"}
# A picture of 32 x 64 lies in the 64 x 64 input with 16 rows of padding above and below, at gain 1.
PICTURE = np.zeros((32, 64, 3), np.uint8)


def _weights(path: Path) -> ResolvedWeights:
    return ResolvedWeights(path, "0" * 64, path.stem, None)


def _open(tmp_path: Path, output: NDArray[np.float32], metadata: dict[str, str], batch: int | str = 1) -> YoloNetwork:
    path = constant_network(tmp_path / "n.onnx", [batch, 3, 64, 64], {"output0": output}, metadata)
    return open_onnx(DetectorConfig(), _weights(path), "cpu", 1)


def _rows(*people: tuple[float, float, float, float, float, float]) -> NDArray[np.float32]:
    """(1, 6, anchors): cx, cy, w, h, dog, person."""
    output = np.zeros((1, 6, ANCHORS), np.float32)
    output[0, :, : len(people)] = np.array(people).T
    return output


def test_boxes_come_back_to_the_picture_and_only_people(tmp_path: Path) -> None:
    output = _rows(
        (20, 32, 10, 20, 0, 0.9), (20, 32, 10, 19, 0, 0.8), (50, 32, 8, 8, 0.9, 0.05), (60, 40, 20, 40, 0, 0.5)
    )
    found = _open(tmp_path, output, DETECT)([PICTURE])[0]
    np.testing.assert_allclose(found.boxes, [[15, 6, 25, 26], [50, 4, 64, 32]])
    np.testing.assert_allclose(found.scores, [0.9, 0.5])
    assert (found.class_ids == 0).all()


def test_broken_numbers_are_no_boxes(tmp_path: Path) -> None:
    output = _rows(
        (np.nan, 32, 10, 20, 0, 0.9), (20, np.inf, 10, 20, 0, 0.9), (20, 32, 10, 20, 0, np.nan), (20, 32, -4, 5, 0, 0.9)
    )
    assert len(_open(tmp_path, output, DETECT)([PICTURE])[0]) == 0


def test_an_empty_picture_and_no_picture_give_nothing(tmp_path: Path) -> None:
    network = _open(tmp_path, _rows((20, 32, 10, 20, 0, 0.9)), DETECT)
    empty = np.zeros((0, 64, 3), np.uint8)
    assert [len(found) for found in network([empty, PICTURE, empty])] == [0, 1, 0]
    assert network([]) == []


def test_keypoints_come_with_the_boxes(tmp_path: Path) -> None:
    output = np.zeros((1, 56, ANCHORS), np.float32)
    output[0, :5, 7] = [32, 32, 20, 30, 0.8]
    output[0, 5:, 7] = np.stack([np.arange(17) + 20, np.full(17, 30), np.linspace(-0.1, 1.2, 17)], axis=1).ravel()
    output[0, 5:8, 7] = np.nan
    detections, poses = _open(tmp_path, output, POSE).perceive([PICTURE])[0]
    assert len(detections) == 1
    np.testing.assert_array_equal(poses.keypoints[0, 0], 0)
    np.testing.assert_allclose(poses.keypoints[0, 1:, 0], np.arange(1, 17) + 20)
    np.testing.assert_allclose(poses.keypoints[0, 1:, 1], 14)
    assert poses.keypoints[..., 2].min() >= 0
    assert poses.keypoints[..., 2].max() == 1


def test_an_end_to_end_export_needs_no_suppression(tmp_path: Path) -> None:
    output = np.zeros((1, 10, 6), np.float32)
    output[0, 0] = [10, 20, 20, 40, 0.7, 1]
    output[0, 1] = [10, 20, 20, 41, 0.6, 1]
    output[0, 2] = [10, 20, 20, 40, 0.9, 0]
    network = _open(tmp_path, output, {**DETECT, "end2end": "True"})
    found = network([PICTURE])[0]
    np.testing.assert_allclose(found.boxes, [[10, 4, 20, 24], [10, 4, 20, 25]])


def test_a_free_batch_gives_what_single_pictures_give(tmp_path: Path) -> None:
    output = _rows((20, 32, 10, 20, 0, 0.9))
    network = _open(tmp_path, output, DETECT, batch="batch")
    together = network([PICTURE, PICTURE[:16], PICTURE])
    alone = [network([image])[0] for image in (PICTURE, PICTURE[:16], PICTURE)]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a.boxes, b.boxes)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "no Ultralytics detection or pose export"),
        ({**DETECT, "task": "segment"}, r"\(task: segment\)"),
        ({**DETECT, "names": "{0: 'dog', 1: 'cat'}"}, "knows no class 'person', only: dog, cat"),
        ({**DETECT, "names": "{0: 'person'}"}, "gives output of shape"),
        ({**POSE, "kpt_shape": "[12, 3]"}, "17 COCO keypoints"),
    ],
)
def test_a_file_that_is_something_else_is_explained(tmp_path: Path, metadata: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        _open(tmp_path, _rows(), metadata)


def test_a_fixed_input_cannot_be_changed(tmp_path: Path) -> None:
    path = constant_network(tmp_path / "n.onnx", [1, 3, 64, 64], {"output0": _rows()}, DETECT)
    with pytest.raises(UserError, match="takes pictures of 64x64 only"):
        open_onnx(DetectorConfig(input_size=(32, 32)), _weights(path), "cpu", 1)


def test_metadata_may_be_text_or_values() -> None:
    text = describe(POSE, "n")
    assert text == describe({"task": "pose", "names": {"0": "person"}, "kpt_shape": [17, 3], "imgsz": [64, 64]}, "n")
    assert (text.pose, text.person, text.classes, text.input_size) == (True, 0, 1, (64, 64))


@pytest.mark.parametrize(
    ("told", "end_to_end"),
    [
        ({"args": "{'nms': None, 'batch': 1}", "end2end": "False"}, False),
        ({"args": "{'nms': None, 'batch': 1}", "end2end": "None"}, False),
        ({"args": "{'nms': True}"}, True),
        ({"end2end": "True"}, True),
        ({"args": {"nms": None}, "end2end": True}, True),
        ({}, False),
    ],
)
def test_none_is_not_true(told: dict[str, Any], end_to_end: bool) -> None:
    """Exports of Ultralytics 8.4 say 'nms': None, which YAML reads as the text "None"."""
    assert describe({**DETECT, **told}, "n").end_to_end == end_to_end


def _yolox(tmp_path: Path, output: NDArray[np.float32], **options: object) -> YoloxDetector:
    path = constant_network(tmp_path / "x.onnx", [1, 3, 64, 64], {"output": output}, None)
    config = DetectorConfig.model_validate({"colour": "bgr", "normalisation": "0-255", **options})
    return YoloxDetector(config, _weights(path), "cpu", 1)


def test_yolox_rows_are_cells_and_logarithms(tmp_path: Path) -> None:
    output = np.full((1, ANCHORS, 6), -20, np.float32)
    output[..., 4:] = 0
    # Stride 16, row 1, column 2: centre (2.5, 1.5) * 16 = (40, 24), size exp(0) * 16 x exp(ln 2) * 16.
    output[0, 64 + 4 * 1 + 2] = [0.5, 0.5, 0, np.log(2), 0.9, 0.8]
    output[0, 3] = [0, 0, 500, 500, 1, 1]
    found = _yolox(tmp_path, output)([np.zeros((32, 32, 3), np.uint8)])[0]
    np.testing.assert_allclose(found.boxes, [[16, 4, 24, 20]], atol=1e-4)
    np.testing.assert_allclose(found.scores, [0.72], atol=1e-6)


def test_yolox_preprocessing_is_never_guessed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"set detector\.colour and detector\.normalisation"):
        _yolox(tmp_path, np.zeros((1, ANCHORS, 6), np.float32), colour=None, normalisation=None)
    with pytest.raises(UserError, match="YOLOX gives"):
        _yolox(tmp_path, np.zeros((1, 83, 6), np.float32))


@pytest.fixture(scope="module")
def bus(testdata: Path) -> Image:
    import cv2

    return np.ascontiguousarray(cv2.imread(str(testdata / "images/bus.jpg"))[..., ::-1])


# The four people of the photo: three in front, one cut off at the left edge.
PEOPLE = np.array([[49, 398, 245, 903], [669, 392, 810, 877], [222, 405, 345, 860], [0, 550, 64, 873]], np.float32)


@pytest.mark.parametrize(
    ("backend", "weights", "least"),
    [
        ("yolo_onnx", "det/yolov8n_int8_640.onnx", 4),
        ("yolo_onnx", "det/yolo11n_int8_320.onnx", 3),
        ("yolox_onnx", "det/yolox_nano_416x416.onnx", 3),
        ("yolox_onnx", "det/light_person_detector_192.onnx", 2),
        ("yolo_tflite", "pose/yolo11n-pose_full_integer_quant.tflite", 3),
    ],
)
def test_real_networks_find_the_people(testdata: Path, bus: Image, backend: str, weights: str, least: int) -> None:
    found = WeightStore().resolve("detector", str(testdata / "weights" / weights), "")
    config = DetectorConfig(score_min=0.3)
    opens = {"yolo_onnx": open_onnx, "yolo_tflite": open_tflite, "yolox_onnx": YoloxDetector}
    detector = opens[backend](config, found, "cpu", 1)
    one, two = detector([bus, bus[:, :500]])
    assert (iou_matrix(PEOPLE, one.boxes).max(axis=1) > 0.5).sum() >= least
    np.testing.assert_array_equal(one.boxes, detector([bus])[0].boxes)
    np.testing.assert_array_equal(two.boxes, detector([bus[:, :500]])[0].boxes)
    assert (one.boxes >= 0).all()
    assert (one.boxes <= [810, 1080, 810, 1080]).all()


def test_a_real_one_pass_pose_lies_on_the_people(testdata: Path, bus: Image) -> None:
    found = WeightStore().resolve("pose", str(testdata / "weights/pose/yolo11n-pose_full_integer_quant.tflite"), "")
    detections, poses = open_tflite(PoseConfig(score_min=0.5), found, "cpu", 1).perceive([bus])[0]
    assert len(detections) == len(poses) >= 3
    shoulders = poses.keypoints[:3, 5:7]
    inside = (shoulders[..., :2] > detections.boxes[:3, None, :2]) & (
        shoulders[..., :2] < detections.boxes[:3, None, 2:]
    )
    assert inside.all(axis=(1, 2)).sum() >= 2


def test_a_file_that_is_no_tflite_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.tflite").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"broken\.tflite is not a readable TFLite model"):
        open_tflite(DetectorConfig(), _weights(tmp_path / "broken.tflite"), "cpu", 1)
