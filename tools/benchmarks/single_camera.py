"""The tracker of one camera beside those of other people: the same given boxes for all, no appearance for anybody.

Every result is scored twice. "live": the rows that a tracker names frame by frame. "written": the same identities as
our track files would have them, gaps filled and boxes smoothed (``trackers.interpolation``), whoever tracked. Ours then
also has the rows from before a track was confirmed, which the others never name.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from data.foreign import read_json
from tools.benchmarks.base import THREADS, Case, Contender, Job, scratch_folder
from tools.benchmarks.bytetrack import PACKAGES
from tools.benchmarks.peers import PEERS
from tools.benchmarks.whole import real_data

if TYPE_CHECKING:
    from data.formats.mot import MotTable
    from data.records import Detections, Tracklet
    from pipeline.evaluation.rules import RuleName

_HERE = "tools.benchmarks.single_camera"
_PEER = "tools.benchmarks.peers:peer"
_GAP_S, _SMOOTH_S = 1.0, 0.25
_MEASURES = ("IDF1", "HOTA", "MOTA")


@dataclass(frozen=True, slots=True)
class GivenSet:
    """Boxes of some cameras, and who is who in them.

    Attributes:
        name: what it is called.
        boxes: folder with ``det/<camera>.txt`` (MOTChallenge, with scores) and ``meta.json``: per camera ``fps``,
            ``size`` (width, height px) and ``length`` in frames.
        truth: folder of ``<camera>.txt``.
        rule: which truth counts; None: as a ``rule.json`` beside it says, else plain.
        min_visibility: truth that is less visible is don't-care, 0-1; None: all counts.
        detector: settings of the detector that makes the boxes of ``vtest.avi`` before the first measurement, or None.
    """

    name: str
    boxes: Path
    truth: Path
    rule: "RuleName | None" = None
    min_visibility: float | None = None
    detector: dict[str, str] | None = None


def cases(quick: bool, folders: Sequence[Path] = ()) -> list[Case]:
    """Ours beside every peer, with its defaults and with our thresholds, on each set.

    Args:
        quick: one short sequence only.
        folders: sets of the user, each ``det/``, ``meta.json`` and ``gt/``; empty: those of the real test data.

    Raises:
        UserError: when a set is not whole, or there are no real test data.
    """
    out = scratch_folder()
    sets = [GivenSet(folder.name, folder, folder / "gt") for folder in folders] or _real_sets(out)
    if quick:
        return [_case(sets[0], out, ("TUD-Campus",) if not folders else ())]
    return [_case(given, out, ()) for given in sets]


def ours(cameras: Sequence[dict[str, Any]], detector: dict[str, str] | None) -> Job:
    """Track boxes camera by camera; live rows go to ``out``, those of the tracklets to ``whole``."""
    import numpy as np

    from data.formats.mot import MotTable, write_mot
    from data.records import View
    from trackers.camera import CameraTracker
    from trackers.config import TrackerConfig

    if detector is not None:
        _detect(detector, Path(cameras[0]["det"]))
    import_module("scipy.optimize")
    inputs = [_frames(camera) for camera in cameras]
    # Pieces of a track that was cut are one person to whoever reads the files; here nobody joins them.
    config = TrackerConfig(max_tracklet_s=1e9)

    def job() -> float:
        total = 0
        for camera, frames in zip(cameras, inputs, strict=True):
            name, tracker = camera["name"], CameraTracker(camera["name"], config)
            live: list[tuple[Any, Any, Any]] = []
            closed: list[Tracklet] = []
            for frame, found in enumerate(frames):
                view = View(name, frame, frame / camera["fps"], tuple(camera["size"]), found)
                (tracks,), events = tracker.commit(tracker.propose([view]), [None])
                live.append((np.full(len(tracks), frame), tracks.track_ids, tracks.boxes))
                closed += [event.tracklet for event in events if event.kind == "closed"]
            closed += [event.tracklet for event in tracker.flush() if event.kind == "closed"]
            frame_of, ids, boxes = (np.concatenate(column) for column in zip(*live, strict=True))
            write_mot(Path(camera["out"]), MotTable.make(frame_of, ids, boxes))
            write_mot(Path(camera["whole"]), _written(closed))
            total += len(ids)
        return float(total)

    return job


def accuracy(given: GivenSet, cameras: Sequence[dict[str, Any]]) -> str:
    """IDF1, HOTA and MOTA in per cent, as named live and as written."""
    from data.formats.mot import read_mot, write_mot
    from pipeline.evaluation.evaluate import EvaluationOptions, evaluate_folders

    names = tuple(camera["name"] for camera in cameras)
    options = EvaluationOptions(rule=given.rule, min_visibility=given.min_visibility, sequences=names)
    with tempfile.TemporaryDirectory() as folder:
        for camera in cameras:
            whole = Path(camera["whole"])
            table = read_mot(whole if whole.is_file() else Path(camera["out"]), "tracks")
            rows = table if whole.is_file() else _written(_tracklets(table, camera))
            write_mot(Path(folder) / f"{camera['name']}.txt", rows)
        told = []
        for way, found in (("live", Path(cameras[0]["out"]).parent), ("written", Path(folder))):
            shares = evaluate_folders(given.truth, found, options).overall.tally.fractions()
            told.append(f"{way} {' '.join(f'{name} {100 * shares[name]:.1f}' for name in _MEASURES)}")
    return ", ".join(told)


def _real_sets(out: Path) -> list[GivenSet]:
    data = real_data()
    given, truth, weights = data / "scored" / "input", data / "scored" / "gt", data / "weights" / "det"
    sets = [GivenSet("MOT15 train, Faster R-CNN", given / "mot15_frcnn", truth / "mot15", "mot15")]
    for name, back_end, file in (
        ("YOLOX nano", "yolox_onnx", "yolox_nano_416x416.onnx"),
        ("YOLOv8n", "yolo_onnx", "yolov8n_int8_640.onnx"),
    ):
        settings = {"detector.name": back_end, "detector.weights": str(weights / file)}
        sets.append(GivenSet(f"vtest, {name}", out / back_end, truth / "pets_vtest", detector=settings))
    for name in ("cmc1", "cmc2"):
        for boxes in (name, f"{name}_frcnn"):
            sets.append(GivenSet(boxes, given / boxes, truth / name, min_visibility=0.25))
    for boxes in ("wildtrackA_noisy", "wildtrackA_real"):
        sets.append(GivenSet(boxes, given / boxes, truth / "wildtrackA"))
    return sets


def _case(given: GivenSet, out: Path, only: tuple[str, ...]) -> Case:
    facts = _facts(given)
    names = [name for name in facts if not only or name in only]

    def listed(place: str) -> list[dict[str, Any]]:
        folder = out / given.name.replace(" ", "_") / place
        folder.mkdir(parents=True)
        files = {"out": folder, "whole": folder / "whole"}
        files["whole"].mkdir()
        return [
            {"name": name, "det": str(given.boxes / "det" / f"{name}.txt"), "frames": facts[name]["length"],
             "fps": float(facts[name]["fps"]), "size": facts[name]["size"],
             **{key: str(path / f"{name}.txt") for key, path in files.items()}}
            for name in names
        ]  # fmt: skip

    frames = sum(facts[name]["length"] for name in names)
    cameras = listed("ours")
    arguments: dict[str, Any] = {"cameras": cameras, "detector": given.detector}
    own = Contender("ours", f"{_HERE}:ours", arguments, score=partial(accuracy, given, cameras), items=frames)
    peers = []
    for tracker in PEERS:
        for number, (label, settings) in enumerate(PEERS[tracker].settings.items()):
            cameras = listed(f"{tracker}-{number}")
            arguments = {"cameras": cameras, "tracker": tracker, "settings": dict(settings)}
            told = partial(accuracy, given, cameras)
            peers.append(Contender(f"{tracker}, {label}", _PEER, arguments, 1, PACKAGES, told, frames))
    cameras_of = "1 camera" if len(names) == 1 else f"{len(names)} cameras"
    return Case(f"{given.name}: {cameras_of}, {frames} frames", own, tuple(peers), "", None)


def _facts(given: GivenSet) -> dict[str, dict[str, Any]]:
    """Per camera ``fps``, ``size`` and ``length``."""
    if given.detector is not None:
        return {"vtest": {"fps": 10.0, "size": [480, 360], "length": 795}}
    path = given.boxes / "meta.json"
    facts = read_json(path)
    if not isinstance(facts, dict) or not facts:
        raise UserError(f"{path} must be an object with one entry per camera")
    for name, fact in facts.items():
        if not isinstance(fact, dict) or not {"fps", "size", "length"} <= set(fact):
            raise UserError(f"{path}: camera '{name}' must be an object with fps, size and length (frames)")
        if not (given.boxes / "det" / f"{name}.txt").is_file():
            raise UserError(f"{given.boxes / 'det'} has no {name}.txt, which {path.name} names")
    return facts


def _frames(camera: dict[str, Any]) -> list["Detections"]:
    from data.formats.mot import read_mot
    from data.records import Detections

    table = read_mot(Path(camera["det"]), "det")
    offsets = table.frame_offsets(camera["frames"]).tolist()
    return [Detections.of_people(table.boxes[a:b], table.scores[a:b]) for a, b in pairwise(offsets)]


def _tracklets(table: "MotTable", camera: dict[str, Any]) -> list["Tracklet"]:
    import numpy as np

    from data.records import Tracklet

    result = []
    for number in np.unique(table.ids).tolist():
        own = table.select(table.ids == number)
        boxes = own.boxes.astype(np.float32)
        result.append(Tracklet(camera["name"], number, own.frames / camera["fps"], own.frames, boxes, own.scores))
    return result


def _written(tracklets: Sequence["Tracklet"]) -> "MotTable":
    from pipeline.folder.track_files import mot_table, root_ids

    return mot_table(tracklets, root_ids(tracklets), _GAP_S, _SMOOTH_S)


def _detect(settings: dict[str, str], path: Path) -> None:
    """Detect the people of ``vtest.avi`` into a MOTChallenge file, unless it is there."""
    import os

    import numpy as np

    from data.formats.mot import MotTable, write_mot
    from data.sources.base import CameraSpec
    from pipeline.backends.registry import build_detector
    from pipeline.config import load_config
    from pipeline.input.videos import open_sources
    from pipeline.weights.store import WeightStore

    if path.is_file():
        return
    config = load_config([], [f"{key}={value}" for key, value in settings.items()])
    detect = build_detector(config.detector, "cpu", WeightStore(), int(os.environ[THREADS]))
    source = open_sources([CameraSpec("vtest", str(real_data() / "pets09" / "vtest.avi"))], config.sources)["vtest"]
    frames, boxes, scores = [], [], []
    for frame in source.frames():
        (found,) = detect([frame.image])
        frames.append(np.full(len(found), frame.index))
        boxes.append(found.boxes)
        scores.append(found.scores)
    rows = np.concatenate(frames)
    path.parent.mkdir(parents=True)
    table = MotTable.make(rows, np.full(len(rows), -1), np.concatenate(boxes), np.concatenate(scores))
    write_mot(path, table, "det")
