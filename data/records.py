"""The records that flow through the system: frozen structs of arrays.

Row i of every column of a record is the same person. Arrays are C-contiguous. Frame indices count from 0 (MOT files
count from 1); id -1 means none and 0 is a valid id. Construction does not validate: formats and back-ends, where data
enters, call ``check`` once.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Image = NDArray[np.uint8]
Rows = NDArray[np.int64] | NDArray[np.bool_]


class Picture(Protocol):
    """A decoded picture that is not in RGB yet; to be asked by one thread at a time.

    Attributes:
        size: (width, height) px, upright.
    """

    size: tuple[int, int]

    def rgb(self) -> Image:
        """(H, W, 3) uint8 RGB, upright; converted once."""
        ...

    def sampled(self, width: int, height: int) -> Image:
        """(height, width, 3) uint8 RGB of evenly spread pixels, proportions as they are; converts no more."""
        ...


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture; never stored.

    Attributes:
        camera: name of the camera.
        index: number of the frame in its source, from 0.
        time_s: the source's own time in seconds (not yet shifted by a clock offset).
        picture: (H, W, 3) uint8 RGB, or what becomes that when somebody looks.
    """

    camera: str
    index: int
    time_s: float
    picture: Image | Picture

    @property
    def image(self) -> Image:
        """(H, W, 3) uint8 RGB."""
        return self.picture if isinstance(self.picture, np.ndarray) else self.picture.rgb()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) px; converts nothing."""
        picture = self.picture
        return (picture.shape[1], picture.shape[0]) if isinstance(picture, np.ndarray) else picture.size

    def converted(self) -> "Frame":
        """The same with its picture in RGB."""
        return replace(self, picture=self.image)

    def sampled(self, width: int, height: int) -> Image:
        """(height, width, 3) uint8 RGB of evenly spread pixels, proportions as they are; converts no more."""
        if not isinstance(self.picture, np.ndarray):
            return self.picture.sampled(width, height)
        import cv2

        return np.asarray(cv2.resize(self.picture, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


@dataclass(frozen=True, slots=True)
class Detections:
    """Boxes of one frame.

    Attributes:
        boxes: (N, 4) float32, x1 y1 x2 y2 in pixels of the full frame.
        scores: (N,) float32, 0-1.
        class_ids: (N,) int64; 0 is a person.
    """

    boxes: FloatArray
    scores: FloatArray
    class_ids: IntArray

    def __len__(self) -> int:
        return len(self.boxes)

    @staticmethod
    def of_people(boxes: ArrayLike, scores: ArrayLike | None = None) -> "Detections":
        """People from any arrays, lists included.

        Args:
            boxes: (N, 4) xyxy px.
            scores: (N,) 0-1, or None: all are sure.

        Raises:
            ValueError: when the two do not fit together.
        """
        corners = np.ascontiguousarray(boxes, np.float32).reshape(-1, 4)
        sure = np.ones(len(corners), np.float32) if scores is None else np.ascontiguousarray(scores, np.float32)
        if sure.shape != (len(corners),):
            raise ValueError(f"{len(corners)} boxes with scores of shape {sure.shape}")
        return Detections(corners, sure, np.zeros(len(corners), np.int64))

    @staticmethod
    def empty() -> "Detections":
        """No boxes."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    def select(self, rows: Rows) -> "Detections":
        """Keep some rows, given as indices or as a mask."""
        return Detections(self.boxes[rows], self.scores[rows], self.class_ids[rows])


@dataclass(frozen=True, slots=True)
class Poses:
    """Skeletons of one frame, row-aligned with its ``Detections``.

    Attributes:
        keypoints: (N, 17, 3) float32: x px, y px, confidence 0-1, in the full frame. A row without a skeleton is zero.
        spare_keypoints: (U, 17, 3) float32: skeletons that no box owns; they still serve as negative prompts.
        skeleton: name of the layout, a key of ``data.skeletons.SKELETONS``.
    """

    keypoints: FloatArray
    spare_keypoints: FloatArray
    skeleton: str = "coco17"

    def __len__(self) -> int:
        return len(self.keypoints)

    @staticmethod
    def empty(skeleton: str = "coco17") -> "Poses":
        """No skeletons."""
        none = np.zeros((0, 17, 3), np.float32)
        return Poses(none, none.copy(), skeleton)

    def select(self, rows: Rows) -> "Poses":
        """Keep some rows; the skeletons of dropped rows become spare, because they still tell people apart."""
        keep = np.zeros(len(self.keypoints), bool)
        keep[rows] = True
        dropped = self.keypoints[~keep]
        dropped = dropped[dropped[..., 2].max(axis=1, initial=0.0) > 0]
        return Poses(self.keypoints[rows], np.concatenate([self.spare_keypoints, dropped]), self.skeleton)


