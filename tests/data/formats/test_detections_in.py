import json

import numpy as np
import pytest

from data.errors import UserError
from data.formats.coco import CocoImage, write_coco
from data.formats.detections_in import read_detection_folder
from data.formats.features_in import told_corners
from data.records import Detections, Poses


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(str(value) for value in row) + "\n" for row in rows))


ROWS = [
    (3, -1, 10, 20, 5, 6, 0.5, -1, -1, -1),
    (1, -1, 1, 2, 3, 4, 0.9, -1, -1, -1),
    (3, -1, 30, 40, 7, 8, 0.7, -1, -1, -1),
    (1, -1, 5, 6, 7, 8, 0.8, -1, -1, -1),
]
FEATURES = np.arange(8, dtype=np.float32).reshape(4, 2) + 1


def archive(path, **changes):
    columns = {
        "frame": np.array([2, 1, 2], np.int32),
        "box_xyxy": np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 10, 11]], np.float32),
        "score": np.array([0.5, 0.6, 0.7], np.float32),
        "feature": np.eye(3, 4, dtype=np.float16),
        "num_frames": np.int32(5),
    }
    columns.update(changes)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{name: value for name, value in columns.items() if value is not None})


def test_text_is_sorted_by_frame_and_keeps_the_order_within(tmp_path):
    write(tmp_path / "cam.txt", ROWS)
    found = read_detection_folder(tmp_path)["cam"]
    assert found.frames.tolist() == [0, 0, 2, 2]
    assert found.boxes.tolist() == [[1, 2, 4, 6], [5, 6, 12, 14], [10, 20, 15, 26], [30, 40, 37, 48]]
    assert found.boxes.dtype == found.scores.dtype == np.float32
    assert found.scores == pytest.approx([0.9, 0.8, 0.5, 0.7])
    assert found.class_ids.tolist() == [0] * 4
    assert found.features is None
    assert found.frame_count == 3
    assert [found.rows(frame) for frame in range(4)] == [slice(0, 2), slice(2, 2), slice(2, 4), slice(4, 4)]
    assert found.warnings == ()
    with pytest.raises(ValueError, match="no features"):
        found.embeddings(slice(0, 1))


@pytest.mark.parametrize("place", ["beside", "sibling", "given"])
def test_features_go_with_their_rows(tmp_path, place):
    write(tmp_path / "det" / "cam.txt", ROWS)
    folder = {"beside": tmp_path / "det", "sibling": tmp_path / "feat", "given": tmp_path / "other"}[place]
    folder.mkdir(exist_ok=True)
    np.save(folder / "cam.npy", FEATURES)
    found = read_detection_folder(tmp_path / "det", folder if place == "given" else None)["cam"]
    assert found.features.vectors.tolist() == FEATURES[[1, 3, 0, 2]].tolist()
    embeddings = found.embeddings(found.rows(2))
    assert embeddings.model_id == f"file:{folder.name}"
    assert embeddings.part_names == ("global",)
    assert embeddings.part_kinds == ("holistic",)
    assert embeddings.vectors.shape == (2, 1, 2)
    assert embeddings.visibility.tolist() == [[1], [1]]
    expected = FEATURES[[0, 2]] / np.linalg.norm(FEATURES[[0, 2]], axis=1, keepdims=True)
    assert (embeddings.vectors[:, 0] == expected.astype(np.float16).astype(np.float32)).all()


def test_other_json_beside_text_is_not_read(tmp_path):
    write(tmp_path / "cam.txt", ROWS)
    (tmp_path / "lengths.json").write_text('{"cam": 3}')
    assert list(read_detection_folder(tmp_path)) == ["cam"]


def test_archive(tmp_path):
    archive(tmp_path / "cam.npz")
    (tmp_path / "gt_world_centroid.txt").write_text("not detections\n")
    found = read_detection_folder(tmp_path)
    assert list(found) == ["cam"], "text beside archives is not read"
    cam = found["cam"]
    assert cam.frames.tolist() == [0, 1, 1]
    assert cam.boxes[:, 0].tolist() == [5, 1, 9]
    assert cam.features.vectors.argmax(axis=1).tolist() == [1, 0, 2]
    assert cam.frame_count == 5
    assert cam.rows(4) == slice(3, 3)
    assert cam.keypoints is None


def test_archive_with_keypoints_and_without_features(tmp_path):
    keypoints = np.random.default_rng(0).uniform(size=(3, 17, 3)).astype(np.float32)
    archive(tmp_path / "cam.npz", keypoints=keypoints, feature=None, num_frames=None)
    cam = read_detection_folder(tmp_path)["cam"]
    assert (cam.keypoints == keypoints[[1, 0, 2]]).all()
    assert cam.features is None
    assert cam.frame_count == 2


