"""Pictures are as a player shows them: display matrices, pixels that are not square, sizes that change."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.config import SourcesConfig
from data.sources import container
from data.sources.base import CameraSpec
from data.sources.geometry import (
    Orientation,
    believed_aspect,
    common_size,
    fit,
    fitted,
    orientation_of,
    square_pixels,
)
from data.sources.open import open_source

COLOURS = {"red": (230, 20, 20), "green": (20, 220, 20), "blue": (20, 20, 230), "grey": (120, 120, 120)}
# a, b, c, d of a display matrix: a stored point (p, q) is shown at (a p + c q, b p + d q), y downwards.
MATRICES = {
    "upright": (1, 0, 0, 1),
    "mirrored": (-1, 0, 0, 1),
    "flipped": (1, 0, 0, -1),
    "half turn": (-1, 0, 0, -1),
    "quarter clockwise": (0, 1, -1, 0),
    "quarter counter-clockwise": (0, -1, 1, 0),
    "transposed": (0, 1, 1, 0),
    "transverse": (0, -1, -1, 0),
}
SHOWN = {
    "upright": ("red green", "blue grey"),
    "mirrored": ("green red", "grey blue"),
    "flipped": ("blue grey", "red green"),
    "half turn": ("grey blue", "green red"),
    "quarter clockwise": ("blue red", "grey green"),
    "quarter counter-clockwise": ("green grey", "red blue"),
    "transposed": ("red blue", "green grey"),
    "transverse": ("grey green", "blue red"),
}
# EXIF orientations 1 to 8 in words: where the stored row 0 and column 0 are shown (CIPA DC-008, Orientation).
EXIF = (
    *("upright", "mirrored", "half turn", "flipped"),
    *("transposed", "quarter clockwise", "transverse", "quarter counter-clockwise"),
)


def corners(number: int, width: int, height: int) -> np.ndarray:
    """Red and green above, blue and grey below."""
    image = np.zeros((height, width, 3), np.uint8)
    for index, colour in enumerate(COLOURS.values()):
        top, left = height // 2 * (index // 2), width // 2 * (index % 2)
        image[top : top + height // 2, left : left + width // 2] = colour
    return image


def seen(image: np.ndarray) -> tuple[str, str]:
    """Which colours are in the corners of a picture, read as lines."""
    height, width = image.shape[:2]
    found = []
    for y in (height // 4, height - height // 4):
        for x in (width // 4, width - width // 4):
            off = {name: np.abs(image[y, x].astype(int) - colour).sum() for name, colour in COLOURS.items()}
            found.append(min(off, key=lambda name: off[name]))
    return f"{found[0]} {found[1]}", f"{found[2]} {found[3]}"


def read(path, **settings):
    source = open_source(CameraSpec("cam", str(path)), SourcesConfig(**settings))
    return source, list(source.frames())


def as_matrix(name: str) -> list[int]:
    return [value << 16 for value in MATRICES[name]]


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_every_display_matrix_is_shown_as_players_show_it(make_video, name, ending):
    source, frames = read(make_video(f"a.{ending}", frames=2, matrix=as_matrix(name), draw=corners))
    turned = MATRICES[name][0] == 0
    assert (source.info.width, source.info.height) == ((48, 64) if turned else (64, 48))
    assert frames[1].image.shape[1::-1] == (source.info.width, source.info.height)
    assert seen(frames[1].image) == SHOWN[name]
    mirrored = name in ("mirrored", "flipped", "transposed", "transverse")
    assert any("mirror image" in line for line in source.warnings) == mirrored


@pytest.mark.parametrize(("number", "name"), enumerate(EXIF, 1))
def test_every_exif_orientation_is_shown_as_viewers_show_it(tmp_path, number, name):
    from PIL import Image

    picture = Image.fromarray(corners(0, 64, 48))
    exif = picture.getexif()
    exif[0x0112] = number
    for ending in ("jpg", "webp", "png"):
        folder = tmp_path / ending
        folder.mkdir()
        picture.save(folder / f"1.{ending}", exif=exif, quality=95)
        _, frames = read(folder)
        assert seen(frames[0].image) == SHOWN[name], ending


def test_a_matrix_of_another_angle_or_of_zeros_takes_the_nearest():
    def of(*values):
        a, b, c, d = (round(value * 65536) for value in values)
        return orientation_of(np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], np.int32).tobytes())

    assert of(0, 0, 0, 0) == Orientation()
    assert of(0.98, 0.17, -0.17, 0.98) == Orientation()
    assert of(0.17, 0.98, -0.98, 0.17) == of(0, 1, -1, 0) == Orientation(True, left_right=True)
    assert of(2, 0, 0, -2) == Orientation(up_down=True)
    mirrored = [name for name, values in MATRICES.items() if of(*values).mirrored]
    assert mirrored == ["mirrored", "flipped", "transposed", "transverse"]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "avi"])
@pytest.mark.parametrize("decoder", ["auto", "opencv"])
def test_pixels_are_made_square(make_video, ending, decoder):
    codec = "mpeg4" if ending == "avi" else "libx264"
    path = make_video(f"a.{ending}", codec=codec, frames=3, aspect=Fraction(2, 1), draw=corners)
    source, frames = read(path, decoder=decoder)
    assert (source.info.width, source.info.height) == (128, 48)
    assert frames[0].image.shape == (48, 128, 3)
    assert seen(frames[0].image) == SHOWN["upright"]
    if decoder == "auto":
        assert any("its pixels are 2:1" in line and "not 64x48" in line for line in source.warnings)


def test_pixels_are_made_square_before_a_picture_is_turned(make_video):
    path = make_video("a.mp4", frames=2, aspect=Fraction(2, 1), matrix=as_matrix("quarter clockwise"), draw=corners)
    source, frames = read(path)
    assert (source.info.width, source.info.height) == (48, 128)
    assert seen(frames[0].image) == SHOWN["quarter clockwise"]


@pytest.mark.parametrize(
    ("said", "believed", "size"),
    [
        (Fraction(2, 1), Fraction(2, 1), (200, 100)),
        (Fraction(1, 2), Fraction(1, 2), (100, 200)),
        (Fraction(12, 11), Fraction(12, 11), (109, 100)),
        (Fraction(1, 1), None, (100, 100)),
        (Fraction(1280, 1281), None, (100, 100)),
        (Fraction(65535, 1), None, (100, 100)),
        (Fraction(0), None, (100, 100)),
        (None, None, (100, 100)),
    ],
)
def test_an_aspect_is_believed_where_it_is_sensible_and_not_square_anyway(said, believed, size):
    assert believed_aspect(said) == believed
    assert square_pixels((100, 100), believed) == size


def joined(make_video, tmp_path, *parts):
    """Transport streams of several sizes behind one another."""
    path = tmp_path / "joined.ts"
    path.write_bytes(
        b"".join(
            make_video(f"{number}.ts", frames=frames, size=size, draw=corners).read_bytes()
            for number, (frames, size) in enumerate(parts)
        )
    )
    return path


def test_a_stream_that_changes_size_is_worked_at_its_commonest_with_proportions_kept(make_video, tmp_path):
    path = joined(make_video, tmp_path, (40, (64, 36)), (90, (128, 72)), (10, (72, 128)))
    source, frames = read(path)
    assert (source.info.width, source.info.height) == (128, 72)
    assert {frame.image.shape for frame in frames} == {(72, 128, 3)}
    assert all(seen(frame.image) == SHOWN["upright"] for frame in frames[:-10])
    last = frames[-1].image
    assert max(last[:, :30].max(), last[:, -30:].max()) < 40, "black beside a picture that stands"
    assert seen(last[:, 44:84]) == SHOWN["upright"]
    assert sum("size changes" in line for line in source.warnings) == 1


def test_a_key_frame_is_decoded_once_however_many_places_lead_to_it(make_video, monkeypatch):
    path, decoded, looks = make_video(frames=60), container._decoded, []
    monkeypatch.setattr(container, "_decoded", lambda packets: looks.append(1) or decoded(packets))
    source, _ = read(path)
    assert (source.info.width, source.info.height) == (64, 48)
    with container.open_container(str(path), 1.0) as opened:
        keys = sum(packet.is_keyframe for packet in opened.demux(video=0))
    assert 1 < len(looks) <= keys < 12, "places that are looked at"


def test_opencv_keeps_proportions_too(make_video, tmp_path):
    path = joined(make_video, tmp_path, (10, (128, 72)), (10, (72, 128)))
    _, frames = read(path, decoder="opencv")
    assert {frame.image.shape for frame in frames} == {(72, 128, 3)}


def test_pictures_of_a_folder_are_fitted_into_their_commonest_size(tmp_path):
    for number, size in enumerate([(40, 30), (80, 60), (80, 60), (30, 40)]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), corners(0, *size)[..., ::-1])
    source, frames = read(tmp_path)
    assert (source.info.width, source.info.height) == (80, 60)
    assert [seen(frame.image) for frame in frames[:3]] == [SHOWN["upright"]] * 3
    assert seen(frames[3].image[:, 18:62]) == SHOWN["upright"]
    assert frames[3].image[:, :15].max() == 0


def test_of_equally_common_sizes_the_largest_counts():
    assert common_size([(4, 3), (8, 6), (8, 6), (100, 100)]) == (8, 6)
    assert common_size([(4, 3), (8, 6)]) == (8, 6)


@given(st.tuples(st.integers(1, 400), st.integers(1, 400)), st.tuples(st.integers(1, 400), st.integers(1, 400)))
def test_what_is_fitted_fills_one_side_and_overflows_none(size, into):
    width, height = fitted(size, into)
    assert 1 <= width <= into[0]
    assert 1 <= height <= into[1]
    assert width == into[0] or height == into[1]
    image = fit(np.full((size[1], size[0], 3), 9, np.uint8), into)
    assert image.shape == (into[1], into[0], 3)
    assert image.flags.c_contiguous
