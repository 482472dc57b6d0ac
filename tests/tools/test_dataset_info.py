"""What a data set holds, on the terminal."""

import json
from pathlib import Path

import pytest

from data.errors import UserError
from tools.dataset_info import main


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "hall.txt").write_text("1,0,1,1,5,5,1,1,1\n1,3,1,1,5,0,1,1,1\n")
    (tmp_path / "door.txt").write_text("2,0,1,1,5,5,1,1,1\n2,2,1,1,5,5,1,1,1\n")
    (tmp_path / "lengths.json").write_text('{"hall": 4, "door": 4}')
    return tmp_path


def test_counts_cameras_and_problems_are_printed(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["site", str(site)]) == 0
    text = capsys.readouterr().out
    assert "people: 2" in text
    assert "people by number of cameras: 1: 1, 2: 1" in text
    assert "box without area (1, first: id 3 in frame 0 (from 0))" in text


def test_json_says_the_same(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["site", str(site), "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert (facts["people by number of cameras"], facts["boxes"], len(facts["problems"])) == ({"1": 1, "2": 1}, 3, 1)


def test_strict_is_an_error_where_anything_is_wrong(site: Path) -> None:
    with pytest.raises(UserError, match="1 problems"):
        main(["site", str(site), "--strict"])


def test_unknown_names_list_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(
        UserError,
        match=r"unknown data set 'duke_mtmc' \(did you mean 'dukemtmc'\?\); there are: .*cuhk03_labeled.*dukemtmc",
    ):
        main(["duke_mtmc", str(tmp_path)])


def test_truth_of_every_third_frame_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hall.txt").write_text("".join(f"{frame},1,1,1,5,5,1,1,1\n" for frame in range(1, 30, 3)))
    main(["site", str(tmp_path), "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert facts["people are in"] == "one frame in 3 alone: tools.evaluate scores these frames only"
    assert [(one["frames"], one["annotated"]) for one in facts["sequences"]] == [(28, 10)]
    (tmp_path / "hall.txt").write_text("".join(f"{frame},1,1,1,5,5,1,1,1\n" for frame in range(1, 30)))
    main(["site", str(tmp_path), "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert (facts["people are in"], facts["sequences"][0]["annotated"]) == (None, 29)
