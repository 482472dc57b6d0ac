"""Benchmarks of everything from a 1080p frame to its people's vectors: on a GPU where there is one.

Weights of ours (``person_pose``) and random ones (KPR: speed does not depend on them) look at the rendered site `tiny`,
enlarged. Each stage ends with its result in the main memory, so the wall time of a stage is all of it on any device.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.benchmarks.base import THREADS, Case, Contender, Job, scratch_folder

if TYPE_CHECKING:
    from data.records import Image

_HERE = "tools.benchmarks.gpu"
_DETECTOR = Path(__file__).resolve().parents[2] / "data" / "weights" / "person_pose_synthetic.safetensors"
_FRAME = (1080, 1920)
_MOST_PEOPLE = 8
# Swin-B as published, and a small one of the same make to see whether all runs.
_BASE: dict[str, object] = {
    "height": 384, "width": 128, "embed_dim": 128, "depths": (2, 2, 18, 2), "heads": (4, 8, 16, 32),
}  # fmt: skip
_SMALL: dict[str, object] = {
    "height": 128, "width": 64, "embed_dim": 16, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2),
}  # fmt: skip
# People whom reduced precision must find and describe as fp32 does.
_SAME_IOU, _SAME_COSINE = 0.9, 0.98


def prepare(folder: Path, video: Path, size: tuple[int, int], count: int, kpr: dict[str, Any]) -> None:
    """Write what the jobs read: ``frames.mp4`` of enlarged pictures, forwards and backwards, and ``kpr.safetensors``.

    Args:
        folder: where to.
        video: of people.
        size: height, width of the pictures, px.
        count: how many.
        kpr: the network's size, fields of ``ModelSpec``.
    """
    import cv2
    import numpy as np
    import torch

    from data.synthetic.video import VideoWriter
    from reid.models.spec import ModelSpec
    from reid.weights.checkpoints import build_model, save_checkpoint

    small = read_frames(video, count)
    order = [*range(len(small)), *range(len(small) - 2, 0, -1)]
    with VideoWriter(folder / "frames.mp4", 12.5, (size[1], size[0]), 23) as writer:
        for number in range(count):
            picture = small[order[number % len(order)]]
            large: Any = cv2.resize(picture, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
            writer.write(np.ascontiguousarray(large))
    torch.manual_seed(0)
    spec = ModelSpec.model_validate({"architecture": "kpr", "backbone": "swin", "prompt_groups": "cck6", **kpr})
    save_checkpoint(folder / "kpr.safetensors", build_model(spec).state_dict(), spec)


def read_frames(video: Path, count: int) -> "list[Image]":
    """The first pictures of a video, (H, W, 3) uint8 RGB."""
    from itertools import islice

    import av
    import numpy as np

    with av.open(str(video)) as container:
        decoded = (frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), count))
        return [np.asarray(picture, np.uint8) for picture in decoded]


def networks(folder: str, cameras: int, rounds: int, precision: str, score_min: float, compared: str) -> Job:
    """Frames in memory to boxes, skeletons and vectors, all cameras at once.

    Args:
        folder: see ``prepare``.
        cameras: pictures at once.
        rounds: how often.
        precision: of both networks: "fp32", or "auto" (what the device is fast in).
        score_min: of a person.
        compared: file of what was found before, which this is compared with; "" writes ``<precision>.npz``.

    Returns:
        A job that gives the share of people who were found and described alike, 1 where nothing is compared, and writes
        ``<precision>.json`` with its stages.
    """
    from data.records import EmbedRequest
    from data.runtime.stage_clock import StageClock
    from data.runtime.torch_device import torch_device
    from data.runtime.uploads import share
    from pipeline.backends.config import DetectorConfig
    from pipeline.backends.person_pose import PersonPoseNetwork
    from reid.embedders.kpr import KprEmbedder

    home = Path(folder)
    config = DetectorConfig(score_min=score_min, half=precision != "fp32", batch=cameras, max_detections=_MOST_PEOPLE)
    detector = PersonPoseNetwork(config, _DETECTOR, "auto", int(os.environ[THREADS]))
    embedder = KprEmbedder(home / "kpr.safetensors", torch_device("auto"), 128, precision)
    decoded = read_frames(home / "frames.mp4", rounds)
    clock = StageClock()

    def look(images: "Sequence[Image]") -> list[tuple[Any, Any]]:
        share(images)
        with clock.measure("detect", len(images)):
            found = detector.perceive(images)
        requests = [
            EmbedRequest(image, boxes.boxes, poses.keypoints)
            for image, (boxes, poses) in zip(images, found, strict=True)
        ]
        with clock.measure("describe", sum(len(request.boxes) for request in requests)):
            described = embedder(requests)
        return [(request.boxes, made.vectors) for request, made in zip(requests, described, strict=True)]

    look([decoded[0].copy() for _ in range(cameras)])
    clock.seconds.clear()
    clock.items.clear()
    clock.calls.clear()
    # Pictures are promised not to change, and go up once: every round needs its own.
    pictures = [[image.copy() for _ in range(cameras)] for image in decoded]

    def job() -> float:
        found = [one for images in pictures for one in look(images)]
        (home / f"{precision}.json").write_text(json.dumps(clock.summary()), encoding="utf-8")
        if not compared:
            _save(home / f"{precision}.npz", found)
            return 1.0
        return _alike(found, Path(compared))

    return job


def _save(path: Path, found: list[tuple[Any, Any]]) -> None:
    import numpy as np

    np.savez(
        path, counts=[len(boxes) for boxes, _ in found], boxes=np.concatenate([boxes for boxes, _ in found]),
        vectors=np.concatenate([vectors for _, vectors in found]),
    )  # fmt: skip


def _alike(found: list[tuple[Any, Any]], path: Path) -> float:
    """Share of people of ``found`` whom the file has too, at nearly the same place and with nearly the same vectors."""
    import numpy as np

    from data.kernels.boxes import iou_matrix

    with np.load(path) as known:
        ends = np.cumsum(known["counts"])[:-1]
        others = zip(np.split(known["boxes"], ends), np.split(known["vectors"], ends), strict=True)
        same = total = 0
        for (boxes, vectors), (other_boxes, other_vectors) in zip(found, others, strict=True):
            total += len(boxes)
            if not len(boxes) or not len(other_boxes):
                continue
            overlap = iou_matrix(boxes, other_boxes)
            best = overlap.argmax(1)
            products = (vectors * other_vectors[best]).sum(-1)
            # A part that one of both does not see has a zero vector there.
            seen = np.abs(vectors).any(-1) & np.abs(other_vectors[best]).any(-1)
            cosines = np.where(seen, products, 1.0).min(1)
            same += int(((overlap.max(1) >= _SAME_IOU) & (cosines >= _SAME_COSINE)).sum())
    return same / total if total else 0.0


def whole(folder: str, cameras: int, rounds: int, out: str) -> Job:
    """A run from encoded files to a run folder; what is set up once was set up before."""
    from pipeline.job.calls import track_videos

    home = Path(folder)
    settings = [
        "detector.name=person_pose", f"detector.weights={_DETECTOR}", "pose.name=detector", "reid.name=kpr",
        f"reid.weights={home / 'kpr.safetensors'}", f"detector.batch={cameras}", f"run.batch_frames={max(8, cameras)}",
        f"run.threads={os.environ[THREADS]}",
    ]  # fmt: skip
    videos = {f"camera{number}": home / "frames.mp4" for number in range(cameras)}
    with tempfile.TemporaryDirectory() as first:
        track_videos(videos, Path(first) / "run", overrides=settings, limit=1)

    def job() -> float:
        counts = track_videos(videos, out, overrides=settings, limit=rounds, overwrite=True).counts["cameras"]
        return float(sum(camera["frames"] for camera in counts.values()))

    return job


def stages(path: Path) -> str:
    """Where the time went: wall milliseconds of each stage per frame or person, from stages or a manifest."""
    told = json.loads(path.read_text(encoding="utf-8"))
    spent = told["timings"]["stages"] if "timings" in told else told
    return ", ".join(f"{name} {one['seconds']:.2f} s ({one['ms_per_item']:.2f} ms each)" for name, one in spent.items())


def cases(quick: bool) -> list[Case]:
    """Both networks beside fp32, then whole runs, over more and more cameras."""
    import torch

    from data.listing import listed
    from pipeline.demo import demo_site

    on_gpu = torch.cuda.is_available()
    device = torch.cuda.get_device_name(0) if on_gpu else "cpu"
    size = (360, 640) if quick else _FRAME
    # Pictures in memory are 6 MB each; a run needs some seconds to be told from its start.
    rounds, longer = (3, 3) if quick else (40, 200) if on_gpu else (4, 8)
    home = scratch_folder()
    video = listed(demo_site("tiny"), "**/*.mp4")[0]
    prepare(home, video, size, longer, _SMALL if quick else _BASE)
    result = []
    for cameras in (1, 2) if quick else (1, 4, 8, 16) if on_gpu else (1, 4):
        given: dict[str, Any] = {"folder": str(home), "cameras": cameras, "rounds": rounds, "score_min": 0.3}
        items = cameras * rounds
        ours, exact = (
            Contender(
                label, f"{_HERE}:networks", {**given, "precision": precision, "compared": compared}, items=items,
                score=partial(stages, home / f"{precision}.json"),
            )
            for label, precision, compared in (
                ("ours, precision auto", "auto", ""),
                ("ours, fp32", "fp32", str(home / "auto.npz")),
            )
        )  # fmt: skip
        told = f"{cameras} x {size[1]}x{size[0]} on {device}"
        result.append(Case(f"{told}: frames in memory to vectors", ours, (exact,), "", 0.05))
        out = home / f"run{cameras}"
        run = Contender(
            "ours, whole run", f"{_HERE}:whole", {"folder": str(home), "cameras": cameras, "rounds": longer,
            "out": str(out)}, items=cameras * longer, score=partial(stages, out / "manifest.json"),
        )  # fmt: skip
        result.append(Case(f"{told}: encoded files to a run folder", run, (), ">= 300 a second on a GPU", None))
    return result
