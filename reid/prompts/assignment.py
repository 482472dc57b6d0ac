"""Whose skeleton is whose: matching skeletons to boxes, the target of a box, and the negatives of a row.

A promptable model describes the person whose keypoints it is given (KPR, Somers et al., ECCV 2024); every other
skeleton in the box is a negative prompt. All functions take COCO-17 keypoints in the pixels of the frame.
"""

import numpy as np
from numpy.typing import NDArray

from data.kernels.boxes import iou_matrix
from data.kernels.keypoints import bounds, same_person
from data.records import FloatArray, Poses

_HEAD = slice(0, 5)
_SHOULDERS = slice(5, 7)
# A tight box round the keypoints of a whole person lacks the crown, the soles and the width of arms and hips.
_GROW_TOP, _GROW_BOTTOM, _GROW_SIDES = 0.12, 0.08, 0.15
# Keypoints a little outside a box still belong to it: boxes are cut close.
_MARGIN = 0.1
# Half the box's width and a quarter of its height away from the top centre, the head's term has fallen to exp(-1).
_HEAD_SPREAD = (0.5, 0.25)
_MIN_INSIDE = 0.5
_MIN_SCORE = 0.1


def match_skeletons(boxes: FloatArray, skeletons: FloatArray, min_confidence: float = 0.05) -> Poses:
    """Give each box at most one skeleton, each skeleton at most one box (Hungarian on ``skeleton_scores``).

    Args:
        boxes: (N, 4) xyxy px.
        skeletons: (M, 17, 3) x px, y px, confidence; a NaN keypoint counts as unseen.
        min_confidence: keypoints at or below it do not count.

    Returns:
        Row-aligned with the boxes; a box without a skeleton has a zero row, a skeleton without a box is spare.
        Skeletons without a counted keypoint are dropped.
    """
    from scipy.optimize import linear_sum_assignment

    skeletons = finite_keypoints(skeletons)
    skeletons = skeletons[(skeletons[..., 2] > min_confidence).any(axis=1)]
    scores = skeleton_scores(boxes, skeletons, min_confidence)
    rows, columns = linear_sum_assignment(-scores)
    sound = scores[rows, columns] >= _MIN_SCORE
    rows, columns = rows[sound], columns[sound]
    keypoints = np.zeros((len(boxes), 17, 3), np.float32)
    keypoints[rows] = skeletons[columns]
    spare = np.ones(len(skeletons), bool)
    spare[columns] = False
    return Poses(keypoints, skeletons[spare])


def choose_target(box: FloatArray, skeletons: FloatArray, min_confidence: float = 0.05) -> int:
    """The skeleton a box was drawn for, when several are in it.

    The person a detector boxed fills the box, with the head near the middle of its upper edge; a neighbour who is
    partly in the picture does neither.

    Args:
        box: (4,) xyxy px.
        skeletons: (M, 17, 3).
        min_confidence: keypoints at or below it do not count.

    Returns:
        Index of the skeleton, the first of equals; -1 where none fits.
    """
    if not len(skeletons):
        return -1
    scores = skeleton_scores(np.asarray(box, np.float32)[None], finite_keypoints(skeletons), min_confidence)[0]
    best = int(np.argmax(scores))
    return best if scores[best] >= _MIN_SCORE else -1


def head_distances(skeletons: FloatArray, size: tuple[int, int], min_confidence: float = 0.05) -> FloatArray:
    """How far each head is from the middle of a crop's upper edge.

    The person whose head is nearest there is the one a crop of a data set was cut for: the rule by which the targets of
    KPR's annotations were told.

    Args:
        skeletons: (M, 17, 3) finite, in pixels of the crop.
        size: width, height of the crop, px.
        min_confidence: keypoints at or below it do not count.

    Returns:
        (M,) float32 px; without a head the shoulders' distance, without either infinite.
    """
    weights = np.where(skeletons[..., 2] > min_confidence, skeletons[..., 2], 0).astype(np.float32)
    head, seen = _centre(skeletons[:, _HEAD], weights[:, _HEAD])
    shoulders, fallback = _centre(skeletons[:, _SHOULDERS], weights[:, _SHOULDERS])
    place = np.where(seen[:, None], head, shoulders)
    distance = np.hypot(place[:, 0] - size[0] / 2, place[:, 1])
    return np.where(seen | fallback, distance, np.inf).astype(np.float32)


def distinct(skeletons: FloatArray, min_confidence: float = 0.05) -> NDArray[np.int64]:
    """Rows that are nobody's second skeleton: a person found twice (``same_person``) keeps the first row.

    Args:
        skeletons: (M, 17, 3) finite, the best first.
        min_confidence: keypoints at or below it do not count.
    """
    same = same_person(skeletons, skeletons, min_confidence)
    kept: list[int] = []
    for row in range(len(skeletons)):
        if not same[kept, row].any():
            kept.append(row)
    return np.array(kept, np.int64)


