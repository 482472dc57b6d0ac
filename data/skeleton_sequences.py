"""Skeletons over time: recordings of one person, and the short sequences of equal length that gait models take."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.records import DoubleArray, FloatArray, IntArray, Rows

Bools = NDArray[np.bool_]

JOINTS = (
    "head", "neck", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
LEFT_HIP, RIGHT_HIP = JOINTS.index("left_hip"), JOINTS.index("right_hip")

_COCO_LIMBS = slice(5, 17)
_COCO_SHOULDERS = (5, 6)
_COCO_HEAD = slice(0, 5)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One person walking, seen once.

    Attributes:
        points: (T, J, 3) float32: x right, y down, z away from the camera, metres unless the maker says otherwise; NaN
            where a joint is not known.
        times_s: (T,) float64, rising.
        person: number of the person, from 0; -1 = not known.
        condition: what is worn or carried, as data sets name it ("nm" normal, "bg" bag, "cl" coat); may be "".
        view_deg: direction of walking against the camera's view, 0 = towards it, -1 = not known.
        name: tells it apart from the others.
    """

    points: FloatArray
    times_s: DoubleArray
    person: int = -1
    condition: str = ""
    view_deg: int = -1
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class SkeletonSequences:
    """N sequences of f skeletons of J joints, in the order of time within each recording.

    Attributes:
        points: (N, f, J, 3) float32, finite.
        people: (N,) int64 number of the person.
        recordings: (N,) int64: sequences that follow one another in time share a number and stand together.
    """

    points: FloatArray
    people: IntArray
    recordings: IntArray

    def __len__(self) -> int:
        return len(self.people)

    @property
    def frames(self) -> int:
        """f."""
        return self.points.shape[1]

    @property
    def joints(self) -> int:
        """J."""
        return self.points.shape[2]

    @property
    def followed(self) -> Bools:
        """(N - 1,) whether rows i and i + 1 follow one another in one recording."""
        return np.asarray((np.diff(self.recordings) == 0) & (np.diff(self.people) == 0))

    def select(self, rows: Rows) -> "SkeletonSequences":
        """Keep some rows; those kept of one recording must have stood side by side, or they are no neighbours."""
        return replace(self, points=self.points[rows], people=self.people[rows], recordings=self.recordings[rows])


def check_sequences(sequences: SkeletonSequences, source: str, least_frames: int = 2) -> SkeletonSequences:
    """Look whether sequences can be worked with.

    Args:
        sequences: from anywhere.
        source: for the message.
        least_frames: f may not be smaller.

    Raises:
        UserError: when there are none, they are too short, rows do not fit together or joints are missing (NaN).
    """
    shape = sequences.points.shape
    if len(shape) != 4 or shape[3] != 3 or not (shape[0] == len(sequences.people) == len(sequences.recordings)):
        raise UserError(
            f"{source}: sequences of shape {shape} for {len(sequences.people)} people's numbers; "
            "(sequences, frames, joints, 3) are wanted"
        )
    if not len(sequences):
        raise UserError(f"{source}: there are no sequences")
    if sequences.frames < least_frames:
        raise UserError(f"{source}: sequences of {sequences.frames} frames are too short; at least {least_frames}")
    broken = ~np.isfinite(sequences.points).all(axis=(1, 2, 3))
    if broken.any():
        first = int(np.flatnonzero(broken)[0])
        joints = np.flatnonzero(~np.isfinite(sequences.points[first]).all(axis=(0, 2))).tolist()
        raise UserError(
            f"{source}: {int(broken.sum())} of {len(sequences)} sequences have joints that are no numbers "
            f"(sequence {first}: joints {', '.join(map(str, joints[:5]))}); leave them out or fill them in"
        )
    return sequences


def from_coco(keypoints: FloatArray) -> FloatArray:
    """The joints of ``JOINTS`` from COCO's 17 points: the head is the mean of the face, the neck of the shoulders.

    Args:
        keypoints: (..., 17, 3) coordinates; NaN = not known.

    Returns:
        (..., 14, 3); the head rests on what is known of the face, every other joint on itself.
    """
    face = keypoints[..., _COCO_HEAD, :]
    known = np.isfinite(face)
    count = known.sum(axis=-2)
    head = np.where(known, face, 0).sum(axis=-2) / np.where(count > 0, count, np.nan)
    neck = keypoints[..., _COCO_SHOULDERS, :].mean(axis=-2)
    joined = np.concatenate([head[..., None, :], neck[..., None, :], keypoints[..., _COCO_LIMBS, :]], axis=-2)
    return joined.astype(np.float32)


