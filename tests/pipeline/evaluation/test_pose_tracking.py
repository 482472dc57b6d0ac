"""Tracks of skeletons, against plain loops over the published rules and numbers worked out by hand."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from pipeline.evaluation.pose_tracking import (
    average_precision,
    mota_per_joint,
    protocol_1,
    protocol_2,
    video_events,
    video_tallies,
    voc_average_precision,
)
from pipeline.evaluation.poses import JOINTS, PoseComparison, PoseTable

ALPHAS = np.arange(0.05, 0.99, 0.05)
HEAD = np.array([0.0, 0, 30, 40])
"""Diagonal 50: a head of 30 px."""


def skeleton(left: float, top: float = 50.0) -> np.ndarray:
    """17 joints 10 px apart, all there but the ears."""
    points = np.stack([np.full(17, left), top + 10 * np.arange(17), np.ones(17)], axis=1)
    points[3:5] = 0
    return points


def video(seed: int, people: int = 4, length: int = 12) -> PoseComparison:
    """People beside one another; a tracker that misses joints and people, drifts and switches."""
    rng = np.random.default_rng(seed)
    frames, ids = (grid.ravel() for grid in np.meshgrid(np.arange(length), np.arange(people), indexing="ij"))
    points = np.stack([skeleton(100.0 + 14 * person) for person in ids])
    here = rng.random(len(ids)) < 0.9
    truth = np.where(rng.random((len(ids), 17, 1)) < 0.85, points, 0.0)
    moved = points + np.concatenate([rng.normal(0, 6, (len(ids), 17, 2)), np.zeros((len(ids), 17, 1))], axis=2)
    moved[..., 2] = rng.random((len(ids), 17))
    given = np.where(rng.random((len(ids), 17, 1)) < 0.85, moved, 0.0)
    seen = rng.random(len(ids)) < 0.9
    named = np.where(frames < 5, ids, (ids + seed) % people + 1)
    heads = np.tile(HEAD, (len(ids), 1))
    return PoseComparison.of(
        PoseTable.make(frames[here], ids[here], truth[here], head_boxes=heads[here]),
        PoseTable.make(frames[seen], named[seen], given[seen]),
        length,
    )


def loops(videos: list[PoseComparison], number: int, again: bool) -> dict[str, np.ndarray]:
    """HOTA of one joint by the published rules, one frame and one threshold at a time."""
    results = {name: np.zeros(len(ALPHAS)) for name in ("TP", "FN", "FP", "AssA")}
    for a, alpha in enumerate(ALPHAS):
        together: dict[tuple[int, int], int] = {}
        of_truth: dict[int, int] = {}
        of_prediction: dict[int, int] = {}
        for part in videos:
            for frame in range(part.length):
                true, given = part.truth.frames == frame, part.predictions.frames == frame
                true &= (part.truth.joints[:, number] > 0).all(axis=1)
                given &= (part.predictions.joints[:, number] > 0).all(axis=1)
                for person in part.truth.ids[true]:
                    of_truth[person] = of_truth.get(person, 0) + 1
                for person in part.predictions.ids[given]:
                    of_prediction[person] = of_prediction.get(person, 0) + 1
                points, others = part.truth.joints[true, number], part.predictions.joints[given, number]
                distance = np.linalg.norm(points[:, None] - others[None], axis=2) / 30
                similarity = np.maximum(0, 1 - distance / 0.5001)
                matrix = similarity + 1000 * (similarity >= alpha) if again else similarity
                rows, columns = linear_sum_assignment(matrix, maximize=True)
                matched = similarity[rows, columns] >= alpha
                results["TP"][a] += matched.sum()
                results["FN"][a] += true.sum() - matched.sum()
                results["FP"][a] += given.sum() - matched.sum()
                for row, column in zip(rows[matched], columns[matched]):
                    key = part.truth.ids[true][row], part.predictions.ids[given][column]
                    together[key] = together.get(key, 0) + 1
        total = sum(n * n / (of_truth[one] + of_prediction[two] - n) for (one, two), n in together.items())
        results["AssA"][a] = total / max(1, results["TP"][a])
    detection = results["TP"] / (results["TP"] + results["FN"] + results["FP"])
    return {"HOTA": np.sqrt(detection * results["AssA"]), "DetA": detection, "AssA": results["AssA"]}


@pytest.mark.parametrize("number", [0, 7, 14])
def test_keypoint_hota_is_that_of_loops(number: int) -> None:
    videos = [video(1), video(2)]
    ours = protocol_2(videos).measures
    for name, values in loops(videos, number, again=True).items():
        assert ours[name][number] == pytest.approx(values.mean(), abs=1e-9), name
    single = protocol_1(video_tallies(videos[:1])).measures
    for name, values in loops(videos[:1], number, again=False).items():
        assert single[name][number] == pytest.approx(values.mean(), abs=1e-9), name


def test_ids_count_within_a_video_or_over_all() -> None:
    """A tracker that names the same two people anew in the second video."""
    frames, people = np.repeat(np.arange(4), 2), np.tile([0, 1], 4)
    points = np.stack([skeleton(100.0 + 200 * person) for person in people])
    truth = PoseTable.make(frames, people, points, head_boxes=np.tile(HEAD, (8, 1)))
    same = PoseComparison.of(truth, PoseTable.make(frames, people + 5, points), 4)
    anew = PoseComparison.of(truth, PoseTable.make(frames, people + 9, points), 4)
    assert protocol_1(video_tallies([same, anew])).total()["HOTA"] == pytest.approx(1)
    assert protocol_2([same, same]).total()["HOTA"] == pytest.approx(1)
    assert protocol_2([same, anew]).total()["AssA"] == pytest.approx(0.5)
    assert protocol_2([same, anew]).total()["DetA"] == pytest.approx(1)


def test_similarity_falls_over_half_a_head() -> None:
    truth = PoseTable.make(np.array([0]), np.array([1]), skeleton(100.0)[None], head_boxes=HEAD[None])
    for off, expected in ((0.0, 1.0), (7.5, 1 - 0.25 / 0.5001), (14.9, 1 - (14.9 / 30) / 0.5001), (15.1, None)):
        pairs = (
            PoseComparison.of(truth, PoseTable.make(np.array([0]), np.array([7]), skeleton(100.0 + off)[None]), 1)
            .joint(0)
            .pairs
        )
        assert list(pairs.similarity) == ([] if expected is None else [pytest.approx(expected)])


def test_mota_counts_misses_false_ones_and_switches() -> None:
    """Ten frames of one person: one miss, a switch, two ghosts."""
    frames = np.arange(10)
    points = np.tile(skeleton(100.0), (10, 1, 1))
    truth = PoseTable.make(frames, np.zeros(10, int), points, head_boxes=np.tile(HEAD, (10, 1)))
    seen = frames != 4
    ids = np.where(frames < 5, 1, 2)
    ghosts = np.tile(skeleton(900.0), (2, 1, 1))
    predictions = PoseTable.make(
        np.concatenate([frames[seen], [0, 1]]), np.append(ids[seen], [8, 8]), np.concatenate([points[seen], ghosts])
    )
    scores = mota_per_joint(video_events([PoseComparison.of(truth, predictions, 10)]))
    assert scores.names == (*JOINTS, "total")
    assert scores.measures["MOTA"] == pytest.approx([1 - (1 + 2 + 1) / 10] * 16)


def motmetrics_of(part: PoseComparison, number: int) -> float:
    """MOTA of one joint by motmetrics, which PoseTrack's own script uses."""
    import motmetrics

    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for frame in range(part.length):
        true = (part.truth.frames == frame) & part.truth.there[:, number]
        given = (part.predictions.frames == frame) & part.predictions.there[:, number]
        points, others = part.truth.joints[true, number], part.predictions.joints[given, number]
        distance = np.linalg.norm(points[:, None] - others[None], axis=2) / 30
        distance[distance > 0.5] = np.nan
        accumulator.update(part.truth.ids[true], part.predictions.ids[given], distance)
    with motmetrics.lap.set_default_solver("scipy"):
        found = motmetrics.metrics.create().compute(accumulator, metrics=["mota"], return_dataframe=False)
    return float(found["mota"])


