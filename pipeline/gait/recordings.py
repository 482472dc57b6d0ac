"""Skeleton recordings of tracklets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from data.records import DoubleArray, FloatArray, Tracklet
from data.site import Site
from data.skeleton_forms import UNIT_S, Form, flattened, in_plane
from data.skeleton_sequences import Recording, from_coco, resample
from pipeline.gait.lifting import along_path, plane_lift, triangulate

_SHORTEST_S = 0.5
_LONGEST_GAP_S = 0.35


@dataclass(frozen=True, slots=True)
class LiftOptions:
    """How tracklets become recordings.

    Attributes:
        form: what is wanted, see ``data.skeleton_forms``; what cannot be brought to it is unknown.
        fps: skeletons per second.
        keypoint_min: keypoints of this confidence or less are not known.
    """

    form: Form = "plane"
    fps: float = 10.0
    keypoint_min: float = 0.3


@dataclass(frozen=True, slots=True)
class Lifted:
    """Recordings, and what was left out.

    Attributes:
        recordings: in the order of their tracklets.
        keys: (camera, local_id) of the first tracklet of each.
        left_out: reasons, with how many tracklets.
    """

    recordings: list[Recording] = field(default_factory=list)
    keys: list[tuple[str, int]] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, why: str) -> None:
        """Count a tracklet that gives none."""
        self.left_out[why] = self.left_out.get(why, 0) + 1


def pixels_of(tracklet: Tracklet, keypoint_min: float) -> FloatArray:
    """(T, 14, 2) pixels of the joints of ``JOINTS``, NaN where one is not known."""
    assert tracklet.keypoints is not None
    points = tracklet.keypoints[..., :2].astype(np.float32).copy()
    points[~(tracklet.keypoints[..., 2] > keypoint_min)] = np.nan
    return from_coco(points)


def recording_of(tracklet: Tracklet, site: Site, options: LiftOptions) -> Recording | str:
    """Lift one tracklet by itself; the reason where that cannot be done."""
    if tracklet.keypoints is None:
        return "no keypoints"
    if tracklet.times_s[-1] - tracklet.times_s[0] < _SHORTEST_S:
        return f"shorter than {_SHORTEST_S} s"
    pixels = pixels_of(tracklet, options.keypoint_min)
    times, even = resample(tracklet.times_s, pixels, options.fps, _LONGEST_GAP_S)
    if options.form == "flat":
        points = flattened(even, round(UNIT_S * options.fps))
    elif options.form == "full":
        return "seen by one camera only"
    else:
        camera = site.model(tracklet.camera)
        if camera is None or camera.projection is None:
            return "camera not calibrated"
        points = plane_lift(camera, even, times)
    name = f"{tracklet.camera}/{tracklet.local_id}"
    if not np.isfinite(points).all(axis=(1, 2)).any():
        return "never a whole skeleton"
    return Recording(points, times, name=name)


def lift_tracklets(
    tracklets: Sequence[Tracklet],
    site: Site,
    options: LiftOptions,
    people: Mapping[tuple[str, int], int] | None = None,
) -> Lifted:
    """Recordings of all tracklets.

    Those that a group's tracker followed in several calibrated cameras at once are triangulated where the form is
    full or plane; the others are lifted one by one.

    Args:
        tracklets: any number.
        site: with the calibrations.
        options: what is wanted.
        people: number of the person by (camera, local_id), or None: nobody is known.
    """
    found = Lifted()
    done: set[tuple[str, int]] = set()

    def keep(recording: Recording, key: tuple[str, int]) -> None:
        person = -1 if people is None else people.get(key, -1)
        found.recordings.append(replace(recording, person=person))
        found.keys.append(key)

    if options.form != "flat":
        for members in _seen_together(tracklets, site):
            recording = _triangulated(members, site, options)
            if recording is not None:
                keep(recording, members[0].key)
                done |= {member.key for member in members}
    for tracklet in tracklets:
        if tracklet.key in done:
            continue
        recording_or_reason = recording_of(tracklet, site, options)
        if isinstance(recording_or_reason, str):
            found.leave_out(recording_or_reason)
        else:
            keep(recording_or_reason, tracklet.key)
    return found


def labelled(recordings: Sequence[Recording], prefix: str, condition: str, view_deg: int) -> list[Recording]:
    """Recordings with what is known of all of them, their names after a prefix."""
    return [replace(item, name=prefix + item.name, condition=condition, view_deg=view_deg) for item in recordings]


def _seen_together(tracklets: Sequence[Tracklet], site: Site) -> list[list[Tracklet]]:
    """Tracklets of one person that a group followed in several cameras with projections."""
    group_of = {camera: number for number, group in enumerate(site.groups) for camera in group.cameras}
    sets: dict[tuple[int, int], list[Tracklet]] = {}
    for tracklet in tracklets:
        camera = site.model(tracklet.camera)
        usable = camera is not None and camera.projection is not None and tracklet.keypoints is not None
        if usable and tracklet.group_id >= 0 and tracklet.camera in group_of:
            sets.setdefault((group_of[tracklet.camera], tracklet.group_id), []).append(tracklet)
    return [sets[key] for key in sorted(sets) if len({member.camera for member in sets[key]}) > 1]


def _triangulated(members: Sequence[Tracklet], site: Site, options: LiftOptions) -> Recording | None:
    """All views of a person on one time line; None where hardly anything of it is seen twice."""
    times = [site.common_times(member.camera, member.times_s) for member in members]
    begin, end = min(float(each[0]) for each in times), max(float(each[-1]) for each in times)
    count = int((end - begin) * options.fps + 1e-6) + 1
    cameras = sorted({member.camera for member in members})
    views = {camera: np.full((count, 14, 2), np.nan, np.float32) for camera in cameras}
    for member, own in zip(members, times, strict=True):
        if len(member) < 2:
            continue
        # Instants of all members must fall together.
        first = int(np.ceil((own[0] - begin) * options.fps - 1e-6))
        start = begin + first / options.fps
        pixels = pixels_of(member, options.keypoint_min)
        shifted = np.concatenate([[start], own[own > start]])
        edge = np.stack([_at(own, pixels, start), *pixels[own > start]])
        _, even = resample(shifted, edge, options.fps, _LONGEST_GAP_S)
        target = views[member.camera][first : first + len(even)]
        fresh = np.isfinite(even[: len(target)])
        target[fresh] = even[: len(target)][fresh]
    models = [site.model(camera) for camera in cameras]
    usable = [model for model in models if model is not None]
    instants = begin + np.arange(count) / options.fps
    world = triangulate(usable, [views[camera] for camera in cameras])
    points = along_path(world, instants, usable[0].mirrored)
    if np.isfinite(points).all(axis=(1, 2)).sum() < _SHORTEST_S * options.fps:
        return None
    points = in_plane(points) if options.form == "plane" else points
    return Recording(points, instants, name="+".join(f"{member.camera}/{member.local_id}" for member in members))


def _at(times_s: DoubleArray, pixels: FloatArray, instant: float) -> FloatArray:
    """(14, 2) at an instant between two rows; NaN where either is not known."""
    after = int(np.clip(np.searchsorted(times_s, instant), 1, len(times_s) - 1))
    share = (instant - times_s[after - 1]) / (times_s[after] - times_s[after - 1])
    return np.asarray((1 - share) * pixels[after - 1] + share * pixels[after], np.float32)
