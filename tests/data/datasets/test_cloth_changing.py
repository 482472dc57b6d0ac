"""LTCC and PRCC, as far as file names go."""

from pathlib import Path

import pytest

from data.datasets.cloth_changing import list_ltcc, list_prcc, list_prcc_same_clothes
from data.datasets.reid_crops import ReidCrop
from data.errors import UserError

LTCC = {
    "train": ["000_1_c10_015833.png", "000_2_c3_000001.png", "007_1_c1_000002.png"],
    "query": ["001_1_c2_004921.png"],
    "test": ["001_1_c3_004922.png", "001_3_c2_004923.png", "Thumbs.db"],
}
PRCC = {
    "rgb/train/001": ["A_cropped_rgb001.jpg", "B_cropped_rgb002.jpg", "C_cropped_rgb003.jpg"],
    "rgb/test/A/005": ["cropped_rgb001.jpg", "cropped_rgb002.jpg"],
    "rgb/test/B/005": ["cropped_rgb001.jpg"],
    "rgb/test/C/005": ["cropped_rgb001.jpg"],
}


def make(root: Path, folders: dict[str, list[str]]) -> Path:
    for folder, names in folders.items():
        (root / folder).mkdir(parents=True)
        for name in names:
            (root / folder / name).touch()
    return root


def told(crops: tuple[ReidCrop, ...]) -> list[tuple[str, int, int, int | None]]:
    return [(crop.path.name, crop.identity, crop.camera, crop.clothes) for crop in crops]


def test_ltcc_names_tell_who_wears_what_and_where(tmp_path: Path) -> None:
    splits = list_ltcc(make(tmp_path / "LTCC_ReID", LTCC).parent)
    assert told(splits.train) == [
        ("000_1_c10_015833.png", 0, 10, 1),
        ("000_2_c3_000001.png", 0, 3, 2),
        ("007_1_c1_000002.png", 7, 1, 1),
    ]
    assert told(splits.query) == [("001_1_c2_004921.png", 1, 2, 1)]
    assert told(splits.gallery) == [("001_1_c3_004922.png", 1, 3, 1), ("001_3_c2_004923.png", 1, 2, 3)]


def test_ltcc_of_another_form_is_told(tmp_path: Path) -> None:
    place = make(tmp_path, LTCC)
    (place / "test" / "001_c3_1.png").touch()
    with pytest.raises(UserError, match=r"001_c3_1\.png: the name does not start with <identity>_<clothes>_c<camera>_"):
        list_ltcc(place)
    assert len(list_ltcc(place, "train").train) == 3
    with pytest.raises(UserError, match=r"is not LTCC: expected the folders query and test, missing query, test"):
        list_ltcc(tmp_path / "train", "test")


def test_prccs_gallery_is_camera_a(tmp_path: Path) -> None:
    changed = list_prcc(make(tmp_path / "prcc", PRCC))
    same = list_prcc_same_clothes(tmp_path)
    assert told(changed.train) == told(same.train) == [
        ("A_cropped_rgb001.jpg", 1, 0, 0), ("B_cropped_rgb002.jpg", 1, 1, 0), ("C_cropped_rgb003.jpg", 1, 2, 1),
    ]  # fmt: skip
    assert told(changed.query) == [("cropped_rgb001.jpg", 5, 2, 1)]
    assert told(same.query) == [("cropped_rgb001.jpg", 5, 1, 0)]
    assert told(changed.gallery) == [("cropped_rgb001.jpg", 5, 0, 0), ("cropped_rgb002.jpg", 5, 0, 0)]
    assert list_prcc(tmp_path / "prcc" / "rgb", "test").train == ()


def test_prcc_of_another_form_is_told(tmp_path: Path) -> None:
    place = make(tmp_path / "prcc", PRCC)
    (place / "rgb" / "train" / "001" / "D_1.jpg").touch()
    with pytest.raises(UserError, match=r"D_1\.jpg: the name does not start with its camera, A, B or C"):
        list_prcc(place)
    (place / "rgb" / "test" / "A" / "somebody").mkdir()
    with pytest.raises(UserError, match="somebody: folders of people are named by their number"):
        list_prcc(place, "test")
