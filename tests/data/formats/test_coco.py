import json

import numpy as np
import pytest

from data.errors import UserError
from data.formats.coco import CocoImage, read_coco, write_coco
from data.records import Detections, Poses
from data.skeletons import SKELETONS


def image(image_id: int, count: int, skeleton: str | None = "coco17", tracked: bool = True) -> CocoImage:
    random = np.random.default_rng(image_id)
    low = random.uniform(0, 300, (count, 2))
    boxes = np.concatenate([low, low + random.uniform(5, 200, (count, 2))], axis=1).astype(np.float32)
    keypoints = random.uniform(0, 500, (count, 17, 3)).astype(np.float32)
    keypoints[..., 2] = random.uniform(0, 1, (count, 17))
    keypoints[:, :3, 2] = 0
    detections = Detections(boxes, random.uniform(size=count).astype(np.float32), np.zeros(count, np.int64))
    poses = None if skeleton is None else Poses(keypoints, np.zeros((0, 17, 3), np.float32), skeleton)
    ids = np.arange(count) if tracked else np.full(count, -1)
    return CocoImage(image_id, f"{image_id:06d}.jpg", (640, 480), detections, poses, ids.astype(np.int64))


@pytest.mark.parametrize("skeleton", ["coco17", "posetrack17", None])
@pytest.mark.parametrize("tracked", [True, False])
def test_round_trip(tmp_path, skeleton, tracked):
    images = [image(n, count, skeleton, tracked) for n, count in ((7, 3), (2, 0), (5, 1))]
    path = tmp_path / "c.json"
    write_coco(path, images)
    back = read_coco(path)
    for a, b in zip(images, back, strict=True):
        assert (a.image_id, a.file_name, a.size) == (b.image_id, b.file_name, b.size)
        np.testing.assert_allclose(a.detections.boxes, b.detections.boxes, atol=2e-3)
        np.testing.assert_allclose(a.detections.scores, b.detections.scores, atol=1e-6)
        assert a.track_ids.tolist() == b.track_ids.tolist()
        assert (a.poses is None) == (b.poses is None)
        if a.poses is not None:
            assert b.poses.skeleton == skeleton
            np.testing.assert_allclose(a.poses.keypoints, b.poses.keypoints, atol=1e-3)
    again = tmp_path / "d.json"
    write_coco(again, back)
    write_coco(path, read_coco(again))
    assert path.read_bytes() == again.read_bytes()


def test_what_is_written_is_coco(tmp_path):
    write_coco(tmp_path / "c.json", [image(7, 2)])
    content = json.loads((tmp_path / "c.json").read_text())
    first = content["annotations"][0]
    assert content["categories"][0]["keypoints"] == list(SKELETONS["coco17"].names)
    assert len(first["keypoints"]) == 51
    assert set(first["keypoints"][2::3]) <= {0, 1, 2}
    assert first["num_keypoints"] == 14
    assert first["area"] == pytest.approx(first["bbox"][2] * first["bbox"][3], rel=1e-3)
    assert [one["id"] for one in content["annotations"]] == [1, 2]


def test_flags_become_confidences(tmp_path):
    points = [value for n in range(17) for value in (n, n, n % 3)]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 10, "height": 20}, {"id": 3}],
        "categories": [
            {"id": 4, "name": "dog"},
            {"id": 1, "name": "person", "keypoints": list(SKELETONS["coco17"].names)},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "keypoints": points},
            {"id": 2, "image_id": 1, "category_id": 4, "bbox": [1, 2, 3, 4]},
            {"id": 3, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 1},
            {"id": 4, "image_id": 3, "category_id": 1, "bbox": [5, 5, 0, 4]},
            {"id": 5, "image_id": 3, "category_id": 1, "bbox": [5, 5, 1, 4], "track_id": 9},
        ],
    }
    path = tmp_path / "c.json"
    path.write_text(json.dumps(content))
    one, three = read_coco(path)
    assert one.detections.boxes.tolist() == [[1, 2, 4, 6]]
    assert one.detections.scores.tolist() == [1]
    assert one.track_ids.tolist() == [-1]
    assert one.poses.keypoints[0, :4, 2].tolist() == [0, 0.5, 1, 0]
    assert three.size == (0, 0)
    assert three.track_ids.tolist() == [9]
    assert not three.poses.keypoints.any(), "a person without keypoints beside others with"


