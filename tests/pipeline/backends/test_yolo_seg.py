"""Segmentation exports: outlines of people from coefficients and prototypes."""

import numpy as np
import pytest

from data.errors import UserError
from pipeline.backends.yolo_seg import YoloSegmenter
from tests.tiny_models import constant_network

SEGMENT = {"task": "segment", "names": "{0: 'dog', 1: 'person'}", "imgsz": "[64, 64]", "author": "Ultralytics"}
MASKS = 32
# A picture of 32 x 64 lies in the 64 x 64 input with 16 rows of padding above and below, at gain 1.
PICTURE = np.zeros((32, 64, 3), np.uint8)


def prototypes():
    """0: the left half of the input; 1: the upper half; 2: everywhere; the others nowhere."""
    planes = np.full((1, MASKS, 16, 16), -9, np.float32)
    planes[0, 0, :, :8] = planes[0, 1, :8] = planes[0, 2] = 9
    return planes


def rows(*people):
    """(1, 38, anchors) from (cx, cy, w, h, dog, person, prototype)."""
    output = np.zeros((1, 4 + 2 + MASKS, 84), np.float32)
    for column, (*box, dog, person, plane) in enumerate(people):
        output[0, :6, column] = [*box, dog, person]
        output[0, 6 + plane, column] = 1
    return output


def open_network(tmp_path, output, metadata=SEGMENT, planes=None, batch=1, swap=False):
    outputs = {"output0": output, "output1": prototypes() if planes is None else planes}
    outputs = dict(reversed(outputs.items())) if swap else outputs
    return YoloSegmenter(constant_network(tmp_path / "n.onnx", [batch, 3, 64, 64], outputs, metadata), "cpu", 1)


@pytest.mark.parametrize("swap", [False, True])
def test_masks_are_the_prototypes_inside_the_boxes(tmp_path, swap):
    output = rows((32, 32, 40, 24, 0, 0.9, 0), (32, 32, 20, 31, 0, 0.6, 1), (10, 32, 8, 8, 0.9, 0.1, 2))
    found = open_network(tmp_path, output, swap=swap)(PICTURE, (8, 16))
    assert len(found) == 2
    np.testing.assert_allclose(found.boxes, [[12, 4, 52, 28], [22, 0.5, 42, 31.5]])
    np.testing.assert_allclose(found.scores, [0.9, 0.6])
    left = np.zeros((8, 16), np.float32)
    left[1:7, 3:8] = 1  # the box is 12..52 x 4..28 px, the left half ends at 32 px, cells are 4 px
    np.testing.assert_allclose(found.masks[0], left)
    upper = found.masks[1]
    assert (upper[4:] == 0).all()
    np.testing.assert_allclose(upper[1:4, 6:10], 1)
    np.testing.assert_allclose(upper[1:4, 5], 0.5)  # half of 20..24 px lies in the box
    assert found.masks.dtype == np.float32


def test_a_person_found_twice_is_one(tmp_path):
    output = rows((32, 32, 40, 24, 0, 0.9, 0), (32, 32, 40, 23, 0, 0.8, 2))
    assert len(open_network(tmp_path, output)(PICTURE, (4, 4))) == 1


def test_an_end_to_end_export(tmp_path):
    output = np.zeros((1, 5, 6 + MASKS), np.float32)
    output[0, 0, :6], output[0, 0, 6] = [0, 16, 64, 48, 0.7, 1], 1
    output[0, 1, :6], output[0, 1, 8] = [0, 16, 64, 48, 0.9, 0], 1
    found = open_network(tmp_path, output, {**SEGMENT, "end2end": "True"})(PICTURE, (2, 4))
    np.testing.assert_allclose(found.masks, [[[1, 1, 0, 0], [1, 1, 0, 0]]])


def test_nobody_and_nothing(tmp_path):
    network = open_network(tmp_path, rows(), batch="batch")
    for picture in (PICTURE, np.zeros((0, 5, 3), np.uint8)):
        assert network(picture, (4, 6)).masks.shape == (0, 4, 6)
    broken = rows((np.nan, 32, 40, 24, 0, 0.9, 0))
    assert len(open_network(tmp_path, broken)(PICTURE, (4, 4))) == 0


def test_files_that_are_something_else(tmp_path):
    cases = [
        ({"metadata": {**SEGMENT, "task": "detect"}}, r"no Ultralytics segmentation export \(task: detect\)"),
        ({"metadata": {**SEGMENT, "names": "{0: 'dog'}"}}, "knows no class 'person'"),
        ({"metadata": {**SEGMENT, "names": "{0: 'person'}"}}, "gives outputs of shape"),
        ({"planes": prototypes()[:, :8]}, "gives outputs of shape"),
    ]
    for options, message in cases:
        with pytest.raises(UserError, match=message):
            open_network(tmp_path, rows(), **options)
    with pytest.raises(UserError, match="there is no segmentation export"):
        YoloSegmenter(tmp_path / "gone.onnx")
    (tmp_path / "text.onnx").write_text("text")
    with pytest.raises(UserError, match="not a readable ONNX"):
        YoloSegmenter(tmp_path / "text.onnx", "cpu", 1)
