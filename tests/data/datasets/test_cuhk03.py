"""CUHK03 in the new protocol, as far as its lists go."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from data.datasets.cuhk03 import list_cuhk03_detected, list_cuhk03_labeled
from data.datasets.reid_crops import ReidCrop
from data.errors import UserError
from reid.samples.layouts import LAYOUTS

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
