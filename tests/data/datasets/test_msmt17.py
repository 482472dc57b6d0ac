"""MSMT17's lists of pictures."""

from pathlib import Path

import pytest

from data.datasets.msmt17 import list_msmt17
from data.datasets.reid_crops import ReidCrop
from data.errors import UserError

LISTS = {
    "train": ("train", ["0000/0000_001_05_0303morning_0017_0_ex.jpg 0", "0000/0000_000_01_0303morning_0008_0.jpg 0"]),
    "query": ("test", ["0002/0002_003_15_0303noon_0008_0.jpg 2"]),
    "gallery": ("test", ["0002/0002_004_03_0303noon_0008_0.jpg 2", "0003/0003_004_04_0303noon_0008_1.jpg 3"]),
}


def make(root: Path, train: str = "train", test: str = "test") -> Path:
    for name, (part, lines) in LISTS.items():
        folder = root / (train if part == "train" else test)
        for line in lines:
            path = folder / line.split(" ")[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (root / f"list_{name}.txt").write_text("\n".join(lines) + "\n")
    return root


def told(crops: tuple[ReidCrop, ...]) -> list[tuple[str, int, int]]:
    return [(crop.path.name[:11], crop.identity, crop.camera) for crop in crops]


@pytest.mark.parametrize("folders", [("train", "test"), ("mask_train_v2", "mask_test_v2")])
def test_lists_tell_who_and_names_tell_where(tmp_path: Path, folders: tuple[str, str]) -> None:
    splits = list_msmt17(make(tmp_path / "MSMT17_V1", *folders).parent)
    assert told(splits.train) == [("0000_000_01", 0, 1), ("0000_001_05", 0, 5)]
    assert told(splits.query) == [("0002_003_15", 2, 15)]
    assert told(splits.gallery) == [("0002_004_03", 2, 3), ("0003_004_04", 3, 4)]
    assert splits.train[0].folder == folders[0]


def test_wrong_lists_are_told(tmp_path: Path) -> None:
    place = make(tmp_path)
    (place / "test" / "0003" / "0003_004_04_0303noon_0008_1.jpg").unlink()
    with pytest.raises(UserError, match=r"1 of 2 pictures of list_gallery\.txt are missing, first .*0003_004_04"):
        list_msmt17(place)
    assert len(list_msmt17(place, "train").train) == 2
    for line in ("0002/0002_003.jpg 2", "0002/0002_003_15_a.jpg", "../0002_003_15_a.jpg 1"):
        (place / "list_query.txt").write_text(line)
        with pytest.raises(UserError, match=r"list_query\.txt, line 1: .* is not '<person>/<name> <identity>'"):
            list_msmt17(place, "test")
    (place / "list_query.txt").write_text("\n")
    with pytest.raises(UserError, match=r"list_query\.txt lists no picture"):
        list_msmt17(place, "test")
    (place / "list_train.txt").unlink()
    with pytest.raises(UserError, match=r"list_train\.txt is missing"):
        list_msmt17(place, "train")
    with pytest.raises(UserError, match="is not MSMT17: expected the folders train and test"):
        list_msmt17(tmp_path / "test" / "0002")
