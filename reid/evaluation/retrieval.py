"""Searching the gallery for every query: as a whole, by each embedding alone, and re-ranked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from data.records import DoubleArray, FloatArray, IntArray
from reid.evaluation.extract import Extractor, Features, Reading, extract
from reid.ranking.distance import distance_matrix
from reid.ranking.metrics import RetrievalEvaluator, RetrievalScores, ranked_last
from reid.ranking.pair_statistics import PairStatistics
from reid.ranking.rerank import Neighbourhood, auto_neighbourhood, rerank_rows
from reid.ranking.rules import Rule
from reid.ranking.single_shot import SingleShotCmc
from reid.samples.sources import Sample


@dataclass(frozen=True, slots=True)
class Ranking:
    """How the gallery is ranked.

    Attributes:
        rule: which gallery crops a query ranks, see ``RetrievalEvaluator``.
        chunk: queries whose distances are in memory at a time; it changes no score.
        device: torch device of the distances.
        parts: also rank by each embedding alone.
        rerank: also rank by k-reciprocal distances of these parameters; None does not.
        single_shot: also give the CMC curve of galleries with one random picture per person.
    """

    rule: Rule = "market"
    chunk: int = 256
    device: str = "cpu"
    parts: bool = False
    rerank: Neighbourhood | None = None
    single_shot: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PartRetrieval:
    """One embedding alone.

    Attributes:
        scores: of all queries; a query in which the embedding is not visible finds its matches last.
        seen: share of all crops, queries and gallery, in which it is visible.
    """

    scores: RetrievalScores
    seen: float


@dataclass(frozen=True, slots=True, eq=False)
class Retrieval:
    """What a network's features are worth.

    Attributes:
        scores: of all embeddings together.
        pairs: how far apart pairs of same and of different people are, and how many cannot be compared; see
            ``PairStatistics``.
        parts: name of the embedding -> its scores; empty unless asked for.
        reranked: scores after re-ranking, or None.
        single_shot: (R,) CMC curve of galleries with one picture per person, 0-1, or None.
    """

    scores: RetrievalScores
    pairs: dict[str, float]
    parts: dict[str, PartRetrieval] = field(default_factory=dict)
    reranked: RetrievalScores | None = None
    single_shot: DoubleArray | None = None

    def summary(self) -> dict[str, float]:
        """``mAP``, ``rank1``, ``rank5``, ``rank10`` (0-1), and what ``pairs`` holds."""
        ranks = {f"rank{number}": self.scores.rank(number) for number in (1, 5, 10)}
        return {"mAP": self.scores.mean_ap, **ranks, **self.pairs}


class Pairs:
    """Distances between the crops of a query set and a gallery, computed when asked for.

    Args:
        query: Q crops.
        gallery: G crops, described by the same network.
        device: torch device.
    """

    def __init__(self, query: Features, gallery: Features, device: str = "cpu") -> None:
        self._vectors = [features.vectors.to(device) for features in (query, gallery)]
        self._visibility = [features.visibility.to(device) for features in (query, gallery)]

    def block(self, start: int, stop: int, part: int | None = None) -> FloatArray:
        """Distances of some queries to the gallery.

        Args:
            start: first query.
            stop: one after the last.
            part: number of the only embedding that counts; None: the visibility-weighted mean of all.

        Returns:
            (stop - start, G) float32; infinite where nothing can be compared.
        """
        columns = slice(None) if part is None else slice(part, part + 1)
        found = distance_matrix(
            self._vectors[0][start:stop, columns], self._vectors[1][:, columns],
            self._visibility[0][start:stop, columns], self._visibility[1][:, columns],
        )  # fmt: skip
        block: FloatArray = found.cpu().numpy()
        return block

    def parts(self, number: int, rows: IntArray) -> FloatArray:
        """Distance of each embedding of one query to those of some gallery crops, (len(rows), P); infinite as above."""
        chosen = torch.from_numpy(rows).to(self._vectors[1].device)
        apart = (self._vectors[1][chosen] - self._vectors[0][number]).norm(dim=-1)
        seen = (self._visibility[1][chosen] > 0) & (self._visibility[0][number] > 0)
        found: FloatArray = apart.masked_fill(~seen, torch.inf).cpu().numpy()
        return found

    def reranked(self, parameters: Neighbourhood) -> Iterator[tuple[int, FloatArray]]:
        """k-reciprocal distances in blocks of (first query, (rows, G)); infinite where nothing can be compared."""
        vectors, visibility = torch.cat(self._vectors), torch.cat(self._visibility)

        def rows(start: int, stop: int) -> FloatArray:
            found = distance_matrix(vectors[start:stop], vectors, visibility[start:stop], visibility).cpu().numpy()
            return np.where(np.isinf(found), np.float32(np.nan), np.square(found))

        queries = len(self._vectors[0])
        shown = [(seen > 0).float() for seen in self._visibility]
        for first, block in rerank_rows(rows, queries, len(vectors), parameters).blocks():
            blind = (shown[0][first : first + len(block)] @ shown[1].T == 0).cpu().numpy()
            yield first, np.where(blind, np.float32(np.inf), block)


def retrieve(query: Features, gallery: Features, part_names: Sequence[str], ranking: Ranking) -> Retrieval:
    """Rank the gallery for every query.

    Args:
        query: crops to search for.
        gallery: crops to search in, described by the same network.
        part_names: P names of the embeddings.
        ranking: how to rank.
    """
    pairs = Pairs(query, gallery, ranking.device)
    whole = _evaluator(query, gallery, ranking.rule)
    single = [_evaluator(query, gallery, ranking.rule) for _ in part_names] if ranking.parts else []
    statistics = PairStatistics(
        query.identities, gallery.identities, query.cameras, gallery.cameras, ranking.rule, _clothes(query, gallery)
    )
    shots = SingleShotCmc(query.identities, gallery.identities, query.cameras, gallery.cameras)
    for start in range(0, len(query), ranking.chunk):
        stop = min(start + ranking.chunk, len(query))
        block = pairs.block(start, stop)
        statistics.add(start, block)
        marked = ranked_last(block, query.identities[start:stop], gallery.identities)
        whole.add(start, marked)
        if ranking.single_shot:
            shots.add(marked)
        for part, evaluator in enumerate(single):
            block = pairs.block(start, stop, part)
            evaluator.add(start, ranked_last(block, query.identities[start:stop], gallery.identities))
    reranked = None
    if ranking.rerank is not None:
        evaluator = _evaluator(query, gallery, ranking.rule)
        for start, block in pairs.reranked(ranking.rerank):
            ids = query.identities[start : start + len(block)]
            evaluator.add(start, ranked_last(block, ids, gallery.identities))
        reranked = evaluator.scores()
    seen = (torch.cat([query.visibility, gallery.visibility]) > 0).double().mean(0).tolist()
    return Retrieval(
        whole.scores(),
        statistics.summary(),
        {name: PartRetrieval(part.scores(), share) for name, part, share in zip(part_names, single, seen)},
        reranked,
        shots.curve() if ranking.single_shot else None,
    )


def evaluate(
    extractor: Extractor,
    query: Sequence[Sample],
    gallery: Sequence[Sample],
    reading: Reading | None = None,
    ranking: Ranking | None = None,
) -> Retrieval:
    """Describe queries and gallery, each crop once, and rank.

    Args:
        extractor: the network.
        query: crops to search for.
        gallery: crops to search in.
        reading: how crops are read; None: every default.
        ranking: how they are ranked; None: every default.

    Raises:
        UserError: see ``extract``.
    """
    reading = reading or Reading()
    described = [
        extract(extractor, samples, what, reading) for samples, what in ((query, "query"), (gallery, "gallery"))
    ]
    return retrieve(described[0], described[1], extractor.part_names, ranking or Ranking())


def neighbourhood_for(query: Features, gallery: Features) -> Neighbourhood | None:
    """Re-ranking parameters by the rule for sets of any size, ``auto_neighbourhood``; None where it would not help.

    A person's number of crops is the median over the people of both sets together.
    """
    counts = np.unique(np.concatenate([query.identities, gallery.identities]), return_counts=True)[1]
    return auto_neighbourhood(len(query) + len(gallery), float(np.median(counts)))


def ranking_of(
    pairs: Pairs, query: Features, gallery: Features, rule: Rule, number: int
) -> tuple[IntArray, FloatArray]:
    """What one query finds.

    Args:
        pairs: of the two sets.
        query: crops searched for.
        gallery: crops searched in.
        rule: which gallery crops the query ranks.
        number: of the query.

    Returns:
        Gallery rows, best first, without those the rule leaves out; and the distances of all gallery rows, (G,).
    """
    block = pairs.block(number, number + 1)
    marked = ranked_last(block, query.identities[number : number + 1], gallery.identities)
    return _evaluator(query, gallery, rule).ranking(number, marked[0]), block[0]


def _evaluator(query: Features, gallery: Features, rule: Rule) -> RetrievalEvaluator:
    return RetrievalEvaluator(
        query.identities, gallery.identities, query.cameras, gallery.cameras, rule, clothes=_clothes(query, gallery)
    )


def _clothes(query: Features, gallery: Features) -> tuple[IntArray, IntArray] | None:
    worn = query.clothes, gallery.clothes
    return None if worn[0] is None or worn[1] is None else (worn[0], worn[1])
