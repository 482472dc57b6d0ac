import json

import pytest

from data.errors import UserError
from data.formats.coco_videos import read_coco_videos


def read(folder, images, **more):
    """Images ``(id, what is told)``; a person stands in each."""
    listed = [{"id": number, **told} for number, told in images]
    people = [
        {"id": n, "image_id": number, "category_id": 1, "bbox": [50, 20, 10, 40]}
        for n, (number, _) in enumerate(images)
    ]
    path = folder / "c.json"
    content = {"images": listed, "annotations": people, "categories": [{"id": 1, "name": "person"}], **more}
    path.write_text(json.dumps(content))
    return read_coco_videos(path)


def numbered(folder, *images):
    """Frames by image id, and the warnings, of a file of one video."""
    (video,) = read(folder, list(enumerate(images, 1)))
    return {image.image_id: frame for image, frame in zip(video.images, video.frames.tolist())}, video.warnings


@pytest.mark.parametrize("key", ["frame_id", "frame_index", "frame"])
def test_the_frame_id_says_which_frame_an_image_is(tmp_path, key):
    found, warnings = numbered(tmp_path, {key: 3}, {key: 0, "file_name": "x.jpg"}, {key: 8})
    assert found == {1: 3, 2: 0, 3: 8}
    assert not warnings
    assert numbered(tmp_path, {key: 3}, {key: 1}) == ({1: 2, 2: 0}, ())


@pytest.mark.parametrize(
    ("names", "frames"),
    [
        (["000001.jpg", "000006.jpg"], [0, 5]),
        (["c2/000000.jpg", "c2/000006.jpg"], [0, 6]),
        (["cam_2_frame_1_v3.jpg", "cam_2_frame_11_v3.jpg"], [0, 10]),
        (["a.0001.png", "a.0002.png"], [0, 1]),
        (["frame_1_jpg.rf.0a1b2c3d.jpg", "frame_3_jpg.rf.9f8e7d6c5b.jpg"], [0, 2]),
        (["8f3a2b1c-f001.jpg", "00aa2b9d-f004.jpg"], [0, 3]),
        (["a\\\\1.jpg", "a\\\\4.jpg"], [0, 3]),
        (["mp4_1", "mp4_2"], [0, 1]),
        ([f"{'9' * 5000}_1", f"{'9' * 5000}_4"], [0, 3]),
    ],
)
def test_numbers_in_file_names_say_which_frame_an_image_is(tmp_path, names, frames):
    found, warnings = numbered(tmp_path, *({"file_name": name} for name in names))
    assert list(found.values()) == frames
    assert not warnings


@pytest.mark.parametrize(
    "names",
    [["x.jpg", "x.jpg"], ["a1.jpg", "b2.jpg"], ["1-1.jpg", "2-2.jpg"], ["", ""], ["7.jpg", "07.jpg"]],
)
def test_ranks_by_image_id_are_a_guess(tmp_path, names):
    found, warnings = numbered(tmp_path, *({"file_name": name} for name in names))
    assert list(found.values()) == [0, 1]
    assert len(warnings) == 1
    assert "says of no image which frame it is" in warnings[0]


def test_numbers_that_begin_late_count_from_1_with_a_warning(tmp_path):
    found, warnings = numbered(tmp_path, {"file_name": "000100.jpg"}, {"file_name": "000101.jpg"})
    assert list(found.values()) == [99, 100]
    assert "frames begin with 100 by the numbers in file names" in warnings[0]


def test_a_frame_id_over_several_videos_gives_way_to_file_names(tmp_path):
    told = [{"frame_id": 10000010000 + n, "file_name": f"images/000001_bonn/{n:06d}.jpg"} for n in range(3)]
    assert numbered(tmp_path, *told) == ({1: 0, 2: 1, 3: 2}, ())


def test_numberings_that_disagree_are_told(tmp_path):
    found, warnings = numbered(tmp_path, {"frame_id": 0, "file_name": "1.jpg"}, {"frame_id": 1, "file_name": "6.jpg"})
    assert list(found.values()) == [0, 1]
    assert "disagree: frame_id is taken" in warnings[0]


def test_videos_are_told_apart_by_id_or_folder(tmp_path):
    videos = [{"id": 4, "name": "hall"}, {"id": 5, "name": "door"}]
    by_id = [(n, {"video_id": 4 + n % 2, "frame_id": n // 2}) for n in range(5)]
    assert [(one.name, one.frames.tolist()) for one in read(tmp_path, by_id, videos=videos)] == [
        ("door", [0, 1]),
        ("hall", [0, 1, 2]),
    ]
    by_folder = [(n, {"file_name": f"set/{'ab'[n % 2]}/img1/{n // 2:04d}.jpg"}) for n in range(4)]
    assert [(one.name, one.frames.tolist()) for one in read(tmp_path, by_folder)] == [("a", [0, 1]), ("b", [0, 1])]


def test_one_base_holds_for_all_videos_of_a_file(tmp_path):
    videos = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    told = [(1, {"video_id": 1, "frame_id": 0}), (2, {"video_id": 2, "frame_id": 1})]
    assert [one.frames.tolist() for one in read(tmp_path, told, videos=videos)] == [[0], [1]]


def test_one_video_is_called_after_its_file(tmp_path):
    (video,) = read(tmp_path, [(1, {"video_id": 7, "frame_id": 0})], videos=[{"id": 7, "name": "x/y.mp4"}])
    assert video.name == ""


@pytest.mark.parametrize(
    ("images", "more", "message"),
    [
        ([{"video_id": 1}, {"video_id": 2}], {}, r"holds 2 videos \('video_id: 1', 'video_id: 2'\)"),
        ([{"vid_id": "01"}, {}], {}, "holds 2 videos"),
        ([{"frame_id": 1}, {"frame_id": 1}], {}, "frame_id 1 of image 1 is also that of image 0: are these several"),
        ([{"frame_id": 1}, {}], {}, "1 of 2 images have no frame_id"),
        ([{"frame_id": -1}], {}, "frame_id -1 of image 0 is negative"),
        ([{"frame_id": 1.5}], {}, "frame_id of image 0 is no whole number"),
        (
            [{}],
            {"videos": [{"id": 1, "name": "a.mp4"}, {"id": 2, "name": "b/a.avi"}]},
            "two of its videos have one name",
        ),
    ],
)
def test_what_cannot_be_told_is_one_line(tmp_path, images, more, message):
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path, list(enumerate(images)), **more)
    assert "\n" not in str(caught.value)


def test_no_images_are_an_empty_video(tmp_path):
    (video,) = read(tmp_path, [])
    assert (video.length, video.frames.tolist(), video.warnings) == (0, [], ())
