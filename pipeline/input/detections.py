"""Detections from files, with or without features, as a run's input."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import UserError
from data.formats.detections_in import CameraDetections, read_detection_folder, told_videos
from data.formats.features_in import told_corners
from data.kernels import boxes as box_kernels
from data.records import Frame, Image, View
from data.runtime.stage_clock import StageClock
from data.site import Scope, Site
from pipeline.folder.input_files import describe_file
from pipeline.folder.stages import Stage
from pipeline.input.base import common_time
from pipeline.input.batching import Batching, TimedFrame, batches, by_instant, merge_by_time
from pipeline.input.perception import Perceived, PerceivedBatch, look_up
from pipeline.input.quiet import walked_frames

_NO_IMAGE: Image = np.zeros((0, 0, 3), np.uint8)


class DetectionInput:
    """See ``pipeline.input.base.PerceivedInput``."""

    def __init__(
        self,
        folder: Path,
        features: Path | None,
        site: Site,
        batching: Batching,
        limit: int | None,
        quiet_s: float = math.inf,
    ) -> None:
        """Read the files.

        Args:
            folder: see ``read_detection_folder``.
            features: folder of ``<camera>.npy``, or None to look beside the detections.
            site: frame rates, sizes, clocks and groups.
            batching: how frames are grouped.
            limit: frames per camera, or None.
            quiet_s: frames of a scope are passed over once nobody has been in any for so long, seconds.

        Raises:
            UserError: for broken files, and for a camera whose frame rate, or in a group whose size, the site does not
                give.
        """
        self._found: dict[str, CameraDetections] = read_detection_folder(folder, features)
        if site.cameras:
            try:
                site.check_cameras(list(self._found))
            except UserError as error:
                raise UserError(f"{error}{told_videos(self._found)}") from None
        self.cameras = tuple(self._found)
        self._look = look_up(self._found)
        self._site, self._batching = site, batching
        self._fps = {camera: _fps(site, camera) for camera in self.cameras}
        scopes = site.scopes(self.cameras)
        for scope in scopes:
            _check_sizes(site, scope)
        self._outside = dict.fromkeys(self.cameras, 0)
        self._frames = {
            camera: found.frame_count if limit is None else min(found.frame_count, limit)
            for camera, found in self._found.items()
        }
        self._walked: dict[str, list[range]] = {}
        for scope in scopes:
            self._walked |= walked_frames(self._found, scope, site, self._fps, self._frames, quiet_s)

    @property
    def warnings(self) -> dict[str, list[str]]:
        """What was left out so far."""
        lines = {camera: list(found.warnings) for camera, found in self._found.items()}
        for camera, found in self._found.items():
            corners = told_corners(found.boxes, self._site.size(camera) or (0, 0))
            lines[camera] += [corners] if corners is not None else []
        for camera, count in self._outside.items():
            if count:
                width, height = self._site.size(camera) or (0, 0)
                lines[camera].append(f"{count} boxes lie outside a picture of {width}x{height} px: not used")
        return lines

    def batches(
        self, after: Mapping[str, int], clock: StageClock, memory: Mapping[str, Any] | None = None
    ) -> Iterator[PerceivedBatch]:
        """See ``PerceivedInput``."""
        streams = {camera: self._camera_frames(camera, after[camera] + 1) for camera in self.cameras}
        merged = merge_by_time(streams, common_time(self._site))
        for batch in batches(by_instant(merged, self._site.scopes(self.cameras)), self._batching):
            with clock.measure(Stage.READ, sum(len(instant) for instant in batch)):
                perceived = [[self._perceive(timed) for timed in instant] for instant in batch]
            yield PerceivedBatch(perceived)

    def describe(self) -> dict[str, dict[str, Any]]:
        """See ``PerceivedInput``."""
        described = {}
        for camera, found in self._found.items():
            width, height = self._site.size(camera) or (0, 0)
            described[camera] = {
                "kind": "detections",
                "uri": str(found.path),
                "fps": self._fps[camera],
                "width": width,
                "height": height,
                "frames": self._frames[camera],
                **describe_file(found.path),
            }
            if found.features is not None and found.features.path != found.path:
                described[camera]["features"] = {
                    "uri": str(found.features.path),
                    **describe_file(found.features.path),
                }
        return described

    def counted(self) -> dict[str, int]:
        """See ``PerceivedInput``; the files say it themselves."""
        return {}

    def total_frames(self) -> int | None:
        """See ``PerceivedInput``."""
        return sum(
            self._found[camera].looks_within(stretch) for camera, walked in self._walked.items() for stretch in walked
        )

    def interrupt(self) -> None:
        """See ``PerceivedInput``; nobody waits long for a file."""

    def close(self) -> None:
        """Nothing is held open."""

    def _camera_frames(self, camera: str, start: int) -> Iterator[Frame]:
        for stretch in self._walked[camera]:
            for index in range(max(start, stretch.start), stretch.stop):
                if self._found[camera].looks_at(index):
                    yield Frame(camera, index, index / self._fps[camera], _NO_IMAGE)

    def _perceive(self, timed: TimedFrame) -> Perceived:
        frame = timed.frame
        found = self._found[frame.camera]
        ((detections, poses),) = self._look([timed])
        embeddings = None if found.features is None else found.embeddings(found.rows(frame.index))
        size = self._site.size(frame.camera) or (0, 0)
        if size != (0, 0):
            inside = box_kernels.areas(box_kernels.clip(detections.boxes, *size)) > 0
            if not inside.all():
                self._outside[frame.camera] += int((~inside).sum())
                detections = detections.select(inside)
                poses = None if poses is None else poses.select(inside)
                embeddings = None if embeddings is None else embeddings.select(inside)
        view = View(frame.camera, frame.index, frame.time_s, size, detections, poses, timed.common_s)
        return Perceived(view, None, embeddings)


def _check_sizes(site: Site, scope: Scope) -> None:
    """What a camera of a group ought to see depends on where its frames end."""
    for camera in scope.cameras if scope.group is not None else ():
        if site.size(camera) is None:
            raise UserError(
                f"the frame size of camera '{camera}' of group '{scope.name}' is unknown; give cameras.{camera}.size"
            )


def _fps(site: Site, camera: str) -> float:
    fps = site.fps(camera)
    if fps is None:
        raise UserError(f"the frame rate of camera '{camera}' is unknown; give --site with cameras.{camera}.fps")
    return fps
