"""A folder to look at: one picture per query of what it found, and a page that holds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.atomic import write_text
from data.errors import UserError
from data.records import FloatArray
from pipeline.rendering.ranking_sheet import QUERY, RIGHT, WRONG, Column, draw_sheet
from reid.evaluation.crops import LabelledCrop, Prompts, read_crop
from reid.evaluation.extract import Extractor, Features
from reid.evaluation.retrieval import Pairs, ranking_of
from reid.ranking.metrics import RetrievalScores
from reid.ranking.rules import Rule
from reid.samples.sources import Sample

INDEX = "index.html"
_TEMPLATES = Path(__file__).resolve().parent / "templates"


@dataclass(frozen=True, slots=True, eq=False)
class Rankings:
    """What a network found, and what is to be shown of it.

    Attributes:
        extractor: the network.
        query: crops searched for.
        gallery: crops searched in.
        scores: of the queries.
        rule: which gallery crops a query ranks.
        prompts: which skeletons the network was given.
        top: gallery crops shown per query.
        device: torch device of the distances.
    """

    extractor: Extractor
    query: Features
    gallery: Features
    scores: RetrievalScores
    rule: Rule
    prompts: Prompts = "all"
    top: int = 10
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of the page."""

    picture: str
    name: str
    identity: int
    average_precision: float
    first_match: int


def worst_queries(scores: RetrievalScores, count: int) -> list[int]:
    """Numbers of the queries of lowest average precision, worst first; queries without a match are left out."""
    order = np.argsort(scores.average_precision, kind="stable")
    matched = order[~np.isnan(scores.average_precision[order])]
    return [int(number) for number in matched[:count]]


def queries_named(queries: Sequence[Sample], names: Sequence[str]) -> list[int]:
    """Numbers of the queries of some file names.

    Raises:
        UserError: when there is no query of a name.
    """
    places = {sample.path.name: number for number, sample in enumerate(queries)}
    for name in names:
        if name not in places:
            raise UserError(f"there is no query '{name}'; queries are named as {queries[0].path.name}")
    return [places[name] for name in names]


def write_rankings(rankings: Rankings, queries: Sequence[int], folder: Path) -> Path:
    """Draw what some queries found.

    Args:
        rankings: what there is.
        queries: numbers of the queries, in the order of the page.
        folder: gets ``index.html`` and a PNG per query.

    Returns:
        The page.

    Raises:
        UserError: when a crop cannot be read any more, or the folder cannot be written.
    """
    pairs = Pairs(rankings.query, rankings.gallery, rankings.device)
    entries = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place, number in enumerate(queries, 1):
            sample = rankings.query.samples[number]
            picture = f"{place:03d}_{sample.path.stem}.png"
            _write_sheet(rankings, pairs, number, folder / picture)
            scores = rankings.scores
            precision, first = float(scores.average_precision[number]), int(scores.first_match[number])
            entries.append(_Entry(picture, sample.path.name, sample.identity, precision, first + 1))
        write_text(folder / INDEX, _page(rankings, entries))
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}") from None
    return folder / INDEX


def _page(rankings: Rankings, entries: Sequence[_Entry]) -> str:
    import jinja2

    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True)
    return environment.get_template("rankings.html.j2").render(
        model=rankings.extractor.model_id, scores=rankings.scores, rule=rankings.rule, prompts=rankings.prompts,
        gallery=len(rankings.gallery), top=rankings.top, entries=entries,
    )  # fmt: skip


def _write_sheet(rankings: Rankings, pairs: Pairs, number: int, path: Path) -> None:
    import cv2

    query, gallery = rankings.query, rankings.gallery
    order, distances = ranking_of(pairs, query, gallery, rankings.rule, number)
    right = np.flatnonzero(gallery.identities[order] == query.identities[number])
    places = list(range(min(rankings.top, len(order))))
    if len(right) and right[-1] >= rankings.top:
        places.append(int(right[-1]))
    rows = order[places]
    labels = rankings.extractor.labels is not None
    crops = [read_crop(features.samples[row], labels).prompted(rankings.prompts) for features, row in
             [(query, number), *((gallery, int(row)) for row in rows)]]  # fmt: skip
    masks = rankings.extractor.attention(crops)
    pictures = [None] * len(crops) if masks is None else list(masks.numpy())
    apart = pairs.parts(number, rows)
    columns = [_query_column(rankings, number, crops[0], pictures[0])]
    for place, row, crop, picture, parts in zip(places, rows, crops[1:], pictures[1:], apart, strict=True):
        columns.append(_found_column(rankings, number, place, int(row), crop, picture, parts, float(distances[row])))
    precision, first = rankings.scores.average_precision[number], rankings.scores.first_match[number]
    title = [
        f"{query.samples[number].path.name}: AP {precision:.3f}, first match at rank {first + 1}, "
        f"{len(right)} matches among {len(order)}",
        "blue skeleton: prompt of the person; orange crosses: prompts of other people; v: visibility; d: distance",
    ]
    sheet = draw_sheet(title, rankings.extractor.part_names, columns)
    path.write_bytes(cv2.imencode(".png", sheet[..., ::-1])[1].tobytes())


def _query_column(rankings: Rankings, number: int, crop: LabelledCrop, masks: FloatArray | None) -> Column:
    sample = rankings.query.samples[number]
    notes = tuple(f"v {value:.2f}" for value in rankings.query.visibility[number].float().tolist())
    lines = (f"id {sample.identity}, camera {sample.camera}", "", sample.path.name)
    return Column("query", QUERY, lines, crop.image, crop.skeletons, masks, notes)


def _found_column(
    rankings: Rankings,
    number: int,
    place: int,
    row: int,
    crop: LabelledCrop,
    masks: FloatArray | None,
    parts: FloatArray,
    distance: float,
) -> Column:
    sample = rankings.gallery.samples[row]
    right = sample.identity == rankings.query.samples[number].identity
    seen = rankings.gallery.visibility[row].float().tolist()
    notes = tuple(f"v {value:.2f}, d {_text(part)}" for value, part in zip(seen, parts.tolist(), strict=True))
    what = "same" if right else "other"
    heading = f"{place + 1}: {what}" if place < rankings.top else f"{place + 1}: last match"
    lines = (f"id {sample.identity}, camera {sample.camera}", f"d {_text(distance)}", sample.path.name)
    return Column(heading, RIGHT if right else WRONG, lines, crop.image, crop.skeletons, masks, notes)


def _text(distance: float) -> str:
    return f"{distance:.2f}" if np.isfinite(distance) else "none"
