"""Folders of other people are listed by ``data.listing`` alone, which passes over hidden files."""

import ast
import shutil

import numpy as np
import pytest

PACKAGES = ("data", "trackers", "reid", "st_model", "pipeline", "tools")
LISTERS = {"glob", "iglob", "rglob", "iterdir", "scandir", "listdir", "walk", "fwalk"}
# They look at what the program itself wrote (hidden files included), or hash all there is.
OWN_FOLDERS = {
    "data/folder_lock.py",
    "data/ledger.py",
    "data/runtime/seals.py",
    "data/synthetic/export.py",
    "data/weight_records.py",
    "pipeline/folder/run_folder.py",
    "pipeline/folder/store.py",
    "pipeline/job/preparation.py",
    "pipeline/job/traces.py",
}
COMPANION = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X" + bytes(70)


def listing_calls(source: str) -> list[str]:
    calls = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    called = [func.attr for func in calls if isinstance(func, ast.Attribute) and ast.unparse(func.value) != "ast"]
    named = [func.id for func in calls if isinstance(func, ast.Name) and func.id != "walk"]
    return sorted(LISTERS & {*called, *named})


def test_the_check_sees_a_second_lister():
    assert listing_calls("import os\nfor one in os.walk('x'): pass") == ["walk"]
    assert listing_calls("Path('x').glob('*.txt'); listed(path, '*')") == ["glob"]


def test_no_module_lists_folders_by_itself(repository):
    found = {}
    for package in PACKAGES:
        for path in sorted((repository / package).rglob("*.py")):
            if calls := listing_calls(path.read_text()):
                found[path.relative_to(repository).as_posix()] = calls
    found.pop("data/listing.py")
    assert set(found) == OWN_FOLDERS, "use data.listing"


def write_boxes(folder):
    (folder / "c1.txt").write_text("1,1,10,10,20,40,1,1,1\n2,1,11,10,20,40,1,1,1\n")


def write_coco(folder):
    (folder / "c1.json").write_text(
        '{"images": [{"id": 1, "file_name": "1.jpg", "width": 64, "height": 48}], "annotations": [{"id": 1, '
        '"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 20], "area": 180, "iscrowd": 0}], '
        '"categories": [{"id": 1, "name": "person"}]}'
    )


def write_arrays(folder):
    np.savez(folder / "c1.npz", frame=[1], box_xyxy=[[1, 2, 30, 40]], score=[1.0])


def write_picture(folder):
    import cv2

    cv2.imwrite(str(folder / "c1.png"), np.zeros((8, 8, 3), np.uint8))


def read_detections(folder):
    from data.formats.detections_in import read_detection_folder

    return list(read_detection_folder(folder))


def read_tracks(folder):
    from data.formats.tracks_in import read_track_folder
    from data.site import CameraSite, Site

    return list(read_track_folder(folder, Site(cameras={"c1": CameraSite(fps=10)})))


def read_truth(folder):
    from data.datasets.mot_folder import read_mot_folder

    return list(read_mot_folder(folder).names)


def read_site_truth(folder):
    from data.datasets.mot_folder import read_site

    return [one.name for one in read_site(folder, "").sequences]


def read_submission(folder):
    from data.formats.submissions import FORMATS

    return [one.name for one in FORMATS["mot"].read(folder)]


def read_crops(folder):
    from reid.samples.crop_files import crop_names

    return [name.removesuffix(".png") for name in crop_names(folder)]


def read_frames(folder):
    from data.config import SourcesConfig
    from data.sources.base import CameraSpec
    from data.sources.open import open_source

    source = open_source(CameraSpec("c1", str(folder)), SourcesConfig())
    return ["c1" for _ in source.frames()]


@pytest.mark.parametrize(
    ("write", "read", "ending"),
    [
        (write_boxes, read_detections, "txt"),
        (write_coco, read_detections, "json"),
        (write_arrays, read_detections, "npz"),
        (write_boxes, read_tracks, "txt"),
        (write_boxes, read_truth, "txt"),
        (write_boxes, read_site_truth, "txt"),
        (write_boxes, read_submission, "txt"),
        (write_picture, read_crops, "png"),
        (write_picture, read_frames, "png"),
    ],
)
def test_companions_of_macos_change_nothing(tmp_path, write, read, ending):
    write(tmp_path)
    (tmp_path / f"._c1.{ending}").write_bytes(COMPANION)
    (tmp_path / ".DS_Store").write_bytes(COMPANION)
    (tmp_path / "__MACOSX").mkdir()
    shutil.copy(tmp_path / f"._c1.{ending}", tmp_path / "__MACOSX")
    assert read(tmp_path) == ["c1"]
