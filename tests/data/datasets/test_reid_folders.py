from pathlib import Path

import pytest

from data.datasets.dukemtmc_reid import read_dukemtmc_reid
from data.datasets.market1501 import read_market1501
from data.datasets.reid_folders import read_split
from data.errors import UserError

MARKET = {
    "bounding_box_train": ["0002_c1s1_000451_03.jpg", "0002_c2s1_000301_01.jpg"],
    "query": ["0003_c1s1_000151_01.jpg"],
    "bounding_box_test": ["-1_c1s1_000401_03.jpg", "0000_c1s1_000151_01.jpg", "0003_c3s2_000001_01.jpg", "Thumbs.db"],
}


def make(root: Path, splits: dict[str, list[str]]) -> Path:
    for folder, names in splits.items():
        (root / folder).mkdir(parents=True)
        for name in names:
            (root / folder / name).write_bytes(b"")
    return root


def test_market_splits_are_read_and_sorted(tmp_path: Path) -> None:
    folders = read_market1501(make(tmp_path, MARKET))
    assert (len(folders.train), len(folders.query), len(folders.gallery)) == (2, 1, 3)
    assert folders.gallery.names.identities.tolist() == [-1, 0, 3]
    assert folders.gallery.path(2) == tmp_path / "bounding_box_test" / "0003_c3s2_000001_01.jpg"
    assert folders.gallery.names.frames[2] == 1 + 161708


def test_duke_offsets_reach_every_split(tmp_path: Path) -> None:
    root = make(tmp_path, {name: ["0005_c2_f0000100.jpg"] for name in MARKET})
    assert read_dukemtmc_reid(root).query.names.frames.tolist() == [100]
    assert read_dukemtmc_reid(root, duke_offsets=True).gallery.names.frames.tolist() == [100 + 3606]


def test_a_missing_split_says_what_was_expected_and_found(tmp_path: Path) -> None:
    make(tmp_path, {"train": ["0002_c1s1_000451_03.jpg"], "query": ["0003_c1s1_000151_01.jpg"]})
    with pytest.raises(
        UserError,
        match=r"not Market-1501: expected .* missing bounding_box_train, bounding_box_test; found: query, train",
    ):
        read_market1501(tmp_path)
    with pytest.raises(UserError, match="there is no such folder"):
        read_market1501(tmp_path / "nowhere")


def test_empty_absent_and_foreign_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no folder"):
        read_split(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no pictures"):
        read_split(tmp_path)
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"'holiday\.jpg' is no name"):
        read_split(tmp_path)