def test_what_cannot_be_used_is_dropped_and_counted(tmp_path):
    write(tmp_path / "cam.txt", [*ROWS, (4, -1, 1, 1, 0, 5, 0.9, -1, -1, -1), (4, -1, 1, 1, 2, 5, 3.5, -1, -1, -1)])
    features = np.concatenate([FEATURES, [[1, 1], [1, 2]]])
    features[0] = np.nan
    features[2] = 0
    np.save(tmp_path / "cam.npy", features)
    cam = read_detection_folder(tmp_path)["cam"]
    assert len(cam) == len(cam.features.vectors) == 5
    assert cam.scores.max() == 1
    text = " | ".join(cam.warnings)
    assert "1 boxes without area were dropped" in text
    assert "1 scores lie outside 0-1" in text
    assert "1 features hold NaN" in text
    embeddings = cam.embeddings(cam.rows(2))
    assert embeddings.visibility.tolist() == [[0], [0]]
    assert not embeddings.vectors.any()


def test_a_score_that_is_not_given_counts_as_sure(tmp_path):
    write(tmp_path / "cam.txt", [(1, -1, 1, 1, 2, 2, -1, -1, -1, -1)])
    cam = read_detection_folder(tmp_path)["cam"]
    assert cam.scores.tolist() == [1]
    assert cam.warnings == ()


def test_empty_file_is_a_camera_without_people(tmp_path):
    (tmp_path / "cam.txt").touch()
    cam = read_detection_folder(tmp_path)["cam"]
    assert len(cam) == cam.frame_count == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((2, -1, 1, 1, 5, 5, "nan", -1, -1, -1), r"cam\.txt:5: .*not a finite number"),
        ((2, -1, "inf", 1, 5, 5, 0.5, -1, -1, -1), r"cam\.txt:5: .*not a finite number"),
        ((2, -1, 1, 1, -5, 5, 0.5, -1, -1, -1), r"cam\.txt:5: width is negative"),
        ((0, -1, 1, 1, 5, 5, 0.5, -1, -1, -1), r"cam\.txt:5: frame is below 1"),
        (("x", -1, 1, 1, 5, 5, 0.5, -1, -1, -1), r"cam\.txt:5: not a row of numbers"),
    ],
)
def test_broken_text(tmp_path, row, message):
    write(tmp_path / "cam.txt", [*ROWS, row])
    with pytest.raises(UserError, match=message) as caught:
        read_detection_folder(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score": np.array([0.5, np.nan, 0.7])}, "'score' of row 1 is not a finite number"),
        ({"box_xyxy": np.array([[1, 2, 3, 4], [5, 6, np.inf, 8], [9, 9, 9, 9]])}, "'box_xyxy' of row 1"),
        ({"box_xyxy": np.array([[1, 2, 3, 4], [5, 6, 4, 8], [9, 9, 9, 9]])}, "x1 <= x2"),
        ({"frame": np.array([0, 1, 2])}, "'frame' of row 0"),
        ({"frame": np.array([1, 1.5, 2])}, "'frame' of row 1"),
        ({"frame": np.array([1, 1e300, 2])}, "'frame' of row 1"),
        ({"frame": np.array([1, 2])}, "'box_xyxy' has the shape"),
        ({"num_frames": np.float64("nan")}, "'num_frames' is nan, not the number of frames"),
        ({"num_frames": np.float64("inf")}, "'num_frames' is inf"),
        ({"num_frames": np.array("many")}, "'num_frames' is many"),
        ({"num_frames": np.array([3, 5])}, r"'num_frames' is \[3 5\]"),
        ({"score": None}, "has no 'score'"),
        ({"feature": np.zeros((2, 4))}, "2 rows of features for 3 boxes"),
        ({"feature": np.zeros(3)}, "must be a matrix"),
        ({"keypoints": np.zeros((3, 17))}, "'keypoints' has the shape"),
        ({"score": np.array(["a", "b", "c"])}, "'score' has the shape"),
        ({"score": np.array([None, 1, 2], object)}, "no .npz file of numbers"),
    ],
)
def test_broken_archives(tmp_path, changes, message):
    archive(tmp_path / "cam.npz", **changes)
    with pytest.raises(UserError, match=message) as caught:
        read_detection_folder(tmp_path)
    assert "\n" not in str(caught.value)


