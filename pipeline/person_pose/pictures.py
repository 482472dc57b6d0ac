"""Training pictures: windows cut at random scale and place, with the people in them.

Every random number comes from the generator that is passed in, so a step of training can be repeated exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, model_validator

from data.config import Section
from data.errors import UserError
from data.formats.coco import CocoImage, read_coco
from data.records import FloatArray, Image
from data.skeletons import COCO17
from pipeline.person_pose.assign import People

_GREY = 114
_GROW = 1.5


class WindowConfig(Section):
    """How windows are cut and recoloured, and who counts in them."""

    side: int = Field(384, ge=64, multiple_of=32, description="height and width of a window, px")
    scale: tuple[PositiveFloat, PositiveFloat] = Field((0.45, 1.1), description="range of the scale of the picture")
    least_seen: float = Field(0.2, ge=0, le=1, description="people of whom less is seen may be missed or found")
    least_height_px: float = Field(10.0, ge=0, description="the same for people lower than this")
    gain: float = Field(0.25, ge=0, lt=1, description="largest relative change of each colour channel")
    light: float = Field(0.35, ge=0, lt=1, description="largest relative change of brightness and of contrast")
    blur: float = Field(0.2, ge=0, le=1, description="probability of a slight blur")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.scale[0] > self.scale[1]:
            raise ValueError("scale must be [smallest, largest]")
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One annotated picture.

    Attributes:
        path: the file.
        boxes: (N, 4) xyxy px.
        keypoints: (N, 17, 3), 1 = visible, 0.5 = hidden, 0 = unknown.
        seen: (N,) share of each person that is seen.
    """

    path: Path
    boxes: FloatArray
    keypoints: FloatArray
    seen: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A cut window: (side, side, 3) uint8 RGB and its people, as in ``assign.People`` without a batch."""

    image: Image
    boxes: FloatArray
    keypoints: FloatArray
    learnt: NDArray[np.bool_]


def read_pictures(truth: Path) -> list[Picture]:
    """Pictures of a COCO keypoint file; file names are relative to its folder. Nobody has to be found in a crowd.

    Raises:
        UserError: for a broken file, other keypoints than COCO's 17, or a picture that is not there.
    """
    pictures = []
    for image in read_coco(truth, crowds=True):
        path = truth.parent / image.file_name
        if not path.is_file():
            raise UserError(f"{truth}: there is no picture {path}")
        pictures.append(Picture(path, image.detections.boxes, _skeletons(truth, image), image.detections.scores))
    if not pictures:
        raise UserError(f"{truth} names no pictures")
    return pictures


def _skeletons(truth: Path, image: CocoImage) -> FloatArray:
    if image.poses is None:
        return np.zeros((len(image.detections), 17, 3), np.float32)
    if image.poses.skeleton != COCO17.name:
        raise UserError(f"{truth}: its keypoints are {image.poses.skeleton}, {COCO17.name} is needed")
    return image.poses.keypoints


def cut(picture: Picture, image: Image, config: WindowConfig, rng: np.random.Generator) -> Window:
    """Cut a window: scaled, moved, perhaps mirrored, recoloured.

    Args:
        picture: the truth.
        image: (H, W, 3) uint8 RGB.
        config: how.
        rng: source of every random number.
    """
    import cv2

    side = config.side
    scale = rng.uniform(*config.scale)
    flip = rng.uniform() < 0.5
    room = np.array([image.shape[1], image.shape[0]]) * scale - side
    # Windows look past the border too, or people there would be rare.
    corner = rng.uniform(np.minimum(room, 0) - 0.1 * side, np.maximum(room, 0) + 0.1 * side)
    if len(picture.boxes) and rng.uniform() < 0.7:
        box = picture.boxes[rng.integers(len(picture.boxes))] * scale
        corner = (box[:2] + box[2:]) / 2 - rng.uniform(0.2, 0.8, 2) * side
    move = np.array([[scale, 0, -corner[0]], [0, scale, -corner[1]]], np.float64)
    if flip:
        move[0] = [-scale, 0, side + corner[0]]
    # OpenCV counts from the middle of the first pixel, boxes from its edge.
    centred = move.copy()
    centred[:, 2] += move[:, :2].sum(1) / 2 - 0.5
    window = cv2.warpAffine(
        image, centred, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(_GREY,) * 3
    )
    boxes, points = _moved(picture, move, flip)
    inside = np.clip(boxes, 0, side)
    sizes = inside[:, 2:] - inside[:, :2]
    share = sizes.prod(1) / np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1e-6)
    out = (points[..., :2] < 0).any(-1) | (points[..., :2] >= side).any(-1)
    points[out] = 0
    kept = (sizes >= 1).all(1) & (share > 0)
    learnt = (picture.seen * share >= config.least_seen) & (sizes[:, 1] >= config.least_height_px)
    coloured = _recoloured(window.astype(np.uint8, copy=False), config, rng)
    return Window(coloured, inside[kept], points[kept], learnt[kept])


def _moved(picture: Picture, move: NDArray[np.float64], flip: bool) -> tuple[FloatArray, FloatArray]:
    """Boxes and keypoints under a scaling, shift and mirror."""
    gain, shift = move[[0, 1], [0, 1]], move[:, 2]
    corners = picture.boxes.reshape(-1, 2, 2) * gain + shift
    boxes = np.concatenate([corners.min(1), corners.max(1)], axis=1).astype(np.float32)
    points = picture.keypoints.copy()
    points[..., :2] = points[..., :2] * gain + shift
    if flip:
        points = points[:, list(COCO17.mirror)]
    points[points[..., 2] == 0] = 0
    return boxes, points.astype(np.float32)


def _recoloured(image: Image, config: WindowConfig, rng: np.random.Generator) -> Image:
    import cv2

    gains = rng.uniform(1 - config.gain, 1 + config.gain, 3) * rng.uniform(1 - config.light, 1 + config.light)
    contrast, power = rng.uniform(1 - config.light, 1 + config.light), _GROW ** rng.uniform(-1, 1)
    levels = np.arange(256, dtype=np.float64)[:, None] / 255
    curve = ((levels**power - 0.5) * contrast + 0.5) * gains
    table = np.clip(curve * 255, 0, 255).astype(np.uint8)[None]
    changed = cv2.LUT(image, table)
    if rng.uniform() < config.blur:
        changed = cv2.GaussianBlur(changed, (3, 3), rng.uniform(0.3, 1.0))
    return changed.astype(np.uint8, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class WindowBatch:
    """B windows and who is in them.

    Attributes:
        images: (B, 3, side, side) uint8 RGB.
        people: padded to the fullest window.
    """

    images: torch.Tensor
    people: People

    def first(self, count: int) -> "WindowBatch":
        """The first windows only."""
        return WindowBatch(self.images[:count], self.people.changed(lambda value: value[:count]))

    def pin_memory(self) -> "WindowBatch":
        """The same in pinned memory; torch's loader calls this."""
        return WindowBatch(self.images.pin_memory(), self.people.changed(torch.Tensor.pin_memory))

    def __len__(self) -> int:
        return len(self.images)


def collate(windows: Sequence[Window]) -> WindowBatch:
    """Make a batch."""
    images = torch.from_numpy(np.stack([window.image for window in windows])).permute(0, 3, 1, 2)
    most = max(1, *(len(window.boxes) for window in windows))
    count = len(windows)
    boxes = torch.zeros(count, most, 4)
    points = torch.zeros(count, most, 17, 3)
    learnt = torch.zeros(count, most, dtype=torch.bool)
    there = torch.zeros(count, most, dtype=torch.bool)
    for row, window in enumerate(windows):
        people = len(window.boxes)
        boxes[row, :people] = torch.from_numpy(window.boxes)
        points[row, :people] = torch.from_numpy(window.keypoints)
        learnt[row, :people] = torch.from_numpy(window.learnt)
        there[row, :people] = True
    return WindowBatch(images, People(boxes, points, learnt, there & ~learnt))
