"""Whose skeleton a crop is about, and the files that say so."""

import logging

import cv2
import numpy as np
import pytest

from data.errors import UserError
from data.formats.reid_keypoints import read_keypoint_file
from data.records import Poses
from pipeline.labelling.keypoint_prompts import look_with, make_prompts, read_targets
from reid.samples.crop_files import CropFolder
from tests.reid.prompts.test_prompts import standing

NOBODY = np.zeros((0, 17, 3), np.float32)
HEIGHT, WIDTH = 120, 40


def people(*places):
    """Standing figures: x of the middle, y of the crown, height."""
    return np.nan_to_num(np.array([standing(*place) for place in places], np.float32)).reshape(-1, 17, 3)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "crops"
    for name in ("a.png", "b.png", "sub/c.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), np.full((HEIGHT, WIDTH, 3), len(name), np.uint8))
    return root


def make(folder, found, tmp_path, **options):
    """Run with fixed skeletons per crop, given as matched and spare ones."""
    answers = iter(found)
    return make_prompts(
        CropFolder(folder, bad_files=options.pop("bad_files", "fail")), tmp_path / "out",
        lambda images: [Poses(*next(answers)) for _ in images], 2, 0.05, **options,
    )  # fmt: skip


def test_the_head_nearest_the_top_centre_is_the_target(folder, tmp_path):
    low_left, top_middle, far = (5, 60, 55), (22, 4, 110), (60, 10, 80)
    found = [
        (people(low_left, top_middle), NOBODY),
        (people(low_left), people(top_middle, far)),
        (people(top_middle), people(low_left)),
    ]
    counts = make(folder, found, tmp_path)
    for name, others in (("a.png", 1), ("b.png", 1), ("sub/c.png", 1)):
        crop = read_keypoint_file(tmp_path / "out" / f"{name}_keypoints.json", (WIDTH, HEIGHT))
        assert crop.target[0, :2] == pytest.approx(people(top_middle)[0, 0, :2], abs=0.01)
        shown = crop.negatives[(crop.negatives[..., 2] > 0).any(1)]
        assert len(shown) >= others
        assert crop.outside == 0
    assert (counts.crops, counts.by_hand) == (3, 0)
    assert not any(counts.notes.values())
    table = (tmp_path / "out" / "targets.csv").read_text().splitlines()
    assert table[0] == "name,index,skeletons,note"
    assert table[1].startswith("a.png,1,2,")
    assert table[3].startswith("sub/c.png,0,2,")


def test_trouble_is_counted_and_named(folder, tmp_path, caplog):
    headless = people((20, 2, 110))
    headless[:, :7] = 0
    found = [(NOBODY, NOBODY), (headless, NOBODY), (people((15, 3, 100), (24, 3, 100)), NOBODY)]
    with caplog.at_level(logging.WARNING):
        counts = make(folder, found, tmp_path)
    assert counts.notes == {
        "no skeleton": ["a.png"], "no target": ["b.png"], "several candidates": ["sub/c.png"],
    }  # fmt: skip
    for line in ("no skeleton: 1 of 3 crops: a.png", "no target: 1 of 3 crops: b.png", "several candidates: 1 of 3"):
        assert line in caplog.text
    assert not read_keypoint_file(tmp_path / "out/b.png_keypoints.json").target.any()
    assert len(read_keypoint_file(tmp_path / "out/b.png_keypoints.json").negatives) == 1
    assert read_keypoint_file(tmp_path / "out/sub/c.png_keypoints.json").target.any()


def test_a_person_found_twice_is_written_once(folder, tmp_path):
    one = people((20, 4, 110))
    found = [(np.concatenate([one, one + np.float32([0.2, 0.2, 0])]), one), (one, NOBODY), (one, NOBODY)]
    assert make(folder, found, tmp_path).skeletons == 3


def test_hands_overrule_heads(folder, tmp_path):
    two = people((20, 4, 110), (5, 50, 60))
    found = [(two, NOBODY)] * 3
    counts = make(folder, found, tmp_path, by_hand={"a.png": 1, "sub/c.png": -1})
    assert counts.by_hand == 2
    targets = [read_keypoint_file(tmp_path / f"out/{name}_keypoints.json").target for name in ("a.png", "b.png")]
    assert targets[0][0, 0] == pytest.approx(two[1, 0, 0], abs=0.01)
    assert targets[1][0, 0] == pytest.approx(two[0, 0, 0], abs=0.01)
    assert not read_keypoint_file(tmp_path / "out/sub/c.png_keypoints.json").target.any()
    with pytest.raises(UserError, match=r"target 2 of a.png: it has 2 skeletons"):
        make(folder, found, tmp_path, by_hand={"a.png": 2}, overwrite=True)
    with pytest.raises(UserError, match=r"1 crops that .* lacks: z.png"):
        make(folder, found, tmp_path, by_hand={"z.png": 0}, overwrite=True)


def test_the_table_can_be_given_back(folder, tmp_path):
    two = people((20, 4, 110), (5, 50, 60))
    make(folder, [(two, NOBODY)] * 3, tmp_path)
    table = tmp_path / "out" / "targets.csv"
    assert read_targets(table) == {"a.png": 0, "b.png": 0, "sub/c.png": 0}
    table.write_text(table.read_text().replace("b.png,0", "b.png,1"))
    chosen = read_targets(table)
    make(folder, [(two, NOBODY)] * 3, tmp_path, by_hand=chosen, overwrite=True)
    assert read_targets(table) == chosen


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,index\na.png,0\n", "columns name and index, found picture, index"),
        ("", "found -"),
        ("name,index\na.png,first\n", "line 2: 'first' is no index"),
        ("name,index\na.png\n", "line 2: 'None' is no index"),
        ("name,index\na.png,0\na.png,1\n", "line 3: a second target of a.png"),
        ("index,name\n0\n", "line 2: it names no crop"),
    ],
)
def test_tables_that_are_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_targets(tmp_path / "t.csv")


def test_bad_pictures(folder, tmp_path, caplog):
    whole = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (60, 30, 3), np.uint8))[1].tobytes()
    (folder / "d.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "e.jpg").write_bytes(b"")
    found = [(people((20, 4, 110)), NOBODY)] * 5
    with pytest.raises(UserError, match=r"d\.jpg is a JPEG that breaks off before its end; --bad-files skip"):
        make(folder, found, tmp_path)
    with caplog.at_level(logging.WARNING):
        counts = make(folder, found, tmp_path, bad_files="skip", overwrite=True)
    assert counts.crops == 3
    assert "2 of 5 crops were left out: d.jpg, e.jpg" in caplog.text
    assert not (tmp_path / "out" / "d.jpg_keypoints.json").exists()


def test_nothing_is_overwritten_and_places_are_checked_first(folder, tmp_path):
    found = [(people((20, 4, 110)), NOBODY)] * 3
    make(folder, found, tmp_path)
    with pytest.raises(UserError, match=r"a.png_keypoints.json and 3 more of the files to write exist; .*--overwrite"):
        make(folder, found, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write into"):
        make_prompts(CropFolder(folder), tmp_path / "file" / "x", lambda images: [], 2, 0.05)


def test_a_detector_alone_gives_no_keypoints():
    with pytest.raises(UserError, match=r"pose\.name=none gives no keypoints"):
        look_with(lambda images: [(None, None)])([None])