def test_features_that_do_not_go_with_the_boxes(tmp_path):
    write(tmp_path / "cam.txt", ROWS)
    with pytest.raises(UserError, match=r"there is no .*other.cam\.npy"):
        read_detection_folder(tmp_path, tmp_path / "other")
    np.save(tmp_path / "cam.npy", FEATURES[:3])
    with pytest.raises(UserError, match="3 rows of features for 4 boxes"):
        read_detection_folder(tmp_path)
    np.save(tmp_path / "cam.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(UserError, match=r"no \.npy file of numbers"):
        read_detection_folder(tmp_path)
    (tmp_path / "cam.npy").write_bytes(b"")
    with pytest.raises(UserError, match=r"no \.npy file of numbers"):
        read_detection_folder(tmp_path)
    np.save(tmp_path / "cam.npy", FEATURES)
    write(tmp_path / "two.txt", ROWS[:1])
    np.save(tmp_path / "two.npy", np.ones((1, 5)))
    with pytest.raises(UserError, match=r"different lengths \(cam: 2, two: 5\)"):
        read_detection_folder(tmp_path)


def test_folders_without_detections(tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        read_detection_folder(tmp_path / "gone")
    with pytest.raises(UserError, match="holds no <camera>"):
        read_detection_folder(tmp_path)
    (tmp_path / "bad name.txt").touch()
    with pytest.raises(UserError, match="cannot name a camera"):
        read_detection_folder(tmp_path)
    (tmp_path / "cam.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"no \.npz file of numbers"):
        read_detection_folder(tmp_path)


def test_real_sets(testdata):
    text = read_detection_folder(testdata / "scored" / "input" / "cmc1" / "det")
    archives = read_detection_folder(testdata / "cmc" / "CMC1")
    assert list(text) == list(archives) == ["cam1", "cam2", "cam3", "cam4"]
    for camera, found in archives.items():
        assert len(found) == len(text[camera])
        assert (found.frames == text[camera].frames).all()
        # Both files hold the same rows, in another order within a frame.
        a = np.lexsort((found.boxes[:, 1], found.boxes[:, 0].round(2), found.frames))
        b = np.lexsort((text[camera].boxes[:, 1], text[camera].boxes[:, 0].round(2), text[camera].frames))
        np.testing.assert_allclose(found.boxes[a], text[camera].boxes[b], atol=0.01)
        np.testing.assert_allclose(found.features.vectors[a], text[camera].features.vectors[b], atol=1e-3)
        assert found.frame_count == 261
        assert found.warnings == ()
        norms = np.linalg.norm(found.embeddings(slice(0, 50)).vectors[:, 0], axis=1)
        np.testing.assert_allclose(norms, 1, atol=2e-3)


def test_a_coco_file_is_read_by_the_numbers_in_its_file_names(tmp_path):
    points = np.zeros((2, 17, 3), np.float32)
    points[..., 2] = 1
    images = [
        CocoImage(
            image_id=image_id,
            file_name=f"{image_id}.jpg",
            size=(100, 50),
            detections=Detections(
                np.array([[image_id, 2, 30, 40], [5, 6, 9, 12]], np.float32),
                np.array([0.5, 0.75], np.float32),
                np.zeros(2, np.int64),
            ),
            poses=Poses(points, Poses.empty().spare_keypoints, "coco17"),
            track_ids=np.array([-1, -1]),
        )
        for image_id in (7, 3)
    ]
    write_coco(tmp_path / "cam.json", images)
    found = read_detection_folder(tmp_path)["cam"]
    assert found.frame_count == 7
    assert found.frames.tolist() == [2, 2, 6, 6]
    assert found.boxes[[0, 2], 0].tolist() == [3, 7]
    assert found.scores.tolist() == [0.5, 0.75, 0.5, 0.75]
    assert found.keypoints.shape == (4, 17, 3)


def coco(images, **more):
    """A COCO file with one person, 10 px wide in the first image, 11 in the second, ..."""
    annotations = [
        {"id": n, "image_id": image["id"], "category_id": 1, "bbox": [50, 20, 10 + n, 40]}
        for n, image in enumerate(images)
    ]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}], **more}


