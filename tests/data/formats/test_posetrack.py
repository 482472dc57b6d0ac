"""Results in PoseTrack21's format."""

import json
from pathlib import Path
from typing import Any

import pytest

from data.errors import UserError
from data.formats.posetrack import read_pose_result, read_posetrack


def write(folder: Path, **ids: Any) -> Path:
    person = {"image_id": 7, "keypoints": [5.0, 6.0, 1.0] * 17, "bbox": [1, 2, 30, 40], **ids}
    path = folder / "v.json"
    path.write_text(json.dumps({"images": [{"id": 7, "file_name": "a.jpg"}], "annotations": [person]}))
    return path


@pytest.mark.parametrize(
    ("ids", "people", "tracks"),
    [
        ({"person_id": 3, "track_id": 4}, [3], [4]),
        ({"track_id": 4}, [4], [4]),
        ({"person_id": 3}, [3], [3]),
        ({"person_id": None, "track_id": 4}, [4], [4]),
        ({"person_id": "3", "track_id": None}, [3], [3]),
    ],
)
def test_one_id_stands_for_the_other(tmp_path: Path, ids: dict[str, Any], people: list[int], tracks: list[int]) -> None:
    found = read_pose_result(write(tmp_path, **ids))
    assert (found.people.tolist(), found.tracks.tolist()) == (people, tracks)


@pytest.mark.parametrize("ids", [{}, {"person_id": None}, {"person_id": "x"}, {"track_id": 2.5}, {"track_id": 2**63}])
def test_somebody_without_an_id_is_an_error(tmp_path: Path, ids: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="no result of PoseTrack21"):
        read_pose_result(write(tmp_path, **ids))


def test_who_has_no_box_has_the_one_round_the_joints(tmp_path: Path) -> None:
    tracks = read_posetrack(write(tmp_path, person_id=1, bbox=None, keypoints=[*[5, 6, 1] * 16, 25, 36, 1]))
    assert tracks.table.boxes.tolist() == [[5, 6, 25, 36]]
