"""Which people of PoseTrack21 Occluded-PoseTrack-ReID is made of: the published choice, or the rules behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.datasets.occluded_posetrack import REID_FOLDER, TEST, TRAIN, read_columns, rows_of
from data.datasets.posetrack21 import NOBODY, PoseTrackSplit
from data.errors import UserError

_SPLITS = frozenset({"train", "query", "gallery"})


@dataclass(frozen=True, slots=True)
class SamplingRules:
    """Which annotations become crops.

    Attributes:
        visibility: least share of the 17 keypoints that are labelled.
        size: the box must be wider and higher than this, px.
        most: crops of a person; more are thinned out evenly over time, first and last kept.
        least: crops of a person; people with fewer are left out.
        people: most identities, drawn at random; None takes all.
    """

    visibility: float
    size: float
    most: int
    least: int
    people: int | None


RULES: Mapping[str, SamplingRules] = {
    TRAIN: SamplingRules(visibility=0.3, size=10, most=20, least=4, people=1000),
    TEST: SamplingRules(visibility=0.0, size=0, most=10, least=4, people=None),
}


def sampling_file(root: Path, split: str) -> Path:
    """The published choice of a split."""
    return root / REID_FOLDER / f"{split}_dataset_sampling.json"


def read_sampling(path: Path, people: PoseTrackSplit) -> NDArray[np.bool_]:
    """Read a published choice, ``{"id": {row: annotation}, "split": {row: train | query | gallery | none}}``.

    Query and gallery are told apart later, by occlusion.

    Returns:
        (N,) whether an annotation is chosen.

    Raises:
        UserError: when the file is absent or no such table, or names annotations that are not there.
    """
    told = {number: columns.get("split") for number, columns in read_columns(path).items()}
    unknown = sorted({str(split) for split in told.values()} - _SPLITS - {"none", "None"})
    if unknown:
        raise UserError(f"{path}: '{unknown[0]}' is no split; expected train, query, gallery or none")
    chosen = np.zeros(len(people), bool)
    wanted = np.array(sorted(number for number, split in told.items() if split in _SPLITS), np.int64)
    chosen[rows_of(people, wanted, path)] = True
    return chosen


def sample_by_rules(people: PoseTrackSplit, rules: SamplingRules, seed: int = 0) -> NDArray[np.bool_]:
    """Choose as the makers of the data set did.

    Identities are drawn by numpy's legacy generator from the sorted person ids, as theirs were.

    Args:
        people: to choose from.
        rules: what to choose.
        seed: of the draw of identities.

    Returns:
        (N,) whether an annotation is chosen.
    """
    visibility = people.keypoints[..., 2].mean(axis=1)
    large = (people.boxes[:, 2:] > rules.size).all(axis=1)
    kept = np.flatnonzero((visibility >= rules.visibility) & large & (people.people != NOBODY))
    # Images are sorted by id, annotations as well: rows tell the order in time.
    kept = kept[np.lexsort((people.rows[kept], people.people[kept]))]
    identities, first = np.unique(people.people[kept], return_index=True)
    thinned = [_thinned(rows, rules.most) for rows in np.split(kept, first[1:])] if len(kept) else []
    enough = [number for number, rows in enumerate(thinned) if len(rows) >= rules.least]
    if rules.people is not None and rules.people < len(enough):
        drawn = np.random.RandomState(seed).choice(identities[enough], rules.people, replace=False)
        enough = np.flatnonzero(np.isin(identities, drawn)).tolist()
    chosen = np.zeros(len(people), bool)
    for number in enough:
        chosen[thinned[number]] = True
    return chosen


def _thinned(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    if len(rows) <= most:
        return rows
    return rows[np.round(np.linspace(0, len(rows) - 1, most)).astype(np.int64)]
