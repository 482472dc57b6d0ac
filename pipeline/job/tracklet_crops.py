"""The best pictures of each tracklet, collected while the run goes on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.atomic import write_bytes
from data.errors import UserError
from data.kernels.boxes import clip, coverage_matrix
from data.records import CONFIRMED, Detections, FloatArray, Image, Poses, Tracks, View
from pipeline.folder.crop_notes import with_note
from pipeline.folder.run_folder import RunFolder
from pipeline.rendering.anonymize import blur_regions, head_regions, shift_regions, skeleton_regions

_MARGIN = 0.06
_MIN_HEIGHT_PX, _MIN_WIDTH_PX = 24, 8
_KEYPOINT_SEEN = 0.3
_GOOD_HEIGHT_PX = 160.0
_GOOD_SHARPNESS = 150.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture that may be kept.

    Attributes:
        time_s: source seconds.
        quality: 0-1.
        jpeg: the encoded picture, with its note.
    """

    time_s: float
    quality: float
    jpeg: bytes


class CropCollector:
    """Keeps at most ``per_tracklet`` pictures of every live tracklet, by visibility and sharpness, apart in time.

    Pictures are encoded at once, so memory is bounded by the number of live tracklets. Nothing here depends on anything
    but the frames offered: the same offers give the same bytes, and ``state`` and ``restore`` carry a run over a kill.

    Each file carries a note (a JPEG comment, JSON): its time, its place in the frame, and where the heads are, so that
    a later report can blur them.
    """

    def __init__(
        self,
        *,
        per_tracklet: int = 4,
        height_px: int = 256,
        interval_s: float = 0.4,
        jpeg_quality: int = 88,
        anonymize: bool = False,
    ) -> None:
        """Set limits.

        Args:
            per_tracklet: pictures kept of a tracklet.
            height_px: taller crops are scaled down to this.
            interval_s: a tracklet is looked at no more often than this, seconds of video time.
            jpeg_quality: 0-100.
            anonymize: blur heads before encoding; nothing can bring them back.
        """
        self._per_tracklet, self._height_px, self._interval_s = per_tracklet, height_px, interval_s
        self._jpeg_quality, self._anonymize = jpeg_quality, anonymize
        self._kept: dict[tuple[str, int], list[Candidate]] = {}
        self._looked_s: dict[tuple[str, int], float] = {}

    def offer(self, view: View, image: Image, tracks: Tracks) -> None:
        """Look at one frame.

        Args:
            view: what was found in it.
            image: (H, W, 3) uint8 RGB; not changed.
            tracks: the rows the tracker reports; confirmed rows that were detected count.
        """
        inside = clip(tracks.boxes.astype(np.float32), image.shape[1], image.shape[0])
        rows = self._due(view, tracks, inside)
        if not rows:
            return
        boxes = inside[rows]
        rough = _rough_quality(boxes, tracks, np.array(rows), view)
        heads: FloatArray | None = None
        for row, box, quality in zip(rows, boxes, rough, strict=True):
            key = (view.camera, int(tracks.track_ids[row]))
            self._looked_s[key] = view.time_s
            kept = self._kept.setdefault(key, [])
            if len(kept) == self._per_tracklet and quality <= min(item.quality for item in kept):
                continue
            if heads is None:
                heads = _heads(view, tracks)
            candidate = self._cut(image, box, float(quality), view, heads)
            self._kept[key] = _best([*kept, candidate], self._per_tracklet)

    def write(self, folder: RunFolder, camera: str, local_id: int) -> list[Path]:
        """Write the pictures of a closed tracklet, best first, and forget them.

        Call it before the tracklet itself is made durable: then a closed tracklet never lacks its pictures. A resumed
        run writes them again, with the same content.

        Raises:
            UserError: when the folder cannot be written.
        """
        kept = self._kept.pop((camera, local_id), [])
        self._looked_s.pop((camera, local_id), None)
        paths = [folder.crop(camera, local_id, number) for number in range(len(kept))]
        ranked = sorted(kept, key=lambda item: (-item.quality, item.time_s))
        try:
            for path, candidate in zip(paths, ranked, strict=True):
                write_bytes(folder.claim(path), candidate.jpeg, durable=False)
        except OSError as error:
            raise UserError(f"cannot write crops to {folder.crops}: {error.strerror}") from None
        return paths

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs, as a tree for ``data.formats.state``."""
        return {
            "kept": [
                (camera, local_id, [(item.time_s, item.quality, item.jpeg) for item in kept])
                for (camera, local_id), kept in self._kept.items()
            ],
            "looked_s": [(camera, local_id, time_s) for (camera, local_id), time_s in self._looked_s.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        self._kept = {
            (camera, local_id): [Candidate(*item) for item in kept] for camera, local_id, kept in state["kept"]
        }
        self._looked_s = {(camera, local_id): time_s for camera, local_id, time_s in state["looked_s"]}

    def _due(self, view: View, tracks: Tracks, boxes: FloatArray) -> list[int]:
        """Rows worth a look: confirmed, seen in this frame, not tiny, not looked at a moment ago."""
        width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        fit = (tracks.det_index >= 0) & (tracks.state == CONFIRMED)
        fit &= (height >= _MIN_HEIGHT_PX) & (width >= _MIN_WIDTH_PX)
        latest_s = view.time_s - self._interval_s + 1e-9
        return [
            int(row)
            for row in np.flatnonzero(fit)
            if self._looked_s.get((view.camera, int(tracks.track_ids[row])), -math.inf) <= latest_s
        ]

    def _cut(self, image: Image, box: FloatArray, rough: float, view: View, heads: FloatArray) -> Candidate:
        import cv2

        margin = _MARGIN * float(box[3] - box[1])
        x1, y1 = max(int(box[0] - margin), 0), max(int(box[1] - margin), 0)
        x2, y2 = min(int(np.ceil(box[2] + margin)), image.shape[1]), min(int(np.ceil(box[3] + margin)), image.shape[0])
        crop: Any = np.ascontiguousarray(image[y1:y2, x1:x2])
        scale = min(self._height_px / crop.shape[0], 1.0)
        if scale < 1:
            size = (max(round(crop.shape[1] * scale), 1), self._height_px)
            crop = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
        quality = rough * _sharpness(crop)
        near = shift_regions(heads, x1, y1, scale)
        near = near[_touches(near, crop.shape[1], crop.shape[0])]
        if self._anonymize:
            blur_regions(crop, near)
        note = {
            "time_s": round(view.time_s, 3),
            "box": [x1, y1, x2, y2],
            "heads": [[round(float(value), 1) for value in region] for region in near],
            "anonymized": self._anonymize,
        }
        encoded = cv2.imencode(".jpg", crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self._jpeg_quality])[1].tobytes()
        return Candidate(view.time_s, quality, with_note(encoded, note))


def _rough_quality(boxes: FloatArray, tracks: Tracks, rows: np.ndarray, view: View) -> FloatArray:
    """(N,) upper bound of the quality, 0-1, from size, score and visibility."""
    heights = boxes[:, 3] - boxes[:, 1]
    size = np.minimum(heights / _GOOD_HEIGHT_PX, 1.0) ** 0.5
    score = 0.5 + 0.5 * np.clip(tracks.scores[rows], 0, 1)
    return np.asarray(size * score * _visibility(boxes, tracks, rows, view), np.float32)


def _visibility(boxes: FloatArray, tracks: Tracks, rows: np.ndarray, view: View) -> FloatArray:
    """(N,) share of each person that shows, 0-1.

    Keypoints tell where there are any. Boxes that reach further down stand nearer and hide what they cover; a box that
    touches the border of the frame is cut off.
    """
    foremost = view.detections.boxes
    covered = coverage_matrix(boxes, foremost.astype(np.float32))
    own = np.arange(len(foremost))[None] == tracks.det_index[rows][:, None]
    nearer = foremost[None, :, 3] > boxes[:, None, 3]
    free = 1 - np.where(nearer & ~own, covered, 0).max(axis=1, initial=0)
    width, height = view.size
    cut = (boxes[:, 0] <= 1) | (boxes[:, 2] >= width - 1) | (boxes[:, 1] <= 1) | (boxes[:, 3] >= height - 1)
    visibility = free * np.where(cut, 0.6, 1.0)
    if view.poses is not None and len(view.poses):
        keypoints = view.poses.keypoints[tracks.det_index[rows]]
        seen = (keypoints[..., 2] > _KEYPOINT_SEEN).mean(axis=1)
        looked = keypoints.any(axis=(1, 2))
        visibility *= np.where(looked, 0.3 + 0.7 * seen, 1.0)
    return visibility.astype(np.float32)


def _sharpness(crop: Image) -> float:
    """0-1 by the variance of the Laplacian (Pech-Pacheco et al. 2000)."""
    import cv2

    variance = float(cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())
    return variance / (variance + _GOOD_SHARPNESS)


def _heads(view: View, tracks: Tracks) -> FloatArray:
    """Regions of every head that is known of: detections, predicted tracks, skeletons without a box."""
    poses: Poses | None = view.poses
    detections: Detections = view.detections
    regions = [
        head_regions(detections.boxes, None if poses is None else poses.keypoints, _KEYPOINT_SEEN),
        head_regions(tracks.boxes[tracks.det_index < 0], None, _KEYPOINT_SEEN),
    ]
    if poses is not None and len(poses.spare_keypoints):
        regions.append(skeleton_regions(poses.spare_keypoints, _KEYPOINT_SEEN))
    return np.concatenate(regions).astype(np.float32)


def _touches(regions: FloatArray, width: int, height: int) -> np.ndarray:
    x, y, half_width, half_height = regions[:, 0], regions[:, 1], regions[:, 2], regions[:, 3]
    return (x + half_width > 0) & (x - half_width < width) & (y + half_height > 0) & (y - half_height < height)


def _best(candidates: list[Candidate], count: int) -> list[Candidate]:
    """The best ``count``, in the order of time, apart in time.

    One too many: of the two that lie closest together in time the worse one goes, as long as they are closer than half
    of an even spacing; else the worst of all.
    """
    if len(candidates) <= count:
        return candidates
    times = np.array([item.time_s for item in candidates])
    gaps = np.diff(times)
    closest = int(np.argmin(gaps))
    if gaps[closest] < 0.5 * (times[-1] - times[0]) / max(count, 1):
        worse = closest if candidates[closest].quality < candidates[closest + 1].quality else closest + 1
    else:
        worse = int(np.argmin([item.quality for item in candidates]))
    return [item for number, item in enumerate(candidates) if number != worse]
