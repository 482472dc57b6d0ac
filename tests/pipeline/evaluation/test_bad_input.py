"""What may be wrong in truth and predictions, one by one, as the command tells it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from pipeline.cli import run
from tests.pipeline.evaluation.miniatures import MINIATURES, mot_rows, put, write_duke, write_perfect
from tools import evaluate


@pytest.fixture
def mot20(tmp_path: Path) -> Path:
    """A MOT20 of one sequence beside perfect predictions."""
    MINIATURES["mot20"](tmp_path / "root")
    write_perfect("mot20", tmp_path / "root", tmp_path / "pred")
    return tmp_path


def told(place: Path, capsys: pytest.CaptureFixture[str], *arguments: str, name: str = "mot20") -> tuple[int, str, str]:
    """Exit code, standard output and error."""
    options = ["--dataset", name, "--root", str(place / "root"), "--pred", str(place / "pred"), *arguments]
    code = run(evaluate.main, options)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))


TRUTH = Path("root/train/MOT20-01/gt/gt.txt")
FOUND = Path("pred/MOT20-01.txt")

FATAL: dict[str, tuple[Path, Callable[[str], str], str]] = {
    "truth counted from 0": (TRUTH, lambda text: "0" + text[1:], "gt.txt:1: frame is below 1 (frames count from 1"),
    "truth beyond its length": (
        TRUTH,
        lambda text: text + mot_rows(1, range(7, 8)),
        "frame 7 is beyond the stated length of 6 frames counted from 1; is the file counted from 0?",
    ),
    "predictions counted from 0": (FOUND, lambda text: "0" + text[1:], "MOT20-01.txt:1: frame is below 1"),
    "an id twice in a frame of the truth": (
        TRUTH,
        lambda text: text + text.splitlines()[0] + "\n",
        "id 1 is given twice in frame 1; an id may own one box of a frame",
    ),
    "an id twice in a frame of the predictions": (
        FOUND,
        lambda text: text + text.splitlines()[0] + "\n",
        "id 51 is given twice in frame 1",
    ),
    "a width below 0": (FOUND, lambda text: text.replace("20.000", "-20.000", 1), "width is negative"),
    "predictions without ids": (FOUND, lambda text: text.replace(",51,", ",-1,", 1), "every row needs an id here"),
    "predictions that are no numbers": (FOUND, lambda text: "car,truck\n", "MOT20-01.txt"),
}


@pytest.mark.parametrize("what", sorted(FATAL))
def test_what_cannot_be_scored_is_one_line_that_names_the_file(
    what: str, mot20: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, change, complaint = FATAL[what]
    rewrite(mot20 / path, change)
    code, printed, error = told(mot20, capsys)
    assert (code, printed) == (2, "")
    assert complaint in error
    assert error.count("\n") == 1


def test_sound_files_are_scored(mot20: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The counter-proof of all above."""
    code, printed, _ = told(mot20, capsys)
    assert code == 0
    assert "HOTA  100.00" in printed


