"""What the pipeline asks of an appearance model."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from data.kernels.vectors import to_unit_length
from data.records import EmbedRequest, FloatArray, PartEmbeddings


class Embedder(Protocol):
    """An appearance model ready to run; the requests of all cameras go through it in one batch."""

    model_id: str
    part_names: tuple[str, ...]
    part_kinds: tuple[str, ...]
    dim: int

    def __call__(self, requests: Sequence[EmbedRequest]) -> list[PartEmbeddings]:
        """One ``PartEmbeddings`` per request, row-aligned with its boxes; vectors (N, P, dim) of unit length."""
        ...


@runtime_checkable
class AttentiveEmbedder(Embedder, Protocol):
    """An appearance model that can say where each of its parts looked."""

    def with_masks(self, requests: Sequence[EmbedRequest]) -> list[tuple[PartEmbeddings, FloatArray]]:
        """As a call; with the (N, P, h, w) float32 masks, 0-1 over each box, that the parts were pooled by."""
        ...


def no_evidence(embedder: Embedder, count: int) -> PartEmbeddings:
    """``count`` rows without any visible part, in the shape the embedder gives."""
    parts = len(embedder.part_names)
    vectors: NDArray[np.float32] = np.zeros((count, parts, embedder.dim), np.float32)
    visibility = np.zeros((count, parts), np.float32)
    return PartEmbeddings(vectors, visibility, embedder.part_names, embedder.part_kinds, embedder.model_id)


def unit(vectors: FloatArray) -> FloatArray:
    """Unit length along the last axis; zero vectors, and vectors that are not finite, become zero."""
    made: FloatArray = np.where(np.isfinite(vectors).all(axis=-1, keepdims=True), vectors, 0).astype(np.float32)
    to_unit_length(made)
    return made
