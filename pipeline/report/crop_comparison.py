"""A few crops compared: a matrix of all pairs, the prompts, and where each part looked; as PNG and as a page."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.atomic import write_text
from data.errors import UserError
from data.formats.reid_keypoints import CropSkeletons
from data.output_folder import prepare_folder
from data.records import FloatArray, Image, PartEmbeddings
from pipeline.rendering.crop_pictures import NEGATIVE, TARGET, heated, part_color, prompted, scaled, tinted
from pipeline.rendering.palette import hex_of, text_on
from reid.embedders.base import AttentiveEmbedder, Embedder
from reid.embedders.extraction import crop_request
from reid.ranking.similarity import Similarity, cell_text, compare, draw_matrix, draw_parts, legend
from reid.samples.crop_files import Crop

LEAST, MOST = 2, 12
MATRIX, PARTS, PAGE = "similarity.png", "parts.png", "index.html"

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_HEIGHT = 256
_JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """The pictures of one crop.

    Attributes:
        plain: the crop.
        prompted: with its prompts.
        parts: all parts, then each one; empty where the model does not say where it looks.
        labels: of the parts' pictures.
    """

    plain: Image
    prompted: Image
    parts: tuple[Image, ...]
    labels: tuple[str, ...]


def write_demo(crops: Sequence[Crop], embedder: Embedder, out: Path, overwrite: bool = False) -> Similarity:
    """Compare crops, and write ``similarity.png``, ``index.html`` and, where the model tells, ``parts.png``.

    Args:
        crops: 2 to 12.
        embedder: the appearance model.
        out: folder of the results.
        overwrite: they may be there already.

    Raises:
        UserError: for too few or too many crops, or a folder that cannot be written into.
    """
    if not LEAST <= len(crops) <= MOST:
        raise UserError(f"{len(crops)} crops: the matrix is drawn for {LEAST} to {MOST}")
    prepare_folder(out, [out / name for name in (MATRIX, PARTS, PAGE)], overwrite)
    made, masks = _describe(crops, embedder)
    similarity = compare(made)
    looks = [_look(crop, made, masks, row) for row, crop in enumerate(crops)]
    title = f"{made.model_id}: {len(crops)} crops"
    names = [crop.name for crop in crops]
    draw_matrix(similarity, [look.prompted for look in looks], names, title, out / MATRIX)
    columns = ["all parts", *made.part_names] if masks is not None else []
    if masks is None:
        # That of an earlier demo is of another model.
        (out / PARTS).unlink(missing_ok=True)
    else:
        draw_parts(
            [[look.prompted, *look.parts] for look in looks], [["", *look.labels] for look in looks],
            ["prompts", *columns], out / PARTS,
        )  # fmt: skip
    _write_page(out / PAGE, crops, looks, similarity, made, columns)
    return similarity


def _describe(crops: Sequence[Crop], embedder: Embedder) -> tuple[PartEmbeddings, FloatArray | None]:
    """Rows of all crops, and their masks (N, P, h, w) where the model tells."""
    requests = [crop_request(crop.image, crop.skeletons) for crop in crops]
    masks = None
    if isinstance(embedder, AttentiveEmbedder):
        found = embedder.with_masks(requests)
        rows, masks = [made for made, _ in found], np.concatenate([looked for _, looked in found])
    else:
        rows = embedder(requests)
    made = PartEmbeddings(
        np.concatenate([row.vectors for row in rows]),
        np.concatenate([row.visibility for row in rows]),
        embedder.part_names,
        embedder.part_kinds,
        embedder.model_id,
    )
    return made, masks


def _look(crop: Crop, made: PartEmbeddings, masks: FloatArray | None, row: int) -> _Look:
    plain = scaled(crop.image, _HEIGHT)
    told = prompted(crop.image, crop.skeletons or CropSkeletons.none(), _HEIGHT)
    labels = tuple(f"{100 * seen:.0f} %" for seen in made.visibility[row])
    if masks is None:
        return _Look(plain, told, (), ())
    own = np.array([kind == "part" for kind in made.part_kinds])
    together = tinted(crop.image, masks[row][own], _HEIGHT)
    each = (heated(crop.image, mask, _HEIGHT) for mask in masks[row])
    return _Look(plain, told, (together, *each), ("", *labels))


def _write_page(
    path: Path,
    crops: Sequence[Crop],
    looks: Sequence[_Look],
    similarity: Similarity,
    made: PartEmbeddings,
    columns: Sequence[str],
) -> None:
    import jinja2

    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True)
    colors = similarity.colors()
    parts = [name for name, kind in zip(made.part_names, made.part_kinds, strict=True) if kind == "part"]
    page = environment.get_template("reid_demo.html.j2").render(
        title=f"{made.model_id}: {len(crops)} crops",
        legend=legend(similarity),
        target=hex_of(TARGET),
        negative=hex_of(NEGATIVE),
        crops=[_card(crop, look) for crop, look in zip(crops, looks, strict=True)],
        cells=[
            [_cell(similarity, row, column, colors[row][column]) for column in range(len(crops))]
            for row in range(len(crops))
        ],
        attentive=bool(columns),
        columns=[name.replace("_", " ") for name in columns],
        parts=[(name.replace("_", " "), hex_of(part_color(number))) for number, name in enumerate(parts)],
    )
    try:
        write_text(path, page)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def _card(crop: Crop, look: _Look) -> dict[str, Any]:
    skeletons = crop.skeletons
    if skeletons is None:
        told = "without prompts"
    else:
        others = int((skeletons.negatives[..., 2] > 0).any(axis=1).sum())
        told = ("a target" if skeletons.target[:, 2].any() else "no target") + f", {others} others"
    return {
        "name": crop.name,
        "told": told,
        "plain": _uri(look.plain),
        "prompted": _uri(look.prompted),
        "looked": [(_uri(picture), label) for picture, label in zip(look.parts, look.labels, strict=True)],
    }


def _cell(similarity: Similarity, row: int, column: int, color: tuple[int, int, int]) -> dict[str, str]:
    distance, shared = cell_text(similarity, row, column)
    return {"distance": distance, "shared": shared, "back": hex_of(color), "ink": hex_of(text_on(color))}


def _uri(picture: Image) -> str:
    import cv2

    encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
