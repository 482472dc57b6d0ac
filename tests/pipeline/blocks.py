"""A world of coloured blocks: videos, a detector and an appearance model that need no weights."""

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from data.records import Detections, EmbedRequest, Image, PartEmbeddings, Poses

SIZE = (160, 96)
COLOURS = np.array([(230, 40, 40), (40, 220, 40), (50, 60, 230)], np.uint8)


def write_video(path: Path, frames: int, fps: int, movers: Sequence[tuple[int, int, int, int]]) -> None:
    """An H.264 video of blocks on grey.

    Args:
        path: the mp4 file.
        frames: how many.
        fps: frames per second.
        movers: per block: colour index, first frame, frame after the last, pixels per frame.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for index in range(frames):
            image = np.full((SIZE[1], SIZE[0], 3), 120, np.uint8)
            for lane, (colour, start, end, speed) in enumerate(movers):
                if start <= index < end:
                    left = 4 + (index - start) * speed
                    top = 6 + 30 * lane
                    image[top : top + 24, left : left + 12] = COLOURS[colour]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())


def detect(images: Sequence[Image]) -> list[tuple[Detections, Poses | None]]:
    """Find blocks by their saturation."""
    found: list[tuple[Detections, Poses | None]] = []
    for image in images:
        saturated = (np.ptp(image.astype(np.int16), axis=2) > 70).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(saturated)
        stats = stats[1:][stats[1:, cv2.CC_STAT_AREA] > 40]
        boxes = np.concatenate([stats[:, :2], stats[:, :2] + stats[:, 2:4]], axis=1).astype(np.float32)
        count = len(boxes)
        found.append((Detections(boxes, np.full(count, 0.9, np.float32), np.zeros(count, np.int64)), None))
    return found


class ColourEmbedder:
    """The mean colour of a box, less grey, as its appearance."""

    model_id = "mean-colour"
    part_names = ("global",)
    part_kinds = ("holistic",)
    dim = 3

    def __call__(self, requests: Sequence[EmbedRequest]) -> list[PartEmbeddings]:
        """See ``reid.embedders.base.Embedder``."""
        return [self._describe(request) for request in requests]

    def _describe(self, request: EmbedRequest) -> PartEmbeddings:
        vectors = np.zeros((len(request.boxes), 1, 3), np.float32)
        for row, (x1, y1, x2, y2) in enumerate(request.boxes.astype(int)):
            colour = request.image[y1:y2, x1:x2].reshape(-1, 3).mean(0) - 110
            vectors[row, 0] = colour / np.linalg.norm(colour)
        visibility = np.ones((len(request.boxes), 1), np.float32)
        return PartEmbeddings(vectors, visibility, self.part_names, self.part_kinds, self.model_id)
