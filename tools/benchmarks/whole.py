"""Benchmarks of whole runs on real video: beside ONNX Runtime and ByteTrack, and over more and more cameras."""

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from data.errors import UserError
from tools.benchmarks.base import THREADS, Case, Contender, Job, scratch_folder
from tools.benchmarks.bytetrack import PACKAGES

_HERE = "tools.benchmarks.whole"
_CAMERA = "vtest"
_FPS = 10.0
_FRAMES = 795
_PERMISSIVE = {
    "detector.name": "yolox_onnx", "detector.weights": "weights/det/yolox_nano_416x416.onnx",
    "reid.name": "osnet_onnx", "reid.weights": "weights/reid/person-reidentification-retail-0288.xml",
    "pose.name": "none", "detector.schedule": "auto",
}  # fmt: skip
_SAME = {
    "detector.name": "yolo_onnx", "detector.weights": "weights/det/yolov8n_int8_640.onnx",
    "reid.name": "osnet_parts", "reid.weights": "weights/reid/person-reidentification-retail-0277.xml",
    "pose.name": "movenet", "pose.weights": "weights/pose/movenet_singlepose_lightning_int8_192.tflite",
}  # fmt: skip


def real_data() -> Path:
    """Real data beside the project.

    Raises:
        UserError: where they are absent.
    """
    home = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("MTMCT_TESTDATA", home))
    if not (folder / "pets09" / "vtest.avi").is_file():
        raise UserError(f"this benchmark needs the real test data, which are not in {folder}; set MTMCT_TESTDATA")
    return folder


def ours(overrides: dict[str, str], frames: int, cameras: int, out: str) -> Job:
    """A whole run into a folder; what is measured once on a machine was measured before."""
    from pipeline.job.calls import track_videos

    data = real_data()
    chosen = {key: str(data / value) if value.startswith("weights/") else value for key, value in overrides.items()}
    settings = [f"{key}={value}" for key, value in chosen.items()]
    settings += [f"run.threads={os.environ[THREADS]}", "run.device=cpu", "associate.forget_after_s=2.0"]
    names = [_CAMERA] if cameras == 1 else [f"{_CAMERA}{number}" for number in range(cameras)]
    videos = dict.fromkeys(names, data / "pets09" / "vtest.avi")
    with tempfile.TemporaryDirectory() as first:
        track_videos({_CAMERA: videos[names[0]]}, Path(first) / "run", overrides=settings, limit=1)

    def job() -> float:
        counts = track_videos(videos, out, overrides=settings, limit=frames, overwrite=True).counts["cameras"]
        return float(sum(camera["frames"] for camera in counts.values()))

    return job


def accuracy(tracks: str, frames: int) -> str:
    """IDF1 and HOTA of the first frames against the truth of vtest, in per cent."""
    from pipeline.evaluation.evaluate import EvaluationOptions, evaluate_folders

    truth = real_data() / "scored" / "gt" / "pets_vtest" / f"{_CAMERA}.txt"
    with tempfile.TemporaryDirectory() as folder:
        for name, source in (("gt", truth), ("found", Path(tracks))):
            lines = source.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if line and int(float(line.split(",")[0])) <= frames]
            (Path(folder) / name).mkdir()
            (Path(folder) / name / f"{_CAMERA}.txt").write_text("\n".join(kept) + "\n", encoding="utf-8")
        scores = evaluate_folders(Path(folder) / "gt", Path(folder) / "found", EvaluationOptions())
    fractions = scores.overall.tally.fractions()
    return f"IDF1 {100 * fractions['IDF1']:.1f}, HOTA {100 * fractions['HOTA']:.1f}"


def pipeline_cases(quick: bool) -> list[Case]:
    """Ours beside the plain pipeline, on one camera."""
    data, frames = real_data(), 20 if quick else _FRAMES
    out = scratch_folder()
    plain: dict[str, Any] = {
        "video": str(data / "pets09" / "vtest.avi"), "weights": str(data / _SAME["detector.weights"]),
        "frames": frames, "fps": _FPS, "out": str(out / "plain.txt"),
    }  # fmt: skip
    reference = Contender(
        "ONNX Runtime + ByteTrack", "tools.benchmarks.bytetrack:plain", plain, packages=PACKAGES,
        score=partial(accuracy, plain["out"], frames),
    )  # fmt: skip
    result = []
    for name, overrides, aim in (
        ("same YOLOv8n, pose and parts", _SAME, "CPU of the plain pipeline / ours >= 0.91x, IDF1 >= 92"),
        ("YOLOX nano, 0288, schedule (permissive)", _PERMISSIVE, "the same >= 2.9x, IDF1 >= 90"),
    ):
        folder = out / overrides["detector.name"]
        given = {"overrides": overrides, "frames": frames, "cameras": 1, "out": str(folder)}
        contender = Contender(
            "ours", f"{_HERE}:ours", given, score=partial(accuracy, str(folder / "tracks" / f"{_CAMERA}.txt"), frames)
        )
        result.append(Case(f"vtest, {frames} frames: {name}", contender, (reference,), aim, None))
    return result


def camera_cases(quick: bool) -> list[Case]:
    """The same video as 1, 2, 4 and 8 cameras."""
    real_data()
    frames = 10 if quick else 100
    out = scratch_folder()
    result = []
    for cameras in (1, 2) if quick else (1, 2, 4, 8):
        given = {
            "overrides": _PERMISSIVE, "frames": frames, "cameras": cameras, "out": str(out / str(cameras)),
        }  # fmt: skip
        contender = Contender("ours", f"{_HERE}:ours", given, items=cameras * frames)
        result.append(Case(f"{cameras} cameras of 480p, {frames} frames each", contender, (), "", None))
    return result
