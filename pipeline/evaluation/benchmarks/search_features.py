"""Finds and describes everybody in the pictures of person search, with the networks of a configuration."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.datasets.posetrack21_search import SearchPeople, read_search_set
from data.errors import UserError
from data.formats.box_features import BoxFeatures, write_box_features
from data.output_folder import prepare_folder
from data.pictures import read_picture
from data.records import Detections, EmbedRequest, FloatArray, Image, IntArray, Poses
from data.runtime.progress import Progress
from pipeline.backends.registry import build_embedder, build_perceiver
from pipeline.config import Config
from pipeline.evaluation.benchmarks.posetrack21_search import GALLERY_FILE, QUERY_FILE, SCORE_MIN
from pipeline.evaluation.pairs import paired_iou
from pipeline.weights.store import WeightStore
from reid.embedders.base import Embedder, no_evidence

logger = logging.getLogger(__name__)

_SAME_IOU = 0.5


def describe_search_set(root: Path, config: Config, out: Path, overwrite: bool = False) -> None:
    """Write what the benchmark scores: ``query.npz`` and ``gallery.npz``.

    A query's box is given; where a detection lies on it, its skeleton is taken. Detections too weak to be ranked are
    not described, but their skeletons still say what not to look at.

    Args:
        root: the data set's folder.
        config: sections ``detector``, ``pose``, ``reid`` and ``run``.
        out: folder to write into.
        overwrite: replace files of an earlier call.

    Raises:
        UserError: for a data set, a picture or weights that are missing or broken.
    """
    dataset = read_search_set(root)
    paths = [out / QUERY_FILE, out / GALLERY_FILE]
    wanted = np.unique(np.concatenate([dataset.queries.pictures, dataset.gallery.pictures]))
    absent = [told for number in wanted.tolist() if not (told := dataset.images[number]).file.is_file()]
    if absent:
        lost = f"{len(absent)} of {len(wanted)} pictures are"
        raise UserError(f"{absent[0].file} is missing ({lost}); complete the data set")
    if not overwrite and any(path.exists() for path in paths):
        raise UserError(f"{out} has described boxes already; give another --run, or -- --overwrite")
    prepare_folder(out, paths, overwrite=True)
    weights, run = WeightStore(offline=config.run.offline), config.run
    perceiver = build_perceiver(config.detector, config.pose, run.device, weights, run.threads)
    embedder = build_embedder(config.reid, run.device, weights, config.pose.name != "none", run.threads)
    if embedder is None:
        raise UserError("reid.name=none describes nothing; name an appearance model")
    gallery = set(dataset.gallery.pictures.tolist())
    queries: list[BoxFeatures] = []
    found: list[BoxFeatures] = []
    batch = config.detector.batch
    with Progress("describing", "picture", len(wanted)) as progress:
        for start in range(0, len(wanted), batch):
            numbers = wanted[start : start + batch].tolist()
            images = [read_picture(dataset.images[number].file) for number in numbers]
            for number, image, seen in zip(numbers, images, perceiver(images), strict=True):
                rows = np.flatnonzero(dataset.queries.pictures == number)
                if len(rows):
                    queries.append(_asked(dataset.queries, rows, image, *seen, embedder))
                if number in gallery:
                    found.append(_ranked(number, image, *seen, embedder))
            progress.advance(len(numbers))
    for path, parts in zip(paths, (queries, found), strict=True):
        write_box_features(path, _joined(parts))
        logger.info("%s: %d boxes", path, sum(len(part) for part in parts))


def _asked(
    queries: SearchPeople,
    rows: IntArray,
    image: Image,
    detections: Detections,
    poses: Poses | None,
    embedder: Embedder,
) -> BoxFeatures:
    """The queries of a picture; each may have the skeleton of the detection that lies on it."""
    boxes = queries.boxes[rows]
    request = EmbedRequest(image, _inside(boxes, image))
    if poses is not None:
        keypoints = np.zeros((len(rows), *poses.keypoints.shape[1:]), np.float32)
        owners: list[int] = []
        for row, box in enumerate(boxes):
            overlap = paired_iou(np.tile(box, (len(detections), 1)), detections.boxes.astype(np.float64))
            overlap[owners] = 0
            if len(overlap) and overlap.max() >= _SAME_IOU:
                owners.append(int(overlap.argmax()))
                keypoints[row] = poses.keypoints[owners[-1]]
        negatives = poses.select(np.array(owners, np.int64)).spare_keypoints
        request = EmbedRequest(image, request.boxes, keypoints, negatives)
    made = embedder([request])[0]
    return BoxFeatures(queries.annotations[rows], boxes, np.ones(len(rows), np.float32), made)


def _ranked(number: int, image: Image, detections: Detections, poses: Poses | None, embedder: Embedder) -> BoxFeatures:
    """The detections of a picture that are sure enough to be ranked."""
    rows = np.flatnonzero(detections.scores >= SCORE_MIN)
    kept = detections.select(rows)
    request = EmbedRequest(image, _inside(kept.boxes, image))
    if poses is not None:
        own = poses.select(rows)
        request = EmbedRequest(image, request.boxes, own.keypoints, own.spare_keypoints)
    made = embedder([request])[0] if len(rows) else no_evidence(embedder, 0)
    return BoxFeatures(np.full(len(rows), number, np.int64), kept.boxes.astype(np.float64), kept.scores, made)


def _inside(boxes: NDArray[np.floating], image: Image) -> FloatArray:
    """Boxes cut at the edge of the picture; at least a pixel is left."""
    height, width = image.shape[:2]
    low = np.clip(boxes[:, :2], 0, (width - 1, height - 1))
    high = np.clip(boxes[:, 2:], low + 1, (width, height))
    return np.concatenate([low, high], axis=1).astype(np.float32)


def _joined(parts: Sequence[BoxFeatures]) -> BoxFeatures:
    first = parts[0].embeddings
    return BoxFeatures(
        np.concatenate([part.owners for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        replace(
            first,
            vectors=np.concatenate([part.embeddings.vectors.astype(np.float16) for part in parts]),
            visibility=np.concatenate([part.embeddings.visibility for part in parts]),
        ),
    )
