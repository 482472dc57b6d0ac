"""Tracks of skeletons: keypoint HOTA in two protocols, MOTA per joint, average precision per joint.

- Protocol 1, pose tracking: ids of tracks count, within a video. Joints are matched once, by the largest sum of
  similarities, and the totals of several videos are pooled.
- Protocol 2, ReID pose tracking: ids of people count, over all videos together. Joints are matched anew at each
  threshold, as many as possible, then the most alike; the total is the mean over the joints.

Both are the rules of PoseTrack21's evaluation kit, with one exception: where a frame has people on one side only, the
kit adds the joints of the whole video to the false or missed ones; here those of the frame are.

Sources: Döring et al., "PoseTrack21", CVPR 2022, section 4; Andriluka et al., "PoseTrack", CVPR 2018, section 4 (MOTA
and AP); Everingham et al., "The PASCAL VOC Challenge", IJCV 2010 (area under the monotone precision).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.records import DoubleArray, IntArray
from pipeline.evaluation.hota import ALPHAS, HotaTally, matches_tally
from pipeline.evaluation.pairs import EPSILON, assign
from pipeline.evaluation.pose_events import EventCounts, event_counts
from pipeline.evaluation.poses import FOUND_HEADS, FOUND_SIMILARITY, JOINTS, JointComparison, PoseComparison, join_poses

_MEASURES = ("HOTA", "DetA", "AssA", "DetRe", "DetPr", "AssRe", "AssPr", "LocA")
_MOST_FIRST = 1000.0


@dataclass(frozen=True, slots=True)
class PoseScores:
    """Figures of pose tracking, fractions.

    Attributes:
        names: the joints, then ``total``.
        measures: by name, one value per joint and the total; NaN for a joint that the truth never has.
    """

    names: tuple[str, ...]
    measures: dict[str, DoubleArray]

    def total(self) -> dict[str, float]:
        """The totals by measure."""
        return {name: float(values[-1]) for name, values in self.measures.items()}


def protocol_1(tallies: Sequence[Sequence[HotaTally]]) -> PoseScores:
    """Keypoint HOTA with ids that count within each video.

    Args:
        tallies: from ``video_tallies``.
    """
    joints = [sum(of_joint[1:], start=of_joint[0]) for of_joint in zip(*tallies)]
    curves = [tally.curves() for tally in joints]
    measures = {name: np.array([curve[name].mean() for curve in curves]) for name in _MEASURES}
    return _with_totals(measures, VideoSums.of(tallies).totals())


def protocol_2(videos: Sequence[PoseComparison]) -> PoseScores:
    """Keypoint HOTA with ids that count over all videos."""
    whole = join_poses(list(videos))
    curves = [hota_of_joint_again(whole.joint(number)).curves() for number in range(len(JOINTS))]
    measures = {name: np.array([curve[name].mean() for curve in curves]) for name in _MEASURES}
    return _with_totals(measures, {name: float(values.mean()) for name, values in measures.items()})


def hota_of_joint(joint: JointComparison) -> HotaTally:
    """HOTA of one joint with one matching for all thresholds."""
    matched = joint.pairs.select(assign(joint, joint.pairs, joint.pairs.similarity))
    return matches_tally(joint, [matched.select(matched.similarity >= alpha - EPSILON) for alpha in ALPHAS])


def hota_of_joint_again(joint: JointComparison) -> HotaTally:
    """HOTA of one joint, matched anew at each threshold: as many as possible, then the most alike."""
    found = []
    for alpha in ALPHAS:
        enough = joint.pairs.similarity >= alpha - EPSILON
        matched = assign(joint, joint.pairs, joint.pairs.similarity + _MOST_FIRST * enough)
        found.append(joint.pairs.select(matched[enough[matched]]))
    return matches_tally(joint, found)


@dataclass(frozen=True, slots=True, eq=False)
class VideoSums:
    """What protocol 1's totals are pooled from: V videos at 19 thresholds.

    Attributes:
        matches: (V, 19) float64, over all joints.
        truth: (V,) float64, true joints.
        predicted: (V,) float64, predicted joints.
        association: by measure (AssA, AssRe, AssPr), (V, 19) float64, mean over the joints.
        overlap: (V, 19) float64, sum of the similarities of matched joints.
    """

    matches: DoubleArray
    truth: DoubleArray
    predicted: DoubleArray
    association: dict[str, DoubleArray]
    overlap: DoubleArray

    @staticmethod
    def of(tallies: Sequence[Sequence[HotaTally]]) -> "VideoSums":
        """Sum the joints of each video."""
        curves = [[tally.curves() for tally in of_video] for of_video in tallies]
        return VideoSums(
            np.array([np.sum([tally.true_positives for tally in of_video], axis=0) for of_video in tallies]),
            np.array([sum(tally.truth_boxes for tally in of_video) for of_video in tallies], np.float64),
            np.array([sum(tally.predicted_boxes for tally in of_video) for of_video in tallies], np.float64),
            {
                name: np.array([np.mean([joint[name] for joint in of_video], axis=0) for of_video in curves])
                for name in ("AssA", "AssRe", "AssPr")
            },
            np.array([np.sum([tally.overlap for tally in of_video], axis=0) for of_video in tallies]),
        )

    def totals(self, weights: IntArray | None = None) -> dict[str, float]:
        """Totals over joints and videos: joints are pooled for detection; association is the mean over the joints of a
        video, and videos weigh as many matches as they have.

        Args:
            weights: (V,) how often each video counts; None: once.
        """
        times = np.ones(len(self.truth)) if weights is None else weights
        found = times @ self.matches
        truth, predicted = float(times @ self.truth), float(times @ self.predicted)
        measures = {
            name: (times @ (values * self.matches)) / np.maximum(1, found) for name, values in self.association.items()
        }
        measures["DetA"] = found / np.maximum(1, truth + predicted - found)
        measures["DetRe"], measures["DetPr"] = found / max(1.0, truth), found / max(1.0, predicted)
        measures["LocA"] = np.where(found > 0, (times @ self.overlap) / np.maximum(1, found), 1.0)
        measures["HOTA"] = np.sqrt(measures["DetA"] * measures["AssA"])
        return {name: float(measures[name].mean()) for name in _MEASURES}


def video_tallies(videos: Sequence[PoseComparison]) -> list[list[HotaTally]]:
    """Protocol 1's counts, by video and joint."""
    return [[hota_of_joint(video.joint(number)) for number in range(len(JOINTS))] for video in videos]


