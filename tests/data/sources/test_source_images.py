import cv2
import numpy as np
import pytest

from data.config import SourcesConfig
from data.errors import UserError
from data.sources.base import CameraSpec
from data.sources.images import frame_numbers, natural_key
from data.sources.open import open_source


def fill(folder, names, size=(20, 30)):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((*size, 3), (0, 0, 10 * number), np.uint8))


def open_folder(folder, **settings):
    return open_source(CameraSpec("cam", str(folder)), SourcesConfig(**settings))


def test_natural_order():
    names = ["img10.png", "img2.png", "IMG1.png", "a.png", "img2b.png", "1.png"]
    assert sorted(names, key=natural_key) == ["1.png", "a.png", "IMG1.png", "img2.png", "img2b.png", "img10.png"]


def test_a_folder_is_a_video(tmp_path):
    names = [f"f{number}.png" for number in range(12)]
    fill(tmp_path, names)
    (tmp_path / "notes.txt").write_text("not a picture")
    source = open_folder(tmp_path, image_fps=4)
    frames = list(source.frames())
    assert [frame.image[0, 0, 0] for frame in frames] == [10 * number for number in range(12)]
    assert frames[3].image[0, 0].tolist() == [30, 0, 0], "RGB"
    assert [frame.time_s for frame in frames] == [number / 4 for number in range(12)]
    info = source.info
    assert (info.width, info.height, info.fps, info.frame_count, info.timestamps) == (30, 20, 4, 12, "fps")
    assert any("4 fps assumed" in line for line in source.warnings)
    tail = list(source.frames(8))
    assert [(frame.index, frame.time_s) for frame in tail] == [(n, n / 4) for n in range(8, 12)]


@pytest.mark.parametrize("beside", [True, False])
def test_rate_from_seqinfo(tmp_path, beside):
    pictures = tmp_path / "MOT-1" / "img1"
    fill(pictures, ["000001.jpg", "000002.jpg"])
    ini = (pictures if beside else pictures.parent) / "seqinfo.ini"
    ini.write_text("[Sequence]\nname=MOT-1\nimDir=img1\nframeRate=14\n")
    source = open_folder(pictures)
    assert source.info.fps == 14
    assert source.warnings == []


def test_a_sequence_folder_stands_for_its_pictures(tmp_path):
    fill(tmp_path / "seq" / "pics", ["1.jpg", "2.jpg"])
    (tmp_path / "seq" / "seqinfo.ini").write_text("[Sequence]\nimDir=pics\nframeRate=7\n")
    source = open_folder(tmp_path / "seq")
    assert (source.info.fps, source.info.frame_count) == (7, 2)
    (tmp_path / "seq" / "seqinfo.ini").write_text("[sequence]\nimdir=pics\n[Sequence]\nimdir=pics\nFRAMERATE=9\n")
    assert open_folder(tmp_path / "seq").info.fps == 9, "names of facts may be written in any letters"


def test_real_sequence(testdata):
    folder = next(path for path in sorted((testdata / "mot17mini").rglob("seqinfo.ini"))).parent
    source = open_folder(folder)
    frames = list(source.frames())
    assert len(frames) == source.info.frame_count > 0
    assert source.info.fps in (14, 25, 30)


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["000001.jpg", "000002.jpg", "000003.jpg", "000007.jpg"], [0, 1, 2, 6]),
        (["307.jpg", "308.jpg", "310.jpg"], [0, 1, 3]),
        (["c1_f0010.png", "c1_f0020.png", "c1_f0030.png", "c1_f0060.png"], [0, 1, 2, 5]),
        (["a1_0001_x.png", "a1_0002_x.png"], [0, 1]),
        (["one.png"], [0]),
        (["7.png"], [0]),
    ],
)
def test_missing_numbers_are_missing_frames(names, numbers):
    assert frame_numbers(names) == (numbers, "")


@pytest.mark.parametrize(
    "names",
    [
        ["1714566600123.jpg", "1714566600161.jpg", "1714566600204.jpg", "1714566600240.jpg"],
        ["a1_1.png", "a1_2.png", "a2_1.png"],
        ["1.jpg", "1.png", "2.jpg"],
        ["1.jpg", "2.jpg", "3.jpg", f"{10**200}.jpg"],
        ["a.png", "b.png"],
        ["1.png", "a.png"],
        ["1.png", "2.png", "100.png", "107.png", "300.png"],
    ],
)
def test_names_without_an_even_number_follow_one_another_and_that_is_said(names):
    numbers, remark = frame_numbers(names)
    assert numbers == list(range(len(names)))
    assert "one after the other" in remark


