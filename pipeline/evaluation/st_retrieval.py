"""The retrieval protocol of ST-ReID: appearance, joined with space-time, each with and without re-ranking."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.formats.reid_names import ReidNames
from data.records import FloatArray, IntArray
from reid.metrics import RetrievalEvaluator, RetrievalScores, Rule, evaluate_blocks
from reid.neighbours import unit_rows
from reid.rerank import Neighbourhood, rerank_features, rerank_rows
from st_model.published import PublishedDistribution
from st_model.scores import JointConstants, st_reid_joint

_BLOCK_CELLS = 1 << 21
Blocks = Iterator[tuple[int, NDArray[np.floating[Any]]]]


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """Pictures to search for or in.

    Attributes:
        features: (N, D) float32 unit rows.
        identities: (N,) int64; -1 is junk.
        cameras: (N,) int64, from 1.
        frames: (N,) int64 on the time line of the distribution; -1 = unknown.
    """

    features: FloatArray
    identities: IntArray
    cameras: IntArray
    frames: IntArray

    def __len__(self) -> int:
        return len(self.features)

    @staticmethod
    def make(features: NDArray[np.floating[Any]], names: ReidNames) -> "Sightings":
        """Normalise features and take the rest from file names.

        Raises:
            UserError: when the numbers of rows differ, or a feature is not finite.
        """
        if len(features) != len(names):
            raise UserError(f"{len(features)} features belong to {len(names)} names; they must go row for row")
        return Sightings(unit_rows(features), names.identities, names.cameras, names.frames)

    def select(self, rows: NDArray[np.bool_] | IntArray) -> "Sightings":
        """Keep some rows, given as indices or as a mask."""
        return Sightings(self.features[rows], self.identities[rows], self.cameras[rows], self.frames[rows])


@dataclass(frozen=True, slots=True)
class ProtocolRow:
    """One line of the result: what was ranked by, and the scores under both conventions."""

    name: str
    standard: RetrievalScores
    trapezoid: RetrievalScores


def split_by_camera(items: Sightings) -> tuple[Sightings, Sightings]:
    """Query and gallery as in Market-1501: the first picture of each identity in each camera is a query.

    Identities 0 and -1 (distractors, junk) are never queries.
    """
    order = np.lexsort((np.arange(len(items)), items.cameras, items.identities))
    who, where = items.identities[order], items.cameras[order]
    first = np.ones(len(order), bool)
    first[1:] = (who[1:] != who[:-1]) | (where[1:] != where[:-1])
    query = np.zeros(len(items), bool)
    query[order[first]] = True
    query &= items.identities > 0
    return items.select(query), items.select(~query)


def evaluate_protocol(
    query: Sightings,
    gallery: Sightings,
    distribution: PublishedDistribution | None,
    neighbourhood: Neighbourhood | None = None,
    constants: JointConstants | None = None,
    rule: Rule = "market",
) -> list[ProtocolRow]:
    """Rank by appearance, with re-ranking, with space-time, with both.

    Args:
        query: Q pictures.
        gallery: G pictures; those of identity -1 are left out before anything is ranked.
        distribution: of ST-ReID; None leaves out the lines that need it. It must not rest on the identities tested.
        neighbourhood: of re-ranking; None takes the published one.
        constants: of the joint score; None takes the published ones.
        rule: which gallery items a query ranks.

    Returns:
        Two or four lines. Memory is bounded by blocks and the features.
    """
    gallery = gallery.select(gallery.identities != -1)
    if not len(query) or not len(gallery):
        raise UserError(f"nothing to evaluate: {len(query)} queries and {len(gallery)} gallery pictures")
    parameters = neighbourhood or Neighbourhood()

    def score(name: str, blocks: Blocks) -> ProtocolRow:
        evaluator = RetrievalEvaluator(
            query.identities, gallery.identities, query.cameras, gallery.cameras, rule, junk_id=None
        )
        evaluate_blocks(evaluator, blocks)
        return ProtocolRow(name, evaluator.scores("standard"), evaluator.scores("trapezoid"))

    def product(start: int, stop: int) -> FloatArray:
        return query.features[start:stop] @ gallery.features.T

    rows = [
        score("appearance", ((a, -product(a, b)) for a, b in _blocks(len(query), len(gallery)))),
        score("appearance + re-ranking", rerank_features(query.features, gallery.features, parameters).blocks()),
    ]
    if distribution is not None:
        joint = _joint_rows(query, gallery, distribution, constants or JointConstants())
        total, queries = len(query) + len(gallery), len(query)
        direct = ((a, joint(a, b)[:, queries:]) for a, b in _blocks(queries, total))
        rows.append(score("appearance + space-time", direct))
        rows.append(
            score("appearance + space-time + re-ranking", rerank_rows(joint, queries, total, parameters).blocks())
        )
    return rows


def _blocks(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    step = max(1, _BLOCK_CELLS // max(columns, 1))
    return ((start, min(start + step, rows)) for start in range(0, rows, step))


def _joint_rows(
    query: Sightings, gallery: Sightings, distribution: PublishedDistribution, constants: JointConstants
) -> Callable[[int, int], FloatArray]:
    """Distances 2 - 2 joint of items [start, stop) to all, queries first.

    Row i holds the scores of all items as queries against item i, which is the published matrix transposed: the two
    differ where frames are equal.
    """
    features = np.concatenate([query.features, gallery.features])
    frames = np.concatenate([query.frames, gallery.frames])
    numbers = {name: index for index, name in enumerate(distribution.cameras)}
    cameras = np.concatenate([query.cameras, gallery.cameras])
    index = np.array([numbers.get(f"c{camera}", -1) for camera in cameras.tolist()], np.int64)

    def rows(start: int, stop: int) -> FloatArray:
        part = slice(start, stop)
        similarity = features @ features[part].T
        scores = st_reid_joint(
            similarity, index, frames, index[part], frames[part], distribution, constants, out=similarity
        )
        distance: FloatArray = np.ascontiguousarray(scores.T)
        distance *= np.float32(-2.0)
        distance += np.float32(2.0)
        return distance

    return rows
