from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.config import SourcesConfig
from data.records import Detections, Image
from data.site import load_site, save_site
from data.sources.base import CameraSpec
from pipeline.input.site_survey import cues, look, same_place, site_of


class Heights:
    """A detector that sees the same people in every picture."""

    def __init__(self, *heights: float) -> None:
        self.heights, self.pictures = heights, 0

    def __call__(self, images: Sequence[Image]) -> list[Detections]:
        self.pictures += len(images)
        boxes = np.array([(10, 20, 30, 20 + height) for height in self.heights], np.float32).reshape(-1, 4)
        scores = np.full(len(boxes), 0.9, np.float32)
        # A weak box and one cut by the frame must not count.
        boxes = np.concatenate([boxes, np.array([(0, 20, 9, 30), (50, 0, 60, 400)], np.float32)])
        scores = np.concatenate([scores, np.array([0.2, 0.9], np.float32)])
        return [Detections(boxes, scores, np.zeros(len(boxes), np.int64)) for _ in images]


def scene(seed: int, size: tuple[int, int] = (400, 560)) -> Image:
    """A place with texture of many sizes."""
    random = np.random.default_rng(seed)
    layers = [cv2.GaussianBlur(random.normal(size=size), (0, 0), sigma) * sigma for sigma in (1.5, 4, 12)]
    grey = np.sum(layers, axis=0)
    grey = 255 * (grey - grey.min()) / np.ptp(grey)
    return np.repeat(grey[..., None].astype(np.uint8), 3, axis=2)


def folder(path: Path, picture: Image, count: int = 40) -> CameraSpec:
    path.mkdir()
    for number in range(count):
        frame = picture.copy()
        frame[100:200, 10 * number : 10 * number + 40] = (number * 5, 30, 90)
        cv2.imwrite(str(path / f"{number}.jpg"), frame)
    return CameraSpec(path.name, str(path))


def test_a_short_video_was_looked_at_for_as_long_as_it_lasts(tmp_path):
    """The last of the looks, one a second, is at 1 s, and a frame lasts a quarter."""
    spec = folder(tmp_path / "cam", scene(0), 6)
    assert look(spec, SourcesConfig(image_fps=4), Heights(100), 5).observed.seconds == 1.25


def test_a_look(tmp_path):
    detector = Heights(100, 120, 140)
    seen = look(folder(tmp_path / "cam", scene(0)), SourcesConfig(image_fps=4), detector, 5)
    assert detector.pictures == seen.observed.frames == 6, "one look a second, from 0 to 5 s"
    assert seen.observed.seconds == 5
    assert seen.observed.people_per_frame == 3
    assert seen.observed.person_height_px == 120
    assert seen.observed.person_height_p10_px == 100
    assert 60 < seen.observed.brightness < 200
    assert seen.observed.sharpness > 100
    assert np.abs(seen.background[:90].astype(int) - scene(0)[:90, :, 0]).mean() < 5


def test_moving_things_leave_the_background(tmp_path):
    seen = look(folder(tmp_path / "cam", scene(0)), SourcesConfig(image_fps=1), Heights(), 60)
    assert np.abs(seen.background.astype(int) - scene(0)[..., 0]).mean() < 6


