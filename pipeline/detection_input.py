"""Detections from files, with or without features, as a run's input."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data.formats.detections_in import CameraDetections, read_detection_folder
from data.kernels import boxes as box_kernels
from data.records import Detections, Frame, PartEmbeddings, View
from data.site import Site
from pipeline.batching import TimedFrame, batches, merge_by_time
from pipeline.config import RunConfig
from pipeline.inputs import common_time
from pipeline.manifest import describe_file
from pipeline.perception import Perceived
from pipeline.stage_clock import StageClock


class DetectionInput:
    """Detections, with or without features, from files."""

    def __init__(
        self, folder: Path, features: Path | None, site: Site, fallback_fps: float, run: RunConfig, limit: int | None
    ) -> None:
        """Read the files.

        Args:
            folder: holds ``<camera>.txt`` or ``<camera>.npz``.
            features: folder of ``<camera>.npy``, or None to look beside the detections.
            site: frame rates, sizes and clocks.
            fallback_fps: frames per second of a camera whose rate the site does not give.
            run: batch sizes.
            limit: frames per camera, or None.
        """
        self._folder = folder
        self._found: dict[str, CameraDetections] = read_detection_folder(folder, features)
        self.cameras = tuple(self._found)
        self.warnings: dict[str, list[str]] = {camera: list(found.warnings) for camera, found in self._found.items()}
        self._site, self._run = site, run
        self._fps = {camera: site.fps(camera) or fallback_fps for camera in self.cameras}
        for camera in self.cameras:
            if site.fps(camera) is None:
                self.warnings[camera].append(f"the site gives no frame rate; {fallback_fps:g} fps assumed")
        self._frames = {
            camera: found.frame_count if limit is None else min(found.frame_count, limit)
            for camera, found in self._found.items()
        }

    def batches(self, after: Mapping[str, int], clock: StageClock) -> Iterator[list[Perceived]]:
        """See ``PerceivedInput``."""
        streams = {camera: self._camera_frames(camera, after[camera] + 1) for camera in self.cameras}
        merged = merge_by_time(streams, common_time(self._site))
        for batch in batches(merged, self._run.batch_frames, self._run.batch_window_s):
            with clock.measure("read", len(batch)):
                perceived = [self._perceive(timed) for timed in batch]
            yield perceived

    def describe(self) -> dict[str, dict[str, Any]]:
        """See ``PerceivedInput``."""
        described = {}
        for camera, found in self._found.items():
            width, height = self._site.size(camera) or (0, 0)
            described[camera] = {
                "uri": str(found.path),
                "fps": self._fps[camera],
                "width": width,
                "height": height,
                "frames": self._frames[camera],
                **describe_file(found.path),
            }
        return described

    def total_frames(self) -> int | None:
        """See ``PerceivedInput``."""
        return sum(self._frames.values())

    def close(self) -> None:
        """Nothing is held open."""

    def _camera_frames(self, camera: str, start: int) -> Iterator[Frame]:
        nothing = np.zeros((0, 0, 3), np.uint8)
        for index in range(start, self._frames[camera]):
            yield Frame(camera, index, index / self._fps[camera], nothing)

    def _perceive(self, timed: TimedFrame) -> Perceived:
        frame = timed.frame
        found = self._found[frame.camera]
        rows = found.rows(frame.index)
        detections = Detections(found.boxes[rows], found.scores[rows], found.class_ids[rows])
        embeddings = None if found.features is None else found.embeddings(rows)
        size = self._site.size(frame.camera) or (0, 0)
        detections, embeddings = self._inside(frame.camera, detections, embeddings, size)
        return Perceived(
            timed.common_s, View(frame.camera, frame.index, frame.time_s, size, detections, None), None, embeddings
        )

    def _inside(
        self, camera: str, detections: Detections, embeddings: PartEmbeddings | None, size: tuple[int, int]
    ) -> tuple[Detections, PartEmbeddings | None]:
        """Drop boxes that lie wholly outside the frame and count them."""
        if size == (0, 0) or not len(detections):
            return detections, embeddings
        keep = box_kernels.areas(box_kernels.clip(detections.boxes, *size)) > 0
        if keep.all():
            return detections, embeddings
        self.outside[camera] = self.outside.get(camera, 0) + int((~keep).sum())
        return detections.select(keep), None if embeddings is None else embeddings.select(keep)


