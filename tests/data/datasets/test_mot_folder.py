"""Plain folders of MOTChallenge files, in both layouts."""

import json
from pathlib import Path

import pytest

from data.datasets.mot_folder import read_mot_folder
from data.errors import UserError

ROW = "1,1,0,0,10,10,1,1,1\n"


def put(path: Path, text: str = ROW) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_sequences(tmp_path: Path) -> None:
    for name in ("b", "a"):
        put(tmp_path / name / "gt" / "gt.txt")
    put(tmp_path / "b" / "seqinfo.ini", "[Sequence]\nname=b\nseqLength=7\n")
    put(tmp_path / "notes.txt", "not a camera")
    (tmp_path / "tracker_output").mkdir()
    truth = read_mot_folder(tmp_path)
    assert [(one.name, one.length, one.open_end) for one in truth.sequences] == [("a", 1, True), ("b", 7, False)]
    assert (truth.rule, truth.one_site) == ("mot17", False)
    assert [str(problem) for problem in truth.problems] == [
        f"{tmp_path / 'a' / 'seqinfo.ini'}: missing file (1, first: the last row ends it)"
    ]


def test_cameras(tmp_path: Path) -> None:
    put(tmp_path / "c2.txt", ROW + ROW.replace("1", "4", 1))
    put(tmp_path / "c1.txt", "")
    put(tmp_path / "lengths.json", json.dumps({"c1": 9, "lobby": 9}))
    put(tmp_path / "world.txt", "not a camera")
    truth = read_mot_folder(tmp_path)
    assert [(one.name, one.length, one.open_end) for one in truth.sequences] == [("c1", 9, False), ("c2", 4, True)]
    assert (truth.rule, truth.one_site) == ("plain", True)
    assert [str(problem) for problem in truth.problems] == [f"{tmp_path}: missing file (1, first: lobby.txt)"]


def test_labels_say_who_is_a_person(tmp_path: Path) -> None:
    put(tmp_path / "c1.txt")
    assert read_mot_folder(tmp_path).classes is None
    put(tmp_path / "labels.txt", "car\nPerson\n")
    assert read_mot_folder(tmp_path).classes == (2,)
    put(tmp_path / "labels.txt", "car\n\nperson\n\n")
    assert read_mot_folder(tmp_path).classes == (3,), "a line without a label is a class too"
    put(tmp_path / "labels.txt", "car\nbus\n")
    with pytest.raises(UserError, match="none of car, bus is one of person"):
        read_mot_folder(tmp_path)


def test_labels_beside_a_sequence_take_the_place_of_mot17s_classes(tmp_path: Path) -> None:
    put(tmp_path / "a" / "gt" / "gt.txt")
    put(tmp_path / "a" / "gt" / "labels.txt", "car\nperson\n")
    truth = read_mot_folder(tmp_path)
    assert (truth.classes, truth.rule) == ((2,), "plain")
    put(tmp_path / "b" / "gt" / "gt.txt")
    put(tmp_path / "b" / "gt" / "labels.txt", "person\n")
    with pytest.raises(UserError, match="different lists of classes"):
        read_mot_folder(tmp_path)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({}, "holds no truth"),
        ({"lengths.json": "[3]", "c1.txt": ROW}, "expected a JSON object"),
        ({"lengths.json": "{", "c1.txt": ROW}, "not valid JSON"),
        ({"lengths.json": '{"c1": 2.5}', "c1.txt": ROW}, "c1 is 2.5; give a number of frames"),
        ({"lengths.json": '{"c1": 5}', "c1.txt": "6" + ROW[1:]}, "frame 6 is beyond the stated length of 5 frames"),
        ({"s/gt/gt.txt": ROW, "s/seqinfo.ini": "[Sequence]\n"}, "no readable seqLength"),
        ({"s/gt/gt.txt": ROW, "s/seqinfo.ini": "[Sequence]\nseqLength=many\n"}, "no readable seqLength"),
        ({"s/gt/gt.txt": ROW, "s/seqinfo.ini": "[Sequence]\nseqLength=-1\n"}, "is negative; mend it"),
        ({"s/gt/gt.txt": ROW, "s/seqinfo.ini": "seqLength=3\n"}, r"not a readable seqinfo\.ini"),
        ({"s/gt/gt.txt": ROW, "s/seqinfo.ini": "[Other]\nseqLength=3\n"}, "no readable seqLength"),
    ],
)
def test_broken_truth(tmp_path: Path, files: dict[str, str], complaint: str) -> None:
    for name, text in files.items():
        put(tmp_path / name, text)
    with pytest.raises(UserError, match=complaint) as error:
        read_mot_folder(tmp_path)
    assert "\n" not in str(error.value)


def test_absent_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give the folder of the truth"):
        read_mot_folder(tmp_path / "absent")
