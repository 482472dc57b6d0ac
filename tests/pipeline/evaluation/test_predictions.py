from pathlib import Path

import pytest

from data.errors import UserError
from pipeline.evaluation.predictions import find_prediction, read_predictions, unknown_predictions

ROW = "1,1,0,0,10,10,1,1,1\n"


def put(path: Path, text: str = ROW) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_absent_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give the folder of the predictions"):
        unknown_predictions(tmp_path / "absent", ("c1",))


@pytest.mark.parametrize("place", ["c1.txt", "c1.TXT", "c1/c1.txt", "c1/gt/gt.txt", "tracks/c1.txt"])
def test_places_of_predictions(tmp_path: Path, place: str) -> None:
    expected = put(tmp_path / place, ROW * 0)
    put(tmp_path / place.replace("c1", "c9"), "")
    assert find_prediction(tmp_path, "c1") == expected
    assert unknown_predictions(tmp_path, ("c1",)) == ["c9"]


def test_predictions_of_nobody_are_counted(tmp_path: Path) -> None:
    put(tmp_path / "c1.txt")
    put(tmp_path / "zoo.txt", ROW + "\n" + ROW.replace("1", "2", 1))
    found, lines = read_predictions(tmp_path, ["c1"], ("c1", "c2"), allow_missing=False)
    assert [name for name, table in found.items() if table is not None] == ["c1"]
    assert lines == ["zoo: predictions without a truth (2 rows), not scored"]


def test_missing_predictions(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no predictions for c1 \(c1.txt\); --allow-missing"):
        read_predictions(tmp_path, ["c1"], ("c1",), allow_missing=False)
    assert read_predictions(tmp_path, ["c1"], ("c1",), allow_missing=True) == ({"c1": None}, [])
    put(tmp_path / "c1.txt", "")
    found, _ = read_predictions(tmp_path, ["c1"], ("c1",), allow_missing=False)
    assert found["c1"] is not None, "an empty file is an answer: nobody was found"
