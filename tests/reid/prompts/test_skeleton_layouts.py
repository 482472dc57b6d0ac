"""Skeletons of PoseTrack's layout on their way into a prompt."""

import json
from pathlib import Path

import numpy as np
import torch

from data.formats.detections_in import read_detection_folder
from data.records import FloatArray
from data.skeletons import COCO17, POSETRACK17, convert
from reid.prompts.masks import draw_prompts

SIZE = (128, 64)


def skeleton() -> FloatArray:
    """Each keypoint in a row of its own, the ears where a placeholder may well be: confident, in a corner."""
    points = np.stack([np.full(17, 30.0), 7.0 * np.arange(17) + 5, np.ones(17)], axis=1).astype(np.float32)
    points[3:5, :2] = 63, 127
    return points


def head_channel(points: FloatArray) -> FloatArray:
    none, rows = torch.zeros(0, 17, 3), torch.zeros(0, dtype=torch.int64)
    return draw_prompts(torch.from_numpy(points[None]), none, rows, SIZE, "cck6")[0, 2].numpy()


def test_only_the_nose_is_left_of_the_head() -> None:
    drawn = head_channel(convert(skeleton(), "posetrack17", "coco17"))
    assert drawn[5, 30] == 1.0
    assert drawn[127, 63] == 0.0
    assert drawn[19, 30] < 0.1
    unmapped = head_channel(skeleton())
    assert unmapped[127, 63] == 1.0
    assert unmapped[19, 30] == 1.0


def test_limbs_stay_where_they_are_both_ways() -> None:
    points = skeleton()
    there = convert(points, "coco17", "posetrack17")
    np.testing.assert_array_equal(convert(there, "posetrack17", "coco17")[5:], points[5:])
    assert not there[1:5].any()
    np.testing.assert_array_equal(there[0], points[0])


def test_detections_of_posetrack_become_coco(tmp_path: Path) -> None:
    def read(names: tuple[str, ...]) -> FloatArray:
        person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 60, 120]}
        content = {
            "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 128}],
            "annotations": [person | {"keypoints": (skeleton() * [1, 1, 2]).ravel().tolist()}],
            "categories": [{"id": 1, "name": "person", "keypoints": list(names)}],
        }
        (tmp_path / "c1.json").write_text(json.dumps(content))
        keypoints = read_detection_folder(tmp_path)["c1"].keypoints
        assert keypoints is not None
        return keypoints[0]

    assert not read(POSETRACK17.names)[1:5].any()
    assert read(COCO17.names)[1:5].all()