def video_events(videos: Sequence[PoseComparison]) -> list[list[EventCounts]]:
    """What MOTA is made of, by video and joint."""
    return [[event_counts(video.joint(number), FOUND_SIMILARITY) for number in range(len(JOINTS))] for video in videos]


def mota_per_joint(events: Sequence[Sequence[EventCounts]]) -> PoseScores:
    """MOTA of each joint over all videos, ids within a video; the total is the mean of the joints that occur.

    A joint is found within half a head (``pose_events`` has the correspondence). PoseTrack's script leaves out the last
    frame of each video, as its annotations had faults there; here it counts.

    Args:
        events: from ``video_events``.
    """
    joints = [sum(of_joint[1:], start=of_joint[0]) for of_joint in zip(*events)]
    mota = np.array([joint.mota if joint.truth else np.nan for joint in joints])
    return _with_totals({"MOTA": mota}, {"MOTA": float(np.nanmean(mota)) if np.isfinite(mota).any() else 0.0})


def average_precision(videos: Sequence[PoseComparison]) -> PoseScores:
    """Average precision of each joint over all videos; the total is the mean of the joints.

    Skeletons are matched first, by the share of the true person's joints that are found: each prediction goes to its
    best truth, each truth takes the best of these. A joint is right when it is found on the matched person.
    """
    whole = join_poses(list(videos))
    there, given = whole.truth.there, whole.predictions.there
    a, b = whole.rows.T
    found = whole.heads <= FOUND_HEADS
    share = found.sum(axis=1) / np.maximum(1, there.sum(axis=1))[a]
    best = _first_largest(b, a, share)
    kept = best[share[best] > 0]
    matched = kept[_first_largest(a[kept], b[kept], share[kept])]
    right = np.zeros(given.shape, bool)
    right[b[matched]] = found[matched]
    values = np.array(
        [
            voc_average_precision(
                whole.predictions.scores[given[:, j], j], right[given[:, j], j], int(there[:, j].sum())
            )
            for j in range(len(JOINTS))
        ]
    )
    return _with_totals({"AP": values}, {"AP": float(values.mean())})


def voc_average_precision(scores: DoubleArray, right: np.ndarray, truths: int) -> float:
    """Area under precision over recall, where precision is made to fall monotonically.

    Args:
        scores: (N,) of the predictions; equal ones keep their order.
        right: (N,) bool.
        truths: number of things to be found.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    precision = hits / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float(falling[right[order]].sum() / max(1, truths))


def _first_largest(groups: np.ndarray, others: np.ndarray, values: DoubleArray) -> np.ndarray:
    """Index of the largest value of each group; of equal ones that with the smallest other."""
    order = np.lexsort((others, -values, groups))
    first = np.ones(len(order), bool)
    first[1:] = np.diff(groups[order]) != 0
    return order[first]


def _with_totals(measures: dict[str, DoubleArray], totals: dict[str, float]) -> PoseScores:
    return PoseScores((*JOINTS, "total"), {name: np.append(values, totals[name]) for name, values in measures.items()})