def test_pictures_that_share_a_number_are_told():
    _, remark = frame_numbers(["0001.jpg", "0001.png", "0002.jpg", "0002.png"])
    assert "share a number, such as 0001.jpg" in remark


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "I;16", "1"])
def test_pictures_of_other_colour_models_are_rgb(tmp_path, mode):
    from PIL import Image

    image = Image.fromarray(np.full((20, 30, 3), (255, 255, 255), np.uint8)).convert("I" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.full((20, 30), 65535, np.uint16))
    image.save(tmp_path / ("1.jpg" if mode == "CMYK" else "1.png"))
    (frame,) = open_folder(tmp_path).frames()
    assert frame.image.shape == (20, 30, 3)
    assert frame.image.min() > 250


def test_a_folder_of_folders_of_pictures_is_told(tmp_path):
    fill(tmp_path / "img1", ["1.png"])
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nimDir=gone\n")
    with pytest.raises(UserError, match=r"holds no pictures.*but folders of pictures such as img1"):
        open_folder(tmp_path)


def test_a_gap_among_numbers_is_a_pause_and_told(tmp_path):
    fill(tmp_path, [f"{number:06}.jpg" for number in (1, 2, 3, 4, 103, 104)])
    source = open_folder(tmp_path, image_fps=10)
    frames = list(source.frames())
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 102, 103]
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 10.2, 10.3])
    assert source.counted == 104
    assert any("98 numbers are missing" in line and "9.90 s before frame 102" in line for line in source.warnings)
    assert [(frame.index, frame.time_s) for frame in source.frames(100)] == [(102, 10.2), (103, 10.3)]


@pytest.mark.parametrize("ending", ["bmp", "webp", "tif", "tiff", "jpeg", "PNG", "JPG"])
def test_kinds_of_pictures(tmp_path, ending):
    fill(tmp_path, [f"{number}.{ending}" for number in range(3)])
    frames = list(open_folder(tmp_path).frames())
    assert [round(float(frame.image[..., 0].mean()), -1) for frame in frames] == [0, 10, 20]


def test_a_picture_that_breaks_off_is_left_out(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), rng.integers(0, 255, (64, 64, 3), np.uint8))
    content = (tmp_path / "2.jpg").read_bytes()
    (tmp_path / "2.jpg").write_bytes(content[: len(content) // 2])
    source = open_folder(tmp_path)
    assert [frame.index for frame in source.frames()] == [0, 1]
    assert any("1 pictures do not decode" in line and "2.jpg" in line for line in source.warnings)


def test_max_fps(tmp_path):
    fill(tmp_path, [f"{number}.png" for number in range(10)])
    assert [frame.index for frame in open_folder(tmp_path, image_fps=10, max_fps=5).frames()] == [0, 2, 4, 6, 8]


def test_broken_and_differing_pictures(tmp_path):
    fill(tmp_path, ["0.png", "1.png", "2.png"])
    (tmp_path / "1.png").write_bytes(b"no picture")
    (tmp_path / "3.png").touch()
    for name in ("4.png", "5.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((40, 60, 3), np.uint8))
    source = open_folder(tmp_path)
    frames = list(source.frames())
    assert [frame.index for frame in frames] == [0, 2, 4, 5]
    assert {frame.image.shape for frame in frames} == {(40, 60, 3)}, "as many of each size: the larger"
    assert any("2 pictures do not decode" in line and "1.png" in line for line in source.warnings)
    assert [line for line in source.warnings if "size changes" in line] == [
        "the picture size changes, frame 0 has another: all are fitted into 60x40, proportions kept"
    ]


def test_folders_without_usable_pictures(tmp_path):
    with pytest.raises(UserError, match="holds no"):
        open_folder(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match="do not decode"):
        open_folder(tmp_path)
    (tmp_path / "seqinfo.ini").write_text("no section")
    with pytest.raises(UserError, match=r"not a readable seqinfo\.ini"):
        open_folder(tmp_path)