@dataclass(frozen=True, slots=True)
class PartEmbeddings:
    """Appearance of N rows in P parts.

    Attributes:
        vectors: (N, P, D) float32 (float16 when stored), unit length per part; zero where visibility is 0.
        visibility: (N, P) float32, 0-1. All zero means "no evidence", never "looks like zero".
        part_names: P names.
        part_kinds: P times "holistic" (foreground, global) or "part".
        model_id: which network and weights made them; embeddings of different ids are never compared.
    """

    vectors: FloatArray
    visibility: FloatArray
    part_names: tuple[str, ...]
    part_kinds: tuple[str, ...]
    model_id: str

    def __len__(self) -> int:
        return len(self.vectors)

    def select(self, rows: Rows) -> "PartEmbeddings":
        """Keep some rows, given as indices or as a mask."""
        return replace(self, vectors=self.vectors[rows], visibility=self.visibility[rows])

    def scatter(self, rows: IntArray, count: int) -> "PartEmbeddings":
        """Spread these rows over ``count`` rows; the others are "no evidence"."""
        vectors = np.zeros((count, *self.vectors.shape[1:]), self.vectors.dtype)
        visibility = np.zeros((count, self.visibility.shape[1]), self.visibility.dtype)
        vectors[rows], visibility[rows] = self.vectors, self.visibility
        return replace(self, vectors=vectors, visibility=visibility)


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Rows of one frame that need an appearance.

    Attributes:
        image: (H, W, 3) uint8 RGB, the full frame.
        boxes: (N, 4) float32 xyxy px: the people to describe.
        keypoints: (N, 17, 3) float32 their skeletons (COCO-17, full frame px, confidence), or None without poses.
        negatives: (U, 17, 3) float32 every other skeleton of the frame. The other rows of ``keypoints`` are negatives
            of a row as well; the embedder adds them.
        camera: name of the camera (for models with camera tokens and for per-camera adaptation).
    """

    image: Image
    boxes: FloatArray
    keypoints: FloatArray | None = None
    negatives: FloatArray = field(default_factory=lambda: np.zeros((0, 17, 3), np.float32))
    camera: str = ""


TrackState = Literal["tentative", "confirmed", "lost"]
TENTATIVE, CONFIRMED, LOST = 0, 1, 2
STATE_NAMES: tuple[TrackState, ...] = ("tentative", "confirmed", "lost")


@dataclass(frozen=True, slots=True)
class View:
    """What one camera of a scope sees at one instant.

    Attributes:
        camera: name of the camera.
        frame_index: number of the frame in its source.
        time_s: the source's own time in seconds.
        size: (width, height) of the frame in pixels.
        detections: N boxes.
        poses: row-aligned skeletons, or None where no pose estimator runs.
        common_s: ``time_s`` on the common clock, by which views of several cameras are compared; NaN where nobody asked
            for it.
    """

    camera: str
    frame_index: int
    time_s: float
    size: tuple[int, int]
    detections: Detections
    poses: Poses | None = None
    common_s: float = math.nan


@dataclass(frozen=True, slots=True)
class Tracks:
    """The rows a tracker reports for one camera and frame.

    Attributes:
        track_ids: (M,) int64, local to the camera.
        boxes: (M, 4) float32 xyxy px.
        scores: (M,) float32, of the matched detection; 0 where predicted.
        det_index: (M,) int32, row of the frame's detections; -1 = predicted only.
        state: (M,) int8, index into ``STATE_NAMES``.
        group_id: (M,) int64, id shared by the rows of one person over the cameras of an overlap group; -1 = none.
    """

    track_ids: IntArray
    boxes: FloatArray
    scores: FloatArray
    det_index: NDArray[np.int32]
    state: NDArray[np.int8]
    group_id: IntArray

    def __len__(self) -> int:
        return len(self.track_ids)

    @staticmethod
    def empty() -> "Tracks":
        """Nobody."""
        none = np.zeros(0, np.int64)
        boxes, scores = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        return Tracks(none, boxes, scores, none.astype(np.int32), none.astype(np.int8), none)


@dataclass(frozen=True, slots=True)
class Tracklet:
    """One uninterrupted piece of one person's path through one camera.

    Attributes:
        camera: name of the camera.
        local_id: unique in the camera; 0 is valid.
        times_s: (T,) float64, rising, the source's own time.
        frames: (T,) int64, rising.
        boxes: (T, 4) float32 xyxy px.
        scores: (T,) float32.
        keypoints: (T, 17, 3) float32 or None.
        prototypes: G <= 16 representative appearances, or None where no embedding was asked for.
        prototype_rows: (G,) int64, the row each prototype was taken from.
        continues: local_id of the piece this one continues after a cut (a must-link), or -1.
        group_id: id shared over an overlap group (a must-link later repair may revoke), or -1.
        world_xy: (T, 2) float32 metres on the ground, or None.
        world_cov: (T, 2, 2) float32 square metres, or None.
        world_height: (T,) float32, body height in metres, NaN where unknown; or None.
        frame_size: (width, height) in pixels; (0, 0) where unknown.
    """

    camera: str
    local_id: int
    times_s: DoubleArray
    frames: IntArray
    boxes: FloatArray
    scores: FloatArray
    keypoints: FloatArray | None = None
    prototypes: PartEmbeddings | None = None
    prototype_rows: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    continues: int = -1
    group_id: int = -1
    world_xy: FloatArray | None = None
    world_cov: FloatArray | None = None
    world_height: FloatArray | None = None
    frame_size: tuple[int, int] = (0, 0)

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def key(self) -> tuple[str, int]:
        """(camera, local_id): unique in a run."""
        return self.camera, self.local_id

    @property
    def entry_point(self) -> FloatArray:
        """(2,) float32: the foot point of the first box, px."""
        return foot_points(self.boxes[:1])[0]

    @property
    def exit_point(self) -> FloatArray:
        """(2,) float32: the foot point of the last box, px."""
        return foot_points(self.boxes[-1:])[0]


TrackletEventKind = Literal["opened", "updated", "closed"]


@dataclass(frozen=True, slots=True)
class TrackletEvent:
    """What happened to a tracklet; ``updated`` and ``opened`` carry a snapshot, ``closed`` the final record."""

    kind: TrackletEventKind
    tracklet: Tracklet


Decision = Literal["same", "different", "uncertain"]


@dataclass(frozen=True, slots=True)
class Link:
    """Evidence about one pair of tracklets.

    Attributes:
        a: (camera, local_id) of the earlier tracklet.
        b: (camera, local_id) of the later one.
        llr: natural-log likelihood ratio of each cue that spoke ("appearance", "space_time", "rerank", ...); their sum
            and the prior give ``probability``.
        part_distances: distance per mutually visible part, by name.
        part_visibility: joint visibility per part, by name.
        lag_s: seconds between leaving a and entering b; NaN where the clocks are not common.
        probability: of "same person", 0-1.
        decision: what the associator made of it.
        margin: this pair's total log-likelihood ratio minus that of the best alternative for either side (+inf where
            there is none).
        constraint: the hard constraint that decided, or "".
    """

    a: tuple[str, int]
    b: tuple[str, int]
    llr: dict[str, float]
    part_distances: dict[str, float]
    part_visibility: dict[str, float]
    lag_s: float
    probability: float
    decision: Decision
    margin: float
    constraint: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """One stay of a global identity in one camera."""

    camera: str
    local_id: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class GlobalTrack:
    """One person over all cameras.

    Attributes:
        global_id: unique in the run.
        visits: ordered by start time on the common clock where there is one, else by camera and time.
        confidence: lowest probability of the links that hold the identity together; 1.0 for a single visit.
    """

    global_id: int
    visits: tuple[Visit, ...]
    confidence: float


def foot_points(boxes: FloatArray) -> FloatArray:
    """Bottom centre of each box: (N, 4) xyxy px -> (N, 2) px."""
    return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
