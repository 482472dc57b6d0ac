"""A first look at some cameras: what they show, and which cues a run can count on.

Limits, on purpose: a clock is known only from a wall clock that the source itself gives (a container's creation time,
which some programs set to the time of an export, or the arrival of live frames), so it is never better than
"estimated", and it is used only for cameras whose recordings lie within ten minutes of one another. Overlap is guessed
from the still background: local features that agree on one homography show that two cameras look at the same surfaces,
which makes "partial". Nothing can show from pictures that two views do not overlap, so the rest stays "unknown".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.clock import Clock
from data.config import SourcesConfig
from data.records import Frame, Image
from data.site import CameraSite, Observed, OverlapPair, Site
from data.sources.base import CameraSpec, SourceInfo
from data.sources.open import open_source
from pipeline.backends.base import Detector

_LOOKS_PER_S = 1.0
_BATCH = 8
_BACKGROUND_FRAMES = 15
_BACKGROUND_WIDTH = 960
_CONFIDENT = 0.4

_NEAR_S = 600.0
_SMALL_FOR_REID_PX = 64
_SMALL_FOR_POSE_PX = 80
_BLURRED = 40.0
_DARK = 45.0
# Pictures of different places agree on 7 matches at most (171 pairs of real pictures); views of one place on hundreds.
_SAME_PLACE_INLIERS = 15
_SAME_PLACE_AREA = 0.02


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one camera.

    Attributes:
        info: what the source says of itself.
        observed: measurements.
        background: (h, w) uint8 grey median picture, at most 960 wide.
        warnings: of the source.
    """

    info: SourceInfo
    observed: Observed
    background: NDArray[np.uint8]
    warnings: tuple[str, ...]


def look(spec: CameraSpec, config: SourcesConfig, detector: Detector, seconds: float) -> Look:
    """Look at one frame a second of the first ``seconds`` of a source.

    Raises:
        UserError: when the source cannot be opened.
    """
    rate = min(config.max_fps or _LOOKS_PER_S, _LOOKS_PER_S)
    source = open_source(spec, config.model_copy(update={"max_fps": rate}))
    people: list[NDArray[np.float32]] = []
    sharpness: list[float] = []
    brightness: list[float] = []
    backgrounds: list[NDArray[np.uint8]] = []
    looked_s = 0.0
    try:
        frames: list[Frame] = []
        for frame in source.frames():
            if frame.time_s > config.start_s + seconds:
                looked_s = seconds
                break
            looked_s = min(frame.time_s - config.start_s + 1 / source.info.fps, seconds)
            frames.append(frame)
            if len(frames) == _BATCH:
                people.extend(_people(detector, frames, source.info))
                frames = frames[:0]
            grey = _grey(frame.image)
            sharpness.append(_sharpness(grey))
            brightness.append(float(grey.mean()))
            backgrounds.append(grey)
            if len(backgrounds) > 2 * _BACKGROUND_FRAMES:
                backgrounds = backgrounds[::2]
        people.extend(_people(detector, frames, source.info))
    finally:
        source.close()
    heights = np.concatenate([np.zeros(0, np.float32), *people])
    observed = Observed(
        seconds=round(looked_s, 2),
        frames=len(sharpness),
        people_per_frame=round(len(heights) / max(len(sharpness), 1), 2),
        person_height_px=_rounded(np.median(heights)) if len(heights) else None,
        person_height_p10_px=_rounded(np.percentile(heights, 10)) if len(heights) else None,
        sharpness=_rounded(np.median(sharpness)) if sharpness else None,
        brightness=_rounded(np.median(brightness)) if brightness else None,
    )
    still = np.median(np.stack(backgrounds), axis=0) if backgrounds else np.zeros((1, 1))
    return Look(source.info, observed, still.astype(np.uint8), tuple(source.warnings))


def site_of(looks: Sequence[Look]) -> Site:
    """The site that was found: frame rates, sizes, estimated clocks, observations and guessed overlap."""
    starts = _usable_starts([one.info for one in looks])
    cameras = {}
    for one in looks:
        start = starts.get(one.info.camera)
        clock = Clock()
        if start is not None:
            clock = Clock(status="estimated", offset_s=round(start - min(starts.values()), 3))
        cameras[one.info.camera] = CameraSite(
            source=one.info.uri,
            fps=round(one.info.fps, 4),
            size=(one.info.width, one.info.height),
            clock=clock,
            observed=one.observed,
        )
    pairs = [
        OverlapPair(cameras=(a.info.camera, b.info.camera), value="partial")
        for number, a in enumerate(looks)
        for b in looks[number + 1 :]
        if same_place(a.background, b.background)
    ]
    return Site(cameras=cameras, overlap=pairs)


def _usable_starts(infos: Sequence[SourceInfo]) -> dict[str, float]:
    """Wall-clock starts of the cameras whose recording comes near another camera's in time."""
    spans = {
        info.camera: (info.wall_clock_start_s, info.wall_clock_start_s + (info.frame_count or 0) / info.fps)
        for info in infos
        if info.wall_clock_start_s is not None
    }
    return {
        camera: start
        for camera, (start, end) in spans.items()
        if any(
            other != camera and start - _NEAR_S <= other_end and other_start <= end + _NEAR_S
            for other, (other_start, other_end) in spans.items()
        )
    }


def cues(site: Site) -> list[str]:
    """What the cameras show, a line each, then which cues will work and what would make the others work, to print."""
    lines = [_shown(site, camera) for camera in site.cameras]
    remarks: dict[str, list[str]] = {}
    for camera in site.cameras:
        for remark in _remarks(site, camera):
            remarks.setdefault(remark, []).append(camera)
    for remark, cameras in remarks.items():
        where = "" if len(cameras) == len(site.cameras) else f" ({', '.join(cameras)})"
        lines.append(f"{remark}{where}")
    return lines + _between(site) if len(site.cameras) > 1 else lines


