import json
from pathlib import Path

import pytest

from data.errors import UserError
from pipeline.evaluation.layout import find_prediction, find_truth, read_sequence, unknown_predictions

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
    truth = find_truth(tmp_path)
    assert list(truth.paths) == ["a", "b"]
    assert truth.lengths == {"b": 7}
    assert truth.has_sequences


def test_cameras(tmp_path: Path) -> None:
    put(tmp_path / "c2.txt")
    put(tmp_path / "c1.txt", "")
    put(tmp_path / "lengths.json", json.dumps({"c1": 9}))
    truth = find_truth(tmp_path)
    assert list(truth.paths) == ["c1", "c2"]
    assert truth.lengths == {"c1": 9}
    assert not truth.has_sequences


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({}, "holds no truth"),
        ({"lengths.json": '{"c1": 3}', "c2.txt": ROW}, "lengths.json names c1, but"),
        ({"lengths.json": "[3]", "c1.txt": ROW}, "expected a JSON object"),
        ({"lengths.json": "{", "c1.txt": ROW}, "not valid JSON"),
        ({"lengths.json": '{"c1": 2.5}', "c1.txt": ROW}, "c1 is 2.5; give a number of frames"),
        ({"s/gt/gt.txt": ROW, "s/seqinfo.ini": "[Sequence]\n"}, "no readable seqLength"),
        ({"s/gt/gt.txt": ROW, "s/seqinfo.ini": "[Sequence]\nseqLength=many\n"}, "no readable seqLength"),
        ({"s/gt/gt.txt": ROW, "s/seqinfo.ini": "[Sequence]\nseqLength=-1\n"}, "give a number of frames"),
        ({"s/gt/gt.txt": ROW, "s/seqinfo.ini": "seqLength=3\n"}, "no readable seqLength"),
    ],
)
def test_broken_truth(tmp_path: Path, files: dict[str, str], complaint: str) -> None:
    for name, text in files.items():
        put(tmp_path / name, text)
    with pytest.raises(UserError, match=complaint) as error:
        find_truth(tmp_path)
    assert "\n" not in str(error.value)


def test_absent_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give the folder of the truth"):
        find_truth(tmp_path / "absent")
    put(tmp_path / "c1.txt")
    with pytest.raises(UserError, match="give the folder of the predictions"):
        unknown_predictions(tmp_path / "absent", find_truth(tmp_path))


@pytest.mark.parametrize("place", ["c1.txt", "c1/c1.txt", "c1/gt/gt.txt", "tracks/c1.txt"])
def test_places_of_predictions(tmp_path: Path, place: str) -> None:
    put(tmp_path / "gt" / "c1.txt")
    expected = put(tmp_path / "pred" / place, ROW * 0)
    put(tmp_path / "pred" / place.replace("c1", "c9"), "")
    assert find_prediction(tmp_path / "pred", "c1") == expected
    assert unknown_predictions(tmp_path / "pred", find_truth(tmp_path / "gt")) == ["c9"]


def test_length_is_the_last_frame_where_nothing_is_stated(tmp_path: Path) -> None:
    put(tmp_path / "gt" / "c1.txt", ROW + "4,1,0,0,10,10,1,1,1\n")
    put(tmp_path / "pred" / "c1.txt", "6,1,0,0,10,10,1\n")
    sequence = read_sequence(find_truth(tmp_path / "gt"), "c1", tmp_path / "pred", allow_missing=False)
    assert (sequence.length, sequence.rows_beyond, len(sequence.predictions)) == (6, 0, 1)


def test_rows_beyond_the_truth_are_left_out(tmp_path: Path) -> None:
    put(tmp_path / "gt" / "c1.txt")
    put(tmp_path / "gt" / "lengths.json", '{"c1": 5}')
    put(tmp_path / "pred" / "c1.txt", "5,1,0,0,10,10,1\n6,1,0,0,10,10,1\n7,1,0,0,10,10,1\n")
    sequence = read_sequence(find_truth(tmp_path / "gt"), "c1", tmp_path / "pred", allow_missing=False)
    assert (sequence.length, sequence.rows_beyond, sequence.predictions.frames.tolist()) == (5, 2, [4])


def test_truth_beyond_its_own_length(tmp_path: Path) -> None:
    put(tmp_path / "c1.txt", "6,1,0,0,10,10,1,1,1\n")
    put(tmp_path / "lengths.json", '{"c1": 5}')
    with pytest.raises(UserError, match="frame 6 is beyond the stated length of 5 frames"):
        read_sequence(find_truth(tmp_path), "c1", tmp_path, allow_missing=False)


def test_missing_predictions(tmp_path: Path) -> None:
    put(tmp_path / "gt" / "c1.txt")
    (tmp_path / "pred").mkdir()
    truth = find_truth(tmp_path / "gt")
    with pytest.raises(UserError, match=r"has no predictions for c1 \(c1.txt\); --allow-missing"):
        read_sequence(truth, "c1", tmp_path / "pred", allow_missing=False)
    sequence = read_sequence(truth, "c1", tmp_path / "pred", allow_missing=True)
    assert sequence.missing
    assert len(sequence.predictions) == 0
    put(tmp_path / "pred" / "c1.txt", "")
    assert not read_sequence(truth, "c1", tmp_path / "pred", allow_missing=False).missing
