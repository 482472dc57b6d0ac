"""Occluded-PoseTrack-ReID made of a PoseTrack21 that is made up here: grey frames and boxes on them."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.datasets.occluded_posetrack import choose_queries, crops_file, into_box, list_occluded_posetrack
from data.datasets.occluded_posetrack_making import make_occluded_posetrack
from data.datasets.occluded_posetrack_sampling import SamplingRules, sample_by_rules
from data.datasets.posetrack21 import PoseTrackImage, PoseTrackSplit, read_posetrack21
from data.errors import UserError
from data.formats.reid_keypoints import CropSkeletons
from tools.make_occluded_posetrack import main

FRAME = (500, 600)
FRAMES = 5
# Of each person: a box left, top, width, height in px and how far it moves per frame.
PEOPLE = {1: ((20.4, 30.6, 60, 120), 10), 2: ((50, 40, 200, 450), 8), 3: ((460, 500, 80, 150), 0)}


def keypoints(box: list[float], visible: int) -> list[list[float]]:
    """17 points down the middle of a box, the first ``visible`` of which are labelled."""
    left, top, width, height = box
    return [[left + width / 2, top + height * (row + 0.5) / 17, float(row < visible)] for row in range(17)]


def annotation(split: str, person: int, frame: int) -> dict[str, Any]:
    (left, top, width, height), speed = PEOPLE[person]
    box = [left + speed * frame, top, width, height]
    visible = 17 if person != 3 else 8
    number = (0 if split == "train" else 1000) + 100 * person + frame
    points = [value for point in keypoints(box, visible) for value in point]
    return {
        "id": number, "image_id": 10 + frame, "person_id": person, "track_id": person, "bbox": box, "keypoints": points,
    }  # fmt: skip


@pytest.fixture
def posetrack(tmp_path: Path) -> Path:
    """Two videos, one a split, of 5 frames with 3 people in each."""
    root = tmp_path / "PoseTrack21"
    for split in ("train", "val"):
        video = f"00000{1 if split == 'train' else 2}"
        (root / "images" / split / video).mkdir(parents=True)
        (root / "posetrack_data" / split).mkdir(parents=True)
        images, annotations = [], []
        for frame in range(FRAMES):
            name = f"images/{split}/{video}/{frame:06d}.jpg"
            cv2.imwrite(str(root / name), np.full((FRAME[1], FRAME[0], 3), 50 + 20 * frame, np.uint8))
            images.append({"id": 10 + frame, "vid_id": video, "file_name": name, "nframes": FRAMES})
            annotations += [annotation(split, person, frame) for person in PEOPLE]
        tree = {"images": images, "annotations": annotations, "categories": []}
        (root / "posetrack_data" / split / f"{video}.json").write_text(json.dumps(tree))
    return root


def sampling(root: Path, split: str, ids: list[int], what: str) -> None:
    table = {"id": {str(row): number for row, number in enumerate(ids)}}
    folder = root / "occluded_posetrack_reid"
    folder.mkdir(exist_ok=True)
    (folder / f"{split}_dataset_sampling.json").write_text(
        json.dumps(table | {"split": dict.fromkeys(table["id"], what)})
    )


def table_of(root: Path, split: str) -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, Any]] = json.loads(crops_file(root, split).read_text())
    return content


def test_crops_are_cut_by_the_rules(posetrack: Path) -> None:
    made = make_occluded_posetrack(posetrack)
    assert {split: (found.crops, found.people, found.lost) for split, found in made.items()} == {
        "train": (15, 3, ()),
        "val": (15, 3, ()),
    }
    folder = posetrack / "occluded_posetrack_reid" / "images" / "train" / "000001"
    assert len(list(folder.iterdir())) == 15
    small = cv2.imread(str(folder / "1_000001_10.jpg"))
    assert small.shape == (120, 60, 3)
    assert cv2.imread(str(folder / "2_000001_10.jpg")).shape == (384, 128, 3)
    # Half of this box is outside the frame.
    assert cv2.imread(str(folder / "3_000001_12.jpg")).shape == (100, 40, 3)
    assert abs(int(small.mean()) - 50) <= 1
    table = table_of(posetrack, "train")
    assert set(table) >= {"id", "reid_crop_path", "reid_crop_width", "reid_crop_height", "negative_kps"}
    assert table["id"]["100"] == 100
    assert table["reid_crop_path"]["100"] == "000001/1_000001_10.jpg"
    assert (table["reid_crop_width"]["200"], table["reid_crop_height"]["200"]) == (128, 384)
    written = {path.relative_to(posetrack).parts[0] for path in posetrack.rglob("*") if path.is_file()}
    assert written == {"images", "posetrack_data", "occluded_posetrack_reid"}


def test_crops_keep_their_colours(posetrack: Path) -> None:
    frame = posetrack / "images" / "train" / "000001" / "000000.jpg"
    cv2.imwrite(str(frame), np.full((FRAME[1], FRAME[0], 3), (200, 20, 60), np.uint8))
    make_occluded_posetrack(posetrack)
    crop = cv2.imread(str(posetrack / "occluded_posetrack_reid" / "images" / "train" / "000001" / "1_000001_10.jpg"))
    assert crop.mean((0, 1)) == pytest.approx([200, 20, 60], abs=4)


def test_skeletons_move_into_the_crop(posetrack: Path) -> None:
    make_occluded_posetrack(posetrack)
    splits = list_occluded_posetrack(posetrack)
    crops = {crop.path.name: crop for crop in splits.train}
    tall = crops["2_000001_10.jpg"].keypoints
    assert isinstance(tall, CropSkeletons)
    assert tall.target[:, 0] == pytest.approx(np.full(17, 64), abs=0.01)
    assert tall.target[:, 1] == pytest.approx(384 * (np.arange(17) + 0.5) / 17, abs=0.01)
    # Person 1 stands at x 50.4, in the box from x 50 on; 200 x 450 px shrink to 128 x 384.
    assert tall.negatives.shape == (1, 17, 3)
    assert tall.negatives[0, 5, :2] == pytest.approx(
        [0.4 * 128 / 200, (30.6 + 120 * 5.5 / 17 - 40) * 384 / 450], abs=0.01
    )
    # Its first point lies above the box.
    assert tall.negatives[0, 0].tolist() == [0, 0, 0]
    # The box of person 1 starts at whole pixels; person 2 stands at x 150, outside, and is dropped.
    small = crops["1_000001_10.jpg"].keypoints
    assert isinstance(small, CropSkeletons)
    assert small.target[0] == pytest.approx([30.4, 0.6 + 120 * 0.5 / 17, 1], abs=0.01)
    assert small.negatives.shape == (0, 17, 3)
    cut = crops["3_000001_10.jpg"].keypoints
    assert isinstance(cut, CropSkeletons)
    # x 500 is not in a frame of 500 px: no point is left.
    assert not cut.target.any()


def test_the_most_occluded_fifth_are_queries(posetrack: Path) -> None:
    make_occluded_posetrack(posetrack)
    splits = list_occluded_posetrack(posetrack.parent)
    assert splits.root == posetrack
    assert len(splits.train) == 15
    assert [(crop.identity, crop.camera) for crop in splits.query] == [(1, 0), (2, 0), (3, 0)]
    assert len(splits.gallery) == 12
    by_person = {person: [crop.occlusion for crop in splits.gallery if crop.identity == person] for person in (1, 2, 3)}
    for crop in splits.query:
        levels = by_person[crop.identity]
        assert crop.occlusion is not None
        assert all(level is not None and level <= crop.occlusion for level in levels)
    # 16 of person 1's 17 points lie in person 2's box.
    assert splits.query[1].occlusion == pytest.approx(16 / 17)
    assert [crop.path.name for crop in list_occluded_posetrack(posetrack, "test").query] == [
        crop.path.name for crop in splits.query
    ]
    assert list_occluded_posetrack(posetrack, "train").query == ()


def test_queries_are_chosen_stably() -> None:
    people = np.array([5] * 10 + [1] * 4 + [5])
    occlusion = np.array([0, 0, 2, 1, 1, 1, 0, 0, 0, 0, 9, 9, 9, 9, 0], np.float64)
    assert np.flatnonzero(choose_queries(people, occlusion)).tolist() == [2, 3]
    assert not choose_queries(np.zeros(0, np.int64), np.zeros(0)).any()
    tied = choose_queries(np.zeros(1000, np.int64), np.zeros(1000))
    assert np.flatnonzero(tied).tolist() == list(range(200))


def test_a_published_choice_decides(posetrack: Path) -> None:
    sampling(posetrack, "train", [100, 101, 202], "train")
    sampling(posetrack, "val", [1100, 1101, 1102, 1103, 1104], "gallery")
    made = make_occluded_posetrack(posetrack, "file")
    assert (made["train"].crops, made["train"].people, made["val"].crops) == (3, 2, 5)
    splits = list_occluded_posetrack(posetrack)
    assert [crop.path.name for crop in splits.train] == ["1_000001_10.jpg", "1_000001_11.jpg", "2_000001_12.jpg"]
    assert (len(splits.query), len(splits.gallery)) == (1, 4)
    assert make_occluded_posetrack(posetrack, "rules", overwrite=True)["train"].crops == 15
    sampling(posetrack, "train", [100, 9999], "train")
    with pytest.raises(UserError, match=r"train_dataset_sampling\.json: 1 of 2 annotations are not .* first 9999"):
        make_occluded_posetrack(posetrack, "auto", overwrite=True)
    sampling(posetrack, "train", [100], "test")
    with pytest.raises(UserError, match="'test' is no split"):
        make_occluded_posetrack(posetrack, "auto", overwrite=True)


def test_a_missing_choice_is_named(posetrack: Path) -> None:
    with pytest.raises(UserError, match=r"train_dataset_sampling\.json"):
        make_occluded_posetrack(posetrack, "file")


def test_a_broken_frame_is_fatal_or_counted(posetrack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (posetrack / "images" / "val" / "000002" / "000003.jpg").write_bytes(b"nothing")
    (posetrack / "images" / "val" / "000002" / "000004.jpg").unlink()
    with pytest.raises(UserError, match=r"000003\.jpg is no picture"):
        make_occluded_posetrack(posetrack)
    assert not crops_file(posetrack, "train").exists()
    assert main([str(posetrack), "--bad-images", "skip", "--workers", "1"]) == 0
    printed = capsys.readouterr().out
    assert "val: 9 crops of 3 people" in printed
    assert "000003.jpg is no picture that can be decoded; 3 crops are left out" in printed
    assert "000004.jpg: No such file or directory; 3 crops are left out" in printed
    # A fifth of three crops is none.
    assert len(list_occluded_posetrack(posetrack, "test").gallery) == 9
    with pytest.raises(UserError, match="--overwrite"):
        main([str(posetrack)])


def test_nothing_left_is_an_error(posetrack: Path) -> None:
    for path in (posetrack / "images" / "train").rglob("*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"no crop of .* could be cut: .*000000\.jpg is no picture"):
        make_occluded_posetrack(posetrack, skip_bad=True)


def test_crops_that_cannot_be_cut_are_counted(posetrack: Path) -> None:
    path = posetrack / "posetrack_data" / "train" / "000001.json"
    tree = json.loads(path.read_text())
    tree["annotations"][0]["bbox"] = [700, 10, 50, 80]
    tree["annotations"][4]["person_id"] = 1
    path.write_text(json.dumps(tree))
    lost = make_occluded_posetrack(posetrack)["train"].lost
    assert len(lost) == 2
    assert "annotation 100 has no pixel in the frame" in lost[0]
    assert "annotation 201 is a second one of person 1" in lost[1]


def test_one_thread_or_many_make_the_same(posetrack: Path) -> None:
    make_occluded_posetrack(posetrack, workers=1)
    before = crops_file(posetrack, "train").read_bytes()
    make_occluded_posetrack(posetrack, workers=4, overwrite=True)
    assert crops_file(posetrack, "train").read_bytes() == before


def test_names_in_the_tables_stay_inside(posetrack: Path) -> None:
    make_occluded_posetrack(posetrack)
    table = table_of(posetrack, "val")
    row = next(iter(table["id"]))
    table["reid_crop_path"][row] = "../../../secret.jpg"
    crops_file(posetrack, "val").write_text(json.dumps(table))
    with pytest.raises(UserError, match="is not relative"):
        list_occluded_posetrack(posetrack)
    path = posetrack / "posetrack_data" / "val" / "000002.json"
    path.write_text(path.read_text().replace('"vid_id": "000002"', '"vid_id": "../../up"'))
    with pytest.raises(UserError, match="is no id of a video"):
        make_occluded_posetrack(posetrack, overwrite=True)


def test_labels_are_found_beside_the_crops(posetrack: Path) -> None:
    make_occluded_posetrack(posetrack)
    assert list_occluded_posetrack(posetrack).train[0].labels is None
    masks = posetrack / "occluded_posetrack_reid" / "masks"
    (masks / "anns").mkdir(parents=True)
    told = {"id": {"0": 100, "1": 101}, "masks_path": {"0": "000001/1_000001_10.npy", "1": None}}
    (masks / "anns" / "train_reid_masks_anns.json").write_text(json.dumps(told))
    train = list_occluded_posetrack(posetrack).train
    assert train[0].labels == masks / "train" / "000001" / "1_000001_10.npy"
    assert train[1].labels is None


def test_tables_of_the_original_have_no_box(posetrack: Path) -> None:
    make_occluded_posetrack(posetrack)
    table = table_of(posetrack, "train")
    del table["reid_crop_ltwh"]
    # It lists people that are no crop as well.
    table["reid_crop_path"]["101"] = None
    crops_file(posetrack, "train").write_text(json.dumps(table))
    train = list_occluded_posetrack(posetrack).train
    assert len(train) == 14
    first = train[0].keypoints
    assert isinstance(first, CropSkeletons)
    assert first.target[0, 0] == pytest.approx(30)


def test_what_is_not_made_yet_says_how(posetrack: Path) -> None:
    with pytest.raises(UserError, match=r"run python -m tools\.make_occluded_posetrack"):
        list_occluded_posetrack(posetrack)
    with pytest.raises(UserError, match="is not PoseTrack21: expected the folder posetrack_data, missing"):
        list_occluded_posetrack(posetrack / "images")
    crops_file(posetrack, "train").parent.mkdir(parents=True)
    crops_file(posetrack, "train").write_text('{"rows": {}}')
    with pytest.raises(UserError, match="expected a table by columns"):
        list_occluded_posetrack(posetrack)


def people_of(counts: dict[int, int]) -> PoseTrackSplit:
    people = np.concatenate([np.full(count, person) for person, count in counts.items()])
    number = np.arange(len(people))
    images = tuple(PoseTrackImage(int(row), "v", Path("x")) for row in number)
    points = np.zeros((len(people), 17, 3), np.float32)
    points[..., 2] = 1
    boxes = np.tile([0.0, 0.0, 50.0, 50.0], (len(people), 1))
    return PoseTrackSplit(images, number, number, people, boxes, points, people, boxes)


def test_the_rules_thin_out_evenly_and_need_enough() -> None:
    people = people_of({4: 41, 7: 3, 9: 20, -1: 30})
    chosen = np.flatnonzero(sample_by_rules(people, SamplingRules(0.3, 10, 20, 4, None)))
    first = chosen[chosen < 41]
    assert len(first) == 20
    assert (first[0], first[-1]) == (0, 40)
    assert set(np.diff(first)) == {2, 3}
    assert set(people.people[chosen].tolist()) == {4, 9}


def test_the_rules_want_visible_and_large_people() -> None:
    people = people_of({1: 8})
    people.keypoints[0, 5:, 2] = 0
    people.boxes[1, 2] = 10
    people.boxes[2, 3] = 10
    chosen = sample_by_rules(people, SamplingRules(0.3, 10, 20, 4, None))
    assert np.flatnonzero(~chosen).tolist() == [0, 1, 2]
    assert sample_by_rules(people, SamplingRules(0.0, 0, 20, 4, None)).all()


def test_identities_are_drawn_by_the_seed() -> None:
    people = people_of(dict.fromkeys(range(20), 4))
    drawn = [
        set(people.people[sample_by_rules(people, SamplingRules(0.3, 10, 20, 4, 6), seed)].tolist())
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == set(np.random.RandomState(0).choice(20, 6, replace=False).tolist())
    assert sample_by_rules(people, SamplingRules(0.3, 10, 20, 4, 30)).all()


def test_points_outside_a_box_become_zero() -> None:
    points = np.zeros((1, 17, 3), np.float32)
    points[0, :4] = [[10, 20, 1], [9.9, 20, 1], [20, 25, 1], [15, 25, 0]]
    moved = into_box(points, [10, 20, 10, 10])
    assert moved.dtype == np.float32
    assert moved[0, 0].tolist() == [0, 0, 1]
    assert not moved[0, 1:].any()


def test_the_made_up_set_reads(posetrack: Path) -> None:
    assert len(read_posetrack21(posetrack, "val")) == 15
