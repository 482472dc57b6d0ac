"""The best pictures of a tracklet: few, sharp, apart in time, the same every time, and blurred where asked."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.errors import UserError
from data.formats.state import load_state, save_state
from data.records import CONFIRMED, TENTATIVE, Detections, Poses, Tracks, View
from pipeline.folder.crop_notes import read_note
from pipeline.folder.run_folder import RunFolder
from pipeline.job.tracklet_crops import CropCollector

_SIZE = (200, 160)
_BOX = (60.0, 20.0, 110.0, 150.0)


def _image(seed: int = 0, blur: float = 0.0) -> np.ndarray:
    image = np.random.default_rng(seed).integers(0, 256, (_SIZE[1], _SIZE[0], 3), dtype=np.uint8)
    return image if not blur else np.asarray(cv2.GaussianBlur(image, (0, 0), blur))


def _offer(
    collector: CropCollector,
    time_s: float,
    *,
    boxes: Any = (_BOX,),
    ids: Any = (0,),
    image: np.ndarray | None = None,
    state: int = CONFIRMED,
    detected: bool = True,
    poses: Poses | None = None,
) -> None:
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    count = len(rows)
    scores = np.full(count, 0.9, np.float32)
    index = np.arange(count, dtype=np.int32) if detected else np.full(count, -1, np.int32)
    tracks = Tracks(
        np.array(ids, np.int64), rows, scores, index, np.full(count, state, np.int8), np.full(count, -1, np.int64)
    )
    view = View("hall", round(time_s * 10), time_s, _SIZE, Detections(rows, scores, np.zeros(count, np.int64)), poses)
    collector.offer(view, _image() if image is None else image, tracks)


def _write(collector: CropCollector, tmp_path: Path, local_id: int = 0) -> list[Path]:
    return collector.write(RunFolder(tmp_path), "hall", local_id)


def test_at_most_four_pictures_apart_in_time(tmp_path: Path) -> None:
    collector = CropCollector()
    for step in range(300):
        _offer(collector, step / 10, image=_image(step, blur=0.5 + (step * 7 % 10) / 5))
    paths = _write(collector, tmp_path)
    assert [path.name for path in paths] == ["0_0.jpg", "0_1.jpg", "0_2.jpg", "0_3.jpg"]
    times = sorted(read_note(path.read_bytes())["time_s"] for path in paths)  # type: ignore[index]
    assert min(np.diff(times)) > 2.0, "not all from one moment"
    assert _write(collector, tmp_path) == [], "what is written is forgotten"


def test_sharp_pictures_win_over_blurred_ones(tmp_path: Path) -> None:
    collector = CropCollector(per_tracklet=2)
    sharp = {1.0, 5.0}
    for step in range(12):
        _offer(collector, step / 2, image=_image(step, blur=0.0 if step / 2 in sharp else 3.0))
    times = {read_note(path.read_bytes())["time_s"] for path in _write(collector, tmp_path)}  # type: ignore[index]
    assert times == sharp


def test_hidden_people_lose_against_visible_ones(tmp_path: Path) -> None:
    collector = CropCollector(per_tracklet=1)
    front = (50.0, 40.0, 120.0, 159.0)
    _offer(collector, 0.0, boxes=(_BOX, front), ids=(0, 1))
    _offer(collector, 1.0)
    _offer(collector, 2.0, boxes=(_BOX, front), ids=(0, 1))
    (path,) = _write(collector, tmp_path)
    assert read_note(path.read_bytes())["time_s"] == 1.0  # type: ignore[index]


@pytest.mark.parametrize(
    "offer",
    [
        {"state": TENTATIVE},
        {"detected": False},
        {"boxes": ((10, 10, 14, 20),)},
        {"boxes": ((500, 500, 550, 700),)},
        {"boxes": (), "ids": ()},
    ],
)
def test_rows_that_show_nobody_are_passed_over(tmp_path: Path, offer: dict[str, Any]) -> None:
    collector = CropCollector()
    _offer(collector, 0.0, **offer)
    assert _write(collector, tmp_path) == []
    assert not (tmp_path / "crops").exists()


def test_boxes_over_the_border_are_cut_to_the_frame(tmp_path: Path) -> None:
    collector = CropCollector()
    _offer(collector, 0.0, boxes=((-40.0, -30.0, 60.0, 400.0),))
    (path,) = _write(collector, tmp_path)
    note = read_note(path.read_bytes())
    assert note is not None
    assert note["box"][:2] == [0, 0]
    assert note["box"][3] == _SIZE[1]


def test_tall_people_are_scaled_down_and_pictures_decode(tmp_path: Path) -> None:
    collector = CropCollector(height_px=64)
    _offer(collector, 0.0)
    (path,) = _write(collector, tmp_path)
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape[0] == 64


def test_colours_are_kept(tmp_path: Path) -> None:
    image = np.full((_SIZE[1], _SIZE[0], 3), (220, 30, 40), np.uint8)
    collector = CropCollector()
    _offer(collector, 0.0, image=image)
    (path,) = _write(collector, tmp_path)
    blue, green, red = cv2.imread(str(path))[40, 20].astype(int)  # type: ignore[index]
    assert abs(red - 220) < 8
    assert abs(green - 30) < 8
    assert abs(blue - 40) < 8


def test_same_offers_same_bytes_also_after_a_kill(tmp_path: Path) -> None:
    whole, killed = CropCollector(), CropCollector()
    for step in range(60):
        for collector in (whole, killed):
            _offer(collector, step / 10, image=_image(step), boxes=(_BOX, (5, 5, 50, 120)), ids=(0, 3))
        if step == 31:
            save_state(tmp_path / "state.npz", killed.state())
            killed = CropCollector()
            killed.restore(load_state(tmp_path / "state.npz"))
    for local_id in (0, 3):
        one = [path.read_bytes() for path in _write(whole, tmp_path / "a", local_id)]
        other = [path.read_bytes() for path in _write(killed, tmp_path / "b", local_id)]
        assert one == other
        assert len(one) == 4


def test_memory_is_bounded_by_live_tracklets() -> None:
    collector = CropCollector()
    for step in range(200):
        _offer(collector, step / 10, image=_image(step))
    ((_, _, kept),) = collector.state()["kept"]
    assert len(kept) == 4


def test_anonymised_crops_have_no_heads_of_the_person_or_of_a_neighbour(tmp_path: Path) -> None:
    neighbour = (95.0, 30.0, 150.0, 155.0)
    pictures = []
    for anonymize in (False, True):
        collector = CropCollector(anonymize=anonymize, jpeg_quality=100, height_px=1000)
        _offer(collector, 0.0, boxes=(_BOX, neighbour), ids=(0, 1))
        (path,) = _write(collector, tmp_path / str(anonymize))
        note = read_note(path.read_bytes())
        assert note is not None
        assert note["anonymized"] is anonymize
        assert len(note["heads"]) == 2
        pictures.append(cv2.imread(str(path)).astype(int))  # type: ignore[union-attr]
    changed = np.abs(pictures[0] - pictures[1]).max(axis=2) > 30
    left, top = read_note(path.read_bytes())["box"][:2]  # type: ignore[index]
    own_head = changed[22 - top : 44 - top, 62 - left : 108 - left]
    neighbours_head = changed[34 - top : 52 - top, 97 - left : 112 - left]
    assert own_head.mean() > 0.7
    assert neighbours_head.mean() > 0.7
    assert changed[80 - top :].mean() < 0.05, "bodies stay"


def test_a_skeleton_without_a_box_is_blurred_too(tmp_path: Path) -> None:
    stray = np.zeros((1, 17, 3), np.float32)
    stray[0, :5] = (80, 100, 0.9)
    stray[0, 5:7] = ((70, 115, 0.9), (90, 115, 0.9))
    poses = Poses(np.zeros((1, 17, 3), np.float32), stray)
    collector = CropCollector(anonymize=True)
    _offer(collector, 0.0, poses=poses)
    (path,) = _write(collector, tmp_path)
    assert len(read_note(path.read_bytes())["heads"]) == 2  # type: ignore[index]


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "crops").write_text("a file")
    collector = CropCollector()
    _offer(collector, 0.0)
    with pytest.raises(UserError, match="cannot write crops"):
        _write(collector, tmp_path)
