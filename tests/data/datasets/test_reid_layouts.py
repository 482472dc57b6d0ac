"""The layouts of the re-identification data sets, as far as file names go."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from data.datasets.market1501 import read_market1501
from data.datasets.market_layout import list_market_layout
from data.datasets.occluded_reid import list_occluded_reid
from data.datasets.p_dukemtmc import list_p_dukemtmc
from data.datasets.partial_reid import list_partial_reid
from data.datasets.reid_crops import CropSplits, ReidCrop
from data.errors import UserError

MARKET = {
    "bounding_box_train": ["0002_c1s1_000451_03.jpg", "-1_c1s1_000451_04.jpg"],
    "query": ["0003_c1s1_000151_01.jpg"],
    "bounding_box_test": ["-1_c1s1_000401_03.jpg", "0000_c2s1_000151_01.jpg", "0003_c3s2_000001_01.jpg", "Thumbs.db"],
}
OCCLUDED_REID = {
    "occluded_body_images/001": ["001_02.tif", "001_01.tif", "001_01.txt"],
    "occluded_body_images/002": ["002_01.tif"],
    "whole_body_images/001": ["001_01.tif"],
}
PARTIAL_REID = {"occluded_body_images": ["001_01.jpg", "002_01.jpg"], "whole_body_images": ["001_01.jpg"]}
P_DUKE = {
    "train/occluded_body_images/0005": ["0005_c1_f1.jpg"],
    "train/whole_body_images/0005": ["0005_c2_f1.jpg", "0005_c2_f2.jpg"],
    "test/occluded_body_images/0007": ["0007_c1_f1.jpg"],
    "test/whole_body_images/0007": ["0007_c2_f1.jpg"],
}


def make(root: Path, folders: dict[str, list[str]]) -> Path:
    for folder, names in folders.items():
        (root / folder).mkdir(parents=True)
        for name in names:
            (root / folder / name).write_bytes(b"")
    return root


def told(crops: tuple[ReidCrop, ...]) -> list[tuple[str, int, int, str]]:
    return [(crop.path.name, crop.identity, crop.camera, crop.folder) for crop in crops]


def test_market_keeps_distractors_and_drops_junk(tmp_path: Path) -> None:
    splits = list_market_layout(make(tmp_path, MARKET))
    assert told(splits.train) == [("0002_c1s1_000451_03.jpg", 2, 1, "bounding_box_train")]
    assert told(splits.query) == [("0003_c1s1_000151_01.jpg", 3, 1, "query")]
    assert [crop.identity for crop in splits.gallery] == [0, 3]
    assert [crop.camera for crop in splits.gallery] == [2, 3]


def test_the_500k_distractors_join_the_gallery(tmp_path: Path) -> None:
    make(tmp_path, MARKET)
    with pytest.raises(UserError, match="missing images"):
        list_market_layout(tmp_path, distractors=True)
    make(tmp_path, {"images": ["0000_c1s1_000001_00.jpg", "-1_c1s1_000002_00.jpg"]})
    assert len(list_market_layout(tmp_path).gallery) == 2
    splits = list_market_layout(tmp_path, "test", distractors=True)
    assert told(splits.gallery)[2:] == [("0000_c1s1_000001_00.jpg", 0, 1, "images")]
    assert splits.train == ()
    assert list_market_layout(tmp_path, "train", distractors=True).gallery == ()


def test_only_the_splits_that_are_used_must_be_there(tmp_path: Path) -> None:
    train = make(tmp_path / "a", {"bounding_box_train": MARKET["bounding_box_train"]})
    assert len(list_market_layout(train, "train").train) == 1
    with pytest.raises(UserError, match="missing query, bounding_box_test; found: bounding_box_train"):
        list_market_layout(train, "test")
    test = make(tmp_path / "b", {name: names for name, names in MARKET.items() if name != "bounding_box_train"})
    assert len(list_market_layout(test, "test").gallery) == 2
    with pytest.raises(UserError, match="missing bounding_box_train"):
        list_market_layout(test)
    crops = list_p_dukemtmc(make(tmp_path / "c", {name: P_DUKE[name] for name in list(P_DUKE)[:2]}), "train")
    assert len(crops.train) == 3


def test_skeletons_of_a_synthetic_site_come_along(tmp_path: Path) -> None:
    make(tmp_path, MARKET)
    points = [[1, 2, 2]] * 17
    tree = {"query/0003_c1s1_000151_01.jpg": {"positive": points, "negatives": [points]}}
    (tmp_path / "crops_a.json").write_text(json.dumps(tree))
    splits = list_market_layout(tmp_path)
    keypoints = splits.query[0].keypoints
    assert keypoints is not None
    assert not isinstance(keypoints, Path)
    assert keypoints.occlusion == 1.0
    assert splits.train[0].keypoints is None


def test_occluded_reid(tmp_path: Path) -> None:
    splits = list_occluded_reid(make(tmp_path, OCCLUDED_REID))
    assert splits.train == ()
    assert told(splits.query) == [
        ("001_01.tif", 1, 0, "occluded_body_images"),
        ("001_02.tif", 1, 0, "occluded_body_images"),
        ("002_01.tif", 2, 0, "occluded_body_images"),
    ]
    assert told(splits.gallery) == [("001_01.tif", 1, 1, "whole_body_images")]


def test_partial_reid_keeps_its_files_beside_the_pictures(tmp_path: Path) -> None:
    make(tmp_path, PARTIAL_REID)
    bare = list_partial_reid(tmp_path)
    assert told(bare.query) == [
        ("001_01.jpg", 1, 0, "occluded_body_images"),
        ("002_01.jpg", 2, 0, "occluded_body_images"),
    ]
    assert [crop.keypoints for crop in (*bare.query, *bare.gallery)] == [None] * 3
    (tmp_path / "occluded_body_images" / "002_01.jpg.predictions.json").write_text("[]")
    (tmp_path / "whole_body_images" / "001_01.jpg.confidence_fields.npy").write_bytes(b"")
    splits = list_partial_reid(tmp_path)
    assert splits.query[0].keypoints == tmp_path / "occluded_body_images" / "001_01.jpg.predictions.json"
    assert splits.query[0].labels is None
    assert splits.gallery[0].keypoints is None
    assert splits.gallery[0].labels == tmp_path / "whole_body_images" / "001_01.jpg.confidence_fields.npy"


def test_p_duke_trains_on_whole_and_occluded_people(tmp_path: Path) -> None:
    splits = list_p_dukemtmc(make(tmp_path, P_DUKE))
    assert told(splits.train) == [
        ("0005_c1_f1.jpg", 5, 0, "train/occluded_body_images"),
        ("0005_c2_f1.jpg", 5, 1, "train/whole_body_images"),
        ("0005_c2_f2.jpg", 5, 1, "train/whole_body_images"),
    ]
    assert told(splits.query) == [("0007_c1_f1.jpg", 7, 0, "test/occluded_body_images")]
    assert told(splits.gallery) == [("0007_c2_f1.jpg", 7, 1, "test/whole_body_images")]


@pytest.mark.parametrize(
    ("reader", "name", "folders"),
    [
        (list_market_layout, "Market-1501-v15.09.15", MARKET),
        (list_market_layout, "DukeMTMC-reID", MARKET),
        (list_market_layout, "Occluded_Duke", MARKET),
        (list_occluded_reid, "Occluded_REID", OCCLUDED_REID),
        (list_partial_reid, "Partial_REID", PARTIAL_REID),
        (list_p_dukemtmc, "P-DukeMTMC-reID", P_DUKE),
    ],
)
def test_the_folder_above_will_do(
    tmp_path: Path, reader: Callable[[Path], CropSplits], name: str, folders: dict[str, list[str]]
) -> None:
    make(tmp_path / name, folders)
    above, itself = reader(tmp_path), reader(tmp_path / name)
    assert above.root == itself.root == tmp_path / name
    assert told(above.query) == told(itself.query)
    assert len(above.gallery) > 0


def test_the_folder_above_several_sets_is_no_answer(tmp_path: Path) -> None:
    for name in ("Market-1501-v15.09.15", "Occluded_Duke"):
        make(tmp_path / name, MARKET)
    with pytest.raises(UserError, match=r"several data sets: give one of .*Market-1501.*, .*Occluded_Duke"):
        list_market_layout(tmp_path)
    assert len(read_market1501(tmp_path).train) == 2


@pytest.mark.parametrize(
    ("reader", "what"),
    [(list_occluded_reid, "Occluded-ReID"), (list_partial_reid, "Partial-ReID"), (list_p_dukemtmc, "P-DukeMTMC-reID")],
)
def test_a_wrong_layout_says_what_was_expected_and_found(
    tmp_path: Path, reader: Callable[[Path], CropSplits], what: str
) -> None:
    (tmp_path / "pictures").mkdir()
    with pytest.raises(
        UserError, match=f"is not {what}: expected the folders .*body_images, missing .*found: pictures"
    ):
        reader(tmp_path)
    with pytest.raises(UserError, match="there is no such folder"):
        reader(tmp_path / "nowhere")


def test_sets_for_testing_have_nothing_to_train_on(tmp_path: Path) -> None:
    make(tmp_path / "a", OCCLUDED_REID)
    make(tmp_path / "b", PARTIAL_REID)
    with pytest.raises(UserError, match=r"Occluded-ReID has no training pictures; name it as 'test'"):
        list_occluded_reid(tmp_path / "a", "train")
    with pytest.raises(UserError, match=r"Partial-ReID has no training pictures; name it as 'test'"):
        list_partial_reid(tmp_path / "b", "train")


def test_empty_folders_and_foreign_names(tmp_path: Path) -> None:
    make(tmp_path / "a", {"occluded_body_images/001": [], "whole_body_images/001": ["001_01.tif"]})
    with pytest.raises(UserError, match=r"occluded_body_images: expected pictures in the folders below it"):
        list_occluded_reid(tmp_path / "a")
    make(tmp_path / "b", {"occluded_body_images": ["holiday.jpg"], "whole_body_images": ["001_01.jpg"]})
    with pytest.raises(UserError, match=r"holiday\.jpg: the name does not start with <identity>_"):
        list_partial_reid(tmp_path / "b")
    make(tmp_path / "c", MARKET | {"query": ["0003-1.jpg"]})
    with pytest.raises(UserError, match=r"0003-1\.jpg: the name does not start with <identity>_c<camera>"):
        list_market_layout(tmp_path / "c")