@pytest.mark.parametrize("seed", [3, 5])
def test_mota_is_that_of_motmetrics(seed: int) -> None:
    """People stand so close that a joint lies near several: what goes on, and what is matched anew, decides."""
    part = video(seed, people=6, length=40)
    ours = mota_per_joint(video_events([part])).measures["MOTA"]
    for number in (0, 4, 9, 14):
        assert ours[number] == pytest.approx(motmetrics_of(part, number), abs=1e-12)


def test_a_joint_the_truth_never_has_is_no_zero() -> None:
    points = skeleton(100.0)[None].copy()
    truth_points = points.copy()
    truth_points[0, 16] = 0
    part = PoseComparison.of(
        PoseTable.make(np.array([0]), np.array([0]), truth_points, head_boxes=HEAD[None]),
        PoseTable.make(np.array([0]), np.array([0]), points),
        1,
    )
    mota = mota_per_joint(video_events([part])).measures["MOTA"]
    assert np.isnan(mota[14])
    assert mota[15] == 1


def test_average_precision_by_hand() -> None:
    """Right, wrong, right by falling score, three to be found: (1 + 2/3) / 3."""
    assert voc_average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 3) == pytest.approx(5 / 9)
    assert voc_average_precision(np.array([0.7, 0.9, 0.8]), np.array([True, True, False]), 3) == pytest.approx(5 / 9)
    assert voc_average_precision(np.array([0.5, 0.9]), np.array([True, False]), 1) == pytest.approx(0.5)


def test_joints_count_on_the_matched_person_only() -> None:
    """A second skeleton on the same person is false, however near; the better one is matched."""
    good, worse = skeleton(100.0), skeleton(105.0)
    worse[10:, 0] += 100
    worse[:, 2] = 0.9
    good[:, 2] = 0.5
    truth = PoseTable.make(np.array([0]), np.array([0]), skeleton(100.0)[None], head_boxes=HEAD[None])
    predictions = PoseTable.make(np.array([0, 0]), np.array([1, 2]), np.stack([worse, good]))
    ap = average_precision([PoseComparison.of(truth, predictions, 1)]).measures["AP"]
    assert ap == pytest.approx([0.5] * 16)
    alone = average_precision([PoseComparison.of(truth, predictions.select(np.array([False, True])), 1)])
    assert alone.measures["AP"] == pytest.approx([1.0] * 16)
