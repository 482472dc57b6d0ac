"""Results as a table for people and as a tree for machines."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from data.records import DoubleArray
from reid.evaluation.breakdown import GroupScores
from reid.evaluation.extract import Features
from reid.evaluation.retrieval import Retrieval
from reid.ranking.metrics import RetrievalScores
from reid.ranking.rerank import Neighbourhood

RANKS = (1, 3, 5, 10, 20)
_NAME = 34


@dataclass(frozen=True, slots=True, eq=False)
class ModelResult:
    """One network on one data set.

    Attributes:
        label: what the user called it.
        model_id: what it calls itself.
        query: crops searched for.
        gallery: crops searched in.
        retrieval: the scores.
        groups: scores of groups of queries.
        neighbourhood: parameters of re-ranking, or None without.
    """

    label: str
    model_id: str
    query: Features
    gallery: Features
    retrieval: Retrieval
    groups: tuple[GroupScores, ...]
    neighbourhood: Neighbourhood | None

    def tree(self) -> dict[str, Any]:
        """Everything, ready for JSON: shares 0-1, null where there is no figure."""
        found = self.retrieval
        reranked = None
        if found.reranked is not None and self.neighbourhood is not None:
            reranked = _scores(found.reranked) | asdict(self.neighbourhood)
        parts = {name: _scores(part.scores) | {"seen": part.seen} for name, part in found.parts.items()}
        tree = {
            "model": self.label,
            "model_id": self.model_id,
            **_scores(found.scores),
            "pairs": found.pairs,
            "parts": parts,
            "groups": [asdict(group) for group in self.groups],
            "reranked": reranked,
            "single_shot": None if found.single_shot is None else _curve(found.single_shot),
            "input": {what: _input(crops) for what, crops in (("query", self.query), ("gallery", self.gallery))},
        }
        cleaned: dict[str, Any] = _without_nan(tree)
        return cleaned

    def lines(self) -> Iterator[str]:
        """A table in per cent."""
        found = self.retrieval
        heads = " ".join(f"{f'R{rank}':>6s}" for rank in RANKS)
        yield f"{self.label} ({self.model_id})"
        yield f"  {'':{_NAME}s} {'mAP':>6s} {heads} {'seen':>6s} {'queries':>8s}"
        yield _line("all embeddings", found.scores)
        if found.reranked is not None and self.neighbourhood is not None:
            used = self.neighbourhood
            yield _line(f"re-ranked, k1 {used.k1} k2 {used.k2} lambda {used.lambda_:g}", found.reranked)
        if found.single_shot is not None:
            ranks = " ".join(_percent(share) for share in _curve(found.single_shot).values())
            yield f"  {'one picture per gallery person':{_NAME}s} {'':6s} {ranks}"
        for name, part in found.parts.items():
            yield _line(f"only {name}", part.scores, part.seen)
        for group in self.groups:
            figures = f"{_percent(group.mean_ap)} {_percent(group.rank1)}"
            yield f"  {f'{group.by}: {group.name}':{_NAME}s} {figures} {'':35s} {group.queries:8d}"
        yield from self._notes()

    def _notes(self) -> Iterator[str]:
        pairs = self.retrieval.pairs
        yield f"  {100 * pairs['uncomparable']:.1f} % of the pairs have no visible embedding in common"
        if self.retrieval.scores.unmatched:
            yield f"  {self.retrieval.scores.unmatched} queries have no match in the gallery and count in no mean"
        counts = {
            "crops show no part: nothing is compared with them": (self.query.without_parts, self.gallery.without_parts),
            "crops have no skeleton of their person: they were not prompted": (
                self.query.without_skeleton,
                self.gallery.without_skeleton,
            ),
            "keypoints lay outside their picture and were zeroed": (self.query.outside, self.gallery.outside),
        }
        for what, (query, gallery) in counts.items():
            if query + gallery:
                yield f"  {query} query and {gallery} gallery {what}"


def cross_table(names: Sequence[str], results: Sequence[Sequence[ModelResult]]) -> Iterator[str]:
    """Every model on every data set, mAP and rank 1 in per cent.

    Args:
        names: of the data sets.
        results: of each data set, those of the models in one order.
    """
    widths = [max(len(name), 13) for name in names]
    yield f"{'mAP / rank 1':{_NAME}s} " + " ".join(
        f"{name:>{width}s}" for name, width in zip(names, widths, strict=True)
    )
    for row in zip(*results, strict=True):
        cells = []
        for one, width in zip(row, widths, strict=True):
            scores = one.retrieval.scores
            cells.append(f"{f'{_percent(scores.mean_ap)} {_percent(scores.rank(1))}':>{width}s}")
        yield f"{row[0].label:{_NAME}s} " + " ".join(cells)


def _curve(cmc: DoubleArray) -> dict[str, float]:
    return {f"rank{rank}": float(cmc[min(rank, len(cmc)) - 1]) for rank in RANKS}


def _input(crops: Features) -> dict[str, int]:
    return {
        "crops": len(crops),
        "without_skeleton": crops.without_skeleton,
        "without_parts": crops.without_parts,
        "keypoints_outside": crops.outside,
    }


def _scores(scores: RetrievalScores) -> dict[str, Any]:
    ranks = {f"rank{rank}": scores.rank(rank) for rank in RANKS}
    return {"mAP": scores.mean_ap, **ranks, "queries": scores.queries, "unmatched": scores.unmatched}


def _line(name: str, scores: RetrievalScores, seen: float | None = None) -> str:
    ranks = " ".join(_percent(scores.rank(rank)) for rank in RANKS)
    visible = " " * 6 if seen is None else _percent(seen)
    return f"  {name:{_NAME}s} {_percent(scores.mean_ap)} {ranks} {visible} {scores.queries:8d}"


def _percent(share: float) -> str:
    return f"{100 * share:6.1f}" if math.isfinite(share) else f"{'-':>6s}"


def _without_nan(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _without_nan(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_without_nan(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree
