"""Visibility-weighted distance matrix between part embeddings, for retrieval over whole galleries.

total(q, g) = sum_k w_k d_k / sum_k w_k with w_k = v_qk v_gk (binary) or sqrt(v_qk v_gk) (continuous), BPBReID section
3.4. In both modes w^2 = v_q v_g, so both the weight and the norms ride along in the matrix product: with the rows
v_q (-2 q, |q|^2, 1) and v_g (g, 1, |g|^2) it gives w^2 d^2. Blocks keep everything but the result in cache.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from data.errors import UserError
from data.kernels.checks import one_of

Metric = Literal["euclidean", "cosine"]
Combination = Literal["mean", "max"]
Uncomparable = Literal["infinite", "published"]

_QUERY_BLOCK, _GALLERY_BLOCK = 256, 2048


@torch.inference_mode()
def distance_matrix(
    queries: Tensor,
    gallery: Tensor,
    query_visibility: Tensor | None = None,
    gallery_visibility: Tensor | None = None,
    metric: Metric = "euclidean",
    combine: Combination = "mean",
    uncomparable: Uncomparable = "infinite",
) -> Tensor:
    """Distance of every query to every gallery row.

    Args:
        queries: (Q, K, D) float32, unit length per part.
        gallery: (G, K, D) float32, unit length per part.
        query_visibility: (Q, K) bool (binary mode) or float 0-1 (continuous mode); None counts every part fully.
        gallery_visibility: (G, K), of the same mode.
        metric: euclidean: |q - g|, 0-2; cosine: 1 - q.g, 0-2.
        combine: mean over the parts, weighted; max: the largest distance of a mutually visible part (binary mode).
        uncomparable: what a pair without a mutually visible part gets. infinite: no evidence, ranked behind everything.
            published: the originals' rule, 1 more than the largest part distance of any comparable entry, a value that
            depends on the whole gallery.

    Returns:
        (Q, G) float32.

    Raises:
        UserError: for shapes that do not fit, visibilities on one side only, of two modes or outside 0-1, max in
            continuous mode, or an unknown way.
    """
    one_of(metric, get_args(Metric), "a metric")
    one_of(combine, get_args(Combination), "the way part distances are combined")
    one_of(uncomparable, get_args(Uncomparable), "what a pair without a common part gets")
    query_weight, gallery_weight = _weights(queries, gallery, query_visibility, gallery_visibility)
    if combine == "max" and query_visibility is not None and query_visibility.dtype != torch.bool:
        raise UserError("the largest part distance is defined for boolean visibilities only")
    left = _left_rows(queries, query_weight, metric)
    fused = metric == "cosine" and combine == "mean"
    out = torch.empty(len(queries), len(gallery), device=queries.device)
    for g in range(0, len(gallery), _GALLERY_BLOCK):
        columns = slice(g, g + _GALLERY_BLOCK)
        right = _right_rows(gallery[columns], gallery_weight[columns], metric)
        gallery_root = gallery_weight[columns].sqrt().T
        for q in range(0, len(queries), _QUERY_BLOCK):
            rows = slice(q, q + _QUERY_BLOCK)
            if fused:
                block = left[:, rows].transpose(0, 1).flatten(1) @ right.transpose(0, 1).flatten(1).T
            else:
                block = _combined(left[:, rows], right, metric, combine)
            weight = query_weight[rows].sqrt() @ gallery_root
            if combine == "mean":
                block /= weight
            out[rows, columns] = block.masked_fill_(weight == 0, torch.inf)
    if uncomparable == "published":
        missing = torch.isinf(out)
        if missing.any():
            out[missing] = _largest_part_distance(queries, gallery, query_weight, gallery_weight, metric) + 1
    return out


def _combined(left: Tensor, right: Tensor, metric: Metric, combine: Combination) -> Tensor:
    block = part = torch.empty(0)
    for k, (rows, columns) in enumerate(zip(left, right, strict=True)):
        part = torch.mm(rows, columns.T)
        if metric == "euclidean":
            part = part.clamp_(min=0).sqrt_()
        if k == 0:
            block = part
        elif combine == "mean":
            block += part
        else:
            block = torch.maximum(block, part, out=block)
    return block


def _left_rows(vectors: Tensor, weight: Tensor, metric: Metric) -> Tensor:
    """(Q, K, D) -> (K, Q, D + 2), or (K, Q, D + 1) for cosine."""
    ones = torch.ones_like(vectors[..., :1])
    if metric == "cosine":
        rows = torch.cat([-vectors, ones], -1) * weight.sqrt()[..., None]
    else:
        rows = torch.cat([-2 * vectors, vectors.square().sum(-1, keepdim=True), ones], -1) * weight[..., None]
    return rows.transpose(0, 1).contiguous()


def _right_rows(vectors: Tensor, weight: Tensor, metric: Metric) -> Tensor:
    """(G, K, D) -> (K, G, D + 2), or (K, G, D + 1) for cosine."""
    ones = torch.ones_like(vectors[..., :1])
    if metric == "cosine":
        rows = torch.cat([vectors, ones], -1) * weight.sqrt()[..., None]
    else:
        rows = torch.cat([vectors, ones, vectors.square().sum(-1, keepdim=True)], -1) * weight[..., None]
    return rows.transpose(0, 1).contiguous()


def _largest_part_distance(
    queries: Tensor, gallery: Tensor, query_weight: Tensor, gallery_weight: Tensor, metric: Metric
) -> float:
    """Largest distance of any mutually visible part of any pair; -1 where there is none."""
    largest = -1.0
    left = _left_rows(queries, torch.ones_like(query_weight), metric)
    for g in range(0, len(gallery), _GALLERY_BLOCK):
        columns = slice(g, g + _GALLERY_BLOCK)
        right = _right_rows(gallery[columns], torch.ones_like(gallery_weight[columns]), metric)
        for k in range(queries.shape[1]):
            for q in range(0, len(queries), _QUERY_BLOCK):
                rows = slice(q, q + _QUERY_BLOCK)
                part = _combined(left[k : k + 1, rows], right[k : k + 1], metric, "mean")
                seen = (query_weight[rows, k, None] > 0) & (gallery_weight[None, columns, k] > 0)
                largest = max(largest, float(part.masked_fill_(~seen, -1).max()))
    return largest


def _weights(
    queries: Tensor, gallery: Tensor, query_visibility: Tensor | None, gallery_visibility: Tensor | None
) -> tuple[Tensor, Tensor]:
    if queries.ndim != 3 or gallery.ndim != 3 or queries.shape[1:] != gallery.shape[1:]:
        raise UserError(f"parts or dimensions differ: queries {tuple(queries.shape)}, gallery {tuple(gallery.shape)}")
    if (query_visibility is None) != (gallery_visibility is None):
        raise UserError("visibilities are given for one side only")
    if query_visibility is not None and gallery_visibility is not None:
        modes = {visibility.dtype == torch.bool for visibility in (query_visibility, gallery_visibility)}
        if len(modes) > 1:
            raise UserError("visibilities are bool on both sides, or on neither: the two weigh a pair differently")
    weights = []
    for vectors, visibility in ((queries, query_visibility), (gallery, gallery_visibility)):
        if visibility is None:
            visibility = torch.ones(vectors.shape[:2], device=vectors.device)
        if visibility.shape != vectors.shape[:2]:
            raise UserError(f"visibilities {tuple(visibility.shape)} of embeddings {tuple(vectors.shape)}")
        if visibility.numel() and not bool(((visibility >= 0) & (visibility <= 1)).all()):
            raise UserError("visibilities lie between 0 and 1")
        weights.append(visibility.to(vectors.dtype))
    return weights[0], weights[1]