def test_half_a_data_set_is_scored_and_said(mot20: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = told(mot20, capsys)
    assert code == 0
    assert "missing sequence (3, first: MOT20-02, MOT20-03, MOT20-05)" in error
    assert "box without area (1, first: id 9 in frame 2 (from 0))" in error


def test_a_missing_sequence_of_the_predictions_is_named(mot20: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mot20 / FOUND).rename(mot20 / "pred" / "MOT20-99.txt")
    code, _, error = told(mot20, capsys)
    assert code == 2
    assert (
        "has no predictions for MOT20-01 (MOT20-01.txt); --allow-missing of the scoring tools scores it as empty"
        in error
    )
    code, _, error = told(mot20, capsys, "--allow-missing")
    assert code == 2, "then nothing at all is matched"
    assert "none of 0 predicted boxes lies on one of 9 true ones" in error


def test_predictions_for_unknown_cameras_are_counted(mot20: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(mot20 / "pred" / "lobby.txt", mot_rows(1, range(1, 4)))
    code, _, error = told(mot20, capsys)
    assert code == 0
    assert "note: lobby: predictions without a truth (3 rows), not scored" in error


def test_predicted_boxes_of_zero_size_are_false(mot20: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewrite(mot20 / FOUND, lambda text: text + "6,77,10,10,0,40,1,-1,-1,-1\n")
    code, printed, error = told(mot20, capsys)
    assert code == 0
    assert "MOT20-01: 1 predicted boxes have no area and count as false" in error
    assert "MOTA  88.89" in printed, "1 - 1 / 9"


def test_predictions_after_the_end_are_left_out_and_counted(mot20: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewrite(mot20 / FOUND, lambda text: text + mot_rows(51, range(7, 9), tail="1,-1,-1,-1"))
    code, printed, error = told(mot20, capsys)
    assert code == 0
    assert "MOT20-01: 2 predicted rows after frame 6, the last of the truth, are left out" in error
    assert "HOTA  100.00" in printed


def test_unknown_parts_and_sequences_are_named(mot20: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no part 'test'; choose --split from train" in told(mot20, capsys, "--split", "test")[2]
    assert "has no sequence 'MOT20-02'; it has MOT20-01" in told(mot20, capsys, "--sequences", "MOT20-02")[2]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"trainData": np.array([[{"an": "object"}]], object)}, "trainData"),
        ({"trainData": {"inside": 1.0}}, "neither numbers nor texts"),
        ({"trainData": np.zeros((3, 4))}, "4 columns, where at least 7 are expected"),
        ({"other": np.zeros((3, 9))}, "it lacks trainData"),
        (b"MATLAB 7.3 MAT-file, Platform: GLNXA64", "trainval.mat is "),
        (b"MATLAB 5.0 MAT-file, and then", "no readable Matlab file, or it is damaged"),
    ],
)
def test_matlab_files_of_another_kind(
    content: dict[str, Any] | bytes, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_duke(tmp_path / "root")
    write_perfect("dukemtmc", tmp_path / "root", tmp_path / "pred")
    path = tmp_path / "root" / "ground_truth" / "trainval.mat"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        scipy.io.savemat(path, content)
    code, printed, error = told(tmp_path, capsys, name="dukemtmc")
    assert (code, printed) == (2, "")
    assert complaint in error


def test_a_site_whose_lengths_name_more_cameras(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    MINIATURES["site"](tmp_path / "root")
    write_perfect("site", tmp_path / "root", tmp_path / "pred")
    code, _, error = told(tmp_path, capsys, name="site")
    assert code == 0
    assert "missing file (1, first: c3.txt)" in error
    put(tmp_path / "root" / "lengths.json", json.dumps({"c1": "ten"}))
    assert "c1 is 'ten'; give a number of frames" in told(tmp_path, capsys, name="site")[2]


def test_prepared_cameras_are_pointed_to_the_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    MINIATURES["site"](tmp_path / "root")
    code, _, error = told(tmp_path, capsys, name="nlpr_mct")
    assert code == 2
    assert "is not NLPR_MCT: missing Dataset*/Cam*.dat" in error
    assert "files of cameras by themselves are the data set 'site'" in error


@pytest.mark.parametrize("truth", ["", "1,1,10,10,20,40,0,1,1\n"], ids=["nobody", "nobody that counts"])
def test_a_truth_without_a_box_that_counts_is_said(
    truth: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, text in (("gt", truth), ("pred", "1,7,10,10,20,40,1,-1,-1,-1\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "hall.txt").write_text(text)
    code = run(evaluate.main, ["--dataset", "site", "--root", str(tmp_path / "gt"), "--pred", str(tmp_path / "pred")])
    said = capsys.readouterr()
    assert code == 0
    assert "no true box counts by plain, IoU >= 0.5: no prediction can be right" in said.out + said.err