def _between(site: Site) -> list[str]:
    """What is known of the cameras together, each with its cure."""
    known = [camera for camera in site.cameras if site.clock(camera).known]
    lines = [
        f"overlap: {pair.cameras[0]} and {pair.cameras[1]} show the same background: guessed partial"
        for pair in site.pairs
    ]
    if len(known) > 1:
        lines.append(
            f"clocks: of {', '.join(known)} by the sources' own wall clocks; check offset_s, then set the status to "
            "common"
        )
    else:
        lines.append(
            "clocks: not known to be common, so appearance alone joins people over cameras. Where cameras began at one "
            "moment, or you know how many seconds apart, write clock: {status: common, offset_s: 0.0} for each"
        )
    lines.append(
        "overlap: what nothing is known of stays 'unknown'. With common clocks, write 'none' where nobody can be in "
        "both views at once: then times tell people apart, and transit times are learnt"
    )
    lines.append(
        "same ground: cameras that see the same floor are best tracked together, in metres: python -m "
        "tools.calibrate_site VIDEO VIDEO ... --out calibrated.yaml finds how they stand (docs/calibration.md)"
    )
    return lines


def same_place(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    """Whether two still pictures show some of the same flat surfaces.

    SIFT features that pass the ratio test (Lowe, IJCV 2004, section 7.1) in both directions must agree on one
    homography, and spread over a part of both pictures: two captions or logos that are burnt in alike do not.
    """
    import cv2

    finder = cv2.SIFT.create(nfeatures=1500)
    (points_a, features_a), (points_b, features_b) = finder.detectAndCompute(a, None), finder.detectAndCompute(b, None)
    if min(len(points_a), len(points_b)) < _SAME_PLACE_INLIERS:
        return False
    matcher = cv2.BFMatcher()
    forth, back = _unambiguous(matcher, features_a, features_b), _unambiguous(matcher, features_b, features_a)
    pairs = [(i, j) for i, j in forth.items() if back.get(j) == i]
    if len(pairs) < _SAME_PLACE_INLIERS:
        return False
    from_a = np.array([points_a[i].pt for i, _ in pairs], np.float32)
    from_b = np.array([points_b[j].pt for _, j in pairs], np.float32)
    cv2.setRNGSeed(0)
    _, mask = cv2.findHomography(from_a, from_b, cv2.RANSAC, 4.0)
    if mask is None or int(mask.sum()) < _SAME_PLACE_INLIERS:
        return False
    agree = mask.ravel().astype(bool)
    shares = (
        cv2.contourArea(cv2.convexHull(points[agree])) / picture.size for points, picture in ((from_a, a), (from_b, b))
    )
    return min(shares) > _SAME_PLACE_AREA


def _unambiguous(matcher: Any, a: Any, b: Any) -> dict[int, int]:
    found = matcher.knnMatch(a, b, k=2)
    return {
        pair[0].queryIdx: pair[0].trainIdx
        for pair in found
        if len(pair) == 2 and pair[0].distance < 0.75 * pair[1].distance
    }


def _people(detector: Detector, frames: Sequence[Frame], info: SourceInfo) -> list[NDArray[np.float32]]:
    """Heights of the sure, whole people of some frames."""
    if not frames:
        return []
    found = []
    for detections in detector([frame.image for frame in frames]):
        boxes = detections.boxes[detections.scores >= _CONFIDENT]
        whole = (boxes[:, 1] > 1) & (boxes[:, 3] < info.height - 1)
        found.append(boxes[whole, 3] - boxes[whole, 1])
    return found


def _grey(image: Image) -> NDArray[np.uint8]:
    import cv2

    height, width = image.shape[:2]
    if width > _BACKGROUND_WIDTH:
        size = (_BACKGROUND_WIDTH, round(height * _BACKGROUND_WIDTH / width))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _sharpness(grey: NDArray[np.uint8]) -> float:
    import cv2

    return float(cv2.Laplacian(grey, cv2.CV_64F).var())


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 1)


def _shown(site: Site, camera: str) -> str:
    found = site.cameras[camera]
    seen = found.observed or Observed()
    size = "?" if found.size is None else f"{found.size[0]}x{found.size[1]}"
    if seen.person_height_px is None:
        people = "no whole person seen"
    else:
        people = (
            f"{seen.people_per_frame:g} people a frame, {seen.person_height_px:.0f} px high "
            f"(a tenth below {seen.person_height_p10_px:.0f} px)"
        )
    return f"{camera}: {size} at {found.fps:g} fps, {people}, sharpness {seen.sharpness}, brightness {seen.brightness}"


def _remarks(site: Site, camera: str) -> list[str]:
    """Which cues one camera allows."""
    seen = site.cameras[camera].observed or Observed()
    if seen.person_height_px is None:
        lines = ["appearance, pose: cannot be judged; look at a part of the video where people walk (sources.start_s)"]
    else:
        if seen.person_height_px < _SMALL_FOR_REID_PX:
            lines = [f"appearance: weak, people below {_SMALL_FOR_REID_PX} px carry clothes' colours at most"]
        else:
            lines = ["appearance: works"]
        weak = seen.person_height_px < _SMALL_FOR_POSE_PX
        lines.append(f"pose and body parts: {'weak, people are small' if weak else 'work'}")
    if seen.sharpness is not None and seen.sharpness < _BLURRED:
        lines.append("picture: blurred or badly compressed; appearance suffers")
    if seen.brightness is not None and seen.brightness < _DARK:
        lines.append("picture: dark; colours are not reliable")
    return lines
