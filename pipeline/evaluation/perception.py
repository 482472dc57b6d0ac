"""COCO figures of detections and keypoints, by pycocotools, the reference implementation."""

import contextlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from data.config import SourcesConfig
from data.errors import UserError
from data.formats.coco import CocoImage, read_coco, write_coco
from data.formats.mot import read_mot
from data.listing import listed
from data.pictures import read_picture
from data.records import Detections, FloatArray, Image, Poses
from data.sources.base import CameraSpec
from data.sources.open import open_source
from pipeline.backends.base import Perceiver
from pipeline.person_pose.pictures import read_pictures


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The people of one picture.

    Attributes:
        boxes: (N, 4) xyxy px.
        keypoints: (N, 17, 3), 1 = visible, 0.5 = hidden, 0 = unknown.
        seen: (N,) share of each person that is seen.
    """

    boxes: FloatArray
    keypoints: FloatArray
    seen: FloatArray


@dataclass(frozen=True, slots=True)
class CocoScores:
    """Average precision, 0-1; -1 where there is nobody to find.

    Attributes:
        pictures: pictures looked at.
        people: people to be found.
        box_ap: mean over IoU 0.5 to 0.95.
        box_ap50: at IoU 0.5.
        pose_ap: mean over OKS 0.5 to 0.95; also -1 where no skeletons were looked for.
        pose_ap50: at OKS 0.5.
    """

    pictures: int
    people: int
    box_ap: float
    box_ap50: float
    pose_ap: float
    pose_ap50: float


def pictures(truth: Path) -> Iterator[tuple[Truth, Image]]:
    """The pictures of a COCO keypoint file.

    Raises:
        UserError: see ``read_pictures`` and ``read_picture``.
    """
    for picture in read_pictures(truth):
        yield Truth(picture.boxes, picture.keypoints, picture.seen), read_picture(picture.path)


def site_frames(site: Path, every: int) -> Iterator[tuple[Truth, Image]]:
    """Every so many frames of the videos of a synthetic site.

    Raises:
        UserError: when the folder is none, its videos cannot be read, or its ground truth is of other people.
    """
    tables = listed(site / "keypoints", "*.json")
    if not tables:
        raise UserError(f"{site} is no synthetic site with videos; make one with `python -m tools.make_synthetic`")
    for path in tables:
        images = read_coco(path)
        seen = read_mot(site / "gt" / f"{path.stem}.txt", "gt")
        source = open_source(CameraSpec(path.stem, str(site / "video" / f"{path.stem}.mp4")), SourcesConfig())
        try:
            for frame in source.frames(0):
                if frame.index % every == 0 and frame.index < len(images):
                    yield _truth(path, images[frame.index], seen.visibility[seen.frames == frame.index]), frame.image
        finally:
            source.close()


def check_reference() -> None:
    """Make sure that pictures can be scored.

    Raises:
        UserError: when pycocotools is missing.
    """
    _reference()


def score_perceiver(
    perceiver: Perceiver,
    samples: Iterable[tuple[Truth, Image]],
    least_seen: float = 0.3,
    least_height_px: float = 24.0,
    batch: int = 8,
) -> CocoScores:
    """Look at pictures and score what was found.

    Args:
        perceiver: what looks.
        samples: truth and picture.
        least_seen: people of whom less is seen may be missed or found.
        least_height_px: the same for people lower than this.
        batch: pictures per call.

    Raises:
        UserError: when pycocotools is missing; nothing is looked at then.
    """
    _reference()
    truths: list[Truth] = []
    found: list[tuple[Detections, Poses | None]] = []
    remaining = iter(samples)
    while portion := list(islice(remaining, batch)):
        truths += [truth for truth, _ in portion]
        found += perceiver([image for _, image in portion])
    return score(truths, found, least_seen, least_height_px)


def score(
    truths: Sequence[Truth],
    found: Sequence[tuple[Detections, Poses | None]],
    least_seen: float = 0.3,
    least_height_px: float = 24.0,
) -> CocoScores:
    """Score detections and skeletons.

    Keypoints of hidden joints count, as in COCO. OKS is taken with half of the box's area, about that of the mask COCO
    takes.

    Raises:
        UserError: when pycocotools is missing.
    """
    truth_of, judge_of = _reference()
    people = 0
    answers = [one for number, (detections, poses) in enumerate(found) for one in _answers(number, detections, poses)]
    with TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder) / "truth.json"
        write_coco(path, [_image(number, truth) for number, truth in enumerate(truths)])
        content = json.loads(path.read_text(encoding="utf-8"))
        for annotation in content["annotations"]:
            spared = annotation["score"] < least_seen or annotation["bbox"][3] < least_height_px
            annotation["iscrowd"] = int(spared)
            annotation["area"] *= 0.5
            people += not spared
        path.write_text(json.dumps(content), encoding="utf-8")
        kinds = ("bbox", "keypoints") if all(poses is not None for _, poses in found) else ("bbox",)
        figures = [0.0 if people and row < 2 * len(kinds) else -1.0 for row in range(4)]
        if answers and people:
            reference = truth_of(str(path))
            results = reference.loadRes(answers)
            for row, kind in enumerate(kinds):
                judge = judge_of(reference, results, kind)
                judge.evaluate()
                judge.accumulate()
                judge.summarize()
                figures[2 * row : 2 * row + 2] = [float(judge.stats[0]), float(judge.stats[1])]
    return CocoScores(len(truths), people, *figures)


def _reference() -> tuple[Any, Any]:
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise UserError("scoring detectors needs pycocotools; install it with `pip install pycocotools`") from None
    return COCO, COCOeval


def _truth(path: Path, image: CocoImage, seen: FloatArray) -> Truth:
    if len(seen) != len(image.detections):
        raise UserError(f"{path}: image {image.image_id} and gt/{path.stem}.txt tell of other people; make it anew")
    # A file without anybody has no skeletons.
    points = np.zeros((0, 17, 3), np.float32) if image.poses is None else image.poses.keypoints
    return Truth(image.detections.boxes, points, seen.astype(np.float32))


def _image(number: int, truth: Truth) -> CocoImage:
    count = len(truth.boxes)
    seen = Detections(truth.boxes, truth.seen, np.zeros(count, np.int64))
    poses = Poses(truth.keypoints, Poses.empty().spare_keypoints, "coco17")
    return CocoImage(number, str(number), (0, 0), seen, poses, np.full(count, -1))


def _answers(number: int, detections: Detections, poses: Poses | None) -> list[dict[str, Any]]:
    sides = detections.boxes.astype(np.float64).copy()
    sides[:, 2:] -= sides[:, :2]
    points = np.zeros((len(detections), 17, 3)) if poses is None else poses.keypoints.astype(np.float64)
    return [
        {
            "image_id": number,
            "category_id": 1,
            "bbox": sides[row].tolist(),
            "score": float(detections.scores[row]),
            "keypoints": points[row].ravel().tolist(),
        }
        for row in range(len(detections))
    ]
