"""Ultralytics models run through their package, offline and without running what a pickle brings."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import UserError
from data.kernels.boxes import iou_matrix
from data.weight_records import ResolvedWeights
from pipeline.backends.config import DetectorConfig, PoseConfig
from pipeline.backends.ultralytics_net import UltralyticsNetwork
from pipeline.backends.yolo import open_onnx


@pytest.fixture(autouse=True, scope="module")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MTMCT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def _weights(path: Path) -> ResolvedWeights:
    return ResolvedWeights(path, "0" * 64, path.stem, None)


def _checkpoint(folder: Path, name: str) -> Path:
    from data.runtime.torchvision_cure import ensure_torchvision

    ensure_torchvision()
    from ultralytics import YOLO

    path = folder / f"{name}.pt"
    network = YOLO(f"{name}.yaml")
    network.model.names = {index: "person" if index == 0 else str(index) for index in network.model.names}
    network.save(path)
    return path


def test_the_package_and_our_own_decoding_agree(testdata: Path) -> None:
    import cv2

    weights = _weights(testdata / "weights/det/yolo11n_int8_320.onnx")
    config = DetectorConfig(score_min=0.3, nms_iou=0.6)
    theirs = UltralyticsNetwork(config, weights, "cpu")
    ours = open_onnx(config, weights, "cpu", 1)
    image = np.ascontiguousarray(cv2.imread(str(testdata / "images/bus.jpg"))[..., ::-1])
    a, b = theirs([image, image[:0], image])[0], ours([image])[0]
    assert len(a) == len(b) >= 3
    overlap = iou_matrix(a.boxes, b.boxes)
    assert overlap.max(axis=1).min() > 0.95
    np.testing.assert_allclose(a.scores, b.scores[overlap.argmax(axis=1)], atol=0.03)
    assert not theirs.gives_poses


def test_a_checkpoint_is_loaded_and_run_in_one_pass(tmp_path: Path) -> None:
    network = UltralyticsNetwork(
        PoseConfig(score_min=0.0, input_size=(64, 64)), _weights(_checkpoint(tmp_path, "yolo11n-pose")), "cpu"
    )
    assert network.gives_poses
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((48, 64, 3), (64, 40, 3), (48, 64, 3))]
    together = network.perceive(images)
    for (detections, poses), image in zip(together, images, strict=True):
        assert len(detections) == len(poses)
        alone = network.perceive([image])[0][0]
        np.testing.assert_allclose(detections.boxes, alone.boxes, atol=0.05)
    assert os.environ["YOLO_OFFLINE"] == "true"


@pytest.mark.parametrize("input_size", [(64, 64), (96, 160), None])
def test_pictures_scaled_on_the_device_give_what_the_package_finds(
    tmp_path: Path, input_size: tuple[int, int] | None
) -> None:
    network = UltralyticsNetwork(
        PoseConfig(score_min=0.0, input_size=input_size), _weights(_checkpoint(tmp_path, "yolo11n-pose")), "cpu"
    )
    rng = np.random.default_rng(0)
    shapes = ((48, 64, 3), (64, 40, 3), (270, 480, 3), (48, 64, 3), (101, 203, 3))
    images = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    for column in network._model.model.model[-1].cv3:
        column[-1].bias.data += 12.0
    assert not network._scales_on_device
    scaled_by_package = network.perceive(images)
    network._scales_on_device = True
    scaled_by_us = network.perceive(images)
    assert sum(len(found) for found, _ in scaled_by_us) > 0
    for image, (ours, our_poses), (theirs, their_poses) in zip(images, scaled_by_us, scaled_by_package, strict=True):
        assert len(ours) == len(theirs)
        # The package goes back by the sides as they were rounded: half a pixel of the input at most.
        half_a_pixel = max(0.5 * max(np.divide(image.shape[:2], input_size or (640, 640))), 0.05)
        np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=half_a_pixel)
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-4)
        np.testing.assert_allclose(our_poses.keypoints, their_poses.keypoints, atol=half_a_pixel)


def test_pictures_that_were_scaled_on_the_device_are_not_brought_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ultralytics.utils import ops

    brought: list[int] = []
    bring = ops.convert_torch2numpy_batch
    monkeypatch.setattr(ops, "convert_torch2numpy_batch", lambda batch: brought.append(len(batch)) or bring(batch))
    network = UltralyticsNetwork(
        DetectorConfig(score_min=0.001, input_size=(64, 64)), _weights(_checkpoint(tmp_path, "yolo11n")), "cpu"
    )
    network._scales_on_device = True
    images = [np.full((48, 64, 3), level, np.uint8) for level in (20, 200)]
    ours = network(images)
    assert brought == []
    network._model.clear_callback("on_predict_start")
    network._model.predictor = None
    theirs = network(images)
    assert brought == [2], "so the package itself does"
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(found.boxes, expected.boxes)


class _Attack:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/mtmct_attack",)


def test_a_checkpoint_that_brings_code_is_refused(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "attack.pt"
    torch.save({"model": _Attack(), "epoch": 0}, path)
    with pytest.raises(UserError, match=r"attack\.pt is not a readable Ultralytics model"):
        UltralyticsNetwork(DetectorConfig(), _weights(path), "cpu")
    assert not Path("/tmp/mtmct_attack").exists()
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(UserError, match=r"attack\.pt is not a readable") as caught:
        UltralyticsNetwork(DetectorConfig(), _weights(path), "cpu")
    assert "\n" not in str(caught.value)


def test_an_openvino_folder_without_metadata_is_explained(tmp_path: Path) -> None:
    folder = tmp_path / "net_openvino_model"
    folder.mkdir()
    with pytest.raises(UserError, match=r"holds no metadata\.yaml"):
        UltralyticsNetwork(DetectorConfig(), _weights(folder), "cpu")
