"""A finished run of drawn people, built without any network: videos, tracklets, crops, identities, evidence."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.records import (
    CONFIRMED,
    Decision,
    Detections,
    FloatArray,
    GlobalTrack,
    Image,
    Link,
    Poses,
    Tracklet,
    Tracks,
    View,
    Visit,
)
from pipeline.folder.input_files import describe_input
from pipeline.folder.run_folder import RunFolder
from pipeline.job.tracklet_crops import CropCollector
from pipeline.rendering.video_writer import VideoWriter

# Joints of a standing figure in shares of its box.
_JOINTS = np.array([
    (.50, .07), (.56, .055), (.44, .055), (.62, .065), (.38, .065), (.74, .19), (.26, .19), (.84, .34), (.16, .34),
    (.82, .48), (.18, .48), (.64, .52), (.36, .52), (.66, .75), (.34, .75), (.68, .97), (.32, .97),
], np.float32)  # fmt: skip
_CLOTHES = np.array([
    (190, 60, 50), (50, 90, 190), (60, 150, 70), (200, 160, 40), (130, 70, 160), (40, 160, 170), (230, 120, 60),
    (90, 90, 90), (210, 90, 140), (120, 130, 60),
], np.uint8)  # fmt: skip
SKIN = (224, 176, 140)


@dataclass(frozen=True)
class Walk:
    """One person crossing one camera."""

    person: int
    camera: str
    start_s: float
    end_s: float
    lane: float
    leftwards: bool = False


@dataclass
class World:
    """What the cameras film."""

    cameras: tuple[str, ...]
    walks: list[Walk]
    size: tuple[int, int] = (320, 180)
    fps: float = 10.0
    seconds: float = 12.0
    offsets_s: dict[str, float] = field(default_factory=dict)

    def frames(self) -> int:
        """Per camera."""
        return round(self.seconds * self.fps)

    def box(self, walk: Walk, time_s: float) -> FloatArray:
        """Box of a walker, px."""
        width, height = self.size
        share = (time_s - walk.start_s) / max(walk.end_s - walk.start_s, 1e-9)
        share = 1 - share if walk.leftwards else share
        tall = height * (0.36 + 0.18 * walk.lane)
        foot, x = height * (0.62 + 0.34 * walk.lane), width * (0.08 + 0.84 * share)
        return np.array([x - 0.19 * tall, foot - tall, x + 0.19 * tall, foot], np.float32)

    def present(self, camera: str, time_s: float) -> list[Walk]:
        """Walkers in view, the farthest first."""
        found = [walk for walk in self.walks if walk.camera == camera and walk.start_s <= time_s <= walk.end_s]
        return sorted(found, key=lambda walk: walk.lane)

    def image(self, camera: str, time_s: float) -> Image:
        """What the camera sees."""
        width, height = self.size
        tint = np.roll(np.array([10, 30, 60]), self.cameras.index(camera))
        shade = np.linspace(0.55, 0.95, height, dtype=np.float32)[:, None, None]
        image = np.repeat((shade * (140 + tint)).clip(0, 255).astype(np.uint8), width, axis=1)
        for x in range(0, width, width // 8):
            cv2.line(image, (x, height), (width // 2 + (x - width // 2) // 3, height // 2), (120, 120, 125), 1)
        for walk in self.present(camera, time_s):
            _draw(image, self.box(walk, time_s), walk.person, time_s)
        return np.ascontiguousarray(image)


def skeleton(box: FloatArray) -> FloatArray:
    """(17, 3) keypoints of a figure."""
    low, sides = box[:2], box[2:] - box[:2]
    return np.column_stack([low + _JOINTS * sides, np.full(17, 0.9, np.float32)]).astype(np.float32)


def _draw(image: Image, box: FloatArray, person: int, time_s: float) -> None:
    joints = np.round(skeleton(box)[:, :2]).astype(int)
    tall = float(box[3] - box[1])
    clothes = tuple(int(channel) for channel in _CLOTHES[person % len(_CLOTHES)])
    trousers = tuple(int(channel) // 2 for channel in _CLOTHES[(3 * person + 4) % len(_CLOTHES)])
    swing = round(0.05 * tall * math.sin(6 * time_s + person))
    for hip, ankle, sign in ((11, 15, 1), (12, 16, -1)):
        foot = (int(joints[ankle][0]) + sign * swing, int(joints[ankle][1]))
        cv2.line(image, tuple(map(int, joints[hip])), foot, trousers, max(round(0.085 * tall), 2), cv2.LINE_AA)
    torso = joints[[5, 6, 12, 11]]
    cv2.fillPoly(image, [torso], clothes, cv2.LINE_AA)
    for a, b in ((5, 7), (7, 9), (6, 8), (8, 10)):
        points = tuple(map(int, joints[a])), tuple(map(int, joints[b]))
        cv2.line(image, *points, clothes, max(round(0.055 * tall), 2), cv2.LINE_AA)
    head = (int(joints[0][0]), int(joints[0][1]))
    cv2.circle(image, head, max(round(0.062 * tall), 2), SKIN, -1, cv2.LINE_AA)
    cv2.ellipse(
        image, head, (max(round(0.066 * tall), 2),) * 2, 0, 180, 360, (60 + 9 * person % 90, 40, 30), -1, cv2.LINE_AA
    )
    for eye in joints[1:3]:
        cv2.circle(image, tuple(map(int, eye)), max(round(0.009 * tall), 1), (20, 20, 20), -1)


def make_world(
    people: int = 4, cameras: Sequence[str] = ("hall", "door"), seconds: float = 12.0, seed: int = 0
) -> World:
    """People who cross the cameras one after the other; every third one only the first."""
    rng = np.random.default_rng(seed)
    walks = []
    for person in range(people):
        start = float(rng.uniform(0, 0.35 * seconds)) if person else 0.0
        for camera in cameras if person % 3 != 2 else cameras[:1]:
            stay = float(rng.uniform(0.16, 0.3)) * seconds
            end = min(start + stay, seconds - 0.1)
            if end - start > 0.05 * seconds:
                walks.append(Walk(person, camera, start, end, float(rng.uniform(0, 1)), bool(rng.integers(2))))
            start = end + float(rng.uniform(0.02, 0.12)) * seconds
    return World(tuple(cameras), walks, seconds=seconds)


@dataclass
class RunMaker:
    """Writes run folders."""

    root: Path

    def __call__(
        self,
        world: World | None = None,
        name: str = "run",
        *,
        videos: bool = True,
        crops: bool = True,
        keypoints: bool = True,
        identities: bool = True,
        anonymize: bool = False,
        manifest: dict[str, Any] | None = None,
    ) -> RunFolder:
        """Write a complete run of a world; the videos lie beside the folder."""
        world = world or make_world()
        folder = RunFolder(self.root / name)
        folder.tracklets.mkdir(parents=True)
        collector = CropCollector(anonymize=anonymize) if crops else None
        tracklets = [self._tracklet(world, number, walk, keypoints) for number, walk in enumerate(world.walks)]
        for camera in world.cameras:
            if videos or crops:
                self._film(world, camera, collector, videos, keypoints)
        for tracklet in tracklets:
            if collector is not None:
                collector.write(folder, *tracklet.key)
        folder.write_part(0.0, 0, tracklets)
        if identities:
            self._associate(folder, world, tracklets)
        folder.write_json(folder.manifest, self._manifest(world) | (manifest or {}))
        last = {camera: world.frames() - 1 for camera in world.cameras}
        folder.write_json(folder.progress, {"complete": True, "last_frame": last})
        folder.config.write_text("sources: {max_fps: null}\nrun: {seed: 0}\n", encoding="utf-8")
        return folder

    def video(self, camera: str) -> Path:
        """Where a camera's film lies."""
        return self.root / f"{camera}.mp4"

    def _tracklet(self, world: World, number: int, walk: Walk, keypoints: bool) -> Tracklet:
        frames = np.arange(math.ceil(walk.start_s * world.fps), math.floor(walk.end_s * world.fps) + 1, dtype=np.int64)
        boxes = np.stack([world.box(walk, frame / world.fps) for frame in frames])
        return Tracklet(
            camera=walk.camera,
            local_id=number,
            times_s=frames / world.fps,
            frames=frames,
            boxes=boxes,
            scores=np.full(len(frames), 0.9, np.float32),
            keypoints=np.stack([skeleton(box) for box in boxes]) if keypoints else None,
            frame_size=world.size,
        )

    def _film(self, world: World, camera: str, collector: CropCollector | None, videos: bool, keypoints: bool) -> None:
        writer = None
        if videos:
            writer = VideoWriter(self.video(camera), world.size, world.fps, crf=18, preset="ultrafast", queue_frames=4)
        for index in range(world.frames()):
            time_s = index / world.fps
            image = world.image(camera, time_s)
            if collector is not None:
                self._offer(world, camera, index, image, collector, keypoints)
            if writer is not None:
                writer.write(image, time_s)
        if writer is not None:
            writer.close()

    def _offer(
        self, world: World, camera: str, index: int, image: Image, collector: CropCollector, keypoints: bool
    ) -> None:
        walks = world.present(camera, index / world.fps)
        count = len(walks)
        boxes = np.array([world.box(walk, index / world.fps) for walk in walks], np.float32).reshape(-1, 4)
        ids = np.array([world.walks.index(walk) for walk in walks], np.int64)
        scores = np.full(count, 0.9, np.float32)
        poses = None
        if keypoints and count:
            poses = Poses(np.stack([skeleton(box) for box in boxes]), np.zeros((0, 17, 3), np.float32))
        detections = Detections(boxes, scores, np.zeros(count, np.int64))
        states = np.full(count, CONFIRMED, np.int8)
        tracks = Tracks(ids, boxes, scores, np.arange(count, dtype=np.int32), states, np.full(count, -1, np.int64))
        collector.offer(View(camera, index, index / world.fps, world.size, detections, poses), image, tracks)

    def _associate(self, folder: RunFolder, world: World, tracklets: Sequence[Tracklet]) -> None:
        people = []
        for person in sorted({walk.person for walk in world.walks}):
            visits = [
                Visit(tracklet.camera, tracklet.local_id, float(tracklet.times_s[0]), float(tracklet.times_s[-1]))
                for tracklet, walk in zip(tracklets, world.walks, strict=True)
                if walk.person == person
            ]
            people.append(GlobalTrack(person, tuple(visits), 0.99 - 0.04 * (person % 7) if len(visits) > 1 else 1.0))
        folder.write_global_tracks(people)
        folder.write_links(_links(world, tracklets))

    def _manifest(self, world: World) -> dict[str, Any]:
        inputs = {
            camera: {
                "uri": str(self.video(camera)), "fps": world.fps, "width": world.size[0], "height": world.size[1],
                "frames": world.frames(), "timestamps": "container", "live": False, "sha256": "ab" * 32,
                **describe_input(self.video(camera)),
            }
            for camera in world.cameras
        }  # fmt: skip
        return {
            "version": 2,
            "status": "complete",
            "command": ["pipeline.run", "--videos", *(str(self.video(camera)) for camera in world.cameras)],
            "versions": {"python": "3.11.7", "mtmct": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6"},
            "inputs": inputs,
            "clocks": {
                camera: {"status": "common", "offset_s": world.offsets_s.get(camera, 0.0)} for camera in world.cameras
            },
            "weights": {"detector": [{"name": "yolov8n_int8_640.onnx", "sha256": "1f" * 32}]},
            "seed": 0,
            "counts": {"cameras": {camera: {"frames": world.frames(), "detections": 321} for camera in world.cameras}},
            "warnings": [],
            "timings": {
                "wall_s": 9.81,
                "stages": {
                    "decode": {"seconds": 1.21, "items": 240, "ms_per_item": 5.04},
                    "perceive": {"seconds": 6.4, "items": 240, "ms_per_item": 26.7},
                    "reid": {"seconds": 1.9, "items": 150, "ms_per_item": 12.7},
                    "track": {"seconds": 0.22, "items": 240, "ms_per_item": 0.9},
                },
            },
        }


def _links(world: World, tracklets: Sequence[Tracklet]) -> list[Link]:
    """Evidence for every pair of tracklets that follow one another in different cameras."""
    rng = np.random.default_rng(5)
    links = []
    for number, (a, one) in enumerate(zip(tracklets, world.walks, strict=True)):
        for b, other in list(zip(tracklets, world.walks, strict=True))[number + 1 :]:
            lag = float(b.times_s[0] - a.times_s[-1])
            if one.camera == other.camera or lag < 0:
                continue
            same = one.person == other.person
            appearance, lean = (
                float(rng.normal(3.2 if same else -2.8, 1.6)),
                float(rng.normal(1.1 if same else -0.9, 0.8)),
            )
            probability = 1 / (1 + math.exp(-(appearance + lean - 0.5)))
            sure: Decision = "same" if probability > 0.8 else "different" if probability < 0.2 else "uncertain"
            parts = {
                name: float(abs(rng.normal(0.3 if same else 0.6, 0.12))) for name in ("head", "torso", "legs", "feet")
            }
            links.append(
                Link(
                    a=a.key, b=b.key, llr={"appearance": appearance, "space_time": lean}, part_distances=parts,
                    part_visibility={name: float(rng.uniform(0.3, 1)) for name in parts},
                    lag_s=lag, probability=probability, decision=sure, margin=float(rng.normal(1, 2)),
                )
            )  # fmt: skip
    return links


@pytest.fixture
def make_run(tmp_path: Path) -> RunMaker:
    """Writes run folders below the test's own folder."""
    return RunMaker(tmp_path)


@pytest.fixture
def world_of() -> Callable[..., World]:
    """Makes worlds."""
    return make_world
