"""Made cameras of a still room, and which of their frames a schedule looks at."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from data.records import Detections, FloatArray, Frame, Image
from pipeline.backends.config import PaceConfig
from pipeline.input.schedule import Schedule

FPS = 10
SIZE = (256, 144)
Boxes = list[tuple[float, float, float, float]]
Finds = Callable[[Frame], Boxes]


def empty_room(noise: float = 2.0, light: int = 110) -> Callable[[int], Image]:
    """A still room under a noisy sensor."""

    def image(index: int) -> Image:
        rng = np.random.default_rng(index)
        room = np.linspace(-30, 30, SIZE[0])[None, :, None] + light
        return np.clip(room + rng.normal(0, noise, (SIZE[1], SIZE[0], 3)), 0, 255).astype(np.uint8)

    return image


def with_people(boxes: Callable[[int], Boxes], room: Callable[[int], Image] | None = None) -> Callable[[int], Image]:
    """Red boxes in a room."""
    behind = room or empty_room()

    def image(index: int) -> Image:
        picture = behind(index)
        for x1, y1, x2, y2 in boxes(index):
            picture[int(y1) : int(y2), max(int(x1), 0) : max(int(x2), 0)] = (180, 40, 40)
        return picture

    return image


def frames_of(image: Callable[[int], Image], count: int, camera: str = "a", fps: float = FPS) -> list[Frame]:
    """The first pictures of a camera."""
    return [Frame(camera, index, index / fps, image(index)) for index in range(count)]


def detections_of(boxes: Sequence[Sequence[float]]) -> Detections:
    """People at corners, all of score 0.9."""
    corners: FloatArray = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections.of_people(corners, np.full(len(corners), 0.9, np.float32))


def looks_at(
    frames: Iterable[Frame], finds: Finds = lambda _: [], schedule: Schedule | None = None
) -> dict[str, list[int]]:
    """Numbers of the frames that are looked at, by camera."""
    schedule = schedule or Schedule(PaceConfig())
    looked: dict[str, list[int]] = {}
    for frame in frames:
        if schedule.due(frame):
            schedule.looked(frame, (detections_of(finds(frame)), None))
            looked.setdefault(frame.camera, []).append(frame.index)
    return looked