def skeleton_scores(boxes: FloatArray, skeletons: FloatArray, min_confidence: float = 0.05) -> FloatArray:
    """How well each skeleton fits each box.

    The share of its confidence that lies inside, times the mean of two terms: IoU of the box with the skeleton's own
    (grown) box, and nearness of the head to the middle of the upper edge. 0 where less than half lies inside.

    Args:
        boxes: (N, 4) xyxy px.
        skeletons: (M, 17, 3), finite.
        min_confidence: keypoints at or below it do not count.

    Returns:
        (N, M) float32, 0-1.
    """
    weights = np.where(skeletons[..., 2] > min_confidence, skeletons[..., 2], 0).astype(np.float32)
    within = _within(boxes, skeletons, _MARGIN)
    total = weights.sum(axis=1)
    inside = np.einsum("nmk,mk->nm", within, weights) / np.maximum(total, 1e-6)
    cover = iou_matrix(boxes.astype(np.float32), person_boxes(skeletons, min_confidence))
    near = _head_nearness(boxes, skeletons, weights)
    scores = inside * (cover + near) / 2
    return np.where((inside >= _MIN_INSIDE) & (total > 0), scores, 0).astype(np.float32)


def negatives_for(
    boxes: FloatArray, keypoints: FloatArray, spare: FloatArray, min_confidence: float = 0.05
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Every other skeleton that shows inside a box: the rows' own skeletons and the spare ones of the frame.

    A second skeleton of the row's own person (``same_person``) is no negative: it would erase the person.

    Args:
        boxes: (N, 4) xyxy px.
        keypoints: (N, 17, 3) the rows' own skeletons.
        spare: (U, 17, 3) the frame's other skeletons.
        min_confidence: a skeleton shows when a keypoint above this lies inside the box.

    Returns:
        negatives: (N, K, 17, 3) float32, in the order rows, then spare ones; K is the largest number any row has, the
            rest is zero. Keypoints outside the box are kept (they tell where a limb goes).
        counts: (N,) int64, how many of the K are real.
    """
    everyone = np.concatenate([finite_keypoints(keypoints), finite_keypoints(spare)]).astype(np.float32)
    confident = everyone[..., 2] > min_confidence
    shows = (_within(boxes, everyone, 0.0) & confident[None]).any(axis=-1)
    own = everyone[: len(boxes)]
    shows &= ~same_person(own, everyone, min_confidence)
    shows[np.arange(len(boxes)), np.arange(len(boxes))] = False
    counts = shows.sum(axis=1)
    widest = int(counts.max(initial=0))
    # A stable sort of "does not show" brings the skeletons that do to the front without changing their order.
    order = np.argsort(~shows, axis=1, kind="stable")[:, :widest]
    negatives = everyone[order]
    negatives[np.arange(widest)[None] >= counts[:, None]] = 0
    return negatives, counts.astype(np.int64)


def person_boxes(skeletons: FloatArray, min_confidence: float = 0.05) -> FloatArray:
    """A box round each skeleton, grown from the keypoints to the outline.

    Args:
        skeletons: (M, 17, 3), finite.
        min_confidence: keypoints at or below it do not count.

    Returns:
        (M, 4) float32 xyxy px; zeros for a skeleton without a counted keypoint.
    """
    tight = bounds(skeletons, min_confidence)
    width, height = tight[:, 2] - tight[:, 0], tight[:, 3] - tight[:, 1]
    sides = _GROW_SIDES * np.maximum(width, height / 3)
    top, bottom = _GROW_TOP * height, _GROW_BOTTOM * height
    grown = np.stack([tight[:, 0] - sides, tight[:, 1] - top, tight[:, 2] + sides, tight[:, 3] + bottom], axis=1)
    return grown.astype(np.float32)


def _within(boxes: FloatArray, skeletons: FloatArray, margin: float) -> NDArray[np.bool_]:
    """Whether each keypoint lies in each box grown by a share of its sides, (N, M, 17)."""
    grow = margin * (boxes[:, 2:] - boxes[:, :2])
    low, high = (boxes[:, :2] - grow)[:, None, None], (boxes[:, 2:] + grow)[:, None, None]
    points = skeletons[None, ..., :2]
    return np.asarray(((points >= low) & (points <= high)).all(axis=-1))


def _head_nearness(boxes: FloatArray, skeletons: FloatArray, weights: FloatArray) -> FloatArray:
    """exp(-squared distance of head and upper middle of the box in spreads), (N, M); 0 without head and shoulders."""
    head, seen = _centre(skeletons[:, _HEAD], weights[:, _HEAD])
    shoulders, fallback = _centre(skeletons[:, _SHOULDERS], weights[:, _SHOULDERS])
    place = np.where(seen[:, None], head, shoulders)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    middle = (boxes[:, 0] + boxes[:, 2]) / 2
    along = (place[None, :, 0] - middle[:, None]) / np.maximum(_HEAD_SPREAD[0] * width, 1e-6)[:, None]
    down = (place[None, :, 1] - boxes[:, 1, None]) / np.maximum(_HEAD_SPREAD[1] * height, 1e-6)[:, None]
    near = np.exp(-(along**2 + down**2))
    return np.where((seen | fallback)[None], near, 0).astype(np.float32)


def _centre(points: FloatArray, weights: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    total = weights.sum(axis=1)
    centre = (points[..., :2] * weights[..., None]).sum(axis=1) / np.maximum(total, 1e-6)[:, None]
    return centre.astype(np.float32), total > 0


def finite_keypoints(skeletons: FloatArray) -> FloatArray:
    """Keypoints with a NaN or infinite number become unseen (zero)."""
    sound = np.isfinite(skeletons).all(axis=-1, keepdims=True)
    return np.where(sound, skeletons, 0).astype(np.float32)
