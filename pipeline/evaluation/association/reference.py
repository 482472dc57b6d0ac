"""What plain clustering would reach if somebody told it the best threshold: a bar for the associator."""

from collections.abc import Sequence

import numpy as np

from data.errors import UserError
from data.records import IntArray, Tracklet
from pipeline.evaluation.association.scores import PairScores, score_pairs
from pipeline.evaluation.association.truth import Key, TrackletTruth

MOST_TRACKLETS = 6000
_CUTS = 200


def best_average_linkage(
    tracklets: Sequence[Tracklet], truth: TrackletTruth, camera_means: bool = False
) -> tuple[PairScores, dict[Key, int]]:
    """Average linkage over cosine distances of mean looks, cut where the pair F is best: it looks at the truth.

    Args:
        tracklets: all with prototypes of one model.
        truth: who they are.
        camera_means: remove the mean look of each camera first.

    Returns:
        Scores of the best cut, and its identities.

    Raises:
        UserError: without prototypes, or for more than ``MOST_TRACKLETS``: memory grows with their square.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(tracklets) > MOST_TRACKLETS:
        raise UserError(f"the reference holds all pairs and takes {MOST_TRACKLETS} tracklets, not {len(tracklets)}")
    by_key = {item.key: item for item in tracklets}
    ordered = [by_key[key] for key in truth.keys]
    if any(item.prototypes is None or not len(item.prototypes) for item in ordered):
        raise UserError("the reference clusters looks, and a tracklet has none")
    looks = np.stack([_mean_look(item) for item in ordered])
    if camera_means:
        cameras = np.array([item.camera for item in ordered])
        for camera in np.unique(cameras):
            looks[cameras == camera] -= looks[cameras == camera].mean(axis=0)
    person, _ = truth.main()
    if len(ordered) < 2:
        return score_pairs(person, np.arange(len(ordered))), {key: row for row, key in enumerate(truth.keys)}
    tree = linkage(looks, "average", metric="cosine")
    best, names = score_pairs(person, np.arange(len(ordered))), np.arange(len(ordered))
    for height in np.quantile(tree[:, 2], np.linspace(0, 1, _CUTS)):
        cut: IntArray = fcluster(tree, height, "distance").astype(np.int64)
        found = score_pairs(person, cut)
        if found.f > best.f:
            best, names = found, cut
    return best, dict(zip(truth.keys, names.tolist()))


def _mean_look(tracklet: Tracklet) -> np.ndarray:
    assert tracklet.prototypes is not None
    mean: np.ndarray = tracklet.prototypes.vectors.astype(np.float64).mean(axis=0).ravel()
    return mean
