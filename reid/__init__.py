"""Appearance: models, prompts, extraction, ranking and ReID metrics.

    from data.records import EmbedRequest
    from reid import KprEmbedder, part_distances

    embedder = KprEmbedder("weights.safetensors")
    first, second = embedder([EmbedRequest(image, boxes, keypoints), EmbedRequest(other_image, other_boxes)])
    distances = part_distances(first, second)

What is exported is imported when it is first used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.kernels.parts import embedding_distance, part_distances
    from reid.embedders.base import Embedder
    from reid.embedders.kpr import KprEmbedder
    from reid.losses.attention import attention_loss
    from reid.losses.gilt import gilt_loss
    from reid.losses.triplet import part_triplet_loss
    from reid.ranking.distance import distance_matrix
    from reid.ranking.metrics import retrieval_scores
    from reid.ranking.rerank import rerank_distances, rerank_features
    from reid.samples.network_input import network_input
    from reid.weights.checkpoints import load_model
    from reid.weights.published import import_published
else:
    from data.exports import lazily

    __getattr__, __dir__ = lazily(
        __name__,
        {
            "Embedder": "reid.embedders.base",
            "KprEmbedder": "reid.embedders.kpr",
            "attention_loss": "reid.losses.attention",
            "distance_matrix": "reid.ranking.distance",
            "embedding_distance": "data.kernels.parts",
            "gilt_loss": "reid.losses.gilt",
            "import_published": "reid.weights.published",
            "load_model": "reid.weights.checkpoints",
            "network_input": "reid.samples.network_input",
            "part_distances": "data.kernels.parts",
            "part_triplet_loss": "reid.losses.triplet",
            "rerank_distances": "reid.ranking.rerank",
            "rerank_features": "reid.ranking.rerank",
            "retrieval_scores": "reid.ranking.metrics",
        },
    )

__all__ = [
    "Embedder",
    "KprEmbedder",
    "attention_loss",
    "distance_matrix",
    "embedding_distance",
    "gilt_loss",
    "import_published",
    "load_model",
    "network_input",
    "part_distances",
    "part_triplet_loss",
    "rerank_distances",
    "rerank_features",
    "retrieval_scores",
]