GOOD = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "no list 'images'"),
        ({"images": []}, "no list 'annotations'"),
        ({"images": [{"id": "x"}], "annotations": []}, "no whole number"),
        ({"images": [{"id": 1}, {"id": 1}], "annotations": []}, "two images have the id 1"),
        ({"images": [{"id": 1}], "annotations": [{**GOOD, "image_id": 8}]}, "annotation 1 belongs to no image"),
        ({"images": [{"id": 1}], "annotations": [{**GOOD, "bbox": [1, 2, 3]}]}, "'bbox' of annotation 1"),
        ({"images": [{"id": 1}], "annotations": [{**GOOD, "bbox": [1, 2, float("nan"), 4]}]}, "'bbox' of annotation 1"),
        ({"images": [{"id": 1}], "annotations": [{**GOOD, "bbox": [1, 2, -3, 4]}]}, "negative size"),
        ({"images": [{"id": 1}], "annotations": [{**GOOD, "keypoints": [1, 2, 2]}]}, "'keypoints' of annotation 1"),
        ({"images": [{"id": 1}], "annotations": [{**GOOD, "score": float("nan")}]}, "'score' of annotation 1"),
        ({"images": [{"id": 1}], "annotations": [7]}, "not an object"),
        (
            {"images": [], "annotations": [], "categories": [{"id": 1, "name": "cat"}]},
            "'person' .*; it has cat: rename",
        ),
        (
            {"images": [{"id": 1}], "annotations": [GOOD, {**GOOD, "category_id": 2}]},
            "has the categories 1, 2 and no list 'categories'",
        ),
        ({"images": [{"id": True}], "annotations": []}, "no whole number as its id"),
        ({"images": [{"id": 1}], "annotations": [{**GOOD, "track_id": 1.5}]}, "'track_id' of annotation 1 is no whole"),
        ({"images": [{"id": 1}], "annotations": [{**GOOD, "bbox": [0.1, 0.2, 0.3, 0.4]}]}, "boxes .* multiply x and"),
        ([{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}], "list of COCO results"),
        (
            {"images": [], "annotations": [], "categories": [{"id": 1, "name": "person", "keypoints": ["a"]}]},
            "none of the known layouts",
        ),
    ],
)
def test_broken_files(tmp_path, content, message):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=message) as caught:
        read_coco(path)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_or_no_json(tmp_path):
    with pytest.raises(UserError, match="cannot read the COCO file"):
        read_coco(tmp_path / "gone.json")
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        read_coco(tmp_path / "c.json")


def test_one_file_holds_one_skeleton(tmp_path):
    with pytest.raises(ValueError, match="one skeleton"):
        write_coco(tmp_path / "c.json", [image(1, 1, "coco17"), image(2, 1, "posetrack17")])


def test_crowds_are_kept_on_request_as_rows_that_count_nothing(tmp_path):
    path = tmp_path / "x.json"
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    crowd = {"id": 2, "image_id": 1, "category_id": 1, "bbox": [5, 6, 30, 40], "iscrowd": 1, "score": 0.9}
    path.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [person, crowd]}))
    assert len(read_coco(path)[0].detections) == 1
    (image,) = read_coco(path, crowds=True)
    assert image.detections.scores.tolist() == [1, 0]


def content(categories, *annotations):
    people = [{**GOOD, "id": n, **one} for n, one in enumerate(annotations)]
    return {"images": [{"id": 1}], "annotations": people, "categories": categories}


def read(folder, told, encoding="utf-8"):
    path = folder / "c.json"
    path.write_text(json.dumps(told), encoding=encoding)
    return read_coco(path)


@pytest.mark.parametrize("name", ["Person", "PEDESTRIAN", " human ", "people", "persons"])
def test_people_go_by_several_names(tmp_path, name):
    categories = [{"id": 0, "name": name, "supercategory": "none"}, {"id": 3, "name": "car"}]
    (image,) = read(tmp_path, content(categories, {"category_id": 0}, {"category_id": 3}))
    assert len(image.detections) == 1


def test_two_categories_of_people_are_both_read(tmp_path):
    categories = [{"id": 1, "name": "pedestrian"}, {"id": 2, "name": "people"}]
    (image,) = read(tmp_path, content(categories, {"category_id": 1}, {"category_id": 2}))
    assert len(image.detections) == 2


def test_without_a_list_of_categories_the_only_one_is_people(tmp_path):
    (image,) = read(tmp_path, content([], {"category_id": 0}, {"category_id": 0}))
    assert len(image.detections) == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_encodings(tmp_path, encoding):
    (image,) = read(tmp_path, content([], {}), encoding)
    assert len(image.detections) == 1


@pytest.mark.parametrize("told", [{"track_id": 7}, {"instance_id": "7"}, {"attributes": {"track_id": 7}}])
def test_identities_go_by_several_names(tmp_path, told):
    assert read(tmp_path, content([], told))[0].track_ids.tolist() == [7]


def test_identities_of_64_bits_stay_exact(tmp_path):
    (image,) = read(tmp_path, content([], {"track_id": 504403158265495553}, {}))
    assert image.track_ids.tolist() == [504403158265495553, -1]


@pytest.mark.parametrize(
    ("thirds", "confidences"),
    [([0, 1, 2], [0, 0.5, 1]), ([0, 1, 1], [0, 1, 1]), ([0, 0.25, 0.9], [0, 0.25, 0.9]), ([0.5, 1, 1.5], [0.5, 1, 1])],
)
def test_scores_in_place_of_flags_are_confidences(tmp_path, thirds, confidences):
    points = [value for n in range(17) for value in (40 + n, 50, thirds[n % 3])]
    (image,) = read(tmp_path, content([], {"keypoints": points}))
    assert image.poses.keypoints[0, :3, 2].tolist() == pytest.approx(confidences)


def test_skeletons_in_shares_of_the_picture_are_refused(tmp_path):
    points = [value for n in range(17) for value in (0.05 * n, 0.5, 2)]
    with pytest.raises(UserError, match=r"all keypoints lie between 0 and 0\.8: they are shares"):
        read(tmp_path, content([], {"keypoints": points}))


def test_corners_of_detectron2_and_confidences_are_understood(tmp_path):
    told = content([], {"bbox": [10, 20, 40, 80], "bbox_mode": 0, "confidence": 0.25}, {"bbox_mode": 1, "score": 0.5})
    (image,) = read(tmp_path, told)
    assert image.detections.boxes.tolist() == [[10, 20, 40, 80], [1, 2, 4, 6]]
    assert image.detections.scores.tolist() == [0.25, 0.5]