def test_site_and_cues(tmp_path, monkeypatch):
    place = scene(1, (400, 900))
    looks = [
        look(folder(tmp_path / "a", place[:, :560]), SourcesConfig(image_fps=2), Heights(150, 200), 10),
        look(folder(tmp_path / "b", place[:, 300:860]), SourcesConfig(image_fps=2), Heights(40), 10),
        look(folder(tmp_path / "c", scene(2) // 8), SourcesConfig(image_fps=2), Heights(), 10),
    ]
    site = site_of(looks)
    save_site(site, tmp_path / "site.yaml")
    assert load_site(tmp_path / "site.yaml") == site
    assert site.size("a") == (560, 400)
    assert site.fps("a") == 2
    assert site.overlap("a", "b") == "partial"
    assert site.overlap("a", "c") == site.overlap("b", "c") == "unknown"
    assert not site.clocks_common("a", "b")
    text = "\n".join(cues(site))
    assert "appearance: works (a)" in text
    assert "at most (b)" in text
    assert "pose and body parts: weak, people are small (b)" in text
    assert "where people walk (sources.start_s) (c)" in text
    assert "picture: dark; colours are not reliable (c)" in text
    assert "clocks: not known to be common" in text
    assert "a and b show the same background" in text
    assert "tools.calibrate_site" in text
    assert len(cues(site_of(looks[:1]))) == 3, "one camera: nothing about pairs"


def test_what_holds_of_all_cameras_is_said_once(tmp_path):
    spec = [folder(tmp_path / name, scene(number)) for number, name in enumerate(("a", "b"))]
    lines = cues(site_of([look(one, SourcesConfig(image_fps=2), Heights(150), 10) for one in spec]))
    assert lines.count("appearance: works") == 1


def test_wall_clocks_become_estimated_offsets(tmp_path, make_video):
    paths = [
        make_video(f"{name}.mp4", frames=12, metadata={"creation_time": f"2024-05-01T12:00:{second:02d}.000000Z"})
        for name, second in (("a", 7), ("b", 2))
    ]
    looks = [look(CameraSpec(path.stem, str(path)), SourcesConfig(), Heights(), 60) for path in paths]
    site = site_of(looks)
    assert site.clock("a").status == "estimated"
    assert site.clock("a").offset_s == 5
    assert site.clock("b").offset_s == 0
    assert site.clocks_common("a", "b")
    assert any("clocks: of a, b by the sources' own wall clocks" in line for line in cues(site))


def test_recordings_hours_apart_have_no_common_clock(make_video):
    paths = [
        make_video(f"{name}.mp4", frames=12, metadata={"creation_time": f"2024-05-01T{hour}:00:00.000000Z"})
        for name, hour in (("a", "07"), ("b", "10"))
    ]
    site = site_of([look(CameraSpec(path.stem, str(path)), SourcesConfig(), Heights(), 60) for path in paths])
    assert not site.clocks_common("a", "b")
    assert any("clocks: not known to be common" in line for line in cues(site))


def test_same_place():
    left, right = scene(3, (400, 900))[:, :560, 0], scene(3, (400, 900))[:, 300:, 0]
    assert same_place(left, right)
    turned = cv2.warpPerspective(
        left,
        cv2.getPerspectiveTransform(
            np.array([[0, 0], [560, 0], [560, 400], [0, 400]], np.float32),
            np.array([[40, 20], [540, 0], [520, 390], [0, 400]], np.float32),
        ),
        (560, 400),
    )
    assert same_place(left, turned)
    assert not same_place(left, scene(4)[..., 0])
    assert not same_place(np.zeros((100, 100), np.uint8), left)


def test_a_burnt_in_caption_is_no_place():
    pictures = [scene(5)[..., 0].copy(), scene(6)[..., 0].copy()]
    for picture in pictures:
        cv2.putText(picture, "CAM 2024-05-01 12:00:00", (10, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)
    assert not same_place(*pictures)


def test_different_real_places(testdata):
    folders = sorted((testdata / "mot17mini").rglob("img1"))[:3]
    pictures = [cv2.imread(str(sorted(one.iterdir())[0]), cv2.IMREAD_GRAYSCALE)[::3, ::3] for one in folders]
    for number, one in enumerate(pictures):
        assert not any(same_place(one, other) for other in pictures[number + 1 :])
        assert same_place(one, np.ascontiguousarray(one[: len(one) * 3 // 4]))


@pytest.fixture
def make_video(tmp_path):
    def make(name: str, frames: int, metadata: dict[str, str]) -> Path:
        import av

        path = tmp_path / name
        with av.open(str(path), "w") as container:
            container.metadata.update(metadata)
            stream = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for number in range(frames):
                picture = np.full((48, 64, 3), number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        return path

    return make
