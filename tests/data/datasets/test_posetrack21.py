"""PoseTrack21's annotations."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from data.datasets.posetrack21 import path_inside, read_posetrack21
from data.errors import UserError

IMAGE = {"id": 7, "vid_id": "000001", "file_name": "images/val/000001_mpii/000000.jpg", "nframes": 1}
PERSON = {"id": 70, "image_id": 7, "person_id": 3, "track_id": 0, "bbox": [1.5, 2, 30, 40], "keypoints": [5, 6, 1] * 17}


def write(root: Path, images: list[Any], annotations: list[Any], name: str = "000001_mpii") -> Path:
    folder = root / "posetrack_data" / "val"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": []}))
    return root


def test_annotations_of_all_videos_are_sorted(tmp_path: Path) -> None:
    first = {"id": 2, "vid_id": "000000", "file_name": "images/val/x/000000.jpg"}
    write(tmp_path, [IMAGE], [PERSON, PERSON | {"id": 60, "keypoints": [], "person_id": None}])
    write(tmp_path, [first], [PERSON | {"id": 65, "image_id": 2, "person_id": 9}], "later")
    split = read_posetrack21(tmp_path, "val")
    assert [(image.image_id, image.video) for image in split.images] == [(2, "000000"), (7, "000001")]
    assert split.images[1].file == tmp_path / "images" / "val" / "000001_mpii" / "000000.jpg"
    assert split.ids.tolist() == [60, 65, 70]
    assert split.rows.tolist() == [1, 0, 1]
    assert split.people.tolist() == [-1, 9, 3]
    assert split.boxes[2].tolist() == [1.5, 2, 30, 40]
    assert not split.keypoints[0].any()
    assert split.keypoints[2, 16].tolist() == [5, 6, 1]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda image, person: image.update(file_name="../../secret.jpg"), r"'\.\./\.\./secret\.jpg' is not relative"),
        (lambda image, person: image.update(file_name="/etc/passwd"), "is not relative"),
        (lambda image, person: image.update(vid_id="../up"), r"'\.\./up' is no id of a video"),
        (lambda image, person: image.pop("file_name"), "'file_name' is missing"),
        (lambda image, person: person.update(image_id=8), r"annotation 70 belongs to no image \(image_id 8\)"),
        (lambda image, person: person.update(bbox=[1, 2, 3]), "annotation 70 has the box"),
        (lambda image, person: person.update(keypoints=[1, 2, 3]), "annotation 70 has 3 keypoint values, expected 51"),
        (lambda image, person: person.pop("bbox"), "'bbox' is missing"),
    ],
)
def test_broken_annotations_are_named(tmp_path: Path, change: Any, complaint: str) -> None:
    image, person = copy.deepcopy(IMAGE), copy.deepcopy(PERSON)
    change(image, person)
    with pytest.raises(UserError, match=complaint):
        read_posetrack21(write(tmp_path, [image], [person]), "val")


def test_ids_are_unique(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two annotations have the id 70"):
        read_posetrack21(write(tmp_path, [IMAGE], [PERSON, PERSON]), "val")
    with pytest.raises(UserError, match="two images have the id 7"):
        read_posetrack21(write(tmp_path, [IMAGE, IMAGE], []), "val")


def test_files_that_are_no_annotations(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected one JSON file per video"):
        read_posetrack21(tmp_path, "val")
    path = tmp_path / "posetrack_data" / "val" / "a.json"
    path.parent.mkdir(parents=True)
    path.write_text("[]")
    with pytest.raises(UserError, match="expected one JSON object"):
        read_posetrack21(tmp_path, "val")
    path.write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        read_posetrack21(tmp_path, "val")


@pytest.mark.parametrize("name", ["", "..", "a/../b", "/a", "a\\..\\b", "c:b"])
def test_names_stay_inside(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="is not relative"):
        path_inside(tmp_path, name, tmp_path)