def test_a_coco_file_of_two_videos_is_two_cameras(tmp_path):
    images = [{"id": n, "video_id": 1 + n // 2, "frame_id": n % 2} for n in range(4)]
    videos = [{"id": 1, "name": "train/hall.mp4"}, {"id": 2, "name": "door"}]
    (tmp_path / "all.json").write_text(json.dumps(coco(images, videos=videos)))
    found = read_detection_folder(tmp_path)
    assert list(found) == ["door", "hall"]
    assert [(one.camera, one.frames.tolist(), one.frame_count) for one in found.values()] == [
        ("door", [0, 1], 2),
        ("hall", [0, 1], 2),
    ]
    (tmp_path / "door.json").write_text(json.dumps(coco(images[:2])))
    with pytest.raises(UserError, match=r"all\.json and .*door\.json both hold camera 'door'"):
        read_detection_folder(tmp_path)


def test_guesses_about_frames_are_warnings_of_the_camera(tmp_path):
    (tmp_path / "cam.json").write_text(json.dumps(coco([{"id": 5, "file_name": "x.jpg"}, {"id": 9}])))
    found = read_detection_folder(tmp_path)["cam"]
    assert found.frames.tolist() == [0, 1]
    assert len(found.warnings) == 1
    assert "says of no image which frame it is" in found.warnings[0]


def test_boxes_of_an_archive_in_shares_of_the_picture_are_refused(tmp_path):
    archive(tmp_path / "cam.npz", box_xyxy=np.array([[0.1, 0.2, 0.3, 0.4]] * 3, np.float32))
    with pytest.raises(UserError, match="shares of the picture"):
        read_detection_folder(tmp_path)


def test_frames_without_an_image_were_not_looked_at(tmp_path):
    images = [{"id": n, "file_name": f"{n:06d}.jpg"} for n in (1, 6, 11, 17)]
    (tmp_path / "cam.json").write_text(json.dumps(coco(images)))
    found = read_detection_folder(tmp_path)["cam"]
    assert [frame for frame in range(20) if found.looks_at(frame)] == [0, 5, 10, 16, 17, 18, 19]
    assert found.looks_within(range(4, 11)) == 2
    assert found.warnings == ("it has images of 4 of 17 frames: the others count as not looked at",)
    (tmp_path / "cam.json").write_text(json.dumps(coco(images[:1])))
    assert read_detection_folder(tmp_path)["cam"].looked is None


def test_images_of_all_frames_were_looked_at_however_seldom_people_are_in_them(tmp_path):
    images = [{"id": n, "file_name": f"{n:06d}.jpg"} for n in range(1, 31)]
    content = coco(images)
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] % 2]
    (tmp_path / "cam.json").write_text(json.dumps(content))
    found = read_detection_folder(tmp_path)["cam"]
    assert (found.looked, found.warnings) == (None, ())


def test_people_in_every_fifth_frame_were_looked_for_there_only(tmp_path):
    write(tmp_path / "cam.txt", [(5 * n + 2, -1, 10, 20, 5, 6, 0.5) for n in (0, 1, 2, 3, 5, 6, 7, 9)])
    found = read_detection_folder(tmp_path)["cam"]
    assert [frame for frame in range(47) if found.looks_at(frame)] == list(range(1, 47, 5))
    assert [found.looks_within(range(a, b)) for a, b in ((0, 1), (0, 2), (1, 7), (2, 6), (40, 47))] == [0, 1, 2, 0, 2]
    assert found.warnings == ("people are in one frame in 5 alone: the frames between count as not looked at",)


@pytest.mark.parametrize("frames", [[1, 6, 11], [1, 6, 11, 16, 21, 26, 31, 33], list(range(1, 20))])
def test_other_frames_without_people_were_looked_at(tmp_path, frames):
    write(tmp_path / "cam.txt", [(frame, -1, 10, 20, 5, 6, 0.5) for frame in frames])
    found = read_detection_folder(tmp_path)["cam"]
    assert found.looked is None
    assert found.looks_at(3)
    assert found.warnings == ()


def test_percentages_in_place_of_scores_are_told(tmp_path):
    write(tmp_path / "cam.txt", [(n, -1, 10, 20, 5, 6, 85 + n) for n in range(1, 4)])
    assert read_detection_folder(tmp_path)["cam"].warnings[0].endswith("divide them by 100 if they are percentages")
    write(tmp_path / "cam.txt", [(n, -1, 10, 20, 5, 6, n - 1.5) for n in range(1, 4)])
    assert read_detection_folder(tmp_path)["cam"].warnings[0].endswith("were cut to it")


def test_corners_in_place_of_sizes_are_told():
    corners = np.array([[300 + 10 * n, 200, 340 + 10 * n, 300] for n in range(6)], np.float32)
    as_sizes = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1)
    assert "6 of 6 boxes reach far beyond the picture" in told_corners(as_sizes, (400, 310))
    assert told_corners(corners, (400, 310)) is None
    assert told_corners(as_sizes, (0, 0)) is None
    assert told_corners(as_sizes[:3], (400, 310)) is None
    assert told_corners(as_sizes + np.array([0, 0, 500, 0], np.float32), (400, 310)) is None
