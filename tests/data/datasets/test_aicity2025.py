"""AI City 2025: scenes as JSON, submissions as text."""

import json
from pathlib import Path
from typing import Any

import pytest

from data.datasets.registry import read_dataset
from data.errors import UserError
from data.formats.solids import read_solids

PERSON: dict[str, Any] = {
    "object type": "Person",
    "object id": 4,
    "3d location": [1.5, 2.5, 0.9],
    "3d bounding box scale": [0.5, 0.6, 1.8],
    "3d bounding box rotation": [0.0, 0.0, 0.7],
    "2d bounding box visible": {"Camera": [10, 20, 40, 60], "Camera_01": [11, 20, 11, 60]},
}
SENSORS = {
    "sensors": [
        {
            "id": name,
            "cameraMatrix": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]],
            "attributes": [{"name": "frameWidth", "value": "1280"}, {"name": "frameHeight", "value": 720}],
        }
        for name in ("Camera", "Camera_01")
    ]
}


def write(root: Path, frames: dict[str, list[dict[str, Any]]], scene: str = "Lab_000") -> Path:
    folder = root / "train" / scene
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ground_truth.json").write_text(json.dumps(frames))
    (folder / "calibration.json").write_text(json.dumps(SENSORS))
    return root


def test_a_scene_has_boxes_by_camera_places_and_boxes_in_the_world(tmp_path: Path) -> None:
    lift = {
        **PERSON,
        "object type": "Forklift",
        "3d location": [9, 9, 1],
        "2d bounding box visible": {"Camera": [1, 1, 5, 5]},
    }
    dataset = read_dataset("aicity2025", write(tmp_path, {"0": [PERSON], "3": [PERSON, lift]}))
    first, second = dataset.sequences
    assert (first.name, first.length, first.size, first.truth.frames.tolist()) == ("Camera", 4, (1280, 720), [0, 3, 3])
    assert (first.truth.class_ids.tolist(), dataset.people(first).tolist()) == ([1, 1, 2], [4])
    assert len(second.truth) == 0
    assert [str(problem) for problem in dataset.problems] == [
        "Camera_01: box without area (2, first: id 4 in frame 0 (from 0))"
    ]
    assert dataset.ground is not None
    assert dataset.ground.xy.tolist() == [[1.5, 2.5], [1.5, 2.5]]
    assert dataset.solids is not None
    assert dataset.solids.boxes[0].tolist() == [1.5, 2.5, 0.9, 0.5, 0.6, 1.8, 0.7]
    assert sorted(dataset.calibration) == ["Camera", "Camera_01"]
    write(tmp_path, {"0": [PERSON]}, "Warehouse_001")
    with pytest.raises(UserError, match="several parts; choose --split from Lab_000, Warehouse_001"):
        read_dataset("aicity2025", tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"object type": "Dragon"}, "the type 'Dragon' is none of Person, Forklift"),
        ({"3d location": [1.5, 2.5]}, "no place and size of three numbers each"),
        ({"3d bounding box scale": [0.5, 0.0, 1.8]}, "a size is not above 0"),
        ({"object id": "x"}, "is no truth of AI City 2025"),
        ({"object id": -1}, "the id -1 in frame 0 is below 0"),
        ({"object id": 10**15}, "the id 1000000000000000 is too large; number the objects anew"),
        ({"2d bounding box visible": {"Camera": [1, 2, 3]}}, "is no truth of AI City 2025"),
    ],
)
def test_broken_scenes(change: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=complaint):
        read_dataset("aicity2025", write(tmp_path, {"0": [{**PERSON, **change}]}))


def test_the_folder_one_stands_in_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(tmp_path, {"0": [PERSON]}) / "train" / "Lab_000")
    assert read_dataset("aicity2025", Path()).split == "Lab_000"


@pytest.mark.parametrize("number", [999_999, 1_000_004, 12_345_678])
def test_a_large_id_of_a_person_is_never_that_of_another_type(number: int, tmp_path: Path) -> None:
    lift = {**PERSON, "object type": "Forklift"}
    person, small = {**PERSON, "object id": number}, {**lift, "object id": 4}
    dataset = read_dataset("aicity2025", write(tmp_path, {"0": [person, small], "1": [person, small]}))
    first = dataset.sequences[0]
    assert dataset.people(first).tolist() == [number]
    assert len(set(first.truth.ids.tolist())) == 2
    assert not any("twice" in str(problem) for problem in dataset.problems)


def test_an_object_twice_in_a_frame_counts_once(tmp_path: Path) -> None:
    dataset = read_dataset("aicity2025", write(tmp_path, {"0": [PERSON, PERSON]}))
    assert dataset.solids is not None
    assert len(dataset.solids) == 1
    assert "id twice in a frame (1, first: id 4 in frame 0" in str(dataset.problems[0])


ROW = "15 0 4 0 1.5 2.5 0.9 0.5 0.6 1.8 0.7\n"


def test_submissions_are_read_by_scene(tmp_path: Path) -> None:
    path = tmp_path / "track1.txt"
    path.write_text(ROW + ROW.replace("15", "16", 1) + ROW.replace(" 0 4 0", " 1 4 0", 1))
    tables = read_solids(path)
    assert {scene: table.class_ids.tolist() for scene, table in tables.items()} == {15: [0, 1], 16: [0]}
    path.write_text("")
    assert read_solids(path) == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ROW + ROW, "id 4 of class 0 is given twice in frame 0 of scene 15"),
        (ROW + ROW.replace(" 0 4 0", " 9 4 0"), "track1.txt:2: classes are 0 to 6"),
        (ROW.replace(" 0 4 0", " 0 4 -1"), "count from 0"),
        (ROW.replace(" 0 4 0", " 0 4 0.5"), "are whole"),
        (ROW.replace("1.8", "0"), "a size is not above 0"),
        (ROW.replace("1.8", "nan"), "not finite"),
        ("1 2 3\n", "3 columns, where 11 are expected"),
    ],
)
def test_broken_submissions(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "track1.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=complaint):
        read_solids(path)