def centred(points: FloatArray) -> FloatArray:
    """Coordinates about the middle of the hips, frame by frame: where somebody walks is not how. (..., 14, 3)."""
    middle = 0.5 * (points[..., LEFT_HIP, :] + points[..., RIGHT_HIP, :])
    return np.asarray(points - middle[..., None, :], np.float32)


def cut(recordings: Sequence[Recording], frames: int, source: str) -> SkeletonSequences:
    """Sequences of ``frames`` skeletons, each beginning half a sequence after the one before, about the hips.

    A skeleton with an unknown joint divides a recording in two.

    Args:
        recordings: with the joints of ``JOINTS``.
        frames: f.
        source: for the message.

    Raises:
        UserError: when joints are not those of ``JOINTS``, or no recording holds a whole sequence.
    """
    if frames < 2:
        raise UserError(f"{source}: sequences of {frames} frames show no movement; at least 2")
    none = np.zeros((0, frames, len(JOINTS), 3), np.float32)
    pieces, people, numbers = [none], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    number = longest = 0
    for recording in recordings:
        if recording.points.shape[1:] != (len(JOINTS), 3):
            raise UserError(
                f"{source}: recording '{recording.name}' has skeletons of shape {recording.points.shape[1:]}, "
                f"{(len(JOINTS), 3)} are wanted"
            )
        whole = np.isfinite(recording.points).all(axis=(1, 2))
        edges = np.flatnonzero(np.diff(whole, prepend=False, append=False))
        for first, last in edges.reshape(-1, 2).tolist():
            longest = max(longest, last - first)
            begins = np.arange(first, last - frames + 1, max(frames // 2, 1))
            pieces.append(centred(recording.points[begins[:, None] + np.arange(frames)]))
            people.append(np.full(len(begins), recording.person, np.int64))
            numbers.append(np.full(len(begins), number, np.int64))
            number += 1
    found = SkeletonSequences(np.concatenate(pieces), np.concatenate(people), np.concatenate(numbers))
    if not len(found):
        raise UserError(
            f"{source}: no sequence of {frames} whole skeletons in {len(recordings)} recordings, the longest run of "
            f"{longest} skeletons; ask for shorter sequences, or record longer ones"
        )
    return found


def hold_out(sequences: SkeletonSequences, share: float) -> tuple[IntArray, IntArray]:
    """Rows to learn from and rows to judge by, no skeleton in both, every person that can be in both.

    Of a person with three recordings or more the last are held out whole; of others the end of what there is, less the
    sequence that shares skeletons with it. Who has under four sequences is learnt from only.

    Args:
        sequences: of the training part.
        share: of each person's recordings or sequences that is held out, at least one.

    Returns:
        Rows of the training and of the validation part, rising.
    """
    learn, judge = [], []
    for person in np.unique(sequences.people).tolist():
        rows = np.flatnonzero(sequences.people == person)
        numbers = np.unique(sequences.recordings[rows])
        if len(numbers) >= 3:
            late = np.isin(sequences.recordings[rows], numbers[-max(round(share * len(numbers)), 1) :])
            learn.append(rows[~late])
            judge.append(rows[late])
        elif len(rows) >= 4:
            count = max(round(share * len(rows)), 1)
            learn.append(rows[: -count - 1])
            judge.append(rows[-count:])
        else:
            learn.append(rows)
    empty = [np.zeros(0, np.int64)]
    return np.sort(np.concatenate(learn or empty)), np.sort(np.concatenate(judge or empty))


def resample(
    times_s: DoubleArray, points: FloatArray, fps: float, longest_gap_s: float
) -> tuple[DoubleArray, FloatArray]:
    """Skeletons at even instants: each joint between its neighbours in time, unless they are too far apart.

    Args:
        times_s: (T,) rising.
        points: (T, J, C), NaN where a joint is not known.
        fps: skeletons per second wanted.
        longest_gap_s: over a longer time a joint is not known.

    Returns:
        (T',) seconds from the first instant on, and (T', J, C) float32.
    """
    instants = times_s[0] + np.arange(int((times_s[-1] - times_s[0]) * fps + 1e-6) + 1) / fps
    made = np.full((len(instants), *points.shape[1:]), np.nan, np.float32)
    for joint in range(points.shape[1]):
        known = np.isfinite(points[:, joint]).all(axis=1)
        if known.sum() < 2:
            continue
        times = times_s[known]
        after = np.clip(np.searchsorted(times, instants), 1, len(times) - 1)
        near = times[after] - times[after - 1] <= longest_gap_s + 1e-9
        inside = near & (instants >= times[0] - 1e-9) & (instants <= times[-1] + 1e-9)
        for axis in range(points.shape[2]):
            made[inside, joint, axis] = np.interp(instants[inside], times, points[known, joint, axis])
    return instants, made
