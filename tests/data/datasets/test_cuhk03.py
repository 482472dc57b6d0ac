"""CUHK03 in both protocols, as far as their lists go."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.io import savemat

from data.datasets.cuhk03 import (
    list_cuhk03_classic_detected,
    list_cuhk03_classic_labeled,
    list_cuhk03_detected,
    list_cuhk03_labeled,
)
from data.datasets.reid_crops import ReidCrop
from data.errors import UserError
from reid.samples.layouts import LAYOUTS
from reid.samples.sources import SourceConfig, read_source

# Two people of different camera pairs have the same number in their names.
NAMES = ("1_001_1_01.png", "1_001_2_06.png", "2_001_1_01.png", "2_001_2_07.png", "2_001_2_06.png")
PROTOCOL = {"labels": [[9], [9], [700], [700], [700]], "train_idx": [[1], [2]], "query_idx": [[3]],
            "gallery_idx": [[4], [5]]}  # fmt: skip


def make(root: Path, boxes: str, **changed: Any) -> Path:
    (root / f"images_{boxes}").mkdir(parents=True)
    for name in NAMES:
        (root / f"images_{boxes}" / name).touch()
    cells = np.empty((len(NAMES), 1), object)
    cells[:, 0] = NAMES
    savemat(root / f"cuhk03_new_protocol_config_{boxes}.mat", {"filelist": cells, **PROTOCOL, **changed})
    return root


def told(crops: tuple[ReidCrop, ...]) -> list[tuple[str, int, int]]:
    return [(crop.path.name, crop.identity, crop.camera) for crop in crops]


def test_the_protocol_says_who_and_where(tmp_path: Path) -> None:
    splits = list_cuhk03_labeled(make(tmp_path / "cuhk03", "labeled"))
    assert told(splits.train) == [("1_001_1_01.png", 9, 0), ("1_001_2_06.png", 9, 1)]
    assert told(splits.query) == [("2_001_1_01.png", 700, 0)]
    assert told(splits.gallery) == [("2_001_2_06.png", 700, 1), ("2_001_2_07.png", 700, 1)]
    above = LAYOUTS["cuhk03_labeled"].listed_by(tmp_path, "test")
    assert above.train == ()
    assert told(above.gallery) == told(splits.gallery)
    with pytest.raises(UserError, match=r"is not CUHK03 \(detected\): expected the folder images_detected"):
        list_cuhk03_detected(tmp_path)
    make(tmp_path / "cuhk03", "detected")
    assert len(list_cuhk03_detected(tmp_path, "train").train) == 2


def test_wrong_files_are_told(tmp_path: Path) -> None:
    place = make(tmp_path, "labeled")
    (place / "images_labeled" / NAMES[4]).unlink()
    with pytest.raises(UserError, match=r"images_labeled lacks 1 pictures of gallery, first '2_001_2_06\.png'"):
        list_cuhk03_labeled(place)
    assert len(list_cuhk03_labeled(place, "train").train) == 2
    file = place / "cuhk03_new_protocol_config_labeled.mat"
    file.write_bytes(b"no matlab file")
    with pytest.raises(UserError, match="no readable Matlab file"):
        list_cuhk03_labeled(place)
    savemat(file, {"labels": [1]})
    with pytest.raises(UserError, match="lacks filelist, train_idx"):
        list_cuhk03_labeled(place)
    file.unlink()
    with pytest.raises(UserError, match=r"config_labeled\.mat is missing"):
        list_cuhk03_labeled(place)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"query_idx": [[6]]}, "query_idx does not number the 5 pictures"),
        ({"query_idx": [[0]]}, "query_idx does not number the 5 pictures"),
        ({"labels": [[1]]}, "5 names but 1 labels"),
        ({"labels": "who"}, "no whole numbers"),
    ],
)
def test_a_protocol_that_does_not_fit_is_told(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        list_cuhk03_labeled(make(tmp_path, "labeled", **changed))


def test_a_foreign_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "images_labeled").mkdir()
    (tmp_path / "images_labeled" / "holiday.png").touch()
    cells = np.empty((1, 1), object)
    cells[0, 0] = "holiday.png"
    rows = {f"{name}_idx": [[1]] for name in ("train", "query", "gallery")}
    savemat(tmp_path / "cuhk03_new_protocol_config_labeled.mat", {"filelist": cells, "labels": [[1]], **rows})
    with pytest.raises(UserError, match=r"'holiday\.png' is not named <pair>_<person>_<view>_<number>\.png"):
        list_cuhk03_labeled(tmp_path)


def classic(root: Path, boxes: str = "detected") -> Path:
    place = make(root, boxes)
    rows = [[f"/home/somebody/cuhk03/images_{boxes}/{name}", number, int(name[6]) - 1] for number, name in
            zip((0, 0, 1, 1, 1), NAMES)]  # fmt: skip
    splits = [{"train": rows[:2], "query": rows[2:], "gallery": rows[2:]}, {"train": rows[2:], "query": rows[:2],
              "gallery": rows[:2]}]  # fmt: skip
    (place / f"splits_classic_{boxes}.json").write_text(json.dumps(splits))
    return place


def test_the_classic_protocol_has_numbered_splits(tmp_path: Path) -> None:
    place = classic(tmp_path / "cuhk03")
    first = read_source(SourceConfig(kind="cuhk03_classic_detected", root=place))
    assert [sample.path.name for sample in first.train] == ["1_001_1_01.png", "1_001_2_06.png"]
    assert first.train[0].path.parent == place / "images_detected"
    assert [sample.path for sample in first.query] == [sample.path for sample in first.gallery]
    assert [(sample.identity, sample.camera) for sample in first.query] == [(1, 0), (1, 1), (1, 1)]
    second = read_source(SourceConfig(kind="cuhk03_classic_detected", root=place, split=1))
    assert len(second.train) == 3
    assert LAYOUTS["cuhk03_classic_detected"].single_shot
    assert not LAYOUTS["cuhk03_detected"].single_shot


def test_wrong_classic_splits_are_told(tmp_path: Path) -> None:
    place = classic(tmp_path / "cuhk03")
    with pytest.raises(UserError, match="has 2 splits, from 0; there is no split 2"):
        list_cuhk03_classic_detected(place, split=2)
    with pytest.raises(UserError, match=r"images_labeled, missing images_labeled"):
        list_cuhk03_classic_labeled(place)
    with pytest.raises(ValidationError, match="split: cuhk03_detected has only one"):
        SourceConfig(kind="cuhk03_detected", root=place, split=1)
    (place / "images_detected" / NAMES[0]).unlink()
    with pytest.raises(UserError, match=r"lacks 1 pictures of train, first '1_001_1_01\.png'"):
        list_cuhk03_classic_detected(place)
    path = place / "splits_classic_detected.json"
    for broken, message in (
        ({}, "is no list of splits"),
        ([{"train": []}], "train lists no pictures"),
        ([{"train": [["a.png", 1]]}], r"train has an entry that is not \[path, identity, camera\]"),
        ([{"train": [["a.png", 1, 1]]}], r"which is not \[path, identity, camera\]"),
    ):
        path.write_text(json.dumps(broken))
        with pytest.raises(UserError, match=message):
            list_cuhk03_classic_detected(place, "train")
    path.unlink()
    with pytest.raises(UserError, match=r"splits_classic_detected\.json is missing"):
        list_cuhk03_classic_detected(place)
