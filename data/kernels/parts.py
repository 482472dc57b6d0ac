"""Visibility-weighted distance between part embeddings."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from data.kernels.checks import one_of
from data.records import PartEmbeddings

FloatArray = NDArray[np.float32]
VisibilityMode = Literal["continuous", "binary"]


def pair_weights(a: PartEmbeddings, b: PartEmbeddings, mode: VisibilityMode = "continuous") -> FloatArray:
    """Weight of each part in the distance of each pair.

    continuous: sqrt(v_a v_b); binary: 1 where both are above 0.5. A holistic vector describes whatever is visible, so
    its weight is multiplied by the share of "part" weight that the pair has in common. Where one side shows no part at
    all (a box without a skeleton) nothing is known of what they share, and the holistic vector keeps its weight.

    Returns:
        (N, M, P) float32, >= 0.
    """
    holistic = np.array([kind == "holistic" for kind in a.part_kinds])
    return joint_visibility(a.visibility[:, None], b.visibility[None], holistic, mode)


def joint_visibility(
    a: FloatArray, b: FloatArray, holistic: NDArray[np.bool_], mode: VisibilityMode = "continuous"
) -> FloatArray:
    """Weight of each part from two visibilities, as ``pair_weights`` has it.

    Args:
        a: (..., P) visibility of each part, 0-1.
        b: (..., P), of a shape that broadcasts with that of ``a``.
        holistic: (P,) whether a part describes all that is visible.
        mode: how two visibilities become a weight.

    Returns:
        (..., P) float32 in the common shape, >= 0.

    Raises:
        UserError: for an unknown mode.
    """
    one_of(mode, get_args(VisibilityMode), "the mode of visibilities")
    if mode == "binary":
        weights = ((a > 0.5) & (b > 0.5)).astype(np.float32)
    else:
        weights = np.sqrt(a.astype(np.float32) * b.astype(np.float32))
    if holistic.any() and not holistic.all():
        seen_a, seen_b = a[..., ~holistic], b[..., ~holistic]
        union = np.maximum(seen_a, seen_b).sum(-1)
        share = weights[..., ~holistic].sum(-1)
        np.divide(share, union, out=share, where=union > 0)
        share[np.broadcast_to((seen_a.sum(-1) == 0) | (seen_b.sum(-1) == 0), share.shape)] = 1
        weights[..., holistic] *= np.clip(share, 0, 1)[..., None]
    return weights


def part_distances(a: PartEmbeddings, b: PartEmbeddings) -> FloatArray:
    """Cosine distance of each part of each pair, 0-2.

    Returns:
        (N, M, P) float32.

    Raises:
        ValueError: when the two sides come from different models.
    """
    if a.model_id != b.model_id or a.part_names != b.part_names:
        raise ValueError(f"embeddings of different models cannot be compared: '{a.model_id}' and '{b.model_id}'")
    left = np.ascontiguousarray(a.vectors.astype(np.float32).transpose(1, 0, 2))
    right = np.ascontiguousarray(b.vectors.astype(np.float32).transpose(1, 2, 0))
    return np.ascontiguousarray(1.0 - np.matmul(left, right).transpose(1, 2, 0))


def embedding_distance(
    a: PartEmbeddings, b: PartEmbeddings, mode: VisibilityMode = "continuous"
) -> tuple[FloatArray, FloatArray]:
    """Visibility-weighted mean of the part distances.

    Args:
        a: N rows.
        b: M rows.
        mode: how two visibilities become a weight, see ``pair_weights``.

    Returns:
        distance: (N, M) float32 cosine distance, 0-2; NaN where no part is mutually visible ("no evidence").
        weight: (N, M) float32 mean weight per part, 0-1: how much evidence the distance rests on.
    """
    weights = pair_weights(a, b, mode)
    total = weights.sum(-1)
    summed = (weights * part_distances(a, b)).sum(-1)
    distance = np.full_like(total, np.nan)
    np.divide(summed, total, out=distance, where=total > 1e-6)
    return distance, total / max(weights.shape[-1], 1)
